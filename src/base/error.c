/* Error text per thread. A thread's record is its own, so nothing here needs a lock. */
#include "base/error.h"

#ifdef __clang_analyzer__ /* what the header tells it about these functions */
#undef error_set
#undef error_prefix
#undef error_memory
#undef error_errno
#undef error_repeat
#endif

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STATUS_LIST(X)                                                                                                           \
    X(TSR_OK)                                                                                                                    \
    X(TSR_ERR_VALUE)                                                                                                             \
    X(TSR_ERR_TYPE)                                                                                                              \
    X(TSR_ERR_INDEX)                                                                                                             \
    X(TSR_ERR_MEMORY)                                                                                                            \
    X(TSR_ERR_IO)                                                                                                                \
    X(TSR_ERR_FORMAT)                                                                                                            \
    X(TSR_ERR_NOT_FOUND)                                                                                                         \
    X(TSR_ERR_UNSUPPORTED)                                                                                                       \
    X(TSR_ERR_CANCELLED)                                                                                                         \
    X(TSR_ERR_SYNTAX)                                                                                                            \
    X(TSR_ERR_INTERNAL)                                                                                                          \
    X(TSR_ERR_TIMEOUT)

static const char *const status_names[] = {
#define X(name) [name] = #name,
    STATUS_LIST(X)
#undef X
};
static_assert(sizeof status_names / sizeof *status_names == TSR_ERR_TIMEOUT + 1, "every status has a name");

enum { TEXT_SIZE = 1024 };

static _Thread_local struct {
    tsr_status code;
    int errnum;
    char text[TEXT_SIZE];
} last;

const char *tsr_status_name(tsr_status status)
{
    if ((unsigned)status > TSR_ERR_TIMEOUT) return "TSR_ERR_UNKNOWN";
    return status_names[status];
}

const char *tsr_error_message(void) { return last.text; }

tsr_status tsr_error_code(void) { return last.code; }

int tsr_error_errno(void) { return last.errnum; }

void tsr_error_clear(void)
{
    last.code = TSR_OK;
    last.errnum = 0;
    last.text[0] = '\0';
}

tsr_status error_set(tsr_status code, const char *format, ...)
{
    va_list args;
    char text[TEXT_SIZE]; /* the arguments may point into the old text */
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(last.text, text, sizeof text);
    last.code = code;
    last.errnum = 0;
    return code;
}

tsr_status tsr_fail(tsr_status status, const char *reason)
{
    bool known = status > TSR_OK && status <= TSR_ERR_TIMEOUT;
    return error_set(known ? status : TSR_ERR_VALUE, "%s", reason);
}

tsr_status error_prefix(const char *format, ...)
{
    va_list args;
    char text[TEXT_SIZE];
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0) n = 0;
    if (n >= TEXT_SIZE - 2) n = TEXT_SIZE - 3;
    text[n] = ':';
    text[n + 1] = ' ';
    size_t used = (size_t)n + 2, rest = strlen(last.text);
    if (rest > sizeof text - used - 1) rest = sizeof text - used - 1;
    memcpy(text + used, last.text, rest);
    text[used + rest] = '\0';
    memcpy(last.text, text, sizeof text);
    return last.code;
}

tsr_status error_memory(size_t size_bytes)
{
    return error_set(TSR_ERR_MEMORY, "out of memory: cannot allocate %zu bytes", size_bytes);
}

tsr_status error_errno(int errnum, const char *format, ...)
{
    va_list args;
    char text[TEXT_SIZE];
    char reason[128];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strerror_r(errnum, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error %d", errnum);
    error_set(TSR_ERR_IO, "%s: %s", text, reason);
    last.errnum = errnum;
    return TSR_ERR_IO;
}

tsr_status error_repeat(tsr_status code, int errnum, const char *text)
{
    error_set(code, "%s", text ? text : "out of memory");
    last.errnum = errnum;
    return code;
}
