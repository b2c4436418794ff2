/* What the fuzzers of one side's messages about tasks share: a network without a thread and links without sockets, to which is
 * sent what goes nowhere; and reading an input byte by byte. Nothing starts or ends with an input, so there are thousands a
 * second. A dial never comes about: it fails at once. */
#ifndef TESSERA_FUZZ_LINKS_H
#define TESSERA_FUZZ_LINKS_H

#include "cluster/link.h"
#include "cluster/tasks_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *at, *end;
} input;

static inline uint8_t next(input *in) { return in->at < in->end ? *in->at++ : 0; }

/* At most n bytes of the rest. */
static inline const uint8_t *next_bytes(input *in, size_t *n)
{
    const uint8_t *at = in->at;
    if (*n > (size_t)(in->end - at)) *n = (size_t)(in->end - at);
    in->at += *n;
    return at;
}

static inline net *made_up_net(void)
{
    static net n;
    if (n.ended) return &n;
    n.ended = true; /* nothing can be posted to it */
    n.o.high_water_bytes = SIZE_MAX;
    pthread_mutex_init(&n.lock, NULL);
    return &n;
}

/* Takes what is sent on it and keeps it until it goes; it looks as if the I/O thread were about to send. */
static inline net_link *made_up_link(void)
{
    net_link *l;
    if (link_new(made_up_net(), true, &l) != TSR_OK) abort();
    l->dirty = true;
    return l;
}

/* How a payload comes: into memory that was asked for, cut off half way, or where it lies in shared memory. */
typedef enum arrival_kind { ARRIVES, IS_CUT, IS_SHARED, N_ARRIVALS } arrival_kind;

typedef struct receiver {
    void *context;
    char *(*place)(void *context, net_link *l, const net_message *m, void **token);
    void (*message)(void *context, net_link *l, const net_message *m);
    bool (*abandoned)(void *context, net_link *l, void *token);
} receiver;

/* Hands over a message as link.c does. */
static inline void hand(const receiver *r, net_link *l, uint32_t type, const uint8_t *head, size_t head_bytes, size_t n,
                        arrival_kind how)
{
    net_message m = {.type = type, .head = head, .head_bytes = head_bytes, .payload_bytes = n};
    buffer *shared = NULL;
    if (n && how == IS_SHARED) {
        if (tasks_buffer_new(made_up_net(), n, &shared) != TSR_OK) abort();
        memset(shared->data, 1, n);
        m.shared = shared;
    }
    char *to = n ? r->place(r->context, l, &m, &m.token) : NULL;
    if (to) memset(to, 1, n);
    m.payload = to ? to : shared ? shared->data : NULL;
    if (to && how == IS_CUT) {
        if (!r->abandoned(r->context, l, m.token)) abort();
    } else {
        r->message(r->context, l, &m);
    }
    buffer_unref(shared);
}

static inline void hand_packed(const receiver *r, net_link *l, uint32_t type, const ProtobufCMessage *m, size_t payload_bytes,
                               arrival_kind how)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *head = malloc(n + 1);
    if (!head) abort();
    protobuf_c_message_pack(m, head);
    hand(r, l, type, head, n, payload_bytes, how);
    free(head);
}

/* A message as it stands in the input: type, length, head, bytes of the payload. */
static inline void hand_raw(const receiver *r, net_link *l, input *in, arrival_kind how)
{
    const uint32_t type = 128 + (uint32_t)next(in) % 96;
    size_t n = next(in);
    const uint8_t *head = next_bytes(in, &n);
    hand(r, l, type, head, n, next(in), how);
}

#define TYPE(name) TESSERA__FUTURES__MESSAGE_TYPE__##name

/* One or two workers, of numbers 7 to 9, come or go. */
static inline void hand_peers(const receiver *r, net_link *scheduler, unsigned what)
{
    Tessera__Futures__Peers list = TESSERA__FUTURES__PEERS__INIT;
    Tessera__Futures__Peer one[2], *all[] = {&one[0], &one[1]};
    for (int i = 0; i < 2; i++) {
        tessera__futures__peer__init(&one[i]);
        one[i].worker = 7 + (what + (unsigned)i) % 3;
        one[i].address = what & 4 ? "tcp://127.0.0.1:1" : what & 8 ? "" : "nowhere";
        one[i].gone = what & 16;
    }
    list.n_peers = 1 + what % 2;
    list.peers = all;
    hand_packed(r, scheduler, TYPE(PEERS), &list.base, 0, ARRIVES);
}

#endif
