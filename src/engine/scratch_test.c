/* The scratch file: blocks of many sizes, compressible or not, whole and in parts. */
#include "engine/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_no_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
