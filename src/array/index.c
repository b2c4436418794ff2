/* x[...] with arrays and masks, by the primitives: a list that varies alone along its dimension is a take along its axis; lists
 * that vary together are a take along their axes merged into one. A mask alone, or among slices, is left to array/mask.c. */
#include "array/index.h"

#include "array/build.h"
#include "array/mask.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Slices ------------------------------------------------------------------------------------------------------------- */

/* The slices of a key; axes with lists stay whole, or, where the list has only one index, get length 1. */
tsr_array *key_slices(const key *k)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    for (int d = 0; d < k->x->ndim; d++) {
        const key_axis *a = &k->axes[d];
        shape[d] = !a->is_list ? a->count : a->n == 1 ? 1 : k->x->shape[d];
        axes[d] = !a->is_list ? (view_axis){d, a->start, a->step}
                  : a->n == 1 ? (view_axis){d, a->indices[0], 1}
                              : (view_axis){d, 0, 1};
    }
    return array_view(k->x, k->x->ndim, shape, axes);
}

/* ---- How lists vary ------------------------------------------------------------------------------------------------------ */

bool key_is_independent(const key *k, int *varies)
{
    uint32_t taken = 0;
    for (int d = 0; d < k->x->ndim; d++) {
        const key_axis *a = &k->axes[d];
        varies[d] = -1;
        if (!(k->lists >> d & 1) || a->n == 1) continue;
        for (int i = 0; i < a->ndim; i++) {
            int along = k->ndim - a->ndim + i;
            if (a->shape[i] == 1) continue;
            if (varies[d] >= 0 || taken >> along & 1) return false;
            varies[d] = along;
            taken |= 1u << along;
        }
    }
    return true;
}

tsr_status key_flat_indices(const key *k, uint32_t axes, int64_t **out)
{
    int64_t *flat = mem_calloc((size_t)k->n + 1, sizeof *flat);
    if (!flat) return TSR_ERR_MEMORY;
    for (int d = 0; d < k->x->ndim; d++) {
        const key_axis *a = &k->axes[d];
        int64_t steps[TSR_MAX_NDIM] = {0}, step = 1, at[TSR_MAX_NDIM] = {0}, from = 0;
        if (!(axes >> d & 1)) continue;
        for (int i = a->ndim - 1; i >= 0; i--) { /* steps within the list; none where it broadcasts */
            steps[k->ndim - a->ndim + i] = a->shape[i] == 1 ? 0 : step;
            step *= a->shape[i];
        }
        for (int64_t i = 0; i < k->n; i++) {
            flat[i] = flat[i] * k->x->shape[d] + a->indices[from];
            for (int j = k->ndim - 1; j >= 0; j--) {
                from += steps[j];
                if (++at[j] < k->shape[j]) break;
                from -= steps[j] * at[j];
                at[j] = 0;
            }
        }
    }
    *out = flat;
    return TSR_OK;
}

/* ---- Picking ------------------------------------------------------------------------------------------------------------ */

/* Every dimension of the lists belongs to one axis of `picked`, from which a view makes the result. */
static tsr_array *arrange_independent(const key *k, tsr_array *picked, const int *varies)
{
    int ndim = 0;
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    for (int d = 0; d < picked->ndim; d++) axes[d] = (view_axis){-1, 0, 0};
    for (int i = 0; i < k->n_order; i++) {
        int axis = k->order[i];
        if (axis == KEY_NEW) {
            shape[ndim++] = 1;
        } else if (axis != KEY_LISTS) {
            axes[axis] = (view_axis){ndim, 0, 1};
            shape[ndim++] = picked->shape[axis];
        }
        for (int j = 0; axis == KEY_LISTS && j < k->ndim; j++, ndim++) {
            shape[ndim] = k->shape[j];
            for (int d = 0; d < picked->ndim; d++)
                if (varies[d] == j) axes[d] = (view_axis){ndim, 0, 1};
        }
    }
    return array_view(picked, ndim, shape, axes);
}

static tsr_array *pick_independent(const key *k, tsr_array *sub, const int *varies)
{
    tsr_array *picked = node_ref(sub);
    for (int d = 0; picked && d < sub->ndim; d++)
        if (varies[d] >= 0) picked = array_using(tsr_take(picked, k->axes[d].n, k->axes[d].indices, d), picked);
    return array_using(picked ? arrange_independent(k, picked, varies) : NULL, picked);
}

tsr_array *key_merge(const key *k, tsr_array *sub, uint32_t axes, int *order)
{
    int64_t shape[TSR_MAX_NDIM], merged[TSR_MAX_NDIM];
    view_axis map[TSR_MAX_NDIM];
    int n = 0, ndim = 1;
    for (int pass = 0; pass < 2; pass++) {
        for (int d = 0; d < sub->ndim; d++) {
            if ((axes >> d & 1) != (pass == 0)) continue;
            order[n] = d;
            map[d] = (view_axis){n, 0, 1};
            if (pass == 1) merged[ndim++] = sub->shape[d];
            shape[n++] = sub->shape[d];
        }
    }
    merged[0] = shape_size(sub->ndim - ndim + 1, shape);
    tsr_array *front = array_view(sub, n, shape, map);
    return array_using(front ? tsr_reshape(front, ndim, merged) : NULL, front);
}

/* `picked` has the lists' elements along its first axis, then all axes without varying lists, in order: the result. */
static tsr_array *arrange_merged(const key *k, tsr_array *picked, uint32_t merged)
{
    int ndim = 0, n, place[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM], whole[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    for (int d = 0, at = 1; d < k->x->ndim; d++) {
        place[d] = at;
        at += !(merged >> d & 1);
    }
    for (int d = 0; d < picked->ndim; d++) axes[d] = (view_axis){-1, 0, 0};
    for (int i = 0; i < k->n_order; i++) {
        int axis = k->order[i];
        shape[ndim] = 1;
        if (axis != KEY_NEW) {
            int from = axis == KEY_LISTS ? 0 : place[axis];
            axes[from] = (view_axis){ndim, 0, 1};
            shape[ndim] = picked->shape[from];
        }
        ndim++;
    }
    tsr_array *arranged = array_view(picked, ndim, shape, axes);
    key_shape(k, &n, whole);
    return array_using(arranged ? tsr_reshape(arranged, n, whole) : NULL, arranged);
}

uint32_t key_varying(const key *k)
{
    uint32_t varying = 0;
    for (int d = 0; d < k->x->ndim; d++)
        if (k->lists >> d & 1 && k->axes[d].n != 1) varying |= 1u << d;
    return varying;
}

static tsr_array *pick_merged(const key *k, tsr_array *sub)
{
    int order[TSR_MAX_NDIM];
    uint32_t varying = key_varying(k);
    int64_t *flat = NULL;
    tsr_array *merged = key_merge(k, sub, varying, order), *picked = NULL;
    if (merged && key_flat_indices(k, varying, &flat) == TSR_OK) picked = tsr_take(merged, k->n, flat, 0);
    mem_free(flat);
    return array_using(array_using(picked ? arrange_merged(k, picked, varying) : NULL, picked), merged);
}

static tsr_array *pick(const key *k)
{
    int varies[TSR_MAX_NDIM];
    tsr_array *sub = key_slices(k);
    if (!sub) return NULL;
    return array_using(key_is_independent(k, varies) ? pick_independent(k, sub, varies) : pick_merged(k, sub), sub);
}

/* ---- Public ------------------------------------------------------------------------------------------------------------- */

/* A mask among slices: *result stays NULL if the key is another. */
static tsr_status pick_mask(tsr_array *a, int n_items, const tsr_index *items, tsr_array **result)
{
    tsr_array *mask;
    int axis, n;
    tsr_status status;
    tsr_index *rest = mem_calloc((size_t)n_items + TSR_MAX_NDIM, sizeof *rest);
    *result = NULL;
    if (!rest) return TSR_ERR_MEMORY;
    GUARD(key_split_mask(a, n_items, items, &mask, &axis, &n, rest));
    if (mask) {
        tsr_array *sub = tsr_slice(a, n, rest);
        *result = array_using(sub ? array_mask(sub, mask, axis) : NULL, sub);
        status = *result ? TSR_OK : tsr_error_code();
    }
done:
    mem_free(rest);
    return status;
}

static tsr_array *index_with(tsr_array *a, int n_items, const tsr_index *items, bool lists_first)
{
    bool basic;
    key k;
    tsr_array *result = NULL;
    if (!array_ready(a) || key_is_basic(n_items, items, &basic) != TSR_OK) return NULL;
    if (basic) return tsr_slice(a, n_items, items);
    if (!lists_first && (pick_mask(a, n_items, items, &result) != TSR_OK || result)) return result;
    if (key_init(&k, a, n_items, items, lists_first) != TSR_OK) return NULL;
    result = pick(&k);
    key_fini(&k);
    return result;
}

tsr_array *tsr_getitem(tsr_array *a, int n_items, const tsr_index *items) { return index_with(a, n_items, items, false); }
tsr_array *tsr_vindex(tsr_array *a, int n_items, const tsr_index *items) { return index_with(a, n_items, items, true); }

static bool is_list(const tsr_index *item) { return item->kind == TSR_INDEX_ARRAY || item->kind == TSR_INDEX_MASK; }

/* The items with whole slices for lists, and the axis of the result at which each begins. */
static tsr_status split_lists(const tsr_array *a, int n_items, const tsr_index *items, tsr_index *rest, int *axes)
{
    int n_rest = a->ndim, axis = 0;
    for (int i = 0; i < n_items; i++) {
        int ndim = items[i].kind == TSR_INDEX_MASK ? items[i].mask->ndim : items[i].ndim;
        if (is_list(&items[i]) && ndim != 1)
            return error_set(TSR_ERR_INDEX, "oindex: arrays must have one dimension, item %d has %d", i, ndim);
        n_rest -= items[i].kind != TSR_INDEX_NEWAXIS && items[i].kind != TSR_INDEX_ELLIPSIS;
    }
    for (int i = 0; i < n_items; i++) {
        rest[i] = is_list(&items[i]) ? (tsr_index){.kind = TSR_INDEX_SLICE} : items[i];
        axes[i] = axis;
        axis += items[i].kind == TSR_INDEX_ELLIPSIS ? n_rest : items[i].kind != TSR_INDEX_INTEGER;
    }
    return TSR_OK;
}

/* The slices first, then list by list. */
tsr_array *tsr_oindex(tsr_array *a, int n_items, const tsr_index *items)
{
    bool basic;
    tsr_array *result = NULL;
    if (!array_ready(a) || key_is_basic(n_items, items, &basic) != TSR_OK) return NULL;
    if (basic) return tsr_slice(a, n_items, items);
    tsr_index *rest = mem_calloc((size_t)n_items, sizeof *rest);
    int *axes = mem_calloc((size_t)n_items, sizeof *axes);
    if (rest && axes && split_lists(a, n_items, items, rest, axes) == TSR_OK) result = tsr_slice(a, n_items, rest);
    for (int i = 0; result && i < n_items; i++) {
        if (items[i].kind == TSR_INDEX_ARRAY)
            result = array_using(tsr_take(result, items[i].shape[0], items[i].indices, axes[i]), result);
        if (items[i].kind == TSR_INDEX_MASK) result = array_using(array_mask(result, items[i].mask, axes[i]), result);
    }
    mem_free(rest);
    mem_free(axes);
    return result;
}
