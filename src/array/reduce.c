/* Reductions and histograms. */
#include "array/build.h"
#include "array/builtin.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define REDUCTION(name, op)                                                                                                      \
    tsr_array *tsr_##name(tsr_array *a, int n_axes, const int *axes, bool keepdims)                                              \
    {                                                                                                                            \
        return array_reduce(#name, a, MONOID_##op, n_axes, axes, keepdims, 0);                                                   \
    }
#define SPREAD(name, op)                                                                                                         \
    tsr_array *tsr_##name(tsr_array *a, int n_axes, const int *axes, bool keepdims, double ddof)                                 \
    {                                                                                                                            \
        return array_reduce(#name, a, MONOID_##op, n_axes, axes, keepdims, ddof);                                                \
    }
#define ARGUMENT(name, op)                                                                                                       \
    tsr_array *tsr_##name(tsr_array *a, int n_axes, const int *axes, bool keepdims)                                              \
    {                                                                                                                            \
        if (a && axes && n_axes != 1) {                                                                                          \
            (void)error_set(TSR_ERR_VALUE, #name ": takes one axis, or none for all; %d given", n_axes);                         \
            return NULL;                                                                                                         \
        }                                                                                                                        \
        return array_reduce(#name, a, MONOID_##op, n_axes, axes, keepdims, 0);                                                   \
    }

REDUCTION(sum, SUM)
REDUCTION(prod, PROD)
REDUCTION(min, MIN)
REDUCTION(max, MAX)
REDUCTION(any, ANY)
REDUCTION(all, ALL)
REDUCTION(count_nonzero, COUNT_NONZERO)
REDUCTION(count_valid, COUNT_VALID)
REDUCTION(mean, MEAN)
REDUCTION(nansum, NANSUM)
REDUCTION(nanprod, NANPROD)
REDUCTION(nanmin, FMIN)
REDUCTION(nanmax, FMAX)
REDUCTION(nanmean, NANMEAN)
SPREAD(var, VAR)
SPREAD(std, STD)
SPREAD(nanvar, NANVAR)
SPREAD(nanstd, NANSTD)
ARGUMENT(argmin, ARGMIN)
ARGUMENT(argmax, ARGMAX)

/* The places themselves, if there are any: of nothing but NaN the reduction gives -1. */
tsr_status check_place_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const int64_t size = shape_size(output->ndim, output->shape), *from = inputs[0].data;
    int64_t *to = output->data;
    if (shape_size(inputs[0].ndim, inputs[0].shape) != size) return builtin_misfit();
    for (int64_t i = 0; i < size; i++) {
        if (from[i] < 0) return tsr_fail(TSR_ERR_VALUE, "All-NaN slice encountered");
        to[i] = from[i];
    }
    return TSR_OK;
}

static tsr_array *place_without_nan(const char *name, tsr_array *a, monoid op, int n_axes, const int *axes, bool keepdims)
{
    if (a && axes && n_axes != 1) {
        (void)error_set(TSR_ERR_VALUE, "%s: takes one axis, or none for all; %d given", name, n_axes);
        return NULL;
    }
    tsr_array *places = array_reduce(name, a, op, n_axes, axes, keepdims, 0);
    if (!places || !dtype_is_inexact(a->dtype)) return places;
    tsr_function f = {.call = check_place_block, .name = name, .identity = name, .identity_bytes = strlen(name)};
    return array_using(tsr_map_blocks(&f, 1, &places, TSR_I64, NULL), places);
}

tsr_array *tsr_nanargmin(tsr_array *a, int n_axes, const int *axes, bool keepdims)
{
    return place_without_nan("nanargmin", a, MONOID_NANARGMIN, n_axes, axes, keepdims);
}
tsr_array *tsr_nanargmax(tsr_array *a, int n_axes, const int *axes, bool keepdims)
{
    return place_without_nan("nanargmax", a, MONOID_NANARGMAX, n_axes, axes, keepdims);
}

tsr_array *tsr_ptp(tsr_array *a, int n_axes, const int *axes, bool keepdims)
{
    tsr_array *high = tsr_max(a, n_axes, axes, keepdims), *low = tsr_min(a, n_axes, axes, keepdims);
    return array_using(array_using(tsr_subtract(high, low), high), low);
}

/* Weights of the reduced axes get length-1 axes where the others are kept. */
static tsr_array *spread_weights(const tsr_array *a, tsr_array *weights, uint32_t mask)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    int k = 0;
    if (weights->ndim == a->ndim) return node_ref(weights);
    for (int d = 0; d < a->ndim; d++) {
        shape[d] = 1;
        if (!(mask >> d & 1)) continue;
        if (k >= weights->ndim || weights->shape[k] != a->shape[d]) {
            (void)error_set(TSR_ERR_VALUE,
                            "average: the weights have neither the shape of the array nor that of the reduced axes");
            return NULL;
        }
        shape[d] = a->shape[d];
        axes[k++] = (view_axis){d, 0, 1};
    }
    return array_view(weights, a->ndim, shape, axes);
}

tsr_array *tsr_average(tsr_array *a, tsr_array *weights, int n_axes, const int *axes, bool keepdims)
{
    uint32_t mask;
    if (!array_ready(a) || !array_ready(weights) || axes_check("average", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    tsr_array *spread = spread_weights(a, weights, mask), *full = NULL, *product = NULL, *top = NULL, *bottom = NULL,
              *result = NULL;
    if (spread) {
        full = tsr_broadcast_to(spread, a->ndim, a->shape);
        product = tsr_multiply(a, full);
        top = tsr_sum(product, n_axes, axes, keepdims);
        bottom = tsr_sum(full, n_axes, axes, keepdims);
        result = tsr_divide(top, bottom);
    }
    tsr_array *used[] = {spread, full, product, top, bottom};
    for (int i = 0; i < 5; i++) node_unref(used[i]);
    return result;
}

/* ---- Moments ---------------------------------------------------------------------------------------------------------- */

/* x to a whole power above 0; x is consumed. */
static tsr_array *to_power(tsr_array *x, int order)
{
    tsr_array *result = NULL;
    for (; x && order > 0; order >>= 1) {
        if (order & 1) result = result ? array_using(tsr_multiply(result, x), result) : node_ref(x);
        if (order > 1) x = array_using(tsr_square(x), x);
        if (!result && order <= 1) break;
    }
    return array_using(result, x);
}

tsr_array *tsr_moment(tsr_array *a, int order, int n_axes, const int *axes, bool keepdims, double ddof)
{
    uint32_t mask;
    if (!array_ready(a) || axes_check("moment", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    if (order < 0) {
        (void)error_set(TSR_ERR_VALUE, "moment: the order %d is negative, it must be an integer >= 0", order);
        return NULL;
    }
    tsr_array *x = array_cast(a, dtype_is_inexact(a->dtype) ? a->dtype : TSR_F64);
    if (order < 2) { /* 1 and 0, by definition */
        tsr_array *like = tsr_sum(x, n_axes, axes, keepdims);
        node_unref(x);
        return like ? array_using(tsr_full(a->session, scalar_int(order == 0), like->dtype, like->ndim, like->shape, NULL), like)
                    : NULL;
    }
    int64_t n = 1;
    for (int d = 0; d < a->ndim; d++) n *= mask >> d & 1 ? a->shape[d] : 1;
    tsr_array *mean = tsr_mean(x, n_axes, axes, true), *centred = mean ? tsr_subtract(x, mean) : NULL,
              *powers = to_power(centred, order);
    tsr_array *sum = tsr_sum(powers, n_axes, axes, keepdims), *divisor = tsr_scalar_like(x, scalar_float((double)n - ddof));
    tsr_array *result = sum && divisor ? tsr_divide(sum, divisor) : NULL, *used[] = {x, mean, powers, sum, divisor};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

/* ---- Histograms ----------------------------------------------------------------------------------------------------------- */

static tsr_status check_bins(const tsr_bins *bins)
{
    if (bins->n < 1) return error_set(TSR_ERR_VALUE, "histogram: %" PRId64 " bins, at least 1 is needed", bins->n);
    if (!bins->edges) {
        if (!isfinite(bins->low) || !isfinite(bins->high))
            return error_set(TSR_ERR_VALUE, "histogram: the range %g to %g is not finite", bins->low, bins->high);
        if (bins->low > bins->high)
            return error_set(TSR_ERR_VALUE, "histogram: the range's end %g is before its start %g", bins->high, bins->low);
        return TSR_OK;
    }
    for (int64_t i = 0; i < bins->n; i++) {
        if (!(bins->edges[i] <= bins->edges[i + 1]))
            return error_set(TSR_ERR_VALUE, "histogram: the edges do not increase at %" PRId64, i + 1);
    }
    return TSR_OK;
}

tsr_status tsr_histogram_edges(const tsr_bins *bins, double *out)
{
    TRY(check_bins(bins));
    double low = bins->low, high = bins->high;
    if (!bins->edges && low == high) {
        low -= 0.5;
        high += 0.5;
    }
    double step = (high - low) / (double)bins->n;
    for (int64_t i = 0; i <= bins->n; i++) out[i] = bins->edges ? bins->edges[i] : i == bins->n ? high : (double)i * step + low;
    return TSR_OK;
}

static tsr_array *counts(tsr_array *a, tsr_array *weights, const tsr_bins *bins)
{
    if (!array_ready(a) || check_bins(bins) != TSR_OK) return NULL;
    if (dtype_is_complex(a->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "histogram: not defined for %s", tsr_dtype_name(a->dtype));
        return NULL;
    }
    tsr_array *inputs[2] = {array_cast(a, a->dtype == TSR_F32 ? TSR_F32 : TSR_F64), weights};
    tsr_array proto = {
        .op = NODE_REDUCE, .dtype = weights ? TSR_F64 : TSR_I64, .ndim = 1, .n_inputs = weights ? 2 : 1, .inputs = inputs};
    proto.shape[0] = bins->n;
    proto.grid.axes[0] = axis_grid_regular(bins->n, bins->n);
    proto.p.reduce.op = MONOID_HISTOGRAM;
    proto.p.reduce.axes = (uint32_t)((1ull << a->ndim) - 1);
    acc_params *p = &proto.p.reduce.params;
    *p = (acc_params){.n_bins = bins->n, .low = bins->low, .high = bins->high, .weighted = weights != NULL};
    if (!bins->edges && p->low == p->high) {
        p->low -= 0.5;
        p->high += 0.5;
    }
    if (bins->edges) {
        double *edges = mem_alloc(sizeof *edges * (size_t)(bins->n + 1));
        if (!edges) {
            node_unref(inputs[0]);
            return NULL;
        }
        memcpy(edges, bins->edges, sizeof *edges * (size_t)(bins->n + 1));
        p->edges = edges;
    }
    return array_using(inputs[0] ? node_make(a->session, &proto) : NULL, inputs[0]);
}

/* counts / (sum(counts) * widths); consumes its argument. */
static tsr_array *to_density(tsr_array *n, const tsr_bins *bins)
{
    if (!n) return NULL;
    tsr_array *total = tsr_sum(n, 0, NULL, false), *result = NULL;
    double *edges = mem_alloc(sizeof *edges * (size_t)(bins->n + 1) * 2);
    buffer *kept = NULL;
    if (edges && tsr_histogram_edges(bins, edges) == TSR_OK && buffer_wrap(edges, 0, mem_free, edges, &kept) == TSR_OK) {
        for (int64_t i = 0; i < bins->n; i++) edges[i] = edges[i + 1] - edges[i];
        tsr_array proto = {.op = NODE_MEMORY, .dtype = TSR_F64, .ndim = 1};
        proto.shape[0] = bins->n;
        proto.grid.axes[0] = axis_grid_regular(bins->n, bins->n);
        proto.p.memory.buf = kept;
        proto.p.memory.data = kept->data;
        proto.p.memory.strides[0] = sizeof(double);
        tsr_array *widths = node_make(n->session, &proto), *share = tsr_divide(n, widths);
        result = array_using(array_using(tsr_divide(share, total), share), widths);
    } else {
        mem_free(edges);
    }
    node_unref(total);
    node_unref(n);
    return result;
}

tsr_array *tsr_histogram(tsr_array *a, const tsr_bins *bins, bool density)
{
    tsr_array *n = counts(a, NULL, bins);
    return density ? to_density(n, bins) : n;
}

tsr_array *tsr_histogram_weighted(tsr_array *a, tsr_array *weights, const tsr_bins *bins, bool density)
{
    if (!array_ready(a) || !array_ready(weights)) return NULL;
    if (weights->ndim != a->ndim || memcmp(weights->shape, a->shape, sizeof *a->shape * (size_t)a->ndim) != 0) {
        (void)error_set(TSR_ERR_VALUE, "histogram: the weights have another shape than the array");
        return NULL;
    }
    tsr_array *w = array_cast(weights, TSR_F64), *n = w ? counts(a, w, bins) : NULL;
    node_unref(w);
    return density ? to_density(n, bins) : n;
}
