/* Shapes, boxes and grids: sizes that do not fit, text as NumPy prints it, and grids against a walk over every index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block/shape.h"

static void test_sizes(void **state)
{
    assert_int_equal(shape_size(0, NULL), 1);
    assert_int_equal(shape_size(3, (int64_t[]){4, 721, 1440}), 4152960);
    assert_int_equal(shape_size(2, (int64_t[]){5, 0}), 0);
    assert_true(shape_size(2, (int64_t[]){INT64_MAX, 2}) == INT64_MAX);
    assert_true(shape_size(3, (int64_t[]){INT64_MAX, 2, 3}) == INT64_MAX);
    assert_int_equal(shape_size(3, (int64_t[]){INT64_MAX, 2, 0}), 0);
    int64_t strides[3];
    shape_strides(3, (int64_t[]){4, 3, 5}, 8, strides);
    assert_int_equal(strides[0], 120);
    assert_int_equal(strides[1], 40);
    assert_int_equal(strides[2], 8);
}

static void test_text(void **state)
{
    char text[64], small[6];
    assert_string_equal(shape_format(0, NULL, text, sizeof text), "()");
    assert_string_equal(shape_format(1, (int64_t[]){5}, text, sizeof text), "(5,)");
    assert_string_equal(shape_format(3, (int64_t[]){4, 721, 1440}, text, sizeof text), "(4, 721, 1440)");
    assert_string_equal(shape_format(3, (int64_t[]){4, 721, 1440}, small, sizeof small), "(4, 7");
}

/* Every index is in exactly the block that axis_grid_find names, and blocks follow each other without gaps. */
static void check_axis(axis_grid g)
{
    int64_t at = 0;
    for (int64_t block = 0; block < g.n_blocks; block++) {
        assert_int_equal(axis_grid_start(&g, block), at);
        int64_t count = axis_grid_count(&g, block);
        assert_true(count > 0 || g.length == 0 || g.edges != NULL);
        assert_true(count <= g.chunk);
        for (int64_t i = at; i < at + count; i++) assert_int_equal(axis_grid_find(&g, i), block);
        at += count;
    }
    assert_int_equal(at, g.length);
}

static void test_axes(void **state)
{
    for (int64_t length = 0; length < 20; length++) {
        for (int64_t chunk = -1; chunk < 25; chunk++) check_axis(axis_grid_regular(length, chunk));
    }
    static const int64_t uneven[] = {0, 3, 4, 9, 10}, even[] = {0, 4, 8, 11}, one[] = {0, 7}, growing[] = {0, 2, 9};
    check_axis(axis_grid_edges(4, uneven));
    check_axis(axis_grid_edges(3, even));
    check_axis(axis_grid_edges(1, one));
    check_axis(axis_grid_edges(2, growing));
    assert_non_null(axis_grid_edges(4, uneven).edges);
    assert_null(axis_grid_edges(2, growing).edges); /* regular but for a shorter first block */
    static const int64_t phased[] = {0, 1, 5, 9, 11};
    assert_null(axis_grid_edges(4, phased).edges);
    assert_int_equal(axis_grid_edges(4, phased).phase, 3);
    for (int64_t length = 0; length < 20; length++) {
        for (int64_t chunk = 1; chunk < 8; chunk++) {
            for (int64_t phase = 0; phase < 10; phase++) {
                axis_grid g = axis_grid_phased(length, chunk, phase);
                check_axis(g);
                for (int64_t i = 1; i < length; i++) /* a border exactly where i + phase is a multiple */
                    assert_int_equal(axis_grid_find(&g, i) != axis_grid_find(&g, i - 1), (i + phase) % chunk == 0);
            }
        }
    }
    assert_null(axis_grid_edges(3, even).edges); /* regular after all */
    assert_int_equal(axis_grid_edges(3, even).chunk, 4);
    axis_grid empty = axis_grid_regular(0, 5);
    assert_int_equal(empty.n_blocks, 1);
    assert_int_equal(axis_grid_count(&empty, 0), 0);
    axis_grid large = axis_grid_regular(INT64_MAX, 1);
    assert_true(large.n_blocks == INT64_MAX);
    axis_grid huge_chunk = axis_grid_regular(INT64_MAX - 1, INT64_MAX / 2);
    assert_true(huge_chunk.n_blocks == 2);
}

static void test_grids(void **state)
{
    static const int64_t edges[] = {0, 3, 4, 9};
    grid g = {.ndim = 3, .axes = {axis_grid_regular(10, 4), axis_grid_edges(3, edges), axis_grid_regular(2, 1)}};
    char seen[10][9][2] = {0};
    assert_int_equal(grid_n_blocks(&g), 18);
    for (int64_t block = 0; block < 18; block++) {
        int64_t coords[TSR_MAX_NDIM];
        grid_coords(&g, block, coords);
        assert_int_equal(grid_block_at(&g, coords), block);
        box b = grid_box(&g, block);
        assert_int_equal(b.ndim, 3);
        for (int64_t i = b.start[0]; i < b.start[0] + b.count[0]; i++) {
            for (int64_t j = b.start[1]; j < b.start[1] + b.count[1]; j++) {
                for (int64_t k = b.start[2]; k < b.start[2] + b.count[2]; k++) seen[i][j][k]++;
            }
        }
    }
    for (int i = 0; i < 180; i++) assert_int_equal(((char *)seen)[i], 1);
    grid scalar = {.ndim = 0};
    assert_int_equal(grid_n_blocks(&scalar), 1);
    box all = grid_box(&scalar, 0);
    assert_int_equal(box_size(&all), 1);
}

static void test_equality(void **state)
{
    static const int64_t edges[] = {0, 3, 4, 9}, same[] = {0, 3, 4, 9}, other[] = {0, 3, 5, 9};
    grid a = {.ndim = 1, .axes = {axis_grid_edges(3, edges)}}, b = {.ndim = 1, .axes = {axis_grid_edges(3, same)}};
    grid c = {.ndim = 1, .axes = {axis_grid_edges(3, other)}}, d = {.ndim = 1, .axes = {axis_grid_regular(9, 3)}};
    grid e = {.ndim = 2, .axes = {axis_grid_edges(3, edges), axis_grid_regular(1, 1)}};
    assert_true(grid_equal(&a, &b));
    assert_false(grid_equal(&a, &c));
    assert_false(grid_equal(&a, &d));
    assert_false(grid_equal(&a, &e));
    assert_true(grid_equal(&d, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_text),     cmocka_unit_test(test_axes),
        cmocka_unit_test(test_grids), cmocka_unit_test(test_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
