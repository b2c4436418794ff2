/* A worker: what its files share.
 *
 * Threads and who may touch what:
 * - the I/O thread (of the net): the tables of jobs, peers, connections and asks, the state of jobs;
 * - the planning lane: unpacks and plans jobs, opens and closes runs; its own table of open runs;
 * - the serving lane: tells runs of new maps, and of demands that waited or are over;
 * - the engine's threads: run_ops, deliver and ended. They queue work for the I/O thread (worker_tell) or send on a link.
 * The I/O thread uses the run of a job only while the job is JOB_OPEN. When a job is dropped, its run is closed behind all that
 * the serving lane was given before, so nobody uses a run that is closed. */
#ifndef TESSERA_CLUSTER_WORKER_H
#define TESSERA_CLUSTER_WORKER_H

#include "base/error.h"
#include "cluster/address.h"
#include "cluster/cluster.pb-c.h"
#include "cluster/id_table.h"
#include "cluster/lane.h"
#include "cluster/net.h"
#include "cluster/owner_map.h"
#include "cluster/place.h"
#include "cluster/tasks_hooks.h"
#include "engine/share.h"

#define MESSAGE(name) TESSERA__CLUSTER__MESSAGE_TYPE__##name

/* Requests of one connection that wait for a job nobody has told of yet; all requests of one. */
enum { WORKER_MOST_WAITING = 100000, WORKER_MOST_REQUESTS = 1 << 20 };
/* Lines of the log that go with a report, and bytes of each. */
enum { WORKER_LOG_LINES = 5, WORKER_LOG_BYTES = 240 };
/* Deliveries pause while a connection has more than this to send, or than an eighth of the budget; they go on at a quarter of it.
 */
enum { WORKER_HIGH_BYTES = 64 << 20 };

typedef struct conn conn;
typedef struct peer peer;
typedef struct job job;
typedef struct request request;
typedef struct ask ask;

/* Another worker. The I/O thread's. */
struct peer {
    uint64_t id;
    char *address;       /* NULL: it is in no list of workers */
    conn *link;          /* to it, or NULL; a reference */
    ask *first;          /* what was asked of it and is not there yet */
    int64_t retry_at_ns; /* it is asked again then; 0: no need */
};

typedef enum conn_kind { CONN_SCHEDULER, CONN_PEER, CONN_GUEST } conn_kind;

/* A connection: to the scheduler, to a peer that is asked, or of a guest who asks. Counted; the I/O thread's but for refs and
 * link. */
struct conn {
    atomic_int refs;
    tsr_worker *w;
    conn_kind kind;
    net_link *link;
    peer *peer;
    bool is_open, is_over; /* is_over: closed, or not listened to any more */
    id_table requests;     /* GUEST: by their number */
    int n_waiting;
    int64_t placed_ns; /* PEER: when a payload began to come; 0: none does */
    unsigned turn;     /* SCHEDULER: which of its addresses this is */
    conn *next, **at;  /* in the worker's list */
};

typedef enum job_state {
    JOB_AWAITED, /* somebody fetches from it, the scheduler has not told of it yet */
    JOB_PLANNING,
    JOB_OPEN,
    JOB_FAILED, /* for good: `status`, `message` */
    JOB_DROPPED /* no longer in the table */
} job_state;

/* Blocks [first, end) of a root. */
typedef struct span {
    int root;
    int64_t first, end;
} span;

struct job {
    atomic_int refs;
    tsr_worker *w;
    uint64_t id;
    /* The I/O thread's. */
    job_state state;
    tsr_status status;
    char *message;
    bool has_run;                     /* `run` and `plan` are there, whatever the state */
    uint32_t epoch, made_epoch;       /* made: all that the map of that number wants of persisted roots here; 0: never */
    atomic_bool is_careful;           /* the planning lane's, too: somebody is to hear of what is begun */
    bool has_map;                     /* of a job that is being planned */
    owner_map map;                    /* the newest */
    atomic_bool has_owners;           /* the serving lane has told the run of a map */
    request *waiting, **last_waiting; /* for the job to be there, in the order in which they came */
    id_table asks;                    /* by stage, unit, state */
    bool is_shed;                     /* persisted blocks are not kept; told the serving lane */
    run_counts reported;
    bool tells_all;           /* the scheduler has been told nothing of it */
    int64_t *reported_stages; /* tasks done of each stage of the plan; NULL before the first report */
    /* Given to the planning lane, then the I/O thread's again. */
    work plan_work;
    Tessera__Cluster__Job *said;
    buffer *packed; /* NULL: there was no memory for it */
    tsr_status plan_status;
    char plan_message[512];
    run *run;
    const plan *plan; /* the run's */
    /* The serving lane's: what persisted roots are to be made here. */
    span *mine;
    size_t n_mine;
    request *own;
    bool sheds;
    work shed_work;
    size_t n_own_left;  /* of these, those that are not made yet */
    uint32_t own_epoch; /* of the map that they are of */
    work close_work;
    /* The engine's, for the I/O thread. */
    work failed_work;
    tsr_status failed_status;
    char failed_message[512];
};

typedef struct made_block {
    int64_t number;
    int output;
    buffer *buf;
    size_t bytes;
} made_block;

/* Blocks that a guest has asked for, or (conn NULL) that persisted roots need. */
struct request {
    demand d;
    Tessera__Cluster__FilePlace *place_said; /* where the guest wants blocks to be written, or NULL */
    file_place *place;                       /* the same, once the plan is known */
    atomic_int refs;                         /* the table, the engine, each work that is queued */
    job *job;
    conn *guest;
    uint64_t id;
    bool is_waiting, is_withdrawn; /* withdrawn: nobody is told how it ends */
    bool is_due_again;             /* it was put off, and that has ended */
    request *next, **at;           /* of what waits for the job, or of the job's own */
    bool is_current;               /* the serving lane's: it is one of the job's own, and counted in n_own_left */
    work demand_work, withdraw_work, resume_work, ended_work, made_work;
    atomic_bool resume_queued;
    tsr_status status;
    char *message;
    atomic_bool paused;
    pthread_mutex_t lock; /* guards what is below; before the engine's lock */
    bool is_over;
    int64_t total, started, sent; /* blocks */
    bool has_final;
    made_block final; /* the last one, until all others are sent */
    bool is_put_off;  /* what was made of it is not sent: it is made, or read, again once the guest takes something */
};

/* What this worker wants of a peer. The I/O thread's once it was told. */
struct ask {
    work told;
    job *job;
    peer *peer;
    uint64_t owner, id;
    int stage;
    int64_t unit;
    int64_t span;           /* of a state; 0: a block */
    bool is_sent, is_again; /* is_again: asked for anew while the answer comes, which may then lack what was there already */
    int left;               /* outputs that are not there yet */
    ask *next, **at;
};

struct tsr_worker {
    unsigned forks; /* forks_count() of the process that started it */
    uint64_t id;
    double bandwidth; /* bytes a second at which payloads came lately from other hosts; 0: not known. The I/O thread's */
    tsr_session *session;
    net *net;
    lane *planning, *serving;
    worker_tasks *tasks;
    char *runs; /* what runs functions of tasks that are no C functions, or NULL */
    char address[ADDRESS_TEXT_BYTES];
    char *scheduler_address, *name, *resources; /* scheduler_address: one or several, of which `turn` says whose turn it is */
    unsigned n_schedulers, turn, n_tries;       /* tries: to reach one, since there was none */
    char scheduler_at[ADDRESS_TEXT_BYTES];      /* the one that is dialled, or was reached */
    char *secret_file, *ca_file, *cert_file, *key_file;
    tsr_function_codec codec;
    bool has_codec, is_serving;
    int n_threads;
    size_t high_bytes; /* that a connection may have to send before deliveries pause */
    tsr_log_callback log;
    void *log_context;
    atomic_bool stopping;
    /* For the I/O thread, of other threads. */
    pthread_mutex_t told_lock; /* guards the list and `posted`; the last of all locks */
    work_list told;
    bool posted;
    /* For tsr_worker_wait and tsr_worker_stop. */
    pthread_mutex_t end_lock;
    pthread_cond_t end_changed;
    bool is_told_to_end, is_quiet;
    /* For threads that tell the scheduler what they begin, and for those that log. */
    pthread_mutex_t news_lock;                      /* guards what is below; a last one, as told_lock */
    net_link *news_link;                            /* to the scheduler, or NULL; a reference */
    char lines[WORKER_LOG_LINES][WORKER_LOG_BYTES]; /* logged last, and not reported yet */
    int n_lines;
    int64_t careful_ns; /* of all threads' time, spent on telling */
    int64_t careful_since_ns;
    /* The I/O thread's. */
    conn *scheduler; /* a reference, or NULL */
    bool leaves;     /* the scheduler is to have others take over what is here */
    int retry_ms;
    bool is_scheduler_here; /* on this host, the last time */
    char *no_scheduler;     /* why there was no connection, the last time; NULL: there is one */
    int64_t retry_at_ns;    /* when the scheduler is dialled again */
    int64_t dialled_ns;     /* when it was last */
    id_table jobs, peers, asks;
    uint64_t next_ask;
    conn *conns;
    net_timer *tick;
    size_t quiet_used_bytes, quiet_idle_bytes; /* of the pool, and of both pools: unchanged since quiet_since_ns */
    int64_t quiet_since_ns;
    work trim_work; /* the planning lane's while is_trimming */
    atomic_bool is_trimming;
    int64_t report_at_ns;
    uint64_t tasks_done, bytes_read;
    /* The planning lane's. */
    id_table opened;
    tsr_session *results; /* on the cluster, for results of tasks that expressions read; NULL: none did */
};

/* ---- worker.c ---- */
void worker_log(const tsr_worker *w, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Has the I/O thread do something. Any thread, under any lock. */
void worker_tell(tsr_worker *w, work *what);
/* Packs and sends; false: it could not be, the link is closed or will be. */
bool worker_send(net_link *l, uint32_t type, const ProtobufCMessage *m, const net_payload *payload);
/* Takes the reference to the link; the connection belongs to it until it is closed. NULL: no memory, nothing is taken. */
conn *worker_conn_new(tsr_worker *w, conn_kind kind, net_link *l);
conn *worker_conn_ref(conn *c);
void worker_conn_unref(conn *c);
/* Ends a connection whose other side said what it may not. */
void worker_conn_refuse(conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Dials. */
tsr_status worker_conn_dial(tsr_worker *w, conn_kind kind, const char *where, conn **out) MUST_CHECK;

/* A session of the worker's own on its cluster. NULL with the error set. Not on the I/O thread. */
tsr_session *worker_open_results(tsr_worker *w);

/* ---- worker_address.c ---- */
/* Where to listen: what was asked for, or any port of the address that faces the scheduler. */
tsr_status worker_listen_address(const char *scheduler, const char *wanted, char *out, size_t size) MUST_CHECK;
/* What others are told: a host that stands for all addresses is replaced by the one that faces the scheduler. */
tsr_status worker_public_address(const char *scheduler, char *text, size_t size) MUST_CHECK;

/* ---- worker_scheduler.c: registration, reports, what the scheduler says; the I/O thread ---- */
void worker_scheduler_dial(tsr_worker *w);
void worker_scheduler_opened(tsr_worker *w, conn *c);
/* TSR_ERR_VALUE unless the text is a list such as "GPU=1 license=2". */
tsr_status worker_resources_check(const char *text) MUST_CHECK;
void worker_scheduler_closed(tsr_worker *w, conn *c, const char *reason);
void worker_scheduler_message(tsr_worker *w, conn *c, const net_message *m);
void worker_scheduler_tick(tsr_worker *w, int64_t now);
/* Asks the scheduler to have others take over what is here; without one, the worker may end at once. */
void worker_scheduler_leave(tsr_worker *w);
/* What a thread begins of a job that may have been the end of other workers; returns once the scheduler will hear of it whatever
 * happens, or after a few milliseconds. Any thread but the I/O thread. */
enum { BEGINS_NOTHING = -1, BEGINS_PLAN = -2, BEGINS_NO_PLAN = -3 /* instead of a stage */ };
void worker_scheduler_begins(tsr_worker *w, uint64_t id, int thread, int stage, int64_t unit);
/* A line for the next report. Any thread, under any lock. */
void worker_scheduler_note(tsr_worker *w, const char *line);
/* A job failed for good. */
/* Adds what the job did to the worker's sums, before it goes. */
void worker_scheduler_count(tsr_worker *w, job *j);
/* All that persisted roots need here is made. */
void worker_scheduler_tell_made(tsr_worker *w, const job *j);
void worker_scheduler_tell_failed(tsr_worker *w, uint64_t id, tsr_status status, const char *message);

/* ---- worker_jobs.c; the I/O thread ---- */
job *worker_job_ref(job *j);
void worker_job_unref(job *j);
job *worker_job_find(tsr_worker *w, uint64_t id);
/* The job, or a new one that is awaited. NULL: no memory. */
job *worker_job_await(tsr_worker *w, uint64_t id);
/* Takes what the scheduler said and the reference to the packed expressions. */
void worker_job_begin(tsr_worker *w, Tessera__Cluster__Job *said, buffer *packed);
/* Its persisted blocks are not to be kept. */
void worker_job_shed(job *j);
void worker_job_take_map(job *j, const Tessera__Cluster__Map *m);
void worker_job_drop(job *j);
/* Removes an awaited job that nobody waits for. */
void worker_job_forget_awaited(job *j);

/* ---- worker_map.c ---- */
/* The blocks of the plan's roots that this owner makes: *out is the caller's to mem_free. */
tsr_status worker_map_spans(const owner_map *map, const plan *p, uint64_t owner, span **out, size_t *n) MUST_CHECK;
/* What of `spans` is not in `known`. */
tsr_status worker_map_new_spans(const span *spans, size_t n, const span *known, size_t n_known, span **out,
                                size_t *n_out) MUST_CHECK;

/* ---- worker_serve.c ---- */
void worker_guest_message(conn *c, const net_message *m);
void worker_guest_closed(conn *c);
/* Lets go on what was paused for it. */
void worker_guest_drained(conn *c);
/* The job is there, or failed: what waited for it goes on. */
void worker_serve_waiting(job *j);
/* Serving lane: a new map; takes it. Demands what persisted roots need. */
void worker_serve_map(job *j, owner_map map, uint32_t epoch, bool copies);
/* Serving lane: what persisted roots have goes, and nothing is demanded for them any more. */
void worker_serve_shed(job *j);
/* Serving lane: the job's own demands are the engine's alone from now on. */
void worker_serve_forget_own(job *j);

/* ---- worker_ask.c ---- */
/* run_ops.ask */
tsr_status worker_ask_begin(void *context, uint64_t owner, int number, int64_t unit, int64_t span) MUST_CHECK;
/* Takes the list of workers. */
void worker_peers_take(tsr_worker *w, const Tessera__Cluster__Workers *list);
void worker_peers_tick(tsr_worker *w, int64_t now);
void worker_peer_closed(conn *c, const char *reason);
char *worker_peer_place(conn *c, const net_message *m, void **token);
void worker_peer_message(conn *c, const net_message *m);
void worker_peer_free(peer *p);
/* The job needs nothing any more. */
void worker_asks_forget(job *j);

#endif
