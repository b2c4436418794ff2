/* Variables as pictures: chooses between map, line and histogram, and finds axes, labels and titles in coordinates and
 * attributes. */
#ifndef TESSERA_CLI_FIGURE_H
#define TESSERA_CLI_FIGURE_H

#include "cli/command.h"
#include "cli/plot.h"

#define OPTIONS_FIGURE                                                                                                           \
    {"cmap", 0, "NAME", "viridis magma cividis gray RdBu RdBu_r", "colours (default: viridis, or RdBu_r around zero)"},          \
        {"robust", 0, NULL, NULL, "limit the colours to the 2nd and 98th percentile"},                                           \
        {"min", 0, "X", NULL, "lower limit of the colours or of the vertical axis"},                                             \
        {"max", 0, "X", NULL, "upper limit of the colours or of the vertical axis"},                                             \
        {"title", 0, "TEXT", NULL, "title (default: the variable's long_name)"},                                                 \
    {                                                                                                                            \
        "width", 0, "PIXELS", NULL, "width of a PNG (default: 1600)"                                                             \
    }

/* Reads OPTIONS_FIGURE. TSR_ERR_VALUE for wrong ones. */
tsr_status figure_options(const invocation *call, plot_style *style) MUST_CHECK;
/* Computes the variable and draws it: one dimension as a line, two as a map. `name` is what the user calls it (may be NULL).
 * TSR_ERR_VALUE names the dimensions that are too many. */
tsr_status figure_variable(const char *path, const plot_style *style, const char *name, tsr_variable *v) MUST_CHECK;
/* Counts and edges, as histogram() returns them. */
tsr_status figure_histogram(const char *path, const plot_style *style, tsr_variable *counts, tsr_variable *edges,
                            const char *x_label) MUST_CHECK;

/* "m s**-1", "m s-1" and "m s^-1" as "m s⁻¹", "degree_C" as "°C". Returns `text`. */
const char *units_pretty(const char *units, char *text, size_t size);

#endif
