/* Arrays of futures on a cluster of this process: what they are, where their blocks are made, and what happens when something is
 * lost. */
#include "cluster/client_tasks.h"
#include "cluster/future_blocks.h"
#include "cluster/futures_testing.h"

enum { ROWS = 3, COLUMNS = 40, N = 12 };

static const int64_t row_chunks[N] = {ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS}, columns = COLUMNS;
static const tsr_chunks by_rows[] = {{N, row_chunks}, {1, &columns}};

static double cell(int block, int i) { return block * 1000 + i; }

/* Puts the blocks where `on` says, one letter each. */
static void scatter(const town *t, int n, const char *on, tsr_future **futures)
{
    for (int i = 0; i < n; i++) {
        double block[ROWS * COLUMNS];
        for (int k = 0; k < ROWS * COLUMNS; k++) block[k] = cell(i, k);
        const char *name = on[i] == 'a' ? "w0" : "w1";
        check(tsr_scatter(t->s, 1, &(tsr_bytes){.data = block, .size = sizeof block}, NULL,
                          &(tsr_task_options){.n_workers = 1, .workers = &name}, 1, &futures[i]));
    }
}

static void release(int n, tsr_future **futures)
{
    for (int i = 0; i < n; i++) tsr_future_release(futures[i]);
}

static tsr_array *fail_if_null(tsr_array *a)
{
    if (!a) fprintf(stderr, "%s\n", tsr_error_message());
    assert_non_null(a);
    return a;
}

static tsr_array *persisted(tsr_array *x)
{
    tsr_array *result = NULL;
    check(tsr_persist(1, &x, &result));
    return result;
}

static void test_scattered_blocks_are_an_array(void **state)
{
    const town *t = *state;
    tsr_future *f[N];
    double *all = malloc(sizeof *all * N * ROWS * COLUMNS), sum, expected = 0;
    scatter(t, N, "abababababab", f);
    tsr_array *x = fail_if_null(tsr_from_futures(t->s, f, TSR_F64, 2, by_rows, NULL));
    tsr_array *same = tsr_from_futures(t->s, f, TSR_F64, 2, by_rows, NULL);
    release(N, f); /* the array keeps them */
    check(tsr_compute_into(x, all, sizeof *all * N * ROWS * COLUMNS));
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < ROWS * COLUMNS; k++) {
            assert_true(all[i * ROWS * COLUMNS + k] == cell(i, k));
            expected += cell(i, k);
        }
    }
    tsr_array *total = tsr_sum(x, 0, NULL, false);
    check(tsr_compute_into(total, &sum, sizeof sum));
    assert_true(sum == expected);
    tsr_array *difference = tsr_sum(tsr_subtract(x, same), 0, NULL, false);
    check(tsr_compute_into(difference, &sum, sizeof sum));
    assert_true(sum == 0);
    free(all);
}

/* Blocks in both dimensions, of tasks that have not run when the array is computed. */
static void test_results_that_are_not_there_yet(void **state)
{
    static const int64_t halves[] = {4, 4};
    static const tsr_chunks chunks[] = {{2, halves}, {2, halves}};
    const town *t = *state;
    tsr_future *f[4], *gate;
    unsigned char all[8][8];
    atomic_store(&n_opened, 0);
    for (int i = 0; i < 4; i++) {
        tsr_future *waits = submit(t->s, "pass", 1, NULL);
        const double size = 16;
        const tsr_task_arg args[] = {{.data = &size, .size = sizeof size}, {.future = waits}};
        check(tsr_submit(t->s, named("block"), 1, &(tsr_task){.n_args = 2, .args = args}, NULL, &f[i]));
        tsr_future_release(waits);
    }
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(t->s, f, TSR_U8, 2, chunks, NULL)));
    assert_int_equal(tsr_future_state(f[0]), TSR_FUTURE_PENDING);
    release(4, f);
    gate = submit_with(t->s, "open", 1, NULL, &(tsr_task_options){.at_once = true}, (tsr_key){0});
    check(tsr_compute_into(x, all, sizeof all));
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++) assert_int_equal(all[i][k], (i % 4 * 4 + k % 4) * 7);
    tsr_future_release(gate);
    char *text = tsr_cluster_status(t->s);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"clients\": 1,")); /* what the workers have for the results is no client */
    tsr_free(text);
}

static double sum_of_numbers(tsr_session *s, int n)
{
    double sum = -1;
    check(tsr_compute_into(tsr_sum(tsr_arange(s, 0, n, 1, TSR_F64, &(int64_t){10}), 0, NULL, false), &sum, sizeof sum));
    return sum;
}

/* Blocks whose results are not there yet hold no thread of the engine: other arrays are computed meanwhile, also by the very
 * tasks that these blocks wait for. */
static void test_blocks_that_wait_hold_no_thread(void **state)
{
    enum { N_TASKS = 4 * N_WORKERS * N_THREADS };
    static const int64_t ones[N_TASKS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const town *t = *state;
    tsr_future *f[N_TASKS];
    double all[N_TASKS];
    atomic_store(&n_opened, 0);
    tsr_future *waits = submit(t->s, "pass", 1, NULL);
    for (int i = 0; i < N_TASKS; i++) f[i] = submit(t->s, "sum_of_array", 100 * i, waits);
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(t->s, f, TSR_F64, 1, &(tsr_chunks){N_TASKS, ones}, NULL)));
    assert_int_equal(tsr_wait(1, &x, 0.3), TSR_ERR_TIMEOUT);
    assert_true(sum_of_numbers(t->s, 1000) == 499500);
    assert_int_equal(tsr_future_state(waits), TSR_FUTURE_PENDING);
    tsr_future *gate = submit_with(t->s, "open", 1, NULL, &(tsr_task_options){.at_once = true}, (tsr_key){0});
    check(tsr_compute_into(x, all, sizeof all));
    for (int i = 0; i < N_TASKS; i++) assert_true(all[i] == i * 50.0 * (i * 100.0 - 1));
    release(N_TASKS, f);
    tsr_future_release(gate);
    tsr_future_release(waits);
}

/* An array that nobody has any more is forgotten by the workers, though its blocks' results never came. */
static void test_waiting_in_vain(void **state)
{
    static const int64_t ones[N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const town *t = *state;
    tsr_session *s = open_session(t);
    tsr_future *never[N];
    for (int i = 0; i < N; i++) check(tsr_future_of(s, (tsr_key){77, (uint64_t)i}, &never[i]));
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(s, never, TSR_F64, 1, &(tsr_chunks){N, ones}, NULL)));
    release(N, never);
    assert_int_equal(tsr_wait(1, &x, 0.3), TSR_ERR_TIMEOUT);
    tsr_session_close(s);
    s = open_session(t);
    assert_true(sum_of_numbers(s, 2000) == 1999000);
    tsr_session_close(s);
}

/* Blocks are made by the workers that have the results, so none of them moves. */
static void test_blocks_are_made_where_results_are(void **state)
{
    static const char on[] = "abbaabbabaab";
    const town *t = *state;
    tsr_future *f[N];
    scatter(t, N, on, f);
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(t->s, f, TSR_F64, 2, by_rows, NULL)));
    check(tsr_wait(1, &x, 30));
    char *text = tsr_cluster_blocks(t->s, 1, &x), owner[N] = "";
    assert_non_null(text);
    const char *at = strstr(text, "\"owners\"");
    while (at && (at = strstr(at, "\"address\": \"")) != NULL) {
        char address[200];
        int first, count;
        assert_int_equal(sscanf(at, "\"address\": \"%199[^\"]\", \"first\": %d, \"count\": %d", address, &first, &count), 3);
        for (int i = first; i < first + count; i++)
            owner[i] = strcmp(address, tsr_worker_address(t->workers[0])) == 0 ? 'a' : 'b';
        at++;
    }
    assert_memory_equal(owner, on, N);
    tsr_free(text);
    release(N, f);
}

static tsr_status widen(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (inputs[0].dtype != TSR_U8 || inputs[0].shape[0] != output->shape[0]) return tsr_fail(TSR_ERR_VALUE, "not these bytes");
    for (int64_t i = 0; i < output->shape[0]; i++) ((double *)output->data)[i] = ((const unsigned char *)inputs[0].data)[i];
    return TSR_OK;
}

static tsr_status save(void *context, const tsr_function *f, const void **bytes, size_t *size)
{
    *bytes = "widen";
    *size = 5;
    return f->call == widen ? TSR_OK : tsr_fail(TSR_ERR_VALUE, "another function");
}

static tsr_status load(void *context, tsr_session *session, const void *bytes, size_t size, tsr_function *f)
{
    *f = (tsr_function){.call = widen};
    return size == 5 && memcmp(bytes, "widen", 5) == 0 ? TSR_OK : tsr_fail(TSR_ERR_FORMAT, "other bytes");
}

/* A function of the user's reads what results mean. */
static void test_results_are_decoded(void **state)
{
    static const tsr_function_codec codec = {.save = save, .load = load};
    static const int64_t lengths[] = {5, 7};
    tsr_scheduler *scheduler;
    tsr_worker *w;
    tsr_future *f[2];
    double all[12];
    check(tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0", .log = say}, &scheduler));
    const char *address = tsr_scheduler_address(scheduler);
    check(tsr_worker_start(&(tsr_worker_options){.scheduler = address, .n_threads = 1, .codec = &codec, .log = say}, &w));
    tsr_session *s = tsr_session_open(address, &(tsr_options){.codec = &codec});
    assert_non_null(s);
    check(tsr_scatter(s, 2, (tsr_bytes[]){{.data = "\1\2\3\4\5", .size = 5}, {.data = "\6\7\10\11\12\13\14", .size = 7}}, NULL,
                      NULL, 1, f));
    tsr_array *x = fail_if_null(
        tsr_from_futures(s, f, TSR_F64, 1, &(tsr_chunks){2, lengths}, &(tsr_function){.call = widen, .name = "widen"}));
    release(2, f);
    check(tsr_compute_into(x, all, sizeof all));
    for (int i = 0; i < 12; i++) assert_true(all[i] == i + 1);
    tsr_session_close(s);
    tsr_worker_stop(w);
    tsr_scheduler_stop(scheduler);
}

static void test_what_is_wrong_is_said(void **state)
{
    const town *t = *state;
    tsr_future *f = submit(t->s, "fail", 1, NULL), *small = submit(t->s, "add", 3, NULL), *none = NULL;
    static const int64_t two = 2;
    double out[2];
    tsr_array *x = fail_if_null(tsr_from_futures(t->s, &f, TSR_F64, 1, &(tsr_chunks){1, &two}, NULL));
    assert_int_equal(tsr_compute_into(x, out, sizeof out), TSR_ERR_INDEX);
    assert_non_null(strstr(tsr_error_message(), "it went wrong"));
    x = fail_if_null(tsr_from_futures(t->s, &small, TSR_F64, 1, &(tsr_chunks){1, &two}, NULL));
    assert_int_equal(tsr_compute_into(x, out, sizeof out), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "the result has 8 bytes, the block 16"));
    assert_null(tsr_from_futures(t->s, &none, TSR_F64, 1, &(tsr_chunks){1, &two}, NULL));
    assert_non_null(strstr(tsr_error_message(), "block 0 has no future"));
    assert_null(tsr_from_futures(t->s, &f, TSR_F64, 1, &(tsr_chunks){0, NULL}, NULL));
    tsr_session *local = tsr_session_open(NULL, NULL), *other = open_session(t);
    assert_null(tsr_from_futures(local, &f, TSR_F64, 1, &(tsr_chunks){1, &two}, NULL));
    assert_int_equal(tsr_error_code(), TSR_ERR_UNSUPPORTED);
    assert_null(tsr_from_futures(other, &f, TSR_F64, 1, &(tsr_chunks){1, &two}, NULL));
    assert_non_null(strstr(tsr_error_message(), "belongs to another session"));
    tsr_session_close(other);
    tsr_session_close(local);
    tsr_future_release(f);
    tsr_future_release(small);
}

/* Persisted blocks, and the results that they are made from, are lost with a worker: tasks run again, and so do the blocks. */
static void test_a_worker_is_lost(void **state)
{
    town t;
    enum { N_TASKS = 8, SIZE = 100000 };
    int64_t lengths[N_TASKS];
    tsr_future *f[N_TASKS];
    unsigned char *all = malloc((size_t)N_TASKS * SIZE);
    town_open(&t);
    for (int i = 0; i < N_TASKS; i++) {
        lengths[i] = SIZE;
        f[i] = submit(t.s, "block", SIZE, NULL);
    }
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(t.s, f, TSR_U8, 1, &(tsr_chunks){N_TASKS, lengths}, NULL)));
    check(tsr_wait(1, &x, 30));
    release(N_TASKS, f);
    tsr_worker_stop(t.workers[0]);
    t.workers[0] = t.workers[--t.n_workers];
    check(tsr_compute_into(x, all, (size_t)N_TASKS * SIZE));
    for (int i = 0; i < N_TASKS * SIZE; i++) assert_int_equal(all[i], (unsigned char)(i % SIZE * 7));
    free(all);
    town_close(&t);
}

/* ---- Results that are lost before their block was made ---- */

enum { LOST_BYTES = 1 << 20 }; /* not carried along with the news: it has to be fetched */

typedef struct watcher {
    future_watch base;
    atomic_int n_told;
} watcher;

static void told(future_watch *w, bool is_done)
{
    if (is_done) atomic_fetch_add(&((watcher *)w)->n_told, 1);
}

/* A block function as a worker has it, whose result was there, and is lost with the worker that had it before the function is
 * called. */
typedef struct lost_result {
    town t;
    tsr_session *s; /* the function's */
    tsr_future *f;
    tsr_function function;
    atomic_bool ends;
    unsigned char *bytes;
} lost_result;

static tsr_status call_block(const lost_result *l)
{
    static const int64_t zero = 0, one = 1, size = LOST_BYTES;
    memset(l->bytes, 0, LOST_BYTES);
    return l->function.call(l->function.context, 0, NULL,
                            &(tsr_block){.data = l->bytes,
                                         .dtype = TSR_U8,
                                         .ndim = 1,
                                         .shape = &size,
                                         .strides = &one,
                                         .start = &zero,
                                         .index = &zero,
                                         .n_blocks = &one,
                                         .array_shape = &size});
}

static void open_the_gate(const lost_result *l)
{
    tsr_future *gate = submit_with(l->t.s, "open", 1, NULL, &(tsr_task_options){.at_once = true}, (tsr_key){0});
    assert_true(value(gate) == 1);
    tsr_future_release(gate);
}

static void begin_lost(lost_result *l)
{
    static const char *const first[] = {"w0"};
    const double size = LOST_BYTES;
    future_watch none = {0};
    *l = (lost_result){.bytes = malloc(LOST_BYTES)};
    atomic_store(&n_opened, 0);
    atomic_store(&n_again, 0);
    town_open(&l->t);
    l->s = open_session(&l->t);
    l->f = submit_with(l->t.s, "block_again", size, NULL,
                       &(tsr_task_options){.n_workers = 1, .workers = first, .others_too = true}, (tsr_key){0});
    const tsr_key key = tsr_future_key(l->f);
    const uint64_t row[] = {key.high, key.low, 0};
    check(future_blocks_load(l->s, &l->ends, row, sizeof row, &(tsr_function){0}, &l->function));
    watcher w = {.base = {.told = told}};
    if (future_blocks_watch(&l->function, 0, &w.base)) {
        for (int i = 0; i < 3000 && atomic_load(&w.n_told) == 0; i++) usleep(10000);
        assert_int_equal(atomic_load(&w.n_told), 1);
    }
    assert_false(future_blocks_watch(&l->function, 0, &none)); /* it may be called now */
    tsr_worker_stop(l->t.workers[0]);
    l->t.workers[0] = l->t.workers[--l->t.n_workers];
    /* The call begins to fetch, and gives up when it hears that the result is being made again. */
    assert_int_equal(call_block(l), TSR_ERR_TIMEOUT);
    assert_int_equal(atomic_load(&n_opened), 0);
}

static void end_lost(lost_result *l)
{
    check(call_block(l));
    for (int i = 0; i < LOST_BYTES; i++) assert_int_equal(l->bytes[i], (unsigned char)(i * 7));
    assert_int_equal(atomic_load(&n_again), 2);
    future_watch none = {0};
    assert_false(future_blocks_watch(&l->function, 0, &none));
    l->function.release(l->function.context);
    tsr_future_release(l->f);
    tsr_session_close(l->s);
    town_close(&l->t);
    free(l->bytes);
}

/* The call that gave up is put off until the result is there again. */
static void test_a_lost_result_is_awaited(void **state)
{
    lost_result l;
    watcher w = {.base = {.told = told}};
    begin_lost(&l);
    assert_true(future_blocks_watch(&l.function, 0, &w.base));
    assert_int_equal(atomic_load(&w.n_told), 0);
    open_the_gate(&l);
    for (int i = 0; i < 3000 && atomic_load(&w.n_told) == 0; i++) usleep(10000);
    assert_int_equal(atomic_load(&w.n_told), 1);
    end_lost(&l);
}

/* It is there again before anybody watches: whoever gave up is told so at once, and once. */
static void test_a_lost_result_is_back_already(void **state)
{
    lost_result l;
    watcher w = {.base = {.told = told}};
    tsr_future *same;
    begin_lost(&l);
    open_the_gate(&l);
    check(tsr_future_of(l.s, tsr_future_key(l.f), &same));
    check(tsr_futures_wait(1, &same, TSR_WAIT_ALL, 30));
    tsr_future_release(same);
    assert_true(future_blocks_watch(&l.function, 0, &w.base));
    assert_int_equal(atomic_load(&w.n_told), 1);
    end_lost(&l);
    assert_int_equal(atomic_load(&w.n_told), 1);
}

/* The same with workers around it: one is lost as soon as the blocks of the other begin to fetch what it made. */
static void test_blocks_whose_results_are_lost(void **state)
{
    enum { N_TASKS = 8 };
    static const char *const first[] = {"w0"};
    static const tsr_task_options there = {.n_workers = 1, .workers = first, .others_too = true};
    int64_t lengths[N_TASKS];
    tsr_future *f[N_TASKS];
    town t;
    unsigned char *all = malloc((size_t)N_TASKS * LOST_BYTES);
    atomic_store(&n_opened, 0);
    town_open(&t);
    tsr_future *waits = submit(t.s, "pass", 1, NULL);
    for (int i = 0; i < N_TASKS; i++) {
        lengths[i] = LOST_BYTES;
        f[i] = submit_with(t.s, "block", LOST_BYTES, waits, &there, (tsr_key){0});
    }
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(t.s, f, TSR_U8, 1, &(tsr_chunks){N_TASKS, lengths}, NULL)));
    assert_int_equal(tsr_wait(1, &x, 0.3), TSR_ERR_TIMEOUT);
    tsr_future *gate = submit_with(t.s, "open", 1, NULL, &(tsr_task_options){.at_once = true}, (tsr_key){0});
    check(tsr_futures_wait(N_TASKS, f, TSR_WAIT_FIRST, 30));
    tsr_worker_stop(t.workers[0]);
    t.workers[0] = t.workers[--t.n_workers];
    release(N_TASKS, f);
    check(tsr_compute_into(x, all, (size_t)N_TASKS * LOST_BYTES));
    for (int i = 0; i < N_TASKS * LOST_BYTES; i++) assert_int_equal(all[i], (unsigned char)(i % LOST_BYTES * 7));
    tsr_future_release(gate);
    tsr_future_release(waits);
    free(all);
    town_close(&t);
}

/* A worker that waits for a result ends all the same. */
static void test_workers_end_while_they_wait(void **state)
{
    static const int64_t two = 2;
    town t;
    town_open(&t);
    tsr_future *never;
    check(tsr_future_of(t.s, (tsr_key){1, 2}, &never));
    tsr_array *x = fail_if_null(persisted(tsr_from_futures(t.s, &never, TSR_F64, 1, &(tsr_chunks){1, &two}, NULL)));
    tsr_future_release(never);
    assert_int_equal(tsr_wait(1, &x, 0.3), TSR_ERR_TIMEOUT);
    for (; t.n_workers > 0; t.n_workers--) tsr_worker_stop(t.workers[t.n_workers - 1]);
    town_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scattered_blocks_are_an_array),
        cmocka_unit_test(test_results_that_are_not_there_yet),
        cmocka_unit_test(test_blocks_that_wait_hold_no_thread),
        cmocka_unit_test(test_waiting_in_vain),
        cmocka_unit_test(test_blocks_are_made_where_results_are),
        cmocka_unit_test(test_results_are_decoded),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_a_worker_is_lost),
        cmocka_unit_test(test_a_lost_result_is_awaited),
        cmocka_unit_test(test_a_lost_result_is_back_already),
        cmocka_unit_test(test_blocks_whose_results_are_lost),
        cmocka_unit_test(test_workers_end_while_they_wait),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
