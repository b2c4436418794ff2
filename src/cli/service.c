/* See service.h. Stateless. */
#include "cli/service.h"

#include "cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

tsr_status security_read(const invocation *call, tsr_cluster_security *out)
{
    static const char *const names[] = {"ca", "cert", "key"};
    const char *files[3], *given = NULL, *missing = NULL;
    for (int i = 0; i < 3; i++) {
        files[i] = option_text(call, names[i]);
        if (files[i]) given = names[i];
        if (!files[i]) missing = names[i];
    }
    if (given && missing)
        return error_set(TSR_ERR_VALUE, "--%s is given, --%s is not; certificates need --ca, --cert and --key", given, missing);
    const char *secret = option_text(call, "secret-file"), *usual = getenv("TESSERA_SECRET_FILE");
    if (!secret && usual && usual[0]) secret = usual;
    *out = (tsr_cluster_security){.secret_file = secret, .ca_file = files[0], .cert_file = files[1], .key_file = files[2]};
    return TSR_OK;
}

tsr_status option_memory(const invocation *call, size_t *bytes)
{
    TRY(option_size(call, "memory", bytes));
    if (option_given(call, "memory") && *bytes < (1 << 20))
        return error_set(TSR_ERR_VALUE, "--memory %s is less than 1 MiB; no block fits", option_text(call, "memory"));
    return TSR_OK;
}

/* Blocks may be spilled hours after the start: a folder that cannot be used is told now. */
tsr_status option_scratch(const invocation *call, const char **folder)
{
    struct stat facts;
    if (!(*folder = option_text(call, "scratch"))) return TSR_OK;
    if (stat(*folder, &facts) != 0) return error_errno(errno, "--scratch: cannot use '%s'", *folder);
    if (!S_ISDIR(facts.st_mode)) return error_set(TSR_ERR_VALUE, "--scratch: '%s' is not a folder", *folder);
    if (access(*folder, W_OK | X_OK) != 0) return error_errno(errno, "--scratch: cannot use '%s'", *folder);
    return TSR_OK;
}

tsr_status service_log(const invocation *call, const char *role, log_file **out)
{
    log_options o = {.role = role, .path = option_text(call, "log-file"), .level = LOG_LEVEL_INFO};
    const char *level = option_text(call, "log-level"), *format = option_text(call, "log-format");
    if (level) TRY(log_level_parse(level, &o.level));
    o.is_json = format && format[0] == 'j';
    /* Whoever read the log or the address may have gone; that is no reason to end. */
    signal(SIGPIPE, SIG_IGN);
    return log_open(&o, out);
}

void service_announce(const char *address)
{
    printf("%s\n", address);
    fflush(stdout);
}

void service_end(log_file *log, bool is_asked, const char *who)
{
    if (is_asked)
        log_write(log, LOG_LEVEL_INFO, "ending, since %s asked for it", who);
    else
        log_write(log, LOG_LEVEL_INFO, "ending, by signal %d", interrupt_signal());
}

tsr_status service_session(const invocation *call, const char *address, tsr_session **out)
{
    tsr_cluster_security files;
    TRY(security_read(call, &files));
    tsr_options o = {.n_threads = 1,
                     .name = call->command->name,
                     .secret_file = files.secret_file,
                     .ca_file = files.ca_file,
                     .cert_file = files.cert_file,
                     .key_file = files.key_file};
    *out = tsr_session_open(address, &o);
    if (!*out) return tsr_error_code();
    return TSR_OK;
}

tsr_status service_address(const invocation *call, const char **out)
{
    const char *name = call->command->name;
    if (call->arguments.n == 0)
        return error_set(TSR_ERR_VALUE, "the scheduler's address is needed: tessera %s tcp://127.0.0.1:8786", name);
    if (call->arguments.n > 1)
        return error_set(TSR_ERR_VALUE, "one address is enough, found also '%s'; see 'tessera %s --help'",
                         call->arguments.items[1], name);
    *out = call->arguments.items[0];
    return TSR_OK;
}

int service_complain(const invocation *call, tsr_status status)
{
    int code = complain_status(call->command, status);
    return status == TSR_ERR_VALUE ? EXIT_USAGE : code;
}
