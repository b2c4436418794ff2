/* Labels: the values of a small coordinate, in memory. Reference-counted, never changed once shared. */
#ifndef TESSERA_DATASET_LABELS_H
#define TESSERA_DATASET_LABELS_H

#include "block/dtype.h"

#include <stdatomic.h>

typedef struct labels {
    atomic_int refs;
    int64_t n;
    tsr_dtype dtype;
    void *data;     /* n values of dtype */
    double *values; /* the same as doubles; NULL until labels_finish */
} labels;

/* Room for n values, which the caller fills in and then calls labels_finish. Real dtypes only. */
tsr_status labels_new(tsr_dtype dtype, int64_t n, labels **out) MUST_CHECK;
tsr_status labels_finish(labels *l) MUST_CHECK;
tsr_status labels_from_doubles(int64_t n, const double *values, labels **out) MUST_CHECK;
tsr_status labels_from_ints(int64_t n, const int64_t *values, labels **out) MUST_CHECK;
labels *labels_ref(labels *l);
void labels_unref(labels *l);

/* Values start, start + step, ... or, if indices is not NULL, those at these n indices. */
tsr_status labels_pick(const labels *l, int64_t start, int64_t step, int64_t n, const int64_t *indices, labels **out) MUST_CHECK;
/* One after the other. Different dtypes become f64. */
tsr_status labels_concat(int n, labels *const *parts, labels **out) MUST_CHECK;
/* scale * x + offset, in f64. */
tsr_status labels_convert(const labels *l, double scale, double offset, labels **out) MUST_CHECK;
/* The first index where two differ (a NaN equals a NaN), or -1. The lengths must be the same. */
int64_t labels_difference(const labels *a, const labels *b);
/* 1 if strictly increasing, -1 if strictly decreasing, 0 if neither. One label is increasing. */
int labels_direction(const labels *l);

#endif
