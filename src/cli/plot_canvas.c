/* The drawing surface, text and axes. Lengths are layout units: a picture is PLOT_WIDTH of them wide. */
#include "cli/plot.h"
#include "cli/text.h"

#include "base/mem.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 1024 };

static const double INK = 0.2; /* grey level of text and frames */

static const char *extension_of(const char *path)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    return dot && (!slash || dot > slash) ? dot : "";
}

tsr_status plot_check_path(const char *path)
{
    const char *e = extension_of(path);
    if (!strcasecmp(e, ".png") || !strcasecmp(e, ".svg") || !strcasecmp(e, ".pdf")) return TSR_OK;
    return error_set(TSR_ERR_VALUE, "cannot draw '%s': the extension '%s' is not .png, .svg or .pdf", path, e);
}

static tsr_status check(plot_canvas *c)
{
    cairo_status_t s = c->cr ? cairo_status(c->cr) : cairo_surface_status(c->surface);
    if (s == CAIRO_STATUS_SUCCESS) s = cairo_surface_status(c->surface);
    if (s == CAIRO_STATUS_SUCCESS) return TSR_OK;
    if (s == CAIRO_STATUS_NO_MEMORY) return error_set(TSR_ERR_MEMORY, "out of memory while drawing '%s'", c->path);
    if (s == CAIRO_STATUS_WRITE_ERROR && errno) return error_errno(errno, "cannot write '%s'", c->path);
    return error_set(TSR_ERR_IO, "cannot draw '%s': %s", c->path, cairo_status_to_string(s));
}

tsr_status canvas_open(plot_canvas *c, const char *path, double height, int png_width)
{
    tsr_status status = TSR_OK;
    *c = (plot_canvas){
        .width = PLOT_WIDTH, .height = ceil(height), .scale = (png_width > 0 ? png_width : 1600) / (double)PLOT_WIDTH};
    GUARD(plot_check_path(path));
    GUARD(plot_open_cairo());
    const char *e = extension_of(path);
    c->is_png = !strcasecmp(e, ".png");
    c->path = mem_strdup(path);
    c->temporary = mem_printf("%s.part-%ld", path, (long)getpid());
    if (!c->path || !c->temporary) GUARD(TSR_ERR_MEMORY);
    if (c->is_png)
        c->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(c->width * c->scale), (int)(c->height * c->scale));
    else if (!strcasecmp(e, ".svg"))
        c->surface = cairo_svg_surface_create(c->temporary, c->width, c->height);
    else
        c->surface = cairo_pdf_surface_create(c->temporary, c->width, c->height);
    GUARD(check(c));
    c->cr = cairo_create(c->surface);
    GUARD(check(c));
    if (c->is_png) cairo_scale(c->cr, c->scale, c->scale);
    cairo_select_font_face(c->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_source_rgb(c->cr, 1, 1, 1);
    cairo_paint(c->cr);
done:
    if (status != TSR_OK) canvas_close(c);
    return status;
}

tsr_status canvas_finish(plot_canvas *c)
{
    TRY(check(c));
    errno = 0; /* cairo tells only that writing failed; the reason is here */
    if (c->is_png) {
        cairo_status_t s = cairo_surface_write_to_png(c->surface, c->temporary);
        if (s == CAIRO_STATUS_WRITE_ERROR && errno) return error_errno(errno, "cannot write '%s'", c->path);
        if (s != CAIRO_STATUS_SUCCESS) return error_set(TSR_ERR_IO, "cannot write '%s': %s", c->path, cairo_status_to_string(s));
    } else {
        cairo_show_page(c->cr);
        cairo_surface_finish(c->surface);
        TRY(check(c));
    }
    if (rename(c->temporary, c->path) != 0) return error_errno(errno, "cannot write '%s'", c->path);
    mem_free(c->temporary);
    c->temporary = NULL;
    return TSR_OK;
}

void canvas_close(plot_canvas *c)
{
    if (c->cr) cairo_destroy(c->cr);
    if (c->surface) {
        cairo_surface_finish(c->surface);
        cairo_surface_destroy(c->surface);
    }
    if (c->temporary) unlink(c->temporary);
    mem_free(c->temporary);
    mem_free(c->path);
    *c = (plot_canvas){0};
}

double canvas_text_width(plot_canvas *c, double size, const char *text)
{
    cairo_text_extents_t e;
    char drawable[TEXT_SIZE];
    cairo_set_font_size(c->cr, size);
    cairo_text_extents(c->cr, text_drawable(text, drawable, sizeof drawable), &e);
    return e.x_advance;
}

void canvas_text(plot_canvas *c, double x, double y, double size, text_anchor anchor, const char *text)
{
    char drawable[TEXT_SIZE];
    double width = canvas_text_width(c, size, text);
    cairo_move_to(c->cr, anchor == ANCHOR_LEFT ? x : anchor == ANCHOR_RIGHT ? x - width : x - width / 2, y);
    cairo_show_text(c->cr, text_drawable(text, drawable, sizeof drawable));
}

void canvas_text_upright(plot_canvas *c, double x, double y, double size, const char *text)
{
    cairo_save(c->cr);
    cairo_translate(c->cr, x, y);
    cairo_rotate(c->cr, -M_PI / 2);
    canvas_text(c, 0, 0, size, ANCHOR_CENTRE, text);
    cairo_restore(c->cr);
}

/* The largest size at which the text fits the width. */
static double fitting_size(plot_canvas *c, double size, double width, const char *text)
{
    double needed = canvas_text_width(c, size, text);
    return needed > width ? fmax(size * width / needed, 6) : size;
}

void canvas_title(plot_canvas *c, const plot_box *panel, const plot_style *style)
{
    cairo_set_source_rgb(c->cr, 0.1, 0.1, 0.1);
    double y = panel->y - 12;
    if (style->subtitle && style->subtitle[0]) {
        cairo_set_source_rgb(c->cr, 0.4, 0.4, 0.4);
        canvas_text(c, panel->x, y, fitting_size(c, 11, panel->width, style->subtitle), ANCHOR_LEFT, style->subtitle);
        y -= 18;
    }
    if (!style->title) return;
    cairo_set_source_rgb(c->cr, 0.1, 0.1, 0.1);
    cairo_select_font_face(c->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
    canvas_text(c, panel->x, y, fitting_size(c, 15, panel->width, style->title), ANCHOR_LEFT, style->title);
    cairo_select_font_face(c->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
}

static void grid_line(plot_canvas *c, double x0, double y0, double x1, double y1)
{
    cairo_set_source_rgb(c->cr, 0.9, 0.9, 0.9);
    cairo_set_line_width(c->cr, 0.7);
    cairo_move_to(c->cr, x0, y0);
    cairo_line_to(c->cr, x1, y1);
    cairo_stroke(c->cr);
}

static void tick_line(plot_canvas *c, double x, double y, double dx, double dy)
{
    cairo_set_source_rgb(c->cr, INK, INK, INK);
    cairo_set_line_width(c->cr, 0.8);
    cairo_move_to(c->cr, x, y);
    cairo_rel_line_to(c->cr, dx, dy);
    cairo_stroke(c->cr);
}

void canvas_x_axis(plot_canvas *c, const plot_box *panel, const plot_axis *axis, double low, double high, bool grid)
{
    plot_tick ticks[PLOT_MAX_TICKS];
    int n = ticks_of_axis(axis, low, high, (int)fmax(panel->width / 90, 2), ticks);
    double bottom = panel->y + panel->height, last_end = -1e9;
    for (int i = 0; i < n; i++) {
        double x = panel->x + (ticks[i].at - low) / (high - low) * panel->width;
        double half = canvas_text_width(c, 11, ticks[i].text) / 2;
        if (grid) grid_line(c, x, panel->y, x, bottom);
        tick_line(c, x, bottom, 0, 4);
        if (x - half < last_end + 6) continue; /* the label would touch the one before */
        canvas_text(c, x, bottom + 17, 11, ANCHOR_CENTRE, ticks[i].text);
        last_end = x + half;
    }
    if (axis->label) {
        cairo_set_source_rgb(c->cr, INK, INK, INK);
        canvas_text(c, panel->x + panel->width / 2, bottom + 36, fitting_size(c, 12, panel->width, axis->label), ANCHOR_CENTRE,
                    axis->label);
    }
}

void canvas_y_axis(plot_canvas *c, const plot_box *panel, const plot_axis *axis, double low, double high, bool grid)
{
    plot_tick ticks[PLOT_MAX_TICKS];
    int n = ticks_of_axis(axis, low, high, (int)fmax(panel->height / 46, 2), ticks);
    double widest = 0;
    for (int i = 0; i < n; i++) {
        double y = panel->y + panel->height - (ticks[i].at - low) / (high - low) * panel->height;
        if (grid) grid_line(c, panel->x, y, panel->x + panel->width, y);
        tick_line(c, panel->x, y, -4, 0);
        canvas_text(c, panel->x - 8, y + 4, 11, ANCHOR_RIGHT, ticks[i].text);
        widest = fmax(widest, canvas_text_width(c, 11, ticks[i].text));
    }
    if (axis->label) {
        cairo_set_source_rgb(c->cr, INK, INK, INK);
        canvas_text_upright(c, fmax(panel->x - 18 - widest, 14), panel->y + panel->height / 2,
                            fitting_size(c, 12, panel->height, axis->label), axis->label);
    }
}

void canvas_frame(plot_canvas *c, const plot_box *panel)
{
    cairo_set_source_rgb(c->cr, INK, INK, INK);
    cairo_set_line_width(c->cr, 0.8);
    cairo_rectangle(c->cr, panel->x, panel->y, panel->width, panel->height);
    cairo_stroke(c->cr);
}
