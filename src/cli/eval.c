/* Walking the tree; see eval.h. Recursion is bounded by the parser (AST_MAX_HEIGHT). */
#include "cli/eval.h"

#include "base/mem.h"
#include "block/dtype.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *value_words(const value *v)
{
    static const char *const words[] = {
        [VALUE_NONE] = "None",       [VALUE_NUMBER] = "a number",        [VALUE_STRING] = "a string",
        [VALUE_LIST] = "a list",     [VALUE_SLICE] = "a slice",          [VALUE_ELLIPSIS] = "'...'",
        [VALUE_DTYPE] = "a dtype",   [VALUE_VARIABLE] = "an array",      [VALUE_DATE_PART] = "a part of dates",
        [VALUE_GROUPED] = "groups",  [VALUE_DIM] = "a dimension's name", [VALUE_FUNCTION] = "a function",
        [VALUE_MODULE] = "a module",
    };
    return v->kind == VALUE_LIST && v->is_tuple ? "a tuple" : words[v->kind];
}

void evaluator_init(evaluator *e, const tsr_options *options)
{
    *e = (evaluator){.may_compute = true};
    if (options) e->options = *options;
    arena_init(&e->memory);
}

void evaluator_fini(evaluator *e)
{
    VEC_FINI(&e->sources);
    VEC_FINI(&e->names);
    VEC_FINI(&e->chunks);
    tsr_session_close(e->session);
    arena_fini(&e->memory);
    *e = (evaluator){0};
}

tsr_status evaluator_session(evaluator *e, tsr_session **out)
{
    if (!e->session) {
        e->session = tsr_session_open(e->address, &e->options);
        if (!e->session) return tsr_error_code();
        if (e->opened) TRY(e->opened(e->opened_context, e->session));
    }
    *out = e->session;
    return TSR_OK;
}

tsr_status fail_here(evaluator *e, span at, tsr_status status)
{
    if (status != TSR_OK && !e->has_error_at) {
        e->has_error_at = true;
        e->error_at = at;
    }
    return status;
}

/* ---- Conversions ------------------------------------------------------------------------------------------------- */

tsr_status value_take(tsr_variable *v, value *out)
{
    if (!v) return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_INTERNAL, "a call failed without a reason");
    *out = (value){.kind = VALUE_VARIABLE, .variable = v};
    return TSR_OK;
}

tsr_status value_take_array(tsr_array *a, value *out) { return value_take(a ? tsr_variable_new(NULL, a, NULL) : NULL, out); }

tsr_status value_take_like(tsr_variable *like, tsr_array *a, value *out)
{
    return value_take(a ? tsr_variable_like(like, a) : NULL, out);
}

/* Length of each level of a nested list of numbers; all items of a level must agree. */
static tsr_status list_shape(const value *v, int depth, int *ndim, int64_t *shape, tsr_dtype *dtype)
{
    if (v->kind == VALUE_NUMBER) {
        if (*ndim < 0) *ndim = depth;
        if (*ndim != depth) return error_set(TSR_ERR_VALUE, "the list is ragged: numbers stand beside lists");
        *dtype = *dtype == (tsr_dtype)-1 ? v->number.dtype : tsr_dtype_promote(*dtype, v->number.dtype);
        return TSR_OK;
    }
    if (v->kind != VALUE_LIST) return error_set(TSR_ERR_TYPE, "a list of numbers is needed here, it holds %s", value_words(v));
    if (depth >= TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "lists are nested more than %d deep", TSR_MAX_NDIM);
    if (shape[depth] < 0) shape[depth] = v->n_items;
    if (shape[depth] != v->n_items)
        return error_set(TSR_ERR_VALUE, "the list is ragged: %lld and %d items at the same level", (long long)shape[depth],
                         v->n_items);
    if (v->n_items == 0 && *ndim < 0) *ndim = depth + 1;
    for (int i = 0; i < v->n_items; i++) TRY(list_shape(&v->items[i], depth + 1, ndim, shape, dtype));
    return TSR_OK;
}

static char *list_fill(const value *v, tsr_dtype dtype, char *out)
{
    if (v->kind == VALUE_LIST) {
        for (int i = 0; i < v->n_items; i++) out = list_fill(&v->items[i], dtype, out);
        return out;
    }
    double real = number_double(v->number), imag = v->number.dtype == TSR_C128 ? v->number.imag : 0;
    if (dtype == TSR_BOOL)
        *out = v->number.u != 0;
    else if (dtype == TSR_I64)
        memcpy(out, &(int64_t){number_int(v->number)}, 8);
    else
        memcpy(out, (double[]){v->number.dtype == TSR_C128 ? v->number.f : real, imag}, tsr_dtype_size(dtype));
    return out + tsr_dtype_size(dtype);
}

static tsr_status list_to_array(evaluator *e, const value *v, tsr_array **out)
{
    int ndim = -1;
    int64_t shape[TSR_MAX_NDIM], size = 1;
    tsr_dtype dtype = (tsr_dtype)-1;
    tsr_session *session = NULL;
    for (int d = 0; d < TSR_MAX_NDIM; d++) shape[d] = -1;
    TRY(list_shape(v, 0, &ndim, shape, &dtype));
    TRY(evaluator_session(e, &session));
    if (dtype == (tsr_dtype)-1) dtype = TSR_F64;
    for (int d = 0; d < ndim; d++) size *= shape[d];
    char *data = mem_alloc((size_t)size * tsr_dtype_size(dtype));
    if (!data) return TSR_ERR_MEMORY;
    if (size > 0) list_fill(v, dtype, data);
    *out = tsr_from_memory(session, data, dtype, ndim, shape, NULL, mem_free, data, NULL);
    if (*out) return TSR_OK;
    mem_free(data);
    return tsr_error_code();
}

/* time.month as an array of integers along the time dimension. */
static tsr_status dates_to_variable(const value *v, tsr_variable **out);

tsr_status value_to_variable(evaluator *e, const value *v, tsr_variable **out)
{
    value made = *v;
    tsr_session *session = NULL;
    tsr_array *array;
    switch (v->kind) {
    case VALUE_VARIABLE: break;
    case VALUE_NUMBER:
        TRY(evaluator_session(e, &session));
        TRY(value_take(tsr_variable_scalar(session, v->number), &made));
        break;
    case VALUE_LIST:
        TRY(list_to_array(e, v, &array));
        TRY(value_take_array(array, &made));
        break;
    case VALUE_DATE_PART: return dates_to_variable(v, out);
    case VALUE_DIM:
        return error_set(TSR_ERR_TYPE, "'%s' is a dimension without a coordinate; it can only be named as one", v->text);
    case VALUE_FUNCTION: return error_set(TSR_ERR_TYPE, "'%s' is a function; call it: %s(...)", v->text, v->text);
    case VALUE_GROUPED:
        return error_set(TSR_ERR_TYPE, "groups are not an array yet; reduce them: %s(x, %s).mean()",
                         v->n_items == 0                    ? "groupby"
                         : v->items[0].kind == VALUE_STRING ? "resample"
                                                            : "rolling",
                         v->n_items == 0 ? v->text : "...");
    default: return error_set(TSR_ERR_TYPE, "an array is needed here, found %s", value_words(v));
    }
    *out = made.variable;
    return TSR_OK;
}

tsr_status value_to_array(evaluator *e, const value *v, tsr_array **out)
{
    tsr_variable *variable;
    TRY(value_to_variable(e, v, &variable));
    *out = tsr_variable_array(variable);
    return *out ? TSR_OK : tsr_error_code();
}

/* A lazy array of one element is computed, so that zeros(x.max()) and histogram(range=(x.min(), x.max())) work. */
static tsr_status to_number(evaluator *e, const value *v, tsr_scalar *out)
{
    tsr_array *array;
    if (v->kind == VALUE_NUMBER) {
        *out = v->number;
        return TSR_OK;
    }
    if (v->kind != VALUE_VARIABLE) return error_set(TSR_ERR_TYPE, "a number is needed here, found %s", value_words(v));
    TRY(value_to_array(e, v, &array));
    if (tsr_size(array) != 1)
        return error_set(TSR_ERR_TYPE, "a number is needed here, found an array of %lld elements", (long long)tsr_size(array));
    if (!e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "a plain number is needed here");
    if (dtype_is_complex(tsr_dtype_of(array)))
        return error_set(TSR_ERR_TYPE, "a real number is needed here, found a complex one");
    bool is_integer = !dtype_is_float(tsr_dtype_of(array));
    tsr_array *wide = tsr_astype(array, is_integer ? TSR_I64 : TSR_F64);
    if (!wide) return tsr_error_code();
    element bits;
    TRY(tsr_compute_into(wide, &bits, 8));
    *out = is_integer ? tsr_int(bits.i64) : tsr_float(bits.f64);
    return TSR_OK;
}

tsr_status value_to_double(evaluator *e, const value *v, double *out)
{
    tsr_scalar n = {0};
    TRY(to_number(e, v, &n));
    if (n.dtype == TSR_C128) return error_set(TSR_ERR_TYPE, "a real number is needed here, found a complex one");
    *out = number_double(n);
    return TSR_OK;
}

tsr_status value_to_int(evaluator *e, const value *v, int64_t *out)
{
    tsr_scalar n = {0};
    TRY(to_number(e, v, &n));
    if (number_is_integer(n)) {
        *out = number_int(n);
        return TSR_OK;
    }
    /* 2e8 is a fine length; 2.5 is not. */
    if (n.dtype == TSR_F64 && n.f == floor(n.f) && fabs(n.f) < 0x1p63) {
        *out = (int64_t)n.f;
        return TSR_OK;
    }
    return error_set(TSR_ERR_TYPE, "a whole number is needed here, found %g%s", n.f, n.dtype == TSR_C128 ? " + ...j" : "");
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static bool find_constant(const char *name, value *out)
{
    static const struct {
        const char *name;
        double value;
    } constants[] = {{"pi", M_PI}, {"e", M_E}, {"nan", NAN}, {"NaN", NAN}, {"inf", INFINITY}, {"Inf", INFINITY}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (strcmp(name, constants[i].name) == 0) {
            *out = value_number(tsr_float(constants[i].value));
            return true;
        }
    if (strcmp(name, "newaxis") == 0) {
        *out = (value){.kind = VALUE_NONE};
        return true;
    }
    return false;
}

/* True, False and None cannot be given away to variables. */
static bool find_keyword(const char *name, value *out)
{
    if (strcmp(name, "True") == 0 || strcmp(name, "False") == 0)
        *out = value_number(tsr_bool(name[0] == 'T'));
    else if (strcmp(name, "None") == 0)
        *out = (value){.kind = VALUE_NONE};
    else
        return false;
    return true;
}

static const char *const modules[] = {"np", "numpy", "da", "xr", "math", "random", "ds"};

static bool find_module(const char *name, value *out)
{
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(name, modules[i]) == 0) {
            *out = (value){.kind = VALUE_MODULE, .text = modules[i]};
            return true;
        }
    return false;
}

/* "float64", "f4", "int", but not every word that a dtype parser would take. */
static bool find_dtype(const char *name, value *out)
{
    static const char *const plain[][2] = {{"float", "float64"}, {"int", "int64"}, {"bool", "bool"}, {"complex", "complex128"}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(name, plain[i][0]) == 0) name = plain[i][1];
    for (int d = 0; d < TSR_N_DTYPES; d++)
        if (strcmp(name, tsr_dtype_name((tsr_dtype)d)) == 0) {
            *out = (value){.kind = VALUE_DTYPE, .number.dtype = (tsr_dtype)d};
            return true;
        }
    return false;
}

static bool dataset_has(const evaluator *e, const char *name)
{
    for (int i = 0; e->dataset && i < tsr_dataset_n_variables(e->dataset); i++)
        if (strcmp(tsr_dataset_name(e->dataset, i), name) == 0) return true;
    return false;
}

/* --chunks for a variable from a file. */
static tsr_status apply_chunks(const evaluator *e, value *v)
{
    int ndim = tsr_variable_ndim(v->variable);
    int64_t chunks[TSR_MAX_NDIM] = {0};
    bool is_wished = false;
    for (size_t i = 0; i < e->chunks.n; i++) {
        const chunk_wish *wish = &e->chunks.items[i];
        for (int d = 0; d < ndim; d++) {
            const char *dim = tsr_variable_dim(v->variable, d);
            bool matches = wish->name ? dim && strcmp(dim, wish->name) == 0 : (size_t)d == i;
            if (!matches) continue;
            chunks[d] = wish->length;
            is_wished = true;
        }
    }
    if (!is_wished) return TSR_OK;
    return value_take_like(v->variable, tsr_rechunk(tsr_variable_array(v->variable), chunks), v);
}

static bool find_in_files(evaluator *e, const char *name, value *out, tsr_status *status)
{
    for (size_t i = 0; i < e->sources.n; i++)
        if (strcmp(e->sources.items[i].name, name) == 0) {
            *out = e->sources.items[i].v;
            *status = apply_chunks(e, out);
            return true;
        }
    if (dataset_has(e, name)) {
        *status = value_take(tsr_dataset_get(e->dataset, name), out);
        if (*status == TSR_OK) *status = apply_chunks(e, out);
        return true;
    }
    for (int i = 0; e->dataset && i < tsr_dataset_n_dims(e->dataset); i++)
        if (strcmp(tsr_dataset_dim(e->dataset, i, NULL), name) == 0) {
            *out = (value){.kind = VALUE_DIM, .text = tsr_dataset_dim(e->dataset, i, NULL)};
            return true;
        }
    return false;
}

const function *evaluator_function(const evaluator *e, const char *name)
{
    tsr_function own;
    return e->udf && udf_library_find(e->udf, name, &own) ? &udf_function : function_find(name);
}

bool evaluator_lookup(evaluator *e, const char *name, bool is_called, value *out, tsr_status *status)
{
    *status = TSR_OK;
    if (find_keyword(name, out)) return true;
    const function *f = evaluator_function(e, name);
    /* mean(x) is the function even where a file has a variable of that name. */
    if (is_called && f) {
        *out = (value){.kind = VALUE_FUNCTION, .text = name};
        return true;
    }
    for (size_t i = 0; i < e->names.n; i++)
        if (strcmp(e->names.items[i].name, name) == 0) {
            *out = e->names.items[i].v;
            return true;
        }
    if (find_in_files(e, name, out, status)) return true;
    if (find_constant(name, out) || find_dtype(name, out) || find_module(name, out)) return true;
    if (f) *out = (value){.kind = VALUE_FUNCTION, .text = name};
    return f != NULL;
}

/* "; the files hold t2m, latitude ..." */
static void known_names(evaluator *e, char *text, size_t size)
{
    enum { SHOWN = 8 };
    int n_dataset = e->dataset ? tsr_dataset_n_variables(e->dataset) : 0, n = n_dataset + (int)e->sources.n;
    size_t used = (size_t)snprintf(text, size, "; the files hold ");
    for (int i = 0; i < n && i < SHOWN && used < size; i++) {
        const char *name = i < n_dataset ? tsr_dataset_name(e->dataset, i) : e->sources.items[i - n_dataset].name;
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
    }
    if (n > SHOWN && used < size) snprintf(text + used, size - used, " ...");
}

/* "month" for "time.month", where the files have a time. */
static const char *time_of_files(const evaluator *e)
{
    for (int i = 0; e->dataset && i < tsr_dataset_n_dims(e->dataset); i++) {
        const char *dim = tsr_dataset_dim(e->dataset, i, NULL);
        const tsr_variable *v = dataset_has(e, dim) ? tsr_dataset_get(e->dataset, dim) : NULL;
        if (v && tsr_variable_is_time(v)) return dim;
    }
    return NULL;
}

static tsr_status unknown_name(evaluator *e, const char *name, bool is_called)
{
    char hint[256];
    nearest best = nearest_start(name);
    const char *time = is_called ? NULL : time_of_files(e);
    if (time && date_part_exists(name))
        return error_set(TSR_ERR_NOT_FOUND, "unknown name '%s'; did you mean '%s.%s'?", name, time, name);
    for (size_t i = 0; i < e->names.n; i++) nearest_consider(&best, e->names.items[i].name);
    for (size_t i = 0; i < e->sources.n; i++) nearest_consider(&best, e->sources.items[i].name);
    for (int i = 0; e->dataset && i < tsr_dataset_n_variables(e->dataset); i++)
        nearest_consider(&best, tsr_dataset_name(e->dataset, i));
    for (int i = 0; e->dataset && i < tsr_dataset_n_dims(e->dataset); i++)
        nearest_consider(&best, tsr_dataset_dim(e->dataset, i, NULL));
    for (int d = 0; !is_called && d < TSR_N_DTYPES; d++) nearest_consider(&best, tsr_dtype_name((tsr_dtype)d));
    for (size_t i = 0; !is_called && i < sizeof modules / sizeof *modules; i++) nearest_consider(&best, modules[i]);
    if (is_called || !best.best) functions_consider(&best);
    nearest_hint(&best, hint, sizeof hint);
    if (is_called)
        return error_set(TSR_ERR_NOT_FOUND, "unknown function '%s'%s", name, hint[0] ? hint : "; see 'tessera help functions'");
    if (hint[0]) return error_set(TSR_ERR_NOT_FOUND, "unknown name '%s'%s", name, hint);
    if (!e->dataset && e->sources.n == 0)
        return error_set(TSR_ERR_NOT_FOUND, "unknown name '%s'; no files were given, so there are no variables", name);
    known_names(e, hint, sizeof hint);
    return error_set(TSR_ERR_NOT_FOUND, "unknown name '%s'%s", name, hint);
}

static tsr_status evaluate_name(evaluator *e, const char *name, span at, bool is_called, value *out)
{
    tsr_status status;
    if (evaluator_lookup(e, name, is_called, out, &status)) return fail_here(e, at, status);
    return fail_here(e, at, unknown_name(e, name, is_called));
}

/* ---- Attributes -------------------------------------------------------------------------------------------------- */

static const char *const date_parts[] = {"year",      "month",   "day",       "hour",   "minute", "second",
                                         "dayofyear", "weekday", "dayofweek", "season", "quarter"};

bool date_part_exists(const char *name)
{
    for (size_t i = 0; i < sizeof date_parts / sizeof *date_parts; i++)
        if (strcmp(date_parts[i], name) == 0) return true;
    return false;
}

static int64_t date_part_value(const tsr_date *d, const char *part)
{
    if (strcmp(part, "year") == 0) return d->year;
    if (strcmp(part, "month") == 0) return d->month;
    if (strcmp(part, "day") == 0) return d->day;
    if (strcmp(part, "hour") == 0) return d->hour;
    if (strcmp(part, "minute") == 0) return d->minute;
    if (strcmp(part, "second") == 0) return (int64_t)d->second;
    if (strcmp(part, "dayofyear") == 0) return d->day_of_year;
    if (strcmp(part, "quarter") == 0) return (d->month - 1) / 3 + 1;
    if (strcmp(part, "season") == 0) return d->month % 12 / 3 * 3 + 1; /* the month in its middle, as groups have it */
    return d->weekday;
}

static tsr_status dates_to_variable(const value *v, tsr_variable **out)
{
    tsr_array *times = tsr_variable_array(v->variable);
    if (!times) return tsr_error_code();
    int64_t n = tsr_size(times);
    int64_t *parts = mem_alloc((size_t)n * sizeof *parts);
    if (!parts) return TSR_ERR_MEMORY;
    tsr_status status = TSR_OK;
    for (int64_t i = 0; i < n && status == TSR_OK; i++) {
        tsr_date date;
        status = tsr_variable_date(v->variable, i, &date);
        if (status == TSR_OK) parts[i] = date_part_value(&date, v->text);
    }
    tsr_array *array = NULL;
    if (status == TSR_OK)
        array = tsr_from_memory(tsr_session_of(times), parts, TSR_I64, tsr_ndim(times), tsr_shape(times), NULL, mem_free, parts,
                                NULL);
    if (!array) {
        mem_free(parts);
        return status != TSR_OK ? status : tsr_error_code();
    }
    const char *dim = tsr_variable_ndim(v->variable) == 1 ? tsr_variable_dim(v->variable, 0) : NULL;
    value made = {0};
    TRY(value_take(tsr_variable_new(v->text, array, tsr_ndim(array) == 1 ? &dim : NULL), &made));
    if (dim) TRY(value_take(tsr_variable_set_coord(made.variable, dim, v->variable), &made));
    *out = made.variable;
    return TSR_OK;
}

static tsr_status shape_value(evaluator *e, tsr_variable *v, value *out)
{
    int ndim = tsr_variable_ndim(v);
    *out =
        (value){.kind = VALUE_LIST, .is_tuple = true, .n_items = ndim, .items = ARENA_ARRAY(&e->memory, value, ndim ? ndim : 1)};
    if (!out->items) return TSR_ERR_MEMORY;
    for (int d = 0; d < ndim; d++) out->items[d] = value_number(tsr_int(tsr_variable_shape(v)[d]));
    return TSR_OK;
}

static tsr_status unknown_attribute(const value *v, const char *name)
{
    static const char *const known[] = {"T", "shape", "ndim", "size", "nbytes", "dtype", "real", "imag", "dims", "units"};
    char hint[128];
    nearest best = nearest_start(name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) nearest_consider(&best, known[i]);
    if (tsr_variable_is_time(v->variable))
        for (size_t i = 0; i < sizeof date_parts / sizeof *date_parts; i++) nearest_consider(&best, date_parts[i]);
    functions_consider(&best);
    return error_set(TSR_ERR_NOT_FOUND, "an array has no '%s'%s", name, nearest_hint(&best, hint, sizeof hint));
}

static tsr_status variable_attribute(evaluator *e, const value *v, const char *name, value *out)
{
    tsr_variable *x = v->variable;
    int64_t size = 1;
    for (int d = 0; d < tsr_variable_ndim(x); d++) size *= tsr_variable_shape(x)[d];
    if (strcmp(name, "dt") == 0 || strcmp(name, "values") == 0 || strcmp(name, "data") == 0) {
        *out = *v;
    } else if (tsr_variable_is_time(x) && date_part_exists(name)) {
        *out = (value){.kind = VALUE_DATE_PART, .variable = x, .text = name};
    } else if (strcmp(name, "shape") == 0) {
        return shape_value(e, x, out);
    } else if (strcmp(name, "ndim") == 0) {
        *out = value_number(tsr_int(tsr_variable_ndim(x)));
    } else if (strcmp(name, "size") == 0) {
        *out = value_number(tsr_int(size));
    } else if (strcmp(name, "nbytes") == 0) {
        *out = value_number(tsr_int(size * (int64_t)tsr_dtype_size(tsr_variable_dtype(x))));
    } else if (strcmp(name, "dtype") == 0) {
        *out = (value){.kind = VALUE_DTYPE, .number.dtype = tsr_variable_dtype(x)};
    } else if (strcmp(name, "T") == 0) {
        return value_take(tsr_variable_transpose(x, 0, NULL), out);
    } else if (strcmp(name, "real") == 0 || strcmp(name, "imag") == 0) {
        return value_take(tsr_variable_apply(name, 1, &x), out);
    } else if (strcmp(name, "units") == 0 || strcmp(name, "name") == 0 || strcmp(name, "long_name") == 0) {
        const char *text = strcmp(name, "name") == 0 ? tsr_variable_name(x) : tsr_variable_text(x, name);
        *out = (value){.kind = VALUE_STRING, .text = text ? text : ""};
    } else if (function_find(name)) {
        return error_set(TSR_ERR_TYPE, "'%s' is a function; call it: x.%s(...)", name, name);
    } else {
        for (int i = 0; i < tsr_variable_n_coords(x); i++)
            if (strcmp(tsr_variable_coord_name(x, i), name) == 0) return value_take(tsr_variable_coord(x, name), out);
        return unknown_attribute(v, name);
    }
    return TSR_OK;
}

static tsr_status module_attribute(evaluator *e, const value *module, const char *name, bool is_called, value *out)
{
    tsr_status status;
    char text[96];
    if (strcmp(module->text, "random") == 0) {
        snprintf(text, sizeof text, "random.%.80s", name);
        const function *f = function_find(text);
        nearest best = nearest_start(text);
        functions_consider(&best);
        if (!f) return error_set(TSR_ERR_NOT_FOUND, "unknown function '%s'%s", text, nearest_hint(&best, (char[128]){0}, 128));
        *out = (value){.kind = VALUE_FUNCTION, .text = f->name};
        return TSR_OK;
    }
    if (evaluator_lookup(e, name, is_called, out, &status)) return status;
    return unknown_name(e, name, is_called);
}

tsr_status evaluate_attribute(evaluator *e, const ast *node, value *out)
{
    value v;
    TRY(evaluate(e, node->items[0], &v));
    if (v.kind == VALUE_MODULE) return fail_here(e, node->token_at, module_attribute(e, &v, node->text, false, out));
    if (v.kind == VALUE_VARIABLE) return fail_here(e, node->token_at, variable_attribute(e, &v, node->text, out));
    if (v.kind == VALUE_DTYPE || v.kind == VALUE_NUMBER || v.kind == VALUE_STRING || v.kind == VALUE_LIST)
        return fail_here(e, node->token_at, error_set(TSR_ERR_NOT_FOUND, "%s has no '%s'", value_words(&v), node->text));
    return fail_here(e, node->token_at, error_set(TSR_ERR_TYPE, "%s has no '%s'", value_words(&v), node->text));
}

/* ---- Operators and calls ----------------------------------------------------------------------------------------- */

tsr_status value_apply(const char *name, int n, tsr_variable *const *operands, value *out)
{
    tsr_array *arrays[3] = {NULL};
    bool has_names = false;
    for (int i = 0; i < n; i++) has_names = has_names || tsr_variable_has_names(operands[i]);
    if (has_names) return value_take(tsr_variable_apply(name, n, operands), out);
    for (int i = 0; i < n; i++) arrays[i] = tsr_variable_array(operands[i]);
    return value_take_array(tsr_map(name, n, arrays), out);
}

static tsr_status evaluate_operator(evaluator *e, const ast *node, value *out)
{
    value operands[2] = {{0}};
    tsr_variable *variables[2] = {NULL};
    bool all_numbers = true, all_strings = true;
    if (strcmp(node->text, "matmul") ==
        0) { /* a @ b is a.matmul(b): the function of that name, as it is no elementwise operation */
        TRY(evaluate(e, node->items[0], &operands[0]));
        return function_call(e, evaluator_function(e, "matmul"), "matmul", node, &operands[0], out);
    }
    for (int i = 0; i < node->n_items; i++) {
        TRY(evaluate(e, node->items[i], &operands[i]));
        all_numbers = all_numbers && operands[i].kind == VALUE_NUMBER;
        all_strings = all_strings && operands[i].kind == VALUE_STRING;
    }
    if (all_numbers) {
        *out = value_number((tsr_scalar){0});
        tsr_status status = node->n_items == 1 ? number_unary(node->text, operands[0].number, &out->number)
                                               : number_binary(node->text, operands[0].number, operands[1].number, &out->number);
        return fail_here(e, node->at, status);
    }
    for (int i = 0; i < node->n_items; i++)
        TRY(fail_here(e, node->items[i]->at, value_to_variable(e, &operands[i], &variables[i])));
    return fail_here(e, node->at, value_apply(node->text, node->n_items, variables, out));
}

tsr_status value_reduce_groups(const value *grouped, const char *name, value *out)
{
    tsr_variable *v = grouped->variable;
    const char *by = grouped->text;
    if (grouped->n_items == 0)
        return value_take(strcmp(name, "anomaly") == 0 ? tsr_variable_anomaly(v, by, "mean") : tsr_variable_group(v, by, name),
                          out);
    const value *how = &grouped->items[0];
    if (how->kind == VALUE_STRING) return value_take(tsr_variable_resample(v, by, how->text, name), out);
    return value_take(tsr_variable_rolling(v, by, number_int(how->number), grouped->items[1].number.i != 0, name), out);
}

static tsr_status grouped_call(evaluator *e, const value *grouped, const char *name, const ast *node, value *out)
{
    if (node->n_items > 1) return error_set(TSR_ERR_VALUE, "%s of groups takes no arguments", name);
    return value_reduce_groups(grouped, name, out);
}

/* receiver.name(...) */
static tsr_status evaluate_method(evaluator *e, const ast *node, value *out)
{
    const ast *target = node->items[0];
    value receiver, function_value = {0};
    TRY(evaluate(e, target->items[0], &receiver));
    if (receiver.kind == VALUE_MODULE) {
        TRY(fail_here(e, target->token_at, module_attribute(e, &receiver, target->text, true, &function_value)));
        if (function_value.kind == VALUE_DTYPE) function_value = (value){.kind = VALUE_FUNCTION, .text = "astype"};
        if (function_value.kind != VALUE_FUNCTION)
            return fail_here(e, target->token_at,
                             error_set(TSR_ERR_TYPE, "'%s' is %s, not a function", target->text, value_words(&function_value)));
        return function_call(e, evaluator_function(e, function_value.text), function_value.text, node, NULL, out);
    }
    if (receiver.kind == VALUE_GROUPED) return fail_here(e, node->at, grouped_call(e, &receiver, target->text, node, out));
    const function *f = evaluator_function(e, target->text);
    if (!f) return fail_here(e, target->token_at, unknown_name(e, target->text, true));
    return function_call(e, f, target->text, node, &receiver, out);
}

static tsr_status evaluate_call(evaluator *e, const ast *node, value *out)
{
    const ast *target = node->items[0];
    value v;
    if (target->kind == AST_ATTRIBUTE) return evaluate_method(e, node, out);
    if (target->kind == AST_NAME)
        TRY(evaluate_name(e, target->text, target->at, true, &v));
    else
        TRY(evaluate(e, target, &v));
    if (v.kind == VALUE_DTYPE) { /* float32(x) */
        value x = {0};
        tsr_array *array = NULL;
        tsr_variable *variable = NULL;
        if (node->n_items != 2) return fail_here(e, node->token_at, error_set(TSR_ERR_VALUE, "a conversion takes one argument"));
        TRY(evaluate(e, node->items[1], &x));
        if (x.kind == VALUE_NUMBER && v.number.dtype == TSR_I64 && x.number.dtype != TSR_C128 &&
            fabs(number_double(x.number)) < 0x1p63) {
            *out = value_number(tsr_int(number_is_integer(x.number) ? number_int(x.number) : (int64_t)x.number.f));
            return TSR_OK;
        }
        TRY(fail_here(e, node->items[1]->at, value_to_variable(e, &x, &variable)));
        TRY(fail_here(e, node->items[1]->at, value_to_array(e, &x, &array)));
        return fail_here(e, node->at, value_take_like(variable, tsr_astype(array, v.number.dtype), out));
    }
    if (v.kind != VALUE_FUNCTION)
        return fail_here(e, target->at,
                         error_set(TSR_ERR_TYPE, "%s cannot be called%s", value_words(&v),
                                   v.kind == VALUE_VARIABLE ? "; select with brackets: x[0]" : ""));
    return function_call(e, evaluator_function(e, v.text), v.text, node, NULL, out);
}

static tsr_status evaluate_items(evaluator *e, const ast *node, value *out)
{
    *out = (value){.kind = VALUE_LIST, .is_tuple = node->kind == AST_TUPLE, .n_items = node->n_items};
    out->items = ARENA_ARRAY(&e->memory, value, node->n_items ? node->n_items : 1);
    if (!out->items) return TSR_ERR_MEMORY;
    for (int i = 0; i < node->n_items; i++) TRY(evaluate(e, node->items[i], &out->items[i]));
    return TSR_OK;
}

static tsr_status evaluate_slice(evaluator *e, const ast *node, value *out)
{
    *out = (value){.kind = VALUE_SLICE, .n_items = 3, .items = ARENA_ARRAY(&e->memory, value, 3)};
    if (!out->items) return TSR_ERR_MEMORY;
    for (int i = 0; i < 3; i++)
        if (node->items[i]) TRY(evaluate(e, node->items[i], &out->items[i]));
    return TSR_OK;
}

tsr_status evaluate(evaluator *e, const ast *node, value *out)
{
    *out = (value){0};
    switch (node->kind) {
    case AST_NUMBER: *out = value_number(node->number); return TSR_OK;
    case AST_STRING: *out = (value){.kind = VALUE_STRING, .text = node->text}; return TSR_OK;
    case AST_NAME: return evaluate_name(e, node->text, node->at, false, out);
    case AST_ELLIPSIS: *out = (value){.kind = VALUE_ELLIPSIS}; return TSR_OK;
    case AST_TUPLE:
    case AST_LIST: return evaluate_items(e, node, out);
    case AST_ATTRIBUTE: return evaluate_attribute(e, node, out);
    case AST_CALL: return evaluate_call(e, node, out);
    case AST_INDEX: return evaluate_index(e, node, out);
    case AST_SLICE: return evaluate_slice(e, node, out);
    case AST_UNARY:
    case AST_BINARY: return evaluate_operator(e, node, out);
    case AST_KEYWORD: break;
    }
    return fail_here(e, node->at, error_set(TSR_ERR_SYNTAX, "'%s=' does not belong here", node->text));
}

/* ---- Statements -------------------------------------------------------------------------------------------------- */

/* An array takes the name that it is given: z[0] of z = ... is called z in files, pictures and messages. */
static tsr_status assign(evaluator *e, const char *name, span at, value *v)
{
    value keyword;
    if (find_keyword(name, &keyword)) return fail_here(e, at, error_set(TSR_ERR_SYNTAX, "'%s' cannot be assigned to", name));
    if (v->kind == VALUE_VARIABLE) TRY(fail_here(e, at, value_take(tsr_variable_rename(v->variable, name), v)));
    for (size_t i = 0; i < e->names.n; i++)
        if (strcmp(e->names.items[i].name, name) == 0) {
            e->names.items[i].v = *v;
            return TSR_OK;
        }
    return VEC_PUSH(&e->names, (binding){name, *v}) ? TSR_OK : TSR_ERR_MEMORY;
}

/* name op= value */
static tsr_status update(evaluator *e, const ast_statement *s, value *v)
{
    ast name = {.kind = AST_NAME, .at = s->target_at[0], .text = s->targets[0], .height = 1};
    ast *pair[2] = {&name, s->value};
    ast sum = {.kind = AST_BINARY, .at = s->at, .token_at = s->at, .text = s->update, .n_items = 2, .items = pair};
    return evaluate_operator(e, &sum, v);
}

tsr_status evaluate_program(evaluator *e, const ast_program *program, value *last)
{
    e->program = program;
    e->has_error_at = false;
    for (int i = 0; i < program->n_statements; i++) {
        const ast_statement *s = &program->statements[i];
        TRY(s->update ? update(e, s, last) : evaluate(e, s->value, last));
        if (s->n_targets > 1 && (last->kind != VALUE_LIST || last->n_items != s->n_targets))
            return fail_here(e, s->at,
                             error_set(TSR_ERR_VALUE, "%d names stand before '=', but there is %s%s", s->n_targets,
                                       value_words(last), last->kind == VALUE_LIST ? " of another length" : ""));
        for (int t = 0; t < s->n_targets; t++)
            TRY(assign(e, s->targets[t], s->target_at[t], s->n_targets > 1 ? &last->items[t] : last));
    }
    return TSR_OK;
}
