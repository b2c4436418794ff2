/* Memory shared with processes of this host. A share_pool is this process's own: recycled segments (memfd), from which buffers
 * are cut. A share belongs to one link: it passes each segment once, then messages say only where in it their payload lies. */
#ifndef TESSERA_CLUSTER_SHARE_H
#define TESSERA_CLUSTER_SHARE_H

#include "base/account.h"
#include "cluster/link.h"

/* Smaller payloads go over the socket. */
enum { SHARE_LEAST_BYTES = 64 << 10 };

/* ---- share_pool.c; any thread ---- */

/* Where a buffer of the pool lies. */
typedef struct share_place {
    uint32_t segment; /* a number that is never used again */
    uint64_t segment_bytes, offset;
    int fd; /* of the segment, borrowed */
} share_place;

/* account: where its bytes are counted until it is closed, or NULL. */
tsr_status share_pool_new(size_t max_bytes, mem_account *account, share_pool **out) MUST_CHECK;
/* Buffers that are referenced keep what they need. */
void share_pool_close(share_pool *p);
/* Gives segments back of which nothing is in use. */
void share_pool_trim(share_pool *p);
/* The same, and the memory of what is not in use of the others, which stay mapped. */
void share_pool_empty(share_pool *p);
/* *out stays NULL if the pool has no room. */
tsr_status share_pool_buffer(share_pool *p, size_t size_bytes, buffer **out) MUST_CHECK;
/* False if b is not a buffer of this pool. */
bool share_pool_find(const share_pool *p, const buffer *b, share_place *out);
/* The peer may go on to read this buffer's memory, nobody knows for how long: it is never used again. */
void share_pool_taint(const buffer *b);
/* Whether the segment is gone for good. */
bool share_pool_is_gone(share_pool *p, uint32_t segment);
/* Counts the segments that are gone: cheap to look at. */
unsigned share_pool_n_gone(share_pool *p);

/* ---- share.c ---- */

tsr_status share_new(net_link *l, share **out) MUST_CHECK;
/* Every so often: tells the peer of segments that are gone, so that it unmaps them, too. */
void share_tick(share *s);
/* The link is closed: nothing is sent or received any more. I/O thread. */
void share_end(share *s);
/* With the link's last reference. */
void share_free(share *s);
/* Any thread. Sends a message whose payload lies in shared memory, or is copied there. *done stays false if it has to go over the
 * socket. */
tsr_status share_send(share *s, uint32_t type, const uint8_t *head, size_t head_bytes, const net_payload *payload,
                      bool *done) MUST_CHECK;
/* The three frames, on the I/O thread. fd: one that came with the frame, which is taken; -1: none. */
tsr_status share_take_pool(share *s, const uint8_t *head, size_t head_bytes, int fd) MUST_CHECK;
tsr_status share_take_release(share *s, const uint8_t *head, size_t head_bytes) MUST_CHECK;
/* A message arrived: *unpacked is the caller's to free, *payload a buffer with one reference. */
tsr_status share_take_message(share *s, const uint8_t *head, size_t head_bytes, Tessera__Wire__Shared **unpacked,
                              buffer **payload) MUST_CHECK;

#endif
