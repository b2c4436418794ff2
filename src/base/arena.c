/* Chunks are chained, newest first; only the newest has room. Chunk sizes double, so that an arena of any size makes few. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct arena_chunk {
    arena_chunk *next;
    size_t used, size;
    _Alignas(16) char data[];
};

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20 };

void arena_init(arena *a) { *a = (arena){0}; }

void arena_fini(arena *a)
{
    for (arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    *a = (arena){0};
}

void *arena_alloc(arena *a, size_t size_bytes)
{
    size_t need = (size_bytes + 15) & ~(size_t)15;
    if (need < size_bytes) return NULL;
    arena_chunk *c = a->chunks;
    if (!c || c->size - c->used < need) {
        size_t size = c ? c->size * 2 : FIRST_CHUNK;
        if (size > LARGEST_CHUNK) size = LARGEST_CHUNK;
        if (size < need) size = need;
        c = mem_calloc(1, sizeof *c + size);
        if (!c) return NULL;
        c->size = size;
        c->next = a->chunks;
        a->chunks = c;
        a->total_bytes += size;
    }
    void *p = c->data + c->used;
    c->used += need;
    return p;
}

char *arena_strdup(arena *a, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(a, size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

char *arena_printf(arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (!text) return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}
