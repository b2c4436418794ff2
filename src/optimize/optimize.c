/* The driver of the rewrites.
 *
 * A node is rewritten once and its result kept (rewriter.entries). Rules look at a node from above first, while what is below is
 * still as it was given; then its inputs are rewritten; if they changed, the node is made anew over them and rules look again.
 * The walk has a stack of its own, so that expressions may be as deep as memory allows. Each rule costs some of a budget that is
 * proportional to the expression; when it is used up, what is left stays as it is, which is always right. */
#include "optimize/rewrite.h"

#include <inttypes.h>

static const struct {
    const char *text;
    node_op op;
    rule_function *apply;
} rules[N_RULES] = {
#define X(name, text, op, function) {text, op, function},
    RULE_LIST(X)
#undef X
};

/* ---- One node ---------------------------------------------------------------------------------------------------- */

static tsr_status try_rules(rewriter *r, tsr_array *node, tsr_array **out)
{
    *out = NULL;
    for (int i = 0; i < N_RULES && r->budget > 0; i++) {
        if (rules[i].op != node->op) continue;
        TRY(rules[i].apply(r, node, out));
        if (!*out) continue;
        int known = rewriter_entry(r, *out, false);
        if (*out == node || (known >= 0 && r->entries.items[known].is_open)) { /* nothing new, or a way back */
            node_unref(*out);
            *out = NULL;
            continue;
        }
        r->budget--;
        r->report->applied[i]++;
        return TSR_OK;
    }
    return TSR_OK;
}

static tsr_status push_frame(rewriter *r, int at)
{
    r->entries.items[at].is_open = true;
    return VEC_PUSH(&r->stack, (frame){at, -1, -1}) ? TSR_OK : TSR_ERR_MEMORY;
}

/* The top frame's node has this result; what it became is final, too. */
static tsr_status finish(rewriter *r, tsr_array *result)
{
    int at = r->stack.items[--r->stack.n].at, self = rewriter_entry(r, result, true);
    if (self < 0) return TSR_ERR_MEMORY;
    r->entries.items[at].is_open = false;
    r->entries.items[at].result = node_ref(result);
    if (!r->entries.items[self].result) r->entries.items[self].result = node_ref(result);
    return TSR_OK;
}

/* The node becomes another one, which is rewritten in turn. Takes the reference. */
static tsr_status become(rewriter *r, tsr_array *other)
{
    int at = rewriter_entry(r, other, true);
    node_unref(other);
    if (at < 0) return TSR_ERR_MEMORY;
    r->stack.items[r->stack.n - 1].alias = at;
    return r->entries.items[at].result ? TSR_OK : push_frame(r, at);
}

/* All inputs are rewritten. */
static tsr_status finish_inputs(rewriter *r, tsr_array *node)
{
    bool changed = false;
    tsr_array **inputs = mem_alloc(sizeof *inputs * (size_t)(node->n_inputs + 1));
    if (!inputs) return TSR_ERR_MEMORY;
    for (int i = 0; i < node->n_inputs; i++) {
        int at = rewriter_entry(r, node->inputs[i], false);
        inputs[i] = at >= 0 && r->entries.items[at].result ? r->entries.items[at].result : node->inputs[i];
        changed |= inputs[i] != node->inputs[i];
    }
    tsr_array *again = changed ? rebuild(node, inputs) : NULL;
    mem_free(inputs);
    if (!changed) return finish(r, node);
    if (!again) return tsr_error_code();
    int known = rewriter_entry(r, again, false);
    if (known < 0 || !r->entries.items[known].is_open) return become(r, again);
    tsr_status status = finish(r, again);
    node_unref(again);
    return status;
}

/* One step of the top frame. */
static tsr_status step(rewriter *r)
{
    frame *top = &r->stack.items[r->stack.n - 1];
    entry *e = &r->entries.items[top->at];
    tsr_array *node = e->node;
    if (top->alias >= 0) return finish(r, r->entries.items[top->alias].result);
    if (e->facts & FACT_PINNED) return finish(r, node);
    if (top->next_input < 0) {
        tsr_array *other;
        top->next_input = 0;
        TRY(try_rules(r, node, &other));
        return other ? become(r, other) : TSR_OK;
    }
    while (top->next_input < node->n_inputs) {
        int at = rewriter_entry(r, node->inputs[top->next_input++], true);
        if (at < 0) return TSR_ERR_MEMORY;
        if (!r->entries.items[at].result && !r->entries.items[at].is_open) return push_frame(r, at);
    }
    return finish_inputs(r, node);
}

static tsr_status rewrite(rewriter *r, tsr_array *root, tsr_array **result)
{
    int at = rewriter_entry(r, root, true);
    if (at < 0) return TSR_ERR_MEMORY;
    if (!r->entries.items[at].result) TRY(push_frame(r, at));
    while (r->stack.n > 0) TRY(step(r));
    *result = node_ref(r->entries.items[at].result);
    return TSR_OK;
}

/* ---- All of them -------------------------------------------------------------------------------------------------- */

static void rewriter_fini(rewriter *r)
{
    for (size_t i = r->entries.n; i-- > 0;) { /* what reads a node before the node: freeing is then never deep */
        node_unref(r->entries.items[i].result);
        node_unref(r->entries.items[i].node);
    }
    VEC_FINI(&r->entries);
    VEC_FINI(&r->stack);
    VEC_FINI(&r->ordered);
    mem_free(r->table);
}

enum { BUDGET_PER_NODE = 8, BUDGET_LEAST = 1 << 14 };

tsr_status optimize_graph(int n, tsr_array *const *roots, tsr_array **results, optimize_report *report)
{
    *report = (optimize_report){{0}};
    rewriter r = {.session = roots[0]->session, .report = report};
    bool leave_alone = !r.session->optimizes;
    tsr_status status = TSR_OK;
    int n_done = 0;
    if (!leave_alone) status = facts_collect(&r, n, roots, &leave_alone);
    r.budget = (int64_t)r.entries.n * BUDGET_PER_NODE + BUDGET_LEAST;
    for (; status == TSR_OK && n_done < n; n_done++) {
        results[n_done] = leave_alone ? node_ref(roots[n_done]) : NULL;
        if (!leave_alone) status = rewrite(&r, roots[n_done], &results[n_done]);
        if (status != TSR_OK) break;
    }
    for (int i = 0; status != TSR_OK && i < n_done; i++) node_unref(results[i]);
    rewriter_fini(&r);
    return status;
}

void optimize_describe(const optimize_report *report, strbuf *out)
{
    bool first = true;
    for (int i = 0; i < N_RULES; i++) {
        if (report->applied[i] == 0) continue;
        strbuf_printf(out, "%s%s", first ? "rewrites: " : ", ", rules[i].text);
        if (report->applied[i] > 1) strbuf_printf(out, " %" PRId64, report->applied[i]);
        first = false;
    }
    if (!first) strbuf_add(out, "\n");
}
