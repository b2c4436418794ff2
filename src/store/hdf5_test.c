/* NetCDF-4: the conformance suite, what netCDF's own programs and CDO make of our files, files that they made, and real
 * ones. What needs a program or data that is absent is skipped and says so. */
#include "store/hdf5_testing.h"
#include "store/programs_testing.h"
#include "store/store_conformance.h"

#define ALL_DTYPES ((1u << TSR_N_DTYPES) - 1)

static const store_conformance spec = {
    .format = "nc4", .extension = ".nc4", .dtypes = ALL_DTYPES, .bool_as = TSR_I8, .keeps_unlimited = true, .damage_step = 11};

/* ---- Our files in other programs ---------------------------------------------------------------------------------- */

static float numbers[4 * 37 * 53];
static double times[8] = {0, 6, 12, 18, 24, 30, 36, 42}, lats[37], lons[53];

/* A small climate file: coordinates, an unlimited time, bounds, a bool, a group. */
static void write_climate(const char *path, int level, bool shuffle, int64_t chunk)
{
    static const char *const var_names[] = {"time", "lat", "lon", "t2m", "time_bnds", "flag", "count", "more/inner"};
    float fill = 1e20f;
    store_dim dims[] = {{"time", 4, true}, {"lat", 37, false}, {"lon", 53, false}, {"bnds", 2, false}};
    store_attr time_attrs[] = {{.name = "units", .text = "hours since 2014-01-01"}, {.name = "calendar", .text = "standard"}};
    store_attr lat_attrs[] = {{.name = "units", .text = "degrees_north"}},
               lon_attrs[] = {{.name = "units", .text = "degrees_east"}};
    store_attr t2m_attrs[] = {{.name = "units", .text = "K"},
                              {.name = "_FillValue", .dtype = TSR_F32, .n_values = 1, .values = &fill},
                              {.name = "long_name", .text = "temp\xc3\xa9rature"},
                              {.name = "nothing", .text = ""}};
    store_attr global[] = {{.name = "title", .text = "a file"}, {.name = "Conventions", .text = "CF-1.8"}};
    store_var vars[] = {
        {.dtype = TSR_F64, .ndim = 1, .dims = {0}, .shape = {4}, .n_attrs = 2, .attrs = time_attrs},
        {.dtype = TSR_F64, .ndim = 1, .dims = {1}, .shape = {37}, .n_attrs = 1, .attrs = lat_attrs},
        {.dtype = TSR_F64, .ndim = 1, .dims = {2}, .shape = {53}, .n_attrs = 1, .attrs = lon_attrs},
        {.dtype = TSR_F32,
         .ndim = 3,
         .dims = {0, 1, 2},
         .shape = {4, 37, 53},
         .chunk = {1, chunk, chunk},
         .n_attrs = 4,
         .attrs = t2m_attrs},
        {.dtype = TSR_F64, .ndim = 2, .dims = {0, 3}, .shape = {4, 2}},
        {.dtype = TSR_BOOL, .ndim = 1, .dims = {1}, .shape = {37}},
        {.dtype = TSR_I32},
        {.dtype = TSR_I16, .ndim = 1, .dims = {2}, .shape = {53}},
    };
    enum { N_VARS = sizeof vars / sizeof *vars };
    for (int i = 0; i < N_VARS; i++) {
        vars[i].name = mem_strdup(var_names[i]);
        assert_non_null(vars[i].name);
    }
    store_schema schema = {4, N_VARS, 2, dims, vars, global, level, shuffle};
    for (int i = 0; i < 4 * 37 * 53; i++) numbers[i] = 250 + (float)(i % 317) / 8;
    for (int i = 0; i < 37; i++) lats[i] = -90 + 5 * i;
    for (int i = 0; i < 53; i++) lons[i] = 6.5 * i;
    char *flags = calloc(1, 4096);
    flags[3] = 1;
    const void *values[N_VARS] = {times, lats, lons, numbers, times, flags, times + 1, flags};
    store_writer *w;
    assert_ok(store_create(path, NULL, &schema, &w));
    for (int i = 0; i < N_VARS; i++) assert_ok(write_all(w, i, values[i]));
    assert_ok(store_finish(w));
    free(flags);
    for (int i = 0; i < N_VARS; i++) mem_free(vars[i].name);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' is missing in:\n%s", part, text);
}

static void check_climate(const char *path)
{
    char *text = run("ncdump -hs %s", path);
    static const char *const lines[] = {"time = UNLIMITED ; // (4 currently)",
                                        "lat = 37 ;",
                                        "bnds = 2 ;",
                                        "float t2m(time, lat, lon) ;",
                                        "double time(time) ;",
                                        "double time_bnds(time, bnds) ;",
                                        "byte flag(lat) ;",
                                        "flag:dtype = \"bool\" ;",
                                        "int count ;",
                                        "t2m:_FillValue = 1.e+20f ;",
                                        "t2m:units = \"K\" ;",
                                        "t2m:nothing = \"\" ;",
                                        "temp\xc3\xa9rature",
                                        ":title = \"a file\" ;",
                                        "group: more {",
                                        "short inner(lon) ;",
                                        "tessera="};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) assert_has(text, lines[i]);
    assert_null(strstr(text, "phony"));
    free(text);
    text = run("ncdump -v lat,time %s", path);
    assert_has(text, "lat = -90, -85, -80,");
    assert_has(text, "time = 0, 6, 12, 18 ;");
    free(text);
    check_file(path, 60);
    store *s;
    float back[4 * 37 * 53];
    assert_ok(store_open(path, &s));
    const store_var *t2m = store_find(s, "t2m");
    box all = box_of_shape(3, t2m->shape);
    assert_ok(store_read(s, t2m, &all, NULL, back, NULL));
    assert_memory_equal(back, numbers, sizeof back);
    assert_string_equal(s->variant, "netCDF-4");
    assert_string_equal(store_var_attr(t2m, "long_name")->text, "temp\xc3\xa9rature");
    assert_string_equal(store_var_attr(t2m, "nothing")->text, "");
    assert_non_null(store_find(s, "time_bnds"));
    assert_non_null(store_find(s, "more/inner"));
    assert_int_equal(s->n_dims, 4);
    assert_int_equal(s->n_vars, 8);
    assert_string_equal(s->vars[3].name, "t2m");
    store_unref(s);
}

static void test_others_read_ours(void **state)
{
    if (!have_program("ncdump")) skip();
    static const struct {
        int level;
        bool shuffle;
        int64_t chunk;
    } cases[] = {{0, false, 0}, {4, true, 0}, {1, false, 16}, {9, true, 7}, {0, false, 10}};
    char path[300];
    snprintf(path, sizeof path, "%s/ours.nc4", scratch);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_climate(path, cases[i].level, cases[i].shuffle, cases[i].chunk);
        check_climate(path);
        if (i == 1) {
            char *text = run("ncdump -hs %s", path);
            assert_has(text, "t2m:_DeflateLevel = 4 ;");
            assert_has(text, "t2m:_Shuffle = \"true\" ;");
            assert_has(text, "lat:_Storage");
            free(text);
        }
        /* nccopy rewrites every value with other chunks: then we read what it read. */
        char *text = run("nccopy -c time/2,lat/5,lon/9 -d2 %s %s/copy.nc4 && ncdump %s | tail -n +2 > %s/a.cdl && ncdump "
                         "%s/copy.nc4 | tail -n +2 > "
                         "%s/b.cdl && cmp %s/a.cdl %s/b.cdl",
                         path, scratch, path, scratch, scratch, scratch, scratch, scratch);
        free(text);
        char copy[300];
        snprintf(copy, sizeof copy, "%s/copy.nc4", scratch);
        check_file(copy, 60);
        unlink(path);
    }
}

/* A variable that is called like a dimension it does not begin with, and a coordinate of two dimensions. (netCDF 4.9 lists
 * the first, but cannot read its values, in its own files either.) */
static void test_names_of_dimensions(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/names.nc4", scratch);
    store_dim dims[] = {{"time", 4, true}, {"bnds", 2, false}};
    store_var vars[] = {{.name = "bnds", .dtype = TSR_F64, .ndim = 2, .dims = {0, 1}, .shape = {4, 2}},
                        {.name = "time", .dtype = TSR_F64, .ndim = 2, .dims = {0, 1}, .shape = {4, 2}}};
    store_schema schema = {.n_dims = 2, .n_vars = 2, .dims = dims, .vars = vars};
    store_writer *w;
    double values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8];
    assert_ok(store_create(path, NULL, &schema, &w));
    for (int i = 0; i < 2; i++) assert_ok(write_all(w, i, (const char *)values));
    assert_ok(store_finish(w));
    store *s;
    assert_ok(store_open(path, &s));
    assert_int_equal(s->n_dims, 2);
    for (int i = 0; i < 2; i++) {
        const store_var *var = store_find(s, vars[i].name);
        assert_non_null(var);
        assert_string_equal(s->dims[var->dims[0]].name, "time");
        assert_string_equal(s->dims[var->dims[1]].name, "bnds");
        box all = box_of_shape(2, var->shape);
        assert_ok(store_read(s, var, &all, NULL, back, NULL));
        assert_memory_equal(back, values, sizeof back);
    }
    store_unref(s);
    if (!have_program("ncdump")) return;
    char *text = run("ncdump -h %s", path);
    assert_has(text, "double bnds(time, bnds) ;");
    assert_has(text, "double time(time, bnds) ;");
    free(text);
}

static void test_cdo_reads_ours(void **state)
{
    if (!have_program("cdo")) skip();
    char path[300];
    snprintf(path, sizeof path, "%s/cdo.nc4", scratch);
    write_climate(path, 3, true, 0);
    char *text = run("cdo -s outputf,%%.6g -fldmean -timmean -selname,t2m %s", path);
    assert_true(strtod(text, NULL) > 250 && strtod(text, NULL) < 290);
    free(text);
    text = run("cdo -s showtimestamp %s", path);
    assert_has(text, "2014-01-01T18:00:00");
    free(text);
}

/* ---- Other programs' files ---------------------------------------------------------------------------------------- */

static void test_ncgen(void **state)
{
    if (!have_program("ncgen") || !have_program("nccopy")) skip();
    static const char cdl[] =
        "netcdf x { types: byte enum yesno {no = 0, yes = 1}; dimensions: t = UNLIMITED; y = 6; x = 7; s = 4; "
        "variables: int a(t, y, x); a:units = \"m\"; a:range = 1s, 2s; a:_FillValue = -1; float f(y, x); double x(x); char c(y, "
        "s); "
        "yesno e(s); string e:list = \"one\", \"two\"; ubyte ub(s); uint64 big(s); int64 t(t); string "
        ":title = "
        "\"text\"; "
        "group: g { dimensions: z = 3; variables: short v(z, x); v:note = \"in a group\"; data: v = 1, 2, 3, 4, 5, 6, 7, 8, 9; } "
        "}";
    char path[300], other[300];
    snprintf(path, sizeof path, "%s/x.cdl", scratch);
    spill(path, cdl, sizeof cdl - 1);
    static const char *const copies[] = {"", "-d4", "-d4 -s", "-d1 -c t/1,y/4,x/3", "-c t/2,y/4,x/3"};
    free(run("ncgen -k nc4 -o %s/made.nc %s/x.cdl", scratch, scratch));
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        snprintf(other, sizeof other, "%s/copy.nc", scratch);
        free(run("nccopy %s %s/made.nc %s", copies[i], scratch, other));
        check_file(other, 40);
        store *s;
        assert_ok(store_open(other, &s));
        assert_string_equal(s->variant, "netCDF-4");
        assert_int_equal(s->n_vars, 9);
        assert_int_equal(s->n_dims, 5);
        const store_var *v = store_find(s, "g/v");
        assert_non_null(v);
        assert_string_equal(s->dims[v->dims[0]].name, "g/z");
        assert_string_equal(s->dims[v->dims[1]].name, "x");
        assert_string_equal(store_var_attr(store_find(s, "e"), "list")->text, "one, two");
        assert_true(store_find(s, "c")->is_text);
        assert_int_equal(store_find(s, "e")->dtype, TSR_I8);
        assert_string_equal(s->attrs[0].text, "text");
        assert_int_equal(s->n_attrs, 1);
        store_unref(s);
    }
}

static const char *const real_files[] = {"A1B_north_america.nc",
                                         "E1_north_america.nc",
                                         "SOI_Darwin.nc",
                                         "basin_mask.nc",
                                         "nemo/nemo_1m_20150101-20150201_grid-T.nc",
                                         "nemo/nemo_1m_20150201-20150301_grid-T.nc"};

/* The shared data lies beside the project. */
static bool real_path(const char *name, char *path, size_t size)
{
    static const char *const folders[] = {"../shared/data", "../../shared/data"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, size, "%s/%s", folders[i], name);
        if (access(path, R_OK) == 0) return true;
    }
    print_message("skipped: there is no ../shared/data/%s\n", name);
    return false;
}

/* Also repacked in every way that the tools offer. */
static void test_real_files(void **state)
{
    char path[300];
    for (size_t i = 0; i < sizeof real_files / sizeof *real_files; i++) {
        if (!real_path(real_files[i], path, sizeof path)) skip();
        check_file(path, 30);
    }
}

static void test_repacked_files(void **state)
{
    static const char *const options[] = {
        "-f GZIP=6", "-f SHUF -f GZIP=1", "-f FLET", "-l CONTI", "-f SHUF -f GZIP=2 -f FLET", "-L -f GZIP=3", "-f NONE"};
    char path[300], copy[300];
    if (!have_program("h5repack") || !real_path("basin_mask.nc", path, sizeof path)) skip();
    snprintf(copy, sizeof copy, "%s/repacked.nc", scratch);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        free(run("h5repack %s %s %s", options[i], path, copy));
        check_file(copy, 30);
        unlink(copy);
    }
}

/* ncdump's list of dimensions and variables of a real file, against ours. */
static void test_real_headers(void **state)
{
    char path[300], line[400], shape[300];
    if (!have_program("ncdump")) skip();
    for (size_t i = 0; i < sizeof real_files / sizeof *real_files; i++) {
        if (!real_path(real_files[i], path, sizeof path)) skip();
        char *text = run("ncdump -h %s", path);
        store *s;
        assert_ok(store_open(path, &s));
        for (int k = 0; k < s->n_vars; k++) {
            const store_var *var = &s->vars[k];
            size_t n = 0;
            shape[0] = '\0';
            for (int d = 0; d < var->ndim; d++)
                n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%s", d ? ", " : "(", s->dims[var->dims[d]].name);
            snprintf(line, sizeof line, " %s%s%s ;", var->name, shape, var->ndim ? ")" : "");
            assert_has(text, line);
            for (int a = 0; a < var->n_attrs; a++) {
                if (strchr(var->attrs[a].name, ' ')) continue; /* ncdump escapes it */
                snprintf(line, sizeof line, "\t%s:%s = ", var->name, var->attrs[a].name);
                assert_has(text, line);
            }
        }
        store_unref(s);
        free(text);
    }
}

/* ---- Limits of writing -------------------------------------------------------------------------------------------- */

static void test_refused(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/refused.nc4", scratch);
    store_dim dim = {"x", 10, false};
    store_attr attr = {.name = "DIMENSION_LIST", .text = "no"};
    store_var var = {.name = "v", .dtype = TSR_F32, .ndim = 1, .shape = {10}, .chunk = {4}, .n_attrs = 1, .attrs = &attr};
    store_schema schema = {.n_dims = 1, .n_vars = 1, .dims = &dim, .vars = &var};
    store_writer *w;
    float values[10] = {0};
    assert_int_equal(store_create(path, NULL, &schema, &w), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "'DIMENSION_LIST' is reserved"));
    assert_int_equal(scratch_count(), 0);
    var.n_attrs = 0;
    assert_ok(store_create(path, NULL, &schema, &w));
    assert_int_equal(w->vars[0].chunk[0], 4);
    box cut = {1, {2}, {4}};
    assert_int_equal(store_write(w, 0, &cut, values), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "cuts chunks of 4"));
    box whole = {1, {0}, {10}};
    assert_ok(store_write(w, 0, &whole, values));
    store_give_up(w, TSR_ERR_CANCELLED);
    assert_int_equal(store_write(w, 0, &whole, values), TSR_ERR_CANCELLED);
    store_abort(w);
    assert_int_equal(scratch_count(), 0);
    store_var twice[2] = {var, var};
    schema.vars = twice;
    schema.n_vars = 2;
    assert_int_not_equal(store_create(path, NULL, &schema, &w), TSR_OK);
    assert_non_null(strstr(tsr_error_message(), "'v'"));
    assert_int_equal(scratch_count(), 0);
}

/* The chunks that the format chooses: whole planes of about 1 MiB, or strips of them. */
static void test_auto_chunks(void **state)
{
    static const struct {
        int64_t shape[3], chunk[3];
    } cases[] = {{{3650, 721, 1440}, {1, 181, 1440}},
                 {{240, 37, 49}, {120, 37, 49}},
                 {{10, 512, 512}, {1, 512, 512}},
                 {{2, 3, 5000000}, {1, 1, 250000}}};
    char path[300];
    snprintf(path, sizeof path, "%s/auto.nc4", scratch);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store_dim dims[3] = {{"t", cases[i].shape[0], true}, {"y", cases[i].shape[1], false}, {"x", cases[i].shape[2], false}};
        store_var var = {.name = "v", .dtype = TSR_F32, .ndim = 3, .dims = {0, 1, 2}};
        memcpy(var.shape, cases[i].shape, sizeof cases[i].shape);
        store_schema schema = {.n_dims = 3, .n_vars = 1, .dims = dims, .vars = &var, .deflate_level = 1};
        store_writer *w;
        assert_ok(store_create(path, NULL, &schema, &w));
        for (int d = 0; d < 3; d++) assert_int_equal(w->vars[0].chunk[d], cases[i].chunk[d]);
        store_abort(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CONFORMANCE_TESTS(&spec),    SCRATCH_TEST(test_others_read_ours),
        SCRATCH_TEST(test_cdo_reads_ours), SCRATCH_TEST(test_ncgen),
        SCRATCH_TEST(test_real_files),     SCRATCH_TEST(test_repacked_files),
        SCRATCH_TEST(test_real_headers),   SCRATCH_TEST(test_refused),
        SCRATCH_TEST(test_auto_chunks),    SCRATCH_TEST(test_names_of_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
