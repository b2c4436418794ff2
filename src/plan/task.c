/* Arithmetic on tasks: which tile a number means, and which region of a source a tile reads. Pure functions of the plan. */
#include "plan/plan.h"

box stage_tile(const stage *s, int64_t task) { return grid_box(&s->tiles, task); }

int64_t stage_n_blocks(const stage *s)
{
    int64_t n = 1;
    for (int d = 0; d < s->tiles.ndim; d++) {
        if (!stage_folds(s) || !(s->axes >> d & 1)) n *= s->tiles.axes[d].n_blocks;
    }
    return n;
}

/* Kept axes vary with the block, folded axes with the fold; both in C order. */
box stage_fold_tile(const stage *s, int64_t block, int64_t fold)
{
    box b = {.ndim = s->tiles.ndim};
    if (s->is_mirrored) fold = fold % 2 ? s->n_folds - 1 - fold / 2 : fold / 2;
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

int64_t concat_part(const operand *o, const region *source, int64_t done, int *piece, region *part)
{
    int axis = o->axis, low = 0, high = o->n_pieces;
    int64_t step = source->step[axis], index = source->box.start[axis] + done * step, left = source->box.count[axis] - done;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (o->edges[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    int64_t n = (o->edges[low + 1] - 1 - index) / step + 1;
    if (n > left) n = left;
    *piece = low;
    *part = *source;
    part->box.start[axis] = index - o->edges[low];
    part->box.count[axis] = n;
    return n;
}

box reshape_input_box(const operand *o, const region *source)
{
    const body *t = o->pieces[0];
    box whole = box_of_shape(t->ndim, t->shape);
    if (t->ndim == 0) return whole;
    int64_t first = 0, last = 0, row = 1;
    for (int d = 0; d < o->ndim; d++) {
        first = first * o->node->shape[d] + source->box.start[d];
        last = last * o->node->shape[d] + source->box.start[d] + (source->box.count[d] - 1) * source->step[d];
    }
    for (int d = 1; d < t->ndim; d++) row *= t->shape[d];
    whole.start[0] = first / row;
    whole.count[0] = last / row - whole.start[0] + 1;
    return whole;
}

region window_region(const operand *o, const region *source)
{
    int axis = o->axis, last = o->ndim - 1;
    int64_t step = o->node->p.window.step;
    region r = *source;
    r.box.ndim = last;
    r.box.start[axis] = source->box.start[axis] * step + source->box.start[last];
    r.box.count[axis] =
        (source->box.count[axis] - 1) * source->step[axis] * step + (source->box.count[last] - 1) * source->step[last] + 1;
    r.step[axis] = 1;
    return r;
}

box call_piece_box(const operand *o, int piece, const region *source)
{
    int64_t first[TSR_MAX_NDIM], last[TSR_MAX_NDIM];
    for (int d = 0; d < o->ndim; d++) {
        int64_t low = source->box.start[d], high = low + (source->box.count[d] - 1) * source->step[d];
        first[d] = axis_grid_find(&o->node->grid.axes[d], low);
        last[d] = axis_grid_find(&o->node->grid.axes[d], high);
    }
    return call_input_box(o->node, piece, first, last);
}

region region_of_box(const box *b)
{
    region r = {.box = *b};
    for (int d = 0; d < b->ndim; d++) r.step[d] = 1;
    return r;
}

region operand_region(const operand *o, const region *domain)
{
    region r = {.box = {.ndim = o->ndim}};
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        r.box.start[d] = m.start;
        r.box.count[d] = 1;
        r.step[d] = 1;
        if (m.axis < 0) continue;
        int64_t step = m.step * domain->step[m.axis], count = domain->box.count[m.axis];
        int64_t first = m.start + m.step * domain->box.start[m.axis], last = first + step * (count - 1);
        r.box.start[d] = step >= 0 ? first : last;
        r.box.count[d] = step == 0 ? 1 : count;
        if (count > 1 && step != 0) r.step[d] = step > 0 ? step : -step;
    }
    return r;
}
