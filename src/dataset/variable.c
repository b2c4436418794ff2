/* The life of variables: making, copying, letting go, and the changes allowed while one is built. References are atomic; the rest
 * needs no lock because shared variables do not change. */
#include "dataset/variable.h"

#include "base/mem.h"
#include "base/names.h"
#include "dataset/flags.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void drop_handles(session_object *object, long n_handles)
{
    tsr_variable *v = (tsr_variable *)object;
    while (n_handles-- > 0) variable_unref(v);
}

tsr_status variable_new(tsr_session *session, const char *name, tsr_variable **out)
{
    tsr_variable *v = mem_calloc(1, sizeof *v);
    if (!v) return TSR_ERR_MEMORY;
    atomic_init(&v->refs, 1);
    v->object.drop = drop_handles;
    v->session = session;
    v->dtype = TSR_F64;
    v->name = mem_strdup(name ? name : "");
    if (!v->name || attrs_new(0, NULL, &v->attrs) != TSR_OK) {
        variable_unref(v);
        return TSR_ERR_MEMORY;
    }
    *out = v;
    return TSR_OK;
}

tsr_variable *variable_ref(tsr_variable *v)
{
    if (v) atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void variable_unref(tsr_variable *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1) return;
    variable_clear_coords(v);
    for (int d = 0; d < v->ndim; d++) mem_free(v->dims[d]);
    if (v->array) node_unref(v->array);
    labels_unref(v->labels);
    attrs_unref(v->attrs);
    if (v->file) store_unref(v->file);
    mem_free(v->name);
    mem_free(v);
}

tsr_variable *variable_publish(tsr_variable *v)
{
    if (v) session_object_keep(v->session, &v->object);
    return v;
}

tsr_variable *variable_result(tsr_status status, tsr_variable *const *v)
{
    return status == TSR_OK ? variable_publish(*v) : NULL;
}

tsr_status variable_set_name(tsr_variable *v, const char *name)
{
    char *copy = mem_strdup(name ? name : "");
    if (!copy) return TSR_ERR_MEMORY;
    mem_free(v->name);
    v->name = copy;
    return TSR_OK;
}

tsr_status variable_set_dim(tsr_variable *v, int axis, const char *name)
{
    char *copy = name ? mem_strdup(name) : NULL;
    if (name && !copy) return TSR_ERR_MEMORY;
    mem_free(v->dims[axis]);
    v->dims[axis] = copy;
    return TSR_OK;
}

tsr_status variable_add_dim(tsr_variable *v, const char *name, int64_t length)
{
    if (v->ndim == TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "'%s' would have more than %d dimensions", v->name, TSR_MAX_NDIM);
    v->dims[v->ndim] = NULL;
    TRY(variable_set_dim(v, v->ndim, name));
    v->shape[v->ndim++] = length;
    return TSR_OK;
}

void variable_drop_dim(tsr_variable *v, int axis)
{
    mem_free(v->dims[axis]);
    for (int d = axis; d + 1 < v->ndim; d++) {
        v->dims[d] = v->dims[d + 1];
        v->shape[d] = v->shape[d + 1];
    }
    v->dims[--v->ndim] = NULL;
}

void variable_take_array(tsr_variable *v, tsr_array *array)
{
    if (v->array) node_unref(v->array);
    labels_unref(v->labels);
    if (v->file) store_unref(v->file);
    v->file = NULL;
    v->labels = NULL;
    v->array = array;
    v->dtype = array->dtype;
    memcpy(v->shape, array->shape, sizeof v->shape);
}

void variable_take_labels(tsr_variable *v, labels *l)
{
    if (v->array) node_unref(v->array);
    labels_unref(v->labels);
    v->array = NULL;
    v->labels = l;
    v->dtype = l->dtype;
    if (v->ndim == 1) v->shape[0] = l->n;
}

tsr_status variable_own_attrs(tsr_variable *v, attrs **out)
{
    if (atomic_load(&v->attrs->refs) > 1) {
        attrs *own;
        TRY(attrs_new(v->attrs->n, v->attrs->items, &own));
        attrs_unref(v->attrs);
        v->attrs = own;
    }
    *out = v->attrs;
    return TSR_OK;
}

tsr_status variable_add_coord(tsr_variable *v, tsr_variable *coord)
{
    for (int i = 0; i < v->n_coords; i++)
        if (!strcmp(v->coords[i]->name, coord->name)) {
            variable_ref(coord);
            variable_unref(v->coords[i]);
            v->coords[i] = coord;
            return TSR_OK;
        }
    tsr_variable **coords = mem_realloc(v->coords, ((size_t)v->n_coords + 1) * sizeof(tsr_variable *));
    if (!coords) return TSR_ERR_MEMORY;
    v->coords = coords;
    v->coords[v->n_coords++] = variable_ref(coord);
    return TSR_OK;
}

void variable_remove_coord(tsr_variable *v, const char *name)
{
    for (int i = 0; i < v->n_coords; i++) {
        if (strcmp(v->coords[i]->name, name) != 0) continue;
        variable_unref(v->coords[i]);
        memmove(&v->coords[i], &v->coords[i + 1], (size_t)(v->n_coords - i - 1) * sizeof(tsr_variable *));
        v->n_coords--;
        return;
    }
}

void variable_clear_coords(tsr_variable *v)
{
    for (int i = 0; i < v->n_coords; i++) variable_unref(v->coords[i]);
    mem_free(v->coords);
    v->coords = NULL;
    v->n_coords = 0;
}

tsr_status variable_clone(const tsr_variable *v, tsr_variable **out)
{
    tsr_variable *c = NULL;
    tsr_status status = TSR_OK;
    GUARD(variable_new(v->session, v->name, &c));
    for (int d = 0; d < v->ndim; d++) GUARD(variable_add_dim(c, v->dims[d], v->shape[d]));
    for (int i = 0; i < v->n_coords; i++) GUARD(variable_add_coord(c, v->coords[i]));
    c->dtype = v->dtype;
    c->array = v->array ? node_ref(v->array) : NULL;
    c->labels = labels_ref(v->labels);
    attrs_unref(c->attrs);
    c->attrs = attrs_ref(v->attrs);
    c->role = v->role;
    c->is_weak = v->is_weak;
    c->scalar = v->scalar;
    c->is_time = v->is_time;
    c->time = v->time;
    c->file = v->file ? store_ref(v->file) : NULL;
    c->file_var = v->file_var;
    *out = c;
    c = NULL;
done:
    variable_unref(c);
    return status;
}

tsr_status array_status(const tsr_array *array)
{
    if (array) return TSR_OK;
    tsr_status code = tsr_error_code();
    return code != TSR_OK ? code : error_set(TSR_ERR_VALUE, "an array is missing");
}

tsr_status variable_with_array(const tsr_variable *v, tsr_array *take_array, tsr_variable **out)
{
    TRY(array_status(take_array));
    tsr_variable *c;
    tsr_status status = variable_clone(v, &c);
    if (status != TSR_OK) {
        node_unref(take_array);
        return status;
    }
    c->is_weak = false;
    variable_take_array(c, take_array);
    *out = c;
    return TSR_OK;
}

void variable_find_time(tsr_variable *v)
{
    const char *units = attrs_text(v->attrs, "units");
    v->is_time = time_units_likely(units) && !dtype_is_complex(v->dtype) &&
                 time_units_parse(units, attrs_text(v->attrs, "calendar"), &v->time) == TSR_OK;
}

tsr_status variable_load(tsr_variable *v)
{
    if (v->labels || v->ndim > 1 || dtype_is_complex(v->dtype)) return TSR_OK;
    labels *l;
    TRY(labels_new(v->dtype, v->ndim ? v->shape[0] : 1, &l));
    tsr_status status = tsr_compute_into(v->array, l->data, (size_t)l->n * tsr_dtype_size(v->dtype));
    if (status == TSR_OK) status = labels_finish(l);
    if (status != TSR_OK) {
        labels_unref(l);
        return status;
    }
    variable_take_labels(v, l);
    return TSR_OK;
}

static void release_labels(void *context) { labels_unref(context); }

tsr_array *variable_array(const tsr_variable *v)
{
    if (v->array) return node_ref(v->array);
    labels *l = labels_ref(v->labels);
    tsr_array *a = tsr_from_memory(v->session, l->data, l->dtype, v->ndim, v->shape, NULL, release_labels, l, NULL);
    if (!a) labels_unref(l);
    return a;
}

int variable_find_dim(const tsr_variable *v, const char *name)
{
    for (int d = 0; d < v->ndim; d++)
        if (v->dims[d] && !strcmp(v->dims[d], name)) return d;
    return -1;
}

tsr_status variable_axis(const tsr_variable *v, const char *dim, int *axis)
{
    *axis = variable_find_dim(v, dim);
    if (*axis >= 0) return TSR_OK;
    char *end, hint[400];
    long number = strtol(dim, &end, 10);
    if (end != dim && *end == '\0') {
        if (number < -v->ndim || number >= v->ndim)
            return error_set(TSR_ERR_INDEX, "axis %ld is out of range for '%s', which has %d dimension%s", number,
                             variable_title(v), v->ndim, v->ndim == 1 ? "" : "s");
        *axis = (int)(number < 0 ? number + v->ndim : number);
        return TSR_OK;
    }
    if (v->ndim == 0)
        return error_set(TSR_ERR_NOT_FOUND, "'%s' has no dimension '%s': it is a single value", variable_title(v), dim);
    return error_set(TSR_ERR_NOT_FOUND, "'%s' has no dimension '%s'%s", variable_title(v), dim,
                     names_hint(dim, v->ndim, (const char *const *)v->dims, hint, sizeof hint));
}

tsr_variable *variable_find_coord(const tsr_variable *v, const char *name)
{
    for (int i = 0; i < v->n_coords; i++)
        if (!strcmp(v->coords[i]->name, name)) return v->coords[i];
    return NULL;
}

tsr_variable *variable_dim_coord(const tsr_variable *v, int axis)
{
    tsr_variable *c = v->dims[axis] ? variable_find_coord(v, v->dims[axis]) : NULL;
    return c && c->labels && c->ndim == 1 ? c : NULL;
}

const char *variable_title(const tsr_variable *v) { return v->name[0] ? v->name : "the array"; }

char *variable_label_format(const tsr_variable *v, double value, char *text, size_t size)
{
    instant t;
    if (v->is_time && !isnan(value) && time_decode(&v->time, value, &t) == TSR_OK) return time_format(v->time.cal, t, text, size);
    if (flags_name(v->attrs, value, text, size)) return text;
    if (v->dtype == TSR_F32)
        snprintf(text, size, "%.7g", value);
    else
        snprintf(text, size, "%.10g", value);
    return text;
}

bool variable_same(const tsr_variable *a, const tsr_variable *b)
{
    if (a == b) return true;
    if (a->ndim != b->ndim) return false;
    for (int d = 0; d < a->ndim; d++)
        if (a->shape[d] != b->shape[d] || !a->dims[d] != !b->dims[d] || (a->dims[d] && strcmp(a->dims[d], b->dims[d]) != 0))
            return false;
    if (a->labels && b->labels) return labels_difference(a->labels, b->labels) < 0;
    return a->array && a->array == b->array;
}
