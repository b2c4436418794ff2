/* Futures: waiting, results, errors, callbacks, cancelling. A result of up to 64 KiB comes with the news of it and stays with its
 * future; larger ones are fetched from the worker that has them when somebody asks, and go again when those have them. A worker
 * that does not give one is asked for no longer: the scheduler says where it is now, or has it made again. Any thread. */
#include "base/os.h"
#include "cluster/client_tasks.h"

#include <math.h>
#include <sys/random.h>

enum { FIRST_TABLE = 256, MAX_FAILED = 30, RETRY_NS = 50000000, MANY_CALLS = 1024 };

/* ---- Changes; with the lock held ---- */

static void tell_watches(tsr_future *f, const void *owner, bool is_done)
{
    for (future_watch **at = &f->watches, *w; (w = *at) != NULL;) {
        if (owner && w->owner != owner) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->told(w, is_done);
    }
}

void client_future_changed(client_tasks *c, tsr_future *f, tsr_future_status status)
{
    const bool was = f->status == TSR_FUTURE_PENDING;
    f->status = status;
    if (status == TSR_FUTURE_PENDING || !was) return;
    if (status != TSR_FUTURE_FINISHED) c->n_errors++;
    for (size_t i = 0; i < f->calls.n; i++) {
        /* Room was made when the call was asked for. */
        c->due.items[c->due.n++] = f->calls.items[i];
        c->n_calls--;
    }
    if (f->calls.n) pthread_cond_signal(&c->work);
    VEC_FINI(&f->calls);
    tell_watches(f, NULL, true);
}

bool client_future_watch(tsr_future *f, future_watch *w)
{
    pthread_mutex_lock(&f->c->lock);
    const bool waits = f->status == TSR_FUTURE_PENDING && !f->c->ended;
    if (waits) {
        w->next = f->watches;
        f->watches = w;
    }
    pthread_mutex_unlock(&f->c->lock);
    return waits;
}

void client_future_unwatch(tsr_future *f, const void *owner)
{
    pthread_mutex_lock(&f->c->lock);
    tell_watches(f, owner, false);
    pthread_mutex_unlock(&f->c->lock);
}

void client_future_ask(client_tasks *c, tsr_future *f)
{
    if (f->asked || f->buf) return;
    Tessera__Futures__Get g = TESSERA__FUTURES__GET__INIT;
    g.key_high = f->key.high;
    g.key_low = f->key.low;
    net_link *l = client_link_to(c, f->holder);
    f->asked = l && tasks_wire_send(l, TESSERA__FUTURES__MESSAGE_TYPE__GET, &g.base, NULL) == TSR_OK;
    f->asked_of = f->holder; /* it may have another holder before that answers */
    if (!f->asked) f->n_failed++;
}

static void release(client_tasks *c, tsr_future *f)
{
    if (f->refs <= 0 || --f->refs > 0 || f->leaving) return;
    f->leaving = VEC_PUSH(&c->leaving, f);
    client_tasks_flush_soon(c);
}

/* ---- Waiting ---- */

int64_t client_until(double seconds)
{
    if (seconds < 0 || isnan(seconds) || seconds > 1e9) return -1;
    return os_now_ns() + (int64_t)(seconds * 1e9);
}

bool client_wait(client_tasks *c, int64_t until_ns)
{
    const int64_t left = until_ns < 0 ? INT64_MAX : until_ns - os_now_ns();
    if (left <= 0) return false;
    if (until_ns < 0) {
        pthread_cond_wait(&c->changed, &c->lock);
    } else {
        os_cond_wait_ns(&c->changed, &c->lock, left);
    }
    return !c->ended;
}

static tsr_status why_not(const client_tasks *c)
{
    if (c->ended) return error_set(TSR_ERR_CANCELLED, "the session was closed");
    return error_set(TSR_ERR_TIMEOUT, "the result did not come in time");
}

/* Are there enough? *at: those before it are not pending. */
static bool is_enough(const client_tasks *c, int n, tsr_future *const *futures, tsr_wait_for what, int *at, unsigned *errors)
{
    if (what == TSR_WAIT_FIRST || (what == TSR_WAIT_FIRST_ERROR && *errors != c->n_errors)) {
        *errors = c->n_errors;
        for (int i = 0; i < n; i++) {
            if (!futures[i]) continue;
            const tsr_future_status s = futures[i]->status;
            if (s != TSR_FUTURE_PENDING && (what == TSR_WAIT_FIRST || s != TSR_FUTURE_FINISHED)) return true;
        }
        if (what == TSR_WAIT_FIRST) return n == 0;
    }
    while (*at < n && (!futures[*at] || futures[*at]->status != TSR_FUTURE_PENDING)) ++*at;
    return *at == n;
}

/* With the lock held. */
static tsr_status wait_for(client_tasks *c, int n, tsr_future *const *futures, tsr_wait_for what, int64_t until)
{
    int at = 0;
    unsigned errors = c->n_errors - 1;
    client_tasks_flush(c);
    while (!is_enough(c, n, futures, what, &at, &errors)) {
        if (c->ended || !client_wait(c, until)) {
            if (is_enough(c, n, futures, what, &at, &errors)) break;
            return why_not(c);
        }
    }
    return TSR_OK;
}

/* The session of the first future; NULL: there is none. */
static client_tasks *session_of(int n, tsr_future *const *futures)
{
    for (int i = 0; i < n; i++)
        if (futures[i]) return futures[i]->c;
    return NULL;
}

tsr_status tsr_futures_wait(int n, tsr_future *const *futures, tsr_wait_for what, double seconds)
{
    client_tasks *c = session_of(n, futures);
    if (!c) return TSR_OK;
    TRY(session_check_here(c->session));
    if (seconds != 0) tsr_task_secede();
    pthread_mutex_lock(&c->lock);
    const tsr_status status = wait_for(c, n, futures, what, client_until(seconds));
    pthread_mutex_unlock(&c->lock);
    if (seconds != 0) tsr_task_rejoin();
    return status;
}

/* ---- Results ---- */

static tsr_status failure(const tsr_future *f)
{
    switch (f->status) {
    case TSR_FUTURE_ERROR: return error_set(f->error, "%s", f->text ? f->text : "");
    case TSR_FUTURE_CANCELLED: return error_set(TSR_ERR_CANCELLED, "the task was cancelled");
    case TSR_FUTURE_LOST:
        return error_set(TSR_ERR_NOT_FOUND, "the result was lost with the workers that had it, and cannot be made again");
    default: return TSR_OK;
    }
}

/* The result could not be had: asks the scheduler anew, after a while. With the lock held, which is given up. */
static tsr_status ask_again(client_tasks *c, tsr_future *f, int64_t until)
{
    if (f->n_failed > MAX_FAILED) return error_set(TSR_ERR_IO, "the result cannot be fetched from the worker that has it");
    const int64_t again = os_now_ns() + RETRY_NS * (f->n_failed < 10 ? f->n_failed : 10);
    const int tries = f->n_failed;
    while (!f->buf && f->n_failed == tries && os_now_ns() < again && (until < 0 || os_now_ns() < until) && !c->ended)
        (void)client_wait(c, until >= 0 && until < again ? until : again);
    if (f->buf || f->status != TSR_FUTURE_FINISHED) return TSR_OK;
    f->holder = 0;
    f->status = TSR_FUTURE_PENDING;
    client_send_keys(c, TESSERA__FUTURES__MESSAGE_TYPE__WANT, 1, (uint64_t[]){f->key.high, f->key.low}, false);
    return TSR_OK;
}

/* Waits for a result that is or will be finished. With the lock held. */
static tsr_status bring(client_tasks *c, tsr_future *f, int64_t until)
{
    while (!f->buf) {
        TRY(wait_for(c, 1, &f, TSR_WAIT_ALL, until));
        TRY(failure(f));
        if (f->buf) break;
        const int before = f->n_failed;
        client_future_ask(c, f);
        while (f->asked && !f->buf && f->n_failed == before && f->status == TSR_FUTURE_FINISHED)
            if (c->ended || !client_wait(c, until)) return f->buf ? TSR_OK : why_not(c);
        if (!f->buf && f->n_failed > before) TRY(ask_again(c, f, until));
    }
    f->n_failed = 0;
    return TSR_OK;
}

static void give(const tsr_future *f, tsr_bytes *out)
{
    *out = (tsr_bytes){.data = f->data, .size = f->size, .owner = buffer_ref(f->buf)};
}

/* A large result stays only as long as somebody is about to take it. */
static void end_reading(tsr_future *f)
{
    if (--f->n_readers > 0 || !f->buf || f->size <= TASKS_CARRIED_BYTES) return;
    buffer_unref(f->buf);
    f->buf = NULL;
}

tsr_status tsr_future_result(tsr_future *f, double seconds, tsr_bytes *out)
{
    client_tasks *c = f->c;
    *out = (tsr_bytes){0};
    TRY(session_check_here(c->session));
    if (seconds != 0) tsr_task_secede();
    pthread_mutex_lock(&c->lock);
    f->n_readers++;
    const tsr_status status = bring(c, f, client_until(seconds));
    if (status == TSR_OK) give(f, out);
    end_reading(f);
    pthread_mutex_unlock(&c->lock);
    if (seconds != 0) tsr_task_rejoin();
    return status;
}

/* With the lock held. */
static tsr_status gather(client_tasks *c, int n, tsr_future *const *futures, bool skip_errors, int64_t until, tsr_bytes *results)
{
    TRY(wait_for(c, n, futures, skip_errors ? TSR_WAIT_ALL : TSR_WAIT_FIRST_ERROR, until));
    for (int i = 0; i < n; i++) {
        if (!skip_errors && futures[i]) TRY(failure(futures[i]));
        if (futures[i] && futures[i]->status == TSR_FUTURE_FINISHED) client_future_ask(c, futures[i]);
    }
    for (int i = 0; i < n; i++) {
        if (!futures[i] || (skip_errors && failure(futures[i]) != TSR_OK)) continue;
        const tsr_status status = bring(c, futures[i], until);
        if (status == TSR_OK) {
            give(futures[i], &results[i]);
        } else if (!skip_errors || failure(futures[i]) == TSR_OK) {
            return status;
        }
    }
    return TSR_OK;
}

tsr_status tsr_gather(int n, tsr_future *const *futures, bool skip_errors, double seconds, tsr_bytes *results)
{
    client_tasks *c = session_of(n, futures);
    for (int i = 0; i < n; i++) results[i] = (tsr_bytes){0};
    if (!c) return TSR_OK;
    TRY(session_check_here(c->session));
    if (seconds != 0) tsr_task_secede();
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < n; i++)
        if (futures[i]) futures[i]->n_readers++;
    const tsr_status status = gather(c, n, futures, skip_errors, client_until(seconds), results);
    for (int i = 0; i < n; i++)
        if (futures[i]) end_reading(futures[i]);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; status != TSR_OK && i < n; i++) tsr_bytes_release(&results[i]);
    if (seconds != 0) tsr_task_rejoin();
    return status;
}

/* ---- Looking ---- */

static bool is_here(const tsr_future *f) { return session_is_here(f->c->session); }

tsr_key tsr_future_key(const tsr_future *f) { return f->key; }

tsr_session *tsr_future_session(const tsr_future *f) { return f->c->session; }

tsr_future_status tsr_future_state(const tsr_future *f)
{
    if (!is_here(f)) return TSR_FUTURE_LOST;
    pthread_mutex_lock(&f->c->lock);
    const tsr_future_status s = f->status;
    pthread_mutex_unlock(&f->c->lock);
    return s;
}

int64_t tsr_future_size(const tsr_future *f)
{
    if (!is_here(f)) return -1;
    pthread_mutex_lock(&f->c->lock);
    const int64_t n = f->status == TSR_FUTURE_FINISHED ? (int64_t)f->size : -1;
    pthread_mutex_unlock(&f->c->lock);
    return n;
}

tsr_status tsr_future_error(tsr_future *f, const char **text, tsr_bytes *details)
{
    if (text) *text = "";
    if (details) *details = (tsr_bytes){0};
    TRY(session_check_here(f->c->session));
    pthread_mutex_lock(&f->c->lock);
    const bool failed = f->status == TSR_FUTURE_ERROR;
    if (text && failed && f->text) *text = f->text;
    if (details && failed && f->details)
        *details = (tsr_bytes){.data = f->details_data, .size = f->details_bytes, .owner = buffer_ref(f->details)};
    const tsr_status status = failed ? f->error : TSR_OK;
    pthread_mutex_unlock(&f->c->lock);
    return status;
}

/* ---- Holding ---- */

tsr_future *tsr_future_retain(tsr_future *f)
{
    if (!is_here(f)) return f;
    pthread_mutex_lock(&f->c->lock);
    f->refs++;
    pthread_mutex_unlock(&f->c->lock);
    return f;
}

void tsr_future_release(tsr_future *f)
{
    if (!f || !is_here(f)) return;
    client_tasks *c = f->c;
    pthread_mutex_lock(&c->lock);
    release(c, f);
    pthread_mutex_unlock(&c->lock);
}

tsr_status tsr_future_of(tsr_session *session, tsr_key key, tsr_future **out)
{
    client_tasks *c;
    *out = NULL;
    TRY(client_tasks_get(session, &c));
    pthread_mutex_lock(&c->lock);
    tsr_future *f = c->ended ? NULL : client_future_get(c, key);
    if (f && f->refs == 0 && !f->batch && !f->leaving)
        client_send_keys(c, TESSERA__FUTURES__MESSAGE_TYPE__WANT, 1, (uint64_t[]){key.high, key.low}, false);
    if (f) f->refs++;
    *out = f;
    pthread_mutex_unlock(&c->lock);
    return f ? TSR_OK : error_set(TSR_ERR_CANCELLED, "the session was closed");
}

/* ---- Cancelling, retrying ---- */

static tsr_status send_each(int n, tsr_future *const *futures, uint32_t type, bool force)
{
    client_tasks *c = session_of(n, futures);
    tasks_column keys = {0};
    tsr_status status = TSR_OK;
    if (!c) return TSR_OK;
    TRY(session_check_here(c->session));
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < n; i++)
        if (futures[i] && !tasks_column_key(&keys, futures[i]->key)) status = TSR_ERR_MEMORY;
    if (status == TSR_OK) {
        client_tasks_flush(c);
        client_send_keys(c, type, keys.n / 2, keys.items, force);
        for (int i = 0; i < n; i++) {
            if (!futures[i]) continue;
            if (type == TESSERA__FUTURES__MESSAGE_TYPE__CANCEL) client_future_changed(c, futures[i], TSR_FUTURE_CANCELLED);
            if (type == TESSERA__FUTURES__MESSAGE_TYPE__RETRY && futures[i]->status == TSR_FUTURE_ERROR)
                client_future_changed(c, futures[i], TSR_FUTURE_PENDING);
        }
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    VEC_FINI(&keys);
    return status;
}

tsr_status tsr_futures_cancel(int n, tsr_future *const *futures, bool force)
{
    return send_each(n, futures, TESSERA__FUTURES__MESSAGE_TYPE__CANCEL, force);
}

tsr_status tsr_futures_retry(int n, tsr_future *const *futures)
{
    return send_each(n, futures, TESSERA__FUTURES__MESSAGE_TYPE__RETRY, false);
}

/* ---- Callbacks ---- */

/* The thread that calls. */
static void *call_all(void *context)
{
    client_tasks *c = context;
    pthread_mutex_lock(&c->lock);
    for (size_t at = 0;;) {
        if (at == c->due.n) {
            at = c->due.n = 0;
            if (c->ended) break;
            pthread_cond_wait(&c->work, &c->lock);
            continue;
        }
        const done_call d = c->due.items[at++];
        pthread_mutex_unlock(&c->lock);
        d.call(d.context, d.future);
        pthread_mutex_lock(&c->lock);
        release(c, d.future);
        if (at >= MANY_CALLS && at * 2 >= c->due.n) {
            memmove(c->due.items, c->due.items + at, (c->due.n - at) * sizeof *c->due.items);
            c->due.n -= at;
            at = 0;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

tsr_status tsr_future_on_done(tsr_future *f, void (*callback)(void *context, tsr_future *future), void *context)
{
    client_tasks *c = f->c;
    tsr_status status = TSR_OK;
    TRY(session_check_here(c->session));
    pthread_mutex_lock(&c->lock);
    const bool now = f->status != TSR_FUTURE_PENDING;
    if (!now && !c->has_caller) {
        c->has_caller = pthread_create(&c->caller, NULL, call_all, c) == 0;
        if (!c->has_caller) status = error_set(TSR_ERR_MEMORY, "cannot start a thread");
    }
    if (!now && status == TSR_OK) {
        /* As much room as there are calls to come, so that none fails when its future is done. */
        c->n_calls++;
        const bool good = vec_reserve((void **)&c->due.items, &c->due.capacity, c->due.n + c->n_calls, sizeof *c->due.items) &&
                          VEC_PUSH(&f->calls, (done_call){.call = callback, .context = context, .future = f});
        if (good) {
            f->refs++;
        } else {
            c->n_calls--;
            status = TSR_ERR_MEMORY;
        }
    }
    client_tasks_flush_soon(c);
    pthread_mutex_unlock(&c->lock);
    if (now) callback(context, f);
    return status;
}

/* ---- Beginning and end ---- */

tsr_status client_tasks_new(tsr_session *session, net *n, client_tasks **out)
{
    client_tasks *c = mem_calloc(1, sizeof *c);
    if (!c) return TSR_ERR_MEMORY;
    c->session = session;
    c->net = n;
    c->intake.net = n;
    c->futures_size = FIRST_TABLE;
    c->futures = mem_calloc(FIRST_TABLE, sizeof *c->futures);
    pthread_mutex_init(&c->lock, NULL);
    os_cond_init(&c->changed);
    pthread_cond_init(&c->work, NULL);
    const bool random = getrandom(&c->key_base, sizeof c->key_base, 0) == (ssize_t)sizeof c->key_base;
    if (!c->futures || !random) {
        client_tasks_free(c);
        return random ? TSR_ERR_MEMORY : error_set(TSR_ERR_IO, "the system gives no random numbers");
    }
    *out = c;
    return TSR_OK;
}

void client_tasks_end(client_tasks *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    client_tasks_flush(c);
    client_send_session(c, false, true);
    c->ended = true;
    for (asked *a = c->asks; a; a = a->next) {
        if (a->done) continue;
        a->done = true;
        a->status = TSR_ERR_CANCELLED;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_cond_broadcast(&c->work);
    const bool has_caller = c->has_caller;
    c->has_caller = false;
    pthread_mutex_unlock(&c->lock);
    if (has_caller) pthread_join(c->caller, NULL);
}
