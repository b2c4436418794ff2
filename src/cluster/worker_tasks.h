/* Inside a worker's tasks: worker_tasks.c (messages of the scheduler's), worker_store.c (tasks and results by their keys),
 * worker_peers.c (results that go to others, and come from them), worker_threads.c (threads that run tasks), worker_functions.c
 * (what they call), worker_spill.c (results on disk), worker_news.c (what the scheduler is told). */
#ifndef TESSERA_CLUSTER_WORKER_TASKS_H
#define TESSERA_CLUSTER_WORKER_TASKS_H

#include "base/hash.h"
#include "cluster/tasks_hooks.h"
#include "cluster/tasks_wire.h"
#include "engine/scratch.h"

#include <pthread.h>
#include <stdatomic.h>

/* A function that tasks call. Its fields stay as they are once it is loaded; loading is once, under `lock`. */
typedef struct work_function {
    hash128 id;
    atomic_int refs;
    tsr_task_kind kind;
    char *name, *library, *symbol, *flags;
    buffer *code;
    const char *code_data;
    size_t code_size;
    pthread_mutex_t lock;
    bool loaded;
    void *handle;
    tsr_task_call call;
    tsr_status status; /* of loading */
    char *error;
    atomic_uint micros; /* how long it takes, lately */
    struct work_function *next;
} work_function;

typedef struct work_task work_task;

/* Somebody who asked for a result that is spilled. */
typedef struct waiting_get {
    net_link *link; /* a reference */
    uint64_t request;
} waiting_get;

/* A result that is here, or on its way. */
typedef struct stored {
    tsr_key key;
    struct stored *next;
    buffer *buf; /* NULL: on its way, or spilled */
    const char *data;
    size_t size;
    int64_t spilled_at;  /* its place in the scratch file + 1; 0: it is not there */
    uint64_t holder;     /* of whom it was asked */
    bool asked, loading; /* it was asked for; it is being read from the scratch file */
    bool listed;         /* among the large results in memory */
    struct stored *older, *newer;
    VEC(work_task *) waiting;
    VEC(waiting_get) gets; /* that wait until it is read */
} stored;

struct work_task {
    tsr_key key;
    work_task *next; /* in the table */
    work_function *function;
    uint64_t order;
    int32_t priority;
    int n_args, n_missing;
    bool at_once, carry, running, seceded;
    atomic_bool cancelled;
    bool failed;     /* told of already; freed by who has it last */
    buffer *payload; /* of the arguments that are bytes */
    tsr_bytes *args; /* owner: a reference of a result's buffer; NULL: it lies in the payload */
    tsr_key *keys;   /* of arguments that are results; zero for others */
};

typedef struct peer {
    uint64_t worker;
    char *address;
    net_link *link;
} peer;

struct tsr_task_result {
    struct worker_tasks *w;
    work_task *t;
    buffer *buf;
    const char *data;
    size_t size;
    char *text;
    void *details;
    size_t details_size;
};

/* What was done since the scheduler was last told. */
typedef struct news {
    tasks_column keys, sizes;
    VEC(uint32_t) micros;
    VEC(protobuf_c_boolean) carried;
    char *payload;
    size_t payload_bytes, payload_capacity;
    int64_t since_ns;
} news;

struct worker_tasks {
    net *net;
    uint64_t id;
    int n_threads;
    size_t memory_bytes;
    mem_account *memory_use;
    char *scratch_dir;
    tsr_task_runner runner;
    char *task_folders;
    tsr_log_callback log;
    void *log_context;
    tasks_intake intake; /* the I/O thread's */
    VEC(peer) peers;     /* the I/O thread's */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, idle;
    net_link *scheduler;
    stored **results;
    size_t results_size, n_results;
    work_task **tasks;
    size_t tasks_size, n_tasks;
    VEC(work_task *) ready;   /* a heap */
    VEC(work_task *) at_once; /* to be run now */
    work_function *functions;
    uint64_t order;
    VEC(pthread_t) threads;
    int n_busy;    /* threads that count as running tasks */
    int n_waiting; /* threads with nothing to do, or that begin */
    bool ending;
    news ran, have;
    uint64_t stored_bytes, spilled_bytes, tasks_done;
    stored *oldest, *newest; /* large results in memory, by their last use */
    VEC(tsr_key) loads;      /* that are to be read */
    scratch *scratch;        /* the disk thread's */
    pthread_t disk_thread;
    bool has_disk_thread;
    pthread_cond_t disk;
    int64_t pause_until_ns; /* the disk was full: nothing is written before */
    net_timer *timer;
    int idle_ticks;
};

/* ---- worker_threads.c ---- */

tsr_status worker_threads_start(worker_tasks *w) MUST_CHECK;
void worker_threads_stop(worker_tasks *w);
/* With the lock held: puts a task whose arguments are there where threads take it. */
void worker_threads_add(worker_tasks *w, work_task *t);
/* With the lock held: takes a task out again; false: it is not waiting for a thread. */
bool worker_threads_remove(worker_tasks *w, work_task *t);
/* With the lock held: the last task of the queue, or NULL. */
work_task *worker_threads_take_last(worker_tasks *w);

/* ---- worker_spill.c: all with the lock held but stop ---- */

/* A result is there, or was used. */
void worker_spill_used(worker_tasks *w, stored *s);
/* worker_result_loaded will be called; false: no memory. */
bool worker_spill_load(worker_tasks *w, stored *s);
/* The result goes. */
void worker_spill_forget(worker_tasks *w, stored *s);
void worker_spill_leave(worker_tasks *w, stored *s);
void worker_spill_stop(worker_tasks *w);
/* What the disk thread does next: reads a result, or writes one. The lock is given up meanwhile. False: there is nothing to do.
 */
bool worker_spill_step(worker_tasks *w);

/* ---- worker_news.c: all with the lock held ---- */

/* carried: the result itself, or NULL. False: no memory. */
bool worker_news_add(news *n, tsr_key key, uint64_t size, uint32_t micros, const char *carried);
/* type: RAN or HAVE. */
void worker_news_send(worker_tasks *w, news *n, uint32_t type);
/* Sees to it that news are sent within a few milliseconds. */
void worker_news_soon(worker_tasks *w);
void worker_news_fault(worker_tasks *w, tsr_key key, tsr_status status, const char *text, const void *details, size_t size);
void worker_news_fini(news *n);
/* Sends what there is to tell. */
void worker_tasks_flush(worker_tasks *w);
/* The scheduler may send another task instead. */
void worker_tasks_seceded(worker_tasks *w, const work_task *t);

/* ---- worker_functions.c ---- */

tsr_status work_function_new(const Tessera__Futures__Function *f, buffer *code, const char *data, size_t size,
                             work_function **out) MUST_CHECK;
void work_function_unref(work_function *f);
/* Calls it. On failure the reason is the thread's error. */
tsr_status work_function_call(worker_tasks *w, work_function *f, const work_task *t, tsr_task_result *r) MUST_CHECK;

/* ---- worker_tasks.c ---- */

/* worker_tasks_new but for the threads. */
tsr_status worker_tasks_make(const worker_tasks_options *o, worker_tasks **out) MUST_CHECK;

/* ---- worker_peers.c: with the lock held; on the I/O thread but for fetch_failed and answer_gets ---- */

/* Asks for a result; false: that cannot be. */
bool worker_fetch(worker_tasks *w, const stored *s);
/* It cannot be had: tasks that wait for it are given back, and its place goes. */
void worker_fetch_failed(worker_tasks *w, stored *s);
/* Those who asked for it get it, or that it is not here. */
void worker_answer_gets(stored *s);
void worker_took_get(worker_tasks *w, net_link *l, const net_message *m);
void worker_took_put(worker_tasks *w, net_link *l, const net_message *m, buffer *b);
void worker_took_data(worker_tasks *w, net_link *l, const net_message *m, buffer *b);
void worker_took_copy(worker_tasks *w, const net_message *m);
void worker_took_peers(worker_tasks *w, const net_message *m);

/* ---- worker_store.c ---- */

/* In memory, or on disk. */
static inline bool worker_result_is_here(const stored *s) { return s->buf || s->spilled_at; }
/* Is argument i the result of a task? */
static inline bool work_task_reads(const work_task *t, int i) { return t->keys && (t->keys[i].high || t->keys[i].low); }

/* All with the lock held. NULL: there is none. */
stored *worker_result_find(const worker_tasks *w, tsr_key key);
/* A place for it, if there is none. NULL: no memory. */
stored *worker_result_get(worker_tasks *w, tsr_key key);
/* Nobody may wait for it. */
void worker_result_remove(worker_tasks *w, stored *s);
/* Of its memory. */
void worker_result_let_go(worker_tasks *w, stored *s);
/* Keeps a result, and gives it to those that wait; takes a reference of its own to the buffer. NULL: no memory. */
stored *worker_result_keep(worker_tasks *w, tsr_key key, buffer *b, const char *data, size_t size);
work_task *worker_task_find(const worker_tasks *w, tsr_key key);
void worker_task_add(worker_tasks *w, work_task *t);
/* Takes it out of the table, if it is there. */
void worker_task_unlist(worker_tasks *w, work_task *t);
/* No thread runs it: it is freed, with the places of results that only it waited for and nobody was asked for. */
void worker_task_drop(worker_tasks *w, work_task *t);
/* With the lock held: what was spilled is read; NULL: it could not be. */
void worker_result_loaded(worker_tasks *w, stored *s, buffer *b);
/* With the lock held. Takes the result's buffer; the task's place in the table ends. */
void worker_tasks_ran(worker_tasks *w, work_task *t, tsr_task_result *r, uint32_t micros);
/* Without the lock. */
void worker_tasks_failed(worker_tasks *w, work_task *t, tsr_status status, const tsr_task_result *r);
void work_task_free(work_task *t);

#endif
