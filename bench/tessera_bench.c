/* The in-memory workloads of the benchmark, written against tessera.h alone:
 *
 *     bench-tessera WORKLOAD [--threads N] [--scale F] [--cold]
 *
 * makes the data, runs the workload once to warm up (not with --cold), runs it again with the clock on and prints
 * {"seconds": ..., "value": ..., "cpu": ..., "system": ..., "faults": ...}: wall time, CPU time (of which in the kernel) and page
 * faults of that run. The clock runs from the building of the expression to its result. `value` is one number that
 * the peers (peers.py) compute too, so that the report can tell whether all did the same work. */
#define _GNU_SOURCE
#include "tessera.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

enum { N_COLUMNS = 4000, N_LAT = 361, N_LON = 720, FRAME = 500, WINDOW = 250, PAGE = 4096 };

typedef struct bench {
    tsr_session *session;
    double scale;
    void *data;      /* of the workloads in memory */
    tsr_array *x;    /* the array around it */
    tsr_array *kept; /* what the workload has left in the session */
} bench;

typedef struct workload {
    const char *name;
    tsr_array *(*prepare)(bench *b); /* NULL: nothing is in memory beforehand */
    tsr_status (*run)(bench *b, double *value);
    tsr_status (*check)(bench *b, double *value); /* finds the value after the clock has stopped; NULL: run did */
} workload;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + 1e-6 * (double)t.tv_usec; }

/* A number in [0, 1) that NumPy can make as well: Knuth's multiplicative hash of the index. */
static double hashed(int64_t i) { return (double)(uint32_t)((uint32_t)i * 2654435761u) * 0x1p-32; }

static tsr_array *number(tsr_array *like, double value) { return tsr_scalar_like(like, tsr_float(value)); }

static tsr_array *memory_array(bench *b, int ndim, const int64_t *shape, const int64_t *chunks, double low, double width)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) n *= shape[d];
    /* Where malloc puts it, 16 bytes after a page, and in huge pages, both as NumPy's arrays: reading from a page's begin is
     * faster. */
    size_t size = (size_t)n * sizeof(double);
    if (!(b->data = malloc(size))) return NULL;
    size_t skipped = PAGE - (uintptr_t)b->data % PAGE;
    madvise((char *)b->data + skipped, size > skipped ? size - skipped : 0, MADV_HUGEPAGE);
    for (int64_t i = 0; i < n; i++) ((double *)b->data)[i] = low + width * hashed(i);
    return tsr_from_memory(b->session, b->data, TSR_F64, ndim, shape, NULL, NULL, NULL, chunks);
}

/* 1.6 GB, (50000, 4000) in blocks of (1000, 1000). */
static tsr_array *prepare_table(bench *b)
{
    return memory_array(b, 2, (int64_t[]){(int64_t)(50000 * b->scale), N_COLUMNS}, (int64_t[]){1000, 1000}, 0, 1);
}

/* 0.5 GB, 60 days of 4 fields, a block a day. */
static tsr_array *prepare_climate(bench *b)
{
    return memory_array(b, 3, (int64_t[]){4 * (int64_t)(60 * b->scale), N_LAT, N_LON}, (int64_t[]){4, N_LAT, N_LON}, 260, 40);
}

/* 400 frames of 500 x 500 bytes: a bright square that moves, on noise. 20 frames a block. */
static tsr_array *prepare_stack(bench *b)
{
    int64_t n = (int64_t)(400 * b->scale);
    unsigned char *p = malloc((size_t)(n * FRAME * FRAME));
    b->data = p;
    if (!p) return NULL;
    for (int64_t t = 0; t < n; t++) {
        int64_t y = 100 + t * 37 % 300, x = 100 + t * 53 % 300;
        for (int64_t i = 0; i < FRAME; i++)
            for (int64_t j = 0; j < FRAME; j++) {
                bool bright = i >= y - 40 && i < y + 40 && j >= x - 40 && j < x + 40;
                *p++ = (unsigned char)((uint32_t)((uint32_t)(i * FRAME + j) * 2654435761u) >> 29) + (bright ? 200 : 0);
            }
    }
    return tsr_from_memory(b->session, b->data, TSR_U8, 3, (int64_t[]){n, FRAME, FRAME}, NULL, NULL, NULL,
                           (int64_t[]){20, -1, -1});
}

static tsr_array *recentred(bench *b)
{
    static const int64_t window = WINDOW;
    tsr_function f;
    tsr_map_options options = {.chunks = (tsr_chunks[]){{0, NULL}, {1, &window}, {1, &window}}};
    if (tsr_udf_compile_file(b->session, EXAMPLES "/centroid.c", "recentre", NULL, &f) != TSR_OK) return NULL;
    return tsr_map_blocks(&f, 1, &b->x, TSR_U8, &options);
}

/* The recentred stack, persisted in blocks of 20 frames. */
static tsr_array *prepare_recentred(bench *b)
{
    tsr_array *kept = NULL;
    b->x = prepare_stack(b);
    tsr_array *a = recentred(b);
    return tsr_persist(1, &a, &kept) == TSR_OK ? kept : NULL;
}

static tsr_status single(tsr_array *a, double *value) { return tsr_compute_into(a, value, sizeof *value); }

/* Computes an array and adds up its elements, outside the library. */
static tsr_status total(tsr_array *a, double *value)
{
    if (!a) return tsr_error_code();
    double *out = malloc((size_t)tsr_nbytes(a));
    if (!out) return TSR_ERR_MEMORY;
    tsr_status status = tsr_compute(1, &a, (void *[]){out});
    *value = 0;
    for (int64_t i = 0; i < tsr_size(a) && status == TSR_OK; i++) *value += out[i];
    free(out);
    return status;
}

static tsr_array *reversed(tsr_array *a) { return tsr_flip(a, 0, NULL); }

static tsr_status flip_mean(tsr_array *b, double *value)
{
    return single(tsr_mean(tsr_multiply(b, reversed(b)), 0, NULL, false), value);
}

static tsr_status run_normal_mean(bench *b, double *value)
{
    int64_t n = (int64_t)(200e6 * b->scale);
    return single(tsr_mean(tsr_random_normal(b->session, 1, 0, 0.1, TSR_F64, 1, &n, (int64_t[]){n / 4}), 0, NULL, false), value);
}

static const int64_t *large_shape(const bench *b, int64_t shape[2])
{
    shape[0] = (int64_t)(200000 * b->scale);
    shape[1] = N_COLUMNS;
    return shape;
}

static tsr_status run_flip_ones(bench *b, double *value)
{
    int64_t shape[2];
    return flip_mean(tsr_ones(b->session, TSR_F64, 2, large_shape(b, shape), (int64_t[]){1000, 1000}), value);
}

static tsr_status run_flip_random(bench *b, double *value)
{
    int64_t shape[2];
    return flip_mean(tsr_random_uniform(b->session, 1, 0, 1, TSR_F64, 2, large_shape(b, shape), (int64_t[]){1000, 1000}), value);
}

/* b[i, j] = i / 1000 + j: no random numbers, and no constant either. */
static tsr_status run_flip_generated(bench *b, double *value)
{
    int64_t shape[2], chunk = 1000;
    large_shape(b, shape);
    tsr_array *rows = tsr_arange(b->session, 0, (double)shape[0], 1, TSR_F64, &chunk);
    tsr_array *columns = tsr_arange(b->session, 0, (double)shape[1], 1, TSR_F64, &chunk);
    tsr_array *scaled = tsr_expand_dims(tsr_divide(rows, number(rows, 1000)), 1, (int[]){1});
    return flip_mean(tsr_add(scaled, columns), value);
}

static tsr_status run_flip_memory(bench *b, double *value) { return flip_mean(b->x, value); }

static tsr_status run_chain_sum(bench *b, double *value)
{
    tsr_array *x = b->x;
    tsr_array *y = tsr_subtract(tsr_multiply(tsr_add(x, number(x, 1)), number(x, 2)), x);
    return single(tsr_sum(tsr_divide(y, number(x, 3)), 0, NULL, false), value);
}

static tsr_status run_cos_mean(bench *b, double *value)
{
    return total(tsr_mean(tsr_square(tsr_cos(b->x)), 1, (int[]){0}, false), value);
}

static tsr_status run_histogram(bench *b, double *value)
{
    int64_t n = (int64_t)(200e6 * b->scale), counts[100];
    tsr_array *x = tsr_random_normal(b->session, 1, 0, 1, TSR_F64, 1, &n, (int64_t[]){n / 200});
    tsr_status status =
        tsr_compute_into(tsr_histogram(x, &(tsr_bins){.n = 100, .low = -5, .high = 5}, false), counts, sizeof counts);
    *value = 0;
    for (int i = 0; i < 100 && status == TSR_OK; i++) *value += (double)counts[i];
    return status;
}

static tsr_status run_matmul(bench *b, double *value)
{
    int64_t n = (int64_t)(8000 * cbrt(b->scale)), shape[2] = {n, n};
    tsr_array *a = tsr_random_uniform(b->session, 1, 0, 1, TSR_F64, 2, shape, (int64_t[]){1000, 1000});
    return single(tsr_sum(tsr_matmul(a, a), 0, NULL, false), value);
}

static tsr_status run_mean(bench *b, double *value) { return single(tsr_mean(b->x, 0, NULL, false), value); }
static tsr_status run_mean_space(bench *b, double *value) { return total(tsr_mean(b->x, 2, (int[]){1, 2}, false), value); }
static tsr_status run_mean_time(bench *b, double *value) { return total(tsr_mean(b->x, 1, (int[]){0}, false), value); }
static tsr_status run_topk(bench *b, double *value) { return total(tsr_topk(b->x, 10, 0), value); }

/* (x - mean) / std over time, kept in the session. */
static tsr_status run_z_persist(bench *b, double *value)
{
    int axis = 0;
    tsr_release(b->kept);
    b->kept = NULL;
    tsr_array *z = tsr_divide(tsr_subtract(b->x, tsr_mean(b->x, 1, &axis, false)), tsr_std(b->x, 1, &axis, false, 0));
    tsr_status status = tsr_persist(1, &z, &b->kept);
    tsr_release(z);
    return status;
}

static tsr_status check_kept(bench *b, double *value)
{
    return single(tsr_sum(tsr_absolute(tsr_astype(b->kept, TSR_F64)), 0, NULL, false), value);
}

static tsr_status run_blocks(bench *b, double *value)
{
    int64_t n = (int64_t)(100000 * b->scale);
    tsr_array *x = tsr_ones(b->session, TSR_F64, 1, &n, (int64_t[]){1});
    return single(tsr_sum(tsr_add(x, number(x, 1)), 0, NULL, false), value);
}

static tsr_status run_stack_recentre(bench *b, double *value)
{
    tsr_release(b->kept);
    b->kept = NULL;
    tsr_array *a = recentred(b);
    tsr_status status = tsr_persist(1, &a, &b->kept);
    tsr_release(a);
    return status;
}

/* Blocks that hold all frames of 10 x 10 pixels: made as they are asked for, not only on paper. */
static tsr_status run_stack_rechunk(bench *b, double *value)
{
    tsr_release(b->kept);
    b->kept = NULL;
    tsr_array *r = tsr_rechunk(b->x, (int64_t[]){-1, 10, 10}), *a = tsr_overlapped(r, (tsr_overlap[3]){{0}});
    tsr_status status = tsr_persist(1, &a, &b->kept);
    tsr_release(a);
    tsr_release(r);
    return status;
}

static tsr_status smooth(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    const double *x = in->data;
    double *y = out->data;
    int64_t rows = out->shape[0], columns = out->shape[1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const double *p = x + i * columns + j;
            bool inside = i > 0 && i < rows - 1 && j > 0 && j < columns - 1;
            y[i * columns + j] = inside ? (p[0] + p[-1] + p[1] + p[-columns] + p[columns]) / 5 : p[0];
        }
    return TSR_OK;
}

/* A function of blocks and their neighbours over 40 000 blocks, of which a corner is looked at. */
static tsr_status run_overlap_corner(bench *b, double *value)
{
    int64_t n = (int64_t)(20000 * b->scale);
    tsr_overlap around = {1, 1, "reflect", {0}};
    tsr_array *x = tsr_ones(b->session, TSR_F64, 2, (int64_t[]){n, n}, (int64_t[]){100, 100});
    tsr_array *z = tsr_map_overlap(&(tsr_function){.call = smooth, .name = "smooth"}, 1, &x,
                                   (const tsr_overlap *[]){(tsr_overlap[]){around, around}}, TSR_F64);
    tsr_index corner = {.has_stop = true, .stop = 10};
    return total(tsr_slice(z, 2, (tsr_index[]){corner, corner}), value);
}

static const workload workloads[] = {
    {"normal_mean", NULL, run_normal_mean},
    {"flip_ones", NULL, run_flip_ones},
    {"flip_generated", NULL, run_flip_generated},
    {"flip_random", NULL, run_flip_random},
    {"flip_memory", prepare_table, run_flip_memory},
    {"chain_sum", prepare_table, run_chain_sum},
    {"cos_mean", prepare_table, run_cos_mean},
    {"histogram", NULL, run_histogram},
    {"matmul", NULL, run_matmul},
    {"mean", prepare_climate, run_mean},
    {"mean_space", prepare_climate, run_mean_space},
    {"mean_time", prepare_climate, run_mean_time},
    {"topk", prepare_climate, run_topk},
    {"z_persist", prepare_climate, run_z_persist, check_kept},
    {"blocks", NULL, run_blocks},
    {"stack_recentre", prepare_stack, run_stack_recentre, check_kept},
    {"stack_rechunk", prepare_recentred, run_stack_rechunk, check_kept},
    {"overlap_corner", NULL, run_overlap_corner},
};

static const workload *find(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(workloads[i].name, name) == 0) return &workloads[i];
    return NULL;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench-tessera: %s: %s\n", what, tsr_error_message());
    return 1;
}

int main(int argc, char **argv)
{
    const workload *w = argc > 1 ? find(argv[1]) : NULL;
    if (!w) {
        fprintf(stderr, "usage: bench-tessera WORKLOAD [--threads N] [--scale F] [--cold]; the workloads are");
        for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) fprintf(stderr, " %s", workloads[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    tsr_options options = {0};
    bench b = {.scale = 1};
    bool cold = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--cold") == 0) cold = true;
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) options.n_threads = (int)strtol(argv[++i], NULL, 10);
        if (strcmp(argv[i], "--scale") == 0 && i + 1 < argc) b.scale = strtod(argv[++i], NULL);
    }
    b.session = tsr_session_open(NULL, &options);
    if (!b.session) return fail("opening a session");
    if (w->prepare && !(b.x = w->prepare(&b))) return fail("preparing the data");
    double value = NAN;
    if (!cold && w->run(&b, &value) != TSR_OK) return fail(w->name);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double start = now();
    if (w->run(&b, &value) != TSR_OK) return fail(w->name);
    double seconds = now() - start;
    getrusage(RUSAGE_SELF, &after);
    double system = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
    double cpu = system + seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
    if (w->check && w->check(&b, &value) != TSR_OK) return fail(w->name);
    printf("{\"seconds\": %.9f, \"value\": %.17g, \"cpu\": %.6f, \"system\": %.6f, \"faults\": %ld}\n", seconds, value, cpu,
           system, after.ru_minflt - before.ru_minflt);
    tsr_session_close(b.session);
    free(b.data);
    return 0;
}
