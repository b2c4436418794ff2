/* The handshake of a connection as a state machine without a socket: frames in, frames out (see wire.proto). */
#ifndef TESSERA_CLUSTER_HANDSHAKE_H
#define TESSERA_CLUSTER_HANDSHAKE_H

#include "base/strbuf.h"
#include "cluster/net.h"
#include "cluster/secret.h"

/* A longer head before the handshake is done is refused. */
enum { HANDSHAKE_MAX_HEAD_BYTES = 4096, HANDSHAKE_NAME_BYTES = 256, HANDSHAKE_BINDING_BYTES = 32 };

/* What a process says of itself; the same for all its connections. Borrowed. */
typedef struct handshake_self {
    net_role role;
    const char *name, *host_id;
    const char *local; /* abstract Unix socket, or "" */
    uint64_t capabilities;
    uint32_t silence_ms;
    bool shares;
    const secret *secret; /* or NULL */
    uint32_t protocol;    /* NET_PROTOCOL, but for tests */
} handshake_self;

/* What the peer said; texts have their control characters replaced. */
typedef struct handshake_peer {
    net_role role;
    uint64_t capabilities;
    int64_t pid;
    uint32_t silence_ms;
    bool shares;
    char version[64], name[HANDSHAKE_NAME_BYTES], host_id[128], local[108];
} handshake_peer;

typedef struct handshake handshake;

/* Its first output is the preamble and the Hello. binding: HANDSHAKE_BINDING_BYTES, or NULL. self must outlive it. */
tsr_status handshake_new(const handshake_self *self, bool initiator, const uint8_t *binding, handshake **out) MUST_CHECK;
void handshake_free(handshake *h);
/* A frame arrived. A failure's text is for this side; the output then ends with a Bye for the peer, unless the peer said Bye. */
tsr_status handshake_take(handshake *h, uint32_t type, const uint8_t *head, size_t head_bytes) MUST_CHECK;
/* Bytes to send; the caller empties it. */
strbuf *handshake_output(handshake *h);
/* What the peer said in its Hello; NULL before. Not proven before handshake_done. */
const handshake_peer *handshake_heard(const handshake *h);
bool handshake_done(const handshake *h);

/* Appends a whole Bye frame. */
void handshake_add_bye(strbuf *out, const char *reason);
/* A Bye's reason, printable, cut to size; "" if the head does not read. */
void handshake_read_bye(const uint8_t *head, size_t head_bytes, char *reason, size_t size);

#endif
