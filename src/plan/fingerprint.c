/* A number by which processes that make the same plan see that they did. It covers all that names of tasks and blocks mean:
 * stages, tiles, folds, what is read and which instructions run; not addresses. */
#include "base/hash.h"
#include "plan/plan.h"

static hash128 add_number(hash128 h, int64_t number) { return hash_mix(h, &number, sizeof number); }

static hash128 add_grid(hash128 h, const grid *g)
{
    h = add_number(h, g->ndim);
    for (int d = 0; d < g->ndim; d++) {
        const axis_grid *a = &g->axes[d];
        h = add_number(h, a->n_blocks);
        for (int64_t i = 0; a->edges && i <= a->n_blocks; i++) h = add_number(h, a->edges[i]);
        if (a->edges || a->n_blocks == 0) continue;
        h = add_number(h, a->length);
        h = add_number(h, axis_grid_count(a, 0));
        h = add_number(h, a->chunk);
    }
    return h;
}

static hash128 add_body(hash128 h, const body *t)
{
    for (int i = 0; i < t->prog->n_instrs; i++) {
        h = add_number(h, t->prog->instrs[i].op);
        h = add_number(h, t->prog->instrs[i].dtype);
    }
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        h = add_number(h, o->kind);
        h = add_number(h, o->dtype);
        h = add_number(h, o->kind == OPERAND_STAGE ? o->stage * 1024 + o->output : -1);
        for (int d = 0; d < o->ndim; d++) {
            h = add_number(h, o->map[d].axis);
            h = add_number(h, o->map[d].start);
            h = add_number(h, o->map[d].step);
        }
        for (int k = 0; k < o->n_pieces; k++) h = add_body(h, o->pieces[k]);
    }
    return h;
}

uint64_t plan_fingerprint(const plan *p)
{
    hash128 h = hash_bytes("plan", 4);
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        h = add_number(h, s->kind);
        h = add_grid(h, &s->tiles);
        h = add_number(h, s->axes);
        h = add_number(h, s->n_folds);
        h = add_number(h, s->n_runs);
        for (int k = 0; k < s->n_outputs; k++) {
            h = add_number(h, s->outputs[k].dtype);
            h = add_number(h, s->outputs[k].root);
            h = add_grid(h, &s->outputs[k].blocks);
        }
        h = add_body(h, s->body);
    }
    for (int i = 0; i < p->n_roots; i++) h = add_number(h, p->roots[i].stage * 1024 + p->roots[i].output);
    return h.low ? h.low : 1;
}
