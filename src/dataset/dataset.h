/* Datasets, inside. */
#ifndef TESSERA_DATASET_DATASET_H
#define TESSERA_DATASET_DATASET_H

#include "dataset/variable.h"

typedef struct dataset_dim {
    char *name;
    int64_t length;
    bool is_unlimited;
} dataset_dim;

struct tsr_dataset {
    session_object object; /* first */
    atomic_int refs;
    tsr_session *session;
    int n_dims;
    dataset_dim *dims;
    int n_data, n_vars;
    tsr_variable **vars; /* references: n_data data variables with their coordinates, then the coordinates, bare */
    attrs *attrs;        /* its own, never shared */
    int n_texts;
    char **texts; /* "name(dim, dim)" of variables that hold text and are not arrays */
    char *title;  /* the path, or what it stands for; NULL for one made in memory */
    int n_files;
    store *first; /* the first file, for the summary; NULL for one made in memory */
    int64_t file_bytes;
};

tsr_status dataset_new(tsr_session *session, tsr_dataset **out) MUST_CHECK;
void dataset_unref(tsr_dataset *ds);
int dataset_find_dim(const tsr_dataset *ds, const char *name);
/* A dimension that exists must have this length. */
tsr_status dataset_add_dim(tsr_dataset *ds, const char *name, int64_t length, bool is_unlimited) MUST_CHECK;
/* Index into vars, or -1. */
int dataset_find(const tsr_dataset *ds, const char *name);
/* Appends to the data variables or (by its role) to the coordinates; takes a new reference. */
tsr_status dataset_add(tsr_dataset *ds, tsr_variable *v) MUST_CHECK;
/* Is `name` one of the words of a list like "lat lon" or "area: cell_area"? */
bool dataset_word_in(const char *name, const char *list);

#endif
