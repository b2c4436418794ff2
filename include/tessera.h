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
    TSR_ERR_INTERNAL = 11    /* a bug in Tessera: please report it */
} tsr_status;

/* Name of a status, "TSR_ERR_VALUE". Never NULL. */
TSR_API const char *tsr_status_name(tsr_status status);
/* Text and code of the last failure in the calling thread; "" and TSR_OK if there was none since tsr_error_clear.
 * The text is valid until the thread's next failing call. */
TSR_API const char *tsr_error_message(void);
TSR_API tsr_status tsr_error_code(void);
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

/* A single value of any dtype: integers and bool in i or u, real numbers in f, complex ones in f and imag. */
typedef struct tsr_scalar {
    tsr_dtype dtype;
    int64_t i;
    uint64_t u;
    double f;
    double imag;
} tsr_scalar;

typedef struct tsr_session tsr_session;
typedef struct tsr_array tsr_array;

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
 * frees it with tsr_text_free. NULL on failure. */
TSR_API char *tsr_dataset_describe(const tsr_dataset *dataset);
TSR_API void tsr_text_free(char *text);

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
/* Text of one label: a number, or an ISO date for a time coordinate. Returns `buffer`. */
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

/* A label: a number, or text: a date or part of one ("2014", "2014-01", "2014-01-05T06:00") for a time coordinate. */
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
/* sum(v * weights) / sum(weights) over the elements of v that are not NaN; NaN where there are none. n_dims 0: all. */
TSR_API tsr_variable *tsr_variable_weighted_mean(tsr_variable *v, tsr_variable *weights, int n_dims, const char *const *dims);
TSR_API tsr_variable *tsr_variable_quantile(tsr_variable *v, int n_q, const double *q, const char *dim, bool skip_nan);
/* Groups by part of a date, "time.month" (year, season, month, day, dayofyear, hour, weekday ...), or by a coordinate along one
 * dimension ("basin"), and reduces each group ("mean", "nansum", "count" ...). The dimension becomes the group's. */
TSR_API tsr_variable *tsr_variable_group(tsr_variable *v, const char *by, const char *reduction);
/* v minus the mean of its group: group-by anomaly. `reduction` is usually "mean" or "nanmean". */
TSR_API tsr_variable *tsr_variable_anomaly(tsr_variable *v, const char *by, const char *reduction);
TSR_API tsr_variable *tsr_variable_transpose(tsr_variable *v, int n, const char *const *dims);
/* Running "cumsum" or "cumprod" (or their nan-forms). */
TSR_API tsr_variable *tsr_variable_cumulate(tsr_variable *v, const char *scan, const char *dim);
/* Differences of neighbours; the coordinate keeps the upper label. */
TSR_API tsr_variable *tsr_variable_diff(tsr_variable *v, const char *dim);
/* Values moved by `n` positions; the places left behind become NaN. The coordinate stays. */
TSR_API tsr_variable *tsr_variable_shift(tsr_variable *v, const char *dim, int64_t n);
TSR_API tsr_variable *tsr_variable_concat(int n, tsr_variable *const *variables, const char *dim);

#ifdef __cplusplus
}
#endif
#endif
