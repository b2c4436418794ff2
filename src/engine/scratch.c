/* Blocks are appended, each behind a header of its stored size; a released block's space is punched out of the file, so the disk
 * in use follows what is spilled. The end of the file is the only shared state. */
#define _GNU_SOURCE
#include "engine/scratch.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
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
};

enum { HEADER_BYTES = 8, ALIGNMENT = 4096 /* so that whole pages are given back */ };
/* The top bit of the header says that the block is stored as it is. */
#define RAW_BIT ((uint64_t)1 << 63)

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
    *out = s;
    return TSR_OK;
}

void scratch_close(scratch *s)
{
    if (!s) return;
    close(s->fd);
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

tsr_status scratch_write(scratch *s, const void *data, size_t size_bytes, int64_t *at)
{
    if (size_bytes > LZ4_MAX_INPUT_SIZE)
        return error_set(TSR_ERR_UNSUPPORTED, "a block of %zu bytes is too large to be spilled", size_bytes);
    int bound = LZ4_compressBound((int)size_bytes);
    char *room = mem_alloc(HEADER_BYTES + (size_t)bound);
    if (!room) return TSR_ERR_MEMORY;
    int packed = LZ4_compress_fast(data, room + HEADER_BYTES, (int)size_bytes, bound, 4);
    uint64_t header = (uint64_t)packed;
    if (packed <= 0 || (size_t)packed > size_bytes - size_bytes / 16) { /* does not pay */
        header = size_bytes | RAW_BIT;
        memcpy(room + HEADER_BYTES, data, size_bytes);
    }
    memcpy(room, &header, sizeof header);
    size_t stored = HEADER_BYTES + (size_t)(header & ~RAW_BIT);
    int64_t place = atomic_fetch_add(&s->end, (int64_t)((stored + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT));
    tsr_status status = write_all(s, room, stored, place);
    mem_free(room);
    if (status == TSR_OK) *at = place;
    return status;
}

tsr_status scratch_read(scratch *s, int64_t at, void *data, size_t size_bytes)
{
    uint64_t header;
    TRY(read_all(s, (char *)&header, sizeof header, at));
    size_t stored = (size_t)(header & ~RAW_BIT);
    if (header & RAW_BIT) return read_all(s, data, size_bytes, at + HEADER_BYTES);
    char *room = mem_alloc(stored);
    if (!room) return TSR_ERR_MEMORY;
    tsr_status status = read_all(s, room, stored, at + HEADER_BYTES);
    if (status == TSR_OK && LZ4_decompress_safe(room, data, (int)stored, (int)size_bytes) != (int)size_bytes) {
        status = error_set(TSR_ERR_IO, "a spilled block in the scratch folder '%s' was damaged", s->folder);
    }
    mem_free(room);
    return status;
}

void scratch_release(scratch *s, int64_t at)
{
    uint64_t header;
    if (read_all(s, (char *)&header, sizeof header, at) != TSR_OK) return;
    size_t stored = HEADER_BYTES + (size_t)(header & ~RAW_BIT);
    (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                    (off_t)((stored + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT));
}
