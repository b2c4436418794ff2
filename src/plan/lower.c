/* Lowering: an expression becomes the program of a body. Views vanish on the way: the affine map from the body's indices to a
 * node's indices is composed while walking down, and ends in the operand or generator that is loaded.
 *
 * A (node, map) pair is lowered once in a body, so common subexpressions are computed once a strip. */
#include "plan/build.h"

#include <string.h>

typedef struct memo_entry {
    const tsr_array *node;
    const view_axis *map;
    uint64_t hash;
    int value;
} memo_entry;

typedef struct lowering {
    builder *b;
    body *into;
    memo_entry *memo;
    size_t n_memo, memo_size;
} lowering;

static tsr_status lower(lowering *l, const tsr_array *node, const view_axis *map, int *value);

/* ---- Memory of what was lowered ---------------------------------------------------------------------------------- */

static uint64_t memo_hash(const tsr_array *node, const view_axis *map)
{
    uint64_t h = node->hash.low ^ 0x9E3779B97F4A7C15ull;
    for (int d = 0; d < node->ndim; d++) {
        h = (h ^ (uint64_t)map[d].axis) * 0xff51afd7ed558ccdull;
        h = (h ^ (uint64_t)map[d].start ^ (h >> 29)) * 0xc4ceb9fe1a85ec53ull;
        h = (h ^ (uint64_t)map[d].step ^ (h >> 31)) * 0xff51afd7ed558ccdull;
    }
    return h ^ (h >> 32);
}

static bool same_map(int ndim, const view_axis *a, const view_axis *b)
{
    for (int d = 0; d < ndim; d++) {
        if (a[d].axis != b[d].axis || a[d].start != b[d].start || a[d].step != b[d].step) return false;
    }
    return true;
}

static memo_entry *memo_slot(const lowering *l, const tsr_array *node, const view_axis *map, uint64_t hash)
{
    size_t i = (size_t)hash & (l->memo_size - 1);
    for (;; i = (i + 1) & (l->memo_size - 1)) {
        memo_entry *e = &l->memo[i];
        if (!e->node || (e->hash == hash && e->node == node && same_map(node->ndim, e->map, map))) return e;
    }
}

static tsr_status memo_put(lowering *l, const tsr_array *node, const view_axis *map, int value)
{
    if (l->n_memo * 2 >= l->memo_size) {
        memo_entry *old = l->memo;
        size_t old_size = l->memo_size;
        l->memo_size *= 2;
        l->memo = ARENA_ARRAY(l->b->memory, memo_entry, l->memo_size);
        if (!l->memo) return TSR_ERR_MEMORY;
        for (size_t i = 0; i < old_size; i++) {
            if (old[i].node) *memo_slot(l, old[i].node, old[i].map, old[i].hash) = old[i];
        }
    }
    view_axis *copy = ARENA_ARRAY(l->b->memory, view_axis, node->ndim ? node->ndim : 1);
    if (!copy) return TSR_ERR_MEMORY;
    if (node->ndim) memcpy(copy, map, sizeof *copy * (size_t)node->ndim);
    uint64_t hash = memo_hash(node, map);
    *memo_slot(l, node, map, hash) = (memo_entry){node, copy, hash, value};
    l->n_memo++;
    return TSR_OK;
}

/* ---- Generators and operands ------------------------------------------------------------------------------------- */

static tsr_status add_generator_map(lowering *l, int slot, generator_map map)
{
    body *t = l->into;
    if (slot == 0 || (slot & (slot - 1)) == 0) {
        generator_map *grown = ARENA_ARRAY(l->b->memory, generator_map, slot ? slot * 2 : 1);
        if (!grown) return TSR_ERR_MEMORY;
        if (slot) memcpy(grown, t->generators, sizeof *grown * (size_t)slot);
        t->generators = grown;
    }
    t->generators[slot] = map;
    t->n_generators = slot + 1;
    return TSR_OK;
}

static tsr_status lower_index(lowering *l, const tsr_array *node, const view_axis *map, int *value)
{
    view_axis m = map[node->p.index.axis];
    generator_map g = {.index = m.start};
    if (m.axis >= 0) g.strides[m.axis] = m.step;
    TRY(program_add_index(l->into->prog, value));
    return add_generator_map(l, l->into->prog->n_generators - 1, g);
}

static tsr_status lower_random(lowering *l, const tsr_array *node, const view_axis *map, int *value)
{
    generator_map g = {0};
    int64_t flat = 1; /* elements from one index to the next along d, in the node's own C order */
    for (int d = node->ndim - 1; d >= 0; d--) {
        g.index += map[d].start * flat;
        if (map[d].axis >= 0) g.strides[map[d].axis] += map[d].step * flat;
        flat *= node->shape[d];
    }
    TRY(program_add_random(l->into->prog, node->p.random.kind, node->dtype, &node->p.random.params, value));
    return add_generator_map(l, l->into->prog->n_generators - 1, g);
}

static tsr_status add_operand(lowering *l, operand o, const view_axis *map, int *value)
{
    body *t = l->into;
    TRY(program_add_load(t->prog, o.dtype, o.swapped, value));
    int slot = t->prog->n_operands - 1;
    if (slot == 0 || (slot & (slot - 1)) == 0) {
        operand *grown = ARENA_ARRAY(l->b->memory, operand, slot ? slot * 2 : 1);
        if (!grown) return TSR_ERR_MEMORY;
        if (slot) memcpy(grown, t->operands, sizeof *grown * (size_t)slot);
        t->operands = grown;
    }
    o.ndim = o.node->ndim;
    if (o.ndim) memcpy(o.map, map, sizeof *map * (size_t)o.ndim);
    t->operands[slot] = o;
    t->n_operands = slot + 1;
    return TSR_OK;
}

static const store_var *store_var_of(const tsr_array *node) { return &node->p.store.file->vars[node->p.store.var]; }

/* Bodies of the inputs of a node that gathers. The bytes of the pieces may stay swapped only if all agree and none computes;
 * those of calls and windows never. */
static tsr_status lower_gather(lowering *l, operand_kind kind, const tsr_array *node, const view_axis *map, int *value)
{
    operand o = {.kind = kind, .dtype = node->dtype, .node = node, .n_pieces = node->n_inputs};
    o.pieces = ARENA_ARRAY(l->b->memory, body *, node->n_inputs);
    int64_t *edges = ARENA_ARRAY(l->b->memory, int64_t, node->n_inputs + 1);
    if (!o.pieces || !edges) return TSR_ERR_MEMORY;
    o.axis = kind == OPERAND_CONCAT   ? node->p.concat.axis
             : kind == OPERAND_TAKE   ? node->p.take.axis
             : kind == OPERAND_WINDOW ? node->p.window.axis
                                      : 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const tsr_array *input = node->inputs[i];
        if (kind == OPERAND_CONCAT) edges[i + 1] = edges[i] + input->shape[o.axis];
        TRY(body_of_node(l->b, input, &o.pieces[i]));
        bool swapped = o.pieces[i]->passthrough && o.pieces[i]->operands[0].swapped;
        o.swapped = kind != OPERAND_CALL && kind != OPERAND_WINDOW && (i == 0 ? swapped : o.swapped && swapped);
    }
    o.edges = edges;
    return add_operand(l, o, map, value);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

static tsr_status lower_view(lowering *l, const tsr_array *node, const view_axis *map, int *value)
{
    view_axis composed[TSR_MAX_NDIM];
    const tsr_array *input = node->inputs[0];
    for (int d = 0; d < input->ndim; d++) {
        view_axis v = node->p.view.axes[d];
        if (v.axis < 0) {
            composed[d] = (view_axis){-1, v.start, 0};
        } else {
            view_axis m = map[v.axis];
            composed[d] = (view_axis){m.axis, v.start + v.step * m.start, m.axis < 0 ? 0 : v.step * m.step};
        }
    }
    return lower(l, input, composed, value);
}

static tsr_status lower_map(lowering *l, const tsr_array *node, const view_axis *map, int *value)
{
    int inputs[3];
    for (int i = 0; i < node->n_inputs; i++) TRY(lower(l, node->inputs[i], map, &inputs[i]));
    return program_add_map(l->into->prog, node->p.map.op, node->dtype, inputs, value);
}

static tsr_status lower_new(lowering *l, const tsr_array *node, const view_axis *map, int *value)
{
    const node_info *info = builder_info(l->b, node);
    if (info && info->stage >= 0) {
        operand o = {.kind = OPERAND_STAGE, .dtype = node->dtype, .node = node, .stage = info->stage, .output = info->output};
        return add_operand(l, o, map, value);
    }
    int input;
    switch (node->op) {
    case NODE_FULL: return program_add_const(l->into->prog, node->dtype, node->p.full.value, value);
    case NODE_INDEX: return lower_index(l, node, map, value);
    case NODE_RANDOM: return lower_random(l, node, map, value);
    case NODE_MEMORY:
        return add_operand(
            l, (operand){.kind = OPERAND_MEMORY, .dtype = node->dtype, .swapped = node->p.memory.swapped, .node = node}, map,
            value);
    case NODE_STORE:
        return add_operand(
            l, (operand){.kind = OPERAND_STORE, .dtype = node->dtype, .swapped = store_var_of(node)->swapped, .node = node}, map,
            value);
    case NODE_BLOCKS: return add_operand(l, (operand){.kind = OPERAND_BLOCKS, .dtype = node->dtype, .node = node}, map, value);
    case NODE_CONCAT: return lower_gather(l, OPERAND_CONCAT, node, map, value);
    case NODE_TAKE: return lower_gather(l, OPERAND_TAKE, node, map, value);
    case NODE_RESHAPE: return lower_gather(l, OPERAND_RESHAPE, node, map, value);
    case NODE_WINDOW: return lower_gather(l, OPERAND_WINDOW, node, map, value);
    case NODE_CALL: return lower_gather(l, OPERAND_CALL, node, map, value);
    case NODE_VIEW: return lower_view(l, node, map, value);
    case NODE_RECHUNK: return lower(l, node->inputs[0], map, value);
    case NODE_MAP: return lower_map(l, node, map, value);
    case NODE_CAST:
        TRY(lower(l, node->inputs[0], map, &input));
        return program_add_cast(l->into->prog, node->dtype, input, value);
    default: return error_set(TSR_ERR_INTERNAL, "plan: %s was not given a stage", node_name(node));
    }
}

static tsr_status lower(lowering *l, const tsr_array *node, const view_axis *map, int *value)
{
    memo_entry *known = memo_slot(l, node, map, memo_hash(node, map));
    if (known->node) {
        *value = known->value;
        return TSR_OK;
    }
    TRY(lower_new(l, node, map, value));
    return memo_put(l, node, map, *value);
}

/* ---- Bodies ------------------------------------------------------------------------------------------------------ */

/* The memory of lowering lives as long as the body is being built; it hangs behind the body in the arena. */
typedef struct open_body {
    body pub;
    lowering state;
} open_body;

tsr_status body_new(builder *b, int ndim, const int64_t *shape, body **out)
{
    enum { FIRST_MEMO = 16 };
    open_body *o = ARENA_NEW(b->memory, open_body);
    if (!o) return TSR_ERR_MEMORY;
    o->state =
        (lowering){.b = b, .into = &o->pub, .memo = ARENA_ARRAY(b->memory, memo_entry, FIRST_MEMO), .memo_size = FIRST_MEMO};
    if (!o->state.memo) return TSR_ERR_MEMORY;
    o->pub.ndim = ndim;
    for (int d = 0; d < ndim; d++) o->pub.shape[d] = shape[d];
    *out = &o->pub;
    return program_new(b->memory, b->plan->kernels, &o->pub.prog);
}

tsr_status body_lower(builder *b, body *into, const tsr_array *node, int *value)
{
    view_axis identity[TSR_MAX_NDIM];
    for (int d = 0; d < node->ndim; d++) identity[d] = (view_axis){d, 0, 1};
    return lower(&((open_body *)into)->state, node, identity, value);
}

static bool is_passthrough(const body *t)
{
    const program *p = t->prog;
    return p->n_instrs == 2 && p->instrs[0].kind == INSTR_LOAD && p->instrs[1].kind == INSTR_STORE;
}

tsr_status body_finish(body *into)
{
    into->passthrough = is_passthrough(into);
    return program_finish(into->prog);
}

tsr_status body_of_node(builder *b, const tsr_array *node, body **out)
{
    int value, slot;
    node_info *info = builder_info(b, node);
    if (info->piece) { /* many gathers may have the same piece */
        *out = info->piece;
        return TSR_OK;
    }
    TRY(body_new(b, node->ndim, node->shape, out));
    TRY(body_lower(b, *out, node, &value));
    TRY(program_add_store((*out)->prog, value, &slot));
    TRY(body_finish(*out));
    info->piece = *out;
    return TSR_OK;
}
