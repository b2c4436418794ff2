/* A simulation of the scheduler: the real one, with workers and clients that exist only as numbers, in virtual time. It measures
 * what the scheduler itself takes (processor time, memory, bytes sent), and how good its maps are: how evenly the work is shared,
 * and how much of what is read lies where it is read.
 *
 *     bench-scheduler [WORKERS [TASKS [EACH]]]      1000 and 10 million by default; EACH: only jobs of so many tasks, as JSON
 *
 * A worker does its units of a job one after the other, each takes UNIT_S; it reports every second. */
#include "array/pack.h"
#include "base/mem.h"
#include "base/os.h"
#include "cluster/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNIT_S 0.01
enum { CLIENT = -1, TICKS_PER_S = 10, MOST_STAGES = 8, IN_FLIGHT = 64 };

typedef struct sim_job {
    uint64_t id;
    owner_map map;  /* as the client hears of it */
    int64_t *units; /* of each worker */
    double done_s;
    bool there;
} sim_job;

typedef struct sim {
    scheduler *s;
    tsr_session *session;
    double now_s, scheduler_s, planning_s; /* virtual; processor time of handling and of planning */
    int n_workers, *links;                 /* a link is the address of one of these: which worker */
    int client_link;
    scheduler_peer **workers, *client;
    double *busy_until_s;
    uint64_t *tasks_done;
    scheduler_planning *plans;
    uint64_t messages, bytes, payload_bytes;
    sim_job jobs[IN_FLIGHT];
    uint64_t most_map_bytes;
} sim;

static void check(bool ok)
{
    if (ok) return;
    fprintf(stderr, "bench-scheduler: %s\n", tsr_error_message());
    exit(1);
}

static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- Surroundings of the scheduler ----------------------------------------------------------------------------------------- */

static sim_job *find_job(sim *m, uint64_t id)
{
    for (int i = 0; i < IN_FLIGHT; i++)
        if (m->jobs[i].id == id) return &m->jobs[i];
    return NULL;
}

static void count_units(sim *m, sim_job *j, const Tessera__Cluster__Map *map, const scheduler_job *known)
{
    memset(j->units, 0, sizeof *j->units * (size_t)m->n_workers);
    for (size_t i = 0; i < map->n_stages; i++) {
        const Tessera__Cluster__StageMap *s = map->stages[i];
        for (size_t k = 0; k < s->n_first; k++) {
            uint64_t end = k + 1 < s->n_first ? s->first[k + 1] : (uint64_t)known->shape->units[i].n;
            j->units[map->workers[s->owner[k]] - 1] += (int64_t)(end - s->first[k]);
        }
    }
}

/* Work begins when the map is there; who is busy does it later. */
static void take_map(sim *m, const uint8_t *head, size_t head_bytes)
{
    Tessera__Cluster__Map *map = tessera__cluster__map__unpack(NULL, head_bytes, head);
    sim_job *j = map ? find_job(m, map->job) : NULL;
    const scheduler_job *known = map ? id_table_find(&m->s->jobs, map->job) : NULL;
    check(map && j && known);
    if (head_bytes > m->most_map_bytes) m->most_map_bytes = head_bytes;
    count_units(m, j, map, known);
    for (int w = 0; w < m->n_workers; w++) {
        if (j->units[w] == 0) continue;
        if (m->busy_until_s[w] < m->now_s) m->busy_until_s[w] = m->now_s;
        m->busy_until_s[w] += (double)j->units[w] * UNIT_S;
        if (m->busy_until_s[w] > j->done_s) j->done_s = m->busy_until_s[w];
    }
    j->there = true;
    tessera__cluster__map__free_unpacked(map, NULL);
}

static double outside_s; /* processor time of the simulation itself, within calls of the scheduler */

static void take_message(void *context, void *link, uint32_t type, const uint8_t *head, size_t head_bytes, buffer *payload,
                         size_t bytes)
{
    sim *m = context;
    m->messages++;
    m->bytes += head_bytes;
    m->payload_bytes += bytes;
    if (type == SCHEDULER_MESSAGE(REFUSED)) {
        Tessera__Cluster__Refused *r = tessera__cluster__refused__unpack(NULL, head_bytes, head);
        fprintf(stderr, "bench-scheduler: refused: %s\n", r ? r->message : "");
        exit(1);
    }
    if (*(int *)link != CLIENT || type != SCHEDULER_MESSAGE(MAP))
        return; /* too short to be timed: asking for the time is longer */
    const double begin = processor_s();
    take_map(m, head, head_bytes);
    outside_s += processor_s() - begin;
}

static void take_plan(void *context, scheduler_planning *request)
{
    sim *m = context;
    request->next = m->plans;
    m->plans = request;
}

static int64_t now_ns(void *context) { return (int64_t)(((const sim *)context)->now_s * 1e9) + 1; }
static void shut(void *context, void *link, const char *reason)
{
    fprintf(stderr, "bench-scheduler: a link was closed: %s\n", reason);
    exit(1);
}
static void record(void *context, const journal_record *r, buffer *payload) {}
static bool is_gone(void *context, int64_t pid) { return false; }
static void say(void *context, net_level level, const char *text) {}
static void nothing(void *context) {}
static void joined(void *context, void *link, const Tessera__Cluster__Register *worker) {}
static void retire(void *context, void *link) {}
static const scheduler_ops ops = {take_message, shut, take_plan, record, now_ns, is_gone, say, nothing, nothing, joined, retire};

/* ---- What peers say
 * ------------------------------------------------------------------------------------------------------------ */

/* Processor time of the scheduler alone. */
#define TIMED(m, call)                                                                                                           \
    do {                                                                                                                         \
        const double timed_begin = processor_s(), timed_outside = outside_s;                                                     \
        call;                                                                                                                    \
        (m)->scheduler_s += processor_s() - timed_begin - (outside_s - timed_outside);                                           \
    } while (0)

static void tell(sim *m, scheduler_peer *p, uint32_t type, const ProtobufCMessage *message, buffer *payload, size_t bytes)
{
    uint8_t small[4096], *head = small;
    const size_t n = protobuf_c_message_get_packed_size(message);
    if (n > sizeof small) head = malloc(n);
    check(head != NULL);
    protobuf_c_message_pack(message, head);
    TIMED(m, scheduler_message(m->s, p, type, head, n, payload, bytes));
    if (head != small) free(head);
}

static void make_plans(sim *m)
{
    while (m->plans) {
        scheduler_planning *r = m->plans;
        m->plans = r->next;
        const double begin = processor_s();
        scheduler_plan(m->session, r);
        m->planning_s += processor_s() - begin;
        TIMED(m, scheduler_planned(m->s, r));
    }
}

static void join_all(sim *m)
{
    char name[32], address[64];
    for (int i = 0; i < m->n_workers; i++) {
        Tessera__Cluster__Register r = TESSERA__CLUSTER__REGISTER__INIT;
        const net_peer peer = {.role = NET_ROLE_WORKER, .name = name, .host_id = "h", .address = address};
        snprintf(name, sizeof name, "worker-%d", i + 1);
        snprintf(address, sizeof address, "tcp://10.0.%d.%d:8787", i / 250, i % 250);
        m->links[i] = i;
        r.worker = (uint64_t)i + 1;
        r.name = name;
        r.address = address;
        r.threads = 1;
        TIMED(m, m->workers[i] = scheduler_opened(m->s, &m->links[i], &peer));
        check(m->workers[i] != NULL);
        tell(m, m->workers[i], SCHEDULER_MESSAGE(REGISTER), &r.base, NULL, 0);
    }
}

static void report_all(sim *m)
{
    for (int w = 0; w < m->n_workers; w++) {
        Tessera__Cluster__Report r = TESSERA__CLUSTER__REPORT__INIT;
        Tessera__Cluster__JobReport jobs[IN_FLIGHT], *list[IN_FLIGHT];
        for (int i = 0; i < IN_FLIGHT; i++) {
            if (!m->jobs[i].there || m->jobs[i].units[w] == 0) continue;
            tessera__cluster__job_report__init(&jobs[r.n_jobs]);
            jobs[r.n_jobs].job = m->jobs[i].id;
            jobs[r.n_jobs].tasks_done = ++m->tasks_done[w];
            list[r.n_jobs] = &jobs[r.n_jobs];
            r.n_jobs++;
        }
        r.jobs = list;
        r.tasks_done = m->tasks_done[w];
        tell(m, m->workers[w], SCHEDULER_MESSAGE(REPORT), &r.base, NULL, 0);
    }
}

static sim_job *submit(sim *m, uint64_t id, tsr_array *a, bool persists, uint64_t reads, const set_codec *sets)
{
    Tessera__Cluster__Submit s = TESSERA__CLUSTER__SUBMIT__INIT;
    void *bytes;
    size_t size;
    buffer *b;
    sim_job *j = find_job(m, 0);
    check(a && j);
    check(expression_pack(1, &a, NULL, sets, &bytes, &size) == TSR_OK);
    check(buffer_wrap(bytes, size, tsr_free, bytes, &b) == TSR_OK);
    j->id = id;
    j->done_s = 0;
    j->there = false;
    s.job = id;
    s.persists = persists;
    s.n_reads = reads != 0;
    s.reads = &reads;
    s.progress = true;
    tell(m, m->client, SCHEDULER_MESSAGE(SUBMIT), &s.base, b, size);
    buffer_unref(b);
    return j;
}

static void release(sim *m, sim_job *j)
{
    Tessera__Cluster__Jobs s = TESSERA__CLUSTER__JOBS__INIT;
    s.n_jobs = 1;
    s.jobs = &j->id;
    tell(m, m->client, SCHEDULER_MESSAGE(RELEASE), &s.base, NULL, 0);
    j->id = 0;
    j->there = false;
}

/* A tenth of a second goes by. */
static void pass(sim *m, int64_t *tick)
{
    m->now_s += 1.0 / TICKS_PER_S;
    TIMED(m, scheduler_tick(m->s));
    if (++*tick % TICKS_PER_S == 0) report_all(m);
}

/* ---- Workloads
 * -------------------------------------------------------------------------------------------------------------------- */

static void start(sim *m, int n_workers)
{
    const net_peer peer = {.role = NET_ROLE_CLIENT, .name = "client", .host_id = "h", .address = "tcp://10.1.0.1:1"};
    *m = (sim){.n_workers = n_workers, .client_link = CLIENT};
    const size_t n = (size_t)n_workers;
    m->session = tsr_session_open(NULL, &(tsr_options){.n_threads = 1});
    m->links = calloc(n, sizeof *m->links);
    m->workers = calloc(n, sizeof *m->workers);
    m->busy_until_s = calloc(n, sizeof *m->busy_until_s);
    m->tasks_done = calloc(n, sizeof *m->tasks_done);
    check(m->session && m->links && m->workers && m->busy_until_s && m->tasks_done);
    for (int i = 0; i < IN_FLIGHT; i++) check((m->jobs[i].units = calloc(n, sizeof *m->jobs[i].units)) != NULL);
    check(scheduler_new(&ops, m, &m->s) == TSR_OK);
    scheduler_begin(m->s, "tcp://10.0.0.1:8786");
    join_all(m);
    TIMED(m, m->client = scheduler_opened(m->s, &m->client_link, &peer));
    check(m->client != NULL);
    m->scheduler_s = 0; /* joining is not counted */
    m->messages = m->bytes = 0;
}

static void finish(sim *m)
{
    for (int i = 0; i < m->n_workers; i++) scheduler_closed(m->s, m->workers[i]);
    scheduler_closed(m->s, m->client);
    scheduler_free(m->s);
    tsr_session_close(m->session);
    for (int i = 0; i < IN_FLIGHT; i++) free(m->jobs[i].units);
    free(m->links);
    free(m->workers);
    free(m->busy_until_s);
    free(m->tasks_done);
}

static void row(const sim *m, const char *name, double tasks, double ideal_s, double local)
{
    const double seconds = m->scheduler_s + m->planning_s;
    printf("%-42s %10.0f %9.3f %9.3f %12.3g %8.1f %8.1f", name, tasks, m->scheduler_s, m->planning_s, tasks / seconds,
           (double)m->bytes / m->n_workers / 1e3, 100 * ideal_s / m->now_s);
    if (local >= 0)
        printf(" %8.2f", 100 * local);
    else
        printf(" %8s", "-");
    printf(" %8.0f\n", (double)os_rss_peak_bytes() / 1e6);
}

/* Persisted blocks of another job, as a client knows them. */
typedef struct sim_set {
    block_set base;
    grid blocks;
    uint64_t job;
} sim_set;

static void unref(block_set *set) { atomic_fetch_sub(&set->refs, 1); }
static const block_set_ops set_ops = {unref};

static bool save_set(void *context, const block_set *set, uint64_t *job, uint32_t *root)
{
    *job = ((const sim_set *)(const void *)set)->job;
    *root = 0;
    return true;
}

static tsr_array *held(sim *m, sim_set *set, uint64_t job, int64_t n, int64_t width)
{
    *set = (sim_set){.base = {.ops = &set_ops}, .job = job};
    atomic_store(&set->base.refs, 1);
    set->blocks = (grid){.ndim = 2, .axes = {axis_grid_regular(n, 1), axis_grid_regular(width, width)}};
    tsr_array proto = {.op = NODE_BLOCKS, .dtype = TSR_F64, .ndim = 2, .session = m->session, .grid = set->blocks};
    proto.shape[0] = n;
    proto.shape[1] = width;
    proto.p.blocks.set = &set->base;
    proto.p.blocks.stored = &set->blocks;
    return node_make(m->session, &proto);
}

static int64_t n_units(const scheduler_job *j)
{
    int64_t n = 0;
    for (int i = 0; i < j->shape->n_stages; i++) n += j->shape->units[i].n;
    return n;
}

/* Units of the last stage of b that have the owner of the same unit of the last stage of a. */
static double local_part(const scheduler_job *a, const scheduler_job *b)
{
    const int la = a->shape->n_stages - 1;
    const stage_owners *x = &b->map->owners.stages[0];
    const int64_t n = b->shape->units[0].n;
    int64_t same = 0;
    for (int i = 0; i < x->n; i++) {
        const int64_t first = x->first[i], end = i + 1 < x->n ? x->first[i + 1] : n;
        const stage_owners *y = &a->map->owners.stages[la];
        for (int k = 0; k < y->n; k++) {
            const int64_t low = y->first[k] > first ? y->first[k] : first, till = k + 1 < y->n ? y->first[k + 1] : n;
            const int64_t high = till < end ? till : end;
            if (high > low && y->owner[k] == x->owner[i]) same += high - low;
        }
    }
    return (double)same / (double)n;
}

/* One array of very many blocks is persisted, then reduced where it lies. */
static void one_large(int n_workers, int64_t n_tasks)
{
    enum { WIDTH = 1 << 19 };
    sim m;
    sim_set set;
    int64_t tick = 0;
    start(&m, n_workers);
    const int64_t rows = n_tasks / 2;
    tsr_array *x = tsr_random_normal(m.session, 1, 0, 1, TSR_F64, 2, (int64_t[]){rows, WIDTH}, (int64_t[]){1, WIDTH});
    tsr_array *h = held(&m, &set, 1, rows, WIDTH), *y = tsr_sum(h, 1, (int[]){1}, false);
    const set_codec sets = {.save = save_set};
    sim_job *a = submit(&m, 1, x, true, 0, NULL);
    make_plans(&m);
    sim_job *b = submit(&m, 2, y, false, 1, &sets);
    make_plans(&m);
    check(a->there && b->there);
    const scheduler_job *ja = id_table_find(&m.s->jobs, 1), *jb = id_table_find(&m.s->jobs, 2);
    const double tasks = (double)(n_units(ja) + n_units(jb)), local = local_part(ja, jb);
    while (m.now_s < a->done_s || m.now_s < b->done_s) pass(&m, &tick);
    row(&m, "an array of blocks, and a sum of it", tasks, tasks * UNIT_S / n_workers, local);
    tsr_release(x);
    tsr_release(h);
    tsr_release(y);
    finish(&m);
}

/* Jobs of some thousand tasks, one after the other, as many in flight as keep everybody busy. No name: a line of JSON. */
static void many_jobs(int n_workers, int64_t n_tasks, int64_t each, const char *name)
{
    sim m;
    int64_t tick = 0, submitted = 0, done = 0;
    const int64_t n_jobs = n_tasks / each;
    double tasks = 0;
    start(&m, n_workers);
    while (done < n_jobs) {
        for (int i = 0; i < IN_FLIGHT && submitted < n_jobs; i++) {
            if (m.jobs[i].id) continue;
            const uint64_t id = (uint64_t)++submitted;
            tsr_array *x =
                tsr_random_normal(m.session, id, 0, 1, TSR_F64, 2, (int64_t[]){each, 1 << 19}, (int64_t[]){1, 1 << 19});
            submit(&m, id, x, false, 0, NULL);
            make_plans(&m);
            tasks += (double)n_units(id_table_find(&m.s->jobs, id));
            tsr_release(x);
        }
        pass(&m, &tick);
        for (int i = 0; i < IN_FLIGHT; i++) {
            if (!m.jobs[i].there || m.now_s < m.jobs[i].done_s) continue;
            release(&m, &m.jobs[i]);
            done++;
        }
    }
    if (name)
        row(&m, name, tasks, tasks * UNIT_S / n_workers, -1);
    else
        printf("{\"seconds\": %.6f, \"value\": %.3f}\n", m.scheduler_s + m.planning_s, tasks * UNIT_S / n_workers / m.now_s);
    finish(&m);
}

int main(int argc, char **argv)
{
    const int n_workers = argc > 1 ? atoi(argv[1]) : 1000;
    const int64_t n_tasks = argc > 2 ? atoll(argv[2]) : 10000000;
    const int64_t each = argc > 3 ? atoll(argv[3]) : 1000;
    if (n_workers < 1 || n_tasks < 1000 || each < 1 || each > n_tasks) {
        fprintf(stderr, "usage: bench-scheduler [WORKERS [TASKS [EACH]]]\n");
        return 2;
    }
    if (argc > 3) {
        many_jobs(n_workers, n_tasks, each, NULL);
        return 0;
    }
    setlinebuf(stdout);
    printf("%d workers\n", n_workers);
    printf("%-42s %10s %9s %9s %12s %8s %8s %8s %8s\n", "", "tasks", "handling", "planning", "tasks/s", "kB each", "busy %",
           "local %", "MB");
    one_large(n_workers, n_tasks);
    many_jobs(n_workers, n_tasks, 100000, "jobs of 100 000");
    many_jobs(n_workers, n_tasks, 10000, "jobs of 10 000");
    many_jobs(n_workers, n_tasks, 1000, "jobs of 1000");
    return 0;
}
