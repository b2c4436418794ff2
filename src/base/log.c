/* See log.h. A line is put together on the stack of the thread that says it and leaves with one write to a file opened for
 * appending, so there is no lock: the system keeps lines of several threads and processes apart. The only shared state is the
 * count of lines that were lost. */
#define _GNU_SOURCE
#include "base/log.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TEXT = 3000, MAX_LINE = 6 * MAX_TEXT + 300 }; /* a byte becomes at most six: \u0001 */

struct log_file {
    int fd;
    bool is_owned;
    log_level level;
    bool is_json;
    char *role;
    atomic_long n_lost;
};

static const char *const names[] = {"debug", "info", "warning", "error"};

const char *log_level_name(int level) { return level >= LOG_LEVEL_DEBUG && level <= LOG_LEVEL_ERROR ? names[level] : NULL; }

tsr_status log_level_parse(const char *name, log_level *out)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (log_level)i;
            return TSR_OK;
        }
    return error_set(TSR_ERR_VALUE, "'%s' is no level of a log; there is debug, info, warning and error", name);
}

tsr_status log_open(const log_options *o, log_file **out)
{
    log_file *l = mem_calloc(1, sizeof *l);
    if (!l) return TSR_ERR_MEMORY;
    *l = (log_file){.fd = STDERR_FILENO, .level = o->level, .is_json = o->is_json, .role = mem_strdup(o->role)};
    if (!l->role) {
        log_close(l);
        return TSR_ERR_MEMORY;
    }
    if (o->path) {
        l->fd = open(o->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        l->is_owned = l->fd >= 0;
        if (l->fd < 0) {
            tsr_status status = error_errno(errno, "cannot write the log '%s'", o->path);
            log_close(l);
            return status;
        }
    }
    *out = l;
    return TSR_OK;
}

void log_close(log_file *l)
{
    if (!l) return;
    if (l->is_owned) close(l->fd);
    mem_free(l->role);
    mem_free(l);
}

/* ---- A line ------------------------------------------------------------------------------------------------------ */

typedef struct line {
    char text[MAX_LINE];
    size_t n;
} line;

static void add(line *to, const char *text, size_t n)
{
    if (n > MAX_LINE - to->n) n = MAX_LINE - to->n;
    memcpy(to->text + to->n, text, n);
    to->n += n;
}

static void add_text(line *to, const char *text) { add(to, text, strlen(text)); }

/* C0, DEL, and C1 as UTF-8 writes them. */
static bool is_control(const unsigned char *p) { return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0); }

static void add_escaped(line *to, const char *text, bool is_json)
{
    char code[8];
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int n = utf8_length(p);
        if (n == 0) {
            add_text(to, "\xef\xbf\xbd");
            n = 1;
        } else if (is_control(p)) {
            snprintf(code, sizeof code, is_json ? "\\u%04x" : "\\x%02x", n == 2 ? p[1] : p[0]);
            add_text(to, code);
        } else if (is_json && (*p == '"' || *p == '\\')) {
            snprintf(code, sizeof code, "\\%c", *p);
            add_text(to, code);
        } else {
            add(to, (const char *)p, (size_t)n);
        }
        p += n;
    }
}

static void add_time(line *to)
{
    struct timespec now;
    struct tm t;
    char text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
    add_text(to, text);
}

static bool write_line(const log_file *l, log_level level, const char *text)
{
    line to;
    char pid[24];
    to.n = 0;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (l->is_json) add_text(&to, "{\"time\": \"");
    add_time(&to);
    add_text(&to, l->is_json ? "\", \"level\": \"" : " ");
    add_text(&to, names[level]);
    add_text(&to, l->is_json ? "\", \"role\": \"" : " ");
    add_escaped(&to, l->role, l->is_json);
    add_text(&to, l->is_json ? "\", \"pid\": " : "[");
    add_text(&to, pid);
    add_text(&to, l->is_json ? ", \"text\": \"" : "]: ");
    add_escaped(&to, text, l->is_json);
    add_text(&to, l->is_json ? "\"}\n" : "\n");
    ssize_t written;
    do {
        written = write(l->fd, to.text, to.n);
    } while (written < 0 && errno == EINTR);
    return written == (ssize_t)to.n;
}

static void write_text(log_file *l, log_level level, const char *text)
{
    char lost[80];
    long n = atomic_exchange(&l->n_lost, 0);
    if (n > 0) {
        snprintf(lost, sizeof lost, "%ld lines before this one could not be written", n);
        if (!write_line(l, LOG_LEVEL_WARNING, lost)) {
            atomic_fetch_add(&l->n_lost, n + 1);
            return;
        }
    }
    if (!write_line(l, level, text)) atomic_fetch_add(&l->n_lost, 1);
}

/* A character that was cut in two is left out. */
static void trim(char *text)
{
    size_t n = strlen(text), back = 0;
    while (back < 3 && back < n && ((unsigned char)text[n - 1 - back] & 0xc0) == 0x80) back++;
    if (n > back && utf8_length((unsigned char *)text + n - 1 - back) == 0) text[n - 1 - back] = '\0';
}

void log_write(log_file *l, log_level level, const char *format, ...)
{
    char text[MAX_TEXT];
    va_list args;
    if (level < l->level) return;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n >= (int)sizeof text) trim(text);
    write_text(l, level, text);
}

void log_callback(void *context, int level, const char *text)
{
    log_file *l = context;
    level = level < LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : level > LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : level;
    log_write(l, (log_level)level, "%s", text);
}
