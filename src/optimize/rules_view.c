/* Views pushed down: through elementwise operations, where something below can drop work, and into what gathers (concatenate,
 * take, reshape), which then gathers less.
 *
 * The planner carries views through elementwise operations by itself, so nothing is pushed that ends at a source. */
#include "optimize/rewrite.h"

#include <string.h>

static bool is_empty(const tsr_array *a) { return shape_size(a->ndim, a->shape) == 0; }

tsr_status view_of_map(rewriter *r, tsr_array *node, tsr_array **out)
{
    const tsr_array *x = node->inputs[0];
    tsr_array *inputs[3] = {NULL};
    tsr_status status = TSR_OK;
    if ((x->op != NODE_MAP && x->op != NODE_CAST) || !is_worth_pushing(r, node->inputs[0])) return TSR_OK;
    for (int i = 0; i < x->n_inputs; i++)
        GUARD(made(array_view(x->inputs[i], node->ndim, node->shape, node->p.view.axes), &inputs[i]));
    status = made(remake(x, node, inputs), out);
done:
    for (int i = 0; i < 3; i++) node_unref(inputs[i]);
    return status;
}

tsr_status view_of_rechunk(rewriter *r, tsr_array *node, tsr_array **out)
{
    const tsr_array *x = node->inputs[0];
    tsr_array *view;
    if (x->op != NODE_RECHUNK || !is_worth_pushing(r, node->inputs[0])) return TSR_OK;
    TRY(made(array_view(x->inputs[0], node->ndim, node->shape, node->p.view.axes), &view));
    tsr_status status = made(grid_equal(&view->grid, &node->grid) ? node_ref(view) : remake(x, node, &view), out);
    node_unref(view);
    return status;
}

/* ---- Concatenate --------------------------------------------------------------------------------------------------- */

/* The part of a range that lies in low .. high, relative to low. */
static range range_within(range g, int64_t low, int64_t high)
{
    int64_t first = g.start >= low ? 0 : (low - g.start + g.step - 1) / g.step;
    int64_t end = g.start >= high ? 0 : (high - 1 - g.start) / g.step + 1;
    if (end > g.count) end = g.count;
    return (range){g.start + first * g.step - low, g.step, end > first ? end - first : 0};
}

tsr_status slice_of_concat(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    if (x->op != NODE_CONCAT || is_empty(node)) return TSR_OK;
    slice s = slice_of_view(node);
    int axis = x->p.concat.axis, n = 0;
    bool gains = false, may = true;
    if (!s.shrinks || r->budget < x->n_inputs) return TSR_OK;
    tsr_array **pieces = mem_calloc((size_t)x->n_inputs, sizeof(tsr_array *)), *joined = NULL;
    tsr_status status = pieces ? TSR_OK : TSR_ERR_MEMORY;
    int64_t low = 0;
    for (int i = 0; i < x->n_inputs && status == TSR_OK; i++) {
        int64_t length = x->inputs[i]->shape[axis];
        slice part = s;
        part.axes[axis] = range_within(s.axes[axis], low, low + length);
        low += length;
        if (part.axes[axis].count == 0) {
            gains = true;
            may = may && may_drop(r, x->inputs[i]);
            continue;
        }
        gains |= is_worth_pushing(r, x->inputs[i]);
        status = made(make_slice(x->inputs[i], part.axes), &pieces[n++]);
    }
    if (status == TSR_OK && gains && may) {
        r->budget -= x->n_inputs;
        status = made(make_concat(n, pieces, axis), &joined);
        if (status == TSR_OK) status = made(view_of_slice(node, &s, joined), out);
    }
    for (int i = 0; pieces && i < n; i++) node_unref(pieces[i]);
    mem_free(pieces);
    return status;
}

/* ---- Take ------------------------------------------------------------------------------------------------------------ */

tsr_status slice_of_take(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0], *input, *taken;
    if (x->op != NODE_TAKE || is_empty(node)) return TSR_OK;
    slice s = slice_of_view(node);
    int axis = x->p.take.axis;
    range g = s.axes[axis];
    bool fewer = g.count < x->shape[axis];
    if (!s.shrinks || !(fewer || is_worth_pushing(r, x->inputs[0])) || r->budget < g.count) return TSR_OK;
    r->budget -= g.count / 64;
    int64_t *indices = mem_alloc(sizeof *indices * (size_t)g.count);
    if (!indices) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < g.count; i++) indices[i] = x->p.take.indices[g.start + i * g.step];
    s.axes[axis] = (range){0, 1, x->inputs[0]->shape[axis]};
    tsr_status status = made(make_slice(x->inputs[0], s.axes), &input);
    if (status != TSR_OK) {
        mem_free(indices);
        return status;
    }
    status = made(make_take(input, axis, g.count, indices), &taken); /* takes the indices */
    node_unref(input);
    return status == TSR_OK ? made(view_of_slice(node, &s, taken), out) : status;
}

static bool is_broadcast_along(const tsr_array *a, int axis)
{
    if (a->op != NODE_VIEW) return false;
    for (int d = 0; d < a->inputs[0]->ndim; d++)
        if (a->p.view.axes[d].axis == axis) return false;
    return true;
}

static tsr_status take_operand(const tsr_array *node, tsr_array *x, tsr_array **out)
{
    int axis = node->p.take.axis;
    int64_t shape[TSR_MAX_NDIM], *indices;
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = node->shape[axis];
    if (x->op == NODE_FULL) {
        tsr_array like = {.dtype = x->dtype, .ndim = x->ndim, .grid = node->grid, .session = x->session};
        memcpy(like.shape, shape, sizeof like.shape);
        return made(make_full(&like, x->p.full.value), out);
    }
    if (is_broadcast_along(x, axis)) return made(array_view(x->inputs[0], x->ndim, shape, x->p.view.axes), out);
    indices = mem_alloc(sizeof *indices * (size_t)node->p.take.n);
    if (!indices) return TSR_ERR_MEMORY;
    memcpy(indices, node->p.take.indices, sizeof *indices * (size_t)node->p.take.n);
    return made(make_take(x, axis, node->p.take.n, indices), out);
}

/* Only what is taken is computed, and the sources are read in place. */
tsr_status take_of_map(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0], *inputs[3] = {NULL};
    int64_t n = node->p.take.n, work = n / 64;
    tsr_status status = TSR_OK;
    if ((x->op != NODE_MAP && x->op != NODE_CAST) || n == 0 || n > x->shape[node->p.take.axis] || r->budget < work) return TSR_OK;
    r->budget -= work;
    for (int i = 0; i < x->n_inputs; i++) GUARD(take_operand(node, x->inputs[i], &inputs[i]));
    status = made(remake(x, node, inputs), out);
done:
    for (int i = 0; i < 3; i++) node_unref(inputs[i]);
    return status;
}

tsr_status take_of_take(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    int axis = node->p.take.axis;
    int64_t n = node->p.take.n;
    if (x->op != NODE_TAKE || x->p.take.axis != axis) return TSR_OK;
    int64_t *indices = mem_alloc(sizeof *indices * (size_t)n);
    if (!indices) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < n; i++) indices[i] = x->p.take.indices[node->p.take.indices[i]];
    return made(make_take(x->inputs[0], axis, n, indices), out);
}

/* Evenly spaced indices are a slice; one index many times over is a broadcast. */
tsr_status take_of_a_range(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    int axis = node->p.take.axis;
    int64_t n = node->p.take.n;
    const int64_t *indices = node->p.take.indices;
    view_axis view[TSR_MAX_NDIM];
    if (n == 0) return TSR_OK;
    int64_t step = n > 1 ? indices[1] - indices[0] : 1;
    for (int64_t i = 2; i < n; i++)
        if (indices[i] - indices[i - 1] != step) return TSR_OK;
    for (int d = 0; d < x->ndim; d++) view[d] = (view_axis){d, 0, 1};
    view[axis] = step == 0 ? (view_axis){-1, indices[0], 0} : (view_axis){axis, indices[0], step};
    return made(array_view(x, node->ndim, node->shape, view), out);
}

/* ---- Reshape --------------------------------------------------------------------------------------------------------- */

/* Axes of the input and of the result that hold the same elements: input axes i0 .. i1 and result axes o0 .. o1 (ends excluded)
 * have the same product. */
typedef struct group {
    int i0, i1, o0, o1;
} group;

static bool next_group(const tsr_array *in, const tsr_array *out, group *g)
{
    *g = (group){g->i1, g->i1, g->o1, g->o1};
    int64_t a = 1, b = 1;
    if (g->i0 == in->ndim && g->o0 == out->ndim) return false;
    if (g->i1 < in->ndim) a = in->shape[g->i1++];
    if (g->o1 < out->ndim) b = out->shape[g->o1++];
    while (a != b) {
        if (a < b) {
            a *= in->shape[g->i1++];
        } else {
            b *= out->shape[g->o1++];
        }
    }
    while (g->i0 + 1 < g->i1 && in->shape[g->i0] == 1) g->i0++; /* the first axis that counts */
    while (g->o0 + 1 < g->o1 && out->shape[g->o0] == 1) g->o0++;
    return true;
}

/* The range of the input's axes that a range of a group's first result axis needs; false if that is no slice. */
static bool slice_group(const tsr_array *in, const tsr_array *out, const group *g, const range *want, range *axes)
{
    range first = want[g->o0];
    int64_t inner_in = 1, inner_out = 1;
    if (g->i1 - g->i0 == 1 && g->o1 - g->o0 == 1) { /* the same axis */
        axes[g->i0] = first;
        return true;
    }
    if (g->i0 == in->ndim || first.step != 1) return false;
    for (int d = g->o0 + 1; d < g->o1; d++) inner_out *= out->shape[d];
    for (int d = g->i0 + 1; d < g->i1; d++) inner_in *= in->shape[d];
    int64_t low = first.start * inner_out, n = first.count * inner_out;
    if (inner_in == 0 || low % inner_in != 0 || n % inner_in != 0) return false;
    axes[g->i0] = (range){low / inner_in, 1, n / inner_in};
    return true;
}

tsr_status slice_of_reshape(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0], *sliced, *shaped;
    if (x->op != NODE_RESHAPE || is_empty(node)) return TSR_OK;
    tsr_array *in = x->inputs[0];
    slice s = slice_of_view(node);
    range axes[TSR_MAX_NDIM], left[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM];
    bool shrinks = false;
    for (int d = 0; d < in->ndim; d++) axes[d] = (range){0, 1, in->shape[d]};
    for (int d = 0; d < x->ndim; d++) {
        left[d] = s.axes[d];
        shape[d] = x->shape[d];
    }
    for (group g = {0}; next_group(in, x, &g);) {
        int d = g.o0;
        if (d == x->ndim || range_is_whole(s.axes[d], x->shape[d]) || !slice_group(in, x, &g, s.axes, axes)) continue;
        shape[d] = s.axes[d].count;
        left[d] = (range){0, 1, shape[d]};
        shrinks = true;
    }
    if (!shrinks) return TSR_OK;
    TRY(made(make_slice(in, axes), &sliced));
    tsr_status status = made(tsr_reshape(sliced, x->ndim, shape), &shaped);
    node_unref(sliced);
    if (status == TSR_OK) status = made(array_using(make_slice(shaped, left), shaped), &sliced);
    return status == TSR_OK ? made(view_of_slice(node, &s, sliced), out) : status;
}
