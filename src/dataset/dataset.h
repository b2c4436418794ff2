/* Datasets: what tsr_dataset is. Opening makes one whole; put and set_text change it, by one thread at a time. */
#ifndef TESSERA_DATASET_DATASET_H
#define TESSERA_DATASET_DATASET_H

#include "dataset/variable.h"

struct tsr_dataset {
    session_object object;
    atomic_int refs;
    tsr_session *session;
    attrs *attributes;
    int n_vars, n_data; /* data variables first */
    tsr_variable **vars;
    store **files;
    int n_files;
};

tsr_dataset *dataset_make(tsr_session *s);
/* Appends; coordinates go behind the data variables. */
tsr_status dataset_append(tsr_dataset *d, tsr_variable *v, bool is_coord) MUST_CHECK;

/* The variable of a file as people mean it: packed values scaled, fill values NaN (dataset/cf.c). attributes receives what is
 * left of them: those that described the packing are gone. raw: as stored. */
tsr_array *cf_decode(tsr_array *stored, const store_var *var, bool raw);
tsr_status cf_attributes(const store_var *var, bool raw, attrs **out) MUST_CHECK;
/* Do two variables pack alike? */
bool cf_same_packing(const store_var *a, const store_var *b);

#endif
