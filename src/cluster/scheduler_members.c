/* Workers and clients: who is there, who is away for a moment, who is lost. The scheduler's thread.
 *
 * A worker whose connection ends is away: it keeps its units for a while, since it may come back with all it holds. Then it is
 * lost, and its units go to others. A worker that is told to end gets nothing more from then on. */
#include "cluster/address.h"
#include "cluster/scheduler.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Three workers lost over the same block, and the job is given up; what counts is what they said so shortly before. */
enum { MOST_DEATHS = 3, MOST_REMEMBERED = 32 };
#define RECENT_NS 3000000000
#define EARLY_NS 2000000000
/* A worker that is to end stays so long for what others copy from it. */
#define COPY_NS 60000000000
#define ASKED_NS 200000000
/* Who is back has told by then what it has. */
#define TOLD_NS 200000000
/* Workers of the journal come within this, if they do. */
#define RETURN_NS 2500000000

const char *scheduler_worker_name(const scheduler_worker *w) { return w->said->name[0] ? w->said->name : w->said->address; }

void scheduler_worker_free(scheduler_worker *w)
{
    if (!w) return;
    if (w->said) tessera__cluster__register__free_unpacked(w->said, NULL);
    id_table_fini(&w->told);
    VEC_FINI(&w->strangers);
    VEC_FINI(&w->begun);
    scheduler_log_fini(&w->log);
    mem_free(w->host);
    mem_free(w);
}

/* ---- Everybody hears who is there ----------------------------------------------------------------------------------------- */

static tsr_status pack_workers(const scheduler *s, scheduler_packed *out)
{
    const size_t n = s->ordered.n;
    Tessera__Cluster__Workers m = TESSERA__CLUSTER__WORKERS__INIT;
    Tessera__Cluster__WorkerAddress *each = mem_alloc((sizeof *each + sizeof each) * n);
    if (!each) return TSR_ERR_MEMORY;
    m.workers = (Tessera__Cluster__WorkerAddress **)(void *)(each + n);
    m.n_workers = n;
    for (size_t i = 0; i < n; i++) {
        const scheduler_worker *w = s->ordered.items[i];
        tessera__cluster__worker_address__init(&each[i]);
        each[i].worker = w->id;
        each[i].address = w->said->address;
        each[i].name = w->said->name;
        m.workers[i] = &each[i];
    }
    tsr_status status = scheduler_pack(&m.base, out);
    mem_free(each);
    return status;
}

void scheduler_tell_workers(scheduler *s, scheduler_peer *p)
{
    scheduler_packed packed = {0};
    if (pack_workers(s, &packed) != TSR_OK) {
        scheduler_say(s, NET_LOG_ERROR, "the list of workers: %s", tsr_error_message());
        return;
    }
    if (p) scheduler_send_packed(s, p, SCHEDULER_MESSAGE(WORKERS), &packed, NULL, 0);
    for (size_t i = 0; i < s->peers.n && !p; i++) {
        scheduler_peer *to = s->peers.items[i];
        if (to->worker || to->client) scheduler_send_packed(s, to, SCHEDULER_MESSAGE(WORKERS), &packed, NULL, 0);
    }
    if (!p) s->is_list_new = false;
    if (!p) s->list_told_ns = scheduler_now(s);
    mem_free(packed.bytes);
}

void scheduler_tell_new_workers(scheduler *s)
{
    if (s->is_list_new) scheduler_tell_workers(s, NULL);
}

/* Every worker is told of every other, so when very many come at once, they are told together. Whoever sends a map tells before.
 */
static void list_changed(scheduler *s)
{
    enum { FEW = 64 };
    const int64_t pause_ns = s->ordered.n <= FEW ? 0 : (int64_t)s->ordered.n * 1000000;
    s->is_list_new = true;
    if (scheduler_now(s) - s->list_told_ns >= pause_ns) scheduler_tell_workers(s, NULL);
}

/* ---- Lost -------------------------------------------------------------------------------------------------------------------
 */

/* Where the worker's part is, or would be. */
static size_t part_place(const scheduler_job *j, uint64_t worker)
{
    size_t low = 0, high = j->parts.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (j->parts.items[middle].worker < worker) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static scheduler_part *find_part(scheduler_job *j, uint64_t worker)
{
    const size_t i = part_place(j, worker);
    return i < j->parts.n && j->parts.items[i].worker == worker ? &j->parts.items[i] : NULL;
}

const scheduler_part *scheduler_part_find(const scheduler_job *j, uint64_t worker)
{
    return find_part((scheduler_job *)(uintptr_t)j, worker);
}

static scheduler_part *add_part(scheduler_job *j, uint64_t worker)
{
    const size_t i = part_place(j, worker);
    if (!VEC_RESERVE(&j->parts, 1)) return NULL;
    memmove(&j->parts.items[i + 1], &j->parts.items[i], sizeof *j->parts.items * (j->parts.n - i));
    j->parts.n++;
    j->parts.items[i] = (scheduler_part){.worker = worker};
    return &j->parts.items[i];
}

scheduler_part *scheduler_part_of(scheduler_job *j, uint64_t worker)
{
    scheduler_part *part = find_part(j, worker);
    return part ? part : add_part(j, worker);
}

void scheduler_death_fini(scheduler_death *d)
{
    mem_free(d->worker);
    mem_free(d->last_words);
    scheduler_map_unref(d->map);
    VEC_FINI(&d->begun);
}

/* May the job have taken the worker with it? It was at it lately, as far as it said, or had units of it and said nothing yet. */
static bool is_suspect(scheduler *s, scheduler_job *j, const scheduler_worker *w)
{
    const scheduler_part *part = scheduler_part_find(j, w->id);
    const int64_t away_ns = w->away_ns ? w->away_ns : scheduler_now(s);
    if (!w->host) return false; /* known from the journal only: nobody was looking when it went */
    for (size_t i = 0; i < w->begun.n; i++)
        if (w->begun.items[i].job == j->id) return true;
    if (part && part->tasks_done > 0) return away_ns - part->seen_ns < RECENT_NS;
    return j->state == SCHEDULER_JOB_READY && away_ns - j->mapped_ns < EARLY_NS;
}

static bool same_begun(const scheduler_begun *a, const scheduler_begun *b)
{
    return a->plans == b->plans && (a->plans || (a->stage == b->stage && a->unit == b->unit));
}

/* Had this worker begun it when it was lost, or (not known) could it have? */
static bool may_be_of(const scheduler_death *d, const scheduler_begun *what, bool *known)
{
    *known = d->is_known;
    for (size_t i = 0; i < d->begun.n; i++)
        if (same_begun(&d->begun.items[i], what)) return true;
    if (*known) return false;
    return what->plans || owner_map_find(&d->map->owners, (int)what->stage, (int64_t)what->unit) == d->id;
}

/* How many workers were lost over it; of one of them at most it is not known what it was at. */
static int count_deaths(const scheduler_job *j, const scheduler_begun *what)
{
    int n_known = 0, n_unknown = 0;
    for (size_t i = 0; i < j->deaths.n; i++) {
        bool known;
        if (!may_be_of(&j->deaths.items[i], what, &known)) continue;
        *(known ? &n_known : &n_unknown) += 1;
    }
    return n_known + (n_unknown > 0);
}

static void add_names(const scheduler_job *j, const scheduler_begun *what, strbuf *out)
{
    bool known, any = false;
    for (size_t i = 0; i < j->deaths.n; i++) {
        if (!may_be_of(&j->deaths.items[i], what, &known)) continue;
        strbuf_printf(out, "%s%s", any ? ", " : "", j->deaths.items[i].worker);
        any = true;
    }
    for (size_t i = 0; i < j->deaths.n; i++)
        if (j->deaths.items[i].last_words && may_be_of(&j->deaths.items[i], what, &known))
            strbuf_printf(out, "; %s", j->deaths.items[i].last_words);
}

char *scheduler_worker_last_words(const scheduler_worker *w)
{
    strbuf out = {0};
    const int n = w->log.n < SCHEDULER_LAST_WORDS ? w->log.n : SCHEDULER_LAST_WORDS;
    if (n == 0) return NULL;
    strbuf_printf(&out, "the log of %s ends with: ", scheduler_worker_name(w));
    for (int i = 0; i < n; i++) strbuf_printf(&out, "%s\"%s\"", i ? ", " : "", w->log.lines[w->log.n - n + i]);
    return strbuf_take(&out);
}

/* "stage 0 (normal), block 17: 3 workers were lost while they worked on it: ..." */
static void give_up(scheduler *s, scheduler_job *j, const scheduler_begun *what, int n)
{
    strbuf text = {0};
    if (what->plans) {
        strbuf_printf(&text, "planning it: ");
    } else {
        const int64_t n_runs = j->shape->units[what->stage].n_runs;
        strbuf_printf(&text, "stage %u (%s), block %lld: ", what->stage, j->shape->stages[what->stage].name,
                      (long long)((int64_t)what->unit / n_runs));
    }
    strbuf_printf(&text, "%d workers were lost while they worked on it: ", n);
    add_names(j, what, &text);
    char *message = strbuf_take(&text);
    scheduler_job_fail(s, j, TSR_ERR_INTERNAL, message ? message : "it took several workers with it");
    mem_free(message);
}

static bool death_of(const scheduler *s, const scheduler_job *j, const scheduler_worker *w, scheduler_death *out)
{
    const int64_t away_ns = w->away_ns ? w->away_ns : scheduler_now(s);
    *out = (scheduler_death){.worker = mem_strdup(scheduler_worker_name(w)), .id = w->id, .map = scheduler_map_ref(j->map)};
    out->last_words = scheduler_worker_last_words(w);
    bool ok = out->worker != NULL;
    /* Who was asked a while ago and has begun nothing had nothing in hand. */
    out->is_known = j->careful_ns && away_ns - j->careful_ns > ASKED_NS;
    for (size_t i = 0; i < w->begun.n && ok; i++) {
        const scheduler_begun *b = &w->begun.items[i];
        if (b->job != j->id) continue;
        if (b->untold) {
            out->is_known = false;
            break;
        }
        out->is_known = true;
        ok = VEC_PUSH(&out->begun, *b);
    }
    if (!ok) scheduler_death_fini(out);
    return ok;
}

/* True: the job was given up, as three workers had begun the same when they were lost. */
static bool remember_death(scheduler *s, scheduler_job *j, const scheduler_worker *w)
{
    scheduler_death d;
    if (!j->shape || !is_suspect(s, j, w) || !death_of(s, j, w, &d)) return false;
    if (j->deaths.n == MOST_REMEMBERED) { /* what was long ago was something else */
        scheduler_death_fini(&j->deaths.items[0]);
        memmove(&j->deaths.items[0], &j->deaths.items[1], sizeof d * --j->deaths.n);
    }
    if (!VEC_PUSH(&j->deaths, d)) {
        scheduler_death_fini(&d);
        return false;
    }
    if (!j->careful_ns) j->careful_ns = scheduler_now(s);
    for (size_t i = 0; i < d.begun.n; i++) {
        const scheduler_begun what = d.begun.items[i];
        const int n = count_deaths(j, &what);
        if (n < MOST_DEATHS) continue;
        give_up(s, j, &what, n);
        return true;
    }
    return false;
}

/* Its units of all jobs go to others. */
static void give_away(scheduler *s, scheduler_worker *w, bool is_lost)
{
    uint64_t *ids;
    size_t n;
    if (scheduler_jobs_list(s, &ids, &n) != TSR_OK) {
        scheduler_say(s, NET_LOG_ERROR, "the jobs of a worker: %s", tsr_error_message());
        return;
    }
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (!j || j->state == SCHEDULER_JOB_FAILED || !j->map || scheduler_map_find(j->map, w->id) < 0) continue;
        if (is_lost && remember_death(s, j, w)) continue;
        if (j->state == SCHEDULER_JOB_READY) scheduler_map_repair(s, j);
    }
    mem_free(ids);
}

/* What was being copied from it is made again. */
static void end_copies(scheduler *s)
{
    uint64_t *ids;
    size_t n;
    if (scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (!j || !j->is_copied || j->state != SCHEDULER_JOB_READY) continue;
        j->is_copied = false;
        scheduler_map_set(s, j, scheduler_map_ref(j->map));
    }
    mem_free(ids);
}

static void leave_list(scheduler *s, const scheduler_worker *w)
{
    for (size_t i = 0; i < s->ordered.n; i++) {
        if (s->ordered.items[i] != w) continue;
        memmove(&s->ordered.items[i], &s->ordered.items[i + 1], sizeof w * (s->ordered.n - i - 1));
        s->ordered.n--;
        return;
    }
}

void scheduler_worker_lose(scheduler *s, scheduler_worker *w, const char *why)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    m.n_jobs = 1;
    m.jobs = &w->id;
    scheduler_say(s, w->leaves ? NET_LOG_INFO : NET_LOG_WARNING, "worker %s is %s: %s", scheduler_worker_name(w),
                  w->leaves ? "gone" : "lost", why);
    if (w->peer) {
        w->peer->worker = NULL;
        scheduler_reject(s, w->peer, why);
        w->peer = NULL;
    }
    leave_list(s, w);
    id_table_take(&s->workers, w->id);
    scheduler_record(s, JOURNAL_LOST, &m.base, NULL, 0);
    list_changed(s);
    give_away(s, w, !w->leaves);
    if (w->leaves) end_copies(s);
    scheduler_worker_free(w);
}

/* All are marked first, so that none gets what another gives away. */
void scheduler_workers_retire(scheduler *s, const uint64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        scheduler_worker *w = id_table_find(&s->workers, ids[i]);
        if (!w || w->leaves) continue;
        w->leaves = true;
        w->leaves_ns = scheduler_now(s);
        scheduler_say(s, NET_LOG_INFO, "worker %s leaves", scheduler_worker_name(w));
    }
    for (size_t i = 0; i < n; i++) {
        scheduler_worker *w = id_table_find(&s->workers, ids[i]);
        if (!w) continue;
        give_away(s, w, false);
        if (w->peer)
            s->ops->retire(s->context, w->peer->link);
        else
            scheduler_worker_lose(s, w, "it was to end");
    }
}

/* It may end once others have what it had, or that takes too long. */
static void let_leave(scheduler *s, scheduler_worker *w, int64_t now_ns)
{
    size_t at = 0;
    if (!w->is_retired || !w->peer) return;
    for (const scheduler_job *j; now_ns - w->leaves_ns < COPY_NS && (j = id_table_next(&s->jobs, &at)) != NULL;)
        if (j->is_copied && j->state == SCHEDULER_JOB_READY) return;
    w->is_retired = false; /* once */
    scheduler_send(s, w->peer, SCHEDULER_MESSAGE(LEAVE), NULL, NULL, 0);
}

void scheduler_retired(scheduler *s, scheduler_peer *p)
{
    if (!p->worker || !p->worker->leaves) return;
    p->worker->is_retired = true;
    let_leave(s, p->worker, scheduler_now(s));
}

/* ---- Coming ------------------------------------------------------------------------------------------------------------------
 */

static tsr_status check_register(const Tessera__Cluster__Register *m)
{
    address a;
    if (m->worker == 0) return error_set(TSR_ERR_FORMAT, "a worker without a number");
    if (!scheduler_text_ok(m->name, true) || !scheduler_text_ok(m->runs, true) || !scheduler_text_ok(m->address, false))
        return error_set(TSR_ERR_FORMAT, "a worker whose name or address is no text");
    TRY(address_parse(m->address, &a));
    if (m->threads < 1 || m->threads > SCHEDULER_MOST_THREADS)
        return error_set(TSR_ERR_FORMAT, "a worker with %u threads", m->threads);
    if (m->n_jobs > SCHEDULER_MOST_WORKER_JOBS || m->n_resources > SCHEDULER_MOST_TEXT)
        return error_set(TSR_ERR_FORMAT, "a worker with %zu jobs and %zu resources", m->n_jobs, m->n_resources);
    for (size_t i = 0; i < m->n_resources; i++)
        if (!scheduler_text_ok(m->resources[i]->name, false) || !(m->resources[i]->amount >= 0))
            return error_set(TSR_ERR_FORMAT, "a worker with a resource that is none");
    return TSR_OK;
}

static scheduler_worker *add_worker(scheduler *s, uint64_t id)
{
    scheduler_worker *w = mem_calloc(1, sizeof *w);
    if (!w || !VEC_RESERVE(&s->ordered, 1) || !id_table_put(&s->workers, id, w)) {
        mem_free(w);
        return NULL;
    }
    w->id = id;
    tessera__cluster__report__init(&w->report);
    size_t at = s->ordered.n++;
    for (; at > 0 && s->ordered.items[at - 1]->id > id; at--) s->ordered.items[at] = s->ordered.items[at - 1];
    s->ordered.items[at] = w;
    return w;
}

/* What it still has of what is known here; what is not may be submitted again soon, by a client that has not come back yet. */
static tsr_status take_jobs(scheduler *s, scheduler_worker *w, const Tessera__Cluster__Register *m)
{
    id_table_fini(&w->told);
    w->begun.n = 0; /* what it begins now it says anew */
    w->strangers.n = 0;
    w->strangers_ns = scheduler_now(s);
    for (size_t i = 0; i < m->n_jobs; i++) {
        scheduler_job *j = scheduler_job_find(s, m->jobs[i]);
        const bool known = j && j->state != SCHEDULER_JOB_FAILED;
        if (known ? !id_table_put(&w->told, j->id, j) : !VEC_PUSH(&w->strangers, m->jobs[i])) return TSR_ERR_MEMORY;
    }
    return TSR_OK;
}

/* Jobs in whose maps it is, and maps of what it has; jobs that are nobody's are drawn anew. */
static void bring_up_to_date(scheduler *s, scheduler_worker *w)
{
    uint64_t *ids;
    size_t n;
    if (scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (!j || j->state != SCHEDULER_JOB_READY) continue;
        if (id_table_find(&w->told, j->id)) scheduler_map_send(s, j, w->peer);
        if (scheduler_map_is_empty(j))
            scheduler_map_draw(s, j);
        else if (scheduler_map_find(j->map, w->id) >= 0)
            scheduler_map_tell(s, j, w);
    }
    mem_free(ids);
}

/* A process that was started anew at the address of an old one: that is gone. */
static void replace_older(scheduler *s, const scheduler_worker *w)
{
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *old = s->ordered.items[i];
        if (old == w || old->peer || strcmp(old->said->address, w->said->address) != 0) continue;
        scheduler_worker_lose(s, old, "another process has its address now");
        i = (size_t)-1;
    }
}

static void attach(scheduler_worker *w, scheduler_peer *p, int64_t now_ns)
{
    if (w->peer) w->peer->worker = NULL;
    w->peer = p;
    w->away_ns = 0;
    w->heard_ns = now_ns;
    p->worker = w;
}

/* "10.0.0.7" of "tcp://10.0.0.7:40112"; this host's name for a peer on it. */
static char *host_of(const char *text)
{
    char here[256] = "";
    const char *host = strstr(text, "://"), *port = strrchr(text, ':');
    if (strncmp(text, "unix:", 5) != 0 && host && port > host) return mem_printf("%.*s", (int)(port - host - 3), host + 3);
    (void)!gethostname(here, sizeof here - 1);
    return mem_strdup(here);
}

void scheduler_worker_register(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Register *m = tessera__cluster__register__unpack(NULL, head_bytes, head);
    tsr_status status;
    GUARD(m ? TSR_OK : error_set(TSR_ERR_FORMAT, "a worker that cannot be read"));
    GUARD(check_register(m));
    if (p->worker && p->worker->id != m->worker) {
        status = error_set(TSR_ERR_FORMAT, "a worker with two numbers");
        goto done;
    }
    scheduler_worker *w = id_table_find(&s->workers, m->worker);
    const bool is_new = !w, moved = w && strcmp(w->said->address, m->address) != 0;
    if (w && w->peer && w->peer != p) scheduler_reject(s, w->peer, "the worker has another connection");
    if (is_new) w = add_worker(s, m->worker);
    GUARD(w ? TSR_OK : TSR_ERR_MEMORY);
    if (w->said) tessera__cluster__register__free_unpacked(w->said, NULL);
    w->said = m;
    attach(w, p, scheduler_now(s));
    s->last_back_ns = w->heard_ns;
    if (is_new) w->joined_ns = s->last_joined_ns = w->heard_ns;
    m = NULL;
    mem_free(w->host);
    w->host = host_of(p->address);
    w->pid = p->pid;
    const Tessera__Cluster__Register noted = scheduler_worker_noted(s, w);
    scheduler_record(s, JOURNAL_WORKER, &noted.base, NULL, 0);
    GUARD(take_jobs(s, w, w->said));
    scheduler_say(s, NET_LOG_INFO, "worker %s %s: %s, %u threads", scheduler_worker_name(w), is_new ? "joins" : "is back",
                  w->said->address, w->said->threads);
    if (is_new || moved)
        list_changed(s);
    else
        scheduler_tell_workers(s, p);
    replace_older(s, w);
    s->ops->joined(s->context, p->link, w->said);
    bring_up_to_date(s, w);
    if (w->leaves) s->ops->retire(s->context, p->link);
    scheduler_jobs_go_on(s);
done:
    if (m) tessera__cluster__register__free_unpacked(m, NULL);
    if (status != TSR_OK) scheduler_reject(s, p, tsr_error_message());
}

Tessera__Cluster__Register scheduler_worker_noted(const scheduler *s, const scheduler_worker *w)
{
    Tessera__Cluster__Register noted = *w->said;
    noted.pid = w->pid;
    noted.host_id = (char *)(uintptr_t)(w->pid && s->host_id ? s->host_id : "");
    return noted;
}

tsr_status scheduler_worker_restore(scheduler *s, const journal_record *r)
{
    tsr_status status = TSR_OK;
    scheduler_worker *w;
    if (r->kind == JOURNAL_LOST) {
        Tessera__Cluster__Jobs *m = tessera__cluster__jobs__unpack(NULL, r->head_bytes, r->head);
        for (size_t i = 0; m && i < m->n_jobs; i++) {
            w = id_table_take(&s->workers, m->jobs[i]);
            if (w) leave_list(s, w);
            scheduler_worker_free(w);
        }
        if (m) tessera__cluster__jobs__free_unpacked(m, NULL);
        return m ? TSR_OK : error_set(TSR_ERR_FORMAT, "a damaged list of workers");
    }
    Tessera__Cluster__Register *m = tessera__cluster__register__unpack(NULL, r->head_bytes, r->head);
    GUARD(m ? TSR_OK : error_set(TSR_ERR_FORMAT, "a damaged worker"));
    GUARD(check_register(m));
    w = id_table_find(&s->workers, m->worker);
    if (!w) w = add_worker(s, m->worker);
    GUARD(w ? TSR_OK : TSR_ERR_MEMORY);
    if (w->said) tessera__cluster__register__free_unpacked(w->said, NULL);
    w->said = m;
    w->pid = s->host_id && m->pid > 0 && strcmp(m->host_id, s->host_id) == 0 ? m->pid : 0; /* it may have ended meanwhile */
    s->knows_workers = true;
    w->away_ns = s->started_ns + s->graces.start_ns - s->graces.worker_ns; /* so it has the grace of a start */
    m = NULL;
done:
    if (m) tessera__cluster__register__free_unpacked(m, NULL);
    return status;
}

/* ---- Reports -----------------------------------------------------------------------------------------------------------------
 */

static void take_stages(const scheduler_job *j, scheduler_part *part, const Tessera__Cluster__JobReport *r)
{
    if (r->n_stages == 0 || !j->shape) return;
    const size_t n = (size_t)j->shape->n_stages;
    if (!part->stages && !(part->stages = mem_calloc(n, sizeof *part->stages))) return;
    for (size_t i = 0; i < r->n_stages; i++)
        if (r->stages[i]->stage < n) part->stages[r->stages[i]->stage] = r->stages[i]->tasks_done;
}

static void take_part(scheduler *s, const scheduler_worker *w, const Tessera__Cluster__JobReport *r)
{
    scheduler_job *j = scheduler_job_find(s, r->job);
    if (!j || j->state == SCHEDULER_JOB_FAILED || !id_table_find(&w->told, j->id)) return;
    scheduler_part *part = scheduler_part_of(j, w->id);
    if (!part) return;
    part->seen_ns = scheduler_now(s);
    part->tasks_done = r->tasks_done;
    part->stage = r->stage;
    part->block = r->block;
    part->bytes_read = r->bytes_read;
    part->bytes_written = r->bytes_written;
    take_stages(j, part, r);
    scheduler_balance_note(s, j, part);
    if ((!j->order->submit->progress && !j->is_watched) || j->is_changed) return;
    j->is_changed = VEC_PUSH(&s->changed, j->id);
}

/* One entry for each thread that has begun something. */
static void note_begun(scheduler_worker *w, const scheduler_begun *b, bool ended)
{
    for (size_t i = 0; i < w->begun.n; i++) {
        if (w->begun.items[i].thread != b->thread || w->begun.items[i].plans != b->plans) continue;
        w->begun.items[i] = ended ? w->begun.items[--w->begun.n] : *b;
        return;
    }
    if (!ended && !VEC_PUSH(&w->begun, *b)) tsr_error_clear();
}

void scheduler_worker_begins(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Begins *m = tessera__cluster__begins__unpack(NULL, head_bytes, head);
    scheduler_worker *w = p->worker;
    const scheduler_job *j = m ? scheduler_job_find(s, m->job) : NULL;
    if (!m || m->thread > w->said->threads) { /* one more may help while others are stuck */
        scheduler_reject(s, p, "a beginning that cannot be read");
    } else if (m->ended || (j && j->state == SCHEDULER_JOB_READY && id_table_find(&w->told, j->id))) {
        const bool is_there = m->plans || m->ended || m->untold ||
                              (m->stage < (uint32_t)j->shape->n_stages && m->unit < (uint64_t)j->shape->units[m->stage].n);
        if (is_there)
            note_begun(w, &(scheduler_begun){m->job, m->thread, m->plans, m->untold, m->stage, m->unit}, m->ended);
        else
            scheduler_reject(s, p, "it begins what the job does not have");
    }
    if (m) tessera__cluster__begins__free_unpacked(m, NULL);
}

void scheduler_worker_report(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Report *m = tessera__cluster__report__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "a report that cannot be read");
        return;
    }
    scheduler_worker *w = p->worker;
    for (size_t i = 0; i < m->n_jobs; i++) take_part(s, w, m->jobs[i]);
    for (size_t i = 0; i < m->n_log && i < SCHEDULER_LOG_LINES; i++) scheduler_log_keep(&w->log, m->log[i]);
    w->heard_ns = scheduler_now(s);
    w->report.memory_used_bytes = m->memory_used_bytes;
    w->report.spilled_bytes = m->spilled_bytes;
    if (m->tasks_done > w->report.tasks_done) w->active_ns = scheduler_now(s);
    w->report.tasks_done = m->tasks_done;
    w->report.bandwidth = m->bandwidth;
    w->report.idle = m->idle;
    w->report.waits = m->waits;
    w->report.bytes_read = m->bytes_read;
    w->report.bytes_in = m->bytes_in;
    w->report.bytes_out = m->bytes_out;
    tessera__cluster__report__free_unpacked(m, NULL);
}

/* ---- Clients ------------------------------------------------------------------------------------------------------------------
 */

void scheduler_client_free(scheduler_client *c)
{
    if (!c) return;
    mem_free(c->name);
    mem_free(c->host);
    mem_free(c);
}

static void forget_client(scheduler *s, size_t i)
{
    scheduler_client *c = s->clients.items[i];
    s->clients.items[i] = s->clients.items[--s->clients.n];
    scheduler_say(s, NET_LOG_INFO, "client %s is gone, with %d jobs", c->name, c->n_jobs);
    scheduler_jobs_forget_client(s, c);
    scheduler_client_free(c);
}

/* Follows from the client, so that workers, which keep it, know it again after the scheduler was lost; a session more of the same
 * process has another. */
static uint64_t number_of(const scheduler *s, const scheduler_client *c)
{
    hash128 h = hash_bytes(c->name, strlen(c->name) + 1);
    h = hash_mix(h, c->host, strlen(c->host) + 1);
    h = hash_mix(h, &c->pid, sizeof c->pid);
    uint64_t number = h.low ? h.low : 1;
    for (size_t i = 0; i < s->clients.n; i++) {
        if (s->clients.items[i]->number != number) continue;
        number = number < UINT64_MAX ? number + 1 : 1;
        i = (size_t)-1;
    }
    return number;
}

/* One that comes back, by its name, process and host, takes up what it held. */
scheduler_client *scheduler_client_come(scheduler *s, scheduler_peer *p, const net_peer *peer)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        scheduler_client *c = s->clients.items[i];
        if (c->peer || c->pid != peer->pid || strcmp(c->name, peer->name) != 0 || strcmp(c->host, peer->host_id) != 0) continue;
        c->peer = p;
        return c;
    }
    scheduler_client *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->name = mem_strdup(peer->name);
    c->host = mem_strdup(peer->host_id);
    c->pid = peer->pid;
    c->same_host = peer->same_host;
    c->peer = p;
    if (c->name && c->host) c->number = number_of(s, c);
    if (c->number && VEC_PUSH(&s->clients, c)) return c;
    scheduler_client_free(c);
    return NULL;
}

/* ---- Time passes
 * --------------------------------------------------------------------------------------------------------------- */

/* Jobs that workers said they have and nobody asked for since. */
static void drop_strangers(scheduler *s, scheduler_worker *w)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    size_t n = 0;
    for (size_t i = 0; i < w->strangers.n; i++) /* what was submitted since is known again */
        if (!id_table_find(&w->told, w->strangers.items[i])) w->strangers.items[n++] = w->strangers.items[i];
    m.n_jobs = n;
    m.jobs = w->strangers.items;
    if (n > 0) scheduler_send(s, w->peer, SCHEDULER_MESSAGE(DROP), &m.base, NULL, 0);
    w->strangers.n = 0;
}

static bool is_gone(const scheduler *s, const scheduler_worker *w)
{
    return !w->peer && w->pid && s->ops->is_gone(s->context, w->pid);
}

static bool is_client_gone(const scheduler *s, const scheduler_client *c)
{
    return !c->peer && c->same_host && s->ops->is_gone(s->context, c->pid);
}

void scheduler_members_look(scheduler *s)
{
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *w = s->ordered.items[i];
        if (!is_gone(s, w)) continue;
        scheduler_worker_lose(s, w, w->leaves ? "it has ended" : "its process is gone");
        i = (size_t)-1; /* the list has changed */
    }
    for (size_t i = s->clients.n; i-- > 0;)
        if (is_client_gone(s, s->clients.items[i])) forget_client(s, i);
}

bool scheduler_awaits_workers(const scheduler *s)
{
    if (!s->knows_workers || scheduler_now(s) - s->started_ns > RETURN_NS) return false;
    for (size_t i = 0; i < s->ordered.n; i++)
        if (!s->ordered.items[i]->peer) return true;
    return false;
}

bool scheduler_is_complete(const scheduler *s)
{
    for (size_t i = 0; i < s->ordered.n; i++)
        if (!s->ordered.items[i]->peer || s->ordered.items[i]->away_ns) return false;
    return s->knows_workers && s->ordered.n > 0 && scheduler_now(s) - s->last_back_ns > TOLD_NS;
}

void scheduler_members_tick(scheduler *s, int64_t now_ns)
{
    scheduler_members_look(s);
    if (s->is_list_new) list_changed(s);
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *w = s->ordered.items[i];
        const bool is_silent = w->peer && now_ns - w->heard_ns > s->graces.silence_ns;
        if (w->peer && w->strangers.n > 0 && now_ns - w->strangers_ns > s->graces.client_ns) drop_strangers(s, w);
        let_leave(s, w, now_ns);
        if (w->peer && !is_silent) continue;
        if (!is_silent && !w->leaves && now_ns - w->away_ns < s->graces.worker_ns) continue;
        scheduler_worker_lose(s, w, is_silent ? "it says nothing any more" : w->leaves ? "it has ended" : "it did not come back");
        i = (size_t)-1; /* the list has changed */
    }
    for (size_t i = s->clients.n; i-- > 0;) {
        scheduler_client *c = s->clients.items[i];
        if (!c->peer && now_ns - c->away_ns >= s->graces.client_ns) forget_client(s, i);
    }
}
