/* The injector is two atomics; with injection off an allocation costs one relaxed load more. They are the only state of
 * the library that is not tied to a session: a test tool's switch, never set in normal use. */
#include "base/mem.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_at;
static atomic_long n_allocations;

long mem_fail_at(long n)
{
    long made = atomic_exchange(&n_allocations, 0);
    atomic_store(&fail_at, n);
    return made;
}

int mem_fault_now(void)
{
    long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0) return 0;
    return atomic_fetch_add(&n_allocations, 1) + 1 == at;
}

static void *checked(void *p, size_t size_bytes)
{
    if (!p) (void)error_memory(size_bytes);
    return p;
}

void *mem_alloc(size_t size_bytes) { return checked(mem_fault_now() ? NULL : malloc(size_bytes ? size_bytes : 1), size_bytes); }

void *mem_calloc(size_t count, size_t size_bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total)) return checked(NULL, SIZE_MAX);
    return checked(mem_fault_now() ? NULL : calloc(1, total ? total : 1), total);
}

void *mem_realloc(void *p, size_t size_bytes)
{
    return checked(mem_fault_now() ? NULL : realloc(p, size_bytes ? size_bytes : 1), size_bytes);
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : mem_alloc((size_t)n + 1);
    if (!text) return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void mem_free(void *p) { free(p); }
