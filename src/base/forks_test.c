/* What children of a fork are told of it, and what they do not keep. */
#define _GNU_SOURCE
#include "base/forks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int exit_code(pid_t child)
{
    int state = 0;
    assert_int_equal(waitpid(child, &state, 0), child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

static void test_forks_are_counted(void **state)
{
    const unsigned here = forks_count();
    const pid_t child = fork();
    if (child == 0) {
        if (forks_count() != here + 1) _exit(1);
        const pid_t behind = fork();
        if (behind == 0) _exit(forks_count() == here + 2 ? 0 : 2);
        _exit(exit_code(behind));
    }
    assert_int_equal(exit_code(child), 0);
    assert_int_equal(forks_count(), here);
}

/* Somebody at the other end sees that it was closed, while a child goes on; other descriptors are the child's, too. */
static void test_what_is_withheld(void **state)
{
    int ends[2], life[2];
    char byte = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(pipe(life), 0);
    forks_withhold(ends[0]);
    forks_withhold(-1); /* closed already */
    const pid_t child = fork();
    if (child == 0) {
        close(life[1]);
        const bool good = fcntl(ends[0], F_GETFD) < 0 && fcntl(ends[1], F_GETFD) >= 0;
        close(ends[1]);
        if (read(life[0], &byte, 1) != 0) _exit(1);
        _exit(good ? 0 : 2);
    }
    close(ends[0]);
    assert_int_equal(read(ends[1], &byte, 1), 0); /* the end: nobody has the other one */
    close(life[1]);
    assert_int_equal(exit_code(child), 0);
    close(ends[1]);
    close(life[0]);
}

/* A number that was withheld is closed, and used again. */
static void test_numbers_are_used_again(void **state)
{
    int first[2], again[2];
    assert_int_equal(pipe(first), 0);
    forks_withhold(first[0]);
    forks_withhold(first[1]);
    close(first[0]);
    close(first[1]);
    assert_int_equal(pipe(again), 0);
    assert_int_equal(again[0], first[0]);
    const pid_t child = fork();
    if (child == 0) _exit(fcntl(again[0], F_GETFD) >= 0 && fcntl(again[1], F_GETFD) >= 0 ? 0 : 1);
    assert_int_equal(exit_code(child), 0);
    close(again[0]);
    close(again[1]);
}

static void test_functions_that_return_in_a_child(void **state)
{
    const unsigned before = forks_count();
    const pid_t child = fork();
    if (child == 0) {
        forks_end_child(before);
        _exit(1);
    }
    assert_int_equal(exit_code(child), 0);
    forks_end_child(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forks_are_counted),
        cmocka_unit_test(test_what_is_withheld),
        cmocka_unit_test(test_numbers_are_used_again),
        cmocka_unit_test(test_functions_that_return_in_a_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
