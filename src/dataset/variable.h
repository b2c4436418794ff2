/* Labelled arrays, inside. A variable is built by one thread (variable_new, variable_clone, then its fields), and never changes
 * once anybody else can see it. */
#ifndef TESSERA_DATASET_VARIABLE_H
#define TESSERA_DATASET_VARIABLE_H

#include "array/session.h"
#include "dataset/attrs.h"
#include "dataset/labels.h"
#include "dataset/time.h"

typedef enum variable_role {
    ROLE_DATA,
    ROLE_COORD,  /* of a dimension, or named by an attribute `coordinates` */
    ROLE_BOUNDS, /* of a coordinate: has one dimension more than it */
    ROLE_MAPPING /* a grid mapping: a scalar that only carries attributes */
} variable_role;

struct tsr_variable {
    session_object object; /* first: the session's list points here */
    atomic_int refs;
    tsr_session *session;
    char *name; /* never NULL */
    int ndim;
    char *dims[TSR_MAX_NDIM]; /* NULL: no name */
    int64_t shape[TSR_MAX_NDIM];
    tsr_dtype dtype;
    tsr_array *array; /* a reference; NULL where the values are labels */
    labels *labels;   /* a reference; the values of single numbers and 1-D coordinates, in memory; NULL otherwise */
    attrs *attrs;     /* a reference; never NULL */
    variable_role role;
    bool is_weak;      /* a plain number: takes the dtype of what it meets */
    tsr_scalar scalar; /* that number */
    bool is_time;      /* `time` is what the units say */
    time_units time;
    store *file; /* where the values come from unchanged, for the summary; NULL otherwise */
    int file_var;
    int n_coords;
    tsr_variable **coords; /* references; these have no coordinates of their own */
};

/* A variable with a name and no dimensions, one reference, an empty list of attributes. `name` may be NULL. */
tsr_status variable_new(tsr_session *session, const char *name, tsr_variable **out) MUST_CHECK;
/* The same again, sharing everything that does not change. */
tsr_status variable_clone(const tsr_variable *v, tsr_variable **out) MUST_CHECK;
/* The same dimensions, coordinates and attributes around another array (of any dtype), whose reference is taken, also on failure.
 * A NULL array fails with the error it left. */
tsr_status variable_with_array(const tsr_variable *v, tsr_array *take_array, tsr_variable **out) MUST_CHECK;
/* TSR_OK for an array; for NULL the error that was left. */
tsr_status array_status(const tsr_array *array) MUST_CHECK;
tsr_variable *variable_ref(tsr_variable *v);
void variable_unref(tsr_variable *v);
/* Gives the caller's reference to the user as a handle. NULL stays NULL. Returns v. */
tsr_variable *variable_publish(tsr_variable *v);
/* What public functions end with: a published variable if the status is ok, NULL otherwise. The variable is looked at after the
 * status has been computed: `variable_result(make(..., &out), &out)`. */
tsr_variable *variable_result(tsr_status status, tsr_variable *const *v);

/* Changes to a variable that is being built. */
tsr_status variable_add_dim(tsr_variable *v, const char *name, int64_t length) MUST_CHECK;
tsr_status variable_set_name(tsr_variable *v, const char *name) MUST_CHECK;
tsr_status variable_set_dim(tsr_variable *v, int axis, const char *name) MUST_CHECK;
void variable_drop_dim(tsr_variable *v, int axis);
/* Takes the reference; the array's shape becomes the variable's, which must have as many dimensions. */
void variable_take_array(tsr_variable *v, tsr_array *array);
void variable_take_labels(tsr_variable *v, labels *l);
/* The variable's own attributes, for changing. */
tsr_status variable_own_attrs(tsr_variable *v, attrs **out) MUST_CHECK;
tsr_status variable_add_coord(tsr_variable *v, tsr_variable *coord) MUST_CHECK; /* a new reference; replaces one of that name */
void variable_remove_coord(tsr_variable *v, const char *name);
void variable_clear_coords(tsr_variable *v);
/* Sets is_time from the attributes units and calendar; units that cannot be read are not a time. */
void variable_find_time(tsr_variable *v);

/* Computes the values of a single number or of a 1-D variable that are an array so far into labels; others stay as they are. */
tsr_status variable_load(tsr_variable *v) MUST_CHECK;

/* The values as an array: a new reference, NULL on failure. */
tsr_array *variable_array(const tsr_variable *v);
/* Axis of a dimension of this very name, or -1. No error. */
int variable_find_dim(const tsr_variable *v, const char *name);
/* Axis of a dimension given by name or number. TSR_ERR_NOT_FOUND, TSR_ERR_INDEX. */
tsr_status variable_axis(const tsr_variable *v, const char *dim, int *axis) MUST_CHECK;
tsr_variable *variable_find_coord(const tsr_variable *v, const char *name);
/* The coordinate of the axis: the one of the dimension's own name, labels in memory. NULL if there is none. */
tsr_variable *variable_dim_coord(const tsr_variable *v, int axis);
/* "t2m" or, without a name, "the array". */
const char *variable_title(const tsr_variable *v);
/* Text of one value: a date for times, a name where flag_meanings gives one. */
char *variable_label_format(const tsr_variable *v, double value, char *buffer, size_t size);
/* Do both say the same: dimensions, shape and values (labels compared, arrays by identity)? */
bool variable_same(const tsr_variable *a, const tsr_variable *b);

#endif
