/* What the tests of the network share: a station is a net whose handlers count and remember, and echo if asked to. */
#ifndef TESSERA_CLUSTER_NET_TESTING_H
#define TESSERA_CLUSTER_NET_TESTING_H

#include "base/mem.h"
#include "base/os.h"
#include "cluster/net.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TYPE_ECHO = 1, TYPE_REPLY = 2, TYPE_NUMBER = 3, TYPE_CLOSE_ME = 4 };
enum { TESTING_WAIT_S = 60 };

typedef struct station {
    net *n;
    char address[400];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int opened, closed, messages, abandoned, drained, logged;
    char reason[600], log[1024]; /* the last ones */
    net_link *link;              /* the last one opened; a reference */
    char peer_name[64];
    net_role peer_role;
    uint64_t next_number; /* TYPE_NUMBER must come in order */
    bool out_of_order, refuse_payloads, use_shared, may_fail;
    size_t greeting_bytes; /* sent to whoever comes in */
    buffer *got;           /* the last payload that was placed */
    size_t got_bytes, last_payload_bytes;
    const char *got_at; /* where message said it was */
    uint8_t last_head[64];
    size_t last_head_bytes;
    char *target; /* if set, payloads are placed here */
} station;

static inline void station_changed(station *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void station_opened(void *context, net_link *l, const net_peer *peer)
{
    station *s = context;
    if (s->greeting_bytes) {
        char *data = calloc(1, s->greeting_bytes);
        if (!data || link_send(l, TYPE_REPLY, NULL, 0, &(net_payload){.data = data, .bytes = s->greeting_bytes}) != TSR_OK)
            abort();
        free(data);
    }
    pthread_mutex_lock(&s->lock);
    s->opened++;
    link_unref(s->link);
    s->link = link_ref(l);
    snprintf(s->peer_name, sizeof s->peer_name, "%.60s", peer->name);
    s->peer_role = peer->role;
    station_changed(s);
}

static char *station_place(void *context, net_link *l, const net_message *m, void **token)
{
    station *s = context;
    buffer *b = NULL;
    if (s->refuse_payloads || (s->use_shared && m->shared)) return NULL;
    if (s->target) {
        *token = NULL;
        return s->target;
    }
    char *data = malloc(m->payload_bytes);
    if (!data || buffer_wrap(data, m->payload_bytes, free, data, &b) != TSR_OK) {
        if (!s->may_fail) abort();
        free(data);
        return NULL;
    }
    *token = b;
    return b->data;
}

static void station_message(void *context, net_link *l, const net_message *m)
{
    station *s = context;
    buffer *b = m->token;
    if (m->type == TYPE_ECHO) {
        net_payload p = {.buf = b ? b : m->shared, .data = m->payload, .bytes = m->payload ? m->payload_bytes : 0};
        if (link_send(l, TYPE_REPLY, m->head, m->head_bytes, &p) != TSR_OK) {
            if (!s->may_fail) abort();
            link_close(l, tsr_error_message());
        }
    }
    if (m->type == TYPE_CLOSE_ME) link_close(l, "as you wish");
    pthread_mutex_lock(&s->lock);
    if (m->type == TYPE_NUMBER) {
        uint64_t number = 0;
        memcpy(&number, m->head, m->head_bytes < sizeof number ? m->head_bytes : sizeof number);
        if (number != s->next_number++) s->out_of_order = true;
    }
    s->messages++;
    buffer_unref(s->got);
    s->got = b ? b : m->shared ? buffer_ref(m->shared) : NULL;
    s->got_at = m->payload;
    s->got_bytes = m->payload ? m->payload_bytes : 0;
    s->last_payload_bytes = m->payload_bytes;
    s->last_head_bytes = m->head_bytes;
    memcpy(s->last_head, m->head, m->head_bytes < sizeof s->last_head ? m->head_bytes : sizeof s->last_head);
    station_changed(s);
}

static void station_abandoned(void *context, net_link *l, void *token)
{
    station *s = context;
    buffer_unref(token);
    pthread_mutex_lock(&s->lock);
    s->abandoned++;
    station_changed(s);
}

static void station_drained(void *context, net_link *l)
{
    station *s = context;
    pthread_mutex_lock(&s->lock);
    s->drained++;
    station_changed(s);
}

static void station_closed(void *context, net_link *l, const char *reason)
{
    station *s = context;
    pthread_mutex_lock(&s->lock);
    s->closed++;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
    station_changed(s);
}

static void station_log(void *context, net_level level, const char *text)
{
    station *s = context;
    if (level == NET_LOG_DEBUG) return;
    pthread_mutex_lock(&s->lock);
    s->logged++;
    snprintf(s->log, sizeof s->log, "%s", text);
    station_changed(s);
}

static inline tsr_status station_open(station *s, const net_options *given)
{
    net_options o = given ? *given : (net_options){0};
    *s = (station){0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (!o.role) o.role = NET_ROLE_WORKER;
    o.handlers = (net_handlers){.opened = station_opened,
                                .place = station_place,
                                .message = station_message,
                                .abandoned = station_abandoned,
                                .drained = station_drained,
                                .closed = station_closed};
    o.context = s;
    o.log = station_log;
    return net_open(&o, &s->n);
}

static inline void station_close(station *s)
{
    net_close(s->n);
    link_unref(s->link);
    buffer_unref(s->got);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

/* Does a text of the station's, its log or reason, which other threads write, have this part now? */
static inline bool station_said(station *s, const char *text, const char *part)
{
    pthread_mutex_lock(&s->lock);
    const bool found = strstr(text, part) != NULL;
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* Waits until *count, which the station's handlers change, is at least n. False after a minute. */
static inline bool station_wait(station *s, const int *count, int n)
{
    struct timespec until;
    bool there;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TESTING_WAIT_S;
    pthread_mutex_lock(&s->lock);
    while (!(there = *count >= n) && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&s->lock);
    return there;
}

/* A number that handlers change. */
static inline int station_read(station *s, const int *count)
{
    pthread_mutex_lock(&s->lock);
    int n = *count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Writes a secret file of its own; the caller unlinks it. */
static inline void testing_secret(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/tessera-secret-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort();
    close(fd);
}

#endif
