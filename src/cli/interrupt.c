/* A signal handler can reach nothing but globals, so the session it cancels and the signal's number are two atomics here: the
 * program's only mutable globals. tsr_cancel may be called from a handler. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(tsr_session *) attached;
static atomic_int received;

static void on_signal(int number)
{
    atomic_store(&received, number);
    tsr_session *session = atomic_load(&attached);
    if (session) tsr_cancel(session);
}

void interrupt_install(void)
{
    /* SA_RESETHAND: the second signal has its usual effect, for a program that does not end. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

void interrupt_attach(tsr_session *session)
{
    atomic_store(&attached, session);
    if (session && atomic_load(&received)) tsr_cancel(session);
}

int interrupt_signal(void) { return atomic_load(&received); }
