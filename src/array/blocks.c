/* Block functions: a user's function called once for each block of a result. map_blocks and from_blocks are spellings of
 * blockwise, which gives every axis of every input a label, finds the common borders of all that share one, and writes down how
 * block numbers become parts of the inputs (array/call.h). */
#include "array/build.h"
#include "array/calls.h"
#include "array/overlap.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Common borders ------------------------------------------------------------------------------------------------ */

static bool same_borders(const axis_grid *a, const axis_grid *b)
{
    grid x = {.ndim = 1, .axes = {*a}}, y = {.ndim = 1, .axes = {*b}};
    return grid_equal(&x, &y);
}

tsr_status chunks_refine(int n, const axis_grid *const *grids, axis_grid *out, int64_t **owned)
{
    int64_t capacity = 2, k = 0, at = 0, length = grids[0]->length;
    bool same = true;
    *owned = NULL;
    for (int i = 0; i < n; i++) {
        same = same && same_borders(grids[0], grids[i]);
        capacity += grids[i]->n_blocks;
    }
    if (same || length == 0) {
        *out = *grids[0];
        return TSR_OK;
    }
    int64_t *edges = mem_alloc(sizeof *edges * (size_t)capacity);
    if (!edges) return TSR_ERR_MEMORY;
    edges[0] = 0;
    while (at < length) { /* the nearest border of all */
        int64_t next = length;
        for (int i = 0; i < n; i++) {
            int64_t b = axis_grid_find(grids[i], at), end = axis_grid_start(grids[i], b) + axis_grid_count(grids[i], b);
            if (end < next) next = end;
        }
        edges[++k] = at = next;
    }
    *out = axis_grid_edges(k, edges);
    *owned = edges;
    return TSR_OK;
}

/* ---- Blockwise ----------------------------------------------------------------------------------------------------- */

typedef struct job {
    const char *name; /* for errors */
    const tsr_function *function;
    int n_inputs;
    const tsr_block_input *inputs;
    const tsr_block_output *output;
    const tsr_overlap *const *overlaps; /* of the inputs; NULL, or NULL for one that has none */
    call_spec *spec;
} job;

static int result_axis(const job *j, int label)
{
    for (int d = 0; d < j->output->ndim; d++)
        if (j->output->labels[d] == label) return d;
    return -1;
}

static tsr_status check_job(const job *j, const tsr_session *session)
{
    const tsr_block_output *o = j->output;
    if (!j->function || !j->function->call) return error_set(TSR_ERR_VALUE, "%s: no function given", j->name);
    if (!dtype_valid((int)o->dtype)) return error_set(TSR_ERR_TYPE, "%s: %d is no dtype", j->name, (int)o->dtype);
    if (o->ndim < 0 || o->ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "%s: %d dimensions, at most %d are possible", j->name, o->ndim, TSR_MAX_NDIM);
    for (int d = 0; d < o->ndim; d++) {
        if (result_axis(j, o->labels[d]) != d)
            return error_set(TSR_ERR_VALUE, "%s: the result has label %d twice", j->name, o->labels[d]);
    }
    for (int i = 0; i < j->n_inputs; i++) {
        if (j->inputs[i].array->session != session)
            return error_set(TSR_ERR_VALUE, "%s: input %d belongs to another session", j->name, i);
    }
    return TSR_OK;
}

/* All axes with a label have one length, or 1. */
static tsr_status find_length(const job *j, int label, int64_t *length, int *n_axes)
{
    *length = -1;
    *n_axes = 0;
    for (int i = 0; i < j->n_inputs; i++) {
        const tsr_array *x = j->inputs[i].array;
        for (int d = 0; d < x->ndim; d++) {
            if (j->inputs[i].labels[d] != label) continue;
            (*n_axes)++;
            if (*length >= 0 && *length != 1 && x->shape[d] != 1 && x->shape[d] != *length && !j->output->keep_chunks) {
                return error_set(TSR_ERR_VALUE, "%s: axis %d of input %d has length %" PRId64 ", where others have %" PRId64,
                                 j->name, d, i, x->shape[d], *length);
            }
            if (*length < 0 || *length == 1) *length = x->shape[d];
        }
    }
    return TSR_OK;
}

/* An axis of length 1 beside longer ones gives its only block to all. */
static bool is_spread(const job *j, const axis_grid *g, int64_t length)
{
    return j->output->keep_chunks ? g->n_blocks == 1 : g->length == 1 && length != 1;
}

/* Collects the grids along a label that are not spread. At most `capacity`. */
static int label_grids(const job *j, int label, int64_t length, const axis_grid **grids)
{
    int n = 0;
    for (int i = 0; i < j->n_inputs; i++) {
        const tsr_array *x = j->inputs[i].array;
        for (int d = 0; d < x->ndim; d++) {
            const axis_grid *g = &x->grid.axes[d];
            if (j->inputs[i].labels[d] == label && !is_spread(j, g, length)) grids[n++] = g;
        }
    }
    return n;
}

/* The blocks along an axis of the result, as the caller wants them. */
static tsr_status result_chunks(const job *j, int d, const tsr_chunks *chunks, const axis_grid *blocks, axis_grid *out,
                                int64_t **owned)
{
    int64_t n = blocks ? blocks->n_blocks : chunks->n;
    *owned = NULL;
    if (chunks->n != 1 && chunks->n != n) {
        return error_set(TSR_ERR_VALUE, "%s: axis %d has %" PRId64 " blocks, %" PRId64 " lengths of chunks are given", j->name, d,
                         n, chunks->n);
    }
    int64_t *edges = mem_calloc((size_t)n + 1, sizeof *edges);
    if (!edges) return TSR_ERR_MEMORY;
    for (int64_t k = 0; k < n; k++) {
        int64_t length = chunks->lengths[chunks->n == 1 ? 0 : k];
        bool possible = length > 0 || (length == 0 && n == 1);
        if (!possible || __builtin_add_overflow(edges[k], length, &edges[k + 1])) {
            mem_free(edges);
            return error_set(TSR_ERR_VALUE, "%s: a chunk of length %" PRId64 " is not possible (axis %d, chunk %" PRId64 ")",
                             j->name, length, d, k);
        }
    }
    *out = edges[n] == 0 ? axis_grid_regular(0, 1) : axis_grid_edges(n, edges);
    *owned = edges;
    return TSR_OK;
}

/* One axis of the result and the axes of the inputs that run along it. */
static tsr_status place_axis(const job *j, int d, int64_t length, const axis_grid **grids)
{
    int label = j->output->labels[d], n = length < 0 ? 0 : label_grids(j, label, length, grids);
    axis_grid blocks = {0}, own;
    int64_t *edges = NULL, *owned = NULL;
    const tsr_chunks *chunks = j->output->chunks && j->output->chunks[d].n > 0 ? &j->output->chunks[d] : NULL;
    tsr_status status = TSR_OK;
    if (length < 0 && !chunks)
        return error_set(TSR_ERR_VALUE, "%s: no input runs along axis %d of the result: give the lengths of its chunks", j->name,
                         d);
    if (n > 0 && j->output->keep_chunks) {
        blocks = *grids[0];
        for (int i = 1; i < n; i++) {
            if (grids[i]->n_blocks != blocks.n_blocks)
                return error_set(TSR_ERR_VALUE,
                                 "%s: along axis %d of the result one input has %" PRId64 " chunks, another %" PRId64, j->name, d,
                                 blocks.n_blocks, grids[i]->n_blocks);
        }
    } else if (n > 0) {
        GUARD(chunks_refine(n, grids, &blocks, &edges));
    } else if (length >= 0) { /* all are spread */
        blocks = axis_grid_regular(length, length);
    }
    own = blocks;
    if (chunks) GUARD(result_chunks(j, d, chunks, length < 0 ? NULL : &blocks, &own, &owned));
    GUARD(call_axis_set(&j->spec->result[d], d, &own));
    for (int i = 0; i < j->n_inputs; i++) {
        const tsr_array *x = j->inputs[i].array;
        for (int k = 0; k < x->ndim; k++) {
            const axis_grid *g = &x->grid.axes[k];
            if (j->inputs[i].labels[k] != label || is_spread(j, g, length)) continue;
            GUARD(call_axis_set(&j->spec->inputs[i][k], d, j->output->keep_chunks ? g : &blocks));
        }
    }
done:
    mem_free(edges);
    mem_free(owned);
    return status;
}

static tsr_status place_axes(job *j)
{
    int n_axes = 0;
    for (int i = 0; i < j->n_inputs; i++) {
        const tsr_array *x = j->inputs[i].array;
        n_axes += x->ndim;
        for (int d = 0; d < x->ndim; d++) { /* the whole axis, unless a label of the result says otherwise */
            axis_grid whole = axis_grid_regular(x->shape[d], x->shape[d]);
            int64_t length;
            int n;
            TRY(call_axis_set(&j->spec->inputs[i][d], -1, &whole));
            if (result_axis(j, j->inputs[i].labels[d]) < 0) TRY(find_length(j, j->inputs[i].labels[d], &length, &n));
        }
    }
    const axis_grid **grids = mem_calloc((size_t)n_axes, sizeof *grids);
    tsr_status status = grids ? TSR_OK : TSR_ERR_MEMORY;
    for (int d = 0; status == TSR_OK && d < j->output->ndim; d++) {
        int64_t length;
        int n;
        status = find_length(j, j->output->labels[d], &length, &n);
        if (status == TSR_OK) status = place_axis(j, d, length, grids);
    }
    mem_free(grids);
    return status;
}

/* ---- Surroundings --------------------------------------------------------------------------------------------------- */

static void surround(call_axis *a, const tsr_overlap *o)
{
    a->before = o->before;
    a->after = o->after;
    a->ends = overlap_is_padded(o) ? ENDS_PADDED : ENDS_CUT;
}

/* Inputs reach into their neighbours; the function fills the surroundings of the first input of the most dimensions. arrays: the
 * inputs, which become padded ones (references of their own). */
static tsr_status place_overlaps(const job *j, tsr_array **arrays)
{
    int widest = 0;
    for (int i = 0; i < j->n_inputs; i++) {
        if (arrays[i]->ndim > arrays[widest]->ndim) widest = i;
    }
    for (int i = 0; i < j->n_inputs; i++) {
        call_axis *axes = j->spec->inputs[i];
        tsr_overlap kept[TSR_MAX_NDIM];
        if (!j->overlaps || !j->overlaps[i]) continue;
        for (int d = 0; d < arrays[i]->ndim; d++) {
            kept[d] = j->overlaps[i][d];
            if (axes[d].axis < 0) kept[d] = (tsr_overlap){0}; /* the whole axis has no neighbours */
            surround(&axes[d], &kept[d]);
            if (i == widest && axes[d].axis >= 0) surround(&j->spec->result[axes[d].axis], &kept[d]);
        }
        tsr_array *padded = overlap_pad(arrays[i], kept);
        if (!padded) return tsr_error_code();
        node_unref(arrays[i]);
        arrays[i] = padded;
    }
    return TSR_OK;
}

static tsr_status check_overlaps(const job *j)
{
    for (int i = 0; j->overlaps && i < j->n_inputs; i++)
        if (j->overlaps[i]) TRY(overlap_check(j->name, j->inputs[i].array->ndim, j->overlaps[i]));
    return TSR_OK;
}

/* ---- Making --------------------------------------------------------------------------------------------------------- */

static tsr_status check_result(const job *j)
{
    int64_t shape[TSR_MAX_NDIM];
    for (int d = 0; d < j->output->ndim; d++) shape[d] = j->spec->result[d].blocks.length;
    return shape_check(j->name, j->output->ndim, shape);
}

/* Everything but name, function, inputs and output of the job is made here. */
static tsr_array *make_blockwise(tsr_session *session, job j)
{
    tsr_array *result = NULL;
    call_owner *owner = NULL;
    if (check_job(&j, session) != TSR_OK || check_overlaps(&j) != TSR_OK) return NULL;
    int *ndims = mem_calloc((size_t)j.n_inputs, sizeof *ndims);
    tsr_array **arrays = mem_calloc((size_t)j.n_inputs, sizeof(tsr_array *));
    bool ready = ndims && arrays;
    for (int i = 0; ready && i < j.n_inputs; i++) {
        arrays[i] = node_ref(j.inputs[i].array);
        ndims[i] = arrays[i]->ndim;
    }
    if (ready && call_owner_new(&owner) == TSR_OK &&
        call_new(j.function, owner, j.n_inputs, ndims, j.output->ndim, &j.spec) == TSR_OK) {
        if (place_axes(&j) == TSR_OK && check_result(&j) == TSR_OK && place_overlaps(&j, arrays) == TSR_OK) {
            result = call_make(session, j.spec, j.output->dtype, arrays);
        } else {
            call_unref(j.spec);
        }
    }
    call_owner_end(owner, result ? j.function : NULL);
    for (int i = 0; ready && i < j.n_inputs; i++) node_unref(arrays[i]);
    mem_free(ndims);
    mem_free(arrays);
    return result;
}

tsr_array *tsr_blockwise(tsr_session *session, const tsr_function *function, int n_inputs, const tsr_block_input *inputs,
                         const tsr_block_output *output)
{
    for (int i = 0; i < n_inputs; i++)
        if (!array_ready(inputs[i].array)) return NULL;
    return make_blockwise(session, (job){"blockwise", function, n_inputs, inputs, output});
}

/* ---- Spellings ------------------------------------------------------------------------------------------------------ */

tsr_array *tsr_from_blocks(tsr_session *session, const tsr_function *function, tsr_dtype dtype, int ndim,
                           const tsr_chunks *chunks)
{
    static const int labels[TSR_MAX_NDIM] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    tsr_block_output output = {.dtype = dtype, .ndim = ndim, .labels = labels, .chunks = chunks};
    return make_blockwise(session, (job){"from_blocks", function, 0, NULL, &output});
}

enum { NEW_LABEL = 2 * TSR_MAX_NDIM }; /* labels of axes that come from no input begin here */

/* Axes are labelled from the last one, so that arrays of fewer dimensions match. */
static tsr_status map_labels(int n, tsr_array *const *arrays, const tsr_map_options *options, int *labels, int *ndim)
{
    int most = 0, kept[TSR_MAX_NDIM], n_kept = 0, k = 0;
    uint32_t drop = 0, added = 0;
    const tsr_array *widest = arrays[0];
    for (int i = 0; i < n; i++)
        if (arrays[i]->ndim > widest->ndim) widest = arrays[i];
    most = widest->ndim;
    if (options->n_drop > 0) TRY(axes_check("map_blocks", widest, options->n_drop, options->drop_axis, &drop));
    for (int d = 0; d < most; d++)
        if (!(drop >> d & 1)) kept[n_kept++] = most - 1 - d;
    *ndim = n_kept + options->n_new;
    if (*ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "map_blocks: %d dimensions, at most %d are possible", *ndim, TSR_MAX_NDIM);
    for (int i = 0; i < options->n_new; i++) {
        int axis = options->new_axis[i] < 0 ? options->new_axis[i] + *ndim : options->new_axis[i];
        if (axis < 0 || axis >= *ndim || added >> axis & 1) {
            return error_set(TSR_ERR_INDEX, "map_blocks: the new axis %d is %s, the result has %d dimensions",
                             options->new_axis[i], axis < 0 || axis >= *ndim ? "out of range" : "given twice", *ndim);
        }
        added |= 1u << axis;
    }
    for (int d = 0; d < *ndim; d++) labels[d] = added >> d & 1 ? NEW_LABEL + d : kept[k++];
    return TSR_OK;
}

/* Both of map_blocks and map_overlap. */
static tsr_array *map_arrays(const char *name, const tsr_function *function, int n, tsr_array *const *arrays,
                             const tsr_overlap *const *overlaps, tsr_dtype dtype, const tsr_map_options *options)
{
    static const int64_t one = 1;
    static const int falling[TSR_MAX_NDIM] = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    int labels[TSR_MAX_NDIM], ndim;
    tsr_chunks chunks[TSR_MAX_NDIM] = {{0}};
    if (n < 1) {
        (void)error_set(TSR_ERR_VALUE, "%s: no arrays given; from_blocks makes an array from nothing", name);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (!array_ready(arrays[i])) return NULL;
    if (map_labels(n, arrays, options, labels, &ndim) != TSR_OK) return NULL;
    for (int d = 0; d < ndim; d++) {
        if (options->chunks) chunks[d] = options->chunks[d];
        if (chunks[d].n == 0 && labels[d] >= NEW_LABEL) chunks[d] = (tsr_chunks){1, &one};
    }
    tsr_block_input *inputs = mem_calloc((size_t)n, sizeof *inputs);
    if (!inputs) return NULL;
    for (int i = 0; i < n; i++) inputs[i] = (tsr_block_input){arrays[i], falling + TSR_MAX_NDIM - arrays[i]->ndim};
    tsr_block_output output = {.dtype = dtype, .ndim = ndim, .labels = labels, .chunks = chunks};
    tsr_array *result = make_blockwise(arrays[0]->session, (job){name, function, n, inputs, &output, overlaps});
    mem_free(inputs);
    return result;
}

tsr_array *tsr_map_blocks(const tsr_function *function, int n_arrays, tsr_array *const *arrays, tsr_dtype dtype,
                          const tsr_map_options *options)
{
    tsr_map_options none = {0};
    return map_arrays("map_blocks", function, n_arrays, arrays, NULL, dtype, options ? options : &none);
}

tsr_array *tsr_map_overlap(const tsr_function *function, int n_arrays, tsr_array *const *arrays,
                           const tsr_overlap *const *overlaps, tsr_dtype dtype)
{
    tsr_map_options none = {0};
    return map_arrays("map_overlap", function, n_arrays, arrays, overlaps, dtype, &none);
}
