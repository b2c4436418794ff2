/* Heap allocation with a fault injector: every small allocation of the library goes through here, so that tests can fail
 * the n-th one and look for leaks (block buffers come from block/pool.h, which uses the same injector). */
#ifndef TESSERA_BASE_MEM_H
#define TESSERA_BASE_MEM_H

#include <stddef.h>

/* Each returns NULL on failure, with the error text recorded. A size of 0 gives a valid pointer. */
void *mem_alloc(size_t size_bytes);
void *mem_calloc(size_t count, size_t size_bytes);
void *mem_realloc(void *p, size_t size_bytes);
char *mem_strdup(const char *text);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p);

/* Makes the n-th allocation from now on (1 = the next one), in any thread, fail once; 0 switches injection off.
 * Returns how many allocations were made since the last call. */
long mem_fail_at(long n);
/* True if the injector says that this allocation must fail. For allocators that do not use mem_alloc. */
int mem_fault_now(void);

#endif
