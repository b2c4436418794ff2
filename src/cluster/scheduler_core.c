/* The scheduler's door: connections come and go, messages are sent to those who know what to do with them, time passes. */
#include "cluster/scheduler.h"

#include <stdarg.h>
#include <stdio.h>

tsr_status scheduler_new(const scheduler_ops *ops, void *context, scheduler **out)
{
    scheduler *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    s->ops = ops;
    s->context = context;
    s->started_ns = scheduler_now(s);
    s->graces =
        (scheduler_graces){.silence_ns = 10000000000, .worker_ns = 2000000000, .client_ns = 5000000000, .start_ns = 5000000000};
    *out = s;
    return TSR_OK;
}

void scheduler_set_graces(scheduler *s, scheduler_graces graces) { s->graces = graces; }

void scheduler_set_host(scheduler *s, const char *host_id) { s->host_id = host_id; }

static void peer_free(scheduler_peer *p)
{
    mem_free(p->address);
    mem_free(p);
}

void scheduler_free(scheduler *s)
{
    size_t at = 0;
    if (!s) return;
    for (size_t i = 0; i < s->names.n; i++) scheduler_name_fini(&s->names.items[i]);
    scheduler_waits_free(s);
    for (scheduler_job *j; (j = id_table_next(&s->jobs, &at)) != NULL;) scheduler_job_free(j);
    for (size_t i = 0; i < s->ordered.n; i++) scheduler_worker_free(s->ordered.items[i]);
    for (size_t i = 0; i < s->clients.n; i++) scheduler_client_free(s->clients.items[i]);
    for (size_t i = 0; i < s->peers.n; i++) peer_free(s->peers.items[i]);
    scheduler_log_fini(&s->log);
    id_table_fini(&s->jobs);
    id_table_fini(&s->workers);
    VEC_FINI(&s->ordered);
    VEC_FINI(&s->clients);
    VEC_FINI(&s->peers);
    VEC_FINI(&s->names);
    VEC_FINI(&s->changed);
    VEC_FINI(&s->busy);
    mem_free(s);
}

/* ---- Saying something ---------------------------------------------------------------------------------------------------- */

void scheduler_say(scheduler *s, net_level level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (level >= NET_LOG_INFO) scheduler_log_keep(&s->log, text);
    s->ops->log(s->context, level, text);
}

void scheduler_log_keep(scheduler_log *log, const char *line)
{
    char *copy = scheduler_text_ok(line, false) ? mem_strdup(line) : NULL;
    if (!copy) return;
    if (log->n == SCHEDULER_LOG_LINES) {
        mem_free(log->lines[0]);
        memmove(&log->lines[0], &log->lines[1], sizeof log->lines[0] * (size_t)--log->n);
    }
    log->lines[log->n++] = copy;
}

void scheduler_log_fini(scheduler_log *log)
{
    for (int i = 0; i < log->n; i++) mem_free(log->lines[i]);
    log->n = 0;
}

void scheduler_reject(scheduler *s, scheduler_peer *p, const char *reason)
{
    if (!p || p->is_over) return;
    p->is_over = true;
    s->ops->close(s->context, p->link, reason);
}

/* Small messages are packed on the stack. */
void scheduler_send(scheduler *s, scheduler_peer *p, uint32_t type, const ProtobufCMessage *m, buffer *payload, size_t bytes)
{
    uint8_t small[512] = {0}, *head = small;
    if (!p || p->is_over) return;
    const size_t n = m ? protobuf_c_message_get_packed_size(m) : 0;
    if (n > sizeof small) head = mem_alloc(n);
    if (!head) {
        scheduler_reject(s, p, tsr_error_message());
        return;
    }
    if (m) protobuf_c_message_pack(m, head);
    s->ops->send(s->context, p->link, type, head, n, payload, bytes);
    if (head != small) mem_free(head);
}

tsr_status scheduler_pack(const ProtobufCMessage *m, scheduler_packed *out)
{
    out->n = protobuf_c_message_get_packed_size(m);
    out->bytes = mem_alloc(out->n);
    if (!out->bytes) return TSR_ERR_MEMORY;
    protobuf_c_message_pack(m, out->bytes);
    return TSR_OK;
}

void scheduler_send_packed(scheduler *s, scheduler_peer *p, uint32_t type, const scheduler_packed *m, buffer *payload,
                           size_t bytes)
{
    if (p && !p->is_over) s->ops->send(s->context, p->link, type, m->bytes, m->n, payload, bytes);
}

void scheduler_refuse(scheduler *s, scheduler_peer *p, uint64_t job, uint64_t request, tsr_status status, const char *message)
{
    Tessera__Cluster__Refused m = TESSERA__CLUSTER__REFUSED__INIT;
    m.job = job;
    m.request = request;
    m.status = status;
    m.message = (char *)(uintptr_t)(message ? message : "");
    scheduler_send(s, p, SCHEDULER_MESSAGE(REFUSED), &m.base, NULL, 0);
}

void scheduler_done(scheduler *s, scheduler_peer *p, uint64_t request, const char *text)
{
    Tessera__Cluster__Done m = TESSERA__CLUSTER__DONE__INIT;
    m.request = request;
    m.text = (char *)(uintptr_t)text;
    scheduler_send(s, p, SCHEDULER_MESSAGE(DONE), &m.base, NULL, 0);
}

static void record_with(void (*record)(void *context, const journal_record *r, buffer *payload), void *context, journal_kind kind,
                        const ProtobufCMessage *m, buffer *payload, size_t bytes)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *head = mem_alloc(n);
    if (!head) return;
    protobuf_c_message_pack(m, head);
    record(context,
           &(journal_record){
               .kind = kind, .head = head, .head_bytes = n, .payload = payload ? payload->data : NULL, .payload_bytes = bytes},
           payload);
    mem_free(head);
}

void scheduler_record(scheduler *s, journal_kind kind, const ProtobufCMessage *m, buffer *payload, size_t bytes)
{
    if (!s->is_replaying) record_with(s->ops->record, s->context, kind, m, payload, bytes);
}

/* Text in UTF-8 without control characters. */
bool scheduler_text_ok(const char *text, bool may_be_empty)
{
    const size_t n = strlen(text);
    if (n > SCHEDULER_MOST_TEXT || (n == 0 && !may_be_empty)) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127) return false;
    return true;
}

/* ---- Connections --------------------------------------------------------------------------------------------------------- */

scheduler_peer *scheduler_opened(scheduler *s, void *link, const net_peer *peer)
{
    scheduler_peer *p = mem_calloc(1, sizeof *p);
    if (!p) return NULL;
    p->link = link;
    p->role = peer->role;
    p->pid = peer->same_host ? peer->pid : 0;
    p->address = mem_strdup(peer->address ? peer->address : "");
    if (!p->address || !VEC_PUSH(&s->peers, p)) {
        peer_free(p);
        return NULL;
    }
    if (p->role != NET_ROLE_CLIENT) return p;
    p->client = scheduler_client_come(s, p, peer);
    if (!p->client) {
        s->peers.n--;
        peer_free(p);
        return NULL;
    }
    scheduler_tell_workers(s, p);
    return p;
}

void scheduler_closed(scheduler *s, scheduler_peer *p)
{
    const int64_t now_ns = scheduler_now(s);
    for (size_t i = 0; i < s->peers.n; i++) {
        if (s->peers.items[i] != p) continue;
        s->peers.items[i] = s->peers.items[--s->peers.n];
        break;
    }
    if (p->worker) {
        p->worker->peer = NULL;
        p->worker->away_ns = now_ns;
        if (!p->worker->leaves) scheduler_say(s, NET_LOG_INFO, "worker %s is away", scheduler_worker_name(p->worker));
    }
    scheduler_waits_forget(s, p);
    if (p->client) {
        p->client->peer = NULL;
        p->client->away_ns = now_ns;
    }
    peer_free(p);
}

bool scheduler_wants(const scheduler *s, const scheduler_peer *p, uint32_t type, size_t payload_bytes)
{
    return !p->is_over && p->client && type == SCHEDULER_MESSAGE(SUBMIT) && payload_bytes <= SCHEDULER_MOST_BYTES &&
           p->client->bytes <= SCHEDULER_MOST_BYTES - payload_bytes;
}

static void client_message(scheduler *s, scheduler_peer *p, uint32_t type, const uint8_t *head, size_t n, buffer *payload,
                           size_t bytes)
{
    switch (type) {
    case SCHEDULER_MESSAGE(SUBMIT): scheduler_job_submit(s, p, head, n, payload, bytes); break;
    case SCHEDULER_MESSAGE(RELEASE): scheduler_job_release(s, p, head, n); break;
    case SCHEDULER_MESSAGE(PUBLISH): scheduler_job_publish(s, p, head, n); break;
    case SCHEDULER_MESSAGE(LOOKUP): scheduler_job_lookup(s, p, head, n); break;
    case SCHEDULER_MESSAGE(STATUS): scheduler_status_reply(s, p, head, n); break;
    case SCHEDULER_MESSAGE(CONTROL): scheduler_control(s, p, head, n); break;
    case SCHEDULER_MESSAGE(WAIT): scheduler_job_wait(s, p, head, n); break;
    case SCHEDULER_MESSAGE(UNWAIT): scheduler_job_unwait(s, p, head, n); break;
    case SCHEDULER_MESSAGE(WHERE): scheduler_where_reply(s, p, head, n); break;
    default: scheduler_reject(s, p, "a message that clients do not send"); break;
    }
}

static void worker_message(scheduler *s, scheduler_peer *p, uint32_t type, const uint8_t *head, size_t n)
{
    if (type == SCHEDULER_MESSAGE(REGISTER)) {
        scheduler_worker_register(s, p, head, n);
        return;
    }
    if (!p->worker) {
        scheduler_reject(s, p, "a worker that did not say who it is");
        return;
    }
    switch (type) {
    case SCHEDULER_MESSAGE(REPORT): scheduler_worker_report(s, p, head, n); break;
    case SCHEDULER_MESSAGE(BEGINS): scheduler_worker_begins(s, p, head, n); break;
    case SCHEDULER_MESSAGE(FAILED): scheduler_job_failed(s, p, head, n); break;
    case SCHEDULER_MESSAGE(MADE): scheduler_worker_made(s, p, head, n); break;
    case SCHEDULER_MESSAGE(LEAVES): scheduler_workers_retire(s, &p->worker->id, 1); break;
    default: scheduler_reject(s, p, "a message that workers do not send"); break;
    }
}

void scheduler_message(scheduler *s, scheduler_peer *p, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                       size_t payload_bytes)
{
    tsr_error_clear();
    if (p->is_over) return;
    if (p->client)
        client_message(s, p, type, head, head_bytes, payload, payload_bytes);
    else if (p->role == NET_ROLE_WORKER)
        worker_message(s, p, type, head, head_bytes);
    else
        scheduler_reject(s, p, "a scheduler talks to workers and clients");
}

void scheduler_tick(scheduler *s)
{
    const int64_t now_ns = scheduler_now(s);
    scheduler_members_tick(s, now_ns);
    scheduler_jobs_tick(s, now_ns);
    scheduler_balance_tick(s, now_ns);
    scheduler_progress_tick(s);
}

/* ---- The journal ---------------------------------------------------------------------------------------------------------- */

void scheduler_replay(scheduler *s, const journal_record *r)
{
    tsr_status status;
    s->is_replaying = true;
    if (r->kind == JOURNAL_WORKER || r->kind == JOURNAL_LOST)
        status = scheduler_worker_restore(s, r);
    else if (r->kind == JOURNAL_MAP)
        status = scheduler_map_restore(s, r);
    else
        status = scheduler_job_restore(s, r);
    if (status != TSR_OK) scheduler_say(s, NET_LOG_WARNING, "the journal: a record is left out: %s", tsr_error_message());
    s->is_replaying = false;
}

void scheduler_begin(scheduler *s, const char *address)
{
    s->address = address;
    scheduler_jobs_restored(s);
}

typedef struct snapshot {
    void (*record)(void *context, const journal_record *r);
    void *context;
    id_table done; /* jobs that were written */
} snapshot;

static void write_record(void *context, const journal_record *r, buffer *payload)
{
    snapshot *to = context;
    to->record(to->context, r);
}

static void write_map(snapshot *to, const scheduler_job *j)
{
    scheduler_map_message m;
    if (!j->map || scheduler_map_write(j, &m) != TSR_OK) return;
    record_with(write_record, to, JOURNAL_MAP, &m.map.base, NULL, 0);
    mem_free(m.room);
}

/* What a job reads comes before it. */
static void write_job(snapshot *to, scheduler_job *j)
{
    if (!j->order->submit->persists || j->state == SCHEDULER_JOB_FAILED || id_table_find(&to->done, j->id)) return;
    for (size_t i = 0; i < j->reads.n; i++) write_job(to, j->reads.items[i]);
    if (!id_table_put(&to->done, j->id, j)) return;
    record_with(write_record, to, JOURNAL_JOB, &j->order->submit->base, j->order->expressions, j->order->bytes);
    write_map(to, j);
}

void scheduler_snapshot(scheduler *s, void (*record)(void *context, const journal_record *r), void *context)
{
    snapshot to = {.record = record, .context = context};
    size_t at = 0;
    for (size_t i = 0; i < s->ordered.n; i++) {
        const Tessera__Cluster__Register noted = scheduler_worker_noted(s, s->ordered.items[i]);
        record_with(write_record, &to, JOURNAL_WORKER, &noted.base, NULL, 0);
    }
    for (scheduler_job *j; (j = id_table_next(&s->jobs, &at)) != NULL;) write_job(&to, j);
    for (size_t i = 0; i < s->names.n; i++) record_with(write_record, &to, JOURNAL_NAME, &s->names.items[i].said->base, NULL, 0);
    id_table_fini(&to.done);
}
