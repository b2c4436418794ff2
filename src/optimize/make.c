/* Making nodes for rules. A node owns parts of its parameters (indices, quantiles, edges), so these are copied. */
#include "optimize/rewrite.h"

#include <string.h>

tsr_status made(tsr_array *node, tsr_array **out)
{
    *out = node;
    if (node) return TSR_OK;
    return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_INTERNAL, "optimize: a node could not be made");
}

/* Copies what p owns; false (error recorded) without memory. Sources are not made again, so their references do not matter. */
static bool copy_params(node_op op, node_params *p)
{
    const void *from = NULL;
    void **to = NULL;
    size_t bytes = 0;
    if (op == NODE_CALL) call_ref(p->call.spec);
    if (op == NODE_TAKE) {
        from = p->take.indices;
        to = (void **)&p->take.indices;
        bytes = sizeof *p->take.indices * (size_t)p->take.n;
    } else if (op == NODE_QUANTILE) {
        from = p->quantile.q;
        to = (void **)&p->quantile.q;
        bytes = sizeof *p->quantile.q * (size_t)p->quantile.n_q;
    } else if (op == NODE_REDUCE && p->reduce.params.edges) {
        from = p->reduce.params.edges;
        to = (void **)(uintptr_t)&p->reduce.params.edges;
        bytes = sizeof(double) * (size_t)(p->reduce.params.n_bins + 1);
    }
    if (!to) return true;
    void *copy = mem_alloc(bytes);
    if (!copy) return false;
    if (bytes) memcpy(copy, from, bytes);
    *to = copy;
    return true;
}

tsr_array *remake(const tsr_array *node, const tsr_array *like, tsr_array *const *inputs)
{
    tsr_array proto = {.op = node->op,
                       .dtype = node->dtype,
                       .ndim = like->ndim,
                       .n_inputs = node->n_inputs,
                       .inputs = (tsr_array **)(uintptr_t)inputs,
                       .grid = like->grid,
                       .p = node->p};
    memcpy(proto.shape, like->shape, sizeof proto.shape);
    return copy_params(node->op, &proto.p) ? node_make(node->session, &proto) : NULL;
}

tsr_array *rebuild(tsr_array *node, tsr_array *const *inputs)
{
    if (node->op == NODE_VIEW) return array_view(inputs[0], node->ndim, node->shape, node->p.view.axes);
    if (node->op == NODE_CAST) return array_cast(inputs[0], node->dtype);
    return remake(node, node, inputs);
}

tsr_array *make_full(const tsr_array *like, element value)
{
    tsr_array proto = {.op = NODE_FULL, .dtype = like->dtype, .ndim = like->ndim, .grid = like->grid};
    memcpy(proto.shape, like->shape, sizeof proto.shape);
    memcpy(&proto.p.full.value, &value, sizeof value);
    return node_make(like->session, &proto);
}

tsr_array *make_take(tsr_array *input, int axis, int64_t n, int64_t *indices_owned)
{
    tsr_array proto = {.op = NODE_TAKE, .dtype = input->dtype, .ndim = input->ndim, .n_inputs = 1, .inputs = &input};
    memcpy(proto.shape, input->shape, sizeof proto.shape);
    proto.shape[axis] = n;
    proto.grid = input->grid;
    proto.grid.axes[axis] = axis_grid_regular(n, input->grid.axes[axis].chunk);
    proto.p.take.axis = axis;
    proto.p.take.n = n;
    proto.p.take.indices = indices_owned;
    return node_make(input->session, &proto);
}

tsr_array *make_concat(int n, tsr_array *const *pieces, int axis)
{
    return n == 1 ? node_ref(pieces[0]) : tsr_concatenate(n, pieces, axis);
}
