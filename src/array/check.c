/* What nodes are called, how views compose, and the check of an expression's consistency. */
#include "array/node.h"
#include "base/vec.h"

#include <inttypes.h>

const char *node_name(const tsr_array *node)
{
    static const char *const names[N_NODE_OPS] = {
        [NODE_FULL] = "full",         [NODE_INDEX] = "index",        [NODE_RANDOM] = "random",     [NODE_MEMORY] = "memory",
        [NODE_STORE] = "file",        [NODE_BLOCKS] = "persisted",   [NODE_CAST] = "astype",       [NODE_VIEW] = "view",
        [NODE_RESHAPE] = "reshape",   [NODE_CONCAT] = "concatenate", [NODE_TAKE] = "take",         [NODE_RECHUNK] = "rechunk",
        [NODE_QUANTILE] = "quantile", [NODE_WINDOW] = "windows",     [NODE_CONTRACT] = "contract",
    };
    static const char *const scans[N_SCAN_KINDS] = {"cumsum", "cumprod", "nancumsum", "nancumprod"};
    switch (node->op) {
    case NODE_MAP: return op_info_of(node->p.map.op)->name;
    case NODE_REDUCE: return monoid_name(node->p.reduce.op);
    case NODE_SCAN: return scans[node->p.scan.kind];
    case NODE_CALL: return node->p.call.spec->function.name;
    default: return names[node->op];
    }
}

void view_compose(const view_axis *outer, const view_axis *inner, int n_inner, view_axis *out)
{
    for (int d = 0; d < n_inner; d++) {
        view_axis v = inner[d];
        if (v.axis < 0) {
            out[d] = (view_axis){-1, v.start, 0};
        } else {
            view_axis o = outer[v.axis];
            out[d] = (view_axis){o.axis, v.start + v.step * o.start, o.axis < 0 ? 0 : v.step * o.step};
        }
    }
}

static tsr_status bad(const tsr_array *node, const char *what)
{
    return error_set(TSR_ERR_INTERNAL, "graph: %s: %s", node_name(node), what);
}

static tsr_status check_view(const tsr_array *node)
{
    const tsr_array *input = node->inputs[0];
    for (int d = 0; d < input->ndim; d++) {
        view_axis v = node->p.view.axes[d];
        if (v.axis >= node->ndim) return bad(node, "names an axis that is not there");
        int64_t count = v.axis < 0 ? 1 : node->shape[v.axis];
        int64_t last = v.start + (v.axis < 0 ? 0 : v.step * (count - 1));
        if (count > 0 && (v.start < 0 || v.start >= input->shape[d] || last < 0 || last >= input->shape[d]))
            return bad(node, "reads outside its input");
    }
    return input->dtype == node->dtype ? TSR_OK : bad(node, "changes the dtype");
}

static tsr_status check_same_shape(const tsr_array *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]->ndim != node->ndim) return bad(node, "an input has other dimensions");
        for (int d = 0; d < node->ndim; d++) {
            if (node->inputs[i]->shape[d] != node->shape[d]) return bad(node, "an input has another shape");
        }
    }
    return TSR_OK;
}

static tsr_status check_call(const tsr_array *node)
{
    const call_spec *spec = node->p.call.spec;
    if (spec->n_inputs != node->n_inputs || spec->ndim != node->ndim) return bad(node, "wrong number of inputs or axes");
    for (int i = 0; i < node->n_inputs; i++) {
        if (spec->ndims[i] != node->inputs[i]->ndim) return bad(node, "an input has other dimensions");
        for (int d = 0; d < spec->ndims[i]; d++) {
            const call_axis *a = &spec->inputs[i][d];
            if (a->axis >= node->ndim) return bad(node, "names an axis that is not there");
            if (a->axis >= 0 && !a->picks && a->blocks.n_blocks != node->grid.axes[a->axis].n_blocks)
                return bad(node, "an input has another number of blocks");
            if (a->blocks.length + (a->ends == ENDS_PADDED ? a->before + a->after : 0) != node->inputs[i]->shape[d])
                return bad(node, "the blocks do not cover an input");
        }
    }
    return TSR_OK;
}

/* Every axis of the domain is in an input, and has its length there; what is summed over is in both. */
static tsr_status check_contract(const tsr_array *node)
{
    contract_domain d = contract_domain_of(node);
    for (int i = 0; i < 2; i++) {
        const int8_t *axes = i == 0 ? node->p.contract.left : node->p.contract.right;
        uint32_t seen = 0;
        if (node->inputs[i]->dtype != node->dtype) return bad(node, "an input has another dtype");
        for (int k = 0; k < node->inputs[i]->ndim; k++) {
            if (axes[k] < 0 || axes[k] >= d.ndim || seen >> axes[k] & 1) return bad(node, "names an axis twice, or one too many");
            if (node->inputs[i]->shape[k] != d.shape[axes[k]]) return bad(node, "an input has another length");
            seen |= 1u << axes[k];
        }
        for (int a = 0; a < d.ndim; a++) {
            bool wanted = d.side[a] == SIDE_BOTH || d.side[a] == SIDE_SUM || d.side[a] == (i == 0 ? SIDE_LEFT : SIDE_RIGHT);
            if (wanted != (seen >> a & 1)) return bad(node, "an axis is missing in an input");
        }
    }
    for (int a = 0; a < d.ndim; a++)
        if (node->p.contract.tile[a] < 1) return bad(node, "has empty tiles");
    return TSR_OK;
}

static tsr_status check_node(const tsr_array *node)
{
    if (node->ndim < 0 || node->ndim > TSR_MAX_NDIM || !dtype_valid((int)node->dtype)) return bad(node, "bad rank or dtype");
    for (int d = 0; d < node->ndim; d++) {
        if (node->shape[d] < 0) return bad(node, "negative length");
        if (node->grid.axes[d].length != node->shape[d]) return bad(node, "chunks do not fit the shape");
    }
    switch (node->op) {
    case NODE_MAP:
        if (node->n_inputs != op_info_of(node->p.map.op)->arity) return bad(node, "wrong number of inputs");
        return check_same_shape(node);
    case NODE_CAST:
    case NODE_RECHUNK: return check_same_shape(node);
    case NODE_VIEW: return check_view(node);
    case NODE_WINDOW: {
        int axis = node->p.window.axis;
        int64_t last = (node->shape[axis] - 1) * node->p.window.step + node->p.window.n - 1;
        if (node->shape[axis] > 0 && last >= node->inputs[0]->shape[axis]) return bad(node, "reads outside its input");
        return node->ndim == node->inputs[0]->ndim + 1 ? TSR_OK : bad(node, "has another number of dimensions");
    }
    case NODE_CONTRACT: return check_contract(node);
    case NODE_RESHAPE:
        return shape_size(node->ndim, node->shape) == shape_size(node->inputs[0]->ndim, node->inputs[0]->shape)
                   ? TSR_OK
                   : bad(node, "changes the size");
    case NODE_TAKE:
        for (int64_t i = 0; i < node->p.take.n; i++) {
            int64_t index = node->p.take.indices[i];
            if (index < 0 || index >= node->inputs[0]->shape[node->p.take.axis]) return bad(node, "index out of range");
        }
        return TSR_OK;
    case NODE_CALL: return check_call(node);
    default: return TSR_OK;
    }
}

tsr_status graph_check(const tsr_array *root)
{
    VEC(const tsr_array *) stack = {0};
    tsr_status status = VEC_PUSH(&stack, root) ? TSR_OK : TSR_ERR_MEMORY;
    for (int64_t visits = 0; status == TSR_OK && stack.n > 0 && visits < 1000000; visits++) {
        const tsr_array *node = stack.items[--stack.n];
        status = check_node(node);
        for (int i = 0; status == TSR_OK && i < node->n_inputs; i++) {
            if (!VEC_PUSH(&stack, node->inputs[i])) status = TSR_ERR_MEMORY;
        }
    }
    VEC_FINI(&stack);
    return status;
}
