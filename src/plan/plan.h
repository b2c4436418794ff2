/* Plans: a few stages, each one program run over a grid of tiles. Tasks are implicit: a task is (stage, number), and what it
 * reads follows from the number by arithmetic. A plan is immutable once built; a run of it is the engine's business. */
#ifndef TESSERA_PLAN_PLAN_H
#define TESSERA_PLAN_PLAN_H

#include "array/node.h"
#include "base/arena.h"
#include "kernel/program.h"
#include "optimize/optimize.h"

/* ---- Bodies: something that can be evaluated over any box -------------------------------------------------------- */

typedef enum operand_kind {
    OPERAND_MEMORY,  /* a MEMORY node */
    OPERAND_STORE,   /* a region of a variable of a file */
    OPERAND_BLOCKS,  /* persisted blocks */
    OPERAND_STAGE,   /* blocks that another stage of this plan makes */
    OPERAND_CONCAT,  /* pieces along an axis, each a body of its own */
    OPERAND_TAKE,    /* indices along an axis of a body */
    OPERAND_RESHAPE, /* a body read in C order under another shape */
    OPERAND_WINDOW,  /* sliding windows of a body: overlapping views of one block */
    OPERAND_CALL,    /* what a user's function makes of bodies, block by block */
    OPERAND_BODY     /* a body over the mapped region: an input of a contraction */
} operand_kind;

typedef struct body body;

/* What one LOAD of a program reads: a source and the affine map from the body's indices to the source's. */
typedef struct operand {
    operand_kind kind;
    tsr_dtype dtype;
    bool swapped;          /* what is fetched has its bytes reversed */
    const tsr_array *node; /* MEMORY, STORE, BLOCKS: the source. Others: the node that is gathered (for its shape and name) */
    int ndim;              /* of the source */
    view_axis map[TSR_MAX_NDIM];
    int stage, output; /* STAGE */
    int axis;          /* CONCAT, TAKE, WINDOW */
    int n_pieces;      /* CONCAT and CALL: bodies; TAKE, RESHAPE, WINDOW and BODY: 1 */
    body **pieces;
    const int64_t *edges; /* CONCAT: n_pieces + 1 borders along the axis */
    bool reused;          /* STORE and CONCAT: the same source is read by more than one stage, so keeping its blocks may pay */
} operand;

typedef struct generator_map {
    int64_t index;
    int64_t strides[TSR_MAX_NDIM];
} generator_map;

/* A program over a domain, with what its slots stand for. */
struct body {
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    program *prog;
    int n_operands, n_generators;
    operand *operands;
    generator_map *generators;
    bool passthrough; /* the program only loads operand 0 and stores it: its operand may be used directly */
};

/* ---- Stages ------------------------------------------------------------------------------------------------------ */

typedef enum stage_kind {
    STAGE_MAP,      /* every tile of the domain gives the same tile of each output */
    STAGE_REDUCE,   /* tiles are folded over the reduced axes, in runs; one output block for each tile of the kept axes */
    STAGE_SCAN,     /* tiles along the axis are done in order, a carry goes from one to the next */
    STAGE_QUANTILE, /* tiles hold the whole axis */
    STAGE_CALL,     /* tiles are the blocks of a user's function, which is called for each; the body is that operand alone */
    STAGE_CONTRACT  /* folds tiles as REDUCE does: each adds a product of matrices to the output block */
} stage_kind;

typedef struct stage_output {
    const tsr_array *node;
    tsr_dtype dtype;
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    grid blocks;  /* of the output */
    int slot;     /* output or accumulator of the program */
    int root;     /* index of the plan's root that this is; -1 for what only other stages read */
    bool is_read; /* by other stages */
} stage_output;

typedef struct stage {
    stage_kind kind;
    body *body;
    grid tiles; /* over the domain */
    int n_outputs;
    stage_output *outputs;
    /* REDUCE and CONTRACT: axes that are folded; tiles of one kept block; how they are cut into runs. */
    uint32_t axes;
    int64_t n_folds;  /* tiles of the domain that fold into one output block */
    int64_t n_runs;   /* tasks for each output block; run r folds tiles [r * n_folds / n_runs, (r + 1) * n_folds / n_runs) */
    int64_t n_folded; /* elements that fold into one cell */
    bool is_mirrored; /* a tile and its mirror image read the same: they are folded one after the other */
    /* SCAN, QUANTILE */
    int axis;
    const node_params *params;
    int64_t n_tasks;
    /* What explain states before a run. */
    bool is_needed;        /* by a root, in any part */
    box needed;            /* of the domain: what the roots ask for, in whole tiles */
    int64_t n_needed;      /* tasks of these */
    int64_t bytes_read;    /* from files, for what is needed */
    int64_t bytes_kept;    /* the part of them that an earlier stage has read and keeps if memory allows */
    int64_t bytes_made;    /* all blocks of all outputs */
    int64_t task_bytes;    /* memory that one task needs at most */
    int64_t partial_bytes; /* REDUCE: accumulators of the runs of one block, until they are merged */
    int level;             /* stages read only from lower levels */
} stage;

typedef struct plan_root {
    const tsr_array *node;
    int stage, output;
} plan_root;

typedef struct plan {
    arena memory;
    const kernels *kernels;
    int n_stages;
    stage *stages; /* a stage comes after all that it reads */
    int n_roots;
    plan_root *roots;
    tsr_array **nodes; /* the optimised roots: the plan's references */
    optimize_report rewrites;
} plan;

/* What the caller wants of the tiles of a root that goes to a chunked file: its blocks must cover whole chunks. */
typedef struct plan_hint {
    const int64_t *chunk; /* per axis; NULL for none */
} plan_hint;

/* Plans the roots together (sharing work). hints may be NULL, or one for each root. The roots are optimised first. */
tsr_status plan_build(int n, tsr_array *const *roots, const plan_hint *hints, plan **out) MUST_CHECK;
void plan_free(plan *p);
/* Equal for plans whose stages, units and blocks are the same: processes that share one compare it. Never 0. */
uint64_t plan_fingerprint(const plan *p);
/* Checks a plan's inner consistency; for tests and debug builds. */
tsr_status plan_check(const plan *p) MUST_CHECK;

/* ---- Arithmetic on tasks (plan/task.c) ---------------------------------------------------------------------------- */

/* Does a stage fold tiles into output blocks, in runs? */
static inline bool stage_folds(const stage *s) { return s->kind == STAGE_REDUCE || s->kind == STAGE_CONTRACT; }
/* The tile of the domain for a task of a MAP, SCAN or QUANTILE stage. */
box stage_tile(const stage *s, int64_t task);
/* REDUCE, CONTRACT: the tile that is fold number `fold` of output block `block`. */
box stage_fold_tile(const stage *s, int64_t block, int64_t fold);
/* Number of output blocks (of each output): tiles, or kept tiles. */
int64_t stage_n_blocks(const stage *s);
/* A strided box: indices start[d] + i * step[d], 0 <= i < count[d]. Steps are >= 1. */
typedef struct region {
    box box;
    int64_t step[TSR_MAX_NDIM];
} region;
region region_of_box(const box *b);
/* The region of the operand's source that a region of the body's domain reads. */
region operand_region(const operand *o, const region *domain);

/* The piece of a CONCAT that holds element `done` of a region along the joined axis, and the elements from there on that it has:
 * part is their region of the piece. Returns their number. */
int64_t concat_part(const operand *o, const region *source, int64_t done, int *piece, region *part);

/* The rows of a RESHAPE's input between the first and the last element of a region. */
box reshape_input_box(const operand *o, const region *source);

/* The region of the body below a WINDOW that a region of its result reads. */
region window_region(const operand *o, const region *source);
/* The box of piece `piece` of a CALL that the blocks need which a region of its result touches. */
box call_piece_box(const operand *o, int piece, const region *source);

/* Calls found for every region of memory, a file, a stage or persisted blocks that evaluating the body over `domain` reads,
 * through everything that gathers. */
typedef void body_read_fn(void *context, const operand *o, const region *source);
void body_walk(const body *t, const region *domain, body_read_fn *found, void *context);

/* What the stages take together (plan/predict.c). */
void plan_totals(const plan *p, tsr_prediction *out);
/* The most that is in blocks at one time, with so many threads, besides results that stay in memory. */
size_t plan_peak_bytes(const plan *p, int n_threads, size_t budget_bytes);

/* Text and drawing of a plan: stages, fused operations, tasks, bytes, memory. */
void plan_explain(const plan *p, strbuf *out);
/* What plan_peak_bytes says, and what a run took where that was predicted. */
void plan_explain_memory(size_t peak_bytes, int n_threads, strbuf *out);
void plan_explain_run(const tsr_stats *stats, size_t predicted_bytes, strbuf *out);

#endif
