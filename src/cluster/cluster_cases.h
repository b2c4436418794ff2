/* Expressions that must give the same bits on threads and on a cluster. */
#ifndef TESSERA_CLUSTER_CASES_H
#define TESSERA_CLUSTER_CASES_H

#include "array/node.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CASE_ROWS = 61, CASE_COLS = 47 };

/* In memory, cut into blocks that do not divide it. */
static tsr_array *case_table(tsr_session *s)
{
    static double table[CASE_ROWS][CASE_COLS];
    for (int i = 0; i < CASE_ROWS; i++)
        for (int j = 0; j < CASE_COLS; j++) table[i][j] = sin(i * 31 + j) * (i - j) + (i * j) % 7;
    return tsr_from_memory(s, table, TSR_F64, 2, (int64_t[]){CASE_ROWS, CASE_COLS}, NULL, NULL, NULL, (int64_t[]){10, 7});
}

static tsr_array *case_plain(tsr_array *x) { return tsr_add(x, x); }
static tsr_array *case_z(tsr_array *x)
{
    int axis = 0;
    return tsr_divide(tsr_subtract(x, tsr_mean(x, 1, &axis, false)), tsr_std(x, 1, &axis, 0, false));
}
static tsr_array *case_mean(tsr_array *x) { return tsr_mean(x, 0, NULL, false); }
static tsr_array *case_sum_rows(tsr_array *x) { return tsr_sum(x, 1, (int[]){1}, true); }
static tsr_array *case_argmax(tsr_array *x) { return tsr_argmax(x, 1, (int[]){0}, false); }
static tsr_array *case_element(tsr_array *x)
{
    return tsr_slice(x, 2, (tsr_index[]){{.kind = TSR_INDEX_INTEGER, .start = 3}, {.kind = TSR_INDEX_INTEGER, .start = 4}});
}
static tsr_array *case_slice(tsr_array *x)
{
    return tsr_slice(
        x, 2,
        (tsr_index[]){
            {.kind = TSR_INDEX_SLICE, .start = 50, .stop = 2, .step = -3, .has_start = true, .has_stop = true, .has_step = true},
            {.kind = TSR_INDEX_SLICE, .start = 4, .step = 1, .has_start = true}});
}
static tsr_array *case_empty(tsr_array *x)
{
    return tsr_slice(
        x, 1,
        (tsr_index[]){
            {.kind = TSR_INDEX_SLICE, .start = 4, .stop = 4, .step = 1, .has_start = true, .has_stop = true, .has_step = true}});
}
static tsr_array *case_concat(tsr_array *x)
{
    return tsr_concatenate(2, (tsr_array *[]){x, tsr_rechunk(x, (int64_t[]){5, -1})}, 0);
}
static tsr_array *case_take(tsr_array *x) { return tsr_take(x, 4, (int64_t[]){3, 0, 22, 3}, 1); }
static tsr_array *case_reshape(tsr_array *x) { return tsr_reshape(x, 1, (int64_t[]){CASE_ROWS * CASE_COLS}); }
static tsr_array *case_rechunk(tsr_array *x) { return tsr_rechunk(tsr_sin(x), (int64_t[]){-1, 3}); }
static tsr_array *case_window(tsr_array *x) { return tsr_max(tsr_sliding_window(x, 5, 2, 0), 1, (int[]){2}, false); }
static tsr_array *case_cumsum(tsr_array *x) { return tsr_cumsum(x, 0); }
static tsr_array *case_quantile(tsr_array *x) { return tsr_quantile(x, 2, (double[]){0.1, 0.75}, 1, (int[]){1}, false); }
static tsr_array *case_method(tsr_array *x)
{
    return tsr_quantile_by(tsr_astype(x, TSR_I16), 2, (double[]){0.1, 0.75}, 1, (int[]){0}, false,
                           &(tsr_quantile_options){.method = "closest_observation"});
}
static tsr_array *case_weighted(tsr_array *x)
{
    return tsr_quantile_by(x, 2, (double[]){0.1, 0.75}, 1, (int[]){0}, false,
                           &(tsr_quantile_options){.method = "inverted_cdf", .weights = tsr_square(x)});
}
static tsr_array *case_histogram(tsr_array *x) { return tsr_histogram(x, &(tsr_bins){.n = 6, .low = -10, .high = 20}, false); }
static tsr_array *case_product(tsr_array *x) { return tsr_matmul(x, tsr_transpose(x, NULL)); }
static tsr_array *case_random(tsr_array *x)
{
    return tsr_add(x, tsr_random_normal(x->session, 7, 1, 2, TSR_F64, 2, (int64_t[]){CASE_ROWS, CASE_COLS}, NULL));
}
static tsr_array *case_cast(tsr_array *x) { return tsr_astype(x, TSR_I16); }
static tsr_array *case_transpose(tsr_array *x) { return tsr_transpose(tsr_exp(x), NULL); }
static tsr_array *case_searchsorted(tsr_array *x)
{
    return tsr_searchsorted(tsr_arange(x->session, -20, 20, 3, TSR_F64, NULL), x, true, NULL);
}
/* Selects nothing in some blocks. */
static tsr_array *case_mask(tsr_array *x)
{
    return tsr_mask(x, tsr_greater(x, tsr_full(x->session, tsr_float(20), TSR_F64, 0, NULL, NULL)));
}
static tsr_array *case_no_mask(tsr_array *x)
{
    return tsr_mask(x, tsr_greater(x, tsr_full(x->session, tsr_float(1e9), TSR_F64, 0, NULL, NULL)));
}
static tsr_array *case_mask_rows(tsr_array *x)
{
    tsr_array *first = tsr_slice(x, 2, (tsr_index[]){{.kind = TSR_INDEX_SLICE}, {.kind = TSR_INDEX_INTEGER, .start = 5}});
    return tsr_mask(x, tsr_greater(first, tsr_mean(first, 0, NULL, false)));
}
static tsr_array *case_mask_extremes(tsr_array *x) { return tsr_max(case_mask(x), 0, NULL, false); }
static tsr_array *case_assign_mask(tsr_array *x)
{
    tsr_array *mask = tsr_greater(x, tsr_full(x->session, tsr_float(20), TSR_F64, 0, NULL, NULL)), *chosen = tsr_mask(x, mask);
    return tsr_setitem(x, 1, &(tsr_index){.kind = TSR_INDEX_MASK, .mask = mask}, tsr_cumsum(chosen, 0));
}
static tsr_array *case_assign_places(tsr_array *x)
{
    const int64_t places[] = {40, 3, 3, 17}, n = 4;
    return tsr_setitem(x, 1, &(tsr_index){.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = &n, .indices = places},
                       tsr_scalar_array(x->session, tsr_float(-1)));
}
static tsr_array *case_assign_slice(tsr_array *x)
{
    tsr_index items[] = {{.kind = TSR_INDEX_SLICE, .start = 3, .step = 7, .has_start = true, .has_step = true}};
    return tsr_setitem(x, 1, items, tsr_negative(tsr_slice(x, 1, items)));
}
static tsr_array *case_permutation(tsr_array *x) { return tsr_random_permutation(x->session, 3, 500, (int64_t[]){100}); }
static tsr_array *case_permuted(tsr_array *x) { return tsr_random_permuted(x, 5, 1); }
static tsr_array *case_choice(tsr_array *x)
{
    const int64_t n[] = {20, 30};
    return tsr_random_choice_of(tsr_reshape(x, 1, (int64_t[]){CASE_ROWS * CASE_COLS}), 9, NULL, true, 2, n, (int64_t[]){7, 9});
}
static tsr_array *case_weighted_choice(tsr_array *x)
{
    tsr_array *row = tsr_abs(tsr_slice(x, 1, (tsr_index[]){{.kind = TSR_INDEX_INTEGER, .start = 7}}));
    const int64_t n = 10;
    return tsr_random_choice(x->session, 4, CASE_COLS, tsr_divide(row, tsr_sum(row, 0, NULL, false)), false, 1, &n, NULL);
}
static tsr_array *case_multinomial(tsr_array *x)
{
    static const double p[] = {0.1, 0.4, 0.2, 0.3};
    const int64_t four = 4, n[] = {30, 20};
    tsr_array *pvals = tsr_from_memory(x->session, p, TSR_F64, 1, &four, NULL, NULL, NULL, NULL);
    return tsr_random_multinomial(tsr_scalar_array(x->session, tsr_int(50)), pvals, 8, 2, n, (int64_t[]){7, 20});
}
static tsr_array *case_colors(tsr_array *x)
{
    static const int64_t colors[] = {10, 40, 20};
    const int64_t three = 3, n[] = {30, 20};
    tsr_array *c = tsr_from_memory(x->session, colors, TSR_I64, 1, &three, NULL, NULL, NULL, NULL);
    return tsr_random_multivariate_hypergeometric(c, 25, 8, 2, n, (int64_t[]){7, 20});
}
static tsr_array *case_persisted(tsr_array *x)
{
    tsr_array *d = tsr_add(x, x), *y = NULL;
    assert_int_equal(tsr_persist(1, &d, &y), TSR_OK);
    return tsr_subtract(tsr_negative(y), tsr_mean(y, 1, (int[]){0}, false));
}
static tsr_array *case_persisted_twice(tsr_array *x)
{
    tsr_array *two[] = {tsr_cumsum(x, 1), tsr_mean(x, 1, (int[]){0}, false)}, *y[2], *z = NULL;
    assert_int_equal(tsr_persist(2, two, y), TSR_OK);
    tsr_array *sum = tsr_add(y[0], y[1]);
    assert_int_equal(tsr_persist(1, &sum, &z), TSR_OK);
    for (int i = 0; i < 2; i++) tsr_release(y[i]);
    tsr_release(sum);
    return tsr_multiply(z, z);
}

static const struct expression_case {
    const char *name;
    tsr_array *(*make)(tsr_array *x);
} expression_cases[] = {{"plain", case_plain},
                        {"z", case_z},
                        {"mean", case_mean},
                        {"sum of rows", case_sum_rows},
                        {"argmax", case_argmax},
                        {"element", case_element},
                        {"slice", case_slice},
                        {"empty", case_empty},
                        {"concat", case_concat},
                        {"take", case_take},
                        {"reshape", case_reshape},
                        {"rechunk", case_rechunk},
                        {"window", case_window},
                        {"cumsum", case_cumsum},
                        {"quantile", case_quantile},
                        {"method", case_method},
                        {"weighted", case_weighted},
                        {"histogram", case_histogram},
                        {"product", case_product},
                        {"random", case_random},
                        {"cast", case_cast},
                        {"transpose", case_transpose},
                        {"searchsorted", case_searchsorted},
                        {"mask", case_mask},
                        {"mask of nothing", case_no_mask},
                        {"mask of rows", case_mask_rows},
                        {"extremes of a mask", case_mask_extremes},
                        {"assign by mask", case_assign_mask},
                        {"assign at places", case_assign_places},
                        {"assign to a slice", case_assign_slice},
                        {"permutation", case_permutation},
                        {"permuted", case_permuted},
                        {"choice", case_choice},
                        {"weighted choice", case_weighted_choice},
                        {"multinomial", case_multinomial},
                        {"colors", case_colors},
                        {"persisted", case_persisted},
                        {"persisted twice", case_persisted_twice}};
enum { N_EXPRESSION_CASES = sizeof expression_cases / sizeof *expression_cases };

/* The bytes of a case on a session; the caller frees them. */
static char *case_values(tsr_session *s, int number, size_t *bytes)
{
    tsr_array *x = case_table(s);
    assert_non_null(x);
    tsr_array *a = expression_cases[number].make(x);
    if (!a) fail_msg("%s: %s", expression_cases[number].name, tsr_error_message());
    *bytes = (size_t)tsr_nbytes(a);
    char *out = malloc(*bytes + 1);
    assert_non_null(out);
    memset(out, 0x5a, *bytes + 1);
    if (tsr_compute_into(a, out, *bytes) != TSR_OK) fail_msg("%s: %s", expression_cases[number].name, tsr_error_message());
    return out;
}

static void check_cases(tsr_session *threads, tsr_session *cluster)
{
    for (int i = 0; i < N_EXPRESSION_CASES; i++) {
        size_t n, m;
        char *here = case_values(threads, i, &n), *there = case_values(cluster, i, &m);
        assert_int_equal(n, m);
        if (memcmp(here, there, n) != 0) fail_msg("%s: other values than on threads", expression_cases[i].name);
        free(here);
        free(there);
    }
}

#endif
