/* Fuzzes the reader of frames, as for a peer that is through the handshake, and the reader of addresses. The first byte says in
 * what pieces the stream arrives and whether payloads are wanted; the same frames must come out however it is cut. */
#include "base/mem.h"
#include "cluster/address.h"
#include "cluster/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_HEAD = 1 << 12, MAX_PAYLOAD = 1 << 14 };

typedef struct seen {
    bool refuse;
    char *room;
    uint64_t sum; /* of everything that came out */
    int n;
} seen;

static void add(seen *s, const void *bytes, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) s->sum = s->sum * 31 + ((const uint8_t *)bytes)[i];
}

static tsr_status place(void *context, const frame_header *h, const uint8_t *head, char **to)
{
    seen *s = context;
    if (h->payload_bytes == 0 || h->payload_bytes > MAX_PAYLOAD) abort();
    add(s, head, h->head_bytes);
    free(s->room);
    s->room = malloc(h->payload_bytes); /* so that a byte too many is found */
    *to = s->refuse ? NULL : s->room;
    return TSR_OK;
}

static tsr_status frame(void *context, const frame_header *h, const uint8_t *head, const char *payload)
{
    seen *s = context;
    if (h->head_bytes > MAX_HEAD || h->type == 0 || (payload != NULL) != (h->payload_bytes > 0 && !s->refuse)) abort();
    add(s, head, h->head_bytes);
    if (payload) add(s, payload, h->payload_bytes);
    s->n++;
    return s->n > 1000 ? TSR_ERR_CANCELLED : TSR_OK;
}

static tsr_status read_stream(seen *s, const uint8_t *data, size_t size, size_t piece, bool direct)
{
    frame_reader r;
    tsr_status status = TSR_OK;
    frame_reader_init(&r, &(frame_sink){.place = place, .frame = frame, .context = s}, MAX_HEAD, MAX_PAYLOAD);
    for (size_t i = 0; i < size && status == TSR_OK;) {
        char *to = NULL;
        size_t n = piece < size - i ? piece : size - i, room = direct ? frame_room(&r, &to) : 0;
        if (room > 0) {
            if (n > room) n = room;
            memcpy(to, data + i, n);
            status = frame_filled(&r, n);
        } else {
            status = frame_feed(&r, data + i, n);
        }
        i += n;
    }
    frame_reader_fini(&r);
    free(s->room);
    s->room = NULL;
    return status;
}

static void read_address(const uint8_t *data, size_t size)
{
    char text[512], printed[ADDRESS_TEXT_BYTES];
    address a, again;
    if (size >= sizeof text) return;
    memcpy(text, data, size);
    text[size] = 0;
    if (address_parse(text, &a) != TSR_OK) {
        if (!tsr_error_message()[0]) abort();
        return;
    }
    address_print(&a, printed, sizeof printed);
    if (address_parse(printed, &again) != TSR_OK || strcmp(a.host, again.host) != 0 || strcmp(a.path, again.path) != 0) abort();
    struct sockaddr_storage where;
    socklen_t n;
    address_to_unix(&a, &where, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    seen whole = {.refuse = data[0] & 1}, cut = whole;
    read_address(data + 1, size - 1);
    tsr_status a = read_stream(&whole, data + 1, size - 1, size, false);
    tsr_status b = read_stream(&cut, data + 1, size - 1, 1 + (data[0] >> 2), data[0] & 2);
    if (a != b || whole.sum != cut.sum || whole.n != cut.n) abort();
    if (a != TSR_OK && a != TSR_ERR_CANCELLED && !tsr_error_message()[0]) abort();
    return 0;
}
