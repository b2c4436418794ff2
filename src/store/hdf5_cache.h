/* What all open HDF5 files share: recently decoded chunks, and idle coders with their scratch memory. Images keep their decoded
 * blocks there, too, so that one bound holds for all. */
#ifndef TESSERA_STORE_HDF5_CACHE_H
#define TESSERA_STORE_HDF5_CACHE_H

#include "store/hdf5_chunk.h"

typedef struct hdf5_cache hdf5_cache;

/* The cache of the process, made with the first reference and freed with the last. NULL (error recorded) without memory. */
hdf5_cache *hdf5_cache_ref(void);
void hdf5_cache_unref(hdf5_cache *c);

/* A coder for one thread, until it is given back. */
tsr_status hdf5_coder_take(hdf5_cache *c, hdf5_coder **out) MUST_CHECK;
void hdf5_coder_give(hdf5_cache *c, hdf5_coder *coder);

typedef struct hdf5_cached {
    char *data; /* the decoded chunk; must not be written */
} hdf5_cached;

/* Fills n bytes of data. */
typedef tsr_status (*hdf5_decode_fn)(void *context, char *data, size_t n);

/* The decoded chunk `number` of `var`, which belongs to `owner`. If another thread is decoding it, waits for that; otherwise
 * calls decode, without a lock. Must be given back. */
tsr_status hdf5_cache_get(hdf5_cache *c, const void *owner, const void *var, int64_t number, size_t n_bytes,
                          hdf5_decode_fn decode, void *context, const hdf5_cached **out) MUST_CHECK;
void hdf5_cache_give(hdf5_cache *c, const hdf5_cached *chunk);
/* Forgets all chunks of an owner; none may be in use. */
void hdf5_cache_drop(hdf5_cache *c, const void *owner);
/* Bytes of chunks that are kept now. */
size_t hdf5_cache_bytes(hdf5_cache *c);

#endif
