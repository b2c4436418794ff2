/* Patches: a few thousand elements of a box, on which every instruction of a program is run before the next patch begins.
 *
 * run.c cuts the box and moves from patch to patch; patch_steps.c works out once what does not change from patch to patch
 * (`step`); patch.c runs the instructions, patch_chain.c those in registers. One runner belongs to one thread. */
#ifndef TESSERA_KERNEL_PATCH_H
#define TESSERA_KERNEL_PATCH_H

#include "kernel/program.h"

#include <assert.h>

/* Bits of a form. A patch of one row has no value that varies along the rows, and likewise for columns. */
enum { ALONG_ROWS = 1, ALONG_COLS = 2, FULL = ALONG_ROWS | ALONG_COLS };

/* One element; an element for each row; an element for each column; or rows of elements, which may lie in the operand itself with
 * a pitch from row to row. What runs backwards has its first element at the highest address. */
typedef struct value {
    const char *data;
    int64_t pitch; /* FULL only: elements from row to row; equal to the columns when dense, their negative if reversed */
    int form;
    bool is_reversed;
    int ahead; /* number of the memory ahead where it lies as this value does, plus 1; 0: none */
} value;

/* A link of a chain before its operand has a place. */
typedef struct chain_part {
    chain_op op;
    int operand; /* a value, or one of: */
} chain_part;
enum { NO_OPERAND = -1, PUSHED_OPERAND = -2 };

/* An instruction with all that is the same for every patch of the box. */
typedef struct step {
    const instr *in;
    char *out;              /* its register */
    int form;               /* in patches of several rows and columns */
    bool is_absorbed;       /* MAP: done in registers for the instruction that it feeds */
    bool is_hoisted;        /* done once for all rows or all columns of a plane */
    bool is_kept;           /* and used patch by patch */
    bool in_place;          /* LOAD: rows can be used as they lie in memory, if their columns can */
    int64_t size;           /* bytes of an element of in->dtype */
    int64_t from_size[2];   /* of the first two inputs */
    const int64_t *strides; /* LOAD, STORE: bytes; INDEX, RANDOM: indices */
    int64_t row_stride, col_stride;
    int first_part, n_parts; /* MAP: its chain; 0 parts: none */
    union {
        gather_kernel gather;    /* LOAD */
        scatter_kernel scatter;  /* STORE */
        cast_kernel cast;        /* CAST */
        const map_kernel *forms; /* MAP */
        random_kernel random;    /* RANDOM */
    } kernel;
} step;

static_assert(sizeof(value) + sizeof(step) + 2 * sizeof(chain_part) <= PROGRAM_INSTR_BYTES,
              "program_finish leaves room for them");

enum { MAX_AHEAD = 4 };

/* Memory that the next patches will read. */
typedef struct ahead {
    memory_ahead memory;                     /* the first row, at each place */
    int64_t row_stride, row_bytes, rows, at; /* `at`: bytes of the first row that are asked for already */
} ahead;

typedef struct runner {
    const program *p;
    program_binding *b;
    char *scratch;
    value *values;
    step *steps;
    chain_part *parts;
    int n_parts;
    bool hoists;              /* something is worked out once for a plane */
    int64_t rows, cols;       /* of the current patch */
    int64_t at[TSR_MAX_NDIM]; /* first index of the patch in the box */
    /* From this patch to the next ones of the plane. */
    int n_next;
    struct {
        int64_t rows, cols;
    } next[AHEAD_PLACES];
    ahead ahead[MAX_AHEAD];
    int n_ahead;
    int n_calls;    /* instructions of a patch that do something, between which the memory ahead is asked for */
    element filled; /* what fills the strip of run_fold */
    int64_t n_filled;
    unsigned *faults;
} runner;

/* ---- Facts about patches and values ------------------------------------------------------------------------------- */

static inline int64_t patch_size(const runner *r) { return r->rows * r->cols; }
static inline bool value_is_dense(const runner *r, const value *v)
{
    return v->form != FULL || v->pitch == (v->is_reversed ? -r->cols : r->cols);
}

/* The number of elements that a dense value of a form has. */
static inline int64_t form_size(const runner *r, int form)
{
    return (form & ALONG_ROWS ? r->rows : 1) * (form & ALONG_COLS ? r->cols : 1);
}

static inline int64_t patch_offset(const runner *r, const int64_t *strides)
{
    int64_t offset = 0;
    for (int d = 0; d < r->b->ndim; d++) offset += r->at[d] * strides[d];
    return offset;
}

/* Bytes from row to row of an operand of a map that is done row by row. */
static inline int64_t value_row_step(const value *v, int64_t size)
{
    return v->form == FULL ? v->pitch * size : v->form != ALONG_ROWS ? 0 : v->is_reversed ? -size : size;
}

static inline char *patch_strip(const runner *r, int number) { return r->scratch + (size_t)number * PROGRAM_PATCH_BYTES; }

/* Are the rows of a patch folded into one cell as if they were one long row? */
static inline bool patch_folds_as_one(const runner *r, const accumulator_binding *a)
{
    int row_dim = r->b->ndim - 2, col_dim = r->b->ndim - 1;
    return (r->rows == 1 || a->cells[row_dim] == 0) && (r->cols == 1 || a->cells[col_dim] == 0) &&
           a->index_strides[row_dim] == a->index_strides[col_dim] * r->cols;
}

/* ---- Running ------------------------------------------------------------------------------------------------------ */

/* Works out the steps; the binding has its final order of dimensions. */
void patch_prepare(runner *r);
/* Before the first patch of a plane: what varies along its rows or its columns only, or not at all, is worked out for all of it.
 */
void patch_hoist(runner *r);
void patch_run(runner *r);

/* The chain that ends at step s, into its register. */
void patch_run_chain(runner *r, const step *s, value *v);
/* The chain that ends at the input of s, straight to the output or into the sum; false if it has to go through a register. */
bool patch_store_chain(runner *r, const step *s);
bool patch_sum_chain(runner *r, const step *s);

#endif
