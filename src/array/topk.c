/* The greatest or the least elements along an axis, in order: topk, argtopk. Each block keeps its own best, then neighbours side
 * by side keep theirs, until one block is left: what is held is never more than a group's. NaN counts as greatest, as in NumPy's
 * sort, and among equal elements those that come first are taken, so that chunks make no difference. These are block functions of
 * the library's own (array/blocks.c). */
#include "array/build.h"
#include "array/builtin.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Order ---------------------------------------------------------------------------------------------------------- */

typedef bool less_fn(const void *a, const void *b);

#define DEFINE_LESS(name, type, nan_last)                                                                                        \
    static inline bool name(const void *a, const void *b)                                                                        \
    {                                                                                                                            \
        type x = *(const type *)a, y = *(const type *)b;                                                                         \
        return x < y || (nan_last && x == x && y != y);                                                                          \
    }
DEFINE_LESS(less_u8, uint8_t, false)
DEFINE_LESS(less_i8, int8_t, false)
DEFINE_LESS(less_i16, int16_t, false)
DEFINE_LESS(less_i32, int32_t, false)
DEFINE_LESS(less_i64, int64_t, false)
DEFINE_LESS(less_u16, uint16_t, false)
DEFINE_LESS(less_u32, uint32_t, false)
DEFINE_LESS(less_u64, uint64_t, false)
DEFINE_LESS(less_f32, float, true)
DEFINE_LESS(less_f64, double, true)

/* Real parts first, then imaginary ones; a number with a NaN comes after all others. */
#define DEFINE_COMPLEX_LESS(name, type)                                                                                          \
    static inline bool name(const void *a, const void *b)                                                                        \
    {                                                                                                                            \
        const type *x = a, *y = b;                                                                                               \
        bool nan_x = x[0] != x[0] || x[1] != x[1], nan_y = y[0] != y[0] || y[1] != y[1];                                         \
        if (nan_x || nan_y) return !nan_x && nan_y;                                                                              \
        return x[0] < y[0] || (x[0] == y[0] && x[1] < y[1]);                                                                     \
    }
DEFINE_COMPLEX_LESS(less_c64, float)
DEFINE_COMPLEX_LESS(less_c128, double)

/* ---- One row -------------------------------------------------------------------------------------------------------- */

/* The elements along the axis at one place of the others. */
typedef struct row {
    const char *values;
    size_t step;
    bool least;
} row;

/* What follows is compiled for each dtype with its `less` inside: a call for each comparison took most of the time. */
#define INLINE static inline __attribute__((always_inline))

/* Does element p come before element q in the result? */
INLINE bool comes_before(const row *r, less_fn *less, int64_t p, int64_t q)
{
    const void *x = r->values + (size_t)p * r->step, *y = r->values + (size_t)q * r->step;
    const void *first = r->least ? x : y, *second = r->least ? y : x;
    if (less(first, second)) return true;
    return p < q && !less(second, first);
}

/* Restores the heap, whose root is the element that comes last, below i. */
INLINE void sift_down(const row *r, less_fn *less, int64_t *heap, int64_t n, int64_t i)
{
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && comes_before(r, less, heap[child], heap[child + 1])) child++;
        if (!comes_before(r, less, heap[i], heap[child])) return;
        int64_t moved = heap[i];
        heap[i] = heap[child];
        heap[child] = moved;
    }
}

/* Writes the places of the first k of n elements in the result's order; k <= n. */
INLINE void find_best(const row *r, less_fn *less, int64_t n, int64_t k, int64_t *best)
{
    for (int64_t i = 0; i < k; i++) best[i] = i;
    for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(r, less, best, k, i);
    for (int64_t i = k; k > 0 && i < n; i++) {
        if (!comes_before(r, less, i, best[0])) continue;
        best[0] = i;
        sift_down(r, less, best, k, 0);
    }
    for (int64_t m = k - 1; m > 0; m--) {
        int64_t last = best[0];
        best[0] = best[m];
        best[m] = last;
        sift_down(r, less, best, m, 0);
    }
}

typedef void find_fn(const row *r, int64_t n, int64_t k, int64_t *best);

#define FINDERS(X) X(u8) X(i8) X(i16) X(i32) X(i64) X(u16) X(u32) X(u64) X(f32) X(f64) X(c64) X(c128)
#define DEFINE_FINDER(t)                                                                                                         \
    static void find_##t(const row *r, int64_t n, int64_t k, int64_t *best) { find_best(r, less_##t, n, k, best); }
FINDERS(DEFINE_FINDER)

static find_fn *const find_of[] = {
    [TSR_BOOL] = find_u8, [TSR_I8] = find_i8,   [TSR_I16] = find_i16,  [TSR_I32] = find_i32, [TSR_I64] = find_i64,
    [TSR_U8] = find_u8,   [TSR_U16] = find_u16, [TSR_U32] = find_u32,  [TSR_U64] = find_u64, [TSR_F32] = find_f32,
    [TSR_F64] = find_f64, [TSR_C64] = find_c64, [TSR_C128] = find_c128};
_Static_assert(sizeof find_of / sizeof *find_of == TSR_N_DTYPES, "an order for each dtype");

void topk_order(tsr_dtype dtype, const void *values, size_t step, int64_t n, int64_t *order)
{
    find_of[dtype](&(row){values, step, true}, n, n, order);
}

/* ---- Blocks --------------------------------------------------------------------------------------------------------- */

/* The values, and perhaps the indices that go with them: without, the index is the place in the array. */
tsr_status topk_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const topk_options *o = context;
    const tsr_block *values = &inputs[0];
    int axis = o->axis;
    if (axis < 0 || axis >= output->ndim || o->k < 0 || !builtin_same_rows(values, output, axis) ||
        output->dtype != (o->indices ? TSR_I64 : values->dtype) || (n_inputs == 2 && !builtin_same_rows(values, &inputs[1], -1)))
        return builtin_misfit();
    int64_t n = values->shape[axis], k = o->k < n ? o->k : n;
    if (output->shape[axis] != k) return builtin_misfit();
    int64_t outer = shape_size(axis, values->shape), inner = shape_size(values->ndim - axis - 1, values->shape + axis + 1);
    int64_t *best = mem_alloc(sizeof *best * (size_t)(k + 1));
    if (!best) return TSR_ERR_MEMORY;
    size_t size = tsr_dtype_size(values->dtype);
    for (int64_t lane = 0; lane < outer * inner; lane++) {
        int64_t from = lane / inner * n * inner + lane % inner, to = lane / inner * k * inner + lane % inner;
        row r = {(const char *)values->data + (size_t)from * size, (size_t)inner * size, o->least};
        find_of[values->dtype](&r, n, k, best);
        for (int64_t i = 0; i < k; i++, to += inner) {
            if (!o->indices)
                memcpy((char *)output->data + (size_t)to * size, r.values + (size_t)best[i] * r.step, size);
            else if (n_inputs == 2)
                ((int64_t *)output->data)[to] = ((const int64_t *)inputs[1].data)[from + best[i] * inner];
            else
                ((int64_t *)output->data)[to] = values->start[axis] + best[i];
        }
    }
    mem_free(best);
    return TSR_OK;
}

/* ---- Arrays --------------------------------------------------------------------------------------------------------- */

static void free_options(void *context) { mem_free(context); }

/* The lengths of a's chunks, along the axis what `length` makes of each group of so many; n_chunks gets their numbers. mem_freed.
 */
static int64_t *lengths_of(const tsr_array *a, int axis, int64_t group, int64_t most, int64_t *n_chunks)
{
    int64_t total = 0, at = 0;
    for (int d = 0; d < a->ndim; d++) {
        n_chunks[d] = d == axis ? (a->grid.axes[d].n_blocks + group - 1) / group : a->grid.axes[d].n_blocks;
        total += n_chunks[d];
    }
    int64_t *lengths = mem_calloc((size_t)total, sizeof *lengths);
    for (int d = 0; lengths && d < a->ndim; at += n_chunks[d++]) {
        for (int64_t i = 0; i < a->grid.axes[d].n_blocks; i++) {
            int64_t length = axis_grid_count(&a->grid.axes[d], i);
            lengths[at + (d == axis ? i / group : i)] += d == axis && length > most ? most : length;
        }
    }
    return lengths;
}

/* What is left of each block: values, or the indices that go with them. */
static tsr_array *keep_best(tsr_array *values, tsr_array *indices, topk_options options)
{
    int64_t n_chunks[TSR_MAX_NDIM];
    int64_t *lengths = lengths_of(values, options.axis, 1, options.k, n_chunks), at = 0;
    topk_options *o = mem_calloc(1, sizeof *o);
    tsr_array *result = NULL, *inputs[2] = {values, indices};
    if (lengths && o) {
        tsr_chunks chunks[TSR_MAX_NDIM];
        for (int d = 0; d < values->ndim; at += n_chunks[d++]) chunks[d] = (tsr_chunks){n_chunks[d], lengths + at};
        *o = options;
        tsr_function f = {.call = topk_block,
                          .context = o,
                          .release = free_options,
                          .name = options.indices ? "argtopk" : "topk",
                          .identity = o,
                          .identity_bytes = sizeof *o};
        result = tsr_map_blocks(&f, indices ? 2 : 1, inputs, options.indices ? TSR_I64 : values->dtype,
                                &(tsr_map_options){.chunks = chunks});
    }
    if (!result) mem_free(o);
    mem_free(lengths);
    return result;
}

/* Neighbours along the axis in one chunk. `a` is consumed. */
static tsr_array *side_by_side(tsr_array *a, int axis)
{
    enum { SPLIT_EVERY = 8 };
    int64_t n_chunks[TSR_MAX_NDIM], *lengths = a ? lengths_of(a, axis, SPLIT_EVERY, INT64_MAX, n_chunks) : NULL;
    tsr_array *result = lengths ? tsr_rechunk_sizes(a, n_chunks, lengths) : NULL;
    mem_free(lengths);
    return array_using(result, a);
}

static int64_t longest_chunk(const tsr_array *a, int axis)
{
    int64_t most = 0;
    for (int64_t i = 0; i < a->grid.axes[axis].n_blocks; i++) {
        int64_t length = axis_grid_count(&a->grid.axes[axis], i);
        if (length > most) most = length;
    }
    return most;
}

static tsr_array *best_along(const char *name, tsr_array *a, int64_t k, int axis, bool want_indices)
{
    int64_t shape[TSR_MAX_NDIM];
    if (!array_ready(a) || axis_check(name, a, axis, &axis) != TSR_OK) return NULL;
    if (k == INT64_MIN) k++;
    topk_options take_values = {.k = k < 0 ? -k : k, .axis = axis, .least = k < 0}, take_indices = take_values;
    take_indices.indices = true;
    memcpy(shape, a->shape, sizeof shape);
    if (take_values.k < shape[axis]) shape[axis] = take_values.k;
    if (shape_size(a->ndim, shape) == 0) return tsr_zeros(a->session, want_indices ? TSR_I64 : a->dtype, a->ndim, shape, NULL);
    tsr_array *values = node_ref(a), *indices = NULL;
    while (values) {
        bool last = values->grid.axes[axis].n_blocks == 1;
        if (!last && !indices && longest_chunk(values, axis) <= take_values.k) { /* blocks that would keep all they have */
            values = side_by_side(values, axis);
            continue;
        }
        tsr_array *kept_indices = want_indices ? keep_best(values, indices, take_indices) : NULL,
                  *kept = last && want_indices ? NULL : keep_best(values, indices, take_values);
        node_unref(values);
        node_unref(indices);
        if (last) return want_indices ? kept_indices : kept;
        indices = want_indices ? side_by_side(kept_indices, axis) : NULL;
        values = side_by_side(kept, axis);
        if (want_indices && !indices) values = array_using(NULL, values);
    }
    node_unref(indices);
    return NULL;
}

tsr_array *tsr_topk(tsr_array *a, int64_t k, int axis) { return best_along("topk", a, k, axis, false); }
tsr_array *tsr_argtopk(tsr_array *a, int64_t k, int axis) { return best_along("argtopk", a, k, axis, true); }
