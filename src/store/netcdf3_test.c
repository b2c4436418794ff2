/* NetCDF-3: the conformance suite for each version, files made by ncgen and nccopy, what ncdump and CDO make of ours, headers
 * that lie, and the limits of the versions. What needs a program or data that is absent is skipped and says so. */
#include "store/store_conformance.h"

#include "store/netcdf3.h"
#include "store/programs_testing.h"

#define BIT(dtype) (1u << (dtype))
#define OLD_DTYPES (BIT(TSR_BOOL) | BIT(TSR_I8) | BIT(TSR_I16) | BIT(TSR_I32) | BIT(TSR_F32) | BIT(TSR_F64))
#define CDF5_DTYPES (OLD_DTYPES | BIT(TSR_I64) | BIT(TSR_U8) | BIT(TSR_U16) | BIT(TSR_U32) | BIT(TSR_U64))
#define SPEC(variable, name, dtype_set)                                                                                          \
    static const store_conformance variable = {.format = name,                                                                   \
                                               .extension = ".nc",                                                               \
                                               .dtypes = dtype_set,                                                              \
                                               .bool_as = TSR_I8,                                                                \
                                               .keeps_unlimited = true,                                                          \
                                               .cut_always_fails = true}
SPEC(spec_auto, "nc", CDF5_DTYPES);
SPEC(spec_classic, "nc3", OLD_DTYPES);
SPEC(spec_offset64, "nc64", OLD_DTYPES);
SPEC(spec_cdf5, "nc5", CDF5_DTYPES);

/* ---- Other programs ---------------------------------------------------------------------------------------------- */

static const char *const ncgen_kinds[][2] = {{"classic", "classic"}, {"64-bit offset", "64-bit offset"}, {"cdf5", "CDF-5"}};

/* Element i of every variable in the CDL below. */
static int64_t cdl_value(int64_t i) { return (i * 37) % 101 - (i % 3 == 0 ? 20 : 0); }

static void write_cdl(const char *path, bool cdf5)
{
    static const char *const vars[][2] = {
        {"byte", "b(t, y)"},    {"short", "s(t, y)"}, {"int", "i(y, x)"},       {"float", "f(t, y, x)"},
        {"double", "d(t)"},     {"byte", "fixed(y)"}, {"char", "name(y, x)"},   {"ubyte", "ub(t, y)"},
        {"ushort", "us(t, y)"}, {"uint", "ui(y, x)"}, {"int64", "ll(t, y, x)"}, {"uint64", "ull(x)"},
    };
    static const int n_values[] = {12, 12, 15, 60, 4, 3, 0, 12, 12, 15, 60, 5};
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    int n_vars = cdf5 ? 12 : 7;
    fprintf(f, "netcdf made {\ndimensions: t = UNLIMITED; y = 3; x = 5;\nvariables:\n");
    for (int i = 0; i < n_vars; i++) fprintf(f, "%s %s;\n", vars[i][0], vars[i][1]);
    fprintf(f, "b:units = \"K\"; b:range = 1s, 2s, 3s; f:scale = 0.5; f:fill = -1.f; :title = \"a title\"; :none = \"\";\n");
    fprintf(f, "data:\n name = \"abcde\", \"fghij\", \"klmno\";\n");
    for (int i = 0; i < n_vars; i++) {
        if (n_values[i] == 0) continue;
        bool is_unsigned = vars[i][0][0] == 'u';
        fprintf(f, " %.*s = ", (int)strcspn(vars[i][1], "("), vars[i][1]);
        for (int k = 0; k < n_values[i]; k++) {
            long long v = (long long)cdl_value(k);
            fprintf(f, "%s%lld", k ? ", " : "", is_unsigned && v < 0 ? -v : v);
        }
        fprintf(f, ";\n");
    }
    fprintf(f, "}\n");
    assert_int_equal(fclose(f), 0);
}

static void check_cdl_file(const char *path, const char *variant, int n_vars)
{
    store *s;
    assert_ok(store_open(path, &s));
    assert_string_equal(s->variant, variant);
    assert_int_equal(s->n_vars, n_vars);
    assert_int_equal(s->n_dims, 3);
    assert_true(s->dims[0].is_unlimited);
    assert_int_equal(s->dims[0].length, 4);
    for (int i = 0; i < n_vars; i++) {
        const store_var *var = &s->vars[i];
        char bytes[60 * 8];
        box all = box_of_shape(var->ndim, var->shape);
        if (var->is_text) {
            assert_int_equal(store_read(s, var, &all, NULL, bytes, NULL), TSR_ERR_TYPE);
            continue;
        }
        read_native(s, var, &all, NULL, bytes);
        for (int64_t k = 0; k < box_size(&all); k++) {
            tsr_scalar v = scalar_from_element(bytes + (size_t)k * tsr_dtype_size(var->dtype), var->dtype);
            int64_t expected = cdl_value(k);
            if (dtype_is_unsigned(var->dtype) && expected < 0) expected = -expected;
            assert_int_equal((int64_t)v.f, expected);
        }
    }
    const store_attr *range = store_var_attr(store_find(s, "b"), "range");
    assert_int_equal(range->dtype, TSR_I16);
    assert_memory_equal(range->values, ((int16_t[]){1, 2, 3}), 6);
    assert_string_equal(store_var_attr(store_find(s, "b"), "units")->text, "K");
    assert_memory_equal(store_var_attr(store_find(s, "f"), "fill")->values, &(float){-1}, 4);
    assert_string_equal(s->attrs[0].text, "a title");
    assert_string_equal(s->attrs[1].text, "");
    store_unref(s);
}

static void test_ncgen(void **state)
{
    if (!have_program("ncgen")) skip();
    char cdl[128], made[128];
    for (int k = 0; k < 3; k++) {
        snprintf(cdl, sizeof cdl, "%s/made.cdl", scratch);
        snprintf(made, sizeof made, "%s/made.nc", scratch);
        write_cdl(cdl, k == 2);
        free(run("ncgen -k '%s' -o %s %s", ncgen_kinds[k][0], made, cdl));
        check_cdl_file(made, ncgen_kinds[k][1], k == 2 ? 12 : 7);
    }
}

/* Byte and short record variables: one alone is not padded, two are. */
static void test_record_padding(void **state)
{
    if (!have_program("ncgen") || !have_program("ncdump")) skip();
    for (int n_vars = 1; n_vars <= 2; n_vars++) {
        char cdl[128], made[128];
        store *s;
        snprintf(cdl, sizeof cdl, "%s/pad.cdl", scratch);
        snprintf(made, sizeof made, "%s/pad.nc", scratch);
        FILE *f = fopen(cdl, "w");
        fprintf(
            f, "netcdf pad {\ndimensions: t = UNLIMITED; x = 3;\nvariables: byte b(t, x); %s\ndata: b = 1,2,3,4,5,6,7,8,9; %s}\n",
            n_vars == 2 ? "short s(t);" : "", n_vars == 2 ? "s = 10, 11, 12;" : "");
        fclose(f);
        free(run("ncgen -k classic -o %s %s", made, cdl));
        assert_ok(store_open(made, &s));
        int8_t b[9];
        box all = box_of_shape(2, s->vars[0].shape);
        read_native(s, &s->vars[0], &all, NULL, b);
        for (int i = 0; i < 9; i++) assert_int_equal(b[i], i + 1);
        int16_t v[3];
        if (n_vars == 2) {
            all = box_of_shape(1, s->vars[1].shape);
            read_native(s, &s->vars[1], &all, NULL, v);
            for (int i = 0; i < 3; i++) assert_int_equal(v[i], i + 10);
        }
        store_unref(s);
        /* And the same written by us, byte for byte as long as the library's file. */
        store_dim dims[2] = {{"t", 3, true}, {"x", 3, false}};
        store_var vars[2] = {{.name = "b", .dtype = TSR_I8, .ndim = 2, .dims = {0, 1}, .shape = {3, 3}},
                             {.name = "s", .dtype = TSR_I16, .ndim = 1, .dims = {0}, .shape = {3}}};
        store_schema schema = {.n_dims = 2, .n_vars = n_vars, .dims = dims, .vars = vars};
        store_writer *w;
        char ours[128];
        snprintf(ours, sizeof ours, "%s/ours.nc", scratch);
        assert_ok(store_create(ours, NULL, &schema, &w));
        assert_ok(write_all(w, 0, (char *)b));
        if (n_vars == 2) assert_ok(write_all(w, 1, (char *)v));
        assert_ok(store_finish(w));
        size_t n_made, n_ours;
        char *bytes_made = slurp(made, &n_made), *bytes_ours = slurp(ours, &n_ours);
        assert_int_equal(n_made, n_ours);
        /* ncgen pads with its fill value, we with zeros: compare what ncdump shows. */
        char *text_made = run("ncdump -n x %s", made), *text_ours = run("ncdump -n x %s", ours);
        assert_string_equal(text_made, text_ours);
        free(bytes_made);
        free(bytes_ours);
        free(text_made);
        free(text_ours);
    }
}

/* What ncdump prints of a file of ours in each version, and that CDO computes with it. */
static void test_read_by_others(void **state)
{
    static const char *const formats[][2] = {{"nc3", "classic"}, {"nc64", "64-bit offset"}, {"nc5", "cdf5"}};
    double times[2] = {0, 1}, lat[2] = {-45, 45}, lon[4] = {0, 90, 180, 270};
    float t2m[16];
    for (int i = 0; i < 16; i++) t2m[i] = (float)(280 + i);
    store_attr time_attrs[] = {{.name = "units", .text = "days since 2000-01-01", .n_values = 21}};
    store_attr lat_attrs[] = {{.name = "units", .text = "degrees_north", .n_values = 13}};
    store_attr lon_attrs[] = {{.name = "units", .text = "degrees_east", .n_values = 12}};
    uint64_t code = 167;
    store_attr t2m_attrs[] = {{.name = "units", .text = "K", .n_values = 1},
                              {.name = "code", .dtype = TSR_U64, .n_values = 1, .values = &code}};
    store_dim dims[] = {{"time", 2, true}, {"lat", 2, false}, {"lon", 4, false}};
    store_var vars[] = {
        {.name = "time", .dtype = TSR_F64, .ndim = 1, .dims = {0}, .shape = {2}, .n_attrs = 1, .attrs = time_attrs},
        {.name = "lat", .dtype = TSR_F64, .ndim = 1, .dims = {1}, .shape = {2}, .n_attrs = 1, .attrs = lat_attrs},
        {.name = "lon", .dtype = TSR_F64, .ndim = 1, .dims = {2}, .shape = {4}, .n_attrs = 1, .attrs = lon_attrs},
        {.name = "t2m", .dtype = TSR_F32, .ndim = 3, .dims = {0, 1, 2}, .shape = {2, 2, 4}, .n_attrs = 2, .attrs = t2m_attrs},
    };
    store_schema schema = {.n_dims = 3, .n_vars = 4, .dims = dims, .vars = vars};
    bool have_ncdump = have_program("ncdump"), have_cdo = have_program("cdo");
    if (!have_ncdump && !have_cdo) skip();
    for (int k = 0; k < 3; k++) {
        store_writer *w;
        const char *path = scratch_path(&spec_auto, "ours");
        assert_ok(store_create(path, formats[k][0], &schema, &w));
        assert_ok(write_all(w, 0, (char *)times));
        assert_ok(write_all(w, 1, (char *)lat));
        assert_ok(write_all(w, 2, (char *)lon));
        assert_ok(write_all(w, 3, (char *)t2m));
        assert_ok(store_finish(w));
        if (have_ncdump) {
            char *kind = run("ncdump -k %s", path), *text = run("ncdump %s", path);
            assert_int_equal(strncmp(kind, formats[k][1], strlen(formats[k][1])), 0);
            assert_non_null(strstr(text, "time = UNLIMITED ; // (2 currently)"));
            assert_non_null(strstr(text, "float t2m(time, lat, lon) ;"));
            assert_non_null(strstr(text, "t2m:units = \"K\" ;"));
            assert_non_null(strstr(text, k == 2 ? "t2m:code = 167ULL ;" : "t2m:code = 167 ;"));
            assert_non_null(strstr(text, "280, 281, 282, 283,"));
            assert_non_null(strstr(text, "292, 293, 294, 295 ;"));
            free(kind);
            free(text);
        }
        if (have_cdo) {
            char *text = run("cdo -s outputf,%%g,1 -timmean -fldmean -selname,t2m %s 2>&1", path);
            assert_true(strtod(text, NULL) == 287.5);
            free(text);
        }
    }
}

/* ---- Real files -------------------------------------------------------------------------------------------------- */

static void test_real_files(void **state)
{
    const char *path = "../shared/data/eraint_uvz.nc";
    if (access(path, R_OK) != 0) path = "../../shared/data/eraint_uvz.nc";
    if (access(path, R_OK) != 0) {
        print_message("skipped: ../shared/data is not there\n");
        skip();
    }
    if (!have_program("nccopy")) skip();
    char copy[128];
    store *a, *b;
    snprintf(copy, sizeof copy, "%s/copy.nc", scratch);
    free(run("nccopy -k cdf5 %s %s", path, copy));
    assert_ok(store_open(path, &a));
    assert_ok(store_open(copy, &b));
    assert_string_equal(a->variant, "64-bit offset");
    assert_string_equal(b->variant, "CDF-5");
    for (int i = 0; i < a->n_vars; i++) {
        const store_var *va = &a->vars[i], *vb = store_find(b, va->name);
        box all = box_of_shape(va->ndim, va->shape);
        size_t n = (size_t)va->stored_bytes;
        char *pa = malloc(n), *pb = malloc(n);
        int64_t n_read = 0;
        assert_ok(store_read(a, va, &all, NULL, pa, &n_read));
        assert_int_equal(n_read, n);
        assert_ok(store_read(b, vb, &all, NULL, pb, NULL));
        assert_memory_equal(pa, pb, n);
        assert_int_equal(va->n_attrs, vb->n_attrs);
        free(pa);
        free(pb);
    }
    int32_t level[3];
    box all = box_of_shape(1, (int64_t[]){3});
    read_native(a, store_find(a, "level"), &all, NULL, level);
    assert_int_equal(level[0], 200);
    assert_int_equal(level[1], 500);
    assert_int_equal(level[2], 850);
    store_unref(a);
    store_unref(b);
}

/* ---- Headers made by hand ---------------------------------------------------------------------------------------- */

typedef struct raw {
    unsigned char bytes[512];
    size_t n;
} raw;

static void raw_u32(raw *r, uint32_t v)
{
    for (int i = 3; i >= 0; i--) r->bytes[r->n++] = (unsigned char)(v >> (8 * i));
}

static void raw_name(raw *r, const char *name)
{
    raw_u32(r, (uint32_t)strlen(name));
    memcpy(r->bytes + r->n, name, strlen(name));
    r->n += (strlen(name) + 3) / 4 * 4;
}

/* What a classic file "int v(t, x)" says; each test changes one number. */
typedef struct numbers {
    uint32_t n_records, dim_tag, n_dims, t_length, x_length, attr_tag, n_attrs, n_vars, ndim, dim0, dim1, type, begin, name_bytes;
} numbers;

static const numbers good = {2, 10, 2, 0, 3, 0, 0, 1, 2, 0, 1, 4, 0, 1};

static const char *make_raw(numbers v, size_t data_bytes)
{
    raw r = {.bytes = {'C', 'D', 'F', 1}, .n = 4};
    raw_u32(&r, v.n_records);
    raw_u32(&r, v.dim_tag);
    raw_u32(&r, v.n_dims);
    raw_name(&r, "t");
    raw_u32(&r, v.t_length);
    raw_name(&r, "x");
    raw_u32(&r, v.x_length);
    raw_u32(&r, v.attr_tag);
    raw_u32(&r, v.n_attrs);
    raw_u32(&r, 11);
    raw_u32(&r, v.n_vars);
    raw_u32(&r, v.name_bytes);
    r.bytes[r.n] = 'v';
    r.n += 4;
    raw_u32(&r, v.ndim);
    raw_u32(&r, v.dim0);
    raw_u32(&r, v.dim1);
    raw_u32(&r, 0);
    raw_u32(&r, 0);
    raw_u32(&r, v.type);
    raw_u32(&r, 12);
    raw_u32(&r, v.begin ? v.begin : (uint32_t)r.n + 4);
    for (size_t i = 0; i < data_bytes; i++) r.bytes[r.n++] = i % 4 == 3 ? (unsigned char)(i / 4) : 0;
    const char *path = scratch_path(&spec_auto, "raw");
    spill(path, r.bytes, r.n);
    return path;
}

static void expect_refused(numbers v, size_t data_bytes, const char *text)
{
    store *s;
    tsr_status status = store_open(make_raw(v, data_bytes), &s);
    if (status != TSR_ERR_FORMAT && status != TSR_ERR_UNSUPPORTED) fail_msg("'%s' was expected, the status is %d", text, status);
    if (!strstr(tsr_error_message(), text)) fail_msg("'%s' was expected in: %s", text, tsr_error_message());
}

static void test_lying_headers(void **state)
{
    store *s;
    numbers v;
    assert_ok(store_open(make_raw(good, 24), &s));
    assert_int_equal(s->vars[0].shape[0], 2);
    store_unref(s);
    expect_refused(good, 23, "truncated: variable 'v' needs");
    static const struct {
        size_t field;
        uint32_t value;
        const char *text;
    } cases[] = {
        {offsetof(numbers, n_records), 3, "truncated: variable 'v'"},
        {offsetof(numbers, n_records), 0xfffffffe, "truncated: variable 'v'"},
        {offsetof(numbers, dim_tag), 12, "tag"},
        {offsetof(numbers, n_dims), 0xffffffff, "truncated"},
        {offsetof(numbers, n_dims), 3, "a name of 0 bytes"},
        {offsetof(numbers, t_length), 5, "truncated: variable 'v'"},
        {offsetof(numbers, x_length), 0, "both record dimensions"},
        {offsetof(numbers, x_length), 0xffffffff, "truncated: variable 'v'"},
        {offsetof(numbers, attr_tag), 7, "tag"},
        {offsetof(numbers, n_attrs), 1000000, "tag"},
        {offsetof(numbers, n_vars), 2, "a name of 0 bytes"},
        {offsetof(numbers, n_vars), 0xffffffff, "truncated"},
        {offsetof(numbers, ndim), 0xffffffff, "truncated"},
        {offsetof(numbers, ndim), 17, "cannot have 17"},
        {offsetof(numbers, dim0), 2, "uses dimension 2 of 2"},
        {offsetof(numbers, dim1), 0, "not as its first"},
        {offsetof(numbers, type), 0, "type 0"},
        {offsetof(numbers, type), 7, "type 7"},
        {offsetof(numbers, type), 99, "type 99"},
        {offsetof(numbers, type), 6, "truncated: variable 'v'"},
        {offsetof(numbers, begin), 8, "inside the header"},
        {offsetof(numbers, begin), 0xffffffff, "truncated: variable 'v'"},
        {offsetof(numbers, name_bytes), 0, "not plausible"},
        {offsetof(numbers, name_bytes), 0x7fffffff, "truncated"},
        {offsetof(numbers, name_bytes), 3, "zero byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        v = good;
        memcpy((char *)&v + cases[i].field, &cases[i].value, sizeof cases[i].value);
        expect_refused(v, 24, cases[i].text);
    }
}

/* The number of records that was never filled in: as many as there are bytes for. */
static void test_streaming(void **state)
{
    static const struct {
        size_t data_bytes;
        int64_t n_records;
    } cases[] = {{0, 0}, {11, 0}, {12, 1}, {35, 2}, {36, 3}};
    numbers v = good;
    v.n_records = 0xffffffff;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store *s;
        assert_ok(store_open(make_raw(v, cases[i].data_bytes), &s));
        assert_int_equal(s->dims[0].length, cases[i].n_records);
        assert_int_equal(s->vars[0].shape[0], cases[i].n_records);
        if (cases[i].n_records > 0) {
            int32_t last;
            box r = {2, {cases[i].n_records - 1, 2}, {1, 1}};
            read_native(s, &s->vars[0], &r, NULL, &last);
            assert_int_equal(last, cases[i].n_records * 3 - 1);
        }
        store_unref(s);
    }
}

/* ---- Which version, and what fits -------------------------------------------------------------------------------- */

static int version_of(const char *path)
{
    FILE *f = fopen(path, "rb");
    char head[4];
    assert_int_equal(fread(head, 1, 4, f), 4);
    fclose(f);
    return head[3];
}

/* Creates (sparse, nothing is written) and returns the version that "nc" chose. */
static int chosen_version(const store_schema *schema)
{
    store_writer *w;
    store *s;
    const char *path = scratch_path(&spec_auto, "version");
    assert_ok(store_create(path, "nc", schema, &w));
    assert_ok(store_finish(w));
    int version = version_of(path);
    assert_ok(store_open(path, &s)); /* as long as its header says */
    for (int i = 0; i < s->n_vars; i++) {
        const store_var *var = &s->vars[i];
        char last[16], zeros[16] = {0};
        box r = {.ndim = var->ndim};
        for (int d = 0; d < var->ndim; d++) {
            assert_int_equal(var->shape[d], schema->vars[i].shape[d]);
            r.start[d] = var->shape[d] - 1;
            r.count[d] = 1;
        }
        assert_ok(store_read(s, var, &r, NULL, last, NULL));
        assert_memory_equal(last, zeros, tsr_dtype_size(var->dtype));
    }
    store_unref(s);
    unlink(path);
    return version;
}

static void test_version_by_need(void **state)
{
    const int64_t million = 1000000;
    store_dim dims[2] = {{"y", 1000, false}, {"x", million, false}};
    store_var vars[3] = {{.name = "a", .ndim = 2, .dims = {0, 1}, .dtype = TSR_F32},
                         {.name = "b", .ndim = 2, .dims = {0, 1}, .dtype = TSR_F32},
                         {.name = "c", .ndim = 1, .dims = {1}, .dtype = TSR_F32}};
    store_schema schema = {.n_dims = 2, .n_vars = 3, .dims = dims, .vars = vars};
    static const struct {
        int64_t y, x;
        bool unlimited;
        tsr_dtype dtype;
        int version;
    } cases[] = {
        {10, 1000, false, TSR_F32, NC3_CLASSIC},      {10, 1000, false, TSR_U8, NC3_CDF5}, {10, 1000, false, TSR_I64, NC3_CDF5},
        {400, 1000000, false, TSR_F32, NC3_OFFSET64}, /* 1.6 GB each: the second begins below 2 GiB, the third beyond */
        {600, 1000000, false, TSR_F32, NC3_OFFSET64}, /* 2.4 GB each */
        {1200, 1000000, false, TSR_F32, NC3_CDF5},    /* 4.8 GB each */
        {1200, 1000000, true, TSR_F32, NC3_CLASSIC},  /* records of 4 MB may be many */
        {2, 600000000, true, TSR_F32, NC3_OFFSET64},  /* records of 2.4 GB */
        {1, 3000000000, false, TSR_I8, NC3_CDF5},     /* a dimension longer than 2^31 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dims[0].length = cases[i].y;
        dims[1].length = cases[i].x;
        dims[0].is_unlimited = cases[i].unlimited;
        for (int k = 0; k < 3; k++) {
            vars[k].dtype = k == 2 ? TSR_I8 : cases[i].dtype;
            for (int d = 0; d < vars[k].ndim; d++) vars[k].shape[d] = dims[vars[k].dims[d]].length;
        }
        assert_int_equal(chosen_version(&schema), cases[i].version);
    }
}

static void test_named_version_refuses(void **state)
{
    store_dim dims[2] = {{"y", 1200, false}, {"x", 1000000, false}};
    store_var var = {.name = "a", .ndim = 2, .dims = {0, 1}, .shape = {1200, 1000000}, .dtype = TSR_F32};
    store_schema schema = {.n_dims = 2, .n_vars = 1, .dims = dims, .vars = &var};
    store_writer *w;
    const char *path = scratch_path(&spec_auto, "refused");
    assert_int_equal(store_create(path, "nc3", &schema, &w), TSR_ERR_UNSUPPORTED);
    assert_non_null(strstr(tsr_error_message(), "nc5"));
    assert_int_equal(store_create(path, "nc64", &schema, &w), TSR_ERR_UNSUPPORTED);
    dims[0].length = var.shape[0] = 0;
    dims[1].length = var.shape[1] = 0;
    assert_int_equal(store_create(path, "nc", &schema, &w), TSR_ERR_UNSUPPORTED);
    assert_non_null(strstr(tsr_error_message(), "length 0"));
    dims[0].length = var.shape[0] = 2;
    dims[1].length = var.shape[1] = 3;
    var.name = "a/b";
    assert_int_equal(store_create(path, "nc", &schema, &w), TSR_ERR_VALUE);
    assert_int_equal(scratch_count(), 0);
}

/* An unlimited dimension that is not the first of its variables, and a second one, are written with their lengths. */
static void test_second_unlimited(void **state)
{
    store_dim dims[2] = {{"a", 2, true}, {"b", 3, true}};
    store_var vars[2] = {{.name = "u", .ndim = 2, .dims = {1, 0}, .shape = {3, 2}, .dtype = TSR_I32},
                         {.name = "v", .ndim = 1, .dims = {1}, .shape = {3}, .dtype = TSR_I32}};
    store_schema schema = {.n_dims = 2, .n_vars = 2, .dims = dims, .vars = vars};
    int32_t u[6] = {1, 2, 3, 4, 5, 6}, v[3] = {7, 8, 9}, back[6];
    store_writer *w;
    store *s;
    const char *path = scratch_path(&spec_auto, "unlimited");
    assert_ok(store_create(path, "nc", &schema, &w));
    assert_ok(write_all(w, 0, (char *)u));
    assert_ok(write_all(w, 1, (char *)v));
    assert_ok(store_finish(w));
    assert_ok(store_open(path, &s));
    assert_false(s->dims[0].is_unlimited);
    assert_true(s->dims[1].is_unlimited);
    box all = box_of_shape(2, s->vars[0].shape);
    read_native(s, &s->vars[0], &all, NULL, back);
    assert_memory_equal(back, u, sizeof u);
    all = box_of_shape(1, s->vars[1].shape);
    read_native(s, &s->vars[1], &all, NULL, back);
    assert_memory_equal(back, v, sizeof v);
    store_unref(s);
}

/* Attributes of unsigned and 64-bit types: narrowed where the values allow it, CDF-5 where not. */
static void test_attribute_types(void **state)
{
    int64_t fits = -5, large = 5000000000;
    uint8_t small[2] = {1, 255};
    store_attr attrs[2] = {{.name = "n", .dtype = TSR_I64, .n_values = 1, .values = &fits},
                           {.name = "flags", .dtype = TSR_U8, .n_values = 2, .values = small}};
    store_var var = {.name = "v", .dtype = TSR_F32, .n_attrs = 2, .attrs = attrs};
    store_schema schema = {.n_vars = 1, .vars = &var};
    assert_int_equal(chosen_version(&schema), NC3_CLASSIC);
    store_writer *w;
    store *s;
    const char *path = scratch_path(&spec_auto, "attrs");
    assert_ok(store_create(path, "nc", &schema, &w));
    assert_ok(store_finish(w));
    assert_ok(store_open(path, &s));
    const store_attr *n = store_var_attr(&s->vars[0], "n"), *flags = store_var_attr(&s->vars[0], "flags");
    assert_int_equal(n->dtype, TSR_I32);
    assert_int_equal(*(int32_t *)n->values, -5);
    assert_int_equal(flags->dtype, TSR_I16);
    assert_int_equal(((int16_t *)flags->values)[1], 255);
    store_unref(s);
    attrs[0].values = &large;
    assert_int_equal(chosen_version(&schema), NC3_CDF5);
    assert_int_equal(store_create(path, "nc3", &schema, &w), TSR_ERR_UNSUPPORTED);
    assert_non_null(strstr(tsr_error_message(), "variable 'v'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CONFORMANCE_TESTS(&spec_auto),
        STORE_CONFORMANCE_TESTS(&spec_classic),
        STORE_CONFORMANCE_TESTS(&spec_offset64),
        STORE_CONFORMANCE_TESTS(&spec_cdf5),
        SCRATCH_TEST(test_ncgen),
        SCRATCH_TEST(test_record_padding),
        SCRATCH_TEST(test_read_by_others),
        SCRATCH_TEST(test_real_files),
        SCRATCH_TEST(test_lying_headers),
        SCRATCH_TEST(test_streaming),
        SCRATCH_TEST(test_version_by_need),
        SCRATCH_TEST(test_named_version_refuses),
        SCRATCH_TEST(test_second_unlimited),
        SCRATCH_TEST(test_attribute_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
