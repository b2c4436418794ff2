/* Compressed sources that tiles cut across: a chunk is decoded whole, so each tile that touches it would decode it again. Such a
 * source becomes a stage of its own, whose tiles are whole chunks; its blocks are held (and spilled) within the memory budget,
 * and the tiles of other stages are cut from them.
 *
 * A chunk that is wanted again soon is still in the store's own cache; so only reuse over a longer distance counts. The decision
 * follows from the expression and the file, never from threads or the memory at hand. */
#include "plan/build.h"

enum {
    NEAR_BYTES = 48 << 20,   /* what is read again after fewer bytes than these is still decoded */
    LARGE_TILE = 64 << 20,   /* a tile of many chunks that has more bytes is better cut from blocks */
    COUNTED_TILES = 1 << 16, /* of one axis; more are alike */
};

bool operand_is_chunked(const operand *o, int64_t *chunk)
{
    if (o->kind == OPERAND_STORE) {
        const store_var *v = &o->node->p.store.file->vars[o->node->p.store.var];
        for (int d = 0; d < o->ndim; d++) chunk[d] = v->chunk[d] > 0 ? v->chunk[d] : 1;
        return v->is_chunked;
    }
    if (o->kind != OPERAND_CONCAT || o->pieces[0]->n_operands == 0) return false;
    const operand *piece = &o->pieces[0]->operands[0]; /* pieces are alike */
    if (piece->kind != OPERAND_STORE || piece->ndim != o->ndim) return false;
    for (int d = 0; d < o->ndim; d++)
        if (piece->map[d].axis != d || piece->map[d].step != 1) return false;
    return operand_is_chunked(piece, chunk);
}

/* Chunks along one axis between two indices, both included, that are touched when going from one to the other by `step`. */
static int64_t chunks_between(int64_t a, int64_t b, int64_t step, int64_t chunk)
{
    int64_t low = a < b ? a : b, high = a < b ? b : a;
    if (step < 0) step = -step;
    return step > chunk ? (high - low) / step + 1 : high / chunk - low / chunk + 1;
}

/* How often a chunk is touched by the tiles along an axis, on average. */
static double crossings(const axis_grid *tiles, view_axis m, int64_t chunk)
{
    int64_t n = tiles->n_blocks < COUNTED_TILES ? tiles->n_blocks : COUNTED_TILES, touched = 0, last = 0;
    if (tiles->length == 0) return 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t start = axis_grid_start(tiles, k);
        last = start + axis_grid_count(tiles, k) - 1;
        touched += chunks_between(m.start + m.step * start, m.start + m.step * last, m.step, chunk);
    }
    return (double)touched / (double)chunks_between(m.start, m.start + m.step * last, m.step, chunk);
}

/* The place of a domain axis in the order in which tiles are walked, the outermost first: a reduction folds the tiles of one kept
 * block before it goes on. */
static int place_of_axis(const stage *s, int axis)
{
    if (!stage_folds(s)) return axis;
    return s->axes >> axis & 1 ? axis + TSR_MAX_NDIM : axis;
}

/* Bytes that are read between two visits of neighbouring tiles along a domain axis. */
static double distance_bytes(const stage *s, const operand *o, const int64_t *chunk, int axis)
{
    double bytes = (double)tsr_dtype_size(o->dtype);
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        int64_t extent = chunk[d];
        if (m.axis >= 0 && m.axis != axis) {
            bool inner = place_of_axis(s, m.axis) > place_of_axis(s, axis);
            int64_t count = inner ? s->body->shape[m.axis] : s->tiles.axes[m.axis].chunk;
            extent = count * (m.step < 0 ? -m.step : m.step);
            extent = (extent + chunk[d] - 1) / chunk[d] * chunk[d];
        }
        bytes *= (double)(extent < o->node->shape[d] ? extent : o->node->shape[d]);
    }
    return bytes;
}

/* How often a chunk is decoded, on average. */
static double decodings(const stage *s, const operand *o, const int64_t *chunk)
{
    double times = 1;
    uint32_t named = 0;
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        if (m.axis < 0 || m.step == 0) continue;
        named |= 1u << m.axis;
        if (distance_bytes(s, o, chunk, m.axis) > NEAR_BYTES) times *= crossings(&s->tiles.axes[m.axis], m, chunk[d]);
    }
    for (int a = 0; a < s->tiles.ndim; a++) { /* tiles along an axis that the source does not have */
        if (!(named >> a & 1) && s->tiles.axes[a].n_blocks > 1 && distance_bytes(s, o, chunk, a) > NEAR_BYTES)
            times *= (double)s->tiles.axes[a].n_blocks;
    }
    return times;
}

/* A tile that holds a whole axis takes all chunks along it, and these cannot be cut: the tile grows far beyond a chunk. */
static bool is_swollen(const stage *s, const operand *o, const int64_t *chunk)
{
    box tile = {.ndim = s->tiles.ndim};
    double chunk_bytes = (double)tsr_dtype_size(o->dtype);
    if (s->kind != STAGE_QUANTILE) return false;
    for (int d = 0; d < tile.ndim; d++) tile.count[d] = s->tiles.axes[d].chunk;
    for (int d = 0; d < o->ndim; d++) chunk_bytes *= (double)chunk[d];
    double bytes = (double)box_size(&tile) * (double)tsr_dtype_size(o->dtype);
    return bytes > LARGE_TILE && bytes > 2 * chunk_bytes;
}

/* Do two operands read the same source a little apart, as a difference of neighbours does? The store would decode for each. */
static bool are_neighbours(const stage *s, const operand *a, const operand *b, const int64_t *chunk)
{
    if (a->node != b->node || a->kind != b->kind) return false;
    for (int d = 0; d < a->ndim; d++) {
        view_axis m = a->map[d], n = b->map[d];
        int64_t apart = m.start < n.start ? n.start - m.start : m.start - n.start;
        if (m.axis != n.axis || m.step != n.step) return false;
        if (apart == 0) continue;
        int64_t chunks = apart / chunk[d] + 1;
        if (m.axis < 0 || distance_bytes(s, a, chunk, m.axis) * (double)chunks > NEAR_BYTES) return false;
    }
    return true;
}

const tsr_array *plan_find_crossed(const plan *p)
{
    enum { OFTEN = 2 };
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        for (int k = 0; k < s->body->n_operands; k++) {
            const operand *o = &s->body->operands[k];
            int64_t chunk[TSR_MAX_NDIM];
            for (int d = 0; d < TSR_MAX_NDIM; d++) chunk[d] = 1;
            bool itself = s->n_outputs == 1 && s->outputs[0].node == o->node;
            if (itself || shape_size(s->body->ndim, s->body->shape) == 0 || !operand_is_chunked(o, chunk)) continue;
            double times = decodings(s, o, chunk);
            for (int j = 0; j < s->body->n_operands; j++)
                if (j != k && are_neighbours(s, o, &s->body->operands[j], chunk))
                    times += decodings(s, &s->body->operands[j], chunk);
            if (times >= OFTEN || is_swollen(s, o, chunk)) return o->node;
        }
    }
    return NULL;
}
