/* The work of a contraction's task: each fold adds the product of two tiles to the state of the output block, one matrix product
 * for each index of the axes that both inputs keep. The state lies in the order (both, left, right), dense, and is put into the
 * order of the output at the end. Runs are merged in their order, so the bits do not depend on which was ready first. */
#include "engine/run.h"

#include "kernel/contract.h"

#include <stdlib.h>
#include <string.h>

/* One input of a tile as a stack of matrices: strides in bytes for each axis of the domain, 0 for axes it has not. */
typedef struct matrices {
    const char *data;
    int64_t strides[TSR_MAX_NDIM];
    int64_t row, column; /* in elements */
} matrices;

/* The stride of the axes of one side taken as one axis; -1 if they do not lie that way. 0: there is only one index. */
static int64_t joined_stride(const contract_domain *d, contract_side side, const int64_t *count, const int64_t *strides)
{
    int64_t unit = 0, next = 0;
    for (int a = d->ndim - 1; a >= 0; a--) {
        if (d->side[a] != side || count[a] == 1) continue;
        if (unit == 0) {
            unit = strides[a];
        } else if (strides[a] != next) {
            return -1;
        }
        next = strides[a] * count[a];
    }
    return unit;
}

/* Strides of a dense order: `outer`, `middle` and `inner` axes, each in the order of the domain. */
static void dense_strides(const contract_domain *d, const contract_side order[3], const int64_t *count, size_t size,
                          int64_t *strides)
{
    int64_t step = (int64_t)size;
    for (int i = 2; i >= 0; i--) {
        for (int a = d->ndim - 1; a >= 0; a--) {
            if (d->side[a] != order[i]) continue;
            strides[a] = step;
            step *= count[a];
        }
    }
}

/* Which side of the matrices runs fastest in memory: packing keeps that order, so that the same products are computed whether or
 * not an input had to be packed. */
static contract_side fastest_side(const contract_domain *d, contract_side rows, contract_side columns, const int64_t *count,
                                  const int64_t *strides)
{
    contract_side side = columns;
    int64_t smallest = INT64_MAX;
    for (int a = 0; a < d->ndim; a++) {
        if ((d->side[a] != rows && d->side[a] != columns) || count[a] == 1 || llabs(strides[a]) >= smallest) continue;
        smallest = llabs(strides[a]);
        side = d->side[a];
    }
    return side;
}

/* The values of an input over the tile, as matrices that the product takes: where they lie, or packed. */
static tsr_status bind_matrices(worker *w, const operand *o, const contract_domain *d, const box *tile, contract_side rows,
                                contract_side columns, matrices *out)
{
    region domain = region_of_box(tile), source = operand_region(o, &domain);
    operand_binding values;
    size_t size = tsr_dtype_size(o->dtype);
    int64_t m = contract_extent(d, rows, tile->count), n = contract_extent(d, columns, tile->count);
    TRY(fetch_values(w, o->pieces[0], &source, &values));
    memset(out->strides, 0, sizeof out->strides);
    for (int k = 0; k < o->ndim; k++) out->strides[o->map[k].axis] = values.strides[k];
    int64_t row = joined_stride(d, rows, tile->count, out->strides),
            column = joined_stride(d, columns, tile->count, out->strides);
    bool whole = row >= 0 && column >= 0 && row % (int64_t)size == 0 && column % (int64_t)size == 0;
    bool aligned = (uintptr_t)values.data % (dtype_is_complex(o->dtype) ? size / 2 : size) == 0;
    out->data = values.data;
    out->row = m == 1 ? n : row / (int64_t)size;
    out->column = n == 1 ? (m == 1 ? 1 : m) : column / (int64_t)size;
    if (m == 1 && n > 1) out->row = n * llabs(out->column);
    if (whole && aligned && contract_fits(o->dtype, m, n, out->row, out->column)) return TSR_OK;

    buffer *packed;
    int64_t from[TSR_MAX_NDIM], to[TSR_MAX_NDIM];
    bool by_columns = dtype_is_inexact(o->dtype) && fastest_side(d, rows, columns, tile->count, out->strides) == rows;
    contract_side order[3] = {SIDE_BOTH, by_columns ? columns : rows, by_columns ? rows : columns};
    TRY(worker_buffer(w, (size_t)box_size(&source.box) * size, &packed));
    memset(out->strides, 0, sizeof out->strides);
    dense_strides(d, order, tile->count, size, out->strides);
    for (int k = 0; k < o->ndim; k++) {
        from[k] = values.strides[k];
        to[k] = out->strides[o->map[k].axis];
    }
    copy_strided(w->run->plan->kernels, o->dtype, o->ndim, source.box.count, packed->data, to, values.data, from);
    out->data = packed->data;
    out->row = by_columns ? 1 : n;
    out->column = by_columns ? m : 1;
    return TSR_OK;
}

size_t contract_state_bytes(const stage *s, const box *tile)
{
    contract_domain d = contract_domain_of(s->outputs[0].node);
    int64_t cells = 1;
    for (int a = 0; a < d.ndim; a++)
        if (d.side[a] != SIDE_SUM) cells *= tile->count[a];
    return (size_t)cells * tsr_dtype_size(s->outputs[0].dtype);
}

static tsr_status begin_state(worker *w, const stage *s, const box *tile, fold *f)
{
    size_t bytes = contract_state_bytes(s, tile);
    TRY(buffer_new(w->run->buffers, bytes, &f->state));
    keeper_hold(w->run->keeper, f->state->size_bytes);
    memset(f->state->data, 0, bytes);
    return TSR_OK;
}

/* The axes that both inputs keep, innermost first. */
static int batch_axes(const contract_domain *d, int *axes)
{
    int n = 0;
    for (int a = d->ndim - 1; a >= 0; a--)
        if (d->side[a] == SIDE_BOTH) axes[n++] = a;
    return n;
}

tsr_status execute_contract_tile(worker *w, const stage *s, fold *f, int64_t block, int64_t number)
{
    box tile = stage_fold_tile(s, block, number);
    contract_domain d = contract_domain_of(s->outputs[0].node);
    tsr_dtype dtype = s->outputs[0].dtype;
    matrices a, b;
    if (!f->state) TRY(begin_state(w, s, &tile, f));
    if (box_size(&tile) == 0) return TSR_OK;
    TRY(bind_matrices(w, &s->body->operands[0], &d, &tile, SIDE_LEFT, SIDE_SUM, &a));
    TRY(bind_matrices(w, &s->body->operands[1], &d, &tile, SIDE_SUM, SIDE_RIGHT, &b));
    int64_t m = contract_extent(&d, SIDE_LEFT, tile.count), n = contract_extent(&d, SIDE_RIGHT, tile.count);
    int64_t k = contract_extent(&d, SIDE_SUM, tile.count), at[TSR_MAX_NDIM] = {0};
    int axes[TSR_MAX_NDIM], n_axes = batch_axes(&d, axes), i;
    char *c = f->state->data;
    do {
        matrix x = {a.data, a.row, a.column}, y = {b.data, b.row, b.column};
        for (int e = 0; e < n_axes; e++) {
            x.data += at[e] * a.strides[axes[e]];
            y.data += at[e] * b.strides[axes[e]];
        }
        TRY(contract_product(w->run->plan->kernels, dtype, m, n, k, &x, &y, c));
        c += m * n * (int64_t)tsr_dtype_size(dtype);
        for (i = 0; i < n_axes; i++) {
            if (++at[i] < tile.count[axes[i]]) break;
            at[i] = 0;
        }
    } while (i < n_axes);
    return TSR_OK;
}

tsr_status execute_contract_merge(worker *w, const stage *s, fold *left, const buffer *right, int64_t block)
{
    const stage_output *o = &s->outputs[0];
    box tile = stage_fold_tile(s, block, 0);
    unsigned faults = 0;
    size_t cells = contract_state_bytes(s, &tile) / tsr_dtype_size(o->dtype);
    TRY(execute_own_state(w, left));
    char *total = left->state->data;
    w->run->plan->kernels->map[OP_ADD][o->dtype][FORM_VV](total, total, right->data, NULL, cells, &faults);
    return TSR_OK;
}

tsr_status execute_contract_finish(worker *w, const stage *s, stage_run *sr, const buffer *state, int64_t block)
{
    static const contract_side order[3] = {SIDE_BOTH, SIDE_LEFT, SIDE_RIGHT};
    const stage_output *o = &s->outputs[0];
    const kernels *k = w->run->plan->kernels;
    box tile = stage_fold_tile(s, block, 0);
    contract_domain d = contract_domain_of(o->node);
    size_t size = tsr_dtype_size(o->dtype);
    int64_t strides[TSR_MAX_NDIM] = {0};
    delivery to;
    dense_strides(&d, order, tile.count, size, strides);
    TRY(delivery_begin(w, s, sr, 0, block, &to));
    copy_strided(k, o->dtype, o->ndim, tile.count, to.data, to.strides, state->data, strides);
    return delivery_end(w, s, sr, 0, block, &to);
}
