/* Nodes: made once, found again by content. The session's lock guards its table; a node's own fields never change after it is in.
 */
#include "array/node.h"

#include "array/calls.h"
#include "array/session.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- Hashing ----------------------------------------------------------------------------------------------------- */

static hash128 mix_i64(hash128 h, int64_t v) { return hash_mix(h, &v, sizeof v); }

static hash128 hash_params(hash128 h, const tsr_array *a)
{
    const node_params *p = &a->p;
    switch (a->op) {
    case NODE_FULL: return hash_mix(h, &p->full.value, tsr_dtype_size(a->dtype));
    case NODE_INDEX: return mix_i64(h, p->index.axis);
    case NODE_RANDOM:
        h = mix_i64(h, p->random.kind);
        h = hash_mix(h, p->random.params.key, sizeof p->random.params.key);
        h = hash_mix(h, &p->random.params.a, sizeof p->random.params.a);
        h = hash_mix(h, &p->random.params.b, sizeof p->random.params.b);
        h = mix_i64(h, p->random.params.low);
        return mix_i64(h, (int64_t)p->random.params.range);
    case NODE_MEMORY: /* the address is the identity: contents may not change while the array lives */
        h = hash_mix(h, &p->memory.data, sizeof p->memory.data);
        h = hash_mix(h, &p->memory.buf, sizeof p->memory.buf);
        h = mix_i64(h, p->memory.swapped);
        return hash_mix(h, p->memory.strides, sizeof *p->memory.strides * (size_t)a->ndim);
    case NODE_STORE: h = hash_mix(h, &p->store.file, sizeof p->store.file); return mix_i64(h, p->store.var);
    case NODE_BLOCKS: return hash_mix(h, &p->blocks.set, sizeof p->blocks.set);
    case NODE_MAP: return mix_i64(h, p->map.op);
    case NODE_VIEW:
        for (int d = 0; d < a->inputs[0]->ndim; d++) {
            h = mix_i64(h, p->view.axes[d].axis);
            h = mix_i64(h, p->view.axes[d].start);
            h = mix_i64(h, p->view.axes[d].step);
        }
        return h;
    case NODE_WINDOW:
        h = mix_i64(h, p->window.axis);
        h = mix_i64(h, p->window.n);
        return mix_i64(h, p->window.step);
    case NODE_CONCAT: return mix_i64(h, p->concat.axis);
    case NODE_TAKE:
        h = mix_i64(h, p->take.axis);
        return hash_mix(h, p->take.indices, sizeof *p->take.indices * (size_t)p->take.n);
    case NODE_REDUCE:
        h = mix_i64(h, p->reduce.op);
        h = mix_i64(h, p->reduce.axes);
        h = hash_mix(h, &p->reduce.params.ddof, sizeof(double));
        h = mix_i64(h, p->reduce.params.n_bins);
        h = hash_mix(h, &p->reduce.params.low, sizeof(double));
        h = hash_mix(h, &p->reduce.params.high, sizeof(double));
        h = mix_i64(h, p->reduce.params.weighted);
        return p->reduce.params.edges
                   ? hash_mix(h, p->reduce.params.edges, sizeof(double) * (size_t)(p->reduce.params.n_bins + 1))
                   : h;
    case NODE_SCAN:
        h = mix_i64(h, p->scan.kind);
        h = mix_i64(h, p->scan.op);
        return mix_i64(h, p->scan.axis);
    case NODE_QUANTILE:
        h = mix_i64(h, p->quantile.axis);
        h = mix_i64(h, p->quantile.method);
        h = mix_i64(h, p->quantile.skip_nan);
        return hash_mix(h, p->quantile.q, sizeof(double) * (size_t)p->quantile.n_q);
    case NODE_CALL: return call_hash(h, p->call.spec);
    case NODE_CONTRACT:
        h = mix_i64(h, p->contract.n_sum);
        h = hash_mix(h, p->contract.left, sizeof *p->contract.left * (size_t)a->inputs[0]->ndim);
        h = hash_mix(h, p->contract.right, sizeof *p->contract.right * (size_t)a->inputs[1]->ndim);
        return hash_mix(h, p->contract.tile, sizeof *p->contract.tile * (size_t)(a->ndim + p->contract.n_sum));
    default: return h;
    }
}

static hash128 hash_node(const tsr_array *a)
{
    int64_t head[3 + TSR_MAX_NDIM] = {a->op, a->dtype, a->ndim};
    memcpy(head + 3, a->shape, sizeof *a->shape * (size_t)a->ndim);
    hash128 h = hash_bytes(head, sizeof *head * (size_t)(3 + a->ndim));
    for (int d = 0; d < a->ndim; d++) {
        const axis_grid *g = &a->grid.axes[d];
        h = mix_i64(h, g->chunk);
        if (g->phase) h = mix_i64(h, g->phase);
        if (g->edges) h = hash_mix(h, g->edges, sizeof *g->edges * (size_t)(g->n_blocks + 1));
    }
    for (int i = 0; i < a->n_inputs; i++) h = hash_mix(h, &a->inputs[i]->hash, sizeof a->inputs[i]->hash);
    return hash_params(h, a);
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

enum { FIRST_TABLE = 256 };

tsr_status session_nodes_init(tsr_session *s)
{
    s->table = mem_calloc(FIRST_TABLE, sizeof(tsr_array *));
    if (!s->table) return TSR_ERR_MEMORY;
    s->table_size = FIRST_TABLE;
    const char *optimize = getenv("TESSERA_OPTIMIZE");
    s->optimizes = !optimize || strcmp(optimize, "0") != 0;
    return TSR_OK;
}

static tsr_array **chain_of(const tsr_session *s, hash128 hash) { return &s->table[hash.low & (s->table_size - 1)]; }

/* A larger table makes chains short again; without memory for it they only grow longer. */
static void table_grow(tsr_session *s)
{
    tsr_array **old = s->table;
    size_t old_size = s->table_size;
    tsr_array **table = mem_calloc(old_size * 2, sizeof(tsr_array *));
    if (!table) {
        tsr_error_clear();
        return;
    }
    s->table = table;
    s->table_size = old_size * 2;
    for (size_t i = 0; i < old_size; i++) {
        for (tsr_array *a = old[i], *next; a; a = next) {
            next = a->next;
            tsr_array **chain = chain_of(s, a->hash);
            a->next = *chain;
            *chain = a;
        }
    }
    mem_free(old);
}

static void table_remove(tsr_session *s, tsr_array *node)
{
    for (tsr_array **at = chain_of(s, node->hash); *at; at = &(*at)->next) {
        if (*at == node) {
            *at = node->next;
            s->n_nodes--;
            return;
        }
    }
}

/* ---- Making and freeing ------------------------------------------------------------------------------------------- */

static void params_fini(node_op op, node_params *p)
{
    switch (op) {
    case NODE_MEMORY: buffer_unref(p->memory.buf); break;
    case NODE_STORE: store_unref(p->store.file); break;
    case NODE_BLOCKS:
        if (p->blocks.set) p->blocks.set->ops->unref(p->blocks.set);
        break;
    case NODE_TAKE: mem_free(p->take.indices); break;
    case NODE_REDUCE: mem_free((void *)(uintptr_t)p->reduce.params.edges); break;
    case NODE_QUANTILE: mem_free(p->quantile.q); break;
    case NODE_CALL: call_unref(p->call.spec); break;
    default: break;
    }
}

static size_t edges_count(const grid *g)
{
    size_t n = 0;
    for (int d = 0; d < g->ndim; d++) n += g->axes[d].edges ? (size_t)g->axes[d].n_blocks + 1 : 0;
    return n;
}

/* One allocation holds the node, its inputs and its edges. */
static tsr_array *node_alloc(const tsr_array *proto)
{
    size_t inputs = sizeof(tsr_array *) * (size_t)proto->n_inputs, n_edges = edges_count(&proto->grid);
    tsr_array *a = mem_alloc(sizeof *a + inputs + n_edges * sizeof(int64_t));
    if (!a) return NULL;
    memcpy((void *)a, proto, sizeof *a);
    a->inputs = (tsr_array **)(void *)(a + 1);
    if (inputs) memcpy(a->inputs, proto->inputs, inputs);
    int64_t *edges = (int64_t *)(void *)((char *)(a + 1) + inputs);
    for (int d = 0; d < a->grid.ndim; d++) {
        axis_grid *g = &a->grid.axes[d];
        if (!g->edges) continue;
        memcpy(edges, g->edges, sizeof *edges * (size_t)(g->n_blocks + 1));
        g->edges = edges;
        edges += g->n_blocks + 1;
    }
    return a;
}

/* Are the lengths of all inputs known? Their shapes have gone into the node. */
static bool inputs_counted(const tsr_array *proto)
{
    for (int i = 0; i < proto->n_inputs; i++) {
        if (tsr_is_counted(proto->inputs[i])) continue;
        (void)error_set(TSR_ERR_INTERNAL, "%s: a length of input %d is not known", node_name(proto), i);
        return false;
    }
    return true;
}

tsr_array *node_make(tsr_session *session, const tsr_array *proto)
{
    tsr_array *a = inputs_counted(proto) ? node_alloc(proto) : NULL;
    if (!a) {
        node_params p = proto->p;
        params_fini(proto->op, &p);
        return NULL;
    }
    a->grid.ndim = a->ndim;
    a->session = session;
    a->hash = hash_node(a);
    atomic_store(&a->refs, 1);
    pthread_mutex_lock(&session->lock);
    tsr_array *known = *chain_of(session, a->hash);
    while (known && !hash_equal(known->hash, a->hash)) known = known->next;
    if (known) {
        atomic_fetch_add(&known->refs, 1);
    } else {
        for (int i = 0; i < a->n_inputs; i++) atomic_fetch_add(&a->inputs[i]->refs, 1);
        if (session->n_nodes >= session->table_size) table_grow(session);
        tsr_array **chain = chain_of(session, a->hash);
        a->next = *chain;
        *chain = a;
        session->n_nodes++;
    }
    pthread_mutex_unlock(&session->lock);
    if (!known) return a;
    params_fini(a->op, &a->p);
    mem_free(a);
    return known;
}

tsr_array *node_ref(tsr_array *node)
{
    atomic_fetch_add(&node->refs, 1);
    return node;
}

/* Takes one reference away; true if it was the last and the node left the table. The lock makes sure that nobody finds a node
 * that is being freed. */
static bool drop(tsr_array *node)
{
    tsr_session *s = node->session;
    pthread_mutex_lock(&s->lock);
    bool last = atomic_fetch_sub(&node->refs, 1) == 1;
    if (last) table_remove(s, node);
    pthread_mutex_unlock(&s->lock);
    return last;
}

/* Inputs are freed with a list instead of recursion: expressions may be very deep. */
void node_unref(tsr_array *node)
{
    if (!node || !drop(node)) return;
    node->next = NULL;
    for (tsr_array *dead = node; dead;) {
        tsr_array *rest = dead->next;
        for (int i = 0; i < dead->n_inputs; i++) {
            tsr_array *input = dead->inputs[i];
            if (!drop(input)) continue;
            input->next = rest;
            rest = input;
        }
        params_fini(dead->op, &dead->p);
        mem_free(dead);
        dead = rest;
    }
}

void session_nodes_fini(tsr_session *s)
{
    for (size_t i = 0; s->table && i < s->table_size; i++) {
        for (tsr_array *a = s->table[i], *next; a; a = next) {
            next = a->next;
            params_fini(a->op, &a->p);
            mem_free(a);
        }
    }
    mem_free(s->table);
    s->table = NULL;
    s->n_nodes = s->table_size = 0;
}
