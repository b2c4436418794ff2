/* What the readers of HDF5's index structures share: bytes to numbers, blocks of the file, and the index being built. */
#ifndef TESSERA_STORE_HDF5_PARSE_H
#define TESSERA_STORE_HDF5_PARSE_H

#include "store/hdf5_index.h"

/* Reads little-endian numbers from memory; running over the end gives zeros and is remembered. */
typedef struct hdf5_cursor {
    const uint8_t *at, *end;
    bool failed;
} hdf5_cursor;

static inline uint64_t hdf5_take(hdf5_cursor *c, int n_bytes)
{
    if (n_bytes > 8 || c->end - c->at < n_bytes) {
        c->failed = true;
        c->at = c->end;
        return 0;
    }
    uint64_t v = 0;
    for (int i = 0; i < n_bytes; i++) v |= (uint64_t)c->at[i] << 8 * i;
    c->at += n_bytes;
    return v;
}

static inline void hdf5_skip(hdf5_cursor *c, uint64_t n)
{
    if ((uint64_t)(c->end - c->at) < n) {
        c->failed = true;
        n = (uint64_t)(c->end - c->at);
    }
    c->at += n;
}

/* An index under construction. */
typedef struct hdf5_builder {
    const hdf5_index_query *q;
    hdf5_index *index;
    uint64_t chunk_bytes;       /* of a whole chunk, decoded */
    int64_t grid[TSR_MAX_NDIM]; /* chunks per dimension that cover the extent */
    uint64_t bytes_left;        /* of the file that structures may still occupy: ends cycles and bombs */
    uint8_t *block;             /* the memory of hdf5_block */
    size_t capacity;
} hdf5_builder;

/* The layout message's description of a version 4 index. */
typedef struct hdf5_layout4 {
    int kind; /* 1 single chunk, 2 implicit, 3 fixed array, 4 extensible array, 5 B-tree version 2 */
    uint64_t address;
    uint64_t single_bytes; /* single chunk with filters: its size and mask */
    uint32_t single_mask;
    bool single_filtered;
} hdf5_layout4;

tsr_status hdf5_corrupt(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reads n bytes at an address (relative to the base) into memory of its own: mem_free. */
tsr_status hdf5_block_read(hdf5_builder *b, uint64_t address, uint64_t n, uint8_t **out) MUST_CHECK;
/* The same, and checks the 4-byte signature at its begin and, at its end, the checksum over the rest. */
tsr_status hdf5_block_read_checked(hdf5_builder *b, uint64_t address, uint64_t n, const char *signature,
                                   uint8_t **out) MUST_CHECK;
/* Checks that the last 4 of n bytes are the checksum of those before. */
tsr_status hdf5_checksum_check(const uint8_t *data, uint64_t n, const char *what) MUST_CHECK;
/* Jenkins' lookup3 hash (2006, public domain), with which HDF5 guards its metadata. */
uint32_t hdf5_lookup3(const uint8_t *data, size_t n);
/* An address of the file's width; HDF5_NOWHERE if all its bits are set. */
uint64_t hdf5_take_address(const hdf5_builder *b, hdf5_cursor *c);
/* Adds a chunk by its coordinates on the grid of chunks; chunks outside the extent are left out. */
tsr_status hdf5_chunk_add(hdf5_builder *b, const int64_t *coords, uint64_t address, uint64_t size_bytes,
                          uint32_t mask) MUST_CHECK;
/* Reads a version 4 index (hdf5_index4.c). */
tsr_status hdf5_index4_load(hdf5_builder *b, const hdf5_layout4 *layout) MUST_CHECK;

#endif
