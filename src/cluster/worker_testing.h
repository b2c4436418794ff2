/* What the tests of workers share: a scheduler that does what the test says, and a client that fetches blocks from workers and
 * puts them together. Both live in a `town` with one net each; their handlers only write down what came. */
#ifndef TESSERA_CLUSTER_WORKER_TESTING_H
#define TESSERA_CLUSTER_WORKER_TESTING_H

#include "array/pack.h"
#include "base/mem.h"
#include "base/os.h"
#include "cluster/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_WORKERS = 4, MOST_BLOCKS = 20000, TOWN_WAIT_S = 60 };

/* A worker as the scheduler sees it. */
typedef struct member {
    uint64_t id;
    char address[ADDRESS_TEXT_BYTES], name[64];
    unsigned threads;
    net_link *link;
    int n_registered, n_reports;
    uint64_t tasks_done, memory_bytes, most_memory_bytes;
    size_t n_jobs; /* of its last registration */
} member;

/* A block that came, or a refusal. */
typedef struct got_block {
    uint64_t request, number;
    unsigned output;
    bool last;
    int status; /* not 0: a refusal */
    buffer *buf;
} got_block;

typedef struct town {
    pthread_mutex_t lock; /* guards all that handlers write */
    pthread_cond_t changed;
    net *head, *client;
    char address[ADDRESS_TEXT_BYTES];
    member members[MOST_WORKERS];
    int n_members;
    int n_failed;
    uint64_t failed_job;
    int failed_status;
    char failed_message[600];
    got_block *blocks;
    int n_blocks;
    uint64_t next_request;
    int n_closed; /* of the client's links */
    char reason[600];
    bool holds;           /* the client takes nothing */
    int n_held_up;        /* times that it did not, so far */
    tsr_session *session; /* where expected values come from */
    tsr_worker *workers[MOST_WORKERS];
    int n_workers;
} town;

static inline void town_changed(town *t)
{
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* ---- the scheduler ---- */

static inline member *member_of(town *t, uint64_t id)
{
    for (int i = 0; i < t->n_members; i++)
        if (t->members[i].id == id) return &t->members[i];
    if (t->n_members == MOST_WORKERS) abort();
    t->members[t->n_members].id = id;
    return &t->members[t->n_members++];
}

static inline void head_register(town *t, net_link *l, const net_message *m)
{
    Tessera__Cluster__Register *r = tessera__cluster__register__unpack(NULL, m->head_bytes, m->head);
    if (!r) abort();
    pthread_mutex_lock(&t->lock);
    member *w = member_of(t, r->worker);
    snprintf(w->address, sizeof w->address, "%s", r->address);
    snprintf(w->name, sizeof w->name, "%s", r->name);
    w->threads = r->threads;
    link_unref(w->link);
    w->link = link_ref(l);
    w->n_jobs = r->n_jobs;
    w->n_registered++;
    link_set_user(l, w);
    town_changed(t);
    tessera__cluster__register__free_unpacked(r, NULL);
}

static inline void head_message(void *context, net_link *l, const net_message *m)
{
    town *t = context;
    member *w = link_user(l);
    if (m->type == MESSAGE(REGISTER)) head_register(t, l, m);
    if (m->type == MESSAGE(REPORT)) {
        Tessera__Cluster__Report *r = tessera__cluster__report__unpack(NULL, m->head_bytes, m->head);
        if (!r || !w) abort();
        pthread_mutex_lock(&t->lock);
        w->n_reports++;
        w->tasks_done = r->tasks_done;
        w->memory_bytes = r->memory_used_bytes;
        if (r->memory_used_bytes > w->most_memory_bytes) w->most_memory_bytes = r->memory_used_bytes;
        town_changed(t);
        tessera__cluster__report__free_unpacked(r, NULL);
    }
    if (m->type == MESSAGE(FAILED)) {
        Tessera__Cluster__Refused *r = tessera__cluster__refused__unpack(NULL, m->head_bytes, m->head);
        if (!r) abort();
        pthread_mutex_lock(&t->lock);
        t->n_failed++;
        t->failed_job = r->job;
        t->failed_status = r->status;
        snprintf(t->failed_message, sizeof t->failed_message, "%s", r->message);
        town_changed(t);
        tessera__cluster__refused__free_unpacked(r, NULL);
    }
}

/* ---- the client ---- */

static inline char *client_place(void *context, net_link *l, const net_message *m, void **token)
{
    town *t = context;
    buffer *b;
    pthread_mutex_lock(&t->lock);
    if (t->holds) t->n_held_up++;
    pthread_cond_broadcast(&t->changed);
    while (t->holds) os_cond_wait_ns(&t->changed, &t->lock, 100000000);
    pthread_mutex_unlock(&t->lock);
    void *data = mem_alloc(m->payload_bytes);
    if (!data || buffer_wrap(data, m->payload_bytes, mem_free, data, &b) != TSR_OK) abort();
    *token = b;
    return data;
}

static inline void client_message(void *context, net_link *l, const net_message *m)
{
    town *t = context;
    got_block g = {.buf = m->token};
    if (m->type == MESSAGE(BLOCK)) {
        Tessera__Cluster__Block *b = tessera__cluster__block__unpack(NULL, m->head_bytes, m->head);
        if (!b) abort();
        g.request = b->request;
        g.number = b->number;
        g.output = b->output;
        g.last = b->last;
        tessera__cluster__block__free_unpacked(b, NULL);
    } else if (m->type == MESSAGE(NO_BLOCK)) {
        Tessera__Cluster__Refused *r = tessera__cluster__refused__unpack(NULL, m->head_bytes, m->head);
        if (!r) abort();
        g.request = r->request;
        g.status = r->status;
        g.last = true;
        tessera__cluster__refused__free_unpacked(r, NULL);
    } else {
        abort();
    }
    pthread_mutex_lock(&t->lock);
    if (t->n_blocks == MOST_BLOCKS) abort();
    t->blocks[t->n_blocks++] = g;
    town_changed(t);
}

static inline void client_closed(void *context, net_link *l, const char *reason)
{
    town *t = context;
    pthread_mutex_lock(&t->lock);
    t->n_closed++;
    snprintf(t->reason, sizeof t->reason, "%s", reason);
    town_changed(t);
}

static inline void client_abandoned(void *context, net_link *l, void *token) { buffer_unref(token); }

/* ---- the town ---- */

static inline void town_open_with(town *t, const char *where, const char *secret_file)
{
    *t = (town){0};
    pthread_mutex_init(&t->lock, NULL);
    os_cond_init(&t->changed);
    t->blocks = calloc(MOST_BLOCKS, sizeof *t->blocks);
    t->session = tsr_session_open(NULL, &(tsr_options){.n_threads = 2, .memory_bytes = (size_t)512 << 20});
    net_options head = {
        .role = NET_ROLE_SCHEDULER, .secret_file = secret_file, .handlers = {.message = head_message}, .context = t};
    net_options client = {
        .role = NET_ROLE_CLIENT,
        .secret_file = secret_file,
        .handlers = {.place = client_place, .message = client_message, .closed = client_closed, .abandoned = client_abandoned},
        .context = t};
    if (!t->blocks || !t->session || net_open(&head, &t->head) != TSR_OK || net_open(&client, &t->client) != TSR_OK) abort();
    if (net_listen(t->head, where, t->address, sizeof t->address) != TSR_OK) abort();
}

static inline void town_open(town *t) { town_open_with(t, "tcp://127.0.0.1:0", NULL); }

static inline void town_forget_blocks(town *t)
{
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < t->n_blocks; i++) buffer_unref(t->blocks[i].buf);
    t->n_blocks = 0;
    pthread_mutex_unlock(&t->lock);
}

static inline void town_close(town *t)
{
    for (int i = 0; i < t->n_workers; i++) tsr_worker_stop(t->workers[i]);
    net_close(t->client);
    net_close(t->head);
    for (int i = 0; i < t->n_members; i++) link_unref(t->members[i].link);
    town_forget_blocks(t);
    free(t->blocks);
    tsr_session_close(t->session);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
}

/* Waits until *count, which handlers change, is at least n. */
static inline bool town_wait(town *t, const int *count, int n)
{
    const int64_t end = os_now_ns() + TOWN_WAIT_S * 1000000000LL;
    pthread_mutex_lock(&t->lock);
    while (*count < n && os_now_ns() < end) os_cond_wait_ns(&t->changed, &t->lock, 100000000);
    const bool there = *count >= n;
    pthread_mutex_unlock(&t->lock);
    return there;
}

static int town_read(town *t, const int *count)
{
    pthread_mutex_lock(&t->lock);
    const int n = *count;
    pthread_mutex_unlock(&t->lock);
    return n;
}

static inline void town_log(void *context, int level, const char *text)
{
    if (getenv("TESSERA_TEST_LOG")) fprintf(stderr, "worker: %d %s\n", level, text);
}

static inline member *town_add_worker(town *t, const tsr_worker_options *given)
{
    tsr_worker_options o = *given;
    if (!o.scheduler) o.scheduler = t->address;
    if (!o.n_threads) o.n_threads = 2;
    if (!o.memory_bytes) o.memory_bytes = (size_t)256 << 20;
    o.log = town_log;
    if (tsr_worker_start(&o, &t->workers[t->n_workers]) != TSR_OK) {
        fprintf(stderr, "no worker: %s\n", tsr_error_message());
        abort();
    }
    t->n_workers++;
    if (!town_wait(t, &t->n_members, t->n_workers)) abort();
    return &t->members[t->n_workers - 1];
}

static inline void town_say(net_link *l, uint32_t type, const ProtobufCMessage *m, const net_payload *payload)
{
    if (!worker_send(l, type, m, payload)) fprintf(stderr, "not sent: %s\n", tsr_error_message());
}

static inline void town_send_workers(town *t)
{
    Tessera__Cluster__Workers m = TESSERA__CLUSTER__WORKERS__INIT;
    Tessera__Cluster__WorkerAddress a[MOST_WORKERS], *pointers[MOST_WORKERS];
    for (int i = 0; i < t->n_members; i++) {
        tessera__cluster__worker_address__init(&a[i]);
        a[i].worker = t->members[i].id;
        a[i].address = t->members[i].address;
        a[i].name = t->members[i].name;
        pointers[i] = &a[i];
    }
    m.n_workers = (size_t)t->n_members;
    m.workers = pointers;
    for (int i = 0; i < t->n_members; i++)
        if (t->members[i].link) town_say(t->members[i].link, MESSAGE(WORKERS), &m.base, NULL);
}

/* ---- jobs ---- */

static inline tsr_array *numbers(town *t, int64_t rows, int64_t columns, int64_t chunk)
{
    return tsr_random_normal(t->session, 7, 0, 1, TSR_F64, 2, (int64_t[]){rows, columns}, (int64_t[]){chunk, chunk});
}

typedef struct test_job {
    town *t;
    uint64_t id;
    bool persists;
    int n;
    tsr_array **arrays;
    void *bytes;
    size_t size;
    plan *p;
    uint64_t fingerprint;
    /* Who owns what: units of stage i are cut into n_members contiguous parts, in this order. */
    int owners[MOST_WORKERS], n_owners;
    uint32_t epoch;
} test_job;

static inline void test_job_make(town *t, test_job *j, uint64_t id, int n, tsr_array **arrays, const set_codec *sets)
{
    *j = (test_job){.t = t, .id = id, .n = n, .arrays = arrays};
    for (int i = 0; i < n; i++)
        if (!arrays[i]) {
            fprintf(stderr, "no array: %s\n", tsr_error_message());
            abort();
        }
    if (expression_pack(n, arrays, NULL, sets, &j->bytes, &j->size) != TSR_OK || plan_build(n, arrays, NULL, &j->p) != TSR_OK) {
        fprintf(stderr, "no job: %s\n", tsr_error_message());
        abort();
    }
    j->fingerprint = plan_fingerprint(j->p);
    j->n_owners = t->n_members;
    for (int i = 0; i < t->n_members; i++) j->owners[i] = i;
}

static inline void test_job_free(test_job *j)
{
    tsr_free(j->bytes);
    plan_free(j->p);
}

static int64_t n_units(const stage *s) { return stage_n_blocks(s) * (stage_folds(s) ? s->n_runs : 1); }

/* Which member owns a unit. */
static int unit_owner(const test_job *j, const stage *s, int64_t unit)
{
    const int64_t n = n_units(s);
    int k = 0;
    while (k + 1 < j->n_owners && unit >= n * (k + 1) / j->n_owners) k++;
    return j->owners[k];
}

typedef struct wire_map {
    Tessera__Cluster__Map m;
    Tessera__Cluster__StageMap *stages, **pointers;
    uint64_t *workers, *first;
    uint32_t *owner;
} wire_map;

static inline void wire_map_make(const test_job *j, wire_map *out)
{
    const int n = j->p->n_stages;
    tessera__cluster__map__init(&out->m);
    out->stages = calloc((size_t)n, sizeof *out->stages);
    out->pointers = calloc((size_t)n, sizeof *out->pointers);
    out->workers = calloc((size_t)j->n_owners, sizeof *out->workers);
    out->first = calloc((size_t)(n * j->n_owners), sizeof *out->first);
    out->owner = calloc((size_t)(n * j->n_owners), sizeof *out->owner);
    out->m.job = j->id;
    out->m.epoch = j->epoch;
    out->m.n_workers = (size_t)j->n_owners;
    out->m.workers = out->workers;
    out->m.n_stages = (size_t)n;
    out->m.stages = out->pointers;
    for (int k = 0; k < j->n_owners; k++) out->workers[k] = j->t->members[j->owners[k]].id;
    for (int i = 0; i < n; i++) {
        Tessera__Cluster__StageMap *s = &out->stages[i];
        const int64_t units = n_units(&j->p->stages[i]);
        tessera__cluster__stage_map__init(s);
        out->pointers[i] = s;
        s->first = out->first + (ptrdiff_t)i * j->n_owners;
        s->owner = out->owner + (ptrdiff_t)i * j->n_owners;
        for (int k = 0; k < j->n_owners; k++) {
            const int64_t first = units * k / j->n_owners;
            if (first == units * (k + 1) / j->n_owners) continue;
            s->first[s->n_first++] = (uint64_t)first;
            s->owner[s->n_owner++] = (uint32_t)k;
        }
    }
}

static inline void wire_map_free(wire_map *m)
{
    free(m->stages);
    free(m->pointers);
    free(m->workers);
    free(m->first);
    free(m->owner);
}

static inline void test_job_send_to(test_job *j, member *to)
{
    Tessera__Cluster__Job m = TESSERA__CLUSTER__JOB__INIT;
    wire_map map;
    wire_map_make(j, &map);
    m.job = j->id;
    m.persists = j->persists;
    m.fingerprint = j->fingerprint;
    m.map = &map.m;
    town_say(to->link, MESSAGE(JOB), &m.base, &(net_payload){.data = j->bytes, .bytes = j->size});
    wire_map_free(&map);
}

/* To everybody who owns something. */
static inline void test_job_send(test_job *j)
{
    town_send_workers(j->t);
    j->epoch++;
    for (int i = 0; i < j->t->n_members; i++)
        if (j->t->members[i].link) test_job_send_to(j, &j->t->members[i]);
}

static inline void test_job_send_map(test_job *j)
{
    wire_map map;
    j->epoch++;
    wire_map_make(j, &map);
    for (int i = 0; i < j->t->n_members; i++)
        if (j->t->members[i].link) town_say(j->t->members[i].link, MESSAGE(MAP), &map.m.base, NULL);
    wire_map_free(&map);
}

static inline void test_job_drop(test_job *j)
{
    Tessera__Cluster__Jobs m = TESSERA__CLUSTER__JOBS__INIT;
    m.n_jobs = 1;
    m.jobs = &j->id;
    for (int i = 0; i < j->t->n_members; i++)
        if (j->t->members[i].link) town_say(j->t->members[i].link, MESSAGE(DROP), &m.base, NULL);
}

static inline net_link *town_dial(town *t, int worker)
{
    net_link *l;
    if (net_connect(t->client, t->members[worker].address, &l) != TSR_OK) abort();
    return l;
}

/* Returns the number of the request. */
static inline uint64_t town_fetch(town *t, net_link *l, uint64_t id, int stage_number, int output, int64_t first, int64_t count)
{
    Tessera__Cluster__Fetch m = TESSERA__CLUSTER__FETCH__INIT;
    m.request = ++t->next_request;
    m.job = id;
    m.stage = (uint32_t)stage_number;
    m.every_output = output < 0;
    m.output = output < 0 ? 0 : (uint32_t)output;
    m.first = (uint64_t)first;
    m.count = (uint64_t)count;
    town_say(l, MESSAGE(FETCH), &m.base, NULL);
    return m.request;
}

/* The status of a request that is done, -1 if it is not. The lock is held. */
static int request_status(const town *t, uint64_t id)
{
    for (int i = 0; i < t->n_blocks; i++)
        if (t->blocks[i].request == id && t->blocks[i].last) return t->blocks[i].status;
    return -1;
}

static inline int town_status(town *t, uint64_t id)
{
    pthread_mutex_lock(&t->lock);
    const int status = request_status(t, id);
    pthread_mutex_unlock(&t->lock);
    return status;
}

static int town_wait_request(town *t, uint64_t id)
{
    const int64_t end = os_now_ns() + TOWN_WAIT_S * 1000000000LL;
    int status;
    pthread_mutex_lock(&t->lock);
    while ((status = request_status(t, id)) < 0 && os_now_ns() < end) os_cond_wait_ns(&t->changed, &t->lock, 100000000);
    pthread_mutex_unlock(&t->lock);
    return status;
}

/* Puts a block where it belongs in the dense array. */
static inline void put_block(const stage_output *o, const got_block *b, char *out)
{
    int64_t strides[TSR_MAX_NDIM], index[TSR_MAX_NDIM] = {0};
    const size_t item = tsr_dtype_size(o->dtype);
    const box where = grid_box(&o->blocks, (int64_t)b->number);
    const int64_t n = box_size(&where);
    shape_strides(o->ndim, o->shape, item, strides);
    if (n == 0 && !b->buf) return;
    if (!b->buf || (size_t)n * item != b->buf->size_bytes) abort();
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int d = 0; d < o->ndim; d++) at += (where.start[d] + index[d]) * strides[d];
        memcpy(out + at, b->buf->data + (size_t)i * item, item);
        for (int d = o->ndim - 1; d >= 0 && ++index[d] == where.count[d]; d--) index[d] = 0;
    }
}

/* Fetches a root from its owners and compares it with what this process computes: 0 if it is the same, bit for bit; the status of
 * the first refusal, or -1. */
static int test_job_check(test_job *j, int root)
{
    town *t = j->t;
    const plan_root *r = &j->p->roots[root];
    const stage *s = &j->p->stages[r->stage];
    const stage_output *o = &s->outputs[r->output];
    const int64_t n_runs = stage_folds(s) ? s->n_runs : 1, n = stage_n_blocks(s);
    const size_t bytes = (size_t)tsr_nbytes(j->arrays[root]);
    uint64_t requests[MOST_WORKERS * 4];
    net_link *links[MOST_WORKERS] = {0};
    int n_requests = 0, status = 0;
    town_forget_blocks(t);
    for (int64_t b = 0, end; b < n; b = end) {
        const int owner = unit_owner(j, s, b * n_runs);
        for (end = b + 1; end < n && unit_owner(j, s, end * n_runs) == owner;) end++;
        if (!links[owner]) links[owner] = town_dial(t, owner);
        requests[n_requests++] = town_fetch(t, links[owner], j->id, r->stage, r->output, b, end - b);
    }
    for (int i = 0; i < n_requests && status == 0; i++) status = town_wait_request(t, requests[i]);
    char *got = calloc(1, bytes + 1), *expected = calloc(1, bytes + 1);
    if (!got || !expected || tsr_compute(1, &j->arrays[root], (void *const[]){expected}) != TSR_OK) abort();
    pthread_mutex_lock(&t->lock);
    int64_t n_got = 0;
    for (int i = 0; i < t->n_blocks && status == 0; i++) { /* those of earlier requests may arrive yet */
        bool is_asked = false;
        for (int k = 0; k < n_requests; k++) is_asked |= t->blocks[i].request == requests[k];
        if (!is_asked) continue;
        put_block(o, &t->blocks[i], got);
        n_got++;
    }
    if (status == 0 && n_got != n) status = -2;
    pthread_mutex_unlock(&t->lock);
    if (status == 0 && memcmp(got, expected, bytes) != 0) status = -3;
    for (int i = 0; i < MOST_WORKERS; i++) {
        if (links[i]) link_close(links[i], "done");
        link_unref(links[i]);
    }
    free(got);
    free(expected);
    return status;
}

#endif
