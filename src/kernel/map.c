/* The table of elementwise kernels of one instruction set. */
#include "kernel/map_complex.h"
#include "kernel/map_float.h"
#include "kernel/map_int.h"
#include "kernel/map_math.h"
#include "kernel/sample.h"

/* out = condition ? y : z */
#define SELECT(name, T)                                                                                                          \
    static void name##_vv(KERNEL_ARGUMENTS)                                                                                      \
    {                                                                                                                            \
        T *o = o_;                                                                                                               \
        const uint8_t *a = a_;                                                                                                   \
        const T *b = b_, *c = c_;                                                                                                \
        IVDEP for (size_t i = 0; i < n; i++) o[i] = a[i] ? b[i] : c[i];                                                          \
    }
SELECT(where8, uint8_t)
SELECT(where16, uint16_t)
SELECT(where32, uint32_t)
SELECT(where64, uint64_t)
SELECT(where128, double complex)

#define ALL_INTEGERS(op, kernel, forms)                                                                                          \
    [TSR_I8] = forms(kernel##_i8), [TSR_I16] = forms(kernel##_i16), [TSR_I32] = forms(kernel##_i32),                             \
    [TSR_I64] = forms(kernel##_i64), [TSR_U8] = forms(kernel##_u8), [TSR_U16] = forms(kernel##_u16),                             \
    [TSR_U32] = forms(kernel##_u32), [TSR_U64] = forms(kernel##_u64)
#define ALL_FLOATS(kernel, forms) [TSR_F32] = forms(kernel##_f32), [TSR_F64] = forms(kernel##_f64)
#define ALL_COMPLEX(kernel, forms) [TSR_C64] = forms(kernel##_c64), [TSR_C128] = forms(kernel##_c128)
#define NUMERIC(op, kernel, forms)                                                                                               \
    [OP_##op] = {ALL_INTEGERS(op, kernel, forms), ALL_FLOATS(kernel, forms), ALL_COMPLEX(kernel, forms)}
#define NUMERIC_BOOL(op, kernel, forms, bool_kernel)                                                                             \
    [OP_##op] = {                                                                                                                \
        [TSR_BOOL] = forms(bool_kernel), ALL_INTEGERS(op, kernel, forms), ALL_FLOATS(kernel, forms), ALL_COMPLEX(kernel, forms)}
#define REAL_NUMBERS(op, kernel, forms) [OP_##op] = {ALL_INTEGERS(op, kernel, forms), ALL_FLOATS(kernel, forms)}
#define BITS(op, kernel, forms, bool_kernel) [OP_##op] = {[TSR_BOOL] = forms(bool_kernel), ALL_INTEGERS(op, kernel, forms)}
#define FLOATS(op, kernel, forms) [OP_##op] = {ALL_FLOATS(kernel, forms)}
#define INEXACT(op, kernel) [OP_##op] = {ALL_FLOATS(kernel, FORMS1), ALL_COMPLEX(kernel, FORMS1)}
/* Integers stay as they are, or give a constant; floats and complex have kernels. */
#define WITH_INTEGERS(op, kernel, integer_kernel, bool_kernel)                                                                   \
    [OP_##op] = {[TSR_BOOL] = FORMS1(bool_kernel),                                                                               \
                 ALL_INTEGERS(op, integer_kernel, FORMS1),                                                                       \
                 ALL_FLOATS(kernel, FORMS1),                                                                                     \
                 ALL_COMPLEX(kernel, FORMS1)}
#define ROUNDING(op, kernel)                                                                                                     \
    [OP_##op] = {[TSR_BOOL] = FORMS1(same_bool), ALL_INTEGERS(op, same, FORMS1), ALL_FLOATS(kernel, FORMS1)}

const map_kernel ISA(map_table)[OP_COUNT][TSR_N_DTYPES][N_FORMS] = {
    NUMERIC_BOOL(ADD, add, FORMS3, or_bool),
    NUMERIC(SUBTRACT, subtract, FORMS3),
    NUMERIC_BOOL(MULTIPLY, multiply, FORMS3, and_bool),
    [OP_DIVIDE] = {ALL_FLOATS(divide, FORMS3), ALL_COMPLEX(divide, FORMS3)},
    REAL_NUMBERS(FLOOR_DIVIDE, floor_divide, FORMS3),
    REAL_NUMBERS(REMAINDER, remainder, FORMS3),
    REAL_NUMBERS(FMOD, fmod, FORMS3),
    NUMERIC(POWER, power, FORMS3),
    NUMERIC_BOOL(MAXIMUM, maximum, FORMS3, or_bool),
    NUMERIC_BOOL(MINIMUM, minimum, FORMS3, and_bool),
    [OP_FMAX] = {[TSR_BOOL] = FORMS3(or_bool),
                 ALL_INTEGERS(FMAX, maximum, FORMS3),
                 ALL_FLOATS(fmax, FORMS3),
                 ALL_COMPLEX(fmax, FORMS3)},
    [OP_FMIN] = {[TSR_BOOL] = FORMS3(and_bool),
                 ALL_INTEGERS(FMIN, minimum, FORMS3),
                 ALL_FLOATS(fmin, FORMS3),
                 ALL_COMPLEX(fmin, FORMS3)},
    FLOATS(ARCTAN2, arctan2, FORMS3),
    FLOATS(HYPOT, hypot, FORMS3),
    FLOATS(COPYSIGN, copysign, FORMS3),
    FLOATS(NEXTAFTER, nextafter, FORMS3),
    FLOATS(LOGADDEXP, logaddexp, FORMS3),
    FLOATS(LOGADDEXP2, logaddexp2, FORMS3),
    FLOATS(HEAVISIDE, heaviside, FORMS3),
    FLOATS(LDEXP, ldexp, FORMS3),
    [OP_GCD] = {ALL_INTEGERS(GCD, gcd, FORMS3)},
    [OP_LCM] = {ALL_INTEGERS(LCM, lcm, FORMS3)},
    BITS(BITWISE_AND, and, FORMS3, and_bool),
    BITS(BITWISE_OR, or, FORMS3, or_bool),
    BITS(BITWISE_XOR, xor, FORMS3, xor_bool),
    [OP_LEFT_SHIFT] = {ALL_INTEGERS(LEFT_SHIFT, left_shift, FORMS3)},
    [OP_RIGHT_SHIFT] = {ALL_INTEGERS(RIGHT_SHIFT, right_shift, FORMS3)},
    NUMERIC_BOOL(EQUAL, equal, FORMS3, equal_bool),
    NUMERIC_BOOL(NOT_EQUAL, not_equal, FORMS3, xor_bool),
    NUMERIC_BOOL(LESS, less, FORMS3, less_bool),
    NUMERIC_BOOL(LESS_EQUAL, less_equal, FORMS3, less_equal_bool),
    NUMERIC_BOOL(GREATER, greater, FORMS3, greater_bool),
    NUMERIC_BOOL(GREATER_EQUAL, greater_equal, FORMS3, greater_equal_bool),
    NUMERIC_BOOL(LOGICAL_AND, logical_and, FORMS3, and_bool),
    NUMERIC_BOOL(LOGICAL_OR, logical_or, FORMS3, or_bool),
    NUMERIC_BOOL(LOGICAL_XOR, logical_xor, FORMS3, xor_bool),
    NUMERIC_BOOL(LOGICAL_NOT, logical_not, FORMS1, not_bool),
    [OP_BITWISE_COUNT] = {ALL_INTEGERS(BITWISE_COUNT, bitwise_count, FORMS1)},
    BITS(INVERT, invert, FORMS1, not_bool),
    NUMERIC(NEGATIVE, negative, FORMS1),
    NUMERIC(POSITIVE, same, FORMS1),
    [OP_ABSOLUTE] = {[TSR_BOOL] = FORMS1(same_bool),
                     ALL_INTEGERS(ABSOLUTE, absolute, FORMS1),
                     ALL_FLOATS(absolute, FORMS1),
                     [TSR_C64] = FORMS1(absolute_c_f32),
                     [TSR_C128] = FORMS1(absolute_c_f64)},
    FLOATS(FABS, absolute, FORMS1),
    NUMERIC(SIGN, sign, FORMS1),
    INEXACT(RINT, rint),
    ROUNDING(FLOOR, floor),
    ROUNDING(CEIL, ceil),
    ROUNDING(TRUNC, trunc),
    INEXACT(SQRT, sqrt),
    NUMERIC(SQUARE, square, FORMS1),
    FLOATS(CBRT, cbrt, FORMS1),
    NUMERIC(RECIPROCAL, reciprocal, FORMS1),
    INEXACT(EXP, exp),
    INEXACT(EXP2, exp2),
    INEXACT(EXPM1, expm1),
    INEXACT(LOG, log),
    INEXACT(LOG2, log2),
    INEXACT(LOG10, log10),
    INEXACT(LOG1P, log1p),
    INEXACT(SIN, sin),
    INEXACT(COS, cos),
    INEXACT(TAN, tan),
    INEXACT(ARCSIN, arcsin),
    INEXACT(ARCCOS, arccos),
    INEXACT(ARCTAN, arctan),
    INEXACT(SINH, sinh),
    INEXACT(COSH, cosh),
    INEXACT(TANH, tanh),
    INEXACT(ARCSINH, arcsinh),
    INEXACT(ARCCOSH, arccosh),
    INEXACT(ARCTANH, arctanh),
    FLOATS(DEG2RAD, deg2rad, FORMS1),
    FLOATS(RAD2DEG, rad2deg, FORMS1),
    FLOATS(SPACING, spacing, FORMS1),
    FLOATS(MODF_FRACTION, modf_fraction, FORMS1),
    FLOATS(MODF_INTEGER, trunc, FORMS1),
    FLOATS(FREXP_MANTISSA, frexp_mantissa, FORMS1),
    FLOATS(FREXP_EXPONENT, frexp_exponent, FORMS1),
    FLOATS(I0, i0, FORMS1),
    FLOATS(COMPLEX_OF, complex_of, FORMS3),
    [OP_CONJUGATE] = {ALL_INTEGERS(CONJUGATE, same, FORMS1), ALL_FLOATS(same, FORMS1), ALL_COMPLEX(conjugate, FORMS1)},
    [OP_REAL] = {[TSR_BOOL] = FORMS1(same_bool),
                 ALL_INTEGERS(REAL, same, FORMS1),
                 ALL_FLOATS(same, FORMS1),
                 ALL_COMPLEX(real, FORMS1)},
    [OP_IMAG] = {[TSR_BOOL] = FORMS1(never_bool),
                 ALL_INTEGERS(IMAG, zero, FORMS1),
                 ALL_FLOATS(zero, FORMS1),
                 ALL_COMPLEX(imag, FORMS1)},
    WITH_INTEGERS(ISNAN, isnan, never, never_bool),
    WITH_INTEGERS(ISINF, isinf, never, never_bool),
    WITH_INTEGERS(ISFINITE, isfinite, always, always_bool),
    FLOATS(SIGNBIT, signbit, FORMS1),
    [OP_WHERE] = {[TSR_BOOL] = FORMS1(where8),
                  [TSR_I8] = FORMS1(where8),
                  [TSR_I16] = FORMS1(where16),
                  [TSR_I32] = FORMS1(where32),
                  [TSR_I64] = FORMS1(where64),
                  [TSR_U8] = FORMS1(where8),
                  [TSR_U16] = FORMS1(where16),
                  [TSR_U32] = FORMS1(where32),
                  [TSR_U64] = FORMS1(where64),
                  [TSR_F32] = FORMS1(where32),
                  [TSR_F64] = FORMS1(where64),
                  [TSR_C64] = FORMS1(where64),
                  [TSR_C128] = FORMS1(where128)},
#define X(name, kernel, a, b, c, result) [OP_##name] = {[TSR_##c] = {kernel}},
    SAMPLE_LIST(X)
#undef X
};
