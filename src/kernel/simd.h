/* Vectors as wide as the instruction set that this file is being compiled for: 64, 32 or 16 bytes.
 *
 * Written with the compiler's vector extension, so that one source serves every instruction set; the few operations for which the
 * extension has no good spelling use intrinsics where they exist and plain loops elsewhere. Every operation here is exact or
 * rounds once as IEEE 754 says, so that equal sources give equal bits whatever the width. Included only by sources compiled per
 * instruction set. */
#ifndef TESSERA_KERNEL_SIMD_H
#define TESSERA_KERNEL_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define SIMD_BYTES 64
#elif defined(__AVX2__)
#define SIMD_BYTES 32
#else
#define SIMD_BYTES 16
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define SIMD_PRAGMA(text) _Pragma(#text)
#define SIMD_UNROLL SIMD_PRAGMA(clang loop unroll(full))
#else
#define SIMD_UNROLL _Pragma("GCC unroll 32")
#endif

typedef double vf64 __attribute__((vector_size(SIMD_BYTES)));
typedef float vf32 __attribute__((vector_size(SIMD_BYTES)));
typedef float hf32 __attribute__((vector_size(SIMD_BYTES / 2))); /* as many floats as a vf64 has doubles */
typedef int32_t hi32 __attribute__((vector_size(SIMD_BYTES / 2)));
typedef int64_t vi64 __attribute__((vector_size(SIMD_BYTES)));
typedef uint64_t vu64 __attribute__((vector_size(SIMD_BYTES)));
typedef int32_t vi32 __attribute__((vector_size(SIMD_BYTES)));
typedef uint32_t vu32 __attribute__((vector_size(SIMD_BYTES)));
enum { LANES64 = SIMD_BYTES / 8, LANES32 = SIMD_BYTES / 4 };

static ALWAYS_INLINE vf64 vf64_load(const double *p)
{
    vf64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ALWAYS_INLINE vf32 vf32_load(const float *p)
{
    vf32 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ALWAYS_INLINE vu64 vu64_load(const uint64_t *p)
{
    vu64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ALWAYS_INLINE void vf64_store(double *p, vf64 v) { memcpy(p, &v, sizeof v); }
static ALWAYS_INLINE void vf32_store(float *p, vf32 v) { memcpy(p, &v, sizeof v); }
static ALWAYS_INLINE void vu64_store(uint64_t *p, vu64 v) { memcpy(p, &v, sizeof v); }

/* LANES64 floats, widened. */
static ALWAYS_INLINE vf64 vf64_load_f32(const float *p)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif SIMD_BYTES == 32
    return (vf64)_mm256_cvtps_pd(_mm_loadu_ps(p));
#else
    return (vf64){p[0], p[1]};
#endif
}

static ALWAYS_INLINE vf64 vf64_set(double x) { return x - (vf64){0}; }
static ALWAYS_INLINE vf32 vf32_set(float x) { return x - (vf32){0}; }
static ALWAYS_INLINE vu64 vu64_set(uint64_t x) { return x + (vu64){0}; }
static ALWAYS_INLINE vu32 vu32_set(uint32_t x) { return x + (vu32){0}; }

/* mask ? a : b, for masks of all ones or all zeros. */
static ALWAYS_INLINE vf64 vf64_select(vi64 mask, vf64 a, vf64 b) { return (vf64)((mask & (vi64)a) | (~mask & (vi64)b)); }
static ALWAYS_INLINE vf32 vf32_select(vi32 mask, vf32 a, vf32 b) { return (vf32)((mask & (vi32)a) | (~mask & (vi32)b)); }

/* a < b ? a : b and a > b ? a : b: b where either is NaN. */
static ALWAYS_INLINE vf64 vf64_min(vf64 a, vf64 b)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif SIMD_BYTES == 32
    return (vf64)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    return (vf64)_mm_min_pd((__m128d)a, (__m128d)b);
#else
    return vf64_select(a < b, a, b);
#endif
}

static ALWAYS_INLINE vf64 vf64_max(vf64 a, vf64 b)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif SIMD_BYTES == 32
    return (vf64)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    return (vf64)_mm_max_pd((__m128d)a, (__m128d)b);
#else
    return vf64_select(a > b, a, b);
#endif
}

static ALWAYS_INLINE vf32 vf32_min(vf32 a, vf32 b)
{
#if SIMD_BYTES == 64
    return (vf32)_mm512_min_ps((__m512)a, (__m512)b);
#elif SIMD_BYTES == 32
    return (vf32)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf32)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vf32_select(a < b, a, b);
#endif
}

static ALWAYS_INLINE vf32 vf32_max(vf32 a, vf32 b)
{
#if SIMD_BYTES == 64
    return (vf32)_mm512_max_ps((__m512)a, (__m512)b);
#elif SIMD_BYTES == 32
    return (vf32)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf32)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vf32_select(a > b, a, b);
#endif
}

static ALWAYS_INLINE int vi64_any(vi64 v)
{
#if SIMD_BYTES == 64
    return _mm512_test_epi64_mask((__m512i)v, (__m512i)v) != 0;
#elif SIMD_BYTES == 32
    return !_mm256_testz_si256((__m256i)v, (__m256i)v);
#else
    return (v[0] | v[1]) != 0;
#endif
}

/* a b + c, rounded once. Slow where HAS_FMA is 0. */
static ALWAYS_INLINE vf64 vf64_fma(vf64 a, vf64 b, vf64 c)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif SIMD_BYTES == 32
    return (vf64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    for (int i = 0; i < LANES64; i++) a[i] = __builtin_fma(a[i], b[i], c[i]);
    return a;
#endif
}

static ALWAYS_INLINE vf32 vf32_fma(vf32 a, vf32 b, vf32 c)
{
#if SIMD_BYTES == 64
    return (vf32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif SIMD_BYTES == 32
    return (vf32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int i = 0; i < LANES32; i++) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return a;
#endif
}

/* Sets of lanes in which NaN was seen, cheap to gather: a bit mask where the set has mask registers. */
#if SIMD_BYTES == 64
typedef __mmask8 nan_set64;
typedef __mmask16 nan_set32;
static ALWAYS_INLINE nan_set64 nan_set64_of(vf64 a, vf64 b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q); }
static ALWAYS_INLINE nan_set32 nan_set32_of(vf32 a, vf32 b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q); }
static ALWAYS_INLINE int nan_set64_any(nan_set64 s) { return s != 0; }
static ALWAYS_INLINE int nan_set32_any(nan_set32 s) { return s != 0; }
#else
typedef vi64 nan_set64;
typedef vi32 nan_set32;
static ALWAYS_INLINE nan_set64 nan_set64_of(vf64 a, vf64 b) { return (a != a) | (b != b); }
static ALWAYS_INLINE nan_set32 nan_set32_of(vf32 a, vf32 b) { return (a != a) | (b != b); }
static ALWAYS_INLINE int nan_set64_any(nan_set64 s) { return vi64_any(s); }
static ALWAYS_INLINE int nan_set32_any(nan_set32 s) { return vi64_any((vi64)s); }
#endif

/* The low 32 bits of a times the low 32 bits of b, as 64 bits; the upper halves are ignored. */
static ALWAYS_INLINE vu64 vu64_mul32(vu64 a, vu64 b)
{
#if SIMD_BYTES == 64
    return (vu64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif SIMD_BYTES == 32
    return (vu64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (vu64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

static ALWAYS_INLINE vf64 vf64_sqrt(vf64 a)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_sqrt_pd((__m512d)a);
#elif SIMD_BYTES == 32
    return (vf64)_mm256_sqrt_pd((__m256d)a);
#elif defined(__SSE2__)
    return (vf64)_mm_sqrt_pd((__m128d)a);
#else
    for (int i = 0; i < LANES64; i++) a[i] = __builtin_sqrt(a[i]);
    return a;
#endif
}

static ALWAYS_INLINE vf32 vf32_sqrt(vf32 a)
{
#if SIMD_BYTES == 64
    return (vf32)_mm512_sqrt_ps((__m512)a);
#elif SIMD_BYTES == 32
    return (vf32)_mm256_sqrt_ps((__m256)a);
#elif defined(__SSE2__)
    return (vf32)_mm_sqrt_ps((__m128)a);
#else
    for (int i = 0; i < LANES32; i++) a[i] = __builtin_sqrtf(a[i]);
    return a;
#endif
}

/* Unsigned 64-bit values as doubles, rounded once to nearest: the two halves are placed below the units of 2^84 and 2^52, which
 * is exact, and only their sum rounds. */
static ALWAYS_INLINE vf64 vf64_from_u64(vu64 v)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_cvtepu64_pd((__m512i)v);
#else
    vf64 low = (vf64)((v & 0xffffffffu) | 0x4330000000000000u);
    vf64 high = (vf64)((v >> 32) | 0x4530000000000000u);
    return (high - 0x1.00000001p84) + low;
#endif
}

/* The low 32 bits of `low` below the low 32 bits of `high`. */
static ALWAYS_INLINE vu64 vu64_join32(vu64 low, vu64 high)
{
#if SIMD_BYTES == 64
    return (vu64)_mm512_mask_shuffle_epi32((__m512i)low, 0xaaaa, (__m512i)high, 0xa0);
#elif SIMD_BYTES == 32
    return (vu64)_mm256_blend_epi32((__m256i)low, (__m256i)(high << 32), 0xaa);
#else
    return (low & 0xffffffffu) | (high << 32);
#endif
}

/* a0 b0 a1 b1 ...: the first and the second half of the interleaved lanes. */
#if SIMD_BYTES == 64
#define SIMD_ZIP64_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define SIMD_ZIP64_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define SIMD_REVERSE64 7, 6, 5, 4, 3, 2, 1, 0
#define SIMD_REVERSE32 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
#elif SIMD_BYTES == 32
#define SIMD_ZIP64_LOW 0, 4, 1, 5
#define SIMD_ZIP64_HIGH 2, 6, 3, 7
#define SIMD_REVERSE64 3, 2, 1, 0
#define SIMD_REVERSE32 7, 6, 5, 4, 3, 2, 1, 0
#else
#define SIMD_ZIP64_LOW 0, 2
#define SIMD_ZIP64_HIGH 1, 3
#define SIMD_REVERSE64 1, 0
#define SIMD_REVERSE32 3, 2, 1, 0
#endif
#define SIMD_ZIP64(low, high, a, b)                                                                                              \
    do {                                                                                                                         \
        low = __builtin_shufflevector(a, b, SIMD_ZIP64_LOW);                                                                     \
        high = __builtin_shufflevector(a, b, SIMD_ZIP64_HIGH);                                                                   \
    } while (0)

#endif
