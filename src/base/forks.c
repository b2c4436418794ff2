/* Handlers of fork, and their state, which can be nothing but global: the system calls them without an argument. They may call
 * only what signal handlers may.
 *
 * Which descriptors are withheld is noted with the open files themselves, as the signal that they would send if anybody had asked
 * for one (F_SETSIG; nobody has): so nothing has to be taken out of a list when one is closed, and its number used again by
 * somebody else. */
#define _GNU_SOURCE
#include "base/forks.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint n_forks;
static atomic_int highest_fd = -1; /* of those that were withheld */
static int mark;                   /* constant once set */

static void in_child(void)
{
    const int highest = atomic_load(&highest_fd);
    atomic_fetch_add(&n_forks, 1);
    for (int fd = 0; fd <= highest; fd++)
        if (fcntl(fd, F_GETSIG) == mark) close(fd);
    atomic_store(&highest_fd, -1);
}

static void install(void)
{
    mark = SIGRTMAX - 2;
    pthread_atfork(NULL, NULL, in_child);
}

unsigned forks_count(void)
{
    pthread_once(&once, install);
    return atomic_load_explicit(&n_forks, memory_order_relaxed);
}

void forks_withhold(int fd)
{
    pthread_once(&once, install);
    if (fcntl(fd, F_SETSIG, mark) != 0) return; /* not open */
    int highest = atomic_load(&highest_fd);
    while (fd > highest && !atomic_compare_exchange_weak(&highest_fd, &highest, fd)) {
    }
}

void forks_end_child(unsigned before)
{
    if (forks_count() != before) _exit(0);
}
