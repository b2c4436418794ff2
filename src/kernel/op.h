/* The elementwise operations: one line each. Kernels, type rules, the C API and the expression language all come from this
 * list. A loop runs in one dtype (the operands are cast to it first); the rule says which, and what comes out. */
#ifndef TESSERA_KERNEL_OP_H
#define TESSERA_KERNEL_OP_H

#include "base/error.h"
#include "block/dtype.h"

typedef enum op_rule {
    RULE_NUMERIC,   /* loop in the promoted dtype, same dtype out */
    RULE_NOT_BOOL,  /* the same, but NumPy has no bool loop (subtract, negative, positive, sign) */
    RULE_ARITH_INT, /* the same, but bool is computed in int8 (floor_divide, remainder, power, square ...) */
    RULE_REAL,      /* real dtypes only, same dtype out; bool allowed (floor, maximum is NUMERIC) */
    RULE_INEXACT,   /* loop in the float dtype that holds the operands (dtype_inexact); complex too */
    RULE_FLOAT,     /* the same, real only */
    RULE_DIVIDE,    /* integers and bool in f64, otherwise as they are */
    RULE_INTEGER,   /* bool and integers only */
    RULE_COUNT,     /* integers in, uint8 out; bool is computed in int8 */
    RULE_PAIR,      /* two real operands in their float dtype, its complex dtype out */
    RULE_SHIFT,     /* integers; bool is computed in int8 */
    RULE_COMPARE,   /* promoted dtype in, bool out */
    RULE_ORDER,     /* the same; complex compares lexicographically */
    RULE_TEST,      /* one operand in its own dtype, bool out */
    RULE_PART,      /* one operand; complex in gives its real dtype out, real stays (absolute, real, imag) */
    RULE_LDEXP,     /* (float, int64) -> float */
    RULE_EXPONENT,  /* float -> int32 (frexp's second result) */
    RULE_SELECT,    /* (bool, T, T) -> T */
    RULE_SAMPLE     /* dtypes of their own: see SAMPLE_LIST */
} op_rule;

/* X(enum name, NumPy's name, number of operands, rule) */
#define OP_LIST(X)                                                                                                               \
    X(ADD, "add", 2, RULE_NUMERIC)                                                                                               \
    X(SUBTRACT, "subtract", 2, RULE_NOT_BOOL)                                                                                    \
    X(MULTIPLY, "multiply", 2, RULE_NUMERIC)                                                                                     \
    X(DIVIDE, "divide", 2, RULE_DIVIDE)                                                                                          \
    X(FLOOR_DIVIDE, "floor_divide", 2, RULE_ARITH_INT)                                                                           \
    X(REMAINDER, "remainder", 2, RULE_ARITH_INT)                                                                                 \
    X(FMOD, "fmod", 2, RULE_ARITH_INT)                                                                                           \
    X(POWER, "power", 2, RULE_ARITH_INT)                                                                                         \
    X(MAXIMUM, "maximum", 2, RULE_NUMERIC)                                                                                       \
    X(MINIMUM, "minimum", 2, RULE_NUMERIC)                                                                                       \
    X(FMAX, "fmax", 2, RULE_NUMERIC)                                                                                             \
    X(FMIN, "fmin", 2, RULE_NUMERIC)                                                                                             \
    X(ARCTAN2, "arctan2", 2, RULE_FLOAT)                                                                                         \
    X(HYPOT, "hypot", 2, RULE_FLOAT)                                                                                             \
    X(COPYSIGN, "copysign", 2, RULE_FLOAT)                                                                                       \
    X(NEXTAFTER, "nextafter", 2, RULE_FLOAT)                                                                                     \
    X(LOGADDEXP, "logaddexp", 2, RULE_FLOAT)                                                                                     \
    X(LOGADDEXP2, "logaddexp2", 2, RULE_FLOAT)                                                                                   \
    X(HEAVISIDE, "heaviside", 2, RULE_FLOAT)                                                                                     \
    X(LDEXP, "ldexp", 2, RULE_LDEXP)                                                                                             \
    X(GCD, "gcd", 2, RULE_INTEGER)                                                                                               \
    X(LCM, "lcm", 2, RULE_INTEGER)                                                                                               \
    X(BITWISE_AND, "bitwise_and", 2, RULE_INTEGER)                                                                               \
    X(BITWISE_OR, "bitwise_or", 2, RULE_INTEGER)                                                                                 \
    X(BITWISE_XOR, "bitwise_xor", 2, RULE_INTEGER)                                                                               \
    X(LEFT_SHIFT, "left_shift", 2, RULE_SHIFT)                                                                                   \
    X(RIGHT_SHIFT, "right_shift", 2, RULE_SHIFT)                                                                                 \
    X(EQUAL, "equal", 2, RULE_COMPARE)                                                                                           \
    X(NOT_EQUAL, "not_equal", 2, RULE_COMPARE)                                                                                   \
    X(LESS, "less", 2, RULE_ORDER)                                                                                               \
    X(LESS_EQUAL, "less_equal", 2, RULE_ORDER)                                                                                   \
    X(GREATER, "greater", 2, RULE_ORDER)                                                                                         \
    X(GREATER_EQUAL, "greater_equal", 2, RULE_ORDER)                                                                             \
    X(LOGICAL_AND, "logical_and", 2, RULE_COMPARE)                                                                               \
    X(LOGICAL_OR, "logical_or", 2, RULE_COMPARE)                                                                                 \
    X(LOGICAL_XOR, "logical_xor", 2, RULE_COMPARE)                                                                               \
    X(LOGICAL_NOT, "logical_not", 1, RULE_TEST)                                                                                  \
    X(BITWISE_COUNT, "bitwise_count", 1, RULE_COUNT)                                                                             \
    X(INVERT, "invert", 1, RULE_INTEGER)                                                                                         \
    X(NEGATIVE, "negative", 1, RULE_NOT_BOOL)                                                                                    \
    X(POSITIVE, "positive", 1, RULE_NOT_BOOL)                                                                                    \
    X(ABSOLUTE, "absolute", 1, RULE_PART)                                                                                        \
    X(FABS, "fabs", 1, RULE_FLOAT)                                                                                               \
    X(SIGN, "sign", 1, RULE_NOT_BOOL)                                                                                            \
    X(RINT, "rint", 1, RULE_INEXACT)                                                                                             \
    X(FLOOR, "floor", 1, RULE_REAL)                                                                                              \
    X(CEIL, "ceil", 1, RULE_REAL)                                                                                                \
    X(TRUNC, "trunc", 1, RULE_REAL)                                                                                              \
    X(SQRT, "sqrt", 1, RULE_INEXACT)                                                                                             \
    X(SQUARE, "square", 1, RULE_ARITH_INT)                                                                                       \
    X(CBRT, "cbrt", 1, RULE_FLOAT)                                                                                               \
    X(RECIPROCAL, "reciprocal", 1, RULE_ARITH_INT)                                                                               \
    X(EXP, "exp", 1, RULE_INEXACT)                                                                                               \
    X(EXP2, "exp2", 1, RULE_INEXACT)                                                                                             \
    X(EXPM1, "expm1", 1, RULE_INEXACT)                                                                                           \
    X(LOG, "log", 1, RULE_INEXACT)                                                                                               \
    X(LOG2, "log2", 1, RULE_INEXACT)                                                                                             \
    X(LOG10, "log10", 1, RULE_INEXACT)                                                                                           \
    X(LOG1P, "log1p", 1, RULE_INEXACT)                                                                                           \
    X(SIN, "sin", 1, RULE_INEXACT)                                                                                               \
    X(COS, "cos", 1, RULE_INEXACT)                                                                                               \
    X(TAN, "tan", 1, RULE_INEXACT)                                                                                               \
    X(ARCSIN, "arcsin", 1, RULE_INEXACT)                                                                                         \
    X(ARCCOS, "arccos", 1, RULE_INEXACT)                                                                                         \
    X(ARCTAN, "arctan", 1, RULE_INEXACT)                                                                                         \
    X(SINH, "sinh", 1, RULE_INEXACT)                                                                                             \
    X(COSH, "cosh", 1, RULE_INEXACT)                                                                                             \
    X(TANH, "tanh", 1, RULE_INEXACT)                                                                                             \
    X(ARCSINH, "arcsinh", 1, RULE_INEXACT)                                                                                       \
    X(ARCCOSH, "arccosh", 1, RULE_INEXACT)                                                                                       \
    X(ARCTANH, "arctanh", 1, RULE_INEXACT)                                                                                       \
    X(DEG2RAD, "deg2rad", 1, RULE_FLOAT)                                                                                         \
    X(RAD2DEG, "rad2deg", 1, RULE_FLOAT)                                                                                         \
    X(SPACING, "spacing", 1, RULE_FLOAT)                                                                                         \
    X(MODF_FRACTION, "modf_fraction", 1, RULE_FLOAT)                                                                             \
    X(MODF_INTEGER, "modf_integer", 1, RULE_FLOAT)                                                                               \
    X(FREXP_MANTISSA, "frexp_mantissa", 1, RULE_FLOAT)                                                                           \
    X(FREXP_EXPONENT, "frexp_exponent", 1, RULE_EXPONENT)                                                                        \
    X(I0, "i0", 1, RULE_DIVIDE)                                                                                                  \
    X(COMPLEX_OF, "complex_of", 2, RULE_PAIR)                                                                                    \
    X(CONJUGATE, "conjugate", 1, RULE_NUMERIC)                                                                                   \
    X(REAL, "real", 1, RULE_PART)                                                                                                \
    X(IMAG, "imag", 1, RULE_PART)                                                                                                \
    X(ISNAN, "isnan", 1, RULE_TEST)                                                                                              \
    X(ISINF, "isinf", 1, RULE_TEST)                                                                                              \
    X(ISFINITE, "isfinite", 1, RULE_TEST)                                                                                        \
    X(SIGNBIT, "signbit", 1, RULE_TEST)                                                                                          \
    X(WHERE, "where", 3, RULE_SELECT)

/* Operations that only the library itself applies: what random numbers need beyond arithmetic (kernel/sample.h). Each has three
 * operands. X(enum name, name and kernel, the operands' dtypes,
 * the result's dtype) */
#define SAMPLE_LIST(X)                                                                                                           \
    X(SAMPLE_GAMMA, sample_gamma, U64, F64, F64, F64)                                                                            \
    X(SAMPLE_LOG_GAMMA, sample_log_gamma, U64, F64, F64, F64)                                                                    \
    X(SAMPLE_VONMISES, sample_vonmises, U64, F64, F64, F64)                                                                      \
    X(SAMPLE_POISSON, sample_poisson, U64, U64, F64, I64)                                                                        \
    X(SAMPLE_ZIPF, sample_zipf, U64, U64, F64, I64)                                                                              \
    X(SAMPLE_BINOMIAL, sample_binomial, U64, I64, F64, I64)                                                                      \
    X(SAMPLE_HYPERGEOMETRIC, sample_hypergeometric, U64, I64, I64, I64)                                                          \
    X(SAMPLE_INTEGER, sample_integer, U64, I64, I64, I64)                                                                        \
    X(SAMPLE_PLACE, sample_place, I64, I64, U64, I64)                                                                            \
    X(CHECK_RANGE, check_range, F64, F64, F64, F64)

typedef enum op_code {
#define X(name, ...) OP_##name,
    OP_LIST(X) OP_NAMED_COUNT,
    OP_BEFORE_SAMPLES = OP_NAMED_COUNT - 1,
    SAMPLE_LIST(X)
#undef X
        OP_COUNT
} op_code;

typedef struct op_info {
    const char *name;
    int arity;
    op_rule rule;
} op_info;
const op_info *op_info_of(op_code op);
/* The code of NumPy's name, below OP_NAMED_COUNT; OP_COUNT if there is none. */
op_code op_find(const char *name);

/* Loop dtype of each operand and the result's dtype for operands of these dtypes (for RULE_SELECT the promoted dtype of the two
 * choices). TSR_ERR_TYPE names the operation and the dtypes where NumPy has no loop. */
tsr_status op_resolve(op_code op, const tsr_dtype *operands, tsr_dtype *loops, tsr_dtype *result) MUST_CHECK;
/* The dtype in which op(so far, next) goes on: that of the operands and the result. From elements of `dtype`, as NumPy's
 * ufunc.reduce chooses it, or the one that is asked for (NULL: none). TSR_ERR_TYPE if there is no such loop. */
tsr_status op_fold_dtype(op_code op, tsr_dtype dtype, const tsr_dtype *asked, tsr_dtype *out) MUST_CHECK;
/* The dtype that a kernel is chosen by: that of the last operand's loop (for select: the choices; for ldexp: the float). */
tsr_dtype op_kernel_dtype(op_code op, const tsr_dtype *loops);

#endif
