/* The work of one task, once its blocks are there: bind, run the program, deliver the blocks. */
#include "engine/run.h"

#include <math.h>
#include <string.h>

static region tile_region(const box *tile) { return region_of_box(tile); }

static char *worker_scratch(worker *w) { return w->scratch->data; }

/* ---- Delivering -------------------------------------------------------------------------------------------------- */

/* The box of an output block. */
static box output_box(const stage_output *o, int64_t block) { return grid_box(&o->blocks, block); }

enum { STREAMED_BYTES = 32 << 20 /* results beyond what caches hold */ };

tsr_status delivery_begin(worker *w, const stage *s, const stage_run *sr, int i, int64_t block, delivery *d)
{
    const stage_output *o = &s->outputs[i];
    const held_set *set = sr->sets[i];
    const sink *to = o->root >= 0 ? &w->run->sinks[o->root] : NULL;
    box b = output_box(o, block);
    size_t size = tsr_dtype_size(o->dtype);
    bool is_kept = set ? set->persistent : to && to->kind == SINK_MEMORY;
    char *whole = sr->whole[i] ? sr->whole[i]->data : !set && to && to->kind == SINK_MEMORY ? to->data : NULL;
    *d = (delivery){.streamed = is_kept && shape_size(o->ndim, o->shape) * (int64_t)size >= STREAMED_BYTES};
    if (whole) {
        shape_strides(o->ndim, o->shape, size, d->strides);
        d->data = whole;
        for (int k = 0; k < o->ndim; k++) d->data += b.start[k] * d->strides[k];
        return TSR_OK;
    }
    TRY(buffer_new(w->run->buffers, (size_t)box_size(&b) * size, &d->buf));
    shape_strides(o->ndim, b.count, size, d->strides);
    d->data = d->buf->data;
    return TSR_OK;
}

tsr_status delivery_end(worker *w, const stage *s, const stage_run *sr, int i, int64_t block, delivery *d)
{
    const stage_output *o = &s->outputs[i];
    if (!d->buf) return TSR_OK;
    if (sr->sets[i]) {
        held_put(sr->sets[i], block, d->buf);
        return TSR_OK;
    }
    box b = output_box(o, block);
    const sink *to = &w->run->sinks[o->root];
    tsr_status status = store_write(to->writer, to->var, &b, d->buf->data);
    w->bytes_written += box_size(&b) * (int64_t)tsr_dtype_size(o->dtype);
    buffer_unref(d->buf);
    return status;
}

static void delivery_abandon(delivery *d, int n)
{
    for (int i = 0; i < n; i++) buffer_unref(d[i].buf);
}

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */

tsr_status execute_map(worker *w, const stage *s, stage_run *sr, int64_t block)
{
    box tile = stage_tile(s, block);
    region domain = tile_region(&tile);
    program_binding b;
    buffer *room;
    TRY(worker_buffer(w, sizeof(delivery) * (size_t)s->n_outputs, &room));
    delivery *to = (delivery *)(void *)room->data;
    TRY(fetch_bind(w, s->body, &domain, &b));
    for (int i = 0; i < s->n_outputs; i++) {
        tsr_status status = delivery_begin(w, s, sr, i, block, &to[i]);
        if (status != TSR_OK) {
            delivery_abandon(to, i);
            return status;
        }
        output_binding *o = &b.outputs[s->outputs[i].slot];
        o->data = to[i].data;
        o->streamed = to[i].streamed;
        memcpy(o->strides, to[i].strides, sizeof o->strides);
    }
    program_run(s->body->prog, &b, worker_scratch(w), &w->faults);
    for (int i = 0; i < s->n_outputs; i++) {
        tsr_status status = delivery_end(w, s, sr, i, block, &to[i]);
        if (status != TSR_OK) {
            delivery_abandon(to + i + 1, s->n_outputs - i - 1);
            return status;
        }
    }
    return TSR_OK;
}

/* ---- Reductions -------------------------------------------------------------------------------------------------- */

static int64_t n_cells(const stage *s, const program_accumulator *a, const box *tile)
{
    if (a->op == MONOID_HISTOGRAM) return a->params.n_bins;
    int64_t n = 1;
    for (int d = 0; d < tile->ndim; d++) {
        if (!(s->axes >> d & 1)) n *= tile->count[d];
    }
    return n;
}

enum { FIELD_ALIGNMENT = 64 };

static size_t aligned(size_t bytes) { return (bytes + FIELD_ALIGNMENT - 1) & ~(size_t)(FIELD_ALIGNMENT - 1); }

/* The fields of one accumulator inside the state of all. Called in order; *offset moves on. */
static acc_state state_of(char *data, const program_accumulator *a, int64_t cells, size_t *offset)
{
    acc_state s = {{NULL}};
    for (int f = 0; f < a->ops->n_fields; f++) {
        s.field[f] = data ? data + *offset : NULL;
        *offset += aligned((size_t)cells * a->ops->field_bytes[f]);
    }
    return s;
}

size_t fold_state_bytes(const stage *s, const box *tile)
{
    const program *p = s->body->prog;
    size_t bytes = 0;
    if (s->kind == STAGE_CONTRACT) return contract_state_bytes(s, tile);
    for (int i = 0; i < p->n_accumulators; i++)
        (void)state_of(NULL, &p->accumulators[i], n_cells(s, &p->accumulators[i], tile), &bytes);
    return bytes;
}

static tsr_status begin_state(worker *w, const stage *s, const box *tile, fold *f)
{
    const program *p = s->body->prog;
    size_t offset = 0;
    TRY(buffer_new(w->run->buffers, fold_state_bytes(s, tile), &f->state));
    for (int i = 0; i < p->n_accumulators; i++) {
        const program_accumulator *a = &p->accumulators[i];
        int64_t cells = n_cells(s, a, tile);
        a->ops->init(state_of(f->state->data, a, cells, &offset), cells, &a->params);
    }
    return TSR_OK;
}

static void bind_accumulators(const stage *s, const box *tile, char *state, program_binding *b)
{
    const program *p = s->body->prog;
    size_t offset = 0;
    for (int i = 0; i < p->n_accumulators; i++) {
        const program_accumulator *a = &p->accumulators[i];
        accumulator_binding *to = &b->accumulators[i];
        int64_t stride = 1, flat = 1;
        *to = (accumulator_binding){.state = state_of(state, a, n_cells(s, a, tile), &offset)};
        for (int d = tile->ndim - 1; d >= 0; d--) {
            if (s->axes >> d & 1) {
                to->index_strides[d] = flat;
                to->index += tile->start[d] * flat;
                flat *= s->body->shape[d];
            } else if (a->op != MONOID_HISTOGRAM) {
                to->cells[d] = stride;
                stride *= tile->count[d];
            }
        }
    }
}

tsr_status execute_fold_tile(worker *w, const stage *s, fold *f, int64_t block, int64_t number)
{
    box tile = stage_fold_tile(s, block, number);
    region domain = tile_region(&tile);
    program_binding b;
    if (!f->state) TRY(begin_state(w, s, &tile, f));
    if (box_size(&tile) == 0) return TSR_OK;
    TRY(fetch_bind(w, s->body, &domain, &b));
    bind_accumulators(s, &tile, f->state->data, &b);
    program_run(s->body->prog, &b, worker_scratch(w), &w->faults);
    return TSR_OK;
}

/* Somebody else may be sending a state, or it lies in memory of another process: it is merged into a copy then. */
tsr_status execute_own_state(worker *w, fold *f)
{
    buffer *own;
    if (f->state->owner == w->run->buffers && atomic_load(&f->state->refs) == 1) return TSR_OK;
    TRY(buffer_new(w->run->buffers, f->state->size_bytes, &own));
    memcpy(own->data, f->state->data, f->state->size_bytes);
    buffer_unref(f->state);
    f->state = own;
    return TSR_OK;
}

tsr_status execute_fold_merge(worker *w, const stage *s, fold *left, const buffer *right, int64_t block)
{
    const program *p = s->body->prog;
    box tile = stage_fold_tile(s, block, 0);
    size_t here = 0, there = 0;
    TRY(execute_own_state(w, left));
    for (int i = 0; i < p->n_accumulators; i++) {
        const program_accumulator *a = &p->accumulators[i];
        int64_t cells = n_cells(s, a, &tile);
        acc_state total = state_of(left->state->data, a, cells, &here);
        a->ops->merge(total, state_of(right->data, a, cells, &there), cells, &a->params);
    }
    return TSR_OK;
}

tsr_status execute_fold_finish(worker *w, const stage *s, stage_run *sr, const buffer *state, int64_t block)
{
    const program *p = s->body->prog;
    box tile = stage_fold_tile(s, block, 0);
    for (int i = 0; i < s->n_outputs; i++) {
        const stage_output *o = &s->outputs[i];
        delivery to;
        size_t offset = 0;
        for (int k = 0; k < o->slot; k++)
            (void)state_of(NULL, &p->accumulators[k], n_cells(s, &p->accumulators[k], &tile), &offset);
        const program_accumulator *a = &p->accumulators[o->slot];
        int64_t cells = n_cells(s, a, &tile);
        acc_state total = state_of(state->data, a, cells, &offset);
        TRY(delivery_begin(w, s, sr, i, block, &to));
        box b = output_box(o, block);
        int64_t dense[TSR_MAX_NDIM], size = (int64_t)tsr_dtype_size(o->dtype);
        shape_strides(o->ndim, b.count, (size_t)size, dense);
        bool in_place = true;
        for (int d = 0; d < o->ndim; d++) in_place = in_place && (b.count[d] == 1 || dense[d] == to.strides[d]);
        if (in_place) {
            a->ops->finish(to.data, total, cells, s->n_folded, &a->params);
        } else {
            buffer *room;
            TRY(worker_buffer(w, (size_t)(cells * size), &room));
            a->ops->finish(room->data, total, cells, s->n_folded, &a->params);
            int64_t rows = 1, length = b.count[o->ndim - 1];
            for (int d = 0; d < o->ndim - 1; d++) rows *= b.count[d];
            for (int64_t r = 0; r < rows; r++) {
                int64_t rest = r;
                char *row = to.data;
                for (int d = o->ndim - 2; d >= 0; d--) {
                    row += rest % b.count[d] * to.strides[d];
                    rest /= b.count[d];
                }
                memcpy(row, room->data + r * length * size, (size_t)(length * size));
            }
        }
        TRY(delivery_end(w, s, sr, i, block, &to));
    }
    return TSR_OK;
}

/* ---- Scans and quantiles: whole-axis kernels over a dense block --------------------------------------------------- */

static tsr_status evaluate_dense(worker *w, const stage *s, const box *tile, tsr_dtype dtype, buffer **out)
{
    int64_t strides[TSR_MAX_NDIM];
    region domain = tile_region(tile);
    TRY(worker_buffer(w, (size_t)box_size(tile) * tsr_dtype_size(dtype), out));
    shape_strides(tile->ndim, tile->count, tsr_dtype_size(dtype), strides);
    return fetch_body(w, s->body, &domain, false, (*out)->data, strides);
}

static void split_axis(const box *tile, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int d = 0; d < axis; d++) *outer *= tile->count[d];
    for (int d = axis + 1; d < tile->ndim; d++) *inner *= tile->count[d];
}

/* Copies a dense block to where a delivery wants it. */
static void copy_out(const delivery *to, const stage_output *o, const box *b, const char *data)
{
    int64_t size = (int64_t)tsr_dtype_size(o->dtype), length = o->ndim ? b->count[o->ndim - 1] : 1, rows = 1;
    for (int d = 0; d < o->ndim - 1; d++) rows *= b->count[d];
    for (int64_t r = 0; r < rows; r++) {
        int64_t rest = r;
        char *row = to->data;
        for (int d = o->ndim - 2; d >= 0; d--) {
            row += rest % b->count[d] * to->strides[d];
            rest /= b->count[d];
        }
        memcpy(row, data + r * length * size, (size_t)(length * size));
    }
}

static element extreme_carry(bool is_max, tsr_dtype dtype)
{
    if (dtype == TSR_BOOL) return element_from_scalar(scalar_bool(!is_max), dtype);
    if (dtype_is_inexact(dtype)) return element_from_scalar(scalar_float(is_max ? -INFINITY : INFINITY), dtype);
    int bits = 8 * (int)tsr_dtype_size(dtype);
    if (dtype_is_unsigned(dtype)) return element_from_scalar(tsr_uint(is_max ? 0 : UINT64_MAX >> (64 - bits)), dtype);
    return element_from_scalar(scalar_int(is_max ? INT64_MIN >> (64 - bits) : INT64_MAX >> (64 - bits)), dtype);
}

/* What leaves every first element as it is: 1, or -0.0, the only number whose sum with -0.0 is -0.0; the least value before a
 * maximum; NaN where only other numbers count. */
static element neutral_carry(scan_kind kind, tsr_dtype dtype)
{
    bool is_product = kind == SCAN_PROD || kind == SCAN_NANPROD;
    if (kind == SCAN_MAP) return element_from_scalar(scalar_int(0), dtype); /* not used */
    if (kind == SCAN_LAST) return element_from_scalar(scalar_float(NAN), dtype);
    if (kind == SCAN_MAX || kind == SCAN_MIN) return extreme_carry(kind == SCAN_MAX, dtype);
    if (is_product || !dtype_is_inexact(dtype)) return element_from_scalar(scalar_int(is_product), dtype);
    return element_from_scalar(dtype_is_complex(dtype) ? tsr_complex(-0.0, -0.0) : scalar_float(-0.0), dtype);
}

/* Of a shared run, whose tiles are made by several processes: the carry is the last row of the tile before, which is there. */
static tsr_status carry_of_previous(worker *w, const stage *s, stage_run *sr, int64_t block, char *carry, int64_t n_values)
{
    int64_t coords[TSR_MAX_NDIM], outer, inner;
    size_t size = tsr_dtype_size(s->outputs[0].dtype);
    buffer *buf;
    grid_coords(&s->tiles, block, coords);
    if (coords[s->axis] == 0) return TSR_OK;
    coords[s->axis]--;
    int64_t previous = grid_block_at(&s->tiles, coords);
    box tile = stage_tile(s, previous);
    int64_t length = tile.count[s->axis];
    if (n_values == 0 || length == 0) return TSR_OK;
    split_axis(&tile, s->axis, &outer, &inner);
    TRY(held_pin(sr->sets[0], previous, &buf));
    for (int64_t i = 0; i < outer; i++)
        memcpy(carry + (size_t)(i * inner) * size, buf->data + (size_t)((i * length + length - 1) * inner) * size,
               (size_t)inner * size);
    held_unpin(sr->sets[0], previous);
    return TSR_OK;
}

/* The carry of the chain of tiles along the axis; made with the first tile. */
static tsr_status chain_carry(worker *w, const stage *s, stage_run *sr, int64_t block, int64_t n_values, char **out)
{
    int64_t coords[TSR_MAX_NDIM], chain = 0;
    grid_coords(&s->tiles, block, coords);
    for (int d = 0; d < s->tiles.ndim; d++) {
        if (d != s->axis) chain = chain * s->tiles.axes[d].n_blocks + coords[d];
    }
    tsr_dtype dtype = s->outputs[0].dtype;
    buffer *carry = sr->carries[chain];
    if (!carry) {
        size_t size = tsr_dtype_size(dtype);
        if (w->run->share) {
            TRY(worker_buffer(w, (size_t)n_values * size, &carry));
        } else {
            TRY(buffer_new(w->run->buffers, (size_t)n_values * size, &carry));
        }
        element first = neutral_carry(s->params->scan.kind, dtype);
        for (int64_t i = 0; i < n_values; i++) memcpy(carry->data + (size_t)i * size, &first, size);
        if (!w->run->share) sr->carries[chain] = carry;
    }
    *out = carry->data;
    return w->run->share ? carry_of_previous(w, s, sr, block, carry->data, n_values) : TSR_OK;
}

/* The values of a tile, and of the mask that goes with them (else NULL). */
static tsr_status evaluate_masked(worker *w, const stage *s, const box *tile, buffer **data, buffer **mask)
{
    const stage_output *o = &s->outputs[0];
    region domain = tile_region(tile);
    program_binding b;
    buffer **const to[2] = {o->slot == 0 ? data : mask, o->slot == 0 ? NULL : data};
    *mask = NULL;
    if (o->slot == 0) return evaluate_dense(w, s, tile, o->dtype, data);
    TRY(fetch_bind(w, s->body, &domain, &b));
    for (int i = 0; i < 2; i++) {
        size_t size = tsr_dtype_size(i == o->slot ? o->dtype : TSR_BOOL);
        TRY(worker_buffer(w, (size_t)box_size(tile) * size, to[i]));
        b.outputs[i].data = (*to[i])->data;
        b.outputs[i].streamed = false;
        shape_strides(tile->ndim, tile->count, size, b.outputs[i].strides);
    }
    program_run(s->body->prog, &b, worker_scratch(w), &w->faults);
    return TSR_OK;
}

tsr_status execute_scan(worker *w, const stage *s, stage_run *sr, int64_t block)
{
    const stage_output *o = &s->outputs[0];
    box tile = stage_tile(s, block);
    int64_t outer, inner;
    buffer *data, *mask;
    char *carry;
    delivery to;
    split_axis(&tile, s->axis, &outer, &inner);
    TRY(evaluate_masked(w, s, &tile, &data, &mask));
    TRY(chain_carry(w, s, sr, block, outer * inner, &carry));
    const kernels *k = w->run->plan->kernels;
    if (s->params->scan.kind == SCAN_MAP) {
        scan_by_map(k,
                    &(scan_map){.op = s->params->scan.op,
                                .dtype = o->dtype,
                                .data = data->data,
                                .mask = mask ? (const uint8_t *)mask->data : NULL,
                                .carry = carry,
                                .has_carry = tile.start[s->axis] > 0,
                                .outer = outer,
                                .length = tile.count[s->axis],
                                .inner = inner},
                    &w->faults);
    } else {
        k->scan[s->params->scan.kind][o->dtype](data->data, data->data, carry, outer, tile.count[s->axis], inner);
    }
    TRY(delivery_begin(w, s, sr, 0, block, &to));
    copy_out(&to, o, &tile, data->data);
    return delivery_end(w, s, sr, 0, block, &to);
}

tsr_status execute_quantile(worker *w, const stage *s, stage_run *sr, int64_t block)
{
    const stage_output *o = &s->outputs[0];
    tsr_dtype dtype = s->body->prog->instrs[s->body->prog->n_instrs - 1].dtype;
    box tile = stage_tile(s, block), b = output_box(o, block);
    int64_t outer, inner, length = tile.count[s->axis];
    size_t size = tsr_dtype_size(dtype);
    buffer *data, *sorted, *result;
    delivery to;
    split_axis(&tile, s->axis, &outer, &inner);
    TRY(evaluate_dense(w, s, &tile, dtype, &data));
    TRY(worker_buffer(w, (size_t)length * size, &sorted));
    TRY(worker_buffer(w, (size_t)(outer * inner * s->params->quantile.n_q) * tsr_dtype_size(o->dtype), &result));
    w->run->plan->kernels->quantile[dtype][o->dtype == TSR_F64](result->data, data->data, sorted->data, outer, length, inner,
                                                                s->params->quantile.q, s->params->quantile.n_q,
                                                                s->params->quantile.method, s->params->quantile.skip_nan);
    TRY(delivery_begin(w, s, sr, 0, block, &to));
    copy_out(&to, o, &b, result->data);
    return delivery_end(w, s, sr, 0, block, &to);
}

/* ---- Calls of users' functions ------------------------------------------------------------------------------------ */

static bool is_dense(const delivery *to, const stage_output *o, const box *b)
{
    int64_t dense[TSR_MAX_NDIM];
    shape_strides(o->ndim, b->count, tsr_dtype_size(o->dtype), dense);
    for (int d = 0; d < o->ndim; d++)
        if (b->count[d] > 1 && dense[d] != to->strides[d]) return false;
    return true;
}

/* Copies the middle of what the function filled to where a delivery wants it. */
static void copy_middle(const delivery *to, const stage_output *o, const box *b, const char *data, const box *filled,
                        const int64_t *inner)
{
    int64_t size = (int64_t)tsr_dtype_size(o->dtype), strides[TSR_MAX_NDIM], rows = 1;
    int last = o->ndim - 1;
    shape_strides(o->ndim, filled->count, (size_t)size, strides);
    for (int d = 0; d < o->ndim; d++) data += inner[d] * strides[d];
    for (int d = 0; d < last; d++) rows *= b->count[d];
    for (int64_t r = 0; r < rows; r++) {
        int64_t rest = r;
        char *out = to->data;
        const char *in = data;
        for (int d = last - 1; d >= 0; d--) {
            int64_t at = rest % b->count[d];
            rest /= b->count[d];
            out += at * to->strides[d];
            in += at * strides[d];
        }
        memcpy(out, in, (size_t)((last < 0 ? 1 : b->count[last]) * size));
    }
}

/* The inputs as dense blocks. */
static tsr_status fetch_inputs(worker *w, const operand *o, const region *domain, char **data, box *parts)
{
    for (int i = 0; i < o->n_pieces; i++) {
        parts[i] = call_piece_box(o, i, domain);
        region part = region_of_box(&parts[i]);
        TRY(fetch_dense(w, o->pieces[i], &part, o->node->inputs[i]->dtype, &data[i]));
    }
    return TSR_OK;
}

/* No function: the block is the part of the input. */
static tsr_status copy_part(worker *w, const stage *s, stage_run *sr, int64_t block, const region *domain)
{
    const operand *call = &s->body->operands[0];
    box part = call_piece_box(call, 0, domain);
    region in = region_of_box(&part);
    delivery to;
    TRY(delivery_begin(w, s, sr, 0, block, &to));
    tsr_status status = fetch_body(w, call->pieces[0], &in, false, to.data, to.strides);
    if (status == TSR_OK) return delivery_end(w, s, sr, 0, block, &to);
    delivery_abandon(&to, 1);
    return status;
}

tsr_status execute_call(worker *w, const stage *s, stage_run *sr, int64_t block)
{
    const stage_output *o = &s->outputs[0];
    const operand *call = &s->body->operands[0];
    const tsr_array *node = call->node;
    int64_t coords[TSR_MAX_NDIM], inner[TSR_MAX_NDIM];
    box tile = stage_tile(s, block), filled;
    region domain = tile_region(&tile);
    buffer *room, *own = NULL;
    delivery to;
    if (!node->p.call.spec->function.call) return copy_part(w, s, sr, block, &domain);
    grid_coords(&s->tiles, block, coords);
    filled = call_result_box(node, coords, inner);
    size_t n = (size_t)call->n_pieces;
    TRY(worker_buffer(w, (sizeof(char *) + sizeof(box)) * n, &room));
    box *parts = (box *)(void *)room->data;
    char **data = (char **)(void *)(parts + n);
    TRY(fetch_inputs(w, call, &domain, data, parts));
    TRY(delivery_begin(w, s, sr, 0, block, &to));
    bool in_place = is_dense(&to, o, &tile) && box_size(&filled) == box_size(&tile);
    tsr_status status = TSR_OK;
    if (!in_place) status = worker_buffer(w, (size_t)box_size(&filled) * tsr_dtype_size(o->dtype), &own);
    if (status == TSR_OK) status = call_function(w, node, coords, data, parts, in_place ? to.data : own->data, &filled);
    if (status != TSR_OK) {
        delivery_abandon(&to, 1);
        return status;
    }
    if (!in_place) copy_middle(&to, o, &tile, own->data, &filled, inner);
    return delivery_end(w, s, sr, 0, block, &to);
}
