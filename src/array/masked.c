/* Reductions of what a mask selects (array/mask.c) that need not know how much that is: reductions of the whole array in which
 * the elements that are left out change nothing. They run in one pass, with everything else that reads the array. */
#include "array/build.h"
#include "array/mask.h"

#include <math.h>
#include <string.h>

/* The mask along its axis of x. */
static tsr_array *spread_mask(tsr_array *mask, const tsr_array *x, int axis)
{
    return array_view(mask, x->ndim, x->shape, &(view_axis){axis, 0, 1});
}

/* x where the mask holds, elsewhere a value of x's dtype. */
static tsr_array *filled(tsr_array *x, tsr_array *mask, tsr_scalar value)
{
    tsr_array *other = array_full_like(x, value, x->dtype);
    return array_using(other ? tsr_where(mask, x, other) : NULL, other);
}

/* ---- With nothing in the place of the others ------------------------------------------------------------------------------- */

/* NaN where the mask does not hold: for the reductions that leave NaN out. */
static tsr_array *with_nan(tsr_array *x, tsr_array *mask)
{
    tsr_array *typed = array_cast(x, dtype_is_inexact(x->dtype) ? x->dtype : TSR_F64);
    return array_using(typed ? filled(typed, mask, scalar_float(NAN)) : NULL, typed);
}

/* The reduction that leaves NaN out, which is NaN itself if one of the selected elements is. */
static tsr_array *moments(const char *name, tsr_array *x, tsr_array *mask, monoid op, int n_axes, const int *axes, bool keepdims,
                          double ddof)
{
    tsr_array *known = with_nan(x, mask), *value = array_reduce(name, known, op, n_axes, axes, keepdims, ddof), *result = NULL;
    tsr_array *nan = NULL, *bad = NULL, *any = NULL, *flag = NULL;
    if (value && dtype_is_inexact(x->dtype)) {
        bad = tsr_isnan(x);
        any = bad ? tsr_logical_and(bad, mask) : NULL;
        flag = array_reduce(name, any, MONOID_ANY, n_axes, axes, keepdims, 0);
        nan = array_full_like(x, scalar_float(NAN), value->dtype);
        if (flag && nan) result = tsr_where(flag, nan, value);
    } else if (value) {
        result = node_ref(value);
    }
    tsr_array *used[] = {known, value, nan, bad, any, flag};
    for (int i = 0; i < 6; i++) node_unref(used[i]);
    return result;
}

/* ---- Extremes ---------------------------------------------------------------------------------------------------------- */

/* The first input, if the second, how many elements there are, is not 0. */
static tsr_status check_some(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (*(const int64_t *)inputs[1].data == 0)
        return tsr_fail(TSR_ERR_VALUE, "zero-size array to reduction operation which has no identity");
    size_t bytes = (size_t)shape_size(output->ndim, output->shape) * tsr_dtype_size(output->dtype);
    memcpy(output->data, inputs[0].data, bytes);
    return TSR_OK;
}

static tsr_scalar worst(tsr_dtype dtype, bool of_max)
{
    int bits = (int)tsr_dtype_size(dtype) * 8;
    if (dtype_is_float(dtype)) return scalar_float(of_max ? -INFINITY : INFINITY);
    if (dtype == TSR_BOOL) return scalar_bool(!of_max);
    if (dtype_is_unsigned(dtype)) return tsr_uint(of_max ? 0 : UINT64_MAX >> (64 - bits));
    int64_t most = INT64_MAX >> (64 - bits);
    return scalar_int(of_max ? -most - 1 : most);
}

static tsr_array *extremes(const char *name, tsr_array *x, tsr_array *mask, tsr_array *flat_mask, monoid op, int n_axes,
                           const int *axes, bool keepdims)
{
    bool skips = (op == MONOID_FMIN || op == MONOID_FMAX) && dtype_is_float(x->dtype);
    tsr_scalar other = skips ? scalar_float(NAN) : worst(x->dtype, op == MONOID_MAX || op == MONOID_FMAX);
    tsr_array *known = filled(x, mask, other), *value = array_reduce(name, known, op, n_axes, axes, keepdims, 0);
    tsr_array *count = value ? array_reduce(name, flat_mask, MONOID_COUNT_NONZERO, 0, NULL, false, 0) : NULL, *result = NULL;
    tsr_function check = {.call = check_some, .name = name, .identity = "1", .identity_bytes = 1};
    if (count) result = tsr_map_blocks(&check, 2, (tsr_array *[]){value, count}, value->dtype, NULL);
    return array_using(array_using(array_using(result, known), value), count);
}

/* ---- Which way --------------------------------------------------------------------------------------------------------- */

typedef enum way { WAY_NONE, WAY_ZERO, WAY_ONE, WAY_NAN, WAY_MOMENTS, WAY_EXTREMES } way;

static way way_of(const tsr_array *x, monoid op)
{
    bool is_complex = dtype_is_complex(x->dtype);
    switch (op) {
    case MONOID_SUM:
    case MONOID_NANSUM:
    case MONOID_ANY:
    case MONOID_COUNT_NONZERO: return WAY_ZERO;
    case MONOID_PROD:
    case MONOID_NANPROD:
    case MONOID_ALL: return WAY_ONE;
    case MONOID_MEAN: return is_complex ? WAY_NONE : WAY_MOMENTS;
    case MONOID_VAR:
    case MONOID_STD: return is_complex ? WAY_NONE : WAY_MOMENTS;
    case MONOID_NANMEAN:
    case MONOID_NANVAR:
    case MONOID_NANSTD: return is_complex ? WAY_NONE : WAY_NAN;
    case MONOID_MIN:
    case MONOID_MAX:
    case MONOID_FMIN:
    case MONOID_FMAX: return is_complex ? WAY_NONE : WAY_EXTREMES;
    default: return WAY_NONE;
    }
}

static monoid without_nan(monoid op)
{
    return op == MONOID_MEAN ? MONOID_NANMEAN : op == MONOID_VAR ? MONOID_NANVAR : MONOID_NANSTD;
}

tsr_status mask_reduce(const char *name, tsr_array *a, monoid op, int n_axes, const int *axes, bool keepdims, double ddof,
                       tsr_array **out)
{
    uint32_t reduced;
    tsr_array *x = a->inputs[0], *flat = a->inputs[1], *known = NULL;
    int axis = mask_axis(a);
    *out = NULL;
    TRY(axes_check(name, x, n_axes, axes, &reduced));
    way w = reduced >> axis & 1 ? way_of(x, op) : WAY_NONE;
    for (int d = 0; d < x->ndim; d++)
        if (x->shape[d] == 0) w = WAY_NONE; /* so that what has no elements fails at once */
    if (w == WAY_NONE) return TSR_OK;
    tsr_array *mask = spread_mask(flat, x, axis);
    if (!mask) return tsr_error_code();
    if (w == WAY_MOMENTS) {
        *out = moments(name, x, mask, without_nan(op), n_axes, axes, keepdims, ddof);
    } else if (w == WAY_EXTREMES) {
        *out = extremes(name, x, mask, flat, op, n_axes, axes, keepdims);
    } else {
        known = w == WAY_NAN ? with_nan(x, mask) : filled(x, mask, scalar_int(w == WAY_ONE));
        *out = array_reduce(name, known, op, n_axes, axes, keepdims, ddof);
    }
    node_unref(known);
    node_unref(mask);
    return *out ? TSR_OK : tsr_error_code();
}
