/* Histograms. Field 0 holds n_bins counts (i64), or sums of weights (f64) if weighted, whatever is reduced; finish() writes the
 * same type: the table's `result` is that of the unweighted form.
 *
 * Bin i holds low edge <= x < high edge, the last bin its high edge too; NaN and values outside are left out. Uniform bins have
 * NumPy's edges: edge(i) = i * step + low with step = (high - low) / n_bins, edge(n_bins) = high, rounded to float32 for float32
 * values. The index is found by a multiplication; in a piece with values that rounding may have put on the wrong side of an edge
 * it is corrected by one against the edges, as numpy.histogram does, so the counts are equal to its. Other edges are searched
 * without branches.
 *
 * Values are widened to f64 (integers above 2^53 round) and go in pieces: bin numbers into a small array, vectorised; then
 * counted in four interleaved sub-histograms, so that runs of equal bins do not wait for each other. Pure functions; any thread.
 */
#include "kernel/acc_fold.h"

#include <math.h>

enum { PIECE = 512, SUB_BINS = 1024, N_SUBS = 4 };

typedef void (*widen_piece)(double *out, const void *in, int64_t n);

/* ---- Bin numbers ------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE vf64 round_to_f32(vf64 x)
{
#if SIMD_BYTES == 64
    return (vf64)_mm512_cvtps_pd(_mm512_cvtpd_ps((__m512d)x));
#elif SIMD_BYTES == 32
    return (vf64)_mm256_cvtps_pd(_mm256_cvtpd_ps((__m256d)x));
#else
    return __builtin_convertvector(__builtin_convertvector(x, hf32), vf64); /* not lane by lane: GCC 12 drops both casts then */
#endif
}

/* Truncates values in [0, 2^51). */
static ALWAYS_INLINE vf64 truncate_small(vf64 x)
{
    vf64 nearest = (x + 0x1p52) - 0x1p52;
    return nearest - (vf64)((vi64)vf64_set(1.0) & (vi64)(nearest > x));
}

/* Bins of n <= PIECE values, n rounded up to whole vectors: 1 ... n_bins; 0 or n_bins + 1 for those left out. */
static ALWAYS_INLINE void uniform_bins(uint32_t *bin, const double *x, int64_t n, const acc_params *p, bool narrow)
{
    const double step_scalar = (p->high - p->low) / (double)p->n_bins;
    const double low_scalar = narrow ? (double)(float)p->low : p->low, high_scalar = narrow ? (double)(float)p->high : p->high;
    const vf64 low = vf64_set(low_scalar), high = vf64_set(high_scalar), step = vf64_set(step_scalar), start = vf64_set(p->low);
    const vf64 scale = vf64_set((double)p->n_bins / (p->high - p->low)), last = vf64_set((double)p->n_bins - 1);
    const vf64 one = vf64_set(1.0), outside = vf64_set((double)p->n_bins);
    for (int64_t i = 0; i < n; i += LANES64) {
        const vf64 v = vf64_load(x + i);
        const vi64 inside = (vi64)(v >= low) & (vi64)(v <= high);
        vf64 k = truncate_small(vf64_max(vf64_set(0.0), vf64_min((v - start) * scale, last)));
        vf64 floor_edge = k * step + start;
        if (narrow) floor_edge = round_to_f32(floor_edge);
        k -= (vf64)((vi64)one & (vi64)(v < floor_edge) & (vi64)(k > 0));
        vf64 next_edge = (k + one) * step + start;
        if (narrow) next_edge = round_to_f32(next_edge);
        k += (vf64)((vi64)one & (vi64)(v >= next_edge) & (vi64)(k < last));
        k = vf64_select(inside, k, outside);
        const hi32 number = __builtin_convertvector(k + one, hi32);
        memcpy(bin + i, &number, sizeof number);
    }
}

/* The same where no value is so near to an edge that rounding decides; false where one is. `doubt`, in bins, bounds the errors of
 * the position computed here and of NumPy's edges: a few roundings of numbers up to n_bins and up to the edges' size. Values
 * beyond the edges and NaN are moved to the middle of a bin before the first or behind the last one. */
static ALWAYS_INLINE bool quick_bins(uint32_t *bin, const double *x, int64_t n, const acc_params *p, bool narrow)
{
    const double n_bins = (double)p->n_bins, per_value = n_bins / (p->high - p->low);
    const double magnitude = __builtin_fmax(__builtin_fabs(p->low), __builtin_fabs(p->high));
    const double doubt = 8 * (n_bins + magnitude * per_value) * (narrow ? 0x1p-23 : 0x1p-52);
    if (!(doubt < 0.125)) return false;
    const vf64 scale = vf64_set(per_value), middle = vf64_set(p->low * per_value - 0.5);
    const vf64 before = vf64_set(0.0), behind = vf64_set(n_bins + 1), to_integer = vf64_set(0x1.8p52), no_sign = vf64_set(-0.0);
    vf64 farthest = vf64_set(0.0);
    for (int64_t i = 0; i < n; i += LANES64) {
        const vf64 position =
            vf64_max(vf64_min(vf64_load(x + i) * scale - middle, behind), before); /* bin k has k in its middle */
        const vf64 shifted = position + to_integer, distance = position - (shifted - to_integer);
        const hi32 number = __builtin_convertvector((vi64)shifted, hi32);
        farthest = vf64_max(farthest, (vf64)((vi64)distance & ~(vi64)no_sign));
        memcpy(bin + i, &number, sizeof number);
    }
    return !vi64_any((vi64)(farthest > vf64_set(0.5 - doubt)));
}

/* The same for any edges: the number of edges <= x, minus 1, by halving; all PIECE values take the same steps. */
static void edge_bins(uint32_t *bin, const double *x, int64_t n, const acc_params *p)
{
    const int64_t n_bins = p->n_bins;
    const double *edges = p->edges, low = edges[0], high = edges[n_bins];
    for (int64_t i = 0; i < n; i++) bin[i] = 0; /* one less, until the end */
    for (int64_t length = n_bins; length > 1;) {
        const int64_t half = length / 2;
        const double *middle = edges + half;
        for (int64_t i = 0; i < n; i++) bin[i] += middle[bin[i]] <= x[i] ? (uint32_t)half : 0;
        length -= half;
    }
    for (int64_t i = 0; i < n; i++) bin[i] = ((x[i] >= low) & (x[i] <= high)) ? bin[i] + 1 : 0;
}

static void widen_f32(double *out, const void *in, int64_t n) { copy_f64(out, in, n, true); }
static void widen_f64(double *out, const void *in, int64_t n) { copy_f64(out, in, n, false); }

/* ---- Counting ---------------------------------------------------------------------------------------------------- */

/* The bins of one row, piece by piece; values are widened first. `narrow` values are floats and have float edges. */
static ALWAYS_INLINE int64_t next_piece(double *room, uint32_t *bin, const acc_patch *p, int64_t r, int64_t c,
                                        const acc_params *params, widen_piece widen, int64_t bytes, bool narrow)
{
    const int64_t n = p->cols - c < PIECE ? p->cols - c : PIECE;
    const double *values = (const double *)p->x + r * p->pitch + c;
    if (widen != widen_f64 || n < PIECE) { /* whole vectors are read */
        widen(room, (const char *)p->x + (r * p->pitch + c) * bytes, n);
        for (int64_t i = n; i % LANES64 != 0; i++) room[i] = (double)NAN;
        values = room;
    }
    if (params->edges)
        edge_bins(bin, values, n, params);
    else if (!quick_bins(bin, values, n, params, narrow))
        uniform_bins(bin, values, n, params, narrow);
    return n;
}

static ALWAYS_INLINE void count_rows(acc_state s, const acc_patch *p, const acc_params *params, widen_piece widen, int64_t bytes,
                                     bool narrow)
{
    double room[PIECE + LANES64];
    uint32_t bin[PIECE + LANES64], sub[N_SUBS][1 + SUB_BINS + 1];
    int64_t *count = (int64_t *)(void *)s.field[0];
    const int64_t n_bins = params->n_bins;
    const bool use_subs = n_bins <= SUB_BINS && n_bins < p->rows * p->cols && p->rows * p->cols < INT32_MAX;
    if (use_subs)
        for (int k = 0; k < N_SUBS; k++) memset(sub[k], 0, (size_t)(n_bins + 2) * sizeof **sub);
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->cols; c += PIECE) {
            const int64_t n = next_piece(room, bin, p, r, c, params, widen, bytes, narrow);
            int64_t i = 0;
            if (use_subs) {
                for (; i + N_SUBS <= n; i += N_SUBS)
                    for (int k = 0; k < N_SUBS; k++) sub[k][bin[i + k]]++;
                for (; i < n; i++) sub[0][bin[i]]++;
            } else {
                for (; i < n; i++)
                    if (bin[i] - 1 < n_bins) count[bin[i] - 1]++;
            }
        }
    }
    if (use_subs)
        for (int64_t b = 0; b < n_bins; b++) count[b] += (int64_t)sub[0][1 + b] + sub[1][1 + b] + sub[2][1 + b] + sub[3][1 + b];
}

static ALWAYS_INLINE void weigh_rows(acc_state s, const acc_patch *p, const acc_params *params, widen_piece widen, int64_t bytes,
                                     bool narrow)
{
    double room[PIECE + LANES64];
    uint32_t bin[PIECE + LANES64];
    double *total = (double *)(void *)s.field[0];
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->cols; c += PIECE) {
            const double *weight = (const double *)p->weight + r * p->pitch + c;
            const int64_t n = next_piece(room, bin, p, r, c, params, widen, bytes, narrow);
            for (int64_t i = 0; i < n; i++)
                if (bin[i] - 1 < params->n_bins) total[bin[i] - 1] += weight[i];
        }
    }
}

#define FOLD(name, widen, bytes, narrow)                                                                                         \
    static void name(acc_state s, const acc_patch *p, int64_t cell_step, const acc_params *params)                               \
    {                                                                                                                            \
        if (params->weighted)                                                                                                    \
            weigh_rows(s, p, params, widen, bytes, narrow);                                                                      \
        else                                                                                                                     \
            count_rows(s, p, params, widen, bytes, narrow);                                                                      \
    }
FOLD(histogram_f32, widen_f32, 4, true)
FOLD(histogram_f64, widen_f64, 8, false)
#define INTEGER(dtype, T, R) FOLD(histogram_##dtype, widen_##dtype, sizeof(T), false)
ACC_INT_LIST(INTEGER)
#undef INTEGER
#undef FOLD

static void histogram_init(acc_state s, int64_t n_cells, const acc_params *params)
{
    memset(s.field[0], 0, (size_t)params->n_bins * 8); /* +0.0 and 0 are the same bits */
}

static void histogram_merge(acc_state a, acc_state b, int64_t n_cells, const acc_params *params)
{
    for (int64_t i = 0; i < params->n_bins; i++) {
        if (params->weighted)
            ((double *)(void *)a.field[0])[i] += ((const double *)(const void *)b.field[0])[i];
        else
            ((int64_t *)(void *)a.field[0])[i] += ((const int64_t *)(const void *)b.field[0])[i];
    }
}

static void histogram_finish(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params)
{
    memcpy(out, s.field[0], (size_t)params->n_bins * 8);
}

#define ENTRY(dtype, name) [dtype] = {1, {8}, TSR_I64, histogram_init, name, NULL, histogram_merge, histogram_finish}
#define INTEGER(dtype, T, R) ENTRY(dtype, histogram_##dtype),
acc_table ISA(acc_histogram) = {ACC_INT_LIST(INTEGER) ENTRY(TSR_F32, histogram_f32), ENTRY(TSR_F64, histogram_f64)};
