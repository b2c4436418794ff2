/* Memory that one part of the process uses and another one's budget counts. */
#ifndef TESSERA_BASE_ACCOUNT_H
#define TESSERA_BASE_ACCOUNT_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct mem_account {
    atomic_size_t used_bytes;
    atomic_size_t idle_bytes; /* kept to be used again; can be given up */
} mem_account;

#endif
