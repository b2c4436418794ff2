/* CF decoding: the rules for dtypes and missing values, and arrays decoded as values in memory are, to the last bit. */
#include "dataset/cf.h"

#include "base/names.h"
#include "dataset/dataset_testing.h"
#include "dataset/flags.h"

#include <math.h>

/* An attribute that borrows its values. */
static store_attr number(const char *name, tsr_dtype dtype, int64_t n, const void *values)
{
    return (store_attr){.name = (char *)name, .dtype = dtype, .n_values = n, .values = (void *)values};
}

static store_attr words(const char *name, const char *text) { return (store_attr){.name = (char *)name, .text = (char *)text}; }

static store_var packed(tsr_dtype dtype, int n, store_attr *list)
{
    return (store_var){.name = (char *)"v", .dtype = dtype, .n_attrs = n, .attrs = list};
}

static tsr_dtype decoded(tsr_dtype stored, int n, store_attr *list)
{
    store_var var = packed(stored, n, list);
    cf_packing p;
    assert_ok(cf_packing_read(&var, false, &p));
    return p.dtype;
}

static void test_dtypes(void **state)
{
    float f = 0.5f;
    double d = 0.5;
    int16_t i = 7;
    store_attr both32[] = {number("scale_factor", TSR_F32, 1, &f), number("add_offset", TSR_F32, 1, &f)};
    store_attr both64[] = {number("scale_factor", TSR_F64, 1, &d), number("add_offset", TSR_F64, 1, &d)};
    store_attr mixed[] = {number("scale_factor", TSR_F32, 1, &f), number("add_offset", TSR_F64, 1, &d)};
    store_attr fill[] = {number("_FillValue", TSR_I16, 1, &i)}, whole[] = {number("scale_factor", TSR_I16, 1, &i)};
    assert_int_equal(decoded(TSR_I16, 2, both32), TSR_F32);
    assert_int_equal(decoded(TSR_I32, 2, both32), TSR_F64);
    assert_int_equal(decoded(TSR_I16, 2, both64), TSR_F64);
    assert_int_equal(decoded(TSR_I16, 2, mixed), TSR_F64);
    assert_int_equal(decoded(TSR_I16, 1, both32), TSR_F32);     /* a scale alone */
    assert_int_equal(decoded(TSR_I16, 1, both32 + 1), TSR_F64); /* an offset alone */
    assert_int_equal(decoded(TSR_I16, 1, whole), TSR_F64);
    assert_int_equal(decoded(TSR_I16, 1, fill), TSR_F32);
    assert_int_equal(decoded(TSR_I32, 1, fill), TSR_F64);
    assert_int_equal(decoded(TSR_F32, 1, fill), TSR_F32);
    assert_int_equal(decoded(TSR_U8, 0, NULL), TSR_U8);
}

static void test_bad_attributes(void **state)
{
    store_attr text[] = {words("add_offset", "much")};
    store_var var = packed(TSR_I16, 1, text);
    cf_packing p;
    assert_int_equal(cf_packing_read(&var, false, &p), TSR_ERR_FORMAT);
    assert_string_equal(tsr_error_message(), "variable 'v': attribute add_offset is 'much', not a number");
    assert_ok(cf_packing_read(&var, true, &p));
    assert_true(cf_packing_is_plain(&p));
    int16_t many[CF_MAX_FILLS + 1];
    for (int i = 0; i <= CF_MAX_FILLS; i++) many[i] = (int16_t)i;
    store_attr fills[] = {number("missing_value", TSR_I16, CF_MAX_FILLS + 1, many)};
    var = packed(TSR_I16, 1, fills);
    assert_int_equal(cf_packing_read(&var, false, &p), TSR_ERR_UNSUPPORTED);
    fills[0].n_values = 0; /* an attribute without values */
    assert_ok(cf_packing_read(&var, false, &p));
    assert_int_equal(p.n_fills, 0);
    store_attr empty[] = {number("scale_factor", TSR_F64, 0, many)};
    var = packed(TSR_I16, 1, empty);
    assert_int_equal(cf_packing_read(&var, false, &p), TSR_ERR_FORMAT);
}

/* Fill values that no stored value equals are none; integers of the other sign are the same bits. */
static void test_fills(void **state)
{
    double out = 65543, fraction = 1.5, inside = -3, nan = NAN;
    uint8_t byte = 255;
    store_attr list[] = {number("missing_value", TSR_F64, 1, &out)};
    store_var var = packed(TSR_I16, 1, list);
    cf_packing p;
    double huge = 1e300, infinite = INFINITY, edge = 0x1p63;
    const double *none[] = {&out, &fraction, &nan, &huge, &infinite, &edge};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        list[0].values = (void *)none[i];
        assert_ok(cf_packing_read(&var, false, &p));
        assert_int_equal(p.n_fills, 0);
    }
    list[0].values = &inside;
    assert_ok(cf_packing_read(&var, false, &p));
    assert_true(p.n_fills == 1 && p.fills[0].i16 == -3);
    list[0] = number("_FillValue", TSR_U8, 1, &byte);
    var = packed(TSR_I8, 1, list);
    assert_ok(cf_packing_read(&var, false, &p));
    assert_true(p.n_fills == 1 && p.fills[0].i8 == -1);
}

/* Every stored byte and half word, decoded both ways, with and without _Unsigned. */
static void test_arrays_as_labels(void **state)
{
    static const tsr_dtype stored[] = {TSR_I8, TSR_U8, TSR_I16, TSR_U16};
    enum { N = 65536 };
    uint16_t bits[N];
    double scale = 0.013, offset = 273.15;
    float scale32 = 0.013f, offset32 = 273.15f;
    int16_t fills[] = {-7, 11};
    for (int i = 0; i < N; i++) bits[i] = (uint16_t)i;
    store_attr sets[][4] = {
        {number("scale_factor", TSR_F64, 1, &scale), number("add_offset", TSR_F64, 1, &offset),
         number("missing_value", TSR_I16, 2, fills), words("_Unsigned", "true")},
        {number("scale_factor", TSR_F32, 1, &scale32), number("add_offset", TSR_F32, 1, &offset32),
         number("missing_value", TSR_I16, 2, fills), words("_Unsigned", "false")},
        {number("_FillValue", TSR_I16, 1, fills), words("long_name", "x"), words("_Unsigned", "true"), words("units", "K")},
    };
    for (size_t d = 0; d < sizeof stored / sizeof *stored; d++)
        for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
            store_var var = packed(stored[d], 4, sets[k]);
            cf_packing p;
            labels *raw, *want;
            int64_t n = tsr_dtype_size(stored[d]) == 1 ? 2 * N : N;
            assert_ok(cf_packing_read(&var, false, &p));
            assert_ok(labels_new(stored[d], n, &raw));
            memcpy(raw->data, bits, sizeof bits);
            assert_ok(labels_finish(raw));
            assert_ok(cf_decode_labels(raw, &p, &want));
            tsr_array *a = tsr_from_memory(*state, raw->data, stored[d], 1, &n, NULL, NULL, NULL, NULL),
                      *x = cf_decode_array(a, &p);
            assert_made(x, __FILE__, __LINE__);
            assert_int_equal(tsr_dtype_of(x), want->dtype);
            size_t size = (size_t)n * tsr_dtype_size(want->dtype);
            void *got = malloc(size);
            assert_ok(tsr_compute_into(x, got, size));
            for (int64_t i = 0; i < n; i++) {
                double g = want->dtype == TSR_F32 ? ((float *)got)[i] : ((double *)got)[i];
                if (g != want->values[i] && !(isnan(g) && isnan(want->values[i])))
                    fail_msg("%s, set %zu, %lld: %.9g and %.9g", tsr_dtype_name(stored[d]), k, (long long)i, g, want->values[i]);
            }
            free(got);
            tsr_release(x);
            tsr_release(a);
            labels_unref(raw);
            labels_unref(want);
        }
}

static void test_flags(void **state)
{
    static const int8_t values[] = {1, 4, 9};
    store_attr list[] = {number("flag_values", TSR_I8, 3, values), words("flag_meanings", " sea  land ice more")};
    attrs *a;
    char text[16];
    double value;
    assert_ok(attrs_new(2, list, &a));
    assert_true(flags_name(a, 4, text, sizeof text));
    assert_string_equal(text, "land");
    assert_false(flags_name(a, 5, text, sizeof text));
    assert_ok(flags_value(a, "ice", &value));
    assert_true(value == 9);
    assert_int_equal(flags_value(a, "more", &value), TSR_ERR_NOT_FOUND); /* a meaning without a value */
    assert_int_equal(flags_value(a, "lamd", &value), TSR_ERR_NOT_FOUND);
    assert_string_equal(tsr_error_message(), "there is no value 'lamd'; did you mean 'land'?");
    attrs_remove(a, "flag_values");
    assert_false(flags_name(a, 4, text, sizeof text));
    assert_int_equal(flags_value(a, "sea", &value), TSR_ERR_NOT_FOUND);
    attrs_unref(a);
}

static void test_names(void **state)
{
    const char *const names[] = {"latitude", "longitude", NULL, "time", "t2m"};
    static const struct {
        const char *typed;
        int nearest;
    } cases[] = {{"lat", 0}, {"lon", 1},        {"Time", 3},      {"tiem", 3}, {"tmie", 3},
                 {"T2M", 4}, {"longtitude", 1}, {"pressure", -1}, {"", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(names_nearest(cases[i].typed, 5, names), cases[i].nearest);
    char hint[200];
    assert_string_equal(names_hint("pressure", 5, names, hint, sizeof hint), "; there are latitude, longitude, time, t2m");
    assert_int_equal(names_nearest("x", 0, NULL), -1);
    assert_int_equal(names_distance("abc", "abc"), 0);
    assert_int_equal(names_distance("abc", "acb"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),           cmocka_unit_test(test_bad_attributes), cmocka_unit_test(test_fills),
        cmocka_unit_test(test_arrays_as_labels), cmocka_unit_test(test_flags),          cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
