/* Blocks that arrive at a client: received straight into the caller's memory where they lie there in one piece. Small ones are
 * delivered at once, on the I/O thread; larger ones wait, in order of arrival, for the threads that deliver (client_run.c). */
#include "cluster/client_parts.h"

enum { SMALL_BYTES = 64 << 10 };

/* What a message says, if it is something that is asked for. */
typedef struct news {
    int slot; /* -1: nobody asks for it any more */
    int root;
    int64_t block;
    uint32_t output;
    bool is_wanted, is_written, last;
} news;

static bool read_news(client *c, const peer *p, const net_message *m, news *out)
{
    Tessera__Cluster__Block *b = tessera__cluster__block__unpack(NULL, m->head_bytes, m->head);
    *out = (news){.slot = -1};
    if (!b) return false;
    int slot = fetch_slot_of(c, b->request);
    bool good = true;
    if (slot >= 0) {
        const request *q = &c->requests.items[slot];
        good = q->worker == p->id && b->number >= (uint64_t)q->first && b->number < (uint64_t)q->end &&
               b->output == (uint32_t)q->f->roots[q->root].output;
        if (good) {
            const fetch_root *r = &q->f->roots[q->root];
            *out = (news){slot, q->root, (int64_t)b->number, b->output, false, b->written && r->place, b->last};
            out->is_wanted = r->state[out->block] == fetch_asked_by(slot) && !q->f->is_over;
            if (out->is_wanted) good = m->payload_bytes == (out->is_written ? 0 : fetch_block_bytes(r, out->block));
        }
    }
    tessera__cluster__block__free_unpacked(b, NULL);
    return good;
}

static arrival *arrival_new(fetching *f, const news *at)
{
    arrival *a = mem_calloc(1, sizeof *a);
    if (!a) {
        fetch_fail_here(f, TSR_ERR_MEMORY);
        return NULL;
    }
    *a = (arrival){.f = f, .root = at->root, .block = at->block};
    return a;
}

/* The block has found its memory: it counts for its request no more. */
static void mark_placed(client *c, const news *at)
{
    request *q = &c->requests.items[at->slot];
    q->f->roots[at->root].state[at->block] = BLOCK_PLACED;
    q->n_left--;
}

char *fetch_place(client *c, peer *p, const net_message *m, void **token)
{
    news at;
    if (!read_news(c, p, m, &at) || !at.is_wanted) return NULL; /* `message` says what is wrong */
    fetching *f = c->requests.items[at.slot].f;
    if (m->shared) return NULL; /* used where it lies */
    arrival *a = arrival_new(f, &at);
    if (!a) return NULL;
    char *to = m->payload_bytes > 0 ? deliver_in_place(&f->roots[at.root], at.block) : NULL;
    if (!to) {
        tsr_status status = buffer_new(c->session->buffers, m->payload_bytes, &a->buf);
        if (status != TSR_OK) {
            fetch_fail_here(f, status);
            mem_free(a);
            return NULL;
        }
        to = a->buf->data;
        a->data = to;
    }
    mark_placed(c, &at);
    a->from = p;
    p->n_placed++;
    f->n_placed++;
    *token = a;
    return to;
}

void fetch_done(fetching *f, int root, int64_t block)
{
    fetch_root *r = &f->roots[root];
    r->state[block] = BLOCK_DONE;
    f->asked_bytes -= fetch_block_bytes(r, block);
    if (--f->n_left == 0) {
        f->is_over = true;
        pthread_cond_broadcast(&f->changed);
    } else if (!f->is_over) {
        fetch_ask(f);
    }
}

static void queue_arrival(fetching *f, arrival *a)
{
    *f->ready_last = a;
    f->ready_last = &a->next;
    pthread_cond_broadcast(&f->changed);
}

/* Everything of it is here; takes the arrival. */
static void take_arrival(arrival *a)
{
    fetching *f = a->f;
    size_t bytes = fetch_block_bytes(&f->roots[a->root], a->block);
    bool is_memory = f->roots[a->root].to.kind == SINK_MEMORY;
    if (f->is_over) {
        fetch_arrival_free(a);
        return;
    }
    if (!is_memory || (a->data && bytes > SMALL_BYTES)) {
        queue_arrival(f, a);
        return;
    }
    tsr_status status = a->data ? deliver(f, a) : TSR_OK;
    int root = a->root;
    int64_t block = a->block;
    fetch_arrival_free(a);
    if (status != TSR_OK) {
        fetch_fail_here(f, status);
    } else {
        fetch_done(f, root, block);
    }
}

/* The request is done; not before it has brought everything. */
static bool end_request(client *c, const peer *p, const net_message *m)
{
    Tessera__Cluster__Block *b = tessera__cluster__block__unpack(NULL, m->head_bytes, m->head);
    int slot = b ? fetch_slot_of(c, b->request) : -1;
    bool last = b && b->last;
    if (b) tessera__cluster__block__free_unpacked(b, NULL);
    if (slot < 0) return true;
    const request *q = &c->requests.items[slot];
    if (q->n_left > 0) return !last;
    fetch_slot_free(c, slot);
    return true;
}

static bool has_arrived(client *c, const peer *p, const net_message *m)
{
    news at;
    if (m->token) {
        arrival *a = m->token;
        a->f->n_placed--;
        a->from->n_placed--;
        pthread_cond_broadcast(&a->f->changed);
        take_arrival(a);
        return true;
    }
    if (!read_news(c, p, m, &at)) return false;
    if (!at.is_wanted || (m->payload_bytes > 0 && !m->shared)) return true; /* old news, or there was no memory for it */
    fetching *f = c->requests.items[at.slot].f;
    if (at.is_written) {
        mark_placed(c, &at);
        f->bytes_written += (int64_t)fetch_block_bytes(&f->roots[at.root], at.block);
        fetch_done(f, at.root, at.block);
        return true;
    }
    arrival *a = arrival_new(f, &at);
    if (!a) return true;
    mark_placed(c, &at);
    if (m->shared) {
        a->buf = buffer_ref(m->shared);
        a->data = m->payload;
    }
    take_arrival(a);
    return true;
}

bool fetch_take_block(client *c, peer *p, const net_message *m) { return has_arrived(c, p, m) && end_request(c, p, m); }

void fetch_abandoned(client *c, void *token)
{
    arrival *a = token;
    fetching *f = a->f;
    f->n_placed--;
    a->from->n_placed--;
    f->roots[a->root].state[a->block] = BLOCK_WANTED;
    f->has_missed = true; /* asked for again when the link's end is told, which is next */
    f->asked_bytes -= fetch_block_bytes(&f->roots[a->root], a->block);
    pthread_cond_broadcast(&f->changed);
    fetch_arrival_free(a);
}

bool fetch_take_refusal(client *c, peer *p, const net_message *m)
{
    Tessera__Cluster__Refused *r = tessera__cluster__refused__unpack(NULL, m->head_bytes, m->head);
    if (!r) return false;
    int slot = fetch_slot_of(c, r->request);
    if (slot >= 0 && c->requests.items[slot].worker == p->id) {
        fetching *f = c->requests.items[slot].f;
        bool is_status = r->status > TSR_OK && r->status <= TSR_ERR_TIMEOUT;
        /* A worker that has dropped the job was told to: there will be a new map, or the scheduler says why it failed. */
        const bool is_dropped = r->status == TSR_ERR_CANCELLED;
        if (!is_dropped) fetch_fail(f, is_status ? (tsr_status)r->status : TSR_ERR_INTERNAL, r->message);
        fetch_request_drop(c, slot, false);
        if (is_dropped && !f->is_over) fetch_draw_up_and_ask(f);
    }
    tessera__cluster__refused__free_unpacked(r, NULL);
    return true;
}
