/* Looking up: searchsorted, digitize, isin, interp. The table that is searched is one block that every task sees; the values are
 * taken block by block. These are block functions of the library's own (array/blocks.c). */
#include "array/build.h"
#include "array/builtin.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Calling a function with a whole table --------------------------------------------------------------------------------- */

/* values' blocks, one at a time, together with each table as one block; the result has the shape of the values. */
static tsr_array *look_up(tsr_array *values, int n_tables, tsr_array *const *tables, const tsr_function *function,
                          tsr_dtype dtype)
{
    enum { MOST_TABLES = 2, OF_TABLE = TSR_MAX_NDIM };
    static const int labels[TSR_MAX_NDIM + MOST_TABLES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    tsr_block_input inputs[1 + MOST_TABLES] = {{values, labels}};
    for (int i = 0; i < n_tables; i++) inputs[1 + i] = (tsr_block_input){tables[i], labels + OF_TABLE + i};
    tsr_block_output output = {.dtype = dtype, .ndim = values->ndim, .labels = labels};
    return tsr_blockwise(values->session, function, 1 + n_tables, inputs, &output);
}

static int64_t block_size(const tsr_block *b) { return shape_size(b->ndim, b->shape); }

static tsr_status check_table(const char *name, const tsr_array *table)
{
    if (table->ndim != 1) return error_set(TSR_ERR_VALUE, "%s: the table has %d dimensions, it must have 1", name, table->ndim);
    return TSR_OK;
}

/* ---- Order -------------------------------------------------------------------------------------------------------------------
 */

/* NaN comes after all numbers, as in NumPy's sort. For complex numbers: real parts first, then imaginary ones. */
#define PLAIN_LESS(a, b) ((a) < (b))
#define FLOAT_LESS(a, b) ((a) < (b) || ((b) != (b) && (a) == (a)))
#define DEFINE_BOUND(name, type, less)                                                                                           \
    static int64_t name(const void *table, const int64_t *order, int64_t n, const void *value, bool right)                       \
    {                                                                                                                            \
        const type *t = table, v = *(const type *)value;                                                                         \
        int64_t low = 0;                                                                                                         \
        while (n > 0) {                                                                                                          \
            int64_t half = n / 2;                                                                                                \
            type x = t[order ? order[low + half] : low + half];                                                                  \
            bool before = right ? !less(v, x) : less(x, v);                                                                      \
            low = before ? low + half + 1 : low;                                                                                 \
            n = before ? n - half - 1 : half;                                                                                    \
        }                                                                                                                        \
        return low;                                                                                                              \
    }
DEFINE_BOUND(bound_bool, uint8_t, PLAIN_LESS)
DEFINE_BOUND(bound_i64, int64_t, PLAIN_LESS)
DEFINE_BOUND(bound_u64, uint64_t, PLAIN_LESS)
DEFINE_BOUND(bound_f32, float, FLOAT_LESS)
DEFINE_BOUND(bound_f64, double, FLOAT_LESS)

typedef struct complex_value {
    double re, im;
} complex_value;
static bool complex_less(complex_value a, complex_value b)
{
    bool nan_a = a.re != a.re || a.im != a.im, nan_b = b.re != b.re || b.im != b.im;
    if (nan_a || nan_b) return !nan_a && nan_b;
    return a.re < b.re || (a.re == b.re && a.im < b.im);
}
DEFINE_BOUND(bound_c128, complex_value, complex_less)

typedef int64_t bound_fn(const void *table, const int64_t *order, int64_t n, const void *value, bool right);

/* Searching is done in few dtypes, which hold the values of all others. */
static tsr_dtype search_dtype(tsr_dtype d)
{
    if (d == TSR_BOOL || d == TSR_F32 || d == TSR_F64) return d;
    return dtype_is_complex(d) ? TSR_C128 : dtype_is_unsigned(d) ? TSR_U64 : TSR_I64;
}

static bound_fn *bound_of(tsr_dtype d)
{
    switch (d) {
    case TSR_BOOL: return bound_bool;
    case TSR_U64: return bound_u64;
    case TSR_F32: return bound_f32;
    case TSR_F64: return bound_f64;
    case TSR_C128: return bound_c128;
    default: return bound_i64;
    }
}

/* ---- searchsorted, digitize
 * ----------------------------------------------------------------------------------------------------- */

/* One result for each value, and tables of one length: so the constructors make it, but not whoever sends an expression. */
static tsr_status check_blocks(int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    bool fits = block_size(&inputs[0]) == block_size(output);
    for (int i = 2; i < n_inputs; i++) fits = fits && inputs[i].shape[0] == inputs[1].shape[0];
    return fits ? TSR_OK : tsr_fail(TSR_ERR_VALUE, "the blocks do not fit together");
}

enum { SIDE_RIGHT_BIT = 1 };

static int64_t *order_of(const tsr_block *sorter, int64_t n, tsr_status *status)
{
    int64_t *order = sorter->data;
    for (int64_t i = 0; i < n && *status == TSR_OK; i++)
        if (order[i] < 0 || order[i] >= n) *status = tsr_fail(TSR_ERR_INDEX, "the sorter has an index out of range");
    return order;
}

/* 1: the table increases, -1: it decreases, 0: neither. */
static int direction_of(const tsr_block *table, bound_fn *bound)
{
    bool up = true, down = true;
    size_t size = tsr_dtype_size(table->dtype);
    for (int64_t i = 1; i < table->shape[0]; i++) {
        const char *x = (const char *)table->data + (size_t)(i - 1) * size, *y = x + size;
        up = up && bound(x, NULL, 1, y, true) == 1;
        down = down && bound(y, NULL, 1, x, true) == 1;
    }
    return up ? 1 : down ? -1 : 0;
}

tsr_status search_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    bool right = (uintptr_t)context & SIDE_RIGHT_BIT;
    tsr_status status = TSR_OK;
    const tsr_block *values = &inputs[0], *table = &inputs[1];
    int64_t n = table->shape[0], *out = output->data;
    TRY(check_blocks(n_inputs, inputs, output));
    const int64_t *order = n_inputs > 2 ? order_of(&inputs[2], n, &status) : NULL;
    bound_fn *bound = bound_of(table->dtype);
    size_t size = tsr_dtype_size(values->dtype);
    for (int64_t i = 0; status == TSR_OK && i < block_size(values); i++)
        out[i] = bound(table->data, order, n, (const char *)values->data + (size_t)i * size, right);
    return status;
}

/* A falling table is searched from its end. */
tsr_status digitize_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    bool right = (uintptr_t)context & SIDE_RIGHT_BIT;
    const tsr_block *values = &inputs[0], *table = &inputs[1];
    int64_t n = table->shape[0], *out = output->data, *order = NULL;
    size_t size = tsr_dtype_size(values->dtype);
    bound_fn *bound = bound_of(table->dtype);
    TRY(check_blocks(n_inputs, inputs, output));
    int direction = direction_of(table, bound);
    if (direction == 0) return tsr_fail(TSR_ERR_VALUE, "bins must be monotonically increasing or decreasing");
    if (direction < 0) {
        order = mem_alloc(sizeof *order * (size_t)n);
        if (!order) return TSR_ERR_MEMORY;
        for (int64_t i = 0; i < n; i++) order[i] = n - 1 - i;
    }
    for (int64_t i = 0; i < block_size(values); i++) {
        int64_t before = bound(table->data, order, n, (const char *)values->data + (size_t)i * size, !right);
        out[i] = direction > 0 ? before : n - before;
    }
    mem_free(order);
    return TSR_OK;
}

tsr_array *tsr_searchsorted(tsr_array *a, tsr_array *v, bool right, tsr_array *sorter)
{
    if (!array_ready(a) || !array_ready(v) || check_table("searchsorted", a) != TSR_OK) return NULL;
    if (sorter && array_resolve(sorter) != TSR_OK) return NULL;
    if (sorter && (sorter->ndim != 1 || sorter->shape[0] != a->shape[0] || dtype_is_inexact(sorter->dtype))) {
        (void)error_set(TSR_ERR_VALUE, "searchsorted: the sorter must be a 1-d array of %" PRId64 " integers", a->shape[0]);
        return NULL;
    }
    tsr_dtype dtype = search_dtype(tsr_dtype_promote(a->dtype, v->dtype));
    tsr_array *tables[2] = {array_cast(a, dtype), sorter ? array_cast(sorter, TSR_I64) : NULL}, *values = array_cast(v, dtype);
    uintptr_t flags = right ? SIDE_RIGHT_BIT : 0;
    tsr_function f = {.call = search_block,
                      .context = (void *)flags,
                      .name = "searchsorted",
                      .identity = &flags,
                      .identity_bytes = sizeof flags};
    tsr_array *result = NULL;
    if (tables[0] && values && (!sorter || tables[1])) result = look_up(values, sorter ? 2 : 1, tables, &f, TSR_I64);
    node_unref(tables[0]);
    node_unref(tables[1]);
    return array_using(result, values);
}

tsr_array *tsr_digitize(tsr_array *x, tsr_array *bins, bool right)
{
    if (!array_ready(x) || !array_ready(bins) || check_table("digitize", bins) != TSR_OK) return NULL;
    if (dtype_is_complex(x->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "digitize: not defined for %s", tsr_dtype_name(x->dtype));
        return NULL;
    }
    tsr_dtype dtype = search_dtype(tsr_dtype_promote(x->dtype, bins->dtype));
    tsr_array *values = array_cast(x, dtype), *table = array_cast(bins, dtype);
    uintptr_t flags = right ? SIDE_RIGHT_BIT : 0;
    tsr_function f = {
        .call = digitize_block, .context = (void *)flags, .name = "digitize", .identity = &flags, .identity_bytes = sizeof flags};
    tsr_array *result = values && table ? look_up(values, 1, &table, &f, TSR_I64) : NULL;
    return array_using(array_using(result, values), table);
}

/* ---- isin
 * ------------------------------------------------------------------------------------------------------------------------- */

/* Sorted copies would be made for each block: instead, an open table of the values' places. */
static uint64_t hash_of(const void *value, size_t size)
{
    uint64_t h = 0, part;
    for (size_t i = 0; i < size; i += 8) {
        part = 0;
        memcpy(&part, (const char *)value + i, size - i < 8 ? size - i : 8);
        h = (h ^ part) * 0x9E3779B97F4A7C15ull;
        h ^= h >> 29;
    }
    return h;
}

/* Zeros of both signs are equal, NaN equals nothing. */
static bool normalise(tsr_dtype dtype, const void *value, void *out)
{
    memcpy(out, value, tsr_dtype_size(dtype));
    if (dtype == TSR_F32) {
        float x;
        memcpy(&x, value, sizeof x);
        if (x == 0) memset(out, 0, sizeof x);
        return x == x;
    }
    for (size_t i = 0; dtype_is_inexact(dtype) && i < tsr_dtype_size(dtype); i += sizeof(double)) {
        double x;
        memcpy(&x, (const char *)value + i, sizeof x);
        if (x == 0) memset((char *)out + i, 0, sizeof x);
        if (x != x) return false;
    }
    return true;
}

tsr_status isin_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    bool invert = (uintptr_t)context & 1;
    size_t size = tsr_dtype_size(inputs[0].dtype), n = (size_t)inputs[1].shape[0], slots = 16;
    while (slots < n * 2) slots *= 2;
    TRY(check_blocks(n_inputs, inputs, output));
    int64_t *places = mem_alloc(slots * sizeof *places);
    char value[16], other[16];
    bool *out = output->data;
    if (!places) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < slots; i++) places[i] = -1;
    for (size_t i = 0; i < n; i++) {
        if (!normalise(inputs[1].dtype, (const char *)inputs[1].data + i * size, value)) continue;
        size_t at = hash_of(value, size) & (slots - 1);
        while (places[at] >= 0) at = (at + 1) & (slots - 1);
        places[at] = (int64_t)i;
    }
    for (int64_t i = 0; i < block_size(&inputs[0]); i++) {
        bool found = false;
        if (normalise(inputs[0].dtype, (const char *)inputs[0].data + (size_t)i * size, value)) {
            for (size_t at = hash_of(value, size) & (slots - 1); places[at] >= 0 && !found; at = (at + 1) & (slots - 1)) {
                (void)normalise(inputs[1].dtype, (const char *)inputs[1].data + (size_t)places[at] * size, other);
                found = memcmp(value, other, size) == 0;
            }
        }
        out[i] = found != invert;
    }
    mem_free(places);
    return TSR_OK;
}

tsr_array *tsr_isin(tsr_array *x, tsr_array *test_elements, bool invert)
{
    if (!array_ready(x) || !array_ready(test_elements)) return NULL;
    tsr_dtype dtype = search_dtype(tsr_dtype_promote(x->dtype, test_elements->dtype));
    tsr_array *values = array_cast(x, dtype), *flat = tsr_ravel(test_elements), *table = array_cast(flat, dtype);
    uintptr_t flags = invert;
    tsr_function f = {
        .call = isin_block, .context = (void *)flags, .name = "isin", .identity = &flags, .identity_bytes = sizeof flags};
    tsr_array *result = values && table ? look_up(values, 1, &table, &f, TSR_BOOL) : NULL;
    tsr_array *used[] = {values, flat, table};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

/* ---- interp
 * ----------------------------------------------------------------------------------------------------------------------- */

static void free_context(void *context) { mem_free(context); }

typedef struct knot {
    double x, y;
} knot;

static int compare_knots(const void *a, const void *b)
{
    double x = ((const knot *)a)->x, y = ((const knot *)b)->x;
    return (x > y) - (x < y);
}

static double modulo(double x, double period)
{
    double r = fmod(x, period);
    return r != 0 && (r < 0) != (period < 0) ? r + period : r;
}

/* Knots of a period, sorted, with the last before and the first after. */
static int64_t wrap_knots(const double *x, const double *y, int64_t n, double period, knot *out)
{
    for (int64_t i = 0; i < n; i++) out[i + 1] = (knot){modulo(x[i], period), y[i]};
    qsort(out + 1, (size_t)n, sizeof *out, compare_knots);
    out[0] = (knot){out[n].x - period, out[n].y};
    out[n + 1] = (knot){out[1].x + period, out[1].y};
    return n + 2;
}

static double interpolate(const knot *k, int64_t n, double x, const interp_options *o)
{
    int64_t low = 0, high = n;
    if (x != x) return n == 1 ? k[0].y : x; /* as NumPy */
    if (x > k[n - 1].x) return o->has_right ? o->right : k[n - 1].y;
    if (x < k[0].x) return o->has_left ? o->left : k[0].y;
    while (high - low > 1) { /* the last knot that is not after x */
        int64_t middle = low + (high - low) / 2;
        if (k[middle].x <= x) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (low == n - 1 || k[low].x == x) return k[low].y;
    double slope = (k[low + 1].y - k[low].y) / (k[low + 1].x - k[low].x), y = slope * (x - k[low].x) + k[low].y;
    if (y != y) y = slope * (x - k[low + 1].x) + k[low + 1].y; /* an infinite knot: from its other side, as NumPy */
    if (y != y && k[low].y == k[low + 1].y) y = k[low].y;
    return y;
}

tsr_status interp_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const interp_options *o = context;
    int64_t n = inputs[1].shape[0];
    const double *x = inputs[0].data, *xp = inputs[1].data, *fp = inputs[2].data;
    double *out = output->data;
    TRY(check_blocks(n_inputs, inputs, output));
    if (n == 0) return tsr_fail(TSR_ERR_VALUE, "there are no places to interpolate between");
    knot *knots = mem_alloc(sizeof *knots * (size_t)(n + 2));
    if (!knots) return TSR_ERR_MEMORY;
    if (o->period != 0) {
        n = wrap_knots(xp, fp, n, o->period, knots);
    } else {
        for (int64_t i = 0; i < n; i++) knots[i] = (knot){xp[i], fp[i]};
    }
    for (int64_t i = 0; i < block_size(&inputs[0]); i++)
        out[i] = interpolate(knots, n, o->period != 0 ? modulo(x[i], o->period) : x[i], o);
    mem_free(knots);
    return TSR_OK;
}

tsr_array *tsr_interp(tsr_array *x, tsr_array *xp, tsr_array *fp, const double *left, const double *right, double period)
{
    if (!array_ready(x) || !array_ready(xp) || !array_ready(fp) || check_table("interp", xp) != TSR_OK ||
        check_table("interp", fp) != TSR_OK)
        return NULL;
    if (xp->shape[0] != fp->shape[0] || xp->shape[0] == 0) {
        (void)error_set(TSR_ERR_VALUE,
                        "interp: %" PRId64 " places and %" PRId64 " values; as many are needed of both, at least 1", xp->shape[0],
                        fp->shape[0]);
        return NULL;
    }
    if (dtype_is_complex(x->dtype) || dtype_is_complex(xp->dtype) || dtype_is_complex(fp->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "interp: complex numbers are interpolated by their real and imaginary parts");
        return NULL;
    }
    interp_options *o = mem_calloc(1, sizeof *o);
    if (!o) return NULL;
    *o = (interp_options){.left = left ? *left : 0,
                          .right = right ? *right : 0,
                          .period = fabs(period),
                          .has_left = left && period == 0,
                          .has_right = right && period == 0};
    tsr_array *values = array_cast(x, TSR_F64), *tables[2] = {array_cast(xp, TSR_F64), array_cast(fp, TSR_F64)}, *result = NULL;
    tsr_function f = {.call = interp_block,
                      .context = o,
                      .release = free_context,
                      .name = "interp",
                      .identity = o,
                      .identity_bytes = sizeof *o};
    if (values && tables[0] && tables[1]) result = look_up(values, 2, tables, &f, TSR_F64);
    if (!result) mem_free(o);
    tsr_array *used[] = {values, tables[0], tables[1]};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}
