/* Picking positions along one dimension: what all selection comes down to. */
#ifndef TESSERA_DATASET_PICK_H
#define TESSERA_DATASET_PICK_H

#include "dataset/variable.h"

typedef struct pick {
    bool drops;             /* one position: the dimension goes */
    int64_t start, step, n; /* positions start + i * step, i < n; step of either sign */
    const int64_t *indices; /* if not NULL: these n positions, in range and not negative; borrowed */
} pick;

/* Picks along the axis of v and of every coordinate that has the dimension. */
tsr_status pick_apply(const tsr_variable *v, int axis, const pick *p, tsr_variable **out) MUST_CHECK;
/* Picks along an axis of an array: a new reference, NULL on failure. NULL gives NULL. */
tsr_array *pick_array(tsr_array *a, int axis, const pick *p);
/* A list that is in fact an arithmetic progression becomes one. */
pick pick_list(int64_t n, const int64_t *indices);

#endif
