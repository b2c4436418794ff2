/* Fuzzes what a scheduler makes of messages of authenticated peers: whatever clients and workers say, in whatever order they come
 * and go, it goes on, and its books balance after each step. No sockets, no threads: plans are made when the input says so.
 *
 * The input is a list of records: what happens (a byte; MADE: the worker has made what the newest maps give it, or those before,
 * as the next byte says), to which of eight peers (a byte), and for messages the type (a byte), the payload (a byte: none, one of
 * the proper expressions, or the head itself) and the length of the head (a byte), then the head. */
#include "cluster/owner_map.h"
#include "cluster/scheduler.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPEN_CLIENT, OPEN_WORKER, CLOSE, MESSAGE, PLAN, WAIT, RETIRED, JOURNAL, MADE, N_WHAT };
enum { N_PEERS = 8, N_PAYLOADS = 3, MOST_RECORDS = 200 };

typedef struct world {
    scheduler *s;
    tsr_session *session;
    int64_t now_ns;
    scheduler_peer *peers[N_PEERS];
    int number[N_PEERS]; /* a link is the address of one of these */
    bool shut[N_PEERS];
    scheduler_planning *plans;
    VEC(journal_record) records; /* their memory is ours */
} world;

static struct {
    void *bytes;
    size_t size;
    buffer *buf;
} payloads[N_PAYLOADS];

static void must(bool promise)
{
    if (!promise) abort();
}

static void make_payloads(void)
{
    const int axis = 0;
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    tsr_array *x = s ? tsr_random_normal(s, 1, 0, 1, TSR_F64, 2, (int64_t[]){4, 1 << 20}, (int64_t[]){1, 1 << 20}) : NULL;
    tsr_array *arrays[N_PAYLOADS] = {x, tsr_subtract(x, tsr_mean(x, 1, &axis, true)), tsr_cumsum(x, 0)};
    for (int i = 0; i < N_PAYLOADS; i++) {
        must(arrays[i] && tsr_pack(1, &arrays[i], NULL, &payloads[i].bytes, &payloads[i].size) == TSR_OK);
        must(buffer_wrap(payloads[i].bytes, payloads[i].size, NULL, NULL, &payloads[i].buf) == TSR_OK);
    }
    tsr_session_close(s);
}

/* ---- Surroundings ------------------------------------------------------------------------------------------------------------
 */

static void take_message(void *context, void *link, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                         size_t bytes)
{
    world *w = context;
    const int i = *(int *)link;
    must(i >= 0 && i < N_PEERS && w->peers[i] != (void *)1 && !w->shut[i]);
    must(type > 0 && type < 128 && (payload != NULL) == (bytes > 0));
    if (type == SCHEDULER_MESSAGE(MAP)) { /* what is sent can be read, and makes sense */
        Tessera__Cluster__Map *m = tessera__cluster__map__unpack(NULL, head_bytes, head);
        must(m && m->epoch > 0);
        owner_map owners;
        must(owner_map_read(m, &owners) == TSR_OK);
        owner_map_free(&owners);
        tessera__cluster__map__free_unpacked(m, NULL);
    }
}

static void shut(void *context, void *link, const char *reason)
{
    must(reason && *reason);
    ((world *)context)->shut[*(int *)link] = true;
}

static void take_plan(void *context, scheduler_planning *request)
{
    world *w = context;
    request->next = w->plans;
    w->plans = request;
}

static void record(void *context, const journal_record *r, buffer *payload)
{
    world *w = context;
    char *room = malloc(r->head_bytes + r->payload_bytes + 1);
    must(room != NULL);
    if (r->head_bytes) memcpy(room, r->head, r->head_bytes);
    if (r->payload_bytes) memcpy(room + r->head_bytes, r->payload, r->payload_bytes);
    journal_record copy = {r->kind, (uint8_t *)room, r->head_bytes, room + r->head_bytes, r->payload_bytes};
    must(VEC_PUSH(&w->records, copy));
}

static int64_t now_ns(void *context) { return ((world *)context)->now_ns; }
static bool is_gone(void *context, int64_t pid) { return pid % 5 == 0; }
static void say(void *context, net_level level, const char *text) { must(*text); }
static void nothing(void *context) {}
static void joined(void *context, void *link, const Tessera__Cluster__Register *worker) { must(worker->worker != 0); }
static void retire(void *context, void *link) {}

static const scheduler_ops ops = {take_message, shut, take_plan, record, now_ns, is_gone, say, nothing, nothing, joined, retire};

/* ---- The books
 * -------------------------------------------------------------------------------------------------------------------- */

static void check_map(const world *w, const scheduler_job *j)
{
    for (int i = 0; j->map && j->shape && i < j->map->owners.n_stages; i++) {
        const stage_owners *o = &j->map->owners.stages[i];
        for (int k = 0; k < o->n; k++) {
            must(k == 0 ? o->first[0] == 0 : o->first[k] > o->first[k - 1]);
            must(o->first[k] < j->shape->units[i].n);
            must(j->state != SCHEDULER_JOB_READY || id_table_find(&w->s->workers, o->owner[k]));
        }
    }
}

static void check_job(const world *w, const scheduler_job *j)
{
    size_t at = 0;
    int n_readers = 0, n_names = 0;
    for (scheduler_job *other; (other = id_table_next(&w->s->jobs, &at)) != NULL;)
        for (size_t i = 0; i < other->reads.n; i++) n_readers += other->reads.items[i] == j;
    for (size_t i = 0; i < w->s->names.n; i++) n_names += w->s->names.items[i].job == j;
    must(n_readers == j->n_readers && n_names == j->n_names);
    must(j->holders.n > 0 || n_readers > 0 || n_names > 0 || j->orphan_until_ns != 0);
    for (size_t k = 0; k < j->holders.n; k++) {
        bool known = false;
        for (size_t i = 0; i < w->s->clients.n; i++) known = known || w->s->clients.items[i] == j->holders.items[k];
        must(known);
    }
    must(j->state != SCHEDULER_JOB_READY || (j->shape && j->map && j->epoch));
    check_map(w, j);
}

static void check(const world *w)
{
    size_t at = 0;
    for (scheduler_job *j; (j = id_table_next(&w->s->jobs, &at)) != NULL;) check_job(w, j);
    for (size_t i = 0; i < w->s->clients.n; i++) {
        const scheduler_client *c = w->s->clients.items[i];
        int n = 0;
        at = 0;
        for (scheduler_job *j; (j = id_table_next(&w->s->jobs, &at)) != NULL;) n += j->payer == c;
        must(n == c->n_jobs && (n > 0 || c->bytes == 0));
    }
    must(w->s->ordered.n == w->s->workers.n);
    for (size_t i = 0; i < w->s->ordered.n; i++) {
        const scheduler_worker *x = w->s->ordered.items[i];
        int n = 0;
        must(i == 0 || w->s->ordered.items[i - 1]->id < x->id);
        must(!x->peer || x->peer->worker == x);
        at = 0;
        for (scheduler_job *j; (j = id_table_next(&w->s->jobs, &at)) != NULL;)
            n += j->shape && j->map && j->state != SCHEDULER_JOB_FAILED && assign_has(&j->map->owners, x->id);
        must(n == x->n_jobs);
        at = 0;
        for (scheduler_job *j; (j = id_table_next(&x->told, &at)) != NULL;) must(id_table_find(&w->s->jobs, j->id) == j);
    }
}

/* ---- Steps
 * ------------------------------------------------------------------------------------------------------------------------ */

static void make_plans(world *w)
{
    const tsr_options small = {.n_threads = 1, .memory_bytes = (size_t)16 << 20, .scratch_dir = "/tmp"};
    while (w->plans) {
        scheduler_planning *r = w->plans;
        w->plans = r->next;
        if (!w->session) w->session = tsr_session_open(NULL, &small);
        must(w->session != NULL);
        scheduler_plan(w->session, r);
        scheduler_planned(w->s, r);
    }
}

static void open_peer(world *w, int i, bool is_client)
{
    char name[2] = {(char)('a' + i / 2), 0}; /* two peers have one name */
    net_peer peer = {.role = is_client ? NET_ROLE_CLIENT : NET_ROLE_WORKER,
                     .name = name,
                     .pid = i / 2 + 3,
                     .host_id = "host",
                     .same_host = i & 1,
                     .address = "tcp://127.0.0.1:1"};
    if (w->peers[i]) return;
    w->shut[i] = false;
    w->number[i] = i;
    w->peers[i] = scheduler_opened(w->s, &w->number[i], &peer);
    must(w->peers[i] != NULL);
}

static void close_peer(world *w, int i)
{
    if (w->peers[i]) scheduler_closed(w->s, w->peers[i]);
    w->peers[i] = NULL;
}

static void tell(world *w, int i, uint32_t type, int payload, const uint8_t *head, size_t n)
{
    buffer *own = NULL, *b = NULL;
    size_t bytes = 0;
    if (!w->peers[i]) return;
    if (payload > 0 && payload <= N_PAYLOADS) {
        b = payloads[payload - 1].buf;
        bytes = payloads[payload - 1].size;
    } else if (payload > N_PAYLOADS && n > 0) {
        char *copy = malloc(n);
        must(copy && buffer_wrap(copy, n, free, copy, &own) == TSR_OK);
        memcpy(copy, head, n);
        b = own;
        bytes = n;
    }
    if (bytes && !scheduler_wants(w->s, w->peers[i], type, bytes)) b = NULL;
    scheduler_message(w->s, w->peers[i], type, head, n, b, bytes);
    buffer_unref(own);
}

static void say_made(world *w, int i, bool is_late)
{
    size_t at = 0;
    uint8_t head[32];
    if (!w->peers[i] || !w->peers[i]->worker) return;
    for (scheduler_job *j; w->peers[i] && (j = id_table_next(&w->s->jobs, &at)) != NULL;) {
        Tessera__Cluster__Made m = TESSERA__CLUSTER__MADE__INIT;
        m.job = j->id;
        m.epoch = j->epoch - is_late;
        scheduler_message(w->s, w->peers[i], SCHEDULER_MESSAGE(MADE), head, tessera__cluster__made__pack(&m, head), NULL, 0);
    }
}

static scheduler *new_scheduler(world *w)
{
    scheduler *s;
    must(scheduler_new(&ops, w, &s) == TSR_OK);
    return s;
}

static void replay_record(void *context, const journal_record *r) { scheduler_replay(context, r); }

/* Another process: all peers are gone, what the journal (or, if it says so, a snapshot) knows is there. */
static void start_again(world *w, bool from_snapshot)
{
    for (int i = 0; i < N_PEERS; i++) close_peer(w, i);
    while (w->plans) {
        scheduler_planning *r = w->plans;
        w->plans = r->next;
        scheduler_planning_free(r);
    }
    scheduler *old = w->s;
    w->s = new_scheduler(w);
    if (from_snapshot) scheduler_snapshot(old, replay_record, w->s);
    for (size_t i = 0; i < w->records.n && !from_snapshot; i++) scheduler_replay(w->s, &w->records.items[i]);
    scheduler_free(old);
    scheduler_begin(w->s, "tcp://127.0.0.1:1");
}

static size_t step(world *w, const uint8_t *data, size_t size)
{
    const int what = data[0] % N_WHAT, i = data[1] % N_PEERS;
    switch (what) {
    case OPEN_CLIENT:
    case OPEN_WORKER: open_peer(w, i, what == OPEN_CLIENT); return 2;
    case CLOSE: close_peer(w, i); return 2;
    case PLAN: make_plans(w); return 2;
    case WAIT:
        w->now_ns += (int64_t)data[1] * 100000000;
        scheduler_tick(w->s);
        return 2;
    case RETIRED:
        if (w->peers[i]) scheduler_retired(w->s, w->peers[i]);
        return 2;
    case JOURNAL: start_again(w, data[1] & 1); return 2;
    case MADE: say_made(w, i, data[1] & N_PEERS); return 2;
    default: break;
    }
    if (size < 5) return size;
    const size_t n = data[4] < size - 5 ? data[4] : size - 5;
    tell(w, i, data[2], data[3] % (N_PAYLOADS + 2), data + 5, n);
    return 5 + n;
}

/* Everything that an input allocates is freed before the next: libFuzzer looks for leaks, which takes long, only where that does
 * not hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!payloads[0].buf) make_payloads();
    world w = {.now_ns = 1000000000};
    w.s = new_scheduler(&w);
    scheduler_begin(w.s, "tcp://127.0.0.1:1");
    for (int i = 0; size >= 2 && i < MOST_RECORDS; i++) {
        tsr_error_clear();
        const size_t n = step(&w, data, size);
        data += n;
        size -= n;
        check(&w);
    }
    make_plans(&w);
    check(&w);
    for (int i = 0; i < N_PEERS; i++) close_peer(&w, i);
    while (w.plans) {
        scheduler_planning *r = w.plans;
        w.plans = r->next;
        scheduler_planning_free(r);
    }
    scheduler_free(w.s);
    tsr_session_close(w.session);
    for (size_t i = 0; i < w.records.n; i++) free((void *)(uintptr_t)w.records.items[i].head);
    VEC_FINI(&w.records);
    return 0;
}
