/* NumPy's elementwise functions. Those that are one operation come from the list in kernel/op.h; the others are composed here. */
#include "array/build.h"

#include <math.h>
#include <string.h>

#define UNARY(name, op)                                                                                                          \
    tsr_array *tsr_##name(tsr_array *a) { return array_map(OP_##op, 1, &a); }
#define BINARY(name, op)                                                                                                         \
    tsr_array *tsr_##name(tsr_array *a, tsr_array *b) { return array_map(OP_##op, 2, (tsr_array *[2]){a, b}); }

BINARY(add, ADD)
BINARY(subtract, SUBTRACT)
BINARY(multiply, MULTIPLY)
BINARY(divide, DIVIDE)
BINARY(true_divide, DIVIDE)
BINARY(floor_divide, FLOOR_DIVIDE)
BINARY(remainder, REMAINDER)
BINARY(mod, REMAINDER)
BINARY(fmod, FMOD)
BINARY(power, POWER)
BINARY(maximum, MAXIMUM)
BINARY(minimum, MINIMUM)
BINARY(fmax, FMAX)
BINARY(fmin, FMIN)
BINARY(arctan2, ARCTAN2)
BINARY(hypot, HYPOT)
BINARY(copysign, COPYSIGN)
BINARY(nextafter, NEXTAFTER)
BINARY(logaddexp, LOGADDEXP)
BINARY(logaddexp2, LOGADDEXP2)
BINARY(heaviside, HEAVISIDE)
BINARY(ldexp, LDEXP)
BINARY(gcd, GCD)
BINARY(lcm, LCM)
BINARY(bitwise_and, BITWISE_AND)
BINARY(bitwise_or, BITWISE_OR)
BINARY(bitwise_xor, BITWISE_XOR)
BINARY(left_shift, LEFT_SHIFT)
BINARY(right_shift, RIGHT_SHIFT)
BINARY(equal, EQUAL)
BINARY(not_equal, NOT_EQUAL)
BINARY(less, LESS)
BINARY(less_equal, LESS_EQUAL)
BINARY(greater, GREATER)
BINARY(greater_equal, GREATER_EQUAL)
BINARY(logical_and, LOGICAL_AND)
BINARY(logical_or, LOGICAL_OR)
BINARY(logical_xor, LOGICAL_XOR)
UNARY(logical_not, LOGICAL_NOT)
UNARY(invert, INVERT)
UNARY(bitwise_count, BITWISE_COUNT)
UNARY(negative, NEGATIVE)
UNARY(positive, POSITIVE)
UNARY(absolute, ABSOLUTE)
UNARY(abs, ABSOLUTE)
UNARY(fabs, FABS)
UNARY(sign, SIGN)
UNARY(rint, RINT)
UNARY(floor, FLOOR)
UNARY(ceil, CEIL)
UNARY(trunc, TRUNC)
UNARY(fix, TRUNC)
UNARY(sqrt, SQRT)
UNARY(square, SQUARE)
UNARY(cbrt, CBRT)
UNARY(reciprocal, RECIPROCAL)
UNARY(exp, EXP)
UNARY(exp2, EXP2)
UNARY(expm1, EXPM1)
UNARY(log, LOG)
UNARY(log2, LOG2)
UNARY(log10, LOG10)
UNARY(log1p, LOG1P)
UNARY(sin, SIN)
UNARY(cos, COS)
UNARY(tan, TAN)
UNARY(arcsin, ARCSIN)
UNARY(arccos, ARCCOS)
UNARY(arctan, ARCTAN)
UNARY(sinh, SINH)
UNARY(cosh, COSH)
UNARY(tanh, TANH)
UNARY(arcsinh, ARCSINH)
UNARY(arccosh, ARCCOSH)
UNARY(arctanh, ARCTANH)
UNARY(deg2rad, DEG2RAD)
UNARY(radians, DEG2RAD)
UNARY(rad2deg, RAD2DEG)
UNARY(degrees, RAD2DEG)
UNARY(spacing, SPACING)
UNARY(modf_fraction, MODF_FRACTION)
UNARY(modf_integer, MODF_INTEGER)
UNARY(frexp_mantissa, FREXP_MANTISSA)
UNARY(frexp_exponent, FREXP_EXPONENT)
UNARY(i0, I0)
BINARY(complex_of, COMPLEX_OF)
UNARY(conjugate, CONJUGATE)
UNARY(conj, CONJUGATE)
UNARY(real, REAL)
UNARY(imag, IMAG)
UNARY(isnan, ISNAN)
UNARY(isinf, ISINF)
UNARY(isfinite, ISFINITE)
UNARY(signbit, SIGNBIT)

tsr_array *tsr_where(tsr_array *condition, tsr_array *x, tsr_array *y)
{
    return array_map(OP_WHERE, 3, (tsr_array *[3]){condition, x, y});
}

/* ---- Composed -------------------------------------------------------------------------------------------------------- */

/* op(a, b); b, made for this, is consumed. */
static tsr_array *with(op_code op, tsr_array *a, tsr_array *b)
{
    return array_using(array_map(op, 2, (tsr_array *[2]){a, b}), b);
}
/* The same, a is consumed, too. */
static tsr_array *chain(op_code op, tsr_array *a, tsr_array *b) { return array_using(with(op, a, b), a); }
static tsr_array *number(tsr_array *like, double value) { return tsr_scalar_like(like, scalar_float(value)); }

tsr_array *tsr_float_power(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    tsr_dtype dtype = dtype_is_complex(a->dtype) || dtype_is_complex(b->dtype) ? TSR_C128 : TSR_F64;
    return chain(OP_POWER, array_cast(a, dtype), array_cast(b, dtype));
}

tsr_array *tsr_clip(tsr_array *a, tsr_array *low, tsr_array *high)
{
    tsr_array *raised = tsr_maximum(a, low);
    return array_using(tsr_minimum(raised, high), raised);
}

tsr_array *tsr_round(tsr_array *a, int decimals)
{
    if (!array_ready(a)) return NULL;
    if (!dtype_is_inexact(a->dtype)) {
        if (decimals >= 0) return node_ref(a);
        if (a->dtype == TSR_BOOL) return node_ref(a);
    }
    if (decimals == 0) return tsr_rint(a);
    double scale = pow(10, decimals < 0 ? -decimals : decimals);
    tsr_array *wide = dtype_is_inexact(a->dtype) ? node_ref(a) : array_cast(a, TSR_F64);
    tsr_array *scaled = wide ? chain(decimals > 0 ? OP_MULTIPLY : OP_DIVIDE, wide, number(wide, scale)) : NULL;
    tsr_array *whole = array_using(tsr_rint(scaled), scaled);
    tsr_array *back = whole ? chain(decimals > 0 ? OP_DIVIDE : OP_MULTIPLY, whole, number(whole, scale)) : NULL;
    return array_using(array_cast(back, a->dtype), back);
}

tsr_array *tsr_angle(tsr_array *a, bool degrees)
{
    tsr_array *typed = a && !dtype_is_inexact(a->dtype) ? array_cast(a, TSR_F64) : tsr_retain(a);
    tsr_array *im = tsr_imag(typed), *re = tsr_real(typed);
    tsr_array *result = chain(OP_ARCTAN2, im, re);
    node_unref(typed);
    return degrees ? array_using(tsr_rad2deg(result), result) : result;
}

tsr_array *tsr_isposinf(tsr_array *a)
{
    tsr_array *infinite = tsr_isinf(a), *negative = tsr_signbit(a), *positive = array_using(tsr_logical_not(negative), negative);
    return chain(OP_LOGICAL_AND, infinite, positive);
}

tsr_array *tsr_isneginf(tsr_array *a) { return chain(OP_LOGICAL_AND, tsr_isinf(a), tsr_signbit(a)); }

tsr_array *tsr_iscomplex(tsr_array *a)
{
    tsr_array *im = tsr_imag(a);
    return im ? chain(OP_NOT_EQUAL, im, tsr_scalar_like(im, scalar_int(0))) : NULL;
}

tsr_array *tsr_isreal(tsr_array *a)
{
    tsr_array *not_real = tsr_iscomplex(a);
    return array_using(tsr_logical_not(not_real), not_real);
}

tsr_array *tsr_sinc(tsr_array *a)
{
    tsr_array *x = a && !dtype_is_inexact(a->dtype) ? array_cast(a, TSR_F64) : tsr_retain(a);
    if (!array_ready(x)) return NULL;
    tsr_array *tiny = number(x, 1e-20), *zero = number(x, 0), *at_zero = with(OP_EQUAL, x, zero);
    tsr_array *safe = array_using(array_using(array_using(tsr_where(at_zero, tiny, x), at_zero), tiny), x);
    tsr_array *y = safe ? chain(OP_MULTIPLY, safe, number(safe, 3.14159265358979323846)) : NULL;
    tsr_array *sine = tsr_sin(y);
    return chain(OP_DIVIDE, sine, y);
}

tsr_array *tsr_nan_to_num_with(tsr_array *a, double nan, double posinf, double neginf)
{
    if (!array_ready(a)) return NULL;
    if (dtype_is_complex(a->dtype)) {
        tsr_array *re = tsr_real(a), *im = tsr_imag(a);
        re = array_using(tsr_nan_to_num_with(re, nan, posinf, neginf), re);
        im = array_using(tsr_nan_to_num_with(im, nan, posinf, neginf), im);
        return chain(OP_COMPLEX_OF, re, im);
    }
    if (!dtype_is_float(a->dtype)) return node_ref(a);
    struct {
        tsr_array *(*test)(tsr_array *);
        double value;
    } cases[3] = {{tsr_isnan, nan}, {tsr_isposinf, posinf}, {tsr_isneginf, neginf}};
    tsr_array *result = node_ref(a);
    for (int i = 0; i < 3; i++) {
        tsr_array *is = cases[i].test(a), *value = number(a, cases[i].value);
        result = array_using(array_using(array_using(tsr_where(is, value, result), is), value), result);
    }
    return result;
}

tsr_array *tsr_nan_to_num(tsr_array *a)
{
    double largest = a && dtype_real(a->dtype) == TSR_F32 ? 3.4028234663852886e38 : 1.7976931348623157e308;
    return tsr_nan_to_num_with(a, 0, largest, -largest);
}

tsr_array *tsr_isclose(tsr_array *a, tsr_array *b, double rtol, double atol, bool equal_nan)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    tsr_array *one = tsr_scalar_like(b, scalar_float(1)), *y = with(OP_MULTIPLY, b, one); /* at least float, as NumPy */
    if (!y) return NULL;
    tsr_array *difference = tsr_subtract(a, y), *distance = array_using(tsr_absolute(difference), difference);
    tsr_array *size = tsr_absolute(y);
    tsr_array *slack = size ? chain(OP_ADD, chain(OP_MULTIPLY, node_ref(size), number(size, rtol)), number(size, atol)) : NULL;
    node_unref(size);
    tsr_array *near = chain(OP_LESS_EQUAL, distance, slack);
    tsr_array *close = chain(OP_LOGICAL_AND, near, tsr_isfinite(y));
    close = chain(OP_LOGICAL_OR, close, tsr_equal(a, y));
    if (equal_nan) close = chain(OP_LOGICAL_OR, close, chain(OP_LOGICAL_AND, tsr_isnan(a), tsr_isnan(y)));
    node_unref(y);
    return close;
}

static tsr_status pair(tsr_array *a, tsr_array *b, tsr_array **first, tsr_array **second)
{
    *first = *second = NULL;
    if (!array_ready(a) || !array_ready(b)) {
        node_unref(a);
        node_unref(b);
        return tsr_error_code();
    }
    *first = a;
    *second = b;
    return TSR_OK;
}

tsr_status tsr_divmod(tsr_array *a, tsr_array *b, tsr_array **quotient, tsr_array **remainder)
{
    return pair(tsr_floor_divide(a, b), tsr_remainder(a, b), quotient, remainder);
}
tsr_status tsr_modf(tsr_array *a, tsr_array **fraction, tsr_array **integer)
{
    return pair(tsr_modf_fraction(a), tsr_modf_integer(a), fraction, integer);
}
tsr_status tsr_frexp(tsr_array *a, tsr_array **mantissa, tsr_array **exponent)
{
    return pair(tsr_frexp_mantissa(a), tsr_frexp_exponent(a), mantissa, exponent);
}

tsr_array *tsr_astype(tsr_array *a, tsr_dtype dtype)
{
    if (!dtype_valid((int)dtype)) {
        (void)error_set(TSR_ERR_TYPE, "astype: %d is no dtype", (int)dtype);
        return NULL;
    }
    return array_cast(a, dtype);
}

/* ---- By name ------------------------------------------------------------------------------------------------------------ */

typedef struct named {
    const char *name;
    int n_arrays;
    tsr_array *(*one)(tsr_array *);
    tsr_array *(*two)(tsr_array *, tsr_array *);
} named;

static const named composed[] = {
    {"float_power", 2, NULL, tsr_float_power}, {"isposinf", 1, tsr_isposinf, NULL},   {"isneginf", 1, tsr_isneginf, NULL},
    {"isreal", 1, tsr_isreal, NULL},           {"iscomplex", 1, tsr_iscomplex, NULL}, {"sinc", 1, tsr_sinc, NULL},
    {"nan_to_num", 1, tsr_nan_to_num, NULL},
};

/* NumPy's other spellings. */
static const struct {
    const char *name, *means;
} aliases[] = {
    {"abs", "absolute"},
    {"acos", "arccos"},
    {"acosh", "arccosh"},
    {"asin", "arcsin"},
    {"asinh", "arcsinh"},
    {"atan", "arctan"},
    {"atan2", "arctan2"},
    {"atanh", "arctanh"},
    {"bitwise_invert", "invert"},
    {"bitwise_not", "invert"},
    {"bitwise_left_shift", "left_shift"},
    {"bitwise_right_shift", "right_shift"},
    {"conj", "conjugate"},
    {"degrees", "rad2deg"},
    {"fix", "trunc"},
    {"mod", "remainder"},
    {"pow", "power"},
    {"radians", "deg2rad"},
    {"true_divide", "divide"},
};

enum { N_COMPOSED = sizeof composed / sizeof *composed, N_ALIASES = sizeof aliases / sizeof *aliases };

const char *tsr_map_name(int index, int *n_arrays)
{
    const char *name = NULL, *means = NULL;
    if (index < 0) return NULL;
    if (index < OP_NAMED_COUNT) {
        name = op_info_of((op_code)index)->name;
        if (n_arrays) *n_arrays = op_info_of((op_code)index)->arity;
    } else if (index < OP_NAMED_COUNT + N_COMPOSED) {
        name = composed[index - OP_NAMED_COUNT].name;
        if (n_arrays) *n_arrays = composed[index - OP_NAMED_COUNT].n_arrays;
    } else if (index < OP_NAMED_COUNT + N_COMPOSED + N_ALIASES) {
        name = aliases[index - OP_NAMED_COUNT - N_COMPOSED].name;
        means = aliases[index - OP_NAMED_COUNT - N_COMPOSED].means;
        if (n_arrays) *n_arrays = op_info_of(op_find(means))->arity;
    }
    return name;
}

op_code array_op_find(const char *name)
{
    for (int i = 0; i < N_ALIASES; i++)
        if (strcmp(aliases[i].name, name) == 0) return op_find(aliases[i].means);
    return op_find(name);
}

tsr_array *tsr_map(const char *name, int n, tsr_array *const *arrays)
{
    int wanted = -1;
    for (int i = 0; i < n; i++)
        if (!array_ready(arrays[i])) return NULL;
    op_code op = array_op_find(name);
    if (op != OP_COUNT) {
        wanted = op_info_of(op)->arity;
        if (wanted == n) return array_map(op, n, arrays);
    }
    for (int i = 0; i < N_COMPOSED; i++) {
        if (strcmp(composed[i].name, name) != 0) continue;
        wanted = composed[i].n_arrays;
        if (wanted == n) return n == 1 ? composed[i].one(arrays[0]) : composed[i].two(arrays[0], arrays[1]);
    }
    if (wanted < 0) {
        (void)error_set(TSR_ERR_NOT_FOUND, "no elementwise function '%s'", name);
    } else {
        (void)error_set(TSR_ERR_VALUE, "%s takes %d array%s, %d given", name, wanted, wanted == 1 ? "" : "s", n);
    }
    return NULL;
}
