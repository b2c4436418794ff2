/* Several sessions in one process, one session used from several threads, cancellation from another thread: the same values as in
 * one thread, and nothing for the thread sanitizer to find. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

#include <math.h>
#include <stdatomic.h>

enum { N_THREADS = 6, ROWS = 240, COLS = 250, N_KINDS = 6 };

static double numbers[ROWS * COLS];

/* Every one of its blocks is a task, small as they are: what functions of blocks make keeps its chunks. */
static tsr_array *matrix(tsr_session *s)
{
    tsr_array *x = tsr_from_memory(s, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){50, 60});
    return tsr_overlapped(x, (tsr_overlap[2]){{0}});
}

/* One of several kinds of work on an array; every one ends in a sum. */
static tsr_array *work(tsr_array *x, int kind)
{
    const int first[] = {0};
    switch (kind) {
    case 0: x = tsr_divide(tsr_subtract(x, tsr_mean(x, 1, first, false)), tsr_std(x, 1, first, false, 0)); break;
    case 1: x = tsr_cumsum(tsr_cumsum(x, 0), 1); break;
    case 2: x = tsr_median(x, 1, first, false); break;
    case 3: x = tsr_reshape(tsr_transpose(x, NULL), 1, (int64_t[]){-1}); break;
    case 4: x = tsr_concatenate(3, (tsr_array *[]){x, tsr_flip(x, 0, NULL), tsr_exp(tsr_negative(tsr_abs(x)))}, 1); break;
    default: x = tsr_rechunk(tsr_cumsum(tsr_rechunk(x, (int64_t[]){-1, 7}), 0), (int64_t[]){9, -1}); break;
    }
    return tsr_sum(tsr_abs(x), 0, NULL, false);
}

static void expected_values(double *out)
{
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    for (int kind = 0; kind < N_KINDS; kind++) assert_ok(tsr_compute_into(work(matrix(s), kind), &out[kind], sizeof *out));
    tsr_session_close(s);
}

typedef struct job {
    tsr_session *session; /* NULL: one of its own, with this budget */
    size_t memory_bytes;
    tsr_array *shared;
    const double *expected;
    int number;
    char failure[300];
} job;

/* Computes one number, which must be the expected one. */
static void check(job *j, int kind, tsr_array *a)
{
    double got;
    tsr_status status = tsr_compute_into(a, &got, sizeof got);
    if (status != TSR_OK) snprintf(j->failure, sizeof j->failure, "kind %d: %s", kind, tsr_error_message());
    if (status == TSR_OK && memcmp((const void *)&got, (const void *)&j->expected[kind], sizeof got) != 0)
        snprintf(j->failure, sizeof j->failure, "kind %d: %.17g instead of %.17g", kind, got, j->expected[kind]);
}

static void *many_kinds(void *argument)
{
    job *j = argument;
    tsr_session *s = j->session;
    if (!s) s = tsr_session_open(NULL, &(tsr_options){.n_threads = 3, .memory_bytes = j->memory_bytes, .scratch_dir = scratch});
    for (int i = 0; i < 2 * N_KINDS; i++) {
        int kind = (i + j->number) % N_KINDS;
        tsr_array *x = j->shared ? tsr_retain(j->shared) : matrix(s), *kept = NULL, *y = work(x, kind);
        if (i % 3 == 1) {
            if (tsr_persist(1, &x, &kept) != TSR_OK) snprintf(j->failure, sizeof j->failure, "%s", tsr_error_message());
            tsr_release(y);
            y = work(kept, kind);
        }
        if (i % 3 == 2) tsr_free(tsr_explain(1, &y));
        check(j, kind, y);
        tsr_release(y);
        tsr_release(kept);
        tsr_release(x);
    }
    if (!j->session) tsr_session_close(s);
    return NULL;
}

static void run_jobs(job *jobs, void *(*function)(void *))
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, function, &jobs[i]), 0);
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N_THREADS; i++)
        if (jobs[i].failure[0]) fail_msg("thread %d: %s", i, jobs[i].failure);
}

static void test_many_sessions(void **state)
{
    double expected[N_KINDS];
    job jobs[N_THREADS] = {0};
    expected_values(expected);
    for (int i = 0; i < N_THREADS; i++)
        jobs[i] = (job){.expected = expected, .number = i, .memory_bytes = (size_t)(i % 2 ? 3 : 64) << 20};
    run_jobs(jobs, many_kinds);
}

static void test_one_session_from_many_threads(void **state)
{
    double expected[N_KINDS];
    job jobs[N_THREADS] = {0};
    expected_values(expected);
    tsr_session *s =
        tsr_session_open(NULL, &(tsr_options){.n_threads = 4, .memory_bytes = (size_t)8 << 20, .scratch_dir = scratch});
    tsr_array *x = matrix(s);
    for (int i = 0; i < N_THREADS; i++)
        jobs[i] = (job){.session = s, .shared = i % 2 ? x : NULL, .expected = expected, .number = i};
    run_jobs(jobs, many_kinds);
    tsr_session_close(s);
}

/* ---- Files -------------------------------------------------------------------------------------------------------- */

static void *store_and_open(void *argument)
{
    job *j = argument;
    static const char *const extensions[] = {"nc", "nc4", "npy"};
    char path[300];
    snprintf(path, sizeof path, "%s/%d.%s", scratch, j->number, extensions[j->number % 3]);
    for (int i = 0; i < 3; i++) {
        tsr_array *x = matrix(j->session);
        if (tsr_save(x, path) != TSR_OK) snprintf(j->failure, sizeof j->failure, "%s", tsr_error_message());
        check(j, i, work(tsr_open(j->session, path, NULL, (int64_t[]){50, 60}), i));
    }
    return NULL;
}

static void test_files_from_many_threads(void **state)
{
    double expected[N_KINDS];
    job jobs[N_THREADS] = {0};
    expected_values(expected);
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 2});
    for (int i = 0; i < N_THREADS; i++) jobs[i] = (job){.session = s, .expected = expected, .number = i};
    run_jobs(jobs, store_and_open);
    tsr_session_close(s);
}

/* ---- Cancellation ------------------------------------------------------------------------------------------------- */

typedef struct canceller {
    tsr_session *session;
    atomic_bool over;
} canceller;

static void *cancel_often(void *argument)
{
    canceller *c = argument;
    uint64_t seed = 1;
    while (!atomic_load(&c->over)) {
        usleep((useconds_t)(test_random(&seed) % 3000));
        tsr_cancel(c->session);
    }
    return NULL;
}

static void count_calls(void *context, const tsr_progress *p)
{
    if (p->fraction < 0 || p->fraction > 1 || p->tasks_done > p->tasks_total) *(int *)context = -1000000;
    ++*(int *)context;
}

/* A computation that is cancelled at any moment ends with its values or as cancelled, and the session goes on. */
static void test_cancel(void **state)
{
    enum { N = 60 };
    double expected[N_KINDS], got;
    int n_calls = 0, n_cancelled = 0;
    expected_values(expected);
    canceller c = {.session = tsr_session_open(
                       NULL, &(tsr_options){.n_threads = 3, .memory_bytes = (size_t)3 << 20, .scratch_dir = scratch})};
    assert_ok(tsr_set_progress(c.session, count_calls, &n_calls, 1));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_often, &c), 0);
    for (int i = 0; i < N || (n_cancelled == 0 && i < 100 * N); i++) { /* on a busy machine the other thread may be late */
        tsr_array *x = matrix(c.session), *y = work(x, i % N_KINDS), *kept = NULL;
        tsr_status status = i % 4 == 3 ? tsr_persist(1, &x, &kept) : tsr_compute_into(y, &got, sizeof got);
        if (status == TSR_ERR_CANCELLED) {
            n_cancelled++;
        } else {
            assert_ok(status);
            if (!kept) assert_memory_equal(&got, &expected[i % N_KINDS], sizeof got);
        }
    }
    atomic_store(&c.over, true);
    pthread_join(thread, NULL);
    assert_ok(tsr_compute_into(work(matrix(c.session), 0), &got, sizeof got));
    assert_memory_equal(&got, &expected[0], sizeof got);
    assert_true(n_calls > 0 && n_cancelled > 0);
    tsr_session_close(c.session);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) numbers[i] = sin(i) * 100 + i % 97;
    const struct CMUnitTest tests[] = {SCRATCH_TEST(test_many_sessions), SCRATCH_TEST(test_one_session_from_many_threads),
                                       SCRATCH_TEST(test_files_from_many_threads), SCRATCH_TEST(test_cancel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
