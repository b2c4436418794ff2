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

/* numpy.quantile's arithmetic on a sorted column. */
static double reference_f64(const double *sorted, int64_t n, double q)
{
    const double at = (double)(n - 1) * q;
    const int64_t k = at >= (double)(n - 1) ? n - 1 : (int64_t)floor(at), next = k + 1 < n ? k + 1 : k;
    const double t = at - (double)k, difference = sorted[next] - sorted[k];
    return t >= 0.5 ? sorted[next] - difference * (1 - t) : sorted[k] + difference * t;
}

static float reference_f32(const double *sorted, int64_t n, double q)
{
    const double at = (double)(n - 1) * q;
    const int64_t k = at >= (double)(n - 1) ? n - 1 : (int64_t)floor(at), next = k + 1 < n ? k + 1 : k;
    const double t = at - (double)k;
    const float difference = (float)sorted[next] - (float)sorted[k];
    return t >= 0.5 ? (float)sorted[next] - difference * (float)(1 - t) : (float)sorted[k] + difference * (float)t;
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

static void check_quantile(const kernels *k, bool narrow, shape s, int64_t outer, int64_t length, int64_t inner, int n_q,
                           int nan_every, bool skip_nan)
{
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
    k->quantile[narrow ? TSR_F32 : TSR_F64](out, narrow ? (void *)x32 : (void *)x, scratch, outer, length, inner, q, n_q,
                                            skip_nan);
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
                const double got = narrow ? (double)((float *)out)[at] : ((double *)out)[at];
                const bool missing = kept == 0 || (kept < length && !skip_nan);
                const double want = missing  ? NAN
                                    : narrow ? (double)reference_f32(column, kept, q[i])
                                             : reference_f64(column, kept, q[i]);
                if (!(got == want || (got != got && want != want)))
                    fail_msg("%s: quantile %g of a column of %d (shape %d): %.17g, not %.17g", k->isa, q[i], (int)length, (int)s,
                             got, want);
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
        for (int narrow = 0; narrow < 2; narrow++)
            for (int s = 0; s < N_SHAPES; s++)
                for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
                    for (int c = 0; c < 4; c++) {
                        check_quantile(table[k], narrow, (shape)s, sizes[z][0], sizes[z][1], sizes[z][2], counts[c], 0, false);
                        check_quantile(table[k], narrow, (shape)s, sizes[z][0], sizes[z][1], sizes[z][2], counts[c], 10, true);
                        check_quantile(table[k], narrow, (shape)s, sizes[z][0], sizes[z][1], sizes[z][2], counts[c], 10, false);
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
        table[k]->quantile[TSR_F64](&out, x, scratch, 1, 2, 1, &q, 1, true);
        assert_true(isnan(out));
        out = 0;
        table[k]->quantile[TSR_F64](&out, x, scratch, 1, 0, 1, &q, 1, true);
        assert_true(isnan(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scan), cmocka_unit_test(test_scan_as_numpy),
                                       cmocka_unit_test(test_quantile), cmocka_unit_test(test_quantile_of_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
