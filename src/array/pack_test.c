/* Packed expressions: what comes out computes the same bits as what went in; what is damaged is refused. */
#include "array/node.h"
#include "array/pack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 37, COLS = 23 };

static tsr_session *open_session(void)
{
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 2});
    assert_non_null(s);
    return s;
}

static double table[ROWS][COLS];

static tsr_array *table_array(tsr_session *s)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLS; j++) table[i][j] = sin(i * 31 + j) * (i - j);
    tsr_array *a = tsr_from_memory(s, table, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL, NULL, NULL, (int64_t[]){10, 7});
    assert_non_null(a);
    return a;
}

/* ---- What is packed: every kind of node ------------------------------------------------------------------------------ */

static tsr_array *used(tsr_array *result, tsr_array *input)
{
    tsr_release(input);
    return result;
}

static tsr_array *make_z(tsr_array *x)
{
    int axis = 0;
    tsr_array *mean = tsr_mean(x, 1, &axis, false), *std = tsr_std(x, 1, &axis, 0, false), *d = tsr_subtract(x, mean);
    return used(used(used(tsr_divide(d, std), d), mean), std);
}
static tsr_array *make_slice(tsr_array *x)
{
    return tsr_slice(
        x, 2,
        (tsr_index[]){
            {.kind = TSR_INDEX_SLICE, .start = 30, .stop = 2, .step = -3, .has_start = true, .has_stop = true, .has_step = true},
            {.kind = TSR_INDEX_INTEGER, .start = 4}});
}
static tsr_array *make_concat(tsr_array *x)
{
    tsr_array *t = tsr_rechunk(x, (int64_t[]){5, -1}), *c = tsr_concatenate(2, (tsr_array *[]){x, t}, 0);
    return used(c, t);
}
static tsr_array *make_take(tsr_array *x) { return tsr_take(x, 4, (int64_t[]){3, 0, 22, 3}, 1); }
static tsr_array *make_reshape(tsr_array *x) { return tsr_reshape(x, 1, (int64_t[]){ROWS * COLS}); }
static tsr_array *make_window(tsr_array *x)
{
    tsr_array *w = tsr_sliding_window(x, 5, 2, 0);
    int axis = 2;
    return used(tsr_max(w, 1, &axis, false), w);
}
static tsr_array *make_cumsum(tsr_array *x) { return tsr_cumsum(x, 0); }
static tsr_array *make_quantile(tsr_array *x) { return tsr_quantile(x, 2, (double[]){0.1, 0.75}, 1, (int[]){1}, false); }
static tsr_array *make_hazen(tsr_array *x)
{
    return tsr_quantile_by(x, 2, (double[]){0.1, 0.75}, 1, (int[]){1}, false, &(tsr_quantile_options){.method = "hazen"});
}
static tsr_array *make_nearest(tsr_array *x)
{
    tsr_array *whole = tsr_astype(x, TSR_I16);
    return used(tsr_quantile_by(whole, 1, (double[]){0.3}, 0, NULL, true, &(tsr_quantile_options){.method = "nearest"}), whole);
}
static tsr_array *make_wide(tsr_array *x)
{
    tsr_array *narrow = tsr_astype(x, TSR_F32);
    return used(tsr_quantile_by(narrow, 1, (double[]){0.3}, 1, (int[]){0}, false, &(tsr_quantile_options){.wide = true}), narrow);
}
static tsr_array *make_weighted(tsr_array *x)
{
    tsr_array *w = tsr_square(x);
    const tsr_quantile_options options = {.method = "inverted_cdf", .weights = w};
    return used(tsr_quantile_by(x, 3, (double[]){0, 0.4, 1}, 1, (int[]){0}, false, &options), w);
}
static tsr_array *make_nanargmax(tsr_array *x) { return tsr_nanargmax(x, 1, (int[]){1}, false); }
static tsr_array *make_histogram(tsr_array *x) { return tsr_histogram(x, &(tsr_bins){.n = 6, .low = -10, .high = 20}, false); }
static tsr_array *make_edges(tsr_array *x)
{
    return tsr_histogram_weighted(x, x, &(tsr_bins){.n = 2, .edges = (double[]){-5, 0, 7}}, false);
}
static tsr_array *make_product(tsr_array *x)
{
    tsr_array *t = tsr_transpose(x, NULL);
    return used(tsr_matmul(x, t), t);
}
static tsr_array *make_random(tsr_array *x)
{
    tsr_array *r = tsr_random_normal(x->session, 7, 1, 2, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL);
    return used(tsr_add(x, r), r);
}
static tsr_array *make_gamma(tsr_array *x)
{
    tsr_array *shape = tsr_full(x->session, tsr_float(2.5), TSR_F64, 0, NULL, NULL);
    tsr_array *g = tsr_random(x->session, 7, "standard_gamma", 1, &shape, TSR_F64, 2, (int64_t[]){ROWS, COLS}, NULL);
    return used(used(g ? tsr_add(x, g) : NULL, g), shape);
}
static tsr_array *make_searchsorted(tsr_array *x)
{
    tsr_array *t = tsr_arange(x->session, -20, 20, 3, TSR_F64, NULL);
    return used(tsr_searchsorted(t, x, true, NULL), t);
}
static tsr_array *make_interp(tsr_array *x)
{
    double left = -1;
    tsr_array *t = tsr_arange(x->session, -20, 20, 3, TSR_F64, NULL), *f = tsr_multiply(t, t);
    return used(used(tsr_interp(x, t, f, &left, NULL, 0), f), t);
}
static tsr_array *make_cast(tsr_array *x) { return tsr_astype(x, TSR_I16); }
static tsr_array *make_mask(tsr_array *x)
{
    tsr_array *limit = tsr_full(x->session, tsr_float(20), TSR_F64, 0, NULL, NULL), *where = tsr_greater(x, limit);
    tsr_array *chosen = tsr_mask(x, where), *sums = tsr_cumsum(chosen, 0);
    tsr_array *result = tsr_setitem(x, 1, &(tsr_index){.kind = TSR_INDEX_MASK, .mask = where}, sums);
    return used(used(used(used(result, sums), chosen), where), limit);
}
static tsr_array *make_assign(tsr_array *x)
{
    const int64_t places[] = {30, 3, 3, 17}, n = 4;
    tsr_array *value = tsr_scalar_array(x->session, tsr_float(-1));
    tsr_array *y = tsr_setitem(x, 1, &(tsr_index){.kind = TSR_INDEX_ARRAY, .ndim = 1, .shape = &n, .indices = places}, value);
    tsr_index range = {.kind = TSR_INDEX_SLICE, .start = 5, .step = 7, .has_start = true, .has_step = true};
    return used(used(tsr_setitem(y, 1, &range, value), y), value);
}
static tsr_array *make_permuted(tsr_array *x) { return tsr_random_permuted(x, 5, 1); }
static tsr_array *make_topk(tsr_array *x) { return tsr_topk(x, -5, 0); }
static tsr_array *make_argtopk(tsr_array *x) { return tsr_argtopk(x, 5, 1); }
static tsr_array *make_persisted(tsr_array *x)
{
    tsr_array *y = NULL, *d = tsr_add(x, x);
    assert_int_equal(tsr_persist(1, &d, &y), TSR_OK);
    return used(used(tsr_negative(y), y), d);
}

static const struct {
    const char *name;
    tsr_array *(*make)(tsr_array *x);
} cases[] = {{"z", make_z},
             {"slice", make_slice},
             {"concat", make_concat},
             {"take", make_take},
             {"reshape", make_reshape},
             {"window", make_window},
             {"cumsum", make_cumsum},
             {"quantile", make_quantile},
             {"hazen", make_hazen},
             {"nearest", make_nearest},
             {"wide", make_wide},
             {"weighted", make_weighted},
             {"nanargmax", make_nanargmax},
             {"histogram", make_histogram},
             {"edges", make_edges},
             {"product", make_product},
             {"random", make_random},
             {"mask", make_mask},
             {"assign", make_assign},
             {"permuted", make_permuted},
             {"topk", make_topk},
             {"argtopk", make_argtopk},
             {"gamma", make_gamma},
             {"searchsorted", make_searchsorted},
             {"interp", make_interp},
             {"cast", make_cast},
             {"persisted", make_persisted}};
enum { N_CASES = sizeof cases / sizeof *cases };

static void *values_of(tsr_array *a)
{
    void *out = malloc((size_t)tsr_nbytes(a) + 1);
    assert_int_equal(tsr_compute(1, &a, &out), TSR_OK);
    return out;
}

static void assert_same_array(tsr_array *a, tsr_array *b)
{
    assert_int_equal(a->ndim, b->ndim);
    assert_int_equal(a->dtype, b->dtype);
    assert_memory_equal(a->shape, b->shape, sizeof *a->shape * (size_t)a->ndim);
    assert_true(grid_equal(&a->grid, &b->grid));
    void *x = values_of(a), *y = values_of(b);
    assert_memory_equal(x, y, (size_t)tsr_nbytes(a));
    free(x);
    free(y);
}

static void test_round_trips(void **state)
{
    tsr_session *s = open_session(), *other = open_session();
    tsr_array *x = table_array(s);
    for (int i = 0; i < N_CASES; i++) {
        void *bytes;
        size_t size;
        tsr_array *a = cases[i].make(x), *b = NULL, *again = NULL;
        assert_non_null(a);
        if (tsr_pack(1, &a, NULL, &bytes, &size) != TSR_OK) fail_msg("%s: %s", cases[i].name, tsr_error_message());
        assert_int_equal(tsr_packed_count(bytes, size), 1);
        if (tsr_unpack(other, bytes, size, NULL, 1, &b) != TSR_OK) fail_msg("%s: %s", cases[i].name, tsr_error_message());
        assert_same_array(a, b);
        if (tsr_unpack(s, bytes, size, NULL, 1, &again) != TSR_OK) fail_msg("%s: %s", cases[i].name, tsr_error_message());
        tsr_release(again);
        tsr_free(bytes);
        tsr_release(a);
        tsr_release(b);
    }
    tsr_release(x);
    tsr_session_close(other);
    tsr_session_close(s);
}

/* Methods of quantiles are checked: one that there is none of, and one that does not give this dtype. */
static void test_methods(void **state)
{
    static const char *const others[] = {"hazem", "lower"};
    static const tsr_status refused[] = {TSR_ERR_FORMAT, TSR_ERR_INTERNAL};
    tsr_session *s = open_session();
    tsr_array *x = table_array(s), *narrow = tsr_astype(x, TSR_F32), *back = NULL;
    const tsr_quantile_options options = {.method = "hazen", .wide = true};
    tsr_array *a = tsr_quantile_by(narrow, 1, (double[]){0.3}, 1, (int[]){0}, false, &options);
    for (int i = 0; i < 2; i++) {
        char *bytes;
        size_t size;
        assert_int_equal(tsr_pack(1, &a, NULL, (void **)&bytes, &size), TSR_OK);
        size_t at = 0;
        while (at + 5 < size && memcmp(bytes + at, "hazen", 5) != 0) at++;
        assert_true(at + 5 < size);
        memcpy(bytes + at, others[i], 5);
        assert_int_equal(tsr_unpack(s, bytes, size, NULL, 1, &back), refused[i]);
        tsr_free(bytes);
    }
    tsr_release(a);
    tsr_release(narrow);
    tsr_release(x);
    tsr_session_close(s);
}

/* Several arrays share what they have in common. */
static void test_sharing(void **state)
{
    tsr_session *s = open_session();
    tsr_array *x = table_array(s), *y = tsr_sqrt(x), *both[2] = {tsr_exp(y), tsr_negative(y)}, *back[2];
    void *bytes;
    size_t one, size;
    assert_int_equal(tsr_pack(1, both, NULL, &bytes, &one), TSR_OK);
    tsr_free(bytes);
    assert_int_equal(tsr_pack(2, both, NULL, &bytes, &size), TSR_OK);
    assert_true(size < one + 512);
    assert_int_equal(tsr_unpack(s, bytes, size, NULL, 1, back), TSR_ERR_VALUE);
    assert_int_equal(tsr_unpack(s, bytes, size, NULL, 2, back), TSR_OK);
    assert_ptr_equal(back[0]->inputs[0], back[1]->inputs[0]);
    tsr_free(bytes);
    tsr_array *all[] = {x, y, both[0], both[1], back[0], back[1]};
    for (int i = 0; i < 6; i++) tsr_release(all[i]);
    tsr_session_close(s);
}

static void test_files(void **state)
{
    tsr_session *s = open_session(), *other = open_session();
    char path[] = "/tmp/tessera-pack-XXXXXX.npy";
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    tsr_array *x = table_array(s);
    assert_int_equal(tsr_save(x, path), TSR_OK);
    tsr_array *f = tsr_open(s, path, NULL, NULL), *m = tsr_mean(f, 0, NULL, false), *back = NULL;
    void *bytes;
    size_t size;
    assert_int_equal(tsr_pack(1, &m, NULL, &bytes, &size), TSR_OK);
    assert_true(size < 1024); /* the values stay in the file */
    assert_int_equal(tsr_unpack(other, bytes, size, NULL, 1, &back), TSR_OK);
    assert_same_array(m, back);
    tsr_release(back);
    tsr_release(m);
    tsr_release(f);
    tsr_array *t = tsr_transpose(x, NULL);
    assert_int_equal(tsr_save(t, path), TSR_OK);
    assert_int_equal(tsr_unpack(other, bytes, size, NULL, 1, &back), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "has changed"));
    unlink(path);
    assert_int_equal(tsr_unpack(other, bytes, size, NULL, 1, &back), TSR_ERR_IO);
    tsr_free(bytes);
    tsr_release(t);
    tsr_release(x);
    tsr_session_close(other);
    tsr_session_close(s);
}

static void test_stacks(void **state)
{
    tsr_session *s = open_session(), *other = open_session();
    char paths[3][40];
    const char *names[3];
    tsr_array *x = table_array(s), *back = NULL;
    void *bytes;
    size_t size;
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/tessera-pack-XXXXXX.npy");
        int fd = mkstemps(paths[i], 4);
        assert_true(fd >= 0);
        close(fd);
        names[i] = paths[i];
        tsr_array *power = tsr_power(x, tsr_scalar_array(s, tsr_int(i)));
        assert_int_equal(tsr_save(power, paths[i]), TSR_OK);
        tsr_release(power);
    }
    tsr_array *stack = tsr_open_stack(s, 3, names, NULL), *m = tsr_mean(stack, 1, (int[]){1}, false);
    assert_int_equal(tsr_pack(1, &m, NULL, &bytes, &size), TSR_OK);
    assert_int_equal(tsr_unpack(other, bytes, size, NULL, 1, &back), TSR_OK);
    assert_same_array(m, back);
    for (int i = 0; i < 3; i++) unlink(paths[i]);
    assert_int_equal(tsr_unpack(other, bytes, size, NULL, 1, &back), TSR_ERR_IO);
    tsr_free(bytes);
    tsr_release(m);
    tsr_release(stack);
    tsr_release(x);
    tsr_session_close(other);
    tsr_session_close(s);
}

/* ---- Users' functions ------------------------------------------------------------------------------------------------ */

static tsr_status twice(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const double *x = inputs[0].data;
    double *out = output->data;
    int64_t n = 1;
    for (int d = 0; d < output->ndim; d++) n *= output->shape[d];
    for (int64_t i = 0; i < n; i++) out[i] = 2 * x[i] + *(const double *)context;
    return TSR_OK;
}
static void free_it(void *context) { free(context); }

static tsr_status save(void *context, const tsr_function *f, const void **bytes, size_t *size)
{
    if (f->call != twice) return TSR_ERR_UNSUPPORTED;
    *bytes = f->context;
    *size = sizeof(double);
    return TSR_OK;
}
static tsr_status load(void *context, tsr_session *session, const void *bytes, size_t size, tsr_function *f)
{
    double *more = malloc(sizeof *more);
    memcpy(more, bytes, sizeof *more);
    *f = (tsr_function){.call = twice, .context = more, .release = free_it, .name = "twice"};
    return size == sizeof *more ? TSR_OK : TSR_ERR_FORMAT;
}

static void test_functions(void **state)
{
    tsr_session *s = open_session(), *other = open_session();
    tsr_function_codec codec = {.save = save, .load = load};
    double *more = malloc(sizeof *more);
    *more = 0.5;
    tsr_array *x = table_array(s), *back = NULL;
    tsr_function f = {.call = twice, .context = more, .release = free_it, .name = "twice"};
    tsr_array *y = tsr_map_blocks(&f, 1, &x, TSR_F64, NULL);
    void *bytes;
    size_t size;
    assert_non_null(y);
    assert_int_equal(tsr_pack(1, &y, NULL, &bytes, &size), TSR_ERR_UNSUPPORTED);
    assert_non_null(strstr(tsr_error_message(), "twice"));
    assert_int_equal(tsr_pack(1, &y, &codec, &bytes, &size), TSR_OK);
    assert_int_equal(tsr_unpack(other, bytes, size, NULL, 1, &back), TSR_ERR_UNSUPPORTED);
    assert_int_equal(tsr_unpack(other, bytes, size, &codec, 1, &back), TSR_OK);
    assert_same_array(y, back);
    tsr_free(bytes);
    tsr_release(back);
    tsr_release(y);
    tsr_release(x);
    tsr_session_close(other);
    tsr_session_close(s);
}

/* ---- Damage ------------------------------------------------------------------------------------------------------------ */

/* Whatever bytes: an error, or arrays that can be computed without harm. */
static void try_bytes(tsr_session *s, const char *bytes, size_t size)
{
    int n = tsr_packed_count(bytes, size);
    if (n != 1) return;
    tsr_array *a = NULL;
    if (tsr_unpack(s, bytes, size, NULL, 1, &a) != TSR_OK) return;
    assert_int_equal(graph_check(a), TSR_OK);
    if (tsr_nbytes(a) <= 1 << 20) {
        void *out = malloc((size_t)tsr_nbytes(a) + 1);
        (void)!tsr_compute(1, &a, &out);
        free(out);
    }
    tsr_release(a);
}

static void test_damage(void **state)
{
    tsr_session *s = tsr_session_open(NULL, &(tsr_options){.n_threads = 1, .memory_bytes = (size_t)64 << 20});
    tsr_array *x = table_array(s);
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < N_CASES; i++) {
        void *bytes;
        size_t size;
        tsr_array *a = cases[i].make(x);
        assert_int_equal(tsr_pack(1, &a, NULL, &bytes, &size), TSR_OK);
        for (size_t cut = 0; cut < size; cut += cut < 600 ? 1 : 997) try_bytes(s, bytes, cut);
        uint64_t head;
        memcpy(&head, (char *)bytes + 8, sizeof head);
        char *copy = malloc(size + 1);
        for (int k = 0; k < 400; k++) {
            memcpy(copy, bytes, size);
            for (int flips = 1 + k % 3; flips > 0; flips--) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                copy[PACK_HEAD_BYTES + random % head] ^= (char)(1 << (random >> 40) % 8);
            }
            try_bytes(s, copy, size);
        }
        free(copy);
        tsr_free(bytes);
        tsr_release(a);
    }
    tsr_release(x);
    tsr_session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_methods),
                                       cmocka_unit_test(test_sharing),     cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_stacks),      cmocka_unit_test(test_functions),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
