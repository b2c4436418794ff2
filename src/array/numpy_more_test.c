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
    check(tsr_cumprod(vector(5, (int64_t[]){1, 2, 3, 4, 5}), 0), 5, (int64_t[]){1, 2, 6, 24, 120});
    check_reals(tsr_nancumsum(reals(5, (double[]){1, NAN, 3, 4, NAN}), 0), 5, (double[]){1, 1, 4, 8, 8});
    check_reals(tsr_nancumprod(reals(5, (double[]){NAN, 2, 3, NAN, 5}), 0), 5, (double[]){1, 2, 6, 6, 30});
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

static void test_bits(void **state)
{
    tsr_array *x = vector(10, (int64_t[]){1, 0, 2, 0, 0, 3, 0, 4, 5, 0}), *packed = tsr_packbits(x, 0, false);
    const int64_t ten = 10, but_four = -4, eighteen = 18, too_many = -17;
    assert_int_equal(tsr_dtype_of(packed), TSR_U8);
    check(tsr_astype(packed, TSR_I64), 2, (int64_t[]){165, 128});
    check(tsr_astype(tsr_packbits(x, -1, true), TSR_I64), 2, (int64_t[]){165, 1});
    check(tsr_astype(tsr_unpackbits(packed, 0, &ten, false), TSR_I64), 10, (int64_t[]){1, 0, 1, 0, 0, 1, 0, 1, 1, 0});
    check(tsr_astype(tsr_unpackbits(packed, 0, &but_four, true), TSR_I64), 12, (int64_t[]){1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0});
    check(tsr_astype(tsr_unpackbits(packed, 0, &eighteen, false), TSR_I64), 18,
          (int64_t[]){1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    check(tsr_astype(tsr_packbits(vector(0, NULL), 0, false), TSR_I64), 0, NULL);
    check(tsr_astype(tsr_packbits(integers(2, (int64_t[]){2, 2}, (int64_t[]){1, 0, 1, 1}), 0, false), TSR_I64), 2,
          (int64_t[]){192, 64});
    check_error(tsr_packbits(reals(1, (double[]){1}), 0, false), TSR_ERR_TYPE, "integer or boolean");
    check_error(tsr_unpackbits(x, 0, NULL, false), TSR_ERR_TYPE, "unsigned byte");
    check_error(tsr_unpackbits(packed, 0, &too_many, false), TSR_ERR_VALUE, "more than the 16 bits");
    check_error(tsr_packbits(x, 1, false), TSR_ERR_INDEX, "axis 1 is out of range");
}

static void test_norms(void **state)
{
    tsr_array *m = integers(2, (int64_t[]){2, 3}, (int64_t[]){1, -2, 3, -4, 5, -6});
    const double orders[] = {3, INFINITY, -INFINITY, 0, 1, 2}, want[] = {7.611662611020244, 6, 1, 6, 21, 9.539392014169456};
    const char *names[] = {"1", "-1", "inf", "-inf", "fro"};
    const double norms[] = {9, 5, 15, 6, 9.539392014169456};
    for (int i = 0; i < 6; i++) check_reals(tsr_vector_norm(m, orders[i], 0, NULL, false), 1, &want[i]);
    check_reals(tsr_vector_norm(m, 1, 1, (int[]){0}, true), 3, (double[]){5, 7, 9});
    for (int i = 0; i < 5; i++) check_reals(tsr_matrix_norm(m, names[i], 0, 1, false), 1, &norms[i]);
    tsr_array *z = tsr_complex_of(reals(2, (double[]){3, 0}), reals(2, (double[]){4, -12}));
    check_reals(tsr_vector_norm(z, 2, 0, NULL, false), 1, (double[]){13});
    check_reals(tsr_vector_norm(reals(0, NULL), 2, 0, NULL, false), 1, (double[]){0});
    check_error(tsr_vector_norm(m, 2, 1, (int[]){2}, false), TSR_ERR_INDEX, "axis 2 is out of range");
    check_error(tsr_matrix_norm(m, "nuc", 0, 1, false), TSR_ERR_UNSUPPORTED, "singular values");
    check_error(tsr_matrix_norm(m, "three", 0, 1, false), TSR_ERR_VALUE, "three");
}

static void test_products_of_several(void **state)
{
    tsr_array *q = integers(2, (int64_t[]){2, 2}, (int64_t[]){1, 1, 1, 0});
    tsr_array *wide = integers(2, (int64_t[]){2, 3}, (int64_t[]){0, 1, 2, 3, 4, 5}),
              *tall = integers(2, (int64_t[]){3, 2}, (int64_t[]){0, 1, 2, 3, 4, 5});
    check(tsr_matrix_power(q, 10), 4, (int64_t[]){89, 55, 55, 34});
    check(tsr_matrix_power(q, 1), 4, (int64_t[]){1, 1, 1, 0});
    check(tsr_matrix_power(q, 0), 4, (int64_t[]){1, 0, 0, 1});
    check(tsr_multi_dot(3, (tsr_array *[]){vector(2, (int64_t[]){1, 2}), wide, tall}), 2, (int64_t[]){66, 93});
    check(tsr_multi_dot(2, (tsr_array *[]){wide, tall}), 4, (int64_t[]){10, 13, 28, 40});
    check_error(tsr_matrix_power(wide, 2), TSR_ERR_VALUE, "square");
    assert_null(tsr_matrix_power(q, -1));
    check_error(tsr_multi_dot(0, &q), TSR_ERR_VALUE, "0 arrays");
    assert_null(tsr_multi_dot(2, (tsr_array *[]){wide, wide}));
    assert_int_equal(tsr_error_code(), TSR_ERR_VALUE);
    tsr_error_clear();
}

static void test_ranges_between_arrays(void **state)
{
    tsr_array *low = reals(2, (double[]){0, 10}), *high = reals(2, (double[]){8, 20});
    check_reals(tsr_linspace_between(low, high, 5, true, TSR_F64, 1), 10, (double[]){0, 2, 4, 6, 8, 10, 12.5, 15, 17.5, 20});
    check_reals(tsr_linspace_between(low, high, 4, false, TSR_F64, 0), 8, (double[]){0, 10, 2, 12.5, 4, 15, 6, 17.5});
    check(tsr_linspace_between(low, high, 3, true, TSR_I64, -1), 6, (int64_t[]){0, 4, 8, 10, 15, 20});
    check_reals(tsr_linspace_between(low, high, 0, true, TSR_F64, 0), 0, NULL);
    check_reals(tsr_logspace_between(reals(2, (double[]){0, 1}), reals(2, (double[]){2, 3}), 3, true,
                                     tsr_scalar_array(session, tsr_float(2)), TSR_F64, 0),
                6, (double[]){1, 2, 2, 4, 4, 8});
    tsr_array *signs = reals(2, (double[]){1, -2});
    check_reals(tsr_geomspace_between(signs, reals(2, (double[]){1000, -2000}), 4, true, TSR_F64, -1), 8,
                (double[]){1, 10, 100, 1000, -2, -20, -200, -2000});
    check_error(tsr_geomspace_between(low, high, 4, true, TSR_F64, 0), TSR_ERR_VALUE, "cannot begin or end with zero");
    check_error(tsr_linspace_between(low, reals(3, (double[]){1, 2, 3}), 4, true, TSR_F64, 0), TSR_ERR_VALUE, "(3,)");
    check_error(tsr_linspace_between(low, high, -1, true, TSR_F64, 0), TSR_ERR_VALUE, "-1");
    check_error(tsr_linspace_between(low, high, 2, true, TSR_F64, 2), TSR_ERR_INDEX, "axis 2 is out of range");
}

/* Chunks of 2 x 2 of a 3 x 4 array: each becomes a piece of the result, which NumPy's reshape would not do. */
static void test_regrouped(void **state)
{
    tsr_array *x = integers(2, (int64_t[]){3, 4}, (int64_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    tsr_array *line = tsr_reshape_blocks(x, 1, (int64_t[]){12}, NULL);
    check(line, 12, (int64_t[]){0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 10, 11});
    check(tsr_reshape_blocks(line, 2, (int64_t[]){3, 4}, (tsr_chunks[]){{2, (int64_t[]){2, 1}}, {2, (int64_t[]){2, 2}}}), 12,
          (int64_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    check(tsr_reshape_blocks(integers(2, (int64_t[]){0, 4}, NULL), 1, (int64_t[]){0}, NULL), 0, NULL);
    check_error(tsr_reshape_blocks(x, 1, (int64_t[]){11}, NULL), TSR_ERR_VALUE, "12 elements");
    check_error(tsr_reshape_blocks(x, 2, (int64_t[]){2, 6}, NULL), TSR_ERR_VALUE, "no neighbouring dimensions");
}

/* Each block keeps its own best: ties and NaN across the chunks of two. */
static void test_best(void **state)
{
    tsr_array *x = vector(7, (int64_t[]){3, 9, 1, 9, 4, 9, 0}), *y = reals(4, (double[]){1, NAN, INFINITY, -1});
    tsr_array *m = integers(2, (int64_t[]){2, 3}, (int64_t[]){1, 6, 3, 4, 5, 2});
    check(tsr_topk(x, 4, 0), 4, (int64_t[]){9, 9, 9, 4});
    check(tsr_argtopk(x, 4, -1), 4, (int64_t[]){1, 3, 5, 4});
    check(tsr_topk(x, -2, 0), 2, (int64_t[]){0, 1});
    check(tsr_argtopk(x, -2, 0), 2, (int64_t[]){6, 2});
    check(tsr_topk(x, 9, 0), 7, (int64_t[]){9, 9, 9, 4, 3, 1, 0});
    check(tsr_topk(x, 0, 0), 0, NULL);
    check_reals(tsr_topk(y, 3, 0), 3, (double[]){NAN, INFINITY, 1});
    check_reals(tsr_topk(y, -2, 0), 2, (double[]){-1, 1});
    check(tsr_topk(m, 1, 0), 3, (int64_t[]){4, 6, 3});
    check(tsr_argtopk(m, 2, 1), 4, (int64_t[]){1, 2, 1, 0});
    check_error(tsr_topk(m, 1, 2), TSR_ERR_INDEX, "axis 2 is out of range");
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
    const struct CMUnitTest all[] = {cmocka_unit_test(test_elementwise),
                                     cmocka_unit_test(test_running),
                                     cmocka_unit_test(test_along),
                                     cmocka_unit_test(test_multi_index),
                                     cmocka_unit_test(test_by_values),
                                     cmocka_unit_test(test_composed),
                                     cmocka_unit_test(test_bits),
                                     cmocka_unit_test(test_norms),
                                     cmocka_unit_test(test_products_of_several),
                                     cmocka_unit_test(test_ranges_between_arrays),
                                     cmocka_unit_test(test_regrouped),
                                     cmocka_unit_test(test_best),
                                     cmocka_unit_test(test_normal_vectors)};
    session = tsr_session_open(NULL, NULL);
    int failed = session ? cmocka_run_group_tests(all, NULL, NULL) : 1;
    tsr_session_close(session);
    return failed;
}
