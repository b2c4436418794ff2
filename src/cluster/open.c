/* Opening sessions: on threads of this process, or on a cluster. */
#include "cluster/client.h"

#include <string.h>

static bool is_cluster(const char *address)
{
    return strncmp(address, "tcp://", 6) == 0 || strncmp(address, "tls://", 6) == 0 || strncmp(address, "unix://", 7) == 0;
}

tsr_session *tsr_session_open(const char *address, const tsr_options *options)
{
    tsr_options defaults = {0};
    if (!options) options = &defaults;
    bool is_local = !address || !*address || strcmp(address, "threads") == 0;
    if (!is_local && !is_cluster(address)) {
        (void)error_set(TSR_ERR_UNSUPPORTED,
                        "no engine for the address '%s'; there are 'threads', and clusters at tcp://HOST:PORT, tls://HOST:PORT "
                        "and unix://PATH",
                        address);
        return NULL;
    }
    tsr_session *s = session_open_local(options);
    if (s && !is_local && client_attach(s, address, options) != TSR_OK) {
        tsr_session_close(s);
        return NULL;
    }
    return s;
}
