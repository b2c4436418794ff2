/* A connection: from a connected socket through TLS and the handshake to messages, and its end.
 *
 * Only the I/O thread touches the connection. Other threads append to the queue under the link's lock. Handlers may end a link
 * while its bytes are being read: `generation` tells. A link is in the net's list, which holds a reference, until link_fail. */
#define _GNU_SOURCE
#include "cluster/link.h"

#include "base/forks.h"
#include "base/mem.h"
#include "base/os.h"
#include "cluster/share.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads of one link before others have their turn; less room than this is filled by a copy. */
enum { READS_AT_ONCE = 16, LEAST_DIRECT = 4096 };

/* ---- references ---- */

tsr_status link_new(net *n, bool initiator, net_link **out)
{
    net_link *l = mem_calloc(1, sizeof *l);
    if (!l) return TSR_ERR_MEMORY;
    pthread_mutex_init(&l->lock, NULL);
    atomic_store(&l->refs, 1);
    l->n = n;
    l->id = atomic_fetch_add(&n->next_id, 1) + 1;
    l->initiator = initiator;
    l->fd = -1;
    l->last = &l->first;
    l->out_last = &l->out;
    *out = l;
    return TSR_OK;
}

net_link *link_ref(net_link *l)
{
    atomic_fetch_add(&l->refs, 1);
    return l;
}

void outgoing_free(outgoing *o)
{
    if (!o) return;
    mem_account_add(o->use, -(int64_t)o->n_front);
    if (o->buf) buffer_disclaim(o->buf, o->use);
    buffer_unref(o->buf);
    if (o->fd >= 0) close(o->fd);
    mem_free(o);
}

static void free_list(outgoing *o)
{
    while (o) {
        outgoing *next = o->next;
        outgoing_free(o);
        o = next;
    }
}

void link_unref(net_link *l)
{
    if (!l || atomic_fetch_sub(&l->refs, 1) != 1) return;
    share_free(l->share);
    free_list(l->first);
    frame_reader_fini(&l->reader);
    strbuf_fini(&l->raw);
    mem_free(l->cipher);
    mem_free(l->close_reason);
    mem_free(l->reason);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void link_add(net_link *l)
{
    net *n = l->n;
    link_ref(l);
    l->next = n->links;
    l->at = &n->links;
    if (l->next) l->next->at = &l->next;
    n->links = l;
}

void link_set_user(net_link *l, void *user) { atomic_store(&l->user, user); }
void *link_user(const net_link *l) { return atomic_load(&l->user); }
const net_peer *link_peer(const net_link *l) { return atomic_load(&l->peer); }
uint64_t link_id(const net_link *l) { return l->id; }
size_t link_queued_bytes(const net_link *l) { return atomic_load(&l->queued_bytes); }

/* ---- the queue; any thread ---- */

tsr_status outgoing_new(uint32_t type, const uint8_t *head, size_t head_bytes, const net_payload *payload, outgoing **out)
{
    size_t n_payload = payload ? payload->bytes : 0, n_copied = payload && !payload->buf ? n_payload : 0;
    if (head_bytes > UINT32_MAX) return error_set(TSR_ERR_VALUE, "a message's head of %zu bytes is too long", head_bytes);
    if (n_copied > SIZE_MAX / 4) return error_memory(n_copied);
    outgoing *o = mem_alloc(sizeof *o + FRAME_HEADER_BYTES + head_bytes + n_copied);
    if (!o) return TSR_ERR_MEMORY;
    *o = (outgoing){.n_front = FRAME_HEADER_BYTES + head_bytes + n_copied, .fd = -1};
    o->n_bytes = FRAME_HEADER_BYTES + head_bytes + n_payload;
    frame_header_pack(&(frame_header){.type = type, .head_bytes = (uint32_t)head_bytes, .payload_bytes = n_payload}, o->bytes);
    if (head_bytes) memcpy(o->bytes + FRAME_HEADER_BYTES, head, head_bytes);
    if (n_copied) memcpy(o->bytes + FRAME_HEADER_BYTES + head_bytes, payload->data, n_copied);
    if (n_payload && payload->buf) {
        o->buf = buffer_ref(payload->buf);
        o->payload = payload->data;
    }
    *out = o;
    return TSR_OK;
}

/* The link's lock is held. */
static void mark_dirty(net_link *l)
{
    if (l->dirty) return;
    l->dirty = true;
    net_add_dirty(l);
}

static void count_memory(outgoing *o, mem_account *use)
{
    o->use = use;
    mem_account_add(use, (int64_t)o->n_front);
    if (o->buf) buffer_claim(o->buf, use);
}

tsr_status link_queue(net_link *l, outgoing *o)
{
    pthread_mutex_lock(&l->lock);
    bool shut = l->shut;
    if (!shut) {
        count_memory(o, l->n->o.memory_use);
        o->next = NULL;
        *l->last = o;
        l->last = &o->next;
        const size_t queued = atomic_fetch_add(&l->queued_bytes, o->n_bytes) + o->n_bytes;
        if (queued > l->n->o.high_water_bytes) atomic_store(&l->was_high, true);
        mark_dirty(l);
    }
    pthread_mutex_unlock(&l->lock);
    return shut ? error_set(TSR_ERR_IO, "the connection to %s is closed", l->remote[0] ? l->remote : "the peer") : TSR_OK;
}

tsr_status link_send(net_link *l, uint32_t type, const uint8_t *head, size_t head_bytes, const net_payload *payload)
{
    outgoing *o = NULL;
    if (type == 0 || type >= NET_FIRST_RESERVED_TYPE)
        return error_set(TSR_ERR_VALUE, "%#x is not a message type of a caller", type);
    if (payload && payload->bytes >= SHARE_LEAST_BYTES) {
        bool done = false;
        pthread_mutex_lock(&l->lock);
        share *s = l->share;
        pthread_mutex_unlock(&l->lock);
        if (s) TRY(share_send(s, type, head, head_bytes, payload, &done));
        if (done) return TSR_OK;
    }
    TRY(outgoing_new(type, head, head_bytes, payload, &o));
    tsr_status status = link_queue(l, o);
    if (status != TSR_OK) {
        outgoing_free(o);
        return status;
    }
    return TSR_OK;
}

void link_close(net_link *l, const char *reason)
{
    pthread_mutex_lock(&l->lock);
    if (!l->shut) {
        l->shut = true;
        /* Without memory for the reason, it is an empty one. */
        l->close_reason = mem_strdup(reason ? reason : "");
        mark_dirty(l);
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- the end ---- */

/* Nothing of what is queued or half sent leaves any more. */
static void drop_output(net_link *l)
{
    pthread_mutex_lock(&l->lock);
    outgoing *queued = l->first;
    l->first = NULL;
    l->last = &l->first;
    l->shut = true;
    pthread_mutex_unlock(&l->lock);
    free_list(queued);
    free_list(l->out);
    l->out = NULL;
    l->out_last = &l->out;
    atomic_store(&l->queued_bytes, 0);
}

static void poll_gone(uv_handle_t *handle) { mem_free(handle); }

void link_drop_connection(net_link *l)
{
    l->generation++;
    if (l->poll) {
        uv_poll_stop(l->poll);
        uv_close((uv_handle_t *)l->poll, poll_gone);
        l->poll = NULL;
    }
    l->events = 0;
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
    while (l->n_fds > 0) close(l->fds[--l->n_fds]);
    tls_free(l->tls);
    l->tls = NULL;
    handshake_free(l->handshake);
    l->handshake = NULL;
    strbuf_fini(&l->raw);
    l->raw_sent = l->n_cipher = l->cipher_sent = 0;
    l->finished = l->broken = false;
}

static void no_stranger(net_link *l)
{
    if (!l->stranger) return;
    l->stranger = false;
    if (l->n->n_strangers-- >= l->n->o.max_unauthenticated) listeners_resume(l->n);
}

/* A stranger of this host that said hello and left has most likely gone over to the local socket. */
static bool went_over(const net_link *l)
{
    const handshake_peer *p = l->state == LINK_HELLO && l->handshake ? handshake_heard(l->handshake) : NULL;
    return p && l->n->host_id[0] && strcmp(p->host_id, l->n->host_id) == 0;
}

void link_fail(net_link *l, const char *reason)
{
    net *n = l->n;
    char text[1024];
    if (l->state == LINK_CLOSED) return;
    if (l->moved && !l->stay && l->state < LINK_OPEN && !n->closing) {
        net_log(n, NET_LOG_DEBUG, "the local socket of %s does not answer (%s)", l->remote, reason);
        l->stay = true;
        link_drop_connection(l);
        link_dial(l);
        return;
    }
    const bool is_refused = l->state == LINK_LEAVING, has_moved = went_over(l);
    snprintf(text, sizeof text, "%s", is_refused && l->reason ? l->reason : reason);
    l->state = LINK_CLOSED;
    link_drop_connection(l);
    drop_output(l);
    share_end(l->share);
    no_stranger(l);
    if (l->resolved) freeaddrinfo(l->resolved);
    l->resolved = l->next_address = NULL;
    *l->at = l->next;
    if (l->next) l->next->at = l->at;
    const net_handlers *h = &n->o.handlers;
    if (l->placed && h->abandoned) h->abandoned(n->o.context, l, l->token);
    l->placed = false;
    if (!l->initiator && !l->told_opened) {
        net_log(n,
                is_refused  ? NET_LOG_WARNING
                : has_moved ? NET_LOG_DEBUG
                            : NET_LOG_INFO,
                "the connection from %s ended in the handshake: %s", l->remote, text);
    } else if (h->closed) {
        h->closed(n->o.context, l, text);
    }
    link_unref(l);
}

void link_leave(net_link *l, const char *reason)
{
    if (l->state == LINK_CLOSED || l->state == LINK_LEAVING) return;
    mem_free(l->reason);
    l->reason = mem_strdup(reason);
    bool in_pieces = l->out && l->out->sent > 0;
    drop_output(l);
    l->state = LINK_LEAVING;
    l->generation++;
    l->deadline_ns = os_now_ns() + (int64_t)LEAVE_MS * 1000000;
    if (in_pieces) {
        link_fail(l, reason);
    } else {
        link_flush(l);
    }
}

/* What arrived is not what the peer may send. */
static void protocol_failure(net_link *l)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", tsr_error_message());
    if (l->state == LINK_OPEN) {
        char theirs[600];
        snprintf(theirs, sizeof theirs, "what arrived does not read: %s", reason);
        handshake_add_bye(&l->raw, theirs);
    }
    link_leave(l, reason);
}

/* ---- messages ---- */

static tsr_status place(void *context, const frame_header *h, const uint8_t *head, char **to)
{
    net_link *l = context;
    net *n = l->n;
    int generation = l->generation;
    if (h->type >= NET_FIRST_RESERVED_TYPE) {
        return error_set(TSR_ERR_FORMAT, "the peer sent a message of type %#x with a payload", h->type);
    }
    net_message m = {.type = h->type, .head = head, .head_bytes = h->head_bytes, .payload_bytes = (size_t)h->payload_bytes};
    l->token = NULL;
    if (n->o.handlers.place) *to = n->o.handlers.place(n->o.context, l, &m, &l->token);
    l->placed = *to != NULL;
    if (generation == l->generation) return TSR_OK;
    /* The handler ended the link: the memory is its own. */
    if (l->placed && n->o.handlers.abandoned) n->o.handlers.abandoned(n->o.context, l, l->token);
    l->placed = false;
    return TSR_ERR_CANCELLED;
}

static tsr_status took_bye(net_link *l, const uint8_t *head, size_t head_bytes)
{
    char said[512], reason[600];
    handshake_read_bye(head, head_bytes, said, sizeof said);
    snprintf(reason, sizeof reason, "closed by the peer: %s", said[0] ? said : "it gave no reason");
    link_fail(l, reason);
    return TSR_ERR_CANCELLED;
}

static tsr_status took_message(net_link *l, const frame_header *h, const uint8_t *head, const char *payload)
{
    net *n = l->n;
    int generation = l->generation;
    net_message m = {.type = h->type,
                     .head = head,
                     .head_bytes = h->head_bytes,
                     .payload = payload,
                     .payload_bytes = (size_t)h->payload_bytes,
                     .token = l->token};
    l->token = NULL;
    l->placed = false;
    COUNT(l, messages_in, 1);
    if (n->o.handlers.message) n->o.handlers.message(n->o.context, l, &m);
    return generation == l->generation ? TSR_OK : TSR_ERR_CANCELLED;
}

/* A message in shared memory: the handler takes it where it lies, or has it copied. */
static tsr_status took_shared(net_link *l, const uint8_t *head, size_t head_bytes)
{
    net *n = l->n;
    Tessera__Wire__Shared *u = NULL;
    buffer *b = NULL;
    void *token = NULL;
    int generation = l->generation;
    TRY(share_take_message(l->share, head, head_bytes, &u, &b));
    net_message m = {.type = u->type,
                     .head = u->head.len ? u->head.data : head,
                     .head_bytes = u->head.len,
                     .payload = b->data,
                     .payload_bytes = b->size_bytes,
                     .shared = b};
    char *to = n->o.handlers.place ? n->o.handlers.place(n->o.context, l, &m, &token) : NULL;
    m.token = token;
    if (to) {
        memcpy(to, b->data, b->size_bytes);
        m.payload = to;
        m.shared = NULL;
    }
    COUNT(l, messages_in, 1);
    COUNT(l, shared_in, b->size_bytes);
    if (n->o.handlers.message) n->o.handlers.message(n->o.context, l, &m);
    buffer_unref(b);
    tessera__wire__shared__free_unpacked(u, NULL);
    return generation == l->generation ? TSR_OK : TSR_ERR_CANCELLED;
}

static tsr_status took_pool(net_link *l, const uint8_t *head, size_t head_bytes)
{
    int fd = l->n_fds > 0 ? l->fds[0] : -1;
    if (fd >= 0) memmove(l->fds, l->fds + 1, (size_t)--l->n_fds * sizeof l->fds[0]);
    return share_take_pool(l->share, head, head_bytes, fd);
}

/* Over a Unix socket, payloads go through shared memory if both sides do that. */
static tsr_status begin_sharing(net_link *l)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    share *s = NULL;
    if (!l->n->pool || !l->peer_texts.shares || getsockname(l->fd, (struct sockaddr *)&name, &size) != 0) return TSR_OK;
    if (name.ss_family != AF_UNIX) return TSR_OK;
    TRY(share_new(l, &s));
    pthread_mutex_lock(&l->lock);
    l->share = s;
    pthread_mutex_unlock(&l->lock);
    return TSR_OK;
}

static tsr_status link_opened(net_link *l)
{
    net *n = l->n;
    const net_options *o = &n->o;
    l->peer_texts = *handshake_heard(l->handshake);
    const handshake_peer *p = &l->peer_texts;
    l->peer_said = (net_peer){.role = p->role,
                              .name = p->name,
                              .version = p->version,
                              .capabilities = p->capabilities,
                              .pid = p->pid,
                              .host_id = p->host_id,
                              .same_host = n->host_id[0] && strcmp(p->host_id, n->host_id) == 0,
                              .address = l->remote};
    l->silence_ns = (int64_t)o->silence_ms * 1000000;
    l->heartbeat_ns = (int64_t)o->heartbeat_ms * 1000000;
    /* A peer with less patience hears from us more often. */
    if ((int64_t)p->silence_ms * 1000000 / 3 < l->heartbeat_ns) l->heartbeat_ns = (int64_t)p->silence_ms * 1000000 / 3;
    l->reader.max_head_bytes = o->max_head_bytes;
    l->reader.max_payload_bytes = o->max_payload_bytes;
    l->state = LINK_OPEN;
    l->deadline_ns = 0;
    no_stranger(l);
    atomic_store(&l->peer, &l->peer_said);
    TRY(begin_sharing(l));
    l->told_opened = true;
    if (o->handlers.opened) o->handlers.opened(o->context, l, &l->peer_said);
    pthread_mutex_lock(&l->lock);
    mark_dirty(l);
    pthread_mutex_unlock(&l->lock);
    return TSR_OK;
}

static bool should_move(const net_link *l, const handshake_peer *p)
{
    const net *n = l->n;
    return l->initiator && !l->moved && !n->o.no_shared && l->target.scheme != ADDRESS_UNIX && p->local[0] == '@' &&
           n->host_id[0] && strcmp(p->host_id, n->host_id) == 0;
}

/* A frame before the handshake is done. */
static tsr_status took_greeting(net_link *l, const frame_header *h, const uint8_t *head)
{
    handshake *s = l->handshake;
    tsr_status status = handshake_take(s, h->type, head, h->head_bytes);
    const handshake_peer *p = handshake_heard(s);
    if (status == TSR_OK && !handshake_done(s) && p && should_move(l, p)) {
        link_move(l, p->local);
        return TSR_ERR_CANCELLED;
    }
    strbuf *output = handshake_output(s);
    if (output->n) strbuf_addn(&l->raw, output->text, output->n);
    strbuf_fini(output);
    TRY(status);
    if (l->raw.failed) return error_memory(HANDSHAKE_MAX_HEAD_BYTES);
    int generation = l->generation;
    if (handshake_done(s)) TRY(link_opened(l));
    if (generation == l->generation) link_flush(l);
    return generation == l->generation ? TSR_OK : TSR_ERR_CANCELLED;
}

static tsr_status took_frame(void *context, const frame_header *h, const uint8_t *head, const char *payload)
{
    net_link *l = context;
    if (l->state == LINK_HELLO) return took_greeting(l, h, head);
    if (l->state != LINK_OPEN) return TSR_OK;
    if (h->type < NET_FIRST_RESERVED_TYPE) return took_message(l, h, head, payload);
    if (h->type == FRAME_TYPE(BYE)) return took_bye(l, head, h->head_bytes);
    if (h->type == FRAME_TYPE(PING)) return TSR_OK;
    if (l->share && h->type == FRAME_TYPE(SHARED)) return took_shared(l, head, h->head_bytes);
    if (l->share && h->type == FRAME_TYPE(POOL)) return took_pool(l, head, h->head_bytes);
    if (l->share && h->type == FRAME_TYPE(RELEASE)) return share_take_release(l->share, head, h->head_bytes);
    return error_set(TSR_ERR_FORMAT, "the peer sent a message of type %#x, which does not belong here", h->type);
}

/* ---- receiving ---- */

/* Bytes of the stream, decrypted: n_direct of them lie in the payload's place already, the rest in `bytes`. False: stop reading.
 */
static bool take_bytes(net_link *l, size_t n_direct, const uint8_t *bytes, size_t n)
{
    int generation = l->generation;
    if (l->state == LINK_LEAVING) return true;
    tsr_status status = n_direct ? frame_filled(&l->reader, n_direct) : TSR_OK;
    if (status == TSR_OK && n > 0) status = frame_feed(&l->reader, bytes, n);
    if (generation != l->generation) return false;
    if (status != TSR_OK) protocol_failure(l);
    return status == TSR_OK;
}

static void start_handshake(net_link *l)
{
    uint8_t binding[HANDSHAKE_BINDING_BYTES];
    tsr_status status = l->tls ? tls_binding(l->tls, binding) : TSR_OK;
    if (status == TSR_OK) status = handshake_new(&l->n->self, l->initiator, l->tls ? binding : NULL, &l->handshake);
    if (status != TSR_OK) {
        link_fail(l, tsr_error_message());
        return;
    }
    frame_sink sink = {.place = place, .frame = took_frame, .context = l};
    frame_reader_fini(&l->reader);
    frame_reader_init(&l->reader, &sink, HANDSHAKE_MAX_HEAD_BYTES, 0);
    l->state = LINK_HELLO;
    strbuf *output = handshake_output(l->handshake);
    strbuf_addn(&l->raw, output->text, output->n);
    strbuf_fini(output);
    if (l->raw.failed) {
        link_fail(l, tsr_error_message());
    } else {
        link_flush(l);
    }
}

/* Goes on with TLS; true once it is done. */
static bool shake_tls(net_link *l)
{
    bool done;
    int generation = l->generation;
    tsr_status status = tls_handshake(l->tls, &done);
    if (status != TSR_OK) {
        link_leave(l, tsr_error_message()); /* an alert may be on its way out */
        return false;
    }
    link_flush(l);
    if (generation != l->generation) return false;
    if (done) start_handshake(l);
    return done && generation == l->generation;
}

static bool take_cipher(net_link *l, const uint8_t *bytes, size_t n)
{
    int generation = l->generation;
    size_t got = 1;
    bool ended = false;
    if (l->state == LINK_LEAVING) return true;
    if (tls_feed(l->tls, bytes, n) != TSR_OK) {
        link_fail(l, tsr_error_message());
        return false;
    }
    if (l->state == LINK_TLS && !shake_tls(l)) return generation == l->generation;
    while (got > 0) {
        char *to = NULL;
        size_t room = frame_room(&l->reader, &to);
        bool direct = room >= LEAST_DIRECT;
        if (tls_read(l->tls, direct ? to : (char *)l->n->staging, direct ? room : STAGING_BYTES, &got, &ended) != TSR_OK) {
            link_fail(l, tsr_error_message());
            return false;
        }
        if (got > 0 && !take_bytes(l, direct ? got : 0, l->n->staging, direct ? 0 : got)) return false;
    }
    return true;
}

/* Descriptors that came with the bytes. More than are expected are closed. */
static void keep_fds(net_link *l, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            /* The first may come in one piece with the end of the handshake. */
            if (l->n_fds < (int)(sizeof l->fds / sizeof l->fds[0]) && (l->state == LINK_OPEN || l->state == LINK_HELLO)) {
                l->fds[l->n_fds++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

static void ended_by_peer(net_link *l)
{
    if (l->state == LINK_OPEN) {
        link_fail(l, frame_between(&l->reader) ? "the peer closed the connection without a word (its process may have ended)"
                                               : "the peer closed the connection in the middle of a message");
    } else {
        link_fail(l, "the peer closed the connection before the handshake was done");
    }
}

/* One read. False: nothing more to do at present. */
static bool read_once(net_link *l)
{
    char *to = NULL;
    uint8_t control[CMSG_SPACE(sizeof l->fds)];
    size_t room = l->tls ? 0 : frame_room(&l->reader, &to);
    bool direct = room >= LEAST_DIRECT && l->state == LINK_OPEN;
    struct iovec parts[2] = {{.iov_base = to, .iov_len = direct ? room : 0},
                             {.iov_base = l->tls ? l->n->cipher : l->n->staging, .iov_len = STAGING_BYTES}};
    struct msghdr m = {.msg_iov = direct ? parts : parts + 1, .msg_iovlen = direct ? 2 : 1};
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    ssize_t n = recvmsg(l->fd, &m, MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n < 0) {
        char reason[256];
        snprintf(reason, sizeof reason, "the connection broke: %s", strerror(errno));
        link_fail(l, reason);
        return false;
    }
    if (m.msg_controllen > 0) keep_fds(l, &m);
    if (n == 0) {
        ended_by_peer(l);
        return false;
    }
    l->last_in_ns = os_now_ns();
    COUNT(l, bytes_in, (uint64_t)n);
    size_t n_direct = direct ? ((size_t)n < room ? (size_t)n : room) : 0;
    bool more = l->tls ? take_cipher(l, l->n->cipher, (size_t)n) : take_bytes(l, n_direct, l->n->staging, (size_t)n - n_direct);
    /* A short read has emptied the socket. */
    return more && (size_t)n == parts[0].iov_len + parts[1].iov_len;
}

static void on_event(uv_poll_t *handle, int status, int events)
{
    net_link *l = handle->data;
    if (l->poll != handle) return;
    link_ref(l);
    if (l->state == LINK_DIALING) {
        link_dialled(l);
        link_unref(l);
        return;
    }
    int generation = l->generation;
    if (status < 0) l->events = 0; /* libuv stopped watching; reading tells the reason */
    if (status < 0 || (events & UV_READABLE)) {
        for (int i = 0; i < READS_AT_ONCE && read_once(l); i++) {
        }
    }
    if (generation == l->generation && (status < 0 || (events & UV_WRITABLE))) link_flush(l);
    if (generation == l->generation && status < 0) link_fail(l, "the connection broke");
    link_unref(l);
}

void link_watch(net_link *l, int events)
{
    if (!l->poll || l->events == events) return;
    l->events = events;
    if (events) {
        uv_poll_start(l->poll, events, on_event);
    } else {
        uv_poll_stop(l->poll);
    }
}

/* ---- the beginning ---- */

static void set_socket_options(int fd)
{
    int yes = 1;
    /* Fails for Unix sockets, which need none of it. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
}

tsr_status link_attach(net_link *l, int fd)
{
    l->fd = fd;
    forks_withhold(fd);
    l->poll = mem_calloc(1, sizeof *l->poll);
    if (!l->poll) return TSR_ERR_MEMORY;
    int error = uv_poll_init(&l->n->loop, l->poll, fd);
    if (error) {
        mem_free(l->poll);
        l->poll = NULL;
        return error_set(TSR_ERR_IO, "cannot watch a connection: %s", uv_strerror(error));
    }
    l->poll->data = l;
    return TSR_OK;
}

void link_start(net_link *l, int fd, bool with_tls)
{
    tsr_status status = l->poll ? TSR_OK : link_attach(l, fd);
    set_socket_options(fd);
    l->last_in_ns = l->last_out_ns = os_now_ns();
    if (status == TSR_OK && with_tls) status = tls_new(l->n->tls, l->initiator ? l->target.host : NULL, &l->tls);
    if (status != TSR_OK) {
        link_fail(l, tsr_error_message());
        return;
    }
    l->state = LINK_TLS;
    link_watch(l, UV_READABLE);
    if (with_tls) {
        (void)shake_tls(l);
    } else {
        start_handshake(l);
    }
}

/* ---- time ---- */

static void tick_deadline(net_link *l)
{
    if (l->state == LINK_DIALING) {
        link_dial_failed(l, "it did not answer in time");
    } else if (l->state == LINK_LEAVING) {
        link_fail(l, "it took too long");
    } else if (l->state == LINK_OPEN) {
        link_fail(l, "the connection broke");
    } else if (l->state == LINK_HELLO && !l->tls) {
        char reason[96];
        snprintf(reason, sizeof reason, "the handshake was not done in %d ms", l->n->o.handshake_ms);
        handshake_add_bye(&l->raw, reason);
        link_leave(l, reason);
    } else {
        link_fail(l, "the handshake was not done in time");
    }
}

void link_tick(net_link *l, int64_t now_ns)
{
    if (l->deadline_ns && now_ns > l->deadline_ns) {
        tick_deadline(l);
        return;
    }
    if (l->state != LINK_OPEN && l->state != LINK_LEAVING) return;
    if (l->state == LINK_OPEN && now_ns - l->last_in_ns > l->silence_ns) {
        char reason[128];
        snprintf(reason, sizeof reason, "the peer has sent nothing for %.1f s: its process is stopped, or the network is cut",
                 (double)(now_ns - l->last_in_ns) / 1e9);
        link_fail(l, reason);
        return;
    }
    if (l->share) share_tick(l->share);
    if (l->state == LINK_OPEN && now_ns - l->last_out_ns >= l->heartbeat_ns && link_is_flushed(l)) {
        outgoing *ping;
        if (outgoing_new(FRAME_TYPE(PING), NULL, 0, NULL, &ping) == TSR_OK && link_queue(l, ping) != TSR_OK) outgoing_free(ping);
    }
}
