/* Distributions by rejection: moments against theory, parameters at and beyond their bounds, orders that are orders, and operands
 * that are the result's memory. */
#include "kernel/philox.h"
#include "kernel/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 200000 };
typedef void kernel_fn(void *, const void *, const void *, const void *, size_t, unsigned *);

static uint64_t words[N], others[N];
static double normals[N], real_a[N], real_b[N], real_out[N];
static int64_t whole_a[N], whole_b[N], whole_out[N];

static int fill_sources(void **state)
{
    for (uint64_t i = 0; i < N; i++) {
        uint64_t both[2];
        philox_block((stream){.key = 42, .high = 7}, i, both);
        words[i] = both[0];
        others[i] = both[1];
        draws d = draws_of(both[0] ^ 0x5555);
        normals[i] = draw_normal(&d);
    }
    return 0;
}

static void set(double *a, double v)
{
    for (size_t i = 0; i < N; i++) a[i] = v;
}
static void set_whole(int64_t *a, int64_t v)
{
    for (size_t i = 0; i < N; i++) a[i] = v;
}

/* Mean and variance are those of theory, to six standard errors (that of the variance from the sample's fourth moment). */
static void check_moments(const char *what, const double *x, double mean, double variance)
{
    double sum = 0, second = 0, fourth = 0;
    for (size_t i = 0; i < N; i++) sum += x[i];
    for (size_t i = 0; i < N; i++) {
        double d = x[i] - mean;
        second += d * d / N;
        fourth += d * d * d * d / N;
    }
    double mean_error = 6 * sqrt(variance / N), variance_error = 6 * sqrt((fourth - second * second) / N);
    if (fabs(sum / N - mean) > mean_error || fabs(second - variance) > variance_error)
        fail_msg("%s: mean %g, should be %g +- %g; variance %g, should be %g +- %g", what, sum / N, mean, mean_error, second,
                 variance, variance_error);
}

static void to_real(const int64_t *from)
{
    for (size_t i = 0; i < N; i++) real_out[i] = (double)from[i];
}

static void test_gamma(void **state)
{
    const double shapes[] = {0.05, 0.3, 0.999, 1, 1.5, 7, 300, 1e6, 1e12};
    unsigned faults = 0;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        char what[64];
        snprintf(what, sizeof what, "gamma %g", shapes[k]);
        set(real_a, shapes[k]);
        sample_gamma(real_out, words, normals, real_a, N, &faults);
        check_moments(what, real_out, shapes[k], shapes[k]);
        sample_log_gamma(real_b, words, normals, real_a, N, &faults);
        for (size_t i = 0; i < N; i++)
            if (real_out[i] > 1e-300) assert_true(fabs(log(real_out[i]) - real_b[i]) <= 1e-12 * (1 + fabs(real_b[i])));
    }
    set(real_a, 1e-5); /* mostly too small for a float64: E ln G is digamma(1e-5) */
    sample_log_gamma(real_out, words, normals, real_a, N, &faults);
    check_moments("log gamma 1e-5", real_out, -100000.57719921567, 1e10 + 1.6449);
    assert_int_equal(faults, 0);
}

static void test_poisson(void **state)
{
    const double means[] = {0.01, 0.2, 3, 9.99, 10, 31.5, 1e3, 1e8, 1e15};
    unsigned faults = 0;
    for (size_t k = 0; k < sizeof means / sizeof *means; k++) {
        char what[64];
        snprintf(what, sizeof what, "poisson %g", means[k]);
        set(real_a, means[k]);
        sample_poisson(whole_out, words, others, real_a, N, &faults);
        for (size_t i = 0; i < N; i++) real_out[i] = (double)whole_out[i] - means[k];
        check_moments(what, real_out, 0, means[k]);
    }
    assert_int_equal(faults, 0);
}

static void test_binomial(void **state)
{
    const struct {
        int64_t n;
        double p;
    } cases[] = {{1, 0.5},
                 {10, 0.03},
                 {10, 0.97},
                 {25, 0.4},
                 {25, 0.6},
                 {1000, 0.3},
                 {1000000, 0.99},
                 {(int64_t)1 << 60, 1e-17},
                 {(int64_t)1 << 60, 1e-12},
                 {(int64_t)1 << 50, 0.5}};
    unsigned faults = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char what[64];
        double n = (double)cases[k].n, p = cases[k].p;
        snprintf(what, sizeof what, "binomial %g %g", n, p);
        set_whole(whole_a, cases[k].n);
        set(real_a, p);
        sample_binomial(whole_out, words, whole_a, real_a, N, &faults);
        for (size_t i = 0; i < N; i++) real_out[i] = (double)whole_out[i] - n * p;
        check_moments(what, real_out, 0, n * p * (1 - p));
    }
    assert_int_equal(faults, 0);
}

static void test_hypergeometric(void **state)
{
    const int64_t cases[][3] = {{5, 3, 4},    {5, 3, 8},    {0, 9, 4},         {9, 0, 4},          {30, 70, 12},
                                {70, 30, 95}, {40, 40, 40}, {1000, 5000, 300}, {5000, 1000, 5700}, {999999999, 999999, 1000000}};
    unsigned faults = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char what[64];
        double good = (double)cases[k][0], bad = (double)cases[k][1], m = (double)cases[k][2], all = good + bad, p = good / all;
        snprintf(what, sizeof what, "hypergeometric %g %g %g", good, bad, m);
        set_whole(whole_a, cases[k][0] << 32 | cases[k][1]);
        set_whole(whole_b, cases[k][2]);
        sample_hypergeometric(whole_out, words, whole_a, whole_b, N, &faults);
        for (size_t i = 0; i < N; i++) {
            assert_true(whole_out[i] >= 0 && whole_out[i] <= cases[k][0] && cases[k][2] - whole_out[i] <= cases[k][1]);
            real_out[i] = (double)whole_out[i] - m * p;
        }
        check_moments(what, real_out, 0, m * p * (1 - p) * (all - m) / (all - 1));
    }
    assert_int_equal(faults, 0);
}

static void test_zipf_and_vonmises(void **state)
{
    unsigned faults = 0;
    set(real_a, 6); /* zeta(5) / zeta(6), zeta(4) / zeta(6) - that squared */
    sample_zipf(whole_out, words, others, real_a, N, &faults);
    to_real(whole_out);
    check_moments("zipf 6", real_out, 1.0192508249, 0.0250001842);
    set(real_a, 2000);
    sample_zipf(whole_out, words, others, real_a, N, &faults);
    for (size_t i = 0; i < N; i++) assert_int_equal(whole_out[i], 1);
    set(real_a, 1.0000001);
    sample_zipf(whole_out, words, others, real_a, 1000, &faults);
    for (size_t i = 0; i < 1000; i++) assert_true(whole_out[i] >= 1);
    /* Variances of the cosine: (1 + I2 / I0) / 2 - (I1 / I0)^2 */
    const double kappas[][3] = {{1e-9, 0, 0.5}, {1e-6, 5e-7, 0.5}, {0.5, 0.24249961, 0.45619471}, {4, 0.86352261, 0.03844805}};
    for (size_t k = 0; k < 4; k++) {
        set(real_a, 1);
        set(real_b, kappas[k][0]);
        sample_vonmises(real_out, words, real_a, real_b, N, &faults);
        for (size_t i = 0; i < N; i++) {
            assert_true(fabs(real_out[i]) <= 3.1415926535897936);
            real_out[i] = cos(real_out[i] - 1);
        }
        check_moments("vonmises", real_out, kappas[k][1], kappas[k][2]);
    }
    set(real_a, 0);
    set(real_b, 1e10);
    sample_vonmises(real_out, words, real_a, real_b, N, &faults);
    check_moments("vonmises 1e10", real_out, 0, 1e-10);
    assert_int_equal(faults, 0);
}

static void test_integers(void **state)
{
    unsigned faults = 0;
    set_whole(whole_a, -3);
    set_whole(whole_b, 7);
    sample_integer(whole_out, words, whole_a, whole_b, N, &faults);
    to_real(whole_out);
    check_moments("integers", real_out, 1.5, 99.0 / 12);
    set_whole(whole_a, INT64_MIN); /* 3/4 of 2^64: a quarter of the draws is rejected */
    set_whole(whole_b, (int64_t)1 << 62);
    sample_integer(whole_out, words, whole_a, whole_b, N, &faults);
    for (size_t i = 0; i < N; i++) real_out[i] = (double)whole_out[i] * 0x1p-62;
    check_moments("integers, many", real_out, -0.5, 0.75);
    assert_int_equal(faults, 0);
}

/* Every number once, for lengths at and around powers of two; another key, another order; each number as often everywhere. */
static void test_places(void **state)
{
    const int64_t lengths[] = {1, 2, 3, 4, 5, 16, 17, 1000, 65536, 65537, N};
    static bool seen[N];
    unsigned faults = 0;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        int64_t n = lengths[k];
        memset(seen, 0, sizeof seen);
        for (int64_t i = 0; i < n; i++) whole_a[i] = i;
        set_whole(whole_b, n);
        set_whole((int64_t *)others, 99);
        sample_place(whole_out, whole_a, whole_b, others, (size_t)n, &faults);
        for (int64_t i = 0; i < n; i++) {
            assert_true(whole_out[i] >= 0 && whole_out[i] < n && !seen[whole_out[i]]);
            seen[whole_out[i]] = true;
        }
    }
    to_real(whole_out); /* correlation of place and number: normal, of deviation 1 / sqrt(n) */
    double product = 0;
    for (size_t i = 0; i < N; i++) product += ((double)i / N - 0.5) * (real_out[i] / N - 0.5);
    assert_true(fabs(product / N * 12) < 6 / sqrt(N));
    set_whole(whole_b, 1000);
    set_whole(whole_a, 123);
    for (size_t i = 0; i < N; i++) others[i] = words[i];
    sample_place(whole_out, whole_a, whole_b, others, N, &faults);
    to_real(whole_out);
    check_moments("what stands at a place", real_out, 499.5, (1e6 - 1) / 12);
    fill_sources(NULL);
}

static void test_bad_parameters(void **state)
{
    unsigned faults = 0;
    const double bad_shapes[4] = {-1, NAN, 0, INFINITY};
    sample_gamma(real_out, words, normals, bad_shapes, 4, &faults);
    assert_true(isnan(real_out[0]) && isnan(real_out[1]) && real_out[2] == 0 && isinf(real_out[3]));
    sample_vonmises(real_out, words, normals, bad_shapes, 2, &faults);
    assert_true(isnan(real_out[0]) && isnan(real_out[1]));
    assert_int_equal(faults, 0);
    for (int i = 0; i < 2; i++) {
        faults = 0;
        sample_poisson(whole_out, words, others, bad_shapes + i, 1, &faults);
        assert_true(faults == FAULT_PARAMETER && whole_out[0] == INT64_MIN);
        faults = 0;
        sample_zipf(whole_out, words, others, bad_shapes + i, 1, &faults);
        assert_int_equal(faults, FAULT_PARAMETER);
        faults = 0;
        sample_binomial(whole_out, words, (int64_t[1]){5}, bad_shapes + i, 1, &faults);
        assert_int_equal(faults, FAULT_PARAMETER);
    }
    faults = 0;
    sample_binomial(whole_out, words, (int64_t[1]){-5}, (double[1]){0.5}, 1, &faults);
    assert_int_equal(faults, FAULT_PARAMETER);
    faults = 0;
    sample_hypergeometric(whole_out, words, (int64_t[1]){(int64_t)3 << 32 | 4}, (int64_t[1]){8}, 1, &faults);
    assert_int_equal(faults, FAULT_PARAMETER);
    faults = 0;
    sample_integer(whole_out, words, (int64_t[1]){3}, (int64_t[1]){3}, 1, &faults);
    assert_int_equal(faults, FAULT_PARAMETER);
    faults = 0;
    check_range(real_out, (double[3]){0, 1, NAN}, (double[3]){0, 0, 0}, (double[3]){1, 1, NAN}, 3, &faults);
    assert_int_equal(faults, 0);
    check_range(real_out, (double[1]){NAN}, (double[1]){0}, (double[1]){1}, 1, &faults);
    assert_int_equal(faults, FAULT_PARAMETER);
}

/* Results may lie where any operand lies. */
static void test_in_place(void **state)
{
    kernel_fn *kernels_tested[] = {sample_gamma, sample_log_gamma};
    unsigned faults = 0;
    for (size_t i = 0; i < N; i++) real_a[i] = (double)(i % 100) / 20;
    for (int k = 0; k < 2; k++) {
        kernels_tested[k](real_out, words, normals, real_a, N, &faults);
        for (int operand = 0; operand < 3; operand++) {
            static double three[3][N];
            memcpy(three[0], words, sizeof words);
            memcpy(three[1], normals, sizeof normals);
            memcpy(three[2], real_a, sizeof real_a);
            kernels_tested[k](three[operand], three[0], three[1], three[2], N, &faults);
            assert_memory_equal(three[operand], real_out, sizeof real_out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gamma),          cmocka_unit_test(test_poisson),           cmocka_unit_test(test_binomial),
        cmocka_unit_test(test_hypergeometric), cmocka_unit_test(test_zipf_and_vonmises), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_places),         cmocka_unit_test(test_bad_parameters),    cmocka_unit_test(test_in_place)};
    return cmocka_run_group_tests(tests, fill_sources, NULL);
}
