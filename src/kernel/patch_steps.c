/* Working out the steps of a program for a box: what runs in registers as a part of something else, and what runs once for a
 * plane. */
#include "kernel/patch.h"

#include <stdint.h>

static void resolve(runner *r, const instr *in, step *s)
{
    const program_binding *b = r->b;
    const kernels *k = r->p->kernels;
    const instr *inputs[2] = {in, in};
    for (int i = 0; i < in->n_inputs && i < 2; i++) inputs[i] = &r->p->instrs[in->inputs[i]];
    *s = (step){.in = in, .out = patch_strip(r, PROGRAM_SPARE_STRIPS + in->reg), .size = (int64_t)tsr_dtype_size(in->dtype)};
    for (int i = 0; i < 2; i++) s->from_size[i] = (int64_t)tsr_dtype_size(inputs[i]->dtype);
    switch (in->kind) {
    case INSTR_LOAD:
        s->strides = b->operands[in->slot].strides;
        s->kernel.gather = k->gather[in->dtype][in->swapped];
        break;
    case INSTR_INDEX: s->strides = b->generators[in->slot].strides; break;
    case INSTR_RANDOM:
        s->strides = b->generators[in->slot].strides;
        s->kernel.random = k->random[r->p->generators[in->slot].kind][in->dtype];
        break;
    case INSTR_STORE:
        s->strides = b->outputs[in->slot].strides;
        s->kernel.scatter = k->scatter[in->dtype];
        break;
    case INSTR_CAST: s->kernel.cast = k->cast[in->from][in->dtype]; break;
    case INSTR_MAP: s->kernel.forms = k->map[in->op][in->from]; break;
    case INSTR_CONST:
    case INSTR_FOLD: break;
    }
    if (!s->strides) return;
    s->row_stride = s->strides[b->ndim - 2];
    s->col_stride = s->strides[b->ndim - 1];
    if (in->kind != INSTR_LOAD) return;
    uintptr_t alignment = (uintptr_t)(dtype_is_complex(in->dtype) ? s->size / 2 : s->size),
              address = (uintptr_t)b->operands[in->slot].data;
    for (int d = 0; d < b->ndim; d++) address |= (uintptr_t)s->strides[d];
    s->in_place =
        !in->swapped && address % alignment == 0 && s->row_stride % s->size == 0 && (s->row_stride >= 0 || in->only_chained);
}

/* Is the value of step i, which feeds another, worked out there? What varies along one dimension only is not computed along with
 * what varies along both; sums of columns are left to the accumulators, and scattered results to the kernels of stores. */
static bool is_absorbed(const runner *r, int i)
{
    int into = r->p->instrs[i].feeds, col_dim = r->b->ndim - 1;
    if (into < 0 || r->steps[i].form != r->steps[into].form) return false;
    const step *s = &r->steps[into];
    if (s->in->kind != INSTR_MAP && s->form == 0) return false; /* one element for all patches */
    if (s->in->kind == INSTR_STORE) return s->col_stride == s->size || r->b->count[col_dim] == 1;
    return s->in->kind == INSTR_MAP || r->b->accumulators[s->in->slot].cells[col_dim] == 0 || r->b->count[col_dim] == 1;
}

static void add_part(runner *r, chain_op op, int operand) { r->parts[r->n_parts++] = (chain_part){.op = op, .operand = operand}; }

/* Adds the links that work out instruction i, which begin by loading or, if there is a value at hand already, by pushing it. */
static void add_chain(runner *r, int i, chain_op start)
{
    const instr *in = &r->p->instrs[i];
    int fed[2] = {-1, -1}, n_fed = 0, at_hand = 0; /* the position of the input that is at hand in the end */
    chain_op op;
    for (int k = 0; k < in->n_inputs; k++)
        if (r->steps[in->inputs[k]].is_absorbed && r->p->instrs[in->inputs[k]].feeds == i) fed[n_fed++] = k;
    if (n_fed == 2 && r->p->instrs[in->inputs[fed[0]]].held < r->p->instrs[in->inputs[fed[1]]].held) {
        fed[0] = 1;
        fed[1] = 0;
    }
    if (n_fed == 0) add_part(r, start, in->inputs[0]);
    for (int f = 0; f < n_fed; f++) {
        at_hand = fed[f];
        add_chain(r, in->inputs[at_hand], f == 0 ? start : CHAIN_PUSH);
    }
    (void)program_chain_op(in, at_hand, &op);
    add_part(r, op, n_fed == 2 ? PUSHED_OPERAND : in->n_inputs > 1 ? in->inputs[!at_hand] : NO_OPERAND);
}

/* Can the value of step i be worked out once for all rows or columns of a plane, or for all of both? */
static bool can_be_hoisted(const runner *r, int i)
{
    const step *s = &r->steps[i];
    while (r->steps[i].is_absorbed) i = r->p->instrs[i].feeds;
    instr_kind kind = s->in->kind, end = r->steps[i].in->kind;
    if (kind == INSTR_CONST || kind == INSTR_LOAD || end == INSTR_STORE || end == INSTR_FOLD) return false;
    int dim = r->b->ndim - (s->form == ALONG_ROWS ? 2 : 1);
    return s->form == 0 || (s->form != FULL && r->b->count[dim] <= r->p->patch_elements);
}

/* Which values are worked out once for a plane: if all that patches use of them can be kept. */
static void choose_hoisted(runner *r)
{
    int n_kept = 0;
    for (int i = 0; i < r->p->n_instrs; i++) {
        step *s = &r->steps[i];
        s->is_hoisted = can_be_hoisted(r, i);
        for (int k = 0; k < s->in->n_inputs; k++) {
            step *from = &r->steps[s->in->inputs[k]];
            if (!from->is_hoisted || from->is_kept || s->is_hoisted) continue;
            from->is_kept = true;
            if (n_kept < r->p->n_hoisted) from->out = patch_strip(r, PROGRAM_SPARE_STRIPS + r->p->n_regs + n_kept);
            n_kept++;
        }
    }
    for (int i = 0; i < r->p->n_instrs && n_kept > r->p->n_hoisted; i++) {
        step *s = &r->steps[i];
        s->is_hoisted = s->is_kept = false;
        if (s->in->reg >= 0) s->out = patch_strip(r, PROGRAM_SPARE_STRIPS + s->in->reg);
    }
}

void patch_prepare(runner *r)
{
    chain_op op;
    for (int i = 0; i < r->p->n_instrs; i++) {
        const instr *in = &r->p->instrs[i];
        step *s = &r->steps[i];
        resolve(r, in, s);
        s->form = (s->row_stride ? ALONG_ROWS : 0) | (s->col_stride ? ALONG_COLS : 0);
        for (int k = 0; k < in->n_inputs; k++) s->form |= r->steps[in->inputs[k]].form;
    }
    for (int i = 0; i < r->p->n_instrs; i++) r->steps[i].is_absorbed = is_absorbed(r, i);
    for (int i = 0; i < r->p->n_instrs; i++) {
        step *s = &r->steps[i];
        if (s->in->kind != INSTR_MAP || !program_chain_op(s->in, 0, &op)) continue;
        bool ends_here = !s->is_absorbed || r->p->instrs[s->in->feeds].kind != INSTR_MAP;
        s->first_part = r->n_parts;
        if (ends_here) add_chain(r, i, CHAIN_LOAD);
        s->n_parts = r->n_parts - s->first_part;
    }
    choose_hoisted(r);
    for (int i = 0; i < r->p->n_instrs; i++) {
        const step *s = &r->steps[i];
        r->n_calls += s->in->kind != INSTR_CONST && s->in->kind != INSTR_LOAD && !s->is_absorbed && !s->is_hoisted;
        r->hoists |= s->is_hoisted;
    }
}
