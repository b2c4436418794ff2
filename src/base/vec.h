/* Growable arrays of any type:   VEC(int) v = {0};   if (!VEC_PUSH(&v, 3)) return TSR_ERR_MEMORY;   vec_fini(&v);   */
#ifndef TESSERA_BASE_VEC_H
#define TESSERA_BASE_VEC_H

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

#define VEC(type)                                                                                                                \
    struct {                                                                                                                     \
        type *items;                                                                                                             \
        size_t n, capacity;                                                                                                      \
    }

/* Makes room for `extra` more items. False (error recorded) when memory is short; the vector is then unchanged. */
#define VEC_RESERVE(v, extra) vec_reserve((void **)&(v)->items, &(v)->capacity, (v)->n + (extra), sizeof *(v)->items)
/* Appends; false (error recorded) when memory is short. */
#define VEC_PUSH(v, ...) (VEC_RESERVE(v, 1) && ((v)->items[(v)->n++] = (__VA_ARGS__), true))
#define VEC_FINI(v) (mem_free((v)->items), (v)->items = NULL, (v)->n = (v)->capacity = 0)

static inline bool vec_reserve(void **items, size_t *capacity, size_t need, size_t item_bytes)
{
    if (need <= *capacity) return true;
    size_t grown = *capacity * 2 > need ? *capacity * 2 : need < 8 ? 8 : need;
    void *p = mem_realloc(*items, grown * item_bytes);
    if (!p) return false;
    *items = p;
    *capacity = grown;
    return true;
}

#endif
