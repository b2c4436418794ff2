/* Reductions, order statistics, histograms and running sums. */
#include "cli/eval.h"

#include <math.h>
#include <string.h>

static tsr_status reduce_by_name(fn_call *c, const char *name, int keepdims_at, int ddof_at, value *out)
{
    tsr_variable *x;
    dim_list dims;
    bool keepdims = false;
    double ddof = 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    if (ddof_at > 0) TRY(arg_double(c, ddof_at, &ddof));
    TRY(arg_bool(c, keepdims_at, &keepdims));
    return value_take(tsr_variable_reduce(x, name, dims.n, dims.names, ddof, keepdims), out);
}

static tsr_status run_reduce(fn_call *c, value *out)
{
    /* groupby(...) handles its own methods; max(a, b) is a common slip. */
    static const char *const others[][2] = {{"amax", "max"}, {"amin", "min"}, {"count", "count_valid"}};
    const char *name = c->f->name;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i][0]) == 0) name = others[i][1];
    return reduce_by_name(c, name, 2, 0, out);
}

static tsr_status run_spread(fn_call *c, value *out) { return reduce_by_name(c, c->f->name, 3, 2, out); }

/* Names, coordinates and units of quantiles are those of a median. */
static tsr_status take_reduced(tsr_variable *x, const dim_list *dims, bool keepdims, tsr_array *a, value *out)
{
    tsr_variable *median = tsr_variable_reduce(x, "median", dims->n, dims->names, 0, keepdims);
    median = tsr_variable_set_text(median, "cell_methods", tsr_variable_text(x, "cell_methods")); /* CF has no word for them */
    if (!median) return tsr_error_code();
    return value_take_like(median, a, out);
}

/* x minus its mean over the dimensions. */
static tsr_variable *deviation(tsr_variable *x, const dim_list *dims)
{
    return tsr_variable_apply("subtract", 2,
                              (tsr_variable *[]){x, tsr_variable_reduce(x, "mean", dims->n, dims->names, 0, false)});
}

/* cov: the mean product of the deviations, n - ddof instead of n; corr: that over both standard deviations (ddof has no part). */
static tsr_status run_together(fn_call *c, value *out)
{
    tsr_variable *x, *y;
    dim_list dims;
    double ddof = 1;
    bool is_corr = strcmp(c->f->name, "corr") == 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_variable(c, 1, &y));
    TRY(arg_dims(c, 2, x, &dims));
    if (!is_corr) TRY(arg_double(c, 3, &ddof));
    tsr_variable *product = tsr_variable_apply("multiply", 2, (tsr_variable *[]){deviation(x, &dims), deviation(y, &dims)});
    if (!is_corr) {
        tsr_variable *sum = tsr_variable_reduce(product, "sum", dims.n, dims.names, 0, false);
        if (!sum) return tsr_error_code();
        double n = 1;
        for (int d = 0; d < tsr_variable_ndim(x); d++) {
            bool is_reduced = dims.n == 0;
            for (int k = 0; k < dims.n; k++) is_reduced = is_reduced || dims.axes[k] == d;
            if (is_reduced) n *= (double)tsr_variable_shape(x)[d];
        }
        tsr_session *session;
        TRY(evaluator_session(c->e, &session));
        return value_take(
            tsr_variable_apply("divide", 2, (tsr_variable *[]){sum, tsr_variable_scalar(session, tsr_float(n - ddof))}), out);
    }
    tsr_variable *mean = tsr_variable_reduce(product, "mean", dims.n, dims.names, 0, false);
    tsr_variable *spread = tsr_variable_apply("multiply", 2,
                                              (tsr_variable *[]){tsr_variable_reduce(x, "std", dims.n, dims.names, 0, false),
                                                                 tsr_variable_reduce(y, "std", dims.n, dims.names, 0, false)});
    return value_take(tsr_variable_apply("divide", 2, (tsr_variable *[]){mean, spread}), out);
}

/* Several quantiles: a new first dimension "quantile", beside the names that are left. */
static tsr_status take_quantiles(evaluator *e, tsr_variable *x, const dim_list *dims, bool keepdims, tsr_array *a, int64_t n_q,
                                 const double *q, value *out)
{
    const char *names[TSR_MAX_NDIM] = {"quantile"};
    tsr_session *session;
    tsr_variable *template = tsr_variable_reduce(x, "any", dims->n, dims->names, 0, keepdims);
    if (!template) return tsr_error_code();
    if (!a) return tsr_error_code();
    for (int d = 0; d + 1 < TSR_MAX_NDIM && d < tsr_variable_ndim(template); d++) names[d + 1] = tsr_variable_dim(template, d);
    TRY(value_take_dims(template, a, names, out));
    TRY(evaluator_session(e, &session));
    const char *dim = "quantile";
    tsr_array *labels =
        tsr_from_memory(session, q, TSR_F64, 1, &n_q, NULL, NULL, NULL, NULL); /* q lives in the arena, longer than the session */
    if (!labels) return tsr_error_code();
    return value_take(tsr_variable_set_coord(out->variable, "quantile", tsr_variable_new("quantile", labels, &dim)), out);
}

/* Weights with the dimensions of x, by name. */
static tsr_status spread_weights(fn_call *c, int at, tsr_variable *x, tsr_array **out)
{
    tsr_variable *weights;
    tsr_session *session;
    value zeros;
    TRY(arg_variable(c, at, &weights));
    TRY(evaluator_session(c->e, &session));
    const int ndim = tsr_variable_ndim(x);
    TRY(value_take_like(x, tsr_zeros(session, TSR_F64, ndim, tsr_variable_shape(x), NULL), &zeros));
    tsr_variable *full = tsr_variable_apply("add", 2, (tsr_variable *[]){zeros.variable, weights});
    if (full && tsr_variable_ndim(full) != ndim)
        return fail_here(c->e, arg_place(c, at),
                         error_set(TSR_ERR_VALUE, "%s: the weights have a dimension that the array has not", c->name));
    *out = full ? tsr_variable_array(full) : NULL;
    return *out ? TSR_OK : tsr_error_code();
}

static tsr_status run_quantile(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    bool keepdims = false;
    tsr_quantile_options options = {.skip_nan = strncmp(c->f->name, "nan", 3) == 0};
    int64_t n_q;
    double *q, scale = strstr(c->f->name, "percentile") ? 100 : 1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_doubles(c, 1, &n_q, &q));
    TRY(arg_dims(c, 2, x, &dims));
    TRY(arg_bool(c, 3, &keepdims));
    TRY(arg_text(c, 4, &options.method));
    if (arg_given(c, 5)) TRY(spread_weights(c, 5, x, &options.weights));
    for (int64_t i = 0; i < n_q; i++) {
        if (!(q[i] >= 0 && q[i] <= scale))
            return fail_here(c->e, arg_place(c, 1),
                             error_set(TSR_ERR_VALUE, "%s must lie between 0 and %g, found %g", c->name, scale, q[i]));
        q[i] /= scale;
    }
    value given;
    TRY(arg_value(c, 1, &given));
    tsr_array *a = tsr_variable_array(x);
    const int *axes = dims.n ? dims.axes : NULL;
    a = tsr_quantile_by(a, (int)n_q, q, dims.n, axes, keepdims, &options);
    if (given.kind == VALUE_LIST) return take_quantiles(c->e, x, &dims, keepdims, a, n_q, q, out);
    return take_reduced(x, &dims, keepdims, a ? tsr_squeeze(a, 1, (int[]){0}) : NULL, out);
}

static tsr_status run_cumulate(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    if (dims.n > 1) return fail_here(c->e, arg_place(c, 1), error_set(TSR_ERR_VALUE, "%s runs along one dimension", c->name));
    if (dims.n == 1) return value_take(tsr_variable_cumulate(x, c->f->name, dims.names[0]), out);
    tsr_array *flat = tsr_ravel(tsr_variable_array(x));
    tsr_variable *v = flat ? tsr_variable_new(NULL, flat, NULL) : NULL;
    return value_take(v ? tsr_variable_cumulate(v, c->f->name, "0") : NULL, out);
}

/* reduce, accumulate: any operation of two operands. */
static tsr_status run_fold(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    bool keepdims = false;
    const char *operation;
    tsr_fold_options options = {0};
    TRY(arg_variable(c, 0, &x));
    TRY(arg_text(c, 1, &operation));
    TRY(arg_dims(c, 2, x, &dims));
    TRY(arg_bool(c, 3, &keepdims));
    if (arg_given(c, 4)) TRY(arg_array(c, 4, &options.initial));
    if (arg_given(c, 5)) TRY(arg_array(c, 5, &options.where));
    const int *axes = dims.n ? dims.axes : NULL;
    tsr_array *a = tsr_fold(operation, tsr_variable_array(x), dims.n, axes, keepdims, &options);
    if (!a) return tsr_error_code();
    tsr_variable *like = tsr_variable_reduce(x, "any", dims.n, dims.names, 0, keepdims);
    return like ? value_take_like(like, a, out) : tsr_error_code();
}

static tsr_status run_accumulate(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    const char *operation;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_text(c, 1, &operation));
    TRY(arg_dims(c, 2, x, &dims));
    if (dims.n != 1 && tsr_variable_ndim(x) != 1)
        return fail_here(c->e, arg_place(c, 2), error_set(TSR_ERR_VALUE, "accumulate runs along one dimension"));
    tsr_array *a = tsr_accumulate(operation, tsr_variable_array(x), dims.n ? dims.axes[0] : 0, NULL);
    return a ? value_take_like(x, a, out) : tsr_error_code();
}

static tsr_status run_weighted_mean(fn_call *c, value *out)
{
    tsr_variable *x, *weights;
    dim_list dims;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_variable(c, 1, &weights));
    TRY(arg_dims(c, 2, x, &dims));
    return value_take(tsr_variable_weighted_mean(x, weights, dims.n, dims.names), out);
}

/* NumPy's order of arguments: average(x, axis, weights). */
static tsr_status run_average(fn_call *c, value *out)
{
    tsr_variable *x, *weights;
    dim_list dims;
    if (!arg_given(c, 2)) return reduce_by_name(c, "mean", 3, 0, out);
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    TRY(arg_variable(c, 2, &weights));
    return value_take(tsr_variable_weighted_mean(x, weights, dims.n, dims.names), out);
}

/* ---- Histograms -------------------------------------------------------------------------------------------------- */

/* The range of the data, computed now. */
static tsr_status find_range(fn_call *c, tsr_array *a, tsr_bins *bins)
{
    double ends[2];
    if (!c->e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "histogram needs range=(low, high) here");
    if (tsr_size(a) == 0) {
        bins->low = 0;
        bins->high = 1;
        return TSR_OK;
    }
    tsr_array *pair[2] = {tsr_astype(tsr_min(a, 0, NULL, false), TSR_F64), tsr_astype(tsr_max(a, 0, NULL, false), TSR_F64)};
    if (!pair[0] || !pair[1]) return tsr_error_code();
    TRY(tsr_compute(2, pair, (void *[]){&ends[0], &ends[1]}));
    if (!isfinite(ends[0]) || !isfinite(ends[1]))
        return error_set(TSR_ERR_VALUE, "the data's range is not finite (%g to %g); give range=(low, high)", ends[0], ends[1]);
    bins->low = ends[0] == ends[1] ? ends[0] - 0.5 : ends[0];
    bins->high = ends[0] == ends[1] ? ends[1] + 0.5 : ends[1];
    return TSR_OK;
}

/* A list of numbers, or the elements of a vector, which are computed. */
static tsr_status read_numbers(fn_call *c, const value *v, int64_t *n, double **out)
{
    bool is_list = v->kind == VALUE_LIST;
    tsr_array *a = is_list ? NULL : tsr_astype(tsr_variable_array(v->variable), TSR_F64);
    if (!is_list && !a) return tsr_error_code();
    if (!is_list && tsr_ndim(a) != 1) return error_set(TSR_ERR_VALUE, "bins must be a number or a one-dimensional list of edges");
    if (!is_list && !c->e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "bins must be given as numbers here");
    *n = is_list ? v->n_items : tsr_size(a);
    if (!(*out = ARENA_ARRAY(&c->e->memory, double, *n ? *n : 1))) return TSR_ERR_MEMORY;
    if (!is_list) return tsr_compute_into(a, *out, (size_t)*n * sizeof **out);
    for (int64_t k = 0; k < *n; k++) TRY(value_to_double(c->e, &v->items[k], &(*out)[k]));
    return TSR_OK;
}

/* What says the bins of one histogram, or of one dimension: the array, a number, edges or a name, and maybe (low, high). */
static tsr_status read_bins(fn_call *c, tsr_array *a, const value *v, const value *range, tsr_bins *bins)
{
    if (v->kind == VALUE_LIST || v->kind == VALUE_VARIABLE) {
        double *edges = NULL;
        int64_t n = 0;
        TRY(read_numbers(c, v, &n, &edges));
        *bins = (tsr_bins){.n = n - 1, .edges = edges};
        return TSR_OK;
    }
    bool is_name = v->kind == VALUE_STRING;
    if (is_name && !c->e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "bins must be a number or edges here");
    if (!is_name) TRY(value_to_int(c->e, v, &bins->n));
    if (!is_name && (bins->n < 1 || bins->n > 10000000))
        return error_set(TSR_ERR_VALUE, "bins must be between 1 and 10000000, found %lld", (long long)bins->n);
    if (range->kind == VALUE_NONE) {
        TRY(find_range(c, a, bins));
    } else {
        if (range->kind != VALUE_LIST || range->n_items != 2)
            return error_set(TSR_ERR_VALUE, "range needs two numbers, (low, high)");
        TRY(value_to_double(c->e, &range->items[0], &bins->low));
        TRY(value_to_double(c->e, &range->items[1], &bins->high));
    }
    return is_name ? tsr_histogram_estimate(a, v->text, bins->low, bins->high, &bins->n) : TSR_OK;
}

static tsr_status take_edges(fn_call *c, const tsr_bins *bins, value *out)
{
    int64_t n = bins->n + 1;
    tsr_session *session;
    double *edges = ARENA_ARRAY(&c->e->memory, double, n);
    if (!edges) return TSR_ERR_MEMORY;
    TRY(tsr_histogram_edges(bins, edges));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(tsr_from_memory(session, edges, TSR_F64, 1, &n, NULL, NULL, NULL, NULL), out);
}

/* (counts, edges), as NumPy returns them. */
static tsr_status run_histogram(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_array *weights = NULL, *a;
    tsr_bins bins = {0};
    bool density = false;
    value v = value_number(tsr_int(10)), range = {0};
    TRY(arg_variable(c, 0, &x));
    a = tsr_variable_array(x);
    if (arg_given(c, 1)) TRY(arg_value(c, 1, &v));
    if (arg_given(c, 2)) TRY(arg_value(c, 2, &range));
    TRY(fail_here(c->e, arg_place(c, range.kind == VALUE_NONE ? 1 : 2), read_bins(c, a, &v, &range, &bins)));
    TRY(arg_bool(c, 3, &density));
    if (arg_given(c, 4)) TRY(arg_array(c, 4, &weights));
    tsr_array *counts = weights ? tsr_histogram_weighted(a, weights, &bins, density) : tsr_histogram(a, &bins, density);
    if (!counts) return tsr_error_code();
    *out = (value){.kind = VALUE_LIST, .is_tuple = true, .n_items = 2, .items = ARENA_ARRAY(&c->e->memory, value, 2)};
    if (!out->items) return TSR_ERR_MEMORY;
    TRY(value_take_array(counts, &out->items[0]));
    return take_edges(c, &bins, &out->items[1]);
}

/* (counts, edges of x, edges of y); bins and range are of both, or a pair. */
static tsr_status run_histogram2d(fn_call *c, value *out)
{
    tsr_array *samples[2], *weights = NULL;
    tsr_bins bins[2] = {{0}};
    bool density = false;
    value v = value_number(tsr_int(10)), range = {0}, none = {0};
    TRY(arg_array(c, 0, &samples[0]));
    TRY(arg_array(c, 1, &samples[1]));
    if (arg_given(c, 2)) TRY(arg_value(c, 2, &v));
    if (arg_given(c, 3)) TRY(arg_value(c, 3, &range));
    TRY(arg_bool(c, 4, &density));
    if (arg_given(c, 5)) TRY(arg_array(c, 5, &weights));
    if (range.kind != VALUE_NONE && (range.kind != VALUE_LIST || range.n_items != 2))
        return fail_here(c->e, arg_place(c, 3), error_set(TSR_ERR_VALUE, "range needs two pairs, ((low, high), (low, high))"));
    bool is_pair = v.kind == VALUE_LIST && v.n_items == 2;
    for (int d = 0; d < 2; d++)
        TRY(fail_here(
            c->e, arg_place(c, 2),
            read_bins(c, samples[d], is_pair ? &v.items[d] : &v, range.kind == VALUE_LIST ? &range.items[d] : &none, &bins[d])));
    *out = (value){.kind = VALUE_LIST, .is_tuple = true, .n_items = 3, .items = ARENA_ARRAY(&c->e->memory, value, 3)};
    if (!out->items) return TSR_ERR_MEMORY;
    TRY(value_take_array(tsr_histogram2d(samples[0], samples[1], &bins[0], &bins[1], weights, density), &out->items[0]));
    TRY(take_edges(c, &bins[0], &out->items[1]));
    return take_edges(c, &bins[1], &out->items[2]);
}

#define AXES "x, axis|dim=None, keepdims=False"
#define AXES_DDOF "x, axis|dim=None, ddof=0, keepdims=False"
#define QUANTILES "x, q, axis|dim=None, keepdims=False, method='linear', weights=None"

const function reduce_functions[] = {
    {"sum", AXES, "sum; dimensions by name or number: sum(x, time), sum(x, (0, 1))", run_reduce},
    {"prod", AXES, "product", run_reduce},
    {"min", AXES, "least value", run_reduce},
    {"max", AXES, "greatest value", run_reduce},
    {"amin", AXES, "least value", run_reduce},
    {"amax", AXES, "greatest value", run_reduce},
    {"ptp", AXES, "max - min", run_reduce},
    {"any", AXES, "is any element not zero?", run_reduce},
    {"all", AXES, "is no element zero?", run_reduce},
    {"count_nonzero", AXES, "number of elements that are not zero", run_reduce},
    {"count", AXES, "number of elements that are not NaN", run_reduce},
    {"mean", AXES, "mean", run_reduce},
    {"var", AXES_DDOF, "variance, divided by n - ddof", run_spread},
    {"std", AXES_DDOF, "standard deviation", run_spread},
    {"argmin", AXES, "position of the least value", run_reduce},
    {"argmax", AXES, "position of the greatest value", run_reduce},
    {"median", AXES, "median", run_reduce},
    {"nansum", AXES, "sum without NaN; and so on", run_reduce},
    {"nanprod", AXES, "product without NaN", run_reduce},
    {"nanmin", AXES, "least value without NaN", run_reduce},
    {"nanmax", AXES, "greatest value without NaN", run_reduce},
    {"nanmean", AXES, "mean without NaN", run_reduce},
    {"nanvar", AXES_DDOF, "variance without NaN", run_spread},
    {"nanstd", AXES_DDOF, "standard deviation without NaN", run_spread},
    {"nanargmin", AXES, "position of the least value without NaN", run_reduce},
    {"nanargmax", AXES, "position of the greatest value without NaN", run_reduce},
    {"nanmedian", AXES, "median without NaN", run_reduce},
    {"quantile", QUANTILES, "quantiles, q between 0 and 1; NumPy's methods: quantile(x, 0.9, time, method=\"lower\")",
     run_quantile},
    {"nanquantile", QUANTILES, "quantiles without NaN", run_quantile},
    {"percentile", QUANTILES, "quantiles, q between 0 and 100", run_quantile},
    {"nanpercentile", QUANTILES, "percentiles without NaN", run_quantile},
    {"average", "x, axis|dim=None, weights=None, keepdims=False", "weighted mean in NumPy's order of arguments", run_average},
    {"weighted_mean", "x, weights, axis|dim=None", "sum(x * weights) / sum(weights) over the elements that are not NaN",
     run_weighted_mean},
    {"cov", "x, y, axis|dim=None, ddof=1", "covariance of two arrays: cov(x, y, time)", run_together},
    {"corr", "x, y, axis|dim=None", "correlation of two arrays: corr(x, y, time)", run_together},
    {"histogram", "x, bins=10, range=None, density=False, weights=None", "counts and edges; bins may be \"auto\", \"fd\" ...",
     run_histogram},
    {"histogram2d", "x, y, bins=10, range=None, density=False, weights=None",
     "counts of points by two coordinates, and the edges of both; bins and range for both, or a pair", run_histogram2d},
    {"reduce", "x, operation, axis|dim=None, keepdims=False, initial=None, where=None",
     "NumPy's ufunc.reduce: reduce(x, \"bitwise_or\", time); subtract, divide ... along one dimension, in its order", run_fold},
    {"accumulate", "x, operation, axis|dim=None", "the same with all that there is on the way: accumulate(x, \"maximum\", time)",
     run_accumulate},
    {"cumsum", "x, axis|dim=None", "running sum", run_cumulate},
    {"cumprod", "x, axis|dim=None", "running product", run_cumulate},
    {"nancumsum", "x, axis|dim=None", "running sum, NaN as 0", run_cumulate},
    {"nancumprod", "x, axis|dim=None", "running product, NaN as 1", run_cumulate},
    {0},
};
