/* The tiles of a stage: the unit of work, which is not the file's chunks nor the chunks of the result.
 *
 * Rules, which depend on the expression only (never on threads or memory, so that results have the same bits everywhere):
 * - borders follow the blocks of the largest operand that has blocks (files, their chunks, other stages' blocks);
 * - small blocks are joined, innermost axis first, until a tile holds about TILE_ELEMENTS elements;
 * - large blocks are split, outermost axis first, unless reading a part costs as much as the whole (compressed chunks), or large
 *   operands are broadcast along that axis and would be read again for every tile;
 * - a tile takes at most DECODED_ELEMENTS of the chunks that a file has along an axis, of which it may want a single element
 * each;
 * - a tile evaluates at most MOST_EVALUATIONS pieces that compute (of a concatenation, of a take), as each has memory of its own;
 * - a tile of a reduction covers at most KEPT_CELLS cells of the result, so that its accumulators stay in the second-level cache;
 * - stages over the same domain that read the same files use the same tiles, so that blocks kept from the first serve the second.
 */
#include "plan/build.h"

#include <string.h>

enum {
    TILE_ELEMENTS = 1 << 18,     /* 2 MiB of float64 */
    MIRRORED_ELEMENTS = 1 << 15, /* a tile and its mirror image fit the second-level cache */
    BROADCAST_BYTES = 1 << 18,
    SHORT_PIECE = 1 << 12,
    KEPT_CELLS = 1 << 15,
    MOST_EVALUATIONS = 1 << 10,
    DECODED_ELEMENTS = 1 << 22,
    WANTED_TASKS = 64,        /* of a reduction: enough to balance any number of threads that is common today */
    PARTIALS_BYTES = 32 << 20 /* all partial accumulators of one output block */
};

/* The borders an axis of the domain would like: at every i with (i + phase) % chunk == 0, or explicit ones. */
typedef struct axis_base {
    int64_t chunk, phase;
    const int64_t *edges;
    int64_t n_edges;
    bool rigid; /* blocks may be joined, not split */
} axis_base;

static bool operand_has_blocks(const operand *o)
{
    return o->kind != OPERAND_MEMORY && o->kind != OPERAND_RESHAPE && o->kind != OPERAND_TAKE && o->kind != OPERAND_BODY;
}

static int64_t operand_weight(const operand *o)
{
    return shape_size(o->ndim, o->node->shape) * (int64_t)tsr_dtype_size(o->dtype);
}

static const operand *leading_operand(const body *t)
{
    const operand *best = NULL;
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (operand_has_blocks(o) && (!best || operand_weight(o) > operand_weight(best))) best = o;
    }
    return best;
}

static bool is_rigid(const operand *o)
{
    if (o->kind == OPERAND_STORE) return o->node->p.store.file->vars[o->node->p.store.var].is_chunked;
    if (o->kind == OPERAND_CONCAT && o->n_pieces > 0 && o->pieces[0]->n_operands > 0) return is_rigid(&o->pieces[0]->operands[0]);
    return false;
}

/* The blocks of an operand, or the chunks that its file decodes whole: `chunks` has room for these. */
static const grid *operand_grid(const builder *b, const operand *o, grid *chunks)
{
    int64_t chunk[TSR_MAX_NDIM];
    if (o->kind == OPERAND_STORE && operand_is_chunked(o, chunk)) {
        chunks->ndim = o->ndim;
        for (int d = 0; d < o->ndim; d++) chunks->axes[d] = axis_grid_regular(o->node->shape[d], chunk[d]);
        return chunks;
    }
    if (o->kind == OPERAND_BLOCKS) return o->node->p.blocks.stored;
    return o->kind == OPERAND_STAGE ? &b->plan->stages[o->stage].outputs[o->output].blocks : &o->node->grid;
}

/* The borders of a source axis seen through the map of an operand. */
static tsr_status map_base(builder *b, const axis_grid *g, view_axis m, int64_t length, axis_base *out)
{
    int64_t step = m.step < 0 ? -m.step : m.step;
    if (!g->edges) {
        if (step == 1 && m.step > 0) {
            *out = (axis_base){.chunk = g->chunk, .phase = (m.start + g->phase) % g->chunk, .rigid = out->rigid};
        } else if (step == 1) { /* reversed: border where source index start - i + 1 is a multiple */
            *out = (axis_base){
                .chunk = g->chunk, .phase = (g->chunk - 1 - (m.start + g->phase) % g->chunk) % g->chunk, .rigid = out->rigid};
        } else {
            out->chunk = g->chunk / step > 1 ? g->chunk / step : 1;
        }
        return TSR_OK;
    }
    int64_t *edges = ARENA_ARRAY(b->memory, int64_t, g->n_blocks + 2), n = 0;
    if (!edges) return TSR_ERR_MEMORY;
    edges[n++] = 0;
    for (int64_t k = 1; k < g->n_blocks; k++) {
        int64_t border = m.step > 0 ? g->edges[k] : g->edges[g->n_blocks - k]; /* in the order of the domain */
        int64_t distance = m.step > 0 ? border - m.start : m.start - border + 1;
        int64_t at = distance <= 0 ? 0 : (distance + step - 1) / step;
        if (at > edges[n - 1] && at < length) edges[n++] = at;
    }
    edges[n] = length;
    *out = (axis_base){.chunk = g->chunk, .edges = edges, .n_edges = n, .rigid = out->rigid};
    return TSR_OK;
}

static tsr_status find_bases(builder *b, const stage *s, const tsr_array *domain, const int64_t *output_chunk, axis_base *bases)
{
    const body *t = s->body;
    for (int d = 0; d < t->ndim; d++) {
        bases[d] = (axis_base){.chunk = t->shape[d] ? t->shape[d] : 1};
        if (domain->ndim == t->ndim && domain->shape[d] == t->shape[d])
            TRY(map_base(b, &domain->grid.axes[d], (view_axis){d, 0, 1}, t->shape[d], &bases[d]));
    }
    const operand *o = leading_operand(t);
    if (o && operand_weight(o) * 4 >= shape_size(t->ndim, t->shape)) {
        grid chunks;
        const grid *g = operand_grid(b, o, &chunks);
        for (int d = 0; d < o->ndim; d++) {
            view_axis m = o->map[d];
            if (m.axis < 0 || m.step == 0) continue;
            bases[m.axis].rigid = is_rigid(o);
            TRY(map_base(b, &g->axes[d], m, t->shape[m.axis], &bases[m.axis]));
        }
    }
    for (int d = 0; output_chunk && d < t->ndim; d++) bases[d] = (axis_base){.chunk = output_chunk[d], .rigid = true};
    if (s->kind == STAGE_QUANTILE)
        bases[s->axis] = (axis_base){.chunk = t->shape[s->axis] ? t->shape[s->axis] : 1, .rigid = true};
    return TSR_OK;
}

static int64_t product(int ndim, const int64_t *extent, uint32_t axes)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) {
        if (axes >> d & 1) n *= extent[d];
    }
    return n;
}

/* Splits the axes of a set, outermost first, until their product is at most `most`. */
static void shrink(const axis_base *bases, int ndim, int64_t *extent, uint32_t axes, int64_t most)
{
    for (int d = 0; d < ndim && product(ndim, extent, axes) > most; d++) {
        if (!(axes >> d & 1) || bases[d].rigid) continue;
        int64_t rest = product(ndim, extent, axes) / extent[d];
        int64_t fit = rest >= most ? 1 : most / rest;
        int64_t parts = (extent[d] + fit - 1) / fit;
        extent[d] = (extent[d] + parts - 1) / parts;
    }
}

/* The axes along which operands are broadcast that are too large to stay in the second-level cache while a tile of this extent
 * is computed, as the means in x - mean(x, 0) are. */
static uint32_t axes_of_large_broadcasts(const body *t, const int64_t *extent)
{
    uint32_t found = 0;
    int64_t bytes = 0;
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        int64_t covered = (int64_t)tsr_dtype_size(o->dtype);
        uint32_t absent = (uint32_t)((1ull << t->ndim) - 1);
        for (int d = 0; d < o->ndim; d++) {
            if (o->map[d].axis < 0) continue;
            covered *= extent[o->map[d].axis];
            absent &= ~(1u << o->map[d].axis);
        }
        for (int d = 0; d < t->ndim; d++)
            if (t->shape[d] == 1) absent &= ~(1u << d);
        if (!absent) continue;
        bytes += covered;
        found |= absent;
    }
    return bytes > BROADCAST_BYTES ? found : 0;
}

/* Splits blocks until a tile has at most `most` elements: the outermost axes first, so that what is left lies together; but where
 * tiles would read large broadcast operands again and again, the axes along which they vary, down to pieces of SHORT_PIECE. */
static void split(const stage *s, const axis_base *bases, int64_t *extent, int64_t most)
{
    const body *t = s->body;
    const uint32_t all = (uint32_t)((1ull << t->ndim) - 1);
    int64_t usual[TSR_MAX_NDIM];
    memcpy(usual, extent, sizeof usual);
    shrink(bases, t->ndim, usual, all, most);
    const uint32_t along = s->kind == STAGE_MAP ? axes_of_large_broadcasts(t, usual) : 0;
    if (along) {
        const int64_t room = most / product(t->ndim, extent, along);
        shrink(bases, t->ndim, extent, all & ~along, room > SHORT_PIECE ? room : SHORT_PIECE);
    }
    shrink(bases, t->ndim, extent, all, most);
}

static bool computes(const operand *o)
{
    for (int i = 0; i < o->n_pieces && i < 4; i++) /* pieces are alike */
        if (!o->pieces[i]->passthrough) return true;
    return false;
}

/* A series of points of compressed maps decodes all the maps: that is work for many tasks. */
static void limit_decoding(const operand *o, int64_t *limit)
{
    int64_t chunk[TSR_MAX_NDIM];
    const operand *file =
        o->kind == OPERAND_CONCAT && o->n_pieces > 0 && o->pieces[0]->n_operands > 0 ? &o->pieces[0]->operands[0] : o;
    if (file->kind != OPERAND_STORE || file->ndim != o->ndim || !operand_is_chunked(file, chunk)) return;
    const int64_t elements = shape_size(o->ndim, chunk), n_chunks = elements < DECODED_ELEMENTS ? DECODED_ELEMENTS / elements : 1;
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        int64_t step = m.step < 0 ? -m.step : m.step;
        if (m.axis < 0 || step == 0) continue;
        int64_t most = n_chunks * (chunk[d] > step ? chunk[d] / step : 1);
        if (most < limit[m.axis]) limit[m.axis] = most;
    }
}

/* The most indices that a tile may have along each axis. */
static void find_limits(const body *t, int64_t *limit)
{
    for (int d = 0; d < t->ndim; d++) limit[d] = INT64_MAX;
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        limit_decoding(o, limit);
        if ((o->kind != OPERAND_TAKE && o->kind != OPERAND_CONCAT) || !computes(o)) continue;
        view_axis m = o->map[o->axis];
        int64_t length = o->kind == OPERAND_TAKE ? 1 : o->edges[o->n_pieces] / o->n_pieces, step = m.step < 0 ? -m.step : m.step;
        if (m.axis < 0 || step == 0) continue;
        int64_t most = length < INT64_MAX / MOST_EVALUATIONS ? length * MOST_EVALUATIONS / step : INT64_MAX;
        if (most < limit[m.axis]) limit[m.axis] = most > 1 ? most : 1;
    }
}

/* Joins blocks along the axes of a set, innermost first, while a tile stays within `most` and its kept cells within `most_kept`.
 */
static void grow(const body *t, int64_t *extent, const int64_t *limit, uint32_t kept, int64_t most, int64_t most_kept)
{
    uint32_t all = (uint32_t)((1ull << t->ndim) - 1);
    for (int d = t->ndim - 1; d >= 0; d--) {
        int64_t factor = most / product(t->ndim, extent, all);
        if (kept >> d & 1) {
            int64_t kept_factor = most_kept / product(t->ndim, extent, kept);
            if (kept_factor < factor) factor = kept_factor;
        }
        if (factor > limit[d] / extent[d]) factor = limit[d] / extent[d];
        if (factor <= 1) continue;
        extent[d] = extent[d] > t->shape[d] / factor ? (t->shape[d] ? t->shape[d] : 1) : extent[d] * factor;
    }
}

/* The grid of one axis with blocks of about `extent`. */
static tsr_status make_axis(builder *b, const axis_base *base, int64_t length, int64_t extent, axis_grid *out)
{
    if (extent >= length || length == 0) {
        *out = axis_grid_regular(length, length);
        return TSR_OK;
    }
    if (!base->edges) {
        *out = extent < base->chunk ? axis_grid_regular(length, extent)
                                    : axis_grid_phased(length, extent / base->chunk * base->chunk, base->phase);
        return TSR_OK;
    }
    int64_t *edges = ARENA_ARRAY(b->memory, int64_t, base->n_edges + length / extent + 3), n = 0;
    if (!edges) return TSR_ERR_MEMORY;
    edges[n++] = 0;
    for (int64_t k = 1; k <= base->n_edges; k++) {
        bool last = k == base->n_edges;
        int64_t from = edges[n - 1], here = base->edges[k], next = last ? here : base->edges[k + 1];
        if (!last && next - from <= extent) continue; /* the next piece fits, too */
        if (!base->rigid) {
            int64_t parts = (here - from + extent - 1) / extent;
            for (int64_t i = 1; i < parts; i++) edges[n++] = from + (here - from) * i / parts;
        }
        edges[n++] = here;
    }
    *out = axis_grid_edges(n - 1, edges);
    return TSR_OK;
}

static tsr_status inherit_tiles(const builder *b, stage *s, bool *done)
{
    bool reads = false;
    *done = false;
    for (int k = 0; k < s->body->n_operands; k++)
        reads |= s->body->operands[k].kind == OPERAND_STORE || s->body->operands[k].kind == OPERAND_CONCAT;
    if (!reads) return TSR_OK;
    for (int i = b->plan->n_stages - 1; i >= 0 && !*done; i--) {
        const stage *other = &b->plan->stages[i];
        bool same = other != s && other->kind <= STAGE_REDUCE && other->body->ndim == s->body->ndim;
        for (int d = 0; same && d < s->body->ndim; d++) same = other->body->shape[d] == s->body->shape[d];
        if (!same) continue;
        for (int k = 0; k < s->body->n_operands && !*done; k++) {
            const operand *o = &s->body->operands[k];
            if (o->kind != OPERAND_STORE && o->kind != OPERAND_CONCAT) continue;
            for (int j = 0; j < other->body->n_operands && !*done; j++) *done = other->body->operands[j].node == o->node;
        }
        if (*done) s->tiles = other->tiles;
    }
    return TSR_OK;
}

static int64_t state_bytes_per_cell(const stage *s)
{
    int64_t bytes = 0;
    for (int i = 0; i < s->body->prog->n_accumulators; i++) {
        const program_accumulator *a = &s->body->prog->accumulators[i];
        for (int f = 0; f < a->ops->n_fields; f++) bytes += a->ops->field_bytes[f];
    }
    return bytes;
}

void stage_choose_runs(stage *s, int64_t cell_bytes)
{
    int64_t blocks = stage_n_blocks(s), cells = 1;
    s->n_folds = 1;
    s->n_folded = 1;
    for (int d = 0; d < s->tiles.ndim; d++) {
        if (s->axes >> d & 1) {
            s->n_folds *= s->tiles.axes[d].n_blocks;
            s->n_folded *= s->body->shape[d];
        } else {
            cells *= s->tiles.axes[d].chunk;
        }
    }
    int64_t runs = (WANTED_TASKS + blocks - 1) / blocks;
    int64_t room = PARTIALS_BYTES / (cells * cell_bytes + 1);
    if (runs > room) runs = room > 8 ? room : 8;
    if (runs > s->n_folds) runs = s->n_folds;
    s->n_runs = runs > 0 ? runs : 1;
    s->n_tasks = blocks * s->n_runs;
}

/* Does one operand read from the end what another reads from the start, as in x * x[::-1]? */
static bool reads_mirrored(const stage *s, const operand *x, const operand *y)
{
    bool mirrored = false;
    if (x->kind != y->kind || x->node != y->node || x->stage != y->stage || x->output != y->output) return false;
    for (int d = 0; d < x->ndim; d++) {
        const view_axis *a = &x->map[d], *b = &y->map[d];
        if (a->axis != b->axis) return false;
        if (a->step == b->step && a->start == b->start) continue;
        if (a->axis < 0 || a->step != -b->step || !(s->axes >> a->axis & 1)) return false;
        mirrored = true;
    }
    return mirrored;
}

/* The second reading then finds in the cache what the first has left. Arrays that are evaluated, not read, gain nothing. */
static bool is_mirrored(const stage *s)
{
    const body *t = s->body;
    for (int i = 0; i < t->n_operands; i++)
        for (int k = 0; k < i; k++)
            if (t->operands[i].n_pieces == 0 && reads_mirrored(s, &t->operands[i], &t->operands[k])) return true;
    return false;
}

tsr_status stage_choose_tiles(builder *b, stage *s, const tsr_array *domain, const int64_t *output_chunk)
{
    const body *t = s->body;
    uint32_t all = (uint32_t)((1ull << t->ndim) - 1), kept = s->kind == STAGE_REDUCE ? all & ~s->axes : all;
    s->is_mirrored = s->kind == STAGE_REDUCE && is_mirrored(s);
    int64_t wanted = s->is_mirrored ? MIRRORED_ELEMENTS : TILE_ELEMENTS;
    int64_t most_kept = s->kind == STAGE_REDUCE ? KEPT_CELLS : wanted;
    bool inherited = false;
    if (s->kind == STAGE_CALL) { /* the blocks are part of what the function means */
        s->tiles = domain->grid;
        s->n_tasks = grid_n_blocks(&s->tiles);
        return TSR_OK;
    }
    if (s->kind <= STAGE_REDUCE && !output_chunk) TRY(inherit_tiles(b, s, &inherited));
    if (!inherited) {
        axis_base bases[TSR_MAX_NDIM];
        int64_t extent[TSR_MAX_NDIM], limit[TSR_MAX_NDIM];
        find_limits(t, limit);
        TRY(find_bases(b, s, domain, output_chunk, bases));
        for (int d = 0; d < t->ndim; d++) {
            extent[d] = bases[d].chunk < t->shape[d] ? bases[d].chunk : t->shape[d];
            if (extent[d] < 1) extent[d] = 1;
            if (extent[d] > limit[d] && !bases[d].rigid) extent[d] = limit[d];
        }
        if (s->kind == STAGE_REDUCE) shrink(bases, t->ndim, extent, kept, KEPT_CELLS);
        split(s, bases, extent, 2 * wanted);
        grow(t, extent, limit, kept, wanted, most_kept);
        s->tiles.ndim = t->ndim;
        for (int d = 0; d < t->ndim; d++) TRY(make_axis(b, &bases[d], t->shape[d], extent[d], &s->tiles.axes[d]));
    }
    if (s->kind == STAGE_REDUCE) {
        stage_choose_runs(s, state_bytes_per_cell(s));
    } else {
        s->n_tasks = grid_n_blocks(&s->tiles);
    }
    return TSR_OK;
}
