/* Plans are consistent: what stages read lies inside what others make, tiles cover their domains, and every tile of a stage that
 * is asked for is one of its tasks. What plans look like is tested in tests/python/test_structure.py. */
#include "plan/plan.h"

#include "array/session.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { N_CASES = 14 };

static tsr_array *normal(tsr_session *s, int64_t rows, int64_t columns, int64_t chunk)
{
    return tsr_random_normal(s, 3, 0, 1, TSR_F64, 2, (int64_t[]){rows, columns}, (int64_t[]){chunk, chunk});
}

static tsr_array *cut(tsr_array *a, int64_t start, int64_t step)
{
    return tsr_slice(a, 1, &(tsr_index){.has_start = true, .start = start, .has_step = true, .step = step});
}

/* One expression of each kind that stages, operands and tiles differ by. */
static tsr_array *example(tsr_session *s, int number)
{
    tsr_array *x = normal(s, 900, 1100, 130), *pair[2] = {x, cut(x, 5, 1)};
    const int first[] = {0}, second[] = {1};
    switch (number) {
    case 0: return tsr_add(x, tsr_flip(x, 0, NULL));
    case 1: return tsr_divide(tsr_subtract(x, tsr_mean(x, 1, first, false)), tsr_std(x, 1, first, false, 0));
    case 2: return tsr_concatenate(2, pair, 0);
    case 3: return cut(tsr_concatenate(2, (tsr_array *[]){tsr_sqrt(x), tsr_cumsum(x, 0)}, 0), 1790, -3);
    case 4: return tsr_reshape(tsr_cumsum(x, 1), 3, (int64_t[]){90, 1100, 10});
    case 5: return tsr_take(tsr_sum(x, 1, second, true), 5, (int64_t[]){4, 4, 899, 0, 17}, 0);
    case 6: return cut(tsr_quantile(x, 2, (double[]){0.2, 0.7}, 1, first, false), 1, 1);
    case 7: return tsr_histogram(x, &(tsr_bins){.n = 10, .low = -3, .high = 3}, true);
    case 8: return cut(tsr_mean(x, 1, first, false), 1000, 1);
    case 9: return tsr_subtract(cut(x, 1, 1), tsr_slice(x, 1, &(tsr_index){.has_stop = true, .stop = -1}));
    case 10: return tsr_zeros(s, TSR_F32, 2, (int64_t[]){0, 7}, NULL);
    case 11: return tsr_sum(tsr_zeros(s, TSR_F32, 2, (int64_t[]){0, 7}, NULL), 1, first, false);
    case 12: return tsr_mean(normal(s, 1 << 20, 1 << 10, 1), 0, NULL, false);
    default: return tsr_transpose(tsr_diff(tsr_cumsum(x, 0), 2, 1), NULL);
    }
}

/* The tiles of the part that is needed, counted one by one. */
static void check_needs(const stage *s)
{
    int64_t n = 0, tiles = 1;
    for (int d = 0; d < s->tiles.ndim; d++) tiles *= s->tiles.axes[d].n_blocks;
    if (!s->is_needed || box_size(&s->needed) == 0 || tiles > 100000) return;
    for (int64_t k = 0; k < tiles; k++) {
        box tile = grid_box(&s->tiles, k);
        bool inside = true, is_first_fold = true;
        for (int d = 0; d < tile.ndim; d++) {
            int64_t end = s->needed.start[d] + s->needed.count[d];
            bool here = tile.start[d] >= s->needed.start[d] && tile.start[d] + tile.count[d] <= end;
            inside = inside && here;
            if (!here) assert_true(tile.start[d] >= end || tile.start[d] + tile.count[d] <= s->needed.start[d]); /* whole tiles */
            if (s->kind == STAGE_REDUCE && s->axes >> d & 1) is_first_fold = is_first_fold && tile.start[d] == 0;
        }
        n += inside && is_first_fold;
    }
    assert_int_equal(n * s->n_runs, s->n_needed);
}

static void check_plan(const plan *p)
{
    assert_int_equal(plan_check(p), TSR_OK);
    for (int i = 0; i < p->n_roots; i++) assert_int_equal(graph_check(p->nodes[i]), TSR_OK);
    for (int i = 0; i < p->n_stages; i++) {
        const stage *s = &p->stages[i];
        assert_true(s->n_needed <= s->n_tasks);
        assert_true(s->bytes_kept <= s->bytes_read);
        for (int k = 0; k < s->n_outputs; k++) {
            if (s->outputs[k].root >= 0) assert_int_equal(s->n_needed, s->n_tasks);
        }
        check_needs(s);
    }
}

static void test_examples(void **state)
{
    tsr_session *s = tsr_session_open(NULL, NULL);
    for (int optimize = 0; optimize < 2; optimize++) {
        for (int i = 0; i < N_CASES; i++) {
            tsr_array *root = example(s, i);
            plan *p;
            s->optimizes = optimize;
            assert_non_null(root);
            assert_int_equal(plan_build(1, &root, NULL, &p), TSR_OK);
            check_plan(p);
            plan_free(p);
        }
    }
    tsr_session_close(s);
}

static void test_together(void **state)
{
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_array *roots[N_CASES];
    plan *p;
    for (int i = 0; i < N_CASES; i++) roots[i] = example(s, i);
    assert_int_equal(plan_build(N_CASES, roots, NULL, &p), TSR_OK);
    check_plan(p);
    plan_free(p);
    roots[1] = roots[5]; /* the same twice, and a result that another reads */
    roots[2] = tsr_sqrt(roots[5]);
    assert_int_equal(plan_build(6, roots, NULL, &p), TSR_OK);
    check_plan(p);
    plan_free(p);
    tsr_session_close(s);
}

/* Blocks of a root with a hint are whole chunks of the file it goes to. */
static void test_hints(void **state)
{
    tsr_session *s = tsr_session_open(NULL, NULL);
    const int64_t chunk[2] = {37, 11};
    for (int i = 0; i < 2; i++) {
        tsr_array *root = example(s, i == 0 ? 0 : 13);
        plan_hint hint = {chunk};
        plan *p;
        assert_int_equal(plan_build(1, &root, &hint, &p), TSR_OK);
        check_plan(p);
        const stage *last = &p->stages[p->roots[0].stage];
        for (int d = 0; d < 2; d++) {
            const axis_grid *g = &last->tiles.axes[d];
            for (int64_t k = 1; k < g->n_blocks; k++) assert_int_equal(axis_grid_start(g, k) % chunk[d], 0);
        }
        plan_free(p);
    }
    tsr_session_close(s);
}

static const double table[4000][500];

/* x * x[::-1, ::-1]: every tile is folded once, and right after its mirror image. */
static void test_mirrored(void **state)
{
    enum { ROWS = 4000, COLS = 500 };
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_array *x = tsr_from_memory(s, table, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){1000, COLS});
    tsr_array *y = tsr_sum(tsr_multiply(x, tsr_flip(x, 0, NULL)), 0, NULL, false),
              *z = tsr_sum(tsr_multiply(x, x), 0, NULL, false);
    int64_t covered = 0;
    plan *p;
    assert_int_equal(plan_build(1, &y, NULL, &p), TSR_OK);
    const stage *f = &p->stages[0];
    assert_true(f->is_mirrored && f->n_folds > 4);
    for (int64_t k = 0; k < f->n_folds; k++) {
        box tile = stage_fold_tile(f, 0, k), before = k % 2 ? stage_fold_tile(f, 0, k - 1) : tile;
        if (k % 2) assert_in_range(ROWS - before.start[0] - tile.start[0], tile.count[0], 2 * f->tiles.axes[0].chunk);
        covered += tile.start[0] * tile.count[0] + tile.count[0] * (tile.count[0] - 1) / 2; /* the sum of its rows' numbers */
    }
    assert_int_equal(covered, (int64_t)ROWS * (ROWS - 1) / 2);
    plan_free(p);
    assert_int_equal(plan_build(1, &z, NULL, &p), TSR_OK);
    assert_false(p->stages[0].is_mirrored);
    plan_free(p);
    tsr_session_close(s);
}

/* x - m with a large m: tiles reach along the axis that m is broadcast along. */
static void test_large_broadcasts(void **state)
{
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_array *x = tsr_from_memory(s, table, TSR_F64, 3, (int64_t[]){8, 500, 500}, NULL, NULL, NULL, (int64_t[]){8, 500, 500});
    tsr_array *m = tsr_from_memory(s, table, TSR_F64, 2, (int64_t[]){500, 500}, NULL, NULL, NULL, NULL);
    tsr_array *y = tsr_subtract(x, m), *plain = tsr_add(x, x);
    plan *p;
    assert_int_equal(plan_build(1, &y, NULL, &p), TSR_OK);
    assert_int_equal(p->stages[0].tiles.axes[0].n_blocks, 1);
    assert_true(p->stages[0].tiles.axes[1].n_blocks > 1);
    plan_free(p);
    assert_int_equal(plan_build(1, &plain, NULL, &p), TSR_OK);
    assert_true(p->stages[0].tiles.axes[0].n_blocks > 1);
    plan_free(p);
    tsr_session_close(s);
}

static void test_out_of_memory(void **state)
{
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_array *roots[3] = {example(s, 1), example(s, 3), example(s, 5)};
    tsr_status status = TSR_ERR_MEMORY;
    plan *p;
    int n = 0;
    while (status != TSR_OK && n < 100000) {
        tsr_error_clear();
        mem_fail_at(++n);
        status = plan_build(3, roots, NULL, &p);
        mem_fail_at(0);
        assert_true(status == TSR_OK || status == TSR_ERR_MEMORY);
    }
    assert_int_equal(status, TSR_OK);
    plan_free(p);
    tsr_session_close(s);
}

/* What a plan says of itself as a whole: elements of every stage's part that is needed, and no more than the tiles of a product
 * move. */
static void test_totals(void **state)
{
    enum { N = 900 * 1100 };
    static const struct {
        int number;
        int64_t elements;
    } cases[] = {{0, N}, {1, 2 * N}, {6, N}, {10, 0}, {11, 0}, {12, INT64_C(1) << 30}};
    tsr_session *s = tsr_session_open(NULL, NULL);
    tsr_prediction p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_array *root = example(s, cases[i].number);
        assert_int_equal(tsr_predict(1, &root, &p), TSR_OK);
        assert_int_equal(p.elements, cases[i].elements);
        assert_int_equal(p.bytes_read, 0);
        assert_true(p.tasks > 0);
    }
    tsr_array *x = normal(s, 900, 1100, 130), *roots[] = {tsr_sum(x, 0, NULL, false), tsr_mean(x, 0, NULL, false)};
    assert_int_equal(tsr_predict(2, roots, &p), TSR_OK);
    assert_int_equal(p.elements, N); /* shared */
    tsr_array *square = tsr_ones(s, TSR_F64, 2, (int64_t[]){3000, 3000}, NULL), *product = tsr_matmul(square, square);
    assert_int_equal(tsr_predict(1, &product, &p), TSR_OK);
    assert_true(p.elements >= 2 * 3000 * 3000 && p.elements < INT64_C(3000) * 3000 * 3000 / 100);
    tsr_array *none = NULL;
    assert_int_equal(tsr_predict(1, &none, &p), TSR_ERR_VALUE);
    assert_int_equal(tsr_predict(0, roots, &p), TSR_ERR_VALUE);
    tsr_session_close(s);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(test_examples), cmocka_unit_test(test_together),         cmocka_unit_test(test_hints),
        cmocka_unit_test(test_mirrored), cmocka_unit_test(test_large_broadcasts), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_totals),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
