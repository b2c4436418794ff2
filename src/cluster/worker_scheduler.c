/* The worker and its scheduler: registration, again after every loss of the connection; what the scheduler says; reports. */
#include "base/mem.h"
#include "base/os.h"
#include "cluster/worker.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A scheduler of this host that is gone is dialled more often: that costs nothing, and thousands cannot do it. */
enum { FIRST_RETRY_MS = 100, LAST_RETRY_MS = 2000, LAST_LOCAL_RETRY_MS = 200, REPORT_MS = 500 };

/* Of several addresses, one that has not answered by then goes on beside the next one. */
enum { NEXT_MS = 250 };

/* ---- connection ---- */

static void retry_later(tsr_worker *w)
{
    const int most_ms = w->is_scheduler_here ? LAST_LOCAL_RETRY_MS : LAST_RETRY_MS;
    w->retry_at_ns = os_now_ns() + (int64_t)w->retry_ms * 1000000;
    w->retry_ms = w->retry_ms * 2 < most_ms ? w->retry_ms * 2 : most_ms;
}

/* How many of the addresses are being tried; *which: is this one? */
static unsigned count_tried(const tsr_worker *w, unsigned turn, bool *which)
{
    unsigned n = 0;
    *which = false;
    for (const conn *c = w->conns; c; c = c->next) {
        if (c->kind != CONN_SCHEDULER || c->is_over) continue;
        n++;
        *which |= c->turn % w->n_schedulers == turn % w->n_schedulers;
    }
    return n;
}

/* The first, from the one on whose turn it is, that is not being tried already. */
void worker_scheduler_dial(tsr_worker *w)
{
    bool is_tried;
    w->retry_at_ns = 0;
    if (w->retry_ms == 0) w->retry_ms = FIRST_RETRY_MS;
    if (count_tried(w, w->turn, &is_tried) >= w->n_schedulers) {
        retry_later(w);
        return;
    }
    while (is_tried) (void)count_tried(w, ++w->turn, &is_tried);
    w->dialled_ns = os_now_ns();
    if (address_list_get(w->scheduler_address, w->turn, w->scheduler_at, sizeof w->scheduler_at) == TSR_OK &&
        worker_conn_dial(w, CONN_SCHEDULER, w->scheduler_at, &w->scheduler) == TSR_OK) {
        w->scheduler->turn = w->turn;
        return;
    }
    w->turn++;
    worker_log(w, NET_LOG_ERROR, "cannot connect to the scheduler: %s", tsr_error_message());
    retry_later(w);
}

/* The one that is dialled has not answered so far: it goes on, and so does the list. */
static void dial_beside(tsr_worker *w, int64_t now)
{
    bool is_tried;
    if (!w->scheduler || w->scheduler->is_open || now - w->dialled_ns < (int64_t)NEXT_MS * 1000000) return;
    if (count_tried(w, w->turn, &is_tried) >= w->n_schedulers) return;
    worker_log(w, w->n_tries++ < w->n_schedulers ? NET_LOG_INFO : NET_LOG_DEBUG,
               "the scheduler at %s has not answered yet; the next one is tried, too", w->scheduler_at);
    worker_conn_unref(w->scheduler); /* it is in the list of connections until it is closed */
    w->scheduler = NULL;
    w->turn++;
    worker_scheduler_dial(w);
}

/* One of those that are dialled has answered. False: another one did before. */
static bool answers_first(tsr_worker *w, conn *c)
{
    if (w->scheduler && w->scheduler != c && w->scheduler->is_open && !w->scheduler->is_over) return false;
    if (w->scheduler != c) {
        worker_conn_unref(w->scheduler);
        w->scheduler = worker_conn_ref(c);
        w->turn = c->turn;
        (void)!address_list_get(w->scheduler_address, w->turn, w->scheduler_at, sizeof w->scheduler_at);
    }
    for (conn *other = w->conns; other; other = other->next) {
        if (other->kind != CONN_SCHEDULER || other == c || other->is_over) continue;
        other->is_over = true;
        link_close(other->link, "another scheduler has answered");
    }
    return true;
}

static void set_news_link(tsr_worker *w, net_link *l)
{
    pthread_mutex_lock(&w->news_lock);
    net_link *before = w->news_link;
    w->news_link = l ? link_ref(l) : NULL;
    pthread_mutex_unlock(&w->news_lock);
    link_unref(before);
}

static void may_end(tsr_worker *w)
{
    pthread_mutex_lock(&w->end_lock);
    w->is_told_to_end = true;
    pthread_cond_broadcast(&w->end_changed);
    pthread_mutex_unlock(&w->end_lock);
}

static void leave_alone(tsr_worker *w)
{
    worker_log(w, NET_LOG_INFO, "there is no scheduler: nobody takes over what this worker has");
    may_end(w);
}

void worker_scheduler_leave(tsr_worker *w)
{
    w->leaves = true;
    if (!w->scheduler || !w->scheduler->is_open) {
        leave_alone(w);
    } else if (link_send(w->scheduler->link, MESSAGE(LEAVES), NULL, 0, NULL) != TSR_OK) {
        link_close(w->scheduler->link, tsr_error_message()); /* then it is alone */
    }
}

void worker_scheduler_closed(tsr_worker *w, conn *c, const char *reason)
{
    if (w->scheduler != c) return;
    /* Once is enough to say why, of each. */
    const bool is_first = w->n_tries++ < w->n_schedulers;
    const bool is_news = is_first || (w->n_schedulers == 1 && (!w->no_scheduler || strcmp(w->no_scheduler, reason) != 0));
    if (!w->news_link) w->turn++; /* what was there until now is tried first */
    const int level = w->is_told_to_end || !is_news ? NET_LOG_DEBUG : NET_LOG_WARNING;
    mem_free(w->no_scheduler);
    w->no_scheduler = mem_strdup(reason);
    worker_log(w, level, "no connection to the scheduler at %s: %s", w->scheduler_at, reason);
    w->scheduler = NULL;
    set_news_link(w, NULL);
    worker_conn_unref(c);
    retry_later(w);
    if (w->turn % w->n_schedulers != 0) w->retry_at_ns = os_now_ns(); /* the others' turn */
    if (w->leaves && !w->is_told_to_end) leave_alone(w);
}

enum { MOST_RESOURCES = 64 };

/* "GPU=1 license=2"; the names lie in `text`, which is cut up. A name alone is one of it. */
static tsr_status parse_resources(char *text, Tessera__Cluster__Resource out[MOST_RESOURCES], size_t *n)
{
    char *rest = NULL;
    *n = 0;
    for (char *word = strtok_r(text, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
        char *equals = strchr(word, '='), *end = NULL;
        double amount = equals ? strtod(equals + 1, &end) : 1;
        if (word == equals || (equals && (end == equals + 1 || *end)) || !(amount > 0) || isinf(amount))
            return error_set(TSR_ERR_VALUE, "'%s' is no resource of a worker; write NAME=AMOUNT, such as GPU=1", word);
        if (*n == MOST_RESOURCES) return error_set(TSR_ERR_VALUE, "a worker has %d resources at most", MOST_RESOURCES);
        if (equals) *equals = 0;
        tessera__cluster__resource__init(&out[*n]);
        out[*n].name = word;
        out[(*n)++].amount = amount;
    }
    return TSR_OK;
}

tsr_status worker_resources_check(const char *text)
{
    Tessera__Cluster__Resource resources[MOST_RESOURCES];
    size_t n;
    char *copy = mem_strdup(text);
    if (!copy) return TSR_ERR_MEMORY;
    tsr_status status = parse_resources(copy, resources, &n);
    mem_free(copy);
    return status;
}

static bool send_register(tsr_worker *w, conn *c)
{
    Tessera__Cluster__Register m = TESSERA__CLUSTER__REGISTER__INIT;
    Tessera__Cluster__Resource resources[MOST_RESOURCES], *pointers[MOST_RESOURCES];
    size_t at = 0;
    uint64_t *jobs = mem_alloc(w->jobs.n * sizeof *jobs);
    char *text = mem_strdup(w->resources ? w->resources : "");
    bool sent = false;
    if (jobs && text) {
        m.worker = w->id;
        m.name = w->name;
        m.address = w->address;
        m.threads = (uint32_t)w->n_threads;
        if (w->runs) m.runs = w->runs;
        m.memory_bytes = engine_count(w->session->engine).budget_bytes;
        m.jobs = jobs;
        for (job *j; (j = id_table_next(&w->jobs, &at)) != NULL;) {
            j->tells_all = true;
            if (j->state != JOB_AWAITED) jobs[m.n_jobs++] = j->id;
        }
        (void)!parse_resources(text, resources, &m.n_resources); /* checked when the worker was started */
        for (size_t i = 0; i < m.n_resources; i++) pointers[i] = &resources[i];
        m.resources = pointers;
        sent = worker_send(c->link, MESSAGE(REGISTER), &m.base, NULL);
    }
    mem_free(jobs);
    mem_free(text);
    return sent;
}

void worker_scheduler_opened(tsr_worker *w, conn *c)
{
    size_t at = 0;
    if (link_peer(c->link)->role != NET_ROLE_SCHEDULER) {
        worker_conn_refuse(c, "at %s is no scheduler", link_peer(c->link)->address);
        return;
    }
    if (!answers_first(w, c)) {
        worker_conn_refuse(c, "another scheduler has answered before the one at %s", link_peer(c->link)->address);
        return;
    }
    w->is_scheduler_here = link_peer(c->link)->same_host;
    if (!send_register(w, c)) return;
    set_news_link(w, c->link);
    w->retry_ms = FIRST_RETRY_MS;
    w->n_tries = 0;
    mem_free(w->no_scheduler);
    w->no_scheduler = NULL;
    worker_tasks_scheduler_opened(w->tasks, c->link);
    worker_log(w, NET_LOG_INFO, "registered with the scheduler at %s", w->scheduler_at);
    /* It may not have heard of these. */
    for (const job *j; (j = id_table_next(&w->jobs, &at)) != NULL;)
        if (j->state == JOB_FAILED) {
            worker_scheduler_tell_failed(w, j->id, j->status, j->message);
        } else if (j->made_epoch != 0 && j->made_epoch == j->epoch) {
            worker_scheduler_tell_made(w, j);
        }
}

void worker_scheduler_tell_made(tsr_worker *w, const job *j)
{
    Tessera__Cluster__Made m = TESSERA__CLUSTER__MADE__INIT;
    if (!w->scheduler || !w->scheduler->is_open) return; /* told when it is back */
    m.job = j->id;
    m.epoch = j->made_epoch;
    (void)!worker_send(w->scheduler->link, MESSAGE(MADE), &m.base, NULL);
}

void worker_scheduler_tell_failed(tsr_worker *w, uint64_t id, tsr_status status, const char *message)
{
    Tessera__Cluster__Refused m = TESSERA__CLUSTER__REFUSED__INIT;
    if (!w->scheduler || !w->scheduler->is_open) return;
    m.job = id;
    m.status = (int32_t)status;
    m.message = (char *)(uintptr_t)(message ? message : "");
    (void)!worker_send(w->scheduler->link, MESSAGE(FAILED), &m.base, NULL);
}

/* ---- what it says ---- */

static bool take_job(tsr_worker *w, const net_message *m)
{
    Tessera__Cluster__Job *said = tessera__cluster__job__unpack(NULL, m->head_bytes, m->head);
    if (!said) {
        buffer_unref(m->token);
        return false;
    }
    worker_job_begin(w, said, m->token);
    return true;
}

static bool take_drop(tsr_worker *w, const net_message *m)
{
    Tessera__Cluster__Jobs *said = tessera__cluster__jobs__unpack(NULL, m->head_bytes, m->head);
    if (!said) return false;
    for (size_t i = 0; i < said->n_jobs; i++) {
        job *j = worker_job_find(w, said->jobs[i]);
        if (j) worker_job_drop(j);
    }
    tessera__cluster__jobs__free_unpacked(said, NULL);
    return true;
}

static bool take_shed(tsr_worker *w, const net_message *m)
{
    Tessera__Cluster__Jobs *said = tessera__cluster__jobs__unpack(NULL, m->head_bytes, m->head);
    if (!said) return false;
    for (size_t i = 0; i < said->n_jobs; i++) {
        job *j = worker_job_find(w, said->jobs[i]);
        if (j) worker_job_shed(j);
    }
    tessera__cluster__jobs__free_unpacked(said, NULL);
    return true;
}

static bool take_map(tsr_worker *w, const net_message *m)
{
    Tessera__Cluster__Map *said = tessera__cluster__map__unpack(NULL, m->head_bytes, m->head);
    if (!said) return false;
    job *j = worker_job_find(w, said->job);
    if (j && j->state != JOB_AWAITED && said->epoch > j->epoch) worker_job_take_map(j, said);
    tessera__cluster__map__free_unpacked(said, NULL);
    return true;
}

static bool take_workers(tsr_worker *w, const net_message *m)
{
    Tessera__Cluster__Workers *said = tessera__cluster__workers__unpack(NULL, m->head_bytes, m->head);
    if (!said) return false;
    worker_peers_take(w, said);
    tessera__cluster__workers__free_unpacked(said, NULL);
    return true;
}

static void take_leave(tsr_worker *w)
{
    worker_log(w, NET_LOG_INFO,
               w->leaves ? "others have what they need of this worker" : "the scheduler asks this worker to end");
    may_end(w);
}

void worker_scheduler_message(tsr_worker *w, conn *c, const net_message *m)
{
    bool reads = true;
    switch (m->type) {
    case MESSAGE(JOB): reads = take_job(w, m); break;
    case MESSAGE(DROP): reads = take_drop(w, m); break;
    case MESSAGE(SHED): reads = take_shed(w, m); break;
    case MESSAGE(MAP): reads = take_map(w, m); break;
    case MESSAGE(WORKERS): reads = take_workers(w, m); break;
    case MESSAGE(LEAVE): take_leave(w); break;
    default: worker_conn_refuse(c, "a worker takes no messages of type %" PRIu32 " from a scheduler", m->type);
    }
    if (!reads) worker_conn_refuse(c, "a message of type %" PRIu32 " does not read", m->type);
}

/* ---- what is begun ---- */

/* Telling takes a tenth of the time at most, and a second. */
static bool may_tell(tsr_worker *w, int64_t now_ns)
{
    if (!w->careful_since_ns) w->careful_since_ns = now_ns;
    return w->careful_ns < 1000000000 + (now_ns - w->careful_since_ns) / 10;
}

static void wait_until_sent(const net_link *l)
{
    enum { STEPS = 100, STEP_NS = 50000 };
    for (int i = 0; i < STEPS && link_queued_bytes(l) > 0; i++) nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
}

void worker_scheduler_begins(tsr_worker *w, uint64_t id, int thread, int number, int64_t unit)
{
    Tessera__Cluster__Begins m = TESSERA__CLUSTER__BEGINS__INIT;
    const int64_t began_ns = os_now_ns();
    pthread_mutex_lock(&w->news_lock);
    net_link *l = w->news_link ? link_ref(w->news_link) : NULL;
    const bool tells = may_tell(w, began_ns);
    pthread_mutex_unlock(&w->news_lock);
    if (!l) return;
    m.job = id;
    m.thread = (uint32_t)thread;
    m.plans = number == BEGINS_PLAN || number == BEGINS_NO_PLAN;
    m.ended = number == BEGINS_NOTHING || number == BEGINS_NO_PLAN;
    m.untold = !m.ended && !tells;
    m.stage = number >= 0 ? (uint32_t)number : 0;
    m.unit = (uint64_t)unit;
    if (worker_send(l, MESSAGE(BEGINS), &m.base, NULL) && !m.ended && !m.untold) {
        wait_until_sent(l);
        pthread_mutex_lock(&w->news_lock);
        w->careful_ns += os_now_ns() - began_ns;
        pthread_mutex_unlock(&w->news_lock);
    }
    link_unref(l);
}

void worker_scheduler_note(tsr_worker *w, const char *line)
{
    pthread_mutex_lock(&w->news_lock);
    if (w->n_lines == WORKER_LOG_LINES) memmove(w->lines[0], w->lines[1], sizeof w->lines[0] * (size_t)--w->n_lines);
    (void)snprintf(w->lines[w->n_lines++], sizeof w->lines[0], "%.*s", WORKER_LOG_BYTES - 1, line);
    pthread_mutex_unlock(&w->news_lock);
}

static size_t take_lines(tsr_worker *w, char out[WORKER_LOG_LINES][WORKER_LOG_BYTES], char *pointers[WORKER_LOG_LINES])
{
    pthread_mutex_lock(&w->news_lock);
    const size_t n = (size_t)w->n_lines;
    memcpy(out, w->lines, sizeof w->lines[0] * n);
    w->n_lines = 0;
    pthread_mutex_unlock(&w->news_lock);
    for (size_t i = 0; i < n; i++) pointers[i] = out[i];
    return n;
}

/* ---- reports ---- */

static void report(tsr_worker *w, Tessera__Cluster__JobReport *jobs, size_t n)
{
    Tessera__Cluster__Report m = TESSERA__CLUSTER__REPORT__INIT;
    char lines[WORKER_LOG_LINES][WORKER_LOG_BYTES], *line_pointers[WORKER_LOG_LINES];
    const engine_counts e = engine_count(w->session->engine);
    const net_counters c = net_count(w->net);
    const worker_tasks_counts t = worker_tasks_count(w->tasks);
    Tessera__Cluster__JobReport **pointers = mem_alloc(n * sizeof(Tessera__Cluster__JobReport *));
    if (!pointers) return;
    for (size_t i = 0; i < n; i++) pointers[i] = &jobs[i];
    m.memory_used_bytes = e.used_bytes;
    m.spilled_bytes = (uint64_t)e.spilled_bytes + t.spilled_bytes;
    m.tasks_done = w->tasks_done + t.tasks_done;
    m.bytes_read = w->bytes_read;
    m.bytes_in = c.bytes_in + c.shared_bytes_in;
    m.bytes_out = c.bytes_out + c.shared_bytes_out;
    m.bandwidth = (uint64_t)w->bandwidth;
    m.idle = e.is_idle;
    m.waits = e.waits;
    m.n_jobs = n;
    m.jobs = pointers;
    m.n_log = take_lines(w, lines, line_pointers);
    m.log = line_pointers;
    (void)!worker_send(w->scheduler->link, MESSAGE(REPORT), &m.base, NULL);
    mem_free(pointers);
}

/* The stages of the job that did something since the last time; told when there is the memory for it. */
static void count_stages(job *j, Tessera__Cluster__JobReport *out)
{
    const int n = run_plan_of(j->run)->n_stages;
    if (!j->reported_stages && !(j->reported_stages = mem_calloc((size_t)n, sizeof *j->reported_stages))) return;
    Tessera__Cluster__StageReport *stages = mem_alloc((size_t)n * sizeof *stages), **list = mem_alloc((size_t)n * sizeof *list);
    for (int i = 0; stages && list && i < n; i++) {
        const int64_t done = run_count_stage(j->run, i);
        if (done == (j->tells_all ? 0 : j->reported_stages[i])) continue;
        Tessera__Cluster__StageReport *s = &stages[out->n_stages];
        tessera__cluster__stage_report__init(s);
        s->stage = (uint32_t)i;
        s->tasks_done = (uint64_t)done;
        list[out->n_stages++] = s;
        j->reported_stages[i] = done;
    }
    if (out->n_stages > 0) {
        out->stages = list;
    } else {
        mem_free(stages);
        mem_free(list);
    }
}

static void free_stages(Tessera__Cluster__JobReport *r)
{
    if (r->n_stages == 0) return;
    mem_free(r->stages[0]);
    mem_free(r->stages);
}

/* What the job did since the last time. */
static bool count_job(tsr_worker *w, job *j, Tessera__Cluster__JobReport *out)
{
    if (j->state != JOB_OPEN) return false;
    const run_counts c = run_count(j->run), before = j->reported;
    if (c.tasks_done == before.tasks_done && c.bytes_read == before.bytes_read && c.bytes_written == before.bytes_written &&
        !(j->tells_all && c.tasks_done > 0))
        return false;
    j->reported = c;
    w->tasks_done += (uint64_t)(c.tasks_done - before.tasks_done);
    w->bytes_read += (uint64_t)(c.bytes_read - before.bytes_read);
    tessera__cluster__job_report__init(out);
    out->job = j->id;
    out->tasks_done = (uint64_t)c.tasks_done;
    out->stage = (uint32_t)c.stage;
    out->block = (uint64_t)c.block;
    out->bytes_read = (uint64_t)c.bytes_read;
    out->bytes_written = (uint64_t)c.bytes_written;
    count_stages(j, out);
    j->tells_all = false;
    return true;
}

void worker_scheduler_count(tsr_worker *w, job *j)
{
    Tessera__Cluster__JobReport last;
    if (count_job(w, j, &last)) free_stages(&last);
}

static void report_changes(tsr_worker *w, int64_t now)
{
    size_t at = 0, n = 0;
    Tessera__Cluster__JobReport *jobs = mem_alloc((w->jobs.n + 1) * sizeof *jobs);
    if (!jobs) return;
    for (job *j; (j = id_table_next(&w->jobs, &at)) != NULL;) n += count_job(w, j, &jobs[n]);
    if (n > 0 || now >= w->report_at_ns) {
        report(w, jobs, n);
        w->report_at_ns = now + (int64_t)REPORT_MS * 1000000;
    }
    for (size_t i = 0; i < n; i++) free_stages(&jobs[i]);
    mem_free(jobs);
}

void worker_scheduler_tick(tsr_worker *w, int64_t now)
{
    if (!w->scheduler && w->retry_at_ns <= now) worker_scheduler_dial(w);
    dial_beside(w, now);
    if (w->scheduler && w->scheduler->is_open && !w->scheduler->is_over) report_changes(w, now);
}
