/* The scheduler without net, threads and clock: limits, graces to the tick, and what a fuzzer found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_RECORDS = 64 };
#define SECOND 1000000000

typedef struct world {
    scheduler *s;
    tsr_session *session;
    int64_t now_ns;
    scheduler_planning *plan; /* the last that was asked for */
    int n_sent[128];          /* messages of each type */
    char refused[600];        /* the last reason */
    int refusal;              /* its status */
    journal_record records[MOST_RECORDS];
    int n_records;
} world;

static void take_message(void *context, void *link, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                         size_t bytes)
{
    world *w = context;
    w->n_sent[type]++;
    if (type != SCHEDULER_MESSAGE(REFUSED)) return;
    Tessera__Cluster__Refused *m = tessera__cluster__refused__unpack(NULL, head_bytes, head);
    assert_non_null(m);
    snprintf(w->refused, sizeof w->refused, "%s", m->message);
    w->refusal = m->status;
    tessera__cluster__refused__free_unpacked(m, NULL);
}

static void take_plan(void *context, scheduler_planning *request)
{
    assert_null(((world *)context)->plan);
    ((world *)context)->plan = request;
}

static void record(void *context, const journal_record *r, buffer *payload)
{
    world *w = context;
    char *room = malloc(r->head_bytes + r->payload_bytes + 1);
    assert_true(w->n_records < MOST_RECORDS);
    memcpy(room, r->head, r->head_bytes);
    if (r->payload_bytes) memcpy(room + r->head_bytes, r->payload, r->payload_bytes);
    w->records[w->n_records++] =
        (journal_record){r->kind, (uint8_t *)room, r->head_bytes, room + r->head_bytes, r->payload_bytes};
}

static int64_t now_ns(void *context) { return ((world *)context)->now_ns; }
static bool is_gone(void *context, int64_t pid) { return pid == 666; }
static void shut(void *context, void *link, const char *reason) {}
static void say(void *context, net_level level, const char *text) {}
static void nothing(void *context) {}
static void joined(void *context, void *link, const Tessera__Cluster__Register *worker) {}
static void retire(void *context, void *link) {}
static const scheduler_ops ops = {take_message, shut, take_plan, record, now_ns, is_gone, say, nothing, nothing, joined, retire};

static void world_init(world *w)
{
    *w = (world){.now_ns = 100 * (int64_t)SECOND};
    w->session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    assert_non_null(w->session);
    assert_int_equal(scheduler_new(&ops, w, &w->s), TSR_OK);
    scheduler_begin(w->s, "tcp://127.0.0.1:1");
}

static void world_fini(world *w)
{
    scheduler_planning_free(w->plan);
    scheduler_free(w->s);
    tsr_session_close(w->session);
    for (int i = 0; i < w->n_records; i++) free((void *)(uintptr_t)w->records[i].head);
}

static void make_plan(world *w)
{
    scheduler_planning *r = w->plan;
    assert_non_null(r);
    w->plan = NULL;
    scheduler_plan(w->session, r);
    scheduler_planned(w->s, r);
}

static scheduler_peer *come(world *w, net_role role, const char *name, int64_t pid)
{
    static int link;
    scheduler_peer *p = scheduler_opened(
        w->s, &link,
        &(net_peer){.role = role, .name = name, .pid = pid, .host_id = "h", .same_host = true, .address = "unix://@x"});
    assert_non_null(p);
    return p;
}

static void tell(world *w, scheduler_peer *p, uint32_t type, const ProtobufCMessage *m, buffer *payload)
{
    uint8_t head[1000];
    assert_true(protobuf_c_message_get_packed_size(m) < sizeof head);
    size_t n = protobuf_c_message_pack(m, head);
    scheduler_message(w->s, p, type, head, n, payload, payload ? payload->size_bytes : 0);
}

static scheduler_peer *join(world *w, uint64_t id)
{
    scheduler_peer *p = come(w, NET_ROLE_WORKER, "worker", 1000 + (int64_t)id);
    char address[64];
    Tessera__Cluster__Register m = TESSERA__CLUSTER__REGISTER__INIT;
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", 20000 + (int)id);
    m.worker = id;
    m.address = address;
    m.threads = 1;
    tell(w, p, SCHEDULER_MESSAGE(REGISTER), &m.base, NULL);
    assert_non_null(p->worker);
    return p;
}

static void submit_reading(world *w, scheduler_peer *p, uint64_t job, bool persists, uint64_t reads)
{
    Tessera__Cluster__Submit m = TESSERA__CLUSTER__SUBMIT__INIT;
    tsr_array *x = tsr_random_normal(w->session, 1, 0, 1, TSR_F64, 2, (int64_t[]){8, 1 << 19}, (int64_t[]){1, 1 << 19});
    void *bytes;
    size_t size;
    buffer *b;
    assert_int_equal(tsr_pack(1, &x, NULL, &bytes, &size), TSR_OK);
    assert_int_equal(buffer_wrap(bytes, size, tsr_free, bytes, &b), TSR_OK);
    m.job = job;
    m.persists = persists;
    m.n_reads = reads != 0;
    m.reads = &reads;
    tell(w, p, SCHEDULER_MESSAGE(SUBMIT), &m.base, b);
    buffer_unref(b);
    tsr_release(x);
}

static void submit(world *w, scheduler_peer *p, uint64_t job, bool persists) { submit_reading(w, p, job, persists, 0); }

static void pass(world *w, int64_t ns)
{
    w->now_ns += ns;
    scheduler_tick(w->s);
}

static void report(world *w, scheduler_peer *p)
{
    Tessera__Cluster__Report m = TESSERA__CLUSTER__REPORT__INIT;
    tell(w, p, SCHEDULER_MESSAGE(REPORT), &m.base, NULL);
}

/* ---- Cases ------------------------------------------------------------------------------------------------------------------
 */

static void test_limits(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    assert_int_equal(c->client->n_jobs, 1);
    assert_true(c->client->bytes > 0);

    const size_t bytes = c->client->bytes;
    c->client->bytes = SCHEDULER_MOST_BYTES - 10;
    assert_false(scheduler_wants(w.s, c, SCHEDULER_MESSAGE(SUBMIT), 11));
    assert_true(scheduler_wants(w.s, c, SCHEDULER_MESSAGE(SUBMIT), 10));
    assert_false(scheduler_wants(w.s, c, SCHEDULER_MESSAGE(STATUS), 10));
    submit(&w, c, 2, false);
    assert_non_null(strstr(w.refused, "read large arrays from files"));
    c->client->bytes = bytes;

    c->client->n_jobs = SCHEDULER_MOST_JOBS;
    submit(&w, c, 2, false);
    assert_non_null(strstr(w.refused, "this client has 100000 jobs"));
    c->client->n_jobs = 1;
    assert_null(w.plan);
    submit(&w, c, 2, false);
    make_plan(&w);
    assert_int_equal(c->client->n_jobs, 2);

    /* What another client holds, too, counts against the first as long as it is there. */
    scheduler_peer *d = come(&w, NET_ROLE_CLIENT, "other", 2);
    submit(&w, d, 1, false);
    assert_int_equal(d->client->n_jobs, 0);
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    uint64_t one = 1;
    m.n_jobs = 1;
    m.jobs = &one;
    tell(&w, c, SCHEDULER_MESSAGE(RELEASE), &m.base, NULL);
    assert_int_equal(c->client->n_jobs, 1);
    assert_int_equal(d->client->n_jobs, 1);
    assert_true(d->client->bytes == bytes);
    assert_non_null(scheduler_job_find(w.s, 1));
    world_fini(&w);
}

static void test_graces(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *b = join(&w, 2), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    const scheduler_job *j = scheduler_job_find(w.s, 1);
    assert_true(assign_has(&j->map->owners, 1) && assign_has(&j->map->owners, 2));
    scheduler_closed(w.s, a);
    pass(&w, 2LL * SECOND - 1);
    assert_true(assign_has(&j->map->owners, 1));
    a = join(&w, 1);
    report(&w, b);
    pass(&w, 5LL * SECOND); /* it is back, so nothing happens */
    assert_true(assign_has(&j->map->owners, 1));
    report(&w, b);
    report(&w, a);
    scheduler_closed(w.s, a);
    pass(&w, 2LL * SECOND);
    assert_false(assign_has(&j->map->owners, 1));
    assert_int_equal(w.s->ordered.n, 1);

    scheduler_closed(w.s, c);
    report(&w, b);
    pass(&w, 5LL * SECOND - 1);
    assert_non_null(scheduler_job_find(w.s, 1));
    c = come(&w, NET_ROLE_CLIENT, "client", 1); /* the same process again */
    report(&w, b);
    pass(&w, 6LL * SECOND);
    assert_non_null(scheduler_job_find(w.s, 1));
    scheduler_closed(w.s, c);
    report(&w, b);
    pass(&w, 5LL * SECOND);
    assert_null(scheduler_job_find(w.s, 1));
    assert_int_equal(w.n_sent[SCHEDULER_MESSAGE(DROP)], 1);
    world_fini(&w);
}

/* The process of a worker or client is known to be gone: nobody waits for it. */
static void test_gone_for_certain(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *b = join(&w, 2), *c = come(&w, NET_ROLE_CLIENT, "client", 666);
    submit(&w, c, 1, false);
    make_plan(&w);
    a->worker->pid = 666;
    scheduler_closed(w.s, a);
    scheduler_members_look(w.s);
    assert_int_equal(w.s->ordered.n, 1);
    assert_false(assign_has(&scheduler_job_find(w.s, 1)->map->owners, 1));
    scheduler_closed(w.s, c);
    pass(&w, SECOND / 10);
    assert_null(scheduler_job_find(w.s, 1));
    assert_int_equal(b->worker->n_jobs, 0);
    world_fini(&w);
}

static int64_t owned(const scheduler_job *j, uint64_t worker)
{
    int64_t n = 0;
    for (int i = 0; i < j->map->owners.n_stages; i++)
        for (int64_t u = 0; u < j->shape->units[i].n; u++) n += owner_map_find(&j->map->owners, i, u) == worker;
    return n;
}

static void report_stages(world *w, scheduler_peer *p, uint64_t job, uint64_t done, uint64_t block, bool tells_stages)
{
    Tessera__Cluster__Report m = TESSERA__CLUSTER__REPORT__INIT;
    Tessera__Cluster__StageReport of_stage = TESSERA__CLUSTER__STAGE_REPORT__INIT, *stages = &of_stage;
    Tessera__Cluster__JobReport j = TESSERA__CLUSTER__JOB_REPORT__INIT, *jobs = &j;
    of_stage.tasks_done = done;
    j.n_stages = tells_stages;
    j.stages = &stages;
    j.job = job;
    j.tasks_done = done;
    j.block = block;
    m.n_jobs = 1;
    m.jobs = &jobs;
    tell(w, p, SCHEDULER_MESSAGE(REPORT), &m.base, NULL);
}

static void report_job(world *w, scheduler_peer *p, uint64_t job, uint64_t done, uint64_t block)
{
    report_stages(w, p, job, done, block, false);
}

/* Whoever comes while a job is under way gets a part of what is left, at once; also when all lies with the last survivor. */
static void test_newcomers(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    const scheduler_job *j = scheduler_job_find(w.s, 1);
    const int64_t n = j->shape->units[0].n;
    assert_int_equal(n, 8);
    join(&w, 2);
    pass(&w, SECOND / 10);
    assert_int_equal(owned(j, 1), n); /* it is as good as done */
    pass(&w, SECOND / 10);
    assert_int_equal(owned(j, 2), 4);
    report_job(&w, a, 1, 2, 2);
    join(&w, 3);
    pass(&w, SECOND / 10);
    assert_int_equal(owned(j, 3), 1); /* a third of 2 that the first has left is less than one; of the second's 4 it is one */
    assert_true(owned(j, 1) + owned(j, 2) == n - 1);

    /* All but one are killed, and started again. */
    for (uint64_t i = 2; i <= 3; i++) scheduler_worker_lose(w.s, id_table_find(&w.s->workers, i), "killed");
    assert_int_equal(owned(j, 1), n);
    join(&w, 4);
    join(&w, 5);
    pass(&w, SECOND / 10);
    assert_true(owned(j, 4) >= 2 && owned(j, 5) >= 1);
    world_fini(&w);
}

/* Where somebody was last says little of what he has done, if he does not go from the first block to the last. */
static void test_newcomers_and_places(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    const scheduler_job *j = scheduler_job_find(w.s, 1);
    report_stages(&w, a, 1, 2, 7, true);
    pass(&w, SECOND / 10);
    join(&w, 2);
    pass(&w, SECOND / 5);
    assert_int_equal(owned(j, 2), 3);
    world_fini(&w);
}

/* What is persisted and done stays where it is. */
static void test_newcomers_and_what_is_done(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, true);
    make_plan(&w);
    const scheduler_job *j = scheduler_job_find(w.s, 1);
    report_job(&w, a, 1, 8, 7);
    pass(&w, SECOND);
    join(&w, 2);
    pass(&w, SECOND);
    assert_int_equal(owned(j, 2), 0);
    scheduler *old = w.s; /* nor is it touched by a scheduler that knows of it from a journal */
    assert_int_equal(scheduler_new(&ops, &w, &w.s), TSR_OK);
    for (int i = 0; i < w.n_records; i++) scheduler_replay(w.s, &w.records[i]);
    scheduler_begin(w.s, "tcp://127.0.0.1:1");
    scheduler_free(old);
    make_plan(&w);
    join(&w, 1);
    pass(&w, SECOND);
    join(&w, 3);
    pass(&w, SECOND);
    assert_int_equal(owned(scheduler_job_find(w.s, 1), 1), 8);
    world_fini(&w);
}

static void begins(world *w, scheduler_peer *p, uint64_t job, uint64_t unit, bool plans, bool ended)
{
    Tessera__Cluster__Begins m = TESSERA__CLUSTER__BEGINS__INIT;
    m.job = job;
    m.unit = unit;
    m.plans = plans;
    m.ended = ended;
    tell(w, p, SCHEDULER_MESSAGE(BEGINS), &m.base, NULL);
}

static void lose(world *w, uint64_t id) { scheduler_worker_lose(w->s, id_table_find(&w->s->workers, id), "killed"); }

/* Of the first that is lost nobody knows what it was at; of the others it is what they said. */
static void test_deadly_unit(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *p[5];
    for (uint64_t i = 0; i < 5; i++) p[i] = join(&w, i + 1);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    const scheduler_job *j = scheduler_job_find(w.s, 1);
    lose(&w, 1);
    assert_int_equal(j->deaths.n, 1);
    begins(&w, p[1], 1, 5, false, false);
    begins(&w, p[1], 1, 0, false, false); /* it is done with the other */
    lose(&w, 2);
    assert_int_equal(j->state, SCHEDULER_JOB_READY);
    Tessera__Cluster__Report m = TESSERA__CLUSTER__REPORT__INIT;
    char *lines[] = {"one", "two", "bad \n line", "three"};
    m.n_log = 4;
    m.log = lines;
    tell(&w, p[2], SCHEDULER_MESSAGE(REPORT), &m.base, NULL);
    begins(&w, p[2], 1, 0, false, false);
    lose(&w, 3);
    assert_int_equal(j->state, SCHEDULER_JOB_FAILED);
    assert_non_null(strstr(w.refused, "stage 0 (random), block 0: 3 workers were lost while they worked on it: "));
    assert_non_null(strstr(w.refused, "ends with: \"one\", \"two\", \"three\""));
    world_fini(&w);
}

/* A job whose workers are killed from outside, at different units or when they have nothing in hand, is not to blame. */
static void test_killed_from_outside(void **state)
{
    enum { N = 14 };
    world w;
    world_init(&w);
    scheduler_peer *p[N + 2];
    for (uint64_t i = 0; i < N + 2; i++) p[i] = join(&w, i + 1);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    const scheduler_job *j = scheduler_job_find(w.s, 1);
    for (uint64_t i = 0; i < N; i++) {
        begins(&w, p[i], 1, i % 8, false, false); /* no unit more than twice */
        if (i % 3 == 0) begins(&w, p[i], 1, 0, false, true);
        pass(&w, SECOND / 10);
        for (uint64_t k = i; k < N + 2; k++) report(&w, p[k]);
        lose(&w, i + 1);
        assert_int_equal(j->state, SCHEDULER_JOB_READY);
    }
    assert_true(j->deaths.n > 10);
    world_fini(&w);
}

/* Whoever unpacks it dies. */
static void test_deadly_plan(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *p[4];
    for (uint64_t i = 0; i < 4; i++) p[i] = join(&w, i + 1);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, false);
    make_plan(&w);
    lose(&w, 1);
    for (uint64_t i = 1; i < 3; i++) {
        assert_int_equal(scheduler_job_find(w.s, 1)->state, SCHEDULER_JOB_READY);
        begins(&w, p[i], 1, 0, true, false);
        lose(&w, i + 1);
    }
    assert_non_null(strstr(w.refused, "planning it: 3 workers were lost"));
    begins(&w, p[3], 1, 0, false, false); /* of a job that failed: nothing happens */
    begins(&w, p[3], 7, 1 << 20, false, false);
    assert_false(p[3]->is_over);
    submit(&w, c, 2, false);
    make_plan(&w);
    begins(&w, p[3], 2, 8, false, false);
    assert_true(p[3]->is_over); /* there is no such unit */
    world_fini(&w);
}

static void replay(void *context, const journal_record *r) { scheduler_replay(context, r); }

/* Dropping a job that the journal told of, before it was planned, left workers with less than no jobs. */
static void test_dropped_before_it_was_planned(void **state)
{
    world w;
    scheduler *old;
    world_init(&w);
    join(&w, 1);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, true);
    make_plan(&w);
    old = w.s;
    assert_int_equal(scheduler_new(&ops, &w, &w.s), TSR_OK);
    for (int i = 0; i < w.n_records; i++) scheduler_replay(w.s, &w.records[i]);
    scheduler_begin(w.s, "tcp://127.0.0.1:1");
    scheduler_free(old);
    scheduler_peer *p = join(&w, 1);
    assert_int_equal(p->worker->n_jobs, 0);
    pass(&w, 6LL * SECOND);
    assert_null(scheduler_job_find(w.s, 1));
    assert_int_equal(p->worker->n_jobs, 0);
    assert_int_equal(w.records[w.n_records - 1].kind, JOURNAL_RELEASE);
    world_fini(&w);
}

/* A scheduler that starts with a journal waits for workers, but not for processes of its host that have ended. */
static void test_gone_with_the_scheduler(void **state)
{
    for (int is_here = 0; is_here < 2; is_here++) {
        world w;
        scheduler *old;
        world_init(&w);
        scheduler_set_host(w.s, "h");
        join(&w, 1);
        join(&w, 666 - 1000); /* its process is number 666 */
        old = w.s;
        assert_int_equal(scheduler_new(&ops, &w, &w.s), TSR_OK);
        scheduler_set_host(w.s, is_here ? "h" : "another");
        scheduler_snapshot(old, replay, w.s);
        scheduler_begin(w.s, "tcp://127.0.0.1:1");
        scheduler_free(old);
        assert_int_equal(w.s->ordered.n, 2);
        pass(&w, SECOND / 10);
        assert_int_equal(w.s->ordered.n, is_here ? 1 : 2);
        assert_false(scheduler_is_complete(w.s));
        scheduler_peer *p = join(&w, 1);
        assert_false(scheduler_is_complete(w.s)); /* it may not have told all yet */
        pass(&w, SECOND);
        assert_true(scheduler_is_complete(w.s) == is_here);
        report(&w, p);
        pass(&w, 5LL * SECOND);
        assert_int_equal(w.s->ordered.n, 1);
        assert_true(scheduler_is_complete(w.s));
        world_fini(&w);
    }
}

/* A job that is submitted again gets the map that it had: it is drawn when the workers of the journal are back, or do not come.
 */
static void test_again_when_all_are_back(void **state)
{
    for (int comes = 0; comes < 2; comes++) {
        world w;
        world_init(&w);
        join(&w, 1);
        join(&w, 2);
        scheduler *old = w.s;
        assert_int_equal(scheduler_new(&ops, &w, &w.s), TSR_OK);
        scheduler_snapshot(old, replay, w.s);
        scheduler_begin(w.s, "tcp://127.0.0.1:1");
        scheduler_free(old);
        scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
        submit(&w, c, 1, false);
        scheduler_peer *p = join(&w, 1);
        pass(&w, SECOND);
        assert_null(w.plan);
        if (comes) {
            join(&w, 2);
        } else {
            report(&w, p);
            pass(&w, 2LL * SECOND);
        }
        make_plan(&w);
        const scheduler_job *j = scheduler_job_find(w.s, 1);
        assert_true(assign_has(&j->map->owners, 1));
        assert_true(assign_has(&j->map->owners, 2) == comes);
        submit(&w, c, 2, false); /* later ones do not wait */
        make_plan(&w);
        world_fini(&w);
    }
}

/* What a snapshot holds makes an equal scheduler. */
static void test_snapshot(void **state)
{
    world w;
    scheduler *copy;
    Tessera__Cluster__Name m = TESSERA__CLUSTER__NAME__INIT;
    world_init(&w);
    join(&w, 1);
    join(&w, 2);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, true);
    make_plan(&w);
    submit(&w, c, 2, false); /* not persisted */
    make_plan(&w);
    m.name = (char *)(uintptr_t) "x";
    m.job = 1;
    tell(&w, c, SCHEDULER_MESSAGE(PUBLISH), &m.base, NULL);
    assert_int_equal(scheduler_new(&ops, &w, &copy), TSR_OK);
    scheduler_snapshot(w.s, replay, copy);
    assert_int_equal(copy->ordered.n, 2);
    assert_int_equal(copy->names.n, 1);
    assert_int_equal(copy->jobs.n, 1);
    const scheduler_job *j = scheduler_job_find(w.s, 1), *k = scheduler_job_find(copy, 1);
    assert_true(hash_equal(j->order->hash, k->order->hash) && j->epoch == k->epoch);
    assert_int_equal(j->map->owners.n_stages, k->map->owners.n_stages);
    for (int i = 0; i < j->map->owners.n_stages; i++)
        for (int64_t u = 0; u < j->shape->units[i].n; u++)
            assert_true(owner_map_find(&j->map->owners, i, u) == owner_map_find(&k->map->owners, i, u));
    scheduler_free(copy);
    world_fini(&w);
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------------------
 */

static void made(world *w, scheduler_peer *p, uint64_t job, uint32_t epoch)
{
    Tessera__Cluster__Made m = TESSERA__CLUSTER__MADE__INIT;
    m.job = job;
    m.epoch = epoch;
    tell(w, p, SCHEDULER_MESSAGE(MADE), &m.base, NULL);
}

static void wait_for(world *w, scheduler_peer *p, uint64_t request, size_t n, const uint64_t *jobs, bool at_once)
{
    Tessera__Cluster__Wait m = TESSERA__CLUSTER__WAIT__INIT;
    m.request = request;
    m.n_jobs = n;
    m.jobs = (uint64_t *)(uintptr_t)jobs;
    m.at_once = at_once;
    tell(w, p, SCHEDULER_MESSAGE(WAIT), &m.base, NULL);
}

static int n_done(const world *w) { return w->n_sent[SCHEDULER_MESSAGE(DONE)]; }

/* All owners must have made what the newest map gives them; a worker that is lost takes back what it had said. */
static void test_wait(void **state)
{
    world w;
    const uint64_t both[] = {1, 2};
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *b = join(&w, 2), *d = join(&w, 3), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, true);
    wait_for(&w, c, 7, 1, both, false); /* before it is planned */
    make_plan(&w);
    submit(&w, c, 2, true);
    make_plan(&w);
    wait_for(&w, c, 8, 2, both, false);
    const scheduler_job *one = scheduler_job_find(w.s, 1), *two = scheduler_job_find(w.s, 2);
    uint32_t epoch = one->epoch;
    made(&w, a, 1, epoch);
    made(&w, a, 1, epoch);
    made(&w, b, 1, epoch);
    made(&w, d, 1, epoch - 1);
    assert_int_equal(n_done(&w), 0);
    wait_for(&w, c, 9, 1, both, true);
    assert_int_equal(w.refusal, TSR_ERR_TIMEOUT);
    /* Worker 3 goes without having made its part: the others have more to make. */
    scheduler_closed(w.s, d);
    pass(&w, 3 * (int64_t)SECOND);
    assert_true(one->epoch > epoch);
    made(&w, a, 1, epoch);
    made(&w, b, 1, epoch);
    assert_int_equal(n_done(&w), 0);
    made(&w, a, 1, one->epoch);
    made(&w, b, 1, one->epoch);
    assert_int_equal(n_done(&w), 1);
    /* The second question wants both at one time. */
    made(&w, a, 2, two->epoch);
    scheduler_closed(w.s, b);
    pass(&w, 3 * (int64_t)SECOND);
    made(&w, a, 2, two->epoch);
    assert_int_equal(n_done(&w), 1);
    made(&w, a, 1, one->epoch);
    assert_int_equal(n_done(&w), 2);
    assert_int_equal(w.s->waits.n, 0);
    world_fini(&w);
}

static void test_wait_in_vain(void **state)
{
    world w;
    const uint64_t jobs[] = {1, 2, 3};
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, true);
    make_plan(&w);
    submit(&w, c, 2, false);
    make_plan(&w);
    wait_for(&w, c, 1, 3, jobs, false);
    assert_int_equal(w.refusal, TSR_ERR_VALUE);
    wait_for(&w, c, 2, 1, &jobs[2], false);
    assert_int_equal(w.refusal, TSR_ERR_NOT_FOUND);
    wait_for(&w, c, 3, 1, jobs, false);
    wait_for(&w, c, 4, 1, jobs, false);
    assert_int_equal(w.s->waits.n, 2);
    Tessera__Cluster__Request give_up = TESSERA__CLUSTER__REQUEST__INIT;
    give_up.request = 4;
    tell(&w, c, SCHEDULER_MESSAGE(UNWAIT), &give_up.base, NULL);
    assert_int_equal(w.s->waits.n, 1);
    Tessera__Cluster__Refused failed = TESSERA__CLUSTER__REFUSED__INIT;
    failed.job = 1;
    failed.status = TSR_ERR_IO;
    failed.message = (char *)(uintptr_t) "no such file";
    const int n = w.n_sent[SCHEDULER_MESSAGE(REFUSED)];
    tell(&w, a, SCHEDULER_MESSAGE(FAILED), &failed.base, NULL);
    assert_int_equal(w.n_sent[SCHEDULER_MESSAGE(REFUSED)], n + 2); /* of the job, and of the question */
    assert_string_equal(w.refused, "no such file");
    assert_int_equal(w.s->waits.n, 0);
    submit(&w, c, 3, true);
    make_plan(&w);
    wait_for(&w, c, 5, 1, &jobs[2], false);
    scheduler_closed(w.s, c); /* asked again on the next connection */
    assert_int_equal(w.s->waits.n, 0);
    world_fini(&w);
}

static void release(world *w, scheduler_peer *p, uint64_t job)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    m.n_jobs = 1;
    m.jobs = &job;
    tell(w, p, SCHEDULER_MESSAGE(RELEASE), &m.base, NULL);
}

static int n_shed(const world *w) { return w->n_sent[SCHEDULER_MESSAGE(SHED)]; }

/* Blocks go once nobody has the array and those who read it are made; the job stays as long as these do. */
static void test_shed(void **state)
{
    world w;
    world_init(&w);
    scheduler_peer *a = join(&w, 1), *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    for (uint64_t i = 1; i <= 3; i++) {
        submit_reading(&w, c, i, true, i - 1);
        make_plan(&w);
    }
    release(&w, c, 1);
    assert_int_equal(n_shed(&w), 0);
    made(&w, a, 2, scheduler_job_find(w.s, 2)->epoch); /* job 1 was read */
    assert_int_equal(n_shed(&w), 1);
    made(&w, a, 3, scheduler_job_find(w.s, 3)->epoch); /* job 2 as well, but somebody has it */
    assert_int_equal(n_shed(&w), 1);
    submit_reading(&w, c, 4, false, 2);
    make_plan(&w);
    release(&w, c, 2);
    assert_int_equal(n_shed(&w), 1); /* a computation reads it still */
    release(&w, c, 4);
    assert_int_equal(n_shed(&w), 2);
    assert_true(scheduler_job_find(w.s, 1)->is_shed && scheduler_job_find(w.s, 2)->is_shed);
    /* A worker that comes hears so with the job, which it needs to know, since the third is to be made again. */
    (void)join(&w, 2);
    scheduler_closed(w.s, a);
    pass(&w, 3 * (int64_t)SECOND);
    assert_true(scheduler_job_find(w.s, 3)->is_pending);
    assert_int_equal(n_shed(&w), 2);
    release(&w, c, 3);
    assert_int_equal(w.s->jobs.n, 0);
    world_fini(&w);
}

/* A name that is given before the job is planned is in the journal behind the job, and that behind what it reads. */
static void test_name_before_the_plan(void **state)
{
    world w;
    scheduler *copy;
    Tessera__Cluster__Name m = TESSERA__CLUSTER__NAME__INIT;
    world_init(&w);
    join(&w, 1);
    scheduler_peer *c = come(&w, NET_ROLE_CLIENT, "client", 1);
    submit(&w, c, 1, true);
    submit_reading(&w, c, 2, true, 1);
    m.name = (char *)(uintptr_t) "x";
    m.job = 2;
    tell(&w, c, SCHEDULER_MESSAGE(PUBLISH), &m.base, NULL);
    make_plan(&w);
    assert_int_equal(scheduler_new(&ops, &w, &copy), TSR_OK);
    for (int i = 0; i < w.n_records; i++) scheduler_replay(copy, &w.records[i]);
    assert_int_equal(copy->names.n, 1);
    assert_int_equal(copy->jobs.n, 2);
    assert_int_equal(copy->names.items[0].job->id, 2);
    scheduler_free(copy);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_graces),
        cmocka_unit_test(test_gone_for_certain),
        cmocka_unit_test(test_dropped_before_it_was_planned),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_gone_with_the_scheduler),
        cmocka_unit_test(test_again_when_all_are_back),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_in_vain),
        cmocka_unit_test(test_name_before_the_plan),
        cmocka_unit_test(test_newcomers),
        cmocka_unit_test(test_newcomers_and_places),
        cmocka_unit_test(test_newcomers_and_what_is_done),
        cmocka_unit_test(test_shed),
        cmocka_unit_test(test_deadly_unit),
        cmocka_unit_test(test_killed_from_outside),
        cmocka_unit_test(test_deadly_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
