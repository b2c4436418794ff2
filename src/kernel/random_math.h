/* The elementary functions of the normal distribution, for whole vectors: the radius -2 ln u1 and the direction 2 pi u2.
 *
 * Every operation is exact or rounds once and none is fused, so all instruction sets give the same bits. Coefficients are minimax
 * (Remez); tables are 16 entries, which AVX-512 looks up in two registers. Included only by random.c. */
#ifndef TESSERA_KERNEL_RANDOM_MATH_H
#define TESSERA_KERNEL_RANDOM_MATH_H

#include "kernel/simd.h"

/* Reciprocals c of the middle of [1 + i/16, 1 + (i + 1)/16), in nine bits, and 2 ln c. The last is exactly 1/2, so that the
 * logarithm of numbers just below 1 keeps its relative precision. */
static const double log_reciprocal[16]
    __attribute__((aligned(64))) = {0x1.fp-1,  0x1.d4p-1, 0x1.bbp-1, 0x1.a4p-1, 0x1.9p-1,  0x1.7dp-1, 0x1.6cp-1, 0x1.5dp-1,
                                    0x1.4ep-1, 0x1.41p-1, 0x1.35p-1, 0x1.2ap-1, 0x1.1fp-1, 0x1.16p-1, 0x1.0dp-1, 0x1.0p-1};
static const double log_offset[16]
    __attribute__((aligned(64))) = {-0x1.0415d89e74444p-4, -0x1.700d30aeac0e1p-3, -0x1.28753bc11aba5p-2, -0x1.95a5adcf7017fp-2,
                                    -0x1.f991c6cb3b379p-2, -0x1.2e9e2bce12286p-1, -0x1.5d5bddf595f30p-1, -0x1.8873658327ccfp-1,
                                    -0x1.b56fa04462909p-1, -0x1.de16b56ef90f0p-1, -0x1.028d2d6a963f4p+0, -0x1.151c3f6f29612p+0,
                                    -0x1.285e0842ca384p+0, -0x1.38ae2171976e7p+0, -0x1.4987ace0dabb0p+0, -0x1.62e42fefa39efp+0};
/* Cosine and sine of i/16 of a turn. */
#define TURN_1 0x1.d906bcf328d46p-1
#define TURN_2 0x1.6a09e667f3bcdp-1
#define TURN_3 0x1.87de2a6aea963p-2
static const double turn_cosine[16] __attribute__((aligned(64))) = {
    1.0, TURN_1, TURN_2, TURN_3, 0.0, -TURN_3, -TURN_2, -TURN_1, -1.0, -TURN_1, -TURN_2, -TURN_3, 0.0, TURN_3, TURN_2, TURN_1};
static const double turn_sine[16] __attribute__((aligned(64))) = {
    0.0, TURN_3, TURN_2, TURN_1, 1.0, TURN_1, TURN_2, TURN_3, 0.0, -TURN_3, -TURN_2, -TURN_1, -1.0, -TURN_1, -TURN_2, -TURN_3};
#undef TURN_1
#undef TURN_2
#undef TURN_3

/* table[i mod 16] in each lane. */
static ALWAYS_INLINE vf64 lookup16(const double *table, vu64 i)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)i, _mm512_load_pd(table + 8));
#elif SIMD_BYTES == 32
    return (vf64){table[i[0] & 15], table[i[1] & 15], table[i[2] & 15], table[i[3] & 15]};
#else
    return (vf64){table[i[0] & 15], table[i[1] & 15]};
#endif
}

/* -2 ln(v / 2^64) for v in [1, 2^64]. With v = m 2^k and c near 1 / m: ln m = ln(1 + (m c - 1)) - ln c, |m c - 1| <= 1/32.
 * The absolute error is below 3 ULP of the result for results under 0.12 (there it is below 6e-16) and 1.5 ULP above. */
static ALWAYS_INLINE vf64 minus_2_log_f64(vf64 v)
{
#if SIMD_BYTES == 64
    vf64 k = (vf64)_mm512_getexp_pd((__m512d)v) - 64.0;
    vf64 m = (vf64)_mm512_getmant_pd((__m512d)v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
#else
    vf64 k = (vf64)(((vu64)v >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0 + 64.0);
    vf64 m = (vf64)(((vu64)v & 0x000fffffffffffffu) | 0x3ff0000000000000u);
#endif
    vu64 i = (vu64)v >> 48;
    vf64 r = m * lookup16(log_reciprocal, i) - 1.0;
    vf64 r2 = r * r, r4 = r2 * r2;
    vf64 p01 = 0x1.ffffffffffb25p-1 + r * -0x1.55555555b0a9cp-1;
    vf64 p23 = 0x1.0000000b50a04p-1 + r * -0x1.999989a57ce2bp-2;
    vf64 p46 = (0x1.55547b1d11664p-2 + r * -0x1.24fe26053a756p-2) + r2 * 0x1.027ff9d7aaa5ap-2;
    vf64 p = (p01 + r2 * p23) + r4 * p46;
    return (k * -0x1.62e42fefa39efp+0 + lookup16(log_offset, i)) + r * (r * p - 2.0);
}

/* cos and sin of 2 pi u, u = (w mod 16 + (w >> 12) / 2^52 - 1/2) / 16: a rotation by the tabled angle and one of less than
 * 1/32 of a turn by polynomials (absolute errors 2^-60 and 2^-54). The absolute error of the results is below 2e-16. */
static ALWAYS_INLINE void cos_sin_f64(vu64 w, vf64 *cosine, vf64 *sine)
{
    vf64 t = (vf64)((w >> 12) | 0x3ff0000000000000u) - 1.5;
    vf64 z = t * t, z2 = z * z;
    vf64 whole_c = lookup16(turn_cosine, w), whole_s = lookup16(turn_sine, w);
    vf64 s01 = 0x1.921fb54442d18p-2 + z * -0x1.4abbce625bcb4p-7;
    vf64 s24 = (0x1.466bc676385bcp-14 + z * -0x1.32d2c2875a86cp-22) + z2 * 0x1.5025398b20337p-31;
    vf64 c01 = -0x1.3bd3cc9be4407p-4 + z * 0x1.03c1f08097391p-10;
    vf64 c23 = -0x1.55d3ba5eea17fp-18 + z * 0x1.e174463116555p-27;
    vf64 s = t * (s01 + z2 * s24), c = z * (c01 + z2 * c23); /* sine, and cosine - 1 */
    *cosine = whole_c + (whole_c * c - whole_s * s);
    *sine = whole_s + (whole_s * c + whole_c * s);
}

/* -2 ln(v / 2^32) for v in [1, 2^32]. v = m 2^k with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s), s = (m - 1) / (m + 1). */
static ALWAYS_INLINE vf32 minus_2_log_f32(vf32 v)
{
    vu32 bits = (vu32)v, above = bits - 0x3f3504f3u;
    vf32 m = (vf32)(bits - (above & 0xff800000u));
    vf32 k = (vf32)((above >> 23) | 0x4b000000u) - (0x1p23f + 32.0f);
    vf32 s = (m - 1.0f) / (m + 1.0f);
    vf32 z = s * s;
    vf32 p = -0x1.55557ap+0f + z * (-0x1.995eb8p-1f + z * -0x1.31e33ap-1f);
    return k * -0x1.62e43p+0f + s * (-4.0f + z * p);
}

/* cos and sin of 2 pi w / 2^32. The angle is (pi / 2)(q + t) with q the nearest quadrant and |t| <= 1/2. */
static ALWAYS_INLINE void cos_sin_f32(vu32 w, vf32 *cosine, vf32 *sine)
{
    w += (uint32_t)1 << 29;
    vf32 t = __builtin_convertvector((vi32)((w << 2) ^ 0x80000000u), vf32) * 0x1p-32f;
    vf32 z = t * t, z2 = z * z;
    vf32 s = t * ((0x1.921fb6p+0f + z * -0x1.4abbbap-1f) + z2 * (0x1.465e92p-4f + z * -0x1.2d9302p-8f));
    vf32 c = 1.0f + z * ((-0x1.3bd3ccp+0f + z * 0x1.03c1dep-2f) + z2 * (-0x1.55c664p-6f + z * 0x1.d9f7bep-11f));
    const uint32_t sign = (uint32_t)1 << 31;
    vi32 odd = (vi32)(w << 1) < 0;
    *cosine = (vf32)((vu32)vf32_select(odd, s, c) ^ ((w + ((uint32_t)1 << 30)) & sign));
    *sine = (vf32)((vu32)vf32_select(odd, c, s) ^ (w & sign));
}

#endif
