/* Workers when something goes wrong: unknown jobs, bad fetches, bad jobs, runs that fail, workers, schedulers and clients that
 * are lost, peers that lie. Driven as in worker_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/worker_testing.h"

/* ---- what goes wrong ---- */

static void test_unknown_job_waits(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = numbers(&t, 2000, 1000, 500);
    test_job_make(&t, &j, 21, 1, &x, NULL);
    net_link *l = town_dial(&t, 0);
    const int64_t n = stage_n_blocks(&j.p->stages[j.p->roots[0].stage]);
    const uint64_t wanted = town_fetch(&t, l, 21, j.p->roots[0].stage, j.p->roots[0].output, 0, n);
    const uint64_t forgotten = town_fetch(&t, l, 22, 0, 0, 0, 1);
    Tessera__Cluster__Request forget = TESSERA__CLUSTER__REQUEST__INIT;
    forget.request = forgotten;
    town_say(l, MESSAGE(FORGET), &forget.base, NULL);
    usleep(200000);
    assert_int_equal(town_read(&t, &t.n_blocks), 0);
    test_job_send(&j);
    assert_int_equal(town_wait_request(&t, wanted), 0);
    assert_int_equal(town_read(&t, &t.n_blocks), n);
    /* A job that is dropped while somebody waits. */
    const uint64_t late = town_fetch(&t, l, 23, 0, 0, 0, 1);
    for (int i = 0; i < 600 && town_status(&t, late) < 0; i++) { /* the first may come before what waits */
        usleep(100000);
        test_job_drop(&(test_job){.t = &t, .id = 23});
    }
    assert_int_equal(town_status(&t, late), TSR_ERR_CANCELLED);
    link_unref(l);
    test_job_free(&j);
    town_close(&t);
}

static void test_too_many_wait(void **state)
{
    town t;
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){0});
    net_link *l = town_dial(&t, 0);
    for (int i = 0; i <= WORKER_MOST_WAITING; i++) town_fetch(&t, l, 24, 0, 0, 0, 1);
    assert_true(town_wait(&t, &t.n_closed, 1));
    assert_non_null(strstr(t.reason, "too many"));
    link_unref(l);
    town_close(&t);
}

enum { SLOW_BUDGET = 32 << 20 };

static uint64_t tasks_done(town *t)
{
    pthread_mutex_lock(&t->lock);
    const uint64_t n = t->members[0].tasks_done;
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* A town whose client takes nothing at first, and a worker with little memory. Small blocks: while the client stands still it
 * sends no signs of life either, so that must not last as long as it takes to be given up. */
static void open_slow_town(town *t, size_t memory_bytes)
{
    town_open(t);
    net_close(t->client);
    net_options o = {
        .role = NET_ROLE_CLIENT,
        .no_shared = true,
        .handlers = {.place = client_place, .message = client_message, .closed = client_closed, .abandoned = client_abandoned},
        .context = t};
    assert_int_equal(net_open(&o, &t->client), TSR_OK);
    town_add_worker(t, &(tsr_worker_options){.memory_bytes = memory_bytes});
    t->holds = true;
}

static void wait_until_nothing_is_done(town *t)
{
    for (uint64_t before = 0, now = 0; now == 0 || now != before; now = tasks_done(t)) {
        before = now;
        usleep(700000); /* a report comes meanwhile */
    }
}

static void take_all(town *t)
{
    pthread_mutex_lock(&t->lock);
    t->holds = false;
    town_changed(t);
}

/* A client that takes nothing has no more made for it than fits its connection. */
static void test_slow_client(void **state)
{
    town t;
    test_job j;
    open_slow_town(&t, SLOW_BUDGET);
    tsr_array *x = tsr_full(t.session, tsr_float(1), TSR_F64, 2, (int64_t[]){32000, 500}, (int64_t[]){1000, 500});
    test_job_make(&t, &j, 25, 1, &x, NULL);
    const int64_t n = stage_n_blocks(&j.p->stages[0]);
    assert_true(j.p->n_stages == 1 && n >= 24);
    test_job_send(&j);
    net_link *l = town_dial(&t, 0);
    const uint64_t all = town_fetch(&t, l, 25, 0, 0, 0, n);
    wait_until_nothing_is_done(&t);
    assert_true(tasks_done(&t) < (uint64_t)n * 3 / 4);
    take_all(&t);
    assert_int_equal(town_wait_request(&t, all), 0);
    assert_int_equal(town_read(&t, &t.n_blocks), n);
    link_unref(l);
    test_job_free(&j);
    town_close(&t);
}

/* Another worker that stands still, and has asked for three times the budget: all is made, and spilled until it is taken. */
static void test_slow_worker(void **state)
{
    town t;
    test_job j;
    open_slow_town(&t, SLOW_BUDGET);
    tsr_array *x =
        tsr_cumsum(tsr_random_normal(t.session, 3, 0, 1, TSR_F64, 2, (int64_t[]){24000, 500}, (int64_t[]){1000, 500}), 0);
    test_job_make(&t, &j, 26, 1, &x, NULL);
    const int number = j.p->roots[0].stage;
    const int64_t n = stage_n_blocks(&j.p->stages[number]);
    assert_true(n == 24);
    test_job_send(&j);
    net_link *l = town_dial(&t, 0);
    for (int64_t i = 0; i < n; i++) town_fetch(&t, l, 26, number, -1, i, 1);
    wait_until_nothing_is_done(&t);
    const uint64_t done = tasks_done(&t);
    assert_true(done >= (uint64_t)n);
    take_all(&t);
    assert_true(town_wait(&t, &t.n_blocks, (int)n));
    for (uint64_t i = 1; i <= (uint64_t)n; i++) assert_int_equal(town_status(&t, i), 0);
    assert_in_range(t.members[0].most_memory_bytes, 1,
                    SLOW_BUDGET + (12 << 20)); /* blocks of 4 MB that are being sent, and read for that */
    assert_int_equal(tasks_done(&t), done);    /* nothing was made twice */
    link_unref(l);
    test_job_free(&j);
    town_close(&t);
}

/* What the worker says after it was told something. */
static uint64_t next_memory(town *t)
{
    assert_true(town_wait(t, &t->members[0].n_reports, town_read(t, &t->members[0].n_reports) + 2));
    pthread_mutex_lock(&t->lock);
    const uint64_t bytes = t->members[0].memory_bytes;
    pthread_mutex_unlock(&t->lock);
    return bytes;
}

/* Blocks that are kept and queued for somebody count once; and as long as they are queued, when nobody keeps them any more. */
static void test_queued_blocks(void **state)
{
    town t;
    test_job j;
    open_slow_town(&t, (size_t)1 << 30);
    tsr_array *x = numbers(&t, 6000, 1000, 1000);
    test_job_make(&t, &j, 27, 1, &x, NULL);
    j.persists = true;
    const int64_t n = stage_n_blocks(&j.p->stages[0]);
    const uint64_t all_bytes = 6000 * 1000 * sizeof(double);
    test_job_send(&j);
    while (tasks_done(&t) < (uint64_t)n) usleep(10000);
    const uint64_t kept = next_memory(&t);
    assert_in_range(kept, all_bytes, all_bytes + all_bytes / 4);
    net_link *l = town_dial(&t, 0);
    const uint64_t all = town_fetch(&t, l, 27, 0, 0, 0, n);
    assert_true(town_wait(&t, &t.n_held_up, 1));
    assert_in_range(next_memory(&t), kept, kept + (1 << 20));
    test_job_drop(&j);
    const uint64_t queued = next_memory(&t);
    assert_in_range(queued, all_bytes * 3 / 4, kept + (1 << 20)); /* a part has left */
    take_all(&t);
    assert_int_equal(town_wait_request(&t, all), 0);
    while (next_memory(&t) > all_bytes / 8) continue;
    link_unref(l);
    test_job_free(&j);
    town_close(&t);
}

static void expect_refused(town *t, uint64_t id, int number, int output, int64_t first, int64_t count)
{
    const int closed = town_read(t, &t->n_closed);
    net_link *l = town_dial(t, 0);
    town_fetch(t, l, id, number, output, first, count);
    assert_true(town_wait(t, &t->n_closed, closed + 1));
    link_unref(l);
}

static void test_bad_fetches(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = numbers(&t, 40, 40, 20);
    test_job_make(&t, &j, 31, 1, &x, NULL);
    test_job_send(&j);
    expect_refused(&t, 31, 99, 0, 0, 1);
    expect_refused(&t, 31, 0, 99, 0, 1);
    expect_refused(&t, 31, 0, 0, 4, 1);
    expect_refused(&t, 31, 0, 0, 0, 5);
    expect_refused(&t, 31, 0, 0, 0, 0);
    expect_refused(&t, 31, 0, 0, 0, -1);
    expect_refused(&t, 31, 0, 0, INT64_MAX, INT64_MAX);
    expect_refused(&t, 31, 0, -1, 0, 1); /* nothing reads it */
    /* The same number twice; a message that does not read; one that is not a guest's. */
    int closed = town_read(&t, &t.n_closed);
    net_link *l = town_dial(&t, 0);
    t.next_request = 500;
    town_fetch(&t, l, 77, 0, 0, 0, 1);
    t.next_request = 500;
    town_fetch(&t, l, 77, 0, 0, 0, 1);
    assert_true(town_wait(&t, &t.n_closed, ++closed));
    assert_non_null(strstr(t.reason, "twice"));
    link_unref(l);
    l = town_dial(&t, 0);
    assert_int_equal(link_send(l, MESSAGE(FETCH), (const uint8_t *)"\xff\xff", 2, NULL), TSR_OK);
    assert_true(town_wait(&t, &t.n_closed, ++closed));
    link_unref(l);
    l = town_dial(&t, 0);
    assert_int_equal(link_send(l, MESSAGE(LEAVE), NULL, 0, NULL), TSR_OK);
    assert_true(town_wait(&t, &t.n_closed, ++closed));
    assert_false(tsr_worker_wait(t.workers[0], 0));
    link_unref(l);
    assert_int_equal(test_job_check(&j, 0), 0);
    test_job_free(&j);
    town_close(&t);
}

static void expect_failed(town *t, test_job *j, int status, const char *text)
{
    const int failed = town_read(t, &t->n_failed);
    test_job_send(j);
    assert_true(town_wait(t, &t->n_failed, failed + 1));
    assert_true(t->failed_job == j->id);
    assert_int_equal(t->failed_status, status);
    if (!strstr(t->failed_message, text)) print_error("'%s' has no '%s'\n", t->failed_message, text);
    assert_non_null(strstr(t->failed_message, text));
    net_link *l = town_dial(t, 0);
    assert_int_equal(town_wait_request(t, town_fetch(t, l, j->id, 0, 0, 0, 1)), status);
    link_unref(l);
    /* Told again, it says so again. */
    test_job_send(j);
    assert_true(town_wait(t, &t->n_failed, failed + 2));
    test_job_drop(j);
}

static void test_bad_jobs(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = numbers(&t, 40, 40, 20);
    test_job_make(&t, &j, 41, 1, &x, NULL);
    const uint64_t right = j.fingerprint;
    j.fingerprint = 5;
    expect_failed(&t, &j, TSR_ERR_UNSUPPORTED, "the plan of the job is another here");
    j.fingerprint = right;
    j.id++;
    const size_t size = j.size;
    j.size = 20;
    expect_failed(&t, &j, TSR_ERR_FORMAT, "");
    j.size = size;
    j.id++;
    /* The map names a worker that is not in its list; has too many stages. */
    const int failed = town_read(&t, &t.n_failed);
    wire_map map;
    wire_map_make(&j, &map);
    map.stages[0].owner[0] = 9;
    Tessera__Cluster__Job m = TESSERA__CLUSTER__JOB__INIT;
    m.job = j.id;
    m.fingerprint = right;
    m.map = &map.m;
    town_say(t.members[0].link, MESSAGE(JOB), &m.base, &(net_payload){.data = j.bytes, .bytes = j.size});
    assert_true(town_wait(&t, &t.n_failed, failed + 1));
    test_job_drop(&j);
    /* Once another is refused, which comes after the first is dropped, the number is free again. */
    m.job = map.m.job = j.id + 1;
    town_say(t.members[0].link, MESSAGE(JOB), &m.base, &(net_payload){.data = j.bytes, .bytes = j.size});
    assert_true(town_wait(&t, &t.n_failed, failed + 2));
    wire_map_free(&map);
    test_job_send(&j);
    assert_int_equal(test_job_check(&j, 0), 0);
    test_job_free(&j);
    town_close(&t);
}

/* Something that fails while it is computed. */
static void test_failing_run(void **state)
{
    town t;
    test_job j;
    char path[] = "/tmp/tessera-worker-test-XXXXXX.npy";
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){0});
    const int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(tsr_save(numbers(&t, 8000, 500, 250), path), TSR_OK);
    tsr_array *twice =
        tsr_multiply(tsr_open(t.session, path, NULL, (int64_t[]){250, 500}), tsr_scalar_array(t.session, tsr_float(2)));
    test_job_make(&t, &j, 51, 1, &twice, NULL);
    test_job_send(&j);
    net_link *l = town_dial(&t, 0);
    const int number = j.p->roots[0].stage, output = j.p->roots[0].output;
    const int64_t n = stage_n_blocks(&j.p->stages[number]);
    assert_true(n > 1);
    assert_int_equal(town_wait_request(&t, town_fetch(&t, l, 51, number, output, 0, 1)), 0);
    assert_int_equal(truncate(path, 1000), 0);
    assert_true(town_wait_request(&t, town_fetch(&t, l, 51, number, output, n - 1, 1)) > 0);
    assert_true(town_wait(&t, &t.n_failed, 1));
    assert_non_null(strstr(t.failed_message, "tessera-worker-test-"));
    link_unref(l);
    unlink(path);
    test_job_free(&j);
    town_close(&t);
}

/* A worker is gone: the other makes all of it. */
static void test_lost_worker(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){0});
    const int axis = 0;
    tsr_array *x = numbers(&t, 600, 300, 30);
    tsr_array *z = tsr_divide(tsr_subtract(x, tsr_mean(x, 1, &axis, true)), tsr_std(x, 1, &axis, 0, true));
    test_job_make(&t, &j, 61, 1, &z, NULL);
    j.persists = true;
    test_job_send(&j);
    tsr_worker_stop(t.workers[1]);
    t.workers[1] = NULL;
    pthread_mutex_lock(&t.lock);
    link_unref(t.members[1].link);
    t.members[1].link = NULL;
    pthread_mutex_unlock(&t.lock);
    usleep(100000);
    j.n_owners = 1;
    test_job_send_map(&j);
    assert_int_equal(test_job_check(&j, 0), 0);
    test_job_free(&j);
    town_close(&t);
}

/* The scheduler is gone for a while: blocks go on moving, and the jobs are told of when it is there again. */
static void test_lost_scheduler(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){0});
    const int axis = 0;
    tsr_array *x = tsr_std(numbers(&t, 200, 200, 20), 1, &axis, 0, false);
    test_job_make(&t, &j, 62, 1, &x, NULL);
    test_job_send(&j);
    assert_int_equal(test_job_check(&j, 0), 0);
    net_close(t.head);
    t.head = NULL;
    for (int i = 0; i < 2; i++) {
        link_unref(t.members[i].link);
        t.members[i].link = NULL;
    }
    assert_int_equal(test_job_check(&j, 0), 0);
    net_options head = {.role = NET_ROLE_SCHEDULER, .handlers = {.message = head_message}, .context = &t};
    assert_int_equal(net_open(&head, &t.head), TSR_OK);
    assert_int_equal(net_listen(t.head, t.address, NULL, 0), TSR_OK);
    for (int i = 0; i < 2; i++) {
        assert_true(town_wait(&t, &t.members[i].n_registered, 2));
        assert_int_equal(t.members[i].n_jobs, 1);
    }
    /* It numbers maps from 1 again. */
    j.epoch = 0;
    test_job_send(&j);
    assert_int_equal(test_job_check(&j, 0), 0);
    test_job_free(&j);
    town_close(&t);
}

static void test_clients_vanish(void **state)
{
    town t;
    test_job j;
    town_open(&t);
    for (int i = 0; i < 2; i++) town_add_worker(&t, &(tsr_worker_options){0});
    tsr_array *x = tsr_sqrt(tsr_abs(numbers(&t, 2000, 500, 50)));
    test_job_make(&t, &j, 63, 1, &x, NULL);
    test_job_send(&j);
    for (int i = 0; i < 20; i++) {
        net_link *l = town_dial(&t, i % 2);
        town_fetch(&t, l, 63, j.p->roots[0].stage, 0, 0, stage_n_blocks(&j.p->stages[j.p->roots[0].stage]));
        usleep((useconds_t)i * 2000);
        link_close(l, "gone");
        link_unref(l);
    }
    usleep(100000);
    assert_int_equal(test_job_check(&j, 0), 0);
    test_job_drop(&j);
    test_job_free(&j);
    town_close(&t);
}

/* ---- a peer that is none ---- */

typedef struct false_peer {
    net *n;
    char address[ADDRESS_TEXT_BYTES];
    town *t;
    int asked, closed;
    char reason[600];
    int mode; /* what it does when it is asked */
    size_t bytes;
} false_peer;

enum { PEER_CLOSES, PEER_LIES, PEER_REFUSES };

static void false_message(void *context, net_link *l, const net_message *m)
{
    false_peer *p = context;
    Tessera__Cluster__Fetch *f = tessera__cluster__fetch__unpack(NULL, m->head_bytes, m->head);
    if (m->type == MESSAGE(FETCH) && f && p->mode == PEER_CLOSES) link_close(l, "not today");
    if (m->type == MESSAGE(FETCH) && f && p->mode == PEER_LIES) {
        char *data = calloc(1, p->bytes);
        Tessera__Cluster__Block b = TESSERA__CLUSTER__BLOCK__INIT;
        b.request = f->request;
        b.number = f->first;
        b.last = true;
        town_say(l, MESSAGE(BLOCK), &b.base, &(net_payload){.data = data, .bytes = p->bytes});
        free(data);
    }
    if (m->type == MESSAGE(FETCH) && f && p->mode == PEER_REFUSES) {
        Tessera__Cluster__Refused r = TESSERA__CLUSTER__REFUSED__INIT;
        r.request = f->request;
        r.status = TSR_ERR_IO;
        r.message = (char *)"the disk of the other is broken";
        town_say(l, MESSAGE(NO_BLOCK), &r.base, NULL);
    }
    if (f) tessera__cluster__fetch__free_unpacked(f, NULL);
    pthread_mutex_lock(&p->t->lock);
    p->asked++;
    town_changed(p->t);
}

static void false_closed(void *context, net_link *l, const char *reason)
{
    false_peer *p = context;
    pthread_mutex_lock(&p->t->lock);
    p->closed++;
    snprintf(p->reason, sizeof p->reason, "%s", reason);
    town_changed(p->t);
}

/* The second worker of the town is this one. */
static void false_peer_open(false_peer *p, town *t, int mode, size_t bytes)
{
    *p = (false_peer){.t = t, .mode = mode, .bytes = bytes};
    net_options o = {.role = NET_ROLE_WORKER, .handlers = {.message = false_message, .closed = false_closed}, .context = p};
    if (net_open(&o, &p->n) != TSR_OK || net_listen(p->n, "tcp://127.0.0.1:0", p->address, sizeof p->address) != TSR_OK) abort();
    pthread_mutex_lock(&t->lock);
    member *m = member_of(t, 0x1234567);
    snprintf(m->address, sizeof m->address, "%s", p->address);
    pthread_mutex_unlock(&t->lock);
}

static void check_false_peer(int mode, size_t bytes)
{
    town t;
    test_job j;
    false_peer p;
    town_open(&t);
    town_add_worker(&t, &(tsr_worker_options){0});
    false_peer_open(&p, &t, mode, bytes);
    tsr_array *sum = tsr_sum(numbers(&t, 2000, 400, 20), 0, NULL, false);
    test_job_make(&t, &j, 71, 1, &sum, NULL);
    test_job_send(&j);
    net_link *l = town_dial(&t, 0);
    const uint64_t wanted = town_fetch(&t, l, 71, j.p->roots[0].stage, j.p->roots[0].output, 0, 1);
    assert_true(town_wait(&t, &p.asked, 1));
    if (mode == PEER_REFUSES) {
        assert_int_equal(town_wait_request(&t, wanted), TSR_ERR_IO);
        assert_true(town_wait(&t, &t.n_failed, 1));
        assert_non_null(strstr(t.failed_message, "the disk of the other is broken"));
    } else {
        /* The connection ends, and it asks again, until there is another map. */
        const int first = town_read(&t, &p.asked);
        assert_true(town_wait(&t, &p.closed, 1));
        assert_true(town_wait(&t, &p.asked, first + 1));
        if (mode == PEER_LIES) assert_non_null(strstr(p.reason, "bytes"));
        j.n_owners = 1;
        test_job_send_map(&j);
        assert_int_equal(town_wait_request(&t, wanted), 0);
        assert_int_equal(test_job_check(&j, 0), 0);
    }
    link_unref(l);
    test_job_free(&j);
    net_close(p.n);
    town_close(&t);
}

static void test_peer_closes(void **state) { check_false_peer(PEER_CLOSES, 0); }
static void test_peer_lies(void **state) { check_false_peer(PEER_LIES, 3); }
static void test_peer_lies_at_length(void **state) { check_false_peer(PEER_LIES, 3000000); }
static void test_peer_refuses(void **state) { check_false_peer(PEER_REFUSES, 0); }

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(test_unknown_job_waits), cmocka_unit_test(test_too_many_wait),       cmocka_unit_test(test_slow_client),
        cmocka_unit_test(test_slow_worker),       cmocka_unit_test(test_queued_blocks),       cmocka_unit_test(test_bad_fetches),
        cmocka_unit_test(test_bad_jobs),          cmocka_unit_test(test_failing_run),         cmocka_unit_test(test_lost_worker),
        cmocka_unit_test(test_lost_scheduler),    cmocka_unit_test(test_clients_vanish),      cmocka_unit_test(test_peer_closes),
        cmocka_unit_test(test_peer_lies),         cmocka_unit_test(test_peer_lies_at_length), cmocka_unit_test(test_peer_refuses),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
