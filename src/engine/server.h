/* The threads of an engine that serves shared runs, and what they have in common. Shared by share.c and server.c. */
#ifndef TESSERA_ENGINE_SERVER_H
#define TESSERA_ENGINE_SERVER_H

#include "engine/run.h"
#include "engine/share.h"

typedef struct server server;
typedef struct share share;

/* Somebody wants a block, or with `state` (once it is made) the state of a fold. */
typedef struct taker {
    struct taker *next;
    demand *d;
    int64_t number;
    buffer *state;
} taker;

/* For whom runs are: those of one client share what it gets of the threads. */
typedef struct party {
    struct party *next;
    uint64_t client;
    int n_runs;          /* it goes with the last, but for nobody's */
    int64_t used_ns;     /* of the threads' time; what it did not want while others did is forgotten */
    int64_t expected_ns; /* that its next turn will use: as much as its last one */
} party;

/* What a run has that is shared. */
struct share {
    run run;
    server *server;
    plan *plan;
    uint64_t me;
    const run_ops *ops;
    void *context;
    bool keeps_roots;
    bool sheds; /* with the crew's lock: blocks of roots go once nobody reads them */
    /* With the crew's lock: */
    owner_map owners;
    owner_map donors;         /* who has the blocks of roots already, if this process is to have them now; or no stages */
    bool copies_next;         /* what owners are now are donors with the next map */
    demand *to_begin, *begun; /* demands: those of which something is to be begun, in order; the others */
    taker *ready;             /* to be handed over by the next thread that comes */
    atomic_int n_ready;       /* not 0: there are some */
    bool has_failed;          /* `failed` was not told yet */
    atomic_bool is_careful;   /* without the lock, too */
    bool is_closing, is_active;
    int priority;    /* larger is sooner */
    party *party;    /* its client's */
    int n_inside;    /* threads of the server's that are at work here */
    int64_t n_reads; /* blocks that tasks (of any run) are going to read or read now, if it keeps its roots */
    VEC(struct {
        run *of;
        int64_t n;
    })
    reading;           /* the same, of what tasks of this run read */
    int64_t n_reasons; /* how often it was made active: a thread that found nothing compares */
    share *next, *previous, *next_active;
};

struct server {
    crew crew;
    engine *engine;
    pthread_cond_t left; /* a thread has left a run, or a demand has ended */
    share *all;
    share *active;           /* in turn */
    party nobody, *parties;  /* of runs that are no client's; the others */
    int64_t least_ns;        /* what the party had used that had its turn last, or one before it; never decreases */
    int64_t asked_bytes;     /* of other processes, and not there yet */
    making *oldest, *newest; /* spare blocks */
    int64_t spare_bytes;
    bool is_ending;
    atomic_int n_reading;        /* threads that wait in a read of a file */
    atomic_int_fast64_t n_steps; /* moves with all that threads begin and end */
    struct relief {
        pthread_cond_t wanted;
        atomic_bool is_watching; /* set with the lock held */
        int64_t until_ns;
        pthread_t thread;
        bool is_started;
    } relief;
    int n_threads;
    struct seat {
        server *of;
        int number;
        pthread_t thread;
    } * seats;
};

/* With the lock held: */
void server_wake(server *v);
void server_activate_all(server *v);
void server_remove(server *v, share *s);
static inline int64_t server_asked_limit(const server *v) { return (int64_t)(keeper_budget_bytes(v->engine->keeper) / 4); }
static inline int64_t server_spare_limit(const server *v) { return (int64_t)(keeper_budget_bytes(v->engine->keeper) / 8); }
/* Without: */
void server_add(server *v, share *s);
bool server_is_idle(server *v, bool *waits, int64_t *asked_bytes);
/* Does one task of the worker's run, or hands over a block. False: there is nothing to do. */
bool server_serve_once(worker *w);

static inline share *share_of(const run *r) { return r->share; }
static inline const stage *stage_of(const run *r, int number) { return &r->plan->stages[number]; }

/* ---- relief.c: a thread that helps while all others are stuck. It works as the run's worker `n_threads` ---- */

void relief_init(server *v);
tsr_status relief_start(server *v) MUST_CHECK;
/* After `is_ending` was set, and `wanted` signalled. */
void relief_end(server *v);
/* With the lock held: a demand has come. */
void relief_note_demand(server *v);

/* ---- share.c, with the lock held ---- */

/* Is this an output that processes give each other? */
bool share_is_given(const run *r, const stage *s, int output);
int64_t share_given_bytes(const run *r, int stage_number, int64_t block);
/* What was asked for counts against the budget at once. */
void share_count_asked(run *r, int64_t bytes);
/* Makes a block here; runs of its folds that are others' are asked for. One run of a fold. */
tsr_status share_make_here(run *r, making *m, int thread) MUST_CHECK;
tsr_status share_begin_fold(run *r, making *m, int64_t number, int thread) MUST_CHECK;

/* A block was handed over. */
void share_end_demanded(run *r, int number, int64_t block);

/* ---- demand.c, with the lock held ---- */

/* Takes the takers of a block (number -1), or of the state that is there of the runs from `number` on. */
taker *share_take_takers(run *r, making *m, int64_t number);
/* All demands of a run that stops are over; share_end_one ends them. */
void share_end_demands(run *r);
/* Ends one demand of a run that stopped; gives the lock up meanwhile. False: there is none that can be ended now. */
bool share_end_one(run *r);
/* Tasks of other runs that wait for blocks of this one wait in vain. */
void share_fail_readers(run *r, tsr_status status, const char *message);

/* ---- demand.c, without the lock ---- */

/* Hands over the next of what is ready. False: nothing is. */
bool share_serve_ready(run *r);
/* The next of what is demanded; *found: a task for this worker, *did: anything. */
tsr_status share_next(worker *w, task *out, bool *found, bool *did) MUST_CHECK;
void share_fail(run *r, tsr_status status, const char *message);
/* Tells about a failure whoever was not told yet. False: there was nobody. */
bool share_tell_failure(run *r);

#endif
