/* Plain numbers: Python's arithmetic on int (64 bits), float, complex and bool. Stateless. */
#include "cli/eval.h"

#include "block/dtype.h"

#include <complex.h>
#include <math.h>
#include <string.h>

static bool is_complex(tsr_scalar a) { return dtype_is_complex(a.dtype); }
bool number_is_integer(tsr_scalar a) { return a.dtype == TSR_BOOL || dtype_is_integer(a.dtype); }
int64_t number_int(tsr_scalar a) { return a.dtype == TSR_BOOL || dtype_is_unsigned(a.dtype) ? (int64_t)a.u : a.i; }

double number_double(tsr_scalar a)
{
    if (a.dtype == TSR_BOOL || dtype_is_unsigned(a.dtype)) return (double)a.u;
    return dtype_is_integer(a.dtype) ? (double)a.i : a.f;
}

/* Built from its parts: a + b * I would turn infinities into NaN, and not every compiler has CMPLX. */
static double complex to_complex(tsr_scalar a)
{
    double complex z;
    double parts[2] = {number_double(a), is_complex(a) ? a.imag : 0};
    memcpy(&z, parts, sizeof z);
    return z;
}

static tsr_scalar from_complex(double complex z) { return tsr_complex(creal(z), cimag(z)); }

static tsr_status no_such(const char *name, const char *kind)
{
    return error_set(TSR_ERR_TYPE, "%s does not exist for %s numbers", name, kind);
}

static tsr_status zero_division(void) { return error_set(TSR_ERR_VALUE, "division by zero"); }

static tsr_status overflow(void)
{
    return error_set(TSR_ERR_VALUE, "the result does not fit a 64-bit integer; use floats: 2.0**64");
}

static int64_t floor_division(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return (a % b != 0 && (a % b < 0) != (b < 0)) ? q - 1 : q;
}

static tsr_status integer_power(int64_t a, int64_t b, tsr_scalar *out)
{
    if (b < 0) {
        if (a == 0) return zero_division();
        *out = tsr_float(pow((double)a, (double)b));
        return TSR_OK;
    }
    int64_t result = 1;
    while (b > 0) {
        if ((b & 1) && __builtin_mul_overflow(result, a, &result)) return overflow();
        b >>= 1;
        if (b > 0 && __builtin_mul_overflow(a, a, &a)) return overflow();
    }
    *out = tsr_int(result);
    return TSR_OK;
}

static tsr_status integer_binary(const char *name, int64_t a, int64_t b, bool both_bool, tsr_scalar *out)
{
    int64_t r = 0;
    if (strcmp(name, "divide") == 0) {
        if (b == 0) return zero_division();
        *out = tsr_float((double)a / (double)b);
        return TSR_OK;
    }
    if (strcmp(name, "power") == 0) return integer_power(a, b, out);
    if (strcmp(name, "add") == 0) {
        if (__builtin_add_overflow(a, b, &r)) return overflow();
    } else if (strcmp(name, "subtract") == 0) {
        if (__builtin_sub_overflow(a, b, &r)) return overflow();
    } else if (strcmp(name, "multiply") == 0) {
        if (__builtin_mul_overflow(a, b, &r)) return overflow();
    } else if (strcmp(name, "floor_divide") == 0) {
        if (b == 0) return zero_division();
        if (a == INT64_MIN && b == -1) return overflow();
        r = floor_division(a, b);
    } else if (strcmp(name, "remainder") == 0) {
        if (b == 0) return zero_division();
        r = b == -1 ? 0 : a - floor_division(a, b) * b;
    } else if (strcmp(name, "left_shift") == 0) {
        if (b < 0) return error_set(TSR_ERR_VALUE, "shift by a negative number: %lld", (long long)b);
        if (b > 62 || __builtin_mul_overflow(a, (int64_t)1 << b, &r)) return overflow();
    } else if (strcmp(name, "right_shift") == 0) {
        if (b < 0) return error_set(TSR_ERR_VALUE, "shift by a negative number: %lld", (long long)b);
        r = a >> (b > 63 ? 63 : b);
    } else if (strncmp(name, "bitwise_", 8) == 0) {
        r = name[8] == 'a' ? (a & b) : name[8] == 'o' ? (a | b) : (a ^ b);
        if (both_bool) {
            *out = tsr_bool(r != 0);
            return TSR_OK;
        }
    } else {
        return no_such(name, "integer");
    }
    *out = tsr_int(r);
    return TSR_OK;
}

static tsr_status float_binary(const char *name, double a, double b, tsr_scalar *out)
{
    bool divides = strcmp(name, "divide") == 0 || strcmp(name, "floor_divide") == 0 || strcmp(name, "remainder") == 0;
    if (divides && b == 0) return zero_division();
    double r;
    if (strcmp(name, "add") == 0)
        r = a + b;
    else if (strcmp(name, "subtract") == 0)
        r = a - b;
    else if (strcmp(name, "multiply") == 0)
        r = a * b;
    else if (strcmp(name, "divide") == 0)
        r = a / b;
    else if (strcmp(name, "floor_divide") == 0)
        r = floor(a / b);
    else if (strcmp(name, "remainder") == 0) {
        r = fmod(a, b);
        if (r != 0 && (r < 0) != (b < 0)) r += b;
    } else if (strcmp(name, "power") == 0)
        r = pow(a, b);
    else
        return no_such(name, "float");
    *out = tsr_float(r);
    return TSR_OK;
}

static tsr_status complex_binary(const char *name, double complex a, double complex b, tsr_scalar *out)
{
    if (strcmp(name, "add") == 0)
        *out = from_complex(a + b);
    else if (strcmp(name, "subtract") == 0)
        *out = from_complex(a - b);
    else if (strcmp(name, "multiply") == 0)
        *out = from_complex(a * b);
    else if (strcmp(name, "divide") == 0) {
        if (b == 0) return zero_division();
        *out = from_complex(a / b);
    } else if (strcmp(name, "power") == 0)
        *out = from_complex(cpow(a, b));
    else
        return no_such(name, "complex");
    return TSR_OK;
}

/* Comparisons; false if the name is none. */
static bool compare(const char *name, tsr_scalar a, tsr_scalar b, tsr_scalar *out, tsr_status *status)
{
    bool is_equal, is_less, is_greater;
    *status = TSR_OK;
    if (is_complex(a) || is_complex(b)) {
        is_equal = to_complex(a) == to_complex(b);
        is_less = is_greater = false;
        if (strncmp(name, "less", 4) == 0 || strncmp(name, "greater", 7) == 0) {
            *status = no_such(name, "complex");
            return true;
        }
    } else if (number_is_integer(a) && number_is_integer(b)) {
        int64_t x = number_int(a), y = number_int(b);
        is_equal = x == y, is_less = x<y, is_greater = x> y;
    } else {
        double x = number_double(a), y = number_double(b);
        is_equal = x == y, is_less = x<y, is_greater = x> y;
    }
    const struct {
        const char *name;
        bool result;
    } all[] = {{"equal", is_equal},     {"not_equal", !is_equal},
               {"less", is_less},       {"less_equal", is_less || is_equal},
               {"greater", is_greater}, {"greater_equal", is_greater || is_equal}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(name, all[i].name) == 0) {
            *out = tsr_bool(all[i].result);
            return true;
        }
    return false;
}

tsr_status number_binary(const char *name, tsr_scalar a, tsr_scalar b, tsr_scalar *out)
{
    tsr_status status;
    if (compare(name, a, b, out, &status)) return status;
    if (is_complex(a) || is_complex(b)) return complex_binary(name, to_complex(a), to_complex(b), out);
    bool both_bool = a.dtype == TSR_BOOL && b.dtype == TSR_BOOL;
    if (number_is_integer(a) && number_is_integer(b)) return integer_binary(name, number_int(a), number_int(b), both_bool, out);
    return float_binary(name, number_double(a), number_double(b), out);
}

tsr_status number_unary(const char *name, tsr_scalar a, tsr_scalar *out)
{
    if (strcmp(name, "invert") == 0) {
        if (!number_is_integer(a)) return no_such(name, is_complex(a) ? "complex" : "float");
        *out = a.dtype == TSR_BOOL ? tsr_bool(!a.u) : tsr_int(~number_int(a));
        return TSR_OK;
    }
    bool is_negative = strcmp(name, "negative") == 0;
    if (is_complex(a)) {
        *out = is_negative ? from_complex(-to_complex(a)) : a;
    } else if (number_is_integer(a)) {
        int64_t r = number_int(a);
        if (is_negative && __builtin_sub_overflow((int64_t)0, r, &r)) return overflow();
        *out = tsr_int(r);
    } else {
        *out = tsr_float(is_negative ? -a.f : a.f);
    }
    return TSR_OK;
}
