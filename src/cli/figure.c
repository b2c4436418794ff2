/* See figure.h. Arrays with many more cells than a picture has pixels are averaged in blocks before they are brought to memory.
 */
#include "cli/figure.h"

#include "base/mem.h"
#include "block/dtype.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS = 1 << 24, TARGET_CELLS = 2000 };

static tsr_status option_double(const invocation *call, const char *name, bool *given, double *value)
{
    const char *text = option_text(call, name);
    char *end;
    if (!text) return TSR_OK;
    *value = strtod(text, &end);
    *given = true;
    if (end == text || *end || !isfinite(*value)) return error_set(TSR_ERR_VALUE, "--%s needs a number, found '%s'", name, text);
    return TSR_OK;
}

tsr_status figure_options(const invocation *call, plot_style *style)
{
    int64_t width = 0;
    *style = (plot_style){.colours = option_text(call, "cmap"),
                          .title = option_text(call, "title"),
                          .robust = option_given(call, "robust"),
                          .is_quiet = option_given(call, "quiet")};
    TRY(option_double(call, "min", &style->has_low, &style->low));
    TRY(option_double(call, "max", &style->has_high, &style->high));
    if (style->has_low && style->has_high && style->low >= style->high)
        return error_set(TSR_ERR_VALUE, "--min %g is not below --max %g", style->low, style->high);
    TRY(option_int(call, "width", 200, 20000, &width));
    style->width = (int)width;
    return TSR_OK;
}

/* ---- Axes -------------------------------------------------------------------------------------------------------- */

static tsr_variable *find_coord(tsr_variable *v, const char *name)
{
    for (int i = 0; name && i < tsr_variable_n_coords(v); i++)
        if (strcmp(tsr_variable_coord_name(v, i), name) == 0) return tsr_variable_coord(v, name);
    return NULL;
}

static bool starts_with(const char *text, const char *start) { return text && strncasecmp(text, start, strlen(start)) == 0; }

static axis_kind kind_of(tsr_variable *coord, const char *name)
{
    const char *units = tsr_variable_text(coord, "units");
    if (tsr_variable_is_time(coord)) return AXIS_GIVEN;
    if (starts_with(units, "degrees_n") || starts_with(units, "degree_n")) return AXIS_LATITUDE;
    if (starts_with(units, "degrees_e") || starts_with(units, "degree_e")) return AXIS_LONGITUDE;
    if (units && !starts_with(units, "degree")) return AXIS_PLAIN;
    const char *standard = tsr_variable_text(coord, "standard_name");
    if (standard && strcmp(standard, "latitude") == 0) return AXIS_LATITUDE;
    if (standard && strcmp(standard, "longitude") == 0) return AXIS_LONGITUDE;
    if (starts_with(name, "nav_")) name += 4;
    return starts_with(name, "lat") ? AXIS_LATITUDE : starts_with(name, "lon") ? AXIS_LONGITUDE : AXIS_PLAIN;
}

static bool is_monotonic(const double *values, int64_t n)
{
    for (int64_t i = 1; i < n; i++)
        if (!(n > 1 && values[1] > values[0] ? values[i] > values[i - 1] : values[i] < values[i - 1])) return false;
    return n > 0 && isfinite(values[0]) && isfinite(values[n - 1]);
}

/* A date in units of `step`: years, months, days or hours, counted so that equal numbers are the same tick. */
typedef enum date_unit { UNIT_YEAR, UNIT_MONTH, UNIT_DAY, UNIT_HOUR } date_unit;

static int64_t date_key(const tsr_date *d, date_unit unit, int step)
{
    int64_t months = d->year * 12 + d->month - 1;
    switch (unit) {
    case UNIT_YEAR: return d->year >= 0 ? d->year / step : -((-d->year + step - 1) / step);
    case UNIT_MONTH: return (months >= 0 ? months : months - step + 1) / step;
    case UNIT_DAY: /* the 1st, 1 + step ... of each month; what is left at its end joins the last */
        return months * 32 + ((d->day - 1) / step * step > 28 ? 27 / step : (d->day - 1) / step);
    case UNIT_HOUR: return (months * 32 + d->day) * 24 + d->hour / step * step;
    }
    return 0;
}

static void date_text(const tsr_date *d, date_unit unit, char *text, size_t size)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *month = months[(d->month - 1) % 12];
    if (unit == UNIT_YEAR)
        snprintf(text, size, "%lld", (long long)d->year);
    else if (unit == UNIT_MONTH)
        snprintf(text, size, "%s %lld", month, (long long)d->year);
    else if (unit == UNIT_DAY)
        snprintf(text, size, "%d %s", d->day, month);
    else
        snprintf(text, size, "%d %s %02d:00", d->day, month, d->hour);
}

static int ticks_of_dates(tsr_variable *coord, const double *values, int64_t n, date_unit unit, int step, plot_tick *out)
{
    int n_ticks = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < n; i++) {
        tsr_date d;
        if (tsr_variable_date(coord, i, &d) != TSR_OK) return 0;
        int64_t key = date_key(&d, unit, step);
        bool is_start = i == 0 && (unit == UNIT_YEAR ? d.month == 1 : unit == UNIT_MONTH ? d.day == 1 : d.hour == 0);
        if (is_start || (i > 0 && key != last)) {
            if (n_ticks == PLOT_MAX_TICKS) return PLOT_MAX_TICKS + 1;
            out[n_ticks].at = values[i];
            date_text(&d, unit, out[n_ticks].text, sizeof out->text);
            n_ticks++;
        }
        last = key;
    }
    return n_ticks;
}

/* What ticks such as "5 Jan" or "5 Jan 06:00" leave out: "2014", or "2013 \xe2\x80\x93 2014". */
static void year_label(tsr_variable *coord, int64_t n, date_unit unit, char *label, size_t size)
{
    tsr_date first, last;
    label[0] = '\0';
    if (unit == UNIT_YEAR || unit == UNIT_MONTH) return;
    if (tsr_variable_date(coord, 0, &first) != TSR_OK || tsr_variable_date(coord, n - 1, &last) != TSR_OK) return;
    if (first.year == last.year)
        snprintf(label, size, "%lld", (long long)first.year);
    else
        snprintf(label, size, "%lld \xe2\x80\x93 %lld", (long long)first.year, (long long)last.year);
}

/* The finest ticks of which there are not too many. */
static void choose_date_ticks(tsr_variable *coord, plot_axis *axis, char *label, size_t size)
{
    static const struct {
        date_unit unit;
        int step;
    } levels[] = {{UNIT_HOUR, 1},  {UNIT_HOUR, 3},  {UNIT_HOUR, 6},   {UNIT_HOUR, 12},  {UNIT_DAY, 1},
                  {UNIT_DAY, 2},   {UNIT_DAY, 5},   {UNIT_DAY, 10},   {UNIT_MONTH, 1},  {UNIT_MONTH, 3},
                  {UNIT_MONTH, 6}, {UNIT_YEAR, 1},  {UNIT_YEAR, 2},   {UNIT_YEAR, 5},   {UNIT_YEAR, 10},
                  {UNIT_YEAR, 20}, {UNIT_YEAR, 50}, {UNIT_YEAR, 100}, {UNIT_YEAR, 500}, {UNIT_YEAR, 1000}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        int n = ticks_of_dates(coord, axis->values, axis->n, levels[i].unit, levels[i].step, axis->ticks);
        axis->n_ticks = n <= PLOT_MAX_TICKS ? n : 0;
        year_label(coord, axis->n, levels[i].unit, label, size);
        if (label[0]) axis->label = label;
        if (n > 0 && n <= 8) return;
        axis->label = NULL;
    }
}

/* The two-dimensional longitudes or latitudes of a curvilinear grid; NULL. */
static tsr_variable *find_grid(tsr_variable *v, axis_kind kind)
{
    for (int i = 0; tsr_variable_ndim(v) == 2 && i < tsr_variable_n_coords(v); i++) {
        const char *name = tsr_variable_coord_name(v, i);
        tsr_variable *coord = tsr_variable_coord(v, name);
        if (!coord || tsr_variable_ndim(coord) != 2 || kind_of(coord, name) != kind) continue;
        bool same = true;
        for (int d = 0; d < 2; d++) same = same && tsr_variable_shape(coord)[d] == tsr_variable_shape(v)[d];
        if (same) return coord;
    }
    return NULL;
}

/* Coordinates of a projected map or a rotated grid. */
static bool is_distance(tsr_variable *coord)
{
    static const char *const known[] = {"m",         "km",         "metre",     "metres",     "meter",  "meters",
                                        "kilometre", "kilometres", "kilometer", "kilometers", "degree", "degrees"};
    const char *units = tsr_variable_text(coord, "units"), *standard = tsr_variable_text(coord, "standard_name");
    bool is_horizontal = standard && (starts_with(standard, "projection_") || starts_with(standard, "grid_l"));
    for (size_t i = 0; units && i < sizeof known / sizeof *known; i++)
        if (strcmp(units, known[i]) == 0) return is_horizontal || !tsr_variable_text(coord, "positive");
    return false;
}

/* Depths and pressures. */
static bool rises_downwards(tsr_variable *coord)
{
    static const char *const pressures[] = {"Pa", "hPa", "kPa", "mbar", "mb", "millibar", "millibars", "bar", "dbar", "decibar"};
    const char *positive = tsr_variable_text(coord, "positive"), *units = tsr_variable_text(coord, "units");
    if (positive && positive[0]) return strcasecmp(positive, "down") == 0;
    for (size_t i = 0; units && i < sizeof pressures / sizeof *pressures; i++)
        if (strcmp(units, pressures[i]) == 0) return true;
    return false;
}

/* The axis of dimension d. `label` receives its text. */
static void read_axis(tsr_variable *v, int d, plot_axis *axis, char *label, size_t size)
{
    const char *dim = tsr_variable_dim(v, d);
    tsr_variable *coord = find_coord(v, dim);
    int64_t n = 0;
    const double *values = coord ? tsr_variable_labels(coord, &n) : NULL;
    *axis = (plot_axis){.kind = AXIS_INDEX, .n = tsr_variable_shape(v)[d]};
    snprintf(label, size, "%s", dim ? dim : "");
    if (!values || n != axis->n || !is_monotonic(values, n)) {
        if (dim) axis->label = label;
        return;
    }
    axis->values = values;
    axis->kind = kind_of(coord, dim);
    axis->is_down = axis->kind == AXIS_PLAIN && rises_downwards(coord);
    axis->is_distance = axis->kind == AXIS_PLAIN && is_distance(coord);
    if (axis->kind == AXIS_GIVEN) choose_date_ticks(coord, axis, label, size);
    if (axis->kind == AXIS_LATITUDE || axis->kind == AXIS_LONGITUDE || axis->kind == AXIS_GIVEN) return;
    char pretty[128];
    const char *units = tsr_variable_text(coord, "units"), *long_name = tsr_variable_text(coord, "long_name");
    if (units) units = units_pretty(units, pretty, sizeof pretty);
    snprintf(label, size, units && units[0] ? "%s (%s)" : "%s", long_name && long_name[0] ? long_name : dim, units);
    axis->label = label;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

/* "mean(t2m, time), level = 850 hPa": the expression, and the coordinates that are single values. */
static void subtitle_of(tsr_variable *v, const char *expression, char *text, size_t size)
{
    enum { EXPRESSION_LENGTH = 90, LENGTH = 100 };
    size_t used = 0, length = expression ? strlen(expression) : 0;
    text[0] = '\0';
    if (length > EXPRESSION_LENGTH) {
        length = EXPRESSION_LENGTH;
        while (length > EXPRESSION_LENGTH / 2 && expression[length] != ' ') length--;
        while (((unsigned char)expression[length] & 0xc0) == 0x80) length--; /* not inside a character */
        used = (size_t)snprintf(text, size, "%.*s ...", (int)length, expression);
    } else if (length) {
        used = (size_t)snprintf(text, size, "%s", expression);
    }
    for (int i = 0; i < tsr_variable_n_coords(v); i++) {
        const char *name = tsr_variable_coord_name(v, i);
        tsr_variable *coord = tsr_variable_coord(v, name);
        int64_t n;
        char label[64], pretty[64];
        if (!coord || tsr_variable_ndim(coord) > 0 || !tsr_variable_labels(coord, &n)) continue;
        if (tsr_variable_text(coord, "grid_mapping_name")) continue; /* its value means nothing */
        const char *units = tsr_variable_is_time(coord) ? NULL : tsr_variable_text(coord, "units");
        bool has_units = units && units[0] && strcmp(units, "1") != 0;
        char one[256];
        int n_one = snprintf(one, sizeof one, "%s%s = %s%s%s", used ? ",  " : "", name,
                             tsr_variable_label_text(coord, 0, label, sizeof label), has_units ? " " : "",
                             has_units ? units_pretty(units, pretty, sizeof pretty) : "");
        if (used + (size_t)n_one > LENGTH) continue; /* a shorter one may still fit */
        used += (size_t)snprintf(text + used, size - used, "%s", one);
    }
}

/* "2 metre temperature", "air temperature", or the bare name. */
static void describe(tsr_variable *v, char *text, size_t size)
{
    const char *long_name = tsr_variable_text(v, "long_name"), *standard = tsr_variable_text(v, "standard_name");
    if (long_name && long_name[0]) {
        snprintf(text, size, "%s", long_name);
        return;
    }
    snprintf(text, size, "%s", standard && standard[0] ? standard : tsr_variable_name(v));
    for (char *p = text; standard && standard[0] && *p; p++)
        if (*p == '_') *p = ' ';
}

typedef struct words {
    char title[256], subtitle[512], label[300];
} words;

static void find_words(tsr_variable *v, const char *name, bool is_map, plot_style *style, words *w)
{
    char pretty[128], what[256];
    const char *units = tsr_variable_text(v, "units");
    if (units) units = units_pretty(units, pretty, sizeof pretty);
    describe(v, what, sizeof what);
    subtitle_of(v, style->expression, w->subtitle, sizeof w->subtitle);
    snprintf(w->title, sizeof w->title, "%s", name ? name : what);
    bool has_units = units && units[0] && strcmp(units, "1") != 0, needs_words = !is_map || strcmp(what, w->title) != 0;
    snprintf(w->label, sizeof w->label, !needs_words ? "%.0s%s" : has_units ? "%s (%s)" : "%s", what, has_units ? units : "");
    if (!style->title && w->title[0]) style->title = w->title;
    style->subtitle = w->subtitle;
    style->value_label = w->label[0] ? w->label : NULL;
}

/* ---- Data -------------------------------------------------------------------------------------------------------- */

/* Without dimensions of length 1. */
static tsr_status drop_single(tsr_variable **v)
{
    for (int d = tsr_variable_ndim(*v) - 1; d >= 0; d--) {
        char dim[16];
        if (tsr_variable_shape(*v)[d] != 1) continue;
        snprintf(dim, sizeof dim, "%d", d);
        if (!(*v = tsr_variable_index(*v, dim, 0))) return tsr_error_code();
    }
    return TSR_OK;
}

static tsr_status compute_as(tsr_variable *v, tsr_dtype dtype, void **out)
{
    tsr_array *a = tsr_variable_array(v);
    if (!a) return tsr_error_code();
    if (dtype_is_complex(tsr_dtype_of(a)))
        return error_set(TSR_ERR_TYPE, "complex values cannot be drawn; take abs(x) or x.real");
    if (!(a = tsr_astype(a, dtype))) return tsr_error_code();
    size_t bytes = (size_t)tsr_nbytes(a);
    if (!(*out = mem_alloc(bytes))) return TSR_ERR_MEMORY;
    tsr_status status = tsr_compute_into(a, *out, bytes);
    if (status == TSR_OK) return TSR_OK;
    mem_free(*out);
    *out = NULL;
    return status;
}

/* Means over blocks of k x k cells (what is left at the ends is cut off), with coordinates taken from the blocks' middles. */
static tsr_status coarsen(tsr_variable **v)
{
    const int64_t *shape = tsr_variable_shape(*v);
    if (shape[0] * shape[1] <= MAX_CELLS) return TSR_OK;
    int64_t ky = shape[0] > TARGET_CELLS ? shape[0] / TARGET_CELLS : 1,
            kx = shape[1] > TARGET_CELLS ? shape[1] / TARGET_CELLS : 1;
    int64_t ny = shape[0] / ky, nx = shape[1] / kx, ends[2] = {ny * ky, nx * kx}, middles[2] = {ky / 2, kx / 2};
    tsr_variable *cut = tsr_variable_slice(tsr_variable_slice(*v, "0", NULL, &ends[0], 1), "1", NULL, &ends[1], 1);
    tsr_variable *like = tsr_variable_slice(tsr_variable_slice(cut, "0", &middles[0], NULL, ky), "1", &middles[1], NULL, kx);
    if (!like) return tsr_error_code();
    tsr_array *blocks = tsr_reshape(tsr_astype(tsr_variable_array(cut), TSR_F32), 4, (int64_t[]){ny, ky, nx, kx});
    tsr_array *means = tsr_nanmean(blocks, 2, (int[]){1, 3}, false);
    if (!means) return tsr_error_code();
    *v = tsr_variable_like(like, means);
    return *v ? TSR_OK : tsr_error_code();
}

/* Longitude and time run across, latitude up. */
static tsr_status turn_upright(tsr_variable **v)
{
    plot_axis y, x;
    char label[128];
    read_axis(*v, 0, &y, label, sizeof label);
    read_axis(*v, 1, &x, label, sizeof label);
    bool is_turned = (y.kind == AXIS_LONGITUDE && x.kind == AXIS_LATITUDE) ||
                     (y.kind == AXIS_GIVEN && x.kind != AXIS_LONGITUDE && x.kind != AXIS_GIVEN);
    if (!is_turned) return TSR_OK;
    *v = tsr_variable_transpose(*v, 2, (const char *const[]){"1", "0"});
    return *v ? TSR_OK : tsr_error_code();
}

static tsr_status too_many(tsr_variable *v, const char *name)
{
    char dims[256] = "";
    size_t used = 0;
    for (int d = 0; d < tsr_variable_ndim(v) && used + 1 < sizeof dims; d++) {
        const char *dim = tsr_variable_dim(v, d);
        used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%s %lld", d ? ", " : "", dim ? dim : "length",
                                 (long long)tsr_variable_shape(v)[d]);
    }
    const char *first = tsr_variable_dim(v, 0), *own = name && name[0] ? name : "x";
    return error_set(TSR_ERR_VALUE, "cannot draw %d dimensions (%s); select some: %s[0]%s%s%s%s%s%s", tsr_variable_ndim(v), dims,
                     own, first ? " or mean(" : "", first ? own : "", first ? ", " : "", first ? first : "", first ? ")" : "",
                     "");
}

/* A picture that is grey all over has a reason that is easily overlooked. */
static void remark_missing(const plot_style *style, const float *values, int64_t n)
{
    for (int64_t i = 0; values && i < n; i++)
        if (values[i] == values[i]) return;
    if (!style->is_quiet)
        fputs("tessera: every value of the picture is missing (NaN); nanmean, nanstd ... leave missing values out\n", stderr);
}

/* A map on a curvilinear grid. *drawn is false where the grid lies around a pole and is better drawn as it is. */
static tsr_status draw_mesh(const char *path, const plot_style *style, tsr_variable *v, const float *values, bool *drawn)
{
    tsr_status status = TSR_OK;
    void *x = NULL, *y = NULL;
    tsr_variable *lon = find_grid(v, AXIS_LONGITUDE), *lat = find_grid(v, AXIS_LATITUDE);
    const int64_t *shape = tsr_variable_shape(v);
    *drawn = false;
    if (!lon || !lat) return TSR_OK;
    GUARD(compute_as(lon, TSR_F64, &x));
    GUARD(compute_as(lat, TSR_F64, &y));
    if (plot_mesh_is_polar(shape[0], shape[1], x, y)) goto done;
    *drawn = true;
    GUARD(plot_mesh(path, style, shape[0], shape[1], x, y, values));
done:
    mem_free(x);
    mem_free(y);
    return status;
}

static tsr_status draw_map(const char *path, const char *name, const plot_style *given, tsr_variable *v)
{
    plot_style style = *given;
    words w;
    char x_label[256], y_label[256];
    plot_axis x, y;
    void *values = NULL;
    bool drawn = false;
    tsr_status status = TSR_OK;
    bool is_mesh = find_grid(v, AXIS_LONGITUDE) && find_grid(v, AXIS_LATITUDE);
    if (!is_mesh) TRY(turn_upright(&v));
    if (!is_mesh) TRY(coarsen(&v));
    find_words(v, name, true, &style, &w);
    GUARD(compute_as(v, TSR_F32, &values));
    remark_missing(&style, values, tsr_variable_shape(v)[0] * tsr_variable_shape(v)[1]);
    GUARD(draw_mesh(path, &style, v, values, &drawn));
    if (drawn) goto done;
    read_axis(v, 1, &x, x_label, sizeof x_label);
    read_axis(v, 0, &y, y_label, sizeof y_label);
    GUARD(plot_map(path, &style, &x, &y, values));
done:
    mem_free(values);
    return status;
}

static tsr_status draw_line(const char *path, const char *name, const plot_style *given, tsr_variable *v)
{
    plot_style style = *given;
    words w;
    char label[256];
    plot_axis x;
    void *values = NULL;
    find_words(v, name, false, &style, &w);
    read_axis(v, 0, &x, label, sizeof label);
    TRY(compute_as(v, TSR_F64, &values));
    tsr_status status = plot_line(path, &style, &x, values);
    mem_free(values);
    return status;
}

tsr_status figure_variable(const char *path, const plot_style *given, const char *name, tsr_variable *v)
{
    TRY(drop_single(&v));
    int ndim = tsr_variable_ndim(v);
    if (ndim == 0) return error_set(TSR_ERR_VALUE, "a single number cannot be drawn");
    if (ndim > 2) return too_many(v, name);
    for (int d = 0; d < ndim; d++)
        if (tsr_variable_shape(v)[d] == 0) return error_set(TSR_ERR_VALUE, "an empty array cannot be drawn");
    return ndim == 2 ? draw_map(path, name, given, v) : draw_line(path, name, given, v);
}

tsr_status figure_histogram(const char *path, const plot_style *given, tsr_variable *counts, tsr_variable *edges,
                            const char *x_label)
{
    plot_style style = *given;
    void *heights = NULL, *borders = NULL;
    if (!style.title) style.title = "Histogram";
    if (!style.subtitle) style.subtitle = style.expression;
    style.value_label = "count";
    tsr_status status = TSR_OK;
    GUARD(compute_as(counts, TSR_F64, &heights));
    GUARD(compute_as(edges, TSR_F64, &borders));
    GUARD(plot_bars(path, &style, tsr_variable_shape(counts)[0], borders, heights, x_label));
done:
    mem_free(heights);
    mem_free(borders);
    return status;
}
