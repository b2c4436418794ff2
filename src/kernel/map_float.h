/* Float kernels that are arithmetic, comparison, rounding or bits. Included by map.c only. */
#ifndef TESSERA_KERNEL_MAP_FLOAT_H
#define TESSERA_KERNEL_MAP_FLOAT_H

#include "kernel/map_loops.h"

#include <math.h>
#include <string.h>

/* Remainders and quotients. All of them start from r = fmod(x, y), which is always exact.
 *
 * Where the processor has a fused multiply-add, fmod is computed without a loop: with q = trunc(|x| / |y|) below 2^52 (2^23), the
 * rounded quotient can only be too large, by one, and |x| - q |y| is exact in one fused step. What is outside (and everything on
 * processors without it) goes through the library's fmod, a room of elements at a time: the same bits. */
enum { DIVISION_ROOM = 64, TURN_ROOM = 512 };

#define FLOAT_HELPERS(s, T, f, U, whole_limit)                                                                                   \
    static inline bool quick_fmod_##s(T x, T y, T *r)                                                                            \
    {                                                                                                                            \
        T ax = __builtin_fabs##f(x), ay = __builtin_fabs##f(y), ratio = ax / ay;                                                 \
        T rest = __builtin_fma##f(-__builtin_trunc##f(ratio), ay, ax);                                                           \
        rest = rest < 0 ? rest + ay : rest;                                                                                      \
        *r = __builtin_copysign##f(rest, x);                                                                                     \
        return (ratio < whole_limit) & (ay < (T)INFINITY);                                                                       \
    }                                                                                                                            \
    /* NumPy's rules: the remainder has the divisor's sign, the quotient is rounded from (x - r) / y. */                         \
    static inline T remainder_from_##s(T x, T y, T r)                                                                            \
    {                                                                                                                            \
        T moved = (y < 0) != (r < 0) ? r + y : r, zero = __builtin_copysign##f(0, y);                                            \
        moved = r != 0 ? moved : zero;                                                                                           \
        return y == 0 ? r : moved;                                                                                               \
    }                                                                                                                            \
    static inline T floor_divide_from_##s(T x, T y, T r)                                                                         \
    {                                                                                                                            \
        T ratio = x / y, q = (x - r) / y;                                                                                        \
        q = (r != 0) & ((y < 0) != (r < 0)) ? q - 1 : q;                                                                         \
        T whole = __builtin_floor##f(q);                                                                                         \
        whole = q - whole > (T)0.5 ? whole + 1 : whole;                                                                          \
        whole = q == 0 ? __builtin_copysign##f(0, ratio) : whole;                                                                \
        return y == 0 ? ratio : whole;                                                                                           \
    }                                                                                                                            \
    static inline T fmod_from_##s(T x, T y, T r) { return r; }                                                                   \
    static inline U bits_of_##s(T x)                                                                                             \
    {                                                                                                                            \
        union {                                                                                                                  \
            T value;                                                                                                             \
            U bits;                                                                                                              \
        } u = {x};                                                                                                               \
        return u.bits;                                                                                                           \
    }                                                                                                                            \
    static inline T from_bits_##s(U bits)                                                                                        \
    {                                                                                                                            \
        union {                                                                                                                  \
            U bits;                                                                                                              \
            T value;                                                                                                             \
        } u = {bits};                                                                                                            \
        return u.value;                                                                                                          \
    }                                                                                                                            \
    static inline T nextafter_of_##s(T x, T y)                                                                                   \
    {                                                                                                                            \
        U magnitude = bits_of_##s(__builtin_fabs##f(x)), up = (x < y) == (x > 0);                                                \
        T moved = __builtin_copysign##f(from_bits_##s(magnitude + 2 * up - 1), x);                                               \
        moved = x == 0 ? __builtin_copysign##f(from_bits_##s(1), y) : moved;                                                     \
        moved = x == y ? y : moved;                                                                                              \
        return (x != x) | (y != y) ? x + y : moved;                                                                              \
    }                                                                                                                            \
    static inline T spacing_of_##s(T x)                                                                                          \
    {                                                                                                                            \
        T step = nextafter_of_##s(x, __builtin_copysign##f((T)INFINITY, x)) - x;                                                 \
        return __builtin_fabs##f(x) < (T)INFINITY ? step : (T)NAN;                                                               \
    }                                                                                                                            \
    static inline T modf_fraction_of_##s(T x)                                                                                    \
    {                                                                                                                            \
        T fraction = __builtin_fabs##f(x) == (T)INFINITY ? 0 : x - __builtin_trunc##f(x);                                        \
        return __builtin_copysign##f(fraction, x);                                                                               \
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
    }                                                                                                                            \
    static inline T ldexp_of_##s(T x, int64_t e)                                                                                 \
    {                                                                                                                            \
        return ldexp##f(x, e > INT32_MAX ? INT32_MAX : e < INT32_MIN ? INT32_MIN : (int)e);                                      \
    }
FLOAT_HELPERS(f32, float, f, uint32_t, 0x1p23f)
FLOAT_HELPERS(f64, double, , uint64_t, 0x1p52)

/* out = function##_from(x, y, fmod(x, y)), a room at a time. */
#define DIVISION_FORM(name, function, s, T, f, x_value, y_value)                                                                 \
    static void name(KERNEL_ARGUMENTS)                                                                                           \
    {                                                                                                                            \
        T *o = o_;                                                                                                               \
        const T *a = a_, *b = b_;                                                                                                \
        T x0 = a[0], y0 = b[0], room[DIVISION_ROOM];                                                                             \
        (void)x0, (void)y0;                                                                                                      \
        for (size_t start = 0; start < n; start += DIVISION_ROOM) {                                                              \
            size_t count = n - start < DIVISION_ROOM ? n - start : DIVISION_ROOM;                                                \
            int quick = HAS_FMA;                                                                                                 \
            for (size_t k = 0; HAS_FMA && k < count; k++) {                                                                      \
                size_t i = start + k;                                                                                            \
                T x = x_value, y = y_value, r;                                                                                   \
                quick &= quick_fmod_##s(x, y, &r);                                                                               \
                room[k] = function##_from_##s(x, y, r);                                                                          \
            }                                                                                                                    \
            for (size_t k = 0; !quick && k < count; k++) {                                                                       \
                size_t i = start + k;                                                                                            \
                T x = x_value, y = y_value;                                                                                      \
                room[k] = function##_from_##s(x, y, fmod##f(x, y));                                                              \
            }                                                                                                                    \
            memcpy(o + start, room, count * sizeof(T));                                                                          \
        }                                                                                                                        \
    }
#define DIVISION(function, s, T, f)                                                                                              \
    DIVISION_FORM(function##_##s##_vv, function, s, T, f, a[i], b[i])                                                            \
    DIVISION_FORM(function##_##s##_vs, function, s, T, f, a[i], y0)                                                              \
    DIVISION_FORM(function##_##s##_sv, function, s, T, f, x0, b[i])

#define FLOAT_KERNELS(s, T, f)                                                                                                   \
    BINARY(add_##s, T, T, x + y)                                                                                                 \
    BINARY(subtract_##s, T, T, x - y)                                                                                            \
    BINARY(multiply_##s, T, T, x *y)                                                                                             \
    BINARY(divide_##s, T, T, x / y)                                                                                              \
    DIVISION(floor_divide, s, T, f)                                                                                              \
    DIVISION(remainder, s, T, f)                                                                                                 \
    DIVISION(fmod, s, T, f)                                                                                                      \
    BINARY(maximum_##s, T, T, x != x ? x : x > y ? x : y)                                                                        \
    BINARY(minimum_##s, T, T, x != x ? x : x < y ? x : y)                                                                        \
    BINARY(fmax_##s, T, T, y != y ? x : x > y ? x : y)                                                                           \
    BINARY(fmin_##s, T, T, y != y ? x : x < y ? x : y)                                                                           \
    BINARY(copysign_##s, T, T, __builtin_copysign##f(x, y))                                                                      \
    BINARY(nextafter_##s, T, T, nextafter_of_##s(x, y))                                                                          \
    BINARY(heaviside_##s, T, T, x != x ? x : x == 0 ? y : x < 0 ? 0 : 1)                                                         \
    BINARY2(ldexp_##s, T, int64_t, T, ldexp_of_##s(x, y))                                                                        \
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
    UNARY(signbit_##s, T, uint8_t, bits_of_##s(x) >> (8 * sizeof(T) - 1))
FLOAT_KERNELS(f32, float, f)
FLOAT_KERNELS(f64, double, )

#endif
