/* The public functions that make plain variables, tell facts about them, and change their names and attributes. */
#include "array/build.h"
#include "base/mem.h"
#include "base/names.h"
#include "dataset/variable.h"

#include <stdio.h>
#include <string.h>

tsr_variable *tsr_variable_new(const char *name, tsr_array *array, const char *const *dims)
{
    if (!array_ready(array)) return NULL;
    tsr_variable *v = NULL;
    tsr_status status;
    GUARD(variable_new(array->session, name, &v));
    for (int d = 0; d < array->ndim; d++) {
        const char *dim = dims ? dims[d] : NULL;
        if (dim && variable_find_dim(v, dim) >= 0) GUARD(error_set(TSR_ERR_VALUE, "the dimension '%s' appears twice", dim));
        GUARD(variable_add_dim(v, dim, array->shape[d]));
    }
    variable_take_array(v, node_ref(array));
    return variable_publish(v);
done:
    variable_unref(v);
    return NULL;
}

tsr_variable *tsr_variable_scalar(tsr_session *session, tsr_scalar value)
{
    tsr_variable *v;
    if (variable_new(session, NULL, &v) != TSR_OK) return NULL;
    tsr_array *a = tsr_scalar_array(session, value);
    if (!a) {
        variable_unref(v);
        return NULL;
    }
    variable_take_array(v, a);
    v->is_weak = true;
    v->scalar = value;
    return variable_publish(v);
}

tsr_variable *tsr_variable_like(tsr_variable *v, tsr_array *array)
{
    if (!v || !array_ready(array)) return NULL;
    if (array->ndim != v->ndim || memcmp(array->shape, v->shape, (size_t)v->ndim * sizeof *v->shape) != 0) {
        char a[200], b[200];
        (void)error_set(TSR_ERR_VALUE, "an array of shape %s cannot take the labels of '%s', whose shape is %s",
                        shape_format(array->ndim, array->shape, a, sizeof a), variable_title(v),
                        shape_format(v->ndim, v->shape, b, sizeof b));
        return NULL;
    }
    tsr_variable *out = NULL;
    return variable_result(variable_with_array(v, node_ref(array), &out), &out);
}

void tsr_variable_release(tsr_variable *v)
{
    if (v && session_object_release(v->session, &v->object)) variable_unref(v);
}

const char *tsr_variable_name(const tsr_variable *v) { return v ? v->name : ""; }
tsr_array *tsr_variable_array(const tsr_variable *v) { return v ? variable_array(v) : NULL; }
int tsr_variable_ndim(const tsr_variable *v) { return v ? v->ndim : -1; }
const int64_t *tsr_variable_shape(const tsr_variable *v) { return v ? v->shape : NULL; }
tsr_dtype tsr_variable_dtype(const tsr_variable *v) { return v ? v->dtype : (tsr_dtype)-1; }
const char *tsr_variable_dim(const tsr_variable *v, int axis) { return v && axis >= 0 && axis < v->ndim ? v->dims[axis] : NULL; }

int tsr_variable_axis(const tsr_variable *v, const char *dim)
{
    int axis;
    return v && variable_axis(v, dim, &axis) == TSR_OK ? axis : -1;
}

bool tsr_variable_has_names(const tsr_variable *v)
{
    for (int d = 0; v && d < v->ndim; d++)
        if (v->dims[d]) return true;
    return false;
}

const char *tsr_variable_text(const tsr_variable *v, const char *attribute) { return v ? attrs_text(v->attrs, attribute) : NULL; }

bool tsr_variable_number(const tsr_variable *v, const char *attribute, double *value)
{
    return v && attrs_number(v->attrs, attribute, value);
}

int tsr_variable_n_coords(const tsr_variable *v) { return v ? v->n_coords : 0; }

const char *tsr_variable_coord_name(const tsr_variable *v, int i)
{
    return v && i >= 0 && i < v->n_coords ? v->coords[i]->name : NULL;
}

/* A coordinate on its own, with the coordinates of its dimensions (itself included), so that arithmetic with it checks labels. */
static tsr_status coord_alone(const tsr_variable *v, const tsr_variable *coord, tsr_variable **out)
{
    tsr_variable *c;
    TRY(variable_clone(coord, &c));
    tsr_status status = TSR_OK;
    for (int d = 0; status == TSR_OK && d < c->ndim; d++) {
        tsr_variable *of_dim = c->dims[d] ? variable_find_coord(v, c->dims[d]) : NULL;
        if (of_dim) status = variable_add_coord(c, of_dim);
    }
    if (status == TSR_OK)
        *out = c;
    else
        variable_unref(c);
    return status;
}

tsr_variable *tsr_variable_coord(const tsr_variable *v, const char *name)
{
    if (!v) return NULL;
    tsr_variable *coord = variable_find_coord(v, name), *out = NULL;
    if (coord) return variable_result(coord_alone(v, coord, &out), &out);
    char hint[400];
    const char **names = mem_alloc((size_t)v->n_coords * sizeof *names);
    if (!names) return NULL;
    for (int i = 0; i < v->n_coords; i++) names[i] = v->coords[i]->name;
    (void)error_set(TSR_ERR_NOT_FOUND, "'%s' has no coordinate '%s'%s", variable_title(v), name,
                    names_hint(name, v->n_coords, names, hint, sizeof hint));
    mem_free(names);
    return NULL;
}

const double *tsr_variable_labels(const tsr_variable *v, int64_t *n)
{
    if (!v || !v->labels) return NULL;
    if (n) *n = v->labels->n;
    return v->labels->values;
}

char *tsr_variable_label_text(const tsr_variable *v, int64_t i, char *text, size_t size)
{
    if (size == 0) return text;
    text[0] = '\0';
    if (v && v->labels && i >= 0 && i < v->labels->n) variable_label_format(v, v->labels->values[i], text, size);
    return text;
}

bool tsr_variable_is_time(const tsr_variable *v) { return v && v->is_time; }

tsr_status tsr_variable_date(const tsr_variable *v, int64_t i, tsr_date *date)
{
    if (!v) return error_set(TSR_ERR_VALUE, "a variable is missing");
    if (!v->is_time || !v->labels)
        return error_set(TSR_ERR_TYPE, "'%s' is not a time coordinate: its units are '%s', not '... since ...'",
                         variable_title(v), attrs_text(v->attrs, "units") ? attrs_text(v->attrs, "units") : "");
    if (i < 0 || i >= v->labels->n)
        return error_set(TSR_ERR_INDEX, "label %lld is out of range: '%s' has %lld", (long long)i, variable_title(v),
                         (long long)v->labels->n);
    instant t;
    TRY(time_decode(&v->time, v->labels->values[i], &t));
    *date = time_date(v->time.cal, t);
    return TSR_OK;
}

tsr_variable *tsr_variable_rename(tsr_variable *v, const char *name)
{
    if (!v) return NULL;
    tsr_variable *out = NULL;
    tsr_status status = variable_clone(v, &out);
    if (status == TSR_OK && (status = variable_set_name(out, name)) != TSR_OK) variable_unref(out);
    return variable_result(status, &out);
}

/* The dimension and the coordinates that have it get the new name. */
static tsr_status rename_dim(const tsr_variable *v, const char *old, const char *name, tsr_variable **out)
{
    tsr_variable *c, *coord = NULL;
    TRY(variable_clone(v, &c));
    tsr_status status = TSR_OK;
    int axis = variable_find_dim(c, old);
    if (axis >= 0) GUARD(variable_set_dim(c, axis, name));
    variable_clear_coords(c);
    for (int i = 0; i < v->n_coords; i++) {
        GUARD(rename_dim(v->coords[i], old, name, &coord));
        if (!strcmp(coord->name, old)) GUARD(variable_set_name(coord, name));
        GUARD(variable_add_coord(c, coord));
        variable_unref(coord);
        coord = NULL;
    }
    *out = c;
    c = NULL;
done:
    variable_unref(coord);
    variable_unref(c);
    return status;
}

tsr_variable *tsr_variable_rename_dim(tsr_variable *v, const char *dim, const char *name)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *out = NULL;
    if (variable_axis(v, dim, &axis) != TSR_OK) return NULL;
    int other = variable_find_dim(v, name);
    if (other >= 0 && other != axis) {
        (void)error_set(TSR_ERR_VALUE, "'%s' has a dimension '%s' already", variable_title(v), name);
        return NULL;
    }
    if (v->dims[axis]) return variable_result(rename_dim(v, v->dims[axis], name, &out), &out);
    tsr_status status = variable_clone(v, &out);
    if (status == TSR_OK && (status = variable_set_dim(out, axis, name)) != TSR_OK) variable_unref(out);
    return variable_result(status, &out);
}

tsr_variable *tsr_variable_set_text(tsr_variable *v, const char *attribute, const char *text)
{
    if (!v) return NULL;
    tsr_variable *out = NULL;
    attrs *a;
    tsr_status status = TSR_OK;
    GUARD(variable_clone(v, &out));
    GUARD(variable_own_attrs(out, &a));
    if (text)
        GUARD(attrs_set_text(a, attribute, text));
    else
        attrs_remove(a, attribute);
    variable_find_time(out);
    return variable_publish(out);
done:
    variable_unref(out);
    return NULL;
}

tsr_variable *tsr_variable_set_coord(tsr_variable *v, const char *name, tsr_variable *coord)
{
    if (!v || !coord) return NULL;
    tsr_variable *out = NULL, *own = NULL;
    tsr_status status = TSR_OK;
    for (int d = 0; d < coord->ndim; d++) {
        int axis = coord->dims[d] ? variable_find_dim(v, coord->dims[d]) : -1;
        if (axis < 0 || v->shape[axis] != coord->shape[d])
            GUARD(error_set(TSR_ERR_VALUE, "the coordinate '%s' has the dimension '%s' of length %lld, which '%s' has not", name,
                            coord->dims[d] ? coord->dims[d] : "(no name)", (long long)coord->shape[d], variable_title(v)));
    }
    GUARD(variable_clone(coord, &own));
    variable_clear_coords(own);
    own->role = ROLE_COORD;
    GUARD(variable_set_name(own, name));
    GUARD(variable_load(own));
    GUARD(variable_clone(v, &out));
    GUARD(variable_add_coord(out, own));
    variable_unref(own);
    return variable_publish(out);
done:
    variable_unref(own);
    variable_unref(out);
    return NULL;
}
