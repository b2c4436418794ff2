/* The threads that serve shared runs. Runs with something to do stand in a ring, the most urgent first. Of those that are equally
 * urgent a thread takes one of the client that has used least of the threads' time, puts it last, and does a few of its tasks: so
 * clients have equal shares of the time, however many runs they have and however long their tasks take, and runs of one client
 * have their turns one after the other. A thread that finds nothing to do in a run takes it out of the ring, unless there came a
 * reason meanwhile to be in it. Threads sleep when the ring is empty. */
#include "engine/server.h"

#include "base/mem.h"
#include "base/os.h"

enum { TASKS_AT_ONCE = 8 /* of one run, before it is the others' turn */ };
static const int64_t TURN_NS = 2000000;       /* nor is another task begun after this */
static const int64_t MOST_LAG_NS = 200000000; /* that a client which had nothing to do can claim to have used less */

/* ---- The ring ---------------------------------------------------------------------------------------------------------- */

void server_wake(server *v)
{
    atomic_fetch_add(&v->crew.n_queued, 1);
    if (v->crew.n_idle > 0) pthread_cond_broadcast(&v->crew.work);
}

/* Puts a run into the ring, behind all that are not less urgent. */
static void put_in(server *v, share *s)
{
    share **at = &v->active;
    while (*at && (*at)->priority >= s->priority) at = &(*at)->next_active;
    s->next_active = *at;
    *at = s;
    s->is_active = true;
}

void share_activate(run *r)
{
    share *s = r->share;
    s->n_reasons++;
    if (!s->is_active) put_in(s->server, s);
}

static void take_out(server *v, share *s)
{
    share **at = &v->active;
    if (!s->is_active) return;
    while (*at != s) at = &(*at)->next_active;
    *at = s->next_active;
    s->is_active = false;
}

/* What a client is said to have used: after a pause it is not owed all that others used meanwhile. */
static int64_t used_by(const server *v, const party *p)
{
    return p->used_ns > v->least_ns - MOST_LAG_NS ? p->used_ns : v->least_ns - MOST_LAG_NS;
}

/* One of the most urgent, of the client that used least; it goes behind all that are as urgent. What its turn will probably take
 * counts from the beginning, so that other threads look for other clients. */
static share *take_turn(server *v, int64_t *expected_ns)
{
    share *best = v->active;
    if (!best) return NULL;
    for (share *s = best->next_active; s && s->priority == best->priority; s = s->next_active)
        if (s->party != best->party && used_by(v, s->party) < used_by(v, best->party)) best = s;
    party *p = best->party;
    p->used_ns = used_by(v, p);
    if (p->used_ns > v->least_ns) v->least_ns = p->used_ns;
    *expected_ns = p->expected_ns;
    p->used_ns += p->expected_ns;
    if (best->next_active && best->next_active->priority == best->priority) {
        take_out(v, best);
        put_in(v, best);
    }
    return best;
}

static void end_turn(party *p, int64_t expected_ns, int64_t ns)
{
    p->used_ns += ns - expected_ns;
    p->expected_ns = ns;
}

void run_set_priority(run *r, int priority)
{
    share *s = share_of(r);
    pthread_mutex_lock(&r->crew->lock);
    const bool was_active = s->is_active;
    take_out(s->server, s);
    s->priority = priority;
    if (was_active) put_in(s->server, s);
    pthread_mutex_unlock(&r->crew->lock);
}

static party *find_party(server *v, uint64_t client)
{
    if (client == 0) return &v->nobody;
    party *p = v->parties;
    while (p && p->client != client) p = p->next;
    if (p) return p;
    p = mem_calloc(1, sizeof *p);
    if (!p) return NULL;
    *p = (party){.next = v->parties, .client = client, .used_ns = v->least_ns};
    v->parties = p;
    return p;
}

static void leave_party(server *v, party *p)
{
    party **at = &v->parties;
    if (--p->n_runs > 0 || p == &v->nobody) return;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    mem_free(p);
}

tsr_status run_set_client(run *r, uint64_t client)
{
    share *s = share_of(r);
    pthread_mutex_lock(&r->crew->lock);
    party *p = find_party(s->server, client);
    if (p) {
        p->n_runs++;
        leave_party(s->server, s->party);
        s->party = p;
    }
    pthread_mutex_unlock(&r->crew->lock);
    return p ? TSR_OK : TSR_ERR_MEMORY;
}

void run_set_careful(run *r, bool careful) { atomic_store(&share_of(r)->is_careful, careful); }

void share_tell_begin(worker *w, const task *t)
{
    const share *s = share_of(w->run);
    if (!atomic_load_explicit(&s->is_careful, memory_order_relaxed) || !s->ops->begins) return;
    if (!t) {
        s->ops->begins(s->context, w->number, -1, 0);
        return;
    }
    const int64_t n_runs = stage_folds(stage_of(w->run, t->stage)) ? stage_of(w->run, t->stage)->n_runs : 1;
    s->ops->begins(s->context, w->number, t->stage, t->block * n_runs + (t->run >= 0 ? t->run : RUN_MERGE - t->run));
}

void server_activate_all(server *v)
{
    for (share *s = v->all; s; s = s->next)
        if (s->to_begin) share_activate(&s->run);
    server_wake(v);
}

void server_add(server *v, share *s)
{
    pthread_mutex_lock(&v->crew.lock);
    s->party = &v->nobody;
    v->nobody.n_runs++;
    s->next = v->all;
    if (v->all) v->all->previous = s;
    v->all = s;
    pthread_mutex_unlock(&v->crew.lock);
}

bool server_is_idle(server *v, bool *waits, int64_t *asked_bytes)
{
    pthread_mutex_lock(&v->crew.lock);
    const bool is_idle = v->crew.n_idle == v->n_threads, is_asking = v->asked_bytes != 0;
    *asked_bytes = v->asked_bytes;
    pthread_mutex_unlock(&v->crew.lock);
    *waits = is_idle && is_asking;
    return is_idle && !is_asking;
}

void server_remove(server *v, share *s)
{
    take_out(v, s);
    leave_party(v, s->party);
    *(s->previous ? &s->previous->next : &v->all) = s->next;
    if (s->next) s->next->previous = s->previous;
}

/* ---- Threads ----------------------------------------------------------------------------------------------------------- */

bool server_serve_once(worker *w)
{
    run *r = w->run;
    task t;
    bool found = false, did = false;
    tsr_status status = TSR_OK;
    if (share_serve_ready(r)) return true;
    if (atomic_load(&r->stop)) return share_tell_failure(r);
    if (!w->scratch) status = buffer_new(r->buffers, r->scratch_bytes + 64, &w->scratch);
    if (status == TSR_OK) found = run_pop(w, &t) || run_steal(w, &t);
    if (status == TSR_OK && !found) status = share_next(w, &t, &found, &did);
    if (status == TSR_OK && found) status = run_task(w, t);
    if (status == TSR_OK && !found && !did) status = keeper_make_room(r->keeper, &did);
    if (status != TSR_OK) share_fail(r, status, tsr_error_message());
    return found || did || status != TSR_OK;
}

/* Nobody is at work in the run: there may be thousands like it. */
static void give_back_scratch(const server *v, share *s)
{
    for (int i = 0; i < v->n_threads; i++) {
        buffer_unref(s->run.workers[i].scratch);
        s->run.workers[i].scratch = NULL;
    }
}

static void *serve(void *argument)
{
    const struct seat *seat = argument;
    server *v = seat->of;
    pthread_mutex_lock(&v->crew.lock);
    while (!v->is_ending) {
        int64_t expected_ns;
        share *s = take_turn(v, &expected_ns);
        if (!s) {
            v->crew.n_idle++;
            pthread_cond_wait(&v->crew.work, &v->crew.lock);
            v->crew.n_idle--;
            continue;
        }
        const int64_t seen = s->n_reasons;
        const int64_t began_ns = os_now_ns();
        party *p = s->party; /* it may change, but not go, while a thread is inside */
        int64_t ns = 0;
        bool did = true;
        s->n_inside++;
        p->n_runs++;
        pthread_mutex_unlock(&v->crew.lock);
        for (int i = 0; did && i < TASKS_AT_ONCE && ns < TURN_NS; i++) {
            did = server_serve_once(&s->run.workers[seat->number]);
            atomic_fetch_add(&v->n_steps, 1);
            ns = os_now_ns() - began_ns;
        }
        pthread_mutex_lock(&v->crew.lock);
        end_turn(p, expected_ns, ns);
        leave_party(v, p);
        if (!did && s->n_reasons == seen) take_out(v, s);
        if (--s->n_inside > 0) continue;
        pthread_cond_broadcast(&v->left);
        if (!s->is_active) give_back_scratch(v, s);
    }
    pthread_mutex_unlock(&v->crew.lock);
    return NULL;
}

tsr_status engine_serve(engine *e)
{
    server *v = mem_calloc(1, sizeof *v);
    if (!v) return TSR_ERR_MEMORY;
    v->engine = e;
    v->seats = mem_calloc((size_t)e->n_threads, sizeof *v->seats);
    pthread_mutex_init(&v->crew.lock, NULL);
    pthread_cond_init(&v->crew.work, NULL);
    pthread_cond_init(&v->left, NULL);
    relief_init(v);
    e->server = v;
    if (!v->seats) {
        engine_serve_stop(e);
        return TSR_ERR_MEMORY;
    }
    for (int i = 0; i < e->n_threads; i++) {
        v->seats[i] = (struct seat){.of = v, .number = i};
        int error = mem_fault_now() ? 11 : pthread_create(&v->seats[i].thread, NULL, serve, &v->seats[i]);
        if (error) {
            engine_serve_stop(e);
            return error_errno(error, "cannot start a thread");
        }
        v->n_threads++;
    }
    const tsr_status status = relief_start(v);
    if (status != TSR_OK) engine_serve_stop(e);
    return status;
}

void engine_serve_stop(engine *e)
{
    server *v = e->server;
    if (!v) return;
    pthread_mutex_lock(&v->crew.lock);
    v->is_ending = true;
    pthread_cond_broadcast(&v->crew.work);
    pthread_cond_signal(&v->relief.wanted);
    pthread_mutex_unlock(&v->crew.lock);
    for (int i = 0; i < v->n_threads; i++) pthread_join(v->seats[i].thread, NULL);
    relief_end(v);
    pthread_mutex_destroy(&v->crew.lock);
    pthread_cond_destroy(&v->crew.work);
    pthread_cond_destroy(&v->left);
    mem_free(v->seats);
    mem_free(v);
    e->server = NULL;
}
