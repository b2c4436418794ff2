/* The two lines that show where in a source text something is wrong. Columns are counted in UTF-8 characters. */
#include "cli/ast.h"

#include "base/strbuf.h"

enum { MAX_COLUMNS = 96 };

static bool is_character_start(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

char *source_snippet(const char *source, size_t n, span at)
{
    size_t start = at.start < n ? at.start : n, line = start, end = start;
    while (line > 0 && source[line - 1] != '\n') line--;
    while (end < n && source[end] != '\n') end++;
    bool cut_left = false, cut_right = false;
    if (start - line > MAX_COLUMNS * 2 / 3) {
        line = start - MAX_COLUMNS / 2;
        cut_left = true;
        while (line < start && !is_character_start(source[line])) line++;
    }
    if (end - line > MAX_COLUMNS) {
        end = line + MAX_COLUMNS;
        cut_right = true;
        while (end > start && !is_character_start(source[end])) end--;
    }
    strbuf b = {0};
    strbuf_add(&b, cut_left ? "  ..." : "  ");
    for (size_t i = line; i < end; i++) {
        unsigned char c = (unsigned char)source[i];
        strbuf_addn(&b, c < 0x20 || c == 0x7f ? " " : (const char *)&source[i], 1);
    }
    strbuf_add(&b, cut_right ? "...\n" : "\n");
    strbuf_add(&b, cut_left ? "     " : "  ");
    for (size_t i = line; i < start; i++)
        if (is_character_start(source[i])) strbuf_add(&b, " ");
    strbuf_add(&b, "^");
    for (size_t i = start + 1; i < at.end && i < end; i++)
        if (is_character_start(source[i])) strbuf_add(&b, "~");
    strbuf_add(&b, "\n");
    return strbuf_take(&b);
}
