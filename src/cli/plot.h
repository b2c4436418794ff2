/* Pictures: maps, lines and histograms of values that are already in memory, drawn with cairo into PNG, SVG or PDF (by the path's
 * extension). The file appears whole or not at all. Nothing here knows about arrays or files of data: see figure.c for that. */
#ifndef TESSERA_CLI_PLOT_H
#define TESSERA_CLI_PLOT_H

#include "base/error.h"

#include <cairo.h>

typedef enum axis_kind {
    AXIS_INDEX, /* no coordinate: positions 0 .. n - 1 */
    AXIS_PLAIN,
    AXIS_LATITUDE,
    AXIS_LONGITUDE,
    AXIS_GIVEN /* ticks are given (dates) */
} axis_kind;

typedef struct plot_tick {
    double at;
    char text[40];
} plot_tick;

enum { PLOT_MAX_TICKS = 16 };

typedef struct plot_axis {
    axis_kind kind;
    int64_t n;
    const double *values; /* n positions, rising or falling; NULL for AXIS_INDEX */
    const char *label;    /* may be NULL */
    bool is_distance;     /* metres or degrees: two such axes have the same scale */
    bool is_down;         /* depths, pressures: upright it rises downwards */
    int n_ticks;          /* AXIS_GIVEN */
    plot_tick ticks[PLOT_MAX_TICKS];
} plot_axis;

typedef struct plot_style {
    const char *title, *subtitle; /* may be NULL */
    const char *expression;       /* what the values are, where the title does not say so; may be NULL */
    const char *value_label;      /* "2 metre temperature (K)"; may be NULL */
    const char *colours;          /* NULL: viridis, or RdBu_r for values on both sides of zero */
    bool is_quiet;                /* no remarks */
    bool robust;                  /* limits at the 2nd and 98th percentile */
    bool has_low, has_high;
    double low, high;
    int width; /* of a PNG in pixels; 0: 1600 */
} plot_style;

/* values[y * x->n + x]; NaN is left grey. */
tsr_status plot_map(const char *path, const plot_style *style, const plot_axis *x, const plot_axis *y,
                    const float *values) MUST_CHECK;
/* The same on a curvilinear grid: the degrees of every cell's centre, [y * nx + x]. */
tsr_status plot_mesh(const char *path, const plot_style *style, int64_t ny, int64_t nx, const double *lon, const double *lat,
                     const float *values) MUST_CHECK;
bool plot_mesh_is_polar(int64_t ny, int64_t nx, const double *lon, const double *lat);
tsr_status plot_line(const char *path, const plot_style *style, const plot_axis *x, const double *values) MUST_CHECK;
/* n bars between n + 1 rising edges. */
tsr_status plot_bars(const char *path, const plot_style *style, int64_t n, const double *edges, const double *heights,
                     const char *x_label) MUST_CHECK;
/* TSR_ERR_VALUE if the path's extension is none of .png .svg .pdf, or the colours are unknown. */
tsr_status plot_check_path(const char *path) MUST_CHECK;
tsr_status plot_check_colours(const char *name) MUST_CHECK;
extern const char plot_colour_names[]; /* "viridis RdBu_r ..." */

/* ---- Shared by the plot_*.c files -------------------------------------------------------------------------------- */

typedef struct colour_map colour_map;
const colour_map *colour_map_find(const char *name);
/* Colour at 0 .. 1 as 0xRRGGBB. */
uint32_t colour_map_at(const colour_map *map, double position);

/* Round numbers between low and high, about `wanted` of them. Returns how many. */
int ticks_plain(double low, double high, int wanted, plot_tick *out);
int ticks_of_axis(const plot_axis *axis, double low, double high, int wanted, plot_tick *out);

/* Before any call of cairo; canvas_open does it. */
tsr_status plot_open_cairo(void) MUST_CHECK;

typedef struct plot_canvas {
    cairo_surface_t *surface;
    cairo_t *cr;
    char *path, *temporary;
    bool is_png;
    double width, height; /* in layout units (points) */
    double scale;         /* pixels of a PNG per unit */
} plot_canvas;

typedef struct plot_box {
    double x, y, width, height;
} plot_box;

enum { PLOT_WIDTH = 800 }; /* layout units */

tsr_status canvas_open(plot_canvas *c, const char *path, double height, int png_width) MUST_CHECK;
/* Ends the drawing and gives the file its name. */
tsr_status canvas_finish(plot_canvas *c) MUST_CHECK;
/* Releases everything; removes an unfinished file. */
void canvas_close(plot_canvas *c);

typedef enum text_anchor { ANCHOR_LEFT, ANCHOR_CENTRE, ANCHOR_RIGHT } text_anchor;
void canvas_text(plot_canvas *c, double x, double y, double size, text_anchor anchor, const char *text);
void canvas_text_upright(plot_canvas *c, double x, double y, double size, const char *text);
double canvas_text_width(plot_canvas *c, double size, const char *text);
void canvas_title(plot_canvas *c, const plot_box *panel, const plot_style *style);
/* Frame, ticks and labels. Positions go from low to high, left to right and bottom to top (or the other way if low > high). */
void canvas_x_axis(plot_canvas *c, const plot_box *panel, const plot_axis *axis, double low, double high, bool grid);
void canvas_y_axis(plot_canvas *c, const plot_box *panel, const plot_axis *axis, double low, double high, bool grid);
void canvas_frame(plot_canvas *c, const plot_box *panel);

#endif
