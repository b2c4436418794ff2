/* Workers, driven by a scheduler and a client that do what the test says: values against this process's own, two workers that
 * need each other, persisted arrays, and everything that can go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/worker_testing.h"

#include <dirent.h>

/* ---- parts ---- */

static void test_table(void **state)
{
    enum { N = 1000 };
    static int values[N];
    id_table t = {0};
    size_t at = 0;
    int n = 0;
    assert_null(id_table_find(&t, 0));
    assert_null(id_table_take(&t, 3));
    for (int i = 0; i < N; i++) assert_true(id_table_put(&t, (uint64_t)i * 64, &values[i]));
    assert_true(id_table_put(&t, 64, &values[2]));
    assert_int_equal(t.n, N);
    assert_ptr_equal(id_table_find(&t, 64), &values[2]);
    for (int i = 0; i < N; i += 2) assert_non_null(id_table_take(&t, (uint64_t)i * 64));
    for (int i = 3; i < N; i++) assert_ptr_equal(id_table_find(&t, (uint64_t)i * 64), i % 2 ? &values[i] : NULL);
    while (id_table_next(&t, &at)) n++;
    assert_int_equal(n, N / 2);
    id_table_fini(&t);
}

static void expect_new(const span *spans, size_t n, const span *known, size_t n_known, const span *expected, size_t n_expected)
{
    span *out = NULL;
    size_t n_out = 0;
    assert_int_equal(worker_map_new_spans(spans, n, known, n_known, &out, &n_out), TSR_OK);
    assert_int_equal(n_out, n_expected);
    for (size_t i = 0; i < n_expected; i++) {
        assert_int_equal(out[i].root, expected[i].root);
        assert_int_equal(out[i].first, expected[i].first);
        assert_int_equal(out[i].end, expected[i].end);
    }
    mem_free(out);
}

static void test_new_spans(void **state)
{
    const span all[] = {{0, 0, 100}, {1, 5, 9}};
    const span known[] = {{0, 10, 20}, {0, 30, 40}, {1, 0, 7}};
    const span fresh[] = {{0, 0, 10}, {0, 20, 30}, {0, 40, 100}, {1, 7, 9}};
    expect_new(all, 2, NULL, 0, all, 2);
    expect_new(all, 2, all, 2, NULL, 0);
    expect_new(all, 2, known, 3, fresh, 4);
    expect_new(known, 3, all, 2, &(span){1, 0, 5}, 1);
    expect_new(all, 1, &(span){1, 0, 100}, 1, all, 1);
    expect_new(&(span){0, 0, 5}, 1, &(span){0, 7, 9}, 1, &(span){0, 0, 5}, 1);
}

/* ---- registration ---- */

static void test_registers(void **state)
{
    town t;
    town_open(&t);
    member *w = town_add_worker(&t, &(tsr_worker_options){.name = "anna", .n_threads = 3, .resources = "GPU=1 license=2"});
    assert_string_equal(w->name, "anna");
    assert_int_equal(w->threads, 3);
    assert_string_equal(w->address, tsr_worker_address(t.workers[0]));
    assert_int_equal(strncmp(w->address, "tcp://127.0.0.1:", 16), 0);
    assert_true(town_wait(&t, &w->n_reports, 2));
    /* The connection is lost: it comes again under the same number. */
    link_close(w->link, "the test says so");
    assert_true(town_wait(&t, &w->n_registered, 2));
    assert_int_equal(t.n_members, 1);
    assert_false(tsr_worker_wait(t.workers[0], 0.01));
    Tessera__Cluster__Jobs nothing = TESSERA__CLUSTER__JOBS__INIT;
    town_say(w->link, MESSAGE(LEAVE), &nothing.base, NULL);
    assert_true(tsr_worker_wait(t.workers[0], 60));
    town_close(&t);
}

static void test_waits_for_a_scheduler(void **state)
{
    town t;
    char where[ADDRESS_TEXT_BYTES];
    tsr_worker *w;
    town_open(&t);
    snprintf(where, sizeof where, "%s", t.address);
    net_close(t.head);
    assert_int_equal(tsr_worker_start(&(tsr_worker_options){.scheduler = where, .n_threads = 1}, &w), TSR_OK);
    usleep(250000);
    net_options head = {.role = NET_ROLE_SCHEDULER, .handlers = {.message = head_message}, .context = &t};
    assert_int_equal(net_open(&head, &t.head), TSR_OK);
    assert_int_equal(net_listen(t.head, where, NULL, 0), TSR_OK);
    assert_true(town_wait(&t, &t.n_members, 1));
    t.workers[t.n_workers++] = w;
    town_close(&t);
}

static void test_bad_options(void **state)
{
    tsr_worker *w = (tsr_worker *)1;
    assert_int_equal(tsr_worker_start(&(tsr_worker_options){0}, &w), TSR_ERR_VALUE);
    assert_null(w);
    assert_int_equal(tsr_worker_start(&(tsr_worker_options){.scheduler = "here"}, &w), TSR_ERR_VALUE);
    assert_int_equal(tsr_worker_start(&(tsr_worker_options){.scheduler = "tcp://127.0.0.1:1", .listen = "tcp://0.0.0.0:0"}, &w),
                     TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "secret"));
    tsr_worker_stop(NULL);
}

static void test_unix_scheduler(void **state)
{
    town t;
    char path[64], where[80];
    snprintf(path, sizeof path, "/tmp/tessera-worker-test-%d.sock", (int)getpid());
    snprintf(where, sizeof where, "unix://%s", path);
    town_open_with(&t, where, NULL);
    member *w = town_add_worker(&t, &(tsr_worker_options){0});
    assert_int_equal(strncmp(w->address, "tcp://127.0.0.1:", 16), 0);
    town_close(&t);
    assert_int_equal(access(path, F_OK), -1);
}

/* With a secret, everybody has to know it: the scheduler, workers, and those who fetch. */
static void test_secret(void **state)
{
    town t;
    test_job j;
    tsr_worker *stranger;
    char path[] = "/tmp/tessera-worker-secret-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "a secret of some length", 23) == 23);
    close(fd);
    town_open_with(&t, "tcp://127.0.0.1:0", path);
    assert_int_equal(tsr_worker_start(&(tsr_worker_options){.scheduler = t.address, .n_threads = 1}, &stranger), TSR_OK);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){.security = {.secret_file = path}});
    tsr_array *sum = tsr_sum(numbers(&t, 2000, 400, 20), 0, NULL, false);
    test_job_make(&t, &j, 9, 1, &sum, NULL);
    test_job_send(&j);
    assert_int_equal(test_job_check(&j, 0), 0);
    assert_int_equal(t.n_members, 2);
    net_link *l;
    assert_int_equal(net_connect(t.client, tsr_worker_address(stranger), &l), TSR_OK);
    assert_true(town_wait(&t, &t.n_closed, 1));
    link_unref(l);
    tsr_worker_stop(stranger);
    unlink(path);
    test_job_free(&j);
    town_close(&t);
}

/* Any allocation of the start may fail. */
static void test_start_without_memory(void **state)
{
    int n_failed = 0;
    (void)mem_fail_at(0);
    for (long n = 1;; n++) {
        tsr_worker *w = NULL;
        mem_fail_at(n);
        const tsr_status status = tsr_worker_start(
            &(tsr_worker_options){.scheduler = "tcp://127.0.0.1:1", .n_threads = 1, .memory_bytes = (size_t)16 << 20}, &w);
        const long used = mem_fail_at(0);
        if (status != TSR_OK) {
            n_failed++;
            assert_null(w);
            assert_true(tsr_error_message()[0] != 0);
        }
        tsr_worker_stop(w);
        if (used < n) break;
    }
    assert_true(n_failed > 5);
}

/* ---- computing ---- */

/* Every expression with any number of workers. */
static void check_arrays(town *t, uint64_t first_id, int n, tsr_array **arrays)
{
    for (int i = 0; i < n; i++) {
        test_job j;
        test_job_make(t, &j, first_id + (uint64_t)i, 1, &arrays[i], NULL);
        test_job_send(&j);
        const int status = test_job_check(&j, 0);
        if (status != 0) print_error("array %d: %d, %s\n", i, status, t->failed_message);
        assert_int_equal(status, 0);
        test_job_drop(&j);
        test_job_free(&j);
    }
}

static void check_values(int n_workers)
{
    town t;
    const int first = 0, second = 1;
    town_open(&t);
    for (int i = 0; i < n_workers; i++) town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = numbers(&t, 300, 200, 32);
    tsr_array *arrays[] = {
        tsr_sum(x, 0, NULL, false),
        tsr_add(x, tsr_transpose(tsr_reshape(x, 2, (int64_t[]){200, 300}), NULL)),
        tsr_mean(x, 1, &first, false),
        tsr_std(x, 1, &second, 0, false),
        tsr_divide(tsr_subtract(x, tsr_mean(x, 1, &first, true)), tsr_std(x, 1, &first, 0, true)),
        tsr_rechunk(x, (int64_t[]){-1, 7}),
        tsr_cumsum(x, 0),
        tsr_max(tsr_flip(x, 1, &second), 1, &second, false),
        tsr_matmul(x, tsr_transpose(x, NULL)),
        tsr_quantile(x, 2, (double[]){0.25, 0.5}, 1, &first, false),
        tsr_argmax(x, 1, &first, false),
        tsr_concatenate(2, (tsr_array *[]){x, tsr_flip(x, 1, &first)}, 0),
        tsr_sum(numbers(&t, 0, 5, 3), 1, &first, false),
    };
    check_arrays(&t, 100, (int)(sizeof arrays / sizeof arrays[0]), arrays);
    assert_int_equal(town_read(&t, &t.n_failed), 0);
    town_close(&t);
}

static void test_one_worker(void **state) { check_values(1); }
static void test_two_workers(void **state) { check_values(2); }
static void test_three_workers(void **state) { check_values(3); }

/* Runs of one block's fold lie on both workers. */
static void test_split_fold(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *sum = tsr_sum(numbers(&t, 2000, 400, 20), 0, NULL, false);
    test_job_make(&t, &j, 5, 1, &sum, NULL);
    const stage *s = &j.p->stages[j.p->roots[0].stage];
    assert_true(stage_folds(s) && s->n_runs > 1);
    test_job_send(&j);
    assert_int_equal(test_job_check(&j, 0), 0);
    assert_true(town_wait(&t, &t.members[0].n_reports, 1));
    test_job_free(&j);
    town_close(&t);
}

static void test_several_roots(void **state)
{
    town t;
    test_job j;
    const int axis = 0;
    town_open(&t);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = numbers(&t, 100, 90, 16);
    tsr_array *roots[] = {tsr_mean(x, 1, &axis, false), tsr_std(x, 1, &axis, 0, false), tsr_sin(x)};
    test_job_make(&t, &j, 6, 3, roots, NULL);
    test_job_send(&j);
    for (int r = 0; r < 3; r++) assert_int_equal(test_job_check(&j, r), 0);
    for (int r = 2; r >= 0; r--) assert_int_equal(test_job_check(&j, r), 0); /* made again, or still there */
    test_job_free(&j);
    town_close(&t);
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Whatever the worker's threads do, it answers at once. */
static void test_answers_while_it_computes(void **state)
{
    enum { N = 101 };
    town t;
    test_job busy, failed;
    int64_t times[N];
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){.n_threads = 4});
    tsr_array *x = numbers(&t, 20000, 2000, 500), *y = numbers(&t, 10, 10, 10);
    test_job_make(&t, &busy, 7, 1, &x, NULL);
    test_job_make(&t, &failed, 8, 1, &y, NULL);
    failed.fingerprint = 1;
    busy.persists = true;
    test_job_send(&failed);
    assert_true(town_wait(&t, &t.n_failed, 1));
    test_job_send(&busy);
    net_link *l = town_dial(&t, 0);
    for (int i = 0; i < N; i++) {
        const int64_t begin = os_now_ns();
        assert_int_equal(town_wait_request(&t, town_fetch(&t, l, 8, 0, 0, 0, 1)), TSR_ERR_UNSUPPORTED);
        times[i] = os_now_ns() - begin;
    }
    qsort(times, N, sizeof times[0], compare_times);
    assert_true(times[N / 2] < 10000000);
    test_job_drop(&busy);
    link_unref(l);
    test_job_free(&busy);
    test_job_free(&failed);
    town_close(&t);
}

/* ---- persisted arrays ---- */

static const block_set *set_that_is_known;

static bool save_set(void *context, const block_set *set, uint64_t *id, uint32_t *root)
{
    *id = *(const uint64_t *)context;
    *root = 0;
    return set == set_that_is_known;
}

static void check_persisted(int n_workers)
{
    town t;
    test_job first, second;
    tsr_array *held;
    uint64_t id = 11;
    town_open(&t);
    for (int i = 0; i < n_workers; i++) town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = tsr_exp(numbers(&t, 120, 80, 16));
    test_job_make(&t, &first, id, 1, &x, NULL);
    first.persists = true;
    test_job_send(&first);
    assert_int_equal(test_job_check(&first, 0), 0);
    /* Another job reads what the first has left on the workers. */
    assert_int_equal(tsr_persist(1, &x, &held), TSR_OK);
    assert_int_equal(held->op, NODE_BLOCKS);
    set_that_is_known = held->p.blocks.set;
    const set_codec sets = {.context = &id, .save = save_set};
    tsr_array *sum = tsr_sum(tsr_multiply(held, tsr_flip(held, 1, (int[]){0})), 0, NULL, false);
    test_job_make(&t, &second, 12, 1, &sum, &sets);
    assert_true(second.size < 4096);
    test_job_send(&second);
    assert_int_equal(test_job_check(&second, 0), 0);
    assert_int_equal(test_job_check(&first, 0), 0);
    test_job_drop(&first);
    test_job_drop(&second);
    test_job_free(&first);
    test_job_free(&second);
    town_close(&t);
}

static void test_persisted(void **state) { check_persisted(1); }
static void test_persisted_on_two(void **state) { check_persisted(2); }

/* Persisted roots are made without being asked for. */
static void test_persists_by_itself(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = numbers(&t, 4000, 1000, 250);
    test_job_make(&t, &j, 3, 1, &x, NULL);
    j.persists = true;
    const uint64_t n = (uint64_t)stage_n_blocks(&j.p->stages[0]);
    assert_true(j.p->n_stages == 1 && n > 4);
    test_job_send(&j);
    for (int i = 0; i < 600; i++) {
        pthread_mutex_lock(&t.lock);
        const uint64_t done = t.members[0].tasks_done + t.members[1].tasks_done;
        pthread_mutex_unlock(&t.lock);
        if (done == n) break;
        assert_true(done < n && i < 599);
        usleep(100000);
    }
    assert_int_equal(test_job_check(&j, 0), 0);
    test_job_free(&j);
    town_close(&t);
}

/* ---- the end ---- */

static int count_entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void test_leaves_nothing(void **state)
{
    const int threads = count_entries("/proc/self/task"), files = count_entries("/proc/self/fd");
    char scratch[] = "/tmp/tessera-worker-scratch-XXXXXX";
    assert_non_null(mkdtemp(scratch));
    for (int i = 0; i < 3; i++) {
        town t;
        test_job j;
        town_open(&t);
        for (int k = 0; k < 2; k++)
            town_add_worker(&t, &(tsr_worker_options){.scratch_dir = scratch, .memory_bytes = (size_t)24 << 20});
        tsr_array *x = tsr_rechunk(numbers(&t, 2400, 1000, 200), (int64_t[]){-1, 100});
        test_job_make(&t, &j, 81, 1, &x, NULL);
        j.persists = true;
        test_job_send(&j);
        /* Once nothing is waited for, once half of it is there, once all of it. */
        if (i == 1) usleep(50000);
        if (i == 2) assert_int_equal(test_job_check(&j, 0), 0);
        test_job_free(&j);
        town_close(&t);
    }
    assert_int_equal(count_entries(scratch), 2);
    assert_int_equal(rmdir(scratch), 0);
    for (int i = 0; i < 100 && count_entries("/proc/self/task") > threads; i++) usleep(10000);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    assert_int_equal(count_entries("/proc/self/fd"), files);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_new_spans),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_waits_for_a_scheduler),
        cmocka_unit_test(test_unix_scheduler),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_start_without_memory),
        cmocka_unit_test(test_one_worker),
        cmocka_unit_test(test_two_workers),
        cmocka_unit_test(test_three_workers),
        cmocka_unit_test(test_split_fold),
        cmocka_unit_test(test_several_roots),
        cmocka_unit_test(test_answers_while_it_computes),
        cmocka_unit_test(test_persisted),
        cmocka_unit_test(test_persisted_on_two),
        cmocka_unit_test(test_persists_by_itself),
        cmocka_unit_test(test_leaves_nothing),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
