/* Arithmetic on shapes and grids; everything here is pure. */
#include "block/shape.h"

#include <stdio.h>
#include <string.h>

int64_t shape_size(int ndim, const int64_t *shape)
{
    int64_t size = 1;
    bool overflow = false;
    for (int d = 0; d < ndim; d++) {
        if (shape[d] == 0) return 0;
        if (__builtin_mul_overflow(size, shape[d], &size)) {
            overflow = true;
            size = 1;
        }
    }
    return overflow ? INT64_MAX : size;
}

void shape_strides(int ndim, const int64_t *shape, size_t item_bytes, int64_t *strides)
{
    int64_t stride = (int64_t)item_bytes;
    for (int d = ndim - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= shape[d] > 0 ? shape[d] : 1;
    }
}

char *shape_format(int ndim, const int64_t *shape, char *buffer, size_t size)
{
    size_t n = (size_t)snprintf(buffer, size, "(");
    for (int d = 0; d < ndim && n < size; d++) {
        n += (size_t)snprintf(buffer + n, size - n, d ? ", %lld" : "%lld", (long long)shape[d]);
    }
    if (n < size) snprintf(buffer + n, size - n, ndim == 1 ? ",)" : ")");
    return buffer;
}

box box_of_shape(int ndim, const int64_t *shape)
{
    box b = {.ndim = ndim};
    for (int d = 0; d < ndim; d++) b.count[d] = shape[d];
    return b;
}

int64_t box_size(const box *b) { return shape_size(b->ndim, b->count); }

axis_grid axis_grid_regular(int64_t length, int64_t chunk)
{
    if (chunk < 1 || chunk > length) chunk = length > 0 ? length : 1;
    return (axis_grid){.length = length, .chunk = chunk, .n_blocks = length > 0 ? (length - 1) / chunk + 1 : 1};
}

axis_grid axis_grid_phased(int64_t length, int64_t chunk, int64_t phase)
{
    phase %= chunk;
    if (phase == 0 || length <= chunk - phase) return axis_grid_regular(length, chunk);
    int64_t n_blocks = (length - (chunk - phase) - 1) / chunk + 2;
    return (axis_grid){.length = length, .chunk = chunk, .n_blocks = n_blocks, .phase = phase};
}

axis_grid axis_grid_edges(int64_t n_blocks, const int64_t *edges)
{
    if (n_blocks < 1) return axis_grid_regular(0, 1);
    int64_t first = edges[1] - edges[0], length = edges[n_blocks], chunk = n_blocks > 1 ? edges[2] - edges[1] : first;
    if (n_blocks == 2 && first > chunk) chunk = first;
    bool regular = first > 0 && first <= chunk;
    for (int64_t i = 1; i < n_blocks && regular; i++) {
        int64_t count = edges[i + 1] - edges[i];
        regular = count == chunk || (i == n_blocks - 1 && count > 0 && count < chunk);
    }
    if (regular) return axis_grid_phased(length, chunk, chunk - first);
    int64_t largest = 1;
    for (int64_t i = 0; i < n_blocks; i++) {
        if (edges[i + 1] - edges[i] > largest) largest = edges[i + 1] - edges[i];
    }
    return (axis_grid){.length = length, .chunk = largest, .n_blocks = n_blocks, .edges = edges};
}

int64_t axis_grid_find(const axis_grid *g, int64_t index)
{
    if (!g->edges)
        return g->phase == 0                 ? index / g->chunk
               : index < g->chunk - g->phase ? 0
                                             : (index - (g->chunk - g->phase)) / g->chunk + 1;
    int64_t low = 0, high = g->n_blocks; /* edges[low] <= index < edges[high] */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (g->edges[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

int64_t grid_n_blocks(const grid *g)
{
    int64_t n = 1;
    for (int d = 0; d < g->ndim; d++) n *= g->axes[d].n_blocks;
    return n;
}

void grid_coords(const grid *g, int64_t block, int64_t *coords)
{
    for (int d = g->ndim - 1; d >= 0; d--) {
        coords[d] = block % g->axes[d].n_blocks;
        block /= g->axes[d].n_blocks;
    }
}

int64_t grid_block_at(const grid *g, const int64_t *coords)
{
    int64_t block = 0;
    for (int d = 0; d < g->ndim; d++) block = block * g->axes[d].n_blocks + coords[d];
    return block;
}

box grid_box(const grid *g, int64_t block)
{
    int64_t coords[TSR_MAX_NDIM];
    box b = {.ndim = g->ndim};
    grid_coords(g, block, coords);
    for (int d = 0; d < g->ndim; d++) {
        b.start[d] = axis_grid_start(&g->axes[d], coords[d]);
        b.count[d] = axis_grid_count(&g->axes[d], coords[d]);
    }
    return b;
}

static bool axis_grid_equal(const axis_grid *a, const axis_grid *b)
{
    if (a->length != b->length || a->n_blocks != b->n_blocks || a->chunk != b->chunk || a->phase != b->phase ||
        !a->edges != !b->edges)
        return false;
    return !a->edges || memcmp(a->edges, b->edges, sizeof *a->edges * (size_t)(a->n_blocks + 1)) == 0;
}

bool grid_equal(const grid *a, const grid *b)
{
    if (a->ndim != b->ndim) return false;
    for (int d = 0; d < a->ndim; d++) {
        if (!axis_grid_equal(&a->axes[d], &b->axes[d])) return false;
    }
    return true;
}
