/* The cache is one for the process, not one for a session, because the limit it respects (RLIMIT_NOFILE) is the process's:
 * two sessions with a cache each would break it together. It is reference-counted: made with the first cached_file and
 * freed with the last, so a process without open stores holds nothing.
 *
 * Replacement is CLOCK, which approximates "least recently used" without writing to a shared list at every read:
 * a hit is one compare-and-swap on the file's own pin count and, at most, one store of its `recent` mark.
 *
 * pins: -1 = no descriptor; n >= 0 = descriptor open, n readers use it. Only 0 may become -1, so a descriptor is never
 * closed under a reader. When every descriptor is pinned the limit is exceeded, by one per reading thread at most.
 *
 * Locks, always taken in this order:
 *   cached_file.opening  one thread at a time gives this file a descriptor
 *   fdcache.lock         guards the ring of open files, n_reserved and the hand; held for no system call
 *   shared_lock          guards `shared` and its count; taken alone */
#define _GNU_SOURCE
#include "store/fdcache.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 256, MIN_DESCRIPTORS = 4, CLOSED = -1 };

typedef struct fdcache {
    pthread_mutex_t lock;
    size_t n_users;    /* cached files, open or not; guarded by shared_lock */
    size_t limit;      /* descriptors this cache tries not to exceed */
    size_t n_reserved; /* descriptors open or about to be */
    cached_file *ring; /* doubly linked circle of the files that have a descriptor; the clock's hand points into it */
} fdcache;

struct cached_file {
    atomic_int pins;
    atomic_bool recent; /* used since the hand last passed */
    int fd;             /* valid while pins >= 0 */
    int64_t size_bytes;
    dev_t device;
    ino_t inode;
    fdcache *cache;
    cached_file *next, *previous; /* in the ring; NULL when not in it */
    pthread_mutex_t opening;
    char *path;
};

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static fdcache *shared;

static fdcache *cache_ref(void)
{
    pthread_mutex_lock(&shared_lock);
    if (!shared && (shared = mem_calloc(1, sizeof *shared))) {
        struct rlimit limit;
        rlim_t n = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur / 4 : MAX_DESCRIPTORS;
        shared->limit = n > MAX_DESCRIPTORS ? MAX_DESCRIPTORS : n < MIN_DESCRIPTORS ? MIN_DESCRIPTORS : (size_t)n;
        pthread_mutex_init(&shared->lock, NULL);
    }
    if (shared) shared->n_users++;
    fdcache *c = shared;
    pthread_mutex_unlock(&shared_lock);
    return c;
}

static void cache_unref(fdcache *c)
{
    pthread_mutex_lock(&shared_lock);
    if (--c->n_users == 0) {
        pthread_mutex_destroy(&c->lock);
        mem_free(c);
        shared = NULL;
    }
    pthread_mutex_unlock(&shared_lock);
}

void fdcache_count(size_t *n_open, size_t *limit)
{
    pthread_mutex_lock(&shared_lock);
    *n_open = *limit = 0;
    if (shared) {
        pthread_mutex_lock(&shared->lock);
        *n_open = shared->n_reserved;
        *limit = shared->limit;
        pthread_mutex_unlock(&shared->lock);
    }
    pthread_mutex_unlock(&shared_lock);
}

/* ---- The ring; the caller holds cache->lock ---------------------------------------------------------------------- */

static void ring_add(fdcache *c, cached_file *f)
{
    if (!c->ring) {
        c->ring = f->next = f->previous = f;
        return;
    }
    f->next = c->ring;
    f->previous = c->ring->previous;
    f->previous->next = f->next->previous = f;
}

static void ring_remove(fdcache *c, cached_file *f)
{
    if (c->ring == f) c->ring = f->next == f ? NULL : f->next;
    f->previous->next = f->next;
    f->next->previous = f->previous;
    f->next = f->previous = NULL;
}

/* Takes the descriptor from a file that is not in use and was not used lately; -1 if all are pinned. */
static int ring_evict(fdcache *c)
{
    size_t patience = 2 * c->n_reserved; /* once round to clear the marks, once more to find one */
    for (; c->ring && patience > 0; patience--) {
        cached_file *f = c->ring;
        c->ring = f->next;
        if (atomic_exchange_explicit(&f->recent, false, memory_order_relaxed)) continue;
        int fd = f->fd, unused = 0;
        if (!atomic_compare_exchange_strong(&f->pins, &unused, CLOSED)) continue;
        ring_remove(c, f);
        c->n_reserved--;
        return fd;
    }
    return -1;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static void reserve_descriptor(fdcache *c)
{
    int victim = -1;
    pthread_mutex_lock(&c->lock);
    if (c->n_reserved >= c->limit) victim = ring_evict(c);
    c->n_reserved++;
    pthread_mutex_unlock(&c->lock);
    if (victim >= 0) close(victim);
}

static void release_descriptor(fdcache *c)
{
    pthread_mutex_lock(&c->lock);
    c->n_reserved--;
    pthread_mutex_unlock(&c->lock);
}

/* Opens, giving up other files' descriptors while the system has none left. O_NONBLOCK: a named pipe must not block. */
static int open_descriptor(fdcache *c, const char *path)
{
    for (;;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 || (errno != EMFILE && errno != ENFILE && errno != EINTR)) return fd;
        if (errno == EINTR) continue;
        int error = errno;
        pthread_mutex_lock(&c->lock);
        int victim = ring_evict(c);
        pthread_mutex_unlock(&c->lock);
        if (victim < 0) {
            errno = error;
            return -1;
        }
        close(victim);
    }
}

static tsr_status check_identity(cached_file *f, int fd, bool first)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return error_errno(errno, "cannot read the file's size");
    if (S_ISDIR(st.st_mode)) return error_repeat(TSR_ERR_IO, EISDIR, "is a folder, not a file");
    if (!S_ISREG(st.st_mode)) return error_set(TSR_ERR_IO, "is not a regular file");
    if (first) {
        f->size_bytes = st.st_size;
        f->device = st.st_dev;
        f->inode = st.st_ino;
    } else if (f->device != st.st_dev || f->inode != st.st_ino) {
        return error_set(TSR_ERR_IO, "the file was replaced by another one while it was open");
    } else if (f->size_bytes != st.st_size) {
        return error_set(TSR_ERR_IO, "the file had %lld bytes when it was opened and has %lld now", (long long)f->size_bytes,
                         (long long)st.st_size);
    }
    return TSR_OK;
}

/* Gives the file a descriptor and one pin. The caller holds f->opening, or is the only one to know f. */
static tsr_status attach(cached_file *f, bool first)
{
    fdcache *c = f->cache;
    reserve_descriptor(c);
    int fd = open_descriptor(c, f->path);
    tsr_status status = fd < 0 ? error_errno(errno, "cannot open the file") : check_identity(f, fd, first);
    if (status != TSR_OK) {
        if (fd >= 0) close(fd);
        release_descriptor(c);
        return status;
    }
    f->fd = fd;
    atomic_store(&f->recent, true);
    atomic_store(&f->pins, 1); /* before it enters the ring: it must not be taken away at once */
    pthread_mutex_lock(&c->lock);
    ring_add(c, f);
    pthread_mutex_unlock(&c->lock);
    return TSR_OK;
}

tsr_status cached_file_open(const char *path, cached_file **out)
{
    cached_file *f = mem_calloc(1, sizeof *f);
    if (!f) return TSR_ERR_MEMORY;
    tsr_status status = TSR_ERR_MEMORY;
    if (!(f->path = mem_strdup(path)) || !(f->cache = cache_ref())) goto fail;
    pthread_mutex_init(&f->opening, NULL);
    atomic_init(&f->pins, CLOSED);
    if ((status = attach(f, true)) != TSR_OK) {
        pthread_mutex_destroy(&f->opening);
        cache_unref(f->cache);
        goto fail;
    }
    cached_file_unpin(f);
    *out = f;
    return TSR_OK;
fail:
    mem_free(f->path);
    mem_free(f);
    return status;
}

void cached_file_close(cached_file *f)
{
    if (!f) return;
    fdcache *c = f->cache;
    pthread_mutex_lock(&c->lock);
    int fd = f->next ? f->fd : -1;
    if (fd >= 0) {
        ring_remove(c, f);
        c->n_reserved--;
    }
    pthread_mutex_unlock(&c->lock);
    if (fd >= 0) close(fd);
    pthread_mutex_destroy(&f->opening);
    cache_unref(c);
    mem_free(f->path);
    mem_free(f);
}

int64_t cached_file_size(const cached_file *f) { return f->size_bytes; }

/* ---- Use --------------------------------------------------------------------------------------------------------- */

static bool try_pin(cached_file *f)
{
    int pins = atomic_load_explicit(&f->pins, memory_order_relaxed);
    while (pins >= 0) {
        if (!atomic_compare_exchange_weak_explicit(&f->pins, &pins, pins + 1, memory_order_acquire, memory_order_relaxed))
            continue;
        if (!atomic_load_explicit(&f->recent, memory_order_relaxed))
            atomic_store_explicit(&f->recent, true, memory_order_relaxed);
        return true;
    }
    return false;
}

tsr_status cached_file_pin(cached_file *f, int *fd)
{
    if (!try_pin(f)) {
        pthread_mutex_lock(&f->opening);
        tsr_status status = try_pin(f) ? TSR_OK : attach(f, false);
        pthread_mutex_unlock(&f->opening);
        TRY(status);
    }
    *fd = f->fd;
    return TSR_OK;
}

void cached_file_unpin(cached_file *f) { atomic_fetch_sub_explicit(&f->pins, 1, memory_order_release); }

static _Thread_local bool (*is_stopped)(const void *context);
static _Thread_local const void *stop_context;

void fd_reads_stop(bool (*stopped)(const void *context), const void *context)
{
    is_stopped = stopped;
    stop_context = context;
}

tsr_status fd_read_at(int fd, void *out, size_t n, int64_t offset)
{
    if (is_stopped && is_stopped(stop_context)) return error_set(TSR_ERR_CANCELLED, "given up");
    char *to = out;
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_errno(errno, "cannot read %zu bytes at byte %lld", n, (long long)offset);
        if (got == 0)
            return error_set(TSR_ERR_FORMAT, "truncated: the file ends at byte %lld, %zu bytes early", (long long)offset, n);
        to += got;
        offset += got;
        n -= (size_t)got;
    }
    return TSR_OK;
}

tsr_status cached_file_read(cached_file *f, void *out, size_t n, int64_t offset)
{
    int fd;
    TRY(cached_file_pin(f, &fd));
    tsr_status status = fd_read_at(fd, out, n, offset);
    cached_file_unpin(f);
    return status;
}

tsr_status fd_write_at(int fd, const void *data, size_t n, int64_t offset)
{
    const char *from = data;
    while (n > 0) {
        ssize_t put = pwrite(fd, from, n, (off_t)offset);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return error_errno(errno, "cannot write %zu bytes at byte %lld", n, (long long)offset);
        from += put;
        offset += put;
        n -= (size_t)put;
    }
    return TSR_OK;
}
