/* Values put to places along one axis (array/scatter.c). */
#ifndef TESSERA_ARRAY_SCATTER_H
#define TESSERA_ARRAY_SCATTER_H

#include "array/node.h"

/* x with values[k] at index places[k] of the axis; of equal places the last counts. `values` has n elements along the axis and
 * x's other lengths and dtype. Places are in range; they are copied. */
tsr_array *array_scatter(tsr_array *x, int axis, int64_t n, const int64_t *places, tsr_array *values);
/* The same for places start, start + step, ...; n >= 1, step >= 1. */
tsr_array *array_scatter_range(tsr_array *x, int axis, int64_t n, int64_t start, int64_t step, tsr_array *values);

#endif
