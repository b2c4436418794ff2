/* Places in files that a client names: what makes no sense is refused, what is not there or another file is not written to. */
#include "cluster/place.h"
#include "store/store_testing.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { ROWS = 6, COLUMNS = 4, HEAD = 10 };

static char path[96];

static const stage_output output = {.dtype = TSR_I16, .ndim = 2, .shape = {ROWS, COLUMNS}};

static Tessera__Cluster__FilePlace place_in_file(int64_t *strides)
{
    Tessera__Cluster__FilePlace said = TESSERA__CLUSTER__FILE_PLACE__INIT;
    struct stat info;
    strides[0] = COLUMNS * 2;
    strides[1] = 2;
    said.path = path;
    said.inode = stat(path, &info) == 0 ? (uint64_t)info.st_ino : 1;
    said.begin = HEAD;
    said.item_bytes = 2;
    said.n_strides = 2;
    said.strides = strides;
    return said;
}

static int make_file(void **state)
{
    if (scratch_make(state) != 0) return -1;
    snprintf(path, sizeof path, "%s/growing", scratch);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    return fd < 0 ? -1 : close(fd);
}

static void test_writes(void **state)
{
    int64_t strides[2];
    Tessera__Cluster__FilePlace said = place_in_file(strides);
    file_place *p;
    int16_t block[3][2] = {{1, 2}, {3, 4}, {5, 6}}, got[COLUMNS * ROWS] = {0};
    said.swap = true;
    assert_ok(file_place_new(&said, &output, &p));
    for (int times = 0; times < 2; times++) { /* closed in between */
        assert_true(file_place_write(p, &(box){.ndim = 2, .start = {times * 3, 1}, .count = {3, 2}}, block));
        file_place_close(p);
    }
    file_place_free(p);
    int fd = open(path, O_RDONLY);
    assert_true(pread(fd, got, sizeof got, HEAD) >= (ssize_t)sizeof got - 2);
    close(fd);
    for (int row = 0; row < ROWS; row++) {
        assert_int_equal(got[row * COLUMNS + 1], (row % 3 * 2 + 1) << 8);
        assert_int_equal(got[row * COLUMNS + 2], (row % 3 * 2 + 2) << 8);
        assert_int_equal(got[row * COLUMNS], 0);
    }
}

static void refuse(const Tessera__Cluster__FilePlace *said)
{
    file_place *p;
    assert_int_equal(file_place_new(said, &output, &p), TSR_ERR_VALUE);
    assert_null(p);
}

static void test_makes_no_sense(void **state)
{
    int64_t strides[2];
    Tessera__Cluster__FilePlace good = place_in_file(strides), bad = good;
    static char relative[] = "growing", empty[] = "";
    bad.path = relative;
    refuse(&bad);
    bad.path = empty;
    refuse(&bad);
    bad = good;
    bad.n_strides = 1;
    refuse(&bad);
    bad = good;
    bad.item_bytes = 4;
    refuse(&bad);
    bad = good;
    bad.begin = UINT64_MAX;
    refuse(&bad);
    strides[0] = INT64_MAX / 2;
    refuse(&good);
    strides[0] = -8;
    refuse(&good);
}

static void test_is_not_the_file(void **state)
{
    int64_t strides[2];
    const int16_t value = 7;
    const box one = {.ndim = 2, .count = {1, 1}};
    file_place *p;
    Tessera__Cluster__FilePlace said = place_in_file(strides);
    said.inode++;
    assert_ok(file_place_new(&said, &output, &p));
    assert_false(file_place_write(p, &one, &value));
    file_place_free(p);
    said = place_in_file(strides);
    unlink(path);
    assert_ok(file_place_new(&said, &output, &p));
    assert_false(file_place_write(p, &one, &value));
    assert_int_not_equal(access(path, F_OK), 0); /* it is never made here */
    file_place_free(p);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(test_writes, make_file, scratch_remove),
        cmocka_unit_test_setup_teardown(test_makes_no_sense, make_file, scratch_remove),
        cmocka_unit_test_setup_teardown(test_is_not_the_file, make_file, scratch_remove),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
