/* Packed expressions: what pack.c and unpack.c share. The form is that of expression.proto. */
#ifndef TESSERA_ARRAY_PACK_H
#define TESSERA_ARRAY_PACK_H

enum { PACK_ALIGNMENT = 64, PACK_HEAD_BYTES = 16 };
#define PACK_MAGIC "TSRX0001"

#endif
