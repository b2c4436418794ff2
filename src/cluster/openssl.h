/* OpenSSL, opened when the first connection is made or certificate written (base/library.h). */
#ifndef TESSERA_CLUSTER_OPENSSL_H
#define TESSERA_CLUSTER_OPENSSL_H

#include "base/error.h"

/* Before any of its functions is called. Any thread. */
tsr_status openssl_open(void) MUST_CHECK;

#endif
