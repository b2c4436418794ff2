/* Which worker runs a task.
 *
 * A ready task waits in the queue of its rule, or, if its arguments are results, in the queue of the worker that has most of
 * their bytes (`near`). A worker takes what is first in both by priority, what the clients had so far (task_share), and age; one
 * that has nothing to do takes from another's `near` if the bytes move sooner than the other would get to it. Workers get as many
 * tasks beyond their threads as keep them busy for AHEAD_SECONDS, going by how long each function took lately: thousands of short
 * ones, none of long ones. One thread. */
#include "cluster/tasks.h"

#define AHEAD_SECONDS 0.01
#define GUESSED_SECONDS 0.005    /* of functions that never ran */
#define LONG_SECONDS 0.2         /* such tasks are given to free threads only */
#define BYTES_PER_SECOND 1e9     /* between workers, and */
#define SECONDS_PER_MESSAGE 1e-3 /* what it takes however few they are */
enum { MAX_CANDIDATES = 8, MANY_BYTES = 64 << 10, STUCK_MS = 50, BLOCKED_MS = 1000 };

static double seconds_of(const task *t)
{
    const float known = t->batch->function->seconds;
    return known >= 0 ? known : GUESSED_SECONDS;
}

static bool is_free(const task_worker *w) { return !w->blocked && w->n_assigned < (size_t)w->n_threads; }

/* Is it busy for long enough, whatever task comes? */
static bool is_full(const task_worker *w)
{
    if (w->n_assigned <= (size_t)w->n_threads) return false;
    return w->queued_seconds >= AHEAD_SECONDS * w->n_threads || w->n_assigned >= (size_t)w->n_threads + TASKS_MAX_AHEAD;
}

void tasks_worker_changed(tasks *ts, task_worker *w)
{
    const bool hungry = !w->retiring && !is_full(w);
    if (hungry == (w->hungry_at != 0)) return;
    if (hungry) {
        ts->hungry.items[ts->hungry.n++] = w;
        w->hungry_at = (uint32_t)ts->hungry.n;
    } else {
        task_worker *last = ts->hungry.items[--ts->hungry.n];
        ts->hungry.items[w->hungry_at - 1] = last;
        last->hungry_at = w->hungry_at;
        w->hungry_at = 0;
    }
}

/* Has the worker room for one more, that it runs now or soon? */
static bool has_room(const task_worker *w, const task *t)
{
    if (is_free(w)) return true;
    if (t->kills > 0 || seconds_of(t) > LONG_SECONDS) return false;
    return !is_full(w);
}

/* The worker that has most bytes of the arguments; NULL: none. */
static task_worker *nearest(const tasks *ts, const task *t, uint64_t *most)
{
    struct {
        task_worker *w;
        uint64_t bytes;
    } found[MAX_CANDIDATES];
    size_t n = 0, best = 0;
    for (uint32_t i = 0; i < t->n_args; i++) {
        const task *d = task_at(ts, task_args(t)[i].dep);
        const size_t n_holders = d ? tasks_n_holders(ts, d) : 0;
        for (size_t k = 0; k < n_holders && k < MAX_CANDIDATES; k++) {
            task_worker *w = tasks_holder(ts, d, k);
            size_t at = 0;
            if (!w || w->retiring) continue;
            while (at < n && found[at].w != w) at++;
            if (at == MAX_CANDIDATES) continue;
            if (at == n) {
                found[n].w = w;
                found[n++].bytes = 0;
            }
            found[at].bytes += d->size + 1;
            if (found[at].bytes > found[best].bytes) best = at;
        }
    }
    *most = n ? found[best].bytes : 0;
    return n ? found[best].w : NULL;
}

static task_worker *least_loaded(const tasks *ts, const task *t)
{
    task_worker *best = NULL;
    for (size_t i = 0; i < ts->workers.n; i++) {
        task_worker *w = ts->workers.items[(i + ts->turn) % ts->workers.n];
        if (!w || !tasks_rule_allows(ts, t->batch->rule, w) || !tasks_rule_fits(t->batch->rule, w)) continue;
        if (!best || w->n_assigned * (size_t)best->n_threads < best->n_assigned * (size_t)w->n_threads) best = w;
    }
    return best;
}

void tasks_enqueue(tasks *ts, task *t, bool first)
{
    uint64_t bytes = 0;
    task_share *share = t->batch->share;
    task_worker *w = t->n_args ? nearest(ts, t, &bytes) : NULL;
    if (share && !share->n_queued && share->seconds < ts->clock) share->seconds = ts->clock;
    if (w && !(tasks_rule_allows(ts, t->batch->rule, w) && (bytes >= MANY_BYTES || has_room(w, t)))) w = NULL;
    task_queue_push(ts, t, w, first);
}

static bool is_sooner(const task *a, const task *b)
{
    if (!b) return true;
    const task_share *s = a->batch->share, *t = b->batch->share;
    if (a->batch->priority != b->batch->priority) return a->batch->priority > b->batch->priority;
    if (s != t && s && t && s->seconds != t->seconds) return s->seconds < t->seconds;
    return a->batch->number < b->batch->number;
}

/* A task that waits near a worker that gets to it later than its bytes would be here. */
static task *take_over(const tasks *ts, const task_worker *w)
{
    task *best = NULL;
    double most = 0;
    for (size_t i = 0; i < ts->workers.n; i++) {
        const task_worker *other = ts->workers.items[i];
        task *t = other && other != w ? task_queue_head(ts, &other->near) : NULL;
        if (!t || !tasks_rule_allows(ts, t->batch->rule, w) || !tasks_rule_fits(t->batch->rule, w)) continue;
        uint64_t bytes = 0;
        for (uint32_t k = 0; k < t->n_args; k++) {
            const task *d = task_at(ts, task_args(t)[k].dep);
            if (d && !tasks_holds(ts, d, w)) bytes += task_size(d);
        }
        const double wait = (other->queued_seconds + (double)other->near.n * seconds_of(t)) / other->n_threads;
        const double gain = is_free(other) ? 0 : wait - ((double)bytes / BYTES_PER_SECOND + SECONDS_PER_MESSAGE);
        if (gain <= most) continue;
        most = gain;
        best = t;
    }
    return best;
}

static task *best_for(const tasks *ts, const task_worker *w)
{
    task *best = task_queue_head(ts, &w->near);
    if (best && !tasks_rule_fits(best->batch->rule, w)) best = NULL;
    for (const task_rule *r = ts->rules; r; r = r->next) {
        task *t = task_queue_head(ts, &r->queue);
        if (t && is_sooner(t, best) && tasks_rule_allows(ts, r, w) && tasks_rule_fits(r, w)) best = t;
    }
    if (!best && is_free(w) && ts->n_near) best = take_over(ts, w);
    return best;
}

static void give(tasks *ts, task_worker *w, task *t)
{
    task_queue_remove(ts, t);
    t->estimate = (float)seconds_of(t);
    if (t->batch->share) {
        ts->clock = t->batch->share->seconds;
        t->batch->share->seconds += t->estimate;
    }
    if (w->n_assigned == 0) w->last_done_ns = ts->ops.now_ns(ts->ops.context);
    w->n_assigned++;
    w->queued_seconds += t->estimate;
    tasks_rule_take(t->batch->rule, w, 1);
    tasks_worker_changed(ts, w);
    tasks_given(ts, w, t);
}

void tasks_take_running(tasks *ts, task *t)
{
    task_worker *w = ts->workers.items[t->worker - 1];
    t->estimate = (float)seconds_of(t);
    tasks_rule_take(t->batch->rule, w, 1);
    if (t->seceded) return;
    if (w->n_assigned == 0) w->last_done_ns = ts->ops.now_ns(ts->ops.context);
    w->n_assigned++;
    w->queued_seconds += t->estimate;
    tasks_worker_changed(ts, w);
}

/* Tasks that do not wait for free threads. */
static void assign_at_once(tasks *ts)
{
    for (task_rule *r = ts->rules; r; r = r->next) {
        for (task *t; (t = task_queue_head(ts, &r->queue)) && t->batch->at_once;) {
            task_worker *w = least_loaded(ts, t);
            if (!w) break;
            give(ts, w, t);
        }
    }
    for (size_t i = 0; ts->n_near && i < ts->workers.n; i++) {
        task_worker *w = ts->workers.items[i];
        for (task *t; w && (t = task_queue_head(ts, &w->near)) && t->batch->at_once && tasks_rule_fits(t->batch->rule, w);)
            give(ts, w, t);
    }
}

/* Gives a worker at most n tasks; how many it got. */
static size_t fill(tasks *ts, task_worker *w, bool free_only, size_t n)
{
    size_t given = 0;
    while (given < n && ts->n_ready && !is_full(w) && !(free_only && !is_free(w))) {
        task *t = best_for(ts, w);
        if (!t || !has_room(w, t)) break;
        give(ts, w, t);
        given++;
    }
    return given;
}

/* Each worker that is not full gets its share of what is ready in turn, as long as that goes on: one, if there is not much. One
 * that is full by then leaves the list, and another takes its place there; who is missed by that has its turn the next time. */
static void assign_round(tasks *ts, bool free_only)
{
    for (bool gave = true; gave && ts->n_ready;) {
        gave = false;
        const size_t n = ts->hungry.n, share = n == 0 || free_only ? 1 : 1 + ts->n_ready / (2 * ts->n_workers);
        size_t at = ts->turn;
        for (size_t i = 0; i < n && ts->n_ready && ts->hungry.n; i++, at++) {
            if (at >= ts->hungry.n) at = 0;
            if (fill(ts, ts->hungry.items[at], free_only, share) == 0) continue;
            ts->turn = at + 1;
            gave = true;
        }
    }
}

void tasks_assign(tasks *ts)
{
    if (!ts->n_ready || !ts->n_workers) return;
    assign_at_once(ts);
    assign_round(ts, true);
    assign_round(ts, false);
}

size_t tasks_recall(tasks *ts, task_worker *w)
{
    const int64_t now = ts->ops.now_ns(ts->ops.context);
    if (w->blocked && now - w->blocked_ns >= (int64_t)BLOCKED_MS * 1000000) w->blocked = false; /* who knows */
    if (ts->n_ready || w->recalled || w->blocked || w->n_assigned == 0) return 0;
    if (now - w->last_done_ns < (int64_t)STUCK_MS * 1000000) return 0;
    bool idle = false;
    for (size_t i = 0; i < ts->hungry.n && !idle; i++) idle = is_free(ts->hungry.items[i]);
    if (!idle) return 0;
    w->recalled = true;
    /* No more than its threads can run: it gives back what they have not begun, if functions that were let go hold them. */
    return w->n_assigned > (size_t)w->n_threads ? w->n_assigned - (size_t)w->n_threads : w->n_assigned;
}

void tasks_retire(tasks *ts, task_worker *w)
{
    w->retiring = true;
    tasks_worker_changed(ts, w);
    task_id list = 0;
    for (task *t; (t = task_queue_head(ts, &w->near));) {
        task_queue_remove(ts, t);
        t->next = list;
        list = task_number(t);
    }
    while (list) {
        task *t = task_at(ts, list);
        list = t->next;
        tasks_enqueue(ts, t, false);
    }
}
