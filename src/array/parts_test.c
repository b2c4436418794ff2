/* One array as several, axes in other places, and arrays compared as a whole: values, labels of errors, empty arrays. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

#include <math.h>

static tsr_session *session;

/* 0, 1, 2 ... in chunks of 2. */
static tsr_array *counted(int ndim, const int64_t *shape)
{
    int64_t chunks[TSR_MAX_NDIM], size = 1;
    for (int d = 0; d < ndim; d++) {
        chunks[d] = 2;
        size *= shape[d];
    }
    return tsr_rechunk(tsr_reshape(tsr_arange_int(session, 0, size, 1, TSR_I64, NULL), ndim, shape), chunks);
}

static void check(tsr_array *a, int64_t n, const int64_t *want)
{
    int64_t got[64];
    if (!a) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_size(a), n);
    assert_ok(tsr_compute_into(a, got, (size_t)n * sizeof *got));
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want[i]) fail_msg("element %lld is %lld, not %lld", (long long)i, (long long)got[i], (long long)want[i]);
}

static bool truth(tsr_array *a)
{
    bool out = false;
    if (!a) fail_msg("%s", tsr_error_message());
    assert_int_equal(tsr_dtype_of(a), TSR_BOOL);
    assert_int_equal(tsr_ndim(a), 0);
    assert_ok(tsr_compute_into(a, &out, sizeof out));
    return out;
}

static void check_status(tsr_status got, tsr_status want, const char *text)
{
    assert_int_equal(got, want);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' instead of '%s'", tsr_error_message(), text);
    tsr_error_clear();
}

static void check_error(const tsr_array *a, tsr_status want, const char *text)
{
    assert_null(a);
    check_status(tsr_error_code(), want, text);
}

static void test_split(void **state)
{
    tsr_array *line = counted(1, (int64_t[]){7}), *x = counted(2, (int64_t[]){2, 4}), *cube = counted(3, (int64_t[]){1, 2, 4}),
              *parts[8];
    assert_ok(tsr_array_split(line, 3, NULL, 0, parts));
    check(parts[0], 3, (int64_t[]){0, 1, 2});
    check(parts[1], 2, (int64_t[]){3, 4});
    check(parts[2], 2, (int64_t[]){5, 6});
    assert_ok(tsr_array_split(line, 3, (int64_t[]){2, -3, 9}, -1, parts));
    check(parts[0], 2, (int64_t[]){0, 1});
    check(parts[1], 2, (int64_t[]){2, 3});
    check(parts[2], 3, (int64_t[]){4, 5, 6});
    assert_int_equal(tsr_size(parts[3]), 0);
    assert_ok(tsr_array_split(line, 0, (int64_t[]){0}, 0, parts));
    assert_int_equal(tsr_size(parts[0]), 7);
    assert_ok(tsr_array_split(line, 8, NULL, 0, parts));
    assert_int_equal(tsr_size(parts[7]), 0);
    assert_ok(tsr_split(x, 2, NULL, 1, parts));
    check(parts[1], 4, (int64_t[]){2, 3, 6, 7});
    assert_ok(tsr_hsplit(x, 1, (int64_t[]){3}, parts));
    check(parts[1], 2, (int64_t[]){3, 7});
    assert_ok(tsr_hsplit(line, 7, NULL, parts));
    check(parts[4], 1, (int64_t[]){4});
    assert_ok(tsr_vsplit(x, 2, NULL, parts));
    check(parts[1], 4, (int64_t[]){4, 5, 6, 7});
    assert_ok(tsr_dsplit(cube, 2, NULL, parts));
    check(parts[0], 4, (int64_t[]){0, 1, 4, 5});
    check_status(tsr_split(line, 2, NULL, 0, parts), TSR_ERR_VALUE, "not an equal division");
    check_status(tsr_split(line, 0, NULL, 0, parts), TSR_ERR_VALUE, "0 parts");
    check_status(tsr_array_split(line, 2, NULL, 1, parts), TSR_ERR_INDEX, "axis 1 is out of range");
    check_status(tsr_vsplit(line, 1, NULL, parts), TSR_ERR_VALUE, "2 or more dimensions");
    check_status(tsr_dsplit(x, 1, NULL, parts), TSR_ERR_VALUE, "3 or more dimensions");
    check_status(tsr_hsplit(tsr_scalar_array(session, tsr_int(1)), 1, NULL, parts), TSR_ERR_VALUE, "1 or more dimensions");
    check_status(tsr_split(NULL, 1, NULL, 0, parts), TSR_ERR_VALUE, "an array is NULL");
}

static void test_unstack_and_together(void **state)
{
    tsr_array *x = counted(2, (int64_t[]){2, 3}), *parts[4];
    assert_ok(tsr_unstack(x, 1, parts));
    check(parts[2], 2, (int64_t[]){2, 5});
    assert_ok(tsr_unstack(x, -2, parts));
    check(parts[1], 3, (int64_t[]){3, 4, 5});
    assert_int_equal(tsr_ndim(parts[1]), 1);
    check_status(tsr_unstack(x, 2, parts), TSR_ERR_INDEX, "axis 2 is out of range");
    tsr_array *column = counted(2, (int64_t[]){2, 1}), *row = counted(1, (int64_t[]){3});
    assert_ok(tsr_broadcast_arrays(2, (tsr_array *[]){column, row}, parts));
    check(parts[0], 6, (int64_t[]){0, 0, 0, 1, 1, 1});
    check(parts[1], 6, (int64_t[]){0, 1, 2, 0, 1, 2});
    assert_ok(tsr_broadcast_arrays(0, NULL, parts));
    check_status(tsr_broadcast_arrays(2, (tsr_array *[]){x, counted(1, (int64_t[]){2})}, parts), TSR_ERR_VALUE,
                 "do not fit together");
    check(tsr_column_stack(2, (tsr_array *[]){counted(1, (int64_t[]){2}), x}), 8, (int64_t[]){0, 0, 1, 2, 1, 3, 4, 5});
    check_error(tsr_column_stack(0, NULL), TSR_ERR_VALUE, "no arrays");
}

static void test_axes(void **state)
{
    tsr_array *x = counted(3, (int64_t[]){2, 1, 3});
    assert_memory_equal(tsr_shape(tsr_rollaxis(x, 2, 0)), ((int64_t[]){3, 2, 1}), 3 * sizeof(int64_t));
    assert_memory_equal(tsr_shape(tsr_rollaxis(x, 0, 3)), ((int64_t[]){1, 3, 2}), 3 * sizeof(int64_t));
    assert_memory_equal(tsr_shape(tsr_rollaxis(x, 0, -1)), ((int64_t[]){1, 2, 3}), 3 * sizeof(int64_t));
    check_error(tsr_rollaxis(x, 0, 4), TSR_ERR_INDEX, "the start 4 is out of range");
    check_error(tsr_rollaxis(x, 3, 0), TSR_ERR_INDEX, "axis 3 is out of range");
    assert_memory_equal(tsr_shape(tsr_matrix_transpose(x)), ((int64_t[]){2, 3, 1}), 3 * sizeof(int64_t));
    tsr_array *line = counted(1, (int64_t[]){3}), *one = tsr_scalar_array(session, tsr_int(4));
    check_error(tsr_matrix_transpose(line), TSR_ERR_VALUE, "2 or more");
    check(tsr_flipud(line), 3, (int64_t[]){2, 1, 0});
    check(tsr_fliplr(counted(2, (int64_t[]){2, 2})), 4, (int64_t[]){1, 0, 3, 2});
    check_error(tsr_fliplr(line), TSR_ERR_VALUE, "2 or more");
    check_error(tsr_flipud(one), TSR_ERR_VALUE, "1 or more");
    assert_int_equal(tsr_ndim(tsr_atleast_1d(one)), 1);
    assert_memory_equal(tsr_shape(tsr_atleast_2d(line)), ((int64_t[]){1, 3}), 2 * sizeof(int64_t));
    assert_memory_equal(tsr_shape(tsr_atleast_3d(line)), ((int64_t[]){1, 3, 1}), 3 * sizeof(int64_t));
    assert_memory_equal(tsr_shape(tsr_atleast_3d(counted(2, (int64_t[]){2, 3}))), ((int64_t[]){2, 3, 1}), 3 * sizeof(int64_t));
    assert_null(tsr_atleast_2d(NULL));
}

static void test_triangles(void **state)
{
    tsr_array *at[TSR_MAX_NDIM];
    assert_ok(tsr_tril_indices(session, 3, 0, 2, at));
    check(at[0], 5, (int64_t[]){0, 1, 1, 2, 2});
    check(at[1], 5, (int64_t[]){0, 0, 1, 0, 1});
    assert_ok(tsr_triu_indices(session, 3, 1, -1, at));
    check(at[0], 3, (int64_t[]){0, 0, 1});
    check(at[1], 3, (int64_t[]){1, 2, 2});
    assert_ok(tsr_diag_indices(session, 3, 3, at));
    check(at[2], 3, (int64_t[]){0, 1, 2});
    check_status(tsr_diag_indices(session, 3, TSR_MAX_NDIM + 1, at), TSR_ERR_VALUE, "at most");
}

static void test_compared(void **state)
{
    double near[3] = {1, 2 + 1e-9, NAN}, exact[3] = {1, 2, NAN};
    tsr_array *a = tsr_from_memory(session, near, TSR_F64, 1, (int64_t[]){3}, NULL, NULL, NULL, (int64_t[]){2}),
              *b = tsr_from_memory(session, exact, TSR_F64, 1, (int64_t[]){3}, NULL, NULL, NULL, NULL);
    assert_true(truth(tsr_allclose(a, b, 1e-5, 1e-8, true)));
    assert_false(truth(tsr_allclose(a, b, 1e-5, 1e-8, false)));
    assert_false(truth(tsr_allclose(a, b, 0, 0, true)));
    assert_false(truth(tsr_array_equal(b, b, false)));
    assert_true(truth(tsr_array_equal(b, b, true)));
    assert_false(truth(tsr_array_equal(a, b, true)));
    tsr_array *line = counted(1, (int64_t[]){2}), *rows = tsr_broadcast_to(line, 2, (int64_t[]){3, 2});
    assert_false(truth(tsr_array_equal(line, rows, false)));
    assert_true(truth(tsr_array_equiv(line, rows)));
    assert_false(truth(tsr_array_equiv(line, counted(1, (int64_t[]){3}))));
    assert_true(truth(tsr_array_equal(counted(1, (int64_t[]){0}), counted(1, (int64_t[]){0}), false)));
    check(tsr_astype(tsr_isnull(b), TSR_I64), 3, (int64_t[]){0, 0, 1});
    check(tsr_astype(tsr_notnull(b), TSR_I64), 3, (int64_t[]){1, 1, 0});
    check(tsr_astype(tsr_isnull(line), TSR_I64), 2, (int64_t[]){0, 0});
    check_error(tsr_allclose(line, counted(1, (int64_t[]){3}), 0, 0, false), TSR_ERR_VALUE, "do not fit together");
}

static void test_histogram2d(void **state)
{
    double edges[4] = {0, 1, 2, 4};
    tsr_array *x = tsr_astype(counted(1, (int64_t[]){4}), TSR_F64);
    tsr_bins by_number = {.n = 2, .low = 0, .high = 4}, by_edges = {.n = 3, .edges = edges};
    tsr_array *counts = tsr_histogram2d(x, x, &by_number, &by_edges, NULL, false);
    check(tsr_astype(counts, TSR_I64), 6, (int64_t[]){1, 1, 0, 0, 0, 2});
    check(tsr_astype(tsr_histogram2d(x, x, &by_number, &by_edges, x, false), TSR_I64), 6, (int64_t[]){0, 1, 0, 0, 0, 5});
}

int main(void)
{
    const struct CMUnitTest all[] = {cmocka_unit_test(test_split),    cmocka_unit_test(test_unstack_and_together),
                                     cmocka_unit_test(test_axes),     cmocka_unit_test(test_triangles),
                                     cmocka_unit_test(test_compared), cmocka_unit_test(test_histogram2d)};
    session = tsr_session_open(NULL, NULL);
    int failed = session ? cmocka_run_group_tests(all, NULL, NULL) : 1;
    tsr_session_close(session);
    return failed;
}
