/* What a body reads: every operand, over the region of a task, is turned into memory with strides. In-memory arrays and single
 * blocks of other stages are used where they lie; file regions are read into buffers; gathers (concatenate, take, reshape)
 * evaluate their pieces straight into a buffer, so that no stage has to be completed for them. */
#include "engine/run.h"

#include "store/fdcache.h"

#include <string.h>

static int64_t item_size(tsr_dtype dtype) { return (int64_t)tsr_dtype_size(dtype); }

tsr_status worker_buffer(worker *w, size_t bytes, buffer **out)
{
    if (!VEC_RESERVE(&w->buffers, 1)) return TSR_ERR_MEMORY;
    TRY(buffer_new(w->run->buffers, bytes, out));
    w->buffers.items[w->buffers.n++] = *out;
    return TSR_OK;
}

/* ---- Copies ------------------------------------------------------------------------------------------------------ */

/* A box as few axes: those that lie behind one another in both places are one. Axes of length 1 are left out. */
typedef struct copy_axes {
    int n;
    int64_t count[TSR_MAX_NDIM], out[TSR_MAX_NDIM], in[TSR_MAX_NDIM];
} copy_axes;

static copy_axes join_axes(int ndim, const int64_t *count, const int64_t *out, const int64_t *in)
{
    copy_axes a = {.n = 0};
    for (int d = 0; d < ndim; d++) {
        int outer = a.n - 1;
        if (count[d] == 1) continue;
        if (outer >= 0 && a.out[outer] == out[d] * count[d] && a.in[outer] == in[d] * count[d]) {
            a.count[outer] *= count[d];
        } else {
            a.count[outer = a.n++] = count[d];
        }
        a.out[outer] = out[d];
        a.in[outer] = in[d];
    }
    return a;
}

static void copy_row(const kernels *k, tsr_dtype dtype, int64_t n, char *out, int64_t out_stride, const char *in,
                     int64_t in_stride)
{
    int64_t size = item_size(dtype);
    if (out_stride == size && in_stride == size) {
        memcpy(out, in, (size_t)(n * size));
    } else if (out_stride == size) {
        k->gather[dtype][0](out, in, in_stride, (size_t)n);
    } else if (in_stride == size) {
        k->scatter[dtype](out, out_stride, in, (size_t)n);
    } else {
        for (int64_t i = 0; i < n; i++) memcpy(out + i * out_stride, in + i * in_stride, (size_t)size);
    }
}

void copy_strided(const kernels *k, tsr_dtype dtype, int ndim, const int64_t *count, char *out, const int64_t *out_strides,
                  const char *in, const int64_t *in_strides)
{
    int64_t at[TSR_MAX_NDIM] = {0};
    if (shape_size(ndim, count) == 0) return;
    copy_axes a = join_axes(ndim, count, out_strides, in_strides);
    if (a.n == 0) {
        memcpy(out, in, tsr_dtype_size(dtype));
        return;
    }
    int last = a.n - 1;
    for (;;) {
        copy_row(k, dtype, a.count[last], out, a.out[last], in, a.in[last]);
        int d = last - 1;
        for (; d >= 0; d--) {
            out += a.out[d];
            in += a.in[d];
            if (++at[d] < a.count[d]) break;
            out -= a.out[d] * a.count[d];
            in -= a.in[d] * a.count[d];
            at[d] = 0;
        }
        if (d < 0) return;
    }
}

/* ---- Operands as memory ------------------------------------------------------------------------------------------ */

/* The binding of an operand whose source region lies at `data` with `strides` per source axis (for ascending source indices). */
static void bind_region(const operand *o, const region *domain, const region *source, const char *data, const int64_t *strides,
                        operand_binding *out)
{
    memset(out->strides, 0, sizeof out->strides);
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        if (m.axis < 0 || m.step == 0 || domain->box.count[m.axis] == 1) continue;
        if (m.step > 0) {
            out->strides[m.axis] += strides[d];
        } else {
            data += (source->box.count[d] - 1) * strides[d];
            out->strides[m.axis] -= strides[d];
        }
    }
    out->data = data;
}

static void bind_memory(const operand *o, const region *domain, operand_binding *out)
{
    const char *data = o->node->p.memory.data;
    memset(out->strides, 0, sizeof out->strides);
    for (int d = 0; d < o->ndim; d++) {
        view_axis m = o->map[d];
        int64_t stride = o->node->p.memory.strides[d];
        data += m.start * stride;
        if (m.axis < 0) continue;
        data += m.step * domain->box.start[m.axis] * stride;
        out->strides[m.axis] += m.step * domain->step[m.axis] * stride;
    }
    out->data = data;
}

/* Is what is read wanted no more? A run that one thread does alone has nobody who looks after cancellation. */
static bool is_over(const void *context)
{
    const run *r = context;
    return atomic_load(&r->stop) || engine_is_cancelled(r->engine);
}

static tsr_status read_store(worker *w, const operand *o, const region *source, char *out)
{
    store *file = o->node->p.store.file;
    int64_t bytes = 0;
    relief_read_begins(w->run);
    fd_reads_stop(is_over, w->run);
    tsr_status status = store_read(file, &file->vars[o->node->p.store.var], &source->box, source->step, out, &bytes);
    fd_reads_stop(NULL, NULL);
    relief_read_ended(w->run);
    w->bytes_read += bytes;
    return status == TSR_ERR_CANCELLED ? error_set(TSR_ERR_CANCELLED, "cancelled") : status; /* no fault of the file */
}

/* Source blocks that another stage will read again are kept while memory allows. */
static void make_key(const operand *o, const region *source, cache_key *key)
{
    key->node = o->node;
    key->n = 0;
    for (int d = 0; d < o->ndim; d++) {
        key->numbers[key->n++] = source->box.start[d];
        key->numbers[key->n++] = source->box.count[d];
        key->numbers[key->n++] = source->step[d];
    }
}

/* ---- Blocks of other stages -------------------------------------------------------------------------------------- */

static held_set *set_of(const worker *w, const operand *o)
{
    if (o->kind == OPERAND_BLOCKS) return (held_set *)o->node->p.blocks.set;
    return w->run->stages[o->stage].sets[o->output];
}

static tsr_status pin(worker *w, held_set *set, int64_t block, buffer **out)
{
    if (!VEC_RESERVE(&w->pins, 1)) return TSR_ERR_MEMORY;
    TRY(held_pin(set, block, out));
    w->pins.items[w->pins.n++] = (struct pin){set, block};
    return TSR_OK;
}

/* The range of blocks that a region touches, along every axis. */
static void block_range(const grid *g, const region *source, int64_t *first, int64_t *count)
{
    for (int d = 0; d < g->ndim; d++) {
        int64_t low = source->box.start[d], high = low + (source->box.count[d] - 1) * source->step[d];
        first[d] = axis_grid_find(&g->axes[d], low);
        count[d] = axis_grid_find(&g->axes[d], high) - first[d] + 1;
    }
}

/* The part of a block that a region wants: `count` elements from `start` on, by `step`; at `skip` in the region. False: none. */
static bool part_of_block(const box *b, const region *source, int64_t *start, int64_t *count, int64_t *skip)
{
    for (int d = 0; d < b->ndim; d++) {
        int64_t low = source->box.start[d], step = source->step[d];
        int64_t from = b->start[d] <= low ? 0 : (b->start[d] - low + step - 1) / step,
                to = (b->start[d] + b->count[d] - 1 - low) / step;
        if (to >= source->box.count[d]) to = source->box.count[d] - 1;
        if (to < from) return false;
        start[d] = low + from * step - b->start[d];
        count[d] = to - from + 1;
        skip[d] = from;
    }
    return true;
}

/* Copies the part of one block that the region wants. Of a block on disk only what lies between the first and the last wanted
 * byte is read, unless that is most of it. */
static tsr_status copy_block(worker *w, held_set *set, const int64_t *coords, const region *source, char *out,
                             const int64_t *strides)
{
    int64_t number = grid_block_at(&set->blocks, coords), start[TSR_MAX_NDIM], count[TSR_MAX_NDIM], skip[TSR_MAX_NDIM];
    int64_t in_strides[TSR_MAX_NDIM], first = 0, last = 0, size = item_size(set->dtype);
    box b = grid_box(&set->blocks, number);
    if (!part_of_block(&b, source, start, count, skip)) return TSR_OK;
    shape_strides(b.ndim, b.count, (size_t)size, in_strides);
    for (int d = 0; d < b.ndim; d++) {
        first += start[d] * in_strides[d];
        in_strides[d] *= source->step[d];
        last += (count[d] - 1) * in_strides[d];
        out += skip[d] * strides[d];
    }
    buffer *part = NULL, *whole;
    int64_t n_bytes = last + size;
    if (n_bytes <= box_size(&b) * size / 2) TRY(held_read_part(set, number, (size_t)first, (size_t)n_bytes, &part));
    if (part) {
        copy_strided(w->run->plan->kernels, set->dtype, b.ndim, count, out, strides, part->data, in_strides);
        held_part_done(set, part);
        return TSR_OK;
    }
    TRY(held_pin(set, number, &whole));
    copy_strided(w->run->plan->kernels, set->dtype, b.ndim, count, out, strides, whole->data + first, in_strides);
    held_unpin(set, number);
    return TSR_OK;
}

static tsr_status copy_blocks(worker *w, held_set *set, const region *source, char *out, const int64_t *strides)
{
    int64_t first[TSR_MAX_NDIM], count[TSR_MAX_NDIM], coords[TSR_MAX_NDIM];
    int ndim = set->blocks.ndim;
    block_range(&set->blocks, source, first, count);
    memcpy(coords, first, sizeof coords);
    for (;;) {
        TRY(copy_block(w, set, coords, source, out, strides));
        int d = ndim - 1;
        for (; d >= 0; d--) {
            if (++coords[d] < first[d] + count[d]) break;
            coords[d] = first[d];
        }
        if (d < 0) return TSR_OK;
    }
}

/* Where a region lies in an output that is in one piece. */
static const char *region_in_whole(const operand *o, const buffer *whole, const region *source, int64_t *strides)
{
    const char *data = whole->data;
    shape_strides(o->ndim, o->node->shape, tsr_dtype_size(o->dtype), strides);
    for (int d = 0; d < o->ndim; d++) {
        data += source->box.start[d] * strides[d];
        strides[d] *= source->step[d];
    }
    return data;
}

/* ---- Gathers: filling a dense region from pieces ----------------------------------------------------------------- */

static tsr_status fill_concat(worker *w, const operand *o, const region *source, char *out, const int64_t *strides)
{
    region part;
    int piece;
    for (int64_t done = 0; done < source->box.count[o->axis];) {
        int64_t n = concat_part(o, source, done, &piece, &part);
        TRY(fetch_body(w, o->pieces[piece], &part, o->swapped, out + done * strides[o->axis], strides));
        done += n;
    }
    return TSR_OK;
}

static tsr_status fill_take(worker *w, const operand *o, const region *source, char *out, const int64_t *strides)
{
    int axis = o->axis;
    const int64_t *indices = o->node->p.take.indices;
    int64_t start = source->box.start[axis], step = source->step[axis], count = source->box.count[axis];
    for (int64_t done = 0; done < count;) {
        int64_t index = indices[start + done * step], n = 1, repeats = 1;
        while (done + n < count && indices[start + (done + n) * step] == index + n) n++;
        if (n == 1) {
            while (done + repeats < count && indices[start + (done + repeats) * step] == index) repeats++;
        }
        region part = *source;
        part.box.start[axis] = index;
        part.box.count[axis] = n;
        part.step[axis] = 1;
        char *to = out + done * strides[axis];
        TRY(fetch_body(w, o->pieces[0], &part, o->swapped, to, strides));
        for (int64_t i = 1; i < repeats; i++) {
            part.box.count[axis] = 1;
            copy_strided(w->run->plan->kernels, o->dtype, source->box.ndim, part.box.count, to + i * strides[axis], strides, to,
                         strides);
        }
        done += n > repeats ? n : repeats;
    }
    return TSR_OK;
}

/* Evaluates n elements of a body in its C order, from a flat index, into contiguous memory: as the largest boxes that fit. */
static tsr_status fill_flat(worker *w, const operand *o, int64_t flat, int64_t n, char *out)
{
    const body *t = o->pieces[0];
    while (n > 0) {
        int64_t coords[TSR_MAX_NDIM], strides[TSR_MAX_NDIM], rest = flat, unit = 1;
        for (int d = t->ndim - 1; d >= 0; d--) {
            coords[d] = rest % t->shape[d];
            rest /= t->shape[d];
        }
        box b = {.ndim = t->ndim};
        for (int d = 0; d < t->ndim; d++) {
            b.start[d] = coords[d];
            b.count[d] = 1;
        }
        for (int d = t->ndim - 1; d >= 0; d--) { /* whole rows below, as many of this axis as fit */
            int64_t fit = n / unit, left = t->shape[d] - coords[d];
            b.count[d] = fit < left ? fit : left;
            if (b.count[d] < t->shape[d] || coords[d] != 0) break;
            unit *= t->shape[d];
            if (unit > n) break;
        }
        for (int d = 0; d < t->ndim; d++) {
            if (b.count[d] < 1) b.count[d] = 1;
        }
        shape_strides(t->ndim, b.count, tsr_dtype_size(o->dtype), strides);
        region part = region_of_box(&b);
        TRY(fetch_body(w, t, &part, o->swapped, out, strides));
        int64_t made = box_size(&b);
        flat += made;
        out += made * item_size(o->dtype);
        n -= made;
    }
    return TSR_OK;
}

/* `out` is dense. Rows of the region that follow one another in C order are evaluated together. */
static tsr_status fill_reshape(worker *w, const operand *o, const region *source, char *out)
{
    int ndim = o->ndim, outer = ndim;
    const int64_t *shape = o->node->shape;
    int64_t run_length = 1, at[TSR_MAX_NDIM] = {0};
    while (outer > 0) { /* trailing axes that are taken whole, and one that is taken in part */
        int d = outer - 1;
        if (source->step[d] != 1) break;
        outer--;
        run_length *= source->box.count[d];
        if (source->box.count[d] != shape[d]) break;
    }
    int64_t size = item_size(o->dtype);
    for (;;) {
        int64_t flat = 0;
        for (int d = 0; d < ndim; d++) flat = flat * shape[d] + source->box.start[d] + (d < outer ? at[d] * source->step[d] : 0);
        TRY(fill_flat(w, o, flat, run_length, out));
        out += run_length * size;
        int d = outer - 1;
        for (; d >= 0; d--) {
            if (++at[d] < source->box.count[d]) break;
            at[d] = 0;
        }
        if (d < 0) return TSR_OK;
    }
}

static tsr_status fill(worker *w, const operand *o, const region *source, char *out, const int64_t *strides)
{
    switch (o->kind) {
    case OPERAND_STORE: return read_store(w, o, source, out);
    case OPERAND_STAGE: {
        const buffer *whole = w->run->stages[o->stage].whole[o->output];
        if (!whole) return copy_blocks(w, set_of(w, o), source, out, strides);
        int64_t in_strides[TSR_MAX_NDIM];
        const char *in = region_in_whole(o, whole, source, in_strides);
        copy_strided(w->run->plan->kernels, o->dtype, o->ndim, source->box.count, out, strides, in, in_strides);
        return TSR_OK;
    }
    case OPERAND_BLOCKS: return copy_blocks(w, set_of(w, o), source, out, strides);
    case OPERAND_CONCAT: return fill_concat(w, o, source, out, strides);
    case OPERAND_TAKE: return fill_take(w, o, source, out, strides);
    case OPERAND_RESHAPE: return fill_reshape(w, o, source, out);
    case OPERAND_BODY: return fetch_body(w, o->pieces[0], source, o->swapped, out, strides);
    case OPERAND_MEMORY:
    case OPERAND_WINDOW:
    case OPERAND_CALL: break; /* the first two are read in place, the third has a stage of its own */
    }
    return error_set(TSR_ERR_INTERNAL, "engine: operand cannot be filled");
}

/* ---- Binding ----------------------------------------------------------------------------------------------------- */

/* A block of another stage that holds the whole region is used where it lies. */
static tsr_status bind_single_block(worker *w, const operand *o, const region *domain, const region *source, operand_binding *out,
                                    bool *done)
{
    held_set *set = set_of(w, o);
    int64_t first[TSR_MAX_NDIM], count[TSR_MAX_NDIM], strides[TSR_MAX_NDIM];
    block_range(&set->blocks, source, first, count);
    *done = shape_size(o->ndim, count) == 1;
    if (!*done) return TSR_OK;
    buffer *buf;
    int64_t number = grid_block_at(&set->blocks, first);
    TRY(pin(w, set, number, &buf));
    box b = grid_box(&set->blocks, number);
    shape_strides(b.ndim, b.count, tsr_dtype_size(o->dtype), strides);
    const char *data = buf->data;
    for (int d = 0; d < b.ndim; d++) {
        data += (source->box.start[d] - b.start[d]) * strides[d];
        strides[d] *= source->step[d];
    }
    bind_region(o, domain, source, data, strides, out);
    return TSR_OK;
}

/* A concatenation of which one piece holds the whole region, and which that piece only passes on: its operand is used directly.
 */
static tsr_status bind_single_piece(worker *w, const operand *o, const region *domain, const region *source, operand_binding *out,
                                    bool *done)
{
    region part;
    int number;
    bool holds_all = concat_part(o, source, 0, &number, &part) == source->box.count[o->axis];
    const body *piece = o->pieces[number];
    *done =
        holds_all && piece->passthrough && piece->operands[0].swapped == o->swapped && piece->operands[0].kind == OPERAND_MEMORY;
    if (!*done) return TSR_OK;
    operand_binding inner;
    bind_memory(&piece->operands[0], &part, &inner);
    bind_region(o, domain, source, inner.data, inner.strides, out);
    return TSR_OK;
}

/* The input is evaluated once; the windows are views of it, one stride for both of their axes. */
static tsr_status bind_window(worker *w, const operand *o, const region *domain, operand_binding *out)
{
    region source = operand_region(o, domain), part = window_region(o, &source);
    int64_t strides[TSR_MAX_NDIM + 1];
    int last = o->ndim - 1;
    char *data;
    TRY(fetch_dense(w, o->pieces[0], &part, o->dtype, &data));
    shape_strides(last, part.box.count, (size_t)item_size(o->dtype), strides);
    int64_t one = strides[o->axis];
    strides[o->axis] = one * o->node->p.window.step * source.step[o->axis];
    strides[last] = one * source.step[last];
    bind_region(o, domain, &source, data, strides, out);
    return TSR_OK;
}

enum { SMALL_OUTPUT_BYTES = 16 << 20 };

/* Is a region worth keeping, once it lies together? What several stages read of files; and, where no output of a stage lies in
 * one piece, small outputs, of which many tasks read the same. */
static bool is_kept(const worker *w, const operand *o)
{
    if (o->kind != OPERAND_STAGE || !w->run->share) return o->reused;
    const stage_output *from = &w->run->plan->stages[o->stage].outputs[o->output];
    return shape_size(from->ndim, from->shape) * item_size(from->dtype) <= SMALL_OUTPUT_BYTES;
}

static tsr_status bind_operand(worker *w, const operand *o, const region *domain, operand_binding *out)
{
    if (o->kind == OPERAND_WINDOW) return bind_window(w, o, domain, out);
    if (o->kind == OPERAND_MEMORY) {
        bind_memory(o, domain, out);
        return TSR_OK;
    }
    region source = operand_region(o, domain);
    bool done = false;
    int64_t strides[TSR_MAX_NDIM];
    const buffer *whole = o->kind == OPERAND_STAGE ? w->run->stages[o->stage].whole[o->output] : NULL;
    if (whole) {
        const char *data = region_in_whole(o, whole, &source, strides);
        bind_region(o, domain, &source, data, strides, out);
        return TSR_OK;
    }
    if (o->kind == OPERAND_STAGE || o->kind == OPERAND_BLOCKS) TRY(bind_single_block(w, o, domain, &source, out, &done));
    if (o->kind == OPERAND_CONCAT) TRY(bind_single_piece(w, o, domain, &source, out, &done));
    if (done) return TSR_OK;
    shape_strides(o->ndim, source.box.count, tsr_dtype_size(o->dtype), strides);
    cache_key key;
    buffer *buf = NULL;
    const bool keeps = is_kept(w, o);
    if (keeps) {
        make_key(o, &source, &key);
        buf = keeper_cache_find(w->run->keeper, &key);
    }
    if (buf) {
        if (!VEC_PUSH(&w->buffers, buf)) {
            buffer_unref(buf);
            return TSR_ERR_MEMORY;
        }
    } else {
        TRY(worker_buffer(w, (size_t)box_size(&source.box) * tsr_dtype_size(o->dtype), &buf));
        TRY(fill(w, o, &source, buf->data, strides));
        if (keeps) keeper_cache_add(w->run->keeper, &key, buf);
    }
    bind_region(o, domain, &source, buf->data, strides, out);
    return TSR_OK;
}

tsr_status fetch_bind(worker *w, const body *t, const region *domain, program_binding *b)
{
    buffer *room;
    size_t operands = sizeof *b->operands * (size_t)t->n_operands, generators = sizeof *b->generators * (size_t)t->n_generators;
    size_t outputs = sizeof *b->outputs * (size_t)t->prog->n_outputs,
           accumulators = sizeof *b->accumulators * (size_t)t->prog->n_accumulators;
    TRY(worker_buffer(w, operands + generators + outputs + accumulators, &room));
    b->operands = (operand_binding *)(void *)room->data;
    b->generators = (generator_binding *)(void *)(room->data + operands);
    b->outputs = (output_binding *)(void *)(room->data + operands + generators);
    b->accumulators = (accumulator_binding *)(void *)(room->data + operands + generators + outputs);
    b->ndim = t->ndim;
    for (int d = 0; d < t->ndim; d++) b->count[d] = domain->box.count[d];
    for (int i = 0; i < t->n_operands; i++) TRY(bind_operand(w, &t->operands[i], domain, &b->operands[i]));
    for (int i = 0; i < t->n_generators; i++) {
        const generator_map *g = &t->generators[i];
        b->generators[i].index = g->index;
        for (int d = 0; d < t->ndim; d++) {
            b->generators[i].index += g->strides[d] * domain->box.start[d];
            b->generators[i].strides[d] = g->strides[d] * domain->step[d];
        }
    }
    return TSR_OK;
}

static bool is_dense(const region *r, tsr_dtype dtype, const int64_t *strides)
{
    int64_t expected = item_size(dtype);
    for (int d = r->box.ndim - 1; d >= 0; d--) {
        if (r->box.count[d] > 1 && strides[d] != expected) return false;
        expected *= r->box.count[d];
    }
    return true;
}

/* The operand's axes are the body's own, in order: a file region can be read straight to its place. */
static bool is_plain(const operand *o, const body *t)
{
    if (o->ndim != t->ndim) return false;
    for (int d = 0; d < o->ndim; d++) {
        if (o->map[d].axis != d || o->map[d].step < 1) return false;
    }
    return true;
}

tsr_status fetch_body(worker *w, const body *t, const region *domain, bool swapped, char *out, const int64_t *strides)
{
    if (t->passthrough && t->operands[0].swapped == swapped) {
        const operand *o = &t->operands[0];
        if (is_plain(o, t) && o->kind != OPERAND_MEMORY && o->kind != OPERAND_WINDOW && !o->reused &&
            (is_dense(domain, o->dtype, strides))) {
            region source = operand_region(o, domain);
            return fill(w, o, &source, out, strides);
        }
        operand_binding in;
        TRY(bind_operand(w, o, domain, &in));
        copy_strided(w->run->plan->kernels, o->dtype, t->ndim, domain->box.count, out, strides, in.data, in.strides);
        return TSR_OK;
    }
    program_binding b;
    buffer *scratch;
    TRY(fetch_bind(w, t, domain, &b));
    b.outputs[0].data = out;
    b.outputs[0].streamed = false;
    memcpy(b.outputs[0].strides, strides, sizeof *strides * (size_t)t->ndim);
    TRY(worker_buffer(w, t->prog->scratch_bytes, &scratch));
    program_run(t->prog, &b, scratch->data, &w->faults);
    return TSR_OK;
}

tsr_status fetch_dense(worker *w, const body *t, const region *domain, tsr_dtype dtype, char **out)
{
    buffer *room;
    int64_t strides[TSR_MAX_NDIM], size = item_size(dtype);
    bool empty = box_size(&domain->box) == 0;
    if (t->passthrough && !t->operands[0].swapped && !empty) {
        operand_binding in;
        TRY(bind_operand(w, &t->operands[0], domain, &in));
        uintptr_t alignment = (uintptr_t)(dtype_is_complex(dtype) ? size / 2 : size);
        if (is_dense(domain, dtype, in.strides) && (uintptr_t)in.data % alignment == 0) {
            *out = (char *)(uintptr_t)in.data;
            return TSR_OK;
        }
        shape_strides(t->ndim, domain->box.count, (size_t)size, strides);
        TRY(worker_buffer(w, (size_t)(box_size(&domain->box) * size), &room));
        copy_strided(w->run->plan->kernels, dtype, t->ndim, domain->box.count, room->data, strides, in.data, in.strides);
        *out = room->data;
        return TSR_OK;
    }
    TRY(worker_buffer(w, (size_t)(box_size(&domain->box) * size), &room));
    *out = room->data;
    if (empty) return TSR_OK;
    shape_strides(t->ndim, domain->box.count, (size_t)size, strides);
    return fetch_body(w, t, domain, false, room->data, strides);
}

tsr_status fetch_values(worker *w, const body *t, const region *domain, operand_binding *out)
{
    buffer *buf;
    int64_t strides[TSR_MAX_NDIM];
    if (t->passthrough && !t->operands[0].swapped) return bind_operand(w, &t->operands[0], domain, out);
    tsr_dtype dtype = t->prog->instrs[t->prog->n_instrs - 1].dtype;
    TRY(worker_buffer(w, (size_t)box_size(&domain->box) * tsr_dtype_size(dtype), &buf));
    shape_strides(t->ndim, domain->box.count, tsr_dtype_size(dtype), strides);
    TRY(fetch_body(w, t, domain, false, buf->data, strides));
    out->data = buf->data;
    memcpy(out->strides, strides, sizeof strides);
    return TSR_OK;
}

/* ---- Dependencies ------------------------------------------------------------------------------------------------ */

/* Blocks of another stage, or of a set whose blocks may be elsewhere. */
static bool reads_blocks(const operand *o)
{
    return o->kind == OPERAND_STAGE || (o->kind == OPERAND_BLOCKS && o->node->p.blocks.set->is_shared);
}

static tsr_status block_dependencies(const plan *p, const operand *o, const region *source, dependency_fn found, void *context)
{
    const grid *g = o->kind == OPERAND_STAGE ? &p->stages[o->stage].outputs[o->output].blocks : o->node->p.blocks.stored;
    int64_t first[TSR_MAX_NDIM], count[TSR_MAX_NDIM], coords[TSR_MAX_NDIM];
    block_range(g, source, first, count);
    memcpy(coords, first, sizeof coords);
    for (;;) {
        TRY(found(context, o, grid_block_at(g, coords)));
        int d = g->ndim - 1;
        for (; d >= 0; d--) {
            if (++coords[d] < first[d] + count[d]) break;
            coords[d] = first[d];
        }
        if (d < 0) return TSR_OK;
    }
}

static bool has_dependencies(const body *t)
{
    for (int i = 0; i < t->n_operands; i++) {
        if (reads_blocks(&t->operands[i])) return true;
        for (int k = 0; k < t->operands[i].n_pieces; k++)
            if (has_dependencies(t->operands[i].pieces[k])) return true;
    }
    return false;
}

static tsr_status take_dependencies(const plan *p, const operand *o, const region *source, dependency_fn found, void *context)
{
    const int64_t *indices = o->node->p.take.indices + source->box.start[o->axis];
    int64_t step = source->step[o->axis];
    region part = *source;
    part.box.count[o->axis] = 1;
    for (int64_t i = 0; i < source->box.count[o->axis]; i++) {
        if (i > 0 && indices[i * step] == indices[(i - 1) * step]) continue;
        part.box.start[o->axis] = indices[i * step];
        TRY(fetch_dependencies(p, o->pieces[0], &part, found, context));
    }
    return TSR_OK;
}

static tsr_status gather_dependencies(const plan *p, const operand *o, const region *source, dependency_fn found, void *context)
{
    region part = *source;
    box needed;
    int piece;
    switch (o->kind) {
    case OPERAND_BODY: return fetch_dependencies(p, o->pieces[0], source, found, context);
    case OPERAND_RESHAPE:
        needed = reshape_input_box(o, source);
        part = region_of_box(&needed);
        return fetch_dependencies(p, o->pieces[0], &part, found, context);
    case OPERAND_WINDOW: part = window_region(o, source); return fetch_dependencies(p, o->pieces[0], &part, found, context);
    case OPERAND_CALL:
        for (int k = 0; k < o->n_pieces; k++) {
            needed = call_piece_box(o, k, source);
            part = region_of_box(&needed);
            TRY(fetch_dependencies(p, o->pieces[k], &part, found, context));
        }
        return TSR_OK;
    case OPERAND_TAKE: return take_dependencies(p, o, source, found, context);
    default:
        for (int64_t done = 0; done < source->box.count[o->axis];) {
            done += concat_part(o, source, done, &piece, &part);
            TRY(fetch_dependencies(p, o->pieces[piece], &part, found, context));
        }
        return TSR_OK;
    }
}

tsr_status fetch_dependencies(const plan *p, const body *t, const region *domain, dependency_fn found, void *context)
{
    if (box_size(&domain->box) == 0) return TSR_OK;
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (!reads_blocks(o) && o->n_pieces == 0) continue;
        region source = operand_region(o, domain);
        if (o->n_pieces == 0) {
            TRY(block_dependencies(p, o, &source, found, context));
        } else if (o->kind == OPERAND_CONCAT || o->kind == OPERAND_CALL || has_dependencies(o->pieces[0])) {
            TRY(gather_dependencies(p, o, &source, found, context));
        }
    }
    return TSR_OK;
}
