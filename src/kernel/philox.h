/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): 128 bits for each counter
 * of 128 bits under a key of 64, in plain C: the definition. */
#ifndef TESSERA_KERNEL_PHILOX_H
#define TESSERA_KERNEL_PHILOX_H

#include <stdint.h>

enum { PHILOX_ROUNDS = 10 };
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

/* What distinguishes one sequence of blocks from another: the key, and the upper half of the counter. */
typedef struct stream {
    uint64_t key, high;
} stream;

static inline void philox_block(stream s, uint64_t block, uint64_t out[2])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = (uint32_t)s.high, c3 = (uint32_t)(s.high >> 32);
    uint32_t k0 = (uint32_t)s.key, k1 = (uint32_t)(s.key >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0, c1 = (uint32_t)p1, c2 = n2, c3 = (uint32_t)p0;
    }
    out[0] = c0 | (uint64_t)c1 << 32;
    out[1] = c2 | (uint64_t)c3 << 32;
}

#endif
