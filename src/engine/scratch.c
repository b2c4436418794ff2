/* Blocks are appended: the stored size, a table of where each page ends, and the pages, each compressed by itself so that a part
 * of a block can be read alone. A block's place is as large as if nothing could be compressed: what is not written takes no disk,
 * and a released block is punched out of the file, so the disk in use follows what is spilled. The end of the file only grows: a
 * place is never used again, so another process can punch the holes. Shared between threads are the end and, under the lock, what
 * was released in a hurry. */
#define _GNU_SOURCE
#include "engine/scratch.h"

#include "base/mem.h"
#include "base/os.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
    int fd;
    char *folder;
    atomic_int_fast64_t end;
    pthread_mutex_t lock;
    bool in_hurry;
    VEC(int64_t) released; /* and not yet given back */
};

enum {
    PAGE_BYTES = 16 << 10,         /* less to unpack where a little of many blocks is read; below, compression suffers */
    STAGE_BYTES = 64 * PAGE_BYTES, /* of one system call; all the memory that spilling takes */
    ALIGNMENT = 4096               /* so that whole pages of the file are given back */
};

static int open_unnamed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    char *name = mem_printf("%s/tessera-XXXXXX", folder);
    if (!name) return -1;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) unlink(name);
    mem_free(name);
    return fd;
}

tsr_status scratch_open(const char *folder, scratch **out)
{
    scratch *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    s->folder = mem_strdup(folder);
    s->fd = s->folder ? open_unnamed(folder) : -1;
    if (s->fd < 0) {
        tsr_status status =
            s->folder ? error_errno(errno, "cannot spill blocks to the scratch folder '%s'", folder) : TSR_ERR_MEMORY;
        mem_free(s->folder);
        mem_free(s);
        return status;
    }
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return TSR_OK;
}

void scratch_close(scratch *s)
{
    if (!s) return;
    os_abandon(s->fd);
    pthread_mutex_destroy(&s->lock);
    VEC_FINI(&s->released);
    mem_free(s->folder);
    mem_free(s);
}

static tsr_status write_all(scratch *s, const char *data, size_t size, int64_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(s->fd, data, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return error_errno(n < 0 ? errno : ENOSPC, "cannot spill blocks to the scratch folder '%s'", s->folder);
        data += n;
        size -= (size_t)n;
        at += n;
    }
    return TSR_OK;
}

static tsr_status read_all(scratch *s, char *data, size_t size, int64_t at)
{
    while (size > 0) {
        ssize_t n = pread(s->fd, data, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return error_errno(n < 0 ? errno : EIO, "cannot read spilled blocks from the scratch folder '%s'", s->folder);
        data += n;
        size -= (size_t)n;
        at += n;
    }
    return TSR_OK;
}

static size_t n_pages(size_t size_bytes) { return (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES; }
static size_t page_bytes(size_t size_bytes, size_t page)
{
    return size_bytes - page * PAGE_BYTES < PAGE_BYTES ? size_bytes - page * PAGE_BYTES : PAGE_BYTES;
}
static size_t table_bytes(size_t size_bytes) { return (1 + n_pages(size_bytes)) * sizeof(uint64_t); }

/* Puts a page behind what is staged, as it is where compression does not pay. Returns what it takes. */
static size_t stage_page(char *to, const char *page, size_t n_bytes)
{
    int packed = LZ4_compress_fast(page, to, (int)n_bytes, LZ4_compressBound((int)n_bytes), 4);
    if (packed > 0 && (size_t)packed <= n_bytes - n_bytes / 16 - 1) return (size_t)packed;
    memcpy(to, page, n_bytes);
    return n_bytes;
}

/* table[0]: what is stored in all, with the table; then the end of each page behind the table. */
static tsr_status write_pages(scratch *s, const char *data, size_t size_bytes, int64_t at, uint64_t *table, char *stage)
{
    size_t staged = 0, total = 0;
    at += (int64_t)table_bytes(size_bytes);
    for (size_t p = 0; p < n_pages(size_bytes); p++) {
        size_t n = stage_page(stage + staged, data + p * PAGE_BYTES, page_bytes(size_bytes, p));
        staged += n;
        table[1 + p] = total += n;
        if (staged + PAGE_BYTES <= STAGE_BYTES && p + 1 < n_pages(size_bytes)) continue;
        TRY(write_all(s, stage, staged, at));
        at += (int64_t)staged;
        staged = 0;
    }
    table[0] = table_bytes(size_bytes) + total;
    return TSR_OK;
}

tsr_status scratch_write(scratch *s, const void *data, size_t size_bytes, int64_t *at)
{
    uint64_t *table = mem_alloc(table_bytes(size_bytes));
    char *stage = mem_alloc(STAGE_BYTES + (size_t)LZ4_compressBound(PAGE_BYTES));
    tsr_status status = table && stage ? TSR_OK : TSR_ERR_MEMORY;
    int64_t most = (int64_t)((table_bytes(size_bytes) + size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT), place = 0;
    if (status == TSR_OK) {
        place = atomic_fetch_add(&s->end, most);
        status = write_pages(s, data, size_bytes, place, table, stage);
    }
    if (status == TSR_OK) status = write_all(s, (char *)table, table_bytes(size_bytes), place);
    mem_free(stage);
    mem_free(table);
    if (status == TSR_OK) *at = place;
    return status;
}

/* The bytes of a page that are wanted, which are `n` from `first` on, to `out`. */
static tsr_status unpack_page(const scratch *s, const char *stored, size_t n_stored, size_t n_page, size_t first, size_t n,
                              char *out)
{
    if (n_stored == n_page) {
        memcpy(out, stored + first, n);
        return TSR_OK;
    }
    char room[PAGE_BYTES], *page = first == 0 ? out : room;
    int unpacked = LZ4_decompress_safe_partial(stored, page, (int)n_stored, (int)(first + n), (int)(page == out ? n : n_page));
    if (unpacked < (int)(first + n))
        return error_set(TSR_ERR_IO, "a spilled block in the scratch folder '%s' was damaged", s->folder);
    if (page == room) memcpy(out, room + first, n);
    return TSR_OK;
}

/* Pages p to `last`, as many as fit in the stage at a time. ends[i]: where page p + i - 1 ends. */
static tsr_status read_pages(scratch *s, int64_t at, size_t size_bytes, size_t p, size_t last, const uint64_t *ends, char *stage,
                             size_t first, size_t n_bytes, char *out)
{
    const size_t from = p;
    while (p <= last) {
        size_t next = p + 1;
        while (next <= last && ends[next + 1 - from] - ends[p - from] <= STAGE_BYTES) next++;
        uint64_t begin = ends[p - from], n_stored = ends[next - from] - begin;
        if (n_stored > STAGE_BYTES)
            return error_set(TSR_ERR_IO, "a spilled block in the scratch folder '%s' was damaged", s->folder);
        TRY(read_all(s, stage, (size_t)n_stored, at + (int64_t)(table_bytes(size_bytes) + begin)));
        for (; p < next; p++) {
            size_t start = p * PAGE_BYTES, n_page = page_bytes(size_bytes, p), low = first > start ? first - start : 0;
            size_t high = first + n_bytes < start + n_page ? first + n_bytes - start : n_page;
            TRY(unpack_page(s, stage + (ends[p - from] - begin), (size_t)(ends[p + 1 - from] - ends[p - from]), n_page, low,
                            high - low, out + (start + low - first)));
        }
    }
    return TSR_OK;
}

tsr_status scratch_read(scratch *s, int64_t at, size_t size_bytes, size_t first, size_t n_bytes, void *out)
{
    if (n_bytes == 0) return TSR_OK;
    const size_t p = first / PAGE_BYTES, last = (first + n_bytes - 1) / PAGE_BYTES;
    uint64_t *ends = mem_alloc((last - p + 2) * sizeof *ends);
    char *stage = mem_alloc(STAGE_BYTES);
    tsr_status status = ends && stage ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) status = read_all(s, (char *)ends, (last - p + 2) * sizeof *ends, at + (int64_t)(p * sizeof *ends));
    if (status == TSR_OK) {
        if (p == 0) ends[0] = 0; /* the total stands there */
        status = read_pages(s, at, size_bytes, p, last, ends, stage, first, n_bytes, out);
    }
    mem_free(stage);
    mem_free(ends);
    return status;
}

/* What is called here may be called in a signal handler (`os_do_behind`). */
static void punch(int fd, int64_t at)
{
    uint64_t stored;
    if (pread(fd, &stored, sizeof stored, at) != (ssize_t)sizeof stored) return;
    (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                    (off_t)((stored + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT));
}

static void punch_released(int fd, void *context)
{
    const scratch *s = context;
    for (size_t i = 0; i < s->released.n; i++) punch(fd, s->released.items[i]);
}

void scratch_release(scratch *s, int64_t at)
{
    pthread_mutex_lock(&s->lock);
    const bool noted = s->in_hurry && VEC_PUSH(&s->released, at);
    pthread_mutex_unlock(&s->lock);
    if (!noted) punch(s->fd, at);
}

void scratch_hurry(scratch *s)
{
    pthread_mutex_lock(&s->lock);
    s->in_hurry = true;
    pthread_mutex_unlock(&s->lock);
}

void scratch_settle(scratch *s)
{
    enum { FEW = 16 };
    pthread_mutex_lock(&s->lock);
    if (s->released.n <= FEW || !os_do_behind(s->fd, punch_released, s)) punch_released(s->fd, s);
    s->released.n = 0;
    s->in_hurry = false;
    pthread_mutex_unlock(&s->lock);
}
