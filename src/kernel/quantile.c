/* Quantiles along the middle axis of (outer, length, inner) blocks, by NumPy's thirteen methods (Hyndman and Fan, The American
 * Statistician 50(4), 1996, and four more). A method says where in the sorted column the quantile lies: on an element, or between
 * two, and then it is interpolated from the nearer end. The places and the interpolation are computed operation by operation as
 * numpy.quantile does, so that the results equal its to the last bit (also its NaN where both neighbours are infinite). One
 * thing is not repeated: differences of narrow integers, which wrap around there.
 *
 * Each column is gathered without its NaN into `scratch` and selected from: quickselect with a branch-free partition; a range
 * that does not shrink fast enough is sorted by heaps (introselect: Musser, Software: Practice and Experience 27, 1997), so that
 * the worst case stays O(n log n). Quantiles in rising order continue where the last one stopped. Pure functions; any thread. */
#include "kernel/isa.h"

#include <math.h>

enum { MANY_QUANTILES = 16 }; /* more than these: sort the column */

/* The element of rank k, or t of the way from there to the next: k + 1, but at the ends k itself. */
typedef struct place {
    int64_t k;
    bool is_element, is_end;
    double t;
} place;

static place at_element(double k) { return (place){.k = k > 0 ? (int64_t)k : 0, .is_element = true}; }

/* At a place in the sorted column that need not be whole, nor inside: there NumPy's neighbours are both the first element, or
 * both the one at index -1, from which t counts. */
static place between(double at, int64_t n)
{
    if (at >= (double)(n - 1)) return (place){.k = n - 1, .is_end = true, .t = at + 1};
    if (at < 0) return (place){.k = 0, .is_end = true, .t = at};
    return (place){.k = (int64_t)floor(at), .t = at - floor(at)};
}

/* Hyndman and Fan's methods 4 to 9. */
static place by_plotting_position(int64_t n, double q, double alpha, double beta)
{
    return between((double)n * q + (alpha + q * (1 - alpha - beta)) - 1, n);
}

static place place_of(quantile_method method, int64_t n, double q)
{
    const double linear = (double)(n - 1) * q, step = (double)n * q - 1;
    place p;
    switch (method) {
    case QUANTILE_INVERTED_CDF: return at_element(step == floor(step) ? step : floor(step) + 1);
    case QUANTILE_CLOSEST_OBSERVATION: { /* halfway the one of even rank, counted from 1 */
        const double at = step - 0.5, below = floor(at);
        return at_element(at == below && fmod(below, 2) != 0 ? below : below + 1);
    }
    case QUANTILE_LOWER: return at_element(floor(linear));
    case QUANTILE_HIGHER: return at_element(ceil(linear));
    case QUANTILE_NEAREST: return at_element(rint(linear));
    case QUANTILE_AVERAGED_INVERTED_CDF:
        p = between(step, n);
        p.t = p.t == 0 ? 0.5 : 1;
        return p;
    case QUANTILE_MIDPOINT:
        p = between(0.5 * (floor(linear) + ceil(linear)), n);
        p.t = p.is_end || p.t == 0 ? 0 : 0.5;
        return p;
    case QUANTILE_INTERPOLATED_INVERTED_CDF: return by_plotting_position(n, q, 0, 1);
    case QUANTILE_HAZEN: return by_plotting_position(n, q, 0.5, 0.5);
    case QUANTILE_WEIBULL: return by_plotting_position(n, q, 0, 0);
    case QUANTILE_MEDIAN_UNBIASED: return by_plotting_position(n, q, 1 / 3.0, 1 / 3.0);
    case QUANTILE_NORMAL_UNBIASED: return by_plotting_position(n, q, 3 / 8.0, 3 / 8.0);
    case QUANTILE_LINEAR:
    case N_QUANTILE_METHODS: break;
    }
    return between(linear, n);
}

/* All columns, each quantile by VALUE(a, n, place, &done); MISSING where there is none. */
#define QUANTILE(name, T, R, TYPE, VALUE, MISSING)                                                                               \
    static void name(void *out_bytes, const void *in_bytes, void *scratch, int64_t outer, int64_t length, int64_t inner,         \
                     const double *q, int n_q, quantile_method method, bool skip_nan)                                            \
    {                                                                                                                            \
        R *out = out_bytes;                                                                                                      \
        T *a = scratch;                                                                                                          \
        for (int64_t o = 0; o < outer; o++) {                                                                                    \
            for (int64_t c = 0; c < inner; c++) {                                                                                \
                const int64_t n = gather_valid_##TYPE(a, (const T *)in_bytes + o * length * inner + c, length, inner);           \
                int64_t done = 0;                                                                                                \
                if (n_q > MANY_QUANTILES) {                                                                                      \
                    heap_sort_##TYPE(a, n);                                                                                      \
                    done = -1;                                                                                                   \
                }                                                                                                                \
                for (int i = 0; i < n_q; i++) {                                                                                  \
                    R *to = out + ((int64_t)i * outer + o) * inner + c;                                                          \
                    if (n == 0 || (n < length && !skip_nan))                                                                     \
                        *to = MISSING;                                                                                           \
                    else                                                                                                         \
                        *to = VALUE(a, n, place_of(method, n, q[i]), &done);                                                     \
                }                                                                                                                \
            }                                                                                                                    \
        }                                                                                                                        \
    }

/* Interpolates in R; DIFFERENCE is that of two elements as NumPy has it. */
#define INTERPOLATION(name, T, R, TYPE, DIFFERENCE)                                                                              \
    static R name(T *a, int64_t n, place p, int64_t *done)                                                                       \
    {                                                                                                                            \
        const T low = rank_##TYPE(a, n, p.k, done);                                                                              \
        if (p.is_element) return (R)low;                                                                                         \
        const T high = p.is_end ? low : next_##TYPE(a, n, p.k, *done);                                                           \
        const R difference = (R)(DIFFERENCE);                                                                                    \
        return p.t >= 0.5 ? (R)high - difference * (R)(1 - p.t) : (R)low + difference * (R)p.t;                                  \
    }

#define ELEMENT(name, T, TYPE)                                                                                                   \
    static T name(T *a, int64_t n, place p, int64_t *done) { return rank_##TYPE(a, n, p.k, done); }

#define FLOATS(T, R, TYPE, INTO)                                                                                                 \
    INTERPOLATION(value_##TYPE##_##INTO, T, R, TYPE, high - low)                                                                 \
    QUANTILE(quantile_##TYPE##_##INTO, T, R, TYPE, value_##TYPE##_##INTO, (R)NAN)

#define INTEGERS(T, TYPE)                                                                                                        \
    ELEMENT(element_##TYPE, T, TYPE)                                                                                             \
    QUANTILE(quantile_##TYPE, T, T, TYPE, element_##TYPE, 0)                                                                     \
    INTERPOLATION(value_##TYPE, T, double, TYPE, (uint64_t)high - (uint64_t)low)                                                 \
    QUANTILE(quantile_##TYPE##_f64, T, double, TYPE, value_##TYPE, NAN)

#define NAME__(name, type) name##_##type
#define NAME_(name, type) NAME__(name, type)
#define NAME(name) NAME_(name, TYPE)

#define TYPE f32
#define T float
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
FLOATS(float, float, f32, f32)
FLOATS(float, double, f32, f64)

#define TYPE f64
#define T double
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
FLOATS(double, double, f64, f64)

#define TYPE i8
#define T int8_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(int8_t, i8)

#define TYPE i16
#define T int16_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(int16_t, i16)

#define TYPE i32
#define T int32_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(int32_t, i32)

#define TYPE i64
#define T int64_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(int64_t, i64)

#define TYPE u8
#define T uint8_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(uint8_t, u8)

#define TYPE u16
#define T uint16_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(uint16_t, u16)

#define TYPE u32
#define T uint32_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(uint32_t, u32)

#define TYPE u64
#define T uint64_t
#include "kernel/quantile_loops.h"
#undef TYPE
#undef T
INTEGERS(uint64_t, u64)

/* [dtype][1 if the result is f64] */
const quantile_kernel ISA(quantile_table)[TSR_N_DTYPES][2] = {
    [TSR_BOOL] = {quantile_u8, quantile_u8_f64},     [TSR_I8] = {quantile_i8, quantile_i8_f64},
    [TSR_I16] = {quantile_i16, quantile_i16_f64},    [TSR_I32] = {quantile_i32, quantile_i32_f64},
    [TSR_I64] = {quantile_i64, quantile_i64_f64},    [TSR_U8] = {quantile_u8, quantile_u8_f64},
    [TSR_U16] = {quantile_u16, quantile_u16_f64},    [TSR_U32] = {quantile_u32, quantile_u32_f64},
    [TSR_U64] = {quantile_u64, quantile_u64_f64},    [TSR_F32] = {quantile_f32_f32, quantile_f32_f64},
    [TSR_F64] = {quantile_f64_f64, quantile_f64_f64}};
