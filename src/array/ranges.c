/* Ranges between arrays: linspace, logspace and geomspace whose ends are arrays that broadcast, with the numbers along a new
 * axis. What NumPy decides by values (does any step underflow to zero?) is part of the expression, but that a geometric range may
 * not touch zero is looked up when it is made. */
#include "array/build.h"

#include <inttypes.h>

/* op(a, b), both consumed; NULL among them gives NULL. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    tsr_array *result = a && b ? array_map(op, 2, pair) : NULL;
    return array_using(array_using(result, a), b);
}

static tsr_array *keep(tsr_array *a) { return a ? node_ref(a) : NULL; }

static tsr_array *choose(tsr_array *condition, tsr_array *x, tsr_array *y) /* all consumed */
{
    tsr_array *result = condition && x && y ? tsr_where(condition, x, y) : NULL;
    return array_using(array_using(array_using(result, condition), x), y);
}

/* a, typed and of `ndim` dimensions, with a first axis before them. */
static tsr_array *below_axis(tsr_array *a, tsr_dtype dtype, int ndim)
{
    int64_t shape[TSR_MAX_NDIM];
    tsr_array *typed = array_cast(a, dtype);
    for (int d = 0; d <= ndim; d++) shape[d] = d <= ndim - a->ndim ? 1 : a->shape[d - 1 - (ndim - a->ndim)];
    return array_using(typed ? tsr_reshape(typed, ndim + 1, shape) : NULL, typed);
}

/* What the ends meet in; for integers float64. */
static tsr_dtype range_dtype(const tsr_array *start, const tsr_array *stop)
{
    tsr_dtype both = tsr_dtype_promote(start->dtype, stop->dtype);
    return dtype_is_inexact(both) ? both : TSR_F64;
}

static tsr_status check_range(const char *name, const tsr_array *start, const tsr_array *stop, int64_t n, int *ndim)
{
    int64_t shape[TSR_MAX_NDIM];
    tsr_array *both[2] = {(tsr_array *)(uintptr_t)start, (tsr_array *)(uintptr_t)stop};
    if (!array_ready(start) || !array_ready(stop))
        return tsr_error_code() ? tsr_error_code() : error_set(TSR_ERR_VALUE, "%s: an end is NULL", name);
    if (n < 0) return error_set(TSR_ERR_VALUE, "%s: the number of values, %" PRId64 ", is negative", name, n);
    TRY(broadcast_shapes(name, 2, both, ndim, shape));
    if (*ndim + 1 > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "%s: %d dimensions, at most %d are possible", name, *ndim, TSR_MAX_NDIM - 1);
    return TSR_OK;
}

/* The numbers' places 0, 1, ... along the first axis of so many more. */
static tsr_array *places(tsr_session *session, int64_t n, int ndim, tsr_dtype dtype)
{
    int64_t shape[TSR_MAX_NDIM];
    for (int d = 0; d <= ndim; d++) shape[d] = d == 0 ? n : 1;
    tsr_array *index = tsr_arange_int(session, 0, n, 1, TSR_I64, NULL), *typed = index ? array_cast(index, dtype) : NULL;
    tsr_array *result = typed ? tsr_reshape(typed, ndim + 1, shape) : NULL;
    return array_using(array_using(result, typed), index);
}

/* value where the place along the first axis is `at`; both consumed. */
static tsr_array *with_end(tsr_array *values, int64_t at, tsr_array *value)
{
    if (!values) return array_using(NULL, value);
    tsr_array *index = places(values->session, values->shape[0], values->ndim - 1, TSR_I64);
    return choose(apply(OP_EQUAL, index, tsr_scalar_array(values->session, scalar_int(at))), value, values);
}

/* Along the first axis; start and stop have one dtype, and a first axis of length 1. */
static tsr_array *evenly(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint)
{
    int64_t parts = endpoint ? n - 1 : n;
    tsr_array *delta = tsr_subtract(stop, start), *at = places(start->session, n, start->ndim - 1, start->dtype), *values;
    if (parts > 0) { /* NumPy divides first where a step underflows */
        tsr_array *step = apply(OP_DIVIDE, keep(delta), tsr_scalar_like(start, scalar_int(parts)));
        tsr_array *is_zero = apply(OP_EQUAL, keep(step), tsr_scalar_like(start, scalar_int(0)));
        tsr_array *any = array_using(is_zero ? tsr_any(is_zero, 0, NULL, false) : NULL, is_zero);
        tsr_array *share = apply(OP_DIVIDE, keep(at), tsr_scalar_like(start, scalar_int(parts)));
        values = choose(any, apply(OP_MULTIPLY, share, delta), apply(OP_MULTIPLY, at, step));
    } else {
        values = apply(OP_MULTIPLY, at, delta);
    }
    values = apply(OP_ADD, values, keep(start));
    return endpoint && n > 1 ? with_end(values, n - 1, keep(stop)) : values;
}

/* The first axis at its place and in its dtype; consumed. */
static tsr_array *finish(tsr_array *values, int axis, tsr_dtype dtype, bool whole)
{
    if (!values) return NULL;
    tsr_array *moved = tsr_moveaxis(values, 1, (int[]){0}, &axis);
    if (moved && whole && !dtype_is_inexact(dtype)) moved = array_using(tsr_floor(moved), moved);
    return array_using(array_using(moved ? tsr_astype(moved, dtype) : NULL, moved), values);
}

tsr_array *tsr_linspace_between(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint, tsr_dtype dtype, int axis)
{
    int ndim = 0;
    if (check_range("linspace", start, stop, n, &ndim) != TSR_OK) return NULL;
    tsr_dtype within = range_dtype(start, stop);
    tsr_array *first = below_axis(start, within, ndim), *last = below_axis(stop, within, ndim);
    tsr_array *values = first && last ? evenly(first, last, n, endpoint) : NULL;
    return finish(array_using(array_using(values, first), last), axis, dtype, true);
}

/* base ** values; values is consumed. */
static tsr_array *raised(tsr_array *base, tsr_array *values)
{
    return apply(OP_POWER, values && base ? below_axis(base, base->dtype, values->ndim - 1) : NULL, values);
}

tsr_array *tsr_logspace_between(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint, tsr_array *base, tsr_dtype dtype,
                                int axis)
{
    int ndim = 0;
    if (!array_ready(base) || check_range("logspace", start, stop, n, &ndim) != TSR_OK) return NULL;
    if (base->ndim > ndim) ndim = base->ndim;
    if (ndim + 1 > TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "logspace: the base has %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM - 1);
        return NULL;
    }
    tsr_dtype within = range_dtype(start, stop);
    tsr_array *first = below_axis(start, within, ndim), *last = below_axis(stop, within, ndim);
    tsr_array *values = first && last ? evenly(first, last, n, endpoint) : NULL;
    return finish(raised(base, array_using(array_using(values, first), last)), axis, dtype, false);
}

/* Is an element zero? Computes. */
static tsr_status check_not_zero(tsr_array *a)
{
    bool none = true;
    tsr_array *every = tsr_all(a, 0, NULL, false);
    tsr_status status = every ? a->session->compute(1, &every, (void *[1]){&none}) : tsr_error_code();
    node_unref(every);
    if (status != TSR_OK || none) return status;
    return error_set(TSR_ERR_VALUE, "geomspace: a geometric range cannot begin or end with zero");
}

tsr_array *tsr_geomspace_between(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint, tsr_dtype dtype, int axis)
{
    int ndim = 0;
    if (check_range("geomspace", start, stop, n, &ndim) != TSR_OK || check_not_zero(start) != TSR_OK ||
        check_not_zero(stop) != TSR_OK)
        return NULL;
    tsr_dtype within = tsr_dtype_promote(range_dtype(start, stop), dtype_is_inexact(dtype) ? dtype : TSR_F64);
    tsr_array *first = below_axis(start, within, ndim), *last = below_axis(stop, within, ndim);
    tsr_array *sign = first ? tsr_sign(first) : NULL;
    first = apply(OP_DIVIDE, first, keep(sign));
    last = apply(OP_DIVIDE, last, keep(sign));
    tsr_array *low = first ? tsr_log10(first) : NULL, *high = last ? tsr_log10(last) : NULL;
    tsr_array *exponents = low && high ? evenly(low, high, n, endpoint) : NULL;
    tsr_array *values = apply(OP_POWER, exponents ? tsr_scalar_like(exponents, scalar_int(10)) : NULL, exponents);
    if (n > 0) values = with_end(values, 0, keep(first));
    if (n > 1 && endpoint) values = with_end(values, n - 1, keep(last));
    tsr_array *used[] = {first, last, low, high};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return finish(apply(OP_MULTIPLY, values, sign), axis, dtype, false);
}
