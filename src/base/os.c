/* Linux and POSIX; reads /proc and cgroup files each time it is asked, so nothing is cached and nothing needs a lock. */
#define _GNU_SOURCE
#include "base/os.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Reads one number from a file; false if the file is absent or holds a word such as "max". */
static bool read_number(const char *path, uint64_t *value)
{
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool ok = fscanf(f, "%" SCNu64, value) == 1;
    fclose(f);
    return ok;
}

int os_n_cpus(void)
{
    int n = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
    if (n < 1) n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        uint64_t quota, period;
        if (fscanf(f, "%" SCNu64 " %" SCNu64, &quota, &period) == 2 && period > 0) {
            int limit = (int)((quota + period - 1) / period);
            if (limit < n) n = limit;
        }
        fclose(f);
    }
    return n < 1 ? 1 : n;
}

bool os_free_bytes(const char *folder, int64_t *bytes)
{
    static const unsigned long plain[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, TMPFS_MAGIC, MSDOS_SUPER_MAGIC};
    struct statfs info;
    if (statfs(folder, &info) != 0 || info.f_blocks == 0) return false; /* a tmpfs without a limit has no blocks */
    bool is_plain = false;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) is_plain = is_plain || (unsigned long)info.f_type == plain[i];
    /* Blocks that are kept for root count too: who may use them is not known here. */
    const uint64_t block = (uint64_t)(info.f_frsize > 0 ? info.f_frsize : info.f_bsize);
    return is_plain && !__builtin_mul_overflow((uint64_t)info.f_bfree, block, bytes);
}

bool os_process_is_gone(int64_t pid)
{
    char path[64], text[256];
    if (kill((pid_t)pid, 0) != 0) return errno == ESRCH;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    /* "4711 (its name) Z 1 ...": the name is at most 16 bytes, of any kind. */
    const char *state = strrchr(text, ')');
    return state && state[1] == ' ' && (state[2] == 'Z' || state[2] == 'X');
}

static size_t machine_available(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    size_t kib = 0;
    if (f) {
        char line[256];
        while (fgets(line, sizeof line, f))
            if (sscanf(line, "MemAvailable: %zu kB", &kib) == 1) break;
        fclose(f);
    }
    if (kib) return kib * 1024;
    return (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
}

size_t os_memory_available_bytes(void)
{
    size_t available = machine_available();
    static const char *const pairs[][2] = {
        {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        uint64_t limit, used;
        if (!read_number(pairs[i][0], &limit) || !read_number(pairs[i][1], &used)) continue;
        size_t left = limit > used ? (size_t)(limit - used) : 0;
        if (left < available) available = left;
    }
    return available;
}

size_t os_rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t total, resident = 0;
    if (f) {
        if (fscanf(f, "%zu %zu", &total, &resident) != 2) resident = 0;
        fclose(f);
    }
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

size_t os_rss_peak_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (size_t)usage.ru_maxrss * 1024;
}

int64_t os_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void os_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void os_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns)
{
    int64_t end = os_now_ns() + ns;
    struct timespec until = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    pthread_cond_timedwait(cond, lock, &until);
}

int os_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;
    if (mem_fault_now()) return EAGAIN;
    /* Blocked here and inherited, so that there is no moment in which the new thread could take one. What a thread does to itself
     * is not: whoever tells of crashes (sanitizers, Python's faulthandler) hears of them in such signals. */
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* Twice a fork, so that nobody has to wait for the second: what it is a child of has ended. A session of its own, as the signals
 * of the terminal are not for it. Pipes must not stay open in it: somebody may read to their end. */
bool os_do_behind(int fd, void (*work)(int fd, void *context), void *context)
{
    int state = 1;
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
        setsid();
        const pid_t behind = fork();
        if (behind != 0) _exit(behind < 0);
        if (dup2(fd, 0) != 0) _exit(1);
        closefrom(1);
        work(0, context);
        _exit(0);
    }
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
    }
    return state == 0;
}

static void forget(int fd, void *context)
{
    (void)context;
    if (ftruncate(fd, 0) != 0) return; /* then closing takes the time */
}

void os_abandon(int fd)
{
    enum { LARGE_BYTES = 64 << 20, DISK_BLOCK = 512 };
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_blocks > LARGE_BYTES / DISK_BLOCK) (void)os_do_behind(fd, forget, NULL);
    close(fd);
}
