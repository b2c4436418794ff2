/* Runs that several processes share: each makes a part of the blocks of a plan, and asks the others for what its tasks read of
 * theirs. Such a run has no end of its own: it makes what is demanded of it, by other processes or this one, until it is closed.
 *
 * The units of a stage are its output blocks or, where it folds, the runs of these: unit = block * n_runs + run (stage_n_runs).
 * Owners are numbers of the caller's. A block that is folded is finished by the owner of its first unit; it asks the owners of
 * the other units for the states of their folds, and merges them in their order. So who makes what never shows in a value. */
#ifndef TESSERA_ENGINE_SHARE_H
#define TESSERA_ENGINE_SHARE_H

#include "engine/engine.h"

typedef struct run run;

/* Who owns the units of each stage: [first[i], first[i + 1]) are owner[i]'s, first[0] is 0; n 0: nobody's, so nothing is asked of
 * anybody before there is another map. */
typedef struct stage_owners {
    int n;
    int64_t *first;
    uint64_t *owner;
} stage_owners;
typedef struct owner_map {
    int n_stages;
    stage_owners *stages;
} owner_map;
void owner_map_free(owner_map *map);
/* 0: nobody. */
uint64_t owner_map_find(const owner_map *map, int stage, int64_t unit);

/* What a run asks of its process. Called with the engine's lock held, on any thread: it may queue a message, no more. */
typedef struct run_ops {
    /* Asks `owner` for the block that `unit` begins, all outputs that run_gives names (answer: run_put_block, for each of them),
     * or, with a `span`, for the merged state of the folds of this unit and those after it, `span` in all or as many as the block
     * has (answer: run_put_state; a power of two that the number of the first run is a multiple of). An answer may come twice, or
     * never; when the map changes, what is still missing is asked for again. */
    tsr_status (*ask)(void *context, uint64_t owner, int stage, int64_t unit, int64_t span);
    /* The run failed, for good: once. Demands are told by themselves. */
    void (*failed)(void *context, tsr_status status, const char *message);
    /* Of a careful run, without any lock: this thread is about to make a unit, or (-1) has nothing of the run in hand. It may
     * wait a little. NULL: nobody wants to know. */
    void (*begins)(void *context, int thread, int stage, int64_t unit);
    /* Without any lock, before the function of a stage is called for a block, and when it failed: *out whether what it makes the
     * block from is not there yet. The task is put off then, so that it holds no thread, until run_resume. NULL: it always is. */
    tsr_status (*awaits)(void *context, const tsr_function *f, int stage, int64_t block, bool *out);
} run_ops;

/* Blocks that somebody wants, in order. The caller's memory, until `ended`. */
typedef struct demand demand;
struct demand {
    int stage, output; /* output -1: all that run_gives names */
    int64_t first, end;
    int64_t span; /* not 0: `first` is a unit (and end the next), wanted is the merged state that run_ops.ask describes */
    /* Block or unit `number` is there; buf is the callee's reference, bytes long at least. On a thread of the engine's, or in
     * run_demand; no lock is held. NULL: the blocks are only to be made and kept (of a run that keeps its roots). */
    void (*deliver)(demand *d, int64_t number, int output, buffer *buf, size_t bytes);
    /* Everything was delivered (TSR_OK), the run failed, or the demand was withdrawn (TSR_ERR_CANCELLED). The last call; no lock
     * is held. */
    void (*ended)(demand *d, tsr_status status, const char *message);
    void *context;
    /* The engine's own. */
    run *of;
    demand *next, **link; /* in one of the run's lists */
    bool is_listed;
    int64_t at;   /* the next to begin */
    int64_t left; /* not delivered yet */
    bool is_paused, is_over;
    int n_busy; /* deliveries that are being made */
};

/* Starts the engine's threads, which serve all shared runs from then on. Computations of the session itself are not possible
 * then. stop: after all runs were closed. */
tsr_status engine_serve(engine *e) MUST_CHECK;
void engine_serve_stop(engine *e);

/* Takes the plan. `keeps_roots`: blocks of roots stay (run_root_set); otherwise each goes once it was delivered, and is made
 * again if it is asked for again. `me`: which owner this process is. */
tsr_status run_open(engine *e, plan *p, bool keeps_roots, uint64_t me, const run_ops *ops, void *context, run **out) MUST_CHECK;
/* Ends its demands as withdrawn, and waits for the tasks that run. Runs whose tasks wait for its blocks fail. No other call for
 * this run may be under way; not on a thread of the engine's. */
void run_close(run *r);
/* The next map: its owners fetch blocks of roots from those who own them by now, and keep them. Those must have made them; if one
 * is lost meanwhile, another map is needed. */
void run_copy_roots(run *r);
/* Takes the map, and asks again for what is missing and now somebody else's. */
tsr_status run_set_owners(run *r, owner_map *map) MUST_CHECK;

/* Of a run that keeps its roots: it does no longer. Their blocks go, and what somebody asks for later is made again and goes once
 * it was read. What is read just now goes after that. */
void run_shed(run *r);

/* Runs of larger numbers go first; it is 0 in the beginning. Equal ones share the threads' time: equally among clients, and what
 * a client gets equally among its runs. */
void run_set_priority(run *r, int priority);
/* A careful run tells of every task before it begins (run_ops.begins). */
void run_set_careful(run *r, bool careful);
/* For whom it is; 0, as in the beginning: for nobody in particular. */
tsr_status run_set_client(run *r, uint64_t client) MUST_CHECK;

tsr_status run_demand(run *r, demand *d) MUST_CHECK;
/* The memory must still be there. `ended` was called already (then nothing happens), or is called, at once or by the thread that
 * is handing a block over. */
void run_withdraw(run *r, demand *d);
/* A paused demand begins nothing new. Withdrawn ones may still be delivered what is on its way, until `ended`. */
void run_pause(run *r, demand *d, bool pause);

/* What was asked for is there; takes the reference. Nothing happens if it is there already. Any thread. */
tsr_status run_put_block(run *r, int stage, int output, int64_t block, buffer *buf) MUST_CHECK;
tsr_status run_put_state(run *r, int stage, int64_t unit, int64_t span, buffer *buf) MUST_CHECK;
/* What run_ops.awaits waited for may be there; once for each time that it did. Any thread. */
void run_resume(run *r, int stage, int64_t block);
/* What was asked for cannot be made. */
void run_put_failure(run *r, tsr_status status, const char *message);
/* Bytes that a block or a state must have; -1 if the numbers are out of range. */
int64_t run_block_bytes(const run *r, int stage, int output, int64_t block);
int64_t run_state_bytes(const run *r, int stage, int64_t unit);

/* Is this an output that processes give each other: one that other stages, later tiles of a scan or other runs read? */
bool run_gives(const run *r, int stage, int output);
/* The blocks of a root of a run that keeps them, for NODE_BLOCKS nodes of expressions that read them: a reference. */
block_set *run_root_set(run *r, int root);
const plan *run_plan_of(const run *r);

typedef struct run_counts {
    int64_t tasks_done, bytes_read, bytes_written;
    int stage; /* worked on last */
    int64_t block;
} run_counts;
run_counts run_count(const run *r);
int64_t run_count_stage(const run *r, int number);
typedef struct engine_counts {
    size_t used_bytes; /* of the budget: all in keeper_account; not what was only asked for */
    size_t budget_bytes;
    int64_t spilled_bytes;
    bool is_idle; /* no task of a shared run runs, or waits for something that others were asked for */
    bool waits;   /* none runs, but something waits for others */
} engine_counts;
engine_counts engine_count(engine *e);

#endif
