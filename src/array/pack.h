/* Packed expressions: what pack.c and unpack.c share. The form is that of expression.proto. */
#ifndef TESSERA_ARRAY_PACK_H
#define TESSERA_ARRAY_PACK_H

#include "array/node.h"

/* Is a node what a constructor could have made? For nodes that come from outside, before node_make (array/check.c). */
tsr_status node_check(const tsr_array *node) MUST_CHECK;

enum { PACK_ALIGNMENT = 64, PACK_HEAD_BYTES = 16 };
#define PACK_MAGIC "TSRX0001"

#endif
