/* Sessions on a cluster, against a scheduler and workers that this program plays. */
#include "cluster/client_testing.h"
#include "engine/engine.h"

static void same_as_threads(bool no_shared)
{
    fake f;
    fake_open(&f, no_shared);
    tsr_session *threads = tsr_session_open(NULL, &(tsr_options){.n_threads = 2}), *s = open_client(&f, NULL);
    check_cases(threads, s);
    tsr_session_close(s);
    tsr_session_close(threads);
    fake_close(&f);
}

static void test_cases(void **state) { same_as_threads(false); }
static void test_cases_by_socket(void **state) { same_as_threads(true); }

/* Larger than what is delivered on the I/O thread, in blocks that are contiguous and such that are not. */
static void large_results(bool no_shared)
{
    enum { N = 700 };
    fake f;
    fake_open(&f, no_shared);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&f, &(tsr_options){.memory_bytes = 16 << 20});
    double *here = malloc(sizeof(double) * N * N), *there = malloc(sizeof(double) * N * N);
    const int64_t chunks[][2] = {{100, N}, {110, 120}, {N, N}};
    for (int i = 0; i < 3; i++) {
        tsr_array *a = tsr_random_normal(threads, 3, 0, 1, TSR_F64, 2, (int64_t[]){N, N}, chunks[i]);
        tsr_array *b = tsr_random_normal(s, 3, 0, 1, TSR_F64, 2, (int64_t[]){N, N}, chunks[i]);
        memset(there, 0, sizeof(double) * N * N);
        assert_int_equal(tsr_compute_into(a, here, sizeof(double) * N * N), TSR_OK);
        assert_int_equal(tsr_compute_into(b, there, sizeof(double) * N * N), TSR_OK);
        assert_memory_equal(here, there, sizeof(double) * N * N);
    }
    free(here);
    free(there);
    tsr_session_close(s);
    tsr_session_close(threads);
    fake_close(&f);
}

static void test_large(void **state) { large_results(false); }
static void test_large_by_socket(void **state) { large_results(true); }

/* Never more is asked for than a quarter of the budget. */
static void test_window(void **state)
{
    enum { N = 1 << 23, BUDGET = 64 << 20 };
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, &(tsr_options){.memory_bytes = BUDGET});
    double *out = malloc(sizeof(double) * N);
    tsr_array *x = tsr_arange(s, 0, N, 1, TSR_F64, (int64_t[]){1 << 14});
    assert_int_equal(tsr_compute_into(x, out, sizeof(double) * N), TSR_OK);
    for (int i = 0; i < N; i++)
        if (out[i] != i) fail_msg("element %d", i);
    assert_in_range(f.most_asked_bytes, 1, BUDGET / 4);
    assert_in_range(f.n_fetches, 8, 64);
    free(out);
    tsr_session_close(s);
    fake_close(&f);
}

/* One small number: one message of each kind. */
static void test_messages(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    tsr_array *x = tsr_ones(s, TSR_F64, 2, (int64_t[]){100, 100}, (int64_t[]){10, 10}), *y = NULL;
    double sum;
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_int_equal(tsr_compute_into(tsr_sum(y, 0, NULL, false), &sum, sizeof sum), TSR_OK);
    assert_true(sum == 10000);
    assert_int_equal(f.n_submits, 2);
    assert_int_equal(f.n_fetches, 1);
    assert_int_equal(f.n_blocks, 1);
    assert_int_equal(wait_for(&f, &f.n_releases, 1), 1);
    tsr_session_close(s);
    fake_close(&f);
}

static void test_releases(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    tsr_array *x = case_table(s), *two[] = {tsr_sin(x), tsr_cos(x)}, *held[2];
    assert_int_equal(tsr_persist(2, two, held), TSR_OK);
    tsr_release(held[0]);
    tsr_array *sum = tsr_add(held[1], held[1]), *kept = NULL;
    assert_int_equal(tsr_persist(1, &sum, &kept), TSR_OK);
    assert_int_equal(f.n_releases, 0);
    tsr_release(sum);
    tsr_release(held[1]);
    assert_int_equal(wait_for(&f, &f.n_releases, 1), 1);
    tsr_release(kept);
    assert_int_equal(wait_for(&f, &f.n_releases, 2), 2);
    tsr_session_close(s);
    fake_close(&f);
}

/* Strided memory is packed densely, and planned so. */
static void test_strided(void **state)
{
    enum { N = 40 };
    fake f;
    fake_open(&f, false);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&f, NULL), *each[] = {threads, s};
    static double data[N][2 * N];
    double out[2][N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 2 * N; j++) data[i][j] = i * 1000 + j;
    for (int i = 0; i < 2; i++) {
        tsr_array *x =
            tsr_from_memory(each[i], data, TSR_F64, 2, (int64_t[]){N, N}, (int64_t[]){16 * N, 16}, NULL, NULL, (int64_t[]){7, 9});
        tsr_array *y = tsr_matmul(tsr_transpose(x, NULL), x);
        assert_int_equal(tsr_compute_into(y, out[i], sizeof out[i]), TSR_OK);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    tsr_session_close(s);
    tsr_session_close(threads);
    fake_close(&f);
}

typedef struct copy_to {
    double *out;
    int64_t cols;
    int n_calls;
    tsr_status status;
} copy_to;

static tsr_status take(void *context, const int64_t *start, const int64_t *shape, const void *data)
{
    copy_to *c = context;
    c->n_calls++;
    for (int64_t i = 0; i < shape[0]; i++)
        memcpy(c->out + (start[0] + i) * c->cols + start[1], (const double *)data + i * shape[1],
               sizeof(double) * (size_t)shape[1]);
    return c->status;
}

static void test_writers(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    static double here[CASE_ROWS][CASE_COLS], there[CASE_ROWS][CASE_COLS];
    tsr_array *x = tsr_add(case_table(s), tsr_ones(s, TSR_F64, 2, (int64_t[]){CASE_ROWS, CASE_COLS}, NULL));
    copy_to c = {&there[0][0], CASE_COLS, 0, TSR_OK};
    tsr_sink taking = {take, &c, (int64_t[]){16, 16}, true};
    assert_int_equal(tsr_store_to(1, &x, &taking), TSR_OK);
    assert_int_equal(tsr_compute_into(x, here, sizeof here), TSR_OK);
    assert_memory_equal(here, there, sizeof here);
    assert_in_range(c.n_calls, 1, 16);
    c.status = TSR_ERR_IO;
    assert_int_equal(tsr_store_to(1, &x, &taking), TSR_ERR_IO);

    char path[] = "/tmp/tessera-client-XXXXXX.npy";
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    if (tsr_save(x, path) != TSR_OK) fail_msg("%s", tsr_error_message());
    memset(there, 0, sizeof there);
    tsr_session_close(s);
    fake_close(&f);
    tsr_session *threads = tsr_session_open(NULL, NULL);
    tsr_array *saved = tsr_open(threads, path, NULL, NULL);
    if (!saved) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_compute_into(saved, there, sizeof there), TSR_OK);
    assert_memory_equal(here, there, sizeof here);
    tsr_session_close(threads);
    unlink(path);
}

static void test_errors(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    tsr_array *x = tsr_arange(s, -5, 5, 1, TSR_I64, NULL), *y = tsr_power(x, x), *held = NULL;
    int64_t out[10];
    assert_int_equal(tsr_compute_into(y, out, sizeof out), TSR_ERR_VALUE); /* NO_BLOCK */
    assert_non_null(strstr(tsr_error_message(), "negative integer powers"));
    assert_int_equal(tsr_persist(1, &y, &held), TSR_OK); /* REFUSED, which shows when it is used */
    assert_int_equal(tsr_compute_into(held, out, sizeof out), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "negative integer powers"));
    f.refuses = true;
    assert_int_equal(tsr_compute_into(tsr_add(x, x), out, sizeof out), TSR_ERR_TYPE);
    assert_string_equal(tsr_error_message(), "this is refused");
    f.refuses = false;
    assert_int_equal(tsr_compute_into(tsr_add(x, x), out, sizeof out), TSR_OK);
    assert_int_equal(out[0], -10);
    tsr_session_close(s);
    fake_close(&f);
}

static void test_worker_lost(void **state)
{
    for (int no_shared = 0; no_shared < 2; no_shared++) {
        enum { N = 1 << 23 };
        fake f;
        fake_open(&f, no_shared);
        f.lose_worker_after = 7;
        tsr_session *s = open_client(&f, &(tsr_options){.memory_bytes = 32 << 20});
        double *out = malloc(sizeof(double) * N);
        tsr_array *x = tsr_arange(s, 0, N, 1, TSR_F64, (int64_t[]){1 << 16});
        if (tsr_compute_into(x, out, sizeof(double) * N) != TSR_OK) fail_msg("%s", tsr_error_message());
        for (int i = 0; i < N; i++)
            if (out[i] != i) fail_msg("element %d", i);
        assert_true(f.workers[1].is_lost);
        free(out);
        tsr_session_close(s);
        fake_close(&f);
    }
}

/* Everything that lives is submitted again to a scheduler that comes back. */
static void test_scheduler_lost(void **state)
{
    fake f;
    fake_open(&f, true);
    tsr_session *s = open_client(&f, NULL);
    double sum;
    tsr_array *x = case_table(s), *y = NULL;
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_int_equal(wait_for(&f, &f.n_submits, 1), 1);
    net_close(f.n);
    open_scheduler(&f);
    assert_int_equal(tsr_compute_into(tsr_sum(y, 0, NULL, false), &sum, sizeof sum), TSR_OK);
    assert_in_range(f.n_submits, 3, 3);
    tsr_session_close(s);
    fake_close(&f);
}

/* A worker drops jobs when the scheduler says so: either they failed, and the scheduler tells why, or others have them. */
static void test_dropped(void **state)
{
    fake f;
    fake_open(&f, true);
    tsr_session *s = open_client(&f, NULL);
    double sum;
    f.n_drops = 3;
    assert_int_equal(tsr_compute_into(tsr_sum(case_table(s), 0, NULL, false), &sum, sizeof sum), TSR_OK);
    assert_int_equal(f.n_drops < 3, true);
    tsr_session_close(s);
    fake_close(&f);
}

static void *cancel_later(void *context)
{
    usleep(50000);
    tsr_cancel(context);
    return NULL;
}

static void test_cancel(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    pthread_t thread;
    double sum;
    tsr_array *x = tsr_ones(s, TSR_F64, 1, (int64_t[]){100}, NULL);
    f.sends_nothing = true;
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, s), 0);
    assert_int_equal(tsr_compute_into(tsr_sum(x, 0, NULL, false), &sum, sizeof sum), TSR_ERR_CANCELLED);
    pthread_join(thread, NULL);
    assert_int_equal(wait_for(&f, &f.n_releases, 1), 1);
    assert_int_equal(wait_for(&f, &f.n_forgets, 1), 1);
    f.sends_nothing = false;
    assert_int_equal(tsr_compute_into(tsr_sum(x, 0, NULL, false), &sum, sizeof sum), TSR_OK);
    assert_true(sum == 100);
    tsr_session_close(s);
    fake_close(&f);
}

/* A worker that sends what was not asked for is not listened to any more; nothing else happens. */
static void test_mad_worker(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    pthread_t thread;
    double sum;
    tsr_array *x = tsr_ones(s, TSR_F64, 1, (int64_t[]){100}, NULL);
    f.is_mad = true;
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, s), 0);
    assert_int_equal(tsr_compute_into(tsr_sum(x, 0, NULL, false), &sum, sizeof sum), TSR_ERR_CANCELLED);
    pthread_join(thread, NULL);
    f.is_mad = false;
    assert_int_equal(tsr_compute_into(tsr_sum(x, 0, NULL, false), &sum, sizeof sum), TSR_OK);
    tsr_session_close(s);
    fake_close(&f);
}

static void test_names(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL), *other = open_client(&f, NULL);
    static double here[CASE_ROWS][CASE_COLS], there[CASE_ROWS][CASE_COLS];
    tsr_array *x = case_table(s), *y = NULL;
    assert_int_equal(tsr_cluster_publish(s, "table", x), TSR_ERR_VALUE);
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_null(tsr_cluster_published(other, "table"));
    assert_int_equal(tsr_error_code(), TSR_ERR_NOT_FOUND);
    assert_int_equal(tsr_cluster_publish(s, "table", y), TSR_OK);
    tsr_array *z = tsr_cluster_published(other, "table");
    if (!z) fail_msg("%s", tsr_error_message());
    assert_ptr_equal(tsr_cluster_published(s, "table")->p.blocks.stored->axes[0].edges, NULL);
    assert_int_equal(tsr_compute_into(y, here, sizeof here), TSR_OK);
    assert_int_equal(tsr_compute_into(z, there, sizeof there), TSR_OK);
    assert_memory_equal(here, there, sizeof here);
    tsr_session_close(other);
    tsr_session_close(s);
    fake_close(&f);
}

static void test_status(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL), *threads = tsr_session_open(NULL, NULL);
    char *text = tsr_cluster_status(s);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"workers\": [{\"id\": \"0000000000000064\", \"name\": \"a \\\"worker\\\"\""));
    assert_non_null(strstr(text, "\"threads\": 3"));
    tsr_free(text);
    assert_int_equal(tsr_cluster_wait_for_workers(s, 1, 5), TSR_OK);
    assert_int_equal(tsr_cluster_wait_for_workers(s, 2, 0.1), TSR_ERR_TIMEOUT);
    assert_null(tsr_cluster_status(threads));
    assert_int_equal(tsr_error_code(), TSR_ERR_UNSUPPORTED);
    tsr_session_close(threads);
    tsr_session_close(s);
    fake_close(&f);
}

/* A pickle of a persisted array holds its values. */
static void test_pack(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL), *threads = tsr_session_open(NULL, NULL);
    static double here[CASE_ROWS][CASE_COLS], there[CASE_ROWS][CASE_COLS];
    tsr_array *x = case_table(s), *y = NULL, *again = NULL;
    void *bytes;
    size_t size;
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_int_equal(tsr_pack(1, &y, NULL, &bytes, &size), TSR_OK);
    assert_int_equal(tsr_unpack(threads, bytes, size, NULL, 1, &again), TSR_OK);
    tsr_free(bytes);
    assert_int_equal(tsr_compute_into(x, here, sizeof here), TSR_OK);
    assert_int_equal(tsr_compute_into(again, there, sizeof there), TSR_OK);
    assert_memory_equal(here, there, sizeof here);
    tsr_session_close(threads);
    tsr_session_close(s);
    fake_close(&f);
}

typedef struct heard_progress {
    tsr_session *session;
    double last;
    bool saw_sum;
} heard_progress;

static void count_progress(void *context, const tsr_progress *p)
{
    heard_progress *h = context;
    const stage_progress *stages;
    const int n = engine_stages(h->session, &stages);
    int64_t total = 0;
    assert_true(p->fraction >= 0 && p->fraction <= 1);
    for (int i = 0; i < n; i++) {
        assert_true(stages[i].tasks_done >= 0 && stages[i].tasks_done <= stages[i].tasks_total);
        if (p->fraction >= 1) assert_int_equal(stages[i].tasks_done, stages[i].tasks_total);
        total += stages[i].tasks_total;
        h->saw_sum |= strcmp(stages[i].name, "sum") == 0;
    }
    assert_int_equal(total, p->tasks_total);
    h->last = p->fraction;
}

static void test_progress(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    heard_progress h = {s, -1, false};
    const stage_progress *none;
    double sum;
    assert_int_equal(tsr_set_progress(s, count_progress, &h, 1), TSR_OK);
    assert_int_equal(tsr_compute_into(tsr_sum(case_table(s), 0, NULL, false), &sum, sizeof sum), TSR_OK);
    assert_true(h.last == 1 && h.saw_sum);
    assert_int_equal(engine_stages(s, &none), 0);
    tsr_session_close(s);
    fake_close(&f);
}

/* Where nobody listens on this host, that is said soon; or within the time that was given. */
static void test_nobody_listens(void **state)
{
    assert_null(tsr_session_open("tcp://127.0.0.1:1", NULL));
    assert_int_equal(tsr_error_code(), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "cannot connect to tcp://127.0.0.1:1: Connection refused"));
    assert_null(tsr_session_open("unix:///nowhere/at/all", &(tsr_options){.connect_seconds = 0.3}));
    assert_int_equal(tsr_error_code(), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "no scheduler has answered in "));
}

static void test_opening(void **state)
{
    fake f;
    fake_open(&f, false);
    assert_null(tsr_session_open("http://127.0.0.1:1", NULL));
    assert_int_equal(tsr_error_code(), TSR_ERR_UNSUPPORTED);
    assert_null(tsr_session_open("tcp://nowhere", NULL));
    assert_int_equal(tsr_error_code(), TSR_ERR_VALUE);
    assert_null(tsr_session_open(f.workers[0].address, NULL));
    assert_int_equal(tsr_error_code(), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "a worker at this address, no scheduler"));
    fake_close(&f);
}

typedef struct computing {
    tsr_session *s;
    double sum;
    tsr_status status;
} computing;

static void *compute_sum(void *context)
{
    computing *c = context;
    tsr_array *x = tsr_ones(c->s, TSR_F64, 1, (int64_t[]){1000}, (int64_t[]){10});
    for (int i = 0; i < 20 && c->status == TSR_OK; i++) {
        tsr_array *y = tsr_add(x, x), *held = NULL, *sum;
        c->status = tsr_persist(1, &y, &held);
        sum = tsr_sum(held, 0, NULL, false);
        if (c->status == TSR_OK) c->status = tsr_compute_into(sum, &c->sum, sizeof c->sum);
        tsr_release(sum);
        tsr_release(held);
        tsr_release(y);
    }
    return NULL;
}

static void test_threads(void **state)
{
    enum { N = 4 };
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    pthread_t threads[N];
    computing each[N];
    for (int i = 0; i < N; i++) {
        each[i] = (computing){.s = s};
        assert_int_equal(pthread_create(&threads[i], NULL, compute_sum, &each[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(each[i].status, TSR_OK);
        assert_true(each[i].sum == 2000);
    }
    tsr_session_close(s);
    fake_close(&f);
}

/* Persisting waits for nothing: neither for the workers nor for another thread that computes. */
static void test_persist_meanwhile(void **state)
{
    fake f;
    fake_open(&f, false);
    tsr_session *s = open_client(&f, NULL);
    pthread_t thread;
    computing c = {.s = s};
    tsr_array *x = tsr_ones(s, TSR_F64, 1, (int64_t[]){100}, NULL), *y = tsr_add(x, x), *held = NULL;
    f.sends_nothing = true;
    assert_int_equal(pthread_create(&thread, NULL, compute_sum, &c), 0);
    assert_int_equal(wait_for(&f, &f.n_fetches, 1), 1);
    assert_int_equal(tsr_persist(1, &y, &held), TSR_OK);
    tsr_cancel(s);
    pthread_join(thread, NULL);
    assert_int_equal(c.status, TSR_ERR_CANCELLED);
    tsr_session_close(s);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cases_by_socket),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_large_by_socket),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_releases),
        cmocka_unit_test(test_strided),
        cmocka_unit_test(test_writers),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_worker_lost),
        cmocka_unit_test(test_scheduler_lost),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_mad_worker),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_persist_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
