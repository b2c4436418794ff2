/* Shared runs: see share.h for what they are, run.c for how tasks wait for blocks. Here is what such a run does otherwise than
 * one that has the session for itself: its tasks follow from demands instead of roots, a missing block may be another process's,
 * and blocks that came from elsewhere go when nobody is going to read them and room is wanted.
 *
 * One lock, the crew's, guards the states of all shared runs of an engine, since their tasks wait for each other's blocks. It is
 * never held while something is computed, read, or handed over. Functions of the caller's (deliver, ended) are called without it;
 * run_ops with it. */
#include "engine/share.h"

#include "base/mem.h"
#include "engine/server.h"

#include <stdio.h>
#include <string.h>

/* ---- Maps ------------------------------------------------------------------------------------------------------------ */

void owner_map_free(owner_map *map)
{
    for (int i = 0; map->stages && i < map->n_stages; i++) {
        mem_free(map->stages[i].first);
        mem_free(map->stages[i].owner);
    }
    mem_free(map->stages);
    *map = (owner_map){0};
}

uint64_t owner_map_find(const owner_map *map, int stage_number, int64_t unit)
{
    if (stage_number < 0 || stage_number >= map->n_stages || map->stages[stage_number].n == 0 || unit < 0) return 0;
    const stage_owners *s = &map->stages[stage_number];
    int low = 0, high = s->n;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (s->first[middle] <= unit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return s->owner[low];
}

static uint64_t owner_of(const run *r, int number, int64_t unit) { return owner_map_find(&share_of(r)->owners, number, unit); }

/* ---- Blocks and states ----------------------------------------------------------------------------------------------- */

/* Outputs that processes give each other: those other stages, later tiles of a scan or other runs read. */
bool share_is_given(const run *r, const stage *s, int output)
{
    const stage_output *o = &s->outputs[output];
    return o->is_read || s->kind == STAGE_SCAN || (o->root >= 0 && share_of(r)->keeps_roots);
}

int64_t run_block_bytes(const run *r, int stage_number, int output, int64_t block)
{
    if (stage_number < 0 || stage_number >= r->plan->n_stages) return -1;
    const stage *s = stage_of(r, stage_number);
    if (output < 0 || output >= s->n_outputs || block < 0 || block >= stage_n_blocks(s)) return -1;
    box b = grid_box(&s->outputs[output].blocks, block);
    return box_size(&b) * (int64_t)tsr_dtype_size(s->outputs[output].dtype);
}

int64_t run_state_bytes(const run *r, int stage_number, int64_t unit)
{
    if (stage_number < 0 || stage_number >= r->plan->n_stages) return -1;
    const stage *s = stage_of(r, stage_number);
    if (!stage_folds(s) || unit < 0 || unit / s->n_runs >= stage_n_blocks(s)) return -1;
    box tile = stage_fold_tile(s, unit / s->n_runs, 0);
    return (int64_t)fold_state_bytes(s, &tile);
}

bool run_gives(const run *r, int stage_number, int output) { return share_is_given(r, stage_of(r, stage_number), output); }

int64_t share_given_bytes(const run *r, int stage_number, int64_t block)
{
    int64_t bytes = 0;
    const stage *s = stage_of(r, stage_number);
    for (int i = 0; i < s->n_outputs; i++)
        if (share_is_given(r, s, i)) bytes += run_block_bytes(r, stage_number, i, block);
    return bytes;
}

/* What was asked for counts against the budget at once. */
void share_count_asked(run *r, int64_t bytes)
{
    server *v = share_of(r)->server;
    const int64_t limit = server_asked_limit(v);
    const bool was_crowded = v->asked_bytes > limit;
    v->asked_bytes += bytes;
    if (bytes > 0) {
        keeper_hold(r->keeper, (size_t)bytes);
    } else {
        keeper_let_go(r->keeper, (size_t)-bytes);
    }
    if (was_crowded && v->asked_bytes <= limit) server_activate_all(v);
}

/* ---- Spare blocks: they came from elsewhere, and no task is about to read them ----------------------------------------- */

static void take_from_spares(making *m)
{
    server *v = share_of(m->of)->server;
    if (!m->is_spare) return;
    *(m->older ? &m->older->newer : &v->oldest) = m->newer;
    *(m->newer ? &m->newer->older : &v->newest) = m->older;
    m->older = m->newer = NULL;
    m->is_spare = false;
    v->spare_bytes -= share_given_bytes(m->of, m->stage, m->block);
}

static void add_to_spares(making *m)
{
    server *v = share_of(m->of)->server;
    m->older = v->newest;
    *(v->newest ? &v->newest->newer : &v->oldest) = m;
    v->newest = m;
    m->is_spare = true;
    v->spare_bytes += share_given_bytes(m->of, m->stage, m->block);
}

/* Forgets a block that came from elsewhere; it will be asked for again. An output that somebody copies from, or spills, stays in
 * its set meanwhile: what comes for it then is not needed. */
static void drop_spare(making *m)
{
    run *r = m->of;
    const stage *s = stage_of(r, m->stage);
    stage_run *sr = &r->stages[m->stage];
    bool is_dropped = false;
    for (int i = 0; i < s->n_outputs; i++)
        if (!held_is_empty(sr->sets[i], m->block) && held_drop(sr->sets[i], m->block)) is_dropped = true;
    if (!is_dropped) return; /* all are in use */
    take_from_spares(m);
    sr->blocks[m->block] = NULL;
    run_free_making(r, s, m);
}

/* Is nothing of it under way? */
static bool is_idle(const making *m)
{
    for (int64_t i = 0; m->folds && i < stage_of(m->of, m->stage)->n_runs; i++)
        if (m->folds[i].is_begun) return false;
    return !m->takers;
}

static void trim_spares(server *v)
{
    for (making *m = v->oldest, *next; m && v->spare_bytes > server_spare_limit(v); m = next) {
        next = m->newer;
        if (is_idle(m)) drop_spare(m);
    }
}

void share_hold(making *m)
{
    if (!m->is_asked) return;
    if (m->holds++ == 0) take_from_spares(m);
}

void share_let_go(making *m)
{
    if (!m || !m->is_asked || !m->is_there || --m->holds > 0) return;
    add_to_spares(m);
    trim_spares(share_of(m->of)->server);
}

/* ---- Roots that are kept no longer ---------------------------------------------------------------------------------------- */

/* A block that was made here and that nobody uses. An output that is being spilled just now stays, and is as good as new. */
static void shed_block(run *r, int number, int64_t block)
{
    const stage *s = stage_of(r, number);
    stage_run *sr = &r->stages[number];
    making *m = sr->blocks[block];
    if (!block_is_there(r, m)) return;
    if (m != &r->done && m->is_kept) { /* it came from elsewhere, and is spare then */
        m->is_kept = false;
        share_let_go(m);
        return;
    }
    if (m != &r->done && (m->is_asked || !is_idle(m))) return;
    bool is_dropped = false;
    for (int i = 0; i < s->n_outputs; i++)
        if (sr->sets[i] && held_drop(sr->sets[i], block)) is_dropped = true;
    if (!is_dropped) return;
    sr->blocks[block] = NULL;
    if (m != &r->done) run_free_making(r, s, m);
}

static void shed_blocks(run *r)
{
    for (int i = 0; i < r->plan->n_roots; i++) {
        const int number = r->plan->roots[i].stage;
        for (int64_t k = 0; k < stage_n_blocks(stage_of(r, number)); k++) shed_block(r, number, k);
    }
}

void run_shed(run *r)
{
    pthread_mutex_lock(&r->crew->lock);
    if (share_of(r)->keeps_roots) share_of(r)->sheds = true;
    if (share_of(r)->sheds && share_of(r)->n_reads == 0) shed_blocks(r);
    pthread_mutex_unlock(&r->crew->lock);
}

void share_end_demanded(run *r, int number, int64_t block)
{
    if (share_of(r)->sheds && share_of(r)->n_reads == 0) shed_block(r, number, block);
}

tsr_status share_begin_reading(run *reader, run *of)
{
    share *s = reader->share;
    if (!s || !of->share || !share_of(of)->keeps_roots) return TSR_OK;
    share_of(of)->n_reads++;
    for (size_t i = 0; i < s->reading.n; i++) {
        if (s->reading.items[i].of != of) continue;
        s->reading.items[i].n++;
        return TSR_OK;
    }
    if (VEC_RESERVE(&s->reading, 1)) {
        s->reading.items[s->reading.n].of = of;
        s->reading.items[s->reading.n++].n = 1;
        return TSR_OK;
    }
    share_of(of)->n_reads--;
    return TSR_ERR_MEMORY;
}

void share_end_reading(run *reader, run *of)
{
    share *s = reader->share;
    if (!s || !of->share) return;
    for (size_t i = 0; i < s->reading.n; i++) {
        if (s->reading.items[i].of != of) continue;
        if (--s->reading.items[i].n == 0) s->reading.items[i] = s->reading.items[--s->reading.n];
        if (--share_of(of)->n_reads == 0 && share_of(of)->sheds) shed_blocks(of);
        return;
    }
}

/* A run is closed: what its tasks were going to read they never will; who reads it has failed. */
static void forget_reading(run *r)
{
    share *mine = share_of(r);
    for (size_t i = 0; i < mine->reading.n; i++) {
        run *of = mine->reading.items[i].of;
        share_of(of)->n_reads -= mine->reading.items[i].n;
        if (of != r && share_of(of)->n_reads == 0 && share_of(of)->sheds) shed_blocks(of);
    }
    mine->reading.n = 0;
    for (share *s = mine->server->all; s && mine->n_reads > 0; s = s->next)
        for (size_t i = 0; i < s->reading.n; i++)
            if (s->reading.items[i].of == r) s->reading.items[i--] = s->reading.items[--s->reading.n];
}

/* ---- Wanting ----------------------------------------------------------------------------------------------------------- */

tsr_status share_begin_fold(run *r, making *m, int64_t number, int thread)
{
    m->folds[number].is_begun = true;
    m->folds[number].next = 0;
    return run_push(&r->workers[thread], (task){.stage = m->stage, .block = m->block, .run = number});
}

/* Begins those of the runs [first, end) that are not under way: here, or in the parts that one other process owns, as large as
 * the tree of merging has them. */
static tsr_status begin_folds(run *r, making *m, int64_t first, int64_t end, int thread)
{
    const share *s = share_of(r);
    const int64_t n_runs = stage_of(r, m->stage)->n_runs, begin = m->block * n_runs;
    for (int64_t i = end; i-- > first;) {
        uint64_t owner = n_runs > 1 ? owner_of(r, m->stage, begin + i) : s->me;
        if (m->folds[i].is_begun) continue;
        if (!owner || owner == s->me) {
            TRY(share_begin_fold(r, m, i, thread));
            continue;
        }
        int64_t low = i; /* the runs [low, i] are the owner's, and to be asked for */
        while (low > first && !m->folds[low - 1].is_begun && owner_of(r, m->stage, begin + low - 1) == owner) low--;
        for (int64_t at = low, span; at <= i; at += span) {
            span = 1;
            while (at % (2 * span) == 0 && (at + 2 * span <= i + 1 || (i + 1 == n_runs && at + span < n_runs))) span *= 2;
            for (int64_t k = at; k < at + span && k < n_runs; k++) m->folds[k].is_begun = true;
            m->folds[at].asked_of = owner;
            m->folds[at].asked_span = span;
            share_count_asked(r, run_state_bytes(r, m->stage, begin + at));
            TRY(s->ops->ask(s->context, owner, m->stage, begin + at, span));
        }
    }
    return TSR_OK;
}

static tsr_status ask_for_block(run *r, making *m, uint64_t owner)
{
    const share *s = share_of(r);
    if (!m->is_asked) share_count_asked(r, share_given_bytes(r, m->stage, m->block));
    m->is_asked = true;
    m->asked_of = owner;
    if (!owner) return TSR_OK; /* nobody's yet: asked for with the next map */
    return s->ops->ask(s->context, owner, m->stage, m->block * stage_of(r, m->stage)->n_runs, 0);
}

/* Who has a block of a root that is this process's now; 0: nobody. */
static uint64_t donor_of(const run *r, const making *m)
{
    const share *s = share_of(r);
    bool is_root = false;
    if (!s->keeps_roots || s->sheds || s->donors.n_stages == 0) return 0;
    for (int i = 0; i < r->plan->n_roots; i++) is_root = is_root || r->plan->roots[i].stage == m->stage;
    const uint64_t donor = is_root ? owner_map_find(&s->donors, m->stage, m->block * stage_of(r, m->stage)->n_runs) : 0;
    return donor == s->me ? 0 : donor;
}

tsr_status share_make_here(run *r, making *m, int thread)
{
    const uint64_t donor = donor_of(r, m);
    if (donor && !m->is_wanted && !m->is_asked) {
        m->is_kept = true;
        m->holds++;
        return ask_for_block(r, m, donor);
    }
    m->is_wanted = true;
    if (!m->folds) return run_push(&r->workers[thread], (task){.stage = m->stage, .block = m->block});
    return begin_folds(r, m, 0, stage_of(r, m->stage)->n_runs, thread);
}

tsr_status share_want(run *r, int stage_number, int64_t block, int thread)
{
    making *m = r->stages[stage_number].blocks[block];
    if (m->is_wanted || m->is_asked) return TSR_OK;
    uint64_t owner = owner_of(r, stage_number, block * stage_of(r, stage_number)->n_runs);
    return owner == share_of(r)->me ? share_make_here(r, m, thread) : ask_for_block(r, m, owner);
}

tsr_status share_puts_off(const run *r, task t, bool *out)
{
    const share *s = share_of(r);
    const stage *of = stage_of(r, t.stage);
    *out = false;
    if (of->kind != STAGE_CALL || !s->ops->awaits) return TSR_OK;
    return s->ops->awaits(s->context, &of->body->operands[0].node->p.call.spec->function, t.stage, t.block, out);
}

void run_resume(run *r, int stage_number, int64_t block)
{
    pthread_mutex_lock(&r->crew->lock);
    const tsr_status status = run_push(&r->workers[0], (task){.stage = stage_number, .block = block});
    pthread_mutex_unlock(&r->crew->lock);
    if (status != TSR_OK) share_fail(r, status, tsr_error_message());
}

tsr_status share_closed(void) { return error_set(TSR_ERR_CANCELLED, "blocks that are read were released"); }

tsr_status share_failure(const run *r)
{
    return error_set(r->status != TSR_OK ? r->status : TSR_ERR_CANCELLED, "%s", r->message ? r->message : "released");
}

/* ---- Answers from other processes -------------------------------------------------------------------------------------- */

static bool all_given(const run *r, const stage *s, const stage_run *sr, int64_t block)
{
    for (int i = 0; i < s->n_outputs; i++)
        if (share_is_given(r, s, i) && held_is_empty(sr->sets[i], block)) return false;
    return true;
}

tsr_status run_put_block(run *r, int stage_number, int output, int64_t block, buffer *buf)
{
    int64_t bytes = run_block_bytes(r, stage_number, output, block);
    if (bytes < 0 || buf->size_bytes < (size_t)bytes || !share_is_given(r, stage_of(r, stage_number), output)) {
        buffer_unref(buf);
        return error_set(TSR_ERR_VALUE, "this is no block of the plan");
    }
    const stage *s = stage_of(r, stage_number);
    stage_run *sr = &r->stages[stage_number];
    tsr_status status = TSR_OK;
    taker *takers = NULL;
    pthread_mutex_lock(&r->crew->lock);
    making *m = sr->blocks[block];
    if (!m || m == &r->done || m->is_there || !m->is_asked || !held_is_empty(sr->sets[output], block)) {
        buffer_unref(buf);
    } else {
        held_put(sr->sets[output], block, buf);
        if (all_given(r, s, sr, block)) {
            m->is_there = true;
            share_count_asked(r, -share_given_bytes(r, stage_number, block));
            for (const waiter *link = m->waiters; link; link = link->next) m->holds++;
            status = run_wake_waiters(m, 0);
            takers = share_take_takers(r, m, -1);
            if (m->holds == 0) add_to_spares(m);
            if (!takers) trim_spares(share_of(r)->server);
            if (keeper_is_over(r->keeper)) { /* threads that wait make room */
                share_activate(r);
                server_wake(share_of(r)->server);
            }
        }
    }
    pthread_mutex_unlock(&r->crew->lock);
    if (takers) share_hand_over(r, takers);
    return status;
}

tsr_status run_put_state(run *r, int stage_number, int64_t unit, int64_t span, buffer *buf)
{
    int64_t bytes = run_state_bytes(r, stage_number, unit);
    if (bytes < 0 || buf->size_bytes < (size_t)bytes) {
        buffer_unref(buf);
        return error_set(TSR_ERR_VALUE, "this is no state of the plan");
    }
    const stage *s = stage_of(r, stage_number);
    const int64_t number = unit % s->n_runs;
    tsr_status status = TSR_OK;
    pthread_mutex_lock(&r->crew->lock);
    making *m = r->stages[stage_number].blocks[unit / s->n_runs];
    fold *f = m && m != &r->done && m->folds ? &m->folds[number] : NULL;
    if (!f || !f->asked_of || f->asked_span != span) {
        buffer_unref(buf);
    } else {
        share_count_asked(r, -bytes);
        if (s->kind == STAGE_CONTRACT) keeper_hold(r->keeper, buf->size_bytes);
        f->asked_of = 0;
        f->state = buf;
        f->span = span;
        status = run_push(&r->workers[0], (task){.stage = stage_number, .block = m->block, .run = RUN_MERGE - number});
    }
    pthread_mutex_unlock(&r->crew->lock);
    return status;
}

/* ---- New owners -------------------------------------------------------------------------------------------------------- */

/* What was asked of a process that does not own it any more is asked for anew, in the parts that the new owners have. */
static tsr_status move_folds(run *r, making *m)
{
    const int64_t n_runs = stage_of(r, m->stage)->n_runs;
    for (int64_t i = 0; i < n_runs; i++) {
        fold *f = &m->folds[i];
        bool has_moved = false;
        int64_t end = i + f->asked_span < n_runs ? i + f->asked_span : n_runs;
        for (int64_t k = i; f->asked_of && k < end; k++)
            has_moved = has_moved || owner_of(r, m->stage, m->block * n_runs + k) != f->asked_of;
        if (!has_moved) continue;
        f->asked_of = 0;
        share_count_asked(r, -run_state_bytes(r, m->stage, m->block * n_runs + i));
        for (int64_t k = i; k < end; k++) m->folds[k].is_begun = false;
        TRY(begin_folds(r, m, i, end, 0));
        i = end - 1;
    }
    return TSR_OK;
}

static tsr_status move_block(run *r, making *m)
{
    uint64_t owner = owner_of(r, m->stage, m->block * stage_of(r, m->stage)->n_runs);
    if (m->folds) TRY(move_folds(r, m));
    if (!m->is_asked || m->is_there || owner == m->asked_of) return TSR_OK;
    if (m->is_kept && owner == share_of(r)->me && donor_of(r, m) == m->asked_of) return TSR_OK;
    if (m->is_kept) m->holds--;
    m->is_kept = false;
    if (owner != share_of(r)->me) return ask_for_block(r, m, owner);
    m->is_asked = false;
    m->asked_of = 0;
    share_count_asked(r, -share_given_bytes(r, m->stage, m->block));
    return share_make_here(r, m, 0);
}

void run_copy_roots(run *r)
{
    pthread_mutex_lock(&r->crew->lock);
    share_of(r)->copies_next = true;
    pthread_mutex_unlock(&r->crew->lock);
}

tsr_status run_set_owners(run *r, owner_map *map)
{
    tsr_status status = TSR_OK;
    if (map->n_stages != 0 && map->n_stages != r->plan->n_stages) return error_set(TSR_ERR_VALUE, "the map is of another plan");
    pthread_mutex_lock(&r->crew->lock);
    share *s = share_of(r);
    owner_map_free(&s->donors);
    if (s->copies_next)
        s->donors = s->owners;
    else
        owner_map_free(&s->owners);
    s->copies_next = false;
    s->owners = *map;
    *map = (owner_map){0};
    for (int i = 0; i < r->plan->n_stages; i++) {
        for (int64_t k = 0; status == TSR_OK && k < stage_n_blocks(stage_of(r, i)); k++) {
            making *m = r->stages[i].blocks[k];
            if (m && m != &r->done) status = move_block(r, m);
        }
    }
    pthread_mutex_unlock(&r->crew->lock);
    return status;
}

/* ---- Opening and closing ----------------------------------------------------------------------------------------------- */

tsr_status run_open(engine *e, plan *p, bool keeps_roots, uint64_t me, const run_ops *ops, void *context, run **out)
{
    if (!e->server) return error_set(TSR_ERR_INTERNAL, "the engine serves no shared runs");
    share *s = mem_calloc(1, sizeof *s);
    sink *sinks = mem_calloc((size_t)p->n_roots + 1, sizeof *sinks);
    if (!s || !sinks) {
        mem_free(s);
        mem_free(sinks);
        return TSR_ERR_MEMORY;
    }
    *s = (share){.server = e->server, .me = me, .ops = ops, .context = context, .keeps_roots = keeps_roots, .plan = p};
    s->run.share = s;
    for (int i = 0; i < p->n_roots; i++) sinks[i].kind = keeps_roots ? SINK_HELD : SINK_SHARED;
    tsr_status status = run_init(&s->run, e, p, sinks, &e->server->crew);
    if (status != TSR_OK) {
        run_fini(&s->run);
        mem_free(sinks);
        mem_free(s);
        return status;
    }
    for (int i = 0; keeps_roots && i < p->n_roots; i++) {
        held_set *set = s->run.stages[p->roots[i].stage].sets[p->roots[i].output];
        set->base.is_shared = true;
        set->maker = &s->run;
        set->stage = p->roots[i].stage;
        held_set_unref((held_set *)sinks[i].set); /* the run's own reference is enough */
    }
    server_add(e->server, s);
    *out = &s->run;
    return TSR_OK;
}

/* Tasks of this run that wait for blocks of others. */
static void leave_waiting_lists(run *r)
{
    for (share *s = share_of(r)->server->all; s && r->n_abroad > 0; s = s->next) {
        for (int i = 0; &s->run != r && i < s->run.plan->n_stages; i++) {
            for (int64_t k = 0; k < stage_n_blocks(stage_of(&s->run, i)); k++) {
                making *m = s->run.stages[i].blocks[k];
                for (waiter **at = m && m != &s->run.done ? &m->waiters : NULL; at && *at;) {
                    waiter *link = *at;
                    if (link->who->of != r) {
                        at = &link->next;
                        continue;
                    }
                    *at = link->next;
                    r->n_abroad--;
                    if (--link->who->missing == 0) mem_free(link->who);
                    mem_free(link);
                }
            }
        }
    }
}

/* What was asked for and did not come counts no more; spare blocks of the run are no longer the crew's. */
static void settle_accounts(run *r)
{
    for (int i = 0; i < r->plan->n_stages; i++) {
        const int64_t n_runs = stage_of(r, i)->n_runs;
        for (int64_t k = 0; k < stage_n_blocks(stage_of(r, i)); k++) {
            making *m = r->stages[i].blocks[k];
            if (!m || m == &r->done) continue;
            take_from_spares(m);
            if (m->is_asked && !m->is_there) share_count_asked(r, -share_given_bytes(r, i, k));
            for (int64_t f = 0; m->folds && f < n_runs; f++)
                if (m->folds[f].asked_of) share_count_asked(r, -run_state_bytes(r, i, k * n_runs + f));
        }
    }
}

void run_close(run *r)
{
    share *s = share_of(r);
    server *v = s->server;
    pthread_mutex_lock(&v->crew.lock);
    s->is_closing = true;
    atomic_store(&r->stop, true);
    share_fail_readers(r, TSR_ERR_CANCELLED, "blocks that are read were released");
    for (int i = 0; s->keeps_roots && i < r->plan->n_roots; i++)
        r->stages[r->plan->roots[i].stage].sets[r->plan->roots[i].output]->maker = NULL;
    share_end_demands(r);
    pthread_mutex_unlock(&v->crew.lock);
    keeper_wake(r->keeper);
    while (share_serve_ready(r)) {
    }
    pthread_mutex_lock(&v->crew.lock);
    while (s->n_inside > 0 || s->to_begin || s->begun) {
        if (!share_end_one(r) && (s->n_inside > 0 || s->to_begin || s->begun)) pthread_cond_wait(&v->left, &v->crew.lock);
    }
    leave_waiting_lists(r);
    forget_reading(r);
    settle_accounts(r);
    server_remove(v, s);
    pthread_mutex_unlock(&v->crew.lock);
    sink *sinks = r->sinks;
    owner_map_free(&s->owners);
    owner_map_free(&s->donors);
    run_fini(r);
    mem_free(sinks);
    plan_free(s->plan);
    VEC_FINI(&s->reading);
    mem_free(s);
}

block_set *run_root_set(run *r, int root)
{
    if (root < 0 || root >= r->plan->n_roots || !share_of(r)->keeps_roots) {
        (void)error_set(TSR_ERR_VALUE, "there is no such root");
        return NULL;
    }
    held_set *set = r->stages[r->plan->roots[root].stage].sets[r->plan->roots[root].output];
    atomic_fetch_add(&set->base.refs, 1);
    return &set->base;
}

const plan *run_plan_of(const run *r) { return r->plan; }

run_counts run_count(const run *r)
{
    return (run_counts){.tasks_done = atomic_load(&r->tasks_done),
                        .bytes_read = atomic_load(&r->bytes_read),
                        .bytes_written = atomic_load(&r->bytes_written),
                        .stage = atomic_load(&r->current_stage),
                        .block = atomic_load(&r->current_block)};
}

int64_t run_count_stage(const run *r, int number) { return atomic_load(&r->stages[number].tasks_done); }

engine_counts engine_count(engine *e)
{
    bool waits = false;
    int64_t asked_bytes = 0;
    const bool is_idle = !e->server || server_is_idle(e->server, &waits, &asked_bytes);
    const size_t kept = atomic_load(&keeper_account(e->keeper)->used_bytes), asked = asked_bytes > 0 ? (size_t)asked_bytes : 0;
    return (engine_counts){.used_bytes = kept > asked ? kept - asked : 0,
                           .budget_bytes = keeper_budget_bytes(e->keeper),
                           .spilled_bytes = keeper_spilled_bytes(e->keeper),
                           .is_idle = is_idle,
                           .waits = waits};
}
