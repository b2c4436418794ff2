/* Datasets as collections: making, asking, putting. */
#include "dataset/dataset.h"

#include "base/mem.h"
#include "dataset/names.h"

#include <string.h>

static void dataset_unref(tsr_dataset *d)
{
    if (!d || atomic_fetch_sub(&d->refs, 1) != 1) return;
    for (int i = 0; i < d->n_vars; i++) variable_unref(d->vars[i]);
    for (int i = 0; i < d->n_files; i++) store_unref(d->files[i]);
    mem_free(d->files);
    mem_free(d->vars);
    attrs_unref(d->attributes);
    mem_free(d);
}

static void drop_handles(session_object *object, long n_handles)
{
    while (n_handles-- > 0) dataset_unref((tsr_dataset *)object);
}

tsr_dataset *dataset_make(tsr_session *s)
{
    tsr_dataset *d = mem_calloc(1, sizeof *d);
    if (!d) return NULL;
    atomic_store(&d->refs, 1);
    d->object.drop = drop_handles;
    d->session = s;
    if (attrs_new(0, NULL, &d->attributes) != TSR_OK) {
        mem_free(d);
        return NULL;
    }
    session_object_keep(s, &d->object);
    return d;
}

tsr_dataset *tsr_dataset_new(tsr_session *session) { return dataset_make(session); }

void tsr_dataset_release(tsr_dataset *d)
{
    if (d && session_object_release(d->session, &d->object)) dataset_unref(d);
}

tsr_status dataset_append(tsr_dataset *d, tsr_variable *v, bool is_coord)
{
    tsr_variable **grown = mem_realloc(d->vars, sizeof *grown * (size_t)(d->n_vars + 1));
    if (!grown) return TSR_ERR_MEMORY;
    d->vars = grown;
    int at = is_coord ? d->n_vars : d->n_data++;
    for (int i = d->n_vars++; i > at; i--) d->vars[i] = d->vars[i - 1];
    d->vars[at] = variable_ref(v);
    return TSR_OK;
}

static int find(const tsr_dataset *d, const char *name)
{
    for (int i = 0; i < d->n_vars; i++)
        if (strcmp(d->vars[i]->name, name) == 0) return i;
    return -1;
}

static tsr_status check_lengths(const tsr_dataset *d, const tsr_variable *v)
{
    for (int a = 0; a < v->ndim; a++) {
        for (int i = 0; v->dims[a] && i < d->n_vars; i++) {
            const tsr_variable *other = d->vars[i];
            if (strcmp(other->name, v->name) == 0) continue;
            for (int b = 0; b < other->ndim; b++) {
                if (!other->dims[b] || strcmp(other->dims[b], v->dims[a]) != 0 || other->array->shape[b] == v->array->shape[a])
                    continue;
                return error_set(
                    TSR_ERR_VALUE,
                    "dimension '%s' has length %lld in '%s' and %lld in '%s'; write them to different files, or rename it",
                    v->dims[a], (long long)v->array->shape[a], v->name, (long long)other->array->shape[b], other->name);
            }
        }
    }
    return TSR_OK;
}

tsr_status tsr_dataset_put(tsr_dataset *d, const char *name, tsr_variable *variable)
{
    if (!d || !variable) return tsr_error_code();
    tsr_variable *v = name ? tsr_variable_rename(variable, name) : variable_ref(variable);
    if (!v) return tsr_error_code();
    tsr_status status = check_lengths(d, v);
    int at = find(d, v->name);
    if (status == TSR_OK && at >= 0) {
        variable_unref(d->vars[at]);
        d->vars[at] = variable_ref(v);
    } else if (status == TSR_OK) {
        status = dataset_append(d, v, false);
    }
    for (int i = 0; status == TSR_OK && i < v->n_coords; i++) {
        if (find(d, v->coords[i]->name) < 0) status = dataset_append(d, v->coords[i], true);
    }
    if (name) {
        tsr_variable_release(v);
    } else {
        variable_unref(v);
    }
    return status;
}

tsr_status tsr_dataset_set_text(tsr_dataset *d, const char *attribute, const char *text)
{
    attrs *changed;
    if (!d) return tsr_error_code();
    TRY(attrs_new(d->attributes->n, d->attributes->items, &changed));
    tsr_status status = TSR_OK;
    if (text) {
        status = attrs_set_text(changed, attribute, text);
    } else {
        attrs_remove(changed, attribute);
    }
    if (status != TSR_OK) {
        attrs_unref(changed);
        return status;
    }
    attrs_unref(d->attributes);
    d->attributes = changed;
    return TSR_OK;
}

/* The distinct named dimensions, in order of appearance; the i-th, or NULL. */
static const char *nth_dim(const tsr_dataset *d, int wanted, int64_t *length, int *count)
{
    const char *seen[256];
    int n = 0;
    for (int i = 0; i < d->n_vars; i++) {
        for (int a = 0; a < d->vars[i]->ndim; a++) {
            const char *dim = d->vars[i]->dims[a];
            bool known = !dim || n == 256;
            for (int k = 0; k < n && !known; k++) known = strcmp(seen[k], dim) == 0;
            if (known) continue;
            if (n == wanted) {
                if (length) *length = d->vars[i]->array->shape[a];
                return dim;
            }
            seen[n++] = dim;
        }
    }
    if (count) *count = n;
    return NULL;
}

int tsr_dataset_n_dims(const tsr_dataset *d)
{
    int n = 0;
    if (d) (void)nth_dim(d, -1, NULL, &n);
    return n;
}
const char *tsr_dataset_dim(const tsr_dataset *d, int i, int64_t *length) { return d ? nth_dim(d, i, length, NULL) : NULL; }
int tsr_dataset_n_data(const tsr_dataset *d) { return d ? d->n_data : 0; }
int tsr_dataset_n_variables(const tsr_dataset *d) { return d ? d->n_vars : 0; }
const char *tsr_dataset_name(const tsr_dataset *d, int i) { return d && i >= 0 && i < d->n_vars ? d->vars[i]->name : NULL; }
const char *tsr_dataset_text(const tsr_dataset *d, const char *attribute)
{
    return d ? attrs_text(d->attributes, attribute) : NULL;
}

tsr_variable *tsr_dataset_get(const tsr_dataset *d, const char *name)
{
    const char *names[256];
    char hint[256];
    if (!d) return NULL;
    int at = find(d, name), n = d->n_vars < 256 ? d->n_vars : 256;
    if (at >= 0) {
        session_object_keep(d->session, &d->vars[at]->object);
        return variable_ref(d->vars[at]);
    }
    for (int i = 0; i < n; i++) names[i] = d->vars[i]->name;
    (void)error_set(TSR_ERR_NOT_FOUND, "no variable '%s'%s", name, names_hint(name, n, names, hint, sizeof hint));
    return NULL;
}
