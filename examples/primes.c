/* A shared library of functions that are tasks on a cluster: those of futures.c, compiled beforehand.
 *
 *   cc -shared -fPIC primes.c $(pkg-config --cflags tessera) -o libprimes.so
 *   tessera cluster --libraries $PWD
 *   ./futures 2e7 tcp://127.0.0.1:8786 $PWD/libprimes.so
 *
 * It is not linked with the library tessera: what it calls is in the worker. */
#include <tessera.h>

tsr_status count(int n_args, const tsr_bytes *args, tsr_task_result *result);
tsr_status add(int n_args, const tsr_bytes *args, tsr_task_result *result);

/* How many numbers of a range are prime. */
tsr_status count(int n_args, const tsr_bytes *args, tsr_task_result *result)
{
    if (n_args != 1 || args[0].size != 2 * sizeof(int64_t)) {
        tsr_task_result_error(result, "count takes one range", NULL, 0);
        return TSR_ERR_VALUE;
    }
    const int64_t *range = args[0].data;
    int64_t n = 0;
    for (int64_t i = range[0]; i < range[1]; i++) {
        int64_t d = 2;
        while (d * d <= i && i % d) d++;
        n += i > 1 && d * d > i;
    }
    return tsr_task_result_set(result, &n, sizeof n);
}

tsr_status add(int n_args, const tsr_bytes *args, tsr_task_result *result)
{
    int64_t sum = 0;
    for (int i = 0; i < n_args; i++) sum += *(const int64_t *)args[i].data;
    return tsr_task_result_set(result, &sum, sizeof sum);
}
