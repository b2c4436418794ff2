/* Log lines: what they look like, levels, odd text, many threads, a disk that is full. */
#define _GNU_SOURCE
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { N_THREADS = 4, N_LINES = 500 };

static char path[64];

static int make_path(void **state)
{
    snprintf(path, sizeof path, "/tmp/tessera-log-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state) { return unlink(path); }

static log_file *start(log_level level, bool is_json)
{
    log_file *l;
    assert_int_equal(log_open(&(log_options){.role = "worker", .path = path, .level = level, .is_json = is_json}, &l), TSR_OK);
    return l;
}

/* The whole file; the caller frees it. */
static char *written(void)
{
    char *text = calloc(1, 1 << 20);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void test_text(void **state)
{
    log_file *l = start(LOG_LEVEL_INFO, false);
    char pid[40];
    int year, month, day, hour, minute, at = 0;
    double second;
    log_write(l, LOG_LEVEL_DEBUG, "unseen");
    log_write(l, LOG_LEVEL_WARNING, "%d blocks are gone", 3);
    log_callback(l, LOG_LEVEL_ERROR, "100 %s of it"); /* no format */
    log_callback(l, 17, "beyond");
    log_close(l);
    char *text = written();
    assert_int_equal(sscanf(text, "%d-%d-%dT%d:%d:%lfZ%n", &year, &month, &day, &hour, &minute, &second, &at), 6);
    assert_true(at == 24 && year >= 2024 && month >= 1 && month <= 12);
    snprintf(pid, sizeof pid, " warning worker[%ld]: 3 blocks", (long)getpid());
    assert_memory_equal(text + at, pid, strlen(pid));
    assert_non_null(strstr(text, "3 blocks are gone\n"));
    assert_non_null(strstr(text, "]: 100 %s of it\n"));
    assert_non_null(strstr(text, " error worker["));
    assert_non_null(strstr(text, "]: beyond\n"));
    assert_null(strstr(text, "unseen"));
    free(text);
}

static void test_json(void **state)
{
    log_file *l = start(LOG_LEVEL_DEBUG, true);
    log_write(l, LOG_LEVEL_DEBUG, "a \"b\" \\ \x1b[1m \xff \xc3\xa9 \xc2\x85");
    log_close(l);
    char *text = written(), *end = strstr(text, "\"text\": ");
    assert_memory_equal(text, "{\"time\": \"", 10);
    assert_non_null(strstr(text, "Z\", \"level\": \"debug\", \"role\": \"worker\", \"pid\": "));
    assert_string_equal(end, "\"text\": \"a \\\"b\\\" \\\\ \\u001b[1m \xef\xbf\xbd \xc3\xa9 \\u0085\"}\n");
    free(text);
}

static void test_a_text_of_many_lines_is_one(void **state)
{
    log_file *l = start(LOG_LEVEL_DEBUG, false);
    log_write(l, LOG_LEVEL_INFO, "one\ntwo\tthree");
    log_close(l);
    char *text = written();
    assert_non_null(strstr(text, "]: one\\x0atwo\\x09three\n"));
    free(text);
}

static void test_a_long_text_is_cut_between_characters(void **state)
{
    log_file *l = start(LOG_LEVEL_DEBUG, false);
    char longer[8001] = "";
    for (int i = 0; i < 4000; i++) memcpy(longer + 2 * i, "\xc3\xa9", 2);
    log_write(l, LOG_LEVEL_INFO, ".%s", longer);
    log_write(l, LOG_LEVEL_INFO, "%s", longer);
    log_close(l);
    char *text = written();
    assert_null(strstr(text, "\xef\xbf\xbd"));
    size_t n = strlen(text);
    assert_true(n > 5900 && n < 6200);
    assert_memory_equal(text + n - 3, "\xc3\xa9\n", 3);
    free(text);
}

static void *speak(void *context)
{
    for (int i = 0; i < N_LINES; i++) log_write(context, LOG_LEVEL_INFO, "<%0200d>", i);
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    log_file *l = start(LOG_LEVEL_INFO, false), *other = start(LOG_LEVEL_INFO, false);
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, speak, i % 2 ? l : other), 0);
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    log_close(l);
    log_close(other);
    char *text = written();
    int n = 0;
    for (char *p = text, *end; *p; p = end + 1, n++) {
        end = strchr(p, '\n');
        assert_non_null(end);
        char *open = memchr(p, '<', (size_t)(end - p));
        assert_non_null(open);
        assert_ptr_equal(open + 201, end - 1);
        assert_int_equal(end[-1], '>');
    }
    assert_int_equal(n, N_THREADS * N_LINES);
    free(text);
}

/* A limit on the size of files stands for a full disk. */
static void test_lost_lines_are_counted(void **state)
{
    struct rlimit before, small = {.rlim_cur = 0};
    log_file *l = start(LOG_LEVEL_INFO, false);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_write(l, LOG_LEVEL_INFO, "first");
    log_write(l, LOG_LEVEL_INFO, "second");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_write(l, LOG_LEVEL_INFO, "third");
    log_close(l);
    char *text = written();
    assert_non_null(strstr(text, "]: 2 lines before this one"));
    assert_non_null(strstr(text, "]: third\n"));
    assert_null(strstr(text, "second"));
    free(text);
}

static void test_mistakes(void **state)
{
    log_file *l;
    log_level level;
    assert_int_equal(log_open(&(log_options){.role = "x", .path = "/nonexistent/log"}, &l), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "cannot write the log '/nonexistent/log'"));
    assert_int_equal(log_level_parse("loud", &level), TSR_ERR_VALUE);
    assert_int_equal(log_level_parse("warning", &level), TSR_OK);
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_null(log_level_name(4));
    assert_null(log_level_name(-1));
    log_close(NULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup_teardown(test_text, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_json, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_a_text_of_many_lines_is_one, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_a_long_text_is_cut_between_characters, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_lines_of_threads_do_not_mix, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_lost_lines_are_counted, make_path, remove_path),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
