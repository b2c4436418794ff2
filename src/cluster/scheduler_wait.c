/* Who waits until persisted jobs are made. The scheduler's thread.
 *
 * Workers say of every map of a persisted job when they have made what it gives them (MADE). A job is made once all workers of
 * its map have said so of this very map: a new one, as after a loss, begins anew. Questions are answered when all their jobs are
 * made at one time. They belong to the connection, and are asked again on the next. */
#include "cluster/scheduler.h"

/* Without units there is no owner, and nothing to make. */
static bool has_units(const scheduler_job *j)
{
    for (int i = 0; i < j->shape->n_stages; i++)
        if (j->shape->units[i].n > 0) return true;
    return false;
}

bool scheduler_job_is_made(const scheduler_job *j)
{
    if (j->state != SCHEDULER_JOB_READY || !j->shape) return false;
    return scheduler_map_is_empty(j) ? !has_units(j) : j->n_unmade == 0;
}

/* ---- Blocks that nobody needs --------------------------------------------------------------------------------------------- */

void scheduler_job_shed_unread(scheduler *s, scheduler_job *j)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    if (j->is_shed || j->state != SCHEDULER_JOB_READY || !j->order->submit->persists) return;
    if (j->holders.n > 0 || j->n_names > 0 || j->orphan_until_ns != 0 || j->n_waiting_readers > 0) return;
    j->is_shed = true;
    m.n_jobs = 1;
    m.jobs = &j->id;
    for (size_t i = 0; i < s->ordered.n; i++)
        if (id_table_find(&s->ordered.items[i]->told, j->id))
            scheduler_send(s, s->ordered.items[i]->peer, SCHEDULER_MESSAGE(SHED), &m.base, NULL, 0);
}

void scheduler_job_set_pending(scheduler *s, scheduler_job *j, bool is_pending)
{
    if (j->is_pending == is_pending) return;
    j->is_pending = is_pending;
    for (size_t i = 0; i < j->reads.n; i++) {
        j->reads.items[i]->n_waiting_readers += is_pending ? 1 : -1;
        if (!is_pending) scheduler_job_shed_unread(s, j->reads.items[i]);
    }
}

/* Who waits for it hears so; what it reads may be needed no longer. */
static void job_made(scheduler *s, scheduler_job *j)
{
    j->is_copied = false;
    scheduler_job_set_pending(s, j, false);
    scheduler_waits_look(s, j->id);
}

void scheduler_worker_made(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Made *m = tessera__cluster__made__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "what was made cannot be read");
        return;
    }
    scheduler_job *j = scheduler_job_find(s, m->job);
    const bool is_news = j && j->map && m->epoch == j->epoch && j->order->submit->persists &&
                         id_table_find(&p->worker->told, j->id) && scheduler_map_find(j->map, p->worker->id) >= 0;
    scheduler_part *part = is_news ? scheduler_part_of(j, p->worker->id) : NULL;
    if (part && part->made_epoch != m->epoch) {
        part->made_epoch = m->epoch;
        if (j->n_unmade > 0 && --j->n_unmade == 0) job_made(s, j);
    }
    tessera__cluster__made__free_unpacked(m, NULL);
}

/* ---- Questions ----------------------------------------------------------------------------------------------------------- */

static void wait_free(scheduler_wait *w)
{
    mem_free(w->jobs);
    mem_free(w);
}

static void remove_wait(scheduler *s, size_t i)
{
    wait_free(s->waits.items[i]);
    s->waits.items[i] = s->waits.items[--s->waits.n];
}

/* Why the question cannot be answered with yes any more; TSR_OK: it still may be. */
static tsr_status check_job(scheduler *s, uint64_t id, const scheduler_job **out)
{
    const scheduler_job *j = *out = scheduler_job_find(s, id);
    if (!j) return error_set(TSR_ERR_NOT_FOUND, "job %016llx, which is waited for, is not there", (unsigned long long)id);
    if (j->state == SCHEDULER_JOB_FAILED) return error_set(j->status, "%s", j->message ? j->message : "it failed");
    if (!j->order->submit->persists) return error_set(TSR_ERR_VALUE, "only persisted arrays can be waited for");
    return TSR_OK;
}

/* True: it was answered. */
static bool look(scheduler *s, scheduler_wait *w)
{
    const scheduler_job *j;
    tsr_status status = TSR_OK;
    /* Those before `at` were made, but may have got another map since: at the end all are looked at once more. */
    for (bool is_sure = w->at == 0;; is_sure = true, w->at = 0) {
        for (; w->at < w->n_jobs; w->at++) {
            status = check_job(s, w->jobs[w->at], &j);
            if (status != TSR_OK || !scheduler_job_is_made(j)) break;
        }
        if (status != TSR_OK) scheduler_refuse(s, w->peer, 0, w->request, status, tsr_error_message());
        if (status != TSR_OK) return true;
        if (w->at < w->n_jobs) return false;
        if (is_sure) break;
    }
    scheduler_done(s, w->peer, w->request, "");
    return true;
}

static bool asks_for(const scheduler_wait *w, uint64_t job)
{
    for (size_t i = 0; i < w->n_jobs; i++)
        if (w->jobs[i] == job) return true;
    return false;
}

/* Of a job that has gone or failed all must hear who ask for it; one that was made matters to those who wait for just this one.
 */
void scheduler_waits_look(scheduler *s, uint64_t job)
{
    const scheduler_job *j = scheduler_job_find(s, job);
    const bool is_over = !j || j->state == SCHEDULER_JOB_FAILED;
    for (size_t i = s->waits.n; i-- > 0;) {
        scheduler_wait *w = s->waits.items[i];
        if (is_over && asks_for(w, job)) {
            const scheduler_job *gone;
            scheduler_refuse(s, w->peer, 0, w->request, check_job(s, job, &gone), tsr_error_message());
            remove_wait(s, i);
        } else if (!is_over && w->jobs[w->at] == job && look(s, w)) {
            remove_wait(s, i);
        }
    }
}

static tsr_status check_wait(scheduler *s, const scheduler_peer *p, const Tessera__Cluster__Wait *m)
{
    int n = 0;
    for (size_t i = 0; i < s->waits.n; i++) n += s->waits.items[i]->peer == p;
    if (n >= SCHEDULER_MOST_WAITS) return error_set(TSR_ERR_VALUE, "this client waits %d times at once already", n);
    if (m->n_jobs > SCHEDULER_MOST_WAITED)
        return error_set(TSR_ERR_VALUE, "%zu jobs to wait for; a scheduler takes %d", m->n_jobs, SCHEDULER_MOST_WAITED);
    for (size_t i = 0; i < m->n_jobs; i++) {
        const scheduler_job *j;
        TRY(check_job(s, m->jobs[i], &j));
    }
    return TSR_OK;
}

/* Takes the jobs of the message. */
static tsr_status add_wait(scheduler *s, scheduler_peer *p, Tessera__Cluster__Wait *m, scheduler_wait **out)
{
    TRY(check_wait(s, p, m));
    scheduler_wait *w = mem_calloc(1, sizeof *w);
    if (w) w->jobs = mem_alloc(sizeof *w->jobs * (m->n_jobs + 1));
    if (!w || !w->jobs || !VEC_PUSH(&s->waits, w)) {
        if (w) wait_free(w);
        return TSR_ERR_MEMORY;
    }
    w->peer = p;
    w->request = m->request;
    w->n_jobs = m->n_jobs;
    if (m->n_jobs > 0) memcpy(w->jobs, m->jobs, sizeof *w->jobs * m->n_jobs);
    *out = w;
    return TSR_OK;
}

void scheduler_job_wait(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Wait *m = tessera__cluster__wait__unpack(NULL, head_bytes, head);
    scheduler_wait *w;
    if (!m) {
        scheduler_reject(s, p, "a question that cannot be read");
        return;
    }
    const tsr_status status = add_wait(s, p, m, &w);
    for (size_t i = 0; status == TSR_OK && m->progress && i < m->n_jobs; i++) {
        scheduler_job *j = scheduler_job_find(s, m->jobs[i]);
        if (!j || j->is_changed) continue;
        j->is_watched = true;
        j->is_changed = VEC_PUSH(&s->changed, j->id); /* how far it is now */
    }
    if (status != TSR_OK) {
        scheduler_refuse(s, p, 0, m->request, status, tsr_error_message());
    } else {
        bool is_answered = look(s, w);
        if (!is_answered && m->at_once)
            scheduler_refuse(s, p, 0, m->request, TSR_ERR_TIMEOUT, "the persisted arrays are not there yet");
        if (is_answered || m->at_once) remove_wait(s, s->waits.n - 1);
    }
    tessera__cluster__wait__free_unpacked(m, NULL);
}

void scheduler_job_unwait(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Request *m = tessera__cluster__request__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "a request that cannot be read");
        return;
    }
    for (size_t i = s->waits.n; i-- > 0;)
        if (s->waits.items[i]->peer == p && s->waits.items[i]->request == m->request) remove_wait(s, i);
    tessera__cluster__request__free_unpacked(m, NULL);
}

void scheduler_waits_forget(scheduler *s, const scheduler_peer *p)
{
    for (size_t i = s->waits.n; i-- > 0;)
        if (s->waits.items[i]->peer == p) remove_wait(s, i);
}

void scheduler_waits_free(scheduler *s)
{
    for (size_t i = 0; i < s->waits.n; i++) wait_free(s->waits.items[i]);
    VEC_FINI(&s->waits);
}
