/* Fuzzes what an authenticated peer may say about shared memory: announcements, messages and tickets given back, in any order and
 * with any numbers. The input is a list of records: what (a byte), length (two bytes), the packed message. */
#define _GNU_SOURCE
#include "cluster/share.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = 1 << 16 };

/* A segment of the peer's: as it should be, not sealed, or none at all. */
static int make_segment(int kind)
{
    if (kind == 0) return -1;
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, SEGMENT) != 0) abort();
    if (kind > 1 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) abort();
    return fd;
}

static tsr_status one(share *s, int what, const uint8_t *head, size_t n)
{
    Tessera__Wire__Shared *m = NULL;
    buffer *b = NULL;
    if (what % 4 == 0) return share_take_pool(s, head, n, make_segment(what / 4 % 4));
    if (what % 4 == 1) return share_take_release(s, head, n);
    TRY(share_take_message(s, head, n, &m, &b));
    unsigned sum = 0;
    for (size_t i = 0; i < b->size_bytes; i += 4096) sum += (unsigned char)b->data[i];
    sum += (unsigned char)b->data[b->size_bytes - 1];
    static volatile unsigned kept;
    kept = sum;
    (void)kept;
    tessera__wire__shared__free_unpacked(m, NULL);
    buffer_unref(b); /* answers with Release, which stays queued */
    return TSR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static net *n;
    net_link *l;
    share *s;
    if (!n && net_open(&(net_options){.role = NET_ROLE_WORKER, .max_shared_bytes = 4 << 20}, &n) != TSR_OK) abort();
    if (link_new(n, false, &l) != TSR_OK || share_new(l, &s) != TSR_OK) abort();
    /* Something of ours that the peer holds. */
    static char block[SHARE_LEAST_BYTES];
    bool done = false;
    net_payload payload = {.data = block, .bytes = sizeof block};
    if (share_send(s, 1, NULL, 0, &payload, &done) != TSR_OK || !done) abort();
    while (size >= 3) {
        size_t length = (size_t)(data[1] | data[2] << 8);
        if (length > size - 3) length = size - 3;
        if (one(s, data[0], data + 3, length) != TSR_OK) {
            if (!tsr_error_message()[0]) abort();
            break;
        }
        data += 3 + length;
        size -= 3 + length;
    }
    share_free(s);
    link_unref(l);
    return 0;
}
