/* Products of arrays: matmul, matvec, dot, tensordot and their kin, each a contraction with labels chosen for its rules. */
#include "array/build.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static tsr_status two_shapes(tsr_status code, const char *name, const tsr_array *a, const tsr_array *b, const char *what)
{
    char x[256], y[256];
    return error_set(code, "%s: shapes %s and %s %s", name, shape_format(a->ndim, a->shape, x, sizeof x),
                     shape_format(b->ndim, b->shape, y, sizeof y), what);
}

/* Labels of what is neither summed nor matched: axes of `a` have 0 .. 15, those of `b` 16 .. 31. */
enum { OF_B = TSR_MAX_NDIM };

static bool too_many(const char *name, int n_out)
{
    if (n_out <= TSR_MAX_NDIM) return false;
    (void)error_set(TSR_ERR_VALUE, "%s: the result would have %d dimensions, at most %d are possible", name, n_out, TSR_MAX_NDIM);
    return true;
}

/* ---- Matrices and vectors ---------------------------------------------------------------------------------------------------
 */

/* The last axis of `a` with the last of `b`, or the last but one where b has columns; matrices a have rows before it. The axes
 * before these broadcast. */
static tsr_array *matrix_product(const char *name, tsr_array *a, bool rows, tsr_array *b, bool columns)
{
    int left[TSR_MAX_NDIM], right[TSR_MAX_NDIM], out[TSR_MAX_NDIM + 2], n_out = 0;
    if (a->shape[a->ndim - 1] != b->shape[b->ndim - 1 - columns]) {
        (void)two_shapes(TSR_ERR_VALUE, name, a, b,
                         columns ? "do not fit together: the last axis of the first is summed with the last but one of the second"
                                 : "do not fit together: their last axes are summed");
        return NULL;
    }
    int batch_a = a->ndim - 1 - rows, batch_b = b->ndim - 1 - columns, n_batch = batch_a > batch_b ? batch_a : batch_b;
    enum { SUMMED = 31, ROWS = 30, COLUMNS = 29 };
    if (too_many(name, n_batch + rows + columns)) return NULL;
    for (int d = 0; d < n_batch; d++) out[n_out++] = d;
    for (int d = 0; d < batch_a; d++) left[d] = n_batch - batch_a + d;
    for (int d = 0; d < batch_b; d++) right[d] = n_batch - batch_b + d;
    if (rows) out[n_out++] = left[batch_a] = ROWS;
    if (columns) out[n_out++] = right[batch_b + 1] = COLUMNS;
    left[a->ndim - 1] = right[batch_b] = SUMMED;
    return array_contract(name, a, left, b, right, n_out, out);
}

tsr_array *tsr_matmul(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    if (a->ndim == 0 || b->ndim == 0) {
        (void)error_set(TSR_ERR_VALUE, "matmul: operand %d has no dimensions; use multiply", a->ndim == 0 ? 0 : 1);
        return NULL;
    }
    return matrix_product("matmul", a, a->ndim > 1, b, b->ndim > 1);
}

static bool has_core(const char *name, const tsr_array *a, int operand, bool is_matrix)
{
    if (a->ndim >= 1 + is_matrix) return true;
    (void)error_set(TSR_ERR_VALUE, "%s: operand %d has %s, %s", name, operand, a->ndim == 0 ? "no dimensions" : "one dimension",
                    is_matrix ? "matrices have two at least" : "vectors have one at least");
    return false;
}

tsr_array *tsr_matvec(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b) || !has_core("matvec", a, 0, true) || !has_core("matvec", b, 1, false)) return NULL;
    return matrix_product("matvec", a, true, b, false);
}

tsr_array *tsr_vecmat(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b) || !has_core("vecmat", a, 0, false) || !has_core("vecmat", b, 1, true)) return NULL;
    tsr_array *x = dtype_is_complex(a->dtype) ? tsr_conjugate(a) : node_ref(a);
    return array_using(x ? matrix_product("vecmat", x, false, b, true) : NULL, x);
}

/* ---- Sums over given axes ---------------------------------------------------------------------------------------------------
 */

tsr_array *tsr_tensordot(tsr_array *a, tsr_array *b, int n_axes, const int *axes_a, const int *axes_b)
{
    int left[TSR_MAX_NDIM], right[TSR_MAX_NDIM], out[2 * TSR_MAX_NDIM], n_out = 0;
    uint32_t in_a, in_b;
    if (!array_ready(a) || !array_ready(b) ||
        axes_check("tensordot", a, n_axes, axes_a ? axes_a : (int[1]){0}, &in_a) != TSR_OK ||
        axes_check("tensordot", b, n_axes, axes_b ? axes_b : (int[1]){0}, &in_b) != TSR_OK)
        return NULL;
    for (int d = 0; d < a->ndim; d++) left[d] = d;
    for (int d = 0; d < b->ndim; d++) right[d] = OF_B + d;
    for (int i = 0; i < n_axes; i++) {
        int x = axes_a[i] < 0 ? axes_a[i] + a->ndim : axes_a[i], y = axes_b[i] < 0 ? axes_b[i] + b->ndim : axes_b[i];
        if (a->shape[x] != b->shape[y]) {
            (void)error_set(TSR_ERR_VALUE, "tensordot: axis %d has %" PRId64 " elements, axis %d of the other array %" PRId64, x,
                            a->shape[x], y, b->shape[y]);
            return NULL;
        }
        right[y] = x;
    }
    for (int d = 0; d < a->ndim; d++)
        if (!(in_a >> d & 1)) out[n_out++] = d;
    for (int d = 0; d < b->ndim; d++)
        if (!(in_b >> d & 1)) out[n_out++] = OF_B + d;
    return too_many("tensordot", n_out) ? NULL : array_contract("tensordot", a, left, b, right, n_out, out);
}

/* The last axis of `a` with one axis of `b`. */
static tsr_array *sum_last(const char *name, tsr_array *a, tsr_array *b, int axis_b)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    if (a->ndim == 0 || b->ndim == 0) return tsr_multiply(a, b);
    int last = a->ndim - 1;
    if (a->shape[last] != b->shape[axis_b]) {
        char what[128];
        snprintf(what, sizeof what, "are not aligned: %" PRId64 " (axis %d) and %" PRId64 " (axis %d)", a->shape[last], last,
                 b->shape[axis_b], axis_b);
        (void)two_shapes(TSR_ERR_VALUE, name, a, b, what);
        return NULL;
    }
    return tsr_tensordot(a, b, 1, &last, &axis_b);
}

tsr_array *tsr_dot(tsr_array *a, tsr_array *b) { return sum_last("dot", a, b, b && b->ndim > 1 ? b->ndim - 2 : 0); }
tsr_array *tsr_inner(tsr_array *a, tsr_array *b) { return sum_last("inner", a, b, b && b->ndim ? b->ndim - 1 : 0); }

tsr_array *tsr_vdot(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    int64_t size_a = shape_size(a->ndim, a->shape), size_b = shape_size(b->ndim, b->shape);
    if (size_a != size_b) {
        (void)two_shapes(TSR_ERR_VALUE, "vdot", a, b, "have different numbers of elements");
        return NULL;
    }
    int axes[TSR_MAX_NDIM];
    tsr_array *x = dtype_is_complex(a->dtype) ? tsr_conjugate(a) : node_ref(a), *y = node_ref(b), *result = NULL;
    bool same = a->ndim == b->ndim && memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->ndim) == 0;
    if (!same) { /* in C order, whatever the shapes */
        x = array_using(tsr_ravel(x), x);
        y = array_using(tsr_ravel(y), y);
    }
    for (int d = 0; d < TSR_MAX_NDIM; d++) axes[d] = d;
    if (x && y) result = tsr_tensordot(x, y, x->ndim, axes, axes);
    return array_using(array_using(result, x), y);
}

tsr_array *tsr_vecdot(tsr_array *a, tsr_array *b, int axis)
{
    if (!array_ready(a) || !array_ready(b) || axis_check("vecdot", a, axis, &(int){0}) != TSR_OK ||
        axis_check("vecdot", b, axis, &(int){0}) != TSR_OK)
        return NULL;
    int last = -1, left[TSR_MAX_NDIM], right[TSR_MAX_NDIM], out[TSR_MAX_NDIM];
    tsr_array *x = tsr_moveaxis(a, 1, &axis, &last), *y = tsr_moveaxis(b, 1, &axis, &last), *result = NULL;
    if (x && dtype_is_complex(x->dtype)) x = array_using(tsr_conjugate(x), x);
    if (x && y && x->shape[x->ndim - 1] != y->shape[y->ndim - 1]) {
        (void)two_shapes(TSR_ERR_VALUE, "vecdot", a, b, "have different lengths along the axis that is summed over");
    } else if (x && y) {
        int n = x->ndim > y->ndim ? x->ndim : y->ndim;
        for (int d = 0; d < x->ndim; d++) left[d] = n - x->ndim + d;
        for (int d = 0; d < y->ndim; d++) right[d] = n - y->ndim + d;
        for (int d = 0; d < n - 1; d++) out[d] = d;
        result = array_contract("vecdot", x, left, y, right, n - 1, out);
    }
    return array_using(array_using(result, x), y);
}

/* ---- Products without sums ------------------------------------------------------------------------------------------------ */

tsr_array *tsr_outer(tsr_array *a, tsr_array *b)
{
    tsr_array *x = tsr_ravel(a), *y = tsr_ravel(b), *column = tsr_expand_dims(x, 1, (int[]){1});
    tsr_array *result = tsr_multiply(column, y), *used[] = {x, y, column};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

/* Axes of a and b in turn, then each pair made one. */
tsr_array *tsr_kron(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    int64_t x[2 * TSR_MAX_NDIM], y[2 * TSR_MAX_NDIM], shape[TSR_MAX_NDIM];
    if (too_many("kron", 2 * ndim)) return NULL;
    for (int d = 0; d < ndim; d++) {
        int64_t m = d < ndim - a->ndim ? 1 : a->shape[d - (ndim - a->ndim)];
        int64_t n = d < ndim - b->ndim ? 1 : b->shape[d - (ndim - b->ndim)];
        x[2 * d] = m;
        x[2 * d + 1] = 1;
        y[2 * d] = 1;
        y[2 * d + 1] = n;
        if (__builtin_mul_overflow(m, n, &shape[d])) {
            (void)error_set(TSR_ERR_VALUE, "kron: %" PRId64 " times %" PRId64 " elements along axis %d", m, n, d);
            return NULL;
        }
    }
    tsr_array *left = tsr_reshape(a, 2 * ndim, x), *right = tsr_reshape(b, 2 * ndim, y), *both = tsr_multiply(left, right);
    node_unref(left);
    node_unref(right);
    return array_using(both ? tsr_reshape(both, ndim, shape) : NULL, both);
}

tsr_array *tsr_trace(tsr_array *a, int64_t offset, int axis1, int axis2)
{
    tsr_array *diagonal = tsr_diagonal(a, offset, axis1, axis2);
    return array_using(tsr_sum(diagonal, 1, (int[]){-1}, false), diagonal);
}

/* ---- cross ------------------------------------------------------------------------------------------------------------------
 */

/* One component of the vectors along the last axis, a 0 where they have two only. */
static tsr_array *component(tsr_array *v, int i)
{
    tsr_index items[2] = {{.kind = TSR_INDEX_ELLIPSIS}, {.kind = TSR_INDEX_INTEGER, .start = i}};
    return i < v->shape[v->ndim - 1] ? tsr_slice(v, 2, items) : NULL;
}

/* a[i] b[j] - a[j] b[i]; products with what is not there are left out. */
static tsr_array *crossed(tsr_array *a, tsr_array *b, int i, int j)
{
    tsr_array *ai = component(a, i), *bj = component(b, j), *aj = component(a, j), *bi = component(b, i), *result = NULL;
    tsr_array *first = ai && bj ? tsr_multiply(ai, bj) : NULL, *second = aj && bi ? tsr_multiply(aj, bi) : NULL;
    if (first && second) {
        result = tsr_subtract(first, second);
    } else if (first || second) {
        result = first ? node_ref(first) : tsr_negative(second);
    }
    tsr_array *used[] = {ai, bj, aj, bi, first, second};
    for (size_t k = 0; k < sizeof used / sizeof *used; k++) node_unref(used[k]);
    return result;
}

/* The three along a new last axis, chosen by the index there: one pass, one chunk. All are consumed. */
static tsr_array *stacked(tsr_array **c)
{
    tsr_array *result = NULL, *at = c[0] && c[1] && c[2] ? tsr_arange_int(c[0]->session, 0, 3, 1, TSR_I64, NULL) : NULL;
    for (int i = 2; i >= 0 && at; i--) {
        tsr_array *wide = tsr_expand_dims(c[i], 1, (int[]){-1}), *number = tsr_scalar_array(c[i]->session, scalar_int(i));
        tsr_array *here = number ? tsr_equal(at, number) : NULL;
        tsr_array *other = i == 2 ? wide : result;
        result = wide && here && other ? tsr_where(here, wide, other) : NULL;
        if (other != wide) node_unref(other);
        node_unref(wide);
        node_unref(number);
        node_unref(here);
        if (!result) break;
    }
    for (int i = 0; i < 3; i++) node_unref(c[i]);
    return array_using(result, at);
}

static tsr_array *vectors(tsr_array *a, int axis, const char *which, tsr_dtype dtype)
{
    char name[32];
    snprintf(name, sizeof name, "cross: %s", which);
    if (axis_check(name, a, axis, &axis) != TSR_OK) return NULL;
    if (a->shape[axis] != 2 && a->shape[axis] != 3) {
        (void)error_set(TSR_ERR_VALUE,
                        "cross: incompatible dimensions for cross product (dimension must be 2 or 3, it is %" PRId64 ")",
                        a->shape[axis]);
        return NULL;
    }
    tsr_array *moved = tsr_moveaxis(a, 1, &axis, (int[]){-1});
    return array_using(array_cast(moved, dtype), moved);
}

tsr_array *tsr_cross(tsr_array *a, tsr_array *b, int axisa, int axisb, int axisc)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    if (a->ndim < 1 || b->ndim < 1) {
        (void)error_set(TSR_ERR_VALUE, "cross: at least one array has zero dimension");
        return NULL;
    }
    tsr_dtype dtype = tsr_dtype_promote(a->dtype, b->dtype);
    tsr_array *x = vectors(a, axisa, "axisa", dtype), *y = x ? vectors(b, axisb, "axisb", dtype) : NULL, *result = NULL;
    if (x && y && x->shape[x->ndim - 1] == 2 && y->shape[y->ndim - 1] == 2) {
        result = crossed(x, y, 0, 1);
    } else if (x && y) {
        tsr_array *c[3] = {crossed(x, y, 1, 2), crossed(x, y, 2, 0), crossed(x, y, 0, 1)}, *last = stacked(c);
        if (last && axis_check("cross: axisc", last, axisc, &axisc) == TSR_OK)
            result = tsr_moveaxis(last, 1, (int[]){-1}, &axisc);
        node_unref(last);
    }
    node_unref(x);
    return array_using(result, y);
}
