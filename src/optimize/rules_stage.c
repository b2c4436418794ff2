/* Slices pushed below operations that make blocks of their own: reductions (the kept axes), running sums and order statistics.
 * Only where nobody else reads the result, as the work would be done twice otherwise.
 *
 * Reductions whose bits depend on the order of folding are left as they are: the engine makes only the blocks of the result that
 * are asked for. A running sum goes along its axis element by element, and quantiles see one lane at a time: both give the same
 * bits whatever is beside. */
#include "optimize/rewrite.h"

#include <string.h>

static bool may_slice(rewriter *r, tsr_array *node, node_op op)
{
    tsr_array *x = node->inputs[0];
    unsigned facts = facts_of(r, x);
    return x->op == op && facts & FACT_EXCLUSIVE && !(facts & FACT_PINNED) && shape_size(node->ndim, node->shape) > 0;
}

/* Shape and chunks of an array that lacks elements of another. */
static void shrink(tsr_array *proto, const tsr_array *x, const tsr_array *slice_of_input, const int *axis_of)
{
    for (int d = 0; d < x->ndim; d++) {
        proto->shape[d] = x->shape[d];
        proto->grid.axes[d] = x->grid.axes[d];
        if (axis_of[d] < 0) continue;
        proto->shape[d] = slice_of_input->shape[axis_of[d]];
        proto->grid.axes[d] = slice_of_input->grid.axes[axis_of[d]];
    }
    proto->ndim = proto->grid.ndim = x->ndim;
}

/* The operation over a slice of its input, then the rest of the view. axis_of[d]: the input's axis that axis d of the result is;
 * -1 for none. */
static tsr_status over_slice(tsr_array *node, const slice *s, const range *axes, const int *axis_of, tsr_array **out)
{
    tsr_array *x = node->inputs[0], *input, *result, like = {.op = x->op};
    TRY(made(make_slice(x->inputs[0], axes), &input));
    shrink(&like, x, input, axis_of);
    tsr_status status = made(remake(x, &like, &input), &result);
    node_unref(input);
    return status == TSR_OK ? made(view_of_slice(node, s, result), out) : status;
}

static void whole(const tsr_array *a, range *axes)
{
    for (int d = 0; d < a->ndim; d++) axes[d] = (range){0, 1, a->shape[d]};
}

tsr_status slice_of_reduction(rewriter *r, tsr_array *node, tsr_array **out)
{
    if (!may_slice(r, node, NODE_REDUCE)) return TSR_OK;
    tsr_array *x = node->inputs[0], *in = x->inputs[0];
    slice s = slice_of_view(node);
    range axes[TSR_MAX_NDIM];
    int axis_of[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM];
    if (!s.shrinks || x->p.reduce.op == MONOID_HISTOGRAM || x->n_inputs != 1 || reduction_is_ordered(x)) return TSR_OK;
    whole(in, axes);
    for (int d = 0, k = 0; d < in->ndim; d++) {
        if (x->p.reduce.axes >> d & 1) continue;
        axis_of[k] = d;
        axes[d] = s.axes[k++];
    }
    for (int d = 0; d < in->ndim; d++) shape[d] = axes[d].count;
    if (reduction_is_bound(r, in->ndim, in->shape) || reduction_is_bound(r, in->ndim, shape)) return TSR_OK;
    return over_slice(node, &s, axes, axis_of, out);
}

/* Along its own axis a running sum needs all that comes before. */
tsr_status slice_of_scan(rewriter *r, tsr_array *node, tsr_array **out)
{
    if (!may_slice(r, node, NODE_SCAN)) return TSR_OK;
    tsr_array *x = node->inputs[0], *result = NULL;
    if (x->n_inputs != 1) return TSR_OK;
    slice s = slice_of_view(node);
    range axes[TSR_MAX_NDIM], left[TSR_MAX_NDIM];
    int axis_of[TSR_MAX_NDIM], a = x->p.scan.axis;
    bool shrinks = false;
    memcpy(axes, s.axes, sizeof axes);
    axes[a] = (range){0, 1, s.axes[a].start + (s.axes[a].count - 1) * s.axes[a].step + 1};
    for (int d = 0; d < x->ndim; d++) {
        axis_of[d] = d;
        shrinks |= axes[d].count < x->shape[d];
        left[d] = (range){0, 1, axes[d].count};
    }
    if (!shrinks) return TSR_OK;
    left[a] = s.axes[a];
    tsr_array *input, like = {.op = x->op};
    TRY(made(make_slice(x->inputs[0], axes), &input));
    shrink(&like, x, input, axis_of);
    tsr_status status = made(remake(x, &like, &input), &result);
    node_unref(input);
    if (status == TSR_OK) status = made(array_using(make_slice(result, left), result), &result);
    return status == TSR_OK ? made(view_of_slice(node, &s, result), out) : status;
}

/* The first axis of the result counts the quantiles: those that are not asked for are left out. */
tsr_status slice_of_quantile(rewriter *r, tsr_array *node, tsr_array **out)
{
    if (!may_slice(r, node, NODE_QUANTILE)) return TSR_OK;
    tsr_array *x = node->inputs[0], *in = x->inputs[0], *input, *result;
    slice s = slice_of_view(node);
    range axes[TSR_MAX_NDIM];
    int axis_of[TSR_MAX_NDIM] = {-1};
    double *q;
    if (!s.shrinks) return TSR_OK;
    whole(in, axes);
    for (int d = 0, k = 1; d < in->ndim; d++) {
        if (d == x->p.quantile.axis) continue;
        axis_of[k] = d;
        axes[d] = s.axes[k++];
    }
    TRY(made(make_slice(in, axes), &input));
    tsr_array proto = {.op = NODE_QUANTILE, .dtype = x->dtype, .n_inputs = 1, .inputs = &input, .p = x->p};
    shrink(&proto, x, input, axis_of);
    range wanted = s.axes[0];
    proto.shape[0] = wanted.count;
    proto.grid.axes[0] = axis_grid_regular(wanted.count, wanted.count);
    q = mem_alloc(sizeof *q * (size_t)wanted.count);
    for (int64_t i = 0; q && i < wanted.count; i++) q[i] = x->p.quantile.q[wanted.start + i * wanted.step];
    proto.p.quantile.q = q;
    proto.p.quantile.n_q = (int)wanted.count;
    tsr_status status = made(q ? node_make(x->session, &proto) : NULL, &result);
    node_unref(input);
    return status == TSR_OK ? made(view_of_slice(node, &s, result), out) : status;
}
