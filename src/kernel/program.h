/* Programs: the fused body of a stage. A program is a short list of instructions over values; it is run over a box of indices,
 * patch by patch (a few thousand elements), so that a chain of operations touches main memory once.
 *
 * A program is built once (program_add_*, program_finish), is immutable afterwards, and may be run by many threads at once, each
 * with its own binding and scratch memory. It names its operands, generators, outputs and accumulators by number ("slots"); a
 * binding gives each slot its place in memory for one box. */
#ifndef TESSERA_KERNEL_PROGRAM_H
#define TESSERA_KERNEL_PROGRAM_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "kernel/kernel.h"

typedef enum instr_kind {
    INSTR_CONST,
    INSTR_LOAD,
    INSTR_INDEX,
    INSTR_RANDOM,
    INSTR_CAST,
    INSTR_MAP,
    INSTR_STORE,
    INSTR_FOLD
} instr_kind;

enum {
    MAX_SLOTS = 1 << 14,
    PROGRAM_PATCH_BYTES = 8192, /* of the widest value: a handful of values fit the first-level cache */
    PROGRAM_SPARE_STRIPS = 3,   /* strips beside the registers that instructions use for operands of the wrong form */
    PROGRAM_MAX_HOISTED = 8,    /* and at most so many for what is worked out once for all rows or columns */
    PROGRAM_INSTR_BYTES = 192   /* what a run keeps for each instruction */
};

/* One instruction; its number is the number of the value it makes. */
typedef struct instr {
    instr_kind kind;
    tsr_dtype dtype; /* of the value made; of the value consumed for STORE and FOLD */
    tsr_dtype from;  /* CAST: the input's dtype. MAP: the dtype that chooses the kernel */
    op_code op;      /* MAP */
    int n_inputs;
    int inputs[3]; /* values. FOLD: x, and the weights of a histogram */
    int slot;      /* LOAD: operand. INDEX, RANDOM: generator. STORE: output. FOLD: accumulator */
    bool swapped;  /* LOAD: the operand's bytes are reversed */
    element value; /* CONST */
    /* MAP: the instruction that alone uses this value and can take it from registers: arithmetic, a store or a sum; or -1. */
    int feeds;
    int held;          /* MAP: with all that feeds it, so many values are held in registers at a time */
    bool only_chained; /* LOAD: only arithmetic uses it, which can read it backwards */
    int reg;           /* where the value is kept; given by program_finish. Registers are reused when a value is dead */
} instr;

typedef struct program_generator {
    random_kind kind; /* RANDOM only */
    random_params random;
} program_generator;

typedef struct program_accumulator {
    monoid op;
    tsr_dtype dtype; /* of the input */
    const acc_ops *ops;
    acc_params params;
} program_accumulator;

typedef struct program {
    arena *memory; /* everything below lives here */
    const kernels *kernels;
    int n_instrs, capacity;
    instr *instrs;
    int n_operands, n_generators, n_outputs, n_accumulators;
    program_generator *generators;
    program_accumulator *accumulators;
    /* Set by program_finish. */
    int n_regs;
    int n_hoisted;      /* strips for values that are worked out once for all rows or columns */
    int patch_elements; /* most elements a patch may have */
    size_t scratch_bytes;
} program;

/* An empty program in an arena that outlives it. */
tsr_status program_new(arena *memory, const kernels *k, program **out) MUST_CHECK;
/* Each adds an instruction and gives the number of its value (CONST, LOAD ...) or of its slot (STORE, FOLD). Loads of one operand
 * slot may be repeated. A MAP's inputs must have the loop dtypes of op_resolve. */
tsr_status program_add_const(program *p, tsr_dtype dtype, element value, int *out) MUST_CHECK;
tsr_status program_add_load(program *p, tsr_dtype dtype, bool swapped,
                            int *out) MUST_CHECK;              /* a new operand slot: n_operands - 1 */
tsr_status program_add_index(program *p, int *out) MUST_CHECK; /* a new generator slot */
tsr_status program_add_random(program *p, random_kind kind, tsr_dtype dtype, const random_params *params, int *out) MUST_CHECK;
tsr_status program_add_cast(program *p, tsr_dtype dtype, int input, int *out) MUST_CHECK;
tsr_status program_add_map(program *p, op_code op, tsr_dtype result, const int *inputs, int *out) MUST_CHECK;
tsr_status program_add_store(program *p, int input, int *output_slot) MUST_CHECK;
tsr_status program_add_fold(program *p, monoid op, const acc_params *params, int input, int weight,
                            int *accumulator_slot) MUST_CHECK;
/* Assigns registers and sizes. After this the program does not change. */
tsr_status program_finish(program *p) MUST_CHECK;
/* The operation on the input at `position` as a link of a chain; false if chains do not have it. */
bool program_chain_op(const instr *in, int position, chain_op *op);
/* One line of text: "load f32, cast f64, subtract, square, fold mean". */
void program_describe(const program *p, strbuf *out);

/* Where the slots are, for one box. Strides are per dimension of the box. */
typedef struct operand_binding {
    const char *data;              /* element at the box's first index */
    int64_t strides[TSR_MAX_NDIM]; /* bytes */
} operand_binding;
typedef struct generator_binding {
    int64_t index;
    int64_t strides[TSR_MAX_NDIM];
} generator_binding;
typedef struct output_binding {
    char *data;
    int64_t strides[TSR_MAX_NDIM]; /* bytes */
    bool streamed;                 /* nobody reads it soon: written around the caches */
} output_binding;
typedef struct accumulator_binding {
    acc_state state;             /* the cell of the box's first index */
    int64_t cells[TSR_MAX_NDIM]; /* strides in cells; 0 along reduced dimensions */
    int64_t index;               /* flat index for arg- reductions, and its strides */
    int64_t index_strides[TSR_MAX_NDIM];
} accumulator_binding;

typedef struct program_binding {
    int ndim;
    int64_t count[TSR_MAX_NDIM];
    operand_binding *operands;
    generator_binding *generators;
    output_binding *outputs;
    accumulator_binding *accumulators;
} program_binding;

/* Runs over the box. scratch: scratch_bytes, aligned to 64. The result depends on the program and the box only. Counts >= 0.
 * The binding's dimensions may be reordered in place. */
void program_run(const program *p, program_binding *b, void *scratch, unsigned *faults);

#endif
