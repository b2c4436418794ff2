/* Transcendental functions through SLEEF's vector functions, at the width of the instruction set. Every element goes through the
 * vector function, the last few in a padded vector, so its value does not depend on where it stands. Included by map.c only. */
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

#define MATH1(name, s, T, lanes, LOAD, STORE, function)                                                                          \
    static void name##_##s##_vv(KERNEL_ARGUMENTS)                                                                                \
    {                                                                                                                            \
        T *o = o_;                                                                                                               \
        const T *a = a_;                                                                                                         \
        size_t i = 0;                                                                                                            \
        for (; i + lanes <= n; i += lanes) STORE(o + i, function(LOAD(a + i)));                                                  \
        if (i < n) {                                                                                                             \
            T room[lanes] = {0};                                                                                                 \
            memcpy(room, a + i, (n - i) * sizeof(T));                                                                            \
            STORE(room, function(LOAD(room)));                                                                                   \
            memcpy(o + i, room, (n - i) * sizeof(T));                                                                            \
        }                                                                                                                        \
    }

#define MATH2_FORM(name, T, lanes, LOAD, STORE, function, step_a, step_b)                                                        \
    static void name(KERNEL_ARGUMENTS)                                                                                           \
    {                                                                                                                            \
        T *o = o_;                                                                                                               \
        const T *a = a_, *b = b_;                                                                                                \
        T room_a[lanes], room_b[lanes];                                                                                          \
        for (int k = 0; k < lanes; k++) room_a[k] = a[0], room_b[k] = b[0];                                                      \
        for (size_t i = 0; i < n; i += lanes) {                                                                                  \
            size_t m = n - i < lanes ? n - i : lanes;                                                                            \
            if (step_a) memcpy(room_a, a + i, m * sizeof(T));                                                                    \
            if (step_b) memcpy(room_b, b + i, m * sizeof(T));                                                                    \
            T result[lanes];                                                                                                     \
            STORE(result, function(LOAD(room_a), LOAD(room_b)));                                                                 \
            memcpy(o + i, result, m * sizeof(T));                                                                                \
        }                                                                                                                        \
    }
#define MATH2(name, s, T, lanes, LOAD, STORE, function)                                                                          \
    MATH2_FORM(name##_##s##_vv, T, lanes, LOAD, STORE, function, 1, 1)                                                           \
    MATH2_FORM(name##_##s##_vs, T, lanes, LOAD, STORE, function, 1, 0)                                                           \
    MATH2_FORM(name##_##s##_sv, T, lanes, LOAD, STORE, function, 0, 1)

/* X(our name, SLEEF's name, error bound). u10: 1.0 ULP; u35: 3.5 ULP (the bound NumPy's own AVX-512 functions have is 4). */
/* clang-format off */
#define MATH1_LIST(X)                                                                                                            \
    X(exp, exp, u10)                                                                                                             \
    X(exp2, exp2, u10)                                                                                                           \
    X(expm1, expm1, u10) X(log, log, u10) X(log2, log2, u10) X(log10, log10, u10) X(log1p, log1p, u10) X(sin, sin, u35)          \
        X(cos, cos, u35) X(tan, tan, u35) X(arcsin, asin, u10) X(arccos, acos, u10) X(arctan, atan, u10) X(sinh, sinh, u10)      \
            X(cosh, cosh, u10) X(tanh, tanh, u10) X(arcsinh, asinh, u10) X(arccosh, acosh, u10) X(arctanh, atanh, u10)           \
                X(cbrt, cbrt, u10)
/* clang-format on */

#define X(name, sleef, ulp)                                                                                                      \
    MATH1(name, f64, double, LANES_F64, LOAD_F64, STORE_F64, SLEEF_F64(sleef, ulp))                                              \
    MATH1(name, f32, float, LANES_F32, LOAD_F32, STORE_F32, SLEEF_F32(sleef, ulp))
MATH1_LIST(X)
#undef X

MATH2(arctan2, f64, double, LANES_F64, LOAD_F64, STORE_F64, SLEEF_F64(atan2, u10))
MATH2(arctan2, f32, float, LANES_F32, LOAD_F32, STORE_F32, SLEEF_F32(atan2, u10))
MATH2(power, f64, double, LANES_F64, LOAD_F64, STORE_F64, SLEEF_F64(pow, u10))
MATH2(power, f32, float, LANES_F32, LOAD_F32, STORE_F32, SLEEF_F32(pow, u10))
MATH2(hypot, f64, double, LANES_F64, LOAD_F64, STORE_F64, SLEEF_F64(hypot, u05))
MATH2(hypot, f32, float, LANES_F32, LOAD_F32, STORE_F32, SLEEF_F32(hypot, u05))

#endif
