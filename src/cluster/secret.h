/* The shared secret, and the proof of knowing it (see wire.proto for the transcript). */
#ifndef TESSERA_CLUSTER_SECRET_H
#define TESSERA_CLUSTER_SECRET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_MAC_BYTES = 32, SECRET_NONCE_BYTES = 32, SECRET_LEAST_BYTES = 16, SECRET_MOST_BYTES = 1024 };

typedef struct secret secret;

/* Reads the text of a file, without the white space around it. TSR_ERR_VALUE if it is too short or too long. *open_to_others: the
 * file's permissions let users read it who are neither its owner nor in its group. */
tsr_status secret_load(const char *path, secret **out, bool *open_to_others) MUST_CHECK;
tsr_status secret_new(const void *bytes, size_t n, secret **out) MUST_CHECK;
/* Overwrites it. NULL is fine. */
void secret_free(secret *s);

/* The four things that both sides see the same way. */
typedef struct secret_transcript {
    const uint8_t *initiator_hello, *acceptor_hello;
    size_t initiator_bytes, acceptor_bytes;
    const uint8_t *binding;
    size_t binding_bytes;
} secret_transcript;

tsr_status secret_prove(const secret *s, bool as_initiator, const secret_transcript *t, uint8_t mac[SECRET_MAC_BYTES]) MUST_CHECK;
/* In constant time. */
bool secret_equal(const uint8_t *a, const uint8_t *b, size_t n);
tsr_status secret_random(void *out, size_t n) MUST_CHECK;

#endif
