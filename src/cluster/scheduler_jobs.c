/* Jobs: submitted, held, published, failed, dropped. The scheduler's thread. What clients send is checked here; what expressions
 * hold is checked by whoever plans. */
#include "cluster/owner_map.h"
#include "cluster/scheduler.h"

#include <stdio.h>

scheduler_job *scheduler_job_find(scheduler *s, uint64_t id) { return id_table_find(&s->jobs, id); }

tsr_status scheduler_jobs_list(const scheduler *s, uint64_t **ids, size_t *n)
{
    size_t at = 0;
    *n = 0;
    *ids = mem_alloc(sizeof **ids * s->jobs.n);
    if (!*ids) return TSR_ERR_MEMORY;
    for (scheduler_job *j; (j = id_table_next(&s->jobs, &at)) != NULL;) (*ids)[(*n)++] = j->id;
    return TSR_OK;
}

void scheduler_job_free(scheduler_job *j)
{
    if (!j) return;
    for (size_t i = 0; i < j->deaths.n; i++) scheduler_death_fini(&j->deaths.items[i]);
    scheduler_order_unref(j->order);
    scheduler_shape_unref(j->shape);
    scheduler_map_unref(j->map);
    VEC_FINI(&j->holders);
    VEC_FINI(&j->reads);
    for (size_t i = 0; i < j->parts.n; i++) mem_free(j->parts.items[i].stages);
    VEC_FINI(&j->parts);
    VEC_FINI(&j->deaths);
    mem_free(j->message);
    mem_free(j);
}

/* ---- Holding ----------------------------------------------------------------------------------------------------------- */

static bool holds(const scheduler_job *j, const scheduler_client *c)
{
    for (size_t i = 0; i < j->holders.n; i++)
        if (j->holders.items[i] == c) return true;
    return false;
}

/* Against whose limits it counts: the first holder's. */
static void set_payer(scheduler_job *j, scheduler_client *c)
{
    if (j->payer) {
        j->payer->n_jobs--;
        j->payer->bytes -= j->order->bytes;
    }
    j->payer = c;
    if (c) {
        c->n_jobs++;
        c->bytes += j->order->bytes;
    }
}

static bool hold(scheduler_job *j, scheduler_client *c)
{
    if (holds(j, c)) return true;
    if (!VEC_PUSH(&j->holders, c)) return false;
    if (!j->payer) set_payer(j, c);
    return true;
}

static void let_go(scheduler_job *j, scheduler_client *c)
{
    for (size_t i = 0; i < j->holders.n; i++) {
        if (j->holders.items[i] != c) continue;
        j->holders.items[i] = j->holders.items[--j->holders.n];
        break;
    }
    if (j->payer == c) set_payer(j, j->holders.n > 0 ? j->holders.items[0] : NULL);
}

void scheduler_jobs_forget_client(scheduler *s, scheduler_client *c)
{
    uint64_t *ids;
    size_t n, at = 0;
    if (scheduler_jobs_list(s, &ids, &n) != TSR_OK) {
        /* Without memory for a list: nobody may point to the client, and the next tick looks for what is not needed. */
        for (scheduler_job *j; (j = id_table_next(&s->jobs, &at)) != NULL;) {
            if (holds(j, c)) j->orphan_until_ns = scheduler_now(s) + 1;
            let_go(j, c);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (!j || !holds(j, c)) continue;
        let_go(j, c);
        scheduler_job_drop_unused(s, j);
    }
    mem_free(ids);
}

/* ---- Dropping ---------------------------------------------------------------------------------------------------------- */

static void tell_dropped(scheduler *s, const scheduler_job *j)
{
    uint64_t id = j->id;
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    m.n_jobs = 1;
    m.jobs = &id;
    for (size_t i = 0; i < s->ordered.n; i++) {
        scheduler_worker *w = s->ordered.items[i];
        if (id_table_take(&w->told, id)) scheduler_send(s, w->peer, SCHEDULER_MESSAGE(DROP), &m.base, NULL, 0);
    }
}

static void record_release(scheduler *s, uint64_t id)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    m.n_jobs = 1;
    m.jobs = &id;
    scheduler_record(s, JOURNAL_RELEASE, &m.base, NULL, 0);
}

static bool is_needed(const scheduler_job *j)
{
    return j->holders.n > 0 || j->n_names > 0 || j->n_readers > 0 || j->orphan_until_ns != 0;
}

/* What it reads may go with it, and so on: a list, as chains may be long. */
void scheduler_job_drop_unused(scheduler *s, scheduler_job *j)
{
    VEC(scheduler_job *) list = {0};
    while (j) {
        if (is_needed(j)) {
            scheduler_job_shed_unread(s, j);
        } else {
            scheduler_map_clear(s, j);
            tell_dropped(s, j);
            if (j->is_recorded) record_release(s, j->id);
            id_table_take(&s->jobs, j->id);
            set_payer(j, NULL);
            for (size_t i = 0; i < j->reads.n && j->is_pending; i++) j->reads.items[i]->n_waiting_readers--;
            scheduler_waits_look(s, j->id);
            for (size_t i = 0; i < j->reads.n; i++) {
                scheduler_job *in = j->reads.items[i];
                in->n_readers--;
                if (is_needed(in)) {
                    scheduler_job_shed_unread(s, in);
                    continue;
                }
                if (!VEC_PUSH(&list, in)) in->orphan_until_ns = scheduler_now(s) + 1; /* the next tick drops it */
            }
            scheduler_job_free(j);
        }
        j = list.n > 0 ? list.items[--list.n] : NULL;
    }
    VEC_FINI(&list);
}

static void begin(scheduler *s, scheduler_job *j);

void scheduler_jobs_go_on(scheduler *s)
{
    uint64_t *ids;
    size_t n;
    if (!s->holds_jobs || scheduler_awaits_workers(s) || scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    s->holds_jobs = false;
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (j && j->state == SCHEDULER_JOB_WAITING) begin(s, j);
    }
    mem_free(ids);
}

void scheduler_jobs_tick(scheduler *s, int64_t now_ns)
{
    scheduler_jobs_go_on(s);
    uint64_t *ids = NULL;
    size_t n = 0, at = 0;
    bool any = false;
    for (scheduler_job *j; !any && (j = id_table_next(&s->jobs, &at)) != NULL;)
        any = j->orphan_until_ns != 0 && now_ns >= j->orphan_until_ns;
    if (!any || scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (!j || j->orphan_until_ns == 0 || now_ns < j->orphan_until_ns) continue;
        j->orphan_until_ns = 0;
        scheduler_job_drop_unused(s, j);
    }
    mem_free(ids);
}

/* The job may go then. */
static scheduler_job *remove_name(scheduler *s, scheduler_name *n)
{
    scheduler_job *j = n->job;
    tessera__cluster__name__free_unpacked(n->said, NULL);
    *n = s->names.items[--s->names.n];
    j->n_names--;
    return j;
}

/* ---- Failing ------------------------------------------------------------------------------------------------------------ */

static void fail_one(scheduler *s, scheduler_job *j, tsr_status status, const char *message)
{
    scheduler_map_clear(s, j);
    tell_dropped(s, j);
    j->state = SCHEDULER_JOB_FAILED;
    j->status = status;
    mem_free(j->message);
    j->message = mem_strdup(message);
    for (size_t i = 0; i < j->holders.n; i++) scheduler_refuse(s, j->holders.items[i]->peer, j->id, 0, status, message);
    scheduler_waits_look(s, j->id);
}

/* The job stays known, so that who asks for it again hears why; and in the journal, since it may work for the next scheduler, as
 * with files that were not there for a moment. Who reads it fails, too. */
void scheduler_job_fail(scheduler *s, scheduler_job *j, tsr_status status, const char *given)
{
    char *message = mem_strdup(given && *given ? given : "the job failed");
    VEC(scheduler_job *) list = {0};
    scheduler_say(s, NET_LOG_WARNING, "job %016llx failed: %s", (unsigned long long)j->id, message ? message : "");
    for (; j; j = list.n > 0 ? list.items[--list.n] : NULL) {
        size_t at = 0;
        if (j->state == SCHEDULER_JOB_FAILED) continue;
        fail_one(s, j, status, message ? message : "");
        for (scheduler_job *other; j->n_readers > 0 && (other = id_table_next(&s->jobs, &at)) != NULL;) {
            for (size_t i = 0; i < other->reads.n; i++) {
                if (other->reads.items[i] != j || other->state == SCHEDULER_JOB_FAILED) continue;
                if (!VEC_PUSH(&list, other)) scheduler_say(s, NET_LOG_ERROR, "%s", tsr_error_message());
            }
        }
    }
    VEC_FINI(&list);
    mem_free(message);
}

void scheduler_job_failed(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Refused *m = tessera__cluster__refused__unpack(NULL, head_bytes, head);
    if (!m || m->status <= TSR_OK || m->status > TSR_ERR_TIMEOUT || strlen(m->message) > 64 * SCHEDULER_MOST_TEXT) {
        scheduler_reject(s, p, "a failure that cannot be read");
    } else {
        scheduler_job *j = scheduler_job_find(s, m->job);
        if (j && j->state == SCHEDULER_JOB_READY && id_table_find(&p->worker->told, j->id))
            scheduler_job_fail(s, j, (tsr_status)m->status, m->message);
    }
    if (m) tessera__cluster__refused__free_unpacked(m, NULL);
}

void scheduler_jobs_restart(scheduler *s)
{
    uint64_t *ids;
    size_t n;
    if (scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    while (s->names.n > 0) {
        Tessera__Cluster__Name m = TESSERA__CLUSTER__NAME__INIT;
        m.name = s->names.items[0].said->name;
        scheduler_record(s, JOURNAL_NAME, &m.base, NULL, 0);
        (void)remove_name(s, &s->names.items[0]);
    }
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (j && j->state != SCHEDULER_JOB_FAILED)
            scheduler_job_fail(s, j, TSR_ERR_CANCELLED, "the cluster was restarted: every job was dropped");
    }
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (!j) continue;
        j->orphan_until_ns = 0;
        while (j->holders.n > 0) let_go(j, j->holders.items[0]);
        scheduler_job_drop_unused(s, j);
    }
    mem_free(ids);
}

/* ---- Submitting ----------------------------------------------------------------------------------------------------------- */

/* What a client hears of a job that is there. */
static void answer(scheduler *s, scheduler_peer *p, scheduler_job *j)
{
    if (j->state == SCHEDULER_JOB_FAILED)
        scheduler_refuse(s, p, j->id, 0, j->status, j->message);
    else if (j->state == SCHEDULER_JOB_READY)
        scheduler_map_send(s, j, p);
}

static tsr_status add_reads(scheduler *s, scheduler_job *j)
{
    const Tessera__Cluster__Submit *m = j->order->submit;
    for (size_t i = 0; i < m->n_reads; i++) {
        scheduler_job *in = scheduler_job_find(s, m->reads[i]);
        bool known = false;
        if (!in || in == j)
            return error_set(TSR_ERR_NOT_FOUND, "job %016llx, whose blocks the expressions read, is not there",
                             (unsigned long long)m->reads[i]);
        if (!in->order->submit->persists)
            return error_set(TSR_ERR_VALUE, "job %016llx, whose blocks the expressions read, is not persisted",
                             (unsigned long long)m->reads[i]);
        if (in->state == SCHEDULER_JOB_FAILED) return error_set(in->status, "%s", in->message ? in->message : "it failed");
        if (in->depth >= SCHEDULER_MOST_DEPTH)
            return error_set(TSR_ERR_VALUE,
                             "persisted arrays that follow from one another form a chain of %d; write one to a file and "
                             "read it",
                             SCHEDULER_MOST_DEPTH);
        for (size_t k = 0; k < j->reads.n && !known; k++) known = j->reads.items[k] == in;
        if (known) continue;
        if (!VEC_PUSH(&j->reads, in)) return TSR_ERR_MEMORY;
        in->n_readers++;
        in->n_waiting_readers++;
        if (in->depth >= j->depth) j->depth = in->depth + 1;
    }
    return TSR_OK;
}

/* Takes the message, and a reference to the payload. */
static tsr_status order_new(Tessera__Cluster__Submit **take, buffer *payload, size_t bytes, scheduler_order **out)
{
    scheduler_order *o = mem_calloc(1, sizeof *o);
    if (!o) return TSR_ERR_MEMORY;
    atomic_init(&o->refs, 1);
    o->submit = *take;
    *take = NULL;
    o->expressions = buffer_ref(payload);
    o->bytes = bytes;
    o->hash = hash_bytes(payload->data, bytes);
    *out = o;
    return TSR_OK;
}

static tsr_status job_new(scheduler *s, scheduler_order *order, scheduler_job **out)
{
    scheduler_job *j = mem_calloc(1, sizeof *j);
    if (!j) return TSR_ERR_MEMORY;
    j->id = order->submit->job;
    j->order = order;
    j->is_pending = true;
    j->is_shed = order->submit->sheds && order->submit->persists;
    atomic_fetch_add(&order->refs, 1);
    tsr_status status = add_reads(s, j);
    if (status == TSR_OK && !id_table_put(&s->jobs, j->id, j)) status = TSR_ERR_MEMORY;
    if (status == TSR_OK) {
        *out = j;
        return TSR_OK;
    }
    for (size_t i = 0; i < j->reads.n; i++) {
        j->reads.items[i]->n_readers--;
        j->reads.items[i]->n_waiting_readers--;
    }
    scheduler_job_free(j);
    return status;
}

static tsr_status check_submit(const scheduler_client *c, const Tessera__Cluster__Submit *m, const buffer *payload, size_t bytes)
{
    if (m->job == 0) return error_set(TSR_ERR_VALUE, "0 is no number of a job");
    if (m->n_reads > SCHEDULER_MOST_READS)
        return error_set(TSR_ERR_VALUE, "a job that reads %zu others; a scheduler takes %d", m->n_reads, SCHEDULER_MOST_READS);
    if (m->n_hints > SCHEDULER_MOST_ROOTS)
        return error_set(TSR_ERR_VALUE, "%zu hints; a scheduler takes %d", m->n_hints, SCHEDULER_MOST_ROOTS);
    if (c->n_jobs >= SCHEDULER_MOST_JOBS)
        return error_set(TSR_ERR_VALUE, "this client has %d jobs, the most that a scheduler takes; release some", c->n_jobs);
    if (bytes > SCHEDULER_MOST_BYTES || c->bytes > SCHEDULER_MOST_BYTES - bytes)
        return error_set(TSR_ERR_MEMORY,
                         "expressions of %zu bytes; this client's jobs have %zu, and a scheduler takes %zu; read large "
                         "arrays from files",
                         bytes, c->bytes, SCHEDULER_MOST_BYTES);
    if (!payload) return error_set(bytes ? TSR_ERR_MEMORY : TSR_ERR_VALUE, "a job without expressions");
    return TSR_OK;
}

/* Plans once all that it reads is planned. */
static void begin(scheduler *s, scheduler_job *j)
{
    j->state = SCHEDULER_JOB_WAITING;
    for (size_t i = 0; i < j->reads.n; i++)
        if (!j->reads.items[i]->shape) return;
    /* Drawn for some of the workers it would not be the map by which all of them have begun with it. */
    if (!j->map && scheduler_awaits_workers(s)) {
        s->holds_jobs = true;
        return;
    }
    scheduler_map_draw(s, j);
}

static void submit(scheduler *s, scheduler_peer *p, Tessera__Cluster__Submit **m, buffer *payload, size_t bytes)
{
    const uint64_t id = (*m)->job;
    scheduler_job *j = scheduler_job_find(s, id);
    scheduler_order *order = NULL;
    tsr_status status = TSR_OK;
    if (j) {
        const bool same = payload && j->order->bytes == bytes && hash_equal(j->order->hash, hash_bytes(payload->data, bytes)) &&
                          j->order->submit->persists == (*m)->persists;
        if (!same) {
            status = error_set(TSR_ERR_VALUE, "another job has the number %016llx", (unsigned long long)id);
            goto done;
        }
        GUARD(hold(j, p->client) ? TSR_OK : TSR_ERR_MEMORY);
        j->orphan_until_ns = 0;
        if (!j->client_number) j->client_number = p->client->number;
        answer(s, p, j);
        return;
    }
    GUARD(check_submit(p->client, *m, payload, bytes));
    GUARD(order_new(m, payload, bytes, &order));
    GUARD(job_new(s, order, &j));
    j->client_number = p->client->number;
    if (!hold(j, p->client)) {
        status = TSR_ERR_MEMORY;
        scheduler_job_drop_unused(s, j);
        goto done;
    }
    begin(s, j);
done:
    if (status != TSR_OK) scheduler_refuse(s, p, id, 0, status, tsr_error_message());
    scheduler_order_unref(order);
}

void scheduler_job_submit(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes, buffer *payload, size_t bytes)
{
    Tessera__Cluster__Submit *m = tessera__cluster__submit__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "a job that cannot be read");
        return;
    }
    submit(s, p, &m, payload, bytes);
    if (m) tessera__cluster__submit__free_unpacked(m, NULL);
}

void scheduler_job_release(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Jobs *m = tessera__cluster__jobs__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "a list of jobs that cannot be read");
        return;
    }
    for (size_t i = 0; i < m->n_jobs; i++) {
        scheduler_job *j = scheduler_job_find(s, m->jobs[i]);
        if (!j || !holds(j, p->client)) continue;
        let_go(j, p->client);
        scheduler_job_drop_unused(s, j);
    }
    tessera__cluster__jobs__free_unpacked(m, NULL);
}

/* ---- Planned --------------------------------------------------------------------------------------------------------------- */

/* The map that the journal told of fits this plan. */
static bool map_fits(const scheduler_job *j)
{
    return !scheduler_map_is_empty(j) && owner_map_check_units(&j->map->owners, j->shape->n_stages, j->shape->units) == TSR_OK;
}

/* Behind what it reads, once. */
static void record_job(scheduler *s, scheduler_job *j)
{
    if (!j->order->submit->persists || j->is_recorded) return;
    for (size_t i = 0; i < j->reads.n; i++) record_job(s, j->reads.items[i]);
    j->is_recorded = true;
    scheduler_record(s, JOURNAL_JOB, &j->order->submit->base, j->order->expressions, j->order->bytes);
}

/* A job of the journal keeps its map, and its epoch; workers and clients that are here hear of it. */
static void take_up(scheduler *s, scheduler_job *j)
{
    j->is_restored = true;
    scheduler_map_set(s, j, scheduler_map_ref(j->map));
    scheduler_map_repair(s, j);
}

static bool has_usable_worker(const scheduler *s)
{
    for (size_t i = 0; i < s->ordered.n; i++)
        if (s->ordered.items[i]->peer && !s->ordered.items[i]->leaves) return true;
    return false;
}

void scheduler_planned(scheduler *s, scheduler_planning *r)
{
    scheduler_job *j = scheduler_job_find(s, r->job);
    size_t at = 0;
    if (!j || j->order != r->order || j->state != SCHEDULER_JOB_PLANNING) goto done;
    if (r->status != TSR_OK) {
        scheduler_job_fail(s, j, r->status, r->message);
        goto done;
    }
    const bool first = !j->shape;
    if (first) j->shape = scheduler_shape_ref(r->shape);
    j->state = SCHEDULER_JOB_READY;
    if (first && map_fits(j)) {
        take_up(s, j);
    } else {
        if (first) record_job(s, j);
        j->is_restored = false;
        scheduler_map_set(s, j, scheduler_map_ref(r->map));
        scheduler_map_repair(s, j);
        if (scheduler_map_is_empty(j) && has_usable_worker(s)) scheduler_map_draw(s, j);
    }
    /* The plan may be made at once and come back here, so jobs are looked for anew after each. */
    for (scheduler_job *other; first && j->n_readers > 0 && (other = id_table_next(&s->jobs, &at)) != NULL;)
        if (other->state == SCHEDULER_JOB_WAITING) begin(s, other);
done:
    scheduler_planning_free(r);
}

/* ---- Names -------------------------------------------------------------------------------------------------------------------
 */

static scheduler_name *find_name(scheduler *s, const char *name)
{
    for (size_t i = 0; i < s->names.n; i++)
        if (strcmp(s->names.items[i].said->name, name) == 0) return &s->names.items[i];
    return NULL;
}

/* Takes the message. */
static tsr_status add_name(scheduler *s, Tessera__Cluster__Name **take, scheduler_job *j)
{
    if (!VEC_PUSH(&s->names, (scheduler_name){*take, j})) return TSR_ERR_MEMORY;
    *take = NULL;
    j->n_names++;
    return TSR_OK;
}

void scheduler_name_fini(scheduler_name *n) { tessera__cluster__name__free_unpacked(n->said, NULL); }

static tsr_status publish(scheduler *s, Tessera__Cluster__Name **take)
{
    const Tessera__Cluster__Name *m = *take;
    scheduler_name *known;
    if (!scheduler_text_ok(m->name, false))
        return error_set(TSR_ERR_VALUE, "this is no name: it needs 1 to %d bytes of text", SCHEDULER_MOST_TEXT);
    known = find_name(s, m->name);
    if (m->job == 0) {
        if (!known) return error_set(TSR_ERR_NOT_FOUND, "nothing is published as '%s'", m->name);
        scheduler_record(s, JOURNAL_NAME, &m->base, NULL, 0);
        scheduler_job_drop_unused(s, remove_name(s, known));
        return TSR_OK;
    }
    scheduler_job *j = scheduler_job_find(s, m->job);
    if (!j)
        return error_set(TSR_ERR_NOT_FOUND, "job %016llx, which is to be published, is not there", (unsigned long long)m->job);
    if (!j->order->submit->persists) return error_set(TSR_ERR_VALUE, "only persisted arrays can be published");
    if (j->state == SCHEDULER_JOB_FAILED) return error_set(j->status, "%s", j->message ? j->message : "it failed");
    if (known && (known->job != j || known->said->root != m->root))
        return error_set(TSR_ERR_VALUE, "there is already an array published as '%s'", m->name);
    if (known) return TSR_OK;
    if (s->names.n >= SCHEDULER_MOST_NAMES) return error_set(TSR_ERR_VALUE, "there are %zu names already", s->names.n);
    record_job(s, j); /* it may not be planned yet, and names are of jobs that the journal knows */
    scheduler_record(s, JOURNAL_NAME, &m->base, NULL, 0);
    return add_name(s, take, j);
}

void scheduler_job_publish(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Name *m = tessera__cluster__name__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "a name that cannot be read");
        return;
    }
    const uint64_t request = m->request;
    tsr_status status = publish(s, &m);
    if (status == TSR_OK)
        scheduler_done(s, p, request, "");
    else
        scheduler_refuse(s, p, 0, request, status, tsr_error_message());
    if (m) tessera__cluster__name__free_unpacked(m, NULL);
}

static tsr_status look_up(scheduler *s, scheduler_peer *p, const Tessera__Cluster__Name *m)
{
    scheduler_name *known = scheduler_text_ok(m->name, false) ? find_name(s, m->name) : NULL;
    if (!known) return error_set(TSR_ERR_NOT_FOUND, "nothing is published as '%.*s'", SCHEDULER_MOST_TEXT, m->name);
    scheduler_job *j = known->job;
    if (j->state == SCHEDULER_JOB_FAILED) return error_set(j->status, "%s", j->message ? j->message : "it failed");
    if (!hold(j, p->client)) return TSR_ERR_MEMORY;
    Tessera__Cluster__Name named = *known->said;
    named.request = m->request;
    named.persists = true;
    scheduler_send(s, p, SCHEDULER_MESSAGE(NAMED), &named.base, NULL, 0);
    answer(s, p, j);
    return TSR_OK;
}

void scheduler_job_lookup(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Name *m = tessera__cluster__name__unpack(NULL, head_bytes, head);
    if (!m) {
        scheduler_reject(s, p, "a name that cannot be read");
        return;
    }
    tsr_status status = look_up(s, p, m);
    if (status != TSR_OK) scheduler_refuse(s, p, 0, m->request, status, tsr_error_message());
    tessera__cluster__name__free_unpacked(m, NULL);
}

/* ---- From the journal --------------------------------------------------------------------------------------------------------
 */

static tsr_status restore_job(scheduler *s, const journal_record *r)
{
    Tessera__Cluster__Submit *m = tessera__cluster__submit__unpack(NULL, r->head_bytes, r->head);
    scheduler_order *order = NULL;
    scheduler_job *j;
    buffer *payload = NULL;
    char *copy = NULL;
    tsr_status status;
    GUARD(m ? TSR_OK : error_set(TSR_ERR_FORMAT, "a damaged job"));
    if (m->job == 0 || scheduler_job_find(s, m->job)) goto done;
    copy = mem_alloc(r->payload_bytes);
    GUARD(copy ? TSR_OK : TSR_ERR_MEMORY);
    memcpy(copy, r->payload, r->payload_bytes);
    GUARD(buffer_wrap(copy, r->payload_bytes, mem_free, copy, &payload));
    copy = NULL;
    GUARD(order_new(&m, payload, r->payload_bytes, &order));
    GUARD(job_new(s, order, &j));
    j->state = SCHEDULER_JOB_WAITING;
    j->is_recorded = true;
    j->orphan_until_ns = s->started_ns + s->graces.start_ns;
done:
    mem_free(copy);
    buffer_unref(payload);
    scheduler_order_unref(order);
    if (m) tessera__cluster__submit__free_unpacked(m, NULL);
    return status;
}

static tsr_status restore_name(scheduler *s, const journal_record *r)
{
    Tessera__Cluster__Name *m = tessera__cluster__name__unpack(NULL, r->head_bytes, r->head);
    if (!m) return error_set(TSR_ERR_FORMAT, "a damaged name");
    tsr_status status = TSR_OK;
    scheduler_name *known = find_name(s, m->name);
    scheduler_job *j = scheduler_job_find(s, m->job);
    if (m->job == 0 && known)
        (void)remove_name(s, known);
    else if (j && !known && scheduler_text_ok(m->name, false))
        status = add_name(s, &m, j);
    if (m) tessera__cluster__name__free_unpacked(m, NULL);
    return status;
}

static tsr_status restore_release(scheduler *s, const journal_record *r)
{
    Tessera__Cluster__Jobs *m = tessera__cluster__jobs__unpack(NULL, r->head_bytes, r->head);
    if (!m) return error_set(TSR_ERR_FORMAT, "a damaged list of jobs");
    for (size_t i = 0; i < m->n_jobs; i++) {
        scheduler_job *j = scheduler_job_find(s, m->jobs[i]);
        if (!j) continue;
        j->orphan_until_ns = 0;
        scheduler_job_drop_unused(s, j);
    }
    tessera__cluster__jobs__free_unpacked(m, NULL);
    return TSR_OK;
}

tsr_status scheduler_job_restore(scheduler *s, const journal_record *r)
{
    switch (r->kind) {
    case JOURNAL_JOB: return restore_job(s, r);
    case JOURNAL_NAME: return restore_name(s, r);
    default: return restore_release(s, r);
    }
}

/* All was read: what can be planned is planned. */
void scheduler_jobs_restored(scheduler *s)
{
    uint64_t *ids;
    size_t n;
    if (scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (j && j->state == SCHEDULER_JOB_WAITING) begin(s, j);
    }
    mem_free(ids);
}
