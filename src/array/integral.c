/* Integrals by the trapezoidal rule, and polynomials at given places. */
#include "array/build.h"

#include <inttypes.h>
#include <string.h>

/* op(a, b), both consumed; NULL among them gives NULL. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    tsr_array *result = a && b ? array_map(op, 2, pair) : NULL;
    return array_using(array_using(result, a), b);
}

/* a[..., start:stop, ...]; stop 0 is the end. */
static tsr_array *part(tsr_array *a, int axis, int64_t start, int64_t stop)
{
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    items[axis] =
        (tsr_index){.kind = TSR_INDEX_SLICE, .has_start = start != 0, .start = start, .has_stop = stop != 0, .stop = stop};
    return tsr_slice(a, axis + 1, items);
}

/* The distances between the places, in a form that broadcasts with y's. */
static tsr_array *distances(tsr_array *x, int ndim, int axis)
{
    int64_t shape[TSR_MAX_NDIM];
    if (x->ndim != 1) {
        if (axis >= x->ndim) {
            (void)error_set(TSR_ERR_INDEX, "trapezoid: x has no axis %d", axis);
            return NULL;
        }
        return tsr_diff(x, 1, axis);
    }
    tsr_array *d = tsr_diff(x, 1, 0);
    for (int i = 0; d && i < ndim; i++) shape[i] = i == axis ? d->shape[0] : 1;
    return array_using(d ? tsr_reshape(d, ndim, shape) : NULL, d);
}

tsr_array *tsr_trapezoid(tsr_array *y, tsr_array *x, double dx, int axis)
{
    int given = axis;
    if (!array_ready(y) || (x && array_resolve(x) != TSR_OK) || axis_check("trapezoid", y, axis, &axis) != TSR_OK) return NULL;
    int axis_of_x = x && x->ndim != 1 && given < 0 ? given + x->ndim : axis;
    if (axis_of_x < 0) {
        (void)error_set(TSR_ERR_INDEX, "trapezoid: x has no axis %d", given);
        return NULL;
    }
    tsr_array *d = x ? distances(x, y->ndim, axis_of_x) : tsr_scalar_like(y, scalar_float(dx));
    tsr_array *both = apply(OP_ADD, part(y, axis, 1, 0), part(y, axis, 0, -1)), *products = apply(OP_MULTIPLY, d, both);
    tsr_array *halves =
        apply(OP_DIVIDE, products ? node_ref(products) : NULL, products ? tsr_scalar_like(products, scalar_float(2)) : NULL);
    node_unref(products);
    return array_using(tsr_sum(halves, 1, &given, false), halves); /* x may have more dimensions */
}

tsr_array *tsr_polyval(tsr_array *p, tsr_array *x)
{
    enum { MOST_COEFFICIENTS = 100000 };
    if (!array_ready(p) || !array_ready(x)) return NULL;
    if (p->ndim != 1 || p->shape[0] > MOST_COEFFICIENTS) {
        (void)error_set(TSR_ERR_VALUE, "polyval: the coefficients must be a 1-d array of at most %d numbers", MOST_COEFFICIENTS);
        return NULL;
    }
    tsr_array *y = tsr_zeros(x->session, x->dtype, 0, NULL, NULL);
    y = array_using(y ? tsr_broadcast_to(y, x->ndim, x->shape) : NULL, y);
    for (int64_t i = 0; y && i < p->shape[0]; i++) {
        tsr_array *coefficient = tsr_slice(p, 1, (tsr_index[]){{.kind = TSR_INDEX_INTEGER, .start = i}});
        y = apply(OP_ADD, apply(OP_MULTIPLY, y, node_ref(x)), coefficient);
    }
    return y;
}
