/* Fuzzes the reading of packed expressions: whatever the bytes, an error, or arrays that pass the check of expressions and, if
 * they are small, can be computed. Arrays of futures are among them, as a scheduler reads them: their blocks cannot be made.
 *
 * An input is a byte that chooses what it changes, then changes of three bytes each: a place (two bytes) and what is added to the
 * byte there. Behind the last expression to choose, the input itself is read as it is. So the fuzzer begins with messages that
 * make sense. */
#include "array/node.h"
#include "array/pack.h"
#include "cluster/future_blocks.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS_PER_SESSION = 500, N_SEEDS = 16, MOST_BYTES = 1 << 16 };

static struct {
    void *bytes;
    size_t size;
} seeds[N_SEEDS];

/* ---- Arrays of futures ---- */

/* Keys and holder of each block's result, as future_blocks.c sends them. */
static uint64_t rows[6][3] = {{1, 2, 7}, {1, 3, 7}, {1, 4, 8}, {1, 5, 0}, {1, 6, 8}, {1, 7, 7}};

static tsr_status load_function(void *context, const char *name, const void *bytes, size_t size, const tsr_function *inner,
                                tsr_function *out)
{
    if (!future_blocks_are(name)) return error_set(TSR_ERR_FORMAT, "unpack: no function '%.30s'", name);
    return future_blocks_load(NULL, NULL, bytes, size, inner, out);
}

static tsr_status save_function(void *context, const tsr_function *f, arena *memory, packed_function *out)
{
    if (f->name && future_blocks_are(f->name)) *out = (packed_function){f->name, rows, sizeof rows, NULL};
    return TSR_OK;
}

static bool save_set(void *context, const block_set *set, uint64_t *job, uint32_t *root) { return false; }

static block_set *load_set(void *context, uint64_t job, uint32_t root, tsr_dtype *dtype, const grid **stored)
{
    (void)error_set(TSR_ERR_NOT_FOUND, "there are no jobs");
    return NULL;
}

static const set_codec of_cluster = {NULL, save_set, load_set, save_function, load_function};

static tsr_array *of_futures(tsr_session *s)
{
    const tsr_chunks chunks[] = {{3, (int64_t[]){5, 4, 3}}, {2, (int64_t[]){4, 6}}};
    tsr_function f, none = {0};
    if (future_blocks_load(NULL, NULL, rows, sizeof rows, &none, &f) != TSR_OK) abort();
    return tsr_from_blocks(s, &f, TSR_F64, 2, chunks);
}

static tsr_array *make_seed(tsr_session *s, int number)
{
    static double table[12][10];
    const int64_t shape[] = {12, 10};
    const int axis = 0;
    const int64_t n = 3;
    const tsr_index places = {.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = &n, .indices = (int64_t[]){8, 1, 6}};
    tsr_array *x = tsr_from_memory(s, table, TSR_F64, 2, shape, NULL, NULL, NULL, (int64_t[]){5, 4});
    tsr_array *row = tsr_arange(s, 0, 10, 1, TSR_F64, NULL);
    switch (number) {
    case 0: return tsr_divide(tsr_subtract(x, tsr_mean(x, 1, &axis, false)), tsr_std(x, 1, &axis, 0, false));
    case 1: return tsr_concatenate(2, (tsr_array *[]){x, tsr_flip(x, 1, &axis)}, 0);
    case 2: return tsr_take(tsr_rechunk(x, (int64_t[]){-1, 2}), 3, (int64_t[]){3, 0, 9}, 1);
    case 3: return tsr_max(tsr_sliding_window(x, 3, 2, 0), 1, &axis, false);
    case 4: return tsr_cumsum(tsr_reshape(tsr_astype(x, TSR_I32), 1, (int64_t[]){120}), 0);
    case 5: return tsr_quantile(x, 2, (double[]){0.1, 0.5}, 1, &axis, false);
    case 6: return tsr_histogram_weighted(x, x, &(tsr_bins){.n = 3, .edges = (double[]){-1, 0, 2, 5}}, false);
    case 7: return tsr_matmul(x, tsr_transpose(x, NULL));
    case 8: return tsr_searchsorted(row, x, true, NULL);
    case 9: return tsr_mask(x, tsr_isfinite(x));
    case 10:
        return tsr_setitem(x, 1, &(tsr_index){.kind = TSR_INDEX_MASK, .mask = tsr_isfinite(x)}, tsr_mask(x, tsr_isfinite(x)));
    case 11: return tsr_setitem(x, 1, &places, row);
    case 12: return tsr_random_permuted(x, 5, 1);
    case 13: return of_futures(s);
    case 14: return tsr_subtract(of_futures(s), tsr_mean(of_futures(s), 1, &axis, false));
    default: return tsr_interp(tsr_random_normal(s, 1, 0, 3, TSR_F64, 2, shape, NULL), row, tsr_sqrt(row), NULL, NULL, 0);
    }
}

static void make_seeds(void)
{
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    for (int i = 0; i < N_SEEDS; i++) {
        tsr_array *a = s ? make_seed(s, i) : NULL;
        if (!a || expression_pack(1, &a, NULL, &of_cluster, &seeds[i].bytes, &seeds[i].size) != TSR_OK) abort();
    }
    tsr_session_close(s);
}

static void read_packed(tsr_session *s, const void *bytes, size_t size)
{
    tsr_array *a = NULL;
    if (tsr_packed_count(bytes, size) != 1 || expression_unpack(s, bytes, size, NULL, &of_cluster, 1, &a) != TSR_OK) return;
    if (graph_check(a) != TSR_OK) abort();
    if (tsr_nbytes(a) <= MOST_BYTES) {
        void *out = malloc((size_t)tsr_nbytes(a) + 1);
        if (out) (void)!tsr_compute(1, &a, &out);
        free(out);
    }
    tsr_release(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tsr_session *session;
    static int runs;
    if (!seeds[0].bytes) make_seeds();
    if (runs++ % RUNS_PER_SESSION == 0) {
        tsr_session_close(session);
        session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1, .memory_bytes = (size_t)16 << 20});
        if (!session) abort();
    }
    tsr_error_clear();
    if (size == 0 || data[0] >= N_SEEDS) {
        read_packed(session, data + (size > 0), size - (size > 0));
        return 0;
    }
    const size_t n = seeds[data[0]].size;
    uint8_t *copy = malloc(n);
    if (!copy) return 0;
    memcpy(copy, seeds[data[0]].bytes, n);
    for (size_t i = 1; i + 3 <= size; i += 3) {
        const size_t at = (size_t)(data[i] | data[i + 1] << 8) % n;
        copy[at] = (uint8_t)(copy[at] + data[i + 2]);
    }
    read_packed(session, copy, n);
    free(copy);
    return 0;
}
