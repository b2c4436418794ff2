/* This process's shared memory: segments of 64 MiB (less for a small pool, more for a large buffer), each cut into pieces of one
 * size while any of them is in use. Pieces are recycled, last in first out, because fresh shared pages cost more than a copy of
 * what they hold; segments stay mapped. All under the pool's lock. Segments are sealed against shrinking, so that no peer's
 * reading can fault.
 *
 * A piece that a lost peer may still read is tainted: it is never handed out again, nor is anything of its segment, which goes
 * when its other pieces are free. What the peer has mapped stays as it was. */
#define _GNU_SOURCE
#include "base/forks.h"
#include "base/mem.h"
#include "cluster/share.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAST_SEGMENT_BYTES = 1 << 20, MOST_SEGMENT_BYTES = 64 << 20, PAGE = 4096 };

typedef struct segment {
    struct segment *next;
    uint32_t id;
    int fd;
    char *base;
    size_t bytes, piece_bytes;
    uint32_t n_pieces, n_used, n_free; /* n_free: of those cut, in `free`; the others were never cut */
    uint32_t n_cut, n_empty;           /* n_empty: of those free, so many that came first take no memory (share_pool_empty) */
    uint32_t *free;
    bool tainted;
} segment;

struct share_pool {
    atomic_int refs;
    unsigned forks;       /* forks_count() of the process whose memory it is */
    pthread_mutex_t lock; /* guards what follows, and the segments */
    segment *segments;
    size_t max_bytes, total_bytes, used_bytes;
    mem_account *account; /* counts the same; NULL: nobody wants to know (any more) */
    size_t segment_bytes; /* constant: of an ordinary one */
    uint32_t n_ids;
    unsigned n_gone;
    bool closed;
};

/* What a buffer of the pool holds on to. */
typedef struct piece {
    share_pool *pool;
    segment *home;
    uint32_t index;
    atomic_bool tainted;
} piece;

/* The lock is held. */
static void count(share_pool *p, int64_t used_bytes, int64_t total_bytes)
{
    p->used_bytes += (size_t)used_bytes;
    p->total_bytes += (size_t)total_bytes;
    if (!p->account) return;
    mem_account_add(p->account, used_bytes);
    atomic_fetch_add(&p->account->idle_bytes, (size_t)(total_bytes - used_bytes));
}

tsr_status share_pool_new(size_t max_bytes, mem_account *account, share_pool **out)
{
    share_pool *p = mem_calloc(1, sizeof *p);
    if (!p) return TSR_ERR_MEMORY;
    pthread_mutex_init(&p->lock, NULL);
    atomic_store(&p->refs, 1);
    p->forks = forks_count();
    p->max_bytes = max_bytes;
    p->account = account;
    p->segment_bytes = max_bytes / 4 / PAGE * PAGE;
    if (p->segment_bytes < LEAST_SEGMENT_BYTES) p->segment_bytes = LEAST_SEGMENT_BYTES;
    if (p->segment_bytes > MOST_SEGMENT_BYTES) p->segment_bytes = MOST_SEGMENT_BYTES;
    *out = p;
    return TSR_OK;
}

/* So many bytes of idle pieces take memory again, or (negative) no longer. The lock is held. */
static void count_idle(const share_pool *p, int64_t bytes)
{
    if (p->account) atomic_fetch_add(&p->account->idle_bytes, (size_t)bytes);
}

/* From here on all of its free pieces count as memory. The lock is held. */
static void forget_empty(const share_pool *p, segment *g)
{
    count_idle(p, (int64_t)(g->n_empty * g->piece_bytes));
    g->n_empty = 0;
}

static void segment_free(segment *g)
{
    munmap(g->base, g->bytes);
    close(g->fd);
    mem_free(g->free);
    mem_free(g);
}

/* The lock is held. */
static void segment_remove(share_pool *p, segment *g)
{
    segment **at = &p->segments;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    forget_empty(p, g);
    count(p, 0, -(int64_t)g->bytes);
    p->n_gone++;
    segment_free(g);
}

static void pool_unref(share_pool *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1) return;
    while (p->segments) segment_remove(p, p->segments);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* The lock is held. */
static void trim(share_pool *p)
{
    for (segment *g = p->segments, *next; g; g = next) {
        next = g->next;
        if (g->n_used == 0) segment_remove(p, g);
    }
}

void share_pool_trim(share_pool *p)
{
    pthread_mutex_lock(&p->lock);
    trim(p);
    pthread_mutex_unlock(&p->lock);
}

/* The lock is held. A failure costs memory, nothing else. */
static void punch_free_pieces(const share_pool *p, segment *g)
{
    for (; g->n_empty < g->n_free; g->n_empty++) {
        const off_t at = (off_t)(g->free[g->n_empty] * g->piece_bytes);
        (void)fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)g->piece_bytes);
        count_idle(p, -(int64_t)g->piece_bytes);
    }
}

void share_pool_empty(share_pool *p)
{
    pthread_mutex_lock(&p->lock);
    trim(p);
    for (segment *g = p->segments; g; g = g->next) punch_free_pieces(p, g);
    pthread_mutex_unlock(&p->lock);
}

void share_pool_close(share_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    trim(p);
    for (segment *g = p->segments; g; g = g->next) forget_empty(p, g);
    if (p->account) {
        mem_account_add(p->account, -(int64_t)p->used_bytes);
        atomic_fetch_sub(&p->account->idle_bytes, p->total_bytes - p->used_bytes);
        p->account = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    pool_unref(p);
}

/* Four steps for each power of two, so that at most a quarter is wasted. */
static size_t piece_size(size_t size)
{
    size_t step = PAGE;
    while (step * 8 < size) step *= 2;
    return (size + step - 1) / step * step;
}

static tsr_status segment_new(size_t bytes, segment **out)
{
    segment *g = mem_calloc(1, sizeof *g);
    if (!g) return TSR_ERR_MEMORY;
    g->bytes = bytes;
    g->fd = memfd_create("tessera", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g->base = MAP_FAILED;
    tsr_status status = TSR_OK;
    if (g->fd < 0 || ftruncate(g->fd, (off_t)bytes) != 0 ||
        fcntl(g->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        (g->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0)) == MAP_FAILED) {
        status = error_errno(errno, "cannot make %zu bytes of shared memory", bytes);
        if (g->fd >= 0) close(g->fd);
        mem_free(g);
        return status;
    }
    forks_withhold(g->fd);
    *out = g;
    return TSR_OK;
}

/* Dedicates a segment none of whose pieces is in use. */
static tsr_status segment_cut(const share_pool *p, segment *g, size_t size)
{
    uint32_t n = (uint32_t)(g->bytes / size);
    uint32_t *list = mem_realloc(g->free, n * sizeof *list);
    if (!list) return TSR_ERR_MEMORY;
    g->free = list;
    forget_empty(p, g);
    g->piece_bytes = size;
    g->n_pieces = n;
    g->n_cut = g->n_free = 0;
    return TSR_OK;
}

static bool has_room(const segment *g) { return g->n_free > 0 || g->n_cut < g->n_pieces; }

/* The lock is held. NULL without an error: there is no room. */
static tsr_status find_segment(share_pool *p, size_t size, segment **out)
{
    segment *idle = NULL;
    for (segment *g = p->segments; g; g = g->next) {
        if (g->tainted) continue;
        if (g->piece_bytes == size && has_room(g)) {
            *out = g;
            return TSR_OK;
        }
        if (g->n_used == 0 && g->bytes >= size && g->bytes <= (size > p->segment_bytes ? 2 * size : p->segment_bytes)) idle = g;
    }
    if (!idle) {
        size_t bytes = size > p->segment_bytes ? size : p->segment_bytes;
        for (segment *g = p->segments, *next; g && p->total_bytes + bytes > p->max_bytes; g = next) {
            next = g->next;
            if (g->n_used == 0) segment_remove(p, g);
        }
        if (p->closed || bytes > p->max_bytes || p->total_bytes > p->max_bytes - bytes || p->n_ids == UINT32_MAX) return TSR_OK;
        TRY(segment_new(bytes, &idle));
        idle->id = ++p->n_ids;
        idle->next = p->segments;
        p->segments = idle;
        count(p, 0, (int64_t)bytes);
    }
    TRY(segment_cut(p, idle, size));
    *out = idle;
    return TSR_OK;
}

static void release(void *context)
{
    piece *e = context;
    if (e->pool->forks != forks_count()) return; /* the parent's */
    share_pool *p = e->pool;
    segment *g = e->home;
    pthread_mutex_lock(&p->lock);
    g->n_used--;
    count(p, -(int64_t)g->piece_bytes, 0);
    if (atomic_load(&e->tainted)) {
        g->tainted = true;
    } else {
        g->free[g->n_free++] = e->index;
    }
    if (g->n_used == 0 && (g->tainted || p->closed)) segment_remove(p, g);
    pthread_mutex_unlock(&p->lock);
    mem_free(e);
    pool_unref(p);
}

tsr_status share_pool_buffer(share_pool *p, size_t size_bytes, buffer **out)
{
    segment *g = NULL;
    if (size_bytes > SIZE_MAX / 8) return TSR_OK;
    size_t size = piece_size(size_bytes > 0 ? size_bytes : 1);
    piece *e = mem_calloc(1, sizeof *e);
    if (!e) return TSR_ERR_MEMORY;
    pthread_mutex_lock(&p->lock);
    tsr_status status = find_segment(p, size, &g);
    if (g) {
        e->index = g->n_free > 0 ? g->free[--g->n_free] : g->n_cut++;
        if (g->n_empty > g->n_free) {
            g->n_empty = g->n_free;
            count_idle(p, (int64_t)g->piece_bytes);
        }
        g->n_used++;
        count(p, (int64_t)g->piece_bytes, 0);
        e->pool = p;
        e->home = g;
        atomic_fetch_add(&p->refs, 1);
    }
    pthread_mutex_unlock(&p->lock);
    if (!g) {
        mem_free(e);
        return status;
    }
    status = buffer_wrap(g->base + e->index * g->piece_bytes, size_bytes, release, e, out);
    if (status != TSR_OK) {
        release(e);
    } else {
        buffer_claim_counted(*out); /* as long as it is there */
    }
    return status;
}

bool share_pool_find(const share_pool *p, const buffer *b, share_place *out)
{
    if (!b || b->release != release) return false;
    const piece *e = b->context;
    if (e->pool != p) return false;
    const segment *g = e->home; /* stays while the buffer is referenced */
    *out = (share_place){.segment = g->id, .segment_bytes = g->bytes, .offset = (uint64_t)(b->data - g->base), .fd = g->fd};
    return true;
}

void share_pool_taint(const buffer *b)
{
    if (b->release == release) atomic_store(&((piece *)b->context)->tainted, true);
}

bool share_pool_is_gone(share_pool *p, uint32_t id)
{
    bool there = false;
    pthread_mutex_lock(&p->lock);
    for (segment *g = p->segments; g; g = g->next) there = there || g->id == id;
    pthread_mutex_unlock(&p->lock);
    return !there;
}

unsigned share_pool_n_gone(share_pool *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned n = p->n_gone;
    pthread_mutex_unlock(&p->lock);
    return n;
}
