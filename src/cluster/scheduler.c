/* The scheduler's process: scheduler.h on a net, with threads that plan and a journal.
 *
 * The I/O thread has the scheduler's state to itself. Threads that plan take requests from a queue, whose lock guards nothing
 * else, and post them back. The journal is read before the first peer is let in. */
#include "cluster/scheduler.h"

#include "base/forks.h"
#include "base/os.h"
#include "cluster/address.h"
#include "cluster/tasks_hooks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { N_PLANNERS = 2, TICK_MS = 100, PLANNER_MEMORY_BYTES = 64 << 20 };
/* A process of this host whose connection has ended is looked for so often, for a while: its sockets go just before it does. */
enum { LOOK_MS = 5, MOST_LOOKS = 40 };
#define DEFAULT_LISTEN "tcp://127.0.0.1:8786"
#define JOURNAL_GROWTH_BYTES ((size_t)32 << 20)

struct tsr_scheduler {
    unsigned forks; /* forks_count() of the process that started it */
    net *n;
    scheduler *core;
    scheduler_tasks *tasks;
    journal *journal;
    net_timer *timer;
    net_timer *looks; /* for processes that may have ended; NULL: nobody does */
    int n_looks;
    size_t renew_at, renewed_at; /* bytes of the journal: to write it anew at; when that was begun last */
    bool renews;
    atomic_bool is_recorded; /* the I/O thread is about to look what the journal has written */
    char address[ADDRESS_TEXT_BYTES];
    tsr_log_callback log;
    void *log_context;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended; /* is_asked has changed */
    pthread_cond_t work;  /* there is something to plan, or planners are to end */
    bool is_asked, is_over;
    scheduler_planning *first, **last;

    int n_planners;
    struct planner {
        tsr_scheduler *s;
        tsr_session *session;
        pthread_t thread;
    } planners[N_PLANNERS];
};

static void say(tsr_scheduler *s, net_level level, const char *text)
{
    if (s->log) s->log(s->log_context, (int)level, text);
}

/* ---- What the scheduler wants of its surroundings: on the I/O thread ----------------------------------------------------- */

static void send_message(void *context, void *link, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                         size_t bytes)
{
    const net_payload p = {.buf = payload, .data = payload ? payload->data : NULL, .bytes = bytes};
    if (link_send(link, type, head, head_bytes, payload ? &p : NULL) != TSR_OK) link_close(link, tsr_error_message());
}

static void close_link(void *context, void *link, const char *reason) { link_close(link, reason); }

static void queue_plan(void *context, scheduler_planning *request)
{
    tsr_scheduler *s = context;
    request->next = NULL;
    pthread_mutex_lock(&s->lock);
    *s->last = request;
    s->last = &request->next;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

static void record(void *context, const journal_record *r, buffer *payload)
{
    tsr_scheduler *s = context;
    if (s->journal) (void)journal_append(s->journal, r, payload);
}

static uint64_t record_shared(void *context, const journal_record *r, buffer *payload)
{
    return journal_append(((tsr_scheduler *)context)->journal, r, payload);
}

static void take_recorded(void *context)
{
    tsr_scheduler *s = context;
    atomic_store(&s->is_recorded, false);
    scheduler_tasks_recorded(s->tasks, journal_written(s->journal));
}

/* On the thread of the journal. */
static void recorded(void *context)
{
    tsr_scheduler *s = context;
    pthread_mutex_lock(&s->lock);
    if (!s->is_over && !atomic_exchange(&s->is_recorded, true) && net_post(s->n, take_recorded, s) != TSR_OK)
        atomic_store(&s->is_recorded, false);
    pthread_mutex_unlock(&s->lock);
}

static int64_t now_ns(void *context) { return os_now_ns(); }
static bool is_gone(void *context, int64_t pid) { return os_process_is_gone(pid); }
static void log_text(void *context, net_level level, const char *text) { say(context, level, text); }

static void ask_to_end(void *context)
{
    tsr_scheduler *s = context;
    pthread_mutex_lock(&s->lock);
    s->is_asked = true;
    pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->lock);
}

static void restart(void *context) { scheduler_tasks_restart(((tsr_scheduler *)context)->tasks); }

static void joined(void *context, void *link, const Tessera__Cluster__Register *worker)
{
    tsr_scheduler *s = context;
    const size_t n = worker->n_resources;
    const char **names = mem_alloc(n * sizeof *names);
    double *amounts = mem_alloc(n * sizeof *amounts);
    for (size_t i = 0; names && amounts && i < n; i++) {
        names[i] = worker->resources[i]->name;
        amounts[i] = worker->resources[i]->amount;
    }
    if (names && amounts) {
        scheduler_tasks_worker_joined(s->tasks, link,
                                      &(scheduler_tasks_worker){.id = worker->worker,
                                                                .name = worker->name,
                                                                .address = worker->address,
                                                                .runs = worker->runs,
                                                                .n_threads = (int)worker->threads,
                                                                .memory_bytes = worker->memory_bytes,
                                                                .n_resources = (int)n,
                                                                .resource_names = names,
                                                                .resource_amounts = amounts});
    } else {
        link_close(link, tsr_error_message());
    }
    mem_free(names);
    mem_free(amounts);
}

static void tasks_retired(void *context, net_link *l)
{
    tsr_scheduler *s = context;
    scheduler_peer *p = link_user(l);
    if (p) scheduler_retired(s->core, p);
}

static void retire(void *context, void *link)
{
    tsr_scheduler *s = context;
    scheduler_tasks_retire(s->tasks, link, tasks_retired, s);
}

static const scheduler_ops ops = {.send = send_message,
                                  .close = close_link,
                                  .plan = queue_plan,
                                  .record = record,
                                  .now_ns = now_ns,
                                  .is_gone = is_gone,
                                  .log = log_text,
                                  .stop = ask_to_end,
                                  .restart = restart,
                                  .joined = joined,
                                  .retire = retire};

/* ---- Threads that plan ------------------------------------------------------------------------------------------------------
 */

typedef struct planned {
    tsr_scheduler *s;
    scheduler_planning *request;
} planned;

static void take_plan(void *context)
{
    planned *p = context;
    scheduler_planned(p->s->core, p->request);
    mem_free(p);
}

static scheduler_planning *next_plan(tsr_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->is_over) pthread_cond_wait(&s->work, &s->lock);
    scheduler_planning *r = s->is_over ? NULL : s->first;
    if (r) s->first = r->next;
    if (!s->first) s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void *plan_requests(void *context)
{
    struct planner *self = context;
    tsr_scheduler *s = self->s;
    for (scheduler_planning *r; (r = next_plan(s)) != NULL;) {
        planned *p = mem_alloc(sizeof *p);
        scheduler_plan(self->session, r);
        if (p) {
            *p = (planned){s, r};
            if (net_post(s->n, take_plan, p) == TSR_OK) continue;
        }
        say(s, NET_LOG_ERROR, tsr_error_message());
        scheduler_planning_free(r);
        mem_free(p);
    }
    return NULL;
}

static tsr_status start_planners(tsr_scheduler *s)
{
    for (; s->n_planners < N_PLANNERS; s->n_planners++) {
        struct planner *p = &s->planners[s->n_planners];
        p->s = s;
        p->session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1, .memory_bytes = PLANNER_MEMORY_BYTES});
        if (!p->session) return tsr_error_code();
        int why = os_thread_start(&p->thread, plan_requests, p);
        if (why == 0) continue;
        tsr_session_close(p->session);
        return error_errno(why, "cannot start a thread of the scheduler");
    }
    return TSR_OK;
}

static void stop_planners(tsr_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_over = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_planners; i++) pthread_join(s->planners[i].thread, NULL);
}

/* ---- The net
 * ------------------------------------------------------------------------------------------------------------------- */

static void opened(void *context, net_link *l, const net_peer *peer)
{
    tsr_scheduler *s = context;
    scheduler_peer *p = scheduler_opened(s->core, l, peer);
    if (!p) link_close(l, tsr_error_message());
    link_set_user(l, p);
    if (p && peer->role == NET_ROLE_CLIENT) scheduler_tasks_client_joined(s->tasks, l);
}

static char *place(void *context, net_link *l, const net_message *m, void **token)
{
    tsr_scheduler *s = context;
    scheduler_peer *p = link_user(l);
    buffer *b = NULL;
    if (m->type >= TASKS_FIRST_TYPE) return scheduler_tasks_place(s->tasks, l, m, token);
    if (!p || !scheduler_wants(s->core, p, m->type, m->payload_bytes)) return NULL;
    char *data = mem_alloc(m->payload_bytes);
    if (!data) return NULL;
    if (buffer_wrap(data, m->payload_bytes, mem_free, data, &b) != TSR_OK) {
        mem_free(data);
        return NULL;
    }
    *token = b;
    return data;
}

static void message(void *context, net_link *l, const net_message *m)
{
    tsr_scheduler *s = context;
    scheduler_peer *p = link_user(l);
    buffer *payload = m->token;
    if (m->type >= TASKS_FIRST_TYPE) {
        scheduler_tasks_message(s->tasks, l, m);
        return;
    }
    if (p) scheduler_message(s->core, p, m->type, m->head, m->head_bytes, payload, m->payload_bytes);
    buffer_unref(payload);
}

static void abandoned(void *context, net_link *l, void *token)
{
    if (!scheduler_tasks_abandoned(((tsr_scheduler *)context)->tasks, l, token)) buffer_unref(token);
}

static void look_for_gone(void *context)
{
    tsr_scheduler *s = context;
    scheduler_members_look(s->core);
    if (++s->n_looks < MOST_LOOKS) return;
    net_timer_stop(s->looks);
    s->looks = NULL;
}

static void closed(void *context, net_link *l, const char *reason)
{
    tsr_scheduler *s = context;
    scheduler_peer *p = link_user(l);
    const net_peer *who = link_peer(l);
    char *last_words = p && p->worker ? scheduler_worker_last_words(p->worker) : NULL;
    scheduler_tasks_worker_lost(s->tasks, l, last_words);
    mem_free(last_words);
    scheduler_tasks_client_lost(s->tasks, l);
    link_set_user(l, NULL);
    if (p) scheduler_closed(s->core, p);
    s->n_looks = 0;
    if (p && who && who->same_host && !s->looks && net_timer_start(s->n, LOOK_MS, look_for_gone, s, &s->looks) != TSR_OK)
        s->looks = NULL;
}

static void write_shared(void *context, void (*write)(void *to, const journal_record *r), void *to)
{
    scheduler_tasks_snapshot(((tsr_scheduler *)context)->tasks, write, to);
}

/* What clients share may change for ever: the journal is not to grow for ever by that. */
static void look_at_journal(tsr_scheduler *s)
{
    if (!s->journal) return;
    const size_t size = journal_size_now(s->journal);
    if (s->renews && size >= s->renewed_at && size < 2 * s->renewed_at) return; /* it is under way */
    if (s->renews) s->renew_at = 2 * size + JOURNAL_GROWTH_BYTES;
    s->renews = false;
    if (size < s->renew_at) return;
    s->renewed_at = size;
    journal_renew(s->journal, JOURNAL_SHARED, write_shared, s);
    s->renews = true;
}

static void tick(void *context)
{
    tsr_scheduler *s = context;
    scheduler_tick(s->core);
    if (scheduler_is_complete(s->core)) scheduler_tasks_complete(s->tasks);
    look_at_journal(s);
}

/* ---- Start and stop
 * -------------------------------------------------------------------------------------------------------------- */

static void replay(void *context, const journal_record *r)
{
    tsr_scheduler *s = context;
    if (r->kind < JOURNAL_SHARED) {
        scheduler_replay(s->core, r);
    } else if (scheduler_tasks_replay(s->tasks, r) != TSR_OK) {
        say(s, NET_LOG_WARNING, tsr_error_message());
    }
}

static void write_snapshot(void *context, void (*write)(void *to, const journal_record *r), void *to)
{
    tsr_scheduler *s = context;
    scheduler_snapshot(s->core, write, to);
    scheduler_tasks_snapshot(s->tasks, write, to);
}

/* Before the net listens: nobody else touches the state yet. */
static tsr_status read_journal(tsr_scheduler *s, const char *path)
{
    if (!path) return TSR_OK;
    TRY(journal_open(path, s->log, s->log_context, &s->journal));
    TRY(journal_read(s->journal, replay, s));
    TRY(journal_compact(s->journal, write_snapshot, s));
    journal_on_written(s->journal, recorded, s);
    s->renew_at = 2 * journal_bytes(s->journal) + JOURNAL_GROWTH_BYTES;
    scheduler_tasks_set_journal(s->tasks, record_shared, s);
    return TSR_OK;
}

static void begin(void *context)
{
    tsr_scheduler *s = context;
    scheduler_begin(s->core, s->address);
}

static tsr_status start(tsr_scheduler *s, const tsr_scheduler_options *o)
{
    const net_options n = {
        .role = NET_ROLE_SCHEDULER,
        .name = "scheduler",
        .secret_file = o->security.secret_file,
        .ca_file = o->security.ca_file,
        .cert_file = o->security.cert_file,
        .key_file = o->security.key_file,
        .handlers = {.opened = opened, .place = place, .message = message, .abandoned = abandoned, .closed = closed},
        .context = s,
        .log = log_text};
    TRY(scheduler_new(&ops, s, &s->core));
    TRY(net_open(&n, &s->n));
    TRY(scheduler_tasks_new(s->n, s->log, s->log_context, &s->tasks));
    scheduler_set_host(s->core, net_host_id(s->n));
    TRY(read_journal(s, o->journal));
    TRY(scheduler_tasks_begin(s->tasks));
    TRY(start_planners(s));
    TRY(net_timer_start(s->n, TICK_MS, tick, s, &s->timer));
    TRY(net_listen(s->n, o->listen ? o->listen : DEFAULT_LISTEN, s->address, sizeof s->address));
    return net_post(s->n, begin, s);
}

tsr_status tsr_scheduler_start(const tsr_scheduler_options *options, tsr_scheduler **out)
{
    const tsr_scheduler_options none = {0}, *o = options ? options : &none;
    tsr_scheduler *s = mem_calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return TSR_ERR_MEMORY;
    s->forks = forks_count();
    s->last = &s->first;
    s->log = o->log;
    s->log_context = o->log_context;
    pthread_mutex_init(&s->lock, NULL);
    os_cond_init(&s->ended);
    pthread_cond_init(&s->work, NULL);
    tsr_status status = start(s, o);
    if (status == TSR_OK)
        *out = s;
    else
        tsr_scheduler_stop(s);
    return status;
}

const char *tsr_scheduler_address(const tsr_scheduler *s) { return s->address; }

bool tsr_scheduler_wait(tsr_scheduler *s, double seconds)
{
    const int64_t until_ns = seconds < 0 || seconds > 1e9 ? INT64_MAX : os_now_ns() + (int64_t)(seconds * 1e9);
    pthread_mutex_lock(&s->lock);
    while (!s->is_asked) {
        int64_t left_ns = until_ns - os_now_ns();
        if (left_ns <= 0) break;
        os_cond_wait_ns(&s->ended, &s->lock, left_ns < 1000000000 ? left_ns : 1000000000);
    }
    const bool is_asked = s->is_asked;
    pthread_mutex_unlock(&s->lock);
    return is_asked;
}

/* Planners first, which post to the net; then the net, whose last calls still find the state. */
void tsr_scheduler_stop(tsr_scheduler *s)
{
    if (!s || s->forks != forks_count()) return;
    stop_planners(s);
    if (s->timer) net_timer_stop(s->timer);
    net_close(s->n);
    while (s->first) {
        scheduler_planning *r = s->first;
        s->first = r->next;
        scheduler_planning_free(r);
    }
    scheduler_tasks_free(s->tasks);
    scheduler_free(s->core);
    for (int i = 0; i < s->n_planners; i++) tsr_session_close(s->planners[i].session);
    journal_close(s->journal);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->ended);
    pthread_cond_destroy(&s->work);
    mem_free(s);
}
