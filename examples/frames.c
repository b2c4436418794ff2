/* A stack of images in the memory of a cluster: the workers read the frames, once; then come averages along each axis, every
 * frame cut around its centre of mass by a function of the user's own (examples/centroid.c), and the series of each pixel.
 *
 *   cc frames.c $(pkg-config --cflags --libs tessera) -o frames
 *   tessera cluster --workers 2 &
 *   ./frames tcp://127.0.0.1:8786 centroid.c 256 'frames/t*.png'
 *
 * 256: rows and columns of the window. The workers open the files themselves, so their names must mean the same everywhere. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <tessera.h>

enum { N_DIMENSIONS = 3, FRAMES_AT_ONCE = 4, SERIES = 16 };

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

/* Where a picture is brightest. */
static void print_brightest(const char *of, tsr_array *picture)
{
    const double place = number(tsr_argmax(picture, 0, NULL, false));
    if (!picture || place != place) return;
    const int64_t columns = tsr_shape(picture)[1], at = (int64_t)place;
    printf("brightest place of %s: %" PRId64 ", %" PRId64 "\n", of, at / columns, at % columns);
}

/* Each frame cut around its centre of mass. */
static tsr_array *recentred(tsr_session *s, tsr_array *frames, const char *source, int64_t window)
{
    const tsr_chunks chunks[N_DIMENSIONS] = {{0}, {1, &window}, {1, &window}};
    tsr_function function;
    if (tsr_udf_compile_file(s, source, "recentre", NULL, &function) != TSR_OK) return NULL;
    return kept(tsr_map_blocks(&function, 1, &frames, tsr_dtype_of(frames), &(tsr_map_options){.chunks = chunks}));
}

static tsr_status run(tsr_session *s, const char *source, int64_t window, int n, const char *const *files)
{
    const int time[] = {0}, places[] = {1, 2};
    const int64_t by_frames[N_DIMENSIONS] = {FRAMES_AT_ONCE, -1, -1}, by_pixels[N_DIMENSIONS] = {-1, SERIES, SERIES};
    tsr_array *x = tsr_open_stack(s, n, files, NULL);
    if (x && tsr_ndim(x) != N_DIMENSIONS) return tsr_fail(TSR_ERR_VALUE, "the images have colours or pages");
    x = kept(x ? tsr_rechunk(x, by_frames) : NULL); /* returns at once, while the workers read */
    if (!x) return tsr_error_code();
    printf("%" PRId64 " frames of %" PRId64 " x %" PRId64 "\n", tsr_shape(x)[0], tsr_shape(x)[1], tsr_shape(x)[2]);
    printf("darkest frame %.0f\n", number(tsr_argmin(tsr_mean(x, 2, places, false), 0, NULL, false)));
    print_brightest("the mean", tsr_mean(x, 1, time, false));
    tsr_array *centred = recentred(s, x, source, window);
    if (!centred) return tsr_error_code();
    print_brightest("the mean of what was centred", tsr_mean(centred, 1, time, false));
    tsr_array *series = kept(tsr_rechunk(centred, by_pixels)); /* from whole frames to all times of few pixels */
    if (!series) return tsr_error_code();
    printf("largest deviation over time %.6f\n", number(tsr_max(tsr_std(series, 1, time, false, 0), 0, NULL, false)));
    return tsr_cluster_publish(s, "series", series);
}

int main(int argc, char **argv)
{
    if (argc < 5 || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: %s ADDRESS CENTROID.C WINDOW FILE...\n", argv[0]);
        return 2;
    }
    tsr_session *s = tsr_session_open(argv[1], NULL);
    tsr_status status = s ? tsr_cluster_wait_for_workers(s, 1, 30) : tsr_error_code();
    if (status == TSR_OK) status = run(s, argv[2], atoi(argv[3]), argc - 4, (const char *const *)(argv + 4));
    if (status != TSR_OK) fprintf(stderr, "%s\n", tsr_error_message());
    tsr_session_close(s);
    return status == TSR_OK ? 0 : 1;
}
