/* Many files as one: the order, the conversions and the complaints of join.c, on files that are written here. */
#include "dataset/join.h"

#include "dataset/dataset_testing.h"

#include <unistd.h>

static char folder[64];
static char paths[8][128];

static int open_all(void **state)
{
    snprintf(folder, sizeof folder, "%s/tessera-join-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder)) return -1;
    for (int i = 0; i < 8; i++) snprintf(paths[i], sizeof paths[i], "%s/%d.nc", folder, i);
    return open_session(state);
}

static int close_all(void **state)
{
    for (int i = 0; i < 8; i++) unlink(paths[i]);
    rmdir(folder);
    return close_session(state);
}

/* v(time, x) = 10 * time + x, in the i-th file. */
static void write_part(tsr_session *s, int i, int64_t n, const double *times, const char *units, const char *days, double x1)
{
    double values[64];
    const double x[] = {0, x1};
    for (int64_t t = 0; t < n; t++)
        for (int k = 0; k < 2; k++) values[2 * t + k] = 10 * times[t] + k;
    tsr_variable *v = tsr_variable_new("v", numbers(s, 2, (int64_t[]){n, 2}, values), (const char *const[]){"time", "x"});
    tsr_variable *time = axis_of(s, "time", n, times, units);
    if (days) time = tsr_variable_set_text(time, "calendar", days);
    v = made(tsr_variable_set_coord(tsr_variable_set_coord(v, "time", time), "x", axis_of(s, "x", 2, x, NULL)));
    tsr_dataset *ds = made(tsr_dataset_new(s));
    assert_ok(tsr_dataset_put(ds, NULL, v));
    assert_ok(tsr_dataset_write(ds, paths[i], NULL));
    tsr_dataset_release(ds);
}

static tsr_dataset *open_first(tsr_session *s, int n, const char *dim)
{
    const char *list[8];
    for (int i = 0; i < n; i++) list[i] = paths[i];
    return tsr_open_files(s, n, list, &(tsr_open_options){.concat_dim = dim});
}

static void test_order(void **state)
{
    tsr_session *s = *state;
    const char *units = "days since 2000-01-01";
    write_part(s, 0, 2, (double[]){5, 6}, units, NULL, 1);
    write_part(s, 1, 3, (double[]){0, 1, 2}, units, NULL, 1);
    write_part(s, 2, 1, (double[]){3.5}, units, NULL, 1);
    for (int i = 0; i < 2; i++) {
        tsr_dataset *ds = made(open_first(s, 3, i ? "time" : NULL));
        assert_values(tsr_dataset_get(ds, "time"), 6, (double[]){0, 1, 2, 3.5, 5, 6});
        assert_values(tsr_dataset_get(ds, "v"), 12, (double[]){0, 1, 10, 11, 20, 21, 35, 36, 50, 51, 60, 61});
        assert_values(tsr_dataset_get(ds, "x"), 2, (double[]){0, 1});
    }
}

static void test_units(void **state)
{
    tsr_session *s = *state;
    write_part(s, 0, 2, (double[]){0, 1}, "days since 2000-01-01", NULL, 1);
    write_part(s, 1, 2, (double[]){0, 12}, "hours since 2000-01-05", NULL, 1);
    tsr_dataset *ds = made(open_first(s, 2, NULL));
    assert_values(tsr_dataset_get(ds, "time"), 4, (double[]){0, 1, 4, 4.5});
    write_part(s, 1, 2, (double[]){0, 12}, "hours since 2000-01-05", "noleap", 1);
    assert_failed(open_first(s, 2, NULL), "the calendar of time is noleap and not standard");
    write_part(s, 1, 2, (double[]){4, 5}, "m", NULL, 1);
    assert_failed(open_first(s, 2, "time"), "the units of time are 'm' and not 'days since 2000-01-01'");
}

static void test_complaints(void **state)
{
    tsr_session *s = *state;
    const char *units = "days since 2000-01-01";
    write_part(s, 0, 2, (double[]){0, 1}, units, NULL, 1);
    write_part(s, 1, 2, (double[]){1, 2}, units, NULL, 1);
    assert_failed(open_first(s, 2, NULL),
                  "overlap along time: the first ends at time 2000-01-02, the second begins at 2000-01-02");
    write_part(s, 1, 2, (double[]){2, 3}, units, NULL, 1.5);
    assert_failed(open_first(s, 2, NULL), "coordinate x is 1.5 and not 1 at index 1");
    assert_non_null(strstr(tsr_error_message(), paths[1]));
    write_part(s, 1, 2, (double[]){0, 1}, units, NULL, 1);
    assert_failed(open_first(s, 2, NULL), "do not differ in any coordinate");
    assert_failed(open_first(s, 2, "tim"), "did you mean 'time'?");
    tsr_dataset *ds = made(open_first(s, 2, "member")); /* a new dimension */
    tsr_variable *v = made(tsr_dataset_get(ds, "v"));
    assert_values(v, 8, (double[]){0, 1, 10, 11, 0, 1, 10, 11});
    assert_string_equal(tsr_variable_dim(v, 0), "member");
    assert_failed(tsr_open_files(s, 0, NULL, NULL), "there are no files to open");
    unlink(paths[1]);
    assert_failed(open_first(s, 2, NULL), paths[1]);
}

/* The parts of join.c themselves. */
static void test_join(void **state)
{
    tsr_session *s = *state;
    file_meta metas[2];
    join j;
    double scale, offset;
    write_part(s, 0, 2, (double[]){48, 72}, "hours since 2000-01-01", NULL, 1);
    write_part(s, 1, 1, (double[]){1}, "days since 2000-01-01", NULL, 1);
    const char *list[] = {paths[0], paths[1]};
    assert_ok(meta_open_many(2, list, false, 2, metas));
    assert_ok(join_init(&j, 2, metas, NULL));
    assert_string_equal(j.dim, "time");
    assert_ptr_equal(j.files[0], &metas[1]); /* day 1 comes before hour 48 */
    assert_true(join_length(&j, 0) == 1 && join_length(&j, 1) == 2);
    int time = meta_find(j.files[0], "time"), x = meta_find(j.files[0], "x");
    assert_true(join_spreads(&j, time) && !join_spreads(&j, x));
    assert_true(join_time_conversion(&j, 1, time, &scale, &offset));
    assert_true(48 * scale + offset == 2 && 72 * scale + offset == 3);
    assert_false(join_time_conversion(&j, 0, time, &scale, &offset));
    assert_false(join_time_conversion(&j, 1, x, &scale, &offset));
    join_fini(&j);
    for (int i = 0; i < 2; i++) meta_close(&metas[i]);
}

/* Writing and reading back keeps names, labels, attributes and dates. */
static void test_written_and_read(void **state)
{
    tsr_session *s = *state;
    write_part(s, 0, 2, (double[]){0, 59}, "days since 2001-01-01", "360_day", 1);
    tsr_dataset *ds = made(open_first(s, 1, NULL));
    tsr_variable *time = made(tsr_variable_coord(tsr_dataset_get(ds, "v"), "time"));
    char text[40];
    assert_string_equal(tsr_variable_label_text(time, 1, text, sizeof text), "2001-02-30");
    assert_string_equal(tsr_variable_text(time, "calendar"), "360_day");
    assert_string_equal(tsr_dataset_text(ds, "Conventions"), "CF-1.8");
    char *summary = made(tsr_dataset_describe(ds));
    assert_non_null(strstr(summary, "time"));
    tsr_free(summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_written_and_read),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
