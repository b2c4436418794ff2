/* The extension's own C: numbers beside arrays without an object for each, Ctrl-C while the library computes, and logs.
 * The handler of SIGINT is installed by the main thread only, so its state needs no lock. A function that a computation calls on
 * that thread may compute in another session. */
#include "base/log.h"
#include "cluster/leave.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static tsr_array *apply(glue_binary op, tsr_array *a, tsr_scalar value, bool reflected)
{
    tsr_array *number = tsr_scalar_like(a, value);
    tsr_array *result = reflected ? op(number, a) : op(a, number);
    tsr_release(number);
    return result;
}

tsr_array *glue_with_bool(glue_binary op, tsr_array *a, bool value, bool reflected)
{
    return apply(op, a, tsr_bool(value), reflected);
}

tsr_array *glue_with_int(glue_binary op, tsr_array *a, int64_t value, bool reflected)
{
    return apply(op, a, tsr_int(value), reflected);
}

tsr_array *glue_with_float(glue_binary op, tsr_array *a, double value, bool reflected)
{
    return apply(op, a, tsr_float(value), reflected);
}

tsr_array *glue_with_complex(glue_binary op, tsr_array *a, double real, double imag, bool reflected)
{
    return apply(op, a, tsr_complex(real, imag), reflected);
}

tsr_array *glue_slice(tsr_array *a, int n_items, const int64_t *items)
{
    tsr_index made[GLUE_MAX_ITEMS];
    for (int i = 0; i < n_items; i++, items += 4) {
        made[i] = (tsr_index){.kind = (tsr_index_kind)(items[0] & 3),
                              .has_start = items[0] & 4,
                              .has_stop = items[0] & 8,
                              .has_step = items[0] & 16,
                              .start = items[1],
                              .stop = items[2],
                              .step = items[3]};
    }
    return tsr_slice(a, n_items, made);
}

/* ---- Ctrl-C -------------------------------------------------------------------------------------------------------- */

static tsr_session *volatile interrupted;
static struct sigaction before;

/* Python's own handler notes the signal, so that KeyboardInterrupt is raised once the library has returned. */
static void on_interrupt(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    tsr_cancel(interrupted);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    errno = saved;
}

tsr_session *glue_interrupts_begin(tsr_session *session)
{
    struct sigaction ours;
    tsr_session *outer = interrupted;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_interrupt;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    interrupted = session;
    if (!outer) sigaction(SIGINT, &ours, &before);
    return outer;
}

void glue_interrupts_end(tsr_session *outer)
{
    if (!outer) sigaction(SIGINT, &before, NULL);
    interrupted = outer;
}

tsr_status glue_worker_leave(tsr_worker *worker) { return worker_leave(worker); }

/* ---- Logs ---------------------------------------------------------------------------------------------------------- */

struct glue_logger {
    log_file *file;
    atomic_bool is_silent;
};

glue_logger *glue_logger_new(const char *role, const char *path, int level, bool is_json)
{
    glue_logger *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    atomic_init(&l->is_silent, false);
    if (log_open(&(log_options){.role = role, .path = path, .level = (log_level)level, .is_json = is_json}, &l->file) == TSR_OK)
        return l;
    free(l);
    return NULL;
}

void glue_log(void *context, int level, const char *text)
{
    glue_logger *l = context;
    if (!atomic_load(&l->is_silent)) log_callback(l->file, level, text);
}

void glue_logger_write(glue_logger *logger, int level, const char *text) { glue_log(logger, level, text); }

void glue_logger_silence(glue_logger *logger) { atomic_store(&logger->is_silent, true); }
