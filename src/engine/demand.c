/* Demands on shared runs: what is begun for them, how blocks and states are handed over, how they end. Locks as in share.c. */
#include "base/mem.h"
#include "engine/server.h"

#include <stdio.h>
#include <string.h>

static void fail_one(run *r, tsr_status status, const char *message);

/* ---- Demands ----------------------------------------------------------------------------------------------------------- */

static void put_in_list(demand **at, demand *d)
{
    d->next = *at;
    d->link = at;
    if (d->next) d->next->link = &d->next;
    *at = d;
    d->is_listed = true;
}

static void take_from_list(demand *d)
{
    *d->link = d->next;
    if (d->next) d->next->link = d->link;
    d->next = NULL;
    d->is_listed = false;
}

/* Unlinks a demand that is over. True: `ended` is to be told once the lock is given up. */
static bool end_demand(run *r, demand *d)
{
    if (!d->is_listed || d->n_busy > 0 || (d->left > 0 && !d->is_over)) return false;
    take_from_list(d);
    pthread_cond_broadcast(&share_of(r)->server->left);
    return true;
}

/* Ends that are to be told once the lock is given up. */
typedef struct ending {
    demand *d;
    tsr_status status;
    char message[400];
} ending;

static void note_ending(ending *e, const run *r, demand *d)
{
    e->d = d;
    e->status = d->left == 0 ? TSR_OK : r->status != TSR_OK ? r->status : TSR_ERR_CANCELLED;
    (void)snprintf(e->message, sizeof e->message, "%s", e->status == TSR_OK ? "" : r->message ? r->message : "withdrawn");
}

static void tell_ending(const ending *e)
{
    if (e->d) e->d->ended(e->d, e->status, e->message);
}

static bool wants_output(const run *r, const demand *d, const stage *s, int i)
{
    return d->output < 0 ? share_is_given(r, s, i) : i == d->output;
}

/* The block is kept from going until it was handed over. */
static void hold_for(run *r, const demand *d, int64_t block)
{
    const stage *s = stage_of(r, d->stage);
    for (int i = 0; d->deliver && i < s->n_outputs; i++)
        if (wants_output(r, d, s, i)) held_hold(r->stages[d->stage].sets[i], block);
}

static taker *taker_new(demand *d, int64_t number)
{
    taker *t = mem_calloc(1, sizeof *t);
    if (t) *t = (taker){.d = d, .number = number};
    return t;
}

/* Of a block that only its demander read, nothing is kept. */
static bool is_given_away(const run *r, const stage *s)
{
    return !share_of(r)->keeps_roots && s->n_outputs == 1 && s->outputs[0].root >= 0 && !share_is_given(r, s, 0);
}

static void forget_root_block(run *r, const stage *s, int stage_number, int64_t block)
{
    making **m = &r->stages[stage_number].blocks[block];
    if (!block_is_there(r, *m) || !held_drop(r->stages[stage_number].sets[0], block)) return;
    if (*m == &r->done) {
        *m = NULL;
    } else {
        (*m)->is_there = false;
    }
}

static tsr_status hand_block(run *r, const taker *t)
{
    demand *d = t->d;
    const stage *s = stage_of(r, d->stage);
    tsr_status status = TSR_OK;
    for (int i = 0; i < s->n_outputs; i++) {
        held_set *set = r->stages[d->stage].sets[i];
        buffer *buf;
        if (!wants_output(r, d, s, i)) continue;
        if (held_block_bytes(set, t->number) == 0) { /* nothing was made */
            if (status == TSR_OK) status = buffer_new(r->buffers, 0, &buf);
            if (status == TSR_OK) d->deliver(d, t->number, i, buf, 0);
            held_unpin(set, t->number);
            continue;
        }
        if (status == TSR_OK) status = held_pin(set, t->number, &buf);
        if (status == TSR_OK) {
            d->deliver(d, t->number, i, buffer_ref(buf), held_block_bytes(set, t->number));
            held_unpin(set, t->number);
        }
        held_unpin(set, t->number);
    }
    return status;
}

void share_hand_over(run *r, taker *takers)
{
    for (taker *t = takers, *next; t; t = next) {
        demand *d = t->d;
        const stage *s = stage_of(r, d->stage);
        tsr_status status = TSR_OK;
        ending e = {0};
        next = t->next;
        if (t->state) {
            d->deliver(d, t->number, 0, t->state, (size_t)run_state_bytes(r, d->stage, t->number));
        } else if (d->deliver) {
            status = hand_block(r, t);
        }
        if (status != TSR_OK) share_fail(r, status, tsr_error_message());
        pthread_mutex_lock(&r->crew->lock);
        if (!t->state && d->deliver && is_given_away(r, s)) forget_root_block(r, s, d->stage, t->number);
        if (!d->span) share_end_demanded(r, d->stage, t->number);
        d->n_busy--;
        d->left--;
        if (end_demand(r, d)) note_ending(&e, r, d);
        pthread_mutex_unlock(&r->crew->lock);
        tell_ending(&e);
        mem_free(t);
    }
}

/* Takes the takers of a block (run -1) or of the state of one of its runs. */
taker *share_take_takers(run *r, making *m, int64_t number)
{
    taker *taken = NULL, **last = &taken;
    const int64_t n_runs = stage_of(r, m->stage)->n_runs;
    for (taker **at = &m->takers; *at;) {
        taker *t = *at;
        if (t->d->span ? number != t->number % n_runs || m->folds[number].span != t->d->span : number >= 0) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        t->next = NULL;
        t->d->n_busy++;
        if (!t->d->span) hold_for(r, t->d, m->block);
        *last = t;
        last = &t->next;
    }
    return taken;
}

tsr_status share_give_state(run *r, making *m, int64_t first, taker **takers)
{
    taker *taken = share_take_takers(r, m, first), **last = takers;
    for (taker *t = taken; t; t = t->next) t->state = buffer_ref(m->folds[first].state);
    while (*last) last = &(*last)->next;
    *last = taken;
    return TSR_OK;
}

static bool lies_within(const run *r, const taker *t, int64_t first, int64_t span, int64_t n_runs)
{
    const int64_t begin = t->number % n_runs;
    return t->d->span && begin <= first && first + span <= begin + t->d->span;
}

bool share_needs_state(const making *m, int64_t first, int64_t span)
{
    const int64_t n_runs = stage_of(m->of, m->stage)->n_runs;
    bool is_needed = m->is_wanted;
    for (const taker *t = m->takers; t && !is_needed; t = t->next) is_needed = lies_within(m->of, t, first, span, n_runs);
    return is_needed;
}

bool share_skips_fold(run *r, making *m, int64_t number)
{
    pthread_mutex_lock(&r->crew->lock);
    const bool skips = !share_needs_state(m, number, 1);
    if (skips) m->folds[number].is_begun = false;
    pthread_mutex_unlock(&r->crew->lock);
    return skips;
}

/* Begins the folds that a state is merged from, and that are not under way. */
static tsr_status begin_state(run *r, making *m, int64_t first, int64_t span, int thread)
{
    for (int64_t i = first; i < first + span && i < stage_of(r, m->stage)->n_runs; i++)
        if (!m->folds[i].is_begun) TRY(share_begin_fold(r, m, i, thread));
    return TSR_OK;
}

/* States that were merged into larger ones, and these are done with: who still wants them has them made again. */
static tsr_status begin_states_anew(run *r, making *m, int thread)
{
    const int64_t n_runs = stage_of(r, m->stage)->n_runs;
    for (const taker *t = m->takers; t; t = t->next)
        if (t->d->span) TRY(begin_state(r, m, t->number % n_runs, t->d->span, thread));
    return TSR_OK;
}

tsr_status share_forget_state(run *r, making *m, int64_t first, int thread)
{
    const stage *s = stage_of(r, m->stage);
    const int64_t span = m->folds[first].span;
    for (int64_t i = first; i < first + span && i < s->n_runs; i++) m->folds[i].is_begun = false;
    fold_drop_state(r, s, &m->folds[first]);
    return begin_states_anew(r, m, thread);
}

tsr_status share_block_done(run *r, const stage *s, making *m, int thread, taker **takers)
{
    *takers = share_take_takers(r, m, -1);
    if (s->n_runs < 2) return TSR_OK;
    m->is_there = true;
    m->is_wanted = false;
    for (int64_t i = 0; i < s->n_runs; i++) {
        fold_drop_state(r, s, &m->folds[i]);
        m->folds[i].is_begun = false;
    }
    return begin_states_anew(r, m, thread);
}

void share_forget_takers(making *m)
{
    for (taker *t = m->takers, *next; t; t = next) {
        next = t->next;
        mem_free(t);
    }
    m->takers = NULL;
}

static tsr_status add_taker(making *m, demand *d, int64_t number)
{
    taker *t = taker_new(d, number);
    if (!t) return TSR_ERR_MEMORY;
    t->next = m->takers;
    m->takers = t;
    return TSR_OK;
}

/* Begins what makes unit `number` of a demand; it is handed over at once (*ready) if it is there. */
static tsr_status begin_demanded(run *r, demand *d, int64_t number, int thread, taker **ready)
{
    const stage *s = stage_of(r, d->stage);
    int64_t block = d->span ? number / s->n_runs : number, first = number % s->n_runs;
    making **m = &r->stages[d->stage].blocks[block];
    *ready = NULL;
    if (!d->span && block_is_there(r, *m)) {
        *ready = taker_new(d, number);
        if (!*ready) return TSR_ERR_MEMORY;
        d->n_busy++;
        hold_for(r, d, block);
        return TSR_OK;
    }
    if (!*m) TRY(run_begin_block(r, d->stage, block));
    TRY(add_taker(*m, d, number));
    if (!d->span) return (*m)->is_wanted || (*m)->is_asked ? TSR_OK : share_make_here(r, *m, thread);
    if ((*m)->folds[first].span == d->span) return share_give_state(r, *m, first, ready);
    return begin_state(r, *m, first, d->span, thread);
}

/* Tasks of another process wait for it: it begins at once, whatever is queued here, and is handed over as soon as it is there. */
static bool is_of_peer(const demand *d) { return d->deliver && (d->output < 0 || d->span); }

/* What others wait for goes on when this process has asked for as much as it may: they may wait for each other. */
static bool may_begin(const share *s, const demand *d)
{
    return d->at < d->end && !d->is_paused && !d->is_over &&
           (is_of_peer(d) || s->server->asked_bytes <= server_asked_limit(s->server));
}

tsr_status share_next(worker *w, task *out, bool *found, bool *did)
{
    run *r = w->run;
    share *s = share_of(r);
    taker *ready = NULL;
    tsr_status status = TSR_OK;
    *found = *did = false;
    pthread_mutex_lock(&r->crew->lock);
    for (demand *d = s->to_begin, *next; d && !*found && !ready && status == TSR_OK; d = next) {
        next = d->next;
        while (may_begin(s, d)) {
            status = begin_demanded(r, d, d->at++, w->number, &ready);
            *did = true;
            if (ready || status != TSR_OK) break;
            *found = run_pop(w, out);
            if (*found) break;
        }
        if (d->at < d->end) continue;
        take_from_list(d);
        put_in_list(&s->begun, d);
    }
    pthread_mutex_unlock(&r->crew->lock);
    if (ready) share_hand_over(r, ready);
    return status;
}

static bool is_span(const stage *s, const demand *d)
{
    return d->span > 0 && (d->span & (d->span - 1)) == 0 && d->span < 2 * s->n_runs && d->end == d->first + 1 && d->first >= 0 &&
           d->first % s->n_runs % d->span == 0;
}

static tsr_status check_demand(const run *r, const demand *d)
{
    const stage *s = d->stage >= 0 && d->stage < r->plan->n_stages ? stage_of(r, d->stage) : NULL;
    if (!s || d->output >= s->n_outputs || d->output < -1) return error_set(TSR_ERR_VALUE, "there is no such stage or output");
    int64_t n = stage_n_blocks(s) * (d->span ? s->n_runs : 1);
    if (d->span && (!stage_folds(s) || s->n_runs < 2)) return error_set(TSR_ERR_VALUE, "the stage has no states to give");
    if (d->span && !is_span(s, d)) return error_set(TSR_ERR_VALUE, "there is no such part of a fold");
    if (d->first < 0 || d->end > n || d->first > d->end) return error_set(TSR_ERR_VALUE, "there are no such blocks");
    return TSR_OK;
}

enum { AT_ONCE_BYTES = 64 << 10 /* that run_demand hands over itself: its caller may have to be quick */ };

/* In memory, and small? */
static bool is_at_hand(const run *r, const demand *d)
{
    const stage *s = stage_of(r, d->stage);
    if (d->span || !block_is_there(r, r->stages[d->stage].blocks[d->at])) return false;
    for (int i = 0; i < s->n_outputs; i++)
        if (wants_output(r, d, s, i) && !held_is_ready(r->stages[d->stage].sets[i], d->at)) return false;
    return true;
}

/* Those that need no time are left for run_demand. */
static tsr_status begin_all(run *r, demand *d)
{
    share *s = share_of(r);
    while (d->at < d->end && !is_at_hand(r, d)) {
        taker *ready, **last = &s->ready;
        TRY(begin_demanded(r, d, d->at++, 0, &ready));
        while (*last) last = &(*last)->next;
        *last = ready;
        atomic_fetch_add(&s->n_ready, ready != NULL);
    }
    return TSR_OK;
}

bool share_serve_ready(run *r)
{
    share *s = share_of(r);
    if (atomic_load(&s->n_ready) == 0) return false;
    pthread_mutex_lock(&r->crew->lock);
    taker *t = s->ready;
    if (t) {
        s->ready = t->next;
        t->next = NULL;
        atomic_store(&s->n_ready, s->ready != NULL);
    }
    pthread_mutex_unlock(&r->crew->lock);
    if (t) share_hand_over(r, t);
    return t != NULL;
}

/* What other processes want goes first, as their tasks wait for it, and of that what is needed for the rest. */
static bool goes_before(const demand *a, const demand *b)
{
    if (!a->deliver != !b->deliver) return a->deliver;
    return a->stage < b->stage;
}

static void keep_to_begin(share *s, demand *d)
{
    demand **at = &s->to_begin;
    take_from_list(d);
    while (*at && !goes_before(d, *at)) at = &(*at)->next;
    put_in_list(at, d);
}

/* Hands over what is there, in memory and small, up to a limit. The lock is given up for that. */
static tsr_status hand_over_at_once(run *r, demand *d)
{
    tsr_status status = TSR_OK;
    for (int64_t bytes = 0; status == TSR_OK && d->deliver && d->at < d->end && !d->is_over && is_at_hand(r, d);) {
        taker *ready;
        bytes += run_block_bytes(r, d->stage, d->output < 0 ? 0 : d->output, d->at);
        if (bytes > AT_ONCE_BYTES) break;
        status = begin_demanded(r, d, d->at++, 0, &ready);
        pthread_mutex_unlock(&r->crew->lock);
        if (ready) share_hand_over(r, ready);
        pthread_mutex_lock(&r->crew->lock);
    }
    return status;
}

tsr_status run_demand(run *r, demand *d)
{
    share *s = share_of(r);
    ending e = {0};
    tsr_status status = TSR_OK;
    TRY(check_demand(r, d));
    pthread_mutex_lock(&r->crew->lock);
    d->of = r;
    d->at = d->first;
    d->left = d->end - d->first;
    d->n_busy = 1; /* it does not end before all of this is done */
    relief_note_demand(s->server);
    d->is_over = atomic_load(&r->stop);
    put_in_list(&s->begun, d);
    if (is_of_peer(d) && !d->is_over) status = begin_all(r, d);
    if (status == TSR_OK) status = hand_over_at_once(r, d);
    if (status != TSR_OK) fail_one(r, status, tsr_error_message()); /* which ends the demand, too */
    d->n_busy--;
    if (end_demand(r, d)) {
        note_ending(&e, r, d);
    } else {
        if (d->at < d->end) keep_to_begin(s, d);
        share_activate(r);
        server_wake(s->server);
    }
    pthread_mutex_unlock(&r->crew->lock);
    tell_ending(&e);
    return TSR_OK;
}

static void remove_takers(run *r, demand *d)
{
    const stage *s = stage_of(r, d->stage);
    for (int64_t number = d->first; number < d->at; number++) {
        making *m = r->stages[d->stage].blocks[d->span ? number / s->n_runs : number];
        if (!m || m == &r->done) continue;
        for (taker **at = &m->takers; *at;) {
            taker *t = *at;
            if (t->d == d) {
                *at = t->next;
                mem_free(t);
            } else {
                at = &t->next;
            }
        }
    }
}

void run_withdraw(run *r, demand *d)
{
    ending e = {0};
    pthread_mutex_lock(&r->crew->lock);
    if (d->is_listed) {
        d->is_over = true;
        remove_takers(r, d);
        if (end_demand(r, d)) note_ending(&e, r, d);
    }
    pthread_mutex_unlock(&r->crew->lock);
    tell_ending(&e);
}

void share_end_demands(run *r)
{
    share *s = share_of(r);
    for (int k = 0; k < 2; k++) {
        for (demand *d = k ? s->begun : s->to_begin; d; d = d->next) {
            d->is_over = true;
            remove_takers(r, d);
        }
    }
}

void run_pause(run *r, demand *d, bool pause)
{
    pthread_mutex_lock(&r->crew->lock);
    if (d->is_listed) d->is_paused = pause;
    if (d->is_listed && !pause) {
        share_activate(r);
        server_wake(share_of(r)->server);
    }
    pthread_mutex_unlock(&r->crew->lock);
}

/* ---- Failure ----------------------------------------------------------------------------------------------------------- */

/* Tasks of other runs that wait for blocks of this one wait in vain. */
void share_fail_readers(run *r, tsr_status status, const char *message)
{
    for (int i = 0; i < r->plan->n_stages; i++) {
        for (int64_t k = 0; k < stage_n_blocks(stage_of(r, i)); k++) {
            const making *m = r->stages[i].blocks[k];
            for (const waiter *link = m && m != &r->done ? m->waiters : NULL; link; link = link->next)
                if (link->who->of != r) fail_one(link->who->of, status, message);
        }
    }
}

/* The lock is held. Whoever is to be told is told by a thread of the server's. */
static void fail_one(run *r, tsr_status status, const char *message)
{
    share *s = share_of(r);
    if (atomic_load(&r->stop)) return;
    r->status = status;
    r->message = mem_strdup(message);
    atomic_store(&r->stop, true);
    share_end_demands(r);
    s->has_failed = true;
    share_activate(r);
    server_wake(s->server);
    share_fail_readers(r, status, message);
}

void share_fail(run *r, tsr_status status, const char *message)
{
    pthread_mutex_lock(&r->crew->lock);
    fail_one(r, status, message);
    pthread_mutex_unlock(&r->crew->lock);
    keeper_wake(r->keeper);
}

void run_put_failure(run *r, tsr_status status, const char *message) { share_fail(r, status, message); }

/* Ends one demand of a run that stopped. False: there is none that can be ended now. */
bool share_end_one(run *r)
{
    share *s = share_of(r);
    ending e = {0};
    for (int k = 0; k < 2; k++) {
        for (demand *d = k ? s->begun : s->to_begin; d && !e.d; d = d->next) {
            d->is_over = true;
            if (d->n_busy > 0) continue;
            note_ending(&e, r, d);
            (void)end_demand(r, d);
            break;
        }
    }
    if (!e.d) return false;
    pthread_mutex_unlock(&r->crew->lock);
    tell_ending(&e);
    pthread_mutex_lock(&r->crew->lock);
    return true;
}

bool share_tell_failure(run *r)
{
    share *s = share_of(r);
    bool did = false;
    pthread_mutex_lock(&r->crew->lock);
    if (s->has_failed && !s->is_closing) {
        s->has_failed = false;
        did = true;
        if (s->ops->failed) s->ops->failed(s->context, r->status, r->message ? r->message : "out of memory");
    }
    while (share_end_one(r)) did = true;
    pthread_mutex_unlock(&r->crew->lock);
    return did;
}
