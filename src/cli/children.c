/* See children.h. One thread, which must be the process's first: a child dies with the thread that made it. */
#define _GNU_SOURCE
#include "cli/children.h"

#include "cli/command.h"

#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_DELAY_MS = 100, MAX_DELAY_MS = 30000, HEALTHY_MS = 20000, EARLY_MS = 5000, ASKED_MS = 5000, POLL_MS = 5 };
static const int64_t MS = 1000000;

extern char **environ;

/* In a process group of its own, so that Ctrl-C on the terminal reaches the cluster's process alone, which then asks the others.
 */
tsr_status children_start(children *c, int i)
{
    child *one = &c->items[i];
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int error = posix_spawnattr_init(&attributes);
    if (error) return error_errno(error, "cannot start %s", one->name);
    error = posix_spawn_file_actions_init(&actions);
    if (error) {
        posix_spawnattr_destroy(&attributes);
        return error_errno(error, "cannot start %s", one->name);
    }
    error = posix_spawnattr_setpgroup(&attributes, 0);
    if (!error) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (!error) error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    if (!error) error = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, (char *const *)(uintptr_t)one->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error) return error_errno(error, "cannot start %s", one->name);
    one->pid = pid;
    one->from_ns = os_now_ns();
    log_write(c->log, LOG_LEVEL_DEBUG, "%s is process %ld", one->name, (long)pid);
    return TSR_OK;
}

static void describe(int state, char *text, size_t size)
{
    if (WIFSIGNALED(state))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(state), strsignal(WTERMSIG(state)));
    else
        snprintf(text, size, "ended with code %d", WEXITSTATUS(state));
}

/* One that dies again and again is tried less and less often. */
static tsr_status took_end(children *c, child *one, int state)
{
    char what[120];
    int64_t now = os_now_ns(), lived_ms = (now - one->from_ns) / MS;
    pid_t pid = one->pid;
    one->pid = 0;
    if (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_DONE) {
        one->is_done = true;
        log_write(c->log, LOG_LEVEL_INFO, "%s (process %ld) ended", one->name, (long)pid);
        return TSR_OK;
    }
    describe(state, what, sizeof what);
    if (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_USAGE && lived_ms < EARLY_MS)
        return error_set(TSR_ERR_VALUE, "%s cannot work with these options; it said why above", one->name);
    one->delay_ms = one->delay_ms == 0 || lived_ms > HEALTHY_MS ? FIRST_DELAY_MS : one->delay_ms * 2;
    if (one->delay_ms > MAX_DELAY_MS) one->delay_ms = MAX_DELAY_MS;
    one->from_ns = now + one->delay_ms * MS;
    log_write(c->log, LOG_LEVEL_WARNING, "%s (process %ld) %s; it is started again in %.1f s", one->name, (long)pid, what,
              (double)one->delay_ms * 1e-3);
    return TSR_OK;
}

tsr_status children_look(children *c)
{
    for (int i = 0; i < c->n; i++) {
        child *one = &c->items[i];
        int state;
        if (one->pid && waitpid(one->pid, &state, WNOHANG) == one->pid) TRY(took_end(c, one, state));
        if (one->pid || one->is_done || os_now_ns() < one->from_ns) continue;
        if (children_start(c, i) == TSR_OK) continue;
        one->delay_ms = one->delay_ms * 2 < MAX_DELAY_MS ? one->delay_ms * 2 + 1 : MAX_DELAY_MS;
        one->from_ns = os_now_ns() + one->delay_ms * MS;
        log_write(c->log, LOG_LEVEL_ERROR, "%s; tried again in %.1f s", tsr_error_message(), (double)one->delay_ms * 1e-3);
    }
    return TSR_OK;
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = POLL_MS * MS}, NULL); }

/* Waits until all have ended, at most so long. True: none is left. */
static bool wait_all(children *c, int64_t limit_ms)
{
    int64_t until = os_now_ns() + limit_ms * MS;
    for (;;) {
        int n_left = 0, state;
        for (int i = 0; i < c->n; i++) {
            child *one = &c->items[i];
            if (one->pid && waitpid(one->pid, &state, WNOHANG) == one->pid) one->pid = 0;
            n_left += one->pid != 0;
        }
        if (n_left == 0) return true;
        if (os_now_ns() >= until) return false;
        nap();
    }
}

static void signal_all(const children *c, int number)
{
    for (int i = 0; i < c->n; i++)
        if (c->items[i].pid) kill(c->items[i].pid, number);
}

void children_end(children *c, int patience_ms)
{
    if (wait_all(c, patience_ms)) return;
    /* All end, so there is nobody to hand anything to: two signals end a worker at once. */
    signal_all(c, SIGTERM);
    signal_all(c, SIGINT);
    signal_all(c, SIGCONT); /* one that is stopped could not obey */
    if (wait_all(c, ASKED_MS)) return;
    for (int i = 0; i < c->n; i++)
        if (c->items[i].pid)
            log_write(c->log, LOG_LEVEL_WARNING, "%s (process %ld) does not end; it is killed", c->items[i].name,
                      (long)c->items[i].pid);
    signal_all(c, SIGKILL);
    while (!wait_all(c, ASKED_MS)) {
    }
}
