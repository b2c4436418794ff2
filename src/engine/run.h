/* A run of a plan: the changing state that goes with an immutable plan. Shared by the engine's files; nobody else includes this.
 */
#ifndef TESSERA_ENGINE_RUN_H
#define TESSERA_ENGINE_RUN_H

#include "base/vec.h"
#include "engine/engine.h"
#include "engine/held.h"
#include "engine/trace.h"

/* Where the blocks of a root go. */
typedef enum sink_kind { SINK_MEMORY, SINK_WRITER, SINK_HELD } sink_kind;
typedef struct sink {
    sink_kind kind;
    char *data; /* MEMORY: dense C order */
    store_writer *writer;
    int var;
    held_set *set; /* HELD: made by the run */
} sink;

typedef struct task {
    int stage;
    int64_t block, run; /* run: of a reduction, 0 otherwise */
} task;

/* A task that waits for blocks. It is in the waiting list of each of them, and freed when it is queued again. */
typedef struct parked {
    task what;
    int missing;
} parked;
typedef struct waiter {
    struct waiter *next;
    parked *who;
} waiter;

/* The folding of one run of one output block: kept while it waits for blocks to fold. */
typedef struct fold {
    buffer *state; /* all accumulators, one after another */
    int64_t next;  /* fold number; -1 before the first */
} fold;

/* A block that somebody has asked for and that is not there yet. */
typedef struct making {
    waiter *waiters;
    fold *folds; /* REDUCE: n_runs of them */
    int64_t runs_left;
} making;

typedef struct stage_run {
    held_set **sets;  /* one for each output that is read or held; NULL where the blocks go to memory or a file */
    buffer **whole;   /* one for each output that is read and small: all its blocks in one piece, and no set */
    making **blocks;  /* 8 bytes a block: NULL, what is being made, or the run's `done`. NULL for roots that nothing waits for */
    buffer **carries; /* SCAN: one for each chain of tiles */
    atomic_int_fast64_t next; /* roots: the next task to hand out */
} stage_run;

typedef struct worker {
    struct run *run;
    int number;
    pthread_mutex_t lock; /* guards the tasks */
    VEC(task) tasks;      /* a stack */
    buffer *scratch;
    VEC(buffer *) buffers; /* held until the task ends */
    VEC(struct pin {
        held_set *set;
        int64_t block;
    })
    pins;
    unsigned faults;
    int64_t bytes_read, bytes_written;
    VEC(trace_event) events;
} worker;

typedef struct run {
    const plan *plan;
    engine *engine;
    keeper *keeper;
    pool *buffers;
    sink *sinks;
    stage_run *stages;
    worker *workers;
    int n_workers;
    size_t scratch_bytes, whole_bytes;

    pthread_mutex_t lock; /* guards block states, waiting lists, folds, and what is below */
    pthread_cond_t work;  /* workers without a task sleep here, until one was queued or the run stops */
    pthread_cond_t ended; /* the thread that watches the run sleeps here, until it stops */
    int n_idle;
    bool over;
    tsr_status status;
    char *message;
    atomic_bool stop;             /* no new tasks: failure, cancellation or the end. Set with the lock held */
    atomic_int_fast64_t n_queued; /* tasks ever pushed; moves with the lock held */
    atomic_int_fast64_t tasks_done, roots_left;
    atomic_int_fast64_t bytes_read, bytes_written;
    atomic_int current_stage;
    int64_t tasks_total;
    int64_t started_ns;
    bool traces;
    making done; /* stands for every block that is there */
} run;

/* ---- fetch.c ---- */

/* Calls found(context, stage, output, block) for every block of another stage that evaluating the body over the region reads. */
typedef tsr_status (*dependency_fn)(void *context, int stage, int output, int64_t block);
tsr_status fetch_dependencies(const plan *p, const body *t, const region *domain, dependency_fn found, void *context) MUST_CHECK;
/* Evaluates a body's output 0 over a region, into strided memory. Temporary memory is the worker's. `swapped`: the bytes stay
 * reversed, for a body that only passes on an operand whose bytes are. */
tsr_status fetch_body(worker *w, const body *t, const region *domain, bool swapped, char *out, const int64_t *strides) MUST_CHECK;
/* Binds operands and generators of a body over a region; the arrays of `b` come from the worker. */
tsr_status fetch_bind(worker *w, const body *t, const region *domain, program_binding *b) MUST_CHECK;
/* Evaluates a body's output 0 over a region as a dense block in native byte order, aligned to its elements; in place, where the
 * body only passes on what lies like that already. */
tsr_status fetch_dense(worker *w, const body *t, const region *domain, tsr_dtype dtype, char **out) MUST_CHECK;
/* The values of a body over a region, in native byte order: where they lie if the body only passes on an operand, else evaluated
 * into dense memory of the worker's. */
tsr_status fetch_values(worker *w, const body *t, const region *domain, operand_binding *out) MUST_CHECK;
/* Copies count[0] x count[1] x ... elements. */
void copy_strided(const kernels *k, tsr_dtype dtype, int ndim, const int64_t *count, char *out, const int64_t *out_strides,
                  const char *in, const int64_t *in_strides);
/* A buffer that lives until the worker's task ends. */
tsr_status worker_buffer(worker *w, size_t bytes, buffer **out) MUST_CHECK;

/* ---- execute.c ---- */

/* Does the work of a task whose dependencies are there. For a reduction: folds on from fold->next; returns with *waiting set if
 * the next tile needs blocks that are not there yet (they have been asked for). */
tsr_status execute_map(worker *w, const stage *s, stage_run *sr, int64_t block) MUST_CHECK;
tsr_status execute_scan(worker *w, const stage *s, stage_run *sr, int64_t block) MUST_CHECK;
tsr_status execute_quantile(worker *w, const stage *s, stage_run *sr, int64_t block) MUST_CHECK;
tsr_status execute_call(worker *w, const stage *s, stage_run *sr, int64_t block) MUST_CHECK;
tsr_status execute_fold_tile(worker *w, const stage *s, fold *f, int64_t block, int64_t number) MUST_CHECK;
tsr_status execute_fold_finish(worker *w, const stage *s, stage_run *sr, fold *folds, int64_t block) MUST_CHECK;

/* ---- call.c ---- */

/* Calls the function of a CALL node for the block at `coords`: dense inputs (parts: their boxes), a dense block to fill. */
tsr_status call_function(worker *w, const tsr_array *node, const int64_t *coords, char *const *inputs, const box *parts,
                         char *out, const box *filled) MUST_CHECK;

/* Where a program may write an output block: directly into the caller's memory, or a buffer that delivery_end passes on. */
typedef struct delivery {
    char *data;
    int64_t strides[TSR_MAX_NDIM];
    buffer *buf;   /* NULL when written in place */
    bool streamed; /* nobody reads it before much else has been computed */
} delivery;
tsr_status delivery_begin(worker *w, const stage *s, const stage_run *sr, int i, int64_t block, delivery *d) MUST_CHECK;
/* Hands the block on; the buffer is consumed. */
tsr_status delivery_end(worker *w, const stage *s, const stage_run *sr, int i, int64_t block, delivery *d) MUST_CHECK;

/* ---- contract.c ---- */

/* The same two steps for a contraction. */
tsr_status execute_contract_tile(worker *w, const stage *s, fold *f, int64_t block, int64_t number) MUST_CHECK;
tsr_status execute_contract_finish(worker *w, const stage *s, stage_run *sr, fold *folds, int64_t block) MUST_CHECK;

/* ---- run.c ---- */

/* Runs the plan on the engine's threads; returns when all is done, or with the first failure. sinks: one for each root. */
tsr_status run_plan(engine *e, const plan *p, sink *sinks) MUST_CHECK;

/* ---- The engine (session.c) ---- */

struct engine {
    tsr_session *session;
    keeper *keeper;
    int n_threads;
    pthread_mutex_t run_lock; /* one computation at a time */
    atomic_bool cancelled;    /* the running computation is to stop */
    atomic_bool running;
    void (*progress)(void *context, const tsr_progress *progress);
    void *progress_context;
    int progress_interval_ms;
    pthread_mutex_t stats_lock; /* guards the stats, which are asked for while something runs, too */
    tsr_stats stats;            /* of the computation that ended last */
    trace *trace;
};

#endif
