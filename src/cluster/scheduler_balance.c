/* Who works on jobs that are under way: workers that come get a fair part of what is left (welcome); and where one worker is far
 * behind while another has nothing to do, that one gets a part (balance). The scheduler's thread.
 *
 * Newcomers are not kept waiting until somebody is seen to be slow: after workers were lost, everything lies with those that
 * remained, and workers that are started again are to take their place at once.
 *
 * How fast a worker is with a job is measured: tasks that its reports add, over half a second and more. What moving costs is,
 * too: bytes that a unit reads of persisted arrays, at the rate at which the taker last received from other hosts. So units move
 * only when that is cheaper than waiting: behind a slow link they stay, and behind one over which no large block has come yet.
 * The map changes at most once a second, and only for jobs that would take seconds longer. As everywhere, it does not matter to
 * any value who makes what, or whether something is made twice. */
#include "cluster/scheduler.h"

#include <limits.h>
#include <string.h>

static const int64_t SETTLED_NS = 1000000000; /* a map is left alone for so long */
static const int64_t IDLE_NS = 500000000;     /* a worker that has done nothing for so long is idle */
static const int64_t RATE_NS = 500000000;     /* a rate is measured over so long at least */
static const int64_t STUCK_NS =
    30000000000; /* without a task done for so long, units are not wanted, or none is small enough to move */
static const int64_t WELCOME_NS = 10000000000; /* a worker is new for so long */
static const int64_t ACTIVE_NS = 3000000000;   /* a job of which nothing was heard for so long is not under way */
static const int64_t LEAST_AGE_NS = 200000000; /* of a map, before newcomers are looked for */
static const double LEAST_REST_S = 0.2;        /* newcomers get nothing of what is done sooner */
enum { MOST_GIVERS = 256, MOST_NEWCOMERS = 16 /* in one tick */ };
static const double LEAST_WAIT_S = 2; /* jobs that are done sooner are left alone */
static const double LEAST_GAIN_S = 0.5;
static const double LOCAL_BYTES_S = 1e9, REMOTE_BYTES_S = 1e8; /* before anything was measured */

void scheduler_balance_note(scheduler *s, scheduler_job *j, scheduler_part *part)
{
    const int64_t now = scheduler_now(s);
    if (part->rate_ns == 0 || part->tasks_done < part->rate_tasks) {
        part->rate_ns = now;
        part->rate_tasks = part->tasks_done;
    } else if (now - part->rate_ns >= RATE_NS && part->tasks_done > part->rate_tasks) {
        part->rate = (double)(part->tasks_done - part->rate_tasks) * 1e9 / (double)(now - part->rate_ns);
        part->rate_ns = now;
        part->rate_tasks = part->tasks_done;
    }
    if (!j->is_busy) j->is_busy = VEC_PUSH(&s->busy, j->id);
}

/* What everybody in a job's map has still to do: by where he is, and by how many tasks he has done; the smaller of the two, as
 * units that nobody asks for are never made. */
typedef struct rests {
    const scheduler_part **parts; /* NULL: he told of nothing yet. All by place in the map's workers */
    assign_gift *gifts;
    int64_t *left;
} rests;

static void rests_fini(rests *r)
{
    mem_free(r->parts);
    mem_free(r->gifts);
    mem_free(r->left);
}

/* Where he is, as he said; INT_MAX: nowhere in this job. */
static void place_gift(const scheduler_job *j, const scheduler_part *part, assign_gift *g)
{
    g->stage = INT_MAX;
    if (part->stage >= (uint32_t)j->shape->n_stages || part->block > INT64_MAX / 2) return;
    if (__builtin_mul_overflow((int64_t)part->block, j->shape->units[part->stage].n_runs, &g->unit)) return;
    g->stage = (int)part->stage;
}

static tsr_status rests_init(const scheduler_job *j, rests *out)
{
    const scheduler_map *m = j->map;
    const size_t n = m->n_workers;
    int64_t *all;
    *out = (rests){.parts = mem_alloc(n * sizeof *out->parts),
                   .gifts = mem_alloc(n * sizeof *out->gifts),
                   .left = mem_alloc(2 * n * sizeof *out->left)};
    if (!out->parts || !out->gifts || !out->left) {
        rests_fini(out);
        return TSR_ERR_MEMORY;
    }
    all = out->left + n;
    for (size_t i = 0; i < n; i++) out->gifts[i] = (assign_gift){.giver = m->workers[i]};
    assign_left(&m->owners, j->shape->units, m->owner, n, out->gifts, all);
    for (size_t i = 0; i < n; i++) {
        out->parts[i] = scheduler_part_find(j, m->workers[i]);
        if (out->parts[i]) place_gift(j, out->parts[i], &out->gifts[i]);
    }
    assign_left(&m->owners, j->shape->units, m->owner, n, out->gifts, out->left);
    for (size_t i = 0; i < n; i++) {
        const uint64_t done = out->parts[i] ? out->parts[i]->tasks_done : 0;
        const int64_t undone = done < (uint64_t)all[i] ? all[i] - (int64_t)done : 0;
        /* Stages are done side by side where blocks of one are made as soon as those of the other are: then nobody is at one
         * place.
         */
        if (undone < out->left[i] || (out->parts[i] && out->parts[i]->stages)) out->left[i] = undone;
    }
    return TSR_OK;
}

static double bytes_of_unit(const scheduler_job *j, int number)
{
    double bytes = 0;
    for (size_t i = 0; i < j->reads.n; i++)
        if (j->reads.items[i]->shape) bytes += (double)j->reads.items[i]->shape->bytes;
    const int64_t n = j->shape->units[number].n;
    return n > 0 ? bytes / (double)n : bytes;
}

static bool are_neighbours(const scheduler_worker *a, const scheduler_worker *b)
{
    return a->host && b->host && strcmp(a->host, b->host) == 0;
}

/* One that can only wait for blocks of others, among them the giver, is as good as idle, unless they are on their way through a
 * cable. */
static const scheduler_worker *idle_worker(const scheduler *s, const scheduler_worker *giver, int64_t now_ns)
{
    const scheduler_worker *best = NULL;
    for (size_t i = 0; i < s->ordered.n; i++) {
        const scheduler_worker *w = s->ordered.items[i];
        const bool is_idle = w->report.idle || (w->report.waits && w != giver && are_neighbours(w, giver));
        if (!w->peer || w->leaves || !is_idle || now_ns - w->active_ns < IDLE_NS) continue;
        if (!best || w->said->threads > best->said->threads) best = w;
    }
    return best;
}

/* What was measured, unless not even the next task was done since then in the time that this would take. */
static double rate_of(const scheduler_part *part, int64_t now_ns)
{
    const double at_most = 1e9 / (double)(now_ns - part->rate_ns + 1);
    return part->tasks_done == part->rate_tasks && at_most < part->rate ? at_most : part->rate;
}

/* What is given of each stage, where the worker has told how much of each it has done. NULL: it has not. */
static int64_t *cut_of(const scheduler_job *j, uint64_t giver, double n)
{
    const scheduler_part *part = scheduler_part_find(j, giver);
    int64_t *from = part && part->stages ? mem_alloc((size_t)j->shape->n_stages * sizeof *from) : NULL;
    if (from) assign_cut(&j->map->owners, j->shape->units, giver, part->stages, (int64_t)n, from);
    return from;
}

/* Who would be done last. */
typedef struct slowest {
    const scheduler_worker *worker;
    assign_gift gift;
    double rate;
    int64_t left;
} slowest;

/* False: all have done what is theirs. */
static bool find_slowest(const scheduler *s, const scheduler_job *j, int64_t now_ns, slowest *out)
{
    bool any = false;
    rests r;
    *out = (slowest){.rate = 1};
    if (rests_init(j, &r) != TSR_OK) return true;
    for (size_t i = 0; i < j->map->n_workers; i++) {
        const scheduler_part *part = r.parts[i];
        const scheduler_worker *w = part && part->rate > 0 && r.left[i] > 0 ? id_table_find(&s->workers, part->worker) : NULL;
        if (!w || w->report.idle || now_ns - part->rate_ns > STUCK_NS) continue;
        const slowest now = {.worker = w, .gift = r.gifts[i], .rate = rate_of(part, now_ns), .left = r.left[i]};
        any = true;
        if ((double)now.left / now.rate > (double)out->left / out->rate) *out = now;
    }
    rests_fini(&r);
    return any;
}

/* How fast somebody else would be: as it was with this job, lately or since its beginning (perhaps it waited for the slow one
 * most of the time), or as its threads let expect. */
static double rate_expected(const scheduler_job *j, const scheduler_worker *w, const slowest *slow)
{
    const scheduler_part *part = scheduler_part_find(j, w->id);
    const double expected = slow->rate * (double)w->said->threads / (double)slow->worker->said->threads;
    if (!part) return expected;
    const double since_begin =
        part->seen_ns > j->drawn_ns ? (double)part->tasks_done * 1e9 / (double)(part->seen_ns - j->drawn_ns) : 0;
    const double known = part->rate > since_begin ? part->rate : since_begin;
    return known > expected ? known : expected;
}

/* False: the job need not be looked at again before somebody tells of it. */
static bool balance(scheduler *s, scheduler_job *j, int64_t now_ns)
{
    slowest slow;
    owner_map owners;
    scheduler_map *map;
    if (j->state != SCHEDULER_JOB_READY || scheduler_map_is_empty(j)) return false;
    if (now_ns - j->mapped_ns < SETTLED_NS) return true;
    if (!find_slowest(s, j, now_ns, &slow)) return false;
    const double wait_s = (double)slow.left / slow.rate;
    const scheduler_worker *giver = slow.worker, *taker = giver ? idle_worker(s, giver, now_ns) : NULL;
    if (!giver || !taker || slow.left < 2 || wait_s < LEAST_WAIT_S) return true;
    /* Both are done at the same time if x units move: (left - x) / rate = x * (1 / their rate + bytes / bandwidth). */
    const bool is_local = are_neighbours(taker, giver);
    const double bytes = bytes_of_unit(j, slow.gift.stage < j->shape->n_stages ? slow.gift.stage : 0);
    const double bandwidth = is_local ? LOCAL_BYTES_S : (double)taker->report.bandwidth;
    if (bytes > 0 && bandwidth <= 0) return true; /* nobody knows yet how slow the way is */
    const double unit_s = 1 / rate_expected(j, taker, &slow) + (bytes > 0 ? bytes / bandwidth : 0);
    const double x = wait_s / (1 / slow.rate + unit_s);
    if (x < 1 || x / slow.rate < LEAST_GAIN_S) return true;
    slow.gift.taker = taker->id;
    slow.gift.part = x / (double)slow.left;
    int64_t *from = cut_of(j, giver->id, x);
    slow.gift.from = from;
    const tsr_status status = assign_give(&j->map->owners, j->shape->units, &slow.gift, &owners);
    mem_free(from);
    if (status != TSR_OK) return true; /* it stays as it is */
    if (scheduler_map_new(&owners, &map) != TSR_OK) return true;
    scheduler_say(s, NET_LOG_INFO, "job %016llx: worker %s needs %.1f s more; worker %s gets %.0f of its %lld units",
                  (unsigned long long)j->id, scheduler_worker_name(giver), wait_s, scheduler_worker_name(taker), x,
                  (long long)slow.left);
    scheduler_map_set(s, j, map);
    return true;
}

/* ---- Workers that came after a map was drawn ------------------------------------------------------------------------------ */

static bool is_welcome(const scheduler_job *j, const scheduler_worker *w)
{
    return w->peer && !w->leaves && w->joined_ns >= j->drawn_ns && scheduler_map_find(j->map, w->id) < 0;
}

/* Is it being worked on, as far as is known? What is persisted stays when it is done, and then where it is. */
static bool is_under_way(const scheduler_job *j, int64_t now_ns)
{
    bool is_active = !j->is_restored && now_ns - j->mapped_ns < ACTIVE_NS;
    for (size_t i = 0; i < j->parts.n && !is_active; i++) is_active = now_ns - j->parts.items[i].seen_ns < ACTIVE_NS;
    return is_active || !j->order->submit->persists;
}

/* Those who have something left of a job, and how fast they are together. */
typedef struct owners_left {
    assign_gift gifts[MOST_GIVERS];
    int64_t left_of[MOST_GIVERS];
    int n, threads;
    int64_t left;
    double rate; /* 0: not known of all */
} owners_left;

static void find_left(const scheduler *s, const scheduler_job *j, int64_t now_ns, owners_left *out)
{
    bool all_known = true;
    rests r;
    *out = (owners_left){.n = 0};
    if (rests_init(j, &r) != TSR_OK) return;
    for (size_t i = 0; i < j->map->n_workers && out->n < MOST_GIVERS; i++) {
        const scheduler_worker *w = r.left[i] > 0 ? id_table_find(&s->workers, j->map->workers[i]) : NULL;
        if (!w) continue;
        all_known = all_known && r.parts[i] && r.parts[i]->rate > 0;
        out->gifts[out->n] = r.gifts[i];
        out->left_of[out->n++] = r.left[i];
        out->threads += (int)w->said->threads;
        out->left += r.left[i];
        out->rate += all_known ? rate_of(r.parts[i], now_ns) : 0;
    }
    if (!all_known) out->rate = 0;
    rests_fini(&r);
}

/* How much of what is left a worker should have; 0: it had better not. */
static double fair_part(const scheduler_job *j, const scheduler_worker *w, const owners_left *all)
{
    const double threads = (double)w->said->threads;
    if (all->left < 2 || all->threads == 0) return 0;
    if (all->rate == 0) return j->reads.n > 0 ? 0 : threads / (threads + (double)all->threads); /* moving would cost something */
    if ((double)all->left / all->rate < LEAST_REST_S) return 0;
    const double bandwidth = w->report.bandwidth ? (double)w->report.bandwidth : REMOTE_BYTES_S;
    const double unit_s = (double)all->threads / (all->rate * threads) + bytes_of_unit(j, all->gifts[0].stage) / bandwidth;
    return 1 / unit_s / (all->rate + 1 / unit_s);
}

/* Every giver gives the same part. NULL: that makes nothing. */
static scheduler_map *give_parts(const scheduler_job *j, const owners_left *all, uint64_t taker, double part)
{
    const owner_map *from = &j->map->owners;
    owner_map now = {0}, next;
    scheduler_map *map = NULL;
    for (int i = 0; i < all->n; i++) {
        assign_gift g = all->gifts[i];
        int64_t *cut = cut_of(j, g.giver, part * (double)all->left_of[i]);
        g.taker = taker;
        g.part = part;
        g.from = cut;
        const tsr_status status = assign_give(from, j->shape->units, &g, &next);
        mem_free(cut);
        if (status != TSR_OK) break;
        owner_map_free(&now);
        now = next;
        from = &now;
    }
    const bool is_good = all->n > 0 && assign_has(&now, taker) && scheduler_map_new(&now, &map) == TSR_OK;
    owner_map_free(&now);
    return is_good ? map : NULL;
}

static void welcome(scheduler *s, scheduler_job *j, int64_t now_ns)
{
    int n_newcomers = 0;
    if (j->state != SCHEDULER_JOB_READY || scheduler_map_is_empty(j) || s->last_joined_ns < j->drawn_ns) return;
    if (!is_under_way(j, now_ns) || now_ns - j->drawn_ns < LEAST_AGE_NS) return; /* most jobs are done sooner */
    for (size_t i = 0; i < s->ordered.n && n_newcomers < MOST_NEWCOMERS; i++) {
        const scheduler_worker *w = s->ordered.items[i];
        owners_left all;
        if (!is_welcome(j, w)) continue;
        n_newcomers++;
        find_left(s, j, now_ns, &all);
        const double part = fair_part(j, w, &all);
        scheduler_map *map = part > 0 ? give_parts(j, &all, w->id, part) : NULL;
        if (!map) continue;
        scheduler_say(s, NET_LOG_INFO, "job %016llx: worker %s has come, and gets a part (%.2f) of the %lld units that are left",
                      (unsigned long long)j->id, scheduler_worker_name(w), part, (long long)all.left);
        scheduler_map_set(s, j, map);
        if (j->state != SCHEDULER_JOB_READY) return;
    }
}

static void welcome_all(scheduler *s, int64_t now_ns)
{
    uint64_t *ids;
    size_t n;
    if (now_ns - s->last_joined_ns > WELCOME_NS || scheduler_jobs_list(s, &ids, &n) != TSR_OK) return;
    for (size_t i = 0; i < n; i++) {
        scheduler_job *j = scheduler_job_find(s, ids[i]);
        if (j) welcome(s, j, now_ns);
    }
    mem_free(ids);
}

void scheduler_balance_tick(scheduler *s, int64_t now_ns)
{
    welcome_all(s, now_ns);
    size_t n_kept = 0;
    for (size_t i = 0; i < s->busy.n; i++) {
        scheduler_job *j = scheduler_job_find(s, s->busy.items[i]);
        if (!j) continue;
        j->is_busy = balance(s, j, now_ns);
        if (j->is_busy) s->busy.items[n_kept++] = j->id;
    }
    s->busy.n = n_kept;
}
