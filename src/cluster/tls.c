/* TLS 1.2 and later by OpenSSL, between two memory BIOs. Both sides must show a certificate of the trusted authority, and an
 * initiator checks that the acceptor's is for the host it asked for. Decryption goes straight to where the bytes are wanted. */
#include "cluster/tls.h"

#include "base/mem.h"
#include "cluster/openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { RECORD_BYTES = 16 << 10, RECORDS_AT_ONCE = 16 };

struct tls_context {
    SSL_CTX *ssl;
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
};

/* OpenSSL's reason; its queue of errors is emptied. */
static tsr_status failed(tsr_status code, const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    return error_set(code, "%s: %s", what, reason ? reason : "no reason was given");
}

static tsr_status use_files(SSL_CTX *ssl, const char *ca_file, const char *cert_file, const char *key_file)
{
    char what[512];
    if (SSL_CTX_load_verify_locations(ssl, ca_file, NULL) != 1) {
        snprintf(what, sizeof what, "cannot use the authority's certificate '%.400s'", ca_file);
        return failed(TSR_ERR_VALUE, what);
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1) {
        snprintf(what, sizeof what, "cannot use the certificate '%.400s'", cert_file);
        return failed(TSR_ERR_VALUE, what);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ssl) != 1) {
        snprintf(what, sizeof what, "cannot use the key '%.400s'", key_file);
        return failed(TSR_ERR_VALUE, what);
    }
    return TSR_OK;
}

tsr_status tls_context_new(const char *ca_file, const char *cert_file, const char *key_file, tls_context **out)
{
    TRY(openssl_open());
    tls_context *c = mem_calloc(1, sizeof *c);
    if (!c) return TSR_ERR_MEMORY;
    c->ssl = SSL_CTX_new(TLS_method());
    tsr_status status = c->ssl ? TSR_OK : failed(TSR_ERR_INTERNAL, "cannot start TLS");
    if (status == TSR_OK) {
        SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
        SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(c->ssl, 0);
        SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        status = use_files(c->ssl, ca_file, cert_file, key_file);
    }
    if (status != TSR_OK) {
        tls_context_free(c);
        return status;
    }
    *out = c;
    return TSR_OK;
}

void tls_context_free(tls_context *c)
{
    if (!c) return;
    SSL_CTX_free(c->ssl);
    mem_free(c);
}

/* The certificate must be for this host; a name is also sent, so that a listener can have several. */
static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1) return true;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

tsr_status tls_new(const tls_context *c, const char *host, tls **out)
{
    tls *t = mem_calloc(1, sizeof *t);
    if (!t) return TSR_ERR_MEMORY;
    t->ssl = SSL_new(c->ssl);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        t->in = t->out = NULL;
        tls_free(t);
        return failed(TSR_ERR_MEMORY, "cannot start TLS");
    }
    BIO_set_mem_eof_return(t->in, -1);
    BIO_set_mem_eof_return(t->out, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    if (host && !expect_host(t->ssl, host)) {
        tls_free(t);
        return failed(TSR_ERR_VALUE, "cannot start TLS");
    }
    if (host) {
        SSL_set_connect_state(t->ssl);
    } else {
        SSL_set_accept_state(t->ssl);
    }
    *out = t;
    return TSR_OK;
}

void tls_free(tls *t)
{
    if (!t) return;
    SSL_free(t->ssl);
    mem_free(t);
}

tsr_status tls_feed(tls *t, const void *bytes, size_t n)
{
    return BIO_write(t->in, bytes, (int)n) == (int)n ? TSR_OK : error_memory(n);
}

tsr_status tls_handshake(tls *t, bool *done)
{
    int result = SSL_do_handshake(t->ssl);
    *done = result == 1;
    if (result == 1) return TSR_OK;
    int error = SSL_get_error(t->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return TSR_OK;
    long verdict = SSL_get_verify_result(t->ssl);
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return error_set(TSR_ERR_IO, "TLS: the peer's certificate is not accepted: %s", X509_verify_cert_error_string(verdict));
    }
    return failed(TSR_ERR_IO, "TLS");
}

tsr_status tls_read(tls *t, void *to, size_t n, size_t *got, bool *ended)
{
    *got = 0;
    *ended = false;
    if (SSL_read_ex(t->ssl, to, n, got) == 1) return TSR_OK;
    int error = SSL_get_error(t->ssl, 0);
    *got = 0;
    *ended = error == SSL_ERROR_ZERO_RETURN;
    if (*ended || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return TSR_OK;
    return failed(TSR_ERR_IO, "TLS");
}

tsr_status tls_write(tls *t, const void *bytes, size_t n, size_t *taken)
{
    size_t total = 0;
    for (int i = 0; i < RECORDS_AT_ONCE && total < n; i++) {
        size_t piece = n - total < RECORD_BYTES ? n - total : RECORD_BYTES, written = 0;
        if (SSL_write_ex(t->ssl, (const char *)bytes + total, piece, &written) != 1) return failed(TSR_ERR_IO, "TLS");
        total += written;
    }
    *taken = total;
    return TSR_OK;
}

void tls_end(tls *t)
{
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

size_t tls_pending(const tls *t) { return BIO_ctrl_pending(t->out); }

size_t tls_take(tls *t, void *to, size_t n)
{
    int got = BIO_read(t->out, to, (int)n);
    return got > 0 ? (size_t)got : 0;
}

tsr_status tls_binding(const tls *t, uint8_t out[32])
{
    static const char label[] = "EXPORTER-tessera";
    if (SSL_export_keying_material(t->ssl, out, 32, label, strlen(label), NULL, 0, 0) != 1) {
        return failed(TSR_ERR_INTERNAL, "cannot bind to the TLS session");
    }
    return TSR_OK;
}
