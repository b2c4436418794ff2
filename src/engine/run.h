/* A run of a plan: the changing state that goes with an immutable plan. Shared by the engine's files; nobody else includes this.
 */
#ifndef TESSERA_ENGINE_RUN_H
#define TESSERA_ENGINE_RUN_H

#include "base/vec.h"
#include "engine/engine.h"
#include "engine/held.h"
#include "engine/trace.h"

typedef struct task {
    int stage;
    bool is_ready;      /* what it reads first is known to be there */
    int64_t block, run; /* run: of a reduction, 0 otherwise */
} task;
enum { RUN_MERGE = -1 /* RUN_MERGE - n instead of a run: the state of run n came from elsewhere; merge upwards from it */ };

/* A task that waits for blocks. It is in the waiting list of each of them, and freed when it is queued again. */
typedef struct parked {
    struct run *of;
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
    int64_t next;  /* fold number; 0 before the first */
    int64_t span;  /* what is merged in `state`: this run and those after it, a power of two; 0: it is not there, or in work */
    /* Shared runs: */
    bool is_begun;      /* it is made, or asked for, on its own or within a larger part */
    uint64_t asked_of;  /* the process that makes it; 0: this one */
    int64_t asked_span; /* and that many after it */
} fold;

/* A block that somebody has asked for and that is not there yet. In shared runs it stays when the block is there, where that came
 * from another process, which it may be asked of again, or is folded from several runs, which others may ask for. */
typedef struct making {
    waiter *waiters;
    fold *folds; /* REDUCE: n_runs of them */
    /* Shared runs (share.c): */
    struct taker *takers;
    uint64_t asked_of;                  /* the process that makes it */
    int holds;                          /* tasks that are going to read it: it came from elsewhere, and must not go */
    bool is_wanted, is_asked, is_there; /* it is made here; elsewhere; the block lies in the sets */
    bool is_kept;                       /* it came from elsewhere, but is this process's: `holds` is one more */
    bool is_spare;                      /* in the crew's list of what came from elsewhere and nobody holds */
    struct run *of;
    int stage;
    int64_t block;
    struct making *older, *newer; /* in that list */
} making;

typedef struct stage_run {
    bool reads_shared; /* blocks of shared runs, which may have to be asked for */
    held_set **sets;   /* one for each output that is read or held; NULL where the blocks go to memory or a file */
    buffer **whole;    /* one for each output that is read and small: all its blocks in one piece, and no set */
    making **blocks;   /* 8 bytes a task: NULL, what is being made, or the run's `done`. NULL for roots that nothing waits for */
    buffer **carries;  /* SCAN: one for each chain of tiles */
    atomic_int_fast64_t next; /* roots: the next task to hand out */
    atomic_int_fast64_t tasks_done;
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

/* The threads that run tasks, and what they sleep on. A shared run shares its crew, too. */
typedef struct crew {
    pthread_mutex_t lock; /* guards block states, waiting lists, folds, and what is below */
    pthread_cond_t work;  /* workers without a task sleep here, until one was queued or the run stops */
    int n_idle;
    atomic_int_fast64_t n_queued; /* tasks ever pushed; moves with the lock held */
} crew;

struct share;

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

    crew *crew, own_crew;
    struct share *share;  /* NULL: the run has the session for itself, and ends */
    pthread_cond_t ended; /* the thread that watches the run sleeps here, until it stops */
    bool over;
    tsr_status status;
    int errnum;
    char *message;
    atomic_bool stop; /* no new tasks: failure, cancellation or the end. Set with the lock held */
    atomic_int_fast64_t tasks_done, roots_left;
    atomic_int_fast64_t bytes_read, bytes_written;
    atomic_int current_stage;
    atomic_int_fast64_t current_block;
    int n_abroad; /* shared: tasks parked that wait for blocks of other runs */
    int64_t tasks_total;
    atomic_int_fast64_t elements_done; /* of the stages' domains: how far the work is, as tasks may be few and long */
    double elements_total;
    int64_t started_ns;
    bool traces, reads_files;
    making done; /* stands for every block that is there */
} run;

/* ---- relief.c: a thread begins to read a file, and has read ---- */

void relief_read_begins(run *r);
void relief_read_ended(run *r);

/* ---- fetch.c ---- */

/* Calls found(context, operand, block) for every block of another stage (OPERAND_STAGE) or of a set whose blocks may have to be
 * asked for (OPERAND_BLOCKS) that evaluating the body over the region reads. */
typedef tsr_status (*dependency_fn)(void *context, const operand *o, int64_t block);
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
/* Merges a state into that of the folds before it; makes the block. */
tsr_status execute_fold_merge(worker *w, const stage *s, fold *left, const buffer *right, int64_t block) MUST_CHECK;
tsr_status execute_fold_finish(worker *w, const stage *s, stage_run *sr, const buffer *state, int64_t block) MUST_CHECK;

/* ---- call.c ---- */

/* Makes a state the run's own, to be written to. */
tsr_status execute_own_state(worker *w, fold *f) MUST_CHECK;
/* Bytes of the state of a fold over tiles like this one. */
size_t fold_state_bytes(const stage *s, const box *tile);
size_t contract_state_bytes(const stage *s, const box *tile);

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

/* The same steps for a contraction. */
tsr_status execute_contract_merge(worker *w, const stage *s, fold *left, const buffer *right, int64_t block) MUST_CHECK;
tsr_status execute_contract_tile(worker *w, const stage *s, fold *f, int64_t block, int64_t number) MUST_CHECK;
tsr_status execute_contract_finish(worker *w, const stage *s, stage_run *sr, const buffer *state, int64_t block) MUST_CHECK;

/* ---- run.c ---- */

tsr_status run_init(run *r, engine *e, const plan *p, sink *sinks, crew *shared) MUST_CHECK;
void run_fini(run *r);
/* With the crew's lock held: */
tsr_status run_push(worker *w, task t) MUST_CHECK;
tsr_status run_begin_block(run *r, int stage, int64_t block) MUST_CHECK;
void run_free_making(run *r, const stage *s, making *m);
static inline bool block_is_there(const run *r, const making *m) { return m && (m == &r->done || m->is_there); }
/* Whoever waited for the block goes on. */
tsr_status run_wake_waiters(making *m, int thread) MUST_CHECK;
/* Without it: */
tsr_status run_block_done(worker *w, int stage, int64_t block) MUST_CHECK;
tsr_status run_check_faults(const worker *w) MUST_CHECK;
/* Is all there that the body reads over a region? If not, the task is parked, and comes back with is_ready. `previous` is a block
 * of its own stage that must be done first (scans), or -1. */
tsr_status run_require(worker *w, task t, const region *domain, int64_t previous, bool *ready) MUST_CHECK;
/* A tile has read it. */
tsr_status run_drop_uses(worker *w, task t, const stage *s, const box *tile, int64_t previous) MUST_CHECK;
void worker_let_go(worker *w);
bool run_pop(worker *w, task *out);
bool run_steal(worker *w, task *out);
tsr_status run_task(worker *w, task t) MUST_CHECK;

/* Runs the plan on the engine's threads, between engine_begin and engine_end; returns when all is done, or with the first
 * failure. sinks: one for each root. */
tsr_status run_plan(engine *e, const plan *p, sink *sinks, tsr_stats *stats) MUST_CHECK;

/* ---- fold.c ---- */

/* Folds the tiles of one run of a block, as far as their blocks are there; then merges. */
tsr_status run_fold(worker *w, task t, const stage *s, stage_run *sr, bool *finished) MUST_CHECK;
void fold_drop_state(run *r, const stage *s, fold *f);

/* ---- share.c: what shared runs do otherwise; all but the last two with the crew's lock held ---- */

/* There is something to do in the run. */
void share_activate(run *r);
/* A task begins, or (NULL) is over; without the lock. */
void share_tell_begin(worker *w, const task *t);
/* Is the task put off, as what its function waits for is not there? Without the lock. */
tsr_status share_puts_off(const run *r, task t, bool *out) MUST_CHECK;
/* A task needs the block, which is not there: makes it, or asks another process. */
tsr_status share_want(run *r, int stage, int64_t block, int thread) MUST_CHECK;
/* A task is going to read a block that is there; has read it. */
void share_hold(making *m);
void share_let_go(making *m);
/* A task of `reader` counts on a block of `of` that is there, until it has read it: so run_shed knows what is in use. */
tsr_status share_begin_reading(run *reader, run *of) MUST_CHECK;
void share_end_reading(run *reader, run *of);
/* What a task fails with that reads blocks of a run that failed, or was closed. */
tsr_status share_failure(const run *r);
tsr_status share_closed(void);
/* A block was made: those who demanded it, to be handed over. */
tsr_status share_block_done(run *r, const stage *s, making *m, int thread, struct taker **takers) MUST_CHECK;
/* The state of a subtree of runs is there: adds those who demanded it, each with a reference. Is it part of a larger one that
 * somebody wants? If not, it is forgotten. */
tsr_status share_give_state(run *r, making *m, int64_t first, struct taker **takers) MUST_CHECK;
bool share_needs_state(const making *m, int64_t first, int64_t span);
tsr_status share_forget_state(run *r, making *m, int64_t first, int thread) MUST_CHECK;
/* Does nobody want the state of this run any more, which was queued? It is not under way then. Without the lock. */
bool share_skips_fold(run *r, making *m, int64_t number);
void share_forget_takers(making *m);
void share_hand_over(run *r, struct taker *takers);

/* ---- The engine (session.c) ---- */

struct engine {
    tsr_session *session;
    struct server *server; /* serves shared runs (share.c) */
    keeper *keeper;
    int n_threads;
    pthread_mutex_t run_lock;    /* one computation at a time */
    atomic_int n_cancels;        /* calls of tsr_cancel */
    atomic_int n_cancels_before; /* when what is computed was asked for: it is to stop if there were more */
    atomic_bool running;
    void (*progress)(void *context, const tsr_progress *progress);
    void *progress_context;
    atomic_int progress_interval_ms; /* 0: nobody wants to hear of it */
    int n_stages;                    /* of the computation whose progress is told just now; 0 otherwise */
    const stage_progress *stages;
    pthread_mutex_t stats_lock; /* guards the stats, which are asked for while something runs, too */
    tsr_stats stats;            /* of the computation that ended last */
    uint64_t last_plan;         /* its fingerprint; 0 if it failed. Guarded likewise, as is */
    size_t predicted_bytes;     /* what its peak was predicted to be */
    trace *trace;
    remote_engine *remote; /* computes instead of the threads; or NULL */
    atomic_uint forks;     /* forks_count() of the process that it belongs to */
};

#endif
