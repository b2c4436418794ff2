/* The threads of a client that wait for a computation: they deliver what has arrived, and helpers with them, look whether
 * somebody cancelled, and report progress. A failure ends all of that; the caller's memory is given back once no payload is on
 * its way into it. */
#include "cluster/client_parts.h"

#include "base/os.h"

#include <errno.h>

enum { MOST_HELPERS = 1024, COPY_HELPERS = 3 };

/* Delivers one block that waits; the lock is held, and given up meanwhile. False: there is none. */
static bool deliver_one(fetching *f)
{
    client *c = f->c;
    arrival *a = f->ready;
    if (!a || f->is_over) return false;
    f->ready = a->next;
    if (!f->ready) f->ready_last = &f->ready;
    pthread_mutex_unlock(&c->lock);
    tsr_status status = a->data ? deliver(f, a) : TSR_OK;
    pthread_mutex_lock(&c->lock);
    if (f->roots[a->root].to.kind == SINK_WRITER) f->bytes_written += (int64_t)fetch_block_bytes(&f->roots[a->root], a->block);
    if (status != TSR_OK) {
        fetch_fail_here(f, status);
    } else {
        fetch_done(f, a->root, a->block);
    }
    fetch_arrival_free(a);
    return true;
}

static void *help(void *context)
{
    fetching *f = context;
    pthread_mutex_lock(&f->c->lock);
    while (!f->is_over)
        if (!deliver_one(f)) pthread_cond_wait(&f->changed, &f->c->lock);
    pthread_mutex_unlock(&f->c->lock);
    return NULL;
}

static bool has_writer(const fetching *f)
{
    for (int i = 0; i < f->n_roots; i++)
        if (f->roots[i].to.kind == SINK_WRITER) return true;
    return false;
}

/* Writers may take their time, on as many threads as the session has; large results are copied by a few. */
static int helpers_wanted(const fetching *f)
{
    int64_t bytes = 0, n = engine_n_threads(f->c->session->engine);
    for (int i = 0; i < f->n_roots; i++)
        bytes += shape_size(f->roots[i].o->ndim, f->roots[i].o->shape) * (int64_t)tsr_dtype_size(f->roots[i].o->dtype);
    if (!has_writer(f)) {
        n = bytes >= 64 << 20 ? n - 1 : 0;
        if (n > COPY_HELPERS) n = COPY_HELPERS;
    }
    if (n > f->n_blocks) n = f->n_blocks;
    return n < MOST_HELPERS ? (int)n : MOST_HELPERS;
}

static void report(fetching *f, int64_t started_ns, bool at_end)
{
    tsr_progress p = f->progress;
    double blocks = f->n_blocks ? (double)(f->n_blocks - f->n_left) / (double)f->n_blocks : 1.0;
    p.fraction = p.tasks_done > 0 && p.tasks_total > 0 ? (double)p.tasks_done / (double)p.tasks_total : blocks;
    if (at_end) {
        p.fraction = 1.0;
        p.tasks_done = p.tasks_total;
        for (int i = 0; i < f->plan->n_stages; i++) f->stages[i].tasks_done = f->stages[i].tasks_total;
    }
    p.bytes_written = f->bytes_written;
    p.seconds = (double)(os_now_ns() - started_ns) / 1e9;
    p.stage = f->plan->n_stages ? node_name(f->plan->stages[f->progress_stage].outputs[0].node) : "";
    const int n = f->plan->n_stages;
    stage_progress *stages = mem_alloc((size_t)n * sizeof *stages); /* as they are now, since more may come meanwhile */
    if (stages) memcpy(stages, f->stages, (size_t)n * sizeof *stages);
    pthread_mutex_unlock(&f->c->lock);
    engine_report(f->c->session->engine, &p, stages ? n : 0, stages);
    mem_free(stages);
    pthread_mutex_lock(&f->c->lock);
}

/* The calling thread: delivers, reports, and looks whether somebody cancelled. The lock is held. */
static void watch(fetching *f, bool delivers)
{
    const engine *e = f->c->session->engine;
    int64_t started = os_now_ns(), next_report = started;
    while (!f->is_over) {
        if (engine_is_cancelled(e)) {
            fetch_fail(f, TSR_ERR_CANCELLED, "cancelled");
            break;
        }
        if (engine_progress_interval_ms(e) > 0 && os_now_ns() >= next_report) {
            report(f, started, false);
            next_report = os_now_ns() + (int64_t)engine_progress_interval_ms(e) * 1000000;
            continue;
        }
        if (delivers && deliver_one(f)) continue;
        if (f->waits) fetch_ask(f);
        if (!f->is_over) os_cond_wait_ns(&f->changed, &f->c->lock, ENGINE_LOOK_NS);
    }
    if (f->status == TSR_OK && engine_progress_interval_ms(e) > 0) report(f, started, true);
}

void fetch_stop(fetching *f)
{
    client *c = f->c;
    f->of->fetch = NULL; /* who finds the job finds nothing to do for it */
    for (size_t i = 0; i < c->requests.n && f->n_requests > 0; i++)
        if (c->requests.items[i].f == f) fetch_request_drop(c, (int)i, true);
    while (f->ready) {
        arrival *a = f->ready;
        f->ready = a->next;
        fetch_arrival_free(a);
    }
    f->ready_last = &f->ready;
    int64_t patience = os_now_ns() + 100000000;
    while (f->n_placed > 0) {
        os_cond_wait_ns(&f->changed, &c->lock, ENGINE_LOOK_NS);
        if (os_now_ns() < patience) continue;
        /* A payload is stuck half way, or large: its link goes with it. */
        for (size_t i = 0; i < c->peers.n; i++)
            if (c->peers.items[i]->link && c->peers.items[i]->n_placed > 0)
                link_close(c->peers.items[i]->link, "the computation was given up");
        patience = INT64_MAX;
    }
}

tsr_status fetch_run(fetching *f)
{
    client *c = f->c;
    pthread_t threads[MOST_HELPERS];
    int wanted = helpers_wanted(f), n = 0;
    bool delivers = !has_writer(f);
    tsr_status status = TSR_OK;
    while (n < wanted && status == TSR_OK) {
        int error = os_thread_start(&threads[n], help, f);
        if (error) {
            status = error_errno(error, "cannot start a thread");
        } else {
            n++;
        }
    }
    pthread_mutex_lock(&c->lock);
    if (status != TSR_OK && n == 0 && !delivers) fetch_fail_here(f, status);
    watch(f, delivers);
    fetch_stop(f);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    if (f->status == TSR_OK) return TSR_OK;
    return error_set(f->status, "%s", f->message ? f->message : "out of memory");
}
