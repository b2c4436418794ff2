/* Log lines of programs that run for long: levels, time, who speaks; as text or as JSON, one object a line.
 *
 *   2026-03-01T12:00:00.250Z warning scheduler[4711]: worker-2 is silent for 30 s
 *   {"time": "2026-03-01T12:00:00.250Z", "level": "warning", "role": "scheduler", "pid": 4711, "text": "worker-2 is silent for 30
 * s"}
 */
#ifndef TESSERA_BASE_LOG_H
#define TESSERA_BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>

/* As in tsr_log_callback. */
typedef enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } log_level;

typedef struct log_file log_file;

typedef struct log_options {
    const char *role; /* "scheduler"; copied */
    const char *path; /* lines are appended to this file, made (readable by its group) if it is not there; NULL: standard error */
    log_level level;  /* lines below it are not written */
    bool is_json;
} log_options;

/* TSR_ERR_IO if the file cannot be opened. */
tsr_status log_open(const log_options *o, log_file **out) MUST_CHECK;
/* NULL is fine. Nobody may write any more. */
void log_close(log_file *l);
/* Any thread. The text is one line; control characters in it are written as \x0a, bytes that are not UTF-8 as U+FFFD. Never
 * fails: lines that a full disk did not take are counted, and the next that it takes is preceded by one that says how many. */
void log_write(log_file *l, log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A tsr_log_callback; the context is the log. */
void log_callback(void *context, int level, const char *text);

/* "debug", "info", "warning", "error"; NULL for a number that is no level. */
const char *log_level_name(int level);
/* The level of that name; TSR_ERR_VALUE. */
tsr_status log_level_parse(const char *name, log_level *out) MUST_CHECK;

#endif
