/* The scheduler without its surroundings: what it knows of workers, clients and jobs, and what it says when something happens.
 * It has no sockets, threads, clock or files of its own: `scheduler_ops` stands for these (scheduler.c has the real ones, tests
 * and the simulation their own). All of it belongs to one thread (the I/O thread of the net) but for plans: a scheduler_planning
 * is made here, handed to a thread that plans (scheduler_plan), and taken back (scheduler_planned).
 *
 * A job lives while a client holds it, another job reads it, or it has a published name. */
#ifndef TESSERA_CLUSTER_SCHEDULER_H
#define TESSERA_CLUSTER_SCHEDULER_H

#include "base/hash.h"
#include "base/vec.h"
#include "cluster/assign.h"
#include "cluster/cluster.pb-c.h"
#include "cluster/id_table.h"
#include "cluster/journal.h"
#include "cluster/net.h"

#define SCHEDULER_MESSAGE(name) TESSERA__CLUSTER__MESSAGE_TYPE__##name

typedef struct scheduler scheduler;
typedef struct scheduler_peer scheduler_peer;
typedef struct scheduler_worker scheduler_worker;
typedef struct scheduler_client scheduler_client;
typedef struct scheduler_job scheduler_job;
typedef struct scheduler_planning scheduler_planning;

/* Limits. */
enum {
    SCHEDULER_MOST_JOBS = 100000,   /* living, of one client */
    SCHEDULER_MOST_READS = 10000,   /* jobs that a job reads */
    SCHEDULER_MOST_DEPTH = 20000,   /* jobs that read jobs that read jobs ... */
    SCHEDULER_MOST_ROOTS = 65536,   /* arrays of a job */
    SCHEDULER_MOST_NAMES = 100000,  /* published */
    SCHEDULER_MOST_WAITS = 10000,   /* questions of a client that are not answered yet */
    SCHEDULER_MOST_WAITED = 100000, /* jobs of such a question */
    SCHEDULER_MOST_WHERE = 1000,    /* jobs that are asked for in one go, and ranges of blocks in the answer: */
    SCHEDULER_MOST_RANGES = 1 << 20,
    SCHEDULER_MOST_TEXT = 1024, /* bytes of names, addresses ... */
    SCHEDULER_MOST_WORKER_JOBS = 1 << 20,
    SCHEDULER_MOST_THREADS = 4096,
    SCHEDULER_LOG_LINES = 100, /* of the scheduler, and of each worker, are kept */
    SCHEDULER_LAST_WORDS = 5   /* of these are told of a worker that is lost */
};
#define SCHEDULER_MOST_BYTES ((size_t)4 << 30) /* of the expressions of a client's living jobs */

/* ---- Surroundings ------------------------------------------------------------------------------------------------------- */

/* Called on the scheduler's thread; `link` is what scheduler_opened was given. None of them fails or calls back. */
typedef struct scheduler_ops {
    void (*send)(void *context, void *link, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                 size_t payload_bytes);
    void (*close)(void *context, void *link, const char *reason);
    /* Takes the request; scheduler_planned is to be called with it, later. */
    void (*plan)(void *context, scheduler_planning *request);
    void (*record)(void *context, const journal_record *r, buffer *payload);
    int64_t (*now_ns)(void *context);
    /* Is this process of our host gone for certain? */
    bool (*is_gone)(void *context, int64_t pid);
    void (*log)(void *context, net_level level, const char *text);
    void (*stop)(void *context);    /* somebody asked the scheduler to end */
    void (*restart)(void *context); /* somebody asked for everything to be dropped */
    /* A worker (has registered) / its link ends / it is to get no more tasks: scheduler_retired is to be called, perhaps at once.
     */
    void (*joined)(void *context, void *link, const Tessera__Cluster__Register *worker);
    void (*retire)(void *context, void *link);
} scheduler_ops;

typedef struct scheduler_graces {
    int64_t silence_ns; /* a worker reports every second; one that has not for so long is lost */
    int64_t worker_ns;  /* a worker that is away keeps its units for so long */
    int64_t client_ns;  /* a client its jobs */
    int64_t start_ns;   /* after a start, what the journal knows waits for workers and clients */
} scheduler_graces;

tsr_status scheduler_new(const scheduler_ops *ops, void *context, scheduler **out) MUST_CHECK;
void scheduler_free(scheduler *s);
void scheduler_set_graces(scheduler *s, scheduler_graces graces);

/* NULL (error set): no memory. */
scheduler_peer *scheduler_opened(scheduler *s, void *link, const net_peer *peer);
/* Frees the peer. */
void scheduler_closed(scheduler *s, scheduler_peer *p);
/* Is a payload of a message of this type wanted? */
bool scheduler_wants(const scheduler *s, const scheduler_peer *p, uint32_t type, size_t payload_bytes);
/* payload: NULL if it was not wanted; the caller's reference. */
void scheduler_message(scheduler *s, scheduler_peer *p, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                       size_t payload_bytes);
void scheduler_planned(scheduler *s, scheduler_planning *request);
/* The tasks of a worker that is to end were taken over. */
void scheduler_retired(scheduler *s, scheduler_peer *p);
/* About every 100 ms. */
void scheduler_tick(scheduler *s);
/* Loses those who are away and whose processes have ended, without waiting for them. */
void scheduler_members_look(scheduler *s);
/* The host of this process, as net_host_id says; before the journal is read. Kept, not copied. */
void scheduler_set_host(scheduler *s, const char *host_id);
/* Workers of the journal may still come, soon after the start. */
bool scheduler_awaits_workers(const scheduler *s);
/* Everybody is here who was when the journal was written, since a moment. False without a journal. */
bool scheduler_is_complete(const scheduler *s);
/* What a journal told, before anybody is let in; then everything that is known, as records. */
void scheduler_replay(scheduler *s, const journal_record *r);
/* All was read, and peers can come. The address is the caller's memory. */
void scheduler_begin(scheduler *s, const char *address);
void scheduler_snapshot(scheduler *s, void (*record)(void *context, const journal_record *r), void *context);

/* ---- Plans (scheduler_plan.c) -------------------------------------------------------------------------------------------- */

/* What was submitted. Counted, immutable. */
typedef struct scheduler_order {
    atomic_int refs;
    Tessera__Cluster__Submit *submit;
    buffer *expressions;
    size_t bytes;
    hash128 hash; /* of the expressions */
} scheduler_order;
void scheduler_order_unref(scheduler_order *o);

typedef struct scheduler_shape scheduler_shape;
/* What other jobs, which read it, know of a root: dtype and blocks. */
typedef struct scheduler_root {
    block_set set;
    scheduler_shape *of;
    tsr_dtype dtype;
    grid blocks; /* edges are its own */
    int stage;
    int64_t n_runs;
} scheduler_root;
typedef struct scheduler_stage {
    char name[32];
    uint64_t n_tasks; /* that somebody needs */
} scheduler_stage;
/* What is left of a plan. Counted, immutable. */
struct scheduler_shape {
    atomic_int refs;
    int n_stages, n_roots;
    assign_units *units; /* of each stage */
    scheduler_stage *stages;
    scheduler_root *roots;
    uint64_t fingerprint;
    int64_t n_tasks, bytes; /* of the roots */
};
scheduler_shape *scheduler_shape_ref(scheduler_shape *shape);
void scheduler_shape_unref(scheduler_shape *shape);

/* A map. Counted, immutable. */
typedef struct scheduler_map {
    atomic_int refs;
    owner_map owners;
    size_t n_workers, n_ranges; /* of all stages */
    uint64_t *workers;          /* who owns anything, each once; they increase */
    uint32_t *owner;            /* of each range of each stage in turn: where in `workers` */
} scheduler_map;
tsr_status scheduler_map_new(owner_map *take, scheduler_map **out) MUST_CHECK;
scheduler_map *scheduler_map_ref(scheduler_map *map);
void scheduler_map_unref(scheduler_map *map);
/* Where the worker is in `workers`; -1: it owns nothing. */
int64_t scheduler_map_find(const scheduler_map *map, uint64_t worker);

/* A job that this one reads. */
typedef struct scheduler_input {
    uint64_t job;
    scheduler_shape *shape;
    scheduler_map *map; /* may be NULL */
} scheduler_input;

struct scheduler_planning {
    scheduler_planning *next; /* for queues of whoever plans */
    uint64_t job;
    scheduler_order *order;
    int n_inputs, n_workers;
    scheduler_input *inputs;
    assign_worker *workers;
    uint64_t turn;
    /* The answer. */
    tsr_status status;
    char *message;
    scheduler_shape *shape;
    scheduler_map *map;
};
/* Plans and draws the map, in this session; any thread. */
void scheduler_plan(tsr_session *session, scheduler_planning *request);
void scheduler_planning_free(scheduler_planning *request);

/* ---- State, for the scheduler's own files --------------------------------------------------------------------------------- */

/* A connection. */
struct scheduler_peer {
    void *link;
    net_role role;
    scheduler_worker *worker; /* that it registered */
    scheduler_client *client;
    char *address;
    int64_t pid;  /* of this host; 0: another's */
    bool is_over; /* closed here; nothing more is taken from it */
};

/* What a thread of a worker has said that it begins. */
typedef struct scheduler_begun {
    uint64_t job;
    uint32_t thread;
    bool plans, untold; /* it plans the job; does not say what it does; else: */
    uint32_t stage;
    uint64_t unit;
} scheduler_begun;

/* What was logged last, the oldest first. */
typedef struct scheduler_log {
    char *lines[SCHEDULER_LOG_LINES];
    int n;
} scheduler_log;

struct scheduler_worker {
    uint64_t id;
    Tessera__Cluster__Register *said;
    scheduler_peer *peer; /* NULL while it is away */
    int64_t away_ns;      /* since then */
    int64_t heard_ns;     /* it registered or reported last */
    int64_t pid;          /* of this host; 0: another's */
    char *host;
    bool leaves;                     /* it ends, and gets nothing more */
    bool is_retired;                 /* its tasks were taken over */
    int64_t leaves_ns;               /* since then */
    id_table told;                   /* jobs it knows, by number */
    VEC(uint64_t) strangers;         /* jobs it says it has and that nobody here knows */
    int64_t strangers_ns;            /* since then */
    int n_jobs;                      /* in whose maps it is */
    Tessera__Cluster__Report report; /* the last, without jobs */
    int64_t active_ns;               /* when a report last told of more tasks */
    VEC(scheduler_begun) begun;      /* by its threads, of careful jobs */
    scheduler_log log;
    int64_t joined_ns; /* when it came as somebody new */
};

struct scheduler_client {
    uint64_t number; /* not 0 */
    char *name, *host;
    int64_t pid;
    bool same_host;
    scheduler_peer *peer; /* NULL while it is away */
    int64_t away_ns;
    int n_jobs;
    size_t bytes;
};

typedef struct scheduler_packed {
    uint8_t *bytes;
    size_t n;
} scheduler_packed;

/* What a worker last said about a job. */
typedef struct scheduler_part {
    uint64_t worker;
    int64_t seen_ns;
    uint64_t tasks_done, block, bytes_read, bytes_written;
    uint32_t stage;
    uint64_t *stages;    /* tasks done of each; NULL before it told of any */
    uint32_t made_epoch; /* it has made what the map of this number gives it of the roots */
    int64_t rate_ns;     /* measured since then, when it had done */
    uint64_t rate_tasks;
    double rate; /* tasks a second; 0: not known */
} scheduler_part;
/* A worker that was lost while it worked on a job. Not all say what they begin: those do that have heard of another's end. */
typedef struct scheduler_death {
    char *worker;
    char *last_words; /* or NULL */
    uint64_t id;
    scheduler_map *map; /* as it was */
    bool is_known;      /* what it had begun of the job: */
    VEC(scheduler_begun) begun;
} scheduler_death;

typedef enum scheduler_job_state {
    SCHEDULER_JOB_WAITING, /* for the plans of jobs that it reads */
    SCHEDULER_JOB_PLANNING,
    SCHEDULER_JOB_READY,
    SCHEDULER_JOB_FAILED
} scheduler_job_state;

struct scheduler_job {
    uint64_t id;
    scheduler_order *order;
    scheduler_job_state state;
    scheduler_shape *shape; /* once it was planned */
    scheduler_map *map;
    uint32_t epoch;
    bool keeps_packed; /* the map is being told */
    scheduler_packed packed_map, packed_job;
    scheduler_client *payer; /* against whose limits it counts; NULL: it is gone */
    uint64_t client_number;  /* who submitted it first; 0: a journal told of it, and nobody submitted it since */
    VEC(scheduler_client *) holders;
    VEC(scheduler_job *) reads;
    int n_readers, n_names, depth;
    int n_waiting_readers;     /* of these, those that are not persisted, or not made */
    bool is_pending;           /* it is counted there by those that it reads */
    bool copies;               /* the map is being told: blocks are fetched from those who had them */
    bool is_copied;            /* not all of them are there yet */
    bool is_shed;              /* workers do not keep its blocks */
    int64_t orphan_until_ns;   /* without holders, it is kept until then */
    int64_t mapped_ns;         /* the map is as old as this */
    int64_t drawn_ns;          /* when all workers that there were could get something */
    bool is_restored;          /* the map was a journal's: what it says was perhaps done long ago */
    VEC(scheduler_part) parts; /* by worker */
    VEC(scheduler_death) deaths;
    int64_t careful_ns; /* others have been asked since then to say what they begin; 0: they are not */
    int n_unmade;       /* workers of the map that did not say yet that they have made what it gives them */
    bool is_watched;    /* somebody who waits wants to hear of progress */
    bool is_changed;    /* since the last progress */
    bool is_busy;       /* somebody told of it since it was last looked at whether owners are equally busy */
    bool is_recorded;   /* in the journal */
    bool is_counted;    /* the workers of its map count it; those of a journal's map do not yet */
    tsr_status status;
    char *message;
};

typedef struct scheduler_name {
    Tessera__Cluster__Name *said; /* as it was published */
    scheduler_job *job;
} scheduler_name;

/* A client waits until jobs are made. */
typedef struct scheduler_wait {
    scheduler_peer *peer;
    uint64_t request;
    uint64_t *jobs;
    size_t n_jobs, at; /* those before `at` were made when it was looked last */
} scheduler_wait;

struct scheduler {
    const scheduler_ops *ops;
    void *context;
    const char *address, *host_id;
    scheduler_graces graces;
    int64_t started_ns;
    uint64_t turn;
    bool is_list_new; /* not all know who is there */
    int64_t list_told_ns;
    int64_t last_joined_ns;           /* of all workers */
    int64_t last_back_ns;             /* somebody registered, for the first time or again */
    bool holds_jobs;                  /* jobs wait for workers of the journal */
    bool is_replaying, knows_workers; /* knows: of a journal */
    id_table workers, jobs;           /* by number */
    VEC(scheduler_worker *) ordered;  /* workers, by number */
    VEC(scheduler_client *) clients;
    VEC(scheduler_peer *) peers;
    VEC(scheduler_name) names;
    VEC(scheduler_wait *) waits;
    VEC(uint64_t) changed; /* jobs with progress to tell */
    VEC(uint64_t) busy;    /* jobs that workers told of */
    scheduler_log log;
};

/* ---- scheduler_core.c ---- */

static inline int64_t scheduler_now(const scheduler *s) { return s->ops->now_ns(s->context); }
/* One more line, if it can be shown. */
void scheduler_log_keep(scheduler_log *log, const char *line);
void scheduler_log_fini(scheduler_log *log);
/* Packs a message and sends it; nothing happens without a connection. */
void scheduler_send(scheduler *s, scheduler_peer *p, uint32_t type, const ProtobufCMessage *m, buffer *payload, size_t bytes);
/* A message that several get; its memory is the caller's to mem_free. */
tsr_status scheduler_pack(const ProtobufCMessage *m, scheduler_packed *out) MUST_CHECK;
void scheduler_send_packed(scheduler *s, scheduler_peer *p, uint32_t type, const scheduler_packed *m, buffer *payload,
                           size_t bytes);
void scheduler_refuse(scheduler *s, scheduler_peer *p, uint64_t job, uint64_t request, tsr_status status, const char *message);
void scheduler_done(scheduler *s, scheduler_peer *p, uint64_t request, const char *text);
void scheduler_say(scheduler *s, net_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void scheduler_record(scheduler *s, journal_kind kind, const ProtobufCMessage *m, buffer *payload, size_t bytes);
/* The link is closed for something that no correct peer says. */
void scheduler_reject(scheduler *s, scheduler_peer *p, const char *reason);
/* Is it text that can be kept and shown? */
bool scheduler_text_ok(const char *text, bool may_be_empty);

/* ---- scheduler_members.c ---- */

void scheduler_worker_register(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_worker_begins(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_death_fini(scheduler_death *d);
void scheduler_worker_report(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
/* Their units go to others; then they are told to end. */
void scheduler_workers_retire(scheduler *s, const uint64_t *ids, size_t n);
void scheduler_worker_lose(scheduler *s, scheduler_worker *w, const char *why);
tsr_status scheduler_worker_restore(scheduler *s, const journal_record *r) MUST_CHECK;
/* What the journal notes of it; points into both. */
Tessera__Cluster__Register scheduler_worker_noted(const scheduler *s, const scheduler_worker *w);
void scheduler_worker_free(scheduler_worker *w);
void scheduler_members_tick(scheduler *s, int64_t now_ns);
/* What a worker told of a job; NULL: nothing. */
const scheduler_part *scheduler_part_find(const scheduler_job *j, uint64_t worker);
scheduler_client *scheduler_client_come(scheduler *s, scheduler_peer *p, const net_peer *peer);
void scheduler_client_free(scheduler_client *c);
/* To one peer, or to all that there are (NULL). */
void scheduler_tell_workers(scheduler *s, scheduler_peer *p);
/* To all, if the list is another than they know. */
void scheduler_tell_new_workers(scheduler *s);
const char *scheduler_worker_name(const scheduler_worker *w);
/* "the log of NAME ends with: ..."; mem_free it. NULL: it logged nothing (or there is no memory). */
char *scheduler_worker_last_words(const scheduler_worker *w);
/* What a worker said of a job; a new one if it did not yet (NULL: no memory). */
scheduler_part *scheduler_part_of(scheduler_job *j, uint64_t worker);

/* ---- scheduler_jobs.c ---- */

scheduler_job *scheduler_job_find(scheduler *s, uint64_t id);
void scheduler_job_submit(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes, buffer *payload, size_t bytes);
void scheduler_job_release(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_job_failed(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_job_publish(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_job_lookup(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_job_fail(scheduler *s, scheduler_job *j, tsr_status status, const char *message);
/* Nobody needs it: it goes. */
void scheduler_job_drop_unused(scheduler *s, scheduler_job *j);
void scheduler_jobs_forget_client(scheduler *s, scheduler_client *c);
/* All jobs are dropped, clients are told. */
void scheduler_jobs_restart(scheduler *s);
void scheduler_jobs_tick(scheduler *s, int64_t now_ns);
/* Draws the maps that waited for workers of the journal, if these are there. */
void scheduler_jobs_go_on(scheduler *s);
tsr_status scheduler_job_restore(scheduler *s, const journal_record *r) MUST_CHECK;
void scheduler_jobs_restored(scheduler *s);
void scheduler_job_free(scheduler_job *j);
void scheduler_name_fini(scheduler_name *n);
/* The numbers of all jobs: jobs may come and go while the caller goes through them. */
tsr_status scheduler_jobs_list(const scheduler *s, uint64_t **ids, size_t *n) MUST_CHECK;

/* ---- scheduler_wait.c ---- */

/* All who own something have said that they have made it. */
bool scheduler_job_is_made(const scheduler_job *j);
/* Is it to be made (again)? Those that it reads count such readers. */
void scheduler_job_set_pending(scheduler *s, scheduler_job *j, bool is_pending);
/* Nobody has its arrays, and who reads them has done so: workers are told not to keep them. */
void scheduler_job_shed_unread(scheduler *s, scheduler_job *j);
void scheduler_worker_made(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_job_wait(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_job_unwait(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
/* The job was made, has failed or is gone: whoever waits for it may hear so. */
void scheduler_waits_look(scheduler *s, uint64_t job);
void scheduler_waits_forget(scheduler *s, const scheduler_peer *p);
void scheduler_waits_free(scheduler *s);

/* ---- scheduler_balance.c ---- */

/* A worker told how far it is. */
void scheduler_balance_note(scheduler *s, scheduler_job *j, scheduler_part *part);
void scheduler_balance_tick(scheduler *s, int64_t now_ns);

/* ---- scheduler_maps.c ---- */

/* Hands the job to whoever plans, with what is known of workers and of what it reads. */
void scheduler_map_draw(scheduler *s, scheduler_job *j);
/* Tells a worker of the job, and of what it reads before. */
void scheduler_map_tell(scheduler *s, scheduler_job *j, scheduler_worker *w);
void scheduler_map_send(scheduler *s, scheduler_job *j, scheduler_peer *p);
/* Takes the map: a new epoch, and all concerned are told. */
void scheduler_map_set(scheduler *s, scheduler_job *j, scheduler_map *map);
/* Gives units of workers that are lost or leave to the others. */
void scheduler_map_repair(scheduler *s, scheduler_job *j);
bool scheduler_map_is_empty(const scheduler_job *j);
/* The job goes: nobody is in its map. */
void scheduler_map_clear(scheduler *s, scheduler_job *j);
void scheduler_map_record(scheduler *s, const scheduler_job *j);
tsr_status scheduler_map_restore(scheduler *s, const journal_record *r) MUST_CHECK;
/* A map as a message, which points into `j` and into `room`, to be freed. */
typedef struct scheduler_map_message {
    Tessera__Cluster__Map map;
    void *room;
} scheduler_map_message;
tsr_status scheduler_map_write(const scheduler_job *j, scheduler_map_message *out) MUST_CHECK;

/* ---- scheduler_status.c ---- */

void scheduler_status_reply(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_where_reply(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_control(scheduler *s, scheduler_peer *p, const uint8_t *head, size_t head_bytes);
void scheduler_progress_tick(scheduler *s);

#endif
