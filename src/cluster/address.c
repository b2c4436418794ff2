/* Reading and writing addresses. */
#include "cluster/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char *const SCHEMES[] = {[ADDRESS_TCP] = "tcp", [ADDRESS_TLS] = "tls", [ADDRESS_UNIX] = "unix"};
enum { N_SCHEMES = sizeof SCHEMES / sizeof SCHEMES[0] };

static tsr_status bad(const char *text, const char *why)
{
    return error_set(TSR_ERR_VALUE, "address '%.300s': %s; addresses are tcp://HOST:PORT, tls://HOST:PORT, unix://PATH", text,
                     why);
}

static tsr_status parse_host(const char *text, const char *rest, address *out)
{
    const char *host = rest, *end, *port;
    if (*rest == '[') {
        host = rest + 1;
        end = strchr(host, ']');
        if (!end || end[1] != ':') return bad(text, "an address in brackets is followed by ':' and a port");
        port = end + 2;
    } else {
        end = strrchr(rest, ':');
        if (!end) return bad(text, "the port is missing");
        if (memchr(rest, ':', (size_t)(end - rest))) return bad(text, "an IPv6 address is written in brackets");
        port = end + 1;
    }
    size_t n = (size_t)(end - host);
    if (n == 0) return bad(text, "the host is missing");
    if (n >= sizeof out->host) return bad(text, "the host's name is too long");
    memcpy(out->host, host, n);
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits > 5 || port[digits] || atoi(port) > 65535) return bad(text, "the port is not a number up to 65535");
    memcpy(out->port, port, digits + 1);
    return TSR_OK;
}

tsr_status address_parse(const char *text, address *out)
{
    *out = (address){0};
    for (int i = 0; i < N_SCHEMES; i++) {
        size_t n = strlen(SCHEMES[i]);
        if (strncmp(text, SCHEMES[i], n) != 0 || strncmp(text + n, "://", 3) != 0) continue;
        const char *rest = text + n + 3;
        out->scheme = (address_scheme)i;
        if (out->scheme != ADDRESS_UNIX) return parse_host(text, rest, out);
        if (*rest != '/' && (*rest != '@' || !rest[1])) return bad(text, "the path of a socket begins with '/'");
        if (strlen(rest) >= sizeof out->path) return bad(text, "the path of a socket has at most 107 bytes");
        memcpy(out->path, rest, strlen(rest) + 1);
        return TSR_OK;
    }
    return bad(text, "it begins with no scheme that is known");
}

/* The comma before the next address of a list; NULL: this was the last. A path of a socket may have commas, too. */
static const char *end_of_first(const char *text)
{
    for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ','))
        for (int i = 0; i < N_SCHEMES; i++) {
            const size_t n = strlen(SCHEMES[i]);
            if (strncmp(comma + 1, SCHEMES[i], n) == 0 && strncmp(comma + 1 + n, "://", 3) == 0) return comma;
        }
    return NULL;
}

unsigned address_list_count(const char *text)
{
    unsigned n = 1;
    for (; (text = end_of_first(text)) != NULL; text++) n++;
    return n;
}

tsr_status address_list_get(const char *text, unsigned turn, char *out, size_t size)
{
    for (turn %= address_list_count(text); turn > 0; turn--) text = end_of_first(text) + 1;
    const char *end = end_of_first(text);
    const size_t n = end ? (size_t)(end - text) : strlen(text);
    if (n >= size) return bad(text, "it is too long");
    memcpy(out, text, n);
    out[n] = 0;
    return TSR_OK;
}

tsr_status address_list_check(const char *text)
{
    char one[ADDRESS_TEXT_BYTES];
    address a;
    for (unsigned i = 0; i < address_list_count(text); i++) {
        TRY(address_list_get(text, i, one, sizeof one));
        TRY(address_parse(one, &a));
    }
    return TSR_OK;
}

void address_print(const address *a, char *out, size_t size)
{
    if (a->scheme == ADDRESS_UNIX) {
        snprintf(out, size, "unix://%s", a->path);
    } else {
        snprintf(out, size, strchr(a->host, ':') ? "%s://[%s]:%s" : "%s://%s:%s", SCHEMES[a->scheme], a->host, a->port);
    }
}

void address_to_unix(const address *a, struct sockaddr_storage *out, socklen_t *size)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(a->path);
    memcpy(un.sun_path, a->path, n < sizeof un.sun_path ? n : sizeof un.sun_path - 1);
    bool abstract = a->path[0] == '@';
    if (abstract) un.sun_path[0] = 0;
    memset(out, 0, sizeof *out);
    memcpy(out, &un, sizeof un);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (abstract ? 0 : 1));
}

void address_print_socket(address_scheme scheme, const struct sockaddr_storage *s, socklen_t size, char *out, size_t n)
{
    address a = {.scheme = scheme};
    if (s->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, s, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, a.host, sizeof a.host);
        snprintf(a.port, sizeof a.port, "%d", ntohs(in.sin_port));
    } else if (s->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, s, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, a.host, sizeof a.host);
        snprintf(a.port, sizeof a.port, "%d", ntohs(in6.sin6_port));
    } else {
        struct sockaddr_un un = {0};
        size_t base = offsetof(struct sockaddr_un, sun_path);
        memcpy(&un, s, size < sizeof un ? size : sizeof un);
        size_t length = size > base ? (size_t)size - base : 0;
        if (length >= sizeof a.path) length = sizeof a.path - 1;
        memcpy(a.path, un.sun_path, length);
        if (length > 0 && !a.path[0]) a.path[0] = '@';
        a.scheme = ADDRESS_UNIX;
    }
    address_print(&a, out, n);
}

bool address_is_loopback(const struct sockaddr *s)
{
    if (s->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, s, sizeof in);
        return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
    }
    if (s->sa_family == AF_INET6) {
        static const uint8_t loopback[16] = {[15] = 1};
        static const uint8_t mapped[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
        struct sockaddr_in6 in6;
        memcpy(&in6, s, sizeof in6);
        return memcmp(&in6.sin6_addr, loopback, 16) == 0 || memcmp(&in6.sin6_addr, mapped, 13) == 0;
    }
    return s->sa_family == AF_UNIX;
}
