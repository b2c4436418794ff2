/* Tasks of stages that fold. A block is folded in runs, each from its own tiles into a state; states are merged in pairs, as in a
 * binary tree over the runs: run 0 with run 1, 2 with 3, then these two, and so on; what has no partner goes up alone. Whoever
 * makes the second of a pair merges it and goes on upwards, so merging is shared by all threads, and who was first never shows.
 * Of a shared run, whole subtrees can be other processes': their states come merged (share.c), and are asked for that way. */
#include "engine/run.h"

void fold_drop_state(run *r, const stage *s, fold *f)
{
    /* The states of a contraction are as large as blocks, and count as held while its tasks wait. */
    if (f->state && s->kind == STAGE_CONTRACT) keeper_let_go(r->keeper, f->state->size_bytes);
    buffer_unref(f->state);
    f->state = NULL;
    f->span = 0;
}

/* All is merged: the block is made of the state of the first run. */
static tsr_status finish(worker *w, task t, const stage *s, stage_run *sr, making *m)
{
    TRY(s->kind == STAGE_CONTRACT ? execute_contract_finish(w, s, sr, m->folds[0].state, t.block)
                                  : execute_fold_finish(w, s, sr, m->folds[0].state, t.block));
    return run_block_done(w, t.stage, t.block);
}

/* The crew's lock is held, and given up meanwhile; nobody else touches the two. */
static tsr_status merge(worker *w, task t, const stage *s, fold *left, fold *right, int64_t span)
{
    crew *c = w->run->crew;
    left->span = right->span = 0;
    pthread_mutex_unlock(&c->lock);
    tsr_status status = s->kind == STAGE_CONTRACT ? execute_contract_merge(w, s, left, right->state, t.block)
                                                  : execute_fold_merge(w, s, left, right->state, t.block);
    pthread_mutex_lock(&c->lock);
    fold_drop_state(w->run, s, right);
    left->span = 2 * span;
    return status;
}

/* Merges upwards from the subtree that begins with run `first`, whose state is there, as far as partners are; *whole: to the end.
 * With the lock held. */
static tsr_status climb(worker *w, task t, const stage *s, making *m, int64_t first, struct taker **takers, bool *whole)
{
    run *r = w->run;
    for (;;) {
        fold *f = &m->folds[first];
        const int64_t span = f->span;
        if (span == 0) return TSR_OK; /* another thread has merged it meanwhile, and goes on */
        if (r->share) TRY(share_give_state(r, m, first, takers));
        if (r->share && !share_needs_state(m, first, span)) return share_forget_state(r, m, first, w->number);
        *whole = first == 0 && span >= s->n_runs;
        if (*whole) return TSR_OK;
        const bool is_left = first / span % 2 == 0;
        const int64_t partner = is_left ? first + span : first - span;
        if (partner >= s->n_runs) {
            f->span = 2 * span;
            continue;
        }
        if (m->folds[partner].span != span) return TSR_OK; /* who makes it goes on */
        if (!is_left) first = partner;
        TRY(merge(w, t, s, &m->folds[first], &m->folds[first + span], span));
    }
}

static tsr_status state_made(worker *w, task t, const stage *s, stage_run *sr, int64_t number, bool is_new)
{
    run *r = w->run;
    making *m = sr->blocks[t.block];
    struct taker *takers = NULL;
    bool whole = false;
    pthread_mutex_lock(&r->crew->lock);
    if (is_new) m->folds[number].span = 1;
    tsr_status status = climb(w, t, s, m, number, &takers, &whole);
    pthread_mutex_unlock(&r->crew->lock);
    if (takers) share_hand_over(r, takers);
    return status == TSR_OK && whole ? finish(w, t, s, sr, m) : status;
}

tsr_status run_fold(worker *w, task t, const stage *s, stage_run *sr, bool *finished)
{
    if (t.run < 0) return state_made(w, t, s, sr, RUN_MERGE - t.run, false);
    fold *f = &sr->blocks[t.block]->folds[t.run];
    if (w->run->share && !t.is_ready && f->next == 0 && share_skips_fold(w->run, sr->blocks[t.block], t.run)) return TSR_OK;
    int64_t last = (t.run + 1) * s->n_folds / s->n_runs;
    if (f->next == 0) f->next = t.run * s->n_folds / s->n_runs;
    for (; f->next < last; f->next++) {
        bool ready;
        box tile = stage_fold_tile(s, t.block, f->next);
        region domain = region_of_box(&tile);
        if (atomic_load(&w->run->stop)) return TSR_OK;
        TRY(run_require(w, t, &domain, -1, &ready));
        if (!ready) return TSR_OK;
        t.is_ready = false;
        TRY(s->kind == STAGE_CONTRACT ? execute_contract_tile(w, s, f, t.block, f->next)
                                      : execute_fold_tile(w, s, f, t.block, f->next));
        worker_let_go(w);
        atomic_fetch_add_explicit(&w->run->elements_done, box_size(&tile), memory_order_relaxed);
        TRY(run_drop_uses(w, t, s, &tile, -1));
    }
    *finished = true;
    TRY(run_check_faults(w));
    f->next = 0;
    return state_made(w, t, s, sr, t.run, true);
}
