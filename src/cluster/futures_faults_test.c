/* Futures when memory is short, and when workers and schedulers go. */
#include "cluster/futures_testing.h"

/* More than a worker may hold: 4 x 40 MB where 64 are the half. */
static void test_results_are_spilled(void **state)
{
    town *t = *state;
    static const tsr_task_runner runner = {.call = run, .runs = "test"};
    const char *name = "small";
    tsr_worker *small;
    const tsr_worker_options o = {
        .scheduler = t->address, .name = name, .n_threads = 1, .memory_bytes = (size_t)128 << 20, .runner = &runner, .log = say};
    check(tsr_worker_start(&o, &small));
    check(tsr_cluster_wait_for_workers(t->s, 3, 60));
    const tsr_task_options there = {.n_workers = 1, .workers = &name};
    tsr_future *f[6], *g[6];
    for (int i = 0; i < 6; i++) f[i] = submit_with(t->s, "block", 40e6, NULL, &there, (tsr_key){0});
    check(tsr_futures_wait(6, f, TSR_WAIT_ALL, 300));
    bool spilled = false;
    for (int i = 0; i < 3000 && !spilled; i++, usleep(20000)) {
        char *status = tsr_cluster_status(t->s);
        assert_non_null(status);
        for (const char *at = status; (at = strstr(at, "\"spilled_bytes\":")) != NULL && !spilled; at++)
            spilled = atof(at + 16) > 100e6;
        tsr_free(status);
    }
    assert_true(spilled);
    for (int i = 0; i < 6; i++) {
        const tsr_task_arg arg = {.future = f[i]};
        check(tsr_submit(t->s, named("count_bytes"), 1, &(tsr_task){.n_args = 1, .args = &arg}, &there, &g[i]));
        tsr_bytes b;
        check(tsr_future_result(f[i], 300, &b));
        assert_int_equal(b.size, 40000000);
        for (size_t k = 0; k < b.size; k += 4097) assert_int_equal(((const unsigned char *)b.data)[k], (unsigned char)(k * 7));
        tsr_bytes_release(&b);
    }
    for (int i = 0; i < 6; i++) {
        assert_true(value(g[i]) == 40e6);
        tsr_future_release(f[i]);
        tsr_future_release(g[i]);
    }
    tsr_worker_stop(small);
}

/* A worker that is told to go leaves its results to others: nothing is made again, scattered bytes are not lost. */
static void test_a_worker_retires(void **state)
{
    town *t = *state;
    tsr_worker *gone = add_worker(t, NULL);
    const char *name = "w2";
    check(tsr_cluster_wait_for_workers(t->s, 3, 60));
    const tsr_task_options there = {.n_workers = 1, .workers = &name};
    tsr_future *f[10], *scattered;
    tsr_bytes b = {.data = "abc", .size = 3};
    for (int i = 0; i < 10; i++) f[i] = submit_with(t->s, "block", 100000 + i, NULL, &there, (tsr_key){0});
    check(tsr_scatter(t->s, 1, &b, NULL, &there, 1, &scattered));
    check(tsr_futures_wait(10, f, TSR_WAIT_ALL, 20));
    const int before = atomic_load(&n_calls);
    check(tsr_cluster_control(t->s, "retire", 1, &name));
    assert_true(tsr_worker_wait(gone, 30));
    tsr_worker_stop(gone);
    t->n_workers--;
    for (int i = 0; i < 10; i++) {
        check(tsr_future_result(f[i], 30, &b));
        assert_int_equal(b.size, 100000 + i);
        tsr_bytes_release(&b);
        tsr_future_release(f[i]);
    }
    check(tsr_future_result(scattered, 30, &b));
    assert_memory_equal(b.data, "abc", 3);
    tsr_bytes_release(&b);
    tsr_future_release(scattered);
    assert_int_equal(atomic_load(&n_calls), before);
}

static void test_a_worker_goes(void **state)
{
    town *t = *state;
    tsr_worker *gone = add_worker(t, NULL);
    const char *name = "w2";
    check(tsr_cluster_wait_for_workers(t->s, 3, 60));
    const tsr_task_options there = {.n_workers = 1, .workers = &name, .others_too = true};
    tsr_future *f[20], *g[20];
    for (int i = 0; i < 20; i++) f[i] = submit_with(t->s, "block", 200000, NULL, &there, (tsr_key){0});
    check(tsr_futures_wait(20, f, TSR_WAIT_ALL, 20));
    for (int i = 0; i < 20; i++) {
        const tsr_task_arg args[] = {{.future = f[i]}};
        check(tsr_submit(t->s, named("count_bytes"), 1, &(tsr_task){.n_args = 1, .args = args}, &there, &g[i]));
    }
    tsr_bytes scattered = {.data = "abc", .size = 3};
    tsr_future *s;
    check(tsr_scatter(t->s, 1, &scattered, NULL, &(tsr_task_options){.n_workers = 1, .workers = &name}, 1, &s));
    tsr_worker_stop(gone);
    t->n_workers--;
    for (int i = 0; i < 20; i++) {
        assert_true(value(g[i]) == 200000);
        tsr_bytes b;
        check(tsr_future_result(f[i], 300, &b));
        assert_int_equal(b.size, 200000);
        tsr_bytes_release(&b);
        tsr_future_release(f[i]);
        tsr_future_release(g[i]);
    }
    /* Scattered bytes cannot be made again. */
    for (int i = 0; i < 1000 && tsr_future_state(s) != TSR_FUTURE_LOST; i++) usleep(10000);
    assert_int_equal(tsr_future_result(s, 20, &scattered), TSR_ERR_NOT_FOUND);
    tsr_future_release(s);
    /* Its place among the scheduler's workers is empty. */
    tsr_bytes some[4];
    for (int i = 0; i < 4; i++) some[i] = (tsr_bytes){.data = &"abcd"[i], .size = 1};
    check(tsr_scatter(t->s, 4, some, NULL, NULL, 1, f));
    check(tsr_futures_replicate(4, f, -1, 0, NULL));
    for (int i = 0; i < 4; i++) {
        check(tsr_future_result(f[i], 300, &scattered));
        assert_memory_equal(scattered.data, &"abcd"[i], 1);
        tsr_bytes_release(&scattered);
        tsr_future_release(f[i]);
    }
}

static void test_the_scheduler_goes(void **state)
{
    town *t = *state;
    tsr_future *f = submit(t->s, "block", 300000, NULL), *done = submit(t->s, "add", 5, NULL),
               *slow = submit(t->s, "sleep", 1.5, NULL);
    check(tsr_futures_wait(2, (tsr_future *[]){f, done}, TSR_WAIT_ALL, 20));
    tsr_scheduler_stop(t->scheduler);
    tsr_future *later = submit(t->s, "add", 6, done);
    check(tsr_scheduler_start(&(tsr_scheduler_options){.listen = t->address, .log = say}, &t->scheduler));
    assert_true(value(slow) == 1.5);
    assert_true(value(later) == 11);
    assert_true(value(done) == 5);
    tsr_bytes b;
    check(tsr_future_result(f, 300, &b));
    assert_int_equal(b.size, 300000);
    tsr_bytes_release(&b);
    tsr_future_release(f);
    tsr_future_release(done);
    tsr_future_release(slow);
    tsr_future_release(later);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_results_are_spilled),
        cmocka_unit_test(test_a_worker_retires),
        cmocka_unit_test(test_a_worker_goes),
        cmocka_unit_test(test_the_scheduler_goes),
    };
    return cmocka_run_group_tests(all, setup, teardown);
}
