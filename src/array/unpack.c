/* Expressions from bytes that may come from anybody: every node is checked before it is made, sizes before memory is taken for
 * them. Each node is made from those before it, so there are no cycles. Any thread. */
#include "array/builtin.h"
#include "array/calls.h"
#include "array/expression.pb-c.h"
#include "array/pack.h"
#include "array/session.h"
#include "array/udf.h"
#include "base/vec.h"
#include "block/dtype.h"
#include "store/stack.h"

#include <limits.h>
#include <string.h>

typedef struct unpacker {
    tsr_session *session;
    const tsr_function_codec *codec;
    const set_codec *sets;
    const char *segments; /* what lies behind the message */
    size_t segments_bytes;
    const Tessera__Expression *message;
    tsr_array **nodes; /* references, as many as are made */
    size_t n_nodes;
    VEC(store *) files; /* each is opened once */
} unpacker;

static tsr_status bad(const char *what) { return error_set(TSR_ERR_FORMAT, "unpack: %s", what); }

/* ---- Axes ------------------------------------------------------------------------------------------------------------ */

/* Edges stay the message's. */
static tsr_status unpack_blocks(const Tessera__Blocks *b, axis_grid *out)
{
    if (!b || b->length < 0) return bad("an axis has no length");
    if (b->n_edges == 0) {
        if (b->chunk < 1 || b->chunk > INT64_MAX / 4) {
            if (b->length > 0 || b->chunk != 0 || b->phase != 0) return bad("an axis has chunks of no length");
        }
        if (b->phase < 0 || b->phase > INT64_MAX / 4 || b->length > INT64_MAX / 4) return bad("an axis is too long");
        *out = b->phase ? axis_grid_phased(b->length, b->chunk, b->phase) : axis_grid_regular(b->length, b->chunk);
        return TSR_OK;
    }
    if (b->n_edges < 2 || b->edges[0] != 0 || b->edges[b->n_edges - 1] != b->length) return bad("chunks do not cover an axis");
    for (size_t i = 1; i < b->n_edges; i++)
        if (b->edges[i] <= b->edges[i - 1] && b->length > 0) return bad("the borders of chunks do not increase");
    if (b->length == 0 && b->n_edges != 2) return bad("an empty axis has several chunks");
    *out = axis_grid_edges((int64_t)b->n_edges - 1, b->edges);
    return TSR_OK;
}

static tsr_status unpack_head(unpacker *u, const Tessera__Node *m, tsr_array *proto, tsr_array **inputs)
{
    int dtype = 0;
    while (dtype < TSR_N_DTYPES && strcmp(tsr_dtype_name((tsr_dtype)dtype), m->dtype) != 0) dtype++;
    if (dtype == TSR_N_DTYPES) return error_set(TSR_ERR_FORMAT, "unpack: no dtype '%.30s'", m->dtype);
    if (m->n_axes > TSR_MAX_NDIM) return bad("too many axes");
    proto->dtype = (tsr_dtype)dtype;
    proto->session = u->session;
    proto->ndim = proto->grid.ndim = (int)m->n_axes;
    for (int d = 0; d < proto->ndim; d++) {
        TRY(unpack_blocks(m->axes[d], &proto->grid.axes[d]));
        proto->shape[d] = proto->grid.axes[d].length;
    }
    if (shape_size(proto->ndim, proto->shape) > INT64_MAX / 16) return bad("an array has more than 2^59 elements");
    proto->n_inputs = (int)m->n_inputs;
    proto->inputs = inputs;
    for (size_t i = 0; i < m->n_inputs; i++) {
        if (m->inputs[i] >= u->n_nodes) return bad("an input comes later, or not at all");
        inputs[i] = u->nodes[m->inputs[i]];
    }
    return TSR_OK;
}

/* ---- Sources ---------------------------------------------------------------------------------------------------------- */

static tsr_status unpack_full(const Tessera__Node *m, tsr_array *a)
{
    a->op = NODE_FULL;
    if (m->full.len != tsr_dtype_size(a->dtype)) return bad("an element has the wrong size");
    memcpy(&a->p.full.value, m->full.data, m->full.len);
    if (a->dtype == TSR_BOOL && m->full.data[0] > 1) return bad("a bool is neither 0 nor 1");
    return TSR_OK;
}

static tsr_status unpack_random(const Tessera__Random *r, tsr_array *a)
{
    a->op = NODE_RANDOM;
    if (r->kind >= N_RANDOM_KINDS) return bad("an unknown kind of random numbers");
    a->p.random.kind = (random_kind)r->kind;
    a->p.random.params =
        (random_params){.key = {r->key_low, r->key_high}, .a = r->a, .b = r->b, .low = r->low, .range = r->range};
    return TSR_OK;
}

static tsr_status unpack_memory(unpacker *u, const Tessera__Memory *v, tsr_array *a)
{
    buffer *b;
    const uint64_t bytes = (uint64_t)shape_size(a->ndim, a->shape) * tsr_dtype_size(a->dtype);
    if (v->bytes != bytes || v->offset > u->segments_bytes || bytes > u->segments_bytes - v->offset)
        return bad("values are missing");
    TRY(buffer_new(u->session->buffers, (size_t)bytes, &b));
    memcpy(b->data, u->segments + v->offset, (size_t)bytes);
    if (a->dtype == TSR_BOOL) /* any other byte is no bool to the compiler */
        for (uint64_t i = 0; i < bytes; i++) b->data[i] = b->data[i] != 0;
    a->op = NODE_MEMORY;
    a->p.memory.buf = b;
    a->p.memory.data = b->data;
    shape_strides(a->ndim, a->shape, tsr_dtype_size(a->dtype), a->p.memory.strides);
    return TSR_OK;
}

static tsr_status unpack_held(unpacker *u, const Tessera__Held *h, tsr_array *a)
{
    tsr_dtype dtype;
    const grid *stored;
    if (!u->sets) return error_set(TSR_ERR_FORMAT, "unpack: blocks of a cluster are named, but this is no part of one");
    block_set *set = u->sets->load(u->sets->context, h->job, h->root, &dtype, &stored);
    if (!set) return tsr_error_code();
    bool fits = dtype == a->dtype && stored->ndim == a->ndim;
    for (int d = 0; fits && d < a->ndim; d++) fits = stored->axes[d].length == a->shape[d];
    if (!fits) {
        set->ops->unref(set);
        return bad("blocks of a cluster have another shape or dtype");
    }
    a->op = NODE_BLOCKS;
    a->p.blocks.set = set;
    a->p.blocks.stored = stored;
    return TSR_OK;
}

static bool is_stack_of(const store *s, const Tessera__File *f)
{
    int n;
    const char *const *paths = store_stack_paths(s, &n);
    bool same = paths && (size_t)n == f->n_stack && strcmp(s->dims[0].name, f->dim) == 0;
    for (int i = 0; same && i < n; i++) same = strcmp(paths[i], f->stack[i]) == 0;
    return same;
}

static tsr_status open_file(unpacker *u, const Tessera__File *f, store **out)
{
    for (size_t i = 0; i < u->files.n; i++) {
        *out = u->files.items[i];
        if (f->n_stack > 0 ? is_stack_of(*out, f) : (*out)->file && strcmp((*out)->path, f->path) == 0) return TSR_OK;
    }
    if (f->n_stack > INT_MAX) return bad("a stack of too many files");
    if (f->n_stack > 0) {
        TRY(store_open_stack((int)f->n_stack, (const char *const *)f->stack, f->dim, out));
    } else {
        TRY(store_open(f->path, out));
    }
    if (VEC_PUSH(&u->files, *out)) return TSR_OK;
    store_unref(*out);
    return TSR_ERR_MEMORY;
}

static tsr_status unpack_file(unpacker *u, const Tessera__File *f, tsr_array *a)
{
    store *file;
    char now[256], then[256];
    TRY(open_file(u, f, &file));
    const store_var *v = store_find(file, f->variable);
    if (!v || v->is_text) return error_set(TSR_ERR_NOT_FOUND, "%s: no variable '%s'", file->path, f->variable);
    bool same = v->ndim == a->ndim && v->dtype == a->dtype;
    for (int d = 0; same && d < a->ndim; d++) same = v->shape[d] == a->shape[d];
    if (!same) {
        return error_set(TSR_ERR_VALUE, "%s: variable '%s' has changed: %s %s where the expression was made for %s %s",
                         file->path, f->variable, tsr_dtype_name(v->dtype), shape_format(v->ndim, v->shape, now, sizeof now),
                         tsr_dtype_name(a->dtype), shape_format(a->ndim, a->shape, then, sizeof then));
    }
    a->op = NODE_STORE;
    a->p.store.file = store_ref(file);
    a->p.store.var = (int)(v - file->vars);
    return TSR_OK;
}

/* ---- Operations -------------------------------------------------------------------------------------------------------- */

static tsr_status one_input(const tsr_array *a) { return a->n_inputs == 1 ? TSR_OK : bad("an operation has not its one input"); }

static tsr_status unpack_map(const Tessera__Node *m, tsr_array *a)
{
    int op = 0; /* also those that have no name for users */
    while (op < OP_COUNT && strcmp(op_info_of((op_code)op)->name, m->map) != 0) op++;
    a->op = NODE_MAP;
    a->p.map.op = (op_code)op;
    return op < OP_COUNT ? TSR_OK : error_set(TSR_ERR_FORMAT, "unpack: no operation '%.30s'", m->map);
}

static tsr_status unpack_view(const Tessera__View *v, tsr_array *a)
{
    TRY(one_input(a));
    const size_t n = (size_t)a->inputs[0]->ndim;
    a->op = NODE_VIEW;
    if (v->n_axis != n || v->n_start != n || v->n_step != n) return bad("a view has not an entry for each axis");
    for (size_t d = 0; d < n; d++) a->p.view.axes[d] = (view_axis){v->axis[d], v->start[d], v->step[d]};
    return TSR_OK;
}

static int axis_of(uint32_t axis) { return axis < TSR_MAX_NDIM ? (int)axis : TSR_MAX_NDIM; }

static tsr_status unpack_window(const Tessera__Window *w, tsr_array *a)
{
    a->op = NODE_WINDOW;
    a->p.window.axis = axis_of(w->axis);
    a->p.window.n = w->n;
    a->p.window.step = w->step;
    return one_input(a);
}

static tsr_status unpack_take(const Tessera__Take *t, tsr_array *a)
{
    TRY(one_input(a));
    a->op = NODE_TAKE;
    a->p.take.axis = axis_of(t->axis);
    a->p.take.n = (int64_t)t->n_indices;
    a->p.take.indices = mem_alloc(sizeof *t->indices * t->n_indices);
    if (!a->p.take.indices) return TSR_ERR_MEMORY;
    if (t->n_indices) memcpy(a->p.take.indices, t->indices, sizeof *t->indices * t->n_indices);
    return TSR_OK;
}

static tsr_status unpack_reduce(const Tessera__Reduce *r, tsr_array *a)
{
    int op = 0;
    while (op < N_MONOIDS && strcmp(monoid_name((monoid)op), r->monoid) != 0) op++;
    if (op == N_MONOIDS) return error_set(TSR_ERR_FORMAT, "unpack: no reduction '%.30s'", r->monoid);
    a->op = NODE_REDUCE;
    a->p.reduce.op = (monoid)op;
    a->p.reduce.axes = r->axes;
    a->p.reduce.params =
        (acc_params){.ddof = r->ddof, .n_bins = r->n_bins, .low = r->low, .high = r->high, .weighted = r->weighted};
    if (r->n_edges == 0) return TSR_OK;
    if (r->n_bins < 1 || (uint64_t)r->n_bins != r->n_edges - 1) return bad("a histogram has not an edge more than bins");
    double *edges = mem_alloc(sizeof *edges * r->n_edges);
    if (!edges) return TSR_ERR_MEMORY;
    memcpy(edges, r->edges, sizeof *edges * r->n_edges);
    a->p.reduce.params.edges = edges;
    return TSR_OK;
}

static tsr_status unpack_scan(const Tessera__Scan *s, tsr_array *a)
{
    a->op = NODE_SCAN;
    if (s->kind >= N_SCAN_KINDS) return bad("an unknown kind of running sum");
    a->p.scan.kind = (scan_kind)s->kind;
    a->p.scan.axis = axis_of(s->axis);
    if (a->p.scan.kind != SCAN_MAP) return one_input(a);
    a->p.scan.op = op_find(s->operation);
    if (a->p.scan.op == OP_COUNT) return error_set(TSR_ERR_FORMAT, "unpack: no operation '%.30s'", s->operation);
    return a->n_inputs == 2 ? TSR_OK : one_input(a);
}

static tsr_status unpack_quantile(const Tessera__Quantile *q, tsr_array *a)
{
    TRY(one_input(a));
    a->op = NODE_QUANTILE;
    if (q->n_q > INT_MAX) return bad("too many quantiles");
    a->p.quantile.axis = axis_of(q->axis);
    a->p.quantile.n_q = (int)q->n_q;
    a->p.quantile.skip_nan = q->skip_nan;
    a->p.quantile.method = *q->method ? quantile_method_find(q->method) : QUANTILE_LINEAR;
    if (a->p.quantile.method == N_QUANTILE_METHODS) return error_set(TSR_ERR_FORMAT, "unpack: no method '%.30s'", q->method);
    a->p.quantile.q = mem_alloc(sizeof(double) * q->n_q);
    if (!a->p.quantile.q) return TSR_ERR_MEMORY;
    if (q->n_q) memcpy(a->p.quantile.q, q->q, sizeof(double) * q->n_q);
    return TSR_OK;
}

static tsr_status unpack_contract(const Tessera__Contract *c, tsr_array *a)
{
    if (a->n_inputs != 2) return bad("a product has not two inputs");
    a->op = NODE_CONTRACT;
    if (c->n_sum > TSR_MAX_NDIM || a->ndim + (int)c->n_sum > TSR_MAX_NDIM) return bad("a product has too many axes");
    a->p.contract.n_sum = (int)c->n_sum;
    if (c->n_left != (size_t)a->inputs[0]->ndim || c->n_right != (size_t)a->inputs[1]->ndim ||
        c->n_tile != (size_t)a->ndim + c->n_sum)
        return bad("a product has not an entry for each axis");
    for (size_t d = 0; d < c->n_left && d < TSR_MAX_NDIM; d++) a->p.contract.left[d] = (int8_t)axis_of(c->left[d]);
    for (size_t d = 0; d < c->n_right && d < TSR_MAX_NDIM; d++) a->p.contract.right[d] = (int8_t)axis_of(c->right[d]);
    for (size_t d = 0; d < c->n_tile; d++) a->p.contract.tile[d] = c->tile[d];
    return TSR_OK;
}

/* ---- Calls --------------------------------------------------------------------------------------------------------------- */

/* Values that blocks get of each other need no equal number: blocks without any may be among them. */
static tsr_status unpack_shares(const Tessera__CallAxis *from, axis_grid *out)
{
    const Tessera__Blocks *b = from->blocks;
    bool rises = true, falls = false;
    for (size_t i = 1; b && i < b->n_edges; i++) {
        rises = rises && b->edges[i] > b->edges[i - 1];
        falls = falls || b->edges[i] < b->edges[i - 1];
    }
    if (!b || rises || falls || from->ends != ENDS_CUT || from->before || from->after) return unpack_blocks(b, out);
    if (b->n_edges < 2 || b->edges[0] != 0 || b->edges[b->n_edges - 1] != b->length) return bad("chunks do not cover an axis");
    *out = (axis_grid){.length = b->length, .n_blocks = (int64_t)b->n_edges - 1, .edges = b->edges};
    for (size_t i = 1; i < b->n_edges; i++)
        if (b->edges[i] - b->edges[i - 1] > out->chunk) out->chunk = b->edges[i] - b->edges[i - 1];
    return TSR_OK;
}

static tsr_status unpack_call_axis(const Tessera__CallAxis *from, bool of_result, call_axis *out)
{
    axis_grid blocks;
    if (from->axis < -1 || from->axis >= TSR_MAX_NDIM || from->ends > ENDS_WHOLE) return bad("an axis of a call is not possible");
    if (from->before < -INT32_MAX || from->before > INT32_MAX || from->after < -INT32_MAX || from->after > INT32_MAX)
        return bad("a block reaches too far");
    TRY(of_result ? unpack_blocks(from->blocks, &blocks) : unpack_shares(from, &blocks));
    TRY(call_axis_set(out, from->axis, &blocks));
    out->before = from->before;
    out->after = from->after;
    out->ends = (call_ends)from->ends;
    return TSR_OK;
}

static void free_context(void *context) { mem_free(context); }

static tsr_status find_builtin(const Tessera__Call *c, const tsr_array *a, tsr_function *f)
{
    const builtin_function *known = builtin_find(c->builtin);
    uint64_t number = 0;
    if (!known) return error_set(TSR_ERR_FORMAT, "unpack: no function '%.30s'", c->builtin);
    size_t bytes = known->context_size ? c->context.len : known->context_bytes;
    if (c->context.len != (bytes ? bytes : sizeof number) ||
        (known->context_size && !known->context_fits(c->context.data, bytes)) ||
        !known->accepts(a->n_inputs, a->inputs, a->dtype))
        return error_set(TSR_ERR_FORMAT, "unpack: '%s' is not called so", known->name);
    *f = (tsr_function){.call = known->call, .name = known->name};
    memcpy(&number, c->context.data, sizeof number <= c->context.len ? sizeof number : 0);
    f->context = (void *)(uintptr_t)number;
    if (bytes) {
        f->context = mem_alloc(bytes);
        if (!f->context) return TSR_ERR_MEMORY;
        memcpy(f->context, c->context.data, bytes);
        f->release = free_context;
    }
    return TSR_OK;
}

static tsr_status load_function(unpacker *u, const Tessera__Call *c, tsr_function *f)
{
    if (!u->codec || !u->codec->load)
        return error_set(TSR_ERR_UNSUPPORTED, "unpack: a function cannot be made: nobody here knows what it was packed as");
    tsr_error_clear();
    tsr_status status = u->codec->load(u->codec->context, u->session, c->function.data, c->function.len, f);
    if (status != TSR_OK && tsr_error_code() == TSR_OK) return error_set(status, "unpack: a function cannot be made");
    if (status == TSR_OK && !f->call) return bad("a function has no address");
    return status;
}

/* One of a cluster's own, which may call one of the user's. */
static tsr_status load_cluster_function(unpacker *u, const Tessera__Call *c, const tsr_array *a, tsr_function *f)
{
    tsr_function inner = {0};
    if (a->n_inputs != 0 && strcmp(c->builtin, UDF_PACKED) != 0) return bad("a function of a cluster's own has inputs");
    if (c->function.len > 0) TRY(load_function(u, c, &inner));
    const tsr_status status = u->sets->load_function(u->sets->context, c->builtin, c->context.data, c->context.len, &inner, f);
    if (status != TSR_OK && inner.release) inner.release(inner.context);
    return status;
}

static tsr_status find_function(unpacker *u, const Tessera__Call *c, const tsr_array *a, tsr_function *f)
{
    if (c->builtin[0] && u->sets && u->sets->load_function && !builtin_find(c->builtin)) return load_cluster_function(u, c, a, f);
    if (c->builtin[0]) return find_builtin(c, a, f);
    if (c->function.len == 0) { /* the part of the only input is the result */
        *f = (tsr_function){.name = "copy"};
        return a->n_inputs == 1 && a->inputs[0]->dtype == a->dtype ? TSR_OK : bad("a copy has not its one input");
    }
    return load_function(u, c, f);
}

/* Which blocks the result's blocks get. */
static tsr_status unpack_picks(const Tessera__Call *c, call_spec *spec)
{
    if (c->n_picks == 0) {
        for (int i = 0; i < spec->n_inputs; i++)
            for (int d = 0; d < spec->ndims[i]; d++)
                if (c->inputs[i]->axes[d]->picks) return bad("a call picks none of its blocks");
        return TSR_OK;
    }
    for (size_t k = 0; k < c->n_picks; k++)
        if (c->picks[k] < 0 || (k > 0 && c->picks[k] <= c->picks[k - 1])) return bad("picked blocks do not rise");
    spec->picks = mem_alloc(c->n_picks * sizeof *spec->picks);
    if (!spec->picks) return TSR_ERR_MEMORY;
    memcpy(spec->picks, c->picks, c->n_picks * sizeof *spec->picks);
    spec->n_picks = (int64_t)c->n_picks;
    for (int i = 0; i < spec->n_inputs; i++)
        for (int d = 0; d < spec->ndims[i]; d++)
            if (c->inputs[i]->axes[d]->picks) spec->inputs[i][d].picks = spec->picks;
    return TSR_OK;
}

static tsr_status unpack_call(unpacker *u, const Tessera__Call *c, tsr_array *a)
{
    tsr_function f = {0};
    call_owner *owner = NULL;
    call_spec *spec = NULL;
    const builtin_function *known = c->builtin[0] ? builtin_find(c->builtin) : NULL;
    int *ndims = mem_calloc(c->n_inputs, sizeof *ndims);
    tsr_status status = ndims ? TSR_OK : TSR_ERR_MEMORY;
    a->op = NODE_CALL;
    if (status == TSR_OK && (c->n_inputs != (size_t)a->n_inputs || c->n_result != (size_t)a->ndim))
        status = bad("a call has not an entry for each input");
    for (size_t i = 0; status == TSR_OK && i < c->n_inputs; i++) {
        if (c->inputs[i]->n_axes != (size_t)a->inputs[i]->ndim) status = bad("a call has not an entry for each axis");
        ndims[i] = a->inputs[i]->ndim;
    }
    GUARD(status);
    GUARD(find_function(u, c, a, &f));
    if (c->name[0] && (c->builtin[0] || !f.name)) f.name = c->name;
    GUARD(call_owner_new(&owner));
    GUARD(call_new(&f, owner, a->n_inputs, ndims, a->ndim, &spec));
    a->p.call.spec = spec;
    for (int i = 0; i < a->n_inputs; i++)
        for (int d = 0; d < ndims[i]; d++) GUARD(unpack_call_axis(c->inputs[i]->axes[d], false, &spec->inputs[i][d]));
    for (int d = 0; d < a->ndim; d++) GUARD(unpack_call_axis(c->result[d], true, &spec->result[d]));
    GUARD(unpack_picks(c, spec));
    if (known && known->fits && !known->fits(a)) status = bad("a call is not what its name says");
done:
    if (status != TSR_OK && !spec && f.release) f.release(f.context);
    call_owner_end(owner, spec ? &f : NULL);
    mem_free(ndims);
    return status;
}

/* ---- Nodes ---------------------------------------------------------------------------------------------------------------- */

static tsr_status unpack_operation(unpacker *u, const Tessera__Node *m, tsr_array *a)
{
    switch (m->operation_case) {
    case TESSERA__NODE__OPERATION_FULL: return unpack_full(m, a);
    case TESSERA__NODE__OPERATION_INDEX_AXIS:
        a->op = NODE_INDEX;
        a->p.index.axis = axis_of(m->index_axis);
        return TSR_OK;
    case TESSERA__NODE__OPERATION_RANDOM: return unpack_random(m->random, a);
    case TESSERA__NODE__OPERATION_MEMORY: return unpack_memory(u, m->memory, a);
    case TESSERA__NODE__OPERATION_FILE: return unpack_file(u, m->file, a);
    case TESSERA__NODE__OPERATION_MAP: return unpack_map(m, a);
    case TESSERA__NODE__OPERATION_CAST: a->op = NODE_CAST; return one_input(a);
    case TESSERA__NODE__OPERATION_VIEW: return unpack_view(m->view, a);
    case TESSERA__NODE__OPERATION_WINDOW: return unpack_window(m->window, a);
    case TESSERA__NODE__OPERATION_RESHAPE: a->op = NODE_RESHAPE; return one_input(a);
    case TESSERA__NODE__OPERATION_CONCAT_AXIS:
        a->op = NODE_CONCAT;
        a->p.concat.axis = axis_of(m->concat_axis);
        return TSR_OK;
    case TESSERA__NODE__OPERATION_TAKE: return unpack_take(m->take, a);
    case TESSERA__NODE__OPERATION_RECHUNK: a->op = NODE_RECHUNK; return one_input(a);
    case TESSERA__NODE__OPERATION_REDUCE: return unpack_reduce(m->reduce, a);
    case TESSERA__NODE__OPERATION_SCAN: return unpack_scan(m->scan, a);
    case TESSERA__NODE__OPERATION_QUANTILE: return unpack_quantile(m->quantile, a);
    case TESSERA__NODE__OPERATION_CALL: return unpack_call(u, m->call, a);
    case TESSERA__NODE__OPERATION_HELD: return unpack_held(u, m->held, a);
    case TESSERA__NODE__OPERATION_CONTRACT: return unpack_contract(m->contract, a);
    default: return bad("an operation that this version does not know");
    }
}

/* What a node that is not made would have owned. */
static void drop_params(tsr_array *a)
{
    switch (a->op) {
    case NODE_MEMORY: buffer_unref(a->p.memory.buf); break;
    case NODE_BLOCKS: a->p.blocks.set->ops->unref(a->p.blocks.set); break;
    case NODE_STORE: store_unref(a->p.store.file); break;
    case NODE_TAKE: mem_free(a->p.take.indices); break;
    case NODE_REDUCE: mem_free((void *)(uintptr_t)a->p.reduce.params.edges); break;
    case NODE_QUANTILE: mem_free(a->p.quantile.q); break;
    case NODE_CALL: call_unref(a->p.call.spec); break;
    default: break;
    }
}

static tsr_status unpack_node(unpacker *u, const Tessera__Node *m)
{
    tsr_array proto = {.op = NODE_FULL}, *made;
    if (m->n_inputs > INT_MAX) return bad("too many inputs");
    tsr_array **inputs = mem_calloc(m->n_inputs, sizeof *inputs);
    tsr_status status = inputs ? unpack_head(u, m, &proto, inputs) : TSR_ERR_MEMORY;
    if (status == TSR_OK) status = unpack_operation(u, m, &proto);
    if (status == TSR_OK) status = node_check(&proto);
    if (status == TSR_OK) {
        made = node_make(u->session, &proto);
        if (made)
            u->nodes[u->n_nodes++] = made;
        else
            status = tsr_error_code();
    } else {
        drop_params(&proto);
    }
    mem_free(inputs);
    return status;
}

static tsr_status unpack_all(unpacker *u, int n, tsr_array **arrays)
{
    const Tessera__Expression *e = u->message;
    if (e->n_roots != (size_t)n) return error_set(TSR_ERR_VALUE, "unpack: there are %zu arrays, %d are asked for", e->n_roots, n);
    u->nodes = mem_calloc(e->n_nodes, sizeof(tsr_array *));
    if (!u->nodes) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < e->n_nodes; i++) TRY(unpack_node(u, e->nodes[i]));
    for (int i = 0; i < n; i++)
        if (e->roots[i] >= u->n_nodes) return bad("an array is missing");
    for (int i = 0; i < n; i++) arrays[i] = node_ref(u->nodes[e->roots[i]]);
    return TSR_OK;
}

/* The message, and where the segments are. */
static tsr_status read_head(unpacker *u, const void *data, size_t size, Tessera__Expression **out)
{
    uint64_t head;
    *out = NULL;
    if (size < PACK_HEAD_BYTES || memcmp(data, PACK_MAGIC, 8) != 0) return bad("this is no packed expression");
    memcpy(&head, (const char *)data + 8, sizeof head);
    if (head > size - PACK_HEAD_BYTES) return bad("the end is missing");
    *out = tessera__expression__unpack(NULL, (size_t)head, (const uint8_t *)data + PACK_HEAD_BYTES);
    if (!*out) return bad("the message is damaged");
    size_t first = (PACK_HEAD_BYTES + (size_t)head + PACK_ALIGNMENT - 1) / PACK_ALIGNMENT * PACK_ALIGNMENT;
    u->segments = (const char *)data + (first < size ? first : size);
    u->segments_bytes = first < size ? size - first : 0;
    return TSR_OK;
}

int tsr_packed_count(const void *data, size_t size)
{
    unpacker u = {0};
    Tessera__Expression *e;
    if (read_head(&u, data, size, &e) != TSR_OK) return -1;
    int n = e->n_roots <= INT_MAX ? (int)e->n_roots : -1;
    tessera__expression__free_unpacked(e, NULL);
    return n;
}

tsr_status expression_unpack(tsr_session *session, const void *data, size_t size, const tsr_function_codec *codec,
                             const set_codec *sets, int n, tsr_array **arrays)
{
    unpacker u = {.session = session, .codec = codec, .sets = sets};
    Tessera__Expression *e;
    for (int i = 0; i < n; i++) arrays[i] = NULL;
    TRY(read_head(&u, data, size, &e));
    u.message = e;
    tsr_status status = unpack_all(&u, n, arrays);
    for (size_t i = 0; i < u.n_nodes; i++) node_unref(u.nodes[i]);
    for (size_t i = 0; i < u.files.n; i++) store_unref(u.files.items[i]);
    mem_free(u.nodes);
    VEC_FINI(&u.files);
    tessera__expression__free_unpacked(e, NULL);
    return status;
}

tsr_status tsr_unpack(tsr_session *session, const void *data, size_t size, const tsr_function_codec *codec, int n,
                      tsr_array **arrays)
{
    return expression_unpack(session, data, size, codec, NULL, n, arrays);
}
