/* tessera stop: asks the scheduler to end the cluster, or some of its workers. */
#include "cli/commands.h"
#include "cli/service.h"

static tsr_status run(const invocation *call)
{
    tsr_session *session;
    if (call->arguments.n == 0)
        return error_set(TSR_ERR_VALUE, "the scheduler's address is needed: tessera stop tcp://127.0.0.1:8786");
    TRY(service_session(call, call->arguments.items[0], &session));
    int n = (int)call->arguments.n - 1;
    tsr_status status = tsr_cluster_control(session, n ? "retire" : "stop", n, n ? call->arguments.items + 1 : NULL);
    tsr_session_close(session);
    return status;
}

int command_stop(const invocation *call)
{
    tsr_status status = run(call);
    return status == TSR_OK ? EXIT_DONE : service_complain(call, status);
}
