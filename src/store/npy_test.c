/* .npy files: the conformance suite, and files as NumPy writes them. */
#include "store/store_conformance.h"

static const store_conformance spec = {
    .format = "npy",
    .extension = ".npy",
    .dtypes = (1u << TSR_N_DTYPES) - 1,
    .bool_as = TSR_BOOL,
    .one_array = true,
    .cut_always_fails = true,
};

/* A file of the given version, header text and data. */
static const char *make_npy(int major, const char *dictionary, const void *data, size_t n_bytes)
{
    char bytes[8192] = "\x93NUMPY";
    size_t n = strlen(dictionary), begin = major == 1 ? 10 : 12;
    bytes[6] = (char)major;
    bytes[8] = (char)(n & 0xff);
    bytes[9] = (char)(n >> 8);
    memcpy(bytes + begin, dictionary, n);
    if (n_bytes > 0) memcpy(bytes + begin + n, data, n_bytes);
    const char *path = scratch_path(&spec, "made");
    spill(path, bytes, begin + n + n_bytes);
    return path;
}

static void test_versions(void **state)
{
    const uint8_t data[6] = {1, 2, 3, 4, 5, 6};
    for (int major = 1; major <= 3; major++) {
        store *s;
        uint8_t back[6];
        const char *path = make_npy(major, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", data, 6);
        assert_ok(store_open(path, &s));
        box all = box_of_shape(2, s->vars[0].shape);
        assert_ok(store_read(s, &s->vars[0], &all, NULL, back, NULL));
        assert_memory_equal(back, data, 6);
        assert_string_equal(s->dims[1].name, "dim_1");
        store_unref(s);
    }
    store *s;
    assert_int_equal(store_open(make_npy(4, "{}", NULL, 0), &s), TSR_ERR_UNSUPPORTED);
}

static void test_big_endian(void **state)
{
    const uint8_t data[4] = {0x01, 0x02, 0x03, 0x04};
    store *s;
    uint16_t back[2];
    assert_ok(store_open(make_npy(1, "{\"shape\": (2L,), 'descr': '>u2', 'fortran_order': False}", data, 4), &s));
    box all = box_of_shape(1, s->vars[0].shape);
    read_native(s, &s->vars[0], &all, NULL, back);
    assert_int_equal(back[0], 0x0102);
    assert_int_equal(back[1], 0x0304);
    store_unref(s);
}

/* An array in Fortran order, large enough for several pieces, against its elements picked one by one. */
static void check_fortran(int ndim, const int64_t *shape, int n_tries)
{
    char dictionary[200], text[100];
    int64_t reversed[TSR_MAX_NDIM], total = shape_size(ndim, shape), strides[TSR_MAX_NDIM];
    for (int d = 0; d < ndim; d++) reversed[d] = shape[ndim - 1 - d];
    shape_strides(ndim, reversed, 1, strides);
    snprintf(dictionary, sizeof dictionary, "{'descr': '<i4', 'fortran_order': True, 'shape': %s, }",
             shape_format(ndim, shape, text, sizeof text));
    size_t head = 10 + strlen(dictionary);
    char *file = calloc(1, head + (size_t)total * 4);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (char)strlen(dictionary);
    memcpy(file + 10, dictionary, strlen(dictionary));
    for (int64_t i = 0; i < total; i++) {
        for (int b = 0; b < 4; b++) file[head + (size_t)i * 4 + (size_t)b] = (char)(i >> (8 * b));
    }
    const char *path = scratch_path(&spec, "fortran");
    spill(path, file, head + (size_t)total * 4);
    free(file);
    store *s;
    assert_ok(store_open(path, &s));
    int32_t *got = malloc((size_t)total * 4);
    uint64_t seed = 5;
    for (int k = 0; k < n_tries; k++) {
        box r = box_of_shape(ndim, shape);
        int64_t step[TSR_MAX_NDIM], at[TSR_MAX_NDIM] = {0};
        for (int d = 0; d < ndim; d++) {
            step[d] = 1;
            if (k == 0) continue; /* the whole array first */
            r.start[d] = (int64_t)(test_random(&seed) % (uint64_t)shape[d]);
            step[d] = 1 + (int64_t)(test_random(&seed) % 3);
            r.count[d] = 1 + (int64_t)(test_random(&seed) % (uint64_t)((shape[d] - r.start[d] - 1) / step[d] + 1));
        }
        read_native(s, &s->vars[0], &r, step, got);
        for (int64_t i = 0; i < box_size(&r); i++) {
            int64_t expected = 0;
            for (int d = 0; d < ndim; d++) expected += (r.start[d] + at[d] * step[d]) * strides[ndim - 1 - d];
            assert_int_equal(got[i], expected);
            for (int d = ndim - 1; d >= 0 && ++at[d] == r.count[d]; d--) at[d] = 0;
        }
    }
    free(got);
    store_unref(s);
    unlink(path);
}

static void test_fortran_order(void **state)
{
    check_fortran(1, (int64_t[]){9}, 5);
    check_fortran(2, (int64_t[]){5, 7}, 50);
    check_fortran(2, (int64_t[]){700, 501}, 8);
    check_fortran(3, (int64_t[]){60, 71, 83}, 8);
    check_fortran(4, (int64_t[]){3, 4, 5, 6}, 50);
}

static void test_refused(void **state)
{
    static const struct {
        const char *dictionary;
        tsr_status status;
        const char *text;
    } cases[] = {
        {"{'descr': [('a', '<f4'), ('b', '<i2')], 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "fields"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "'|O'"},
        {"{'descr': '<U5', 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "'<U5'"},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "'<f2'"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "M8[ns]"},
        {"{'descr': '<f64', 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "'<f64'"},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,), }", TSR_ERR_UNSUPPORTED, "''"},
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), }", TSR_ERR_FORMAT, "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,), }", TSR_ERR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", TSR_ERR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 3, }", TSR_ERR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", TSR_ERR_FORMAT, "length"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 16), }", TSR_ERR_FORMAT, "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (100,), }", TSR_ERR_FORMAT, "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1), }", TSR_ERR_UNSUPPORTED, "16"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", TSR_ERR_FORMAT, "unexpected key"},
        {"{'descr': '<f4', 'shape': (1,), }", TSR_ERR_FORMAT, "needed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", TSR_ERR_FORMAT, "end"},
        {"{'descr': '<f4", TSR_ERR_FORMAT, "end"},
        {"", TSR_ERR_FORMAT, "dictionary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store *s;
        assert_int_equal(store_open(make_npy(1, cases[i].dictionary, "\0\0\0\0", 4), &s), cases[i].status);
        if (!strstr(tsr_error_message(), cases[i].text)) fail_msg("case %zu: %s", i, tsr_error_message());
    }
}

static void test_several_variables(void **state)
{
    store_dim dim = {"x", 2, false};
    store_var vars[2] = {{.name = "a", .dtype = TSR_F32, .ndim = 1, .shape = {2}},
                         {.name = "b", .dtype = TSR_F32, .ndim = 1, .shape = {2}}};
    store_schema schema = {.n_dims = 1, .n_vars = 2, .dims = &dim, .vars = vars};
    store_writer *w;
    assert_int_equal(store_create(scratch_path(&spec, "two"), NULL, &schema, &w), TSR_ERR_UNSUPPORTED);
    assert_int_equal(scratch_count(), 0);
}

/* The header as numpy.lib.format requires it: the data begins at a multiple of 64, the header ends with a newline. */
static void test_header_layout(void **state)
{
    one_var o;
    size_t n;
    const char *path = scratch_path(&spec, "header");
    one_var_init(&o, TSR_F64, 3, (int64_t[]){2, 3, 4});
    assert_ok(one_var_write(&spec, &o, path));
    char *bytes = slurp(path, &n);
    assert_int_equal(n, 128 + 24 * 8);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 4), }", 69);
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, o.values, 24 * 8);
    free(bytes);
    free(o.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CONFORMANCE_TESTS(&spec),   SCRATCH_TEST(test_versions), SCRATCH_TEST(test_big_endian),
        SCRATCH_TEST(test_fortran_order), SCRATCH_TEST(test_refused),  SCRATCH_TEST(test_several_variables),
        SCRATCH_TEST(test_header_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
