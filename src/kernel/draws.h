/* The blocks of the sub-streams that samples draw from: two words for each block under a key. Included by sample*.c only; all
 * others use sample.h's draws. */
#ifndef TESSERA_KERNEL_DRAWS_H
#define TESSERA_KERNEL_DRAWS_H

#include "kernel/philox.h"

/* Apart from the domains of kernel/random.c, which are small numbers in the upper byte. */
#define DRAWS_DOMAIN ((uint64_t)0xD5 << 56)

static inline void draws_block(uint64_t key, uint64_t block, uint64_t words[2])
{
    philox_block((stream){key, DRAWS_DOMAIN}, block, words);
}

#endif
