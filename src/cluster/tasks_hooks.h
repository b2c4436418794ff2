/* Tasks (futures.proto) beside the jobs of cluster.proto: what the scheduler's, the worker's and the client's own files call.
 *
 * All three parts share the process's net. Links that a part dialled itself are its own: its `opened` and `closed` return true
 * for these, and the caller does nothing more about them. Of every link, messages of the types from TASKS_FIRST_TYPE on (below
 * NET_FIRST_RESERVED_TYPE) are the part's: the net's `place`, `message` and `abandoned` hand them over. Everything here is called
 * on the I/O thread, but new and free. */
#ifndef TESSERA_CLUSTER_TASKS_HOOKS_H
#define TESSERA_CLUSTER_TASKS_HOOKS_H

#include "cluster/journal.h"
#include "cluster/net.h"

#include "tessera.h"

enum { TASKS_FIRST_TYPE = 128 };

/* ---- Scheduler (scheduler_tasks.c) ---- */

typedef struct scheduler_tasks scheduler_tasks;

typedef struct scheduler_tasks_worker {
    uint64_t id;
    const char *name, *address, *runs; /* of its Register */
    int n_threads;
    size_t memory_bytes;
    int n_resources;
    const char *const *resource_names;
    const double *resource_amounts;
} scheduler_tasks_worker;

tsr_status scheduler_tasks_new(net *n, tsr_log_callback log, void *log_context, scheduler_tasks **out) MUST_CHECK;
/* Time begins: after the journal was read. */
tsr_status scheduler_tasks_begin(scheduler_tasks *s) MUST_CHECK;
/* After net_close. NULL is fine. */
void scheduler_tasks_free(scheduler_tasks *s);
/* A record of JOURNAL_SHARED or a later kind. */
tsr_status scheduler_tasks_replay(scheduler_tasks *s, const journal_record *r) MUST_CHECK;
/* Records of what is shared now. */
void scheduler_tasks_snapshot(scheduler_tasks *s, void (*write)(void *to, const journal_record *r), void *to);
/* There is a journal: `record` appends to it and returns the record's number. */
void scheduler_tasks_set_journal(scheduler_tasks *s, uint64_t (*record)(void *context, const journal_record *r, buffer *payload),
                                 void *context);
/* All workers of the scheduler before this one are here. I/O thread. */
void scheduler_tasks_complete(scheduler_tasks *s);
/* Records up to this number are written. I/O thread. */
void scheduler_tasks_recorded(scheduler_tasks *s, uint64_t number);
/* A worker registered on this link, or registered again. */
void scheduler_tasks_worker_joined(scheduler_tasks *s, net_link *l, const scheduler_tasks_worker *w);
/* Its link is gone. last_words: the end of its log, or NULL. */
void scheduler_tasks_worker_lost(scheduler_tasks *s, net_link *l, const char *last_words);
/* A client's link was opened; is gone. */
void scheduler_tasks_client_joined(scheduler_tasks *s, net_link *l);
void scheduler_tasks_client_lost(scheduler_tasks *s, net_link *l);
/* No new tasks for this worker; `done` (which may be called at once) when its results are elsewhere. */
void scheduler_tasks_retire(scheduler_tasks *s, net_link *l, void (*done)(void *context, net_link *l), void *context);
/* Drops all tasks and results; clients are told that theirs are cancelled. */
void scheduler_tasks_restart(scheduler_tasks *s);
char *scheduler_tasks_place(scheduler_tasks *s, net_link *l, const net_message *m, void **token);
void scheduler_tasks_message(scheduler_tasks *s, net_link *l, const net_message *m);
/* False: the token is not one of these. */
bool scheduler_tasks_abandoned(scheduler_tasks *s, net_link *l, void *token);

/* ---- Worker (worker_tasks.c) ---- */

typedef struct worker_tasks worker_tasks;

typedef struct worker_tasks_options {
    net *net;
    uint64_t worker; /* its number, as in Register */
    int n_threads;
    size_t memory_bytes;           /* results beyond half of this are spilled */
    mem_account *memory_use;       /* where results are counted, the account of the net; NULL: nowhere */
    const char *scratch_dir;       /* copied, as the texts below */
    const tsr_task_runner *runner; /* may be NULL */
    const char *task_folders;
    tsr_log_callback log;
    void *log_context;
} worker_tasks_options;

tsr_status worker_tasks_new(const worker_tasks_options *o, worker_tasks **out) MUST_CHECK;
/* Before net_close: waits until no function runs any more. */
void worker_tasks_end(worker_tasks *w);
/* After net_close. NULL is fine. */
void worker_tasks_free(worker_tasks *w);
/* The link to the scheduler is open and Register was sent, for the first time or again. */
void worker_tasks_scheduler_opened(worker_tasks *w, net_link *scheduler);
bool worker_tasks_opened(worker_tasks *w, net_link *l);
/* To be called for every link, accepted ones and the scheduler's too; true if the part dialled it. */
bool worker_tasks_closed(worker_tasks *w, net_link *l, const char *reason);
char *worker_tasks_place(worker_tasks *w, net_link *l, const net_message *m, void **token);
void worker_tasks_message(worker_tasks *w, net_link *l, const net_message *m);
bool worker_tasks_abandoned(worker_tasks *w, net_link *l, void *token);

/* For reports; any thread. */
typedef struct worker_tasks_counts {
    uint64_t spilled_bytes, tasks_done;
} worker_tasks_counts;
worker_tasks_counts worker_tasks_count(worker_tasks *w);

/* ---- Client (client_tasks.c) ---- */

typedef struct client_tasks client_tasks;

/* Of a session on a cluster (client.c); NULL for others. */
client_tasks *client_tasks_of(tsr_session *session);

tsr_status client_tasks_new(tsr_session *session, net *n, client_tasks **out) MUST_CHECK;
/* Before net_close: everybody who waits returns with an error, callbacks end. */
void client_tasks_end(client_tasks *c);
/* After net_close; frees the futures that are left. NULL is fine. */
void client_tasks_free(client_tasks *c);
/* The link to the scheduler is open, for the first time or again. */
void client_tasks_scheduler_opened(client_tasks *c, net_link *scheduler);
/* The cluster was stopped and no other came: futures that are pending fail with this text. Again for those that came meanwhile.
 */
void client_tasks_stopped(client_tasks *c, const char *text);
bool client_tasks_opened(client_tasks *c, net_link *l);
/* To be called for every link, the scheduler's too; true if the part dialled it. */
bool client_tasks_closed(client_tasks *c, net_link *l, const char *reason);
char *client_tasks_place(client_tasks *c, net_link *l, const net_message *m, void **token);
void client_tasks_message(client_tasks *c, net_link *l, const net_message *m);
bool client_tasks_abandoned(client_tasks *c, net_link *l, void *token);

#endif
