/* The primitives that everything else is composed from: views, casts, elementwise operations, reductions; and checks of
 * arguments. */
#include "array/build.h"
#include "array/mask.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

tsr_array *array_using(tsr_array *result, tsr_array *used)
{
    node_unref(used);
    return result;
}

/* ---- Arguments ---------------------------------------------------------------------------------------------------- */

tsr_status axis_check(const char *name, const tsr_array *a, int axis, int *out)
{
    char text[256];
    TRY(array_resolve(a));
    if (axis < -a->ndim || axis >= a->ndim) {
        return error_set(TSR_ERR_INDEX, "%s: axis %d is out of range for an array of shape %s", name, axis,
                         shape_format(a->ndim, a->shape, text, sizeof text));
    }
    *out = axis < 0 ? axis + a->ndim : axis;
    return TSR_OK;
}

tsr_status axes_check(const char *name, const tsr_array *a, int n_axes, const int *axes, uint32_t *out)
{
    TRY(array_resolve(a));
    *out = axes ? 0 : (uint32_t)((1ull << a->ndim) - 1);
    for (int i = 0; axes && i < n_axes; i++) {
        int axis;
        TRY(axis_check(name, a, axes[i], &axis));
        if (*out >> axis & 1) return error_set(TSR_ERR_VALUE, "%s: axis %d is given twice", name, axes[i]);
        *out |= 1u << axis;
    }
    return TSR_OK;
}

tsr_status shape_check(const char *name, int ndim, const int64_t *shape)
{
    if (ndim < 0 || ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "%s: %d dimensions, at most %d are possible", name, ndim, TSR_MAX_NDIM);
    for (int d = 0; d < ndim; d++) {
        if (shape[d] < 0) return error_set(TSR_ERR_VALUE, "%s: the length %" PRId64 " of axis %d is negative", name, shape[d], d);
    }
    if (shape_size(ndim, shape) > INT64_MAX / 16)
        return error_set(TSR_ERR_VALUE, "%s: the array would have more than 2^59 elements", name);
    return TSR_OK;
}

tsr_status broadcast_shapes(const char *name, int n, tsr_array *const *arrays, int *ndim, int64_t *shape)
{
    *ndim = 0;
    for (int i = 0; i < n; i++) {
        TRY(array_resolve(arrays[i]));
        if (arrays[i]->ndim > *ndim) *ndim = arrays[i]->ndim;
    }
    for (int d = 0; d < *ndim; d++) shape[d] = 1;
    for (int i = 0; i < n; i++) {
        for (int d = 0; d < arrays[i]->ndim; d++) {
            int64_t length = arrays[i]->shape[d], *to = &shape[*ndim - arrays[i]->ndim + d];
            if (length == 1 || length == *to) continue;
            if (*to != 1) {
                char a[256], b[256];
                return error_set(TSR_ERR_VALUE, "%s: shapes %s and %s do not fit together", name,
                                 shape_format(arrays[0]->ndim, arrays[0]->shape, a, sizeof a),
                                 shape_format(arrays[i]->ndim, arrays[i]->shape, b, sizeof b));
            }
            *to = length;
        }
    }
    return TSR_OK;
}

/* ---- Chunks ------------------------------------------------------------------------------------------------------- */

tsr_status chunks_choose(const tsr_session *s, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks,
                         const int64_t *align, grid *out)
{
    int64_t most = (int64_t)(s->auto_chunk_bytes / tsr_dtype_size(dtype)), size = 1, chunk[TSR_MAX_NDIM];
    for (int d = ndim - 1; d >= 0; d--) {
        int64_t given = chunks ? chunks[d] : 0, unit = align && align[d] > 0 && align[d] < shape[d] ? align[d] : 1;
        if (given < -1) return error_set(TSR_ERR_VALUE, "chunks: the length %" PRId64 " of axis %d is negative", given, d);
        if (given == -1) {
            chunk[d] = shape[d];
        } else if (given > 0) {
            chunk[d] = given;
        } else { /* as many units as the bytes allow; at least one */
            int64_t fit = most / size > 0 ? most / size : 1;
            chunk[d] = fit >= shape[d] ? shape[d] : fit / unit > 0 ? fit / unit * unit : unit;
        }
        if (chunk[d] > 0) size *= chunk[d] < shape[d] ? chunk[d] : shape[d] > 0 ? shape[d] : 1;
    }
    out->ndim = ndim;
    for (int d = 0; d < ndim; d++) out->axes[d] = axis_grid_regular(shape[d], chunk[d]);
    return TSR_OK;
}

tsr_status chunks_slice(const axis_grid *in, int64_t start, int64_t step, int64_t length, axis_grid *out, int64_t **owned)
{
    int64_t size = step < 0 ? -step : step, last = start + step * (length - 1);
    *owned = NULL;
    if (length <= 1 || step == 0) {
        *out = axis_grid_regular(length, length);
        return TSR_OK;
    }
    if (!in->edges && in->chunk <= size) {
        *out = axis_grid_regular(length, 1);
        return TSR_OK;
    }
    if (!in->edges && in->chunk % size == 0) { /* borders stay evenly spaced; the first block ends at the first border */
        int64_t chunk = in->chunk / size, into = (start + in->phase) % in->chunk; /* of start, within its block */
        int64_t first = step > 0 ? (in->chunk - into + size - 1) / size : into / size + 1;
        *out = axis_grid_phased(length, chunk, chunk - first);
        return TSR_OK;
    }
    int64_t low = step > 0 ? start : last, high = step > 0 ? last : start;
    int64_t first_block = axis_grid_find(in, low), last_block = axis_grid_find(in, high), n = 0;
    int64_t *edges = mem_alloc(sizeof *edges * (size_t)(last_block - first_block + 2));
    if (!edges) return TSR_ERR_MEMORY;
    edges[n++] = 0;
    for (int64_t k = 0; k < last_block - first_block; k++) {
        int64_t border = step > 0 ? axis_grid_start(in, first_block + k + 1) : axis_grid_start(in, last_block - k);
        int64_t at = step > 0 ? (border - start + size - 1) / size : (start - border) / size + 1;
        if (at > edges[n - 1] && at < length) edges[n++] = at;
    }
    edges[n] = length;
    *out = axis_grid_edges(n, edges);
    *owned = edges;
    return TSR_OK;
}

/* ---- Views -------------------------------------------------------------------------------------------------------- */

static bool is_identity(const tsr_array *a, int ndim, const int64_t *shape, const view_axis *axes)
{
    if (ndim != a->ndim) return false;
    for (int d = 0; d < ndim; d++) {
        if (shape[d] != a->shape[d] || axes[d].axis != d || axes[d].start != 0 || axes[d].step != 1) return false;
    }
    return true;
}

tsr_array *array_view(tsr_array *a, int ndim, const int64_t *shape, const view_axis *axes)
{
    if (!array_ready(a)) return NULL;
    if (is_identity(a, ndim, shape, axes)) return node_ref(a);
    tsr_array proto = {.op = NODE_VIEW, .dtype = a->dtype, .ndim = ndim, .n_inputs = 1};
    int64_t *owned[TSR_MAX_NDIM] = {NULL};
    tsr_status status = TSR_OK;
    proto.grid.ndim = ndim;
    for (int d = 0; d < ndim; d++) {
        proto.shape[d] = shape[d];
        proto.grid.axes[d] = axis_grid_regular(shape[d], shape[d]);
    }
    for (int d = 0; d < a->ndim && status == TSR_OK; d++) {
        view_axis v = axes[d];
        if (v.axis < 0 || owned[v.axis] || shape[v.axis] == 0) continue;
        status = chunks_slice(&a->grid.axes[d], v.start, v.step, shape[v.axis], &proto.grid.axes[v.axis], &owned[v.axis]);
    }
    tsr_array *input = a;
    if (a->op == NODE_VIEW) { /* straight to what the inner view reads */
        input = a->inputs[0];
        view_compose(axes, a->p.view.axes, input->ndim, proto.p.view.axes);
    } else {
        memcpy(proto.p.view.axes, axes, sizeof *axes * (size_t)a->ndim);
    }
    proto.inputs = &input;
    tsr_array *result = NULL;
    if (status == TSR_OK) {
        result = is_identity(input, ndim, shape, proto.p.view.axes) ? node_ref(input) : node_make(a->session, &proto);
    }
    for (int d = 0; d < ndim; d++) mem_free(owned[d]);
    return result;
}

/* ---- Casts and elementwise operations ----------------------------------------------------------------------------- */

tsr_array *array_cast(tsr_array *a, tsr_dtype dtype)
{
    if (!a) return NULL;
    if (a->dtype == dtype) return node_ref(a);
    if (!tsr_is_counted(a)) { /* what a mask selects from can be cast before it is counted */
        tsr_array *typed = array_cast(a->inputs[0], dtype);
        return array_using(typed ? array_mask(typed, a->inputs[1], mask_axis(a)) : NULL, typed);
    }
    tsr_array proto = {.op = NODE_CAST, .dtype = dtype, .ndim = a->ndim, .grid = a->grid, .n_inputs = 1, .inputs = &a};
    memcpy(proto.shape, a->shape, sizeof proto.shape);
    if (a->op == NODE_FULL) {
        proto.op = NODE_FULL;
        proto.n_inputs = 0;
        a->session->kernels->cast[a->dtype][dtype](&proto.p.full.value, &a->p.full.value, 1);
    }
    return node_make(a->session, &proto);
}

static tsr_array *broadcast(tsr_array *a, int ndim, const int64_t *shape)
{
    view_axis axes[TSR_MAX_NDIM];
    if (!array_ready(a)) return NULL;
    for (int d = 0; d < a->ndim; d++) {
        int to = ndim - a->ndim + d;
        axes[d] = a->shape[d] == 1 && shape[to] != 1 ? (view_axis){-1, 0, 0} : (view_axis){to, 0, 1};
    }
    return array_view(a, ndim, shape, axes);
}

/* Is this the number 2, for all elements of the other operand? */
static bool is_two(const tsr_array *a)
{
    if (a->op != NODE_FULL || a->ndim != 0 || dtype_is_complex(a->dtype)) return false;
    tsr_scalar value = scalar_from_element(&a->p.full.value, a->dtype);
    return dtype_is_float(a->dtype) ? value.f == 2 : value.i == 2;
}

tsr_array *array_map(op_code op, int n, tsr_array *const *arrays)
{
    tsr_dtype dtypes[3], loops[3], result_dtype;
    tsr_array *inputs[3] = {NULL, NULL, NULL}, *result = NULL;
    const char *name = op_info_of(op)->name;
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    for (int i = 0; i < n; i++) {
        if (!array_ready(arrays[i])) return NULL;
        dtypes[i] = arrays[i]->dtype;
        if (arrays[i]->session != arrays[0]->session) {
            (void)error_set(TSR_ERR_VALUE, "%s: the arrays belong to different sessions", name);
            return NULL;
        }
    }
    if (op_resolve(op, dtypes, loops, &result_dtype) != TSR_OK || broadcast_shapes(name, n, arrays, &ndim, shape) != TSR_OK)
        return NULL;
    if (op == OP_POWER && is_two(arrays[1]) &&
        !dtype_is_complex(result_dtype)) { /* the same bits, and a product is joined with others */
        tsr_array *typed = array_cast(arrays[0], loops[0]);
        return array_using(typed ? array_map(OP_SQUARE, 1, &typed) : NULL, typed);
    }
    tsr_array proto = {.op = NODE_MAP, .dtype = result_dtype, .ndim = ndim, .n_inputs = n, .inputs = inputs, .p.map.op = op};
    memcpy(proto.shape, shape, sizeof *shape * (size_t)ndim);
    proto.grid.ndim = ndim;
    for (int i = 0; i < n; i++) {
        tsr_array *typed = array_cast(arrays[i], loops[i]);
        inputs[i] = broadcast(typed, ndim, shape);
        node_unref(typed);
        if (!inputs[i]) goto done;
        for (int d = 0; d < ndim; d++) { /* the finest borders */
            const axis_grid *g = &inputs[i]->grid.axes[d];
            if (i == 0 || g->n_blocks > proto.grid.axes[d].n_blocks) proto.grid.axes[d] = *g;
        }
    }
    result = node_make(arrays[0]->session, &proto);
done:
    for (int i = 0; i < n; i++) node_unref(inputs[i]);
    return result;
}

tsr_array *array_full_like(tsr_array *like, tsr_scalar value, tsr_dtype dtype)
{
    if (!like) return NULL;
    tsr_array proto = {.op = NODE_FULL, .dtype = dtype, .ndim = 0, .p.full.value = element_from_scalar(value, dtype)};
    return node_make(like->session, &proto);
}

tsr_array *array_places(const tsr_array *a, int axis)
{
    int64_t shape[TSR_MAX_NDIM];
    for (int d = 0; d < a->ndim; d++) shape[d] = d == axis ? a->shape[d] : 1;
    tsr_array *line = tsr_arange_int(a->session, 0, a->shape[axis], 1, TSR_I64, NULL);
    return array_using(line ? tsr_reshape(line, a->ndim, shape) : NULL, line);
}

/* ---- Reductions ---------------------------------------------------------------------------------------------------- */

static bool needs_elements(monoid op)
{
    switch (op) {
    case MONOID_MIN:
    case MONOID_MAX:
    case MONOID_FMIN:
    case MONOID_FMAX:
    case MONOID_ARGMIN:
    case MONOID_ARGMAX:
    case MONOID_NANARGMIN:
    case MONOID_NANARGMAX: return true;
    default: return false;
    }
}

static tsr_array *put_back_axes(tsr_array *reduced, const tsr_array *a, uint32_t mask)
{
    int64_t shape[TSR_MAX_NDIM];
    view_axis axes[TSR_MAX_NDIM];
    if (!reduced) return NULL;
    for (int d = 0, k = 0; d < a->ndim; d++) {
        shape[d] = mask >> d & 1 ? 1 : a->shape[d];
        if (!(mask >> d & 1)) axes[k++] = (view_axis){d, 0, 1};
    }
    return array_using(array_view(reduced, a->ndim, shape, axes), reduced);
}

tsr_array *array_reduce(const char *name, tsr_array *a, monoid op, int n_axes, const int *axes, bool keepdims, double ddof)
{
    uint32_t mask;
    tsr_array *selected = NULL;
    if (!a) return NULL;
    if (array_is_masked(a) && (mask_reduce(name, a, op, n_axes, axes, keepdims, ddof, &selected) != TSR_OK || selected))
        return selected;
    if (array_resolve(a) != TSR_OK) return NULL;
    tsr_array proto = {.op = NODE_REDUCE, .n_inputs = 1, .inputs = &a};
    if (axes_check(name, a, n_axes, axes, &mask) != TSR_OK || monoid_result(op, a->dtype, &proto.dtype) != TSR_OK) return NULL;
    proto.p.reduce.op = op;
    proto.p.reduce.axes = mask;
    proto.p.reduce.params.ddof = ddof;
    int64_t n = 1;
    for (int d = 0; d < a->ndim; d++) {
        if (mask >> d & 1) {
            n *= a->shape[d];
        } else {
            proto.shape[proto.ndim] = a->shape[d];
            proto.grid.axes[proto.ndim++] = a->grid.axes[d];
        }
    }
    proto.grid.ndim = proto.ndim;
    if (n == 0 && needs_elements(op)) { /* also where there is nothing to give, as NumPy */
        (void)error_set(TSR_ERR_VALUE, "%s: zero-size array to reduction operation %s which has no identity", name, name);
        return NULL;
    }
    tsr_array *reduced = node_make(a->session, &proto);
    return keepdims ? put_back_axes(reduced, a, mask) : reduced;
}
