/* Picking positions and labels, against the same done by loops over lists of numbers. */
#include "dataset/pick.h"

#include "dataset/dataset_testing.h"

#include <math.h>

enum { N = 7 };
static const double values[N] = {10, 11, 12, 13, 14, 15, 16}, places[N] = {80, 60, 40, 20, 0, -20, -40};

/* v(y) with y descending, and an auxiliary coordinate along y. */
static tsr_variable *example(tsr_session *s)
{
    tsr_variable *v = line(s, "v", "y", N, values);
    v = made(tsr_variable_set_coord(v, "y", axis_of(s, "y", N, places, "degrees_north")));
    double twice[N];
    for (int i = 0; i < N; i++) twice[i] = 2 * places[i];
    return made(tsr_variable_set_coord(v, "z", line(s, "z", "y", N, twice)));
}

static void assert_picked(tsr_variable *v, int64_t n, const int64_t *at)
{
    double want[3 * N], place[3 * N], auxiliary[3 * N];
    for (int64_t i = 0; i < n; i++) {
        want[i] = values[at[i]];
        place[i] = places[at[i]];
        auxiliary[i] = 2 * places[at[i]];
    }
    assert_values(v, n, want);
    assert_values(tsr_variable_coord(v, "y"), n, place);
    assert_values(tsr_variable_coord(v, "z"), n, auxiliary);
}

static void test_lists_that_are_progressions(void **state)
{
    static const int64_t up[] = {2, 4, 6}, down[] = {5, 4, 3}, same[] = {3, 3}, any[] = {1, 2, 4}, one[] = {6};
    pick p = pick_list(3, up);
    assert_true(!p.indices && p.start == 2 && p.step == 2 && p.n == 3);
    p = pick_list(3, down);
    assert_true(!p.indices && p.start == 5 && p.step == -1 && p.n == 3);
    p = pick_list(2, same);
    assert_ptr_equal(p.indices, same);
    p = pick_list(3, any);
    assert_ptr_equal(p.indices, any);
    p = pick_list(1, one);
    assert_true(!p.indices && p.start == 6 && p.n == 1);
    p = pick_list(0, NULL);
    assert_true(!p.indices && p.n == 0);
}

/* Python's rule for slices, spelt out. */
static int64_t slice_positions(bool has_start, int64_t start, bool has_stop, int64_t stop, int64_t step, int64_t *out)
{
    int64_t n = 0, low = step > 0 ? 0 : -1, high = step > 0 ? N : N - 1;
    int64_t first = has_start ? (start < 0 ? start + N : start) : (step > 0 ? low : high);
    int64_t end = has_stop ? (stop < 0 ? stop + N : stop) : (step > 0 ? high : low);
    first = first < low ? low : first > high ? high : first;
    end = end < low ? low : end > high ? high : end;
    for (int64_t i = first; step > 0 ? i < end : i > end; i += step) out[n++] = i;
    return n;
}

static void test_slices(void **state)
{
    tsr_variable *v = example(*state);
    static const int64_t steps[] = {1, 2, 5, 100, -1, -2, -100, INT64_MAX, -INT64_MAX};
    for (int64_t start = -9; start <= 10; start++)
        for (int64_t stop = -9; stop <= 10; stop++)
            for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
                bool has_start = start < 10, has_stop = stop < 10; /* 10 stands for none */
                int64_t at[N], step = steps[k];
                if (step > N || step < -N) step = step > 0 ? 100 : -100; /* the loop above must not overflow */
                int64_t n = slice_positions(has_start, start, has_stop, stop, step, at);
                tsr_variable *got = tsr_variable_slice(v, "y", has_start ? &start : NULL, has_stop ? &stop : NULL, steps[k]);
                assert_picked(made(got), n, at);
                tsr_variable_release(got);
            }
    assert_failed(tsr_variable_slice(v, "y", NULL, NULL, 0), "step of a slice cannot be 0");
}

static void test_takes_and_indices(void **state)
{
    tsr_variable *v = example(*state);
    assert_picked(made(tsr_variable_take(v, "y", 4, (int64_t[]){3, -1, 3, 0})), 4, (int64_t[]){3, 6, 3, 0});
    assert_picked(made(tsr_variable_take(v, "y", 3, (int64_t[]){6, 4, 2})), 3, (int64_t[]){6, 4, 2});
    assert_picked(made(tsr_variable_take(v, "0", 0, NULL)), 0, NULL);
    assert_failed(tsr_variable_take(v, "y", 2, (int64_t[]){0, 7}),
                  "index 7 is out of range for dimension y of 'v', which has length 7");
    tsr_variable *one = made(tsr_variable_index(v, "y", -2));
    assert_int_equal(tsr_variable_ndim(one), 0);
    assert_values(one, 1, (double[]){15});
    assert_values(tsr_variable_coord(one, "y"), 1, (double[]){-20});
    assert_failed(tsr_variable_index(v, "y", -8), "index -8 is out of range");
    assert_null(tsr_variable_index(NULL, "y", 0));
}

static void test_labels(void **state)
{
    tsr_variable *v = example(*state);
    assert_values(tsr_variable_select(v, "y", (tsr_label){NULL, 40}, false), 1, (double[]){12});
    assert_values(tsr_variable_select(v, "y", (tsr_label){NULL, 45}, true), 1, (double[]){12});
    assert_values(tsr_variable_select(v, "z", (tsr_label){NULL, 80}, false), 1, (double[]){12}); /* by the auxiliary coordinate */
    assert_failed(tsr_variable_select(v, "y", (tsr_label){NULL, 45}, false), "the nearest is 40");
    assert_failed(tsr_variable_select(v, "y", (tsr_label){"2000", 0}, false), "whose values are numbers");
    tsr_label low = {NULL, -20}, high = {NULL, 40};
    assert_picked(tsr_variable_select_range(v, "y", &low, &high), 4, (int64_t[]){2, 3, 4, 5});
    assert_picked(tsr_variable_select_range(v, "y", &high, &low), 4, (int64_t[]){2, 3, 4, 5});
    assert_picked(tsr_variable_select_range(v, "y", &high, NULL), 5, (int64_t[]){2, 3, 4, 5, 6});
    assert_picked(tsr_variable_select_range(v, "y", NULL, &high), 3, (int64_t[]){0, 1, 2});
    assert_picked(tsr_variable_select_list(v, "y", 2, (tsr_label[]){low, high}, false), 2, (int64_t[]){5, 2});
    assert_failed(tsr_variable_select_range(v, "y", &(tsr_label){NULL, 41}, &(tsr_label){NULL, 59}), "goes from -40 to 80");
}

static void test_dates(void **state)
{
    static const double days[] = {0, 30, 31, 59.5, 400};
    tsr_variable *v = line(*state, "v", "time", 5, (double[]){0, 1, 2, 3, 4});
    v = made(tsr_variable_set_coord(v, "time", axis_of(*state, "time", 5, days, "days since 2001-01-01")));
    assert_values(tsr_variable_select(v, "time", (tsr_label){"2001", 0}, false), 4, (double[]){0, 1, 2, 3});
    assert_values(tsr_variable_select(v, "time", (tsr_label){"2001-01", 0}, false), 2, (double[]){0, 1});
    assert_values(tsr_variable_select(v, "time", (tsr_label){"2001-03-01T12", 0}, false), 1, (double[]){3});
    assert_values(tsr_variable_select(v, "time", (tsr_label){"2001-02-05", 0}, true), 1, (double[]){2});
    tsr_label first = {"2001-01-31", 0}, last = {"2001-03-01", 0};
    assert_values(tsr_variable_select_range(v, "time", &first, &last), 3, (double[]){1, 2, 3});
    assert_failed(tsr_variable_select(v, "time", (tsr_label){"2001-02-29", 0}, false), "2001-02-29");
    assert_failed(tsr_variable_select(v, "time", (tsr_label){"1999", 0}, false), "goes from 2001-01-01 to 2002-02-05");
}

/* A date that is missing is in no range. */
static void test_missing_dates(void **state)
{
    static const double days[] = {0, NAN, 31, 40};
    tsr_variable *v = line(*state, "v", "time", 4, (double[]){0, 1, 2, 3});
    v = made(tsr_variable_set_coord(v, "time", axis_of(*state, "time", 4, days, "days since 2001-01-01")));
    tsr_label january = {"2001-01", 0}, february = {"2001-02", 0};
    assert_values(tsr_variable_select(v, "time", january, false), 1, (double[]){0});
    assert_values(tsr_variable_select_range(v, "time", &january, NULL), 3, (double[]){0, 2, 3});
    assert_values(tsr_variable_select_range(v, "time", NULL, &february), 3, (double[]){0, 2, 3});
    assert_values(tsr_variable_select_list(v, "time", 1, &february, false), 1, (double[]){2});
    assert_values(tsr_variable_group(v, "time.month", "sum"), 2, (double[]){0, 5});
    assert_failed(tsr_variable_anomaly(v, "time.month", "mean"), "label 1 along time is NaN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_that_are_progressions),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_takes_and_indices),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_missing_dates),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
