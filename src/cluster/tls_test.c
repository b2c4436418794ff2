/* Certificates and TLS: what connects, and what is refused with which words. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/cert.h"
#include "cluster/net_testing.h"

#include <ftw.h>
#include <sys/stat.h>

typedef struct places {
    char folder[64], ca[128], cert[128], key[128];
} places;

static const char *const HERE[] = {"127.0.0.1", "localhost", "::1"};

static void places_make(places *p, const char *const *hosts, int n_hosts)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/tessera-tls-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    assert_int_equal(cert_make_authority(p->folder, "test authority", 30), TSR_OK);
    assert_int_equal(cert_make(p->folder, "node", hosts, n_hosts, 30), TSR_OK);
    snprintf(p->ca, sizeof p->ca, "%s/ca.pem", p->folder);
    snprintf(p->cert, sizeof p->cert, "%s/node.pem", p->folder);
    snprintf(p->key, sizeof p->key, "%s/node.key", p->folder);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f) { return remove(path); }
static void places_remove(places *p) { nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static net_options with(const places *p)
{
    return (net_options){.ca_file = p->ca, .cert_file = p->cert, .key_file = p->key, .no_shared = true};
}

static void test_files(void **state)
{
    places p;
    struct stat about;
    const char *bad = "a host,DNS:other";
    places_make(&p, HERE, 3);
    assert_int_equal(stat(p.key, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(cert_make_authority(p.folder, "again", 30), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "File exists"));
    assert_int_equal(cert_make(p.folder, "node", HERE, 1, 30), TSR_ERR_IO);
    assert_int_equal(cert_make(p.folder, "other", &bad, 1, 30), TSR_ERR_VALUE);
    assert_int_equal(cert_make(p.folder, "../other", HERE, 1, 30), TSR_ERR_VALUE);
    assert_int_equal(cert_make(p.folder, "other", HERE, 0, 30), TSR_ERR_VALUE);
    assert_int_equal(cert_make(p.folder, "other", HERE, 1, 0), TSR_ERR_VALUE);
    assert_int_equal(cert_make("/nowhere", "other", HERE, 1, 30), TSR_ERR_IO);
    assert_int_equal(stat(p.ca, &about), 0);
    places_remove(&p);
}

static void test_echo(void **state)
{
    static const size_t sizes[] = {0, 1, 16384, 16385, 300000, 20 << 20};
    places p;
    station a, b;
    net_link *l;
    char secret[64];
    testing_secret(secret, "a secret of thirty-two characters");
    places_make(&p, HERE, 3);
    net_options o = with(&p);
    o.secret_file = secret; /* bound to the session */
    assert_int_equal(station_open(&a, &o), TSR_OK);
    assert_int_equal(station_open(&b, &o), TSR_OK);
    assert_int_equal(net_listen(a.n, "tls://0.0.0.0:0", a.address, sizeof a.address), TSR_OK);
    snprintf(b.address, sizeof b.address, "tls://127.0.0.1%s", strrchr(a.address, ':'));
    assert_int_equal(net_connect(b.n, b.address, &l), TSR_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *data = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++) data[k] = (char)(k * 2654435761U >> 11);
        net_payload payload = {.data = data, .bytes = sizes[i]};
        assert_int_equal(link_send(l, TYPE_ECHO, (const uint8_t *)"h", 1, &payload), TSR_OK);
        assert_true(station_wait(&b, &b.messages, (int)i + 1));
        pthread_mutex_lock(&b.lock);
        assert_int_equal(b.got_bytes, sizes[i]);
        if (sizes[i]) assert_true(memcmp(b.got_at, data, sizes[i]) == 0);
        pthread_mutex_unlock(&b.lock);
        free(data);
    }
    link_close(l, "enough");
    assert_true(station_wait(&a, &a.closed, 1));
    assert_string_equal(a.reason, "closed by the peer: enough");
    link_unref(l);
    station_close(&b);
    station_close(&a);
    places_remove(&p);
    unlink(secret);
}

/* b connects to a at `host`; the reason that b is given contains `why`, and a says nothing to the layer above. */
static void refused(const net_options *oa, const net_options *ob, const char *host, const char *scheme, const char *why)
{
    station a, b;
    net_link *l;
    assert_int_equal(station_open(&a, oa), TSR_OK);
    assert_int_equal(station_open(&b, ob), TSR_OK);
    assert_int_equal(net_listen(a.n, oa->ca_file ? "tls://127.0.0.1:0" : "tcp://127.0.0.1:0", a.address, sizeof a.address),
                     TSR_OK);
    snprintf(b.address, sizeof b.address, "%s://%s%s", scheme, host, strrchr(a.address, ':'));
    assert_int_equal(net_connect(b.n, b.address, &l), TSR_OK);
    assert_true(station_wait(&b, &b.closed, 1));
    if (!station_said(&b, b.reason, why)) fail_msg("'%s' does not contain '%s'", b.reason, why);
    assert_true(station_wait(&a, &a.logged, 1));
    assert_int_equal(station_read(&a, &a.opened) + station_read(&a, &a.closed) + station_read(&b, &b.opened), 0);
    link_unref(l);
    station_close(&b);
    station_close(&a);
}

static void test_refused(void **state)
{
    places ours, theirs;
    const char *elsewhere = "elsewhere.example.org";
    places_make(&ours, HERE, 3);
    places_make(&theirs, &elsewhere, 1);
    net_options a = with(&ours), b = with(&theirs), plain = {.no_shared = true, .handshake_ms = 2000}, mixed = a;
    refused(&a, &b, "127.0.0.1", "tls", "the peer's certificate is not accepted");
    refused(&b, &b, "127.0.0.1", "tls", "the peer's certificate is not accepted: IP address mismatch");
    mixed.ca_file = ours.ca; /* trusts the listener, but has a certificate that the listener does not trust */
    mixed.cert_file = theirs.cert;
    mixed.key_file = theirs.key;
    refused(&a, &mixed, "127.0.0.1", "tls", "");
    refused(&a, &plain, "127.0.0.1", "tcp", "");
    refused(&plain, &a, "127.0.0.1", "tls", "TLS");
    net *n = NULL;
    mixed.key_file = ours.key;
    mixed.role = NET_ROLE_WORKER;
    assert_int_equal(net_open(&mixed, &n), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "cannot use the key"));
    mixed.key_file = NULL;
    assert_int_equal(net_open(&mixed, &n), TSR_ERR_VALUE);
    mixed.key_file = "/nowhere";
    assert_int_equal(net_open(&mixed, &n), TSR_ERR_VALUE);
    places_remove(&ours);
    places_remove(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
