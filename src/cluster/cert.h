/* Certificates for tls://: an authority of one's own, and certificates that it signs. EC keys (P-256). */
#ifndef TESSERA_CLUSTER_CERT_H
#define TESSERA_CLUSTER_CERT_H

#include "base/error.h"

/* Makes FOLDER/ca.pem and FOLDER/ca.key (readable by the owner only). name is for people. TSR_ERR_IO if there is one already. */
tsr_status cert_make_authority(const char *folder, const char *name, int n_days) MUST_CHECK;
/* Makes FOLDER/NAME.pem and FOLDER/NAME.key, signed by the authority in FOLDER, for these hosts (names and IP addresses; at least
 * one): good for listening as one of them and for connecting. */
tsr_status cert_make(const char *folder, const char *name, const char *const *hosts, int n_hosts, int n_days) MUST_CHECK;

#endif
