/* The states of tasks, without a network: a few workers of which the test decides what they do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LOG = 1 << 16 };

typedef struct event {
    task_worker *w; /* or */
    task_client *c;
    tsr_key key;
    task_state state;
} event;

/* What the state machine asked for. */
typedef struct bench {
    tasks ts;
    event *runs, *frees, *tells;           /* MAX_LOG each */
    size_t n_runs, n_frees, n_tells, done; /* runs[0, done) were answered */
    int functions_freed;
    int64_t now;
    task_client clients[2];
    task_worker *workers[4];
    task_function *f;
    task_rule *rule;
} bench;

static void on_run(void *context, task_worker *w, task *t)
{
    bench *b = context;
    assert_true(b->n_runs < MAX_LOG);
    b->runs[b->n_runs++] = (event){.w = w, .key = t->key};
}

static void on_free(void *context, task_worker *w, const task *t)
{
    bench *b = context;
    assert_true(b->n_frees < MAX_LOG);
    b->frees[b->n_frees++] = (event){.w = w, .key = t->key};
}

static void on_tell(void *context, task_client *c, const task *t)
{
    bench *b = context;
    assert_true(b->n_tells < MAX_LOG);
    b->tells[b->n_tells++] = (event){.c = c, .key = t->key, .state = t->state};
}

static void on_function_free(void *context, task_function *f) { ((bench *)context)->functions_freed++; }
static int64_t on_now(void *context) { return ((bench *)context)->now; }

static tsr_key key_of(uint64_t n) { return (tsr_key){.high = n * 0x9e3779b97f4a7c15ULL, .low = n}; }

static task_worker *add_worker(bench *b, int number, int threads, const char *runs, double gpus)
{
    char name[20], address[40];
    const task_resource r = {"GPU", gpus};
    snprintf(name, sizeof name, "w%d", number);
    snprintf(address, sizeof address, "tcp://10.0.0.%d:1", number);
    const task_worker_facts facts = {.id = (uint64_t)number + 1,
                                     .name = name,
                                     .address = address,
                                     .runs = runs,
                                     .n_threads = threads,
                                     .n_resources = gpus > 0,
                                     .resources = &r,
                                     .user = b};
    assert_int_equal(tasks_worker_add(&b->ts, &facts, &b->workers[number]), TSR_OK);
    return b->workers[number];
}

static void bench_init(bench *b, int n_workers)
{
    *b = (bench){0};
    b->runs = calloc(MAX_LOG, sizeof *b->runs);
    b->frees = calloc(MAX_LOG, sizeof *b->frees);
    b->tells = calloc(MAX_LOG, sizeof *b->tells);
    const tasks_ops ops = {
        .run = on_run, .free = on_free, .tell = on_tell, .function_free = on_function_free, .now_ns = on_now, .context = b};
    assert_int_equal(tasks_init(&b->ts, &ops), TSR_OK);
    for (int i = 0; i < 2; i++) b->clients[i].user = b;
    for (int i = 0; i < n_workers; i++) add_worker(b, i, 1, NULL, 0);
    assert_int_equal(tasks_function_add(&b->ts, hash_bytes("f", 1), "f", NULL, NULL, &b->f), TSR_OK);
    b->f->seconds = 1e-4F;
    assert_int_equal(tasks_rule_get(&b->ts, NULL, 0, NULL, false, 0, NULL, &b->rule), TSR_OK);
}

/* When all clients are gone, nothing may be left. */
static void bench_fini(bench *b)
{
    for (int i = 0; i < 2; i++) tasks_client_lost(&b->ts, &b->clients[i]);
    assert_int_equal(b->ts.n_tasks, 0);
    assert_int_equal(b->ts.n_ready, 0);
    assert_int_equal(b->ts.n_near, 0);
    for (size_t i = 0; i < b->ts.workers.n; i++)
        if (b->ts.workers.items[i]) assert_int_equal(b->ts.workers.items[i]->n_assigned, 0);
    tasks_rule_unref(&b->ts, b->rule);
    tasks_function_unref(&b->ts, b->f);
    assert_int_equal(b->functions_freed, 1);
    assert_null(b->ts.rules);
    tasks_fini(&b->ts);
    free(b->runs);
    free(b->frees);
    free(b->tells);
}

typedef struct order {
    int client, priority;
    unsigned retries;
    bool at_once;
    task_rule *rule;
} order;

static tsr_status try_submit(bench *b, const order *o, uint64_t n, size_t n_args, const uint64_t *args)
{
    task_batch *batch;
    task_input inputs[8];
    for (size_t i = 0; i < n_args; i++) inputs[i] = (task_input){.is_key = true, .key = key_of(args[i])};
    assert_int_equal(
        tasks_batch_new(&b->ts, b->f, o->rule ? o->rule : b->rule, o->priority, o->retries, o->at_once, NULL, n_args, &batch),
        TSR_OK);
    const tsr_status status = tasks_submit(&b->ts, &b->clients[o->client], batch, key_of(n), batch->args, n_args, inputs);
    tasks_batch_unref(&b->ts, batch);
    return status;
}

static void submit(bench *b, uint64_t n, size_t n_args, const uint64_t *args)
{
    assert_int_equal(try_submit(b, &(order){0}, n, n_args, args), TSR_OK);
}

static task_state state_of(bench *b, uint64_t n)
{
    const task *t = tasks_find(&b->ts, key_of(n));
    return t ? (task_state)t->state : TASK_UNKNOWN;
}

/* Answers the next task that was given to a worker. */
static event run_next(bench *b, uint64_t size)
{
    tasks_assign(&b->ts);
    assert_true(b->done < b->n_runs);
    const event e = b->runs[b->done++];
    assert_true(tasks_ran(&b->ts, e.w, e.key, size, 1e-4));
    return e;
}

static void run_all(bench *b)
{
    for (;;) {
        tasks_assign(&b->ts);
        if (b->done == b->n_runs) return;
        const event e = b->runs[b->done++];
        (void)tasks_ran(&b->ts, e.w, e.key, 10, 1e-4);
    }
}

static void test_a_task(void **state)
{
    bench b;
    bench_init(&b, 1);
    submit(&b, 1, 0, NULL);
    assert_int_equal(state_of(&b, 1), TASK_READY);
    run_next(&b, 8);
    assert_int_equal(state_of(&b, 1), TASK_FINISHED);
    assert_int_equal(b.n_tells, 1);
    assert_int_equal(b.tells[0].state, TASK_FINISHED);
    assert_int_equal(b.workers[0]->stored_bytes, 8);
    tasks_unwant(&b.ts, &b.clients[0], key_of(1));
    assert_int_equal(b.n_frees, 1);
    assert_int_equal(b.ts.n_tasks, 0);
    assert_int_equal(b.workers[0]->stored_bytes, 0);
    bench_fini(&b);
}

/* How many tasks were given to workers before all of [first, end) were. */
static size_t given_before(const bench *b, uint64_t first, uint64_t end)
{
    size_t at = 0;
    for (size_t i = 0; i < b->n_runs; i++)
        if (b->runs[i].key.low >= first && b->runs[i].key.low < end) at = i + 1;
    return at;
}

/* Somebody with very many tasks waits for who has a few, and goes on. */
static void test_clients_share(void **state)
{
    bench b;
    bench_init(&b, 2);
    b.f->seconds = 0.01F;
    for (uint64_t i = 0; i < 20000; i++) submit(&b, i, 0, NULL);
    for (int i = 0; i < 1000; i++) (void)run_next(&b, 8);
    const size_t before = b.n_runs;
    for (uint64_t i = 30000; i < 30010; i++) assert_int_equal(try_submit(&b, &(order){.client = 1}, i, 0, NULL), TSR_OK);
    run_all(&b);
    assert_in_range(given_before(&b, 30000, 30010) - before, 10, 24);
    /* After a pause nobody makes up for it. */
    for (uint64_t i = 40000; i < 40100; i++) submit(&b, i, 0, NULL);
    for (uint64_t i = 50000; i < 50100; i++) assert_int_equal(try_submit(&b, &(order){.client = 1}, i, 0, NULL), TSR_OK);
    const size_t later = b.n_runs;
    run_all(&b);
    assert_in_range(given_before(&b, 40000, 40100) - later, 180, 200);
    assert_in_range(given_before(&b, 50000, 50100) - later, 180, 200);
    /* Priorities come first. */
    for (uint64_t i = 60000; i < 60010; i++) submit(&b, i, 0, NULL);
    assert_int_equal(try_submit(&b, &(order){.priority = 1}, 60020, 0, NULL), TSR_OK);
    for (uint64_t i = 60030; i < 60040; i++) assert_int_equal(try_submit(&b, &(order){.client = 1}, i, 0, NULL), TSR_OK);
    tasks_assign(&b.ts);
    assert_int_equal(b.runs[b.done].key.low, 60020);
    run_all(&b);
    bench_fini(&b);
}

/* What a worker says that it runs, since before the scheduler was there, is not given to another. */
static void test_tasks_that_run_already(void **state)
{
    bench b;
    bench_init(&b, 2);
    assert_int_equal(tasks_want(&b.ts, &b.ts.grace, key_of(1)), TSR_OK);
    assert_int_equal(tasks_want(&b.ts, &b.ts.grace, key_of(2)), TSR_OK);
    assert_int_equal(tasks_want(&b.ts, &b.ts.grace, key_of(3)), TSR_OK);
    for (uint64_t i = 1; i <= 3; i++) assert_true(tasks_runs(&b.ts, b.workers[0], key_of(i)));
    assert_false(tasks_runs(&b.ts, b.workers[1], key_of(1)));
    assert_false(tasks_runs(&b.ts, b.workers[1], key_of(9)));
    submit(&b, 1, 0, NULL);
    submit(&b, 2, 1, (uint64_t[]){1});
    tasks_assign(&b.ts);
    assert_int_equal(b.n_runs, 0);
    assert_int_equal(state_of(&b, 1), TASK_RUNNING);
    assert_int_equal(b.workers[0]->n_assigned, 1);
    assert_true(tasks_ran(&b.ts, b.workers[0], key_of(1), 8, 0.1));
    assert_int_equal(state_of(&b, 2), TASK_RUNNING);
    /* The worker goes: another runs it; nobody submitted the third, which is told to end nowhere. */
    tasks_worker_lost(&b.ts, b.workers[0], NULL);
    b.workers[0] = NULL;
    run_all(&b);
    assert_int_equal(state_of(&b, 2), TASK_FINISHED);
    assert_int_equal(state_of(&b, 3), TASK_UNKNOWN);
    /* One that is ready is taken; one that nobody wants in the end is stopped. */
    add_worker(&b, 0, 1, NULL, 0);
    submit(&b, 4, 0, NULL);
    assert_int_equal(state_of(&b, 4), TASK_READY);
    assert_true(tasks_runs(&b.ts, b.workers[0], key_of(4)));
    assert_int_equal(state_of(&b, 4), TASK_RUNNING);
    tasks_seceded(&b.ts, b.workers[0], key_of(4));
    assert_int_equal(b.workers[0]->n_assigned, 0);
    assert_true(tasks_runs(&b.ts, b.workers[0], key_of(3)));
    const size_t before = b.n_frees;
    tasks_client_lost(&b.ts, &b.ts.grace);
    assert_int_equal(b.n_frees, before + 1);
    tasks_failed(&b.ts, b.workers[0], key_of(4), TSR_ERR_VALUE, "no", NULL, 0);
    assert_int_equal(state_of(&b, 4), TASK_ERROR);
    bench_fini(&b);
}

static void test_a_chain_is_freed_as_it_goes(void **state)
{
    bench b;
    enum { N = 20000 };
    bench_init(&b, 1);
    submit(&b, 0, 0, NULL);
    for (uint64_t i = 1; i < N; i++) {
        submit(&b, i, 1, (uint64_t[]){i - 1});
        tasks_unwant(&b.ts, &b.clients[0], key_of(i - 1));
    }
    assert_int_equal(b.ts.n_tasks, N);
    run_all(&b);
    assert_int_equal(b.n_tells, 1);
    assert_int_equal(b.n_frees, N - 1);
    assert_int_equal(state_of(&b, N - 1), TASK_FINISHED);
    /* The lineage is kept, and all of it is made again when the result is lost. */
    assert_int_equal(b.ts.n_tasks, N);
    task_worker *w = add_worker(&b, 1, 1, NULL, 0);
    tasks_worker_lost(&b.ts, b.workers[0], NULL);
    run_all(&b);
    assert_int_equal(state_of(&b, N - 1), TASK_FINISHED);
    assert_ptr_equal(tasks_holder(&b.ts, tasks_find(&b.ts, key_of(N - 1)), 0), w);
    assert_int_equal(b.n_runs, 2 * N);
    bench_fini(&b);
}

static void test_the_same_key_is_the_same_task(void **state)
{
    bench b;
    bench_init(&b, 2);
    submit(&b, 1, 0, NULL);
    assert_int_equal(try_submit(&b, &(order){.client = 1}, 1, 0, NULL), TSR_OK);
    run_all(&b);
    assert_int_equal(b.n_runs, 1);
    assert_int_equal(b.n_tells, 2);
    tasks_unwant(&b.ts, &b.clients[0], key_of(1));
    assert_int_equal(state_of(&b, 1), TASK_FINISHED);
    bench_fini(&b);
}

static void test_priorities_then_age(void **state)
{
    bench b;
    bench_init(&b, 1);
    b.f->seconds = 10;
    submit(&b, 1, 0, NULL);
    tasks_assign(&b.ts);
    for (uint64_t i = 2; i < 8; i++) assert_int_equal(try_submit(&b, &(order){.priority = i % 2 ? 5 : -1}, i, 0, NULL), TSR_OK);
    static const uint64_t expected[] = {1, 3, 5, 7, 2, 4, 6};
    for (int i = 0; i < 7; i++) {
        b.f->seconds = 10; /* one at a time */
        assert_int_equal(run_next(&b, 1).key.low, expected[i]);
    }
    bench_fini(&b);
}

static void test_two_tasks_go_to_two_workers(void **state)
{
    bench b;
    bench_init(&b, 4);
    for (uint64_t i = 0; i < 4; i++) submit(&b, i, 0, NULL);
    tasks_assign(&b.ts);
    for (int i = 0; i < 4; i++) assert_int_equal(b.workers[i]->n_assigned, 1);
    run_all(&b);
    bench_fini(&b);
}

static void test_short_tasks_are_given_ahead_long_ones_not(void **state)
{
    bench b;
    bench_init(&b, 2);
    for (uint64_t i = 0; i < 1000; i++) submit(&b, i, 0, NULL);
    tasks_assign(&b.ts);
    assert_in_range(b.n_runs, 200, 210); /* 10 ms of 0.1 ms, twice */
    run_all(&b);
    const size_t before = b.n_runs;
    b.f->seconds = 2;
    for (uint64_t i = 1000; i < 1100; i++) submit(&b, i, 0, NULL);
    tasks_assign(&b.ts);
    assert_int_equal(b.n_runs - before, 2);
    run_all(&b);
    bench_fini(&b);
}

static void test_tasks_go_to_their_bytes(void **state)
{
    bench b;
    bench_init(&b, 3);
    for (uint64_t i = 0; i < 3; i++) submit(&b, i, 0, NULL);
    task_worker *w[3];
    for (uint64_t i = 0; i < 3; i++) {
        const event e = run_next(&b, 1);
        w[e.key.low] = e.w;
    }
    for (uint64_t i = 0; i < 3; i++) tasks_find(&b.ts, key_of(i))->size = i == 1 ? 1 << 20 : 1000;
    submit(&b, 10, 3, (uint64_t[]){0, 1, 2});
    assert_ptr_equal(run_next(&b, 1).w, w[1]);
    bench_fini(&b);
}

static void test_failures_spread_and_are_retried(void **state)
{
    bench b;
    bench_init(&b, 1);
    assert_int_equal(try_submit(&b, &(order){.retries = 1}, 1, 0, NULL), TSR_OK);
    submit(&b, 2, 1, (uint64_t[]){1});
    submit(&b, 3, 2, (uint64_t[]){1, 2});
    for (int i = 0; i < 2; i++) {
        tasks_assign(&b.ts);
        assert_int_equal(b.n_runs, i + 1);
        assert_int_equal(state_of(&b, 1), TASK_RUNNING);
        b.done++;
        tasks_failed(&b.ts, b.workers[0], key_of(1), TSR_ERR_VALUE, "no", "xyz", 3);
    }
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(state_of(&b, i), TASK_ERROR);
        const task *t = tasks_find(&b.ts, key_of(i));
        assert_string_equal(tasks_error(&b.ts, t)->text, "no");
        assert_memory_equal(tasks_error(&b.ts, t)->details, "xyz", 3);
    }
    assert_int_equal(b.n_tells, 3);
    submit(&b, 4, 1, (uint64_t[]){3}); /* fails at once */
    assert_int_equal(state_of(&b, 4), TASK_ERROR);
    tasks_retry(&b.ts, key_of(4));
    run_all(&b);
    for (uint64_t i = 1; i <= 4; i++) assert_int_equal(state_of(&b, i), TASK_FINISHED);
    bench_fini(&b);
}

static void test_cancelling(void **state)
{
    bench b;
    bench_init(&b, 1);
    b.f->seconds = 10;
    for (uint64_t i = 0; i < 3; i++) submit(&b, i, 0, NULL);
    submit(&b, 5, 1, (uint64_t[]){1});
    tasks_assign(&b.ts);
    tasks_cancel(&b.ts, &b.clients[0], key_of(0), false); /* it runs: the worker is told */
    assert_int_equal(b.n_frees, 1);
    tasks_cancel(&b.ts, &b.clients[0], key_of(1), false); /* waits; so does 5 for it */
    assert_int_equal(state_of(&b, 1), TASK_CANCELLED);
    assert_int_equal(state_of(&b, 5), TASK_CANCELLED);
    assert_false(tasks_ran(&b.ts, b.workers[0], key_of(0), 4, 1));
    /* Another client's task goes on. */
    assert_int_equal(try_submit(&b, &(order){.client = 1}, 2, 0, NULL), TSR_OK);
    tasks_cancel(&b.ts, &b.clients[0], key_of(2), false);
    assert_int_equal(state_of(&b, 2), TASK_READY);
    b.done = b.n_runs;
    run_all(&b);
    assert_int_equal(state_of(&b, 2), TASK_FINISHED);
    /* Submitted anew, a cancelled task is run. */
    submit(&b, 1, 0, NULL);
    run_all(&b);
    assert_int_equal(state_of(&b, 1), TASK_FINISHED);
    bench_fini(&b);
}

static void test_a_lost_worker(void **state)
{
    bench b;
    bench_init(&b, 2);
    for (uint64_t i = 0; i < 10; i++) submit(&b, i, 0, NULL);
    run_all(&b);
    for (uint64_t i = 0; i < 10; i++) submit(&b, 100 + i, 2, (uint64_t[]){i, (i + 1) % 10});
    tasks_assign(&b.ts);
    const size_t given = b.n_runs - b.done;
    assert_true(given > 0);
    tasks_worker_lost(&b.ts, b.workers[0], NULL);
    for (size_t i = b.done; i < b.n_runs; i++) {
        if (b.runs[i].w == b.workers[1]) (void)tasks_ran(&b.ts, b.runs[i].w, b.runs[i].key, 5, 1e-4);
    }
    b.done = b.n_runs;
    run_all(&b);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(state_of(&b, i), TASK_FINISHED);
        assert_int_equal(state_of(&b, 100 + i), TASK_FINISHED);
    }
    bench_fini(&b);
}

static void test_a_task_that_kills_three_workers(void **state)
{
    bench b;
    bench_init(&b, 0);
    submit(&b, 1, 0, NULL);
    submit(&b, 2, 1, (uint64_t[]){1});
    for (int i = 0; i < 3; i++) {
        add_worker(&b, i, 1, NULL, 0);
        tasks_assign(&b.ts);
        assert_int_equal(state_of(&b, 1), TASK_RUNNING);
        tasks_worker_lost(&b.ts, b.workers[i], i == 1 ? NULL : i ? "third words" : "first words");
    }
    assert_int_equal(state_of(&b, 1), TASK_ERROR);
    assert_int_equal(state_of(&b, 2), TASK_ERROR);
    const char *text = tasks_error(&b.ts, tasks_find(&b.ts, key_of(2)))->text;
    assert_int_equal(strncmp(text, "'f' (key ", 9), 0);
    assert_non_null(
        strstr(text, ") was running on 3 workers that were lost, one after the other: w0, w1, w2; it may be what ended them; "
                     "first words; third words"));
    bench_fini(&b);
}

static void test_scattered_bytes_have_no_lineage(void **state)
{
    bench b;
    bench_init(&b, 2);
    assert_int_equal(tasks_want(&b.ts, &b.clients[0], key_of(1)), TSR_OK);
    submit(&b, 2, 1, (uint64_t[]){1});
    assert_int_equal(state_of(&b, 2), TASK_WAITING);
    assert_true(tasks_ran(&b.ts, b.workers[0], key_of(1), 100, -1));
    assert_int_equal(state_of(&b, 2), TASK_READY);
    assert_true(tasks_ran(&b.ts, b.workers[1], key_of(1), 100, -1)); /* a copy */
    run_all(&b);
    submit(&b, 3, 1, (uint64_t[]){1});
    tasks_worker_lost(&b.ts, b.workers[0], NULL);
    assert_int_equal(state_of(&b, 1), TASK_FINISHED);
    tasks_worker_lost(&b.ts, b.workers[1], NULL);
    assert_int_equal(state_of(&b, 1), TASK_LOST);
    assert_int_equal(state_of(&b, 3), TASK_LOST);
    submit(&b, 4, 1, (uint64_t[]){77}); /* that nobody knows */
    assert_int_equal(state_of(&b, 4), TASK_LOST);
    bench_fini(&b);
}

static void test_an_argument_that_cannot_be_had(void **state)
{
    bench b;
    bench_init(&b, 2);
    submit(&b, 1, 0, NULL);
    task_worker *w = run_next(&b, 1 << 20).w;
    submit(&b, 2, 1, (uint64_t[]){1});
    tasks_assign(&b.ts);
    assert_int_equal(state_of(&b, 2), TASK_RUNNING);
    tasks_result_lost(&b.ts, w, key_of(1));
    assert_int_equal(state_of(&b, 1), TASK_READY);
    tasks_returned(&b.ts, w, key_of(2));
    assert_int_equal(state_of(&b, 2), TASK_WAITING);
    b.done = b.n_runs;
    run_all(&b);
    assert_int_equal(state_of(&b, 2), TASK_FINISHED);
    bench_fini(&b);
}

static void test_rules(void **state)
{
    bench b;
    char *names[] = {"w1"}, *nobody[] = {"w9"}, *hosts[] = {"10.0.0.2"};
    task_rule *host, *gpu, *named, *python, *soft, *hard, *again;
    bench_init(&b, 2);
    add_worker(&b, 2, 4, "python3.11", 0);
    add_worker(&b, 3, 4, NULL, 2);
    b.f->seconds = 10;
    assert_int_equal(tasks_rule_get(&b.ts, NULL, 0, NULL, false, 1, &(task_resource){"GPU", 1}, &gpu), TSR_OK);
    assert_int_equal(tasks_rule_get(&b.ts, NULL, 1, names, false, 0, NULL, &named), TSR_OK);
    assert_int_equal(tasks_rule_get(&b.ts, NULL, 1, names, false, 0, NULL, &again), TSR_OK);
    assert_ptr_equal(named, again);
    assert_int_equal(tasks_rule_get(&b.ts, NULL, 1, hosts, false, 0, NULL, &host), TSR_OK);
    assert_int_equal(tasks_rule_get(&b.ts, "python3.11", 0, NULL, false, 0, NULL, &python), TSR_OK);
    assert_int_equal(tasks_rule_get(&b.ts, NULL, 1, nobody, true, 0, NULL, &soft), TSR_OK);
    assert_int_equal(tasks_rule_get(&b.ts, NULL, 1, nobody, false, 0, NULL, &hard), TSR_OK);
    for (uint64_t i = 0; i < 5; i++) assert_int_equal(try_submit(&b, &(order){.rule = gpu}, i, 0, NULL), TSR_OK);
    tasks_assign(&b.ts);
    assert_int_equal(b.n_runs, 2); /* two have a GPU at a time, four threads or not */
    for (uint64_t i = 0; i < 5; i++) {
        assert_ptr_equal(run_next(&b, 1).w, b.workers[3]);
        b.f->seconds = 10;
    }
    assert_int_equal(try_submit(&b, &(order){.rule = named}, 10, 0, NULL), TSR_OK);
    assert_ptr_equal(run_next(&b, 1).w, b.workers[1]);
    assert_int_equal(try_submit(&b, &(order){.rule = python}, 11, 0, NULL), TSR_OK);
    assert_ptr_equal(run_next(&b, 1).w, b.workers[2]);
    assert_int_equal(try_submit(&b, &(order){.rule = soft}, 12, 0, NULL), TSR_OK);
    run_next(&b, 1);
    assert_int_equal(try_submit(&b, &(order){.rule = hard}, 13, 0, NULL), TSR_OK);
    run_all(&b);
    assert_int_equal(state_of(&b, 13), TASK_READY);
    assert_int_equal(try_submit(&b, &(order){.rule = host}, 14, 0, NULL), TSR_OK);
    assert_ptr_equal(run_next(&b, 1).w, b.workers[2]);
    char *texts[] = {"[::1]", "tls://[::1]:4", "::1", "tls://[::1]:4", "node1", "tcp://node1:4",
                     "node",  "tcp://node1:4", "/a",  "unix:///a:4"};
    for (size_t i = 0; i < 10; i += 2) {
        task_worker w = *b.workers[0];
        w.address = texts[i + 1];
        assert_int_equal(tasks_rule_get(&b.ts, NULL, 1, &texts[i], false, 0, NULL, &again), TSR_OK);
        assert_int_equal(tasks_rule_allows(&b.ts, again, &w), i < 6);
        tasks_rule_unref(&b.ts, again);
    }
    tasks_rule_unref(&b.ts, host);
    tasks_rule_unref(&b.ts, gpu);
    for (int i = 0; i < 2; i++) tasks_rule_unref(&b.ts, named);
    tasks_rule_unref(&b.ts, python);
    tasks_rule_unref(&b.ts, soft);
    tasks_rule_unref(&b.ts, hard);
    bench_fini(&b);
}

static void test_at_once(void **state)
{
    bench b;
    bench_init(&b, 1);
    b.f->seconds = 10;
    for (uint64_t i = 0; i < 3; i++) submit(&b, i, 0, NULL);
    tasks_assign(&b.ts);
    assert_int_equal(b.n_runs, 1);
    assert_int_equal(try_submit(&b, &(order){.at_once = true, .priority = 1}, 9, 0, NULL), TSR_OK);
    tasks_assign(&b.ts);
    assert_int_equal(b.n_runs, 2);
    run_all(&b);
    bench_fini(&b);
}

static void test_tasks_behind_a_slow_one_are_recalled(void **state)
{
    bench b;
    bench_init(&b, 2);
    for (uint64_t i = 0; i < 200; i++) submit(&b, i, 0, NULL);
    tasks_assign(&b.ts);
    task_worker *slow = b.runs[0].w;
    for (size_t i = 0; i < b.n_runs; i++)
        if (b.runs[i].w != slow) (void)tasks_ran(&b.ts, b.runs[i].w, b.runs[i].key, 1, 1e-4);
    assert_int_equal(b.ts.n_ready, 0);
    assert_int_equal(tasks_recall(&b.ts, slow), 0);
    b.now += 100 * 1000000;
    const size_t n = tasks_recall(&b.ts, slow);
    assert_int_equal(n, slow->n_assigned - 1);
    size_t back = 0;
    for (size_t i = 1; i < b.n_runs && back < n; i++) {
        if (b.runs[i].w != slow) continue;
        tasks_returned(&b.ts, slow, b.runs[i].key);
        back++;
    }
    b.done = b.n_runs;
    run_all(&b);
    assert_true(tasks_ran(&b.ts, slow, b.runs[0].key, 1, 60));
    for (uint64_t i = 0; i < 200; i++) assert_int_equal(state_of(&b, i), TASK_FINISHED);
    bench_fini(&b);
}

/* A function that was cancelled runs on, as nobody can stop it: its worker has no thread free, whatever the books say. */
static void test_tasks_behind_one_that_was_let_go(void **state)
{
    bench b;
    bench_init(&b, 2);
    b.f->seconds = 1;
    submit(&b, 0, 0, NULL);
    tasks_assign(&b.ts);
    task_worker *held = b.runs[0].w;
    tasks_cancel(&b.ts, &b.clients[0], key_of(0), false);
    b.done = 1;
    for (uint64_t i = 1; i < 3; i++) submit(&b, i, 0, NULL);
    tasks_assign(&b.ts); /* one to each */
    assert_int_equal(b.n_runs, 3);
    const int behind = b.runs[1].w == held ? 1 : 2;
    const event *other = &b.runs[3 - behind];
    const tsr_key key = b.runs[behind].key;
    assert_true(b.runs[behind].w == held && other->w != held);
    b.now += 100 * 1000000;
    assert_true(tasks_ran(&b.ts, other->w, other->key, 1, 1));
    assert_int_equal(tasks_recall(&b.ts, held), 1);
    tasks_returned(&b.ts, held, key);
    tasks_assign(&b.ts);
    assert_int_equal(b.n_runs, 4);
    assert_true(b.runs[3].w != held && memcmp(&b.runs[3].key, &key, sizeof key) == 0);
    b.done = 3;
    run_all(&b);
    bench_fini(&b);
}

static void test_nothing_depends_on_itself(void **state)
{
    bench b;
    bench_init(&b, 1);
    assert_int_equal(try_submit(&b, &(order){0}, 1, 1, (uint64_t[]){1}), TSR_ERR_VALUE);
    assert_int_equal(tasks_want(&b.ts, &b.clients[0], key_of(2)), TSR_OK);
    submit(&b, 3, 1, (uint64_t[]){2});
    submit(&b, 4, 1, (uint64_t[]){3});
    assert_int_equal(try_submit(&b, &(order){0}, 2, 1, (uint64_t[]){4}), TSR_ERR_VALUE);
    assert_int_equal(state_of(&b, 2), TASK_ERROR);
    assert_int_equal(state_of(&b, 4), TASK_ERROR);
    bench_fini(&b);
}

/* Random events for a long time; at the end, all that is wanted is finished and nothing is left over. */
static void test_random_events(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        bench b;
        unsigned r = seed;
        bench_init(&b, 4);
        for (int step = 0; step < 3000; step++) {
            r = r * 1664525U + 1013904223U;
            const unsigned what = r >> 24, n = (r >> 8) % 200, m = (r >> 4) % 200;
            if (what < 100) {
                const uint64_t args[] = {m < n ? m : n + 1, m / 2 < n ? m / 2 : n + 2};
                (void)try_submit(&b, &(order){.client = (int)(what & 1), .priority = (int)(what % 3), .retries = what % 2}, n,
                                 n ? what % 3 : 0, args);
            } else if (what < 130) {
                tasks_unwant(&b.ts, &b.clients[what & 1], key_of(n));
            } else if (what < 135) {
                tasks_cancel(&b.ts, &b.clients[what & 1], key_of(n), what & 2);
            } else if (what < 140) {
                tasks_retry(&b.ts, key_of(n));
            } else if (what < 143) {
                const int k = (int)(n % 4);
                tasks_worker_lost(&b.ts, b.workers[k], NULL);
                for (size_t i = b.done; i < b.n_runs; i++)
                    if (b.runs[i].w == b.workers[k]) b.runs[i].w = NULL;
                add_worker(&b, k, 1 + (int)(m % 3), NULL, 0);
            } else if (b.done < b.n_runs) {
                const event e = b.runs[b.done++];
                if (!e.w) continue;
                if (what < 150) {
                    tasks_failed(&b.ts, e.w, e.key, TSR_ERR_IO, "why not", NULL, 0);
                } else if (what < 156) {
                    tasks_returned(&b.ts, e.w, e.key);
                } else if (what < 160) {
                    (void)tasks_ran(&b.ts, e.w, e.key, m, 1e-4);
                    tasks_result_lost(&b.ts, e.w, e.key);
                } else {
                    (void)tasks_ran(&b.ts, e.w, e.key, m * 1000, 1e-4);
                }
            }
            tasks_assign(&b.ts);
        }
        b.now += 2000000000; /* workers that gave tasks back are tried again */
        for (int k = 0; k < 4; k++) (void)tasks_recall(&b.ts, b.workers[k]);
        tasks_assign(&b.ts);
        while (b.done < b.n_runs) {
            const event e = b.runs[b.done++];
            if (e.w) (void)tasks_ran(&b.ts, e.w, e.key, 1, 1e-4);
            tasks_assign(&b.ts);
        }
        task_id at = 0;
        for (const task *t; (t = tasks_next(&b.ts, &at));)
            if (t->client) assert_true(t->state >= TASK_FINISHED);
        bench_fini(&b);
    }
}

/* So many that they lie in several slabs, and that the table grows; what is left is found, and what went is not. */
static void test_very_many_tasks(void **state)
{
    enum { N = 100000 };
    bench b;
    task_batch *batch;
    task_id at = 0;
    size_t n = 0;
    bench_init(&b, 1);
    assert_int_equal(tasks_batch_new(&b.ts, b.f, b.rule, 0, 0, false, NULL, 0, &batch), TSR_OK);
    for (uint64_t i = 0; i < N; i++)
        for (int c = 0; c < 2; c++) assert_int_equal(tasks_submit(&b.ts, &b.clients[c], batch, key_of(i), NULL, 0, NULL), TSR_OK);
    tasks_batch_unref(&b.ts, batch);
    assert_true(b.ts.slabs.n > 1);
    for (uint64_t i = 0; i < N; i++) {
        tasks_unwant(&b.ts, &b.clients[i % 2], key_of(i));
        if (i % 3 == 0) tasks_unwant(&b.ts, &b.clients[1 - i % 2], key_of(i));
    }
    for (uint64_t i = 0; i < N; i++) {
        const task *t = tasks_find(&b.ts, key_of(i));
        assert_true(i % 3 == 0 ? !t : t && t->key.low == i && t->state == TASK_READY && task_at(&b.ts, task_number(t)) == t);
        if (t) assert_true(tasks_wants(&b.ts, &b.clients[1 - i % 2], t) && !tasks_wants(&b.ts, &b.clients[i % 2], t));
    }
    for (const task *t; (t = tasks_next(&b.ts, &at));) n += t->key.low % 3 != 0;
    assert_int_equal(n, b.ts.n_tasks);
    assert_int_equal(n, N - (N + 2) / 3);
    tasks_client_lost(&b.ts, &b.clients[0]);
    tasks_client_lost(&b.ts, &b.clients[1]);
    assert_int_equal(b.ts.slabs.n, 1);
    submit(&b, 1, 0, NULL);
    run_next(&b, 1);
    bench_fini(&b);
}

/* Whichever allocation fails, it is told, and nothing is left over. */
static void test_without_memory(void **state)
{
    bool failed = true;
    for (long n = 1; failed; n++) {
        bench b;
        bench_init(&b, 3);
        mem_fail_at(n);
        for (uint64_t i = 0; i < 4; i++) {
            const uint64_t args[] = {i + 10, i - 1};
            task_batch *batch;
            task_input inputs[2];
            const size_t n_args = i ? 2 : 0;
            for (size_t k = 0; k < n_args; k++) inputs[k] = (task_input){.is_key = true, .key = key_of(args[k])};
            (void)!tasks_want(&b.ts, &b.clients[1], key_of(i + 10));
            if (tasks_batch_new(&b.ts, b.f, b.rule, 0, 0, false, NULL, n_args, &batch) != TSR_OK) continue;
            (void)!tasks_submit(&b.ts, &b.clients[0], batch, key_of(i), batch->args, n_args, inputs);
            (void)!tasks_want(&b.ts, &b.clients[1], key_of(i));
            tasks_batch_unref(&b.ts, batch);
            for (int k = 0; k < 3; k++) (void)tasks_ran(&b.ts, b.workers[(i + (uint64_t)k) % 3], key_of(i + 10), 5, -1);
        }
        run_all(&b);
        tasks_failed(&b.ts, b.workers[0], key_of(0), TSR_ERR_VALUE, "no", "x", 1);
        tasks_worker_lost(&b.ts, b.workers[1], NULL);
        b.done = b.n_runs;
        tasks_unwant(&b.ts, &b.clients[1], key_of(2));
        failed = mem_fail_at(0) >= n;
        bench_fini(&b);
    }
}

static void test_a_task_is_small(void **state) { assert_true(sizeof(task) <= 72 && sizeof(task_arg) <= 24); }

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_a_task),
        cmocka_unit_test(test_clients_share),
        cmocka_unit_test(test_tasks_that_run_already),
        cmocka_unit_test(test_a_chain_is_freed_as_it_goes),
        cmocka_unit_test(test_the_same_key_is_the_same_task),
        cmocka_unit_test(test_priorities_then_age),
        cmocka_unit_test(test_two_tasks_go_to_two_workers),
        cmocka_unit_test(test_short_tasks_are_given_ahead_long_ones_not),
        cmocka_unit_test(test_tasks_go_to_their_bytes),
        cmocka_unit_test(test_failures_spread_and_are_retried),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_a_lost_worker),
        cmocka_unit_test(test_a_task_that_kills_three_workers),
        cmocka_unit_test(test_scattered_bytes_have_no_lineage),
        cmocka_unit_test(test_an_argument_that_cannot_be_had),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_tasks_behind_a_slow_one_are_recalled),
        cmocka_unit_test(test_tasks_behind_one_that_was_let_go),
        cmocka_unit_test(test_nothing_depends_on_itself),
        cmocka_unit_test(test_random_events),
        cmocka_unit_test(test_very_many_tasks),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_a_task_is_small),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
