/* What the tests of this folder share: a session, variables from lists of numbers, and their values back. */
#ifndef TESSERA_DATASET_DATASET_TESTING_H
#define TESSERA_DATASET_DATASET_TESTING_H

#include "dataset/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(status)                                                                                                        \
    do {                                                                                                                         \
        if ((status) != TSR_OK) fail_msg("%s", tsr_error_message());                                                             \
    } while (0)

/* The result of a public function, which must not be NULL. */
#define made(pointer)                                                                                                            \
    ({                                                                                                                           \
        __typeof__(pointer) made_ = (pointer);                                                                                   \
        assert_made(made_, __FILE__, __LINE__);                                                                                  \
        made_;                                                                                                                   \
    })
static inline void assert_made(const void *p, const char *file, int line)
{
    if (!p) {
        print_error("%s:%d: %s\n", file, line, tsr_error_message());
        fail();
    }
}

/* The call failed, and its message contains these words. */
static inline void assert_failed(const void *p, const char *words)
{
    assert_null(p);
    if (!strstr(tsr_error_message(), words)) fail_msg("'%s' is not in '%s'", words, tsr_error_message());
}

static inline int open_session(void **state)
{
    *state = tsr_session_open(NULL, NULL);
    return *state ? 0 : -1;
}

static inline int close_session(void **state)
{
    tsr_session_close(*state);
    return 0;
}

static inline void release_values(void *p) { free(p); }

/* An array of float64 that owns a copy of the numbers. */
static inline tsr_array *numbers(tsr_session *s, int ndim, const int64_t *shape, const double *values)
{
    size_t n = (size_t)shape_size(ndim, shape) * sizeof *values;
    double *copy = malloc(n ? n : 1);
    if (n) memcpy(copy, values, n);
    tsr_array *a = tsr_from_memory(s, copy, TSR_F64, ndim, shape, NULL, release_values, copy, NULL);
    assert_made(a, __FILE__, __LINE__);
    return a;
}

/* A variable along one dimension. */
static inline tsr_variable *line(tsr_session *s, const char *name, const char *dim, int64_t n, const double *values)
{
    tsr_variable *v = tsr_variable_new(name, numbers(s, 1, &n, values), &dim);
    assert_made(v, __FILE__, __LINE__);
    return v;
}

/* The same as the coordinate of its own dimension, with units. */
static inline tsr_variable *axis_of(tsr_session *s, const char *dim, int64_t n, const double *values, const char *units)
{
    tsr_variable *v = line(s, dim, dim, n, values);
    return units ? tsr_variable_set_text(v, "units", units) : v;
}

/* Computes the variable and compares it with the numbers; NaN equals NaN. */
static inline void assert_values(tsr_variable *v, int64_t n, const double *want)
{
    assert_made(v, __FILE__, __LINE__);
    tsr_array *a = tsr_astype(tsr_variable_array(v), TSR_F64);
    assert_int_equal(tsr_size(a), n);
    double *got = malloc((size_t)(n ? n : 1) * sizeof *got);
    assert_ok(tsr_compute_into(a, got, (size_t)n * sizeof *got));
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want[i] && !(got[i] != got[i] && want[i] != want[i]))
            fail_msg("%s: element %lld is %.17g and not %.17g", v->name, (long long)i, got[i], want[i]);
    free(got);
}

#endif
