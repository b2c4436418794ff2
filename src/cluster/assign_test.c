/* Who makes what, of plans that are never run: contiguous and fair shares, units where their input lies, single units in turn,
 * what is left when workers go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/os.h"
#include "cluster/assign.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 1000 };

static tsr_session *session;
static assign_worker workers[MOST_WORKERS];

static assign_context context_of(int n)
{
    for (int i = 0; i < n; i++) workers[i] = (assign_worker){.id = 10 + (uint64_t)i, .threads = 1};
    return (assign_context){.n_workers = n, .workers = workers};
}

static plan *plan_of(tsr_array *a)
{
    plan *p;
    assert_non_null(a);
    assert_int_equal(plan_build(1, &a, NULL, &p), TSR_OK);
    return p;
}

static int64_t length_of(const stage_owners *s, int i, int64_t n_units)
{
    return (i + 1 < s->n ? s->first[i + 1] : n_units) - s->first[i];
}

static int64_t owned(const owner_map *map, const plan *p, int number, uint64_t worker)
{
    int64_t n = 0, n_units = assign_units_of(&p->stages[number]).n;
    const stage_owners *s = &map->stages[number];
    for (int i = 0; i < s->n; i++)
        if (s->owner[i] == worker) n += length_of(s, i, n_units);
    return n;
}

/* Ranges that increase from 0, each of a known worker, none like the one before. */
static void check_map(const owner_map *map, const plan *p, const assign_context *c)
{
    assert_int_equal(map->n_stages, p->n_stages);
    for (int i = 0; i < map->n_stages; i++) {
        const stage_owners *s = &map->stages[i];
        int64_t n_units = assign_units_of(&p->stages[i]).n;
        assert_true(s->n > 0);
        assert_int_equal(s->first[0], 0);
        for (int k = 0; k < s->n; k++) {
            assert_true(length_of(s, k, n_units) > 0);
            assert_true(s->owner[k] >= c->workers[0].id && s->owner[k] <= c->workers[c->n_workers - 1].id);
            if (k > 0) assert_true(s->owner[k] != s->owner[k - 1]);
        }
    }
}

static void test_contiguous(void **state)
{
    tsr_array *x = tsr_random_normal(session, 1, 0, 1, TSR_F64, 2, (int64_t[]){1000, 1 << 20}, (int64_t[]){1, 1 << 20});
    plan *p = plan_of(x);
    assign_context c = context_of(4);
    owner_map map;
    workers[2].threads = 2;
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    check_map(&map, p, &c);
    int last = p->n_stages - 1;
    int64_t n = assign_units_of(&p->stages[last]).n;
    assert_int_equal(map.stages[last].n, 4);
    for (int i = 0; i < 4; i++) {
        double fair = (double)n * workers[i].threads / 5;
        assert_true(owned(&map, p, last, workers[i].id) >= (int64_t)fair &&
                    owned(&map, p, last, workers[i].id) <= (int64_t)fair + 1);
    }
    assert_int_equal(owner_map_find(&map, last, 0), 10);
    assert_int_equal(owner_map_find(&map, last, n - 1), 13);
    assert_int_equal(owner_map_find(&map, last + 1, 0), 0);
    owner_map_free(&map);
    c.n_workers = 0;
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    assert_int_equal(map.stages[0].n, 0);
    assert_int_equal(owner_map_find(&map, 0, 0), 0);
    owner_map_free(&map);
    plan_free(p);
    tsr_release(x);
}

/* ---- Blocks of another job ------------------------------------------------------------------------------------------ */

typedef struct fake_set {
    block_set base;
    grid blocks;
} fake_set;

static void unref(block_set *set) { atomic_fetch_sub(&set->refs, 1); }
static const block_set_ops fake_ops = {unref};

/* An array of `n` blocks of `chunk` rows that are persisted; its node holds the set's reference. */
static tsr_array *persisted(fake_set *set, int64_t n, int64_t chunk, int64_t width)
{
    int64_t shape[] = {n * chunk, width};
    set->base.ops = &fake_ops;
    atomic_store(&set->base.refs, 1);
    set->blocks = (grid){.ndim = 2, .axes = {axis_grid_regular(shape[0], chunk), axis_grid_regular(width, width)}};
    tsr_array proto = {.op = NODE_BLOCKS, .dtype = TSR_F64, .ndim = 2, .session = session, .grid = set->blocks};
    memcpy(proto.shape, shape, sizeof shape);
    proto.p.blocks.set = &set->base;
    proto.p.blocks.stored = &set->blocks;
    tsr_array *a = node_make(session, &proto);
    assert_non_null(a);
    return a;
}

/* Unit i is owner[i]'s. */
static void make_map(owner_map *map, int n, const uint64_t *owner)
{
    *map = (owner_map){.n_stages = 1, .stages = mem_calloc(1, sizeof(stage_owners))};
    stage_owners *s = map->stages;
    s->first = mem_calloc((size_t)n, sizeof *s->first);
    s->owner = mem_calloc((size_t)n, sizeof *s->owner);
    for (int i = 0; i < n; i++) {
        if (s->n > 0 && s->owner[s->n - 1] == owner[i]) continue;
        s->first[s->n] = i;
        s->owner[s->n++] = owner[i];
    }
}

static void test_locality(void **state)
{
    enum { N = 64 };
    fake_set set;
    tsr_array *x = persisted(&set, N, 1000, 1000), *y = tsr_exp(x),
              *z = tsr_slice(x, 1, &(tsr_index){.has_start = true, .has_stop = true, .start = 17000, .stop = 18000});
    tsr_array *mean = tsr_mean(x, 0, NULL, false), *centred = tsr_subtract(x, mean);
    uint64_t owner[N];
    owner_map there, map;
    for (int i = 0; i < N; i++) owner[i] = 10 + (uint64_t)(i / 4 * 7 % 4);
    make_map(&there, N, owner);
    assign_context c = context_of(4);
    assign_input input = {&set.base, &there, 0, 1};
    c.n_inputs = 1;
    c.inputs = &input;

    plan *p = plan_of(y);
    int last = p->n_stages - 1;
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    check_map(&map, p, &c);
    const grid *g = &p->stages[last].outputs[0].blocks;
    for (int64_t i = 0; i < grid_n_blocks(g); i++) {
        box b = grid_box(g, i);
        assert_int_equal(owner_map_find(&map, last, i), owner[b.start[0] / 1000]);
    }
    owner_map_free(&map);
    plan_free(p);

    p = plan_of(z); /* one block, which one worker has */
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    for (int i = 0; i < p->n_stages; i++) assert_int_equal(owner_map_find(&map, i, 0), owner[17]);
    owner_map_free(&map);
    plan_free(p);

    p = plan_of(centred); /* the mean moves, the blocks do not */
    last = p->n_stages - 1;
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    check_map(&map, p, &c);
    g = &p->stages[last].outputs[0].blocks;
    for (int64_t i = 0; i < grid_n_blocks(g); i++) {
        box b = grid_box(g, i);
        assert_int_equal(owner_map_find(&map, last, i), owner[b.start[0] / 1000]);
    }
    owner_map_free(&map);
    plan_free(p);

    /* All with one worker: he gets twice his share, the others the rest. */
    owner_map_free(&there);
    for (int i = 0; i < N; i++) owner[i] = 12;
    make_map(&there, N, owner);
    p = plan_of(y);
    last = p->n_stages - 1;
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    check_map(&map, p, &c);
    int64_t n = assign_units_of(&p->stages[last]).n;
    assert_int_equal(owned(&map, p, last, 12), n / 2);
    assert_true(owned(&map, p, last, 10) >= n / 2 / 3);
    owner_map_free(&map);
    plan_free(p);
    owner_map_free(&there);
    tsr_array *all[] = {x, y, z, mean, centred};
    for (int i = 0; i < 5; i++) tsr_release(all[i]);
}

static void test_single_units(void **state)
{
    int64_t one[] = {5};
    tsr_array *x = tsr_ones(session, TSR_F64, 1, one, NULL), *y = tsr_cumsum(x, 0);
    plan *p = plan_of(y);
    assign_context c = context_of(3);
    owner_map map;
    bool seen[3] = {false};
    for (c.turn = 0; c.turn < 3; c.turn++) {
        assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
        check_map(&map, p, &c);
        seen[owner_map_find(&map, p->n_stages - 1, 0) - 10] = true;
        owner_map_free(&map);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    workers[0].load = 2;
    workers[1].load = 1;
    workers[2].load = 3;
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    assert_int_equal(owner_map_find(&map, p->n_stages - 1, 0), 11);
    assert_true(assign_has(&map, 11) && !assign_has(&map, 12));
    owner_map_free(&map);
    plan_free(p);
    tsr_release(x);
    tsr_release(y);
}

/* All tiles of a chain have one owner, before and after a worker went. */
static void check_chains(const owner_map *map, const plan *p, int number)
{
    assign_units u = assign_units_of(&p->stages[number]);
    assert_true(u.n_along > 1);
    for (int64_t o = 0; o < u.n / u.n_along / u.inner; o++)
        for (int64_t i = 0; i < u.inner; i++)
            for (int64_t k = 1; k < u.n_along; k++)
                assert_int_equal(owner_map_find(map, number, (o * u.n_along + k) * u.inner + i),
                                 owner_map_find(map, number, o * u.n_along * u.inner + i));
}

static void test_moves(void **state)
{
    tsr_array *x = tsr_random_normal(session, 1, 0, 1, TSR_F64, 3, (int64_t[]){400, 3000, 400}, (int64_t[]){200, 300, 20});
    tsr_array *sums[] = {tsr_cumsum(x, 1), tsr_cumsum(x, 0), tsr_cumsum(x, 2), tsr_mean(x, 1, (int[]){1}, false)};
    for (int k = 0; k < 4; k++) {
        plan *p = plan_of(sums[k]);
        assign_context c = context_of(5), rest = {.n_workers = 4};
        assign_worker others[4];
        assign_units units[32];
        owner_map map, moved, same;
        assert_in_range(p->n_stages, 1, 32);
        for (int i = 0; i < p->n_stages; i++) units[i] = assign_units_of(&p->stages[i]);
        for (int i = 0; i < 4; i++) others[i] = workers[i < 2 ? i : i + 1]; /* 12 goes */
        rest.workers = others;
        assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
        check_map(&map, p, &c);
        assert_int_equal(assign_move(&map, units, &rest, &moved), TSR_OK);
        check_map(&moved, p, &c);
        assert_int_equal(assign_move(&map, units, &c, &same), TSR_OK);
        for (int i = 0; i < p->n_stages; i++) {
            for (int64_t u = 0; u < units[i].n; u++) {
                uint64_t before = owner_map_find(&map, i, u), after = owner_map_find(&moved, i, u);
                assert_int_equal(owner_map_find(&same, i, u), before);
                if (before == 12)
                    assert_true(after != 12 && after != 0);
                else
                    assert_int_equal(after, before);
            }
            if (units[i].n_along > 1) {
                check_chains(&map, p, i);
                check_chains(&moved, p, i);
            }
            for (int w = 0; w < 4; w++) { /* fair again */
                int64_t n = owned(&moved, p, i, others[w].id);
                if (units[i].n > 100 && units[i].n_along == 0) assert_true(n >= units[i].n / 4 - 2 && n <= units[i].n / 4 + 2);
            }
        }
        owner_map_free(&map);
        owner_map_free(&moved);
        owner_map_free(&same);
        plan_free(p);
        tsr_release(sums[k]);
    }
    tsr_release(x);
}

/* Chains of very many tiles are cut, and what is left of a worker that went is moved unit by unit. */
static void test_long_chains(void **state)
{
    tsr_array *x = tsr_random_normal(session, 1, 0, 1, TSR_F64, 2, (int64_t[]){40000, 4 << 20}, (int64_t[]){1, 1 << 20});
    tsr_array *sum = tsr_cumsum(x, 0);
    plan *p = plan_of(sum);
    assign_context c = context_of(3), rest = {.n_workers = 2, .workers = workers};
    owner_map map, moved;
    assign_units units[32];
    const int last = p->n_stages - 1;
    assert_in_range(p->n_stages, 1, 32);
    for (int i = 0; i < p->n_stages; i++) units[i] = assign_units_of(&p->stages[i]);
    assert_true(units[last].n_along > 30000 && units[last].inner > 1);
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    check_map(&map, p, &c);
    assert_int_equal(map.stages[last].n, 3);
    assert_int_equal(assign_move(&map, units, &rest, &moved), TSR_OK);
    check_map(&moved, p, &rest);
    for (int i = 0; i < 2; i++) assert_true(llabs(owned(&moved, p, last, workers[i].id) - units[last].n / 2) <= 1);
    owner_map_free(&map);
    owner_map_free(&moved);
    plan_free(p);
    tsr_release(x);
    tsr_release(sum);
}

/* Ten million blocks that others have: the borders of who has what are found without looking at every block. */
static void test_millions(void **state)
{
    enum { N = 10 * 1000 * 1000, N_WORKERS = 1000 };
    fake_set set;
    tsr_array *x = persisted(&set, N, 1, 1 << 20), *e = tsr_exp(x), *y = tsr_sum(e, 1, (int[]){1}, false);
    plan *p = plan_of(y);
    assign_context c = context_of(N_WORKERS);
    owner_map there = {.n_stages = 1, .stages = mem_calloc(1, sizeof(stage_owners))}, map;
    assign_input input = {&set.base, &there, 0, 1};
    stage_owners *s = there.stages;
    s->first = mem_calloc(N_WORKERS, sizeof *s->first);
    s->owner = mem_calloc(N_WORKERS, sizeof *s->owner);
    for (s->n = 0; s->n < N_WORKERS; s->n++) {
        s->first[s->n] = s->n * (int64_t)(N / N_WORKERS) + (s->n ? s->n * 7919 % 5000 - 2500 : 0);
        s->owner[s->n] = 10 + (uint64_t)(s->n * 37 % N_WORKERS);
    }
    c.n_inputs = 1;
    c.inputs = &input;
    int64_t begin = os_now_ns();
    assert_int_equal(assign_plan(p, &c, &map), TSR_OK);
    double seconds = (double)(os_now_ns() - begin) * 1e-9;
    check_map(&map, p, &c);
    print_message("%d stages, %.0f units in the first, %d ranges, %.4f s\n", p->n_stages,
                  (double)assign_units_of(&p->stages[0]).n, map.stages[0].n, seconds);
    assert_int_equal(assign_units_of(&p->stages[0]).n, N);
    assert_int_equal(map.stages[0].n, N_WORKERS);
    for (int i = 0; i < N_WORKERS; i++) {
        assert_int_equal(map.stages[0].first[i], s->first[i]);
        assert_int_equal(map.stages[0].owner[i], s->owner[i]);
    }
    owner_map_free(&map);
    owner_map_free(&there);
    plan_free(p);
    tsr_release(x);
    tsr_release(e);
    tsr_release(y);
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

/* Of one giver; everybody else is done with all stages. */
static int64_t left_of(const owner_map *map, const assign_units *units, const assign_gift *g)
{
    assign_gift gifts[3];
    int64_t left[3];
    uint32_t owner[256];
    size_t n = 0;
    for (int i = 0; i < 3; i++) gifts[i] = (assign_gift){.giver = (uint64_t)i + 1, .stage = INT_MAX};
    gifts[g->giver - 1] = *g;
    for (int i = 0; i < map->n_stages; i++)
        for (int k = 0; k < map->stages[i].n; k++) owner[n++] = (uint32_t)map->stages[i].owner[k] - 1;
    assign_left(map, units, owner, 3, gifts, left);
    for (uint64_t i = 0; i < 3; i++) assert_true(i + 1 == g->giver || left[i] == 0);
    return left[g->giver - 1];
}

/* What is given comes from the end, and only of what is not done yet. */
static void test_give(void **state)
{
    int64_t first[] = {0, 10, 50, 60};
    uint64_t owner[] = {1, 2, 1, 2};
    stage_owners stages[2] = {{4, first, owner}, {4, first, owner}};
    const owner_map map = {2, stages};
    assign_units units[2] = {{.n = 100, .n_runs = 1}, {.n = 100, .n_runs = 1}};
    assign_gift g = {.giver = 2, .taker = 3, .stage = 0, .unit = 20, .part = 0.5};
    owner_map out;
    assert_int_equal(left_of(&map, units, &g), 30 + 40 + 80);
    assert_int_equal(assign_give(&map, units, &g, &out), TSR_OK);
    assert_int_equal(out.stages[0].n, 5); /* 70 are left, 35 of them are given */
    assert_int_equal(owner_map_find(&out, 0, 49), 2);
    assert_int_equal(owner_map_find(&out, 0, 64), 2);
    assert_int_equal(owner_map_find(&out, 0, 65), 3);
    assert_int_equal(owner_map_find(&out, 1, 50), 1);
    assert_int_equal(owner_map_find(&out, 1, 59), 1);
    assert_int_equal(owner_map_find(&out, 1, 60), 3);
    owner_map_free(&out);
    g.part = 1;
    assert_int_equal(assign_give(&map, units, &g, &out), TSR_OK);
    assert_int_equal(owner_map_find(&out, 0, 19), 2);
    assert_int_equal(owner_map_find(&out, 0, 20), 3);
    assert_int_equal(owner_map_find(&out, 0, 55), 1);
    assert_int_equal(owner_map_find(&out, 1, 10), 3);
    owner_map_free(&out);
}

/* All stages are cut at the same place, behind what is done: what is made from what moves goes with it. */
static void test_cut(void **state)
{
    int64_t first[] = {0, 100}, fewer[] = {0, 50}, single[] = {0};
    uint64_t owner[] = {1, 2};
    stage_owners stages[4] = {{2, first, owner}, {2, first, owner}, {2, fewer, owner}, {1, single, owner}};
    const owner_map map = {4, stages};
    const assign_units units[4] = {
        {.n = 200, .n_runs = 1}, {.n = 200, .n_runs = 1}, {.n = 100, .n_runs = 1}, {.n = 1, .n_runs = 1}};
    int64_t from[4];
    owner_map out;
    assign_cut(&map, units, 1, (uint64_t[]){60, 40, 10, 0}, 101, from);
    assert_true(from[0] == 60 && from[1] == 60 && from[2] == 30 && from[3] == 0);
    assign_cut(&map, units, 1, (uint64_t[]){60, 40, 10, 0}, 121, from); /* of the first stage no more is left */
    assert_int_equal(from[0], 60);
    assert_in_range(from[1], 45, 48);
    assert_in_range(2 * from[2], from[1] - 2, from[1] + 2);
    assign_cut(&map, units, 1, (uint64_t[]){1000, 40, 10, 0}, 5, from); /* more was done than is its own now */
    assert_true(from[0] == 200 && from[1] < 100 && from[1] >= 97);
    const assign_gift g = {.giver = 1, .taker = 3, .from = (int64_t[]){60, 60, 30, 0}};
    assert_int_equal(assign_give(&map, units, &g, &out), TSR_OK);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(owner_map_find(&out, 0, i), i < 60 ? 1 : i < 100 ? 3 : 2);
        assert_int_equal(owner_map_find(&out, 1, i), i < 60 ? 1 : i < 100 ? 3 : 2);
        assert_int_equal(owner_map_find(&out, 2, i / 2), i < 60 ? 1 : i < 100 ? 3 : 2);
    }
    assert_int_equal(owner_map_find(&out, 3, 0), 3);
    owner_map_free(&out);
    /* Chains move whole. */
    const assign_units chains[4] = {
        {.n = 200, .n_runs = 1, .n_along = 8, .inner = 1}, units[1], units[2], {.n = 1, .n_runs = 1, .n_along = 1, .inner = 1}};
    assign_cut(&map, chains, 1, (uint64_t[]){60, 40, 10, 0}, 101, from);
    assert_int_equal(from[0], 64);
}

static void check_gift(const owner_map *map, const assign_units *units, const assign_gift *g, int64_t left, const char *expected)
{
    owner_map out;
    assert_int_equal(left_of(map, units, g), left);
    assert_int_equal(assign_give(map, units, g, &out), TSR_OK);
    for (int64_t i = 0; i < units[0].n; i++) assert_int_equal(owner_map_find(&out, 0, i), expected[i] - '0');
    for (int i = 1; i < out.stages[0].n; i++) assert_true(out.stages[0].owner[i] != out.stages[0].owner[i - 1]);
    owner_map_free(&out);
}

/* Of chains, the ends are given: whole chains that are not begun, and the rest of those that are. */
static void test_give_chains(void **state)
{
    int64_t first[] = {0, 12, 16};
    uint64_t owner[] = {2, 1, 2};
    stage_owners owners = {3, first, owner};
    const owner_map map = {1, &owners};
    /* Six chains of four tiles, one after the other; the fourth is another's. */
    assign_units units = {.n = 24, .n_runs = 1, .n_along = 4, .inner = 1};
    assign_gift g = {.giver = 2, .taker = 3, .unit = 5, .part = 0.5};
    check_gift(&map, &units, &g, 2 + 4 + 8, "222222222222111133333333");
    g.part = 1;
    check_gift(&map, &units, &g, 14, "222222333333111133333333");
    g.part = 0.2;
    check_gift(&map, &units, &g, 14, "222222222222111122222222");
    /* Two times three chains of four tiles, side by side; one row of four units is another's. */
    units.inner = 3;
    g = (assign_gift){.giver = 2, .taker = 3, .unit = 4, .part = 0.5};
    check_gift(&map, &units, &g, 6 + 8, "222222222222111133333333");
    g.part = 0.34;
    check_gift(&map, &units, &g, 14, "222222222222111133233233");
    g.unit = 23;
    g.part = 1;
    check_gift(&map, &units, &g, 0, "222222222222111122222222");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_give_chains), cmocka_unit_test(test_give),        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_contiguous),  cmocka_unit_test(test_locality),    cmocka_unit_test(test_single_units),
        cmocka_unit_test(test_moves),       cmocka_unit_test(test_long_chains), cmocka_unit_test(test_millions),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
