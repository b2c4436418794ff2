/* Operations that can be left out or done once, here instead of for every element. Only what is exact for every value, NaN, the
 * infinities and the sign of zero included: x + 0.0 is not x (-0.0 + 0.0 is 0.0), but x - 0.0 and x + -0.0 are. */
#include "optimize/rewrite.h"

#include <math.h>
#include <string.h>

/* ---- Constants ------------------------------------------------------------------------------------------------------ */

/* The constant that an array holds in every element (scalars are broadcast by a view), or NULL. */
static const tsr_array *constant_of(const tsr_array *x)
{
    if (x->op == NODE_VIEW) x = x->inputs[0];
    return x->op == NODE_FULL ? x : NULL;
}

/* The kernels do the arithmetic, so the value has the bits a run would give it. */
tsr_status constant_folding(rewriter *r, tsr_array *node, tsr_array **out)
{
    op_code op = node->p.map.op;
    tsr_dtype loops[3] = {TSR_BOOL, TSR_BOOL, TSR_BOOL};
    const void *values[3] = {NULL};
    element value = {0};
    unsigned faults = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const tsr_array *x = constant_of(node->inputs[i]);
        if (!x) return TSR_OK;
        loops[i] = x->dtype;
        values[i] = &x->p.full.value;
    }
    map_kernel kernel = r->session->kernels->map[op][op_kernel_dtype(op, loops)][FORM_VV];
    if (!kernel) return TSR_OK;
    kernel(&value, values[0], values[1], values[2], 1, &faults);
    return faults ? TSR_OK : made(make_full(node, value), out); /* a run is to report the fault */
}

/* ---- Operands that change nothing ------------------------------------------------------------------------------------ */

static bool is_real_number(const tsr_array *x, double value, bool negative_zero)
{
    if (dtype_is_complex(x->dtype)) return false;
    tsr_scalar v = scalar_from_element(&x->p.full.value, x->dtype);
    if (dtype_is_float(x->dtype)) return v.f == value && (value != 0 || (signbit(v.f) != 0) == negative_zero);
    return dtype_is_signed(x->dtype) ? v.i == (int64_t)value : v.u == (uint64_t)value;
}

static bool all_ones(const tsr_array *x)
{
    if (!dtype_is_integer(x->dtype)) return false;
    for (size_t i = 0; i < tsr_dtype_size(x->dtype); i++)
        if (x->p.full.value.bytes[i] != 0xFF) return false;
    return true;
}

/* Does `op` with this value on that side give the other operand back? */
static bool changes_nothing(op_code op, const tsr_array *value, bool on_the_right)
{
    bool whole = !dtype_is_inexact(value->dtype);
    switch (op) {
    case OP_MULTIPLY: return is_real_number(value, 1, false);
    case OP_DIVIDE: return on_the_right && is_real_number(value, 1, false);
    case OP_FLOOR_DIVIDE: return on_the_right && whole && is_real_number(value, 1, false);
    case OP_ADD: return is_real_number(value, 0, true); /* integers have one zero */
    case OP_SUBTRACT: return on_the_right && is_real_number(value, 0, false);
    case OP_BITWISE_OR:
    case OP_BITWISE_XOR: return is_real_number(value, 0, false);
    case OP_BITWISE_AND: return all_ones(value);
    case OP_LEFT_SHIFT:
    case OP_RIGHT_SHIFT: return on_the_right && is_real_number(value, 0, false);
    default: return false;
    }
}

tsr_status neutral_operand(rewriter *r, tsr_array *node, tsr_array **out)
{
    if (node->n_inputs != 2) return TSR_OK;
    for (int i = 0; i < 2; i++) {
        tsr_array *kept = node->inputs[1 - i];
        const tsr_array *value = constant_of(node->inputs[i]);
        if (value && kept->dtype == node->dtype && changes_nothing(node->p.map.op, value, i == 1)) {
            *out = node_ref(kept);
            return TSR_OK;
        }
    }
    return TSR_OK;
}

/* ---- Twice ------------------------------------------------------------------------------------------------------------- */

/* Does the operation return its operand for this dtype? */
static bool returns_operand(op_code op, tsr_dtype dtype)
{
    bool whole = dtype == TSR_BOOL || dtype_is_integer(dtype);
    switch (op) {
    case OP_POSITIVE: return true;
    case OP_FLOOR:
    case OP_CEIL:
    case OP_TRUNC: return whole;
    case OP_REAL:
    case OP_CONJUGATE: return !dtype_is_complex(dtype);
    case OP_ABSOLUTE: return dtype == TSR_BOOL || dtype_is_unsigned(dtype);
    default: return false;
    }
}

/* -(-x), and rounding what is round. */
tsr_status done_twice(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0], *found = NULL;
    op_code op = node->p.map.op;
    if (node->n_inputs != 1) return TSR_OK;
    bool same = x->op == NODE_MAP && x->p.map.op == op;
    if (returns_operand(op, x->dtype) && x->dtype == node->dtype) {
        found = x;
    } else if (same && (op == OP_NEGATIVE || op == OP_INVERT || op == OP_CONJUGATE || op == OP_LOGICAL_NOT)) {
        if (x->inputs[0]->dtype == node->dtype) found = x->inputs[0];
    } else if (same && x->dtype == node->dtype &&
               (op == OP_FLOOR || op == OP_CEIL || op == OP_TRUNC || op == OP_RINT || op == OP_ABSOLUTE || op == OP_FABS)) {
        found = x;
    }
    if (found) *out = node_ref(found);
    return TSR_OK;
}

/* where(true, x, y), where(condition, x, x). */
tsr_status known_choice(rewriter *r, tsr_array *node, tsr_array **out)
{
    if (node->p.map.op != OP_WHERE) return TSR_OK;
    const tsr_array *condition = constant_of(node->inputs[0]);
    if (!condition && node->inputs[1] != node->inputs[2]) return TSR_OK;
    int taken = condition && !condition->p.full.value.b ? 2 : 1;
    if (!may_drop(r, node->inputs[0]) || !may_drop(r, node->inputs[3 - taken])) return TSR_OK;
    if (node->inputs[taken]->dtype == node->dtype) *out = node_ref(node->inputs[taken]);
    return TSR_OK;
}

/* ---- Casts -------------------------------------------------------------------------------------------------------------- */

/* Does every value of `from` have its own in `to`? */
static bool is_lossless(tsr_dtype from, tsr_dtype to)
{
    static const int digits[TSR_N_DTYPES] = {
        [TSR_BOOL] = 1, [TSR_I8] = 7,   [TSR_I16] = 15, [TSR_I32] = 31, [TSR_I64] = 63, [TSR_U8] = 8,   [TSR_U16] = 16,
        [TSR_U32] = 32, [TSR_U64] = 64, [TSR_F32] = 24, [TSR_F64] = 53, [TSR_C64] = 24, [TSR_C128] = 53};
    dtype_kind a = dtype_kind_of(from), b = dtype_kind_of(to);
    if (a > b && !(a == KIND_UINT && b == KIND_INT)) return false;
    if (a == KIND_INT && b == KIND_UINT) return false;
    return digits[from] <= digits[to];
}

/* There and back, where nothing is lost on the way; and integers through a wider integer. */
tsr_status cast_of_cast(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    if (x->op != NODE_CAST) return TSR_OK;
    tsr_array *first = x->inputs[0];
    bool integers = dtype_is_integer(first->dtype) && dtype_is_integer(x->dtype) && dtype_is_integer(node->dtype);
    if (!is_lossless(first->dtype, x->dtype) || !(first->dtype == node->dtype || integers)) return TSR_OK;
    return made(array_cast(first, node->dtype), out);
}

/* ---- Structure ------------------------------------------------------------------------------------------------------------ */

tsr_status concat_of_concat(rewriter *r, tsr_array *node, tsr_array **out)
{
    int axis = node->p.concat.axis, n = 0, k = 0;
    bool found = false;
    for (int i = 0; i < node->n_inputs; i++) {
        const tsr_array *x = node->inputs[i];
        bool joins = x->op == NODE_CONCAT && x->p.concat.axis == axis && !(facts_of(r, node->inputs[i]) & FACT_PINNED);
        n += joins ? x->n_inputs : 1;
        found |= joins;
    }
    if (!found || r->budget < n) return TSR_OK;
    r->budget -= n;
    tsr_array **pieces = mem_alloc(sizeof *pieces * (size_t)n);
    if (!pieces) return TSR_ERR_MEMORY;
    for (int i = 0; i < node->n_inputs; i++) {
        tsr_array *x = node->inputs[i];
        bool joins = x->op == NODE_CONCAT && x->p.concat.axis == axis && !(facts_of(r, x) & FACT_PINNED);
        for (int j = 0; joins && j < x->n_inputs; j++) pieces[k++] = x->inputs[j];
        if (!joins) pieces[k++] = x;
    }
    tsr_status status = made(make_concat(n, pieces, axis), out);
    mem_free(pieces);
    return status;
}

tsr_status rechunk_of_rechunk(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    if (grid_equal(&node->grid, &x->grid)) {
        *out = node_ref(x);
        return TSR_OK;
    }
    return x->op == NODE_RECHUNK ? made(remake(node, node, &x->inputs[0]), out) : TSR_OK;
}

static bool is_generator(const tsr_array *a) { return a->op == NODE_FULL || a->op == NODE_INDEX || a->op == NODE_RANDOM; }

/* What is generated can be generated in any blocks. Not if others read it, too: the two would no longer be the same node. */
tsr_status rechunk_of_generator(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    if (!is_generator(x) || !(facts_of(r, x) & FACT_EXCLUSIVE)) return TSR_OK;
    return made(remake(x, node, NULL), out);
}

/* ---- Reshapes -----------------------------------------------------------------------------------------------------------------
 */

tsr_status reshape_of_reshape(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    return x->op == NODE_RESHAPE ? made(tsr_reshape(x->inputs[0], node->ndim, node->shape), out) : TSR_OK;
}

/* Element i0, i1 ... of 0, 1, 2 ... in another shape is i0 * stride0 + i1 * stride1 ... */
static tsr_array *reshaped_index(const tsr_array *node)
{
    tsr_array proto = {.op = NODE_INDEX, .dtype = TSR_I64, .ndim = node->ndim, .grid = node->grid}, *sum = NULL;
    int64_t stride = shape_size(node->ndim, node->shape);
    memcpy(proto.shape, node->shape, sizeof proto.shape);
    for (int d = 0; d < node->ndim; d++) {
        stride /= node->shape[d] ? node->shape[d] : 1;
        if (node->shape[d] == 1 && !(d == node->ndim - 1 && !sum)) continue;
        proto.p.index.axis = d;
        tsr_array *term = node_make(node->session, &proto), *factor = tsr_scalar_array(node->session, scalar_int(stride));
        if (stride != 1) term = array_using(tsr_multiply(term, factor), term);
        sum = sum ? array_using(array_using(tsr_add(sum, term), sum), term) : term;
        node_unref(factor);
        if (!sum) return NULL;
    }
    return sum;
}

tsr_status reshape_of_source(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0];
    if (x->op == NODE_FULL) return made(make_full(node, x->p.full.value), out);
    if (x->op == NODE_RANDOM) return made(remake(x, node, NULL), out); /* the flat index is what counts */
    if (x->op == NODE_INDEX && x->ndim == 1) return node->ndim > 0 ? made(reshaped_index(node), out) : TSR_OK;
    if (x->op == NODE_VIEW && x->inputs[0]->ndim == 0)
        return made(array_view(x->inputs[0], node->ndim, node->shape, x->p.view.axes), out);
    if (x->op != NODE_MEMORY || !(facts_of(r, x) & FACT_FREE_RESHAPE)) return TSR_OK;
    tsr_array proto = {.op = NODE_MEMORY, .dtype = x->dtype, .ndim = node->ndim, .grid = node->grid, .p = x->p};
    memcpy(proto.shape, node->shape, sizeof proto.shape);
    shape_strides(node->ndim, node->shape, tsr_dtype_size(x->dtype), proto.p.memory.strides);
    (void)buffer_ref(x->p.memory.buf);
    return made(node_make(x->session, &proto), out);
}

tsr_status reshape_of_map(rewriter *r, tsr_array *node, tsr_array **out)
{
    tsr_array *x = node->inputs[0], *inputs[3] = {NULL};
    tsr_status status = TSR_OK;
    if ((x->op != NODE_MAP && x->op != NODE_CAST) || !(facts_of(r, x) & FACT_FREE_RESHAPE)) return TSR_OK;
    for (int i = 0; i < x->n_inputs; i++) GUARD(made(tsr_reshape(x->inputs[i], node->ndim, node->shape), &inputs[i]));
    status = made(remake(x, node, inputs), out);
done:
    for (int i = 0; i < 3; i++) node_unref(inputs[i]);
    return status;
}
