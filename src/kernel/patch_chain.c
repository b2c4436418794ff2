/* Chains of a patch: their operands are bound to where they lie, and the results go to a register, to the output or into a sum.
 */
#include "kernel/patch.h"

#include <stdint.h>

enum { STREAM_ALIGNMENT = 64 };

/* A chain with its operands in place, for a row at a time or for the whole patch. */
typedef struct bound_chain {
    int n, form;
    bool is_whole;
    chain_link links[CHAIN_MAX_LINKS];
    int64_t row_steps[CHAIN_MAX_LINKS];
} bound_chain;

/* One call does the whole patch where all operands are one element or dense in the same form. */
static bool can_be_whole(const runner *r, const step *s, int form)
{
    for (int m = 0; m < s->n_parts; m++) {
        int operand = r->parts[s->first_part + m].operand;
        if (operand < 0) continue;
        const value *v = &r->values[operand];
        if (v->form != 0 && (v->form != form || !value_is_dense(r, v))) return false;
    }
    return true;
}

/* Binds the chain of step s; with by_rows, for a row at a time whatever could be done. The kernel asks for the memory of the next
 * patch, so nobody else does. */
static void bind_chain(runner *r, const step *s, bool by_rows, bound_chain *c)
{
    c->n = s->n_parts;
    c->form = 0;
    for (int m = 0; m < c->n; m++) {
        int operand = r->parts[s->first_part + m].operand;
        if (operand >= 0) c->form |= r->values[operand].form;
    }
    c->is_whole = !by_rows && can_be_whole(r, s, c->form);
    for (int m = 0; m < c->n; m++) {
        const chain_part *part = &r->parts[s->first_part + m];
        chain_link *link = &c->links[m];
        *link = (chain_link){.op = part->op, .from = part->operand == PUSHED_OPERAND ? FROM_PUSHED : FROM_STRIP};
        c->row_steps[m] = 0;
        if (part->operand < 0) continue;
        const value *v = &r->values[part->operand];
        bool is_one = c->is_whole ? v->form == 0 : !(v->form & ALONG_COLS);
        link->from = is_one ? FROM_ONE : v->is_reversed ? FROM_REVERSED : FROM_STRIP;
        link->operand = v->data;
        c->row_steps[m] = value_row_step(v, s->size);
        if (v->ahead > 0 && v->ahead <= r->n_ahead && r->ahead[v->ahead - 1].rows > 0 && r->ahead[v->ahead - 1].at == 0) {
            link->ahead = &r->ahead[v->ahead - 1].memory;
            r->ahead[v->ahead - 1].rows = 0;
        }
    }
}

static void next_row(bound_chain *c)
{
    for (int m = 0; m < c->n; m++) {
        if (c->row_steps[m] == 0) continue;
        c->links[m].operand = (const char *)c->links[m].operand + c->row_steps[m];
        if (c->links[m].ahead) c->links[m].ahead->place[0] += c->row_steps[m];
    }
}

/* Into the register of s. */
void patch_run_chain(runner *r, const step *s, value *v)
{
    bound_chain c;
    bind_chain(r, s, false, &c);
    int64_t rows = c.is_whole ? 1 : r->rows, size = c.is_whole ? form_size(r, c.form) : r->cols;
    for (int64_t i = 0; i < rows; i++, next_row(&c))
        r->p->kernels->chain[s->in->dtype].store(s->out + i * size * s->size, c.links, c.n, (size_t)size);
    *v = (value){.data = s->out, .pitch = r->cols, .form = c.form};
}

/* Has the chain of a step another element for each of the patch? */
static bool fills_patch(const runner *r, const step *s)
{
    int form = 0;
    for (int m = 0; m < s->n_parts; m++) {
        int operand = r->parts[s->first_part + m].operand;
        if (operand >= 0) form |= r->values[operand].form;
    }
    return form_size(r, form) == patch_size(r);
}

/* Straight to the output of s; false if it has to go through a register. */
bool patch_store_chain(runner *r, const step *s)
{
    const step *root = &r->steps[s->in->inputs[0]];
    char *data = r->b->outputs[s->in->slot].data + patch_offset(r, s->strides);
    bool in_one = r->rows == 1 || s->row_stride == (r->cols > 1 ? s->size * r->cols : s->size);
    bool streamed = r->b->outputs[s->in->slot].streamed;
    if ((r->cols > 1 && s->col_stride != s->size) || (r->cols == 1 && !in_one) || !fills_patch(r, root)) return false;
    if (streamed && (((uintptr_t)data | (uintptr_t)s->row_stride) % STREAM_ALIGNMENT != 0)) return false;
    const chain_kernels *chain = &r->p->kernels->chain[s->in->dtype];
    chain_kernel kernel = streamed ? chain->stream : chain->store;
    bound_chain c;
    bind_chain(r, root, !in_one, &c);
    int64_t rows = c.is_whole ? 1 : r->rows, size = c.is_whole ? patch_size(r) : r->cols;
    for (int64_t i = 0; i < rows; i++, next_row(&c)) kernel(data + i * s->row_stride, c.links, c.n, (size_t)size);
    return true;
}

/* Straight into the sums of s; false if it has to go through a register. */
bool patch_sum_chain(runner *r, const step *s)
{
    const step *root = &r->steps[s->in->inputs[0]];
    const accumulator_binding *a = &r->b->accumulators[s->in->slot];
    int64_t row_cells = r->rows > 1 ? a->cells[r->b->ndim - 2] : 0;
    bool as_one = patch_folds_as_one(r, a);
    if (!fills_patch(r, root)) return false;
    bound_chain c;
    bind_chain(r, root, !as_one, &c);
    if (as_one && !c.is_whole && r->rows > 1 && r->cols % SUM_LANES != 0) return false;
    double *cell = (double *)(void *)(a->state.field[0]) + patch_offset(r, a->cells);
    int64_t rows = c.is_whole ? 1 : r->rows, size = c.is_whole ? patch_size(r) : r->cols;
    double lanes[SUM_LANES];
    for (int64_t i = 0; i < rows; i++, next_row(&c)) {
        if (i == 0 || !as_one)
            for (int l = 0; l < SUM_LANES; l++) lanes[l] = -0.0;
        r->p->kernels->chain[s->in->dtype].sum(lanes, c.links, c.n, (size_t)size);
        if (i + 1 == rows || !as_one) cell[i * row_cells] += r->p->kernels->sum_of_lanes(lanes);
    }
    return true;
}
