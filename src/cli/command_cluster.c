/* tessera cluster: a scheduler in this process and workers in processes of their own, so that one can die alone. All ends with
 * this process: workers are asked when it ends in order, and killed by the system when it is killed. */
#include "cli/children.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/scheduler_file.h"
#include "cli/service.h"

#include "base/os.h"

#include <string.h>
#include <unistd.h>

enum { MAX_WORKERS = 1024, MAX_WORDS = MAX_OPTIONS + 8, LEAVING_MS = 10000 };
static const double LOOK_SECONDS = 0.05, MEMORY_SHARE = 0.6;

/* What the workers get. */
typedef struct team {
    int64_t n_workers, n_threads;
    size_t memory_bytes;
    const char *address; /* of the scheduler */
    const char *listen;  /* of the workers; NULL: what faces the scheduler */
} team;

static tsr_status read_team(const invocation *call, team *t)
{
    const char *scratch;
    *t = (team){.n_workers = 2};
    if (call->arguments.n > 0)
        return error_set(TSR_ERR_VALUE, "a cluster takes no arguments, found '%s'; an address goes with --listen",
                         call->arguments.items[0]);
    TRY(option_int(call, "workers", 1, MAX_WORKERS, &t->n_workers));
    t->n_threads = os_n_cpus() / t->n_workers > 1 ? os_n_cpus() / t->n_workers : 1;
    TRY(option_int(call, "threads", 1, 4096, &t->n_threads));
    t->memory_bytes = (size_t)((double)os_memory_available_bytes() * MEMORY_SHARE / (double)t->n_workers);
    TRY(option_memory(call, &t->memory_bytes));
    return option_scratch(call, &scratch);
}

/* Workers listen where the scheduler does, on ports of their own. */
static tsr_status worker_listen(arena *memory, const char *listen, const char **out)
{
    const char *port = listen ? strrchr(listen, ':') : NULL;
    *out = NULL;
    if (!port || strncmp(listen, "unix:", 5) == 0) return TSR_OK;
    *out = arena_printf(memory, "%.*s:0", (int)(port - listen), listen);
    return *out ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status prepare(children *c, const invocation *call, const team *t, int i)
{
    /* "python" is an option that may come without a value. */
    static const char *const passed[] = {"scratch", "python", "resources", "libraries",  "secret-file", "ca",
                                         "cert",    "key",    "log-level", "log-format", "log-file"};
    arena *memory = &c->memory;
    child *one = &c->items[i];
    const char **words = ARENA_ARRAY(memory, const char *, MAX_WORDS);
    int n = 0;
    if (!words || !(one->name = arena_printf(memory, "worker-%d", i + 1))) return TSR_ERR_MEMORY;
    words[n++] = "tessera";
    words[n++] = "worker";
    words[n++] = t->address;
    words[n++] = arena_printf(memory, "--name=%s", one->name);
    words[n++] = arena_printf(memory, "--parent=%ld", (long)getpid());
    words[n++] = arena_printf(memory, "--threads=%lld", (long long)t->n_threads);
    words[n++] = arena_printf(memory, "--memory=%zu", t->memory_bytes);
    if (t->listen) words[n++] = arena_printf(memory, "--listen=%s", t->listen);
    for (size_t k = 0; k < sizeof passed / sizeof *passed; k++) {
        const char *value = option_text(call, passed[k]);
        if (value) words[n++] = arena_printf(memory, "--%s%s%s", passed[k], value[0] ? "=" : "", value);
    }
    for (int k = 0; k < n; k++)
        if (!words[k]) return TSR_ERR_MEMORY;
    words[n] = NULL;
    one->argv = words;
    return TSR_OK;
}

static tsr_status start_workers(children *c, const invocation *call, const team *t)
{
    if (!(c->items = ARENA_ARRAY(&c->memory, child, t->n_workers))) return TSR_ERR_MEMORY;
    memset(c->items, 0, (size_t)t->n_workers * sizeof *c->items);
    c->n = (int)t->n_workers;
    for (int i = 0; i < c->n; i++) {
        TRY(prepare(c, call, t, i));
        TRY(children_start(c, i));
    }
    return TSR_OK;
}

static tsr_status run(const invocation *call, children *c)
{
    team t;
    tsr_scheduler *scheduler;
    tsr_scheduler_options o = {
        .listen = option_text(call, "listen"), .journal = option_text(call, "journal"), .log = log_callback};
    TRY(read_team(call, &t));
    TRY(security_read(call, &o.security));
    TRY(service_log(call, "cluster", &c->log));
    o.log_context = c->log;
    TRY(tsr_scheduler_start(&o, &scheduler));
    t.address = tsr_scheduler_address(scheduler);
    tsr_status status = worker_listen(&c->memory, o.listen, &t.listen);
    if (status == TSR_OK) status = start_workers(c, call, &t);
    const char *file = option_text(call, "scheduler-file");
    if (status == TSR_OK && file) status = scheduler_file_write(file, t.address);
    bool is_asked = false;
    if (status == TSR_OK) {
        service_announce(t.address);
        log_write(c->log, LOG_LEVEL_INFO, "listening on %s, %d workers", t.address, c->n);
    }
    while (status == TSR_OK && !interrupt_signal() && !is_asked) {
        is_asked = tsr_scheduler_wait(scheduler, LOOK_SECONDS);
        status = children_look(c);
    }
    if (status == TSR_OK) service_end(c->log, is_asked, "a client");
    if (file) scheduler_file_remove(file);
    children_end(c, is_asked ? LEAVING_MS : 0);
    tsr_scheduler_stop(scheduler);
    return status;
}

int command_cluster(const invocation *call)
{
    children c = {0};
    tsr_status status = run(call, &c);
    int code = status == TSR_OK ? EXIT_DONE : service_complain(call, status);
    log_close(c.log);
    arena_fini(&c.memory);
    return code;
}
