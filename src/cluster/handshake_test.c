/* The handshake: as a state machine, and against sockets that misbehave: wrong secrets and versions, reflection, replay, garbage,
 * peers that take their time or leave. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/frame.h"
#include "cluster/handshake.h"
#include "cluster/net_testing.h"
#include "cluster/wire.pb-c.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

static const char SECRET[] = "a secret of thirty-two characters", OTHER[] = "another, of thirty-two characters";

typedef struct side {
    handshake_self self;
    handshake *h;
    secret *key;
    tsr_status status;
    char why[600];
} side;

static void side_init(side *s, const char *text, bool initiator)
{
    *s = (side){.self = {.role = initiator ? NET_ROLE_WORKER : NET_ROLE_SCHEDULER,
                         .name = initiator ? "i" : "a",
                         .host_id = "h",
                         .local = "",
                         .silence_ms = 1000,
                         .protocol = NET_PROTOCOL}};
    if (text) assert_int_equal(secret_new(text, strlen(text), &s->key), TSR_OK);
    s->self.secret = s->key;
}

static void side_begin(side *s, bool initiator, const uint8_t *binding)
{
    assert_int_equal(handshake_new(&s->self, initiator, binding, &s->h), TSR_OK);
}

static void side_fini(side *s)
{
    handshake_free(s->h);
    secret_free(s->key);
}

/* The frames in `bytes`, given to a side. */
static void give(side *to, const uint8_t *bytes, size_t n)
{
    if (n >= FRAME_PREAMBLE_BYTES && memcmp(bytes, FRAME_PREAMBLE, FRAME_PREAMBLE_BYTES) == 0) {
        bytes += FRAME_PREAMBLE_BYTES;
        n -= FRAME_PREAMBLE_BYTES;
    }
    while (n > 0 && to->status == TSR_OK) {
        assert_true(n >= FRAME_HEADER_BYTES);
        frame_header h = frame_header_unpack(bytes);
        assert_true(n >= FRAME_HEADER_BYTES + h.head_bytes);
        to->status = handshake_take(to->h, h.type, bytes + FRAME_HEADER_BYTES, h.head_bytes);
        if (to->status != TSR_OK) snprintf(to->why, sizeof to->why, "%s", tsr_error_message());
        bytes += FRAME_HEADER_BYTES + h.head_bytes;
        n -= FRAME_HEADER_BYTES + h.head_bytes;
    }
}

static void pass(side *from, side *to)
{
    strbuf *out = handshake_output(from->h);
    size_t n = out->n;
    uint8_t *bytes = malloc(n + 1);
    memcpy(bytes, out->text ? out->text : "", n);
    strbuf_fini(out);
    give(to, bytes, n);
    free(bytes);
}

/* Both talk until they are done or one has failed and the other was told. */
static void talk(side *i, side *a)
{
    for (int k = 0; k < 4; k++) {
        pass(i, a);
        pass(a, i);
    }
}

static void test_secret(void **state)
{
    side i, a;
    side_init(&i, SECRET, true);
    side_init(&a, SECRET, false);
    side_begin(&i, true, NULL);
    side_begin(&a, false, NULL);
    talk(&i, &a);
    assert_true(handshake_done(i.h) && handshake_done(a.h));
    assert_string_equal(handshake_heard(i.h)->name, "a");
    assert_int_equal(handshake_heard(a.h)->role, NET_ROLE_WORKER);
    side_fini(&i);
    side_fini(&a);
}

static void disagree(const char *secret_i, const char *secret_a, const char *why_i, const char *why_a)
{
    side i, a;
    side_init(&i, secret_i, true);
    side_init(&a, secret_a, false);
    side_begin(&i, true, NULL);
    side_begin(&a, false, NULL);
    talk(&i, &a);
    assert_false(handshake_done(i.h) || handshake_done(a.h));
    assert_non_null(strstr(i.why, why_i));
    assert_non_null(strstr(a.why, why_a));
    side_fini(&i);
    side_fini(&a);
}

static void test_wrong_secret(void **state)
{
    disagree(OTHER, SECRET, "turned away by the peer: the peer's secret is another", "did not prove to know the secret");
    disagree(NULL, SECRET, "the peer asks for a secret: give its file (--secret-file)", "the peer has no secret");
    disagree(SECRET, NULL, "the peer has no secret, this side has one", "the peer asks for a secret");
}

static void test_wrong_version(void **state)
{
    side i, a;
    side_init(&i, NULL, true);
    side_init(&a, NULL, false);
    i.self.protocol = 3;
    side_begin(&i, true, NULL);
    side_begin(&a, false, NULL);
    talk(&i, &a);
    assert_false(handshake_done(i.h) || handshake_done(a.h));
    assert_string_equal(a.why, "the peer speaks protocol 3 (tessera " TESSERA_VERSION "), this is 1 (tessera " TESSERA_VERSION
                               "): install the same version on both");
    assert_non_null(strstr(i.why, "the peer speaks protocol 1"));
    side_fini(&i);
    side_fini(&a);
}

/* A listener that knows no secret and sends back what it is sent must not pass for one that does. */
static void test_reflection(void **state)
{
    side i;
    side_init(&i, SECRET, true);
    side_begin(&i, true, NULL);
    strbuf *out = handshake_output(i.h);
    uint8_t *bytes = malloc(out->n);
    size_t n = out->n;
    memcpy(bytes, out->text, n);
    give(&i, bytes, n);
    assert_int_equal(i.status, TSR_ERR_FORMAT);
    assert_non_null(strstr(i.why, "own nonce"));
    free(bytes);
    side_fini(&i);
}

/* One that makes a Hello of its own and sends the initiator's proof back: proofs name the side that made them. */
static void test_proof_sent_back(void **state)
{
    side i, liar;
    side_init(&i, SECRET, true);
    side_init(&liar, OTHER, false); /* it claims to have the secret */
    side_begin(&i, true, NULL);
    side_begin(&liar, false, NULL);
    strbuf_fini(handshake_output(i.h));
    pass(&liar, &i);
    assert_int_equal(i.status, TSR_OK);
    pass(&i, &i); /* the proof */
    assert_non_null(strstr(i.why, "did not prove"));
    assert_false(handshake_done(i.h));
    side_fini(&i);
    side_fini(&liar);
}

/* Proofs are about one TLS session: relayed through somebody in the middle they are worth nothing. */
static void test_binding(void **state)
{
    side i, a;
    uint8_t one[HANDSHAKE_BINDING_BYTES] = {1}, two[HANDSHAKE_BINDING_BYTES] = {2};
    side_init(&i, SECRET, true);
    side_init(&a, SECRET, false);
    side_begin(&i, true, one);
    side_begin(&a, false, two);
    talk(&i, &a);
    assert_false(handshake_done(i.h) || handshake_done(a.h));
    side_fini(&i);
    side_fini(&a);
}

static void test_secret_files(void **state)
{
    char path[64];
    secret *s = NULL;
    bool exposed;
    testing_secret(path, "  short \n");
    assert_int_equal(secret_load(path, &s, &exposed), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "has 5 bytes; it must have 16 to 1024"));
    assert_null(strstr(tsr_error_message(), "short"));
    unlink(path);
    assert_int_equal(secret_load(path, &s, &exposed), TSR_ERR_IO);
    testing_secret(path, SECRET);
    assert_int_equal(secret_load(path, &s, &exposed), TSR_OK);
    assert_false(exposed);
    secret_free(s);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(secret_load(path, &s, &exposed), TSR_OK);
    assert_true(exposed);
    secret_free(s);
    unlink(path);
}

/* ---- raw sockets against a station ---- */

static int dial(const station *s)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    where.sin_port = htons((uint16_t)atoi(strrchr(s->address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

static void station_listen(station *s, const net_options *o)
{
    assert_int_equal(station_open(s, o), TSR_OK);
    assert_int_equal(net_listen(s->n, "tcp://127.0.0.1:0", s->address, sizeof s->address), TSR_OK);
}

/* Everything the station says until it closes. */
static size_t read_all(int fd, uint8_t *bytes, size_t size)
{
    size_t n = 0;
    ssize_t got;
    while (n < size && (got = read(fd, bytes + n, size - n)) > 0) n += (size_t)got;
    return n;
}

static bool mentions(const uint8_t *bytes, size_t n, const char *text) { return memmem(bytes, n, text, strlen(text)) != NULL; }

/* Says `bytes`; the station answers with something that contains `answer`, closes, and logs `log`. */
static void converse(const net_options *o, const void *bytes, size_t n, const char *answer, const char *log)
{
    station s;
    uint8_t said[8192];
    station_listen(&s, o);
    int fd = dial(&s);
    assert_int_equal(write(fd, bytes, n), n);
    size_t n_said = read_all(fd, said, sizeof said);
    assert_true(mentions(said, n_said, answer));
    close(fd);
    assert_true(station_wait(&s, &s.logged, 1));
    assert_true(station_said(&s, s.log, log));
    assert_int_equal(station_read(&s, &s.opened) + station_read(&s, &s.closed),
                     0); /* the layer above hears nothing of strangers */
    station_close(&s);
}

static void test_garbage_before(void **state)
{
    uint8_t frame[FRAME_PREAMBLE_BYTES + FRAME_HEADER_BYTES + 8] = FRAME_PREAMBLE;
    converse(NULL, "GET / HTTP/1.1\r\n\r\n", 18, "TESSERA", "it began with 'GET / HTTP/1'");
    frame_header_pack(&(frame_header){.type = 7, .head_bytes = 4}, frame + FRAME_PREAMBLE_BYTES);
    converse(NULL, frame, sizeof frame - 4, "in the middle of the handshake",
             "a message of type 0x7 in the middle of the handshake");
    frame_header_pack(&(frame_header){.type = FRAME_TYPE(HELLO), .head_bytes = 4097}, frame + FRAME_PREAMBLE_BYTES);
    converse(NULL, frame, sizeof frame, "TESSERA", "a head of 4097 bytes; at most 4096 are taken");
    frame_header_pack(&(frame_header){.type = FRAME_TYPE(HELLO), .payload_bytes = 1}, frame + FRAME_PREAMBLE_BYTES);
    converse(NULL, frame, sizeof frame, "TESSERA", "a payload of 1 bytes; at most 0 are taken");
    frame_header_pack(&(frame_header){.type = FRAME_TYPE(HELLO), .head_bytes = 8}, frame + FRAME_PREAMBLE_BYTES);
    memset(frame + FRAME_PREAMBLE_BYTES + FRAME_HEADER_BYTES, 0xff, 8);
    converse(NULL, frame, sizeof frame, "the hello does not read", "hello does not read");
}

/* A raw socket that does the handshake right, without a secret. */
static int enter(const station *s)
{
    side i;
    uint8_t said[4096];
    side_init(&i, NULL, true);
    side_begin(&i, true, NULL);
    i.self.local = "";
    int fd = dial(s);
    size_t n = 0;
    for (int k = 0; k < 2; k++) {
        strbuf *out = handshake_output(i.h);
        assert_int_equal(write(fd, out->text, out->n), out->n);
        strbuf_fini(out);
        size_t want = k == 0 ? FRAME_PREAMBLE_BYTES + FRAME_HEADER_BYTES : FRAME_HEADER_BYTES;
        for (n = 0; n < want;) n += (size_t)read(fd, said + n, want - n);
        frame_header h = frame_header_unpack(said + want - FRAME_HEADER_BYTES);
        for (; n < want + h.head_bytes;) n += (size_t)read(fd, said + n, want + h.head_bytes - n);
        give(&i, said, n);
        assert_int_equal(i.status, TSR_OK);
    }
    assert_true(handshake_done(i.h));
    side_fini(&i);
    return fd;
}

static void test_garbage_after(void **state)
{
    static const struct {
        frame_header h;
        const char *why;
    } cases[] = {
        {{.type = 0}, "type 0"},
        {{.type = 1, .head_bytes = UINT32_MAX}, "a head of 4294967295 bytes"},
        {{.type = 1, .payload_bytes = UINT64_MAX}, "a payload of 18446744073709551615 bytes"},
        {{.type = 0xffff0001U}, "does not belong here"},                           /* a second Hello */
        {{.type = 0xffff1234U}, "does not belong here"},                           /* unknown */
        {{.type = 0xffff0004U, .payload_bytes = 16}, "0xffff0004 with a payload"}, /* a ping with a payload */
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        station s;
        uint8_t frame[FRAME_HEADER_BYTES], said[4096];
        station_listen(&s, NULL);
        int fd = enter(&s);
        assert_true(station_wait(&s, &s.opened, 1));
        frame_header_pack(&cases[k].h, frame);
        assert_int_equal(write(fd, frame, sizeof frame), sizeof frame);
        size_t n = read_all(fd, said, sizeof said);
        assert_true(mentions(said, n, "what arrived does not read"));
        close(fd);
        assert_true(station_wait(&s, &s.closed, 1));
        assert_true(station_said(&s, s.reason, cases[k].why));
        station_close(&s);
    }
}

static void test_half_closed(void **state)
{
    station s;
    uint8_t frame[FRAME_HEADER_BYTES];
    station_listen(&s, NULL);
    /* In the middle of a payload: what was placed is the handlers' again. */
    int fd = enter(&s);
    frame_header_pack(&(frame_header){.type = TYPE_REPLY, .payload_bytes = 1 << 20}, frame);
    assert_int_equal(write(fd, frame, sizeof frame), sizeof frame);
    assert_int_equal(write(fd, frame, sizeof frame), sizeof frame); /* the payload begins */
    shutdown(fd, SHUT_WR);
    assert_true(station_wait(&s, &s.closed, 1));
    assert_string_equal(s.reason, "the peer closed the connection in the middle of a message");
    assert_int_equal(station_read(&s, &s.abandoned), 1);
    assert_int_equal(station_read(&s, &s.messages), 0);
    close(fd);
    /* Between messages. */
    fd = enter(&s);
    assert_true(station_wait(&s, &s.opened, 2));
    shutdown(fd, SHUT_WR);
    assert_true(station_wait(&s, &s.closed, 2));
    assert_true(station_said(&s, s.reason, "without a word"));
    close(fd);
    /* In the handshake. */
    fd = dial(&s);
    assert_int_equal(write(fd, "TES", 3), 3);
    shutdown(fd, SHUT_WR);
    assert_true(station_wait(&s, &s.logged, 1));
    assert_true(station_said(&s, s.log, "before the handshake was done"));
    close(fd);
    station_close(&s);
}

/* Strangers that say a byte now and then: they are shown out, and those who know the way are let in meanwhile. */
static void test_slow_loris(void **state)
{
    enum { N = 12, LIMIT = 4 };
    station s, t;
    net_link *l;
    int fds[N];
    net_options o = {.max_unauthenticated = LIMIT, .handshake_ms = 1500};
    station_listen(&s, &o);
    for (int i = 0; i < N; i++) {
        fds[i] = dial(&s);
        assert_int_equal(write(fds[i], "T", 1), 1);
    }
    int64_t start = os_now_ns();
    assert_int_equal(station_open(&t, NULL), TSR_OK);
    assert_int_equal(net_connect(t.n, s.address, &l), TSR_OK);
    assert_true(station_wait(&t, &t.opened, 1));
    for (int i = 0; i < N; i++) (void)!send(fds[i], "E", 1, MSG_NOSIGNAL);
    assert_true(station_wait(&s, &s.logged, N)); /* all are gone */
    assert_true(os_now_ns() - start < (int64_t)30 * 1000000000);
    assert_int_equal(station_read(&s, &s.closed), 0);
    for (int i = 0; i < N; i++) close(fds[i]);
    link_unref(l);
    station_close(&t);
    station_close(&s);
}

/* Has the peer closed this connection by now? What it has said is read. */
static bool is_closed(int fd)
{
    char bytes[256];
    ssize_t n;
    do {
        n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    } while (n > 0);
    return n == 0 || errno != EAGAIN;
}

typedef struct crowd {
    const station *s;
    atomic_bool over;
    atomic_int n_let_go;
} crowd;

/* Silent strangers who come again as soon as they are let go. */
static void *keep_coming(void *context)
{
    enum { N = 24 };
    crowd *c = context;
    int fds[N];
    for (int i = 0; i < N; i++) fds[i] = dial(c->s);
    while (!atomic_load(&c->over)) {
        for (int i = 0; i < N; i++) {
            if (!is_closed(fds[i])) continue;
            atomic_fetch_add(&c->n_let_go, 1);
            close(fds[i]);
            fds[i] = dial(c->s);
        }
        usleep(1000);
    }
    for (int i = 0; i < N; i++) close(fds[i]);
    return NULL;
}

/* When the places are full, strangers who have said nothing go before those who have said something; and whoever is honest gets
 * in, however many of the silent ones keep coming. */
static void test_silent_strangers_go_first(void **state)
{
    enum { LIMIT = 4 };
    station s, t;
    net_link *l;
    int said[LIMIT - 1];
    crowd c = {.s = &s};
    pthread_t thread;
    station_listen(&s, &(net_options){.max_unauthenticated = LIMIT, .handshake_ms = 60000});
    for (int i = 0; i < LIMIT - 1; i++) {
        said[i] = dial(&s);
        assert_int_equal(write(said[i], "T", 1), 1);
    }
    const int64_t start = os_now_ns();
    int fds[3], n_closed = 0;
    for (int i = 0; i < 3; i++) fds[i] = dial(&s); /* one place for three */
    while (n_closed < 2) {
        n_closed = 0;
        for (int i = 0; i < 3; i++) n_closed += is_closed(fds[i]);
        usleep(1000);
    }
    /* They came later, so somebody who said something would have gone first if that did not count; unless this machine took its
     * time, and they had theirs. */
    const bool is_late = os_now_ns() - start > (int64_t)450 * 1000000;
    for (int i = 0; i < LIMIT - 1 && !is_late; i++) assert_false(is_closed(said[i]));

    assert_int_equal(pthread_create(&thread, NULL, keep_coming, &c), 0);
    assert_int_equal(station_open(&t, NULL), TSR_OK);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(net_connect(t.n, s.address, &l), TSR_OK);
        assert_true(station_wait(&t, &t.opened, i));
        link_unref(l);
    }
    assert_int_equal(station_read(&t, &t.closed), 0);
    atomic_store(&c.over, true);
    pthread_join(thread, NULL);
    assert_true(atomic_load(&c.n_let_go) > 0);
    for (int i = 0; i < LIMIT - 1; i++) close(said[i]);
    for (int i = 0; i < 3; i++) close(fds[i]);
    station_close(&t);
    station_close(&s);
}

static void test_nets_with_other_secrets(void **state)
{
    station s, t;
    char one[64], two[64];
    net_link *l;
    testing_secret(one, SECRET);
    testing_secret(two, OTHER);
    station_listen(&s, &(net_options){.secret_file = one});
    assert_int_equal(station_open(&t, &(net_options){.secret_file = two}), TSR_OK);
    assert_int_equal(net_connect(t.n, s.address, &l), TSR_OK);
    assert_true(station_wait(&t, &t.closed, 1));
    assert_true(station_said(&t, t.reason, "the peer's secret is another: both must be started with the same secret file"));
    assert_int_equal(station_read(&t, &t.opened), 0);
    assert_true(station_wait(&s, &s.logged, 1));
    assert_false(station_said(&s, s.log, SECRET));
    link_unref(l);
    station_close(&t);
    station_close(&s);
    unlink(one);
    unlink(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_wrong_secret),
        cmocka_unit_test(test_wrong_version),
        cmocka_unit_test(test_reflection),
        cmocka_unit_test(test_proof_sent_back),
        cmocka_unit_test(test_binding),
        cmocka_unit_test(test_secret_files),
        cmocka_unit_test(test_garbage_before),
        cmocka_unit_test(test_garbage_after),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_slow_loris),
        cmocka_unit_test(test_silent_strangers_go_first),
        cmocka_unit_test(test_nets_with_other_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
