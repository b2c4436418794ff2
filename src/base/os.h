/* What the operating system tells: processors, memory, time, waiting with a limit. The only place with system differences. */
#ifndef TESSERA_BASE_OS_H
#define TESSERA_BASE_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Processors this process may use (affinity and cgroup quota), at least 1. */
int os_n_cpus(void);
/* Memory that could still be taken now: the smaller of what the machine and its cgroup have left. */
size_t os_memory_available_bytes(void);
/* Resident set of this process, now and at its highest. */
size_t os_rss_bytes(void);
size_t os_rss_peak_bytes(void);
/* Monotonic clock. */
int64_t os_now_ns(void);

/* What nobody has taken of the file system of a folder. False where files may take less of it than their length (it compresses,
 * or lies on one or on a machine that may), and where there is no telling. */
bool os_free_bytes(const char *folder, int64_t *bytes);

/* Runs work(fd, context) in a process of its own, which has no other file open and may outlive this one, for what takes the
 * system long and nobody should wait for. `work` may call what may be called in a signal handler; its changes of memory are lost.
 * False if no process can be made: nothing was done. Any thread. */
bool os_do_behind(int fd, void (*work)(int fd, void *context), void *context);
/* Closes a file without a name, open for writing, that is given up. The system forgets a GB that was just written in half a
 * second and more: if the file is large, a process of its own waits for that. */
void os_abandon(int fd);

/* A condition to wait on with a time limit: measured by the monotonic clock, so that nobody who sets the machine's time makes the
 * wait longer. Woken and destroyed like any other. */
void os_cond_init(pthread_cond_t *cond);
/* Gives up `lock` until the condition is signalled or `ns` nanoseconds have passed. */
void os_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns);

/* Has this process ended for certain? One that nobody has waited for yet has. */
bool os_process_is_gone(int64_t pid);

/* Starts a thread that takes no signals: these are for the threads of the program that uses the library. For threads that run
 * nothing of the user's, since processes that are started on one inherit that. Returns 0 or an errno, as pthread_create. */
int os_thread_start(pthread_t *thread, void *(*run)(void *context), void *context);

#endif
