/* Functions that compare arrays as a whole, cut one into several, or give several: tuples. Parts along a dimension keep their
 * names and labels. */
#include "cli/eval.h"

#include <string.h>

/* ---- Comparing ------------------------------------------------------------------------------------------------------ */

static tsr_status run_allclose(fn_call *c, value *out)
{
    tsr_array *a, *b;
    double rtol = 1e-5, atol = 1e-8;
    bool equal_nan = false;
    TRY(arg_array(c, 0, &a));
    TRY(arg_array(c, 1, &b));
    TRY(arg_double(c, 2, &rtol));
    TRY(arg_double(c, 3, &atol));
    TRY(arg_bool(c, 4, &equal_nan));
    return value_take_array(tsr_allclose(a, b, rtol, atol, equal_nan), out);
}

static tsr_status run_array_equal(fn_call *c, value *out)
{
    tsr_array *a, *b;
    bool equal_nan = false;
    TRY(arg_array(c, 0, &a));
    TRY(arg_array(c, 1, &b));
    TRY(arg_bool(c, 2, &equal_nan));
    return value_take_array(strcmp(c->f->name, "array_equal") == 0 ? tsr_array_equal(a, b, equal_nan) : tsr_array_equiv(a, b),
                            out);
}

static tsr_status run_isnull(fn_call *c, value *out)
{
    tsr_variable *x;
    TRY(arg_variable(c, 0, &x));
    tsr_array *a = tsr_variable_array(x);
    return value_take_like(x, c->f->name[0] == 'i' ? tsr_isnull(a) : tsr_notnull(a), out);
}

/* ---- Parts ---------------------------------------------------------------------------------------------------------- */

enum { MAX_PARTS = 10000 }; /* each is a variable */

static tsr_status tuple_of(fn_call *c, int64_t n, value *out)
{
    if (n > MAX_PARTS)
        return error_set(TSR_ERR_VALUE, "%s: %lld parts, at most %d are possible here", c->name, (long long)n, MAX_PARTS);
    *out = (value){.kind = VALUE_LIST, .is_tuple = true, .n_items = (int)n};
    out->items = ARENA_ARRAY(&c->e->memory, value, n ? n : 1);
    return out->items ? TSR_OK : TSR_ERR_MEMORY;
}

/* Arrays without names as a tuple. */
static tsr_status take_tuple(fn_call *c, int64_t n, tsr_array **arrays, value *out)
{
    TRY(tuple_of(c, n, out));
    for (int64_t i = 0; i < n; i++) TRY(value_take_array(arrays[i], &out->items[i]));
    return TSR_OK;
}

/* The dimension that the function cuts: named, or fixed by its name. */
static tsr_status read_cut_axis(fn_call *c, tsr_variable *x, int *axis)
{
    dim_list dims;
    switch (c->f->name[0]) {
    case 'v': *axis = 0; return TSR_OK;
    case 'h': *axis = tsr_variable_ndim(x) > 1; return TSR_OK;
    case 'd': *axis = 2; return TSR_OK;
    }
    TRY(arg_dims(c, c->f->name[0] == 'u' ? 1 : 2, x, &dims));
    if (dims.n > 1) return error_set(TSR_ERR_VALUE, "%s works along one dimension, %d are named", c->name, dims.n);
    *axis = dims.n ? dims.axes[0] : 0;
    return TSR_OK;
}

static tsr_status cut(const char *name, tsr_array *a, int64_t n, const int64_t *indices, int axis, tsr_array **parts)
{
    switch (name[0]) {
    case 'v': return tsr_vsplit(a, n, indices, parts);
    case 'h': return tsr_hsplit(a, n, indices, parts);
    case 'd': return tsr_dsplit(a, n, indices, parts);
    case 'a': return tsr_array_split(a, n, indices, axis, parts);
    default: return tsr_split(a, n, indices, axis, parts);
    }
}

/* split(x, 3), split(x, [2, 5], time) */
static tsr_status run_split(fn_call *c, value *out)
{
    tsr_variable *x;
    value v;
    int axis = 0;
    int64_t n = 0, *numbers, start = 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_value(c, 1, &v));
    TRY(fail_here(c->e, arg_place(c, 1), arg_indices(c, 1, &n, &numbers)));
    TRY(read_cut_axis(c, x, &axis));
    bool is_count = v.kind != VALUE_LIST && !(v.kind == VALUE_VARIABLE && tsr_variable_ndim(v.variable) > 0);
    const int64_t *indices = is_count ? NULL : numbers;
    if (is_count) n = numbers[0];
    if (n < is_count || n > MAX_PARTS)
        return fail_here(
            c->e, arg_place(c, 1),
            error_set(TSR_ERR_VALUE, "%s: the number of parts must be 1 to %d, found %lld", c->name, MAX_PARTS, (long long)n));
    int64_t n_parts = n + !is_count;
    tsr_array **parts = ARENA_ARRAY(&c->e->memory, tsr_array *, n_parts);
    if (!parts) return TSR_ERR_MEMORY;
    TRY(cut(c->f->name, tsr_variable_array(x), n, indices, axis, parts));
    if (!tsr_variable_has_names(x)) return take_tuple(c, n_parts, parts, out);
    const char *dim = arena_printf(&c->e->memory, "%d", axis);
    if (!dim) return TSR_ERR_MEMORY;
    TRY(tuple_of(c, n_parts, out));
    for (int64_t i = 0; i < n_parts; i++) { /* the same cuts with labels */
        int64_t stop = is_count ? start + tsr_shape(parts[i])[axis] : i < n ? indices[i] : tsr_variable_shape(x)[axis];
        TRY(value_take(tsr_variable_slice(x, dim, &start, &stop, 1), &out->items[i]));
        start = stop;
    }
    return TSR_OK;
}

static tsr_status run_unstack(fn_call *c, value *out)
{
    tsr_variable *x;
    int axis;
    TRY(arg_variable(c, 0, &x));
    TRY(read_cut_axis(c, x, &axis));
    if (tsr_variable_ndim(x) == 0) return error_set(TSR_ERR_VALUE, "unstack: the array has no dimensions");
    int64_t n = tsr_variable_shape(x)[axis];
    const char *dim = arena_printf(&c->e->memory, "%d", axis);
    if (!dim) return TSR_ERR_MEMORY;
    TRY(tuple_of(c, n, out));
    for (int64_t i = 0; i < n; i++) TRY(value_take(tsr_variable_index(x, dim, i), &out->items[i]));
    return TSR_OK;
}

/* ---- Several together ------------------------------------------------------------------------------------------------- */

/* broadcast_arrays([a, b]) and meshgrid([x, y], indexing="ij"): as many arrays as are given. */
static tsr_status run_together(fn_call *c, value *out)
{
    tsr_variable **given;
    const char *indexing = "xy";
    int n;
    TRY(arg_variables(c, 0, &n, &given));
    bool is_grid = c->f->name[0] == 'm';
    if (is_grid) TRY(arg_text(c, 1, &indexing));
    bool is_ij = strcmp(indexing, "ij") == 0;
    if (!is_ij && strcmp(indexing, "xy") != 0)
        return fail_here(c->e, arg_place(c, 1),
                         error_set(TSR_ERR_VALUE, "the indexing is \"xy\" or \"ij\", found \"%s\"", indexing));
    tsr_array **arrays = ARENA_ARRAY(&c->e->memory, tsr_array *, n), **results = ARENA_ARRAY(&c->e->memory, tsr_array *, n);
    if (!arrays || !results) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++)
        if (!(arrays[i] = tsr_variable_array(given[i]))) return tsr_error_code();
    TRY(is_grid ? tsr_meshgrid(n, arrays, is_ij, results) : tsr_broadcast_arrays(n, arrays, results));
    return take_tuple(c, n, results, out);
}

/* ---- Triangles and diagonals ------------------------------------------------------------------------------------------ */

/* tril_indices(n, k=0, m=None), triu_indices */
static tsr_status run_triangle_indices(fn_call *c, value *out)
{
    int64_t n = 0, k = 0, m = -1;
    tsr_session *session;
    tsr_array *results[2];
    TRY(arg_int(c, 0, &n));
    TRY(arg_int(c, 1, &k));
    TRY(arg_int(c, 2, &m));
    if (!c->e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "%s: how many places there are is counted", c->name);
    TRY(evaluator_session(c->e, &session));
    bool is_lower = c->f->name[3] == 'l';
    TRY(is_lower ? tsr_tril_indices(session, n, k, m, results) : tsr_triu_indices(session, n, k, m, results));
    return take_tuple(c, 2, results, out);
}

static tsr_status run_diag_indices(fn_call *c, value *out)
{
    int64_t n = 0, ndim = 2;
    tsr_session *session;
    tsr_array *results[TSR_MAX_NDIM];
    TRY(arg_int(c, 0, &n));
    TRY(arg_int(c, 1, &ndim));
    if (ndim < 1 || ndim > TSR_MAX_NDIM)
        return fail_here(
            c->e, arg_place(c, 1),
            error_set(TSR_ERR_VALUE, "diag_indices: 1 to %d dimensions are possible, not %lld", TSR_MAX_NDIM, (long long)ndim));
    TRY(evaluator_session(c->e, &session));
    TRY(tsr_diag_indices(session, n, (int)ndim, results));
    return take_tuple(c, ndim, results, out);
}

static tsr_status run_tri(fn_call *c, value *out)
{
    int64_t n = 0, m = -1, k = 0;
    tsr_dtype dtype = TSR_F64;
    tsr_session *session;
    TRY(arg_int(c, 0, &n));
    TRY(arg_int(c, 1, &m));
    TRY(arg_int(c, 2, &k));
    TRY(arg_dtype(c, 3, &dtype));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(tsr_tri(session, n, m, k, dtype, NULL), out);
}

static tsr_status run_vander(fn_call *c, value *out)
{
    tsr_array *x;
    int64_t n = -1;
    bool increasing = false;
    TRY(arg_array(c, 0, &x));
    TRY(arg_int(c, 1, &n));
    TRY(arg_bool(c, 2, &increasing));
    return value_take_array(tsr_vander(x, n, increasing), out);
}

static tsr_status run_diagflat(fn_call *c, value *out)
{
    tsr_array *x;
    int64_t k = 0;
    TRY(arg_array(c, 0, &x));
    TRY(arg_int(c, 1, &k));
    return value_take_array(tsr_diagflat(x, k), out);
}

const function part_functions[] = {
    {"allclose", "a, b, rtol=1e-5, atol=1e-8, equal_nan=False", "are all elements nearly equal?", run_allclose},
    {"array_equal", "a, b, equal_nan=False", "have both the same shape and elements?", run_array_equal},
    {"array_equiv", "a, b", "the same, once they are broadcast together", run_array_equal},
    {"isnull", "x", "is it NaN? also of integers, which never are", run_isnull},
    {"notnull", "x", "is it a number?", run_isnull},
    {"split", "x, sections|indices, axis|dim=0", "equal parts, or cut before these positions: a, b = split(x, 2, time)",
     run_split},
    {"array_split", "x, sections|indices, axis|dim=0", "the same in parts as equal as possible", run_split},
    {"vsplit", "x, sections|indices", "split along the first dimension", run_split},
    {"hsplit", "x, sections|indices", "split along the second dimension, of vectors the first", run_split},
    {"dsplit", "x, sections|indices", "split along the third dimension", run_split},
    {"unstack", "x, axis|dim=0", "the parts at each position along a dimension, without it", run_unstack},
    {"broadcast_arrays", "arrays", "each in the shape that they have together", run_together},
    {"meshgrid", "arrays, indexing='xy'", "grids of coordinates: meshgrid([x, y]); \"ij\": the first runs along dimension 0",
     run_together},
    {"tril_indices", "n, k=0, m=None", "the places on and below the k-th diagonal of n rows and m columns", run_triangle_indices},
    {"triu_indices", "n, k=0, m=None", "those on and above it", run_triangle_indices},
    {"diag_indices", "n, ndim=2", "the places on the diagonal", run_diag_indices},
    {"tri", "N, M=None, k=0, dtype=float64", "ones on and below the k-th diagonal", run_tri},
    {"vander", "x, N=None, increasing=False", "powers of a vector in columns", run_vander},
    {"diagflat", "x, k=0", "a matrix with the flattened array as its diagonal", run_diagflat},
    {0},
};
