/* Arrays whose shape or dtype follows from values, which the call computes: trim_zeros, real_if_close. And those filled from few
 * values over and over: resize, putmask, fill_diagonal. */
#include "array/build.h"

#include <inttypes.h>
#include <string.h>

/* ---- Computed now ----------------------------------------------------------------------------------------------------- */

/* The least, or the greatest, index along an axis among elements that are not zero; the length, or -1, if there is none. */
static tsr_array *end_of(const tsr_array *a, tsr_array *is_zero, int axis, bool last)
{
    tsr_array *at = array_places(a, axis), *none = tsr_scalar_array(a->session, scalar_int(last ? -1 : a->shape[axis]));
    tsr_array *there = at && none ? tsr_where(is_zero, none, at) : NULL;
    tsr_array *end = there ? (last ? tsr_max : tsr_min)(there, 0, NULL, false) : NULL;
    node_unref(at);
    node_unref(none);
    return array_using(end, there);
}

/* ends[2 * d] and ends[2 * d + 1]: the first and the last index along axis d, all found in one pass. */
static tsr_status find_ends(tsr_array *a, int64_t *ends)
{
    tsr_array *made[2 * TSR_MAX_NDIM] = {NULL}, *is_zero = tsr_logical_not(a);
    void *outs[2 * TSR_MAX_NDIM];
    tsr_status status = is_zero ? TSR_OK : tsr_error_code();
    for (int i = 0; status == TSR_OK && i < 2 * a->ndim; i++) {
        outs[i] = &ends[i];
        made[i] = end_of(a, is_zero, i / 2, i % 2);
        if (!made[i]) status = tsr_error_code();
    }
    if (status == TSR_OK) status = a->session->compute(2 * a->ndim, made, outs);
    for (int i = 0; i < 2 * a->ndim; i++) node_unref(made[i]);
    node_unref(is_zero);
    return status;
}

tsr_array *tsr_trim_zeros(tsr_array *a, bool front, bool back, int n_axes, const int *axes)
{
    uint32_t mask;
    int64_t ends[2 * TSR_MAX_NDIM];
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    if (!array_ready(a) || axes_check("trim_zeros", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    if (mask == 0) return node_ref(a);
    bool none = shape_size(a->ndim, a->shape) == 0;
    if (!none && find_ends(a, ends) != TSR_OK) return NULL;
    none = none || ends[1] < 0;
    for (int d = 0; d < a->ndim; d++) {
        items[d].kind = TSR_INDEX_SLICE;
        if (!(mask >> d & 1)) continue;
        items[d].has_start = none || front;
        items[d].has_stop = none || back;
        items[d].start = none ? 0 : ends[2 * d];
        items[d].stop = none ? 0 : ends[2 * d + 1] + 1;
    }
    return tsr_slice(a, a->ndim, items);
}

tsr_array *tsr_real_if_close(tsr_array *a, double tol)
{
    bool close = false;
    if (!array_ready(a)) return NULL;
    if (!dtype_is_complex(a->dtype)) return node_ref(a);
    if (tol > 1) tol *= a->dtype == TSR_C64 ? 0x1p-23 : 0x1p-52;
    tsr_array *im = tsr_imag(a), *size = array_using(tsr_absolute(im), im);
    tsr_array *most = size ? tsr_scalar_like(size, scalar_float(tol)) : NULL, *below = most ? tsr_less(size, most) : NULL;
    tsr_array *every = below ? tsr_all(below, 0, NULL, false) : NULL;
    tsr_status status = every ? a->session->compute(1, &every, (void *[1]){&close}) : tsr_error_code();
    tsr_array *used[] = {size, most, below, every};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    if (status != TSR_OK) return NULL;
    return close ? tsr_real(a) : node_ref(a);
}

/* ---- Over and over -------------------------------------------------------------------------------------------------------- */

/* The first n elements of the flattened array, again and again; it has at least one. */
static tsr_array *repeated(tsr_array *a, int64_t n)
{
    tsr_array *flat = tsr_ravel(a);
    int64_t size = flat ? flat->shape[0] : 1, shape[2] = {(n + size - 1) / size, size};
    tsr_index item = {.kind = TSR_INDEX_SLICE, .has_stop = true, .stop = n};
    tsr_array *rows = flat ? tsr_broadcast_to(flat, 2, shape) : NULL, *line = rows ? tsr_ravel(rows) : NULL;
    node_unref(flat);
    node_unref(rows);
    return array_using(line ? tsr_slice(line, 1, &item) : NULL, line);
}

tsr_array *tsr_resize(tsr_array *a, int ndim, const int64_t *shape)
{
    if (!array_ready(a) || shape_check("resize", ndim, shape) != TSR_OK) return NULL;
    int64_t size = shape_size(ndim, shape);
    if (size == 0 || shape_size(a->ndim, a->shape) == 0) return tsr_zeros(a->session, a->dtype, ndim, shape, NULL);
    tsr_array *line = repeated(a, size);
    return array_using(line ? tsr_reshape(line, ndim, shape) : NULL, line);
}

tsr_array *tsr_putmask(tsr_array *a, tsr_array *mask, tsr_array *values)
{
    if (!array_ready(a) || !array_ready(mask) || !array_ready(values)) return NULL;
    if (mask->ndim != a->ndim || memcmp(mask->shape, a->shape, sizeof *a->shape * (size_t)a->ndim) != 0) {
        (void)error_set(TSR_ERR_VALUE, "putmask: mask and data must be the same size");
        return NULL;
    }
    if (shape_size(values->ndim, values->shape) == 0) return node_ref(a);
    tsr_array *typed = array_cast(values, a->dtype), *filled = typed ? tsr_resize(typed, a->ndim, a->shape) : NULL;
    tsr_array *result = filled ? tsr_where(mask, filled, a) : NULL;
    node_unref(typed);
    return array_using(result, filled);
}

/* op(a, b), both consumed; NULL among them gives NULL. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    tsr_array *result = a && b ? array_map(op, 2, pair) : NULL;
    return array_using(array_using(result, a), b);
}

/* Where a diagonal of n columns is, and how many-eth on it each row is: row i + k (n + 1) has column i, for k = 0 without wrap.
 */
static tsr_array *on_diagonal(const tsr_array *a, bool wrap)
{
    tsr_array *on = NULL, *rows = array_places(a, 0);
    if (wrap && rows) rows = apply(OP_REMAINDER, rows, tsr_scalar_array(a->session, scalar_int(a->shape[1] + 1)));
    for (int d = 1; d < a->ndim; d++) {
        tsr_array *here = apply(OP_EQUAL, rows ? node_ref(rows) : NULL, array_places(a, d));
        on = d == 1 ? here : apply(OP_LOGICAL_AND, on, here);
    }
    return array_using(on, rows);
}

/* A value for each of so many rows; those between two diagonals of n columns take none. */
static tsr_array *with_gaps(tsr_array *values, int64_t rows, int64_t n)
{
    int64_t whole = (rows + n) / (n + 1); /* diagonals, the last perhaps in part */
    tsr_array *dense = repeated(values, whole * n), *each = dense ? tsr_reshape(dense, 2, (int64_t[]){whole, n}) : NULL;
    tsr_array *gap = tsr_zeros(values->session, values->dtype, 2, (int64_t[]){whole, 1}, NULL), *pieces[2] = {each, gap};
    tsr_array *both = each && gap ? tsr_concatenate(2, pieces, 1) : NULL, *line = both ? repeated(both, rows) : NULL;
    tsr_array *used[] = {dense, each, gap, both};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return line;
}

tsr_array *tsr_fill_diagonal(tsr_array *a, tsr_array *values, bool wrap)
{
    if (!array_ready(a) || !array_ready(values)) return NULL;
    bool square = true;
    for (int d = 1; d < a->ndim; d++) square = square && a->shape[d] == a->shape[0];
    if (a->ndim < 2 || (a->ndim > 2 && !square)) {
        (void)error_set(TSR_ERR_VALUE, a->ndim < 2 ? "fill_diagonal: the array must be at least 2-d"
                                                   : "fill_diagonal: all dimensions of the array must be of equal length");
        return NULL;
    }
    if (shape_size(a->ndim, a->shape) == 0) return node_ref(a);
    wrap = wrap && a->ndim == 2 && a->shape[0] > a->shape[1] + 1;
    int64_t rows = a->shape[0], shape[TSR_MAX_NDIM];
    if (shape_size(values->ndim, values->shape) == 0) {
        (void)error_set(TSR_ERR_VALUE, "fill_diagonal: there are no values to fill with");
        return NULL;
    }
    tsr_array *typed = array_cast(values, a->dtype), *line = NULL;
    if (typed) line = wrap ? with_gaps(typed, rows, a->shape[1]) : repeated(typed, rows);
    for (int d = 0; d < a->ndim; d++) shape[d] = d == 0 ? rows : 1;
    tsr_array *value = line ? tsr_reshape(line, a->ndim, shape) : NULL, *on = on_diagonal(a, wrap);
    tsr_array *result = value && on ? tsr_where(on, value, a) : NULL;
    tsr_array *used[] = {typed, line, value, on};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}
