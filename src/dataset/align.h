/* Operands meet by dimension name. */
#ifndef TESSERA_DATASET_ALIGN_H
#define TESSERA_DATASET_ALIGN_H

#include "dataset/variable.h"

/* The dimensions of a result, and where each operand's dimensions are in it. */
typedef struct alignment {
    int ndim;
    const char *dims[TSR_MAX_NDIM]; /* borrowed from the operands; NULL: no name */
    int64_t shape[TSR_MAX_NDIM];
} alignment;

/* The operand with most dimensions gives the order; dimensions that it has not come behind. A dimension without a name is the one
 * at the same place from the right. Lengths must be equal; a length of 1 without a coordinate fits everything. `map` has a row
 * for each operand: the place of its axes in the result. */
tsr_status align_dims(int n, tsr_variable *const *operands, alignment *out, int (*map)[TSR_MAX_NDIM]) MUST_CHECK;
/* Gives `result`, whose dimensions are those of the alignment, the operands' coordinates. Labels of dimensions must be the same;
 * other coordinates that differ are left out. */
tsr_status align_coords(tsr_variable *result, int n, tsr_variable *const *operands) MUST_CHECK;
/* The operand's array with its axes in the alignment's order and new axes of length 1 for those it has not. A new reference;
 * `array` is borrowed. NULL on failure. */
tsr_array *align_array(tsr_array *array, const alignment *a, const int *map);

#endif
