/* The shared secret. It is kept in one allocation, overwritten when it goes, and never printed. HMAC and SHA-256 are OpenSSL's.
 */
#include "cluster/secret.h"

#include "base/mem.h"
#include "cluster/openssl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret {
    size_t n;
    uint8_t bytes[SECRET_MOST_BYTES];
};

tsr_status secret_new(const void *bytes, size_t n, secret **out)
{
    secret *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    s->n = n < SECRET_MOST_BYTES ? n : SECRET_MOST_BYTES;
    memcpy(s->bytes, bytes, s->n);
    *out = s;
    return TSR_OK;
}

void secret_free(secret *s)
{
    if (!s) return;
    explicit_bzero(s, sizeof *s);
    mem_free(s);
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static tsr_status read_file(const char *path, char *text, size_t size, size_t *n, bool *open_to_others)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_errno(errno, "cannot open the secret file '%s'", path);
    tsr_status status = fstat(fd, &about) == 0 ? TSR_OK : error_errno(errno, "cannot read the secret file '%s'", path);
    *open_to_others = status == TSR_OK && (about.st_mode & (S_IROTH | S_IWOTH)) != 0;
    *n = 0;
    while (status == TSR_OK && *n < size) {
        ssize_t got = read(fd, text + *n, size - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = error_errno(errno, "cannot read the secret file '%s'", path);
        if (got <= 0) break;
        *n += (size_t)got;
    }
    close(fd);
    return status;
}

tsr_status secret_load(const char *path, secret **out, bool *open_to_others)
{
    char text[SECRET_MOST_BYTES + 64];
    size_t n = 0, start = 0;
    tsr_status status = read_file(path, text, sizeof text, &n, open_to_others);
    if (status == TSR_OK) {
        while (start < n && is_space(text[start])) start++;
        while (n > start && is_space(text[n - 1])) n--;
        n -= start;
        if (n < SECRET_LEAST_BYTES || n > SECRET_MOST_BYTES) {
            status = error_set(TSR_ERR_VALUE,
                               "the secret in '%s' has %zu bytes%s; it must have %d to %d: openssl rand -hex 32 makes a good one",
                               path, n, n > SECRET_MOST_BYTES ? " or more" : "", SECRET_LEAST_BYTES, SECRET_MOST_BYTES);
        } else {
            status = secret_new(text + start, n, out);
        }
    }
    explicit_bzero(text, sizeof text);
    return status;
}

tsr_status secret_prove(const secret *s, bool as_initiator, const secret_transcript *t, uint8_t mac[SECRET_MAC_BYTES])
{
    TRY(openssl_open());
    /* The label with its NUL; both are of different length, so none is the other's beginning. */
    const char *label = as_initiator ? "tessera initiator" : "tessera acceptor";
    uint8_t text[32 + 2 * SHA256_DIGEST_LENGTH + 64];
    size_t n = strlen(label) + 1;
    unsigned int n_mac = 0;
    memcpy(text, label, n);
    bool ok = SHA256(t->initiator_hello, t->initiator_bytes, text + n) != NULL;
    n += SHA256_DIGEST_LENGTH;
    ok = ok && SHA256(t->acceptor_hello, t->acceptor_bytes, text + n) != NULL;
    n += SHA256_DIGEST_LENGTH;
    if (!ok || t->binding_bytes > sizeof text - n) return error_set(TSR_ERR_INTERNAL, "OpenSSL cannot compute a hash");
    if (t->binding_bytes) memcpy(text + n, t->binding, t->binding_bytes);
    n += t->binding_bytes;
    if (!HMAC(EVP_sha256(), s->bytes, (int)s->n, text, n, mac, &n_mac) || n_mac != SECRET_MAC_BYTES) {
        return error_set(TSR_ERR_INTERNAL, "OpenSSL cannot compute an HMAC");
    }
    return TSR_OK;
}

bool secret_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b; /* all of them are looked at, whatever the first ones are */
    unsigned different = 0;
    for (size_t i = 0; i < n; i++) different |= x[i] ^ y[i];
    return different == 0;
}

tsr_status secret_random(void *out, size_t n)
{
    TRY(openssl_open());
    return RAND_bytes(out, (int)n) == 1 ? TSR_OK : error_set(TSR_ERR_INTERNAL, "OpenSSL has no random numbers");
}
