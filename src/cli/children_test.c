/* Worker processes: started again when they die, left alone when they are done, ended together. The children are this very
 * program, told by its first argument what to do. */
#define _GNU_SOURCE
#include "cli/children.h"

#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int behave(const char *how)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strcmp(how, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        prctl(PR_SET_NAME, how); /* it is ready */
    }
    if (strcmp(how, "done") == 0) return 0;
    if (strcmp(how, "fails") == 0) return 1;
    if (strcmp(how, "usage") == 0) return 2;
    for (;;) pause();
}

typedef struct team {
    children c;
    child items[2];
    char path[64];
} team;

static const char *const LIVES[] = {"tessera", "lives", NULL}, *const DONE[] = {"tessera", "done", NULL},
                         *const FAILS[] = {"tessera", "fails", NULL}, *const USAGE[] = {"tessera", "usage", NULL},
                         *const STUBBORN[] = {"tessera", "stubborn", NULL};

static void start(team *t, const char *const *first, const char *const *second)
{
    *t = (team){.items = {{.name = "worker-1", .argv = first}, {.name = "worker-2", .argv = second}}};
    snprintf(t->path, sizeof t->path, "/tmp/tessera-children-XXXXXX");
    int fd = mkstemp(t->path);
    assert_true(fd >= 0);
    close(fd);
    log_options o = {.role = "cluster", .path = t->path, .level = LOG_LEVEL_DEBUG};
    assert_int_equal(log_open(&o, &t->c.log), TSR_OK);
    t->c.items = t->items;
    t->c.n = 2;
    for (int i = 0; i < 2; i++) assert_int_equal(children_start(&t->c, i), TSR_OK);
}

static void nap_ms(int ms) { nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL); }

/* Ends the team; what it logged stays in `text`. */
static void finish(team *t, char *text, size_t size)
{
    children_end(&t->c, 0);
    for (int i = 0; i < 2; i++) assert_int_equal(t->items[i].pid, 0);
    log_close(t->c.log);
    FILE *f = fopen(t->path, "r");
    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
    unlink(t->path);
    arena_fini(&t->c.memory);
}

/* Looks until the child runs (again), as another process than `before`. */
static void look_until_running(team *t, int i, pid_t before)
{
    for (int k = 0; k < 500 && (!t->items[i].pid || t->items[i].pid == before); k++) {
        assert_int_equal(children_look(&t->c), TSR_OK);
        nap_ms(10);
    }
    assert_true(t->items[i].pid && t->items[i].pid != before);
}

static void test_a_killed_one_comes_back(void **state)
{
    team t;
    char text[4096];
    start(&t, LIVES, LIVES);
    pid_t first = t.items[0].pid, other = t.items[1].pid;
    assert_int_equal(children_look(&t.c), TSR_OK);
    assert_int_equal(t.items[0].pid, first);
    assert_int_equal(getpgid(first), first); /* Ctrl-C on the terminal is not for it */
    kill(first, SIGKILL);
    look_until_running(&t, 0, first);
    assert_int_equal(t.items[1].pid, other);
    finish(&t, text, sizeof text);
    assert_int_equal(kill(other, 0), -1);
    assert_non_null(strstr(text, "worker-1 (process "));
    assert_non_null(strstr(text, ") was killed by signal 9 (Killed); it is started again in 0.1 s\n"));
}

static void test_one_that_is_done_stays_away(void **state)
{
    team t;
    char text[4096];
    start(&t, DONE, LIVES);
    for (int k = 0; k < 500 && !t.items[0].is_done; k++) {
        assert_int_equal(children_look(&t.c), TSR_OK);
        nap_ms(10);
    }
    assert_true(t.items[0].is_done);
    nap_ms(300);
    assert_int_equal(children_look(&t.c), TSR_OK);
    assert_int_equal(t.items[0].pid, 0);
    finish(&t, text, sizeof text);
}

static void test_one_that_fails_is_tried_less_and_less(void **state)
{
    team t;
    char text[8192];
    int64_t begin = os_now_ns();
    start(&t, FAILS, LIVES);
    while (os_now_ns() - begin < 2000000000) {
        assert_int_equal(children_look(&t.c), TSR_OK);
        nap_ms(5);
    }
    finish(&t, text, sizeof text);
    assert_non_null(strstr(text, "ended with code 1; it is started again in 0.1 s"));
    assert_non_null(strstr(text, "ended with code 1; it is started again in 0.4 s"));
    int n = 0;
    for (const char *p = text; (p = strstr(p, "ended with code 1")); p++) n++;
    assert_in_range(n, 3, 5); /* at 0, 0.1, 0.3, 0.7, 1.5 s */
}

static void test_wrong_options_are_not_tried_again(void **state)
{
    team t;
    char text[4096];
    tsr_status status = TSR_OK;
    start(&t, USAGE, LIVES);
    for (int k = 0; k < 500 && status == TSR_OK; k++) {
        status = children_look(&t.c);
        nap_ms(10);
    }
    assert_int_equal(status, TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "worker-1 cannot work with these options"));
    finish(&t, text, sizeof text);
}

/* Whether a process calls itself so. */
static bool is_named(pid_t pid, const char *name)
{
    char path[64], line[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    if (!fgets(line, sizeof line, f)) line[0] = '\0';
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    return strcmp(line, name) == 0;
}

static void test_stopped_and_stubborn_ones_end_too(void **state)
{
    team t;
    char text[4096];
    start(&t, LIVES, STUBBORN);
    kill(t.items[0].pid, SIGSTOP);
    for (int k = 0; k < 500 && !is_named(t.items[1].pid, "stubborn"); k++) nap_ms(10);
    assert_true(is_named(t.items[1].pid, "stubborn"));
    finish(&t, text, sizeof text);
    assert_null(strstr(text, "worker-1 (process"));
    assert_non_null(strstr(text, "does not end; it is killed\n"));
}

int main(int argc, char **argv)
{
    if (argc > 1) return behave(argv[1]);
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(test_a_killed_one_comes_back),
        cmocka_unit_test(test_one_that_is_done_stays_away),
        cmocka_unit_test(test_one_that_fails_is_tried_less_and_less),
        cmocka_unit_test(test_wrong_options_are_not_tried_again),
        cmocka_unit_test(test_stopped_and_stubborn_ones_end_too),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
