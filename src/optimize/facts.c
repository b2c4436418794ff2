/* What the rules need to know of the expression as it was given.
 *
 * The bits of a floating-point sum depend on the order in which its elements are folded, which follows from the tiles, the
 * operands and their strides: from all that the planner sees below the reduction, and of the reductions that share its pass or
 * hand it their tiles. So everything below such an "ordered" reduction is pinned: it stays as it is. The same goes for what is
 * below other reductions over a domain of the same shape, as they may share the pass. */
#include "optimize/rewrite.h"

#include <string.h>

/* ---- The table ---------------------------------------------------------------------------------------------------- */

static size_t home(const rewriter *r, const tsr_array *node) { return (size_t)node->hash.low & (r->table_size - 1); }

static void table_put(rewriter *r, int at)
{
    size_t i = home(r, r->entries.items[at].node);
    while (r->table[i] >= 0) i = (i + 1) & (r->table_size - 1);
    r->table[i] = at;
}

static bool table_reserve(rewriter *r)
{
    if ((r->entries.n + 1) * 2 <= r->table_size) return true;
    size_t size = r->table_size ? r->table_size * 2 : 256;
    int *table = mem_alloc(size * sizeof *table);
    if (!table) return false;
    mem_free(r->table);
    r->table = table;
    r->table_size = size;
    for (size_t i = 0; i < size; i++) table[i] = -1;
    for (size_t i = 0; i < r->entries.n; i++) table_put(r, (int)i);
    return true;
}

int rewriter_entry(rewriter *r, tsr_array *node, bool make)
{
    for (size_t i = r->table ? home(r, node) : 0; r->table && r->table[i] >= 0; i = (i + 1) & (r->table_size - 1)) {
        if (r->entries.items[r->table[i]].node == node) return r->table[i];
    }
    if (!make || !table_reserve(r)) return -1;
    if (!VEC_PUSH(&r->entries, (entry){.node = node})) return -1;
    node_ref(node);
    table_put(r, (int)r->entries.n - 1);
    return (int)r->entries.n - 1;
}

unsigned facts_of(rewriter *r, tsr_array *node)
{
    int at = rewriter_entry(r, node, false);
    return at < 0 ? 0 : r->entries.items[at].facts;
}

/* ---- Reductions ---------------------------------------------------------------------------------------------------- */

bool reduction_is_ordered(const tsr_array *node)
{
    bool inexact = dtype_is_inexact(node->inputs[0]->dtype);
    switch (node->p.reduce.op) {
    case MONOID_ANY:
    case MONOID_ALL:
    case MONOID_COUNT_NONZERO:
    case MONOID_COUNT_VALID:
    case MONOID_BIT_AND:
    case MONOID_BIT_OR:
    case MONOID_BIT_XOR: return false;
    case MONOID_ARGMIN:
    case MONOID_ARGMAX:
    case MONOID_NANARGMIN:
    case MONOID_NANARGMAX: return dtype_is_complex(node->inputs[0]->dtype);
    case MONOID_SUM: /* integers wrap, in any order; the least of 0.0 and -0.0 is the one that came first */
    case MONOID_PROD:
    case MONOID_NANSUM:
    case MONOID_NANPROD:
    case MONOID_MIN:
    case MONOID_MAX:
    case MONOID_FMIN:
    case MONOID_FMAX: return inexact;
    case MONOID_HISTOGRAM: return node->p.reduce.params.weighted;
    default: return true; /* means and moments are in floating point whatever goes in */
    }
}

bool reduction_is_bound(const rewriter *r, int ndim, const int64_t *shape)
{
    for (size_t i = 0; i < r->ordered.n; i++) {
        const tsr_array *x = r->ordered.items[i]->inputs[0];
        if (x->ndim == ndim && memcmp(x->shape, shape, sizeof *shape * (size_t)ndim) == 0) return true;
    }
    return false;
}

/* Looks at a few nodes only: a piece that is more than that is kept. */
bool may_drop(const rewriter *r, const tsr_array *node)
{
    enum { MOST = 64 };
    const tsr_array *stack[MOST] = {node};
    if (r->ordered.n == 0) return true;
    for (int n = 1, seen = 0; n > 0; seen++) {
        const tsr_array *top = stack[--n];
        if (top->op == NODE_REDUCE || seen == MOST || n + top->n_inputs > MOST) return false;
        for (int i = 0; i < top->n_inputs; i++) stack[n++] = top->inputs[i];
    }
    return true;
}

bool is_worth_pushing(rewriter *r, tsr_array *input)
{
    unsigned facts = facts_of(r, input);
    if (facts & FACT_GIVEN) return facts & FACT_GAINS;
    return input->op == NODE_CONCAT || input->op == NODE_TAKE || input->op == NODE_RESHAPE;
}

/* ---- Collecting ---------------------------------------------------------------------------------------------------- */

typedef struct visit {
    tsr_array *node;
    int next_input;
} visit;

/* Enters all nodes, inputs first. */
static tsr_status enter(rewriter *r, int n, tsr_array *const *roots)
{
    VEC(visit) stack = {0};
    tsr_status status = TSR_OK;
    for (int i = 0; i < n && status == TSR_OK; i++) {
        if (rewriter_entry(r, roots[i], false) >= 0) continue;
        if (!VEC_PUSH(&stack, (visit){roots[i], 0})) status = TSR_ERR_MEMORY;
        while (stack.n > 0 && status == TSR_OK) {
            visit *top = &stack.items[stack.n - 1];
            if (top->next_input < top->node->n_inputs) {
                tsr_array *input = top->node->inputs[top->next_input++];
                if (rewriter_entry(r, input, false) < 0 && !VEC_PUSH(&stack, (visit){input, 0})) status = TSR_ERR_MEMORY;
            } else {
                tsr_array *done = top->node;
                stack.n--;
                if (rewriter_entry(r, done, true) < 0) status = TSR_ERR_MEMORY;
            }
        }
    }
    VEC_FINI(&stack);
    return status;
}

static entry *input_entry(rewriter *r, const entry *e, int i)
{
    return &r->entries.items[rewriter_entry(r, e->node->inputs[i], false)];
}

static bool is_contiguous(const tsr_array *a)
{
    int64_t strides[TSR_MAX_NDIM];
    shape_strides(a->ndim, a->shape, tsr_dtype_size(a->dtype), strides);
    for (int d = 0; d < a->ndim; d++) {
        if (a->shape[d] != 1 && a->p.memory.strides[d] != strides[d]) return false;
    }
    return true;
}

static bool reshapes_freely(rewriter *r, const entry *e)
{
    const tsr_array *a = e->node;
    switch (a->op) {
    case NODE_FULL:
    case NODE_RANDOM: return true;
    case NODE_INDEX: return a->ndim == 1;
    case NODE_MEMORY: return is_contiguous(a);
    case NODE_VIEW: return a->inputs[0]->ndim == 0;
    case NODE_MAP:
    case NODE_CAST:
        for (int i = 0; i < a->n_inputs; i++)
            if (!(input_entry(r, e, i)->facts & FACT_FREE_RESHAPE)) return false;
        return true;
    default: return false;
    }
}

/* From the inputs up: what can be reshaped, how deep it is, and which reductions are ordered. */
static tsr_status look_up(rewriter *r, int *deepest)
{
    for (size_t k = 0; k < r->entries.n; k++) {
        entry *e = &r->entries.items[k];
        e->facts = FACT_GIVEN;
        for (int i = 0; i < e->node->n_inputs; i++) {
            int depth = input_entry(r, e, i)->depth + 1;
            if (depth > e->depth) e->depth = depth;
        }
        if (e->depth > *deepest) *deepest = e->depth;
        if (reshapes_freely(r, e)) e->facts |= FACT_FREE_RESHAPE;
        if (e->node->op == NODE_REDUCE && reduction_is_ordered(e->node) && !VEC_PUSH(&r->ordered, e->node)) return TSR_ERR_MEMORY;
    }
    return TSR_OK;
}

static bool pins_inputs(const rewriter *r, const entry *e)
{
    const tsr_array *a = e->node;
    return e->facts & FACT_PINNED || (a->op == NODE_REDUCE && reduction_is_bound(r, a->inputs[0]->ndim, a->inputs[0]->shape));
}

/* From the roots down: who has several consumers, and what is pinned. */
static void look_down(rewriter *r, int n, tsr_array *const *roots)
{
    for (int i = 0; i < n; i++) {
        entry *e = &r->entries.items[rewriter_entry(r, roots[i], false)];
        e->several |= e->is_open; /* is_open serves as "has a consumer" until the walk begins */
        e->is_open = true;
    }
    for (size_t k = r->entries.n; k-- > 0;) {
        entry *e = &r->entries.items[k];
        bool pins = pins_inputs(r, e);
        e->is_open = false;
        if (!e->several) e->facts |= FACT_EXCLUSIVE;
        for (int i = 0; i < e->node->n_inputs; i++) {
            bool repeated = false;
            for (int j = 0; j < i && j < 3; j++) repeated |= e->node->inputs[j] == e->node->inputs[i];
            entry *input = input_entry(r, e, i);
            if (!repeated) input->several |= input->is_open;
            input->several |= e->several;
            input->is_open = true;
            if (pins) input->facts |= FACT_PINNED;
        }
    }
}

/* From the inputs up: where pushing views down may pay. */
static void look_for_gains(rewriter *r)
{
    for (size_t k = 0; k < r->entries.n; k++) {
        entry *e = &r->entries.items[k];
        bool alone = e->facts & FACT_EXCLUSIVE && !(e->facts & FACT_PINNED), gains = false;
        switch (e->node->op) {
        case NODE_CONCAT:
        case NODE_TAKE:
        case NODE_RESHAPE: gains = true; break;
        case NODE_REDUCE: gains = alone && !reduction_is_ordered(e->node); break;
        case NODE_SCAN:
        case NODE_QUANTILE: gains = alone; break;
        case NODE_MAP:
        case NODE_CAST:
        case NODE_VIEW:
        case NODE_RECHUNK:
            for (int i = 0; i < e->node->n_inputs; i++) gains |= (input_entry(r, e, i)->facts & FACT_GAINS) != 0;
            break;
        default: break;
        }
        if (gains) e->facts |= FACT_GAINS;
    }
}

tsr_status facts_collect(rewriter *r, int n, tsr_array *const *roots, bool *leave_alone)
{
    enum { DEEPEST = 200 /* less than where the planner cuts deep chains into stages */ };
    int deepest = 0;
    TRY(enter(r, n, roots));
    TRY(look_up(r, &deepest));
    look_down(r, n, roots);
    look_for_gains(r);
    /* The cuts of very deep chains may hand their tiles to a reduction, and would move. */
    *leave_alone = r->ordered.n > 0 && deepest >= DEEPEST;
    return TSR_OK;
}
