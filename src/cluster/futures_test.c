/* Futures on a cluster of this process: a scheduler, two workers, sessions. Functions are C functions of this very program,
 * called by the workers' runner, and C source. */
#include "cluster/futures_testing.h"

static void test_a_task(void **state)
{
    const town *t = *state;
    tsr_future *f = submit(t->s, "add", 3, NULL);
    assert_true(value(f) == 3);
    assert_int_equal(tsr_future_state(f), TSR_FUTURE_FINISHED);
    assert_int_equal(tsr_future_size(f), 8);
    assert_true(value(f) == 3); /* it stays */
    tsr_future *g = submit(t->s, "add", 4, f);
    tsr_future_release(f);
    assert_true(value(g) == 7);
    tsr_future_release(g);
}

static void test_a_chain(void **state)
{
    const town *t = *state;
    tsr_future *f = submit(t->s, "add", 1, NULL);
    for (int i = 0; i < 500; i++) {
        tsr_future *g = submit(t->s, "add", 1, f);
        tsr_future_release(f);
        f = g;
    }
    assert_true(value(f) == 501);
    tsr_future_release(f);
}

static void test_many(void **state)
{
    const town *t = *state;
    enum { N = 20000 };
    double *x = malloc(N * sizeof *x);
    tsr_task_arg *args = calloc(N, sizeof *args);
    tsr_task *tasks = calloc(N, sizeof *tasks);
    tsr_future **f = calloc(N, sizeof *f);
    tsr_bytes *results = calloc(N, sizeof *results);
    for (int i = 0; i < N; i++) {
        x[i] = i;
        args[i] = (tsr_task_arg){.data = &x[i], .size = sizeof x[i]};
        tasks[i] = (tsr_task){.n_args = 1, .args = &args[i]};
    }
    for (int round = 0; round < 3; round++) {
        const int64_t start = os_now_ns();
        check(tsr_submit(t->s, named("add"), N, tasks, NULL, f));
        check(tsr_gather(N, f, false, 60, results));
        const double seconds = (double)(os_now_ns() - start) * 1e-9;
        if (getenv("TESSERA_TEST_LOG")) fprintf(stderr, "%d tasks: %.0f a second\n", N, N / seconds);
        for (int i = 0; i < N; i++) {
            assert_true(number(&results[i]) == i);
            assert_int_equal((uintptr_t)results[i].data % 64, 0);
            tsr_bytes_release(&results[i]);
            tsr_future_release(f[i]);
        }
    }
    free(x);
    free(args);
    free(tasks);
    free(f);
    free(results);
}

static void test_large_results_move_between_workers(void **state)
{
    const town *t = *state;
    const char *first = "w0", *second = "w1";
    tsr_future *a =
        submit_with(t->s, "block", 5 << 20, NULL, &(tsr_task_options){.n_workers = 1, .workers = &first}, (tsr_key){0});
    tsr_future *b =
        submit_with(t->s, "block", 100000, NULL, &(tsr_task_options){.n_workers = 1, .workers = &second}, (tsr_key){0});
    tsr_future *empty = submit(t->s, "block", 0, NULL);
    for (int i = 0; i < 2; i++) {
        const tsr_task_arg args[] = {{.future = a}, {.future = b}, {.future = empty}};
        tsr_future *f;
        check(tsr_submit(t->s, named("count_bytes"), 1, &(tsr_task){.n_args = 3, .args = args},
                         &(tsr_task_options){.n_workers = 1, .workers = i ? &first : &second}, &f));
        assert_true(value(f) == (5 << 20) + 100000);
        tsr_future_release(f);
    }
    tsr_bytes r[3];
    check(tsr_gather(3, (tsr_future *[]){a, b, empty}, false, 60, r));
    assert_int_equal(r[0].size, 5 << 20);
    assert_int_equal((uintptr_t)r[0].data % 64, 0);
    for (size_t i = 0; i < r[0].size; i++) assert_int_equal(((const unsigned char *)r[0].data)[i], (unsigned char)(i * 7));
    assert_int_equal(r[1].size, 100000);
    assert_int_equal(r[2].size, 0);
    for (int i = 0; i < 3; i++) tsr_bytes_release(&r[i]);
    tsr_future_release(a);
    tsr_future_release(b);
    tsr_future_release(empty);
}

static void test_errors(void **state)
{
    const town *t = *state;
    tsr_bytes b, details;
    const char *text;
    tsr_future *f = submit(t->s, "fail", 1, NULL), *g = submit(t->s, "add", 1, f);
    assert_int_equal(tsr_future_result(g, 60, &b), TSR_ERR_INDEX);
    assert_string_equal(tsr_error_message(), "it went wrong");
    assert_int_equal(tsr_future_state(f), TSR_FUTURE_ERROR);
    assert_int_equal(tsr_future_error(g, &text, &details), TSR_ERR_INDEX);
    assert_string_equal(text, "it went wrong");
    assert_int_equal(details.size, 9);
    assert_memory_equal(details.data, "traceback", 9);
    tsr_bytes_release(&details);
    tsr_future *good = submit(t->s, "add", 5, NULL);
    tsr_bytes both[2];
    assert_int_equal(tsr_gather(2, (tsr_future *[]){good, f}, false, 60, both), TSR_ERR_INDEX);
    check(tsr_gather(2, (tsr_future *[]){good, f}, true, 60, both));
    assert_true(number(&both[0]) == 5);
    assert_null(both[1].data);
    tsr_bytes_release(&both[0]);
    tsr_future *unknown = submit(t->s, "nothing", 1, NULL);
    assert_int_equal(tsr_future_result(unknown, 60, &b), TSR_ERR_NOT_FOUND);
    tsr_future_release(unknown);
    tsr_future_release(good);
    tsr_future_release(f);
    tsr_future_release(g);
}

static void test_retries(void **state)
{
    const town *t = *state;
    tsr_bytes b;
    tsr_future *f = submit_with(t->s, "fail_often", 2, NULL, &(tsr_task_options){.retries = 2}, (tsr_key){0});
    assert_true(value(f) == 7);
    tsr_future_release(f);
    f = submit(t->s, "fail_often", 2, NULL);
    tsr_future *g = submit(t->s, "add", 1, f);
    assert_int_equal(tsr_future_result(g, 60, &b), TSR_ERR_VALUE);
    assert_int_equal(tsr_future_result(f, 60, &b), TSR_ERR_VALUE);
    check(tsr_futures_retry(1, &f));
    assert_int_equal(tsr_future_result(f, 60, &b), TSR_ERR_VALUE);
    assert_int_equal(tsr_future_result(g, 60, &b), TSR_ERR_VALUE);
    check(tsr_futures_retry(1, &g));
    assert_true(value(g) == 8);
    tsr_future_release(f);
    tsr_future_release(g);
}

static void test_the_same_key(void **state)
{
    const town *t = *state;
    const tsr_key key = tsr_key_of("add 3", 5);
    tsr_session *other = open_session(t);
    const int before = atomic_load(&n_calls);
    tsr_future *f = submit_with(t->s, "add", 3, NULL, NULL, key), *g = submit_with(t->s, "add", 3, NULL, NULL, key);
    assert_ptr_equal(f, g);
    assert_true(value(f) == 3);
    tsr_future *h = submit_with(other, "add", 3, NULL, NULL, key), *k;
    assert_true(value(h) == 3);
    check(tsr_future_of(other, key, &k));
    assert_true(value(k) == 3);
    assert_int_equal(atomic_load(&n_calls) - before, 1);
    tsr_future_release(f);
    tsr_future_release(g);
    /* The other session still has it. */
    tsr_future_release(h);
    assert_true(value(k) == 3);
    tsr_future_release(k);
    /* Nobody has: it is made again. */
    tsr_session_close(other);
    usleep(100000);
    f = submit_with(t->s, "add", 3, NULL, NULL, key);
    assert_true(value(f) == 3);
    assert_int_equal(atomic_load(&n_calls) - before, 2);
    tsr_future_release(f);
}

static void test_cancelling(void **state)
{
    const town *t = *state;
    tsr_bytes b;
    tsr_future *f[8];
    for (int i = 0; i < 8; i++) f[i] = submit(t->s, "sleep", 30, NULL);
    assert_int_equal(tsr_future_result(f[0], 0.05, &b), TSR_ERR_TIMEOUT);
    tsr_future *g = submit(t->s, "add", 1, f[7]);
    check(tsr_futures_cancel(8, f, false));
    for (int i = 0; i < 8; i++) assert_int_equal(tsr_future_result(f[i], 10, &b), TSR_ERR_CANCELLED);
    assert_int_equal(tsr_future_result(g, 10, &b), TSR_ERR_CANCELLED);
    /* The threads are free again. */
    tsr_future *h = submit(t->s, "add", 1, NULL);
    assert_true(value(h) == 1);
    for (int i = 0; i < 8; i++) tsr_future_release(f[i]);
    tsr_future_release(g);
    tsr_future_release(h);
}

static void test_waiting(void **state)
{
    const town *t = *state;
    tsr_future *f[] = {submit(t->s, "sleep", 20, NULL), submit(t->s, "add", 1, NULL), NULL};
    check(tsr_futures_wait(3, f, TSR_WAIT_FIRST, 20));
    check(tsr_futures_wait(1, f + 1, TSR_WAIT_ALL, 20));
    assert_int_equal(tsr_futures_wait(2, f, TSR_WAIT_ALL, 0.05), TSR_ERR_TIMEOUT);
    tsr_future *bad = submit(t->s, "fail", 1, NULL);
    check(tsr_futures_wait(2, (tsr_future *[]){f[0], bad}, TSR_WAIT_FIRST_ERROR, 20));
    assert_int_equal(tsr_future_state(bad), TSR_FUTURE_ERROR);
    check(tsr_futures_cancel(1, f, true));
    tsr_future_release(f[0]);
    tsr_future_release(f[1]);
    tsr_future_release(bad);
}

static atomic_int n_done;

static void on_done(void *context, tsr_future *f)
{
    if (tsr_future_state(f) == TSR_FUTURE_FINISHED) atomic_fetch_add(&n_done, 1);
}

static void test_callbacks(void **state)
{
    const town *t = *state;
    tsr_future *f[100];
    atomic_store(&n_done, 0);
    for (int i = 0; i < 100; i++) {
        f[i] = submit(t->s, "add", i, NULL);
        check(tsr_future_on_done(f[i], on_done, NULL));
    }
    for (int i = 0; i < 100; i++) tsr_future_release(f[i]); /* the call holds it */
    for (int i = 0; i < 2000 && atomic_load(&n_done) < 100; i++) usleep(5000);
    assert_int_equal(atomic_load(&n_done), 100);
    f[0] = submit(t->s, "add", 1, NULL);
    (void)value(f[0]);
    check(tsr_future_on_done(f[0], on_done, NULL));
    assert_int_equal(atomic_load(&n_done), 101);
    tsr_future_release(f[0]);
}

static void test_resources_and_workers(void **state)
{
    const town *t = *state;
    tsr_future *f[4];
    atomic_store(&n_most, 0);
    for (int i = 0; i < 4; i++)
        f[i] = submit_with(t->s, "sleep", 0.02, NULL, &(tsr_task_options){.resources = "GPU=1"}, (tsr_key){0});
    check(tsr_futures_wait(4, f, TSR_WAIT_ALL, 20));
    assert_int_equal(atomic_load(&n_most), 1);
    char *who = tsr_tasks_query(t->s, "who_has", 4, f);
    assert_non_null(who);
    assert_non_null(strstr(who, tsr_worker_address(t->workers[1])));
    assert_null(strstr(who, tsr_worker_address(t->workers[0])));
    tsr_free(who);
    for (int i = 0; i < 4; i++) tsr_future_release(f[i]);
    const char *nobody = "nobody";
    f[0] = submit_with(t->s, "add", 1, NULL, &(tsr_task_options){.n_workers = 1, .workers = &nobody, .others_too = true},
                       (tsr_key){0});
    assert_true(value(f[0]) == 1);
    tsr_future_release(f[0]);
    const tsr_task_options bad = {.resources = "GPU=x"};
    assert_int_equal(tsr_submit(t->s, named("add"), 0, NULL, &bad, f), TSR_ERR_VALUE);
}

static void test_tasks_that_submit_tasks(void **state)
{
    const town *t = *state;
    tsr_future *f = submit(t->s, "fib", 7, NULL);
    assert_true(value(f) == 13);
    tsr_future_release(f);
}

static void test_scattering(void **state)
{
    const town *t = *state;
    unsigned char *data = malloc(3 << 20);
    for (size_t i = 0; i < 3 << 20; i++) data[i] = (unsigned char)(i * 7);
    const tsr_bytes b[] = {{.data = data, .size = 3 << 20}, {.data = data, .size = 10}, {.data = data, .size = 0}};
    tsr_future *f[3], *g;
    check(tsr_scatter(t->s, 3, b, NULL, NULL, 1, f));
    const tsr_task_arg args[] = {{.future = f[0]}, {.future = f[1]}, {.future = f[2]}};
    check(tsr_submit(t->s, named("count_bytes"), 1, &(tsr_task){.n_args = 3, .args = args}, NULL, &g));
    assert_true(value(g) == (3 << 20) + 10);
    tsr_bytes back;
    check(tsr_future_result(f[0], 20, &back));
    assert_memory_equal(back.data, data, 3 << 20);
    tsr_bytes_release(&back);
    for (int i = 0; i < 3; i++) tsr_future_release(f[i]);
    tsr_future_release(g);
    /* On all workers. */
    check(tsr_scatter(t->s, 1, b, NULL, NULL, -1, f));
    char *who = tsr_tasks_query(t->s, "who_has", 1, f);
    for (int i = 0; i < N_WORKERS; i++) assert_non_null(strstr(who, tsr_worker_address(t->workers[i])));
    tsr_free(who);
    tsr_future_release(f[0]);
    free(data);
}

static void test_rebalancing(void **state)
{
    const town *t = *state;
    const char *one = "w0";
    tsr_future *f[8];
    unsigned char *data = calloc(1, 1 << 20);
    const tsr_bytes b = {.data = data, .size = 1 << 20};
    for (int i = 0; i < 8; i++)
        check(tsr_scatter(t->s, 1, &b, NULL, &(tsr_task_options){.n_workers = 1, .workers = &one}, 1, &f[i]));
    check(tsr_futures_rebalance(t->s, 8, f));
    char *what = tsr_tasks_query(t->s, "workers", 0, NULL);
    const char *at = strstr(what, "\"stored_bytes\": 4194304");
    assert_non_null(at);
    assert_non_null(strstr(at + 5, "\"stored_bytes\": 4194304"));
    tsr_free(what);
    for (int i = 0; i < 8; i++) {
        tsr_bytes back;
        check(tsr_future_result(f[i], 20, &back));
        assert_int_equal(back.size, 1 << 20);
        tsr_bytes_release(&back);
        tsr_future_release(f[i]);
    }
    free(data);
}

static void test_questions(void **state)
{
    const town *t = *state;
    tsr_future *f = submit(t->s, "add", 1, NULL);
    (void)value(f);
    static const char *const all[] = {"who_has", "has_what", "nbytes", "processing", "tasks", "workers"};
    for (int i = 0; i < 6; i++) {
        char *text = tsr_tasks_query(t->s, all[i], i == 0 ? 1 : 0, &f);
        assert_non_null(text);
        assert_int_equal(text[0], '{');
        tsr_free(text);
    }
    assert_null(tsr_tasks_query(t->s, "else", 0, NULL));
    tsr_future_release(f);
}

static void test_variables_and_queues(void **state)
{
    const town *t = *state;
    tsr_session *other = open_session(t);
    tsr_shared_value v;
    tsr_future *f = submit(t->s, "add", 42, NULL);
    assert_int_equal(tsr_variable_get(other, "x", 0.05, &v), TSR_ERR_TIMEOUT);
    check(tsr_variable_set(t->s, "x", &(tsr_task_arg){.data = "abc", .size = 3}));
    check(tsr_variable_get(other, "x", 10, &v));
    assert_memory_equal(v.bytes.data, "abc", 3);
    tsr_bytes_release(&v.bytes);
    check(tsr_variable_set(t->s, "x", &(tsr_task_arg){.future = f}));
    tsr_future_release(f); /* the variable holds it */
    check(tsr_variable_get(other, "x", 10, &v));
    assert_true(value(v.future) == 42);
    assert_int_equal(v.bytes.size, 0);
    check(tsr_variable_delete(t->s, "x"));
    assert_true(value(v.future) == 42);

    /* A future, and what is said about it. */
    check(tsr_queue_put(other, "about", 0, &(tsr_task_arg){.future = v.future, .data = "<f8", .size = 3}, -1));
    tsr_future_release(v.future);
    check(tsr_queue_get(t->s, "about", 10, &v));
    assert_true(value(v.future) == 42);
    assert_int_equal(v.bytes.size, 3);
    assert_memory_equal(v.bytes.data, "<f8", 3);
    tsr_bytes_release(&v.bytes);
    tsr_future_release(v.future);

    int64_t n;
    for (int i = 0; i < 3; i++) check(tsr_queue_put(t->s, "q", 3, &(tsr_task_arg){.data = &i, .size = sizeof i}, -1));
    assert_int_equal(tsr_queue_put(t->s, "q", 3, &(tsr_task_arg){.data = "x", .size = 1}, 0.05), TSR_ERR_TIMEOUT);
    check(tsr_queue_size(other, "q", &n));
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        check(tsr_queue_get(other, "q", 10, &v));
        assert_memory_equal(v.bytes.data, &i, sizeof i);
        tsr_bytes_release(&v.bytes);
    }
    assert_int_equal(tsr_queue_get(other, "q", 0.05, &v), TSR_ERR_TIMEOUT);
    check(tsr_queue_delete(other, "q"));
    tsr_session_close(other);
}

static void *release_later(void *context)
{
    usleep(50000);
    const uint64_t *lease = context;
    (void)!tsr_semaphore_release((tsr_session *)(uintptr_t)lease[1], "s", lease[0]);
    return NULL;
}

static void test_semaphores_and_events(void **state)
{
    const town *t = *state;
    tsr_session *other = open_session(t);
    uint64_t a, b, c;
    int64_t n;
    bool set;
    check(tsr_semaphore_acquire(t->s, "s", 2, 10, &a));
    check(tsr_semaphore_acquire(other, "s", 2, 10, &b));
    assert_int_equal(tsr_semaphore_acquire(t->s, "s", 2, 0.05, &c), TSR_ERR_TIMEOUT);
    check(tsr_semaphore_taken(t->s, "s", &n));
    assert_int_equal(n, 2);
    uint64_t lease[] = {a, (uint64_t)(uintptr_t)t->s};
    pthread_t thread;
    pthread_create(&thread, NULL, release_later, lease);
    check(tsr_semaphore_acquire(t->s, "s", 2, 20, &c));
    pthread_join(thread, NULL);
    assert_int_equal(tsr_semaphore_release(t->s, "s", a), TSR_ERR_NOT_FOUND);
    check(tsr_event_is_set(t->s, "e", &set));
    assert_false(set);
    assert_int_equal(tsr_event_wait(t->s, "e", 0.05), TSR_ERR_TIMEOUT);
    check(tsr_event_set(t->s, "e", true));
    check(tsr_event_wait(other, "e", 10));
    check(tsr_event_is_set(other, "e", &set));
    assert_true(set);
    check(tsr_event_set(t->s, "e", false));
    /* A session that closes gives its leases back. */
    tsr_session_close(other);
    check(tsr_semaphore_acquire(t->s, "s", 2, 20, &b));
    check(tsr_semaphore_release(t->s, "s", b));
    check(tsr_semaphore_release(t->s, "s", c));
}

/* ---- Topics ---- */

static void check_events(tsr_session *s, const char *topic, int64_t from, size_t n, const char *first)
{
    tsr_topic_events e;
    check(tsr_topic_read(s, topic, from, 0, &e));
    assert_int_equal(e.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(e.items[i].size, 1);
        assert_int_equal(*(const char *)e.items[i].data, first[i]);
        assert_true(e.items[i].number < e.next && e.items[i].number >= from);
        assert_true(i == 0 || (e.items[i].number > e.items[i - 1].number && e.items[i].time >= e.items[i - 1].time));
    }
    tsr_topic_events_release(&e);
    assert_null(e.items);
}

typedef struct reader {
    tsr_session *s;
    int64_t from;
    tsr_topic_events events;
    tsr_status status;
} reader;

static void *read_topic(void *context)
{
    reader *r = context;
    r->status = tsr_topic_read(r->s, "news", r->from, 30, &r->events);
    return NULL;
}

static void test_topics(void **state)
{
    const town *t = *state;
    tsr_session *other = open_session(t);
    tsr_topic_events e;
    check_events(other, "news", 0, 0, "");
    for (int i = 0; i < 3; i++) check(tsr_topic_log(t->s, i == 1 ? "weather" : "news", &"abc"[i], 1));
    check_events(other, "news", 0, 2, "ac");
    check_events(other, "weather", 0, 1, "b");
    check(tsr_topic_read(other, "news", INT64_MAX, 0, &e)); /* from now on */
    assert_int_equal(e.n, 0);
    const int64_t next = e.next;
    tsr_topic_events_release(&e);
    assert_int_equal(tsr_topic_read(other, "news", next, 0.05, &e), TSR_ERR_TIMEOUT);
    char *names = tsr_tasks_query(t->s, "topics", 0, NULL);
    assert_string_equal(names, "[\"weather\", \"news\"]");
    tsr_free(names);

    reader r = {.s = other, .from = next};
    pthread_t thread;
    pthread_create(&thread, NULL, read_topic, &r);
    check(tsr_topic_log(t->s, "weather", "x", 1)); /* which nobody waits for */
    check(tsr_topic_log(t->s, "news", "d", 1));
    pthread_join(thread, NULL);
    check(r.status);
    assert_int_equal(r.events.n, 1);
    assert_memory_equal(r.events.items[0].data, "d", 1);
    assert_true(r.events.items[0].number > next);
    check_events(t->s, "news", r.events.next, 0, "");
    tsr_topic_events_release(&r.events);
    tsr_session_close(other);
}

/* Events go when they are too many, the oldest first, and topics with their last one. */
static void test_topics_are_bounded(void **state)
{
    enum { MB = 1 << 20, KEPT = 16 };
    const town *t = *state;
    tsr_topic_events e;
    char *much = calloc(1, MB + 1), name[20];
    check(tsr_topic_log(t->s, "old", "x", 1));
    assert_int_equal(tsr_topic_log(t->s, "large", much, MB + 1), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "1048577 bytes"));
    for (int i = 0; i < 2 * KEPT; i++) {
        much[0] = (char)i;
        check(tsr_topic_log(t->s, "large", much, MB));
    }
    check(tsr_topic_read(t->s, "large", 0, 0, &e));
    assert_int_equal(e.n, KEPT - 1); /* they take some bytes besides */
    for (int i = 0; i < KEPT - 1; i++) assert_int_equal(*(const char *)e.items[i].data, KEPT + 1 + i);
    tsr_topic_events_release(&e);
    char *names = tsr_tasks_query(t->s, "topics", 0, NULL);
    assert_string_equal(names, "[\"large\"]");
    tsr_free(names);
    for (int i = 0; i < 1025; i++) {
        snprintf(name, sizeof name, "%d", i);
        check(tsr_topic_log(t->s, name, "x", 1));
    }
    check_events(t->s, "large", 0, 0, "");
    check_events(t->s, "0", 0, 0, "");
    check_events(t->s, "1", 0, 1, "x");
    check_events(t->s, "1024", 0, 1, "x");
    free(much);
}

static void test_logs(void **state)
{
    const town *t = *state;
    char *logs = tsr_tasks_query(t->s, "logs", 0, NULL), line[200];
    assert_non_null(logs);
    assert_non_null(strstr(logs, "\"worker w0 joins"));
    tsr_free(logs);
    for (int i = 0; i < N_WORKERS; i++) { /* told with a report, a while later */
        snprintf(line, sizeof line, "\"%s\": [\"registered with the scheduler at ", tsr_worker_address(t->workers[i]));
        bool is_there = false;
        for (int k = 0; k < 600 && !is_there; k++, usleep(50000)) {
            logs = tsr_tasks_query(t->s, "logs", 0, NULL);
            assert_non_null(logs);
            is_there = strstr(logs, line) != NULL;
            tsr_free(logs);
        }
        assert_true(is_there);
    }
}

static void test_c_source(void **state)
{
    const town *t = *state;
    static const char source[] =
        "tsr_status twice(int n, const tsr_bytes *args, tsr_task_result *r)\n"
        "{\n"
        "    if (n != 1 || args[0].size != 8) return tsr_task_result_error(r, \"one number\", 0, 0), TSR_ERR_VALUE;\n"
        "    double y = 2 * *(const double *)args[0].data;\n"
        "    return tsr_task_result_set(r, &y, sizeof y);\n"
        "}\n";
    tsr_task_function f = {.kind = TSR_TASK_SOURCE, .code = source, .code_size = sizeof source - 1, .symbol = "twice"};
    tsr_future *g[2];
    tsr_bytes b;
    double x = 21;
    const tsr_task_arg arg = {.data = &x, .size = sizeof x};
    check(tsr_submit(t->s, &f, 2, (tsr_task[]){{.n_args = 1, .args = &arg}, {.n_args = 0}}, NULL, g));
    assert_true(value(g[0]) == 42);
    assert_int_equal(tsr_future_result(g[1], 60, &b), TSR_ERR_VALUE);
    assert_string_equal(tsr_error_message(), "one number");
    tsr_future_release(g[0]);
    tsr_future_release(g[1]);
    f.symbol = "thrice";
    check(tsr_submit(t->s, &f, 1, &(tsr_task){.n_args = 0}, NULL, g));
    assert_int_equal(tsr_future_result(g[0], 60, &b), TSR_ERR_NOT_FOUND);
    tsr_future_release(g[0]);
    /* Arguments of no bytes, and nothing else. */
    static const char counts[] = "tsr_status count(int n, const tsr_bytes *args, tsr_task_result *r)\n"
                                 "{\n"
                                 "    double y = n;\n"
                                 "    for (int i = 0; i < n; i++) y += 10 * args[i].size;\n"
                                 "    return tsr_task_result_set(r, &y, sizeof y);\n"
                                 "}\n";
    f = (tsr_task_function){.kind = TSR_TASK_SOURCE, .code = counts, .code_size = sizeof counts - 1, .symbol = "count"};
    check(tsr_submit(t->s, &f, 1, &(tsr_task){.n_args = 2, .args = (tsr_task_arg[]){{.size = 0}, {.size = 0}}}, NULL, g));
    assert_true(value(g[0]) == 2);
    tsr_future_release(g[0]);
    /* Libraries in no folder that the worker was told of are refused. */
    f = (tsr_task_function){.kind = TSR_TASK_LIBRARY, .library = "/usr/lib/x86_64-linux-gnu/libm.so.6", .symbol = "sin"};
    check(tsr_submit(t->s, &f, 1, &(tsr_task){.n_args = 0}, NULL, g));
    assert_int_equal(tsr_future_result(g[0], 60, &b), TSR_ERR_VALUE);
    tsr_future_release(g[0]);
    f.library = NULL;
    assert_int_equal(tsr_submit(t->s, &f, 1, &(tsr_task){.n_args = 0}, NULL, g), TSR_ERR_VALUE);
}

static void test_no_cluster(void **state)
{
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_future *f;
    assert_int_equal(tsr_submit(s, named("add"), 1, &(tsr_task){.n_args = 0}, NULL, &f), TSR_ERR_UNSUPPORTED);
    tsr_session_close(s);
}

/* One thread of two is free, and woken for an ordinary task; what has to run at once comes before it looks, and waits for that
 * task. */
static void test_at_once_waits_for_others(void **state)
{
    town t;
    town_open(&t);
    while (t.n_workers < 8) add_worker(&t, NULL);
    assert_int_equal(tsr_cluster_wait_for_workers(t.s, 8, 20), TSR_OK);
    for (int i = 0; i < 8; i++) {
        char name[20];
        const char *names[] = {name};
        snprintf(name, sizeof name, "w%d", i);
        const tsr_task_options there = {.n_workers = 1, .workers = names},
                               at_once = {.n_workers = 1, .workers = names, .at_once = true};
        const int n = atomic_load(&n_opened) + 1;
        tsr_future *busy = submit_with(t.s, "sleep", 30, NULL, &there, (tsr_key){0});
        assert_int_equal(tsr_futures_wait(1, &busy, TSR_WAIT_ALL, 0), TSR_ERR_TIMEOUT); /* it is sent */
        while (atomic_load(&n_here) == 0) usleep(1000);
        tsr_future *open = submit_with(t.s, "open", i, NULL, &there, (tsr_key){0});
        tsr_future *pass = submit_with(t.s, "pass", n, NULL, &at_once, (tsr_key){0});
        assert_true(value(pass) == n);
        assert_true(value(open) == i);
        check(tsr_futures_cancel(1, &busy, true));
        while (atomic_load(&n_here) > 0) usleep(1000);
        tsr_future_release(busy);
        tsr_future_release(open);
        tsr_future_release(pass);
    }
    town_close(&t);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_a_task),

        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_large_results_move_between_workers),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_the_same_key),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_callbacks),
        cmocka_unit_test(test_resources_and_workers),
        cmocka_unit_test(test_tasks_that_submit_tasks),
        cmocka_unit_test(test_scattering),
        cmocka_unit_test(test_rebalancing),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_variables_and_queues),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_topics_are_bounded),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_semaphores_and_events),
        cmocka_unit_test(test_c_source),
        cmocka_unit_test(test_no_cluster),
        cmocka_unit_test(test_at_once_waits_for_others),
    };
    return cmocka_run_group_tests(all, setup, teardown);
}
