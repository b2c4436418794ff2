/* What this worker needs of others: the engine's asks become fetches, blocks and states that arrive are put into runs.
 *
 * An ask is in three places: its job's table (by what is asked for, so that nothing is asked of two), the worker's (by the number
 * of its request) and its peer's list. It stays until the answer is complete, the engine asks somebody else for the same, or the
 * job goes. So whatever happens to connections, it is known what is missing. */
#include "base/mem.h"
#include "base/os.h"
#include "cluster/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef Tessera__Cluster__Block block_head;

enum { BLOCK_ALIGNMENT = 64 }; /* of buffers from a pool */

/* A peer that was lost is asked again after this time, unless the map has changed. */
static const int64_t RETRY_NS = 500 * 1000000LL;

/* ---- peers ---- */

static peer *peer_of(tsr_worker *w, uint64_t id)
{
    peer *p = id_table_find(&w->peers, id);
    if (p) return p;
    p = mem_calloc(1, sizeof *p);
    if (!p) return NULL;
    p->id = id;
    if (id_table_put(&w->peers, id, p)) return p;
    mem_free(p);
    return NULL;
}

void worker_peer_free(peer *p)
{
    if (p->link) p->link->peer = NULL;
    worker_conn_unref(p->link);
    mem_free(p->address);
    mem_free(p);
}

/* Whether it can be sent to. */
static bool reach(tsr_worker *w, peer *p)
{
    if (p->link) return !p->link->is_over;
    if (!p->address) return false;
    if (worker_conn_dial(w, CONN_PEER, p->address, &p->link) != TSR_OK) {
        worker_log(w, NET_LOG_WARNING, "cannot connect to the worker at %s: %s", p->address, tsr_error_message());
        return false;
    }
    p->link->peer = p;
    return true;
}

static void send_ask(tsr_worker *w, ask *a)
{
    peer *p = a->peer;
    Tessera__Cluster__Fetch m = TESSERA__CLUSTER__FETCH__INIT;
    if (!reach(w, p)) {
        if (!p->retry_at_ns) p->retry_at_ns = os_now_ns() + RETRY_NS;
        return;
    }
    const stage *s = &a->job->plan->stages[a->stage];
    const int64_t n_runs = stage_folds(s) ? s->n_runs : 1;
    m.request = a->id;
    m.job = a->job->id;
    m.stage = (uint32_t)a->stage;
    m.every_output = a->span == 0;
    m.span = (uint64_t)a->span;
    m.first = (uint64_t)(a->span ? a->unit : a->unit / n_runs);
    m.count = 1;
    a->is_sent = worker_send(p->link->link, MESSAGE(FETCH), &m.base, NULL);
    if (!a->is_sent && !p->retry_at_ns) p->retry_at_ns = os_now_ns() + RETRY_NS;
}

static int n_answers(const ask *a)
{
    int n = 0;
    if (a->span) return 1;
    for (int k = 0; k < a->job->plan->stages[a->stage].n_outputs; k++) n += run_gives(a->job->run, a->stage, k);
    return n;
}

static void ask_again(tsr_worker *w, peer *p)
{
    p->retry_at_ns = 0;
    for (ask *a = p->first; a; a = a->next) {
        if (a->is_sent) continue;
        a->left = n_answers(a);
        send_ask(w, a);
        if (!a->is_sent) return;
    }
}

/* Workers that are gone, and of which nothing is wanted. */
static void forget_peers(tsr_worker *w)
{
    size_t at = 0;
    for (peer *p; (p = id_table_next(&w->peers, &at)) != NULL;) {
        if (p->address || p->link || p->first) continue;
        id_table_take(&w->peers, p->id);
        worker_peer_free(p);
        at = 0; /* others have moved */
    }
}

void worker_peers_take(tsr_worker *w, const Tessera__Cluster__Workers *list)
{
    size_t at = 0;
    for (peer *p; (p = id_table_next(&w->peers, &at)) != NULL;) {
        mem_free(p->address);
        p->address = NULL;
    }
    for (size_t i = 0; i < list->n_workers; i++) {
        const Tessera__Cluster__WorkerAddress *a = list->workers[i];
        if (a->worker == w->id || a->worker == 0 || !a->address) continue;
        peer *p = peer_of(w, a->worker);
        if (!p) continue; /* the asks for it wait for the next list */
        mem_free(p->address);
        p->address = mem_strdup(a->address);
        if (p->first && !p->link && !p->retry_at_ns) p->retry_at_ns = os_now_ns();
    }
    forget_peers(w);
}

void worker_peers_tick(tsr_worker *w, int64_t now)
{
    size_t at = 0;
    for (peer *p; (p = id_table_next(&w->peers, &at)) != NULL;)
        if (p->retry_at_ns && p->retry_at_ns <= now && (p->address || p->link)) ask_again(w, p);
}

void worker_peer_closed(conn *c, const char *reason)
{
    peer *p = c->peer;
    if (!p) return;
    size_t n = 0;
    for (ask *a = p->first; a; a = a->next, n++) a->is_sent = false;
    if (n > 0) worker_log(c->w, NET_LOG_INFO, "a worker is lost, of which %zu blocks were asked: %s", n, reason);
    p->link = NULL;
    c->peer = NULL;
    p->retry_at_ns = n > 0 ? os_now_ns() + RETRY_NS : 0;
    worker_conn_unref(c);
}

/* ---- asks ---- */

/* Stages are at most WORKER_MOST_STAGES, and units are fewer than what 8 bytes each of memory could count. */
static uint64_t key_of(const ask *a) { return (uint64_t)a->unit << 22 | (uint64_t)a->stage << 1 | (a->span != 0); }

static void ask_free(ask *a)
{
    worker_job_unref(a->job);
    mem_free(a);
}

static void ask_remove(tsr_worker *w, ask *a)
{
    id_table_take(&w->asks, a->id);
    *a->at = a->next;
    if (a->next) a->next->at = a->at;
}

/* Answers that are on the way are taken for what they are: too late. */
static void send_forget(const ask *a)
{
    Tessera__Cluster__Request m = TESSERA__CLUSTER__REQUEST__INIT;
    m.request = a->id;
    if (a->is_sent && a->peer->link) (void)!worker_send(a->peer->link->link, MESSAGE(FORGET), &m.base, NULL);
}

static tsr_status add_ask(tsr_worker *w, ask *a)
{
    job *j = a->job;
    ask *before = id_table_find(&j->asks, key_of(a));
    if (before && before->owner == a->owner && before->span == a->span) {
        before->is_again = before->left < n_answers(before);
        ask_free(a);
        return TSR_OK;
    }
    a->peer = peer_of(w, a->owner);
    a->id = ++w->next_ask;
    a->left = n_answers(a);
    if (!a->peer || !id_table_put(&w->asks, a->id, a)) {
        ask_free(a);
        return TSR_ERR_MEMORY;
    }
    if (!id_table_put(&j->asks, key_of(a), a)) {
        id_table_take(&w->asks, a->id);
        ask_free(a);
        return TSR_ERR_MEMORY;
    }
    a->next = a->peer->first;
    a->at = &a->peer->first;
    if (a->next) a->next->at = &a->next;
    a->peer->first = a;
    if (before) {
        send_forget(before);
        ask_remove(w, before);
        ask_free(before);
    }
    send_ask(w, a);
    return TSR_OK;
}

static void told_ask(work *what)
{
    ask *a = (ask *)what;
    job *j = a->job;
    if (atomic_load(&j->w->stopping) || j->state != JOB_OPEN) {
        ask_free(a);
        return;
    }
    worker_job_ref(j);
    if (add_ask(j->w, a) != TSR_OK) run_put_failure(j->run, TSR_ERR_MEMORY, tsr_error_message());
    worker_job_unref(j);
}

tsr_status worker_ask_begin(void *context, uint64_t owner, int number, int64_t unit, int64_t n_merged)
{
    job *j = context;
    ask *a = mem_calloc(1, sizeof *a);
    if (!a) return TSR_ERR_MEMORY;
    *a = (ask){.told.run = told_ask, .job = worker_job_ref(j), .owner = owner, .stage = number, .unit = unit, .span = n_merged};
    worker_tell(j->w, &a->told);
    return TSR_OK;
}

void worker_asks_forget(job *j)
{
    size_t at = 0;
    for (ask *a; (a = id_table_next(&j->asks, &at)) != NULL;) {
        send_forget(a);
        ask_remove(j->w, a);
        ask_free(a);
    }
    id_table_fini(&j->asks);
}

static void ask_done(tsr_worker *w, ask *a)
{
    if (id_table_find(&a->job->asks, key_of(a)) == a) id_table_take(&a->job->asks, key_of(a));
    ask_remove(w, a);
    ask_free(a);
}

/* Under a new number: the old one may not be free yet on the other side. */
static void renew(tsr_worker *w, ask *a)
{
    id_table_take(&w->asks, a->id);
    a->id = ++w->next_ask;
    a->left = n_answers(a);
    a->is_again = a->is_sent = false;
    if (id_table_put(&w->asks, a->id, a)) send_ask(w, a);
}

/* ---- answers ---- */

/* The ask that a peer answers. NULL: it is no longer wanted, or (then the connection is refused) never was. */
static ask *find_ask(conn *c, uint64_t id)
{
    ask *a = id_table_find(&c->w->asks, id);
    if (id > c->w->next_ask || (a && a->peer != c->peer)) {
        worker_conn_refuse(c, "an answer to request %" PRIu64 ", which was not made", id);
        return NULL;
    }
    return a;
}

static bool check_block(conn *c, const ask *a, const block_head *b, size_t bytes)
{
    const stage *s = &a->job->plan->stages[a->stage];
    const int64_t n_runs = stage_folds(s) ? s->n_runs : 1, number = a->span ? a->unit : a->unit / n_runs;
    const bool fits = b->number == (uint64_t)number &&
                      (a->span || (b->output < (uint32_t)s->n_outputs && run_gives(a->job->run, a->stage, (int)b->output)));
    if (!fits) {
        worker_conn_refuse(c, "block %" PRIu64 " of output %" PRIu32 " came for number %" PRId64 " of stage %d", b->number,
                           b->output, number, a->stage);
        return false;
    }
    const int64_t expected = a->span ? run_state_bytes(a->job->run, a->stage, a->unit)
                                     : run_block_bytes(a->job->run, a->stage, (int)b->output, number);
    if (expected >= 0 && (uint64_t)expected == bytes) return true;
    worker_conn_refuse(c, "block %" PRIu64 " of stage %d came with %zu bytes; it has %" PRId64, b->number, a->stage, bytes,
                       expected);
    return false;
}

char *worker_peer_place(conn *c, const net_message *m, void **token)
{
    buffer *b = NULL;
    if (m->type != MESSAGE(BLOCK)) return NULL;
    block_head *head = tessera__cluster__block__unpack(NULL, m->head_bytes, m->head);
    if (!head) {
        worker_conn_refuse(c, "a block's head does not read");
        return NULL;
    }
    const ask *a = find_ask(c, head->request);
    /* What lies in memory shared with the peer is used there, if it lies as blocks do. */
    const bool stays = m->shared && (uintptr_t)m->shared->data % BLOCK_ALIGNMENT == 0;
    if (a && check_block(c, a, head, m->payload_bytes) && !stays) {
        if (buffer_new(c->w->session->buffers, m->payload_bytes, &b) == TSR_OK) {
            *token = b;
            if (!m->shared) c->placed_ns = os_now_ns();
        } else {
            run_put_failure(a->job->run, TSR_ERR_MEMORY, tsr_error_message());
        }
    }
    tessera__cluster__block__free_unpacked(head, NULL);
    return b ? b->data : NULL;
}

/* How fast payloads come that are too large to have lain here already, for the most part. */
static void measure(conn *c, size_t bytes)
{
    enum { LARGE_BYTES = 256 << 10 };
    const int64_t took_ns = os_now_ns() - c->placed_ns;
    const bool counts = c->placed_ns && bytes >= LARGE_BYTES && took_ns > 0;
    c->placed_ns = 0;
    if (!counts) return;
    const double rate = (double)bytes * 1e9 / (double)took_ns;
    c->w->bandwidth = c->w->bandwidth > 0 ? 0.75 * c->w->bandwidth + 0.25 * rate : rate;
}

/* Takes the buffer. */
static void put(conn *c, ask *a, const block_head *head, buffer *b)
{
    job *j = a->job;
    const bool is_last = --a->left <= 0;
    tsr_status status = a->span ? run_put_state(j->run, a->stage, a->unit, a->span, b)
                                : run_put_block(j->run, a->stage, (int)head->output, (int64_t)head->number, b);
    if (status != TSR_OK) run_put_failure(j->run, status, tsr_error_message());
    if (is_last != (bool)head->last) {
        worker_conn_refuse(c, "block %" PRIu64 " of stage %d is not where its request ends", head->number, a->stage);
    } else if (is_last && a->is_again) {
        renew(c->w, a);
    } else if (is_last) {
        ask_done(c->w, a);
    }
}

static void take_block(conn *c, const net_message *m, const block_head *head)
{
    buffer *b = m->token;
    ask *a = find_ask(c, head->request);
    if (!a || a->job->state != JOB_OPEN) {
        buffer_unref(b);
        return;
    }
    if (!b && m->shared) b = buffer_ref(m->shared);
    if (!b && m->payload_bytes == 0 && check_block(c, a, head, 0) && buffer_new(c->w->session->buffers, 0, &b) != TSR_OK)
        run_put_failure(a->job->run, TSR_ERR_MEMORY, tsr_error_message());
    if (b) put(c, a, head, b);
}

static void take_no_block(conn *c, const Tessera__Cluster__Refused *m)
{
    ask *a = find_ask(c, m->request);
    if (!a) return;
    const bool is_known = m->status > TSR_OK && m->status <= TSR_ERR_TIMEOUT;
    if (m->status == TSR_ERR_CANCELLED || a->job->state != JOB_OPEN) {
        /* The peer has given the job up, which says nothing of the job: there will be a new map, or it is asked again. */
        a->is_sent = false;
        if (!a->peer->retry_at_ns) a->peer->retry_at_ns = os_now_ns() + RETRY_NS;
        return;
    }
    job *j = worker_job_ref(a->job);
    ask_done(c->w, a);
    run_put_failure(j->run, is_known ? (tsr_status)m->status : TSR_ERR_INTERNAL, m->message);
    worker_job_unref(j);
}

void worker_peer_message(conn *c, const net_message *m)
{
    if (m->type == MESSAGE(BLOCK)) {
        block_head *head = tessera__cluster__block__unpack(NULL, m->head_bytes, m->head);
        measure(c, m->payload_bytes);
        if (head) {
            take_block(c, m, head);
        } else {
            buffer_unref(m->token);
            worker_conn_refuse(c, "a block's head does not read");
        }
        if (head) tessera__cluster__block__free_unpacked(head, NULL);
    } else if (m->type == MESSAGE(NO_BLOCK)) {
        Tessera__Cluster__Refused *r = tessera__cluster__refused__unpack(NULL, m->head_bytes, m->head);
        if (r) {
            take_no_block(c, r);
        } else {
            worker_conn_refuse(c, "a refusal does not read");
        }
        if (r) tessera__cluster__refused__free_unpacked(r, NULL);
    } else {
        worker_conn_refuse(c, "a worker answers with blocks, not with messages of type %" PRIu32, m->type);
    }
}
