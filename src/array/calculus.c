/* Differences and what is made of them: ediff1d, gradient, unwrap; convolutions. */
#include "array/build.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* op(a, b), both consumed; NULL among them gives NULL. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    tsr_array *result = a && b ? array_map(op, 2, pair) : NULL;
    return array_using(array_using(result, a), b);
}
static tsr_array *again(tsr_array *a) { return a ? node_ref(a) : NULL; }
static tsr_array *number(tsr_array *like, double value) { return like ? tsr_scalar_like(like, scalar_float(value)) : NULL; }

/* ---- ediff1d
 * ------------------------------------------------------------------------------------------------------------------- */

static tsr_array *flat_as(tsr_array *a, tsr_dtype dtype, const char *what)
{
    /* NumPy's casting "same_kind": bool, unsigned, signed, real, complex. */
    static const int rank[] = {[KIND_BOOL] = 0, [KIND_UINT] = 1, [KIND_INT] = 2, [KIND_FLOAT] = 3, [KIND_COMPLEX] = 4};
    if (rank[dtype_kind_of(a->dtype)] > rank[dtype_kind_of(dtype)]) {
        (void)error_set(TSR_ERR_TYPE, "ediff1d: '%s' of dtype %s does not fit the array's dtype %s", what,
                        tsr_dtype_name(a->dtype), tsr_dtype_name(dtype));
        return NULL;
    }
    tsr_array *flat = tsr_ravel(a);
    return array_using(array_cast(flat, dtype), flat);
}

tsr_array *tsr_ediff1d(tsr_array *a, tsr_array *to_end, tsr_array *to_begin)
{
    tsr_array *pieces[3];
    int n = 0;
    if (!array_ready(a)) return NULL;
    tsr_array *flat = tsr_ravel(a);
    if (to_begin) pieces[n++] = flat_as(to_begin, a->dtype, "to_begin");
    pieces[n++] =
        flat && a->dtype == TSR_BOOL ? tsr_subtract(flat, flat) : tsr_diff(flat, 1, 0); /* NumPy has no bool difference */
    if (to_end) pieces[n++] = flat_as(to_end, a->dtype, "to_end");
    return array_using(array_join(n, pieces, 0), flat);
}

/* ---- gradient
 * ------------------------------------------------------------------------------------------------------------------- */

/* A vector along one axis of ndim. */
static tsr_array *along(tsr_array *v, int ndim, int axis)
{
    int64_t shape[TSR_MAX_NDIM];
    if (!array_ready(v)) return NULL;
    for (int d = 0; d < ndim; d++) shape[d] = d == axis ? v->shape[0] : 1;
    return array_using(tsr_reshape(v, ndim, shape), v);
}

/* The distances between neighbours as a vector along the axis; NULL coords: one number. */
typedef struct spacing {
    tsr_array *steps; /* shape (..., n - 1, ...); NULL: `step` */
    double step;
} spacing;

static tsr_array *step_part(const spacing *s, tsr_array *like, int axis, int64_t start, int64_t stop)
{
    return s->steps ? array_part(s->steps, axis, start, stop) : number(like, s->step);
}

/* (f[i + 1] - f[i - 1]) / 2h, or with two distances the second-order formula for uneven places (as NumPy's). */
static tsr_array *interior(tsr_array *f, int axis, const spacing *s)
{
    int64_t n = f->shape[axis];
    tsr_array *before = array_part(f, axis, 0, n - 2), *here = array_part(f, axis, 1, n - 1), *after = array_part(f, axis, 2, n),
              *result;
    if (!s->steps) {
        tsr_array *difference = apply(OP_SUBTRACT, again(after), again(before));
        result = apply(OP_DIVIDE, difference, number(f, 2 * s->step));
    } else {
        tsr_array *dx1 = array_part(s->steps, axis, 0, n - 2), *dx2 = array_part(s->steps, axis, 1, n - 1);
        tsr_array *sum = apply(OP_ADD, again(dx1), again(dx2));
        tsr_array *minus = dx2 ? tsr_negative(dx2) : NULL;
        tsr_array *a = apply(OP_DIVIDE, minus, apply(OP_MULTIPLY, again(dx1), again(sum)));
        tsr_array *b = apply(OP_DIVIDE, apply(OP_SUBTRACT, again(dx2), again(dx1)), apply(OP_MULTIPLY, again(dx1), again(dx2)));
        tsr_array *c = apply(OP_DIVIDE, again(dx1), apply(OP_MULTIPLY, again(dx2), sum));
        result = apply(OP_ADD, apply(OP_ADD, apply(OP_MULTIPLY, a, again(before)), apply(OP_MULTIPLY, b, again(here))),
                       apply(OP_MULTIPLY, c, again(after)));
        node_unref(dx1);
        node_unref(dx2);
    }
    tsr_array *used[] = {before, here, after};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

/* (f[at + 1] - f[at]) / h. */
static tsr_array *end_first(tsr_array *f, int axis, const spacing *s, int64_t at)
{
    tsr_array *difference = apply(OP_SUBTRACT, array_part(f, axis, at + 1, at + 2), array_part(f, axis, at, at + 1));
    return apply(OP_DIVIDE, difference, step_part(s, f, axis, at, at + 1));
}

/* The three-point formulas of second order for the first and the last place. */
static tsr_array *end_second(tsr_array *f, int axis, const spacing *s, bool last)
{
    int64_t n = f->shape[axis], at = last ? n - 3 : 0;
    tsr_array *weights[3], *sum = NULL;
    if (!s->steps) {
        static const double first_weights[3] = {-1.5, 2.0, -0.5}, last_weights[3] = {0.5, -2.0, 1.5};
        for (int i = 0; i < 3; i++) weights[i] = number(f, (last ? last_weights : first_weights)[i] / s->step);
    } else {
        tsr_array *dx1 = array_part(s->steps, axis, last ? n - 3 : 0, last ? n - 2 : 1),
                  *dx2 = array_part(s->steps, axis, last ? n - 2 : 1, last ? n - 1 : 2);
        tsr_array *both = apply(OP_ADD, again(dx1), again(dx2)), *two = number(dx1, 2);
        tsr_array *product = apply(OP_MULTIPLY, again(dx1), again(dx2));
        if (last) {
            weights[0] = apply(OP_DIVIDE, again(dx2), apply(OP_MULTIPLY, again(dx1), again(both)));
            tsr_array *minus = both ? tsr_negative(both) : NULL;
            weights[1] = apply(OP_DIVIDE, minus, product);
            weights[2] = apply(OP_DIVIDE, apply(OP_ADD, apply(OP_MULTIPLY, two, again(dx2)), again(dx1)),
                               apply(OP_MULTIPLY, again(dx2), both));
        } else {
            tsr_array *top = apply(OP_ADD, apply(OP_MULTIPLY, two, again(dx1)), again(dx2)),
                      *minus = top ? tsr_negative(top) : NULL;
            node_unref(top);
            weights[0] = apply(OP_DIVIDE, minus, apply(OP_MULTIPLY, again(dx1), again(both)));
            weights[1] = apply(OP_DIVIDE, again(both), product);
            tsr_array *negative = dx1 ? tsr_negative(dx1) : NULL;
            weights[2] = apply(OP_DIVIDE, negative, apply(OP_MULTIPLY, again(dx2), both));
        }
        node_unref(dx1);
        node_unref(dx2);
    }
    for (int i = 0; i < 3; i++) {
        tsr_array *term = apply(OP_MULTIPLY, weights[i], array_part(f, axis, at + i, at + i + 1));
        sum = i == 0 ? term : apply(OP_ADD, sum, term);
    }
    return sum;
}

tsr_array *tsr_gradient(tsr_array *f, int axis, double step, tsr_array *coordinates, int edge_order)
{
    if (!array_ready(f) || axis_check("gradient", f, axis, &axis) != TSR_OK) return NULL;
    if (coordinates && array_resolve(coordinates) != TSR_OK) return NULL;
    int64_t n = f->shape[axis];
    if (edge_order != 1 && edge_order != 2) {
        (void)error_set(TSR_ERR_VALUE, "gradient: 'edge_order' greater than 2 or less than 1 is not possible: %d", edge_order);
        return NULL;
    }
    if (n < edge_order + 1) {
        (void)error_set(TSR_ERR_VALUE, "gradient: axis %d has %" PRId64 " elements, at least %d (edge_order + 1) are needed",
                        axis, n, edge_order + 1);
        return NULL;
    }
    if (coordinates && (coordinates->ndim != 1 || coordinates->shape[0] != n)) {
        (void)error_set(TSR_ERR_VALUE, "gradient: the coordinates must be a 1-d array of %" PRId64 " numbers", n);
        return NULL;
    }
    tsr_array *typed = array_cast(f, dtype_is_inexact(f->dtype) ? f->dtype : TSR_F64), *result = NULL;
    spacing s = {.step = step};
    if (coordinates) {
        tsr_array *places = array_cast(coordinates, dtype_is_inexact(coordinates->dtype) ? coordinates->dtype : TSR_F64);
        s.steps = along(array_using(tsr_diff(places, 1, 0), places), f->ndim, axis);
    }
    if (typed && (s.steps || !coordinates)) {
        tsr_array *pieces[3];
        int k = 0;
        pieces[k++] = edge_order == 1 ? end_first(typed, axis, &s, 0) : end_second(typed, axis, &s, false);
        if (n > 2) pieces[k++] = interior(typed, axis, &s);
        pieces[k++] = edge_order == 1 ? end_first(typed, axis, &s, n - 2) : end_second(typed, axis, &s, true);
        result = array_join(k, pieces, axis);
    }
    node_unref(s.steps);
    return array_using(result, typed);
}

/* ---- unwrap
 * --------------------------------------------------------------------------------------------------------------------- */

tsr_array *tsr_unwrap(tsr_array *p, double discont, int axis, double period)
{
    if (!array_ready(p) || axis_check("unwrap", p, axis, &axis) != TSR_OK) return NULL;
    if (dtype_is_complex(p->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "unwrap: not defined for %s", tsr_dtype_name(p->dtype));
        return NULL;
    }
    bool whole = !dtype_is_inexact(p->dtype) && period == floor(period) && fabs(period) < 9e15;
    tsr_array *x = whole || dtype_is_inexact(p->dtype) ? node_ref(p) : array_cast(p, TSR_F64);
    if (!x || p->shape[axis] < 2) return x;
    tsr_array *d = tsr_diff(x, 1, axis);
    tsr_scalar period_value = whole ? scalar_int((int64_t)period) : scalar_float(period);
    double half = whole ? floor(period / 2) : period / 2, low_value = whole ? -floor(period / 2) : -period / 2;
    bool ambiguous = !whole || fmod(period, 2) == 0;
    if (!isfinite(discont) || discont < period / 2) discont = period / 2;
    tsr_array *low = tsr_scalar_like(x, whole ? scalar_int((int64_t)low_value) : scalar_float(low_value));
    tsr_array *turned = apply(
        OP_ADD, apply(OP_REMAINDER, apply(OP_SUBTRACT, again(d), again(low)), tsr_scalar_like(x, period_value)), again(low));
    if (ambiguous) { /* a jump of exactly half a period keeps its direction */
        tsr_array *at_low = apply(OP_EQUAL, again(turned), again(low));
        tsr_array *up = apply(OP_GREATER, again(d), tsr_scalar_like(x, scalar_int(0)));
        tsr_array *both = apply(OP_LOGICAL_AND, at_low, up),
                  *high = tsr_scalar_like(x, whole ? scalar_int((int64_t)half) : scalar_float(half));
        tsr_array *fixed = both && high && turned ? tsr_where(both, high, turned) : NULL;
        tsr_array *used[] = {both, high, turned};
        for (int i = 0; i < 3; i++) node_unref(used[i]);
        turned = fixed;
    }
    tsr_array *correction = apply(OP_SUBTRACT, turned, again(d));
    tsr_array *size = d ? tsr_absolute(d) : NULL, *small = apply(OP_LESS, size, number(d, discont)),
              *zero = tsr_scalar_like(x, scalar_int(0));
    tsr_array *kept = small && zero && correction ? tsr_where(small, zero, correction) : NULL, *sums = tsr_cumsum(kept, axis);
    int64_t n = p->shape[axis];
    tsr_array *rest = apply(OP_ADD, array_part(x, axis, 1, n), sums),
              *pieces[2] = {array_part(x, axis, 0, 1), array_cast(rest, x->dtype)};
    tsr_array *used[] = {d, low, correction, small, zero, kept, rest, x};
    tsr_array *result = array_join(2, pieces, axis);
    for (int i = 0; i < 8; i++) node_unref(used[i]);
    return result;
}

/* ---- convolve, correlate
 * ----------------------------------------------------------------------------------------------------------- */

/* Sums of products of `w` with every window of `a`, which has zeros around it; the shorter array is w. Both consumed. */
static tsr_array *slide(tsr_array *a, tsr_array *w, const char *mode)
{
    tsr_array *padded = NULL, *windows = NULL, *result = NULL;
    if (a && w) {
        int64_t m = w->shape[0], full = strcmp(mode, "full") == 0, same = strcmp(mode, "same") == 0;
        int64_t left = full ? m - 1 : same ? m / 2 : 0, right = full ? m - 1 : same ? m - m / 2 - 1 : 0;
        tsr_dtype dtype = tsr_dtype_promote(a->dtype, w->dtype);
        tsr_array *typed = array_cast(a, dtype);
        padded = typed ? tsr_pad(typed, (int64_t[]){left, right}, "constant", scalar_int(0)) : NULL;
        windows = padded ? tsr_sliding_window(padded, m, 1, 0) : NULL;
        result = windows ? tsr_matmul(windows, w) : NULL;
        node_unref(typed);
    }
    tsr_array *used[] = {padded, windows, a, w};
    for (int i = 0; i < 4; i++) node_unref(used[i]);
    return result;
}

static tsr_status check_slide(const char *name, const tsr_array *a, const tsr_array *v, const char *mode)
{
    if (a->ndim != 1 || v->ndim != 1)
        return error_set(TSR_ERR_VALUE, "%s: the arrays have %d and %d dimensions, both must have 1", name, a->ndim, v->ndim);
    if (a->shape[0] == 0 || v->shape[0] == 0) return error_set(TSR_ERR_VALUE, "%s: an array is empty", name);
    if (strcmp(mode, "full") != 0 && strcmp(mode, "same") != 0 && strcmp(mode, "valid") != 0)
        return error_set(TSR_ERR_VALUE, "%s: no mode '%s'; the modes are: full, same, valid", name, mode);
    return TSR_OK;
}

static tsr_array *conjugated(tsr_array *a) { return dtype_is_complex(a->dtype) ? tsr_conjugate(a) : node_ref(a); }

tsr_array *tsr_convolve(tsr_array *a, tsr_array *v, const char *mode)
{
    if (!array_ready(a) || !array_ready(v) || check_slide("convolve", a, v, mode) != TSR_OK) return NULL;
    bool swap = v->shape[0] > a->shape[0];
    return slide(node_ref(swap ? v : a), tsr_flip(swap ? a : v, 0, NULL), mode);
}

tsr_array *tsr_correlate(tsr_array *a, tsr_array *v, const char *mode)
{
    if (!array_ready(a) || !array_ready(v) || check_slide("correlate", a, v, mode) != TSR_OK) return NULL;
    if (v->shape[0] <= a->shape[0]) return slide(node_ref(a), conjugated(v), mode);
    tsr_array *reversed = slide(conjugated(v), node_ref(a), mode);
    return array_using(tsr_flip(reversed, 0, NULL), reversed);
}
