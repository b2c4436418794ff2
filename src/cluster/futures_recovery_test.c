/* A scheduler that is killed (SIGKILL, a process of its own) at random moments, and started again with its journal: tasks go on
 * and are run once where that can be, variables, queues and events are as clients were told, locks stay with who holds them. The
 * seed is printed, and taken from TESSERA_TEST_SEED. */
#include "cluster/futures_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { N_KILLS = 4, N_TASKS = 1000, N_PUTS = 300 };

extern char **environ;

static char journal_path[100];

/* The scheduler's process: this program with three arguments. Says on `out` where it listens. */
static int be_scheduler(const char *listen, const char *journal, int out)
{
    tsr_scheduler *s;
    const tsr_scheduler_options o = {.listen = listen[0] ? listen : "tcp://127.0.0.1:0", .journal = journal, .log = say};
    const pid_t parent = getppid();
    const tsr_status status = tsr_scheduler_start(&o, &s);
    if (status != TSR_OK) fprintf(stderr, "%s\n", tsr_error_message());
    const char *address = status == TSR_OK ? tsr_scheduler_address(s) : "";
    if (write(out, address, strlen(address) + 1) < 0) return 2;
    close(out);
    while (status == TSR_OK && getppid() == parent) usleep(100000);
    return 1;
}

/* Listens on what the first one was bound to. */
static pid_t start_scheduler(town *t)
{
    int pipes[2];
    char number[20];
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(fcntl(pipes[i], F_SETFD, FD_CLOEXEC), 0);
    const int out = dup(pipes[1]); /* which is passed on */
    snprintf(number, sizeof number, "%d", out);
    pid_t pid;
    char name[] = "futures_recovery_test", *const words[] = {name, t->address, journal_path, number, NULL};
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, words, environ), 0);
    close(out);
    close(pipes[1]);
    char said[sizeof t->address] = {0};
    const ssize_t n = read(pipes[0], said, sizeof said - 1);
    close(pipes[0]);
    assert_true(n > 1);
    /* The next ones listen where the first did; others read it meanwhile. */
    if (!t->address[0]) memcpy(t->address, said, sizeof said);
    return pid;
}

static void kill_scheduler(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Kills the scheduler now and then, and starts another at once. */
typedef struct killer {
    town *t;
    pid_t pid;
    unsigned seed;
    int n;
    atomic_bool over;
    atomic_int n_done;
    pthread_t thread;
} killer;

static void *kill_often(void *context)
{
    killer *k = context;
    for (int i = 0; i < k->n && !atomic_load(&k->over); i++) {
        for (int ms = 50 + rand_r(&k->seed) % 1500; ms > 0 && !atomic_load(&k->over); ms -= 10) usleep(10000);
        kill_scheduler(k->pid);
        k->pid = start_scheduler(k->t);
        atomic_fetch_add(&k->n_done, 1);
    }
    return NULL;
}

static unsigned first_seed(void)
{
    const char *given = getenv("TESSERA_TEST_SEED");
    const unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)os_now_ns();
    fprintf(stderr, "TESSERA_TEST_SEED=%u\n", seed);
    return seed;
}

/* Workers and a client in this process, the scheduler in another. */
static void begin(town *t, killer *k, int n_kills)
{
    *t = (town){0};
    *k = (killer){.t = t, .n = n_kills, .seed = first_seed()};
    snprintf(journal_path, sizeof journal_path, "/tmp/tessera-recovery-%d.journal", (int)getpid());
    unlink(journal_path);
    k->pid = start_scheduler(t);
    snprintf(scheduler_address, sizeof scheduler_address, "%s", t->address);
    for (int i = 0; i < N_WORKERS; i++) add_worker(t, NULL);
    t->s = open_session(t);
    check(tsr_cluster_wait_for_workers(t->s, N_WORKERS, 20));
}

static void begin_killing(killer *k) { assert_int_equal(pthread_create(&k->thread, NULL, kill_often, k), 0); }

static void end_killing(killer *k, bool all)
{
    if (!all) atomic_store(&k->over, true);
    pthread_join(k->thread, NULL);
}

static void end(town *t, killer *k)
{
    tsr_session_close(t->s);
    for (int i = 0; i < t->n_workers; i++) tsr_worker_stop(t->workers[i]);
    kill_scheduler(k->pid);
    unlink(journal_path);
}

static void test_a_map(void **state)
{
    town t;
    killer k;
    begin(&t, &k, N_KILLS);
    static tsr_future *f[N_TASKS], *g[N_TASKS];
    const int before = atomic_load(&n_calls);
    begin_killing(&k);
    for (int i = 0; i < N_TASKS; i++) f[i] = submit(t.s, "sleep", 0.002 + i * 1e-6, NULL);
    for (int i = 0; i < N_TASKS; i++) g[i] = submit(t.s, "add", i, f[i]);
    for (int i = 0; i < N_TASKS; i++) assert_true(value(g[i]) == 0.002 + i * 1e-6 + i);
    end_killing(&k, true);
    for (int i = 0; i < N_TASKS; i++) {
        assert_true(value(f[i]) == 0.002 + i * 1e-6);
        assert_true(value(g[i]) == 0.002 + i * 1e-6 + i);
        tsr_future_release(f[i]);
        tsr_future_release(g[i]);
    }
    /* What was done is not done again, but for what had been given to a worker and was not begun, or was under way. */
    assert_in_range(atomic_load(&n_calls) - before, 2 * N_TASKS, 2 * N_TASKS + N_TASKS / 2);
    end(&t, &k);
}

/* A long task runs on while the scheduler is away, once. */
static void test_a_long_task(void **state)
{
    town t;
    killer k;
    begin(&t, &k, 1);
    const int before = atomic_load(&n_calls);
    tsr_future *f = submit(t.s, "sleep", 4, NULL), *g = submit(t.s, "add", 1, f);
    while (atomic_load(&n_calls) == before) usleep(1000);
    usleep(200000);
    for (int i = 0; i < 2; i++) {
        kill_scheduler(k.pid);
        usleep(i * 300000);
        k.pid = start_scheduler(&t);
        usleep(400000);
    }
    assert_true(value(g) == 5);
    assert_int_equal(atomic_load(&n_calls) - before, 2);
    tsr_future_release(f);
    tsr_future_release(g);
    end(&t, &k);
}

/* First the scheduler is lost, then the only worker that has a result: it is made again, as is what that was made of, although
 * nobody has had futures of these for long. */
static void test_lineage(void **state)
{
    enum { N = 100, SUM = N * (N + 1) / 2 };
    town t;
    killer k;
    begin(&t, &k, 1);
    const int before = atomic_load(&n_calls);
    tsr_future *f = submit(t.s, "add", 0, NULL), *next;
    for (int i = 1; i <= N; i++, f = next) {
        next = submit(t.s, "add", i, f);
        if (i % 10 == 0) check(tsr_futures_wait(1, &next, TSR_WAIT_ALL, 60));
        tsr_future_release(f);
    }
    assert_true(value(f) == SUM);
    assert_int_equal(atomic_load(&n_calls) - before, N + 1);
    kill_scheduler(k.pid);
    k.pid = start_scheduler(&t);
    check(tsr_cluster_wait_for_workers(t.s, N_WORKERS, 60));
    tsr_future *one = submit(t.s, "add", 1, f); /* what is there is not made again */
    assert_true(value(one) == SUM + 1);
    assert_int_equal(atomic_load(&n_calls) - before, N + 2);
    add_worker(&t, NULL);
    check(tsr_cluster_wait_for_workers(t.s, N_WORKERS + 1, 60));
    for (int i = 0; i < N_WORKERS; i++) {
        tsr_worker_stop(t.workers[i]);
        t.workers[i] = NULL;
    }
    tsr_future *two = submit(t.s, "add", 2, f);
    assert_true(value(two) == SUM + 2);
    assert_true(atomic_load(&n_calls) - before >= 2 * N);
    tsr_future_release(f);
    tsr_future_release(one);
    tsr_future_release(two);
    end(&t, &k);
}

/* A client puts futures into a variable and a queue, and is gone: of one that is done (and what it was made of is freed), and one
 * that waits for a worker's thread. Nobody says again what they are made of to the next scheduler, which even has to make them on
 * another worker. */
static void test_what_only_names_hold(void **state)
{
    town t;
    killer k;
    tsr_shared_value out;
    begin(&t, &k, 1);
    tsr_session *s = open_session(&t);
    tsr_future *made = submit(s, "add", 1, NULL), *next;
    for (int i = 2; i <= 10; i++, made = next) {
        next = submit(s, "add", i, made);
        tsr_future_release(made);
    }
    assert_true(value(made) == 55);
    tsr_future *busy[2 * N_WORKERS * N_THREADS];
    for (int i = 0; i < 2 * N_WORKERS * N_THREADS; i++) busy[i] = submit(s, "sleep", 0.5 + 0.001 * i, NULL);
    tsr_future *late = submit(s, "add", 7, busy[2 * N_WORKERS * N_THREADS - 1]);
    const tsr_task_arg held[] = {{.future = made}, {.future = late}};
    check(tsr_variable_set(s, "made", &held[0]));
    check(tsr_queue_put(s, "both", 0, &held[0], -1));
    check(tsr_queue_put(s, "both", 0, &held[1], -1));
    tsr_session_close(s);
    kill_scheduler(k.pid);
    k.pid = start_scheduler(&t);
    check(tsr_cluster_wait_for_workers(t.s, N_WORKERS, 60));
    check(tsr_queue_get(t.s, "both", 60, &out));
    const int before = atomic_load(&n_calls);
    assert_true(value(out.future) == 55); /* a worker has it */
    tsr_future_release(out.future);
    add_worker(&t, NULL);
    check(tsr_cluster_wait_for_workers(t.s, N_WORKERS + 1, 60));
    for (int i = 0; i < N_WORKERS; i++) {
        tsr_worker_stop(t.workers[i]);
        t.workers[i] = NULL;
    }
    check(tsr_variable_get(t.s, "made", 60, &out));
    tsr_future *one = submit(t.s, "add", 1, out.future);
    assert_true(value(one) == 56);
    assert_true(atomic_load(&n_calls) - before >= 11); /* all ten were made again */
    tsr_future_release(out.future);
    tsr_future_release(one);
    check(tsr_queue_get(t.s, "both", 60, &out));
    assert_true(value(out.future) == 7 + (0.5 + 0.001 * (2 * N_WORKERS * N_THREADS - 1)));
    tsr_future_release(out.future);
    end(&t, &k);
}

typedef struct putting {
    town *t;
    int n;
} putting;

static void *put_all(void *context)
{
    town *t = context;
    tsr_session *s = open_session(t);
    for (int i = 0; i < N_PUTS; i++) {
        const double x = i;
        const tsr_task_arg v = {.data = &x, .size = sizeof x};
        check(tsr_queue_put(s, "numbers", 0, &v, -1));
        check(tsr_variable_set(s, "last", &v));
        usleep(3000);
    }
    tsr_session_close(s);
    return NULL;
}

/* Each value comes out once, in its order; a variable never goes back. */
static void test_shared_objects(void **state)
{
    town t;
    killer k;
    pthread_t putter;
    begin(&t, &k, N_KILLS);
    tsr_future *f = submit(t.s, "add", 42, NULL);
    tsr_shared_value out;
    uint64_t lease, other;
    bool set;
    double last = -1;
    assert_true(value(f) == 42);
    const tsr_task_arg held = {.future = f};
    check(tsr_variable_set(t.s, "future", &held));
    check(tsr_event_set(t.s, "on", true));
    check(tsr_event_set(t.s, "off", true));
    check(tsr_event_set(t.s, "off", false));
    check(tsr_semaphore_acquire(t.s, "lock", 1, 10, &lease));
    begin_killing(&k);
    assert_int_equal(pthread_create(&putter, NULL, put_all, &t), 0);
    for (int i = 0; i < N_PUTS; i++) {
        check(tsr_queue_get(t.s, "numbers", 60, &out));
        assert_true(number(&out.bytes) == i);
        tsr_bytes_release(&out.bytes);
        check(tsr_variable_get(t.s, "last", 60, &out));
        assert_true(number(&out.bytes) >= last && number(&out.bytes) <= N_PUTS);
        last = number(&out.bytes);
        tsr_bytes_release(&out.bytes);
    }
    pthread_join(putter, NULL);
    end_killing(&k, true);
    int64_t size;
    check(tsr_queue_size(t.s, "numbers", &size));
    assert_int_equal(size, 0);
    check(tsr_event_is_set(t.s, "on", &set));
    assert_true(set);
    check(tsr_event_is_set(t.s, "off", &set));
    assert_false(set);
    /* The lock is still held, and is not given to another. */
    tsr_session *s = open_session(&t);
    assert_int_equal(tsr_semaphore_acquire(s, "lock", 1, 0.2, &other), TSR_ERR_TIMEOUT);
    check(tsr_semaphore_release(t.s, "lock", lease));
    check(tsr_semaphore_acquire(s, "lock", 1, 10, &other));
    /* A future that only the variable holds is there for others. */
    tsr_future_release(f);
    usleep(50000);
    kill_scheduler(k.pid);
    k.pid = start_scheduler(&t);
    check(tsr_variable_get(s, "future", 60, &out));
    assert_non_null(out.future);
    assert_true(value(out.future) == 42);
    tsr_future_release(out.future);
    /* Who ends gives its lease back; the scheduler after that knows. */
    tsr_session_close(s);
    check(tsr_semaphore_acquire(t.s, "lock", 1, 10, &other));
    check(tsr_semaphore_release(t.s, "lock", other));
    end(&t, &k);
}

/* What is set over and over does not fill the disk. */
static void test_the_journal_stays_small(void **state)
{
    enum { BYTES = 1 << 20, N_SETS = 200 };
    town t;
    killer k;
    struct stat before;
    tsr_shared_value out;
    begin(&t, &k, 1);
    char *data = calloc(1, BYTES);
    for (int i = 0; i < N_SETS; i++) {
        memset(data, i, BYTES);
        check(tsr_variable_set(t.s, "large", &(tsr_task_arg){.data = data, .size = BYTES}));
        usleep(5000);
    }
    for (int i = 0; i < 1000; i++, usleep(10000))
        if (stat(journal_path, &before) == 0 && before.st_size < (N_SETS / 2) * (off_t)BYTES) break;
    assert_true(before.st_size < (N_SETS / 2) * (off_t)BYTES);
    kill_scheduler(k.pid);
    k.pid = start_scheduler(&t);
    check(tsr_variable_get(t.s, "large", 60, &out));
    assert_int_equal(out.bytes.size, BYTES);
    assert_memory_equal(out.bytes.data, data, BYTES);
    tsr_bytes_release(&out.bytes);
    free(data);
    end(&t, &k);
}

/* Those who wait go on waiting, at the next scheduler. */
static void *wait_for_it(void *context)
{
    tsr_shared_value out = {0};
    town *t = context;
    tsr_session *s = open_session(t);
    check(tsr_variable_get(s, "late", 60, &out));
    assert_true(number(&out.bytes) == 5);
    tsr_bytes_release(&out.bytes);
    check(tsr_event_wait(s, "late", 60));
    tsr_session_close(s);
    return NULL;
}

static void test_waiting(void **state)
{
    town t;
    killer k;
    pthread_t waiter;
    const double five = 5;
    begin(&t, &k, 1);
    assert_int_equal(pthread_create(&waiter, NULL, wait_for_it, &t), 0);
    usleep(300000);
    kill_scheduler(k.pid);
    k.pid = start_scheduler(&t);
    check(tsr_variable_set(t.s, "late", &(tsr_task_arg){.data = &five, .size = sizeof five}));
    kill_scheduler(k.pid);
    k.pid = start_scheduler(&t);
    check(tsr_event_set(t.s, "late", true));
    pthread_join(waiter, NULL);
    end(&t, &k);
}

int main(int argc, char **argv)
{
    if (argc == 4) return be_scheduler(argv[1], argv[2], atoi(argv[3]));
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_a_map),
        cmocka_unit_test(test_a_long_task),
        cmocka_unit_test(test_shared_objects),
        cmocka_unit_test(test_the_journal_stays_small),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_lineage),
        cmocka_unit_test(test_what_only_names_hold),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
