/* Contractions: a stage over the domain of the node, whose tiles are the node's own. Its body has no program but two operands,
 * each a body over the part of the domain that an input has; a task evaluates them over its tile and adds their product to its
 * block.
 *
 * An input is read once for every tile of the other input's own axes. What costs more than a look at memory is made once, by a
 * stage of its own, in tiles that the contraction can use where they lie. */
#include "plan/build.h"

/* ---- The stage ------------------------------------------------------------------------------------------------------------ */

tsr_status contract_body(builder *b, const tsr_array *node, body **out)
{
    contract_domain d = contract_domain_of(node);
    TRY(body_new(b, d.ndim, d.shape, out));
    operand *operands = ARENA_ARRAY(b->memory, operand, 2);
    if (!operands) return TSR_ERR_MEMORY;
    for (int i = 0; i < 2; i++) {
        const tsr_array *input = node->inputs[i];
        const int8_t *axes = i == 0 ? node->p.contract.left : node->p.contract.right;
        operand *o = &operands[i];
        *o = (operand){.kind = OPERAND_BODY, .dtype = input->dtype, .node = input, .ndim = input->ndim, .n_pieces = 1};
        for (int k = 0; k < input->ndim; k++) o->map[k] = (view_axis){axes[k], 0, 1};
        o->pieces = ARENA_ARRAY(b->memory, body *, 1);
        if (!o->pieces) return TSR_ERR_MEMORY;
        TRY(body_of_node(b, input, &o->pieces[0]));
    }
    (*out)->operands = operands;
    (*out)->n_operands = 2;
    return TSR_OK;
}

void contract_tiles(stage *s)
{
    const tsr_array *node = s->outputs[0].node;
    s->tiles.ndim = s->body->ndim;
    for (int a = 0; a < s->body->ndim; a++) {
        s->tiles.axes[a] = axis_grid_regular(s->body->shape[a], node->p.contract.tile[a]);
        if (a >= node->ndim) s->axes |= 1u << a;
    }
    stage_choose_runs(s, (int64_t)tsr_dtype_size(node->dtype));
}

/* ---- What is made once ---------------------------------------------------------------------------------------------------- */

/* The node whose values an input looks at, and the tiles it is read in (0: along axes that are not read tile by tile). */
static const tsr_array *looked_at(const tsr_array *input, int64_t *tile)
{
    while (input->op == NODE_VIEW || input->op == NODE_RECHUNK) {
        const tsr_array *below = input->inputs[0];
        if (input->op == NODE_VIEW) {
            if (shape_size(below->ndim, below->shape) / 2 > shape_size(input->ndim, input->shape)) return input;
            int64_t seen[TSR_MAX_NDIM] = {0};
            for (int d = 0; d < below->ndim; d++) {
                view_axis v = input->p.view.axes[d];
                if (v.axis >= 0 && (v.step == 1 || v.step == -1)) seen[d] = tile[v.axis];
            }
            for (int d = 0; d < below->ndim; d++) tile[d] = seen[d];
        }
        input = below;
    }
    return input;
}

/* Is reading it again as cheap as keeping it? */
static bool is_at_hand(const tsr_array *node)
{
    if (node->op == NODE_STORE) return !node->p.store.file->vars[node->p.store.var].is_chunked;
    return node->op == NODE_MEMORY || node->op == NODE_BLOCKS || node->op == NODE_FULL;
}

tsr_status contract_mark_repeated(builder *b, const tsr_array *node)
{
    contract_domain d = contract_domain_of(node);
    int64_t unused[TSR_MAX_NDIM] = {0};
    bool same = looked_at(node->inputs[0], unused) == looked_at(node->inputs[1], unused);
    for (int i = 0; i < 2; i++) {
        const tsr_array *input = node->inputs[i];
        const int8_t *axes = i == 0 ? node->p.contract.left : node->p.contract.right;
        contract_side other = i == 0 ? SIDE_RIGHT : SIDE_LEFT;
        int64_t tile[TSR_MAX_NDIM] = {0}, times = 1;
        for (int a = 0; a < d.ndim; a++) {
            int64_t t = node->p.contract.tile[a];
            if (d.side[a] == other) times *= (d.shape[a] + t - 1) / t;
        }
        if (times < 2 && !same) continue;
        for (int k = 0; k < input->ndim; k++) tile[k] = node->p.contract.tile[axes[k]];
        const tsr_array *source = looked_at(input, tile);
        node_info *info = builder_info(b, source);
        if (is_at_hand(source) || info->is_repeated) continue;
        info->is_repeated = true;
        int64_t *wanted = ARENA_ARRAY(b->memory, int64_t, source->ndim ? source->ndim : 1);
        if (!wanted) return TSR_ERR_MEMORY;
        bool all = source->ndim > 0;
        for (int k = 0; k < source->ndim; k++) {
            wanted[k] = tile[k];
            all = all && tile[k] > 0;
        }
        info->wanted_tiles = all ? wanted : NULL;
    }
    return TSR_OK;
}
