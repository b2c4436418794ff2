/* Packed expressions: what pack.c and unpack.c share. The form is that of expression.proto. */
#ifndef TESSERA_ARRAY_PACK_H
#define TESSERA_ARRAY_PACK_H

#include "array/node.h"
#include "base/arena.h"

enum { PACK_ALIGNMENT = 64, PACK_HEAD_BYTES = 16 };
#define PACK_MAGIC "TSRX0001"

/* A block function of a cluster's own, as it travels: its name, bytes, and a function of the user's that it calls (NULL: none).
 */
typedef struct packed_function {
    const char *name;
    void *bytes;
    size_t size;
    const tsr_function *inner;
} packed_function;

/* How persisted arrays travel by name, where both ends know them: as number `root` of job `job` of a cluster; and the block
 * functions that a cluster has besides the library's. */
typedef struct set_codec {
    void *context;
    /* What stands for a set. False: there is nothing, its values go along. */
    bool (*save)(void *context, const block_set *set, uint64_t *job, uint32_t *root);
    /* The set, as a reference, with its dtype and how its blocks lie (the set's own grid). NULL with the error set. */
    block_set *(*load)(void *context, uint64_t job, uint32_t root, tsr_dtype *dtype, const grid **stored);
    /* What stands for a function, in the packer's memory; without a name if it is none of these. May be NULL, as the next. */
    tsr_status (*save_function)(void *context, const tsr_function *f, arena *memory, packed_function *out);
    /* The function again; `inner` has no address if there is none, and is taken on success. */
    tsr_status (*load_function)(void *context, const char *name, const void *bytes, size_t size, const tsr_function *inner,
                                tsr_function *out);
} set_codec;

/* tsr_pack and tsr_unpack; either codec may be NULL. */
tsr_status expression_pack(int n, tsr_array *const *arrays, const tsr_function_codec *codec, const set_codec *sets, void **out,
                           size_t *size) MUST_CHECK;
tsr_status expression_unpack(tsr_session *session, const void *data, size_t size, const tsr_function_codec *codec,
                             const set_codec *sets, int n, tsr_array **arrays) MUST_CHECK;

/* The sets of blocks that the arrays' expressions read; one may come twice. *out is the caller's to mem_free, the sets are
 * borrowed. */
tsr_status expression_sets(int n, tsr_array *const *arrays, block_set ***out, size_t *n_out) MUST_CHECK;

#endif
