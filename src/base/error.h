/* Errors: a status code to return, and a text kept for the thread that failed.
 *
 * Messages state the fact first with its numbers, the hint last; lower case, no C function names. */
#ifndef TESSERA_BASE_ERROR_H
#define TESSERA_BASE_ERROR_H

#include "tessera.h"

#define MUST_CHECK __attribute__((warn_unused_result))

/* Records the failure for the calling thread and returns `code`. */
tsr_status error_set(tsr_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the recorded text (for example a file's name) and returns the recorded code. */
tsr_status error_prefix(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The standard text of a failed allocation. */
tsr_status error_memory(size_t size_bytes);
/* The operating system's reason (errno) for failing to `what`, e.g. "cannot open 'x.nc': No such file or directory". */
tsr_status error_errno(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What failed in another thread, as the failure of this one; text NULL: there was no memory for it. */
tsr_status error_repeat(tsr_status code, int errnum, const char *text);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time: tell it that a function that records a failure never returns TSR_OK. */
#define error_set(code, ...) (error_set(code, __VA_ARGS__), (code))
#define error_prefix(...) (error_prefix(__VA_ARGS__), TSR_ERR_VALUE)
#define error_memory(size) (error_memory(size), TSR_ERR_MEMORY)
#define error_errno(errnum, ...) (error_errno(errnum, __VA_ARGS__), TSR_ERR_IO)
#define error_repeat(code, errnum, text) (error_repeat(code, errnum, text), (code))
#endif

/* Returns early on failure. Use only while the function owns nothing that must be released. */
#define TRY(expr)                                                                                                                \
    do {                                                                                                                         \
        tsr_status try_status_ = (expr);                                                                                         \
        if (try_status_ != TSR_OK) return try_status_;                                                                           \
    } while (0)

/* Like TRY, for functions that own something: stores the status and jumps to `done`. Needs a local `status`. */
#define GUARD(expr)                                                                                                              \
    do {                                                                                                                         \
        if ((status = (expr)) != TSR_OK) goto done;                                                                              \
    } while (0)

#endif
