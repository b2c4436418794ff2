/* Covariances, and counting: bincount and histograms of several dimensions. */
#include "array/build.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* op(a, b), both consumed; NULL among them gives NULL. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    tsr_array *result = a && b ? array_map(op, 2, pair) : NULL;
    return array_using(array_using(result, a), b);
}
static tsr_array *again(tsr_array *a) { return a ? node_ref(a) : NULL; }
static tsr_array *number(tsr_array *like, double value)
{
    return like ? tsr_scalar_array(like->session, scalar_float(value)) : NULL;
}
/* f(a), a consumed. */
static tsr_array *through(tsr_array *(*f)(tsr_array *), tsr_array *a) { return array_using(f(a), a); }

/* ---- Covariance
 * ------------------------------------------------------------------------------------------------------------------ */

/* Variables in rows, float64 or complex128; the rows of y below those of m. */
static tsr_array *variables(tsr_array *m, tsr_array *y, bool rowvar, tsr_dtype dtype)
{
    tsr_array *both[2] = {m, y}, *rows[2] = {NULL, NULL}, *result = NULL;
    for (int i = 0; i < 2; i++) {
        if (!both[i]) continue;
        if (both[i]->ndim > 2) {
            (void)error_set(TSR_ERR_VALUE, "cov: %s has more than 2 dimensions", i == 0 ? "m" : "y");
            break;
        }
        tsr_array *typed = array_cast(both[i], dtype);
        if (both[i]->ndim < 2) {
            rows[i] = typed ? tsr_reshape(typed, 2, (int64_t[]){1, -1}) : NULL;
            node_unref(typed);
        } else if (!rowvar && both[i]->shape[0] != 1) {
            rows[i] = array_using(typed ? tsr_transpose(typed, NULL) : NULL, typed);
        } else {
            rows[i] = typed;
        }
        if (!rows[i]) break;
    }
    if (rows[0] && (!y || rows[1])) result = y ? tsr_concatenate(2, rows, 0) : node_ref(rows[0]);
    node_unref(rows[0]);
    node_unref(rows[1]);
    return result;
}

static tsr_status check_weights(const char *name, const tsr_array *w, int64_t n)
{
    if (w && (w->ndim != 1 || w->shape[0] != n))
        return error_set(TSR_ERR_VALUE, "cov: %s must be a 1-d array of %" PRId64 " numbers, one for each observation", name, n);
    return TSR_OK;
}

/* The divisor: what the weights sum to, less ddof. */
static tsr_array *divisor_as_is(tsr_array *x, tsr_array *w, tsr_array *w_sum, tsr_array *aweights, double ddof)
{
    if (!w) return number(x, (double)x->shape[1] - ddof);
    if (ddof == 0) return again(w_sum);
    if (!aweights) return apply(OP_SUBTRACT, again(w_sum), number(x, ddof));
    tsr_array *squares = tsr_multiply(w, aweights), *sum = array_using(tsr_sum(squares, 0, NULL, false), squares);
    tsr_array *share = apply(OP_DIVIDE, apply(OP_MULTIPLY, number(x, ddof), sum), again(w_sum));
    return apply(OP_SUBTRACT, again(w_sum), share);
}

/* At least 0, as NumPy has it: covariances of too few observations are not numbers. */
static tsr_array *divisor(tsr_array *x, tsr_array *w, tsr_array *w_sum, tsr_array *aweights, double ddof)
{
    tsr_array *over = divisor_as_is(x, w, w_sum, aweights, ddof);
    return apply(OP_MAXIMUM, over, number(x, 0));
}

/* x w (x - mean)^H / divisor, for rows x. All arguments borrowed. */
static tsr_array *covariance(tsr_array *x, tsr_array *w, tsr_array *aweights, double ddof)
{
    int last = 1;
    tsr_array *w_sum = w ? tsr_sum(w, 0, NULL, false) : NULL, *mean = NULL;
    if (w) {
        mean = tsr_average(x, w, 1, &last, true);
    } else {
        mean = tsr_mean(x, 1, &last, true);
    }
    tsr_array *centred = apply(OP_SUBTRACT, again(x), mean);
    tsr_array *weighted = w ? apply(OP_MULTIPLY, again(centred), again(w)) : again(centred);
    tsr_array *turned = weighted ? tsr_transpose(weighted, NULL) : NULL;
    if (turned && dtype_is_complex(turned->dtype)) turned = through(tsr_conjugate, turned);
    tsr_array *product = centred && turned ? tsr_matmul(centred, turned) : NULL, *over = divisor(x, w, w_sum, aweights, ddof);
    tsr_array *used[] = {w_sum, centred, weighted, turned};
    for (int i = 0; i < 4; i++) node_unref(used[i]);
    return apply(OP_MULTIPLY, product, apply(OP_DIVIDE, number(x, 1), over)); /* as NumPy: times the reciprocal */
}

tsr_array *tsr_cov(tsr_array *m, tsr_array *y, bool rowvar, double ddof, tsr_array *fweights, tsr_array *aweights)
{
    if (!array_ready(m) || (y && array_resolve(y) != TSR_OK) || (fweights && array_resolve(fweights) != TSR_OK) ||
        (aweights && array_resolve(aweights) != TSR_OK))
        return NULL;
    bool is_complex = dtype_is_complex(m->dtype) || (y && dtype_is_complex(y->dtype));
    tsr_array *x = variables(m, y, rowvar, is_complex ? TSR_C128 : TSR_F64), *w = NULL, *result = NULL;
    if (!array_ready(x) || check_weights("fweights", fweights, x->shape[1]) != TSR_OK ||
        check_weights("aweights", aweights, x->shape[1]) != TSR_OK)
        return array_using(NULL, x);
    if (fweights) w = array_cast(fweights, TSR_F64);
    if (aweights) w = w ? apply(OP_MULTIPLY, w, array_cast(aweights, TSR_F64)) : array_cast(aweights, TSR_F64);
    if (w || (!fweights && !aweights)) result = covariance(x, w, aweights, ddof);
    node_unref(w);
    node_unref(x);
    return array_using(tsr_squeeze(result, 0, NULL), result);
}

static tsr_array *clipped(tsr_array *a)
{
    tsr_array *low = number(a, -1), *high = number(a, 1), *result = a ? tsr_clip(a, low, high) : NULL;
    node_unref(low);
    node_unref(high);
    return array_using(result, a);
}

tsr_array *tsr_corrcoef(tsr_array *x, tsr_array *y, bool rowvar)
{
    tsr_array *c = tsr_cov(x, y, rowvar, 1, NULL, NULL);
    if (!c) return NULL;
    if (c->ndim == 0) return apply(OP_DIVIDE, again(c), c);
    tsr_array *d = tsr_diagonal(c, 0, 0, 1), *deviation = through(tsr_sqrt, through(tsr_real, d));
    c = apply(OP_DIVIDE, c, deviation ? tsr_expand_dims(deviation, 1, (int[]){1}) : NULL);
    c = apply(OP_DIVIDE, c, again(deviation));
    node_unref(deviation);
    if (!c || !dtype_is_complex(c->dtype)) return clipped(c);
    tsr_array *re = clipped(tsr_real(c)), *im = clipped(tsr_imag(c));
    return array_using(apply(OP_COMPLEX_OF, re, im), c);
}

/* ---- Counting
 * -------------------------------------------------------------------------------------------------------------------- */

/* Least and greatest element, computed now. */
static tsr_status find_range(tsr_array *x, int64_t *low, int64_t *high)
{
    tsr_array *wide = array_cast(x, TSR_I64), *ends[2] = {tsr_min(wide, 0, NULL, false), tsr_max(wide, 0, NULL, false)};
    void *outs[2] = {low, high};
    tsr_status status = ends[0] && ends[1] ? x->session->compute(2, ends, outs) : tsr_error_code();
    node_unref(ends[0]);
    node_unref(ends[1]);
    node_unref(wide);
    return status;
}

tsr_array *tsr_bincount(tsr_array *x, tsr_array *weights, int64_t minlength)
{
    int64_t low = 0, high = -1;
    if (!array_ready(x)) return NULL;
    if (x->ndim != 1 || dtype_is_inexact(x->dtype) || minlength < 0) {
        (void)error_set(minlength < 0 ? TSR_ERR_VALUE : TSR_ERR_TYPE, "bincount: %s",
                        minlength < 0 ? "'minlength' must not be negative"
                                      : "needs a 1-d array of integers that are not negative");
        return NULL;
    }
    if (weights && array_resolve(weights) != TSR_OK) return NULL;
    if (weights && (weights->ndim != 1 || weights->shape[0] != x->shape[0])) {
        (void)error_set(TSR_ERR_VALUE, "bincount: the weights and the array do not have the same length");
        return NULL;
    }
    if (x->shape[0] > 0 && find_range(x, &low, &high) != TSR_OK) return NULL;
    if (low < 0) {
        (void)error_set(TSR_ERR_VALUE, "bincount: the array holds %" PRId64 ", its elements must not be negative", low);
        return NULL;
    }
    int64_t n = high + 1 > minlength ? high + 1 : minlength;
    if (n == 0) return tsr_zeros(x->session, weights ? TSR_F64 : TSR_I64, 1, &n, NULL);
    /* Bins of length 1 around the integers: every number falls into its own, exactly. */
    tsr_bins bins = {.n = n, .low = -0.5, .high = (double)n - 0.5};
    return weights ? tsr_histogram_weighted(x, weights, &bins, false) : tsr_histogram(x, &bins, false);
}

/* The edges of one dimension as an array. */
static tsr_array *edges_of(tsr_session *s, const tsr_bins *bins)
{
    int64_t n = bins->n + 1;
    double *edges = n > 0 ? mem_alloc(sizeof *edges * (size_t)n) : NULL;
    if (!edges && bins->n >= 1) return NULL;
    if (tsr_histogram_edges(bins, edges) != TSR_OK) {
        mem_free(edges);
        return NULL;
    }
    tsr_array *a = tsr_from_memory(s, edges, TSR_F64, 1, &n, NULL, mem_free, edges, NULL);
    if (!a) mem_free(edges);
    return a;
}

/* The number of the bin that each element falls into, -1 or n for none. The last edge belongs to the last bin. */
static tsr_array *bin_numbers(tsr_array *x, tsr_array *edges)
{
    tsr_array *typed = array_cast(x, TSR_F64), *right = typed ? tsr_searchsorted(edges, typed, true, NULL) : NULL;
    tsr_array *last = tsr_slice(edges, 1, (tsr_index[]){{.kind = TSR_INDEX_INTEGER, .start = -1}});
    tsr_array *on_edge = apply(OP_EQUAL, again(typed), last), *shift = array_cast(on_edge, TSR_I64);
    tsr_array *one = tsr_scalar_array(x->session, scalar_int(1)),
              *number_ = apply(OP_SUBTRACT, apply(OP_SUBTRACT, right, one), shift);
    node_unref(typed);
    node_unref(on_edge);
    return number_;
}

/* The flat number of the bin in C order; -1 where an element is outside along any dimension. All as float64, for the histogram.
 */
static tsr_array *flat_bins(int n, tsr_array *const *samples, const tsr_bins *bins, tsr_array **edges)
{
    tsr_array *flat = NULL, *inside = NULL;
    tsr_session *s = samples[0]->session;
    for (int d = 0; d < n; d++) {
        tsr_array *at = bin_numbers(samples[d], edges[d]);
        tsr_array *low = apply(OP_GREATER_EQUAL, again(at), tsr_scalar_array(s, scalar_int(0)));
        tsr_array *ok = apply(OP_LOGICAL_AND, low, apply(OP_LESS, again(at), tsr_scalar_array(s, scalar_int(bins[d].n))));
        inside = d == 0 ? ok : apply(OP_LOGICAL_AND, inside, ok);
        flat = d == 0 ? at : apply(OP_ADD, apply(OP_MULTIPLY, flat, tsr_scalar_array(s, scalar_int(bins[d].n))), at);
    }
    tsr_array *none = tsr_scalar_array(s, scalar_int(-1)), *chosen = inside && flat ? tsr_where(inside, flat, none) : NULL;
    tsr_array *used[] = {none, inside, flat};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return array_using(chosen ? array_cast(chosen, TSR_F64) : NULL, chosen);
}

/* counts / total / widths along every dimension; consumes counts. */
static tsr_array *density_of(tsr_array *counts, int n, tsr_array **edges)
{
    tsr_array *total = tsr_sum(counts, 0, NULL, false), *result = again(counts);
    for (int d = 0; d < n; d++) {
        int64_t shape[TSR_MAX_NDIM];
        tsr_array *widths = tsr_diff(edges[d], 1, 0);
        for (int k = 0; k < n; k++) shape[k] = k == d ? -1 : 1;
        tsr_array *along = widths ? tsr_reshape(widths, n, shape) : NULL;
        result = apply(OP_DIVIDE, result, along);
        node_unref(widths);
    }
    node_unref(counts);
    return apply(OP_DIVIDE, result, total);
}

static tsr_status check_samples(int n, tsr_array *const *samples, tsr_array *weights)
{
    if (n < 1 || n > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "histogramdd: %d dimensions, 1 to %d are possible", n, TSR_MAX_NDIM);
    for (int d = 0; d <= n; d++) {
        const tsr_array *x = d < n ? samples[d] : weights;
        if (d == n && !weights) continue;
        if (x->ndim != 1 || x->shape[0] != samples[0]->shape[0] || (d < n && dtype_is_complex(x->dtype)))
            return error_set(TSR_ERR_VALUE, "histogramdd: %s %d must be a 1-d array of real numbers, as long as the others",
                             d < n ? "sample" : "the weights, array", d);
    }
    return TSR_OK;
}

tsr_array *tsr_histogramdd(int n, tsr_array *const *samples, const tsr_bins *bins, tsr_array *weights, bool density)
{
    tsr_array *edges[TSR_MAX_NDIM] = {NULL}, *flat = NULL, *counts = NULL, *result = NULL;
    int64_t shape[TSR_MAX_NDIM], size = 1;
    for (int d = 0; d < n; d++)
        if (!array_ready(samples[d])) return NULL;
    if (weights && array_resolve(weights) != TSR_OK) return NULL;
    if (check_samples(n, samples, weights) != TSR_OK) return NULL;
    bool ready = true;
    for (int d = 0; d < n && ready; d++) {
        shape[d] = bins[d].n;
        ready = !__builtin_mul_overflow(size, bins[d].n, &size) && (edges[d] = edges_of(samples[0]->session, &bins[d]));
    }
    if (ready) flat = flat_bins(n, samples, bins, edges);
    tsr_bins all = {.n = size, .low = -0.5, .high = (double)size - 0.5};
    if (flat) counts = weights ? tsr_histogram_weighted(flat, weights, &all, false) : tsr_histogram(flat, &all, false);
    tsr_array *typed = counts ? array_cast(counts, TSR_F64) : NULL;
    if (typed) result = tsr_reshape(typed, n, shape);
    if (result && density) result = density_of(result, n, edges);
    tsr_array *used[] = {flat, counts, typed};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    for (int d = 0; d < n; d++) node_unref(edges[d]);
    return result;
}

tsr_array *tsr_histogram2d(tsr_array *x, tsr_array *y, const tsr_bins *x_bins, const tsr_bins *y_bins, tsr_array *weights,
                           bool density)
{
    return tsr_histogramdd(2, (tsr_array *[]){x, y}, (tsr_bins[]){*x_bins, *y_bins}, weights, density);
}
