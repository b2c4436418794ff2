/* Transposing, running sums, differences, shifts, running reductions and concatenation by dimension name. */
#include "base/mem.h"
#include "base/names.h"
#include "dataset/pick.h"
#include "dataset/reduce.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static tsr_status transpose(const tsr_variable *v, const int *order, tsr_variable **out)
{
    tsr_variable *t;
    TRY(variable_clone(v, &t));
    tsr_status status = TSR_OK;
    tsr_array *a = NULL, *turned = NULL;
    for (int d = 0; d < v->ndim; d++) GUARD(variable_set_dim(t, d, v->dims[order[d]]));
    if (v->ndim > 1) {
        a = variable_array(v);
        turned = tsr_transpose(a, order);
        GUARD(array_status(turned));
        variable_take_array(t, node_ref(turned));
    }
    *out = t;
    t = NULL;
done:
    tsr_release(a);
    tsr_release(turned);
    variable_unref(t);
    return status;
}

tsr_variable *tsr_variable_transpose(tsr_variable *v, int n, const char *const *dims)
{
    if (!v) return NULL;
    int order[TSR_MAX_NDIM];
    unsigned seen = 0;
    tsr_variable *out = NULL;
    tsr_status status = TSR_OK;
    if (n == 0)
        for (int d = 0; d < v->ndim; d++) order[d] = v->ndim - 1 - d;
    else if (n != v->ndim)
        GUARD(error_set(TSR_ERR_VALUE, "'%s' has %d dimensions and %d are named", variable_title(v), v->ndim, n));
    for (int i = 0; i < n; i++) {
        GUARD(variable_axis(v, dims[i], &order[i]));
        if (seen & 1u << order[i]) GUARD(error_set(TSR_ERR_VALUE, "the dimension '%s' is named twice", dims[i]));
        seen |= 1u << order[i];
    }
    GUARD(transpose(v, order, &out));
done:
    return variable_result(status, &out);
}

tsr_variable *tsr_variable_cumulate(tsr_variable *v, const char *scan, const char *dim)
{
    static const struct {
        const char *name;
        tsr_array *(*function)(tsr_array *a, int axis);
    } scans[] = {{"cumsum", tsr_cumsum}, {"cumprod", tsr_cumprod}, {"nancumsum", tsr_nancumsum}, {"nancumprod", tsr_nancumprod}};
    enum { N_SCANS = sizeof scans / sizeof *scans };
    if (!v) return NULL;
    int axis;
    tsr_variable *out = NULL;
    if (variable_axis(v, dim, &axis) != TSR_OK) return NULL;
    const char *names[N_SCANS];
    for (int i = 0; i < N_SCANS; i++) {
        names[i] = scans[i].name;
        if (strcmp(scan, names[i]) != 0) continue;
        tsr_array *a = variable_array(v), *value = scans[i].function(a, axis);
        tsr_release(a);
        return variable_result(variable_with_array(v, value, &out), &out);
    }
    char hint[200];
    (void)error_set(TSR_ERR_NOT_FOUND, "there is no running '%s'%s", scan, names_hint(scan, N_SCANS, names, hint, sizeof hint));
    return NULL;
}

tsr_variable *tsr_variable_diff(tsr_variable *v, const char *dim)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *upper = NULL, *out = NULL;
    tsr_array *a = NULL;
    tsr_status status;
    GUARD(variable_axis(v, dim, &axis));
    if (v->shape[axis] < 1) GUARD(error_set(TSR_ERR_VALUE, "there are no differences along dimension %s: it is empty", dim));
    pick p = {.start = v->shape[axis] > 1 ? 1 : 0, .step = 1, .n = v->shape[axis] - 1};
    GUARD(pick_apply(v, axis, &p, &upper));
    a = variable_array(v);
    GUARD(variable_with_array(upper, tsr_diff(a, 1, axis), &out));
    out->role = ROLE_DATA;
done:
    tsr_release(a);
    variable_unref(upper);
    return variable_result(status, &out);
}

/* `a` moved along the axis, NaN where nothing comes from. A new reference, NULL on failure. */
static tsr_array *shifted(tsr_array *a, int axis, int64_t n)
{
    if (!a) return NULL;
    int64_t shape[TSR_MAX_NDIM], length = a->shape[axis], distance = n < 0 ? -n : n;
    if (distance > length) distance = length;
    memcpy(shape, a->shape, sizeof shape);
    shape[axis] = distance;
    tsr_dtype dtype = dtype_is_inexact(a->dtype) ? a->dtype : TSR_F64;
    pick kept = {.start = n > 0 || distance == length ? 0 : distance, .step = 1, .n = length - distance};
    tsr_array *wide = tsr_astype(a, dtype), *rest = pick_array(wide, axis, &kept);
    tsr_array *gap = tsr_full(a->session, tsr_float(NAN), dtype, a->ndim, shape, NULL);
    tsr_array *const order[] = {n > 0 ? gap : rest, n > 0 ? rest : gap};
    tsr_array *out = !gap || !rest        ? NULL
                     : distance == 0      ? tsr_retain(wide)
                     : distance == length ? tsr_retain(gap)
                                          : tsr_concatenate(2, order, axis);
    tsr_release(wide);
    tsr_release(rest);
    tsr_release(gap);
    return out;
}

tsr_variable *tsr_variable_shift(tsr_variable *v, const char *dim, int64_t n)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *out = NULL;
    if (variable_axis(v, dim, &axis) != TSR_OK) return NULL;
    if (n == INT64_MIN) n++;
    tsr_array *a = variable_array(v), *moved = shifted(a, axis, n);
    tsr_release(a);
    tsr_status status = variable_with_array(v, moved, &out);
    if (status == TSR_OK) out->role = ROLE_DATA;
    return variable_result(status, &out);
}

/* NaN in `before` places in front of `a` along the axis and in `after` behind. A new reference, NULL on failure. */
static tsr_array *between_gaps(tsr_array *a, int axis, int64_t before, int64_t after)
{
    if (!a) return NULL;
    int64_t widths[2 * TSR_MAX_NDIM] = {0};
    widths[2 * axis] = before;
    widths[2 * axis + 1] = after;
    tsr_array *wide = tsr_astype(a, dtype_is_inexact(a->dtype) ? a->dtype : TSR_F64);
    tsr_array *out = tsr_pad(wide, widths, "constant", tsr_float(NAN));
    tsr_release(wide);
    return out;
}

tsr_variable *tsr_variable_rolling(tsr_variable *v, const char *dim, int64_t n, bool center, const char *reduction)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *out = NULL;
    tsr_array *a = NULL, *windows = NULL, *reduced = NULL;
    tsr_status status;
    GUARD(reduce_check(reduction));
    GUARD(variable_axis(v, dim, &axis));
    if (n < 1) GUARD(error_set(TSR_ERR_VALUE, "a window of %" PRId64 " elements; it takes 1 at least", n));
    if (n > v->shape[axis])
        GUARD(error_set(TSR_ERR_VALUE,
                        "a window of %" PRId64 " does not fit into dimension %s of '%s', which has length %" PRId64, n,
                        v->dims[axis] ? v->dims[axis] : dim, variable_title(v), v->shape[axis]));
    a = variable_array(v);
    GUARD(array_status(a));
    windows = tsr_sliding_window(a, n, 1, axis);
    reduced = reduce_array(windows, reduction, 1, &(int){a->ndim}, false, 0);
    int64_t before = center ? n / 2 : n - 1;
    GUARD(variable_with_array(v, between_gaps(reduced, axis, before, n - 1 - before), &out));
    out->role = ROLE_DATA;
    status = reduce_attributes(out, reduction, 1, (const char *[]){v->dims[axis]});
done:
    tsr_release(a);
    tsr_release(windows);
    tsr_release(reduced);
    if (status != TSR_OK) variable_unref(out);
    return variable_result(status, &out);
}

/* ---- Concatenation ---- */

/* Values of one variable or coordinate from all, along an axis (-1: they are all alike, the first will do). */
static tsr_status join_values(tsr_variable *into, int n, tsr_variable *const *parts, int axis)
{
    tsr_status status = TSR_OK;
    bool in_memory = into->ndim == 1;
    for (int i = 0; i < n; i++) in_memory &= parts[i]->labels != NULL;
    if (in_memory) {
        labels *joined, **list = mem_calloc((size_t)n, sizeof(labels *));
        if (!list) return TSR_ERR_MEMORY;
        for (int i = 0; status == TSR_OK && i < n; i++) {
            double scale, offset;
            bool converts = i > 0 && into->is_time && parts[i]->is_time && into->time.cal == parts[i]->time.cal;
            if (converts) time_conversion(&parts[i]->time, &into->time, &scale, &offset);
            if (converts && (scale != 1 || offset != 0))
                status = labels_convert(parts[i]->labels, scale, offset, &list[i]);
            else
                list[i] = labels_ref(parts[i]->labels);
        }
        if (status == TSR_OK) status = labels_concat(n, list, &joined);
        for (int i = 0; i < n; i++) labels_unref(list[i]);
        mem_free(list);
        if (status == TSR_OK) variable_take_labels(into, joined);
        return status;
    }
    tsr_array **arrays = mem_calloc((size_t)n, sizeof(tsr_array *)), *joined = NULL;
    if (!arrays) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) arrays[i] = variable_array(parts[i]);
    joined = tsr_concatenate(n, arrays, axis);
    status = array_status(joined);
    if (status == TSR_OK) variable_take_array(into, joined);
    for (int i = 0; i < n; i++) tsr_release(arrays[i]);
    mem_free(arrays);
    return status;
}

static tsr_status join_coord(tsr_variable *result, tsr_variable *coord, int n, tsr_variable *const *variables, const char *dim)
{
    int axis = variable_find_dim(coord, dim);
    tsr_status status = TSR_OK;
    tsr_variable *joined = NULL, **parts = mem_calloc((size_t)n, sizeof(tsr_variable *));
    if (!parts) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) {
        parts[i] = variable_find_coord(variables[i], coord->name);
        if (!parts[i]) goto done; /* not in all: the result has none */
        if (axis < 0 && !variable_same(parts[i], coord)) {
            if (variable_find_dim(result, coord->name) < 0) goto done;
            GUARD(error_set(TSR_ERR_VALUE, "coordinate %s differs between '%s' and '%s'", coord->name,
                            variable_title(variables[0]), variable_title(variables[i])));
        }
        if (parts[i]->ndim != coord->ndim) goto done;
    }
    if (axis < 0) {
        GUARD(variable_add_coord(result, coord));
        goto done;
    }
    GUARD(variable_clone(coord, &joined));
    GUARD(join_values(joined, n, parts, axis));
    GUARD(variable_add_coord(result, joined));
done:
    variable_unref(joined);
    mem_free(parts);
    return status;
}

static tsr_status check_alike(const tsr_variable *a, const tsr_variable *b, int axis)
{
    for (int d = 0; d < a->ndim || d < b->ndim; d++) {
        const char *x = d < a->ndim ? a->dims[d] : "(none)", *y = d < b->ndim ? b->dims[d] : "(none)";
        if (!x != !y || (x && strcmp(x, y) != 0))
            return error_set(TSR_ERR_VALUE, "dimension %d of '%s' is %s and of '%s' %s; transpose one of them", d,
                             variable_title(a), x ? x : "(no name)", variable_title(b), y ? y : "(no name)");
        if (d != axis && a->shape[d] != b->shape[d])
            return error_set(TSR_ERR_VALUE, "dimension %s has length %lld in '%s' and %lld in '%s'", x ? x : "(no name)",
                             (long long)a->shape[d], variable_title(a), (long long)b->shape[d], variable_title(b));
    }
    return TSR_OK;
}

static tsr_status concat(int n, tsr_variable *const *variables, const char *dim, tsr_variable **out)
{
    tsr_variable *r = NULL;
    int axis;
    tsr_status status;
    GUARD(variable_axis(variables[0], dim, &axis));
    const char *name = variables[0]->dims[axis];
    for (int i = 1; i < n; i++) GUARD(check_alike(variables[0], variables[i], axis));
    GUARD(variable_clone(variables[0], &r));
    r->is_weak = false;
    variable_clear_coords(r);
    GUARD(join_values(r, n, variables, axis));
    for (int c = 0; name && c < variables[0]->n_coords; c++) GUARD(join_coord(r, variables[0]->coords[c], n, variables, name));
    *out = r;
    r = NULL;
done:
    variable_unref(r);
    return status;
}

tsr_variable *tsr_variable_concat(int n, tsr_variable *const *variables, const char *dim)
{
    tsr_variable *out = NULL;
    if (n < 1) {
        (void)error_set(TSR_ERR_VALUE, "there is nothing to concatenate");
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (!variables[i]) return NULL;
    return variable_result(concat(n, variables, dim, &out), &out);
}
