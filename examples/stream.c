/* Arrays larger than memory: statistics of N random numbers (default 2e9, 16 GB) with a budget of 64 MB.
 *
 *   cc stream.c $(pkg-config --cflags --libs tessera) -o stream
 *   ./stream 2e9
 *
 * Three results are asked for together: they share one pass. The numbers are made in pieces of a few kilobytes, folded into the
 * results and forgotten; they are the same for any number of threads. */
#include <stdio.h>
#include <stdlib.h>
#include <tessera.h>

int main(int argc, char **argv)
{
    enum { N_BINS = 8 };
    int64_t n = argc > 1 ? (int64_t)strtod(argv[1], NULL) : 2000000000, counts[N_BINS];
    double mean, deviation;
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.memory_bytes = 64 << 20});

    tsr_array *x = tsr_random_normal(s, 7, 20.0, 5.0, TSR_F64, 1, &n, NULL);
    tsr_bins bins = {.n = N_BINS, .low = 0, .high = 40};
    tsr_array *wanted[] = {tsr_mean(x, 0, NULL, false), tsr_std(x, 0, NULL, false, 0), tsr_histogram(x, &bins, false)};

    /* Arrays that could not be made are NULL, and tsr_compute says why: one check is enough. */
    tsr_status status = tsr_compute(3, wanted, (void *[]){&mean, &deviation, counts});
    if (status != TSR_OK) {
        fprintf(stderr, "%s\n", tsr_error_message());
    } else {
        tsr_stats stats;
        printf("mean %.4f, standard deviation %.4f\n", mean, deviation);
        for (int i = 0; i < N_BINS; i++) printf("%2d to %2d: %lld\n", 5 * i, 5 * i + 5, (long long)counts[i]);
        if (tsr_run_stats(s, &stats) == TSR_OK)
            printf("%.1f MB of numbers, %.2f s, at most %.1f MB in memory\n", (double)n * 8e-6, stats.seconds,
                   (double)stats.peak_bytes * 1e-6);
    }
    tsr_session_close(s);
    return status == TSR_OK ? 0 : 1;
}
