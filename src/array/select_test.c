/* select, piecewise, choose, insert and delete in C: values, empty axes, mistakes. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

static tsr_session *session;

static tsr_array *vector(int64_t n, const int64_t *values)
{
    return tsr_from_memory(session, values, TSR_I64, 1, &n, NULL, NULL, NULL, (int64_t[]){2});
}

static void check(tsr_array *a, int64_t n, const int64_t *want)
{
    int64_t got[64];
    assert_non_null(a);
    assert_int_equal(tsr_size(a), n);
    assert_ok(tsr_compute_into(a, got, (size_t)n * sizeof *got));
    if (n) assert_memory_equal(got, want, (size_t)n * sizeof *got);
}

static void check_error(const tsr_array *a, tsr_status status, const char *text)
{
    assert_null(a);
    assert_int_equal(tsr_error_code(), status);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' instead of '%s'", tsr_error_message(), text);
    tsr_error_clear();
}

static tsr_array *number(int64_t value) { return tsr_scalar_array(session, tsr_int(value)); }

static void test_conditions(void **state)
{
    tsr_array *x = vector(5, (int64_t[]){-2, -1, 0, 1, 2}), *low = tsr_less(x, number(0)), *high = tsr_greater(x, number(0));
    tsr_array *conditions[] = {low, high}, *values[] = {tsr_negative(x), number(7), number(-9)};
    check(tsr_select(2, conditions, values, number(100)), 5, (int64_t[]){2, 1, 100, 7, 7});
    check(tsr_piecewise(x, 2, conditions, 3, values), 5, (int64_t[]){2, 1, -9, 7, 7});
    check(tsr_piecewise(x, 2, conditions, 2, values), 5, (int64_t[]){2, 1, 0, 7, 7});
    check_error(tsr_piecewise(x, 2, conditions, 1, values), TSR_ERR_VALUE, "either 2 or 3 functions");
    check_error(tsr_select(1, (tsr_array *[]){x}, values, x), TSR_ERR_TYPE, "must be bool");
    check_error(tsr_select(0, NULL, NULL, x), TSR_ERR_VALUE, "empty condition list");
}

static void test_choose(void **state)
{
    tsr_array *x = vector(4, (int64_t[]){-1, 0, 1, 5}), *choices[] = {number(10), number(20), number(30)};
    int64_t out[4];
    check(tsr_choose(x, 3, choices, "wrap"), 4, (int64_t[]){30, 10, 20, 30});
    check(tsr_choose(x, 3, choices, "clip"), 4, (int64_t[]){10, 10, 20, 30});
    tsr_array *raises = tsr_choose(x, 3, choices, "raise");
    assert_int_equal(tsr_compute_into(raises, out, sizeof out), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "invalid entry in choice array"));
    raises = tsr_choose(x, 1, choices, "raise"); /* with one choice there is nothing to compare, and yet something to check */
    assert_int_equal(tsr_compute_into(raises, out, sizeof out), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "invalid entry in choice array"));
    check(tsr_choose(x, 1, choices, "clip"), 4, (int64_t[]){10, 10, 10, 10});
    check_error(tsr_choose(x, 3, choices, "nearest"), TSR_ERR_VALUE, "clipmode");
    check_error(tsr_choose(x, 0, choices, "clip"), TSR_ERR_VALUE, "no choices");
}

static void test_insert_and_delete(void **state)
{
    tsr_array *x = vector(4, (int64_t[]){0, 1, 2, 3}), *none = vector(0, NULL);
    tsr_index two = {.kind = TSR_INDEX_INTEGER, .start = 2}, odd = {.has_start = true, .start = 1, .has_step = true, .step = 2},
              list = {.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = (int64_t[]){3}, .indices = (int64_t[]){-1, 0, 0}},
              nine = {.kind = TSR_INDEX_INTEGER, .start = 9};
    check(tsr_delete(x, &two, 0), 3, (int64_t[]){0, 1, 3});
    check(tsr_delete(x, &odd, -1), 2, (int64_t[]){0, 2});
    check(tsr_delete(x, &list, 0), 2, (int64_t[]){1, 2});
    check(tsr_delete(x, &(tsr_index){0}, 0), 0, NULL);
    check(tsr_delete(none, &odd, 0), 0, NULL);
    check(tsr_insert(x, &two, vector(2, (int64_t[]){8, 9}), 0), 6, (int64_t[]){0, 1, 8, 9, 2, 3});
    check(tsr_insert(x, &list, vector(3, (int64_t[]){7, 8, 9}), 0), 7, (int64_t[]){8, 9, 0, 1, 2, 7, 3});
    check(tsr_insert(none, &(tsr_index){.kind = TSR_INDEX_INTEGER}, number(5), 0), 1, (int64_t[]){5});
    check(tsr_append(x, number(4) ? tsr_expand_dims(number(4), 1, (int[]){0}) : NULL, 0), 5, (int64_t[]){0, 1, 2, 3, 4});
    check_error(tsr_insert(x, &nine, number(1), 0), TSR_ERR_INDEX, "index 9 is out of bounds for axis 0 with size 4");
    check_error(tsr_delete(x, &nine, 0), TSR_ERR_INDEX, "out of bounds");
    check_error(tsr_insert(x, &two, tsr_zeros(session, TSR_F64, 2, (int64_t[]){1, 1}, NULL), 0), TSR_ERR_VALUE, "2 dimensions");
}

int main(void)
{
    const struct CMUnitTest all[] = {cmocka_unit_test(test_conditions), cmocka_unit_test(test_choose),
                                     cmocka_unit_test(test_insert_and_delete)};
    session = tsr_session_open(NULL, NULL);
    int failed = session ? cmocka_run_group_tests(all, NULL, NULL) : 1;
    tsr_session_close(session);
    return failed;
}
