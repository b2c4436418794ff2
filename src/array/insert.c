/* Parts of an axis left out or put in between: delete, insert, append. Few places cut the axis into slices, which are joined;
 * many are a list of indices. */
#include "array/build.h"
#include "array/key.h"
#include "array/mask.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SLICES = 64 };

/* ---- Places ---------------------------------------------------------------------------------------------------------- */

/* One place along an axis, and which of the values goes there. */
typedef struct place {
    int64_t at, value;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : (x->value > y->value) - (x->value < y->value);
}

static tsr_status check_mask(const char *name, const tsr_index *p, int64_t length)
{
    bool basic;
    TRY(key_is_basic(1, p, &basic));
    if (p->mask->ndim == 1 && p->mask->shape[0] == length) return TSR_OK;
    return error_set(TSR_ERR_VALUE,
                     "%s: boolean array argument obj must be one dimensional and match the axis length of %" PRId64, name,
                     length);
}

/* The places as a sorted list, `most` (the axis's length, or one less) being the last that is possible. *out is mem_freed. */
static tsr_status list_places(const char *name, const tsr_index *p, int64_t length, int64_t most, int axis, place **out,
                              int64_t *n)
{
    int64_t start = 0, step = 1, *selected = NULL;
    *n = 1;
    if (p->kind == TSR_INDEX_MASK) {
        TRY(check_mask(name, p, length));
        TRY(key_find_places(p->mask, &selected, n));
    } else if (p->kind == TSR_INDEX_SLICE) {
        TRY(index_resolve_slice(p, length, &start, &step, n));
    } else if (p->kind == TSR_INDEX_ARRAY) {
        if (p->ndim != 1)
            return error_set(TSR_ERR_VALUE, "%s: the index array must have one dimension, it has %d", name, p->ndim);
        *n = p->shape[0];
    } else if (p->kind != TSR_INDEX_INTEGER) {
        return error_set(TSR_ERR_VALUE, "%s: the places must be an integer, a slice, an array or a mask", name);
    }
    const int64_t *indices = selected ? selected : p->kind == TSR_INDEX_ARRAY ? p->indices : NULL;
    place *list = mem_alloc(sizeof *list * (size_t)(*n + 1));
    for (int64_t i = 0; list && i < *n; i++) {
        int64_t given = p->kind == TSR_INDEX_SLICE ? start + step * i : indices ? indices[i] : p->start;
        list[i] = (place){given < 0 ? given + length : given, i};
        if (list[i].at < 0 || list[i].at > most) {
            mem_free(list);
            return error_set(TSR_ERR_INDEX, "%s: index %" PRId64 " is out of bounds for axis %d with size %" PRId64, name, given,
                             axis, length);
        }
    }
    mem_free(selected); /* its places are all in range */
    if (!list) return TSR_ERR_MEMORY;
    qsort(list, (size_t)*n, sizeof *list, compare_places);
    *out = list;
    return TSR_OK;
}

/* ---- Delete ---------------------------------------------------------------------------------------------------------- */

/* The places that are left, as indices. */
static tsr_array *take_rest(tsr_array *a, const place *list, int64_t n, int64_t n_left, int axis)
{
    int64_t *indices = mem_alloc(sizeof *indices * (size_t)(n_left + 1)), k = 0, next = 0;
    if (!indices) return NULL;
    for (int64_t i = 0; i < a->shape[axis]; i++) {
        while (next < n && list[next].at < i) next++;
        if (next == n || list[next].at != i) indices[k++] = i;
    }
    tsr_array *result = tsr_take(a, n_left, indices, axis);
    mem_free(indices);
    return result;
}

static tsr_array *without(tsr_array *a, const place *list, int64_t n, int axis)
{
    tsr_array *pieces[MOST_SLICES + 1] = {NULL};
    int64_t n_pieces = 0, at = 0, n_left = 0;
    for (int64_t i = 0; i <= n; i++) { /* how many slices are left */
        int64_t end = i < n ? list[i].at : a->shape[axis];
        n_pieces += end > at;
        n_left += end > at ? end - at : 0;
        if (i < n && list[i].at >= at) at = list[i].at + 1;
    }
    if (n_pieces > MOST_SLICES) return take_rest(a, list, n, n_left, axis);
    if (n_pieces == 0) return array_part(a, axis, 0, 0);
    n_pieces = at = 0;
    for (int64_t i = 0; i <= n; i++) {
        int64_t end = i < n ? list[i].at : a->shape[axis];
        if (end > at) pieces[n_pieces++] = array_part(a, axis, at, end);
        if (i < n && list[i].at >= at) at = list[i].at + 1;
    }
    return array_join((int)n_pieces, pieces, axis);
}

/* What the mask does not select: a mask as well. */
static tsr_array *without_masked(tsr_array *a, tsr_array *mask, int axis)
{
    tsr_array *rest = tsr_logical_not(mask);
    return array_using(rest ? array_mask(a, rest, axis) : NULL, rest);
}

tsr_array *tsr_delete(tsr_array *a, const tsr_index *places, int axis)
{
    place *list;
    int64_t n;
    if (!array_ready(a) || axis_check("delete", a, axis, &axis) != TSR_OK) return NULL;
    if (places->kind == TSR_INDEX_MASK)
        return check_mask("delete", places, a->shape[axis]) == TSR_OK ? without_masked(a, places->mask, axis) : NULL;
    if (list_places("delete", places, a->shape[axis], a->shape[axis] - 1, axis, &list, &n) != TSR_OK) return NULL;
    tsr_array *result = without(a, list, n, axis);
    mem_free(list);
    return result;
}

/* ---- Insert ---------------------------------------------------------------------------------------------------------- */

/* `values` with a's number of dimensions and dtype, n long along the axis (n -1: as they are), and the other lengths of a. */
static tsr_array *fit_values(tsr_array *a, tsr_array *values, int axis, int64_t n, bool is_single)
{
    int64_t shape[TSR_MAX_NDIM];
    tsr_array *typed = array_cast(values, a->dtype), *full = NULL, *turned = NULL, *result = NULL;
    if (!typed) return NULL;
    if (values->ndim > a->ndim) {
        (void)error_set(TSR_ERR_VALUE, "insert: the values have %d dimensions, the array %d", values->ndim, a->ndim);
        goto done;
    }
    for (int d = 0; d < a->ndim; d++) shape[d] = d < a->ndim - values->ndim ? 1 : values->shape[d - (a->ndim - values->ndim)];
    full = tsr_reshape(typed, a->ndim, shape);
    turned = full && is_single ? tsr_moveaxis(full, 1, (int[]){0}, &axis) : full ? node_ref(full) : NULL;
    if (!turned) goto done;
    memcpy(shape, a->shape, sizeof shape);
    shape[axis] = n < 0 ? turned->shape[axis] : n;
    for (int d = 0; d < a->ndim; d++)
        if (turned->shape[d] != 1 && turned->shape[d] != shape[d]) {
            (void)error_set(TSR_ERR_VALUE,
                            "insert: the values are %" PRId64 " long along axis %d, where %" PRId64 " are to be filled",
                            turned->shape[d], d, shape[d]);
            goto done;
        }
    result = tsr_broadcast_to(turned, a->ndim, shape);
done:
    node_unref(typed);
    node_unref(full);
    node_unref(turned);
    return result;
}

/* Slices of the array and of the values in turn; n >= 1 places, values->shape[axis] is n, or anything with one place. */
static tsr_array *interleave(tsr_array *a, tsr_array *values, const place *list, int64_t n, int axis)
{
    tsr_array *pieces[2 * MOST_SLICES + 1] = {NULL};
    int n_pieces = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (list[i].at > at) pieces[n_pieces++] = array_part(a, axis, at, list[i].at);
        pieces[n_pieces++] = n == 1 ? node_ref(values) : array_part(values, axis, list[i].value, list[i].value + 1);
        at = list[i].at;
    }
    if (a->shape[axis] > at) pieces[n_pieces++] = array_part(a, axis, at, a->shape[axis]);
    return array_join(n_pieces, pieces, axis);
}

/* The array and the values side by side, and the order in which their elements follow. */
static tsr_array *interleave_many(tsr_array *a, tsr_array *values, const place *list, int64_t n, int axis)
{
    int64_t length = a->shape[axis], *order = mem_alloc(sizeof *order * (size_t)(length + n)), k = 0, next = 0;
    tsr_array *both = order ? tsr_concatenate(2, (tsr_array *[]){a, values}, axis) : NULL, *result = NULL;
    if (both) {
        for (int64_t i = 0; i <= length; i++) {
            for (; next < n && list[next].at == i; next++) order[k++] = length + list[next].value;
            if (i < length) order[k++] = i;
        }
        result = tsr_take(both, k, order, axis);
    }
    mem_free(order);
    return array_using(result, both);
}

tsr_array *tsr_insert(tsr_array *a, const tsr_index *places, tsr_array *values, int axis)
{
    place *list;
    int64_t n;
    if (!array_ready(a) || !array_ready(values) || axis_check("insert", a, axis, &axis) != TSR_OK) return NULL;
    if (list_places("insert", places, a->shape[axis], a->shape[axis], axis, &list, &n) != TSR_OK) return NULL;
    tsr_array *fitted = fit_values(a, values, axis, n == 1 ? -1 : n, places->kind == TSR_INDEX_INTEGER), *result = NULL;
    if (fitted && n == 0) {
        result = node_ref(a);
    } else if (fitted) {
        result = n <= MOST_SLICES ? interleave(a, fitted, list, n, axis) : interleave_many(a, fitted, list, n, axis);
    }
    mem_free(list);
    return array_using(result, fitted);
}

tsr_array *tsr_append(tsr_array *a, tsr_array *values, int axis)
{
    return a && values ? tsr_concatenate(2, (tsr_array *[]){a, values}, axis) : NULL;
}
