/* Runs a command and says how long it took and how much memory it used at most:
 *
 *     bench-measure RESULT COMMAND [ARGUMENT...]
 *
 * writes {"seconds": ..., "peak_bytes": ..., "cpu_seconds": ..., "status": ...} to the file RESULT. It exists because the
 * high-water mark that the kernel reports for a child begins at the size of the process that starts it: this one is tiny. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + 1e-6 * (double)t.tv_usec; }

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench-measure RESULT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    double start = now();
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror("bench-measure");
        return 1;
    }
    double seconds = now() - start;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        perror(argv[1]);
        return 1;
    }
    fprintf(out, "{\"seconds\": %.6f, \"peak_bytes\": %lld, \"cpu_seconds\": %.4f, \"status\": %d}\n", seconds,
            (long long)usage.ru_maxrss * 1024, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), code);
    return fclose(out) == 0 ? code : 1;
}
