/* The scratch file: blocks of many sizes, compressible or not, whole and in parts; released, also in a hurry. */
#include "engine/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>

static uint64_t state = 362436069362436069u;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static const char *folder(void) { return getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp"; }

/* Runs of equal bytes and of random ones, so that some pages are compressed and others are not. */
static void fill(char *data, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t run = 1 + draw() % 50000;
        bool random = draw() % 2;
        for (; run > 0 && i < n; run--, i++) data[i] = random ? (char)draw() : 'x';
    }
}

static void test_parts(void **unused)
{
    enum { MOST = 5 << 20 };
    static const size_t sizes[] = {1, 7, 16383, 16384, 16385, 100000, 1 << 20, (1 << 20) + 1, MOST};
    enum { N = sizeof sizes / sizeof *sizes };
    char *data[N], *got = malloc(MOST);
    int64_t at[N];
    scratch *s;
    assert_int_equal(scratch_open(folder(), &s), TSR_OK);
    for (int i = 0; i < N; i++) {
        data[i] = malloc(sizes[i]);
        fill(data[i], sizes[i]);
        assert_int_equal(scratch_write(s, data[i], sizes[i], &at[i]), TSR_OK);
    }
    for (int k = 0; k < 600; k++) {
        const int i = (int)(draw() % N);
        size_t first = draw() % sizes[i], n = 1 + draw() % (sizes[i] - first);
        if (k < N) first = 0, n = sizes[k % N];
        const int block = k < N ? k : i;
        memset(got, 0, n);
        assert_int_equal(scratch_read(s, at[block], sizes[block], first, n, got), TSR_OK);
        assert_memory_equal(got, data[block] + first, n);
    }
    scratch_release(s, at[N - 1]); /* the others stay */
    assert_int_equal(scratch_read(s, at[N - 2], sizes[N - 2], 0, sizes[N - 2], got), TSR_OK);
    assert_memory_equal(got, data[N - 2], sizes[N - 2]);
    scratch_close(s);
    for (int i = 0; i < N; i++) free(data[i]);
    free(got);
}

static void test_no_folder(void **unused)
{
    scratch *s = NULL;
    assert_int_equal(scratch_open("/nowhere/at/all", &s), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "'/nowhere/at/all'"));
    assert_null(s);
}

/* What the only file without a name takes of the disk. */
static int64_t disk_bytes(void)
{
    struct stat info;
    for (int fd = 3; fd < 64; fd++)
        if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 0) return (int64_t)info.st_blocks * 512;
    return -1;
}

/* In a hurry released blocks stay where they are; then others give them back, all but the one that is in use. */
static void test_hurry(void **unused)
{
    enum { N = 40, BYTES = 1 << 20, LEFT = BYTES + (64 << 10) };
    char *data = malloc(BYTES), *got = malloc(BYTES);
    int64_t at[N];
    scratch *s;
    for (size_t i = 0; i < BYTES; i++) data[i] = (char)draw();
    assert_int_equal(scratch_open(folder(), &s), TSR_OK);
    for (int round = 0; round < 2; round++) { /* many blocks, and few, which are not worth a process */
        const int n = round == 0 ? N : 4;
        for (int i = 0; i < n; i++) assert_int_equal(scratch_write(s, data, BYTES, &at[i]), TSR_OK);
        scratch_hurry(s);
        for (int i = 1; i < n; i++) scratch_release(s, at[i]);
        assert_true(disk_bytes() >= (int64_t)n * BYTES);
        scratch_settle(s);
        for (int i = 0; i < 6000 && disk_bytes() > LEFT; i++) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        assert_in_range(disk_bytes(), BYTES, LEFT);
        assert_int_equal(scratch_read(s, at[0], BYTES, 0, BYTES, got), TSR_OK);
        assert_memory_equal(got, data, BYTES);
        scratch_release(s, at[0]); /* the hurry is over */
        assert_in_range(disk_bytes(), 0, LEFT - BYTES);
    }
    scratch_close(s);
    free(data);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_hurry),
                                       cmocka_unit_test(test_no_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
