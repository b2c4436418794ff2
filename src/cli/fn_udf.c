/* Functions of the user's own C source (--udf): a call becomes map_blocks, or with depth= map_overlap. */
#include "cli/eval.h"

#include <string.h>

enum { MOST_ARRAYS = 4, DTYPE = MOST_ARRAYS, DROP, NEW, CHUNKS, DEPTH, BOUNDARY }; /* places of the parameters */

static tsr_status read_arrays(fn_call *c, int *n, tsr_variable **variables, tsr_array **arrays)
{
    *n = 0;
    for (int i = 0; i < MOST_ARRAYS; i++) {
        if (i > 0 && !arg_given(c, i)) continue;
        if (i > *n)
            return fail_here(c->e, arg_place(c, i),
                             error_set(TSR_ERR_VALUE, "%s: array %d is given, array %d is not", c->name, i, *n));
        TRY(arg_variable(c, i, &variables[i]));
        arrays[i] = tsr_variable_array(variables[i]);
        if (!arrays[i]) return tsr_error_code();
        (*n)++;
    }
    return TSR_OK;
}

static tsr_status read_axes(fn_call *c, int i, int *n, int *axes)
{
    int64_t given[TSR_MAX_NDIM];
    TRY(arg_ints(c, i, TSR_MAX_NDIM, n, given));
    for (int k = 0; k < *n; k++) axes[k] = given[k] < -TSR_MAX_NDIM || given[k] > TSR_MAX_NDIM ? TSR_MAX_NDIM : (int)given[k];
    return TSR_OK;
}

/* One length for each axis of the result, -1 for axes that stay as they are. */
static tsr_status read_chunks(fn_call *c, int64_t *lengths, tsr_chunks *chunks, bool *given)
{
    int n;
    *given = arg_given(c, CHUNKS);
    TRY(arg_ints(c, CHUNKS, TSR_MAX_NDIM, &n, lengths));
    for (int d = 0; d < TSR_MAX_NDIM; d++)
        chunks[d] = d < n && lengths[d] >= 0 ? (tsr_chunks){1, &lengths[d]} : (tsr_chunks){0, NULL};
    return TSR_OK;
}

/* The boundary: a name, or a number for a constant one. */
static tsr_status read_boundary(fn_call *c, const char **boundary, tsr_scalar *number)
{
    value v;
    *boundary = "none";
    *number = tsr_int(0);
    if (!arg_given(c, BOUNDARY)) return TSR_OK;
    TRY(arg_value(c, BOUNDARY, &v));
    if (v.kind != VALUE_NUMBER) return arg_text(c, BOUNDARY, boundary);
    *boundary = "constant";
    *number = v.number;
    return TSR_OK;
}

static tsr_status read_overlap(fn_call *c, int ndim, tsr_overlap *overlap)
{
    int64_t depths[TSR_MAX_NDIM];
    const char *boundary;
    tsr_scalar number;
    int n;
    TRY(read_boundary(c, &boundary, &number));
    TRY(arg_ints(c, DEPTH, TSR_MAX_NDIM, &n, depths));
    if (n != 1 && n != ndim)
        return fail_here(c->e, arg_place(c, DEPTH), error_set(TSR_ERR_VALUE, "depth has %d numbers for %d dimensions", n, ndim));
    for (int d = 0; d < ndim; d++) {
        int64_t depth = depths[n == 1 ? 0 : d];
        overlap[d] = (tsr_overlap){depth, depth, boundary, number};
    }
    return TSR_OK;
}

static tsr_array *surrounded(fn_call *c, const tsr_function *f, int n, tsr_array *const *arrays, tsr_dtype dtype,
                             tsr_status *status)
{
    tsr_overlap overlaps[MOST_ARRAYS][TSR_MAX_NDIM];
    const tsr_overlap *each[MOST_ARRAYS];
    for (int i = 0; i < n && *status == TSR_OK; i++) {
        each[i] = overlaps[i];
        *status = read_overlap(c, tsr_ndim(arrays[i]), overlaps[i]);
    }
    return *status == TSR_OK ? tsr_map_overlap(f, n, arrays, each, dtype) : NULL;
}

static bool same_shape(const tsr_array *a, const tsr_array *b)
{
    return tsr_ndim(a) == tsr_ndim(b) && memcmp(tsr_shape(a), tsr_shape(b), sizeof(int64_t) * (size_t)tsr_ndim(a)) == 0;
}

static tsr_status run_udf(fn_call *c, value *out)
{
    tsr_function f;
    tsr_variable *variables[MOST_ARRAYS];
    tsr_array *arrays[MOST_ARRAYS], *result;
    int n, drop[TSR_MAX_NDIM], added[TSR_MAX_NDIM];
    int64_t lengths[TSR_MAX_NDIM];
    tsr_chunks chunks[TSR_MAX_NDIM];
    tsr_map_options options = {.drop_axis = drop, .new_axis = added};
    bool has_chunks;
    if (!udf_library_find(c->e->udf, c->name, &f)) return error_set(TSR_ERR_INTERNAL, "the function '%s' is gone", c->name);
    TRY(read_arrays(c, &n, variables, arrays));
    tsr_dtype dtype = tsr_dtype_of(arrays[0]);
    (void)udf_library_dtype(c->e->udf, c->name, &dtype);
    TRY(arg_dtype(c, DTYPE, &dtype));
    TRY(read_axes(c, DROP, &options.n_drop, drop));
    TRY(read_axes(c, NEW, &options.n_new, added));
    TRY(read_chunks(c, lengths, chunks, &has_chunks));
    if (has_chunks) options.chunks = chunks;
    if (arg_given(c, DEPTH)) {
        tsr_status status = TSR_OK;
        if (options.n_drop || options.n_new || has_chunks)
            return error_set(TSR_ERR_VALUE, "%s: depth cannot go with drop_axis, new_axis or chunks", c->name);
        result = surrounded(c, &f, n, arrays, dtype, &status);
        TRY(status);
    } else {
        result = tsr_map_blocks(&f, n, arrays, dtype, &options);
    }
    if (result && same_shape(result, arrays[0])) return value_take_like(variables[0], result, out);
    return value_take_array(result, out);
}

const function udf_function = {
    "udf", "x, y=None, z=None, w=None, dtype=None, drop_axis=None, new_axis=None, chunks=None, depth=None, boundary=None",
    "a function of the source given with --udf", run_udf};
