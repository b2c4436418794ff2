/* Results that go from worker to worker, and between workers and clients: asking for them (GET), giving them (DATA), and what
 * clients scatter (PUT). What cannot be had is reported to the scheduler as MISSING. The list of peers is the I/O thread's; all
 * else is under the lock of the worker. */
#include "cluster/worker_tasks.h"

#include <string.h>

/* ---- Asking ---- */

static void send_missing(worker_tasks *w, const work_task *t, const stored *s)
{
    Tessera__Futures__Missing m = TESSERA__FUTURES__MISSING__INIT;
    m.key_high = t->key.high;
    m.key_low = t->key.low;
    m.arg_high = s->key.high;
    m.arg_low = s->key.low;
    m.holder = s->holder;
    if (w->scheduler) tasks_wire_tell(w->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__MISSING, &m.base, NULL);
}

void worker_fetch_failed(worker_tasks *w, stored *s)
{
    s->asked = true; /* its place stays until the last of them is told of */
    while (s->waiting.n) {
        work_task *t = s->waiting.items[s->waiting.n - 1];
        send_missing(w, t, s);
        worker_task_drop(w, t); /* leaves the list */
    }
    worker_result_remove(w, s);
}

static peer *find_peer(worker_tasks *w, uint64_t worker)
{
    for (size_t i = 0; i < w->peers.n; i++)
        if (w->peers.items[i].worker == worker) return &w->peers.items[i];
    return NULL;
}

bool worker_fetch(worker_tasks *w, const stored *s)
{
    peer *p = find_peer(w, s->holder);
    Tessera__Futures__Get g = TESSERA__FUTURES__GET__INIT;
    g.key_high = s->key.high;
    g.key_low = s->key.low;
    if (!p || s->holder == w->id) return false;
    if (!p->link && net_connect(w->net, p->address, &p->link) != TSR_OK) return false;
    return tasks_wire_send(p->link, TESSERA__FUTURES__MESSAGE_TYPE__GET, &g.base, NULL) == TSR_OK;
}

bool worker_tasks_opened(worker_tasks *w, net_link *l)
{
    for (size_t i = 0; i < w->peers.n; i++)
        if (w->peers.items[i].link == l) return true;
    return false;
}

bool worker_tasks_closed(worker_tasks *w, net_link *l, const char *reason)
{
    pthread_mutex_lock(&w->lock);
    if (w->scheduler == l) {
        w->scheduler = NULL;
        link_unref(l);
    }
    bool mine = false;
    for (size_t i = 0; i < w->peers.n; i++) {
        peer *p = &w->peers.items[i];
        if (p->link != l) continue;
        mine = true;
        p->link = NULL;
        link_unref(l);
        for (size_t k = 0; k < w->results_size; k++) {
            for (stored *s = w->results[k]; s;) {
                const bool lost = !worker_result_is_here(s) && s->holder == p->worker;
                if (lost) worker_fetch_failed(w, s); /* and perhaps others of this list */
                s = lost ? w->results[k] : s->next;
            }
        }
    }
    pthread_mutex_unlock(&w->lock);
    return mine;
}

void worker_took_copy(worker_tasks *w, const net_message *m)
{
    Tessera__Futures__Copy *c;
    if (tasks_wire_copy(m, &c) != TSR_OK) return;
    for (size_t i = 0; i < c->n_holders; i++) {
        stored *s = worker_result_get(w, tasks_wire_key(c->keys, i));
        if (!s || worker_result_is_here(s) || s->asked) continue;
        s->holder = c->holders[i];
        s->asked = true;
        if (!worker_fetch(w, s)) worker_result_remove(w, s);
    }
    tessera__futures__copy__free_unpacked(c, NULL);
}

void worker_took_peers(worker_tasks *w, const net_message *m)
{
    Tessera__Futures__Peers *p;
    if (tasks_wire_peers(m, &p) != TSR_OK) return;
    for (size_t i = 0; i < p->n_peers; i++) {
        const Tessera__Futures__Peer *one = p->peers[i];
        peer *known = find_peer(w, one->worker);
        char *address = mem_strdup(one->address);
        if (!known && address && VEC_PUSH(&w->peers, (peer){.worker = one->worker, .address = address})) continue;
        if (known && address && strcmp(known->address, address) != 0) {
            mem_free(known->address);
            known->address = address;
            continue;
        }
        mem_free(address);
    }
    tessera__futures__peers__free_unpacked(p, NULL);
}

/* ---- Answering ---- */

static void answer(net_link *l, uint32_t type, uint64_t request, tsr_key key, tsr_status status, const net_payload *payload)
{
    Tessera__Futures__Data d = TESSERA__FUTURES__DATA__INIT;
    d.request = request;
    d.key_high = key.high;
    d.key_low = key.low;
    d.status = status;
    if (status != TSR_OK) d.text = (char *)(uintptr_t)tsr_error_message();
    tasks_wire_tell(l, type, &d.base, payload);
}

/* The result, or that it is not here. */
static void answer_get(net_link *l, uint64_t request, tsr_key key, const stored *s)
{
    if (s && s->buf) {
        answer(l, TESSERA__FUTURES__MESSAGE_TYPE__DATA, request, key, TSR_OK,
               &(net_payload){.buf = s->buf, .data = s->data, .bytes = s->size});
    } else {
        (void)error_set(TSR_ERR_NOT_FOUND, "the result is not here");
        answer(l, TESSERA__FUTURES__MESSAGE_TYPE__NO_DATA, request, key, TSR_ERR_NOT_FOUND, NULL);
    }
}

void worker_answer_gets(stored *s)
{
    for (size_t i = 0; i < s->gets.n; i++) {
        answer_get(s->gets.items[i].link, s->gets.items[i].request, s->key, s);
        link_unref(s->gets.items[i].link);
    }
    s->gets.n = 0;
}

void worker_took_get(worker_tasks *w, net_link *l, const net_message *m)
{
    Tessera__Futures__Get *g;
    if (tasks_wire_get(m, &g) != TSR_OK) {
        link_close(l, tsr_error_message());
        return;
    }
    const tsr_key key = {.high = g->key_high, .low = g->key_low};
    stored *s = worker_result_find(w, key);
    const bool waits = s && s->spilled_at && VEC_RESERVE(&s->gets, 1) && worker_spill_load(w, s);
    if (waits) {
        s->gets.items[s->gets.n++] = (waiting_get){.link = link_ref(l), .request = g->request};
    } else {
        if (s) worker_spill_used(w, s);
        answer_get(l, g->request, key, s);
    }
    tessera__futures__get__free_unpacked(g, NULL);
}

/* The result that a message carries goes into the store, and the scheduler is told. */
static tsr_status take_result(worker_tasks *w, const net_message *m, tsr_key key, buffer *b)
{
    buffer *empty = NULL;
    if (m->payload_bytes && !b) return error_set(TSR_ERR_MEMORY, "no memory for a result of %zu bytes", m->payload_bytes);
    if (!b) TRY(tasks_buffer_new(w->net, 0, &empty));
    const stored *s = worker_result_keep(w, key, b ? b : empty, b ? m->payload : empty->data, m->payload_bytes);
    buffer_unref(empty);
    if (!s || !worker_news_add(&w->have, key, s->size, 0, NULL)) return TSR_ERR_MEMORY;
    worker_news_send(w, &w->have, TESSERA__FUTURES__MESSAGE_TYPE__HAVE);
    return TSR_OK;
}

void worker_took_put(worker_tasks *w, net_link *l, const net_message *m, buffer *b)
{
    Tessera__Futures__Data *d;
    if (tasks_wire_data(m, &d) != TSR_OK) {
        link_close(l, tsr_error_message());
        return;
    }
    const tsr_key key = {.high = d->key_high, .low = d->key_low};
    answer(l, TESSERA__FUTURES__MESSAGE_TYPE__STORED, d->request, key, take_result(w, m, key, b), NULL);
    tessera__futures__data__free_unpacked(d, NULL);
}

void worker_took_data(worker_tasks *w, net_link *l, const net_message *m, buffer *b)
{
    Tessera__Futures__Data *d;
    if (tasks_wire_data(m, &d) != TSR_OK) {
        link_close(l, tsr_error_message());
        return;
    }
    const tsr_key key = {.high = d->key_high, .low = d->key_low};
    stored *s = worker_result_find(w, key);
    const peer *p = s ? find_peer(w, s->holder) : NULL;
    if (s && !worker_result_is_here(s) && s->asked && p && p->link == l) { /* it was asked for, of this worker */
        const bool came = m->type == TESSERA__FUTURES__MESSAGE_TYPE__DATA;
        if (!came || take_result(w, m, key, b) != TSR_OK) worker_fetch_failed(w, s);
    }
    tessera__futures__data__free_unpacked(d, NULL);
}
