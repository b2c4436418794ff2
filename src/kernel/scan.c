/* Running sums, products, extremes and last values along the middle axis of (outer, length, inner) blocks.
 *
 * Strictly one after the other in the dtype itself, as NumPy does, so the results equal its to the last bit. The neutral carry of
 * a float sum is -0.0, which leaves every first element as it is (of a product 1, of a maximum the least value, of the last value
 * NaN). The nan-forms put 0 or 1 in place of NaN, extremes keep it. bool stays bool: sums are `or`, products `and`. Where the
 * axis is the innermost, four rows go together to hide the latency of the additions. Pure functions; any thread. */
#include "kernel/isa.h"

/* NEXT(sum, x) for real types. */
#define ADD(sum, x) (sum) + (x)
#define MULTIPLY(sum, x) (sum) * (x)
#define ADD_VALID(sum, x) (sum) + ((x) == (x) ? (x) : 0)
#define MULTIPLY_VALID(sum, x) (sum) * ((x) == (x) ? (x) : 1)
#define GREATER(sum, x) (sum) > (x) ? (sum) : (x)
#define LESS(sum, x) (sum) < (x) ? (sum) : (x)
#define GREATER_OR_NAN(sum, x) ((sum) > (x)) | ((sum) != (sum)) ? (sum) : (x)
#define LESS_OR_NAN(sum, x) ((sum) < (x)) | ((sum) != (sum)) ? (sum) : (x)
#define LAST_VALID(sum, x) (x) == (x) ? (x) : (sum)
#define OR(sum, x) (sum) | (x)
#define AND(sum, x) (sum) & (x)

#define SCAN(name, T, NEXT)                                                                                                      \
    static void name##_rows(T *out, const T *in, T *carry, int64_t outer, int64_t length)                                        \
    {                                                                                                                            \
        int64_t o = 0;                                                                                                           \
        for (; o + 4 <= outer; o += 4, in += 4 * length, out += 4 * length) {                                                    \
            T a = carry[o], b = carry[o + 1], c = carry[o + 2], d = carry[o + 3];                                                \
            for (int64_t i = 0; i < length; i++) {                                                                               \
                out[i] = a = (T)(NEXT(a, in[i]));                                                                                \
                out[i + length] = b = (T)(NEXT(b, in[i + length]));                                                              \
                out[i + 2 * length] = c = (T)(NEXT(c, in[i + 2 * length]));                                                      \
                out[i + 3 * length] = d = (T)(NEXT(d, in[i + 3 * length]));                                                      \
            }                                                                                                                    \
            carry[o] = a, carry[o + 1] = b, carry[o + 2] = c, carry[o + 3] = d;                                                  \
        }                                                                                                                        \
        for (; o < outer; o++, in += length, out += length) {                                                                    \
            T a = carry[o];                                                                                                      \
            for (int64_t i = 0; i < length; i++) out[i] = a = (T)(NEXT(a, in[i]));                                               \
            carry[o] = a;                                                                                                        \
        }                                                                                                                        \
    }                                                                                                                            \
    static void name(void *out_bytes, const void *in_bytes, void *carry_bytes, int64_t outer, int64_t length, int64_t inner)     \
    {                                                                                                                            \
        const T *in = in_bytes;                                                                                                  \
        T *out = out_bytes;                                                                                                      \
        if (inner == 1) {                                                                                                        \
            name##_rows(out, in, carry_bytes, outer, length);                                                                    \
            return;                                                                                                              \
        }                                                                                                                        \
        for (int64_t o = 0; o < outer; o++) {                                                                                    \
            T *restrict carry = (T *)carry_bytes + o * inner;                                                                    \
            for (int64_t i = 0; i < length; i++, in += inner, out += inner) {                                                    \
                IVDEP                                                                                                            \
                for (int64_t c = 0; c < inner; c++) out[c] = carry[c] = (T)(NEXT(carry[c], in[c]));                              \
            }                                                                                                                    \
        }                                                                                                                        \
    }

SCAN(sum_bool, uint8_t, OR)
SCAN(prod_bool, uint8_t, AND)
#define BOTH(suffix, T)                                                                                                          \
    SCAN(sum_##suffix, T, ADD)                                                                                                   \
    SCAN(prod_##suffix, T, MULTIPLY)
/* Unsigned arithmetic wraps and gives the bits of the signed one; 16-bit values are multiplied in 32 unsigned bits. */
#define MULTIPLY_U16(sum, x) (uint32_t)(sum) * (x)
BOTH(u8, uint8_t)
SCAN(sum_u16, uint16_t, ADD)
SCAN(prod_u16, uint16_t, MULTIPLY_U16)
BOTH(u32, uint32_t)
BOTH(u64, uint64_t)
BOTH(f32, float)
BOTH(f64, double)
SCAN(nansum_f32, float, ADD_VALID)
SCAN(nanprod_f32, float, MULTIPLY_VALID)
SCAN(nansum_f64, double, ADD_VALID)
SCAN(nanprod_f64, double, MULTIPLY_VALID)

#define EXTREMES(suffix, T)                                                                                                      \
    SCAN(max_##suffix, T, GREATER)                                                                                               \
    SCAN(min_##suffix, T, LESS)
EXTREMES(i8, int8_t)
EXTREMES(i16, int16_t)
EXTREMES(i32, int32_t)
EXTREMES(i64, int64_t)
EXTREMES(u8, uint8_t)
EXTREMES(u16, uint16_t)
EXTREMES(u32, uint32_t)
EXTREMES(u64, uint64_t)
SCAN(max_f32, float, GREATER_OR_NAN)
SCAN(min_f32, float, LESS_OR_NAN)
SCAN(max_f64, double, GREATER_OR_NAN)
SCAN(min_f64, double, LESS_OR_NAN)
SCAN(last_f32, float, LAST_VALID)
SCAN(last_f64, double, LAST_VALID)

/* Complex numbers, stored as pairs. */
#define COMPLEX(name, T, negate, product, skip_nan)                                                                              \
    static void name(void *out_bytes, const void *in_bytes, void *carry_bytes, int64_t outer, int64_t length, int64_t inner)     \
    {                                                                                                                            \
        const T *in = in_bytes;                                                                                                  \
        T *out = out_bytes;                                                                                                      \
        for (int64_t o = 0; o < outer; o++) {                                                                                    \
            T *carry = (T *)carry_bytes + 2 * o * inner;                                                                         \
            for (int64_t i = 0; i < length; i++, in += 2 * inner, out += 2 * inner) {                                            \
                for (int64_t c = 0; c < inner; c++) {                                                                            \
                    T re = in[2 * c], im = in[2 * c + 1], *sum = carry + 2 * c;                                                  \
                    if (skip_nan && (re != re || im != im)) re = product, im = 0;                                                \
                    if (product) {                                                                                               \
                        T next = sum[0] * re + negate(sum[1]) * im;                                                              \
                        sum[1] = sum[0] * im + sum[1] * re;                                                                      \
                        sum[0] = next;                                                                                           \
                    } else {                                                                                                     \
                        sum[0] += re, sum[1] += im;                                                                              \
                    }                                                                                                            \
                    out[2 * c] = sum[0], out[2 * c + 1] = sum[1];                                                                \
                }                                                                                                                \
            }                                                                                                                    \
        }                                                                                                                        \
    }
COMPLEX(sum_c64, float, negatedf, 0, 0)
COMPLEX(sum_c128, double, negated, 0, 0)
COMPLEX(prod_c64, float, negatedf, 1, 0)
COMPLEX(prod_c128, double, negated, 1, 0)
COMPLEX(nansum_c64, float, negatedf, 0, 1)
COMPLEX(nansum_c128, double, negated, 0, 1)
COMPLEX(nanprod_c64, float, negatedf, 1, 1)
COMPLEX(nanprod_c128, double, negated, 1, 1)

#define EXACT(kind)                                                                                                              \
    [TSR_BOOL] = kind##_bool, [TSR_I8] = kind##_u8, [TSR_I16] = kind##_u16, [TSR_I32] = kind##_u32, [TSR_I64] = kind##_u64,      \
    [TSR_U8] = kind##_u8, [TSR_U16] = kind##_u16, [TSR_U32] = kind##_u32, [TSR_U64] = kind##_u64
#define REAL(kind)                                                                                                               \
    [TSR_I8] = kind##_i8, [TSR_I16] = kind##_i16, [TSR_I32] = kind##_i32, [TSR_I64] = kind##_i64, [TSR_U8] = kind##_u8,          \
    [TSR_U16] = kind##_u16, [TSR_U32] = kind##_u32, [TSR_U64] = kind##_u64, [TSR_F32] = kind##_f32, [TSR_F64] = kind##_f64
#define INEXACT(kind) [TSR_F32] = kind##_f32, [TSR_F64] = kind##_f64, [TSR_C64] = kind##_c64, [TSR_C128] = kind##_c128
const scan_kernel ISA(scan_table)[N_SCAN_KINDS][TSR_N_DTYPES] = {
    [SCAN_SUM] = {EXACT(sum), INEXACT(sum)},
    [SCAN_PROD] = {EXACT(prod), INEXACT(prod)},
    [SCAN_NANSUM] = {EXACT(sum), INEXACT(nansum)},
    [SCAN_NANPROD] = {EXACT(prod), INEXACT(nanprod)},
    [SCAN_MAX] = {[TSR_BOOL] = sum_bool, REAL(max)},
    [SCAN_MIN] = {[TSR_BOOL] = prod_bool, REAL(min)},
    [SCAN_LAST] = {[TSR_F32] = last_f32, [TSR_F64] = last_f64},
};
