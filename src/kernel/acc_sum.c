/* Sums, products and means.
 *
 * Integers: 64 bits, wrapping, whatever the order; their means are summed in double precision. Floats and complex numbers: field
 * 0 is the sum or product in f64 (two for complex); the nan-mean also counts its numbers in field 1. The order of operations is
 * fixed by acc_fold.h: the same bits on every instruction set. Float32 in gives float32 out, rounded once at the end. Pure
 * functions; any thread. */
#include "kernel/acc_fold.h"
#include "kernel/acc_plain.h"

#include <math.h>

/* ---- Folding ----------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void rows_of(fold_kind kind, acc_state s, const acc_patch *p, int64_t cell_step, bool narrow, int width)
{
    double *cell = (double *)(void *)s.field[0];
    for (int64_t r = 0; r < p->rows; r++, cell += cell_step * width) {
        double sum[2];
        fold_row(kind, scalar_at(p->x, r * p->pitch * width, narrow), p->cols * width, narrow, width, sum);
        for (int w = 0; w < width; w++) cell[w] = fold_multiplies(kind) ? cell[w] * sum[w] : cell[w] + sum[w];
    }
}

static ALWAYS_INLINE void cols_of(fold_kind kind, acc_state s, const acc_patch *p, bool narrow, int width)
{
    fold_columns(kind, (double *)(void *)s.field[0], p->x, p->rows, p->cols * width, p->pitch * width, narrow, width);
}

#define FOLD(name, kind, narrow, width)                                                                                          \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        rows_of(kind, s, p, cell_step, narrow, width);                                                                           \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params) { cols_of(kind, s, p, narrow, width); }
FOLD(sum_f32, FOLD_SUM, true, 1)
FOLD(sum_f64, FOLD_SUM, false, 1)
FOLD(sum_c64, FOLD_SUM, true, 2)
FOLD(sum_c128, FOLD_SUM, false, 2)
FOLD(nansum_f32, FOLD_NANSUM, true, 1)
FOLD(nansum_f64, FOLD_NANSUM, false, 1)
FOLD(nansum_c64, FOLD_NANSUM, true, 2)
FOLD(nansum_c128, FOLD_NANSUM, false, 2)
FOLD(prod_f32, FOLD_PROD, true, 1)
FOLD(prod_f64, FOLD_PROD, false, 1)
FOLD(nanprod_f32, FOLD_NANPROD, true, 1)
FOLD(nanprod_f64, FOLD_NANPROD, false, 1)
#undef FOLD

/* Products of complex numbers, one after the other. */
static ALWAYS_INLINE void multiply(double *cell, double re, double im, bool skip_nan)
{
    if (skip_nan && (re != re || im != im)) return;
    double product = cell[0] * re + negated(cell[1]) * im;
    cell[1] = cell[0] * im + cell[1] * re;
    cell[0] = product;
}

static ALWAYS_INLINE void complex_products(double *cell, int64_t row_step, int64_t col_step, const acc_patch *p, bool narrow,
                                           bool skip_nan)
{
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->cols; c++) {
            double number[2];
            copy_f64(number, scalar_at(p->x, 2 * (r * p->pitch + c), narrow), 2, narrow);
            multiply(cell + 2 * (r * row_step + c * col_step), number[0], number[1], skip_nan);
        }
    }
}

#define FOLD(name, narrow, skip_nan)                                                                                             \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        complex_products((double *)(void *)s.field[0], cell_step, 0, p, narrow, skip_nan);                                       \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params)                                           \
    {                                                                                                                            \
        complex_products((double *)(void *)s.field[0], 0, 1, p, narrow, skip_nan);                                               \
    }
FOLD(prod_c64, true, false)
FOLD(prod_c128, false, false)
FOLD(nanprod_c64, true, true)
FOLD(nanprod_c128, false, true)
#undef FOLD

/* Integers, widened in pieces. A row's pieces are folded one after the other; columns go in groups of GROUP_ROWS rows. */
static void integer_rows(acc_state s, const acc_patch *p, int64_t cell_step, widen_function widen, int64_t bytes)
{
    double *cell = (double *)(void *)s.field[0];
    double spare[SPARE_SCALARS];
    for (int64_t r = 0; r < p->rows; r++, cell += cell_step) {
        for (int64_t c = 0; c < p->cols; c += SPARE_SCALARS) {
            int64_t n = p->cols - c < SPARE_SCALARS ? p->cols - c : SPARE_SCALARS;
            double sum;
            widen(spare, (const char *)p->x + (r * p->pitch + c) * bytes, n);
            fold_row(FOLD_SUM, spare, n, false, 1, &sum);
            *cell += sum;
        }
    }
}

static void integer_cols(acc_state s, const acc_patch *p, widen_function widen, int64_t bytes)
{
    enum { WIDE = SPARE_SCALARS / GROUP_ROWS };
    double *cell = (double *)(void *)s.field[0];
    double spare[SPARE_SCALARS];
    for (int64_t r = 0; r < p->rows; r += GROUP_ROWS) {
        const int64_t rows = p->rows - r < GROUP_ROWS ? p->rows - r : GROUP_ROWS;
        for (int64_t c = 0; c < p->cols; c += WIDE) {
            const int64_t n = p->cols - c < WIDE ? p->cols - c : WIDE;
            for (int64_t i = 0; i < rows; i++) widen(spare + i * WIDE, (const char *)p->x + ((r + i) * p->pitch + c) * bytes, n);
            fold_columns(FOLD_SUM, cell + c, spare, rows, n, WIDE, false, 1);
        }
    }
}

#define FOLD(dtype, T, R)                                                                                                        \
    static void mean_rows_##dtype(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                  \
    {                                                                                                                            \
        integer_rows(s, p, cell_step, widen_##dtype, sizeof(T));                                                                 \
    }                                                                                                                            \
    static void mean_cols_##dtype(acc_state s, const acc_patch *p, const acc_params *params)                                     \
    {                                                                                                                            \
        integer_cols(s, p, widen_##dtype, sizeof(T));                                                                            \
    }
ACC_INT_LIST(FOLD)
#undef FOLD

#define WRAPPED(x, i) (x)[i]
#define FOLD(dtype, T, R)                                                                                                        \
    PLAIN_FOLD(integer_sum_##dtype, T, uint64_t, 1, +, 0, WRAPPED)                                                               \
    PLAIN_FOLD(integer_prod_##dtype, T, uint64_t, 1, *, 1, WRAPPED)
ACC_INT_LIST(FOLD)
#undef FOLD
PLAIN_STATE(integer_sum, uint64_t, +, 0)
PLAIN_STATE(integer_prod, uint64_t, *, 1)

/* ---- Numbers that are not NaN ------------------------------------------------------------------------------------ */

#define IS_VALID_1(x, i) ((x)[i] == (x)[i])
#define IS_VALID_2(x, i) (((x)[2 * (i)] == (x)[2 * (i)]) & ((x)[2 * (i) + 1] == (x)[2 * (i) + 1]))
#define NANMEAN(suffix, T, width)                                                                                                \
    static void nanmean_##suffix##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)            \
    {                                                                                                                            \
        int64_t *count = (int64_t *)(void *)s.field[1];                                                                          \
        nansum_##suffix##_rows(s, p, cell_step, params);                                                                         \
        for (int64_t r = 0; r < p->rows; r++, count += cell_step) {                                                              \
            const T *x = (const T *)p->x + r * p->pitch * width;                                                                 \
            int64_t n = 0;                                                                                                       \
            for (int64_t c = 0; c < p->cols; c++) n += IS_VALID_##width(x, c);                                                   \
            *count += n;                                                                                                         \
        }                                                                                                                        \
    }                                                                                                                            \
    static void nanmean_##suffix##_cols(acc_state s, const acc_patch *p, const acc_params *params)                               \
    {                                                                                                                            \
        int64_t *count = (int64_t *)(void *)s.field[1];                                                                          \
        nansum_##suffix##_cols(s, p, params);                                                                                    \
        for (int64_t r = 0; r < p->rows; r++) {                                                                                  \
            const T *x = (const T *)p->x + r * p->pitch * width;                                                                 \
            for (int64_t c = 0; c < p->cols; c++) count[c] += IS_VALID_##width(x, c);                                            \
        }                                                                                                                        \
    }
NANMEAN(f32, float, 1)
NANMEAN(f64, double, 1)
NANMEAN(c64, float, 2)
NANMEAN(c128, double, 2)
#undef NANMEAN

/* ---- Init, merge, finish ----------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void set_cells(acc_state s, int64_t n, double re, double im, int width)
{
    double *cell = (double *)(void *)s.field[0];
    for (int64_t i = 0; i < n; i++) {
        cell[width * i] = re;
        if (width == 2) cell[2 * i + 1] = im;
    }
}

static void sum_init_1(acc_state s, int64_t n_cells, const acc_params *params) { set_cells(s, n_cells, -0.0, 0, 1); }
static void sum_init_2(acc_state s, int64_t n_cells, const acc_params *params) { set_cells(s, n_cells, -0.0, -0.0, 2); }
static void prod_init_1(acc_state s, int64_t n_cells, const acc_params *params) { set_cells(s, n_cells, 1.0, 0, 1); }
static void prod_init_2(acc_state s, int64_t n_cells, const acc_params *params) { set_cells(s, n_cells, 1.0, 0.0, 2); }

static void nanmean_init_1(acc_state s, int64_t n_cells, const acc_params *params)
{
    set_cells(s, n_cells, -0.0, 0, 1);
    memset(s.field[1], 0, (size_t)n_cells * sizeof(int64_t));
}

static void nanmean_init_2(acc_state s, int64_t n_cells, const acc_params *params)
{
    set_cells(s, n_cells, -0.0, -0.0, 2);
    memset(s.field[1], 0, (size_t)n_cells * sizeof(int64_t));
}

static ALWAYS_INLINE void add_cells(acc_state a, acc_state b, int64_t n)
{
    double *x = (double *)(void *)a.field[0];
    const double *y = (const double *)(const void *)b.field[0];
    for (int64_t i = 0; i < n; i++) x[i] += y[i];
}

static void sum_merge_1(acc_state a, acc_state b, int64_t n_cells, const acc_params *params) { add_cells(a, b, n_cells); }
static void sum_merge_2(acc_state a, acc_state b, int64_t n_cells, const acc_params *params) { add_cells(a, b, 2 * n_cells); }

static void nanmean_merge(acc_state a, acc_state b, int64_t n_cells, int width)
{
    int64_t *x = (int64_t *)(void *)a.field[1];
    const int64_t *y = (const int64_t *)(const void *)b.field[1];
    add_cells(a, b, n_cells * width);
    for (int64_t i = 0; i < n_cells; i++) x[i] += y[i];
}

static void nanmean_merge_1(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)
{
    nanmean_merge(a, b, n_cells, 1);
}
static void nanmean_merge_2(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)
{
    nanmean_merge(a, b, n_cells, 2);
}

static void prod_merge_1(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)
{
    double *x = (double *)(void *)a.field[0];
    const double *y = (const double *)(const void *)b.field[0];
    for (int64_t i = 0; i < n_cells; i++) x[i] *= y[i];
}

static void prod_merge_2(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)
{
    double *x = (double *)(void *)a.field[0];
    const double *y = (const double *)(const void *)b.field[0];
    for (int64_t i = 0; i < n_cells; i++) multiply(x + 2 * i, y[2 * i], y[2 * i + 1], false);
}

/* n scalars, in the result's precision. Nothing folded gives +0.0, not the neutral -0.0: 0.0 + x does that and leaves all else.
 */
static ALWAYS_INLINE void put(void *out, const double *x, int64_t n, bool narrow, bool empty)
{
    const double start = empty ? 0.0 : -0.0;
    for (int64_t i = 0; i < n; i++) {
        if (narrow)
            ((float *)out)[i] = (float)(start + x[i]);
        else
            ((double *)out)[i] = start + x[i];
    }
}

/* Sums divided by their counts; a count of 0 gives NaN, as 0 / 0 does. */
static ALWAYS_INLINE void put_means(void *out, acc_state s, int64_t n_cells, int64_t n_folded, bool narrow, int width,
                                    bool counted)
{
    const double *sum = (const double *)(const void *)s.field[0];
    const int64_t *count = (const int64_t *)(const void *)s.field[1];
    for (int64_t i = 0; i < n_cells * width; i++) {
        int64_t n = counted ? count[i / width] : n_folded;
        double mean = n > 0 ? sum[i] / (double)n : (double)NAN;
        if (narrow)
            ((float *)out)[i] = (float)mean;
        else
            ((double *)out)[i] = mean;
    }
}

#define FINISH(suffix, narrow, width)                                                                                            \
    static void sum_finish_##suffix(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)         \
    {                                                                                                                            \
        put(out, (const double *)(const void *)s.field[0], n_cells *width, narrow, n_folded == 0);                               \
    }                                                                                                                            \
    static void mean_finish_##suffix(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)        \
    {                                                                                                                            \
        put_means(out, s, n_cells, n_folded, narrow, width, false);                                                              \
    }                                                                                                                            \
    static void nanmean_finish_##suffix(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)     \
    {                                                                                                                            \
        put_means(out, s, n_cells, n_folded, narrow, width, true);                                                               \
    }
FINISH(f32, true, 1)
FINISH(f64, false, 1)
FINISH(c64, true, 2)
FINISH(c128, false, 2)
#undef FINISH

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

#define ENTRY(dtype, name, suffix, family, done, width)                                                                          \
    [dtype] = {1,                                                                                                                \
               {8 * width},                                                                                                      \
               dtype,                                                                                                            \
               family##_init_##width,                                                                                            \
               name##_##suffix##_rows,                                                                                           \
               name##_##suffix##_cols,                                                                                           \
               family##_merge_##width,                                                                                           \
               done##_finish_##suffix}
#define FLOATS(name, family, done)                                                                                               \
    ENTRY(TSR_F32, name, f32, family, done, 1), ENTRY(TSR_F64, name, f64, family, done, 1),                                      \
        ENTRY(TSR_C64, name, c64, family, done, 2), ENTRY(TSR_C128, name, c128, family, done, 2)
#define INTEGER_MEAN(dtype, T, R)                                                                                                \
    [dtype] = {1, {8}, TSR_F64, sum_init_1, mean_rows_##dtype, mean_cols_##dtype, sum_merge_1, mean_finish_f64},
#define COUNTED(dtype, suffix, width)                                                                                            \
    [dtype] = {2,                                                                                                                \
               {8 * width, 8},                                                                                                   \
               dtype,                                                                                                            \
               nanmean_init_##width,                                                                                             \
               nanmean_##suffix##_rows,                                                                                          \
               nanmean_##suffix##_cols,                                                                                          \
               nanmean_merge_##width,                                                                                            \
               nanmean_finish_##suffix}
#define INTEGER_SUM(dtype, T, R) PLAIN_ENTRY(dtype, uint64_t, R, integer_sum_##dtype, integer_sum),
#define INTEGER_PROD(dtype, T, R) PLAIN_ENTRY(dtype, uint64_t, R, integer_prod_##dtype, integer_prod),

acc_table ISA(acc_sum) = {ACC_INT_LIST(INTEGER_SUM) FLOATS(sum, sum, sum)};
acc_table ISA(acc_nansum) = {ACC_INT_LIST(INTEGER_SUM) FLOATS(nansum, sum, sum)};
acc_table ISA(acc_prod) = {ACC_INT_LIST(INTEGER_PROD) FLOATS(prod, prod, sum)};
acc_table ISA(acc_nanprod) = {ACC_INT_LIST(INTEGER_PROD) FLOATS(nanprod, prod, sum)};
acc_table ISA(acc_mean) = {ACC_INT_LIST(INTEGER_MEAN) FLOATS(sum, sum, mean)};
acc_table ISA(acc_nanmean) = {ACC_INT_LIST(INTEGER_MEAN) COUNTED(TSR_F32, f32, 1), COUNTED(TSR_F64, f64, 1),
                              COUNTED(TSR_C64, c64, 2), COUNTED(TSR_C128, c128, 2)};
