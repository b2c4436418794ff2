/* Size classes are powers of two in four steps (1, 1.25, 1.5, 1.75), from 4 KiB. A class has one free list under one lock;
 * a block lives for tens of microseconds at least, so the lock is not felt. Transparent huge pages are asked for: memory of 2 MiB
 * and more is a mapping of its own, smaller pieces from 64 KiB on are cut from slabs. Idle memory is limited to a share of what
 * was in use at the peak, so that the process's resident set follows the budget. */
#define _GNU_SOURCE
#include "block/pool.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SMALLEST_LOG2 = 12, N_CLASSES = 4 * 44, HUGE_PAGE = 2 << 20, SLAB_BYTES = 2 * HUGE_PAGE, LEAST_SLABBED = 64 << 10 };

/* A mapping that smaller buffers are cut from, in order. It goes when the last of them goes. */
struct slab {
    char *data;
    size_t n_cut; /* bytes */
    int n_pieces; /* that exist, in use or idle */
};

struct pool {
    pthread_mutex_t lock; /* guards free_lists and slabs */
    buffer *free_lists[N_CLASSES];
    slab *open_slab; /* that the next piece is cut from */
    atomic_size_t used_bytes, idle_bytes, peak_bytes;
};

static size_t class_size(int size_class)
{
    return ((size_t)1 << (SMALLEST_LOG2 + size_class / 4)) / 4 * (size_t)(4 + size_class % 4);
}

static int class_of(size_t size_bytes)
{
    int c = 0;
    if (size_bytes > class_size(0)) {
        int log2 = 63 - __builtin_clzll((unsigned long long)(size_bytes - 1));
        c = (log2 - SMALLEST_LOG2) * 4;
        while (class_size(c) < size_bytes) c++;
    }
    return c;
}

tsr_status pool_new(pool **out)
{
    pool *p = mem_calloc(1, sizeof *p);
    if (!p) return TSR_ERR_MEMORY;
    pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return TSR_OK;
}

static void slab_let_go(slab *s)
{
    if (!s || --s->n_pieces > 0) return;
    munmap(s->data, SLAB_BYTES);
    mem_free(s);
}

/* Whole huge pages, aligned to them. */
static char *map_huge(size_t size)
{
    /* Over-map to align to a huge page, then give the ends back. */
    char *raw = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    if (aligned > raw) munmap(raw, (size_t)(aligned - raw));
    size_t tail = (size_t)(raw + HUGE_PAGE - aligned);
    if (tail) munmap(aligned + size, tail);
    (void)madvise(aligned, size, MADV_HUGEPAGE);
    return aligned;
}

/* Cuts a piece from the open slab, or from a new one. */
static char *cut(pool *p, size_t size, slab **home)
{
    char *data = NULL;
    pthread_mutex_lock(&p->lock);
    slab *s = p->open_slab;
    if (!s || s->n_cut + size > SLAB_BYTES) {
        s = mem_calloc(1, sizeof *s);
        if (s && !(s->data = map_huge(SLAB_BYTES))) {
            mem_free(s);
            s = NULL;
        }
        if (s) {
            s->n_pieces = 1; /* the pool's own hold on the open slab */
            slab_let_go(p->open_slab);
            p->open_slab = s;
        }
    }
    if (s) {
        data = s->data + s->n_cut;
        s->n_cut += size;
        s->n_pieces++;
        *home = s;
    }
    pthread_mutex_unlock(&p->lock);
    return data;
}

static char *map_bytes(pool *p, size_t size, slab **home)
{
    void *data = NULL;
    *home = NULL;
    if (mem_fault_now()) return NULL;
    if (size >= HUGE_PAGE) return map_huge(size);
    if (size >= LEAST_SLABBED) return cut(p, size, home);
    return posix_memalign(&data, 64, size) == 0 ? data : NULL;
}

/* The pool's lock is held where the memory is a slab's. */
static void unmap_bytes(char *data, size_t size, slab *home)
{
    if (home) {
        (void)madvise(data, size, MADV_DONTNEED);
        slab_let_go(home);
    } else if (size < HUGE_PAGE) {
        free(data);
    } else {
        munmap(data, size);
    }
}

void pool_trim(pool *p, size_t keep_bytes)
{
    pthread_mutex_lock(&p->lock);
    for (int c = N_CLASSES - 1; c >= 0 && atomic_load(&p->idle_bytes) > keep_bytes; c--) {
        while (p->free_lists[c] && atomic_load(&p->idle_bytes) > keep_bytes) {
            buffer *b = p->free_lists[c];
            p->free_lists[c] = b->next;
            atomic_fetch_sub(&p->idle_bytes, class_size(c));
            unmap_bytes(b->data, class_size(c), b->home);
            mem_free(b);
        }
    }
    pthread_mutex_unlock(&p->lock);
}

void pool_free(pool *p)
{
    if (!p) return;
    pool_trim(p, 0);
    slab_let_go(p->open_slab);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static void count_use(pool *p, size_t size)
{
    size_t used = atomic_fetch_add(&p->used_bytes, size) + size;
    size_t peak = atomic_load(&p->peak_bytes);
    while (used > peak && !atomic_compare_exchange_weak(&p->peak_bytes, &peak, used)) {
    }
}

size_t buffer_taken_bytes(size_t size_bytes) { return class_size(class_of(size_bytes)); }

tsr_status buffer_new(pool *p, size_t size_bytes, buffer **out)
{
    if (size_bytes > (size_t)1 << 50) return error_memory(size_bytes);
    int c = class_of(size_bytes);
    pthread_mutex_lock(&p->lock);
    buffer *b = p->free_lists[c];
    if (b) p->free_lists[c] = b->next;
    pthread_mutex_unlock(&p->lock);
    if (b) {
        atomic_fetch_sub(&p->idle_bytes, class_size(c));
    } else {
        b = mem_calloc(1, sizeof *b);
        if (!b) return TSR_ERR_MEMORY;
        b->data = map_bytes(p, class_size(c), &b->home);
        if (!b->data) {
            mem_free(b);
            return error_memory(size_bytes);
        }
    }
    count_use(p, class_size(c));
    b->size_bytes = size_bytes;
    b->size_class = c;
    b->owner = p;
    b->next = NULL;
    atomic_store(&b->refs, 1);
    *out = b;
    return TSR_OK;
}

tsr_status buffer_wrap(void *data, size_t size_bytes, void (*release)(void *context), void *context, buffer **out)
{
    buffer *b = mem_calloc(1, sizeof *b);
    if (!b) return TSR_ERR_MEMORY;
    b->data = data;
    b->size_bytes = size_bytes;
    b->release = release;
    b->context = context;
    atomic_store(&b->refs, 1);
    *out = b;
    return TSR_OK;
}

buffer *buffer_ref(buffer *b)
{
    atomic_fetch_add(&b->refs, 1);
    return b;
}

void buffer_unref(buffer *b)
{
    if (!b || atomic_fetch_sub(&b->refs, 1) != 1) return;
    pool *p = b->owner;
    if (!p) {
        if (b->release) b->release(b->context);
        mem_free(b);
        return;
    }
    assert(atomic_load(&b->claims) == 0);
    size_t size = class_size(b->size_class);
    atomic_fetch_sub(&p->used_bytes, size);
    atomic_fetch_add(&p->idle_bytes, size);
    pthread_mutex_lock(&p->lock);
    b->next = p->free_lists[b->size_class];
    p->free_lists[b->size_class] = b;
    pthread_mutex_unlock(&p->lock);
}

/* A claim is added to the account before anybody else can know of it, so none is taken away that is not there. */
void buffer_claim(buffer *b, mem_account *a)
{
    if (!a || atomic_fetch_add(&b->claims, 1) > 0) return;
    if (b->owner) {
        atomic_fetch_add(&a->used_bytes, class_size(b->size_class));
    } else {
        mem_account_add(a, (int64_t)b->size_bytes);
    }
}

void buffer_disclaim(buffer *b, mem_account *a)
{
    if (!a || atomic_fetch_sub(&b->claims, 1) > 1) return;
    if (b->owner) {
        atomic_fetch_sub(&a->used_bytes, class_size(b->size_class));
    } else {
        mem_account_add(a, -(int64_t)b->size_bytes);
    }
}

void buffer_claim_counted(buffer *b) { atomic_fetch_add(&b->claims, 1); }
bool buffer_is_claimed_twice(const buffer *b) { return atomic_load(&b->claims) > 1; }

size_t pool_used_bytes(const pool *p) { return atomic_load(&p->used_bytes); }
size_t pool_idle_bytes(const pool *p) { return atomic_load(&p->idle_bytes); }
size_t pool_peak_bytes(const pool *p) { return atomic_load(&p->peak_bytes); }
void pool_begin_peak(pool *p) { atomic_store(&p->peak_bytes, atomic_load(&p->used_bytes)); }
