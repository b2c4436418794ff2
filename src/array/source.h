/* Arrays of a store's variables, for layers that have the store open already. */
#ifndef TESSERA_ARRAY_SOURCE_H
#define TESSERA_ARRAY_SOURCE_H

#include "array/node.h"

/* The variable as stored (no CF decoding). Keeps a reference to the file. chunks as in the public header. */
tsr_array *array_from_store(tsr_session *session, store *file, int var, const int64_t *chunks);

#endif
