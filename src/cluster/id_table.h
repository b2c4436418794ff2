/* Tables from numbers that peers or clients chose to things in this process. */
#ifndef TESSERA_CLUSTER_ID_TABLE_H
#define TESSERA_CLUSTER_ID_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct id_slot {
    uint64_t key;
    void *value; /* NULL: free */
} id_slot;
/* Zeroed is empty. No locks. */
typedef struct id_table {
    id_slot *slots;
    size_t n, capacity;
} id_table;

void *id_table_find(const id_table *t, uint64_t key);
/* Adds or replaces; the value may not be NULL. False (error recorded) when memory is short; the table is then unchanged.
 * Replacing takes no memory. */
bool id_table_put(id_table *t, uint64_t key, void *value);
/* Removes and returns it; NULL if there is none. */
void *id_table_take(id_table *t, uint64_t key);
/* The first value at slot *at or behind it, and *at behind that; NULL at the end. Nothing may be put or taken between calls. */
void *id_table_next(const id_table *t, size_t *at);
void id_table_fini(id_table *t);

#endif
