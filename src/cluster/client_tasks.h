/* Inside a client's tasks: client_tasks.c (submitting, messages), client_futures.c (waiting, results, callbacks), client_asks.c
 * (scattering, questions, shared objects). */
#ifndef TESSERA_CLUSTER_CLIENT_TASKS_H
#define TESSERA_CLUSTER_CLIENT_TASKS_H

#include "base/hash.h"
#include "cluster/tasks_hooks.h"
#include "cluster/tasks_wire.h"
#include "engine/engine.h"

#include <pthread.h>

/* A function that was used, as it is sent. */
typedef struct sent_function {
    hash128 id;
    struct sent_function *next;
    uint8_t *head;
    size_t head_bytes;
    char *code;
    size_t code_bytes;
    bool told; /* the scheduler knows it */
} sent_function;

/* Tasks that were submitted together. Kept while there is a future of one, or a batch whose tasks take results of these: after
 * the scheduler was lost they are submitted again, so that a new one knows how everything is made. */
typedef struct sent_batch {
    long refs; /* futures, batches that need it, and being open or not sent */
    struct sent_batch *next, *previous, *next_free;
    VEC(struct sent_batch *) needs;
    sent_function *function;
    int priority, retries;
    bool others_too, at_once, sent;
    char *resources;
    size_t n_workers;
    char **workers;
    tasks_column keys, arg_sizes, arg_keys;
    VEC(uint32_t) n_args;
    char *payload;
    size_t payload_bytes, payload_capacity;
} sent_batch;

typedef struct done_call {
    void (*call)(void *context, tsr_future *future);
    void *context;
    tsr_future *future;
} done_call;

/* Who is to hear, once, that a future is no longer pending. `told` is called with the lock held, and may queue a message, no
 * more; not done: nobody waits any longer. */
typedef struct future_watch {
    struct future_watch *next;
    const void *owner;
    void (*told)(struct future_watch *w, bool is_done);
} future_watch;

struct tsr_future {
    client_tasks *c;
    tsr_key key;
    tsr_future *next; /* in the table */
    long refs;        /* 0: about to go */
    tsr_future_status status;
    sent_batch *batch;               /* NULL: not submitted by this client */
    uint64_t size, holder, asked_of; /* workers: that has it; that was asked for it */
    buffer *buf;                     /* the result, if it is here */
    const char *data;
    int n_readers;       /* that wait for the result, or use it now */
    bool asked, leaving; /* the result is on its way; it is in the list of those that go */
    int n_failed;        /* times that the result could not be had */
    tsr_status error;
    char *text;
    buffer *details;
    size_t details_bytes;
    const char *details_data;
    VEC(done_call) calls;
    future_watch *watches;
};

typedef struct worker_peer {
    uint64_t worker;
    char *address;
    net_link *link;
} worker_peer;

/* A question, or a PUT, that waits for its answer: on the asker's stack. */
typedef struct asked {
    struct asked *next;
    uint64_t request;
    net_link *link;                        /* of a PUT */
    const Tessera__Futures__Ask *question; /* of others; asked again after the connection was lost */
    net_payload payload;
    bool done, gave_up;
    tsr_status status;
    char *text;
    int64_t number;
    bool has_key;
    tsr_key key;
    tasks_column workers;
    buffer *value;
    const char *data;
    size_t size;
} asked;

struct client_tasks {
    tsr_session *session;
    net *net;
    tasks_intake intake; /* the I/O thread's */

    pthread_mutex_t lock; /* guards what follows, and futures */
    pthread_cond_t changed;
    net_link *scheduler;
    tsr_future **futures;
    size_t futures_size, n_futures;
    sent_function *functions;
    sent_batch *batches, *last_batch; /* in the order of submission */
    sent_batch *open;                 /* that tasks are added to */
    size_t n_batches, batch_bytes;    /* of payload */
    VEC(tsr_future *) leaving;
    VEC(worker_peer) peers;
    asked *asks;
    uint64_t next_request, key_base, next_key; /* key_base: the session's number, too */
    int64_t lost_ns;                           /* since when the scheduler is away */
    bool was_open;
    bool posted, ended;
    unsigned n_errors;  /* futures that failed, ever */
    VEC(done_call) due; /* calls to make */
    size_t n_calls;     /* of futures that are pending: there is room for all of them */
    pthread_t caller;   /* of callbacks */
    bool has_caller;
    pthread_cond_t work;
};

/* All with the lock held. */
tsr_future *client_future_get(client_tasks *c, tsr_key key); /* NULL: no memory; refs as they were (0: new) */
tsr_key client_key_new(client_tasks *c);
void client_tasks_flush(client_tasks *c);
/* Flushes soon, on the I/O thread. */
void client_tasks_flush_soon(client_tasks *c);
/* The future is no longer pending, or pending again. */
void client_future_changed(client_tasks *c, tsr_future *f, tsr_future_status status);
/* Asks the worker that has it for the result. */
void client_future_ask(client_tasks *c, tsr_future *f);
/* The link to a worker, dialled if there is none; NULL: it is not known, or cannot be dialled. */
net_link *client_link_to(client_tasks *c, uint64_t worker);
void client_send_keys(client_tasks *c, uint32_t type, size_t n, const uint64_t *keys, bool force);
void client_future_drop(client_tasks *c, tsr_future *f);
/* Says what is to be said about the session. */
void client_send_session(client_tasks *c, bool complete, bool leaves);
/* Asks what is not answered once more. */
void client_asks_again(client_tasks *c);

/* Asks the scheduler about what clients share by name, without the lock. number: in and out, or NULL; out may be NULL. */
tsr_status client_ask_about(tsr_session *session, const char *what, const char *name, int64_t *number, const tsr_task_arg *value,
                            double seconds, tsr_shared_value *out) MUST_CHECK;
/* Without the lock. False: the future is not pending, and nobody will be told. The watcher must live until it is. */
bool client_future_watch(tsr_future *f, future_watch *w);
/* Tells the owner's watchers that nobody waits any longer. */
void client_future_unwatch(tsr_future *f, const void *owner);

/* The tasks of a session; error: it has no cluster. */
tsr_status client_tasks_get(tsr_session *session, client_tasks **out) MUST_CHECK;
/* Gives up the lock until something changed; false: the time has come, or (error set) the session ends. until_ns < 0: never. */
bool client_wait(client_tasks *c, int64_t until_ns);
int64_t client_until(double seconds);

#endif
