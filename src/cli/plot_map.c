/* Maps: a grid of values as colours, with axes and a colour bar. Each pixel is the mean of the cells under it, so that large
 * arrays keep their look; cells larger than a pixel stay sharp. */
#include "cli/plot.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct limits {
    double low, high;
    bool cut_low, cut_high; /* values lie outside */
    const colour_map *colours;
} limits;

/* ---- Limits ------------------------------------------------------------------------------------------------------ */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* 2nd and 98th percentile of a sample of at most 200 000 finite values. */
static tsr_status percentiles(const float *values, int64_t n, double *low, double *high)
{
    int64_t step = n / 200000 + 1, m = 0;
    float *sample = mem_alloc((size_t)(n / step + 1) * sizeof *sample);
    if (!sample) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < n; i += step)
        if (isfinite(values[i])) sample[m++] = values[i];
    qsort(sample, (size_t)m, sizeof *sample, compare_floats);
    if (m > 0) {
        *low = sample[(int64_t)(0.02 * (double)(m - 1))];
        *high = sample[(int64_t)(0.98 * (double)(m - 1) + 0.5)];
    }
    mem_free(sample);
    return TSR_OK;
}

static tsr_status find_limits(const plot_style *style, const float *values, int64_t n, limits *out)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) continue;
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    if (low > high) low = 0, high = 1; /* nothing but NaN */
    double data_low = low, data_high = high;
    if (style->robust) TRY(percentiles(values, n, &low, &high));
    /* Two-sided: at least a tenth of the range on either side of zero. */
    bool is_diverging = low < 0 && high > 0 && fmin(-low, high) >= 0.1 * (high - low);
    const char *name = style->colours ? style->colours : is_diverging ? "RdBu_r" : "viridis";
    TRY(plot_check_colours(name));
    /* Such colours mean "more" and "less" only if zero is in the middle, unless all values are far from it. */
    double far = fmax(fabs(low), fabs(high)), near = low < 0 && high > 0 ? 0 : fmin(fabs(low), fabs(high));
    if (strncmp(name, "RdBu", 4) == 0 && near <= far / 2) {
        high = far;
        low = -far;
    }
    if (style->has_low) low = style->low;
    if (style->has_high) high = style->high;
    if (!(low < high)) {
        double margin = fmax(fabs(low) * 1e-3, 0.5);
        low -= margin;
        high = low + 2 * margin;
    }
    *out = (limits){low, high, data_low<low, data_high> high, colour_map_find(name)};
    return TSR_OK;
}

/* ---- Cells to pixels --------------------------------------------------------------------------------------------- */

static double position(const plot_axis *axis, int64_t i) { return axis->values ? axis->values[i] : (double)i; }

/* The border between cell i - 1 and cell i, half-way between their positions; beyond the ends half a cell further out. */
static double border(const plot_axis *axis, int64_t i)
{
    if (axis->n == 1) return position(axis, 0) + (i == 0 ? -0.5 : 0.5);
    if (i == 0) return position(axis, 0) - (position(axis, 1) - position(axis, 0)) / 2;
    if (i == axis->n) return position(axis, i - 1) + (position(axis, i - 1) - position(axis, i - 2)) / 2;
    return (position(axis, i - 1) + position(axis, i)) / 2;
}

/* The cell that holds a position; the borders run from low to high or from high to low. */
static int64_t cell_at(const plot_axis *axis, double at)
{
    bool rising = border(axis, axis->n) > border(axis, 0);
    int64_t low = 0, high = axis->n - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        double edge = border(axis, middle);
        if (rising ? edge <= at : edge >= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* For each of n pixels the first and last cell under it; pixel 0 lies at `from`. */
static void cells_of_pixels(const plot_axis *axis, double from, double to, int n, int64_t (*out)[2])
{
    double step = (to - from) / n;
    for (int i = 0; i < n; i++) {
        int64_t a = cell_at(axis, from + step * (i + 1e-6)), b = cell_at(axis, from + step * (i + 1 - 1e-6));
        int64_t middle = cell_at(axis, from + step * (i + 0.5));
        bool is_fine = llabs(a - b) >= 2; /* otherwise one cell a pixel keeps borders sharp */
        out[i][0] = is_fine ? (a < b ? a : b) : middle;
        out[i][1] = is_fine ? (a < b ? b : a) : middle;
    }
}

static uint32_t pixel_colour(const float *values, int64_t nx, const int64_t *rows, const int64_t *columns, const limits *l)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t y = rows[0]; y <= rows[1]; y++)
        for (int64_t x = columns[0]; x <= columns[1]; x++) {
            float v = values[y * nx + x];
            if (v == v) {
                sum += v;
                n++;
            }
        }
    return n ? colour_map_at(l->colours, (sum / (double)n - l->low) / (l->high - l->low)) : 0xd9d9d9;
}

static tsr_status draw_cells(plot_canvas *c, const plot_box *panel, const plot_axis *x, const plot_axis *y, const double *span,
                             const float *values, const limits *l)
{
    tsr_status status = TSR_OK;
    double density = c->is_png ? c->scale : 2;
    int width = (int)ceil(panel->width * density), height = (int)ceil(panel->height * density);
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    int64_t(*columns)[2] = mem_alloc((size_t)width * sizeof *columns);
    int64_t(*rows)[2] = mem_alloc((size_t)height * sizeof *rows);
    if (!columns || !rows || cairo_surface_status(image) != CAIRO_STATUS_SUCCESS)
        GUARD(error_memory((size_t)width * (size_t)height * 4));
    cells_of_pixels(x, span[0], span[1], width, columns);
    cells_of_pixels(y, span[3], span[2], height, rows);
    unsigned char *data = cairo_image_surface_get_data(image);
    int stride = cairo_image_surface_get_stride(image);
    for (int j = 0; j < height; j++) {
        uint32_t *line = (uint32_t *)(void *)(data + (ptrdiff_t)j * stride);
        for (int i = 0; i < width; i++) line[i] = pixel_colour(values, x->n, rows[j], columns[i], l);
    }
    cairo_surface_mark_dirty(image);
    cairo_save(c->cr);
    cairo_translate(c->cr, panel->x, panel->y);
    cairo_scale(c->cr, panel->width / width, panel->height / height);
    cairo_set_source_surface(c->cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c->cr), CAIRO_FILTER_NEAREST);
    cairo_paint(c->cr);
    cairo_restore(c->cr);
done:
    cairo_surface_destroy(image);
    mem_free(columns);
    mem_free(rows);
    return status;
}

/* ---- Colour bar -------------------------------------------------------------------------------------------------- */

static void fill_colour(plot_canvas *c, uint32_t colour)
{
    cairo_set_source_rgb(c->cr, (colour >> 16 & 0xff) / 255.0, (colour >> 8 & 0xff) / 255.0, (colour & 0xff) / 255.0);
    cairo_fill(c->cr);
}

/* A triangle at the end of the bar says that values lie beyond it. */
static void bar_outline(plot_canvas *c, const plot_box *bar, const limits *l)
{
    double tip = bar->width * 0.8, right = bar->x + bar->width, bottom = bar->y + bar->height, middle = bar->x + bar->width / 2;
    cairo_move_to(c->cr, bar->x, bar->y);
    if (l->cut_high) cairo_line_to(c->cr, middle, bar->y - tip);
    cairo_line_to(c->cr, right, bar->y);
    cairo_line_to(c->cr, right, bottom);
    if (l->cut_low) cairo_line_to(c->cr, middle, bottom + tip);
    cairo_line_to(c->cr, bar->x, bottom);
    cairo_close_path(c->cr);
}

static void draw_bar(plot_canvas *c, const plot_box *bar, const limits *l, const char *label)
{
    enum { STEPS = 256 };
    cairo_save(c->cr);
    bar_outline(c, bar, l);
    cairo_clip(c->cr);
    cairo_rectangle(c->cr, bar->x, bar->y - bar->width, bar->width, bar->width);
    fill_colour(c, colour_map_at(l->colours, 1));
    cairo_rectangle(c->cr, bar->x, bar->y + bar->height, bar->width, bar->width);
    fill_colour(c, colour_map_at(l->colours, 0));
    for (int i = 0; i < STEPS; i++) {
        double top = bar->y + bar->height * (STEPS - 1 - i) / STEPS;
        cairo_rectangle(c->cr, bar->x, top, bar->width, bar->height / STEPS + 0.5);
        fill_colour(c, colour_map_at(l->colours, (i + 0.5) / STEPS));
    }
    cairo_restore(c->cr);
    cairo_set_source_rgb(c->cr, 0.2, 0.2, 0.2);
    cairo_set_line_width(c->cr, 0.8);
    bar_outline(c, bar, l);
    cairo_stroke(c->cr);
    plot_tick ticks[PLOT_MAX_TICKS];
    int n = ticks_plain(l->low, l->high, (int)fmax(bar->height / 45, 2), ticks);
    double widest = 0, right = bar->x + bar->width;
    for (int i = 0; i < n; i++) {
        double y = bar->y + bar->height * (1 - (ticks[i].at - l->low) / (l->high - l->low));
        cairo_move_to(c->cr, right, y);
        cairo_rel_line_to(c->cr, 4, 0);
        cairo_stroke(c->cr);
        canvas_text(c, right + 8, y + 4, 11, ANCHOR_LEFT, ticks[i].text);
        widest = fmax(widest, canvas_text_width(c, 11, ticks[i].text));
    }
    if (!label) return;
    double size = 12, needed = canvas_text_width(c, size, label);
    if (needed > bar->height) size = fmax(size * bar->height / needed, 7);
    canvas_text_upright(c, fmin(right + widest + 26, PLOT_WIDTH - 5), bar->y + bar->height / 2, size, label);
}

/* ---- The picture ------------------------------------------------------------------------------------------------- */

/* span: left, right, bottom, top. Rising positions go right and up; rows without a coordinate go down, as in a picture. */
static void find_span(const plot_axis *x, const plot_axis *y, double *span)
{
    span[0] = fmin(border(x, 0), border(x, x->n));
    span[1] = fmax(border(x, 0), border(x, x->n));
    span[2] = fmin(border(y, 0), border(y, y->n));
    span[3] = fmax(border(y, 0), border(y, y->n));
    if (y->kind == AXIS_LATITUDE) {
        span[2] = fmax(span[2], -90);
        span[3] = fmin(span[3], 90);
    }
    if (y->kind == AXIS_INDEX || y->is_down) {
        double swap = span[2];
        span[2] = span[3];
        span[3] = swap;
    }
}

static double panel_height(const plot_axis *x, const plot_axis *y, const double *span, double width)
{
    bool is_geographic = x->kind == AXIS_LONGITUDE && y->kind == AXIS_LATITUDE;
    bool is_image = x->kind == AXIS_INDEX && y->kind == AXIS_INDEX;
    double height = width * 0.6;
    bool is_plane = x->is_distance && y->is_distance;
    if (is_geographic || is_image || is_plane) height = width * fabs((span[3] - span[2]) / (span[1] - span[0]));
    if (is_geographic) { /* away from the equator degrees of longitude are shorter */
        double middle = (span[2] + span[3]) / 2 * M_PI / 180;
        if (fabs(span[3] - span[2]) < 120) height /= fmax(cos(middle), 0.35);
    }
    return fmin(fmax(height, 200), 760);
}

tsr_status plot_map(const char *path, const plot_style *style, const plot_axis *x, const plot_axis *y, const float *values)
{
    if (x->n < 1 || y->n < 1)
        return error_set(TSR_ERR_VALUE, "cannot draw an empty map (%lld x %lld values)", (long long)y->n, (long long)x->n);
    tsr_status status = TSR_OK;
    limits l;
    double span[4];
    plot_canvas c;
    TRY(find_limits(style, values, x->n * y->n, &l));
    find_span(x, y, span);
    plot_box panel = {84, style->subtitle && style->subtitle[0] ? 56 : 42, 592, 0};
    panel.height = panel_height(x, y, span, panel.width);
    TRY(canvas_open(&c, path, panel.y + panel.height + (x->label ? 50 : 32), style->width));
    GUARD(draw_cells(&c, &panel, x, y, span, values, &l));
    canvas_frame(&c, &panel);
    canvas_x_axis(&c, &panel, x, span[0], span[1], false);
    canvas_y_axis(&c, &panel, y, span[2], span[3], false);
    canvas_title(&c, &panel, style);
    double tip = 14;
    plot_box bar = {panel.x + panel.width + 22, panel.y + (l.cut_high ? tip : 0), 16, 0};
    bar.height = panel.y + panel.height - bar.y - (l.cut_low ? tip : 0);
    draw_bar(&c, &bar, &l, style->value_label);
    GUARD(canvas_finish(&c));
done:
    canvas_close(&c);
    return status;
}
