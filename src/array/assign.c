/* x[...] = value as an expression. The value is brought into x's order of axes; then axis by axis: a run of neighbours is joined
 * with what is left of x on both sides, other places are scattered (array/scatter.c), so that of x only what stays is read, and
 * of the value only what a block needs. A mask with one value is a choice, with more it is array_mask_put. */
#include "array/build.h"
#include "array/index.h"
#include "array/mask.h"
#include "array/scatter.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- The value ------------------------------------------------------------------------------------------------------- */

/* The value in x's dtype and this shape; leading axes of length 1 may be too many, as in NumPy. */
static tsr_array *fit_value(tsr_array *value, tsr_dtype dtype, int ndim, const int64_t *shape, bool basic)
{
    char from[256], to[256];
    int extra = value->ndim > ndim ? value->ndim - ndim : 0;
    bool fits = true;
    for (int d = 0; d < value->ndim; d++) {
        int k = ndim - value->ndim + d;
        fits = fits && (value->shape[d] == 1 || (k >= 0 && value->shape[d] == shape[k]));
    }
    if (!fits) {
        (void)error_set(TSR_ERR_VALUE,
                        basic ? "could not broadcast input array from shape %s into shape %s"
                              : "shape mismatch: value array of shape %s could not be broadcast to indexing result of shape %s",
                        shape_format(value->ndim, value->shape, from, sizeof from), shape_format(ndim, shape, to, sizeof to));
        return NULL;
    }
    tsr_array *typed = array_cast(value, dtype);
    tsr_array *cut = typed ? tsr_reshape(typed, value->ndim - extra, typed->shape + extra) : NULL;
    return array_using(array_using(cut ? tsr_broadcast_to(cut, ndim, shape) : NULL, cut), typed);
}

/* The value's axes as x has them: one for each axis of k->x (those without a dimension in the result get length 1), and if
 * `merged` has any, those of its axes as one in front. varies[d]: the lists' dimension that axis d runs along. */
static tsr_array *turn_value(const key *k, tsr_array *value, uint32_t merged, const int *varies)
{
    int at_lists = -1, from[TSR_MAX_NDIM], ndim = 0, n = 0;
    int64_t shape[TSR_MAX_NDIM + 1], flat[TSR_MAX_NDIM + 1];
    view_axis axes[TSR_MAX_NDIM];
    for (int d = 0; d < k->x->ndim; d++) from[d] = -1;
    for (int i = 0; i < k->n_order; i++) {
        if (k->order[i] == KEY_LISTS) at_lists = n;
        if (k->order[i] >= 0) from[k->order[i]] = n;
        n += k->order[i] == KEY_LISTS ? k->ndim : 1;
    }
    for (int d = 0; d < value->ndim; d++) axes[d] = (view_axis){-1, 0, 0};
    for (int j = 0; merged && j < k->ndim; j++) {
        axes[at_lists + j] = (view_axis){ndim, 0, 1};
        shape[ndim++] = k->shape[j];
    }
    int n_lists = ndim;
    for (int d = 0; d < k->x->ndim; d++) {
        if (merged >> d & 1) continue;
        int source = from[d] >= 0 ? from[d] : !merged && varies[d] >= 0 ? at_lists + varies[d] : -1;
        if (source >= 0) axes[source] = (view_axis){ndim, 0, 1};
        shape[ndim++] = source >= 0 ? value->shape[source] : 1;
    }
    tsr_array *turned = array_view(value, ndim, shape, axes);
    if (!merged) return turned;
    flat[0] = k->n;
    memcpy(flat + 1, shape + n_lists, sizeof *shape * (size_t)(ndim - n_lists));
    return array_using(turned ? tsr_reshape(turned, ndim - n_lists + 1, flat) : NULL, turned);
}

/* ---- Axis by axis ---------------------------------------------------------------------------------------------------- */

/* One index is a slice as well. */
static key_axis as_slice(const key_axis *a)
{
    return a->is_list && a->n == 1 ? (key_axis){.start = a->indices[0], .step = 1, .count = 1} : *a;
}

static bool is_whole(const key_axis *a, int64_t length)
{
    return !a->is_list && a->start == 0 && a->step == 1 && a->count == length;
}

/* x where the axis is as the key says. */
static tsr_array *pick_axis(tsr_array *x, int axis, const key_axis *a)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    if (a->is_list) return tsr_take(x, a->n, a->indices, axis);
    for (int d = 0; d < x->ndim; d++) {
        shape[d] = d == axis ? a->count : x->shape[d];
        axes[d] = d == axis ? (view_axis){d, a->start, a->step} : (view_axis){d, 0, 1};
    }
    return array_view(x, x->ndim, shape, axes);
}

/* x with `values` where the axis is as the key says. */
static tsr_array *place_axis(tsr_array *x, int axis, const key_axis *a, tsr_array *values)
{
    tsr_array *pieces[3], *turned = NULL, *result;
    int n = 0;
    if (a->is_list) return array_scatter(x, axis, a->n, a->indices, values);
    int64_t start = a->step > 0 ? a->start : a->start + a->step * (a->count - 1), step = a->step > 0 ? a->step : -a->step;
    if (a->step < 0) {
        values = turned = tsr_flip(values, 1, &axis);
        if (!turned) return NULL;
    }
    if (step != 1 && a->count > 1) return array_using(array_scatter_range(x, axis, a->count, start, step, values), turned);
    if (start > 0) pieces[n++] = array_part(x, axis, 0, start);
    pieces[n++] = node_ref(values);
    if (start + a->count < x->shape[axis]) pieces[n++] = array_part(x, axis, start + a->count, x->shape[axis]);
    bool all = true;
    for (int i = 0; i < n; i++) all = all && pieces[i];
    result = all ? tsr_concatenate(n, pieces, axis) : NULL;
    for (int i = 0; i < n; i++) node_unref(pieces[i]);
    return array_using(result, turned);
}

/* x with `values`, which have as many axes, where all axes from `axis` on are as the keys say. */
static tsr_array *place_axes(tsr_array *x, int axis, const key_axis *axes, tsr_array *values)
{
    int next;
    while (axis < x->ndim && is_whole(&axes[axis], x->shape[axis])) axis++;
    if (axis == x->ndim) return node_ref(values);
    for (next = axis + 1; next < x->ndim && is_whole(&axes[next], x->shape[next]);) next++;
    if (next == x->ndim) return place_axis(x, axis, &axes[axis], values);
    tsr_array *sub = pick_axis(x, axis, &axes[axis]), *inner = sub ? place_axes(sub, next, axes, values) : NULL;
    tsr_array *result = inner ? place_axis(x, axis, &axes[axis], inner) : NULL;
    return array_using(array_using(result, inner), sub);
}

/* ---- Lists that vary together ---------------------------------------------------------------------------------------- */

/* The axes of `merged` (see key_merge) apart again and in their places. */
static tsr_array *unmerge(tsr_array *merged, const tsr_array *like, const int *order)
{
    int64_t shape[TSR_MAX_NDIM];
    int back[TSR_MAX_NDIM];
    for (int i = 0; i < like->ndim; i++) {
        shape[i] = like->shape[order[i]];
        back[order[i]] = i;
    }
    tsr_array *apart = tsr_reshape(merged, like->ndim, shape);
    return array_using(apart ? tsr_transpose(apart, back) : NULL, apart);
}

static tsr_array *place_merged(const key *k, const key_axis *axes, tsr_array *values)
{
    int order[TSR_MAX_NDIM];
    uint32_t varying = key_varying(k);
    int64_t *flat = NULL;
    key_axis outer[TSR_MAX_NDIM];
    tsr_array *sub = key_slices(k), *merged = sub ? key_merge(k, sub, varying, order) : NULL, *scattered = NULL, *result = NULL;
    if (merged && key_flat_indices(k, varying, &flat) == TSR_OK) scattered = array_scatter(merged, 0, k->n, flat, values);
    mem_free(flat);
    tsr_array *apart = scattered ? unmerge(scattered, sub, order) : NULL;
    for (int d = 0; d < k->x->ndim; d++) outer[d] = varying >> d & 1 ? (key_axis){.step = 1, .count = k->x->shape[d]} : axes[d];
    if (apart) result = place_axes(k->x, 0, outer, apart);
    tsr_array *used[] = {sub, merged, scattered, apart};
    for (int i = 0; i < 4; i++) node_unref(used[i]);
    return result;
}

/* ---- By key ---------------------------------------------------------------------------------------------------------- */

static tsr_array *place_key(const key *k, tsr_array *value)
{
    int varies[TSR_MAX_NDIM];
    key_axis axes[TSR_MAX_NDIM];
    bool independent = key_is_independent(k, varies);
    tsr_array *turned = turn_value(k, value, independent ? 0 : key_varying(k), varies);
    for (int d = 0; d < k->x->ndim; d++) axes[d] = as_slice(&k->axes[d]);
    if (!turned) return NULL;
    return array_using(independent ? place_axes(k->x, 0, axes, turned) : place_merged(k, axes, turned), turned);
}

static tsr_array *assign_key(tsr_array *a, int n_items, const tsr_index *items, tsr_array *value, bool basic)
{
    key k;
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    tsr_array *fitted = NULL, *placed = NULL, *result = NULL;
    if (key_init(&k, a, n_items, items, false) != TSR_OK) return NULL;
    key_shape(&k, &ndim, shape);
    fitted = fit_value(value, a->dtype, ndim, shape, basic);
    if (!fitted) goto done;
    if (shape_size(ndim, shape) == 0) {
        result = node_ref(a);
        goto done;
    }
    placed = place_key(&k, fitted);
    if (placed && k.added) {
        result = tsr_reshape(placed, a->ndim, a->shape);
    } else if (placed) {
        result = node_ref(placed);
    }
    if (result) result = array_using(array_rechunk(result, &a->grid), result);
done:
    node_unref(fitted);
    node_unref(placed);
    key_fini(&k);
    return result;
}

/* ---- By a mask ------------------------------------------------------------------------------------------------------- */

/* A mask's axes axis .. axis + n - 1 in `sub`, which is assigned to: one value along them all is a choice. */
static tsr_array *assign_masked(tsr_array *sub, tsr_array *mask, int axis, tsr_array *value)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    int ndim = sub->ndim - mask->ndim + 1, behind = ndim - axis - 1, at = value->ndim - behind - 1;
    for (int d = 0; d < mask->ndim; d++) axes[d] = (view_axis){axis + d, 0, 1};
    if (at >= 0 && value->shape[at] != 1) { /* a value for each: counted */
        tsr_array *selected = array_mask(sub, mask, axis), *fitted = NULL;
        if (array_ready(selected)) fitted = fit_value(value, sub->dtype, ndim, selected->shape, false);
        tsr_array *result = fitted ? array_mask_put(sub, mask, axis, fitted) : NULL;
        return array_using(array_using(result, fitted), selected);
    }
    for (int d = 0; d < ndim; d++) shape[d] = d < axis ? sub->shape[d] : d == axis ? 1 : sub->shape[d + mask->ndim - 1];
    tsr_array *fitted = fit_value(value, sub->dtype, ndim, shape, false), *spread = NULL, *full = NULL, *result = NULL;
    int64_t room[TSR_MAX_NDIM];
    for (int d = 0; d < sub->ndim; d++) room[d] = d >= axis && d < axis + mask->ndim ? 1 : sub->shape[d];
    spread = fitted ? tsr_reshape(fitted, sub->ndim, room) : NULL;
    full = spread ? array_view(mask, sub->ndim, sub->shape, axes) : NULL;
    result = full ? tsr_where(full, spread, sub) : NULL;
    tsr_array *used[] = {fitted, spread, full};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

/* A mask among slices and new axes; *result stays NULL if the key is another. */
static tsr_status assign_mask(tsr_array *a, int n_items, const tsr_index *items, tsr_array *value, tsr_array **result)
{
    tsr_array *mask, *sub = NULL, *made = NULL;
    int axis, n;
    tsr_status status;
    tsr_index *rest = mem_calloc((size_t)n_items + TSR_MAX_NDIM, sizeof *rest);
    *result = NULL;
    if (!rest) return TSR_ERR_MEMORY;
    GUARD(key_split_mask(a, n_items, items, &mask, &axis, &n, rest));
    if (!mask) goto done;
    sub = tsr_slice(a, n, rest);
    made = sub ? assign_masked(sub, mask, axis, value) : NULL;
    *result = made ? tsr_setitem(a, n, rest, made) : NULL;
    status = *result ? TSR_OK : tsr_error_code();
done:
    node_unref(sub);
    node_unref(made);
    mem_free(rest);
    return status;
}

tsr_array *tsr_setitem(tsr_array *a, int n_items, const tsr_index *items, tsr_array *value)
{
    bool basic;
    tsr_array *result = NULL;
    if (!array_ready(a) || !array_ready(value) || key_is_basic(n_items, items, &basic) != TSR_OK) return NULL;
    if (value->session != a->session) {
        (void)error_set(TSR_ERR_VALUE, "setitem: the arrays belong to different sessions");
        return NULL;
    }
    if (!basic && (assign_mask(a, n_items, items, value, &result) != TSR_OK || result)) return result;
    return assign_key(a, n_items, items, value, basic);
}
