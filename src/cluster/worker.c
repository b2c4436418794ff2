/* A worker: its parts put together, started and stopped. Who may touch what is said in worker.h.
 *
 * The end: the I/O thread is told to be quiet (it uses no run any more and gives the lanes nothing), the lanes end, runs are
 * closed, the engine's threads end; then nobody is left who uses the net. */
#define _GNU_SOURCE
#include "cluster/worker.h"

#include "array/session.h"
#include "base/forks.h"
#include "base/mem.h"
#include "base/os.h"
#include "cluster/leave.h"
#include "cluster/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 50, RESULTS_BYTES = 64 << 20, RESULTS_SECONDS = 15, IDLE_MS = 3000, IDLE_KEPT_BYTES = 16 << 20 };

void worker_log(const tsr_worker *w, int level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (level >= NET_LOG_INFO) worker_scheduler_note((tsr_worker *)(uintptr_t)w, text);
    if (w->log) w->log(w->log_context, level, text);
}

static void net_says(void *context, net_level level, const char *text) { worker_log(context, (int)level, "%s", text); }

/* ---- the I/O thread's work from other threads ---- */

static void do_told(void *context)
{
    tsr_worker *w = context;
    pthread_mutex_lock(&w->told_lock);
    work *first = work_list_take(&w->told);
    w->posted = false;
    pthread_mutex_unlock(&w->told_lock);
    work_run_all(first);
}

void worker_tell(tsr_worker *w, work *what)
{
    pthread_mutex_lock(&w->told_lock);
    work_list_add(&w->told, what);
    /* Without memory for the message it is the next tick that finds the work. */
    if (!w->posted) w->posted = net_post(w->net, do_told, w) == TSR_OK;
    pthread_mutex_unlock(&w->told_lock);
}

/* ---- messages ---- */

bool worker_send(net_link *l, uint32_t type, const ProtobufCMessage *m, const net_payload *payload)
{
    uint8_t small[512], *head = small;
    const size_t n = protobuf_c_message_get_packed_size(m);
    if (n > sizeof small) head = mem_alloc(n);
    tsr_status status = head ? TSR_OK : TSR_ERR_MEMORY;
    if (head) {
        protobuf_c_message_pack(m, head);
        status = link_send(l, type, head, n, payload);
    }
    if (head != small) mem_free(head);
    /* What cannot be sent is missing on the other side; a new connection begins with nothing missing. */
    if (status != TSR_OK) link_close(l, tsr_error_message());
    return status == TSR_OK;
}

/* ---- connections ---- */

conn *worker_conn_ref(conn *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void worker_conn_unref(conn *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1) return;
    id_table_fini(&c->requests);
    link_unref(c->link);
    mem_free(c);
}

void worker_conn_refuse(conn *c, const char *format, ...)
{
    char text[512];
    va_list args;
    if (c->is_over) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->is_over = true;
    worker_log(c->w, NET_LOG_WARNING, "a connection is closed: %s", text);
    link_close(c->link, text);
}

conn *worker_conn_new(tsr_worker *w, conn_kind kind, net_link *l)
{
    conn *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    atomic_store(&c->refs, 1);
    c->w = w;
    c->kind = kind;
    c->link = l;
    c->next = w->conns;
    c->at = &w->conns;
    if (c->next) c->next->at = &c->next;
    w->conns = c;
    link_set_user(l, c);
    return c;
}

tsr_status worker_conn_dial(tsr_worker *w, conn_kind kind, const char *where, conn **out)
{
    net_link *l;
    TRY(net_connect(w->net, where, &l));
    conn *c = worker_conn_new(w, kind, l);
    if (!c) {
        link_close(l, "no memory");
        link_unref(l);
        return TSR_ERR_MEMORY;
    }
    *out = worker_conn_ref(c);
    return TSR_OK;
}

static void opened(void *context, net_link *l, const net_peer *who)
{
    tsr_worker *w = context;
    conn *c = link_user(l);
    if (worker_tasks_opened(w->tasks, l)) return;
    if (!c) {
        c = worker_conn_new(w, CONN_GUEST, link_ref(l));
        if (!c) {
            link_close(l, "no memory");
            link_unref(l);
            return;
        }
    }
    c->is_open = true;
    if (c->kind == CONN_SCHEDULER) worker_scheduler_opened(w, c);
    if (c->kind == CONN_PEER && who->role != NET_ROLE_WORKER) worker_conn_refuse(c, "at %s is no worker", who->address);
}

static char *place(void *context, net_link *l, const net_message *m, void **token)
{
    tsr_worker *w = context;
    conn *c = link_user(l);
    if (m->type >= TASKS_FIRST_TYPE) return worker_tasks_place(w->tasks, l, m, token);
    if (!c || c->is_over || atomic_load(&w->stopping)) return NULL;
    if (c->kind == CONN_PEER) return worker_peer_place(c, m, token);
    if (c->kind != CONN_SCHEDULER || m->type != MESSAGE(JOB)) return NULL;
    buffer *b = NULL;
    void *data = mem_alloc(m->payload_bytes);
    if (!data || buffer_wrap(data, m->payload_bytes, mem_free, data, &b) != TSR_OK) {
        mem_free(data);
        return NULL;
    }
    *token = b;
    return b->data;
}

static void message(void *context, net_link *l, const net_message *m)
{
    tsr_worker *w = context;
    conn *c = link_user(l);
    if (m->type >= TASKS_FIRST_TYPE) {
        worker_tasks_message(w->tasks, l, m);
        return;
    }
    if (!c || c->is_over || atomic_load(&w->stopping)) {
        buffer_unref(m->token);
        return;
    }
    switch (c->kind) {
    case CONN_SCHEDULER: worker_scheduler_message(w, c, m); break;
    case CONN_PEER: worker_peer_message(c, m); break;
    case CONN_GUEST: worker_guest_message(c, m); break;
    }
}

static void abandoned(void *context, net_link *l, void *token)
{
    if (!worker_tasks_abandoned(((tsr_worker *)context)->tasks, l, token)) buffer_unref(token);
}

static void drained(void *context, net_link *l)
{
    tsr_worker *w = context;
    conn *c = link_user(l);
    if (c && c->kind == CONN_GUEST && !atomic_load(&w->stopping)) worker_guest_drained(c);
}

static void closed(void *context, net_link *l, const char *reason)
{
    conn *c = link_user(l);
    (void)worker_tasks_closed(((tsr_worker *)context)->tasks, l, reason);
    if (!c) return;
    link_set_user(l, NULL);
    c->is_over = true;
    *c->at = c->next;
    if (c->next) c->next->at = c->at;
    switch (c->kind) {
    case CONN_SCHEDULER: worker_scheduler_closed(c->w, c, reason); break;
    case CONN_PEER: worker_peer_closed(c, reason); break;
    case CONN_GUEST: worker_guest_closed(c); break;
    }
    worker_conn_unref(c);
}

static void empty_shared(work *what)
{
    tsr_worker *w = (tsr_worker *)(void *)((char *)what - offsetof(tsr_worker, trim_work));
    net_empty_shared(w->net);
    atomic_store(&w->is_trimming, false);
}

static void trim_pools(work *what)
{
    tsr_worker *w = (tsr_worker *)(void *)((char *)what - offsetof(tsr_worker, trim_work));
    pool_trim(w->session->buffers, IDLE_KEPT_BYTES);
    empty_shared(what);
}

/* Not on this thread, as it takes a while. */
static void trim_later(tsr_worker *w, void (*how)(work *what))
{
    if (atomic_exchange(&w->is_trimming, true)) return;
    w->trim_work.run = how;
    lane_push(w->planning, &w->trim_work);
}

static bool is_shared_too_much(const tsr_worker *w)
{
    const mem_account *shared = engine_account(w->session->engine);
    const size_t idle = atomic_load(&shared->idle_bytes), beside = atomic_load(&shared->beside_bytes);
    return idle > 0 && pool_used_bytes(w->session->buffers) + beside + idle > engine_budget_bytes(w->session->engine);
}

/* Shared memory is kept to be used again, as long as the budget has room for it: else whole segments go, then what lies idle
 * between pieces that are in use. */
static void give_back_shared(tsr_worker *w)
{
    if (!is_shared_too_much(w)) return;
    net_trim_shared(w->net);
    if (is_shared_too_much(w)) trim_later(w, empty_shared);
}

/* A worker that does nothing gives the memory back that it keeps to use again, but for a little. */
static void rest(tsr_worker *w, int64_t now)
{
    const mem_account *shared = engine_account(w->session->engine);
    const size_t used = pool_used_bytes(w->session->buffers); /* of the shared one it shows in what is idle */
    const size_t idle = pool_idle_bytes(w->session->buffers) + atomic_load(&shared->idle_bytes);
    if (used != w->quiet_used_bytes || idle != w->quiet_idle_bytes) {
        w->quiet_used_bytes = used;
        w->quiet_idle_bytes = idle;
        w->quiet_since_ns = now;
    }
    if (idle <= IDLE_KEPT_BYTES || now - w->quiet_since_ns < (int64_t)IDLE_MS * 1000000) return;
    w->quiet_since_ns = now;
    trim_later(w, trim_pools);
}

static void tick(void *context)
{
    tsr_worker *w = context;
    const int64_t now = os_now_ns();
    if (atomic_load(&w->stopping)) return;
    do_told(w);
    worker_scheduler_tick(w, now);
    worker_peers_tick(w, now);
    /* A pause may have come just behind the news that the connection is drained. */
    for (conn *c = w->conns; c; c = c->next)
        if (c->kind == CONN_GUEST && link_queued_bytes(c->link) < w->high_bytes / 4) worker_guest_drained(c);
    give_back_shared(w);
    rest(w, now);
}

/* ---- start ---- */

static tsr_status start_session(tsr_worker *w, const tsr_worker_options *o)
{
    w->session = tsr_session_open(
        NULL,
        &(tsr_options){.n_threads = o->n_threads, .memory_bytes = o->memory_bytes, .scratch_dir = o->scratch_dir, .isa = o->isa});
    if (!w->session) return tsr_error_code();
    w->n_threads = o->n_threads > 0 ? o->n_threads : os_n_cpus();
    TRY(engine_serve(w->session->engine));
    w->is_serving = true;
    TRY(lane_new("tessera-plan", &w->planning));
    return lane_new("tessera-serve", &w->serving);
}

static tsr_status start_tasks(tsr_worker *w, const tsr_worker_options *o)
{
    const worker_tasks_options tasks = {.net = w->net,
                                        .worker = w->id,
                                        .n_threads = w->n_threads,
                                        .memory_bytes = engine_budget_bytes(w->session->engine),
                                        .memory_use = engine_account(w->session->engine),
                                        .scratch_dir = o->scratch_dir,
                                        .runner = o->runner,
                                        .task_folders = o->task_folders,
                                        .log = o->log,
                                        .log_context = o->log_context};
    return worker_tasks_new(&tasks, &w->tasks);
}

static tsr_status start_net(tsr_worker *w, const tsr_worker_options *o)
{
    char listen[ADDRESS_TEXT_BYTES];
    const size_t budget = engine_budget_bytes(w->session->engine);
    w->high_bytes = budget / 8 < WORKER_HIGH_BYTES ? budget / 8 : WORKER_HIGH_BYTES;
    const net_options options = {
        .role = NET_ROLE_WORKER,
        .name = w->name,
        .secret_file = o->security.secret_file,
        .ca_file = o->security.ca_file,
        .cert_file = o->security.cert_file,
        .key_file = o->security.key_file,
        .high_water_bytes = w->high_bytes,
        .low_water_bytes = w->high_bytes / 4,
        .max_shared_bytes = budget / 4,
        .memory_use = engine_account(w->session->engine),
        .handlers =
            {.opened = opened, .place = place, .message = message, .abandoned = abandoned, .drained = drained, .closed = closed},
        .context = w,
        .log = net_says};
    TRY(worker_listen_address(w->scheduler_address, o->listen, listen, sizeof listen));
    TRY(net_open(&options, &w->net));
    TRY(start_tasks(w, o));
    TRY(net_listen(w->net, listen, w->address, sizeof w->address));
    TRY(worker_public_address(w->scheduler_address, w->address, sizeof w->address));
    return net_timer_start(w->net, TICK_MS, tick, w, &w->tick);
}

static tsr_status copy_text(const char *text, char **out)
{
    *out = text ? mem_strdup(text) : NULL;
    return !text || *out ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status copy_options(tsr_worker *w, const tsr_worker_options *o)
{
    char host[200] = "", name[256];
    if (!o->scheduler) return error_set(TSR_ERR_VALUE, "a worker needs the address of its scheduler");
    TRY(address_list_check(o->scheduler));
    TRY(worker_resources_check(o->resources ? o->resources : ""));
    (void)gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "%s-%d", host, (int)getpid());
    w->scheduler_address = mem_strdup(o->scheduler);
    w->n_schedulers = address_list_count(o->scheduler);
    w->name = mem_strdup(o->name ? o->name : name);
    w->resources = mem_strdup(o->resources ? o->resources : "");
    if (o->runner) w->runs = mem_strdup(o->runner->runs ? o->runner->runs : "");
    if (!w->scheduler_address || !w->name || !w->resources || (o->runner && !w->runs)) return TSR_ERR_MEMORY;
    w->log = o->log;
    w->log_context = o->log_context;
    if (o->codec) w->codec = *o->codec;
    w->has_codec = o->codec != NULL;
    TRY(copy_text(o->security.secret_file, &w->secret_file));
    TRY(copy_text(o->security.ca_file, &w->ca_file));
    TRY(copy_text(o->security.cert_file, &w->cert_file));
    TRY(copy_text(o->security.key_file, &w->key_file));
    while (w->id == 0) TRY(secret_random(&w->id, sizeof w->id));
    return TSR_OK;
}

/* Fetched results lie in its shared memory and go as soon as they were used, so it needs no budget. */
tsr_session *worker_open_results(tsr_worker *w)
{
    const tsr_options o = {.n_threads = 1,
                           .memory_bytes = RESULTS_BYTES,
                           .name = w->name,
                           .secret_file = w->secret_file,
                           .ca_file = w->ca_file,
                           .cert_file = w->cert_file,
                           .key_file = w->key_file,
                           .connect_seconds = RESULTS_SECONDS};
    return tsr_session_open(w->scheduler_address, &o);
}

static void dial_first(void *context)
{
    tsr_worker *w = context;
    if (!w->scheduler) worker_scheduler_dial(w);
}

static tsr_status start(tsr_worker *w, const tsr_worker_options *o)
{
    TRY(copy_options(w, o));
    TRY(start_session(w, o));
    TRY(start_net(w, o));
    return net_post(w->net, dial_first, w);
}

tsr_status tsr_worker_start(const tsr_worker_options *options, tsr_worker **out)
{
    *out = NULL;
    tsr_worker *w = mem_calloc(1, sizeof *w);
    if (!w) return TSR_ERR_MEMORY;
    w->forks = forks_count();
    pthread_mutex_init(&w->told_lock, NULL);
    pthread_mutex_init(&w->news_lock, NULL);
    pthread_mutex_init(&w->end_lock, NULL);
    os_cond_init(&w->end_changed);
    work_list_init(&w->told);
    tsr_status status = start(w, options);
    if (status != TSR_OK) {
        char *message = mem_strdup(tsr_error_message());
        tsr_worker_stop(w);
        status = error_set(status, "%s", message ? message : "no memory");
        mem_free(message);
        return status;
    }
    *out = w;
    return TSR_OK;
}

const char *tsr_worker_address(const tsr_worker *worker) { return worker->address; }

bool tsr_worker_wait(tsr_worker *w, double seconds)
{
    const int64_t end = seconds < 0 || seconds > 1e9 ? INT64_MAX : os_now_ns() + (int64_t)(seconds * 1e9);
    pthread_mutex_lock(&w->end_lock);
    for (int64_t now; !w->is_told_to_end && (now = os_now_ns()) < end;)
        os_cond_wait_ns(&w->end_changed, &w->end_lock, end - now < 1000000000 ? end - now : 1000000000);
    const bool told = w->is_told_to_end;
    pthread_mutex_unlock(&w->end_lock);
    return told;
}

static void leave(void *context) { worker_scheduler_leave(context); }

tsr_status worker_leave(tsr_worker *w) { return net_post(w->net, leave, w); }

/* ---- stop ---- */

static void become_quiet(void *context)
{
    tsr_worker *w = context;
    pthread_mutex_lock(&w->end_lock);
    atomic_store(&w->stopping, true);
    w->is_quiet = true;
    pthread_cond_broadcast(&w->end_changed);
    pthread_mutex_unlock(&w->end_lock);
}

static void wait_until_quiet(tsr_worker *w)
{
    while (net_post(w->net, become_quiet, w) != TSR_OK) usleep(1000); /* memory will be there again */
    pthread_mutex_lock(&w->end_lock);
    while (!w->is_quiet) pthread_cond_wait(&w->end_changed, &w->end_lock);
    pthread_mutex_unlock(&w->end_lock);
}

static void close_runs(tsr_worker *w)
{
    size_t at = 0;
    for (job *j; (j = id_table_next(&w->opened, &at)) != NULL;) {
        worker_serve_forget_own(j);
        run_close(j->run);
        worker_job_unref(j);
    }
    id_table_fini(&w->opened);
    if (w->is_serving) engine_serve_stop(w->session->engine);
}

static void free_tables(tsr_worker *w)
{
    size_t at = 0;
    for (job *j; (j = id_table_next(&w->jobs, &at)) != NULL;) {
        worker_asks_forget(j);
        worker_job_unref(j);
    }
    at = 0;
    for (peer *p; (p = id_table_next(&w->peers, &at)) != NULL;) worker_peer_free(p);
    worker_conn_unref(w->scheduler);
    link_unref(w->news_link);
    id_table_fini(&w->jobs);
    id_table_fini(&w->peers);
    id_table_fini(&w->asks);
}

void tsr_worker_stop(tsr_worker *w)
{
    if (!w || w->forks != forks_count()) return;
    if (w->net) wait_until_quiet(w);
    worker_tasks_end(w->tasks);
    lane_free(w->serving);
    lane_free(w->planning);
    close_runs(w);
    net_timer_stop(w->tick);
    net_close(w->net);
    worker_tasks_free(w->tasks);
    do_told(w);
    free_tables(w);
    tsr_session_close(w->session);
    tsr_session_close(w->results); /* the expressions above had futures of it */
    mem_free(w->secret_file);
    mem_free(w->ca_file);
    mem_free(w->cert_file);
    mem_free(w->key_file);
    mem_free(w->scheduler_address);
    mem_free(w->name);
    mem_free(w->runs);
    mem_free(w->resources);
    mem_free(w->no_scheduler);
    pthread_cond_destroy(&w->end_changed);
    pthread_mutex_destroy(&w->end_lock);
    pthread_mutex_destroy(&w->told_lock);
    pthread_mutex_destroy(&w->news_lock);
    mem_free(w);
}
