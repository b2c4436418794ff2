/* Boolean masks. x[mask] is a CALL whose blocks are the blocks of x compressed by the mask. How long they are is a value: until
 * it is needed the node has length -1 along the axis, and its spec says so (call_spec.unknown). mask_count then computes how many
 * elements each block of the mask selects, in one pass, and completes the node in place; blocks that select nothing do not become
 * chunks. The session's count lock guards this; a node is complete before `unknown` says so. Everything that reads a shape asks
 * array_resolve first. Reductions need no length: array/masked.c. */
#include "array/mask.h"

#include "array/build.h"
#include "array/builtin.h"
#include "array/calls.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Blocks ---------------------------------------------------------------------------------------------------------- */

static int64_t count_true(const char *mask, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += mask[i] != 0;
    return count;
}

tsr_status count_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (shape_size(output->ndim, output->shape) != 1) return builtin_misfit();
    *(int64_t *)output->data = count_true(inputs[0].data, shape_size(inputs[0].ndim, inputs[0].shape));
    return TSR_OK;
}

/* The selected of n elements; writes exactly n_selected. */
#define DEFINE_COMPRESS(name, type)                                                                                              \
    static void name(const type *from, const char *mask, int64_t n_selected, type *to)                                           \
    {                                                                                                                            \
        for (int64_t i = 0, k = 0; k < n_selected; i++) {                                                                        \
            to[k] = from[i];                                                                                                     \
            k += mask[i] != 0;                                                                                                   \
        }                                                                                                                        \
    }
DEFINE_COMPRESS(compress_1, uint8_t)
DEFINE_COMPRESS(compress_2, uint16_t)
DEFINE_COMPRESS(compress_4, uint32_t)
DEFINE_COMPRESS(compress_8, uint64_t)

/* The sizes of what comes before, along and after the mask's axis. */
typedef struct extent {
    int64_t before, length, after_bytes;
} extent;

static extent extent_of(const tsr_block *b, int axis)
{
    extent e = {1, b->shape[axis], (int64_t)tsr_dtype_size(b->dtype)};
    for (int d = 0; d < axis; d++) e.before *= b->shape[d];
    for (int d = axis + 1; d < b->ndim; d++) e.after_bytes *= b->shape[d];
    return e;
}

static void compress_row(const char *from, const char *mask, int64_t n_selected, int64_t bytes, char *to)
{
    const void *in = from;
    void *out = to;
    switch (bytes) {
    case 1: compress_1(in, mask, n_selected, out); return;
    case 2: compress_2(in, mask, n_selected, out); return;
    case 4: compress_4(in, mask, n_selected, out); return;
    case 8: compress_8(in, mask, n_selected, out); return;
    default: break;
    }
    for (int64_t i = 0, k = 0; k < n_selected; i++) {
        if (!mask[i]) continue;
        memcpy(to + k * bytes, from + i * bytes, (size_t)bytes);
        k++;
    }
}

static tsr_status changed(void)
{
    return tsr_fail(TSR_ERR_VALUE, "the mask selects another number of elements than when it was counted");
}

/* inputs: x, mask; the context is the axis. */
tsr_status compress_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int axis = (int)(intptr_t)context;
    if (axis < 0 || axis >= output->ndim || !builtin_same_rows(&inputs[0], output, axis) ||
        inputs[0].shape[axis] != inputs[1].shape[0])
        return builtin_misfit();
    extent from = extent_of(&inputs[0], axis), to = extent_of(output, axis);
    const char *mask = inputs[1].data;
    if (count_true(mask, from.length) != to.length) return changed();
    for (int64_t i = 0; i < from.before; i++) {
        compress_row((const char *)inputs[0].data + i * from.length * from.after_bytes, mask, to.length, from.after_bytes,
                     (char *)output->data + i * to.length * to.after_bytes);
    }
    return TSR_OK;
}

/* inputs: x, mask, the values for the selected elements; the context is the axis. */
tsr_status replace_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int axis = (int)(intptr_t)context;
    if (axis < 0 || axis >= output->ndim || !builtin_same_rows(&inputs[0], output, -1) ||
        !builtin_same_rows(&inputs[2], output, axis) || inputs[1].shape[0] != output->shape[axis])
        return builtin_misfit();
    extent to = extent_of(output, axis), from = extent_of(&inputs[2], axis);
    const char *mask = inputs[1].data, *value = inputs[2].data;
    char *out = output->data;
    if (count_true(mask, to.length) != from.length) return changed();
    memcpy(out, inputs[0].data, (size_t)(to.before * to.length * to.after_bytes));
    for (int64_t i = 0; i < to.before; i++) {
        for (int64_t k = 0; k < to.length; k++, out += to.after_bytes) {
            if (!mask[k]) continue;
            memcpy(out, value, (size_t)to.after_bytes);
            value += to.after_bytes;
        }
    }
    return TSR_OK;
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

bool array_is_masked(const tsr_array *a) { return a->op == NODE_CALL && a->p.call.spec->function.call == compress_block; }
int mask_axis(const tsr_array *a) { return (int)(intptr_t)a->p.call.spec->function.context; }

bool mask_fits(const tsr_array *a)
{
    const call_spec *spec = a->p.call.spec;
    const tsr_array *x = a->inputs[0], *mask = a->inputs[1];
    intptr_t axis = (intptr_t)spec->function.context;
    if (axis < 0 || axis >= a->ndim || x->ndim != a->ndim || !spec->picks) return false;
    const call_axis *along = &spec->inputs[0][axis], *selects = &spec->inputs[1][0];
    for (int d = 0; d < a->ndim; d++)
        if (d != axis && (x->shape[d] != a->shape[d] || spec->inputs[0][d].picks)) return false;
    return x->shape[axis] == mask->shape[0] && along->picks && selects->picks && along->axis == axis && selects->axis == axis &&
           along->ends == ENDS_CUT && selects->ends == ENDS_CUT &&
           grid_equal(&(grid){.ndim = 1, .axes = {along->blocks}}, &(grid){.ndim = 1, .axes = {selects->blocks}});
}

static tsr_status check_mask(const tsr_array *x, const tsr_array *mask, int axis)
{
    char a[256], b[256];
    bool fits = mask->ndim >= 1 && axis + mask->ndim <= x->ndim;
    if (mask->dtype != TSR_BOOL)
        return error_set(TSR_ERR_TYPE, "mask: its dtype is %s, it must be bool", tsr_dtype_name(mask->dtype));
    if (mask->session != x->session) return error_set(TSR_ERR_VALUE, "mask: the arrays belong to different sessions");
    for (int d = 0; fits && d < mask->ndim; d++) fits = mask->shape[d] == x->shape[axis + d];
    if (fits) return TSR_OK;
    return error_set(TSR_ERR_INDEX, "boolean index of shape %s did not match the indexed array of shape %s along axis %d",
                     shape_format(mask->ndim, mask->shape, a, sizeof a), shape_format(x->ndim, x->shape, b, sizeof b), axis);
}

/* Axes axis .. axis + n - 1 as one. */
static tsr_array *merge_axes(tsr_array *x, int axis, int n)
{
    int64_t shape[TSR_MAX_NDIM];
    int ndim = x->ndim - n + 1;
    if (n == 1) return node_ref(x);
    for (int d = 0; d < ndim; d++) shape[d] = d < axis ? x->shape[d] : x->shape[d + n - 1];
    shape[axis] = shape_size(n, x->shape + axis);
    return tsr_reshape(x, ndim, shape);
}

/* The axes of x and of the mask as blocks of the result, and the blocks that both have along the mask's axis. */
static tsr_status place(const tsr_array *x, const tsr_array *mask, int axis, call_spec *spec)
{
    const axis_grid *both[2] = {&x->grid.axes[axis], &mask->grid.axes[0]};
    axis_grid blocks;
    int64_t *edges;
    tsr_status status;
    TRY(chunks_refine(2, both, &blocks, &edges));
    for (int d = 0; d < x->ndim; d++) {
        const axis_grid *g = d == axis ? &blocks : &x->grid.axes[d];
        GUARD(call_axis_set(&spec->inputs[0][d], d, g));
        GUARD(call_axis_set(&spec->result[d], d, g));
    }
    status = call_axis_set(&spec->inputs[1][0], axis, &blocks);
done:
    mem_free(edges);
    return status;
}

static tsr_array *make_compress(tsr_array *x, tsr_array *mask, int axis)
{
    tsr_array *inputs[2] = {x, mask};
    int ndims[2] = {x->ndim, 1}, identity[2] = {axis, 0};
    call_spec *spec;
    tsr_function f = {.call = compress_block,
                      .context = (void *)(intptr_t)axis,
                      .name = "mask",
                      .identity = identity,
                      .identity_bytes = sizeof identity};
    if (call_new(&f, NULL, 2, ndims, x->ndim, &spec) != TSR_OK) return NULL;
    if (place(x, mask, axis, spec) != TSR_OK) {
        call_unref(spec);
        return NULL;
    }
    mem_free((void *)(uintptr_t)spec->result[axis].blocks.edges);
    spec->result[axis].blocks = (axis_grid){.length = -1, .n_blocks = -1};
    atomic_store(&spec->unknown, axis + 1);
    return call_make(x->session, spec, x->dtype, inputs);
}

tsr_array *array_mask(tsr_array *x, tsr_array *mask, int axis)
{
    if (!array_ready(x) || !array_ready(mask) || check_mask(x, mask, axis) != TSR_OK) return NULL;
    tsr_array *merged = merge_axes(x, axis, mask->ndim), *flat = merge_axes(mask, 0, mask->ndim);
    tsr_array *result = merged && flat ? make_compress(merged, flat, axis) : NULL;
    return array_using(array_using(result, merged), flat);
}

/* ---- Counting -------------------------------------------------------------------------------------------------------- */

static bool same_blocks(const axis_grid *a, const axis_grid *b)
{
    grid x = {.ndim = 1, .axes = {*a}}, y = {.ndim = 1, .axes = {*b}};
    return grid_equal(&x, &y);
}

/* Fills in what follows from the counts: borders, and which blocks select anything. */
static tsr_status complete(tsr_array *a, const int64_t *counts)
{
    call_spec *spec = a->p.call.spec;
    int axis = mask_axis(a);
    int64_t n = spec->inputs[1][0].blocks.n_blocks, k = 0;
    int64_t *edges = mem_calloc((size_t)n + 1, sizeof *edges), *picks = mem_calloc((size_t)n + 1, sizeof *picks);
    if (!edges || !picks) {
        mem_free(edges);
        mem_free(picks);
        return TSR_ERR_MEMORY;
    }
    for (int64_t b = 0; b < n; b++) {
        if (counts[b] == 0) continue;
        edges[k + 1] = edges[k] + counts[b];
        picks[k++] = b;
    }
    axis_grid blocks = k ? axis_grid_edges(k, edges) : axis_grid_regular(0, 1);
    if (blocks.edges != edges) mem_free(edges);
    spec->result[axis].blocks = blocks;
    spec->picks = picks;
    spec->n_picks = blocks.n_blocks;
    spec->inputs[0][axis].picks = spec->inputs[1][0].picks = picks;
    a->shape[axis] = blocks.length;
    a->grid.axes[axis] = blocks;
    return TSR_OK;
}

/* Another array that the same mask in the same blocks was counted for; the caller holds the session's lock, and gets a reference.
 */
static tsr_array *find_counted(const tsr_array *a)
{
    const tsr_session *s = a->session;
    for (size_t i = 0; i < s->table_size; i++) {
        for (tsr_array *other = s->table[i]; other; other = other->next) {
            if (other == a || !array_is_masked(other) || other->inputs[1] != a->inputs[1]) continue;
            const call_spec *spec = other->p.call.spec;
            if (atomic_load(&spec->unknown) == 0 && same_blocks(&spec->inputs[1][0].blocks, &a->p.call.spec->inputs[1][0].blocks))
                return node_ref(other);
        }
    }
    return NULL;
}

static void counts_of(const tsr_array *counted, int64_t *counts)
{
    const call_spec *spec = counted->p.call.spec;
    const axis_grid *blocks = &spec->result[mask_axis(counted)].blocks;
    for (int64_t k = 0; k < spec->n_picks; k++) counts[spec->picks[k]] = axis_grid_count(blocks, k);
}

/* The pass over the mask. */
static tsr_status compute_counts(const tsr_array *a, int64_t *counts)
{
    static const int64_t one = 1;
    static const int label;
    const axis_grid *blocks = &a->p.call.spec->inputs[1][0].blocks;
    const tsr_function f = {.call = count_block, .name = "count", .identity = "1", .identity_bytes = 1};
    tsr_array *cut = array_rechunk(a->inputs[1], &(grid){.ndim = 1, .axes = {*blocks}});
    tsr_block_input input = {cut, &label};
    tsr_block_output output = {.dtype = TSR_I64, .ndim = 1, .labels = &label, .chunks = &(tsr_chunks){1, &one}};
    tsr_array *result = cut ? tsr_blockwise(a->session, &f, 1, &input, &output) : NULL;
    void *out = counts;
    tsr_status status = result ? a->session->compute(1, &result, &out) : tsr_error_code();
    node_unref(result);
    node_unref(cut);
    return status;
}

tsr_status mask_count(tsr_array *a)
{
    tsr_session *s = a->session;
    call_spec *spec = a->p.call.spec;
    tsr_status status = TSR_OK;
    if (session_is_inside(s))
        return error_set(TSR_ERR_UNSUPPORTED, "a function cannot count a mask of the session that calls it");
    int64_t n = spec->inputs[1][0].blocks.n_blocks, *counts = mem_calloc((size_t)n, sizeof *counts);
    if (!counts) return TSR_ERR_MEMORY;
    pthread_mutex_lock(&s->count_lock);
    if (atomic_load(&spec->unknown)) {
        pthread_mutex_lock(&s->lock);
        tsr_array *counted = find_counted(a);
        pthread_mutex_unlock(&s->lock);
        if (counted) {
            counts_of(counted, counts);
        } else if (a->inputs[1]->shape[0] > 0) {
            status = compute_counts(a, counts);
        }
        node_unref(counted);
        if (status == TSR_OK) status = complete(a, counts);
        if (status == TSR_OK) atomic_store(&spec->unknown, 0);
    }
    pthread_mutex_unlock(&s->count_lock);
    mem_free(counts);
    return status;
}

/* ---- Assignment ------------------------------------------------------------------------------------------------------ */

/* Where the values for each block of the mask begin: counts summed up, in the blocks of `selected`'s mask. *edges is mem_freed.
 */
static tsr_status value_blocks(const tsr_array *selected, int64_t **edges, axis_grid *out)
{
    const call_spec *spec = selected->p.call.spec;
    int64_t n = spec->inputs[1][0].blocks.n_blocks, longest = 0;
    *edges = mem_calloc((size_t)n + 1, sizeof **edges);
    if (!*edges) return TSR_ERR_MEMORY;
    counts_of(selected, *edges + 1);
    for (int64_t b = 1; b <= n; b++) {
        if ((*edges)[b] > longest) longest = (*edges)[b];
        (*edges)[b] += (*edges)[b - 1];
    }
    *out = (axis_grid){.length = (*edges)[n], .chunk = longest, .n_blocks = n, .edges = *edges};
    return TSR_OK;
}

tsr_array *array_mask_put(tsr_array *x, tsr_array *mask, int axis, tsr_array *values)
{
    tsr_array *selected = array_mask(x, mask, axis), *result = NULL, *back = NULL;
    int64_t *edges = NULL;
    axis_grid blocks;
    if (!selected || array_resolve(selected) != TSR_OK) return array_using(NULL, selected);
    tsr_array *inputs[3] = {selected->inputs[0], selected->inputs[1], tsr_broadcast_to(values, selected->ndim, selected->shape)};
    int ndims[3] = {selected->ndim, 1, selected->ndim}, identity[2] = {axis, 1};
    call_spec *spec = NULL;
    tsr_function f = {.call = replace_block,
                      .context = (void *)(intptr_t)axis,
                      .name = "assign by mask",
                      .identity = identity,
                      .identity_bytes = sizeof identity};
    if (!inputs[2] || value_blocks(selected, &edges, &blocks) != TSR_OK ||
        call_new(&f, NULL, 3, ndims, selected->ndim, &spec) != TSR_OK)
        goto done;
    tsr_status status = place(inputs[0], inputs[1], axis, spec);
    for (int d = 0; status == TSR_OK && d < selected->ndim; d++)
        status = call_axis_set(&spec->inputs[2][d], d, d == axis ? &blocks : &inputs[0]->grid.axes[d]);
    if (status != TSR_OK) {
        call_unref(spec);
        goto done;
    }
    result = call_make(x->session, spec, x->dtype, inputs);
    back = result ? tsr_reshape(result, x->ndim, x->shape) : NULL;
    result = array_using(back ? array_rechunk(back, &x->grid) : NULL, result);
    node_unref(back);
done:
    mem_free(edges);
    node_unref(inputs[2]);
    return array_using(result, selected);
}

/* ---- Where it is not zero -------------------------------------------------------------------------------------------- */

static tsr_array *not_zero(tsr_array *a)
{
    if (a->dtype == TSR_BOOL) return node_ref(a);
    tsr_array *zero = array_full_like(a, scalar_int(0), a->dtype);
    return array_using(zero ? tsr_not_equal(a, zero) : NULL, zero);
}

static bool mask_of(tsr_array *a, tsr_array **mask)
{
    tsr_array *there = array_ready(a) ? not_zero(a) : NULL;
    *mask = there ? tsr_ravel(there) : NULL;
    node_unref(there);
    return *mask != NULL;
}

/* 0, 1, 2 ... in the chunks of the flat mask. */
static tsr_array *places_of(tsr_array *mask)
{
    tsr_array proto = {.op = NODE_INDEX, .dtype = TSR_I64, .ndim = 1, .grid = mask->grid};
    proto.shape[0] = mask->shape[0];
    return node_make(mask->session, &proto);
}

/* The index along an axis of `a` of each flat place. */
static tsr_array *coordinate(const tsr_array *a, tsr_array *places, int axis)
{
    int64_t stride = shape_size(a->ndim - axis - 1, a->shape + axis + 1);
    tsr_array *by = array_full_like(places, scalar_int(stride > 0 ? stride : 1), TSR_I64);
    tsr_array *length = array_full_like(places, scalar_int(a->shape[axis] > 0 ? a->shape[axis] : 1), TSR_I64);
    tsr_array *rows = by ? tsr_floor_divide(places, by) : NULL, *result = NULL;
    if (rows && length) result = axis == 0 ? node_ref(rows) : tsr_remainder(rows, length);
    tsr_array *used[] = {by, length, rows};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

tsr_array *tsr_flatnonzero(tsr_array *a)
{
    tsr_array *mask;
    if (!mask_of(a, &mask)) return NULL;
    tsr_array *places = places_of(mask), *result = places ? array_mask(places, mask, 0) : NULL;
    return array_using(array_using(result, places), mask);
}

tsr_status tsr_nonzero(tsr_array *a, tsr_array **results)
{
    tsr_array *mask;
    if (a && a->ndim == 0) return error_set(TSR_ERR_VALUE, "nonzero: not defined for arrays without dimensions");
    if (!mask_of(a, &mask)) return tsr_error_code();
    tsr_array *places = places_of(mask);
    int n = 0;
    for (; places && n < a->ndim; n++) {
        tsr_array *along = coordinate(a, places, n);
        results[n] = array_using(along ? array_mask(along, mask, 0) : NULL, along);
        if (!results[n]) break;
    }
    bool all = places && n == a->ndim;
    for (int d = 0; d < n && !all; d++) node_unref(results[d]);
    node_unref(places);
    node_unref(mask);
    return all ? TSR_OK : tsr_error_code();
}

tsr_array *tsr_argwhere(tsr_array *a)
{
    tsr_array *mask, *columns[TSR_MAX_NDIM] = {NULL}, *result = NULL, *table = NULL;
    if (!mask_of(a, &mask)) return NULL;
    tsr_array *places = places_of(mask);
    bool all = places != NULL;
    for (int d = 0; all && d < a->ndim; d++) all = (columns[d] = coordinate(a, places, d)) != NULL;
    if (all && a->ndim == 0) table = tsr_zeros(a->session, TSR_I64, 2, (int64_t[]){1, 0}, NULL);
    if (all && a->ndim > 0) table = tsr_stack(a->ndim, columns, 1);
    if (table) { /* a row is one block */
        grid rows = table->grid;
        rows.axes[1] = axis_grid_regular(a->ndim, a->ndim);
        tsr_array *cut = array_rechunk(table, &rows);
        result = array_using(cut ? array_mask(cut, mask, 0) : NULL, cut);
    }
    for (int d = 0; d < a->ndim; d++) node_unref(columns[d]);
    tsr_array *used[] = {table, places, mask};
    for (int i = 0; i < 3; i++) node_unref(used[i]);
    return result;
}

/* ---- By a mask ------------------------------------------------------------------------------------------------------- */

tsr_array *tsr_mask(tsr_array *a, tsr_array *mask) { return a && mask ? array_mask(a, mask, 0) : NULL; }

/* Does a condition hold from `from` on? NumPy lets it be longer than the axis as long as it does not. */
static tsr_status check_rest(tsr_array *condition, int64_t from, int axis)
{
    bool holds = false;
    void *out = &holds;
    tsr_array *rest = tsr_slice(condition, 1, &(tsr_index){.has_start = true, .start = from}),
              *any = tsr_any(rest, 0, NULL, false);
    tsr_status status = any ? condition->session->compute(1, &any, &out) : tsr_error_code();
    node_unref(rest);
    node_unref(any);
    if (status != TSR_OK || !holds) return status;
    return error_set(TSR_ERR_INDEX, "compress: the condition of length %" PRId64 " holds beyond axis %d with size %" PRId64,
                     condition->shape[0], axis, from);
}

tsr_array *tsr_compress(tsr_array *condition, tsr_array *a, int axis)
{
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    tsr_array *mask = NULL, *cut_mask = NULL, *cut = NULL, *result = NULL;
    if (!array_ready(condition) || !array_ready(a) || axis_check("compress", a, axis, &axis) != TSR_OK) return NULL;
    if (condition->ndim != 1) {
        (void)error_set(TSR_ERR_VALUE, "compress: condition must be a 1-d array");
        return NULL;
    }
    int64_t length = a->shape[axis] < condition->shape[0] ? a->shape[axis] : condition->shape[0];
    items[axis] = (tsr_index){.has_stop = true, .stop = length};
    mask = not_zero(condition);
    if (!mask || (condition->shape[0] > length && check_rest(mask, length, axis) != TSR_OK)) goto done;
    cut_mask = tsr_slice(mask, 1, &(tsr_index){.has_stop = true, .stop = length});
    cut = tsr_slice(a, axis + 1, items);
    if (cut && cut_mask) result = array_mask(cut, cut_mask, axis);
done:
    node_unref(cut);
    node_unref(cut_mask);
    return array_using(result, mask);
}

tsr_array *tsr_extract(tsr_array *condition, tsr_array *a)
{
    tsr_array *flat = condition ? tsr_ravel(condition) : NULL, *values = a ? tsr_ravel(a) : NULL;
    tsr_array *result = flat && values ? tsr_compress(flat, values, 0) : NULL;
    return array_using(array_using(result, flat), values);
}
