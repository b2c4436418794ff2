/* The machine's memory bandwidth, measured with as many threads as the benchmarks use:
 *
 *     bench-limits THREADS [GIGABYTES]
 *
 * prints {"read": ..., "copy": ...} in bytes a second: `read` adds up one large array, `copy` copies one half of it to the other
 * (bytes read plus bytes written). Each is the best of seven rounds, each thread on its own contiguous part, memory touched first
 * by the thread that uses it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { ROUNDS = 7, MAX_THREADS = 256 };

typedef struct part {
    uint64_t *data;
    size_t n;
    pthread_barrier_t *barrier;
    uint64_t sum;
    double at[ROUNDS][3]; /* when each step of a round began, and its end */
} part;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t sum_of(const uint64_t *data, size_t n)
{
    uint64_t lanes[32] = {0};
    for (size_t i = 0; i + 32 <= n; i += 32)
        for (size_t k = 0; k < 32; k++) lanes[k] += data[i + k];
    for (size_t k = 1; k < 32; k++) lanes[0] += lanes[k];
    return lanes[0];
}

static void *work(void *argument)
{
    part *p = argument;
    for (size_t i = 0; i < p->n; i++) p->data[i] = i;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(p->barrier);
        p->at[round][0] = now();
        p->sum += sum_of(p->data, p->n);
        p->at[round][1] = now();
        memcpy(p->data, p->data + p->n / 2, p->n / 2 * sizeof *p->data);
        p->at[round][2] = now();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long n_threads = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    double gigabytes = argc > 2 ? strtod(argv[2], NULL) : 1.6;
    if (n_threads < 1 || n_threads > MAX_THREADS || !(gigabytes > 0 && gigabytes < 1024)) {
        fprintf(stderr, "usage: bench-limits THREADS [GIGABYTES]\n");
        return 2;
    }
    size_t n = (size_t)(gigabytes * 1e9 / 8) / (size_t)n_threads / 64 * 64;
    size_t size_bytes = n * (size_t)n_threads * 8;
    uint64_t *data = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        perror("bench-limits");
        return 1;
    }
    madvise(data, size_bytes, MADV_HUGEPAGE);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)n_threads);
    static part parts[MAX_THREADS];
    static pthread_t threads[MAX_THREADS];
    for (long t = 0; t < n_threads; t++) {
        parts[t] = (part){.data = data + n * (size_t)t, .n = n, .barrier = &barrier};
        if (pthread_create(&threads[t], NULL, work, &parts[t]) != 0) {
            fprintf(stderr, "bench-limits: cannot start thread %ld\n", t);
            return 1;
        }
    }
    uint64_t sum = 0;
    for (long t = 0; t < n_threads; t++) {
        pthread_join(threads[t], NULL);
        sum += parts[t].sum;
    }
    double best_read = 1e30, best_copy = 1e30;
    for (int round = 0; round < ROUNDS; round++) { /* the slowest thread's time */
        double read = 0, copy = 0;
        for (long t = 0; t < n_threads; t++) {
            const double *at = parts[t].at[round];
            read = at[1] - at[0] > read ? at[1] - at[0] : read;
            copy = at[2] - at[1] > copy ? at[2] - at[1] : copy;
        }
        best_read = read < best_read ? read : best_read;
        best_copy = copy < best_copy ? copy : best_copy;
    }
    printf("{\"read\": %.0f, \"copy\": %.0f, \"sum\": %llu}\n", (double)size_bytes / best_read, (double)size_bytes / best_copy,
           (unsigned long long)sum);
    return 0;
}
