/* Computing with variables: operands meet by the names of their dimensions. */
#include "dataset/variable.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Elementwise --------------------------------------------------------------------------------------------------------- */

/* The dimensions of a result: the union, in order of appearance. Dimensions without a name are counted from the right. */
typedef struct meeting {
    int ndim;
    const char *dims[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM];
} meeting;

static int find_dim(const meeting *m, const char *dim)
{
    for (int d = 0; d < m->ndim; d++)
        if (m->dims[d] && strcmp(m->dims[d], dim) == 0) return d;
    return -1;
}

static tsr_status check_coords(const tsr_variable *a, const tsr_variable *b)
{
    for (int i = 0; i < a->n_coords; i++) {
        const tsr_variable *x = a->coords[i], *y = variable_find_coord(b, x->name);
        if (!y || y == x || !x->values || !y->values || x->ndim != 1 || y->ndim != 1 ||
            strcmp(x->name, x->dims[0] ? x->dims[0] : "") != 0)
            continue;
        if (x->values->n != y->values->n) continue; /* the lengths are reported by the caller */
        int64_t at = labels_difference(x->values, y->values);
        if (at < 0) continue;
        char p[64], q[64];
        return error_set(TSR_ERR_VALUE,
                         "'%s' and '%s' have different coordinates '%s': label %lld is %s in one and %s in the other", a->name,
                         b->name, x->name, (long long)at, tsr_variable_label_text(x, at, p, sizeof p),
                         tsr_variable_label_text(y, at, q, sizeof q));
    }
    return TSR_OK;
}

static tsr_status join(meeting *m, const tsr_variable *v, const tsr_variable *first)
{
    for (int d = 0; d < v->ndim; d++) {
        int at = -1;
        if (v->dims[d]) {
            at = find_dim(m, v->dims[d]);
        } else { /* by position from the right */
            at = m->ndim - (v->ndim - d);
            if (at < 0 && v == first) at = -1;
        }
        int64_t length = v->array->shape[d];
        if (at < 0) {
            if (m->ndim == TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "more than %d dimensions", TSR_MAX_NDIM);
            m->dims[m->ndim] = v->dims[d];
            m->shape[m->ndim++] = length;
        } else if (m->shape[at] == 1) {
            m->shape[at] = length;
        } else if (length != 1 && length != m->shape[at]) {
            return error_set(TSR_ERR_VALUE, "dimension '%s' has length %lld in '%s' and %lld in '%s'",
                             v->dims[d] ? v->dims[d] : "?", (long long)m->shape[at], first->name, (long long)length, v->name);
        }
    }
    return TSR_OK;
}

/* The operand's array with the result's dimensions, length 1 where it has none. */
static tsr_array *align(const meeting *m, const tsr_variable *v)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    for (int d = 0; d < m->ndim; d++) shape[d] = 1;
    for (int d = 0; d < v->ndim; d++) {
        int at = v->dims[d] ? find_dim(m, v->dims[d]) : m->ndim - (v->ndim - d);
        if (at < 0) at = d;
        axes[d] = (view_axis){at, 0, 1};
        shape[at] = v->array->shape[d];
    }
    return array_view(v->array, m->ndim, shape, axes);
}

static tsr_array *apply_arrays(const char *ufunc, int n, tsr_array **arrays)
{
    if (strcmp(ufunc, "clip") == 0 && n == 3) return tsr_clip(arrays[0], arrays[1], arrays[2]);
    if (strcmp(ufunc, "isclose") == 0 && n == 2) return tsr_isclose(arrays[0], arrays[1], 1e-5, 1e-8, false);
    return tsr_map(ufunc, n, arrays);
}

/* Plain numbers take the dtype of the first operand that is an array. */
static tsr_array *number_beside(tsr_variable *const *operands, int n, int i, tsr_array *const *arrays)
{
    for (int k = 0; k < n; k++)
        if (!operands[k]->is_weak) return tsr_scalar_like(arrays[k] ? arrays[k] : operands[k]->array, operands[i]->number);
    return node_ref(operands[i]->array);
}

tsr_variable *tsr_variable_apply(const char *ufunc, int n, tsr_variable *const *operands)
{
    enum { MOST = 3 };
    meeting m = {.ndim = 0};
    tsr_array *arrays[MOST] = {NULL}, *result = NULL;
    const tsr_variable *first = NULL;
    if (n < 1 || n > MOST) {
        (void)error_set(TSR_ERR_VALUE, "%s: %d operands", ufunc, n);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (!operands[i]) return NULL;
        if (!first || operands[i]->ndim > first->ndim) first = operands[i];
    }
    tsr_status status = TSR_OK;
    bool all_weak = true;
    for (int i = 0; i < n && status == TSR_OK; i++) {
        if (!operands[i]->is_weak) all_weak = false;
        status = tsr_variable_has_names(operands[i]) || !tsr_variable_has_names(first) ? join(&m, operands[i], first) : TSR_OK;
        for (int k = 0; k < i && status == TSR_OK; k++) status = check_coords(operands[k], operands[i]);
    }
    for (int i = 0; i < n && status == TSR_OK; i++) { /* operands without names, against those with */
        if (!tsr_variable_has_names(operands[i]) && tsr_variable_has_names(first)) status = join(&m, operands[i], first);
    }
    for (int i = 0; i < n && status == TSR_OK; i++) {
        if (operands[i]->is_weak) continue;
        arrays[i] = align(&m, operands[i]);
        if (!arrays[i]) status = tsr_error_code();
    }
    for (int i = 0; i < n && status == TSR_OK; i++) {
        if (!arrays[i]) arrays[i] = number_beside(operands, n, i, arrays);
        if (!arrays[i]) status = tsr_error_code();
    }
    if (status == TSR_OK) result = apply_arrays(ufunc, n, arrays);
    tsr_variable *v = NULL;
    if (result) {
        bool keeps = n == 1 || strcmp(ufunc, "where") == 0 || strcmp(ufunc, "clip") == 0;
        const tsr_variable *named = strcmp(ufunc, "where") == 0 && n == 3 ? operands[1] : first;
        v = variable_make(result->session, named->name, result, m.dims, keeps ? named->attributes : NULL, NULL, first);
        for (int i = 0; v && i < n; i++) {
            for (int k = 0; k < operands[i]->n_coords; k++) { /* coordinates of dimensions that only this operand has */
                tsr_variable *coord = operands[i]->coords[k];
                bool fits = coord->ndim == 1 && coord->dims[0] && find_dim(&m, coord->dims[0]) >= 0 &&
                            m.shape[find_dim(&m, coord->dims[0])] == coord->array->shape[0];
                if (fits && !variable_find_coord(v, coord->name)) status = variable_put_coord(v, coord);
                if (status != TSR_OK) break;
            }
        }
        if (v && all_weak && result->ndim == 0) v->is_weak = false;
    }
    node_unref(result);
    for (int i = 0; i < n; i++) node_unref(arrays[i]);
    if (status != TSR_OK) {
        tsr_variable_release(v);
        v = NULL;
    }
    return v;
}

/* ---- Reductions ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *method; /* CF's word in cell_methods; NULL: none */
    tsr_array *(*plain)(tsr_array *, int, const int *, bool);
    tsr_array *(*spread)(tsr_array *, int, const int *, bool, double);
} reductions[] = {
    {"sum", "sum", tsr_sum, NULL},
    {"prod", NULL, tsr_prod, NULL},
    {"min", "minimum", tsr_min, NULL},
    {"max", "maximum", tsr_max, NULL},
    {"amin", "minimum", tsr_min, NULL},
    {"amax", "maximum", tsr_max, NULL},
    {"ptp", "range", tsr_ptp, NULL},
    {"any", NULL, tsr_any, NULL},
    {"all", NULL, tsr_all, NULL},
    {"count_nonzero", NULL, tsr_count_nonzero, NULL},
    {"count", NULL, tsr_count_valid, NULL},
    {"mean", "mean", tsr_mean, NULL},
    {"median", "median", tsr_median, NULL},
    {"argmin", NULL, tsr_argmin, NULL},
    {"argmax", NULL, tsr_argmax, NULL},
    {"nansum", "sum", tsr_nansum, NULL},
    {"nanprod", NULL, tsr_nanprod, NULL},
    {"nanmin", "minimum", tsr_nanmin, NULL},
    {"nanmax", "maximum", tsr_nanmax, NULL},
    {"nanmean", "mean", tsr_nanmean, NULL},
    {"nanmedian", "median", tsr_nanmedian, NULL},
    {"nanargmin", NULL, tsr_nanargmin, NULL},
    {"nanargmax", NULL, tsr_nanargmax, NULL},
    {"var", "variance", NULL, tsr_var},
    {"std", "standard_deviation", NULL, tsr_std},
    {"nanvar", "variance", NULL, tsr_nanvar},
    {"nanstd", "standard_deviation", NULL, tsr_nanstd},
};

static tsr_status dims_to_axes(tsr_variable *v, int n_dims, const char *const *dims, int *axes)
{
    for (int i = 0; i < n_dims; i++) {
        axes[i] = tsr_variable_axis(v, dims[i]);
        if (axes[i] < 0) return tsr_error_code();
    }
    return TSR_OK;
}

/* The attributes of v with "time: mean" appended to cell_methods, as the CF conventions ask. */
static attrs *with_method(const tsr_variable *v, const char *method, const int *axes, int n_axes)
{
    attrs *a;
    char text[512] = "", part[128];
    const char *old = attrs_text(v->attributes, "cell_methods");
    if (attrs_new(v->attributes->n, v->attributes->items, &a) != TSR_OK) return NULL;
    if (old) snprintf(text, sizeof text, "%s ", old);
    for (int d = 0; method && d < v->ndim; d++) {
        bool reduced = n_axes == 0;
        for (int i = 0; i < n_axes; i++) reduced = reduced || axes[i] == d;
        if (!reduced || !v->dims[d]) continue;
        snprintf(part, sizeof part, "%s: ", v->dims[d]);
        strncat(text, part, sizeof text - strlen(text) - 1);
    }
    if (method && *text) {
        strncat(text, method, sizeof text - strlen(text) - 1);
        if (attrs_set_text(a, "cell_methods", text) != TSR_OK) {
            attrs_unref(a);
            return NULL;
        }
    }
    return a;
}

static tsr_variable *reduced_variable(tsr_variable *v, tsr_array *result, const char *method, int n_axes, const int *axes,
                                      bool keepdims, int n_front)
{
    const char *dims[TSR_MAX_NDIM] = {NULL};
    int ndim = n_front;
    if (!result) return NULL;
    for (int d = 0; d < v->ndim; d++) {
        bool reduced = n_axes == 0;
        for (int i = 0; i < n_axes; i++) reduced = reduced || axes[i] == d;
        if (!reduced || keepdims) dims[ndim++] = v->dims[d];
    }
    attrs *a = with_method(v, method, axes, n_axes);
    tsr_variable *made = a ? variable_make(v->session, v->name, result, dims, a, NULL, v) : NULL;
    attrs_unref(a);
    node_unref(result);
    return made;
}

tsr_variable *tsr_variable_reduce(tsr_variable *v, const char *reduction, int n_dims, const char *const *dims, double ddof,
                                  bool keepdims)
{
    int axes[TSR_MAX_NDIM];
    if (!v) return NULL;
    if (n_dims > TSR_MAX_NDIM || dims_to_axes(v, n_dims, dims, axes) != TSR_OK) return NULL;
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) {
        if (strcmp(reductions[i].name, reduction) != 0) continue;
        const int *which = n_dims ? axes : NULL;
        tsr_array *a = reductions[i].plain ? reductions[i].plain(v->array, n_dims, which, keepdims)
                                           : reductions[i].spread(v->array, n_dims, which, keepdims, ddof);
        return reduced_variable(v, a, reductions[i].method, n_dims, axes, keepdims, 0);
    }
    (void)error_set(TSR_ERR_NOT_FOUND, "no reduction '%s'", reduction);
    return NULL;
}

tsr_variable *tsr_variable_quantile(tsr_variable *v, int n_q, const double *q, const char *dim, bool skip_nan)
{
    int axis = dim ? tsr_variable_axis(v, dim) : 0;
    if (!v || axis < 0) return NULL;
    tsr_array *a = skip_nan ? tsr_nanquantile(v->array, n_q, q, 1, dim ? &axis : NULL, false)
                            : tsr_quantile(v->array, n_q, q, 1, dim ? &axis : NULL, false);
    if (n_q == 1) {
        a = array_using(tsr_slice(a, 1, (tsr_index[]){{.kind = TSR_INDEX_INTEGER}}), a);
        return reduced_variable(v, a, NULL, dim ? 1 : 0, &axis, false, 0);
    }
    tsr_variable *result = reduced_variable(v, a, NULL, dim ? 1 : 0, &axis, false, 1);
    if (result && !(result->dims[0] = mem_strdup("quantile"))) {
        tsr_variable_release(result);
        return NULL;
    }
    return result;
}

tsr_variable *tsr_variable_weighted_mean(tsr_variable *v, tsr_variable *weights, int n_dims, const char *const *dims)
{
    if (!v || !weights) return NULL;
    tsr_variable *missing = tsr_variable_apply("isnan", 1, &v), *zero = tsr_variable_scalar(v->session, scalar_int(0));
    tsr_variable *present = tsr_variable_apply("logical_not", 1, &missing),
                 *filled = tsr_variable_apply("where", 3, (tsr_variable *[]){missing, zero, v});
    tsr_variable *product = tsr_variable_apply("multiply", 2, (tsr_variable *[]){filled, weights});
    tsr_variable *used = tsr_variable_apply("multiply", 2, (tsr_variable *[]){present, weights});
    tsr_variable *top = tsr_variable_reduce(product, "sum", n_dims, dims, 0, false),
                 *bottom = tsr_variable_reduce(used, "sum", n_dims, dims, 0, false);
    tsr_variable *quotient = tsr_variable_apply("divide", 2, (tsr_variable *[]){top, bottom}), *result = NULL;
    if (quotient) {
        result = variable_make(v->session, v->name, quotient->array, (const char *const *)quotient->dims, v->attributes, NULL,
                               quotient);
    }
    tsr_variable *temporary[] = {missing, zero, present, filled, product, used, top, bottom, quotient};
    for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++) tsr_variable_release(temporary[i]);
    return result;
}

/* ---- Structure ---------------------------------------------------------------------------------------------------------------
 */

tsr_variable *tsr_variable_transpose(tsr_variable *v, int n, const char *const *names)
{
    int order[TSR_MAX_NDIM];
    const char *dims[TSR_MAX_NDIM];
    if (!v) return NULL;
    if (n != 0 && n != v->ndim) {
        (void)error_set(TSR_ERR_VALUE, "transpose: %d dimensions are named, '%s' has %d", n, v->name, v->ndim);
        return NULL;
    }
    for (int d = 0; d < v->ndim; d++) order[d] = v->ndim - 1 - d;
    if (n && dims_to_axes(v, n, names, order) != TSR_OK) return NULL;
    tsr_array *a = tsr_transpose(v->array, order);
    for (int d = 0; d < v->ndim; d++) dims[d] = v->dims[order[d]];
    tsr_variable *result = variable_make(v->session, v->name, a, dims, v->attributes, NULL, v);
    node_unref(a);
    return result;
}

tsr_variable *tsr_variable_cumulate(tsr_variable *v, const char *scan, const char *dim)
{
    static const struct {
        const char *name;
        tsr_array *(*scan)(tsr_array *, int);
    } scans[] = {{"cumsum", tsr_cumsum}, {"cumprod", tsr_cumprod}, {"nancumsum", tsr_nancumsum}, {"nancumprod", tsr_nancumprod}};
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    for (int i = 0; i < 4; i++) {
        if (strcmp(scans[i].name, scan) != 0) continue;
        tsr_array *a = scans[i].scan(v->array, axis);
        tsr_variable *result = variable_make(v->session, v->name, a, (const char *const *)v->dims, v->attributes, NULL, v);
        node_unref(a);
        return result;
    }
    (void)error_set(TSR_ERR_NOT_FOUND, "no running function '%s'", scan);
    return NULL;
}

tsr_variable *tsr_variable_diff(tsr_variable *v, const char *dim)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    int64_t one = 1;
    tsr_variable *upper = tsr_variable_slice(v, dim, &one, NULL, 1), *result = NULL;
    tsr_array *a = tsr_diff(v->array, 1, axis);
    if (upper) result = variable_make(v->session, v->name, a, (const char *const *)v->dims, v->attributes, NULL, upper);
    node_unref(a);
    tsr_variable_release(upper);
    return result;
}

tsr_variable *tsr_variable_shift(tsr_variable *v, const char *dim, int64_t n)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    int64_t widths[2 * TSR_MAX_NDIM] = {0}, length = v->array->shape[axis], by = n > length ? length : n < -length ? -length : n;
    tsr_array *typed = array_cast(v->array, dtype_is_inexact(v->array->dtype) ? v->array->dtype : TSR_F64);
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    items[axis] =
        (tsr_index){.has_start = true, .has_stop = true, .start = by > 0 ? 0 : -by, .stop = by > 0 ? length - by : length};
    widths[2 * axis + (by > 0 ? 0 : 1)] = by > 0 ? by : -by;
    tsr_array *kept = tsr_slice(typed, axis + 1, items), *a = tsr_pad(kept, widths, "constant", scalar_float(NAN));
    tsr_variable *result = variable_make(v->session, v->name, a, (const char *const *)v->dims, v->attributes, NULL, v);
    tsr_array *used[] = {typed, kept, a};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

tsr_variable *tsr_variable_concat(int n, tsr_variable *const *variables, const char *dim)
{
    int axis = n > 0 ? tsr_variable_axis(variables[0], dim) : -1;
    if (axis < 0) return NULL;
    tsr_array **arrays = mem_calloc((size_t)n, sizeof *arrays);
    labels **parts = mem_calloc((size_t)n, sizeof *parts), *joined = NULL;
    tsr_variable *result = NULL, *coord = NULL;
    bool labelled = true;
    if (!arrays || !parts) goto done;
    for (int i = 0; i < n; i++) {
        if (!variables[i]) goto done;
        arrays[i] = variables[i]->array;
        const tsr_variable *c = variable_find_coord(variables[i], dim);
        parts[i] = c ? c->values : NULL;
        labelled = labelled && parts[i];
    }
    tsr_array *a = tsr_concatenate(n, arrays, axis);
    const tsr_variable *first = variables[0];
    result = variable_make(first->session, first->name, a, (const char *const *)first->dims, first->attributes, NULL, first);
    node_unref(a);
    if (result && labelled && labels_concat(n, parts, &joined) == TSR_OK) {
        coord = variable_of_labels(first->session, dim, dim, joined, variable_find_coord(first, dim)->attributes);
        if (!coord || variable_put_coord(result, coord) != TSR_OK) {
            tsr_variable_release(result);
            result = NULL;
        }
    }
done:
    tsr_variable_release(coord);
    labels_unref(joined);
    mem_free(arrays);
    mem_free(parts);
    return result;
}
