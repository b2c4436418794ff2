/* Positions along one dimension of an array, of labels, and of a variable with its coordinates; and the public functions that
 * select by position. */
#include "dataset/pick.h"

#include "base/mem.h"

#include <string.h>

pick pick_list(int64_t n, const int64_t *indices)
{
    pick p = {.start = n > 0 ? indices[0] : 0, .step = n > 1 ? indices[1] - indices[0] : 1, .n = n};
    for (int64_t i = 1; i < n && !p.indices; i++)
        if (p.step == 0 || indices[i] - indices[i - 1] != p.step) p.indices = indices;
    return p;
}

tsr_array *pick_array(tsr_array *a, int axis, const pick *p)
{
    if (!a) return NULL;
    if (p->indices) return tsr_take(a, p->n, p->indices, axis);
    tsr_index items[TSR_MAX_NDIM] = {0};
    tsr_index *item = &items[axis];
    item->has_start = true;
    item->start = p->start;
    if (p->drops)
        item->kind = TSR_INDEX_INTEGER;
    else if (p->n == 0) {
        *item = (tsr_index){.has_stop = true, .stop = 0};
    } else {
        int64_t end = p->start + (p->n - 1) * p->step + (p->step > 0 ? 1 : -1);
        item->has_step = true;
        item->step = p->step;
        item->has_stop = end >= 0; /* a negative end would count from the back */
        item->stop = end;
    }
    return tsr_slice(a, axis + 1, items);
}

/* One variable without its coordinates. */
static tsr_status pick_values(tsr_variable *v, int axis, const pick *p)
{
    if (v->labels) {
        labels *l;
        TRY(labels_pick(v->labels, p->start, p->step, p->drops ? 1 : p->n, p->indices, &l));
        if (p->drops) variable_drop_dim(v, axis);
        variable_take_labels(v, l);
        return TSR_OK;
    }
    tsr_array *a = pick_array(v->array, axis, p);
    TRY(array_status(a));
    if (p->drops) variable_drop_dim(v, axis);
    variable_take_array(v, a);
    return TSR_OK;
}

tsr_status pick_apply(const tsr_variable *v, int axis, const pick *p, tsr_variable **out)
{
    tsr_variable *picked = NULL, *coord = NULL;
    tsr_status status = TSR_OK;
    const char *dim = v->dims[axis];
    GUARD(variable_clone(v, &picked));
    for (int i = 0; dim && i < v->n_coords; i++) {
        int at = variable_find_dim(v->coords[i], dim);
        if (at < 0) continue;
        GUARD(variable_clone(v->coords[i], &coord));
        GUARD(pick_values(coord, at, p));
        GUARD(variable_add_coord(picked, coord));
        variable_unref(coord);
        coord = NULL;
    }
    GUARD(pick_values(picked, axis, p));
    *out = picked;
    picked = NULL;
done:
    variable_unref(coord);
    variable_unref(picked);
    return status;
}

/* A position counted from either end. */
static tsr_status position(const tsr_variable *v, int axis, int64_t index, int64_t *out)
{
    int64_t length = v->shape[axis];
    if (index < -length || index >= length)
        return error_set(TSR_ERR_INDEX, "index %lld is out of range for dimension %s of '%s', which has length %lld",
                         (long long)index, v->dims[axis] ? v->dims[axis] : "(no name)", variable_title(v), (long long)length);
    *out = index < 0 ? index + length : index;
    return TSR_OK;
}

tsr_variable *tsr_variable_index(tsr_variable *v, const char *dim, int64_t index)
{
    if (!v) return NULL;
    int axis;
    pick p = {.drops = true, .step = 1, .n = 1};
    tsr_variable *out = NULL;
    if (variable_axis(v, dim, &axis) != TSR_OK || position(v, axis, index, &p.start) != TSR_OK) return NULL;
    return variable_result(pick_apply(v, axis, &p, &out), &out);
}

/* A bound of a slice cut to what is possible: -1 .. length. */
static int64_t bound(int64_t value, int64_t length, int64_t low, int64_t high)
{
    if (value < 0) value += length;
    return value < low ? low : value > high ? high : value;
}

tsr_variable *tsr_variable_slice(tsr_variable *v, const char *dim, const int64_t *start, const int64_t *stop, int64_t step)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *out = NULL;
    if (variable_axis(v, dim, &axis) != TSR_OK) return NULL;
    if (step == 0 || step == INT64_MIN) {
        (void)error_set(TSR_ERR_VALUE, "the step of a slice cannot be %s", step ? "that small" : "0");
        return NULL;
    }
    int64_t length = v->shape[axis], low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
    int64_t first = start ? bound(*start, length, low, high) : step > 0 ? low : high;
    int64_t end = stop ? bound(*stop, length, low, high) : step > 0 ? high : low;
    int64_t distance = step > 0 ? end - first : first - end, stride = step > 0 ? step : -step;
    pick p = {.start = first, .step = step, .n = distance > 0 ? (distance - 1) / stride + 1 : 0};
    if (p.n <= 1) p.step = 1;
    if (p.n == 0) p.start = 0;
    return variable_result(pick_apply(v, axis, &p, &out), &out);
}

tsr_variable *tsr_variable_take(tsr_variable *v, const char *dim, int64_t n, const int64_t *indices)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *out = NULL;
    if (n < 0) {
        (void)error_set(TSR_ERR_VALUE, "a list cannot have %lld indices", (long long)n);
        return NULL;
    }
    int64_t *positions = NULL;
    tsr_status status;
    GUARD(variable_axis(v, dim, &axis));
    positions = mem_alloc((size_t)n * sizeof *positions);
    if (!positions) return NULL;
    for (int64_t i = 0; i < n; i++) GUARD(position(v, axis, indices[i], &positions[i]));
    pick p = pick_list(n, positions);
    GUARD(pick_apply(v, axis, &p, &out));
done:
    mem_free(positions);
    return variable_result(status, &out);
}
