/* Addresses: "tcp://HOST:PORT", "tls://HOST:PORT", "unix://PATH", "unix://@NAME" (abstract). */
#ifndef TESSERA_CLUSTER_ADDRESS_H
#define TESSERA_CLUSTER_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_BYTES = 320 };

typedef enum address_scheme { ADDRESS_TCP, ADDRESS_TLS, ADDRESS_UNIX } address_scheme;

typedef struct address {
    address_scheme scheme;
    char host[256]; /* without brackets; "" for unix */
    char port[8];
    char path[108]; /* for unix; begins with '@' if abstract */
} address;

tsr_status address_parse(const char *text, address *out) MUST_CHECK;
/* Several, "tcp://a:1,tcp://b:1": can all be read? And how many are they? */
tsr_status address_list_check(const char *text) MUST_CHECK;
unsigned address_list_count(const char *text);
/* The turn-th of them, from 0 on, round and round. TSR_ERR_VALUE: it is too long. */
tsr_status address_list_get(const char *text, unsigned turn, char *out, size_t size) MUST_CHECK;
void address_print(const address *a, char *out, size_t size);
/* A Unix address as the system wants it. */
void address_to_unix(const address *a, struct sockaddr_storage *out, socklen_t *size);
/* What the system gave, as text. */
void address_print_socket(address_scheme scheme, const struct sockaddr_storage *s, socklen_t size, char *out, size_t n);
bool address_is_loopback(const struct sockaddr *s);

#endif
