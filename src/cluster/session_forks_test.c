/* Sessions in a process that was forked from the one that opened them: who uses them is told at once, and nothing that is done
 * there reaches the other process. Each test's child ends by its alarm if anything there waits. */
#include "cluster/futures_testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CHILD_SECONDS = 120 };

/* In a child: cmocka's own assertions would go on with the next test. */
#define EXPECT(condition)                                                                                                        \
    do {                                                                                                                         \
        if (!(condition)) {                                                                                                      \
            fprintf(stderr, "child, line %d: %s (%s)\n", __LINE__, #condition, tsr_error_message());                             \
            _exit(1);                                                                                                            \
        }                                                                                                                        \
    } while (0)

static pid_t begin_child(void)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) alarm(CHILD_SECONDS);
    return child;
}

static void child_is_good(pid_t child)
{
    int state = 0;
    assert_int_equal(waitpid(child, &state, 0), child);
    assert_true(WIFEXITED(state) && WEXITSTATUS(state) == 0);
}

static bool is_refused(tsr_status status) { return status == TSR_ERR_IO && strstr(tsr_error_message(), "was forked") != NULL; }

static void test_a_session_on_a_cluster(void **state)
{
    const town *t = *state;
    tsr_future *f = submit(t->s, "add", 3, NULL), *pending = submit(t->s, "sleep", 0.5, NULL);
    tsr_array *x = tsr_arange(t->s, 0, 1000, 1, TSR_F64, &(int64_t){100}), *held, *more;
    check(tsr_persist(1, &x, &held));
    assert_true(value(f) == 3);
    const pid_t child = begin_child();
    if (child == 0) {
        double sum = 0;
        tsr_bytes b;
        const char *text;
        EXPECT(is_refused(tsr_compute_into(tsr_sum(held, 0, NULL, false), &sum, sizeof sum)));
        EXPECT(is_refused(tsr_persist(1, &x, &more)));
        EXPECT(is_refused(tsr_wait(1, &held, -1)));
        EXPECT(is_refused(tsr_future_result(f, -1, &b)));
        EXPECT(is_refused(tsr_futures_wait(1, &pending, TSR_WAIT_ALL, -1)));
        EXPECT(is_refused(tsr_gather(1, &pending, false, -1, &b)));
        EXPECT(is_refused(tsr_future_error(f, &text, NULL)));
        EXPECT(is_refused(tsr_futures_cancel(1, &pending, true)));
        EXPECT(is_refused(tsr_futures_replicate(1, &f, 2, 0, NULL)));
        EXPECT(tsr_future_state(f) == TSR_FUTURE_LOST && tsr_future_size(f) == -1);
        const double one = 1;
        tsr_future *other = NULL;
        const tsr_task_arg arg = {.data = &one, .size = sizeof one};
        EXPECT(is_refused(tsr_submit(t->s, named("add"), 1, &(tsr_task){.n_args = 1, .args = &arg}, NULL, &other)));
        EXPECT(is_refused(tsr_future_of(t->s, tsr_future_key(f), &other)));
        EXPECT(is_refused(tsr_variable_set(t->s, "v", &arg)));
        EXPECT(is_refused(tsr_cluster_control(t->s, "retire", 0, NULL)));
        EXPECT(!tsr_cluster_status(t->s) && is_refused(tsr_error_code()));
        tsr_release(held);
        tsr_future_release(f);
        tsr_future_release(pending);
        /* One of its own. */
        tsr_session *own = tsr_session_open(t->address, NULL);
        EXPECT(own);
        EXPECT(tsr_compute_into(tsr_sum(tsr_arange(own, 0, 1000, 1, TSR_F64, &(int64_t){100}), 0, NULL, false), &sum,
                                sizeof sum) == TSR_OK);
        EXPECT(sum == 499500);
        f = submit(own, "add", 5, NULL);
        EXPECT(value(f) == 5);
        tsr_future_release(f);
        tsr_session_close(own);
        tsr_session_close(t->s);
        for (int i = 0; i < t->n_workers; i++) tsr_worker_stop(t->workers[i]);
        tsr_scheduler_stop(t->scheduler);
        _exit(0);
    }
    child_is_good(child);
    double sum = 0;
    check(tsr_compute_into(tsr_sum(held, 0, NULL, false), &sum, sizeof sum));
    assert_true(sum == 499500 && value(f) == 3 && value(pending) == 0.5);
    tsr_future_release(f);
    tsr_future_release(pending);
    tsr_release(held);
    tsr_release(x);
}

/* Connections end when they are closed, whatever children go on; shared memory has no other holder. */
static void test_children_hold_no_connections(void **state)
{
    const town *t = *state;
    int life[2], ready[2];
    char byte = 0;
    tsr_future *f = submit(t->s, "block", 1 << 20, NULL); /* in shared memory */
    tsr_bytes b;
    check(tsr_future_result(f, 60, &b));
    assert_int_equal(pipe(life), 0);
    assert_int_equal(pipe(ready), 0);
    const pid_t child = begin_child();
    if (child == 0) {
        close(life[1]);
        for (int fd = 0; fd < 1024; fd++) {
            struct stat about;
            char name[64], where[256] = "";
            snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
            if (fstat(fd, &about) != 0) continue;
            EXPECT(readlink(name, where, sizeof where - 1) > 0);
            EXPECT(!S_ISSOCK(about.st_mode) && !strstr(where, "memfd:tessera"));
        }
        EXPECT(write(ready[1], "", 1) == 1 && read(life[0], &byte, 1) == 0);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(life[1]);
    child_is_good(child);
    close(life[0]);
    close(ready[0]);
    close(ready[1]);
    tsr_bytes_release(&b);
    tsr_future_release(f);
}

/* ---- Threads of this process ---- */

typedef struct gate {
    atomic_bool begun, open;
} gate;

static tsr_status wait_there(void *context, int n, const tsr_block *inputs, const tsr_block *output)
{
    gate *g = context;
    atomic_store(&g->begun, true);
    while (!atomic_load(&g->open)) usleep(1000);
    memcpy(output->data, inputs[0].data, sizeof(double));
    return TSR_OK;
}

static void *compute_one(void *context)
{
    double x = 0;
    check(tsr_compute_into(context, &x, sizeof x));
    return NULL;
}

static void test_a_session_on_threads(void **state)
{
    gate g = {0};
    pthread_t thread;
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 2});
    tsr_array *ones = tsr_full(s, tsr_float(1), TSR_F64, 1, (int64_t[]){1000}, NULL), *total = tsr_sum(ones, 0, NULL, false);
    double sum = 0;
    check(tsr_compute_into(total, &sum, sizeof sum));
    pid_t child = begin_child();
    if (child == 0) { /* nothing is under way */
        sum = 0;
        EXPECT(tsr_compute_into(total, &sum, sizeof sum) == TSR_OK && sum == 1000);
        tsr_session_close(s);
        _exit(0);
    }
    child_is_good(child);
    const tsr_function f = {.call = wait_there, .context = &g, .name = "wait_there"};
    tsr_array *one = tsr_slice(ones, 1, (tsr_index[]){{.kind = TSR_INDEX_SLICE, .has_stop = true, .stop = 1, .step = 1}});
    tsr_array *waits = tsr_map_blocks(&f, 1, &one, TSR_F64, NULL);
    assert_non_null(waits);
    pthread_create(&thread, NULL, compute_one, waits);
    while (!atomic_load(&g.begun)) usleep(1000);
    child = begin_child();
    if (child == 0) {
        EXPECT(tsr_compute_into(total, &sum, sizeof sum) == TSR_ERR_UNSUPPORTED && strstr(tsr_error_message(), "was forked"));
        tsr_session_close(s);
        s = tsr_session_open(NULL, NULL);
        ones = tsr_full(s, tsr_float(1), TSR_F64, 1, (int64_t[]){1000}, NULL);
        EXPECT(tsr_compute_into(tsr_sum(ones, 0, NULL, false), &sum, sizeof sum) == TSR_OK && sum == 1000);
        tsr_session_close(s);
        _exit(0);
    }
    child_is_good(child);
    atomic_store(&g.open, true);
    pthread_join(thread, NULL);
    tsr_session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_session_on_a_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_children_hold_no_connections, setup, teardown),
        cmocka_unit_test(test_a_session_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
