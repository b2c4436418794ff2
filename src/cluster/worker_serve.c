/* What others ask of this worker: requests become demands on the runs of jobs, blocks go out as the engine's threads make them.
 *
 * A request lives in its guest's table until it has ended or is withdrawn; the engine and queued work hold references of their
 * own. Its lock guards the count of what was delivered, so that the block that says `last` is sent behind all others. */
#include "base/mem.h"
#include "cluster/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef Tessera__Cluster__Fetch fetch;

/* ---- requests ---- */

static request *request_new(job *j, conn *guest)
{
    request *r = mem_calloc(1, sizeof *r);
    if (!r) return NULL;
    atomic_store(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    r->job = worker_job_ref(j);
    r->guest = guest ? worker_conn_ref(guest) : NULL;
    r->d.context = r;
    return r;
}

static request *request_ref(request *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

static void request_unref(request *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1) return;
    if (r->has_final) buffer_unref(r->final.buf);
    file_place_free(r->place);
    if (r->place_said) tessera__cluster__file_place__free_unpacked(r->place_said, NULL);
    mem_free(r->message);
    worker_conn_unref(r->guest);
    worker_job_unref(r->job);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static void wait_for_job(request *r)
{
    job *j = r->job;
    r->is_waiting = true;
    r->guest->n_waiting++;
    r->next = NULL;
    r->at = j->last_waiting;
    *r->at = r;
    j->last_waiting = &r->next;
}

static void stop_waiting(request *r)
{
    job *j = r->job;
    r->is_waiting = false;
    r->guest->n_waiting--;
    *r->at = r->next;
    if (r->next) {
        r->next->at = r->at;
    } else {
        j->last_waiting = r->at;
    }
}

static void refuse_request(conn *c, uint64_t id, uint64_t job_id, tsr_status status, const char *message)
{
    Tessera__Cluster__Refused m = TESSERA__CLUSTER__REFUSED__INIT;
    m.job = job_id;
    m.request = id;
    m.status = (int32_t)status;
    m.message = (char *)(uintptr_t)(message ? message : "");
    (void)!worker_send(c->link, MESSAGE(NO_BLOCK), &m.base, NULL);
}

/* ---- the engine's threads ---- */

/* Writes the block where the guest wants it. Before the last block is reported, all of them are where others see them. */
static bool write_block(request *r, const made_block *b, bool is_last)
{
    if (!r->place) return false;
    const stage_output *o = &r->job->plan->stages[r->d.stage].outputs[b->output];
    const box part = grid_box(&o->blocks, b->number);
    const bool is_written = file_place_write(r->place, &part, b->buf->data);
    if (is_last) file_place_close(r->place);
    return is_written;
}

static void send_block(request *r, const made_block *b, bool is_last)
{
    const bool is_written = write_block(r, b, is_last);
    Tessera__Cluster__Block m = TESSERA__CLUSTER__BLOCK__INIT;
    m.request = r->id;
    m.number = (uint64_t)b->number;
    m.output = (uint32_t)b->output;
    m.last = is_last;
    m.written = is_written;
    (void)!worker_send(r->guest->link, MESSAGE(BLOCK), &m.base,
                       is_written ? NULL
                                  : &(net_payload){.buf = b->buf, .data = b->buf ? b->buf->data : NULL, .bytes = b->bytes});
    buffer_unref(b->buf);
}

/* A guest that takes its blocks more slowly than they are made gets no more of them made; see worker_guest_drained. */
static void throttle(request *r)
{
    if (link_queued_bytes(r->guest->link) <= r->job->w->high_bytes) return;
    pthread_mutex_lock(&r->lock);
    if (!r->is_over && !atomic_load(&r->paused)) {
        atomic_store(&r->paused, true);
        run_pause(r->job->run, &r->d, true);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Workers' fetches are not paused but begun at once, as many as there are. So that blocks for one that stands still do not pile
 * up in memory, they stay where they can be spilled. */
static bool is_put_off(request *r)
{
    const demand *d = &r->d;
    if (r->started == 0) r->is_put_off = d->output < 0 && !d->span && link_queued_bytes(r->guest->link) > r->job->w->high_bytes;
    return r->is_put_off;
}

static void deliver(demand *d, int64_t number, int output, buffer *buf, size_t bytes)
{
    request *r = d->context;
    made_block b = {number, output, buf, bytes};
    pthread_mutex_lock(&r->lock);
    if (is_put_off(r)) {
        r->started++;
        pthread_mutex_unlock(&r->lock);
        buffer_unref(buf);
        return;
    }
    const bool is_last = ++r->started == r->total, is_early = is_last && r->sent + 1 < r->total;
    if (is_early) {
        r->final = b;
        r->has_final = true;
    }
    pthread_mutex_unlock(&r->lock);
    if (is_early) return;
    send_block(r, &b, is_last);
    pthread_mutex_lock(&r->lock);
    const bool is_final = ++r->sent + 1 == r->total && r->has_final;
    if (is_final) {
        b = r->final;
        r->has_final = false;
    }
    pthread_mutex_unlock(&r->lock);
    if (is_final) send_block(r, &b, true);
    throttle(r);
}

typedef struct made_note {
    work what;
    job *j;
    uint32_t epoch;
} made_note;

/* The I/O thread: another map may have come meanwhile. */
static void note_made(work *what)
{
    made_note *n = (made_note *)what;
    job *j = n->j;
    if (j->state == JOB_OPEN && n->epoch == j->epoch && !atomic_load(&j->w->stopping)) {
        j->made_epoch = n->epoch;
        worker_scheduler_tell_made(j->w, j);
    }
    worker_job_unref(j);
    mem_free(n);
}

/* The serving lane: all that persisted roots need here is there. */
static void tell_made(job *j)
{
    made_note *n = mem_alloc(sizeof *n);
    if (!n) {
        run_put_failure(j->run, TSR_ERR_MEMORY, tsr_error_message());
        return;
    }
    *n = (made_note){.what.run = note_made, .j = worker_job_ref(j), .epoch = j->own_epoch};
    worker_tell(j->w, &n->what);
}

/* The serving lane: one of the job's own demands has ended. */
static void count_made(work *what)
{
    request *r = (request *)((char *)what - offsetof(request, made_work));
    job *j = r->job;
    if (r->is_current && r->status == TSR_OK && --j->n_own_left == 0) tell_made(j);
    request_unref(r);
}

static void told_ended(work *what)
{
    request *r = (request *)((char *)what - offsetof(request, ended_work));
    if (!r->guest && r->job->has_run && !atomic_load(&r->job->w->stopping)) {
        r->made_work.run = count_made;
        lane_push(r->job->w->serving, &r->made_work); /* with the reference */
        return;
    }
    r->is_due_again = r->is_put_off && r->status == TSR_OK;
    if (r->guest && !r->is_withdrawn && !r->is_due_again && !atomic_load(&r->job->w->stopping)) {
        r->is_withdrawn = true;
        id_table_take(&r->guest->requests, r->id);
        if (r->status != TSR_OK) refuse_request(r->guest, r->id, r->job->id, r->status, r->message);
        request_unref(r);
    }
    request_unref(r);
}

static void ended(demand *d, tsr_status status, const char *message)
{
    request *r = d->context;
    pthread_mutex_lock(&r->lock);
    r->is_over = true;
    pthread_mutex_unlock(&r->lock);
    r->status = status;
    mem_free(r->message); /* of the time before, if it was put off */
    r->message = message ? mem_strdup(message) : NULL;
    r->ended_work.run = told_ended;
    worker_tell(r->job->w, &r->ended_work);
}

/* ---- the serving lane (and demand_now) ---- */

static void demand_now(request *r)
{
    request_ref(r); /* the engine's, until `ended` was told */
    const tsr_status status = run_demand(r->job->run, &r->d);
    if (status != TSR_OK) ended(&r->d, status, tsr_error_message());
}

static bool is_over(request *r)
{
    pthread_mutex_lock(&r->lock);
    const bool over = r->is_over;
    pthread_mutex_unlock(&r->lock);
    return over;
}

static void run_demand_work(work *what)
{
    request *r = (request *)((char *)what - offsetof(request, demand_work));
    demand_now(r);
    request_unref(r);
}

static void run_withdraw_work(work *what)
{
    request *r = (request *)((char *)what - offsetof(request, withdraw_work));
    if (!is_over(r)) run_withdraw(r->job->run, &r->d);
    request_unref(r);
}

static void run_resume_work(work *what)
{
    request *r = (request *)((char *)what - offsetof(request, resume_work));
    atomic_store(&r->resume_queued, false);
    pthread_mutex_lock(&r->lock);
    if (!r->is_over && atomic_load(&r->paused)) {
        run_pause(r->job->run, &r->d, false);
        atomic_store(&r->paused, false);
    }
    pthread_mutex_unlock(&r->lock);
    request_unref(r);
}

void worker_serve_forget_own(job *j)
{
    while (j->own) {
        request *r = j->own;
        j->own = r->next;
        r->is_current = false;
        request_unref(r);
    }
    j->n_own_left = 0;
}

static tsr_status demand_spans(job *j, const span *spans, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const plan_root *root = &j->plan->roots[spans[i].root];
        request *r = request_new(j, NULL);
        if (!r) return TSR_ERR_MEMORY;
        r->d.stage = root->stage;
        r->d.output = root->output;
        r->d.first = spans[i].first;
        r->d.end = spans[i].end;
        r->d.ended = ended;
        r->next = j->own;
        j->own = r;
        r->is_current = true;
        j->n_own_left++;
        demand_now(r);
    }
    return TSR_OK;
}

/* Demands what is newly this worker's; all anew, if something no longer is. */
static tsr_status serve_spans(job *j, const span *spans, size_t n)
{
    span *fresh = NULL, *gone = NULL;
    size_t n_fresh = 0, n_gone = 0;
    tsr_status status = worker_map_new_spans(j->mine, j->n_mine, spans, n, &gone, &n_gone);
    if (status == TSR_OK && n_gone > 0) {
        for (request *r = j->own; r; r = r->next)
            if (!is_over(r)) run_withdraw(j->run, &r->d);
        worker_serve_forget_own(j);
        status = demand_spans(j, spans, n);
    } else if (status == TSR_OK) {
        status = worker_map_new_spans(spans, n, j->mine, j->n_mine, &fresh, &n_fresh);
        if (status == TSR_OK) status = demand_spans(j, fresh, n_fresh);
    }
    mem_free(fresh);
    mem_free(gone);
    return status;
}

void worker_serve_shed(job *j)
{
    for (request *r = j->own; r; r = r->next)
        if (!is_over(r)) run_withdraw(j->run, &r->d);
    worker_serve_forget_own(j);
    mem_free(j->mine);
    j->mine = NULL;
    j->n_mine = 0;
    j->sheds = true;
    run_shed(j->run);
    if (j->own_epoch != 0) tell_made(j); /* there is nothing to be made */
}

void worker_serve_map(job *j, owner_map map, uint32_t epoch, bool copies)
{
    span *spans = NULL;
    size_t n = 0;
    tsr_status status = TSR_OK;
    if (j->said->persists && !j->sheds) status = worker_map_spans(&map, j->plan, j->w->id, &spans, &n);
    if (copies && atomic_load(&j->has_owners)) run_copy_roots(j->run);
    if (status == TSR_OK) status = run_set_owners(j->run, &map);
    owner_map_free(&map);
    atomic_store(&j->has_owners, true);
    if (status == TSR_OK && j->said->persists) status = serve_spans(j, spans, n);
    if (status != TSR_OK) run_put_failure(j->run, status, tsr_error_message());
    mem_free(j->mine);
    j->mine = spans;
    j->n_mine = n;
    j->own_epoch = epoch;
    if (status == TSR_OK && j->said->persists && j->n_own_left == 0) tell_made(j);
}

/* ---- the I/O thread ---- */

/* Numbers that come from outside, against the plan. */
static const char *check_numbers(request *r)
{
    const plan *p = r->job->plan;
    demand *d = &r->d;
    if (d->stage >= p->n_stages) return "there is no such stage";
    const stage *s = &p->stages[d->stage];
    const bool folds = stage_folds(s);
    if (d->span && (!folds || s->n_runs < 2)) return "the stage has no states to give";
    const int64_t n = stage_n_blocks(s) * (d->span ? s->n_runs : 1);
    if (d->first > n || d->end > n) return "there are no such blocks";
    if (d->span && (d->end != d->first + 1 || d->span < 0 || d->span >= 2 * s->n_runs || (d->span & (d->span - 1)) != 0 ||
                    d->first % s->n_runs % d->span != 0))
        return "there is no such part of a fold";
    int n_read = 0;
    for (int k = 0; k < s->n_outputs; k++) n_read += run_gives(r->job->run, d->stage, k);
    if (d->span) d->output = 0;
    if (!d->span && d->output < 0 && n_read == 0) return "nothing reads this stage";
    if (!d->span && d->output >= s->n_outputs) return "there is no such output";
    if (!d->span && d->output >= 0 && s->outputs[d->output].root < 0 && !run_gives(r->job->run, d->stage, d->output))
        return "the output is no array of the job";
    r->total = (d->end - d->first) * (d->span || d->output >= 0 ? 1 : n_read);
    return NULL;
}

/* The place that the guest has named, now that the plan is known. */
static const char *take_place(request *r)
{
    const demand *d = &r->d;
    if (d->output < 0 || d->span) return "no file has room for that";
    return file_place_new(r->place_said, &r->job->plan->stages[d->stage].outputs[d->output], &r->place) == TSR_OK
               ? NULL
               : tsr_error_message();
}

/* What is there already, and small, is answered at once: then `now` saves the way over another thread. Not before the run knows
 * who owns what, which it is told on that thread: what it began of itself would be others' work done again. */
static void begin(request *r, bool now)
{
    const char *wrong = check_numbers(r);
    if (!wrong && r->place_said) wrong = take_place(r);
    if (wrong) {
        worker_conn_refuse(r->guest, "a fetch of stage %d, numbers %" PRId64 " to %" PRId64 ": %s", r->d.stage, r->d.first,
                           r->d.end, wrong);
        return;
    }
    if (now && !r->place && atomic_load(&r->job->has_owners)) { /* files are not written on the I/O thread */
        demand_now(r);
        return;
    }
    r->demand_work.run = run_demand_work;
    request_ref(r);
    lane_push(r->job->w->serving, &r->demand_work);
}

void worker_serve_waiting(job *j)
{
    while (j->waiting) {
        request *r = j->waiting;
        stop_waiting(r);
        if (j->state == JOB_OPEN) {
            begin(r, false);
            continue;
        }
        id_table_take(&r->guest->requests, r->id);
        refuse_request(r->guest, r->id, j->id, j->status, j->message);
        request_unref(r);
    }
}

static request *request_from(conn *c, job *j, fetch *m)
{
    request *r = request_new(j, c);
    if (!r) return NULL;
    r->id = m->request;
    r->d.stage = (int)m->stage;
    r->d.output = m->every_output ? -1 : (int)m->output;
    r->d.span = (int64_t)m->span;
    r->d.first = (int64_t)m->first;
    r->d.end = (int64_t)(m->first + m->count);
    r->d.deliver = deliver;
    r->d.ended = ended;
    r->place_said = m->place;
    m->place = NULL; /* the request's now */
    if (id_table_put(&c->requests, r->id, r)) return r;
    request_unref(r);
    return NULL;
}

static void take_fetch(conn *c, fetch *m)
{
    if (m->stage > INT32_MAX || m->output > INT32_MAX || m->count == 0 || m->first > INT64_MAX ||
        m->count > INT64_MAX - m->first) {
        worker_conn_refuse(c, "a fetch of stage %" PRIu32 " from number %" PRIu64 " on, %" PRIu64 " of them", m->stage, m->first,
                           m->count);
        return;
    }
    if (id_table_find(&c->requests, m->request)) {
        worker_conn_refuse(c, "request %" PRIu64 " was made twice", m->request);
        return;
    }
    if (c->requests.n >= WORKER_MOST_REQUESTS || c->n_waiting >= WORKER_MOST_WAITING) {
        worker_conn_refuse(c, "%zu requests at once, of which %d wait for their jobs, are too many", c->requests.n, c->n_waiting);
        return;
    }
    job *j = worker_job_await(c->w, m->job);
    request *r = j && j->state != JOB_FAILED ? request_from(c, j, m) : NULL;
    if (r && j->state == JOB_OPEN) {
        begin(r, true);
    } else if (r) {
        wait_for_job(r);
    } else {
        const bool failed = j && j->state == JOB_FAILED;
        refuse_request(c, m->request, m->job, failed ? j->status : TSR_ERR_MEMORY, failed ? j->message : tsr_error_message());
        if (j) worker_job_forget_awaited(j);
    }
}

/* Takes the table's reference. */
static void withdraw(request *r)
{
    tsr_worker *w = r->job->w;
    r->is_withdrawn = true;
    if (r->is_waiting) {
        stop_waiting(r);
        worker_job_forget_awaited(r->job);
    } else if (r->job->has_run && !atomic_load(&w->stopping)) {
        r->withdraw_work.run = run_withdraw_work;
        request_ref(r);
        lane_push(w->serving, &r->withdraw_work);
    }
    request_unref(r);
}

static void take_forget(conn *c, uint64_t id)
{
    request *r = id_table_take(&c->requests, id);
    if (r) withdraw(r); /* otherwise its end is on the way */
}

void worker_guest_message(conn *c, const net_message *m)
{
    if (m->type == MESSAGE(FETCH)) {
        fetch *f = tessera__cluster__fetch__unpack(NULL, m->head_bytes, m->head);
        if (f) {
            take_fetch(c, f);
        } else {
            worker_conn_refuse(c, "a fetch does not read");
        }
        if (f) tessera__cluster__fetch__free_unpacked(f, NULL);
    } else if (m->type == MESSAGE(FORGET)) {
        Tessera__Cluster__Request *r = tessera__cluster__request__unpack(NULL, m->head_bytes, m->head);
        if (r) {
            take_forget(c, r->request);
        } else {
            worker_conn_refuse(c, "a request to forget does not read");
        }
        if (r) tessera__cluster__request__free_unpacked(r, NULL);
    } else {
        worker_conn_refuse(c, "a worker takes no messages of type %" PRIu32 " here", m->type);
    }
}

void worker_guest_closed(conn *c)
{
    size_t at = 0;
    for (request *r; (r = id_table_next(&c->requests, &at)) != NULL;) withdraw(r);
    id_table_fini(&c->requests);
}

/* A request that was put off. */
static void begin_again(request *r)
{
    r->is_due_again = false;
    pthread_mutex_lock(&r->lock);
    r->is_put_off = r->is_over = false;
    r->started = r->sent = 0;
    pthread_mutex_unlock(&r->lock);
    request_ref(r);
    r->demand_work.run = run_demand_work;
    lane_push(r->job->w->serving, &r->demand_work);
}

void worker_guest_drained(conn *c)
{
    size_t at = 0;
    for (request *r; (r = id_table_next(&c->requests, &at)) != NULL;) {
        if (r->is_due_again && r->job->has_run) {
            begin_again(r);
            continue;
        }
        if (r->is_due_again) { /* the job was dropped meanwhile */
            id_table_take(&c->requests, r->id);
            refuse_request(c, r->id, r->job->id, TSR_ERR_CANCELLED, "the job was dropped");
            request_unref(r);
            at = 0; /* others have moved */
            continue;
        }
        if (!atomic_load(&r->paused) || !r->job->has_run || atomic_exchange(&r->resume_queued, true)) continue;
        r->resume_work.run = run_resume_work;
        request_ref(r);
        lane_push(c->w->serving, &r->resume_work);
    }
}
