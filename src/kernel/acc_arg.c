/* Where the least or greatest element is: the smallest flat index among equal ones, whatever the order of folding.
 *
 * Field 0 is the extreme so far, field 1 its index; NO_INDEX if nothing was taken yet, which finish() turns into -1 (an empty
 * reduction, or nothing but NaN for the nan-forms). argmin and argmax stop at the first NaN, the nan-forms leave NaN out.
 * Pure functions; any thread. */
#include "kernel/acc_extreme.h"

#define NO_INDEX INT64_MAX

/* Whether element x at index i takes the place of `best` at index at. All terms are evaluated: no branches in the column loops.
 */
#define BETTER_INT(less, x, i, best, at) (((x)less(best)) | (((x) == (best)) & ((i) < (at))))
#define BETTER_SKIP(less, x, i, best, at) BETTER_INT(less, x, i, best, at)
#define BETTER_NAN(less, x, i, best, at)                                                                                         \
    (((x)less(best)) | (((x) != (x)) & ((best) == (best))) |                                                                     \
     ((((x) == (best)) | (((x) != (x)) & ((best) != (best)))) & ((i) < (at))))

/* The lowest flat index of an element equal to v (or NaN, if v is). Rows run backwards if the step is negative. */
#define FIND(name, T)                                                                                                            \
    static int64_t name(const T *x, int64_t n, T v, int64_t step)                                                                \
    {                                                                                                                            \
        enum { PIECE = 64 };                                                                                                     \
        if (step < 0) {                                                                                                          \
            int64_t c = n - 1;                                                                                                   \
            while (!((x[c] == v) | ((x[c] != x[c]) & (v != v)))) c--;                                                            \
            return c;                                                                                                            \
        }                                                                                                                        \
        int64_t c = 0;                                                                                                           \
        for (; c + PIECE <= n; c += PIECE) {                                                                                     \
            int hit = 0;                                                                                                         \
            for (int i = 0; i < PIECE; i++) hit |= (x[c + i] == v) | ((x[c + i] != x[c + i]) & (v != v));                        \
            if (hit) break;                                                                                                      \
        }                                                                                                                        \
        while (!((x[c] == v) | ((x[c] != x[c]) & (v != v)))) c++;                                                                \
        return c;                                                                                                                \
    }

/* EXTREME_OF(x, n) finds the row's extreme. */
#define ARG(name, T, find, BETTER, less, EXTREME_OF, WORST)                                                                      \
    static void name##_init(acc_state s, int64_t n_cells, const acc_params *params)                                              \
    {                                                                                                                            \
        for (int64_t i = 0; i < n_cells; i++) {                                                                                  \
            ((T *)(void *)s.field[0])[i] = WORST;                                                                                \
            ((int64_t *)(void *)s.field[1])[i] = NO_INDEX;                                                                       \
        }                                                                                                                        \
    }                                                                                                                            \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        T *best = (T *)(void *)s.field[0];                                                                                       \
        int64_t *at = (int64_t *)(void *)s.field[1];                                                                             \
        if (p->cols == 0) return;                                                                                                \
        for (int64_t r = 0; r < p->rows; r++, best += cell_step, at += cell_step) {                                              \
            const T *x = (const T *)p->x + r * p->pitch;                                                                         \
            const T v = EXTREME_OF(x, p->cols);                                                                                  \
            const int64_t first = p->index + r * p->index_row;                                                                   \
            const int64_t lowest = p->index_col < 0 ? first + (p->cols - 1) * p->index_col : first;                              \
            if (!BETTER(less, v, lowest, *best, *at)) continue;                                                                  \
            const int64_t i = first + find(x, p->cols, v, p->index_col) * p->index_col;                                          \
            if (BETTER(less, v, i, *best, *at)) *best = v, *at = i;                                                              \
        }                                                                                                                        \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params)                                           \
    {                                                                                                                            \
        T *restrict best = (T *)(void *)s.field[0];                                                                              \
        int64_t *restrict at = (int64_t *)(void *)s.field[1];                                                                    \
        for (int64_t r = 0; r < p->rows; r++) {                                                                                  \
            const T *restrict x = (const T *)p->x + r * p->pitch;                                                                \
            const int64_t first = p->index + r * p->index_row, step = p->index_col;                                              \
            for (int64_t c = 0; c < p->cols; c++) {                                                                              \
                const int64_t i = first + c * step;                                                                              \
                const int take = BETTER(less, x[c], i, best[c], at[c]);                                                          \
                best[c] = take ? x[c] : best[c];                                                                                 \
                at[c] = take ? i : at[c];                                                                                        \
            }                                                                                                                    \
        }                                                                                                                        \
    }                                                                                                                            \
    static void name##_merge(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)                                \
    {                                                                                                                            \
        T *best = (T *)(void *)a.field[0];                                                                                       \
        int64_t *at = (int64_t *)(void *)a.field[1];                                                                             \
        const T *x = (const T *)(const void *)b.field[0];                                                                        \
        const int64_t *i = (const int64_t *)(const void *)b.field[1];                                                            \
        for (int64_t k = 0; k < n_cells; k++)                                                                                    \
            if (i[k] != NO_INDEX && BETTER(less, x[k], i[k], best[k], at[k])) best[k] = x[k], at[k] = i[k];                      \
    }

static void arg_finish(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)
{
    const int64_t *at = (const int64_t *)(const void *)s.field[1];
    for (int64_t i = 0; i < n_cells; i++) ((int64_t *)out)[i] = at[i] == NO_INDEX ? -1 : at[i];
}

#define DEFINE(dtype, T, R)                                                                                                      \
    FIND(find_##dtype, T)                                                                                                        \
    static ALWAYS_INLINE T least_##dtype(const T *x, int64_t n) { return extreme_row_##dtype(x, n, false); }                     \
    static ALWAYS_INLINE T greatest_##dtype(const T *x, int64_t n) { return extreme_row_##dtype(x, n, true); }                   \
    ARG(argmin_##dtype, T, find_##dtype, BETTER_INT, <, least_##dtype, extreme_worst_##dtype(false))                             \
    ARG(argmax_##dtype, T, find_##dtype, BETTER_INT, >, greatest_##dtype, extreme_worst_##dtype(true))
ACC_INT_LIST(DEFINE)
#undef DEFINE

#define DEFINE(suffix, T)                                                                                                        \
    FIND(find_##suffix, T)                                                                                                       \
    static ALWAYS_INLINE T least_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, false, false); }            \
    static ALWAYS_INLINE T greatest_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, true, false); }          \
    static ALWAYS_INLINE T fleast_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, false, true); }            \
    static ALWAYS_INLINE T fgreatest_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, true, true); }          \
    ARG(argmin_##suffix, T, find_##suffix, BETTER_NAN, <, least_##suffix, (T)INFINITY)                                           \
    ARG(argmax_##suffix, T, find_##suffix, BETTER_NAN, >, greatest_##suffix, (T)-INFINITY)                                       \
    ARG(nanargmin_##suffix, T, find_##suffix, BETTER_SKIP, <, fleast_##suffix, (T)INFINITY)                                      \
    ARG(nanargmax_##suffix, T, find_##suffix, BETTER_SKIP, >, fgreatest_##suffix, (T)-INFINITY)
DEFINE(f32, float)
DEFINE(f64, double)
#undef DEFINE

/* ---- Complex ----------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE bool complex_better(const double x[2], int64_t i, const double best[2], int64_t at, bool greatest,
                                         bool skip_nan)
{
    const bool is_nan = complex_nan(x[0], x[1]), was_nan = complex_nan(best[0], best[1]);
    if (is_nan || was_nan) {
        if (skip_nan) return !is_nan;
        return is_nan && (!was_nan || i < at);
    }
    if (x[0] == best[0] && x[1] == best[1]) return i < at;
    return greatest ? complex_less(best[0], best[1], x[0], x[1]) : complex_less(x[0], x[1], best[0], best[1]);
}

#define COMPLEX(name, T, greatest, skip_nan)                                                                                     \
    static void name##_init(acc_state s, int64_t n_cells, const acc_params *params)                                              \
    {                                                                                                                            \
        const T worst = greatest ? (T)-INFINITY : (T)INFINITY;                                                                   \
        for (int64_t i = 0; i < 2 * n_cells; i++) ((T *)(void *)s.field[0])[i] = worst;                                          \
        for (int64_t i = 0; i < n_cells; i++) ((int64_t *)(void *)s.field[1])[i] = NO_INDEX;                                     \
    }                                                                                                                            \
    static ALWAYS_INLINE void name##_take(acc_state s, int64_t cell, const T *x, int64_t i)                                      \
    {                                                                                                                            \
        T *best = (T *)(void *)s.field[0] + 2 * cell;                                                                            \
        int64_t *at = (int64_t *)(void *)s.field[1] + cell;                                                                      \
        const double number[2] = {(double)x[0], (double)x[1]}, old[2] = {(double)best[0], (double)best[1]};                      \
        if (complex_better(number, i, old, *at, greatest, skip_nan)) best[0] = x[0], best[1] = x[1], *at = i;                    \
    }                                                                                                                            \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        for (int64_t r = 0; r < p->rows; r++)                                                                                    \
            for (int64_t c = 0; c < p->cols; c++)                                                                                \
                name##_take(s, r *cell_step, (const T *)p->x + 2 * (r * p->pitch + c),                                           \
                            p->index + r * p->index_row + c * p->index_col);                                                     \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params)                                           \
    {                                                                                                                            \
        for (int64_t r = 0; r < p->rows; r++)                                                                                    \
            for (int64_t c = 0; c < p->cols; c++)                                                                                \
                name##_take(s, c, (const T *)p->x + 2 * (r * p->pitch + c), p->index + r * p->index_row + c * p->index_col);     \
    }                                                                                                                            \
    static void name##_merge(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)                                \
    {                                                                                                                            \
        const int64_t *at = (const int64_t *)(const void *)b.field[1];                                                           \
        for (int64_t i = 0; i < n_cells; i++)                                                                                    \
            if (at[i] != NO_INDEX) name##_take(a, i, (const T *)(const void *)b.field[0] + 2 * i, at[i]);                        \
    }
#define DEFINE(suffix, T)                                                                                                        \
    COMPLEX(argmin_##suffix, T, false, false)                                                                                    \
    COMPLEX(argmax_##suffix, T, true, false)                                                                                     \
    COMPLEX(nanargmin_##suffix, T, false, true)                                                                                  \
    COMPLEX(nanargmax_##suffix, T, true, true)
DEFINE(c64, float)
DEFINE(c128, double)
#undef DEFINE

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

#define ENTRY(dtype, bytes, name)                                                                                                \
    [dtype] = {2, {bytes, 8}, TSR_I64, name##_init, name##_rows, name##_cols, name##_merge, arg_finish}
#define INEXACT(name)                                                                                                            \
    ENTRY(TSR_F32, 4, name##_f32), ENTRY(TSR_F64, 8, name##_f64), ENTRY(TSR_C64, 8, name##_c64), ENTRY(TSR_C128, 16, name##_c128)
#define INTEGER_MIN(dtype, T, R) ENTRY(dtype, sizeof(T), argmin_##dtype),
#define INTEGER_MAX(dtype, T, R) ENTRY(dtype, sizeof(T), argmax_##dtype),
acc_table ISA(acc_argmin) = {ACC_INT_LIST(INTEGER_MIN) INEXACT(argmin)};
acc_table ISA(acc_argmax) = {ACC_INT_LIST(INTEGER_MAX) INEXACT(argmax)};
acc_table ISA(acc_nanargmin) = {ACC_INT_LIST(INTEGER_MIN) INEXACT(nanargmin)};
acc_table ISA(acc_nanargmax) = {ACC_INT_LIST(INTEGER_MAX) INEXACT(nanargmax)};
