/* Threads of the library take no signals, and leave their starter's mask as it was; processes that have ended are known;
 * what is left of a disk; work that another process does. */
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *mask_of_thread(void *context)
{
    pthread_sigmask(SIG_BLOCK, NULL, context);
    return NULL;
}

static void test_threads_take_no_signals(void **state)
{
    pthread_t thread;
    sigset_t before, inside, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(os_thread_start(&thread, mask_of_thread, &inside), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    pthread_join(thread, NULL);
    const int asked[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        assert_int_equal(sigismember(&inside, asked[i]), 1);
        assert_int_equal(sigismember(&after, asked[i]), sigismember(&before, asked[i]));
    }
    const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) assert_int_equal(sigismember(&inside, crashes[i]), 0);
}

/* One that has ended is gone before anybody has waited for it, too. */
static void test_gone_processes(void **state)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) { /* until the other end is closed */
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    assert_true(child > 0);
    assert_false(os_process_is_gone(child));
    assert_false(os_process_is_gone(getpid()));
    close(ends[1]);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_true(os_process_is_gone(child));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(os_process_is_gone(child));
}

/* A disk has not more left than statvfs says; what is no disk tells nothing. */
static void test_free_bytes(void **state)
{
    int64_t left = -1;
    struct statvfs facts;
    assert_int_equal(statvfs("/tmp", &facts), 0);
    if (os_free_bytes("/tmp", &left)) {
        assert_true(left >= 0);
        assert_true((uint64_t)left <= (uint64_t)facts.f_frsize * facts.f_blocks);
    }
    assert_false(os_free_bytes("/proc/self", &left));
    assert_false(os_free_bytes("/nowhere", &left));
}

static int file_without_name(int64_t n_bytes)
{
    char name[] = "/tmp/tessera-os-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(posix_fallocate(fd, 0, n_bytes), 0);
    return fd;
}

/* Waits until the file has this length; false if it does not come to that in a minute. */
static bool becomes(int fd, int64_t n_bytes)
{
    struct stat info;
    for (int i = 0; i < 6000; i++) {
        if (fstat(fd, &info) == 0 && info.st_size == n_bytes) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

/* Says that it has begun, and ends when it is told to, by the file's length. */
static void begin_and_wait(int fd, void *context)
{
    if (ftruncate(fd, *(const int *)context) == 0) (void)becomes(fd, 3);
}

/* The other process has the file, none of the pipes, and is nobody's child that would have to be waited for. */
static void test_work_behind(void **state)
{
    int ends[2], length = 2, fd = file_without_name(1);
    assert_int_equal(pipe(ends), 0);
    assert_true(os_do_behind(fd, begin_and_wait, &length));
    assert_true(becomes(fd, 2));
    close(ends[1]);
    assert_int_equal(poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 20000), 1); /* the end of the pipe */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(ftruncate(fd, 3), 0);
    close(ends[0]);
    close(fd);
}

static void test_abandoned_files(void **state)
{
    enum { SMALL = 1 << 20, LARGE = 80 << 20 };
    int fd = file_without_name(SMALL), same = dup(fd);
    os_abandon(fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(lseek(same, 0, SEEK_END), SMALL); /* only closed */
    close(same);
    fd = file_without_name(LARGE), same = dup(fd);
    os_abandon(fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_true(becomes(same, 0));
    close(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_work_behind), cmocka_unit_test(test_abandoned_files),
                                       cmocka_unit_test(test_threads_take_no_signals), cmocka_unit_test(test_gone_processes),
                                       cmocka_unit_test(test_free_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
