/* Element types: sizes, kinds, promotion, and single values. */
#ifndef TESSERA_BLOCK_DTYPE_H
#define TESSERA_BLOCK_DTYPE_H

#include "base/error.h"
#include "tessera.h"

#include <stdbool.h>

typedef enum dtype_kind { KIND_BOOL, KIND_INT, KIND_UINT, KIND_FLOAT, KIND_COMPLEX } dtype_kind;

static inline bool dtype_valid(int dtype) { return dtype >= 0 && dtype < TSR_N_DTYPES; }
dtype_kind dtype_kind_of(tsr_dtype dtype);
static inline bool dtype_is_complex(tsr_dtype d) { return d == TSR_C64 || d == TSR_C128; }
static inline bool dtype_is_float(tsr_dtype d) { return d == TSR_F32 || d == TSR_F64; }
static inline bool dtype_is_inexact(tsr_dtype d) { return d >= TSR_F32; }
static inline bool dtype_is_unsigned(tsr_dtype d) { return d >= TSR_U8 && d <= TSR_U64; }
static inline bool dtype_is_signed(tsr_dtype d) { return d >= TSR_I8 && d <= TSR_I64; }
static inline bool dtype_is_integer(tsr_dtype d) { return d >= TSR_I8 && d <= TSR_U64; }
/* The real dtype of a complex one (c64 -> f32), any other unchanged. */
tsr_dtype dtype_real(tsr_dtype d);
/* The complex dtype that holds a real one (f32 -> c64, everything else -> c128). */
tsr_dtype dtype_complex(tsr_dtype d);
/* The float dtype NumPy computes sin, divide ... in: bool, 8-bit and 16-bit integers would be f16 and f32 there; Tessera has no
 * f16 arithmetic, so i8, u8 and bool give f32 too. Floats and complex stay. */
tsr_dtype dtype_inexact(tsr_dtype d);

/* A value in memory, in the dtype's own layout. */
typedef union element {
    bool b;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    float c64[2];
    double c128[2];
    unsigned char bytes[16];
} element;

/* Converts with C's rules made total (NaN and out-of-range floats to integers give 0 or wrap, never undefined behaviour). */
element element_from_scalar(tsr_scalar value, tsr_dtype dtype);
tsr_scalar scalar_from_element(const void *data, tsr_dtype dtype);
tsr_scalar scalar_int(int64_t value);
tsr_scalar scalar_float(double value);
tsr_scalar scalar_bool(bool value);
/* Text of one value as Python prints it: 3, 1.5, nan, (1+2j), True. Returns `buffer`. */
char *element_format(const void *data, tsr_dtype dtype, char *buffer, size_t size);

#endif
