/* Fuzzes what a worker makes of messages of authenticated peers: of its scheduler, of guests who fetch, of a peer that answers.
 * A real worker runs; the three connections are made up, without sockets. Whatever they say, the worker goes on, and forgets
 * everything when the connections end and its jobs are dropped.
 *
 * The input is a list of records: what (a byte: which connection, a proper job, or to wait), the type of the message (a byte),
 * length of the head (a byte), the head, and for messages that have one the length of the payload (a byte). */
#include "base/mem.h"
#include "base/os.h"
#include "cluster/link.h"
#include "cluster/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ME = 1, PEER = 7, N_JOBS = 3, FROM_SCHEDULER = 0, FROM_PEER = 1, FROM_GUEST = 2, PROPER_JOB = 3, WAIT = 4, N_WHAT = 5 };

static tsr_worker *w;
static struct {
    void *bytes;
    size_t size;
    plan *p;
} jobs[N_JOBS];

typedef struct input {
    const uint8_t *data;
    size_t size;
    int step;
    net_link *links[3]; /* by FROM_ */
    work round;         /* goes through the lanes as what a dropped job leaves behind does */
    int n_rounds;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
} input;

static void make_jobs(void)
{
    const int axis = 0;
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 1}); /* lives on: the plans are its */
    tsr_array *x = s ? tsr_random_normal(s, 1, 0, 1, TSR_F64, 2, (int64_t[]){40, 30}, (int64_t[]){10, 10}) : NULL;
    tsr_array *arrays[N_JOBS] = {tsr_sum(x, 0, NULL, false), tsr_subtract(x, tsr_mean(x, 1, &axis, true)),
                                 tsr_rechunk(x, (int64_t[]){-1, 3})};
    for (int i = 0; i < N_JOBS; i++) {
        if (!arrays[i] || tsr_pack(1, &arrays[i], NULL, &jobs[i].bytes, &jobs[i].size) != TSR_OK ||
            plan_build(1, &arrays[i], NULL, &jobs[i].p) != TSR_OK)
            abort();
    }
}

/* A connection that is open as far as its handlers can tell, and sends nothing. */
static net_link *make_link(conn_kind kind, net_role role)
{
    net_link *l;
    if (link_new(w->net, true, &l) != TSR_OK) abort();
    link_add(l);
    l->state = LINK_OPEN;
    l->told_opened = true;
    l->silence_ns = l->heartbeat_ns = INT64_MAX / 4;
    l->last_in_ns = l->last_out_ns = os_now_ns();
    l->peer_said = (net_peer){.role = role, .name = "x", .version = "0", .host_id = "", .address = "tcp://127.0.0.1:1"};
    atomic_store(&l->peer, &l->peer_said);
    if (kind != CONN_GUEST && !worker_conn_new(w, kind, link_ref(l))) abort();
    w->net->o.handlers.opened(w, l, &l->peer_said);
    return l;
}

static void begin(input *in)
{
    Tessera__Cluster__Workers list = TESSERA__CLUSTER__WORKERS__INIT;
    Tessera__Cluster__WorkerAddress one = TESSERA__CLUSTER__WORKER_ADDRESS__INIT, *all = &one;
    w->id = ME;
    worker_conn_unref(w->scheduler); /* the one that is dialled in vain: the input's answers first */
    w->scheduler = NULL;
    in->links[FROM_SCHEDULER] = make_link(CONN_SCHEDULER, NET_ROLE_SCHEDULER);
    in->links[FROM_PEER] = make_link(CONN_PEER, NET_ROLE_WORKER);
    in->links[FROM_GUEST] = make_link(CONN_GUEST, NET_ROLE_CLIENT);
    if (w->scheduler != link_user(in->links[FROM_SCHEDULER])) abort();
    one.worker = PEER;
    one.address = (char *)"tcp://127.0.0.1:1";
    list.n_workers = 1;
    list.workers = &all;
    worker_peers_take(w, &list);
    peer *p = id_table_find(&w->peers, PEER);
    conn *c = link_user(in->links[FROM_PEER]);
    if (!p) abort();
    if (p->link) p->link->peer = NULL;
    worker_conn_unref(p->link);
    p->link = worker_conn_ref(c);
    c->peer = p;
}

static void end(input *in)
{
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        link_fail(in->links[i], "the end of the input");
        link_unref(in->links[i]);
    }
    for (job *j; at = 0, (j = id_table_next(&w->jobs, &at)) != NULL;) worker_job_drop(j);
    if (w->asks.n > 0) abort();
}

/* Every unit is the worker's, or every second stage the peer's. */
static void send_proper_job(net_link *l, unsigned what)
{
    const unsigned k = what % N_JOBS;
    const plan *p = jobs[k].p;
    Tessera__Cluster__Job m = TESSERA__CLUSTER__JOB__INIT;
    Tessera__Cluster__Map map = TESSERA__CLUSTER__MAP__INIT;
    Tessera__Cluster__StageMap stages[16], *pointers[16];
    uint64_t workers[] = {ME, PEER}, first[] = {0, 1};
    uint32_t owners[] = {0, 1};
    if (p->n_stages > 16) abort();
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        const int64_t n = stage_n_blocks(s) * (stage_folds(s) ? s->n_runs : 1);
        tessera__cluster__stage_map__init(&stages[i]);
        pointers[i] = &stages[i];
        stages[i].first = first;
        stages[i].owner = owners;
        stages[i].n_first = stages[i].n_owner = n > 1 && what & 8 ? 2 : 1;
    }
    m.job = map.job = what;
    m.persists = what & 16;
    m.fingerprint = plan_fingerprint(p);
    m.map = &map;
    map.n_workers = 2;
    map.workers = workers;
    map.n_stages = (size_t)p->n_stages;
    map.stages = pointers;
    uint8_t *head = malloc(tessera__cluster__job__get_packed_size(&m));
    if (!head) return;
    net_message message = {.type = MESSAGE(JOB), .head = head, .payload_bytes = jobs[k].size};
    message.head_bytes = tessera__cluster__job__pack(&m, head);
    message.payload = w->net->o.handlers.place(w, l, &message, &message.token);
    if (message.payload) memcpy((char *)(uintptr_t)message.payload, jobs[k].bytes, jobs[k].size);
    w->net->o.handlers.message(w, l, &message);
    free(head);
}

static void take_message(net_link *l, unsigned type, const uint8_t *head, size_t n, size_t payload_bytes)
{
    net_message m = {.type = type, .head = head, .head_bytes = n, .payload_bytes = payload_bytes};
    if (l->state != LINK_OPEN) return;
    if (payload_bytes > 0) {
        char *to = w->net->o.handlers.place(w, l, &m, &m.token);
        if (to) memset(to, 1, payload_bytes);
        m.payload = to;
    }
    w->net->o.handlers.message(w, l, &m);
}

/* Takes records up to one that waits. */
static bool step(input *in)
{
    while (in->size >= 3) {
        const unsigned what = in->data[0] % N_WHAT, type = in->data[1];
        size_t n = in->data[2], payload_bytes = 0;
        in->data += 3;
        in->size -= 3;
        if (n > in->size) n = in->size;
        const uint8_t *head = in->data;
        in->data += n;
        in->size -= n;
        if (what == WAIT) return true;
        if ((type == MESSAGE(BLOCK) || type == MESSAGE(JOB)) && in->size > 0) {
            payload_bytes = (size_t)in->data[0] * 8;
            in->data++;
            in->size--;
        }
        if (what == PROPER_JOB) {
            send_proper_job(in->links[FROM_SCHEDULER], type);
        } else {
            take_message(in->links[what], type, head, n, payload_bytes);
        }
    }
    return false;
}

static void finish_step(input *in)
{
    pthread_mutex_lock(&in->lock);
    in->done = true;
    pthread_cond_signal(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

/* Planned, told, and behind the demands; closed, and told. Then nothing of the input is left, which makes leaks plain. */
static void go_round(work *round)
{
    input *in = (input *)((char *)round - offsetof(input, round));
    switch (in->n_rounds++) {
    case 0: lane_push(w->planning, round); break;
    case 1: worker_tell(w, round); break;
    case 2: lane_push(w->serving, round); break;
    case 3: lane_push(w->planning, round); break;
    case 4: worker_tell(w, round); break;
    default: in->step = -1; finish_step(in);
    }
}

static void run_step(void *context)
{
    input *in = context;
    if (in->step++ == 0) begin(in);
    if (step(in)) {
        finish_step(in);
        return;
    }
    end(in);
    in->round.run = go_round;
    go_round(&in->round);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {.data = data, .size = size};
    if (!w) {
        make_jobs();
        const tsr_worker_options o = {.scheduler = "tcp://127.0.0.1:1", .n_threads = 1, .memory_bytes = (size_t)64 << 20};
        if (tsr_worker_start(&o, &w) != TSR_OK) abort();
    }
    pthread_mutex_init(&in.lock, NULL);
    pthread_cond_init(&in.changed, NULL);
    while (in.step >= 0) {
        in.done = false;
        if (net_post(w->net, run_step, &in) != TSR_OK) abort();
        pthread_mutex_lock(&in.lock);
        while (!in.done) pthread_cond_wait(&in.changed, &in.lock);
        pthread_mutex_unlock(&in.lock);
        if (in.step >= 0) usleep(1000); /* the lanes and the engine have their turn */
    }
    pthread_cond_destroy(&in.changed);
    pthread_mutex_destroy(&in.lock);
    return 0;
}
