/* Jobs: from packed expressions to a run of the engine's, and its end. What may take long (files are opened) is done on the
 * planning lane, in the order in which the jobs came, so that a job finds those that it reads. */
#include "array/pack.h"
#include "array/udf.h"
#include "base/mem.h"
#include "cluster/client_tasks.h"
#include "cluster/future_blocks.h"
#include "cluster/worker.h"

#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

job *worker_job_ref(job *j)
{
    atomic_fetch_add(&j->refs, 1);
    return j;
}

void worker_job_unref(job *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) != 1) return;
    if (j->said) tessera__cluster__job__free_unpacked(j->said, NULL);
    buffer_unref(j->packed);
    owner_map_free(&j->map);
    mem_free(j->mine);
    mem_free(j->message);
    id_table_fini(&j->asks);
    mem_free(j->reported_stages);
    mem_free(j);
}

job *worker_job_find(tsr_worker *w, uint64_t id) { return id_table_find(&w->jobs, id); }

job *worker_job_await(tsr_worker *w, uint64_t id)
{
    job *j = worker_job_find(w, id);
    if (j) return j;
    j = mem_calloc(1, sizeof *j);
    if (!j) return NULL;
    atomic_store(&j->refs, 1);
    j->w = w;
    j->id = id;
    j->state = JOB_AWAITED;
    j->last_waiting = &j->waiting;
    if (id_table_put(&w->jobs, id, j)) return j;
    mem_free(j->reported_stages);
    mem_free(j);
    return NULL;
}

void worker_job_forget_awaited(job *j)
{
    if (j->state != JOB_AWAITED || j->waiting) return;
    id_table_take(&j->w->jobs, j->id);
    worker_job_unref(j);
}

static void job_fail(job *j, tsr_status status, const char *message)
{
    if (j->state == JOB_DROPPED || j->state == JOB_FAILED) return;
    j->state = JOB_FAILED;
    j->status = status;
    j->message = mem_strdup(message);
    worker_log(j->w, NET_LOG_WARNING, "job %016llx failed: %s", (unsigned long long)j->id, message);
    worker_asks_forget(j);
    worker_scheduler_tell_failed(j->w, j->id, status, message);
    worker_serve_waiting(j);
}

/* ---- the engine's ---- */

static void told_failed(work *what)
{
    job *j = (job *)((char *)what - offsetof(job, failed_work));
    if (!atomic_load(&j->w->stopping)) job_fail(j, j->failed_status, j->failed_message);
    worker_job_unref(j);
}

static void run_failed(void *context, tsr_status status, const char *message)
{
    job *j = context;
    j->failed_status = status;
    snprintf(j->failed_message, sizeof j->failed_message, "%s", message ? message : "");
    j->failed_work.run = told_failed;
    worker_job_ref(j);
    worker_tell(j->w, &j->failed_work);
}

static void run_begins(void *context, int thread, int number, int64_t unit)
{
    const job *j = context;
    worker_scheduler_begins(j->w, j->id, thread, number, unit);
}

/* A block whose result of a task is not there yet. */
typedef struct awaited {
    future_watch watch;
    work what;
    job *j;
    int stage;
    int64_t block;
} awaited;

static void awaited_free(awaited *a)
{
    worker_job_unref(a->j);
    mem_free(a);
}

static void told_done(work *what)
{
    awaited *a = (awaited *)((char *)what - offsetof(awaited, what));
    if (a->j->state == JOB_OPEN && !atomic_load(&a->j->w->stopping)) run_resume(a->j->run, a->stage, a->block);
    awaited_free(a);
}

static void told_of_future(future_watch *watch, bool is_done)
{
    awaited *a = (awaited *)watch;
    if (is_done) {
        worker_tell(a->j->w, &a->what);
    } else {
        awaited_free(a);
    }
}

static tsr_status run_awaits(void *context, const tsr_function *f, int number, int64_t block, bool *out)
{
    job *j = context;
    *out = false;
    if (!future_blocks_are(f->name)) return TSR_OK;
    awaited *a = mem_alloc(sizeof *a);
    if (!a) return TSR_ERR_MEMORY;
    *a = (awaited){.watch.told = told_of_future, .what.run = told_done, .j = worker_job_ref(j), .stage = number, .block = block};
    *out = future_blocks_watch(f, block, &a->watch);
    if (!*out) awaited_free(a);
    return TSR_OK;
}

/* ---- the planning lane ---- */

static block_set *load_set(void *context, uint64_t id, uint32_t root, tsr_dtype *dtype, const grid **stored)
{
    tsr_worker *w = context;
    const job *j = id_table_find(&w->opened, id);
    if (!j || !j->said->persists) {
        (void)error_set(TSR_ERR_NOT_FOUND, "job %016llx, whose blocks are read, is not here", (unsigned long long)id);
        return NULL;
    }
    if (root >= (uint32_t)j->plan->n_roots) {
        (void)error_set(TSR_ERR_FORMAT, "job %016llx has %d roots, number %u is read", (unsigned long long)id, j->plan->n_roots,
                        root);
        return NULL;
    }
    const plan_root *r = &j->plan->roots[root];
    const stage_output *o = &j->plan->stages[r->stage].outputs[r->output];
    *dtype = o->dtype;
    *stored = &o->blocks;
    return run_root_set(j->run, (int)root);
}

static tsr_status make_hints(const Tessera__Cluster__Job *said, int n, tsr_array *const *roots, plan_hint **out)
{
    if (said->n_hints == 0) return TSR_OK;
    if (said->n_hints != (size_t)n)
        return error_set(TSR_ERR_FORMAT, "a job of %d arrays has %zu hints on chunks", n, said->n_hints);
    plan_hint *hints = mem_calloc((size_t)n, sizeof *hints);
    if (!hints) return TSR_ERR_MEMORY;
    *out = hints; /* freed by the caller in any case */
    for (int i = 0; i < n; i++) {
        const Tessera__Cluster__Hint *h = said->hints[i];
        if (h->n_chunk == 0) continue;
        if (h->n_chunk != (size_t)roots[i]->ndim)
            return error_set(TSR_ERR_FORMAT, "a hint on chunks has %zu lengths for an array of %d dimensions", h->n_chunk,
                             roots[i]->ndim);
        for (int d = 0; d < roots[i]->ndim; d++)
            if (h->chunk[d] < 1) return error_set(TSR_ERR_FORMAT, "a hint has chunks of length %lld", (long long)h->chunk[d]);
        hints[i].chunk = h->chunk;
    }
    return TSR_OK;
}

static tsr_status load_function(void *context, const char *name, const void *bytes, size_t size, const tsr_function *inner,
                                tsr_function *out)
{
    tsr_worker *w = context;
    if (strcmp(name, UDF_PACKED) == 0) return udf_unpack(w->session, bytes, size, out);
    if (!future_blocks_are(name)) return error_set(TSR_ERR_FORMAT, "unpack: no function '%.30s'", name);
    if (!w->results) w->results = worker_open_results(w);
    return w->results ? future_blocks_load(w->results, &w->stopping, bytes, size, inner, out) : tsr_error_code();
}

static tsr_status make_plan(job *j, plan **out)
{
    tsr_worker *w = j->w;
    const set_codec sets = {.context = w, .load = load_set, .load_function = load_function};
    plan_hint *hints = NULL;
    if (!j->packed) return error_memory(0);
    const int n = tsr_packed_count(j->packed->data, j->packed->size_bytes);
    if (n < 0) return tsr_error_code();
    if (n == 0) return error_set(TSR_ERR_FORMAT, "a job without arrays");
    tsr_array **roots = mem_calloc((size_t)n, sizeof(tsr_array *));
    if (!roots) return TSR_ERR_MEMORY;
    tsr_status status =
        expression_unpack(w->session, j->packed->data, j->packed->size_bytes, w->has_codec ? &w->codec : NULL, &sets, n, roots);
    if (status == TSR_OK) status = make_hints(j->said, n, roots, &hints);
    if (status == TSR_OK) status = plan_build(n, roots, hints, out);
    for (int i = 0; i < n; i++)
        if (roots[i]) node_unref(roots[i]);
    mem_free(roots);
    mem_free(hints);
    if (status != TSR_OK) return status;
    const uint64_t here = plan_fingerprint(*out);
    if (here == j->said->fingerprint) return TSR_OK;
    plan_free(*out);
    *out = NULL;
    return error_set(TSR_ERR_UNSUPPORTED,
                     "the plan of the job is another here (%016llx) than where it comes from (%016llx): library or files differ",
                     (unsigned long long)here, (unsigned long long)j->said->fingerprint);
}

static tsr_status open_run(job *j)
{
    static const run_ops ops = {.ask = worker_ask_begin, .failed = run_failed, .begins = run_begins, .awaits = run_awaits};
    tsr_worker *w = j->w;
    plan *p = NULL;
    if (atomic_load(&w->stopping)) return error_set(TSR_ERR_CANCELLED, "the worker ends");
    const bool is_careful = atomic_load(&j->is_careful);
    if (is_careful) worker_scheduler_begins(w, j->id, 0, BEGINS_PLAN, 0);
    tsr_status status = make_plan(j, &p);
    if (is_careful) worker_scheduler_begins(w, j->id, 0, BEGINS_NO_PLAN, 0);
    TRY(status);
    status = run_open(w->session->engine, p, j->said->persists, w->id, &ops, j, &j->run);
    if (status != TSR_OK) {
        plan_free(p);
        return status;
    }
    j->plan = p;
    run_set_priority(j->run, j->said->priority);
    if (run_set_client(j->run, j->said->client) != TSR_OK) tsr_error_clear(); /* then it shares with those that are nobody's */
    /* One of the same number was dropped, and is closed soon. */
    worker_job_unref(id_table_take(&w->opened, j->id));
    if (!id_table_put(&w->opened, j->id, worker_job_ref(j))) {
        run_close(j->run);
        j->run = NULL;
        worker_job_unref(j);
        return TSR_ERR_MEMORY;
    }
    return TSR_OK;
}

static void close_run(work *what)
{
    job *j = (job *)((char *)what - offsetof(job, close_work));
    if (id_table_find(&j->w->opened, j->id) == j) {
        id_table_take(&j->w->opened, j->id);
        worker_job_unref(j);
    }
    run_close(j->run);
    worker_job_unref(j);
}

/* The serving lane's part of a close: behind all that it was told before. */
static void pass_close(work *what)
{
    job *j = (job *)((char *)what - offsetof(job, close_work));
    worker_serve_forget_own(j);
    j->close_work.run = close_run;
    lane_push(j->w->planning, &j->close_work);
}

static void begin_close(job *j)
{
    j->has_run = false;
    j->close_work.run = pass_close;
    worker_job_ref(j);
    lane_push(j->w->serving, &j->close_work);
}

/* ---- the I/O thread ---- */

typedef struct map_work {
    work what;
    job *j;
    owner_map map;
    uint32_t epoch;
    bool copies;
} map_work;

static void apply_map(work *what)
{
    map_work *m = (map_work *)what;
    worker_serve_map(m->j, m->map, m->epoch, m->copies);
    worker_job_unref(m->j);
    mem_free(m);
}

/* Takes the map. */
static void push_map(job *j, owner_map map, bool copies)
{
    tsr_status status = owner_map_check(&map, j->plan);
    map_work *m = status == TSR_OK ? mem_alloc(sizeof *m) : NULL;
    if (!m) {
        owner_map_free(&map);
        job_fail(j, tsr_error_code(), tsr_error_message());
        return;
    }
    *m = (map_work){.what.run = apply_map, .j = worker_job_ref(j), .map = map, .epoch = j->epoch, .copies = copies};
    lane_push(j->w->serving, &m->what);
}

static void shed(work *what)
{
    job *j = (job *)((char *)what - offsetof(job, shed_work));
    worker_serve_shed(j);
    worker_job_unref(j);
}

static void push_shed(job *j)
{
    j->shed_work.run = shed;
    worker_job_ref(j);
    lane_push(j->w->serving, &j->shed_work);
}

void worker_job_shed(job *j)
{
    if (j->is_shed || (j->state != JOB_OPEN && j->state != JOB_PLANNING)) return;
    j->is_shed = true;
    if (j->state == JOB_OPEN) push_shed(j);
}

static void told_planned(work *what)
{
    job *j = (job *)((char *)what - offsetof(job, plan_work));
    if (atomic_load(&j->w->stopping)) {
        worker_job_unref(j);
        return;
    }
    j->has_run = j->plan_status == TSR_OK;
    if (j->state == JOB_DROPPED) {
        if (j->has_run) begin_close(j);
    } else if (j->plan_status != TSR_OK) {
        job_fail(j, j->plan_status, j->plan_message);
    } else if (j->state == JOB_PLANNING) {
        const owner_map map = j->map;
        j->state = JOB_OPEN;
        j->map = (owner_map){0};
        if (j->is_shed) push_shed(j); /* before it has anything of its own to make */
        run_set_careful(j->run, atomic_load(&j->is_careful));
        if (j->has_map) push_map(j, map, false);
        worker_serve_waiting(j);
    }
    worker_job_unref(j);
}

static void plan_job(work *what)
{
    job *j = (job *)((char *)what - offsetof(job, plan_work));
    j->plan_status = open_run(j);
    if (j->plan_status != TSR_OK) snprintf(j->plan_message, sizeof j->plan_message, "%s", tsr_error_message());
    buffer_unref(j->packed);
    j->packed = NULL;
    j->plan_work.run = told_planned;
    worker_tell(j->w, &j->plan_work);
}

void worker_job_take_map(job *j, const Tessera__Cluster__Map *m)
{
    owner_map map;
    j->epoch = m->epoch;
    atomic_store(&j->is_careful, m->careful);
    if (owner_map_read(m, &map) != TSR_OK) {
        job_fail(j, tsr_error_code(), tsr_error_message());
    } else if (j->state == JOB_OPEN) {
        run_set_careful(j->run, m->careful);
        push_map(j, map, m->copies);
    } else if (j->state == JOB_PLANNING) {
        owner_map_free(&j->map);
        j->map = map;
        j->has_map = true;
    } else {
        owner_map_free(&map);
    }
}

/* A scheduler that knows nothing of the past tells of jobs that are here: its map is the newest, whatever its number. */
static void begin_again(job *j, const Tessera__Cluster__Job *said)
{
    if (j->state == JOB_FAILED) {
        worker_scheduler_tell_failed(j->w, j->id, j->status, j->message);
    } else if (said->map) {
        worker_job_take_map(j, said->map);
    }
}

void worker_job_begin(tsr_worker *w, Tessera__Cluster__Job *said, buffer *packed)
{
    job *j = worker_job_await(w, said->job);
    if (!j || j->state != JOB_AWAITED) {
        if (j) begin_again(j, said);
        if (!j) worker_scheduler_tell_failed(w, said->job, tsr_error_code(), tsr_error_message());
        tessera__cluster__job__free_unpacked(said, NULL);
        buffer_unref(packed);
        return;
    }
    j->state = JOB_PLANNING;
    j->is_shed = said->persists && said->sheds;
    j->said = said;
    j->packed = packed;
    if (said->map) {
        worker_job_take_map(j, said->map);
        tessera__cluster__map__free_unpacked(said->map, NULL);
        said->map = NULL;
    }
    j->plan_work.run = plan_job;
    worker_job_ref(j);
    lane_push(w->planning, &j->plan_work);
}

void worker_job_drop(job *j)
{
    worker_scheduler_count(j->w, j);
    id_table_take(&j->w->jobs, j->id);
    worker_asks_forget(j);
    j->state = JOB_DROPPED;
    j->status = TSR_ERR_CANCELLED;
    mem_free(j->message);
    j->message = mem_strdup("the job was dropped");
    worker_serve_waiting(j);
    if (j->has_run) begin_close(j);
    worker_job_unref(j);
}
