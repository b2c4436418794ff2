/* Memory that several parts of a process use and one budget counts. Any thread; 0 or NULL is nothing. */
#ifndef TESSERA_BASE_ACCOUNT_H
#define TESSERA_BASE_ACCOUNT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mem_account {
    atomic_size_t used_bytes;
    atomic_size_t beside_bytes; /* of these, not of a pool of blocks (block/pool.h), which counts what it gives out itself */
    atomic_size_t idle_bytes;   /* kept beside it to be used again; can be given up */
} mem_account;

/* So many bytes more, or less, that are no pool's. */
static inline void mem_account_add(mem_account *a, int64_t bytes)
{
    if (!a) return;
    atomic_fetch_add(&a->used_bytes, (size_t)bytes);
    atomic_fetch_add(&a->beside_bytes, (size_t)bytes);
}

#endif
