/* Reductions by dimension name. The coordinates of the dimensions that go, go too. */
#include "dataset/reduce.h"

#include "base/mem.h"
#include "base/names.h"
#include "dataset/align.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef tsr_array *(*reduce_function)(tsr_array *a, int n_axes, const int *axes, bool keepdims);

/* What a reduction does to the quantity: the units stay, or the result counts or is otherwise another quantity. */
typedef struct reduction {
    const char *name;
    const char *cell_method; /* CF conventions, appendix E; NULL: none */
    bool keeps_units;
    reduce_function function; /* NULL: with ddof */
} reduction;

static const reduction reductions[] = {
    {"sum", "sum", true, tsr_sum},
    {"prod", NULL, false, tsr_prod},
    {"min", "minimum", true, tsr_min},
    {"amin", "minimum", true, tsr_min},
    {"max", "maximum", true, tsr_max},
    {"amax", "maximum", true, tsr_max},
    {"ptp", "range", true, tsr_ptp},
    {"any", NULL, false, tsr_any},
    {"all", NULL, false, tsr_all},
    {"count_nonzero", NULL, false, tsr_count_nonzero},
    {"count", NULL, false, tsr_count_valid},
    {"count_valid", NULL, false, tsr_count_valid},
    {"mean", "mean", true, tsr_mean},
    {"median", "median", true, tsr_median},
    {"argmin", NULL, false, tsr_argmin},
    {"argmax", NULL, false, tsr_argmax},
    {"nansum", "sum", true, tsr_nansum},
    {"nanprod", NULL, false, tsr_nanprod},
    {"nanmin", "minimum", true, tsr_nanmin},
    {"nanmax", "maximum", true, tsr_nanmax},
    {"nanmean", "mean", true, tsr_nanmean},
    {"nanmedian", "median", true, tsr_nanmedian},
    {"nanargmin", NULL, false, tsr_nanargmin},
    {"nanargmax", NULL, false, tsr_nanargmax},
    {"var", "variance", false, NULL},
    {"std", "standard_deviation", true, NULL},
    {"nanvar", "variance", false, NULL},
    {"nanstd", "standard_deviation", true, NULL},
};
enum { N_REDUCTIONS = sizeof reductions / sizeof *reductions };

static const reduction *find_reduction(const char *name)
{
    const char *names[N_REDUCTIONS];
    char hint[600];
    for (int i = 0; i < N_REDUCTIONS; i++) {
        names[i] = reductions[i].name;
        if (!strcmp(name, names[i])) return &reductions[i];
    }
    (void)error_set(TSR_ERR_NOT_FOUND, "there is no reduction '%s'%s", name,
                    names_hint(name, N_REDUCTIONS, names, hint, sizeof hint));
    return NULL;
}

tsr_status reduce_check(const char *name) { return find_reduction(name) ? TSR_OK : TSR_ERR_NOT_FOUND; }

tsr_array *reduce_array(tsr_array *a, const char *name, int n_axes, const int *axes, bool keepdims, double ddof)
{
    const reduction *r = find_reduction(name);
    const int none = 0;
    if (!r || !a) return NULL;
    if (!axes) axes = &none;                             /* NULL would mean all of them */
    const bool is_all = n_axes > 1 && n_axes == a->ndim; /* which argmin and argmax want to be told so */
    if (r->function) return r->function(a, is_all ? 0 : n_axes, is_all ? NULL : axes, keepdims);
    bool skips = !strncmp(name, "nan", 3), variance = !strcmp(name, "var") || !strcmp(name, "nanvar");
    if (skips) return variance ? tsr_nanvar(a, n_axes, axes, keepdims, ddof) : tsr_nanstd(a, n_axes, axes, keepdims, ddof);
    return variance ? tsr_var(a, n_axes, axes, keepdims, ddof) : tsr_std(a, n_axes, axes, keepdims, ddof);
}

/* Appends "lat: lon: mean" to what cell_methods says already. */
static tsr_status append_cell_method(attrs *a, const char *method, int n_dims, const char *const *dims)
{
    strbuf b = {0};
    const char *before = attrs_text(a, "cell_methods");
    int named = 0;
    if (before && *before) strbuf_printf(&b, "%s ", before);
    for (int i = 0; i < n_dims; i++)
        if (dims[i]) strbuf_printf(&b, "%s: ", dims[i]), named++;
    strbuf_add(&b, method);
    char *text = strbuf_take(&b);
    if (!text) return TSR_ERR_MEMORY;
    tsr_status status = named ? attrs_set_text(a, "cell_methods", text) : TSR_OK;
    mem_free(text);
    return status;
}

tsr_status reduce_attributes(tsr_variable *v, const char *name, int n_dims, const char *const *dims)
{
    const reduction *r = find_reduction(name);
    if (!r) return TSR_ERR_NOT_FOUND;
    static const char *const limits[] = {"valid_min", "valid_max", "valid_range", "actual_range", "bounds", "axis"};
    attrs *a;
    TRY(variable_own_attrs(v, &a));
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) attrs_remove(a, limits[i]);
    if (!r->keeps_units) {
        attrs_remove(a, "units");
        attrs_remove(a, "standard_name");
    }
    variable_find_time(v);
    return r->cell_method ? append_cell_method(a, r->cell_method, n_dims, dims) : TSR_OK;
}

/* Axes of the dimensions; n_dims 0: all. */
static tsr_status find_axes(const tsr_variable *v, int n_dims, const char *const *dims, int *n_axes, int *axes)
{
    unsigned seen = 0;
    *n_axes = 0;
    if (n_dims > TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "%d dimensions are more than there can be", n_dims);
    for (int d = 0; n_dims == 0 && d < v->ndim; d++) axes[(*n_axes)++] = d;
    for (int i = 0; i < n_dims; i++) {
        TRY(variable_axis(v, dims[i], &axes[*n_axes]));
        if (seen & 1u << axes[*n_axes]) return error_set(TSR_ERR_VALUE, "the dimension '%s' is named twice", dims[i]);
        seen |= 1u << axes[(*n_axes)++];
    }
    return TSR_OK;
}

/* Drops the axes from v, or (keepdims) leaves them with length 1; their coordinates go. */
static tsr_status drop_axes(tsr_variable *v, int n_axes, const int *axes, bool keepdims)
{
    unsigned gone = 0;
    for (int i = 0; i < n_axes; i++) gone |= 1u << axes[i];
    for (int c = v->n_coords - 1; c >= 0; c--)
        for (int d = 0; d < v->ndim; d++)
            if (gone & 1u << d && v->dims[d] && variable_find_dim(v->coords[c], v->dims[d]) >= 0) {
                variable_remove_coord(v, v->coords[c]->name);
                break;
            }
    for (int d = v->ndim - 1; d >= 0; d--) {
        if (!(gone & 1u << d)) continue;
        if (keepdims)
            v->shape[d] = 1;
        else
            variable_drop_dim(v, d);
    }
    return TSR_OK;
}

/* The variable with the axes reduced to `value`, whose reference is taken, also on failure. */
static tsr_status reduced_variable(const tsr_variable *v, const char *name, int n_axes, const int *axes, bool keepdims,
                                   tsr_array *take_value, tsr_variable **out)
{
    TRY(array_status(take_value));
    const char *dims[TSR_MAX_NDIM];
    for (int i = 0; i < n_axes; i++) dims[i] = v->dims[axes[i]];
    tsr_variable *r = NULL;
    tsr_status status = TSR_OK;
    GUARD(variable_clone(v, &r));
    GUARD(drop_axes(r, n_axes, axes, keepdims));
    variable_take_array(r, take_value);
    take_value = NULL;
    r->is_weak = false;
    r->role = ROLE_DATA;
    GUARD(reduce_attributes(r, name, n_axes, dims));
    *out = r;
    r = NULL;
done:
    tsr_release(take_value);
    variable_unref(r);
    return status;
}

tsr_variable *tsr_variable_reduce(tsr_variable *v, const char *name, int n_dims, const char *const *dims, double ddof,
                                  bool keepdims)
{
    if (!v) return NULL;
    int axes[TSR_MAX_NDIM], n_axes;
    tsr_variable *out = NULL;
    if (!find_reduction(name) || find_axes(v, n_dims, dims, &n_axes, axes) != TSR_OK) return NULL;
    tsr_array *a = variable_array(v), *value = reduce_array(a, name, n_axes, axes, keepdims, ddof);
    tsr_release(a);
    return variable_result(reduced_variable(v, name, n_axes, axes, keepdims, value, &out), &out);
}

tsr_variable *tsr_variable_quantile(tsr_variable *v, int n_q, const double *q, int n_dims, const char *const *dims,
                                    const tsr_quantile_options *options)
{
    if (!v) return NULL;
    int axes[TSR_MAX_NDIM], n_axes;
    tsr_variable *out = NULL;
    labels *levels = NULL;
    tsr_variable *coord = NULL;
    tsr_array *a = NULL, *value = NULL;
    tsr_status status;
    GUARD(find_axes(v, n_dims, dims, &n_axes, axes));
    a = variable_array(v);
    value = tsr_quantile_by(a, n_q, q, n_axes, axes, false, options);
    GUARD(array_status(value));
    GUARD(variable_clone(v, &out));
    GUARD(drop_axes(out, n_axes, axes, false));
    /* The quantiles come first: the new dimension is added at the end and moved to the front. */
    GUARD(variable_add_dim(out, "quantile", n_q));
    char *name = out->dims[out->ndim - 1];
    memmove(&out->dims[1], &out->dims[0], (size_t)(out->ndim - 1) * sizeof(char *));
    out->dims[0] = name;
    variable_take_array(out, node_ref(value));
    out->role = ROLE_DATA;
    GUARD(variable_new(v->session, "quantile", &coord));
    GUARD(variable_add_dim(coord, "quantile", n_q));
    GUARD(labels_from_doubles(n_q, q, &levels));
    variable_take_labels(coord, levels);
    coord->role = ROLE_COORD;
    GUARD(variable_add_coord(out, coord));
done:
    tsr_release(a);
    tsr_release(value);
    variable_unref(coord);
    if (status != TSR_OK) variable_unref(out);
    return variable_result(status, &out);
}

/* ---- Weighted mean ---- */

/* sum(x * w) and sum(w), where x is not NaN. x and w are aligned to each other; new references. */
static void weighted_sums(tsr_array *x, tsr_array *w, bool has_nan, int n_axes, const int *axes, tsr_array **sum,
                          tsr_array **total)
{
    tsr_array *product = tsr_multiply(x, w), *weight = NULL;
    if (has_nan) {
        tsr_array *missing = tsr_isnan(x),
                  *zero = product ? tsr_full(tsr_session_of(product), tsr_int(0), tsr_dtype_of(product), 0, NULL, NULL) : NULL;
        tsr_array *no_weight = w ? tsr_full(tsr_session_of(w), tsr_int(0), tsr_dtype_of(w), 0, NULL, NULL) : NULL;
        tsr_array *kept = tsr_where(missing, zero, product);
        weight = tsr_where(missing, no_weight, w);
        tsr_array *const temporary[] = {missing, zero, no_weight, product};
        for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++) tsr_release(temporary[i]);
        product = kept;
    } else
        weight = product ? tsr_broadcast_to(w, tsr_ndim(product), tsr_shape(product)) : NULL;
    *sum = reduce_array(product, "sum", n_axes, axes, false, 0);
    *total = reduce_array(weight, "sum", n_axes, axes, false, 0);
    tsr_release(product);
    tsr_release(weight);
}

/* sum / total, NaN where the weights are zero together. */
static tsr_array *weighted_quotient(tsr_array *sum, tsr_array *total)
{
    tsr_array *quotient = tsr_divide(sum, total), *zero = total ? tsr_scalar_like(total, tsr_int(0)) : NULL,
              *nan = quotient ? tsr_scalar_like(quotient, tsr_float(NAN)) : NULL, *none = tsr_equal(total, zero),
              *result = tsr_where(none, nan, quotient), *const used[] = {quotient, zero, nan, none};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) tsr_release(used[i]);
    return result;
}

static tsr_status weighted_mean(tsr_variable *v, tsr_variable *weights, int n_dims, const char *const *dims, tsr_variable **out)
{
    tsr_variable *const operands[] = {v, weights};
    tsr_variable *aligned = NULL;
    tsr_array *x = NULL, *w = NULL, *sum = NULL, *total = NULL, *arrays[2] = {0};
    int map[2][TSR_MAX_NDIM] = {{0}}, axes[TSR_MAX_NDIM], n_axes;
    alignment a;
    tsr_status status;
    GUARD(align_dims(2, operands, &a, map));
    for (int i = 0; i < 2; i++) {
        tsr_array *plain = variable_array(operands[i]);
        arrays[i] = align_array(plain, &a, map[i]);
        tsr_release(plain);
        GUARD(array_status(arrays[i]));
    }
    x = tsr_broadcast_to(arrays[0], a.ndim, a.shape);
    w = tsr_retain(arrays[1]);
    GUARD(array_status(x));
    GUARD(variable_new(v->session, v->name, &aligned));
    for (int d = 0; d < a.ndim; d++) GUARD(variable_add_dim(aligned, a.dims[d], a.shape[d]));
    GUARD(align_coords(aligned, 2, operands));
    attrs_unref(aligned->attrs);
    aligned->attrs = attrs_ref(v->attrs);
    GUARD(find_axes(aligned, n_dims, dims, &n_axes, axes));
    weighted_sums(x, w, dtype_is_inexact(v->dtype), n_axes, axes, &sum, &total);
    GUARD(reduced_variable(aligned, "mean", n_axes, axes, false, weighted_quotient(sum, total), out));
done:
    variable_unref(aligned);
    tsr_array *const temporary[] = {x, w, sum, total, arrays[0], arrays[1]};
    for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++) tsr_release(temporary[i]);
    return status;
}

tsr_variable *tsr_variable_weighted_mean(tsr_variable *v, tsr_variable *weights, int n_dims, const char *const *dims)
{
    if (!v || !weights) return NULL;
    tsr_variable *out = NULL;
    return variable_result(weighted_mean(v, weights, n_dims, dims, &out), &out);
}
