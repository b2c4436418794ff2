/* What the commands of a cluster share: who may connect, the log, running until somebody asks for the end. */
#ifndef TESSERA_CLI_SERVICE_H
#define TESSERA_CLI_SERVICE_H

#include "cli/command.h"

#include "base/log.h"

/* The options of OPTIONS_SECURITY and TESSERA_SECRET_FILE. TSR_ERR_VALUE if only a part of a certificate is given. */
tsr_status security_read(const invocation *call, tsr_cluster_security *out) MUST_CHECK;
/* --memory, at least 1 MiB; stays as it is when not given. */
tsr_status option_memory(const invocation *call, size_t *bytes) MUST_CHECK;
/* --scratch: a folder that can be written to. NULL when not given. */
tsr_status option_scratch(const invocation *call, const char **folder) MUST_CHECK;

/* Opens the log that OPTIONS_LOG ask for. */
tsr_status service_log(const invocation *call, const char *role, log_file **out) MUST_CHECK;
/* Prints the line that scripts wait for: the address, and nothing else. */
void service_announce(const char *address);
/* The last words in the log: asked by somebody on the cluster (`who`), or by a signal. */
void service_end(log_file *log, bool is_asked, const char *who);
/* A session on the cluster at the address, for looking and asking; it computes nothing. */
tsr_status service_session(const invocation *call, const char *address, tsr_session **out) MUST_CHECK;
/* The only argument of the command: "ADDR". TSR_ERR_VALUE if there is none, or more. */
tsr_status service_address(const invocation *call, const char **out) MUST_CHECK;
/* Prints the error; EXIT_USAGE for TSR_ERR_VALUE, which is what wrong options give here. */
int service_complain(const invocation *call, tsr_status status);

#endif
