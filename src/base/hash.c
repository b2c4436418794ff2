/* XXH3 (Yann Collet, 2019), header-only so that the compiler can inline it. */
#define XXH_INLINE_ALL
#include "base/hash.h"

#include <xxhash.h>

hash128 hash_bytes(const void *data, size_t size_bytes)
{
    XXH128_hash_t h = XXH3_128bits(data, size_bytes);
    return (hash128){h.low64, h.high64};
}

hash128 hash_mix(hash128 seed, const void *data, size_t size_bytes)
{
    hash128 h = hash_bytes(data, size_bytes);
    uint64_t parts[4] = {seed.low, seed.high, h.low, h.high};
    return hash_bytes(parts, sizeof parts);
}
