/* Variance and standard deviation.
 *
 * State of a cell: count (field 0, f64), mean (field 1, f64; two for complex), M2 (field 2, f64) = the sum of squared distances
 * from the mean. A patch is taken in pieces that lie in the first-level cache: its mean first, then M2 about that mean (two
 * passes), and then one merge by Chan, Golub and LeVeque (Stanford STAN-CS-79-773, 1979; The American Statistician 37, 1983,
 * formula 2.1b):
 *
 *     n = na + nb,  d = mean_b - mean_a,  mean = mean_a + d nb / n,  M2 = M2_a + M2_b + d^2 na nb / n
 *
 * For one row at a time (nb = 1, M2_b = 0) this is Welford's update (Technometrics 4, 1962). A piece is PIECE elements of a row,
 * or GROUP rows of a column: the division of the merge is paid once for each. All orders are fixed: the same bits on every
 * instruction set. Pure functions; any thread. */
#include "kernel/acc_fold.h"

#include <math.h>

enum { PIECE = 1024, GROUP = 32, WIDE = 8 * LANES64, SPARE_COLS = 32 };

typedef struct moments {
    double count, mean, m2;
} moments;

/* ---- Moments of a piece ------------------------------------------------------------------------------------------ */

/* Sum of squared distances from `mean`, in the lanes of fold_row(). NaN counts as no distance if it is skipped. */
static ALWAYS_INLINE double squares_row(const void *x, int64_t n, bool narrow, bool skip_nan, double mean)
{
    const vf64 centre = vf64_set(mean);
    vf64 sum[FOLD_VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + FOLD_LANES <= n; i += FOLD_LANES) {
        SIMD_UNROLL
        for (int v = 0; v < FOLD_VECTORS; v++) {
            vf64 a = vector_at(x, i + v * LANES64, narrow), d = a - centre;
            if (skip_nan) d = (vf64)((vi64)d & valid_lanes(a, 1));
            sum[v] += d * d;
        }
    }
    if (i < n) {
        double rest[FOLD_LANES];
        for (int l = 0; l < FOLD_LANES; l++) rest[l] = mean; /* no distance */
        copy_f64(rest, scalar_at(x, i, narrow), n - i, narrow);
        SIMD_UNROLL
        for (int v = 0; v < FOLD_VECTORS; v++) {
            vf64 a = vf64_load(rest + v * LANES64), d = a - centre;
            if (skip_nan) d = (vf64)((vi64)d & valid_lanes(a, 1));
            sum[v] += d * d;
        }
    }
    double lane[FOLD_LANES];
    for (int v = 0; v < FOLD_VECTORS; v++) vf64_store(lane + v * LANES64, sum[v]);
    for (int half = FOLD_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

static ALWAYS_INLINE int64_t valid_row(const void *x, int64_t n, bool narrow)
{
    int64_t count = 0;
    if (narrow) {
        const float *f = x;
        for (int64_t i = 0; i < n; i++) count += f[i] == f[i];
    } else {
        const double *f = x;
        for (int64_t i = 0; i < n; i++) count += f[i] == f[i];
    }
    return count;
}

static ALWAYS_INLINE moments row_moments(const void *x, int64_t n, bool narrow, bool skip_nan)
{
    moments m = {0};
    double sum;
    m.count = (double)(skip_nan ? valid_row(x, n, narrow) : n);
    if (m.count == 0) return m;
    fold_row(skip_nan ? FOLD_NANSUM : FOLD_SUM, x, n, narrow, 1, &sum);
    m.mean = sum / m.count;
    m.m2 = squares_row(x, n, narrow, skip_nan, m.mean);
    return m;
}

/* Moments of n_vectors * LANES64 columns of `rows` <= GROUP rows, to arrays. */
static ALWAYS_INLINE void block_moments(const void *x, int64_t rows, int64_t pitch, bool narrow, bool skip_nan,
                                        const int n_vectors, double *count, double *mean, double *m2)
{
    vf64 sum[8], n[8], centre[8];
    SIMD_UNROLL
    for (int v = 0; v < n_vectors; v++) sum[v] = n[v] = vf64_set(0.0);
    for (int64_t r = 0; r < rows; r++) {
        SIMD_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            vf64 a = vector_at(x, r * pitch + v * LANES64, narrow);
            if (skip_nan) {
                vi64 valid = valid_lanes(a, 1);
                a = (vf64)((vi64)a & valid);
                n[v] += (vf64)((vi64)vf64_set(1.0) & valid);
            }
            sum[v] += a;
        }
    }
    SIMD_UNROLL
    for (int v = 0; v < n_vectors; v++) {
        if (!skip_nan) n[v] = vf64_set((double)rows);
        centre[v] = sum[v] / vf64_max(n[v], vf64_set(1.0));
        vf64_store(count + v * LANES64, n[v]);
        vf64_store(mean + v * LANES64, centre[v]);
        sum[v] = vf64_set(0.0);
    }
    for (int64_t r = 0; r < rows; r++) {
        SIMD_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            vf64 a = vector_at(x, r * pitch + v * LANES64, narrow), d = a - centre[v];
            if (skip_nan) d = (vf64)((vi64)d & valid_lanes(a, 1));
            sum[v] += d * d;
        }
    }
    SIMD_UNROLL
    for (int v = 0; v < n_vectors; v++) vf64_store(m2 + v * LANES64, sum[v]);
}

/* ---- Merging ----------------------------------------------------------------------------------------------------- */

/* Columns i of (count, mean, m2) take in those of (n_b, mean_b, m2_b). d (d na nb / n), in this order, is 0 for an empty side
 * even where d^2 overflows. */
static ALWAYS_INLINE void merge_columns(double *restrict count, double *restrict mean, double *restrict m2,
                                        const double *restrict n_b, const double *restrict mean_b, const double *restrict m2_b,
                                        int64_t n)
{
    bool same = true;
    for (int64_t i = 1; i < n; i++) same &= (count[i] == count[0]) & (n_b[i] == n_b[0]);
    if (same && n > 0) { /* the usual case: one division for all */
        const double na = count[0], total = na + n_b[0], share = total > 0 ? n_b[0] / total : 0, weight = na * share;
        for (int64_t i = 0; i < n; i++) {
            const double d = mean_b[i] - mean[i];
            count[i] = total;
            mean[i] += d * share;
            m2[i] += m2_b[i] + d * (d * weight);
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const double na = count[i], total = na + n_b[i], share = n_b[i] / (total > 0 ? total : 1.0);
        const double d = mean_b[i] - mean[i];
        count[i] = total;
        mean[i] += d * share;
        m2[i] += m2_b[i] + d * (d * (na * share));
    }
}

/* The same for complex columns: the means are pairs, d^2 is the squared modulus. */
static void merge_complex(double *count, double *mean, double *m2, const double *n_b, const double *mean_b, const double *m2_b,
                          int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double na = count[i], total = na + n_b[i], share = n_b[i] / (total > 0 ? total : 1.0), weight = na * share;
        const double re = mean_b[2 * i] - mean[2 * i], im = mean_b[2 * i + 1] - mean[2 * i + 1];
        count[i] = total;
        mean[2 * i] += re * share;
        mean[2 * i + 1] += im * share;
        m2[i] += m2_b[i] + (re * (re * weight) + im * (im * weight));
    }
}

static ALWAYS_INLINE double *field(acc_state s, int i) { return (double *)(void *)s.field[i]; }

/* ---- Floats ------------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE void rows_of(acc_state s, const acc_patch *p, int64_t cell_step, bool narrow, bool skip_nan)
{
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->cols; c += PIECE) {
            const int64_t n = p->cols - c < PIECE ? p->cols - c : PIECE, at = r * cell_step;
            moments m = row_moments(scalar_at(p->x, r * p->pitch + c, narrow), n, narrow, skip_nan);
            merge_columns(field(s, 0) + at, field(s, 1) + at, field(s, 2) + at, &m.count, &m.mean, &m.m2, 1);
        }
    }
}

/* `cols` columns of up to GROUP rows into cells `at` and on. */
static ALWAYS_INLINE void group_columns(acc_state s, int64_t at, const void *x, int64_t rows, int64_t cols, int64_t pitch,
                                        bool narrow, bool skip_nan)
{
    double count[WIDE], mean[WIDE], m2[WIDE];
    enum { STEP = SIMD_BYTES == 64 ? 8 : 4 }; /* vectors whose sums and means fit in the registers */
    for (int64_t c = 0; c < cols; c += WIDE) {
        const int64_t n = cols - c < WIDE ? cols - c : WIDE;
        int64_t i = 0;
        for (; i + STEP * LANES64 <= n; i += STEP * LANES64)
            block_moments(scalar_at(x, c + i, narrow), rows, pitch, narrow, skip_nan, STEP, count + i, mean + i, m2 + i);
        for (; i + LANES64 <= n; i += LANES64)
            block_moments(scalar_at(x, c + i, narrow), rows, pitch, narrow, skip_nan, 1, count + i, mean + i, m2 + i);
        if (i < n) {
            double rest[GROUP * LANES64] = {0};
            for (int64_t r = 0; r < rows; r++)
                copy_f64(rest + r * LANES64, scalar_at(x, r * pitch + c + i, narrow), n - i, narrow);
            block_moments(rest, rows, LANES64, false, skip_nan, 1, count + i, mean + i, m2 + i);
        }
        merge_columns(field(s, 0) + at + c, field(s, 1) + at + c, field(s, 2) + at + c, count, mean, m2, n);
    }
}

static ALWAYS_INLINE void cols_of(acc_state s, const acc_patch *p, bool narrow, bool skip_nan)
{
    for (int64_t r = 0; r < p->rows; r += GROUP) {
        const int64_t rows = p->rows - r < GROUP ? p->rows - r : GROUP;
        group_columns(s, 0, scalar_at(p->x, r * p->pitch, narrow), rows, p->cols, p->pitch, narrow, skip_nan);
    }
}

#define FOLD(name, narrow, skip_nan)                                                                                             \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        rows_of(s, p, cell_step, narrow, skip_nan);                                                                              \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params) { cols_of(s, p, narrow, skip_nan); }
FOLD(var_f32, true, false)
FOLD(var_f64, false, false)
FOLD(nanvar_f32, true, true)
FOLD(nanvar_f64, false, true)
#undef FOLD

/* ---- Integers, widened in pieces --------------------------------------------------------------------------------- */

static void integer_rows(acc_state s, const acc_patch *p, int64_t cell_step, widen_function widen, int64_t bytes)
{
    double spare[PIECE];
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->cols; c += PIECE) {
            const int64_t n = p->cols - c < PIECE ? p->cols - c : PIECE, at = r * cell_step;
            widen(spare, (const char *)p->x + (r * p->pitch + c) * bytes, n);
            moments m = row_moments(spare, n, false, false);
            merge_columns(field(s, 0) + at, field(s, 1) + at, field(s, 2) + at, &m.count, &m.mean, &m.m2, 1);
        }
    }
}

static void integer_cols(acc_state s, const acc_patch *p, widen_function widen, int64_t bytes)
{
    double spare[GROUP * SPARE_COLS];
    for (int64_t r = 0; r < p->rows; r += GROUP) {
        const int64_t rows = p->rows - r < GROUP ? p->rows - r : GROUP;
        for (int64_t c = 0; c < p->cols; c += SPARE_COLS) {
            const int64_t n = p->cols - c < SPARE_COLS ? p->cols - c : SPARE_COLS;
            for (int64_t i = 0; i < rows; i++)
                widen(spare + i * SPARE_COLS, (const char *)p->x + ((r + i) * p->pitch + c) * bytes, n);
            group_columns(s, c, spare, rows, n, SPARE_COLS, false, false);
        }
    }
}

#define FOLD(dtype, T, R)                                                                                                        \
    static void var_rows_##dtype(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                   \
    {                                                                                                                            \
        integer_rows(s, p, cell_step, widen_##dtype, sizeof(T));                                                                 \
    }                                                                                                                            \
    static void var_cols_##dtype(acc_state s, const acc_patch *p, const acc_params *params)                                      \
    {                                                                                                                            \
        integer_cols(s, p, widen_##dtype, sizeof(T));                                                                            \
    }
ACC_INT_LIST(FOLD)
#undef FOLD

/* ---- Complex: the real and the imaginary parts as two columns ---------------------------------------------------- */

/* n complex numbers to two strips; a number with a NaN becomes NaN in both, so that both skip it. */
static ALWAYS_INLINE void split_complex(double *re, double *im, const void *x, int64_t n, bool narrow)
{
    for (int64_t i = 0; i < n; i++) {
        double number[2];
        copy_f64(number, scalar_at(x, 2 * i, narrow), 2, narrow);
        const bool bad = number[0] != number[0] || number[1] != number[1];
        re[i] = bad ? (double)NAN : number[0];
        im[i] = bad ? (double)NAN : number[1];
    }
}

static ALWAYS_INLINE void complex_rows(acc_state s, const acc_patch *p, int64_t cell_step, bool narrow, bool skip_nan)
{
    double re[PIECE], im[PIECE];
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->cols; c += PIECE) {
            const int64_t n = p->cols - c < PIECE ? p->cols - c : PIECE, at = r * cell_step;
            split_complex(re, im, scalar_at(p->x, 2 * (r * p->pitch + c), narrow), n, narrow);
            const moments a = row_moments(re, n, false, skip_nan), b = row_moments(im, n, false, skip_nan);
            const double mean[2] = {a.mean, b.mean}, m2 = a.m2 + b.m2;
            merge_complex(field(s, 0) + at, field(s, 1) + 2 * at, field(s, 2) + at, &a.count, mean, &m2, 1);
        }
    }
}

static ALWAYS_INLINE void complex_cols(acc_state s, const acc_patch *p, bool narrow, bool skip_nan)
{
    for (int64_t r = 0; r < p->rows; r += GROUP) {
        const int64_t rows = p->rows - r < GROUP ? p->rows - r : GROUP;
        for (int64_t c = 0; c < p->cols; c += LANES64) {
            const int64_t n = p->cols - c < LANES64 ? p->cols - c : LANES64;
            double re[GROUP * LANES64] = {0}, im[GROUP * LANES64] = {0};
            double count[LANES64], mean_re[LANES64], mean_im[LANES64], m2_re[LANES64], m2_im[LANES64], mean[2 * LANES64];
            for (int64_t i = 0; i < rows; i++)
                split_complex(re + i * LANES64, im + i * LANES64, scalar_at(p->x, 2 * ((r + i) * p->pitch + c), narrow), n,
                              narrow);
            block_moments(re, rows, LANES64, false, skip_nan, 1, count, mean_re, m2_re);
            block_moments(im, rows, LANES64, false, skip_nan, 1, count, mean_im, m2_im);
            for (int i = 0; i < LANES64; i++) mean[2 * i] = mean_re[i], mean[2 * i + 1] = mean_im[i], m2_re[i] += m2_im[i];
            merge_complex(field(s, 0) + c, field(s, 1) + 2 * c, field(s, 2) + c, count, mean, m2_re, n);
        }
    }
}

#define FOLD(name, narrow, skip_nan)                                                                                             \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        complex_rows(s, p, cell_step, narrow, skip_nan);                                                                         \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params) { complex_cols(s, p, narrow, skip_nan); }
FOLD(var_c64, true, false)
FOLD(var_c128, false, false)
FOLD(nanvar_c64, true, true)
FOLD(nanvar_c128, false, true)
#undef FOLD

/* ---- Init, merge, finish ----------------------------------------------------------------------------------------- */

#define STATE(width, merge_function)                                                                                             \
    static void var_init_##width(acc_state s, int64_t n_cells, const acc_params *params)                                         \
    {                                                                                                                            \
        memset(s.field[0], 0, (size_t)n_cells * sizeof(double));                                                                 \
        memset(s.field[1], 0, (size_t)n_cells *width * sizeof(double));                                                          \
        memset(s.field[2], 0, (size_t)n_cells * sizeof(double));                                                                 \
    }                                                                                                                            \
    static void var_merge_##width(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)                           \
    {                                                                                                                            \
        merge_function(field(a, 0), field(a, 1), field(a, 2), field(b, 0), field(b, 1), field(b, 2), n_cells);                   \
    }
STATE(1, merge_columns)
STATE(2, merge_complex)
#undef STATE

/* M2 / (count - ddof). Too few numbers: NumPy's var divides by 0 (NaN, or infinity if there is any distance), its nanvar gives
 * NaN. */
static ALWAYS_INLINE void finish_of(void *out, acc_state s, int64_t n_cells, double ddof, bool narrow, bool root, bool skip_nan)
{
    const double *count = field(s, 0), *m2 = field(s, 2);
    for (int64_t i = 0; i < n_cells; i++) {
        const double freedom = count[i] - ddof;
        double value = m2[i] / (freedom > 0 ? freedom : 0.0);
        if (skip_nan && !(freedom > 0)) value = (double)NAN;
        if (root) value = sqrt(value);
        if (narrow)
            ((float *)out)[i] = (float)value;
        else
            ((double *)out)[i] = value;
    }
}

#define FINISH(name, narrow, root, skip_nan)                                                                                     \
    static void name(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)                        \
    {                                                                                                                            \
        finish_of(out, s, n_cells, params->ddof, narrow, root, skip_nan);                                                        \
    }
FINISH(var_finish_f32, true, false, false)
FINISH(var_finish_f64, false, false, false)
FINISH(std_finish_f32, true, true, false)
FINISH(std_finish_f64, false, true, false)
FINISH(nanvar_finish_f32, true, false, true)
FINISH(nanvar_finish_f64, false, false, true)
FINISH(nanstd_finish_f32, true, true, true)
FINISH(nanstd_finish_f64, false, true, true)
#undef FINISH

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

#define ENTRY(dtype, result, width, rows, cols, finish)                                                                          \
    [dtype] = {3, {8, 8 * width, 8}, result, var_init_##width, rows, cols, var_merge_##width, finish}
#define INTEGER_VAR(dtype, T, R) ENTRY(dtype, TSR_F64, 1, var_rows_##dtype, var_cols_##dtype, var_finish_f64),
#define INTEGER_STD(dtype, T, R) ENTRY(dtype, TSR_F64, 1, var_rows_##dtype, var_cols_##dtype, std_finish_f64),
#define INTEGER_NANVAR(dtype, T, R) ENTRY(dtype, TSR_F64, 1, var_rows_##dtype, var_cols_##dtype, nanvar_finish_f64),
#define INTEGER_NANSTD(dtype, T, R) ENTRY(dtype, TSR_F64, 1, var_rows_##dtype, var_cols_##dtype, nanstd_finish_f64),
#define INEXACT(fold, done)                                                                                                      \
    ENTRY(TSR_F32, TSR_F32, 1, fold##_f32_rows, fold##_f32_cols, done##_finish_f32),                                             \
        ENTRY(TSR_F64, TSR_F64, 1, fold##_f64_rows, fold##_f64_cols, done##_finish_f64),                                         \
        ENTRY(TSR_C64, TSR_F32, 2, fold##_c64_rows, fold##_c64_cols, done##_finish_f32),                                         \
        ENTRY(TSR_C128, TSR_F64, 2, fold##_c128_rows, fold##_c128_cols, done##_finish_f64)
acc_table ISA(acc_var) = {ACC_INT_LIST(INTEGER_VAR) INEXACT(var, var)};
acc_table ISA(acc_std) = {ACC_INT_LIST(INTEGER_STD) INEXACT(var, std)};
acc_table ISA(acc_nanvar) = {ACC_INT_LIST(INTEGER_NANVAR) INEXACT(nanvar, nanvar)};
acc_table ISA(acc_nanstd) = {ACC_INT_LIST(INTEGER_NANSTD) INEXACT(nanvar, nanstd)};
