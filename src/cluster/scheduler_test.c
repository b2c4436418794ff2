/* The scheduler over the net: this program plays its workers and clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "array/pack.h"
#include "cluster/scheduler_testing.h"
#include "plan/plan.h"

/* ---- What they say --------------------------------------------------------------------------------------------------------- */

static tsr_session *session;
static tsr_scheduler *scheduler_process;

static void start_with(const char *journal, const char *listen)
{
    const tsr_scheduler_options o = {.listen = listen, .journal = journal};
    assert_int_equal(tsr_scheduler_start(&o, &scheduler_process), TSR_OK);
}

static void begin(actor *a, net_role role, const char *name)
{
    actor_begin(a, role, name, tsr_scheduler_address(scheduler_process));
}

static void join_with(actor *a, uint64_t id, size_t n_jobs, uint64_t *jobs)
{
    char name[32], address[64];
    Tessera__Cluster__Register m = TESSERA__CLUSTER__REGISTER__INIT;
    snprintf(name, sizeof name, "worker-%d", (int)id);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", 20000 + (int)id);
    begin(a, NET_ROLE_WORKER, name);
    m.worker = id;
    m.name = name;
    m.address = address;
    m.threads = 1;
    m.memory_bytes = 1 << 20;
    m.n_jobs = n_jobs;
    m.jobs = jobs;
    say(a, TYPE(REGISTER), &m.base, NULL, 0);
    expect(a, TYPE(WORKERS));
    assert_int_equal(net_timer_start(a->n, 500, actor_report, a, &a->reports), TSR_OK);
}

static void join(actor *a, uint64_t id) { join_with(a, id, 0, NULL); }

/* Packs and submits; returns the fingerprint of the plan. */
static uint64_t submit_reading(actor *a, uint64_t job, tsr_array *x, bool persists, uint64_t reads, const set_codec *sets)
{
    void *bytes;
    size_t size;
    plan *p;
    Tessera__Cluster__Submit m = TESSERA__CLUSTER__SUBMIT__INIT;
    assert_non_null(x);
    assert_int_equal(expression_pack(1, &x, NULL, sets, &bytes, &size), TSR_OK);
    assert_int_equal(plan_build(1, &x, NULL, &p), TSR_OK);
    m.job = job;
    m.persists = persists;
    m.fingerprint = plan_fingerprint(p);
    m.n_reads = reads != 0;
    m.reads = &reads;
    m.progress = true;
    say(a, TYPE(SUBMIT), &m.base, bytes, size);
    tsr_free(bytes);
    plan_free(p);
    return m.fingerprint;
}

static uint64_t submit(actor *a, uint64_t job, tsr_array *x, bool persists)
{
    return submit_reading(a, job, x, persists, 0, NULL);
}

static void release(actor *a, uint64_t job)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    m.n_jobs = 1;
    m.jobs = &job;
    say(a, TYPE(RELEASE), &m.base, NULL, 0);
}

/* The next map of this job. */
static Tessera__Cluster__Map *expect_map(actor *a, uint64_t job)
{
    for (;;) {
        heard h = expect(a, TYPE(MAP));
        Tessera__Cluster__Map *m = tessera__cluster__map__unpack(NULL, h.head_bytes, h.head);
        assert_non_null(m);
        if (m->job == job) return m;
        tessera__cluster__map__free_unpacked(m, NULL);
    }
}

static void free_map(Tessera__Cluster__Map *m) { tessera__cluster__map__free_unpacked(m, NULL); }

/* How many ranges of all stages are this worker's. */
static int ranges_of(const Tessera__Cluster__Map *m, uint64_t worker)
{
    int n = 0;
    for (size_t i = 0; i < m->n_stages; i++) {
        assert_int_equal(m->stages[i]->n_first, m->stages[i]->n_owner);
        for (size_t k = 0; k < m->stages[i]->n_owner; k++) {
            assert_true(m->stages[i]->owner[k] < m->n_workers);
            n += m->workers[m->stages[i]->owner[k]] == worker;
        }
    }
    return n;
}

static int n_ranges(const Tessera__Cluster__Map *m)
{
    int n = 0;
    for (size_t i = 0; i < m->n_stages; i++) n += (int)m->stages[i]->n_owner;
    return n;
}

/* The job as a worker hears of it; other jobs may come before it. */
static uint32_t expect_job(actor *a, uint64_t job)
{
    for (;;) {
        heard h = expect(a, TYPE(JOB));
        Tessera__Cluster__Job *m = tessera__cluster__job__unpack(NULL, h.head_bytes, h.head);
        assert_non_null(m);
        assert_true(h.payload_bytes > 0);
        assert_non_null(m->map);
        assert_true(n_ranges(m->map) > 0);
        const uint32_t epoch = m->map->epoch;
        const bool found = m->job == job;
        tessera__cluster__job__free_unpacked(m, NULL);
        if (found) return epoch;
    }
}

static void expect_refused(actor *a, uint64_t job, uint64_t request, int status, const char *part)
{
    heard h = expect(a, TYPE(REFUSED));
    Tessera__Cluster__Refused *m = tessera__cluster__refused__unpack(NULL, h.head_bytes, h.head);
    assert_non_null(m);
    if (!strstr(m->message, part)) print_error("refused with: %s\n", m->message);
    assert_non_null(strstr(m->message, part));
    assert_true(m->job == job && m->request == request);
    assert_int_equal(m->status, status);
    tessera__cluster__refused__free_unpacked(m, NULL);
}

/* Others may be dropped before it. */
static void expect_dropped(actor *a, uint64_t job)
{
    for (bool found = false; !found;) {
        heard h = expect(a, TYPE(DROP));
        Tessera__Cluster__Jobs *m = tessera__cluster__jobs__unpack(NULL, h.head_bytes, h.head);
        assert_non_null(m);
        for (size_t i = 0; i < m->n_jobs; i++) found = found || m->jobs[i] == job;
        tessera__cluster__jobs__free_unpacked(m, NULL);
    }
}

static void expect_n_workers(actor *a, size_t n)
{
    for (;;) {
        heard h = expect(a, TYPE(WORKERS));
        Tessera__Cluster__Workers *m = tessera__cluster__workers__unpack(NULL, h.head_bytes, h.head);
        assert_non_null(m);
        const bool there = m->n_workers == n;
        tessera__cluster__workers__free_unpacked(m, NULL);
        if (there) return;
    }
}

static void ask_name(actor *a, uint32_t type, const char *name, uint64_t job, uint64_t request)
{
    Tessera__Cluster__Name m = TESSERA__CLUSTER__NAME__INIT;
    m.name = (char *)(uintptr_t)name;
    m.job = job;
    m.request = request;
    m.array.data = (uint8_t *)"abc";
    m.array.len = 3;
    m.root = 7;
    say(a, type, &m.base, NULL, 0);
}

static void control(actor *a, const char *what, char *worker)
{
    Tessera__Cluster__Control m = TESSERA__CLUSTER__CONTROL__INIT;
    m.request = 99;
    m.what = (char *)(uintptr_t)what;
    m.n_workers = worker != NULL;
    m.workers = &worker;
    say(a, TYPE(CONTROL), &m.base, NULL, 0);
}

static tsr_array *large(uint64_t seed)
{
    return tsr_random_normal(session, seed, 0, 1, TSR_F64, 2, (int64_t[]){64, 1 << 20}, (int64_t[]){1, 1 << 20});
}

/* ---- Cases
 * ---------------------------------------------------------------------------------------------------------------------- */

static void test_job(void **state)
{
    actor w[2], c;
    tsr_array *x = large(1);
    start_with(NULL, "tcp://127.0.0.1:0");
    join(&w[0], 1);
    join(&w[1], 2);
    begin(&c, NET_ROLE_CLIENT, "client");
    expect_n_workers(&c, 2);
    uint64_t fingerprint = submit(&c, 11, x, false);
    Tessera__Cluster__Map *m = expect_map(&c, 11);
    assert_true(ranges_of(m, 1) > 0 && ranges_of(m, 2) > 0 && m->epoch > 0);
    for (int i = 0; i < 2; i++) {
        heard h = expect(&w[i], TYPE(JOB));
        Tessera__Cluster__Job *j = tessera__cluster__job__unpack(NULL, h.head_bytes, h.head);
        assert_true(j->job == 11 && j->fingerprint == fingerprint && j->map->epoch == m->epoch && !j->persists);
        assert_int_equal(n_ranges(j->map), n_ranges(m));
        assert_int_equal(tsr_packed_count(h.payload, h.payload_bytes), 1);
        tessera__cluster__job__free_unpacked(j, NULL);
    }
    const uint32_t epoch = m->epoch;
    free_map(m);
    submit(&c, 11, x, false); /* again: only the answer */
    m = expect_map(&c, 11);
    assert_int_equal(m->epoch, epoch);
    free_map(m);
    submit(&c, 12, x, false);
    free_map(expect_map(&c, 12));
    expect_job(&w[0], 12); /* and no second 11 */
    release(&c, 11);
    expect_dropped(&w[0], 11);
    expect_dropped(&w[1], 11);
    tsr_array *y = tsr_sqrt(x);
    submit(&c, 12, y, false); /* another job of that number */
    expect_refused(&c, 12, 0, TSR_ERR_VALUE, "another job");
    actor_end(&c);
    expect_dropped(&w[1], 12); /* the client is away for longer than its grace */
    actor_end(&w[0]);
    actor_end(&w[1]);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
    tsr_release(y);
}

static void test_no_workers_yet(void **state)
{
    actor w[3], c;
    tsr_array *x = large(2);
    start_with(NULL, "tcp://127.0.0.1:0");
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 5, x, false);
    Tessera__Cluster__Map *m = expect_map(&c, 5);
    assert_true(m->n_stages > 0);
    assert_int_equal(n_ranges(m), 0);
    uint32_t epoch = m->epoch;
    free_map(m);
    join(&w[0], 1);
    m = expect_map(&c, 5);
    assert_true(m->epoch > epoch && ranges_of(m, 1) == n_ranges(m) && n_ranges(m) > 0);
    epoch = m->epoch;
    free_map(m);
    assert_true(expect_job(&w[0], 5) == epoch);
    join(&w[1], 2); /* it gets a part of what is in progress */
    m = expect_map(&c, 5);
    assert_true(m->epoch > epoch && ranges_of(m, 1) > 0 && ranges_of(m, 2) > 0);
    epoch = m->epoch;
    free_map(m);
    expect_job(&w[1], 5);
    actor_end(&w[0]); /* the process of this worker lives, so it may come back for two seconds */
    m = expect_map(&c, 5);
    assert_true(m->epoch > epoch && ranges_of(m, 2) == n_ranges(m) && n_ranges(m) > 0);
    epoch = m->epoch;
    free_map(m);
    actor_end(&w[1]); /* the last one */
    m = expect_map(&c, 5);
    assert_true(m->epoch > epoch && n_ranges(m) == 0);
    free_map(m);
    join(&w[2], 3);
    m = expect_map(&c, 5);
    assert_true(ranges_of(m, 3) > 0);
    free_map(m);
    actor_end(&w[2]);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

static void test_worker_returns(void **state)
{
    actor w[2], again, c;
    tsr_array *x = large(3);
    start_with(NULL, "tcp://127.0.0.1:0");
    join(&w[0], 1);
    join(&w[1], 2);
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 5, x, true);
    Tessera__Cluster__Map *m = expect_map(&c, 5);
    const uint32_t epoch = m->epoch;
    free_map(m);
    expect_job(&w[0], 5);
    actor_end(&w[0]);
    uint64_t jobs[] = {5, 77};
    join_with(&again, 1, 2, jobs);
    m = expect_map(&again, 5); /* it keeps its units, and needs no JOB */
    assert_int_equal(m->epoch, epoch);
    assert_true(ranges_of(m, 1) > 0);
    free_map(m);
    expect_dropped(&again, 77); /* nobody asked for that in the meantime */
    actor_end(&again);
    join(&again, 1); /* it has lost what it had */
    assert_int_equal(expect_job(&again, 5), epoch);
    assert_int_equal(count_for(&c, TYPE(MAP), 100), 0);
    actor_end(&again);
    actor_end(&w[1]);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

static void test_refused(void **state)
{
    actor c, w, bad;
    tsr_array *x = large(4);
    void *bytes;
    size_t size;
    start_with(NULL, "tcp://127.0.0.1:0");
    begin(&c, NET_ROLE_CLIENT, "client");
    join(&w, 1);
    Tessera__Cluster__Submit m = TESSERA__CLUSTER__SUBMIT__INIT;
    m.job = 1;
    say(&c, TYPE(SUBMIT), &m.base, "not an expression", 17);
    expect_refused(&c, 1, 0, TSR_ERR_FORMAT, "packed expression");
    m.job = 2;
    say(&c, TYPE(SUBMIT), &m.base, NULL, 0);
    expect_refused(&c, 2, 0, TSR_ERR_VALUE, "without expressions");
    assert_int_equal(tsr_pack(1, &x, NULL, &bytes, &size), TSR_OK);
    m.job = 3;
    m.fingerprint = 12345;
    say(&c, TYPE(SUBMIT), &m.base, bytes, size);
    expect_refused(&c, 3, 0, TSR_ERR_VALUE, "differ between these hosts");
    m.job = 4;
    m.fingerprint = 0;
    uint64_t reads = 999;
    m.reads = &reads;
    m.n_reads = 1;
    say(&c, TYPE(SUBMIT), &m.base, bytes, size);
    expect_refused(&c, 4, 0, TSR_ERR_NOT_FOUND, "is not there");
    m.n_reads = 0;
    m.job = 6;
    Tessera__Cluster__Hint hint = TESSERA__CLUSTER__HINT__INIT, *hints = &hint;
    int64_t chunk[] = {0, 5};
    hint.n_chunk = 2;
    hint.chunk = chunk;
    m.n_hints = 1;
    m.hints = &hints;
    say(&c, TYPE(SUBMIT), &m.base, bytes, size);
    expect_refused(&c, 6, 0, TSR_ERR_VALUE, "hint 0");
    tsr_free(bytes);

    /* A worker that fails a job. */
    submit(&c, 7, x, true);
    expect_job(&w, 7);
    Tessera__Cluster__Refused failed = TESSERA__CLUSTER__REFUSED__INIT;
    failed.job = 7;
    failed.status = TSR_ERR_IO;
    failed.message = (char *)(uintptr_t) "cannot read 'x.nc'";
    say(&w, TYPE(FAILED), &failed.base, NULL, 0);
    expect_refused(&c, 7, 0, TSR_ERR_IO, "x.nc");
    expect_dropped(&w, 7);
    submit(&c, 7, x, true); /* it is known why */
    expect_refused(&c, 7, 0, TSR_ERR_IO, "x.nc");

    /* Peers that make no sense. */
    begin(&bad, NET_ROLE_CLIENT, "bad");
    assert_int_equal(link_send(bad.link, TYPE(SUBMIT), (const uint8_t *)"\xff\xff\xff", 3, NULL), TSR_OK);
    expect_closed(&bad, "cannot be read");
    actor_end(&bad);
    begin(&bad, NET_ROLE_WORKER, "bad");
    assert_int_equal(link_send(bad.link, TYPE(REPORT), NULL, 0, NULL), TSR_OK);
    expect_closed(&bad, "did not say who it is");
    actor_end(&bad);
    begin(&bad, NET_ROLE_CLIENT, "bad");
    assert_int_equal(link_send(bad.link, TYPE(REGISTER), NULL, 0, NULL), TSR_OK);
    expect_closed(&bad, "do not send");
    actor_end(&bad);
    begin(&bad, NET_ROLE_WORKER, "bad");
    Tessera__Cluster__Register reg = TESSERA__CLUSTER__REGISTER__INIT;
    reg.worker = 8;
    reg.address = (char *)(uintptr_t) "nowhere";
    say(&bad, TYPE(REGISTER), &reg.base, NULL, 0);
    expect_closed(&bad, "nowhere");
    actor_end(&bad);
    actor_end(&w);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

/* A persisted array as this client knows it. */
typedef struct known_set {
    block_set base;
    grid blocks;
    tsr_dtype dtype;
    uint64_t job;
} known_set;

static void known_unref(block_set *set) { atomic_fetch_sub(&set->refs, 1); }
static const block_set_ops known_ops = {known_unref};

static bool save_set(void *context, const block_set *set, uint64_t *job, uint32_t *root)
{
    *job = ((const known_set *)(const void *)set)->job;
    *root = 0;
    return true;
}

static tsr_array *held_array(known_set *k, uint64_t job, tsr_array *from)
{
    plan *p;
    assert_int_equal(plan_build(1, &from, NULL, &p), TSR_OK);
    *k = (known_set){.base = {.ops = &known_ops}, .job = job, .dtype = from->dtype};
    k->blocks = p->stages[p->roots[0].stage].outputs[p->roots[0].output].blocks;
    for (int d = 0; d < k->blocks.ndim; d++) assert_null(k->blocks.axes[d].edges);
    plan_free(p);
    atomic_store(&k->base.refs, 1);
    tsr_array proto = {.op = NODE_BLOCKS, .dtype = k->dtype, .ndim = from->ndim, .session = session, .grid = k->blocks};
    memcpy(proto.shape, from->shape, sizeof proto.shape);
    proto.p.blocks.set = &k->base;
    proto.p.blocks.stored = &k->blocks;
    tsr_array *a = node_make(session, &proto);
    assert_non_null(a);
    return a;
}

static void test_reads(void **state)
{
    actor w[3], c;
    known_set known;
    const set_codec sets = {.save = save_set};
    tsr_array *x = large(5), *held = held_array(&known, 20, x), *y = tsr_exp(held);
    tsr_array *row = tsr_slice(held, 1, &(tsr_index){.kind = TSR_INDEX_INTEGER, .start = 40});
    start_with(NULL, "tcp://127.0.0.1:0");
    for (int i = 0; i < 3; i++) join(&w[i], (uint64_t)i + 1);
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 20, x, true);
    submit_reading(&c, 21, y, false, 20, &sets); /* at once: it waits for the plan of the other */
    Tessera__Cluster__Map *mx = expect_map(&c, 20), *my = expect_map(&c, 21);
    const Tessera__Cluster__StageMap *a = mx->stages[mx->n_stages - 1], *b = my->stages[my->n_stages - 1];
    assert_int_equal(a->n_first, b->n_first); /* each block is used where it is */
    for (size_t i = 0; i < a->n_first; i++) {
        assert_true(a->first[i] == b->first[i]);
        assert_true(mx->workers[a->owner[i]] == my->workers[b->owner[i]]);
    }
    for (int i = 0; i < 3; i++) {
        expect_job(&w[i], 20); /* before the one that reads it */
        expect_job(&w[i], 21);
    }
    submit_reading(&c, 22, row, false, 20, &sets);
    Tessera__Cluster__Map *mr = expect_map(&c, 22);
    assert_int_equal(mr->n_workers, 1);
    uint64_t owner = 0, unit = (uint64_t)grid_block_at(&known.blocks, (int64_t[]){axis_grid_find(&known.blocks.axes[0], 40), 0});
    for (size_t i = 0; i < a->n_first; i++)
        if (a->first[i] <= unit) owner = mx->workers[a->owner[i]];
    assert_true(mr->workers[0] == owner);
    free_map(mx);
    free_map(my);
    free_map(mr);

    release(&c, 20); /* others read it */
    release(&c, 22);
    expect_dropped(&w[owner - 1], 22);
    assert_int_equal(count_for(&w[0], TYPE(DROP), 100), 0);
    release(&c, 21);
    expect_dropped(&w[1], 21);
    expect_dropped(&w[1], 20);

    /* Without the job that it reads. */
    submit_reading(&c, 23, y, false, 20, &sets);
    expect_refused(&c, 23, 0, TSR_ERR_NOT_FOUND, "is not there");
    submit(&c, 20, x, true);
    submit_reading(&c, 24, y, false, 0, &sets); /* not named as read */
    expect_refused(&c, 24, 0, TSR_ERR_NOT_FOUND, "do not name");
    for (int i = 0; i < 3; i++) actor_end(&w[i]);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_array *all[] = {x, held, y, row};
    for (int i = 0; i < 4; i++) tsr_release(all[i]);
}

static void report(actor *a, uint64_t job, uint64_t done, uint32_t number, uint64_t block)
{
    Tessera__Cluster__Report m = TESSERA__CLUSTER__REPORT__INIT;
    Tessera__Cluster__JobReport j = TESSERA__CLUSTER__JOB_REPORT__INIT, *jobs = &j;
    j.job = job;
    j.tasks_done = done;
    j.stage = number;
    j.block = block;
    Tessera__Cluster__StageReport stages[2] = {TESSERA__CLUSTER__STAGE_REPORT__INIT, TESSERA__CLUSTER__STAGE_REPORT__INIT};
    Tessera__Cluster__StageReport *list[2] = {&stages[0], &stages[1]};
    stages[0].stage = number;
    stages[0].tasks_done = done;
    stages[1].stage = UINT32_MAX; /* there is no such stage */
    stages[1].tasks_done = 3;
    j.n_stages = 2;
    j.stages = list;
    m.n_jobs = 1;
    m.jobs = &jobs;
    m.tasks_done = done;
    m.idle = done >= 1000; /* more than anybody has to do */
    m.memory_used_bytes = 4711;
    say(a, TYPE(REPORT), &m.base, NULL, 0);
}

/* A worker needs a minute for its part, the other has done with its own at once, and gets a part of what is left. */
static void test_slow_worker(void **state)
{
    actor slow, fast, c;
    tsr_array *x = tsr_random_normal(session, 5, 0, 1, TSR_F64, 2, (int64_t[]){128, 1 << 20}, (int64_t[]){1, 1 << 20});
    start_with(NULL, "tcp://127.0.0.1:0");
    join(&slow, 1);
    join(&fast, 2);
    begin(&c, NET_ROLE_CLIENT, "client");
    expect_n_workers(&c, 2);
    submit(&c, 11, x, false);
    Tessera__Cluster__Map *m = expect_map(&c, 11);
    const uint64_t epoch = m->epoch, n = m->stages[0]->first[1];
    assert_true(m->n_stages == 1 && ranges_of(m, 1) == 1 && ranges_of(m, 2) == 1 && m->workers[m->stages[0]->owner[0]] == 1);
    free_map(m);
    expect_job(&slow, 11);
    expect_job(&fast, 11);
    net_timer_stop(slow.reports); /* which know nothing of what is reported here */
    net_timer_stop(fast.reports);
    slow.reports = fast.reports = NULL;
    for (uint64_t done = 0; count_for(&fast, TYPE(MAP), 100) == 0; done += 1) {
        report(&fast, 11, 1000, 0, n);
        report(&slow, 11, done / 5, 0, done / 5);
        assert_true(done < 200);
    }
    m = expect_map(&c, 11);
    assert_true(m->epoch > epoch && m->stages[0]->n_first >= 2);
    assert_true(m->workers[m->stages[0]->owner[0]] == 1 && m->workers[m->stages[0]->owner[1]] == 2);
    assert_true(m->stages[0]->first[1] > 0 && m->stages[0]->first[1] < n / 2); /* it was faster, so it gets most of it */
    free_map(m);
    actor_end(&c);
    actor_end(&slow);
    actor_end(&fast);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

static void test_names(void **state)
{
    actor w, c, d;
    tsr_array *x = large(6);
    start_with(NULL, "tcp://127.0.0.1:0");
    join(&w, 1);
    begin(&c, NET_ROLE_CLIENT, "one");
    begin(&d, NET_ROLE_CLIENT, "two");
    submit(&c, 30, x, true);
    submit(&c, 31, x, false);
    expect_job(&w, 30);
    ask_name(&d, TYPE(LOOKUP), "x", 0, 1);
    expect_refused(&d, 0, 1, TSR_ERR_NOT_FOUND, "published as 'x'");
    ask_name(&c, TYPE(PUBLISH), "x", 31, 2);
    expect_refused(&c, 0, 2, TSR_ERR_VALUE, "only persisted");
    ask_name(&c, TYPE(PUBLISH), "x", 30, 3);
    expect(&c, TYPE(DONE));
    ask_name(&c, TYPE(PUBLISH), "", 30, 4);
    expect_refused(&c, 0, 4, TSR_ERR_VALUE, "no name");
    ask_name(&d, TYPE(LOOKUP), "x", 0, 5);
    heard h = expect(&d, TYPE(NAMED));
    Tessera__Cluster__Name *m = tessera__cluster__name__unpack(NULL, h.head_bytes, h.head);
    assert_true(m && m->job == 30 && m->request == 5 && m->root == 7 && m->array.len == 3 && m->persists);
    assert_memory_equal(m->array.data, "abc", 3);
    tessera__cluster__name__free_unpacked(m, NULL);
    free_map(expect_map(&d, 30));
    release(&c, 30);
    ask_name(&c, TYPE(PUBLISH), "x", 0, 6); /* takes the name away */
    expect(&c, TYPE(DONE));
    assert_int_equal(count_for(&w, TYPE(DROP), 100), 0); /* the other client holds it */
    release(&d, 30);
    expect_dropped(&w, 30);
    ask_name(&c, TYPE(PUBLISH), "x", 0, 7);
    expect_refused(&c, 0, 7, TSR_ERR_NOT_FOUND, "nothing is published");
    actor_end(&w);
    actor_end(&c);
    actor_end(&d);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

static void test_status(void **state)
{
    actor w[2], c;
    tsr_array *x = large(7);
    start_with(NULL, "tcp://127.0.0.1:0");
    join(&w[0], 1);
    join(&w[1], 2);
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 40, x, true);
    expect_job(&w[0], 40);
    expect_job(&w[1], 40);
    report(&w[0], 40, 5, 0, 3);
    heard h = expect(&c, TYPE(PROGRESS));
    Tessera__Cluster__Progress *progress = tessera__cluster__progress__unpack(NULL, h.head_bytes, h.head);
    assert_true(progress && progress->job == 40 && progress->tasks_done == 5 && progress->tasks_total >= 64 &&
                progress->n_stages == 1 && progress->stages[0] == 5);
    tessera__cluster__progress__free_unpacked(progress, NULL);
    report(&w[1], 40, 7, 0, 60);
    expect(&c, TYPE(PROGRESS));
    Tessera__Cluster__StatusRequest ask = TESSERA__CLUSTER__STATUS_REQUEST__INIT;
    ask.request = 3;
    say(&c, TYPE(STATUS), &ask.base, NULL, 0);
    h = expect(&c, TYPE(STATUS_REPLY));
    Tessera__Cluster__StatusReply *s = tessera__cluster__status_reply__unpack(NULL, h.head_bytes, h.head);
    assert_non_null(s);
    assert_true(s->request == 3 && s->n_workers == 2 && s->n_jobs == 1 && s->clients == 1);
    assert_string_equal(s->address, tsr_scheduler_address(scheduler_process));
    assert_string_equal(s->workers[1]->name, "worker-2");
    assert_true(s->workers[1]->report->memory_used_bytes == 4711 && s->workers[1]->report->tasks_done == 7);
    assert_true(s->jobs[0]->tasks_done == 12 && s->jobs[0]->bytes == (uint64_t)64 << 23);
    assert_true(s->jobs[0]->n_stages == 1 && s->jobs[0]->stages[0]->tasks_done == 12);
    assert_true(s->jobs[0]->stages[0]->tasks_total == s->jobs[0]->tasks_total);
    assert_string_equal(s->jobs[0]->stages[0]->name, "random");
    assert_string_equal(s->jobs[0]->client, "client");
    tessera__cluster__status_reply__free_unpacked(s, NULL);

    control(&c, "dance", NULL);
    expect_refused(&c, 0, 99, TSR_ERR_VALUE, "cannot 'dance'");
    control(&c, "retire", (char *)(uintptr_t) "nobody");
    expect_refused(&c, 0, 99, TSR_ERR_NOT_FOUND, "no worker 'nobody'");
    control(&c, "retire", (char *)(uintptr_t) "worker-2");
    Tessera__Cluster__Map *m = expect_map(&w[0], 40);
    assert_true(ranges_of(m, 2) == 0 && ranges_of(m, 1) > 0);
    free_map(m);
    expect(&w[1], TYPE(LEAVE));
    expect(&c, TYPE(DONE));
    actor_end(&w[1]);
    expect_n_workers(&c, 1);
    control(&c, "restart", NULL);
    expect_dropped(&w[0], 40);
    expect_refused(&c, 40, 0, TSR_ERR_CANCELLED, "restarted");
    expect(&c, TYPE(DONE));
    assert_false(tsr_scheduler_wait(scheduler_process, 0.01));
    control(&c, "stop", NULL);
    expect(&w[0], TYPE(LEAVE));
    expect(&c, TYPE(DONE));
    assert_true(tsr_scheduler_wait(scheduler_process, -1));
    actor_end(&w[0]);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

/* A worker whose connection stands and that does not report: its process was stopped, perhaps. It may come back later. */
static void test_silent_worker(void **state)
{
    actor w[2], again, c;
    tsr_array *x = large(10);
    start_with(NULL, "tcp://127.0.0.1:0");
    join(&w[0], 1);
    join(&w[1], 2);
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 70, x, false);
    free_map(expect_map(&c, 70));
    net_timer_stop(w[0].reports);
    w[0].reports = NULL;
    expect_n_workers(&c, 1); /* after ten seconds */
    Tessera__Cluster__Map *m = expect_map(&c, 70);
    assert_true(ranges_of(m, 1) == 0 && ranges_of(m, 2) > 0);
    free_map(m);
    expect_closed(&w[0], "says nothing");
    uint64_t jobs[] = {70};
    join_with(&again, 1, 1, jobs);
    expect_n_workers(&c, 2);
    free_map(expect_map(&again, 70));
    actor_end(&w[0]);
    actor_end(&w[1]);
    actor_end(&again);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

/* Three workers go down over the same block. */
static void test_deadly_block(void **state)
{
    actor w[4], c;
    tsr_array *x = large(8);
    start_with(NULL, "tcp://127.0.0.1:0");
    for (int i = 0; i < 4; i++) join(&w[i], (uint64_t)i + 1);
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 50, x, false);
    for (int i = 0; i < 4; i++) expect_job(&w[i], 50);
    for (int i = 0; i < 3; i++) {
        Tessera__Cluster__Begins begins = TESSERA__CLUSTER__BEGINS__INIT;
        begins.job = 50;
        begins.unit = 17;
        say(&w[i], TYPE(BEGINS), &begins.base, NULL, 0);
        report(&w[i], 50, 2, 0, 17);
        expect(&c, TYPE(PROGRESS));
        actor_end(&w[i]);
        if (i < 2) free_map(expect_map(&c, 50));
    }
    expect_refused(&c, 50, 0, TSR_ERR_INTERNAL,
                   "stage 0 (random), block 17: 3 workers were lost while they worked on it: worker-1, worker-2, worker-3");
    expect_dropped(&w[3], 50);
    actor_end(&w[3]);
    actor_end(&c);
    tsr_scheduler_stop(scheduler_process);
    tsr_release(x);
}

/* ---- With a journal
 * ------------------------------------------------------------------------------------------------------------- */

static void test_journal(void **state)
{
    char path[64], address[128];
    actor w[2], c, d;
    tsr_array *x = large(9);
    snprintf(path, sizeof path, "/tmp/tessera-journal-%d", (int)getpid());
    unlink(path);
    start_with(path, "tcp://127.0.0.1:0");
    snprintf(address, sizeof address, "%s", tsr_scheduler_address(scheduler_process));
    tsr_scheduler *other;
    assert_int_equal(tsr_scheduler_start(&(tsr_scheduler_options){.listen = "tcp://127.0.0.1:0", .journal = path}, &other),
                     TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "another scheduler"));
    join(&w[0], 1);
    join(&w[1], 2);
    begin(&c, NET_ROLE_CLIENT, "client");
    submit(&c, 60, x, true);
    submit(&c, 61, x, true);
    submit(&c, 62, x, false);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++) expect(&w[i], TYPE(JOB));
    }
    free_map(expect_map(&c, 60));
    ask_name(&c, TYPE(PUBLISH), "winds", 60, 3);
    expect(&c, TYPE(DONE));
    tsr_scheduler_stop(scheduler_process);
    for (int i = 0; i < 2; i++) actor_end(&w[i]);
    actor_end(&c);

    /* Another process; one worker comes back with what it had, one does not. */
    start_with(path, address);
    uint64_t jobs[] = {60, 61, 62};
    join_with(&w[0], 1, 3, jobs);
    begin(&d, NET_ROLE_CLIENT, "other");
    expect_n_workers(&d, 2);
    ask_name(&d, TYPE(LOOKUP), "winds", 0, 5);
    heard h = expect(&d, TYPE(NAMED));
    Tessera__Cluster__Name *named = tessera__cluster__name__unpack(NULL, h.head_bytes, h.head);
    assert_true(named && named->job == 60 && named->array.len == 3);
    tessera__cluster__name__free_unpacked(named, NULL);
    Tessera__Cluster__Map *m = expect_map(&d, 60);
    assert_true(ranges_of(m, 1) > 0 && ranges_of(m, 2) > 0);
    uint32_t epoch = m->epoch;
    free_map(m);
    expect_n_workers(&d, 1);
    for (;;) { /* after the grace */
        m = expect_map(&d, 60);
        assert_true(m->epoch >= epoch);
        const bool moved = ranges_of(m, 2) == 0;
        free_map(m);
        if (moved) break;
    }
    expect_dropped(&w[0], 61); /* nobody came back for it; and 62 was never in the journal */
    actor_end(&d);
    actor_end(&w[0]);
    tsr_scheduler_stop(scheduler_process);
    unlink(path);
    tsr_release(x);
}

static int open_session(void **state)
{
    session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    return session ? 0 : -1;
}

static int close_session(void **state)
{
    tsr_session_close(session);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),           cmocka_unit_test(test_no_workers_yet), cmocka_unit_test(test_worker_returns),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_reads),          cmocka_unit_test(test_slow_worker),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_status),         cmocka_unit_test(test_deadly_block),
        cmocka_unit_test(test_silent_worker), cmocka_unit_test(test_journal),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
