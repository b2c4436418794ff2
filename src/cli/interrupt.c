/* A signal handler can reach nothing but globals, so the session it cancels and the signals that came are atomics here: the
 * program's only mutable globals. tsr_cancel may be called from a handler. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(tsr_session *) attached;
static atomic_int received, n_received, n_taken = 1;

static void on_signal(int number)
{
    atomic_store(&received, number);
    /* The next one has its usual effect, for a program that does not end. */
    if (atomic_fetch_add(&n_received, 1) + 1 >= atomic_load(&n_taken)) signal(number, SIG_DFL);
    tsr_session *session = atomic_load(&attached);
    if (session) tsr_cancel(session);
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that would get too large is an error of writing, after which what is half written goes */
}

void interrupt_attach(tsr_session *session)
{
    atomic_store(&attached, session);
    if (session && atomic_load(&received)) tsr_cancel(session);
}

int interrupt_count(void) { return atomic_load(&n_received); }

void interrupt_take(int n_signals) { atomic_store(&n_taken, n_signals); }

int interrupt_signal(void) { return atomic_load(&received); }
