/* Fuzzes what a client makes of messages about tasks: of its scheduler, of two workers that it fetches from, and of a stranger.
 * In between, the client does what users do: submits tasks of earlier ones, waits (for no time), reads, cancels, releases; asks
 * questions; connections are lost and made again. Afterwards the books are right, and nothing is left.
 *
 * An input is a row of records. The first byte says whose link it is (the lowest two bits: scheduler, workers, stranger) and what
 * happens; what follows depends on that. Keys are out of a few, so that messages have to do with each other. */
#include "cluster/client_parts.h"
#include "cluster/client_tasks.h"
#include "engine/engine.h"
#include "fuzz_links.h"

enum { N_LINKS = 4, SCHEDULER = 0, FIRST_PEER = 1, STRANGER = 3, N_KEYS = 12, N_HELD = 24, N_ASKED = 4, MAX_RECORDS = 200 };

typedef struct state {
    client_tasks *c;
    tsr_session *session;
    net_link *links[N_LINKS];
    tsr_future *held[N_HELD];
    asked asks[N_ASKED];
    receiver r;
    unsigned n_called;
} state;

static char *place(void *context, net_link *l, const net_message *m, void **token)
{
    return client_tasks_place(context, l, m, token);
}
static void message(void *context, net_link *l, const net_message *m) { client_tasks_message(context, l, m); }
static bool abandoned(void *context, net_link *l, void *token) { return client_tasks_abandoned(context, l, token); }

static tsr_key key_of(unsigned number) { return (tsr_key){.low = 1 + number % N_KEYS}; }

/* The client has the workers' links as if it had dialled them. */
static void connect_peers(state *s)
{
    for (size_t i = 0; i < s->c->peers.n; i++) {
        worker_peer *p = &s->c->peers.items[i];
        for (uint64_t k = 0; k < STRANGER - FIRST_PEER && !p->link; k++)
            if (p->worker == 7 + k) p->link = link_ref(s->links[FIRST_PEER + k]);
    }
}

static void send_peers(state *s, unsigned what)
{
    hand_peers(&s->r, s->links[SCHEDULER], what);
    connect_peers(s);
}

static void send_finished(state *s, net_link *l, input *in, arrival_kind how)
{
    enum { MOST = 4 };
    Tessera__Futures__Finished f = TESSERA__FUTURES__FINISHED__INIT;
    uint64_t keys[2 * MOST], sizes[MOST], holders[MOST];
    protobuf_c_boolean carried[MOST];
    const unsigned what = next(in);
    size_t bytes = 0;
    for (size_t i = 0; i < 1 + what % MOST; i++) {
        const unsigned one = next(in);
        keys[f.n_keys++] = 0;
        keys[f.n_keys++] = key_of(one).low;
        carried[i] = one & 128;
        sizes[i] = one % 70;
        holders[i] = 7 + (one >> 4) % 3;
        bytes += carried[i] ? sizes[i] : 0;
        f.n_sizes++;
    }
    f.keys = keys;
    f.sizes = sizes;
    f.n_carried = f.n_sizes;
    f.carried = carried;
    if (what & 8) f.n_holders = f.n_sizes;
    f.holders = holders;
    hand_packed(&s->r, l, TYPE(FINISHED), &f.base, bytes, how);
}

static void send_state(state *s, net_link *l, input *in, arrival_kind how)
{
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    Tessera__Futures__Erred e = TESSERA__FUTURES__ERRED__INIT;
    const unsigned what = next(in);
    uint64_t keys[] = {0, key_of(what).low, 0, key_of(what >> 3).low};
    k.n_keys = what & 64 ? 4 : 2;
    k.keys = keys;
    k.state = what >> 5;
    e.key_low = keys[1];
    e.status = (int32_t)(what >> 4) - 2;
    e.text = what & 1 ? "no" : "";
    if (what & 2) {
        hand_packed(&s->r, l, TYPE(STATE), &k.base, 0, ARRIVES);
    } else {
        hand_packed(&s->r, l, TYPE(ERRED), &e.base, what % 5, how);
    }
}

static void send_answer(state *s, net_link *l, input *in, arrival_kind how)
{
    Tessera__Futures__Answer a = TESSERA__FUTURES__ANSWER__INIT;
    const unsigned what = next(in);
    uint64_t keys[] = {0, key_of(what).low}, workers[] = {7, 8, 9};
    a.request = what % (N_ASKED + 1);
    a.status = (int32_t)(what >> 4) - 2;
    a.text = what & 1 ? "no" : "";
    a.number = what;
    a.n_keys = what & 2 ? 2 : 0;
    a.keys = keys;
    a.n_workers = what % 4;
    a.workers = workers;
    hand_packed(&s->r, l, TYPE(ANSWER), &a.base, what % 5, how);
}

static void send_data(state *s, net_link *l, input *in, arrival_kind how)
{
    static const uint32_t types[] = {TYPE(DATA), TYPE(NO_DATA), TYPE(STORED), TYPE(DATA)};
    Tessera__Futures__Data d = TESSERA__FUTURES__DATA__INIT;
    const unsigned what = next(in), type = types[what >> 6];
    d.request = what % (N_ASKED + 1);
    d.key_low = key_of(what).low;
    d.status = (int32_t)(what >> 5) - 1;
    hand_packed(&s->r, l, type, &d.base, type == TYPE(DATA) ? what % 9 : 0, how);
}

/* ---- What users do ---- */

static tsr_future **slot_of(state *s, unsigned what) { return &s->held[what % N_HELD]; }

static void hold(state *s, unsigned what, tsr_future *f)
{
    tsr_future **at = slot_of(s, what);
    tsr_future_release(*at);
    *at = f;
}

static void submit(state *s, input *in)
{
    static const char *const workers[] = {"a", "b"};
    const unsigned what = next(in), arg = next(in);
    const tsr_task_function f = {.kind = TSR_TASK_SOURCE, .symbol = what & 1 ? "f" : "g", .code = "x", .code_size = 1};
    const tsr_task_arg args[] = {{.data = "abcdefgh", .size = arg % 9}, {.future = *slot_of(s, arg)}};
    const tsr_task t[] = {{.key = what & 2 ? key_of(what >> 3) : (tsr_key){0}, .n_args = args[1].future ? 2 : 1, .args = args},
                          {.key = key_of(arg)}};
    const tsr_task_options o = {
        .priority = arg & 1, .resources = what & 4 ? "GPU=1" : NULL, .n_workers = arg & 2, .workers = workers};
    tsr_future *made[2];
    if (tsr_submit(s->session, &f, 2, t, &o, made) != TSR_OK) return;
    hold(s, what, made[0]);
    hold(s, arg, made[1]);
}

static void called(void *context, tsr_future *f) { ++*(unsigned *)context; }

/* What the thread of callbacks would do. */
static void make_calls(state *s)
{
    client_tasks *c = s->c;
    while (c->due.n) {
        const done_call d = c->due.items[--c->due.n];
        d.call(d.context, d.future);
        tsr_future_release(d.future);
    }
}

static void use(state *s, input *in)
{
    const unsigned what = next(in);
    tsr_future *f = *slot_of(s, next(in)), *two[] = {f, *slot_of(s, what)};
    tsr_bytes bytes, results[2];
    const char *text;
    if (!f) return;
    switch (what % 12) {
    case 0:
        if (tsr_future_result(f, 0, &bytes) == TSR_OK) {
            unsigned sum = 0;
            for (size_t i = 0; i < bytes.size; i++) sum += ((const unsigned char *)bytes.data)[i];
            if (sum > 255 * bytes.size) abort();
            tsr_bytes_release(&bytes);
        }
        break;
    case 1:
        if (tsr_gather(2, two, what & 64, 0, results) != TSR_OK) break;
        tsr_bytes_release(&results[0]);
        tsr_bytes_release(&results[1]);
        break;
    case 2: (void)!tsr_futures_wait(2, two, (tsr_wait_for)(what >> 6), 0); break;
    case 3: (void)!tsr_futures_cancel(2, two, what & 64); break;
    case 4: (void)!tsr_futures_retry(2, two); break;
    case 5: (void)!tsr_future_on_done(f, called, &s->n_called); break;
    case 6:
        (void)tsr_future_error(f, &text, &bytes);
        tsr_bytes_release(&bytes);
        break;
    case 7: hold(s, what, tsr_future_retain(f)); break;
    case 8: make_calls(s); break;
    default: hold(s, what, NULL); break;
    }
    if (tsr_future_size(f) >= 0 && tsr_future_state(f) != TSR_FUTURE_FINISHED) abort();
}

/* Somebody waits for an answer, of the scheduler or of a worker. */
static void ask(state *s, unsigned what)
{
    asked *a = &s->asks[what % N_ASKED];
    for (const asked *p = s->c->asks; p; p = p->next)
        if (p == a && !a->done) return;
    for (asked **at = &s->c->asks; *at; at = &(*at)->next) {
        if (*at != a) continue;
        *at = a->next;
        break;
    }
    mem_free(a->text);
    buffer_unref(a->value);
    VEC_FINI(&a->workers);
    *a = (asked){.request = what % N_ASKED, .link = what & 64 ? s->links[FIRST_PEER] : NULL, .next = s->c->asks};
    s->c->asks = a;
}

static void lose_link(state *s, int which)
{
    net_link *old = s->links[which];
    (void)client_tasks_closed(s->c, old, "lost");
    link_unref(old);
    s->links[which] = made_up_link();
    if (which == SCHEDULER) client_tasks_scheduler_opened(s->c, s->links[which]);
    connect_peers(s);
}

static void flush(state *s)
{
    pthread_mutex_lock(&s->c->lock);
    client_tasks_flush(s->c);
    pthread_mutex_unlock(&s->c->lock);
}

/* ---- An input ---- */

static void step(state *s, input *in)
{
    const unsigned how = next(in);
    net_link *l = s->links[how % N_LINKS];
    const arrival_kind comes = how < 200 ? ARRIVES : (arrival_kind)(how % N_ARRIVALS);
    tsr_future *f;
    switch ((how >> 2) % 13) {
    case 0: hand_raw(&s->r, l, in, comes); break;
    case 1: submit(s, in); break;
    case 2: send_finished(s, l, in, comes); break;
    case 3: send_state(s, l, in, comes); break;
    case 4: send_answer(s, l, in, comes); break;
    case 5: send_data(s, l, in, comes); break;
    case 6: send_peers(s, next(in)); break;
    case 7: ask(s, next(in)); break;
    case 8:
        if (tsr_future_of(s->session, key_of(next(in)), &f) == TSR_OK) hold(s, how, f);
        break;
    case 9: flush(s); break;
    case 10: lose_link(s, how % N_LINKS); break;
    default: use(s, in); break;
    }
}

static void check_books(const client_tasks *c)
{
    size_t n = 0, n_calls = 0;
    for (size_t i = 0; i < c->futures_size; i++) {
        for (const tsr_future *f = c->futures[i]; f; f = f->next) {
            n++;
            n_calls += f->calls.n;
            if (f->refs < 0 || (f->refs == 0 && !f->leaving) || f->n_readers) abort();
            if (f->calls.n && f->status != TSR_FUTURE_PENDING) abort();
            if (f->batch && f->batch->refs < 1) abort();
        }
    }
    if (n != c->n_futures || n_calls != c->n_calls) abort();
}

static client remote; /* of the session; nothing but its tasks is used */

static tsr_session *made_up_session(void)
{
    static tsr_session *session;
    if (!session) {
        session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
        if (!session) abort();
        engine_attach(session->engine, &remote.base);
    }
    return session;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};
    state s = {0};
    s.session = made_up_session();
    if (client_tasks_new(s.session, made_up_net(), &s.c) != TSR_OK) abort();
    remote.tasks = s.c;
    s.c->has_caller = true; /* so none is started; make_calls stands for it */
    s.r = (receiver){s.c, place, message, abandoned};
    for (int i = 0; i < N_LINKS; i++) s.links[i] = made_up_link();
    client_tasks_scheduler_opened(s.c, s.links[SCHEDULER]);
    send_peers(&s, 1);
    for (int i = 0; i < MAX_RECORDS && in.at < in.end; i++) {
        step(&s, &in);
        if (i % 32 == 0) check_books(s.c);
    }
    for (int i = 0; i < N_HELD; i++) tsr_future_release(s.held[i]);
    make_calls(&s);
    flush(&s);
    check_books(s.c);
    for (int i = 0; i < N_LINKS; i++) (void)client_tasks_closed(s.c, s.links[i], "the end");
    s.c->has_caller = false;
    client_tasks_end(s.c);
    for (int i = 0; i < N_ASKED; i++) {
        mem_free(s.asks[i].text);
        buffer_unref(s.asks[i].value);
        VEC_FINI(&s.asks[i].workers);
    }
    client_tasks_free(s.c);
    for (int i = 0; i < N_LINKS; i++) {
        if (atomic_load(&s.links[i]->refs) != 1) abort();
        link_unref(s.links[i]);
    }
    return 0;
}
