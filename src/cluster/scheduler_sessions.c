/* Sessions: what a client is over all its connections; and the journal of what clients share.
 *
 * A client whose connection is lost may come back within AWAY_TICKS: until then its leases are its own, and what it wants is kept
 * by its former member, which nobody talks to (`ghosts`). Questions that change something are done once, however often they are
 * asked: their answers are remembered until the client says that it has them. With a journal, each such question is a record, and
 * is answered when the record is written: so a scheduler that is killed and started again knows all that anybody was told.
 * Replaying a record is asking the question again. All on the I/O thread. */
#include "cluster/scheduler_tasks.h"

enum { AWAY_TICKS = 50, RESUBMIT_TICKS = 10, RESTORED_TICKS = 200, MAX_SESSIONS = 100000, MAX_ANSWERED = 1024 };
#define NOBODY UINT64_MAX /* the session of the journal's leases whose clients did not say who they are */

/* ---- Sessions ---- */

static task_session *find_session(const scheduler_tasks *s, uint64_t id)
{
    task_session *p = id ? s->sessions : NULL;
    while (p && p->id != id) p = p->next;
    return p;
}

static task_session *new_session(scheduler_tasks *s, uint64_t id)
{
    task_session *p = s->n_sessions < MAX_SESSIONS ? mem_calloc(1, sizeof *p) : NULL;
    if (!p) return NULL;
    p->id = id;
    p->next = s->sessions;
    s->sessions = p;
    s->n_sessions++;
    return p;
}

static void answered_fini(answered *a)
{
    buffer_unref(a->r.value);
    mem_free(a->r.text);
}

static void session_free(scheduler_tasks *s, task_session *p)
{
    task_session **at = &s->sessions;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    s->n_sessions--;
    shared_session_ends(s, p);
    for (size_t i = 0; i < p->answered.n; i++) answered_fini(&p->answered.items[i]);
    VEC_FINI(&p->answered);
    mem_free(p);
}

bool scheduler_session_begin(scheduler_tasks *s, member *m)
{
    m->session = new_session(s, 0);
    if (m->session) m->session->m = m;
    return m->session != NULL;
}

static void drop_ghost(scheduler_tasks *s, member *m)
{
    member **at = &s->ghosts;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    tasks_client_lost(&s->ts, &m->client);
    scheduler_member_fini(s, m);
}

static void drop_ghosts_of(scheduler_tasks *s, uint64_t id)
{
    for (member *m = s->ghosts, *next; m; m = next) {
        next = m->next;
        if (m->ghost_of == id) drop_ghost(s, m);
    }
}

/* What it said again and does not want is known by now, too. */
static void end_resubmitting(scheduler_tasks *s, member *m)
{
    s->n_resubmitting -= m->resubmits;
    m->resubmits = false;
}

void scheduler_session_lost(scheduler_tasks *s, member *m)
{
    end_resubmitting(s, m);
    task_session *p = m->session;
    m->session = NULL;
    if (p && p->id) {
        p->m = NULL;
        p->away_until = s->ticks + AWAY_TICKS;
        m->ghost_of = p->id;
    } else if (p) {
        session_free(s, p);
    }
    if (m->ghost_of) {
        m->ghost_until = s->ticks + AWAY_TICKS;
        m->client.user = NULL; /* it is told of nothing */
        link_unref(m->link);
        m->link = NULL;
        m->next = s->ghosts;
        s->ghosts = m;
    } else {
        tasks_client_lost(&s->ts, &m->client);
        scheduler_member_fini(s, m);
    }
}

/* The client says who it is. */
static tsr_status enter(scheduler_tasks *s, member *m, uint64_t id, bool again)
{
    task_session *p = find_session(s, id);
    if (again && s->ticks < SCHEDULER_HOLD_TICKS) s->holds = true;
    if (again && !m->resubmits) {
        m->resubmits = true;
        s->n_resubmitting++;
        s->resubmit_until = s->ticks + RESUBMIT_TICKS;
    }
    if (!id || id == NOBODY || m->session->id) return error_set(TSR_ERR_FORMAT, "a client that says twice who it is");
    if (!p) {
        m->session->id = id;
        return TSR_OK;
    }
    if (p->m) { /* the connection of before has not ended yet */
        scheduler_asks_lost(s, p->m);
        p->m->session = NULL;
        p->m->ghost_of = id;
    }
    scheduler_asks_lost(s, m);
    session_free(s, m->session);
    m->session = p;
    p->m = m;
    return TSR_OK;
}

tsr_status scheduler_session_said(scheduler_tasks *s, member *m, const net_message *msg)
{
    Tessera__Futures__Session *said;
    tsr_status status = TSR_OK;
    TRY(tasks_wire_session(msg, &said));
    if (!m->session) {
        status = error_set(TSR_ERR_FORMAT, "a session that goes on over another connection");
    } else if (said->leaves) {
        drop_ghosts_of(s, m->session->id);
        m->session->id = 0; /* it ends with the connection */
        shared_session_ends(s, m->session);
        scheduler_asks_poll(s);
    } else if (said->complete) {
        end_resubmitting(s, m);
        drop_ghosts_of(s, m->session->id);
    } else {
        status = enter(s, m, said->session, said->again);
    }
    tessera__futures__session__free_unpacked(said, NULL);
    return status;
}

bool scheduler_sessions_tick(scheduler_tasks *s)
{
    bool changed = false;
    for (member *m = s->ghosts, *next; m; m = next) {
        next = m->next;
        if (s->ticks < m->ghost_until) continue;
        drop_ghost(s, m);
        changed = true;
    }
    for (task_session *p = s->sessions, *next; p; p = next) {
        next = p->next;
        if (p->m || s->ticks < p->away_until) continue;
        session_free(s, p);
        changed = true;
    }
    return changed;
}

void scheduler_sessions_fini(scheduler_tasks *s)
{
    while (s->ghosts) drop_ghost(s, s->ghosts);
    while (s->sessions) session_free(s, s->sessions);
    for (size_t i = 0; i < s->held.n; i++) answered_fini(&s->held.items[i].a);
    VEC_FINI(&s->held);
}

/* ---- Answers that are remembered ---- */

static bool copy_reply(const reply *r, reply *out)
{
    *out =
        (reply){.status = r->status, .number = r->number, .has_key = r->has_key, .key = r->key, .data = r->data, .size = r->size};
    out->value = r->value ? buffer_ref(r->value) : NULL;
    return true;
}

static bool remember(task_session *p, uint64_t request, const reply *r)
{
    answered a = {.request = request};
    if (p->answered.n >= MAX_ANSWERED) {
        answered_fini(&p->answered.items[0]);
        p->answered.items[0] = p->answered.items[--p->answered.n];
    }
    return VEC_RESERVE(&p->answered, 1) && copy_reply(r, &a.r) && VEC_PUSH(&p->answered, a);
}

const reply *scheduler_answered(task_session *p, uint64_t request, uint64_t oldest)
{
    const reply *found = NULL;
    for (size_t i = p->answered.n; i-- > 0;) {
        answered *a = &p->answered.items[i];
        if (a->request >= oldest) continue;
        answered_fini(a);
        *a = p->answered.items[--p->answered.n];
    }
    for (size_t i = 0; i < p->answered.n; i++)
        if (p->answered.items[i].request == request) found = &p->answered.items[i].r;
    return found;
}

/* ---- The journal ---- */

static uint64_t write_record(scheduler_tasks *s, journal_kind kind, const ProtobufCMessage *m, buffer *value, const char *data,
                             size_t size)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *head = mem_alloc(n);
    if (!head) return 0;
    protobuf_c_message_pack(m, head);
    const journal_record r = {.kind = kind, .head = head, .head_bytes = n, .payload = data, .payload_bytes = value ? size : 0};
    const uint64_t number = s->record(s->record_context, &r, value);
    mem_free(head);
    return number;
}

bool scheduler_record_answer(scheduler_tasks *s, const pending *p, const reply *r)
{
    if (r->status != TSR_OK) return false;
    (void)remember(p->session, p->ask->request, r);
    if (!s->record || strcmp(p->ask->what, "topic_log") == 0) return false; /* events are not kept beyond the scheduler */
    Tessera__Futures__Ask a = *p->ask;
    a.session = p->session->id;
    a.lease = (uint64_t)r->number;
    const uint64_t number = write_record(s, JOURNAL_SHARED, &a.base, p->value, p->data, p->size);
    held_answer h = {.number = number, .m = p->m, .a = {.request = p->ask->request}};
    if (!number || !VEC_RESERVE(&s->held, 1) || !copy_reply(r, &h.a.r)) return false;
    s->held.items[s->held.n++] = h;
    return true;
}

void scheduler_tasks_recorded(scheduler_tasks *s, uint64_t number)
{
    size_t left = 0;
    for (size_t i = 0; i < s->held.n; i++) {
        held_answer *h = &s->held.items[i];
        if (h->number > number) {
            s->held.items[left++] = *h;
            continue;
        }
        if (h->m) scheduler_send_reply(h->m->link, h->a.request, &h->a.r);
        answered_fini(&h->a);
    }
    s->held.n = left;
}

void scheduler_held_lost(scheduler_tasks *s, const member *m)
{
    for (size_t i = 0; i < s->held.n; i++)
        if (s->held.items[i].m == m) s->held.items[i].m = NULL;
}

void scheduler_note(scheduler_tasks *s, const char *what, const char *name, uint64_t number)
{
    Tessera__Futures__Ask a = TESSERA__FUTURES__ASK__INIT;
    a.what = (char *)(uintptr_t)what;
    a.name = (char *)(uintptr_t)name;
    a.number = (int64_t)number;
    if (s->record) (void)write_record(s, JOURNAL_SHARED, &a.base, NULL, NULL, 0);
}

/* A session of the journal's: its client has a while to come. */
static task_session *restored_session(scheduler_tasks *s, uint64_t id)
{
    task_session *p = find_session(s, id ? id : NOBODY);
    if (!p) p = new_session(s, id ? id : NOBODY);
    if (p) p->away_until = RESTORED_TICKS;
    return p;
}

buffer *scheduler_record_payload(const journal_record *r)
{
    buffer *b = NULL;
    if (!r->payload_bytes) return NULL;
    char *data = mem_alloc(r->payload_bytes);
    if (!data || buffer_wrap(data, r->payload_bytes, mem_free, data, &b) != TSR_OK) {
        mem_free(data);
        return NULL;
    }
    memcpy(data, r->payload, r->payload_bytes);
    return b;
}

static tsr_status replay_ask(scheduler_tasks *s, const journal_record *r)
{
    const net_message m = {.head = r->head, .head_bytes = r->head_bytes};
    Tessera__Futures__Ask *a;
    TRY(tasks_wire_ask(&m, &a));
    if (strcmp(a->what, "restart") == 0) {
        shared_fini(s);
        tessera__futures__ask__free_unpacked(a, NULL);
        return TSR_OK;
    }
    buffer *value = scheduler_record_payload(r);
    const pending p = {.ask = a,
                       .session = restored_session(s, a->session),
                       .value = value,
                       .data = value ? value->data : NULL,
                       .size = r->payload_bytes};
    reply answer = {0};
    bool done = false;
    tsr_status status = p.session && (value || !r->payload_bytes) ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK && (!shared_ask(s, &p, &answer, &done) || !done || answer.status != TSR_OK))
        status = error_set(TSR_ERR_FORMAT, "'%.60s' of '%.60s' is out of place", a->what, a->name);
    if (status == TSR_OK && a->session) (void)scheduler_answered(p.session, 0, a->oldest);
    if (status == TSR_OK && a->session) (void)remember(p.session, a->request, &answer);
    buffer_unref(answer.value);
    buffer_unref(value);
    tessera__futures__ask__free_unpacked(a, NULL);
    return status;
}

static tsr_status replay_answer(scheduler_tasks *s, const journal_record *r)
{
    const net_message m = {.head = r->head, .head_bytes = r->head_bytes};
    Tessera__Futures__Answer *a;
    TRY(tasks_wire_answer(&m, &a));
    buffer *value = scheduler_record_payload(r);
    task_session *p = restored_session(s, a->session);
    reply answer = {.number = a->number, .has_key = a->n_keys >= 2, .value = value, .data = value ? value->data : NULL};
    answer.size = r->payload_bytes;
    if (answer.has_key) answer.key = tasks_wire_key(a->keys, 0);
    const bool good = p && (value || !r->payload_bytes) && remember(p, a->request, &answer);
    buffer_unref(value);
    tessera__futures__answer__free_unpacked(a, NULL);
    return good ? TSR_OK : TSR_ERR_MEMORY;
}

tsr_status scheduler_tasks_replay(scheduler_tasks *s, const journal_record *r)
{
    if (r->kind == JOURNAL_FUNCTION || r->kind == JOURNAL_TASK) return scheduler_lineage_replay(s, r);
    return r->kind == JOURNAL_SHARED ? replay_ask(s, r) : replay_answer(s, r);
}

void scheduler_tasks_snapshot(scheduler_tasks *s, void (*write)(void *to, const journal_record *r), void *to)
{
    scheduler_lineage_again(s);
    shared_snapshot(s, write, to);
    for (const task_session *p = s->sessions; p; p = p->next) {
        for (size_t i = 0; p->id && i < p->answered.n; i++) {
            const reply *r = &p->answered.items[i].r;
            Tessera__Futures__Answer a = TESSERA__FUTURES__ANSWER__INIT;
            uint64_t key[2] = {r->key.high, r->key.low};
            a.request = p->answered.items[i].request;
            a.session = p->id;
            a.number = r->number;
            a.n_keys = r->has_key ? 2 : 0;
            a.keys = key;
            scheduler_write_shared(&a.base, JOURNAL_ANSWER, r->data, r->value ? r->size : 0, write, to);
        }
    }
}

void scheduler_write_shared(const ProtobufCMessage *m, journal_kind kind, const char *data, size_t size,
                            void (*write)(void *to, const journal_record *r), void *to)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *head = mem_alloc(n);
    if (!head) return;
    protobuf_c_message_pack(m, head);
    write(to, &(journal_record){.kind = kind, .head = head, .head_bytes = n, .payload = data, .payload_bytes = size});
    mem_free(head);
}
