/* Selecting along a dimension, by position and by label. The dimension's coordinate, and every other coordinate that has the
 * dimension, are selected with the data. */
#include "dataset/variable.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is taken along an axis: one index (dropping it), a run with a step, or a list. */
typedef struct pick {
    bool single;
    int64_t start, step, n;
    const int64_t *indices;
} pick;

static tsr_array *pick_array(tsr_array *a, int axis, const pick *p)
{
    if (p->indices) return tsr_take(a, p->n, p->indices, axis);
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    int ndim = 0;
    for (int d = 0; d < a->ndim; d++) {
        if (d == axis && p->single) {
            axes[d] = (view_axis){-1, p->start, 0};
            continue;
        }
        axes[d] = d == axis ? (view_axis){ndim, p->n ? p->start : 0, p->step} : (view_axis){ndim, 0, 1};
        shape[ndim++] = d == axis ? p->n : a->shape[d];
    }
    return array_view(a, ndim, shape, axes);
}

/* The variable without its coordinates. */
static tsr_variable *pick_alone(tsr_variable *v, int axis, const pick *p)
{
    const char *dims[TSR_MAX_NDIM] = {NULL};
    int ndim = 0;
    labels *values = NULL;
    for (int d = 0; d < v->ndim; d++)
        if (d != axis || !p->single) dims[ndim++] = v->dims[d];
    if (v->values && v->ndim == 1) {
        if (labels_pick(v->values, p->start, p->step, p->single ? 1 : p->n, p->indices, &values) != TSR_OK) return NULL;
        tsr_variable *coord = variable_of_labels(v->session, v->name, p->single ? NULL : v->dims[0], values, v->attributes);
        labels_unref(values);
        return coord;
    }
    tsr_array *a = pick_array(v->array, axis, p);
    tsr_variable *result = variable_make(v->session, v->name, a, dims, v->attributes, NULL, NULL);
    node_unref(a);
    return result;
}

static tsr_variable *pick_variable(tsr_variable *v, int axis, const pick *p)
{
    tsr_variable *result = pick_alone(v, axis, p);
    const char *dim = v->dims[axis];
    for (int i = 0; result && i < v->n_coords; i++) {
        tsr_variable *coord = v->coords[i], *picked = NULL;
        int at = -1;
        for (int d = 0; dim && d < coord->ndim; d++)
            if (coord->dims[d] && strcmp(coord->dims[d], dim) == 0) at = d;
        if (at >= 0) picked = pick_alone(coord, at, p);
        tsr_status status = at >= 0 && !picked ? tsr_error_code() : variable_put_coord(result, picked ? picked : coord);
        tsr_variable_release(picked);
        if (status != TSR_OK) {
            tsr_variable_release(result);
            result = NULL;
        }
    }
    return result;
}

/* ---- By position -------------------------------------------------------------------------------------------------------- */

tsr_variable *tsr_variable_index(tsr_variable *v, const char *dim, int64_t index)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    int64_t length = v->array->shape[axis], at = index < 0 ? index + length : index;
    if (at < 0 || at >= length) {
        (void)error_set(TSR_ERR_INDEX, "index %" PRId64 " is out of bounds for dimension '%s' of length %" PRId64, index, dim,
                        length);
        return NULL;
    }
    return pick_variable(v, axis, &(pick){.single = true, .start = at, .n = 1});
}

tsr_variable *tsr_variable_slice(tsr_variable *v, const char *dim, const int64_t *start, const int64_t *stop, int64_t step)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    if (step == 0) {
        (void)error_set(TSR_ERR_VALUE, "slice: the step is zero");
        return NULL;
    }
    int64_t length = v->array->shape[axis], low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
    int64_t from = start ? *start + (*start < 0 ? length : 0) : step > 0 ? low : high;
    int64_t to = stop ? *stop + (*stop < 0 ? length : 0) : step > 0 ? high : low;
    from = from < low ? low : from > high ? high : from;
    to = to < low ? low : to > high ? high : to;
    int64_t n = step > 0 ? (to > from ? (to - from - 1) / step + 1 : 0) : (from > to ? (from - to - 1) / -step + 1 : 0);
    return pick_variable(v, axis, &(pick){.start = n ? from : 0, .step = step, .n = n});
}

tsr_variable *tsr_variable_take(tsr_variable *v, const char *dim, int64_t n, const int64_t *indices)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    int64_t length = v->array->shape[axis], *checked = mem_alloc(sizeof *checked * (size_t)n);
    tsr_variable *result = NULL;
    if (!checked) return NULL;
    int64_t i = 0;
    for (; i < n; i++) {
        checked[i] = indices[i] < 0 ? indices[i] + length : indices[i];
        if (checked[i] < 0 || checked[i] >= length) break;
    }
    if (i < n) {
        (void)error_set(TSR_ERR_INDEX, "index %" PRId64 " is out of bounds for dimension '%s' of length %" PRId64, indices[i],
                        dim, length);
    } else {
        result = pick_variable(v, axis, &(pick){.n = n, .step = 1, .indices = checked});
    }
    mem_free(checked);
    return result;
}

/* ---- By label ------------------------------------------------------------------------------------------------------------ */

/* The coordinate of a dimension with its labels in memory. */
static tsr_variable *label_coord(const tsr_variable *v, int axis)
{
    tsr_variable *coord = v->dims[axis] ? variable_find_coord(v, v->dims[axis]) : NULL;
    if (coord && coord->values && coord->values->n == v->array->shape[axis]) return coord;
    (void)error_set(TSR_ERR_NOT_FOUND, "dimension '%s' of '%s' has no coordinate to select by; select by position instead",
                    v->dims[axis] ? v->dims[axis] : "?", v->name);
    return NULL;
}

/* A label as the numbers it stands for: low <= x < high for part of a date, one number otherwise. */
typedef struct span {
    double low, high;
    bool is_interval;
} span;

static tsr_status span_of(const tsr_variable *coord, tsr_label label, span *out)
{
    time_units units;
    instant first, end;
    time_resolution resolution;
    *out = (span){label.number, label.number, false};
    if (!label.text) return TSR_OK;
    if (!tsr_variable_is_time(coord))
        return error_set(TSR_ERR_VALUE, "'%s' is a date, but '%s' is no time coordinate", label.text, coord->name);
    TRY(variable_time_units(coord, &units));
    TRY(time_parse(units.cal, label.text, &first, &end, &resolution));
    *out = (span){time_encode(&units, first), time_encode(&units, end), true};
    return TSR_OK;
}

static tsr_status outside(const tsr_variable *coord, tsr_label label)
{
    char low[64], high[64], number[64];
    snprintf(number, sizeof number, "%g", label.number);
    return error_set(TSR_ERR_NOT_FOUND, "%s = %s: no such label; '%s' goes from %s to %s", coord->name,
                     label.text ? label.text : number, coord->name, tsr_variable_label_text(coord, 0, low, sizeof low),
                     tsr_variable_label_text(coord, coord->values->n - 1, high, sizeof high));
}

static int64_t closest(const labels *l, double x)
{
    int64_t best = -1;
    for (int64_t i = 0; i < l->n; i++)
        if (best < 0 || fabs(l->values[i] - x) < fabs(l->values[best] - x)) best = i;
    return best;
}

/* Labels of float32 coordinates are met by the decimal that was written, too: 0.1 finds 0.1f. */
static bool label_is(const labels *l, int64_t i, double x)
{
    return l->values[i] == x || (l->dtype == TSR_F32 && (float)l->values[i] == (float)x);
}

static tsr_variable *pick_where(tsr_variable *v, int axis, const labels *l, double low, double high, bool open_end)
{
    int64_t *indices = mem_alloc(sizeof *indices * (size_t)(l->n ? l->n : 1)), n = 0;
    bool run = true;
    if (!indices) return NULL;
    for (int64_t i = 0; i < l->n; i++) {
        bool in = (l->values[i] >= low || (l->dtype == TSR_F32 && (float)l->values[i] >= (float)low)) &&
                  (open_end ? l->values[i] < high
                            : l->values[i] <= high || (l->dtype == TSR_F32 && (float)l->values[i] <= (float)high));
        if (!in) continue;
        run = run && (n == 0 || indices[n - 1] == i - 1);
        indices[n++] = i;
    }
    pick p = {.n = n, .step = 1, .start = n ? indices[0] : 0, .indices = run ? NULL : indices};
    tsr_variable *result = pick_variable(v, axis, &p);
    mem_free(indices);
    return result;
}

tsr_variable *tsr_variable_select(tsr_variable *v, const char *dim, tsr_label label, bool nearest)
{
    int axis = tsr_variable_axis(v, dim);
    tsr_variable *coord = axis >= 0 ? label_coord(v, axis) : NULL;
    span s;
    if (!coord || span_of(coord, label, &s) != TSR_OK) return NULL;
    const labels *l = coord->values;
    int64_t at = -1, inside = 0;
    for (int64_t i = 0; i < l->n; i++) {
        if (s.is_interval && l->values[i] >= s.low && l->values[i] < s.high) inside++;
        if (at < 0 && label_is(l, i, s.low)) at = i;
    }
    if (nearest && l->n > 0) return pick_variable(v, axis, &(pick){.single = true, .start = closest(l, s.low), .n = 1});
    if (s.is_interval && (inside > 1 || (inside == 1 && at < 0))) return pick_where(v, axis, l, s.low, s.high, true);
    if (at >= 0) return pick_variable(v, axis, &(pick){.single = true, .start = at, .n = 1});
    if (l->n > 0) (void)outside(coord, label);
    return NULL;
}

tsr_variable *tsr_variable_select_range(tsr_variable *v, const char *dim, const tsr_label *first, const tsr_label *last)
{
    int axis = tsr_variable_axis(v, dim);
    tsr_variable *coord = axis >= 0 ? label_coord(v, axis) : NULL;
    span a = {-INFINITY, -INFINITY, false}, b = {INFINITY, INFINITY, false};
    if (!coord || (first && span_of(coord, *first, &a) != TSR_OK) || (last && span_of(coord, *last, &b) != TSR_OK)) return NULL;
    if (!first && last && labels_direction(coord->values) < 0)
        a.low = b.low, b.high = INFINITY; /* open towards the start, which is high */
    if (first && !last && labels_direction(coord->values) < 0) b.high = a.low, a.low = -INFINITY;
    double low = a.low < b.low || !last ? a.low : b.low, high = a.low < b.low || !last ? b.high : a.high;
    if (first && last && a.low > b.low) low = b.low, high = a.high;
    return pick_where(v, axis, coord->values, low, high, last && (a.low <= b.low ? b.is_interval : a.is_interval));
}

tsr_variable *tsr_variable_select_list(tsr_variable *v, const char *dim, int64_t n, const tsr_label *list, bool nearest)
{
    int axis = tsr_variable_axis(v, dim);
    tsr_variable *coord = axis >= 0 ? label_coord(v, axis) : NULL, *result = NULL;
    if (!coord) return NULL;
    int64_t *indices = mem_alloc(sizeof *indices * (size_t)(n ? n : 1)), i = 0;
    if (!indices) return NULL;
    for (; i < n; i++) {
        span s;
        if (span_of(coord, list[i], &s) != TSR_OK) break;
        indices[i] = -1;
        for (int64_t k = 0; k < coord->values->n && indices[i] < 0; k++)
            if (label_is(coord->values, k, s.low)) indices[i] = k;
        if (indices[i] < 0 && nearest) indices[i] = closest(coord->values, s.low);
        if (indices[i] < 0) {
            (void)outside(coord, list[i]);
            break;
        }
    }
    if (i == n) result = pick_variable(v, axis, &(pick){.n = n, .step = 1, .indices = indices});
    mem_free(indices);
    return result;
}
