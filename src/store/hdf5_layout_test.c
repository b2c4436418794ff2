/* Every layout, chunk index, filter and type, in files made by the library here, compared with what the library reads. */
#include "store/hdf5_testing.h"

#include "store/hdf5_index.h"

/* ---- Making files ------------------------------------------------------------------------------------------------- */

typedef struct recipe {
    const char *name;
    bool latest; /* version 4 layouts */
    int ndim;
    hsize_t shape[3], most[3], chunk[3]; /* chunk 0: contiguous */
    int deflate;                         /* level; 0: none */
    bool shuffle, fletcher;
    H5D_layout_t layout;
    H5D_alloc_time_t alloc;
    int sparse; /* only every n-th chunk (of the first dimension's rows) is written; 0: all */
    unsigned chunk_options;
    int kind; /* of the index that must have been read; -1: not looked at */
} recipe;

#define ANY H5S_UNLIMITED

static const recipe recipes[] = {
    {.name = "contiguous", .ndim = 2, .shape = {7, 9}, .most = {7, 9}, .layout = H5D_CONTIGUOUS},
    {.name = "contiguous, never written", .ndim = 2, .shape = {7, 9}, .most = {7, 9}, .layout = H5D_CONTIGUOUS, .sparse = -1},
    {.name = "compact", .ndim = 2, .shape = {7, 9}, .most = {7, 9}, .layout = H5D_COMPACT},
    {.name = "compact, latest", .latest = true, .ndim = 2, .shape = {7, 9}, .most = {7, 9}, .layout = H5D_COMPACT},
    {.name = "contiguous, latest", .latest = true, .ndim = 1, .shape = {70}, .most = {70}, .layout = H5D_CONTIGUOUS},
    {.name = "b-tree 1", .ndim = 3, .shape = {20, 30, 11}, .most = {20, 30, 11}, .chunk = {3, 7, 4}},
    {.name = "b-tree 1, deflate", .ndim = 3, .shape = {20, 30, 11}, .most = {20, 30, 11}, .chunk = {3, 7, 4}, .deflate = 4},
    {.name = "b-tree 1, shuffle",
     .ndim = 3,
     .shape = {20, 30, 11},
     .most = {ANY, 30, ANY},
     .chunk = {3, 7, 4},
     .deflate = 4,
     .shuffle = true},
    {.name = "b-tree 1, all",
     .ndim = 3,
     .shape = {20, 30, 11},
     .most = {20, 30, 11},
     .chunk = {3, 7, 4},
     .deflate = 1,
     .shuffle = true,
     .fletcher = true},
    {.name = "b-tree 1, fletcher", .ndim = 2, .shape = {20, 33}, .most = {20, 33}, .chunk = {3, 7}, .fletcher = true},
    {.name = "b-tree 1, deep", .ndim = 2, .shape = {120, 120}, .most = {ANY, ANY}, .chunk = {1, 1}},
    {.name = "b-tree 1, sparse", .ndim = 2, .shape = {40, 40}, .most = {40, 40}, .chunk = {4, 3}, .deflate = 1, .sparse = 3},
    {.name = "large chunk", .ndim = 2, .shape = {40, 40}, .most = {ANY, 40}, .chunk = {64, 32}, .deflate = 1, .shuffle = true},
    {.name = "single", .latest = true, .ndim = 2, .shape = {12, 10}, .most = {12, 10}, .chunk = {12, 10}},
    {.name = "single, deflate",
     .latest = true,
     .ndim = 2,
     .shape = {12, 10},
     .most = {12, 10},
     .chunk = {12, 10},
     .deflate = 5,
     .shuffle = true},
    {.name = "implicit",
     .latest = true,
     .ndim = 3,
     .shape = {12, 10, 7},
     .most = {15, 10, 7},
     .chunk = {5, 4, 3},
     .alloc = H5D_ALLOC_TIME_EARLY},
    {.name = "fixed", .latest = true, .ndim = 3, .shape = {12, 10, 7}, .most = {15, 22, 7}, .chunk = {5, 4, 3}},
    {.name = "fixed, deflate",
     .latest = true,
     .ndim = 3,
     .shape = {12, 10, 7},
     .most = {15, 22, 7},
     .chunk = {5, 4, 3},
     .deflate = 3,
     .shuffle = true},
    {.name = "fixed, paged", .latest = true, .ndim = 2, .shape = {90, 40}, .most = {90, 41}, .chunk = {1, 1}},
    {.name = "fixed, paged, sparse",
     .latest = true,
     .ndim = 2,
     .shape = {300, 40},
     .most = {300, 41},
     .chunk = {1, 3},
     .deflate = 1,
     .sparse = 90},
    {.name = "extensible", .latest = true, .ndim = 2, .shape = {50, 9}, .most = {ANY, 9}, .chunk = {2, 4}},
    {.name = "extensible, deflate",
     .latest = true,
     .ndim = 2,
     .shape = {50, 9},
     .most = {ANY, 9},
     .chunk = {2, 4},
     .deflate = 2,
     .fletcher = true},
    {.name = "extensible, second",
     .latest = true,
     .ndim = 3,
     .shape = {6, 50, 9},
     .most = {7, ANY, 9},
     .chunk = {2, 3, 4},
     .deflate = 2},
    {.name = "extensible, paged", .latest = true, .ndim = 1, .shape = {60000}, .most = {ANY}, .chunk = {1}},
    {.name = "extensible, paged, deflate",
     .latest = true,
     .ndim = 1,
     .shape = {40000},
     .most = {ANY},
     .chunk = {2},
     .deflate = 1},
    {.name = "extensible, sparse",
     .latest = true,
     .ndim = 2,
     .shape = {30000, 2},
     .most = {ANY, 2},
     .chunk = {1, 2},
     .sparse = 1777},
    {.name = "b-tree 2", .latest = true, .ndim = 2, .shape = {9, 13}, .most = {ANY, ANY}, .chunk = {2, 3}},
    {.name = "b-tree 2, deep", .latest = true, .ndim = 2, .shape = {90, 100}, .most = {ANY, ANY}, .chunk = {1, 1}},
    {.name = "b-tree 2, deep, deflate",
     .latest = true,
     .ndim = 3,
     .shape = {20, 30, 9},
     .most = {ANY, ANY, 9},
     .chunk = {1, 1, 4},
     .deflate = 1},
    {.name = "plain edges",
     .latest = true,
     .ndim = 2,
     .shape = {12, 10},
     .most = {12, 20},
     .chunk = {5, 4},
     .deflate = 3,
     .shuffle = true,
     .chunk_options = H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS},
    {.name = "plain edges, extensible",
     .latest = true,
     .ndim = 2,
     .shape = {12, 10},
     .most = {ANY, 10},
     .chunk = {5, 4},
     .deflate = 3,
     .chunk_options = H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS},
    {.name = "no values", .ndim = 2, .shape = {0, 5}, .most = {ANY, 5}, .chunk = {5, 4}, .deflate = 3},
};

static hid_t new_file(const char *path, bool latest, hsize_t user_block)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    if (latest) H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_userblock(create, user_block);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    H5Pclose(access);
    H5Pclose(create);
    assert_true(file >= 0);
    return file;
}

static hid_t recipe_plist(const recipe *r, hid_t type)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    float fill = -7.5f;
    if (r->chunk[0]) {
        H5Pset_chunk(plist, r->ndim, r->chunk);
        if (r->chunk_options) H5Pset_chunk_opts(plist, r->chunk_options);
    } else {
        H5Pset_layout(plist, r->layout);
    }
    if (r->alloc) H5Pset_alloc_time(plist, r->alloc);
    if (r->shuffle) H5Pset_shuffle(plist);
    if (r->deflate) H5Pset_deflate(plist, (unsigned)r->deflate);
    if (r->fletcher) H5Pset_fletcher32(plist);
    H5Pset_fill_value(plist, H5T_NATIVE_FLOAT, &fill);
    return plist;
}

/* Rows of the first dimension; a sparse recipe leaves most of them out. */
static void write_rows(const recipe *r, hid_t dataset, const float *values)
{
    hsize_t start[3] = {0}, count[3], row = 1;
    for (int d = 0; d < r->ndim; d++) count[d] = r->shape[d];
    for (int d = 1; d < r->ndim; d++) row *= r->shape[d];
    if (r->sparse == 0) {
        assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
        return;
    }
    count[0] = 1;
    for (start[0] = 0; r->sparse > 0 && start[0] < r->shape[0]; start[0] += (hsize_t)r->sparse) {
        hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(r->ndim, count, NULL);
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
        assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, values + start[0] * row) >= 0);
        H5Sclose(space);
        H5Sclose(memory);
    }
}

static void make_recipe(const recipe *r, const char *path)
{
    hdf5_section section;
    assert_ok(hdf5_lib_enter(&section));
    hid_t file = new_file(path, r->latest, 0);
    hid_t space = H5Screate_simple(r->ndim, r->shape, r->most), plist = recipe_plist(r, H5T_NATIVE_FLOAT);
    hid_t dataset = H5Dcreate2(file, "data", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(dataset >= 0);
    size_t n = 1;
    for (int d = 0; d < r->ndim; d++) n *= r->shape[d];
    float *values = malloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = (float)(i % 1000) + 0.25f;
    write_rows(r, dataset, values);
    free(values);
    H5Dclose(dataset);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
    hdf5_lib_leave(&section);
}

/* Our own code must have read the index: reading through the library would hide its faults. */
static void assert_own_reading(const char *path, bool expected)
{
    store *s;
    char byte[16];
    assert_ok(store_open(path, &s));
    const store_var *var = store_find(s, "data");
    const hdf5_var *v = var->format_data;
    box one = {.ndim = var->ndim};
    for (int d = 0; d < var->ndim; d++) one.count[d] = 1;
    if (shape_size(var->ndim, var->shape) > 0) {
        assert_ok(store_read(s, var, &one, NULL, byte, NULL));
        assert_int_equal(v->needs_library || !atomic_load(&v->index)->is_known, !expected);
    }
    store_unref(s);
}

static void test_layouts(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/layout.h5", scratch);
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        make_recipe(&recipes[i], path);
        assert_own_reading(path, true);
        check_file(path, 60);
        unlink(path);
    }
}

/* Each layout cut short at many places, and with damaged bytes: errors or values, never more. */
static void test_damaged_layouts(void **state)
{
    char path[300];
    uint64_t seed = 3;
    snprintf(path, sizeof path, "%s/damaged.h5", scratch);
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        make_recipe(&recipes[i], path);
        size_t n;
        char *bytes = slurp(path, &n);
        for (int k = 0; k < 40; k++) {
            spill(path, bytes, (size_t)(test_random(&seed) % n));
            (void)try_file(path);
        }
        for (int k = 0; k < 150; k++) {
            /* Mostly in metadata: in the library's layout it lies at the begin and the end. */
            size_t at = test_random(&seed) % (k % 2 && n > 4096 ? 4096 : n);
            char old = bytes[at];
            bytes[at] = (char)test_random(&seed);
            spill(path, bytes, n);
            (void)try_file(path);
            bytes[at] = old;
        }
        free(bytes);
        unlink(path);
    }
}

/* ---- Damage that must be found ------------------------------------------------------------------------------------ */

static tsr_status read_all(const char *path)
{
    store *s;
    TRY(store_open(path, &s));
    const store_var *var = store_find(s, "data");
    box all = box_of_shape(var->ndim, var->shape);
    char *out = malloc((size_t)box_size(&all) * tsr_dtype_size(var->dtype));
    tsr_status status = store_read(s, var, &all, NULL, out, NULL);
    free(out);
    store_unref(s);
    return status;
}

/* The place of a chunk's bytes, as our index has it. */
static hdf5_chunk chunk_of(const char *path, int64_t number)
{
    store *s;
    assert_ok(store_open(path, &s));
    const store_var *var = store_find(s, "data");
    const hdf5_var *v = var->format_data;
    box one = {.ndim = var->ndim};
    char out[16];
    for (int d = 0; d < var->ndim; d++) one.count[d] = 1;
    assert_ok(store_read(s, var, &one, NULL, out, NULL));
    hdf5_chunk chunk = *hdf5_index_find(atomic_load(&v->index), number);
    store_unref(s);
    return chunk;
}

static void check_chunk_damage(const recipe *r, const char *expected)
{
    char path[300];
    snprintf(path, sizeof path, "%s/chunk.h5", scratch);
    make_recipe(r, path);
    hdf5_chunk chunk = chunk_of(path, 3);
    size_t n;
    char *bytes = slurp(path, &n);
    bytes[chunk.offset + chunk.size_bytes / 2] ^= 0x40;
    spill(path, bytes, n);
    assert_int_equal(read_all(path), TSR_ERR_FORMAT);
    if (!strstr(tsr_error_message(), expected)) fail_msg("'%s' does not say '%s'", tsr_error_message(), expected);
    assert_non_null(strstr(tsr_error_message(), "chunk 3"));
    assert_non_null(strstr(tsr_error_message(), "'data'"));
    free(bytes);
    unlink(path);
}

static void test_damaged_chunks(void **state)
{
    check_chunk_damage(&(recipe){.ndim = 2, .shape = {20, 33}, .most = {20, 33}, .chunk = {3, 7}, .fletcher = true}, "checksum");
    check_chunk_damage(&(recipe){.ndim = 2, .shape = {20, 33}, .most = {20, 33}, .chunk = {3, 7}, .deflate = 4},
                       "compressed chunk");
}

/* ---- Types -------------------------------------------------------------------------------------------------------- */

static void make_typed(hid_t file, const char *name, hid_t type, hid_t memory, const void *values, hid_t plist)
{
    hsize_t n = 10;
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (values) assert_true(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

static hid_t pair_type(hid_t part, const char *first, const char *second)
{
    size_t size = H5Tget_size(part);
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * size);
    H5Tinsert(type, first, 0, part);
    H5Tinsert(type, second, size, part);
    return type;
}

static hid_t enum_type(const char *no, const char *yes)
{
    hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
    signed char value = 0;
    H5Tenum_insert(type, no, &value);
    value = 1;
    H5Tenum_insert(type, yes, &value);
    return type;
}

/* numpy's float16, as h5py writes it. */
static hid_t half_type(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static hid_t int24_type(void)
{
    hid_t type = H5Tcopy(H5T_STD_I32BE);
    H5Tset_precision(type, 24);
    H5Tset_size(type, 3);
    return type;
}

typedef struct typed {
    const char *name;
    tsr_dtype dtype;
    bool swapped, text;
} typed;

static const typed expected_types[] = {
    {"i8", TSR_I8},
    {"u8", TSR_U8},
    {"i16", TSR_I16},
    {"i16be", TSR_I16, true},
    {"u16be", TSR_U16, true},
    {"i32be", TSR_I32, true},
    {"u32", TSR_U32},
    {"i64", TSR_I64},
    {"u64be", TSR_U64, true},
    {"f32be", TSR_F32, true},
    {"f64", TSR_F64},
    {"f64be", TSR_F64, true},
    {"bool", TSR_BOOL},
    {"choice", TSR_I8},
    {"c64", TSR_C64},
    {"c128be", TSR_C128, true},
    {"half", TSR_F32},
    {"int24", TSR_I32},
    {"long", TSR_F64},
    {"bits", TSR_U8},
    {"pair", TSR_U8, false, true},
    {"string", TSR_U8, false, true},
    {"vlen", TSR_U8, false, true},
};

static void make_types(const char *path)
{
    hdf5_section section;
    assert_ok(hdf5_lib_enter(&section));
    hid_t file = new_file(path, false, 0);
    double d[10], z[20];
    signed char b[10];
    for (int i = 0; i < 10; i++) {
        d[i] = i * 7 + 0.5;
        b[i] = (signed char)(i % 3 == 0);
        z[2 * i] = i;
        z[2 * i + 1] = -i;
    }
    const struct {
        const char *name;
        hid_t type;
    } plain[] = {{"i8", H5T_STD_I8LE},        {"u8", H5T_STD_U8BE},      {"i16", H5T_STD_I16LE},  {"i16be", H5T_STD_I16BE},
                 {"u16be", H5T_STD_U16BE},    {"i32be", H5T_STD_I32BE},  {"u32", H5T_STD_U32LE},  {"i64", H5T_STD_I64LE},
                 {"u64be", H5T_STD_U64BE},    {"f32be", H5T_IEEE_F32BE}, {"f64", H5T_IEEE_F64LE}, {"f64be", H5T_IEEE_F64BE},
                 {"long", H5T_NATIVE_LDOUBLE}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        make_typed(file, plain[i].name, plain[i].type, H5T_NATIVE_DOUBLE, d, H5P_DEFAULT);
    const struct {
        const char *name;
        hid_t type, memory;
        const void *values;
    } made[] = {{"bool", enum_type("FALSE", "TRUE"), enum_type("FALSE", "TRUE"), b},
                {"choice", enum_type("no", "yes"), enum_type("no", "yes"), b},
                {"c64", pair_type(H5T_IEEE_F32LE, "r", "i"), pair_type(H5T_NATIVE_DOUBLE, "r", "i"), z},
                {"c128be", pair_type(H5T_IEEE_F64BE, "real", "imag"), pair_type(H5T_NATIVE_DOUBLE, "real", "imag"), z},
                {"pair", pair_type(H5T_STD_I32LE, "a", "b"), -1, NULL},
                {"half", half_type(), H5Tcopy(H5T_NATIVE_DOUBLE), d},
                {"int24", int24_type(), H5Tcopy(H5T_NATIVE_DOUBLE), d},
                {"bits", H5Tcopy(H5T_STD_B8LE), H5Tcopy(H5T_STD_B8LE), b},
                {"string", H5Tcopy(H5T_C_S1), -1, NULL},
                {"vlen", H5Tvlen_create(H5T_NATIVE_INT), -1, NULL}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        make_typed(file, made[i].name, made[i].type, made[i].memory, made[i].values, H5P_DEFAULT);
        H5Tclose(made[i].type);
        if (made[i].memory >= 0) H5Tclose(made[i].memory);
    }
    H5Fclose(file);
    hdf5_lib_leave(&section);
}

static void test_types(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/types.h5", scratch);
    make_types(path);
    store *s;
    assert_ok(store_open(path, &s));
    for (size_t i = 0; i < sizeof expected_types / sizeof *expected_types; i++) {
        const typed *t = &expected_types[i];
        const store_var *var = store_find(s, t->name);
        assert_non_null(var);
        if (var->dtype != t->dtype || var->swapped != t->swapped || var->is_text != t->text)
            fail_msg("'%s' is %s", t->name, tsr_dtype_name(var->dtype));
        if (t->text) continue;
        if (strcmp(t->name, "c128be") == 0) { /* the library converts by member name, and ours are r and i */
            double z[20];
            box all = box_of_shape(1, var->shape);
            read_native(s, var, &all, NULL, z);
            for (int k = 0; k < 10; k++) assert_true(z[2 * k] == k && z[2 * k + 1] == -k);
            continue;
        }
        check_var(s, path, var, 30);
    }
    char out[64];
    box one = {1, {0}, {1}};
    assert_int_equal(store_read(s, store_find(s, "pair"), &one, NULL, out, NULL), TSR_ERR_TYPE);
    store_unref(s);
    unlink(path);
}

/* A byte that is neither 0 nor 1 in a bool's file is true. */
static void test_bool_bytes(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/bool.h5", scratch);
    hdf5_section section;
    assert_ok(hdf5_lib_enter(&section));
    hid_t file = new_file(path, false, 0), type = enum_type("FALSE", "TRUE");
    const signed char bytes[10] = {0, 1, 2, -1, 0, 7, 0, 0, 1, 64};
    make_typed(file, "data", type, type, bytes, H5P_DEFAULT);
    H5Tclose(type);
    H5Fclose(file);
    hdf5_lib_leave(&section);
    store *s;
    unsigned char out[10];
    assert_ok(store_open(path, &s));
    box all = {1, {0}, {10}};
    assert_ok(store_read(s, store_find(s, "data"), &all, NULL, out, NULL));
    for (int i = 0; i < 10; i++) assert_int_equal(out[i], bytes[i] != 0);
    store_unref(s);
    unlink(path);
}

/* ---- Other filters, groups, oddities ------------------------------------------------------------------------------ */

/* What our code does not decode goes through the library; what that cannot decode either is named. */
static void test_other_filters(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/filters.h5", scratch);
    hsize_t chunk = 4;
    int values[10] = {5, 4, 3, 2, 1, 0, 100, 101, 102, 103};
    hdf5_section section;
    assert_ok(hdf5_lib_enter(&section));
    hid_t file = new_file(path, false, 0), plist = H5Pcreate(H5P_DATASET_CREATE), unknown = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, &chunk);
    H5Pset_scaleoffset(plist, H5Z_SO_INT, H5Z_SO_INT_MINBITS_DEFAULT);
    make_typed(file, "data", H5T_STD_I32LE, H5T_NATIVE_INT, values, plist);
    H5Pset_chunk(unknown, 1, &chunk);
    H5Pset_filter(unknown, 32999, H5Z_FLAG_OPTIONAL, 0, NULL);
    make_typed(file, "unknown", H5T_STD_I32LE, H5T_NATIVE_INT, NULL, unknown);
    H5Pclose(plist);
    H5Pclose(unknown);
    H5Fclose(file);
    hdf5_lib_leave(&section);
    assert_own_reading(path, false);
    store *s;
    int out[10];
    assert_ok(store_open(path, &s));
    check_var(s, path, store_find(s, "data"), 30);
    assert_string_equal(store_find(s, "data")->compression, "scaleoffset");
    box all = {1, {0}, {10}};
    assert_int_equal(store_read(s, store_find(s, "unknown"), &all, NULL, out, NULL), TSR_ERR_UNSUPPORTED);
    assert_non_null(strstr(tsr_error_message(), "filter 32999"));
    store_unref(s);
    unlink(path);
}

/* A user block before the file, groups, a circle of hard links, a null and a scalar dataspace, phony dimensions. */
static void test_structure(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/structure.mat", scratch);
    double values[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, out[10];
    hdf5_section section;
    assert_ok(hdf5_lib_enter(&section));
    hid_t file = new_file(path, false, 1024);
    hid_t group = H5Gcreate2(file, "outer", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t inner = H5Gcreate2(group, "inner", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    make_typed(file, "data", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values, H5P_DEFAULT);
    make_typed(inner, "deep", H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, values, H5P_DEFAULT);
    H5Lcreate_hard(file, "outer", inner, "again", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("/etc/passwd", "/x", file, "outside", H5P_DEFAULT, H5P_DEFAULT);
    hid_t null = H5Screate(H5S_NULL), scalar = H5Screate(H5S_SCALAR);
    H5Dclose(H5Dcreate2(file, "null", H5T_NATIVE_INT, null, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t one = H5Dcreate2(file, "one", H5T_NATIVE_DOUBLE, scalar, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(one, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &values[6]);
    H5Dclose(one);
    H5Sclose(null);
    H5Sclose(scalar);
    H5Gclose(inner);
    H5Gclose(group);
    H5Fclose(file);
    hdf5_lib_leave(&section);
    store *s;
    assert_ok(store_open(path, &s));
    assert_int_equal(s->n_vars, 4);
    const store_var *deep = store_find(s, "outer/inner/deep");
    assert_non_null(deep);
    assert_int_equal(deep->dims[0], store_find(s, "data")->dims[0]);
    assert_string_equal(s->dims[deep->dims[0]].name, "phony_dim_0");
    check_var(s, path, deep, 20);
    check_var(s, path, store_find(s, "data"), 20);
    assert_int_equal(store_find(s, "null")->shape[0], 0);
    box all = {0};
    assert_ok(store_read(s, store_find(s, "one"), &all, NULL, out, NULL));
    assert_true(out[0] == 7);
    store_unref(s);
    unlink(path);
}

/* An unlimited dimension that one variable has outgrown: the others are filled up. */
static void test_outgrown(void **state)
{
    char path[300], command[700];
    snprintf(path, sizeof path, "%s/outgrown.nc", scratch);
    snprintf(command, sizeof command,
             "printf 'netcdf x { dimensions: t = UNLIMITED; y = 3; variables: int a(t, y); int b(t); a:_FillValue = -5; "
             "data: a = 1, 2, 3, 4, 5, 6; b = 1, 2, 3, 4, 5; }' | ncgen -k nc4 -o %s 2>/dev/null",
             path);
    if (system(command) != 0) skip();
    store *s;
    assert_ok(store_open(path, &s));
    const store_var *a = store_find(s, "a");
    assert_int_equal(a->shape[0], 5);
    int out[15];
    box all = box_of_shape(2, a->shape);
    assert_ok(store_read(s, a, &all, NULL, out, NULL));
    for (int i = 0; i < 15; i++) assert_int_equal(out[i], i < 6 ? i + 1 : -5);
    box part = {2, {1, 1}, {2, 2}};
    int64_t step[2] = {2, 1};
    assert_ok(store_read(s, a, &part, step, out, NULL));
    assert_true(out[0] == 5 && out[1] == 6 && out[2] == -5 && out[3] == -5);
    store_unref(s);
    unlink(path);
}

/* ---- Many threads, many files ------------------------------------------------------------------------------------- */

typedef struct reader_job {
    store *s;
    const char *expected;
    uint64_t seed;
    bool good;
} reader_job;

static void *read_regions(void *argument)
{
    reader_job *j = argument;
    const store_var *var = store_find(j->s, "data");
    char *got = malloc(64 * 64 * 4), *part = malloc(64 * 64 * 4);
    for (int i = 0; i < 200; i++) {
        box r = {2, {(int64_t)(test_random(&j->seed) % 500), (int64_t)(test_random(&j->seed) % 700)}, {60, 64}};
        j->good &= store_read(j->s, var, &r, NULL, got, NULL) == TSR_OK;
        copy_region(j->expected, var, &r, NULL, part);
        j->good &= memcmp(got, part, 60 * 64 * 4) == 0;
    }
    free(got);
    free(part);
    return NULL;
}

static void test_threads(void **state)
{
    enum { N_THREADS = 6 };
    static const recipe r = {
        .ndim = 2, .shape = {600, 800}, .most = {600, 800}, .chunk = {64, 64}, .deflate = 1, .shuffle = true};
    char path[300];
    snprintf(path, sizeof path, "%s/threads.h5", scratch);
    make_recipe(&r, path);
    store *s;
    assert_ok(store_open(path, &s));
    char *expected = library_values(path, store_find(s, "data"));
    pthread_t threads[N_THREADS];
    reader_job jobs[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        jobs[i] = (reader_job){s, expected, (uint64_t)i, true};
        assert_int_equal(pthread_create(&threads[i], NULL, read_regions, &jobs[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(jobs[i].good);
    }
    free(expected);
    store_unref(s);
    unlink(path);
}

/* More stores than descriptors; each is read, and reads only the bytes of the chunks it needs. */
static void test_many_files(void **state)
{
    enum { N = 1500 };
    static const recipe r = {.ndim = 2, .shape = {8, 8}, .most = {8, 8}, .chunk = {4, 4}, .deflate = 1};
    char path[300];
    snprintf(path, sizeof path, "%s/many.h5", scratch);
    make_recipe(&r, path);
    store **stores = calloc(N, sizeof *stores);
    for (int i = 0; i < N; i++) assert_ok(store_open(path, &stores[i]));
    for (int i = 0; i < N; i++) {
        float out[16];
        int64_t n_read = 0;
        const store_var *var = store_find(stores[i], "data");
        box one = {2, {4, 0}, {4, 4}};
        assert_ok(store_read(stores[i], var, &one, NULL, out, &n_read));
        assert_true(out[0] == 32.25f);
        assert_true(n_read > 0 && n_read < 64);
        store_unref(stores[i]);
    }
    free(stores);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_layouts),    SCRATCH_TEST(test_damaged_layouts), SCRATCH_TEST(test_damaged_chunks),
        SCRATCH_TEST(test_types),      SCRATCH_TEST(test_bool_bytes),      SCRATCH_TEST(test_other_filters),
        SCRATCH_TEST(test_structure),  SCRATCH_TEST(test_outgrown),        SCRATCH_TEST(test_threads),
        SCRATCH_TEST(test_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
