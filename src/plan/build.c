/* Building a plan: optimise, find the nodes that need stages, group those that can share one, lower them level by level, then the
 * roots. */
#include "plan/build.h"

#include "array/session.h"
#include "base/mem.h"

#include <string.h>

static stage *add_stage(builder *b, stage_kind kind, body *t, int level)
{
    plan *p = b->plan;
    if (p->n_stages == b->capacity) {
        int capacity = b->capacity ? b->capacity * 2 : 8;
        stage *grown = ARENA_ARRAY(b->memory, stage, capacity);
        if (!grown) return NULL;
        if (p->n_stages) memcpy(grown, p->stages, sizeof *grown * (size_t)p->n_stages);
        p->stages = grown;
        b->capacity = capacity;
    }
    stage *s = &p->stages[p->n_stages++];
    *s = (stage){.kind = kind, .body = t, .level = level, .n_runs = 1, .n_folds = 1};
    return s;
}

/* ---- Outputs ----------------------------------------------------------------------------------------------------- */

static void output_init(stage_output *o, const tsr_array *node, int slot)
{
    *o = (stage_output){.node = node, .dtype = node->dtype, .ndim = node->ndim, .slot = slot, .root = -1};
    memcpy(o->shape, node->shape, sizeof o->shape);
}

/* Blocks of the outputs follow from the tiles. */
static void set_output_blocks(stage *s)
{
    for (int i = 0; i < s->n_outputs; i++) {
        stage_output *o = &s->outputs[i];
        o->blocks.ndim = o->ndim;
        if (s->kind == STAGE_REDUCE && s->body->prog->accumulators[o->slot].op == MONOID_HISTOGRAM) {
            o->blocks.axes[0] = axis_grid_regular(o->shape[0], o->shape[0]);
        } else if (stage_folds(s)) {
            for (int d = 0, k = 0; d < s->tiles.ndim; d++) {
                if (!(s->axes >> d & 1)) o->blocks.axes[k++] = s->tiles.axes[d];
            }
        } else if (s->kind == STAGE_QUANTILE) {
            o->blocks.axes[0] = axis_grid_regular(o->shape[0], o->shape[0]);
            for (int d = 0, k = 1; d < s->tiles.ndim; d++) {
                if (d != s->axis) o->blocks.axes[k++] = s->tiles.axes[d];
            }
        } else {
            o->blocks = s->tiles;
        }
    }
}

/* ---- Completing ------------------------------------------------------------------------------------------------- */

static tsr_status complete_stage(builder *b, stage *s, const tsr_array *domain, const int64_t *output_chunk)
{
    TRY(body_finish(s->body));
    if (s->kind == STAGE_CONTRACT) {
        contract_tiles(s);
    } else {
        TRY(stage_choose_tiles(b, s, domain, output_chunk));
    }
    set_output_blocks(s);
    for (int i = 0; i < s->n_outputs; i++) {
        node_info *info = builder_info(b, s->outputs[i].node);
        if (info && info->is_stage && info->stage < 0) { /* not where a root only copies it */
            info->stage = (int)(s - b->plan->stages);
            info->output = i;
        }
    }
    return TSR_OK;
}

/* ---- Which nodes share a stage ----------------------------------------------------------------------------------- */

/* The large sources below a node within its own stage. */
typedef struct source_set {
    const tsr_array *items[16];
    int n;
} source_set;

static void find_sources(const builder *b, const tsr_array *node, source_set *set, int depth)
{
    const node_info *info = builder_info(b, node);
    bool leaf = node->n_inputs == 0 || node->op == NODE_CONCAT || (info && info->is_stage);
    if (depth > 64) return; /* sharing is an optimisation: not finding it in a very deep expression costs a second pass */
    if (!leaf) {
        for (int i = 0; i < node->n_inputs; i++) find_sources(b, node->inputs[i], set, depth + 1);
        return;
    }
    if (node->op == NODE_FULL || node->op == NODE_INDEX) return;
    for (int i = 0; i < set->n; i++)
        if (set->items[i] == node) return;
    if (set->n < 16) set->items[set->n++] = node;
}

/* Would one pass serve both? They must walk the same domain and share a source that is as large as a quarter of it. */
static bool share_source(const builder *b, const tsr_array *x, const tsr_array *y)
{
    if (x == y) return true;
    source_set a = {.n = 0}, c = {.n = 0};
    find_sources(b, x, &a, 0);
    find_sources(b, y, &c, 0);
    for (int i = 0; i < a.n; i++) {
        for (int j = 0; j < c.n; j++) {
            if (a.items[i] == c.items[j] && shape_size(a.items[i]->ndim, a.items[i]->shape) * 4 >= shape_size(x->ndim, x->shape))
                return true;
        }
    }
    return false;
}

static bool same_shape(const tsr_array *a, const tsr_array *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->ndim) == 0;
}

static bool can_join(const builder *b, const node_info *first, const node_info *other)
{
    const tsr_array *x = first->node, *y = other->node;
    return other->stage < 0 && y->op == NODE_REDUCE && other->level == first->level && x->p.reduce.axes == y->p.reduce.axes &&
           same_shape(x->inputs[0], y->inputs[0]) && share_source(b, x->inputs[0], y->inputs[0]);
}

/* ---- Stages of interior nodes ------------------------------------------------------------------------------------ */

static tsr_status add_fold(builder *b, body *t, const tsr_array *node, int *slot)
{
    int value, weight = -1;
    TRY(body_lower(b, t, node->inputs[0], &value));
    if (node->n_inputs > 1) TRY(body_lower(b, t, node->inputs[1], &weight));
    return program_add_fold(t->prog, node->p.reduce.op, &node->p.reduce.params, value, weight, slot);
}

/* A reduction and those after it, up to `end`, that can share its pass; all of one level. */
static tsr_status plan_reduction(builder *b, node_info *const *infos, int end)
{
    const node_info *first = infos[0];
    const tsr_array *x = first->node->inputs[0];
    body *t;
    TRY(body_new(b, x->ndim, x->shape, &t));
    stage *s = add_stage(b, STAGE_REDUCE, t, first->level);
    if (!s) return TSR_ERR_MEMORY;
    s->axes = first->node->p.reduce.axes;
    int n = 1;
    for (int i = 1; i < end; i++) n += can_join(b, first, infos[i]);
    s->outputs = ARENA_ARRAY(b->memory, stage_output, n);
    if (!s->outputs) return TSR_ERR_MEMORY;
    for (int i = 0; i < end && s->n_outputs < n; i++) {
        if (i > 0 && !can_join(b, first, infos[i])) continue;
        int slot;
        TRY(add_fold(b, t, infos[i]->node, &slot));
        output_init(&s->outputs[s->n_outputs++], infos[i]->node, slot);
    }
    return complete_stage(b, s, x, NULL);
}

static tsr_status plan_contraction(builder *b, const node_info *info)
{
    body *t;
    TRY(contract_body(b, info->node, &t));
    stage *s = add_stage(b, STAGE_CONTRACT, t, info->level);
    if (!s) return TSR_ERR_MEMORY;
    s->params = &info->node->p;
    s->n_outputs = 1;
    s->outputs = ARENA_NEW(b->memory, stage_output);
    if (!s->outputs) return TSR_ERR_MEMORY;
    output_init(s->outputs, info->node, 0);
    return complete_stage(b, s, info->node, NULL);
}

/* SCAN, QUANTILE, CALL, the cuts of very deep chains, and sources that are held. */
static tsr_status plan_single(builder *b, const node_info *info)
{
    const tsr_array *node = info->node, *x = node->op == NODE_SCAN || node->op == NODE_QUANTILE ? node->inputs[0] : node;
    body *t;
    int value, slot;
    TRY(body_new(b, x->ndim, x->shape, &t));
    TRY(body_lower(b, t, x, &value));
    if (node->op == NODE_SCAN) TRY(program_add_cast(t->prog, node->dtype, value, &value));
    if (node->op == NODE_SCAN && node->n_inputs == 2) { /* the mask; the values come last */
        int mask;
        TRY(body_lower(b, t, node->inputs[1], &mask));
        TRY(program_add_store(t->prog, mask, &slot));
    }
    TRY(program_add_store(t->prog, value, &slot));
    stage *s = add_stage(b,
                         node->op == NODE_SCAN       ? STAGE_SCAN
                         : node->op == NODE_QUANTILE ? STAGE_QUANTILE
                         : node->op == NODE_CALL     ? STAGE_CALL
                                                     : STAGE_MAP,
                         t, info->level);
    if (!s) return TSR_ERR_MEMORY;
    s->params = &node->p;
    s->axis = node->op == NODE_SCAN ? node->p.scan.axis : node->op == NODE_QUANTILE ? node->p.quantile.axis : 0;
    s->n_outputs = 1;
    s->outputs = ARENA_NEW(b->memory, stage_output);
    if (!s->outputs) return TSR_ERR_MEMORY;
    output_init(s->outputs, node, slot);
    return complete_stage(b, s, x, s->kind == STAGE_MAP ? info->wanted_tiles : NULL);
}

/* The nodes that are stages, by level; within a level in their topological order. */
static tsr_status sort_by_level(builder *b, node_info ***out, int **level_ends, int *n_levels)
{
    int deepest = 0;
    for (int i = 0; i < b->n_infos; i++) {
        if (b->infos[i].level > deepest) deepest = b->infos[i].level;
    }
    *n_levels = deepest + 1;
    int *ends = ARENA_ARRAY(b->memory, int, deepest + 2);
    node_info **sorted = ARENA_ARRAY(b->memory, node_info *, b->n_infos);
    if (!ends || !sorted) return TSR_ERR_MEMORY;
    for (int i = 0; i < b->n_infos; i++) ends[b->infos[i].level + 1] += b->infos[i].is_stage;
    for (int level = 0; level <= deepest; level++) ends[level + 1] += ends[level]; /* where each level begins */
    for (int i = 0; i < b->n_infos; i++) {
        if (b->infos[i].is_stage) sorted[ends[b->infos[i].level]++] = &b->infos[i]; /* now where it ends */
    }
    *out = sorted;
    *level_ends = ends;
    return TSR_OK;
}

static tsr_status plan_interior(builder *b)
{
    node_info **sorted;
    int *ends, n_levels, i = 0;
    TRY(sort_by_level(b, &sorted, &ends, &n_levels));
    for (int level = 0; level < n_levels; level++) {
        for (; i < ends[level]; i++) {
            node_info *info = sorted[i];
            if (info->stage >= 0) continue;
            switch (info->node->op) {
            case NODE_REDUCE: TRY(plan_reduction(b, sorted + i, ends[level] - i)); break;
            case NODE_CONTRACT: TRY(plan_contraction(b, info)); break;
            default: TRY(plan_single(b, info)); break;
            }
        }
    }
    return TSR_OK;
}

/* ---- Roots ------------------------------------------------------------------------------------------------------- */

static bool is_asked_for_twice(const plan *p, const tsr_array *node)
{
    int n = 0;
    for (int i = 0; i < p->n_roots; i++) n += p->roots[i].node == node;
    return n > 1;
}

/* A root whose stage nobody else reads takes that stage's output directly. */
static bool root_is_stage(const builder *b, const tsr_array *node, int *stage_number, int *output)
{
    const node_info *info = builder_info(b, node);
    if (info->stage < 0 || info->is_read || is_asked_for_twice(b->plan, node)) return false;
    *stage_number = info->stage;
    *output = info->output;
    return true;
}

/* Stages that are there before the roots are planned know nothing of hints. */
static bool has_hint(const plan_hint *hints, int i) { return hints && hints[i].chunk; }

static bool roots_join(const builder *b, const plan_hint *hints, int i, int j)
{
    const tsr_array *x = b->plan->roots[i].node, *y = b->plan->roots[j].node;
    if (has_hint(hints, i) || has_hint(hints, j)) return false;
    return same_shape(x, y) && share_source(b, x, y);
}

static tsr_status plan_root_group(builder *b, const plan_hint *hints, int first)
{
    plan *p = b->plan;
    const tsr_array *node = p->roots[first].node;
    body *t;
    TRY(body_new(b, node->ndim, node->shape, &t));
    int level = 0, n = 0;
    for (int i = first; i < p->n_roots; i++) n += p->roots[i].stage < 0;
    stage_output *outputs = ARENA_ARRAY(b->memory, stage_output, n);
    if (!outputs) return TSR_ERR_MEMORY;
    n = 0;
    int number = p->n_stages;
    for (int i = first; i < p->n_roots; i++) {
        if (p->roots[i].stage >= 0 || !(i == first || roots_join(b, hints, first, i))) continue;
        int value, slot;
        const node_info *info = builder_info(b, p->roots[i].node);
        if (info->level + info->is_stage > level) level = info->level + info->is_stage;
        TRY(body_lower(b, t, p->roots[i].node, &value));
        TRY(program_add_store(t->prog, value, &slot));
        output_init(&outputs[n], p->roots[i].node, slot);
        outputs[n].root = i;
        p->roots[i].stage = number;
        p->roots[i].output = n++;
    }
    stage *s = add_stage(b, STAGE_MAP, t, level);
    if (!s) return TSR_ERR_MEMORY;
    s->outputs = outputs;
    s->n_outputs = n;
    return complete_stage(b, s, node, hints ? hints[first].chunk : NULL);
}

static tsr_status plan_roots(builder *b, const plan_hint *hints)
{
    plan *p = b->plan;
    for (int i = 0; i < p->n_roots; i++) {
        int number, output;
        p->roots[i].stage = -1;
        if (!has_hint(hints, i) && root_is_stage(b, p->roots[i].node, &number, &output)) {
            p->roots[i].stage = number;
            p->roots[i].output = output;
            p->stages[number].outputs[output].root = i;
        }
    }
    for (int i = 0; i < p->n_roots; i++) {
        if (p->roots[i].stage < 0) TRY(plan_root_group(b, hints, i));
    }
    return TSR_OK;
}

/* ---- What is read, and what is read twice ------------------------------------------------------------------------ */

static void mark_reads(plan *p, body *t)
{
    for (int i = 0; i < t->n_operands; i++) {
        operand *o = &t->operands[i];
        if (o->kind == OPERAND_STAGE) p->stages[o->stage].outputs[o->output].is_read = true;
        for (int k = 0; k < o->n_pieces; k++) mark_reads(p, o->pieces[k]);
    }
}

static node_info *source_info(const builder *b, const operand *o)
{
    return o->kind == OPERAND_STORE || o->kind == OPERAND_CONCAT ? builder_info(b, o->node) : NULL;
}

static void mark_reuse(builder *b)
{
    plan *p = b->plan;
    for (int i = 0; i < p->n_stages; i++) {
        for (int k = 0; k < p->stages[i].body->n_operands; k++) {
            node_info *info = source_info(b, &p->stages[i].body->operands[k]);
            if (!info) continue;
            info->read_by_several |= info->reader >= 0 && info->reader != i;
            info->reader = i;
        }
    }
    for (int i = 0; i < p->n_stages; i++) {
        for (int k = 0; k < p->stages[i].body->n_operands; k++) {
            operand *o = &p->stages[i].body->operands[k];
            const node_info *info = source_info(b, o);
            o->reused = info && info->read_by_several;
        }
    }
}

/* One plan, with the given sources held. */
static tsr_status build_stages(plan *p, const plan_hint *hints, const tsr_array *const *held, int n_held)
{
    builder b = {.plan = p, .memory = &p->memory, .held = held, .n_held = n_held};
    p->n_stages = 0;
    p->stages = NULL;
    p->roots = ARENA_ARRAY(&p->memory, plan_root, p->n_roots);
    if (!p->roots) return TSR_ERR_MEMORY;
    for (int i = 0; i < p->n_roots; i++) p->roots[i] = (plan_root){.node = p->nodes[i], .stage = -1};
    TRY(builder_collect(&b, p->n_roots, p->nodes));
    TRY(plan_interior(&b));
    TRY(plan_roots(&b, hints));
    for (int i = 0; i < p->n_stages; i++) mark_reads(p, p->stages[i].body);
    mark_reuse(&b);
    return TSR_OK;
}

tsr_status plan_build(int n, tsr_array *const *roots, const plan_hint *hints, plan **out)
{
    enum { MOST_HELD = 32 };
    const tsr_array *held[MOST_HELD];
    tsr_status status;
    plan *p = mem_calloc(1, sizeof *p);
    if (!p) return TSR_ERR_MEMORY;
    arena_init(&p->memory);
    p->kernels = roots[0]->session->kernels;
    p->nodes = mem_calloc((size_t)n, sizeof *p->nodes);
    status = p->nodes ? optimize_graph(n, roots, p->nodes, &p->rewrites) : TSR_ERR_MEMORY;
    if (status == TSR_OK) p->n_roots = n;
    /* Tiles show which sources are better held; with these held the tiles are other ones, so the plan is made again. */
    for (int n_held = 0; status == TSR_OK; n_held++) {
        status = build_stages(p, hints, held, n_held);
        if (status != TSR_OK || n_held == MOST_HELD || !(held[n_held] = plan_find_crossed(p))) break;
        arena_fini(&p->memory);
        arena_init(&p->memory);
    }
    if (status != TSR_OK) {
        plan_free(p);
        return status;
    }
    plan_predict(p);
    *out = p;
    return TSR_OK;
}

void plan_free(plan *p)
{
    if (!p) return;
    for (int i = 0; p->nodes && i < p->n_roots; i++) node_unref(p->nodes[i]);
    mem_free(p->nodes);
    arena_fini(&p->memory);
    mem_free(p);
}
