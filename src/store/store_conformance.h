/* What every format must do, as tests that each format's own test program runs:
 *
 *   static const store_conformance spec = {.format = "nc", .extension = ".nc", ...};
 *   const struct CMUnitTest tests[] = {STORE_CONFORMANCE_TESTS(&spec), cmocka_unit_test(own_test)};
 *
 * Everything is written by our writer through store_create and read back through store_open. */
#ifndef TESSERA_STORE_CONFORMANCE_H
#define TESSERA_STORE_CONFORMANCE_H

#include "store/store_testing.h"

static void conformance_dtypes(void **state)
{
    const store_conformance *c = *state;
    for (int d = 0; d < TSR_N_DTYPES; d++) {
        tsr_dtype dtype = (tsr_dtype)d;
        one_var o;
        store *s;
        const char *path = scratch_path(c, "dtype");
        one_var_init(&o, dtype, 2, (int64_t[]){5, 3});
        if (c->dtypes >> dtype & 1) {
            assert_ok(one_var_write(c, &o, path));
            assert_ok(store_open(path, &s));
            const store_var *var = store_find(s, "data");
            assert_non_null(var);
            assert_int_equal(var->dtype, dtype == TSR_BOOL ? c->bool_as : dtype);
            assert_int_equal(var->ndim, 2);
            char back[15 * 16];
            box all = box_of_shape(2, var->shape);
            read_native(s, var, &all, NULL, back);
            assert_memory_equal(back, o.values, 15 * tsr_dtype_size(dtype));
            store_unref(s);
        } else {
            assert_int_equal(one_var_write(c, &o, path), TSR_ERR_UNSUPPORTED);
            assert_non_null(strstr(tsr_error_message(), tsr_dtype_name(dtype)));
            assert_int_equal(scratch_count(), 0);
        }
        free(o.values);
        unlink(path);
    }
}

static void check_random_regions(const store_conformance *c, tsr_dtype dtype, int ndim, const int64_t *shape, int n_tries)
{
    one_var o;
    store *s;
    uint64_t seed = 42;
    const char *path = scratch_path(c, "regions");
    one_var_init(&o, dtype, ndim, shape);
    assert_ok(one_var_write(c, &o, path));
    assert_ok(store_open(path, &s));
    const store_var *var = store_find(s, "data");
    size_t most = (size_t)shape_size(ndim, shape) * tsr_dtype_size(dtype);
    char *got = malloc(most), *expected = malloc(most);
    for (int i = 0; i < n_tries; i++) {
        box r = {.ndim = ndim};
        int64_t step[TSR_MAX_NDIM];
        for (int d = 0; d < ndim; d++) {
            uint64_t kind = test_random(&seed) % 4;
            r.start[d] = kind == 0 ? 0 : (int64_t)(test_random(&seed) % (uint64_t)shape[d]);
            int64_t left = shape[d] - r.start[d];
            step[d] = kind <= 1 ? 1 : 1 + (int64_t)(test_random(&seed) % (uint64_t)(kind == 2 ? 3 : shape[d]));
            int64_t fit = (left - 1) / step[d] + 1;
            r.count[d] = kind == 0 ? shape[d] : 1 + (int64_t)(test_random(&seed) % (uint64_t)fit);
        }
        read_native(s, var, &r, step, got);
        copy_region(o.values, var, &r, step, expected);
        assert_memory_equal(got, expected, (size_t)box_size(&r) * tsr_dtype_size(dtype));
    }
    free(got);
    free(expected);
    free(o.values);
    store_unref(s);
    unlink(path);
}

static void conformance_regions(void **state)
{
    const store_conformance *c = *state;
    check_random_regions(c, TSR_I16, 3, (int64_t[]){7, 11, 13}, 600);
    check_random_regions(c, TSR_F32, 4, (int64_t[]){3, 5, 17, 31}, 600);
    check_random_regions(c, TSR_F64, 1, (int64_t[]){1000}, 100);
    /* Rows longer than a page, gaps longer and shorter than one, more than one window of short rows. */
    check_random_regions(c, TSR_F32, 2, (int64_t[]){40, 5000}, 100);
    check_random_regions(c, TSR_F64, 3, (int64_t[]){60, 70, 9}, 200);
    check_random_regions(c, TSR_I8, 3, (int64_t[]){9, 300, 70}, 200);
}

static void conformance_bounds(void **state)
{
    const store_conformance *c = *state;
    one_var o;
    store *s;
    char out[256];
    const char *path = scratch_path(c, "bounds");
    one_var_init(&o, TSR_F32, 2, (int64_t[]){4, 5});
    assert_ok(one_var_write(c, &o, path));
    assert_ok(store_open(path, &s));
    const store_var *var = store_find(s, "data");
    const struct {
        box region;
        int64_t step[2];
    } bad[] = {
        {{1, {0}, {4}}, {1, 1}},
        {{2, {-1, 0}, {1, 1}}, {1, 1}},
        {{2, {0, 0}, {5, 1}}, {1, 1}},
        {{2, {0, 3}, {1, 3}}, {1, 1}},
        {{2, {0, 0}, {1, 3}}, {1, 3}},
        {{2, {0, 0}, {1, 1}}, {0, 1}},
        {{2, {0, 0}, {1, 2}}, {1, -1}},
        {{2, {4, 0}, {1, 1}}, {1, 1}},
        {{2, {0, 0}, {-1, 1}}, {1, 1}},
        {{2, {0, INT64_MAX}, {1, INT64_MAX}}, {1, INT64_MAX}},
        {{2, {0, 1}, {1, 2}}, {1, INT64_MAX}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(store_read(s, var, &bad[i].region, bad[i].step, out, NULL), TSR_OK);
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());
    }
    box none = {2, {4, 0}, {0, 5}};
    assert_ok(store_read(s, var, &none, NULL, out, NULL));
    store_unref(s);
    free(o.values);
    unlink(path);
}

static void conformance_small_shapes(void **state)
{
    const store_conformance *c = *state;
    const char *path = scratch_path(c, "small");
    for (int ndim = 0; ndim <= 2; ndim++) {
        one_var o;
        store *s;
        double back = 0;
        one_var_init(&o, TSR_F64, ndim, (int64_t[]){1, 1});
        assert_ok(one_var_write(c, &o, path));
        assert_ok(store_open(path, &s));
        const store_var *var = store_find(s, "data");
        assert_int_equal(var->ndim, ndim);
        box all = box_of_shape(ndim, var->shape);
        read_native(s, var, &all, NULL, &back);
        assert_memory_equal(&back, o.values, 8);
        store_unref(s);
        free(o.values);
    }
    one_var o;
    store *s;
    one_var_init(&o, TSR_I32, 2, (int64_t[]){0, 3});
    assert_ok(one_var_write(c, &o, path));
    assert_ok(store_open(path, &s));
    assert_int_equal(store_find(s, "data")->shape[0], 0);
    assert_int_equal(store_find(s, "data")->shape[1], 3);
    store_unref(s);
    free(o.values);
    unlink(path);
}

/* Several variables of odd sizes, with and without the unlimited dimension, and attributes of each kind. */
static void conformance_dataset(void **state)
{
    const store_conformance *c = *state;
    if (c->one_array) skip();
    enum { N_VARS = 5 };
    const char *path = scratch_path(c, "dataset");
    double factor = 0.5;
    int16_t range[3] = {-3, 0, 30000};
    store_attr attrs[] = {{.name = "units", .text = "K", .n_values = 1},
                          {.name = "empty", .text = "", .n_values = 0},
                          {.name = "scale_factor", .dtype = TSR_F64, .n_values = 1, .values = &factor},
                          {.name = "valid_range", .dtype = TSR_I16, .n_values = 3, .values = range}};
    store_attr global[] = {{.name = "title",
                            .text = "gr\xc3\xbc\xc3\x9f"
                                    "e, several\nlines",
                            .n_values = 22}};
    store_dim dims[] = {{"time", 5, true}, {"lat", 3, false}, {"lon", 7, false}};
    store_var vars[N_VARS] = {
        {.name = "a", .dtype = TSR_I8, .ndim = 2, .dims = {0, 1}, .shape = {5, 3}, .n_attrs = 4, .attrs = attrs},
        {.name = "time", .dtype = TSR_F64, .ndim = 1, .dims = {0}, .shape = {5}},
        {.name = "b", .dtype = TSR_I16, .ndim = 3, .dims = {0, 1, 2}, .shape = {5, 3, 7}},
        {.name = "lon", .dtype = TSR_F32, .ndim = 1, .dims = {2}, .shape = {7}, .n_attrs = 1, .attrs = attrs},
        {.name = "scalar", .dtype = TSR_I32},
    };
    store_schema schema = {.n_dims = 3, .n_vars = N_VARS, .n_attrs = 1, .dims = dims, .vars = vars, .attrs = global};
    char *values[N_VARS];
    store_writer *w;
    store *s;
    assert_ok(store_create(path, c->format, &schema, &w));
    for (int i = N_VARS - 1; i >= 0; i--) {
        values[i] = test_values(vars[i].dtype, shape_size(vars[i].ndim, vars[i].shape), 99 + (uint64_t)i);
        assert_ok(write_all(w, i, values[i]));
    }
    assert_ok(store_finish(w));
    assert_ok(store_open(path, &s));
    assert_int_equal(s->n_attrs, 1);
    assert_string_equal(s->attrs[0].text, global[0].text);
    for (int i = 0; i < N_VARS; i++) {
        const store_var *var = store_find(s, vars[i].name);
        char back[5 * 3 * 7 * 2];
        assert_non_null(var);
        assert_int_equal(var->dtype, vars[i].dtype);
        box all = box_of_shape(var->ndim, var->shape);
        read_native(s, var, &all, NULL, back);
        assert_memory_equal(back, values[i], (size_t)box_size(&all) * tsr_dtype_size(var->dtype));
        for (int d = 0; d < var->ndim; d++) assert_string_equal(s->dims[var->dims[d]].name, dims[vars[i].dims[d]].name);
        assert_int_equal(var->n_attrs, vars[i].n_attrs);
        free(values[i]);
    }
    const store_var *a = store_find(s, "a");
    assert_string_equal(store_var_attr(a, "units")->text, "K");
    assert_string_equal(store_var_attr(a, "empty")->text, "");
    assert_int_equal(store_var_attr(a, "scale_factor")->dtype, TSR_F64);
    assert_memory_equal(store_var_attr(a, "scale_factor")->values, &factor, 8);
    assert_int_equal(store_var_attr(a, "valid_range")->n_values, 3);
    assert_memory_equal(store_var_attr(a, "valid_range")->values, range, 6);
    assert_null(store_var_attr(a, "none"));
    if (c->keeps_unlimited) assert_true(s->dims[a->dims[0]].is_unlimited);
    assert_false(s->dims[a->dims[1]].is_unlimited);
    store_unref(s);
    unlink(path);
}

typedef struct worker {
    store_writer *w;
    store *s;
    const grid *grid;
    const char *values;
    int rank, n_ranks;
    bool good;
} worker;

static void *worker_write(void *argument)
{
    worker *k = argument;
    for (int64_t block = k->rank; block < grid_n_blocks(k->grid); block += k->n_ranks)
        k->good = k->good && write_block(k->w, 0, k->grid, block, k->values) == TSR_OK;
    return NULL;
}

static void *worker_read(void *argument)
{
    worker *k = argument;
    const store_var *var = store_find(k->s, "data");
    char got[4096], expected[4096];
    uint64_t seed = (uint64_t)k->rank;
    for (int i = 0; i < 300 && k->good; i++) {
        box r = {2, {(int64_t)(test_random(&seed) % 60), (int64_t)(test_random(&seed) % 90)}, {4, 10}};
        if (store_read(k->s, var, &r, NULL, got, NULL) != TSR_OK) k->good = false;
        copy_region(k->values, var, &r, NULL, expected);
        for (int j = 0; j < 40 && var->swapped; j++) {
            uint32_t v;
            memcpy(&v, got + 4 * j, 4);
            v = __builtin_bswap32(v);
            memcpy(got + 4 * j, &v, 4);
        }
        k->good = k->good && memcmp(got, expected, 160) == 0;
    }
    return NULL;
}

static void conformance_threads(void **state)
{
    enum { N_THREADS = 4 };
    const store_conformance *c = *state;
    one_var o;
    store_writer *w;
    store *s;
    pthread_t threads[N_THREADS];
    worker workers[N_THREADS];
    const char *path = scratch_path(c, "threads");
    one_var_init(&o, TSR_F32, 2, (int64_t[]){64, 100});
    for (int d = 0; d < 2; d++) o.var.chunk[d] = 16; /* used by formats that have chunks */
    assert_ok(store_create(path, c->format, &o.schema, &w));
    grid g = writer_grid(&w->vars[0], 16);
    for (int i = 0; i < N_THREADS; i++) {
        workers[i] = (worker){.w = w, .grid = &g, .values = o.values, .rank = i, .n_ranks = N_THREADS, .good = true};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_write, &workers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    assert_ok(store_finish(w));
    assert_ok(store_open(path, &s));
    for (int i = 0; i < N_THREADS; i++) {
        assert_true(workers[i].good);
        workers[i].s = s;
        assert_int_equal(pthread_create(&threads[i], NULL, worker_read, &workers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N_THREADS; i++) assert_true(workers[i].good);
    store_unref(s);
    free(o.values);
    unlink(path);
}

/* A file appears whole or not at all, and nothing else is left beside it. */
static void conformance_all_or_nothing(void **state)
{
    const store_conformance *c = *state;
    one_var o;
    store_writer *w;
    char missing[256];
    const char *path = scratch_path(c, "whole");
    one_var_init(&o, TSR_F32, 1, (int64_t[]){10});
    assert_ok(store_create(path, c->format, &o.schema, &w));
    assert_int_not_equal(access(path, F_OK), 0);
    store_abort(w);
    assert_int_equal(scratch_count(), 0);
    assert_ok(one_var_write(c, &o, path));
    assert_int_equal(scratch_count(), 1);
    assert_ok(store_create(path, c->format, &o.schema, &w)); /* an unfinished second one leaves the first alone */
    store_abort(w);
    assert_int_equal(access(path, R_OK), 0);
    assert_ok(one_var_write(c, &o, path));
    assert_int_equal(scratch_count(), 1);
    unlink(path);
    snprintf(missing, sizeof missing, "%s/none/x%s", scratch, c->extension);
    assert_int_equal(store_create(missing, c->format, &o.schema, &w), TSR_ERR_IO);
    assert_ptr_equal(strstr(tsr_error_message(), missing), tsr_error_message());
    free(o.values);
}

static void conformance_truncation(void **state)
{
    const store_conformance *c = *state;
    one_var o;
    size_t n;
    const char *path = scratch_path(c, "cut");
    one_var_init(&o, TSR_F64, 2, (int64_t[]){2, 3});
    assert_ok(one_var_write(c, &o, path));
    char *bytes = slurp(path, &n);
    for (size_t cut = 0; cut < n; cut += c->damage_step ? c->damage_step : 1) {
        spill(path, bytes, cut);
        bool opened = try_file(path);
        if (opened && c->cut_always_fails) fail_msg("opened although cut to %zu of %zu bytes", cut, n);
        if (!opened) assert_true(tsr_error_code() == TSR_ERR_FORMAT || tsr_error_code() == TSR_ERR_UNSUPPORTED);
    }
    spill(path, bytes, n);
    assert_true(try_file(path));
    free(bytes);
    free(o.values);
    unlink(path);
}

/* Each byte of a small file takes other values: whatever happens is an error or a value, never a crash. */
static void conformance_damage(void **state)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xff, 0x10};
    const store_conformance *c = *state;
    one_var o;
    size_t n;
    const char *path = scratch_path(c, "damage");
    one_var_init(&o, TSR_I16, 2, (int64_t[]){3, 3});
    o.dims[0].is_unlimited = true;
    assert_ok(one_var_write(c, &o, path));
    char *bytes = slurp(path, &n);
    size_t most = n < 4096 ? n : 4096;
    for (size_t at = 0; at < most; at += c->damage_step ? c->damage_step : 1) {
        for (size_t m = 0; m < sizeof masks; m++) {
            bytes[at] = (char)((unsigned char)bytes[at] ^ masks[m]);
            spill(path, bytes, n);
            (void)try_file(path);
            bytes[at] = (char)((unsigned char)bytes[at] ^ masks[m]);
        }
    }
    free(bytes);
    free(o.values);
    unlink(path);
}

/* The n-th allocation fails, for n = 1, 2, ... until everything succeeds: before that, the right error and nothing left. */
static void conformance_out_of_memory(void **state)
{
    const store_conformance *c = *state;
    if (c->allocates_outside_mem) skip();
    one_var o;
    store_attr attr = {.name = "units", .text = "m", .n_values = 1};
    const char *path = scratch_path(c, "memory");
    one_var_init(&o, TSR_F32, 2, (int64_t[]){3, 4});
    if (!c->one_array) {
        o.var.n_attrs = 1;
        o.var.attrs = &attr;
    }
    tsr_status status = TSR_ERR_MEMORY;
    long n = 1;
    for (; status != TSR_OK && n < 1000; n++) {
        mem_fail_at(n);
        status = one_var_write(c, &o, path);
        mem_fail_at(0);
        if (status != TSR_OK) {
            assert_int_equal(status, TSR_ERR_MEMORY);
            assert_int_equal(scratch_count(), 0);
        }
    }
    assert_int_equal(status, TSR_OK);
    assert_true(n > 4);
    for (n = 1, status = TSR_ERR_MEMORY; status != TSR_OK && n < 1000; n++) {
        store *s = NULL;
        float out[12];
        mem_fail_at(n);
        status = store_open(path, &s);
        if (status == TSR_OK) {
            box all = box_of_shape(2, o.var.shape);
            status = store_read(s, store_find(s, "data"), &all, NULL, out, NULL);
            store_unref(s);
        }
        mem_fail_at(0);
        if (status != TSR_OK) assert_int_equal(status, TSR_ERR_MEMORY);
    }
    assert_int_equal(status, TSR_OK);
    assert_true(n > 4);
    free(o.values);
    unlink(path);
}

#define STORE_CONFORMANCE_TEST(function, spec)                                                                                   \
    {                                                                                                                            \
#function, function, scratch_make, scratch_remove, (void *)(spec)                                                        \
    }

#define STORE_CONFORMANCE_TESTS(spec)                                                                                            \
    STORE_CONFORMANCE_TEST(conformance_dtypes, spec), STORE_CONFORMANCE_TEST(conformance_regions, spec),                         \
        STORE_CONFORMANCE_TEST(conformance_bounds, spec), STORE_CONFORMANCE_TEST(conformance_small_shapes, spec),                \
        STORE_CONFORMANCE_TEST(conformance_dataset, spec), STORE_CONFORMANCE_TEST(conformance_threads, spec),                    \
        STORE_CONFORMANCE_TEST(conformance_all_or_nothing, spec), STORE_CONFORMANCE_TEST(conformance_truncation, spec),          \
        STORE_CONFORMANCE_TEST(conformance_damage, spec), STORE_CONFORMANCE_TEST(conformance_out_of_memory, spec)

#endif
