/* Transcendental functions through SLEEF's vector functions, at the width of the instruction set; README.md has their error
 * bounds. Included by map.c only. */
#ifndef TESSERA_KERNEL_MAP_MATH_H
#define TESSERA_KERNEL_MAP_MATH_H

#include "kernel/map_loops.h"

#include <math.h>
#include <sleef.h>
#include <string.h>

#if defined(__AVX512F__)
typedef __m512d vec_f64;
typedef __m512 vec_f32;
enum { LANES_F64 = 8, LANES_F32 = 16 };
#define SLEEF_F64(name, ulp) Sleef_##name##d8_##ulp##avx512f
#define SLEEF_F32(name, ulp) Sleef_##name##f16_##ulp##avx512f
#define LOAD_F64 _mm512_loadu_pd
#define LOAD_F32 _mm512_loadu_ps
#define STORE_F64 _mm512_storeu_pd
#define STORE_F32 _mm512_storeu_ps
#elif defined(__AVX2__)
typedef __m256d vec_f64;
typedef __m256 vec_f32;
enum { LANES_F64 = 4, LANES_F32 = 8 };
#define SLEEF_F64(name, ulp) Sleef_##name##d4_##ulp##avx2
#define SLEEF_F32(name, ulp) Sleef_##name##f8_##ulp##avx2
#define LOAD_F64 _mm256_loadu_pd
#define LOAD_F32 _mm256_loadu_ps
#define STORE_F64 _mm256_storeu_pd
#define STORE_F32 _mm256_storeu_ps
#elif defined(__SSE4_1__)
typedef __m128d vec_f64;
typedef __m128 vec_f32;
enum { LANES_F64 = 2, LANES_F32 = 4 };
#define SLEEF_F64(name, ulp) Sleef_##name##d2_##ulp##sse4
#define SLEEF_F32(name, ulp) Sleef_##name##f4_##ulp##sse4
#define LOAD_F64 _mm_loadu_pd
#define LOAD_F32 _mm_loadu_ps
#define STORE_F64 _mm_storeu_pd
#define STORE_F32 _mm_storeu_ps
#else
typedef double vec_f64;
typedef float vec_f32;
enum { LANES_F64 = 1, LANES_F32 = 1 };
#define SLEEF_F64(name, ulp) Sleef_##name##_##ulp
#define SLEEF_F32(name, ulp) Sleef_##name##f_##ulp
#define LOAD_F64(p) (*(p))
#define LOAD_F32(p) (*(p))
#define STORE_F64(p, v) (*(p) = (v))
#define STORE_F32(p, v) (*(p) = (v))
#endif

/* Elements go through a function a room at a time. The last vector of a room is padded, so that every element takes the vector
 * function and its value does not depend on where it stands. */
enum { MATH_ROOM = 64 };

/* Copies n elements, or one element n times, and ones up to a whole vector. */
#define FILL(s, T, lanes)                                                                                                        \
    static inline void fill_##s(T *room, const T *a, bool one, size_t n)                                                         \
    {                                                                                                                            \
        if (one) {                                                                                                               \
            for (size_t k = 0; k < n; k++) room[k] = a[0];                                                                       \
        } else {                                                                                                                 \
            memcpy(room, a, n * sizeof(T));                                                                                      \
        }                                                                                                                        \
        for (size_t k = n; k % lanes != 0; k++) room[k] = 1;                                                                     \
    }
FILL(f32, float, LANES_F32)
FILL(f64, double, LANES_F64)

/* A vector function over a room. */
#define APPLY_F64(out, function, in)                                                                                             \
    for (size_t k = 0; k < count; k += LANES_F64) STORE_F64(out + k, function(LOAD_F64(in + k)))
#define APPLY_F32(out, function, in)                                                                                             \
    for (size_t k = 0; k < count; k += LANES_F32) STORE_F32(out + k, function(LOAD_F32(in + k)))
#define APPLY2_F64(out, function, x, y)                                                                                          \
    for (size_t k = 0; k < count; k += LANES_F64) STORE_F64(out + k, function(LOAD_F64(x + k), LOAD_F64(y + k)))
#define APPLY2_F32(out, function, x, y)                                                                                          \
    for (size_t k = 0; k < count; k += LANES_F32) STORE_F32(out + k, function(LOAD_F32(x + k), LOAD_F32(y + k)))

/* Beyond |x| = limit SLEEF overflows too early; the C library answers there. */
#define MATH1(name, s, S, T, f, function, limit, library)                                                                        \
    static void name##_##s##_vv(KERNEL_ARGUMENTS)                                                                                \
    {                                                                                                                            \
        T *o = o_, room[MATH_ROOM], out[MATH_ROOM];                                                                              \
        const T *a = a_;                                                                                                         \
        for (size_t start = 0; start < n; start += MATH_ROOM) {                                                                  \
            size_t count = n - start < MATH_ROOM ? n - start : MATH_ROOM;                                                        \
            const T *in = a + start;                                                                                             \
            if (limit == INFINITY && count == MATH_ROOM) { /* the usual case, in one go */                                       \
                APPLY_##S(o + start, function, in);                                                                              \
                continue;                                                                                                        \
            }                                                                                                                    \
            if (count < MATH_ROOM) fill_##s(room, in, false, count), in = room;                                                  \
            APPLY_##S(out, function, in);                                                                                        \
            int far = 0;                                                                                                         \
            for (size_t k = 0; k < count; k++) far |= __builtin_fabs##f(in[k]) > (T)limit;                                       \
            for (size_t k = 0; far && k < count; k++)                                                                            \
                if (__builtin_fabs##f(in[k]) > (T)limit) out[k] = library##f(in[k]);                                             \
            memcpy(o + start, out, count * sizeof(T));                                                                           \
        }                                                                                                                        \
    }

/* Sine and cosine of doubles up to 1e5, where a fused multiply-add makes the reduction to |r| <= pi/2 exact enough: x - n pi in
 * three parts (Cody and Waite), of which the first is exact. sin r / r is a minimax polynomial in r r (Remez; error 3e-19). The
 * result is within 2.5 ULP. Numbers outside go through SLEEF, as everything does on
 * processors without it. */
#define NEAR_TURN 1e5
#define ROUNDING_TERM 0x1.8p52 /* added to a number below 2^51 it rounds to an integer, whose last bit is the sum's */

static inline double sine_of_rest(double r)
{
    double s = r * r, s2 = s * s, s4 = s2 * s2;
    double p01 = __builtin_fma(0x1.11111111110c1p-7, s, -0x1.5555555555555p-3);
    double p23 = __builtin_fma(0x1.71de3a5287088p-19, s, -0x1.a01a01a0148a1p-13);
    double p45 = __builtin_fma(0x1.6123cb121e563p-33, s, -0x1.ae6454cafe178p-26);
    double p67 = __builtin_fma(0x1.8828fbbe2d1fbp-49, s, -0x1.ae431783a88c7p-41);
    double p = __builtin_fma(__builtin_fma(p67, s2, p45), s4, __builtin_fma(p23, s2, p01));
    return s == 0 ? r : __builtin_fma(r * s, p, r);
}

static inline double near_sin(double x)
{
    double whole = __builtin_fma(x, 0x1.45f306dc9c883p-2, ROUNDING_TERM), n = whole - ROUNDING_TERM;
    double r = __builtin_fma(-n, 0x1.921fb54442d18p+1, x);
    r = __builtin_fma(-n, 0x1.1a62633145c07p-53, r);
    r = __builtin_fma(-n, -0x1.f1976b7ed8fbcp-109, r);
    return x == 0 ? x : from_bits_f64(bits_of_f64(sine_of_rest(r)) ^ bits_of_f64(whole) << 63); /* -0 stays */
}

static inline double near_cos(double x)
{
    double whole = __builtin_fma(x, 0x1.45f306dc9c883p-2, -0.5) + ROUNDING_TERM, n = whole - ROUNDING_TERM;
    double odd = n + n + 1; /* x = odd pi / 2 + r */
    double r = __builtin_fma(-odd, 0x1.921fb54442d18p+0, x);
    r = __builtin_fma(-odd, 0x1.1a62633145c07p-54, r);
    r = __builtin_fma(-odd, -0x1.f1976b7ed8fbcp-110, r);
    return x == 0 ? 1 : from_bits_f64(bits_of_f64(sine_of_rest(r)) ^ ~bits_of_f64(whole) << 63); /* exactly */
}

#define TURN(name)                                                                                                               \
    MATH1(name, f32, F32, float, f, SLEEF_F32(name, u35), INFINITY, name)                                                        \
    MATH1(far_##name, f64, F64, double, , SLEEF_F64(name, u35), INFINITY, name)                                                  \
    static void name##_f64_vv(KERNEL_ARGUMENTS)                                                                                  \
    {                                                                                                                            \
        double *o = o_;                                                                                                          \
        const double *a = a_;                                                                                                    \
        for (size_t start = 0; start < n; start += TURN_ROOM) {                                                                  \
            size_t count = n - start < TURN_ROOM ? n - start : TURN_ROOM;                                                        \
            const double *in = a + start;                                                                                        \
            double far[TURN_ROOM];                                                                                               \
            int near = HAS_FMA;                                                                                                  \
            for (size_t k = 0; HAS_FMA && k < count; k++) near &= __builtin_fabs(in[k]) <= NEAR_TURN;                            \
            if (!near) far_##name##_f64_vv(far, in, NULL, NULL, count, faults);                                                  \
            if (near) {                                                                                                          \
                IVDEP for (size_t k = 0; k < count; k++) o[start + k] = near_##name(in[k]);                                      \
            } else if (HAS_FMA) { /* each by its own size: a value does not depend on its neighbours */                          \
                for (size_t k = 0; k < count; k++)                                                                               \
                    o[start + k] = __builtin_fabs(in[k]) <= NEAR_TURN ? near_##name(in[k]) : far[k];                             \
            } else {                                                                                                             \
                memcpy(o + start, far, count * sizeof(double));                                                                  \
            }                                                                                                                    \
        }                                                                                                                        \
    }
TURN(sin)
TURN(cos)

/* X(our name, SLEEF's name, its error bound for f64, for f32, largest |x| for f64, for f32, the C library's name).
 * u10: 1.0 ULP; u35: 3.5 ULP. */
/* clang-format off */
#define MATH1_LIST(X)                                                                                                            \
    X(exp, exp, u10, u10, INFINITY, INFINITY, exp)                                                                               \
    X(exp2, exp2, u10, u10, INFINITY, INFINITY, exp2)                                                                            \
    X(expm1, expm1, u10, u10, INFINITY, INFINITY, expm1)                                                                         \
    X(log, log, u10, u10, INFINITY, INFINITY, log)                                                                               \
    X(log2, log2, u10, u10, INFINITY, INFINITY, log2)                                                                            \
    X(log10, log10, u10, u10, INFINITY, INFINITY, log10)                                                                         \
    X(log1p, log1p, u10, u10, 1e300, 1e38, log1p)                                                                                \
    X(tan, tan, u35, u35, INFINITY, INFINITY, tan)                                                                               \
    X(arcsin, asin, u10, u10, INFINITY, INFINITY, asin)                                                                          \
    X(arccos, acos, u10, u10, INFINITY, INFINITY, acos)                                                                          \
    X(arctan, atan, u10, u10, INFINITY, INFINITY, atan)                                                                          \
    X(sinh, sinh, u10, u10, 709, 88, sinh)                                                                                       \
    X(cosh, cosh, u10, u10, 709, 88, cosh)                                                                                       \
    X(tanh, tanh, u10, u10, INFINITY, INFINITY, tanh)                                                                            \
    X(arcsinh, asinh, u10, u10, 1e154, 1e18, asinh)                                                                              \
    X(arccosh, acosh, u10, u10, 1e154, 1e18, acosh)                                                                              \
    X(arctanh, atanh, u10, u10, INFINITY, INFINITY, atanh)                                                                       \
    X(cbrt, cbrt, u10, u10, INFINITY, INFINITY, cbrt)
/* clang-format on */

#define X(name, sleef, ulp_f64, ulp_f32, limit_f64, limit_f32, library)                                                          \
    MATH1(name, f64, F64, double, , SLEEF_F64(sleef, ulp_f64), limit_f64, library)                                               \
    MATH1(name, f32, F32, float, f, SLEEF_F32(sleef, ulp_f32), limit_f32, library)
MATH1_LIST(X)
#undef X

/* Functions of two operands: `body` computes out from x and y, `count` elements and their padding. */
#define MATH2_FORM(name, s, T, one_a, one_b, body)                                                                               \
    static void name(KERNEL_ARGUMENTS)                                                                                           \
    {                                                                                                                            \
        T *o = o_, x[MATH_ROOM], y[MATH_ROOM], out[MATH_ROOM];                                                                   \
        const T *a = a_, *b = b_;                                                                                                \
        for (size_t start = 0; start < n; start += MATH_ROOM) {                                                                  \
            size_t count = n - start < MATH_ROOM ? n - start : MATH_ROOM;                                                        \
            fill_##s(x, one_a ? a : a + start, one_a, count);                                                                    \
            fill_##s(y, one_b ? b : b + start, one_b, count);                                                                    \
            body(out, x, y, count);                                                                                              \
            memcpy(o + start, out, count * sizeof(T));                                                                           \
        }                                                                                                                        \
    }
#define MATH2(name, s, T)                                                                                                        \
    MATH2_FORM(name##_##s##_vv, s, T, false, false, name##_room_##s)                                                             \
    MATH2_FORM(name##_##s##_vs, s, T, false, true, name##_room_##s)                                                              \
    MATH2_FORM(name##_##s##_sv, s, T, true, false, name##_room_##s)

#define MATH2_ALL(s, S, T, f)                                                                                                    \
    static void arctan2_room_##s(T *out, const T *x, const T *y, size_t count) { APPLY2_##S(out, SLEEF_##S(atan2, u10), x, y); } \
    static void hypot_room_##s(T *out, const T *x, const T *y, size_t count) { APPLY2_##S(out, SLEEF_##S(hypot, u05), x, y); }   \
    /* Squares are exact products wherever they occur: they are what powers are mostly used for. Near the largest float SLEEF    \
     * overflows too early. */                                                                                                   \
    static void power_room_##s(T *out, const T *x, const T *y, size_t count)                                                     \
    {                                                                                                                            \
        int general = 0, infinite = 0;                                                                                           \
        for (size_t k = 0; k < count; k++) general |= y[k] != 2;                                                                 \
        if (general) APPLY2_##S(out, SLEEF_##S(pow, u10), x, y);                                                                 \
        for (size_t k = 0; k < count; k++) out[k] = y[k] == 2 ? x[k] * x[k] : out[k];                                            \
        if (!general) return;                                                                                                    \
        for (size_t k = 0; k < count; k++) infinite |= __builtin_fabs##f(out[k]) == (T)INFINITY;                                 \
        for (size_t k = 0; infinite && k < count; k++)                                                                           \
            if (isinf(out[k]) && isfinite(x[k]) && isfinite(y[k])) out[k] = pow##f(x[k], y[k]);                                  \
    }                                                                                                                            \
    /* log(exp(x) + exp(y)) as the larger one + log1p(exp(-difference)). */                                                      \
    static void logaddexp_room_##s(T *out, const T *x, const T *y, size_t count)                                                 \
    {                                                                                                                            \
        T rest[MATH_ROOM];                                                                                                       \
        for (size_t k = 0; k < MATH_ROOM; k++) rest[k] = k < count ? -__builtin_fabs##f(x[k] - y[k]) : 0;                        \
        APPLY_##S(rest, SLEEF_##S(exp, u10), rest);                                                                              \
        APPLY_##S(rest, SLEEF_##S(log1p, u10), rest);                                                                            \
        for (size_t k = 0; k < count; k++) {                                                                                     \
            T larger = x[k] > y[k] ? x[k] : y[k];                                                                                \
            out[k] = x[k] == y[k] ? x[k] + (T)M_LN2 : larger + rest[k];                                                          \
        }                                                                                                                        \
    }                                                                                                                            \
    static void logaddexp2_room_##s(T *out, const T *x, const T *y, size_t count)                                                \
    {                                                                                                                            \
        T rest[MATH_ROOM];                                                                                                       \
        for (size_t k = 0; k < MATH_ROOM; k++) rest[k] = k < count ? -__builtin_fabs##f(x[k] - y[k]) : 0;                        \
        APPLY_##S(rest, SLEEF_##S(exp2, u10), rest);                                                                             \
        APPLY_##S(rest, SLEEF_##S(log1p, u10), rest);                                                                            \
        for (size_t k = 0; k < count; k++) {                                                                                     \
            T larger = x[k] > y[k] ? x[k] : y[k];                                                                                \
            out[k] = x[k] == y[k] ? x[k] + 1 : larger + rest[k] * (T)M_LOG2E;                                                    \
        }                                                                                                                        \
    }                                                                                                                            \
    MATH2(arctan2, s, T)                                                                                                         \
    MATH2(hypot, s, T)                                                                                                           \
    MATH2(power, s, T)                                                                                                           \
    MATH2(logaddexp, s, T)                                                                                                       \
    MATH2(logaddexp2, s, T)                                                                                                      \
    static void absolute_c_##s##_vv(KERNEL_ARGUMENTS)                                                                            \
    {                                                                                                                            \
        T *o = o_, x[MATH_ROOM], y[MATH_ROOM], out[MATH_ROOM];                                                                   \
        const T *a = a_;                                                                                                         \
        for (size_t start = 0; start < n; start += MATH_ROOM) {                                                                  \
            size_t count = n - start < MATH_ROOM ? n - start : MATH_ROOM;                                                        \
            for (size_t k = 0; k < MATH_ROOM; k++) {                                                                             \
                bool inside = k < count;                                                                                         \
                x[k] = inside ? a[2 * (start + k)] : 1;                                                                          \
                y[k] = inside ? a[2 * (start + k) + 1] : 1;                                                                      \
            }                                                                                                                    \
            hypot_room_##s(out, x, y, count);                                                                                    \
            memcpy(o + start, out, count * sizeof(T));                                                                           \
        }                                                                                                                        \
    }
MATH2_ALL(f32, F32, float, f)
MATH2_ALL(f64, F64, double, )

/* ---- The modified Bessel function I0 ------------------------------------------------------------------------------ */

/* Coefficients of Chebyshev polynomials, from the highest: of exp(-x) I0(x) in x / 4 - 1 up to 8, and of sqrt(x) exp(-x) I0(x) in
 * 16 / x - 1 beyond. */
enum { I0_TERMS = 30 };
static const double i0_near[I0_TERMS] = {
    -0x1.45cb72134d0efp-58, 0x1.33362977da589p-55,  -0x1.184eb721ebbb4p-52, 0x1.ee6d893f65ebap-50,  -0x1.a5022c297fbebp-47,
    0x1.59b464b262627p-44,  -0x1.1164c62ee1af0p-41, 0x1.9fe2fe19bd324p-39,  -0x1.2fc957a946abcp-36, 0x1.a98becc743c10p-34,
    -0x1.1d4fe13ae9556p-31, 0x1.6d903a454cb34p-29,  -0x1.beaf68c0b30abp-27, 0x1.03b769d4d6435p-24,  -0x1.1ec638f227f8dp-22,
    0x1.2bf24978cf4acp-20,  -0x1.2866fcba56427p-18, 0x1.13f58be9a2859p-16,  -0x1.e2b2659c41d5ap-15, 0x1.8b51b74107cabp-13,
    -0x1.2e2fd1f15eb52p-11, 0x1.adc758a12100ep-10,  -0x1.1b65e201aa849p-8,  0x1.59961f3dde3ddp-7,   -0x1.84e9ef121b6f0p-6,
    0x1.93e8acea8a32dp-5,   -0x1.84b70342d06eap-4,  0x1.5f7ac77ac88c0p-3,   -0x1.37febc057cd8dp-2,  0x1.5a84e9035a22ap-2};
static const double i0_far[I0_TERMS] = {0x0.0p+0,
                                        0x0.0p+0,
                                        0x0.0p+0,
                                        0x0.0p+0,
                                        0x0.0p+0,
                                        -0x1.0adb754ca8b19p-57,
                                        -0x1.646da66119130p-58,
                                        0x1.9be1812d98421p-55,
                                        0x1.3f3dd076041cdp-55,
                                        -0x1.4600babd21fe4p-52,
                                        -0x1.8aee7d908de38p-52,
                                        0x1.fee7da3eafb1fp-50,
                                        0x1.12a919094e6d7p-48,
                                        -0x1.583fe7e65629ap-47,
                                        -0x1.75d99cf68bb32p-45,
                                        0x1.156ff0d5fc545p-46,
                                        0x1.b1c8c6b83c073p-42,
                                        0x1.94347fa268cecp-41,
                                        -0x1.f904303178d66p-40,
                                        -0x1.d0fd7357e7bf2p-37,
                                        -0x1.1511d08397425p-35,
                                        0x1.a24feabe8004fp-37,
                                        0x1.0f9ccc0f46f75p-31,
                                        0x1.d2c64a9225b87p-29,
                                        0x1.8569280d6d56dp-26,
                                        0x1.b8007d9cd616ep-23,
                                        0x1.8412bc101c586p-19,
                                        0x1.20fa378999e52p-14,
                                        0x1.b998ca2e59049p-9,
                                        0x1.9be62aca809cbp-2};

/* Sums by Clenshaw's recurrence, of both series at once: each element takes its own coefficient at every step. The padding of the
 * room is computed, too. */
static void i0_room(double *out, const double *in)
{
    double t[MATH_ROOM], b0[MATH_ROOM], b1[MATH_ROOM], e[MATH_ROOM];
    enum { count = MATH_ROOM };
    for (size_t k = 0; k < MATH_ROOM; k++) {
        double x = e[k] = __builtin_fabs(in[k]);
        t[k] = x <= 8 ? x * 0.5 - 2 : 32 / x - 2; /* twice the argument of the polynomials */
        b0[k] = b1[k] = 0;
    }
    for (int n = 0; n < I0_TERMS - 1; n++) {
        for (size_t k = 0; k < MATH_ROOM; k++) {
            double b = t[k] * b0[k] - b1[k] + (e[k] <= 8 ? i0_near[n] : i0_far[n]);
            b1[k] = b0[k];
            b0[k] = b;
        }
    }
    APPLY_F64(out, SLEEF_F64(exp, u10), e);
    for (size_t k = 0; k < MATH_ROOM; k++) {
        bool near = e[k] <= 8;
        double sum = t[k] * 0.5 * b0[k] - b1[k] + (near ? i0_near[I0_TERMS - 1] : i0_far[I0_TERMS - 1]);
        double root = __builtin_sqrt(e[k]);
        out[k] = out[k] * sum / (near ? 1 : root);
    }
}

#define I0(s, T)                                                                                                                 \
    static void i0_##s##_vv(KERNEL_ARGUMENTS)                                                                                    \
    {                                                                                                                            \
        T *o = o_;                                                                                                               \
        const T *a = a_;                                                                                                         \
        double in[MATH_ROOM], out[MATH_ROOM];                                                                                    \
        for (size_t start = 0; start < n; start += MATH_ROOM) {                                                                  \
            size_t count = n - start < MATH_ROOM ? n - start : MATH_ROOM;                                                        \
            for (size_t k = 0; k < MATH_ROOM; k++) in[k] = k < count ? (double)a[start + k] : 1;                                 \
            i0_room(out, in);                                                                                                    \
            for (size_t k = 0; k < count; k++) o[start + k] = (T)out[k];                                                         \
        }                                                                                                                        \
    }
I0(f32, float)
I0(f64, double)

#endif
