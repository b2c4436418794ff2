/* Growing text; see strbuf.h. */
#include "base/strbuf.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool reserve(strbuf *b, size_t extra)
{
    if (b->failed) return false;
    if (b->text && b->n + extra + 1 <= b->capacity) return true;
    size_t capacity = b->capacity * 2 > b->n + extra + 1 ? b->capacity * 2 : b->n + extra + 64;
    char *text = mem_realloc(b->text, capacity);
    if (!text) {
        b->failed = true;
        return false;
    }
    b->text = text;
    b->capacity = capacity;
    return true;
}

void strbuf_addn(strbuf *b, const char *text, size_t n)
{
    if (!reserve(b, n)) return;
    memcpy(b->text + b->n, text, n);
    b->n += n;
    b->text[b->n] = '\0';
}

void strbuf_add(strbuf *b, const char *text) { strbuf_addn(b, text, strlen(text)); }

void strbuf_printf(strbuf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(b, (size_t)n)) return;
    va_start(args, format);
    vsnprintf(b->text + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

char *strbuf_take(strbuf *b)
{
    if (!b->failed && !b->text) strbuf_addn(b, "", 0);
    char *text = b->failed ? NULL : b->text;
    if (b->failed) {
        mem_free(b->text);
        (void)error_memory(b->n);
    }
    *b = (strbuf){0};
    return text;
}

void strbuf_fini(strbuf *b)
{
    mem_free(b->text);
    *b = (strbuf){0};
}

char *size_format(double bytes, char *buffer, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    while (bytes >= 999.5 && unit < 5) {
        bytes /= 1000;
        unit++;
    }
    snprintf(buffer, size, unit == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return buffer;
}
