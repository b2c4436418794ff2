/* Lines and histograms. A line of more points than pixels is drawn as its lowest and highest value in each pixel column. */
#include "cli/plot.h"

#include <math.h>

static double at(const plot_axis *axis, int64_t i) { return axis->values ? axis->values[i] : (double)i; }

/* Limits of the values with a margin, widened where all are equal. */
static void value_limits(const plot_style *style, int64_t n, const double *values, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) continue;
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
    if (*low > *high) *low = 0, *high = 1;
    double margin = *high > *low ? (*high - *low) * 0.05 : fmax(fabs(*low) * 1e-3, 0.5);
    *low -= margin;
    *high += margin;
    if (style->has_low) *low = style->low;
    if (style->has_high) *high = style->high;
    if (!(*low < *high)) *high = *low + 1;
}

typedef struct view {
    const plot_box *panel;
    double x0, x1, y0, y1;
} view;

static double to_x(const view *v, double x) { return v->panel->x + (x - v->x0) / (v->x1 - v->x0) * v->panel->width; }
static double to_y(const view *v, double y)
{
    return v->panel->y + v->panel->height - (y - v->y0) / (v->y1 - v->y0) * v->panel->height;
}

static void draw_points(plot_canvas *c, const view *v, const plot_axis *x, const double *values)
{
    bool is_down = false;
    for (int64_t i = 0; i < x->n; i++) {
        if (!isfinite(values[i])) {
            is_down = false;
            continue;
        }
        double px = to_x(v, at(x, i)), py = to_y(v, values[i]);
        if (is_down)
            cairo_line_to(c->cr, px, py);
        else
            cairo_move_to(c->cr, px, py);
        bool is_alone = !is_down && (i + 1 == x->n || !isfinite(values[i + 1]));
        if (is_alone) cairo_line_to(c->cr, px + 0.01, py);
        is_down = true;
    }
    cairo_stroke(c->cr);
}

static void draw_columns(plot_canvas *c, const view *v, const plot_axis *x, const double *values)
{
    int64_t n_columns = (int64_t)(v->panel->width * 2);
    for (int64_t k = 0; k < n_columns; k++) {
        int64_t first = x->n * k / n_columns, last = x->n * (k + 1) / n_columns; /* the next column's first joins them */
        double low = INFINITY, high = -INFINITY;
        for (int64_t i = first; i <= last && i < x->n; i++) {
            if (!isfinite(values[i])) continue;
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
        if (low > high) continue;
        double px = to_x(v, at(x, first));
        cairo_move_to(c->cr, px, to_y(v, low) + 0.3);
        cairo_line_to(c->cr, px, to_y(v, high) - 0.3);
    }
    cairo_set_line_width(c->cr, 0.8);
    cairo_stroke(c->cr);
}

static void draw_zero(plot_canvas *c, const view *v)
{
    if (!(v->y0 < 0 && v->y1 > 0)) return;
    cairo_set_source_rgb(c->cr, 0.55, 0.55, 0.55);
    cairo_set_line_width(c->cr, 0.9);
    cairo_move_to(c->cr, v->panel->x, to_y(v, 0));
    cairo_rel_line_to(c->cr, v->panel->width, 0);
    cairo_stroke(c->cr);
}

static plot_box panel_of(const plot_style *style)
{
    return (plot_box){92, style->subtitle && style->subtitle[0] ? 56 : 42, 676, 340};
}

tsr_status plot_line(const char *path, const plot_style *style, const plot_axis *x, const double *values)
{
    if (x->n < 1) return error_set(TSR_ERR_VALUE, "cannot draw a line of no points");
    tsr_status status = TSR_OK;
    plot_canvas c;
    plot_box panel = panel_of(style);
    view v = {.panel = &panel, .x0 = fmin(at(x, 0), at(x, x->n - 1)), .x1 = fmax(at(x, 0), at(x, x->n - 1))};
    if (!(v.x0 < v.x1)) v.x0 -= 0.5, v.x1 = v.x0 + 1;
    value_limits(style, x->n, values, &v.y0, &v.y1);
    plot_axis y = {.kind = AXIS_PLAIN, .label = style->value_label};
    TRY(canvas_open(&c, path, panel.y + panel.height + (x->label ? 50 : 32), style->width));
    canvas_x_axis(&c, &panel, x, v.x0, v.x1, true);
    canvas_y_axis(&c, &panel, &y, v.y0, v.y1, true);
    draw_zero(&c, &v);
    cairo_save(c.cr);
    cairo_rectangle(c.cr, panel.x, panel.y, panel.width, panel.height);
    cairo_clip(c.cr);
    cairo_set_source_rgb(c.cr, 0.13, 0.40, 0.67);
    cairo_set_line_width(c.cr, 1.7);
    cairo_set_line_join(c.cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(c.cr, CAIRO_LINE_CAP_ROUND);
    if (x->n > (int64_t)panel.width * 4)
        draw_columns(&c, &v, x, values);
    else
        draw_points(&c, &v, x, values);
    cairo_restore(c.cr);
    canvas_frame(&c, &panel);
    canvas_title(&c, &panel, style);
    GUARD(canvas_finish(&c));
done:
    canvas_close(&c);
    return status;
}

tsr_status plot_bars(const char *path, const plot_style *style, int64_t n, const double *edges, const double *heights,
                     const char *x_label)
{
    if (n < 1 || !(edges[0] < edges[n])) return error_set(TSR_ERR_VALUE, "cannot draw a histogram of no bins");
    tsr_status status = TSR_OK;
    plot_canvas c;
    plot_box panel = panel_of(style);
    double low, high;
    value_limits(style, n, heights, &low, &high);
    if (!style->has_low && low < high) { /* bars stand on zero */
        double least = INFINITY;
        for (int64_t i = 0; i < n; i++) least = fmin(least, heights[i]);
        if (least >= 0) low = 0;
    }
    view v = {.panel = &panel, .x0 = edges[0], .x1 = edges[n], .y0 = low, .y1 = high};
    plot_axis x = {.kind = AXIS_PLAIN, .label = x_label}, y = {.kind = AXIS_PLAIN, .label = style->value_label};
    TRY(canvas_open(&c, path, panel.y + panel.height + (x_label ? 50 : 32), style->width));
    canvas_x_axis(&c, &panel, &x, v.x0, v.x1, false);
    canvas_y_axis(&c, &panel, &y, v.y0, v.y1, true);
    cairo_save(c.cr);
    cairo_rectangle(c.cr, panel.x, panel.y, panel.width, panel.height);
    cairo_clip(c.cr);
    cairo_set_source_rgb(c.cr, 0.26, 0.53, 0.74);
    for (int64_t i = 0; i < n; i++) {
        double left = to_x(&v, edges[i]), width = to_x(&v, edges[i + 1]) - left, gap = width > 4 ? 0.8 : 0;
        cairo_rectangle(c.cr, left + gap / 2, to_y(&v, heights[i]), width - gap, to_y(&v, 0) - to_y(&v, heights[i]));
    }
    cairo_fill(c.cr);
    cairo_restore(c.cr);
    canvas_frame(&c, &panel);
    canvas_title(&c, &panel, style);
    GUARD(canvas_finish(&c));
done:
    canvas_close(&c);
    return status;
}
