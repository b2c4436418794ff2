/* Least and greatest elements. min and max hand on NaN, nanmin and nanmax (FMIN, FMAX) ignore it unless there is nothing else.
 *
 * Field 0 is the extreme so far, in the input's dtype, from the neutral element on: the other end of the range; NaN for the forms
 * that ignore it. bool is 0 and 1. Pure functions; any thread. */
#include "kernel/acc_extreme.h"

/* Whether x takes the place of the extreme so far. Integers have no NaN. */
#define TAKES_min(x, best) ((x) < (best))
#define TAKES_max(x, best) ((x) > (best))
#define TAKES_FLOAT_min(x, best) (((x) < (best)) | ((x) != (x)))
#define TAKES_FLOAT_max(x, best) (((x) > (best)) | ((x) != (x)))
#define TAKES_FLOAT_fmin(x, best) (((x) < (best)) | ((best) != (best)))
#define TAKES_FLOAT_fmax(x, best) (((x) > (best)) | ((best) != (best)))

#define EXTREME(name, T, TAKES, ROW, WORST)                                                                                      \
    static void name##_init(acc_state s, int64_t n_cells, const acc_params *params)                                              \
    {                                                                                                                            \
        for (int64_t i = 0; i < n_cells; i++) ((T *)(void *)s.field[0])[i] = WORST;                                              \
    }                                                                                                                            \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        T *cell = (T *)(void *)s.field[0];                                                                                       \
        if (p->cols == 0) return;                                                                                                \
        for (int64_t r = 0; r < p->rows; r++, cell += cell_step) {                                                               \
            const T x = ROW((const T *)p->x + r * p->pitch, p->cols);                                                            \
            if (TAKES(x, *cell)) *cell = x;                                                                                      \
        }                                                                                                                        \
    }                                                                                                                            \
    static ALWAYS_INLINE void name##_take(T *restrict cell, const T *restrict x, int64_t n)                                      \
    {                                                                                                                            \
        for (int64_t i = 0; i < n; i++) cell[i] = TAKES(x[i], cell[i]) ? x[i] : cell[i];                                         \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params)                                           \
    {                                                                                                                            \
        for (int64_t r = 0; r < p->rows; r++) name##_take((T *)(void *)s.field[0], (const T *)p->x + r * p->pitch, p->cols);     \
    }                                                                                                                            \
    static void name##_merge(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)                                \
    {                                                                                                                            \
        name##_take((T *)(void *)a.field[0], (const T *)(const void *)b.field[0], n_cells);                                      \
    }                                                                                                                            \
    static void name##_finish(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)               \
    {                                                                                                                            \
        memcpy(out, s.field[0], (size_t)n_cells * sizeof(T));                                                                    \
    }

#define DEFINE(dtype, T, R)                                                                                                      \
    static ALWAYS_INLINE T least_##dtype(const T *x, int64_t n) { return extreme_row_##dtype(x, n, false); }                     \
    static ALWAYS_INLINE T greatest_##dtype(const T *x, int64_t n) { return extreme_row_##dtype(x, n, true); }                   \
    EXTREME(min_##dtype, T, TAKES_min, least_##dtype, extreme_worst_##dtype(false))                                              \
    EXTREME(max_##dtype, T, TAKES_max, greatest_##dtype, extreme_worst_##dtype(true))
ACC_INT_LIST(DEFINE)
#undef DEFINE

#define DEFINE(suffix, T)                                                                                                        \
    static ALWAYS_INLINE T least_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, false, false); }            \
    static ALWAYS_INLINE T greatest_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, true, false); }          \
    static ALWAYS_INLINE T fleast_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, false, true); }            \
    static ALWAYS_INLINE T fgreatest_##suffix(const T *x, int64_t n) { return extreme_row_##suffix(x, n, true, true); }          \
    EXTREME(min_##suffix, T, TAKES_FLOAT_min, least_##suffix, (T)INFINITY)                                                       \
    EXTREME(max_##suffix, T, TAKES_FLOAT_max, greatest_##suffix, (T)-INFINITY)                                                   \
    EXTREME(fmin_##suffix, T, TAKES_FLOAT_fmin, fleast_##suffix, (T)NAN)                                                         \
    EXTREME(fmax_##suffix, T, TAKES_FLOAT_fmax, fgreatest_##suffix, (T)NAN)
DEFINE(f32, float)
DEFINE(f64, double)
#undef DEFINE

/* ---- Complex ----------------------------------------------------------------------------------------------------- */

/* The first NaN stays in the forms that hand it on. */
static ALWAYS_INLINE bool complex_takes(double re, double im, double best_re, double best_im, bool greatest, bool skip_nan)
{
    const bool is_nan = complex_nan(re, im), was_nan = complex_nan(best_re, best_im);
    if (is_nan || was_nan) return skip_nan ? was_nan && !is_nan : !was_nan;
    return greatest ? complex_less(best_re, best_im, re, im) : complex_less(re, im, best_re, best_im);
}

#define COMPLEX(name, T, greatest, skip_nan)                                                                                     \
    static void name##_init(acc_state s, int64_t n_cells, const acc_params *params)                                              \
    {                                                                                                                            \
        const T worst = skip_nan ? (T)NAN : greatest ? (T)-INFINITY : (T)INFINITY;                                               \
        for (int64_t i = 0; i < 2 * n_cells; i++) ((T *)(void *)s.field[0])[i] = worst;                                          \
    }                                                                                                                            \
    static ALWAYS_INLINE void name##_take(T *cell, const T *x, int64_t n, int64_t cell_step)                                     \
    {                                                                                                                            \
        for (int64_t i = 0; i < n; i++, cell += 2 * cell_step, x += 2) {                                                         \
            if (complex_takes((double)x[0], (double)x[1], (double)cell[0], (double)cell[1], greatest, skip_nan))                 \
                cell[0] = x[0], cell[1] = x[1];                                                                                  \
        }                                                                                                                        \
    }                                                                                                                            \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        for (int64_t r = 0; r < p->rows; r++)                                                                                    \
            name##_take((T *)(void *)s.field[0] + 2 * r * cell_step, (const T *)p->x + 2 * r * p->pitch, p->cols, 0);            \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params)                                           \
    {                                                                                                                            \
        for (int64_t r = 0; r < p->rows; r++)                                                                                    \
            name##_take((T *)(void *)s.field[0], (const T *)p->x + 2 * r * p->pitch, p->cols, 1);                                \
    }                                                                                                                            \
    static void name##_merge(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)                                \
    {                                                                                                                            \
        name##_take((T *)(void *)a.field[0], (const T *)(const void *)b.field[0], n_cells, 1);                                   \
    }                                                                                                                            \
    static void name##_finish(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)               \
    {                                                                                                                            \
        memcpy(out, s.field[0], (size_t)n_cells * 2 * sizeof(T));                                                                \
    }
#define DEFINE(suffix, T)                                                                                                        \
    COMPLEX(min_##suffix, T, false, false)                                                                                       \
    COMPLEX(max_##suffix, T, true, false)                                                                                        \
    COMPLEX(fmin_##suffix, T, false, true)                                                                                       \
    COMPLEX(fmax_##suffix, T, true, true)
DEFINE(c64, float)
DEFINE(c128, double)
#undef DEFINE

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

#define ENTRY(dtype, bytes, name)                                                                                                \
    [dtype] = {1, {bytes}, dtype, name##_init, name##_rows, name##_cols, name##_merge, name##_finish}
#define INEXACT(name)                                                                                                            \
    ENTRY(TSR_F32, 4, name##_f32), ENTRY(TSR_F64, 8, name##_f64), ENTRY(TSR_C64, 8, name##_c64), ENTRY(TSR_C128, 16, name##_c128)
#define INTEGER_MIN(dtype, T, R) ENTRY(dtype, sizeof(T), min_##dtype),
#define INTEGER_MAX(dtype, T, R) ENTRY(dtype, sizeof(T), max_##dtype),
acc_table ISA(acc_min) = {ACC_INT_LIST(INTEGER_MIN) INEXACT(min)};
acc_table ISA(acc_max) = {ACC_INT_LIST(INTEGER_MAX) INEXACT(max)};
acc_table ISA(acc_fmin) = {ACC_INT_LIST(INTEGER_MIN) INEXACT(fmin)};
acc_table ISA(acc_fmax) = {ACC_INT_LIST(INTEGER_MAX) INEXACT(fmax)};
