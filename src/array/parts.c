/* One array as several, and several as one shape: cutting along an axis, broadcasting together; axes in other places under
 * NumPy's other names. All are views. */
#include "array/build.h"

#include <inttypes.h>

/* Drops the first n results; the reason is recorded. */
static tsr_status drop(int64_t n, tsr_array **results)
{
    while (n-- > 0) node_unref(results[n]);
    return tsr_error_code();
}

/* An array that is missing has left its reason, if it was a call that failed. */
static tsr_status missing(const char *name)
{
    return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "%s: an array is NULL", name);
}

/* ---- Cutting ------------------------------------------------------------------------------------------------------- */

static tsr_status cut(const char *name, tsr_array *a, int64_t n, const int64_t *indices, int axis, tsr_array **results)
{
    if (!array_ready(a)) return missing(name);
    TRY(axis_check(name, a, axis, &axis));
    if (n < !indices) return error_set(TSR_ERR_VALUE, "%s: %" PRId64 " parts, there must be one or more", name, n);
    int64_t length = a->shape[axis], start = 0;
    for (int64_t i = 0; i < n + (indices != NULL); i++) {
        int64_t stop = indices ? i < n ? indices[i] : length : start + length / n + (i < length % n);
        results[i] = array_part(a, axis, start, stop);
        if (!results[i]) return drop(i, results);
        start = stop;
    }
    return TSR_OK;
}

tsr_status tsr_array_split(tsr_array *a, int64_t n, const int64_t *indices, int axis, tsr_array **results)
{
    return cut("array_split", a, n, indices, axis, results);
}

/* Where a number of parts is given, it divides the axis, which the array must have. */
static tsr_status split(const char *name, tsr_array *a, int64_t n, const int64_t *indices, int axis, int least_ndim,
                        tsr_array **results)
{
    if (!array_ready(a)) return missing(name);
    if (a->ndim < least_ndim) {
        return error_set(TSR_ERR_VALUE, "%s only works on arrays of %d or more dimensions, this one has %d", name, least_ndim,
                         a->ndim);
    }
    TRY(axis_check(name, a, axis, &axis));
    if (!indices && n > 0 && a->shape[axis] % n != 0) {
        return error_set(TSR_ERR_VALUE, "%s: %" PRId64 " parts of axis %d of length %" PRId64 " are not an equal division", name,
                         n, axis, a->shape[axis]);
    }
    return cut(name, a, n, indices, axis, results);
}

tsr_status tsr_split(tsr_array *a, int64_t n, const int64_t *indices, int axis, tsr_array **results)
{
    return split("split", a, n, indices, axis, 0, results);
}
tsr_status tsr_vsplit(tsr_array *a, int64_t n, const int64_t *indices, tsr_array **results)
{
    return split("vsplit", a, n, indices, 0, 2, results);
}
tsr_status tsr_hsplit(tsr_array *a, int64_t n, const int64_t *indices, tsr_array **results)
{
    return split("hsplit", a, n, indices, a && a->ndim > 1, 1, results);
}
tsr_status tsr_dsplit(tsr_array *a, int64_t n, const int64_t *indices, tsr_array **results)
{
    return split("dsplit", a, n, indices, 2, 3, results);
}

tsr_status tsr_unstack(tsr_array *a, int axis, tsr_array **results)
{
    if (!array_ready(a)) return missing("unstack");
    TRY(axis_check("unstack", a, axis, &axis));
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    for (int64_t i = 0; i < a->shape[axis]; i++) {
        items[axis] = (tsr_index){.kind = TSR_INDEX_INTEGER, .start = i};
        results[i] = tsr_slice(a, axis + 1, items);
        if (!results[i]) return drop(i, results);
    }
    return TSR_OK;
}

/* ---- Together ------------------------------------------------------------------------------------------------------ */

tsr_status tsr_broadcast_arrays(int n, tsr_array *const *arrays, tsr_array **results)
{
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    for (int i = 0; i < n; i++)
        if (!array_ready(arrays[i])) return missing("broadcast_arrays");
    TRY(broadcast_shapes("broadcast_arrays", n, arrays, &ndim, shape));
    for (int i = 0; i < n; i++) {
        results[i] = tsr_broadcast_to(arrays[i], ndim, shape);
        if (!results[i]) return drop(i, results);
    }
    return TSR_OK;
}

/* ---- Axes ---------------------------------------------------------------------------------------------------------- */

tsr_array *tsr_rollaxis(tsr_array *a, int axis, int start)
{
    if (!array_ready(a) || axis_check("rollaxis", a, axis, &axis) != TSR_OK) return NULL;
    int before = start < 0 ? start + a->ndim : start;
    if (before < 0 || before > a->ndim) {
        (void)error_set(TSR_ERR_INDEX, "rollaxis: the start %d is out of range for %d dimensions", start, a->ndim);
        return NULL;
    }
    before -= axis < before;
    return tsr_moveaxis(a, 1, &axis, &before);
}

tsr_array *tsr_matrix_transpose(tsr_array *a)
{
    if (!array_ready(a)) return NULL;
    if (a->ndim < 2) {
        (void)error_set(TSR_ERR_VALUE, "matrix_transpose: the array has %d dimensions, it must have 2 or more", a->ndim);
        return NULL;
    }
    return tsr_swapaxes(a, -1, -2);
}

/* Reversed along the last of the first ndim axes. */
static tsr_array *flip(const char *name, tsr_array *a, int ndim)
{
    if (!array_ready(a)) return NULL;
    if (a->ndim < ndim) {
        (void)error_set(TSR_ERR_VALUE, "%s: the array has %d dimensions, it must have %d or more", name, a->ndim, ndim);
        return NULL;
    }
    return tsr_flip(a, 1, (int[]){ndim - 1});
}

tsr_array *tsr_flipud(tsr_array *a) { return flip("flipud", a, 1); }
tsr_array *tsr_fliplr(tsr_array *a) { return flip("fliplr", a, 2); }
