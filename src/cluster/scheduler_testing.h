/* What the tests of the scheduler share: an actor is a worker or a client that says what it is told to, and keeps what it hears.
 */
#ifndef TESSERA_CLUSTER_SCHEDULER_TESTING_H
#define TESSERA_CLUSTER_SCHEDULER_TESTING_H

#include "base/os.h"
#include "base/vec.h"
#include "cluster/cluster.pb-c.h"
#include "cluster/net.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TYPE(name) TESSERA__CLUSTER__MESSAGE_TYPE__##name

enum { WAIT_S = 60 };

/* ---- Somebody who talks to the scheduler ------------------------------------------------------------------------------- */

typedef struct heard {
    uint32_t type;
    size_t head_bytes, payload_bytes;
    uint8_t *head;
    char *payload;
} heard;

typedef struct actor {
    net *n;
    net_link *link;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    VEC(heard) messages;
    size_t at; /* the next that `expect` looks at */
    net_timer *reports;
    bool closed;
    char reason[300];
} actor;

static inline char *actor_place(void *context, net_link *l, const net_message *m, void **token)
{
    *token = malloc(m->payload_bytes);
    return *token;
}

static inline void actor_message(void *context, net_link *l, const net_message *m)
{
    actor *a = context;
    heard h = {.type = m->type, .head_bytes = m->head_bytes, .payload_bytes = m->payload_bytes, .payload = m->token};
    h.head = malloc(m->head_bytes + 1);
    memcpy(h.head, m->head, m->head_bytes);
    pthread_mutex_lock(&a->lock);
    if (!VEC_PUSH(&a->messages, h)) abort();
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static inline void actor_opened(void *context, net_link *l, const net_peer *peer) {}

static inline void actor_closed(void *context, net_link *l, const char *reason)
{
    actor *a = context;
    pthread_mutex_lock(&a->lock);
    a->closed = true;
    snprintf(a->reason, sizeof a->reason, "%s", reason);
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static inline void actor_begin(actor *a, net_role role, const char *name, const char *address)
{
    *a = (actor){.n = NULL};
    pthread_mutex_init(&a->lock, NULL);
    os_cond_init(&a->changed);
    net_options o = {.role = role, .name = name, .context = a};
    o.handlers = (net_handlers){.opened = actor_opened, .place = actor_place, .message = actor_message, .closed = actor_closed};
    assert_int_equal(net_open(&o, &a->n), TSR_OK);
    assert_int_equal(net_connect(a->n, address, &a->link), TSR_OK);
}

/* As workers do, without anything to tell. On the I/O thread. */
static inline void actor_report(void *context)
{
    if (link_send(((actor *)context)->link, TYPE(REPORT), NULL, 0, NULL) != TSR_OK) tsr_error_clear();
}

static inline void actor_end(actor *a)
{
    if (a->reports) net_timer_stop(a->reports);
    net_close(a->n);
    link_unref(a->link);
    for (size_t i = 0; i < a->messages.n; i++) {
        free(a->messages.items[i].head);
        free(a->messages.items[i].payload);
    }
    VEC_FINI(&a->messages);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
}

/* The next message of this type; those before it are passed over. The memory is the actor's. */
static inline heard expect(actor *a, uint32_t type)
{
    const int64_t until = os_now_ns() + (int64_t)WAIT_S * 1000000000;
    heard found = {0};
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (a->at < a->messages.n && !found.type)
            if (a->messages.items[a->at++].type == type) found = a->messages.items[a->at - 1];
        if (found.type || a->closed || os_now_ns() > until) break;
        os_cond_wait_ns(&a->changed, &a->lock, 100000000);
    }
    pthread_mutex_unlock(&a->lock);
    if (!found.type) print_error("no message of type %u: %s\n", type, a->reason);
    assert_int_equal(found.type, type);
    return found;
}

static inline void expect_closed(actor *a, const char *part)
{
    const int64_t until = os_now_ns() + (int64_t)WAIT_S * 1000000000;
    pthread_mutex_lock(&a->lock);
    while (!a->closed && os_now_ns() < until) os_cond_wait_ns(&a->changed, &a->lock, 100000000);
    const bool closed = a->closed, said = strstr(a->reason, part) != NULL;
    pthread_mutex_unlock(&a->lock);
    assert_true(closed);
    if (!said) print_error("closed with: %s\n", a->reason);
    assert_true(said);
}

/* How many of a type came within a while. */
static inline int count_for(actor *a, uint32_t type, int ms)
{
    int n = 0;
    usleep((useconds_t)ms * 1000);
    pthread_mutex_lock(&a->lock);
    for (; a->at < a->messages.n; a->at++) n += a->messages.items[a->at].type == type;
    pthread_mutex_unlock(&a->lock);
    return n;
}

static inline void say(actor *a, uint32_t type, const ProtobufCMessage *m, const char *payload, size_t bytes)
{
    uint8_t *head = malloc(protobuf_c_message_get_packed_size(m) + 1);
    size_t n = protobuf_c_message_pack(m, head);
    assert_int_equal(link_send(a->link, type, head, n, payload ? &(net_payload){.data = payload, .bytes = bytes} : NULL), TSR_OK);
    free(head);
}

#endif
