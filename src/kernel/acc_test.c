/* Accumulators against naive references in long double: every monoid, dtype and instruction set, over patches of many shapes. */
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_CELLS = 1200, MAX_TABLES = 8 };

/* ---- Data -------------------------------------------------------------------------------------------------------- */

static uint64_t state = 88172645463325252u;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
static double draw_real(void) { return (double)(draw() >> 11) * 0x1p-53; }

typedef enum filling { PLAIN, SOME_NAN, ALL_NAN, TIES } filling;

static void fill(void *x, tsr_dtype dtype, int64_t n, filling how)
{
    const bool complex_type = dtype_is_complex(dtype);
    const int64_t scalars = complex_type ? 2 * n : n;
    for (int64_t i = 0; i < scalars; i++) {
        double v = (0.5 + draw_real()) * (complex_type ? 0.7 : 1); /* products neither overflow nor vanish */
        if (draw() % 3 == 0) v = -v;
        if (how == TIES) v = (double)(int)(draw() % 3) - 1;
        if (how == ALL_NAN || (how == SOME_NAN && draw() % 4 == 0)) v = NAN;
        switch (dtype) {
        case TSR_BOOL: ((uint8_t *)x)[i] = draw() % 5 != 0; break;
        case TSR_I8:
        case TSR_U8: ((uint8_t *)x)[i] = (uint8_t)(how == TIES ? draw() % 3 : draw()); break;
        case TSR_I16:
        case TSR_U16: ((uint16_t *)x)[i] = (uint16_t)(how == TIES ? draw() % 3 : draw()); break;
        case TSR_I32:
        case TSR_U32: ((uint32_t *)x)[i] = (uint32_t)(how == TIES ? draw() % 3 : draw()); break;
        case TSR_I64:
        case TSR_U64: ((uint64_t *)x)[i] = how == TIES ? draw() % 3 : draw(); break;
        case TSR_F32:
        case TSR_C64: ((float *)x)[i] = (float)v; break;
        case TSR_F64:
        case TSR_C128: ((double *)x)[i] = v; break;
        }
    }
}

typedef struct number {
    long double re, im;
    uint64_t bits; /* integers, wrapped */
} number;

static number get(const void *x, tsr_dtype dtype, int64_t i)
{
    tsr_scalar s = scalar_from_element((const char *)x + (size_t)i * tsr_dtype_size(dtype), dtype);
    number v = {0};
    if (dtype_is_inexact(dtype)) {
        v.re = (long double)s.f;
        v.im = dtype_is_complex(dtype) ? (long double)s.imag : 0;
    } else if (dtype_is_unsigned(dtype)) {
        v.re = (long double)s.u;
        v.bits = s.u;
    } else {
        v.re = (long double)s.i;
        v.bits = (uint64_t)s.i;
    }
    return v;
}

static bool is_nan(number v) { return v.re != v.re || v.im != v.im; }

/* ---- Reference --------------------------------------------------------------------------------------------------- */

static bool skips(monoid m)
{
    return m == MONOID_FMIN || m == MONOID_FMAX || m == MONOID_NANARGMIN || m == MONOID_NANARGMAX || m == MONOID_NANSUM ||
           m == MONOID_NANPROD || m == MONOID_NANMEAN || m == MONOID_NANVAR || m == MONOID_NANSTD;
}

static number reference_sum(const number *v, int64_t n, bool product)
{
    number sum = {product ? 1 : 0, 0, product ? 1 : 0};
    for (int64_t i = 0; i < n; i++) {
        if (product) {
            long double re = sum.re * v[i].re - sum.im * v[i].im;
            sum.im = sum.re * v[i].im + sum.im * v[i].re;
            sum.re = re;
            sum.bits *= v[i].bits;
        } else {
            sum.re += v[i].re, sum.im += v[i].im, sum.bits += v[i].bits;
        }
    }
    return sum;
}

static number reference_bits(const number *v, int64_t n, monoid m, bool is_unsigned)
{
    uint64_t bits = m == MONOID_BIT_AND ? UINT64_MAX : 0; /* signed values are extended */
    for (int64_t i = 0; i < n; i++)
        bits = m == MONOID_BIT_AND ? bits & v[i].bits : m == MONOID_BIT_OR ? bits | v[i].bits : bits ^ v[i].bits;
    return (number){is_unsigned ? (long double)bits : (long double)(int64_t)bits, 0, bits};
}

/* The position of the extreme among v, -1 if there is none. */
static int64_t reference_extreme(const number *v, int64_t n, bool greatest)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        if (is_nan(v[i])) return i;
        if (best < 0) {
            best = i;
            continue;
        }
        number a = v[i], b = v[best];
        bool less = a.re < b.re || (a.re == b.re && a.im < b.im), more = a.re > b.re || (a.re == b.re && a.im > b.im);
        if (greatest ? more : less) best = i;
    }
    return best;
}

static number reference_var(const number *v, int64_t n, double ddof, bool skip, bool root)
{
    number mean = reference_sum(v, n, false), r = {0};
    for (int64_t i = 0; i < n; i++) {
        long double re = v[i].re - mean.re / (long double)n, im = v[i].im - mean.im / (long double)n;
        r.re += re * re + im * im;
    }
    long double freedom = (long double)n - (long double)ddof;
    r.re = freedom > 0 ? r.re / freedom : !skip && r.re > 0 ? (long double)INFINITY : (long double)NAN;
    if (root) r.re = sqrtl(r.re);
    return r;
}

/* What the monoid gives for the values at offsets at[0 .. n) of x, and whose flat indices are index[]. */
static number reference(monoid m, tsr_dtype dtype, const void *x, const int64_t *at, const int64_t *index, int64_t n,
                        const acc_params *params)
{
    number *v = malloc((size_t)(n + 1) * sizeof *v), r = {0};
    int64_t *where = malloc((size_t)(n + 1) * sizeof *where), kept = 0, valid = 0, nonzero = 0;
    for (int64_t i = 0; i < n; i++) {
        v[kept] = get(x, dtype, at[i]);
        valid += !is_nan(v[kept]);
        nonzero += v[kept].re != 0 || v[kept].im != 0;
        where[kept] = index[i];
        kept += !(skips(m) && is_nan(v[kept]));
    }
    const bool greatest = m == MONOID_MAX || m == MONOID_FMAX || m == MONOID_ARGMAX || m == MONOID_NANARGMAX;
    const int64_t extreme = reference_extreme(v, kept, greatest);
    switch (m) {
    case MONOID_SUM:
    case MONOID_NANSUM: r = reference_sum(v, kept, false); break;
    case MONOID_PROD:
    case MONOID_NANPROD: r = reference_sum(v, kept, true); break;
    case MONOID_MIN:
    case MONOID_MAX:
    case MONOID_FMIN:
    case MONOID_FMAX: r = extreme < 0 ? (number){(long double)NAN, 0, 0} : v[extreme]; break;
    case MONOID_ANY: r.re = nonzero > 0; break;
    case MONOID_ALL: r.re = nonzero == n; break;
    case MONOID_COUNT_NONZERO: r.re = (long double)nonzero; break;
    case MONOID_COUNT_VALID: r.re = (long double)valid; break;
    case MONOID_ARGMIN:
    case MONOID_ARGMAX:
    case MONOID_NANARGMIN:
    case MONOID_NANARGMAX: r.re = (long double)(extreme < 0 ? -1 : where[extreme]); break;
    case MONOID_MEAN:
    case MONOID_NANMEAN:
        r = reference_sum(v, kept, false);
        r.re = kept ? r.re / (long double)kept : (long double)NAN;
        r.im = kept ? r.im / (long double)kept : (long double)NAN;
        break;
    case MONOID_VAR:
    case MONOID_NANVAR: r = reference_var(v, kept, params->ddof, skips(m), false); break;
    case MONOID_STD:
    case MONOID_NANSTD: r = reference_var(v, kept, params->ddof, skips(m), true); break;
    case MONOID_BIT_AND:
    case MONOID_BIT_OR:
    case MONOID_BIT_XOR: r = reference_bits(v, kept, m, dtype_is_unsigned(dtype)); break;
    case MONOID_HISTOGRAM:
    case N_MONOIDS: break;
    }
    if (!dtype_is_inexact(dtype) && (m == MONOID_SUM || m == MONOID_PROD || m == MONOID_NANSUM || m == MONOID_NANPROD))
        r.re = dtype_is_unsigned(dtype) ? (long double)r.bits : (long double)(int64_t)r.bits, r.im = 0;
    free(v);
    free(where);
    return r;
}

/* ---- States ------------------------------------------------------------------------------------------------------ */

/* Fields begin where any type may begin. */
static size_t field_size(const acc_ops *ops, int f, int64_t n_cells)
{
    return ((size_t)n_cells * ops->field_bytes[f] + 15) / 16 * 16;
}

static char *state_memory(const acc_ops *ops, int64_t n_cells, acc_state *s)
{
    size_t bytes = 0;
    for (int f = 0; f < ops->n_fields; f++) bytes += field_size(ops, f, n_cells);
    char *memory = malloc(bytes + 1), *at = memory;
    for (int f = 0; f < ops->n_fields; f++) {
        s->field[f] = at;
        at += field_size(ops, f, n_cells);
    }
    return memory;
}

/* How a patch is cut and folded. */
typedef enum way { ROWS, ROWS_TO_ONE, COLS, COLS_IN_TWO, ROWS_IN_TWO, N_WAYS } way;

static int64_t cells_of(way w, int64_t rows, int64_t cols)
{
    return w == ROWS || w == ROWS_IN_TWO ? rows : w == ROWS_TO_ONE ? 1 : cols;
}

static acc_patch part(const acc_patch *p, tsr_dtype dtype, int64_t r, int64_t c, int64_t rows, int64_t cols)
{
    acc_patch q = *p;
    q.x = (const char *)p->x + (size_t)(r * p->pitch + c) * tsr_dtype_size(dtype);
    q.rows = rows, q.cols = cols;
    q.index += r * p->index_row + c * p->index_col;
    return q;
}

static void run(const acc_ops *ops, way w, tsr_dtype dtype, const acc_patch *p, const acc_params *params, void *out)
{
    const int64_t n_cells = cells_of(w, p->rows, p->cols);
    acc_state s, t;
    char *memory = state_memory(ops, n_cells, &s), *other = state_memory(ops, n_cells, &t);
    ops->init(s, n_cells, params);
    ops->init(t, n_cells, params);
    const int64_t half_rows = p->rows / 3, half_cols = p->cols / 3;
    acc_patch a = *p, b;
    switch (w) {
    case ROWS: ops->fold_rows(s, p, 1, params); break;
    case ROWS_TO_ONE: ops->fold_rows(s, p, 0, params); break;
    case COLS: ops->fold_cols(s, p, params); break;
    case COLS_IN_TWO:
        a = part(p, dtype, 0, 0, half_rows, p->cols);
        b = part(p, dtype, half_rows, 0, p->rows - half_rows, p->cols);
        ops->fold_cols(s, &a, params);
        ops->fold_cols(t, &b, params);
        ops->merge(s, t, n_cells, params);
        break;
    case ROWS_IN_TWO:
        a = part(p, dtype, 0, 0, p->rows, half_cols);
        b = part(p, dtype, 0, half_cols, p->rows, p->cols - half_cols);
        ops->fold_rows(s, &a, 1, params);
        ops->fold_rows(t, &b, 1, params);
        ops->merge(s, t, n_cells, params);
        break;
    case N_WAYS: break;
    }
    ops->finish(out, s, n_cells, p->rows * p->cols / (n_cells ? n_cells : 1), params);
    free(memory);
    free(other);
}

static bool close_to(long double got, long double want, long double tolerance, long double scale)
{
    if (want != want) return got != got;
    if (isinf(want) || isinf(got)) return got == want;
    return fabsl(got - want) <= tolerance * (fabsl(want) + scale);
}

/* Bits, with all NaN equal. */
static bool same_values(const void *a, const void *b, tsr_dtype dtype, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        number x = get(a, dtype, i), y = get(b, dtype, i);
        if (!(is_nan(x) && is_nan(y)) && memcmp((const char *)a + (size_t)i * tsr_dtype_size(dtype),
                                                (const char *)b + (size_t)i * tsr_dtype_size(dtype), tsr_dtype_size(dtype)) != 0)
            return false;
    }
    return true;
}

static void check_patch(monoid m, tsr_dtype dtype, int64_t rows, int64_t cols, filling how, way w, const acc_params *params)
{
    static char x[1 << 20], out[MAX_TABLES][MAX_CELLS * 16];
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    const int64_t pitch = cols + (int64_t)(draw() % 4), n_cells = cells_of(w, rows, cols);
    assert_true((size_t)(rows * pitch) * tsr_dtype_size(dtype) <= sizeof x && n_cells <= MAX_CELLS);
    fill(x, dtype, rows * pitch, how);
    acc_patch p = {.x = x, .rows = rows, .cols = cols, .pitch = pitch, .index = 1000, .index_row = cols + 5, .index_col = 1};
    tsr_dtype result;
    if (dtype_is_inexact(dtype) && (m == MONOID_BIT_AND || m == MONOID_BIT_OR || m == MONOID_BIT_XOR)) {
        assert_int_equal(monoid_result(m, dtype, &result), TSR_ERR_TYPE);
        assert_null(kernels_acc(table[0], m, dtype));
        return;
    }
    assert_int_equal(monoid_result(m, dtype, &result), TSR_OK);
    for (int k = 0; k < n_tables; k++) {
        const acc_ops *ops = kernels_acc(table[k], m, dtype);
        assert_non_null(ops);
        assert_int_equal(ops->result, result);
        run(ops, w, dtype, &p, params, out[k]);
        if (!same_values(out[0], out[k], result, n_cells))
            fail_msg("%s %s %s differs from %s", monoid_name(m), tsr_dtype_name(dtype), table[k]->isa, table[0]->isa);
    }
    int64_t at[4096], index[4096];
    for (int64_t cell = 0; cell < n_cells; cell++) {
        int64_t n = 0;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++)
                if (n_cells == 1 ? w == ROWS_TO_ONE || w == ROWS || w == ROWS_IN_TWO || c == cell
                                 : (w == ROWS || w == ROWS_IN_TWO ? r : c) == cell)
                    at[n] = r * pitch + c, index[n++] = 1000 + r * (cols + 5) + c;
        const number want = reference(m, dtype, x, at, index, n, params), got = get(out[0], result, cell);
        const bool rounded = dtype == TSR_F32 || dtype == TSR_C64;
        const bool exact =
            !dtype_is_inexact(result) || m == MONOID_MIN || m == MONOID_MAX || m == MONOID_FMIN || m == MONOID_FMAX;
        const long double tolerance = exact ? 0 : rounded ? 2e-7L : 1e-14L * (long double)(n + 4);
        long double size = dtype_is_inexact(dtype) ? (rounded ? 0.01L : 1) : ldexpl(1, 8 * (int)tsr_dtype_size(dtype));
        if (m == MONOID_VAR || m == MONOID_NANVAR) size *= size;
        const long double scale = exact ? 0 : fabsl(want.re) + fabsl(want.im) + size;
        if (is_nan(want) ? !is_nan(got)
                         : !close_to(got.re, want.re, tolerance, scale) || !close_to(got.im, want.im, tolerance, scale))
            fail_msg("%s of %s, %d x %d, way %d, filling %d, cell %d: %.17Lg %+.17Lgi, not %.17Lg %+.17Lgi", monoid_name(m),
                     tsr_dtype_name(dtype), (int)rows, (int)cols, (int)w, (int)how, (int)cell, got.re, got.im, want.re, want.im);
    }
}

static void test_all(void **context)
{
    static const int64_t shapes[][2] = {{1, 1},  {1, 31}, {1, 32},  {3, 33},  {2, 7},    {5, 64},  {16, 9},  {17, 17},
                                        {33, 8}, {70, 3}, {40, 67}, {4, 200}, {2, 1100}, {3, 513}, {35, 100}};
    for (int m = 0; m < MONOID_HISTOGRAM; m++) {
        for (int d = 0; d < TSR_N_DTYPES; d++) {
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                for (int w = 0; w < N_WAYS; w++) {
                    for (int how = PLAIN; how <= TIES; how++) {
                        if (how != PLAIN && how != TIES && !dtype_is_inexact((tsr_dtype)d)) continue;
                        if (how == ALL_NAN && s > 5) continue;
                        acc_params params = {.ddof = (double)(draw() % 2)};
                        if (w == ROWS_TO_ONE && shapes[s][0] * shapes[s][1] > 4000) continue;
                        check_patch((monoid)m, (tsr_dtype)d, shapes[s][0], shapes[s][1], (filling)how, (way)w, &params);
                    }
                }
            }
        }
    }
}

/* ---- Particular cases -------------------------------------------------------------------------------------------- */

static double reduce_f64(const kernels *k, monoid m, const double *x, int64_t n, double ddof)
{
    double out;
    acc_patch p = {.x = x, .rows = 1, .cols = n, .pitch = n, .index_col = 1};
    acc_params params = {.ddof = ddof};
    const acc_ops *ops = kernels_acc(k, m, TSR_F64);
    acc_state s;
    char *memory = state_memory(ops, 1, &s);
    ops->init(s, 1, &params);
    if (n > 0) ops->fold_rows(s, &p, 1, &params);
    ops->finish(&out, s, 1, n, &params);
    free(memory);
    return out;
}

static void test_empty(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    for (int k = 0; k < n_tables; k++) {
        double zero = reduce_f64(table[k], MONOID_SUM, NULL, 0, 0);
        assert_true(zero == 0 && !signbit(zero));
        assert_true(reduce_f64(table[k], MONOID_PROD, NULL, 0, 0) == 1);
        assert_true(isnan(reduce_f64(table[k], MONOID_MEAN, NULL, 0, 0)));
        assert_true(isnan(reduce_f64(table[k], MONOID_NANMEAN, NULL, 0, 0)));
        assert_true(isnan(reduce_f64(table[k], MONOID_VAR, NULL, 0, 0)));
        uint8_t flag;
        int64_t count;
        acc_state s = {{(char *)&flag}};
        acc_params params = {0};
        const acc_ops *ops = kernels_acc(table[k], MONOID_ANY, TSR_F32);
        ops->init(s, 1, &params);
        assert_int_equal(flag, 0);
        ops = kernels_acc(table[k], MONOID_ALL, TSR_F32);
        ops->init(s, 1, &params);
        assert_int_equal(flag, 1);
        s.field[0] = (char *)&count;
        ops = kernels_acc(table[k], MONOID_COUNT_NONZERO, TSR_C64);
        ops->init(s, 1, &params);
        assert_int_equal(count, 0);
    }
}

static void test_special_values(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    const double inf = INFINITY, minus_zero[2] = {-0.0, -0.0}, one_inf[2] = {1, inf}, infs[3] = {inf, inf, NAN},
                 huge[2] = {1e200, 1e200};
    for (int k = 0; k < n_tables; k++) {
        const kernels *t = table[k];
        double zero = reduce_f64(t, MONOID_SUM, minus_zero, 2, 0);
        assert_true(zero == 0 && signbit(zero)); /* as numpy.sum */
        assert_true(isnan(reduce_f64(t, MONOID_VAR, one_inf, 2, 0)));
        assert_true(isnan(reduce_f64(t, MONOID_NANVAR, one_inf, 2, 0)));
        assert_true(reduce_f64(t, MONOID_MEAN, one_inf, 2, 0) == inf);
        assert_true(reduce_f64(t, MONOID_VAR, huge, 2, 0) == 0);
        assert_true(reduce_f64(t, MONOID_FMIN, infs, 3, 0) == inf);
        assert_true(isnan(reduce_f64(t, MONOID_MIN, infs, 3, 0)));
        assert_true(reduce_f64(t, MONOID_FMAX, infs, 3, 0) == inf);
        assert_true(isnan(reduce_f64(t, MONOID_FMAX, infs + 2, 1, 0)));
        assert_true(reduce_f64(t, MONOID_VAR, huge, 1, 2) != reduce_f64(t, MONOID_VAR, huge, 1, 2)); /* 0 / 0 */
    }
    tsr_dtype result;
    assert_int_equal(monoid_result(MONOID_HISTOGRAM, TSR_C64, &result), TSR_ERR_TYPE);
    assert_null(kernels_acc(table[0], MONOID_HISTOGRAM, TSR_C64));
    assert_string_equal(monoid_name(MONOID_FMIN), "nanmin");
}

/* A mean far from zero: the two-pass pieces must not lose the variance. */
static void test_variance_far_from_zero(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    enum { N = 100000 };
    double *x = malloc(N * sizeof *x);
    long double mean = 0, m2 = 0;
    for (int i = 0; i < N; i++) mean += (long double)(x[i] = 1e9 + draw_real());
    mean /= N;
    for (int i = 0; i < N; i++) m2 += ((long double)x[i] - mean) * ((long double)x[i] - mean);
    for (int k = 0; k < n_tables; k++) {
        double var = reduce_f64(table[k], MONOID_VAR, x, N, 0), column[8];
        assert_true(fabsl((long double)var - m2 / N) < 1e-7L); /* the mean itself is good to 1e-7 */
        acc_params params = {0};
        acc_patch p = {.x = x, .rows = N, .cols = 1, .pitch = 1};
        acc_state s = {{(char *)column, (char *)(column + 1), (char *)(column + 2)}};
        const acc_ops *ops = kernels_acc(table[k], MONOID_VAR, TSR_F64);
        ops->init(s, 1, &params);
        ops->fold_cols(s, &p, &params);
        ops->finish(column + 3, s, 1, N, &params);
        assert_true(fabsl((long double)column[3] - m2 / N) < 1e-7L); /* the mean itself is good to 1e-7 */
    }
    free(x);
}

/* The smallest index wins, in whatever order the parts are folded. */
static void test_arg_order(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    const double x[6] = {2, 1, 3, 1, 1, 2};
    for (int k = 0; k < n_tables; k++) {
        const acc_ops *ops = kernels_acc(table[k], MONOID_ARGMIN, TSR_F64);
        double value[2];
        int64_t index[2], out;
        acc_state s = {{(char *)value, (char *)index}}, t = {{(char *)(value + 1), (char *)(index + 1)}};
        acc_params params = {0};
        acc_patch late = {.x = x + 3, .rows = 1, .cols = 3, .pitch = 3, .index = 3, .index_col = 1};
        acc_patch early = {.x = x, .rows = 1, .cols = 3, .pitch = 3, .index = 0, .index_col = 1};
        acc_patch back = {.x = x, .rows = 1, .cols = 6, .pitch = 6, .index = 5, .index_col = -1};
        ops->init(s, 1, &params);
        ops->fold_rows(s, &late, 1, &params);
        ops->fold_rows(s, &early, 1, &params);
        ops->finish(&out, s, 1, 6, &params);
        assert_int_equal(out, 1);
        ops->init(s, 1, &params);
        ops->init(t, 1, &params);
        ops->fold_rows(s, &late, 1, &params);
        ops->fold_rows(t, &early, 1, &params);
        ops->merge(s, t, 1, &params);
        ops->finish(&out, s, 1, 6, &params);
        assert_int_equal(out, 1);
        ops->init(s, 1, &params);
        ops->fold_rows(s, &back, 1, &params); /* x[c] has the index 5 - c */
        ops->finish(&out, s, 1, 6, &params);
        assert_int_equal(out, 1);
    }
}

/* ---- Histograms -------------------------------------------------------------------------------------------------- */

static int64_t bin_of(double x, const double *edges, int64_t n_bins)
{
    if (!(x >= edges[0] && x <= edges[n_bins])) return -1;
    int64_t b = 0;
    while (b + 1 < n_bins && edges[b + 1] <= x) b++;
    return b;
}

static void check_histogram(tsr_dtype dtype, int64_t n_bins, double low, double high, bool given_edges, bool weighted)
{
    enum { ROWS_ = 3, COLS_ = 1111 };
    static double x_f64[ROWS_ * COLS_], weight[ROWS_ * COLS_];
    static float x_f32[ROWS_ * COLS_];
    static int32_t x_i32[ROWS_ * COLS_];
    double *edges = malloc((size_t)(n_bins + 1) * sizeof *edges), *want = calloc((size_t)n_bins, sizeof *want);
    char *state_of = malloc((size_t)n_bins * 8), *out = malloc((size_t)n_bins * 8);
    const double step = (high - low) / (double)n_bins;
    for (int64_t i = 0; i <= n_bins; i++) {
        edges[i] = i == n_bins ? high : (double)i * step + low;
        if (given_edges) edges[i] = low + (high - low) * pow((double)i / (double)n_bins, 1.5);
        if (dtype == TSR_F32 && !given_edges) edges[i] = (double)(float)edges[i];
    }
    for (int i = 0; i < ROWS_ * COLS_; i++) {
        double v = low + (high - low) * (draw_real() * 1.2 - 0.1);
        if (draw() % 4 == 0) v = edges[draw() % (uint64_t)(n_bins + 1)]; /* exactly on an edge, or next to it */
        if (draw() % 16 == 0) v = nextafter(v, draw() % 2 ? -1e300 : 1e300);
        if (draw() % 50 == 0) v = NAN;
        if (draw() % 90 == 0) v = draw() % 2 ? INFINITY : -INFINITY;
        x_f64[i] = v;
        x_f32[i] = (float)v;
        x_i32[i] = (int32_t)((int64_t)(draw() % 1000) - 500);
        weight[i] = draw_real();
        double as_read = dtype == TSR_F32 ? (double)x_f32[i] : dtype == TSR_I32 ? (double)x_i32[i] : v;
        int64_t b = bin_of(as_read, edges, n_bins);
        if (b >= 0) want[b] += weighted ? weight[i] : 1;
    }
    const void *x = dtype == TSR_F32 ? (void *)x_f32 : dtype == TSR_I32 ? (void *)x_i32 : (void *)x_f64;
    acc_params params = {.n_bins = n_bins, .low = low, .high = high, .edges = given_edges ? edges : NULL, .weighted = weighted};
    acc_patch p = {.x = x, .weight = weight, .rows = ROWS_, .cols = COLS_, .pitch = COLS_};
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    for (int k = 0; k < n_tables; k++) {
        const acc_ops *ops = kernels_acc(table[k], MONOID_HISTOGRAM, dtype);
        acc_state s = {{state_of}};
        ops->init(s, n_bins, &params);
        ops->fold_rows(s, &p, 0, &params);
        ops->finish(out, s, n_bins, ROWS_ * COLS_, &params);
        for (int64_t b = 0; b < n_bins; b++) {
            double got = weighted ? ((double *)(void *)out)[b] : (double)((int64_t *)(void *)out)[b];
            if (fabs(got - want[b]) > (weighted ? 1e-9 : 0))
                fail_msg("%s %s, form %d: bin %d of %d has %g, not %g", table[k]->isa, tsr_dtype_name(dtype),
                         given_edges + 2 * weighted, (int)b, (int)n_bins, got, want[b]);
        }
        ops->merge(s, s, n_bins, &params);
        ops->finish(out, s, n_bins, 2 * ROWS_ * COLS_, &params);
        double got = weighted ? *(double *)(void *)out : (double)*(int64_t *)(void *)out;
        assert_true(fabs(got - 2 * want[0]) <= (weighted ? 1e-9 : 0));
    }
    free(edges);
    free(want);
    free(state_of);
    free(out);
}

static void test_histogram(void **context)
{
    static const int64_t bins[] = {1, 2, 3, 10, 100, 1000, 1024, 1025, 5000};
    static const tsr_dtype dtypes[] = {TSR_F64, TSR_F32, TSR_I32};
    for (size_t b = 0; b < sizeof bins / sizeof *bins; b++)
        for (int d = 0; d < 3; d++)
            for (int form = 0; form < 4; form++) {
                check_histogram(dtypes[d], bins[b], -3.3, 7.1, form & 1, form & 2);
                check_histogram(dtypes[d], bins[b], 0, 1, form & 1, form & 2);
                check_histogram(dtypes[d], bins[b], -500, 500, form & 1, form & 2);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_variance_far_from_zero),
        cmocka_unit_test(test_arg_order),
        cmocka_unit_test(test_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
