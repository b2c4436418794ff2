/* What is known of a file after its header and its small coordinates have been read. */
#ifndef TESSERA_DATASET_META_H
#define TESSERA_DATASET_META_H

#include "dataset/cf.h"
#include "dataset/variable.h"

typedef struct file_meta {
    const char *path; /* borrowed */
    store *file;
    /* One for each of the file's variables: */
    variable_role *roles;
    cf_packing *packings;
    labels **labels; /* decoded values of single numbers and 1-D coordinates; NULL for the others */
} file_meta;

/* On failure nothing is left behind; the text begins with the path. Any thread. */
tsr_status meta_open(const char *path, bool as_stored, file_meta *out) MUST_CHECK;
/* The same of a store that is open already; takes it, also on failure. */
tsr_status meta_of_store(const char *path, store *take_file, bool as_stored, file_meta *out) MUST_CHECK;
void meta_close(file_meta *m);
/* Opens n files on up to n_threads threads (0: as many as are useful). On failure nothing is left behind and the error is the one
 * of the first file that failed. */
tsr_status meta_open_many(int n, const char *const *paths, bool as_stored, int n_threads, file_meta *out) MUST_CHECK;
/* Index of a variable, or -1. */
int meta_find(const file_meta *m, const char *name);
/* The units and calendar of a variable; of bounds: those of their coordinate. False if they are not a time. */
bool meta_time_units(const file_meta *m, int var, time_units *out);

#endif
