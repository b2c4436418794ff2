/* pad: each axis in turn gets pieces in front and behind. A piece is a constant, a view of the array, or a small computation on
 * its edge; what is put together reads only what it needs. */
#include "array/build.h"

#include <inttypes.h>
#include <string.h>

typedef enum pad_mode {
    PAD_CONSTANT,
    PAD_EDGE,
    PAD_REFLECT,
    PAD_SYMMETRIC,
    PAD_WRAP,
    PAD_RAMP,
    PAD_MAXIMUM,
    PAD_MEAN,
    PAD_MEDIAN,
    PAD_MINIMUM,
    N_PAD_MODES
} pad_mode;

static const char *const mode_names[N_PAD_MODES] = {"constant",    "edge",    "reflect", "symmetric", "wrap",
                                                    "linear_ramp", "maximum", "mean",    "median",    "minimum"};

/* Indices start, start + step ... along one axis. */
static tsr_array *strip(tsr_array *a, int axis, int64_t start, int64_t step, int64_t n)
{
    int64_t shape[TSR_MAX_NDIM] = {0};
    view_axis axes[TSR_MAX_NDIM] = {{0}};
    for (int d = 0; d < a->ndim; d++) {
        shape[d] = d == axis ? n : a->shape[d];
        axes[d] = d == axis ? (view_axis){d, start, step} : (view_axis){d, 0, 1};
    }
    return array_view(a, a->ndim, shape, axes);
}

static tsr_array *spread(tsr_array *a, int axis, int64_t n)
{
    int64_t shape[TSR_MAX_NDIM];
    if (!array_ready(a)) return NULL;
    for (int d = 0; d < a->ndim; d++) shape[d] = d == axis ? n : a->shape[d];
    return tsr_broadcast_to(a, a->ndim, shape);
}

static tsr_array *constant(tsr_array *a, int axis, int64_t n, tsr_scalar value)
{
    tsr_array *one = tsr_full(a->session, value, a->dtype, 0, NULL, NULL);
    int64_t shape[TSR_MAX_NDIM];
    for (int d = 0; d < a->ndim; d++) shape[d] = d == axis ? n : a->shape[d];
    return array_using(one ? tsr_broadcast_to(one, a->ndim, shape) : NULL, one);
}

/* From the edge value towards `end`, which is reached at the outermost element. */
static tsr_array *ramp(tsr_array *a, int axis, int64_t n, bool front, tsr_scalar end)
{
    int64_t shape[TSR_MAX_NDIM] = {0};
    for (int d = 0; d < a->ndim; d++) shape[d] = d == axis ? n : 1;
    tsr_array *edge = strip(a, axis, front ? 0 : a->shape[axis] - 1, 1, 1), *wide = tsr_astype(edge, TSR_F64);
    tsr_array *last = tsr_full(a->session, end, TSR_F64, 0, NULL, NULL), *difference = tsr_subtract(wide, last);
    tsr_array *steps = front ? tsr_arange(a->session, 0, (double)n, 1, TSR_F64, NULL)
                             : tsr_arange(a->session, (double)n - 1, -1, -1, TSR_F64, NULL);
    tsr_array *parts = tsr_full(a->session, scalar_int(n), TSR_F64, 0, NULL, NULL), *share = tsr_divide(steps, parts);
    tsr_array *along = share ? tsr_reshape(share, a->ndim, shape) : NULL, *rise = tsr_multiply(difference, along),
              *sum = tsr_add(rise, last);
    tsr_array *whole = !dtype_is_inexact(a->dtype) && sum ? tsr_floor(sum) : tsr_retain(sum),
              *result = tsr_astype(whole, a->dtype);
    tsr_array *used[] = {edge, wide, last, difference, steps, parts, share, along, rise, sum, whole};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

static tsr_array *statistic(tsr_array *a, int axis, int64_t n, pad_mode mode)
{
    tsr_array *value = mode == PAD_MAXIMUM   ? tsr_max(a, 1, &axis, true)
                       : mode == PAD_MINIMUM ? tsr_min(a, 1, &axis, true)
                       : mode == PAD_MEAN    ? tsr_mean(a, 1, &axis, true)
                                             : tsr_median(a, 1, &axis, true);
    bool rounds = value && !dtype_is_inexact(a->dtype) && a->dtype != TSR_BOOL && dtype_is_inexact(value->dtype);
    if (rounds) value = array_using(tsr_rint(value), value);
    tsr_array *typed = tsr_astype(value, a->dtype);
    return array_using(array_using(spread(typed, axis, n), typed), value);
}

/* Mirrored and repeated pieces: at most a period each, the outermost first. Returns their number. */
static int periodic(tsr_array *a, int axis, int64_t n, bool front, pad_mode mode, tsr_array **out, int capacity)
{
    int64_t length = a->shape[axis], period = mode == PAD_REFLECT ? length - 1 : length;
    int made = 0;
    bool forwards = mode == PAD_WRAP;
    if (period < 1) { /* reflecting a single element repeats it */
        tsr_array *edge = strip(a, axis, 0, 1, 1);
        out[0] = array_using(spread(edge, axis, n), edge);
        return 1;
    }
    for (int64_t done = 0; done < n && made < capacity; made++) {
        int64_t take = n - done < period ? n - done : period;
        int64_t first_mirrored = mode == PAD_REFLECT ? (front ? take : length - 2) : front ? take - 1 : length - 1;
        int64_t first_forward = front ? length - (mode == PAD_REFLECT ? 1 : 0) - take : mode == PAD_REFLECT ? 1 : 0;
        out[made] = forwards ? strip(a, axis, first_forward, 1, take) : strip(a, axis, first_mirrored, -1, take);
        if (mode != PAD_WRAP) forwards = !forwards;
        done += take;
    }
    for (int i = 0; front && i < made / 2; i++) { /* in front the first made is the innermost */
        tsr_array *t = out[i];
        out[i] = out[made - 1 - i];
        out[made - 1 - i] = t;
    }
    return made;
}

/* 2 * edge - the `n` elements next to it, mirrored; `inside` is 1 if the edge itself is not among them. */
static tsr_array *odd_piece(tsr_array *a, int axis, int64_t n, bool front, int64_t inside)
{
    const int64_t last = a->shape[axis] - 1;
    tsr_array *x = array_cast(a, a->dtype == TSR_BOOL ? TSR_U8 : a->dtype);
    tsr_array *edge = x ? strip(x, axis, front ? 0 : last, 1, 1) : NULL, *twice = edge ? tsr_add(edge, edge) : NULL,
              *mirrored = x ? strip(x, axis, front ? inside + n - 1 : last - inside, -1, n) : NULL,
              *piece = tsr_subtract(twice, mirrored), *result = piece ? array_cast(piece, a->dtype) : NULL;
    tsr_array *used[] = {x, edge, twice, mirrored, piece};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

/* Mirrored with the differences from the edge, round by round as NumPy does it: each mirrors at both ends as many whole periods
 * as there are by then, at what is the edge by then. The axis has more than one element. */
static tsr_array *mirror_odd(tsr_array *a, int axis, int64_t before, int64_t after, pad_mode mode)
{
    const int64_t inside = mode == PAD_REFLECT, period = a->shape[axis] - inside;
    tsr_array *result = node_ref(a);
    while (result && (before > 0 || after > 0)) {
        const int64_t there = (result->shape[axis] - inside) / period * period, front = before < there ? before : there,
                      back = after < there ? after : there;
        tsr_array *pieces[3];
        int n = 0;
        if (front > 0) pieces[n++] = odd_piece(result, axis, front, true, inside);
        pieces[n++] = result;
        if (back > 0) pieces[n++] = odd_piece(result, axis, back, false, inside);
        result = array_join(n, pieces, axis);
        before -= front;
        after -= back;
    }
    return result;
}

enum { MAX_PIECES = 256 };

/* What the pieces are made of. */
typedef struct padding {
    pad_mode mode;
    tsr_scalar value;
    const int64_t *stat_length; /* or NULL */
    bool odd;
} padding;

/* The statistic of so many elements at an end; NULL: of all. */
static tsr_array *statistic_of_end(tsr_array *a, int axis, int64_t n, bool front, const padding *p)
{
    if (!p->stat_length) return statistic(a, axis, n, p->mode);
    int64_t take = p->stat_length[2 * axis + !front], length = a->shape[axis];
    if (take > length) take = length;
    tsr_array *end = strip(a, axis, front ? 0 : length - take, 1, take);
    return array_using(end ? statistic(end, axis, n, p->mode) : NULL, end);
}

static int pad_pieces(tsr_array *a, int axis, int64_t n, bool front, const padding *p, tsr_array **out)
{
    const pad_mode mode = p->mode;
    const tsr_scalar value = p->value;
    if (n == 0) return 0;
    switch (mode) {
    case PAD_CONSTANT: out[0] = constant(a, axis, n, value); return 1;
    case PAD_RAMP: out[0] = ramp(a, axis, n, front, value); return 1;
    case PAD_EDGE: {
        tsr_array *edge = strip(a, axis, front ? 0 : a->shape[axis] - 1, 1, 1);
        out[0] = array_using(spread(edge, axis, n), edge);
        return 1;
    }
    case PAD_REFLECT:
    case PAD_SYMMETRIC:
    case PAD_WRAP: return periodic(a, axis, n, front, mode, out, MAX_PIECES);
    default: out[0] = statistic_of_end(a, axis, n, front, p); return 1;
    }
}

static tsr_array *pad_axis(tsr_array *a, int axis, int64_t before, int64_t after, const padding *p)
{
    const pad_mode mode = p->mode;
    tsr_array *pieces[2 * MAX_PIECES + 1];
    if (mode != PAD_CONSTANT && a->shape[axis] == 0) {
        (void)error_set(TSR_ERR_VALUE, "pad: axis %d is empty, only mode constant can pad it", axis);
        return NULL;
    }
    if ((before > (MAX_PIECES - 1) * (a->shape[axis] - 1) || after > (MAX_PIECES - 1) * (a->shape[axis] - 1)) &&
        mode >= PAD_REFLECT && mode <= PAD_WRAP && a->shape[axis] > 1) {
        (void)error_set(TSR_ERR_UNSUPPORTED, "pad: the width of axis %d is more than %d times its length", axis, MAX_PIECES - 1);
        return NULL;
    }
    if (p->odd && (mode == PAD_REFLECT || mode == PAD_SYMMETRIC) && a->shape[axis] > 1)
        return mirror_odd(a, axis, before, after, mode);
    int n = pad_pieces(a, axis, before, true, p, pieces);
    pieces[n++] = node_ref(a);
    n += pad_pieces(a, axis, after, false, p, pieces + n);
    tsr_array *result = tsr_concatenate(n, pieces, axis);
    for (int i = 0; i < n; i++) node_unref(pieces[i]);
    return result;
}

tsr_array *tsr_pad(tsr_array *a, const int64_t *widths, const char *mode, tsr_scalar value)
{
    return tsr_pad_by(a, widths, mode, value, NULL, false);
}

tsr_array *tsr_pad_by(tsr_array *a, const int64_t *widths, const char *mode, tsr_scalar value, const int64_t *stat_length,
                      bool odd)
{
    int m = 0;
    if (!array_ready(a)) return NULL;
    while (m < N_PAD_MODES && strcmp(mode_names[m], mode) != 0) m++;
    if (m == N_PAD_MODES) {
        (void)error_set(TSR_ERR_VALUE,
                        "pad: unknown mode '%s'; the modes are constant, edge, reflect, symmetric, wrap, linear_ramp, maximum, "
                        "mean, median, minimum",
                        mode);
        return NULL;
    }
    for (int i = 0; stat_length && i < 2 * a->ndim; i++) {
        if (stat_length[i] >= 1) continue;
        (void)error_set(TSR_ERR_VALUE, "pad: statistics of %" PRId64 " elements, at least 1 is needed", stat_length[i]);
        return NULL;
    }
    const padding p = {(pad_mode)m, value, stat_length, odd};
    tsr_array *result = node_ref(a);
    for (int d = 0; result && d < a->ndim; d++) {
        if (widths[2 * d] < 0 || widths[2 * d + 1] < 0) {
            (void)error_set(TSR_ERR_VALUE, "pad: the width %" PRId64 " of axis %d is negative",
                            widths[2 * d] < 0 ? widths[2 * d] : widths[2 * d + 1], d);
            return array_using(NULL, result);
        }
        if (widths[2 * d] == 0 && widths[2 * d + 1] == 0) continue;
        result = array_using(pad_axis(result, d, widths[2 * d], widths[2 * d + 1], &p), result);
    }
    return result;
}
