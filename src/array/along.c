/* take_along_axis and put_along_axis: indices of their own for every place on the other axes; and the bytes of an array seen as
 * another dtype. These are block functions of the library's own (array/blocks.c). */
#include "array/build.h"
#include "array/builtin.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Blocks --------------------------------------------------------------------------------------------------------- */

/* A block as (outer, length, inner) about an axis. */
typedef struct split {
    int64_t outer, length, inner;
} split;

static split split_about(const tsr_block *b, int axis)
{
    return (split){shape_size(axis, b->shape), b->shape[axis], shape_size(b->ndim - axis - 1, b->shape + axis + 1)};
}

static tsr_status find_place(int64_t index, int64_t length, int axis, int64_t *out)
{
    char text[120];
    *out = index < 0 ? index + length : index;
    if (*out >= 0 && *out < length) return TSR_OK;
    snprintf(text, sizeof text, "index %" PRId64 " is out of bounds for axis %d with size %" PRId64, index, axis, length);
    return tsr_fail(TSR_ERR_INDEX, text);
}

static bool same_shapes(const tsr_block *a, const tsr_block *b) { return builtin_same_rows(a, b, -1) && a->ndim == b->ndim; }

tsr_status take_along_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int axis = (int)(intptr_t)context;
    const tsr_block *from = &inputs[0], *at = &inputs[1];
    if (axis < 0 || axis >= output->ndim || !builtin_same_rows(from, at, axis) || !same_shapes(at, output))
        return builtin_misfit();
    split s = split_about(from, axis), t = split_about(at, axis);
    size_t size = tsr_dtype_size(output->dtype);
    const int64_t *indices = at->data;
    const char *values = from->data;
    char *to = output->data;
    for (int64_t o = 0; o < t.outer; o++) {
        for (int64_t i = 0; i < t.length; i++) {
            for (int64_t k = 0; k < t.inner; k++, indices++, to += size) {
                int64_t place;
                TRY(find_place(*indices, s.length, axis, &place));
                memcpy(to, values + (size_t)((o * s.length + place) * s.inner + k) * size, size);
            }
        }
    }
    return TSR_OK;
}

tsr_status put_along_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int axis = (int)(intptr_t)context;
    const tsr_block *at = &inputs[1];
    if (axis < 0 || axis >= output->ndim || !builtin_same_rows(output, at, axis) || !same_shapes(at, &inputs[2]) ||
        !same_shapes(&inputs[0], output))
        return builtin_misfit();
    split s = split_about(output, axis), t = split_about(at, axis);
    size_t size = tsr_dtype_size(output->dtype);
    const int64_t *indices = at->data;
    const char *values = inputs[2].data;
    char *to = output->data;
    memcpy(to, inputs[0].data, (size_t)(s.outer * s.length * s.inner) * size);
    for (int64_t o = 0; o < t.outer; o++) {
        for (int64_t i = 0; i < t.length; i++) {
            for (int64_t k = 0; k < t.inner; k++, indices++, values += size) {
                int64_t place;
                TRY(find_place(*indices, s.length, axis, &place));
                memcpy(to + (size_t)((o * s.length + place) * s.inner + k) * size, values, size);
            }
        }
    }
    return TSR_OK;
}

/* ---- Arrays --------------------------------------------------------------------------------------------------------- */

/* `a` along an axis in one chunk. */
static tsr_array *whole_along(tsr_array *a, int axis)
{
    int64_t n_chunks[TSR_MAX_NDIM], total = 0;
    if (!a || a->grid.axes[axis].n_blocks <= 1) return a ? node_ref(a) : NULL;
    for (int d = 0; d < a->ndim; d++) total += n_chunks[d] = d == axis ? 1 : a->grid.axes[d].n_blocks;
    int64_t *sizes = mem_alloc(sizeof *sizes * (size_t)total), k = 0;
    if (!sizes) return NULL;
    for (int d = 0; d < a->ndim; d++) {
        for (int64_t i = 0; i < n_chunks[d]; i++) sizes[k++] = d == axis ? a->shape[d] : axis_grid_count(&a->grid.axes[d], i);
    }
    tsr_array *result = tsr_rechunk_sizes(a, n_chunks, sizes);
    mem_free(sizes);
    return result;
}

/* The shape that both have but along the axis, where the result has the length of the indices. */
static tsr_status meet(const char *name, const tsr_array *a, const tsr_array *indices, int axis, bool grow, int64_t *shape_a,
                       int64_t *shape_indices)
{
    char x[256], y[256];
    for (int d = 0; d < a->ndim; d++) {
        int64_t n = a->shape[d], m = indices->shape[d], both = n == 1 && grow ? m : n;
        shape_a[d] = d == axis ? n : both;
        shape_indices[d] = d == axis ? m : both;
        if (d != axis && m != 1 && m != both)
            return error_set(TSR_ERR_INDEX, "%s: indices of shape %s do not broadcast with an array of shape %s", name,
                             shape_format(indices->ndim, indices->shape, y, sizeof y),
                             shape_format(a->ndim, a->shape, x, sizeof x));
    }
    return TSR_OK;
}

static tsr_status check_along(const char *name, const tsr_array *a, const tsr_array *indices, int *axis)
{
    if (!array_ready(a) || !array_ready(indices)) return tsr_error_code();
    TRY(axis_check(name, a, *axis, axis));
    if (indices->ndim != a->ndim)
        return error_set(TSR_ERR_VALUE, "%s: the indices have %d dimensions, the array has %d; both must have as many", name,
                         indices->ndim, a->ndim);
    if (dtype_is_inexact(indices->dtype) || indices->dtype == TSR_BOOL)
        return error_set(TSR_ERR_INDEX, "%s: the indices must be integers, they are %s", name, tsr_dtype_name(indices->dtype));
    return TSR_OK;
}

enum { LABEL_TAKEN = TSR_MAX_NDIM, LABEL_VALUES };

/* 0, 1, ... with another label for the axis. */
static void label_axes(int *labels, int ndim, int axis, int label)
{
    for (int d = 0; d < ndim; d++) labels[d] = d == axis ? label : d;
}

static tsr_function along_function(tsr_block_function call, const char *name, const intptr_t *axis)
{
    return (tsr_function){.call = call, .context = (void *)*axis, .name = name, .identity = axis, .identity_bytes = sizeof *axis};
}

tsr_array *tsr_take_along_axis(tsr_array *a, tsr_array *indices, int axis)
{
    int64_t shape_a[TSR_MAX_NDIM], shape_indices[TSR_MAX_NDIM];
    int taken[TSR_MAX_NDIM], kept[TSR_MAX_NDIM];
    tsr_array *result = NULL;
    if (check_along("take_along_axis", a, indices, &axis) != TSR_OK ||
        meet("take_along_axis", a, indices, axis, true, shape_a, shape_indices) != TSR_OK)
        return NULL;
    tsr_array *typed = array_cast(indices, TSR_I64), *at = typed ? tsr_broadcast_to(typed, a->ndim, shape_indices) : NULL;
    tsr_array *from = tsr_broadcast_to(a, a->ndim, shape_a);
    if (at && from) {
        intptr_t context = axis;
        tsr_function f = along_function(take_along_block, "take_along_axis", &context);
        label_axes(taken, a->ndim, axis, LABEL_TAKEN);
        label_axes(kept, a->ndim, axis, axis);
        tsr_block_input inputs[2] = {{from, taken}, {at, kept}};
        tsr_block_output output = {.dtype = a->dtype, .ndim = a->ndim, .labels = kept};
        result = tsr_blockwise(a->session, &f, 2, inputs, &output);
    }
    node_unref(typed);
    node_unref(at);
    return array_using(result, from);
}

tsr_array *tsr_put_along_axis(tsr_array *a, tsr_array *indices, tsr_array *values, int axis)
{
    int64_t shape_a[TSR_MAX_NDIM], shape_indices[TSR_MAX_NDIM];
    int placed[TSR_MAX_NDIM], kept[TSR_MAX_NDIM];
    tsr_array *result = NULL;
    if (!array_ready(values) || check_along("put_along_axis", a, indices, &axis) != TSR_OK ||
        meet("put_along_axis", a, indices, axis, false, shape_a, shape_indices) != TSR_OK)
        return NULL;
    tsr_array *whole = whole_along(a, axis), *typed = array_cast(indices, TSR_I64), *cast = array_cast(values, a->dtype);
    tsr_array *at = typed ? tsr_broadcast_to(typed, a->ndim, shape_indices) : NULL;
    tsr_array *put = cast && at ? tsr_broadcast_to(cast, a->ndim, shape_indices) : NULL;
    if (whole && put) {
        intptr_t context = axis;
        tsr_function f = along_function(put_along_block, "put_along_axis", &context);
        label_axes(placed, a->ndim, axis, LABEL_VALUES);
        label_axes(kept, a->ndim, axis, axis);
        tsr_block_input inputs[3] = {{whole, kept}, {at, placed}, {put, placed}};
        tsr_block_output output = {.dtype = a->dtype, .ndim = a->ndim, .labels = kept};
        result = tsr_blockwise(a->session, &f, 3, inputs, &output);
    }
    tsr_array *used[] = {whole, typed, cast, at, put};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

/* ---- Other dtypes --------------------------------------------------------------------------------------------------- */

tsr_status view_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int64_t from = shape_size(inputs[0].ndim, inputs[0].shape) * (int64_t)tsr_dtype_size(inputs[0].dtype);
    int64_t to = shape_size(output->ndim, output->shape) * (int64_t)tsr_dtype_size(output->dtype);
    if (from != to) return builtin_misfit();
    memcpy(output->data, inputs[0].data, (size_t)to);
    if (output->dtype == TSR_BOOL) { /* any byte but 0 is true; inside there are only 0 and 1 */
        for (int64_t i = 0; i < to; i++) ((uint8_t *)output->data)[i] = ((uint8_t *)output->data)[i] != 0;
    }
    return TSR_OK;
}

/* The lengths of the result's chunks: those of `a`, along the last axis times the ratio of the sizes. */
static tsr_array *view_chunks(tsr_array *a, tsr_dtype dtype, int64_t old_size, int64_t new_size)
{
    tsr_chunks chunks[TSR_MAX_NDIM] = {{0}};
    int last = a->ndim - 1;
    int64_t total = 0, k = 0, *lengths;
    for (int d = 0; d < a->ndim; d++) total += a->grid.axes[d].n_blocks;
    lengths = mem_alloc(sizeof *lengths * (size_t)(total + 1));
    if (!lengths) return NULL;
    for (int d = 0; d < a->ndim; d++) {
        chunks[d] = (tsr_chunks){.n = a->grid.axes[d].n_blocks, .lengths = lengths + k};
        for (int64_t i = 0; i < a->grid.axes[d].n_blocks; i++) {
            int64_t n = axis_grid_count(&a->grid.axes[d], i);
            lengths[k++] = d == last ? n * old_size / new_size : n;
        }
    }
    int identity = (int)dtype;
    tsr_function f = {.call = view_block, .name = "view", .identity = &identity, .identity_bytes = sizeof identity};
    tsr_map_options options = {.chunks = chunks};
    tsr_array *result = tsr_map_blocks(&f, 1, &a, dtype, a->ndim && total ? &options : NULL);
    mem_free(lengths);
    return result;
}

tsr_array *tsr_view(tsr_array *a, tsr_dtype dtype)
{
    if (!array_ready(a)) return NULL;
    if (!dtype_valid((int)dtype)) {
        (void)error_set(TSR_ERR_TYPE, "view: %d is no dtype", (int)dtype);
        return NULL;
    }
    int64_t old_size = (int64_t)tsr_dtype_size(a->dtype), new_size = (int64_t)tsr_dtype_size(dtype);
    if (a->dtype == dtype) return node_ref(a);
    if (old_size != new_size && a->ndim == 0) {
        (void)error_set(TSR_ERR_VALUE, "view: changing the dtype of a 0d array is only supported if the itemsize is unchanged");
        return NULL;
    }
    if (old_size == new_size || old_size % new_size == 0) return view_chunks(a, dtype, old_size, new_size);
    int last = a->ndim - 1;
    if (a->shape[last] * old_size % new_size != 0) {
        (void)error_set(TSR_ERR_VALUE,
                        "view: when changing to a larger dtype, its size must be a divisor of the total size in bytes of the "
                        "last axis of the array (%" PRId64 " bytes, %s has %" PRId64 ")",
                        a->shape[last] * old_size, tsr_dtype_name(dtype), new_size);
        return NULL;
    }
    tsr_array *whole = whole_along(a, last);
    return array_using(whole ? view_chunks(whole, dtype, old_size, new_size) : NULL, whole);
}
