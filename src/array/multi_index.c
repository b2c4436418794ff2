/* Indices along several axes and into the flattened array, one from the other: ravel_multi_index, unravel_index. */
#include "array/build.h"
#include "array/builtin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The indices themselves, if all are at least 0 and below the context. */
tsr_status check_index_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int64_t n = (int64_t)(intptr_t)context, size = shape_size(output->ndim, output->shape), *to = output->data;
    const int64_t *from = inputs[0].data;
    if (shape_size(inputs[0].ndim, inputs[0].shape) != size) return builtin_misfit();
    for (int64_t i = 0; i < size; i++) {
        if (from[i] < 0 || from[i] >= n) {
            char text[120];
            snprintf(text, sizeof text, "invalid entry in index array: index %" PRId64 " is out of bounds for size %" PRId64,
                     from[i], n);
            return tsr_fail(TSR_ERR_VALUE, text);
        }
        to[i] = from[i];
    }
    return TSR_OK;
}

static tsr_array *checked(const char *name, tsr_array *indices, int64_t n)
{
    tsr_function f = {
        .call = check_index_block, .context = (void *)(intptr_t)n, .name = name, .identity = &n, .identity_bytes = sizeof n};
    return indices ? tsr_map_blocks(&f, 1, &indices, TSR_I64, NULL) : NULL;
}

static tsr_array *number(const tsr_array *like, int64_t value) { return tsr_scalar_array(like->session, scalar_int(value)); }

/* op(a, value), a consumed. */
static tsr_array *with(op_code op, tsr_array *a, int64_t value)
{
    tsr_array *b = a ? number(a, value) : NULL, *pair[2] = {a, b};
    return array_using(array_using(b ? array_map(op, 2, pair) : NULL, b), a);
}

static tsr_status check_integers(const char *name, const tsr_array *a)
{
    if (!array_ready(a)) return tsr_error_code();
    if (dtype_is_inexact(a->dtype) || a->dtype == TSR_BOOL)
        return error_set(TSR_ERR_TYPE, "%s: the indices must be integers, they are %s", name, tsr_dtype_name(a->dtype));
    return TSR_OK;
}

static tsr_status check_dims(const char *name, int n, const int64_t *dims, int64_t *size)
{
    *size = 1;
    if (n < 0 || n > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "%s: %d dimensions, at most %d are possible", name, n, TSR_MAX_NDIM);
    for (int d = 0; d < n; d++) {
        if (dims[d] < 0) return error_set(TSR_ERR_VALUE, "%s: the length %" PRId64 " of axis %d is negative", name, dims[d], d);
        if (__builtin_mul_overflow(*size, dims[d], size))
            return error_set(TSR_ERR_VALUE,
                             "%s: invalid dims: array size defined by dims is larger than the maximum possible size", name);
    }
    return TSR_OK;
}

/* Indices along an axis of length n, brought into range. */
static tsr_array *in_range(tsr_array *indices, int64_t n, const char *mode)
{
    tsr_array *typed = array_cast(indices, TSR_I64), *result = NULL;
    if (!mode || strcmp(mode, "raise") == 0) return array_using(checked("ravel_multi_index", typed, n), typed);
    if (strcmp(mode, "wrap") == 0) return with(OP_REMAINDER, typed, n);
    if (strcmp(mode, "clip") == 0) return with(OP_MINIMUM, with(OP_MAXIMUM, typed, 0), n - 1);
    (void)error_set(TSR_ERR_VALUE, "ravel_multi_index: clipmode must be one of 'clip', 'raise', or 'wrap', not '%s'", mode);
    return array_using(result, typed);
}

tsr_array *tsr_ravel_multi_index(int n, tsr_array *const *arrays, const int64_t *dims, const char *const *modes, bool fortran)
{
    int64_t size, stride = 1;
    tsr_array *sum = NULL;
    if (check_dims("ravel_multi_index", n, dims, &size) != TSR_OK) return NULL;
    if (n == 0) {
        (void)error_set(TSR_ERR_VALUE, "ravel_multi_index: need at least one index array");
        return NULL;
    }
    for (int d = 0; d < n; d++)
        if (check_integers("ravel_multi_index", arrays[d]) != TSR_OK) return NULL;
    for (int i = 0; i < n; i++) {
        int d = fortran ? i : n - 1 - i;
        tsr_array *term = with(OP_MULTIPLY, in_range(arrays[d], dims[d], modes ? modes[d] : NULL), stride);
        tsr_array *pair[2] = {sum, term};
        if (!term) return array_using(NULL, sum);
        sum = i == 0 ? term : array_using(array_using(array_map(OP_ADD, 2, pair), pair[0]), pair[1]);
        if (!sum) return NULL;
        stride *= dims[d];
    }
    return sum;
}

tsr_status tsr_unravel_index(tsr_array *indices, int ndim, const int64_t *shape, bool fortran, tsr_array **results)
{
    int64_t size;
    if (!indices) return tsr_error_code();
    TRY(check_integers("unravel_index", indices));
    TRY(check_dims("unravel_index", ndim, shape, &size));
    if (ndim == 0 && indices->ndim > 0)
        return error_set(TSR_ERR_VALUE, "unravel_index: multiple indices are not supported for 0d array");
    memset(results, 0, sizeof *results * (size_t)ndim);
    tsr_array *typed = array_cast(indices, TSR_I64), *rest = array_using(checked("unravel_index", typed, size), typed);
    for (int i = 0; i < ndim && rest; i++) {
        int d = fortran ? i : ndim - 1 - i;
        results[d] = with(OP_REMAINDER, node_ref(rest), shape[d]);
        rest = results[d] ? with(OP_FLOOR_DIVIDE, rest, shape[d]) : array_using(NULL, rest);
    }
    node_unref(rest);
    if (rest) return TSR_OK;
    for (int d = 0; d < ndim; d++) {
        node_unref(results[d]);
        results[d] = NULL;
    }
    return tsr_error_code();
}
