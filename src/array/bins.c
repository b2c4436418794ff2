/* How many bins a histogram gets if it is to follow the data: NumPy's estimators of the width of a bin (Freedman and Diaconis
 * 1981, Scott 1979, Sturges 1926, Doane 1976, Stone 1984 ...), computed by the session from the elements in range. */
#include "array/build.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

/* Where the elements in [low, high] are, in one dimension; a new reference. */
static tsr_array *within(tsr_array *a, double low, double high)
{
    tsr_array *x = a->dtype == TSR_BOOL ? array_cast(a, TSR_U8) : node_ref(a), *from = tsr_scalar_like(x, scalar_float(low)),
              *to = tsr_scalar_like(x, scalar_float(high)), *after = NULL, *before = NULL, *both = NULL, *result = NULL;
    if (!dtype_is_inexact(x->dtype)) { /* bounds need not be integers */
        node_unref(from);
        node_unref(to);
        from = tsr_full(a->session, scalar_float(low), TSR_F64, 0, NULL, NULL);
        to = tsr_full(a->session, scalar_float(high), TSR_F64, 0, NULL, NULL);
    }
    after = tsr_greater_equal(x, from);
    before = tsr_less_equal(x, to);
    both = tsr_logical_and(after, before);
    result = tsr_mask(x, both);
    tsr_array *used[] = {x, from, to, after, before, both};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

/* Numbers of an array, computed together; consumes the arrays, which may have failed. Each is one number, cast to f64. */
static tsr_status numbers_of(tsr_session *session, int n, tsr_array **arrays, double *out)
{
    void *outs[8];
    tsr_status status = TSR_OK;
    for (int i = 0; i < n; i++) {
        arrays[i] = arrays[i] ? array_using(array_cast(arrays[i], TSR_F64), arrays[i]) : NULL;
        outs[i] = &out[i];
        if (!arrays[i]) status = tsr_error_code();
    }
    if (status == TSR_OK) status = session->compute(n, arrays, outs);
    for (int i = 0; i < n; i++) node_unref(arrays[i]);
    return status;
}

/* What the estimators look at: n > 0 elements x, of which these are the least and the greatest. */
typedef struct sample {
    tsr_array *x;
    double n, range, low, high; /* low, high: of the histogram */
} sample;

static tsr_status width_sqrt(const sample *s, double *out)
{
    *out = s->range / sqrt(s->n);
    return TSR_OK;
}

static tsr_status width_sturges(const sample *s, double *out)
{
    *out = s->range / (log2(s->n) + 1);
    return TSR_OK;
}

static tsr_status width_rice(const sample *s, double *out)
{
    *out = s->range / (2 * pow(s->n, 1.0 / 3));
    return TSR_OK;
}

static tsr_status width_scott(const sample *s, double *out)
{
    double spread;
    TRY(numbers_of(s->x->session, 1, (tsr_array *[]){tsr_std(s->x, 0, NULL, false, 0)}, &spread));
    *out = pow(24 * sqrt(3.141592653589793) / s->n, 1.0 / 3) * spread;
    return TSR_OK;
}

static tsr_status width_fd(const sample *s, double *out)
{
    double quartiles[2] = {0};
    void *to = quartiles;
    tsr_array *both = tsr_quantile_by(s->x, 2, (double[]){0.25, 0.75}, 0, NULL, false, &(tsr_quantile_options){.wide = true});
    tsr_status status = both ? s->x->session->compute(1, &both, &to) : tsr_error_code();
    node_unref(both);
    *out = 2 * (quartiles[1] - quartiles[0]) * pow(s->n, -1.0 / 3);
    return status;
}

static tsr_status width_doane(const sample *s, double *out)
{
    double mean_and_spread[2], skew;
    *out = 0;
    if (s->n <= 2) return TSR_OK;
    TRY(numbers_of(s->x->session, 2, (tsr_array *[]){tsr_mean(s->x, 0, NULL, false), tsr_std(s->x, 0, NULL, false, 0)},
                   mean_and_spread));
    if (!(mean_and_spread[1] > 0)) return TSR_OK;
    TRY(numbers_of(s->x->session, 1, (tsr_array *[]){tsr_moment(s->x, 3, 0, NULL, false, 0)}, &skew));
    const double g = skew / pow(mean_and_spread[1], 3), sigma = sqrt(6 * (s->n - 2) / ((s->n + 1) * (s->n + 3)));
    *out = s->range / (1 + log2(s->n) + log2(1 + fabs(g) / sigma));
    return TSR_OK;
}

/* The integrated squared error of a histogram of so many bins, but for what all have in common. */
static double stone_error(const sample *s, const int64_t *counts, int64_t n_bins)
{
    double sum = 0;
    for (int64_t i = 0; i < n_bins; i++) sum += (double)counts[i] / s->n * ((double)counts[i] / s->n);
    return (2 - (s->n + 1) * sum) / (s->range / (double)n_bins);
}

/* The number of bins with the least error, up to the root of the number of elements; histograms are made several at once. */
static tsr_status width_stone(const sample *s, double *out)
{
    enum { TOGETHER = 32 };
    const int64_t root = (int64_t)sqrt(s->n), most = root > 100 ? root : 100;
    int64_t best = 1;
    double least = INFINITY;
    *out = 0;
    if (s->n <= 1 || s->range == 0) return TSR_OK;
    int64_t *counts = mem_alloc(sizeof *counts * (size_t)(most * TOGETHER));
    tsr_status status = counts ? TSR_OK : TSR_ERR_MEMORY;
    for (int64_t first = 1; status == TSR_OK && first <= most; first += TOGETHER) {
        tsr_array *histograms[TOGETHER];
        void *outs[TOGETHER];
        int n = 0;
        for (; n < TOGETHER && first + n <= most && status == TSR_OK; n++) {
            outs[n] = counts + n * most;
            histograms[n] = tsr_histogram(s->x, &(tsr_bins){.n = first + n, .low = s->low, .high = s->high}, false);
            if (!histograms[n]) status = tsr_error_code();
        }
        if (status == TSR_OK) status = s->x->session->compute(n, histograms, outs);
        for (int i = 0; i < n; i++) {
            node_unref(histograms[i]);
            const double error = status == TSR_OK ? stone_error(s, outs[i], first + i) : INFINITY;
            if (error < least) least = error, best = first + i;
        }
    }
    mem_free(counts);
    *out = s->range / (double)best;
    return status;
}

/* Freedman and Diaconis', kept above half of "sqrt", or Sturges', the narrower. */
static tsr_status width_auto(const sample *s, double *out)
{
    double fd, sturges, root;
    TRY(width_fd(s, &fd));
    TRY(width_sturges(s, &sturges));
    TRY(width_sqrt(s, &root));
    if (fd < root / 2) fd = root / 2;
    *out = fd < sturges ? fd : sturges;
    return TSR_OK;
}

static const struct estimator {
    const char *name;
    tsr_status (*width)(const sample *s, double *out);
} estimators[] = {{"auto", width_auto},   {"doane", width_doane}, {"fd", width_fd},       {"rice", width_rice},
                  {"scott", width_scott}, {"sqrt", width_sqrt},   {"stone", width_stone}, {"sturges", width_sturges}};
enum { N_ESTIMATORS = sizeof estimators / sizeof *estimators };

static tsr_status estimate(const struct estimator *e, const sample *s, bool has_integers, int64_t *n)
{
    double width;
    TRY(e->width(s, &width));
    if (has_integers && width > 0 && width < 1) width = 1;
    *n = 1;
    if (width > 0) {
        const double bins = ceil((s->high - s->low) / width);
        if (!(bins <= 1e15)) return error_set(TSR_ERR_VALUE, "histogram: %g bins for this range are too many", bins);
        *n = bins > 1 ? (int64_t)bins : 1;
    }
    return TSR_OK;
}

tsr_status tsr_histogram_estimate(tsr_array *a, const char *estimator, double low, double high, int64_t *n)
{
    const struct estimator *e = estimators;
    if (!array_ready(a)) return tsr_error_code();
    while (e < estimators + N_ESTIMATORS && strcmp(e->name, estimator) != 0) e++;
    if (e == estimators + N_ESTIMATORS)
        return error_set(TSR_ERR_VALUE, "histogram: '%s' is not a valid estimator for `bins`", estimator);
    if (dtype_is_complex(a->dtype)) return error_set(TSR_ERR_TYPE, "histogram: not defined for %s", tsr_dtype_name(a->dtype));
    if (!isfinite(low) || !isfinite(high))
        return error_set(TSR_ERR_VALUE, "histogram: the range %g to %g is not finite", low, high);
    if (low == high) {
        low -= 0.5;
        high += 0.5;
    }
    tsr_array *x = within(a, low, high);
    if (!array_ready(x)) {
        node_unref(x);
        return tsr_error_code();
    }
    sample s = {.x = x, .n = (double)x->shape[0], .low = low, .high = high};
    double ends[2];
    tsr_status status = TSR_OK;
    *n = 1;
    if (x->shape[0] > 0) {
        status = numbers_of(x->session, 2, (tsr_array *[]){tsr_min(x, 0, NULL, false), tsr_max(x, 0, NULL, false)}, ends);
        s.range = ends[1] - ends[0];
        if (status == TSR_OK) status = estimate(e, &s, !dtype_is_inexact(x->dtype), n);
    }
    node_unref(x);
    return status;
}
