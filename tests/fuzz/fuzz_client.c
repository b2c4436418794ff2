/* Fuzzes what a client makes of messages of authenticated peers: of its scheduler, and of a worker that it fetches blocks from.
 * The client is a real one; the two connections are made up, without sockets. Whatever they say, the client goes on: nothing is
 * written beyond the caller's memory, and nothing of a computation is left when it ends.
 *
 * The input is a list of records: what (a byte), the type of the message (a byte), length of the head (a byte), the head, and for
 * blocks the length of the payload in elements (a byte). `what` is the scheduler's or the worker's message, or a proper one: the
 * list of workers, a map of the computation, a block (its number is the type) of the last request, or the worker's end; or the
 * client asks something (to wait for its jobs, or what the lower bits of the type say), and the question stays open. */
#include "cluster/client_parts.h"
#include "cluster/link.h"

#include "base/os.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORKER = 7, N = 20, CHUNK = 5, N_WHAT = 8, N_QUESTIONS = 4 };
enum { FROM_SCHEDULER, FROM_WORKER, PROPER_WORKERS, PROPER_MAP, PROPER_BLOCK, LOSE_WORKER, PERSIST, ASK };

static tsr_session *session;
static client *c;

typedef struct input {
    const uint8_t *data;
    size_t size;
    net_link *links[2]; /* by FROM_ */
    tsr_array *arrays[2], *held;
    double values[N], guard;
    int64_t counts[N];
    query questions[N_QUESTIONS]; /* their numbers are 1, 2, ... */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
} input;

#define TYPE(name) TESSERA__CLUSTER__MESSAGE_TYPE__##name

/* A connection that is open as far as its handlers can tell, and sends nothing. */
static net_link *make_link(net_role role)
{
    net_link *l;
    if (link_new(c->n, true, &l) != TSR_OK) abort();
    link_add(l);
    l->state = LINK_OPEN;
    l->told_opened = true;
    l->silence_ns = l->heartbeat_ns = INT64_MAX / 4;
    l->last_in_ns = l->last_out_ns = os_now_ns();
    l->peer_said = (net_peer){.role = role, .name = "x", .version = "0", .host_id = "", .address = "tcp://127.0.0.1:1"};
    atomic_store(&l->peer, &l->peer_said);
    return l;
}

static void take_message(net_link *l, unsigned type, const uint8_t *head, size_t n, size_t payload_bytes)
{
    net_message m = {.type = type, .head = head, .head_bytes = n, .payload_bytes = payload_bytes};
    if (l->state != LINK_OPEN) return;
    if (payload_bytes > 0) {
        char *to = c->n->o.handlers.place(c, l, &m, &m.token);
        if (to && payload_bytes % 3 == 2) { /* it ends half way */
            c->n->o.handlers.abandoned(c, l, m.token);
            return;
        }
        if (to) memset(to, 1, payload_bytes);
        m.payload = to;
    }
    c->n->o.handlers.message(c, l, &m);
}

static void take_packed(net_link *l, unsigned type, const ProtobufCMessage *m, size_t payload_bytes)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *head = malloc(n + 1);
    if (!head) return;
    protobuf_c_message_pack(m, head);
    take_message(l, type, head, n, payload_bytes);
    free(head);
}

static void send_workers(input *in)
{
    Tessera__Cluster__Workers list = TESSERA__CLUSTER__WORKERS__INIT;
    Tessera__Cluster__WorkerAddress one = TESSERA__CLUSTER__WORKER_ADDRESS__INIT, *all = &one;
    one.worker = WORKER;
    one.address = (char *)"tcp://127.0.0.1:1";
    list.n_workers = 1;
    list.workers = &all;
    take_packed(in->links[FROM_SCHEDULER], TYPE(WORKERS), &list.base, 0);
    peer *p = client_find_peer(c, WORKER);
    if (!p || p->link) return;
    p->link = link_ref(in->links[FROM_WORKER]);
}

static void send_map(input *in, const fetching *f, unsigned what)
{
    Tessera__Cluster__Map m = TESSERA__CLUSTER__MAP__INIT;
    Tessera__Cluster__StageMap stages[16], *pointers[16];
    uint64_t workers[] = {WORKER, 8}, first[] = {0, 2};
    uint32_t owners[] = {0, 1};
    if (f->plan->n_stages > 16) abort();
    for (int i = 0; i < f->plan->n_stages; i++) {
        tessera__cluster__stage_map__init(&stages[i]);
        pointers[i] = &stages[i];
        stages[i].first = first;
        stages[i].owner = owners;
        stages[i].n_first = stages[i].n_owner = what & 1 ? 2 : 1;
    }
    m.job = f->of->number;
    m.epoch = what >> 1;
    m.n_workers = 2;
    m.workers = workers;
    m.n_stages = (size_t)f->plan->n_stages;
    m.stages = pointers;
    take_packed(in->links[FROM_SCHEDULER], TYPE(MAP), &m.base, 0);
}

static void send_block(input *in, unsigned number)
{
    Tessera__Cluster__Block m = TESSERA__CLUSTER__BLOCK__INIT;
    const request *q = NULL;
    for (size_t i = 0; i < c->requests.n; i++)
        if (c->requests.items[i].id) q = &c->requests.items[i];
    if (!q) return;
    const fetch_root *r = &q->f->roots[q->root];
    m.request = q->id;
    m.number = (uint64_t)q->first + number % 4;
    m.output = (uint32_t)r->output;
    m.last = number & 4;
    size_t bytes = m.number < (uint64_t)r->n_blocks ? fetch_block_bytes(r, (int64_t)m.number) : 8;
    take_packed(in->links[FROM_WORKER], TYPE(BLOCK), &m.base, number & 8 ? bytes + 8 : bytes);
}

/* An open question has no answer; one that is done has one, or says why not. */
static void close_question(query *q)
{
    const bool has_answer = q->answer != NULL, has_reason = q->status != TSR_OK;
    if (q->request == 0) return;
    if (q->is_done ? has_answer == has_reason : has_answer || has_reason) abort();
    query **at = &c->queries;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
    mem_free(q->message);
    mem_free(q->answer);
    *q = (query){0};
}

/* As those who wait ask, each in a thread of its own. */
static void open_question(input *in, unsigned which)
{
    static const uint32_t types[] = {TYPE(WAIT), TYPE(CONTROL), TYPE(LOOKUP), TYPE(WAIT)};
    const unsigned number = which % N_QUESTIONS;
    query *q = &in->questions[number];
    pthread_mutex_lock(&c->lock);
    close_question(q);
    *q = (query){.next = c->queries, .request = number + 1, .type = types[which / N_QUESTIONS % 4]};
    c->queries = q;
    queries_send(c);
    pthread_mutex_unlock(&c->lock);
}

static void take_records(input *in, const fetching *f)
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
        if (what < PROPER_WORKERS && type == TYPE(BLOCK) && in->size > 0) {
            payload_bytes = (size_t)in->data[0] * 8;
            in->data++;
            in->size--;
        }
        switch (what) {
        case PROPER_WORKERS: send_workers(in); break;
        case PROPER_MAP: send_map(in, f, type); break;
        case PROPER_BLOCK: send_block(in, type); break;
        case PERSIST:
            if (!in->held) (void)!tsr_persist(1, in->arrays, &in->held);
            break;
        case ASK: open_question(in, type); break;
        case LOSE_WORKER:
            if (in->links[FROM_WORKER]->state == LINK_OPEN) {
                link_fail(in->links[FROM_WORKER], "it is lost");
                link_unref(in->links[FROM_WORKER]);
                in->links[FROM_WORKER] = make_link(NET_ROLE_WORKER);
            }
            break;
        default: take_message(in->links[what], type, head, n, payload_bytes);
        }
    }
}

/* All of it on the I/O thread, as handlers run there. */
static void run_input(void *context)
{
    input *in = context;
    sink sinks[2] = {{.kind = SINK_MEMORY, .data = (char *)in->values}, {.kind = SINK_MEMORY, .data = (char *)in->counts}};
    fetching *f;
    job *j;
    plan *p;
    in->links[FROM_SCHEDULER] = make_link(NET_ROLE_SCHEDULER);
    in->links[FROM_WORKER] = make_link(NET_ROLE_WORKER);
    c->scheduler = link_ref(in->links[FROM_SCHEDULER]);
    c->n->o.handlers.opened(c, c->scheduler, &c->scheduler->peer_said);
    if (job_new(c, 2, in->arrays, NULL, false, &j, &p) != TSR_OK || fetch_new(j, p, sinks, &f) != TSR_OK) abort();
    pthread_mutex_lock(&c->lock);
    job_submit(j);
    pthread_mutex_unlock(&c->lock);
    take_records(in, f);
    pthread_mutex_lock(&c->lock);
    c->is_closing = true; /* the scheduler is not dialled again */
    fetch_stop(f);
    if (f->n_requests != 0 || f->n_placed != 0) abort();
    for (int i = 0; i < N_QUESTIONS; i++) close_question(&in->questions[i]);
    pthread_mutex_unlock(&c->lock);
    fetch_free(f);
    pthread_mutex_lock(&c->lock);
    job_leave(j);
    pthread_mutex_unlock(&c->lock);
    plan_free(p);
    tsr_release(in->held);
    if (c->jobs || c->sets) abort();
    for (int i = 0; i < 2; i++) {
        link_fail(in->links[i], "the end of the input");
        link_unref(in->links[i]);
    }
    pthread_mutex_lock(&c->lock);
    c->is_closing = c->was_open = c->is_final = false;
    if (c->scheduler || c->is_open) abort();
    for (size_t i = 0; i < c->peers.n; i++) { /* and those that were dialled */
        if (c->peers.items[i]->link) link_close(c->peers.items[i]->link, "the end of the input");
        c->peers.items[i]->is_listed = false;
    }
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&in->lock);
    in->done = true;
    pthread_cond_signal(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const tsr_options o = {.n_threads = 1, .memory_bytes = (size_t)1 << 20};
    if (!session) {
        session = session_open_local(&o);
        if (!session || client_new(session, "tcp://127.0.0.1:1", &o, &c) != TSR_OK) abort();
    }
    input in = {.data = data, .size = size, .guard = 1.5};
    tsr_array *x = tsr_random_normal(session, 1, 0, 1, TSR_F64, 1, (int64_t[]){N}, (int64_t[]){CHUNK});
    in.arrays[0] = tsr_cumsum(x, 0);
    in.arrays[1] = tsr_arange(session, 0, N, 1, TSR_I64, (int64_t[]){CHUNK});
    if (!in.arrays[0] || !in.arrays[1]) abort();
    pthread_mutex_init(&in.lock, NULL);
    pthread_cond_init(&in.changed, NULL);
    if (net_post(c->n, run_input, &in) != TSR_OK) abort();
    pthread_mutex_lock(&in.lock);
    while (!in.done) pthread_cond_wait(&in.changed, &in.lock);
    pthread_mutex_unlock(&in.lock);
    if (in.guard != 1.5) abort();
    pthread_cond_destroy(&in.changed);
    pthread_mutex_destroy(&in.lock);
    for (int i = 0; i < 2; i++) tsr_release(in.arrays[i]);
    tsr_release(x);
    return 0;
}
