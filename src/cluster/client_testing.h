/* A cluster that a test plays: a scheduler and workers in this process, which plan what is submitted, and serve blocks that a
 * session on threads computes, so that they can lose, refuse and delay what the test likes. */
#ifndef TESSERA_CLUSTER_CLIENT_TESTING_H
#define TESSERA_CLUSTER_CLIENT_TESTING_H

#include "array/pack.h"
#include "base/os.h"
#include "base/vec.h"
#include "cluster/cluster.pb-c.h"
#include "cluster/cluster_cases.h"
#include "cluster/net.h"
#include "plan/plan.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { N_WORKERS = 2 };

/* Something that arrived, for the thread that does the work. */
typedef struct letter {
    struct letter *next;
    int at; /* whose net: -1 the scheduler's, else a worker's */
    net_link *from;
    uint32_t type;
    uint8_t *head;
    size_t head_bytes;
    char *payload;
    size_t payload_bytes;
} letter;

typedef struct fake_job {
    struct fake_job *next;
    uint64_t number;
    plan *p;
    int n;
    tsr_array **arrays;
    tsr_array **held; /* persisted, or NULL */
    char **values;    /* dense, when somebody has asked */
    net_link *client;
    uint32_t epoch;
} fake_job;

typedef struct fake fake;
typedef struct fake_worker {
    fake *of;
    int number;
    net *n;
    char address[400];
    bool is_lost;
} fake_worker;

struct fake {
    tsr_session *s;
    net *n;
    char address[400];
    fake_worker workers[N_WORKERS];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    letter *first, **last;
    bool ends;
    fake_job *jobs; /* the thread's own */
    /* What happened. */
    int n_submits, n_fetches, n_blocks, n_releases, n_forgets, n_opened;
    int64_t asked_bytes, most_asked_bytes;
    bool fingerprints_differ;
    char published_name[64];
    uint8_t *published;
    size_t published_bytes;
    /* What it is to do. */
    int lose_worker_after; /* blocks; 0: never */
    int n_drops;           /* so many fetches are answered with that the job was dropped */
    bool refuses, sends_nothing, is_mad;
    bool no_shared;
};

/* ---- The thread ---------------------------------------------------------------------------------------------------------------
 */

static fake_job *find_job(fake *f, uint64_t number)
{
    fake_job *j = f->jobs;
    while (j && j->number != number) j = j->next;
    return j;
}

static block_set *load_set(void *context, uint64_t number, uint32_t root, tsr_dtype *dtype, const grid **stored)
{
    fake_job *j = find_job(context, number);
    if (!j || !j->held || root >= (uint32_t)j->n || !j->held[root]) {
        (void)error_set(TSR_ERR_NOT_FOUND, "the job is not there");
        return NULL;
    }
    const tsr_array *a = j->held[root];
    atomic_fetch_add(&a->p.blocks.set->refs, 1);
    *dtype = a->dtype;
    *stored = a->p.blocks.stored;
    return a->p.blocks.set;
}

#define SEND(kind, link, type, m)                                                                                                \
    do {                                                                                                                         \
        size_t n_ = tessera__cluster__##kind##__get_packed_size(m);                                                              \
        uint8_t *head_ = malloc(n_);                                                                                             \
        if (!head_) abort();                                                                                                     \
        tessera__cluster__##kind##__pack(m, head_);                                                                              \
        (void)!link_send(link, type, head_, n_, NULL);                                                                           \
        free(head_);                                                                                                             \
    } while (0)

static void refuse(net_link *l, uint32_t type, uint64_t job, uint64_t request, tsr_status status, const char *text)
{
    Tessera__Cluster__Refused m = TESSERA__CLUSTER__REFUSED__INIT;
    m.job = job;
    m.request = request;
    m.status = status;
    m.message = (char *)(uintptr_t)text;
    SEND(refused, l, type, &m);
}

static void send_workers(fake *f, net_link *l)
{
    Tessera__Cluster__Workers m = TESSERA__CLUSTER__WORKERS__INIT;
    Tessera__Cluster__WorkerAddress items[N_WORKERS], *list[N_WORKERS];
    m.workers = list;
    for (int i = 0; i < N_WORKERS; i++) {
        if (f->workers[i].is_lost) continue;
        items[i] = (Tessera__Cluster__WorkerAddress)TESSERA__CLUSTER__WORKER_ADDRESS__INIT;
        items[i].worker = (uint64_t)i + 100;
        items[i].address = f->workers[i].address;
        list[m.n_workers++] = &items[i];
    }
    SEND(workers, l, TESSERA__CLUSTER__MESSAGE_TYPE__WORKERS, &m);
}

/* The first half of each stage's units is one worker's, the rest the other's. */
static void send_map(fake *f, fake_job *j)
{
    Tessera__Cluster__Map m = TESSERA__CLUSTER__MAP__INIT;
    uint64_t workers[N_WORKERS];
    Tessera__Cluster__StageMap *stages = calloc((size_t)j->p->n_stages, sizeof *stages),
                               **list = calloc((size_t)j->p->n_stages, sizeof *list);
    uint64_t *first = calloc((size_t)j->p->n_stages * 2, sizeof *first);
    uint32_t owner[2] = {0, 1};
    for (int i = 0; i < N_WORKERS; i++)
        if (!f->workers[i].is_lost) workers[m.n_workers++] = (uint64_t)i + 100;
    for (int i = 0; i < j->p->n_stages; i++) {
        const stage *s = &j->p->stages[i];
        uint64_t n = (uint64_t)(stage_n_blocks(s) * (stage_folds(s) ? s->n_runs : 1));
        stages[i] = (Tessera__Cluster__StageMap)TESSERA__CLUSTER__STAGE_MAP__INIT;
        first[2 * i + 1] = n / 2;
        stages[i].n_first = stages[i].n_owner = n / 2 > 0 ? m.n_workers : 1;
        stages[i].first = first + 2 * i;
        stages[i].owner = owner;
        list[i] = &stages[i];
    }
    m.job = j->number;
    m.epoch = ++j->epoch;
    m.workers = workers;
    m.n_stages = (size_t)j->p->n_stages;
    m.stages = list;
    SEND(map, j->client, TESSERA__CLUSTER__MESSAGE_TYPE__MAP, &m);
    free(stages);
    free(list);
    free(first);
}

static tsr_status make_job(fake *f, const Tessera__Cluster__Submit *m, const letter *l, fake_job **out)
{
    const set_codec sets = {.context = f, .load = load_set};
    fake_job *j = calloc(1, sizeof *j);
    plan_hint hints[8] = {{0}};
    *out = j;
    *j = (fake_job){.number = m->job, .n = tsr_packed_count(l->payload, l->payload_bytes), .client = link_ref(l->from)};
    assert_in_range(j->n, 1, 8);
    j->arrays = calloc((size_t)j->n, sizeof(tsr_array *));
    j->values = calloc((size_t)j->n, sizeof(char *));
    for (size_t i = 0; i < m->n_hints; i++) hints[i].chunk = m->hints[i]->n_chunk ? m->hints[i]->chunk : NULL;
    TRY(expression_unpack(f->s, l->payload, l->payload_bytes, NULL, &sets, j->n, j->arrays));
    TRY(plan_build(j->n, j->arrays, m->n_hints ? hints : NULL, &j->p));
    if (plan_fingerprint(j->p) != m->fingerprint) {
        pthread_mutex_lock(&f->lock);
        f->fingerprints_differ = true;
        pthread_mutex_unlock(&f->lock);
    }
    if (!m->persists) return TSR_OK;
    j->held = calloc((size_t)j->n, sizeof(tsr_array *));
    return tsr_persist(j->n, j->arrays, j->held);
}

static void submit(fake *f, const letter *l)
{
    Tessera__Cluster__Submit *m = tessera__cluster__submit__unpack(NULL, l->head_bytes, l->head);
    assert_non_null(m);
    fake_job *j = find_job(f, m->job);
    tsr_status status = TSR_OK;
    if (!j) {
        status = make_job(f, m, l, &j);
        j->next = f->jobs;
        f->jobs = j;
    } else {
        link_unref(j->client);
        j->client = link_ref(l->from);
    }
    if (f->refuses) status = error_set(TSR_ERR_TYPE, "this is refused");
    if (status != TSR_OK) {
        refuse(l->from, TESSERA__CLUSTER__MESSAGE_TYPE__REFUSED, m->job, 0, status, tsr_error_message());
    } else {
        send_workers(f, l->from);
        send_map(f, j);
    }
    tessera__cluster__submit__free_unpacked(m, NULL);
}

static tsr_status make_values(fake_job *j, const stage_output *o)
{
    if (j->values[o->root]) return TSR_OK;
    char *data = malloc((size_t)tsr_nbytes(j->arrays[o->root]) + 1);
    if (!data) abort();
    tsr_status status = tsr_compute(1, &j->arrays[o->root], (void *const *)&data);
    if (status == TSR_OK) {
        j->values[o->root] = data;
    } else {
        free(data);
    }
    return status;
}

static void lose_worker(fake *f, int number)
{
    net_close(f->workers[number].n);
    f->workers[number].n = NULL;
    f->workers[number].is_lost = true;
    for (fake_job *j = f->jobs; j; j = j->next) {
        send_workers(f, j->client);
        send_map(f, j);
    }
}

static void send_block(fake *f, const letter *l, fake_job *j, const stage_output *o, const Tessera__Cluster__Fetch *m,
                       uint64_t number, bool last)
{
    Tessera__Cluster__Block b = TESSERA__CLUSTER__BLOCK__INIT;
    box part = grid_box(&o->blocks, (int64_t)number);
    size_t size = tsr_dtype_size(o->dtype), bytes = (size_t)box_size(&part) * size;
    int64_t whole[TSR_MAX_NDIM], dense[TSR_MAX_NDIM];
    buffer *buf;
    uint8_t head[64];
    if (net_buffer_new(f->workers[l->at].n, bytes + 1, &buf) != TSR_OK) abort();
    shape_strides(o->ndim, o->shape, size, whole);
    shape_strides(o->ndim, part.count, size, dense);
    const char *from = j->values[o->root];
    for (int d = 0; d < o->ndim; d++) from += part.start[d] * whole[d];
    for (int64_t i = 0; i < box_size(&part); i++) {
        int64_t rest = i, at = 0;
        for (int d = o->ndim - 1; d >= 0; d--) {
            at += rest % part.count[d] * whole[d];
            rest /= part.count[d];
        }
        memcpy(buf->data + (size_t)i * size, from + at, size);
    }
    b.request = m->request;
    b.number = f->is_mad ? number + 1000000 : number;
    b.output = m->output;
    b.last = last;
    size_t n = tessera__cluster__block__pack(&b, head);
    pthread_mutex_lock(&f->lock);
    f->n_blocks++;
    f->asked_bytes -= (int64_t)bytes;
    pthread_mutex_unlock(&f->lock);
    (void)!link_send(l->from, TESSERA__CLUSTER__MESSAGE_TYPE__BLOCK, head, n, &(net_payload){buf, buf->data, bytes});
    buffer_unref(buf);
}

static void fetch(fake *f, const letter *l)
{
    Tessera__Cluster__Fetch *m = tessera__cluster__fetch__unpack(NULL, l->head_bytes, l->head);
    assert_non_null(m);
    fake_job *j = find_job(f, m->job);
    assert_non_null(j);
    const stage_output *o = &j->p->stages[m->stage].outputs[m->output];
    tsr_status status = make_values(j, o);
    if (f->sends_nothing) {
        tessera__cluster__fetch__free_unpacked(m, NULL);
        return;
    }
    if (status == TSR_OK && f->n_drops > 0) {
        f->n_drops--;
        status = error_set(TSR_ERR_CANCELLED, "the job was dropped");
    }
    if (status != TSR_OK) refuse(l->from, TESSERA__CLUSTER__MESSAGE_TYPE__NO_BLOCK, 0, m->request, status, tsr_error_message());
    pthread_mutex_lock(&f->lock);
    for (uint64_t i = 0; i < m->count; i++) {
        box part = grid_box(&o->blocks, (int64_t)(m->first + i));
        f->asked_bytes += box_size(&part) * (int64_t)tsr_dtype_size(o->dtype);
    }
    if (f->asked_bytes > f->most_asked_bytes) f->most_asked_bytes = f->asked_bytes;
    pthread_mutex_unlock(&f->lock);
    for (uint64_t i = 0; status == TSR_OK && i < m->count; i++) {
        if (f->lose_worker_after && l->at == 1 && f->n_blocks >= f->lose_worker_after) {
            f->lose_worker_after = 0;
            lose_worker(f, 1);
        }
        if (f->workers[l->at].is_lost) break;
        send_block(f, l, j, o, m, m->first + i, i == m->count - 1);
    }
    tessera__cluster__fetch__free_unpacked(m, NULL);
}

static void name(fake *f, const letter *l)
{
    Tessera__Cluster__Name *m = tessera__cluster__name__unpack(NULL, l->head_bytes, l->head);
    assert_non_null(m);
    if (l->type == TESSERA__CLUSTER__MESSAGE_TYPE__PUBLISH) {
        Tessera__Cluster__Done done = TESSERA__CLUSTER__DONE__INIT;
        done.request = m->request;
        snprintf(f->published_name, sizeof f->published_name, "%s", m->name);
        free(f->published);
        f->published = malloc(l->head_bytes);
        memcpy(f->published, l->head, l->head_bytes);
        f->published_bytes = l->head_bytes;
        SEND(done, l->from, TESSERA__CLUSTER__MESSAGE_TYPE__DONE, &done);
    } else if (!f->published || strcmp(m->name, f->published_name) != 0) {
        refuse(l->from, TESSERA__CLUSTER__MESSAGE_TYPE__REFUSED, 0, m->request, TSR_ERR_NOT_FOUND, "nothing has that name");
    } else {
        Tessera__Cluster__Name *found = tessera__cluster__name__unpack(NULL, f->published_bytes, f->published);
        assert_non_null(found);
        found->request = m->request;
        SEND(name, l->from, TESSERA__CLUSTER__MESSAGE_TYPE__NAMED, found);
        tessera__cluster__name__free_unpacked(found, NULL);
    }
    tessera__cluster__name__free_unpacked(m, NULL);
}

static void status(fake *f, const letter *l)
{
    Tessera__Cluster__StatusRequest *m = tessera__cluster__status_request__unpack(NULL, l->head_bytes, l->head);
    Tessera__Cluster__StatusReply r = TESSERA__CLUSTER__STATUS_REPLY__INIT;
    Tessera__Cluster__WorkerStatus w = TESSERA__CLUSTER__WORKER_STATUS__INIT, *list = &w;
    assert_non_null(m);
    r.request = m->request;
    r.address = f->address;
    r.n_workers = 1;
    r.workers = &list;
    w.id = 100;
    w.name = (char *)(uintptr_t) "a \"worker\"";
    w.threads = 3;
    SEND(status_reply, l->from, TESSERA__CLUSTER__MESSAGE_TYPE__STATUS_REPLY, &r);
    tessera__cluster__status_request__free_unpacked(m, NULL);
}

static void do_letter(fake *f, const letter *l)
{
    switch (l->type) {
    case TESSERA__CLUSTER__MESSAGE_TYPE__SUBMIT: submit(f, l); break;
    case TESSERA__CLUSTER__MESSAGE_TYPE__FETCH: fetch(f, l); break;
    case TESSERA__CLUSTER__MESSAGE_TYPE__PUBLISH:
    case TESSERA__CLUSTER__MESSAGE_TYPE__LOOKUP: name(f, l); break;
    case TESSERA__CLUSTER__MESSAGE_TYPE__STATUS: status(f, l); break;
    default: break;
    }
}

static void letter_free(letter *l)
{
    link_unref(l->from);
    free(l->head);
    free(l->payload);
    free(l);
}

static void *work(void *context)
{
    fake *f = context;
    pthread_mutex_lock(&f->lock);
    while (!f->ends) {
        letter *l = f->first;
        if (!l) {
            pthread_cond_wait(&f->changed, &f->lock);
            continue;
        }
        f->first = l->next;
        if (!f->first) f->last = &f->first;
        pthread_mutex_unlock(&f->lock);
        do_letter(f, l);
        letter_free(l);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- The nets -----------------------------------------------------------------------------------------------------------------
 */

static char *on_place(void *context, net_link *l, const net_message *m, void **token)
{
    *token = malloc(m->payload_bytes);
    if (!*token) abort();
    return *token;
}

static void receive(fake *f, int at, net_link *from, const net_message *m)
{
    letter *l = calloc(1, sizeof *l);
    if (!l) abort();
    *l = (letter){.at = at,
                  .from = link_ref(from),
                  .type = m->type,
                  .head_bytes = m->head_bytes,
                  .payload = m->token,
                  .payload_bytes = m->payload_bytes};
    l->head = malloc(m->head_bytes + 1);
    memcpy(l->head, m->head, m->head_bytes);
    pthread_mutex_lock(&f->lock);
    f->n_submits += m->type == TESSERA__CLUSTER__MESSAGE_TYPE__SUBMIT;
    f->n_fetches += m->type == TESSERA__CLUSTER__MESSAGE_TYPE__FETCH;
    f->n_forgets += m->type == TESSERA__CLUSTER__MESSAGE_TYPE__FORGET;
    if (m->type == TESSERA__CLUSTER__MESSAGE_TYPE__RELEASE) {
        Tessera__Cluster__Jobs *jobs = tessera__cluster__jobs__unpack(NULL, m->head_bytes, m->head);
        f->n_releases += (int)jobs->n_jobs;
        tessera__cluster__jobs__free_unpacked(jobs, NULL);
    }
    *f->last = l;
    f->last = &l->next;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void of_scheduler(void *context, net_link *l, const net_message *m) { receive(context, -1, l, m); }
static void of_worker(void *context, net_link *l, const net_message *m)
{
    fake_worker *w = context;
    receive(w->of, w->number, l, m);
}
static void on_abandoned(void *context, net_link *l, void *token) { free(token); }
static void on_opened(void *context, net_link *l, const net_peer *p)
{
    fake *f = context;
    pthread_mutex_lock(&f->lock);
    f->n_opened++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void open_scheduler(fake *f)
{
    net_options o = {.role = NET_ROLE_SCHEDULER,
                     .no_shared = f->no_shared,
                     .handlers = {.opened = on_opened, .place = on_place, .message = of_scheduler, .abandoned = on_abandoned},
                     .context = f};
    assert_int_equal(net_open(&o, &f->n), TSR_OK);
    char actual[400];
    for (int i = 0; net_listen(f->n, f->address, actual, sizeof actual) != TSR_OK; i++) {
        assert_in_range(i, 0, 100);
        usleep(20000);
    }
    snprintf(f->address, sizeof f->address, "%s", actual);
}

static void fake_open(fake *f, bool no_shared)
{
    *f = (fake){.no_shared = no_shared, .address = "tcp://127.0.0.1:0"};
    f->last = &f->first;
    pthread_mutex_init(&f->lock, NULL);
    os_cond_init(&f->changed);
    f->s = tsr_session_open(NULL, &(tsr_options){.n_threads = 2});
    assert_non_null(f->s);
    open_scheduler(f);
    for (int i = 0; i < N_WORKERS; i++) {
        fake_worker *w = &f->workers[i];
        *w = (fake_worker){.of = f, .number = i};
        net_options o = {.role = NET_ROLE_WORKER, .no_shared = no_shared, .handlers = {.message = of_worker}, .context = w};
        assert_int_equal(net_open(&o, &w->n), TSR_OK);
        assert_int_equal(net_listen(w->n, "tcp://127.0.0.1:0", w->address, sizeof w->address), TSR_OK);
    }
    assert_int_equal(pthread_create(&f->thread, NULL, work, f), 0);
}

static void fake_close(fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->ends = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    net_close(f->n);
    for (int i = 0; i < N_WORKERS; i++) net_close(f->workers[i].n);
    while (f->first) {
        letter *l = f->first;
        f->first = l->next;
        letter_free(l);
    }
    while (f->jobs) {
        fake_job *j = f->jobs;
        f->jobs = j->next;
        plan_free(j->p);
        for (int i = 0; i < j->n; i++) free(j->values[i]);
        free(j->values);
        free(j->arrays);
        free(j->held);
        link_unref(j->client);
        free(j);
    }
    tsr_session_close(f->s);
    free(f->published);
    assert_false(f->fingerprints_differ);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

/* A number that the fake counts, once it is at least that. */
static int wait_for(fake *f, const int *count, int at_least)
{
    pthread_mutex_lock(&f->lock);
    for (int i = 0; *count < at_least && i < 500; i++) os_cond_wait_ns(&f->changed, &f->lock, 20000000);
    int got = *count;
    pthread_mutex_unlock(&f->lock);
    return got;
}

static tsr_session *open_client(const fake *f, const tsr_options *o)
{
    tsr_session *s = tsr_session_open(f->address, o);
    if (!s) fail_msg("%s", tsr_error_message());
    return s;
}

#endif
