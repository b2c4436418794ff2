/* Reductions of what a mask selects (array/mask.c) that need not know how much that is: reductions of the whole array in which
 * the elements that are left out change nothing. They run in one pass, with everything else that reads the array. */
#include "array/build.h"
#include "array/builtin.h"
#include "array/mask.h"

#include <math.h>
#include <string.h>

/* The mask along its axes of x, from `axis` on. */
static tsr_array *spread_mask(tsr_array *mask, const tsr_array *x, int axis)
{
    view_axis axes[TSR_MAX_NDIM];
    for (int d = 0; d < mask->ndim; d++) axes[d] = (view_axis){axis + d, 0, 1};
    return array_view(mask, x->ndim, x->shape, axes);
}

/* Were x and the mask flattened for each other, from axes that lie side by side in what x was? Then the order of elements, which
 * was all that it was for, does not matter here. */
static bool was_flattened(const tsr_array *x, const tsr_array *mask, int axis)
{
    if (x->op != NODE_RESHAPE || mask->op != NODE_RESHAPE) return false;
    const tsr_array *from = x->inputs[0], *whole = mask->inputs[0];
    bool fits = from->ndim == x->ndim + whole->ndim - 1;
    for (int d = 0; fits && d < from->ndim; d++) {
        int64_t wanted = d < axis ? x->shape[d] : d < axis + whole->ndim ? whole->shape[d - axis] : x->shape[d - whole->ndim + 1];
        fits = from->shape[d] == wanted;
    }
    return fits;
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
static tsr_array *moments(const char *name, tsr_array *x, tsr_array *mask, monoid op, int n_axes, const int *axes, double ddof)
{
    tsr_array *known = with_nan(x, mask), *value = array_reduce(name, known, op, n_axes, axes, true, ddof), *result = NULL;
    tsr_array *nan = NULL, *bad = NULL, *any = NULL, *flag = NULL;
    if (value && dtype_is_inexact(x->dtype)) {
        bad = tsr_isnan(x);
        any = bad ? tsr_logical_and(bad, mask) : NULL;
        flag = array_reduce(name, any, MONOID_ANY, n_axes, axes, true, 0);
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
tsr_status check_some_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (!builtin_same_rows(&inputs[0], output, -1) || shape_size(inputs[1].ndim, inputs[1].shape) < 1) return builtin_misfit();
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

static tsr_array *extremes(const char *name, tsr_array *x, tsr_array *mask, tsr_array *own_mask, monoid op, int n_axes,
                           const int *axes)
{
    bool skips = (op == MONOID_FMIN || op == MONOID_FMAX) && dtype_is_float(x->dtype);
    tsr_scalar other = skips ? scalar_float(NAN) : worst(x->dtype, op == MONOID_MAX || op == MONOID_FMAX);
    tsr_array *known = filled(x, mask, other), *value = array_reduce(name, known, op, n_axes, axes, true, 0);
    tsr_array *count = value ? array_reduce(name, own_mask, MONOID_COUNT_NONZERO, 0, NULL, false, 0) : NULL, *result = NULL;
    tsr_function check = {.call = check_some_block, .name = name, .identity = "1", .identity_bytes = 1};
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

/* One way, over the axes `axes` of x; the mask has x's axes. */
static tsr_array *reduce_by(way w, const char *name, tsr_array *x, tsr_array *spread, tsr_array *mask, monoid op, int n_axes,
                            const int *axes, double ddof)
{
    if (w == WAY_MOMENTS) return moments(name, x, spread, without_nan(op), n_axes, axes, ddof);
    if (w == WAY_EXTREMES) return extremes(name, x, spread, mask, op, n_axes, axes);
    tsr_array *known = w == WAY_NAN ? with_nan(x, spread) : filled(x, spread, scalar_int(w == WAY_ONE));
    return array_using(array_reduce(name, known, op, n_axes, axes, true, ddof), known);
}

tsr_status mask_reduce(const char *name, tsr_array *a, monoid op, int n_axes, const int *axes, bool keepdims, double ddof,
                       tsr_array **out)
{
    uint32_t reduced;
    tsr_array *x = a->inputs[0], *mask = a->inputs[1];
    int axis = mask_axis(a), all[TSR_MAX_NDIM], n_all = 0, ndim = 0;
    int64_t shape[TSR_MAX_NDIM];
    *out = NULL;
    TRY(axes_check(name, x, n_axes, axes, &reduced));
    way w = reduced >> axis & 1 ? way_of(x, op) : WAY_NONE;
    for (int d = 0; d < x->ndim; d++) {
        if (x->shape[d] == 0) w = WAY_NONE; /* so that what has no elements fails at once */
        if (!(reduced >> d & 1) || keepdims) shape[ndim++] = reduced >> d & 1 ? 1 : x->shape[d];
    }
    if (w == WAY_NONE) return TSR_OK;
    if (was_flattened(x, mask, axis)) {
        x = x->inputs[0];
        mask = mask->inputs[0];
    }
    for (int d = 0; d < x->ndim; d++) { /* the mask's axes, and those of the others that are reduced */
        bool inside = d >= axis && d < axis + mask->ndim;
        if (inside || reduced >> (d < axis ? d : d - mask->ndim + 1) & 1) all[n_all++] = d;
    }
    tsr_array *spread = spread_mask(mask, x, axis), *value = NULL;
    if (spread) value = reduce_by(w, name, x, spread, mask, op, n_all, all, ddof);
    *out = value ? tsr_reshape(value, ndim, shape) : NULL; /* only lengths of 1 come or go */
    node_unref(spread);
    node_unref(value);
    return *out ? TSR_OK : tsr_error_code();
}

/* ---- Where a mask holds ------------------------------------------------------------------------------------------------ */

static tsr_array *reduce_where(const char *name, tsr_array *a, tsr_array *mask, monoid op, int n_axes, const int *axes,
                               bool keepdims, double ddof)
{
    uint32_t reduced;
    int64_t shape[TSR_MAX_NDIM];
    int ndim = 0;
    if (axes_check(name, a, n_axes, axes, &reduced) != TSR_OK) return NULL;
    tsr_array *spread = tsr_broadcast_to(mask, a->ndim, a->shape), *value = NULL;
    if (spread) value = reduce_by(way_of(a, op), name, a, spread, mask, op, n_axes, axes, ddof);
    for (int d = 0; d < a->ndim; d++)
        if (!(reduced >> d & 1) || keepdims) shape[ndim++] = reduced >> d & 1 ? 1 : a->shape[d];
    tsr_array *result = value ? tsr_reshape(value, ndim, shape) : NULL; /* only lengths of 1 go */
    return array_using(array_using(result, spread), value);
}

tsr_array *tsr_reduce_where(const char *reduction, tsr_array *a, tsr_array *mask, int n_axes, const int *axes, bool keepdims,
                            double ddof)
{
    int op = 0;
    if (!array_ready(a) || !array_ready(mask)) return NULL;
    while (op < N_MONOIDS && strcmp(monoid_name((monoid)op), reduction) != 0) op++;
    const way w = op < N_MONOIDS ? way_of(a, (monoid)op) : WAY_NONE;
    if (w == WAY_NONE || w == WAY_EXTREMES || mask->dtype != TSR_BOOL) {
        if (mask->dtype != TSR_BOOL)
            (void)error_set(TSR_ERR_TYPE, "%s: the mask is %s, not bool", reduction, tsr_dtype_name(mask->dtype));
        else
            (void)error_set(TSR_ERR_UNSUPPORTED, "%s: no reduction of %s where a mask holds", reduction,
                            tsr_dtype_name(a->dtype));
        return NULL;
    }
    return reduce_where(reduction, a, mask, (monoid)op, n_axes, axes, keepdims, ddof);
}
