/* Many small runs on more threads than there is work for, so that workers fall asleep and are woken all the time, within budgets
 * that make them wait for each other's memory. A wakeup that is lost stops a run for good: the time limit of the test finds it.
 * TESSERA_STRESS_RUNS: how many runs of each kind; the longest is printed. */
#include "base/os.h"
#include "engine/run.h"
#include "store/store_testing.h"
#include "tessera.h"

#include <stdlib.h>

enum { ROWS = 240, COLS = 200, N_KINDS = 5, RUNS = 20, SMALL_BUDGET = 1000 << 10 };

static double numbers[ROWS * COLS];

static int n_runs(void)
{
    const char *wanted = getenv("TESSERA_STRESS_RUNS");
    return wanted ? (int)strtol(wanted, NULL, 10) : RUNS;
}

/* Blocks that are tasks, however small: only what functions of blocks make keeps its chunks. */
static tsr_array *blocks(tsr_array *a, int64_t rows, int64_t columns)
{
    return tsr_overlapped(tsr_rechunk(a, (int64_t[]){rows, columns}), (tsr_overlap[2]){{0}});
}

/* Graphs whose tasks wait for few others, for many, for chains, and for all. */
static tsr_array *work(tsr_session *s, int kind)
{
    const int first[] = {0};
    tsr_array *x = tsr_from_memory(s, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){60, 50});
    switch (kind) {
    case 0: x = tsr_subtract(blocks(x, 20, 40), tsr_mean(blocks(x, 60, 50), 1, first, false)); break;
    case 1: x = blocks(blocks(blocks(x, 12, -1), -1, 10), 40, 40); break;
    case 2: x = tsr_cumsum(blocks(tsr_cumsum(blocks(x, -1, 20), 0), 20, -1), 1); break;
    case 3: x = tsr_add(blocks(tsr_flip(blocks(x, 30, 30), 2, (int[]){0, 1}), 24, 20), blocks(x, 24, 20)); break;
    default: x = tsr_median(blocks(x, 24, 20), 1, first, false); break;
    }
    return tsr_sum(x, 0, NULL, false);
}

static tsr_session *open_session(int n_threads, size_t memory_bytes)
{
    return tsr_session_open(NULL, &(tsr_options){.n_threads = n_threads, .memory_bytes = memory_bytes, .scratch_dir = scratch});
}

static void expected_values(double *out)
{
    tsr_session *s = open_session(1, 0);
    for (int k = 0; k < N_KINDS; k++) assert_ok(tsr_compute_into(work(s, k), &out[k], sizeof *out));
    tsr_session_close(s);
}

/* The budget admits one or two of the tasks at a time. */
static void many_runs(int n_threads, size_t memory_bytes)
{
    double expected[N_KINDS], got;
    int64_t longest = 0, spilled = 0;
    tsr_stats stats;
    expected_values(expected);
    tsr_session *s = open_session(n_threads, memory_bytes);
    for (int i = 0; i < n_runs() * N_KINDS; i++) {
        int64_t start = os_now_ns();
        tsr_array *a = work(s, i % N_KINDS);
        assert_ok(tsr_compute_into(a, &got, sizeof got));
        assert_memory_equal(&got, &expected[i % N_KINDS], sizeof got);
        tsr_release(a);
        assert_ok(tsr_run_stats(s, &stats));
        spilled += stats.bytes_spilled;
        if (os_now_ns() - start > longest) longest = os_now_ns() - start;
    }
    print_message("%d threads, %zu KiB: the longest of %d runs took %.1f ms; %.1f MB were spilled\n", n_threads,
                  memory_bytes >> 10, n_runs() * N_KINDS, (double)longest * 1e-6, (double)spilled * 1e-6);
    tsr_session_close(s);
}

static void test_runs_on_two_threads(void **state)
{
    many_runs(2, (size_t)1 << 30);
    many_runs(2, SMALL_BUDGET);
}
static void test_runs_on_three_threads(void **state)
{
    many_runs(3, (size_t)1 << 30);
    many_runs(3, SMALL_BUDGET);
}
static void test_runs_on_eight_threads(void **state)
{
    many_runs(8, (size_t)1 << 30);
    many_runs(8, SMALL_BUDGET);
}

/* ---- Memory ----------------------------------------------------------------------------------------------------------- */

/* 16 MB that are read across: in parts, in blocks that were made first, in blocks that lie the other way round. */
static tsr_array *spilling_work(tsr_session *s, int kind)
{
    tsr_array *x = tsr_random_uniform(s, 1, 0, 1, TSR_F64, 2, (int64_t[]){2000, 1000}, (int64_t[]){100, 1000});
    switch (kind) {
    case 0: x = tsr_cumsum(blocks(tsr_cumsum(blocks(x, 100, -1), 0), -1, 50), 1); break;
    case 1: x = blocks(tsr_transpose(blocks(x, 100, 250), NULL), 150, 350); break;
    default: x = tsr_add(blocks(blocks(x, 40, -1), 50, -1), blocks(tsr_flip(blocks(x, 40, -1), 2, (int[]){0, 1}), 50, -1)); break;
    }
    return tsr_sum(x, 0, NULL, false);
}

/* Blocks that are read back count, with what their memory really takes: only those that tasks read at the very same time exceed
 * the budget, and (the little more) what the buffers of running tasks take beyond their bytes. */
static void test_the_budget_is_kept(void **state)
{
    enum { BUDGET = 8 << 20, LARGEST_BLOCK = 448 << 10 };
    for (int kind = 0; kind < 3; kind++) {
        double expected, got;
        tsr_stats stats;
        tsr_session *s = open_session(1, 0);
        assert_ok(tsr_compute_into(spilling_work(s, kind), &expected, sizeof expected));
        tsr_session_close(s);
        for (int n_threads = 1; n_threads <= 8; n_threads *= 2) {
            s = open_session(n_threads, BUDGET);
            assert_ok(tsr_compute_into(spilling_work(s, kind), &got, sizeof got));
            assert_ok(tsr_run_stats(s, &stats));
            assert_memory_equal(&got, &expected, sizeof got);
            assert_true(stats.bytes_spilled > 0);
            assert_in_range(stats.peak_bytes, 1, BUDGET + BUDGET / 32 + 2 * (n_threads - 1) * LARGEST_BLOCK);
            tsr_session_close(s);
        }
    }
}

/* ---- Calls of the session from what it calls -------------------------------------------------------------------------- */

typedef struct asker {
    tsr_session *session;
    int n_calls, n_wrong;
} asker;

static void nothing(void *context, const tsr_progress *progress) { ++*(int *)context; }

static bool is_refused(tsr_status status)
{
    return status == TSR_ERR_UNSUPPORTED && strstr(tsr_error_message(), "of the session that calls it");
}

/* What would wait for the running computation is refused; the figures of the last one are there. */
static void ask_everything(asker *a)
{
    double value;
    tsr_stats stats = {.tasks = -1};
    a->n_calls++;
    a->n_wrong += !is_refused(tsr_set_progress(a->session, nothing, NULL, 1));
    a->n_wrong += !is_refused(tsr_trace_to(a->session, NULL));
    a->n_wrong += !is_refused(tsr_session_configure(a->session, &(tsr_options){.n_threads = 1}));
    a->n_wrong += !is_refused(tsr_compute_into(tsr_full(a->session, tsr_float(3), TSR_F64, 0, NULL, NULL), &value, sizeof value));
    a->n_wrong += tsr_run_stats(a->session, &stats) != TSR_OK || stats.tasks < 0;
    tsr_error_clear();
}

static tsr_status asking_function(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    ask_everything(context);
    memcpy(out->data, in->data, (size_t)(in->shape[0] * in->shape[1]) * sizeof(double));
    return TSR_OK;
}
static tsr_status asking_source(void *context, const int64_t *start, const int64_t *shape, void *out)
{
    ask_everything(context);
    memset(out, 0, (size_t)shape[0] * sizeof(double));
    return TSR_OK;
}
static tsr_status asking_sink(void *context, const int64_t *start, const int64_t *shape, const void *data)
{
    ask_everything(context);
    return TSR_OK;
}
static void asking_progress(void *context, const tsr_progress *progress) { ask_everything(context); }

static void check_asker(asker *a)
{
    assert_true(a->n_calls > 0);
    assert_int_equal(a->n_wrong, 0);
    *a = (asker){.session = a->session};
}

static void test_asking_from_within(void **state)
{
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        double got;
        int n_calls = 0;
        asker a = {.session = open_session(n_threads, 0)};
        tsr_array *x =
            tsr_from_memory(a.session, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){60, 50});
        tsr_array *calls =
            tsr_map_blocks(&(tsr_function){.call = asking_function, .context = &a, .serial = true}, 1, &x, TSR_F64, NULL);
        assert_ok(tsr_compute_into(tsr_sum(calls, 0, NULL, false), &got, sizeof got));
        check_asker(&a);
        tsr_source source = {
            .read = asking_source, .context = &a, .serial = true, .dtype = TSR_F64, .ndim = 1, .shape = (int64_t[]){100}};
        tsr_array *reads = tsr_from_source(a.session, &source, (int64_t[]){10});
        assert_ok(tsr_compute_into(tsr_sum(reads, 0, NULL, false), &got, sizeof got));
        check_asker(&a);
        assert_ok(tsr_store_to(1, &x, &(tsr_sink){.write = asking_sink, .context = &a, .serial = true}));
        check_asker(&a);
        assert_ok(tsr_set_progress(a.session, asking_progress, &a, 1));
        assert_ok(tsr_compute_into(tsr_sum(x, 0, NULL, false), &got, sizeof got));
        check_asker(&a);
        assert_ok(tsr_set_progress(a.session, nothing, &n_calls, 1)); /* outside again, all of it goes */
        assert_ok(tsr_compute_into(tsr_sum(x, 0, NULL, false), &got, sizeof got));
        assert_true(n_calls > 0);
        tsr_session_close(a.session);
    }
}

/* A tsr_cancel that comes while the plan is made, or while others compute, is not lost. */
static void test_cancelled_before_its_turn(void **state)
{
    tsr_session *s = open_session(2, 0);
    engine *e = s->engine;
    const int asked = engine_n_cancels(e);
    tsr_cancel(s);
    assert_false(engine_is_cancelled(e)); /* nothing runs */
    engine_begin(e, asked);
    assert_true(engine_is_cancelled(e));
    engine_end(e, &(tsr_stats){0});
    engine_begin(e, engine_n_cancels(e)); /* asked for later */
    assert_false(engine_is_cancelled(e));
    tsr_cancel(s);
    assert_true(engine_is_cancelled(e));
    engine_end(e, &(tsr_stats){0});
    tsr_session_close(s);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) numbers[i] = (i * 37) % 1009 + 1;
    const struct CMUnitTest tests[] = {SCRATCH_TEST(test_runs_on_two_threads),   SCRATCH_TEST(test_runs_on_three_threads),
                                       SCRATCH_TEST(test_runs_on_eight_threads), SCRATCH_TEST(test_the_budget_is_kept),
                                       SCRATCH_TEST(test_asking_from_within),    SCRATCH_TEST(test_cancelled_before_its_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
