/* What store.c itself promises: which format a file is, what a name's ending means, schemas that make no sense. */
#include "store/store_testing.h"

#include "base/os.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static const store_conformance any = {.format = NULL, .extension = ""};

static void test_unknown_content(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {"", 0, "the file is empty"},         {"hello, world", 12, "68 65 6c 6c"}, {"C", 1, "begins with 43)"},
        {"CDF\x03", 4, "not a known format"}, {"CDF", 3, "not a known format"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store *s;
        const char *path = scratch_path(&any, "unknown");
        spill(path, cases[i].bytes, cases[i].n);
        assert_int_equal(store_open(path, &s), TSR_ERR_FORMAT);
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());
        if (!strstr(tsr_error_message(), cases[i].text)) fail_msg("case %zu: %s", i, tsr_error_message());
    }
    store *s;
    assert_int_equal(store_open(scratch_path(&any, "absent"), &s), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "No such file"));
    assert_int_equal(store_open(scratch, &s), TSR_ERR_IO);
}

/* The content decides, not the name. */
static void test_content_wins(void **state)
{
    store_conformance npy = {.format = "npy", .extension = ".nc"};
    one_var o;
    store *s;
    const char *path = scratch_path(&npy, "array");
    one_var_init(&o, TSR_F32, 1, (int64_t[]){4});
    assert_ok(one_var_write(&npy, &o, path));
    assert_ok(store_open(path, &s));
    assert_string_equal(s->ops->name, "NumPy .npy");
    store *again = store_ref(s);
    store_unref(s);
    assert_string_equal(store_find(again, "data")->name, "data");
    assert_null(store_find(again, "none"));
    store_unref(again);
    store_unref(NULL);
    free(o.values);
}

static const char *format_of(const char *ending)
{
    static char name[64];
    store_conformance c = {.format = NULL, .extension = ending};
    one_var o;
    store *s;
    const char *path = scratch_path(&c, "some.thing");
    one_var_init(&o, TSR_F32, 1, (int64_t[]){4});
    tsr_status status = one_var_write(&c, &o, path);
    free(o.values);
    if (status != TSR_OK) return NULL;
    assert_ok(store_open(path, &s));
    snprintf(name, sizeof name, "%s", s->ops->name);
    store_unref(s);
    unlink(path);
    return name;
}

static void test_endings(void **state)
{
    assert_string_equal(format_of(".nc"), "NetCDF-3");
    assert_string_equal(format_of(".NC"), "NetCDF-3");
    assert_string_equal(format_of(".cdf"), "NetCDF-3");
    assert_string_equal(format_of(".npy"), "NumPy .npy");
    assert_null(format_of(".n"));
    assert_non_null(strstr(tsr_error_message(), ".npy"));
    assert_null(format_of(".npyx"));
    assert_null(format_of(""));
    assert_int_equal(scratch_count(), 0);
}

static void test_senseless_schemas(void **state)
{
    store_dim dim = {"x", 3, false};
    store_var var = {.name = "v", .dtype = TSR_F32, .ndim = 1, .shape = {3}};
    store_schema schema = {.n_dims = 1, .n_vars = 1, .dims = &dim, .vars = &var};
    store_writer *w;
    const char *path = scratch_path(&any, "x.nc");
#define REFUSED(change, undo)                                                                                                    \
    do {                                                                                                                         \
        change;                                                                                                                  \
        assert_int_not_equal(store_create(path, "nc", &schema, &w), TSR_OK);                                                     \
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());                                                \
        undo;                                                                                                                    \
    } while (0)
    REFUSED(var.shape[0] = 4, var.shape[0] = 3);
    REFUSED(var.dims[0] = 1, var.dims[0] = 0);
    REFUSED(var.dims[0] = -1, var.dims[0] = 0);
    REFUSED(var.ndim = 17, var.ndim = 1);
    REFUSED(var.ndim = -1, var.ndim = 1);
    REFUSED(var.name = "", var.name = "v");
    REFUSED(dim.name = NULL, dim.name = "x");
    REFUSED(dim.length = -1, dim.length = 3);
    REFUSED(var.dtype = (tsr_dtype)99, var.dtype = TSR_F32);
    REFUSED(dim.length = var.shape[0] = INT64_MAX, dim.length = var.shape[0] = 3);
    assert_int_equal(store_create(path, "zarr9", &schema, &w), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "nc5"));
    assert_int_equal(store_create("/tmp/", "nc", &schema, &w), TSR_ERR_VALUE);
    assert_int_equal(scratch_count(), 0);
    assert_ok(store_create(path, "nc", &schema, &w));
    box outside = {1, {1}, {3}};
    assert_int_equal(store_write(w, 0, &outside, "            "), TSR_ERR_INDEX);
    assert_int_equal(store_write(w, 1, &outside, "            "), TSR_ERR_INDEX);
    store_abort(w);
    store_abort(NULL);
}

/* A file with the temporary's name that a killed process with our number left does not stop us. */
static void test_stale_temporary(void **state)
{
    store_conformance nc = {.format = "nc", .extension = ".nc"};
    char stale[256];
    one_var o;
    const char *path = scratch_path(&nc, "z");
    snprintf(stale, sizeof stale, "%s/.z.nc.tmp-%ld", scratch, (long)getpid());
    spill(stale, "old", 3);
    one_var_init(&o, TSR_F32, 1, (int64_t[]){4});
    assert_ok(one_var_write(&nc, &o, path));
    assert_int_equal(scratch_count(), 1);
    free(o.values);
}

/* A system that refuses to let the file grow, as a full disk does: the error names the file, nothing is left. */
static void test_no_room(void **state)
{
    static const char *const formats[][2] = {{"nc", ".nc"}, {"npy", ".npy"}, {"nc4", ".nc4"}};
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        store_conformance c = {.format = formats[i][0], .extension = formats[i][1]};
        one_var o;
        const char *path = scratch_path(&c, "full");
        one_var_init(&o, TSR_F64, 1, (int64_t[]){10000});
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        tsr_status status = one_var_write(&c, &o, path);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, TSR_ERR_IO);
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());
        assert_non_null(strstr(tsr_error_message(), "File too large"));
        assert_int_equal(scratch_count(), 0);
        free(o.values);
    }
    signal(SIGXFSZ, handler);
}

/* What cannot fit is refused before there is a file; what is deflated might, whatever its size. */
static void test_surely_no_room(void **state)
{
    static const char *const formats[] = {"nc", "nc5", "nc4", "npy"};
    const int64_t n = INT64_C(1) << 50;
    int64_t left;
    const store_dim dim = {.name = (char[]){"x"}, .length = n};
    const store_var var = {.name = (char[]){"v"}, .dtype = TSR_F64, .ndim = 1, .shape = {n}};
    store_schema schema = {.n_dims = 1, .dims = &dim, .n_vars = 1, .vars = &var};
    store_writer *w;
    if (!os_free_bytes(scratch, &left)) skip();
    assert_true(left < n);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const char *path = scratch_path(&any, "vast");
        assert_int_equal(store_create(path, formats[i], &schema, &w), TSR_ERR_IO);
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());
        if (!strstr(tsr_error_message(), ": the file takes 9.0 PB, the file system of ") || !strstr(tsr_error_message(), scratch))
            fail_msg("%s: %s", formats[i], tsr_error_message());
        assert_int_equal(tsr_error_errno(), ENOSPC);
        assert_int_equal(scratch_count(), 0);
    }
    schema.deflate_level = 1;
    assert_int_equal(store_create(scratch_path(&any, "vast"), "nc", &schema, &w), TSR_ERR_IO); /* which does not deflate */
    assert_ok(store_create(scratch_path(&any, "vast"), "nc4", &schema, &w));
    store_abort(w);
    assert_int_equal(scratch_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_unknown_content),   SCRATCH_TEST(test_content_wins),    SCRATCH_TEST(test_endings),
        SCRATCH_TEST(test_senseless_schemas), SCRATCH_TEST(test_stale_temporary), SCRATCH_TEST(test_no_room),
        SCRATCH_TEST(test_surely_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
