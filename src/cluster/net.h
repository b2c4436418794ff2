/* Messages between processes: one I/O thread with a libuv loop a `net`, connections that authenticate, frames whose bulk
 * payload is received straight into the buffer where it belongs.
 *
 * A message is a type, a head (a packed protobuf-c message, see the .proto files) and an optional payload (raw bytes of a block).
 * Handlers and posted functions run on the I/O thread, one at a time: they must be short and must not block. Everything else may
 * be called from any thread, the I/O thread included, unless a comment says otherwise. */
#ifndef TESSERA_CLUSTER_NET_H
#define TESSERA_CLUSTER_NET_H

#include "base/account.h"
#include "base/error.h"
#include "block/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct net net;
typedef struct net_link net_link; /* a connection to a peer, reference-counted */
typedef struct net_timer net_timer;

/* The version of the protocol this library speaks; peers with another are turned away. */
enum { NET_PROTOCOL = 1 };

typedef enum net_role { NET_ROLE_CLIENT = 1, NET_ROLE_WORKER = 2, NET_ROLE_SCHEDULER = 3 } net_role;

/* Message types below this are the callers' own; 0 is not used. */
#define NET_FIRST_RESERVED_TYPE 0xffff0000U

/* What a peer said of itself in the handshake. Valid as long as the link. */
typedef struct net_peer {
    net_role role;
    const char *name;
    const char *version; /* of its library, "0.1.0" */
    uint64_t capabilities;
    int64_t pid;
    const char *host_id; /* equal for processes that share a host and its network */
    bool same_host;      /* its host_id is ours */
    const char *address; /* of its end of the connection, "tcp://10.0.0.7:40112" */
} net_peer;

/* Bytes to send after the head. With `buf`, a reference to it is held until they are sent or the link is closed, and data must
 * not change before; without, they are copied. */
typedef struct net_payload {
    buffer *buf;
    const char *data;
    size_t bytes;
} net_payload;

typedef struct net_message {
    uint32_t type;
    const uint8_t *head; /* valid during the call */
    size_t head_bytes;
    const char *payload; /* where it was received; in `place`, NULL or where it lies already */
    size_t payload_bytes;
    void *token; /* what `place` left there, or NULL */
    buffer
        *shared; /* not NULL: the payload lies in memory shared with the peer, not to be written to; buffer_ref it to keep it */
} net_message;

/* Called on the I/O thread. For one link: opened once, then place and message in the order in which the peer sent, closed last.
 * A handler may send on any link, close any, and call everything but net_close. */
typedef struct net_handlers {
    /* The handshake is done. */
    void (*opened)(void *context, net_link *l, const net_peer *peer);
    /* A message with a payload arrives (payload_bytes > 0): returns the memory of payload_bytes that it is to be received into;
     * may leave a token for `message`. NULL: it is not wanted (message is told, with payload NULL), or, with `shared`, it is used
     * where it lies. A handler that ignores `shared` gets a copy in the memory it returns. May be NULL: no payload is wanted. */
    char *(*place)(void *context, net_link *l, const net_message *m, void **token);
    /* A whole message. */
    void (*message)(void *context, net_link *l, const net_message *m);
    /* The link was closed in the middle of a payload that `place` had accepted: the memory is the handler's again. May be NULL.
     */
    void (*abandoned)(void *context, net_link *l, void *token);
    /* Queued bytes fell below the low-water mark after having been above the high one (see net_options). May be NULL. */
    void (*drained)(void *context, net_link *l);
    /* The link is gone, for this reason (one line, lower case). Also told of a net_connect that failed, then without `opened`.
     * Not told of strangers that never got through the handshake; those are logged. */
    void (*closed)(void *context, net_link *l, const char *reason);
} net_handlers;

typedef enum net_level { NET_LOG_DEBUG, NET_LOG_INFO, NET_LOG_WARNING, NET_LOG_ERROR } net_level;

/* 0 or NULL means the default. Texts are copied. */
typedef struct net_options {
    net_role role;
    const char *name; /* for people; "" by default */
    uint64_t capabilities;
    const char *secret_file; /* its text, without the white space around it, is the secret that both sides prove to know */
    const char *ca_file, *cert_file, *key_file; /* PEM, for tls://: all three, and peers must show a certificate of the same CA */
    size_t max_head_bytes;                      /* of a message received; 16 MiB */
    size_t max_payload_bytes;                   /* 16 GiB */
    int max_unauthenticated;                    /* connections accepted and not through the handshake yet; 64 */
    int handshake_ms;                           /* a connection has this long to get through it; 10 000 */
    int heartbeat_ms;                           /* something is sent at least this often; 2000 */
    int silence_ms;                             /* a peer that sends nothing for this long is closed; 30 000 */
    size_t high_water_bytes, low_water_bytes;   /* for `drained`; 64 MiB and 16 MiB */
    size_t max_shared_bytes; /* of shared memory for messages to peers on this host; a quarter of the memory available */
    mem_account *memory_use; /* where shared memory and queued bytes are counted, until net_close; NULL: nowhere */
    bool no_shared;          /* stay on the address that was asked for, and use no shared memory */
    net_handlers handlers;
    void *context;
    void (*log)(void *context, net_level level, const char *text); /* on any thread; NULL: nothing is logged */
} net_options;

/* Starts the I/O thread. TSR_ERR_VALUE or TSR_ERR_IO if the secret or a certificate cannot be used. */
tsr_status net_open(const net_options *o, net **out) MUST_CHECK;
/* Closes every link (what is queued has a second to leave), calls the `closed` handlers, runs what is still posted, ends the
 * thread. Not on the I/O thread. Links that the caller holds stay valid, and closed. NULL is fine. */
void net_close(net *n);

/* "tcp://127.0.0.1:0", "tls://0.0.0.0:8786", "unix:///run/x.sock". Writes the address that was bound to `actual` (size bytes; may
 * be NULL). tcp beyond loopback needs a secret, or is refused with TSR_ERR_VALUE. */
tsr_status net_listen(net *n, const char *address, char *actual, size_t size) MUST_CHECK;
/* Returns at once with a reference for the caller (link_unref); `opened` or `closed` tell the outcome. Messages may be sent
 * before that. Fails for an address that does not read. A peer on the same host is reached over a Unix socket and shared memory.
 */
tsr_status net_connect(net *n, const char *address, net_link **out) MUST_CHECK;

/* Whether an address is, as it is written, one of this very host: a Unix socket, "localhost" or a loopback address. */
bool net_is_here(const char *address);

/* Queues a message; never blocks; those of one thread keep their order. TSR_ERR_IO if the link is closed. payload may be NULL. */
tsr_status link_send(net_link *l, uint32_t type, const uint8_t *head, size_t head_bytes, const net_payload *payload) MUST_CHECK;
size_t link_queued_bytes(const net_link *l);
/* Sends what is queued and the reason, then closes; `closed` is called later, with "closed here: " and the reason. */
void link_close(net_link *l, const char *reason);
net_link *link_ref(net_link *l);
void link_unref(net_link *l);
/* A pointer of the caller's. */
void link_set_user(net_link *l, void *user);
void *link_user(const net_link *l);
/* NULL before the handshake is done. */
const net_peer *link_peer(const net_link *l);
/* A number that no other link of this process has; for logs and tables. */
uint64_t link_id(const net_link *l);

/* A buffer in memory that peers on this host see: a payload from it is sent there without a copy. It is ordinary memory when
 * there is no shared memory left. One reference, contents undefined. */
tsr_status net_buffer_new(net *n, size_t size_bytes, buffer **out) MUST_CHECK;

/* Gives shared memory back that is only kept to be used again. */
void net_trim_shared(net *n);
/* The same, and what lies between pieces that are in use. */
void net_empty_shared(net *n);

/* Calls f(context) on the I/O thread, soon; in order for one thread. What was posted before net_close is called. */
tsr_status net_post(net *n, void (*f)(void *context), void *context) MUST_CHECK;
/* Calls f(context) on the I/O thread every `every_ms`, first after that time, until net_timer_stop. */
tsr_status net_timer_start(net *n, int every_ms, void (*f)(void *context), void *context, net_timer **out) MUST_CHECK;
/* Takes the timer. On the I/O thread f is not called again; from elsewhere it may be running or about to, once. Before net_close,
 * which otherwise takes what is left. */
void net_timer_stop(net_timer *t);

/* Since net_open, all links together or one. Bytes are those on the wire, headers included; shared ones are passed in memory. */
typedef struct net_counters {
    uint64_t bytes_in, bytes_out;
    uint64_t messages_in, messages_out; /* the callers' own, not heartbeats and the like */
    uint64_t shared_bytes_in, shared_bytes_out;
} net_counters;
net_counters net_count(const net *n);
/* Of this process, as peers see it in net_peer.host_id; "" if it is not known. Valid as long as the net. */
const char *net_host_id(const net *n);
net_counters link_count(const net_link *l);

#endif
