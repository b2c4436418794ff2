/* The functions of cairo that are called: opened with the first picture (base/library.h). */
#include "cli/plot.h"

#include "base/libraries.h"
#if defined LIBRARY_CAIRO && !defined LATE_LIBRARIES /* wheels: all others are linked */
#define LATE_LIBRARIES 1
#endif
#include "base/library.h"

/* clang-format off */
#define FUNCTIONS(X)                                                                                                             \
    X(cairo_clip) X(cairo_close_path) X(cairo_create) X(cairo_destroy) X(cairo_fill) X(cairo_get_source)                         \
    X(cairo_image_surface_create) X(cairo_image_surface_get_data) X(cairo_image_surface_get_stride) X(cairo_line_to)             \
    X(cairo_move_to) X(cairo_paint) X(cairo_pattern_set_filter) X(cairo_pdf_surface_create) X(cairo_rectangle)                   \
    X(cairo_rel_line_to) X(cairo_restore) X(cairo_rotate) X(cairo_save) X(cairo_scale) X(cairo_select_font_face)                 \
    X(cairo_set_font_size) X(cairo_set_line_cap) X(cairo_set_line_join) X(cairo_set_line_width) X(cairo_set_source_rgb)          \
    X(cairo_set_source_surface) X(cairo_show_page) X(cairo_show_text) X(cairo_status) X(cairo_status_to_string) X(cairo_stroke)  \
    X(cairo_surface_destroy) X(cairo_surface_finish) X(cairo_surface_mark_dirty) X(cairo_surface_status)                         \
    X(cairo_surface_write_to_png) X(cairo_svg_surface_create) X(cairo_text_extents) X(cairo_translate)
/* clang-format on */

LIBRARY(plot_open_cairo, LIBRARY_CAIRO, FUNCTIONS)
