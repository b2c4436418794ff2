/* Writing a dataset: a schema with dimensions, coordinates and CF attributes is made, the file is begun, and the engine computes
 * all variables together straight into it. The file appears under its name when it is whole. */
#include "base/mem.h"
#include "dataset/dataset.h"

#include <math.h>
#include <string.h>

/* What is handed to the store; all arrays have an entry for each variable. */
typedef struct writing {
    const tsr_dataset *ds;
    bool is_classic; /* NetCDF-3: no 64-bit integers if the file is to be read everywhere */
    int n_dims, n_vars;
    store_dim *dims; /* names borrowed from the dataset */
    store_var *vars; /* names borrowed; attributes borrowed from `lists` */
    attrs **lists;
    tsr_array **arrays;
    int *numbers;
} writing;

static void writing_fini(writing *w)
{
    for (int i = 0; i < w->n_vars; i++) {
        if (w->lists) attrs_unref(w->lists[i]);
        if (w->arrays && w->arrays[i]) node_unref(w->arrays[i]);
    }
    mem_free(w->dims);
    mem_free(w->vars);
    mem_free(w->lists);
    mem_free(w->arrays);
    mem_free(w->numbers);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* ---- Values ---- */

/* 64-bit integer coordinates as int32 where they fit, otherwise as float64. */
static tsr_dtype classic_dtype(const tsr_variable *v)
{
    if (v->dtype != TSR_I64 && v->dtype != TSR_U64 && v->dtype != TSR_U32) return v->dtype;
    for (int64_t i = 0; i < v->labels->n; i++)
        if (fabs(v->labels->values[i]) > 2147483647.0) return TSR_F64;
    return TSR_I32;
}

/* The dtype a variable has in the file: NetCDF knows no bool. */
static tsr_status file_dtype(const writing *w, const tsr_variable *v, tsr_dtype *out)
{
    *out = v->dtype;
    if (dtype_is_complex(v->dtype))
        return error_set(TSR_ERR_UNSUPPORTED, "'%s' is %s, which NetCDF cannot hold; write its real and imag parts", v->name,
                         tsr_dtype_name(v->dtype));
    if (v->dtype == TSR_BOOL)
        *out = TSR_I8;
    else if (w->is_classic && v->labels)
        *out = classic_dtype(v);
    return TSR_OK;
}

static tsr_status file_array(const tsr_variable *v, tsr_dtype dtype, tsr_array **out)
{
    tsr_array *a = variable_array(v);
    *out = a && a->dtype != dtype ? tsr_astype(a, dtype) : tsr_retain(a);
    tsr_release(a);
    return array_status(*out);
}

/* ---- Attributes ---- */

/* Removes an attribute that names variables of which some are not in the dataset. */
static void drop_dangling(const writing *w, attrs *a, const char *attribute, variable_role role)
{
    const char *text = attrs_text(a, attribute);
    if (!text) return;
    for (int i = 0; i < w->ds->n_vars; i++)
        if (w->ds->vars[i]->role == role && dataset_word_in(w->ds->vars[i]->name, text)) return;
    attrs_remove(a, attribute);
}

/* "lat lon": the coordinates that are not those of dimensions. */
static tsr_status name_coordinates(const tsr_variable *v, attrs *a)
{
    strbuf b = {0};
    for (int i = 0; i < v->n_coords; i++) {
        const tsr_variable *c = v->coords[i];
        if (c->role == ROLE_COORD && variable_find_dim(v, c->name) < 0) strbuf_printf(&b, "%s%s", b.n ? " " : "", c->name);
    }
    if (b.n == 0) {
        strbuf_fini(&b);
        return TSR_OK;
    }
    char *text = strbuf_take(&b);
    if (!text) return TSR_ERR_MEMORY;
    tsr_status status = attrs_set_text(a, "coordinates", text);
    mem_free(text);
    return status;
}

static tsr_status file_attributes(const writing *w, const tsr_variable *v, tsr_dtype dtype, attrs *a)
{
    for (int i = 0; i < v->attrs->n; i++) TRY(attrs_add(a, &v->attrs->items[i]));
    drop_dangling(w, a, "bounds", ROLE_BOUNDS);
    drop_dangling(w, a, "climatology", ROLE_BOUNDS);
    drop_dangling(w, a, "grid_mapping", ROLE_MAPPING);
    if (v->role != ROLE_DATA) return TSR_OK;
    TRY(name_coordinates(v, a));
    if (v->dtype == TSR_BOOL) TRY(attrs_set_text(a, "dtype", "bool"));
    if (dtype_is_float(dtype) && !attrs_find(a, "_FillValue")) {
        float nan32 = NAN;
        double nan64 = NAN;
        store_attr fill = {
            .name = "_FillValue", .dtype = dtype, .n_values = 1, .values = dtype == TSR_F32 ? (void *)&nan32 : (void *)&nan64};
        TRY(attrs_add(a, &fill));
    }
    return TSR_OK;
}

static tsr_status global_attributes(const tsr_dataset *ds, const tsr_write_options *options, attrs **out)
{
    attrs *a;
    TRY(attrs_new(ds->attrs->n, ds->attrs->items, &a));
    tsr_status status = TSR_OK;
    char *history = NULL;
    const char *conventions = attrs_text(a, "Conventions");
    if (!conventions || !strstr(conventions, "CF-")) GUARD(attrs_set_text(a, "Conventions", "CF-1.8"));
    if (options && options->history) { /* the newest line first, as the other tools do */
        const char *before = attrs_text(a, "history");
        history = before ? mem_printf("%s\n%s", options->history, before) : mem_strdup(options->history);
        if (!history) GUARD(TSR_ERR_MEMORY);
        GUARD(attrs_set_text(a, "history", history));
    }
    *out = a;
    a = NULL;
done:
    mem_free(history);
    attrs_unref(a);
    return status;
}

/* ---- The schema ---- */

static int schema_dim(writing *w, const char *name)
{
    for (int i = 0; i < w->n_dims; i++)
        if (!strcmp(w->dims[i].name, name)) return i;
    const dataset_dim *d = &w->ds->dims[dataset_find_dim(w->ds, name)];
    w->dims[w->n_dims] = (store_dim){.name = d->name, .length = d->length, .is_unlimited = d->is_unlimited};
    return w->n_dims++;
}

static tsr_status schema_var(writing *w, const tsr_variable *v)
{
    int at = w->n_vars++;
    store_var *to = &w->vars[at];
    w->numbers[at] = at;
    TRY(file_dtype(w, v, &to->dtype));
    TRY(file_array(v, to->dtype, &w->arrays[at]));
    TRY(attrs_new(0, NULL, &w->lists[at]));
    TRY(file_attributes(w, v, to->dtype, w->lists[at]));
    to->name = v->name;
    to->ndim = v->ndim;
    for (int d = 0; d < v->ndim; d++) {
        to->dims[d] = schema_dim(w, v->dims[d]);
        to->shape[d] = v->shape[d];
    }
    to->n_attrs = w->lists[at]->n;
    to->attrs = w->lists[at]->items;
    return TSR_OK;
}

/* NetCDF-3 has one unlimited dimension, the first of every variable that has it; others become fixed. */
static void check_unlimited(writing *w)
{
    bool taken = false;
    for (int i = 0; i < w->n_dims; i++) {
        for (int k = 0; k < w->n_vars; k++)
            for (int d = 1; d < w->vars[k].ndim; d++)
                if (w->vars[k].dims[d] == i) w->dims[i].is_unlimited = false;
        if (taken) w->dims[i].is_unlimited = false;
        taken |= w->dims[i].is_unlimited;
    }
}

static tsr_status make_schema(writing *w, bool only_data)
{
    const tsr_dataset *ds = w->ds;
    size_t n = (size_t)ds->n_vars;
    w->dims = mem_calloc((size_t)ds->n_dims, sizeof *w->dims);
    w->vars = mem_calloc(n, sizeof *w->vars);
    w->lists = mem_calloc(n, sizeof *w->lists);
    w->arrays = mem_calloc(n, sizeof(tsr_array *));
    w->numbers = mem_calloc(n, sizeof *w->numbers);
    if (!w->dims || !w->vars || !w->lists || !w->arrays || !w->numbers) return TSR_ERR_MEMORY;
    for (int i = ds->n_data; !only_data && i < ds->n_vars; i++) TRY(schema_var(w, ds->vars[i])); /* coordinates first */
    for (int i = 0; i < ds->n_data; i++) TRY(schema_var(w, ds->vars[i]));
    if (w->is_classic) check_unlimited(w);
    return TSR_OK;
}

static bool is_npy(const char *path, const char *format) { return format ? !strcmp(format, "npy") : ends_with(path, ".npy"); }

static bool is_netcdf4(const char *path, const char *format)
{
    if (format) return !strcmp(format, "nc4");
    return ends_with(path, ".nc4") || ends_with(path, ".h5") || ends_with(path, ".hdf5");
}

tsr_status tsr_dataset_write(const tsr_dataset *ds, const char *path, const tsr_write_options *options)
{
    if (!ds) return error_set(TSR_ERR_VALUE, "a dataset is missing");
    const char *format = options ? options->format : NULL;
    writing w = {.ds = ds, .is_classic = !is_netcdf4(path, format)};
    attrs *globals = NULL;
    store_writer *writer = NULL;
    tsr_status status;
    if (ds->n_vars == 0) GUARD(error_set(TSR_ERR_VALUE, "%s: there is nothing to write", path));
    if (is_npy(path, format) && ds->n_data != 1)
        GUARD(error_set(TSR_ERR_VALUE, "%s: a .npy file holds one array and not %d; write a .nc file", path, ds->n_data));
    GUARD(global_attributes(ds, options, &globals));
    GUARD(make_schema(&w, is_npy(path, format)));
    int level = options ? options->deflate_level : 0;
    if (level < 0 || level > 9) GUARD(error_set(TSR_ERR_VALUE, "%s: the deflate level is %d, not 0 to 9", path, level));
    store_schema schema = {.n_dims = w.n_dims,
                           .n_vars = w.n_vars,
                           .n_attrs = globals->n,
                           .dims = w.dims,
                           .vars = w.vars,
                           .attrs = globals->items,
                           .deflate_level = level,
                           .shuffle = level > 0};
    GUARD(store_create(path, format, &schema, &writer));
    status = ds->session->store(w.n_vars, w.arrays, writer, w.numbers);
    if (status == TSR_OK)
        status = store_finish(writer);
    else
        store_abort(writer);
done:
    attrs_unref(globals);
    writing_fini(&w);
    return status;
}
