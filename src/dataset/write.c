/* Writing a dataset: a schema with dimensions, coordinates and attributes, then all variables computed together, straight into
 * the file, which appears under its name when it is whole. */
#include "dataset/dataset.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct writing {
    int n_dims, n_vars;
    store_dim *dims;
    store_var *vars;
    tsr_array **arrays;
    int *numbers;
    double nan;
    float nanf;
} writing;

static int dim_number(writing *w, const char *name, int64_t length, char *room)
{
    for (int i = 0; i < w->n_dims; i++) {
        if (name ? strcmp(w->dims[i].name, name) == 0 : (w->dims[i].length == length && strncmp(w->dims[i].name, "dim_", 4) == 0))
            return i;
    }
    if (!name) snprintf(room, 24, "dim_%d", w->n_dims);
    char *copy = mem_strdup(name ? name : room);
    if (!copy) return -1;
    w->dims[w->n_dims] = (store_dim){.name = copy, .length = length, .is_unlimited = false};
    return w->n_dims++;
}

static bool is_dim_coordinate(const tsr_variable *v) { return v->ndim == 1 && v->dims[0] && strcmp(v->dims[0], v->name) == 0; }

/* The attributes of a variable with what the file needs besides: NaN as the fill value of float data. The values are shared with
 * the variable, except those that are made here. */
static tsr_status set_attributes(writing *w, const tsr_variable *v, store_var *to)
{
    to->attrs = mem_calloc((size_t)v->attributes->n + 1, sizeof *to->attrs);
    if (!to->attrs) return TSR_ERR_MEMORY;
    for (int i = 0; i < v->attributes->n; i++) to->attrs[to->n_attrs++] = v->attributes->items[i];
    if (dtype_is_float(v->array->dtype) && v->ndim > 0 && !is_dim_coordinate(v) && !attrs_find(v->attributes, "_FillValue")) {
        static char name[] = "_FillValue";
        bool single = v->array->dtype == TSR_F32;
        to->attrs[to->n_attrs++] = (store_attr){
            .name = name, .dtype = v->array->dtype, .n_values = 1, .values = single ? (void *)&w->nanf : (void *)&w->nan};
    }
    return TSR_OK;
}

static tsr_status add_variable(writing *w, const tsr_variable *v)
{
    char room[24];
    store_var *to = &w->vars[w->n_vars];
    to->name = v->name[0] ? v->name : (char *)"data";
    to->dtype = v->array->dtype;
    to->ndim = v->ndim;
    for (int d = 0; d < v->ndim; d++) {
        to->dims[d] = dim_number(w, v->dims[d], v->array->shape[d], room);
        if (to->dims[d] < 0) return TSR_ERR_MEMORY;
        to->shape[d] = v->array->shape[d];
    }
    w->arrays[w->n_vars] = v->array;
    w->numbers[w->n_vars] = w->n_vars;
    w->n_vars++;
    return set_attributes(w, v, to);
}

static void writing_fini(writing *w)
{
    for (int i = 0; w->dims && i < w->n_dims; i++) mem_free(w->dims[i].name);
    for (int i = 0; w->vars && i < w->n_vars; i++) mem_free(w->vars[i].attrs);
    mem_free(w->dims);
    mem_free(w->vars);
    mem_free(w->arrays);
    mem_free(w->numbers);
}

tsr_status tsr_dataset_write(const tsr_dataset *d, const char *path, const tsr_write_options *options)
{
    writing w = {.nan = NAN, .nanf = NAN};
    tsr_write_options defaults = {0};
    attrs *globals = NULL;
    store_writer *file = NULL;
    tsr_status status;
    if (!d) return tsr_error_code();
    if (!options) options = &defaults;
    if (d->n_vars == 0) return error_set(TSR_ERR_VALUE, "%s: there is nothing to write", path);
    w.dims = mem_calloc((size_t)d->n_vars * TSR_MAX_NDIM, sizeof *w.dims);
    w.vars = mem_calloc((size_t)d->n_vars, sizeof *w.vars);
    w.arrays = mem_calloc((size_t)d->n_vars, sizeof *w.arrays);
    w.numbers = mem_calloc((size_t)d->n_vars, sizeof *w.numbers);
    status = w.dims && w.vars && w.arrays && w.numbers ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) status = attrs_new(d->attributes->n, d->attributes->items, &globals);
    if (status == TSR_OK && !attrs_find(globals, "Conventions")) status = attrs_set_text(globals, "Conventions", "CF-1.11");
    if (status == TSR_OK && options->history) status = attrs_set_text(globals, "history", options->history);
    for (int i = d->n_data; i < d->n_vars && status == TSR_OK; i++) status = add_variable(&w, d->vars[i]); /* coordinates first */
    for (int i = 0; i < d->n_data && status == TSR_OK; i++) status = add_variable(&w, d->vars[i]);
    if (status == TSR_OK) {
        store_schema schema = {.n_dims = w.n_dims,
                               .n_vars = w.n_vars,
                               .n_attrs = globals->n,
                               .dims = w.dims,
                               .vars = w.vars,
                               .attrs = globals->items,
                               .deflate_level = options->deflate_level,
                               .shuffle = options->deflate_level > 0};
        status = store_create(path, options->format, &schema, &file);
    }
    if (status == TSR_OK) {
        status = d->session->store(w.n_vars, w.arrays, file, w.numbers);
        if (status == TSR_OK) {
            status = store_finish(file);
        } else {
            store_abort(file);
        }
    }
    attrs_unref(globals);
    writing_fini(&w);
    return status;
}
