/* Patches: a few thousand elements of a box, on which every instruction of a program is run before the next patch begins.
 *
 * run.c cuts the box and moves from patch to patch; patch.c runs the instructions. What does not change from patch to patch is
 * worked out once (`step`). One runner belongs to one thread. */
#ifndef TESSERA_KERNEL_PATCH_H
#define TESSERA_KERNEL_PATCH_H

#include "kernel/program.h"

#include <assert.h>

/* Bits of a form. A patch of one row has no value that varies along the rows, and likewise for columns. */
enum { ALONG_ROWS = 1, ALONG_COLS = 2, FULL = ALONG_ROWS | ALONG_COLS };

/* One element; an element for each row; an element for each column; or rows of elements, which may lie in the operand itself with
 * a pitch from row to row. */
typedef struct value {
    const char *data;
    int64_t pitch; /* FULL only: elements from row to row; equal to the columns when dense */
    int form;
    int ahead; /* number of the memory ahead where it lies as this value does, plus 1; 0: none */
} value;

/* An instruction with all that is the same for every patch of the box. */
typedef struct step {
    const instr *in;
    char *out;              /* its register */
    int64_t size;           /* bytes of an element of in->dtype */
    int64_t from_size[2];   /* of the first two inputs */
    const int64_t *strides; /* LOAD, STORE: bytes; INDEX, RANDOM: indices */
    int64_t row_stride, col_stride;
    int chain;        /* MAP: the first operation of the chain that is run here; itself if there is none */
    bool is_absorbed; /* MAP: run as a part of a chain */
    int64_t pitch;    /* LOAD: elements from row to row where rows can be used as they lie in memory, else -1 */
    union {
        gather_kernel gather;    /* LOAD */
        scatter_kernel scatter;  /* STORE */
        cast_kernel cast;        /* CAST */
        const map_kernel *forms; /* MAP */
        random_kernel random;    /* RANDOM */
    } kernel;
} step;

static_assert(sizeof(value) + sizeof(step) <= PROGRAM_INSTR_BYTES, "program_finish leaves room for values and steps");

enum { MAX_AHEAD = 4 };

/* Memory that the next patch will read. */
typedef struct ahead {
    const char *row;
    int64_t row_stride, row_bytes, rows, at; /* `at`: bytes of the first row that are asked for already */
} ahead;

typedef struct runner {
    const program *p;
    program_binding *b;
    char *scratch;
    value *values; /* before the first patch: with the forms of patches of several rows and columns */
    step *steps;
    int64_t rows, cols;           /* of the current patch */
    int64_t at[TSR_MAX_NDIM];     /* first index of the patch in the box */
    int64_t next_rows, next_cols; /* from this patch to the next, both 0 at the end of a plane */
    ahead ahead[MAX_AHEAD];
    int n_ahead;
    int n_calls;    /* instructions of a patch that do something, between which the memory ahead is asked for */
    element filled; /* what fills the strip of run_fold */
    int64_t n_filled;
    unsigned *faults;
} runner;

/* Works out the steps; the binding has its final order of dimensions. */
void patch_prepare(runner *r);
void patch_run(runner *r);

#endif
