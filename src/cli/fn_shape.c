/* Functions that change shapes. Where the library has one for labelled variables it is used; otherwise the array is changed and
 * the names and coordinates that still fit are put back. */
#include "cli/eval.h"

#include <string.h>

static bool coord_fits(tsr_variable *coord, tsr_variable *v)
{
    for (int d = 0; d < tsr_variable_ndim(coord); d++) {
        const char *dim = tsr_variable_dim(coord, d);
        bool fits = false;
        for (int k = 0; dim && k < tsr_variable_ndim(v); k++) {
            const char *other = tsr_variable_dim(v, k);
            if (other && strcmp(other, dim) == 0) fits = tsr_variable_shape(v)[k] == tsr_variable_shape(coord)[d];
        }
        if (!fits) return false;
    }
    return true;
}

tsr_status value_take_dims(tsr_variable *from, tsr_array *a, const char *const *dims, value *out)
{
    static const char *const attributes[] = {"units", "long_name", "standard_name"};
    const char *name = tsr_variable_name(from);
    if (!a) return tsr_error_code();
    TRY(value_take(tsr_variable_new(name[0] ? name : NULL, a, dims), out));
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        const char *text = tsr_variable_text(from, attributes[i]);
        if (text) TRY(value_take(tsr_variable_set_text(out->variable, attributes[i], text), out));
    }
    for (int i = 0; i < tsr_variable_n_coords(from); i++) {
        const char *coord_name = tsr_variable_coord_name(from, i);
        tsr_variable *coord = tsr_variable_coord(from, coord_name);
        if (!coord) return tsr_error_code();
        if (coord_fits(coord, out->variable)) TRY(value_take(tsr_variable_set_coord(out->variable, coord_name, coord), out));
    }
    return TSR_OK;
}

static void copy_dims(const tsr_variable *v, const char **dims)
{
    for (int d = 0; d < tsr_variable_ndim(v); d++) dims[d] = tsr_variable_dim(v, d);
}

static const char *axis_text(fn_call *c, int axis) { return arena_printf(&c->e->memory, "%d", axis); }

static tsr_status run_reshape(fn_call *c, value *out)
{
    tsr_array *a;
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    TRY(arg_array(c, 0, &a));
    TRY(arg_ints(c, 1, TSR_MAX_NDIM, &ndim, shape));
    return value_take_array(tsr_reshape(a, ndim, shape), out);
}

static tsr_status run_ravel(fn_call *c, value *out)
{
    tsr_array *a;
    TRY(arg_array(c, 0, &a));
    return value_take_array(tsr_ravel(a), out);
}

static tsr_status run_transpose(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    return value_take(tsr_variable_transpose(x, dims.n, dims.names), out);
}

/* Transposes to the order in axes[]. */
static tsr_status take_order(fn_call *c, tsr_variable *x, const int *axes, value *out)
{
    const char *names[TSR_MAX_NDIM] = {NULL};
    int n = tsr_variable_ndim(x);
    for (int d = 0; d < n; d++)
        if (!(names[d] = axis_text(c, axes[d]))) return TSR_ERR_MEMORY;
    return value_take(tsr_variable_transpose(x, n, names), out);
}

static tsr_status run_swapaxes(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list a, b;
    int axes[TSR_MAX_NDIM] = {0};
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &a));
    TRY(arg_dims(c, 2, x, &b));
    if (a.n != 1 || b.n != 1) return error_set(TSR_ERR_VALUE, "swapaxes needs two dimensions");
    for (int d = 0; d < tsr_variable_ndim(x); d++) axes[d] = d == a.axes[0] ? b.axes[0] : d == b.axes[0] ? a.axes[0] : d;
    return take_order(c, x, axes, out);
}

static tsr_status run_moveaxis(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list from, to;
    int axes[TSR_MAX_NDIM] = {0}, n;
    bool used[TSR_MAX_NDIM] = {false};
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &from));
    TRY(arg_dims(c, 2, x, &to));
    if (from.n != to.n) return error_set(TSR_ERR_VALUE, "moveaxis: %d dimensions cannot go to %d places", from.n, to.n);
    n = tsr_variable_ndim(x);
    for (int d = 0; d < n; d++) axes[d] = -1;
    for (int k = 0; k < from.n; k++) {
        axes[to.axes[k]] = from.axes[k];
        used[from.axes[k]] = true;
    }
    for (int d = 0, next = 0; d < n; d++) {
        if (axes[d] >= 0) continue;
        while (used[next]) next++;
        axes[d] = next++;
    }
    return take_order(c, x, axes, out);
}

static tsr_status run_squeeze(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    *out = (value){.kind = VALUE_VARIABLE, .variable = x};
    for (int d = tsr_variable_ndim(x) - 1; d >= 0; d--) {
        bool is_named = false;
        for (int k = 0; k < dims.n; k++) is_named = is_named || dims.axes[k] == d;
        int64_t length = tsr_variable_shape(x)[d];
        if (is_named && length != 1)
            return error_set(TSR_ERR_VALUE, "squeeze: dimension %d has the length %lld, not 1", d, (long long)length);
        if (length != 1 || (dims.n && !is_named)) continue;
        const char *dim = axis_text(c, d);
        if (!dim) return TSR_ERR_MEMORY;
        TRY(value_take(tsr_variable_index(out->variable, dim, 0), out));
    }
    return TSR_OK;
}

static tsr_status run_expand_dims(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t axis = 0;
    const char *dims[TSR_MAX_NDIM] = {NULL}, *old[TSR_MAX_NDIM], *name = NULL;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &axis));
    TRY(arg_name(c, 2, &name));
    int n = tsr_variable_ndim(x);
    if (n + 1 > TSR_MAX_NDIM || axis < -n - 1 || axis > n)
        return error_set(TSR_ERR_INDEX, "expand_dims: axis %lld is out of range for an array of %d dimensions", (long long)axis,
                         n);
    if (axis < 0) axis += n + 1;
    copy_dims(x, old);
    for (int d = 0, k = 0; d <= n; d++) dims[d] = d == axis ? name : old[k++];
    return value_take_dims(x, tsr_expand_dims(tsr_variable_array(x), 1, (int[]){(int)axis}), dims, out);
}

static tsr_status run_broadcast_to(fn_call *c, value *out)
{
    tsr_variable *x;
    int n;
    int64_t shape[TSR_MAX_NDIM];
    const char *dims[TSR_MAX_NDIM] = {NULL};
    TRY(arg_variable(c, 0, &x));
    TRY(arg_ints(c, 1, TSR_MAX_NDIM, &n, shape));
    int before = n - tsr_variable_ndim(x);
    for (int d = 0; before >= 0 && d < tsr_variable_ndim(x); d++) dims[before + d] = tsr_variable_dim(x, d);
    return value_take_dims(x, tsr_broadcast_to(tsr_variable_array(x), n, shape), dims, out);
}

static tsr_status run_flip(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    *out = (value){.kind = VALUE_VARIABLE, .variable = x};
    for (int d = 0; d < tsr_variable_ndim(x); d++) {
        bool is_named = dims.n == 0;
        for (int k = 0; k < dims.n; k++) is_named = is_named || dims.axes[k] == d;
        const char *dim = axis_text(c, d);
        if (!dim) return TSR_ERR_MEMORY;
        if (is_named) TRY(value_take(tsr_variable_slice(out->variable, dim, NULL, NULL, -1), out));
    }
    return TSR_OK;
}

static tsr_status flip_one(fn_call *c, int axis, value *out)
{
    tsr_variable *x;
    TRY(arg_variable(c, 0, &x));
    if (tsr_variable_ndim(x) <= axis)
        return error_set(TSR_ERR_VALUE, "%s: the array has %d dimensions, it must have %d or more", c->name, tsr_variable_ndim(x),
                         axis + 1);
    const char *dim = axis_text(c, axis);
    return dim ? value_take(tsr_variable_slice(x, dim, NULL, NULL, -1), out) : TSR_ERR_MEMORY;
}
static tsr_status run_flipud(fn_call *c, value *out) { return flip_one(c, 0, out); }
static tsr_status run_fliplr(fn_call *c, value *out) { return flip_one(c, 1, out); }

static tsr_status run_matrix_transpose(fn_call *c, value *out)
{
    tsr_variable *x;
    int axes[TSR_MAX_NDIM] = {0};
    TRY(arg_variable(c, 0, &x));
    int n = tsr_variable_ndim(x);
    if (n < 2) return error_set(TSR_ERR_VALUE, "matrix_transpose: the array has %d dimensions, it must have 2 or more", n);
    for (int d = 0; d < n; d++) axes[d] = d < n - 2 ? d : 2 * n - 3 - d;
    return take_order(c, x, axes, out);
}

static tsr_status run_rollaxis(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    int axes[TSR_MAX_NDIM] = {0}, n;
    int64_t start = 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dims(c, 1, x, &dims));
    TRY(arg_int(c, 2, &start));
    n = tsr_variable_ndim(x);
    if (dims.n != 1) return error_set(TSR_ERR_VALUE, "rollaxis moves one dimension, %d are named", dims.n);
    if (start < -n || start > n)
        return fail_here(
            c->e, arg_place(c, 2),
            error_set(TSR_ERR_INDEX, "rollaxis: the start %lld is out of range for %d dimensions", (long long)start, n));
    int to = (int)(start < 0 ? start + n : start);
    to -= dims.axes[0] < to;
    for (int d = 0, next = 0; d < n; d++) {
        next += next == dims.axes[0];
        axes[d] = d == to ? dims.axes[0] : next++;
    }
    return take_order(c, x, axes, out);
}

/* As NumPy puts them: a new dimension has no name. */
static tsr_status run_atleast(fn_call *c, value *out)
{
    tsr_variable *x;
    const char *dims[TSR_MAX_NDIM] = {NULL};
    int least = c->f->name[8] - '0', n;
    TRY(arg_variable(c, 0, &x));
    tsr_array *a = tsr_variable_array(x);
    if (!a) return tsr_error_code();
    n = tsr_ndim(a);
    int before = least == 3 && n > 0 ? n == 1 : least > n ? least - n : 0;
    for (int d = 0; d < n; d++) dims[before + d] = tsr_variable_dim(x, d);
    a = least == 1 ? tsr_atleast_1d(a) : least == 2 ? tsr_atleast_2d(a) : tsr_atleast_3d(a);
    return value_take_dims(x, a, dims, out);
}

static tsr_status run_roll(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    int n;
    int64_t shifts[TSR_MAX_NDIM];
    TRY(arg_variable(c, 0, &x));
    TRY(arg_ints(c, 1, TSR_MAX_NDIM, &n, shifts));
    TRY(arg_dims(c, 2, x, &dims));
    if (dims.n && n == 1)
        for (; n < dims.n; n++) shifts[n] = shifts[0];
    if (n != (dims.n ? dims.n : 1)) return error_set(TSR_ERR_VALUE, "roll: %d shifts for %d dimensions", n, dims.n);
    return value_take_like(x, tsr_roll(tsr_variable_array(x), n, shifts, dims.n ? dims.axes : NULL), out);
}

static tsr_status run_shift(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    int64_t n = 1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &n));
    TRY(arg_dims(c, 2, x, &dims));
    if (dims.n != 1) return error_set(TSR_ERR_VALUE, "shift moves along one dimension, %d are named", dims.n);
    return value_take(tsr_variable_shift(x, dims.names[0], n), out);
}

/* pad(x, 1), pad(x, (1, 2)), pad(x, ((1, 2), (0, 0))) */
static tsr_status read_widths(fn_call *c, int ndim, int64_t *widths)
{
    value v;
    TRY(arg_value(c, 1, &v));
    bool is_nested = v.kind == VALUE_LIST && v.n_items > 0 && v.items[0].kind == VALUE_LIST;
    if (is_nested && v.n_items != ndim && v.n_items != 1)
        return error_set(TSR_ERR_VALUE, "pad: %d pairs of widths for an array of %d dimensions", v.n_items, ndim);
    for (int d = 0; d < ndim; d++) {
        const value *pair = is_nested ? &v.items[v.n_items == 1 ? 0 : d] : &v;
        for (int side = 0; side < 2; side++) {
            const value *item = pair;
            if (pair->kind == VALUE_LIST) {
                if (pair->n_items != 2 && pair->n_items != 1)
                    return error_set(TSR_ERR_VALUE, "pad: widths come in pairs, (before, after)");
                item = &pair->items[pair->n_items == 1 ? 0 : side];
            }
            TRY(value_to_int(c->e, item, &widths[2 * d + side]));
        }
    }
    return TSR_OK;
}

static tsr_status run_pad(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t widths[2 * TSR_MAX_NDIM];
    const char *mode = "constant", *dims[TSR_MAX_NDIM];
    value fill = value_number(tsr_int(0));
    TRY(arg_variable(c, 0, &x));
    TRY(fail_here(c->e, arg_place(c, 1), read_widths(c, tsr_variable_ndim(x), widths)));
    TRY(arg_text(c, 2, &mode));
    if (arg_given(c, 3)) TRY(arg_value(c, 3, &fill));
    if (fill.kind != VALUE_NUMBER)
        return error_set(TSR_ERR_TYPE, "pad: the value must be a number, found %s", value_words(&fill));
    copy_dims(x, dims);
    return value_take_dims(x, tsr_pad(tsr_variable_array(x), widths, mode, fill.number), dims, out);
}

tsr_status arg_indices(fn_call *c, int at, int64_t *n, int64_t **out)
{
    value v;
    TRY(arg_value(c, at, &v));
    if (v.kind == VALUE_VARIABLE) {
        tsr_array *a = tsr_variable_array(v.variable);
        if (!a) return tsr_error_code();
        if (tsr_ndim(a) != 1 || tsr_dtype_of(a) >= TSR_F32 || tsr_dtype_of(a) == TSR_BOOL)
            return error_set(TSR_ERR_TYPE, "indices must be a one-dimensional array of integers");
        if (!c->e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "indices must be plain numbers here");
        *n = tsr_size(a);
        if (!(*out = ARENA_ARRAY(&c->e->memory, int64_t, *n ? *n : 1))) return TSR_ERR_MEMORY;
        a = tsr_astype(a, TSR_I64);
        return a ? tsr_compute_into(a, *out, (size_t)*n * sizeof **out) : tsr_error_code();
    }
    *n = v.kind == VALUE_LIST ? v.n_items : 1;
    if (!(*out = ARENA_ARRAY(&c->e->memory, int64_t, *n ? *n : 1))) return TSR_ERR_MEMORY;
    for (int64_t k = 0; k < *n; k++) TRY(value_to_int(c->e, v.kind == VALUE_LIST ? &v.items[k] : &v, &(*out)[k]));
    return TSR_OK;
}

static tsr_status run_take(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    int64_t n, *indices;
    TRY(arg_variable(c, 0, &x));
    TRY(fail_here(c->e, arg_place(c, 1), arg_indices(c, 1, &n, &indices)));
    TRY(arg_dims(c, 2, x, &dims));
    if (dims.n > 1) return error_set(TSR_ERR_VALUE, "take works along one dimension");
    if (dims.n == 1) return value_take(tsr_variable_take(x, dims.names[0], n, indices), out);
    tsr_array *flat = tsr_ravel(tsr_variable_array(x));
    return value_take_array(flat ? tsr_take(flat, n, indices, 0) : NULL, out);
}

static tsr_status run_repeat(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    int64_t n = 0, *repeats = NULL;
    const char *names[TSR_MAX_NDIM];
    TRY(arg_variable(c, 0, &x));
    TRY(fail_here(c->e, arg_place(c, 1), arg_indices(c, 1, &n, &repeats)));
    TRY(arg_dims(c, 2, x, &dims));
    if (dims.n > 1) return error_set(TSR_ERR_VALUE, "repeat works along one dimension");
    tsr_array *a = tsr_variable_array(x);
    if (dims.n == 0) return value_take_array(a ? tsr_repeat(tsr_ravel(a), n, repeats, 0) : NULL, out);
    copy_dims(x, names);
    return value_take_dims(x, tsr_repeat(a, n, repeats, dims.axes[0]), names, out);
}

static tsr_status run_tile(fn_call *c, value *out)
{
    tsr_array *a;
    int n;
    int64_t repeats[TSR_MAX_NDIM];
    TRY(arg_array(c, 0, &a));
    TRY(arg_ints(c, 1, TSR_MAX_NDIM, &n, repeats));
    return value_take_array(tsr_tile(a, n, repeats), out);
}

/* rechunk(x, (10, -1)) or rechunk(x, time=10) */
static tsr_status run_rechunk(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t storage[TSR_MAX_NDIM];
    const int64_t *chunks = NULL;
    TRY(arg_variable(c, 0, &x));
    int n = tsr_variable_ndim(x);
    for (int d = 0; d < n; d++) storage[d] = 0;
    if (arg_given(c, 1)) TRY(arg_chunks(c, 1, n, storage, &chunks));
    for (int k = 0; k < c->n_rest; k++) {
        value v;
        int axis = tsr_variable_axis(x, c->rest[k]->text);
        if (axis < 0) return fail_here(c->e, c->rest[k]->token_at, tsr_error_code());
        TRY(evaluate(c->e, c->rest[k]->items[0], &v));
        TRY(fail_here(c->e, c->rest[k]->items[0]->at, value_to_int(c->e, &v, &storage[axis])));
        chunks = storage;
    }
    if (!chunks) return error_set(TSR_ERR_VALUE, "rechunk needs lengths: rechunk(x, (10, -1)) or rechunk(x, time=10)");
    return value_take_like(x, tsr_rechunk(tsr_variable_array(x), chunks), out);
}

static tsr_status run_concatenate(fn_call *c, value *out)
{
    tsr_variable **parts;
    int n;
    const char *dim = "0";
    TRY(arg_variables(c, 0, &n, &parts));
    TRY(arg_name(c, 1, &dim));
    bool has_names = false;
    for (int k = 0; k < n; k++) has_names = has_names || tsr_variable_has_names(parts[k]);
    if (has_names) return value_take(tsr_variable_concat(n, parts, dim), out);
    int axis = tsr_variable_axis(parts[0], dim);
    tsr_array **arrays = ARENA_ARRAY(&c->e->memory, tsr_array *, n);
    if (!arrays) return TSR_ERR_MEMORY;
    if (axis < 0) return fail_here(c->e, arg_place(c, 1), tsr_error_code());
    for (int k = 0; k < n; k++) arrays[k] = tsr_variable_array(parts[k]);
    return value_take_array(tsr_concatenate(n, arrays, axis), out);
}

static tsr_status read_arrays(fn_call *c, int *n, tsr_variable **first, tsr_array ***out)
{
    tsr_variable **parts;
    TRY(arg_variables(c, 0, n, &parts));
    *first = parts[0];
    if (!(*out = ARENA_ARRAY(&c->e->memory, tsr_array *, *n))) return TSR_ERR_MEMORY;
    for (int k = 0; k < *n; k++)
        if (!((*out)[k] = tsr_variable_array(parts[k]))) return tsr_error_code();
    return TSR_OK;
}

static tsr_status run_stack(fn_call *c, value *out)
{
    tsr_array **arrays;
    tsr_variable *first;
    int n, d = 0;
    int64_t axis = 0;
    const char *dims[TSR_MAX_NDIM] = {NULL}, *name = NULL;
    TRY(read_arrays(c, &n, &first, &arrays));
    TRY(arg_int(c, 1, &axis));
    TRY(arg_name(c, 2, &name));
    int ndim = tsr_variable_ndim(first) + 1;
    tsr_array *a = axis >= -ndim && axis < ndim ? tsr_stack(n, arrays, (int)axis) : NULL;
    if (axis < -ndim || axis >= ndim)
        return error_set(TSR_ERR_INDEX, "stack: axis %lld is out of range for a result of %d dimensions", (long long)axis, ndim);
    if (axis < 0) axis += ndim;
    for (int k = 0; k < ndim && k < TSR_MAX_NDIM; k++) dims[k] = k == axis ? name : tsr_variable_dim(first, d++);
    return value_take_dims(first, a, dims, out);
}

static tsr_status run_stack_by_name(fn_call *c, value *out)
{
    tsr_array **arrays;
    tsr_variable *first;
    int n;
    TRY(read_arrays(c, &n, &first, &arrays));
    tsr_array *a = c->f->name[0] == 'v'   ? tsr_vstack(n, arrays)
                   : c->f->name[0] == 'h' ? tsr_hstack(n, arrays)
                   : c->f->name[0] == 'c' ? tsr_column_stack(n, arrays)
                                          : tsr_dstack(n, arrays);
    return value_take_array(a, out);
}

static tsr_status run_diff(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    int64_t n = 1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &n));
    TRY(arg_dims(c, 2, x, &dims));
    if (dims.n > 1) return error_set(TSR_ERR_VALUE, "diff works along one dimension");
    if (n < 0 || n > 64) return error_set(TSR_ERR_VALUE, "diff: the order %lld is not between 0 and 64", (long long)n);
    *out = (value){.kind = VALUE_VARIABLE, .variable = x};
    for (int64_t k = 0; k < n; k++) TRY(value_take(tsr_variable_diff(out->variable, dims.n ? dims.names[0] : "-1"), out));
    return TSR_OK;
}

static tsr_status run_triangle(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t k = 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &k));
    tsr_array *a = tsr_variable_array(x);
    return value_take_like(x, c->f->name[3] == 'l' ? tsr_tril(a, k) : tsr_triu(a, k), out);
}

static tsr_status run_diagonal(fn_call *c, value *out)
{
    tsr_array *a;
    int64_t k = 0;
    TRY(arg_array(c, 0, &a));
    TRY(arg_int(c, 1, &k));
    return value_take_array(tsr_diagonal(a, k, 0, 1), out);
}

static tsr_status run_rot90(fn_call *c, value *out)
{
    tsr_array *a;
    int64_t k = 1;
    TRY(arg_array(c, 0, &a));
    TRY(arg_int(c, 1, &k));
    return value_take_array(tsr_rot90(a, (int)(k % 4), 0, 1), out);
}

static tsr_status run_persist(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_array *held;
    TRY(arg_variable(c, 0, &x));
    if (!c->e->may_compute) return value_take(x, out);
    tsr_array *a = tsr_variable_array(x);
    if (!a) return tsr_error_code();
    TRY(tsr_persist(1, &a, &held));
    return value_take_like(x, held, out);
}

static tsr_status run_nothing(fn_call *c, value *out)
{
    tsr_variable *x;
    TRY(arg_variable(c, 0, &x));
    return value_take(x, out);
}

const function shape_functions[] = {
    {"reshape", "x, shape", "another shape, in C order; one length may be -1", run_reshape},
    {"ravel", "x", "one dimension", run_ravel},
    {"flatten", "x", "one dimension", run_ravel},
    {"transpose", "x, axes|dims=None", "dimensions in this order; reversed without one; also x.T", run_transpose},
    {"swapaxes", "x, axis1, axis2", "two dimensions exchanged", run_swapaxes},
    {"moveaxis", "x, source, destination", "dimensions moved to other places", run_moveaxis},
    {"rollaxis", "x, axis|dim, start=0", "one dimension moved to before the one that is at start", run_rollaxis},
    {"matrix_transpose", "x", "the last two dimensions exchanged", run_matrix_transpose},
    {"squeeze", "x, axis|dim=None", "without dimensions of length 1", run_squeeze},
    {"expand_dims", "x, axis=0, name|dim=None", "a new dimension of length 1; also x[newaxis]", run_expand_dims},
    {"atleast_1d", "x", "with one dimension or more", run_atleast},
    {"atleast_2d", "x", "with two dimensions or more, new ones in front", run_atleast},
    {"atleast_3d", "x", "with three dimensions or more, as NumPy puts them", run_atleast},
    {"broadcast_to", "x, shape", "repeated to the shape without copying", run_broadcast_to},
    {"flip", "x, axis|dim=None", "reversed", run_flip},
    {"flipud", "x", "reversed along the first dimension", run_flipud},
    {"fliplr", "x", "reversed along the second dimension", run_fliplr},
    {"rot90", "x, k=1", "turned by k right angles", run_rot90},
    {"diagonal", "x, offset|k=0", "the diagonal of the first two dimensions", run_diagonal},
    {"roll", "x, shift, axis|dim=None", "shifted around", run_roll},
    {"shift", "x, n=1, axis|dim=None", "shifted, NaN comes in; coordinates stay", run_shift},
    {"pad", "x, pad_width, mode='constant', constant_values=0", "enlarged: constant, edge, reflect, symmetric, wrap ...",
     run_pad},
    {"take", "x, indices, axis|dim=None", "the elements at these positions", run_take},
    {"repeat", "x, repeats, axis|dim=None", "each element several times", run_repeat},
    {"tile", "x, reps", "the whole array several times", run_tile},
    {"rechunk", "x, chunks=None, ...", "other chunks: rechunk(x, (10, -1)), rechunk(x, time=10)", run_rechunk},
    {"concatenate", "arrays, axis|dim=0", "joined along a dimension: concatenate([a, b], time)", run_concatenate},
    {"concat", "arrays, axis|dim=0", "the same", run_concatenate},
    {"stack", "arrays, axis=0, name|dim=None", "joined along a new dimension", run_stack},
    {"vstack", "arrays", "joined as rows", run_stack_by_name},
    {"hstack", "arrays", "joined as columns", run_stack_by_name},
    {"dstack", "arrays", "joined in depth", run_stack_by_name},
    {"column_stack", "arrays", "vectors as columns", run_stack_by_name},
    {"diff", "x, n=1, axis|dim=-1", "differences of neighbours, n times", run_diff},
    {"tril", "x, k=0", "zero above the k-th diagonal", run_triangle},
    {"triu", "x, k=0", "zero below the k-th diagonal", run_triangle},
    {"persist", "x", "computed now and kept for what follows", run_persist},
    {"compute", "x", "x itself: results are computed when they are needed", run_nothing},
    {"load", "x", "the same", run_nothing},
    {0},
};
