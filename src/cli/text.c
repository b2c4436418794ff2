/* See text.h. Stateless. */
#include "cli/text.h"

#include <string.h>

int text_utf8_length(const unsigned char *p)
{
    int n = p[0] < 0x80                   ? 1
            : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
            : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
            : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                          : 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0))) return 0;
    if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))) return 0;
    return n;
}

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
        int n = text_utf8_length(p);
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
