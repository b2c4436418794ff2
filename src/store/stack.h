/* Many files of one array each, all of one shape, as one store with a new first dimension. */
#ifndef TESSERA_STORE_STACK_H
#define TESSERA_STORE_STACK_H

#include "store/store.h"

/* n >= 1. `dim` names the new dimension; NULL: as the format calls it (store_ops.stack_dim), else "file". Only the first file is
 * opened; the others, and whether they fit, when they are read. The store's `file` is NULL. The errors are store_open's, and
 * TSR_ERR_VALUE. */
tsr_status store_open_stack(int n, const char *const *paths, const char *dim, store **out) MUST_CHECK;

/* The files of a stack, which stay its own; NULL for a store that is none. */
const char *const *store_stack_paths(const store *s, int *n);

#endif
