/* Keys: the items of x[...] worked out for an array. Every axis gets a slice or a list of indices that is checked, counted from
 * the front, and owned by the key; masks become the lists of what they select, which are computed here. */
#include "array/key.h"

#include "array/build.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Looking at items --------------------------------------------------------------------------------------------------- */

tsr_status key_is_basic(int n_items, const tsr_index *items, bool *basic)
{
    *basic = true;
    for (int i = 0; i < n_items; i++) {
        if ((int)items[i].kind < TSR_INDEX_SLICE || items[i].kind > TSR_INDEX_MASK)
            return error_set(TSR_ERR_VALUE, "index: item %d is of an unknown kind, %d", i, (int)items[i].kind);
        *basic = *basic && items[i].kind <= TSR_INDEX_ELLIPSIS;
        if (items[i].kind != TSR_INDEX_MASK) continue;
        const tsr_array *mask = items[i].mask;
        if (!mask) return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "index: item %d is NULL", i);
        if (mask->dtype != TSR_BOOL)
            return error_set(TSR_ERR_INDEX, "arrays used as indices must be of integer (or boolean) type, item %d is of %s", i,
                             tsr_dtype_name(mask->dtype));
        TRY(array_resolve(mask));
    }
    return TSR_OK;
}

/* Axes of the array that an item stands for, without the ellipsis. */
static int axes_of_item(const tsr_index *item)
{
    if (item->kind == TSR_INDEX_MASK) return item->mask->ndim;
    return item->kind != TSR_INDEX_NEWAXIS && item->kind != TSR_INDEX_ELLIPSIS;
}

/* How many axes the ellipsis, or what is left after the last item, stands for. */
static tsr_status count_axes(const tsr_array *x, int n_items, const tsr_index *items, int *n_rest)
{
    int used = 0, ellipses = 0, ndim = 0;
    for (int i = 0; i < n_items; i++) {
        used += axes_of_item(&items[i]);
        ellipses += items[i].kind == TSR_INDEX_ELLIPSIS;
        ndim += items[i].kind == TSR_INDEX_NEWAXIS || (items[i].kind == TSR_INDEX_MASK && items[i].mask->ndim == 0);
    }
    if (ellipses > 1) return error_set(TSR_ERR_INDEX, "an index can only have a single ellipsis ('...'), found %d", ellipses);
    if (used > x->ndim) {
        return error_set(TSR_ERR_INDEX, "too many indices for array: array is %d-dimensional, but %d were indexed", x->ndim,
                         used);
    }
    if (ndim + x->ndim > TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "index: more than %d dimensions", TSR_MAX_NDIM);
    *n_rest = x->ndim - used;
    return TSR_OK;
}

static tsr_status check_mask_shape(const tsr_array *x, int axis, const tsr_array *mask)
{
    char a[256], b[256];
    for (int d = 0; d < mask->ndim; d++) {
        if (mask->shape[d] == x->shape[axis + d]) continue;
        return error_set(
            TSR_ERR_INDEX,
            "boolean index of shape %s did not match indexed array of shape %s along axis %d; size of axis is %" PRId64
            " but size of corresponding boolean axis is %" PRId64,
            shape_format(mask->ndim, mask->shape, a, sizeof a), shape_format(x->ndim, x->shape, b, sizeof b), axis + d,
            x->shape[axis + d], mask->shape[d]);
    }
    return TSR_OK;
}

tsr_status key_split_mask(const tsr_array *x, int n_items, const tsr_index *given, tsr_array **mask, int *axis, int *n,
                          tsr_index *items)
{
    int n_masks = 0, at = 0, to = 0, n_rest;
    *mask = NULL;
    *n = 0;
    for (int i = 0; i < n_items; i++) {
        if (given[i].kind == TSR_INDEX_INTEGER || given[i].kind == TSR_INDEX_ARRAY) return TSR_OK;
        n_masks += given[i].kind == TSR_INDEX_MASK;
        if (given[i].kind == TSR_INDEX_MASK && given[i].mask->ndim == 0) return TSR_OK;
    }
    if (n_masks != 1) return TSR_OK;
    TRY(count_axes(x, n_items, given, &n_rest));
    for (int i = 0; i < n_items; i++) { /* `at`: the axis of x, `to`: of x[items] */
        if (given[i].kind == TSR_INDEX_MASK) {
            TRY(check_mask_shape(x, at, given[i].mask));
            *mask = given[i].mask;
            *axis = to;
            for (int d = 0; d < given[i].mask->ndim; d++) items[(*n)++] = (tsr_index){.kind = TSR_INDEX_SLICE};
        } else {
            items[(*n)++] = given[i];
        }
        int here = given[i].kind == TSR_INDEX_ELLIPSIS ? n_rest : axes_of_item(&given[i]);
        at += here;
        to += here + (given[i].kind == TSR_INDEX_NEWAXIS);
    }
    return TSR_OK;
}

/* ---- Lists -------------------------------------------------------------------------------------------------------------- */

static tsr_status set_list(key_axis *a, int axis, int64_t length, int ndim, const int64_t *shape, const int64_t *indices)
{
    *a = (key_axis){.is_list = true, .ndim = ndim, .n = shape_size(ndim, shape)};
    if (ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "index: an array of %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM);
    if (ndim > 0) memcpy(a->shape, shape, sizeof *shape * (size_t)ndim);
    a->indices = mem_alloc(sizeof *a->indices * (size_t)(a->n + 1));
    if (!a->indices) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < a->n; i++) {
        a->indices[i] = indices[i] < 0 ? indices[i] + length : indices[i];
        if (a->indices[i] < 0 || a->indices[i] >= length) {
            return error_set(TSR_ERR_INDEX, "index %" PRId64 " is out of bounds for axis %d with size %" PRId64, indices[i], axis,
                             length);
        }
    }
    return TSR_OK;
}

tsr_status key_find_places(tsr_array *mask, int64_t **places, int64_t *n)
{
    tsr_array *found = tsr_flatnonzero(mask);
    *n = tsr_size(found);
    *places = *n < 0 ? NULL : mem_alloc(sizeof **places * (size_t)(*n + 1));
    void *out = *places;
    tsr_status status = *n < 0 ? tsr_error_code() : !out ? TSR_ERR_MEMORY : TSR_OK;
    if (status == TSR_OK && *n > 0) status = mask->session->compute(1, &found, &out);
    node_unref(found);
    if (status == TSR_OK) return TSR_OK;
    mem_free(*places);
    return status;
}

/* One list for each axis of the mask. */
static tsr_status set_mask(key *k, int axis, tsr_array *mask)
{
    int64_t *places, *along, n, stride = 1;
    TRY(check_mask_shape(k->x, axis, mask));
    TRY(key_find_places(mask, &places, &n));
    along = mem_alloc(sizeof *along * (size_t)(n + 1));
    tsr_status status = along ? TSR_OK : TSR_ERR_MEMORY;
    for (int d = mask->ndim - 1; d >= 0 && status == TSR_OK; d--) {
        for (int64_t i = 0; i < n; i++) along[i] = places[i] / stride % mask->shape[d];
        stride *= mask->shape[d] ? mask->shape[d] : 1;
        status = set_list(&k->axes[axis + d], axis + d, mask->shape[d], 1, &n, along);
    }
    mem_free(places);
    mem_free(along);
    return status;
}

/* A mask of no dimensions: all of a new axis of length 1, or nothing of it. */
static tsr_status set_scalar_mask(key *k, int axis, tsr_array *mask)
{
    bool holds = false;
    void *out = &holds;
    int64_t n, zero = 0;
    TRY(mask->session->compute(1, &mask, &out));
    tsr_array *x = tsr_expand_dims(k->x, 1, &axis);
    if (!x) return tsr_error_code();
    node_unref(k->x);
    k->x = x;
    k->added |= 1u << axis;
    n = holds;
    return set_list(&k->axes[axis], axis, 1, 1, &n, &zero);
}

static tsr_status broadcast_lists(key *k)
{
    char text[512] = "";
    bool fits = true;
    size_t used = 0;
    k->ndim = 0;
    for (int d = 0; d < k->x->ndim; d++)
        if (k->lists >> d & 1 && k->axes[d].ndim > k->ndim) k->ndim = k->axes[d].ndim;
    for (int d = 0; d < k->ndim; d++) k->shape[d] = 1;
    for (int d = 0; d < k->x->ndim; d++) {
        const key_axis *a = &k->axes[d];
        if (!(k->lists >> d & 1)) continue;
        for (int i = 0; i < a->ndim; i++) {
            int64_t *to = &k->shape[k->ndim - a->ndim + i];
            if (a->shape[i] == 1 || a->shape[i] == *to) continue;
            fits = fits && *to == 1;
            *to = a->shape[i];
        }
    }
    k->n = shape_size(k->ndim, k->shape);
    if (fits) return TSR_OK;
    for (int d = 0; d < k->x->ndim && used < sizeof text - 300; d++) {
        if (!(k->lists >> d & 1)) continue;
        text[used++] = ' ';
        shape_format(k->axes[d].ndim, k->axes[d].shape, text + used, sizeof text - used);
        used += strlen(text + used);
    }
    return error_set(TSR_ERR_INDEX, "shape mismatch: indexing arrays could not be broadcast together with shapes%s", text);
}

/* ---- Items -------------------------------------------------------------------------------------------------------------- */

/* The lists' dimensions are where the first list is, if the others follow it without a gap; otherwise in front. */
typedef struct lists_place {
    bool begun, ended, split;
} lists_place;

static void add_lists(key *k, lists_place *p)
{
    if (!p->begun) k->order[k->n_order++] = KEY_LISTS;
    p->split = p->split || p->ended;
    p->begun = true;
}

static void add_slice(key *k, lists_place *p, int axis)
{
    p->ended = p->begun;
    k->order[k->n_order++] = axis;
}

static tsr_status set_item(key *k, const tsr_index *item, int n_rest, int *axis, lists_place *p)
{
    key_axis *a = &k->axes[*axis];
    int64_t n = 1;
    switch (item->kind) {
    case TSR_INDEX_NEWAXIS: add_slice(k, p, KEY_NEW); return TSR_OK;
    case TSR_INDEX_ELLIPSIS:
        p->ended = p->begun;
        for (; n_rest > 0; n_rest--, (*axis)++) {
            k->axes[*axis] = (key_axis){.step = 1, .count = k->x->shape[*axis]};
            add_slice(k, p, *axis);
        }
        return TSR_OK;
    case TSR_INDEX_SLICE:
        add_slice(k, p, *axis);
        a->is_list = false;
        return index_resolve_slice(item, k->x->shape[(*axis)++], &a->start, &a->step, &a->count);
    case TSR_INDEX_MASK:
        add_lists(k, p);
        if (item->mask->ndim == 0) {
            k->lists |= 1u << *axis;
            return set_scalar_mask(k, (*axis)++, item->mask);
        }
        for (int d = 0; d < item->mask->ndim; d++) k->lists |= 1u << (*axis + d);
        *axis += item->mask->ndim;
        return set_mask(k, *axis - item->mask->ndim, item->mask);
    default:
        add_lists(k, p);
        k->lists |= 1u << *axis;
        n = k->x->shape[*axis];
        (*axis)++;
        return item->kind == TSR_INDEX_INTEGER ? set_list(a, *axis - 1, n, 0, NULL, &item->start)
                                               : set_list(a, *axis - 1, n, item->ndim, item->shape, item->indices);
    }
}

tsr_status key_init(key *k, tsr_array *x, int n_items, const tsr_index *items, bool lists_first)
{
    static const tsr_index rest = {.kind = TSR_INDEX_ELLIPSIS};
    int n_rest, axis = 0;
    bool ellipsis = false;
    lists_place p = {0};
    *k = (key){0};
    TRY(count_axes(x, n_items, items, &n_rest));
    k->x = node_ref(x);
    tsr_status status = TSR_OK;
    for (int i = 0; i < n_items; i++) {
        ellipsis = ellipsis || items[i].kind == TSR_INDEX_ELLIPSIS;
        GUARD(set_item(k, &items[i], n_rest, &axis, &p));
    }
    if (!ellipsis) GUARD(set_item(k, &rest, n_rest, &axis, &p));
    GUARD(broadcast_lists(k));
    for (int i = k->n_order - 1; (p.split || lists_first) && i > 0; i--) { /* the lists to the front */
        if (k->order[i] != KEY_LISTS) continue;
        memmove(k->order + 1, k->order, sizeof *k->order * (size_t)i);
        k->order[0] = KEY_LISTS;
        break;
    }
    int ndim = k->n_order + (p.begun ? k->ndim - 1 : 0);
    if (ndim > TSR_MAX_NDIM) status = error_set(TSR_ERR_VALUE, "index: more than %d dimensions", TSR_MAX_NDIM);
done:
    if (status != TSR_OK) key_fini(k);
    return status;
}

void key_fini(key *k)
{
    for (int d = 0; k->x && d < k->x->ndim; d++) mem_free(k->axes[d].indices);
    node_unref(k->x);
    *k = (key){0};
}

void key_shape(const key *k, int *ndim, int64_t *shape)
{
    *ndim = 0;
    for (int i = 0; i < k->n_order; i++) {
        int axis = k->order[i];
        if (axis == KEY_LISTS) {
            for (int d = 0; d < k->ndim; d++) shape[(*ndim)++] = k->shape[d];
        } else {
            shape[(*ndim)++] = axis == KEY_NEW ? 1 : k->axes[axis].count;
        }
    }
}
