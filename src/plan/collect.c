/* The nodes below the roots in topological order, with the level of each: how many stages must be complete before it.
 *
 * Walks with a stack of its own, so that an expression may be as deep as memory allows. Very deep chains of
 * operations are cut into stages, which bounds the recursion of lowering and the length of programs. */
#include "plan/build.h"

#include "base/vec.h"

enum {
    DEEPEST_STAGE = 256,   /* operations fused below one another */
    MOST_PIECES = 1 << 17, /* of gathers within gathers: they are walked one by one */
};

static size_t slot_of(const builder *b, const tsr_array *node) { return (size_t)node->hash.low & (b->table_size - 1); }

node_info *builder_info(const builder *b, const tsr_array *node)
{
    for (size_t i = slot_of(b, node);; i = (i + 1) & (b->table_size - 1)) {
        int at = b->table[i];
        if (at < 0) return NULL;
        if (b->infos[at].node == node) return &b->infos[at];
    }
}

static void table_put(builder *b, int at)
{
    size_t i = slot_of(b, b->infos[at].node);
    while (b->table[i] >= 0) i = (i + 1) & (b->table_size - 1);
    b->table[i] = at;
}

static tsr_status table_grow(builder *b, size_t size)
{
    int *table = ARENA_ARRAY(b->memory, int, size);
    if (!table) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < size; i++) table[i] = -1;
    b->table = table;
    b->table_size = size;
    for (int i = 0; i < b->n_infos; i++) table_put(b, i);
    return TSR_OK;
}

static bool always_a_stage(node_op op)
{
    return op == NODE_REDUCE || op == NODE_SCAN || op == NODE_QUANTILE || op == NODE_CALL || op == NODE_CONTRACT;
}

static bool is_held(const builder *b, const tsr_array *node)
{
    for (int i = 0; i < b->n_held; i++)
        if (b->held[i] == node) return true;
    return false;
}

static tsr_status add_info(builder *b, const tsr_array *node)
{
    if ((b->n_infos & (b->n_infos - 1)) == 0) {
        node_info *grown = ARENA_ARRAY(b->memory, node_info, b->n_infos ? b->n_infos * 2 : 1);
        if (!grown) return TSR_ERR_MEMORY;
        for (int i = 0; i < b->n_infos; i++) grown[i] = b->infos[i];
        b->infos = grown;
    }
    b->infos[b->n_infos++] = (node_info){.node = node, .stage = -1, .reader = -1};
    if ((size_t)b->n_infos * 2 > b->table_size) return table_grow(b, b->table_size * 2);
    table_put(b, b->n_infos - 1);
    return TSR_OK;
}

/* Whether a node needs a stage, and its level; those of its inputs are known. */
static void settle(builder *b, node_info *info)
{
    const tsr_array *node = info->node;
    bool gathers = node->op == NODE_CONCAT || node->op == NODE_TAKE || node->op == NODE_RESHAPE || node->op == NODE_WINDOW ||
                   node->op == NODE_CALL;
    info->is_stage = always_a_stage(node->op) || info->is_repeated || is_held(b, node);
    for (int i = 0; i < node->n_inputs; i++) {
        node_info *input = builder_info(b, node->inputs[i]);
        input->is_read = true;
        int level = input->level + input->is_stage;
        if (level > info->level) info->level = level;
        if (input->is_stage) continue;
        if (input->depth + 1 > info->depth) info->depth = input->depth + 1;
        if (gathers || i == 0 || node->inputs[i] != node->inputs[i - 1]) info->pieces += input->pieces + gathers;
    }
    if (info->depth >= DEEPEST_STAGE || (info->pieces > MOST_PIECES && info->depth > 1)) info->is_stage = true;
}

typedef struct visit {
    const tsr_array *node;
    int next_input;
} visit;

tsr_status builder_collect(builder *b, int n, tsr_array *const *roots)
{
    VEC(visit) stack = {0};
    tsr_status status = table_grow(b, 256);
    for (int i = 0; i < n && status == TSR_OK; i++) {
        if (builder_info(b, roots[i])) continue;
        if (!VEC_PUSH(&stack, (visit){roots[i], 0})) status = TSR_ERR_MEMORY;
        while (stack.n > 0 && status == TSR_OK) {
            visit *top = &stack.items[stack.n - 1];
            if (top->next_input < top->node->n_inputs) {
                const tsr_array *input = top->node->inputs[top->next_input++];
                if (!builder_info(b, input) && !VEC_PUSH(&stack, (visit){input, 0})) status = TSR_ERR_MEMORY;
            } else {
                const tsr_array *done = top->node;
                stack.n--;
                if (!builder_info(b, done)) status = add_info(b, done);
            }
        }
    }
    VEC_FINI(&stack);
    for (int i = 0; i < b->n_infos && status == TSR_OK; i++)
        if (b->infos[i].node->op == NODE_CONTRACT) status = contract_mark_repeated(b, b->infos[i].node);
    for (int i = 0; i < b->n_infos && status == TSR_OK; i++) settle(b, &b->infos[i]);
    return status;
}
