/* Evaluating expressions: trees (ast.h) become values. Arrays stay lazy: nothing is computed here but single numbers that a
 * function needs to know, such as the range of a histogram.
 *
 * Everything lives in the evaluator's arena or, arrays and variables, in its session, which is opened when the first array is
 * needed. One thread. */
#ifndef TESSERA_CLI_EVAL_H
#define TESSERA_CLI_EVAL_H

#include "cli/ast.h"

#include "array/udf.h"
#include "base/vec.h"

/* ---- Values ------------------------------------------------------------------------------------------------------ */

typedef enum value_kind {
    VALUE_NONE,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_LIST,  /* items */
    VALUE_SLICE, /* items: start, stop, step, each maybe VALUE_NONE */
    VALUE_ELLIPSIS,
    VALUE_DTYPE, /* number.dtype */
    VALUE_VARIABLE,
    VALUE_DATE_PART, /* variable is the time coordinate, text the part: time.month */
    VALUE_GROUPED,   /* variable, text is what it is grouped by: "time.month". With items the dimension: items[0] is a period of
                      * time   (text), or the length of a running window (number); items[1]: is it centred? */
    VALUE_DIM,       /* text: the name of a dimension without a coordinate */
    VALUE_FUNCTION,  /* text: its name */
    VALUE_MODULE     /* text: np, da, random ... */
} value_kind;

typedef struct value value;
struct value {
    value_kind kind;
    bool is_tuple;
    int n_items;
    tsr_scalar number;
    const char *text;
    value *items;
    tsr_variable *variable;
};

/* "a number", "a string" ... for messages. */
const char *value_words(const value *v);
static inline value value_number(tsr_scalar number) { return (value){.kind = VALUE_NUMBER, .number = number}; }

/* Arithmetic on plain numbers, as Python does it, in 64 bits. TSR_ERR_VALUE where the result does not fit or does not exist. */
tsr_status number_unary(const char *name, tsr_scalar a, tsr_scalar *out) MUST_CHECK;
tsr_status number_binary(const char *name, tsr_scalar a, tsr_scalar b, tsr_scalar *out) MUST_CHECK;
double number_double(tsr_scalar a);
bool number_is_integer(tsr_scalar a); /* int or bool */
int64_t number_int(tsr_scalar a);

/* ---- The evaluator ----------------------------------------------------------------------------------------------- */

typedef struct binding {
    const char *name;
    value v;
} binding;

/* Chunk lengths from --chunks: by dimension name, or by position (name NULL). */
typedef struct chunk_wish {
    const char *name;
    int64_t length; /* -1 the whole dimension, 0 automatic */
} chunk_wish;

typedef struct evaluator {
    arena memory;
    tsr_options options;
    const char *address; /* of the cluster to compute on; NULL: this process */
    tsr_session *session;
    tsr_dataset *dataset; /* the files' variables; may be NULL */
    VEC(binding) sources; /* name=GLOB:var */
    VEC(binding) names;   /* assigned, in order of first assignment */
    VEC(chunk_wish) chunks;
    uint64_t n_random; /* random arrays made without a seed: each gets the next */
    udf_library *udf;  /* functions of the user's own; the session's; may be NULL */
    bool may_compute;
    tsr_status (*opened)(void *context, tsr_session *session); /* called when the session has been opened; may be NULL */
    void *opened_context;
    const ast_program *program;
    bool has_error_at;
    span error_at;
} evaluator;

void evaluator_init(evaluator *e, const tsr_options *options);
void evaluator_fini(evaluator *e);
/* The session, opened at the first call. */
tsr_status evaluator_session(evaluator *e, tsr_session **out) MUST_CHECK;

/* Runs all statements. `last` is the last statement's value. On failure e->error_at is the place, if there is one. */
tsr_status evaluate_program(evaluator *e, const ast_program *program, value *last) MUST_CHECK;
tsr_status evaluate(evaluator *e, const ast *node, value *out) MUST_CHECK;
/* What a name stands for; false if nothing. */
bool evaluator_lookup(evaluator *e, const char *name, bool is_called, value *out, tsr_status *status);

/* Records where; the first place that is recorded stays. Returns `status`. */
tsr_status fail_here(evaluator *e, span at, tsr_status status);

/* Numbers, lists of numbers and parts of dates become variables. */
tsr_status value_to_variable(evaluator *e, const value *v, tsr_variable **out) MUST_CHECK;
tsr_status value_to_array(evaluator *e, const value *v, tsr_array **out) MUST_CHECK;
/* A whole number, a number; a lazy array of one element is computed. */
tsr_status value_to_int(evaluator *e, const value *v, int64_t *out) MUST_CHECK;
tsr_status value_to_double(evaluator *e, const value *v, double *out) MUST_CHECK;
/* Wraps what a library call returned: NULL becomes the library's error. */
tsr_status value_take(tsr_variable *v, value *out) MUST_CHECK;
/* An elementwise function of one to three operands. Arrays without names go by their shapes alone. */
tsr_status value_apply(const char *name, int n, tsr_variable *const *operands, value *out) MUST_CHECK;
/* A fresh array with no names. */
tsr_status value_take_array(tsr_array *a, value *out) MUST_CHECK;
/* The same with the names of `like`, whose shape it has. */
tsr_status value_take_like(tsr_variable *like, tsr_array *a, value *out) MUST_CHECK;
/* VALUE_GROUPED, reduced: by a reduction of NumPy's, or "anomaly". */
tsr_status value_reduce_groups(const value *grouped, const char *name, value *out) MUST_CHECK;

/* Where `a` is not zero: a tuple of arrays without names, one for each dimension. */
tsr_status value_take_nonzero(evaluator *e, tsr_array *a, value *out) MUST_CHECK;

/* The same with these names (each may be NULL) and with the coordinates and units of `from` that still fit. */
tsr_status value_take_dims(tsr_variable *from, tsr_array *a, const char *const *dims, value *out) MUST_CHECK;

/* x[...] and x.sel(...) / x.isel(...): see fn_select.c. */
tsr_status evaluate_index(evaluator *e, const ast *node, value *out) MUST_CHECK;
/* One dimension's selection by label (or by position). The value is a number, a string, a list or a slice. */
tsr_status select_along(evaluator *e, tsr_variable *v, const char *dim, const value *what, bool by_label, bool nearest,
                        tsr_variable **out) MUST_CHECK;
tsr_status evaluate_attribute(evaluator *e, const ast *node, value *out) MUST_CHECK;
bool date_part_exists(const char *name);

/* ---- Functions --------------------------------------------------------------------------------------------------- */

enum { MAX_PARAMETERS = 10 };

typedef struct function function;

/* A call whose arguments have been matched with the function's parameters but not evaluated. */
typedef struct fn_call {
    evaluator *e;
    const function *f;
    const char *name; /* as it was called */
    const ast *node;
    bool has_receiver; /* x.mean(...): the receiver is parameter 0 */
    value receiver;
    const ast *given[MAX_PARAMETERS]; /* NULL: not given */
    int n_rest;                       /* keywords of functions whose parameters end in "..." */
    const ast **rest;
} fn_call;

struct function {
    const char *name;
    const char *parameters; /* "x, axis|dim=None, keepdims=False"; "..." at the end takes any keywords */
    const char *help;
    tsr_status (*run)(fn_call *c, value *out);
};

/* Tables by subject, each ended by a NULL name. */
extern const function create_functions[], random_functions[], shape_functions[], reduce_functions[], select_functions[],
    math_functions[], numeric_functions[], place_functions[], part_functions[];
/* What all functions of the user's own source share. */
extern const function udf_function;
/* The function of that name; NULL. Elementwise functions of the library share one entry. */
const function *function_find(const char *name);
/* The same, the user's own functions first. */
const function *evaluator_function(const evaluator *e, const char *name);
/* Feeds every function's name to `n`. */
void functions_consider(nearest *n);
tsr_status function_call(evaluator *e, const function *f, const char *name, const ast *node, const value *receiver,
                         value *out) MUST_CHECK;

/* Arguments by parameter number; the defaults stand in *out already. A failure points at the argument. */
/* Where the argument stands; the whole call where it is not given. */
span arg_place(const fn_call *c, int i);
bool arg_given(const fn_call *c, int i); /* given, and not None */
tsr_status arg_value(fn_call *c, int i, value *out) MUST_CHECK;
tsr_status arg_variable(fn_call *c, int i, tsr_variable **out) MUST_CHECK;
tsr_status arg_array(fn_call *c, int i, tsr_array **out) MUST_CHECK;
tsr_status arg_int(fn_call *c, int i, int64_t *out) MUST_CHECK;
tsr_status arg_double(fn_call *c, int i, double *out) MUST_CHECK;
tsr_status arg_bool(fn_call *c, int i, bool *out) MUST_CHECK;
tsr_status arg_text(fn_call *c, int i, const char **out) MUST_CHECK;
tsr_status arg_dtype(fn_call *c, int i, tsr_dtype *out) MUST_CHECK;
/* One number or a list of them; *n receives how many. At most `capacity`. */
tsr_status arg_ints(fn_call *c, int i, int capacity, int *n, int64_t *out) MUST_CHECK;
/* The lengths of an array: one number or a list. */
tsr_status arg_shape(fn_call *c, int i, int *ndim, int64_t *shape) MUST_CHECK;
/* Indices in the arena: a number, a list, or a lazy array, which is computed now. */
tsr_status arg_indices(fn_call *c, int i, int64_t *n, int64_t **out) MUST_CHECK;
tsr_status arg_doubles(fn_call *c, int i, int64_t *n, double **out) MUST_CHECK;
/* A list of arrays. */
tsr_status arg_variables(fn_call *c, int i, int *n, tsr_variable ***out) MUST_CHECK;
/* chunks= for an array of `ndim` dimensions; *out is NULL for automatic ones, else `storage`. */
tsr_status arg_chunks(fn_call *c, int i, int ndim, int64_t *storage, const int64_t **out) MUST_CHECK;

/* Dimensions, by name or number: mean(x, time), mean(x, "time"), mean(x, (0, 1)). n = 0: not given. */
typedef struct dim_list {
    int n;
    const char *names[TSR_MAX_NDIM];
    int axes[TSR_MAX_NDIM];
} dim_list;
tsr_status arg_dims(fn_call *c, int i, tsr_variable *of, dim_list *out) MUST_CHECK;
/* The names in a dims argument that need not exist yet (for renaming, stacking); NULL where not given. */
tsr_status arg_name(fn_call *c, int i, const char **out) MUST_CHECK;

#endif
