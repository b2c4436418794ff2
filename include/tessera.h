/* Tessera: n-dimensional arrays larger than memory, lazy, cut into chunks, computed on every core.
 *
 * Read this header from top to bottom: it is the whole public interface.
 *
 *   tsr_session *s = tsr_session_open(NULL, NULL);
 *   tsr_array *x = tsr_random_normal(s, 7, 0.0, 0.1, TSR_F64, 1, (int64_t[]){200000000}, NULL);
 *   double mean;
 *   if (tsr_compute_into(tsr_mean(x, 0, NULL, false), &mean, sizeof mean) != TSR_OK)
 *       fprintf(stderr, "%s\n", tsr_error_message());
 *   tsr_session_close(s);
 *
 * Rules that hold everywhere:
 * - Array functions build an expression and return at once; nothing is computed before tsr_compute, tsr_persist or tsr_store.
 * - Functions that return an array return NULL on failure, and NULL given as an array gives NULL back (the first
 *   reason is kept), so calls nest and one check at the end is enough. Everything else returns a tsr_status.
 * - The session owns every array made in it until tsr_release or tsr_session_close.
 * - Sessions and arrays may be used from any thread. Error text belongs to the thread that made the failing call.
 */
#ifndef TESSERA_H
#define TESSERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TSR_API __attribute__((visibility("default")))
#else
#define TSR_API
#endif

/* ---- Status ------------------------------------------------------------------------------------------------------ */

typedef enum tsr_status {
    TSR_OK = 0,
    TSR_ERR_VALUE = 1,       /* an argument is out of its range, shapes do not fit */
    TSR_ERR_TYPE = 2,        /* the operation does not exist for this dtype */
    TSR_ERR_INDEX = 3,       /* an axis or index out of range */
    TSR_ERR_MEMORY = 4,      /* an allocation failed, or the memory budget cannot hold one block */
    TSR_ERR_IO = 5,          /* the operating system refused: file missing, disk full, permission */
    TSR_ERR_FORMAT = 6,      /* a file is truncated, corrupt or not of the expected format */
    TSR_ERR_NOT_FOUND = 7,   /* no such variable, dimension, label or attribute */
    TSR_ERR_UNSUPPORTED = 8, /* valid, but this build or format cannot do it */
    TSR_ERR_CANCELLED = 9,   /* tsr_cancel or Ctrl-C */
    TSR_ERR_SYNTAX = 10,     /* an expression does not parse */
    TSR_ERR_INTERNAL = 11,   /* a bug in Tessera: please report it */
    TSR_ERR_TIMEOUT = 12     /* what was waited for did not come in time */
} tsr_status;

/* Name of a status, "TSR_ERR_VALUE". Never NULL. */
TSR_API const char *tsr_status_name(tsr_status status);
/* Text and code of the last failure in the calling thread; "" and TSR_OK if there was none since tsr_error_clear.
 * The text is valid until the thread's next failing call. */
TSR_API const char *tsr_error_message(void);
TSR_API tsr_status tsr_error_code(void);
/* The operating system's reason (ENOENT, EACCES ...) where TSR_ERR_IO has one, else 0. */
TSR_API int tsr_error_errno(void);
TSR_API void tsr_error_clear(void);

/* Version of the library, "0.1.0". */
TSR_API const char *tsr_version(void);

/* ---- Element types ----------------------------------------------------------------------------------------------- */

typedef enum tsr_dtype {
    TSR_BOOL = 0,
    TSR_I8 = 1,
    TSR_I16 = 2,
    TSR_I32 = 3,
    TSR_I64 = 4,
    TSR_U8 = 5,
    TSR_U16 = 6,
    TSR_U32 = 7,
    TSR_U64 = 8,
    TSR_F32 = 9,
    TSR_F64 = 10,
    TSR_C64 = 11, /* two f32 */
    TSR_C128 = 12 /* two f64 */
} tsr_dtype;

enum { TSR_N_DTYPES = 13, TSR_MAX_NDIM = 16 };

/* Size of an element in bytes; 0 for a value that is no dtype. */
TSR_API size_t tsr_dtype_size(tsr_dtype dtype);
/* NumPy's name: "float64". NULL for a value that is no dtype. */
TSR_API const char *tsr_dtype_name(tsr_dtype dtype);
/* Reads "float64", "f64", "f8", "<f8", "double" and the like. TSR_ERR_TYPE if the name is unknown. */
TSR_API tsr_status tsr_dtype_parse(const char *name, tsr_dtype *dtype);
/* The dtype two arrays meet in (NumPy 2's promotion of array dtypes). */
TSR_API tsr_dtype tsr_dtype_promote(tsr_dtype a, tsr_dtype b);

/* A single value of any dtype: signed integers in i, unsigned ones and bool in u, real numbers in f, complex ones in f and imag.
 */
typedef struct tsr_scalar {
    tsr_dtype dtype;
    int64_t i;
    uint64_t u;
    double f;
    double imag;
} tsr_scalar;

/* Values of dtype int64, uint64, float64, complex128 and bool. */
TSR_API tsr_scalar tsr_int(int64_t value);
TSR_API tsr_scalar tsr_uint(uint64_t value);
TSR_API tsr_scalar tsr_float(double value);
TSR_API tsr_scalar tsr_complex(double real, double imag);
TSR_API tsr_scalar tsr_bool(bool value);

/* ---- Sessions ---------------------------------------------------------------------------------------------------- */

typedef struct tsr_session tsr_session;
typedef struct tsr_array tsr_array;

/* Zero or NULL in a field means its default. */
typedef struct tsr_options {
    int n_threads;           /* default: the processors this process may use */
    size_t memory_bytes;     /* budget for blocks; default: 60 % of what the machine or its cgroup has left */
    const char *scratch_dir; /* where blocks are spilled; default: TMPDIR or /tmp */
    const char *isa;         /* instruction set of the kernels, "x86-64-v3"; default: TESSERA_ISA or the best there is */
    /* Sessions on a cluster: files that prove who one is (see tsr_cluster_security), and a name that people see. */
    const char *secret_file, *ca_file, *cert_file, *key_file;
    const char *name;
    const struct tsr_function_codec *codec; /* on a cluster: how functions in expressions get to the workers; copied */
    double connect_seconds; /* on a cluster: the scheduler has to answer within; default: 10, or 2 where this host refuses */
} tsr_options;

/* Opens a session. address NULL or "threads" computes in this process; "tcp://head:8786", "tls://head:8786" or
 * "unix:///run/tessera.sock" on the workers of the scheduler that listens there: everything below works the same, bit for bit.
 * Memory, threads and scratch folder are then the workers'. The scheduler has to answer within 10 seconds, or 2 where nobody
 * listens on this very host (TSR_ERR_IO; connect_seconds says otherwise); a connection that is lost later is made anew by itself.
 * Several addresses with commas between are tried in turn, now and after a loss. options may be NULL. NULL on failure. */
TSR_API tsr_session *tsr_session_open(const char *address, const tsr_options *options);
/* Frees every array of the session, whatever references are left, and ends its threads. NULL is fine. */
TSR_API void tsr_session_close(tsr_session *session);

/* Frees text that the library returned (tsr_explain, tsr_visualize). NULL is fine. */
TSR_API void tsr_free(void *text);

/* ---- Running ----------------------------------------------------------------------------------------------------- */

/* Computes n arrays together, sharing all work they have in common, into the caller's memory: outs[i] receives arrays[i] in dense
 * C order and native byte order, and must hold tsr_nbytes(arrays[i]) bytes. A NULL array returns the reason it failed with.
 * On failure the contents of outs are undefined. Blocks until done. */
TSR_API tsr_status tsr_compute(int n, tsr_array *const *arrays, void *const *outs);
/* One array; TSR_ERR_VALUE unless size_bytes is exactly tsr_nbytes(a). */
TSR_API tsr_status tsr_compute_into(tsr_array *a, void *out, size_t size_bytes);
/* Computes n arrays together and keeps their blocks in the session (in memory, spilled to disk when the budget demands it).
 * results[i] is a new array of the same shape, dtype and chunks that reads them; release it to give the blocks back.
 * On failure no results are made. */
TSR_API tsr_status tsr_persist(int n, tsr_array *const *arrays, tsr_array **results);
/* Waits until every block of the persisted arrays that these arrays are, or read, is there; nothing else is computed. Threads
 * make them before tsr_persist returns; on a cluster that returns at once, and the reason why blocks cannot be made comes out
 * here. What is lost later with its worker is made again when it is read. Progress is reported, and tsr_cancel ends the wait, as
 * for tsr_compute; other computations of the session go on meanwhile. TSR_ERR_TIMEOUT after `seconds` (negative: never);
 * TSR_ERR_VALUE if none of the arrays reads a persisted one. */
TSR_API tsr_status tsr_wait(int n, tsr_array *const *arrays, double seconds);
/* Computes n arrays together into one file, which appears under `path` whole or not at all. names[i] is the variable's name
 * (NULL: "data", "data_1", ...); formats that hold one array (npy) need n = 1. format: "nc", "nc4", "npy"; NULL: by the
 * extension. Dimensions are called dim_0, dim_1, ...; to write named dimensions, coordinates and attributes use a dataset. */
TSR_API tsr_status tsr_store(int n, tsr_array *const *arrays, const char *const *names, const char *path, const char *format);
/* tsr_store of one array in the format of the extension, under the name "data". */
TSR_API tsr_status tsr_save(tsr_array *a, const char *path);
/* Where an array goes that goes to no file. */
typedef struct tsr_sink {
    /* Takes the shape[d] elements from start[d] on: dense, C order, native byte order. Called on the session's threads, on many
     * at once unless `serial`; regions never overlap. To fail, return a status other than TSR_OK. */
    tsr_status (*write)(void *context, const int64_t *start, const int64_t *shape, const void *data);
    void *context;
    const int64_t *chunk; /* regions cover whole chunks of these lengths, or end with the array; NULL: any regions */
    bool serial;
} tsr_sink;
/* Computes n arrays together and hands array i, region by region, to sinks[i]. */
TSR_API tsr_status tsr_store_to(int n, tsr_array *const *arrays, const tsr_sink *sinks);
/* Other settings for a session's later computations: n_threads and memory_bytes; fields that are zero stay as they are. Waits for
 * a running computation. */
TSR_API tsr_status tsr_session_configure(tsr_session *session, const tsr_options *options);
/* Makes all that the session computes or waits for, also what waits for its turn, end soon with TSR_ERR_CANCELLED; nothing that
 * is begun later. May be called from any thread and from a signal handler. */
TSR_API void tsr_cancel(tsr_session *session);
/* How soon the calling thread's later computations on clusters get the workers' threads, persisted arrays among them: larger is
 * sooner, 0 at first. Workers share their time between computations of the same priority; those of a smaller one get what these
 * leave. Returns what it was. (Tasks have theirs in tsr_task_options.) */
TSR_API int tsr_set_priority(int priority);

typedef struct tsr_progress {
    double fraction; /* 0 .. 1 of the estimated work */
    int64_t tasks_done, tasks_total;
    int64_t bytes_read, bytes_written;
    double seconds;    /* since the start */
    const char *stage; /* what runs now; valid during the callback */
} tsr_progress;

/* Calls callback(context, progress) about every interval_ms while a computation runs, and once at its end, from the thread that
 * called tsr_compute, tsr_persist or tsr_store. callback NULL switches it off. */
TSR_API tsr_status tsr_set_progress(tsr_session *session, void (*callback)(void *context, const tsr_progress *progress),
                                    void *context, int interval_ms);

/* What the session's last computation did. */
typedef struct tsr_stats {
    int64_t tasks;
    int64_t bytes_read, bytes_written; /* files */
    int64_t bytes_spilled;             /* scratch */
    size_t peak_bytes;                 /* the most in blocks at one time */
    double seconds;
} tsr_stats;

TSR_API tsr_status tsr_run_stats(tsr_session *session, tsr_stats *out);

/* What computing these arrays together would take, told by the plan before anything runs. */
typedef struct tsr_prediction {
    int64_t tasks;
    int64_t bytes_read; /* from files and sources, if the budget keeps the blocks that are read twice */
    int64_t
        elements; /* that the tasks go through, once in each stage; of products of matrices what they are made of, tile by tile */
} tsr_prediction;

TSR_API tsr_status tsr_predict(int n, tsr_array *const *arrays, tsr_prediction *out);

/* What computing these arrays together would do, stage by stage, as text to read. The caller frees it with tsr_free. NULL on
 * failure. */
TSR_API char *tsr_explain(int n, tsr_array *const *arrays);
/* A drawing of the "expression" or of the "plan", as "dot" or "svg". The caller frees it with tsr_free. NULL on failure. */
TSR_API char *tsr_visualize(int n, tsr_array *const *arrays, const char *what, const char *format);
/* Writes every task of the session's later computations (stage, block, thread, start, end, bytes) to `path` in the Chrome trace
 * format, which Perfetto reads. path NULL ends tracing. TSR_ERR_UNSUPPORTED in sessions on a cluster. */
TSR_API tsr_status tsr_trace_to(tsr_session *session, const char *path);

/* ---- Facts about an array ---------------------------------------------------------------------------------------- */

/* Drops the caller's reference: every array a function returned is released once, or left to tsr_session_close. Arrays built on
 * it stay valid. NULL is fine. */
TSR_API void tsr_release(tsr_array *a);
/* One more reference, to be released too. Returns `a`. */
TSR_API tsr_array *tsr_retain(tsr_array *a);
TSR_API tsr_session *tsr_session_of(const tsr_array *a);

/* For a NULL array: dtype -1, ndim -1, shape NULL, size and bytes -1. The shape is valid as long as the array. */
TSR_API tsr_dtype tsr_dtype_of(const tsr_array *a);
TSR_API int tsr_ndim(const tsr_array *a);
TSR_API const int64_t *tsr_shape(const tsr_array *a);
TSR_API int64_t tsr_size(const tsr_array *a);
TSR_API int64_t tsr_nbytes(const tsr_array *a);
/* Number of chunks along an axis (negative axes count from the end); -1 if there is no such axis. */
TSR_API int64_t tsr_n_chunks(const tsr_array *a, int axis);
/* Lengths of the chunks along an axis into out[0 .. tsr_n_chunks - 1]. */
TSR_API tsr_status tsr_chunk_sizes(const tsr_array *a, int axis, int64_t *out);

/* ---- Creation ---------------------------------------------------------------------------------------------------- */

/* `chunks` in all functions: one length for each axis; -1 the whole axis, 0 chosen automatically; NULL chooses all automatically
 * (blocks of about 8 MiB, aligned to a file's own chunks). A length beyond the axis means the whole axis. */

/* An array that reads the caller's memory, without a copy. strides_bytes may be NULL (dense C order), and may be negative; data
 * is the address of element (0, ..., 0). The memory must stay unchanged until release(context) is called, which happens once,
 * when the array and everything built on it is gone (from whichever thread lets go last). release may be NULL. If the function
 * fails, release is not called. */
TSR_API tsr_array *tsr_from_memory(tsr_session *session, const void *data, tsr_dtype dtype, int ndim, const int64_t *shape,
                                   const int64_t *strides_bytes, void (*release)(void *context), void *context,
                                   const int64_t *chunks);
/* A variable of a file (NetCDF, HDF5, .npy, PNG, JPEG, TIFF; recognised by its content), values as stored: scale_factor and the
 * like are not applied. variable may be NULL if the file holds only one. Images have the shape (height, width), with colours
 * (height, width, channels), with pages (pages, height, width[, channels]). */
TSR_API tsr_array *tsr_open(tsr_session *session, const char *path, const char *variable, const int64_t *chunks);
/* Many files that hold one array each (images, .npy), all of one shape and dtype, as one array with a new first axis. Paths may
 * be patterns; what matches one comes in natural order ("t9" before "t10"). Only the first file is opened by the call; one that
 * does not fit is an error when its values are needed. */
TSR_API tsr_array *tsr_open_stack(tsr_session *session, int n, const char *const *paths, const int64_t *chunks);

/* The value is converted to dtype. */
TSR_API tsr_array *tsr_full(tsr_session *session, tsr_scalar value, tsr_dtype dtype, int ndim, const int64_t *shape,
                            const int64_t *chunks);
TSR_API tsr_array *tsr_zeros(tsr_session *session, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks);
TSR_API tsr_array *tsr_ones(tsr_session *session, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks);
/* An array of no dimensions, in the value's own dtype. */
TSR_API tsr_array *tsr_scalar_array(tsr_session *session, tsr_scalar value);
/* The same, in the dtype a plain Python number takes beside `like` (NumPy 2, NEP 50): 2 beside uint8 is uint8 (TSR_ERR_VALUE if
 * it does not fit), 2.5 beside float32 is float32, 2.5 beside int32 is float64. value.dtype only says bool, integer, real or
 * complex. */
TSR_API tsr_array *tsr_scalar_like(const tsr_array *like, tsr_scalar value);
/* start, start + step, ... before stop; ceil((stop - start) / step) elements, none if that is negative. Element i is start + i *
 * delta in the dtype's own arithmetic, as in NumPy. */
TSR_API tsr_array *tsr_arange(tsr_session *session, double start, double stop, double step, tsr_dtype dtype,
                              const int64_t *chunks);
/* The same, exact in 64-bit integers. */
TSR_API tsr_array *tsr_arange_int(tsr_session *session, int64_t start, int64_t stop, int64_t step, tsr_dtype dtype,
                                  const int64_t *chunks);
/* n evenly spaced values from start to stop, which is the last one exactly if `endpoint`, else left out. Integer dtypes round
 * down. */
TSR_API tsr_array *tsr_linspace(tsr_session *session, double start, double stop, int64_t n, bool endpoint, tsr_dtype dtype,
                                const int64_t *chunks);
/* n rows, m columns (m = -1: n), ones on the k-th diagonal. */
TSR_API tsr_array *tsr_eye(tsr_session *session, int64_t n, int64_t m, int64_t k, tsr_dtype dtype, const int64_t *chunks);

/* Random numbers are a pure function of the seed, the distribution, its parameters, the dtype and the element's flat index: a
 * seed gives the same array whatever the chunks, threads and machines. Use another seed for each array that is to be independent.
 *
 * Any of NumPy's distributions, with its parameters in NumPy's order: tsr_random(s, 7, "gamma", 2, (tsr_array *[]){shape, scale},
 * ...). Each is a number (tsr_scalar_array) or an array; all broadcast to the shape, or, with ndim -1, give it together. Last
 * ones that are left out have NumPy's defaults. Real distributions give float32 or float64, those of counts any integer dtype.
 * Values out of range fail at once in numbers and memory, in other arrays when they are computed. beta(a, b)  binomial(n, p)
 * chisquare(df)  exponential(scale)  f(dfnum, dfden)  gamma(shape, scale)  geometric(p) gumbel(loc, scale)  hypergeometric(ngood,
 * nbad, nsample)  integers(low, high)  laplace(loc, scale)  logistic(loc, scale) lognormal(mean, sigma)  logseries(p)
 * negative_binomial(n, p)  noncentral_chisquare(df, nonc) noncentral_f(dfnum, dfden, nonc)  normal(loc, scale)  pareto(a)
 * poisson(lam)  power(a)  random()  rayleigh(scale) standard_cauchy()  standard_exponential()  standard_gamma(shape)
 * standard_normal()  standard_t(df) triangular(left, mode, right)  uniform(low, high)  vonmises(mu, kappa)  wald(mean, scale)
 * weibull(a)  zipf(a) */
TSR_API tsr_array *tsr_random(tsr_session *session, uint64_t seed, const char *distribution, int n_parameters,
                              tsr_array *const *parameters, tsr_dtype dtype, int ndim, const int64_t *shape,
                              const int64_t *chunks);
/* The distributions' names, index = 0, 1, ...; NULL past the last. n_parameters (may be NULL) receives how many it takes. */
TSR_API const char *tsr_random_name(int index, int *n_parameters);
/* The same numbers as tsr_random's, for parameters that are numbers. uniform: low <= x < high; normal: mean and standard
 * deviation; integers: low <= x < high. */
TSR_API tsr_array *tsr_random_uniform(tsr_session *session, uint64_t seed, double low, double high, tsr_dtype dtype, int ndim,
                                      const int64_t *shape, const int64_t *chunks);
TSR_API tsr_array *tsr_random_normal(tsr_session *session, uint64_t seed, double mean, double deviation, tsr_dtype dtype,
                                     int ndim, const int64_t *shape, const int64_t *chunks);
TSR_API tsr_array *tsr_random_integers(tsr_session *session, uint64_t seed, int64_t low, int64_t high, tsr_dtype dtype, int ndim,
                                       const int64_t *shape, const int64_t *chunks);

/* Numbers that depend on each other. dirichlet: proportions that add up to 1; multinomial: counts of n trials with these
 * probabilities (n and the rows of pvals broadcast; ndim -1: give the shape together); multivariate_hypergeometric: how many of
 * each color are among nsample. One for each element of the shape, along a new last axis; `chunks` are for the shape. */
TSR_API tsr_array *tsr_random_dirichlet(tsr_array *alpha, uint64_t seed, int ndim, const int64_t *shape, const int64_t *chunks);
TSR_API tsr_array *tsr_random_multinomial(tsr_array *n, tsr_array *pvals, uint64_t seed, int ndim, const int64_t *shape,
                                          const int64_t *chunks);
TSR_API tsr_array *tsr_random_multivariate_hypergeometric(tsr_array *colors, int64_t nsample, uint64_t seed, int ndim,
                                                          const int64_t *shape, const int64_t *chunks);
/* Normal numbers of these means (1-d) and covariances, one row for each element of the shape. The covariances are factorised by
 * the call: method "svd", "eigh" or "cholesky" (which fails if they are not positive definite). *valid (may be NULL) receives
 * whether they are symmetric and positive semidefinite, within the tolerance. */
TSR_API tsr_array *tsr_random_multivariate_normal(tsr_array *mean, tsr_array *cov, uint64_t seed, const char *method,
                                                  double tolerance, bool *valid, int ndim, const int64_t *shape,
                                                  const int64_t *chunks);
/* 0 .. n - 1 in a random order (int64). Long ones are computed place by place: a part of it costs only itself. */
TSR_API tsr_array *tsr_random_permutation(tsr_session *session, uint64_t seed, int64_t n, const int64_t *chunks);
/* The elements along an axis in a random order, another one for each place on the other axes. */
TSR_API tsr_array *tsr_random_permuted(tsr_array *a, uint64_t seed, int axis);
/* Numbers from 0 .. n - 1 (int64), each with its probability (p NULL: all the same), or each at most once (replace false). */
TSR_API tsr_array *tsr_random_choice(tsr_session *session, uint64_t seed, int64_t n, tsr_array *p, bool replace, int ndim,
                                     const int64_t *shape, const int64_t *chunks);
/* The same with elements of a 1-d array. */
TSR_API tsr_array *tsr_random_choice_of(tsr_array *a, uint64_t seed, tsr_array *p, bool replace, int ndim, const int64_t *shape,
                                        const int64_t *chunks);

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */

/* NumPy's functions, with NumPy's names, broadcasting, promotion and results. For a plain number use tsr_scalar_like. */

TSR_API tsr_array *tsr_add(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_subtract(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_multiply(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_divide(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_true_divide(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_floor_divide(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_remainder(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_mod(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_fmod(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_power(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_float_power(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_maximum(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_minimum(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_fmax(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_fmin(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_arctan2(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_hypot(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_copysign(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_nextafter(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_logaddexp(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_logaddexp2(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_heaviside(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_ldexp(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_gcd(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_lcm(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_bitwise_and(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_bitwise_or(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_bitwise_xor(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_left_shift(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_right_shift(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_equal(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_not_equal(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_less(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_less_equal(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_greater(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_greater_equal(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_logical_and(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_logical_or(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_logical_xor(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_logical_not(tsr_array *a);
TSR_API tsr_array *tsr_invert(tsr_array *a);
/* How many bits of the absolute value are set (uint8). */
TSR_API tsr_array *tsr_bitwise_count(tsr_array *a);
TSR_API tsr_array *tsr_negative(tsr_array *a);
TSR_API tsr_array *tsr_positive(tsr_array *a);
TSR_API tsr_array *tsr_absolute(tsr_array *a);
TSR_API tsr_array *tsr_abs(tsr_array *a);
TSR_API tsr_array *tsr_fabs(tsr_array *a);
TSR_API tsr_array *tsr_sign(tsr_array *a);
TSR_API tsr_array *tsr_rint(tsr_array *a);
TSR_API tsr_array *tsr_floor(tsr_array *a);
TSR_API tsr_array *tsr_ceil(tsr_array *a);
TSR_API tsr_array *tsr_trunc(tsr_array *a);
TSR_API tsr_array *tsr_fix(tsr_array *a);
TSR_API tsr_array *tsr_sqrt(tsr_array *a);
TSR_API tsr_array *tsr_square(tsr_array *a);
TSR_API tsr_array *tsr_cbrt(tsr_array *a);
TSR_API tsr_array *tsr_reciprocal(tsr_array *a);
TSR_API tsr_array *tsr_exp(tsr_array *a);
TSR_API tsr_array *tsr_exp2(tsr_array *a);
TSR_API tsr_array *tsr_expm1(tsr_array *a);
TSR_API tsr_array *tsr_log(tsr_array *a);
TSR_API tsr_array *tsr_log2(tsr_array *a);
TSR_API tsr_array *tsr_log10(tsr_array *a);
TSR_API tsr_array *tsr_log1p(tsr_array *a);
TSR_API tsr_array *tsr_sin(tsr_array *a);
TSR_API tsr_array *tsr_cos(tsr_array *a);
TSR_API tsr_array *tsr_tan(tsr_array *a);
TSR_API tsr_array *tsr_arcsin(tsr_array *a);
TSR_API tsr_array *tsr_arccos(tsr_array *a);
TSR_API tsr_array *tsr_arctan(tsr_array *a);
TSR_API tsr_array *tsr_sinh(tsr_array *a);
TSR_API tsr_array *tsr_cosh(tsr_array *a);
TSR_API tsr_array *tsr_tanh(tsr_array *a);
TSR_API tsr_array *tsr_arcsinh(tsr_array *a);
TSR_API tsr_array *tsr_arccosh(tsr_array *a);
TSR_API tsr_array *tsr_arctanh(tsr_array *a);
TSR_API tsr_array *tsr_sinc(tsr_array *a);
/* The modified Bessel function of the first kind, of order 0. */
TSR_API tsr_array *tsr_i0(tsr_array *a);
TSR_API tsr_array *tsr_deg2rad(tsr_array *a);
TSR_API tsr_array *tsr_radians(tsr_array *a);
TSR_API tsr_array *tsr_rad2deg(tsr_array *a);
TSR_API tsr_array *tsr_degrees(tsr_array *a);
TSR_API tsr_array *tsr_spacing(tsr_array *a);
TSR_API tsr_array *tsr_modf_fraction(tsr_array *a);
TSR_API tsr_array *tsr_modf_integer(tsr_array *a);
TSR_API tsr_array *tsr_frexp_mantissa(tsr_array *a);
TSR_API tsr_array *tsr_frexp_exponent(tsr_array *a);
TSR_API tsr_array *tsr_conjugate(tsr_array *a);
TSR_API tsr_array *tsr_conj(tsr_array *a);
TSR_API tsr_array *tsr_real(tsr_array *a);
TSR_API tsr_array *tsr_imag(tsr_array *a);
/* The complex numbers with these parts, which stay as they are (infinities, too). */
TSR_API tsr_array *tsr_complex_of(tsr_array *real, tsr_array *imag);
TSR_API tsr_array *tsr_isnan(tsr_array *a);
TSR_API tsr_array *tsr_isinf(tsr_array *a);
TSR_API tsr_array *tsr_isfinite(tsr_array *a);
TSR_API tsr_array *tsr_isposinf(tsr_array *a);
TSR_API tsr_array *tsr_isneginf(tsr_array *a);
TSR_API tsr_array *tsr_isreal(tsr_array *a);
TSR_API tsr_array *tsr_iscomplex(tsr_array *a);
TSR_API tsr_array *tsr_signbit(tsr_array *a);
/* condition ? x : y, with the condition taken as true where it is not zero. */
TSR_API tsr_array *tsr_where(tsr_array *condition, tsr_array *x, tsr_array *y);
/* minimum(maximum(a, low), high). For one bound alone use tsr_maximum or tsr_minimum. */
TSR_API tsr_array *tsr_clip(tsr_array *a, tsr_array *low, tsr_array *high);
/* To `decimals` places, halves to even; negative places round before the point. */
TSR_API tsr_array *tsr_round(tsr_array *a, int decimals);
/* The argument of a complex number. */
TSR_API tsr_array *tsr_angle(tsr_array *a, bool degrees);
/* NaN becomes 0, infinities the dtype's largest and smallest numbers; of complex numbers in each part. */
TSR_API tsr_array *tsr_nan_to_num(tsr_array *a);
/* NaN and the infinities become these values. */
TSR_API tsr_array *tsr_nan_to_num_with(tsr_array *a, double nan, double posinf, double neginf);
/* |a - b| <= atol + rtol * |b| (NumPy's defaults: rtol 1e-5, atol 1e-8). */
TSR_API tsr_array *tsr_isclose(tsr_array *a, tsr_array *b, double rtol, double atol, bool equal_nan);
/* Is that so of all elements? One bool. */
TSR_API tsr_array *tsr_allclose(tsr_array *a, tsr_array *b, double rtol, double atol, bool equal_nan);
/* Have both the same shape and elements? And the same, once they are broadcast together? One bool. equal_nan: NaN equals NaN. */
TSR_API tsr_array *tsr_array_equal(tsr_array *a, tsr_array *b, bool equal_nan);
TSR_API tsr_array *tsr_array_equiv(tsr_array *a, tsr_array *b);
/* Is the element NaN (of complex numbers: either part)? Of integers and bool none is. And the reverse. */
TSR_API tsr_array *tsr_isnull(tsr_array *a);
TSR_API tsr_array *tsr_notnull(tsr_array *a);
/* NumPy's functions of two results. On failure neither is made. */
TSR_API tsr_status tsr_divmod(tsr_array *a, tsr_array *b, tsr_array **quotient, tsr_array **remainder);
TSR_API tsr_status tsr_modf(tsr_array *a, tsr_array **fraction, tsr_array **integer);
TSR_API tsr_status tsr_frexp(tsr_array *a, tsr_array **mantissa, tsr_array **exponent);
/* Conversion as NumPy's astype does it with casting="unsafe". */
TSR_API tsr_array *tsr_astype(tsr_array *a, tsr_dtype dtype);

/* Applies the elementwise function of that NumPy name to n arrays: tsr_map("add", 2, (tsr_array *[]){a, b}). All of the functions
 * above that take arrays only, and NumPy's other spellings (acos, pow, ...). TSR_ERR_NOT_FOUND if there is none. */
TSR_API tsr_array *tsr_map(const char *name, int n, tsr_array *const *arrays);
/* The names tsr_map knows, index = 0, 1, ...; NULL past the last. n_arrays (may be NULL) receives how many arrays it takes. */
TSR_API const char *tsr_map_name(int index, int *n_arrays);

/* ---- Views ------------------------------------------------------------------------------------------------------- */

typedef enum tsr_index_kind {
    TSR_INDEX_SLICE = 0,
    TSR_INDEX_INTEGER = 1,
    TSR_INDEX_NEWAXIS = 2,
    TSR_INDEX_ELLIPSIS = 3,
    TSR_INDEX_ARRAY = 4, /* of integers */
    TSR_INDEX_MASK = 5
} tsr_index_kind;

/* One item of a[...]. A slice's start, stop and step count only where has_ says so: all zero is `:`. An integer is in start. An
 * array of integers is in memory, dense, and copied; a mask is an array of bool. */
typedef struct tsr_index {
    tsr_index_kind kind;
    bool has_start, has_stop, has_step;
    int64_t start, stop, step;
    int ndim;
    const int64_t *shape, *indices;
    tsr_array *mask;
} tsr_index;

/* a[items], NumPy's basic indexing (no arrays, no masks): negative numbers count from the end, slices are cut to the axis, an
 * integer drops its axis (TSR_ERR_INDEX if it is out of range), axes not named are whole. */
TSR_API tsr_array *tsr_slice(tsr_array *a, int n_items, const tsr_index *items);
/* axes[i] is the axis of `a` that becomes axis i; NULL reverses them. */
TSR_API tsr_array *tsr_transpose(tsr_array *a, const int *axes);
TSR_API tsr_array *tsr_swapaxes(tsr_array *a, int axis1, int axis2);
TSR_API tsr_array *tsr_moveaxis(tsr_array *a, int n_axes, const int *source, const int *destination);
/* An axis moved to before the one at `start`, which may be ndim: to the end. */
TSR_API tsr_array *tsr_rollaxis(tsr_array *a, int axis, int start);
/* The last two axes exchanged. */
TSR_API tsr_array *tsr_matrix_transpose(tsr_array *a);
TSR_API tsr_array *tsr_broadcast_to(tsr_array *a, int ndim, const int64_t *shape);
/* Each of n arrays in the shape that they have together, into results[0 .. n - 1]. On failure none is made. */
TSR_API tsr_status tsr_broadcast_arrays(int n, tsr_array *const *arrays, tsr_array **results);
/* New axes of length 1 at these places of the result. */
TSR_API tsr_array *tsr_expand_dims(tsr_array *a, int n_axes, const int *axes);
/* At least so many dimensions: new ones come first, but for three a vector comes into the middle, and a matrix in front. */
TSR_API tsr_array *tsr_atleast_1d(tsr_array *a);
TSR_API tsr_array *tsr_atleast_2d(tsr_array *a);
TSR_API tsr_array *tsr_atleast_3d(tsr_array *a);
/* Without these axes, which have length 1; axes NULL: all such. */
TSR_API tsr_array *tsr_squeeze(tsr_array *a, int n_axes, const int *axes);
/* Reversed along these axes; axes NULL: all. */
TSR_API tsr_array *tsr_flip(tsr_array *a, int n_axes, const int *axes);
/* Along axis 0; along axis 1. */
TSR_API tsr_array *tsr_flipud(tsr_array *a);
TSR_API tsr_array *tsr_fliplr(tsr_array *a);
/* Turned k times by 90 degrees, from axis1 towards axis2. */
TSR_API tsr_array *tsr_rot90(tsr_array *a, int k, int axis1, int axis2);
/* The same bytes as another dtype; if it is longer or shorter, the last axis becomes shorter or longer. */
TSR_API tsr_array *tsr_view(tsr_array *a, tsr_dtype dtype);
/* The k-th diagonal of axes axis1 and axis2, as the last axis. */
TSR_API tsr_array *tsr_diagonal(tsr_array *a, int64_t k, int axis1, int axis2);

/* Windows of n elements along an axis, each `step` further than the one before: the axis becomes (length - n) / step + 1 long,
 * the places within a window are a new last axis. Nothing is copied. For windows over several axes apply it to each. */
TSR_API tsr_array *tsr_sliding_window(tsr_array *a, int64_t n, int64_t step, int axis);
/* Each axis cut into groups of factors[axis] neighbours, each group reduced to one element by tsr_sum, tsr_mean, tsr_max ...:
 * `reduction` is the function's name without tsr_ (those that take axes and keepdims only). What is left over at the end of an
 * axis is an error, or is cut off. */
TSR_API tsr_array *tsr_coarsen(tsr_array *a, const char *reduction, const int64_t *factors, bool trim_excess);

/* ---- Structure --------------------------------------------------------------------------------------------------- */

/* C order; one length may be -1 and is found from the size. */
TSR_API tsr_array *tsr_reshape(tsr_array *a, int ndim, const int64_t *shape);
TSR_API tsr_array *tsr_ravel(tsr_array *a);
/* Eight elements along an axis, not zero or zero, as the bits of a byte (uint8), the first as the highest or, `little`, as the
 * lowest; the last byte is filled up with zeros. And the reverse: count NULL keeps all bits, a negative one leaves so many out at
 * the end, one beyond them adds zeros. */
TSR_API tsr_array *tsr_packbits(tsr_array *a, int axis, bool little);
TSR_API tsr_array *tsr_unpackbits(tsr_array *a, int axis, const int64_t *count, bool little);
/* Along an axis that exists; the others agree. The dtypes are promoted. */
TSR_API tsr_array *tsr_concatenate(int n, tsr_array *const *arrays, int axis);
/* Along a new axis of the result. */
TSR_API tsr_array *tsr_stack(int n, tsr_array *const *arrays, int axis);
TSR_API tsr_array *tsr_vstack(int n, tsr_array *const *arrays);
TSR_API tsr_array *tsr_hstack(int n, tsr_array *const *arrays);
TSR_API tsr_array *tsr_dstack(int n, tsr_array *const *arrays);
/* Vectors as columns, matrices beside each other. */
TSR_API tsr_array *tsr_column_stack(int n, tsr_array *const *arrays);
/* Cut along an axis: indices NULL: into n parts as equal as possible, results[0 .. n - 1]; otherwise before each of n indices,
 * which are a slice's ends: results[0 .. n]. On failure none is made. */
TSR_API tsr_status tsr_array_split(tsr_array *a, int64_t n, const int64_t *indices, int axis, tsr_array **results);
/* The same, but n has to divide the axis; along axis 0, 1 (0 of vectors), and 2. */
TSR_API tsr_status tsr_split(tsr_array *a, int64_t n, const int64_t *indices, int axis, tsr_array **results);
TSR_API tsr_status tsr_vsplit(tsr_array *a, int64_t n, const int64_t *indices, tsr_array **results);
TSR_API tsr_status tsr_hsplit(tsr_array *a, int64_t n, const int64_t *indices, tsr_array **results);
TSR_API tsr_status tsr_dsplit(tsr_array *a, int64_t n, const int64_t *indices, tsr_array **results);
/* The parts along an axis, without it: as many results as the axis is long. On failure none is made. */
TSR_API tsr_status tsr_unstack(tsr_array *a, int axis, tsr_array **results);
/* widths: how much is put before and after each axis (2 * ndim numbers). mode: "constant", "edge", "reflect", "symmetric",
 * "wrap", "linear_ramp", "maximum", "mean", "median", "minimum", as NumPy has them. value: the constant, or the end of the ramp.
 */
TSR_API tsr_array *tsr_pad(tsr_array *a, const int64_t *widths, const char *mode, tsr_scalar value);
/* The same with NumPy's other options. stat_length: how many elements at each end, >= 1, the statistics are taken of (2 * ndim
 * numbers; NULL: all). odd: "reflect" and "symmetric" mirror the differences from the edge: 2 * edge - element. */
TSR_API tsr_array *tsr_pad_by(tsr_array *a, const int64_t *widths, const char *mode, tsr_scalar value, const int64_t *stat_length,
                              bool odd);
/* Shifted by shifts[i] along axes[i], what falls out comes in again. axes NULL (and n_axes 1): the flattened array is rolled. */
TSR_API tsr_array *tsr_roll(tsr_array *a, int n_axes, const int64_t *shifts, const int *axes);
/* The elements at these indices along an axis; negative ones count from the end. The indices are copied. */
TSR_API tsr_array *tsr_take(tsr_array *a, int64_t n_indices, const int64_t *indices, int axis);
/* For each place the element of `a` that the index there names, along an axis; the other axes broadcast. A negative index counts
 * from the end, one out of range fails when it is computed. `a` is brought into one chunk along the axis. */
TSR_API tsr_array *tsr_take_along_axis(tsr_array *a, tsr_array *indices, int axis);
/* What `a` is with the values at those places: they broadcast to the indices, which broadcast to the other axes of `a`; of places
 * named twice the last counts. */
TSR_API tsr_array *tsr_put_along_axis(tsr_array *a, tsr_array *indices, tsr_array *values, int axis);
/* The indices into an array of shape (dims[0], ..., dims[n - 1]) as indices into that array flattened, in C order or in Fortran's
 * (int64); arrays[d] are the indices along axis d. modes[d] says what is done with those out of range: "raise" fails when they
 * are computed, "wrap", "clip"; modes NULL: "raise" for all. */
TSR_API tsr_array *tsr_ravel_multi_index(int n, tsr_array *const *arrays, const int64_t *dims, const char *const *modes,
                                         bool fortran);
/* The reverse: the index along each axis into results[0 .. ndim - 1]. On failure none is made. */
TSR_API tsr_status tsr_unravel_index(tsr_array *indices, int ndim, const int64_t *shape, bool fortran, tsr_array **results);
/* In another shape: the flattened elements from the first on, again and again. Of no elements: zeros. */
TSR_API tsr_array *tsr_resize(tsr_array *a, int ndim, const int64_t *shape);
/* Without what is zero at the front, or the back, of these axes; axes NULL: all. As the shape follows from the values, they are
 * computed by the call. */
TSR_API tsr_array *tsr_trim_zeros(tsr_array *a, bool front, bool back, int n_axes, const int *axes);
/* The values, over and over, on the main diagonal of a matrix, or of an array whose axes are all equally long; wrap: a tall
 * matrix has more than one diagonal, a row between two. */
TSR_API tsr_array *tsr_fill_diagonal(tsr_array *a, tsr_array *values, bool wrap);
/* values[i], over and over, where the mask holds, i being the index into the flattened array. */
TSR_API tsr_array *tsr_putmask(tsr_array *a, tsr_array *mask, tsr_array *values);
/* The chunks of these numbers along an axis, side by side; negative numbers count from the end. */
TSR_API tsr_array *tsr_take_chunks(tsr_array *a, int64_t n_chunks, const int64_t *chunks, int axis);
/* Each element along an axis so many times: n is 1 (the same for all) or the axis's length. */
TSR_API tsr_array *tsr_repeat(tsr_array *a, int64_t n, const int64_t *repeats, int axis);
/* The whole array so many times along each axis; as in NumPy, the shorter of shape and `repeats` gets ones in front. */
TSR_API tsr_array *tsr_tile(tsr_array *a, int n, const int64_t *repeats);
/* The same array in other chunks. */
TSR_API tsr_array *tsr_rechunk(tsr_array *a, const int64_t *chunks);
/* The same in chunks of any lengths: n_chunks[d] of them along axis d; `sizes` holds the lengths of axis 0, then of axis 1 ... */
TSR_API tsr_array *tsr_rechunk_sizes(tsr_array *a, const int64_t *n_chunks, const int64_t *sizes);
/* The n-th difference along an axis. */
TSR_API tsr_array *tsr_diff(tsr_array *a, int n, int axis);
/* Zero above (tril) or below (triu) the k-th diagonal of the last two axes. */
TSR_API tsr_array *tsr_tril(tsr_array *a, int64_t k);
TSR_API tsr_array *tsr_triu(tsr_array *a, int64_t k);

/* ---- Reductions -------------------------------------------------------------------------------------------------- */

/* Over the axes named (negative ones count from the end); axes NULL: over all. keepdims leaves them with length 1.
 * Sums of integers and bool are 64-bit; of float32, float32 accumulated in float64. The result is the same, to the last bit, for
 * any number of threads. ddof: the divisor of var and std is n - ddof. */

TSR_API tsr_array *tsr_sum(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_prod(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_min(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_max(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_ptp(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_any(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_all(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_count_nonzero(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_mean(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_var(tsr_array *a, int n_axes, const int *axes, bool keepdims, double ddof);
TSR_API tsr_array *tsr_std(tsr_array *a, int n_axes, const int *axes, bool keepdims, double ddof);
/* Central moment of that order: the mean of (a - mean)^order; the divisor is n - ddof. */
TSR_API tsr_array *tsr_moment(tsr_array *a, int order, int n_axes, const int *axes, bool keepdims, double ddof);
/* One axis, or all (axes NULL): then the index into the flattened array. */
TSR_API tsr_array *tsr_argmin(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_argmax(tsr_array *a, int n_axes, const int *axes, bool keepdims);
/* sum(a * weights) / sum(weights); the weights have the shape of `a`, or of the reduced axes. For no weights use tsr_mean. */
TSR_API tsr_array *tsr_average(tsr_array *a, tsr_array *weights, int n_axes, const int *axes, bool keepdims);

/* The same, leaving out NaN. */
TSR_API tsr_array *tsr_nansum(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanprod(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanmin(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanmax(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanmean(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanvar(tsr_array *a, int n_axes, const int *axes, bool keepdims, double ddof);
TSR_API tsr_array *tsr_nanstd(tsr_array *a, int n_axes, const int *axes, bool keepdims, double ddof);
/* A reduction over the elements where a mask holds that broadcasts to a's shape: "sum", "prod", "any", "all", "count_nonzero",
 * "mean", "var", "std" or "nansum", "nanprod", "nanmean", "nanvar", "nanstd". ddof counts for var and std. Over no elements at
 * all the means and variances are NaN. TSR_ERR_UNSUPPORTED for others, and for means and variances of complex numbers. */
TSR_API tsr_array *tsr_reduce_where(const char *reduction, tsr_array *a, tsr_array *mask, int n_axes, const int *axes,
                                    bool keepdims, double ddof);
/* Of nothing but NaN there is no place: computing it is TSR_ERR_VALUE. */
TSR_API tsr_array *tsr_nanargmin(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanargmax(tsr_array *a, int n_axes, const int *axes, bool keepdims);
/* How many elements are not NaN. */
TSR_API tsr_array *tsr_count_valid(tsr_array *a, int n_axes, const int *axes, bool keepdims);

/* Order statistics; the axes are brought into one chunk first. float32 gives float32, all else float64. */
TSR_API tsr_array *tsr_median(tsr_array *a, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanmedian(tsr_array *a, int n_axes, const int *axes, bool keepdims);
/* n_q quantiles, each between 0 and 1 (method "linear"), along a new first axis of length n_q. Axes without elements are
 * TSR_ERR_INDEX, with nanquantile NaN; bool is TSR_ERR_TYPE, as for all methods that interpolate. */
TSR_API tsr_array *tsr_quantile(tsr_array *a, int n_q, const double *q, int n_axes, const int *axes, bool keepdims);
TSR_API tsr_array *tsr_nanquantile(tsr_array *a, int n_q, const double *q, int n_axes, const int *axes, bool keepdims);
/* What else quantiles may be; all zero: as tsr_quantile. */
typedef struct tsr_quantile_options {
    const char *method; /* NumPy's name. An element, in a's dtype: "inverted_cdf", "closest_observation", "lower", "higher",
                           "nearest". Between two, float64 (of float32 float32): "linear" (or NULL), "averaged_inverted_cdf",
                           "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased", "midpoint" */
    tsr_array *weights; /* or NULL. None negative, with "inverted_cdf" only; the shape of `a`, or of the axes in their order */
    bool skip_nan;      /* leaves out NaN, as tsr_nanquantile */
    bool wide;          /* float32 is interpolated in float64, which the result is */
} tsr_quantile_options;
TSR_API tsr_array *tsr_quantile_by(tsr_array *a, int n_q, const double *q, int n_axes, const int *axes, bool keepdims,
                                   const tsr_quantile_options *options);
/* The k greatest elements along an axis, the greatest first; for a negative k the -k least, the least first. All there are, if
 * they are fewer. NaN counts as greatest. */
TSR_API tsr_array *tsr_topk(tsr_array *a, int64_t k, int axis);
/* Their indices (int64); of equal elements the first. */
TSR_API tsr_array *tsr_argtopk(tsr_array *a, int64_t k, int axis);

/* Running sums and products along an axis. For the flattened array, ravel it first. */
TSR_API tsr_array *tsr_cumsum(tsr_array *a, int axis);
TSR_API tsr_array *tsr_cumprod(tsr_array *a, int axis);
TSR_API tsr_array *tsr_nancumsum(tsr_array *a, int axis);
TSR_API tsr_array *tsr_nancumprod(tsr_array *a, int axis);
/* The same; include_initial: 0 (1) comes first, and the axis becomes longer by 1. */
TSR_API tsr_array *tsr_cumulative_sum(tsr_array *a, int axis, bool include_initial);
TSR_API tsr_array *tsr_cumulative_prod(tsr_array *a, int axis, bool include_initial);
/* The greatest and the least element so far; NaN stays. */
TSR_API tsr_array *tsr_cummax(tsr_array *a, int axis);
TSR_API tsr_array *tsr_cummin(tsr_array *a, int axis);

/* NumPy's ufunc.reduce: an operation of two operands ("subtract", "bitwise_or", "hypot" ...: tsr_map's names) of what there is so
 * far and the next element, in their order. What NumPy does with one name: the dtype ("divide" goes on in float64), what there is
 * for no elements, TSR_ERR_TYPE where an operation does not give again what it takes, TSR_ERR_VALUE for several axes where the
 * order matters, and for no elements where nothing is neutral. Sums, products, extremes, truth and bits are reduced block by
 * block and by many threads, as tsr_sum; the others pass from block to block along the axis. */
typedef struct tsr_fold_options {
    const tsr_dtype *dtype; /* in which it goes on, and of the result; NULL: NumPy's choice */
    tsr_array *initial;     /* one number, which comes before the first element; or NULL */
    tsr_array *where;       /* what is 0 here is passed over; broadcasts to `a`; or NULL */
    bool no_identity;       /* nothing is neutral, as NumPy's initial=None */
} tsr_fold_options;
/* n_axes 0 with axes not NULL: each element by itself. options may be NULL. */
TSR_API tsr_array *tsr_fold(const char *operation, tsr_array *a, int n_axes, const int *axes, bool keepdims,
                            const tsr_fold_options *options);
/* NumPy's ufunc.accumulate: all that there is on the way. dtype as above, or NULL. */
TSR_API tsr_array *tsr_accumulate(const char *operation, tsr_array *a, int axis, const tsr_dtype *dtype);
/* The last element before that is not NaN in the place of NaN, at most `limit` places on (-1: any number). */
TSR_API tsr_array *tsr_push(tsr_array *a, int64_t limit, int axis);

/* Bins of a histogram: n equal ones over [low, high], or, if edges is not NULL, those between its n + 1 increasing numbers. The
 * last bin includes its upper edge; values outside are not counted. */
typedef struct tsr_bins {
    int64_t n;
    double low, high;
    const double *edges;
} tsr_bins;

/* Counts (int64) of all elements by bin; with density, the probability density (float64). */
TSR_API tsr_array *tsr_histogram(tsr_array *a, const tsr_bins *bins, bool density);
/* Sums of the weights (float64) instead of counts; the weights have the shape of `a`. */
TSR_API tsr_array *tsr_histogram_weighted(tsr_array *a, tsr_array *weights, const tsr_bins *bins, bool density);
/* How many equal bins over [low, high] suit the elements there, by NumPy's estimator: "auto", "fd", "doane", "scott", "stone",
 * "rice", "sturges" or "sqrt". Computes what it needs of the array. */
TSR_API tsr_status tsr_histogram_estimate(tsr_array *a, const char *estimator, double low, double high, int64_t *n);
/* The n + 1 edges, into `out`, exactly as NumPy computes them. */
TSR_API tsr_status tsr_histogram_edges(const tsr_bins *bins, double *out);

/* ---- Functions of your own --------------------------------------------------------------------------------------- */

/* A block of an array, and where in the array it lies. */
typedef struct tsr_block {
    void *data; /* element (0, ..., 0): dense, C order, native byte order, aligned to its elements */
    tsr_dtype dtype;
    int ndim;
    const int64_t *shape;    /* of the block */
    const int64_t *strides;  /* in bytes */
    const int64_t *start;    /* index of its first element in the array */
    const int64_t *index;    /* number of the block along each axis ... */
    const int64_t *n_blocks; /* ... of so many */
    const int64_t *array_shape;
} tsr_block;

/* Fills `output`, every element of it, from the inputs, which are not to be written to. Called on the session's threads, on many
 * at once. To fail, return a status other than TSR_OK; tsr_fail records the reason, and the error the user sees names the
 * function and the block. The function may not compute arrays of its own session. */
typedef tsr_status (*tsr_block_function)(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);

/* Records the reason of a failure in the calling thread and returns `status`: return tsr_fail(TSR_ERR_VALUE, "not square"). */
TSR_API tsr_status tsr_fail(tsr_status status, const char *reason);

/* A block function with what belongs to it. Zero or NULL in a field but the first means its default. The struct, the name and
 * the identity are copied; release(context) is called once, when nothing can call the function any more (from whichever thread
 * lets go last), and not at all if making the array fails. */
typedef struct tsr_function {
    tsr_block_function call;
    void *context;
    void (*release)(void *context);
    const char *name; /* in errors, plans and traces; default: "block function" */
    const void
        *identity; /* bytes that say what is computed: arrays made with equal identities, calls and inputs are one array, */
    size_t identity_bytes; /* computed once. Default: each array is its own */
    bool serial;           /* never called while another serial function of the session runs */
} tsr_function;

/* Lengths of the chunks along an axis. n 0: as the inputs have them; n 1: every chunk has this length. */
typedef struct tsr_chunks {
    int64_t n;
    const int64_t *lengths;
} tsr_chunks;

/* What tsr_map_blocks does besides; all zero: the result has the inputs' chunks. */
typedef struct tsr_map_options {
    int n_drop, n_new;
    const int *drop_axis;     /* axes that the function takes away; it gets all chunks along them as one block */
    const int *new_axis;      /* axes of the result that the function adds; of length 1 unless `chunks` says otherwise */
    const tsr_chunks *chunks; /* one for each axis of the result */
} tsr_map_options;

/* Calls the function for each block of the arrays, whose chunks are brought to common borders; axes are matched from the last, as
 * in NumPy's broadcasting, and an array of length 1 along an axis gives the same block to all. options may be NULL. */
TSR_API tsr_array *tsr_map_blocks(const tsr_function *function, int n_arrays, tsr_array *const *arrays, tsr_dtype dtype,
                                  const tsr_map_options *options);
/* An array whose blocks a function makes from nothing: chunks has one entry, n >= 1, for each axis. */
TSR_API tsr_array *tsr_from_blocks(tsr_session *session, const tsr_function *function, tsr_dtype dtype, int ndim,
                                   const tsr_chunks *chunks);

/* Another shape block by block: block k of the result, in C order of the blocks' numbers, is block k of `a` reshaped.
 * Neighbouring dimensions may become one; for more dimensions `chunks` has the lengths of the result's chunks along each axis
 * (else NULL). */
TSR_API tsr_array *tsr_reshape_blocks(tsr_array *a, int ndim, const int64_t *shape, const tsr_chunks *chunks);

/* An input of tsr_blockwise: labels[d] names the index that runs along axis d. */
typedef struct tsr_block_input {
    tsr_array *array;
    const int *labels;
} tsr_block_input;
/* Its result: chunks may be NULL (as the inputs have them) and must be given for labels that no input has. */
typedef struct tsr_block_output {
    tsr_dtype dtype;
    int ndim;
    const int *labels;
    const tsr_chunks *chunks;
    bool keep_chunks; /* the inputs' chunks are not brought to common borders: they are matched by number */
} tsr_block_output;
/* The general form, as an Einstein sum of blocks: for each block of the result the function gets, along labels that the result
 * has, the block of that number, and along other labels all of them as one block. */
TSR_API tsr_array *tsr_blockwise(tsr_session *session, const tsr_function *function, int n_inputs, const tsr_block_input *inputs,
                                 const tsr_block_output *output);

/* How far the blocks of an array reach into their neighbours along an axis, and what lies beyond the array's own ends. */
typedef struct tsr_overlap {
    int64_t before, after;
    const char *boundary; /* "none" (or NULL): nothing, blocks at the ends are smaller; "periodic"; "reflect" (c b a | a b c);
                             "nearest"; "constant" */
    tsr_scalar value;     /* of "constant" */
} tsr_overlap;

/* Calls the function for each block together with what surrounds it; it fills a block with the surroundings of the first array of
 * the most dimensions, which are then cut off. Only what a block needs of its neighbours is computed or read. overlaps[i] has one
 * entry for each axis of arrays[i]; overlaps[i] NULL: none. */
TSR_API tsr_array *tsr_map_overlap(const tsr_function *function, int n_arrays, tsr_array *const *arrays,
                                   const tsr_overlap *const *overlaps, tsr_dtype dtype);
/* The blocks with their surroundings, side by side: an array with larger chunks. One entry for each axis. */
TSR_API tsr_array *tsr_overlapped(tsr_array *a, const tsr_overlap *overlap);
/* The reverse: blocks without their surroundings (with boundary "none" the ends of the array have none). */
TSR_API tsr_array *tsr_trim_overlap(tsr_array *a, const tsr_overlap *overlap);

/* A reduction by your own functions: `chunk` makes of each block one that has length 1 along the reduced axes; `combine` makes
 * such a block of up to split_every of them along each axis, side by side in one block (0: 8), again and again, until `aggregate`
 * can make the result of those that are left. combine NULL: aggregate, if state is dtype. The order follows from the chunks
 * alone. state: dtype of what chunk and combine make; dtype: of the result. keepdims leaves the axes with length 1: what
 * aggregate fills has them or has not accordingly. axes NULL: all. */
typedef struct tsr_reduction_functions {
    const tsr_function *chunk, *combine, *aggregate;
    tsr_dtype state, dtype;
    int split_every;
} tsr_reduction_functions;
TSR_API tsr_array *tsr_reduction(tsr_array *a, const tsr_reduction_functions *functions, int n_axes, const int *axes,
                                 bool keepdims);

/* A function from C source, compiled by the system's C compiler (the environment's CC, or cc) once per machine: the result is
 * kept in $XDG_CACHE_HOME/tessera (or ~/.cache/tessera). `symbol` is a tsr_block_function of the source, which need not include
 * anything: tsr_block and what else it may use are declared before it (docs/udf.md). flags: more flags for the compiler, or NULL.
 * If it does not compile, the error is what the compiler says. *function is ready for use until the session closes, as often as
 * you like; equal source and flags give equal identities. */
TSR_API tsr_status tsr_udf_compile(tsr_session *session, const char *source, const char *symbol, const char *flags,
                                   tsr_function *function);
/* The same from a file. */
TSR_API tsr_status tsr_udf_compile_file(tsr_session *session, const char *path, const char *symbol, const char *flags,
                                        tsr_function *function);
/* A function of a shared library. */
TSR_API tsr_status tsr_udf_load(tsr_session *session, const char *library, const char *symbol, tsr_function *function);

/* Something that is no file and no memory, but can be read in parts. */
typedef struct tsr_source {
    /* Reads shape[d] elements from start[d] on into `out`, dense, C order, native byte order. As a block function: many at once
     * unless `serial`; tsr_fail for a failure. */
    tsr_status (*read)(void *context, const int64_t *start, const int64_t *shape, void *out);
    void *context;
    void (*release)(void *context); /* as in tsr_function; may be NULL */
    const char *name;               /* in errors and plans; NULL: "source" */
    bool serial;
    tsr_dtype dtype;
    int ndim;
    const int64_t *shape;
    const int64_t *chunk; /* reading a part of such a chunk costs as much as the whole; NULL: any part costs its own size */
} tsr_source;
/* An array that is read through a callback, region by region. */
TSR_API tsr_array *tsr_from_source(tsr_session *session, const tsr_source *source, const int64_t *chunks);

/* ---- Indexing and assignment ----------------------------------------------------------------------------------------- */

/* a[items], all of NumPy's indexing: basic items, arrays of integers that broadcast (their dimensions come where NumPy puts
 * them), masks over one axis or more. Arrays that vary along dimensions of their own (numpy.ix_) are taken axis by axis. */
TSR_API tsr_array *tsr_getitem(tsr_array *a, int n_items, const tsr_index *items);
/* The same, but the dimensions of the arrays always come first. */
TSR_API tsr_array *tsr_vindex(tsr_array *a, int n_items, const tsr_index *items);
/* Each 1-d array or mask by itself along its own axis. */
TSR_API tsr_array *tsr_oindex(tsr_array *a, int n_items, const tsr_index *items);
/* What `a[items] = value` leaves of a: the value broadcasts to the shape of a[items] and takes a's dtype; of places named twice
 * the last counts. The result has a's chunks. Masks that are assigned more than one value are counted by the call. */
TSR_API tsr_array *tsr_setitem(tsr_array *a, int n_items, const tsr_index *items, tsr_array *value);

/* How much a mask selects is a value: arrays below that depend on one (and tsr_getitem's with a mask and slices alone) are made
 * at once, without it. The first call that needs the length (tsr_shape, arithmetic, slicing ...) computes the mask once, counting
 * for each block, and the array has a chunk for each block that selects anything; nothing else of the mask is kept. Reductions
 * (sum, prod, any, all, count_nonzero, mean, var, std, min, max and those without NaN) over the selected axis need no length:
 * they are one pass over array and mask. A mask over several axes makes them one, in C order. */
TSR_API tsr_array *tsr_mask(tsr_array *a, tsr_array *mask);
/* The parts along an axis for which a 1-d condition, which may be shorter than the axis, is not zero. */
TSR_API tsr_array *tsr_compress(tsr_array *condition, tsr_array *a, int axis);
/* Both flattened. */
TSR_API tsr_array *tsr_extract(tsr_array *condition, tsr_array *a);
/* Where the elements are not zero (int64): the index along each axis, into results[0 .. ndim - 1] (on failure none is made); the
 * index into the flattened array; one row of indices for each. */
TSR_API tsr_status tsr_nonzero(tsr_array *a, tsr_array **results);
TSR_API tsr_array *tsr_flatnonzero(tsr_array *a);
TSR_API tsr_array *tsr_argwhere(tsr_array *a);
/* Are all lengths known without computing anything? */
TSR_API bool tsr_is_counted(const tsr_array *a);

/* ---- Choosing, inserting, deleting --------------------------------------------------------------------------------- */

/* For each element the choice whose condition (an array of bool) is the first to hold, or else `otherwise`. */
TSR_API tsr_array *tsr_select(int n, tsr_array *const *conditions, tsr_array *const *choices, tsr_array *otherwise);
/* For each element of x the value of the last condition that holds; where none does, values[n], or 0 if there are only n values.
 * The result has x's shape and dtype. */
TSR_API tsr_array *tsr_piecewise(tsr_array *x, int n, tsr_array *const *conditions, int n_values, tsr_array *const *values);
/* For each element the choice of that number. Numbers out of range: mode "raise" fails when it is computed, "wrap" counts them
 * modulo n, "clip" takes the first or the last choice. */
TSR_API tsr_array *tsr_choose(tsr_array *a, int n, tsr_array *const *choices, const char *mode);
/* Without these places (an integer, a slice, or a 1-d array) along an axis. */
TSR_API tsr_array *tsr_delete(tsr_array *a, const tsr_index *places, int axis);
/* With values before these places (an integer, a slice, or a 1-d array) along an axis; the values broadcast, and take a's dtype.
 * At one place any number of them is put in; if it is an integer, their first axis runs along `axis`. */
TSR_API tsr_array *tsr_insert(tsr_array *a, const tsr_index *places, tsr_array *values, int axis);
/* values behind `a` along an axis: tsr_concatenate of two. */
TSR_API tsr_array *tsr_append(tsr_array *a, tsr_array *values, int axis);

/* ---- Looking up, counting, differences ----------------------------------------------------------------------------- */

/* Where each element of v would have to be put into the sorted 1-d array `a` (int64): before equal ones, or (right) after them.
 * sorter (may be NULL): the indices that sort `a`. Tables that are searched are one block that every task reads. */
TSR_API tsr_array *tsr_searchsorted(tsr_array *a, tsr_array *v, bool right, tsr_array *sorter);
/* Numbers of the bins that elements fall into; `bins` rises or falls. right: bins include their right edge. */
TSR_API tsr_array *tsr_digitize(tsr_array *x, tsr_array *bins, bool right);
/* Is each element one of test_elements? invert: is it none of them? */
TSR_API tsr_array *tsr_isin(tsr_array *element, tsr_array *test_elements, bool invert);
/* Straight lines between the points (xp, fp), xp rising. left and right: the values beyond the ends (NULL: the end's own). A
 * period other than 0: xp may be in any order, and goes round. Float64. */
TSR_API tsr_array *tsr_interp(tsr_array *x, tsr_array *xp, tsr_array *fp, const double *left, const double *right, double period);
/* How often each integer from 0 on occurs (int64), or the sums of the weights (float64). As the length of the result is a value,
 * the greatest element is computed by the call. */
TSR_API tsr_array *tsr_bincount(tsr_array *x, tsr_array *weights, int64_t minlength);
/* Counts (or sums of weights, which may be NULL) over n dimensions, as float64 of shape (bins[0].n, bins[1].n, ...): samples[d]
 * is the 1-d array of coordinates along dimension d. */
TSR_API tsr_array *tsr_histogramdd(int n, tsr_array *const *samples, const tsr_bins *bins, tsr_array *weights, bool density);
/* The same of two. */
TSR_API tsr_array *tsr_histogram2d(tsr_array *x, tsr_array *y, const tsr_bins *x_bins, const tsr_bins *y_bins, tsr_array *weights,
                                   bool density);
/* Covariances of variables in rows (rowvar) or columns; y (may be NULL) holds more of them. The divisor is n - ddof; NumPy's
 * default is ddof 1, and 0 with bias. fweights: how often an observation occurs; aweights: how much it counts (either may be
 * NULL). */
TSR_API tsr_array *tsr_cov(tsr_array *m, tsr_array *y, bool rowvar, double ddof, tsr_array *fweights, tsr_array *aweights);
TSR_API tsr_array *tsr_corrcoef(tsr_array *x, tsr_array *y, bool rowvar);
/* Differences of the flattened array's neighbours, with to_begin before and to_end after them (either may be NULL). */
TSR_API tsr_array *tsr_ediff1d(tsr_array *a, tsr_array *to_end, tsr_array *to_begin);
/* Slopes along one axis: central differences inside, one-sided ones of order edge_order (1 or 2) at the ends. The places are
 * `step` apart, or at these coordinates (a 1-d array; then step does not count). */
TSR_API tsr_array *tsr_gradient(tsr_array *f, int axis, double step, tsr_array *coordinates, int edge_order);
/* The integral along an axis, by the trapezoidal rule. The places are dx apart, or at x (1-d, or of a shape that broadcasts with
 * y's; then dx does not count; may be NULL). */
TSR_API tsr_array *tsr_trapezoid(tsr_array *y, tsr_array *x, double dx, int axis);
/* p[0] x^(n - 1) + ... + p[n - 1], for a 1-d p. */
TSR_API tsr_array *tsr_polyval(tsr_array *p, tsr_array *x);
/* The real parts, if all imaginary ones are below tol times the dtype's epsilon (below tol, if that is not above 1); they are
 * computed by the call. */
TSR_API tsr_array *tsr_real_if_close(tsr_array *a, double tol);
/* Jumps of more than discont (at least half a period; NaN: that) become their complement to the period. */
TSR_API tsr_array *tsr_unwrap(tsr_array *p, double discont, int axis, double period);
/* Of two 1-d arrays; mode "full", "same" or "valid" as NumPy has them. correlate conjugates v. */
TSR_API tsr_array *tsr_convolve(tsr_array *a, tsr_array *v, const char *mode);
TSR_API tsr_array *tsr_correlate(tsr_array *a, tsr_array *v, const char *mode);

/* ---- From few numbers ---------------------------------------------------------------------------------------------- */

/* n rows, m columns (m = -1: n), ones on and below the k-th diagonal. */
TSR_API tsr_array *tsr_tri(tsr_session *session, int64_t n, int64_t m, int64_t k, tsr_dtype dtype, const int64_t *chunks);
/* Where such a matrix has its ones, and where it has zeros and its k-th diagonal (int64): rows into results[0], columns into
 * results[1]. On failure none is made. */
TSR_API tsr_status tsr_tril_indices(tsr_session *session, int64_t n, int64_t k, int64_t m, tsr_array **results);
TSR_API tsr_status tsr_triu_indices(tsr_session *session, int64_t n, int64_t k, int64_t m, tsr_array **results);
/* The main diagonal of an array of ndim dimensions, each n long (int64): the index along each, results[0 .. ndim - 1]. */
TSR_API tsr_status tsr_diag_indices(tsr_session *session, int64_t n, int ndim, tsr_array **results);
/* A vector becomes the k-th diagonal of a square, of a matrix that diagonal is taken. */
TSR_API tsr_array *tsr_diag(tsr_array *v, int64_t k);
/* The flattened array as the k-th diagonal of a square. */
TSR_API tsr_array *tsr_diagflat(tsr_array *v, int64_t k);
/* Element (d, i, j, ...) is the d-th of i, j, ...: shape (ndim, *shape). chunks are for `shape`. */
TSR_API tsr_array *tsr_indices(tsr_session *session, int ndim, const int64_t *shape, tsr_dtype dtype, const int64_t *chunks);
/* n arrays of n dimensions from vectors of coordinates; with ij the first runs along axis 0, otherwise ("xy") along axis 1. On
 * failure none is made. */
TSR_API tsr_status tsr_meshgrid(int n, tsr_array *const *arrays, bool ij, tsr_array **results);
/* base to the power of n evenly spaced numbers. */
TSR_API tsr_array *tsr_logspace(tsr_session *session, double start, double stop, int64_t n, bool endpoint, double base,
                                tsr_dtype dtype, const int64_t *chunks);
/* n numbers, each the same multiple of the one before; the first and (endpoint) the last are exact. */
TSR_API tsr_array *tsr_geomspace(tsr_session *session, double start, double stop, int64_t n, bool endpoint, tsr_dtype dtype,
                                 const int64_t *chunks);
/* The same between the elements of arrays (and of complex numbers): start and stop broadcast, the n numbers go along a new axis.
 * The base broadcasts with them. geomspace looks whether an end is zero when it is called. */
TSR_API tsr_array *tsr_linspace_between(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint, tsr_dtype dtype, int axis);
TSR_API tsr_array *tsr_logspace_between(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint, tsr_array *base,
                                        tsr_dtype dtype, int axis);
TSR_API tsr_array *tsr_geomspace_between(tsr_array *start, tsr_array *stop, int64_t n, bool endpoint, tsr_dtype dtype, int axis);
/* Windows of n numbers (float64) that fall to the ends: what spectra are smoothed with. kaiser: beta is its shape. */
TSR_API tsr_array *tsr_bartlett(tsr_session *session, int64_t n, const int64_t *chunks);
TSR_API tsr_array *tsr_blackman(tsr_session *session, int64_t n, const int64_t *chunks);
TSR_API tsr_array *tsr_hamming(tsr_session *session, int64_t n, const int64_t *chunks);
TSR_API tsr_array *tsr_hanning(tsr_session *session, int64_t n, const int64_t *chunks);
TSR_API tsr_array *tsr_kaiser(tsr_session *session, int64_t n, double beta, const int64_t *chunks);
/* Powers of a vector in columns, falling or rising; n columns (-1: as many as rows). */
TSR_API tsr_array *tsr_vander(tsr_array *x, int64_t n, bool increasing);

/* ---- Products ---------------------------------------------------------------------------------------------------- */

/* NumPy's functions, with its rules and dtypes; any chunks meet. Floats and complex numbers are multiplied by OpenBLAS, integers
 * exactly (they wrap), bool is "or" of "and". Tiles follow from shapes and chunks, so the bits are the same for any number of
 * threads and any memory budget; between models of processors they may differ in the last places. */
TSR_API tsr_array *tsr_matmul(tsr_array *a, tsr_array *b);
/* Products of matrices (the last two axes) and vectors (the last axis), and of vectors, conjugated, and matrices; the axes before
 * these broadcast. */
TSR_API tsr_array *tsr_matvec(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_vecmat(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_dot(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_inner(tsr_array *a, tsr_array *b);
TSR_API tsr_array *tsr_outer(tsr_array *a, tsr_array *b);
/* Both flattened, the first conjugated. */
TSR_API tsr_array *tsr_vdot(tsr_array *a, tsr_array *b);
/* Along one axis, the first conjugated; the other axes broadcast. */
TSR_API tsr_array *tsr_vecdot(tsr_array *a, tsr_array *b, int axis);
TSR_API tsr_array *tsr_kron(tsr_array *a, tsr_array *b);
/* Summed over axes_a[i] of a with axes_b[i] of b; the result has the other axes of a, then those of b. n_axes may be 0. */
TSR_API tsr_array *tsr_tensordot(tsr_array *a, tsr_array *b, int n_axes, const int *axes_a, const int *axes_b);
/* The vector product over axes of length 3, or 2 (then the third is 0; of two such only the third is made, without an axis). The
 * others broadcast; axisc is where the axis of the result is. */
TSR_API tsr_array *tsr_cross(tsr_array *a, tsr_array *b, int axisa, int axisb, int axisc);
/* Sum of the diagonal; integers and bool in 64 bits. */
TSR_API tsr_array *tsr_trace(tsr_array *a, int64_t offset, int axis1, int axis2);
/* sum(abs(a) ** order) ** (1 / order) over the axes (NULL: all); infinity: the greatest, -infinity: the least absolute value; 0:
 * how many are not zero. Integers in float64. */
TSR_API tsr_array *tsr_vector_norm(tsr_array *a, double order, int n_axes, const int *axes, bool keepdims);
/* Of the matrices along two axes: "fro" (the root of the sum of squares), "1" and "inf" (the greatest sum of absolute values of a
 * column, of a row), "-1" and "-inf" (the least). TSR_ERR_UNSUPPORTED for "2", "-2" and "nuc", which need singular values. */
TSR_API tsr_array *tsr_matrix_norm(tsr_array *a, const char *order, int rows, int columns, bool keepdims);
/* The product of n times the same square matrices (the last two axes), n >= 0. */
TSR_API tsr_array *tsr_matrix_power(tsr_array *a, int64_t n);
/* The product of matrices in the order that takes the fewest multiplications; the first and the last may be vectors. */
TSR_API tsr_array *tsr_multi_dot(int n, tsr_array *const *arrays);
/* Einstein's summation: "ij,jk->ik", "...ii->...i", "ij,j" and so on; dtypes stay (sums of integers wrap). More than two arrays
 * are taken in pairs, the cheapest first. */
TSR_API tsr_array *tsr_einsum(const char *subscripts, int n, tsr_array *const *arrays);

/* ---- Datasets: arrays with names --------------------------------------------------------------------------------- */

/* A variable is a lazy array with a name, named dimensions, attributes and coordinates. It never changes: every function below
 * makes a new one. As with arrays, functions that return a variable or a dataset return NULL on failure, NULL gives NULL, and
 * what they return belongs to the session until it is released (tsr_variable_release, tsr_dataset_release) or the session
 * closes. A dimension may have no name (NULL); such dimensions meet the others by position from the right, as in NumPy.
 * Where a dimension's name is asked for, its number ("0", "-1") is understood too. */
typedef struct tsr_variable tsr_variable;
/* Named variables that share dimensions, with global attributes: what is in a file, in many files opened as one, or will be in
 * a file to be written. Not to be changed (put, set_text) while another thread uses it. */
typedef struct tsr_dataset tsr_dataset;

/* -- Opening and looking -- */

typedef struct tsr_open_options {
    const char *
        concat_dim; /* join the files along this dimension; NULL: the unlimited one, otherwise the one whose coordinate differs */
    bool raw;       /* no CF decoding: packed and fill values as they are stored */
    int n_threads;  /* threads that read headers; 0: as many as are useful */
} tsr_open_options;

TSR_API tsr_dataset *tsr_dataset_open(tsr_session *session, const char *path);
/* Opens many files as one. Paths may be glob patterns. Files are sorted by the coordinate along the joined dimension; dimensions,
 * dtypes, units and coordinates must agree, time units are converted to the first file's. Options may be NULL. */
TSR_API tsr_dataset *tsr_open_files(tsr_session *session, int n, const char *const *paths, const tsr_open_options *options);
/* An empty dataset, to be filled and written. */
TSR_API tsr_dataset *tsr_dataset_new(tsr_session *session);
/* Adds a variable and its coordinates. `name` NULL: the variable's own. A variable of that name is replaced; dimensions and
 * coordinates must agree with what the dataset holds. */
TSR_API tsr_status tsr_dataset_put(tsr_dataset *dataset, const char *name, tsr_variable *variable);
/* Sets or (text NULL) removes a global attribute. */
TSR_API tsr_status tsr_dataset_set_text(tsr_dataset *dataset, const char *attribute, const char *text);
TSR_API void tsr_dataset_release(tsr_dataset *dataset);

TSR_API int tsr_dataset_n_dims(const tsr_dataset *dataset);
TSR_API const char *tsr_dataset_dim(const tsr_dataset *dataset, int i, int64_t *length);
/* Data variables first, in the file's order, then coordinates. */
TSR_API int tsr_dataset_n_data(const tsr_dataset *dataset);
TSR_API int tsr_dataset_n_variables(const tsr_dataset *dataset);
TSR_API const char *tsr_dataset_name(const tsr_dataset *dataset, int i);
/* The variable or coordinate of that name; an unknown one fails and the error suggests the nearest. */
TSR_API tsr_variable *tsr_dataset_get(const tsr_dataset *dataset, const char *name);
TSR_API const char *tsr_dataset_text(const tsr_dataset *dataset, const char *attribute);
/* A readable summary: dimensions, coordinates with their ranges, variables with shapes, chunks, compression and units. The caller
 * frees it with tsr_free. NULL on failure. */
TSR_API char *tsr_dataset_describe(const tsr_dataset *dataset);

typedef struct tsr_write_options {
    const char *format;  /* "nc", "nc4"; NULL: from the path's extension */
    int deflate_level;   /* 0..9, NetCDF-4 only */
    const char *history; /* a line for the global attribute "history"; NULL: none */
} tsr_write_options;
/* Computes what is lazy and writes a file that follows the CF conventions. The file appears whole or not at all. */
TSR_API tsr_status tsr_dataset_write(const tsr_dataset *dataset, const char *path, const tsr_write_options *options);

/* -- Variables -- */

/* A variable around an array. `dims`: the array's ndim names, each may be NULL; dims NULL: no names. `name` may be NULL. */
TSR_API tsr_variable *tsr_variable_new(const char *name, tsr_array *array, const char *const *dims);
/* A single number. In arithmetic it takes the other operand's dtype, as a Python number does. */
TSR_API tsr_variable *tsr_variable_scalar(tsr_session *session, tsr_scalar value);
/* Another array with v's name, dimensions, coordinates and attributes. The shapes must be equal. */
TSR_API tsr_variable *tsr_variable_like(tsr_variable *v, tsr_array *array);
TSR_API void tsr_variable_release(tsr_variable *v);

TSR_API const char *tsr_variable_name(const tsr_variable *v); /* "" when it has none */
TSR_API tsr_array *
tsr_variable_array(const tsr_variable *v); /* a reference of its own: tsr_release it, or leave it to the session */
TSR_API int tsr_variable_ndim(const tsr_variable *v);
TSR_API const int64_t *tsr_variable_shape(const tsr_variable *v);
TSR_API tsr_dtype tsr_variable_dtype(const tsr_variable *v);
TSR_API const char *tsr_variable_dim(const tsr_variable *v, int axis); /* NULL when it has no name */
/* The axis of a dimension name or number; -1 with an error that suggests the nearest name. */
TSR_API int tsr_variable_axis(const tsr_variable *v, const char *dim);
TSR_API bool tsr_variable_has_names(const tsr_variable *v); /* at least one named dimension */
/* Attributes: text, or the first number; NULL or false if absent or of the other kind. */
TSR_API const char *tsr_variable_text(const tsr_variable *v, const char *attribute);
TSR_API bool tsr_variable_number(const tsr_variable *v, const char *attribute, double *value);
/* Coordinates that travel with the variable. A dimension's own coordinate has the dimension's name. */
TSR_API int tsr_variable_n_coords(const tsr_variable *v);
TSR_API const char *tsr_variable_coord_name(const tsr_variable *v, int i);
/* The coordinate as a variable; an unknown name fails and the error suggests the nearest. */
TSR_API tsr_variable *tsr_variable_coord(const tsr_variable *v, const char *name);
/* Values of a coordinate that is in memory (dimension coordinates and single values); NULL otherwise. Valid as long as v. */
TSR_API const double *tsr_variable_labels(const tsr_variable *v, int64_t *n);
/* Text of one label: a number, an ISO date for a time coordinate, a name from flag_meanings. Returns `buffer`. */
TSR_API char *tsr_variable_label_text(const tsr_variable *v, int64_t i, char *buffer, size_t size);
TSR_API bool tsr_variable_is_time(const tsr_variable *v); /* units "... since ..." */

typedef struct tsr_date {
    int64_t year;
    int month, day, hour, minute; /* months and days from 1 */
    double second;
    int day_of_year; /* from 1 */
    int weekday;     /* Monday 0; in calendars without real weeks as well as in those with */
} tsr_date;
/* The date of label i of a time coordinate, in its own calendar. */
TSR_API tsr_status tsr_variable_date(const tsr_variable *v, int64_t i, tsr_date *date);

TSR_API tsr_variable *tsr_variable_rename(tsr_variable *v, const char *name);
TSR_API tsr_variable *tsr_variable_rename_dim(tsr_variable *v, const char *dim, const char *name);
/* Sets or (text NULL) removes an attribute. */
TSR_API tsr_variable *tsr_variable_set_text(tsr_variable *v, const char *attribute, const char *text);
/* Adds or replaces a coordinate; its dimensions must be v's. */
TSR_API tsr_variable *tsr_variable_set_coord(tsr_variable *v, const char *name, tsr_variable *coord);

/* -- Selecting -- */

/* By position. Negative positions count from the end. One index drops the dimension and keeps its label as a single value. */
TSR_API tsr_variable *tsr_variable_index(tsr_variable *v, const char *dim, int64_t index);
/* Python's slice; NULL for a bound that is left out. */
TSR_API tsr_variable *tsr_variable_slice(tsr_variable *v, const char *dim, const int64_t *start, const int64_t *stop,
                                         int64_t step);
TSR_API tsr_variable *tsr_variable_take(tsr_variable *v, const char *dim, int64_t n, const int64_t *indices);

/* A label: a number, or text: a date or part of one ("2014-01", "2014-01-05T06:00") or a name from flag_meanings ("DJF"). */
typedef struct tsr_label {
    const char *text; /* NULL: the number */
    double number;
} tsr_label;
/* By label of the dimension's coordinate: exactly this one (drops the dimension), or with `nearest` the closest. Part of a date
 * selects all of it and keeps the dimension, unless the text is as fine as the labels' own time. */
TSR_API tsr_variable *tsr_variable_select(tsr_variable *v, const char *dim, tsr_label label, bool nearest);
/* All labels from first to last, both included, whichever way the coordinate runs; NULL leaves a side open. */
TSR_API tsr_variable *tsr_variable_select_range(tsr_variable *v, const char *dim, const tsr_label *first, const tsr_label *last);
TSR_API tsr_variable *tsr_variable_select_list(tsr_variable *v, const char *dim, int64_t n, const tsr_label *labels,
                                               bool nearest);

/* -- Computing -- */

/* A ufunc by NumPy's name ("add", "sin", "where", "clip" ...). Operands meet by dimension name; the result has the union of the
 * dimensions, in order of appearance. Coordinates of shared dimensions must be equal. */
TSR_API tsr_variable *tsr_variable_apply(const char *ufunc, int n, tsr_variable *const *operands);
/* A reduction by NumPy's name ("sum", "nanmean", "std", "argmax" ...) over the named dimensions; n_dims 0: all. `ddof` is for var
 * and std. */
TSR_API tsr_variable *tsr_variable_reduce(tsr_variable *v, const char *reduction, int n_dims, const char *const *dims,
                                          double ddof, bool keepdims);
/* sum(v * weights) / sum(weights) over the elements of v that are not NaN; NaN where there are none, and where their weights are
 * zero together. n_dims 0: all. */
TSR_API tsr_variable *tsr_variable_weighted_mean(tsr_variable *v, tsr_variable *weights, int n_dims, const char *const *dims);
/* n_q quantiles, each between 0 and 1, over the named dimensions (n_dims 0: all), as tsr_quantile_by: along a new first dimension
 * "quantile", whose coordinate is q. options may be NULL; weights are an array. */
TSR_API tsr_variable *tsr_variable_quantile(tsr_variable *v, int n_q, const double *q, int n_dims, const char *const *dims,
                                            const tsr_quantile_options *options);
/* Groups by part of a date, "time.month" (year, season, month, day, dayofyear, hour, weekday ...), or by a coordinate along one
 * dimension ("basin"), and reduces each group ("mean", "nansum", "count" ...). The dimension becomes the group's. */
TSR_API tsr_variable *tsr_variable_group(tsr_variable *v, const char *by, const char *reduction);
/* v minus the mean of its group: group-by anomaly. `reduction` is usually "mean" or "nanmean". */
TSR_API tsr_variable *tsr_variable_anomaly(tsr_variable *v, const char *by, const char *reduction);
/* A coarser time: the labels of the dimension's time coordinate are put together by the "year", "season" (from December on),
 * "quarter", "month", "day" or "hour" they fall into, or by several of one ("5 days", counted from the first label's; hours from
 * its midnight), and each period reduced. The dimension stays; its labels are the beginnings of the periods. Periods without
 * labels are left out. */
TSR_API tsr_variable *tsr_variable_resample(tsr_variable *v, const char *dim, const char *period, const char *reduction);
/* Running "mean", "max" ... of n neighbours: of each label and the n - 1 before it, or (center) n / 2 before and the rest behind.
 * NaN where there are fewer. The coordinate stays. */
TSR_API tsr_variable *tsr_variable_rolling(tsr_variable *v, const char *dim, int64_t n, bool center, const char *reduction);
TSR_API tsr_variable *tsr_variable_transpose(tsr_variable *v, int n, const char *const *dims);
/* Running "cumsum" or "cumprod" (or their nan-forms). */
TSR_API tsr_variable *tsr_variable_cumulate(tsr_variable *v, const char *scan, const char *dim);
/* Differences of neighbours; the coordinate keeps the upper label. */
TSR_API tsr_variable *tsr_variable_diff(tsr_variable *v, const char *dim);
/* Values moved by `n` positions; the places left behind become NaN. The coordinate stays. */
TSR_API tsr_variable *tsr_variable_shift(tsr_variable *v, const char *dim, int64_t n);
TSR_API tsr_variable *tsr_variable_concat(int n, tsr_variable *const *variables, const char *dim);

/* ---- Sending expressions -------------------------------------------------------------------------------------------------- */

/* How functions of block calls become bytes and functions again; the library's own need no codec. */
typedef struct tsr_function_codec {
    void *context;
    /* The bytes that stand for a function; they stay the codec's, valid until it is called again or what called it
     * returns. A session calls it from one thread at a time. */
    tsr_status (*save)(void *context, const tsr_function *function, const void **bytes, size_t *size);
    /* Fills in the function that these bytes stand for. */
    tsr_status (*load)(void *context, tsr_session *session, const void *bytes, size_t size, tsr_function *function);
} tsr_function_codec;

/* Packs n expressions, with all that they share once, into bytes that tsr_unpack makes equal arrays from, in another process or
 * later. Files are named by their absolute paths; arrays in memory and persisted ones go along as values. codec may be NULL.
 * Free *out with tsr_free. TSR_ERR_UNSUPPORTED: something cannot be sent, a function without a codec or a source that is read
 * through a callback.
 *
 *     void *bytes; size_t size;
 *     if (tsr_pack(1, &z, NULL, &bytes, &size) == TSR_OK) fwrite(bytes, 1, size, file);
 */
TSR_API tsr_status tsr_pack(int n, tsr_array *const *arrays, const tsr_function_codec *codec, void **out, size_t *size);
/* How many arrays were packed; -1 (with the error) if these bytes are no packed expression. */
TSR_API int tsr_packed_count(const void *data, size_t size);
/* The arrays again: n must be what tsr_packed_count says. The bytes may come from anywhere: what is damaged or makes no sense is
 * refused with TSR_ERR_FORMAT; a file that has changed its shape with TSR_ERR_VALUE. */
TSR_API tsr_status tsr_unpack(tsr_session *session, const void *data, size_t size, const tsr_function_codec *codec, int n,
                              tsr_array **arrays);

/* ---- Clusters -------------------------------------------------------------------------------------------------------------- */

/* What proves who one is; files, since secrets have no place on command lines. All NULL: only processes of this machine are let
 * in and listened to. With a secret, both sides of every connection prove to know it. Certificates (all three, PEM) are for
 * tls:// addresses: both sides show one of the same authority. */
typedef struct tsr_cluster_security {
    const char *secret_file;
    const char *ca_file, *cert_file, *key_file;
} tsr_cluster_security;

/* A line of a log: level 0 debug, 1 info, 2 warning, 3 error. Called on any thread. */
typedef void (*tsr_log_callback)(void *context, int level, const char *text);

typedef struct tsr_scheduler tsr_scheduler;
/* Zero or NULL means the default. */
typedef struct tsr_scheduler_options {
    const char *listen;  /* "tcp://127.0.0.1:8786"; port 0 takes any that is free */
    const char *journal; /* a file by which a scheduler that is started again knows what there was; default: none is written */
    tsr_cluster_security security;
    tsr_log_callback log;
    void *log_context;
} tsr_scheduler_options;

/* Starts a scheduler in this process, on threads of its own. It knows who computes what, and computes nothing itself. TSR_ERR_IO:
 * the address cannot be listened on; TSR_ERR_VALUE: it reaches beyond this machine and there is neither secret nor certificate.
 */
TSR_API tsr_status tsr_scheduler_start(const tsr_scheduler_options *options, tsr_scheduler **out);
/* Where it listens, "tcp://127.0.0.1:40123". Valid until it stops. */
TSR_API const char *tsr_scheduler_address(const tsr_scheduler *scheduler);
/* Blocks until somebody asks the scheduler to end ("tessera stop"), or for `seconds` (negative: for ever). True: it was asked. */
TSR_API bool tsr_scheduler_wait(tsr_scheduler *scheduler, double seconds);
/* Ends it; workers and clients wait for another one at the same address. NULL is fine. */
TSR_API void tsr_scheduler_stop(tsr_scheduler *scheduler);

typedef struct tsr_worker tsr_worker;
/* Zero or NULL means the default. */
typedef struct tsr_worker_options {
    const char *scheduler; /* its address, or several, tried in turn, with commas between; needed */
    const char *listen;  /* where clients and other workers reach it; default: any port of the address that faces the scheduler */
    const char *name;    /* for people; default: host and process number */
    int n_threads;       /* as in tsr_options */
    size_t memory_bytes; /* as in tsr_options */
    const char *scratch_dir; /* as in tsr_options */
    const char *isa;         /* as in tsr_options */
    const char *resources;   /* what tasks can ask for, "GPU=1 license=2" */
    tsr_cluster_security security;
    const tsr_function_codec *codec;      /* for the functions in expressions */
    const struct tsr_task_runner *runner; /* of tasks whose functions are no C functions (see Futures); copied */
    const char *task_folders; /* folders whose shared libraries tasks may call, with ':' between; "*": any; default: none */
    tsr_log_callback log;
    void *log_context;
} tsr_worker_options;

/* Starts a worker in this process, on threads of its own. It returns before the scheduler has answered: whether that is there yet
 * or not, the worker goes on trying. */
TSR_API tsr_status tsr_worker_start(const tsr_worker_options *options, tsr_worker **out);
/* Where it listens. Valid until it stops. */
TSR_API const char *tsr_worker_address(const tsr_worker *worker);
/* Blocks until the worker was told to end, or for `seconds` (negative: for ever). True: it was told to. */
TSR_API bool tsr_worker_wait(tsr_worker *worker, double seconds);
/* Ends it; what it held is lost, and made again by others if somebody needs it. NULL is fine. */
TSR_API void tsr_worker_stop(tsr_worker *worker);

/* What a cluster looks like now, as JSON text: {"address", "version", "uptime_seconds", "clients", "workers": [{"id", "name",
 * "address", "host", "threads", "memory_bytes", "memory_used_bytes", "spilled_bytes", "tasks_done", "bytes_read", "bytes_in",
 * "bytes_out"}, ...], "jobs": [{"job", "client", "name", "persists", "held" (by this session), "tasks_done", "tasks_total",
 * "bytes", "stages": [{"name", "tasks_done", "tasks_total"}, ...]}, ...]}. Free it with tsr_free; NULL on failure, and
 * TSR_ERR_UNSUPPORTED in sessions without a cluster. */
TSR_API char *tsr_cluster_status(tsr_session *session);
/* Asks for "stop" (the scheduler and all workers end), "retire" (workers end after others took over what they hold; names, or
 * addresses, n 0: all) or "restart" (every job is dropped). */
TSR_API tsr_status tsr_cluster_control(tsr_session *session, const char *what, int n, const char *const *workers);
/* Blocks until the cluster has n workers; TSR_ERR_TIMEOUT after `seconds` (negative: never). */
TSR_API tsr_status tsr_cluster_wait_for_workers(tsr_session *session, int n, double seconds);
/* Where the blocks of persisted arrays are, as JSON text, to be freed with tsr_free: of n arrays, or (n 0) of all that the
 * session has. [{"job", "root", "dtype", "chunks": [[lengths along axis 0], ...], "owners": [{"address", "first", "count",
 * "there"},
 * ...]}, ...]: blocks `first` to `first + count - 1`, counted in C order, are that worker's, which has made ("there") all that it
 * is to make of the array, or not yet. These blocks are the workers' own, which may be larger or smaller than the array's chunks.
 * NULL on failure; TSR_ERR_VALUE if one of the arrays is not a persisted one. */
TSR_API char *tsr_cluster_blocks(tsr_session *session, int n, tsr_array *const *arrays);
/* Gives a persisted array a name by which any client finds it; it stays until the name is taken away again (array NULL). */
TSR_API tsr_status tsr_cluster_publish(tsr_session *session, const char *name, tsr_array *array);
/* The array that was published under this name; TSR_ERR_NOT_FOUND. */
TSR_API tsr_array *tsr_cluster_published(tsr_session *session, const char *name);

/* ---- Futures --------------------------------------------------------------------------------------------------------------- */

/* Any function as a task on a cluster. Tasks take bytes and other tasks' results, and their result is bytes: what they mean is
 * the caller's business. Everything here belongs to a session on a cluster (TSR_ERR_UNSUPPORTED in others).
 *
 *   const tsr_task_function square = {.kind = TSR_TASK_LIBRARY, .library = "/opt/mine/libmine.so", .symbol = "square"};
 *   double x = 3, y;
 *   tsr_future *f;
 *   tsr_bytes result;
 *   tsr_submit(s, &square, 1, &(tsr_task){.n_args = 1, .args = &(tsr_task_arg){.data = &x, .size = sizeof x}}, NULL, &f);
 *   if (tsr_future_result(f, -1, &result) == TSR_OK) memcpy(&y, result.data, sizeof y);
 *   tsr_bytes_release(&result);
 *   tsr_future_release(f);
 *
 * Waiting: `seconds` < 0 is for ever, 0 looks and returns; a wait that ends before its time came returns TSR_ERR_TIMEOUT. */

/* What a task, and its result, are known by everywhere. All zero in a tsr_task: a new one at random. */
typedef struct tsr_key {
    uint64_t high, low;
} tsr_key;

/* The key that stands for these bytes (a 128-bit hash): tasks that are the same get the same. Never all zero. */
TSR_API tsr_key tsr_key_of(const void *data, size_t size);

/* Bytes that the library lends. They stay as long as somebody holds a reference; `owner` is the library's. `data` is aligned to
 * 64 bytes where a task's whole result is meant. */
typedef struct tsr_bytes {
    const void *data;
    size_t size;
    void *owner;
} tsr_bytes;

/* One more reference; one fewer (and *bytes is made empty). Any thread; bytes without an owner are fine. */
TSR_API void tsr_bytes_retain(const tsr_bytes *bytes);
TSR_API void tsr_bytes_release(tsr_bytes *bytes);

/* Functions of tasks: */

/* Where a task puts its result. Valid during the call, on the thread of the call. A function that sets nothing has an empty
 * result; what is set last counts. */
typedef struct tsr_task_result tsr_task_result;

/* Memory of `size` bytes, aligned to 64, for the result. NULL on failure. */
TSR_API void *tsr_task_result_alloc(tsr_task_result *result, size_t size);
/* A copy of these bytes. */
TSR_API tsr_status tsr_task_result_set(tsr_task_result *result, const void *data, size_t size);
/* These bytes themselves, until release(context) is called, from any thread. If it fails, release is not called. */
TSR_API tsr_status tsr_task_result_wrap(tsr_task_result *result, const void *data, size_t size, void (*release)(void *context),
                                        void *context);
/* Why the task is about to fail: a text for people, and bytes that go to the client as they are (a traceback, an exception; may
 * be NULL). Without it, the error is tsr_error_message(). */
TSR_API void tsr_task_result_error(tsr_task_result *result, const char *text, const void *details, size_t size);

/* A C function of a task. To fail, return something else than TSR_OK; TSR_ERR_CANCELLED after tsr_task_cancelled. args are valid
 * during the call, longer for who retains them. */
typedef tsr_status (*tsr_task_call)(int n_args, const tsr_bytes *args, tsr_task_result *result);

/* Runs functions that are no C functions; `function` is what the client gave. Called on the worker's threads, several at once. */
typedef struct tsr_task_runner {
    tsr_status (*call)(void *context, const void *function, size_t size, int n_args, const tsr_bytes *args,
                       tsr_task_result *result);
    void *context;
    const char *runs; /* what it understands, "python3.11"; tasks go to workers whose runner says the same */
} tsr_task_runner;

typedef enum tsr_task_kind {
    TSR_TASK_FOREIGN = 1, /* `code` and `runs`: bytes for the workers' runner */
    TSR_TASK_LIBRARY = 2, /* `library` and `symbol`: a tsr_task_call in a shared library that lies on the workers, in a folder
                           * from which they were told to take functions (tsr_worker_options.task_folders) */
    TSR_TASK_SOURCE = 3   /* `code`, `symbol` and `flags`: a tsr_task_call in C source, before which what it needs of this header
                           * is declared already (it includes it not); each worker compiles it once and keeps it */
} tsr_task_kind;

/* Borrowed during the call it is given to. Each worker gets a function once, however many tasks call it. */
typedef struct tsr_task_function {
    tsr_task_kind kind;
    const char *name; /* for people; NULL: the symbol */
    const void *code;
    size_t code_size;
    const char *runs;
    const char *library, *symbol;
    const char *flags; /* for the compiler; may be NULL */
} tsr_task_function;

/* In a task's function: whether its task was cancelled, so that it may end early. False on threads that run no task. */
TSR_API bool tsr_task_cancelled(void);
/* In a task's function: this thread waits for others (or works for long): the worker runs one more task beside it until it
 * rejoins. Waiting in the functions below does both by itself. No effect on threads that run no task. */
TSR_API void tsr_task_secede(void);
TSR_API void tsr_task_rejoin(void);
/* In a task's function: its key, all zero on threads that run no task. */
TSR_API tsr_key tsr_task_current(void);

/* Submitting: */

/* A task's result that is there, or will be. The result stays on the cluster as long as any client has a future of it. */
typedef struct tsr_future tsr_future;

/* The result of a future, or bytes. Large bytes (over a megabyte) are better scattered first. What is shared by a name (below)
 * may be both, a future and bytes about it. */
typedef struct tsr_task_arg {
    tsr_future *future;
    const void *data;
    size_t size;
} tsr_task_arg;

typedef struct tsr_task {
    tsr_key key;
    int n_args;
    const tsr_task_arg *args;
} tsr_task;

/* Zero or NULL means the default. */
typedef struct tsr_task_options {
    int priority;          /* larger is sooner; equal ones in the order of submission */
    int retries;           /* how often a task that fails is tried again */
    const char *resources; /* what each task takes while it runs, "GPU=1 license=0.5"; only workers that have it run it */
    int n_workers;         /* > 0: only these may run it, by name, address or host */
    const char *const *workers;
    bool others_too; /* others may, if none of these is there */
    bool at_once;    /* it does not wait for a free thread of its worker */
} tsr_task_options;

/* Submits n tasks that call the same function; futures[i] is tasks[i]'s. A task whose key the cluster knows is not made again:
 * its future is that of the first. Returns at once; tasks are sent in batches, soon, so thousands of calls with n 1 are fine too.
 * On failure no futures are made. The functions of tasks may submit tasks, through a session of their own. */
TSR_API tsr_status tsr_submit(tsr_session *session, const tsr_task_function *function, int n, const tsr_task *tasks,
                              const tsr_task_options *options, tsr_future **futures);
/* Puts bytes into the workers' memory, and makes futures of them; returns when they are there. keys may be NULL. They are spread
 * over the workers, or over those that options names; n_copies > 1 puts each on so many, -1 on all. Other options are not used.
 */
TSR_API tsr_status tsr_scatter(tsr_session *session, int n, const tsr_bytes *data, const tsr_key *keys,
                               const tsr_task_options *options, int n_copies, tsr_future **futures);
/* A future of what is known by this key. If nothing is, it waits until something is submitted under it. */
TSR_API tsr_status tsr_future_of(tsr_session *session, tsr_key key, tsr_future **out);

/* Futures themselves: */

typedef enum tsr_future_status {
    TSR_FUTURE_PENDING = 0,
    TSR_FUTURE_FINISHED = 1,
    TSR_FUTURE_ERROR = 2,
    TSR_FUTURE_CANCELLED = 3,
    TSR_FUTURE_LOST = 4 /* scattered bytes whose workers are gone; tasks are run again instead */
} tsr_future_status;

/* Drops the caller's reference; the cluster forgets the result when nobody needs it any more. What was not released is when the
 * session closes. NULL is fine. */
TSR_API void tsr_future_release(tsr_future *future);
/* One more reference. Returns `future`. */
TSR_API tsr_future *tsr_future_retain(tsr_future *future);
TSR_API tsr_key tsr_future_key(const tsr_future *future);
TSR_API tsr_session *tsr_future_session(const tsr_future *future);
/* "finished", "error" and so on are `distributed`'s names of these. */
TSR_API tsr_future_status tsr_future_state(const tsr_future *future);
/* Bytes of the result; -1 while it is not there. */
TSR_API int64_t tsr_future_size(const tsr_future *future);
/* Waits for the result and brings it here. A task that failed: its status, its text as the error message (see tsr_future_error);
 * TSR_ERR_CANCELLED; TSR_ERR_NOT_FOUND: it was lost. */
TSR_API tsr_status tsr_future_result(tsr_future *future, double seconds, tsr_bytes *out);
/* Why a task failed: the status, the text (valid as long as the future), and the bytes that its function gave. TSR_OK and empty
 * if it did not. Does not wait. out may be NULL. */
TSR_API tsr_status tsr_future_error(tsr_future *future, const char **text, tsr_bytes *details);
/* Calls callback(context, future) once when the future is no longer pending: on a thread of the session that does nothing else,
 * or in this call if it is so already. Callbacks may use everything here, but those that wait hold up the others. The future
 * stays valid during the call. */
TSR_API tsr_status tsr_future_on_done(tsr_future *future, void (*callback)(void *context, tsr_future *future), void *context);

typedef enum tsr_wait_for { TSR_WAIT_ALL = 0, TSR_WAIT_FIRST = 1, TSR_WAIT_FIRST_ERROR = 2 } tsr_wait_for;

/* Waits until all of n futures are no longer pending, or one, or one failed. NULLs are left out. */
TSR_API tsr_status tsr_futures_wait(int n, tsr_future *const *futures, tsr_wait_for what, double seconds);
/* Waits for n results and brings them here, many at once. skip_errors: results that failed are empty with data NULL; otherwise
 * the first failure is returned, and no results. */
TSR_API tsr_status tsr_gather(int n, tsr_future *const *futures, bool skip_errors, double seconds, tsr_bytes *results);
/* The tasks are not run, or told so (tsr_task_cancelled), and what depends on them is cancelled, too. Unless `force`, tasks that
 * other clients want go on, and only these futures are cancelled. Returns at once. */
TSR_API tsr_status tsr_futures_cancel(int n, tsr_future *const *futures, bool force);
/* Runs tasks that failed once more, and those that failed because of them. The futures are pending again. */
TSR_API tsr_status tsr_futures_retry(int n, tsr_future *const *futures);
/* Copies results until each is on n_copies workers (-1: all) of those named (n_workers 0: of all). Returns when it is done. */
TSR_API tsr_status tsr_futures_replicate(int n, tsr_future *const *futures, int n_copies, int n_workers,
                                         const char *const *workers);
/* Moves results between workers until their memory is about equally full; n 0: all results. */
TSR_API tsr_status tsr_futures_rebalance(tsr_session *session, int n, tsr_future *const *futures);

/* One array of results, whose blocks stay on the workers until it is computed: block b of it, in C order of the blocks' numbers,
 * is the result of futures[b]; chunks has one entry, n >= 1, for each axis. A result is the elements of its block, dense, in C
 * order and native byte order; or `decode` (NULL: none) fills the block from it: a block function whose one input is the result's
 * bytes, as a 1-d block of TSR_U8, and which travels by the session's codec. Results need not be there yet; where those are that
 * are is where the workers make the blocks. A task that failed fails the computation, with its own reason. The array keeps the
 * futures, so they may be released at once; all belong to `session`, which has to be one on a cluster. */
TSR_API tsr_array *tsr_from_futures(tsr_session *session, tsr_future *const *futures, tsr_dtype dtype, int ndim,
                                    const tsr_chunks *chunks, const tsr_function *decode);

/* What the scheduler knows, as JSON text (tsr_free it); NULL on failure. Keys are 32 hexadecimal digits. "who_has": {key:
 * [addresses]}, of n futures, or of all (n 0). "has_what", "processing": {address: [keys]}. "nbytes": {key: bytes}. "tasks":
 * {"waiting": n, "ready", "running", "finished", "error", "functions": {name: {"waiting": n, ...}}}. "workers": {address: {"id",
 * "name", "threads", "runs", "resources", "stored_bytes"}}. "logs", ends: {"scheduler": [lines], "workers": {address: ...}}.
 * "topics": [names], of those that have events. */
TSR_API char *tsr_tasks_query(tsr_session *session, const char *what, int n, tsr_future *const *futures);

/* Things that clients share, by name: */

/* What a variable or a queue holds: bytes, or a future (which then stays) with the bytes that were given beside it: what its
 * result means, for example. */
typedef struct tsr_shared_value {
    tsr_future *future; /* released by the caller */
    tsr_bytes bytes;    /* released by the caller */
} tsr_shared_value;

TSR_API tsr_status tsr_variable_set(tsr_session *session, const char *name, const tsr_task_arg *value);
/* Waits until it is set. */
TSR_API tsr_status tsr_variable_get(tsr_session *session, const char *name, double seconds, tsr_shared_value *out);
TSR_API tsr_status tsr_variable_delete(tsr_session *session, const char *name);

/* A queue of at most max_size values (0: any number; the largest that anybody named counts). Waits while it is full. */
TSR_API tsr_status tsr_queue_put(tsr_session *session, const char *name, int64_t max_size, const tsr_task_arg *value,
                                 double seconds);
/* Takes the oldest value; waits while there is none. */
TSR_API tsr_status tsr_queue_get(tsr_session *session, const char *name, double seconds, tsr_shared_value *out);
TSR_API tsr_status tsr_queue_size(tsr_session *session, const char *name, int64_t *out);
TSR_API tsr_status tsr_queue_delete(tsr_session *session, const char *name);

/* A semaphore with max_leases leases (that of the first who names it counts): waits for one. *lease is a number to give it back
 * by; those of a session that closes or is lost come back by themselves. A lock is a semaphore with one lease. */
TSR_API tsr_status tsr_semaphore_acquire(tsr_session *session, const char *name, int64_t max_leases, double seconds,
                                         uint64_t *lease);
/* TSR_ERR_NOT_FOUND: there is no such lease (any more). */
TSR_API tsr_status tsr_semaphore_release(tsr_session *session, const char *name, uint64_t lease);
/* How many leases are taken. */
TSR_API tsr_status tsr_semaphore_taken(tsr_session *session, const char *name, int64_t *out);

/* An event is clear until it is set. */
TSR_API tsr_status tsr_event_set(tsr_session *session, const char *name, bool value);
TSR_API tsr_status tsr_event_is_set(tsr_session *session, const char *name, bool *out);
/* Waits until it is set. */
TSR_API tsr_status tsr_event_wait(tsr_session *session, const char *name, double seconds);

/* Topics: what programs tell whoever listens. Anybody logs events (a few bytes) under a topic's name, anybody reads them, from
 * any number on. The scheduler keeps the newest of all topics in 16 MiB, until it ends; the oldest go first. */

typedef struct tsr_topic_event {
    int64_t number; /* grows from event to event, over all topics */
    double time;    /* when it was logged: seconds since 1970 on the scheduler's clock */
    const void *data;
    size_t size;
} tsr_topic_event;

/* Lent, as bytes are, until they are released. */
typedef struct tsr_topic_events {
    int64_t next; /* the number from which to read on */
    size_t n;
    const tsr_topic_event *items; /* in the order of their numbers */
    void *owner;
} tsr_topic_events;

/* Logs an event of at most 1 MiB; returns once the scheduler has it. */
TSR_API tsr_status tsr_topic_log(tsr_session *session, const char *topic, const void *data, size_t size);
/* The events of a topic that are numbered `from` or higher (INT64_MAX: those that are to come); waits until there is one. With
 * seconds 0, none is fine. */
TSR_API tsr_status tsr_topic_read(tsr_session *session, const char *topic, int64_t from, double seconds, tsr_topic_events *out);
/* *events is made empty. */
TSR_API void tsr_topic_events_release(tsr_topic_events *events);

#ifdef __cplusplus
}
#endif
#endif
