/* Fuzzes what a scheduler makes of its journal: whatever the file holds, it begins, plans what there is to plan, and writes a
 * file that the next scheduler reads without a complaint.
 *
 * The first byte of an input says how the file is made: 0: it is the rest of the input; 1: it is that behind the magic; else it
 * is made of records with their checksums, each of which is a kind (a byte), the length of the head (two bytes), of the payload
 * (a byte; 255: expressions that make sense), the head and the payload. */
#include "cluster/journal.h"
#include "cluster/net.h"
#include "cluster/scheduler.h"
#include "cluster/tasks_hooks.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_RECORDS = 64, OF_EXPRESSIONS = 255, TICKS = 100 };

/* A scheduler that was started with the journal. */
typedef struct world {
    scheduler *s;
    scheduler_tasks *tasks;
    scheduler_planning *plans;
    int64_t now_ns;
    int n_refused;
} world;

static char path[64];
static void *expressions;
static size_t expressions_bytes;
static tsr_session *session;

static void must(bool promise)
{
    if (!promise) abort();
}

/* ---- Surroundings: there are no links ---- */

static void no_message(void *context, void *link, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                       size_t bytes)
{
    abort();
}

static void no_link(void *context, void *link, const char *reason) { abort(); }

static void take_plan(void *context, scheduler_planning *request)
{
    world *w = context;
    request->next = w->plans;
    w->plans = request;
}

static void no_record(void *context, const journal_record *r, buffer *payload) {}
static int64_t now_ns(void *context) { return ((world *)context)->now_ns; }
static bool is_gone(void *context, int64_t pid) { return pid % 2 == 0; }
static void say(void *context, net_level level, const char *text) { must(*text); }
static void nothing(void *context) {}
static void no_worker(void *context, void *link, const Tessera__Cluster__Register *worker) { abort(); }
static void no_retiring(void *context, void *link) { abort(); }

static const scheduler_ops ops = {no_message, no_link, take_plan, no_record, now_ns,     is_gone,
                                  say,        nothing, nothing,   no_worker, no_retiring};

/* ---- The file ---- */

static void make_file(const uint8_t *data, size_t size)
{
    static const char magic[16] = "TSRJ0001";
    const int how = size ? *data++ : 0;
    size -= size > 0;
    unlink(path);
    if (how < 2) {
        const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        must(fd >= 0 && (how == 0 || write(fd, magic, sizeof magic) == sizeof magic));
        must(write(fd, data, size) == (ssize_t)size && close(fd) == 0);
        return;
    }
    journal *j;
    must(journal_open(path, NULL, NULL, &j) == TSR_OK);
    for (int i = 0; i < MOST_RECORDS && size >= 4; i++) {
        journal_record r = {.kind = (journal_kind)(1 + data[0] % (N_JOURNAL_KINDS - 1))};
        const size_t head = (size_t)(data[1] | data[2] << 8), payload = data[3];
        data += 4;
        size -= 4;
        r.head = data;
        r.head_bytes = head < size ? head : size;
        data += r.head_bytes;
        size -= r.head_bytes;
        r.payload = payload == OF_EXPRESSIONS ? expressions : (const char *)data;
        r.payload_bytes = payload == OF_EXPRESSIONS ? expressions_bytes : payload < size ? payload : size;
        if (payload != OF_EXPRESSIONS) data += r.payload_bytes;
        if (payload != OF_EXPRESSIONS) size -= r.payload_bytes;
        must(journal_append(j, &r, NULL) > 0);
    }
    journal_close(j);
}

/* ---- A scheduler's life with it ---- */

static void replay(void *context, const journal_record *r)
{
    world *w = context;
    if (r->kind < JOURNAL_SHARED)
        scheduler_replay(w->s, r);
    else
        w->n_refused += scheduler_tasks_replay(w->tasks, r) != TSR_OK;
}

static void write_snapshot(void *context, void (*write)(void *to, const journal_record *r), void *to)
{
    world *w = context;
    scheduler_snapshot(w->s, write, to);
    scheduler_tasks_snapshot(w->tasks, write, to);
}

static void make_plans(world *w)
{
    while (w->plans) {
        scheduler_planning *r = w->plans;
        w->plans = r->next;
        scheduler_plan(session, r);
        scheduler_planned(w->s, r);
    }
}

/* In place of all records. */
static journal_kind first_of_all = JOURNAL_WORKER;

/* Reads the file, and writes it anew. Returns how many records made no sense to the tasks. */
static int live(net *n)
{
    world w = {.now_ns = 1000000000};
    journal *j;
    if (journal_open(path, NULL, NULL, &j) != TSR_OK) return 0; /* it is no journal */
    must(scheduler_new(&ops, &w, &w.s) == TSR_OK && scheduler_tasks_new(n, NULL, NULL, &w.tasks) == TSR_OK);
    must(journal_read(j, replay, &w) == TSR_OK);
    must(journal_compact(j, write_snapshot, &w) == TSR_OK);
    scheduler_begin(w.s, "tcp://127.0.0.1:1");
    for (int i = 0; i < TICKS; i++) {
        make_plans(&w);
        w.now_ns += 100000000;
        scheduler_tick(w.s);
    }
    journal_renew(j, first_of_all, write_snapshot, &w);
    journal_close(j);
    while (w.plans) {
        scheduler_planning *r = w.plans;
        w.plans = r->next;
        scheduler_planning_free(r);
    }
    scheduler_tasks_free(w.tasks);
    scheduler_free(w.s);
    return w.n_refused;
}

static void begin(net **n)
{
    const tsr_options small = {.n_threads = 1, .memory_bytes = (size_t)16 << 20, .scratch_dir = "/tmp"};
    const net_options o = {.role = NET_ROLE_SCHEDULER};
    session = tsr_session_open(NULL, &small);
    must(session && net_open(&o, n) == TSR_OK);
    tsr_array *x = tsr_random_normal(session, 1, 0, 1, TSR_F64, 2, (int64_t[]){4, 1 << 20}, (int64_t[]){1, 1 << 20});
    must(x && tsr_pack(1, &x, NULL, &expressions, &expressions_bytes) == TSR_OK);
    tsr_release(x);
    snprintf(path, sizeof path, "%s/fuzz-journal-%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static net *n;
    if (!n) begin(&n);
    tsr_error_clear();
    make_file(data, size);
    (void)live(n);
    must(live(n) == 0);
    unlink(path);
    return 0;
}
