/* Functions of your own as tasks on a cluster: how many of the first N numbers (default 2e7) are prime, by tasks that count a
 * piece each, and tasks that add up what others have found.
 *
 *   cc futures.c $(pkg-config --cflags --libs tessera) -o futures
 *   ./futures 2e7                           with two workers in this very process
 *   ./futures 2e7 tcp://127.0.0.1:8786      on the cluster of this scheduler
 *   ./futures 2e7 here /opt/mine/libprimes.so   with functions of this library (primes.c) on each worker, which has to allow its
 * folder
 *
 * The functions are C source: each worker compiles them once, if they are not in a library that it has. The sums wait on the
 * cluster for what they add; only the last number comes here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera.h>

static const char source[] = "tsr_status count(int n_args, const tsr_bytes *args, tsr_task_result *result)\n"
                             "{\n"
                             "    const int64_t *range = args[0].data;\n"
                             "    int64_t n = 0;\n"
                             "    for (int64_t i = range[0]; i < range[1]; i++) {\n"
                             "        int64_t d = 2;\n"
                             "        while (d * d <= i && i % d) d++;\n"
                             "        n += i > 1 && d * d > i;\n"
                             "    }\n"
                             "    return tsr_task_result_set(result, &n, sizeof n);\n"
                             "}\n"
                             "tsr_status add(int n_args, const tsr_bytes *args, tsr_task_result *result)\n"
                             "{\n"
                             "    int64_t sum = 0;\n"
                             "    for (int i = 0; i < n_args; i++) sum += *(const int64_t *)args[i].data;\n"
                             "    return tsr_task_result_set(result, &sum, sizeof sum);\n"
                             "}\n";

enum { N_PIECES = 256, AT_A_TIME = 16 };

/* A future of the number of primes below n; NULL on failure. */
static tsr_future *count_primes(tsr_session *s, int64_t n, const char *library)
{
    tsr_task_function count = {.kind = TSR_TASK_SOURCE, .code = source, .code_size = strlen(source), .symbol = "count"};
    if (library) count = (tsr_task_function){.kind = TSR_TASK_LIBRARY, .library = library, .symbol = "count"};
    tsr_task_function add = count;
    add.symbol = "add";
    int64_t ranges[N_PIECES][2];
    tsr_task_arg args[N_PIECES];
    tsr_task tasks[N_PIECES];
    tsr_future *pieces[N_PIECES], *sums[N_PIECES / AT_A_TIME], *total = NULL;

    for (int i = 0; i < N_PIECES; i++) {
        ranges[i][0] = n * i / N_PIECES;
        ranges[i][1] = n * (i + 1) / N_PIECES;
        args[i] = (tsr_task_arg){.data = ranges[i], .size = sizeof ranges[i]};
        tasks[i] = (tsr_task){.n_args = 1, .args = &args[i]};
    }
    if (tsr_submit(s, &count, N_PIECES, tasks, NULL, pieces) != TSR_OK) return NULL;

    for (int i = 0; i < N_PIECES; i++) args[i] = (tsr_task_arg){.future = pieces[i]};
    for (int i = 0; i < N_PIECES / AT_A_TIME; i++) tasks[i] = (tsr_task){.n_args = AT_A_TIME, .args = &args[i * AT_A_TIME]};
    tsr_status status = tsr_submit(s, &add, N_PIECES / AT_A_TIME, tasks, NULL, sums);
    /* What the sums need stays until they have it, whoever lets go of its future. */
    for (int i = 0; i < N_PIECES; i++) tsr_future_release(pieces[i]);
    if (status != TSR_OK) return NULL;

    for (int i = 0; i < N_PIECES / AT_A_TIME; i++) args[i] = (tsr_task_arg){.future = sums[i]};
    status = tsr_submit(s, &add, 1, &(tsr_task){.n_args = N_PIECES / AT_A_TIME, .args = args}, NULL, &total);
    for (int i = 0; i < N_PIECES / AT_A_TIME; i++) tsr_future_release(sums[i]);
    return status == TSR_OK ? total : NULL;
}

int main(int argc, char **argv)
{
    const int64_t n = argc > 1 ? (int64_t)strtod(argv[1], NULL) : 20000000;
    const char *address = argc > 2 && strcmp(argv[2], "here") != 0 ? argv[2] : NULL, *library = argc > 3 ? argv[3] : NULL;
    tsr_scheduler *scheduler = NULL;
    tsr_worker *workers[2] = {NULL, NULL};
    tsr_bytes result = {NULL, 0, NULL};
    tsr_status status = TSR_OK;

    if (!address) {
        status = tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0"}, &scheduler);
        address = status == TSR_OK ? tsr_scheduler_address(scheduler) : "";
        for (int i = 0; i < 2 && status == TSR_OK; i++)
            status =
                tsr_worker_start(&(tsr_worker_options){.scheduler = address, .n_threads = 1, .task_folders = "*"}, &workers[i]);
    }
    tsr_session *s = status == TSR_OK ? tsr_session_open(address, NULL) : NULL;
    tsr_future *total = s ? count_primes(s, n, library) : NULL;

    if (total && tsr_future_result(total, -1, &result) == TSR_OK) {
        int64_t primes;
        memcpy(&primes, result.data, sizeof primes);
        printf("%lld of the numbers below %lld are prime\n", (long long)primes, (long long)n);
    } else {
        fprintf(stderr, "%s\n", tsr_error_message());
        status = TSR_ERR_VALUE;
    }
    tsr_bytes_release(&result);
    tsr_future_release(total);
    tsr_session_close(s);
    for (int i = 0; i < 2; i++) tsr_worker_stop(workers[i]);
    tsr_scheduler_stop(scheduler);
    return status == TSR_OK ? 0 : 1;
}
