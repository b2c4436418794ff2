/* Shapes, boxes and grids: where elements are, without the elements. */
#ifndef TESSERA_BLOCK_SHAPE_H
#define TESSERA_BLOCK_SHAPE_H

#include "base/error.h"
#include "base/strbuf.h"
#include "tessera.h"

/* A box of indices: start[d] <= i[d] < start[d] + count[d]. */
typedef struct box {
    int ndim;
    int64_t start[TSR_MAX_NDIM], count[TSR_MAX_NDIM];
} box;

/* Product of the lengths; 1 for ndim 0. Saturates at INT64_MAX. */
int64_t shape_size(int ndim, const int64_t *shape);
/* Strides in bytes of a dense C-order block. */
void shape_strides(int ndim, const int64_t *shape, size_t item_bytes, int64_t *strides);
/* Text "(4, 721, 1440)", "(5,)", "()" as NumPy prints it. Returns `buffer`. */
char *shape_format(int ndim, const int64_t *shape, char *buffer, size_t size);
box box_of_shape(int ndim, const int64_t *shape);
int64_t box_size(const box *b);

/* How one dimension is cut into blocks: regular (blocks of `chunk`, of which the first is shorter by `phase` and the last may be
 * shorter, too) or explicit edges. Edges are n_blocks + 1 increasing numbers from 0 to length. An axis of length 0 has one block
 * of length 0. */
typedef struct axis_grid {
    int64_t length, chunk, n_blocks; /* chunk: with edges, the longest block */
    int64_t phase;                   /* regular: borders are at i where i + phase is a multiple of chunk */
    const int64_t *edges;            /* NULL when regular; owned by whoever made the grid, immutable */
} axis_grid;

axis_grid axis_grid_regular(int64_t length, int64_t chunk);
/* Any phase >= 0, chunk >= 1. */
axis_grid axis_grid_phased(int64_t length, int64_t chunk, int64_t phase);
/* Takes edges that must stay alive; falls back to the regular form when they are regular. */
axis_grid axis_grid_edges(int64_t n_blocks, const int64_t *edges);
static inline int64_t axis_grid_start(const axis_grid *g, int64_t block)
{
    return g->edges ? g->edges[block] : block > 0 ? block * g->chunk - g->phase : 0;
}
static inline int64_t axis_grid_count(const axis_grid *g, int64_t block)
{
    if (g->edges) return g->edges[block + 1] - g->edges[block];
    int64_t start = axis_grid_start(g, block), rest = g->length - start, full = block > 0 ? g->chunk : g->chunk - g->phase;
    return full < rest ? full : rest;
}
/* The block that holds an index, 0 <= index < length. */
int64_t axis_grid_find(const axis_grid *g, int64_t index);

typedef struct grid {
    int ndim;
    axis_grid axes[TSR_MAX_NDIM];
} grid;

int64_t grid_n_blocks(const grid *g);
/* The box of a block by its C-order number. */
box grid_box(const grid *g, int64_t block);
void grid_coords(const grid *g, int64_t block, int64_t *coords);
int64_t grid_block_at(const grid *g, const int64_t *coords);
bool grid_equal(const grid *a, const grid *b);

#endif
