/* Many files as one: along which dimension, in which order, and whether they agree. */
#ifndef TESSERA_DATASET_JOIN_H
#define TESSERA_DATASET_JOIN_H

#include "dataset/meta.h"

typedef struct join {
    int n;             /* files, at least 1 */
    file_meta **files; /* in order; borrowed metas, owned array */
    const char *dim;   /* the joined dimension: a name in the first file, or the caller's. NULL for one file */
    bool is_new_dim;   /* no file has it: every file is one step along it */
    int *index;        /* index[f * n_vars + k]: variable k of the first file in file f */
} join;

/* Chooses the dimension (`dim` NULL: the unlimited one, or else the one that differs), sorts, and checks. Files without a step
 * along the dimension are left out. metas are borrowed. */
tsr_status join_init(join *j, int n, file_meta *metas, const char *dim) MUST_CHECK;
void join_fini(join *j);
/* Is variable k of the first file spread over the files? */
bool join_spreads(const join *j, int k);
/* Steps of file f along the joined dimension. */
int64_t join_length(const join *j, int f);
/* Numbers of variable k in file f become the first file's by x * *scale + *offset; false if they need no change. */
bool join_time_conversion(const join *j, int f, int k, double *scale, double *offset);

#endif
