/* Quantiles and medians, with NumPy's methods and weights. Several axes are flattened into one; the kernel (kernel/quantile.c)
 * selects, and interpolates where the method does. Weighted ones are a block function (array/builtin.h): it sorts. */
#include "array/build.h"
#include "array/builtin.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Several axes become one: moved to the front and flattened. *axis is where the values then lie. */
static tsr_array *gather_axes(tsr_array *a, uint32_t mask, int *axis)
{
    int order[TSR_MAX_NDIM], n = 0, ndim = 1;
    int64_t shape[TSR_MAX_NDIM] = {1};
    *axis = 0;
    if (mask && !(mask & (mask - 1))) {
        *axis = __builtin_ctz(mask);
        return node_ref(a);
    }
    for (int d = 0; d < a->ndim; d++)
        if (mask >> d & 1) {
            order[n++] = d;
            shape[0] *= a->shape[d];
        }
    for (int d = 0; d < a->ndim; d++)
        if (!(mask >> d & 1)) {
            order[n++] = d;
            shape[ndim++] = a->shape[d];
        }
    tsr_array *moved = tsr_transpose(a, order);
    return array_using(tsr_reshape(moved, ndim, shape), moved);
}

/* Are the numbers in range, and is there something to choose from? */
static tsr_status check(const char *name, const tsr_array *a, int n_q, const double *q, uint32_t mask, bool skip_nan)
{
    for (int i = 0; i < n_q; i++)
        if (!(q[i] >= 0 && q[i] <= 1)) return error_set(TSR_ERR_VALUE, "%s: %g is not between 0 and 1", name, q[i]);
    if (dtype_is_complex(a->dtype)) return error_set(TSR_ERR_TYPE, "%s: not defined for %s", name, tsr_dtype_name(a->dtype));
    for (int d = 0; d < a->ndim && !skip_nan; d++)
        if (mask >> d & 1 && a->shape[d] == 0) return error_set(TSR_ERR_INDEX, "%s: axis %d has no elements", name, d);
    return TSR_OK;
}

/* (n_q, the axes that are not in the mask) with length-1 axes for those that are; consumes the result. */
static tsr_array *keep_axes(tsr_array *result, const tsr_array *a, uint32_t mask)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis view[TSR_MAX_NDIM] = {{0, 0, 1}};
    if (!result) return NULL;
    shape[0] = result->shape[0];
    for (int d = 0, k = 1; d < a->ndim; d++) {
        shape[d + 1] = mask >> d & 1 ? 1 : a->shape[d];
        if (!(mask >> d & 1)) view[k++] = (view_axis){d + 1, 0, 1};
    }
    return array_using(array_view(result, a->ndim + 1, shape, view), result);
}

static tsr_array *quantile(tsr_array *a, tsr_dtype dtype, int n_q, const double *q, uint32_t mask, bool keepdims,
                           quantile_method method, bool skip_nan)
{
    int axis = 0;
    tsr_array *x = gather_axes(a, mask, &axis), *result = NULL;
    if (!array_ready(x)) return NULL;
    tsr_array proto = {.op = NODE_QUANTILE, .dtype = dtype, .ndim = x->ndim, .n_inputs = 1, .inputs = &x};
    proto.shape[0] = n_q;
    proto.grid.axes[0] = axis_grid_regular(n_q, n_q);
    for (int d = 0, k = 1; d < x->ndim; d++) {
        if (d == axis) continue;
        proto.shape[k] = x->shape[d];
        proto.grid.axes[k++] = x->grid.axes[d];
    }
    proto.p.quantile.axis = axis;
    proto.p.quantile.n_q = n_q;
    proto.p.quantile.method = method;
    proto.p.quantile.skip_nan = skip_nan;
    proto.p.quantile.q = mem_alloc(sizeof *q * (size_t)n_q);
    if (proto.p.quantile.q) {
        if (n_q) memcpy(proto.p.quantile.q, q, sizeof *q * (size_t)n_q);
        result = node_make(a->session, &proto);
    }
    node_unref(x);
    return keepdims ? keep_axes(result, a, mask) : result;
}

/* ---- Weights ------------------------------------------------------------------------------------------------------------ */

/* The values of one column, in rising order, and the sums of their weights up to each. */
typedef struct column {
    const char *values; /* step bytes apart */
    size_t step;
    int64_t n; /* without NaN, if these are left out */
    int64_t *order;
    double *sums; /* as parts of the whole */
} column;

static bool is_nan(tsr_dtype dtype, const void *value)
{
    if (dtype == TSR_F32) return isnan(*(const float *)value);
    return dtype == TSR_F64 && isnan(*(const double *)value);
}

/* numpy.quantile's distribution function: leading zeros become -1, so that q = 0 does not choose an element without weight. */
static tsr_status sum_weights(column *c, const double *weights, int64_t stride)
{
    double sum = 0;
    for (int64_t i = 0; i < c->n; i++) c->sums[i] = sum += weights[c->order[i] * stride];
    for (int64_t i = 0; i < c->n; i++) c->sums[i] /= sum;
    if (c->n > 0 && isnan(c->sums[c->n - 1])) return tsr_fail(TSR_ERR_VALUE, "Weights included NaN, inf or were all zero.");
    for (int64_t i = 0; i < c->n && c->sums[i] == 0; i++) c->sums[i] = -1;
    return TSR_OK;
}

/* Values, weights of the same shape, and the quantiles; in front of the result's axes come as many as there are quantiles. */
tsr_status weighted_quantile_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const weighted_quantile_options *o = context;
    const tsr_block *x = &inputs[0], *w = &inputs[1], *q = &inputs[2];
    const int axis = o->axis;
    if (axis < 0 || axis >= x->ndim || !builtin_same_rows(x, w, -1) || output->ndim != x->ndim || output->shape[0] != q->shape[0])
        return builtin_misfit();
    for (int d = 0, k = 1; d < x->ndim; d++)
        if (d != axis && output->shape[k++] != x->shape[d]) return builtin_misfit();
    const int64_t n = x->shape[axis], outer = shape_size(axis, x->shape),
                  inner = shape_size(x->ndim - axis - 1, x->shape + axis + 1);
    const double *weights = w->data, *quantiles = q->data;
    const size_t size = tsr_dtype_size(x->dtype);
    if (n == 0) return builtin_misfit();
    for (int64_t i = 0; i < outer * n * inner; i++)
        if (weights[i] < 0) return tsr_fail(TSR_ERR_VALUE, "Weights must be non-negative.");
    column c = {.step = (size_t)inner * size,
                .order = mem_alloc(sizeof *c.order * (size_t)n),
                .sums = mem_alloc(sizeof *c.sums * (size_t)n)};
    tsr_status status = c.order && c.sums ? TSR_OK : TSR_ERR_MEMORY;
    for (int64_t lane = 0; status == TSR_OK && lane < outer * inner; lane++) {
        const int64_t from = lane / inner * n * inner + lane % inner;
        c.values = (const char *)x->data + (size_t)from * size;
        topk_order(x->dtype, c.values, c.step, n, c.order);
        const char *last = c.values + (size_t)c.order[n - 1] * c.step; /* NaN comes last */
        for (c.n = n; o->skip_nan && c.n > 0 && is_nan(x->dtype, c.values + (size_t)c.order[c.n - 1] * c.step);) c.n--;
        status = sum_weights(&c, weights + from, inner);
        for (int64_t i = 0; status == TSR_OK && i < q->shape[0]; i++) {
            const char *chosen = last;
            if (c.n > 0 && !is_nan(x->dtype, c.values + (size_t)c.order[c.n - 1] * c.step)) {
                int64_t below = 0, above = c.n - 1; /* the first sum that is not below q, the last if there is none */
                while (below < above) {
                    const int64_t middle = below + (above - below) / 2;
                    if (c.sums[middle] < quantiles[i])
                        below = middle + 1;
                    else
                        above = middle;
                }
                chosen = c.values + (size_t)c.order[below] * c.step;
            }
            memcpy((char *)output->data + (size_t)(i * outer * inner + lane) * size, chosen, size);
        }
    }
    mem_free(c.order);
    mem_free(c.sums);
    return status;
}

/* The weights in the shape of `a`: they have it, or that of the axes in the order in which these are given. */
static tsr_array *spread_weights(const char *name, tsr_array *a, tsr_array *weights, int n_axes, const int *axes, uint32_t mask)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis view[TSR_MAX_NDIM];
    if (weights->ndim == a->ndim && memcmp(weights->shape, a->shape, sizeof *a->shape * (size_t)a->ndim) == 0)
        return node_ref(weights);
    if (!axes) {
        (void)error_set(TSR_ERR_TYPE, "%s: axis must be specified when shapes of a and weights differ", name);
        return NULL;
    }
    bool fits = weights->ndim == n_axes;
    for (int d = 0; d < a->ndim; d++) shape[d] = mask >> d & 1 ? a->shape[d] : 1;
    for (int k = 0; fits && k < n_axes; k++) {
        const int d = axes[k] < 0 ? axes[k] + a->ndim : axes[k];
        fits = weights->shape[k] == a->shape[d];
        view[k] = (view_axis){d, 0, 1};
    }
    if (!fits) {
        (void)error_set(TSR_ERR_VALUE, "%s: shape of weights must be consistent with shape of a along specified axis", name);
        return NULL;
    }
    tsr_array *spread = array_view(weights, a->ndim, shape, view);
    return spread ? array_using(tsr_broadcast_to(spread, a->ndim, a->shape), spread) : NULL;
}

static void free_options(void *context) { mem_free(context); }

static tsr_array *numbers_array(tsr_session *session, int64_t n, const double *q)
{
    double *copy = mem_alloc(sizeof *copy * (size_t)(n + 1));
    if (!copy) return NULL;
    if (n) memcpy(copy, q, sizeof *copy * (size_t)n);
    tsr_array *numbers = tsr_from_memory(session, copy, TSR_F64, 1, &n, NULL, mem_free, copy, NULL);
    if (!numbers) mem_free(copy);
    return numbers;
}

/* x and w of one shape, along one axis. */
static tsr_array *weighted_along(tsr_array *x, tsr_array *w, int axis, int n_q, const double *q, bool skip_nan)
{
    enum { LABEL_QUANTILES = TSR_MAX_NDIM };
    int labels[TSR_MAX_NDIM], kept[TSR_MAX_NDIM] = {LABEL_QUANTILES}, at = LABEL_QUANTILES;
    for (int d = 0, k = 1; d < x->ndim; d++) {
        labels[d] = d;
        if (d != axis) kept[k++] = d;
    }
    tsr_array *numbers = numbers_array(x->session, n_q, q), *result = NULL;
    weighted_quantile_options *o = mem_calloc(1, sizeof *o);
    if (numbers && o) {
        *o = (weighted_quantile_options){.axis = axis, .skip_nan = skip_nan};
        tsr_function f = {.call = weighted_quantile_block,
                          .context = o,
                          .release = free_options,
                          .name = "quantile",
                          .identity = o,
                          .identity_bytes = sizeof *o};
        tsr_block_input inputs[3] = {{x, labels}, {w, labels}, {numbers, &at}};
        tsr_block_output output = {.dtype = x->dtype, .ndim = x->ndim, .labels = kept};
        result = tsr_blockwise(x->session, &f, 3, inputs, &output);
    }
    if (!result) mem_free(o);
    node_unref(numbers);
    return result;
}

static tsr_array *weighted(const char *name, tsr_array *a, tsr_array *weights, int n_q, const double *q, int n_axes,
                           const int *axes, uint32_t mask, bool keepdims, bool skip_nan)
{
    int axis = 0;
    tsr_array *spread = spread_weights(name, a, weights, n_axes, axes, mask),
              *typed = spread ? array_cast(spread, TSR_F64) : NULL, *w = typed ? gather_axes(typed, mask, &axis) : NULL,
              *x = w ? gather_axes(a, mask, &axis) : NULL, *result = NULL;
    if (x) result = weighted_along(x, w, axis, n_q, q, skip_nan);
    tsr_array *used[] = {spread, typed, w, x};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return keepdims ? keep_axes(result, a, mask) : result;
}

/* ---- Public ------------------------------------------------------------------------------------------------------------- */

tsr_array *tsr_quantile_by(tsr_array *a, int n_q, const double *q, int n_axes, const int *axes, bool keepdims,
                           const tsr_quantile_options *options)
{
    static const tsr_quantile_options defaults = {0};
    const tsr_quantile_options *o = options ? options : &defaults;
    const char *name = o->skip_nan ? "nanquantile" : "quantile";
    const quantile_method method = o->method ? quantile_method_find(o->method) : QUANTILE_LINEAR;
    uint32_t mask;
    if (!array_ready(a) || (o->weights && !array_ready(o->weights)) || axes_check(name, a, n_axes, axes, &mask) != TSR_OK ||
        check(name, a, n_q, q, mask, o->skip_nan) != TSR_OK)
        return NULL;
    if (method == N_QUANTILE_METHODS) {
#define X(method_name, text, is_element) " " text
        (void)error_set(TSR_ERR_VALUE, "%s: '%s' is not a valid method; there are" QUANTILE_METHODS(X), name, o->method);
#undef X
        return NULL;
    }
    if (o->weights && method != QUANTILE_INVERTED_CDF) {
        (void)error_set(TSR_ERR_VALUE, "%s: only method 'inverted_cdf' supports weights, got '%s'", name,
                        quantile_method_name(method));
        return NULL;
    }
    if (o->weights && dtype_is_complex(o->weights->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "%s: weights of %s", name, tsr_dtype_name(o->weights->dtype));
        return NULL;
    }
    const bool is_element = quantile_is_element(method);
    if (a->dtype == TSR_BOOL && !is_element) {
        (void)error_set(TSR_ERR_TYPE, "%s: there is nothing between false and true; method 'lower' or 'higher' chooses one",
                        name);
        return NULL;
    }
    int64_t n = 1;
    for (int d = 0; d < a->ndim; d++) n *= mask >> d & 1 ? a->shape[d] : 1;
    if (n == 0) { /* without NaN: NaN, which integers have not */
        tsr_array *x = array_cast(a, dtype_is_float(a->dtype) ? a->dtype : TSR_F64);
        return array_using(x ? quantile(x, x->dtype, n_q, q, mask, keepdims, method, true) : NULL, x);
    }
    if (o->weights) return weighted(name, a, o->weights, n_q, q, n_axes, axes, mask, keepdims, o->skip_nan);
    const bool keeps = is_element || (a->dtype == TSR_F32 && !o->wide);
    return quantile(a, keeps ? a->dtype : TSR_F64, n_q, q, mask, keepdims, method, o->skip_nan);
}

tsr_array *tsr_quantile(tsr_array *a, int n_q, const double *q, int n_axes, const int *axes, bool keepdims)
{
    return tsr_quantile_by(a, n_q, q, n_axes, axes, keepdims, NULL);
}
tsr_array *tsr_nanquantile(tsr_array *a, int n_q, const double *q, int n_axes, const int *axes, bool keepdims)
{
    return tsr_quantile_by(a, n_q, q, n_axes, axes, keepdims, &(tsr_quantile_options){.skip_nan = true});
}

/* Of nothing NaN; of bools a number. */
static tsr_array *middle(const char *name, tsr_array *a, int n_axes, const int *axes, bool keepdims, bool skip_nan)
{
    uint32_t mask;
    if (!array_ready(a) || axes_check(name, a, n_axes, axes, &mask) != TSR_OK || check(name, a, 0, NULL, mask, true) != TSR_OK)
        return NULL;
    tsr_array *all =
        quantile(a, a->dtype == TSR_F32 ? TSR_F32 : TSR_F64, 1, (double[]){0.5}, mask, keepdims, QUANTILE_LINEAR, skip_nan);
    return array_using(tsr_slice(all, 1, (tsr_index[]){{.kind = TSR_INDEX_INTEGER}}), all);
}

tsr_array *tsr_median(tsr_array *a, int n_axes, const int *axes, bool keepdims)
{
    return middle("median", a, n_axes, axes, keepdims, false);
}
tsr_array *tsr_nanmedian(tsr_array *a, int n_axes, const int *axes, bool keepdims)
{
    return middle("nanmedian", a, n_axes, axes, keepdims, true);
}
