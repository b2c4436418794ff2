/* Random arrays: the same numbers whatever the chunks, threads and instruction sets, shapes and parameters that broadcast, what
 * is refused; rows, orders and choices. */
#include "store/store_testing.h"
#include "tessera.h"

#include <math.h>
#include <stdlib.h>

static tsr_session *open_session(int n_threads, const char *isa)
{
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = n_threads, .isa = isa, .scratch_dir = scratch});
    assert_non_null(s);
    return s;
}

static tsr_array *number(tsr_session *s, double v) { return tsr_scalar_array(s, tsr_float(v)); }

/* Parameters that every distribution takes, with more than one way through its algorithm. */
static void plain_parameters(tsr_session *s, const char *name, tsr_array **p)
{
    static const struct {
        const char *name;
        double p[3];
    } special[] = {{"binomial", {40, 0.3}},
                   {"geometric", {0.2}},
                   {"hypergeometric", {30, 50, 25}},
                   {"logseries", {0.7}},
                   {"negative_binomial", {5, 0.3}},
                   {"triangular", {1, 2, 4}},
                   {"zipf", {1.8}},
                   {"poisson", {12}},
                   {"integers", {-7, 1000}},
                   {"gamma", {0.7, 2}}};
    double values[3] = {1.5, 2.5, 0.5};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcmp(special[i].name, name) == 0) memcpy(values, special[i].p, sizeof values);
    for (int i = 0; i < 3; i++) p[i] = number(s, values[i]);
}

static bool gives_counts(const char *name)
{
    static const char *const counts[] = {"binomial",  "geometric",         "hypergeometric", "integers",
                                         "logseries", "negative_binomial", "poisson",        "zipf"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (strcmp(counts[i], name) == 0) return true;
    return false;
}

enum { ROWS = 61, COLS = 97, SIZE = ROWS * COLS };

static void draw(tsr_session *s, const char *name, int n, const int64_t *chunks, void *out)
{
    tsr_array *p[3];
    plain_parameters(s, name, p);
    tsr_array *a = tsr_random(s, 11, name, n, p, gives_counts(name) ? TSR_I64 : TSR_F64, 2, (int64_t[]){ROWS, COLS}, chunks);
    assert_ok(tsr_compute_into(a, out, SIZE * 8));
}

static void test_same_numbers(void **state)
{
    static char first[SIZE * 8], other[SIZE * 8];
    static const char *const sets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    const char *name;
    int n, n_distributions = 0;
    tsr_session *s = open_session(1, NULL), *t = open_session(7, NULL);
    for (int i = 0; (name = tsr_random_name(i, &n)); i++, n_distributions++) {
        draw(s, name, n, NULL, first);
        draw(t, name, n, (int64_t[]){1, 13}, other);
        if (memcmp(first, other, sizeof first) != 0) fail_msg("%s depends on the chunks", name);
        draw(t, name, n, (int64_t[]){10, 10}, other);
        if (memcmp(first, other, sizeof first) != 0) fail_msg("%s depends on the chunks", name);
    }
    assert_int_equal(n_distributions, 34);
    tsr_session_close(t);
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) { /* counts by rejection do not depend on vectors of any length */
        t = tsr_session_open(NULL, &(tsr_options){.n_threads = 2, .isa = sets[k], .scratch_dir = scratch});
        if (!t) continue;
        draw(s, "poisson", 1, NULL, first);
        draw(t, "poisson", 1, (int64_t[]){7, 50}, other);
        assert_memory_equal(first, other, sizeof first);
        draw(s, "standard_gamma", 1, NULL, first);
        draw(t, "standard_gamma", 1, (int64_t[]){7, 50}, other);
        assert_memory_equal(first, other, sizeof first);
        tsr_session_close(t);
    }
    tsr_session_close(s);
}

/* Slices draw what they show, in either direction. */
static void test_slices(void **state)
{
    static int64_t all[SIZE], part[ROWS];
    tsr_session *s = open_session(2, NULL);
    tsr_array *p[3];
    plain_parameters(s, "poisson", p);
    tsr_array *a = tsr_random(s, 11, "poisson", 1, p, TSR_I64, 2, (int64_t[]){ROWS, COLS}, NULL);
    assert_ok(tsr_compute_into(a, all, sizeof all));
    tsr_index items[2] = {{.kind = TSR_INDEX_SLICE, .has_step = true, .step = -1}, {.kind = TSR_INDEX_INTEGER, .start = 5}};
    assert_ok(tsr_compute_into(tsr_slice(a, 2, items), part, sizeof part));
    for (int i = 0; i < ROWS; i++) assert_int_equal(part[i], all[(ROWS - 1 - i) * COLS + 5]);
    tsr_session_close(s);
}

static void test_parameters(void **state)
{
    tsr_session *s = open_session(2, NULL);
    const double scales[3] = {0, 1e-3, 1e3};
    double out[4][3], nothing;
    tsr_array *three = tsr_from_memory(s, scales, TSR_F64, 1, (int64_t[]){3}, NULL, NULL, NULL, NULL);
    tsr_array *column = tsr_from_memory(s, scales + 1, TSR_F64, 2, (int64_t[]){2, 1}, NULL, NULL, NULL, NULL);
    tsr_array *a = tsr_random(s, 1, "exponential", 1, &three, TSR_F64, 2, (int64_t[]){4, 3}, (int64_t[]){3, 2});
    assert_ok(tsr_compute_into(a, out, sizeof out));
    assert_int_equal(tsr_n_chunks(a, 0), 2);
    for (int i = 0; i < 4; i++) assert_true(out[i][0] == 0 && out[i][1] > 0 && out[i][1] < 0.1 && out[i][2] > 0.1);
    /* Without a shape: that of the parameters together. Defaults for those that are left out. */
    a = tsr_random(s, 1, "normal", 1, &column, TSR_F32, -1, NULL, NULL);
    assert_true(tsr_ndim(a) == 2 && tsr_shape(a)[0] == 2 && tsr_shape(a)[1] == 1 && tsr_dtype_of(a) == TSR_F32);
    a = tsr_random(s, 1, "normal", 2, (tsr_array *[]){column, three}, TSR_F64, -1, NULL, NULL);
    assert_true(tsr_shape(a)[0] == 2 && tsr_shape(a)[1] == 3);
    a = tsr_random(s, 1, "standard_cauchy", 0, NULL, TSR_F64, -1, NULL, NULL);
    assert_int_equal(tsr_ndim(a), 0);
    assert_ok(tsr_compute_into(a, &nothing, sizeof nothing));
    /* A constant, and an array that holds it everywhere, give the same. */
    double one[3], two[3];
    tsr_array *fives = tsr_full(s, tsr_float(5), TSR_F64, 1, (int64_t[]){3}, NULL), *five = number(s, 5);
    assert_ok(tsr_compute_into(tsr_random(s, 4, "chisquare", 1, &five, TSR_F64, 1, (int64_t[]){3}, NULL), one, sizeof one));
    assert_ok(tsr_compute_into(tsr_random(s, 4, "chisquare", 1, &fives, TSR_F64, -1, NULL, NULL), two, sizeof two));
    assert_memory_equal(one, two, sizeof one);
    tsr_session_close(s);
}

static void test_mistakes(void **state)
{
    tsr_session *s = open_session(2, NULL);
    const int64_t shape[1] = {4};
    const double values[4] = {1, 2, -1, 3};
    tsr_array *minus = number(s, -1), *memory = tsr_from_memory(s, values, TSR_F64, 1, shape, NULL, NULL, NULL, NULL);
    double out[4];
    assert_null(tsr_random(s, 0, "gama", 0, NULL, TSR_F64, 1, shape, NULL));
    assert_string_equal(tsr_error_message(), "random: no distribution 'gama'");
    assert_null(tsr_random(s, 0, "gamma", 1, &minus, TSR_F64, 1, shape, NULL));
    assert_string_equal(tsr_error_message(), "gamma: shape < 0");
    assert_null(tsr_random(s, 0, "gamma", 1, &memory, TSR_F64, 1, shape, NULL));
    assert_string_equal(tsr_error_message(), "gamma: shape < 0");
    assert_null(tsr_random(s, 0, "gamma", 0, NULL, TSR_F64, 1, shape, NULL));
    assert_string_equal(tsr_error_message(), "gamma takes 2 parameters, 0 given");
    assert_null(tsr_random(s, 0, "rayleigh", 0, NULL, TSR_I64, 1, shape, NULL));
    assert_int_equal(tsr_error_code(), TSR_ERR_TYPE);
    assert_null(tsr_random(s, 0, "exponential", 1, &memory, TSR_F64, 1, (int64_t[]){3}, NULL));
    assert_null(tsr_random(s, 0, "exponential", 1, (tsr_array *[]){NULL}, TSR_F64, 1, shape, NULL));
    /* Known only when it is computed. */
    tsr_array *lazy = tsr_subtract(tsr_random_uniform(s, 3, 0, 1, TSR_F64, 1, shape, NULL), number(s, 2));
    assert_int_equal(tsr_compute_into(tsr_random(s, 0, "gamma", 1, &lazy, TSR_F64, 1, shape, NULL), out, sizeof out),
                     TSR_ERR_VALUE);
    assert_int_equal(tsr_compute_into(tsr_random(s, 0, "poisson", 1, &lazy, TSR_I64, 1, shape, NULL), out, sizeof out),
                     TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "out of the distribution's range"));
    tsr_array *good = tsr_negative(lazy);
    assert_ok(tsr_compute_into(tsr_random(s, 0, "gamma", 1, &good, TSR_F64, 1, shape, NULL), out, sizeof out));
    tsr_session_close(s);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void test_orders(void **state)
{
    enum { LENGTH = 5000 };
    static int64_t order[LENGTH], again[LENGTH];
    tsr_session *s = open_session(3, NULL);
    assert_ok(tsr_compute_into(tsr_random_permutation(s, 5, LENGTH, NULL), order, sizeof order));
    assert_ok(tsr_compute_into(tsr_random_permutation(s, 5, LENGTH, (int64_t[]){77}), again, sizeof again));
    assert_memory_equal(order, again, sizeof order);
    qsort(order, LENGTH, sizeof *order, compare);
    for (int64_t i = 0; i < LENGTH; i++) assert_int_equal(order[i], i);
    /* Long ones: sum and product over all show that nothing is there twice, as far as that goes. */
    const int64_t n = 2000000;
    int64_t sum, squares;
    tsr_array *many = tsr_random_permutation(s, 5, n, NULL);
    assert_ok(tsr_compute_into(tsr_sum(many, 0, NULL, false), &sum, sizeof sum));
    assert_ok(tsr_compute_into(tsr_sum(tsr_square(many), 0, NULL, false), &squares, sizeof squares));
    assert_int_equal(sum, n * (n - 1) / 2);
    assert_int_equal(squares, (n - 1) * n / 2 * (2 * n - 1) / 3);
    /* Each row in an order of its own, whatever the chunks. */
    static int64_t rows[40][30], others[40][30];
    tsr_array *x = tsr_reshape(tsr_arange_int(s, 0, 1200, 1, TSR_I64, NULL), 2, (int64_t[]){40, 30});
    assert_ok(tsr_compute_into(tsr_random_permuted(x, 8, 1), rows, sizeof rows));
    assert_ok(tsr_compute_into(tsr_random_permuted(tsr_rechunk(x, (int64_t[]){7, 11}), 8, 1), others, sizeof others));
    assert_memory_equal(rows, others, sizeof rows);
    int moved = 0;
    for (int64_t i = 0; i < 40; i++) {
        qsort(rows[i], 30, sizeof **rows, compare);
        for (int64_t k = 0; k < 30; k++) {
            assert_int_equal(rows[i][k], 30 * i + k);
            moved += others[i][k] != 30 * i + k;
        }
    }
    assert_true(moved > 1000);
    tsr_session_close(s);
}

static void test_choices(void **state)
{
    enum { DRAWN = 30000 };
    static int64_t drawn[DRAWN], again[DRAWN];
    tsr_session *s = open_session(3, NULL);
    const double p[4] = {0.5, 0, 0.3, 0.2};
    tsr_array *weights = tsr_from_memory(s, p, TSR_F64, 1, (int64_t[]){4}, NULL, NULL, NULL, NULL);
    const int64_t shape[1] = {DRAWN};
    assert_ok(tsr_compute_into(tsr_random_choice(s, 2, 4, weights, true, 1, shape, NULL), drawn, sizeof drawn));
    assert_ok(tsr_compute_into(tsr_random_choice(s, 2, 4, weights, true, 1, shape, (int64_t[]){999}), again, sizeof again));
    assert_memory_equal(drawn, again, sizeof drawn);
    int64_t counts[4] = {0};
    for (int i = 0; i < DRAWN; i++) counts[drawn[i]]++;
    for (int k = 0; k < 4; k++) assert_true(fabs((double)counts[k] - p[k] * DRAWN) <= 6 * sqrt(p[k] * (1 - p[k]) * DRAWN));
    /* Without replacement: three of three, in an order in which the likely ones tend to come first. */
    int first[4] = {0};
    for (uint64_t seed = 0; seed < 600; seed++) {
        int64_t three[3];
        assert_ok(tsr_compute_into(tsr_random_choice(s, seed, 4, weights, false, 1, (int64_t[]){3}, NULL), three, sizeof three));
        first[three[0]]++;
        qsort(three, 3, sizeof *three, compare);
        assert_true(three[0] == 0 && three[1] == 2 && three[2] == 3);
    }
    assert_true(abs(first[0] - 300) < 75 && first[1] == 0 && abs(first[2] - 180) < 70);
    assert_null(tsr_random_choice(s, 2, 4, weights, false, 1, (int64_t[]){4}, NULL));
    assert_null(tsr_random_choice(s, 2, 3, weights, true, 1, (int64_t[]){4}, NULL));
    assert_null(tsr_random_choice(s, 2, 0, NULL, true, 1, (int64_t[]){4}, NULL));
    tsr_session_close(s);
}

static void test_rows(void **state)
{
    enum { N = 4000 };
    static int64_t counts[N][3], again[N][3];
    static double parts[N][3], parts_again[N][3];
    tsr_session *s = open_session(3, NULL);
    const double p[3] = {0.2, 0.5, 0.3}, alpha[3] = {0.01, 2, 5};
    const int64_t colors[3] = {10, 20, 5};
    tsr_array *pvals = tsr_from_memory(s, p, TSR_F64, 1, (int64_t[]){3}, NULL, NULL, NULL, NULL);
    tsr_array *alphas = tsr_from_memory(s, alpha, TSR_F64, 1, (int64_t[]){3}, NULL, NULL, NULL, NULL);
    tsr_array *bag = tsr_from_memory(s, colors, TSR_I64, 1, (int64_t[]){3}, NULL, NULL, NULL, NULL);
    tsr_array *n = tsr_scalar_array(s, tsr_int(100));
    assert_ok(tsr_compute_into(tsr_random_multinomial(n, pvals, 3, 1, (int64_t[]){N}, NULL), counts, sizeof counts));
    assert_ok(tsr_compute_into(tsr_random_multinomial(n, pvals, 3, 1, (int64_t[]){N}, (int64_t[]){77}), again, sizeof again));
    assert_memory_equal(counts, again, sizeof counts);
    double sum[3] = {0};
    for (int i = 0; i < N; i++) {
        assert_int_equal(counts[i][0] + counts[i][1] + counts[i][2], 100);
        for (int k = 0; k < 3; k++) sum[k] += (double)counts[i][k];
    }
    for (int k = 0; k < 3; k++) assert_true(fabs(sum[k] / N - 100 * p[k]) < 6 * sqrt(100 * p[k] * (1 - p[k]) / N));
    assert_ok(tsr_compute_into(tsr_random_multivariate_hypergeometric(bag, 30, 3, 1, (int64_t[]){N}, (int64_t[]){100}), counts,
                               sizeof counts));
    for (int i = 0; i < N; i++) {
        assert_int_equal(counts[i][0] + counts[i][1] + counts[i][2], 30);
        for (int k = 0; k < 3; k++) assert_true(counts[i][k] >= 0 && counts[i][k] <= colors[k]);
    }
    assert_ok(tsr_compute_into(tsr_random_dirichlet(alphas, 3, 1, (int64_t[]){N}, NULL), parts, sizeof parts));
    assert_ok(tsr_compute_into(tsr_random_dirichlet(alphas, 3, 1, (int64_t[]){N}, (int64_t[]){9}), parts_again, sizeof parts));
    assert_memory_equal(parts, parts_again, sizeof parts);
    for (int i = 0; i < N; i++) assert_true(fabs(parts[i][0] + parts[i][1] + parts[i][2] - 1) < 1e-12);
    assert_null(tsr_random_multivariate_hypergeometric(bag, 36, 3, 1, (int64_t[]){N}, NULL));
    assert_null(tsr_random_dirichlet(tsr_negative(alphas), 3, 1, (int64_t[]){N}, NULL));
    assert_null(tsr_random_multinomial(tsr_negative(n), pvals, 3, 1, (int64_t[]){N}, NULL));
    tsr_session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SCRATCH_TEST(test_same_numbers), SCRATCH_TEST(test_slices), SCRATCH_TEST(test_parameters),
                                       SCRATCH_TEST(test_mistakes),     SCRATCH_TEST(test_orders), SCRATCH_TEST(test_choices),
                                       SCRATCH_TEST(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
