/* The least or greatest element of a row: shared by min, max and by argmin, argmax.
 *
 * Floats go through 256 bytes of lanes, kept in this order on every instruction set, so that the sign of a zero is the same
 * everywhere (of equal elements the first of a lane wins, of equal lanes the lower). Included only by sources compiled per
 * instruction set. */
#ifndef TESSERA_KERNEL_ACC_EXTREME_H
#define TESSERA_KERNEL_ACC_EXTREME_H

#include "kernel/acc.h"

#include <math.h>

enum { EXTREME_VECTORS = 256 / SIMD_BYTES };

/* `greatest` and `skip_nan` are constants where used. NaN: if not skipped, any NaN gives NaN; if skipped, a row of nothing else
 * does. n > 0. */
#define EXTREME_ROW(name, T, V, set, load, store, least, most, nan_set, nan_set_of, nan_set_any, lanes)                          \
    static ALWAYS_INLINE T name(const T *x, int64_t n, bool greatest, bool skip_nan)                                             \
    {                                                                                                                            \
        enum { ALL = EXTREME_VECTORS * lanes };                                                                                  \
        const T worst = greatest ? (T)-INFINITY : (T)INFINITY;                                                                   \
        V best[EXTREME_VECTORS];                                                                                                 \
        nan_set seen = {0};                                                                                                      \
        SIMD_UNROLL                                                                                                              \
        for (int v = 0; v < EXTREME_VECTORS; v++) best[v] = set(worst);                                                          \
        for (int64_t i = 0; i < n; i += ALL) {                                                                                   \
            T rest[ALL];                                                                                                         \
            const T *from = x + i;                                                                                               \
            if (n - i < ALL) {                                                                                                   \
                for (int l = 0; l < ALL; l++) rest[l] = worst;                                                                   \
                memcpy(rest, from, (size_t)(n - i) * sizeof(T));                                                                 \
                from = rest;                                                                                                     \
            }                                                                                                                    \
            SIMD_UNROLL                                                                                                          \
            for (int v = 0; v < EXTREME_VECTORS; v += 2) {                                                                       \
                V a = load(from + v * lanes), b = load(from + (v + 1) * lanes);                                                  \
                best[v] = greatest ? most(a, best[v]) : least(a, best[v]);                                                       \
                best[v + 1] = greatest ? most(b, best[v + 1]) : least(b, best[v + 1]);                                           \
                if (!skip_nan) seen |= nan_set_of(a, b);                                                                         \
            }                                                                                                                    \
        }                                                                                                                        \
        if (!skip_nan && nan_set_any(seen)) return (T)NAN;                                                                       \
        SIMD_UNROLL                                                                                                              \
        for (int half = EXTREME_VECTORS / 2; half > 0; half /= 2) {                                                              \
            SIMD_UNROLL                                                                                                          \
            for (int v = 0; v < half; v++) best[v] = greatest ? most(best[v + half], best[v]) : least(best[v + half], best[v]);  \
        }                                                                                                                        \
        T lane[lanes];                                                                                                           \
        store(lane, best[0]);                                                                                                    \
        SIMD_UNROLL                                                                                                              \
        for (int half = lanes / 2; half > 0; half /= 2)                                                                          \
            for (int l = 0; l < half; l++)                                                                                       \
                if (greatest ? lane[l + half] > lane[l] : lane[l + half] < lane[l]) lane[l] = lane[l + half];                    \
        if (!skip_nan || lane[0] != worst) return lane[0];                                                                       \
        for (int64_t i = 0; i < n; i++) /* infinity, or nothing but NaN? */                                                      \
            if (x[i] == worst) return worst;                                                                                     \
        return (T)NAN;                                                                                                           \
    }
EXTREME_ROW(extreme_row_f64, double, vf64, vf64_set, vf64_load, vf64_store, vf64_min, vf64_max, nan_set64, nan_set64_of,
            nan_set64_any, LANES64)
EXTREME_ROW(extreme_row_f32, float, vf32, vf32_set, vf32_load, vf32_store, vf32_min, vf32_max, nan_set32, nan_set32_of,
            nan_set32_any, LANES32)
#undef EXTREME_ROW

/* The first value and how to compare, for integers; the loops are the compiler's to vectorise. */
#define EXTREME_INTEGER(dtype, T, R)                                                                                             \
    static ALWAYS_INLINE T extreme_row_##dtype(const T *x, int64_t n, bool greatest)                                             \
    {                                                                                                                            \
        T best = x[0];                                                                                                           \
        for (int64_t i = 1; i < n; i++) best = (greatest ? x[i] > best : x[i] < best) ? x[i] : best;                             \
        return best;                                                                                                             \
    }                                                                                                                            \
    static ALWAYS_INLINE T extreme_worst_##dtype(bool greatest)                                                                  \
    {                                                                                                                            \
        const T all = (T) ~(T)0, top = (T)(all > 0 ? all : (T)(((uint64_t)1 << (8 * sizeof(T) - 1)) - 1));                       \
        return greatest ? (T)(all > 0 ? 0 : -top - 1) : top;                                                                     \
    }
ACC_INT_LIST(EXTREME_INTEGER)
#undef EXTREME_INTEGER

/* Complex numbers compare by their real part, then by their imaginary part; NaN in either part makes the number NaN. */
static ALWAYS_INLINE bool complex_less(double a_re, double a_im, double b_re, double b_im)
{
    return a_re < b_re || (a_re == b_re && a_im < b_im);
}

static ALWAYS_INLINE bool complex_nan(double re, double im) { return re != re || im != im; }

#endif
