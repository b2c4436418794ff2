/* Opening files as a dataset, one or many. Headers are read by several threads; the files are then sorted by the first label of
 * the joined dimension and checked against the first one. Stores keep no descriptor open, so there may be many thousands. */
#include "dataset/dataset.h"

#include "array/source.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/vec.h"

#include <glob.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef VEC(char *) path_list;

typedef struct part {
    store *file;
    labels *coord; /* of the joined dimension, in the first file's time units */
    tsr_status status;
    char *message;
} part;

typedef struct opening {
    tsr_session *session;
    path_list paths;
    part *parts;
    int n;
    const char *dim; /* the joined dimension; NULL for a single file without one */
    bool raw;
    atomic_int next;
} opening;

/* ---- Paths ---------------------------------------------------------------------------------------------------------------- */

static tsr_status add_path(path_list *list, const char *path)
{
    char *copy = mem_strdup(path);
    if (!copy) return TSR_ERR_MEMORY;
    if (VEC_PUSH(list, copy)) return TSR_OK;
    mem_free(copy);
    return TSR_ERR_MEMORY;
}

static tsr_status expand(path_list *list, const char *pattern)
{
    glob_t found;
    if (!strpbrk(pattern, "*?[")) return add_path(list, pattern);
    int code = glob(pattern, 0, NULL, &found);
    if (code == GLOB_NOMATCH) return error_set(TSR_ERR_IO, "no file matches '%s'", pattern);
    if (code != 0) return error_set(TSR_ERR_IO, "cannot list the files of '%s'", pattern);
    tsr_status status = TSR_OK;
    for (size_t i = 0; i < found.gl_pathc && status == TSR_OK; i++) status = add_path(list, found.gl_pathv[i]);
    globfree(&found);
    return status;
}

/* ---- Headers, in parallel ----------------------------------------------------------------------------------------------------
 */

static void *open_some(void *argument)
{
    opening *o = argument;
    for (int i; (i = atomic_fetch_add(&o->next, 1)) < o->n;) {
        part *p = &o->parts[i];
        p->status = store_open(o->paths.items[i], &p->file);
        if (p->status != TSR_OK) p->message = mem_strdup(tsr_error_message());
    }
    return NULL;
}

static tsr_status open_all(opening *o, int n_threads)
{
    pthread_t threads[16];
    int started = 0;
    if (n_threads <= 0) n_threads = os_n_cpus() * 2;
    if (n_threads > 16) n_threads = 16;
    for (; started < n_threads - 1 && started < o->n / 8; started++)
        if (pthread_create(&threads[started], NULL, open_some, o) != 0) break;
    open_some(o);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < o->n; i++)
        if (o->parts[i].status != TSR_OK)
            return error_set(o->parts[i].status, "%s", o->parts[i].message ? o->parts[i].message : "out of memory");
    return TSR_OK;
}

/* ---- Labels
 * -------------------------------------------------------------------------------------------------------------------- */

static const char *dim_name(const store *f, const store_var *v, int d) { return f->dims[v->dims[d]].name; }
static bool is_dim_coord(const store *f, const store_var *v)
{
    return v->ndim == 1 && !v->is_text && strcmp(dim_name(f, v, 0), v->name) == 0;
}

/* A small real variable, read whole and decoded. */
static tsr_status read_labels(tsr_session *s, store *f, const store_var *v, bool raw, labels **out)
{
    tsr_array *stored = array_from_store(s, f, (int)(v - f->vars), NULL), *a = cf_decode(stored, v, raw);
    node_unref(stored);
    if (!a) return tsr_error_code();
    tsr_status status = labels_new(a->dtype, shape_size(a->ndim, a->shape), out);
    if (status == TSR_OK && (*out)->n > 0) status = tsr_compute_into(a, (*out)->data, (size_t)tsr_nbytes(a));
    if (status == TSR_OK) status = labels_finish(*out);
    node_unref(a);
    return status;
}

static const char *var_text(const store_var *v, const char *name)
{
    const store_attr *a = store_var_attr(v, name);
    return a ? a->text : NULL;
}

/* Labels of another file's time coordinate in the first file's units. */
static tsr_status convert_time(const store_var *from, const store_var *to, const char *path, labels **l)
{
    const char *a = var_text(from, "units"), *b = var_text(to, "units");
    time_units x, y;
    if (!a || !b || strcmp(a, b) == 0) {
        if ((a != NULL) != (b != NULL))
            return error_set(TSR_ERR_VALUE, "%s: '%s' has the units '%s', in the first file '%s'", path, from->name,
                             a ? a : "none", b ? b : "none");
        return TSR_OK;
    }
    if (!time_units_likely(a) || !time_units_likely(b))
        return error_set(TSR_ERR_VALUE, "%s: '%s' has the units '%s', in the first file '%s'", path, from->name, a, b);
    TRY(time_units_parse(a, var_text(from, "calendar"), &x));
    TRY(time_units_parse(b, var_text(to, "calendar"), &y));
    if (x.cal != y.cal)
        return error_set(TSR_ERR_VALUE, "%s: '%s' is in the calendar %s, in the first file %s", path, from->name,
                         calendar_name(x.cal), calendar_name(y.cal));
    double scale, offset;
    labels *converted;
    time_conversion(&x, &y, &scale, &offset);
    TRY(labels_convert(*l, scale, offset, &converted));
    labels_unref(*l);
    *l = converted;
    return TSR_OK;
}

/* ---- The joined dimension
 * -------------------------------------------------------------------------------------------------------- */

static int find_store_dim(const store *f, const char *name)
{
    for (int i = 0; i < f->n_dims; i++)
        if (strcmp(f->dims[i].name, name) == 0) return i;
    return -1;
}

static tsr_status choose_dim(opening *o, const char *given)
{
    const store *first = o->parts[0].file;
    if (given) {
        if (find_store_dim(first, given) < 0)
            return error_set(TSR_ERR_NOT_FOUND, "%s: no dimension '%s' to join the files along", first->path, given);
        o->dim = given;
        return TSR_OK;
    }
    if (o->n == 1) return TSR_OK;
    for (int i = 0; i < first->n_dims && !o->dim; i++)
        if (first->dims[i].is_unlimited) o->dim = first->dims[i].name;
    for (int i = 0; i < first->n_vars && !o->dim; i++) { /* the coordinate that differs */
        const store_var *v = &first->vars[i], *w = store_find(o->parts[1].file, v->name);
        labels *a = NULL, *b = NULL;
        if (!is_dim_coord(first, v) || !w || w->ndim != 1) continue;
        if (read_labels(o->session, o->parts[0].file, v, o->raw, &a) == TSR_OK &&
            read_labels(o->session, o->parts[1].file, w, o->raw, &b) == TSR_OK &&
            (a->n != b->n || labels_difference(a, b) >= 0)) {
            o->dim = dim_name(first, v, 0);
        }
        labels_unref(a);
        labels_unref(b);
    }
    if (!o->dim)
        return error_set(TSR_ERR_VALUE, "%s: no dimension along which these files differ; name the one to join them along",
                         first->path);
    return TSR_OK;
}

static tsr_status read_joined_labels(opening *o)
{
    const store_var *first = o->dim ? store_find(o->parts[0].file, o->dim) : NULL;
    for (int i = 0; first && is_dim_coord(o->parts[0].file, first) && i < o->n; i++) {
        part *p = &o->parts[i];
        const store_var *v = store_find(p->file, o->dim);
        if (!v || v->ndim != 1)
            return error_set(TSR_ERR_VALUE, "%s: no coordinate '%s', which the other files have", p->file->path, o->dim);
        TRY(read_labels(o->session, p->file, v, o->raw, &p->coord));
        TRY(convert_time(v, first, p->file->path, &p->coord));
    }
    return TSR_OK;
}

static int compare_parts(const void *x, const void *y)
{
    const part *a = x, *b = y;
    double p = a->coord && a->coord->n ? a->coord->values[0] : 0, q = b->coord && b->coord->n ? b->coord->values[0] : 0;
    if (p != q) return (p > q) - (p < q);
    return strcmp(a->file->path, b->file->path);
}

/* ---- Agreement
 * ---------------------------------------------------------------------------------------------------------------------- */

static tsr_status check_variable(const opening *o, const store *f, const store_var *want)
{
    const store *first = o->parts[0].file;
    const store_var *v = store_find(f, want->name);
    if (!v) return error_set(TSR_ERR_VALUE, "%s: no variable '%s', which %s has", f->path, want->name, first->path);
    if (v->dtype != want->dtype) {
        return error_set(TSR_ERR_VALUE, "%s: '%s' is %s, in %s it is %s", f->path, v->name, tsr_dtype_name(v->dtype), first->path,
                         tsr_dtype_name(want->dtype));
    }
    if (v->ndim != want->ndim)
        return error_set(TSR_ERR_VALUE, "%s: '%s' has %d dimensions, in %s it has %d", f->path, v->name, v->ndim, first->path,
                         want->ndim);
    for (int d = 0; d < v->ndim; d++) {
        const char *a = dim_name(f, v, d), *b = dim_name(first, want, d);
        if (strcmp(a, b) != 0)
            return error_set(TSR_ERR_VALUE, "%s: dimension %d of '%s' is '%s', in %s it is '%s'", f->path, d, v->name, a,
                             first->path, b);
        if (strcmp(a, o->dim) != 0 && v->shape[d] != want->shape[d]) {
            return error_set(TSR_ERR_VALUE, "%s: dimension '%s' of '%s' has length %lld, in %s it has %lld", f->path, a, v->name,
                             (long long)v->shape[d], first->path, (long long)want->shape[d]);
        }
    }
    const char *units = var_text(v, "units"), *wanted = var_text(want, "units");
    bool joined = strcmp(v->name, o->dim) == 0;
    if (!joined && units && wanted && strcmp(units, wanted) != 0) {
        return error_set(TSR_ERR_VALUE, "%s: '%s' has the units '%s', in %s it has '%s'", f->path, v->name, units, first->path,
                         wanted);
    }
    return TSR_OK;
}

static tsr_status check_coordinate(opening *o, store *f, const store_var *want, const labels *expected)
{
    const store_var *v = store_find(f, want->name);
    labels *l = NULL;
    tsr_status status = read_labels(o->session, f, v, o->raw, &l);
    if (status == TSR_OK) {
        int64_t at = labels_difference(l, expected);
        if (at >= 0) {
            status = error_set(TSR_ERR_VALUE, "%s: coordinate '%s' differs from %s at index %lld: %.10g instead of %.10g",
                               f->path, v->name, o->parts[0].file->path, (long long)at, l->values[at], expected->values[at]);
        }
    }
    labels_unref(l);
    return status;
}

static tsr_status check_agreement(opening *o)
{
    store *first = o->parts[0].file;
    for (int k = 0; o->n > 1 && k < first->n_vars; k++) {
        const store_var *want = &first->vars[k];
        if (want->is_text) continue;
        labels *expected = NULL;
        bool shared_coord = is_dim_coord(first, want) && strcmp(want->name, o->dim) != 0;
        tsr_status status = shared_coord ? read_labels(o->session, first, want, o->raw, &expected) : TSR_OK;
        for (int i = 1; i < o->n && status == TSR_OK; i++) {
            status = check_variable(o, o->parts[i].file, want);
            if (status == TSR_OK && shared_coord) status = check_coordinate(o, o->parts[i].file, want, expected);
        }
        labels_unref(expected);
        TRY(status);
    }
    return TSR_OK;
}

/* ---- Variables
 * ------------------------------------------------------------------------------------------------------------------------- */

static bool joins(const opening *o, const store *f, const store_var *v)
{
    for (int d = 0; o->dim && d < v->ndim; d++)
        if (strcmp(dim_name(f, v, d), o->dim) == 0) return true;
    return false;
}

/* All files' parts of a variable as one array. Decoded after joining where all pack alike, which is one program for all. */
static tsr_array *whole_array(opening *o, const store_var *v)
{
    store *first = o->parts[0].file;
    int axis = 0;
    if (o->n == 1 || !joins(o, first, v)) {
        tsr_array *stored = array_from_store(o->session, first, (int)(v - first->vars), NULL);
        return array_using(cf_decode(stored, v, o->raw), stored);
    }
    while (strcmp(dim_name(first, v, axis), o->dim) != 0) axis++;
    tsr_array **pieces = mem_calloc((size_t)o->n, sizeof *pieces), *result = NULL;
    bool alike = true;
    int made = 0;
    if (!pieces) return NULL;
    for (int i = 0; i < o->n; i++) alike = alike && cf_same_packing(v, store_find(o->parts[i].file, v->name));
    for (; made < o->n; made++) {
        store *f = o->parts[made].file;
        const store_var *w = store_find(f, v->name);
        tsr_array *stored = array_from_store(o->session, f, (int)(w - f->vars), NULL);
        pieces[made] = alike ? tsr_retain(stored) : cf_decode(stored, w, o->raw);
        node_unref(stored);
        if (!pieces[made]) break;
    }
    if (made == o->n) {
        tsr_array *joined = tsr_concatenate(o->n, pieces, axis);
        result = alike ? cf_decode(joined, v, o->raw) : tsr_retain(joined);
        node_unref(joined);
    }
    for (int i = 0; i < made; i++) node_unref(pieces[i]);
    mem_free(pieces);
    return result;
}

static tsr_status whole_labels(opening *o, const store_var *v, labels **out)
{
    if (!o->dim || strcmp(v->name, o->dim) != 0 || !o->parts[0].coord)
        return read_labels(o->session, o->parts[0].file, v, o->raw, out);
    labels **all = mem_calloc((size_t)o->n, sizeof *all);
    if (!all) return TSR_ERR_MEMORY;
    for (int i = 0; i < o->n; i++) all[i] = o->parts[i].coord;
    tsr_status status = labels_concat(o->n, all, out);
    mem_free(all);
    return status;
}

static tsr_status make_variable(opening *o, const store_var *v, tsr_variable **out)
{
    store *first = o->parts[0].file;
    const char *dims[TSR_MAX_NDIM];
    attrs *a;
    labels *values = NULL;
    TRY(cf_attributes(v, o->raw, &a));
    for (int d = 0; d < v->ndim; d++) dims[d] = dim_name(first, v, d);
    bool small = is_dim_coord(first, v) || (v->ndim == 0 && !dtype_is_complex(v->dtype));
    tsr_status status = small && !dtype_is_complex(v->dtype) ? whole_labels(o, v, &values) : TSR_OK;
    *out = NULL;
    if (status == TSR_OK && values) {
        *out = variable_of_labels(o->session, v->name, v->ndim ? dims[0] : NULL, values, a);
    } else if (status == TSR_OK) {
        tsr_array *array = whole_array(o, v);
        *out = variable_make(o->session, v->name, array, dims, a, NULL, NULL);
        node_unref(array);
    }
    labels_unref(values);
    attrs_unref(a);
    return *out ? TSR_OK : tsr_error_code();
}

/* Names that other variables' "coordinates" and "bounds" attributes mention. */
static bool is_mentioned(const store *f, const char *name, const char *attribute)
{
    size_t n = strlen(name);
    for (int i = 0; i < f->n_vars; i++) {
        const char *text = var_text(&f->vars[i], attribute);
        for (const char *at = text ? strstr(text, name) : NULL; at; at = strstr(at + 1, name)) {
            if ((at == text || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ')) return true;
        }
    }
    return false;
}

static bool is_coordinate(const store *f, const store_var *v)
{
    return is_dim_coord(f, v) || is_mentioned(f, v->name, "coordinates") || is_mentioned(f, v->name, "bounds");
}

static tsr_status add_variables(opening *o, tsr_dataset *d)
{
    store *first = o->parts[0].file;
    for (int i = 0; i < first->n_vars; i++) {
        tsr_variable *v;
        if (first->vars[i].is_text) continue;
        TRY(make_variable(o, &first->vars[i], &v));
        tsr_status status = dataset_append(d, v, is_coordinate(first, &first->vars[i]));
        tsr_variable_release(v);
        TRY(status);
    }
    for (int i = 0; i < d->n_data; i++) { /* coordinates travel with the data */
        for (int k = d->n_data; k < d->n_vars; k++) {
            tsr_variable *coord = d->vars[k], *v = d->vars[i];
            bool fits = !is_mentioned(first, coord->name, "bounds");
            for (int a = 0; a < coord->ndim && fits; a++) {
                fits = false;
                for (int b = 0; b < v->ndim; b++) fits = fits || strcmp(coord->dims[a], v->dims[b]) == 0;
            }
            if (fits) TRY(variable_put_coord(v, coord));
        }
    }
    attrs *globals;
    TRY(attrs_new(first->n_attrs, first->attrs, &globals));
    attrs_unref(d->attributes);
    d->attributes = globals;
    return TSR_OK;
}

static tsr_status keep_files(opening *o, tsr_dataset *d)
{
    d->files = mem_calloc((size_t)o->n, sizeof *d->files);
    if (!d->files) return TSR_ERR_MEMORY;
    for (int i = 0; i < o->n; i++) d->files[d->n_files++] = store_ref(o->parts[i].file);
    return TSR_OK;
}

tsr_dataset *tsr_open_files(tsr_session *session, int n, const char *const *paths, const tsr_open_options *options)
{
    opening o = {.session = session, .raw = options && options->raw};
    tsr_dataset *d = NULL;
    tsr_status status = n > 0 ? TSR_OK : error_set(TSR_ERR_VALUE, "no files given");
    for (int i = 0; i < n && status == TSR_OK; i++) status = expand(&o.paths, paths[i]);
    if (status != TSR_OK) goto done;
    o.n = (int)o.paths.n;
    o.parts = mem_calloc((size_t)o.n, sizeof *o.parts);
    status = o.parts ? TSR_OK : TSR_ERR_MEMORY;
    if (status != TSR_OK) goto done;
    GUARD(open_all(&o, options ? options->n_threads : 0));
    GUARD(choose_dim(&o, options ? options->concat_dim : NULL));
    GUARD(read_joined_labels(&o));
    if (o.n > 1) {
        char *dim = mem_strdup(o.dim); /* the name belongs to a file that sorting may move */
        status = dim ? TSR_OK : TSR_ERR_MEMORY;
        if (status != TSR_OK) goto done;
        qsort(o.parts, (size_t)o.n, sizeof *o.parts, compare_parts);
        int at = find_store_dim(o.parts[0].file, dim);
        status = at >= 0
                     ? TSR_OK
                     : error_set(TSR_ERR_VALUE, "%s: no dimension '%s', which the other files have", o.parts[0].file->path, dim);
        if (at >= 0) o.dim = o.parts[0].file->dims[at].name;
        mem_free(dim);
        if (status == TSR_OK) status = check_agreement(&o);
        if (status != TSR_OK) goto done;
    }
    d = dataset_make(session);
    status = d ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) status = add_variables(&o, d);
    if (status == TSR_OK) status = keep_files(&o, d);
done:
    if (status != TSR_OK) {
        tsr_dataset_release(d);
        d = NULL;
    }
    for (int i = 0; o.parts && i < o.n; i++) {
        store_unref(o.parts[i].file);
        labels_unref(o.parts[i].coord);
        mem_free(o.parts[i].message);
    }
    for (size_t i = 0; i < o.paths.n; i++) mem_free(o.paths.items[i]);
    VEC_FINI(&o.paths);
    mem_free(o.parts);
    return d;
}

tsr_dataset *tsr_dataset_open(tsr_session *session, const char *path)
{
    const char *paths[1] = {path};
    return tsr_open_files(session, 1, paths, NULL);
}
