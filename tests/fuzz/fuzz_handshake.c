/* Fuzzes the handshake, both sides of it: whatever a stranger says, it ends in a clear refusal or goes on, and nobody who does
 * not know the secret gets through. The first byte chooses the side, whether there is a secret, and a binding. */
#include "cluster/frame.h"
#include "cluster/handshake.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tsr_status place(void *context, const frame_header *h, const uint8_t *head, char **to) { return TSR_ERR_INTERNAL; }

static tsr_status frame(void *context, const frame_header *h, const uint8_t *head, const char *payload)
{
    handshake *s = context;
    tsr_status status = handshake_take(s, h->type, head, h->head_bytes);
    if (status != TSR_OK && !tsr_error_message()[0]) abort();
    if (handshake_output(s)->n > 1 << 16) abort(); /* little is said to strangers */
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    secret *key = NULL;
    handshake *h = NULL;
    frame_reader r;
    uint8_t binding[HANDSHAKE_BINDING_BYTES] = {7};
    if (size < 1) return 0;
    bool initiator = data[0] & 1, with_secret = data[0] & 2;
    if (with_secret && secret_new("0123456789abcdef0123", 20, &key) != TSR_OK) abort();
    handshake_self self = {
        .role = NET_ROLE_WORKER, .name = "w", .host_id = "h", .local = "", .protocol = NET_PROTOCOL, .secret = key};
    if (handshake_new(&self, initiator, data[0] & 4 ? binding : NULL, &h) != TSR_OK) abort();
    frame_reader_init(&r, &(frame_sink){.place = place, .frame = frame, .context = h}, HANDSHAKE_MAX_HEAD_BYTES, 0);
    tsr_status status = frame_feed(&r, (const uint8_t *)FRAME_PREAMBLE, FRAME_PREAMBLE_BYTES);
    if (status == TSR_OK) status = frame_feed(&r, data + 1, size - 1);
    if (status == TSR_ERR_INTERNAL) abort();
    if (with_secret && handshake_done(h)) abort();
    const handshake_peer *p = handshake_heard(h);
    if (p && (p->role < NET_ROLE_CLIENT || p->role > NET_ROLE_SCHEDULER || strlen(p->name) >= sizeof p->name)) abort();
    frame_reader_fini(&r);
    handshake_free(h);
    secret_free(key);
    return 0;
}
