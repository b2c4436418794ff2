/* Shared runs without a network: some engines in one process, each with a session and the same expressions of its own, whose
 * asking goes through a mailbox. Every value is compared with what a session computes by itself, bit for bit. */
#include "base/mem.h"
#include "base/os.h"
#include "engine/run.h"
#include "engine/share.h"
#include "store/store_testing.h"
#include "tessera.h"

#include <stdlib.h>
#include <time.h>

enum { ROWS = 120, COLS = 90, MOST_PEERS = 3 };

static double numbers[ROWS * COLS];

static tsr_array *blocks(tsr_array *a, int64_t rows, int64_t columns)
{
    return tsr_overlapped(tsr_rechunk(a, (int64_t[]){rows, columns}), (tsr_overlap[2]){{0}});
}

static tsr_array *source(tsr_session *s)
{
    return tsr_from_memory(s, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){20, 30});
}

enum { N_KINDS = 11 };
static tsr_array *work(tsr_array *x, int kind)
{
    const int first[] = {0}, second[] = {1};
    switch (kind) {
    case 0: return tsr_sum(x, 0, NULL, false);
    case 1: return tsr_mean(blocks(x, 10, 10), 1, first, false);
    case 2: return tsr_subtract(blocks(x, 20, 40), tsr_mean(blocks(x, 60, 50), 1, first, false));
    case 3: return blocks(blocks(blocks(x, 12, -1), -1, 10), 40, 40);
    case 4: return tsr_cumsum(blocks(tsr_cumsum(blocks(x, -1, 20), 0), 20, 10), 1);
    case 5: return tsr_add(blocks(tsr_flip(blocks(x, 30, 30), 2, (int[]){0, 1}), 24, 20), blocks(x, 24, 20));
    case 6: return tsr_median(blocks(x, 24, 20), 1, first, false);
    case 7: return tsr_matmul(blocks(x, 20, 20), tsr_transpose(blocks(x, 30, 10), NULL));
    case 8: return tsr_var(blocks(x, 7, 11), 1, second, false, 1.0);
    case 9: return tsr_cumsum(blocks(x, 11, 13), 0);
    default: return tsr_rechunk(tsr_multiply(x, x), (int64_t[]){7, 90});
    }
}

/* ---- Peers -------------------------------------------------------------------------------------------------------------- */

typedef struct group group;
typedef struct peer {
    group *all;
    uint64_t number; /* from 1 */
    tsr_session *s;
    run *runs[2];
    bool is_dead;
    int64_t n_asks;
} peer;

typedef struct letter {
    struct letter *next;
    peer *to, *from;
    int job, stage;
    int64_t unit;
    int64_t span;
    bool is_answer;
    int output;
    buffer *buf;
} letter;

struct group {
    int n;
    peer peers[MOST_PEERS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    letter *first, **last;
    bool is_over;
    pthread_t postman;
};

typedef struct reply {
    demand d;
    peer *from, *to;
    int job;
} reply;

static void post(group *g, letter content)
{
    letter *l = malloc(sizeof *l);
    *l = content;
    l->next = NULL;
    pthread_mutex_lock(&g->lock);
    *g->last = l;
    g->last = &l->next;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void reply_deliver(demand *d, int64_t number, int output, buffer *buf, size_t bytes)
{
    reply *r = d->context;
    buffer *copy; /* memory of its own, as everything that travels */
    void *data = malloc(bytes + 1);
    memcpy(data, buf->data, bytes);
    buffer_unref(buf);
    assert_ok(buffer_wrap(data, bytes, free, data, &copy));
    post(r->from->all, (letter){.to = r->to,
                                .job = r->job,
                                .stage = d->stage,
                                .unit = number,
                                .span = d->span,
                                .is_answer = true,
                                .output = output,
                                .buf = copy});
}

static void reply_ended(demand *d, tsr_status status, const char *message) { free(d->context); }

static void answer(peer *p, const letter *l)
{
    reply *r = calloc(1, sizeof *r);
    const plan *shared = run_plan_of(p->runs[l->job]);
    int64_t number = l->span ? l->unit : l->unit / shared->stages[l->stage].n_runs;
    *r = (reply){.from = p, .to = l->from, .job = l->job};
    r->d = (demand){.stage = l->stage,
                    .output = -1,
                    .first = number,
                    .end = number + 1,
                    .span = l->span,
                    .deliver = reply_deliver,
                    .ended = reply_ended,
                    .context = r};
    assert_ok(run_demand(p->runs[l->job], &r->d));
}

static void deliver_letter(const letter *l)
{
    if (l->to->is_dead) {
        buffer_unref(l->buf);
    } else if (!l->is_answer) {
        answer(l->to, l);
    } else if (l->span) {
        assert_ok(run_put_state(l->to->runs[l->job], l->stage, l->unit, l->span, l->buf));
    } else {
        assert_ok(run_put_block(l->to->runs[l->job], l->stage, l->output, l->unit, l->buf));
    }
}

static void *carry_letters(void *argument)
{
    group *g = argument;
    pthread_mutex_lock(&g->lock);
    while (!g->is_over || g->first) {
        letter *l = g->first;
        if (!l) {
            pthread_cond_wait(&g->changed, &g->lock);
            continue;
        }
        g->first = l->next;
        if (!g->first) g->last = &g->first;
        pthread_mutex_unlock(&g->lock);
        deliver_letter(l);
        free(l);
        pthread_mutex_lock(&g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static tsr_status ask(void *context, uint64_t owner, int number, int64_t unit, int64_t span, int job)
{
    peer *p = context;
    p->n_asks++;
    post(p->all, (letter){.to = &p->all->peers[owner - 1], .from = p, .job = job, .stage = number, .unit = unit, .span = span});
    return TSR_OK;
}
static tsr_status ask_0(void *c, uint64_t owner, int number, int64_t unit, int64_t span)
{
    return ask(c, owner, number, unit, span, 0);
}
static tsr_status ask_1(void *c, uint64_t owner, int number, int64_t unit, int64_t span)
{
    return ask(c, owner, number, unit, span, 1);
}
static void failed(void *context, tsr_status status, const char *message) {}
static const run_ops ops[2] = {{ask_0, failed}, {ask_1, failed}};

/* Units in turn: the least local map there is, so everything is asked for. */
static owner_map map_of(const plan *p, const group *g, int runs_of)
{
    owner_map map = {.n_stages = p->n_stages, .stages = mem_calloc((size_t)p->n_stages, sizeof *map.stages)};
    for (int i = 0; i < p->n_stages; i++) {
        int64_t n = stage_n_blocks(&p->stages[i]) * p->stages[i].n_runs, k = 0;
        stage_owners *s = &map.stages[i];
        s->first = mem_calloc((size_t)n + 1, sizeof *s->first);
        s->owner = mem_calloc((size_t)n + 1, sizeof *s->owner);
        for (int64_t unit = 0; unit < n; unit += runs_of) {
            while (g->peers[k % g->n].is_dead) k++;
            s->first[s->n] = unit;
            s->owner[s->n++] = g->peers[k++ % g->n].number;
        }
    }
    return map;
}

static void group_open(group *g, int n, size_t budget)
{
    *g = (group){.n = n};
    g->last = &g->first;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    for (int i = 0; i < n; i++) {
        peer *p = &g->peers[i];
        *p = (peer){.all = g, .number = (uint64_t)i + 1};
        p->s = tsr_session_open(NULL, &(tsr_options){.n_threads = 2, .memory_bytes = budget, .scratch_dir = scratch});
        assert_non_null(p->s);
        assert_ok(engine_serve(p->s->engine));
    }
    assert_int_equal(pthread_create(&g->postman, NULL, carry_letters, g), 0);
}

static void group_close(group *g)
{
    for (int job = 1; job >= 0; job--)
        for (int i = 0; i < g->n; i++) g->peers[i].is_dead = true;
    pthread_mutex_lock(&g->lock);
    g->is_over = true;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->postman, NULL);
    for (int i = 0; i < g->n; i++) {
        peer *p = &g->peers[i];
        for (int job = 1; job >= 0; job--)
            if (p->runs[job]) run_close(p->runs[job]);
        engine_serve_stop(p->s->engine);
        tsr_session_close(p->s);
    }
}

static void open_run(peer *p, int job, tsr_array *a, bool keeps)
{
    plan *made;
    assert_non_null(a);
    assert_ok(plan_build(1, &a, NULL, &made));
    assert_ok(run_open(p->s->engine, made, keeps, p->number, &ops[job], p, &p->runs[job]));
}

/* ---- A client ----------------------------------------------------------------------------------------------------------- */

typedef struct client {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const plan *plan;
    char *out;
    int64_t left;
    int n_open;
    tsr_status status;
} client;

static void client_deliver(demand *d, int64_t number, int output, buffer *buf, size_t bytes)
{
    client *c = d->context;
    const stage_output *o = &c->plan->stages[d->stage].outputs[output];
    int64_t to[TSR_MAX_NDIM], from[TSR_MAX_NDIM];
    box b = grid_box(&o->blocks, number);
    char *at = c->out;
    shape_strides(o->ndim, o->shape, tsr_dtype_size(o->dtype), to);
    shape_strides(o->ndim, b.count, tsr_dtype_size(o->dtype), from);
    for (int i = 0; i < o->ndim; i++) at += b.start[i] * to[i];
    copy_strided(c->plan->kernels, o->dtype, o->ndim, b.count, at, to, buf->data, from);
    buffer_unref(buf);
    pthread_mutex_lock(&c->lock);
    c->left--;
    pthread_mutex_unlock(&c->lock);
}

static void client_ended(demand *d, tsr_status status, const char *message)
{
    client *c = d->context;
    pthread_mutex_lock(&c->lock);
    if (status != TSR_OK) c->status = status;
    c->n_open--;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* Demands the blocks of root 0 from their owners, a demand for each range. */
static tsr_status collect(group *g, int job, const owner_map *map, void *out)
{
    const plan *p = run_plan_of(g->peers[0].runs[job]);
    int number = p->roots[0].stage, output = p->roots[0].output;
    const stage_owners *owners = &map->stages[number];
    int64_t n_runs = p->stages[number].n_runs, n = stage_n_blocks(&p->stages[number]);
    client c = {.plan = p, .out = out, .left = n};
    demand *demands = calloc((size_t)n + 1, sizeof *demands);
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.changed, NULL);
    for (int64_t k = 0; k < n; k++) {
        demands[k] = (demand){.stage = number,
                              .output = output,
                              .first = k,
                              .end = k + 1,
                              .deliver = client_deliver,
                              .ended = client_ended,
                              .context = &c};
        uint64_t owner = owner_map_find(map, number, k * n_runs);
        pthread_mutex_lock(&c.lock);
        c.n_open++;
        pthread_mutex_unlock(&c.lock);
        assert_ok(run_demand(g->peers[owner - 1].runs[job], &demands[k]));
    }
    assert_true(owners->n > 0);
    pthread_mutex_lock(&c.lock);
    while (c.n_open > 0) pthread_cond_wait(&c.changed, &c.lock);
    if (c.status == TSR_OK) assert_int_equal(c.left, 0);
    pthread_mutex_unlock(&c.lock);
    free(demands);
    return c.status;
}

/* ---- Tests -------------------------------------------------------------------------------------------------------------- */

static void *expected(int kind, size_t *bytes)
{
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    tsr_array *a = work(source(s), kind);
    assert_non_null(a);
    *bytes = (size_t)tsr_nbytes(a);
    void *out = malloc(*bytes);
    assert_ok(tsr_compute_into(a, out, *bytes));
    tsr_session_close(s);
    return out;
}

static void give_maps(group *g, int job, int runs_of)
{
    for (int i = 0; i < g->n; i++) {
        if (g->peers[i].is_dead) continue;
        owner_map map = map_of(run_plan_of(g->peers[i].runs[job]), g, runs_of);
        assert_ok(run_set_owners(g->peers[i].runs[job], &map));
    }
}

static void compute_and_compare(group *g, int job, int kind, int runs_of)
{
    size_t bytes;
    void *want = expected(kind, &bytes), *got = malloc(bytes);
    owner_map map = map_of(run_plan_of(g->peers[0].runs[job]), g, runs_of);
    assert_ok(collect(g, job, &map, got));
    assert_memory_equal(got, want, bytes);
    owner_map_free(&map);
    free(want);
    free(got);
}

static void test_same_as_alone(void **state)
{
    int64_t n_asks[MOST_PEERS + 1] = {0};
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (int n = 1; n <= MOST_PEERS; n++) {
            group g;
            group_open(&g, n, 0);
            for (int i = 0; i < n; i++) open_run(&g.peers[i], 0, work(source(g.peers[i].s), kind), false);
            give_maps(&g, 0, 1);
            compute_and_compare(&g, 0, kind, 1);
            compute_and_compare(&g, 0, kind, 1); /* what was given away is made again */
            group_close(&g);
            for (int i = 0; i < n; i++) n_asks[n] += g.peers[i].n_asks;
        }
    }
    assert_int_equal(n_asks[1], 0);
    assert_true(n_asks[2] > 0 && n_asks[3] > 0);
}

/* Blocks are held, or asked for, again and again; some are spilled. */
static void test_small_budget(void **state)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        group g;
        group_open(&g, 2, 700 << 10);
        for (int i = 0; i < 2; i++) open_run(&g.peers[i], 0, work(source(g.peers[i].s), kind), true);
        give_maps(&g, 0, 3);
        compute_and_compare(&g, 0, kind, 3);
        group_close(&g);
    }
}

/* Is nothing of the root that this run kept held any more? */
static bool has_shed(run *r)
{
    held_set *set = (held_set *)run_root_set(r, 0);
    const making *const *blocks = (const making *const *)r->stages[set->stage].blocks;
    bool is_empty = true;
    pthread_mutex_lock(&r->crew->lock);
    for (int64_t k = 0; k < set->n_blocks; k++)
        is_empty =
            is_empty && ((blocks[k] && blocks[k]->is_asked) || held_is_empty(set, k)); /* what came from elsewhere is spare */
    pthread_mutex_unlock(&r->crew->lock);
    held_set_unref(set);
    return is_empty;
}

/* Here and there. Blocks go when they were handed over, which is a moment after they have arrived. */
static void expect_shed(const group *g)
{
    for (int i = 0; i < g->n; i++) {
        for (int ms = 0; !has_shed(g->peers[i].runs[0]) && ms < 60000; ms++)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        assert_true(has_shed(g->peers[i].runs[0]));
    }
}

static void shed_all(const group *g)
{
    for (int i = 0; i < g->n; i++) run_shed(g->peers[i].runs[0]);
}

/* A second job reads the blocks that the first one keeps, or (sheds) that it made and keeps no longer, and those that go while
 * they are read. */
static void check_persisted(bool sheds)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        group g;
        group_open(&g, 3, 0);
        for (int i = 0; i < 3; i++) {
            tsr_array *x = source(g.peers[i].s);
            open_run(&g.peers[i], 0,
                     tsr_rechunk(tsr_multiply(x, tsr_scalar_array(x->session, tsr_float(1.0))), (int64_t[]){30, 20}), true);
        }
        give_maps(&g, 0, 1);
        if (sheds) {
            owner_map first = map_of(run_plan_of(g.peers[0].runs[0]), &g, 1);
            void *all = malloc(sizeof numbers);
            assert_ok(collect(&g, 0, &first, all));
            shed_all(&g);
            expect_shed(&g);
            owner_map_free(&first);
            free(all);
        }
        for (int i = 0; i < 3; i++) {
            peer *p = &g.peers[i];
            block_set *set = run_root_set(p->runs[0], 0);
            held_set *held = (held_set *)set;
            tsr_array proto = {.op = NODE_BLOCKS, .dtype = TSR_F64, .ndim = 2, .shape = {ROWS, COLS}, .grid = held->blocks};
            proto.p.blocks.set = set;
            proto.p.blocks.stored = &held->blocks;
            tsr_array *kept = node_make(p->s, &proto);
            tsr_array *a = tsr_rechunk(kept, (int64_t[]){20, 30});
            open_run(p, 1, work(a, kind), false);
        }
        give_maps(&g, 1, 2);
        size_t bytes;
        void *want = expected(kind, &bytes), *got = malloc(bytes);
        owner_map map = map_of(run_plan_of(g.peers[0].runs[1]), &g, 2);
        for (int i = 0; i < 1 + sheds; i++) {
            memset(got, 0, bytes);
            assert_ok(collect(&g, 1, &map, got));
            assert_memory_equal(got, want, bytes);
        }
        if (sheds) expect_shed(&g);
        owner_map_free(&map);
        free(want);
        free(got);
        group_close(&g);
    }
}

static void test_persisted(void **state) { check_persisted(false); }
static void test_shed(void **state) { check_persisted(true); }

static void *late_maps(void *argument)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    give_maps(argument, 0, 1);
    return NULL;
}

/* One of three stops answering; a new map goes round. */
static void test_lost_peer(void **state)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        group g;
        group_open(&g, 3, 0);
        for (int i = 0; i < 3; i++) open_run(&g.peers[i], 0, work(source(g.peers[i].s), kind), kind % 2);
        give_maps(&g, 0, 1);
        size_t bytes;
        void *want = expected(kind, &bytes), *got = malloc(bytes);
        g.peers[2].is_dead = true;
        owner_map map = map_of(run_plan_of(g.peers[0].runs[0]), &g, 1);
        pthread_t thread;
        /* The survivors ask the dead one until the new map comes. */
        assert_int_equal(pthread_create(&thread, NULL, late_maps, &g), 0);
        assert_ok(collect(&g, 0, &map, got));
        pthread_join(thread, NULL);
        assert_memory_equal(got, want, bytes);
        owner_map_free(&map);
        free(want);
        free(got);
        group_close(&g);
    }
}

static void test_failure(void **state)
{
    group g;
    group_open(&g, 2, 0);
    const int64_t two = 2;
    for (int i = 0; i < 2; i++) {
        tsr_session *s = g.peers[i].s;
        tsr_array *n = tsr_rechunk(tsr_arange_int(s, -5, 5, 1, TSR_I64, &two), &two);
        open_run(&g.peers[i], 0, tsr_power(tsr_scalar_array(s, tsr_int(2)), n), false);
    }
    give_maps(&g, 0, 1);
    int64_t got[10];
    owner_map map = map_of(run_plan_of(g.peers[0].runs[0]), &g, 1);
    assert_int_equal(collect(&g, 0, &map, got), TSR_ERR_VALUE);
    owner_map_free(&map);
    group_close(&g);
}

/* ---- Fair shares ---------------------------------------------------------------------------------------------------------- */

enum { BUSY_RUNS = 20, BUSY_BLOCKS = 120, BUSY_ROWS = 512 /* of 512 columns: blocks that are tiles of their own */ };

/* Two clients: the first has many runs, the other a single one. */
typedef struct contest {
    atomic_int served[BUSY_RUNS + 1], all_of_first; /* blocks */
    int at_begin, at_end;                           /* all_of_first, when the other's run was demanded, and when it was done */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_open;
    bool is_over;
} contest;

typedef struct entrant {
    demand d;
    contest *of;
    int number;
    run *r;
} entrant;

static void entrant_deliver(demand *d, int64_t number, int output, buffer *buf, size_t bytes)
{
    entrant *e = d->context;
    buffer_unref(buf);
    atomic_fetch_add(&e->of->served[e->number], 1);
    if (e->number < BUSY_RUNS) atomic_fetch_add(&e->of->all_of_first, 1);
}

static void entrant_ended(demand *d, tsr_status status, const char *message)
{
    entrant *e = d->context;
    contest *c = e->of;
    pthread_mutex_lock(&c->lock);
    if (e->number == BUSY_RUNS) {
        c->at_end = atomic_load(&c->all_of_first);
        c->is_over = true;
    }
    c->n_open--;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void enter(entrant *e, peer *p, contest *c, int number, uint64_t of_client, int priority, bool heavy)
{
    tsr_array *x = tsr_random_uniform(p->s, (uint64_t)number, 0, 1, TSR_F64, 2, (int64_t[]){BUSY_BLOCKS * BUSY_ROWS, 512},
                                      (int64_t[]){BUSY_ROWS, 512});
    for (int i = 0; heavy && i < 12; i++) x = tsr_tan(x);
    plan *made;
    *e = (entrant){.of = c, .number = number};
    assert_ok(plan_build(1, &x, NULL, &made));
    assert_ok(run_open(p->s->engine, made, false, p->number, &ops[0], p, &e->r));
    owner_map map = map_of(made, p->all, 1 << 20);
    assert_ok(run_set_owners(e->r, &map));
    assert_ok(run_set_client(e->r, of_client));
    run_set_priority(e->r, priority);
    e->d = (demand){.stage = made->roots[0].stage,
                    .output = made->roots[0].output,
                    .end = stage_n_blocks(&made->stages[made->roots[0].stage]),
                    .deliver = entrant_deliver,
                    .ended = entrant_ended,
                    .context = e};
    pthread_mutex_lock(&c->lock);
    c->n_open++;
    if (number == BUSY_RUNS) c->at_begin = atomic_load(&c->all_of_first);
    pthread_mutex_unlock(&c->lock);
    assert_ok(run_demand(e->r, &e->d));
}

/* How many blocks of the first client's runs are made while the other's single run is, for each of its own. */
static double compete(uint64_t first, uint64_t other, int priority, bool heavy)
{
    static contest c;
    static entrant all[BUSY_RUNS + 1];
    group g;
    c = (contest){.at_begin = 0};
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.changed, NULL);
    group_open(&g, 1, 0);
    for (int i = 0; i < BUSY_RUNS; i++) enter(&all[i], &g.peers[0], &c, i, first, 0, heavy);
    while (atomic_load(&c.all_of_first) < 50) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    enter(&all[BUSY_RUNS], &g.peers[0], &c, BUSY_RUNS, other, priority, false);
    pthread_mutex_lock(&c.lock);
    while (!c.is_over) pthread_cond_wait(&c.changed, &c.lock);
    pthread_mutex_unlock(&c.lock);
    assert_int_equal(atomic_load(&c.served[BUSY_RUNS]), BUSY_BLOCKS);
    int least = INT32_MAX, most = 0;
    for (int i = 0; i < BUSY_RUNS; i++) {
        const int n = atomic_load(&c.served[i]);
        least = n < least ? n : least;
        most = n > most ? n : most;
        run_withdraw(all[i].r, &all[i].d);
    }
    assert_true(most - least <= 40); /* its runs share what it gets: two or three turns of eight, at most */
    pthread_mutex_lock(&c.lock);
    while (c.n_open > 0) pthread_cond_wait(&c.changed, &c.lock);
    pthread_mutex_unlock(&c.lock);
    for (int i = 0; i <= BUSY_RUNS; i++) run_close(all[i].r);
    group_close(&g);
    return (double)(c.at_end - c.at_begin) / BUSY_BLOCKS;
}

static void test_fair_share(void **state)
{
    const double same = compete(1, 1, 0, false), fair = compete(1, 2, 0, false), heavy = compete(1, 2, 0, true),
                 urgent = compete(1, 2, 5, false);
    print_message("for each block of a client with one run, blocks of the other with %d: %.2f; of the same: %.2f; %.2f if "
                  "they are much more work; %.2f if it is more urgent\n",
                  BUSY_RUNS, fair, same, heavy, urgent);
    assert_true(same > 6);    /* runs of one client: each of the others gets as much */
    assert_true(fair < 2.5);  /* so it takes twice as long as alone, not 21 times */
    assert_true(heavy < 0.7); /* time is shared, not tasks */
    assert_true(urgent < 0.5);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) numbers[i] = (double)(i * 7919 % 1009) / 13.0 - 30.0;
    const struct CMUnitTest all[] = {
        SCRATCH_TEST(test_same_as_alone), SCRATCH_TEST(test_small_budget), SCRATCH_TEST(test_persisted), SCRATCH_TEST(test_shed),
        SCRATCH_TEST(test_lost_peer),     SCRATCH_TEST(test_failure),      SCRATCH_TEST(test_fair_share)};
    return cmocka_run_group_tests(all, NULL, NULL);
}
