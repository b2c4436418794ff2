/* tessera worker: runs a worker until a signal or the scheduler ends it. With --python this process becomes Python, which runs
 * the same worker around its own interpreter. */
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/scheduler_file.h"
#include "cli/service.h"

#include "base/arena.h"
#include "base/os.h"
#include "cluster/leave.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const double LOOK_SECONDS = 0.1;

/* A worker that was started by a cluster ends with it, whatever happens to that: hidden option --parent PID. A killed one leaves
 * nothing, so no mercy is needed, and it ends even while it is stopped. */
static tsr_status follow_parent(const invocation *call)
{
    int64_t parent = 0;
    TRY(option_int(call, "parent", 1, INT32_MAX, &parent));
    if (parent == 0) return TSR_OK;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return error_errno(errno, "cannot follow process %lld", (long long)parent);
    if (getppid() != (pid_t)parent) return error_set(TSR_ERR_IO, "the cluster ended before this worker began");
    return TSR_OK;
}

/* The same options for `PYTHON -m tessera worker`. Only returns on failure. */
static tsr_status become_python(const invocation *call, const char *scheduler)
{
    const char *python = option_text(call, "python"), *words[MAX_OPTIONS + 8];
    arena memory = {0};
    size_t budget = 0;
    int n = 0;
    TRY(option_memory(call, &budget));
    if (!python[0]) python = getenv("TESSERA_PYTHON");
    if (!python || !python[0]) python = "python3";
    words[n++] = python;
    words[n++] = "-m";
    words[n++] = "tessera";
    words[n++] = "worker";
    words[n++] = scheduler;
    tsr_status status = TSR_OK;
    for (int i = 0; call->command->options[i].name; i++) {
        const char *name = call->command->options[i].name;
        if (!call->values[i] || strcmp(name, "python") == 0 || strcmp(name, "parent") == 0 || strcmp(name, "scheduler-file") == 0)
            continue;
        /* Python's package reads sizes with other units. */
        words[n] = strcmp(name, "memory") == 0 ? arena_printf(&memory, "--memory=%zu", budget)
                                               : arena_printf(&memory, "--%s=%s", name, call->values[i]);
        if (!words[n++]) status = TSR_ERR_MEMORY;
    }
    words[n] = NULL;
    if (status == TSR_OK) {
        execvp(python, (char *const *)(uintptr_t)words);
        status = error_errno(errno, "cannot run '%s'", python);
    }
    arena_fini(&memory);
    return status;
}

/* The scheduler's address, to be freed with mem_free: the argument, or what its file says. */
static tsr_status find_scheduler(const invocation *call, char **out)
{
    const char *file = option_text(call, "scheduler-file"), *address;
    *out = NULL;
    if (file && call->arguments.n > 0)
        return error_set(TSR_ERR_VALUE, "the scheduler's address is given twice: '%s', and --scheduler-file %s",
                         call->arguments.items[0], file);
    if (file) return scheduler_file_wait(file, out);
    TRY(service_address(call, &address));
    *out = mem_strdup(address);
    return *out ? TSR_OK : TSR_ERR_MEMORY;
}

/* But for the scheduler. */
static tsr_status read_options(const invocation *call, tsr_worker_options *o)
{
    int64_t threads = 0;
    *o = (tsr_worker_options){.listen = option_text(call, "listen"),
                              .name = option_text(call, "name"),
                              .resources = option_text(call, "resources"),
                              .task_folders = option_text(call, "libraries"),
                              .log = log_callback};
    TRY(option_int(call, "threads", 1, 4096, &threads));
    o->n_threads = (int)threads;
    TRY(option_memory(call, &o->memory_bytes));
    TRY(option_scratch(call, &o->scratch_dir));
    return security_read(call, &o->security);
}

/* Others take over what only this worker has, until that is done, the time is up, or another signal comes. */
static void leave(tsr_worker *worker, log_file *log, int64_t seconds)
{
    const int n_signals = interrupt_count();
    const int64_t end_ns = os_now_ns() + seconds * 1000000000;
    if (n_signals > 1 || seconds == 0) return;
    log_write(log, LOG_LEVEL_INFO,
              "leaving, by signal %d: others have %lld s to take over what is here; another signal ends it at once",
              interrupt_signal(), (long long)seconds);
    if (worker_leave(worker) != TSR_OK) return;
    bool is_done = false;
    while (!is_done && interrupt_count() == n_signals && os_now_ns() < end_ns) is_done = tsr_worker_wait(worker, LOOK_SECONDS);
    if (!is_done) log_write(log, LOG_LEVEL_WARNING, "not everything that this worker has was taken over by others");
}

static tsr_status run(const invocation *call, char **scheduler, log_file **log)
{
    tsr_worker *worker;
    int64_t grace = 30;
    tsr_worker_options o;
    TRY(follow_parent(call));
    TRY(read_options(call, &o));
    TRY(option_int(call, "grace", 0, 86400, &grace));
    interrupt_take(2);
    TRY(find_scheduler(call, scheduler));
    o.scheduler = *scheduler;
    if (option_given(call, "python")) return become_python(call, *scheduler);
    TRY(service_log(call, "worker", log));
    o.log_context = *log;
    TRY(tsr_worker_start(&o, &worker));
    service_announce(tsr_worker_address(worker));
    log_write(*log, LOG_LEVEL_INFO, "listening on %s, for the scheduler at %s", tsr_worker_address(worker), o.scheduler);
    bool is_asked = false;
    while (!interrupt_signal() && !is_asked) is_asked = tsr_worker_wait(worker, LOOK_SECONDS);
    if (!is_asked) leave(worker, *log, grace);
    service_end(*log, is_asked, "the scheduler");
    tsr_worker_stop(worker);
    return TSR_OK;
}

int command_worker(const invocation *call)
{
    log_file *log = NULL;
    char *scheduler = NULL;
    tsr_status status = run(call, &scheduler, &log);
    int code = status == TSR_OK ? EXIT_DONE : service_complain(call, status);
    log_close(log);
    mem_free(scheduler);
    return code;
}
