/* What client*.c share: the session's link to a cluster, its jobs, and the blocks it fetches.
 *
 * One lock, `client.lock`, guards all of it but what is said to be constant. It is taken on the I/O thread, too: nobody holds it
 * while doing anything that takes time. The locks of net.h are taken after it. */
#ifndef TESSERA_CLUSTER_CLIENT_PARTS_H
#define TESSERA_CLUSTER_CLIENT_PARTS_H

#include "array/pack.h"
#include "base/vec.h"
#include "cluster/client.h"
#include "cluster/cluster.pb-c.h"
#include "cluster/net.h"
#include "cluster/owner_map.h"
#include "cluster/tasks_hooks.h"

typedef struct client client;
typedef struct job job;
typedef struct fetching fetching;

/* A worker. It stays as long as the scheduler lists it, or its link is there. */
typedef struct peer {
    uint64_t id;
    char *address;
    net_link *link;   /* NULL: not connected */
    bool is_listed;   /* the scheduler says that it lives */
    int64_t retry_ns; /* its link was lost: not dialled again before this time */
    int n_placed;     /* payloads on their way from it into memory of ours */
} peer;

/* ---- Jobs (client_job.c) ----------------------------------------------------------------------------------------- */

/* A job that this client submitted, or (is_shared) found by its name. */
struct job {
    client *c;
    uint64_t number;
    job *next, *previous; /* the client's, in the order in which they were submitted */
    int refs;             /* of users, and of jobs that read it and may have to be submitted again after it */
    int users;            /* sets of arrays that read it, and its computation; 0: the cluster may forget it */
    bool is_persistent, is_shared, is_listed;
    uint8_t *head; /* Submit, packed; constant */
    size_t head_bytes;
    buffer *packed; /* the expressions; constant */
    VEC(job *) reads;
    tsr_status status; /* of its failure */
    char *message;
    fetching *fetch;                             /* while its blocks are fetched */
    int64_t tasks_done, tasks_total, bytes_read; /* of a persisted one that somebody waits for, as was told last */
};

/* A persisted array: root `root` of a job. Constant. */
typedef struct remote_set {
    block_set base;
    job *of;
    uint32_t root;
    tsr_dtype dtype;
    grid stored; /* its edges are the set's */
    int64_t *edges;
    struct remote_set *next, *previous; /* the client's */
} remote_set;

/* Packs and plans the arrays. *out has one user, and is not known to the cluster yet; the plan is the caller's. */
tsr_status job_new(client *c, int n, tsr_array *const *arrays, const plan_hint *hints, bool is_persistent, job **out,
                   plan **p) MUST_CHECK;
/* The client knows the job from now on, and so does the scheduler, now or when it is back. The lock is held for all of these. */
void job_submit(job *j);
/* One user fewer; with the last the cluster is told, soon. */
void job_leave(job *j);
job *job_find(client *c, uint64_t number);
void job_fail(job *j, tsr_status status, const char *message);
/* The scheduler has been lost and found: tells it all that lives. */
void jobs_submit_again(client *c);
/* When the client goes. */
void jobs_free(client *c);
/* A set for a root of a job, which it becomes a user of; `stored` is copied. */
tsr_status remote_set_new(job *j, uint32_t root, tsr_dtype dtype, const grid *stored, remote_set **out) MUST_CHECK;
/* NULL for a set of another kind. */
remote_set *remote_set_of(const tsr_array *a);
remote_set *remote_set_from(block_set *set);
/* A job that somebody else submitted; one user. */
tsr_status job_share(client *c, uint64_t number, job **out) MUST_CHECK;

/* ---- Fetching blocks (client_fetch.c, client_arrive.c, client_run.c) ----------------------------------------------------------
 */

/* Who has made a block, or is to. Other values: the slot of the request that asks for it. */
enum { BLOCK_WANTED = 0, BLOCK_PLACED = -1 /* arriving, or waiting to be delivered */, BLOCK_DONE = -2 };

typedef struct fetch_root {
    int stage, output;
    const stage_output *o;
    sink to;
    int64_t n_blocks, n_runs;
    int32_t *state;                     /* of each block */
    Tessera__Cluster__FilePlace *place; /* workers write the blocks there, or NULL */
} fetch_root;

/* A block that arrives or has arrived. */
typedef struct arrival {
    struct arrival *next;
    fetching *f;
    peer *from;
    int root;
    int64_t block;
    buffer *buf; /* NULL: it lies where it belongs */
    const char *data;
} arrival;

/* Blocks [first, end) of a root that an owner is to be asked for. */
typedef struct segment {
    int root;
    int64_t first, end;
} segment;
typedef struct owner {
    uint64_t worker;
    VEC(segment) segments;
    size_t at;
} owner;

struct fetching {
    client *c;
    job *of;
    const plan *plan;
    int n_roots;
    fetch_root *roots;
    int64_t n_blocks, n_left;
    size_t window_bytes, asked_bytes; /* what may be asked for and not delivered yet; what is */
    uint32_t epoch;                   /* of the map; 0: there is none */
    owner_map map;
    VEC(owner) owners;
    bool waits;      /* for a worker that cannot be asked now */
    bool has_missed; /* a block that was on its way has not come */
    int next_owner;
    int n_requests;

    pthread_cond_t changed; /* something to deliver, or is_over */
    arrival *ready, **ready_last;
    int n_placed; /* payloads on their way into memory of ours */
    bool is_over; /* all is there, or it failed */
    tsr_status status;
    char *message;
    tsr_progress progress;
    int progress_stage;
    stage_progress *stages; /* one for each of the plan */
    int64_t bytes_written;
};

/* Fetches the roots of a job into the sinks. */
tsr_status fetch_new(job *j, const plan *p, const sink *sinks, fetching **out) MUST_CHECK;
void fetch_free(fetching *f);
/* Returns when everything is delivered, or with the failure. Without the lock; the job was submitted. */
tsr_status fetch_run(fetching *f) MUST_CHECK;
/* The rest with the lock held. Nothing is to come any more, and nothing writes into the sinks' memory; it may wait for that. */
void fetch_stop(fetching *f);
void fetch_fail(fetching *f, tsr_status status, const char *message);
/* The same with the text of the thread's last error. */
void fetch_fail_here(fetching *f, tsr_status status);
/* A new map. False: it makes no sense for this plan; why is the thread's last error. */
bool fetch_set_map(fetching *f, const Tessera__Cluster__Map *m);
/* The link to a worker is gone. */
void fetch_lost(fetching *f, const peer *p);
/* Whatever is missing, and not asked of anybody, is asked of its owner. */
void fetch_draw_up_and_ask(fetching *f);
/* Asks for as much as the window has room for. */
void fetch_ask(fetching *f);
/* One block was delivered. */
void fetch_done(fetching *f, int root, int64_t block);
size_t fetch_block_bytes(const fetch_root *r, int64_t block);

/* The slot of a request that a message names; -1 if there is none. */
int fetch_slot_of(const client *c, uint64_t id);
/* The request is done. */
void fetch_slot_free(client *c, int slot);
/* A block's state while this request asks for it. */
int32_t fetch_asked_by(int slot);
/* What is missing of a request is not wanted from its worker any more; the slot is free. */
void fetch_request_drop(client *c, int slot, bool tell);
void fetch_arrival_free(arrival *a);

/* Messages of workers. False: it makes no sense; the link is to be closed. */
bool fetch_take_block(client *c, peer *p, const net_message *m);
bool fetch_take_refusal(client *c, peer *p, const net_message *m);
char *fetch_place(client *c, peer *p, const net_message *m, void **token);
void fetch_abandoned(client *c, void *token);

/* client_deliver.c: where the block would lie in the caller's memory, if it lies there in one piece; else NULL. */
char *deliver_in_place(const fetch_root *r, int64_t block);
/* Where in a file the workers can write the blocks of a root themselves: fills in r->place, or leaves it NULL. */
tsr_status deliver_find_place(fetch_root *r) MUST_CHECK;
void deliver_forget_place(fetch_root *r);
/* Puts what has arrived where it belongs; the caller holds no lock. */
tsr_status deliver(const fetching *f, const arrival *a) MUST_CHECK;

/* ---- Asking the scheduler (client_query.c) ----------------------------------------------------------------------- */

/* A request and its answer. On the stack of whoever waits. */
typedef struct query {
    struct query *next;
    uint64_t request;
    uint32_t type; /* what is sent */
    uint8_t *head;
    size_t head_bytes;
    bool is_sent, is_done;
    tsr_status status;
    char *message; /* of a refusal */
    uint32_t answer_type;
    uint8_t *answer; /* the head of the answer */
    size_t answer_bytes;
} query;

/* With the lock held. False: nobody asked. */
bool query_answer(client *c, uint64_t request, uint32_t type, const net_message *m);
bool query_refuse(client *c, uint64_t request, tsr_status status, const char *message);
/* The scheduler is there, again. */
void queries_send(client *c);
/* It is lost. */
void queries_lost(client *c);
/* remote_engine.wait */
tsr_status query_wait(remote_engine *r, size_t n, block_set *const *sets, double seconds) MUST_CHECK;

/* ---- The client (client.c) --------------------------------------------------------------------------------------- */

/* A request for blocks that is not done. */
typedef struct request {
    uint64_t id; /* 0: the slot is free */
    fetching *f;
    int root;
    int64_t first, end;
    int64_t n_left;
    uint64_t worker;
    int next_free; /* of a free slot: the next one + 1 */
} request;
enum { MAX_REQUESTS = 1 << 16 };

/* A scheduler that takes its time. */
typedef struct late_link {
    net_link *link;
    unsigned turn;
} late_link;

struct client {
    remote_engine base;
    tsr_session *session;
    char *address;
    bool is_loopback; /* the address is one of this very host */
    tsr_function_codec codec;
    bool has_codec;
    net *n;
    client_tasks *tasks;

    pthread_mutex_t pack_lock; /* held while a codec is called; before `lock` */
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t changed;    /* the scheduler's link opened or closed, or a query was answered */
    net_link *scheduler;       /* NULL: lost */
    VEC(late_link) late;       /* dialled before it, of other addresses; they have not answered yet, but may */
    int64_t dialled_ns;        /* `scheduler` */
    bool is_open, is_closing, was_open;
    bool is_here;  /* the scheduler is on this host; of the last one */
    char *reason;  /* why it was lost */
    bool is_final; /* that reason will not change by trying again */
    net_timer *timer;
    int64_t stopped_ns; /* the scheduler said then that it ends for good; 0: it did not, or another one is there */
    int64_t give_up_ns; /* everything that waits fails then, and again from time to time */
    int64_t retry_ns;
    int backoff_ms;
    unsigned n_addresses, turn; /* of `address`, which may be several: whose turn it is */
    VEC(peer *) peers;
    job *jobs, *last_job;
    remote_set *sets;
    VEC(uint64_t) released; /* jobs that the cluster may forget, and has not been told so */
    bool will_release;
    VEC(request) requests;
    int free_request; /* slot + 1 */
    uint64_t next_request;
    query *queries;
};

/* A client that is not connected yet, as the session's remote, which closes it. */
tsr_status client_new(tsr_session *s, const char *address, const tsr_options *options, client **out) MUST_CHECK;
/* The session's; NULL with the error set if it has none. */
client *client_of(const tsr_session *s);
peer *client_find_peer(client *c, uint64_t id);
/* Connects to a worker. False: not now. */
bool client_dial(client *c, peer *p);
/* Sends to the scheduler if it is there. */
void client_tell(client *c, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload, size_t payload_bytes);

#endif
