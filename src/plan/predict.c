/* What a plan will do, told before it is run: which blocks of each stage somebody asks for, what they read from files, what a
 * task needs. Sums are exact for contiguous files; of compressed chunks the average size is known. Also the walk over what a body
 * reads, through everything that gathers. */
#include "plan/build.h"

#include <string.h>

/* ---- What a body reads ------------------------------------------------------------------------------------------- */

typedef body_read_fn leaf_fn;

static void walk(const body *t, const region *domain, leaf_fn *leaf, void *context);

static void walk_concat(const operand *o, const region *source, leaf_fn *leaf, void *context)
{
    region part;
    int piece;
    for (int64_t done = 0; done < source->box.count[o->axis];) {
        done += concat_part(o, source, done, &piece, &part);
        walk(o->pieces[piece], &part, leaf, context);
    }
}

/* Runs of neighbouring indices; of very many indices, all between the least and the greatest. */
static void walk_take(const operand *o, const region *source, leaf_fn *leaf, void *context)
{
    enum { MOST = 4096 };
    int axis = o->axis;
    const int64_t *indices = o->node->p.take.indices;
    int64_t start = source->box.start[axis], step = source->step[axis], count = source->box.count[axis];
    region part = *source;
    part.step[axis] = 1;
    if (count > MOST) {
        int64_t low = indices[start], high = low;
        for (int64_t i = 1; i < count; i++) {
            int64_t at = indices[start + i * step];
            low = at < low ? at : low;
            high = at > high ? at : high;
        }
        part.box.start[axis] = low;
        part.box.count[axis] = high - low + 1;
        walk(o->pieces[0], &part, leaf, context);
        return;
    }
    for (int64_t done = 0; done < count;) {
        int64_t index = indices[start + done * step], n = 1, repeats = 1;
        while (done + n < count && indices[start + (done + n) * step] == index + n) n++;
        while (n == 1 && done + repeats < count && indices[start + (done + repeats) * step] == index) repeats++;
        part.box.start[axis] = index;
        part.box.count[axis] = n;
        walk(o->pieces[0], &part, leaf, context);
        done += n > repeats ? n : repeats;
    }
}

static void walk_reshape(const operand *o, const region *source, leaf_fn *leaf, void *context)
{
    if (shape_size(o->node->ndim, o->node->shape) == 0) return;
    box rows = reshape_input_box(o, source);
    region part = region_of_box(&rows);
    walk(o->pieces[0], &part, leaf, context);
}

static void walk_window(const operand *o, const region *source, leaf_fn *leaf, void *context)
{
    region part = window_region(o, source);
    walk(o->pieces[0], &part, leaf, context);
}

static void walk_call(const operand *o, const region *source, leaf_fn *leaf, void *context)
{
    for (int i = 0; i < o->n_pieces; i++) {
        box part = call_piece_box(o, i, source);
        region domain = region_of_box(&part);
        walk(o->pieces[i], &domain, leaf, context);
    }
}

static void walk_operand(const operand *o, const region *domain, leaf_fn *leaf, void *context)
{
    region source = operand_region(o, domain);
    switch (o->kind) {
    case OPERAND_CONCAT: walk_concat(o, &source, leaf, context); break;
    case OPERAND_TAKE: walk_take(o, &source, leaf, context); break;
    case OPERAND_RESHAPE: walk_reshape(o, &source, leaf, context); break;
    case OPERAND_CALL: walk_call(o, &source, leaf, context); break;
    case OPERAND_WINDOW: walk_window(o, &source, leaf, context); break;
    case OPERAND_BODY: walk(o->pieces[0], &source, leaf, context); break;
    default: leaf(context, o, &source); break;
    }
}

static void walk(const body *t, const region *domain, leaf_fn *leaf, void *context)
{
    if (box_size(&domain->box) == 0) return;
    for (int i = 0; i < t->n_operands; i++) walk_operand(&t->operands[i], domain, leaf, context);
}

void body_walk(const body *t, const region *domain, body_read_fn *found, void *context) { walk(t, domain, found, context); }

/* ---- Blocks that are asked for ----------------------------------------------------------------------------------- */

static void join(stage *s, const box *more)
{
    box *to = &s->needed;
    if (!s->is_needed || box_size(to) == 0) {
        s->is_needed = true;
        *to = *more;
        return;
    }
    for (int d = 0; d < to->ndim && box_size(more) > 0; d++) {
        int64_t start = to->start[d] < more->start[d] ? to->start[d] : more->start[d];
        int64_t end_to = to->start[d] + to->count[d], end_more = more->start[d] + more->count[d];
        to->start[d] = start;
        to->count[d] = (end_to > end_more ? end_to : end_more) - start;
    }
}

static void axis_from(box *domain, int d, const region *out, int k)
{
    domain->start[d] = out->box.start[k];
    domain->count[d] = (out->box.count[k] - 1) * out->step[k] + 1;
}

/* The part of the domain that makes a region of an output. */
static box domain_of_output(const stage *s, const stage_output *o, const region *out)
{
    box b = box_of_shape(s->body->ndim, s->body->shape);
    if (stage_folds(s)) {
        if (s->kind == STAGE_REDUCE && s->body->prog->accumulators[o->slot].op == MONOID_HISTOGRAM) return b;
        for (int d = 0, k = 0; d < b.ndim; d++)
            if (!(s->axes >> d & 1)) axis_from(&b, d, out, k++);
    } else if (s->kind == STAGE_QUANTILE) {
        for (int d = 0, k = 1; d < b.ndim; d++)
            if (d != s->axis) axis_from(&b, d, out, k++);
    } else {
        for (int d = 0; d < b.ndim; d++) axis_from(&b, d, out, d);
        if (s->kind == STAGE_SCAN) { /* all that comes before */
            b.count[s->axis] += b.start[s->axis];
            b.start[s->axis] = 0;
        }
    }
    return b;
}

static void need(void *context, const operand *o, const region *source)
{
    if (o->kind != OPERAND_STAGE) return;
    stage *s = &((plan *)context)->stages[o->stage];
    box b = domain_of_output(s, &s->outputs[o->output], source);
    join(s, &b);
}

/* Blocks are made whole. Also counts the tasks; an empty result has some, too. */
static void snap(stage *s)
{
    if (!s->is_needed || box_size(&s->needed) == 0) {
        s->n_needed = s->is_needed ? s->n_tasks : 0;
        return;
    }
    s->n_needed = s->n_runs;
    for (int d = 0; d < s->tiles.ndim; d++) {
        const axis_grid *g = &s->tiles.axes[d];
        int64_t first = axis_grid_find(g, s->needed.start[d]);
        int64_t last = axis_grid_find(g, s->needed.start[d] + s->needed.count[d] - 1);
        s->needed.start[d] = axis_grid_start(g, first);
        s->needed.count[d] = axis_grid_start(g, last) + axis_grid_count(g, last) - s->needed.start[d];
        if (!stage_folds(s) || !(s->axes >> d & 1)) s->n_needed *= last - first + 1;
    }
}

static void find_needs(plan *p)
{
    for (int i = p->n_stages - 1; i >= 0; i--) {
        stage *s = &p->stages[i];
        box whole = box_of_shape(s->body->ndim, s->body->shape);
        for (int k = 0; k < s->n_outputs; k++)
            if (s->outputs[k].root >= 0) join(s, &whole);
        snap(s);
        region domain = region_of_box(&s->needed);
        if (s->is_needed) walk(s->body, &domain, need, p);
    }
}

/* ---- Files --------------------------------------------------------------------------------------------------------- */

/* A region of a plain layout: its bytes, and the gaps that are read because leaving them out would cost more (store/layout.c). */
static int64_t plain_bytes(const operand *o, const region *source)
{
    enum { SHORT_GAP_BYTES = 4 << 10 };
    int64_t row = (int64_t)tsr_dtype_size(o->dtype), bytes = row;
    bool in_one = true;
    for (int d = o->ndim - 1; d >= 0; d--) {
        int64_t count = source->box.count[d], stride = source->step[d] * row;
        in_one = in_one && (count == 1 || stride - bytes <= SHORT_GAP_BYTES);
        bytes = in_one ? (count - 1) * stride + bytes : count * bytes;
        row *= o->node->shape[d];
    }
    return bytes;
}

/* Chunks that a region touches, times their average size. */
static int64_t file_bytes(const operand *o, const region *source)
{
    const store_var *v = &o->node->p.store.file->vars[o->node->p.store.var];
    int64_t size = (int64_t)tsr_dtype_size(o->dtype), touched = 1, chunks = 1, chunk_bytes = size;
    if (!v->is_chunked) return plain_bytes(o, source);
    for (int d = 0; d < o->ndim; d++) {
        int64_t first = source->box.start[d], last = first + (source->box.count[d] - 1) * source->step[d], c = v->chunk[d];
        touched *= source->step[d] > c ? source->box.count[d] : last / c - first / c + 1;
        chunks *= (v->shape[d] + c - 1) / c;
        chunk_bytes *= c;
    }
    double average = v->stored_bytes >= 0 && chunks > 0 ? (double)v->stored_bytes / (double)chunks : (double)chunk_bytes;
    return (int64_t)(average * (double)touched + 0.5);
}

static void add_file_bytes(void *context, const operand *o, const region *source)
{
    if (o->kind == OPERAND_STORE) *(int64_t *)context += file_bytes(o, source);
}

static bool same_map(const operand *a, const operand *b)
{
    for (int d = 0; d < a->ndim; d++) {
        if (a->map[d].axis != b->map[d].axis || a->map[d].start != b->map[d].start || a->map[d].step != b->map[d].step)
            return false;
    }
    return true;
}

/* Does an earlier stage read the same regions, so that what it keeps serves this one? */
static bool is_read_before(const plan *p, int number, const operand *o)
{
    const stage *s = &p->stages[number];
    for (int i = 0; o->reused && i < number; i++) {
        const stage *other = &p->stages[i];
        for (int k = 0; k < other->body->n_operands; k++) {
            const operand *x = &other->body->operands[k];
            if (x->node == o->node && same_map(x, o) && grid_equal(&other->tiles, &s->tiles)) return true;
        }
    }
    return false;
}

static void predict_files(plan *p, int number)
{
    stage *s = &p->stages[number];
    if (!s->is_needed || box_size(&s->needed) == 0) return;
    region domain = region_of_box(&s->needed);
    for (int i = 0; i < s->body->n_operands; i++) {
        int64_t bytes = 0;
        walk_operand(&s->body->operands[i], &domain, add_file_bytes, &bytes);
        s->bytes_read += bytes;
        if (is_read_before(p, number, &s->body->operands[i])) s->bytes_kept += bytes;
    }
}

/* ---- Memory -------------------------------------------------------------------------------------------------------- */

/* How often evaluating `length` indices along the gathered axis evaluates a piece. */
static double pieces_evaluated(const operand *o, int64_t length)
{
    if (o->kind == OPERAND_RESHAPE) return 2;
    if (o->kind == OPERAND_TAKE) return (double)length;
    double each = (double)o->edges[o->n_pieces] / (double)o->n_pieces, n = (double)length / each + 2;
    return n < o->n_pieces ? n : o->n_pieces;
}

/* Pieces that compute have scratch memory and operands of their own, all until the task ends. Others are read in place, where
 * that is one run of memory. */
static double gather_bytes(const operand *o, double elements, double calls)
{
    const body *piece = o->pieces[0];
    double bytes = 0;
    for (int i = 0; i < o->n_pieces && i < 4 && piece->passthrough; i++) piece = o->pieces[i]; /* pieces are alike */
    if (!piece->passthrough) bytes += calls * (double)piece->prog->scratch_bytes;
    for (int i = 0; i < piece->n_operands; i++) {
        const operand *x = &piece->operands[i];
        bool in_place = x->kind == OPERAND_MEMORY || (piece->passthrough && o->axis == 0);
        if (!in_place) bytes += elements * (double)tsr_dtype_size(x->dtype);
        if (x->n_pieces == 0) continue;
        double more = calls * pieces_evaluated(x, x->node->shape[x->axis < x->ndim ? x->axis : 0]);
        bytes += gather_bytes(x, elements, more < elements ? more : elements);
    }
    return bytes;
}

static int64_t body_bytes(const body *t, const box *tile);

/* The inputs of a function as dense blocks, what evaluating them takes, and a block of the result before it goes to its place. */
static int64_t call_bytes(const operand *o)
{
    box filled = call_largest_box(o->node, -1);
    int64_t bytes = box_size(&filled) * (int64_t)tsr_dtype_size(o->dtype);
    for (int i = 0; i < o->n_pieces; i++) {
        const body *piece = o->pieces[i];
        box part = call_largest_box(o->node, i);
        if (box_size(&part) == 0) continue;
        bytes += body_bytes(piece, &part) + box_size(&part) * (int64_t)tsr_dtype_size(o->node->inputs[i]->dtype);
    }
    return bytes;
}

static int64_t operand_bytes(const operand *o, const box *tile)
{
    if (o->kind == OPERAND_CALL) return call_bytes(o);
    region domain = region_of_box(tile), source = operand_region(o, &domain);
    if (o->kind == OPERAND_MEMORY || box_size(tile) == 0) return 0;
    if (o->kind == OPERAND_WINDOW) { /* its input, once */
        region part = window_region(o, &source);
        return box_size(&part.box) * (int64_t)tsr_dtype_size(o->dtype) + body_bytes(o->pieces[0], &part.box);
    }
    int64_t bytes = box_size(&source.box) * (int64_t)tsr_dtype_size(o->dtype);
    if (o->n_pieces == 0 || bytes == 0) return bytes;
    if (o->kind == OPERAND_BODY) /* its values, if they do not lie somewhere already, and these packed */
        return (o->pieces[0]->passthrough ? 1 : 2) * bytes + body_bytes(o->pieces[0], &source.box);
    int64_t length = o->kind == OPERAND_RESHAPE ? 1 : source.box.count[o->axis];
    return bytes + (int64_t)gather_bytes(o, (double)box_size(&source.box), pieces_evaluated(o, length));
}

static int64_t body_bytes(const body *t, const box *tile)
{
    int64_t bytes = (int64_t)t->prog->scratch_bytes;
    for (int i = 0; i < t->n_operands; i++) bytes += operand_bytes(&t->operands[i], tile);
    return bytes;
}

/* State of all accumulators for one block of the result. */
static int64_t state_bytes(const stage *s)
{
    int64_t cells = 1, bytes = 0;
    for (int d = 0; d < s->tiles.ndim; d++) {
        if (!(s->axes >> d & 1)) cells *= s->tiles.axes[d].chunk;
    }
    if (s->kind == STAGE_CONTRACT) return cells * (int64_t)tsr_dtype_size(s->outputs[0].dtype);
    for (int i = 0; i < s->body->prog->n_accumulators; i++) {
        const program_accumulator *a = &s->body->prog->accumulators[i];
        int64_t n = a->op == MONOID_HISTOGRAM ? a->params.n_bins : cells;
        for (int f = 0; f < a->ops->n_fields; f++) bytes += n * a->ops->field_bytes[f];
    }
    return bytes;
}

static void predict_memory(stage *s)
{
    box tile = {.ndim = s->body->ndim}, whole = box_of_shape(s->body->ndim, s->body->shape);
    for (int d = 0; d < tile.ndim; d++) tile.count[d] = s->tiles.axes[d].chunk;
    if (box_size(&whole) == 0) return;
    s->task_bytes = body_bytes(s->body, &tile);
    for (int i = 0; i < s->n_outputs; i++) {
        const stage_output *o = &s->outputs[i];
        int64_t size = (int64_t)tsr_dtype_size(o->dtype), block = size;
        for (int d = 0; d < o->ndim; d++) block *= o->blocks.axes[d].chunk;
        s->bytes_made += shape_size(o->ndim, o->shape) * size;
        s->task_bytes += block;
    }
    if (stage_folds(s)) {
        int64_t bytes = state_bytes(s);
        s->task_bytes += bytes;
        s->partial_bytes = s->n_runs > 1 ? bytes * s->n_runs : 0;
    } else if (s->kind != STAGE_MAP &&
               s->kind != STAGE_CALL) { /* the tile as one dense block, into which a file is read directly */
        const operand *o = s->body->operands;
        bool direct = s->body->passthrough && o->kind != OPERAND_MEMORY && !o->swapped;
        const int64_t size = (int64_t)tsr_dtype_size(s->body->prog->instrs[s->body->prog->n_instrs - 1].dtype);
        if (!direct) s->task_bytes += box_size(&tile) * size;
        if (s->kind == STAGE_QUANTILE) s->task_bytes += tile.count[s->axis] * size;
        if (s->kind == STAGE_SCAN) s->task_bytes += box_size(&tile) / tile.count[s->axis] * size;
        if (s->body->prog->n_outputs > 1) s->task_bytes += box_size(&tile); /* a mask */
    }
}

/* ---- All together -------------------------------------------------------------------------------------------------- */

/* Elements that a stage goes through. A product of matrices multiplies many more numbers than it moves, and faster: what counts
 * are the parts of the inputs that its tiles take. */
static double elements_gone_through(const stage *s)
{
    double elements = 1, tiles = 1;
    box tile = {.ndim = s->tiles.ndim};
    if (!s->is_needed || box_size(&s->needed) == 0) return 0;
    for (int d = 0; d < tile.ndim; d++) {
        tile.count[d] = s->tiles.axes[d].chunk;
        elements *= (double)s->needed.count[d];
        tiles *= (double)s->needed.count[d] / (double)tile.count[d];
    }
    if (s->kind != STAGE_CONTRACT) return elements;
    region domain = region_of_box(&tile);
    elements = 0;
    for (int i = 0; i < s->body->n_operands; i++) {
        region source = operand_region(&s->body->operands[i], &domain);
        elements += tiles * (double)box_size(&source.box);
    }
    return elements;
}

void plan_totals(const plan *p, tsr_prediction *out)
{
    double elements = 0;
    *out = (tsr_prediction){0};
    for (int i = 0; i < p->n_stages; i++) {
        out->tasks += p->stages[i].n_needed;
        out->bytes_read += p->stages[i].bytes_read - p->stages[i].bytes_kept;
        elements += elements_gone_through(&p->stages[i]);
    }
    out->elements = elements < 0x1p63 ? (int64_t)elements : INT64_MAX;
}

/* What one task of a later stage reads of an output. */
typedef struct reading_of {
    const plan *p;
    int stage, output;
    double elements, touched; /* of the whole blocks in which they lie */
} reading_of;

static void add_reading(void *context, const operand *o, const region *source)
{
    reading_of *r = context;
    if (o->kind != OPERAND_STAGE || o->stage != r->stage || o->output != r->output) return;
    const grid *blocks = &r->p->stages[o->stage].outputs[o->output].blocks;
    double elements = 1, touched = 1;
    for (int d = 0; d < source->box.ndim; d++) {
        const int64_t n = source->box.count[d], first = source->box.start[d], last = first + (n - 1) * source->step[d];
        const int64_t chunk = blocks->axes[d].chunk;
        if (n == 0 || chunk == 0) return;
        elements *= (double)n;
        touched *= (double)((last / chunk - first / chunk + 1) * chunk);
    }
    r->elements += elements;
    r->touched += touched;
}

/* Blocks between stages go as soon as nobody will read them: where each is read about once, those that the running tasks read are
 * there, and as many that are being made for the next; where they are read several times, or not all (those stay), possibly all.
 */
static double held_bytes(const plan *p, int number, int output, int n_threads)
{
    const stage *s = &p->stages[number];
    const stage_output *o = &s->outputs[output];
    const double size = (double)tsr_dtype_size(o->dtype), needed = (double)s->n_needed / (double)(s->n_tasks ? s->n_tasks : 1);
    const double all = (double)shape_size(o->ndim, o->shape) * size * needed;
    double times = 0, touched = 0;
    for (int i = number + 1; i < p->n_stages; i++) {
        const stage *c = &p->stages[i];
        box tile = {.ndim = c->body->ndim};
        for (int d = 0; d < tile.ndim; d++) tile.count[d] = c->tiles.axes[d].chunk;
        if (c->n_needed == 0 || box_size(&tile) == 0) continue;
        reading_of r = {.p = p, .stage = number, .output = output};
        region domain = region_of_box(&tile);
        body_walk(c->body, &domain, add_reading, &r);
        times += (double)c->n_needed * r.elements * size;
        touched += 2 * (double)n_threads * r.touched * size;
    }
    return times > 0.75 * all && times < 1.5 * all && touched < all ? touched : all;
}

/* Tasks of one stage at a time are a bound for tasks of several: none takes more than the largest. Buffers come in classes of
 * size, up to a quarter larger than what they hold, and none is tiny. What does not fit into the budget is spilled, so that no
 * more is in memory, unless the tasks alone take more. */
size_t plan_peak_bytes(const plan *p, int n_threads, size_t budget_bytes)
{
    enum { SMALLEST_BYTES = 128 << 10 };
    double running = 0, held = 0;
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        const double tasks = (double)(s->n_needed < n_threads ? s->n_needed : n_threads), each = (double)s->task_bytes;
        if (tasks * (each + SMALLEST_BYTES) > running) running = tasks * (each + SMALLEST_BYTES);
        if (s->n_needed == 0) continue;
        held += (double)s->partial_bytes + (double)s->bytes_kept;
        for (int k = 0; k < s->n_outputs; k++)
            if (s->outputs[k].is_read) held += held_bytes(p, i, k, n_threads);
    }
    const double all = 1.25 * (running + held),
                 most = 1.25 * running > (double)budget_bytes ? 1.25 * running : (double)budget_bytes;
    return (size_t)(all < most ? all : most);
}

void plan_predict(plan *p)
{
    for (int i = 0; i < p->n_stages; i++) predict_memory(&p->stages[i]);
    find_needs(p);
    for (int i = 0; i < p->n_stages; i++) predict_files(p, i);
}
