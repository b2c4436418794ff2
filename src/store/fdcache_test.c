/* The descriptor cache: its bound, reopening, pins, files that change, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/fdcache.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_FILES = 300 };

static char folder[64];

static const char *file_name(int i)
{
    static _Thread_local char path[128];
    snprintf(path, sizeof path, "%s/%d", folder, i);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int make_files(void **state)
{
    /* A small limit makes a small cache: a quarter of it. */
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    limit.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    strcpy(folder, "/tmp/tessera-fdcache-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    for (int i = 0; i < N_FILES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%08d", i);
        write_file(file_name(i), text);
    }
    return 0;
}

static int remove_files(void **state)
{
    for (int i = 0; i < N_FILES; i++) unlink(file_name(i));
    return rmdir(folder);
}

static size_t n_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n;
}

static void expect_content(cached_file *f, int i)
{
    char text[9] = "";
    assert_int_equal(cached_file_read(f, text, 8, 0), TSR_OK);
    assert_int_equal(atoi(text), i);
}

static void test_many_files(void **state)
{
    cached_file *files[N_FILES];
    size_t before = n_descriptors(), n_open, limit;
    fdcache_count(&n_open, &limit);
    assert_int_equal(n_open, 0);
    assert_int_equal(limit, 0);
    for (int i = 0; i < N_FILES; i++) assert_int_equal(cached_file_open(file_name(i), &files[i]), TSR_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N_FILES; i++) expect_content(files[i], i);
        fdcache_count(&n_open, &limit);
        assert_int_equal(limit, 16);
        assert_int_equal(n_open, 16);
        assert_int_equal(n_descriptors() - before, 16);
    }
    for (int i = 0; i < N_FILES; i++) cached_file_close(files[i]);
    assert_int_equal(n_descriptors(), before);
    fdcache_count(&n_open, &limit);
    assert_int_equal(limit, 0); /* the cache went with its last file */
    cached_file_close(NULL);
}

/* A pinned descriptor stays open whatever else is opened; all pinned ones together may exceed the bound. */
static void test_pins(void **state)
{
    cached_file *files[N_FILES];
    int fds[20], first;
    size_t n_open, limit;
    for (int i = 0; i < N_FILES; i++) assert_int_equal(cached_file_open(file_name(i), &files[i]), TSR_OK);
    assert_int_equal(cached_file_pin(files[0], &first), TSR_OK);
    for (int i = 1; i < N_FILES; i++) expect_content(files[i], i);
    char text[9] = "";
    assert_int_equal(fd_read_at(first, text, 8, 0), TSR_OK);
    assert_int_equal(atoi(text), 0);
    for (int i = 0; i < 20; i++) assert_int_equal(cached_file_pin(files[i + 1], &fds[i]), TSR_OK);
    fdcache_count(&n_open, &limit);
    assert_int_equal(n_open, 21);
    for (int i = 0; i < 20; i++) cached_file_unpin(files[i + 1]);
    cached_file_unpin(files[0]);
    for (int i = 0; i < N_FILES; i++) cached_file_close(files[i]);
}

static void *expect_unstopped(void *file)
{
    expect_content(file, 3);
    return NULL;
}

static bool is_set(const void *flag) { return atomic_load((const atomic_bool *)flag); }

/* A thread whose work is given up reads no further; others do. */
static void test_stopped_reads(void **state)
{
    atomic_bool stop = false;
    cached_file *file;
    pthread_t other;
    char text[9] = "";
    assert_int_equal(cached_file_open(file_name(3), &file), TSR_OK);
    fd_reads_stop(is_set, &stop);
    expect_content(file, 3);
    atomic_store(&stop, true);
    assert_int_equal(cached_file_read(file, text, 8, 0), TSR_ERR_CANCELLED);
    assert_int_equal(pthread_create(&other, NULL, expect_unstopped, file), 0);
    pthread_join(other, NULL);
    fd_reads_stop(NULL, NULL);
    expect_content(file, 3);
    cached_file_close(file);
}

/* What is read again and again keeps its descriptor while others pass through. */
static void test_recently_used_stay(void **state)
{
    cached_file *files[N_FILES];
    int fd, now;
    for (int i = 0; i < N_FILES; i++) assert_int_equal(cached_file_open(file_name(i), &files[i]), TSR_OK);
    assert_int_equal(cached_file_pin(files[0], &fd), TSR_OK);
    cached_file_unpin(files[0]);
    int n_kept = 0;
    for (int i = 1; i < N_FILES; i++) {
        expect_content(files[i], i);
        struct stat a, b;
        bool same = fstat(fd, &a) == 0 && stat(file_name(0), &b) == 0 && a.st_ino == b.st_ino;
        n_kept += same;
        assert_int_equal(cached_file_pin(files[0], &now), TSR_OK);
        cached_file_unpin(files[0]);
        fd = now;
    }
    assert_true(n_kept > (N_FILES - 1) * 9 / 10);
    for (int i = 0; i < N_FILES; i++) cached_file_close(files[i]);
}

/* Makes every file but those named here lose its descriptor. */
static void push_out(cached_file **files, int from)
{
    for (int round = 0; round < 3; round++) {
        for (int i = from; i < from + 40; i++) expect_content(files[i], i);
    }
}

static void test_changed_files(void **state)
{
    cached_file *files[N_FILES];
    char text[16];
    for (int i = 0; i < N_FILES; i++) assert_int_equal(cached_file_open(file_name(i), &files[i]), TSR_OK);
    push_out(files, 10);
    char other[140];
    snprintf(other, sizeof other, "%s/other", folder);
    write_file(other, "11111111");
    assert_int_equal(rename(other, file_name(0)), 0);
    write_file(file_name(1), "longer than before");
    unlink(file_name(2));
    assert_int_equal(cached_file_read(files[0], text, 8, 0), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "replaced"));
    assert_int_equal(cached_file_read(files[1], text, 8, 0), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "had 8 bytes"));
    assert_int_equal(cached_file_read(files[2], text, 8, 0), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "No such file"));
    expect_content(files[3], 3);
    for (int i = 0; i < N_FILES; i++) cached_file_close(files[i]);
    write_file(file_name(0), "00000000");
    write_file(file_name(1), "00000001");
    write_file(file_name(2), "00000002");
}

static void test_refused(void **state)
{
    cached_file *f;
    char text[16], fifo[140];
    size_t before = n_descriptors();
    assert_int_equal(cached_file_open("/nowhere/at/all", &f), TSR_ERR_IO);
    assert_int_equal(cached_file_open("", &f), TSR_ERR_IO);
    assert_int_equal(cached_file_open(folder, &f), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "folder"));
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(cached_file_open(fifo, &f), TSR_ERR_IO); /* and does not wait for a writer */
    unlink(fifo);
    assert_int_equal(cached_file_open(file_name(5), &f), TSR_OK);
    assert_int_equal(cached_file_size(f), 8);
    assert_int_equal(cached_file_read(f, text, 9, 0), TSR_ERR_FORMAT);
    assert_int_equal(cached_file_read(f, text, 1, 8), TSR_ERR_FORMAT);
    assert_int_equal(cached_file_read(f, text, 0, 8), TSR_OK);
    cached_file_close(f);
    assert_int_equal(n_descriptors(), before);
    for (int n = 1; n < 4; n++) {
        mem_fail_at(n);
        tsr_status status = cached_file_open(file_name(5), &f);
        mem_fail_at(0);
        assert_int_equal(status, TSR_ERR_MEMORY);
    }
    assert_int_equal(n_descriptors(), before);
}

/* Descriptors that others took do not stop us while we have some to give up. */
static void test_exhausted_descriptors(void **state)
{
    cached_file *files[40];
    int taken[64], n = 0;
    for (int i = 0; i < 40; i++) assert_int_equal(cached_file_open(file_name(i), &files[i]), TSR_OK);
    while (n < 64 && (taken[n] = dup(0)) >= 0) n++;
    assert_true(n < 64);
    for (int i = 0; i < 40; i++) expect_content(files[i], i);
    while (n > 0) close(taken[--n]);
    for (int i = 0; i < 40; i++) cached_file_close(files[i]);
}

typedef struct reader {
    cached_file **files;
    unsigned seed;
    bool good;
} reader;

static void *read_randomly(void *argument)
{
    reader *r = argument;
    r->good = true;
    for (int k = 0; k < 20000 && r->good; k++) {
        r->seed = r->seed * 1664525u + 1013904223u;
        /* Mostly a few files, so that hits, reopenings and evictions of the same file meet. */
        int i = (int)(r->seed >> 8) % (k % 4 ? 20 : 60);
        char text[9] = "";
        r->good = cached_file_read(r->files[i], text, 8, 0) == TSR_OK && atoi(text) == i;
    }
    return NULL;
}

static void test_threads(void **state)
{
    enum { N_THREADS = 6 };
    cached_file *files[60];
    pthread_t threads[N_THREADS];
    reader readers[N_THREADS];
    size_t n_open, limit;
    for (int i = 0; i < 60; i++) assert_int_equal(cached_file_open(file_name(i), &files[i]), TSR_OK);
    for (int i = 0; i < N_THREADS; i++) {
        readers[i] = (reader){.files = files, .seed = (unsigned)i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_randomly, &readers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N_THREADS; i++) assert_true(readers[i].good);
    fdcache_count(&n_open, &limit);
    assert_true(n_open <= limit + N_THREADS);
    for (int i = 0; i < 60; i++) cached_file_close(files[i]);
}

/* Stores come and go in several threads: the shared cache is made and freed all the time. */
static void *open_and_close(void *argument)
{
    bool *good = argument;
    *good = true;
    for (int k = 0; k < 3000 && *good; k++) {
        cached_file *f;
        char text[9] = "";
        int i = k % N_FILES;
        *good = cached_file_open(file_name(i), &f) == TSR_OK;
        if (!*good) break;
        *good = cached_file_read(f, text, 8, 0) == TSR_OK && atoi(text) == i;
        cached_file_close(f);
    }
    return NULL;
}

static void test_opening_threads(void **state)
{
    pthread_t threads[4];
    bool good[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &good[i]), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) assert_true(good[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_stopped_reads),
        cmocka_unit_test(test_recently_used_stay),
        cmocka_unit_test(test_changed_files),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_exhausted_descriptors),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_opening_threads),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
