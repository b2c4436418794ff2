/* Making an authority and certificates with OpenSSL. Files are made anew or not at all: nothing is overwritten, and keys are
 * never readable by others, not even for a moment. */
#define _GNU_SOURCE
#include "cluster/cert.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "cluster/openssl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, DAY_S = 24 * 3600, SKEW_S = 3600 };

static tsr_status failed(const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    return error_set(TSR_ERR_INTERNAL, "cannot make %s: %s", what, reason ? reason : "OpenSSL gives no reason");
}

static tsr_status join(const char *folder, const char *name, const char *ending, char path[PATH_BYTES])
{
    int n = snprintf(path, PATH_BYTES, "%s/%s.%s", folder, name, ending);
    return n > 0 && n < PATH_BYTES ? TSR_OK : error_set(TSR_ERR_VALUE, "the path of '%s' is too long", folder);
}

static tsr_status create(const char *path, mode_t mode, FILE **out)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return error_errno(errno, "cannot make '%s'", path);
    *out = fdopen(fd, "w");
    if (*out) return TSR_OK;
    tsr_status status = error_errno(errno, "cannot make '%s'", path);
    close(fd);
    unlink(path);
    return status;
}

/* Either both files are written, or neither is there. */
static tsr_status write_pair(const char *folder, const char *name, X509 *cert, EVP_PKEY *key)
{
    char cert_path[PATH_BYTES], key_path[PATH_BYTES];
    FILE *cert_file = NULL, *key_file = NULL;
    TRY(join(folder, name, "pem", cert_path));
    TRY(join(folder, name, "key", key_path));
    TRY(create(key_path, 0600, &key_file));
    tsr_status status = create(cert_path, 0644, &cert_file);
    bool made = status == TSR_OK;
    if (status == TSR_OK && PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) != 1) status = failed(key_path);
    if (status == TSR_OK && PEM_write_X509(cert_file, cert) != 1) status = failed(cert_path);
    if (fclose(key_file) != 0 && status == TSR_OK) status = error_errno(errno, "cannot write '%s'", key_path);
    if (cert_file && fclose(cert_file) != 0 && status == TSR_OK) status = error_errno(errno, "cannot write '%s'", cert_path);
    if (status != TSR_OK) unlink(key_path);
    if (status != TSR_OK && made) unlink(cert_path);
    return status;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    bool ok = e && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_serial(X509 *cert)
{
    uint8_t bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
    bytes[0] = (uint8_t)(bytes[0] & 0x7f) | 0x40; /* positive, and of full length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

/* A certificate without extensions and signature. */
static X509 *begin(EVP_PKEY *key, const char *name, int n_days)
{
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) && X509_set_pubkey(cert, key) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) &&
              X509_gmtime_adj(X509_getm_notAfter(cert), (long)n_days * DAY_S) &&
              X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0) == 1;
    if (ok) return cert;
    X509_free(cert);
    return NULL;
}

static tsr_status check_days(int n_days)
{
    return n_days > 0 && n_days <= 36500 ? TSR_OK
                                         : error_set(TSR_ERR_VALUE, "a certificate lasts 1 to 36500 days, not %d", n_days);
}

tsr_status cert_make_authority(const char *folder, const char *name, int n_days)
{
    TRY(check_days(n_days));
    TRY(openssl_open());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? begin(key, name, n_days) : NULL;
    bool ok = cert && X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
              add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(cert, cert, NID_subject_key_identifier, "hash") && X509_sign(cert, key, EVP_sha256()) > 0;
    tsr_status status = ok ? write_pair(folder, "ca", cert, key) : failed("an authority");
    X509_free(cert);
    EVP_PKEY_free(key);
    return status;
}

/* "DNS:head,IP:10.0.0.7" */
static tsr_status list_hosts(const char *const *hosts, int n_hosts, char **out)
{
    strbuf text = {0};
    uint8_t binary[16];
    for (int i = 0; i < n_hosts; i++) {
        bool ip = inet_pton(AF_INET, hosts[i], binary) == 1 || inet_pton(AF_INET6, hosts[i], binary) == 1;
        size_t n = strlen(hosts[i]);
        if (!ip &&
            (n == 0 || n > 253 || strspn(hosts[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*_") != n)) {
            strbuf_fini(&text);
            return error_set(TSR_ERR_VALUE, "'%s' is neither the name of a host nor an IP address", hosts[i]);
        }
        strbuf_printf(&text, "%s%s:%s", i ? "," : "", ip ? "IP" : "DNS", hosts[i]);
    }
    *out = strbuf_take(&text);
    return *out ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status read_authority(const char *folder, X509 **cert, EVP_PKEY **key)
{
    char path[PATH_BYTES];
    FILE *f;
    TRY(join(folder, "ca", "pem", path));
    if (!(f = fopen(path, "re"))) return error_errno(errno, "cannot open the authority's certificate '%s'", path);
    *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (!*cert) return failed("a certificate: ca.pem does not read");
    TRY(join(folder, "ca", "key", path));
    if (!(f = fopen(path, "re"))) return error_errno(errno, "cannot open the authority's key '%s'", path);
    *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    return *key ? TSR_OK : failed("a certificate: ca.key does not read");
}

tsr_status cert_make(const char *folder, const char *name, const char *const *hosts, int n_hosts, int n_days)
{
    X509 *authority = NULL, *cert = NULL;
    EVP_PKEY *authority_key = NULL, *key = NULL;
    char *names = NULL;
    TRY(check_days(n_days));
    TRY(openssl_open());
    if (n_hosts < 1) return error_set(TSR_ERR_VALUE, "a certificate is for at least one host");
    if (!name[0] || strchr(name, '/')) return error_set(TSR_ERR_VALUE, "'%s' cannot be the name of a file", name);
    tsr_status status = list_hosts(hosts, n_hosts, &names);
    if (status == TSR_OK) status = read_authority(folder, &authority, &authority_key);
    if (status == TSR_OK) {
        key = EVP_EC_gen("P-256");
        cert = key ? begin(key, name, n_days) : NULL;
        bool ok = cert && X509_set_issuer_name(cert, X509_get_subject_name(authority)) == 1 &&
                  add_extension(cert, authority, NID_basic_constraints, "critical,CA:FALSE") &&
                  add_extension(cert, authority, NID_key_usage, "critical,digitalSignature") &&
                  add_extension(cert, authority, NID_ext_key_usage, "serverAuth,clientAuth") &&
                  add_extension(cert, authority, NID_subject_alt_name, names) &&
                  add_extension(cert, authority, NID_subject_key_identifier, "hash") &&
                  add_extension(cert, authority, NID_authority_key_identifier, "keyid:always") &&
                  X509_sign(cert, authority_key, EVP_sha256()) > 0;
        status = ok ? write_pair(folder, name, cert, key) : failed("a certificate");
    }
    mem_free(names);
    X509_free(authority);
    X509_free(cert);
    EVP_PKEY_free(authority_key);
    EVP_PKEY_free(key);
    return status;
}
