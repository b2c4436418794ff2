/* Hello and Proof, for both sides. The initiator proves first, so that a listener never gives a stranger anything made with its
 * secret. Nothing that the peer said is used before it is checked; until handshake_done it is only hearsay. Not thread-safe. */
#include "cluster/handshake.h"

#include "base/mem.h"
#include "cluster/frame.h"
#include "cluster/wire.pb-c.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct handshake {
    const handshake_self *self;
    bool initiator, heard, done;
    uint8_t nonce[SECRET_NONCE_BYTES];
    uint8_t binding[HANDSHAKE_BINDING_BYTES];
    size_t binding_bytes;
    uint8_t *hello, *peer_hello; /* as sent: what the proofs are about */
    size_t hello_bytes, peer_hello_bytes;
    handshake_peer peer;
    strbuf output;
};

static void add_frame(strbuf *out, uint32_t type, const uint8_t *head, size_t head_bytes)
{
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header_pack(&(frame_header){.type = type, .head_bytes = (uint32_t)head_bytes}, header);
    strbuf_addn(out, (const char *)header, sizeof header);
    strbuf_addn(out, (const char *)head, head_bytes);
}

void handshake_add_bye(strbuf *out, const char *reason)
{
    Tessera__Wire__Bye bye = TESSERA__WIRE__BYE__INIT;
    char text[512];
    uint8_t packed[sizeof text + 16];
    snprintf(text, sizeof text, "%s", reason);
    bye.reason = text;
    add_frame(out, FRAME_TYPE(BYE), packed, tessera__wire__bye__pack(&bye, packed));
}

/* False if it had to be cut. */
static bool copy_text(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < size; i++) to[i] = (unsigned char)from[i] < ' ' || from[i] == 127 ? '?' : from[i];
    to[i] = 0;
    return !from[i];
}

void handshake_read_bye(const uint8_t *head, size_t head_bytes, char *reason, size_t size)
{
    Tessera__Wire__Bye *bye = tessera__wire__bye__unpack(NULL, head_bytes, head);
    copy_text(reason, size, bye ? bye->reason : "");
    if (bye) tessera__wire__bye__free_unpacked(bye, NULL);
}

static tsr_status make_hello(handshake *h)
{
    Tessera__Wire__Hello hello = TESSERA__WIRE__HELLO__INIT;
    const handshake_self *self = h->self;
    hello.protocol = self->protocol;
    hello.library = (char *)(uintptr_t)TESSERA_VERSION;
    hello.role = self->role;
    hello.name = (char *)(uintptr_t)self->name;
    hello.host_id = (char *)(uintptr_t)self->host_id;
    hello.pid = getpid();
    hello.capabilities = self->capabilities;
    hello.nonce = (ProtobufCBinaryData){.len = sizeof h->nonce, .data = h->nonce};
    hello.secret = self->secret != NULL;
    hello.local = (char *)(uintptr_t)self->local;
    hello.silence_ms = self->silence_ms;
    hello.shares = self->shares;
    h->hello_bytes = tessera__wire__hello__get_packed_size(&hello);
    if (h->hello_bytes > HANDSHAKE_MAX_HEAD_BYTES) return error_set(TSR_ERR_VALUE, "the name of this process is too long");
    h->hello = mem_alloc(h->hello_bytes);
    if (!h->hello) return TSR_ERR_MEMORY;
    tessera__wire__hello__pack(&hello, h->hello);
    strbuf_addn(&h->output, FRAME_PREAMBLE, FRAME_PREAMBLE_BYTES);
    add_frame(&h->output, FRAME_TYPE(HELLO), h->hello, h->hello_bytes);
    return h->output.failed ? TSR_ERR_MEMORY : TSR_OK;
}

tsr_status handshake_new(const handshake_self *self, bool initiator, const uint8_t *binding, handshake **out)
{
    handshake *h = mem_calloc(1, sizeof *h);
    if (!h) return TSR_ERR_MEMORY;
    h->self = self;
    h->initiator = initiator;
    if (binding) {
        memcpy(h->binding, binding, HANDSHAKE_BINDING_BYTES);
        h->binding_bytes = HANDSHAKE_BINDING_BYTES;
    }
    tsr_status status = secret_random(h->nonce, sizeof h->nonce);
    if (status == TSR_OK) status = make_hello(h);
    if (status != TSR_OK) {
        handshake_free(h);
        return status;
    }
    *out = h;
    return TSR_OK;
}

void handshake_free(handshake *h)
{
    if (!h) return;
    mem_free(h->hello);
    mem_free(h->peer_hello);
    strbuf_fini(&h->output);
    mem_free(h);
}

strbuf *handshake_output(handshake *h) { return &h->output; }
const handshake_peer *handshake_heard(const handshake *h) { return h->heard ? &h->peer : NULL; }
bool handshake_done(const handshake *h) { return h->done; }

/* Tells the peer `theirs`, and this side `ours`. */
static tsr_status refuse(handshake *h, const char *theirs, const char *ours)
{
    handshake_add_bye(&h->output, theirs);
    return error_set(TSR_ERR_FORMAT, "%s", ours);
}

static tsr_status refuse_version(handshake *h, const Tessera__Wire__Hello *hello)
{
    char theirs[256], ours[256], version[64];
    copy_text(version, sizeof version, hello->library);
    snprintf(ours, sizeof ours,
             "the peer speaks protocol %u (tessera %s), this is %u (tessera %s): install the same version on both",
             hello->protocol, version, h->self->protocol, TESSERA_VERSION);
    snprintf(theirs, sizeof theirs,
             "the peer speaks protocol %u (tessera %s), this is %u (tessera %s): install the same version on both",
             h->self->protocol, TESSERA_VERSION, hello->protocol, version);
    return refuse(h, theirs, ours);
}

/* Checks a Hello of our own protocol and keeps it. */
static tsr_status check_hello(handshake *h, const Tessera__Wire__Hello *hello)
{
    handshake_peer *p = &h->peer;
    if (hello->nonce.len != SECRET_NONCE_BYTES) {
        return refuse(h, "the hello's nonce must have 32 bytes", "the peer's hello has no nonce of 32 bytes");
    }
    if (secret_equal(hello->nonce.data, h->nonce, SECRET_NONCE_BYTES)) {
        return refuse(h, "the nonce was this side's own", "the peer sent this side's own nonce back");
    }
    if (hello->role < NET_ROLE_CLIENT || hello->role > NET_ROLE_SCHEDULER) {
        return refuse(h, "there is no such role", "the peer's hello names no role that exists");
    }
    if (!copy_text(p->version, sizeof p->version, hello->library) || !copy_text(p->name, sizeof p->name, hello->name) ||
        !copy_text(p->host_id, sizeof p->host_id, hello->host_id) || !copy_text(p->local, sizeof p->local, hello->local)) {
        return refuse(h, "a text in the hello is too long", "a text in the peer's hello is too long");
    }
    p->role = (net_role)hello->role;
    p->capabilities = hello->capabilities;
    p->pid = hello->pid;
    p->silence_ms = hello->silence_ms;
    p->shares = hello->shares;
    if (hello->secret && !h->self->secret) {
        return refuse(h, "the peer has no secret, this side has one: start both with the same secret file",
                      "the peer asks for a secret: give its file (--secret-file)");
    }
    if (!hello->secret && h->self->secret) {
        return refuse(h, "the peer asks for a secret: give its file (--secret-file)",
                      "the peer has no secret, this side has one: start both with the same secret file");
    }
    return TSR_OK;
}

static tsr_status make_mac(const handshake *h, bool of_initiator, uint8_t mac[SECRET_MAC_BYTES])
{
    bool ours_first = h->initiator;
    secret_transcript t = {.initiator_hello = ours_first ? h->hello : h->peer_hello,
                           .initiator_bytes = ours_first ? h->hello_bytes : h->peer_hello_bytes,
                           .acceptor_hello = ours_first ? h->peer_hello : h->hello,
                           .acceptor_bytes = ours_first ? h->peer_hello_bytes : h->hello_bytes,
                           .binding = h->binding,
                           .binding_bytes = h->binding_bytes};
    return secret_prove(h->self->secret, of_initiator, &t, mac);
}

static tsr_status add_proof(handshake *h)
{
    Tessera__Wire__Proof proof = TESSERA__WIRE__PROOF__INIT;
    uint8_t mac[SECRET_MAC_BYTES], packed[SECRET_MAC_BYTES + 16];
    if (h->self->secret) {
        TRY(make_mac(h, h->initiator, mac));
        proof.mac = (ProtobufCBinaryData){.len = sizeof mac, .data = mac};
    }
    add_frame(&h->output, FRAME_TYPE(PROOF), packed, tessera__wire__proof__pack(&proof, packed));
    return TSR_OK;
}

static tsr_status take_hello(handshake *h, const uint8_t *head, size_t head_bytes)
{
    Tessera__Wire__Hello *hello = tessera__wire__hello__unpack(NULL, head_bytes, head);
    if (!hello) return refuse(h, "the hello does not read", "the peer's hello does not read");
    tsr_status status = hello->protocol == h->self->protocol ? check_hello(h, hello) : refuse_version(h, hello);
    tessera__wire__hello__free_unpacked(hello, NULL);
    TRY(status);
    h->peer_hello = mem_alloc(head_bytes);
    if (!h->peer_hello) return TSR_ERR_MEMORY;
    memcpy(h->peer_hello, head, head_bytes);
    h->peer_hello_bytes = head_bytes;
    h->heard = true;
    return h->initiator ? add_proof(h) : TSR_OK;
}

static tsr_status take_proof(handshake *h, const uint8_t *head, size_t head_bytes)
{
    uint8_t mac[SECRET_MAC_BYTES];
    Tessera__Wire__Proof *proof = tessera__wire__proof__unpack(NULL, head_bytes, head);
    if (!proof) return refuse(h, "the proof does not read", "the peer's proof does not read");
    tsr_status status = h->self->secret ? make_mac(h, !h->initiator, mac) : TSR_OK;
    bool right =
        status == TSR_OK &&
        (h->self->secret ? proof->mac.len == sizeof mac && secret_equal(proof->mac.data, mac, sizeof mac) : proof->mac.len == 0);
    tessera__wire__proof__free_unpacked(proof, NULL);
    TRY(status);
    if (!right) {
        return refuse(h, "the peer's secret is another: both must be started with the same secret file",
                      "the peer did not prove to know the secret: both must be started with the same secret file");
    }
    if (!h->initiator) TRY(add_proof(h));
    h->done = true;
    return TSR_OK;
}

tsr_status handshake_take(handshake *h, uint32_t type, const uint8_t *head, size_t head_bytes)
{
    if (type == FRAME_TYPE(BYE)) {
        char reason[512];
        handshake_read_bye(head, head_bytes, reason, sizeof reason);
        return error_set(TSR_ERR_IO, "turned away by the peer: %s", reason[0] ? reason : "it gave no reason");
    }
    tsr_status status;
    if (!h->done && !h->heard && type == FRAME_TYPE(HELLO)) {
        status = take_hello(h, head, head_bytes);
    } else if (!h->done && h->heard && type == FRAME_TYPE(PROOF)) {
        status = take_proof(h, head, head_bytes);
    } else {
        char text[128];
        snprintf(text, sizeof text, "the peer sent a message of type %#x in the middle of the handshake", type);
        status = refuse(h, "a message came in the middle of the handshake", text);
    }
    if (status == TSR_OK && h->output.failed) status = error_memory(HANDSHAKE_MAX_HEAD_BYTES);
    return status;
}
