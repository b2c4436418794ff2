/* Datasets: their life, what they hold, and putting variables in. A dataset that others can see is changed only by the public
 * functions that say so. */
#include "dataset/dataset.h"

#include "base/mem.h"
#include "base/names.h"

#include <stdio.h>
#include <string.h>

static void drop_handles(session_object *object, long n_handles)
{
    tsr_dataset *ds = (tsr_dataset *)object;
    while (n_handles-- > 0) dataset_unref(ds);
}

tsr_status dataset_new(tsr_session *session, tsr_dataset **out)
{
    tsr_dataset *ds = mem_calloc(1, sizeof *ds);
    if (!ds) return TSR_ERR_MEMORY;
    atomic_init(&ds->refs, 1);
    ds->object.drop = drop_handles;
    ds->session = session;
    if (attrs_new(0, NULL, &ds->attrs) != TSR_OK) {
        dataset_unref(ds);
        return TSR_ERR_MEMORY;
    }
    *out = ds;
    return TSR_OK;
}

void dataset_unref(tsr_dataset *ds)
{
    if (!ds || atomic_fetch_sub_explicit(&ds->refs, 1, memory_order_acq_rel) != 1) return;
    for (int i = 0; i < ds->n_vars; i++) variable_unref(ds->vars[i]);
    for (int i = 0; i < ds->n_dims; i++) mem_free(ds->dims[i].name);
    for (int i = 0; i < ds->n_texts; i++) mem_free(ds->texts[i]);
    mem_free(ds->vars);
    mem_free(ds->dims);
    mem_free(ds->texts);
    mem_free(ds->title);
    if (ds->first) store_unref(ds->first);
    attrs_unref(ds->attrs);
    mem_free(ds);
}

int dataset_find_dim(const tsr_dataset *ds, const char *name)
{
    for (int i = 0; i < ds->n_dims; i++)
        if (!strcmp(ds->dims[i].name, name)) return i;
    return -1;
}

tsr_status dataset_add_dim(tsr_dataset *ds, const char *name, int64_t length, bool is_unlimited)
{
    int at = dataset_find_dim(ds, name);
    if (at >= 0 && ds->dims[at].length != length)
        return error_set(TSR_ERR_VALUE,
                         "dimension '%s' has length %lld here and %lld in what the dataset holds already; rename one", name,
                         (long long)length, (long long)ds->dims[at].length);
    if (at >= 0) return TSR_OK;
    dataset_dim *dims = mem_realloc(ds->dims, ((size_t)ds->n_dims + 1) * sizeof *dims);
    if (!dims) return TSR_ERR_MEMORY;
    ds->dims = dims;
    char *copy = mem_strdup(name);
    if (!copy) return TSR_ERR_MEMORY;
    dims[ds->n_dims++] = (dataset_dim){copy, length, is_unlimited};
    return TSR_OK;
}

int dataset_find(const tsr_dataset *ds, const char *name)
{
    for (int i = 0; i < ds->n_vars; i++)
        if (!strcmp(ds->vars[i]->name, name)) return i;
    return -1;
}

tsr_status dataset_add(tsr_dataset *ds, tsr_variable *v)
{
    tsr_variable **vars = mem_realloc(ds->vars, ((size_t)ds->n_vars + 1) * sizeof(tsr_variable *));
    if (!vars) return TSR_ERR_MEMORY;
    ds->vars = vars;
    int at = v->role == ROLE_DATA ? ds->n_data++ : ds->n_vars;
    memmove(&vars[at + 1], &vars[at], (size_t)(ds->n_vars - at) * sizeof(tsr_variable *));
    vars[at] = variable_ref(v);
    ds->n_vars++;
    return TSR_OK;
}

bool dataset_word_in(const char *name, const char *list)
{
    size_t n = strlen(name);
    for (const char *p = list; p && *p;) {
        p += strspn(p, " \t\n,");
        size_t length = strcspn(p, " \t\n,");
        size_t bare = length > 0 && p[length - 1] == ':' ? length - 1 : length;
        if ((bare == n || length == n) && n > 0 && !strncmp(p, name, n)) return true;
        p += length;
    }
    return false;
}

tsr_dataset *tsr_dataset_new(tsr_session *session)
{
    tsr_dataset *ds;
    if (dataset_new(session, &ds) != TSR_OK) return NULL;
    session_object_keep(session, &ds->object);
    return ds;
}

void tsr_dataset_release(tsr_dataset *ds)
{
    if (ds && session_object_release(ds->session, &ds->object)) dataset_unref(ds);
}

int tsr_dataset_n_dims(const tsr_dataset *ds) { return ds ? ds->n_dims : 0; }

const char *tsr_dataset_dim(const tsr_dataset *ds, int i, int64_t *length)
{
    if (!ds || i < 0 || i >= ds->n_dims) return NULL;
    if (length) *length = ds->dims[i].length;
    return ds->dims[i].name;
}

int tsr_dataset_n_data(const tsr_dataset *ds) { return ds ? ds->n_data : 0; }
int tsr_dataset_n_variables(const tsr_dataset *ds) { return ds ? ds->n_vars : 0; }
const char *tsr_dataset_name(const tsr_dataset *ds, int i) { return ds && i >= 0 && i < ds->n_vars ? ds->vars[i]->name : NULL; }
const char *tsr_dataset_text(const tsr_dataset *ds, const char *attribute)
{
    return ds ? attrs_text(ds->attrs, attribute) : NULL;
}

tsr_status tsr_dataset_set_text(tsr_dataset *ds, const char *attribute, const char *text)
{
    if (!ds) return error_set(TSR_ERR_VALUE, "a dataset is missing");
    if (text) return attrs_set_text(ds->attrs, attribute, text);
    attrs_remove(ds->attrs, attribute);
    return TSR_OK;
}

static tsr_status no_such_variable(const tsr_dataset *ds, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < ds->n_texts; i++)
        if (!strncmp(ds->texts[i], name, n) && (ds->texts[i][n] == '(' || !ds->texts[i][n]))
            return error_set(TSR_ERR_TYPE, "%s%svariable '%s' holds text, which cannot be computed with",
                             ds->title ? ds->title : "", ds->title ? ": " : "", name);
    char hint[600];
    const char **names = mem_alloc((size_t)ds->n_vars * sizeof *names);
    if (!names) return TSR_ERR_MEMORY;
    for (int i = 0; i < ds->n_vars; i++) names[i] = ds->vars[i]->name;
    names_hint(name, ds->n_vars, names, hint, sizeof hint);
    mem_free(names);
    return error_set(TSR_ERR_NOT_FOUND, "%s%sno variable '%s'%s", ds->title ? ds->title : "", ds->title ? " has " : "there is ",
                     name, hint);
}

tsr_variable *tsr_dataset_get(const tsr_dataset *ds, const char *name)
{
    if (!ds) return NULL;
    int at = dataset_find(ds, name);
    if (at < 0) {
        (void)no_such_variable(ds, name);
        return NULL;
    }
    if (at < ds->n_data) return variable_publish(variable_ref(ds->vars[at]));
    /* A coordinate on its own travels with the coordinates of its dimensions, so that arithmetic with it checks labels. */
    tsr_variable *v;
    tsr_status status = variable_clone(ds->vars[at], &v);
    if (status != TSR_OK) return NULL;
    for (int d = 0; status == TSR_OK && d < v->ndim; d++) {
        int coord = v->dims[d] ? dataset_find(ds, v->dims[d]) : -1;
        if (coord >= ds->n_data) status = variable_add_coord(v, ds->vars[coord]);
    }
    if (status != TSR_OK) variable_unref(v);
    return variable_result(status, &v);
}

/* Dimensions without names get one that no dimension of another length has. */
static tsr_status name_dims(tsr_dataset *ds, tsr_variable *v)
{
    for (int d = 0; d < v->ndim; d++) {
        char name[32];
        for (int k = d; !v->dims[d]; k++) {
            snprintf(name, sizeof name, "dim_%d", k);
            int at = dataset_find_dim(ds, name);
            if (variable_find_dim(v, name) < 0 && (at < 0 || ds->dims[at].length == v->shape[d]))
                TRY(variable_set_dim(v, d, name));
        }
    }
    for (int d = 0; d < v->ndim; d++)
        if (dataset_add_dim(ds, v->dims[d], v->shape[d], false) != TSR_OK) return error_prefix("'%s'", v->name);
    return TSR_OK;
}

/* Takes v's coordinates over into the dataset. Labels of dimensions must be the same; other coordinates that differ from the
 * dataset's are left out of v. */
static tsr_status merge_coords(tsr_dataset *ds, tsr_variable *v)
{
    for (int i = 0; i < v->n_coords; i++) {
        tsr_variable *c = v->coords[i];
        int at = dataset_find(ds, c->name);
        if (at < 0) {
            for (int d = 0; d < c->ndim; d++)
                if (c->dims[d]) TRY(dataset_add_dim(ds, c->dims[d], c->shape[d], false));
            TRY(dataset_add(ds, c));
        } else if (!variable_same(ds->vars[at], c)) {
            if (variable_find_dim(v, c->name) >= 0)
                return error_set(TSR_ERR_VALUE, "'%s' has other labels along dimension '%s' than what the dataset holds already",
                                 v->name, c->name);
            variable_remove_coord(v, c->name);
            i--;
        }
    }
    return TSR_OK;
}

tsr_status tsr_dataset_put(tsr_dataset *ds, const char *name, tsr_variable *variable)
{
    if (!ds) return error_set(TSR_ERR_VALUE, "a dataset is missing");
    if (!variable) return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "a variable is missing");
    tsr_variable *v = NULL;
    tsr_status status;
    GUARD(variable_clone(variable, &v));
    if (name) GUARD(variable_set_name(v, name));
    if (!v->name[0]) GUARD(error_set(TSR_ERR_VALUE, "a variable needs a name to be put into a dataset"));
    int at = dataset_find(ds, v->name);
    bool is_coord_of_dim = v->ndim == 1 && v->dims[0] && !strcmp(v->dims[0], v->name);
    if (is_coord_of_dim)
        v->role = ROLE_COORD;
    else if (at < ds->n_data)
        v->role = ROLE_DATA;
    if (at >= 0) {
        variable_unref(ds->vars[at]);
        memmove(&ds->vars[at], &ds->vars[at + 1], (size_t)(ds->n_vars - at - 1) * sizeof(tsr_variable *));
        ds->n_vars--;
        if (at < ds->n_data) ds->n_data--;
    }
    GUARD(name_dims(ds, v));
    GUARD(merge_coords(ds, v));
    if (dataset_find(ds, v->name) < 0) GUARD(dataset_add(ds, v));
done:
    variable_unref(v);
    return status;
}
