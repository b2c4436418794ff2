/* Float kernels that are arithmetic, comparison, rounding or bits. Included by map.c only. */
#ifndef TESSERA_KERNEL_MAP_FLOAT_H
#define TESSERA_KERNEL_MAP_FLOAT_H

#include "kernel/map_loops.h"

#include <math.h>

/* NumPy's floor_divide and remainder for floats: the remainder has the divisor's sign and the quotient is rounded from
 * (x - remainder) / y, so that x == q * y + r as nearly as can be. */
#define DIVISION_HELPERS(s, T, f)                                                                                                \
    static inline T remainder_of_##s(T x, T y)                                                                                   \
    {                                                                                                                            \
        T r = fmod##f(x, y);                                                                                                     \
        if (y == 0) return r;                                                                                                    \
        if (r != 0) return (y < 0) != (r < 0) ? r + y : r;                                                                       \
        return copysign##f(0, y);                                                                                                \
    }                                                                                                                            \
    static inline T floor_divide_of_##s(T x, T y)                                                                                \
    {                                                                                                                            \
        T r = fmod##f(x, y);                                                                                                     \
        if (y == 0) return x / y;                                                                                                \
        T q = (x - r) / y;                                                                                                       \
        if (r != 0 && (y < 0) != (r < 0)) q -= 1;                                                                                \
        if (q == 0) return copysign##f(0, x / y);                                                                                \
        T whole = floor##f(q);                                                                                                   \
        return q - whole > (T)0.5 ? whole + 1 : whole;                                                                           \
    }                                                                                                                            \
    static inline T logaddexp_of_##s(T x, T y)                                                                                   \
    {                                                                                                                            \
        if (x == y) return x + (T)0.693147180559945309417232121458176568L;                                                       \
        T d = x - y;                                                                                                             \
        return d > 0 ? x + log1p##f(exp##f(-d)) : d <= 0 ? y + log1p##f(exp##f(d)) : d;                                          \
    }                                                                                                                            \
    static inline T logaddexp2_of_##s(T x, T y)                                                                                  \
    {                                                                                                                            \
        if (x == y) return x + 1;                                                                                                \
        T d = x - y, scale = (T)1.442695040888963407359924681001892137L;                                                         \
        return d > 0 ? x + log1p##f(exp2##f(-d)) * scale : d <= 0 ? y + log1p##f(exp2##f(d)) * scale : d;                        \
    }                                                                                                                            \
    static inline T spacing_of_##s(T x)                                                                                          \
    {                                                                                                                            \
        if (isinf(x) || isnan(x)) return (T)NAN;                                                                                 \
        return nextafter##f(x, copysign##f((T)INFINITY, x)) - x;                                                                 \
    }                                                                                                                            \
    static inline T modf_fraction_of_##s(T x)                                                                                    \
    {                                                                                                                            \
        T whole;                                                                                                                 \
        return modf##f(x, &whole);                                                                                               \
    }                                                                                                                            \
    static inline T frexp_mantissa_of_##s(T x)                                                                                   \
    {                                                                                                                            \
        int e;                                                                                                                   \
        return frexp##f(x, &e);                                                                                                  \
    }                                                                                                                            \
    static inline int32_t frexp_exponent_of_##s(T x)                                                                             \
    {                                                                                                                            \
        int e = 0;                                                                                                               \
        if (!isnan(x) && !isinf(x)) (void)frexp##f(x, &e);                                                                       \
        return e;                                                                                                                \
    }
DIVISION_HELPERS(f32, float, f)
DIVISION_HELPERS(f64, double, )

#define FLOAT_KERNELS(s, T, f)                                                                                                   \
    BINARY(add_##s, T, T, x + y)                                                                                                 \
    BINARY(subtract_##s, T, T, x - y)                                                                                            \
    BINARY(multiply_##s, T, T, x *y)                                                                                             \
    BINARY(divide_##s, T, T, x / y)                                                                                              \
    BINARY(floor_divide_##s, T, T, floor_divide_of_##s(x, y))                                                                    \
    BINARY(remainder_##s, T, T, remainder_of_##s(x, y))                                                                          \
    BINARY(fmod_##s, T, T, fmod##f(x, y))                                                                                        \
    BINARY(maximum_##s, T, T, x != x ? x : x >= y ? x : y)                                                                       \
    BINARY(minimum_##s, T, T, x != x ? x : x <= y ? x : y)                                                                       \
    BINARY(fmax_##s, T, T, y != y ? x : x >= y ? x : y)                                                                          \
    BINARY(fmin_##s, T, T, y != y ? x : x <= y ? x : y)                                                                          \
    BINARY(copysign_##s, T, T, __builtin_copysign##f(x, y))                                                                      \
    BINARY(nextafter_##s, T, T, nextafter##f(x, y))                                                                              \
    BINARY(logaddexp_##s, T, T, logaddexp_of_##s(x, y))                                                                          \
    BINARY(logaddexp2_##s, T, T, logaddexp2_of_##s(x, y))                                                                        \
    BINARY(heaviside_##s, T, T, x != x ? x : x == 0 ? y : x < 0 ? 0 : 1)                                                         \
    BINARY2(ldexp_##s, T, int32_t, T, ldexp##f(x, y))                                                                            \
    BINARY(equal_##s, T, uint8_t, x == y)                                                                                        \
    BINARY(not_equal_##s, T, uint8_t, x != y)                                                                                    \
    BINARY(less_##s, T, uint8_t, x < y)                                                                                          \
    BINARY(less_equal_##s, T, uint8_t, x <= y)                                                                                   \
    BINARY(greater_##s, T, uint8_t, x > y)                                                                                       \
    BINARY(greater_equal_##s, T, uint8_t, x >= y)                                                                                \
    BINARY(logical_and_##s, T, uint8_t, (x != 0) & (y != 0))                                                                     \
    BINARY(logical_or_##s, T, uint8_t, (x != 0) | (y != 0))                                                                      \
    BINARY(logical_xor_##s, T, uint8_t, (x != 0) != (y != 0))                                                                    \
    UNARY(logical_not_##s, T, uint8_t, x == 0)                                                                                   \
    UNARY(negative_##s, T, T, -x)                                                                                                \
    UNARY(same_##s, T, T, x)                                                                                                     \
    UNARY(absolute_##s, T, T, __builtin_fabs##f(x))                                                                              \
    UNARY(sign_##s, T, T, x != x ? x : (T)((x > 0) - (x < 0)))                                                                   \
    UNARY(rint_##s, T, T, __builtin_rint##f(x))                                                                                  \
    UNARY(floor_##s, T, T, __builtin_floor##f(x))                                                                                \
    UNARY(ceil_##s, T, T, __builtin_ceil##f(x))                                                                                  \
    UNARY(trunc_##s, T, T, __builtin_trunc##f(x))                                                                                \
    UNARY(sqrt_##s, T, T, __builtin_sqrt##f(x))                                                                                  \
    UNARY(square_##s, T, T, x *x)                                                                                                \
    UNARY(reciprocal_##s, T, T, 1 / x)                                                                                           \
    UNARY(deg2rad_##s, T, T, x *(T)(3.14159265358979323846L / 180))                                                              \
    UNARY(rad2deg_##s, T, T, x *(T)(180 / 3.14159265358979323846L))                                                              \
    UNARY(spacing_##s, T, T, spacing_of_##s(x))                                                                                  \
    UNARY(modf_fraction_##s, T, T, modf_fraction_of_##s(x))                                                                      \
    UNARY(frexp_mantissa_##s, T, T, frexp_mantissa_of_##s(x))                                                                    \
    UNARY(frexp_exponent_##s, T, int32_t, frexp_exponent_of_##s(x))                                                              \
    UNARY(zero_##s, T, T, ((void)x, 0))                                                                                          \
    UNARY(isnan_##s, T, uint8_t, x != x)                                                                                         \
    UNARY(isinf_##s, T, uint8_t, __builtin_fabs##f(x) == (T)INFINITY)                                                            \
    UNARY(isfinite_##s, T, uint8_t, __builtin_fabs##f(x) < (T)INFINITY)                                                          \
    UNARY(signbit_##s, T, uint8_t, __builtin_signbit(x) != 0)
FLOAT_KERNELS(f32, float, f)
FLOAT_KERNELS(f64, double, )

#endif
