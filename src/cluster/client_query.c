/* What a client asks of the scheduler besides computing: how the cluster is, to change it, names of persisted arrays.
 *
 * Each request waits in its caller's thread for the answer with its number. A scheduler that is lost meanwhile is asked again
 * when it is back; only what changes the cluster's processes is not, as nobody knows whether it was done. */
#include "cluster/client.h"
#include "cluster/client_parts.h"

#include "array/build.h"
#include "base/os.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

enum { ANSWER_SECONDS = 10, LOOK_MS = 50 };

/* ---- Requests and answers ---------------------------------------------------------------------------------------- */

static query *find(client *c, uint64_t number)
{
    query *q = c->queries;
    while (q && q->request != number) q = q->next;
    return q;
}

bool query_answer(client *c, uint64_t number, uint32_t type, const net_message *m)
{
    query *q = find(c, number);
    if (!q || q->is_done) return false;
    q->answer = mem_alloc(m->head_bytes);
    q->status = q->answer ? TSR_OK : TSR_ERR_MEMORY;
    if (q->answer) memcpy(q->answer, m->head, m->head_bytes);
    q->answer_bytes = m->head_bytes;
    q->answer_type = type;
    q->is_done = true;
    pthread_cond_broadcast(&c->changed);
    return true;
}

bool query_refuse(client *c, uint64_t number, tsr_status status, const char *message)
{
    query *q = find(c, number);
    if (!q || q->is_done) return false;
    q->status = status;
    q->message = mem_strdup(message);
    q->is_done = true;
    pthread_cond_broadcast(&c->changed);
    return true;
}

static void send(client *c, query *q)
{
    q->is_sent = c->is_open;
    client_tell(c, q->type, q->head, q->head_bytes, NULL, 0);
}

void queries_send(client *c)
{
    for (query *q = c->queries; q; q = q->next)
        if (!q->is_done && !q->is_sent) send(c, q);
}

void queries_lost(client *c)
{
    for (query *q = c->queries; q; q = q->next) {
        if (q->is_done || !q->is_sent) continue;
        q->is_sent = false;
        if (q->type == TESSERA__CLUSTER__MESSAGE_TYPE__CONTROL)
            (void)query_refuse(c, q->request, TSR_ERR_IO, "the scheduler has gone before it answered");
    }
}

static uint64_t next_request(client *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t number = c->next_request++;
    pthread_mutex_unlock(&c->lock);
    return number;
}

/* With the lock held. */
static void begin(client *c, query *q)
{
    q->next = c->queries;
    c->queries = q;
    send(c, q);
}

static void end_query(client *c, query *q)
{
    query **at = &c->queries;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
}

/* Sends the request and waits for an answer of that type; seconds < 0: as long as it takes. Takes q->head. The answer is the
 * caller's to mem_free. */
static tsr_status ask(client *c, query *q, double seconds, uint32_t answer_type)
{
    int64_t end = os_now_ns() + (int64_t)(seconds * 1e9);
    if (!q->head) return TSR_ERR_MEMORY;
    pthread_mutex_lock(&c->lock);
    begin(c, q);
    while (!q->is_done && (seconds < 0 || os_now_ns() < end))
        os_cond_wait_ns(&c->changed, &c->lock, seconds < 0 ? 1000000000 : end - os_now_ns());
    end_query(c, q);
    bool is_open = c->is_open;
    pthread_mutex_unlock(&c->lock);
    tsr_status status = q->status;
    if (!q->is_done) {
        status = error_set(TSR_ERR_IO, "cluster at %s: %s %d s", c->address,
                           is_open ? "the scheduler has not answered in" : "there has been no scheduler for", (int)seconds);
    } else if (status == TSR_ERR_MEMORY && !q->message) {
        status = error_memory(q->answer_bytes);
    } else if (status != TSR_OK) {
        status = error_set(status, "%s", q->message ? q->message : "out of memory");
    } else if (q->answer_type != answer_type) {
        status = error_set(TSR_ERR_FORMAT, "cluster at %s: the scheduler's answer is of another kind", c->address);
    }
    if (status != TSR_OK) {
        mem_free(q->answer);
        q->answer = NULL;
    }
    mem_free(q->message);
    mem_free(q->head);
    return status;
}

/* Packs a message of a kind into q->head. */
#define PACK(kind, q, m)                                                                                                         \
    do {                                                                                                                         \
        (q)->head_bytes = tessera__cluster__##kind##__get_packed_size(m);                                                        \
        (q)->head = mem_alloc((q)->head_bytes);                                                                                  \
        if ((q)->head) tessera__cluster__##kind##__pack(m, (q)->head);                                                           \
    } while (0)

/* ---- Status ------------------------------------------------------------------------------------------------------ */

static void add_text(strbuf *out, const char *text)
{
    strbuf_add(out, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int n = utf8_length(p);
        if (n == 0 || *p < 0x20 || *p == 0x7f) {
            strbuf_printf(out, "\\u%04x", *p);
        } else if (*p == '"' || *p == '\\') {
            strbuf_printf(out, "\\%c", *p);
        } else {
            strbuf_addn(out, (const char *)p, (size_t)n);
        }
        p += n ? n : 1;
    }
    strbuf_add(out, "\"");
}

static void add_field(strbuf *out, const char *name, const char *text)
{
    strbuf_printf(out, ", \"%s\": ", name);
    add_text(out, text);
}

static void add_number(strbuf *out, const char *name, uint64_t number) { strbuf_printf(out, ", \"%s\": %" PRIu64, name, number); }

static void add_worker(strbuf *out, const Tessera__Cluster__WorkerStatus *w)
{
    static const Tessera__Cluster__Report none = TESSERA__CLUSTER__REPORT__INIT;
    const Tessera__Cluster__Report *r = w->report ? w->report : &none;
    strbuf_printf(out, "{\"id\": \"%016" PRIx64 "\"", w->id);
    add_field(out, "name", w->name);
    add_field(out, "address", w->address);
    add_field(out, "host", w->host);
    add_number(out, "threads", w->threads);
    add_number(out, "memory_bytes", w->memory_bytes);
    add_number(out, "memory_used_bytes", r->memory_used_bytes);
    add_number(out, "spilled_bytes", r->spilled_bytes);
    add_number(out, "tasks_done", r->tasks_done);
    add_number(out, "bytes_read", r->bytes_read);
    add_number(out, "bytes_in", r->bytes_in);
    add_number(out, "bytes_out", r->bytes_out);
    strbuf_add(out, "}");
}

static void add_job(strbuf *out, const Tessera__Cluster__JobStatus *j)
{
    strbuf_printf(out, "{\"job\": \"%016" PRIx64 "\"", j->job);
    add_field(out, "client", j->client);
    add_field(out, "name", j->name);
    strbuf_printf(out, ", \"persists\": %s, \"held\": %s", j->persists ? "true" : "false", j->held ? "true" : "false");
    add_number(out, "tasks_done", j->tasks_done);
    add_number(out, "tasks_total", j->tasks_total);
    add_number(out, "bytes", j->bytes);
    strbuf_add(out, ", \"stages\": [");
    for (size_t i = 0; i < j->n_stages; i++) {
        strbuf_add(out, i ? ", {\"name\": " : "{\"name\": ");
        add_text(out, j->stages[i]->name);
        add_number(out, "tasks_done", j->stages[i]->tasks_done);
        add_number(out, "tasks_total", j->stages[i]->tasks_total);
        strbuf_add(out, "}");
    }
    strbuf_add(out, "]}");
}

static tsr_status get_status(client *c, bool logs, Tessera__Cluster__StatusReply **out)
{
    query q = {.request = next_request(c), .type = TESSERA__CLUSTER__MESSAGE_TYPE__STATUS};
    Tessera__Cluster__StatusRequest m = TESSERA__CLUSTER__STATUS_REQUEST__INIT;
    m.request = q.request;
    m.logs = logs;
    PACK(status_request, &q, &m);
    TRY(ask(c, &q, ANSWER_SECONDS, TESSERA__CLUSTER__MESSAGE_TYPE__STATUS_REPLY));
    *out = tessera__cluster__status_reply__unpack(NULL, q.answer_bytes, q.answer);
    mem_free(q.answer);
    return *out ? TSR_OK : error_set(TSR_ERR_FORMAT, "cluster at %s: the scheduler's status does not read", c->address);
}

char *tsr_cluster_status(tsr_session *session)
{
    client *c = client_of(session);
    Tessera__Cluster__StatusReply *r;
    strbuf out = {0};
    if (!c || get_status(c, false, &r) != TSR_OK) return NULL;
    strbuf_add(&out, "{\"address\": ");
    add_text(&out, r->address);
    add_field(&out, "version", r->version);
    strbuf_printf(&out, ", \"uptime_seconds\": %.3f", r->uptime_seconds);
    add_number(&out, "clients", r->clients);
    strbuf_add(&out, ", \"workers\": [");
    for (size_t i = 0; i < r->n_workers; i++) {
        if (i) strbuf_add(&out, ", ");
        add_worker(&out, r->workers[i]);
    }
    strbuf_add(&out, "], \"jobs\": [");
    for (size_t i = 0; i < r->n_jobs; i++) {
        if (i) strbuf_add(&out, ", ");
        add_job(&out, r->jobs[i]);
    }
    strbuf_add(&out, "]}");
    tessera__cluster__status_reply__free_unpacked(r, NULL);
    return strbuf_take(&out);
}

static void add_lines(strbuf *out, size_t n, char *const *lines)
{
    strbuf_add(out, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) strbuf_add(out, ", ");
        add_text(out, lines[i]);
    }
    strbuf_add(out, "]");
}

char *client_logs(tsr_session *session)
{
    client *c = client_of(session);
    Tessera__Cluster__StatusReply *r;
    strbuf out = {0};
    if (!c || get_status(c, true, &r) != TSR_OK) return NULL;
    strbuf_add(&out, "{\"scheduler\": ");
    add_lines(&out, r->n_log, r->log);
    strbuf_add(&out, ", \"workers\": {");
    for (size_t i = 0; i < r->n_workers; i++) {
        if (i) strbuf_add(&out, ", ");
        add_text(&out, r->workers[i]->address);
        strbuf_add(&out, ": ");
        add_lines(&out, r->workers[i]->n_log, r->workers[i]->log);
    }
    strbuf_add(&out, "}}");
    tessera__cluster__status_reply__free_unpacked(r, NULL);
    return strbuf_take(&out);
}

tsr_status tsr_cluster_wait_for_workers(tsr_session *session, int n, double seconds)
{
    client *c = client_of(session);
    int64_t end = os_now_ns() + (int64_t)(seconds * 1e9);
    if (!c) return tsr_error_code();
    for (;;) {
        Tessera__Cluster__StatusReply *r;
        TRY(get_status(c, false, &r));
        size_t there = r->n_workers;
        tessera__cluster__status_reply__free_unpacked(r, NULL);
        if (n <= 0 || there >= (size_t)n) return TSR_OK;
        if (seconds >= 0 && os_now_ns() >= end) {
            return error_set(TSR_ERR_TIMEOUT, "cluster at %s: %zu of %d workers after %.1f s", c->address, there, n, seconds);
        }
        pthread_mutex_lock(&c->lock);
        os_cond_wait_ns(&c->changed, &c->lock, (int64_t)LOOK_MS * 1000000);
        pthread_mutex_unlock(&c->lock);
    }
}

tsr_status tsr_cluster_control(tsr_session *session, const char *what, int n, const char *const *workers)
{
    client *c = client_of(session);
    if (!c) return tsr_error_code();
    query q = {.request = next_request(c), .type = TESSERA__CLUSTER__MESSAGE_TYPE__CONTROL};
    Tessera__Cluster__Control m = TESSERA__CLUSTER__CONTROL__INIT;
    m.request = q.request;
    m.what = (char *)(uintptr_t)what;
    m.n_workers = (size_t)(n > 0 ? n : 0);
    m.workers = (char **)(uintptr_t)workers;
    PACK(control, &q, &m);
    tsr_status status = ask(c, &q, -1, TESSERA__CLUSTER__MESSAGE_TYPE__DONE);
    mem_free(q.answer);
    /* It may have ended before its answer was on the way. */
    if (status == TSR_ERR_IO && strcmp(what, "stop") == 0) return TSR_OK;
    return status;
}

/* ---- Waiting for persisted arrays ---------------------------------------------------------------------------------------- */

/* Jobs that somebody waits for; the caller's arrays keep them alive. */
typedef struct waiting {
    client *c;
    VEC(job *) jobs;
    int64_t started_ns, report_ns;
} waiting;

/* Why its blocks will not come, if that is known. The lock is held. */
static tsr_status failure_of(const remote_set *set)
{
    return set->of->status == TSR_OK ? TSR_OK
                                     : error_set(set->of->status, "%s", set->of->message ? set->of->message : "out of memory");
}

/* Each once; the first that has failed already is the answer. */
static tsr_status list_jobs(waiting *w, size_t n, block_set *const *sets)
{
    for (size_t i = 0; i < n; i++) {
        const remote_set *set = remote_set_from(sets[i]);
        bool is_known = !set;
        if (set) TRY(failure_of(set));
        for (size_t k = 0; k < w->jobs.n && !is_known; k++) is_known = w->jobs.items[k] == set->of;
        if (!is_known && !VEC_PUSH(&w->jobs, set->of)) return TSR_ERR_MEMORY;
    }
    return TSR_OK;
}

static tsr_status pack_wait(client *c, const waiting *w, bool at_once, query *q)
{
    Tessera__Cluster__Wait m = TESSERA__CLUSTER__WAIT__INIT;
    uint64_t *numbers = mem_alloc(sizeof *numbers * (w->jobs.n + 1));
    if (!numbers) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < w->jobs.n; i++) numbers[i] = w->jobs.items[i]->number;
    m.request = q->request;
    m.jobs = numbers;
    m.n_jobs = w->jobs.n;
    m.at_once = at_once;
    m.progress = engine_progress_interval_ms(c->session->engine) > 0;
    PACK(wait, q, &m);
    mem_free(numbers);
    return q->head ? TSR_OK : TSR_ERR_MEMORY;
}

/* The lock is held, and given up meanwhile. */
static void report_wait(waiting *w, bool at_end)
{
    tsr_progress p = {.stage = "persist", .seconds = (double)(os_now_ns() - w->started_ns) / 1e9};
    for (size_t i = 0; i < w->jobs.n; i++) {
        p.tasks_done += w->jobs.items[i]->tasks_done;
        p.tasks_total += w->jobs.items[i]->tasks_total;
        p.bytes_read += w->jobs.items[i]->bytes_read;
    }
    if (at_end) p.tasks_done = p.tasks_total;
    p.fraction = at_end ? 1.0 : p.tasks_total > 0 ? (double)p.tasks_done / (double)p.tasks_total : 0.0;
    pthread_mutex_unlock(&w->c->lock);
    engine_report_wait(w->c->session->engine, &p);
    pthread_mutex_lock(&w->c->lock);
}

/* Until the answer is there; false: somebody cancelled, or the time is over. The lock is held. */
static bool watch_wait(waiting *w, const query *q, double seconds)
{
    client *c = w->c;
    engine *e = c->session->engine;
    const int n_cancels = engine_n_cancels(e), interval_ms = engine_progress_interval_ms(e);
    const int64_t until = seconds < 0 || seconds > 1e9 ? INT64_MAX : w->started_ns + (int64_t)(seconds * 1e9);
    int64_t now;
    while (!q->is_done && engine_n_cancels(e) == n_cancels && (now = os_now_ns()) < until) {
        if (interval_ms > 0 && now >= w->report_ns) {
            w->report_ns = now + (int64_t)interval_ms * 1000000;
            report_wait(w, false);
            continue;
        }
        os_cond_wait_ns(&c->changed, &c->lock, until - now < ENGINE_LOOK_NS ? until - now : ENGINE_LOOK_NS);
    }
    if (q->is_done && q->status == TSR_OK && interval_ms > 0) report_wait(w, true);
    if (!q->is_done && engine_n_cancels(e) != n_cancels)
        (void)error_set(TSR_ERR_CANCELLED, "cancelled");
    else if (!q->is_done)
        (void)error_set(TSR_ERR_TIMEOUT, "the persisted arrays were not there after %.1f s", seconds);
    return q->is_done;
}

static void give_up(client *c, uint64_t number)
{
    Tessera__Cluster__Request m = TESSERA__CLUSTER__REQUEST__INIT;
    uint8_t head[16];
    m.request = number;
    client_tell(c, TESSERA__CLUSTER__MESSAGE_TYPE__UNWAIT, head, tessera__cluster__request__pack(&m, head), NULL, 0);
}

tsr_status query_wait(remote_engine *r, size_t n, block_set *const *sets, double seconds)
{
    client *c = (client *)r;
    waiting w = {.c = c, .started_ns = os_now_ns()};
    query q = {.request = next_request(c), .type = TESSERA__CLUSTER__MESSAGE_TYPE__WAIT};
    tsr_status status;
    pthread_mutex_lock(&c->lock);
    GUARD(list_jobs(&w, n, sets));
    GUARD(pack_wait(c, &w, seconds == 0, &q));
    begin(c, &q);
    const bool is_answered = watch_wait(&w, &q, seconds == 0 ? ANSWER_SECONDS : seconds);
    if (!is_answered) give_up(c, q.request);
    end_query(c, &q);
    status = !is_answered         ? tsr_error_code()
             : q.status == TSR_OK ? TSR_OK
             : q.message == NULL  ? error_memory(0)
                                  : error_set(q.status, "%s", q.message);
done:
    pthread_mutex_unlock(&c->lock);
    mem_free(q.message);
    mem_free(q.answer);
    mem_free(q.head);
    VEC_FINI(&w.jobs);
    return status;
}

/* ---- Where blocks are ----------------------------------------------------------------------------------------------------- */

enum { MOST_ASKED = 256 /* arrays in one request */ };

static void add_chunks(strbuf *out, const grid *g)
{
    strbuf_add(out, ", \"chunks\": [");
    for (int d = 0; d < g->ndim; d++) {
        strbuf_add(out, d ? ", [" : "[");
        for (int64_t b = 0; b < g->axes[d].n_blocks; b++)
            strbuf_printf(out, "%s%lld", b ? ", " : "", (long long)axis_grid_count(&g->axes[d], b));
        strbuf_add(out, "]");
    }
    strbuf_add(out, "]");
}

/* The ranges of one array, of n_blocks blocks. TSR_ERR_FORMAT: they make no sense. */
static tsr_status add_owners(strbuf *out, const Tessera__Cluster__JobBlocks *m, const Tessera__Cluster__BlockRanges *r,
                             uint64_t n_blocks)
{
    const char *separator = "";
    strbuf_add(out, ", \"owners\": [");
    for (size_t i = 0; r && i < r->n_first; i++) {
        const uint64_t first = r->first[i], end = i + 1 < r->n_first ? r->first[i + 1] : n_blocks;
        if (r->n_owner != r->n_first || r->owner[i] >= m->n_owners || first > end || end > n_blocks)
            return error_set(TSR_ERR_FORMAT, "what the scheduler says of a persisted array's blocks makes no sense");
        const Tessera__Cluster__Owner *o = m->owners[r->owner[i]];
        if (first == end || !o->address[0]) continue;
        strbuf_printf(out, "%s{\"there\": %s", separator, o->made ? "true" : "false");
        add_field(out, "address", o->address);
        add_number(out, "first", first);
        add_number(out, "count", end - first);
        strbuf_add(out, "}");
        separator = ", ";
    }
    strbuf_add(out, "]}");
    return TSR_OK;
}

static tsr_status add_array(strbuf *out, const remote_set *s, const Tessera__Cluster__JobBlocks *m)
{
    uint64_t n_blocks = 1;
    for (int d = 0; d < s->stored.ndim; d++) n_blocks *= (uint64_t)s->stored.axes[d].n_blocks;
    if (m->job != s->of->number) return error_set(TSR_ERR_FORMAT, "the scheduler has answered for other jobs");
    strbuf_printf(out, "{\"job\": \"%016" PRIx64 "\", \"root\": %u", s->of->number, s->root);
    add_field(out, "dtype", tsr_dtype_name(s->dtype));
    add_chunks(out, &s->stored);
    return add_owners(out, m, s->root < m->n_roots ? m->roots[s->root] : NULL, n_blocks);
}

/* At most MOST_ASKED sets. */
static tsr_status ask_where(client *c, size_t n, remote_set *const *sets, const char *separator, strbuf *out)
{
    uint64_t jobs[MOST_ASKED];
    query q = {.request = next_request(c), .type = TESSERA__CLUSTER__MESSAGE_TYPE__WHERE};
    Tessera__Cluster__Where m = TESSERA__CLUSTER__WHERE__INIT;
    for (size_t i = 0; i < n; i++) jobs[i] = sets[i]->of->number;
    m.request = q.request;
    m.jobs = jobs;
    m.n_jobs = n;
    PACK(where, &q, &m);
    TRY(ask(c, &q, ANSWER_SECONDS, TESSERA__CLUSTER__MESSAGE_TYPE__BLOCKS));
    Tessera__Cluster__Blocks *r = tessera__cluster__blocks__unpack(NULL, q.answer_bytes, q.answer);
    tsr_status status = TSR_OK;
    mem_free(q.answer);
    if (!r || r->n_jobs != n)
        status = error_set(TSR_ERR_FORMAT, "cluster at %s: the scheduler's answer does not read", c->address);
    for (size_t i = 0; i < n && status == TSR_OK; i++) {
        strbuf_add(out, i ? ", " : separator);
        status = add_array(out, sets[i], r->jobs[i]);
    }
    if (r) tessera__cluster__blocks__free_unpacked(r, NULL);
    return status;
}

typedef VEC(remote_set *) set_list;

/* Those of the arrays, or all there are; with a reference each. */
static tsr_status list_sets(client *c, int n, tsr_array *const *arrays, set_list *out)
{
    tsr_status status = TSR_OK;
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < n && status == TSR_OK; i++) {
        remote_set *s = arrays[i] && arrays[i]->session == c->session ? remote_set_of(arrays[i]) : NULL;
        if (!s) {
            status = error_set(TSR_ERR_VALUE, "array %d is not a persisted one of this session; persist it first", i);
        } else if (!VEC_PUSH(out, s)) {
            status = TSR_ERR_MEMORY;
        } else {
            atomic_fetch_add(&s->base.refs, 1);
        }
    }
    for (remote_set *s = c->sets; s && n == 0 && status == TSR_OK; s = s->next) {
        if (!VEC_PUSH(out, s)) {
            status = TSR_ERR_MEMORY;
        } else {
            atomic_fetch_add(&s->base.refs, 1);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

char *tsr_cluster_blocks(tsr_session *session, int n, tsr_array *const *arrays)
{
    client *c = client_of(session);
    set_list sets = {0};
    strbuf out = {0};
    if (!c) return NULL;
    tsr_status status = list_sets(c, n, arrays, &sets);
    strbuf_add(&out, "[");
    for (size_t i = 0; i < sets.n && status == TSR_OK; i += MOST_ASKED)
        status = ask_where(c, sets.n - i < MOST_ASKED ? sets.n - i : MOST_ASKED, sets.items + i, i ? ", " : "", &out);
    strbuf_add(&out, "]");
    for (size_t i = 0; i < sets.n; i++) sets.items[i]->base.ops->unref(&sets.items[i]->base);
    VEC_FINI(&sets);
    if (status == TSR_OK) return strbuf_take(&out);
    strbuf_fini(&out);
    return NULL;
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

typedef Tessera__Cluster__Axis message_axis;

static void describe_grid(const grid *g, message_axis *items, message_axis **list)
{
    for (int d = 0; d < g->ndim; d++) {
        const axis_grid *a = &g->axes[d];
        items[d] = (message_axis)TESSERA__CLUSTER__AXIS__INIT;
        items[d].length = a->length;
        items[d].chunk = a->edges ? 0 : a->chunk;
        items[d].phase = a->edges ? 0 : a->phase;
        items[d].n_edges = a->edges ? (size_t)a->n_blocks + 1 : 0;
        items[d].edges = (int64_t *)(uintptr_t)a->edges;
        list[d] = &items[d];
    }
}

/* HeldArray, packed; the caller's to mem_free. */
static uint8_t *describe(const tsr_array *a, const remote_set *s, size_t *bytes)
{
    message_axis items[2 * TSR_MAX_NDIM], *list[2 * TSR_MAX_NDIM];
    Tessera__Cluster__HeldArray m = TESSERA__CLUSTER__HELD_ARRAY__INIT;
    describe_grid(&a->grid, items, list);
    describe_grid(&s->stored, items + a->ndim, list + a->ndim);
    m.dtype = (char *)(uintptr_t)tsr_dtype_name(a->dtype);
    m.n_chunks = m.n_stored = (size_t)a->ndim;
    m.chunks = list;
    m.stored = list + a->ndim;
    *bytes = tessera__cluster__held_array__get_packed_size(&m);
    uint8_t *out = mem_alloc(*bytes);
    if (out) tessera__cluster__held_array__pack(&m, out);
    return out;
}

static tsr_status send_name(client *c, Tessera__Cluster__Name *m, uint32_t type, uint32_t answer, query *q)
{
    *q = (query){.request = next_request(c), .type = type};
    m->request = q->request;
    PACK(name, q, m);
    return ask(c, q, ANSWER_SECONDS, answer);
}

tsr_status tsr_cluster_publish(tsr_session *session, const char *name, tsr_array *array)
{
    client *c = client_of(session);
    Tessera__Cluster__Name m = TESSERA__CLUSTER__NAME__INIT;
    query q;
    const remote_set *s = NULL;
    if (!c) return tsr_error_code();
    if (!name || !*name) return error_set(TSR_ERR_VALUE, "publish: the name is empty");
    m.name = (char *)(uintptr_t)name;
    if (array) {
        s = array->session == session ? remote_set_of(array) : NULL;
        if (!s) return error_set(TSR_ERR_VALUE, "publish: '%s' is not a persisted array of this session; persist it first", name);
        m.job = s->of->number;
        m.root = s->root;
        m.persists = true;
        m.array.data = describe(array, s, &m.array.len);
        if (!m.array.data) return TSR_ERR_MEMORY;
    }
    tsr_status status = send_name(c, &m, TESSERA__CLUSTER__MESSAGE_TYPE__PUBLISH, TESSERA__CLUSTER__MESSAGE_TYPE__DONE, &q);
    mem_free(m.array.data);
    mem_free(q.answer);
    if (status != TSR_OK && s) { /* the scheduler forgets at once what reads something that failed */
        pthread_mutex_lock(&c->lock);
        tsr_status failed = failure_of(s);
        pthread_mutex_unlock(&c->lock);
        if (failed != TSR_OK) return failed;
    }
    return status;
}

static bool read_axis(const message_axis *m, axis_grid *out)
{
    if (m->length < 0 || m->length > INT64_MAX / 4) return false;
    if (m->n_edges == 0) {
        bool is_empty = m->length == 0 && m->chunk == 0;
        if (!is_empty && (m->chunk < 1 || m->chunk > INT64_MAX / 4 || m->phase < 0 || m->phase > INT64_MAX / 4)) return false;
        *out = m->phase ? axis_grid_phased(m->length, m->chunk, m->phase) : axis_grid_regular(m->length, m->chunk);
        return true;
    }
    if (m->n_edges < 2 || m->edges[0] != 0 || m->edges[m->n_edges - 1] != m->length) return false;
    for (size_t i = 1; i < m->n_edges; i++)
        if (m->edges[i] <= m->edges[i - 1] && (m->length > 0 || m->n_edges > 2)) return false;
    *out = axis_grid_edges((int64_t)m->n_edges - 1, m->edges);
    return true;
}

static bool read_grid(size_t n, message_axis *const *axes, grid *out)
{
    out->ndim = (int)n;
    for (size_t d = 0; d < n; d++)
        if (!read_axis(axes[d], &out->axes[d])) return false;
    return true;
}

/* The node and how its blocks lie; their edges stay the message's. */
static bool read_held(const Tessera__Cluster__HeldArray *m, tsr_array *node, grid *stored)
{
    if (m->n_chunks > TSR_MAX_NDIM || m->n_stored != m->n_chunks) return false;
    if (tsr_dtype_parse(m->dtype, &node->dtype) != TSR_OK) return false;
    if (!read_grid(m->n_chunks, m->chunks, &node->grid) || !read_grid(m->n_stored, m->stored, stored)) return false;
    node->ndim = (int)m->n_chunks;
    for (int d = 0; d < node->ndim; d++) {
        node->shape[d] = node->grid.axes[d].length;
        if (stored->axes[d].length != node->shape[d]) return false;
    }
    return true;
}

static tsr_array *held_array(client *c, const char *name, const Tessera__Cluster__Name *m)
{
    tsr_array node = {.op = NODE_BLOCKS, .session = c->session};
    grid stored;
    Tessera__Cluster__HeldArray *h = tessera__cluster__held_array__unpack(NULL, m->array.len, m->array.data);
    remote_set *set = NULL;
    job *j;
    if (!h || m->job == 0 || !read_held(h, &node, &stored)) {
        if (h) tessera__cluster__held_array__free_unpacked(h, NULL);
        (void)error_set(TSR_ERR_FORMAT, "cluster at %s: what was published as '%s' does not read", c->address, name);
        return NULL;
    }
    pthread_mutex_lock(&c->lock);
    tsr_status status = job_share(c, m->job, &j);
    if (status == TSR_OK) {
        status = remote_set_new(j, m->root, node.dtype, &stored, &set);
        job_leave(j); /* the set uses it now */
    }
    pthread_mutex_unlock(&c->lock);
    if (status == TSR_OK) {
        node.p.blocks.set = &set->base;
        node.p.blocks.stored = &set->stored;
        status = node_check(&node);
        if (status != TSR_OK) set->base.ops->unref(&set->base);
    }
    tsr_array *result = status == TSR_OK ? node_make(c->session, &node) : NULL;
    tessera__cluster__held_array__free_unpacked(h, NULL);
    return result;
}

tsr_array *tsr_cluster_published(tsr_session *session, const char *name)
{
    client *c = client_of(session);
    Tessera__Cluster__Name m = TESSERA__CLUSTER__NAME__INIT;
    query q;
    if (!c) return NULL;
    if (!name || !*name) {
        (void)error_set(TSR_ERR_VALUE, "published: the name is empty");
        return NULL;
    }
    m.name = (char *)(uintptr_t)name;
    if (send_name(c, &m, TESSERA__CLUSTER__MESSAGE_TYPE__LOOKUP, TESSERA__CLUSTER__MESSAGE_TYPE__NAMED, &q) != TSR_OK)
        return NULL;
    Tessera__Cluster__Name *found = tessera__cluster__name__unpack(NULL, q.answer_bytes, q.answer);
    mem_free(q.answer);
    if (!found) {
        (void)error_set(TSR_ERR_FORMAT, "cluster at %s: the scheduler's answer does not read", c->address);
        return NULL;
    }
    tsr_array *result = held_array(c, name, found);
    tessera__cluster__name__free_unpacked(found, NULL);
    return result;
}
