/* Kernels: plain loops over dense strips, compiled once per instruction set and collected in one table per set.
 *
 * All kernels are pure functions of their arguments, may run on any thread, and allocate nothing. Strips are short (a few
 * thousand elements), so that a chain of operations stays in the first-level cache. Input and output never overlap partly; where
 * said, they may be the same strip. */
#ifndef TESSERA_KERNEL_KERNEL_H
#define TESSERA_KERNEL_KERNEL_H

#include "kernel/op.h"

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */

/* Facts that a kernel notices and the engine turns into errors after the run. */
enum {
    FAULT_NEGATIVE_POWER = 1, /* integer ** negative integer */
    FAULT_PARAMETER = 2       /* a parameter of a distribution out of its range */
};

/* out[i] = op(a[i], b[i], c[i]) for i < n; unused operands are NULL; out may be any of the operands if sizes agree. */
typedef void (*map_kernel)(void *out, const void *a, const void *b, const void *c, size_t n, unsigned *faults);
/* Forms of a binary kernel: both strips, second operand one value, first operand one value. */
enum { FORM_VV, FORM_VS, FORM_SV, N_FORMS };

/* Trees of arithmetic on floats, done in registers: a list of links, each of which changes the value at hand, from left to right.
 * One value can be pushed aside and taken up again, so (a + b) * (c - d) is: load a, add b, push c, subtract d, multiply pushed.
 */
typedef enum chain_op {
    CHAIN_LOAD,
    CHAIN_PUSH, /* puts the value at hand aside, then loads */
    CHAIN_ADD,
    CHAIN_SUBTRACT,      /* x - y */
    CHAIN_SUBTRACT_FROM, /* y - x */
    CHAIN_MULTIPLY,
    CHAIN_DIVIDE,      /* x / y */
    CHAIN_DIVIDE_INTO, /* y / x */
    CHAIN_NEGATIVE,
    CHAIN_ABSOLUTE,
    CHAIN_SQUARE,
    CHAIN_SQRT
} chain_op;
/* Where y is: element i of a strip; element -i, for strips that run backwards; one value; what was pushed. Unary: FROM_STRIP. */
typedef enum chain_from { FROM_STRIP, FROM_REVERSED, FROM_ONE, FROM_PUSHED, N_CHAIN_FROM } chain_from;
enum { CHAIN_MAX_LINKS = 24, SUM_LANES = 32 };
/* Memory that later calls read, at one place or at several: while a strip is computed, as many bytes are asked for, shared
 * equally between the places. */
enum { AHEAD_PLACES = 4 };
typedef struct memory_ahead {
    int n_places; /* 1 or AHEAD_PLACES */
    const char *place[AHEAD_PLACES];
} memory_ahead;
typedef struct chain_link {
    chain_op op;
    chain_from from;
    const void *operand; /* NULL: none */
    memory_ahead *ahead; /* NULL: nothing */
} chain_link;
typedef void (*chain_kernel)(void *out, const chain_link *links, int n_links, size_t n);
typedef struct chain_kernels {
    chain_kernel store;  /* out[i] = value i */
    chain_kernel stream; /* likewise around the caches: out is aligned to 64 bytes, and needs a store fence at the end */
    /* Adds value i to lane i % SUM_LANES, as sums of rows do: out holds SUM_LANES doubles. */
    chain_kernel sum;
} chain_kernels;

typedef void (*cast_kernel)(void *out, const void *in, size_t n);
/* out[i] = in[i * stride_bytes] (any stride; unaligned addresses allowed), with the bytes reversed in the swapped form. */
typedef void (*gather_kernel)(void *out, const void *in, int64_t stride_bytes, size_t n);
/* out[i * stride_bytes] = in[i]. */
typedef void (*scatter_kernel)(void *out, int64_t stride_bytes, const void *in, size_t n);

/* ---- Generators -------------------------------------------------------------------------------------------------- */

typedef enum random_kind { RANDOM_UNIFORM, RANDOM_NORMAL, RANDOM_INTEGERS, N_RANDOM_KINDS } random_kind;

/* Counter-based: element `index` of the stream `key` is a pure function of (key, kind, dtype, index), so that a seed gives the
 * same array whatever the chunks, threads and instruction set. */
typedef struct random_params {
    uint64_t key[2];
    double a, b; /* uniform: low, high; normal: mean, standard deviation */
    int64_t low; /* integers: low .. low + range - 1; range 0 means all 2^64 */
    uint64_t range;
} random_params;
/* out[i] = element (index + i * step), i < n, step of either sign or 0. Uniform and normal: f32, f64; integers: i64 (and u64). */
typedef void (*random_kernel)(void *out, const random_params *params, int64_t index, int64_t step, size_t n);
/* out[i] = index + i * step as i64. */
typedef void (*index_kernel)(int64_t *out, int64_t index, int64_t step, size_t n);

/* ---- Accumulators ------------------------------------------------------------------------------------------------ */

/* X(enum name, text) */
#define MONOID_LIST(X)                                                                                                           \
    X(SUM, "sum")                                                                                                                \
    X(PROD, "prod")                                                                                                              \
    X(MIN, "min")                                                                                                                \
    X(MAX, "max")                                                                                                                \
    X(FMIN, "nanmin")                                                                                                            \
    X(FMAX, "nanmax")                                                                                                            \
    X(ANY, "any")                                                                                                                \
    X(ALL, "all")                                                                                                                \
    X(COUNT_NONZERO, "count_nonzero")                                                                                            \
    X(COUNT_VALID, "count_valid")                                                                                                \
    X(ARGMIN, "argmin")                                                                                                          \
    X(ARGMAX, "argmax")                                                                                                          \
    X(NANARGMIN, "nanargmin")                                                                                                    \
    X(NANARGMAX, "nanargmax")                                                                                                    \
    X(MEAN, "mean")                                                                                                              \
    X(VAR, "var")                                                                                                                \
    X(STD, "std")                                                                                                                \
    X(NANSUM, "nansum")                                                                                                          \
    X(NANPROD, "nanprod")                                                                                                        \
    X(NANMEAN, "nanmean")                                                                                                        \
    X(NANVAR, "nanvar")                                                                                                          \
    X(NANSTD, "nanstd")                                                                                                          \
    X(BIT_AND, "bitwise_and")                                                                                                    \
    X(BIT_OR, "bitwise_or")                                                                                                      \
    X(BIT_XOR, "bitwise_xor")                                                                                                    \
    X(HISTOGRAM, "histogram")

typedef enum monoid {
#define X(name, text) MONOID_##name,
    MONOID_LIST(X)
#undef X
        N_MONOIDS
} monoid;
const char *monoid_name(monoid m);

enum { ACC_MAX_FIELDS = 3 };

typedef struct acc_params {
    double ddof;         /* var, std and their nan-forms */
    int64_t n_bins;      /* histogram: state has n_bins cells whatever is reduced */
    const double *edges; /* n_bins + 1 increasing edges; NULL when uniform over [low, high] */
    double low, high;
    bool weighted; /* histogram: the second strip is f64 weights */
} acc_params;

/* State of an accumulator over a row of cells: up to three dense arrays ("fields"), one entry a cell. */
typedef struct acc_state {
    char *field[ACC_MAX_FIELDS];
} acc_state;

/* A patch of the input: rows x cols elements, x[r * pitch + c]. */
typedef struct acc_patch {
    const void *x, *weight;
    int64_t rows, cols, pitch;
    int64_t index, index_row, index_col; /* flat index of x[0], and its step along rows and columns (arg- reductions) */
} acc_patch;

/* One accumulator for one input dtype. Order of calls for a cell: init, any number of fold_*, merge..., finish.
 * Float32 and float64 sums are kept in f64, with a fixed lane structure: the same bits on every instruction set. */
typedef struct acc_ops {
    int n_fields;
    uint8_t field_bytes[ACC_MAX_FIELDS];
    tsr_dtype result; /* dtype of what finish() writes */
    void (*init)(acc_state s, int64_t n_cells, const acc_params *params);
    /* Each row folds into one cell: row r into cell r * cell_step (cell_step may be 0: all rows into one cell). */
    void (*fold_rows)(acc_state s, const acc_patch *patch, int64_t cell_step, const acc_params *params);
    /* Each column folds into its own cell: column c into cell c. NULL for the histogram. */
    void (*fold_cols)(acc_state s, const acc_patch *patch, const acc_params *params);
    /* a = a (+) b, cell by cell; a's elements come before b's. */
    void (*merge)(acc_state a, acc_state b, int64_t n_cells, const acc_params *params);
    /* out[i] from cell i. `n_folded` is the number of elements that went into each cell (0: empty reduction). */
    void (*finish)(void *out, acc_state s, int64_t n_cells, int64_t n_folded, const acc_params *params);
} acc_ops;

/* The accumulator's operations for inputs of a dtype, or NULL where NumPy has none (min of nothing is the caller's check).
 * Complex: sum, prod, mean, var, std, any, all, count_nonzero, their nan-forms, and min/max/arg* in lexicographic order. */
typedef struct kernels kernels;
const acc_ops *kernels_acc(const kernels *k, monoid m, tsr_dtype dtype);
/* The dtype a monoid gives for inputs of `dtype`; TSR_ERR_TYPE if it does not exist. Sum and prod of integers and bool widen to
 * 64 bits. */
tsr_status monoid_result(monoid m, tsr_dtype dtype, tsr_dtype *result) MUST_CHECK;

/* ---- Kernels over whole blocks of (outer, length, inner) --------------------------------------------------------- */

/* Running sum, product and the like along the middle axis of a dense block, continuing from and updating carry (outer x inner
 * values of `dtype`). dtype is the accumulating dtype; out may be in. */
typedef void (*scan_kernel)(void *out, const void *in, void *carry, int64_t outer, int64_t length, int64_t inner);
typedef enum scan_kind {
    SCAN_SUM,
    SCAN_PROD,
    SCAN_NANSUM,
    SCAN_NANPROD,
    SCAN_MAX, /* real dtypes; NaN stays */
    SCAN_MIN,
    SCAN_LAST, /* the last element so far that is not NaN; f32 and f64 */
    SCAN_MAP,  /* op(so far, element) for an operation of two operands: scan_by_map */
    N_SCAN_KINDS
} scan_kind;

/* For SCAN_MAP: in place, any operation for which op_fold_dtype gives `dtype`. Without has_carry the first elements are those
 * that are folded into; carry gets the last ones. Where a mask is given and 0, an element is passed over. */
typedef struct scan_map {
    op_code op;
    tsr_dtype dtype;
    char *data;
    const uint8_t *mask; /* or NULL; with has_carry only */
    char *carry;
    bool has_carry;
    int64_t outer, length, inner;
} scan_map;
void scan_by_map(const kernels *k, const scan_map *s, unsigned *faults);

/* X(enum name, NumPy's name, is the result an element of the column) */
#define QUANTILE_METHODS(X)                                                                                                      \
    X(LINEAR, "linear", false)                                                                                                   \
    X(INVERTED_CDF, "inverted_cdf", true)                                                                                        \
    X(AVERAGED_INVERTED_CDF, "averaged_inverted_cdf", false)                                                                     \
    X(CLOSEST_OBSERVATION, "closest_observation", true)                                                                          \
    X(INTERPOLATED_INVERTED_CDF, "interpolated_inverted_cdf", false)                                                             \
    X(HAZEN, "hazen", false)                                                                                                     \
    X(WEIBULL, "weibull", false)                                                                                                 \
    X(MEDIAN_UNBIASED, "median_unbiased", false)                                                                                 \
    X(NORMAL_UNBIASED, "normal_unbiased", false)                                                                                 \
    X(LOWER, "lower", true)                                                                                                      \
    X(HIGHER, "higher", true)                                                                                                    \
    X(MIDPOINT, "midpoint", false)                                                                                               \
    X(NEAREST, "nearest", true)

typedef enum quantile_method {
#define X(name, text, is_element) QUANTILE_##name,
    QUANTILE_METHODS(X)
#undef X
        N_QUANTILE_METHODS
} quantile_method;
const char *quantile_method_name(quantile_method m);
/* N_QUANTILE_METHODS: there is none of that name. */
quantile_method quantile_method_find(const char *name);
/* Does the method choose an element, so that the result has the column's dtype? The others interpolate: integers give f64. */
bool quantile_is_element(quantile_method m);

/* Quantiles over the middle axis, each q[i] in [0, 1]. NaN in a column gives NaN, or is left out if skip_nan; of nothing the
 * result is NaN (0 where the result is an integer). scratch holds `length` values of the input's dtype. out is
 * (n_q, outer, inner), dense. */
typedef void (*quantile_kernel)(void *out, const void *in, void *scratch, int64_t outer, int64_t length, int64_t inner,
                                const double *q, int n_q, quantile_method method, bool skip_nan);

/* ---- The table --------------------------------------------------------------------------------------------------- */

struct kernels {
    const char *isa; /* "x86-64-v4", "generic" */
    const map_kernel (
        *map)[TSR_N_DTYPES][N_FORMS]; /* [op][op_kernel_dtype][form]; unary and ternary in FORM_VV only; NULL: no loop */
    const chain_kernels *chain;       /* [dtype]: f32, f64 */
    double (*sum_of_lanes)(const double *lanes);               /* of SUM_LANES, in the order of the sums of rows */
    const cast_kernel (*cast)[TSR_N_DTYPES];                   /* [from][to] */
    const gather_kernel (*gather)[2];                          /* [dtype][swapped] */
    const scatter_kernel *scatter;                             /* [dtype] */
    void (*stream)(void *out, const void *in, size_t n_bytes); /* a copy around the caches; needs a store fence at the end */
    const random_kernel (*random)[TSR_N_DTYPES];               /* [kind][dtype] */
    index_kernel index;
    const acc_ops *const *acc;               /* [monoid][dtype]; n_fields 0: no such accumulator */
    const scan_kernel (*scan)[TSR_N_DTYPES]; /* [kind][dtype]; NULL: not defined */
    const quantile_kernel (*quantile)[2];    /* [real dtype][is the result f64]; the result of f32 may be either */
};

/* The best table for this processor, or the one TESSERA_ISA names ("v2", "v3", "v4", "x86-64-v3", "generic"); TSR_ERR_VALUE if
 * the name is unknown or the processor lacks it. Tables are constant data: the pointer lives as long as the program. */
tsr_status kernels_select(const char *isa, const kernels **out) MUST_CHECK;
/* All tables this processor can run, best first. Returns their number. */
int kernels_available(const kernels **out, int capacity);

#endif
