/* The scheduler's tasks: which there are, what each waits for, who runs it, who has its result. A pure state machine: what it
 * wants done leaves through tasks_ops, what happened comes in through the functions below. One thread.
 *
 *   UNKNOWN -> WAITING (for results) -> READY (for a worker) -> RUNNING (given to one) -> FINISHED or ERROR
 *
 * A result that nobody wants and no task needs is freed: RELEASED, if tasks that were made from it are kept, so that it can be
 * made again; forgotten otherwise. A result that is lost is made again from its lineage; scattered bytes have none and are LOST.
 */
#ifndef TESSERA_CLUSTER_TASKS_H
#define TESSERA_CLUSTER_TASKS_H

#include "base/error.h"
#include "base/hash.h"
#include "base/vec.h"
#include "block/pool.h"
#include "cluster/id_table.h"

#include "tessera.h"

enum {
    TASKS_MAX_KILLS = 3,   /* workers that a task may take along */
    TASKS_MAX_AHEAD = 4096 /* tasks given to a worker beyond its threads */
};

typedef enum task_state {
    TASK_UNKNOWN, /* somebody wants it, nobody has submitted it */
    TASK_RELEASED,
    TASK_WAITING,
    TASK_READY,
    TASK_RUNNING,
    TASK_FINISHED,
    TASK_ERROR,
    TASK_CANCELLED,
    TASK_LOST,
    TASK_N_STATES
} task_state;

/* Tasks name each other by number, which is where they lie in the slabs that they are cut from. 0: none. */
typedef uint32_t task_id;

typedef struct tasks tasks;
typedef struct task task;
typedef struct task_arg task_arg;
typedef struct task_worker task_worker;
typedef struct task_client task_client;
typedef struct task_rule task_rule;

/* Shared by tasks that failed of the same. */
typedef struct task_error {
    int refs;
    tsr_status status;
    char *text;
    char *logs; /* what workers that were lost said last; NULL: nothing */
    void *details;
    size_t details_size;
} task_error;

typedef struct task_function {
    hash128 id;
    char *name;    /* for people */
    char *runs;    /* what its workers must run, or NULL */
    float seconds; /* how long it takes, lately; < 0: nobody knows */
    long refs;     /* batches that call it and whoever else holds it */
    void *user;    /* freed by ops.function_free */
    size_t n_states[TASK_N_STATES];
    struct task_function *next;
} task_function;

/* An argument: bytes of the batch's payload, or the result of a task; then it hangs in the list of that task's dependents. */
struct task_arg {
    task_id dep;   /* 0: bytes */
    task_id owner; /* if it is the result of a task */
    union {
        struct {
            task_arg *next, **link;
        };
        struct {
            uint64_t offset, size;
        };
    };
};

/* What a client has had of the workers' time: of tasks of the same priority, those of the client that had least go first. One
 * that comes back after a pause does not make up for it (start-time fair queueing: Goyal, Vin, Cheng 1996). Counted by batches
 * and the client; NULL stands for a client of whom nobody knows. */
typedef struct task_share {
    long refs;
    size_t n_queued;
    double seconds;
} task_share;

/* What tasks that were submitted together share. */
typedef struct task_batch {
    long refs;
    uint64_t number;   /* grows: tasks of a smaller one are older */
    task_share *share; /* of who submitted the first of them */
    task_function *function;
    task_rule *rule;
    int32_t priority;
    uint8_t retries;
    bool at_once;
    buffer *payload; /* of all its tasks; a reference, or NULL */
    task_arg *args;  /* of all its tasks; NULL: none has any */
} task_batch;

/* FIFOs by priority and client. */
typedef struct task_bucket {
    task_id first, last;
    const task_share *share;
    int32_t priority;
} task_bucket;
typedef struct task_queue {
    VEC(task_bucket) buckets; /* largest priority first */
    size_t n;
} task_queue;

/* Who may run tasks, and what they take while they run. Equal rules are one. */
struct task_rule {
    char *text; /* by which it is found */
    long refs;
    int index;
    char *runs;
    bool others_too;
    VEC(char *) workers;
    VEC(double) amounts; /* by number of the resource */
    task_queue queue;
    task_rule *next;
};

/* Somebody wants a task that another client wants already. */
typedef struct task_want {
    task_client *client;
    task_id t;
    struct task_want *next;               /* of the task */
    struct task_want *after, **in_client; /* of the client */
} task_want;

/* There may be ten million, in less than a gigabyte with the table that finds them. So they link to each other by number; what a
 * task has in one state shares memory with what it has in others; what few tasks have (errors, results that lie on several
 * workers, several clients that want it) lies in tables of its own. */
struct task {
    tsr_key key;
    task_batch *batch; /* NULL: not submitted, or scattered */
    task_arg *dependents;
    union {
        struct {
            task_id next, previous; /* READY: in its queue. RELEASED, or about to fail: in that list, by `next` only */
        };
        struct {
            uint32_t n_waiting; /* WAITING: arguments that are not there */
            float estimate;     /* RUNNING: what it was counted with */
        };
        uint64_t size; /* FINISHED: see task_size */
    };
    uint32_t args; /* the first of its own among the batch's */
    uint32_t n_args;
    uint32_t n_needed; /* dependents that are still to run */
    uint32_t client;   /* number of a client that wants it; 0: nobody does */
    union {
        task_id after_wanted; /* the next that this client wants */
        task_id next_garbage; /* which nobody wants */
    };
    task_id before_wanted;
    /* Slot + 1 of a worker. READY: the one near which it waits; 0: it waits in the queue of its rule. FINISHED: one that has the
     * result. Else: the one that runs it, which may be so since before the task was known. */
    uint32_t worker;
    unsigned state : 4, kills : 4, retries : 8;
    unsigned used : 1;           /* it is in the table */
    unsigned queued : 1;         /* READY, and in a queue */
    unsigned listed : 1;         /* in the list of work */
    unsigned garbage : 1;        /* in that of tasks that may have to be freed */
    unsigned seceded : 1;        /* it runs, and does not count as one of its worker's */
    unsigned has_error : 1;      /* in tasks.errors */
    unsigned has_copies : 1;     /* in tasks.copies: more workers that have the result */
    unsigned has_more_wants : 1; /* in tasks.more_wants */
    unsigned noted : 1;          /* how it is made is in the journal (scheduler_lineage.c) */
};

enum { TASK_SLAB_BITS = 15, TASK_SLAB_BYTES = 1 << 21 };
/* As large as a huge page and aligned to its size, so a task's address tells its number. */
typedef struct task_slab {
    uint64_t first; /* number of its first task */
    task tasks[(TASK_SLAB_BYTES - 8) / sizeof(task)];
} task_slab;

/* A place in the table. */
typedef struct task_place {
    uint32_t hash;
    task_id t; /* 0: free */
} task_place;

struct task_worker {
    uint64_t id;
    void *user;
    char *name, *address, *runs;
    uint32_t slot;
    uint32_t hungry_at; /* its place in tasks.hungry + 1; 0: it is not there */
    int n_threads;
    size_t n_assigned;
    double queued_seconds;
    uint64_t stored_bytes, memory_bytes;
    uint64_t n_done;
    int64_t last_done_ns, blocked_ns;
    bool retiring, recalled;
    bool blocked; /* since blocked_ns, by functions that it was told to let go, which run on: by the books its threads are free */
    VEC(double) resources, free_resources; /* by number of the resource */
    task_queue near;                       /* tasks whose arguments are here */
};

struct task_client {
    void *user;
    task_share *share;
    uint32_t number;  /* 0: it never wanted anything */
    task_id wanted;   /* tasks whose `client` it is, */
    task_want *wants; /* and those where it is another that wants them */
};

/* What the state machine wants done. Called from within its functions; they must not call back. */
typedef struct tasks_ops {
    /* Give it to the worker. */
    void (*run)(void *context, task_worker *w, task *t);
    /* The worker need not keep the result, or run the task. */
    void (*free)(void *context, task_worker *w, const task *t);
    /* Tell a client that wants it: it is finished, failed, cancelled, lost, or (any other state) pending again. */
    void (*tell)(void *context, task_client *c, const task *t);
    void (*function_free)(void *context, task_function *f);
    int64_t (*now_ns)(void *context);
    void *context;
} tasks_ops;

struct tasks {
    tasks_ops ops;
    task_place *table; /* 2^table_bits places, by the first bits of the hash */
    int table_bits;
    size_t n_tasks;
    VEC(task_slab *) slabs;
    task_id n_cut, free_tasks; /* from slabs: the next number, and a list of tasks that were freed */
    uint64_t n_batches;
    VEC(task_client *) clients;          /* by number - 1 */
    id_table errors, copies, more_wants; /* by number of the task: task_error, uint32_t[] (their number, then slots), task_want */
    task_want *free_wants;
    VEC(task_want *) want_chunks;
    task_function **functions;
    size_t functions_size, n_functions;
    task_rule *rules;
    int n_rules;
    VEC(char *) resource_names;
    VEC(task_worker *) workers; /* by slot; NULL: free */
    size_t n_workers, n_ready, n_near;
    size_t turn;               /* the worker that is asked first */
    VEC(task_worker *) hungry; /* those that are not full; there is room for all */
    double clock;              /* share.seconds of the task that was given last, when it was */
    task_client grace, shared; /* clients of the scheduler's own */
    task_id work;              /* RELEASED tasks that are to be made */
    task_id garbage;
};

tsr_status tasks_init(tasks *ts, const tasks_ops *ops) MUST_CHECK;
void tasks_fini(tasks *ts);

/* ---- Functions and rules (tasks_rule.c) ---- */

task_function *tasks_function_find(const tasks *ts, hash128 id);
/* name and runs (may be NULL) are copied. One reference. */
tsr_status tasks_function_add(tasks *ts, hash128 id, const char *name, const char *runs, void *user,
                              task_function **out) MUST_CHECK;
void tasks_function_unref(tasks *ts, task_function *f);

typedef struct task_resource {
    const char *name;
    double amount;
} task_resource;

/* One reference. */
tsr_status tasks_rule_get(tasks *ts, const char *runs, size_t n_workers, char *const *workers, bool others_too,
                          size_t n_resources, const task_resource *resources, task_rule **out) MUST_CHECK;
void tasks_rule_unref(tasks *ts, task_rule *r);
/* May this worker run such tasks, now or when it has less to do? */
bool tasks_rule_allows(const tasks *ts, const task_rule *r, const task_worker *w);
/* Does it have the resources free that they take? */
bool tasks_rule_fits(const task_rule *r, const task_worker *w);
void tasks_rule_take(const task_rule *r, task_worker *w, double sign);

/* ---- Queues (tasks_rule.c) ---- */

tsr_status task_queue_init(task_queue *q) MUST_CHECK;
/* Into the queue of the worker (`near`), or of its rule if that is NULL. */
void task_queue_push(tasks *ts, task *t, task_worker *near, bool first);
void task_queue_remove(tasks *ts, task *t);
/* Of the largest priority, the client that had least, the first. NULL: empty. */
task *task_queue_head(const tasks *ts, const task_queue *q);
void task_queue_fini(task_queue *q);

/* ---- Workers and clients ---- */

typedef struct task_worker_facts {
    uint64_t id;
    const char *name, *address, *runs; /* runs: NULL or "": no runner */
    int n_threads;
    uint64_t memory_bytes;
    size_t n_resources;
    const task_resource *resources;
    void *user;
} task_worker_facts;

tsr_status tasks_worker_add(tasks *ts, const task_worker_facts *facts, task_worker **out) MUST_CHECK;
/* One that was never added, or is taken out already. */
void tasks_worker_free(task_worker *w);
/* What it ran is run by others; what only it had is made again. last_words: the end of its log, or NULL. */
void tasks_worker_lost(tasks *ts, task_worker *w, const char *last_words);
void tasks_client_lost(tasks *ts, task_client *c);

/* ---- What clients ask for ---- */

/* A batch with one reference and room for n_args arguments. It references `payload`; all is borrowed. */
tsr_status tasks_batch_new(tasks *ts, task_function *f, task_rule *rule, int32_t priority, unsigned retries, bool at_once,
                           buffer *payload, size_t n_args, task_batch **out) MUST_CHECK;
void tasks_batch_unref(tasks *ts, task_batch *b);

/* An argument as it was sent: the key of a task, or bytes. */
typedef struct task_input {
    bool is_key;
    tsr_key key;
    uint64_t offset, size;
} task_input;

/* The client wants the task `key`, which is (if it is not known already) the batch's function of these inputs; args points to
 * n_inputs of the batch's arguments that no other task uses. TSR_ERR_VALUE: it would depend on itself. */
tsr_status tasks_submit(tasks *ts, task_client *c, task_batch *b, tsr_key key, task_arg *args, size_t n_inputs,
                        const task_input *inputs) MUST_CHECK;
/* Tells its state now if it is final, and every later one. */
tsr_status tasks_want(tasks *ts, task_client *c, tsr_key key) MUST_CHECK;
void tasks_unwant(tasks *ts, task_client *c, tsr_key key);
void tasks_cancel(tasks *ts, task_client *c, tsr_key key, bool force);
void tasks_retry(tasks *ts, tsr_key key);

/* ---- What workers report ---- */

/* False: nobody needs it; the worker should free it. seconds < 0: it got the result otherwise. */
bool tasks_ran(tasks *ts, task_worker *w, tsr_key key, uint64_t size, double seconds);
/* details are copied. */
void tasks_failed(tasks *ts, task_worker *w, tsr_key key, tsr_status status, const char *text, const void *details,
                  size_t details_size);
/* It waits for others, and takes no thread any more. */
void tasks_seceded(tasks *ts, task_worker *w, tsr_key key);
/* It runs the task already: since before the scheduler heard of either. False: it should end it. */
bool tasks_runs(tasks *ts, task_worker *w, tsr_key key);
/* It was given back, not begun. */
void tasks_returned(tasks *ts, task_worker *w, tsr_key key);
/* w, which has the result, has it no longer. */
void tasks_result_lost(tasks *ts, task_worker *w, tsr_key key);

/* ---- Assigning (tasks_assign.c) ---- */

/* Gives ready tasks to workers; after anything above. */
void tasks_assign(tasks *ts);
/* Puts a ready task where it will be taken from. */
void tasks_enqueue(tasks *ts, task *t, bool first);
/* For tasks_assign: t, in no queue, is w's now. */
void tasks_given(tasks *ts, task_worker *w, task *t);
/* How much it has to do has changed, or whether it gets anything. */
void tasks_worker_changed(tasks *ts, task_worker *w);
/* t, whose arguments are there, runs on the worker that it names already. */
void tasks_take_running(tasks *ts, task *t);
/* The worker gets no more tasks. */
void tasks_retire(tasks *ts, task_worker *w);
/* How many tasks a worker that is behind should give back now; 0: none. Called now and then. */
size_t tasks_recall(tasks *ts, task_worker *w);

/* ---- The table (tasks_table.c) ---- */

static inline task *task_at(const tasks *ts, task_id id)
{
    return id ? &ts->slabs.items[id >> TASK_SLAB_BITS]->tasks[id & ((1U << TASK_SLAB_BITS) - 1)] : NULL;
}
static inline task_id task_number(const task *t)
{
    const task_slab *s = (const task_slab *)((uintptr_t)t & ~(uintptr_t)(TASK_SLAB_BYTES - 1));
    return (task_id)(s->first + (uint64_t)(t - s->tasks));
}
static inline task_arg *task_args(const task *t) { return t->batch ? t->batch->args + t->args : NULL; }

/* The task of this key, made UNKNOWN if there is none. NULL: no memory. */
task *tasks_get(tasks *ts, tsr_key key);
/* Takes it out of the table and frees it; nothing may point to it. */
void tasks_remove(tasks *ts, task *t);

/* ---- What lies beside tasks (tasks_beside.c) ---- */

bool tasks_wants(const tasks *ts, const task_client *c, const task *t);
/* False: no memory. *added: it did not before. */
bool tasks_add_want(tasks *ts, task_client *c, task *t, bool *added);
/* The client wants it. */
void tasks_drop_want(tasks *ts, task_client *c, task *t);
/* It wants nothing any more. */
void tasks_client_forget(tasks *ts, task_client *c);
/* A task that the client wants; NULL: none. */
task *tasks_wanted(const tasks *ts, const task_client *c);
/* False: no memory (the worker's copy is then not known of). */
bool tasks_add_holder(tasks *ts, task *t, const task_worker *w);
void tasks_drop_holder(tasks *ts, task *t, const task_worker *w);
void tasks_drop_copies(tasks *ts, task *t);
/* Takes the error, which may be NULL. */
void tasks_set_error(tasks *ts, task *t, task_error *e);
void task_error_unref(task_error *e);

/* ---- Looking ---- */

task *tasks_find(const tasks *ts, tsr_key key);
/* The key will be looked for soon: its place in the table, which is larger than any cache, is fetched meanwhile. */
enum { TASKS_EXPECTED = 8 }; /* so many keys earlier */
void tasks_expect(const tasks *ts, tsr_key key);
/* The task behind number *at (0: the first), which becomes its number; NULL: that was the last. Tasks may come and go between
 * calls. */
task *tasks_next(const tasks *ts, task_id *at);
/* How many workers have the result. */
size_t tasks_n_holders(const tasks *ts, const task *t);
/* The i-th worker that has the result. */
task_worker *tasks_holder(const tasks *ts, const task *t, size_t i);
bool tasks_holds(const tasks *ts, const task *t, const task_worker *w);
/* The worker that runs it, or says that it does; NULL: none. */
static inline task_worker *tasks_runner(const tasks *ts, const task *t)
{
    const bool runs = t->worker && t->state != TASK_READY && t->state != TASK_FINISHED;
    return runs ? ts->workers.items[t->worker - 1] : NULL;
}
/* Bytes of the result that is there. */
static inline uint64_t task_size(const task *t) { return t->state == TASK_FINISHED ? t->size : 0; }
/* Why it failed; NULL if it did not, or memory was short. */
const task_error *tasks_error(const tasks *ts, const task *t);
const char *task_name(const task *t);
task_worker *tasks_worker_find(const tasks *ts, const char *name_or_address);

#endif
