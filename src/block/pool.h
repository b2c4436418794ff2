/* Buffers for blocks: reference-counted, from recycled size-classed pools, because fresh pages cost more than the
 * arithmetic on them. The pool counts what is in use; the engine's budget is checked against that count. */
#ifndef TESSERA_BLOCK_POOL_H
#define TESSERA_BLOCK_POOL_H

#include "base/account.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct pool pool;
typedef struct slab slab;

/* A piece of memory. Foreign memory (NumPy, mmap) is wrapped with its own release callback and belongs to no pool. */
typedef struct buffer {
    char *data; /* aligned to 64 bytes when from a pool */
    size_t size_bytes;
    atomic_int refs, claims;
    int size_class;
    pool *owner; /* NULL for foreign memory */
    void (*release)(void *context);
    void *context;
    slab *home;          /* that the memory was cut from, or NULL */
    struct buffer *next; /* in the free list */
} buffer;

tsr_status pool_new(pool **out) MUST_CHECK;
/* Every buffer must have been returned. */
void pool_free(pool *p);

/* A buffer of at least size_bytes with one reference, contents undefined. */
tsr_status buffer_new(pool *p, size_t size_bytes, buffer **out) MUST_CHECK;
/* What a buffer of size_bytes really takes of the pool's memory, and counts as. */
size_t buffer_taken_bytes(size_t size_bytes);
/* Wraps memory that `release(context)` gives back when the last reference goes (release may be NULL). */
tsr_status buffer_wrap(void *data, size_t size_bytes, void (*release)(void *context), void *context, buffer **out) MUST_CHECK;
buffer *buffer_ref(buffer *b);
/* Returns the memory to the pool with the last reference. NULL is fine. */
void buffer_unref(buffer *b);
/* Whoever keeps a buffer beyond a task claims it, and disclaims it before the reference goes: it counts in the account from the
 * first claim to the last, once, however many hold it, queue it, or both. All claims of a buffer are on the same account. A NULL
 * account is fine. */
void buffer_claim(buffer *b, mem_account *a);
void buffer_disclaim(buffer *b, mem_account *a);
/* The first claim on memory that is counted already, by whoever made it. */
void buffer_claim_counted(buffer *b);
/* Somebody else has claimed it, too: letting go of it frees nothing. */
bool buffer_is_claimed_twice(const buffer *b);

/* Bytes in buffers that are referenced; bytes kept for reuse; the most in use since pool_begin_peak, or ever. */
size_t pool_used_bytes(const pool *p);
size_t pool_idle_bytes(const pool *p);
size_t pool_peak_bytes(const pool *p);
void pool_begin_peak(pool *p);
/* Gives idle memory back to the system until at most keep_bytes are idle. */
void pool_trim(pool *p, size_t keep_bytes);

#endif
