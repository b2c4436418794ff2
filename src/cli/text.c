/* See text.h. Stateless. */
#include "cli/text.h"

#include "base/utf8.h"

#include <string.h>

/* C0, DEL, and C1 as UTF-8 writes them (C2 80 .. C2 9F). */
static bool is_control(const unsigned char *p) { return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0); }

void text_put(FILE *f, const char *text, bool has_lines)
{
    const unsigned char *p = (const unsigned char *)text, *from = p;
    for (; *p; p++) {
        if (!is_control(p) || *p == '\t' || (*p == '\n' && has_lines)) continue;
        fwrite(from, 1, (size_t)(p - from), f);
        if (*p == '\n')
            fputs("\\n", f);
        else
            fprintf(f, "\\x%02x", *p == 0xc2 ? *++p : *p);
        from = p + 1;
    }
    fwrite(from, 1, (size_t)(p - from), f);
}

const char *text_drawable(const char *text, char *buffer, size_t size)
{
    size_t used = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && used + 5 < size;) {
        int n = utf8_length(p);
        if (n == 0) {
            buffer[used++] = (char)(0xc0 | *p >> 6);
            buffer[used++] = (char)(0x80 | (*p & 0x3f));
            n = 1;
        } else if (is_control(p)) {
            buffer[used++] = ' ';
        } else {
            memcpy(buffer + used, p, (size_t)n);
            used += (size_t)n;
        }
        p += n;
    }
    buffer[used] = '\0';
    return buffer;
}
