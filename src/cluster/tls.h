/* TLS over memory: OpenSSL turns bytes into bytes, the link sends and receives them. */
#ifndef TESSERA_CLUSTER_TLS_H
#define TESSERA_CLUSTER_TLS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tls_context tls_context; /* certificates; shared by connections, any thread */
typedef struct tls tls;                 /* one connection; not thread-safe */

/* PEM files: the certificates of the authorities that are trusted, our certificate (with its chain), its key. */
tsr_status tls_context_new(const char *ca_file, const char *cert_file, const char *key_file, tls_context **out) MUST_CHECK;
void tls_context_free(tls_context *c);

/* host: what an initiator expects in the peer's certificate (a name or an IP address); NULL for an acceptor. */
tsr_status tls_new(const tls_context *c, const char *host, tls **out) MUST_CHECK;
void tls_free(tls *t);
/* Bytes from the peer. */
tsr_status tls_feed(tls *t, const void *bytes, size_t n) MUST_CHECK;
/* Goes on with the handshake; *done when it is over and the peer's certificate was found good. */
tsr_status tls_handshake(tls *t, bool *done) MUST_CHECK;
/* Decrypted bytes; *got = 0: more is needed. *ended: the peer said that nothing will follow. */
tsr_status tls_read(tls *t, void *to, size_t n, size_t *got, bool *ended) MUST_CHECK;
/* Encrypts; at most a few records are taken at once. */
tsr_status tls_write(tls *t, const void *bytes, size_t n, size_t *taken) MUST_CHECK;
/* Says that nothing will follow. */
void tls_end(tls *t);
/* Bytes for the peer: how many there are; moves up to n of them. */
size_t tls_pending(const tls *t);
size_t tls_take(tls *t, void *to, size_t n);
/* Bytes that both sides of this very connection have, and nobody else. */
tsr_status tls_binding(const tls *t, uint8_t out[32]) MUST_CHECK;

#endif
