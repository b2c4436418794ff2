/* Names of files in natural order, and patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataset/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_order(void **state)
{
    static const char *const sorted[] = {"",
                                         "a",
                                         "a0",
                                         "a01",
                                         "a1",
                                         "a1b",
                                         "a2",
                                         "a10",
                                         "a10b",
                                         "a10c",
                                         "a010c0",
                                         "a99999999999999999999",
                                         "a100000000000000000000",
                                         "a_",
                                         "b"};
    enum { N = sizeof sorted / sizeof *sorted };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int order = path_compare(sorted[i], sorted[j]), want = (i > j) - (i < j);
            if ((order > 0) - (order < 0) != want) fail_msg("'%s' and '%s': %d", sorted[i], sorted[j], order);
        }
}

static void test_patterns(void **state)
{
    char folder[] = "/tmp/tessera-paths-XXXXXX", path[128], pattern[64];
    static const char *const names[] = {"t10.png", "t9.png", "t1.png", "u[1].png"};
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        fclose(fopen(path, "w"));
    }
    path_list list;
    snprintf(pattern, sizeof pattern, "%s/t*.png", folder);
    snprintf(path, sizeof path, "%s/u[1].png", folder);
    const char *both[] = {path, pattern};
    assert_int_equal(paths_find(&list, 2, both), TSR_OK);
    assert_int_equal(list.n, 4);
    for (int i = 0; i < 3; i++) assert_string_equal(strrchr(list.items[i + 1], '/') + 1, names[2 - i]);
    assert_string_equal(list.items[0], path); /* a file of that very name is no pattern */
    paths_fini(&list);
    snprintf(pattern, sizeof pattern, "%s/v*.png", folder);
    assert_int_equal(paths_find(&list, 2, both), TSR_ERR_IO);
    assert_non_null(strstr(tsr_error_message(), "no file matches"));
    assert_int_equal(paths_find(&list, 0, NULL), TSR_ERR_IO);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_patterns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
