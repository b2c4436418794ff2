/* Block functions in C, on many threads at once, in small memory: every block once, the same bits everywhere, functions that run
 * alone, failures, cancellation from within, contexts released once, no memory. For the sanitizers as much as for the values. */
#define _GNU_SOURCE
#include "store/store_testing.h"
#include "tessera.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROWS = 301, COLS = 203 };

static double numbers[ROWS * COLS];

typedef struct counter {
    atomic_int calls, inside, most_inside, releases;
    int fail_at; /* the call that fails; 0: none */
    tsr_session *cancels;
} counter;

static void released(void *context) { atomic_fetch_add(&((counter *)context)->releases, 1); }

/* out = 2 * first input + the others, element by element where they have the same shape. */
static tsr_status twice(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    counter *c = context;
    int call = atomic_fetch_add(&c->calls, 1) + 1, inside = atomic_fetch_add(&c->inside, 1) + 1,
        most = atomic_load(&c->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&c->most_inside, &most, inside)) {
    }
    int64_t n = 1;
    for (int d = 0; d < out->ndim; d++) n *= out->shape[d];
    double *to = out->data;
    for (int64_t i = 0; i < n; i++) to[i] = 2 * ((const double *)in[0].data)[i];
    for (int k = 1; k < n_inputs; k++)
        for (int64_t i = 0; i < n; i++) to[i] += ((const double *)in[k].data)[i];
    usleep(100);
    atomic_fetch_sub(&c->inside, 1);
    if (c->cancels && call == 3) tsr_cancel(c->cancels);
    return call == c->fail_at ? tsr_fail(TSR_ERR_TYPE, "the third is bad") : TSR_OK;
}

static tsr_array *matrix(tsr_session *s)
{
    return tsr_from_memory(s, numbers, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){20, 50});
}

static tsr_session *open_session(int n_threads, size_t megabytes)
{
    tsr_session *s =
        tsr_session_open(NULL, &(tsr_options){.n_threads = n_threads, .memory_bytes = megabytes << 20, .scratch_dir = scratch});
    assert_non_null(s);
    return s;
}

/* A chain of calls, overlaps and a tree of sums: one number. */
static tsr_array *pipeline(tsr_session *s, counter *c, bool serial)
{
    tsr_function f = {.call = twice, .context = c, .release = released, .name = "twice", .serial = serial};
    tsr_overlap around[2] = {{2, 1, "reflect", {0}}, {1, 3, NULL, {0}}};
    const tsr_overlap *overlaps[] = {around};
    tsr_array *x = matrix(s), *y = tsr_map_blocks(&f, 2, (tsr_array *[]){x, tsr_negative(x)}, TSR_F64, NULL);
    tsr_array *z = tsr_map_overlap(&f, 1, &y, overlaps, TSR_F64);
    return tsr_sum(tsr_sliding_window(z, 5, 2, 1), 0, NULL, false);
}

static double expected(void)
{
    double value;
    counter c = {0};
    tsr_session *s = open_session(1, 256);
    assert_ok(tsr_compute_into(pipeline(s, &c, false), &value, sizeof value));
    tsr_session_close(s);
    return value;
}

static void test_threads_and_memory(void **state)
{
    enum { BLOCKS = 16 * 5 };
    double want = expected();
    for (int n = 0; n < 6; n++) {
        counter c = {0};
        double got;
        tsr_session *s = open_session((int[]){1, 2, 16, 16, 8, 3}[n], n % 2 ? 2 : 64);
        tsr_array *a = pipeline(s, &c, n == 4);
        assert_ok(tsr_compute_into(a, &got, sizeof got));
        assert_memory_equal(&got, &want, sizeof got);
        assert_int_equal(c.calls, 2 * BLOCKS);
        if (n == 4) assert_int_equal(c.most_inside, 1);
        assert_ok(tsr_compute_into(a, &got, sizeof got)); /* again: nothing was kept that should not */
        assert_int_equal(c.releases, 0);
        tsr_session_close(s);
        assert_int_equal(c.releases, 2);
    }
}

static void test_failure(void **state)
{
    for (int n_threads = 1; n_threads <= 16; n_threads *= 4) {
        counter c = {.fail_at = 3};
        double got;
        tsr_session *s = open_session(n_threads, 64);
        tsr_array *a = pipeline(s, &c, false);
        assert_int_equal(tsr_compute_into(a, &got, sizeof got), TSR_ERR_TYPE);
        assert_non_null(strstr(tsr_error_message(), "twice: block ("));
        assert_non_null(strstr(tsr_error_message(), ": the third is bad"));
        assert_ok(tsr_compute_into(a, &got, sizeof got)); /* the session goes on */
        tsr_session_close(s);
    }
}

static void test_cancelled_from_within(void **state)
{
    double got;
    tsr_session *s = open_session(1, 64);
    counter c = {.cancels = s};
    tsr_array *a = pipeline(s, &c, false);
    assert_int_equal(tsr_compute_into(a, &got, sizeof got), TSR_ERR_CANCELLED);
    assert_int_equal(c.calls, 3);
    c.cancels = NULL;
    assert_ok(tsr_compute_into(a, &got, sizeof got));
    tsr_session_close(s);
}

/* ---- Computing from within -------------------------------------------------------------------------------------------- */

static tsr_status computes(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    return tsr_compute_into(context, out->data, sizeof(double));
}

static void test_no_computing_from_within(void **state)
{
    double got;
    for (int n_threads = 1; n_threads <= 4; n_threads += 3) {
        tsr_session *s = open_session(n_threads, 64), *other = open_session(1, 64);
        tsr_array *x = tsr_full(s, tsr_float(3), TSR_F64, 0, NULL, NULL),
                  *y = tsr_full(other, tsr_float(4), TSR_F64, 0, NULL, NULL);
        tsr_array *bad = tsr_map_blocks(&(tsr_function){.call = computes, .context = x}, 1, &x, TSR_F64, NULL);
        assert_int_equal(tsr_compute_into(bad, &got, sizeof got), TSR_ERR_UNSUPPORTED);
        assert_non_null(strstr(tsr_error_message(), "a function cannot compute arrays of the session that calls it"));
        tsr_array *good = tsr_map_blocks(&(tsr_function){.call = computes, .context = y}, 1, &x, TSR_F64, NULL);
        assert_ok(tsr_compute_into(good, &got, sizeof got));
        assert_true(got == 4);
        tsr_session_close(other);
        tsr_session_close(s);
    }
}

/* ---- Arguments -------------------------------------------------------------------------------------------------------- */

static void assert_refused(tsr_array *a, const char *text)
{
    assert_null(a);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' instead of '%s'", tsr_error_message(), text);
}

static void test_arguments(void **state)
{
    tsr_session *s = open_session(1, 64), *other = open_session(1, 64);
    tsr_array *x = matrix(s), *far = matrix(other), *none = NULL;
    counter c = {0};
    tsr_function f = {.call = twice, .context = &c, .release = released};
    tsr_chunks cut = {1, (int64_t[]){INT64_MAX / 4}};
    assert_refused(tsr_map_blocks(&(tsr_function){0}, 1, &x, TSR_F64, NULL), "no function given");
    assert_refused(tsr_map_blocks(&f, 1, &x, (tsr_dtype)99, NULL), "99 is no dtype");
    assert_refused(tsr_map_blocks(&f, 2, (tsr_array *[]){x, far}, TSR_F64, NULL), "input 1 belongs to another session");
    assert_refused(tsr_from_blocks(s, &f, TSR_F64, 17, &cut), "17 dimensions, at most 16");
    assert_refused(tsr_map_blocks(&f, 1, &x, TSR_F64, &(tsr_map_options){.chunks = (tsr_chunks[]){{0}, cut}}), "is not possible");
    assert_refused(tsr_from_source(s, &(tsr_source){0}, NULL), "no function given");
    assert_refused(tsr_reduction(x, &(tsr_reduction_functions){0}, 0, NULL, false), "chunk and aggregate are needed");
    tsr_error_clear();
    assert_null(tsr_map_blocks(&f, 1, &none, TSR_F64, NULL)); /* NULL in, NULL out, the first reason is kept */
    assert_string_equal(tsr_error_message(), "");
    assert_int_equal(c.releases, 0);
    tsr_session_close(s);
    tsr_session_close(other);
}

/* ---- No memory -------------------------------------------------------------------------------------------------------- */

static tsr_status read_part(void *context, const int64_t *start, const int64_t *shape, void *out)
{
    double *to = out;
    for (int64_t i = 0; i < shape[0]; i++)
        for (int64_t j = 0; j < shape[1]; j++) *to++ = numbers[(start[0] + i) * COLS + start[1] + j];
    return TSR_OK;
}

static tsr_status total(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    int64_t n = 1;
    double sum = 0;
    for (int d = 0; d < in->ndim; d++) n *= in->shape[d];
    for (int64_t i = 0; i < n; i++) sum += ((const double *)in->data)[i];
    *(double *)out->data = sum;
    return TSR_OK;
}

static tsr_status everything(tsr_session *s, counter *c, int *n_made, double *value)
{
    tsr_function f = {.call = twice, .context = c, .release = released}, sum = {.call = total, .context = c, .release = released};
    tsr_source source = {
        .read = read_part, .context = c, .release = released, .dtype = TSR_F64, .ndim = 2, .shape = (int64_t[]){40, 60}};
    tsr_overlap around[2] = {{2, 1, "reflect", {0}}, {1, 3, NULL, {0}}};
    tsr_array *x = tsr_from_source(s, &source, (int64_t[]){7, 25});
    *n_made += x != NULL;
    tsr_array *y = tsr_map_blocks(&f, 1, &x, TSR_F64, NULL);
    *n_made += y != NULL;
    tsr_array *z = tsr_trim_overlap(tsr_overlapped(y, around), around);
    tsr_array *r = tsr_reduction(z, &(tsr_reduction_functions){&sum, NULL, &sum, TSR_F64, TSR_F64, 2}, 0, NULL, false);
    *n_made += r ? 2 : 0;
    return tsr_compute_into(tsr_coarsen(tsr_reshape(r, 1, (int64_t[]){1}), "sum", (int64_t[]){1}, true), value, sizeof *value);
}

static void test_no_memory(void **state)
{
    double want = 0, got = 0;
    long n_failed = 0;
    for (long n = 0;; n++) { /* the first time nothing fails */
        counter c = {0};
        int n_made = 0;
        tsr_error_clear();
        mem_fail_at(n);
        tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 2, .memory_bytes = 64 << 20, .scratch_dir = scratch});
        tsr_status status = s ? everything(s, &c, &n_made, n ? &got : &want) : TSR_ERR_MEMORY;
        bool injected = mem_fail_at(0) >= n;
        tsr_session_close(s);
        assert_int_equal(c.releases, n_made); /* each context once, of arrays that were made */
        if (status == TSR_OK && n) assert_memory_equal(&got, &want, sizeof got);
        n_failed += status != TSR_OK;
        if (n && !injected) break;
    }
    assert_true(n_failed > 50);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) numbers[i] = i % 1013 - 500;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_threads_and_memory),       SCRATCH_TEST(test_failure),   SCRATCH_TEST(test_cancelled_from_within),
        SCRATCH_TEST(test_no_computing_from_within), SCRATCH_TEST(test_arguments), SCRATCH_TEST(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
