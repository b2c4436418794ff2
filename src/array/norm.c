/* Norms of vectors and matrices, powers of a matrix, and products of several. Composed; what needs singular values or an inverse
 * says so. */
#include "array/build.h"
#include "base/mem.h"

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

/* f(a), a consumed. */
static tsr_array *unary(tsr_array *(*f)(tsr_array *a), tsr_array *a) { return array_using(a ? f(a) : NULL, a); }

typedef tsr_array *reduce_fn(tsr_array *a, int n_axes, const int *axes, bool keepdims);

static tsr_array *reduced(reduce_fn *f, tsr_array *a, int n_axes, const int *axes, bool keepdims) /* a is consumed */
{
    return array_using(a ? f(a, n_axes, axes, keepdims) : NULL, a);
}

/* ---- Norms ---------------------------------------------------------------------------------------------------------- */

/* abs(a), integers in float64. */
static tsr_array *sizes(tsr_array *a)
{
    tsr_array *typed = dtype_is_inexact(a->dtype) ? node_ref(a) : array_cast(a, TSR_F64);
    return unary(tsr_absolute, typed);
}

/* The squares of the absolute values. */
static tsr_array *squares(tsr_array *a)
{
    tsr_array *typed = dtype_is_inexact(a->dtype) ? node_ref(a) : array_cast(a, TSR_F64);
    if (!typed || !dtype_is_complex(typed->dtype)) return unary(tsr_square, typed);
    tsr_array *real = unary(tsr_square, tsr_real(typed)), *imaginary = unary(tsr_square, tsr_imag(typed));
    return array_using(apply(OP_ADD, real, imaginary), typed);
}

tsr_array *tsr_vector_norm(tsr_array *a, double order, int n_axes, const int *axes, bool keepdims)
{
    uint32_t mask;
    if (!array_ready(a) || axes_check("vector_norm", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    if (order == 2) return unary(tsr_sqrt, reduced(tsr_sum, squares(a), n_axes, axes, keepdims));
    tsr_array *size = sizes(a);
    if (isinf(order)) return reduced(order > 0 ? tsr_max : tsr_min, size, n_axes, axes, keepdims);
    if (order == 1) return reduced(tsr_sum, size, n_axes, axes, keepdims);
    if (order == 0) {
        tsr_dtype dtype = size ? size->dtype : TSR_F64;
        tsr_array *count = size ? tsr_count_nonzero(size, n_axes, axes, keepdims) : NULL;
        return array_using(array_using(count ? array_cast(count, dtype) : NULL, count), size);
    }
    tsr_array *powers = apply(OP_POWER, size, size ? tsr_scalar_like(size, scalar_float(order)) : NULL);
    tsr_array *sum = reduced(tsr_sum, powers, n_axes, axes, keepdims);
    return apply(OP_POWER, sum, sum ? tsr_scalar_like(sum, scalar_float(1 / order)) : NULL);
}

tsr_array *tsr_matrix_norm(tsr_array *a, const char *order, int rows, int columns, bool keepdims)
{
    if (!array_ready(a) || axis_check("matrix_norm", a, rows, &rows) != TSR_OK ||
        axis_check("matrix_norm", a, columns, &columns) != TSR_OK)
        return NULL;
    if (rows == columns) {
        (void)error_set(TSR_ERR_VALUE, "matrix_norm: rows and columns are both along axis %d", rows);
        return NULL;
    }
    if (strcmp(order, "fro") == 0) return tsr_vector_norm(a, 2, 2, (int[]){rows, columns}, keepdims);
    bool by_column = strcmp(order, "1") == 0 || strcmp(order, "-1") == 0,
         by_row = strcmp(order, "inf") == 0 || strcmp(order, "-inf") == 0;
    if (!by_column && !by_row) {
        bool singular = strcmp(order, "2") == 0 || strcmp(order, "-2") == 0 || strcmp(order, "nuc") == 0;
        (void)error_set(
            singular ? TSR_ERR_UNSUPPORTED : TSR_ERR_VALUE,
            singular ? "matrix_norm: the norm \"%s\" needs singular values, which there are not; there are \"fro\", \"1\", "
                       "\"-1\", \"inf\" and \"-inf\""
                     : "matrix_norm: there is no norm \"%s\"; there are \"fro\", \"1\", \"-1\", \"inf\" and \"-inf\"",
            order);
        return NULL;
    }
    int summed = by_column ? rows : columns, other = by_column ? columns : rows;
    tsr_array *sums = reduced(tsr_sum, sizes(a), 1, &summed, true);
    tsr_array *norm = reduced(order[0] == '-' ? tsr_min : tsr_max, sums, 1, &other, true);
    return array_using(norm && !keepdims ? tsr_squeeze(norm, 2, (int[]){rows, columns}) : norm ? node_ref(norm) : NULL, norm);
}

/* ---- Products ------------------------------------------------------------------------------------------------------- */

tsr_array *tsr_matrix_power(tsr_array *a, int64_t n)
{
    if (!array_ready(a)) return NULL;
    if (a->ndim < 2 || a->shape[a->ndim - 1] != a->shape[a->ndim - 2]) {
        char text[256];
        (void)error_set(TSR_ERR_VALUE, "matrix_power: the last two dimensions of the array must be square, its shape is %s",
                        shape_format(a->ndim, a->shape, text, sizeof text));
        return NULL;
    }
    if (n < 0) {
        (void)error_set(TSR_ERR_UNSUPPORTED, "matrix_power: the power %" PRId64 " needs an inverse, which there is not", n);
        return NULL;
    }
    if (n == 0) {
        int64_t length = a->shape[a->ndim - 1];
        tsr_array *one = tsr_eye(a->session, length, length, 0, a->dtype, NULL);
        return array_using(one ? tsr_broadcast_to(one, a->ndim, a->shape) : NULL, one);
    }
    tsr_array *result = NULL, *square = node_ref(a);
    while (square) { /* for each binary digit of n the next square */
        if (n & 1) {
            tsr_array *product = result ? tsr_matmul(result, square) : node_ref(square);
            node_unref(result);
            result = product;
            if (!result) break;
        }
        n >>= 1;
        if (n == 0) return array_using(result, square);
        square = array_using(tsr_matmul(square, square), square);
    }
    return array_using(array_using(NULL, result), square);
}

/* lengths[i] and lengths[i + 1]: rows and columns of the i-th matrix. best[i * n + j]: where to cut the product of i ... j. */
static void order_products(int n, const double *lengths, double *costs, int *best)
{
    for (int i = 0; i < n; i++) costs[i * n + i] = 0;
    for (int span = 1; span < n; span++) {
        for (int i = 0; i + span < n; i++) {
            int j = i + span;
            costs[i * n + j] = INFINITY;
            for (int k = i; k < j; k++) {
                double cost = costs[i * n + k] + costs[(k + 1) * n + j] + lengths[i] * lengths[k + 1] * lengths[j + 1];
                if (cost >= costs[i * n + j]) continue;
                costs[i * n + j] = cost;
                best[i * n + j] = k;
            }
        }
    }
}

/* As deep as there are arrays. */
static tsr_array *multiply_span(int n, tsr_array *const *arrays, const int *best, int i, int j)
{
    if (i == j) return node_ref(arrays[i]);
    int k = best[i * n + j];
    tsr_array *left = multiply_span(n, arrays, best, i, k), *right = left ? multiply_span(n, arrays, best, k + 1, j) : NULL;
    tsr_array *product = left && right ? tsr_dot(left, right) : NULL;
    return array_using(array_using(product, left), right);
}

static tsr_status check_chain(int n, tsr_array *const *arrays, double *lengths)
{
    for (int i = 0; i < n; i++) {
        const tsr_array *a = arrays[i];
        bool may_be_vector = i == 0 || i == n - 1;
        if (a->ndim != 2 && !(a->ndim == 1 && may_be_vector))
            return error_set(TSR_ERR_VALUE,
                             "multi_dot: array %d has %d dimensions; all must have 2, the first and the last may have 1", i,
                             a->ndim);
        bool is_row = a->ndim == 1 && i == 0, is_column = a->ndim == 1 && i > 0;
        double rows = is_row ? 1 : (double)a->shape[0];
        if (i > 0 && rows != lengths[i])
            return error_set(TSR_ERR_VALUE, "multi_dot: array %d has %.0f rows, the one before it %.0f columns", i, rows,
                             lengths[i]);
        lengths[i] = rows;
        lengths[i + 1] = is_column ? 1 : (double)a->shape[a->ndim - 1];
    }
    return TSR_OK;
}

tsr_array *tsr_multi_dot(int n, tsr_array *const *arrays)
{
    enum { MOST = 1000 };
    if (n < 1 || n > MOST) {
        (void)error_set(TSR_ERR_VALUE, "multi_dot: %d arrays, 1 to %d are possible", n, MOST);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (!array_ready(arrays[i])) return NULL;
    size_t pairs = (size_t)n * (size_t)n;
    double *lengths = mem_calloc((size_t)n + 1, sizeof *lengths), *costs = mem_calloc(pairs, sizeof *costs);
    int *best = mem_calloc(pairs, sizeof *best);
    tsr_array *result = NULL;
    if (lengths && costs && best && check_chain(n, arrays, lengths) == TSR_OK) {
        order_products(n, lengths, costs, best);
        result = multiply_span(n, arrays, best, 0, n - 1);
    }
    mem_free(lengths);
    mem_free(costs);
    mem_free(best);
    return result;
}
