/* The maps of jobs: drawn by whoever plans, told to workers and clients, repaired when workers go. The scheduler's thread.
 *
 * A worker is told of a job (JOB, which has the map) before it gets its maps, and of all jobs that it reads before; `told` of the
 * worker says which. Epochs only increase, also over restarts without a journal: they begin at the quarter seconds since 2025. */
#include "cluster/owner_map.h"
#include "cluster/scheduler.h"

#include <time.h>

enum { EPOCH_BEGIN = 1735689600 }; /* 2025-01-01, in seconds of Unix */

bool scheduler_map_is_empty(const scheduler_job *j)
{
    if (!j->map) return true;
    for (int i = 0; i < j->map->owners.n_stages; i++)
        if (j->map->owners.stages[i].n > 0) return false;
    return true;
}

/* ---- Drawing ------------------------------------------------------------------------------------------------------------ */

static bool is_usable(const scheduler_worker *w) { return w && w->peer && !w->leaves; }

/* Those who can be given something. */
static tsr_status list_workers(const scheduler *s, assign_worker **out, int *n)
{
    *n = 0;
    *out = mem_alloc(sizeof **out * s->ordered.n);
    if (!*out) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < s->ordered.n; i++) {
        const scheduler_worker *w = s->ordered.items[i];
        if (!is_usable(w)) continue;
        (*out)[(*n)++] =
            (assign_worker){.id = w->id, .threads = (int)w->said->threads, .load = (double)w->n_jobs / w->said->threads};
    }
    return TSR_OK;
}

static tsr_status make_request(scheduler *s, scheduler_job *j, scheduler_planning *r)
{
    r->job = j->id;
    r->order = j->order;
    atomic_fetch_add(&j->order->refs, 1);
    r->turn = s->turn++;
    r->inputs = mem_calloc(j->reads.n, sizeof *r->inputs);
    if (!r->inputs) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < j->reads.n; i++) {
        const scheduler_job *in = j->reads.items[i];
        r->inputs[r->n_inputs++] =
            (scheduler_input){.job = in->id, .shape = scheduler_shape_ref(in->shape), .map = scheduler_map_ref(in->map)};
    }
    return list_workers(s, &r->workers, &r->n_workers);
}

void scheduler_map_draw(scheduler *s, scheduler_job *j)
{
    scheduler_planning *r = mem_calloc(1, sizeof *r);
    if (!r || make_request(s, j, r) != TSR_OK) {
        scheduler_planning_free(r);
        scheduler_job_fail(s, j, TSR_ERR_MEMORY, tsr_error_message());
        return;
    }
    j->state = SCHEDULER_JOB_PLANNING;
    j->drawn_ns = scheduler_now(s);
    s->ops->plan(s->context, r);
}

/* ---- Messages ------------------------------------------------------------------------------------------------------------- */

/* In one piece of memory: messages of stages, pointers to them. Borders, workers and owners are the map's own. */
tsr_status scheduler_map_write(const scheduler_job *j, scheduler_map_message *out)
{
    const scheduler_map *m = j->map;
    const size_t n_stages = (size_t)(m ? m->owners.n_stages : j->shape ? j->shape->n_stages : 0);
    tessera__cluster__map__init(&out->map);
    out->room = mem_alloc(n_stages * (sizeof(Tessera__Cluster__StageMap) + sizeof(void *)));
    if (!out->room) return TSR_ERR_MEMORY;
    Tessera__Cluster__StageMap *stages = out->room;
    uint32_t *owner = m ? m->owner : NULL;
    out->map.stages = (Tessera__Cluster__StageMap **)(void *)(stages + n_stages);
    out->map.n_workers = m ? m->n_workers : 0;
    out->map.workers = m ? m->workers : NULL;
    out->map.n_stages = n_stages;
    out->map.job = j->id;
    out->map.epoch = j->epoch;
    out->map.copies = j->copies;
    out->map.careful = j->deaths.n > 0;
    for (size_t i = 0; i < n_stages; i++) {
        out->map.stages[i] = &stages[i];
        tessera__cluster__stage_map__init(&stages[i]);
        if (!m) continue;
        const stage_owners *from = &m->owners.stages[i];
        stages[i].n_first = stages[i].n_owner = (size_t)from->n;
        stages[i].first = (uint64_t *)from->first;
        stages[i].owner = owner;
        owner += from->n;
    }
    return TSR_OK;
}

/* Messages that many get are packed once, and kept while the map is told. */
static tsr_status pack_map(const scheduler_job *j, scheduler_packed *out)
{
    scheduler_map_message m;
    TRY(scheduler_map_write(j, &m));
    tsr_status status = scheduler_pack(&m.map.base, out);
    mem_free(m.room);
    return status;
}

static tsr_status pack_job(const scheduler_job *j, scheduler_packed *out)
{
    const Tessera__Cluster__Submit *from = j->order->submit;
    scheduler_map_message map;
    Tessera__Cluster__Job m = TESSERA__CLUSTER__JOB__INIT;
    TRY(scheduler_map_write(j, &map));
    m.job = j->id;
    m.persists = from->persists;
    m.fingerprint = j->shape->fingerprint;
    m.n_hints = from->n_hints;
    m.hints = from->hints;
    m.priority = from->priority;
    m.map = &map.map;
    m.sheds = j->is_shed;
    m.client = j->client_number;
    tsr_status status = scheduler_pack(&m.base, out);
    mem_free(map.room);
    return status;
}

static void forget_packed(scheduler_job *j)
{
    mem_free(j->packed_map.bytes);
    mem_free(j->packed_job.bytes);
    j->packed_map = j->packed_job = (scheduler_packed){0};
    j->keeps_packed = false;
}

void scheduler_map_send(scheduler *s, scheduler_job *j, scheduler_peer *p)
{
    if (!p) return;
    scheduler_tell_new_workers(s);
    if (!j->packed_map.bytes && pack_map(j, &j->packed_map) != TSR_OK) {
        scheduler_reject(s, p, tsr_error_message());
        return;
    }
    scheduler_send_packed(s, p, SCHEDULER_MESSAGE(MAP), &j->packed_map, NULL, 0);
    if (!j->keeps_packed) forget_packed(j);
}

static void send_job(scheduler *s, scheduler_job *j, scheduler_worker *w)
{
    scheduler_tell_new_workers(s);
    if (!j->packed_job.bytes && pack_job(j, &j->packed_job) != TSR_OK) {
        scheduler_reject(s, w->peer, tsr_error_message());
        return;
    }
    scheduler_send_packed(s, w->peer, SCHEDULER_MESSAGE(JOB), &j->packed_job, j->order->expressions, j->order->bytes);
    if (!j->keeps_packed) forget_packed(j);
}

void scheduler_map_tell(scheduler *s, scheduler_job *j, scheduler_worker *w)
{
    if (!w->peer || !j->shape || id_table_find(&w->told, j->id)) return;
    for (size_t i = 0; i < j->reads.n; i++) scheduler_map_tell(s, j->reads.items[i], w);
    if (!id_table_put(&w->told, j->id, j)) {
        scheduler_reject(s, w->peer, tsr_error_message());
        return;
    }
    send_job(s, j, w);
}

/* ---- Changes ----------------------------------------------------------------------------------------------------------------
 */

/* Calls f for every worker in a map that is known, once. */
static void each_worker(scheduler *s, scheduler_job *j, const scheduler_map *map,
                        void (*f)(scheduler *s, scheduler_job *j, scheduler_worker *w))
{
    for (size_t i = 0; map && i < map->n_workers; i++) {
        scheduler_worker *w = id_table_find(&s->workers, map->workers[i]);
        if (w) f(s, j, w);
    }
}

static void count_more(scheduler *s, scheduler_job *j, scheduler_worker *w)
{
    w->n_jobs++;
    j->n_unmade++;
}
static void count_less(scheduler *s, scheduler_job *j, scheduler_worker *w) { w->n_jobs--; }
static void tell_one(scheduler *s, scheduler_job *j, scheduler_worker *w) { scheduler_map_tell(s, j, w); }

static uint32_t next_epoch(const scheduler *s, uint32_t epoch)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint32_t least = (uint32_t)((now.tv_sec - EPOCH_BEGIN) * 4 + now.tv_nsec / 250000000);
    return epoch < least ? least : epoch + 1;
}

void scheduler_map_record(scheduler *s, const scheduler_job *j)
{
    scheduler_map_message m;
    if (!j->map || scheduler_map_write(j, &m) != TSR_OK) return;
    scheduler_record(s, JOURNAL_MAP, &m.map.base, NULL, 0);
    mem_free(m.room);
}

/* Owners are told before others hear of them, so that nobody asks who does not know: connections are not ordered among each
 * other, but workers wait for jobs that they do not know yet. */
void scheduler_map_set(scheduler *s, scheduler_job *j, scheduler_map *map)
{
    scheduler_map *before = j->map;
    if (j->is_counted) each_worker(s, j, before, count_less);
    j->map = map;
    j->is_counted = true;
    j->epoch = next_epoch(s, j->epoch);
    j->keeps_packed = true;
    j->n_unmade = 0;
    each_worker(s, j, map, count_more);
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *w = s->ordered.items[i];
        if (w->peer && id_table_find(&w->told, j->id)) scheduler_map_send(s, j, w->peer);
    }
    each_worker(s, j, map, tell_one);
    j->mapped_ns = scheduler_now(s);
    for (size_t i = 0; i < j->holders.n; i++) scheduler_map_send(s, j, j->holders.items[i]->peer);
    if (j->order->submit->persists) scheduler_map_record(s, j);
    forget_packed(j);
    scheduler_map_unref(before);
    if (!scheduler_job_is_made(j)) {
        scheduler_job_set_pending(s, j, true);
    } else { /* there are no blocks */
        scheduler_job_set_pending(s, j, false);
        scheduler_waits_look(s, j->id);
    }
}

void scheduler_map_clear(scheduler *s, scheduler_job *j)
{
    if (j->is_counted) each_worker(s, j, j->map, count_less);
    j->is_counted = false;
    scheduler_map_unref(j->map);
    j->map = NULL;
}

/* Does somebody own units who cannot work on them? Those who are only away keep theirs. */
static bool needs_repair(const scheduler *s, const scheduler_map *map)
{
    for (size_t i = 0; i < map->n_workers; i++) {
        const scheduler_worker *w = id_table_find(&s->workers, map->workers[i]);
        if (!w || w->leaves) return true;
    }
    return false;
}

/* Those who may stay owners: who can work, and who is away for a moment. */
static tsr_status list_owners(const scheduler *s, assign_worker **out, int *n)
{
    *n = 0;
    *out = mem_alloc(sizeof **out * s->ordered.n);
    if (!*out) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < s->ordered.n; i++) {
        const scheduler_worker *w = s->ordered.items[i];
        if (w->leaves) continue;
        (*out)[(*n)++] =
            (assign_worker){.id = w->id, .threads = (int)w->said->threads, .load = (double)w->n_jobs / w->said->threads};
    }
    return TSR_OK;
}

/* Those who own something and cannot work on it only leave, and have made all that is theirs. */
static bool has_donors(const scheduler *s, const scheduler_job *j)
{
    if (!j->order->submit->persists || j->is_shed || !scheduler_job_is_made(j)) return false;
    for (size_t i = 0; i < j->map->n_workers; i++) {
        const scheduler_worker *w = id_table_find(&s->workers, j->map->workers[i]);
        if (!w || !w->peer) return false;
    }
    return true;
}

void scheduler_map_repair(scheduler *s, scheduler_job *j)
{
    assign_worker *workers = NULL;
    owner_map owners = {0};
    scheduler_map *map = NULL;
    int n;
    tsr_status status = TSR_OK;
    if (!j->map || !j->shape || scheduler_map_is_empty(j) || !needs_repair(s, j->map)) return;
    GUARD(list_owners(s, &workers, &n));
    GUARD(assign_move(&j->map->owners, j->shape->units, &(assign_context){.n_workers = n, .workers = workers, .turn = s->turn++},
                      &owners));
    GUARD(scheduler_map_new(&owners, &map));
    j->copies = has_donors(s, j);
    scheduler_map_set(s, j, map);
    j->is_copied = j->copies && !scheduler_map_is_empty(j);
    j->copies = false;
done:
    mem_free(workers);
    if (status != TSR_OK) scheduler_job_fail(s, j, status, tsr_error_message());
}

/* ---- From the journal --------------------------------------------------------------------------------------------------------
 */

tsr_status scheduler_map_restore(scheduler *s, const journal_record *r)
{
    Tessera__Cluster__Map *m = tessera__cluster__map__unpack(NULL, r->head_bytes, r->head);
    owner_map owners = {0};
    scheduler_map *map = NULL;
    tsr_status status = TSR_OK;
    scheduler_job *j = m ? scheduler_job_find(s, m->job) : NULL;
    if (!m) return error_set(TSR_ERR_FORMAT, "a damaged map");
    if (!j) goto done; /* of a job that was dropped later */
    GUARD(owner_map_read(m, &owners));
    GUARD(scheduler_map_new(&owners, &map));
    scheduler_map_unref(j->map);
    j->map = map;
    j->epoch = m->epoch;
done:
    tessera__cluster__map__free_unpacked(m, NULL);
    return status;
}
