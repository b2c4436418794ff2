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

#ifdef __cplusplus
}
#endif
#endif
