/* dtypes: promotion against NumPy's own table, names, conversions of single values, their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block/dtype.h"

#include <math.h>
#include <string.h>

/* numpy.promote_types(row, column) of NumPy 2.4, in the order of tsr_dtype. */
enum { BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64, C64, C128 };
static const int promoted[TSR_N_DTYPES][TSR_N_DTYPES] = {
    {BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64, C64, C128},
    {I8, I8, I16, I32, I64, I16, I32, I64, F64, F32, F64, C64, C128},
    {I16, I16, I16, I32, I64, I16, I32, I64, F64, F32, F64, C64, C128},
    {I32, I32, I32, I32, I64, I32, I32, I64, F64, F64, F64, C128, C128},
    {I64, I64, I64, I64, I64, I64, I64, I64, F64, F64, F64, C128, C128},
    {U8, I16, I16, I32, I64, U8, U16, U32, U64, F32, F64, C64, C128},
    {U16, I32, I32, I32, I64, U16, U16, U32, U64, F32, F64, C64, C128},
    {U32, I64, I64, I64, I64, U32, U32, U32, U64, F64, F64, C128, C128},
    {U64, F64, F64, F64, F64, U64, U64, U64, U64, F64, F64, C128, C128},
    {F32, F32, F32, F64, F64, F32, F32, F64, F64, F32, F64, C64, C128},
    {F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, C128, C128},
    {C64, C64, C64, C128, C128, C64, C64, C128, C128, C64, C128, C64, C128},
    {C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128},
};

static void test_promotion(void **state)
{
    for (int a = 0; a < TSR_N_DTYPES; a++) {
        for (int b = 0; b < TSR_N_DTYPES; b++) {
            tsr_dtype got = tsr_dtype_promote((tsr_dtype)a, (tsr_dtype)b);
            if ((int)got != promoted[a][b])
                fail_msg("%s with %s gives %s, NumPy says %s", tsr_dtype_name((tsr_dtype)a), tsr_dtype_name((tsr_dtype)b),
                         tsr_dtype_name(got), tsr_dtype_name((tsr_dtype)promoted[a][b]));
        }
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        tsr_dtype dtype;
    } good[] = {{"float64", TSR_F64}, {"<f8", TSR_F64},    {"=f4", TSR_F32},  {"f32", TSR_F32},      {"double", TSR_F64},
                {"i8", TSR_I64},      {"u1", TSR_U8},      {"|b1", TSR_BOOL}, {"complex", TSR_C128}, {"c8", TSR_C64},
                {"bool", TSR_BOOL},   {"uint16", TSR_U16}, {"float", TSR_F64}};
    static const char *const bad[] = {"", "<", ">f8", "float16", "f2", "U5", "int128", "i3", "F8", "f8 "};
    tsr_dtype dtype;
    for (int d = 0; d < TSR_N_DTYPES; d++) {
        assert_int_equal(tsr_dtype_parse(tsr_dtype_name((tsr_dtype)d), &dtype), TSR_OK);
        assert_int_equal(dtype, d);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(tsr_dtype_parse(good[i].name, &dtype), TSR_OK);
        assert_int_equal(dtype, good[i].dtype);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(tsr_dtype_parse(bad[i], &dtype), TSR_ERR_TYPE);
    assert_int_equal(tsr_dtype_parse(NULL, &dtype), TSR_ERR_TYPE);
    assert_null(tsr_dtype_name((tsr_dtype)TSR_N_DTYPES));
    assert_int_equal(tsr_dtype_size((tsr_dtype)-1), 0);
}

static void test_sizes_and_kinds(void **state)
{
    static const size_t sizes[TSR_N_DTYPES] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 16};
    for (int d = 0; d < TSR_N_DTYPES; d++) {
        tsr_dtype t = (tsr_dtype)d;
        assert_int_equal(tsr_dtype_size(t), sizes[d]);
        int n_kinds = (t == TSR_BOOL) + dtype_is_signed(t) + dtype_is_unsigned(t) + dtype_is_float(t) + dtype_is_complex(t);
        assert_int_equal(n_kinds, 1);
        assert_int_equal(dtype_is_integer(t), dtype_is_signed(t) || dtype_is_unsigned(t));
        assert_int_equal(dtype_is_inexact(t), dtype_is_float(t) || dtype_is_complex(t));
        assert_int_equal(dtype_real(dtype_complex(t)), t == TSR_F32 || t == TSR_C64 ? TSR_F32 : TSR_F64);
    }
    assert_int_equal(dtype_inexact(TSR_I16), TSR_F32);
    assert_int_equal(dtype_inexact(TSR_I32), TSR_F64);
    assert_int_equal(dtype_inexact(TSR_C64), TSR_C64);
}

/* A value that every dtype can hold survives every conversion. */
static void test_conversion_of_common_values(void **state)
{
    for (int from = 0; from < TSR_N_DTYPES; from++) {
        for (int to = 0; to < TSR_N_DTYPES; to++) {
            for (int v = 0; v <= (from == TSR_BOOL || to == TSR_BOOL ? 1 : 100); v++) {
                element e = element_from_scalar(scalar_int(v), (tsr_dtype)from);
                e = element_from_scalar(scalar_from_element(&e, (tsr_dtype)from), (tsr_dtype)to);
                tsr_scalar s = scalar_from_element(&e, (tsr_dtype)to);
                assert_true(s.f == v && s.imag == 0);
                assert_int_equal(s.i, v);
                assert_int_equal(s.u, v);
            }
        }
    }
}

/* Nothing that a file or a user can give is undefined. */
static void test_conversion_at_the_limits(void **state)
{
    static const double values[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 9223372036854775808.0, 18446744073709551616.0, -0.0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (int to = 0; to < TSR_N_DTYPES; to++) {
            element e = element_from_scalar(scalar_float(values[i]), (tsr_dtype)to);
            (void)scalar_from_element(&e, (tsr_dtype)to);
        }
    }
    assert_int_equal(element_from_scalar(scalar_int(300), TSR_U8).u8, 44);
    assert_int_equal(element_from_scalar(scalar_int(-1), TSR_U64).u64, UINT64_MAX);
    assert_int_equal(element_from_scalar(scalar_float(-3.9), TSR_I16).i16, -3);
    assert_true(element_from_scalar(scalar_float(1e19), TSR_U64).u64 == 10000000000000000000u);
    assert_true(element_from_scalar(scalar_float(NAN), TSR_BOOL).b);
    uint64_t large = UINT64_MAX;
    assert_true(element_from_scalar(scalar_from_element(&large, TSR_U64), TSR_F64).f64 == 18446744073709551616.0);
}

/* repr() of Python 3 and str() of NumPy's float32. */
static void test_text(void **state)
{
    static const struct {
        double value;
        const char *text;
    } doubles[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {10, "10.0"},
        {1000, "1000.0"},
        {123456, "123456.0"},
        {-250, "-250.0"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {1.5e20, "1.5e+20"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {1.25e-7, "1.25e-07"},
        {NAN, "nan"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {287.4375, "287.4375"},
        {1e300, "1e+300"},
        {5e-324, "5e-324"},
        {2.5, "2.5"},
        {99999.5, "99999.5"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740992, "9007199254740992.0"},
    };
    char text[100];
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        assert_string_equal(element_format(&doubles[i].value, TSR_F64, text, sizeof text), doubles[i].text);
    static const struct {
        float value;
        const char *text;
    } floats[] = {
        {0.1f, "0.1"}, {16777216.0f, "16777216.0"}, {1e15f, "1000000000000000.0"}, {1.0f / 3, "0.33333334"}, {100, "100.0"}};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        assert_string_equal(element_format(&floats[i].value, TSR_F32, text, sizeof text), floats[i].text);
    assert_string_equal(element_format(&(int8_t){-5}, TSR_I8, text, sizeof text), "-5");
    assert_string_equal(element_format(&(uint64_t){UINT64_MAX}, TSR_U64, text, sizeof text), "18446744073709551615");
    assert_string_equal(element_format(&(bool){true}, TSR_BOOL, text, sizeof text), "True");
    assert_string_equal(element_format((double[]){1, -2}, TSR_C128, text, sizeof text), "(1.0-2.0j)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promotion),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sizes_and_kinds),
        cmocka_unit_test(test_conversion_of_common_values),
        cmocka_unit_test(test_conversion_at_the_limits),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
