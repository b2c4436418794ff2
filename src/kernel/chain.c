/* Chains: several elementwise operations in a row, each of which takes the result of the one before. A block of vectors stays in
 * registers while the operations pass over it; an operation of its own would load and store every element. Each operation rounds
 * once, as its kernel in map_float.h does: the same bits, whatever is chained. Pure functions; any thread. */
#include "kernel/isa.h"
#include "kernel/simd.h"

enum { BLOCK = 8, GROUP = 4 }; /* vectors: enough to hide the latency of an operation, few enough for 16 registers */

#if defined(__FMA__)
enum { HAS_FMA = 1 };
#define SCALAR_FMA_F64 __builtin_fma
#define SCALAR_FMA_F32 __builtin_fmaf
#else
enum { HAS_FMA = 0 };
#define SCALAR_FMA_F64(a, b, c) ((a) * (b) + (c)) /* never computed */
#define SCALAR_FMA_F32(a, b, c) ((a) * (b) + (c))
#endif
#if SIMD_BYTES == 64
#define FMA_F64(a, b, c) ((vf64)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define FMA_F32(a, b, c) ((vf32)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#elif SIMD_BYTES == 32 && defined(__FMA__)
#define FMA_F64(a, b, c) ((vf64)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FMA_F32(a, b, c) ((vf32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#else
#define FMA_F64(a, b, c) ((a) * (b) + (c)) /* never computed */
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#endif

/* A single operand, and for a divisor its reciprocal in two parts: see QUOTIENT in map_float.h. */
typedef struct factor_f64 {
    double y, high, low;
    bool quick;
} factor_f64;
typedef struct factor_f32 {
    float y, high, low;
    bool quick;
} factor_f32;

#define T double
#define V vf64
#define VI vi64
#define LANES LANES64
#define NAME(name) name##_f64
#define SPLAT vf64_set
#define SQRT vf64_sqrt
#define FMA FMA_F64
#define SCALAR_FMA SCALAR_FMA_F64
#define X_RANGE 0x1p800
#define Y_RANGE 0x1p100
#include "kernel/chain_loops.h"
#undef T
#undef V
#undef VI
#undef LANES
#undef NAME
#undef SPLAT
#undef SQRT
#undef FMA
#undef SCALAR_FMA
#undef X_RANGE
#undef Y_RANGE

#define T float
#define V vf32
#define VI vi32
#define LANES LANES32
#define NAME(name) name##_f32
#define SPLAT vf32_set
#define SQRT vf32_sqrt
#define FMA FMA_F32
#define SCALAR_FMA SCALAR_FMA_F32
#define X_RANGE 0x1p80f
#define Y_RANGE 0x1p20f
#include "kernel/chain_loops.h"

const chain_kernel ISA(chain_table)[TSR_N_DTYPES] = {[TSR_F32] = chain_f32, [TSR_F64] = chain_f64};
