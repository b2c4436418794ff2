/* Reading frames from a stream that is cut anywhere. Heads that lie in one piece in the bytes given are used where they are;
 * payloads go to where the sink says, without a copy when the caller receives straight into frame_room. Not thread-safe. */
#include "cluster/frame.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { KEPT_HEAD_BYTES = 64 << 10 };

static void put(uint8_t *out, uint64_t value, int n)
{
    for (int i = 0; i < n; i++) out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *in, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)in[i] << (8 * i);
    return value;
}

void frame_header_pack(const frame_header *h, uint8_t out[FRAME_HEADER_BYTES])
{
    put(out, h->type, 4);
    put(out + 4, h->head_bytes, 4);
    put(out + 8, h->payload_bytes, 8);
}

frame_header frame_header_unpack(const uint8_t in[FRAME_HEADER_BYTES])
{
    return (frame_header){.type = (uint32_t)get(in, 4), .head_bytes = (uint32_t)get(in + 4, 4), .payload_bytes = get(in + 8, 8)};
}

void frame_reader_init(frame_reader *r, const frame_sink *sink, size_t max_head_bytes, size_t max_payload_bytes)
{
    *r = (frame_reader){.sink = *sink, .max_head_bytes = max_head_bytes, .max_payload_bytes = max_payload_bytes};
}

void frame_reader_fini(frame_reader *r)
{
    mem_free(r->head);
    r->head = NULL;
    r->head_capacity = 0;
}

/* What a stranger began with, as text. */
static tsr_status not_ours(const uint8_t *bytes, size_t n)
{
    char text[4 * 12 + 1];
    size_t used = 0;
    if (n >= 2 && bytes[0] == 0x16 && bytes[1] == 0x03) {
        return error_set(TSR_ERR_FORMAT, "the peer speaks TLS, this side does not: use tls:// on both sides, or tcp:// on both");
    }
    text[0] = 0;
    for (size_t i = 0; i < n && i < 12; i++) {
        bool plain = bytes[i] >= ' ' && bytes[i] < 127 && bytes[i] != '\\' && bytes[i] != '\'';
        used += (size_t)snprintf(text + used, sizeof text - used, plain ? "%c" : "\\x%02x", bytes[i]);
    }
    return error_set(TSR_ERR_FORMAT, "the peer does not speak Tessera's protocol (it began with '%s')", text);
}

static tsr_status feed_preamble(frame_reader *r, const uint8_t **bytes, size_t *n)
{
    size_t take = (size_t)(FRAME_PREAMBLE_BYTES - r->n_preamble);
    if (take > *n) take = *n;
    if (memcmp(*bytes, &FRAME_PREAMBLE[r->n_preamble], take) != 0) return not_ours(*bytes, *n);
    r->n_preamble += (int)take;
    *bytes += take;
    *n -= take;
    return TSR_OK;
}

static tsr_status feed_header(frame_reader *r, const uint8_t **bytes, size_t *n)
{
    size_t take = FRAME_HEADER_BYTES - r->n_header;
    if (take > *n) take = *n;
    memcpy(r->header + r->n_header, *bytes, take);
    r->n_header += take;
    *bytes += take;
    *n -= take;
    if (r->n_header < FRAME_HEADER_BYTES) return TSR_OK;
    r->h = frame_header_unpack(r->header);
    if (r->h.type == 0) return error_set(TSR_ERR_FORMAT, "the peer sent a message of type 0");
    if (r->h.head_bytes > r->max_head_bytes) {
        return error_set(TSR_ERR_FORMAT, "the peer sent a message of type %#x with a head of %u bytes; at most %zu are taken",
                         r->h.type, r->h.head_bytes, r->max_head_bytes);
    }
    if (r->h.payload_bytes > r->max_payload_bytes) {
        return error_set(TSR_ERR_FORMAT,
                         "the peer sent a message of type %#x with a payload of %llu bytes; at most %zu are taken", r->h.type,
                         (unsigned long long)r->h.payload_bytes, r->max_payload_bytes);
    }
    return TSR_OK;
}

static tsr_status finish(frame_reader *r, const uint8_t *head)
{
    const char *payload = r->to;
    frame_header h = r->h;
    r->n_header = r->n_head = 0;
    r->in_payload = false;
    r->to = NULL;
    r->n_payload = 0;
    tsr_status status = r->sink.frame(r->sink.context, &h, head, payload);
    if (r->head_capacity > KEPT_HEAD_BYTES) frame_reader_fini(r);
    return status;
}

/* The head is whole. */
static tsr_status begin_payload(frame_reader *r, const uint8_t *head)
{
    if (r->h.payload_bytes == 0) return finish(r, head);
    TRY(r->sink.place(r->sink.context, &r->h, head, &r->to));
    r->in_payload = true;
    return TSR_OK;
}

static tsr_status feed_head(frame_reader *r, const uint8_t **bytes, size_t *n)
{
    size_t want = r->h.head_bytes, take = want - r->n_head;
    /* In one piece, and not needed when these bytes are gone. */
    if (r->n_head == 0 && want <= *n && r->h.payload_bytes == 0) {
        const uint8_t *head = *bytes;
        *bytes += want;
        *n -= want;
        return begin_payload(r, head);
    }
    if (!r->head || want > r->head_capacity) {
        uint8_t *grown = mem_realloc(r->head, want);
        if (!grown) return TSR_ERR_MEMORY;
        r->head = grown;
        r->head_capacity = want;
    }
    if (take > *n) take = *n;
    if (take > 0) memcpy(r->head + r->n_head, *bytes, take);
    r->n_head += take;
    *bytes += take;
    *n -= take;
    return r->n_head == want ? begin_payload(r, r->head) : TSR_OK;
}

static tsr_status feed_payload(frame_reader *r, const uint8_t **bytes, size_t *n)
{
    uint64_t left = r->h.payload_bytes - r->n_payload;
    size_t take = left < *n ? (size_t)left : *n;
    if (r->to) memcpy(r->to + r->n_payload, *bytes, take);
    *bytes += take;
    *n -= take;
    return frame_filled(r, take);
}

tsr_status frame_feed(frame_reader *r, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        if (r->n_preamble < FRAME_PREAMBLE_BYTES) {
            TRY(feed_preamble(r, &bytes, &n));
        } else if (r->in_payload) {
            TRY(feed_payload(r, &bytes, &n));
        } else if (r->n_header < FRAME_HEADER_BYTES) {
            TRY(feed_header(r, &bytes, &n));
            /* A frame may end with its header. */
            if (r->n_header == FRAME_HEADER_BYTES && r->h.head_bytes == 0) TRY(begin_payload(r, r->header));
        } else {
            TRY(feed_head(r, &bytes, &n));
        }
    }
    return TSR_OK;
}

size_t frame_room(const frame_reader *r, char **to)
{
    if (!r->in_payload || !r->to) return 0;
    *to = r->to + r->n_payload;
    return (size_t)(r->h.payload_bytes - r->n_payload);
}

tsr_status frame_filled(frame_reader *r, size_t n)
{
    r->n_payload += n;
    return r->n_payload == r->h.payload_bytes ? finish(r, r->head ? r->head : r->header) : TSR_OK;
}

bool frame_between(const frame_reader *r) { return r->n_header == 0; }
