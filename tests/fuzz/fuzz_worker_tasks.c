/* Fuzzes what a worker makes of messages about tasks: of its scheduler, of two workers that it fetches from, and of a stranger (a
 * guest, who may be anybody with the secret). The worker has no threads: the input says which task is run when, how it ends, and
 * when a result is written to the scratch file or read again. Whatever comes, the books are right afterwards, and nothing is
 * left.
 *
 * An input is a row of records. The first byte says whose link it is (the lowest two bits: scheduler, workers, guest) and what
 * happens; what follows depends on that. Keys are out of a few, so that messages have to do with each other. */
#include "cluster/worker_tasks.h"
#include "fuzz_links.h"

enum { ME = 1, N_LINKS = 4, SCHEDULER = 0, FIRST_PEER = 1, GUEST = 3, N_KEYS = 12, MAX_RECORDS = 200, MAX_RUNNING = 16 };
#define LARGE_BYTES ((size_t)256 << 10) /* results from this on are spilled */

typedef struct state {
    worker_tasks *w;
    net_link *links[N_LINKS];
    work_task *running[MAX_RUNNING];
    int n_running;
    receiver r;
} state;

static char *place(void *context, net_link *l, const net_message *m, void **token)
{
    return worker_tasks_place(context, l, m, token);
}
static void message(void *context, net_link *l, const net_message *m) { worker_tasks_message(context, l, m); }
static bool abandoned(void *context, net_link *l, void *token) { return worker_tasks_abandoned(context, l, token); }

/* The worker has the peer's link as if it had dialled it. */
static void connect_peers(state *s)
{
    for (size_t i = 0; i < s->w->peers.n; i++) {
        peer *p = &s->w->peers.items[i];
        for (uint64_t k = 0; k < GUEST - FIRST_PEER && !p->link; k++)
            if (p->worker == 7 + k) p->link = link_ref(s->links[FIRST_PEER + k]);
    }
}

static void send_peers(state *s, unsigned what)
{
    hand_peers(&s->r, s->links[SCHEDULER], what);
    connect_peers(s);
}

static void send_run(state *s, net_link *l, input *in, arrival_kind how)
{
    enum { MOST = 3 };
    Tessera__Futures__Run r = TESSERA__FUTURES__RUN__INIT;
    const unsigned what = next(in);
    uint64_t keys[2 * MOST], sizes[MOST * MOST], arg_keys[2 * MOST * MOST], holders[MOST * MOST];
    uint32_t n_args[MOST];
    size_t bytes = 0;
    r.function_low = what % 3;
    r.priority = (int32_t)(what >> 2) % 3;
    r.at_once = what & 16;
    r.carry = what & 32;
    r.n_n_args = 1 + what % MOST;
    for (size_t i = 0; i < r.n_n_args; i++) {
        const unsigned task = next(in);
        keys[r.n_keys++] = 0;
        keys[r.n_keys++] = 1 + task % N_KEYS;
        n_args[i] = task / N_KEYS % (MOST + 1);
        for (uint32_t k = 0; k < n_args[i]; k++) {
            const unsigned arg = next(in);
            sizes[r.n_arg_sizes++] = arg & 1 ? 0 : 1 + arg % 64;
            bytes += arg & 1 ? 0 : arg % 64;
            if (!(arg & 1)) continue;
            arg_keys[r.n_arg_keys++] = 0;
            arg_keys[r.n_arg_keys++] = (arg >> 1) % (N_KEYS + 1); /* 0: a key of zeros */
            holders[r.n_arg_holders++] = arg & 128 ? ME : 7 + (arg >> 5) % 3;
        }
    }
    r.keys = keys;
    r.n_args = n_args;
    r.arg_sizes = sizes;
    r.arg_keys = arg_keys;
    r.arg_holders = holders;
    hand_packed(&s->r, l, TYPE(RUN), &r.base, bytes, how);
}

static void send_function(state *s, net_link *l, input *in, arrival_kind how)
{
    Tessera__Futures__Function f = TESSERA__FUTURES__FUNCTION__INIT;
    const unsigned what = next(in);
    f.id_low = what % 3;
    f.kind = what / 3 % 5;
    f.name = f.symbol = "f";
    if (what & 128) f.library = "a.so";
    hand_packed(&s->r, l, what & 64 ? TYPE(FORGET) : TYPE(FUNCTION), &f.base, what & 64 ? 0 : what % 7, how);
}

static void send_keys(state *s, net_link *l, input *in)
{
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    Tessera__Futures__Copy c = TESSERA__FUTURES__COPY__INIT;
    Tessera__Futures__Ask recall = TESSERA__FUTURES__ASK__INIT;
    const unsigned what = next(in);
    uint64_t keys[] = {0, 1 + what % N_KEYS, 0, 1 + next(in) % N_KEYS}, holders[] = {what & 64 ? ME : 7, 8};
    k.n_keys = c.n_keys = what & 16 ? 4 : 2;
    k.keys = c.keys = keys;
    c.n_holders = c.n_keys / 2;
    c.holders = holders;
    recall.number = (int64_t)what - 20;
    if (what < 110) {
        hand_packed(&s->r, l, TYPE(FREE), &k.base, 0, ARRIVES);
    } else if (what < 200) {
        hand_packed(&s->r, l, TYPE(COPY), &c.base, 0, ARRIVES);
    } else {
        hand_packed(&s->r, l, TYPE(RECALL), &recall.base, 0, ARRIVES);
    }
}

static void send_data(state *s, net_link *l, input *in, arrival_kind how)
{
    static const uint32_t types[] = {TYPE(GET), TYPE(PUT), TYPE(DATA), TYPE(NO_DATA), TYPE(STORED), TYPE(DATA), TYPE(PUT)};
    Tessera__Futures__Data d = TESSERA__FUTURES__DATA__INIT;
    Tessera__Futures__Get g = TESSERA__FUTURES__GET__INIT;
    const unsigned what = next(in), type = types[next(in) % (sizeof types / sizeof *types)];
    d.request = g.request = what;
    d.key_low = g.key_low = 1 + what % N_KEYS;
    if (type == TYPE(GET)) {
        hand_packed(&s->r, l, type, &g.base, 0, ARRIVES);
    } else {
        hand_packed(&s->r, l, type, &d.base, type == TYPE(NO_DATA) ? 0 : what >= 250 ? LARGE_BYTES : what % 9, how);
    }
}

/* ---- What the threads would do ---- */

static void take_task(state *s)
{
    worker_tasks *w = s->w;
    if (s->n_running == MAX_RUNNING) return;
    pthread_mutex_lock(&w->lock);
    work_task *t = w->at_once.n ? w->at_once.items[--w->at_once.n] : worker_threads_take_last(w);
    if (t) {
        t->running = true;
        s->running[s->n_running++] = t;
    }
    pthread_mutex_unlock(&w->lock);
}

static void end_task(state *s, unsigned what)
{
    if (!s->n_running) return;
    const int at = (int)(what >> 4) % s->n_running;
    work_task *t = s->running[at];
    tsr_task_result r = {.w = s->w, .t = t};
    uint64_t sum = 0; /* the arguments are there, whatever was freed meanwhile */
    for (int i = 0; i < t->n_args; i++)
        for (size_t k = 0; k < t->args[i].size; k += 1 + t->args[i].size / 16) sum += ((const unsigned char *)t->args[i].data)[k];
    if (what & 1) {
        pthread_mutex_lock(&s->w->lock);
        worker_tasks_seceded(s->w, t);
        pthread_mutex_unlock(&s->w->lock);
        if (what & 2) return;
    }
    s->running[at] = s->running[--s->n_running];
    if (what & 4) {
        if (what & 8) tsr_task_result_error(&r, "no", &sum, sizeof sum);
        worker_tasks_failed(s->w, t, TSR_ERR_VALUE, &r);
        mem_free(r.text);
        mem_free(r.details);
        return;
    }
    if (what & 8) (void)!tsr_task_result_set(&r, &sum, sizeof sum);
    if (what >= 248 && !tsr_task_result_alloc(&r, LARGE_BYTES)) abort();
    pthread_mutex_lock(&s->w->lock);
    worker_tasks_ran(s->w, t, &r, what);
    if (what & 2) worker_tasks_flush(s->w);
    pthread_mutex_unlock(&s->w->lock);
    work_task_free(t);
}

static void lose_link(state *s, int which)
{
    net_link *old = s->links[which];
    (void)worker_tasks_closed(s->w, old, "lost");
    link_unref(old);
    s->links[which] = made_up_link();
    if (which == SCHEDULER) worker_tasks_scheduler_opened(s->w, s->links[which]);
    connect_peers(s);
}

static void spill(state *s)
{
    pthread_mutex_lock(&s->w->lock);
    (void)worker_spill_step(s->w);
    pthread_mutex_unlock(&s->w->lock);
}

/* ---- An input ---- */

static void step(state *s, input *in)
{
    const unsigned how = next(in);
    net_link *l = s->links[how % N_LINKS];
    const arrival_kind comes = how < 200 ? ARRIVES : (arrival_kind)(how % N_ARRIVALS);
    switch ((how >> 2) % 12) {
    case 0: hand_raw(&s->r, l, in, comes); break;
    case 1:
    case 2: send_run(s, l, in, comes); break;
    case 3: send_function(s, l, in, comes); break;
    case 4: send_keys(s, l, in); break;
    case 5:
    case 6: send_data(s, l, in, comes); break;
    case 7: send_peers(s, next(in)); break;
    case 8: take_task(s); break;
    case 9: end_task(s, next(in)); break;
    case 10: spill(s); break;
    default: lose_link(s, how % N_LINKS); break;
    }
}

static void check_books(const worker_tasks *w)
{
    uint64_t stored_bytes = 0, spilled_bytes = 0;
    size_t n = 0, n_tasks = 0;
    for (size_t i = 0; i < w->results_size; i++) {
        for (const stored *r = w->results[i]; r; r = r->next) {
            if (r->buf) stored_bytes += r->size;
            if (r->spilled_at) spilled_bytes += r->size;
            if (r->buf && r->spilled_at) abort();
            if (r->buf && r->waiting.n) abort();
            if (!r->buf && !r->spilled_at && !r->waiting.n && !r->asked) abort(); /* nobody waits for it, and nobody brings it */
            n++;
        }
    }
    for (size_t i = 0; i < w->tasks_size; i++)
        for (const work_task *t = w->tasks[i]; t; t = t->next) n_tasks++;
    if (n != w->n_results || n_tasks != w->n_tasks || stored_bytes != w->stored_bytes || spilled_bytes != w->spilled_bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};
    state s = {0};
    const worker_tasks_options o = {.net = made_up_net(), .worker = ME, .n_threads = 1, .memory_bytes = LARGE_BYTES};
    if (worker_tasks_make(&o, &s.w) != TSR_OK) abort();
    s.w->ending = true; /* so no thread and no timer starts */
    s.r = (receiver){s.w, place, message, abandoned};
    for (int i = 0; i < N_LINKS; i++) s.links[i] = made_up_link();
    worker_tasks_scheduler_opened(s.w, s.links[SCHEDULER]);
    send_peers(&s, 1);
    for (int i = 0; i < MAX_RECORDS && in.at < in.end; i++) step(&s, &in);
    check_books(s.w);
    while (s.n_running) end_task(&s, 8);
    for (int i = 0; i < N_LINKS; i++) (void)worker_tasks_closed(s.w, s.links[i], "the end");
    check_books(s.w);
    worker_tasks_free(s.w);
    for (int i = 0; i < N_LINKS; i++) {
        if (atomic_load(&s.links[i]->refs) != 1) abort();
        link_unref(s.links[i]);
    }
    return 0;
}
