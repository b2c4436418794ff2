/* Folding strips of floats or doubles into doubles by addition or multiplication, with a fixed order of operations.
 *
 * A row is folded in LANES = 32 lanes: lane l takes the elements l, l + 32, l + 64 ... in this order; then lane l takes in lane
 * l + 16, l + 8, ... 1 (for complex numbers, stored as pairs: down to two lanes). A column is folded from top to bottom in groups
 * of GROUP_ROWS rows, each group from the neutral element, the groups one after the other. Vector registers hold whole lanes, so
 * the bits do not depend on their width. Missing elements are replaced by the neutral element, which never changes a bit of the
 * result
 * (-0.0 for sums: -0.0 + x is x for every x). Included only by sources compiled per instruction set. */
#ifndef TESSERA_KERNEL_ACC_FOLD_H
#define TESSERA_KERNEL_ACC_FOLD_H

#include "kernel/acc.h"

/* The nan-kinds put the number 0 (or 1) in place of NaN; a complex number is NaN if either part is. */
typedef enum fold_kind { FOLD_SUM, FOLD_PROD, FOLD_NANSUM, FOLD_NANPROD } fold_kind;

enum { FOLD_LANES = 32, FOLD_VECTORS = FOLD_LANES / LANES64, GROUP_ROWS = 16, BLOCK_VECTORS = 8, PAD = LANES64 };

static ALWAYS_INLINE bool fold_multiplies(fold_kind kind) { return kind == FOLD_PROD || kind == FOLD_NANPROD; }
static ALWAYS_INLINE double fold_neutral(fold_kind kind) { return fold_multiplies(kind) ? 1.0 : -0.0; }

#if SIMD_BYTES == 64
#define SIMD_SWAP64 1, 0, 3, 2, 5, 4, 7, 6
#elif SIMD_BYTES == 32
#define SIMD_SWAP64 1, 0, 3, 2
#else
#define SIMD_SWAP64 1, 0
#endif

/* All ones where the number is not NaN. `width` is the scalars of a number: 1, or 2 for complex. */
static ALWAYS_INLINE vi64 valid_lanes(vf64 x, int width)
{
    vi64 valid = (vi64)(x == x);
    if (width == 2) valid &= __builtin_shufflevector(valid, valid, SIMD_SWAP64);
    return valid;
}

static ALWAYS_INLINE vf64 fold_step(fold_kind kind, vf64 sum, vf64 x, int width)
{
    if (kind == FOLD_NANSUM) x = (vf64)((vi64)x & valid_lanes(x, width));
    if (kind == FOLD_NANPROD) x = vf64_select(valid_lanes(x, width), x, vf64_set(1.0));
    return fold_multiplies(kind) ? sum * x : sum + x;
}

/* The lanes of a row to out[0 .. width); they are used up. */
static ALWAYS_INLINE void fold_lanes(fold_kind kind, vf64 *sum, int width, double *out)
{
    SIMD_UNROLL
    for (int half = FOLD_VECTORS / 2; half > 0; half /= 2) {
        SIMD_UNROLL
        for (int v = 0; v < half; v++) sum[v] = fold_multiplies(kind) ? sum[v] * sum[v + half] : sum[v] + sum[v + half];
    }
    double lane[LANES64];
    vf64_store(lane, sum[0]);
    SIMD_UNROLL
    for (int half = LANES64 / 2; half >= width; half /= 2)
        for (int l = 0; l < half; l++) lane[l] = fold_multiplies(kind) ? lane[l] * lane[l + half] : lane[l] + lane[l + half];
    for (int w = 0; w < width; w++) out[w] = lane[w];
}

/* n scalars to out[0 .. width). */
static ALWAYS_INLINE void fold_row(fold_kind kind, const void *x, int64_t n, bool narrow, int width, double *out)
{
    vf64 sum[FOLD_VECTORS];
    SIMD_UNROLL
    for (int v = 0; v < FOLD_VECTORS; v++) sum[v] = vf64_set(fold_neutral(kind));
    int64_t i = 0;
    for (; i + FOLD_LANES <= n; i += FOLD_LANES) {
        SIMD_UNROLL
        for (int v = 0; v < FOLD_VECTORS; v++) sum[v] = fold_step(kind, sum[v], vector_at(x, i + v * LANES64, narrow), width);
    }
    if (i < n) {
        double rest[FOLD_LANES];
        for (int l = 0; l < FOLD_LANES; l++) rest[l] = fold_neutral(kind);
        copy_f64(rest, scalar_at(x, i, narrow), n - i, narrow);
        SIMD_UNROLL
        for (int v = 0; v < FOLD_VECTORS; v++) sum[v] = fold_step(kind, sum[v], vf64_load(rest + v * LANES64), width);
    }
    fold_lanes(kind, sum, width, out);
}

/* n_vectors * LANES64 columns of up to GROUP_ROWS rows into their cells. */
static ALWAYS_INLINE void fold_block(fold_kind kind, double *cell, const void *x, int64_t rows, int64_t pitch, bool narrow,
                                     int width, const int n_vectors)
{
    vf64 sum[BLOCK_VECTORS];
    SIMD_UNROLL
    for (int v = 0; v < n_vectors; v++) sum[v] = vf64_set(fold_neutral(kind));
    for (int64_t r = 0; r < rows; r++) {
        SIMD_UNROLL
        for (int v = 0; v < n_vectors; v++)
            sum[v] = fold_step(kind, sum[v], vector_at(x, r * pitch + v * LANES64, narrow), width);
    }
    SIMD_UNROLL
    for (int v = 0; v < n_vectors; v++) {
        vf64 old = vf64_load(cell + v * LANES64);
        vf64_store(cell + v * LANES64, fold_multiplies(kind) ? old * sum[v] : old + sum[v]);
    }
}

/* cols scalars of each row into cell[0 .. cols). */
static ALWAYS_INLINE void fold_columns(fold_kind kind, double *cell, const void *x, int64_t rows, int64_t cols, int64_t pitch,
                                       bool narrow, int width)
{
    for (int64_t r = 0; r < rows; r += GROUP_ROWS) {
        const void *group = scalar_at(x, r * pitch, narrow);
        const int64_t n = rows - r < GROUP_ROWS ? rows - r : GROUP_ROWS;
        int64_t c = 0;
        for (; c + BLOCK_VECTORS * LANES64 <= cols; c += BLOCK_VECTORS * LANES64)
            fold_block(kind, cell + c, scalar_at(group, c, narrow), n, pitch, narrow, width, BLOCK_VECTORS);
        for (; c + LANES64 <= cols; c += LANES64)
            fold_block(kind, cell + c, scalar_at(group, c, narrow), n, pitch, narrow, width, 1);
        if (c < cols) {
            double rest[GROUP_ROWS * PAD], last[PAD] = {0};
            for (int64_t i = 0; i < n * PAD; i++) rest[i] = fold_neutral(kind);
            for (int64_t i = 0; i < n; i++) copy_f64(rest + i * PAD, scalar_at(group, i * pitch + c, narrow), cols - c, narrow);
            memcpy(last, cell + c, (size_t)(cols - c) * sizeof *last);
            fold_block(kind, last, rest, n, PAD, false, width, 1);
            memcpy(cell + c, last, (size_t)(cols - c) * sizeof *last);
        }
    }
}

/* ---- Integers as doubles ----------------------------------------------------------------------------------------- */

enum { SPARE_SCALARS = 1024 }; /* integers are widened this many at a time */

typedef void (*widen_function)(double *out, const void *in, int64_t n);
#define WIDEN(dtype, T, R)                                                                                                       \
    static inline void widen_##dtype(double *out, const void *in, int64_t n)                                                     \
    {                                                                                                                            \
        const T *x = in;                                                                                                         \
        for (int64_t i = 0; i < n; i++) out[i] = (double)x[i];                                                                   \
    }
ACC_INT_LIST(WIDEN)
#undef WIDEN

#endif
