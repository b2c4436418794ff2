/* From nothing to the first result of a cluster, without Python: a process with a scheduler, which starts two worker processes
 * (`tessera cluster`), and this one as their client.
 *
 *     bench-cluster-start TESSERA [STARTS]
 *
 * TESSERA: the program. Prints {"seconds": ..., "value": ...}: the median of so many starts (11), and what was computed. With
 * PHASES in the environment, also when the address, the session and both workers were there, on standard error. */
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

enum { MAX_STARTS = 1001, N_WORKERS = 2 };

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

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const int n = argc > 2 ? atoi(argv[2]) : 11;
    double times[MAX_STARTS], value = 0;
    if (argc < 2 || n < 1 || n > MAX_STARTS) {
        fprintf(stderr, "usage: %s TESSERA [STARTS]\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < n; i++) times[i] = timed_start(argv[1], &value);
    qsort(times, (size_t)n, sizeof times[0], compare);
    printf("{\"seconds\": %.6f, \"value\": %.1f}\n", times[n / 2], value);
    return 0;
}
