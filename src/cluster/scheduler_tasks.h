/* Inside the scheduler's tasks: scheduler_tasks.c (messages), scheduler_boxes.c (what members are told), scheduler_asks.c
 * (questions, and those that wait for their answer), scheduler_shared.c (variables, queues, semaphores, events),
 * scheduler_topics.c, scheduler_sessions.c (clients over all their connections, the journal), scheduler_lineage.c (how shared
 * results are made, in the journal). All on the I/O thread. */
#ifndef TESSERA_CLUSTER_SCHEDULER_TASKS_H
#define TESSERA_CLUSTER_SCHEDULER_TASKS_H

#include "cluster/tasks.h"
#include "cluster/tasks_hooks.h"
#include "cluster/tasks_wire.h"

/* A batch of tasks for a worker, as it grows. */
typedef struct run_box {
    task_function *function;
    int32_t priority;
    bool at_once, carry;
    tasks_column keys, arg_sizes, arg_keys, holders;
    VEC(uint32_t) n_args;
    char *payload;
    size_t payload_bytes, payload_capacity;
} run_box;

/* Results that a client is told of. */
typedef struct told_box {
    tasks_column keys, sizes, holders;
    VEC(protobuf_c_boolean) carried;
    char *payload;
    size_t payload_bytes, payload_capacity;
} told_box;

typedef struct task_session task_session;

/* A worker or a client. */
typedef struct member {
    net_link *link;
    task_worker *worker; /* or */
    task_client client;
    run_box run;
    tasks_column freed;
    told_box told;
    VEC(task_function *) functions; /* a client's, each a reference */
    bool dirty;
    struct member *next_dirty, *next;
    void (*retired)(void *context, net_link *l);
    void *retired_context;
    task_session *session; /* a client's; NULL: another connection has taken it */
    uint64_t ghost_of;     /* the session that it was of, before the connection was lost */
    int ghost_until;
    bool resubmits; /* it says again what it said to a scheduler before, or over another connection */
} member;

/* A function as workers are told of it. */
typedef struct known_function {
    uint8_t *head;
    size_t head_bytes;
    buffer *code;
    const char *code_data;
    size_t code_bytes;
    VEC(uint8_t) told; /* by slot of the worker */
    bool noted;        /* it is in the journal */
} known_function;

/* A question that is not answered yet. */
typedef struct pending {
    struct pending *next;
    member *m; /* NULL: the journal */
    task_session *session;
    Tessera__Futures__Ask *ask;
    buffer *value;
    const char *data;
    size_t size;
} pending;

typedef struct shared_object shared_object;
typedef struct scheduler_topics scheduler_topics;

/* A result that goes to another worker. */
typedef struct result_move {
    tsr_key key;
    uint64_t from, to;
} result_move;

typedef struct reply {
    tsr_status status;
    char *text; /* mem_free'd once sent */
    int64_t number;
    bool has_key;
    tsr_key key;
    tasks_column workers;
    buffer *value; /* a reference */
    const char *data;
    size_t size;
} reply;

/* The answer to a question that changed something. */
typedef struct answered {
    uint64_t request;
    reply r;
} answered;

/* One that is given when the journal has it. */
typedef struct held_answer {
    uint64_t number; /* of the record */
    const member *m; /* NULL: gone */
    answered a;
} held_answer;

/* A client over all its connections (scheduler_sessions.c). */
struct task_session {
    task_session *next;
    uint64_t id;    /* 0: it did not say who it is, and ends with its connection */
    member *m;      /* NULL: away */
    int away_until; /* tick */
    VEC(answered) answered;
};

enum { SCHEDULER_HOLD_TICKS = 25 };

struct scheduler_tasks {
    net *net;
    tsr_log_callback log;
    void *log_context;
    tasks ts;
    tasks_intake intake;
    member *members, *dirty, *last;
    pending *waiting;
    shared_object *objects;
    scheduler_topics *topics; /* NULL: nobody has asked about any */
    uint64_t next_lease;
    net_timer *timer;
    int ticks;
    /* The result that came with the message that is read now. */
    tsr_key carried_key;
    const char *carried;
    VEC(result_move) moves; /* under way: copies after which the first is freed */
    task_session *sessions;
    size_t n_sessions;
    member *ghosts;
    bool holds;       /* clients of a scheduler before this one are here: tasks wait until its workers had the time to come */
    bool is_complete; /* they have come */
    int n_resubmitting, resubmit_until; /* clients that say again what they want; nothing is given to workers meanwhile */
    uint64_t (*record)(void *context, const journal_record *r, buffer *payload);
    void *record_context;
    VEC(held_answer) held;
    member *heir;       /* submits what the journal has of tasks; NULL: none, or all was read */
    VEC(tsr_key) noted; /* tasks that are in the journal */
};

/* ---- scheduler_boxes.c ---- */

extern const tasks_ops scheduler_tasks_ops; /* but for the context: the scheduler_tasks */
/* Closes the connection. */
void scheduler_out_of_memory(const member *m);
void scheduler_tell_erred(net_link *l, tsr_key key, tsr_status status, const char *text, const void *details, size_t size);
void scheduler_tasks_flush(scheduler_tasks *s);
/* To be sent with the next flush. */
void scheduler_tasks_send_copy(scheduler_tasks *s, task_worker *to, const task *t);
void scheduler_tasks_free_copy(scheduler_tasks *s, task_worker *w, tsr_key key);

/* ---- scheduler_tasks.c ---- */

/* The message's function is known, and the member's, too; `code`: whose memory the payload is. */
tsr_status scheduler_took_function(scheduler_tasks *s, member *m, const net_message *msg, buffer *code) MUST_CHECK;
tsr_status scheduler_took_tasks(scheduler_tasks *s, member *m, const net_message *msg, buffer *payload) MUST_CHECK;
/* Frees what the member has, and itself; it is in no list. */
void scheduler_member_fini(scheduler_tasks *s, member *m);

/* ---- scheduler_sessions.c ---- */

bool scheduler_session_begin(scheduler_tasks *s, member *m);
/* Takes the member, which is in no list: its connection is gone. */
void scheduler_session_lost(scheduler_tasks *s, member *m);
tsr_status scheduler_session_said(scheduler_tasks *s, member *m, const net_message *msg) MUST_CHECK;
/* True: something ended for which others may have waited. */
bool scheduler_sessions_tick(scheduler_tasks *s);
void scheduler_sessions_fini(scheduler_tasks *s);
/* The answer that was given to this request already, or NULL; those before `oldest` are forgotten. */
const reply *scheduler_answered(task_session *p, uint64_t request, uint64_t oldest);
/* A question that changed something has this answer. True: it is given when the journal has it. */
bool scheduler_record_answer(scheduler_tasks *s, const pending *p, const reply *r);
void scheduler_held_lost(scheduler_tasks *s, const member *m);
/* Something changed that nobody asked for. */
void scheduler_note(scheduler_tasks *s, const char *what, const char *name, uint64_t number);
void scheduler_write_shared(const ProtobufCMessage *m, journal_kind kind, const char *data, size_t size,
                            void (*write)(void *to, const journal_record *r), void *to);

/* A copy of the record's payload; NULL: there is none, or no memory. */
buffer *scheduler_record_payload(const journal_record *r);

/* ---- scheduler_lineage.c ---- */

typedef void lineage_writer(void *to, const journal_record *r);
/* Records of how this result is made, but for what was written before. */
void scheduler_lineage_write(scheduler_tasks *s, tsr_key key, lineage_writer *write, void *to);
/* The same, appended to the journal, if there is one. */
void scheduler_lineage_note(scheduler_tasks *s, tsr_key key);
/* Nothing was written before. */
void scheduler_lineage_again(scheduler_tasks *s);
/* A record of JOURNAL_FUNCTION or JOURNAL_TASK. */
tsr_status scheduler_lineage_replay(scheduler_tasks *s, const journal_record *r) MUST_CHECK;
/* The whole journal was read: what nothing holds by now goes. */
void scheduler_lineage_settle(scheduler_tasks *s);

/* ---- scheduler_asks.c ---- */

void scheduler_send_reply(net_link *l, uint64_t request, const reply *r);
/* Takes the question; it may be answered later. */
void scheduler_asked(scheduler_tasks *s, member *m, Tessera__Futures__Ask *ask, buffer *value, const char *data, size_t size);
void scheduler_gave_up(scheduler_tasks *s, member *m, uint64_t request);
/* Something changed: tries those that wait again. */
void scheduler_asks_poll(scheduler_tasks *s);
void scheduler_asks_lost(scheduler_tasks *s, const member *m);
/* A copy arrived at w. */
void scheduler_moved(scheduler_tasks *s, const task_worker *w, tsr_key key);

/* ---- scheduler_shared.c ---- */

/* Whether this is a question about a shared object; *done: it is answered. */
bool shared_ask(scheduler_tasks *s, const pending *p, reply *r, bool *done);
/* Does a question of this name change anything? Such are answered once, also when they are asked again. */
bool shared_changes(const char *what);
void shared_session_ends(scheduler_tasks *s, const task_session *p);
void shared_snapshot(scheduler_tasks *s, void (*write)(void *to, const journal_record *r), void *to);
void shared_fini(scheduler_tasks *s);

/* ---- scheduler_topics.c ---- */

/* As shared_ask. */
bool topics_ask(scheduler_tasks *s, const pending *p, reply *r, bool *done);
/* Calls add with the name of each topic that has events. */
void topics_names(const scheduler_tasks *s, void (*add)(void *to, const char *name), void *to);
void topics_fini(scheduler_tasks *s);

#endif
