/* What the tests of futures share: a cluster in this process, and functions that its workers run. */
#ifndef TESSERA_CLUSTER_FUTURES_TESTING_H
#define TESSERA_CLUSTER_FUTURES_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/vec.h"
#include "tessera.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_WORKERS = 2, N_THREADS = 2 };

typedef struct town {
    tsr_scheduler *scheduler;
    tsr_worker *workers[8];
    int n_workers;
    tsr_session *s;
    char address[200];
} town;

static atomic_int n_calls, n_here, n_most, n_opened, n_again;
static char scheduler_address[200];

/* ---- What tasks call: the function's bytes are the name of one of these ---- */

static inline double number(const tsr_bytes *b)
{
    double x = 0;
    if (b->size == sizeof x) memcpy(&x, b->data, sizeof x);
    return x;
}

static tsr_status set_number(tsr_task_result *r, double x) { return tsr_task_result_set(r, &x, sizeof x); }

static inline tsr_status add(int n, const tsr_bytes *args, tsr_task_result *r)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += number(&args[i]);
    return set_number(r, sum);
}

static inline tsr_status fail_often(int n, const tsr_bytes *args, tsr_task_result *r)
{
    static atomic_int tries;
    if (atomic_fetch_add(&tries, 1) < (int)number(&args[0])) return TSR_ERR_VALUE;
    atomic_store(&tries, 0);
    return set_number(r, 7);
}

static inline tsr_status go_wrong(int n, const tsr_bytes *args, tsr_task_result *r)
{
    tsr_task_result_error(r, "it went wrong", "traceback", 9);
    return TSR_ERR_INDEX;
}

static inline tsr_status block(int n, const tsr_bytes *args, tsr_task_result *r)
{
    const size_t size = (size_t)number(&args[0]);
    unsigned char *to = tsr_task_result_alloc(r, size);
    if (!to) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(i * 7);
    return TSR_OK;
}

static inline tsr_status count_bytes(int n, const tsr_bytes *args, tsr_task_result *r)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < args[i].size; k++)
            if (((const unsigned char *)args[i].data)[k] != (unsigned char)(k * 7)) return TSR_ERR_FORMAT;
        sum += (double)args[i].size;
    }
    return set_number(r, sum);
}

static inline tsr_status sleep_for(int n, const tsr_bytes *args, tsr_task_result *r)
{
    const int now = atomic_fetch_add(&n_here, 1) + 1;
    int most = atomic_load(&n_most);
    while (now > most && !atomic_compare_exchange_weak(&n_most, &most, now)) {
    }
    const int64_t end = os_now_ns() + (int64_t)(number(&args[0]) * 1e9);
    while (os_now_ns() < end && !tsr_task_cancelled()) usleep(1000);
    atomic_fetch_sub(&n_here, 1);
    return tsr_task_cancelled() ? TSR_ERR_CANCELLED : add(n, args, r);
}

/* Waits until "open" was called so often. */
static inline tsr_status pass(int n, const tsr_bytes *args, tsr_task_result *r)
{
    const int64_t end = os_now_ns() + 30000000000;
    while (atomic_load(&n_opened) < (int)number(&args[0]) && os_now_ns() < end) usleep(1000);
    return atomic_load(&n_opened) < (int)number(&args[0]) ? TSR_ERR_TIMEOUT : add(n, args, r);
}

/* As "block"; but who makes it again waits as in "pass", until "open" was called once. */
static inline tsr_status block_again(int n, const tsr_bytes *args, tsr_task_result *r)
{
    const double one = 1;
    const bool is_first = atomic_fetch_add(&n_again, 1) == 0;
    const tsr_status status = is_first ? TSR_OK : pass(1, &(tsr_bytes){.data = &one, .size = sizeof one}, r);
    return status == TSR_OK ? block(n, args, r) : status;
}

static inline tsr_status open_gate(int n, const tsr_bytes *args, tsr_task_result *r)
{
    atomic_fetch_add(&n_opened, 1);
    return add(n, args, r);
}

static const tsr_task_function *named(const char *name)
{
    static _Thread_local tsr_task_function f;
    f = (tsr_task_function){.kind = TSR_TASK_FOREIGN, .name = name, .code = name, .code_size = strlen(name), .runs = "test"};
    return &f;
}

/* fib by tasks that submit tasks and wait for them. */
static inline tsr_status fib(int n, const tsr_bytes *args, tsr_task_result *r)
{
    const double k = number(&args[0]);
    if (k < 2) return set_number(r, k);
    tsr_session *s = tsr_session_open(scheduler_address, NULL);
    if (!s) return tsr_error_code();
    const double ks[] = {k - 1, k - 2};
    const tsr_task_arg each[] = {{.data = &ks[0], .size = 8}, {.data = &ks[1], .size = 8}};
    tsr_future *f[2];
    tsr_bytes b[2];
    tsr_status status =
        tsr_submit(s, named("fib"), 2, (tsr_task[]){{.n_args = 1, .args = &each[0]}, {.n_args = 1, .args = &each[1]}}, NULL, f);
    if (status == TSR_OK) status = tsr_gather(2, f, false, 60, b);
    if (status == TSR_OK) status = add(2, b, r);
    for (int i = 0; status == TSR_OK && i < 2; i++) tsr_bytes_release(&b[i]);
    tsr_session_close(s);
    return status;
}

/* The sum of an array that the cluster computes: a task that needs the engines of the workers. */
static inline tsr_status sum_of_array(int n, const tsr_bytes *args, tsr_task_result *r)
{
    double sum = -1;
    tsr_session *s = tsr_session_open(scheduler_address, NULL);
    if (!s) return tsr_error_code();
    tsr_array *x = tsr_arange(s, 0, number(&args[0]), 1, TSR_F64, &(int64_t){10});
    const tsr_status status = tsr_compute_into(tsr_sum(x, 0, NULL, false), &sum, sizeof sum);
    tsr_session_close(s);
    return status == TSR_OK ? set_number(r, sum) : status;
}

static inline tsr_status run(void *context, const void *function, size_t size, int n, const tsr_bytes *args, tsr_task_result *r)
{
    static const struct {
        const char *name;
        tsr_task_call call;
    } all[] = {{"add", add},
               {"fail_often", fail_often},
               {"fail", go_wrong},
               {"block", block},
               {"block_again", block_again},
               {"count_bytes", count_bytes},
               {"sleep", sleep_for},
               {"fib", fib},
               {"open", open_gate},
               {"pass", pass},
               {"sum_of_array", sum_of_array}};
    atomic_fetch_add(&n_calls, 1);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strlen(all[i].name) == size && memcmp(all[i].name, function, size) == 0) return all[i].call(n, args, r);
    return TSR_ERR_NOT_FOUND;
}

/* ---- The cluster ---- */

static inline void say(void *context, int level, const char *text)
{
    if (getenv("TESSERA_TEST_LOG")) fprintf(stderr, "%d %s\n", level, text);
}

static inline tsr_session *open_session(const town *t)
{
    tsr_session *s = tsr_session_open(t->address, NULL);
    if (!s) fprintf(stderr, "%s\n", tsr_error_message());
    assert_non_null(s);
    return s;
}

static inline tsr_worker *add_worker(town *t, const char *resources)
{
    static const tsr_task_runner runner = {.call = run, .runs = "test"};
    char name[20];
    snprintf(name, sizeof name, "w%d", t->n_workers);
    const tsr_worker_options o = {.scheduler = t->address,
                                  .name = name,
                                  .n_threads = N_THREADS,
                                  .memory_bytes = (size_t)256 << 20,
                                  .resources = resources,
                                  .runner = &runner,
                                  .log = say};
    assert_int_equal(tsr_worker_start(&o, &t->workers[t->n_workers]), TSR_OK);
    return t->workers[t->n_workers++];
}

static inline void town_open(town *t)
{
    *t = (town){0};
    assert_int_equal(tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0", .log = say}, &t->scheduler),
                     TSR_OK);
    snprintf(t->address, sizeof t->address, "%s", tsr_scheduler_address(t->scheduler));
    snprintf(scheduler_address, sizeof scheduler_address, "%s", t->address);
    for (int i = 0; i < N_WORKERS; i++) add_worker(t, i == 1 ? "GPU=1" : NULL);
    t->s = open_session(t);
    assert_int_equal(tsr_cluster_wait_for_workers(t->s, N_WORKERS, 20), TSR_OK);
}

static inline void town_close(town *t)
{
    tsr_session_close(t->s);
    for (int i = 0; i < t->n_workers; i++) tsr_worker_stop(t->workers[i]);
    tsr_scheduler_stop(t->scheduler);
}

static inline int setup(void **state)
{
    static town t;
    town_open(&t);
    *state = &t;
    return 0;
}

static inline int teardown(void **state)
{
    town_close(*state);
    return 0;
}

static inline void check(tsr_status status)
{
    if (status != TSR_OK) fprintf(stderr, "%s: %s\n", tsr_status_name(status), tsr_error_message());
    assert_int_equal(status, TSR_OK);
}

static inline tsr_future *submit_with(tsr_session *s, const char *name, double x, tsr_future *dep, const tsr_task_options *o,
                                      tsr_key key)
{
    tsr_future *f;
    const tsr_task_arg args[] = {{.data = &x, .size = sizeof x}, {.future = dep}};
    check(tsr_submit(s, named(name), 1, &(tsr_task){.key = key, .n_args = dep ? 2 : 1, .args = args}, o, &f));
    return f;
}

static inline tsr_future *submit(tsr_session *s, const char *name, double x, tsr_future *dep)
{
    return submit_with(s, name, x, dep, NULL, (tsr_key){0});
}

static inline double value(tsr_future *f)
{
    tsr_bytes b;
    check(tsr_future_result(f, 60, &b));
    const double x = number(&b);
    tsr_bytes_release(&b);
    return x;
}

#endif
