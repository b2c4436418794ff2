/* Who makes what: from a plan, the workers and the maps of the jobs that it reads to a map of its own. Pure functions; any
 * thread.
 *
 * The units of a stage go where most bytes of their input lie, as far as that is known: blocks of earlier stages and persisted
 * blocks of other jobs. What has no such place (files, memory, equal parts from everywhere) is cut into contiguous runs, weighted
 * by the threads of the workers. */
#ifndef TESSERA_CLUSTER_ASSIGN_H
#define TESSERA_CLUSTER_ASSIGN_H

#include "engine/share.h"
#include "plan/plan.h"

typedef struct assign_worker {
    uint64_t id; /* not 0 */
    int threads; /* at least 1 */
    double load; /* how busy it is: a single unit goes to the worker with the least */
} assign_worker;

/* Persisted blocks that the plan reads: those of output number `stage` of another job, or nothing known of them (map NULL). */
typedef struct assign_input {
    const block_set *set;
    const owner_map *map;
    int stage;
    int64_t n_runs; /* of that stage: block b is begun by unit b * n_runs */
} assign_input;

typedef struct assign_context {
    int n_workers;
    const assign_worker *workers; /* ids increase */
    int n_inputs;
    const assign_input *inputs;
    uint64_t turn; /* differs from job to job, so that single units go round */
} assign_context;

/* Draws the map of a plan. Without workers, every stage is nobody's. Free it with owner_map_free. */
tsr_status assign_plan(const plan *p, const assign_context *c, owner_map *out) MUST_CHECK;

/* What is left of a stage when its plan is gone. A SCAN passes a carry along chains of tiles, whose units stay together: chain
 * (o, i) has the units (o * n_along + k) * inner + i. */
typedef struct assign_units {
    int64_t n, n_runs;      /* unit = block * n_runs + run */
    int64_t n_along, inner; /* n_along 0: no chains */
} assign_units;
assign_units assign_units_of(const stage *s);
/* The same map, with what was not any of these workers' given to them, in contiguous runs. units: of each stage. */
tsr_status assign_move(const owner_map *from, const assign_units *units, const assign_context *c, owner_map *out) MUST_CHECK;

/* Part of what one worker has still to do goes to another: of its units from `unit` of `stage` on, and of all in later stages. */
typedef struct assign_gift {
    uint64_t giver, taker;
    int stage;
    int64_t unit;
    double part; /* 0 to 1; what would be done last is given */
    const int64_t
        *from; /* instead, where not NULL: of each stage, the giver's units from this one on (of a scan, whole chains) */
} assign_gift;
/* Where to cut what the giver owns, so that it gives about n of the units that it has not done, and at the same place of each
 * stage: then what is made from what moves goes with it. done: of its units in each stage, in order. from: n_stages. */
void assign_cut(const owner_map *map, const assign_units *units, uint64_t giver, const uint64_t *done, int64_t n, int64_t *from);
/* left[i]: how many these are for gifts[i], of n givers. owner says of each range of each stage in turn whose it is, as a place
 * in gifts. Of chains it is their ends that are given; units in very many chains do not count, and stay where they are. */
void assign_left(const owner_map *map, const assign_units *units, const uint32_t *owner, size_t n, const assign_gift *gifts,
                 int64_t *left);
tsr_status assign_give(const owner_map *from, const assign_units *units, const assign_gift *g, owner_map *out) MUST_CHECK;

/* Does the worker own anything? */
bool assign_has(const owner_map *map, uint64_t worker);

#endif
