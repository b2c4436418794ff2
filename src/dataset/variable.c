/* Making variables and asking about them. */
#include "dataset/variable.h"

#include "base/mem.h"
#include "dataset/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void variable_free(tsr_variable *v)
{
    for (int d = 0; d < v->ndim; d++) mem_free(v->dims[d]);
    for (int i = 0; i < v->n_coords; i++) variable_unref(v->coords[i]);
    mem_free(v->coords);
    attrs_unref(v->attributes);
    labels_unref(v->values);
    node_unref(v->array);
    mem_free(v->name);
    mem_free(v);
}

tsr_variable *variable_ref(tsr_variable *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

void variable_unref(tsr_variable *v)
{
    if (v && atomic_fetch_sub(&v->refs, 1) == 1) variable_free(v);
}

static void drop_handles(session_object *object, long n_handles)
{
    tsr_variable *v = (tsr_variable *)object;
    while (n_handles-- > 0) variable_unref(v);
}

static bool has_dim(const tsr_variable *v, const char *dim)
{
    for (int d = 0; d < v->ndim; d++)
        if (v->dims[d] && strcmp(v->dims[d], dim) == 0) return true;
    return false;
}

/* Are all of the coordinate's dimensions v's, with the same lengths? */
static bool coord_fits(const tsr_variable *v, const tsr_variable *coord)
{
    for (int d = 0; d < coord->ndim; d++) {
        bool found = false;
        for (int e = 0; coord->dims[d] && e < v->ndim; e++)
            found =
                found || (v->dims[e] && strcmp(v->dims[e], coord->dims[d]) == 0 && v->array->shape[e] == coord->array->shape[d]);
        if (!found) return false;
    }
    return true;
}

tsr_status variable_put_coord(tsr_variable *v, tsr_variable *coord)
{
    for (int i = 0; i < v->n_coords; i++) {
        if (strcmp(v->coords[i]->name, coord->name) != 0) continue;
        variable_ref(coord);
        variable_unref(v->coords[i]);
        v->coords[i] = coord;
        return TSR_OK;
    }
    tsr_variable **grown = mem_realloc(v->coords, sizeof *grown * (size_t)(v->n_coords + 1));
    if (!grown) return TSR_ERR_MEMORY;
    v->coords = grown;
    v->coords[v->n_coords++] = variable_ref(coord);
    return TSR_OK;
}

void variable_drop_coord(tsr_variable *v, const char *name)
{
    for (int i = 0; i < v->n_coords; i++) {
        if (strcmp(v->coords[i]->name, name) != 0) continue;
        variable_unref(v->coords[i]);
        v->coords[i] = v->coords[--v->n_coords];
        return;
    }
}

tsr_variable *variable_make(tsr_session *s, const char *name, tsr_array *array, const char *const *dims, attrs *attributes,
                            labels *values, const tsr_variable *like)
{
    if (!array) return NULL;
    tsr_variable *v = mem_calloc(1, sizeof *v);
    if (!v) return NULL;
    atomic_store(&v->refs, 1);
    v->session = s;
    v->object.drop = drop_handles;
    v->array = node_ref(array);
    v->ndim = array->ndim;
    v->name = mem_strdup(name ? name : "");
    bool ok = v->name != NULL;
    for (int d = 0; ok && d < v->ndim; d++) {
        if (dims && dims[d]) ok = (v->dims[d] = mem_strdup(dims[d])) != NULL;
    }
    if (ok && attributes) v->attributes = attrs_ref(attributes);
    if (ok && !attributes) ok = attrs_new(0, NULL, &v->attributes) == TSR_OK;
    if (values) v->values = labels_ref(values);
    for (int i = 0; ok && like && i < like->n_coords; i++) {
        if (coord_fits(v, like->coords[i])) ok = variable_put_coord(v, like->coords[i]) == TSR_OK;
    }
    if (!ok) {
        variable_unref(v);
        return NULL;
    }
    session_object_keep(s, &v->object);
    return v;
}

static void release_labels(void *context) { labels_unref(context); }

tsr_variable *variable_of_labels(tsr_session *s, const char *name, const char *dim, labels *values, attrs *attributes)
{
    tsr_array *array =
        tsr_from_memory(s, values->data, values->dtype, dim ? 1 : 0, &values->n, NULL, release_labels, values, NULL);
    if (!array) return NULL;
    labels_ref(values);
    tsr_variable *v = variable_make(s, name, array, &dim, attributes, values, NULL);
    node_unref(array);
    return v;
}

void tsr_variable_release(tsr_variable *v)
{
    if (v && session_object_release(v->session, &v->object)) variable_unref(v);
}

tsr_variable *tsr_variable_new(const char *name, tsr_array *array, const char *const *dims)
{
    return array ? variable_make(array->session, name, array, dims, NULL, NULL, NULL) : NULL;
}

tsr_variable *tsr_variable_scalar(tsr_session *session, tsr_scalar value)
{
    tsr_array *a = tsr_scalar_array(session, value);
    tsr_variable *v = a ? variable_make(session, NULL, a, NULL, NULL, NULL, NULL) : NULL;
    node_unref(a);
    if (v) {
        v->is_weak = true;
        v->number = value;
    }
    return v;
}

tsr_variable *tsr_variable_like(tsr_variable *v, tsr_array *array)
{
    if (!v || !array) return NULL;
    if (array->ndim != v->ndim || memcmp(array->shape, v->array->shape, sizeof *array->shape * (size_t)array->ndim) != 0) {
        (void)error_set(TSR_ERR_VALUE, "the new array has another shape than '%s'", v->name);
        return NULL;
    }
    return variable_make(v->session, v->name, array, (const char *const *)v->dims, v->attributes, NULL, v);
}

/* ---- Asking ----------------------------------------------------------------------------------------------------------- */

const char *tsr_variable_name(const tsr_variable *v) { return v ? v->name : ""; }
tsr_array *tsr_variable_array(const tsr_variable *v) { return v ? node_ref(v->array) : NULL; }
int tsr_variable_ndim(const tsr_variable *v) { return v ? v->ndim : -1; }
const int64_t *tsr_variable_shape(const tsr_variable *v) { return v ? v->array->shape : NULL; }
tsr_dtype tsr_variable_dtype(const tsr_variable *v) { return v ? v->array->dtype : (tsr_dtype)-1; }
const char *tsr_variable_dim(const tsr_variable *v, int axis) { return v && axis >= 0 && axis < v->ndim ? v->dims[axis] : NULL; }

bool tsr_variable_has_names(const tsr_variable *v)
{
    for (int d = 0; v && d < v->ndim; d++)
        if (v->dims[d]) return true;
    return false;
}

int tsr_variable_axis(const tsr_variable *v, const char *dim)
{
    char hint[256], *end;
    if (!v) return -1;
    for (int d = 0; d < v->ndim; d++)
        if (v->dims[d] && strcmp(v->dims[d], dim) == 0) return d;
    long number = strtol(dim, &end, 10);
    if (*dim && !*end) {
        if (number >= -v->ndim && number < v->ndim) return (int)(number < 0 ? number + v->ndim : number);
        (void)error_set(TSR_ERR_INDEX, "axis %ld is out of range for '%s' of %d dimensions", number, v->name, v->ndim);
        return -1;
    }
    (void)error_set(TSR_ERR_NOT_FOUND, "'%s' has no dimension '%s'%s", v->name, dim,
                    names_hint(dim, v->ndim, (const char *const *)v->dims, hint, sizeof hint));
    return -1;
}

const char *tsr_variable_text(const tsr_variable *v, const char *attribute)
{
    return v ? attrs_text(v->attributes, attribute) : NULL;
}
bool tsr_variable_number(const tsr_variable *v, const char *attribute, double *value)
{
    return v && attrs_number(v->attributes, attribute, value);
}

int tsr_variable_n_coords(const tsr_variable *v) { return v ? v->n_coords : 0; }
const char *tsr_variable_coord_name(const tsr_variable *v, int i)
{
    return v && i >= 0 && i < v->n_coords ? v->coords[i]->name : NULL;
}

tsr_variable *variable_find_coord(const tsr_variable *v, const char *name)
{
    for (int i = 0; i < v->n_coords; i++)
        if (strcmp(v->coords[i]->name, name) == 0) return v->coords[i];
    return NULL;
}

tsr_variable *tsr_variable_coord(const tsr_variable *v, const char *name)
{
    char hint[256];
    const char *names[64];
    if (!v) return NULL;
    tsr_variable *coord = variable_find_coord(v, name);
    if (coord) {
        session_object_keep(v->session, &coord->object);
        return variable_ref(coord);
    }
    int n = v->n_coords < 64 ? v->n_coords : 64;
    for (int i = 0; i < n; i++) names[i] = v->coords[i]->name;
    (void)error_set(TSR_ERR_NOT_FOUND, "'%s' has no coordinate '%s'%s", v->name, name,
                    names_hint(name, n, names, hint, sizeof hint));
    return NULL;
}

const double *tsr_variable_labels(const tsr_variable *v, int64_t *n)
{
    if (!v || !v->values) return NULL;
    if (n) *n = v->values->n;
    return v->values->values;
}

bool tsr_variable_is_time(const tsr_variable *v)
{
    const char *units = tsr_variable_text(v, "units");
    return units && time_units_likely(units);
}

tsr_status variable_time_units(const tsr_variable *v, time_units *out)
{
    const char *units = tsr_variable_text(v, "units");
    if (!units || !time_units_likely(units))
        return error_set(TSR_ERR_VALUE, "'%s' is no time coordinate: its units are '%s'", v->name, units ? units : "not given");
    return time_units_parse(units, tsr_variable_text(v, "calendar"), out);
}

tsr_status tsr_variable_date(const tsr_variable *v, int64_t i, tsr_date *date)
{
    time_units units;
    instant t;
    if (!v || !v->values || i < 0 || i >= v->values->n) return error_set(TSR_ERR_INDEX, "there is no label %lld", (long long)i);
    TRY(variable_time_units(v, &units));
    TRY(time_decode(&units, v->values->values[i], &t));
    *date = time_date(units.cal, t);
    return TSR_OK;
}

char *tsr_variable_label_text(const tsr_variable *v, int64_t i, char *text, size_t size)
{
    time_units units;
    instant t;
    if (size) *text = '\0';
    if (!v || !v->values || i < 0 || i >= v->values->n) return text;
    if (tsr_variable_is_time(v) && variable_time_units(v, &units) == TSR_OK &&
        time_decode(&units, v->values->values[i], &t) == TSR_OK) {
        return time_format(units.cal, t, text, size);
    }
    tsr_error_clear();
    const char *data = (const char *)v->values->data + (size_t)i * tsr_dtype_size(v->values->dtype);
    return element_format(data, v->values->dtype, text, size);
}

/* ---- Small changes ------------------------------------------------------------------------------------------------------- */

tsr_variable *tsr_variable_rename(tsr_variable *v, const char *name)
{
    return v ? variable_make(v->session, name, v->array, (const char *const *)v->dims, v->attributes, v->values, v) : NULL;
}

tsr_variable *tsr_variable_rename_dim(tsr_variable *v, const char *dim, const char *name)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0) return NULL;
    if (has_dim(v, name)) {
        (void)error_set(TSR_ERR_VALUE, "'%s' has a dimension '%s' already", v->name, name);
        return NULL;
    }
    const char *dims[TSR_MAX_NDIM];
    for (int d = 0; d < v->ndim; d++) dims[d] = d == axis ? name : v->dims[d];
    tsr_variable *result = variable_make(v->session, v->name, v->array, dims, v->attributes, v->values, v);
    tsr_variable *own = v->dims[axis] ? variable_find_coord(v, v->dims[axis]) : NULL;
    if (result && own && own->values) {
        tsr_variable *coord = variable_of_labels(v->session, name, name, own->values, own->attributes);
        if (!coord || variable_put_coord(result, coord) != TSR_OK) {
            tsr_variable_release(result);
            result = NULL;
        }
        tsr_variable_release(coord);
    }
    return result;
}

tsr_variable *tsr_variable_set_text(tsr_variable *v, const char *attribute, const char *text)
{
    attrs *changed;
    if (!v || attrs_new(v->attributes->n, v->attributes->items, &changed) != TSR_OK) return NULL;
    tsr_status status = TSR_OK;
    if (text) {
        status = attrs_set_text(changed, attribute, text);
    } else {
        attrs_remove(changed, attribute);
    }
    tsr_variable *result = status == TSR_OK
                               ? variable_make(v->session, v->name, v->array, (const char *const *)v->dims, changed, v->values, v)
                               : NULL;
    attrs_unref(changed);
    return result;
}

tsr_variable *tsr_variable_set_coord(tsr_variable *v, const char *name, tsr_variable *coord)
{
    if (!v || !coord) return NULL;
    tsr_variable *named = tsr_variable_rename(coord, name), *result = named ? tsr_variable_rename(v, v->name) : NULL;
    if (result && !coord_fits(v, named)) {
        (void)error_set(TSR_ERR_VALUE, "coordinate '%s' has dimensions or lengths that '%s' has not", name, v->name);
        tsr_variable_release(result);
        result = NULL;
    }
    if (result && variable_put_coord(result, named) != TSR_OK) {
        tsr_variable_release(result);
        result = NULL;
    }
    tsr_variable_release(named);
    return result;
}
