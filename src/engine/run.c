/* Scheduling. Workers take tasks from their own stack, then from others', newest first, so that what was asked for last is
 * finished first and memory is freed early, and only then the next task of a root. A task whose blocks are missing asks for them
 * - their tasks go onto the worker's own stack - and is parked until the last of them is there.
 *
 * The run's lock guards block states and waiting lists; tasks run without it. Roots that depend on no stage and fold in one go
 * never take it. Nothing here decides values: tiles, folds and their order are the plan's, so any schedule gives the same bits.
 */
#include "engine/run.h"

#include "base/mem.h"
#include "base/os.h"

#include <string.h>

/* ---- Failure ----------------------------------------------------------------------------------------------------- */

/* The run stops: whoever sleeps is to see it. The run's lock is held. */
static void wake_all(run *r)
{
    pthread_cond_broadcast(&r->crew->work);
    pthread_cond_signal(&r->ended);
}

/* Keeps the first failure with its text; everybody stops, also in the middle of writing a block. */
static void run_fail(run *r, tsr_status status)
{
    pthread_mutex_lock(&r->crew->lock);
    if (r->status == TSR_OK) {
        r->status = status;
        r->errnum = tsr_error_errno();
        r->message = mem_strdup(tsr_error_message());
    }
    atomic_store(&r->stop, true);
    for (int i = 0; i < r->plan->n_roots; i++)
        if (r->sinks[i].kind == SINK_WRITER) store_give_up(r->sinks[i].writer, status);
    wake_all(r);
    pthread_mutex_unlock(&r->crew->lock);
    keeper_wake(r->keeper);
}

/* ---- Stacks of tasks ------------------------------------------------------------------------------------------------------ */

/* The crew's lock is held: a worker that is about to sleep compares `n_queued` under it. */
tsr_status run_push(worker *w, task t)
{
    crew *c = w->run->crew;
    pthread_mutex_lock(&w->lock);
    bool ok = VEC_PUSH(&w->tasks, t);
    pthread_mutex_unlock(&w->lock);
    if (!ok) return TSR_ERR_MEMORY;
    if (w->run->share) share_activate(w->run);
    atomic_fetch_add(&c->n_queued, 1);
    if (c->n_idle > 0) pthread_cond_broadcast(&c->work);
    return TSR_OK;
}

bool run_pop(worker *w, task *out)
{
    pthread_mutex_lock(&w->lock);
    bool found = w->tasks.n > 0;
    if (found) *out = w->tasks.items[--w->tasks.n];
    pthread_mutex_unlock(&w->lock);
    return found;
}

/* Takes what its owner would do next: so all finish what was begun before they ask for more, which keeps memory small. */
bool run_steal(worker *w, task *out)
{
    run *r = w->run;
    for (int i = 1; i < r->n_workers; i++)
        if (run_pop(&r->workers[(w->number + i) % r->n_workers], out)) return true;
    return false;
}

/* ---- Asking for blocks ------------------------------------------------------------------------------------------- */

/* The crew's lock is held from here on to block_done(). */
tsr_status run_begin_block(run *r, int stage_number, int64_t block)
{
    const stage *s = &r->plan->stages[stage_number];
    making *m = mem_calloc(1, sizeof *m);
    if (!m) return TSR_ERR_MEMORY;
    m->of = r;
    m->stage = stage_number;
    m->block = block;
    r->stages[stage_number].blocks[block] = m;
    if (!stage_folds(s)) return TSR_OK;
    m->folds = mem_calloc((size_t)s->n_runs, sizeof *m->folds);
    return m->folds ? TSR_OK : TSR_ERR_MEMORY;
}

/* Queues the tasks that make a block. */
static tsr_status queue_block(worker *w, int stage_number, int64_t block)
{
    run *r = w->run;
    for (int64_t i = r->plan->stages[stage_number].n_runs; i-- > 0;)
        TRY(run_push(w, (task){.stage = stage_number, .block = block, .run = i}));
    return TSR_OK;
}

typedef struct asking {
    worker *w;
    parked *who; /* made with the first missing block */
    task what;
} asking;

static tsr_status ask_for(asking *a, run *of, int stage_number, int64_t block)
{
    making **m = &of->stages[stage_number].blocks[block];
    const bool is_new = !*m;
    if (block_is_there(of, *m)) {
        share_hold(*m);
        return share_begin_reading(a->w->run, of);
    }
    if (is_new) TRY(run_begin_block(of, stage_number, block));
    if (!a->who) {
        a->who = mem_calloc(1, sizeof *a->who);
        if (!a->who) return TSR_ERR_MEMORY;
        *a->who = (parked){.of = a->w->run, .what = a->what};
        a->who->what.is_ready = true;
    }
    waiter *link = mem_alloc(sizeof *link);
    if (!link) return TSR_ERR_MEMORY;
    *link = (waiter){(*m)->waiters, a->who};
    (*m)->waiters = link;
    a->who->missing++;
    a->w->run->n_abroad += of != a->w->run;
    if (of->share) return share_want(of, stage_number, block, a->w->number);
    return is_new ? queue_block(a->w, stage_number, block) : TSR_OK;
}

static tsr_status ask_for_dependency(void *context, const operand *o, int64_t block)
{
    asking *a = context;
    if (o->kind == OPERAND_STAGE) return ask_for(a, a->w->run, o->stage, block);
    held_set *set = (held_set *)o->node->p.blocks.set;
    if (!set->maker) return share_closed();
    if (atomic_load(&set->maker->stop)) return share_failure(set->maker);
    return ask_for(a, set->maker, set->stage, block);
}

/* Is all there that the body reads over a region? If not, the task is parked, and comes back with is_ready. `previous` is a block
 * of its own stage that must be done first (scans), or -1. */
tsr_status run_require(worker *w, task t, const region *domain, int64_t previous, bool *ready)
{
    run *r = w->run;
    const stage *s = &r->plan->stages[t.stage];
    asking a = {.w = w, .what = t};
    *ready = true;
    if (t.is_ready || (s->level == 0 && previous < 0 && !r->stages[t.stage].reads_shared)) return TSR_OK;
    pthread_mutex_lock(&r->crew->lock);
    tsr_status status = fetch_dependencies(r->plan, s->body, domain, ask_for_dependency, &a);
    if (status == TSR_OK && previous >= 0) status = ask_for(&a, r, t.stage, previous);
    *ready = !a.who;
    if (a.who && a.who->missing == 0) mem_free(a.who); /* no memory for its first link */
    pthread_mutex_unlock(&r->crew->lock);
    return status;
}

void run_free_making(run *r, const stage *s, making *m)
{
    for (int64_t i = 0; m->folds && i < s->n_runs; i++) fold_drop_state(r, s, &m->folds[i]);
    mem_free(m->folds);
    mem_free(m);
}

tsr_status run_wake_waiters(making *m, int thread)
{
    tsr_status status = TSR_OK;
    for (waiter *link = m->waiters, *next; link; link = next) {
        parked *who = link->who;
        next = link->next;
        who->of->n_abroad -= who->of != m->of;
        if (status == TSR_OK) status = share_begin_reading(who->of, m->of);
        if (--who->missing == 0) {
            if (status == TSR_OK) status = run_push(&who->of->workers[thread], who->what);
            mem_free(who);
        }
        mem_free(link);
    }
    m->waiters = NULL;
    return status;
}

/* What the kernels saw while they made a block: nobody gets it then. */
tsr_status run_check_faults(const worker *w)
{
    if (w->faults & FAULT_NEGATIVE_POWER)
        return error_set(TSR_ERR_VALUE, "power: integers to negative integer powers are not allowed; make one operand a float");
    if (w->faults & FAULT_PARAMETER)
        return error_set(TSR_ERR_VALUE, "random: an array of parameters has elements that are out of the distribution's range");
    return TSR_OK;
}

/* A block is complete: whoever waited for this last goes on. */
tsr_status run_block_done(worker *w, int stage_number, int64_t block)
{
    TRY(run_check_faults(w));
    run *r = w->run;
    const stage *s = &r->plan->stages[stage_number];
    stage_run *sr = &r->stages[stage_number];
    if (!sr->blocks) return TSR_OK;
    pthread_mutex_lock(&r->crew->lock);
    making *m = sr->blocks[block];
    tsr_status status = run_wake_waiters(m, w->number);
    struct taker *takers = NULL;
    if (r->share && status == TSR_OK) status = share_block_done(r, s, m, w->number, &takers);
    if (!m->is_there) {
        sr->blocks[block] = &r->done;
        run_free_making(r, s, m);
    }
    pthread_mutex_unlock(&r->crew->lock);
    if (takers) share_hand_over(r, takers);
    return status;
}

/* ---- Blocks that are read a known number of times ----------------------------------------------------------------- */

static tsr_status count_use(void *context, const operand *o, int64_t block)
{
    run *r = context;
    held_set *set = r->stages[o->stage].sets[o->output];
    if (set && !set->persistent) held_count_use(set, block);
    return TSR_OK;
}

static tsr_status drop_use(void *context, const operand *o, int64_t block)
{
    held_set *set = ((run *)context)->stages[o->stage].sets[o->output];
    if (set && !set->persistent) held_used(set, block);
    return TSR_OK;
}

enum { SMALL_SET_BYTES = 16 << 20 /* smaller results are kept until the run ends, which needs no counting */ };

static bool reads_large_sets(const run *r, const body *t)
{
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (o->kind == OPERAND_STAGE) {
            const stage_output *from = &r->plan->stages[o->stage].outputs[o->output];
            if (shape_size(from->ndim, from->shape) * (int64_t)tsr_dtype_size(from->dtype) > SMALL_SET_BYTES) return true;
        }
        for (int k = 0; k < o->n_pieces; k++)
            if (reads_large_sets(r, o->pieces[k])) return true;
    }
    return false;
}

/* The tiles that a stage walks, by number: tiles, or folds of all blocks. */
static box nth_tile(const stage *s, int64_t i)
{
    return stage_folds(s) ? stage_fold_tile(s, i / s->n_folds, i % s->n_folds) : stage_tile(s, i);
}
static int64_t n_tiles(const stage *s) { return stage_folds(s) ? stage_n_blocks(s) * s->n_folds : s->n_tasks; }

/* Tiles outside of what the roots ask for are never run. */
static bool is_asked_for(const stage *s, const box *tile)
{
    for (int d = 0; d < tile->ndim; d++) {
        int64_t start = s->needed.start[d], end = start + s->needed.count[d];
        if (tile->start[d] >= end || tile->start[d] + tile->count[d] <= start) return false;
    }
    return true;
}

static tsr_status count_uses(run *r)
{
    for (int i = 0; i < r->plan->n_stages; i++) {
        const stage *s = &r->plan->stages[i];
        if (!s->is_needed || !reads_large_sets(r, s->body)) continue;
        for (int64_t k = 0; k < n_tiles(s); k++) {
            box tile = nth_tile(s, k);
            if (!is_asked_for(s, &tile)) continue;
            region domain = region_of_box(&tile);
            TRY(fetch_dependencies(r->plan, s->body, &domain, count_use, r));
        }
    }
    return TSR_OK;
}

static tsr_status drop_hold(void *context, const operand *o, int64_t block)
{
    const held_set *set = o->kind == OPERAND_BLOCKS ? (const held_set *)o->node->p.blocks.set : NULL;
    run *of = set ? set->maker : context;
    if (!of) return TSR_OK;
    share_let_go(of->stages[set ? set->stage : o->stage].blocks[block]);
    share_end_reading(context, of);
    return TSR_OK;
}

/* `previous`: the block of its own stage that a scan has read, or -1. */
tsr_status run_drop_uses(worker *w, task t, const stage *s, const box *tile, int64_t previous)
{
    run *r = w->run;
    region domain = region_of_box(tile);
    if (r->share && (s->level > 0 || previous >= 0 || r->stages[t.stage].reads_shared)) {
        pthread_mutex_lock(&r->crew->lock);
        tsr_status status = fetch_dependencies(r->plan, s->body, &domain, drop_hold, r);
        if (previous >= 0) {
            share_let_go(r->stages[t.stage].blocks[previous]);
            share_end_reading(r, r);
        }
        pthread_mutex_unlock(&r->crew->lock);
        return status;
    }
    if (s->level == 0) return TSR_OK;
    return fetch_dependencies(w->run->plan, s->body, &domain, drop_use, w->run);
}

/* ---- Tasks ------------------------------------------------------------------------------------------------------- */

void worker_let_go(worker *w)
{
    for (size_t i = 0; i < w->buffers.n; i++) buffer_unref(w->buffers.items[i]);
    for (size_t i = 0; i < w->pins.n; i++) held_unpin(w->pins.items[i].set, w->pins.items[i].block);
    w->buffers.n = w->pins.n = 0;
}

static void record(worker *w, const task *t, int64_t start_ns, int64_t bytes)
{
    run *r = w->run;
    atomic_store_explicit(&r->current_stage, t->stage, memory_order_relaxed);
    atomic_store_explicit(&r->current_block, t->block, memory_order_relaxed);
    atomic_fetch_add(&r->bytes_read, w->bytes_read);
    atomic_fetch_add(&r->bytes_written, w->bytes_written);
    w->bytes_read = w->bytes_written = 0;
    if (r->traces) (void)VEC_PUSH(&w->events, (trace_event){t->stage, w->number, t->block, start_ns, os_now_ns(), bytes});
}

static int64_t scan_predecessor(const stage *s, int64_t block)
{
    int64_t coords[TSR_MAX_NDIM];
    if (s->kind != STAGE_SCAN) return -1;
    grid_coords(&s->tiles, block, coords);
    return coords[s->axis]-- > 0 ? grid_block_at(&s->tiles, coords) : -1;
}

/* A function's task that failed for want of what was lost meanwhile is begun anew when that is there. */
static tsr_status run_call(worker *w, task t, const stage *s, stage_run *sr, bool *put_off)
{
    const tsr_status status = execute_call(w, s, sr, t.block);
    if (status == TSR_OK || !w->run->share) return status;
    char *message = mem_strdup(tsr_error_message());
    const int errnum = tsr_error_errno();
    const tsr_status asked = share_puts_off(w->run, t, put_off);
    if (asked == TSR_OK && !*put_off) (void)error_repeat(status, errnum, message);
    mem_free(message);
    return asked != TSR_OK ? asked : *put_off ? TSR_OK : status;
}

static tsr_status run_tile(worker *w, task t, const stage *s, stage_run *sr, bool *finished)
{
    bool ready, put_off = false;
    box tile = stage_tile(s, t.block);
    region domain = region_of_box(&tile);
    int64_t previous = scan_predecessor(s, t.block);
    TRY(run_require(w, t, &domain, previous, &ready));
    if (!ready) return TSR_OK;
    if (box_size(&tile) > 0 || s->kind == STAGE_QUANTILE) {
        switch (s->kind) {
        case STAGE_MAP: TRY(execute_map(w, s, sr, t.block)); break;
        case STAGE_SCAN: TRY(execute_scan(w, s, sr, t.block)); break;
        case STAGE_CALL: TRY(run_call(w, t, s, sr, &put_off)); break;
        default: TRY(execute_quantile(w, s, sr, t.block)); break;
        }
    }
    worker_let_go(w);
    if (put_off) return TSR_OK;
    atomic_fetch_add_explicit(&w->run->elements_done, box_size(&tile), memory_order_relaxed);
    TRY(run_drop_uses(w, t, s, &tile, previous));
    *finished = true;
    return run_block_done(w, t.stage, t.block);
}

tsr_status run_task(worker *w, task t)
{
    run *r = w->run;
    const stage *s = &r->plan->stages[t.stage];
    int64_t start = r->traces ? os_now_ns() : 0;
    bool finished = false, put_off = false;
    if (r->share) TRY(share_puts_off(r, t, &put_off));
    if (put_off) return TSR_OK;
    TRY(keeper_reserve(r->keeper, (size_t)s->task_bytes, &r->stop));
    tsr_status status = TSR_OK;
    if (r->share) share_tell_begin(w, &t);
    if (!atomic_load(&r->stop)) {
        status = stage_folds(s) ? run_fold(w, t, s, &r->stages[t.stage], &finished)
                                : run_tile(w, t, s, &r->stages[t.stage], &finished);
    }
    worker_let_go(w);
    keeper_release(r->keeper, (size_t)s->task_bytes);
    if (status == TSR_OK) status = run_check_faults(w);
    record(w, &t, start, s->task_bytes);
    if (r->share) share_tell_begin(w, NULL);
    if (finished) {
        atomic_fetch_add(&r->tasks_done, 1);
        atomic_fetch_add_explicit(&r->stages[t.stage].tasks_done, 1, memory_order_relaxed);
    }
    return status;
}

/* ---- Roots ------------------------------------------------------------------------------------------------------- */

static bool has_root(const stage *s)
{
    for (int i = 0; i < s->n_outputs; i++)
        if (s->outputs[i].root >= 0) return true;
    return false;
}

/* Roots are handed out block by block; a block that somebody has asked for already is skipped. */
static tsr_status next_root(worker *w, task *out, bool *found)
{
    run *r = w->run;
    *found = false;
    for (int i = 0; i < r->plan->n_stages; i++) {
        const stage *s = &r->plan->stages[i];
        stage_run *sr = &r->stages[i];
        int64_t n = stage_n_blocks(s);
        if (!has_root(s)) continue;
        while (atomic_load_explicit(&sr->next, memory_order_relaxed) < n) {
            int64_t block = atomic_fetch_add(&sr->next, 1);
            if (block >= n) break;
            if (!sr->blocks) {
                *out = (task){.stage = i, .block = block};
                *found = true;
                return TSR_OK;
            }
            pthread_mutex_lock(&r->crew->lock);
            tsr_status status = TSR_OK;
            if (!sr->blocks[block]) {
                status = run_begin_block(r, i, block);
                if (status == TSR_OK) status = queue_block(w, i, block);
            }
            pthread_mutex_unlock(&r->crew->lock);
            TRY(status);
            if (run_pop(w, out)) {
                *found = true;
                return TSR_OK;
            }
        }
    }
    return TSR_OK;
}

/* ---- Workers ----------------------------------------------------------------------------------------------------- */

static tsr_status next_task(worker *w, task *out, bool *found)
{
    *found = run_pop(w, out) || run_steal(w, out);
    return *found ? TSR_OK : next_root(w, out, found);
}

/* Sleeps until more tasks have been queued than the `seen` of before the search that found none, or the run stops. Whoever queues
 * moves the count with the lock held, so it cannot move between the comparison and the sleep. */
static void sleep_until_queued(run *r, int64_t seen)
{
    crew *c = r->crew;
    pthread_mutex_lock(&c->lock);
    c->n_idle++;
    if (c->n_idle == r->n_workers && atomic_load(&c->n_queued) == seen) {
        /* Every stack is empty, as only its owner fills it, and every root is handed out: all is done. */
        r->over = true;
        atomic_store(&r->stop, true);
        wake_all(r);
    }
    while (!atomic_load(&r->stop) && atomic_load(&c->n_queued) == seen) pthread_cond_wait(&c->work, &c->lock);
    if (!r->over) c->n_idle--;
    pthread_mutex_unlock(&c->lock);
}

static void *work(void *argument)
{
    worker *w = argument;
    run *r = w->run;
    while (!atomic_load(&r->stop)) {
        task t;
        bool found;
        int64_t seen = atomic_load(&r->crew->n_queued);
        tsr_status status = next_task(w, &t, &found);
        if (engine_is_cancelled(r->engine)) status = error_set(TSR_ERR_CANCELLED, "cancelled");
        if (status == TSR_OK && found) status = run_task(w, t);
        if (status != TSR_OK) {
            run_fail(r, status);
            break;
        }
        if (!found) sleep_until_queued(r, seen);
    }
    return NULL;
}

/* ---- Setting up and taking down ----------------------------------------------------------------------------------- */

/* A small output lies in one piece until the run ends: its readers take any region of it without copies. It cannot be spilled, so
 * all of them together leave room in the budget for every task. */
static tsr_status make_whole(run *r, const stage_output *o, buffer **out)
{
    size_t bytes = (size_t)shape_size(o->ndim, o->shape) * tsr_dtype_size(o->dtype), budget = keeper_budget_bytes(r->keeper);
    size_t largest_task = 0;
    for (int i = 0; i < r->plan->n_stages; i++)
        if ((size_t)r->plan->stages[i].task_bytes > largest_task) largest_task = (size_t)r->plan->stages[i].task_bytes;
    if (o->root >= 0 || bytes > SMALL_SET_BYTES || r->whole_bytes + bytes > budget / 8) return TSR_OK;
    if (r->whole_bytes + bytes + largest_task > budget) return TSR_OK;
    TRY(buffer_new(r->buffers, bytes, out));
    keeper_hold(r->keeper, bytes);
    r->whole_bytes += bytes;
    return TSR_OK;
}

/* Chains of tiles along the axis of a scan. */
static int64_t n_carries(const stage *s) { return stage_n_blocks(s) / s->tiles.axes[s->axis].n_blocks; }

static bool body_reads_shared(const body *t)
{
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (o->kind == OPERAND_BLOCKS && o->node->p.blocks.set->is_shared) return true;
        for (int k = 0; k < o->n_pieces; k++)
            if (body_reads_shared(o->pieces[k])) return true;
    }
    return false;
}

static bool body_reads_files(const body *t)
{
    for (int i = 0; i < t->n_operands; i++) {
        const operand *o = &t->operands[i];
        if (o->kind == OPERAND_STORE) return true;
        for (int k = 0; k < o->n_pieces; k++)
            if (body_reads_files(o->pieces[k])) return true;
    }
    return false;
}

static tsr_status init_stage(run *r, int number)
{
    const stage *s = &r->plan->stages[number];
    stage_run *sr = &r->stages[number];
    int64_t n = stage_n_blocks(s);
    bool is_read = false;
    sr->sets = mem_calloc((size_t)s->n_outputs, sizeof(held_set *));
    sr->whole = mem_calloc((size_t)s->n_outputs, sizeof(buffer *));
    if (!sr->sets || !sr->whole) return TSR_ERR_MEMORY;
    for (int i = 0; i < s->n_outputs; i++) {
        const stage_output *o = &s->outputs[i];
        bool held = o->root >= 0 && r->sinks[o->root].kind == SINK_HELD;
        bool given = o->root >= 0 && r->sinks[o->root].kind == SINK_SHARED;
        is_read = is_read || o->is_read;
        if (o->root >= 0 && !held && !given) continue;
        if (!r->share) TRY(make_whole(r, o, &sr->whole[i]));
        if (sr->whole[i]) continue;
        TRY(held_set_new(r->keeper, o->dtype, &o->blocks, held, &sr->sets[i]));
        if (held) {
            atomic_fetch_add(&sr->sets[i]->base.refs, 1);
            r->sinks[o->root].set = &sr->sets[i]->base;
            r->sinks[o->root].stored = &sr->sets[i]->blocks;
        }
    }
    sr->reads_shared = body_reads_shared(s->body);
    r->reads_files = r->reads_files || body_reads_files(s->body);
    if (is_read || stage_folds(s) || s->kind == STAGE_SCAN || r->share) {
        sr->blocks = mem_calloc((size_t)n, sizeof *sr->blocks);
        if (!sr->blocks) return TSR_ERR_MEMORY;
    }
    if (s->kind == STAGE_SCAN) {
        sr->carries = mem_calloc((size_t)n_carries(s), sizeof(buffer *));
        if (!sr->carries) return TSR_ERR_MEMORY;
    }
    if (s->body->prog->scratch_bytes > r->scratch_bytes) r->scratch_bytes = s->body->prog->scratch_bytes;
    r->tasks_total += s->n_tasks;
    r->elements_total += (double)shape_size(s->body->ndim, s->body->shape);
    return TSR_OK;
}

/* What a run that failed has left. */
static void free_parked(run *r)
{
    for (int i = 0; i < r->plan->n_stages; i++) {
        stage_run *sr = &r->stages[i];
        for (int64_t k = 0; sr->blocks && k < stage_n_blocks(&r->plan->stages[i]); k++) {
            making *m = sr->blocks[k];
            if (!m || m == &r->done) continue;
            for (waiter *link = m->waiters, *next; link; link = next) {
                next = link->next;
                if (--link->who->missing == 0) mem_free(link->who);
                mem_free(link);
            }
            share_forget_takers(m);
            run_free_making(r, &r->plan->stages[i], m);
        }
    }
}

void run_fini(run *r)
{
    if (r->stages) free_parked(r);
    for (int i = 0; r->stages && i < r->plan->n_stages; i++) {
        stage_run *sr = &r->stages[i];
        for (int k = 0; sr->sets && k < r->plan->stages[i].n_outputs; k++) held_set_unref(sr->sets[k]);
        for (int k = 0; sr->whole && k < r->plan->stages[i].n_outputs; k++) buffer_unref(sr->whole[k]);
        for (int64_t k = 0; sr->carries && k < n_carries(&r->plan->stages[i]); k++) buffer_unref(sr->carries[k]);
        mem_free(sr->sets);
        mem_free(sr->whole);
        mem_free(sr->blocks);
        mem_free(sr->carries);
    }
    for (int i = 0; i < r->n_workers; i++) {
        worker *w = &r->workers[i];
        worker_let_go(w);
        buffer_unref(w->scratch);
        VEC_FINI(&w->tasks);
        VEC_FINI(&w->buffers);
        VEC_FINI(&w->pins);
        VEC_FINI(&w->events);
        pthread_mutex_destroy(&w->lock);
    }
    keeper_let_go(r->keeper, r->whole_bytes);
    keeper_cache_clear(r->keeper);
    mem_free(r->workers);
    mem_free(r->stages);
    mem_free(r->message);
    pthread_mutex_destroy(&r->own_crew.lock);
    pthread_cond_destroy(&r->own_crew.work);
    pthread_cond_destroy(&r->ended);
}

/* `shared`: the crew of a shared run, whose `share` is set already. */
tsr_status run_init(run *r, engine *e, const plan *p, sink *sinks, crew *shared)
{
    r->plan = p;
    r->engine = e;
    r->keeper = e->keeper;
    r->buffers = e->session->buffers;
    r->sinks = sinks;
    r->started_ns = os_now_ns();
    r->crew = shared ? shared : &r->own_crew;
    if (!shared) pool_begin_peak(r->buffers);
    pthread_mutex_init(&r->own_crew.lock, NULL);
    pthread_cond_init(&r->own_crew.work, NULL);
    os_cond_init(&r->ended);
    r->traces = e->trace != NULL;
    r->stages = mem_calloc((size_t)p->n_stages, sizeof *r->stages);
    if (!r->stages) return TSR_ERR_MEMORY;
    for (int i = 0; i < p->n_stages; i++) TRY(init_stage(r, i));
    if (!shared) TRY(count_uses(r));
    int64_t n = shared ? e->n_threads + 1 /* relief.c */ : r->tasks_total > e->n_threads ? e->n_threads : r->tasks_total;
    r->workers = mem_calloc((size_t)(n > 0 ? n : 1), sizeof *r->workers);
    if (!r->workers) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) {
        worker *w = &r->workers[i];
        w->run = r;
        w->number = i;
        pthread_mutex_init(&w->lock, NULL);
        r->n_workers++;
        if (!shared) TRY(buffer_new(r->buffers, r->scratch_bytes + 64, &w->scratch));
    }
    return TSR_OK;
}

static void report_progress(run *r, bool at_end)
{
    engine *e = r->engine;
    if (!e->progress) return;
    stage_progress *stages = mem_calloc((size_t)r->plan->n_stages, sizeof *stages);
    int n_stages = stages ? r->plan->n_stages : 0; /* there is not the memory to tell of them */
    for (int i = 0; i < n_stages; i++) {
        const stage *s = &r->plan->stages[i];
        stages[i] = (stage_progress){node_name(s->outputs[0].node), atomic_load(&r->stages[i].tasks_done), s->n_needed};
    }
    int64_t done = atomic_load(&r->tasks_done);
    int stage_number = atomic_load(&r->current_stage);
    double fraction = r->elements_total > 0 ? (double)atomic_load(&r->elements_done) / r->elements_total
                      : r->tasks_total      ? (double)done / (double)r->tasks_total
                                            : 1.0;
    tsr_progress p = {.fraction = at_end || fraction > 1 ? 1.0 : fraction, /* what is done anew counts again */
                      .tasks_done = done,
                      .tasks_total = r->tasks_total,
                      .bytes_read = atomic_load(&r->bytes_read),
                      .bytes_written = atomic_load(&r->bytes_written),
                      .seconds = (double)(os_now_ns() - r->started_ns) / 1e9,
                      .stage = r->plan->n_stages ? node_name(r->plan->stages[stage_number].outputs[0].node) : ""};
    engine_report(e, &p, n_stages, stages);
    mem_free(stages);
}

/* The calling thread waits for the end, looks after cancellation and reports progress. */
static void watch(run *r)
{
    engine *e = r->engine;
    int64_t next_report = os_now_ns();
    pthread_mutex_lock(&r->crew->lock);
    while (!atomic_load(&r->stop)) {
        os_cond_wait_ns(&r->ended, &r->crew->lock, ENGINE_LOOK_NS);
        pthread_mutex_unlock(&r->crew->lock);
        if (engine_is_cancelled(e) && !atomic_load(&r->stop)) run_fail(r, error_set(TSR_ERR_CANCELLED, "cancelled"));
        if (e->progress && os_now_ns() >= next_report) {
            report_progress(r, false);
            next_report = os_now_ns() + (int64_t)engine_progress_interval_ms(e) * 1000000;
        }
        pthread_mutex_lock(&r->crew->lock);
    }
    pthread_mutex_unlock(&r->crew->lock);
}

static tsr_status write_trace(run *r)
{
    tsr_status status = TSR_OK;
    const char **names = mem_calloc((size_t)r->plan->n_stages + 1, sizeof *names);
    if (!names) return TSR_ERR_MEMORY;
    for (int i = 0; i < r->plan->n_stages; i++) names[i] = node_name(r->plan->stages[i].outputs[0].node);
    for (int i = 0; i < r->n_workers && status == TSR_OK; i++)
        status = trace_add(r->engine->trace, r->workers[i].events.items, r->workers[i].events.n, names);
    mem_free(names);
    return status;
}

static tsr_status start_and_wait(run *r)
{
    pthread_t threads[1024];
    int n_started = 0;
    tsr_status status = TSR_OK;
    if (r->n_workers <= 1 && r->tasks_total <= 4 && !r->engine->progress) { /* not worth a thread */
        if (r->n_workers == 1) work(&r->workers[0]);
        return TSR_OK;
    }
    for (; n_started < r->n_workers; n_started++) {
        int error = mem_fault_now() ? 11 : pthread_create(&threads[n_started], NULL, work, &r->workers[n_started]);
        if (error) {
            status = error_errno(error, "cannot start a thread");
            run_fail(r, status);
            break;
        }
    }
    watch(r);
    for (int i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
    return status;
}

tsr_status run_plan(engine *e, const plan *p, sink *sinks, tsr_stats *stats)
{
    run r = {0};
    int64_t spilled_before = keeper_spilled_bytes(e->keeper);
    tsr_status status = run_init(&r, e, p, sinks, NULL);
    if (status == TSR_OK) status = start_and_wait(&r);
    if (status == TSR_OK && r.status != TSR_OK) status = error_repeat(r.status, r.errnum, r.message);
    if (status == TSR_OK && r.traces) status = write_trace(&r);
    if (status == TSR_OK) report_progress(&r, true);
    *stats = (tsr_stats){.tasks = atomic_load(&r.tasks_done),
                         .bytes_read = atomic_load(&r.bytes_read),
                         .bytes_written = atomic_load(&r.bytes_written),
                         .bytes_spilled = keeper_spilled_bytes(e->keeper) - spilled_before,
                         .peak_bytes = pool_peak_bytes(r.buffers),
                         .seconds = (double)(os_now_ns() - r.started_ns) / 1e9};
    const bool in_hurry = status == TSR_ERR_CANCELLED; /* somebody waits for the end, and for nothing else */
    if (in_hurry) keeper_hurry(e->keeper);
    run_fini(&r);
    for (int i = 0; status != TSR_OK && i < p->n_roots; i++) {
        if (sinks[i].kind != SINK_HELD || !sinks[i].set) continue;
        sinks[i].set->ops->unref(sinks[i].set);
        sinks[i].set = NULL;
    }
    if (in_hurry) keeper_settle(e->keeper);
    return status;
}
