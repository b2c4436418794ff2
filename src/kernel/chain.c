/* Trees of arithmetic: a block of vectors stays in registers while the links of a chain pass over it, and goes from there to
 * memory or into a sum; operations of their own would load and store every element. Each operation rounds once, as its kernel in
 * map_float.h does: the same bits, whatever is chained. Pure functions; any thread. */
#include "kernel/acc_fold.h"
#include "kernel/isa.h"
#include "kernel/simd.h"

#include <assert.h>
#include <stdint.h>

/* Vectors in a block: enough to hide the latency of an operation and what it costs to choose one, few enough for the registers. A
 * block is a whole number of rounds of the lanes of a sum, or they are of it. */
enum { BLOCK = SIMD_BYTES == 64 ? 12 : 8, LONG_BLOCK = BLOCK, SMALL_BLOCK = 4, CACHE_LINE = 64 };

typedef enum chain_sink { SINK_STORE, SINK_STREAM, SINK_SUM } chain_sink;

static_assert((int)SUM_LANES == (int)FOLD_LANES, "sums of chains are sums of rows");

/* Asks for the memory ahead that belongs to n_bytes of a strip, each line once. */
static ALWAYS_INLINE void ask(const memory_ahead *ahead, ptrdiff_t offset, const int n_bytes)
{
    if (ahead->n_places == 1) {
        for (int at = 0; at < n_bytes; at += CACHE_LINE) __builtin_prefetch(ahead->place[0] + offset + at, 0, 3);
        return;
    }
    if (n_bytes < AHEAD_PLACES * CACHE_LINE && offset % (AHEAD_PLACES * CACHE_LINE) != 0) return;
    SIMD_UNROLL
    for (int p = 0; p < AHEAD_PLACES; p++) {
        const char *from = ahead->place[p] + offset / AHEAD_PLACES;
        for (int at = 0; at < n_bytes / AHEAD_PLACES; at += CACHE_LINE) __builtin_prefetch(from + at, 0, 3);
    }
}

static ALWAYS_INLINE void stream(void *out, const void *vector)
{
#if SIMD_BYTES == 64
    _mm512_stream_si512((__m512i *)out, _mm512_loadu_si512(vector));
#elif SIMD_BYTES == 32
    _mm256_stream_si256((__m256i *)out, _mm256_loadu_si256((const __m256i *)vector));
#elif defined(__SSE2__)
    _mm_stream_si128((__m128i *)out, _mm_loadu_si128((const __m128i *)vector));
#else
    memcpy(out, vector, SIMD_BYTES);
#endif
}

/* The sum of all lanes, in the order of fold_row(). */
double ISA(sum_of_lanes)(const double *lanes)
{
    vf64 sum[FOLD_VECTORS];
    double total;
    for (int v = 0; v < FOLD_VECTORS; v++) sum[v] = vf64_load(lanes + v * LANES64);
    fold_lanes(FOLD_SUM, sum, 1, &total);
    return total;
}

/* Half h of a vector of floats, as doubles. */
static ALWAYS_INLINE vf64 widened(vf32 x, int h)
{
    float half[LANES32];
    memcpy(half, &x, sizeof half);
    return vf64_load_f32(half + h * LANES64);
}

static ALWAYS_INLINE void add_to_lanes(double *lanes, size_t at, vf64 x)
{
    double *lane = lanes + at % FOLD_LANES;
    vf64_store(lane, vf64_load(lane) + x);
}

static ALWAYS_INLINE void sum_f64(double *lanes, size_t at, vf64 x) { add_to_lanes(lanes, at, x); }
static ALWAYS_INLINE void sum_f32(double *lanes, size_t at, vf32 x)
{
    add_to_lanes(lanes, at, widened(x, 0));
    add_to_lanes(lanes, at + LANES64, widened(x, 1));
}

#define T double
#define V vf64
#define VI vi64
#define LANES LANES64
#define NAME(name) name##_f64
#define SPLAT vf64_set
#define SQRT vf64_sqrt
#define FMA_SCALAR __builtin_fma
#define FMA vf64_fma
#define REVERSED_LANES SIMD_REVERSE64
#define BITS uint64_t
#define EXPONENT_TOP 0x4000000000000000 /* the highest bit of the exponent */
#define EXPONENT_SECOND 0x2000000000000000
#define DIVISOR_RANGE 0x1p100
#include "kernel/chain_loops.h"
#undef T
#undef V
#undef VI
#undef LANES
#undef NAME
#undef SPLAT
#undef SQRT
#undef FMA
#undef FMA_SCALAR
#undef REVERSED_LANES
#undef BITS
#undef EXPONENT_TOP
#undef EXPONENT_SECOND
#undef DIVISOR_RANGE

#define T float
#define V vf32
#define VI vi32
#define LANES LANES32
#define NAME(name) name##_f32
#define SPLAT vf32_set
#define SQRT vf32_sqrt
#define FMA_SCALAR __builtin_fmaf
#define FMA vf32_fma
#define REVERSED_LANES SIMD_REVERSE32
#define BITS uint32_t
#define EXPONENT_TOP 0x40000000
#define EXPONENT_SECOND 0x20000000
#define DIVISOR_RANGE 0x1p20f
#include "kernel/chain_loops.h"

const chain_kernels ISA(chain_table)[TSR_N_DTYPES] = {
    [TSR_F32] = {store_f32, stream_f32, sum_rows_f32}, [TSR_F64] = {store_f64, stream_f64, sum_rows_f64}};
