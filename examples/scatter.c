/* Data that only this machine has, spread over the memory of a cluster: each file is read here and sent to a worker, and the
 * pieces are one array there. Its sums and means follow, and its difference from its mean is kept under a name for other clients.
 *
 *   cc scatter.c $(pkg-config --cflags --libs tessera) -o scatter
 *   tessera cluster --workers 2 &
 *   ./scatter tcp://127.0.0.1:8786 t2m /data/era/2014-01-*.nc
 *
 * Where the workers can open the files themselves, examples/climate.c is quicker and shorter. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <tessera.h>

enum { MOST_FILES = 1000, N_DIMENSIONS = 3 };

/* Reads a variable into memory and puts it into a worker's. shape: of it. NULL on failure. */
static tsr_future *send_file(tsr_session *s, tsr_session *here, const char *path, const char *name, int64_t *shape)
{
    tsr_dataset *in = tsr_open_files(here, 1, &path, NULL);
    tsr_variable *v = in ? tsr_dataset_get(in, name) : NULL;
    tsr_array *x = v ? tsr_astype(tsr_variable_array(v), TSR_F64) : NULL;
    tsr_future *result = NULL;
    if (!x || tsr_ndim(x) != N_DIMENSIONS) return NULL;
    for (int d = 0; d < N_DIMENSIONS; d++) shape[d] = tsr_shape(x)[d];
    const size_t size = (size_t)tsr_nbytes(x);
    void *values = malloc(size ? size : 1);
    if (values && tsr_compute_into(x, values, size) == TSR_OK)
        (void)tsr_scatter(s, 1, &(tsr_bytes){.data = values, .size = size}, NULL, NULL, 1, &result);
    free(values);
    return result;
}

/* The files' variable as one array, joined along the first dimension. */
static tsr_array *send_files(tsr_session *s, const char *name, int n, const char *const *paths)
{
    static tsr_future *futures[MOST_FILES];
    static int64_t times[MOST_FILES], shape[N_DIMENSIONS], first[N_DIMENSIONS];
    tsr_session *here = tsr_session_open(NULL, NULL);
    tsr_array *x = NULL;
    int sent = 0;
    for (; here && sent < n; sent++) {
        futures[sent] = send_file(s, here, paths[sent], name, shape);
        if (!futures[sent]) break;
        times[sent] = shape[0];
        for (int d = 0; sent == 0 && d < N_DIMENSIONS; d++) first[d] = shape[d];
        if (shape[1] != first[1] || shape[2] != first[2]) break;
    }
    if (sent == n)
        x = tsr_from_futures(s, futures, TSR_F64, N_DIMENSIONS, (tsr_chunks[]){{n, times}, {1, &first[1]}, {1, &first[2]}}, NULL);
    else
        fprintf(stderr, "%s: no variable '%s' of three dimensions like the first file's. %s\n", paths[sent], name,
                tsr_error_message());
    for (int i = 0; i < n; i++) tsr_future_release(futures[i]); /* the array has them */
    tsr_session_close(here);
    return x;
}

static double number(tsr_array *a)
{
    double value = 0;
    return a && tsr_compute_into(a, &value, sizeof value) == TSR_OK ? value : 0.0 / 0.0;
}

static tsr_status run(tsr_session *s, const char *name, int n, const char *const *paths)
{
    const int time[] = {0}, places[] = {1, 2};
    tsr_array *x = send_files(s, name, n, paths), *kept[2] = {NULL, NULL};
    if (!x || tsr_persist(1, &x, &kept[0]) != TSR_OK) return tsr_error_code() ? tsr_error_code() : TSR_ERR_VALUE;
    x = kept[0];
    printf("%" PRId64 " times, %.1f MB\n", tsr_shape(x)[0], (double)tsr_nbytes(x) / 1e6);
    printf("sum %.6f\n", number(tsr_sum(x, 0, NULL, false)));
    printf("warmest time %.6f\n", number(tsr_max(tsr_mean(x, 2, places, false), 0, NULL, false)));
    printf("coldest place %.6f\n", number(tsr_min(tsr_mean(x, 1, time, false), 0, NULL, false)));
    tsr_array *difference = tsr_subtract(x, tsr_mean(x, 0, NULL, false)); /* one number goes round, no block moves */
    if (!difference || tsr_persist(1, &difference, &kept[1]) != TSR_OK) return tsr_error_code();
    printf("largest difference %.6f\n", number(tsr_max(kept[1], 0, NULL, false)));
    return tsr_cluster_publish(s, "difference", kept[1]);
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 3 + MOST_FILES) {
        fprintf(stderr, "usage: %s ADDRESS VARIABLE FILE...\n", argv[0]);
        return 2;
    }
    tsr_session *s = tsr_session_open(argv[1], NULL);
    tsr_status status = s ? tsr_cluster_wait_for_workers(s, 1, 30) : tsr_error_code();
    if (status == TSR_OK) status = run(s, argv[2], argc - 3, (const char *const *)(argv + 3));
    if (status != TSR_OK) fprintf(stderr, "%s\n", tsr_error_message());
    tsr_session_close(s);
    return status == TSR_OK ? 0 : 1;
}
