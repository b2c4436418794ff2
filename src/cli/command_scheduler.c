/* tessera scheduler: runs a scheduler until a signal or `tessera stop` ends it. The scheduler has threads of its own; this one
 * waits. */
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/scheduler_file.h"
#include "cli/service.h"

#include <string.h>

/* Returns when somebody has asked for the end. Signals are looked for this often. */
static const double LOOK_SECONDS = 0.1;

static tsr_status run(const invocation *call, log_file **log)
{
    tsr_scheduler *scheduler;
    tsr_scheduler_options o = {
        .listen = option_text(call, "listen"), .journal = option_text(call, "journal"), .log = log_callback};
    if (call->arguments.n > 0)
        return error_set(TSR_ERR_VALUE, "a scheduler takes no arguments, found '%s'; an address goes with --listen",
                         call->arguments.items[0]);
    TRY(security_read(call, &o.security));
    TRY(service_log(call, "scheduler", log));
    o.log_context = *log;
    TRY(tsr_scheduler_start(&o, &scheduler));
    const char *address = tsr_scheduler_address(scheduler), *file = option_text(call, "scheduler-file");
    tsr_status status = file ? scheduler_file_write(file, address) : TSR_OK;
    if (status != TSR_OK) {
        tsr_scheduler_stop(scheduler);
        return status;
    }
    service_announce(address);
    log_write(*log, LOG_LEVEL_INFO, "listening on %s%s%s", address, o.journal ? ", journal " : "", o.journal ? o.journal : "");
    bool is_asked = false;
    while (!interrupt_signal() && !is_asked) is_asked = tsr_scheduler_wait(scheduler, LOOK_SECONDS);
    service_end(*log, is_asked, "a client");
    if (file) scheduler_file_remove(file);
    tsr_scheduler_stop(scheduler);
    return TSR_OK;
}

int command_scheduler(const invocation *call)
{
    log_file *log = NULL;
    tsr_status status = run(call, &log);
    int code = status == TSR_OK ? EXIT_DONE : service_complain(call, status);
    log_close(log);
    return code;
}
