/* Decoded chunks, so that neighbouring tiles that cut one chunk do not decode it twice, and coders, so that their memory is
 * not fetched from the system for every region.
 *
 * There is one cache for the process, not one per store or session, because its bound must hold however many files are
 * open: ten thousand stores with some megabytes each would break any memory budget. It is reference-counted and gone when
 * the last HDF5 file is closed.
 *
 * Least recently used goes first. Chunks in use are never freed; the most recent one stays even if it is larger than the
 * whole bound, up to MAX_CHUNK_BYTES, since files of one huge chunk would otherwise be decoded again for every tile.
 *
 * Locks: `shared_lock` guards the pointer and the count; `lock` everything in the cache; neither is held while decoding. */
#include "store/hdf5_cache.h"

#include "base/mem.h"

#include <pthread.h>

enum { N_BUCKETS = 512, MAX_BYTES = 64 << 20, MAX_CHUNK_BYTES = 512 << 20, MAX_IDLE_SCRATCH = 16 << 20 };

typedef struct entry {
    hdf5_cached chunk; /* first: the pointer given out is the entry */
    const void *owner, *var;
    int64_t number;
    size_t n_bytes;
    int n_users;
    bool ready;          /* else a thread is decoding it */
    struct entry *chain; /* in its bucket */
    struct entry *newer, *older;
} entry;

struct hdf5_cache {
    int refs; /* guarded by shared_lock */
    pthread_mutex_t lock;
    pthread_cond_t decoded; /* some entry became ready or went */
    entry *buckets[N_BUCKETS];
    entry *newest, *oldest;
    size_t total_bytes;
    hdf5_coder *idle;
};

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static hdf5_cache *shared;

hdf5_cache *hdf5_cache_ref(void)
{
    pthread_mutex_lock(&shared_lock);
    if (!shared && (shared = mem_calloc(1, sizeof *shared))) {
        pthread_mutex_init(&shared->lock, NULL);
        pthread_cond_init(&shared->decoded, NULL);
    }
    if (shared) shared->refs++;
    hdf5_cache *c = shared;
    pthread_mutex_unlock(&shared_lock);
    return c;
}

void hdf5_cache_unref(hdf5_cache *c)
{
    if (!c) return;
    pthread_mutex_lock(&shared_lock);
    bool last = --c->refs == 0;
    if (last) shared = NULL;
    pthread_mutex_unlock(&shared_lock);
    if (!last) return;
    for (hdf5_coder *coder = c->idle, *next; coder; coder = next) {
        next = coder->next;
        hdf5_coder_fini(coder);
        mem_free(coder);
    }
    pthread_cond_destroy(&c->decoded);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* ---- Coders ------------------------------------------------------------------------------------------------------- */

tsr_status hdf5_coder_take(hdf5_cache *c, hdf5_coder **out)
{
    pthread_mutex_lock(&c->lock);
    hdf5_coder *coder = c->idle;
    if (coder) c->idle = coder->next;
    pthread_mutex_unlock(&c->lock);
    if (!coder && !(coder = mem_calloc(1, sizeof *coder))) return TSR_ERR_MEMORY;
    *out = coder;
    return TSR_OK;
}

void hdf5_coder_give(hdf5_cache *c, hdf5_coder *coder)
{
    if (coder->stored.capacity + coder->half.capacity + coder->whole.capacity > MAX_IDLE_SCRATCH) hdf5_coder_fini(coder);
    pthread_mutex_lock(&c->lock);
    coder->next = c->idle;
    c->idle = coder;
    pthread_mutex_unlock(&c->lock);
}

/* ---- Chunks; all static functions with the lock held -------------------------------------------------------------- */

static entry **bucket_of(hdf5_cache *c, const void *var, int64_t number)
{
    uint64_t h = ((uint64_t)(uintptr_t)var >> 4) * 0x9e3779b97f4a7c15u ^ (uint64_t)number * 0xc2b2ae3d27d4eb4fu;
    return &c->buckets[(h >> 32) % N_BUCKETS];
}

static void list_remove(hdf5_cache *c, entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void list_push(hdf5_cache *c, entry *e)
{
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void entry_remove(hdf5_cache *c, entry *e)
{
    entry **link = bucket_of(c, e->var, e->number);
    while (*link != e) link = &(*link)->chain;
    *link = e->chain;
    list_remove(c, e);
    c->total_bytes -= e->n_bytes;
    mem_free(e->chunk.data);
    mem_free(e);
}

static void trim(hdf5_cache *c)
{
    for (entry *e = c->oldest, *newer; e && c->total_bytes > MAX_BYTES; e = newer) {
        newer = e->newer;
        if (e->n_users == 0 && (newer || e->n_bytes > MAX_CHUNK_BYTES)) entry_remove(c, e);
    }
}

static entry *find(hdf5_cache *c, const void *var, int64_t number)
{
    for (entry *e = *bucket_of(c, var, number); e; e = e->chain)
        if (e->var == var && e->number == number) return e;
    return NULL;
}

/* The entry, ready and counted as used; NULL when there is none. Waits while another thread decodes it. */
static entry *find_ready(hdf5_cache *c, const void *var, int64_t number)
{
    entry *e;
    while ((e = find(c, var, number)) && !e->ready) pthread_cond_wait(&c->decoded, &c->lock);
    if (e) {
        e->n_users++;
        list_remove(c, e);
        list_push(c, e);
    }
    return e;
}

tsr_status hdf5_cache_get(hdf5_cache *c, const void *owner, const void *var, int64_t number, size_t n_bytes,
                          hdf5_decode_fn decode, void *context, const hdf5_cached **out)
{
    pthread_mutex_lock(&c->lock);
    entry *e = find_ready(c, var, number);
    if (e) {
        pthread_mutex_unlock(&c->lock);
        *out = &e->chunk;
        return TSR_OK;
    }
    e = mem_calloc(1, sizeof *e);
    if (!e || !(e->chunk.data = mem_alloc(n_bytes))) {
        pthread_mutex_unlock(&c->lock);
        mem_free(e);
        return TSR_ERR_MEMORY;
    }
    e->owner = owner;
    e->var = var;
    e->number = number;
    e->n_bytes = n_bytes;
    e->n_users = 1;
    entry **bucket = bucket_of(c, var, number);
    e->chain = *bucket;
    *bucket = e;
    list_push(c, e);
    c->total_bytes += n_bytes;
    trim(c);
    pthread_mutex_unlock(&c->lock);

    tsr_status status = decode(context, e->chunk.data, n_bytes);

    pthread_mutex_lock(&c->lock);
    if (status == TSR_OK) {
        e->ready = true;
    } else {
        entry_remove(c, e); /* those who wait try for themselves and get the error as their own */
    }
    pthread_cond_broadcast(&c->decoded);
    pthread_mutex_unlock(&c->lock);
    *out = status == TSR_OK ? &e->chunk : NULL;
    return status;
}

void hdf5_cache_give(hdf5_cache *c, const hdf5_cached *chunk)
{
    entry *e = (entry *)(uintptr_t)chunk;
    pthread_mutex_lock(&c->lock);
    e->n_users--;
    trim(c);
    pthread_mutex_unlock(&c->lock);
}

void hdf5_cache_drop(hdf5_cache *c, const void *owner)
{
    pthread_mutex_lock(&c->lock);
    for (entry *e = c->newest, *older; e; e = older) {
        older = e->older;
        if (e->owner == owner) entry_remove(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

size_t hdf5_cache_bytes(hdf5_cache *c)
{
    pthread_mutex_lock(&c->lock);
    size_t n = c->total_bytes;
    pthread_mutex_unlock(&c->lock);
    return n;
}
