/* Packing expressions: see expression.proto for the form. Nodes are numbered in the order in which they must be made; arrays in
 * memory and persisted ones go behind the message, as dense values. Any thread; what is packed does not change meanwhile, since
 * nodes never do. */
#include "array/pack.h"
#include "array/build.h"
#include "array/builtin.h"

#include "array/expression.pb-c.h"
#include "array/session.h"
#include "base/arena.h"
#include "base/vec.h"
#include "store/stack.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef Tessera__Node message;
/* A new message in the arena, initialised; returns from the function without memory. */
#define NEW(type, initial, name)                                                                                                 \
    type *name = ARENA_NEW(&p->memory, type);                                                                                    \
    if (!name) return TSR_ERR_MEMORY;                                                                                            \
    *name = (type)initial

/* Values that go behind the message. */
typedef struct segment {
    tsr_array *node;
    uint64_t offset, bytes;
} segment;

typedef struct packer {
    arena memory;
    const tsr_function_codec *codec;
    const set_codec *sets;
    VEC(tsr_array *) order;
    VEC(message *) nodes;
    VEC(segment) segments;
    uint64_t end; /* of the segments */
    struct {
        const tsr_array *node;
        uint32_t number;
    } * table; /* open hashing by address */
    size_t table_size;
} packer;

/* ---- Numbers of nodes ------------------------------------------------------------------------------------------------ */

static size_t place_of(const packer *p, const tsr_array *node)
{
    size_t at = (size_t)(node->hash.low ^ node->hash.high) & (p->table_size - 1);
    while (p->table[at].node && p->table[at].node != node) at = (at + 1) & (p->table_size - 1);
    return at;
}

static bool is_numbered(const packer *p, const tsr_array *node) { return p->table_size > 0 && p->table[place_of(p, node)].node; }

static tsr_status number_node(packer *p, tsr_array *node)
{
    if (p->order.n * 2 >= p->table_size) {
        p->table_size = p->table_size ? p->table_size * 2 : 64;
        mem_free(p->table);
        p->table = mem_calloc(p->table_size, sizeof *p->table);
        if (!p->table) return TSR_ERR_MEMORY;
        for (size_t i = 0; i < p->order.n; i++) {
            size_t at = place_of(p, p->order.items[i]);
            p->table[at].node = p->order.items[i];
            p->table[at].number = (uint32_t)i;
        }
    }
    size_t at = place_of(p, node);
    p->table[at].node = node;
    p->table[at].number = (uint32_t)p->order.n;
    return VEC_PUSH(&p->order, node) ? TSR_OK : TSR_ERR_MEMORY;
}

/* All that a root reads, inputs first, without recursion: expressions can be deep. */
static tsr_status number_all(packer *p, tsr_array *root)
{
    struct visit {
        tsr_array *node;
        int next;
    };
    VEC(struct visit) stack = {0};
    tsr_status status = VEC_PUSH(&stack, (struct visit){root, 0}) ? TSR_OK : TSR_ERR_MEMORY;
    while (status == TSR_OK && stack.n > 0) {
        struct visit *top = &stack.items[stack.n - 1];
        if (is_numbered(p, top->node)) {
            stack.n--;
        } else if (top->next == top->node->n_inputs) {
            status = number_node(p, top->node);
            stack.n--;
        } else {
            tsr_array *input = top->node->inputs[top->next++];
            if (!is_numbered(p, input) && !VEC_PUSH(&stack, (struct visit){input, 0})) status = TSR_ERR_MEMORY;
        }
    }
    VEC_FINI(&stack);
    return status;
}

/* ---- Parts of nodes -------------------------------------------------------------------------------------------------- */

static tsr_status pack_blocks(packer *p, const axis_grid *g, Tessera__Blocks **out)
{
    NEW(Tessera__Blocks, TESSERA__BLOCKS__INIT, b);
    b->length = g->length;
    if (g->edges) {
        b->n_edges = (size_t)g->n_blocks + 1;
        b->edges = (int64_t *)(uintptr_t)g->edges;
    } else {
        b->chunk = g->chunk;
        b->phase = g->phase;
    }
    *out = b;
    return TSR_OK;
}

static tsr_status pack_random(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Random, TESSERA__RANDOM__INIT, r);
    const random_params *from = &a->p.random.params;
    r->kind = a->p.random.kind;
    r->key_low = from->key[0];
    r->key_high = from->key[1];
    r->a = from->a;
    r->b = from->b;
    r->low = from->low;
    r->range = from->range;
    m->random = r;
    m->operation_case = TESSERA__NODE__OPERATION_RANDOM;
    return TSR_OK;
}

static tsr_status pack_values(packer *p, tsr_array *a, message *m)
{
    NEW(Tessera__Memory, TESSERA__MEMORY__INIT, v);
    v->offset = p->end; /* from the first segment, until the message's size is known */
    v->bytes = (uint64_t)tsr_nbytes(a);
    p->end += (v->bytes + PACK_ALIGNMENT - 1) / PACK_ALIGNMENT * PACK_ALIGNMENT;
    m->memory = v;
    m->operation_case = TESSERA__NODE__OPERATION_MEMORY;
    return VEC_PUSH(&p->segments, (segment){a, v->offset, v->bytes}) ? TSR_OK : TSR_ERR_MEMORY;
}

/* By name where the reader will know the set, as values otherwise. */
static tsr_status pack_held(packer *p, tsr_array *a, message *m)
{
    uint64_t job;
    uint32_t root;
    if (!p->sets || !p->sets->save(p->sets->context, a->p.blocks.set, &job, &root)) return pack_values(p, a, m);
    NEW(Tessera__Held, TESSERA__HELD__INIT, h);
    h->job = job;
    h->root = root;
    m->held = h;
    m->operation_case = TESSERA__NODE__OPERATION_HELD;
    return TSR_OK;
}

static tsr_status pack_path(packer *p, const char *from, char **out)
{
    char *path = realpath(from, NULL);
    if (!path) return error_errno(errno, "pack: cannot find '%s'", from);
    *out = arena_strdup(&p->memory, path);
    free(path);
    return *out ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status pack_file(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__File, TESSERA__FILE__INIT, f);
    const store *file = a->p.store.file;
    int n;
    const char *const *paths = store_stack_paths(file, &n);
    if (!file->file && !paths)
        return error_set(TSR_ERR_UNSUPPORTED, "pack: '%s' is read through a function, which cannot be sent", file->path);
    f->variable = file->vars[a->p.store.var].name;
    m->file = f;
    m->operation_case = TESSERA__NODE__OPERATION_FILE;
    if (!paths) return pack_path(p, file->path, &f->path);
    f->n_stack = (size_t)n;
    f->stack = ARENA_ARRAY(&p->memory, char *, n + 1);
    f->dim = file->dims[0].name;
    if (!f->stack) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) TRY(pack_path(p, paths[i], &f->stack[i]));
    return TSR_OK;
}

static tsr_status pack_view(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__View, TESSERA__VIEW__INIT, v);
    const int n = a->inputs[0]->ndim;
    v->axis = ARENA_ARRAY(&p->memory, int32_t, n + 1);
    v->start = ARENA_ARRAY(&p->memory, int64_t, n + 1);
    v->step = ARENA_ARRAY(&p->memory, int64_t, n + 1);
    if (!v->axis || !v->start || !v->step) return TSR_ERR_MEMORY;
    v->n_axis = v->n_start = v->n_step = (size_t)n;
    for (int d = 0; d < n; d++) {
        v->axis[d] = a->p.view.axes[d].axis;
        v->start[d] = a->p.view.axes[d].start;
        v->step[d] = a->p.view.axes[d].step;
    }
    m->view = v;
    m->operation_case = TESSERA__NODE__OPERATION_VIEW;
    return TSR_OK;
}

static tsr_status pack_window(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Window, TESSERA__WINDOW__INIT, w);
    w->axis = (uint32_t)a->p.window.axis;
    w->n = a->p.window.n;
    w->step = a->p.window.step;
    m->window = w;
    m->operation_case = TESSERA__NODE__OPERATION_WINDOW;
    return TSR_OK;
}

static tsr_status pack_take(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Take, TESSERA__TAKE__INIT, t);
    t->axis = (uint32_t)a->p.take.axis;
    t->n_indices = (size_t)a->p.take.n;
    t->indices = a->p.take.indices;
    m->take = t;
    m->operation_case = TESSERA__NODE__OPERATION_TAKE;
    return TSR_OK;
}

static tsr_status pack_reduce(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Reduce, TESSERA__REDUCE__INIT, r);
    const acc_params *from = &a->p.reduce.params;
    r->monoid = (char *)(uintptr_t)monoid_name(a->p.reduce.op);
    r->axes = a->p.reduce.axes;
    r->ddof = from->ddof;
    r->n_bins = from->n_bins;
    r->low = from->low;
    r->high = from->high;
    r->weighted = from->weighted;
    r->n_edges = from->edges ? (size_t)from->n_bins + 1 : 0;
    r->edges = (double *)(uintptr_t)from->edges;
    m->reduce = r;
    m->operation_case = TESSERA__NODE__OPERATION_REDUCE;
    return TSR_OK;
}

static tsr_status pack_scan(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Scan, TESSERA__SCAN__INIT, s);
    s->kind = a->p.scan.kind;
    s->axis = (uint32_t)a->p.scan.axis;
    if (a->p.scan.kind == SCAN_MAP) s->operation = (char *)(uintptr_t)op_info_of(a->p.scan.op)->name;
    m->scan = s;
    m->operation_case = TESSERA__NODE__OPERATION_SCAN;
    return TSR_OK;
}

static tsr_status pack_quantile(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Quantile, TESSERA__QUANTILE__INIT, q);
    q->axis = (uint32_t)a->p.quantile.axis;
    q->n_q = (size_t)a->p.quantile.n_q;
    q->q = a->p.quantile.q;
    q->skip_nan = a->p.quantile.skip_nan;
    if (a->p.quantile.method != QUANTILE_LINEAR) q->method = (char *)(uintptr_t)quantile_method_name(a->p.quantile.method);
    m->quantile = q;
    m->operation_case = TESSERA__NODE__OPERATION_QUANTILE;
    return TSR_OK;
}

static tsr_status pack_call_axes(packer *p, const call_axis *axes, int n, Tessera__CallAxis ***out)
{
    Tessera__CallAxis **list = ARENA_ARRAY(&p->memory, Tessera__CallAxis *, n + 1);
    if (!list) return TSR_ERR_MEMORY;
    for (int d = 0; d < n; d++) {
        NEW(Tessera__CallAxis, TESSERA__CALL_AXIS__INIT, a);
        a->axis = axes[d].axis;
        a->before = axes[d].before;
        a->after = axes[d].after;
        a->ends = axes[d].ends;
        a->picks = axes[d].picks != NULL;
        TRY(pack_blocks(p, &axes[d].blocks, &a->blocks));
        list[d] = a;
    }
    *out = list;
    return TSR_OK;
}

static tsr_status pack_function(packer *p, const call_spec *spec, Tessera__Call *c)
{
    const tsr_function *f = &spec->function;
    const builtin_function *known = builtin_of_call(f->call);
    packed_function cluster = {0};
    const void *bytes = NULL;
    size_t n = 0;
    if (p->sets && p->sets->save_function) TRY(p->sets->save_function(p->sets->context, f, &p->memory, &cluster));
    if (cluster.name) {
        c->builtin = (char *)(uintptr_t)cluster.name;
        c->context.data = cluster.bytes;
        c->context.len = cluster.size;
        if (!cluster.inner) return TSR_OK;
        f = cluster.inner;
    } else if (known) {
        c->builtin = (char *)(uintptr_t)known->name;
        uint64_t *number = ARENA_NEW(&p->memory, uint64_t);
        if (!number) return TSR_ERR_MEMORY;
        *number = (uint64_t)(uintptr_t)f->context;
        size_t bytes_there = known->context_size ? known->context_size(f->context) : known->context_bytes;
        c->context.data = bytes_there ? f->context : (uint8_t *)number;
        c->context.len = bytes_there ? bytes_there : sizeof *number;
        return TSR_OK;
    }
    if (!f->call) return TSR_OK; /* copies its input */
    if (!p->codec || !p->codec->save)
        return error_set(TSR_ERR_UNSUPPORTED, "pack: the function '%s' cannot be sent: it is known by its address only", f->name);
    tsr_error_clear();
    tsr_status status = p->codec->save(p->codec->context, f, &bytes, &n);
    if (status != TSR_OK)
        return tsr_error_code() != TSR_OK ? status : error_set(status, "pack: the function '%s' cannot be sent", f->name);
    c->function.data = arena_alloc(&p->memory, n + 1);
    c->function.len = n;
    if (!c->function.data) return TSR_ERR_MEMORY;
    memcpy(c->function.data, bytes, n);
    return TSR_OK;
}

static tsr_status pack_call(packer *p, const tsr_array *a, message *m)
{
    const call_spec *spec = a->p.call.spec;
    NEW(Tessera__Call, TESSERA__CALL__INIT, c);
    TRY(pack_function(p, spec, c));
    if (spec->function.name) c->name = (char *)(uintptr_t)spec->function.name;
    c->n_picks = (size_t)spec->n_picks;
    c->picks = spec->picks;
    c->n_inputs = (size_t)spec->n_inputs;
    c->inputs = ARENA_ARRAY(&p->memory, Tessera__CallInput *, spec->n_inputs + 1);
    if (!c->inputs) return TSR_ERR_MEMORY;
    for (int i = 0; i < spec->n_inputs; i++) {
        NEW(Tessera__CallInput, TESSERA__CALL_INPUT__INIT, input);
        input->n_axes = (size_t)spec->ndims[i];
        TRY(pack_call_axes(p, spec->inputs[i], spec->ndims[i], &input->axes));
        c->inputs[i] = input;
    }
    c->n_result = (size_t)spec->ndim;
    TRY(pack_call_axes(p, spec->result, spec->ndim, &c->result));
    m->call = c;
    m->operation_case = TESSERA__NODE__OPERATION_CALL;
    return TSR_OK;
}

static tsr_status pack_labels(packer *p, const int8_t *labels, int n, uint32_t **out)
{
    *out = ARENA_ARRAY(&p->memory, uint32_t, n + 1);
    for (int d = 0; *out && d < n; d++) (*out)[d] = (uint32_t)labels[d];
    return *out ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status pack_contract(packer *p, const tsr_array *a, message *m)
{
    NEW(Tessera__Contract, TESSERA__CONTRACT__INIT, c);
    c->n_sum = (uint32_t)a->p.contract.n_sum;
    c->n_left = (size_t)a->inputs[0]->ndim;
    c->n_right = (size_t)a->inputs[1]->ndim;
    c->n_tile = (size_t)(a->ndim + a->p.contract.n_sum);
    c->tile = (int64_t *)(uintptr_t)a->p.contract.tile;
    TRY(pack_labels(p, a->p.contract.left, a->inputs[0]->ndim, &c->left));
    TRY(pack_labels(p, a->p.contract.right, a->inputs[1]->ndim, &c->right));
    m->contract = c;
    m->operation_case = TESSERA__NODE__OPERATION_CONTRACT;
    return TSR_OK;
}

/* ---- Nodes ----------------------------------------------------------------------------------------------------------- */

static tsr_status pack_operation(packer *p, tsr_array *a, message *m)
{
    switch (a->op) {
    case NODE_FULL:
        m->operation_case = TESSERA__NODE__OPERATION_FULL;
        m->full.data = (uint8_t *)&a->p.full.value;
        m->full.len = tsr_dtype_size(a->dtype);
        return TSR_OK;
    case NODE_INDEX:
        m->operation_case = TESSERA__NODE__OPERATION_INDEX_AXIS;
        m->index_axis = (uint32_t)a->p.index.axis;
        return TSR_OK;
    case NODE_MAP:
        m->operation_case = TESSERA__NODE__OPERATION_MAP;
        m->map = (char *)(uintptr_t)op_info_of(a->p.map.op)->name;
        return TSR_OK;
    case NODE_CAST:
        m->operation_case = TESSERA__NODE__OPERATION_CAST;
        m->cast = true;
        return TSR_OK;
    case NODE_RESHAPE:
        m->operation_case = TESSERA__NODE__OPERATION_RESHAPE;
        m->reshape = true;
        return TSR_OK;
    case NODE_RECHUNK:
        m->operation_case = TESSERA__NODE__OPERATION_RECHUNK;
        m->rechunk = true;
        return TSR_OK;
    case NODE_CONCAT:
        m->operation_case = TESSERA__NODE__OPERATION_CONCAT_AXIS;
        m->concat_axis = (uint32_t)a->p.concat.axis;
        return TSR_OK;
    case NODE_MEMORY: return pack_values(p, a, m);
    case NODE_BLOCKS: return pack_held(p, a, m);
    case NODE_RANDOM: return pack_random(p, a, m);
    case NODE_STORE: return pack_file(p, a, m);
    case NODE_VIEW: return pack_view(p, a, m);
    case NODE_WINDOW: return pack_window(p, a, m);
    case NODE_TAKE: return pack_take(p, a, m);
    case NODE_REDUCE: return pack_reduce(p, a, m);
    case NODE_SCAN: return pack_scan(p, a, m);
    case NODE_QUANTILE: return pack_quantile(p, a, m);
    case NODE_CALL: return pack_call(p, a, m);
    case NODE_CONTRACT: return pack_contract(p, a, m);
    case N_NODE_OPS: break;
    }
    return error_set(TSR_ERR_INTERNAL, "pack: unknown operation");
}

static tsr_status pack_node(packer *p, tsr_array *a)
{
    NEW(message, TESSERA__NODE__INIT, m);
    m->dtype = (char *)(uintptr_t)tsr_dtype_name(a->dtype);
    m->n_axes = (size_t)a->ndim;
    m->axes = ARENA_ARRAY(&p->memory, Tessera__Blocks *, a->ndim + 1);
    m->inputs = ARENA_ARRAY(&p->memory, uint32_t, a->n_inputs + 1);
    if (!m->axes || !m->inputs) return TSR_ERR_MEMORY;
    for (int d = 0; d < a->ndim; d++) TRY(pack_blocks(p, &a->grid.axes[d], &m->axes[d]));
    m->n_inputs = (size_t)a->n_inputs;
    for (int i = 0; i < a->n_inputs; i++) m->inputs[i] = p->table[place_of(p, a->inputs[i])].number;
    TRY(pack_operation(p, a, m));
    return VEC_PUSH(&p->nodes, m) ? TSR_OK : TSR_ERR_MEMORY;
}

/* The message's size changes with the offsets' digits, so these count from the first segment; the reader adds where that is. */
static tsr_status write_all(packer *p, const Tessera__Expression *e, void **out, size_t *size)
{
    const uint64_t head = tessera__expression__get_packed_size(e);
    const size_t first = (PACK_HEAD_BYTES + (size_t)head + PACK_ALIGNMENT - 1) / PACK_ALIGNMENT * PACK_ALIGNMENT;
    char *data = mem_alloc(first + (size_t)p->end);
    if (!data) return TSR_ERR_MEMORY;
    memset(data + PACK_HEAD_BYTES, 0, first - PACK_HEAD_BYTES);
    memcpy(data, PACK_MAGIC, 8);
    memcpy(data + 8, &head, sizeof head);
    tessera__expression__pack(e, (uint8_t *)data + PACK_HEAD_BYTES);
    for (size_t i = 0; i < p->segments.n; i++) {
        const segment *s = &p->segments.items[i];
        void *to = data + first + s->offset;
        tsr_status status = s->bytes ? s->node->session->compute(1, &s->node, &to) : TSR_OK;
        if (status != TSR_OK) {
            mem_free(data);
            return status;
        }
    }
    *out = data;
    *size = first + (size_t)p->end;
    return TSR_OK;
}

tsr_status expression_pack(int n, tsr_array *const *arrays, const tsr_function_codec *codec, const set_codec *sets, void **out,
                           size_t *size)
{
    packer p = {.codec = codec, .sets = sets};
    Tessera__Expression e = TESSERA__EXPRESSION__INIT;
    tsr_status status = TSR_OK;
    *out = NULL;
    *size = 0;
    arena_init(&p.memory);
    for (int i = 0; i < n; i++) {
        if (!arrays[i]) {
            status = tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "pack: array %d is NULL", i);
            goto done;
        }
        GUARD(array_resolve(arrays[i]));
        GUARD(number_all(&p, arrays[i]));
    }
    for (size_t i = 0; i < p.order.n; i++) GUARD(pack_node(&p, p.order.items[i]));
    e.n_nodes = p.nodes.n;
    e.nodes = p.nodes.items;
    e.n_roots = (size_t)n;
    e.roots = ARENA_ARRAY(&p.memory, uint32_t, n + 1);
    GUARD(e.roots ? TSR_OK : TSR_ERR_MEMORY);
    for (int i = 0; i < n; i++) e.roots[i] = p.table[place_of(&p, arrays[i])].number;
    status = write_all(&p, &e, out, size);
done:
    VEC_FINI(&p.order);
    VEC_FINI(&p.nodes);
    VEC_FINI(&p.segments);
    mem_free(p.table);
    arena_fini(&p.memory);
    return status;
}

tsr_status tsr_pack(int n, tsr_array *const *arrays, const tsr_function_codec *codec, void **out, size_t *size)
{
    return expression_pack(n, arrays, codec, NULL, out, size);
}

tsr_status expression_sets(int n, tsr_array *const *arrays, block_set ***out, size_t *n_out)
{
    packer p = {0};
    tsr_status status = TSR_OK;
    *out = NULL;
    *n_out = 0;
    for (int i = 0; i < n; i++) GUARD(number_all(&p, arrays[i]));
    *out = mem_alloc(p.order.n * sizeof **out);
    GUARD(*out ? TSR_OK : TSR_ERR_MEMORY);
    for (size_t i = 0; i < p.order.n; i++)
        if (p.order.items[i]->op == NODE_BLOCKS) (*out)[(*n_out)++] = p.order.items[i]->p.blocks.set;
done:
    VEC_FINI(&p.order);
    mem_free(p.table);
    return status;
}
