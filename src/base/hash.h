/* 128-bit content hashes (XXH3). */
#ifndef TESSERA_BASE_HASH_H
#define TESSERA_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hash128 {
    uint64_t low, high;
} hash128;

hash128 hash_bytes(const void *data, size_t size_bytes);
/* The hash of `seed` followed by the data: for building a hash field by field. */
hash128 hash_mix(hash128 seed, const void *data, size_t size_bytes);
static inline bool hash_equal(hash128 a, hash128 b) { return a.low == b.low && a.high == b.high; }

#endif
