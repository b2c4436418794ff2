/* Messages through shared memory, both directions of one link.
 *
 * Sending: a segment is announced with its descriptor before the first message that lies in it. Each message holds a reference to
 * its buffer, under a ticket, until the peer gives the ticket back. If the link ends before, the peer may still be reading: the
 * memory is tainted and not used again. Receiving: segments are mapped for reading only; every number of the peer's is checked
 * against what was mapped. A mapping lives as long as the link or a buffer in it. Lock order: the share's, the link's, the net's.
 */
#define _GNU_SOURCE
#include "cluster/share.h"

#include "base/forks.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MAPPINGS = 4096 };

/* A peer's segment. */
typedef struct mapping {
    atomic_int refs;
    uint32_t id;
    char *base;
    size_t bytes;
} mapping;

typedef struct held {
    buffer *buf;      /* NULL: the slot is free */
    uint32_t next;    /* free slot, + 1 */
    uint32_t version; /* in the upper half of the ticket: one given back twice is found out */
} held;

struct share {
    net_link *l;
    share_pool *pool;
    mapping **mappings; /* the I/O thread's */
    int n_mappings;

    pthread_mutex_t lock; /* guards what follows */
    uint32_t *announced;
    size_t n_announced;
    unsigned n_gone; /* of the pool's segments, when `announced` was last looked through */
    held *slots;
    uint32_t n_slots, first_free; /* + 1 */
    bool ended;
};

/* A received payload. */
typedef struct received {
    net_link *l;
    mapping *map;
    uint64_t ticket;
    unsigned forks; /* forks_count() of the process that received it; the net may be gone before it */
} received;

tsr_status share_new(net_link *l, share **out)
{
    share *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    s->l = l;
    s->pool = l->n->pool;
    s->n_gone = share_pool_n_gone(s->pool);
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return TSR_OK;
}

static void mapping_unref(mapping *m)
{
    if (atomic_fetch_sub(&m->refs, 1) != 1) return;
    munmap(m->base, m->bytes);
    mem_free(m);
}

void share_end(share *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->n_slots; i++) {
        buffer *b = s->slots[i].buf;
        s->slots[i].buf = NULL;
        if (b) share_pool_taint(b);
        buffer_unref(b);
    }
    /* No slot is free any more, and none will be. */
    s->n_slots = s->first_free = 0;
    s->ended = true;
    pthread_mutex_unlock(&s->lock);
    while (s->n_mappings > 0) mapping_unref(s->mappings[--s->n_mappings]);
}

void share_free(share *s)
{
    if (!s) return;
    share_end(s);
    mem_free(s->mappings);
    mem_free(s->announced);
    mem_free(s->slots);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---- sending ---- */

/* Queues a frame; takes fd. */
static tsr_status queue(net_link *l, uint32_t type, const ProtobufCMessage *m, int fd)
{
    outgoing *o = NULL;
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = mem_alloc(n);
    tsr_status status = packed ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) {
        protobuf_c_message_pack(m, packed);
        status = outgoing_new(type, packed, n, NULL, &o);
    }
    mem_free(packed);
    if (status != TSR_OK) {
        if (fd >= 0) close(fd);
        return status;
    }
    o->fd = fd;
    status = link_queue(l, o);
    if (status != TSR_OK) outgoing_free(o);
    return status;
}

static tsr_status send_pool(share *s, uint32_t id, uint64_t bytes, int fd)
{
    Tessera__Wire__Pool m = TESSERA__WIRE__POOL__INIT;
    m.pool = id;
    m.bytes = bytes;
    return queue(s->l, FRAME_TYPE(POOL), &m.base, fd);
}

/* Lets the peer unmap what this process has given up. The lock is held. */
static tsr_status withdraw(share *s)
{
    unsigned n_gone = share_pool_n_gone(s->pool);
    if (n_gone == s->n_gone) return TSR_OK;
    s->n_gone = n_gone;
    for (size_t i = 0; i < s->n_announced;) {
        if (share_pool_is_gone(s->pool, s->announced[i])) {
            TRY(send_pool(s, s->announced[i], 0, -1));
            s->announced[i] = s->announced[--s->n_announced];
        } else {
            i++;
        }
    }
    return TSR_OK;
}

void share_tick(share *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->ended) (void)!withdraw(s); /* or later */
    pthread_mutex_unlock(&s->lock);
}

/* The lock is held. */
static tsr_status announce(share *s, const share_place *place)
{
    for (size_t i = s->n_announced; i-- > 0;) {
        if (s->announced[i] == place->segment) return TSR_OK;
    }
    uint32_t *list = mem_realloc(s->announced, (s->n_announced + 1) * sizeof *list);
    if (!list) return TSR_ERR_MEMORY;
    s->announced = list;
    int fd = fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return error_errno(errno, "cannot pass shared memory");
    TRY(send_pool(s, place->segment, place->segment_bytes, fd));
    s->announced[s->n_announced++] = place->segment;
    return TSR_OK;
}

/* Keeps the buffer until the ticket comes back. The lock is held. */
static tsr_status hold(share *s, buffer *b, uint64_t *ticket)
{
    if (!s->first_free) {
        uint32_t n = s->n_slots ? s->n_slots * 2 : 16;
        held *slots = mem_realloc(s->slots, n * sizeof *slots);
        if (!slots) return TSR_ERR_MEMORY;
        for (uint32_t i = s->n_slots; i < n; i++) slots[i] = (held){.next = i + 1 < n ? i + 2 : 0};
        s->first_free = s->n_slots + 1;
        s->slots = slots;
        s->n_slots = n;
    }
    uint32_t i = s->first_free - 1;
    held *h = &s->slots[i];
    s->first_free = h->next;
    h->buf = buffer_ref(b);
    h->version++;
    *ticket = (uint64_t)h->version << 32 | i;
    return TSR_OK;
}

/* The lock is held; the reference is the caller's. */
static buffer *let_go(share *s, uint64_t ticket)
{
    uint32_t i = (uint32_t)ticket;
    if (i >= s->n_slots || !s->slots[i].buf || s->slots[i].version != ticket >> 32) return NULL;
    buffer *b = s->slots[i].buf;
    s->slots[i].buf = NULL;
    s->slots[i].next = s->first_free;
    s->first_free = i + 1;
    return b;
}

static tsr_status send_message(share *s, Tessera__Wire__Shared *m, buffer *b, const share_place *place)
{
    pthread_mutex_lock(&s->lock);
    tsr_status status = s->ended ? error_set(TSR_ERR_IO, "the connection to %s is closed", s->l->remote) : withdraw(s);
    if (status == TSR_OK) status = announce(s, place);
    if (status == TSR_OK) status = hold(s, b, &m->ticket);
    if (status == TSR_OK) {
        status = queue(s->l, FRAME_TYPE(SHARED), &m->base, -1);
        if (status != TSR_OK) buffer_unref(let_go(s, m->ticket));
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

tsr_status share_send(share *s, uint32_t type, const uint8_t *head, size_t head_bytes, const net_payload *payload, bool *done)
{
    Tessera__Wire__Shared m = TESSERA__WIRE__SHARED__INIT;
    share_place place;
    buffer *b = NULL;
    if (!payload || payload->bytes < SHARE_LEAST_BYTES) return TSR_OK;
    if (share_pool_find(s->pool, payload->buf, &place)) {
        b = buffer_ref(payload->buf);
        place.offset += (uint64_t)(payload->data - b->data);
    } else {
        TRY(share_pool_buffer(s->pool, payload->bytes, &b));
        if (!b) return TSR_OK;
        memcpy(b->data, payload->data, payload->bytes);
        (void)share_pool_find(s->pool, b, &place);
    }
    m.type = type;
    m.head = (ProtobufCBinaryData){.len = head_bytes, .data = (uint8_t *)(uintptr_t)head};
    m.pool = place.segment;
    m.offset = place.offset;
    m.bytes = payload->bytes;
    tsr_status status = send_message(s, &m, b, &place);
    if (status == TSR_OK) {
        *done = true;
        COUNT(s->l, shared_out, payload->bytes);
    }
    buffer_unref(b);
    return status;
}

tsr_status share_take_release(share *s, const uint8_t *head, size_t head_bytes)
{
    Tessera__Wire__Release *m = tessera__wire__release__unpack(NULL, head_bytes, head);
    tsr_status status = m ? TSR_OK : error_set(TSR_ERR_FORMAT, "a message about shared memory does not read");
    for (size_t i = 0; m && i < m->n_tickets && status == TSR_OK; i++) {
        pthread_mutex_lock(&s->lock);
        buffer *b = let_go(s, m->tickets[i]);
        pthread_mutex_unlock(&s->lock);
        if (!b) status = error_set(TSR_ERR_FORMAT, "the peer gave shared memory back that it does not hold");
        buffer_unref(b);
    }
    if (m) tessera__wire__release__free_unpacked(m, NULL);
    return status;
}

/* ---- receiving ---- */

static int find_mapping(const share *s, uint32_t id)
{
    for (int i = s->n_mappings; i-- > 0;) {
        if (s->mappings[i]->id == id) return i;
    }
    return -1;
}

/* Only what can never become shorter is mapped: reading it cannot fault. */
static tsr_status check_segment(int fd, uint64_t bytes)
{
    struct stat about;
    if (fd < 0) return error_set(TSR_ERR_FORMAT, "the peer announced shared memory without its descriptor");
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &about) != 0 || about.st_size < 0 || (uint64_t)about.st_size < bytes) {
        return error_set(TSR_ERR_FORMAT, "the peer's shared memory is not sealed, or is shorter than it says");
    }
    return TSR_OK;
}

static tsr_status map_segment(share *s, uint32_t id, uint64_t bytes, int fd)
{
    if (s->n_mappings >= MAX_MAPPINGS) return error_set(TSR_ERR_FORMAT, "the peer announced more than %d segments", MAX_MAPPINGS);
    if (find_mapping(s, id) >= 0) return error_set(TSR_ERR_FORMAT, "the peer announced segment %u twice", id);
    TRY(check_segment(fd, bytes));
    mapping **list = mem_realloc(s->mappings, (size_t)(s->n_mappings + 1) * sizeof(mapping *));
    if (!list) return TSR_ERR_MEMORY;
    s->mappings = list;
    mapping *m = mem_calloc(1, sizeof *m);
    if (!m) return TSR_ERR_MEMORY;
    m->base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (m->base == MAP_FAILED) {
        mem_free(m);
        return error_errno(errno, "cannot map %llu bytes of the peer's shared memory", (unsigned long long)bytes);
    }
    atomic_store(&m->refs, 1);
    m->id = id;
    m->bytes = bytes;
    s->mappings[s->n_mappings++] = m;
    return TSR_OK;
}

tsr_status share_take_pool(share *s, const uint8_t *head, size_t head_bytes, int fd)
{
    Tessera__Wire__Pool *m = tessera__wire__pool__unpack(NULL, head_bytes, head);
    tsr_status status = TSR_OK;
    if (!m) {
        status = error_set(TSR_ERR_FORMAT, "a message about shared memory does not read");
    } else if (m->bytes > 0) {
        status = map_segment(s, m->pool, m->bytes, fd);
    } else {
        int i = find_mapping(s, m->pool);
        if (i >= 0) {
            mapping_unref(s->mappings[i]);
            s->mappings[i] = s->mappings[--s->n_mappings];
        } else {
            status = error_set(TSR_ERR_FORMAT, "the peer withdrew segment %u, which it had not announced", m->pool);
        }
    }
    if (fd >= 0) close(fd);
    if (m) tessera__wire__pool__free_unpacked(m, NULL);
    return status;
}

/* Nobody here reads it any more. Any thread. */
static void give_back(void *context)
{
    received *r = context;
    if (r->forks != forks_count()) return; /* the parent gives it back */
    Tessera__Wire__Release m = TESSERA__WIRE__RELEASE__INIT;
    m.n_tickets = 1;
    m.tickets = &r->ticket;
    /* A link that is closed has no use for it; without memory for the message, the peer keeps the piece until the link closes. */
    (void)!queue(r->l, FRAME_TYPE(RELEASE), &m.base, -1);
    mapping_unref(r->map);
    link_unref(r->l);
    mem_free(r);
}

static tsr_status check_message(const share *s, const Tessera__Wire__Shared *m, const mapping **map)
{
    int i = find_mapping(s, m->pool);
    if (m->type == 0 || m->type >= NET_FIRST_RESERVED_TYPE)
        return error_set(TSR_ERR_FORMAT, "the peer sent a message of type %#x", m->type);
    if (i < 0) return error_set(TSR_ERR_FORMAT, "the peer's message lies in segment %u, which it has not announced", m->pool);
    *map = s->mappings[i];
    if (m->bytes > s->l->n->o.max_payload_bytes) {
        return error_set(TSR_ERR_FORMAT,
                         "the peer sent a message of type %#x with a payload of %llu bytes; at most %zu are taken", m->type,
                         (unsigned long long)m->bytes, s->l->n->o.max_payload_bytes);
    }
    if (m->bytes == 0 || m->offset > (*map)->bytes || m->bytes > (*map)->bytes - m->offset) {
        return error_set(TSR_ERR_FORMAT, "the peer's message of %llu bytes lies at %llu of a segment of %zu",
                         (unsigned long long)m->bytes, (unsigned long long)m->offset, (*map)->bytes);
    }
    return TSR_OK;
}

tsr_status share_take_message(share *s, const uint8_t *head, size_t head_bytes, Tessera__Wire__Shared **unpacked,
                              buffer **payload)
{
    Tessera__Wire__Shared *m = tessera__wire__shared__unpack(NULL, head_bytes, head);
    const mapping *map = NULL;
    received *r = NULL;
    tsr_status status = m ? check_message(s, m, &map) : error_set(TSR_ERR_FORMAT, "a message in shared memory does not read");
    if (status != TSR_OK) goto failed;
    r = mem_calloc(1, sizeof *r);
    status = r ? buffer_wrap(map->base + m->offset, m->bytes, give_back, r, payload) : TSR_ERR_MEMORY;
    if (status != TSR_OK) goto failed;
    r->l = link_ref(s->l);
    r->map = (mapping *)(uintptr_t)map;
    atomic_fetch_add(&r->map->refs, 1);
    r->ticket = m->ticket;
    r->forks = forks_count();
    *unpacked = m;
    return TSR_OK;
failed:
    mem_free(r);
    if (m) tessera__wire__shared__free_unpacked(m, NULL);
    return status;
}
