/* Complex kernels. Functions come from C99's <complex.h>; products and quotients are written out, as C's own rescue infinities
 * that NumPy leaves NaN. Included by map.c only. */
#ifndef TESSERA_KERNEL_MAP_COMPLEX_H
#define TESSERA_KERNEL_MAP_COMPLEX_H

#include "kernel/isa.h"
#include "kernel/map_loops.h"

#include <complex.h>
#include <math.h>

/* A complex number from its parts as they are: arithmetic with I would turn an infinite imaginary part into a NaN real one.
 * (CMPLX of <complex.h> is missing with clang and glibc.) */
#define MAKE_C64(re, im) __builtin_complex((float)(re), (float)(im))
#define MAKE_C128(re, im) __builtin_complex((double)(re), (double)(im))

#define COMPLEX_HELPERS(s, C, T, f, BUILD)                                                                                       \
    static inline C times_of_##s(C x, C y)                                                                                       \
    {                                                                                                                            \
        T a = creal##f(x), b = cimag##f(x), c = creal##f(y), d = cimag##f(y);                                                    \
        return BUILD(a * c + negated##f(b) * d, a * d + b * c);                                                                  \
    }                                                                                                                            \
    /* Smith's method (1962). */                                                                                                 \
    static inline C divide_of_##s(C x, C y)                                                                                      \
    {                                                                                                                            \
        T a = creal##f(x), b = cimag##f(x), c = creal##f(y), d = cimag##f(y);                                                    \
        if (fabs##f(c) >= fabs##f(d)) {                                                                                          \
            if (c == 0 && d == 0) return BUILD(a / fabs##f(c), b / fabs##f(c));                                                  \
            T ratio = d / c, scale = 1 / (c + d * ratio);                                                                        \
            return BUILD((a + b * ratio) * scale, (b + negated##f(a) * ratio) * scale);                                          \
        }                                                                                                                        \
        T ratio = c / d, scale = 1 / (d + c * ratio);                                                                            \
        return BUILD((a * ratio + b) * scale, (b * ratio + negated##f(a)) * scale);                                              \
    }                                                                                                                            \
    static inline C reciprocal_of_##s(C x)                                                                                       \
    {                                                                                                                            \
        T a = creal##f(x), b = cimag##f(x);                                                                                      \
        if (fabs##f(b) <= fabs##f(a)) {                                                                                          \
            T ratio = b / a, divisor = a + b * ratio;                                                                            \
            return BUILD(1 / divisor, -ratio / divisor);                                                                         \
        }                                                                                                                        \
        T ratio = a / b, divisor = a * ratio + b;                                                                                \
        return BUILD(ratio / divisor, -1 / divisor);                                                                             \
    }                                                                                                                            \
    static inline bool nan_of_##s(C x) { return isnan(creal##f(x)) || isnan(cimag##f(x)); }                                      \
    static inline bool less_of_##s(C x, C y)                                                                                     \
    {                                                                                                                            \
        T a = creal##f(x), b = cimag##f(x), c = creal##f(y), d = cimag##f(y);                                                    \
        return a < c ? !isnan(b) && !isnan(d) : a == c && b < d;                                                                 \
    }                                                                                                                            \
    /* Small whole exponents by multiplication, as NumPy does, so that squares and cubes are as exact as products. */            \
    static inline C power_of_##s(C x, C y)                                                                                       \
    {                                                                                                                            \
        T n = creal##f(y);                                                                                                       \
        if (n == 0 && cimag##f(y) == 0) return 1;                                                                                \
        if (creal##f(x) == 0 && cimag##f(x) == 0) return n > 0 ? (C)0 : BUILD((T)NAN, (T)NAN);                                   \
        if (cimag##f(y) != 0 || n != trunc##f(n) || fabs##f(n) >= 100) return cpow##f(x, y);                                     \
        if (n == 1) return x;                                                                                                    \
        if (n == 2) return times_of_##s(x, x);                                                                                   \
        if (n == 3) return times_of_##s(x, times_of_##s(x, x));                                                                  \
        C result = 1, base = x;                                                                                                  \
        for (int e = (int)fabs##f(n);; base = times_of_##s(base, base)) {                                                        \
            if (e & 1) result = times_of_##s(result, base);                                                                      \
            if ((e >>= 1) == 0) break;                                                                                           \
        }                                                                                                                        \
        return n < 0 ? divide_of_##s(1, result) : result;                                                                        \
    }                                                                                                                            \
    /* x / |x|; of an infinite part only its direction counts. */                                                                \
    static inline C sign_of_##s(C x)                                                                                             \
    {                                                                                                                            \
        T a = creal##f(x), b = cimag##f(x), r = hypot##f(a, b);                                                                  \
        if (isnan(r) || (isinf(a) && isinf(b))) return BUILD((T)NAN, (T)NAN);                                                    \
        if (isinf(a)) return BUILD(copysign##f(1, a), 0);                                                                        \
        if (isinf(b)) return BUILD(0, copysign##f(1, b));                                                                        \
        if (r == 0) return 0;                                                                                                    \
        return BUILD(a / r, b / r);                                                                                              \
    }                                                                                                                            \
    static inline C scaled_of_##s(C x, T by) { return BUILD(creal##f(x) * by, cimag##f(x) * by); }                               \
    static inline C expm1_of_##s(C x)                                                                                            \
    {                                                                                                                            \
        T half = sin##f(cimag##f(x) / 2);                                                                                        \
        return BUILD(expm1##f(creal##f(x)) * cos##f(cimag##f(x)) - 2 * half * half, exp##f(creal##f(x)) * sin##f(cimag##f(x)));  \
    }                                                                                                                            \
    static inline C log1p_of_##s(C x)                                                                                            \
    {                                                                                                                            \
        T r = hypot##f(creal##f(x) + 1, cimag##f(x));                                                                            \
        return BUILD(log##f(r), atan2##f(cimag##f(x), creal##f(x) + 1));                                                         \
    }
COMPLEX_HELPERS(c64, float complex, float, f, MAKE_C64)
COMPLEX_HELPERS(c128, double complex, double, , MAKE_C128)

#define COMPLEX_KERNELS(s, C, T, f, BUILD)                                                                                       \
    BINARY(add_##s, C, C, x + y)                                                                                                 \
    BINARY(subtract_##s, C, C, x - y)                                                                                            \
    BINARY(multiply_##s, C, C, times_of_##s(x, y))                                                                               \
    BINARY(divide_##s, C, C, divide_of_##s(x, y))                                                                                \
    BINARY(power_##s, C, C, power_of_##s(x, y))                                                                                  \
    BINARY(maximum_##s, C, C, nan_of_##s(x) ? x : nan_of_##s(y) ? y : less_of_##s(x, y) ? y : x)                                 \
    BINARY(minimum_##s, C, C, nan_of_##s(x) ? x : nan_of_##s(y) ? y : less_of_##s(y, x) ? y : x)                                 \
    BINARY(fmax_##s, C, C, nan_of_##s(y) ? x : nan_of_##s(x) ? y : less_of_##s(x, y) ? y : x)                                    \
    BINARY(fmin_##s, C, C, nan_of_##s(y) ? x : nan_of_##s(x) ? y : less_of_##s(y, x) ? y : x)                                    \
    BINARY(equal_##s, C, uint8_t, x == y)                                                                                        \
    BINARY(not_equal_##s, C, uint8_t, x != y)                                                                                    \
    BINARY(less_##s, C, uint8_t, less_of_##s(x, y))                                                                              \
    BINARY(less_equal_##s, C, uint8_t, less_of_##s(x, y) || x == y)                                                              \
    BINARY(greater_##s, C, uint8_t, less_of_##s(y, x))                                                                           \
    BINARY(greater_equal_##s, C, uint8_t, less_of_##s(y, x) || x == y)                                                           \
    BINARY(logical_and_##s, C, uint8_t, x != 0 && y != 0)                                                                        \
    BINARY(logical_or_##s, C, uint8_t, x != 0 || y != 0)                                                                         \
    BINARY(logical_xor_##s, C, uint8_t, (x != 0) != (y != 0))                                                                    \
    UNARY(logical_not_##s, C, uint8_t, x == 0)                                                                                   \
    UNARY(negative_##s, C, C, -x)                                                                                                \
    UNARY(same_##s, C, C, x)                                                                                                     \
    UNARY(sign_##s, C, C, sign_of_##s(x))                                                                                        \
    UNARY(rint_##s, C, C, BUILD(rint##f(creal##f(x)), rint##f(cimag##f(x))))                                                     \
    UNARY(square_##s, C, C, times_of_##s(x, x))                                                                                  \
    UNARY(reciprocal_##s, C, C, reciprocal_of_##s(x))                                                                            \
    UNARY(sqrt_##s, C, C, csqrt##f(x))                                                                                           \
    UNARY(exp_##s, C, C, cexp##f(x))                                                                                             \
    UNARY(exp2_##s, C, C, cexp##f(scaled_of_##s(x, (T)0.693147180559945309417232121458176568L)))                                 \
    UNARY(expm1_##s, C, C, expm1_of_##s(x))                                                                                      \
    UNARY(log_##s, C, C, clog##f(x))                                                                                             \
    UNARY(log2_##s, C, C, scaled_of_##s(clog##f(x), (T)1.442695040888963407359924681001892137L))                                 \
    UNARY(log10_##s, C, C, scaled_of_##s(clog##f(x), (T)0.434294481903251827651128918916605082L))                                \
    UNARY(log1p_##s, C, C, log1p_of_##s(x))                                                                                      \
    UNARY(sin_##s, C, C, csin##f(x))                                                                                             \
    UNARY(cos_##s, C, C, ccos##f(x))                                                                                             \
    UNARY(tan_##s, C, C, ctan##f(x))                                                                                             \
    UNARY(arcsin_##s, C, C, casin##f(x))                                                                                         \
    UNARY(arccos_##s, C, C, cacos##f(x))                                                                                         \
    UNARY(arctan_##s, C, C, catan##f(x))                                                                                         \
    UNARY(sinh_##s, C, C, csinh##f(x))                                                                                           \
    UNARY(cosh_##s, C, C, ccosh##f(x))                                                                                           \
    UNARY(tanh_##s, C, C, ctanh##f(x))                                                                                           \
    UNARY(arcsinh_##s, C, C, casinh##f(x))                                                                                       \
    UNARY(arccosh_##s, C, C, cacosh##f(x))                                                                                       \
    UNARY(arctanh_##s, C, C, catanh##f(x))                                                                                       \
    UNARY(conjugate_##s, C, C, conj##f(x))                                                                                       \
    UNARY(real_##s, C, T, creal##f(x))                                                                                           \
    UNARY(imag_##s, C, T, cimag##f(x))                                                                                           \
    UNARY(isnan_##s, C, uint8_t, nan_of_##s(x))                                                                                  \
    UNARY(isinf_##s, C, uint8_t, isinf(creal##f(x)) || isinf(cimag##f(x)))                                                       \
    UNARY(isfinite_##s, C, uint8_t, isfinite(creal##f(x)) && isfinite(cimag##f(x)))
COMPLEX_KERNELS(c64, float complex, float, f, MAKE_C64)
COMPLEX_KERNELS(c128, double complex, double, , MAKE_C128)

/* From the parts, as they are. */
BINARY(complex_of_f32, float, float complex, MAKE_C64(x, y))
BINARY(complex_of_f64, double, double complex, MAKE_C128(x, y))

#endif
