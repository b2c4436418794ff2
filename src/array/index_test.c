/* Indexing, assignment and masks in C: values, what is known when, mistakes; one mask counted by many threads. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROWS = 6, COLS = 5, N_THREADS = 8 };

static tsr_session *session;
static int64_t numbers[ROWS * COLS];
static atomic_int calls;

static tsr_array *matrix(void)
{
    return tsr_from_memory(session, numbers, TSR_I64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){4, 2});
}

static void check(tsr_array *a, int ndim, const int64_t *shape, const int64_t *want)
{
    int64_t got[256], n = 1;
    if (!a) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_ndim(a), ndim);
    for (int d = 0; d < ndim; d++) {
        assert_int_equal(tsr_shape(a)[d], shape[d]);
        n *= shape[d];
    }
    assert_ok(tsr_compute_into(a, got, (size_t)n * sizeof *got));
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want[i]) fail_msg("element %lld is %lld, not %lld", (long long)i, (long long)got[i], (long long)want[i]);
}

static void check_error(const tsr_array *a, tsr_status status, const char *text)
{
    assert_null(a);
    assert_int_equal(tsr_error_code(), status);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' instead of '%s'", tsr_error_message(), text);
    tsr_error_clear();
}

static tsr_index integer(int64_t i) { return (tsr_index){.kind = TSR_INDEX_INTEGER, .start = i}; }
static tsr_index list(int64_t n, const int64_t *indices)
{
    static const int64_t lengths[] = {0, 1, 2, 3, 4, 5, 6};
    return (tsr_index){.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = &lengths[n], .indices = indices};
}
static tsr_index mask(tsr_array *m) { return (tsr_index){.kind = TSR_INDEX_MASK, .mask = m}; }
static tsr_index all(void) { return (tsr_index){.kind = TSR_INDEX_SLICE}; }
static tsr_array *number(int64_t value) { return tsr_scalar_array(session, tsr_int(value)); }
static tsr_array *vector(int64_t n, const int64_t *values)
{
    return tsr_from_memory(session, values, TSR_I64, 1, &n, NULL, NULL, NULL, NULL);
}

/* ---- Lists -------------------------------------------------------------------------------------------------------------- */

static void test_getitem(void **state)
{
    tsr_array *x = matrix();
    int64_t two_by_two[] = {2, 2}, rows[] = {0, 1, 2, -1};
    check(tsr_getitem(x, 2, (tsr_index[]){list(2, (int64_t[]){0, -1}), list(2, (int64_t[]){1, 2})}), 1, (int64_t[]){2},
          (int64_t[]){1, 27});
    check(tsr_getitem(x, 2, (tsr_index[]){list(3, (int64_t[]){5, 0, 5}), integer(3)}), 1, (int64_t[]){3}, (int64_t[]){28, 3, 28});
    check(
        tsr_getitem(x, 2, (tsr_index[]){{.kind = TSR_INDEX_ARRAY, .ndim = 2, .shape = two_by_two, .indices = rows}, integer(0)}),
        2, two_by_two, (int64_t[]){0, 5, 10, 25});
    /* The array's dimensions are in front when a slice is between them. */
    tsr_array *y = tsr_reshape(x, 3, (int64_t[]){2, 3, 5});
    check(tsr_getitem(y, 3, (tsr_index[]){integer(1), all(), list(2, (int64_t[]){0, 4})}), 2, (int64_t[]){2, 3},
          (int64_t[]){15, 20, 25, 19, 24, 29});
    check(tsr_getitem(y, 3, (tsr_index[]){all(), integer(1), list(2, (int64_t[]){0, 4})}), 2, two_by_two,
          (int64_t[]){5, 9, 20, 24});
    check(tsr_vindex(y, 3, (tsr_index[]){all(), integer(1), list(2, (int64_t[]){0, 4})}), 2, two_by_two,
          (int64_t[]){5, 20, 9, 24});
    check(tsr_oindex(x, 2, (tsr_index[]){list(2, (int64_t[]){4, 1}), list(3, (int64_t[]){0, 0, 2})}), 2, (int64_t[]){2, 3},
          (int64_t[]){20, 20, 22, 5, 5, 7});
    check(tsr_getitem(x, 1, (tsr_index[]){list(0, NULL)}), 2, (int64_t[]){0, COLS}, NULL);
}

static void test_getitem_errors(void **state)
{
    tsr_array *x = matrix();
    check_error(tsr_getitem(x, 1, (tsr_index[]){list(1, (int64_t[]){6})}), TSR_ERR_INDEX,
                "index 6 is out of bounds for axis 0 with size 6");
    check_error(tsr_getitem(x, 2, (tsr_index[]){list(2, (int64_t[]){0, 1}), list(3, (int64_t[]){0, 1, 2})}), TSR_ERR_INDEX,
                "could not be broadcast together with shapes (2,) (3,)");
    check_error(tsr_getitem(x, 3, (tsr_index[]){all(), all(), list(1, (int64_t[]){0})}), TSR_ERR_INDEX, "too many indices");
    check_error(tsr_getitem(x, 1, (tsr_index[]){mask(tsr_zeros(session, TSR_BOOL, 1, (int64_t[]){5}, NULL))}), TSR_ERR_INDEX,
                "boolean index of shape (5,) did not match");
    check_error(tsr_getitem(x, 1, (tsr_index[]){mask(x)}), TSR_ERR_INDEX, "must be of integer (or boolean) type");
    check_error(tsr_getitem(x, 1, (tsr_index[]){{.kind = (tsr_index_kind)9}}), TSR_ERR_VALUE, "unknown kind");
    check_error(tsr_oindex(x, 1, (tsr_index[]){mask(tsr_greater(x, number(1)))}), TSR_ERR_INDEX, "must have one dimension");
}

static void test_setitem(void **state)
{
    tsr_array *x = vector(6, (int64_t[]){0, 1, 2, 3, 4, 5});
    int64_t six = 6;
    tsr_index odd = {.has_start = true, .start = 1, .has_step = true, .step = 2},
              back = {.has_start = true, .start = 3, .has_step = true, .step = -2};
    check(tsr_setitem(x, 1, &odd, number(-1)), 1, &six, (int64_t[]){0, -1, 2, -1, 4, -1});
    check(tsr_setitem(x, 1, &back, vector(2, (int64_t[]){8, 9})), 1, &six, (int64_t[]){0, 9, 2, 8, 4, 5});
    check(tsr_setitem(x, 1, (tsr_index[]){list(4, (int64_t[]){5, 0, 5, -1})}, vector(4, (int64_t[]){6, 7, 8, 9})), 1, &six,
          (int64_t[]){7, 1, 2, 3, 4, 9});
    tsr_array *high = tsr_greater(x, number(3));
    check(tsr_setitem(x, 1, (tsr_index[]){mask(high)}, number(0)), 1, &six, (int64_t[]){0, 1, 2, 3, 0, 0});
    check(tsr_setitem(x, 1, (tsr_index[]){mask(high)}, vector(2, (int64_t[]){40, 50})), 1, &six, (int64_t[]){0, 1, 2, 3, 40, 50});
    check_error(tsr_setitem(x, 1, (tsr_index[]){mask(high)}, vector(3, (int64_t[]){1, 2, 3})), TSR_ERR_VALUE,
                "value array of shape (3,) could not be broadcast to indexing result of shape (2,)");
    check_error(tsr_setitem(x, 1, &odd, vector(2, (int64_t[]){1, 2})), TSR_ERR_VALUE,
                "could not broadcast input array from shape (2,) into shape (3,)");
    check(tsr_setitem(tsr_reshape(x, 2, (int64_t[]){2, 3}), 2,
                      (tsr_index[]){list(2, (int64_t[]){0, 1}), list(2, (int64_t[]){2, 0})}, vector(2, (int64_t[]){70, 80})),
          2, (int64_t[]){2, 3}, (int64_t[]){0, 1, 70, 80, 4, 5});
    tsr_array *y = matrix(), *z = tsr_setitem(y, 2, (tsr_index[]){all(), list(2, (int64_t[]){0, 3})}, number(0));
    for (int d = 0; d < 2; d++) assert_int_equal(tsr_n_chunks(z, d), tsr_n_chunks(y, d));
}

/* ---- Masks -------------------------------------------------------------------------------------------------------------- */

static tsr_status is_third(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    int64_t n = 1;
    for (int d = 0; d < out->ndim; d++) n *= out->shape[d];
    for (int64_t i = 0; i < n; i++) ((bool *)out->data)[i] = ((const int64_t *)in[0].data)[i] % 3 == 0;
    atomic_fetch_add(&calls, 1);
    return TSR_OK;
}

/* 0 .. n - 1 in chunks of 10, and a mask that counts how often its blocks are computed. */
static tsr_array *thirds(int64_t n, tsr_array **m)
{
    tsr_array *x = tsr_arange_int(session, 0, n, 1, TSR_I64, (int64_t[]){10});
    tsr_function f = {.call = is_third, .name = "third"};
    *m = tsr_map_blocks(&f, 1, &x, TSR_BOOL, NULL);
    atomic_store(&calls, 0);
    return x;
}

static void test_masks_are_counted_when_needed(void **state)
{
    tsr_array *m, *x = thirds(95, &m), *y = tsr_mask(x, m), *square = tsr_mask(tsr_square(x), m);
    int64_t sum;
    double mean;
    assert_false(tsr_is_counted(y));
    assert_ok(tsr_compute_into(tsr_sum(y, 0, NULL, false), &sum, sizeof sum));
    assert_ok(tsr_compute_into(tsr_mean(y, 0, NULL, false), &mean, sizeof mean));
    assert_int_equal(sum, 31 * 32 / 2 * 3);
    assert_true(mean == 46.5);
    assert_false(tsr_is_counted(y));
    atomic_store(&calls, 0);
    assert_int_equal(tsr_size(y), 32);
    assert_int_equal(atomic_load(&calls), 10);
    assert_true(tsr_is_counted(y));
    assert_int_equal(tsr_shape(square)[0], 32); /* the same mask: known already */
    assert_int_equal(tsr_n_chunks(y, 0), 10);
    assert_int_equal(atomic_load(&calls), 10);
    check(tsr_slice(tsr_subtract(square, y), 1, &(tsr_index){.has_stop = true, .stop = 4}), 1, (int64_t[]){4},
          (int64_t[]){0, 6, 30, 72});
}

static void test_masks(void **state)
{
    tsr_array *x = matrix(), *few = tsr_equal(tsr_remainder(x, number(10)), number(7)), *results[2];
    double mean;
    int64_t three = 3;
    check(tsr_mask(x, few), 1, &three, (int64_t[]){7, 17, 27});
    check(tsr_flatnonzero(few), 1, &three, (int64_t[]){7, 17, 27});
    assert_ok(tsr_nonzero(few, results));
    check(results[0], 1, &three, (int64_t[]){1, 3, 5});
    check(results[1], 1, &three, (int64_t[]){2, 2, 2});
    check(tsr_argwhere(few), 2, (int64_t[]){3, 2}, (int64_t[]){1, 2, 3, 2, 5, 2});
    check(tsr_delete(x,
                     &(tsr_index){.kind = TSR_INDEX_MASK,
                                  .mask = tsr_from_memory(session, (bool[]){1, 1, 0, 1, 1}, TSR_BOOL, 1, (int64_t[]){5}, NULL,
                                                          NULL, NULL, NULL)},
                     1),
          2, (int64_t[]){ROWS, 1}, (int64_t[]){2, 7, 12, 17, 22, 27});
    check(tsr_extract(few, x), 1, &three, (int64_t[]){7, 17, 27});
    check(tsr_compress(vector(2, (int64_t[]){0, 5}), x, 1), 2, (int64_t[]){ROWS, 1}, (int64_t[]){1, 6, 11, 16, 21, 26});
    check_error(tsr_compress(vector(6, (int64_t[]){0, 0, 0, 0, 0, 1}), x, 1), TSR_ERR_INDEX, "holds beyond axis 1 with size 5");
    tsr_array *none = tsr_mask(x, tsr_less(x, number(0)));
    check(none, 1, (int64_t[]){0}, NULL);
    assert_int_equal(tsr_compute_into(tsr_max(none, 0, NULL, false), &mean, sizeof mean), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "zero-size array"));
    assert_ok(tsr_compute_into(tsr_mean(none, 0, NULL, false), &mean, sizeof mean));
    assert_true(mean != mean);
    check(tsr_getitem(x, 2,
                      (tsr_index[]){all(), mask(tsr_from_memory(session, (bool[]){1, 0, 0, 0, 1}, TSR_BOOL, 1, (int64_t[]){5},
                                                                NULL, NULL, NULL, NULL))}),
          2, (int64_t[]){ROWS, 2}, (int64_t[]){0, 4, 5, 9, 10, 14, 15, 19, 20, 24, 25, 29});
    assert_int_equal(tsr_nonzero(number(1), results), TSR_ERR_VALUE);
}

static void *count(void *argument) { return (void *)(intptr_t)tsr_size(argument); }

static void test_threads_count_once(void **state)
{
    tsr_array *m, *x = thirds(1000, &m), *y[2] = {tsr_mask(x, m), tsr_mask(tsr_negative(x), m)};
    pthread_t threads[N_THREADS];
    void *n;
    for (int i = 0; i < N_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count, y[i % 2]), 0);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], &n);
        assert_int_equal((intptr_t)n, 334);
    }
    assert_int_equal(atomic_load(&calls), 100);
}

static tsr_status counts_inside(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    *(int64_t *)out->data = tsr_size(context);
    return tsr_error_code();
}

static void test_no_counting_from_within(void **state)
{
    int64_t out, one = 1;
    tsr_array *m, *x = thirds(50, &m), *y = tsr_mask(x, m);
    tsr_function f = {.call = counts_inside, .context = y, .name = "counts"};
    tsr_array *z = tsr_from_blocks(session, &f, TSR_I64, 1, &(tsr_chunks){1, &one});
    assert_int_equal(tsr_compute_into(z, &out, sizeof out), TSR_ERR_UNSUPPORTED);
    assert_int_equal(tsr_size(y), 17);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) numbers[i] = i;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_getitem),
                                       cmocka_unit_test(test_getitem_errors),
                                       cmocka_unit_test(test_setitem),
                                       cmocka_unit_test(test_masks_are_counted_when_needed),
                                       cmocka_unit_test(test_masks),
                                       cmocka_unit_test(test_threads_count_once),
                                       cmocka_unit_test(test_no_counting_from_within)};
    session = tsr_session_open(NULL, &(tsr_options){.n_threads = 2});
    int failed = session ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    tsr_session_close(session);
    return failed;
}
