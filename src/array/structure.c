/* Arrays put together and taken apart: reshape, concatenate, stack, take, repeat, tile, roll, rechunk, diff, triangles. */
#include "array/build.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Reshape --------------------------------------------------------------------------------------------------------- */

static tsr_status fill_in_shape(const tsr_array *a, int ndim, const int64_t *given, int64_t *shape)
{
    char from[256], to[256];
    int64_t size = shape_size(a->ndim, a->shape), known = 1;
    int open = -1;
    if (ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "reshape: %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM);
    for (int d = 0; d < ndim; d++) {
        shape[d] = given[d];
        if (given[d] >= 0) {
            if (__builtin_mul_overflow(known, given[d], &known)) known = -1;
        } else if (given[d] == -1 && open < 0) {
            open = d;
        } else {
            return error_set(TSR_ERR_VALUE, "reshape: only one length may be -1, and none less: %s",
                             shape_format(ndim, given, to, sizeof to));
        }
    }
    if (open >= 0 && known > 0 && size % known == 0) {
        shape[open] = size / known;
        return TSR_OK;
    }
    if (open < 0 && known == size) return TSR_OK;
    return error_set(TSR_ERR_VALUE, "reshape: an array of shape %s does not fit into %s",
                     shape_format(a->ndim, a->shape, from, sizeof from), shape_format(ndim, given, to, sizeof to));
}

/* Only axes of length 1 come or go: a view. */
static bool as_view(const tsr_array *a, int ndim, const int64_t *shape, view_axis *axes)
{
    int k = 0;
    for (int d = 0; d < a->ndim; d++) {
        axes[d] = (view_axis){-1, 0, 0};
        if (a->shape[d] == 1) continue;
        while (k < ndim && shape[k] == 1) k++;
        if (k == ndim || shape[k] != a->shape[d]) return false;
        axes[d] = (view_axis){k++, 0, 1};
    }
    while (k < ndim && shape[k] == 1) k++;
    return k == ndim;
}

tsr_array *tsr_reshape(tsr_array *a, int ndim, const int64_t *given)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    if (!array_ready(a) || fill_in_shape(a, ndim, given, shape) != TSR_OK) return NULL;
    if (as_view(a, ndim, shape, axes)) return array_view(a, ndim, shape, axes);
    tsr_array *input = a->op == NODE_RESHAPE ? a->inputs[0] : a;
    tsr_array proto = {.op = NODE_RESHAPE, .dtype = a->dtype, .ndim = ndim, .n_inputs = 1, .inputs = &input};
    memcpy(proto.shape, shape, sizeof *shape * (size_t)ndim);
    if (chunks_choose(a->session, a->dtype, ndim, shape, NULL, NULL, &proto.grid) != TSR_OK) return NULL;
    return node_make(a->session, &proto);
}

tsr_array *tsr_ravel(tsr_array *a) { return tsr_reshape(a, 1, (int64_t[]){-1}); }

/* ---- Joining ---------------------------------------------------------------------------------------------------------- */

/* The borders of all pieces along the axis. Chunks of equal length that fill their pieces need no list, however many there are.
 * *owned must be mem_freed after the node is made. */
static tsr_status join_chunks(int n, tsr_array *const *arrays, int axis, axis_grid *out, int64_t **owned)
{
    int64_t chunk = arrays[0]->grid.axes[axis].chunk, n_blocks = 0, length = 0, k = 0;
    bool regular = true;
    for (int i = 0; i < n; i++) {
        const axis_grid *g = &arrays[i]->grid.axes[axis];
        bool last = i == n - 1, fits = last ? g->n_blocks == 1 && g->length <= chunk : false;
        regular = regular && (fits || (!g->edges && g->phase == 0 && g->chunk == chunk && (last || g->length % chunk == 0)));
        n_blocks += g->n_blocks;
        length += g->length;
    }
    *owned = NULL;
    if (regular) {
        *out = axis_grid_regular(length, chunk);
        return TSR_OK;
    }
    int64_t *edges = mem_alloc(sizeof *edges * (size_t)(n_blocks + 1));
    if (!edges) return TSR_ERR_MEMORY;
    edges[0] = 0;
    for (int i = 0; i < n; i++) {
        const axis_grid *g = &arrays[i]->grid.axes[axis];
        for (int64_t b = 0; b < g->n_blocks; b++) {
            int64_t count = axis_grid_count(g, b);
            if (count == 0) continue;
            edges[k + 1] = edges[k] + count;
            k++;
        }
    }
    *out = axis_grid_edges(k, edges);
    *owned = edges;
    return TSR_OK;
}

/* Inputs have equal dtypes and fit but for the axis. */
static tsr_array *concat(int n, tsr_array *const *arrays, int axis)
{
    const tsr_array *first = arrays[0];
    tsr_array proto = {.op = NODE_CONCAT, .dtype = first->dtype, .ndim = first->ndim, .grid = first->grid, .n_inputs = n};
    int64_t *edges;
    if (n == 1) return node_ref(arrays[0]);
    if (join_chunks(n, arrays, axis, &proto.grid.axes[axis], &edges) != TSR_OK) return NULL;
    memcpy(proto.shape, first->shape, sizeof proto.shape);
    proto.shape[axis] = proto.grid.axes[axis].length;
    proto.inputs = (tsr_array **)(uintptr_t)arrays;
    proto.p.concat.axis = axis;
    tsr_array *result = node_make(first->session, &proto);
    mem_free(edges);
    return result;
}

static tsr_status check_pieces(const char *name, int n, tsr_array *const *arrays, int axis, tsr_dtype *dtype)
{
    char a[256], b[256];
    *dtype = arrays[0]->dtype;
    for (int i = 1; i < n; i++) {
        bool fits = arrays[i]->ndim == arrays[0]->ndim;
        for (int d = 0; fits && d < arrays[0]->ndim; d++) fits = d == axis || arrays[i]->shape[d] == arrays[0]->shape[d];
        if (!fits) {
            return error_set(TSR_ERR_VALUE, "%s: array %d of shape %s does not fit to array 0 of shape %s along axis %d", name, i,
                             shape_format(arrays[i]->ndim, arrays[i]->shape, a, sizeof a),
                             shape_format(arrays[0]->ndim, arrays[0]->shape, b, sizeof b), axis);
        }
        if (arrays[i]->session != arrays[0]->session)
            return error_set(TSR_ERR_VALUE, "%s: arrays %d and 0 belong to different sessions", name, i);
        *dtype = tsr_dtype_promote(*dtype, arrays[i]->dtype);
    }
    return TSR_OK;
}

static bool all_there(const char *name, int n, tsr_array *const *arrays)
{
    if (n < 1) (void)error_set(TSR_ERR_VALUE, "%s: no arrays given", name);
    for (int i = 0; i < n; i++)
        if (!array_ready(arrays[i])) return false;
    return n >= 1;
}

tsr_array *tsr_concatenate(int n, tsr_array *const *arrays, int axis)
{
    tsr_dtype dtype;
    if (!all_there("concatenate", n, arrays) || axis_check("concatenate", arrays[0], axis, &axis) != TSR_OK ||
        check_pieces("concatenate", n, arrays, axis, &dtype) != TSR_OK) {
        return NULL;
    }
    tsr_array **pieces = mem_calloc((size_t)n, sizeof(tsr_array *)), *result = NULL;
    if (!pieces) return NULL;
    int made = 0, kept = 0;
    for (; made < n; made++) {
        pieces[made] = array_cast(arrays[made], dtype);
        if (!pieces[made]) break;
    }
    tsr_array **full = made == n ? mem_calloc((size_t)n, sizeof(tsr_array *)) : NULL;
    for (int i = 0; full && i < n; i++) { /* pieces of no length are left out */
        if (pieces[i]->shape[axis] > 0) full[kept++] = pieces[i];
    }
    if (full) result = kept > 0 ? concat(kept, full, axis) : node_ref(pieces[0]);
    for (int i = 0; i < made; i++) node_unref(pieces[i]);
    mem_free(pieces);
    mem_free(full);
    return result;
}

/* Applies a view to each array, joins them along an axis, and drops the views. */
static tsr_array *join_views(int n, tsr_array *const *arrays, tsr_array *(*view)(tsr_array *, int), int argument, int axis)
{
    tsr_array **pieces = mem_calloc((size_t)n, sizeof(tsr_array *)), *result = NULL;
    if (!pieces) return NULL;
    int made = 0;
    for (; made < n; made++) {
        pieces[made] = view(arrays[made], argument);
        if (!pieces[made]) break;
    }
    if (made == n) result = tsr_concatenate(n, pieces, axis);
    for (int i = 0; i < made; i++) node_unref(pieces[i]);
    mem_free(pieces);
    return result;
}

static tsr_array *expanded(tsr_array *a, int axis) { return tsr_expand_dims(a, 1, &axis); }

tsr_array *tsr_stack(int n, tsr_array *const *arrays, int axis)
{
    tsr_dtype dtype;
    if (!all_there("stack", n, arrays) || check_pieces("stack", n, arrays, -1, &dtype) != TSR_OK) return NULL;
    int ndim = arrays[0]->ndim + 1;
    if (axis < -ndim || axis >= ndim) {
        (void)error_set(TSR_ERR_INDEX, "stack: axis %d is out of range for %d dimensions", axis, ndim);
        return NULL;
    }
    if (axis < 0) axis += ndim;
    return join_views(n, arrays, expanded, axis, axis);
}

/* At least `least` dimensions, as NumPy's atleast_1d, 2d and 3d put them. */
static tsr_array *at_least(tsr_array *a, int least)
{
    if (a->ndim >= least) return node_ref(a);
    if (least == 3 && a->ndim == 2) return expanded(a, 2);
    if (least == 3 && a->ndim == 1) return tsr_expand_dims(a, 2, (int[]){0, 2});
    int axes[3] = {0, 1, 2};
    return tsr_expand_dims(a, least - a->ndim, axes);
}

/* at_least, with vectors as columns. */
static tsr_array *as_columns(tsr_array *a, int least) { return a->ndim == 1 ? expanded(a, 1) : at_least(a, least); }

tsr_array *tsr_atleast_1d(tsr_array *a) { return array_ready(a) ? at_least(a, 1) : NULL; }
tsr_array *tsr_atleast_2d(tsr_array *a) { return array_ready(a) ? at_least(a, 2) : NULL; }
tsr_array *tsr_atleast_3d(tsr_array *a) { return array_ready(a) ? at_least(a, 3) : NULL; }

tsr_array *tsr_vstack(int n, tsr_array *const *arrays)
{
    return all_there("vstack", n, arrays) ? join_views(n, arrays, at_least, 2, 0) : NULL;
}
tsr_array *tsr_dstack(int n, tsr_array *const *arrays)
{
    return all_there("dstack", n, arrays) ? join_views(n, arrays, at_least, 3, 2) : NULL;
}
tsr_array *tsr_hstack(int n, tsr_array *const *arrays)
{
    return all_there("hstack", n, arrays) ? join_views(n, arrays, at_least, 1, arrays[0]->ndim > 1 ? 1 : 0) : NULL;
}
tsr_array *tsr_column_stack(int n, tsr_array *const *arrays)
{
    return all_there("column_stack", n, arrays) ? join_views(n, arrays, as_columns, 2, 1) : NULL;
}

tsr_array *array_part(tsr_array *a, int axis, int64_t start, int64_t stop)
{
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    if (!array_ready(a)) return NULL;
    items[axis] = (tsr_index){.kind = TSR_INDEX_SLICE, .has_start = true, .has_stop = true, .start = start, .stop = stop};
    return tsr_slice(a, axis + 1, items);
}

tsr_array *array_join(int n, tsr_array **pieces, int axis)
{
    bool all = true;
    for (int i = 0; i < n; i++) all = all && pieces[i];
    tsr_array *result = all ? tsr_concatenate(n, pieces, axis) : NULL;
    for (int i = 0; i < n; i++) node_unref(pieces[i]);
    return result;
}

/* ---- Picking ---------------------------------------------------------------------------------------------------------- */

tsr_array *tsr_take(tsr_array *a, int64_t n_indices, const int64_t *indices, int axis)
{
    if (!array_ready(a) || axis_check("take", a, axis, &axis) != TSR_OK) return NULL;
    tsr_array proto = {.op = NODE_TAKE, .dtype = a->dtype, .ndim = a->ndim, .grid = a->grid, .n_inputs = 1, .inputs = &a};
    memcpy(proto.shape, a->shape, sizeof proto.shape);
    proto.shape[axis] = n_indices;
    proto.grid.axes[axis] = axis_grid_regular(n_indices, a->grid.axes[axis].chunk);
    int64_t *checked = mem_alloc(sizeof *checked * (size_t)n_indices);
    if (!checked) return NULL;
    for (int64_t i = 0; i < n_indices; i++) {
        checked[i] = indices[i] < 0 ? indices[i] + a->shape[axis] : indices[i];
        if (checked[i] < 0 || checked[i] >= a->shape[axis]) {
            (void)error_set(TSR_ERR_INDEX, "take: index %" PRId64 " is out of bounds for axis %d with size %" PRId64, indices[i],
                            axis, a->shape[axis]);
            mem_free(checked);
            return NULL;
        }
    }
    proto.p.take.axis = axis;
    proto.p.take.n = n_indices;
    proto.p.take.indices = checked;
    return node_make(a->session, &proto);
}

tsr_array *tsr_take_chunks(tsr_array *a, int64_t n_chunks, const int64_t *chunks, int axis)
{
    if (!array_ready(a) || axis_check("take_chunks", a, axis, &axis) != TSR_OK) return NULL;
    const axis_grid *g = &a->grid.axes[axis];
    for (int64_t i = 0; i < n_chunks; i++) {
        if (chunks[i] >= -g->n_blocks && chunks[i] < g->n_blocks) continue;
        (void)error_set(TSR_ERR_INDEX, "take_chunks: chunk %" PRId64 " is out of bounds for axis %d with %" PRId64 " chunks",
                        chunks[i], axis, g->n_blocks);
        return NULL;
    }
    if (n_chunks < 1) return array_part(a, axis, 0, 0);
    tsr_array **pieces = mem_calloc((size_t)n_chunks, sizeof *pieces), *result = NULL;
    int n = 0;
    bool all = pieces != NULL;
    for (int64_t i = 0; all && i < n_chunks;) { /* neighbours are one slice */
        int64_t first = chunks[i] < 0 ? chunks[i] + g->n_blocks : chunks[i], last = first, next = i + 1;
        for (; next < n_chunks && (chunks[next] == last + 1 || chunks[next] + g->n_blocks == last + 1); next++) last++;
        pieces[n] = array_part(a, axis, axis_grid_start(g, first), axis_grid_start(g, last) + axis_grid_count(g, last));
        all = pieces[n++] != NULL;
        i = next;
    }
    if (all) result = tsr_concatenate(n, pieces, axis);
    for (int i = 0; i < n; i++) node_unref(pieces[i]);
    mem_free(pieces);
    return result;
}

tsr_array *tsr_repeat(tsr_array *a, int64_t n, const int64_t *repeats, int axis)
{
    int64_t total = 0, k = 0;
    if (!array_ready(a) || axis_check("repeat", a, axis, &axis) != TSR_OK) return NULL;
    if (n != 1 && n != a->shape[axis]) {
        (void)error_set(TSR_ERR_VALUE, "repeat: %" PRId64 " counts for axis %d with size %" PRId64, n, axis, a->shape[axis]);
        return NULL;
    }
    for (int64_t i = 0; i < a->shape[axis]; i++) {
        int64_t times = repeats[n == 1 ? 0 : i];
        if (times < 0 || __builtin_add_overflow(total, times, &total)) {
            (void)error_set(TSR_ERR_VALUE, "repeat: the count %" PRId64 " is not possible", times);
            return NULL;
        }
    }
    int64_t *indices = mem_calloc((size_t)total, sizeof *indices);
    if (!indices) return NULL;
    for (int64_t i = 0; i < a->shape[axis]; i++) {
        for (int64_t j = 0; j < repeats[n == 1 ? 0 : i]; j++) indices[k++] = i;
    }
    tsr_array *result = tsr_take(a, total, indices, axis);
    mem_free(indices);
    return result;
}

tsr_array *tsr_tile(tsr_array *a, int n, const int64_t *repeats)
{
    if (!array_ready(a)) return NULL;
    int ndim = n > a->ndim ? n : a->ndim;
    int64_t shape[TSR_MAX_NDIM];
    if (ndim > TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "tile: %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM);
        return NULL;
    }
    for (int d = 0; d < ndim; d++) shape[d] = d < ndim - a->ndim ? 1 : a->shape[d - (ndim - a->ndim)];
    tsr_array *result = tsr_reshape(a, ndim, shape);
    for (int d = 0; result && d < n; d++) {
        int axis = ndim - n + d;
        int64_t times = repeats[d], length = result->shape[axis];
        if (times < 0) {
            (void)error_set(TSR_ERR_VALUE, "tile: the count %" PRId64 " is negative", times);
            return array_using(NULL, result);
        }
        if (times == 1) continue;
        int64_t *indices = mem_alloc(sizeof *indices * (size_t)(times * length));
        for (int64_t i = 0; indices && i < times * length; i++) indices[i] = i % length;
        result = array_using(indices ? tsr_take(result, times * length, indices, axis) : NULL, result);
        mem_free(indices);
    }
    return result;
}

/* ---- Moving ----------------------------------------------------------------------------------------------------------- */

static tsr_array *roll_axis(tsr_array *a, int64_t shift, int axis)
{
    int64_t length = a->shape[axis];
    shift = length ? (shift % length + length) % length : 0;
    if (shift == 0) return node_ref(a);
    tsr_array *pieces[2] = {array_part(a, axis, length - shift, length), array_part(a, axis, 0, length - shift)};
    return array_using(array_using(tsr_concatenate(2, pieces, axis), pieces[0]), pieces[1]);
}

tsr_array *tsr_roll(tsr_array *a, int n_axes, const int64_t *shifts, const int *axes)
{
    if (!array_ready(a)) return NULL;
    if (!axes) {
        tsr_array *flat = tsr_ravel(a), *rolled = flat ? roll_axis(flat, shifts[0], 0) : NULL;
        return array_using(array_using(rolled ? tsr_reshape(rolled, a->ndim, a->shape) : NULL, rolled), flat);
    }
    tsr_array *result = node_ref(a);
    for (int i = 0; result && i < n_axes; i++) {
        int axis;
        result = array_using(axis_check("roll", a, axes[i], &axis) == TSR_OK ? roll_axis(result, shifts[i], axis) : NULL, result);
    }
    return result;
}

tsr_array *array_rechunk(tsr_array *a, const grid *chunks)
{
    tsr_array *input = a->op == NODE_RECHUNK ? a->inputs[0] : a;
    tsr_array proto = {.op = NODE_RECHUNK, .dtype = a->dtype, .ndim = a->ndim, .n_inputs = 1, .inputs = &input, .grid = *chunks};
    memcpy(proto.shape, a->shape, sizeof proto.shape);
    if (grid_equal(chunks, &a->grid)) return node_ref(a);
    return node_make(a->session, &proto);
}

tsr_array *tsr_rechunk(tsr_array *a, const int64_t *chunks)
{
    grid wanted = {0};
    if (!array_ready(a) || chunks_choose(a->session, a->dtype, a->ndim, a->shape, chunks, NULL, &wanted) != TSR_OK) return NULL;
    return array_rechunk(a, &wanted);
}

/* The borders between chunks of these lengths, which must fill the axis; edges has room for n_chunks + 1. */
static tsr_status edges_of_sizes(int axis, int64_t length, int64_t n_chunks, const int64_t *sizes, int64_t *edges, axis_grid *out)
{
    int64_t n = 0;
    edges[0] = 0;
    for (int64_t i = 0; i < n_chunks; i++) {
        if (sizes[i] < 0 || sizes[i] > length - edges[n])
            return error_set(TSR_ERR_VALUE, "rechunk: chunks do not fit axis %d of length %" PRId64, axis, length);
        if (sizes[i] == 0) continue;
        edges[n + 1] = edges[n] + sizes[i];
        n++;
    }
    if (edges[n] != length) {
        return error_set(TSR_ERR_VALUE, "rechunk: the chunks of axis %d are %" PRId64 " long together, the axis %" PRId64, axis,
                         edges[n], length);
    }
    *out = length ? axis_grid_edges(n, edges) : axis_grid_regular(0, 0);
    return TSR_OK;
}

tsr_array *tsr_rechunk_sizes(tsr_array *a, const int64_t *n_chunks, const int64_t *sizes)
{
    grid wanted = {0};
    int64_t n_edges = 0;
    tsr_array *result = NULL;
    if (!array_ready(a)) return NULL;
    for (int d = 0; d < a->ndim; d++) {
        if (n_chunks[d] < 0) {
            (void)error_set(TSR_ERR_VALUE, "rechunk: %" PRId64 " chunks along axis %d", n_chunks[d], d);
            return NULL;
        }
        n_edges += n_chunks[d] + 1;
    }
    int64_t *edges = mem_alloc(sizeof *edges * (size_t)(n_edges + 1)), *free_edges = edges;
    if (!edges) return NULL;
    wanted.ndim = a->ndim;
    for (int d = 0; d < a->ndim; d++) {
        if (edges_of_sizes(d, a->shape[d], n_chunks[d], sizes, free_edges, &wanted.axes[d]) != TSR_OK) goto done;
        free_edges += n_chunks[d] + 1;
        sizes += n_chunks[d];
    }
    result = array_rechunk(a, &wanted);
done:
    mem_free(edges);
    return result;
}

tsr_array *tsr_diff(tsr_array *a, int n, int axis)
{
    if (!array_ready(a) || axis_check("diff", a, axis, &axis) != TSR_OK) return NULL;
    if (n < 0) {
        (void)error_set(TSR_ERR_VALUE, "diff: the order %d is negative", n);
        return NULL;
    }
    tsr_array *result = node_ref(a);
    for (int i = 0; result && i < n; i++) {
        int64_t length = result->shape[axis];
        tsr_array *later = array_part(result, axis, 1, length),
                  *earlier = array_part(result, axis, 0, length > 0 ? length - 1 : 0);
        tsr_array *next = a->dtype == TSR_BOOL ? tsr_not_equal(later, earlier) : tsr_subtract(later, earlier);
        node_unref(later);
        node_unref(earlier);
        result = array_using(next, result);
    }
    return result;
}

/* keep where row + k >= column (lower) or row + k <= column (upper). */
static tsr_array *triangle(const char *name, tsr_array *a, int64_t k, op_code keep)
{
    if (!array_ready(a)) return NULL;
    if (a->ndim < 2) {
        (void)error_set(TSR_ERR_VALUE, "%s: needs 2 dimensions or more, the array has %d", name, a->ndim);
        return NULL;
    }
    tsr_array proto = {.op = NODE_INDEX, .dtype = TSR_I64, .ndim = 2};
    proto.grid.ndim = 2;
    for (int d = 0; d < 2; d++) {
        proto.shape[d] = a->shape[a->ndim - 2 + d];
        proto.grid.axes[d] = a->grid.axes[a->ndim - 2 + d];
    }
    tsr_array *rows = node_make(a->session, &proto);
    proto.p.index.axis = 1;
    tsr_array *columns = node_make(a->session, &proto), *shift = tsr_scalar_array(a->session, scalar_int(k));
    tsr_array *shifted = tsr_add(rows, shift), *inside = array_map(keep, 2, (tsr_array *[2]){shifted, columns});
    tsr_array *zero = tsr_full(a->session, scalar_int(0), a->dtype, 0, NULL, NULL), *result = tsr_where(inside, a, zero);
    tsr_array *used[] = {rows, columns, shift, shifted, inside, zero};
    for (int i = 0; i < 6; i++) node_unref(used[i]);
    return result;
}

tsr_array *tsr_tril(tsr_array *a, int64_t k) { return triangle("tril", a, k, OP_GREATER_EQUAL); }
tsr_array *tsr_triu(tsr_array *a, int64_t k) { return triangle("triu", a, k, OP_LESS_EQUAL); }
