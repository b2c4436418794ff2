/* A session's link to a cluster: connections, and what arrives on them.
 *
 * The handlers run on the net's I/O thread, everything else on the threads that use the session. A scheduler that is lost is
 * dialled again by a timer, every 0.1 to 2 seconds; workers are dialled when they are to be asked for something. */
#include "cluster/address.h"
#include "cluster/client_parts.h"

#include "base/os.h"

#include <stdio.h>
#include <string.h>

static const double OPEN_SECONDS = 10.0, REFUSED_SECONDS = 2.0;

enum {
    STOPPED_SECONDS = 10,
    GIVE_UP_MS = 500,
    TICK_MS = 50,
    FIRST_BACKOFF_MS = 100,
    MOST_BACKOFF_MS = 2000,
    MOST_LOCAL_BACKOFF_MS = 200, /* of a scheduler on this host: trying costs nothing */
    NEXT_MS = 250,               /* an address that has not answered by then goes on beside the next one */
    WORKER_RETRY_MS = 500
};

/* ---- Workers ------------------------------------------------------------------------------------------------------------------
 */

peer *client_find_peer(client *c, uint64_t id)
{
    for (size_t i = 0; i < c->peers.n; i++)
        if (c->peers.items[i]->id == id) return c->peers.items[i];
    return NULL;
}

static void peer_free(peer *p)
{
    link_unref(p->link);
    mem_free(p->address);
    mem_free(p);
}

static peer *peer_of(client *c, const net_link *l)
{
    for (size_t i = 0; i < c->peers.n; i++)
        if (c->peers.items[i]->link == l) return c->peers.items[i];
    return NULL;
}

bool client_dial(client *c, peer *p)
{
    if (p->link) return true;
    if (!p->is_listed || os_now_ns() < p->retry_ns) return false;
    if (net_connect(c->n, p->address, &p->link) == TSR_OK) return true;
    p->link = NULL;
    p->retry_ns = os_now_ns() + (int64_t)WORKER_RETRY_MS * 1000000;
    return false;
}

static tsr_status set_peer(client *c, const Tessera__Cluster__WorkerAddress *w)
{
    peer *p = client_find_peer(c, w->worker);
    if (p && strcmp(p->address, w->address) == 0) {
        p->is_listed = true;
        return TSR_OK;
    }
    char *copy = mem_strdup(w->address);
    if (!copy) return TSR_ERR_MEMORY;
    if (p) { /* it was started anew elsewhere */
        if (p->link) link_close(p->link, "the worker has another address now");
        mem_free(p->address);
        p->address = copy;
        p->is_listed = true;
        return TSR_OK;
    }
    p = mem_calloc(1, sizeof *p);
    if (!p || !VEC_PUSH(&c->peers, p)) {
        mem_free(p);
        mem_free(copy);
        return TSR_ERR_MEMORY;
    }
    *p = (peer){.id = w->worker, .address = copy, .is_listed = true};
    return TSR_OK;
}

static void ask_all(client *c)
{
    for (job *j = c->jobs; j; j = j->next)
        if (j->fetch) fetch_ask(j->fetch);
}

/* All workers there are. */
static bool take_workers(client *c, const net_message *m)
{
    Tessera__Cluster__Workers *w = tessera__cluster__workers__unpack(NULL, m->head_bytes, m->head);
    if (!w) return false;
    for (size_t i = 0; i < c->peers.n; i++) c->peers.items[i]->is_listed = false;
    for (size_t i = 0; i < w->n_workers; i++) {
        if (w->workers[i]->worker == 0 || set_peer(c, w->workers[i]) == TSR_OK) continue;
        link_close(c->scheduler, tsr_error_message()); /* no memory: it will tell again */
        break;
    }
    for (size_t i = 0; i < c->peers.n; i++) {
        peer *p = c->peers.items[i];
        if (p->is_listed) continue;
        if (p->link) {
            link_close(p->link, "the scheduler says that this worker is gone");
        } else { /* with the link, everything that arrived on it is gone */
            peer_free(p);
            c->peers.items[i--] = c->peers.items[--c->peers.n];
        }
    }
    tessera__cluster__workers__free_unpacked(w, NULL);
    ask_all(c);
    return true;
}

/* ---- The scheduler ----------------------------------------------------------------------------------------------- */

void client_tell(client *c, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload, size_t payload_bytes)
{
    net_payload p = {.buf = payload, .data = payload ? payload->data : NULL, .bytes = payload_bytes};
    if (!c->is_open) return; /* told when it is back */
    if (link_send(c->scheduler, type, head, head_bytes, payload ? &p : NULL) != TSR_OK)
        link_close(c->scheduler, tsr_error_message()); /* or it is closed already */
}

static void set_reason(client *c, const char *text)
{
    mem_free(c->reason);
    c->reason = mem_strdup(text);
}

static bool is_late(const client *c, unsigned turn)
{
    for (size_t i = 0; i < c->late.n; i++)
        if (c->late.items[i].turn % c->n_addresses == turn % c->n_addresses) return true;
    return false;
}

/* The first, from the one on whose turn it is, that is not being tried already. */
static tsr_status dial_scheduler(client *c)
{
    char text[ADDRESS_TEXT_BYTES];
    if (c->late.n >= c->n_addresses) return TSR_OK;
    while (is_late(c, c->turn)) c->turn++;
    c->dialled_ns = os_now_ns();
    tsr_status status = address_list_get(c->address, c->turn, text, sizeof text);
    if (status == TSR_OK) status = net_connect(c->n, text, &c->scheduler);
    if (status == TSR_OK) return TSR_OK;
    c->scheduler = NULL;
    c->turn++;
    set_reason(c, tsr_error_message());
    return status;
}

/* The one that is dialled has not answered so far: it goes on, and so does the list. */
static void dial_beside(client *c)
{
    if (!c->scheduler || c->is_open || c->late.n + 1 >= c->n_addresses) return;
    if (os_now_ns() - c->dialled_ns < (int64_t)NEXT_MS * 1000000) return;
    if (!VEC_PUSH(&c->late, ((late_link){.link = c->scheduler, .turn = c->turn}))) return;
    c->scheduler = NULL;
    c->turn++;
    (void)!dial_scheduler(c);
}

/* One of those that were late has answered: it is the scheduler. */
static void late_opened(client *c, net_link *l)
{
    for (size_t i = 0; i < c->late.n && !c->is_open; i++) {
        const late_link other = {.link = c->scheduler, .turn = c->turn};
        if (c->late.items[i].link != l) continue;
        c->scheduler = l;
        c->turn = c->late.items[i].turn;
        c->late.items[i] = other.link ? other : c->late.items[--c->late.n];
    }
}

static bool late_closed(client *c, const net_link *l)
{
    for (size_t i = 0; i < c->late.n; i++) {
        if (c->late.items[i].link != l) continue;
        link_unref(c->late.items[i].link);
        c->late.items[i] = c->late.items[--c->late.n];
        return true;
    }
    return false;
}

static void close_late(client *c)
{
    for (size_t i = 0; i < c->late.n; i++) {
        link_close(c->late.items[i].link, "another scheduler has answered");
        link_unref(c->late.items[i].link);
    }
    c->late.n = 0;
}

/* The cluster was stopped, and no other scheduler came. What is persisted may be made again when one comes after all. */
static void give_up(client *c, const char *text)
{
    for (job *j = c->jobs; j; j = j->next)
        if (j->fetch) fetch_fail(j->fetch, TSR_ERR_IO, text);
    for (query *q = c->queries; q; q = q->next)
        if (!q->is_done) (void)query_refuse(c, q->request, TSR_ERR_IO, text);
}

static void tick(void *context)
{
    client *c = context;
    char text[400];
    bool gives_up = false;
    pthread_mutex_lock(&c->lock);
    if (c->stopped_ns != 0 && !c->is_open && os_now_ns() >= c->give_up_ns) {
        snprintf(text, sizeof text, "the cluster at %s was stopped, and no other scheduler has come within %d s", c->address,
                 STOPPED_SECONDS);
        c->give_up_ns = os_now_ns() + (int64_t)GIVE_UP_MS * 1000000;
        give_up(c, text);
        gives_up = true;
    }
    if (!c->scheduler && !c->is_closing && os_now_ns() >= c->retry_ns) {
        c->retry_ns = os_now_ns() + (int64_t)c->backoff_ms * 1000000;
        const int most_ms = c->is_here ? MOST_LOCAL_BACKOFF_MS : MOST_BACKOFF_MS;
        c->backoff_ms = c->backoff_ms * 2 < most_ms ? c->backoff_ms * 2 : most_ms;
        (void)!dial_scheduler(c);
    }
    dial_beside(c);
    pthread_mutex_unlock(&c->lock);
    if (gives_up) client_tasks_stopped(c->tasks, text);
}

/* Trying again helps where nobody listened. */
static bool may_change(const char *reason) { return strncmp(reason, "cannot connect", 14) == 0; }

static void start_timer(client *c)
{
    if (!c->timer && net_timer_start(c->n, TICK_MS, tick, c, &c->timer) != TSR_OK) c->timer = NULL;
}

static void scheduler_lost(client *c, const char *reason)
{
    link_unref(c->scheduler);
    c->scheduler = NULL;
    if (!c->is_open) c->turn++; /* what was there until now is tried first */
    c->is_open = false;
    set_reason(c, reason);
    const bool all_were_tried = c->turn % c->n_addresses == 0;
    c->is_final = !c->was_open && !may_change(reason) && all_were_tried && c->late.n == 0;
    queries_lost(c);
    if (!c->is_closing && !c->is_final) {
        if (!c->timer) c->retry_ns = os_now_ns() + (int64_t)c->backoff_ms * 1000000;
        start_timer(c);
    }
    if (!all_were_tried) c->retry_ns = 0;
    pthread_cond_broadcast(&c->changed);
}

static void scheduler_opened(client *c, const net_peer *who)
{
    if (who->role != NET_ROLE_SCHEDULER) {
        link_close(c->scheduler, who->role == NET_ROLE_WORKER ? "there is a worker at this address, no scheduler"
                                                              : "there is no scheduler at this address");
        return;
    }
    bool is_again = c->was_open;
    c->is_here = who->same_host;
    c->is_open = c->was_open = true;
    c->backoff_ms = FIRST_BACKOFF_MS;
    c->stopped_ns = 0;
    close_late(c);
    net_timer_stop(c->timer);
    c->timer = NULL;
    if (is_again) jobs_submit_again(c);
    queries_send(c);
    pthread_cond_broadcast(&c->changed);
}

static bool take_map(client *c, const net_message *m)
{
    Tessera__Cluster__Map *map = tessera__cluster__map__unpack(NULL, m->head_bytes, m->head);
    if (!map) return false;
    job *j = job_find(c, map->job);
    const bool good = !j || !j->fetch || fetch_set_map(j->fetch, map);
    tessera__cluster__map__free_unpacked(map, NULL);
    return good;
}

static tsr_status status_of(int32_t number)
{
    return number > TSR_OK && number <= TSR_ERR_TIMEOUT ? (tsr_status)number : TSR_ERR_INTERNAL;
}

static bool take_refusal(client *c, const net_message *m)
{
    Tessera__Cluster__Refused *r = tessera__cluster__refused__unpack(NULL, m->head_bytes, m->head);
    if (!r) return false;
    job *j = r->job ? job_find(c, r->job) : NULL;
    if (j) job_fail(j, status_of(r->status), r->message);
    if (!r->job) (void)query_refuse(c, r->request, status_of(r->status), r->message);
    tessera__cluster__refused__free_unpacked(r, NULL);
    return true;
}

static int64_t clamped(uint64_t n) { return n < INT64_MAX ? (int64_t)n : INT64_MAX; }

static bool take_progress(client *c, const net_message *m)
{
    Tessera__Cluster__Progress *p = tessera__cluster__progress__unpack(NULL, m->head_bytes, m->head);
    if (!p) return false;
    job *j = job_find(c, p->job);
    if (j) {
        j->tasks_done = clamped(p->tasks_done < p->tasks_total ? p->tasks_done : p->tasks_total);
        j->tasks_total = clamped(p->tasks_total);
        j->bytes_read = clamped(p->bytes_read);
    }
    if (j && j->fetch) {
        fetching *f = j->fetch;
        f->progress.tasks_done = j->tasks_done;
        f->progress.tasks_total = j->tasks_total;
        f->progress.bytes_read = j->bytes_read;
        if ((int64_t)p->stage < f->plan->n_stages) f->progress_stage = (int)p->stage;
        for (size_t i = 0; i < p->n_stages && i < (size_t)f->plan->n_stages; i++) {
            const int64_t done = clamped(p->stages[i]), all = f->stages[i].tasks_total;
            f->stages[i].tasks_done = done < all ? done : all;
        }
    }
    tessera__cluster__progress__free_unpacked(p, NULL);
    return true;
}

/* The number of the request that an answer is for. */
static bool take_answer(client *c, const net_message *m)
{
    uint64_t number = 0;
    switch (m->type) {
    case TESSERA__CLUSTER__MESSAGE_TYPE__NAMED: {
        Tessera__Cluster__Name *name = tessera__cluster__name__unpack(NULL, m->head_bytes, m->head);
        if (!name) return false;
        number = name->request;
        tessera__cluster__name__free_unpacked(name, NULL);
        break;
    }
    case TESSERA__CLUSTER__MESSAGE_TYPE__BLOCKS: {
        Tessera__Cluster__Blocks *blocks = tessera__cluster__blocks__unpack(NULL, m->head_bytes, m->head);
        if (!blocks) return false;
        number = blocks->request;
        tessera__cluster__blocks__free_unpacked(blocks, NULL);
        break;
    }
    case TESSERA__CLUSTER__MESSAGE_TYPE__STATUS_REPLY: {
        Tessera__Cluster__StatusReply *reply = tessera__cluster__status_reply__unpack(NULL, m->head_bytes, m->head);
        if (!reply) return false;
        number = reply->request;
        tessera__cluster__status_reply__free_unpacked(reply, NULL);
        break;
    }
    default: {
        Tessera__Cluster__Done *done = tessera__cluster__done__unpack(NULL, m->head_bytes, m->head);
        if (!done) return false;
        number = done->request;
        tessera__cluster__done__free_unpacked(done, NULL);
        break;
    }
    }
    (void)query_answer(c, number, m->type, m);
    return true;
}

static bool take_of_scheduler(client *c, const net_message *m)
{
    switch (m->type) {
    case TESSERA__CLUSTER__MESSAGE_TYPE__WORKERS: return take_workers(c, m);
    case TESSERA__CLUSTER__MESSAGE_TYPE__MAP: return take_map(c, m);
    case TESSERA__CLUSTER__MESSAGE_TYPE__REFUSED: return take_refusal(c, m);
    case TESSERA__CLUSTER__MESSAGE_TYPE__PROGRESS: return take_progress(c, m);
    case TESSERA__CLUSTER__MESSAGE_TYPE__STOPPED:
        c->stopped_ns = os_now_ns();
        c->give_up_ns = c->stopped_ns + (int64_t)STOPPED_SECONDS * 1000000000;
        return true;
    case TESSERA__CLUSTER__MESSAGE_TYPE__NAMED:
    case TESSERA__CLUSTER__MESSAGE_TYPE__STATUS_REPLY:
    case TESSERA__CLUSTER__MESSAGE_TYPE__BLOCKS:
    case TESSERA__CLUSTER__MESSAGE_TYPE__DONE: return take_answer(c, m);
    default: return false;
    }
}

static bool take_of_worker(client *c, peer *p, const net_message *m)
{
    switch (m->type) {
    case TESSERA__CLUSTER__MESSAGE_TYPE__BLOCK: return fetch_take_block(c, p, m);
    case TESSERA__CLUSTER__MESSAGE_TYPE__NO_BLOCK: return fetch_take_refusal(c, p, m);
    default: return false;
    }
}

/* ---- Handlers ---------------------------------------------------------------------------------------------------- */

static void on_opened(void *context, net_link *l, const net_peer *who)
{
    client *c = context;
    if (client_tasks_opened(c->tasks, l)) return;
    pthread_mutex_lock(&c->lock);
    if (who->role == NET_ROLE_SCHEDULER) late_opened(c, l);
    const bool is_scheduler = l == c->scheduler && who->role == NET_ROLE_SCHEDULER;
    pthread_mutex_unlock(&c->lock);
    if (is_scheduler) client_tasks_scheduler_opened(c->tasks, l); /* before anybody hears that the session is open */
    pthread_mutex_lock(&c->lock);
    if (l == c->scheduler) {
        scheduler_opened(c, who);
    } else if (!peer_of(c, l)) { /* late, and no scheduler or too late */
        link_close(l, "there is no scheduler at this address, or another has answered");
    } else if (who->role != NET_ROLE_WORKER) {
        link_close(l, "there is no worker at this address");
    }
    pthread_mutex_unlock(&c->lock);
}

static void on_closed(void *context, net_link *l, const char *reason)
{
    client *c = context;
    if (client_tasks_closed(c->tasks, l, reason)) return;
    pthread_mutex_lock(&c->lock);
    peer *p = peer_of(c, l);
    if (l == c->scheduler) {
        scheduler_lost(c, reason);
    } else if (late_closed(c, l)) {
        set_reason(c, reason);
    } else if (p) {
        link_unref(p->link);
        p->link = NULL;
        p->retry_ns = os_now_ns() + (int64_t)WORKER_RETRY_MS * 1000000;
        for (job *j = c->jobs; j; j = j->next)
            if (j->fetch) fetch_lost(j->fetch, p);
    }
    pthread_mutex_unlock(&c->lock);
}

static char *on_place(void *context, net_link *l, const net_message *m, void **token)
{
    client *c = context;
    char *to = NULL;
    if (m->type >= TASKS_FIRST_TYPE) return client_tasks_place(c->tasks, l, m, token);
    if (m->type != TESSERA__CLUSTER__MESSAGE_TYPE__BLOCK) return NULL;
    pthread_mutex_lock(&c->lock);
    peer *p = peer_of(c, l);
    if (p) to = fetch_place(c, p, m, token);
    pthread_mutex_unlock(&c->lock);
    return to;
}

static void on_message(void *context, net_link *l, const net_message *m)
{
    client *c = context;
    char text[96];
    if (m->type >= TASKS_FIRST_TYPE) {
        client_tasks_message(c->tasks, l, m);
        return;
    }
    pthread_mutex_lock(&c->lock);
    peer *p = peer_of(c, l);
    bool is_known = l == c->scheduler || p;
    bool makes_sense = l == c->scheduler ? take_of_scheduler(c, m) : p ? take_of_worker(c, p, m) : true;
    pthread_mutex_unlock(&c->lock);
    if (!is_known || makes_sense) return;
    snprintf(text, sizeof text, "a message of type %u makes no sense here", m->type);
    link_close(l, text);
}

static void on_abandoned(void *context, net_link *l, void *token)
{
    client *c = context;
    if (client_tasks_abandoned(c->tasks, l, token)) return;
    pthread_mutex_lock(&c->lock);
    fetch_abandoned(c, token);
    pthread_mutex_unlock(&c->lock);
}

/* ---- Computing --------------------------------------------------------------------------------------------------- */

static bool are_held(int n, const sink *sinks)
{
    for (int i = 0; i < n; i++)
        if (sinks[i].kind != SINK_HELD) return false;
    return true;
}

/* Workers begin with it at once; who uses the arrays waits. */
static tsr_status persist(client *c, job *j, const plan *p, sink *sinks)
{
    tsr_status status = TSR_OK;
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < p->n_roots && status == TSR_OK; i++) {
        const stage_output *o = &p->stages[p->roots[i].stage].outputs[p->roots[i].output];
        remote_set *set;
        status = remote_set_new(j, (uint32_t)i, o->dtype, &o->blocks, &set);
        if (status != TSR_OK) break;
        sinks[i].set = &set->base;
        sinks[i].stored = &set->stored;
    }
    if (status == TSR_OK) job_submit(j);
    pthread_mutex_unlock(&c->lock);
    return status;
}

static tsr_status compute(client *c, job *j, const plan *p, const sink *sinks, int n_cancels)
{
    fetching *f;
    engine *e = c->session->engine;
    tsr_stats stats = {0};
    int64_t started = os_now_ns();
    TRY(fetch_new(j, p, sinks, &f));
    engine_begin(e, n_cancels);
    pool_begin_peak(c->session->buffers);
    pthread_mutex_lock(&c->lock);
    if (!f->is_over) job_submit(j);
    pthread_mutex_unlock(&c->lock);
    tsr_status status = fetch_run(f);
    stats = (tsr_stats){.tasks = f->progress.tasks_total,
                        .bytes_read = f->progress.bytes_read,
                        .bytes_written = f->bytes_written,
                        .peak_bytes = pool_peak_bytes(c->session->buffers),
                        .seconds = (double)(os_now_ns() - started) / 1e9};
    engine_end(e, &stats);
    fetch_free(f);
    return status;
}

static tsr_status run_remote(remote_engine *r, int n, tsr_array *const *arrays, const plan_hint *hints, sink *sinks)
{
    client *c = (client *)r;
    bool is_held = are_held(n, sinks);
    const int n_cancels = engine_n_cancels(c->session->engine);
    job *j;
    plan *p;
    TRY(job_new(c, n, arrays, hints, is_held, &j, &p));
    tsr_status status = is_held ? persist(c, j, p, sinks) : compute(c, j, p, sinks, n_cancels);
    pthread_mutex_lock(&c->lock);
    job_leave(j);
    pthread_mutex_unlock(&c->lock);
    plan_free(p);
    return status;
}

/* ---- Opening and closing ----------------------------------------------------------------------------------------- */

static void client_free(client *c)
{
    for (size_t i = 0; i < c->peers.n; i++) peer_free(c->peers.items[i]);
    VEC_FINI(&c->peers);
    VEC_FINI(&c->released);
    VEC_FINI(&c->requests);
    link_unref(c->scheduler);
    for (size_t i = 0; i < c->late.n; i++) link_unref(c->late.items[i].link);
    VEC_FINI(&c->late);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->pack_lock);
    mem_free(c->reason);
    mem_free(c->address);
    mem_free(c);
}

static void close_remote(remote_engine *r)
{
    client *c = (client *)r;
    pthread_mutex_lock(&c->lock);
    c->is_closing = true;
    net_timer_stop(c->timer);
    c->timer = NULL;
    pthread_mutex_unlock(&c->lock);
    client_tasks_end(c->tasks);
    net_close(c->n);
    client_tasks_free(c->tasks);
    jobs_free(c);
    client_free(c);
}

/* Nobody listens on this host. A scheduler that was started just now may come, so it is tried again for a moment; elsewhere a
 * machine may come up. */
static bool is_refused_here(const client *c) { return c->is_loopback && c->reason && may_change(c->reason); }

/* seconds 0: the default. */
static tsr_status wait_open(client *c, double seconds)
{
    const int64_t started = os_now_ns();
    const double most = seconds > 0 ? seconds : OPEN_SECONDS + (c->n_addresses - 1) * (NEXT_MS / 1000.0);
    int64_t end = started + (int64_t)((most < 1e9 ? most : 1e9) * 1e9);
    pthread_mutex_lock(&c->lock);
    tsr_status status = address_list_check(c->address);
    if (status == TSR_OK) status = dial_scheduler(c);
    if (status == TSR_OK && c->n_addresses > 1) start_timer(c);
    if (status != TSR_OK) {
        pthread_mutex_unlock(&c->lock);
        return error_prefix("cluster at %s", c->address);
    }
    while (!c->is_open && !c->is_final && os_now_ns() < end) {
        os_cond_wait_ns(&c->changed, &c->lock, end - os_now_ns());
        if (seconds <= 0 && is_refused_here(c)) end = started + (int64_t)(REFUSED_SECONDS * 1e9);
    }
    if (!c->is_open && c->is_final) {
        status = error_set(TSR_ERR_IO, "cluster at %s: %s", c->address, c->reason ? c->reason : "out of memory");
    } else if (!c->is_open) {
        status =
            error_set(TSR_ERR_IO, "cluster at %s: no scheduler has answered in %.3g s%s%s", c->address,
                      (double)(os_now_ns() - started) / 1e9, c->reason ? "; the last try: " : "", c->reason ? c->reason : "");
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

tsr_status client_new(tsr_session *s, const char *scheduler, const tsr_options *options, client **out)
{
    client *c = mem_calloc(1, sizeof *c);
    if (!c) return TSR_ERR_MEMORY;
    *c =
        (client){.base = {run_remote, query_wait, close_remote}, .session = s, .backoff_ms = FIRST_BACKOFF_MS, .next_request = 1};
    pthread_mutex_init(&c->pack_lock, NULL);
    pthread_mutex_init(&c->lock, NULL);
    os_cond_init(&c->changed);
    if (options->codec) {
        c->codec = *options->codec;
        c->has_codec = true;
    }
    net_options o = {.role = NET_ROLE_CLIENT,
                     .name = options->name,
                     .secret_file = options->secret_file,
                     .ca_file = options->ca_file,
                     .cert_file = options->cert_file,
                     .key_file = options->key_file,
                     .handlers = {.opened = on_opened,
                                  .place = on_place,
                                  .message = on_message,
                                  .abandoned = on_abandoned,
                                  .closed = on_closed},
                     .context = c};
    c->address = mem_strdup(scheduler);
    c->n_addresses = address_list_count(scheduler);
    c->is_loopback = c->n_addresses == 1 && net_is_here(scheduler);
    tsr_status status = c->address ? net_open(&o, &c->n) : TSR_ERR_MEMORY;
    if (status == TSR_OK) status = client_tasks_new(s, c->n, &c->tasks);
    if (status != TSR_OK) {
        net_close(c->n);
        client_free(c);
        return status;
    }
    engine_attach(s->engine, &c->base);
    *out = c;
    return TSR_OK;
}

tsr_status client_attach(tsr_session *s, const char *scheduler, const tsr_options *options)
{
    client *c;
    TRY(client_new(s, scheduler, options, &c));
    return wait_open(c, options->connect_seconds);
}

client *client_of(const tsr_session *s)
{
    remote_engine *r = s ? engine_remote(s->engine) : NULL;
    if (r) return session_check_here(s) == TSR_OK ? (client *)r : NULL;
    (void)error_set(TSR_ERR_UNSUPPORTED, "this session has no cluster; open one with the address of a scheduler");
    return NULL;
}

client_tasks *client_tasks_of(tsr_session *session)
{
    remote_engine *r = session ? engine_remote(session->engine) : NULL;
    return r ? ((client *)r)->tasks : NULL;
}
