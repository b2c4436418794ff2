/* Specifications of calls: made by the constructors of block functions, shared by nodes, immutable once a node has one. The
 * arithmetic from block numbers to the parts of the inputs is here, for the planner and the engine. */
#include "array/call.h"

#include "array/build.h"
#include "array/calls.h"
#include "base/mem.h"

#include <string.h>

/* ---- Owners --------------------------------------------------------------------------------------------------------- */

tsr_status call_owner_new(call_owner **out)
{
    call_owner *owner = mem_calloc(1, sizeof *owner);
    if (!owner) return TSR_ERR_MEMORY;
    atomic_init(&owner->refs, 1);
    *out = owner;
    return TSR_OK;
}

static void owner_unref(call_owner *owner)
{
    if (!owner || atomic_fetch_sub(&owner->refs, 1) != 1) return;
    if (owner->release) owner->release(owner->context);
    mem_free(owner);
}

void call_owner_end(call_owner *owner, const tsr_function *function)
{
    if (owner && function) {
        owner->context = function->context;
        owner->release = function->release;
    }
    owner_unref(owner);
}

/* ---- Making -------------------------------------------------------------------------------------------------------- */

tsr_status call_new(const tsr_function *function, call_owner *owner, int n_inputs, const int *ndims, int ndim, call_spec **out)
{
    call_spec *spec = mem_calloc(1, sizeof *spec);
    if (!spec) return TSR_ERR_MEMORY;
    atomic_init(&spec->refs, 1);
    spec->function = *function;
    spec->owner = owner;
    if (owner) atomic_fetch_add(&owner->refs, 1);
    spec->function.identity = NULL;
    spec->ndim = ndim;
    for (int d = 0; d < TSR_MAX_NDIM; d++) spec->result[d].axis = d;
    spec->function.name = mem_strdup(function->name ? function->name : "block function");
    spec->ndims = mem_calloc((size_t)n_inputs, sizeof *spec->ndims);
    spec->inputs = mem_calloc((size_t)n_inputs, sizeof *spec->inputs);
    tsr_status status = spec->function.name && spec->ndims && spec->inputs ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK && function->identity) {
        void *copy = mem_alloc(function->identity_bytes);
        if (copy && function->identity_bytes) memcpy(copy, function->identity, function->identity_bytes);
        if (!copy) status = TSR_ERR_MEMORY;
        spec->function.identity = copy;
    }
    for (int i = 0; status == TSR_OK && i < n_inputs; i++) {
        spec->ndims[i] = ndims[i];
        spec->inputs[i] = mem_calloc((size_t)ndims[i], sizeof *spec->inputs[i]);
        if (!spec->inputs[i]) status = TSR_ERR_MEMORY;
        spec->n_inputs = i + 1;
    }
    if (status == TSR_OK) {
        *out = spec;
    } else {
        call_unref(spec);
    }
    return status;
}

tsr_status call_axis_set(call_axis *a, int axis, const axis_grid *blocks)
{
    a->axis = axis;
    a->blocks = *blocks;
    if (!blocks->edges) return TSR_OK;
    size_t bytes = sizeof *blocks->edges * (size_t)(blocks->n_blocks + 1);
    int64_t *edges = mem_alloc(bytes);
    a->blocks.edges = edges;
    if (!edges) return TSR_ERR_MEMORY;
    memcpy(edges, blocks->edges, bytes);
    return TSR_OK;
}

static void free_edges(call_axis *a) { mem_free((void *)(uintptr_t)a->blocks.edges); }

call_spec *call_ref(call_spec *spec)
{
    atomic_fetch_add(&spec->refs, 1);
    return spec;
}

void call_unref(call_spec *spec)
{
    if (!spec || atomic_fetch_sub(&spec->refs, 1) != 1) return;
    owner_unref(spec->owner);
    for (int i = 0; i < spec->n_inputs; i++) {
        for (int d = 0; spec->inputs[i] && d < spec->ndims[i]; d++) free_edges(&spec->inputs[i][d]);
        mem_free(spec->inputs[i]);
    }
    for (int d = 0; d < spec->ndim; d++) free_edges(&spec->result[d]);
    mem_free((void *)(uintptr_t)spec->function.identity);
    mem_free((void *)(uintptr_t)spec->function.name);
    mem_free(spec->picks);
    mem_free(spec->inputs);
    mem_free(spec->ndims);
    mem_free(spec);
}

/* The chunks of the result are the blocks of its axes. */
tsr_array *call_make(tsr_session *session, call_spec *spec, tsr_dtype dtype, tsr_array *const *inputs)
{
    tsr_array proto = {.op = NODE_CALL,
                       .dtype = dtype,
                       .ndim = spec->ndim,
                       .n_inputs = spec->n_inputs,
                       .inputs = (tsr_array **)(uintptr_t)inputs,
                       .p.call.spec = spec};
    proto.grid.ndim = spec->ndim;
    for (int d = 0; d < spec->ndim; d++) {
        proto.grid.axes[d] = spec->result[d].blocks;
        proto.shape[d] = spec->result[d].blocks.length;
    }
    return node_make(session, &proto);
}

/* ---- Calling -------------------------------------------------------------------------------------------------------- */

/* The session whose function runs in this thread. */
static _Thread_local const tsr_session *inside;

const tsr_session *session_enter(const tsr_session *s)
{
    const tsr_session *before = inside;
    inside = s;
    return before;
}

void session_leave(const tsr_session *before) { inside = before; }

bool session_is_inside(const tsr_session *s) { return inside == s; }

/* ---- Hashing ------------------------------------------------------------------------------------------------------- */

static hash128 hash_axis(hash128 h, const call_axis *a)
{
    int64_t facts[] = {a->axis, a->before, a->after, a->ends, a->blocks.length, a->blocks.chunk, a->blocks.phase};
    h = hash_mix(h, facts, sizeof facts);
    return a->blocks.edges ? hash_mix(h, a->blocks.edges, sizeof *a->blocks.edges * (size_t)(a->blocks.n_blocks + 1)) : h;
}

hash128 call_hash(hash128 h, const call_spec *spec)
{
    const tsr_function *f = &spec->function;
    h = hash_mix(h, &f->call, sizeof f->call);
    if (f->identity) {
        h = hash_mix(h, f->identity, f->identity_bytes);
    } else if (f->call) {
        h = hash_mix(h, &spec, sizeof spec);
    }
    for (int i = 0; i < spec->n_inputs; i++)
        for (int d = 0; d < spec->ndims[i]; d++) h = hash_axis(h, &spec->inputs[i][d]);
    for (int d = 0; d < spec->ndim; d++) h = hash_axis(h, &spec->result[d]);
    return spec->picks ? hash_mix(h, spec->picks, sizeof *spec->picks * (size_t)spec->n_picks) : h;
}

/* ---- Arithmetic ---------------------------------------------------------------------------------------------------- */

void call_part(const call_axis *a, int64_t length, int64_t first, int64_t last, int64_t *start, int64_t *count)
{
    if (a->picks) {
        first = a->picks[first];
        last = a->picks[last];
    }
    int64_t low = axis_grid_start(&a->blocks, first),
            high = axis_grid_start(&a->blocks, last) + axis_grid_count(&a->blocks, last);
    if (a->ends == ENDS_PADDED) {
        high += a->before + a->after;
    } else if (a->ends == ENDS_WHOLE) {
        low -= first > 0 ? a->before : 0;
        high += last < a->blocks.n_blocks - 1 ? a->after : 0;
    } else {
        low = low > a->before ? low - a->before : 0;
        high = high + a->after < length ? high + a->after : length;
    }
    *start = low;
    *count = high > low ? high - low : 0;
}

box call_input_box(const tsr_array *node, int input, const int64_t *first, const int64_t *last)
{
    const tsr_array *x = node->inputs[input];
    box b = box_of_shape(x->ndim, x->shape);
    for (int d = 0; d < x->ndim; d++) {
        const call_axis *a = &node->p.call.spec->inputs[input][d];
        if (a->axis >= 0) call_part(a, x->shape[d], first[a->axis], last[a->axis], &b.start[d], &b.count[d]);
    }
    return b;
}

box call_result_box(const tsr_array *node, const int64_t *coords, int64_t *inner)
{
    box b = {.ndim = node->ndim};
    for (int d = 0; d < node->ndim; d++) {
        const call_axis *a = &node->p.call.spec->result[d];
        call_part(a, node->shape[d], coords[d], coords[d], &b.start[d], &b.count[d]);
        inner[d] = a->ends == ENDS_PADDED ? a->before : axis_grid_start(&a->blocks, coords[d]) - b.start[d];
    }
    return b;
}

box call_largest_box(const tsr_array *node, int input)
{
    const call_spec *spec = node->p.call.spec;
    const tsr_array *x = input < 0 ? node : node->inputs[input];
    box b = box_of_shape(x->ndim, x->shape);
    for (int d = 0; d < x->ndim; d++) {
        const call_axis *a = input < 0 ? &spec->result[d] : &spec->inputs[input][d];
        int64_t more = a->before + a->after, most = a->blocks.chunk + (more > 0 || a->ends == ENDS_PADDED ? more : 0);
        if (a->axis >= 0 && (most < b.count[d] || input < 0)) b.count[d] = most > 0 ? most : 0;
    }
    return b;
}
