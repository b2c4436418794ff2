/* What runs along an axis: sums, products, extremes, the last element that is there. Each is a SCAN node, strictly in the order
 * of the elements. */
#include "array/build.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

tsr_array *array_scan(const char *name, tsr_array *a, tsr_array *mask, scan_kind kind, op_code op, int axis)
{
    if (!array_ready(a) || axis_check(name, a, axis, &axis) != TSR_OK) return NULL;
    if (kind == SCAN_PROD && dtype_is_complex(a->dtype)) { /* no product with 1 leaves infinity and NaN as they are */
        kind = SCAN_MAP;
        op = OP_MULTIPLY;
    }
    if (kind != SCAN_MAP && !a->session->kernels->scan[kind][a->dtype]) {
        (void)error_set(TSR_ERR_TYPE, "%s: not defined for %s", name, tsr_dtype_name(a->dtype));
        return NULL;
    }
    tsr_array *inputs[2] = {a, mask};
    tsr_array proto = {
        .op = NODE_SCAN, .dtype = a->dtype, .ndim = a->ndim, .grid = a->grid, .n_inputs = mask ? 2 : 1, .inputs = inputs};
    memcpy(proto.shape, a->shape, sizeof proto.shape);
    proto.p.scan.kind = kind;
    proto.p.scan.axis = axis;
    proto.p.scan.op = kind == SCAN_MAP ? op : 0;
    return node_make(a->session, &proto);
}

/* `a` has the dtype of the result. */
static tsr_array *scan_as_is(const char *name, tsr_array *a, scan_kind kind, int axis)
{
    return array_scan(name, a, NULL, kind, 0, axis);
}

/* Integers and bool in 64 bits, as NumPy's sum widens. */
static tsr_array *scan_widened(const char *name, tsr_array *a, scan_kind kind, int axis)
{
    if (!array_ready(a) || axis_check(name, a, axis, &axis) != TSR_OK) return NULL;
    tsr_dtype dtype = dtype_is_inexact(a->dtype) ? a->dtype : dtype_is_unsigned(a->dtype) ? TSR_U64 : TSR_I64;
    tsr_array *typed = array_cast(a, dtype);
    return array_using(typed ? scan_as_is(name, typed, kind, axis) : NULL, typed);
}

tsr_array *tsr_cumsum(tsr_array *a, int axis) { return scan_widened("cumsum", a, SCAN_SUM, axis); }
tsr_array *tsr_cumprod(tsr_array *a, int axis) { return scan_widened("cumprod", a, SCAN_PROD, axis); }
tsr_array *tsr_nancumsum(tsr_array *a, int axis) { return scan_widened("nancumsum", a, SCAN_NANSUM, axis); }
tsr_array *tsr_nancumprod(tsr_array *a, int axis) { return scan_widened("nancumprod", a, SCAN_NANPROD, axis); }
tsr_array *tsr_cummax(tsr_array *a, int axis) { return scan_as_is("cummax", a, SCAN_MAX, axis); }
tsr_array *tsr_cummin(tsr_array *a, int axis) { return scan_as_is("cummin", a, SCAN_MIN, axis); }

/* ---- With what was there before the first ----------------------------------------------------------------------------- */

/* One more element, the value, in front of an axis. `running` is consumed. */
static tsr_array *after_initial(tsr_array *running, int axis, int64_t value)
{
    int64_t shape[TSR_MAX_NDIM];
    if (!running || axis_check("cumulative", running, axis, &axis) != TSR_OK) return array_using(NULL, running);
    memcpy(shape, running->shape, sizeof shape);
    shape[axis] = 1;
    tsr_array *first = tsr_full(running->session, scalar_int(value), running->dtype, running->ndim, shape, NULL);
    tsr_array *pieces[2] = {first, running};
    return array_using(array_using(first ? tsr_concatenate(2, pieces, axis) : NULL, first), running);
}

tsr_array *tsr_cumulative_sum(tsr_array *a, int axis, bool include_initial)
{
    tsr_array *running = tsr_cumsum(a, axis);
    return include_initial ? after_initial(running, axis, 0) : running;
}

tsr_array *tsr_cumulative_prod(tsr_array *a, int axis, bool include_initial)
{
    tsr_array *running = tsr_cumprod(a, axis);
    return include_initial ? after_initial(running, axis, 1) : running;
}

/* ---- The last that is there ------------------------------------------------------------------------------------------- */

/* Where the last element that is not NaN is at most `limit` places back. */
static tsr_array *near_enough(tsr_array *a, int64_t limit, int axis)
{
    tsr_array *at = array_places(a, axis), *is_nan = tsr_isnan(a),
              *never = tsr_scalar_array(a->session, scalar_int(INT64_MIN / 4)),
              *most = tsr_scalar_array(a->session, scalar_int(limit)), *near = NULL;
    tsr_array *there = at && is_nan && never ? tsr_where(is_nan, never, at) : NULL, *last = tsr_cummax(there, axis);
    tsr_array *back = at && last ? tsr_subtract(at, last) : NULL;
    if (back && most) near = tsr_less_equal(back, most);
    tsr_array *used[] = {at, is_nan, never, most, there, last, back};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return near;
}

tsr_array *tsr_push(tsr_array *a, int64_t limit, int axis)
{
    if (!array_ready(a) || axis_check("push", a, axis, &axis) != TSR_OK) return NULL;
    if (!dtype_is_inexact(a->dtype)) return node_ref(a);
    tsr_array *pushed = scan_as_is("push", a, SCAN_LAST, axis);
    if (!pushed || limit < 0 || limit >= a->shape[axis]) return pushed;
    tsr_array *near = near_enough(a, limit, axis), *nan = tsr_scalar_like(a, scalar_float(NAN)), *result = NULL;
    if (near && nan) result = tsr_where(near, pushed, nan);
    node_unref(near);
    node_unref(nan);
    return array_using(result, pushed);
}
