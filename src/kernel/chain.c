/* Chains: several elementwise operations in a row, each of which takes the result of the one before. A block of vectors stays in
 * registers while the operations pass over it; an operation of its own would load and store every element. Each operation rounds
 * once, as its kernel in map_float.h does: the same bits, whatever is chained. Pure functions; any thread. */
#include "kernel/isa.h"
#include "kernel/simd.h"

enum { BLOCK = 8, BLOCK_BYTES = BLOCK * SIMD_BYTES, CACHE_LINE = 64 }; /* enough vectors to hide the latency of an operation */

/* Asks for a block of memory that is used soon. */
static ALWAYS_INLINE void ask(const char *ahead, size_t offset)
{
    if (!ahead) return;
    for (int at = 0; at < BLOCK_BYTES; at += CACHE_LINE) __builtin_prefetch(ahead + offset + at, 0, 2);
}

#define T double
#define V vf64
#define VI vi64
#define LANES LANES64
#define NAME(name) name##_f64
#define SPLAT vf64_set
#define SQRT vf64_sqrt
#include "kernel/chain_loops.h"
#undef T
#undef V
#undef VI
#undef LANES
#undef NAME
#undef SPLAT
#undef SQRT

#define T float
#define V vf32
#define VI vi32
#define LANES LANES32
#define NAME(name) name##_f32
#define SPLAT vf32_set
#define SQRT vf32_sqrt
#include "kernel/chain_loops.h"

const chain_kernel ISA(chain_table)[TSR_N_DTYPES] = {[TSR_F32] = chain_f32, [TSR_F64] = chain_f64};
