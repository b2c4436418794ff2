/* Listening: the rules for what may be reached from where, and accepting. Every process that listens on TCP listens on an
 * abstract Unix socket too, whose name is in its Hello, for peers on the same host. */
#define _GNU_SOURCE
#include "base/forks.h"
#include "base/mem.h"
#include "base/os.h"
#include "cluster/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* When too many strangers are there, one of this age makes room for the next; sooner one that has sent nothing, which is what
 * peers begin with. */
enum { STRANGER_MS = 500, SILENT_STRANGER_MS = 100, ACCEPTS_AT_ONCE = 64 };

/* Without a secret, a Unix socket is for processes of the same user (and root). */
static bool stranger_allowed(const net *n, int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    if (n->key) return true;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == geteuid() || who.uid == 0);
}

/* Best effort: the socket's buffer is empty, so the few bytes fit. */
static void turn_away(int fd, const char *reason)
{
    strbuf bytes = {0};
    strbuf_addn(&bytes, FRAME_PREAMBLE, FRAME_PREAMBLE_BYTES);
    handshake_add_bye(&bytes, reason);
    if (!bytes.failed) (void)!send(fd, bytes.text, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    strbuf_fini(&bytes);
    shutdown(fd, SHUT_WR);
    close(fd);
}

/* What came and was not read yet counts. */
static bool is_silent(const net_link *l)
{
    char byte;
    return atomic_load_explicit(&l->counts.bytes_in, memory_order_relaxed) == 0 &&
           recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* The stranger that has had its time first, and when: its own if nobody has yet. NULL: there are none. */
static net_link *first_to_go(const net *n, int64_t *when_ns)
{
    net_link *first = NULL;
    for (net_link *l = n->links; l; l = l->next) {
        if (!l->stranger) continue;
        const int64_t begun_ns = l->deadline_ns - (int64_t)n->o.handshake_ms * 1000000;
        const int64_t least_ns = begun_ns + (int64_t)SILENT_STRANGER_MS * 1000000;
        if (first && least_ns >= *when_ns) continue;
        const int64_t its_ns = is_silent(l) ? least_ns : begun_ns + (int64_t)STRANGER_MS * 1000000;
        if (first && its_ns >= *when_ns) continue;
        first = l;
        *when_ns = its_ns;
    }
    return first;
}

/* Room for one more stranger: one goes if it had its time. False: new ones wait in the system's queue. Processes of this host
 * have some places that others cannot take: a peer that goes over to the Unix socket does not stand in line twice. */
static bool make_room(const listener *s)
{
    net *n = s->n;
    const int most = n->o.max_unauthenticated + (s->scheme == ADDRESS_UNIX ? n->o.max_unauthenticated / 4 + 1 : 0);
    while (n->n_strangers >= most) {
        int64_t when_ns = 0, now_ns = os_now_ns();
        net_link *first = first_to_go(n, &when_ns);
        if (!first) return false;
        if (when_ns > now_ns) { /* else there is the tick */
            (void)uv_timer_start(&n->room, listeners_on_room, (uint64_t)(when_ns - now_ns) / 1000000 + 1, 0);
            return false;
        }
        link_fail(first, "it had not said who it is, and others were waiting");
    }
    return true;
}

static void take(listener *s, int fd, const struct sockaddr_storage *from, socklen_t from_size)
{
    net *n = s->n;
    net_link *l = NULL;
    char remote[ADDRESS_TEXT_BYTES];
    address_print_socket(s->scheme, from, from_size, remote, sizeof remote);
    if (s->scheme == ADDRESS_UNIX && !stranger_allowed(n, fd)) {
        net_log(n, NET_LOG_WARNING, "a process of another user was turned away from %s", n->local);
        turn_away(fd, "this socket is for processes of one user; with a secret file on both sides others may come in");
        return;
    }
    if (link_new(n, false, &l) != TSR_OK) {
        net_log(n, NET_LOG_ERROR, "%s was turned away: %s", remote, tsr_error_message());
        close(fd);
        return;
    }
    snprintf(l->remote, sizeof l->remote, "%s", remote);
    l->stranger = true;
    n->n_strangers++;
    l->deadline_ns = os_now_ns() + (int64_t)n->o.handshake_ms * 1000000;
    link_add(l);
    link_start(l, fd, s->scheme == ADDRESS_TLS);
    link_unref(l);
}

static void on_acceptable(uv_poll_t *handle, int status, int events)
{
    listener *s = handle->data;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        if (!make_room(s)) {
            uv_poll_stop(&s->poll);
            s->paused = true;
            return;
        }
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd = accept4(s->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(s, fd, &from, size);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            net_log(s->n, NET_LOG_ERROR, "no connection can be accepted: %s", strerror(errno));
            uv_poll_stop(&s->poll);
            s->paused = true;
        }
        if (errno != EINTR && errno != ECONNABORTED) return;
    }
}

static void watch(listener *s) { s->paused = uv_poll_start(&s->poll, UV_READABLE, on_acceptable) != 0; }

void listeners_resume(net *n)
{
    for (listener *s = n->listeners; s; s = s->next) {
        if (s->paused) watch(s);
    }
}

void listeners_on_room(uv_timer_t *room) { listeners_resume(room->data); }

static void listener_gone(uv_handle_t *handle) { mem_free(handle->data); }

void listeners_close(net *n)
{
    while (n->listeners) {
        listener *s = n->listeners;
        n->listeners = s->next;
        if (s->path[0]) unlink(s->path);
        uv_poll_stop(&s->poll);
        uv_close((uv_handle_t *)&s->poll, listener_gone);
        close(s->fd);
    }
}

static void listener_begin(void *context)
{
    listener *s = context;
    net *n = s->n;
    int error = n->closing ? UV_ECANCELED : uv_poll_init(&n->loop, &s->poll, s->fd);
    if (error) {
        net_log(n, NET_LOG_ERROR, "cannot listen: %s", uv_strerror(error));
        close(s->fd);
        mem_free(s);
        return;
    }
    s->poll.data = s;
    s->next = n->listeners;
    n->listeners = s;
    watch(s);
}

/* A socket that is bound and listens becomes the loop's. Takes fd. */
static tsr_status listener_add(net *n, int fd, address_scheme scheme, const char *path)
{
    listener *s = mem_calloc(1, sizeof *s);
    tsr_status status = s ? TSR_OK : TSR_ERR_MEMORY;
    if (s) {
        s->n = n;
        s->fd = fd;
        forks_withhold(fd);
        s->scheme = scheme;
        snprintf(s->path, sizeof s->path, "%s", path);
        status = net_post(n, listener_begin, s);
    }
    if (status != TSR_OK) {
        mem_free(s);
        close(fd);
    }
    return status;
}

/* A socket in the file system that nobody listens on any more is in the way after a crash. */
static void remove_stale(const address *a, const struct sockaddr_storage *where, socklen_t size)
{
    struct stat about;
    if (a->path[0] == '@' || lstat(a->path, &about) != 0 || !S_ISSOCK(about.st_mode)) return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    if (connect(fd, (const struct sockaddr *)where, size) != 0 && errno == ECONNREFUSED) unlink(a->path);
    close(fd);
}

static tsr_status bind_unix(const address *a, int *out)
{
    struct sockaddr_storage where;
    socklen_t size;
    char text[ADDRESS_TEXT_BYTES];
    address_print(a, text, sizeof text);
    address_to_unix(a, &where, &size);
    remove_stale(a, &where, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_errno(errno, "cannot listen on %s", text);
    /* Before it exists in the file system: it is never there with wider permissions. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&where, size) != 0 || listen(fd, SOMAXCONN) != 0) {
        tsr_status status = error_errno(errno, "cannot listen on %s", text);
        close(fd);
        return status;
    }
    *out = fd;
    return TSR_OK;
}

/* Loopback is free; beyond it, peers must be known. */
static tsr_status check_exposure(const net *n, const address *a, const struct sockaddr *where)
{
    if (address_is_loopback(where) || n->key || a->scheme == ADDRESS_TLS) return TSR_OK;
    return error_set(
        TSR_ERR_VALUE,
        "tcp://%s:%s can be reached from other machines, and anybody could connect: give a secret (--secret-file FILE; "
        "openssl rand -hex 32 makes one), or use tls:// with certificates, or listen on 127.0.0.1",
        a->host, a->port);
}

static tsr_status bind_one(const struct addrinfo *i, int *out)
{
    int yes = 1;
    int fd = socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_errno(errno, "cannot listen");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (i->ai_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (bind(fd, i->ai_addr, i->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        tsr_status status = error_errno(errno, "cannot listen");
        close(fd);
        return status;
    }
    *out = fd;
    return TSR_OK;
}

static tsr_status bind_tcp(const net *n, const address *a, int *out)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    int error = getaddrinfo(a->host, a->port, &hints, &found);
    if (error) return error_set(TSR_ERR_VALUE, "the host '%s' to listen on is not known: %s", a->host, gai_strerror(error));
    tsr_status status = error_set(TSR_ERR_VALUE, "the host '%s' has no address", a->host);
    for (struct addrinfo *i = found; i; i = i->ai_next) {
        status = check_exposure(n, a, i->ai_addr);
        if (status == TSR_OK) status = bind_one(i, out);
        if (status == TSR_OK || status == TSR_ERR_VALUE) break;
    }
    if (status == TSR_ERR_IO) status = error_prefix("%s:%s", a->host, a->port);
    freeaddrinfo(found);
    return status;
}

/* The door for peers on this host, once. */
static tsr_status listen_locally(net *n)
{
    address a = {.scheme = ADDRESS_UNIX};
    int fd;
    pthread_mutex_lock(&n->lock);
    bool there = n->local_open;
    n->local_open = true;
    pthread_mutex_unlock(&n->lock);
    if (there || n->o.no_shared) return TSR_OK;
    snprintf(a.path, sizeof a.path, "%s", n->local);
    TRY(bind_unix(&a, &fd));
    return listener_add(n, fd, ADDRESS_UNIX, "");
}

tsr_status net_listen(net *n, const char *text, char *actual, size_t size)
{
    address a;
    int fd = -1;
    struct sockaddr_storage bound = {0};
    socklen_t bound_size = sizeof bound;
    TRY(address_parse(text, &a));
    if (a.scheme == ADDRESS_TLS && !n->tls) {
        return error_set(TSR_ERR_VALUE, "%s needs certificates: the authority's, this process's, and its key", text);
    }
    if (a.scheme == ADDRESS_UNIX) {
        TRY(bind_unix(&a, &fd));
    } else {
        TRY(listen_locally(n));
        TRY(bind_tcp(n, &a, &fd));
    }
    if (actual) {
        (void)getsockname(fd, (struct sockaddr *)&bound, &bound_size);
        address_print_socket(a.scheme, &bound, bound_size, actual, size);
    }
    return listener_add(n, fd, a.scheme, a.scheme == ADDRESS_UNIX && a.path[0] == '/' ? a.path : "");
}
