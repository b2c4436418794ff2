/* The extension's own C: numbers beside arrays without an object for each, and Ctrl-C while the library computes.
 * The handler of SIGINT is installed by the main thread only, so its state needs no lock. A function that a computation calls on
 * that thread may compute in another session. */
#include <errno.h>
#include <signal.h>
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

tsr_status worker_leave(tsr_worker *w); /* of src/cluster/leave.h */

tsr_status glue_worker_leave(tsr_worker *worker) { return worker_leave(worker); }
