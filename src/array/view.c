/* Views: slices, transposes, broadcasts, inserted and dropped axes, flips. All are one VIEW node. */
#include "array/build.h"

#include <inttypes.h>
#include <string.h>

/* A view under construction: begins as the array itself. */
typedef struct draft {
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
} draft;

static draft draft_of(const tsr_array *a)
{
    draft v = {.ndim = a->ndim};
    for (int d = 0; d < a->ndim; d++) {
        v.shape[d] = a->shape[d];
        v.axes[d] = (view_axis){d, 0, 1};
    }
    return v;
}

static tsr_array *draft_make(tsr_array *a, const draft *v) { return array_view(a, v->ndim, v->shape, v->axes); }

/* ---- Slices -------------------------------------------------------------------------------------------------------- */

tsr_status index_resolve_slice(const tsr_index *item, int64_t length, int64_t *start, int64_t *step, int64_t *count)
{
    *step = item->has_step ? item->step : 1;
    if (*step == 0) return error_set(TSR_ERR_VALUE, "slice: the step is zero");
    int64_t low = *step > 0 ? 0 : -1, high = *step > 0 ? length : length - 1;
    int64_t from = item->has_start ? item->start
                   : *step > 0     ? low
                                   : high,
            to = item->has_stop ? item->stop
                 : *step > 0    ? high
                                : low;
    if (item->has_start && from < 0) from += length;
    if (item->has_stop && to < 0) to += length;
    from = from < low ? low : from > high ? high : from;
    to = to < low ? low : to > high ? high : to;
    *start = from;
    *count = *step > 0 ? (to > from ? (to - from - 1) / *step + 1 : 0) : (from > to ? (from - to - 1) / -*step + 1 : 0);
    if (*count == 0) *start = 0;
    return TSR_OK;
}

static tsr_status check_items(const tsr_array *a, int n_items, const tsr_index *items, int *n_skipped)
{
    char text[256];
    int used = 0, ellipses = 0, ndim = a->ndim;
    for (int i = 0; i < n_items; i++) {
        used += items[i].kind == TSR_INDEX_SLICE || items[i].kind == TSR_INDEX_INTEGER;
        ellipses += items[i].kind == TSR_INDEX_ELLIPSIS;
        ndim += items[i].kind == TSR_INDEX_NEWAXIS;
        if ((int)items[i].kind < TSR_INDEX_SLICE || items[i].kind > TSR_INDEX_ELLIPSIS)
            return error_set(TSR_ERR_TYPE, "slice: item %d is an array or a mask, which slices cannot be", i);
    }
    if (ellipses > 1) return error_set(TSR_ERR_INDEX, "slice: an index can hold one ellipsis, this one holds %d", ellipses);
    if (used > a->ndim)
        return error_set(TSR_ERR_INDEX, "slice: %d indices for an array of shape %s", used,
                         shape_format(a->ndim, a->shape, text, sizeof text));
    if (ndim > TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "slice: more than %d dimensions", TSR_MAX_NDIM);
    *n_skipped = a->ndim - used;
    return TSR_OK;
}

tsr_array *tsr_slice(tsr_array *a, int n_items, const tsr_index *items)
{
    int n_skipped = 0, axis = 0;
    draft v = {.ndim = 0};
    bool skipped = false;
    if (!array_ready(a) || check_items(a, n_items, items, &n_skipped) != TSR_OK) return NULL;
    for (int i = 0; i <= n_items; i++) {
        if (i == n_items ? !skipped : items[i].kind == TSR_INDEX_ELLIPSIS) {
            skipped = true;
            for (int k = 0; k < n_skipped; k++, axis++) {
                v.axes[axis] = (view_axis){v.ndim, 0, 1};
                v.shape[v.ndim++] = a->shape[axis];
            }
            continue;
        }
        if (i == n_items) break;
        const tsr_index *item = &items[i];
        if (item->kind == TSR_INDEX_NEWAXIS) {
            v.shape[v.ndim++] = 1;
        } else if (item->kind == TSR_INDEX_INTEGER) {
            int64_t at = item->start < 0 ? item->start + a->shape[axis] : item->start;
            if (at < 0 || at >= a->shape[axis]) {
                (void)error_set(TSR_ERR_INDEX, "slice: index %" PRId64 " is out of bounds for axis %d with size %" PRId64,
                                item->start, axis, a->shape[axis]);
                return NULL;
            }
            v.axes[axis++] = (view_axis){-1, at, 0};
        } else {
            int64_t start = 0, step = 1, count = 0;
            if (index_resolve_slice(item, a->shape[axis], &start, &step, &count) != TSR_OK) return NULL;
            v.axes[axis++] = (view_axis){v.ndim, start, step};
            v.shape[v.ndim++] = count;
        }
    }
    return draft_make(a, &v);
}

/* ---- Axes ----------------------------------------------------------------------------------------------------------- */

static tsr_array *permute(tsr_array *a, const int *order)
{
    draft v = {.ndim = a->ndim};
    for (int d = 0; d < a->ndim; d++) {
        v.shape[d] = a->shape[order[d]];
        v.axes[order[d]] = (view_axis){d, 0, 1};
    }
    return draft_make(a, &v);
}

tsr_array *tsr_transpose(tsr_array *a, const int *axes)
{
    int order[TSR_MAX_NDIM];
    uint32_t seen;
    if (!array_ready(a)) return NULL;
    for (int d = 0; d < a->ndim; d++) order[d] = a->ndim - 1 - d;
    if (axes && axes_check("transpose", a, a->ndim, axes, &seen) != TSR_OK) return NULL;
    for (int d = 0; axes && d < a->ndim; d++) order[d] = axes[d] < 0 ? axes[d] + a->ndim : axes[d];
    return permute(a, order);
}

tsr_array *tsr_swapaxes(tsr_array *a, int axis1, int axis2)
{
    int order[TSR_MAX_NDIM];
    if (!array_ready(a) || axis_check("swapaxes", a, axis1, &axis1) != TSR_OK ||
        axis_check("swapaxes", a, axis2, &axis2) != TSR_OK)
        return NULL;
    for (int d = 0; d < a->ndim; d++) order[d] = d;
    order[axis1] = axis2;
    order[axis2] = axis1;
    return permute(a, order);
}

tsr_array *tsr_moveaxis(tsr_array *a, int n_axes, const int *source, const int *destination)
{
    int order[TSR_MAX_NDIM];
    uint32_t from, to;
    if (!array_ready(a) || axes_check("moveaxis", a, n_axes, source, &from) != TSR_OK ||
        axes_check("moveaxis", a, n_axes, destination, &to) != TSR_OK)
        return NULL;
    for (int d = 0; d < a->ndim; d++) order[d] = -1;
    for (int i = 0; i < n_axes; i++) {
        int s = source[i] < 0 ? source[i] + a->ndim : source[i],
            d = destination[i] < 0 ? destination[i] + a->ndim : destination[i];
        order[d] = s;
    }
    for (int d = 0, rest = 0; d < a->ndim; d++) {
        if (order[d] >= 0) continue;
        while (from >> rest & 1) rest++;
        order[d] = rest++;
    }
    return permute(a, order);
}

tsr_array *tsr_broadcast_to(tsr_array *a, int ndim, const int64_t *shape)
{
    char from[256], to[256];
    view_axis axes[TSR_MAX_NDIM];
    if (!array_ready(a) || shape_check("broadcast_to", ndim, shape) != TSR_OK) return NULL;
    bool fits = ndim >= a->ndim;
    for (int d = 0; fits && d < a->ndim; d++) {
        int k = ndim - a->ndim + d;
        fits = a->shape[d] == shape[k] || a->shape[d] == 1;
        axes[d] = a->shape[d] == shape[k] ? (view_axis){k, 0, 1} : (view_axis){-1, 0, 0};
    }
    if (!fits) {
        (void)error_set(TSR_ERR_VALUE, "broadcast_to: shape %s does not fit into %s",
                        shape_format(a->ndim, a->shape, from, sizeof from), shape_format(ndim, shape, to, sizeof to));
        return NULL;
    }
    return array_view(a, ndim, shape, axes);
}

tsr_array *tsr_expand_dims(tsr_array *a, int n_axes, const int *axes)
{
    uint32_t mask = 0;
    draft v = {.ndim = 0};
    if (!array_ready(a)) return NULL;
    int ndim = a->ndim + n_axes;
    if (ndim > TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "expand_dims: %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM);
        return NULL;
    }
    for (int i = 0; i < n_axes; i++) {
        int axis = axes[i] < 0 ? axes[i] + ndim : axes[i];
        if (axis < 0 || axis >= ndim || mask >> axis & 1) {
            (void)error_set(TSR_ERR_INDEX, "expand_dims: axis %d is out of range for %d dimensions, or given twice", axes[i],
                            ndim);
            return NULL;
        }
        mask |= 1u << axis;
    }
    for (int d = 0; v.ndim < ndim; v.ndim++) {
        v.shape[v.ndim] = 1;
        if (mask >> v.ndim & 1) continue;
        v.axes[d] = (view_axis){v.ndim, 0, 1};
        v.shape[v.ndim] = a->shape[d++];
    }
    return draft_make(a, &v);
}

tsr_array *tsr_squeeze(tsr_array *a, int n_axes, const int *axes)
{
    uint32_t mask;
    draft v = {.ndim = 0};
    if (!array_ready(a) || axes_check("squeeze", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    for (int d = 0; d < a->ndim; d++) {
        bool drop = mask >> d & 1 && a->shape[d] == 1;
        if (axes && mask >> d & 1 && !drop) {
            (void)error_set(TSR_ERR_VALUE, "squeeze: axis %d has length %" PRId64 ", not 1", d, a->shape[d]);
            return NULL;
        }
        v.axes[d] = drop ? (view_axis){-1, 0, 0} : (view_axis){v.ndim, 0, 1};
        if (!drop) v.shape[v.ndim++] = a->shape[d];
    }
    return draft_make(a, &v);
}

tsr_array *tsr_flip(tsr_array *a, int n_axes, const int *axes)
{
    uint32_t mask;
    if (!array_ready(a) || axes_check("flip", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    draft v = draft_of(a);
    for (int d = 0; d < a->ndim; d++) {
        if (mask >> d & 1 && a->shape[d] > 0) v.axes[d] = (view_axis){d, a->shape[d] - 1, -1};
    }
    return draft_make(a, &v);
}

tsr_array *tsr_rot90(tsr_array *a, int k, int axis1, int axis2)
{
    if (!array_ready(a) || axis_check("rot90", a, axis1, &axis1) != TSR_OK || axis_check("rot90", a, axis2, &axis2) != TSR_OK)
        return NULL;
    if (axis1 == axis2) {
        (void)error_set(TSR_ERR_VALUE, "rot90: the two axes are the same, %d", axis1);
        return NULL;
    }
    k = (k % 4 + 4) % 4;
    if (k == 0) return node_ref(a);
    if (k == 2) return tsr_flip(a, 2, (int[]){axis1, axis2});
    if (k == 1) {
        tsr_array *flipped = tsr_flip(a, 1, &axis2);
        return array_using(tsr_swapaxes(flipped, axis1, axis2), flipped);
    }
    tsr_array *swapped = tsr_swapaxes(a, axis1, axis2);
    return array_using(tsr_flip(swapped, 1, &axis2), swapped);
}

tsr_array *tsr_diagonal(tsr_array *a, int64_t k, int axis1, int axis2)
{
    if (!array_ready(a) || axis_check("diagonal", a, axis1, &axis1) != TSR_OK ||
        axis_check("diagonal", a, axis2, &axis2) != TSR_OK)
        return NULL;
    if (axis1 == axis2) {
        (void)error_set(TSR_ERR_VALUE, "diagonal: the two axes are the same, %d", axis1);
        return NULL;
    }
    draft v = {.ndim = 0};
    for (int d = 0; d < a->ndim; d++) {
        if (d == axis1 || d == axis2) continue;
        v.axes[d] = (view_axis){v.ndim, 0, 1};
        v.shape[v.ndim++] = a->shape[d];
    }
    int64_t row = k < 0 ? -k : 0, column = k > 0 ? k : 0, rows = a->shape[axis1] - row, columns = a->shape[axis2] - column;
    int64_t n = rows < columns ? rows : columns;
    if (n < 0) n = 0;
    v.axes[axis1] = (view_axis){v.ndim, n ? row : 0, 1};
    v.axes[axis2] = (view_axis){v.ndim, n ? column : 0, 1};
    v.shape[v.ndim++] = n;
    return draft_make(a, &v);
}
