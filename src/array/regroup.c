/* Another shape block by block: reshape_blocks. The elements of each block stay together, block after block in C order of their
 * numbers; so nothing moves between blocks, unlike reshape. One node for each block. */
#include "array/build.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static int64_t count_blocks(const grid *g)
{
    int64_t n = 1;
    for (int d = 0; d < g->ndim; d++) n *= g->axes[d].n_blocks;
    return n;
}

/* The next block in C order. */
static void advance(const grid *g, int64_t *index)
{
    for (int d = g->ndim - 1; d >= 0 && ++index[d] == g->axes[d].n_blocks; d--) index[d] = 0;
}

static tsr_array *flat_block(tsr_array *a, const int64_t *index)
{
    tsr_index items[TSR_MAX_NDIM] = {{0}};
    int64_t all = -1;
    for (int d = 0; d < a->ndim; d++) {
        const axis_grid *g = &a->grid.axes[d];
        int64_t start = axis_grid_start(g, index[d]), stop = start + axis_grid_count(g, index[d]);
        items[d] = (tsr_index){.kind = TSR_INDEX_SLICE, .has_start = true, .has_stop = true, .start = start, .stop = stop};
    }
    tsr_array *block = tsr_slice(a, a->ndim, items);
    return array_using(block ? tsr_reshape(block, 1, &all) : NULL, block);
}

/* All blocks, one after the other in one dimension. */
static tsr_array *in_line(tsr_array *a)
{
    int64_t n = count_blocks(&a->grid), index[TSR_MAX_NDIM] = {0};
    if (n > INT32_MAX) {
        (void)error_set(TSR_ERR_UNSUPPORTED, "reshape_blocks: %" PRId64 " blocks are too many", n);
        return NULL;
    }
    tsr_array **pieces = mem_calloc((size_t)n, sizeof(tsr_array *)), *line = NULL;
    if (!pieces) return NULL;
    for (int64_t k = 0; k < n; k++, advance(&a->grid, index)) pieces[k] = flat_block(a, index);
    line = array_join((int)n, pieces, 0);
    mem_free(pieces);
    return line;
}

typedef struct layout {
    tsr_array *line;
    int ndim;
    const tsr_chunks *chunks; /* of the result */
    int64_t at;               /* so much of the line is laid out */
} layout;

/* The blocks of the result that have these lengths along the axes before `axis`, joined. As deep as there are axes. */
static tsr_array *lay_out(layout *l, int axis, int64_t *shape)
{
    if (axis >= l->ndim) {
        int64_t n = shape_size(l->ndim, shape);
        tsr_array *part = array_part(l->line, 0, l->at, l->at + n);
        l->at += n;
        return array_using(part ? tsr_reshape(part, l->ndim, shape) : NULL, part);
    }
    int64_t n = l->chunks[axis].n;
    tsr_array **pieces = mem_calloc((size_t)n, sizeof(tsr_array *));
    if (!pieces) return NULL;
    for (int64_t k = 0; k < n; k++) {
        shape[axis] = l->chunks[axis].lengths[k];
        pieces[k] = lay_out(l, axis + 1, shape);
    }
    tsr_array *joined = array_join((int)n, pieces, axis);
    mem_free(pieces);
    return joined;
}

/* Have the k-th block of a and of the result as many elements, for every k? */
static tsr_status check_sizes(const tsr_array *a, int ndim, const tsr_chunks *chunks)
{
    int64_t n = 1, from[TSR_MAX_NDIM] = {0}, to[TSR_MAX_NDIM] = {0};
    for (int d = 0; d < ndim; d++)
        if (chunks[d].n < 1 || __builtin_mul_overflow(n, chunks[d].n, &n))
            return error_set(TSR_ERR_VALUE, "reshape_blocks: axis %d of the result has %" PRId64 " chunks", d, chunks[d].n);
    if (n != count_blocks(&a->grid))
        return error_set(TSR_ERR_VALUE, "reshape_blocks: the array has %" PRId64 " blocks, the result %" PRId64,
                         count_blocks(&a->grid), n);
    for (int64_t k = 0; k < n; k++, advance(&a->grid, from)) {
        int64_t here = 1, there = 1;
        for (int d = 0; d < a->ndim; d++) here *= axis_grid_count(&a->grid.axes[d], from[d]);
        for (int d = 0; d < ndim; d++)
            if (chunks[d].lengths[to[d]] < 0 || __builtin_mul_overflow(there, chunks[d].lengths[to[d]], &there)) there = -1;
        if (here != there)
            return error_set(TSR_ERR_VALUE, "reshape_blocks: block %" PRId64 " has %" PRId64 " elements, in the result %" PRId64,
                             k, here, there);
        for (int d = ndim - 1; d >= 0 && ++to[d] == chunks[d].n; d--) to[d] = 0;
    }
    return TSR_OK;
}

/* Which axes of `a` go into each axis of the shape: axis d gets those from first[d] to first[d + 1]. */
static bool find_groups(const tsr_array *a, int ndim, const int64_t *shape, int *first)
{
    int at = 0;
    for (int d = 0; d < ndim; d++) {
        int64_t length = 1;
        first[d] = at;
        while (at < a->ndim && length * a->shape[at] <= shape[d] && (length < shape[d] || a->shape[at] == 1)) {
            if (length == shape[d] && a->ndim - at <= ndim - d - 1) break; /* a 1 that is needed further on */
            length *= a->shape[at++];
        }
        if (length != shape[d]) return false;
    }
    first[ndim] = a->ndim;
    return at == a->ndim;
}

/* The lengths of the chunks of axes first ... last that become one: their products, in C order. mem_freed. */
static int64_t *merged_lengths(const tsr_array *a, int first, int last, int64_t *n)
{
    grid g = {.ndim = last - first};
    int64_t index[TSR_MAX_NDIM] = {0};
    memcpy(g.axes, a->grid.axes + first, sizeof *g.axes * (size_t)g.ndim);
    *n = count_blocks(&g);
    int64_t *lengths = mem_alloc(sizeof *lengths * (size_t)*n);
    for (int64_t k = 0; lengths && k < *n; k++, advance(&g, index)) {
        lengths[k] = 1;
        for (int d = 0; d < g.ndim; d++) lengths[k] *= axis_grid_count(&g.axes[d], index[d]);
    }
    return lengths;
}

tsr_array *tsr_reshape_blocks(tsr_array *a, int ndim, const int64_t *shape, const tsr_chunks *chunks)
{
    tsr_chunks merged[TSR_MAX_NDIM];
    int64_t *owned[TSR_MAX_NDIM] = {NULL}, part[TSR_MAX_NDIM];
    int first[TSR_MAX_NDIM + 1];
    tsr_array *result = NULL;
    if (!array_ready(a) || shape_check("reshape_blocks", ndim, shape) != TSR_OK) return NULL;
    if (shape_size(ndim, shape) != shape_size(a->ndim, a->shape)) {
        (void)error_set(TSR_ERR_VALUE, "reshape_blocks: an array of %" PRId64 " elements cannot have a shape of %" PRId64,
                        shape_size(a->ndim, a->shape), shape_size(ndim, shape));
        return NULL;
    }
    if (shape_size(ndim, shape) == 0) return tsr_zeros(a->session, a->dtype, ndim, shape, NULL);
    bool ready = chunks || find_groups(a, ndim, shape, first);
    if (!ready)
        (void)error_set(TSR_ERR_VALUE, "reshape_blocks: no neighbouring dimensions go together to make this shape; "
                                       "for more dimensions give the chunks");
    for (int d = 0; ready && !chunks && d < ndim; d++) {
        owned[d] = merged_lengths(a, first[d], first[d + 1], &merged[d].n);
        merged[d].lengths = owned[d];
        ready = owned[d];
    }
    layout l = {.ndim = ndim, .chunks = chunks ? chunks : merged};
    if (ready && check_sizes(a, ndim, l.chunks) == TSR_OK && (l.line = in_line(a))) result = lay_out(&l, 0, part);
    for (int d = 0; d < ndim; d++) mem_free(owned[d]);
    return array_using(result, l.line);
}
