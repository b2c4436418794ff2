/* A session's link to a cluster: what its arrays are computed with. */
#ifndef TESSERA_CLUSTER_CLIENT_H
#define TESSERA_CLUSTER_CLIENT_H

#include "engine/engine.h"

/* Connects to the scheduler at `address`, and makes it the remote of the session, which frees it when it closes. TSR_ERR_IO if
 * nobody answers within 10 seconds. */
tsr_status client_attach(tsr_session *s, const char *address, const tsr_options *options) MUST_CHECK;
/* What scheduler and workers logged last, as JSON text: see tsr_tasks_query. */
char *client_logs(tsr_session *session);

#endif
