/* Functions of masks and places: what is taken, left out or put in there. Without an axis they take the flattened array, as
 * NumPy's do. What keeps its dimension keeps its names; labels stay where each still belongs to one element. */
#include "cli/eval.h"

#include <string.h>

/* The array and the one axis of the call; without an axis the array is flattened (and *named is NULL). */
typedef struct target {
    tsr_variable *named;
    tsr_array *array;
    const char *dim;
    int axis;
} target;

static tsr_status read_target(fn_call *c, int array_at, int axis_at, target *t)
{
    tsr_variable *x;
    dim_list dims;
    TRY(arg_variable(c, array_at, &x));
    TRY(arg_dims(c, axis_at, x, &dims));
    if (dims.n > 1)
        return fail_here(c->e, arg_place(c, axis_at), error_set(TSR_ERR_VALUE, "%s works along one dimension", c->name));
    if (dims.n == 1)
        *t = (target){x, tsr_variable_array(x), dims.names[0], dims.axes[0]};
    else
        *t = (target){.array = tsr_ravel(tsr_variable_array(x))};
    return t->array ? TSR_OK : tsr_error_code();
}

/* x.compress(condition): the array comes first where it is the receiver, and second where it is not, as in NumPy. */
static int array_place(const fn_call *c) { return c->has_receiver ? 0 : 1; }

/* The elements whose positions along the axis are left over in `positions`. With names these are computed, for the labels. */
static tsr_status take_left(fn_call *c, const target *t, tsr_array *positions, value *out)
{
    int64_t n = positions ? tsr_size(positions) : -1;
    int64_t *indices = n < 0 ? NULL : ARENA_ARRAY(&c->e->memory, int64_t, n ? n : 1);
    if (n < 0) return tsr_error_code();
    if (!indices) return TSR_ERR_MEMORY;
    TRY(tsr_compute_into(positions, indices, (size_t)n * sizeof *indices));
    return value_take(tsr_variable_take(t->named, t->dim, n, indices), out);
}

static tsr_array *counted(fn_call *c, int64_t n)
{
    tsr_session *session;
    return evaluator_session(c->e, &session) == TSR_OK ? tsr_arange_int(session, 0, n, 1, TSR_I64, NULL) : NULL;
}

static tsr_status run_compress(fn_call *c, value *out)
{
    target t = {0};
    tsr_array *condition;
    TRY(arg_array(c, 1 - array_place(c), &condition));
    TRY(read_target(c, array_place(c), 2, &t));
    if (!t.named || !c->e->may_compute) return value_take_array(tsr_compress(condition, t.array, t.axis), out);
    return take_left(c, &t, tsr_compress(condition, counted(c, tsr_shape(t.array)[t.axis]), 0), out);
}

static tsr_status run_extract(fn_call *c, value *out)
{
    tsr_array *condition, *a;
    TRY(arg_array(c, 0, &condition));
    TRY(arg_array(c, 1, &a));
    return value_take_array(tsr_extract(condition, a), out);
}

static tsr_status read_end(fn_call *c, int i, const value *end, bool *has, int64_t *to)
{
    *has = end->kind != VALUE_NONE;
    return *has ? fail_here(c->e, arg_place(c, i), value_to_int(c->e, end, to)) : TSR_OK;
}

/* A number, a slice or a list, which lives in the arena. */
static tsr_status read_places(fn_call *c, int i, tsr_index *to)
{
    value v;
    *to = (tsr_index){.kind = TSR_INDEX_SLICE};
    TRY(arg_value(c, i, &v));
    if (v.kind == VALUE_SLICE) {
        TRY(read_end(c, i, &v.items[0], &to->has_start, &to->start));
        TRY(read_end(c, i, &v.items[1], &to->has_stop, &to->stop));
        return read_end(c, i, &v.items[2], &to->has_step, &to->step);
    }
    if (v.kind == VALUE_LIST || (v.kind == VALUE_VARIABLE && tsr_variable_ndim(v.variable) > 0)) {
        int64_t *list, *shape = ARENA_ARRAY(&c->e->memory, int64_t, 1);
        if (!shape) return TSR_ERR_MEMORY;
        TRY(fail_here(c->e, arg_place(c, i), arg_indices(c, i, shape, &list)));
        *to = (tsr_index){.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = shape, .indices = list};
        return TSR_OK;
    }
    to->kind = TSR_INDEX_INTEGER;
    return arg_int(c, i, &to->start);
}

static tsr_status run_delete(fn_call *c, value *out)
{
    target t = {0};
    tsr_index places;
    TRY(read_target(c, 0, 2, &t));
    TRY(read_places(c, 1, &places));
    if (!t.named || !c->e->may_compute) return value_take_array(tsr_delete(t.array, &places, t.axis), out);
    return take_left(c, &t, tsr_delete(counted(c, tsr_shape(t.array)[t.axis]), &places, 0), out);
}

/* The dimensions of x; what runs along the axis has other labels than before, or none. */
static tsr_status take_renewed(const target *t, tsr_array *a, bool keep_name, value *out)
{
    const char *dims[TSR_MAX_NDIM];
    if (!t->named) return value_take_array(a, out);
    for (int d = 0; d < tsr_variable_ndim(t->named); d++)
        dims[d] = d == t->axis && !keep_name ? NULL : tsr_variable_dim(t->named, d);
    return value_take_dims(t->named, a, dims, out);
}

static tsr_status run_insert(fn_call *c, value *out)
{
    target t = {0};
    tsr_index places;
    tsr_array *values;
    TRY(read_target(c, 0, 3, &t));
    TRY(read_places(c, 1, &places));
    TRY(arg_array(c, 2, &values));
    return take_renewed(&t, tsr_insert(t.array, &places, values, t.axis), true, out);
}

static tsr_status run_append(fn_call *c, value *out)
{
    target t = {0};
    tsr_array *values;
    TRY(read_target(c, 0, 2, &t));
    TRY(arg_array(c, 1, &values));
    return take_renewed(&t, tsr_append(t.array, t.named || !values ? values : tsr_ravel(values), t.axis), true, out);
}

static tsr_status run_take_along_axis(fn_call *c, value *out)
{
    target t = {0};
    tsr_array *indices;
    TRY(arg_array(c, 1, &indices));
    if (arg_given(c, 2)) {
        TRY(read_target(c, 0, 2, &t));
    } else {
        TRY(arg_variable(c, 0, &t.named));
        if (!(t.array = tsr_variable_array(t.named))) return tsr_error_code();
        t.axis = tsr_ndim(t.array) - 1;
    }
    return take_renewed(&t, tsr_take_along_axis(t.array, indices, t.axis), false, out);
}

tsr_status value_take_nonzero(evaluator *e, tsr_array *a, value *out)
{
    tsr_array *found[TSR_MAX_NDIM];
    int n = tsr_ndim(a);
    TRY(tsr_nonzero(a, found));
    *out = (value){.kind = VALUE_LIST, .is_tuple = true, .n_items = n, .items = ARENA_ARRAY(&e->memory, value, n)};
    if (!out->items) return TSR_ERR_MEMORY;
    for (int d = 0; d < n; d++) TRY(value_take_array(found[d], &out->items[d]));
    return TSR_OK;
}

static tsr_status run_nonzero(fn_call *c, value *out)
{
    tsr_array *a;
    TRY(arg_array(c, 0, &a));
    switch (c->f->name[0]) {
    case 'a': return value_take_array(tsr_argwhere(a), out);
    case 'f': return value_take_array(tsr_flatnonzero(a), out);
    default: return value_take_nonzero(c->e, a, out);
    }
}

const function place_functions[] = {
    {"compress", "condition, x, axis|dim=None", "the parts for which a one-dimensional condition holds", run_compress},
    {"extract", "condition, x", "the elements for which it holds, in one dimension", run_extract},
    {"delete", "x, places, axis|dim=None", "without these places: a number, a list or slice(start, stop, step)", run_delete},
    {"insert", "x, places, values, axis|dim=None", "with values before these places", run_insert},
    {"append", "x, values, axis|dim=None", "with values at the end", run_append},
    {"take_along_axis", "x, indices, axis|dim=-1", "the elements at positions of their own on each line", run_take_along_axis},
    {"nonzero", "x", "where it is not zero: the positions along each dimension; also where(x)", run_nonzero},
    {"flatnonzero", "x", "the same in the flattened array", run_nonzero},
    {"argwhere", "x", "the same, a row for each element", run_nonzero},
    {0},
};
