/* Planning a job: expressions become a plan, the plan becomes numbers (stages, units, roots) and a map, and goes again. Runs on
 * threads of their own, since files are opened; a request is its thread's while it is there, and what it refers to is immutable.
 */
#include "array/pack.h"
#include "array/udf.h"
#include "base/utf8.h"
#include "cluster/future_blocks.h"
#include "cluster/scheduler.h"
#include "plan/plan.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_STAGES = 1 << 16 };

/* ---- What requests share ----------------------------------------------------------------------------------------------- */

void scheduler_order_unref(scheduler_order *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) != 1) return;
    if (o->submit) tessera__cluster__submit__free_unpacked(o->submit, NULL);
    buffer_unref(o->expressions);
    mem_free(o);
}

scheduler_shape *scheduler_shape_ref(scheduler_shape *shape)
{
    if (shape) atomic_fetch_add(&shape->refs, 1);
    return shape;
}

void scheduler_shape_unref(scheduler_shape *shape)
{
    if (!shape || atomic_fetch_sub(&shape->refs, 1) != 1) return;
    for (int i = 0; shape->roots && i < shape->n_roots; i++)
        for (int d = 0; d < shape->roots[i].blocks.ndim; d++) mem_free((void *)(uintptr_t)shape->roots[i].blocks.axes[d].edges);
    mem_free(shape->roots);
    mem_free(shape->units);
    mem_free(shape->stages);
    mem_free(shape);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int64_t scheduler_map_find(const scheduler_map *map, uint64_t worker)
{
    const uint64_t *at = bsearch(&worker, map->workers, map->n_workers, sizeof worker, compare_numbers);
    return at ? at - map->workers : -1;
}

/* Neighbours mostly own ranges in their order, so there is little to sort, and little to search for. */
static void list_workers(scheduler_map *m)
{
    bool in_order = true;
    for (int i = 0; i < m->owners.n_stages; i++) {
        for (int k = 0; k < m->owners.stages[i].n; k++) {
            const uint64_t id = m->owners.stages[i].owner[k];
            in_order = in_order && (m->n_workers == 0 || m->workers[m->n_workers - 1] < id);
            m->workers[m->n_workers++] = id;
        }
    }
    if (in_order) return;
    qsort(m->workers, m->n_workers, sizeof *m->workers, compare_numbers);
    size_t n = 0;
    for (size_t i = 0; i < m->n_workers; i++)
        if (n == 0 || m->workers[n - 1] != m->workers[i]) m->workers[n++] = m->workers[i];
    m->n_workers = n;
}

/* Owners by number, each once. */
static tsr_status number_owners(scheduler_map *m)
{
    size_t n = 0, next = 0;
    for (int i = 0; i < m->owners.n_stages; i++) m->n_ranges += (size_t)m->owners.stages[i].n;
    m->workers = mem_alloc(m->n_ranges * sizeof *m->workers);
    m->owner = mem_alloc(m->n_ranges * sizeof *m->owner);
    if (!m->workers || !m->owner) return TSR_ERR_MEMORY;
    list_workers(m);
    for (int i = 0; i < m->owners.n_stages; i++) {
        for (int k = 0; k < m->owners.stages[i].n; k++) {
            const uint64_t id = m->owners.stages[i].owner[k];
            if (next == m->n_workers || m->workers[next] != id) next = (size_t)scheduler_map_find(m, id);
            m->owner[n++] = (uint32_t)next++;
        }
    }
    return TSR_OK;
}

tsr_status scheduler_map_new(owner_map *take, scheduler_map **out)
{
    scheduler_map *m = mem_calloc(1, sizeof *m);
    if (!m) {
        owner_map_free(take);
        return TSR_ERR_MEMORY;
    }
    atomic_init(&m->refs, 1);
    m->owners = *take;
    *take = (owner_map){0};
    const tsr_status status = number_owners(m);
    if (status == TSR_OK)
        *out = m;
    else
        scheduler_map_unref(m);
    return status;
}

scheduler_map *scheduler_map_ref(scheduler_map *map)
{
    if (map) atomic_fetch_add(&map->refs, 1);
    return map;
}

void scheduler_map_unref(scheduler_map *map)
{
    if (!map || atomic_fetch_sub(&map->refs, 1) != 1) return;
    owner_map_free(&map->owners);
    mem_free(map->workers);
    mem_free(map->owner);
    mem_free(map);
}

void scheduler_planning_free(scheduler_planning *r)
{
    if (!r) return;
    for (int i = 0; r->inputs && i < r->n_inputs; i++) {
        scheduler_shape_unref(r->inputs[i].shape);
        scheduler_map_unref(r->inputs[i].map);
    }
    scheduler_order_unref(r->order);
    scheduler_shape_unref(r->shape);
    scheduler_map_unref(r->map);
    mem_free(r->inputs);
    mem_free(r->workers);
    mem_free(r->message);
    mem_free(r);
}

/* ---- Sets of other jobs --------------------------------------------------------------------------------------------------- */

/* References to a set count as one to the shape. */
static void unref_set(block_set *set)
{
    scheduler_root *root = (scheduler_root *)(void *)((char *)set - offsetof(scheduler_root, set));
    if (atomic_fetch_sub(&set->refs, 1) == 1) scheduler_shape_unref(root->of);
}

static const block_set_ops set_ops = {.unref = unref_set};

static block_set *load_set(void *context, uint64_t job, uint32_t number, tsr_dtype *dtype, const grid **stored)
{
    const scheduler_planning *r = context;
    for (int i = 0; i < r->n_inputs; i++) {
        if (r->inputs[i].job != job) continue;
        scheduler_shape *shape = r->inputs[i].shape;
        if (number >= (uint32_t)shape->n_roots) break;
        scheduler_root *root = &shape->roots[number];
        *dtype = root->dtype;
        *stored = &root->blocks;
        if (atomic_fetch_add(&root->set.refs, 1) == 0) scheduler_shape_ref(shape);
        return &root->set;
    }
    (void)error_set(TSR_ERR_NOT_FOUND,
                    "the expressions read array %u of job %016llx, which they do not name as read or which is not there", number,
                    (unsigned long long)job);
    return NULL;
}

/* ---- Functions: never called here ------------------------------------------------------------------------------------------ */

static tsr_status call_nothing(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    return error_set(TSR_ERR_INTERNAL, "a scheduler calls no functions");
}

static tsr_status load_function(void *context, tsr_session *session, const void *bytes, size_t size, tsr_function *function)
{
    *function = (tsr_function){.call = call_nothing, .name = "function"};
    return TSR_OK;
}

/* Of these it is known where their blocks come from. */
static tsr_status load_cluster_function(void *context, const char *name, const void *bytes, size_t size,
                                        const tsr_function *inner, tsr_function *out)
{
    if (strcmp(name, UDF_PACKED) == 0) return load_function(NULL, NULL, bytes, size, out);
    if (!future_blocks_are(name)) return error_set(TSR_ERR_FORMAT, "unpack: no function '%.30s'", name);
    return future_blocks_load(NULL, NULL, bytes, size, inner, out);
}

/* ---- Shapes --------------------------------------------------------------------------------------------------------------- */

static tsr_status copy_grid(const grid *from, grid *out)
{
    *out = *from;
    for (int d = 0; d < from->ndim; d++) out->axes[d].edges = NULL;
    for (int d = 0; d < from->ndim; d++) {
        const axis_grid *a = &from->axes[d];
        if (!a->edges) continue;
        const size_t bytes = sizeof *a->edges * (size_t)(a->n_blocks + 1);
        int64_t *edges = mem_alloc(bytes);
        if (!edges) return TSR_ERR_MEMORY;
        memcpy(edges, a->edges, bytes);
        out->axes[d].edges = edges;
    }
    return TSR_OK;
}

/* The client knows what functions are called, which are nothing here. */
static void describe_stage(const stage *s, const Tessera__Cluster__Submit *m, int i, scheduler_stage *out)
{
    const char *name = node_name(s->outputs[0].node);
    if (m->n_stages > (size_t)i && scheduler_text_ok(m->stages[i], false)) name = m->stages[i];
    snprintf(out->name, sizeof out->name, "%s", name);
    for (int at = 0, n; out->name[at]; at += n)
        if ((n = utf8_length((unsigned char *)&out->name[at])) == 0) out->name[at] = 0; /* the cut was inside of a character */
    out->n_tasks = s->is_needed ? (uint64_t)s->n_needed : 0;
}

static tsr_status fill_shape(const plan *p, const Tessera__Cluster__Submit *m, scheduler_shape *shape)
{
    shape->fingerprint = plan_fingerprint(p);
    shape->units = mem_calloc((size_t)p->n_stages, sizeof *shape->units);
    shape->roots = mem_calloc((size_t)p->n_roots, sizeof *shape->roots);
    shape->stages = mem_calloc((size_t)p->n_stages, sizeof *shape->stages);
    if (!shape->units || !shape->roots || !shape->stages) return TSR_ERR_MEMORY;
    shape->n_stages = p->n_stages;
    shape->n_roots = p->n_roots;
    for (int i = 0; i < p->n_stages; i++) {
        shape->units[i] = assign_units_of(&p->stages[i]);
        describe_stage(&p->stages[i], m, i, &shape->stages[i]);
        shape->n_tasks += (int64_t)shape->stages[i].n_tasks;
    }
    for (int i = 0; i < p->n_roots; i++) {
        const stage *s = &p->stages[p->roots[i].stage];
        const stage_output *o = &s->outputs[p->roots[i].output];
        scheduler_root *root = &shape->roots[i];
        root->set.ops = &set_ops;
        root->of = shape;
        root->dtype = o->dtype;
        root->stage = p->roots[i].stage;
        root->n_runs = stage_folds(s) ? s->n_runs : 1;
        shape->bytes += shape_size(o->ndim, o->shape) * (int64_t)tsr_dtype_size(o->dtype);
        TRY(copy_grid(&o->blocks, &root->blocks));
    }
    return TSR_OK;
}

static tsr_status make_shape(const plan *p, const Tessera__Cluster__Submit *m, scheduler_shape **out)
{
    scheduler_shape *shape = mem_calloc(1, sizeof *shape);
    if (!shape) return TSR_ERR_MEMORY;
    atomic_init(&shape->refs, 1);
    tsr_status status = fill_shape(p, m, shape);
    if (status == TSR_OK)
        *out = shape;
    else
        scheduler_shape_unref(shape);
    return status;
}

/* ---- Planning ---------------------------------------------------------------------------------------------------------------
 */

static tsr_status make_hints(const Tessera__Cluster__Submit *m, int n, tsr_array *const *arrays, plan_hint **out)
{
    if (m->n_hints == 0) return TSR_OK;
    if (m->n_hints != (size_t)n) return error_set(TSR_ERR_VALUE, "there are %zu hints for %d arrays", m->n_hints, n);
    *out = mem_calloc((size_t)n, sizeof **out);
    if (!*out) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) {
        const Tessera__Cluster__Hint *h = m->hints[i];
        if (h->n_chunk == 0) continue;
        if (h->n_chunk != (size_t)arrays[i]->ndim)
            return error_set(TSR_ERR_VALUE, "hint %d has %zu axes, its array %d", i, h->n_chunk, arrays[i]->ndim);
        for (size_t d = 0; d < h->n_chunk; d++)
            if (h->chunk[d] < 1 || h->chunk[d] > INT64_MAX / 4)
                return error_set(TSR_ERR_VALUE, "hint %d wants chunks of %lld", i, (long long)h->chunk[d]);
        (*out)[i].chunk = h->chunk;
    }
    return TSR_OK;
}

static tsr_status draw_map(const plan *p, scheduler_planning *r)
{
    owner_map owners = {0};
    assign_input *inputs = NULL;
    tsr_status status;
    size_t n = 0;
    for (int i = 0; i < r->n_inputs; i++) n += (size_t)r->inputs[i].shape->n_roots;
    inputs = mem_calloc(n, sizeof *inputs);
    GUARD(inputs ? TSR_OK : TSR_ERR_MEMORY);
    n = 0;
    for (int i = 0; i < r->n_inputs; i++) {
        const scheduler_input *in = &r->inputs[i];
        for (int k = 0; k < in->shape->n_roots; k++) {
            const scheduler_root *root = &in->shape->roots[k];
            inputs[n++] = (assign_input){&root->set, in->map ? &in->map->owners : NULL, root->stage, root->n_runs};
        }
    }
    GUARD(
        assign_plan(p,
                    &(assign_context){
                        .n_workers = r->n_workers, .workers = r->workers, .n_inputs = (int)n, .inputs = inputs, .turn = r->turn},
                    &owners));
    GUARD(scheduler_map_new(&owners, &r->map));
done:
    mem_free(inputs);
    return status;
}

static tsr_status plan_arrays(tsr_session *session, scheduler_planning *r, int n, tsr_array **arrays)
{
    const tsr_function_codec codec = {.load = load_function};
    const set_codec sets = {.context = r, .load = load_set, .load_function = load_cluster_function};
    const Tessera__Cluster__Submit *m = r->order->submit;
    plan_hint *hints = NULL;
    plan *p = NULL;
    tsr_status status;
    GUARD(expression_unpack(session, r->order->expressions->data, r->order->bytes, &codec, &sets, n, arrays));
    GUARD(make_hints(m, n, arrays, &hints));
    GUARD(plan_build(n, arrays, hints, &p));
    if (p->n_stages > MOST_STAGES) {
        status = error_set(TSR_ERR_VALUE, "the plan has %d stages; a scheduler takes %d", p->n_stages, MOST_STAGES);
        goto done;
    }
    GUARD(make_shape(p, m, &r->shape));
    if (m->fingerprint && m->fingerprint != r->shape->fingerprint) {
        status = error_set(
            TSR_ERR_VALUE,
            "the scheduler's plan is not the client's (%016llx, %016llx): files that they read differ between these hosts",
            (unsigned long long)r->shape->fingerprint, (unsigned long long)m->fingerprint);
        goto done;
    }
    GUARD(draw_map(p, r));
done:
    plan_free(p);
    mem_free(hints);
    return status;
}

void scheduler_plan(tsr_session *session, scheduler_planning *r)
{
    tsr_array **arrays = NULL;
    int n = tsr_packed_count(r->order->expressions->data, r->order->bytes);
    if (n < 0) {
        r->status = tsr_error_code();
    } else if (n < 1 || n > SCHEDULER_MOST_ROOTS) {
        r->status = error_set(TSR_ERR_VALUE, "a job of %d arrays; a scheduler takes 1 to %d", n, SCHEDULER_MOST_ROOTS);
    } else if (!(arrays = mem_calloc((size_t)n, sizeof *arrays))) {
        r->status = TSR_ERR_MEMORY;
    } else {
        r->status = plan_arrays(session, r, n, arrays);
        for (int i = 0; i < n; i++) tsr_release(arrays[i]);
    }
    mem_free(arrays);
    if (r->status != TSR_OK) r->message = mem_strdup(tsr_error_message());
}
