/* A key, the items of x[...], worked out for an array (array/key.c). */
#ifndef TESSERA_ARRAY_KEY_H
#define TESSERA_ARRAY_KEY_H

#include "array/node.h"

/* What a key does with one axis of the array. */
typedef struct key_axis {
    bool is_list;
    int64_t start, step, count; /* a slice */
    int ndim;                   /* a list of indices, in range; integers are lists of no dimensions */
    int64_t shape[TSR_MAX_NDIM], n;
    int64_t *indices; /* owned by the key */
} key_axis;

enum { KEY_NEW = -1, KEY_LISTS = -2 };

typedef struct key {
    tsr_array *x; /* a reference: the array, with an axis of length 1 for each mask of no dimensions */
    key_axis axes[TSR_MAX_NDIM];
    uint32_t lists, added; /* which axes have lists; which are not the array's own */
    int ndim;              /* the shape that the lists broadcast to */
    int64_t shape[TSR_MAX_NDIM], n;
    int n_order; /* dimensions of x[...] in order: axes with slices, KEY_NEW, and once KEY_LISTS for all of the lists' */
    int order[2 * TSR_MAX_NDIM];
} key;

/* lists_first: the lists' dimensions come first, not where NumPy puts them. On failure there is nothing to undo. */
tsr_status key_init(key *k, tsr_array *x, int n_items, const tsr_index *items, bool lists_first) MUST_CHECK;
void key_fini(key *k);
/* The shape of x[...]. */
void key_shape(const key *k, int *ndim, int64_t *shape);
/* Is there an array or mask among the items? Checks their kinds. */
tsr_status key_is_basic(int n_items, const tsr_index *items, bool *basic) MUST_CHECK;
/* What a mask selects, as flat places, computed now; *places is mem_freed. */
tsr_status key_find_places(tsr_array *mask, int64_t **places, int64_t *n) MUST_CHECK;
/* If the key is slices, new axes and one mask of one dimension or more: the mask, and the key without it: for each of its axes a
 * slice, which `items` has room for (n_items + TSR_MAX_NDIM). *axis: the mask's first axis in x[items]. Otherwise *mask is NULL.
 */
tsr_status key_split_mask(const tsr_array *x, int n_items, const tsr_index *given, tsr_array **mask, int *axis, int *n,
                          tsr_index *items) MUST_CHECK;

#endif
