/* A cluster without Python: a process with a scheduler, which starts two worker processes (`tessera cluster`), and this one as
 * their client.
 *
 *     bench-cluster start TESSERA [TIMES]    from nothing to the first result; with PHASES in the environment, also when the
 *                                            address, the session and both workers were there, on standard error
 *     bench-cluster tasks TESSERA [TIMES]    10 000 tasks of a C function, from the submission to the last result
 *
 * TESSERA: the program. Prints {"seconds": ..., "value": ...}: the median of so many times (11), and what was computed. */
#define _POSIX_C_SOURCE 200809L
#include <tessera.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TIMES = 1001, N_WORKERS = 2, N_TASKS = 10000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(bool is_good)
{
    if (is_good) return;
    fprintf(stderr, "%s\n", tsr_error_message());
    exit(1);
}

/* A cluster of processes, and the address of its scheduler. */
static pid_t start_cluster(const char *program, char *address, int size)
{
    int ends[2];
    if (pipe(ends) != 0) exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execl(program, program, "cluster", "--listen=tcp://127.0.0.1:0", "--workers=2", "--threads=1", "--memory=1G",
              "--log-level=warning", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    if (pid < 0 || !in || !fgets(address, size, in)) {
        fprintf(stderr, "%s cluster printed no address\n", program);
        exit(1);
    }
    address[strcspn(address, "\n")] = 0;
    fclose(in);
    return pid;
}

static double first_result(tsr_session *s)
{
    const int64_t shape[] = {1000, 1000}, chunks[] = {500, 500};
    double value = 0;
    tsr_array *x = tsr_ones(s, TSR_F64, 2, shape, chunks);
    tsr_array *sum = tsr_sum(tsr_add(x, tsr_scalar_like(x, tsr_int(1))), 0, NULL, false);
    check(sum && tsr_compute_into(sum, &value, sizeof value) == TSR_OK);
    return value;
}

static double timed_start(const char *program, double *value)
{
    char address[256];
    double phases[4];
    const double begin = now();
    pid_t pid = start_cluster(program, address, sizeof address);
    phases[0] = now();
    tsr_session *s = tsr_session_open(address, NULL);
    check(s != NULL);
    phases[1] = now();
    check(tsr_cluster_wait_for_workers(s, N_WORKERS, 60) == TSR_OK);
    phases[2] = now();
    *value = first_result(s);
    phases[3] = now();
    if (getenv("PHASES")) {
        fprintf(stderr, "address %.1f ms, session %.1f, workers %.1f, result %.1f\n", 1e3 * (phases[0] - begin),
                1e3 * (phases[1] - begin), 1e3 * (phases[2] - begin), 1e3 * (phases[3] - begin));
    }
    tsr_session_close(s);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return phases[3] - begin;
}

/* The workers compile the function before the clock runs. Values are the arguments' doubles. */
static const char twice_source[] = "tsr_status twice(int n_args, const tsr_bytes *args, tsr_task_result *result)\n"
                                   "{\n"
                                   "    if (n_args != 1) return tsr_fail(TSR_ERR_VALUE, \"twice takes one number\");\n"
                                   "    const int64_t value = 2 * *(const int64_t *)args[0].data;\n"
                                   "    return tsr_task_result_set(result, &value, sizeof value);\n"
                                   "}\n";

static double timed_tasks(tsr_session *s, int n, double *value)
{
    static int64_t numbers[N_TASKS];
    static tsr_task_arg args[N_TASKS];
    static tsr_task tasks[N_TASKS];
    static tsr_future *futures[N_TASKS];
    static tsr_bytes results[N_TASKS];
    const tsr_task_function twice = {
        .kind = TSR_TASK_SOURCE, .code = twice_source, .code_size = strlen(twice_source), .symbol = "twice"};
    for (int i = 0; i < n; i++) {
        numbers[i] = i;
        args[i] = (tsr_task_arg){.data = &numbers[i], .size = sizeof numbers[i]};
        tasks[i] = (tsr_task){.n_args = 1, .args = &args[i]};
    }
    const double begin = now();
    check(tsr_submit(s, &twice, n, tasks, NULL, futures) == TSR_OK);
    check(tsr_gather(n, futures, false, 60, results) == TSR_OK);
    const double seconds = now() - begin;
    *value = 0;
    for (int i = 0; i < n; i++) {
        *value += (double)*(const int64_t *)results[i].data;
        tsr_bytes_release(&results[i]);
        tsr_future_release(futures[i]);
    }
    return seconds;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const int n = argc > 3 ? atoi(argv[3]) : 11;
    const bool is_start = argc > 1 && strcmp(argv[1], "start") == 0;
    double times[MAX_TIMES], value = 0;
    if (argc < 3 || n < 1 || n > MAX_TIMES || (!is_start && strcmp(argv[1], "tasks") != 0)) {
        fprintf(stderr, "usage: %s start|tasks TESSERA [TIMES]\n", argv[0]);
        return 2;
    }
    if (is_start) {
        for (int i = 0; i < n; i++) times[i] = timed_start(argv[2], &value);
    } else {
        char address[256];
        pid_t pid = start_cluster(argv[2], address, sizeof address);
        tsr_session *s = tsr_session_open(address, NULL);
        check(s && tsr_cluster_wait_for_workers(s, N_WORKERS, 60) == TSR_OK);
        timed_tasks(s, 100, &value);
        for (int i = 0; i < n; i++) times[i] = timed_tasks(s, N_TASKS, &value);
        tsr_session_close(s);
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
    }
    qsort(times, (size_t)n, sizeof times[0], compare);
    printf("{\"seconds\": %.6f, \"value\": %.1f}\n", times[n / 2], value);
    return 0;
}
