/* Parts of indexing that reading and assignment share (array/index.c). */
#ifndef TESSERA_ARRAY_INDEX_H
#define TESSERA_ARRAY_INDEX_H

#include "array/key.h"

/* The key's slices; axes with a list of one index have length 1 then, those with other lists stay whole. */
tsr_array *key_slices(const key *k);
/* The axes whose lists have not just one index, as bits. */
uint32_t key_varying(const key *k);
/* Does every varying list vary along one dimension of the lists' common shape, each along another? varies[d]: which, or -1. */
bool key_is_independent(const key *k, int *varies);
/* `sub` (key_slices) with these axes merged into one in front; order[i]: the axis that was i-th before they were merged. */
tsr_array *key_merge(const key *k, tsr_array *sub, uint32_t axes, int *order);
/* The lists of these axes as flat indices into the axes merged: k->n of them, to be mem_freed. */
tsr_status key_flat_indices(const key *k, uint32_t axes, int64_t **out) MUST_CHECK;

#endif
