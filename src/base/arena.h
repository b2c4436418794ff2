/* An arena: many small allocations that are freed together. Not thread-safe. */
#ifndef TESSERA_BASE_ARENA_H
#define TESSERA_BASE_ARENA_H

#include <stddef.h>

typedef struct arena_chunk arena_chunk;
typedef struct arena {
    arena_chunk *chunks;
    size_t total_bytes; /* reserved from the heap */
} arena;

void arena_init(arena *a);
void arena_fini(arena *a);
/* Zeroed memory, aligned to 16 bytes; NULL (error recorded) when there is none. */
void *arena_alloc(arena *a, size_t size_bytes);
char *arena_strdup(arena *a, const char *text);
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

#endif
