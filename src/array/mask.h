/* Arrays selected by masks, whose lengths are values (array/mask.c). */
#ifndef TESSERA_ARRAY_MASK_H
#define TESSERA_ARRAY_MASK_H

#include "array/node.h"

/* x compressed by a mask over its axes axis, axis + 1 ...; in the result they are one. */
tsr_array *array_mask(tsr_array *x, tsr_array *mask, int axis);
/* x with values, which broadcast to array_mask's shape, where the mask holds. Counts the mask. */
tsr_array *array_mask_put(tsr_array *x, tsr_array *mask, int axis, tsr_array *values);
/* Is this what array_mask makes? inputs: what is selected from, and the mask of one dimension along mask_axis. */
bool array_is_masked(const tsr_array *a);
int mask_axis(const tsr_array *a);
/* A reduction of such an array that does not need its length: a reduction of its input where the mask holds. *out stays NULL
 * where there is none (the axis is not reduced, or the order of the selected elements counts). array/masked.c. */
tsr_status mask_reduce(const char *name, tsr_array *a, monoid op, int n_axes, const int *axes, bool keepdims, double ddof,
                       tsr_array **out) MUST_CHECK;

#endif
