/* What net.c, link.c, dial.c and output.c share: the loop, and a connection. */
#ifndef TESSERA_CLUSTER_LINK_H
#define TESSERA_CLUSTER_LINK_H

#include "cluster/address.h"
#include "cluster/frame.h"
#include "cluster/handshake.h"
#include "cluster/net.h"
#include "cluster/tls.h"
#include "cluster/wire.pb-c.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum { STAGING_BYTES = 256 << 10, LEAVE_MS = 1000 };

typedef struct share share;           /* memory shared with the peer of one link */
typedef struct share_pool share_pool; /* the memory this process shares */

typedef struct counters {
    atomic_uint_least64_t bytes_in, bytes_out, messages_in, messages_out, shared_in, shared_out;
} counters;

typedef struct posted {
    struct posted *next;
    void (*f)(void *context);
    void *context;
} posted;

typedef struct listener {
    struct listener *next;
    net *n;
    uv_poll_t poll;
    int fd;
    address_scheme scheme;
    bool paused;    /* no descriptors were left, or there were too many strangers */
    char path[108]; /* of a socket in the file system, removed when closed; "" */
} listener;

struct net_timer {
    net *n;
    net_timer *next, **at; /* in net.timers; I/O thread */
    uv_timer_t timer;
    int every_ms;
    void (*f)(void *context);
    void *context;
    atomic_bool stopped;
};

struct net {
    /* Constant after net_open. */
    net_options o;
    char *name;
    char host_id[96], local[64]; /* local: our abstract Unix socket */
    secret *key;
    tls_context *tls;
    handshake_self self;
    share_pool *pool; /* NULL: none */
    unsigned forks;   /* forks_count() of the process that opened it */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;

    posted last_words; /* net_close's */

    pthread_mutex_t lock; /* guards what follows */
    posted *first_post, **last_post;
    net_link *first_dirty, **last_dirty; /* links with something queued; each holds a reference */
    bool woken, ended;
    bool local_open; /* the abstract socket is there */

    /* The I/O thread's. */
    uv_prepare_t prepare;
    uv_timer_t tick, room; /* room: some stranger may have to make room by then */
    int64_t last_tick_ns;
    net_link *links;
    listener *listeners;
    net_timer *timers;
    int n_strangers, n_resolving;
    bool closing;
    bool runs_posts;  /* not all that was posted has run yet: the net does not end in the middle of it */
    uint8_t *staging; /* STAGING_BYTES: what is received and not wanted elsewhere */
    uint8_t *cipher;  /* the same, encrypted */

    atomic_uint_least64_t next_id;
    counters counts;
};

/* A message on its way out. */
typedef struct outgoing {
    struct outgoing *next;
    size_t n_bytes, sent; /* of bytes and payload together */
    size_t n_front;       /* of bytes */
    buffer *buf;
    const char *payload;
    mem_account *use; /* where it counts from when it is queued; NULL: nowhere */
    int fd;           /* passed with the first byte, and closed; -1 */
    bool last;        /* a Bye: nothing follows */
    uint8_t bytes[];  /* header, head, and a payload that was copied */
} outgoing;

typedef enum link_state { LINK_DIALING, LINK_TLS, LINK_HELLO, LINK_OPEN, LINK_LEAVING, LINK_CLOSED } link_state;

struct net_link {
    net *n;
    uint64_t id;
    atomic_int refs;
    _Atomic(void *) user;
    atomic_size_t queued_bytes;
    atomic_bool was_high; /* above the high-water mark since `drained` was last told */
    _Atomic(net_peer *) peer;

    pthread_mutex_t lock; /* guards what follows; taken before the net's */
    outgoing *first, **last;
    bool shut, dirty; /* nothing more is taken; in the net's list */
    char *close_reason;
    net_link *next_dirty; /* guarded by the net's lock */
    share *share;         /* set when opened, freed with the link; NULL: none */

    /* The I/O thread's. */
    net_link *next, **at; /* in net.links */
    link_state state;
    int generation; /* changes when what is being read is not this connection's any more */
    bool initiator, stranger, moved, stay, told_opened, broken;
    int fd;
    uv_poll_t *poll;
    int events;
    address target; /* initiators: asked for; dialled may be the peer's local socket */
    struct addrinfo *resolved, *next_address;
    char remote[ADDRESS_TEXT_BYTES];
    tls *tls;
    handshake *handshake;
    frame_reader reader;
    void *token; /* of the payload being received */
    bool placed;
    strbuf raw;      /* the handshake's bytes, sent before any message */
    size_t raw_sent; /* of them */
    outgoing *out, **out_last;
    char *cipher; /* encrypted, on its way out */
    size_t n_cipher, cipher_sent;
    bool said_bye, finished; /* the last message is in `out`; the writing side is shut */
    int64_t last_in_ns, last_out_ns, deadline_ns;
    int64_t silence_ns, heartbeat_ns;
    char *reason; /* of leaving */
    int fds[4];   /* received and not used yet */
    int n_fds;
    net_peer peer_said;
    handshake_peer peer_texts;
    counters counts;
};

#define COUNT(l, what, amount)                                                                                                   \
    do {                                                                                                                         \
        atomic_fetch_add_explicit(&(l)->counts.what, (amount), memory_order_relaxed);                                            \
        atomic_fetch_add_explicit(&(l)->n->counts.what, (amount), memory_order_relaxed);                                         \
    } while (0)

/* net.c */
void net_log(const net *n, net_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool net_on_thread(const net *n);
/* Ends the loop if this was the last thing a closing net waited for. */
void net_check_end(net *n);
/* Puts a link in the list of those with something to send. The link's lock is held. */
void net_add_dirty(net_link *l);

/* listen.c */
void listeners_close(net *n);
void listeners_resume(net *n);
void listeners_on_room(uv_timer_t *room);

/* link.c: the I/O thread, unless said otherwise */
tsr_status link_new(net *n, bool initiator, net_link **out) MUST_CHECK; /* any thread; not in the list yet */
void link_add(net_link *l);                                             /* to the net's list, which holds a reference */
/* Has the loop look after a socket, which becomes the link's at once, also on failure. */
tsr_status link_attach(net_link *l, int fd) MUST_CHECK;
/* A connected socket, which becomes the link's: TLS and the handshake begin. */
void link_start(net_link *l, int fd, bool with_tls);
/* Closes the connection but not the link: it is about to be dialled another way. */
void link_drop_connection(net_link *l);
/* The end: tells the handlers, at once. */
void link_fail(net_link *l, const char *reason);
/* The end, after what is in `raw` (a Bye, for example) has been sent. */
void link_leave(net_link *l, const char *reason);
void link_tick(net_link *l, int64_t now_ns);
void link_watch(net_link *l, int events);
/* Builds a frame without sending it. */
tsr_status outgoing_new(uint32_t type, const uint8_t *head, size_t head_bytes, const net_payload *payload,
                        outgoing **out) MUST_CHECK;
void outgoing_free(outgoing *o);
/* Any thread; takes the frame on success. */
tsr_status link_queue(net_link *l, outgoing *o) MUST_CHECK;

/* output.c */
/* Sends what can be sent. */
void link_flush(net_link *l);
/* Everything is sent that was queued. */
bool link_is_flushed(const net_link *l);

/* dial.c */
void link_dial(net_link *l);
/* The connection to one address failed: tries the next, or fails. */
void link_dial_failed(net_link *l, const char *reason);
/* A connection being made is ready, one way or the other. */
void link_dialled(net_link *l);
/* Goes over to the peer's Unix socket. */
void link_move(net_link *l, const char *local);

#endif
