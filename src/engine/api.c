/* compute, persist, wait, store, explain: from arrays to plans and runs. */
#include "array/build.h"
#include "array/pack.h"
#include "base/mem.h"
#include "engine/run.h"
#include "plan/draw.h"

#include <string.h>

/* All arrays must be there and of one session. A missing one gives the reason it failed with. */
static tsr_status check_arrays(int n, tsr_array *const *arrays)
{
    if (n < 1) return error_set(TSR_ERR_VALUE, "compute: no arrays given");
    for (int i = 0; i < n; i++) {
        if (!arrays[i])
            return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "compute: array %d is NULL", i);
        if (arrays[i]->session != arrays[0]->session)
            return error_set(TSR_ERR_VALUE, "compute: arrays %d and 0 belong to different sessions", i);
        TRY(array_resolve(arrays[i]));
    }
    return TSR_OK;
}

/* Arrays that lie in memory are only copied, wherever the session computes. */
static bool is_in_memory(int n, tsr_array *const *arrays, const sink *sinks)
{
    for (int i = 0; i < n; i++)
        if (arrays[i]->op != NODE_MEMORY || sinks[i].kind == SINK_HELD) return false;
    return true;
}

/* What is there before the run counts, and what the run leaves in memory. */
static size_t predicted_bytes(const engine *e, const plan *p, tsr_array *const *arrays, const sink *sinks)
{
    size_t bytes = pool_used_bytes(e->session->buffers) + plan_peak_bytes(p, e->n_threads, keeper_budget_bytes(e->keeper));
    for (int i = 0; i < p->n_roots; i++)
        if (sinks[i].kind == SINK_HELD) bytes += (size_t)tsr_nbytes(arrays[i]) / 4 * 5; /* in blocks of classes of size */
    return bytes;
}

static void note_run(engine *e, const plan *p, tsr_status status, size_t predicted)
{
    pthread_mutex_lock(&e->stats_lock);
    e->last_plan = status == TSR_OK ? plan_fingerprint(p) : 0;
    e->predicted_bytes = predicted;
    pthread_mutex_unlock(&e->stats_lock);
}

static tsr_status run_roots(int n, tsr_array *const *arrays, const plan_hint *hints, sink *sinks)
{
    engine *e = arrays[0]->session->engine;
    plan *p;
    tsr_stats stats = {0};
    const int n_cancels = engine_n_cancels(e);
    if (session_is_inside(e->session))
        return error_set(TSR_ERR_UNSUPPORTED, "a function cannot compute arrays of the session that calls it");
    TRY(session_check_here(e->session));
    if (e->remote && !is_in_memory(n, arrays, sinks)) return e->remote->run(e->remote, n, arrays, hints, sinks);
    TRY(plan_build(n, arrays, hints, &p));
    engine_begin(e, n_cancels);
    const size_t predicted = predicted_bytes(e, p, arrays, sinks);
    tsr_status status = run_plan(e, p, sinks, &stats);
    note_run(e, p, status, predicted);
    engine_end(e, &stats);
    plan_free(p);
    return status;
}

tsr_status tsr_compute(int n, tsr_array *const *arrays, void *const *outs)
{
    TRY(check_arrays(n, arrays));
    sink *sinks = mem_calloc((size_t)n, sizeof *sinks);
    if (!sinks) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) sinks[i] = (sink){.kind = SINK_MEMORY, .data = outs[i]};
    tsr_status status = run_roots(n, arrays, NULL, sinks);
    mem_free(sinks);
    return status;
}

tsr_status tsr_compute_into(tsr_array *a, void *out, size_t size_bytes)
{
    TRY(check_arrays(1, &a));
    if ((int64_t)size_bytes != tsr_nbytes(a)) {
        return error_set(TSR_ERR_VALUE, "compute: the result has %lld bytes, the memory given for it %zu",
                         (long long)tsr_nbytes(a), size_bytes);
    }
    return tsr_compute(1, &a, &out);
}

/* An array that reads held blocks; takes the reference to the set. */
static tsr_array *array_of_set(tsr_array *like, const sink *from)
{
    tsr_array proto = {.op = NODE_BLOCKS, .dtype = like->dtype, .ndim = like->ndim};
    memcpy(proto.shape, like->shape, sizeof proto.shape);
    proto.grid = like->grid;
    proto.p.blocks.set = from->set;
    proto.p.blocks.stored = from->stored;
    return node_make(like->session, &proto);
}

tsr_status tsr_persist(int n, tsr_array *const *arrays, tsr_array **results)
{
    TRY(check_arrays(n, arrays));
    sink *sinks = mem_calloc((size_t)n, sizeof *sinks);
    if (!sinks) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) sinks[i] = (sink){.kind = SINK_HELD};
    tsr_status status = run_roots(n, arrays, NULL, sinks);
    for (int i = 0; i < n; i++) {
        results[i] = NULL;
        if (status == TSR_OK) {
            results[i] = array_of_set(arrays[i], &sinks[i]);
            if (!results[i]) status = tsr_error_code();
        } else if (sinks[i].set) {
            sinks[i].set->ops->unref(sinks[i].set);
        }
    }
    for (int i = 0; status != TSR_OK && i < n; i++) {
        tsr_release(results[i]);
        results[i] = NULL;
    }
    mem_free(sinks);
    return status;
}

tsr_status tsr_wait(int n, tsr_array *const *arrays, double seconds)
{
    block_set **sets;
    size_t n_sets;
    TRY(check_arrays(n, arrays));
    engine *e = arrays[0]->session->engine;
    if (session_is_inside(e->session))
        return error_set(TSR_ERR_UNSUPPORTED, "a function cannot wait for arrays of the session that calls it");
    TRY(session_check_here(e->session));
    tsr_status status = expression_sets(n, arrays, &sets, &n_sets);
    if (status == TSR_OK && n_sets == 0)
        status = error_set(TSR_ERR_VALUE, "wait: none of the %d arrays is persisted, or reads one that is; persist it first", n);
    if (status == TSR_OK && e->remote) status = e->remote->wait(e->remote, n_sets, sets, seconds);
    mem_free(sets);
    return status;
}

tsr_status engine_store(int n, tsr_array *const *arrays, store_writer *w, const int *vars)
{
    TRY(check_arrays(n, arrays));
    sink *sinks = mem_calloc((size_t)n, sizeof *sinks);
    plan_hint *hints = mem_calloc((size_t)n, sizeof *hints);
    tsr_status status = sinks && hints ? TSR_OK : TSR_ERR_MEMORY;
    for (int i = 0; status == TSR_OK && i < n; i++) {
        const store_var *v = &w->vars[vars[i]];
        sinks[i] = (sink){.kind = SINK_WRITER, .writer = w, .var = vars[i]};
        bool whole = true; /* a format without chunks gives the shape itself: any tiles will do */
        for (int d = 0; d < v->ndim; d++) whole = whole && (v->chunk[d] <= 0 || v->chunk[d] >= arrays[i]->shape[d]);
        if (v->is_chunked || !whole) hints[i].chunk = v->chunk;
    }
    if (status == TSR_OK) status = run_roots(n, arrays, hints, sinks);
    mem_free(sinks);
    mem_free(hints);
    return status;
}

/* ---- Files of plain arrays ---------------------------------------------------------------------------------------- */

typedef struct plain_schema {
    store_schema schema;
    store_dim *dims;
    store_var *vars;
    int *numbers;
} plain_schema;

static void plain_schema_fini(plain_schema *p, int n)
{
    for (int i = 0; p->dims && i < p->schema.n_dims; i++) mem_free(p->dims[i].name);
    for (int i = 0; p->vars && i < n; i++) mem_free(p->vars[i].name);
    mem_free(p->dims);
    mem_free(p->vars);
    mem_free(p->numbers);
}

/* Dimensions are shared by length: dim_0, dim_1 ... in the order in which lengths appear. */
static tsr_status plain_schema_init(plain_schema *p, int n, tsr_array *const *arrays, const char *const *names)
{
    int capacity = 0;
    for (int i = 0; i < n; i++) capacity += arrays[i]->ndim;
    *p = (plain_schema){.dims = mem_calloc((size_t)capacity + 1, sizeof *p->dims),
                        .vars = mem_calloc((size_t)n, sizeof *p->vars),
                        .numbers = mem_calloc((size_t)n, sizeof *p->numbers)};
    if (!p->dims || !p->vars || !p->numbers) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) {
        store_var *v = &p->vars[i];
        const tsr_array *a = arrays[i];
        v->name = names && names[i] ? mem_strdup(names[i]) : i ? mem_printf("data_%d", i) : mem_strdup("data");
        if (!v->name) return TSR_ERR_MEMORY;
        v->dtype = a->dtype;
        v->ndim = a->ndim;
        p->numbers[i] = i;
        for (int d = 0; d < a->ndim; d++) {
            int k = 0;
            bool used = true;
            for (; used && k < p->schema.n_dims; k++) { /* a length twice in one array is two dimensions */
                used = p->dims[k].length != a->shape[d];
                for (int e = 0; !used && e < d; e++) used = v->dims[e] == k;
                if (!used) break;
            }
            if (k == p->schema.n_dims) {
                p->dims[k].length = a->shape[d];
                p->dims[k].name = mem_printf("dim_%d", k);
                if (!p->dims[k].name) return TSR_ERR_MEMORY;
                p->schema.n_dims++;
            }
            v->dims[d] = k;
            v->shape[d] = a->shape[d];
        }
    }
    p->schema.dims = p->dims;
    p->schema.vars = p->vars;
    p->schema.n_vars = n;
    return TSR_OK;
}

tsr_status tsr_store(int n, tsr_array *const *arrays, const char *const *names, const char *path, const char *format)
{
    TRY(check_arrays(n, arrays));
    plain_schema p;
    store_writer *w = NULL;
    tsr_status status;
    GUARD(plain_schema_init(&p, n, arrays, names));
    GUARD(store_create(path, format, &p.schema, &w));
    status = engine_store(n, arrays, w, p.numbers);
    if (status == TSR_OK) {
        status = store_finish(w);
    } else {
        store_abort(w);
    }
done:
    plain_schema_fini(&p, n);
    return status;
}

tsr_status tsr_save(tsr_array *a, const char *path) { return tsr_store(1, &a, NULL, path, NULL); }

/* ---- Callbacks that take arrays ------------------------------------------------------------------------------------ */

typedef struct sink_writer {
    store_writer base;
    const tsr_sink *sinks;
    const tsr_session *session;
    pthread_mutex_t lock; /* held while a serial sink is called */
} sink_writer;

static tsr_status sink_write(store_writer *w, int var, const box *part, const void *data)
{
    sink_writer *s = (sink_writer *)w;
    const tsr_sink *to = &s->sinks[var];
    tsr_error_clear();
    if (to->serial) pthread_mutex_lock(&s->lock);
    const tsr_session *before = session_enter(s->session);
    tsr_status status = to->write(to->context, part->start, part->count, data);
    session_leave(before);
    if (to->serial) pthread_mutex_unlock(&s->lock);
    if (status != TSR_OK && tsr_error_code() == TSR_OK) return error_set(status, "writing failed");
    return status;
}

tsr_status tsr_store_to(int n, tsr_array *const *arrays, const tsr_sink *sinks)
{
    static const writer_ops ops = {.name = "callback", .write = sink_write};
    static char path[] = "target";
    TRY(check_arrays(n, arrays));
    plain_schema p = {0};
    sink_writer w = {.base = {.ops = &ops, .path = path, .n_vars = n}, .sinks = sinks, .session = arrays[0]->session};
    tsr_status status;
    pthread_mutex_init(&w.lock, NULL);
    GUARD(plain_schema_init(&p, n, arrays, NULL));
    w.base.vars = p.vars;
    for (int i = 0; i < n; i++) {
        for (int d = 0; d < arrays[i]->ndim; d++) {
            p.vars[i].chunk[d] = sinks[i].chunk ? sinks[i].chunk[d] : arrays[i]->shape[d];
            if (p.vars[i].chunk[d] > 0) continue;
            if (arrays[i]->shape[d] == 0) {
                p.vars[i].chunk[d] = 1;
                continue;
            }
            status = error_set(TSR_ERR_VALUE, "store: the chunk of axis %d of target %d is not positive", d, i);
            goto done;
        }
        p.vars[i].is_chunked = sinks[i].chunk != NULL;
    }
    status = engine_store(n, arrays, &w.base, p.numbers);
done:
    plain_schema_fini(&p, n);
    pthread_mutex_destroy(&w.lock);
    return status;
}

/* ---- Showing ------------------------------------------------------------------------------------------------------ */

tsr_status tsr_predict(int n, tsr_array *const *arrays, tsr_prediction *out)
{
    plan *p;
    TRY(check_arrays(n, arrays));
    TRY(plan_build(n, arrays, NULL, &p));
    plan_totals(p, out);
    plan_free(p);
    return TSR_OK;
}

/* The memory that the plan takes on this engine's threads, and what it took when it ran last. */
static void explain_memory(engine *e, const plan *p, strbuf *out)
{
    if (e->remote) return; /* the workers' memory */
    pthread_mutex_lock(&e->stats_lock);
    const tsr_stats last = e->stats;
    const bool has_run = e->last_plan == plan_fingerprint(p);
    const size_t predicted = e->predicted_bytes;
    pthread_mutex_unlock(&e->stats_lock);
    plan_explain_memory(plan_peak_bytes(p, e->n_threads, keeper_budget_bytes(e->keeper)), e->n_threads, out);
    if (has_run) plan_explain_run(&last, predicted, out);
}

char *tsr_explain(int n, tsr_array *const *arrays)
{
    plan *p;
    strbuf text = {0};
    if (check_arrays(n, arrays) != TSR_OK || plan_build(n, arrays, NULL, &p) != TSR_OK) return NULL;
    plan_explain(p, &text);
    explain_memory(arrays[0]->session->engine, p, &text);
    plan_free(p);
    return strbuf_take(&text);
}

char *tsr_visualize(int n, tsr_array *const *arrays, const char *what, const char *format)
{
    drawing d = {0};
    strbuf text = {0};
    plan *p = NULL;
    tsr_status status = check_arrays(n, arrays);
    bool svg = status == TSR_OK && strcmp(format, "svg") == 0;
    if (status == TSR_OK && !svg && strcmp(format, "dot") != 0)
        status = error_set(TSR_ERR_VALUE, "visualize: unknown format '%s'; the formats are dot and svg", format);
    if (status == TSR_OK && strcmp(what, "expression") == 0) {
        status = draw_expression(&d, n, arrays);
    } else if (status == TSR_OK && strcmp(what, "plan") == 0) {
        status = plan_build(n, arrays, NULL, &p);
        if (status == TSR_OK) status = draw_plan(&d, p);
    } else if (status == TSR_OK) {
        status = error_set(TSR_ERR_VALUE, "visualize: '%s' is neither expression nor plan", what);
    }
    if (status == TSR_OK) svg ? draw_svg(&d, &text) : draw_dot(&d, &text);
    drawing_fini(&d);
    plan_free(p);
    return status == TSR_OK ? strbuf_take(&text) : NULL;
}
