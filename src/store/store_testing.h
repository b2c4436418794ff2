/* What the tests of stores share: a scratch folder, values, the reference for regions, files made and damaged by hand.
 * All of it is static inline, so that a test program is one file. */
#ifndef TESSERA_STORE_TESTING_H
#define TESSERA_STORE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "block/dtype.h"
#include "store/store.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct store_conformance {
    const char *format, *extension;
    unsigned dtypes;   /* bit d: dtype d can be written */
    tsr_dtype bool_as; /* what a bool comes back as */
    bool one_array;    /* no names, attributes or further variables */
    bool keeps_unlimited;
    bool cut_always_fails;      /* any file cut short is refused at opening (it ends with data) */
    size_t damage_step;         /* cut at and damage only every n-th byte, where opening is slow; 0: each */
    bool allocates_outside_mem; /* a library's allocations: the out-of-memory sweep cannot count them */
} store_conformance;

/* ---- Helpers ----------------------------------------------------------------------------------------------------- */

#define assert_ok(expr)                                                                                                          \
    do {                                                                                                                         \
        if ((expr) != TSR_OK) fail_msg("%s: %s", #expr, tsr_error_message());                                                    \
    } while (0)

/* A folder of this test program, removed with what is in it by scratch_remove. */
static char scratch[64];

static inline int scratch_make(void **state)
{
    snprintf(scratch, sizeof scratch, "/tmp/tessera-store-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_count(void)
{
    int n = 0;
    DIR *dir = opendir(scratch);
    for (struct dirent *e; dir && (e = readdir(dir));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (dir) closedir(dir);
    return n;
}

static inline int scratch_remove(void **state)
{
    char path[512];
    DIR *dir = opendir(scratch);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", scratch, e->d_name);
        unlink(path);
    }
    if (dir) closedir(dir);
    return rmdir(scratch);
}

static inline const char *scratch_path(const store_conformance *c, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s%s", scratch, name, c->extension);
    return path;
}

/* Numbers for tests: splitmix64 (Steele, Lea, Flood, 2014). */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* n values of a dtype, all bit patterns (for bool 0 and 1); from malloc. */
static inline char *test_values(tsr_dtype dtype, int64_t n, uint64_t seed)
{
    size_t n_bytes = (size_t)n * tsr_dtype_size(dtype);
    unsigned char *p = malloc(n_bytes + 8);
    for (size_t i = 0; i < n_bytes; i++) p[i] = (unsigned char)test_random(&seed) & (dtype == TSR_BOOL ? 1 : 0xff);
    return (char *)p;
}

/* Reads and turns the bytes into the host's order. */
static inline void read_native(store *s, const store_var *var, const box *part, const int64_t *step, void *out)
{
    int64_t n_read = 0;
    assert_ok(store_read(s, var, part, step, out, &n_read));
    if (!var->swapped) return;
    size_t half = tsr_dtype_size(var->dtype) / (dtype_is_complex(var->dtype) ? 2 : 1), n = (size_t)box_size(part);
    if (dtype_is_complex(var->dtype)) n *= 2;
    for (unsigned char *p = out; n-- > 0; p += half) {
        for (size_t i = 0; i < half / 2; i++) {
            unsigned char t = p[i];
            p[i] = p[half - 1 - i];
            p[half - 1 - i] = t;
        }
    }
}

/* Copies a part of a dense array to a dense block, one element at a time: the reference. */
static inline void copy_region(const char *from, const store_var *var, const box *part, const int64_t *step, char *out)
{
    int64_t strides[TSR_MAX_NDIM], at[TSR_MAX_NDIM] = {0};
    size_t item = tsr_dtype_size(var->dtype);
    shape_strides(var->ndim, var->shape, item, strides);
    for (int64_t n = box_size(part); n > 0; n--, out += item) {
        int64_t offset = 0;
        for (int d = 0; d < var->ndim; d++) offset += (part->start[d] + at[d] * (step ? step[d] : 1)) * strides[d];
        memcpy(out, from + offset, item);
        for (int d = var->ndim - 1; d >= 0 && ++at[d] == part->count[d]; d--) at[d] = 0;
    }
}

/* The grid a writer wants; along a dimension that it leaves whole, pieces of at most `most`. */
static inline grid writer_grid(const store_var *var, int64_t most)
{
    grid g = {.ndim = var->ndim};
    for (int d = 0; d < var->ndim; d++) {
        int64_t chunk = var->chunk[d];
        if (chunk >= var->shape[d] && chunk > most) chunk = most;
        g.axes[d] = axis_grid_regular(var->shape[d], chunk);
    }
    return g;
}

static inline tsr_status write_block(store_writer *w, int i, const grid *g, int64_t block, const char *values)
{
    box b = grid_box(g, block);
    char *part = malloc((size_t)box_size(&b) * tsr_dtype_size(w->vars[i].dtype) + 1);
    copy_region(values, &w->vars[i], &b, NULL, part);
    tsr_status status = store_write(w, i, &b, part);
    free(part);
    return status;
}

static inline tsr_status write_all(store_writer *w, int i, const char *values)
{
    grid g = writer_grid(&w->vars[i], INT64_MAX);
    for (int64_t block = 0; block < grid_n_blocks(&g); block++) TRY(write_block(w, i, &g, block, values));
    return TSR_OK;
}

/* A schema with one variable of up to four dimensions, and its file written. */
typedef struct one_var {
    store_dim dims[4];
    store_var var;
    store_schema schema;
    char *values;
} one_var;

static inline void one_var_init(one_var *o, tsr_dtype dtype, int ndim, const int64_t *shape)
{
    static char *const names[4] = {"time", "level", "lat", "lon"};
    *o = (one_var){.var = {.name = "data", .dtype = dtype, .ndim = ndim}};
    for (int d = 0; d < ndim; d++) {
        o->dims[d] = (store_dim){.name = names[d], .length = shape[d]};
        o->var.dims[d] = d;
        o->var.shape[d] = shape[d];
    }
    o->schema = (store_schema){.n_dims = ndim, .n_vars = 1, .dims = o->dims, .vars = &o->var};
    o->values = test_values(dtype, shape_size(ndim, shape), (uint64_t)dtype + 7);
}

static inline tsr_status one_var_write(const store_conformance *c, const one_var *o, const char *path)
{
    store_writer *w;
    TRY(store_create(path, c->format, &o->schema, &w));
    tsr_status status = write_all(w, 0, o->values);
    if (status == TSR_OK) return store_finish(w);
    store_abort(w);
    return status;
}

static inline char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n + 1);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static inline void spill(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Opens a file that may be damaged and reads the two ends of all that it claims to have. True if it opened. */
static inline bool try_file(const char *path)
{
    store *s;
    char out[4096];
    if (store_open(path, &s) != TSR_OK) {
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());
        return false;
    }
    for (int i = 0; i < s->n_vars; i++) {
        const store_var *var = &s->vars[i];
        box first = {.ndim = var->ndim}, last = {.ndim = var->ndim};
        bool empty = var->is_text;
        for (int d = 0; d < var->ndim; d++) {
            first.count[d] = last.count[d] = 1;
            last.start[d] = var->shape[d] - 1;
            empty = empty || var->shape[d] == 0;
        }
        if (empty) continue;
        if (store_read(s, var, &first, NULL, out, NULL) != TSR_OK) assert_true(tsr_error_message()[0] != '\0');
        if (store_read(s, var, &last, NULL, out, NULL) != TSR_OK) assert_true(tsr_error_message()[0] != '\0');
    }
    store_unref(s);
    return true;
}

/* A test with a scratch folder. */
#define SCRATCH_TEST(function) cmocka_unit_test_setup_teardown(function, scratch_make, scratch_remove)

#endif
