/* Arrays from few numbers: diagonals, triangles of ones, grids of coordinates, logarithmic ranges; and convolutions, which are
 * products with sliding windows. */
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

/* The element's index along one axis of a shape. */
static tsr_array *index_along(tsr_session *s, int ndim, const int64_t *shape, int axis, const int64_t *chunks)
{
    tsr_array proto = {.op = NODE_INDEX, .dtype = TSR_I64, .ndim = ndim};
    if (shape_check("indices", ndim, shape) != TSR_OK ||
        chunks_choose(s, TSR_I64, ndim, shape, chunks, NULL, &proto.grid) != TSR_OK)
        return NULL;
    memcpy(proto.shape, shape, sizeof *shape * (size_t)ndim);
    proto.p.index.axis = axis;
    return node_make(s, &proto);
}

tsr_array *tsr_tri(tsr_session *session, int64_t n, int64_t m, int64_t k, tsr_dtype dtype, const int64_t *chunks)
{
    int64_t shape[2] = {n, m < 0 ? n : m};
    tsr_array *rows = index_along(session, 2, shape, 0, chunks), *columns = index_along(session, 2, shape, 1, chunks);
    tsr_array *shifted = apply(OP_ADD, rows, tsr_scalar_array(session, scalar_int(k)));
    tsr_array *inside = apply(OP_GREATER_EQUAL, shifted, columns);
    return array_using(tsr_astype(inside, dtype), inside);
}

/* Where the condition, which is consumed, holds. */
static tsr_status indices_where(tsr_array *condition, tsr_array **results)
{
    tsr_status status = condition ? tsr_nonzero(condition, results) : tsr_error_code();
    node_unref(condition);
    return status;
}

tsr_status tsr_tril_indices(tsr_session *session, int64_t n, int64_t k, int64_t m, tsr_array **results)
{
    return indices_where(tsr_tri(session, n, m, k, TSR_BOOL, NULL), results);
}

tsr_status tsr_triu_indices(tsr_session *session, int64_t n, int64_t k, int64_t m, tsr_array **results)
{
    tsr_array *below = tsr_tri(session, n, m, k - 1, TSR_BOOL, NULL);
    return indices_where(array_using(below ? tsr_logical_not(below) : NULL, below), results);
}

tsr_status tsr_diag_indices(tsr_session *session, int64_t n, int ndim, tsr_array **results)
{
    if (ndim < 0 || ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "diag_indices: %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM);
    tsr_array *line = tsr_arange_int(session, 0, n, 1, TSR_I64, NULL);
    if (!line) return tsr_error_code();
    for (int d = 0; d < ndim; d++) results[d] = node_ref(line);
    node_unref(line);
    return TSR_OK;
}

/* A square with the vector on its k-th diagonal: everywhere the element of the row's place in the vector, kept on the diagonal.
 */
static tsr_array *diagonal_square(tsr_array *v, int64_t k)
{
    int64_t length = v->shape[0], n = length + (k < 0 ? -k : k), shape[2] = {n, n}, before = k < 0 ? -k : 0;
    if (length == 0) return tsr_zeros(v->session, v->dtype, 2, shape, NULL);
    tsr_array *padded = tsr_pad(v, (int64_t[]){before, n - length - before}, "constant", scalar_int(0));
    tsr_array *column = padded ? tsr_expand_dims(padded, 1, (int[]){1}) : NULL;
    tsr_array *on = tsr_eye(v->session, n, n, k, TSR_BOOL, NULL),
              *zero = tsr_full(v->session, scalar_int(0), v->dtype, 0, NULL, NULL);
    tsr_array *result = on && column && zero ? tsr_where(on, column, zero) : NULL, *used[] = {padded, column, on, zero};
    for (int i = 0; i < 4; i++) node_unref(used[i]);
    return result;
}

tsr_array *tsr_diag(tsr_array *v, int64_t k)
{
    if (!array_ready(v)) return NULL;
    if (v->ndim == 2) return tsr_diagonal(v, k, 0, 1);
    if (v->ndim == 1) return diagonal_square(v, k);
    (void)error_set(TSR_ERR_VALUE, "diag: the array has %d dimensions, it must have 1 or 2", v->ndim);
    return NULL;
}

tsr_array *tsr_diagflat(tsr_array *v, int64_t k)
{
    tsr_array *flat = tsr_ravel(v);
    return array_using(tsr_diag(flat, k), flat);
}

tsr_array *tsr_indices(tsr_session *session, int ndim, const int64_t *shape, tsr_dtype dtype, const int64_t *chunks)
{
    tsr_array *axes[TSR_MAX_NDIM] = {NULL}, *joined = NULL;
    if (shape_check("indices", ndim, shape) != TSR_OK) return NULL;
    if (ndim == 0) return tsr_zeros(session, dtype, 1, (int64_t[]){0}, NULL);
    bool all = true;
    for (int d = 0; d < ndim; d++) all = (axes[d] = index_along(session, ndim, shape, d, chunks)) && all;
    if (all) joined = tsr_stack(ndim, axes, 0);
    for (int d = 0; d < ndim; d++) node_unref(axes[d]);
    return array_using(tsr_astype(joined, dtype), joined);
}

tsr_status tsr_meshgrid(int n, tsr_array *const *arrays, bool ij, tsr_array **results)
{
    int64_t shape[TSR_MAX_NDIM];
    if (n < 1 || n > TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "meshgrid: %d arrays, 1 to %d are possible", n, TSR_MAX_NDIM);
    for (int i = 0; i < n; i++) {
        if (!array_ready(arrays[i]))
            return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "meshgrid: array %d is NULL", i);
        if (arrays[i]->ndim > 1)
            return error_set(TSR_ERR_VALUE, "meshgrid: array %d has %d dimensions, at most 1 is possible", i, arrays[i]->ndim);
        shape[!ij && n > 1 && i < 2 ? 1 - i : i] = shape_size(arrays[i]->ndim, arrays[i]->shape);
    }
    for (int i = 0; i < n; i++) {
        int64_t alone[TSR_MAX_NDIM];
        for (int d = 0; d < n; d++) alone[d] = 1;
        alone[!ij && n > 1 && i < 2 ? 1 - i : i] = -1;
        if (shape_size(arrays[i]->ndim, arrays[i]->shape) == 0) alone[!ij && n > 1 && i < 2 ? 1 - i : i] = 0;
        tsr_array *turned = tsr_reshape(arrays[i], n, alone);
        results[i] = array_using(turned ? tsr_broadcast_to(turned, n, shape) : NULL, turned);
        if (results[i]) continue;
        while (i-- > 0) node_unref(results[i]);
        return tsr_error_code();
    }
    return TSR_OK;
}

tsr_array *tsr_logspace(tsr_session *session, double start, double stop, int64_t n, bool endpoint, double base, tsr_dtype dtype,
                        const int64_t *chunks)
{
    tsr_array *exponents = tsr_linspace(session, start, stop, n, endpoint, TSR_F64, chunks);
    tsr_array *values = apply(OP_POWER, exponents ? tsr_scalar_array(session, scalar_float(base)) : NULL, exponents);
    return array_using(tsr_astype(values, dtype), values);
}

/* `value` where the index is `at`; consumes the values. */
static tsr_array *with_value(tsr_array *values, int64_t at, double value)
{
    if (!values) return NULL;
    tsr_array proto = {.op = NODE_INDEX, .dtype = TSR_I64, .ndim = 1, .shape = {values->shape[0]}, .grid = values->grid};
    tsr_array *index = node_make(values->session, &proto); /* in the values' chunks */
    tsr_array *there = apply(OP_EQUAL, index, tsr_scalar_array(values->session, scalar_int(at)));
    tsr_array *exact = tsr_scalar_array(values->session, scalar_float(value)),
              *result = there && exact ? tsr_where(there, exact, values) : NULL;
    node_unref(there);
    node_unref(exact);
    return array_using(result, values);
}

tsr_array *tsr_geomspace(tsr_session *session, double start, double stop, int64_t n, bool endpoint, tsr_dtype dtype,
                         const int64_t *chunks)
{
    if (start == 0 || stop == 0 || (start < 0) != (stop < 0)) {
        (void)error_set(TSR_ERR_VALUE, "geomspace: from %g to %g; both must be other than zero, and of one sign", start, stop);
        return NULL;
    }
    double sign = start < 0 ? -1 : 1;
    tsr_array *values = tsr_logspace(session, log10(start * sign), log10(stop * sign), n, endpoint, 10, TSR_F64, chunks);
    values = apply(OP_MULTIPLY, values, values ? tsr_scalar_array(session, scalar_float(sign)) : NULL);
    if (n > 0) values = with_value(values, 0, start);
    if (n > 1 && endpoint) values = with_value(values, n - 1, stop);
    return array_using(tsr_astype(values, dtype), values);
}

tsr_array *tsr_vander(tsr_array *x, int64_t n, bool increasing)
{
    if (!array_ready(x)) return NULL;
    if (x->ndim != 1) {
        (void)error_set(TSR_ERR_VALUE, "vander: the array has %d dimensions, it must have 1", x->ndim);
        return NULL;
    }
    int64_t columns = n < 0 ? x->shape[0] : n;
    tsr_dtype dtype = tsr_dtype_promote(x->dtype, TSR_I64);
    tsr_array *typed = array_cast(x, dtype), *column = typed ? tsr_expand_dims(typed, 1, (int[]){1}) : NULL;
    tsr_array *powers = increasing ? tsr_arange_int(x->session, 0, columns, 1, TSR_I64, NULL)
                                   : tsr_arange_int(x->session, columns - 1, -1, -1, TSR_I64, NULL);
    tsr_array *result = column && powers ? tsr_power(column, powers) : NULL, *used[] = {typed, column, powers};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return array_using(result ? array_cast(result, dtype) : NULL, result);
}
