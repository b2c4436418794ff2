/* A whole cluster in one process: a scheduler, workers, and sessions on them. What they compute is what threads compute. */
#include "cluster/cluster_cases.h"

#include "base/os.h"
#include "cluster/leave.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_WORKERS = 4 };

typedef struct cluster {
    tsr_scheduler *scheduler;
    int n;
    tsr_worker *workers[MOST_WORKERS];
    char address[300];
} cluster;

static void start_worker(cluster *c, int i, size_t memory_bytes)
{
    char name[32];
    snprintf(name, sizeof name, "w%d", i);
    tsr_worker_options o = {.scheduler = c->address, .name = name, .n_threads = 2, .memory_bytes = memory_bytes};
    if (tsr_worker_start(&o, &c->workers[i]) != TSR_OK) fail_msg("%s", tsr_error_message());
}

static void cluster_open(cluster *c, int n, size_t memory_bytes)
{
    *c = (cluster){.n = n};
    if (tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0"}, &c->scheduler) != TSR_OK)
        fail_msg("%s", tsr_error_message());
    snprintf(c->address, sizeof c->address, "%s", tsr_scheduler_address(c->scheduler));
    for (int i = 0; i < n; i++) start_worker(c, i, memory_bytes);
}

static void cluster_close(cluster *c)
{
    for (int i = 0; i < c->n; i++) tsr_worker_stop(c->workers[i]);
    tsr_scheduler_stop(c->scheduler);
}

static tsr_session *open_client(const cluster *c, const tsr_options *o)
{
    tsr_session *s = tsr_session_open(c->address, o);
    if (!s) fail_msg("%s", tsr_error_message());
    if (tsr_cluster_wait_for_workers(s, c->n, 20) != TSR_OK) fail_msg("%s", tsr_error_message());
    return s;
}

/* ---- Values -------------------------------------------------------------------------------------------------------------------
 */

static void same_as_threads(int n_workers)
{
    cluster c;
    cluster_open(&c, n_workers, (size_t)64 << 20);
    tsr_session *threads = tsr_session_open(NULL, &(tsr_options){.n_threads = 2}), *s = open_client(&c, NULL);
    check_cases(threads, s);
    tsr_session_close(s);
    tsr_session_close(threads);
    cluster_close(&c);
}

static void test_one_worker(void **state) { same_as_threads(1); }
static void test_two_workers(void **state) { same_as_threads(2); }
static void test_four_workers(void **state) { same_as_threads(4); }

/* Much larger than a block: every worker makes something. */
static tsr_array *large(tsr_session *s)
{
    enum { N = 1500 };
    tsr_array *x = tsr_random_normal(s, 11, 0, 1, TSR_F64, 2, (int64_t[]){N, N}, (int64_t[]){200, 300});
    tsr_array *rows = tsr_mean(x, 1, (int[]){0}, false), *z = tsr_subtract(x, rows);
    return tsr_matmul(tsr_transpose(z, NULL), z);
}

static void check_large(tsr_session *threads, tsr_session *s)
{
    tsr_array *here = large(threads), *there = large(s);
    size_t bytes = (size_t)tsr_nbytes(here);
    char *a = malloc(bytes), *b = malloc(bytes);
    assert_int_equal(tsr_compute_into(here, a, bytes), TSR_OK);
    if (tsr_compute_into(there, b, bytes) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(memcmp(a, b, bytes), 0);
    free(a);
    free(b);
}

static void test_large(void **state)
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&c, NULL);
    check_large(threads, s);
    tsr_session_close(s);
    tsr_session_close(threads);
    cluster_close(&c);
}

/* ---- Time ---------------------------------------------------------------------------------------------------------------------
 */

static void test_latency(void **state)
{
    enum { N = 200 };
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL);
    tsr_array *x = tsr_random_normal(s, 1, 0, 1, TSR_F64, 2, (int64_t[]){1000, 1000}, (int64_t[]){100, 100}), *y = NULL;
    double first, value;
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_int_equal(tsr_compute_into(case_element(y), &first, sizeof first), TSR_OK);
    int64_t best = INT64_MAX;
    for (int i = 0; i < N; i++) {
        int64_t began = os_now_ns();
        tsr_array *e = case_element(y);
        assert_int_equal(tsr_compute_into(e, &value, sizeof value), TSR_OK);
        tsr_release(e);
        assert_true(value == first);
        if (os_now_ns() - began < best) best = os_now_ns() - began;
    }
    print_message("one element of a persisted array: %.3f ms at best\n", (double)best / 1e6);
    assert_true(best < 20000000); /* nothing on that way sleeps */
    tsr_session_close(s);
    cluster_close(&c);
}

/* ---- Loss ---------------------------------------------------------------------------------------------------------------------
 */

typedef struct computing {
    tsr_session *s;
    tsr_array *a;
    char *out;
    size_t bytes;
    tsr_status status;
    char message[400];
} computing;

static void *compute(void *context)
{
    computing *c = context;
    c->status = tsr_compute_into(c->a, c->out, c->bytes);
    snprintf(c->message, sizeof c->message, "%s", tsr_error_message());
    return NULL;
}

/* What a worker held is made again by the others. */
static void test_worker_lost(void **state)
{
    cluster c;
    cluster_open(&c, 3, (size_t)64 << 20);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&c, NULL);
    tsr_array *here = large(threads), *there = large(s), *x = NULL;
    computing k = {.s = s, .bytes = (size_t)tsr_nbytes(here)};
    char *expected = malloc(k.bytes);
    pthread_t thread;
    k.out = malloc(k.bytes);
    assert_int_equal(tsr_compute_into(here, expected, k.bytes), TSR_OK);
    assert_int_equal(tsr_persist(1, &there, &x), TSR_OK);
    k.a = tsr_negative(tsr_negative(x));
    assert_int_equal(pthread_create(&thread, NULL, compute, &k), 0);
    usleep(30000);
    tsr_worker_stop(c.workers[1]);
    c.workers[1] = NULL;
    pthread_join(thread, NULL);
    if (k.status != TSR_OK) fail_msg("%s", k.message);
    assert_int_equal(memcmp(expected, k.out, k.bytes), 0);
    tsr_worker_stop(c.workers[2]); /* again, of what is held only */
    c.workers[2] = NULL;
    memset(k.out, 0, k.bytes);
    (void)compute(&k);
    if (k.status != TSR_OK) fail_msg("%s", k.message);
    assert_int_equal(memcmp(expected, k.out, k.bytes), 0);
    free(expected);
    free(k.out);
    tsr_session_close(s);
    tsr_session_close(threads);
    cluster_close(&c);
}

/* A scheduler that forgot everything is told again. */
static void test_scheduler_lost(void **state)
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&c, NULL);
    tsr_array *x = case_table(s), *y = NULL;
    double sum[2];
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_int_equal(tsr_compute_into(tsr_sum(y, 0, NULL, false), &sum[0], sizeof sum[0]), TSR_OK);
    tsr_scheduler_stop(c.scheduler);
    if (tsr_scheduler_start(&(tsr_scheduler_options){.listen = c.address}, &c.scheduler) != TSR_OK)
        fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_compute_into(tsr_sum(y, 0, NULL, false), &sum[1], sizeof sum[1]), TSR_OK);
    assert_true(sum[0] == sum[1]);
    check_large(threads, s);
    tsr_session_close(s);
    tsr_session_close(threads);
    cluster_close(&c);
}

/* ---- Many clients -------------------------------------------------------------------------------------------------------------
 */

/* Work for much longer than reports are late: a second, where a machine is quick and its processors are asked for by others. */
enum { BUSY_ROWS = 512, BUSY_BLOCKS = 800, BUSY_JOBS = 20 };

static tsr_array *busy(tsr_session *s, uint64_t seed)
{
    tsr_array *x =
        tsr_random_normal(s, seed, 0, 1, TSR_F64, 2, (int64_t[]){BUSY_ROWS * BUSY_BLOCKS, 512}, (int64_t[]){BUSY_ROWS, 512});
    return tsr_sum(x, 1, (int[]){1}, false);
}

/* Of the only worker, as it last reported. */
static int64_t tasks_done(tsr_session *s)
{
    char *text = tsr_cluster_status(s), *at = text ? strstr(text, "\"tasks_done\": ") : NULL;
    if (!at) fail_msg("the status has no \"tasks_done\"");
    const int64_t n = at ? strtoll(at + strlen("\"tasks_done\": "), NULL, 10) : 0;
    tsr_free(text);
    return n;
}

static int64_t tasks_done_at_rest(tsr_session *s)
{
    int64_t before = -1, now;
    for (int same = 0; same < 4; before = now) {
        usleep(150000);
        now = tasks_done(s);
        same = now == before ? same + 1 : 0;
    }
    return before;
}

/* A client with a single computation waits for it twice as long as alone, however many another client has. */
static void test_fair_share(void **state)
{
    static double out[BUSY_ROWS * BUSY_BLOCKS];
    cluster c;
    cluster_open(&c, 1, (size_t)64 << 20);
    tsr_session *many = open_client(&c, NULL), *one = open_client(&c, NULL);
    tsr_array *held[BUSY_JOBS], *a = busy(one, 99), *b = busy(one, 100);
    const int64_t rest = tasks_done_at_rest(one);
    assert_int_equal(tsr_compute_into(a, out, sizeof out), TSR_OK);
    const int64_t alone = tasks_done_at_rest(one) - rest;
    assert_true(alone >= BUSY_BLOCKS);
    for (uint64_t i = 0; i < BUSY_JOBS; i++) {
        tsr_array *x = busy(many, i);
        assert_int_equal(tsr_persist(1, &x, &held[i]), TSR_OK);
    }
    while (tasks_done(one) < rest + alone + 20) usleep(20000);
    const int64_t before = tasks_done(one);
    if (tsr_compute_into(b, out, sizeof out) != TSR_OK) fail_msg("%s", tsr_error_message());
    const double others = (double)(tasks_done(one) - before - alone) / (double)alone;
    print_message("for each task of a client with one job, tasks of one with %d: %.2f\n", BUSY_JOBS, others);
    assert_true(others <
                5); /* 1, but for what the reports, and whoever else uses the processors, are late; 20 if it were by jobs */
    assert_true(tasks_done(one) - before < BUSY_JOBS * alone / 2); /* so the others were still busy */
    tsr_session_close(many);
    tsr_session_close(one);
    cluster_close(&c);
}

/* What is submitted later, and is of a higher priority, is done before what was under way. */
static void test_priority(void **state)
{
    static double out[BUSY_ROWS * BUSY_BLOCKS];
    cluster c;
    cluster_open(&c, 1, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL), *other = open_client(&c, NULL);
    tsr_array *a[] = {busy(s, 1), busy(other, 2)}, *urgent = busy(s, 3), *held[2];
    const int64_t rest = tasks_done_at_rest(s);
    assert_int_equal(tsr_compute_into(busy(s, 4), out, sizeof out), TSR_OK);
    const int64_t alone = tasks_done_at_rest(s) - rest;
    for (int i = 0; i < 2; i++) assert_int_equal(tsr_persist(1, &a[i], &held[i]), TSR_OK);
    while (tasks_done(s) < rest + alone + 20) usleep(5000);
    const int64_t before = tasks_done(s);
    assert_int_equal(tsr_set_priority(7), 0);
    if (tsr_compute_into(urgent, out, sizeof out) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_set_priority(0), 7);
    const int64_t meanwhile = tasks_done(s) - before - alone;
    print_message("tasks of others while an urgent job ran %lld of its own: %lld\n", (long long)alone, (long long)meanwhile);
    for (int i = 0; i < 2; i++) assert_int_equal(tsr_wait(1, &held[i], 0), TSR_ERR_TIMEOUT);
    assert_true(meanwhile < alone); /* with shares it would be twice as many as its own */
    for (int i = 0; i < 2; i++)
        if (tsr_wait(1, &held[i], 120) != TSR_OK) fail_msg("%s", tsr_error_message());
    tsr_session_close(other);
    tsr_session_close(s);
    cluster_close(&c);
}

/* Who has which blocks: of each array all blocks once, in order. */
static void test_blocks(void **state)
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL), *other = open_client(&c, NULL);
    tsr_array *x = tsr_ones(s, TSR_F32, 2, (int64_t[]){16, 1 << 18}, (int64_t[]){1, 1 << 18}), *y = tsr_negative(x), *held[2],
              *slice;
    assert_int_equal(tsr_persist(2, (tsr_array *[]){x, y}, held), TSR_OK);
    if (tsr_wait(2, held, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    char *text = tsr_cluster_blocks(s, 1, &held[1]);
    assert_true(text && strstr(text, "\"dtype\": \"float32\""));
    assert_non_null(strstr(text, "\"root\": 1"));
    long long at = 0;
    int n_owners = 0;
    for (const char *p = text; (p = strstr(p, "{\"there\": true, \"address\": \"")) != NULL; p++, n_owners++) {
        long long first = -1, count = -1;
        const char *found = strstr(p, "\"first\": ");
        assert_non_null(found);
        assert_int_equal(sscanf(found, "\"first\": %lld, \"count\": %lld", &first, &count), 2);
        assert_int_equal(first, at);
        at += count;
    }
    assert_true(n_owners >= 2);
    assert_int_equal(at, 16);
    assert_null(strstr(text, "\"there\": false"));
    tsr_free(text);
    text = tsr_cluster_blocks(s, 0, NULL);
    assert_non_null(text);
    const char *first = strstr(text, "\"job\": ");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "\"job\": "));
    tsr_free(text);
    text = tsr_cluster_blocks(other, 0, NULL); /* it has none */
    assert_string_equal(text, "[]");
    tsr_free(text);
    slice = tsr_add(held[0], held[0]);
    assert_null(tsr_cluster_blocks(s, 1, &slice));
    assert_int_equal(tsr_error_code(), TSR_ERR_VALUE);
    assert_null(tsr_cluster_blocks(other, 1, held));
    assert_int_equal(tsr_error_code(), TSR_ERR_VALUE);
    tsr_session_close(other);
    tsr_session_close(s);
    cluster_close(&c);
}

/* Of all workers, as they last reported; once that stays the same for a while. */
static int64_t all_tasks_done(tsr_session *s)
{
    int64_t before = -1, now = 0;
    for (int same = 0; same < 4; before = now) {
        usleep(300000);
        char *text = tsr_cluster_status(s);
        assert_non_null(text);
        *strstr(text, "\"jobs\"") = 0;
        now = 0;
        for (const char *at = text; (at = strstr(at, "\"tasks_done\": ")) != NULL; at++) now += strtoll(at + 14, NULL, 10);
        tsr_free(text);
        same = now == before ? same + 1 : 0;
    }
    return before;
}

/* After it nothing of the arrays is left to be made; what is lost meanwhile is waited for as well. */
static void test_wait(void **state)
{
    cluster c;
    cluster_open(&c, 3, (size_t)64 << 20);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&c, NULL);
    tsr_array *here = large(threads), *there[] = {large(s), case_table(s)}, *x[2], *kept;
    const size_t bytes = (size_t)tsr_nbytes(here);
    char *expected = malloc(bytes), *found = malloc(bytes);
    assert_int_equal(tsr_wait(1, &here, -1), TSR_ERR_VALUE);
    assert_int_equal(tsr_wait(2, there, -1), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "persist it first"));
    assert_int_equal(tsr_persist(1, &here, &kept), TSR_OK);
    assert_int_equal(tsr_wait(1, &kept, 0), TSR_OK); /* threads have made it */
    assert_int_equal(tsr_compute_into(here, expected, bytes), TSR_OK);

    assert_int_equal(tsr_persist(2, there, x), TSR_OK);
    assert_int_equal(tsr_wait(2, x, 0), TSR_ERR_TIMEOUT);
    usleep(20000);
    tsr_worker_stop(c.workers[1]);
    c.workers[1] = NULL;
    tsr_array *reader = tsr_negative(x[0]); /* as good as the array that it reads */
    if (tsr_wait(1, &reader, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_wait(2, x, 0), TSR_OK);
    if (tsr_compute_into(x[0], found, bytes) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(memcmp(expected, found, bytes), 0);
    free(expected);
    free(found);
    tsr_session_close(s);
    tsr_session_close(threads);
    cluster_close(&c);
}

static void retire(const cluster *c, tsr_session *s)
{
    assert_int_equal(tsr_cluster_control(s, "retire", 1, (const char *[]){"w0"}), TSR_OK);
}

static void leave(const cluster *c, tsr_session *s) { assert_int_equal(worker_leave(c->workers[0]), TSR_OK); }

/* What a worker that is to end has made is fetched from it, not made again. */
static void check_handed_over(void (*begin)(const cluster *c, tsr_session *s))
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *threads = tsr_session_open(NULL, NULL), *s = open_client(&c, NULL);
    tsr_array *here = large(threads), *there = large(s), *x;
    const size_t bytes = (size_t)tsr_nbytes(here);
    char *expected = malloc(bytes), *found = malloc(bytes);
    assert_int_equal(tsr_compute_into(here, expected, bytes), TSR_OK);
    assert_int_equal(tsr_persist(1, &there, &x), TSR_OK);
    if (tsr_wait(1, &x, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    const int64_t before = all_tasks_done(s);
    assert_true(before > 0);
    begin(&c, s);
    assert_true(tsr_worker_wait(c.workers[0], 60));
    assert_false(tsr_worker_wait(c.workers[1], 0));
    if (tsr_wait(1, &x, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(all_tasks_done(s), before);
    tsr_worker_stop(c.workers[0]);
    c.workers[0] = NULL;
    if (tsr_compute_into(x, found, bytes) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(memcmp(expected, found, bytes), 0);
    free(expected);
    free(found);
    tsr_session_close(s);
    tsr_session_close(threads);
    cluster_close(&c);
}

static void test_retired(void **state) { check_handed_over(retire); }
static void test_leaves(void **state) { check_handed_over(leave); }

/* The last worker, and one that has no scheduler, have nobody to hand anything to. */
static void test_leaves_alone(void **state)
{
    cluster c;
    tsr_array *x;
    cluster_open(&c, 1, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL);
    tsr_array *there = large(s);
    assert_int_equal(tsr_persist(1, &there, &x), TSR_OK);
    if (tsr_wait(1, &x, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(worker_leave(c.workers[0]), TSR_OK);
    assert_true(tsr_worker_wait(c.workers[0], 60));
    tsr_worker_stop(c.workers[0]);
    start_worker(&c, 0, (size_t)64 << 20);
    if (tsr_wait(1, &x, 60) != TSR_OK) fail_msg("%s", tsr_error_message()); /* made again */
    tsr_session_close(s);
    tsr_scheduler_stop(c.scheduler);
    assert_int_equal(worker_leave(c.workers[0]), TSR_OK);
    assert_true(tsr_worker_wait(c.workers[0], 60));
    tsr_worker_stop(c.workers[0]);
}

typedef struct told {
    tsr_session *s;
    int n;
    double last;
} told;

static void cancel_soon(void *context, const tsr_progress *p)
{
    told *t = context;
    assert_true(p->fraction >= 0 && p->fraction <= 1);
    t->last = p->fraction;
    if (++t->n == 2) tsr_cancel(t->s);
}

/* No worker is there, so it takes for ever. */
static void test_wait_is_cancelled(void **state)
{
    cluster c;
    cluster_open(&c, 0, 0);
    tsr_session *s = open_client(&c, NULL);
    tsr_array *there = case_table(s), *x;
    told t = {.s = s};
    assert_int_equal(tsr_persist(1, &there, &x), TSR_OK);
    const int64_t began = os_now_ns();
    assert_int_equal(tsr_wait(1, &x, 0.1), TSR_ERR_TIMEOUT);
    assert_true(os_now_ns() - began >= 100000000);
    assert_int_equal(tsr_set_progress(s, cancel_soon, &t, 20), TSR_OK);
    assert_int_equal(tsr_wait(1, &x, -1), TSR_ERR_CANCELLED);
    assert_int_equal(t.n, 2);
    c.n = 1;
    start_worker(&c, 0, (size_t)64 << 20);
    if (tsr_wait(1, &x, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_true(t.last == 1);
    tsr_session_close(s);
    cluster_close(&c);
}

/* ---- Names, errors, ends ------------------------------------------------------------------------------------------------------
 */

static void test_names(void **state)
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL), *other = open_client(&c, NULL);
    static double here[CASE_ROWS][CASE_COLS], there[CASE_ROWS][CASE_COLS];
    tsr_array *x = case_table(s), *two[] = {tsr_add(x, x), tsr_multiply(x, x)}, *held[2];
    assert_int_equal(tsr_persist(2, two, held), TSR_OK);
    if (tsr_cluster_publish(s, "square", held[1]) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_compute_into(held[1], here, sizeof here), TSR_OK);
    tsr_session_close(s); /* what was published stays */
    tsr_array *found = tsr_cluster_published(other, "square");
    if (!found) fail_msg("%s", tsr_error_message());
    if (tsr_compute_into(found, there, sizeof there) != TSR_OK) fail_msg("%s", tsr_error_message());
    assert_memory_equal(here, there, sizeof here);
    assert_int_equal(tsr_cluster_publish(other, "square", NULL), TSR_OK);
    assert_null(tsr_cluster_published(other, "square"));
    assert_int_equal(tsr_error_code(), TSR_ERR_NOT_FOUND);
    tsr_session_close(other);
    cluster_close(&c);
}

static void test_errors(void **state)
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL);
    tsr_array *x = tsr_arange(s, -5, 5, 1, TSR_I64, NULL), *y = tsr_power(x, x), *held = NULL;
    int64_t out[10];
    assert_int_equal(tsr_compute_into(y, out, sizeof out), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "negative integer powers"));
    assert_int_equal(tsr_persist(1, &y, &held), TSR_OK);
    assert_int_equal(tsr_wait(1, &held, 60), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "negative integer powers"));
    assert_int_equal(tsr_wait(1, &held, 60), TSR_ERR_VALUE); /* known here by now */
    assert_int_equal(tsr_compute_into(tsr_add(held, held), out, sizeof out), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "negative integer powers"));
    assert_int_equal(tsr_compute_into(tsr_add(x, x), out, sizeof out), TSR_OK);
    tsr_session_close(s);
    cluster_close(&c);
}

/* Who waits for a cluster that was stopped is told so, unless another scheduler comes soon. */
static void test_stopped(void **state)
{
    cluster c;
    cluster_open(&c, 0, 0);
    tsr_session *s = open_client(&c, NULL), *other = open_client(&c, NULL);
    tsr_array *x = case_table(s), *y;
    computing k = {.s = s, .a = tsr_negative(x), .bytes = (size_t)tsr_nbytes(x)};
    pthread_t thread;
    k.out = malloc(k.bytes);
    assert_int_equal(tsr_persist(1, &x, &y), TSR_OK);
    assert_int_equal(pthread_create(&thread, NULL, compute, &k), 0);
    usleep(50000);
    /* The first time another one comes. */
    assert_int_equal(tsr_cluster_control(other, "stop", 0, NULL), TSR_OK);
    assert_true(tsr_scheduler_wait(c.scheduler, 10));
    tsr_scheduler_stop(c.scheduler);
    usleep(500000);
    if (tsr_scheduler_start(&(tsr_scheduler_options){.listen = c.address}, &c.scheduler) != TSR_OK)
        fail_msg("%s", tsr_error_message());
    c.n = 1;
    start_worker(&c, 0, (size_t)64 << 20);
    pthread_join(thread, NULL);
    if (k.status != TSR_OK) fail_msg("%s", k.message);
    if (tsr_wait(1, &y, 60) != TSR_OK) fail_msg("%s", tsr_error_message());
    /* Then none. */
    const int64_t began = os_now_ns();
    assert_int_equal(tsr_cluster_control(other, "stop", 0, NULL), TSR_OK);
    tsr_scheduler_stop(c.scheduler);
    tsr_worker_stop(c.workers[0]);
    c.workers[0] = NULL;
    c.scheduler = NULL;
    (void)compute(&k);
    assert_int_equal(k.status, TSR_ERR_IO);
    assert_non_null(strstr(k.message, "was stopped, and no other scheduler has come within 10 s"));
    assert_true(os_now_ns() - began >= 9500000000);
    assert_int_equal(tsr_wait(1, &y, 60), TSR_ERR_IO); /* at once, from then on */
    free(k.out);
    tsr_session_close(other);
    tsr_session_close(s);
    cluster_close(&c);
}

static void test_control(void **state)
{
    cluster c;
    cluster_open(&c, 2, (size_t)64 << 20);
    tsr_session *s = open_client(&c, NULL);
    char *text = tsr_cluster_status(s);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"name\": \"w0\""));
    assert_non_null(strstr(text, "\"name\": \"w1\""));
    tsr_free(text);
    assert_int_equal(tsr_cluster_control(s, "dance", 0, NULL), TSR_ERR_VALUE);
    assert_int_equal(tsr_cluster_control(s, "stop", 0, NULL), TSR_OK);
    assert_true(tsr_scheduler_wait(c.scheduler, 10));
    for (int i = 0; i < c.n; i++) assert_true(tsr_worker_wait(c.workers[i], 10));
    tsr_session_close(s);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_worker),
        cmocka_unit_test(test_two_workers),
        cmocka_unit_test(test_four_workers),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_latency),
        cmocka_unit_test(test_worker_lost),
        cmocka_unit_test(test_scheduler_lost),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_retired),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_leaves_alone),
        cmocka_unit_test(test_fair_share),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_is_cancelled),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
