/* Casts between all dtypes, as NumPy's astype: floats to integers truncate, and what does not fit gives the smallest integer of
 * the 32- or 64-bit intermediate (what the processor gives), wrapped to the target; anything but zero is True; complex to real
 * drops the imaginary part. */
#include "kernel/isa.h"

#include <complex.h>

/* Float to integer without undefined behaviour: NaN and values out of range give INT64_MIN. The comparison is written so that the
 * compiler can use the hardware's conversion and a mask. */
static inline int64_t to_i64(double v)
{
    return v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN;
}
static inline int32_t to_i32(double v) { return v > -2147483649.0 && v < 2147483648.0 ? (int32_t)v : INT32_MIN; }
static inline uint64_t to_u64(double v)
{
    if (v >= 9223372036854775808.0 && v < 18446744073709551616.0)
        return (uint64_t)(int64_t)(v - 9223372036854775808.0) + ((uint64_t)1 << 63);
    return (uint64_t)to_i64(v);
}

/* clang-format off */
/* X(letter, type) */
#define REAL_TYPES(X)                                                                                                            \
    X(i8, int8_t)                                                                                                                \
    X(i16, int16_t) X(i32, int32_t) X(i64, int64_t) X(u8, uint8_t) X(u16, uint16_t) X(u32, uint32_t) X(u64, uint64_t)
/* clang-format on */

#define CAST(name, T, R, expression)                                                                                             \
    static void name(void *o_, const void *a_, size_t n)                                                                         \
    {                                                                                                                            \
        R *restrict o = o_;                                                                                                      \
        const T *restrict a = a_;                                                                                                \
        for (size_t i = 0; i < n; i++) {                                                                                         \
            T x = a[i];                                                                                                          \
            o[i] = (R)(expression);                                                                                              \
        }                                                                                                                        \
    }

/* From an integer type to everything. */
/* clang-format off */
#define FROM_INTEGER(s, T)                                                                                                       \
    CAST(s##_bool, T, uint8_t, x != 0)                                                                                           \
    CAST(s##_i8, T, int8_t, x)                                                                                                   \
    CAST(s##_i16, T, int16_t, x) CAST(s##_i32, T, int32_t, x) CAST(s##_i64, T, int64_t, x) CAST(s##_u8, T, uint8_t, x)           \
        CAST(s##_u16, T, uint16_t, x) CAST(s##_u32, T, uint32_t, x) CAST(s##_u64, T, uint64_t, x) CAST(s##_f32, T, float, x)     \
            CAST(s##_f64, T, double, x) CAST(s##_c64, T, float complex, (float)x) CAST(s##_c128, T, double complex, (double)x)
/* clang-format on */
REAL_TYPES(FROM_INTEGER)
FROM_INTEGER(bool, uint8_t)

/* clang-format off */
#define FROM_FLOAT(s, T, nonzero, real)                                                                                          \
    CAST(s##_bool, T, uint8_t, nonzero)                                                                                          \
    CAST(s##_i8, T, int8_t, (uint32_t)to_i32((double)real))                                                                      \
    CAST(s##_i16, T, int16_t, (uint32_t)to_i32((double)real)) CAST(s##_i32, T, int32_t, to_i32((double)real))                    \
        CAST(s##_i64, T, int64_t, to_i64((double)real)) CAST(s##_u8, T, uint8_t, (uint32_t)to_i32((double)real))                 \
            CAST(s##_u16, T, uint16_t, (uint32_t)to_i32((double)real))                                                           \
                CAST(s##_u32, T, uint32_t, (uint64_t)to_i64((double)real)) CAST(s##_u64, T, uint64_t, to_u64((double)real))      \
                    CAST(s##_f32, T, float, real) CAST(s##_f64, T, double, real)
/* clang-format on */
FROM_FLOAT(f32, float, x != 0, x)
FROM_FLOAT(f64, double, x != 0, x)
FROM_FLOAT(c64, float complex, x != 0, crealf(x))
FROM_FLOAT(c128, double complex, x != 0, creal(x))
CAST(f32_c64, float, float complex, x)
CAST(f32_c128, float, double complex, (double)x)
CAST(f64_c64, double, float complex, (float)x)
CAST(f64_c128, double, double complex, x)
CAST(c64_c64, float complex, float complex, x)
CAST(c64_c128, float complex, double complex, x)
CAST(c128_c64, double complex, float complex, x)
CAST(c128_c128, double complex, double complex, x)

#define ROW(s)                                                                                                                   \
    {                                                                                                                            \
        [TSR_BOOL] = s##_bool, [TSR_I8] = s##_i8, [TSR_I16] = s##_i16, [TSR_I32] = s##_i32, [TSR_I64] = s##_i64,                 \
        [TSR_U8] = s##_u8, [TSR_U16] = s##_u16, [TSR_U32] = s##_u32, [TSR_U64] = s##_u64, [TSR_F32] = s##_f32,                   \
        [TSR_F64] = s##_f64, [TSR_C64] = s##_c64, [TSR_C128] = s##_c128                                                          \
    }

const cast_kernel ISA(cast_table)[TSR_N_DTYPES][TSR_N_DTYPES] = {
    [TSR_BOOL] = ROW(bool), [TSR_I8] = ROW(i8),   [TSR_I16] = ROW(i16),   [TSR_I32] = ROW(i32), [TSR_I64] = ROW(i64),
    [TSR_U8] = ROW(u8),     [TSR_U16] = ROW(u16), [TSR_U32] = ROW(u32),   [TSR_U64] = ROW(u64), [TSR_F32] = ROW(f32),
    [TSR_F64] = ROW(f64),   [TSR_C64] = ROW(c64), [TSR_C128] = ROW(c128),
};
