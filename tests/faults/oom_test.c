/* The out-of-memory sweep: small computations in which the n-th allocation fails, for n = 1, 2, 3 ... until none is left to fail.
 * Each time the computation must come out right (what failed was not needed) or end with a clear error, and leave no file behind.
 * Leaks are the leak sanitizer's business, which looks at the end of this program in the build that has it. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

#include <math.h>

enum { ROWS = 24, COLS = 40 };

static double numbers[ROWS * COLS];
static char output[300], inputs[2][300]; /* a file that is written, files that are read */

/* ---- The sweep ---------------------------------------------------------------------------------------------------- */

/* Builds and runs a computation in a session of its own; *value is what must come out the same each time. */
typedef tsr_status (*attempt)(tsr_session *s, double *value);

static tsr_status run_once(attempt try, const tsr_options *options, double *value)
{
    tsr_session *s = tsr_session_open(NULL, options);
    if (!s) return tsr_error_code();
    tsr_status status = try(s, value);
    tsr_session_close(s);
    return status;
}

static void check_failure(long n, tsr_status status)
{
    const char *text = tsr_error_message();
    bool clear = status == TSR_ERR_MEMORY ? strstr(text, "memory") != NULL : strstr(text, "cannot start a thread") != NULL;
    if (!clear) fail_msg("allocation %ld failed: %s '%s'", n, tsr_status_name(status), text);
    if (access(output, F_OK) == 0) fail_msg("allocation %ld failed (%s), but there is an output file", n, text);
}

static void sweep_with(attempt try, int n_threads, size_t memory_bytes)
{
    tsr_options options = {.n_threads = n_threads, .memory_bytes = memory_bytes, .scratch_dir = scratch};
    double want = 0, got = 0;
    assert_ok(run_once(try, &options, &want));
    unlink(output);
    int n_files = scratch_count();
    long n_failed = 0;
    for (long n = 1;; n++) {
        tsr_error_clear();
        mem_fail_at(n);
        tsr_status status = run_once(try, &options, &got);
        bool injected = mem_fail_at(0) >= n;
        n_failed += status != TSR_OK;
        if (status != TSR_OK) check_failure(n, status);
        if (status == TSR_OK && memcmp((const void *)&got, (const void *)&want, sizeof got) != 0)
            fail_msg("allocation %ld: %.17g, not %.17g", n, got, want);
        unlink(output);
        if (scratch_count() != n_files) fail_msg("allocation %ld failed (%s): a file is left", n, tsr_error_message());
        if (!injected) {
            assert_int_equal(status, TSR_OK);
            break;
        }
    }
    assert_true(n_failed > 10); /* the injector reached the library */
}

static void sweep(attempt try)
{
    sweep_with(try, 1, (size_t)64 << 20);
    sweep_with(try, 2, (size_t)64 << 20);
}

/* ---- Arrays ------------------------------------------------------------------------------------------------------- */

static tsr_array *matrix(tsr_session *s)
{
    return tsr_from_memory(s, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){7, 16});
}

static tsr_array *zscore(tsr_array *x)
{
    const int axis[] = {0};
    return tsr_divide(tsr_subtract(x, tsr_mean(x, 1, axis, false)), tsr_std(x, 1, axis, false, 0));
}

/* The sum of an array's values, which must not be NaN. */
static tsr_status total(tsr_array *a, double *value)
{
    TRY(tsr_compute_into(tsr_sum(tsr_astype(a, TSR_F64), 0, NULL, false), value, sizeof *value));
    return TSR_OK;
}

static tsr_status try_zscore(tsr_session *s, double *value) { return total(tsr_abs(zscore(matrix(s))), value); }

static tsr_status try_structure(tsr_session *s, double *value)
{
    tsr_array *x = matrix(s), *joined = tsr_concatenate(3, (tsr_array *[]){x, tsr_flip(x, 0, NULL), x}, 0);
    tsr_array *padded = tsr_pad(joined, (int64_t[]){1, 2, 3, 0}, "reflect", tsr_float(0));
    tsr_array *taken = tsr_take(padded, 5, (int64_t[]){3, 3, -1, 0, 60}, 0);
    tsr_array *rolled = tsr_roll(tsr_transpose(taken, NULL), 1, (int64_t[]){3}, (int[]){1});
    return total(tsr_reshape(tsr_rechunk(rolled, (int64_t[]){5, 3}), 2, (int64_t[]){5, -1}), value);
}

static tsr_status try_reductions(tsr_session *s, double *value)
{
    tsr_array *x = matrix(s);
    const int axis[] = {1};
    tsr_bins bins = {10, 0, 1000, NULL};
    tsr_array *outs[] = {tsr_argmax(x, 1, axis, false),
                         tsr_cumsum(x, 0),
                         tsr_histogram(x, &bins, false),
                         tsr_median(x, 1, axis, false),
                         tsr_random_normal(s, 3, 0, 1, TSR_F64, 1, (int64_t[]){100}, (int64_t[]){9}),
                         tsr_where(tsr_greater(x, tsr_scalar_like(x, tsr_float(5))), x, tsr_negative(x))};
    enum { N = sizeof outs / sizeof *outs };
    double sums[N] = {0};
    void *places[N];
    for (int i = 0; i < N; i++) {
        outs[i] = tsr_sum(tsr_astype(outs[i], TSR_F64), 0, NULL, false);
        places[i] = &sums[i];
    }
    TRY(tsr_compute(N, outs, places));
    *value = 0;
    for (int i = 0; i < N; i++) *value += sums[i];
    return TSR_OK;
}

/* Lists, masks that are counted, and assignment. */
static tsr_status try_indexing(tsr_session *s, double *value)
{
    tsr_array *x = matrix(s), *high = tsr_greater(x, tsr_scalar_like(x, tsr_float(500)));
    int64_t places[] = {7, 3, 3, -1}, four = 4;
    tsr_index items[] = {{.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = &four, .indices = places}, {.has_step = true, .step = -3}},
              mask = {.kind = TSR_INDEX_MASK, .mask = high};
    tsr_array *y = tsr_setitem(x, 2, items, tsr_getitem(tsr_negative(x), 2, items)), *some = tsr_getitem(y, 1, &mask);
    tsr_array *z = tsr_setitem(y, 1, &mask, tsr_sqrt(tsr_abs(some))), *mean = tsr_mean(some, 0, NULL, false);
    return total(tsr_abs(tsr_add(tsr_vindex(z, 1, items), mean)), value);
}

/* Distributions with arrays as parameters, some of them lazy; rows, orders, choices. */
static tsr_status try_random(tsr_session *s, double *value)
{
    static const double p[4] = {0.1, 0.2, 0.3, 0.4};
    const int64_t four[1] = {4}, rows[1] = {30}, chunks[1] = {7};
    tsr_array *weights = tsr_from_memory(s, p, TSR_F64, 1, four, NULL, NULL, NULL, NULL), *n = tsr_scalar_array(s, tsr_int(50));
    tsr_array *lazy = tsr_random_uniform(s, 1, 1, 2, TSR_F64, 1, four, NULL), *pair[] = {weights, lazy};
    tsr_array *outs[] = {tsr_random(s, 1, "gamma", 2, pair, TSR_F64, 2, (int64_t[]){9, 4}, (int64_t[]){5, 3}),
                         tsr_random(s, 1, "poisson", 1, &lazy, TSR_I64, -1, NULL, NULL),
                         tsr_random(s, 1, "wald", 2, pair, TSR_F64, -1, NULL, NULL),
                         tsr_random_dirichlet(weights, 1, 1, rows, chunks),
                         tsr_random_multinomial(n, weights, 1, 1, rows, chunks),
                         tsr_random_permutation(s, 1, 100, chunks),
                         tsr_random_permuted(matrix(s), 1, 0),
                         tsr_random_choice(s, 1, 4, weights, true, 1, rows, chunks),
                         tsr_random_choice_of(weights, 1, weights, false, 1, (int64_t[]){3}, NULL)};
    enum { N = sizeof outs / sizeof *outs };
    double sums[N] = {0};
    void *places[N];
    for (int i = 0; i < N; i++) {
        outs[i] = tsr_sum(tsr_astype(outs[i], TSR_F64), 0, NULL, false);
        places[i] = &sums[i];
    }
    TRY(tsr_compute(N, outs, places));
    *value = 0;
    for (int i = 0; i < N; i++) *value += sums[i];
    return TSR_OK;
}

static tsr_status try_persist(tsr_session *s, double *value)
{
    tsr_array *pair[] = {zscore(matrix(s)), tsr_sqrt(tsr_abs(matrix(s)))}, *kept[2];
    TRY(tsr_persist(2, pair, kept));
    return total(tsr_add(tsr_abs(kept[0]), kept[1]), value);
}

/* More than the budget of 4 MiB: most of it is spilled and read back. */
static tsr_status try_spill(tsr_session *s, double *value)
{
    tsr_array *x = tsr_random_uniform(s, 5, 0, 1, TSR_F64, 2, (int64_t[]){160 * 64, 128}, (int64_t[]){64, 128});
    tsr_array *kept;
    tsr_stats stats;
    TRY(tsr_persist(1, &x, &kept));
    TRY(tsr_run_stats(s, &stats));
    if (stats.bytes_spilled == 0) return tsr_error_code(); /* nothing was tested: the first run fails by this */
    return total(kept, value);
}

static tsr_status try_showing(tsr_session *s, double *value)
{
    tsr_array *z = zscore(matrix(s));
    char *texts[] = {tsr_explain(1, &z), tsr_visualize(1, &z, "expression", "dot"), tsr_visualize(1, &z, "plan", "svg")};
    tsr_status status = TSR_OK;
    *value = 0;
    for (int i = 0; i < 3; i++) {
        if (!texts[i] && status == TSR_OK) status = tsr_error_code();
        if (texts[i]) *value += (double)strlen(texts[i]);
        tsr_free(texts[i]);
    }
    return status;
}

static tsr_status try_trace(tsr_session *s, double *value)
{
    TRY(tsr_trace_to(s, output));
    tsr_status status = total(zscore(matrix(s)), value), closed = tsr_trace_to(s, NULL);
    unlink(output);
    return status == TSR_OK ? closed : status;
}

static void test_compute(void **state)
{
    sweep(try_zscore);
    sweep(try_structure);
    sweep(try_reductions);
    sweep(try_indexing);
    sweep(try_random);
}
static void test_persist(void **state) { sweep(try_persist); }
static void test_spill(void **state) { sweep_with(try_spill, 2, (size_t)4 << 20); }
static void test_showing(void **state) { sweep(try_showing); }
static void test_trace(void **state)
{
    snprintf(output, sizeof output, "%s/trace.json", scratch);
    sweep(try_trace);
}

/* ---- Files -------------------------------------------------------------------------------------------------------- */

static tsr_status try_store(tsr_session *s, double *value)
{
    tsr_array *x = matrix(s), *pair[] = {zscore(x), tsr_astype(x, TSR_F32)};
    const char *dot = strrchr(output, '.');
    *value = 1;
    return tsr_store(strcmp(dot, ".npy") == 0 ? 1 : 2, pair, NULL, output, NULL);
}

static tsr_status try_open(tsr_session *s, double *value)
{
    return total(tsr_open(s, inputs[0], strstr(inputs[0], ".npy") ? NULL : "data", NULL), value);
}

static void name_files(const char *extension)
{
    snprintf(output, sizeof output, "%s/out.%s", scratch, extension);
    for (int i = 0; i < 2; i++) snprintf(inputs[i], sizeof inputs[i], "%s/in_%d.%s", scratch, i, extension);
}

static void sweep_format(const char *extension)
{
    name_files(extension);
    sweep(try_store);
    char kept[sizeof output];
    memcpy(kept, output, sizeof kept);
    memcpy(output, inputs[0], sizeof output); /* written once, then read */
    double value;
    assert_ok(run_once(try_store, NULL, &value));
    memcpy(output, kept, sizeof output);
    sweep(try_open);
}

static void test_npy(void **state) { sweep_format("npy"); }
static void test_netcdf3(void **state) { sweep_format("nc"); }
static void test_netcdf4(void **state) { sweep_format("nc4"); }

/* ---- Datasets ----------------------------------------------------------------------------------------------------- */

/* One of two files of a series: t(time 6, x 5) with packed values and dates. */
static tsr_status write_input(tsr_session *s, int number)
{
    const char *dims[] = {"time", "x"};
    tsr_array *t = tsr_arange_int(s, 30 * number, 30 * number + 30, 1, TSR_I16, NULL);
    tsr_variable *v = tsr_variable_new("t", tsr_reshape(t, 2, (int64_t[]){6, 5}), dims);
    tsr_variable *time = tsr_variable_new("time", tsr_arange(s, 20.0 * number, 20.0 * number + 20, 3.5, TSR_F64, NULL), dims);
    time = tsr_variable_set_text(time, "units", "days since 2001-01-01");
    v = tsr_variable_set_coord(v, "time", time);
    tsr_dataset *d = tsr_dataset_new(s);
    TRY(tsr_dataset_put(d, NULL, v));
    return tsr_dataset_write(d, inputs[number], NULL);
}

static tsr_status try_dataset(tsr_session *s, double *value)
{
    const char *paths[] = {inputs[1], inputs[0]};
    tsr_dataset *in = tsr_open_files(s, 2, paths, NULL), *out = tsr_dataset_new(s);
    if (!in || !out) return tsr_error_code();
    tsr_variable *t = tsr_dataset_get(in, "t");
    tsr_variable *january = tsr_variable_select(t, "time", (tsr_label){"2001-01", 0}, false);
    tsr_variable *range = tsr_variable_select_range(t, "time", &(tsr_label){"2001-01-03", 0}, NULL);
    tsr_variable *mean = tsr_variable_reduce(january, "mean", 1, (const char *[]){"time"}, 0, false);
    tsr_variable *months = tsr_variable_group(range, "time.month", "mean");
    tsr_variable *anomaly = tsr_variable_anomaly(t, "time.month", "mean");
    tsr_variable *periods = tsr_variable_resample(t, "time", "2 days", "mean");
    tsr_variable *running = tsr_variable_rolling(t, "time", 3, true, "mean");
    TRY(tsr_dataset_put(out, "january", mean));
    TRY(tsr_dataset_put(out, "months", months));
    TRY(tsr_dataset_put(out, "anomaly", anomaly));
    TRY(tsr_dataset_put(out, "running", running));
    if (!periods) return tsr_error_code();
    char *text = tsr_dataset_describe(in);
    if (!text) return tsr_error_code();
    tsr_free(text);
    TRY(total(tsr_variable_array(months), value));
    return tsr_dataset_write(out, output, &(tsr_write_options){.history = "a test"});
}

static void test_dataset(void **state)
{
    name_files("nc");
    tsr_session *s = tsr_session_open(NULL, NULL);
    for (int i = 0; i < 2; i++) assert_ok(write_input(s, i));
    tsr_session_close(s);
    sweep(try_dataset);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) numbers[i] = sin(i) * 100 + i;
    const struct CMUnitTest tests[] = {SCRATCH_TEST(test_compute), SCRATCH_TEST(test_persist), SCRATCH_TEST(test_spill),
                                       SCRATCH_TEST(test_showing), SCRATCH_TEST(test_trace),   SCRATCH_TEST(test_npy),
                                       SCRATCH_TEST(test_netcdf3), SCRATCH_TEST(test_netcdf4), SCRATCH_TEST(test_dataset)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
