/* Folds whose result does not depend on the order (wrapping integers, counts, any, all): plain loops, which the compiler
 * vectorises. Included only by sources compiled per instruction set. */
#ifndef TESSERA_KERNEL_ACC_PLAIN_H
#define TESSERA_KERNEL_ACC_PLAIN_H

#include "kernel/acc.h"

/* Defines <name>_rows and <name>_cols: cells of type S in field 0 take in VALUE(x, i), x an array of T with `width` scalars a
 * number. */
#define PLAIN_FOLD(name, T, S, width, OP, NEUTRAL, VALUE)                                                                        \
    static void name##_rows(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                        \
    {                                                                                                                            \
        S *cell = (S *)(void *)s.field[0];                                                                                       \
        for (int64_t r = 0; r < p->rows; r++, cell += cell_step) {                                                               \
            const T *x = (const T *)p->x + r * p->pitch * width;                                                                 \
            S sum = NEUTRAL;                                                                                                     \
            for (int64_t c = 0; c < p->cols; c++) sum = (S)(sum OP(S) VALUE(x, c));                                              \
            *cell = (S)(*cell OP sum);                                                                                           \
        }                                                                                                                        \
    }                                                                                                                            \
    static void name##_cols(acc_state s, const acc_patch *p, const acc_params *params)                                           \
    {                                                                                                                            \
        S *restrict cell = (S *)(void *)s.field[0];                                                                              \
        const int64_t step = p->pitch * width;                                                                                   \
        int64_t r = 0;                                                                                                           \
        for (; r + 4 <= p->rows; r += 4) {                                                                                       \
            const T *x0 = (const T *)p->x + r * step, *x1 = x0 + step, *x2 = x1 + step, *x3 = x2 + step;                         \
            for (int64_t c = 0; c < p->cols; c++)                                                                                \
                cell[c] = (S)(cell[c] OP(S) VALUE(x0, c) OP(S) VALUE(x1, c) OP(S) VALUE(x2, c) OP(S) VALUE(x3, c));              \
        }                                                                                                                        \
        for (; r < p->rows; r++) {                                                                                               \
            const T *x = (const T *)p->x + r * step;                                                                             \
            for (int64_t c = 0; c < p->cols; c++) cell[c] = (S)(cell[c] OP(S) VALUE(x, c));                                      \
        }                                                                                                                        \
    }

/* Defines <name>_init, <name>_merge and <name>_finish for cells of type S that are the result themselves. */
#define PLAIN_STATE(name, S, OP, NEUTRAL)                                                                                        \
    static void name##_init(acc_state s, int64_t n_cells, const acc_params *params)                                              \
    {                                                                                                                            \
        for (int64_t i = 0; i < n_cells; i++) ((S *)(void *)s.field[0])[i] = NEUTRAL;                                            \
    }                                                                                                                            \
    static void name##_merge(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)                                \
    {                                                                                                                            \
        S *x = (S *)(void *)a.field[0];                                                                                          \
        const S *y = (const S *)(const void *)b.field[0];                                                                        \
        for (int64_t i = 0; i < n_cells; i++) x[i] = (S)(x[i] OP y[i]);                                                          \
    }                                                                                                                            \
    static void name##_finish(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)               \
    {                                                                                                                            \
        memcpy(out, s.field[0], (size_t)n_cells * sizeof(S));                                                                    \
    }

#define PLAIN_ENTRY(dtype, S, result, fold, state)                                                                               \
    [dtype] = {1, {sizeof(S)}, result, state##_init, fold##_rows, fold##_cols, state##_merge, state##_finish}

#endif
