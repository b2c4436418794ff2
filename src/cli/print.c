/* Text of results; see print.h. The rules for numbers are those of NumPy's array2string: the fewest digits that tell the values
 * apart, at most 8 after the point, all aligned; powers of ten where values differ by more than a factor of 1000. Stateless. */
#include "cli/print.h"

#include "cli/json.h"

#include "block/dtype.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_WIDTH = 75, PRECISION = 8, ITEM_SIZE = 96 };

/* ---- Numbers of an array ----------------------------------------------------------------------------------------- */

/* How the reals of an array are written. */
typedef struct real_style {
    bool is_exponential, is_single;
    int left, right; /* characters before and after the point */
} real_style;

/* Fewest significant digits, minus one, that read back as the same number. */
static int unique_digits(double x, bool is_single)
{
    char text[48];
    int most = is_single ? 8 : 16;
    for (int p = 0; p < most; p++) {
        snprintf(text, sizeof text, "%.*e", p, x);
        if (is_single ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x) return p;
    }
    return most;
}

static void plain_text(double x, bool is_single, char *text, size_t size)
{
    int digits = unique_digits(x, is_single), exponent = x == 0 ? 0 : (int)floor(log10(fabs(x)));
    int decimals = digits - exponent;
    snprintf(text, size, "%.*f", decimals < 0 ? 0 : decimals > PRECISION ? PRECISION : decimals, x);
    char *point = strchr(text, '.');
    if (!point) {
        size_t n = strlen(text);
        snprintf(text + n, size - n, ".");
        return;
    }
    for (char *end = text + strlen(text) - 1; *end == '0'; end--) *end = '\0';
}

static void exponential_text(double x, int decimals, char *text, size_t size)
{
    snprintf(text, size, "%.*e", decimals, x);
    if (decimals > 0) return;
    char *e = strchr(text, 'e'); /* NumPy keeps the point: 1.e+10 */
    memmove(e + 1, e, strlen(e) + 1);
    *e = '.';
}

static double part_of(const void *data, tsr_dtype dtype, int64_t i, bool imaginary)
{
    tsr_scalar s = scalar_from_element((const char *)data + (size_t)i * tsr_dtype_size(dtype), dtype);
    return imaginary ? s.imag : s.f;
}

static void measure(real_style *s, double x)
{
    char text[64];
    if (!isfinite(x)) return;
    if (s->is_exponential) {
        int digits = unique_digits(x, s->is_single);
        if (digits > PRECISION) digits = PRECISION;
        if (digits > s->right) s->right = digits;
        if (2 - !signbit(x) > s->left) s->left = 2 - !signbit(x);
        return;
    }
    plain_text(x, s->is_single, text, sizeof text);
    int before = (int)(strchr(text, '.') - text), after = (int)strlen(text) - before - 1;
    if (before > s->left) s->left = before;
    if (after > s->right) s->right = after;
}

static real_style choose_style(const void *data, tsr_dtype dtype, int64_t n, bool imaginary)
{
    real_style s = {.is_single = dtype == TSR_F32 || dtype == TSR_C64};
    double least = INFINITY, most = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = fabs(part_of(data, dtype, i, imaginary));
        if (!isfinite(x) || x == 0) continue;
        least = fmin(least, x);
        most = fmax(most, x);
    }
    s.is_exponential = most > 0 && (most >= 1e8 || least < 1e-4 || most / least > 1000);
    for (int64_t i = 0; i < n; i++) measure(&s, part_of(data, dtype, i, imaginary));
    /* nan, inf and -inf are aligned too: they end where the numbers end. */
    for (int64_t i = 0; i < n; i++) {
        double x = part_of(data, dtype, i, imaginary);
        int needed = (isfinite(x) ? 0 : x == -INFINITY ? 4 : 3) - (s.right + 1 + (s.is_exponential ? 4 : 0));
        if (needed > s.left) s.left = needed;
    }
    return s;
}

/* `sign`: write + before positive numbers (imaginary parts). */
static void format_styled(const real_style *s, double x, bool sign, char *out, size_t size)
{
    char text[64];
    int width = s->left + 1 + s->right + (s->is_exponential ? 4 : 0);
    if (!isfinite(x)) {
        snprintf(out, size, "%s%*s", sign && !signbit(x) ? "+" : "", width, isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    if (s->is_exponential)
        exponential_text(x, s->right, text, sizeof text);
    else
        plain_text(x, s->is_single, text, sizeof text);
    int before = (int)(strchr(text, '.') - text), after = (int)strlen(text) - before - 1;
    int pad_right = s->is_exponential ? 0 : s->right - after;
    if (sign)
        snprintf(out, size, "%s%s%*s", signbit(x) ? "" : "+", text, pad_right, "");
    else
        snprintf(out, size, "%*s%s%*s", s->left - before > 0 ? s->left - before : 0, "", text, pad_right, "");
}

typedef struct formatter {
    const void *data;
    tsr_dtype dtype;
    real_style real, imaginary;
    int width;            /* of integers, bool and labels */
    tsr_variable *labels; /* dates: text comes from here */
} formatter;

static void format_item(const formatter *f, int64_t i, char *out, size_t size)
{
    const char *at = (const char *)f->data + (size_t)i * tsr_dtype_size(f->dtype);
    char text[ITEM_SIZE];
    if (f->labels) {
        tsr_variable_label_text(f->labels, i, out, size);
    } else if (f->dtype == TSR_BOOL) {
        snprintf(out, size, "%5s", element_format(at, f->dtype, text, sizeof text)); /* True is as wide as False */
    } else if (dtype_is_float(f->dtype)) {
        format_styled(&f->real, part_of(f->data, f->dtype, i, false), false, out, size);
    } else if (dtype_is_complex(f->dtype)) {
        char re[ITEM_SIZE / 2], im[ITEM_SIZE / 2];
        format_styled(&f->real, part_of(f->data, f->dtype, i, false), false, re, sizeof re);
        format_styled(&f->imaginary, part_of(f->data, f->dtype, i, true), true, im, sizeof im);
        size_t n = strlen(im), trimmed = n;
        while (trimmed && im[trimmed - 1] == ' ') trimmed--;
        snprintf(out, size, "%s%.*sj%*s", re, (int)trimmed, im, (int)(n - trimmed), "");
    } else {
        snprintf(out, size, "%*s", f->width, element_format(at, f->dtype, text, sizeof text));
    }
}

static formatter make_formatter(const void *data, tsr_dtype dtype, int64_t n, tsr_variable *labels)
{
    formatter f = {.data = data, .dtype = dtype, .labels = labels};
    if (labels) return f;
    if (dtype_is_float(dtype) || dtype_is_complex(dtype)) f.real = choose_style(data, dtype, n, false);
    if (dtype_is_complex(dtype)) f.imaginary = choose_style(data, dtype, n, true);
    if (dtype_is_inexact(dtype)) return f;
    for (int64_t i = 0; i < n; i++) {
        char text[ITEM_SIZE];
        int width = (int)strlen(element_format((const char *)data + (size_t)i * tsr_dtype_size(dtype), dtype, text, sizeof text));
        if (width > f.width) f.width = width;
    }
    return f;
}

/* ---- Layout ------------------------------------------------------------------------------------------------------ */

static void add_level(strbuf *out, const formatter *f, int ndim, const int64_t *shape, int axis, int64_t offset)
{
    if (axis == ndim) {
        char item[ITEM_SIZE];
        format_item(f, offset, item, sizeof item);
        strbuf_add(out, item);
        return;
    }
    int64_t stride = 1;
    for (int d = axis + 1; d < ndim; d++) stride *= shape[d];
    strbuf_add(out, "[");
    int column = axis + 1;
    for (int64_t i = 0; i < shape[axis]; i++) {
        if (axis + 1 < ndim) {
            if (i) strbuf_printf(out, "%.*s%*s", ndim - axis - 1, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", axis + 1, "");
            add_level(out, f, ndim, shape, axis + 1, offset + i * stride);
            continue;
        }
        char item[ITEM_SIZE];
        format_item(f, offset + i, item, sizeof item);
        int n = (int)strlen(item);
        if (i && column + 1 + n > LINE_WIDTH - (ndim - axis)) {
            strbuf_printf(out, "\n%*s", axis + 1, "");
            column = axis + 1;
        } else if (i) {
            strbuf_add(out, " ");
            column++;
        }
        strbuf_add(out, item);
        column += n;
    }
    strbuf_add(out, "]");
}

static int64_t size_of(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) n *= shape[d];
    return n;
}

/* One number as Python prints it: complex ones as (1+2j), and 2j where the real part is 0. */
static void add_scalar(strbuf *out, const void *data, tsr_dtype dtype)
{
    char text[ITEM_SIZE], part[2][ITEM_SIZE];
    if (!dtype_is_complex(dtype)) {
        strbuf_add(out, element_format(data, dtype, text, sizeof text));
        return;
    }
    for (int i = 0; i < 2; i++) {
        element_format((const char *)data + (size_t)i * tsr_dtype_size(dtype) / 2, dtype_real(dtype), part[i], ITEM_SIZE);
        size_t n = strlen(part[i]);
        if (n > 2 && strcmp(part[i] + n - 2, ".0") == 0) part[i][n - 2] = '\0';
    }
    bool is_imaginary = strcmp(part[0], "0") == 0, has_sign = part[1][0] == '-';
    if (is_imaginary)
        strbuf_printf(out, "%sj", part[1]);
    else
        strbuf_printf(out, "(%s%s%sj)", part[0], has_sign ? "" : "+", part[1]);
}

static void print_labelled(strbuf *out, const void *data, tsr_dtype dtype, int ndim, const int64_t *shape, tsr_variable *labels)
{
    if (ndim == 0 && !labels) {
        add_scalar(out, data, dtype);
        return;
    }
    if (size_of(ndim, shape) == 0) { /* NumPy: [] whatever the shape */
        strbuf_add(out, "[]");
        return;
    }
    formatter f = make_formatter(data, dtype, size_of(ndim, shape), labels);
    add_level(out, &f, ndim, shape, 0, 0);
}

void print_array(strbuf *out, const void *data, tsr_dtype dtype, int ndim, const int64_t *shape)
{
    print_labelled(out, data, dtype, ndim, shape, NULL);
}

void print_number(strbuf *out, tsr_scalar number)
{
    element e = element_from_scalar(number, number.dtype);
    add_scalar(out, &e, number.dtype);
}

/* ---- Variables --------------------------------------------------------------------------------------------------- */

void print_heading(strbuf *out, const char *name, tsr_variable *v)
{
    const char *units = tsr_variable_text(v, "units");
    strbuf_printf(out, "%s(", name && name[0] ? name : "");
    for (int d = 0; d < tsr_variable_ndim(v); d++) {
        const char *dim = tsr_variable_dim(v, d);
        strbuf_printf(out, "%s%s%s%lld", d ? ", " : "", dim ? dim : "", dim ? " " : "", (long long)tsr_variable_shape(v)[d]);
    }
    strbuf_printf(out, ") %s", tsr_dtype_name(tsr_variable_dtype(v)));
    if (units && units[0]) strbuf_printf(out, ", %s", units);
}

/* "  latitude   90.0 89.75 89.5 ... -90.0" */
static void add_coordinate(strbuf *out, const char *name, tsr_variable *coord)
{
    enum { SHOWN = 6 };
    int64_t n = 0;
    const double *labels = tsr_variable_labels(coord, &n);
    if (!labels || tsr_variable_ndim(coord) > 1) return;
    strbuf_printf(out, "\n  %-12s", name);
    for (int64_t i = 0; i < n; i++) {
        char text[64];
        if (n > SHOWN && i == SHOWN - 2) {
            strbuf_add(out, " ...");
            i = n - 2;
            continue;
        }
        strbuf_printf(out, " %s", tsr_variable_label_text(coord, i, text, sizeof text));
    }
    const char *units = tsr_variable_is_time(coord) ? NULL : tsr_variable_text(coord, "units");
    if (units && units[0]) strbuf_printf(out, "  (%s)", units);
}

void print_variable(strbuf *out, const char *name, tsr_variable *v, const void *data)
{
    int ndim = tsr_variable_ndim(v);
    int64_t n_labels;
    bool is_dates = tsr_variable_is_time(v) && ndim <= 1 && tsr_variable_labels(v, &n_labels);
    bool is_labelled = tsr_variable_has_names(v);
    if (ndim > 0 && is_labelled) {
        print_heading(out, name, v);
        strbuf_add(out, "\n");
    } else if (name && name[0]) {
        strbuf_printf(out, ndim > 0 ? "%s =\n" : "%s = ", name);
    }
    print_labelled(out, data, tsr_variable_dtype(v), ndim, tsr_variable_shape(v), is_dates ? v : NULL);
    for (int i = 0; ndim > 0 && is_labelled && !is_dates && i < tsr_variable_n_coords(v); i++) {
        const char *coord_name = tsr_variable_coord_name(v, i);
        tsr_variable *coord = tsr_variable_coord(v, coord_name);
        if (coord) add_coordinate(out, coord_name, coord);
    }
    strbuf_add(out, "\n");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void json_head(strbuf *out, const char *name, tsr_dtype dtype)
{
    strbuf_add(out, "{\"name\": ");
    if (name && name[0])
        json_string(out, name);
    else
        strbuf_add(out, "null");
    strbuf_printf(out, ", \"dtype\": \"%s\"", tsr_dtype_name(dtype));
}

void json_number(strbuf *out, const char *name, tsr_scalar number)
{
    element e = element_from_scalar(number, number.dtype);
    json_head(out, name, number.dtype);
    strbuf_add(out, ", \"data\": ");
    json_element(out, &e, number.dtype);
    strbuf_add(out, "}");
}

static void json_level(strbuf *out, const char *data, tsr_dtype dtype, int ndim, const int64_t *shape)
{
    if (ndim == 0) {
        json_element(out, data, dtype);
        return;
    }
    size_t stride = tsr_dtype_size(dtype);
    for (int d = 1; d < ndim; d++) stride *= (size_t)shape[d];
    strbuf_add(out, "[");
    for (int64_t i = 0; i < shape[0]; i++) {
        if (i) strbuf_add(out, ", ");
        json_level(out, data + (size_t)i * stride, dtype, ndim - 1, shape + 1);
    }
    strbuf_add(out, "]");
}

static void json_coordinate(strbuf *out, tsr_variable *coord)
{
    int64_t n = 0;
    const double *labels = tsr_variable_labels(coord, &n);
    bool is_list = tsr_variable_ndim(coord) > 0;
    if (!labels) {
        strbuf_add(out, "null");
        return;
    }
    if (is_list) strbuf_add(out, "[");
    for (int64_t i = 0; i < n; i++) {
        char text[64];
        if (i) strbuf_add(out, ", ");
        if (tsr_variable_is_time(coord))
            json_string(out, tsr_variable_label_text(coord, i, text, sizeof text));
        else
            json_element(out, &labels[i], TSR_F64);
    }
    if (is_list) strbuf_add(out, "]");
}

void json_variable(strbuf *out, const char *name, tsr_variable *v, const void *data)
{
    const char *units = tsr_variable_text(v, "units");
    json_head(out, name, tsr_variable_dtype(v));
    strbuf_add(out, ", \"dims\": [");
    for (int d = 0; d < tsr_variable_ndim(v); d++) {
        if (d) strbuf_add(out, ", ");
        if (tsr_variable_dim(v, d))
            json_string(out, tsr_variable_dim(v, d));
        else
            strbuf_add(out, "null");
    }
    strbuf_add(out, "], \"shape\": [");
    for (int d = 0; d < tsr_variable_ndim(v); d++)
        strbuf_printf(out, "%s%lld", d ? ", " : "", (long long)tsr_variable_shape(v)[d]);
    strbuf_add(out, "], \"units\": ");
    if (units)
        json_string(out, units);
    else
        strbuf_add(out, "null");
    strbuf_add(out, ", \"coords\": {");
    for (int i = 0, n = 0; i < tsr_variable_n_coords(v); i++) {
        const char *coord_name = tsr_variable_coord_name(v, i);
        tsr_variable *coord = tsr_variable_coord(v, coord_name);
        if (!coord || tsr_variable_ndim(coord) > 1) continue;
        if (n++) strbuf_add(out, ", ");
        json_string(out, coord_name);
        strbuf_add(out, ": ");
        json_coordinate(out, coord);
    }
    strbuf_add(out, "}, \"data\": ");
    json_level(out, data, tsr_variable_dtype(v), tsr_variable_ndim(v), tsr_variable_shape(v));
    strbuf_add(out, "}");
}
