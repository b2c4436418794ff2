/* What nodes are called, how views compose, and the check of an expression's consistency. */
#include "array/session.h"
#include "base/vec.h"
#include "block/dtype.h"

#include <math.h>

const char *node_name(const tsr_array *node)
{
    static const char *const names[N_NODE_OPS] = {
        [NODE_FULL] = "full",         [NODE_INDEX] = "index",        [NODE_RANDOM] = "random",     [NODE_MEMORY] = "memory",
        [NODE_STORE] = "file",        [NODE_BLOCKS] = "persisted",   [NODE_CAST] = "astype",       [NODE_VIEW] = "view",
        [NODE_RESHAPE] = "reshape",   [NODE_CONCAT] = "concatenate", [NODE_TAKE] = "take",         [NODE_RECHUNK] = "rechunk",
        [NODE_QUANTILE] = "quantile", [NODE_WINDOW] = "windows",     [NODE_CONTRACT] = "contract",
    };
    static const char *const scans[N_SCAN_KINDS] = {"cumsum", "cumprod", "nancumsum", "nancumprod",
                                                    "cummax", "cummin",  "push",      "accumulate"};
    switch (node->op) {
    case NODE_MAP: return op_info_of(node->p.map.op)->name;
    case NODE_REDUCE: return monoid_name(node->p.reduce.op);
    case NODE_SCAN: return node->p.scan.kind == SCAN_MAP ? op_info_of(node->p.scan.op)->name : scans[node->p.scan.kind];
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

/* start + step * (n - 1), if it is a number. */
static bool last_index(int64_t start, int64_t step, int64_t n, int64_t *out)
{
    return !__builtin_mul_overflow(step, n - 1, out) && !__builtin_add_overflow(*out, start, out);
}

static tsr_status check_view(const tsr_array *node)
{
    const tsr_array *input = node->inputs[0];
    const bool is_empty = shape_size(node->ndim, node->shape) == 0;
    for (int d = 0; d < input->ndim; d++) {
        view_axis v = node->p.view.axes[d];
        int64_t last = v.start;
        if (v.axis >= node->ndim) return bad(node, "names an axis that is not there");
        if (is_empty) continue;
        if (v.axis >= 0 && !last_index(v.start, v.step, node->shape[v.axis], &last)) return bad(node, "reads outside its input");
        if (v.start < 0 || v.start >= input->shape[d] || last < 0 || last >= input->shape[d])
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

/* Do the parts of a call lie inside an axis of this length? */
static bool call_axis_fits(const call_axis *a, int64_t length)
{
    const axis_grid *g = &a->blocks;
    if (g->length + (a->ends == ENDS_PADDED ? a->before + a->after : 0) != length) return false;
    if (a->ends != ENDS_WHOLE || g->n_blocks == 1) return true;
    return a->before <= axis_grid_start(g, 1) && a->after <= length - axis_grid_start(g, g->n_blocks - 1);
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
            bool picks_fit = spec->n_picks > 0 && a->axis >= 0 && spec->n_picks == node->grid.axes[a->axis].n_blocks &&
                             spec->picks[spec->n_picks - 1] < a->blocks.n_blocks;
            if (a->picks && !picks_fit) return bad(node, "picks blocks that are not there");
            if (a->axis >= 0 && !a->picks && a->blocks.n_blocks != node->grid.axes[a->axis].n_blocks)
                return bad(node, "an input has another number of blocks");
            if (!call_axis_fits(a, node->inputs[i]->shape[d])) return bad(node, "the blocks do not cover an input");
        }
    }
    for (int d = 0; d < node->ndim; d++) {
        const call_axis *a = &spec->result[d];
        if (a->axis != d || a->before < 0 || a->after < 0 || a->blocks.length != node->shape[d] ||
            a->blocks.n_blocks != node->grid.axes[d].n_blocks)
            return bad(node, "its blocks are not those of the result");
    }
    return TSR_OK;
}

/* Every axis of the domain is in an input, and has its length there; what is summed over is in both. */
static tsr_status check_contract(const tsr_array *node)
{
    contract_domain d = contract_domain_of(node);
    for (int a = 0; a < node->ndim; a++)
        if (d.shape[a] != node->shape[a]) return bad(node, "has another shape than its inputs");
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

static tsr_status check_window(const tsr_array *node)
{
    const tsr_array *input = node->inputs[0];
    const int axis = node->p.window.axis;
    const int64_t n = node->p.window.n, step = node->p.window.step;
    int64_t last;
    if (node->ndim != input->ndim + 1 || axis < 0 || axis >= input->ndim || node->dtype != input->dtype)
        return bad(node, "has another number of dimensions, or another dtype");
    if (n < 1 || step < 1 || node->shape[input->ndim] != n || !last_index(n - 1, step, node->shape[axis], &last) ||
        last >= input->shape[axis])
        return bad(node, "reads outside its input");
    for (int d = 0; d < input->ndim; d++)
        if (d != axis && node->shape[d] != input->shape[d]) return bad(node, "an input has another shape");
    return TSR_OK;
}

static tsr_status check_concat(const tsr_array *node)
{
    const int axis = node->p.concat.axis;
    int64_t length = 0;
    if (axis < 0 || axis >= node->ndim) return bad(node, "names an axis that is not there");
    for (int i = 0; i < node->n_inputs; i++) {
        const tsr_array *input = node->inputs[i];
        if (input->ndim != node->ndim || input->dtype != node->dtype) return bad(node, "an input has other dimensions");
        for (int d = 0; d < node->ndim; d++)
            if (d != axis && input->shape[d] != node->shape[d]) return bad(node, "an input has another shape");
        length += input->shape[axis];
    }
    return length == node->shape[axis] ? TSR_OK : bad(node, "the inputs have another length together");
}

static tsr_status check_take(const tsr_array *node)
{
    const tsr_array *input = node->inputs[0];
    const int axis = node->p.take.axis;
    if (axis < 0 || axis >= node->ndim || input->ndim != node->ndim || input->dtype != node->dtype ||
        node->shape[axis] != node->p.take.n)
        return bad(node, "has other dimensions than its input");
    for (int d = 0; d < node->ndim; d++)
        if (d != axis && node->shape[d] != input->shape[d]) return bad(node, "an input has another shape");
    for (int64_t i = 0; i < node->p.take.n; i++) {
        int64_t index = node->p.take.indices[i];
        if (index < 0 || index >= input->shape[axis]) return bad(node, "index out of range");
    }
    return TSR_OK;
}

static tsr_status check_histogram(const tsr_array *node)
{
    const tsr_array *x = node->inputs[0];
    const acc_params *p = &node->p.reduce.params;
    if (node->n_inputs != 1 + p->weighted || node->ndim != 1 || p->n_bins < 1 || node->shape[0] != p->n_bins)
        return bad(node, "has not a cell for each bin");
    if (node->p.reduce.axes != (uint32_t)((1ull << x->ndim) - 1) || !dtype_is_float(x->dtype) ||
        node->dtype != (p->weighted ? TSR_F64 : TSR_I64))
        return bad(node, "is not possible for its input");
    if (p->weighted && (node->inputs[1]->dtype != TSR_F64 || node->inputs[1]->ndim != x->ndim)) return bad(node, "bad weights");
    for (int d = 0; p->weighted && d < x->ndim; d++)
        if (node->inputs[1]->shape[d] != x->shape[d]) return bad(node, "bad weights");
    if (!p->edges) return isfinite(p->low) && isfinite(p->high) && p->low < p->high ? TSR_OK : bad(node, "has no range");
    for (int64_t i = 0; i < p->n_bins; i++)
        if (!(p->edges[i] <= p->edges[i + 1])) return bad(node, "edges do not increase");
    return TSR_OK;
}

static tsr_status check_reduce(const tsr_array *node)
{
    const tsr_array *x = node->inputs[0];
    tsr_dtype dtype;
    int k = 0;
    if (node->p.reduce.axes >> x->ndim) return bad(node, "names an axis that is not there");
    if (node->p.reduce.op == MONOID_HISTOGRAM) return check_histogram(node);
    TRY(monoid_result(node->p.reduce.op, x->dtype, &dtype));
    if (node->n_inputs != 1 || dtype != node->dtype) return bad(node, "has another dtype");
    for (int d = 0; d < x->ndim; d++) {
        if (node->p.reduce.axes >> d & 1) continue;
        if (k >= node->ndim || node->shape[k++] != x->shape[d]) return bad(node, "an input has another shape");
    }
    return k == node->ndim ? TSR_OK : bad(node, "has other dimensions");
}

static tsr_status check_quantile(const tsr_array *node)
{
    const tsr_array *x = node->inputs[0];
    const int axis = node->p.quantile.axis;
    const bool is_element = quantile_is_element(node->p.quantile.method), is_float = dtype_is_float(x->dtype);
    if (axis < 0 || axis >= x->ndim || node->ndim != x->ndim || node->shape[0] != node->p.quantile.n_q)
        return bad(node, "has other dimensions than its input");
    if (node->p.quantile.method >= N_QUANTILE_METHODS) return bad(node, "names a method that is not there");
    if (dtype_is_complex(x->dtype) ||
        !((node->dtype == x->dtype && (is_element || is_float)) || (node->dtype == TSR_F64 && !is_element)))
        return bad(node, "has another dtype");
    for (int d = 0, k = 1; d < x->ndim; d++)
        if (d != axis && node->shape[k++] != x->shape[d]) return bad(node, "an input has another shape");
    for (int i = 0; i < node->p.quantile.n_q; i++)
        if (!(node->p.quantile.q[i] >= 0 && node->p.quantile.q[i] <= 1)) return bad(node, "is not between 0 and 1");
    return TSR_OK;
}

/* The operands are what the operation's kernel takes. */
static tsr_status check_map(const tsr_array *node)
{
    tsr_dtype dtypes[3], loops[3], result;
    if (node->n_inputs != op_info_of(node->p.map.op)->arity) return bad(node, "wrong number of inputs");
    for (int i = 0; i < node->n_inputs; i++) dtypes[i] = node->inputs[i]->dtype;
    TRY(op_resolve(node->p.map.op, dtypes, loops, &result));
    for (int i = 0; i < node->n_inputs; i++)
        if (loops[i] != dtypes[i]) return bad(node, "an input has another dtype");
    return result == node->dtype ? check_same_shape(node) : bad(node, "has another dtype");
}

static tsr_status check_random(const tsr_array *node)
{
    const bool integers = node->p.random.kind == RANDOM_INTEGERS;
    if (node->session->kernels->random[node->p.random.kind][node->dtype] && integers != dtype_is_float(node->dtype))
        return TSR_OK;
    return bad(node, "there are no such random numbers");
}

static tsr_status check_scan(const tsr_array *node)
{
    const bool is_map = node->p.scan.kind == SCAN_MAP;
    tsr_dtype dtype;
    if (node->p.scan.axis < 0 || node->p.scan.axis >= node->ndim || node->dtype != node->inputs[0]->dtype)
        return bad(node, "is not possible for its input");
    if (is_map && (op_info_of(node->p.scan.op)->arity != 2 ||
                   op_fold_dtype(node->p.scan.op, TSR_I64, &node->dtype, &dtype) != TSR_OK || dtype != node->dtype))
        return bad(node, "does not fold what its input has");
    if (!is_map && !node->session->kernels->scan[node->p.scan.kind][node->dtype])
        return bad(node, "is not possible for its input");
    if (node->n_inputs == 2 && node->inputs[1]->dtype != TSR_BOOL) return bad(node, "has a mask that is not bool");
    return check_same_shape(node);
}

/* How many inputs an operation has; -1: at least one. */
static int arity(const tsr_array *node)
{
    switch (node->op) {
    case NODE_FULL:
    case NODE_INDEX:
    case NODE_RANDOM:
    case NODE_MEMORY:
    case NODE_STORE:
    case NODE_BLOCKS: return 0;
    case NODE_CALL: return node->n_inputs;
    case NODE_MAP: return op_info_of(node->p.map.op)->arity;
    case NODE_REDUCE: return node->p.reduce.params.weighted ? 2 : 1;
    case NODE_CONTRACT: return 2;
    case NODE_SCAN: return node->p.scan.kind == SCAN_MAP && node->n_inputs == 2 ? 2 : 1;
    case NODE_CONCAT: return -1;
    default: return 1;
    }
}

tsr_status node_check(const tsr_array *node)
{
    if (node->ndim < 0 || node->ndim > TSR_MAX_NDIM || !dtype_valid((int)node->dtype)) return bad(node, "bad rank or dtype");
    if (arity(node) < 0 ? node->n_inputs < 1 : node->n_inputs != arity(node)) return bad(node, "wrong number of inputs");
    for (int d = 0; d < node->ndim; d++) {
        if (node->shape[d] < 0) return bad(node, "negative length");
        if (node->grid.axes[d].length != node->shape[d]) return bad(node, "chunks do not fit the shape");
    }
    switch (node->op) {
    case NODE_INDEX:
        return node->dtype == TSR_I64 && node->p.index.axis >= 0 && node->p.index.axis < node->ndim
                   ? TSR_OK
                   : bad(node, "names an axis that is not there");
    case NODE_RANDOM: return check_random(node);
    case NODE_MAP: return check_map(node);
    case NODE_CAST: return check_same_shape(node);
    case NODE_RECHUNK: return node->dtype == node->inputs[0]->dtype ? check_same_shape(node) : bad(node, "changes the dtype");
    case NODE_SCAN: return check_scan(node);
    case NODE_VIEW: return check_view(node);
    case NODE_WINDOW: return check_window(node);
    case NODE_CONTRACT: return check_contract(node);
    case NODE_RESHAPE:
        return node->dtype == node->inputs[0]->dtype &&
                       shape_size(node->ndim, node->shape) == shape_size(node->inputs[0]->ndim, node->inputs[0]->shape)
                   ? TSR_OK
                   : bad(node, "changes the size");
    case NODE_CONCAT: return check_concat(node);
    case NODE_TAKE: return check_take(node);
    case NODE_REDUCE: return check_reduce(node);
    case NODE_QUANTILE: return check_quantile(node);
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
        status = node_check(node);
        for (int i = 0; status == TSR_OK && i < node->n_inputs; i++) {
            if (!VEC_PUSH(&stack, node->inputs[i])) status = TSR_ERR_MEMORY;
        }
    }
    VEC_FINI(&stack);
    return status;
}
