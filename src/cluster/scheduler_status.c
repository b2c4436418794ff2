/* What people ask of a scheduler: how things are, how far a job is, to end or to begin anew. The scheduler's thread. */
#include "cluster/scheduler.h"

#include <stdio.h>

/* ---- Progress ------------------------------------------------------------------------------------------------------------ */

/* Tasks done of each stage, by all workers, in memory of the arena; NULL: the job is not planned, or there was no memory. */
static uint64_t *sum_stages(const scheduler_job *j, arena *memory)
{
    const int n = j->shape ? j->shape->n_stages : 0;
    uint64_t *done = n ? ARENA_ARRAY(memory, uint64_t, n) : NULL;
    for (int i = 0; done && i < n; i++) {
        done[i] = 0;
        for (size_t k = 0; k < j->parts.n; k++) {
            const uint64_t more = j->parts.items[k].stages ? j->parts.items[k].stages[i] : 0,
                           left = j->shape->stages[i].n_tasks - done[i];
            done[i] += more < left ? more : left; /* some were done again */
        }
    }
    return done;
}

static void sum_parts(const scheduler_job *j, Tessera__Cluster__Progress *out)
{
    int64_t last = -1;
    tessera__cluster__progress__init(out);
    out->job = j->id;
    out->tasks_total = j->shape ? (uint64_t)j->shape->n_tasks : 0;
    for (size_t i = 0; i < j->parts.n; i++) {
        const scheduler_part *part = &j->parts.items[i];
        out->tasks_done += part->tasks_done;
        out->bytes_read += part->bytes_read;
        out->bytes_written += part->bytes_written;
        if (part->seen_ns > last) out->stage = part->stage;
        if (part->seen_ns > last) last = part->seen_ns;
    }
    if (out->tasks_done > out->tasks_total) out->tasks_done = out->tasks_total; /* some were done again */
}

void scheduler_progress_tick(scheduler *s)
{
    for (size_t i = 0; i < s->changed.n; i++) {
        scheduler_job *j = scheduler_job_find(s, s->changed.items[i]);
        Tessera__Cluster__Progress m;
        if (!j) continue;
        j->is_changed = false;
        sum_parts(j, &m);
        arena memory;
        arena_init(&memory);
        m.stages = sum_stages(j, &memory);
        m.n_stages = m.stages ? (size_t)j->shape->n_stages : 0;
        for (size_t k = 0; k < j->holders.n; k++)
            scheduler_send(s, j->holders.items[k]->peer, SCHEDULER_MESSAGE(PROGRESS), &m.base, NULL, 0);
        arena_fini(&memory);
    }
    s->changed.n = 0;
}

/* ---- Status ---------------------------------------------------------------------------------------------------------------- */

static void write_worker(scheduler_worker *w, bool logs, Tessera__Cluster__WorkerStatus *out)
{
    tessera__cluster__worker_status__init(out);
    out->id = w->id;
    out->name = w->said->name;
    out->address = w->said->address;
    out->threads = w->said->threads;
    out->memory_bytes = w->said->memory_bytes;
    out->report = &w->report;
    if (w->host) out->host = w->host;
    if (logs) {
        out->n_log = (size_t)w->log.n;
        out->log = w->log.lines;
    }
}

static tsr_status write_stages(const scheduler_job *j, arena *memory, Tessera__Cluster__JobStatus *out)
{
    const size_t n = j->shape ? (size_t)j->shape->n_stages : 0;
    if (n == 0) return TSR_OK;
    const uint64_t *done = sum_stages(j, memory);
    Tessera__Cluster__StageStatus *items = ARENA_ARRAY(memory, Tessera__Cluster__StageStatus, n);
    out->stages = ARENA_ARRAY(memory, Tessera__Cluster__StageStatus *, n);
    if (!done || !items || !out->stages) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        scheduler_stage *of = &j->shape->stages[i];
        if (of->n_tasks == 0) continue;
        tessera__cluster__stage_status__init(&items[i]);
        items[i].name = of->name;
        items[i].tasks_done = done[i];
        items[i].tasks_total = of->n_tasks;
        out->stages[out->n_stages++] = &items[i];
    }
    return TSR_OK;
}

static tsr_status write_job(const scheduler *s, const scheduler_job *j, const scheduler_peer *p, arena *memory,
                            Tessera__Cluster__JobStatus *out)
{
    Tessera__Cluster__Progress sum;
    sum_parts(j, &sum);
    tessera__cluster__job_status__init(out);
    out->job = j->id;
    if (j->payer) out->client = j->payer->name;
    for (size_t i = 0; i < j->holders.n; i++) out->held |= p->client && j->holders.items[i] == p->client;
    for (size_t i = 0; i < s->names.n; i++)
        if (s->names.items[i].job == j) out->name = s->names.items[i].said->name;
    out->persists = j->order->submit->persists;
    out->tasks_done = sum.tasks_done;
    out->tasks_total = sum.tasks_total;
    out->bytes = j->shape ? (uint64_t)j->shape->bytes : 0;
    return write_stages(j, memory, out);
}

/* The session in which a worker has the results that arrays of futures read: it has the worker's name. */
static bool is_part_of_a_worker(const scheduler *s, const scheduler_client *c)
{
    for (size_t i = 0; i < s->ordered.n; i++) {
        const scheduler_worker *w = s->ordered.items[i];
        if (strcmp(w->said->name, c->name) == 0 && w->pid == (c->same_host ? c->pid : 0)) return true;
    }
    return false;
}

static tsr_status write_lists(scheduler *s, const scheduler_peer *p, bool logs, arena *memory, Tessera__Cluster__StatusReply *m)
{
    const size_t n_workers = s->ordered.n, n_jobs = s->jobs.n;
    Tessera__Cluster__WorkerStatus *workers = ARENA_ARRAY(memory, Tessera__Cluster__WorkerStatus, n_workers);
    Tessera__Cluster__JobStatus *jobs = ARENA_ARRAY(memory, Tessera__Cluster__JobStatus, n_jobs);
    m->workers = ARENA_ARRAY(memory, Tessera__Cluster__WorkerStatus *, n_workers);
    m->jobs = ARENA_ARRAY(memory, Tessera__Cluster__JobStatus *, n_jobs);
    if (!workers || !jobs || !m->workers || !m->jobs) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < n_workers; i++) {
        if (!s->ordered.items[i]->peer) continue; /* who is away is not there */
        write_worker(s->ordered.items[i], logs, &workers[m->n_workers]);
        m->workers[m->n_workers] = &workers[m->n_workers];
        m->n_workers++;
    }
    size_t at = 0;
    for (scheduler_job *j; (j = id_table_next(&s->jobs, &at)) != NULL;) {
        if (j->state == SCHEDULER_JOB_FAILED) continue;
        TRY(write_job(s, j, p, memory, &jobs[m->n_jobs]));
        m->jobs[m->n_jobs] = &jobs[m->n_jobs];
        m->n_jobs++;
    }
    for (size_t i = 0; i < s->clients.n; i++)
        m->clients += s->clients.items[i]->peer && !is_part_of_a_worker(s, s->clients.items[i]);
    return TSR_OK;
}

void scheduler_status_reply(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__StatusRequest *asked = tessera__cluster__status_request__unpack(NULL, head_bytes, head);
    Tessera__Cluster__StatusReply m = TESSERA__CLUSTER__STATUS_REPLY__INIT;
    arena memory;
    if (!asked) {
        scheduler_reject(s, p, "a request that cannot be read");
        return;
    }
    arena_init(&memory);
    m.request = asked->request;
    m.address = (char *)(uintptr_t)(s->address ? s->address : "");
    m.version = (char *)(uintptr_t)TESSERA_VERSION;
    m.uptime_seconds = (double)(scheduler_now(s) - s->started_ns) * 1e-9;
    if (asked->logs) {
        m.n_log = (size_t)s->log.n;
        m.log = s->log.lines;
    }
    if (write_lists(s, p, asked->logs, &memory, &m) == TSR_OK)
        scheduler_send(s, p, SCHEDULER_MESSAGE(STATUS_REPLY), &m.base, NULL, 0);
    else
        scheduler_refuse(s, p, 0, m.request, TSR_ERR_MEMORY, tsr_error_message());
    arena_fini(&memory);
    tessera__cluster__status_request__free_unpacked(asked, NULL);
}

/* ---- Where blocks are ------------------------------------------------------------------------------------------------------ */

/* The place of a worker in the list; it is added if it is not there yet. */
static uint32_t owner_of(scheduler *s, const scheduler_job *j, Tessera__Cluster__JobBlocks *out, arena *memory, uint64_t id,
                         id_table *places)
{
    uintptr_t place = (uintptr_t)id_table_find(places, id);
    if (place) return (uint32_t)(place - 1);
    Tessera__Cluster__Owner *o = ARENA_ARRAY(memory, Tessera__Cluster__Owner, 1);
    const scheduler_worker *w = id_table_find(&s->workers, id);
    const scheduler_part *part = scheduler_part_find(j, id);
    if (!o || !id_table_put(places, id, (void *)(uintptr_t)(out->n_owners + 1))) return UINT32_MAX;
    tessera__cluster__owner__init(o);
    if (w) o->address = w->said->address;
    o->made = w && w->peer && part && part->made_epoch == j->epoch;
    out->owners[out->n_owners] = o;
    return (uint32_t)out->n_owners++;
}

/* The ranges of blocks that follow from those of units: who begins a block has it. */
static tsr_status write_ranges(scheduler *s, const scheduler_job *j, const scheduler_root *root, arena *memory, id_table *places,
                               Tessera__Cluster__JobBlocks *job, Tessera__Cluster__BlockRanges *out)
{
    const stage_owners *from = &j->map->owners.stages[root->stage];
    out->first = ARENA_ARRAY(memory, uint64_t, from->n);
    out->owner = ARENA_ARRAY(memory, uint32_t, from->n);
    if (!out->first || !out->owner) return TSR_ERR_MEMORY;
    for (int i = 0; i < from->n; i++) {
        const uint64_t first = (uint64_t)((from->first[i] + root->n_runs - 1) / root->n_runs);
        const uint32_t owner = owner_of(s, j, job, memory, from->owner[i], places);
        if (owner == UINT32_MAX) return TSR_ERR_MEMORY;
        if (out->n_first > 0 && out->first[out->n_first - 1] == first) out->n_first--; /* that owner begins no block */
        if (out->n_first > 0 && out->owner[out->n_first - 1] == owner) continue;
        out->first[out->n_first] = first;
        out->owner[out->n_first++] = owner;
    }
    out->n_owner = out->n_first;
    return TSR_OK;
}

/* n_ranges: how many there may still be in the answer. */
static tsr_status write_blocks(scheduler *s, uint64_t id, arena *memory, int64_t *n_ranges, Tessera__Cluster__JobBlocks *out)
{
    const scheduler_job *j = scheduler_job_find(s, id);
    id_table places = {0};
    tsr_status status = TSR_OK;
    tessera__cluster__job_blocks__init(out);
    out->job = id;
    if (!j) return error_set(TSR_ERR_NOT_FOUND, "job %016llx is not there", (unsigned long long)id);
    if (j->state == SCHEDULER_JOB_FAILED) return error_set(j->status, "%s", j->message ? j->message : "it failed");
    if (!j->shape || scheduler_map_is_empty(j)) return TSR_OK;
    const size_t n = (size_t)j->shape->n_roots;
    int64_t most = 0;
    for (size_t i = 0; i < n; i++) most += j->map->owners.stages[j->shape->roots[i].stage].n;
    *n_ranges -= most;
    if (*n_ranges < 0)
        return error_set(TSR_ERR_VALUE, "the blocks of these arrays lie in more than %d ranges; ask for fewer arrays",
                         SCHEDULER_MOST_RANGES);
    Tessera__Cluster__BlockRanges *items = ARENA_ARRAY(memory, Tessera__Cluster__BlockRanges, n);
    out->roots = ARENA_ARRAY(memory, Tessera__Cluster__BlockRanges *, n);
    out->owners = ARENA_ARRAY(memory, Tessera__Cluster__Owner *, most);
    if (!items || !out->roots || !out->owners) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        tessera__cluster__block_ranges__init(&items[i]);
        out->roots[out->n_roots++] = &items[i];
        GUARD(write_ranges(s, j, &j->shape->roots[i], memory, &places, out, &items[i]));
    }
done:
    id_table_fini(&places);
    return status;
}

void scheduler_where_reply(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Where *asked = tessera__cluster__where__unpack(NULL, head_bytes, head);
    Tessera__Cluster__Blocks m = TESSERA__CLUSTER__BLOCKS__INIT;
    int64_t n_ranges = SCHEDULER_MOST_RANGES;
    tsr_status status = TSR_OK;
    arena memory;
    if (!asked) {
        scheduler_reject(s, p, "a request that cannot be read");
        return;
    }
    arena_init(&memory);
    m.request = asked->request;
    if (asked->n_jobs > SCHEDULER_MOST_WHERE)
        GUARD(error_set(TSR_ERR_VALUE, "%zu jobs to look for; a scheduler takes %d", asked->n_jobs, SCHEDULER_MOST_WHERE));
    Tessera__Cluster__JobBlocks *items = ARENA_ARRAY(&memory, Tessera__Cluster__JobBlocks, asked->n_jobs);
    m.jobs = ARENA_ARRAY(&memory, Tessera__Cluster__JobBlocks *, asked->n_jobs);
    GUARD(items && m.jobs ? TSR_OK : TSR_ERR_MEMORY);
    for (size_t i = 0; i < asked->n_jobs; i++) {
        GUARD(write_blocks(s, asked->jobs[i], &memory, &n_ranges, &items[i]));
        m.jobs[m.n_jobs++] = &items[i];
    }
    scheduler_send(s, p, SCHEDULER_MESSAGE(BLOCKS), &m.base, NULL, 0);
done:
    if (status != TSR_OK) scheduler_refuse(s, p, 0, asked->request, status, tsr_error_message());
    arena_fini(&memory);
    tessera__cluster__where__free_unpacked(asked, NULL);
}

/* ---- Control -----------------------------------------------------------------------------------------------------------------
 */

static void stop(scheduler *s)
{
    scheduler_say(s, NET_LOG_INFO, "stopping, as was asked");
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *w = s->ordered.items[i];
        w->leaves = true;
        scheduler_send(s, w->peer, SCHEDULER_MESSAGE(LEAVE), NULL, NULL, 0);
    }
    for (size_t i = 0; i < s->clients.n; i++)
        scheduler_send(s, s->clients.items[i]->peer, SCHEDULER_MESSAGE(STOPPED), NULL, NULL, 0);
    s->ops->stop(s->context);
}

static bool is_called(const scheduler_worker *w, const char *text)
{
    char id[32];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)w->id);
    return strcmp(w->said->name, text) == 0 || strcmp(w->said->address, text) == 0 || strcmp(id, text) == 0;
}

static tsr_status retire(scheduler *s, const Tessera__Cluster__Control *m, size_t *n)
{
    VEC(uint64_t) ids = {0};
    tsr_status status = TSR_OK;
    for (size_t k = 0; k < m->n_workers; k++) {
        bool known = false;
        for (size_t i = 0; i < s->ordered.n && !known; i++) known = is_called(s->ordered.items[i], m->workers[k]);
        if (!known) return error_set(TSR_ERR_NOT_FOUND, "there is no worker '%.200s'", m->workers[k]);
    }
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *w = s->ordered.items[i];
        bool meant = m->n_workers == 0;
        for (size_t k = 0; k < m->n_workers && !meant; k++) meant = is_called(w, m->workers[k]);
        if (!meant || w->leaves) continue;
        GUARD(VEC_PUSH(&ids, w->id) ? TSR_OK : TSR_ERR_MEMORY);
    }
    *n = ids.n;
    scheduler_workers_retire(s, ids.items, ids.n);
done:
    VEC_FINI(&ids);
    return status;
}

void scheduler_control(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Control *m = tessera__cluster__control__unpack(NULL, head_bytes, head);
    tsr_status status = TSR_OK;
    char text[64] = "";
    size_t n = 0;
    if (!m) {
        scheduler_reject(s, p, "a request that cannot be read");
        return;
    }
    if (strcmp(m->what, "stop") == 0) {
        scheduler_done(s, p, m->request, "");
        stop(s);
        goto done;
    }
    if (strcmp(m->what, "retire") == 0) {
        GUARD(retire(s, m, &n));
        snprintf(text, sizeof text, "%zu", n);
    } else if (strcmp(m->what, "restart") == 0) {
        scheduler_say(s, NET_LOG_INFO, "every job is dropped, as was asked");
        scheduler_jobs_restart(s);
        s->ops->restart(s->context);
    } else {
        status = error_set(TSR_ERR_VALUE, "a scheduler cannot '%.60s'; it can stop, retire, restart", m->what);
        goto done;
    }
    scheduler_done(s, p, m->request, text);
done:
    if (status != TSR_OK) scheduler_refuse(s, p, 0, m->request, status, tsr_error_message());
    tessera__cluster__control__free_unpacked(m, NULL);
}
