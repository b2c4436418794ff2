/* The functions of OpenSSL that are called: libssl, and libcrypto which it brings. */
#include "cluster/openssl.h"

#include "base/library.h"

/* clang-format off */
#define FUNCTIONS(X)                                                                                                             \
    X(BIO_ctrl) X(BIO_ctrl_pending) X(BIO_free) X(BIO_new) X(BIO_read) X(BIO_s_mem) X(BIO_write) X(BN_bin2bn) X(BN_free)         \
    X(BN_to_ASN1_INTEGER) X(ERR_clear_error) X(ERR_peek_last_error) X(ERR_reason_error_string) X(EVP_PKEY_Q_keygen)              \
    X(EVP_PKEY_free) X(EVP_sha256) X(HMAC) X(PEM_read_PrivateKey) X(PEM_read_X509) X(PEM_write_PrivateKey) X(PEM_write_X509)     \
    X(RAND_bytes) X(SHA256) X(SSL_CTX_check_private_key) X(SSL_CTX_ctrl) X(SSL_CTX_free) X(SSL_CTX_load_verify_locations)        \
    X(SSL_CTX_new) X(SSL_CTX_set_num_tickets) X(SSL_CTX_set_options) X(SSL_CTX_set_verify) X(SSL_CTX_use_PrivateKey_file)        \
    X(SSL_CTX_use_certificate_chain_file) X(SSL_ctrl) X(SSL_do_handshake) X(SSL_export_keying_material) X(SSL_free)              \
    X(SSL_get0_param) X(SSL_get_error) X(SSL_get_verify_result) X(SSL_new) X(SSL_read_ex) X(SSL_set_accept_state) X(SSL_set_bio) \
    X(SSL_set_connect_state) X(SSL_shutdown) X(SSL_write_ex) X(TLS_method) X(X509V3_EXT_nconf_nid) X(X509V3_set_ctx)             \
    X(X509_EXTENSION_free) X(X509_NAME_add_entry_by_txt) X(X509_VERIFY_PARAM_set1_host) X(X509_VERIFY_PARAM_set1_ip_asc)         \
    X(X509_VERIFY_PARAM_set_hostflags) X(X509_add_ext) X(X509_free) X(X509_get_serialNumber) X(X509_get_subject_name)            \
    X(X509_getm_notAfter) X(X509_getm_notBefore) X(X509_gmtime_adj) X(X509_new) X(X509_set_issuer_name) X(X509_set_pubkey)       \
    X(X509_set_version) X(X509_sign) X(X509_verify_cert_error_string)
/* clang-format on */

LIBRARY(openssl_open, LIBRARY_SSL, FUNCTIONS)
