/* Bits as bytes and bytes as bits: packbits, unpackbits. Composed: eight neighbours become an axis of their own. */
#include "array/build.h"

#include <inttypes.h>
#include <string.h>

/* The places of the eight bits of a byte, 7 first or 0 first, along the axis after `axis` of so many. */
static tsr_array *bit_places(tsr_session *session, int ndim, int axis, bool little)
{
    int64_t shape[TSR_MAX_NDIM];
    for (int d = 0; d < ndim; d++) shape[d] = d == axis + 1 ? 8 : 1;
    tsr_array *line = little ? tsr_arange_int(session, 0, 8, 1, TSR_U8, NULL) : tsr_arange_int(session, 7, -1, -1, TSR_U8, NULL);
    return array_using(line ? tsr_reshape(line, ndim, shape) : NULL, line);
}

static tsr_status check_bits(const char *name, const tsr_array *a, int *axis)
{
    if (!array_ready(a)) return tsr_error_code() ? tsr_error_code() : error_set(TSR_ERR_VALUE, "%s: the array is NULL", name);
    if (a->ndim + 1 > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "%s: %d dimensions, at most %d are possible", name, a->ndim, TSR_MAX_NDIM - 1);
    return axis_check(name, a, *axis, axis);
}

/* n more zeros at the end of an axis. */
static tsr_array *with_zeros(tsr_array *a, int axis, int64_t n)
{
    int64_t widths[2 * TSR_MAX_NDIM] = {0};
    if (n == 0) return node_ref(a);
    widths[2 * axis + 1] = n;
    return tsr_pad(a, widths, "constant", scalar_int(0));
}

tsr_array *tsr_packbits(tsr_array *a, int axis, bool little)
{
    int64_t shape[TSR_MAX_NDIM];
    if (check_bits("packbits", a, &axis) != TSR_OK) return NULL;
    if (dtype_is_inexact(a->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "packbits: expected an input array of integer or boolean data type, it is %s",
                        tsr_dtype_name(a->dtype));
        return NULL;
    }
    int64_t n = a->shape[axis], bytes = (n + 7) / 8;
    for (int d = 0; d < a->ndim; d++) shape[d < axis ? d : d + 1] = a->shape[d];
    shape[axis] = bytes;
    shape[axis + 1] = 8;
    int summed = axis + 1;
    tsr_array *bits = array_cast(a, TSR_BOOL), *typed = bits ? array_cast(bits, TSR_U8) : NULL;
    tsr_array *padded = typed ? with_zeros(typed, axis, bytes * 8 - n) : NULL;
    tsr_array *eights = padded ? tsr_reshape(padded, a->ndim + 1, shape) : NULL,
              *at = bit_places(a->session, a->ndim + 1, axis, little);
    tsr_array *shifted = eights && at ? tsr_left_shift(eights, at) : NULL, *sum = tsr_sum(shifted, 1, &summed, false);
    tsr_array *result = sum ? tsr_astype(sum, TSR_U8) : NULL, *used[] = {bits, typed, padded, eights, at, shifted, sum};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

tsr_array *tsr_unpackbits(tsr_array *a, int axis, const int64_t *count, bool little)
{
    int64_t shape[TSR_MAX_NDIM];
    if (check_bits("unpackbits", a, &axis) != TSR_OK) return NULL;
    if (a->dtype != TSR_U8) {
        (void)error_set(TSR_ERR_TYPE, "unpackbits: expected an input array of unsigned byte data type, it is %s",
                        tsr_dtype_name(a->dtype));
        return NULL;
    }
    const int64_t n = 8 * a->shape[axis], wanted = count ? *count : n, kept = wanted < 0 ? n + wanted : wanted;
    if (kept < 0) {
        (void)error_set(TSR_ERR_VALUE, "unpackbits: a count of %" PRId64 " leaves out more than the %" PRId64 " bits there are",
                        wanted, n);
        return NULL;
    }
    memcpy(shape, a->shape, sizeof shape);
    shape[axis] = n;
    tsr_array *wide = tsr_expand_dims(a, 1, (int[]){axis + 1}), *at = bit_places(a->session, a->ndim + 1, axis, little);
    tsr_array *shifted = wide && at ? tsr_right_shift(wide, at) : NULL,
              *one = shifted ? tsr_scalar_like(shifted, scalar_int(1)) : NULL;
    tsr_array *bits = one ? tsr_bitwise_and(shifted, one) : NULL, *flat = bits ? tsr_reshape(bits, a->ndim, shape) : NULL;
    tsr_array *result = flat ? (kept <= n ? array_part(flat, axis, 0, kept) : with_zeros(flat, axis, kept - n)) : NULL;
    tsr_array *used[] = {wide, at, shifted, one, bits, flat};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}
