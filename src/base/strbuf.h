/* Text that grows. A failed append is remembered, so a caller checks once, in strbuf_take. */
#ifndef TESSERA_BASE_STRBUF_H
#define TESSERA_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct strbuf {
    char *text; /* NULL while empty */
    size_t n, capacity;
    bool failed;
} strbuf;

void strbuf_add(strbuf *b, const char *text);
void strbuf_addn(strbuf *b, const char *text, size_t n);
void strbuf_printf(strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text (never NULL on success), now the caller's to mem_free; NULL (error recorded) if any append failed.
 * The buffer is empty afterwards. */
char *strbuf_take(strbuf *b);
void strbuf_fini(strbuf *b);

/* "8.2 MB", decimal units. Returns `buffer`. */
char *size_format(double bytes, char *buffer, size_t size);

#endif
