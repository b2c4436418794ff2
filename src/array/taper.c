/* Windows of numbers that fall to the ends: bartlett, blackman, hamming, hanning, kaiser. Expressions of the index. */
#include "array/build.h"

#include <inttypes.h>
#include <math.h>

/* op(a, b), both consumed; NULL among them gives NULL. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    tsr_array *result = a && b ? array_map(op, 2, pair) : NULL;
    return array_using(array_using(result, a), b);
}
static tsr_array *number(tsr_session *s, double value) { return tsr_scalar_array(s, scalar_float(value)); }

/* first, first + step, ... (n of them), or for n <= 1 what all windows are then. *done says whether it is that. */
static tsr_array *steps(const char *name, tsr_session *s, int64_t n, double first, double step, const int64_t *chunks, bool *done)
{
    int64_t none = 0;
    *done = n <= 1;
    if (n < INT64_MIN / 2) {
        (void)error_set(TSR_ERR_VALUE, "%s: %" PRId64 " is no length", name, n);
        return NULL;
    }
    if (n <= 1) return tsr_ones(s, TSR_F64, 1, n < 1 ? &none : &n, chunks);
    return tsr_arange(s, first, first + step * (double)n, step, TSR_F64, chunks);
}

/* weights[k] cos(k pi i / (n - 1)), added up, for i = 1 - n, 3 - n, ..., n - 1. */
static tsr_array *cosines(const char *name, tsr_session *s, int64_t n, int n_weights, const double *weights,
                          const int64_t *chunks)
{
    bool done;
    tsr_array *at = steps(name, s, n, 1 - (double)n, 2, chunks, &done), *sum = NULL;
    if (done || !at) return at;
    for (int k = 0; k < n_weights; k++) {
        if (k == 0) {
            sum = number(s, weights[0]);
            continue;
        }
        tsr_array *turn =
            apply(OP_DIVIDE, apply(OP_MULTIPLY, number(s, k * 3.14159265358979323846), node_ref(at)), number(s, (double)(n - 1)));
        tsr_array *wave = turn ? tsr_cos(turn) : NULL;
        node_unref(turn);
        sum = apply(OP_ADD, sum, apply(OP_MULTIPLY, number(s, weights[k]), wave));
    }
    return array_using(sum, at);
}

tsr_array *tsr_blackman(tsr_session *session, int64_t n, const int64_t *chunks)
{
    return cosines("blackman", session, n, 3, (double[]){0.42, 0.5, 0.08}, chunks);
}
tsr_array *tsr_hamming(tsr_session *session, int64_t n, const int64_t *chunks)
{
    return cosines("hamming", session, n, 2, (double[]){0.54, 0.46}, chunks);
}
tsr_array *tsr_hanning(tsr_session *session, int64_t n, const int64_t *chunks)
{
    return cosines("hanning", session, n, 2, (double[]){0.5, 0.5}, chunks);
}

tsr_array *tsr_bartlett(tsr_session *session, int64_t n, const int64_t *chunks)
{
    bool done;
    tsr_array *at = steps("bartlett", session, n, 1 - (double)n, 2, chunks, &done);
    if (done || !at) return at;
    tsr_array *share = apply(OP_DIVIDE, at, number(session, (double)(n - 1))), *size = share ? tsr_absolute(share) : NULL;
    node_unref(share);
    return apply(OP_SUBTRACT, number(session, 1), size);
}

tsr_array *tsr_kaiser(tsr_session *session, int64_t n, double beta, const int64_t *chunks)
{
    bool done;
    tsr_array *at = steps("kaiser", session, n, 0, 1, chunks, &done);
    double middle = (double)(n - 1) / 2;
    if (done || !at) return at;
    tsr_array *x = apply(OP_DIVIDE, apply(OP_SUBTRACT, at, number(session, middle)), number(session, middle));
    tsr_array *square = x ? tsr_square(x) : NULL, *below = apply(OP_SUBTRACT, number(session, 1), square);
    tsr_array *root = below ? tsr_sqrt(below) : NULL, *inner = apply(OP_MULTIPLY, number(session, beta), root);
    tsr_array *top = inner ? tsr_i0(inner) : NULL, *whole = number(session, beta), *bottom = whole ? tsr_i0(whole) : NULL;
    tsr_array *used[] = {x, below, inner, whole};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return apply(OP_DIVIDE, top, bottom);
}
