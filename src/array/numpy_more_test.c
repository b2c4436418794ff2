/* Functions of NumPy's that are composed or have kernels of their own, in C: values, empty arrays, mistakes. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

#include <math.h>

static tsr_session *session;

static tsr_array *integers(int ndim, const int64_t *shape, const int64_t *values)
{
    int64_t chunks[TSR_MAX_NDIM];
    for (int d = 0; d < ndim; d++) chunks[d] = 2;
    return tsr_from_memory(session, values, TSR_I64, ndim, shape, NULL, NULL, NULL, chunks);
}
static tsr_array *vector(int64_t n, const int64_t *values) { return integers(1, &n, values); }
static tsr_array *reals(int64_t n, const double *values)
{
    return tsr_from_memory(session, values, TSR_F64, 1, &n, NULL, NULL, NULL, (int64_t[]){2});
}

static void check(tsr_array *a, int64_t n, const int64_t *want)
{
    int64_t got[64];
    if (!a) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_dtype_of(a), TSR_I64);
    assert_int_equal(tsr_size(a), n);
    assert_ok(tsr_compute_into(a, got, (size_t)n * sizeof *got));
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want[i]) fail_msg("element %lld is %lld, not %lld", (long long)i, (long long)got[i], (long long)want[i]);
}

static void check_reals(tsr_array *a, int64_t n, const double *want)
{
    double got[64];
    if (!a) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_dtype_of(a), TSR_F64);
    assert_int_equal(tsr_size(a), n);
    assert_ok(tsr_compute_into(a, got, (size_t)n * sizeof *got));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-13 * (1 + fabs(want[i])) || (isnan(got[i]) && isnan(want[i])) || got[i] == want[i]))
            fail_msg("element %lld is %.17g, not %.17g", (long long)i, got[i], want[i]);
}

static void check_error(const tsr_array *a, tsr_status status, const char *text)
{
    assert_null(a);
    assert_int_equal(tsr_error_code(), status);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' instead of '%s'", tsr_error_message(), text);
    tsr_error_clear();
}

static void check_fails(tsr_array *a, tsr_status status, const char *text)
{
    int64_t out[64];
    assert_non_null(a);
    assert_int_equal(tsr_compute_into(a, out, (size_t)tsr_nbytes(a)), status);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' instead of '%s'", tsr_error_message(), text);
    tsr_error_clear();
}

static void test_elementwise(void **state)
{
    tsr_array *x = vector(5, (int64_t[]){0, -1, 255, INT64_MIN, INT64_MAX}), *count = tsr_bitwise_count(x);
    uint8_t bits[5];
    assert_int_equal(tsr_dtype_of(count), TSR_U8);
    assert_ok(tsr_compute_into(count, bits, sizeof bits));
    assert_memory_equal(bits, ((uint8_t[]){0, 1, 8, 1, 63}), 5);
    check_error(tsr_bitwise_count(reals(1, (double[]){1})), TSR_ERR_TYPE, "not defined for float64");
    check_reals(tsr_i0(reals(6, (double[]){0, 1, -2, 8, 20, NAN})), 6,
                (double[]){1, 1.2660658777520084, 2.2795853023360673, 427.56411572180474, 43558282.559553534, NAN});
    double pair[4];
    tsr_array *z = tsr_complex_of(reals(2, (double[]){1, INFINITY}), reals(2, (double[]){INFINITY, NAN}));
    assert_ok(tsr_compute_into(z, pair, sizeof pair));
    assert_true(pair[0] == 1 && isinf(pair[1]) && isinf(pair[2]) && isnan(pair[3]));
    assert_ok(tsr_compute_into(tsr_nan_to_num(z), pair, sizeof pair));
    assert_true(pair[0] == 1 && pair[1] > 1e308 && pair[2] > 1e308 && pair[3] == 0);
    check_error(tsr_i0(z), TSR_ERR_TYPE, "not defined for complex128");
}

static void test_running(void **state)
{
    tsr_array *x = vector(5, (int64_t[]){3, 1, 4, 1, 5});
    check(tsr_cummax(x, 0), 5, (int64_t[]){3, 3, 4, 4, 5});
    check(tsr_cummin(x, -1), 5, (int64_t[]){3, 1, 1, 1, 1});
    check(tsr_cumulative_sum(x, 0, true), 6, (int64_t[]){0, 3, 4, 8, 9, 14});
    check(tsr_cumulative_prod(x, 0, true), 6, (int64_t[]){1, 3, 3, 12, 12, 60});
    tsr_array *y = reals(6, (double[]){NAN, 2, NAN, NAN, NAN, 1});
    check_reals(tsr_push(y, -1, 0), 6, (double[]){NAN, 2, 2, 2, 2, 1});
    check_reals(tsr_push(y, 2, 0), 6, (double[]){NAN, 2, 2, 2, NAN, 1});
    check_reals(tsr_push(y, 0, 0), 6, (double[]){NAN, 2, NAN, NAN, NAN, 1});
    check_reals(tsr_cummax(y, 0), 6, (double[]){NAN, NAN, NAN, NAN, NAN, NAN});
    check(tsr_push(x, 1, 0), 5, (int64_t[]){3, 1, 4, 1, 5});
    check_error(tsr_push(y, 1, 1), TSR_ERR_INDEX, "axis 1 is out of range");
}

static void test_along(void **state)
{
    tsr_array *x = integers(2, (int64_t[]){2, 3}, (int64_t[]){10, 30, 20, 60, 40, 50});
    tsr_array *order = integers(2, (int64_t[]){2, 2}, (int64_t[]){0, 2, -2, 0}),
              *row = integers(2, (int64_t[]){1, 3}, (int64_t[]){1, 0, 1});
    check(tsr_take_along_axis(x, order, 1), 4, (int64_t[]){10, 20, 40, 60});
    check(tsr_take_along_axis(x, row, 0), 3, (int64_t[]){60, 30, 50});
    check(tsr_put_along_axis(x, order, tsr_scalar_array(session, tsr_int(7)), 1), 6, (int64_t[]){7, 30, 7, 7, 7, 50});
    tsr_array *beyond = integers(2, (int64_t[]){1, 3}, (int64_t[]){0, 2, 0});
    check_fails(tsr_take_along_axis(x, beyond, 0), TSR_ERR_INDEX, "index 2 is out of bounds for axis 0 with size 2");
    check_error(tsr_take_along_axis(x, vector(1, (int64_t[]){0}), 0), TSR_ERR_VALUE, "1 dimensions");
    check_error(tsr_take_along_axis(x, tsr_zeros(session, TSR_F64, 2, (int64_t[]){1, 1}, NULL), 0), TSR_ERR_INDEX,
                "must be integers");
    tsr_array *bytes = tsr_view(x, TSR_U8);
    assert_int_equal(tsr_shape(bytes)[1], 24);
    check(tsr_view(bytes, TSR_I64), 6, (int64_t[]){10, 30, 20, 60, 40, 50});
    check_error(tsr_view(x, TSR_C128), TSR_ERR_VALUE, "must be a divisor");
}

static void test_multi_index(void **state)
{
    tsr_array *rows = vector(3, (int64_t[]){0, 1, 2}), *columns = vector(3, (int64_t[]){3, 0, 7}), *pair[2] = {rows, columns},
              *back[2];
    const int64_t dims[2] = {3, 4};
    check(tsr_ravel_multi_index(2, pair, dims, (const char *[]){"raise", "wrap"}, false), 3, (int64_t[]){3, 4, 11});
    check(tsr_ravel_multi_index(2, pair, dims, (const char *[]){"raise", "clip"}, true), 3, (int64_t[]){9, 1, 11});
    check_fails(tsr_ravel_multi_index(2, pair, dims, NULL, false), TSR_ERR_VALUE, "index 7 is out of bounds for size 4");
    assert_ok(tsr_unravel_index(vector(3, (int64_t[]){0, 7, 11}), 2, dims, false, back));
    check(back[0], 3, (int64_t[]){0, 1, 2});
    check(back[1], 3, (int64_t[]){0, 3, 3});
    assert_ok(tsr_unravel_index(vector(1, (int64_t[]){12}), 2, dims, false, back));
    check_fails(back[0], TSR_ERR_VALUE, "index 12 is out of bounds for size 12");
    assert_int_equal(tsr_unravel_index(reals(1, (double[]){1}), 2, dims, false, back), TSR_ERR_TYPE);
    tsr_error_clear();
}

static void test_by_values(void **state)
{
    tsr_array *x = vector(6, (int64_t[]){0, 0, 1, 0, 2, 0}), *zeros = vector(3, (int64_t[]){0, 0, 0});
    check(tsr_trim_zeros(x, true, true, 0, NULL), 3, (int64_t[]){1, 0, 2});
    check(tsr_trim_zeros(x, true, false, 0, NULL), 4, (int64_t[]){1, 0, 2, 0});
    check(tsr_trim_zeros(zeros, true, true, 0, NULL), 0, NULL);
    check(tsr_resize(vector(3, (int64_t[]){1, 2, 3}), 2, (int64_t[]){2, 4}), 8, (int64_t[]){1, 2, 3, 1, 2, 3, 1, 2});
    check(tsr_resize(vector(0, NULL), 1, (int64_t[]){2}), 2, (int64_t[]){0, 0});
    check(tsr_putmask(x, tsr_not_equal(x, tsr_scalar_array(session, tsr_int(0))), vector(3, (int64_t[]){7, 8, 9})), 6,
          (int64_t[]){0, 0, 9, 0, 8, 0});
    tsr_array *tall = tsr_zeros(session, TSR_I64, 2, (int64_t[]){5, 2}, NULL);
    check(tsr_fill_diagonal(tall, vector(1, (int64_t[]){1}), true), 10, (int64_t[]){1, 0, 0, 1, 0, 0, 1, 0, 0, 1});
    check(tsr_fill_diagonal(tall, vector(3, (int64_t[]){1, 2, 3}), true), 10, (int64_t[]){1, 0, 0, 2, 0, 0, 3, 0, 0, 1});
    check(tsr_fill_diagonal(tall, vector(1, (int64_t[]){1}), false), 10, (int64_t[]){1, 0, 0, 1, 0, 0, 0, 0, 0, 0});
    check_error(tsr_fill_diagonal(x, x, false), TSR_ERR_VALUE, "at least 2-d");
    tsr_array *z = tsr_complex_of(reals(2, (double[]){1, 2}), reals(2, (double[]){1e-15, 0}));
    check_reals(tsr_real_if_close(z, 100), 2, (double[]){1, 2});
    assert_int_equal(tsr_dtype_of(tsr_real_if_close(z, 1e-16)), TSR_C128);
}

static void test_composed(void **state)
{
    tsr_array *y = reals(4, (double[]){1, 2, 4, 8}), *x = reals(4, (double[]){0, 1, 3, 4});
    check_reals(tsr_trapezoid(y, NULL, 2, -1), 1, (double[]){21});
    check_reals(tsr_trapezoid(y, x, 1, 0), 1, (double[]){13.5});
    check(tsr_polyval(vector(3, (int64_t[]){3, 0, 1}), vector(2, (int64_t[]){5, 0})), 2, (int64_t[]){76, 1});
    check_reals(tsr_moment(y, 3, 0, NULL, false, 0), 1, (double[]){12.65625});
    check(tsr_cross(vector(3, (int64_t[]){1, 2, 3}), vector(3, (int64_t[]){4, 5, 6}), -1, -1, -1), 3, (int64_t[]){-3, 6, -3});
    check(tsr_cross(vector(2, (int64_t[]){1, 2}), vector(3, (int64_t[]){4, 5, 6}), -1, -1, -1), 3, (int64_t[]){12, -6, -3});
    check_error(tsr_cross(y, y, 0, 0, 0), TSR_ERR_VALUE, "must be 2 or 3, it is 4");
    check_reals(tsr_hanning(session, 5, NULL), 5, (double[]){0, 0.5, 1, 0.5, 0});
    check_reals(tsr_bartlett(session, 3, NULL), 3, (double[]){0, 1, 0});
    check_reals(tsr_kaiser(session, 3, 14, (int64_t[]){1}), 3, (double[]){7.7268668352703627e-06, 1, 7.7268668352703627e-06});
    check_reals(tsr_blackman(session, 1, NULL), 1, (double[]){1});
    check_reals(tsr_hamming(session, 0, NULL), 0, NULL);
}

static void test_normal_vectors(void **state)
{
    enum { N = 20000 };
    static double got[N][2];
    double values[4] = {2, 0.6, 0.6, 1};
    tsr_array *mean = reals(2, (double[]){1, -1}),
              *cov = tsr_from_memory(session, values, TSR_F64, 2, (int64_t[]){2, 2}, NULL, NULL, NULL, NULL);
    const char *methods[] = {"svd", "eigh", "cholesky"};
    for (int m = 0; m < 3; m++) {
        double sum[2] = {0, 0}, product = 0;
        bool valid = false;
        assert_ok(tsr_compute_into(
            tsr_random_multivariate_normal(mean, cov, 3, methods[m], 1e-8, &valid, 1, (int64_t[]){N}, NULL), got, sizeof got));
        assert_true(valid);
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < 2; k++) sum[k] += got[i][k] / N;
            product += (got[i][0] - 1) * (got[i][1] + 1) / N;
        }
        assert_true(fabs(sum[0] - 1) < 0.05 && fabs(sum[1] + 1) < 0.05 && fabs(product - 0.6) < 0.05);
    }
    bool valid = true;
    values[3] = -1;
    tsr_array *other = tsr_from_memory(session, values, TSR_F64, 2, (int64_t[]){2, 2}, NULL, NULL, NULL, NULL);
    for (int m = 0; m < 2; m++) {
        assert_non_null(tsr_random_multivariate_normal(mean, other, 3, methods[m], 1e-8, &valid, 0, NULL, NULL));
        assert_false(valid);
    }
    check_error(tsr_random_multivariate_normal(mean, other, 3, "cholesky", 1e-8, NULL, 0, NULL, NULL), TSR_ERR_VALUE,
                "not positive definite");
    check_error(tsr_random_multivariate_normal(mean, cov, 3, "qr", 1e-8, NULL, 0, NULL, NULL), TSR_ERR_VALUE,
                "method must be one of");
    check_error(tsr_random_multivariate_normal(cov, cov, 3, "svd", 1e-8, NULL, 0, NULL, NULL), TSR_ERR_VALUE, "1 dimensional");
}

int main(void)
{
    const struct CMUnitTest all[] = {cmocka_unit_test(test_elementwise),   cmocka_unit_test(test_running),
                                     cmocka_unit_test(test_along),         cmocka_unit_test(test_multi_index),
                                     cmocka_unit_test(test_by_values),     cmocka_unit_test(test_composed),
                                     cmocka_unit_test(test_normal_vectors)};
    session = tsr_session_open(NULL, NULL);
    int failed = session ? cmocka_run_group_tests(all, NULL, NULL) : 1;
    tsr_session_close(session);
    return failed;
}
