/* The rewriter by itself: results are sound expressions, nothing leaks when memory runs out at any point, and long chains cost
 * linear work. What each rule does is tested in tests/python/test_structure.py. */
#include "array/session.h"
#include "optimize/optimize.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROWS = 12, COLUMNS = 10 };

static double numbers[ROWS * COLUMNS];

static tsr_session *open_session(void)
{
    tsr_options options = {.n_threads = 1};
    tsr_session *s = tsr_session_open(NULL, &options);
    assert_non_null(s);
    s->optimizes = true;
    return s;
}

static tsr_array *table(tsr_session *s)
{
    return tsr_from_memory(s, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLUMNS}, NULL, NULL, NULL, (int64_t[]){5, 4});
}

static tsr_array *rows(tsr_array *a, int64_t start, int64_t stop)
{
    return tsr_slice(a, 1, &(tsr_index){.has_start = true, .start = start, .has_stop = true, .stop = stop});
}

/* An expression in which most rules find something; the caller owns all arrays through the session. */
static tsr_array *busy_expression(tsr_session *s)
{
    tsr_array *x = table(s), *one = tsr_scalar_array(s, tsr_float(1)), *two = tsr_add(one, one);
    tsr_array *pair[2] = {x, tsr_multiply(x, one)}, *joined = tsr_concatenate(2, pair, 0);
    tsr_array *nested[2] = {joined, tsr_rechunk(joined, (int64_t[]){7, 3})}, *all = tsr_concatenate(2, nested, 0);
    tsr_array *taken = tsr_take(tsr_sqrt(all), 6, (int64_t[]){3, 3, 9, 40, 0, 1}, 0);
    tsr_array *even = tsr_take(all, 6, (int64_t[]){0, 2, 4, 6, 8, 10}, 0);
    tsr_array *sums = tsr_cumsum(tsr_divide(all, two), 1), *part = rows(tsr_cumsum(all, 0), 2, 8);
    tsr_array *middle = tsr_quantile(tsr_negative(tsr_negative(all)), 3, (double[]){0.1, 0.5, 0.9}, 1, (int[]){1}, false);
    tsr_array *quantiles =
        tsr_expand_dims(tsr_slice(rows(middle, 1, 2), 1, &(tsr_index){.kind = TSR_INDEX_INTEGER}), 1, (int[]){1});
    tsr_array *count = rows(tsr_count_nonzero(all, 1, (int[]){1}, true), 0, 6);
    tsr_array *range = tsr_reshape(tsr_arange_int(s, 0, 60, 1, TSR_I64, NULL), 2, (int64_t[]){6, 10});
    tsr_array *shaped = tsr_slice(tsr_reshape(sums, 3, (int64_t[]){ROWS * 2, 2, COLUMNS}), 2,
                                  (tsr_index[]){{.has_stop = true, .stop = 6}, {.kind = TSR_INDEX_INTEGER}});
    tsr_array *total = tsr_add(taken, even);
    total = tsr_add(total, part);
    total = tsr_add(total, rows(quantiles, 0, 6));
    total = tsr_add(total, count);
    total = tsr_add(total, tsr_astype(tsr_astype(range, TSR_F64), TSR_I64));
    return tsr_where(tsr_less(one, two), tsr_add(total, shaped), two);
}

static void test_results_are_sound(void **state)
{
    tsr_session *s = open_session();
    tsr_array *root = busy_expression(s), *result;
    optimize_report report;
    int64_t rules = 0;
    assert_non_null(root);
    assert_int_equal(graph_check(root), TSR_OK);
    assert_int_equal(optimize_graph(1, &root, &result, &report), TSR_OK);
    assert_int_equal(graph_check(result), TSR_OK);
    assert_int_equal(result->dtype, root->dtype);
    assert_int_equal(result->ndim, root->ndim);
    for (int d = 0; d < root->ndim; d++) assert_int_equal(result->shape[d], root->shape[d]);
    for (int i = 0; i < N_RULES; i++) rules += report.applied[i] > 0;
    strbuf text = {0};
    optimize_describe(&report, &text);
    if (rules < 14) fail_msg("%d rules: %s", (int)rules, text.text);
    strbuf_fini(&text);
    tsr_array *again;
    assert_int_equal(optimize_graph(1, &result, &again, &report), TSR_OK);
    assert_ptr_equal(again, result); /* nothing is left to do */
    node_unref(again);
    node_unref(result);
    tsr_session_close(s);
}

static void test_switch(void **state)
{
    tsr_session *s = open_session();
    tsr_array *root = busy_expression(s), *result;
    optimize_report report;
    s->optimizes = false;
    assert_int_equal(optimize_graph(1, &root, &result, &report), TSR_OK);
    assert_ptr_equal(result, root);
    node_unref(result);
    tsr_session_close(s);
}

/* Whichever allocation fails: a clean error, and every node that was made is gone again. */
static void test_out_of_memory(void **state)
{
    tsr_session *s = open_session();
    tsr_array *roots[2] = {busy_expression(s), NULL}, *results[2];
    roots[1] = tsr_max(tsr_astype(roots[0], TSR_I64), 0, NULL, false);
    optimize_report report;
    size_t n_nodes = s->n_nodes;
    tsr_status status = TSR_ERR_MEMORY;
    int n = 0;
    while (status != TSR_OK && n < 100000) {
        tsr_error_clear();
        mem_fail_at(++n);
        status = optimize_graph(n % 2 + 1, roots, results, &report);
        mem_fail_at(0);
        if (status == TSR_OK) {
            for (int i = 0; i < n % 2 + 1; i++) node_unref(results[i]);
        } else {
            assert_int_equal(status, TSR_ERR_MEMORY);
            assert_true(tsr_error_message()[0] != '\0');
        }
        assert_int_equal(s->n_nodes, n_nodes);
    }
    assert_int_equal(status, TSR_OK);
    assert_true(n > 50);
    tsr_session_close(s);
}

/* A slice above a chain of differences: every level would want its own slices of all levels below. */
static void test_work_is_linear(void **state)
{
    enum { DEPTH = 3000 };
    tsr_session *s = open_session();
    tsr_array *pieces[2], *x, *result;
    optimize_report report;
    int64_t applied = 0;
    for (int i = 0; i < 2; i++) pieces[i] = tsr_arange_int(s, 0, 4000, 1, TSR_I64, NULL);
    x = tsr_concatenate(2, pieces, 0);
    for (int i = 0; i < DEPTH; i++) x = tsr_diff(x, 1, 0);
    size_t n_given = s->n_nodes;
    assert_int_equal(optimize_graph(1, &x, &result, &report), TSR_OK);
    for (int i = 0; i < N_RULES; i++) applied += report.applied[i];
    assert_true(applied < 100 * DEPTH);
    assert_true(s->n_nodes < n_given + 200 * DEPTH);
    node_unref(result);
    assert_int_equal(s->n_nodes, n_given);
    tsr_session_close(s);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLUMNS; i++) numbers[i] = i % 7 - 3;
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(test_results_are_sound),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_work_is_linear),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
