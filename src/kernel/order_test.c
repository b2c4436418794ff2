/* Scans and quantiles against plain loops and sorting, on every instruction set. */
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TABLES = 8 };

static uint64_t state = 362436069362436069u;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
static double draw_real(void) { return (double)(draw() >> 11) * 0x1p-53; }

/* ---- Scans ------------------------------------------------------------------------------------------------------- */

/* One step of a scan, in the dtype. */
static element step(scan_kind kind, tsr_dtype d, element sum, element x)
{
    const bool product = kind == SCAN_PROD || kind == SCAN_NANPROD, skip = kind >= SCAN_NANSUM;
    element r = {0};
    if (kind >= SCAN_MAX) {
        const tsr_scalar a = scalar_from_element(&sum, d), b = scalar_from_element(&x, d);
        if (kind == SCAN_LAST) return b.f == b.f ? x : sum;
        const bool greater = dtype_is_inexact(d) ? a.f > b.f : dtype_is_signed(d) ? a.i > b.i : a.u > b.u;
        const bool less = dtype_is_inexact(d) ? a.f < b.f : dtype_is_signed(d) ? a.i < b.i : a.u < b.u;
        return (dtype_is_inexact(d) && a.f != a.f) || (kind == SCAN_MAX ? greater : less) ? sum : x;
    }
    switch (d) {
    case TSR_BOOL: r.b = product ? sum.b && x.b : sum.b || x.b; break;
    case TSR_I8:
    case TSR_U8: r.u8 = (uint8_t)(product ? (unsigned)sum.u8 * x.u8 : (unsigned)sum.u8 + x.u8); break;
    case TSR_I16:
    case TSR_U16: r.u16 = (uint16_t)(product ? (unsigned)sum.u16 * x.u16 : (unsigned)sum.u16 + x.u16); break;
    case TSR_I32:
    case TSR_U32: r.u32 = product ? sum.u32 * x.u32 : sum.u32 + x.u32; break;
    case TSR_I64:
    case TSR_U64: r.u64 = product ? sum.u64 * x.u64 : sum.u64 + x.u64; break;
    case TSR_F32: {
        volatile float v = skip && x.f32 != x.f32 ? (product ? 1 : 0) : x.f32;
        r.f32 = product ? sum.f32 * v : sum.f32 + v;
        break;
    }
    case TSR_F64: {
        volatile double v = skip && x.f64 != x.f64 ? (product ? 1 : 0) : x.f64;
        r.f64 = product ? sum.f64 * v : sum.f64 + v;
        break;
    }
    case TSR_C64: {
        volatile float re = x.c64[0], im = x.c64[1];
        if (skip && (re != re || im != im)) re = product, im = 0;
        volatile float rr = sum.c64[0] * re, ii = sum.c64[1] * im, ri = sum.c64[0] * im, ir = sum.c64[1] * re;
        r.c64[0] = product ? rr - ii : sum.c64[0] + re;
        r.c64[1] = product ? ri + ir : sum.c64[1] + im;
        break;
    }
    case TSR_C128: {
        volatile double re = x.c128[0], im = x.c128[1];
        if (skip && (re != re || im != im)) re = product, im = 0;
        volatile double rr = sum.c128[0] * re, ii = sum.c128[1] * im, ri = sum.c128[0] * im, ir = sum.c128[1] * re;
        r.c128[0] = product ? rr - ii : sum.c128[0] + re;
        r.c128[1] = product ? ri + ir : sum.c128[1] + im;
        break;
    }
    }
    return r;
}

static void fill(char *x, tsr_dtype d, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        element e = {0};
        double a = draw_real() * 1.6 - 0.4, b = draw_real() - 0.5;
        if (draw() % 9 == 0) a = NAN;
        e.u64 = draw();
        if (d == TSR_BOOL) e.u64 = draw() % 2;
        if (d == TSR_F32) e.f32 = (float)a;
        if (d == TSR_F64) e.f64 = a;
        if (d == TSR_C64) e.c64[0] = (float)a, e.c64[1] = (float)b;
        if (d == TSR_C128) e.c128[0] = a, e.c128[1] = b;
        memcpy(x + i * (int64_t)tsr_dtype_size(d), &e, tsr_dtype_size(d));
    }
}

/* Of extremes and last values the first element itself does. */
static element neutral(scan_kind kind, tsr_dtype d, const char *first)
{
    const bool product = kind == SCAN_PROD || kind == SCAN_NANPROD;
    element e = {0};
    if (kind >= SCAN_MAX) {
        memcpy(&e, first, tsr_dtype_size(d));
        return e;
    }
    if (d == TSR_F32)
        e.f32 = product ? 1.0f : -0.0f;
    else if (d == TSR_F64)
        e.f64 = product ? 1.0 : -0.0;
    else if (d == TSR_C64)
        e.c64[0] = product ? 1.0f : -0.0f, e.c64[1] = product ? 0.0f : -0.0f;
    else if (d == TSR_C128)
        e.c128[0] = product ? 1.0 : -0.0, e.c128[1] = product ? 0.0 : -0.0;
    else
        e.u8 = product;
    return e;
}

static bool equal(const char *a, const char *b, tsr_dtype d)
{
    if (memcmp(a, b, tsr_dtype_size(d)) == 0) return true;
    const tsr_scalar x = scalar_from_element(a, d), y = scalar_from_element(b, d);
    if (!dtype_is_inexact(d)) return false;
    const bool re = x.f == y.f || (x.f != x.f && y.f != y.f), im = x.imag == y.imag || (x.imag != x.imag && y.imag != y.imag);
    return re && (!dtype_is_complex(d) || im);
}

static void check_scan(const kernels *k, scan_kind kind, tsr_dtype d, int64_t outer, int64_t length, int64_t inner)
{
    enum { MOST = 20000 };
    static char x[MOST * 16], out[MOST * 16], carry[2000 * 16], starts[2000 * 16];
    const int64_t bytes = (int64_t)tsr_dtype_size(d), half = length / 2, n = outer * length * inner;
    assert_true(n <= MOST && outer * inner <= 2000);
    fill(x, d, n);
    for (int64_t i = 0; i < outer * inner; i++) {
        const element start = neutral(kind, d, x + (i / inner * length * inner + i % inner) * bytes);
        memcpy(carry + i * bytes, &start, (size_t)bytes);
    }
    memcpy(starts, carry, sizeof carry);
    memcpy(out, x, (size_t)(n * bytes));
    if (outer == 1) { /* in two parts, through the carry; in place */
        k->scan[kind][d](out, out, carry, outer, half, inner);
        k->scan[kind][d](out + half * inner * bytes, out + half * inner * bytes, carry, outer, length - half, inner);
    } else {
        k->scan[kind][d](out, x, carry, outer, length, inner);
    }
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t c = 0; c < inner; c++) {
            element sum = {0};
            memcpy(&sum, starts + (o * inner + c) * bytes, (size_t)bytes);
            for (int64_t i = 0; i < length; i++) {
                const int64_t at = ((o * length + i) * inner + c) * bytes;
                element e = {0};
                memcpy(&e, x + at, (size_t)bytes);
                sum = step(kind, d, sum, e);
                if (!equal((char *)&sum, out + at, d))
                    fail_msg("%s: scan %d of %s (%d, %d, %d) differs at %d", k->isa, (int)kind, tsr_dtype_name(d), (int)outer,
                             (int)length, (int)inner, (int)i);
            }
            assert_true(equal((char *)&sum, carry + (o * inner + c) * bytes, d));
        }
    }
}

static void test_scan(void **context)
{
    static const int64_t shapes[][3] = {{1, 1, 1},   {1, 100, 1}, {9, 33, 1},   {4, 7, 1},
                                        {1, 20, 50}, {3, 11, 17}, {2, 5, 1000}, {3, 0, 4}};
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    for (int k = 0; k < n_tables; k++)
        for (int kind = 0; kind < N_SCAN_KINDS; kind++)
            for (int d = 0; d < TSR_N_DTYPES; d++)
                for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                    if (table[k]->scan[kind][d])
                        check_scan(table[k], (scan_kind)kind, (tsr_dtype)d, shapes[s][0], shapes[s][1], shapes[s][2]);
}

/* The first element is taken as it is, -0.0 too; float32 sums are rounded at every step. */
static void test_scan_as_numpy(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    for (int k = 0; k < n_tables; k++) {
        float x[3] = {-0.0f, -0.0f, 0.0f}, y[3] = {16777216, 1, 1}, carry = -0.0f;
        table[k]->scan[SCAN_SUM][TSR_F32](x, x, &carry, 1, 3, 1);
        assert_true(signbit(x[0]) && signbit(x[1]) && !signbit(x[2]));
        carry = -0.0f;
        table[k]->scan[SCAN_SUM][TSR_F32](y, y, &carry, 1, 3, 1);
        assert_true(y[2] == 16777216);
    }
}

/* ---- Quantiles --------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* numpy.quantile's arithmetic on a sorted column, in the words of its definition: floor and ceiling, the first of which is taken
 * and how far it is to the second. */
typedef struct spot {
    int64_t low, high;
    double t;
} spot;

static spot reference_spot(quantile_method m, int64_t n, double q)
{
    static const double alpha[N_QUANTILE_METHODS] =
        {[QUANTILE_HAZEN] = 0.5, [QUANTILE_MEDIAN_UNBIASED] = 1 / 3.0, [QUANTILE_NORMAL_UNBIASED] = 3 / 8.0},
                        beta[N_QUANTILE_METHODS] = {[QUANTILE_HAZEN] = 0.5,
                                                    [QUANTILE_MEDIAN_UNBIASED] = 1 / 3.0,
                                                    [QUANTILE_NORMAL_UNBIASED] = 3 / 8.0,
                                                    [QUANTILE_INTERPOLATED_INVERTED_CDF] = 1};
    const double last = (double)(n - 1), linear = last * q, count = (double)n * q - 1;
    double at = linear;
    switch (m) {
    case QUANTILE_LOWER: return (spot){(int64_t)floor(linear), (int64_t)floor(linear), 0};
    case QUANTILE_HIGHER: return (spot){(int64_t)ceil(linear), (int64_t)ceil(linear), 0};
    case QUANTILE_NEAREST: return (spot){(int64_t)nearbyint(linear), (int64_t)nearbyint(linear), 0};
    case QUANTILE_INVERTED_CDF: /* the least rank whose share of the elements is at least q */
        for (int64_t k = 0; k < n; k++)
            if ((double)k >= count) return (spot){k, k, 0};
        return (spot){n - 1, n - 1, 0};
    case QUANTILE_CLOSEST_OBSERVATION: { /* the rank, from 1, closest to n q; of two that are, the even one */
        int64_t best = 0;
        for (int64_t k = 1; k < n; k++) {
            const double a = fabs((double)best - count), b = fabs((double)k - count);
            if (b < a || (b == a && k % 2 == 1)) best = k;
        }
        return (spot){best, best, 0};
    }
    case QUANTILE_MIDPOINT: return (spot){(int64_t)floor(linear), (int64_t)ceil(linear), floor(linear) == linear ? 0 : 0.5};
    case QUANTILE_AVERAGED_INVERTED_CDF: at = count; break;
    case QUANTILE_LINEAR: break;
    default: at = (double)n * q + (alpha[m] + q * (1 - alpha[m] - beta[m])) - 1; break;
    }
    if (at < 0) return (spot){0, 0, 0};
    if (at >= last) return (spot){n - 1, n - 1, 0};
    const double t = at - floor(at);
    return (spot){(int64_t)floor(at), (int64_t)floor(at) + 1, m != QUANTILE_AVERAGED_INVERTED_CDF ? t : t == 0 ? 0.5 : 1};
}

static double reference_f64(const double *sorted, spot p)
{
    const double difference = sorted[p.high] - sorted[p.low];
    return p.t >= 0.5 ? sorted[p.high] - difference * (1 - p.t) : sorted[p.low] + difference * p.t;
}

static float reference_f32(const double *sorted, spot p)
{
    const float difference = (float)sorted[p.high] - (float)sorted[p.low];
    return p.t >= 0.5 ? (float)sorted[p.high] - difference * (float)(1 - p.t) : (float)sorted[p.low] + difference * (float)p.t;
}

/* The difference is rounded to f32, what comes then is not. */
static double reference_wide(const double *sorted, spot p)
{
    const double difference = (double)((float)sorted[p.high] - (float)sorted[p.low]);
    return p.t >= 0.5 ? sorted[p.high] - difference * (1 - p.t) : sorted[p.low] + difference * p.t;
}

typedef enum shape { RANDOM_VALUES, FEW_VALUES, RISING, FALLING, EQUAL, ORGAN_PIPE, N_SHAPES } shape;

static double sample(shape s, int64_t i, int64_t length)
{
    switch (s) {
    case RANDOM_VALUES: return draw_real() - 0.5;
    case FEW_VALUES: return (double)(draw() % 4);
    case RISING: return (double)i;
    case FALLING: return -(double)i;
    case EQUAL: return 3;
    case ORGAN_PIPE: return (double)(i < length / 2 ? i : length - i);
    case N_SHAPES: break;
    }
    return 0;
}

typedef enum width { F64, F32, F32_WIDE, N_WIDTHS } width;

static double reference(const double *sorted, int64_t n, double q, quantile_method m, width w)
{
    const spot p = reference_spot(m, n, q);
    return w == F64 ? reference_f64(sorted, p) : w == F32 ? (double)reference_f32(sorted, p) : reference_wide(sorted, p);
}

static void check_quantile(const kernels *k, width w, quantile_method m, shape s, int64_t outer, int64_t length, int64_t inner,
                           int n_q, int nan_every, bool skip_nan)
{
    const bool narrow = w != F64, narrow_out = w == F32;
    static const double rising[] = {0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1}, mixed[] = {0.9, 0.5, 0.123, 1, 0, 0.5};
    double q[64];
    for (int i = 0; i < n_q; i++) q[i] = n_q <= 6 ? mixed[i] : n_q == 8 ? rising[i] : draw_real();
    const int64_t n = outer * length * inner;
    double *x = malloc((size_t)(n + 1) * 8), *column = malloc((size_t)(length + 1) * 8),
           *scratch = malloc((size_t)(length + 1) * 8);
    float *x32 = malloc((size_t)(n + 1) * 4);
    void *out = malloc((size_t)((int64_t)n_q * outer * inner + 1) * 8);
    for (int64_t i = 0; i < n; i++) {
        x[i] = sample(s, i / inner % (length ? length : 1), length);
        if (nan_every && draw() % (uint64_t)nan_every == 0) x[i] = NAN;
        x32[i] = (float)x[i];
        if (narrow) x[i] = (double)x32[i];
    }
    k->quantile[narrow ? TSR_F32 : TSR_F64][!narrow_out](out, narrow ? (void *)x32 : (void *)x, scratch, outer, length, inner, q,
                                                         n_q, m, skip_nan);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t c = 0; c < inner; c++) {
            int64_t kept = 0;
            for (int64_t i = 0; i < length; i++) {
                const double v = x[(o * length + i) * inner + c];
                if (v == v) column[kept++] = v;
            }
            qsort(column, (size_t)kept, sizeof *column, compare);
            for (int i = 0; i < n_q; i++) {
                const int64_t at = (i * outer + o) * inner + c;
                const double got = narrow_out ? (double)((float *)out)[at] : ((double *)out)[at];
                const bool missing = kept == 0 || (kept < length && !skip_nan);
                const double want = missing ? NAN : reference(column, kept, q[i], m, w);
                if (!(got == want || (got != got && want != want)))
                    fail_msg("%s: quantile %g (%s) of a column of %d (shape %d): %.17g, not %.17g", k->isa, q[i],
                             quantile_method_name(m), (int)length, (int)s, got, want);
            }
        }
    }
    free(x);
    free(x32);
    free(column);
    free(scratch);
    free(out);
}

static void test_quantile(void **context)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {1, 2, 3}, {2, 3, 2}, {3, 17, 5}, {1, 100, 7}, {2, 1000, 3}, {1, 20001, 1}};
    static const int counts[] = {1, 6, 8, 40};
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    for (int k = 0; k < n_tables; k++)
        for (int i = 0; i < N_WIDTHS * N_QUANTILE_METHODS * N_SHAPES; i++)
            for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
                for (int c = 0; c < 4; c++) {
                    const width w = (width)(i % N_WIDTHS);
                    const quantile_method m = (quantile_method)(i / N_WIDTHS % N_QUANTILE_METHODS);
                    const shape s = (shape)(i / N_WIDTHS / N_QUANTILE_METHODS);
                    if (m != QUANTILE_LINEAR && sizes[z][1] >= 1000) continue; /* the selection is that of "linear" */
                    check_quantile(table[k], w, m, s, sizes[z][0], sizes[z][1], sizes[z][2], counts[c], 0, false);
                    check_quantile(table[k], w, m, s, sizes[z][0], sizes[z][1], sizes[z][2], counts[c], 10, true);
                    check_quantile(table[k], w, m, s, sizes[z][0], sizes[z][1], sizes[z][2], counts[c], 10, false);
                }
}

/* Integers are compared and chosen as they are, also where f64 is too coarse; their differences do not wrap around. */
static void test_quantile_of_integers(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    const double q[3] = {0, 0.5, 1};
    for (int k = 0; k < n_tables; k++) {
        const int64_t x[5] = {INT64_MAX, INT64_MAX - 2, INT64_MIN, INT64_MAX - 1, -1};
        int64_t scratch[5], out[3];
        table[k]->quantile[TSR_I64][0](out, x, scratch, 1, 5, 1, q, 3, QUANTILE_LOWER, false);
        assert_true(out[0] == INT64_MIN && out[1] == INT64_MAX - 2 && out[2] == INT64_MAX);
        const uint64_t u[3] = {UINT64_MAX, 1, UINT64_MAX - 1};
        uint64_t wide[3], chosen[3];
        table[k]->quantile[TSR_U64][0](chosen, u, wide, 1, 3, 1, q, 3, QUANTILE_NEAREST, false);
        assert_true(chosen[0] == 1 && chosen[1] == UINT64_MAX - 1 && chosen[2] == UINT64_MAX);
        const int8_t narrow[4] = {100, -100, 100, -100};
        int8_t bytes[4];
        double values[3];
        table[k]->quantile[TSR_I8][1](values, narrow, bytes, 1, 4, 1, q, 3, QUANTILE_LINEAR, false);
        assert_true(values[0] == -100 && values[1] == 0 && values[2] == 100);
        const uint8_t bits[3] = {1, 0, 1};
        uint8_t bit[3], some[3];
        table[k]->quantile[TSR_BOOL][0](some, bits, bit, 1, 3, 1, q, 3, QUANTILE_HIGHER, false);
        assert_true(some[0] == 0 && some[1] == 1 && some[2] == 1);
    }
}

/* Nothing but NaN, and the empty column. */
static void test_quantile_of_nothing(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    for (int k = 0; k < n_tables; k++) {
        const double x[2] = {NAN, NAN}, q = 0.5;
        double scratch[2], out = 0;
        table[k]->quantile[TSR_F64][1](&out, x, scratch, 1, 2, 1, &q, 1, QUANTILE_LINEAR, true);
        assert_true(isnan(out));
        out = 0;
        table[k]->quantile[TSR_F64][1](&out, x, scratch, 1, 0, 1, &q, 1, QUANTILE_LINEAR, true);
        assert_true(isnan(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scan), cmocka_unit_test(test_scan_as_numpy),
                                       cmocka_unit_test(test_quantile), cmocka_unit_test(test_quantile_of_integers),
                                       cmocka_unit_test(test_quantile_of_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
