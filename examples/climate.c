/* Weather in the memory of a cluster: a variable of many files is read once, by the workers, and kept there. Then numbers, slices
 * and means of it come at once, and its z-score over time is kept there as well, under a name that other clients can use.
 *
 *   cc climate.c $(pkg-config --cflags --libs tessera) -o climate
 *   tessera cluster --workers 2 &
 *   ./climate tcp://127.0.0.1:8786 t2m /data/era/2014-01-*.nc
 *
 * The workers open the files themselves, so their names must mean the same everywhere. */
#include <inttypes.h>
#include <stdio.h>
#include <tessera.h>

/* One number, or NaN after a failure. */
static double number(tsr_array *a)
{
    double value = 0;
    tsr_array *as_double = a ? tsr_astype(a, TSR_F64) : NULL;
    return as_double && tsr_compute_into(as_double, &value, sizeof value) == TSR_OK ? value : 0.0 / 0.0;
}

static tsr_array *kept(tsr_array *a)
{
    tsr_array *result = NULL;
    return a && tsr_persist(1, &a, &result) == TSR_OK ? result : NULL;
}

static tsr_status run(tsr_session *s, const char *name, int n, const char *const *files)
{
    const int time[] = {0};
    const tsr_index first[] = {{.kind = TSR_INDEX_INTEGER}, {.kind = TSR_INDEX_INTEGER}, {.kind = TSR_INDEX_INTEGER}};
    const tsr_index last[] = {{.kind = TSR_INDEX_INTEGER, .start = -1}};
    tsr_dataset *in = tsr_open_files(s, n, files, NULL);
    tsr_variable *v = in ? tsr_dataset_get(in, name) : NULL;
    tsr_array *x = v ? kept(tsr_variable_array(v)) : NULL; /* returns at once, while the workers read */
    if (!x) return tsr_error_code();
    if (tsr_ndim(x) != 3) {
        fprintf(stderr, "'%s' has %d dimensions, not time, latitude and longitude\n", name, tsr_ndim(x));
        return TSR_ERR_VALUE;
    }
    printf("%s: %" PRId64 " times\n", name, tsr_shape(x)[0]);
    printf("first element %.6f\n", number(tsr_slice(x, 3, first)));
    printf("mean %.6f\n", number(tsr_mean(x, 0, NULL, false)));
    printf("mean of the last time %.6f\n", number(tsr_mean(tsr_slice(x, 1, last), 0, NULL, false)));
    tsr_array *difference = tsr_subtract(x, tsr_mean(x, 1, time, false));
    tsr_array *z = kept(tsr_divide(difference, tsr_std(x, 1, time, false, 0)));
    if (!z) return tsr_error_code();
    printf("largest z %.6f\n", number(tsr_max(z, 0, NULL, false)));
    return tsr_cluster_publish(s, "z", z);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
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
