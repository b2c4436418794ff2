/* Arithmetic on tasks: which tile a number means, and which region of a source a tile reads. Pure functions of the plan. */
#include "plan/plan.h"

box stage_tile(const stage *s, int64_t task) { return grid_box(&s->tiles, task); }

int64_t stage_n_blocks(const stage *s)
{
    int64_t n = 1;
    for (int d = 0; d < s->tiles.ndim; d++) {
        if (s->kind != STAGE_REDUCE || !(s->axes >> d & 1)) n *= s->tiles.axes[d].n_blocks;
    }
    return n;
}

/* Kept axes vary with the block, folded axes with the fold; both in C order. */
box stage_fold_tile(const stage *s, int64_t block, int64_t fold)
{
    box b = {.ndim = s->tiles.ndim};
    for (int d = s->tiles.ndim - 1; d >= 0; d--) {
        const axis_grid *g = &s->tiles.axes[d];
        int64_t *number = s->axes >> d & 1 ? &fold : &block;
        int64_t at = *number % g->n_blocks;
        *number /= g->n_blocks;
        b.start[d] = axis_grid_start(g, at);
        b.count[d] = axis_grid_count(g, at);
    }
    return b;
}

void operand_region(const operand *o, const box *domain, box *region, int64_t *step)
{
    region->ndim = o->ndim;
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        region->start[d] = m.start;
        region->count[d] = 1;
        step[d] = 1;
        if (m.axis < 0 || m.step == 0) continue;
        int64_t first = m.start + m.step * domain->start[m.axis], count = domain->count[m.axis];
        int64_t last = first + m.step * (count - 1);
        region->start[d] = m.step > 0 ? first : last;
        region->count[d] = count;
        step[d] = count == 1 ? 1 : m.step > 0 ? m.step : -m.step;
    }
}
