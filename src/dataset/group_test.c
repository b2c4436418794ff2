/* Groups by part of a date and by a coordinate, their labels and names; reductions by dimension name. */
#include "dataset/dataset_testing.h"

#include <math.h>

enum { N = 730 };

/* v(time) = 0, 1, 2 ... on every day of two years without leap days, from 2001-01-01. */
static tsr_variable *two_years(tsr_session *s)
{
    double days[N];
    for (int i = 0; i < N; i++) days[i] = i;
    tsr_variable *time = axis_of(s, "time", N, days, "days since 2001-01-01"), *v = line(s, "v", "time", N, days);
    v = tsr_variable_set_text(v, "units", "K");
    return made(tsr_variable_set_coord(v, "time", tsr_variable_set_text(time, "calendar", "noleap")));
}

static void test_months(void **state)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    tsr_variable *months = made(tsr_variable_group(two_years(*state), "time.month", "count"));
    double counts[12], means[12], names[12];
    for (int m = 0, day = 0; m < 12; day += length[m++]) {
        counts[m] = 2 * length[m];
        means[m] = day + (length[m] - 1) / 2.0 + 365 / 2.0;
        names[m] = m + 1;
    }
    assert_values(months, 12, counts);
    assert_string_equal(tsr_variable_dim(months, 0), "month");
    assert_values(tsr_variable_coord(months, "month"), 12, names);
    assert_null(variable_find_coord(months, "time"));
    tsr_variable *mean = made(tsr_variable_group(two_years(*state), "time.month", "mean"));
    assert_values(mean, 12, means);
    assert_string_equal(tsr_variable_text(mean, "units"), "K");
    assert_string_equal(tsr_variable_text(mean, "cell_methods"), "time: mean");
    assert_null(tsr_variable_text(months, "units")); /* a count is no temperature */
}

static void test_seasons(void **state)
{
    tsr_variable *seasons = made(tsr_variable_group(two_years(*state), "time.season", "count"));
    assert_values(seasons, 4, (double[]){180, 184, 184, 182});
    tsr_variable *season = made(tsr_variable_coord(seasons, "season"));
    assert_values(season, 4, (double[]){1, 4, 7, 10});
    static const char *const names[] = {"DJF", "MAM", "JJA", "SON"};
    char text[40];
    for (int i = 0; i < 4; i++) assert_string_equal(tsr_variable_label_text(season, i, text, sizeof text), names[i]);
    assert_string_equal(tsr_variable_text(season, "flag_meanings"), "DJF MAM JJA SON");
    assert_values(tsr_variable_select(seasons, "season", (tsr_label){"DJF", 0}, false), 1, (double[]){180});
    tsr_label from = {"MAM", 0}, to = {"SON", 0};
    assert_values(tsr_variable_select_range(seasons, "season", &from, &to), 3, (double[]){184, 184, 182});
    assert_failed(tsr_variable_select(seasons, "season", (tsr_label){"MAN", 0}, false),
                  "there is no value 'MAN'; did you mean 'MAM'?");
}

static void test_other_parts(void **state)
{
    static const struct {
        const char *by;
        int64_t n;
        double first, last;
    } cases[] = {{"time.year", 2, 2001, 2002},    {"time.quarter", 4, 1, 4}, {"time.day", 31, 1, 31},
                 {"time.dayofyear", 365, 1, 365}, {"time.weekday", 7, 0, 6}, {"time.hour", 1, 0, 0},
                 {"time.minute", 1, 0, 0},        {"time.second", 1, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_variable *g = made(tsr_variable_group(two_years(*state), cases[i].by, "sum"));
        int64_t n;
        const double *found = tsr_variable_labels(tsr_variable_coord(g, tsr_variable_dim(g, 0)), &n);
        assert_int_equal(n, cases[i].n);
        assert_true(found[0] == cases[i].first && found[n - 1] == cases[i].last);
        assert_values(tsr_variable_reduce(g, "sum", 0, NULL, 0, false), 1,
                      (double[]){N * (N - 1) / 2.0}); /* nobody is left out */
    }
}

static void test_anomaly(void **state)
{
    tsr_variable *v = two_years(*state), *a = made(tsr_variable_anomaly(v, "time.dayofyear", "mean"));
    double want[N];
    for (int i = 0; i < N; i++) want[i] = i < 365 ? -182.5 : 182.5;
    assert_values(a, N, want);
    assert_non_null(variable_find_coord(a, "time"));
    assert_string_equal(tsr_variable_text(a, "units"), "K");
}

static void test_by_coordinate(void **state)
{
    static const double kinds[] = {2.5, 1, NAN, 1, 2.5, 1}, values[] = {1, 2, 4, 8, 16, 32};
    tsr_variable *v = line(*state, "v", "x", 6, values);
    v = made(tsr_variable_set_coord(v, "kind", line(*state, "kind", "x", 6, kinds)));
    tsr_variable *g = made(tsr_variable_group(v, "kind", "sum"));
    assert_values(g, 2, (double[]){42, 17});
    assert_values(tsr_variable_coord(g, "kind"), 2, (double[]){1, 2.5});
    assert_failed(tsr_variable_anomaly(v, "kind", "mean"), "label 2 along x is NaN");
}

/* Days of two years without leap days, put together. */
static void test_periods(void **state)
{
    static const struct {
        const char *period;
        int64_t n;
        double first_length, last_length, second_label;
    } cases[] = {{"year", 2, 365, 365, 365},   {"quarter", 8, 90, 92, 90},     {"season", 9, 59, 31, 59},
                 {"month", 24, 31, 31, 31},    {"6 months", 4, 181, 184, 181}, {"day", 730, 1, 1, 1},
                 {"100days", 8, 100, 30, 100}, {"hours", 730, 1, 1, 1},        {"48hour", 365, 2, 2, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_variable *v = two_years(*state), *counts = made(tsr_variable_resample(v, "time", cases[i].period, "count"));
        int64_t n = tsr_variable_shape(counts)[0], n_labels;
        const double *starts = tsr_variable_labels(tsr_variable_coord(counts, "time"), &n_labels);
        double lengths[N];
        assert_int_equal(n, cases[i].n);
        assert_int_equal(n_labels, n);
        assert_int_equal(tsr_compute_into(tsr_astype(tsr_variable_array(counts), TSR_F64), lengths, sizeof *lengths * (size_t)n),
                         TSR_OK);
        assert_true(lengths[0] == cases[i].first_length && lengths[n - 1] == cases[i].last_length);
        assert_true(starts[1] == cases[i].second_label);
    }
    tsr_variable *seasons = made(tsr_variable_resample(two_years(*state), "time", "season", "mean"));
    char text[40];
    tsr_variable *time = made(tsr_variable_coord(seasons, "time"));
    assert_string_equal(tsr_variable_label_text(time, 0, text, sizeof text), "2000-12-01"); /* where the first winter begins */
    assert_string_equal(tsr_variable_text(time, "calendar"), "noleap");
    assert_string_equal(tsr_variable_text(seasons, "units"), "K");
    assert_string_equal(tsr_variable_text(seasons, "cell_methods"), "time: mean");
    /* A reduction of each period alone, by way of months of different lengths. */
    tsr_variable *months = made(tsr_variable_resample(two_years(*state), "time", "month", "max"));
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    double want[24];
    for (int m = 0, end = 0; m < 24; m++) want[m] = (end += length[m % 12]) - 1;
    assert_values(months, 24, want);
}

/* Labels in any order, gaps and labels that are no dates. */
static void test_scattered_periods(void **state)
{
    static const double days[] = {70, 0, NAN, 31, 1, 400}, values[] = {1, 2, 4, 8, 16, 32};
    tsr_variable *v = line(*state, "v", "time", 6, values);
    v = made(tsr_variable_set_coord(v, "time", axis_of(*state, "time", 6, days, "days since 2001-01-01")));
    tsr_variable *months = made(tsr_variable_resample(v, "time", "month", "sum"));
    assert_values(months, 4, (double[]){18, 8, 1, 32});
    assert_values(tsr_variable_coord(months, "time"), 4, (double[]){0, 31, 59, 396});
}

static void test_rolling(void **state)
{
    static const double x[] = {1, 2, 4, 8, 16};
    tsr_variable *v = line(*state, "v", "x", 5, x);
    assert_values(tsr_variable_rolling(v, "x", 3, false, "sum"), 5, (double[]){NAN, NAN, 7, 14, 28});
    assert_values(tsr_variable_rolling(v, "x", 3, true, "sum"), 5, (double[]){NAN, 7, 14, 28, NAN});
    assert_values(tsr_variable_rolling(v, "x", 4, true, "max"), 5, (double[]){NAN, NAN, 8, 16, NAN});
    assert_values(tsr_variable_rolling(v, "x", 1, false, "mean"), 5, x);
    assert_values(tsr_variable_rolling(v, "x", 5, false, "min"), 5, (double[]){NAN, NAN, NAN, NAN, 1});
    tsr_variable *year = made(tsr_variable_rolling(two_years(*state), "time", 365, false, "mean"));
    assert_non_null(variable_find_coord(year, "time"));
    assert_string_equal(tsr_variable_text(year, "units"), "K");
    assert_failed(tsr_variable_rolling(v, "x", 6, false, "mean"),
                  "a window of 6 does not fit into dimension x of 'v', which has length 5");
    assert_failed(tsr_variable_rolling(v, "x", 0, false, "mean"), "a window of 0");
    assert_failed(tsr_variable_rolling(v, "y", 2, false, "mean"), "'y'");
    assert_null(tsr_variable_rolling(NULL, "x", 2, false, "mean"));
}

static void test_misuse(void **state)
{
    tsr_variable *v = two_years(*state);
    assert_failed(tsr_variable_group(v, "time.mouth", "mean"), "did you mean 'month'");
    assert_failed(tsr_variable_group(v, "tiem.month", "mean"), "did you mean 'time'");
    assert_failed(tsr_variable_group(v, "time.month", "meen"), "did you mean 'mean'");
    assert_failed(tsr_variable_group(line(*state, "w", "x", 1, (double[]){1}), "x.month", "mean"), "no coordinate");
    assert_failed(tsr_variable_reduce(v, "mean", 1, (const char *const[]){"times"}, 0, false), "did you mean 'time'");
    assert_failed(tsr_variable_reduce(v, "mean", 2, (const char *const[]){"time", "0"}, 0, false), "named twice");
    assert_null(tsr_variable_group(NULL, "time.month", "mean"));
    assert_failed(tsr_variable_resample(v, "time", "mouth", "mean"), "'mouth' is no period of time; did you mean 'month'?");
    assert_failed(tsr_variable_resample(v, "time", "0 days", "mean"), "its number must lie between 1 and");
    assert_failed(tsr_variable_resample(v, "time", "99999999999999999999 days", "mean"), "its number must lie between 1 and");
    assert_failed(tsr_variable_resample(v, "tiem", "month", "mean"), "did you mean 'time'");
    assert_failed(tsr_variable_resample(v, "time", "month", "meen"), "did you mean 'mean'");
    assert_failed(tsr_variable_resample(tsr_variable_group(v, "time.month", "mean"), "month", "month", "mean"),
                  "is not a time coordinate");
}

/* Operands meet by name; a weight along one dimension goes along. */
static void test_weighted_mean(void **state)
{
    tsr_session *s = *state;
    static const double x[] = {1, 2, 3, 4, NAN, 6};
    tsr_variable *v = tsr_variable_new("v", numbers(s, 2, (int64_t[]){2, 3}, x), (const char *const[]){"time", "lat"});
    tsr_variable *w = line(s, "w", "lat", 3, (double[]){1, 2, 1});
    assert_values(tsr_variable_weighted_mean(v, w, 1, (const char *const[]){"lat"}), 2, (double[]){2, 5});
    assert_values(tsr_variable_weighted_mean(v, w, 0, NULL), 1, (double[]){18.0 / 6});
    tsr_variable *none = line(s, "none", "lat", 3, (double[]){0, 2, 0});
    assert_values(tsr_variable_weighted_mean(v, none, 1, (const char *const[]){"lat"}), 2, (double[]){2, NAN});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_months),        cmocka_unit_test(test_seasons),       cmocka_unit_test(test_other_parts),
        cmocka_unit_test(test_anomaly),       cmocka_unit_test(test_by_coordinate), cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_weighted_mean), cmocka_unit_test(test_periods),       cmocka_unit_test(test_scattered_periods),
        cmocka_unit_test(test_rolling),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
