/* The scheduler's state machine of tasks alone: simulated workers in virtual time, one client. Each worker runs what it is given
 * in turn, 10 ms a task, and reports what it did a message at a time, as real ones do. Prints tasks a second of the processor
 * time that the scheduler takes, and its memory. docs: docs/performance-cluster.md
 *
 *   bench-tasks [WORKERS [TASKS [--json]]] */
#include "cluster/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 1024, TASK_NS = 10000000, MESSAGE_NS = 1000000 };

typedef struct sim_worker {
    task_worker *w;
    VEC(tsr_key) queue;
    size_t at;
    int64_t free_ns; /* when it begins the first of the queue */
} sim_worker;

static sim_worker *workers;
static int64_t now_ns;
static size_t n_told;

static void check(bool good)
{
    if (good) return;
    fprintf(stderr, "%s\n", tsr_error_message());
    exit(1);
}

static void on_run(void *context, task_worker *w, task *t)
{
    sim_worker *s = w->user;
    if (s->at == s->queue.n && s->free_ns < now_ns) s->free_ns = now_ns;
    if (s->at >= s->queue.n - s->at) { /* what was done makes room */
        memmove(s->queue.items, s->queue.items + s->at, (s->queue.n - s->at) * sizeof *s->queue.items);
        s->queue.n -= s->at;
        s->at = 0;
    }
    check(VEC_PUSH(&s->queue, t->key));
}

static void on_free(void *context, task_worker *w, const task *t) {}
static void on_tell(void *context, task_client *c, const task *t) { n_told++; }
static void on_function_free(void *context, task_function *f) {}
static int64_t on_now(void *context) { return now_ns; }

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t resident_bytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (size_t)u.ru_maxrss * 1024;
}

static tsr_key key_of(int64_t i) { return (tsr_key){.high = 1, .low = (uint64_t)i * 0x9e3779b97f4a7c15ULL + 1}; }

static void submit(tasks *ts, task_client *c, task_function *f, int64_t n_tasks)
{
    task_rule *rule;
    check(tasks_rule_get(ts, NULL, 0, NULL, false, 0, NULL, &rule) == TSR_OK);
    for (int64_t first = 0; first < n_tasks; first += BATCH) {
        const int64_t n = n_tasks - first < BATCH ? n_tasks - first : BATCH;
        task_batch *b;
        check(tasks_batch_new(ts, f, rule, 0, 0, false, NULL, 0, &b) == TSR_OK);
        for (int64_t i = 0; i < n; i++) {
            tasks_expect(ts, key_of(first + i + TASKS_EXPECTED));
            check(tasks_submit(ts, c, b, key_of(first + i), b->args, 0, NULL) == TSR_OK);
        }
        tasks_batch_unref(ts, b);
        tasks_assign(ts);
    }
    tasks_rule_unref(ts, rule);
}

/* Every worker in turn tells what it has done within the last millisecond. */
static void run(tasks *ts, int n_workers, int64_t n_tasks)
{
    for (int64_t done = 0; done < n_tasks; now_ns += MESSAGE_NS) {
        for (int i = 0; i < n_workers; i++) {
            sim_worker *s = &workers[i];
            bool any = false;
            for (; s->at < s->queue.n && s->free_ns + TASK_NS <= now_ns; s->free_ns += TASK_NS, done++) {
                (void)tasks_ran(ts, s->w, s->queue.items[s->at++], 8, 1e-9 * TASK_NS);
                any = true;
            }
            if (any) tasks_assign(ts);
        }
    }
}

int main(int argc, char **argv)
{
    const int n_workers = argc > 1 ? atoi(argv[1]) : 1000;
    const int64_t n_tasks = argc > 2 ? atoll(argv[2]) : 10000000;
    const bool json = argc > 3 && strcmp(argv[3], "--json") == 0;
    const tasks_ops ops = {.run = on_run, .free = on_free, .tell = on_tell, .function_free = on_function_free, .now_ns = on_now};
    task_client client = {.user = &client};
    task_function *f;
    tasks ts;
    if (n_workers < 1 || n_tasks < 1 || (argc > 3 && !json)) {
        fprintf(stderr, "usage: bench-tasks [WORKERS [TASKS [--json]]]\n");
        return 2;
    }
    check(tasks_init(&ts, &ops) == TSR_OK);
    check(tasks_function_add(&ts, (hash128){.low = 1}, "f", NULL, NULL, &f) == TSR_OK);
    workers = calloc((size_t)n_workers, sizeof *workers);
    check(workers != NULL);
    for (int i = 0; i < n_workers; i++) {
        char name[32];
        snprintf(name, sizeof name, "w%d", i);
        const task_worker_facts facts = {
            .id = (uint64_t)i + 1, .name = name, .address = name, .n_threads = 1, .user = &workers[i]};
        check(tasks_worker_add(&ts, &facts, &workers[i].w) == TSR_OK);
    }
    const size_t before = resident_bytes();
    const double begin = cpu_seconds();
    submit(&ts, &client, f, n_tasks);
    const double middle = cpu_seconds();
    run(&ts, n_workers, n_tasks);
    const double end = cpu_seconds();
    check(n_told == (size_t)n_tasks);
    const double busy = (double)n_tasks * TASK_NS / ((double)now_ns * n_workers);
    if (json)
        printf("{\"seconds\": %.6f, \"value\": %.3f}\n", end - begin, busy);
    else
        printf("%d workers, %lld tasks: submitted %.2f s, run %.2f s; %.0f tasks/s, %.0f bytes a task; workers busy %.1f %%\n",
               n_workers, (long long)n_tasks, middle - begin, end - middle, (double)n_tasks / (end - begin),
               (double)(resident_bytes() - before) / (double)n_tasks, 100 * busy);
    tasks_client_lost(&ts, &client);
    for (int i = 0; i < n_workers; i++) {
        tasks_worker_lost(&ts, workers[i].w, NULL);
        VEC_FINI(&workers[i].queue);
    }
    tasks_function_unref(&ts, f);
    tasks_fini(&ts);
    free(workers);
    return 0;
}
