/* Reductions of labelled arrays, inside. */
#ifndef TESSERA_DATASET_REDUCE_H
#define TESSERA_DATASET_REDUCE_H

#include "dataset/variable.h"

/* A reduction by NumPy's name over axes of an array: a new reference, NULL on failure (TSR_ERR_NOT_FOUND names the nearest).
 * n_axes 0: none at all, not all. */
tsr_array *reduce_array(tsr_array *a, const char *reduction, int n_axes, const int *axes, bool keepdims, double ddof);
/* Removes or rewrites the attributes that a reduction makes wrong, and appends to cell_methods: "time: mean". dims are the names
 * of the reduced dimensions, NULL entries are skipped. */
tsr_status reduce_attributes(tsr_variable *v, const char *reduction, int n_dims, const char *const *dims) MUST_CHECK;
/* Is there such a reduction? TSR_ERR_NOT_FOUND with the nearest name. */
tsr_status reduce_check(const char *reduction) MUST_CHECK;

#endif
