/* Labelled arrays: what tsr_variable is. Never changed once made, reference-counted; a reference that the user holds is a handle
 * of the session (array/session.h), references inside variables and datasets are not. */
#ifndef TESSERA_DATASET_VARIABLE_H
#define TESSERA_DATASET_VARIABLE_H

#include "array/build.h"
#include "dataset/attrs.h"
#include "dataset/labels.h"
#include "dataset/time.h"

struct tsr_variable {
    session_object object;
    atomic_int refs;
    tsr_session *session;
    char *name; /* never NULL */
    tsr_array *array;
    int ndim;
    char *dims[TSR_MAX_NDIM]; /* NULL: no name */
    attrs *attributes;
    labels *values; /* what is in memory: dimension coordinates and single values; NULL otherwise */
    int n_coords;
    tsr_variable **coords;
    bool is_weak; /* a plain number: takes the dtype of what it meets */
    tsr_scalar number;
};

/* A variable with one reference and one handle. Borrows everything; attributes, values and like (whose coordinates are taken
 * where their dimensions are there) may be NULL. */
tsr_variable *variable_make(tsr_session *s, const char *name, tsr_array *array, const char *const *dims, attrs *attributes,
                            labels *values, const tsr_variable *like);
/* A coordinate around labels: its array reads them. */
tsr_variable *variable_of_labels(tsr_session *s, const char *name, const char *dim, labels *values, attrs *attributes);
tsr_variable *variable_ref(tsr_variable *v);
void variable_unref(tsr_variable *v);
tsr_variable *variable_find_coord(const tsr_variable *v, const char *name);
/* Puts a coordinate in (or in the place of that name); only while v is not shared yet. */
tsr_status variable_put_coord(tsr_variable *v, tsr_variable *coord) MUST_CHECK;
void variable_drop_coord(tsr_variable *v, const char *name);
/* Units and calendar of a time coordinate. */
tsr_status variable_time_units(const tsr_variable *v, time_units *out) MUST_CHECK;

#endif
