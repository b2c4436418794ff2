/* Surroundings of blocks: what map_overlap and the arrays of overlapped blocks share. */
#ifndef TESSERA_ARRAY_OVERLAP_H
#define TESSERA_ARRAY_OVERLAP_H

#include "array/node.h"

/* Checks depths and boundaries, one for each axis. */
tsr_status overlap_check(const char *name, int ndim, const tsr_overlap *overlap) MUST_CHECK;
/* Is there something beyond the array's ends? */
bool overlap_is_padded(const tsr_overlap *overlap);
/* The array with what the boundaries put around it. */
tsr_array *overlap_pad(tsr_array *a, const tsr_overlap *overlap);

#endif
