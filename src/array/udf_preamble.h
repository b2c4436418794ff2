/* What stands before the C source of a user's function: the part of tessera.h that block functions need. Compiled there, not
 * here. */
#ifndef TESSERA_ARRAY_UDF_PREAMBLE_H
#define TESSERA_ARRAY_UDF_PREAMBLE_H

/* printf format: what the program is compiled with, so that a source compiled for another layout of tsr_block is refused. */
extern const char udf_preamble[];

#endif
