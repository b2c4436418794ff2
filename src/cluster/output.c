/* Sending: what is queued leaves in as few system calls as possible, a share at a time so that no link keeps the others waiting.
 */
#define _GNU_SOURCE
#include "base/mem.h"
#include "base/os.h"
#include "cluster/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PARTS = 64, AT_ONCE_BYTES = 4 << 20 };

/* Moves the queue to the list that only the I/O thread sees, and starts to close if that was asked for. */
static void take_queue(net_link *l)
{
    char *reason = NULL;
    bool closing = false;
    pthread_mutex_lock(&l->lock);
    if (l->state == LINK_OPEN && l->first) {
        *l->out_last = l->first;
        l->out_last = l->last;
        l->first = NULL;
        l->last = &l->first;
    }
    /* Before the handshake is done, messages wait for it; without any, there is nothing to wait for. */
    if (l->shut && !l->said_bye && l->state != LINK_LEAVING && (l->state == LINK_OPEN || !l->first)) {
        closing = true;
        reason = l->close_reason;
        l->close_reason = NULL;
    }
    pthread_mutex_unlock(&l->lock);
    if (!closing) return;
    l->said_bye = true;
    char text[600];
    snprintf(text, sizeof text, "closed here: %s", reason ? reason : "");
    if (l->state != LINK_OPEN) {
        link_fail(l, text);
    } else {
        strbuf bye = {0};
        handshake_add_bye(&bye, reason ? reason : "");
        outgoing *o = bye.failed ? NULL : mem_alloc(sizeof *o + bye.n);
        if (o) {
            *o = (outgoing){.n_bytes = bye.n, .n_front = bye.n, .fd = -1, .last = true};
            memcpy(o->bytes, bye.text, bye.n);
            *l->out_last = o;
            l->out_last = &o->next;
            atomic_fetch_add(&l->queued_bytes, bye.n);
        }
        strbuf_fini(&bye);
        l->reason = mem_strdup(text);
        l->state = LINK_LEAVING;
        l->generation++;
        int64_t wait_ns = l->n->closing ? (int64_t)LEAVE_MS * 1000000 : l->silence_ns;
        l->deadline_ns = os_now_ns() + wait_ns;
    }
    mem_free(reason);
}

bool link_is_flushed(const net_link *l)
{
    return l->raw_sent == l->raw.n && !l->out && l->cipher_sent == l->n_cipher && (!l->tls || tls_pending(l->tls) == 0);
}

/* The first bytes that were not sent: the handshake's, then message by message. A frame that carries a descriptor begins a call.
 */
static int gather(net_link *l, struct iovec *parts, int max, int *fd)
{
    int n = 0;
    *fd = -1;
    if (l->raw_sent < l->raw.n)
        parts[n++] = (struct iovec){.iov_base = l->raw.text + l->raw_sent, .iov_len = l->raw.n - l->raw_sent};
    for (outgoing *o = l->out; o && n + 2 <= max; o = o->next) {
        if (o->fd >= 0 && o->sent == 0) {
            if (n > 0) break;
            *fd = o->fd;
        }
        if (o->sent < o->n_front) parts[n++] = (struct iovec){.iov_base = o->bytes + o->sent, .iov_len = o->n_front - o->sent};
        if (o->n_bytes > o->n_front) {
            size_t done = o->sent > o->n_front ? o->sent - o->n_front : 0;
            parts[n++] =
                (struct iovec){.iov_base = (char *)(uintptr_t)o->payload + done, .iov_len = o->n_bytes - o->n_front - done};
        }
    }
    return n;
}

static void sent(net_link *l, size_t n)
{
    size_t raw = l->raw.n - l->raw_sent, total = 0;
    if (raw > n) raw = n;
    l->raw_sent += raw;
    n -= raw;
    if (l->raw_sent == l->raw.n && l->raw.n > 0) {
        strbuf_fini(&l->raw);
        l->raw_sent = 0;
    }
    while (l->out && n >= l->out->n_bytes - l->out->sent) {
        outgoing *o = l->out;
        n -= o->n_bytes - o->sent;
        total += o->n_bytes - o->sent;
        l->out = o->next;
        if (!l->out) l->out_last = &l->out;
        frame_header h = frame_header_unpack(o->bytes);
        if (h.type < NET_FIRST_RESERVED_TYPE || h.type == FRAME_TYPE(SHARED)) COUNT(l, messages_out, 1);
        outgoing_free(o);
    }
    if (n > 0 && l->out) {
        l->out->sent += n;
        total += n;
    }
    atomic_fetch_sub(&l->queued_bytes, total);
}

/* TSR_ERR_CANCELLED: the socket takes no more. */
static tsr_status send_parts(net_link *l, struct iovec *parts, int n_parts, int fd, size_t *n)
{
    uint8_t control[CMSG_SPACE(sizeof fd)] = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = (size_t)n_parts};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t done;
    do {
        done = sendmsg(l->fd, &m, MSG_NOSIGNAL);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && (errno == EAGAIN || errno == ENOBUFS)) return TSR_ERR_CANCELLED;
    if (done < 0) return error_errno(errno, "the connection broke");
    *n = (size_t)done;
    l->last_out_ns = os_now_ns();
    COUNT(l, bytes_out, (uint64_t)done);
    return TSR_OK;
}

static tsr_status flush_plain(net_link *l)
{
    struct iovec parts[PARTS];
    size_t total = 0;
    while (total < AT_ONCE_BYTES) {
        int fd, n_parts = gather(l, parts, PARTS, &fd);
        size_t n = 0;
        if (n_parts == 0) return TSR_OK;
        TRY(send_parts(l, parts, n_parts, fd, &n));
        sent(l, n);
        total += n;
    }
    return TSR_ERR_CANCELLED;
}

/* Fills l->cipher with what TLS has to say, encrypting more when that is nothing. */
static tsr_status refill(net_link *l)
{
    struct iovec part[2];
    int fd;
    if (!l->cipher) l->cipher = mem_alloc(STAGING_BYTES);
    if (!l->cipher) return TSR_ERR_MEMORY;
    /* Small messages share records' trip to the socket. */
    while (l->state >= LINK_HELLO && tls_pending(l->tls) < STAGING_BYTES / 2 && gather(l, part, 2, &fd) > 0) {
        size_t taken = 0;
        TRY(tls_write(l->tls, part[0].iov_base, part[0].iov_len, &taken));
        sent(l, taken);
    }
    l->cipher_sent = 0;
    l->n_cipher = tls_take(l->tls, l->cipher, STAGING_BYTES);
    return TSR_OK;
}

static tsr_status flush_tls(net_link *l)
{
    size_t total = 0;
    while (total < AT_ONCE_BYTES) {
        if (l->cipher_sent == l->n_cipher) TRY(refill(l));
        if (l->n_cipher == 0) return TSR_OK;
        struct iovec part = {.iov_base = l->cipher + l->cipher_sent, .iov_len = l->n_cipher - l->cipher_sent};
        size_t n = 0;
        TRY(send_parts(l, &part, 1, -1, &n));
        l->cipher_sent += n;
        total += n;
    }
    return TSR_ERR_CANCELLED;
}

static void finish_writing(net_link *l)
{
    if (l->tls && !l->finished) {
        tls_end(l->tls);
        tsr_status status = flush_tls(l);
        if (status == TSR_ERR_CANCELLED) return; /* called again when the socket takes more */
    }
    l->finished = true;
    shutdown(l->fd, SHUT_WR);
    /* The peer's end of the connection tells that it has read everything. */
    l->deadline_ns = os_now_ns() + (int64_t)LEAVE_MS * 1000000;
}

static void tell_drained(net_link *l)
{
    net *n = l->n;
    if (!atomic_load(&l->was_high) || atomic_load(&l->queued_bytes) > n->o.low_water_bytes) return;
    atomic_store(&l->was_high, false);
    if (n->o.handlers.drained && l->state == LINK_OPEN) n->o.handlers.drained(n->o.context, l);
}

void link_flush(net_link *l)
{
    if (l->state == LINK_CLOSED) return;
    take_queue(l);
    if (l->state == LINK_CLOSED || l->state == LINK_DIALING || l->finished || l->broken || l->fd < 0) return;
    tsr_status status = l->tls ? flush_tls(l) : flush_plain(l);
    if (status != TSR_OK && status != TSR_ERR_CANCELLED) {
        char reason[256];
        snprintf(reason, sizeof reason, "%s", tsr_error_message());
        if (l->state != LINK_OPEN && l->state != LINK_HELLO) {
            link_fail(l, reason);
            return;
        }
        /* What the peer said last may still be there to read, and says more than this. */
        l->broken = true;
        l->deadline_ns = os_now_ns() + (int64_t)LEAVE_MS * 1000000;
        link_watch(l, UV_READABLE);
        return;
    }
    link_watch(l, status == TSR_ERR_CANCELLED ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    if (l->state == LINK_LEAVING && status == TSR_OK) finish_writing(l);
    tell_drained(l);
}
