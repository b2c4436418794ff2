/* Connecting: finding the addresses of a host, trying one after the other, and going over to the peer's Unix socket when its
 * Hello says that it lives on this host. */
#define _GNU_SOURCE
#include "base/mem.h"
#include "base/os.h"
#include "cluster/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fail(net_link *l, const char *why)
{
    char reason[640];
    snprintf(reason, sizeof reason, "cannot connect to %s: %s", l->remote, why);
    link_fail(l, reason);
}

/* Starts to connect; false (error recorded) if that fails at once. */
static bool dial_socket(net_link *l, const struct sockaddr *where, socklen_t size)
{
    int fd = socket(where->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)error_errno(errno, "no socket");
        return false;
    }
    if (connect(fd, where, size) != 0 && errno != EINPROGRESS) {
        int reason = errno;
        close(fd);
        (void)error_set(TSR_ERR_IO, "%s", strerror(reason));
        return false;
    }
    if (link_attach(l, fd) != TSR_OK) {
        link_drop_connection(l);
        return false;
    }
    link_watch(l, UV_WRITABLE);
    return true;
}

static void dial_next(net_link *l)
{
    char why[256] = "the host has no address";
    while (l->next_address) {
        struct addrinfo *i = l->next_address;
        l->next_address = i->ai_next;
        if (dial_socket(l, i->ai_addr, i->ai_addrlen)) return;
        snprintf(why, sizeof why, "%s", tsr_error_message());
    }
    fail(l, why);
}

void link_dial_failed(net_link *l, const char *reason)
{
    link_drop_connection(l);
    if (l->next_address) {
        l->deadline_ns = os_now_ns() + (int64_t)l->n->o.handshake_ms * 1000000;
        dial_next(l);
    } else {
        fail(l, reason);
    }
}

static void dial_unix(net_link *l, const address *a)
{
    struct sockaddr_storage where;
    socklen_t size;
    address_to_unix(a, &where, &size);
    if (!dial_socket(l, (const struct sockaddr *)&where, size)) fail(l, tsr_error_message());
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    net_link *l = request->data;
    l->n->n_resolving--;
    mem_free(request);
    if (l->state != LINK_DIALING) { /* closed meanwhile */
        uv_freeaddrinfo(found);
    } else if (status != 0) {
        fail(l, uv_strerror(status));
    } else {
        l->resolved = l->next_address = found;
        dial_next(l);
    }
    net_check_end(l->n);
    link_unref(l);
}

static void dial_host(net_link *l)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    uv_getaddrinfo_t *request = mem_calloc(1, sizeof *request);
    if (!request) {
        fail(l, tsr_error_message());
        return;
    }
    request->data = link_ref(l);
    int error = uv_getaddrinfo(&l->n->loop, request, on_resolved, l->target.host, l->target.port, &hints);
    if (error) {
        mem_free(request);
        fail(l, uv_strerror(error));
        link_unref(l);
        return;
    }
    l->n->n_resolving++;
}

void link_dial(net_link *l)
{
    l->state = LINK_DIALING;
    l->deadline_ns = os_now_ns() + (int64_t)l->n->o.handshake_ms * 1000000;
    if (l->target.scheme == ADDRESS_UNIX) {
        dial_unix(l, &l->target);
    } else {
        if (l->resolved) freeaddrinfo(l->resolved);
        l->resolved = l->next_address = NULL;
        dial_host(l);
    }
}

/* Whoever answers on a peer's local socket must be the same user, or root, unless a secret will tell. */
static bool is_trusted(const net_link *l)
{
    struct ucred who;
    socklen_t size = sizeof who;
    if (!l->moved || l->stay || l->n->key) return true;
    return getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == geteuid() || who.uid == 0);
}

void link_dialled(net_link *l)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error) {
        link_dial_failed(l, strerror(error));
        return;
    }
    if (!is_trusted(l)) {
        link_fail(l, "the local socket belongs to another user");
        return;
    }
    link_start(l, l->fd, l->target.scheme == ADDRESS_TLS && (!l->moved || l->stay));
}

void link_move(net_link *l, const char *local)
{
    address a = {.scheme = ADDRESS_UNIX};
    snprintf(a.path, sizeof a.path, "%s", local); /* local is the handshake's, which goes with the connection */
    link_drop_connection(l);
    l->moved = true;
    l->state = LINK_DIALING;
    l->deadline_ns = os_now_ns() + (int64_t)l->n->o.handshake_ms * 1000000;
    dial_unix(l, &a);
}

static void begin(void *context)
{
    net_link *l = context;
    link_add(l);
    if (l->n->closing) {
        link_fail(l, "this process is closing");
    } else {
        link_dial(l);
    }
    link_unref(l);
}

tsr_status net_connect(net *n, const char *text, net_link **out)
{
    net_link *l;
    address a;
    TRY(address_parse(text, &a));
    if (a.scheme == ADDRESS_TLS && !n->tls) {
        return error_set(TSR_ERR_VALUE, "%s needs certificates: the authority's, this process's, and its key", text);
    }
    TRY(link_new(n, true, &l));
    l->target = a;
    address_print(&a, l->remote, sizeof l->remote);
    link_ref(l);
    *out = l; /* before a handler can ask for it */
    tsr_status status = net_post(n, begin, link_ref(l));
    link_unref(l);
    if (status != TSR_OK) {
        *out = NULL;
        link_unref(l);
        link_unref(l);
    }
    return status;
}

bool net_is_here(const char *text)
{
    address a;
    if (address_parse(text, &a) != TSR_OK) {
        tsr_error_clear();
        return false;
    }
    return a.scheme == ADDRESS_UNIX || strcmp(a.host, "localhost") == 0 || strcmp(a.host, "::1") == 0 ||
           strncmp(a.host, "127.", 4) == 0;
}
