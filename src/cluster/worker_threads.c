/* The threads that run a worker's tasks.
 *
 * At most n_threads run tasks at a time (n_busy); a task that waits for others secedes, and another thread takes its place, made
 * if there is none. Short tasks are taken several at a time. What was done is told to the scheduler in batches: when there is
 * nothing left to run, when a batch is large or old, and before a task that may be long.
 *
 * The lock of the worker guards the queues; functions run without it. */
#include "base/forks.h"
#include "base/os.h"
#include "cluster/worker_tasks.h"

#include <string.h>

enum { MAX_THREADS = 1024, MAX_TAKEN = 32, SHORT_MICROS = 50, LONG_MICROS = 1000, FLUSH_TASKS = 1024, FLUSH_NS = 1000000 };

/* What the thread runs now. */
static _Thread_local struct {
    worker_tasks *w;
    work_task *t;
    unsigned forks; /* forks_count() when it began */
    int seceded;    /* how often, minus rejoined */
    work_task **taken;
    size_t at, n; /* of those it took: which it runs, how many there are */
} current;

/* ---- The heap: larger priority, then earlier ---- */

static bool is_sooner(const work_task *a, const work_task *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->order < b->order;
}

static void sift_up(work_task **heap, size_t i)
{
    for (work_task *t = heap[i]; i > 0 && is_sooner(t, heap[(i - 1) / 2]); i = (i - 1) / 2) {
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = t;
    }
}

static void sift_down(work_task **heap, size_t n, size_t i)
{
    for (;;) {
        size_t best = i;
        for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
            if (is_sooner(heap[c], heap[best])) best = c;
        if (best == i) return;
        work_task *t = heap[i];
        heap[i] = heap[best];
        heap[best] = t;
        i = best;
    }
}

static work_task *take_at(worker_tasks *w, size_t i)
{
    work_task *t = w->ready.items[i], *last = w->ready.items[--w->ready.n];
    if (last != t) {
        w->ready.items[i] = last;
        sift_up(w->ready.items, i);
        sift_down(w->ready.items, w->ready.n, i);
    }
    return t;
}

/* In the order in which they came. */
static work_task *take_at_once(worker_tasks *w, size_t i)
{
    work_task *t = w->at_once.items[i];
    memmove(&w->at_once.items[i], &w->at_once.items[i + 1], (--w->at_once.n - i) * sizeof t);
    return t;
}

work_task *worker_threads_take_last(worker_tasks *w) { return w->ready.n ? take_at(w, w->ready.n - 1) : NULL; }

bool worker_threads_remove(worker_tasks *w, work_task *t)
{
    for (size_t i = 0; i < w->at_once.n; i++) {
        if (w->at_once.items[i] != t) continue;
        (void)take_at_once(w, i);
        return true;
    }
    for (size_t i = 0; i < w->ready.n; i++) {
        if (w->ready.items[i] != t) continue;
        (void)take_at(w, i);
        return true;
    }
    return false;
}

/* ---- Threads ---- */

static void *run_thread(void *context);

/* One more, unless there are too many. With the lock held. */
static void add_thread(worker_tasks *w)
{
    pthread_t thread;
    if (w->ending || w->threads.n >= MAX_THREADS || !VEC_RESERVE(&w->threads, 1)) return;
    if (pthread_create(&thread, NULL, run_thread, w) != 0) return;
    w->threads.items[w->threads.n++] = thread;
    w->n_waiting++;
}

/* There is one task more that could begin. Threads that wait may have been woken for others already, so they are counted against
 * all tasks that could begin: one at once may wait for an ordinary one. With the lock held. */
static void wake(worker_tasks *w)
{
    const size_t room = w->n_busy < w->n_threads ? (size_t)(w->n_threads - w->n_busy) : 0;
    const size_t n_begin = w->at_once.n + (w->ready.n < room ? w->ready.n : room);
    if ((size_t)w->n_waiting < n_begin) add_thread(w);
    pthread_cond_signal(&w->work);
}

void worker_threads_add(worker_tasks *w, work_task *t)
{
    /* Room was made when the task came (worker_tasks.c). */
    if (t->at_once) {
        w->at_once.items[w->at_once.n++] = t;
    } else {
        w->ready.items[w->ready.n++] = t;
        sift_up(w->ready.items, w->ready.n - 1);
    }
    wake(w);
}

tsr_status worker_threads_start(worker_tasks *w)
{
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->n_threads; i++) add_thread(w);
    const bool good = w->threads.n > 0;
    pthread_mutex_unlock(&w->lock);
    return good ? TSR_OK : error_set(TSR_ERR_MEMORY, "cannot start a thread");
}

void worker_threads_stop(worker_tasks *w)
{
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    for (size_t i = 0; i < w->tasks_size; i++)
        for (work_task *t = w->tasks[i]; t; t = t->next) atomic_store(&t->cancelled, true);
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    /* No thread is added any more. */
    for (size_t i = 0; i < w->threads.n; i++) pthread_join(w->threads.items[i], NULL);
    VEC_FINI(&w->threads);
}

/* Runs one task, without the lock. Returns its microseconds. */
static uint32_t run_one(worker_tasks *w, work_task *t, tsr_task_result *r, tsr_status *status)
{
    const int64_t start = os_now_ns();
    *r = (tsr_task_result){.w = w, .t = t};
    current.w = w;
    current.t = t;
    current.forks = forks_count();
    tsr_error_clear();
    *status = atomic_load(&t->cancelled) ? error_set(TSR_ERR_CANCELLED, "the task was cancelled")
                                         : work_function_call(w, t->function, t, r);
    forks_end_child(current.forks);
    while (current.seceded > 0) tsr_task_rejoin();
    current.t = NULL;
    current.w = NULL;
    const int64_t micros = (os_now_ns() - start) / 1000;
    return micros < UINT32_MAX - 1 ? (uint32_t)micros : UINT32_MAX - 1;
}

static void learn(work_function *f, uint32_t micros)
{
    const unsigned old = atomic_load_explicit(&f->micros, memory_order_relaxed);
    atomic_store_explicit(&f->micros, old == UINT32_MAX ? micros : (unsigned)((7ULL * old + micros) / 8), memory_order_relaxed);
}

/* Tasks to run next, with the lock held: one, or several short ones. */
static size_t take(worker_tasks *w, work_task **taken, bool *at_once)
{
    *at_once = w->at_once.n > 0;
    if (*at_once) {
        taken[0] = take_at_once(w, 0);
        taken[0]->running = true;
        return 1;
    }
    size_t n = 0, most = w->ready.n / (size_t)(2 * w->n_threads);
    if (most > MAX_TAKEN) most = MAX_TAKEN;
    do {
        taken[n] = take_at(w, 0);
        taken[n++]->running = true;
    } while (n < most && atomic_load_explicit(&taken[n - 1]->function->micros, memory_order_relaxed) <= SHORT_MICROS);
    return n;
}

/* Is it time to tell the scheduler? */
static bool should_flush(const worker_tasks *w)
{
    if (!w->ran.keys.n) return false;
    return w->ready.n == 0 || w->ran.keys.n >= 2 * FLUSH_TASKS || os_now_ns() - w->ran.since_ns > FLUSH_NS;
}

/* Runs what was taken. With the lock held at the beginning and the end. What comes after a task that secedes goes back to the
 * queue: it may be what that waits for. */
static void run_taken(worker_tasks *w, work_task **taken, size_t n)
{
    tsr_task_result results[MAX_TAKEN];
    uint32_t micros[MAX_TAKEN];
    const unsigned expected = atomic_load_explicit(&taken[0]->function->micros, memory_order_relaxed);
    if (w->ran.keys.n && expected > LONG_MICROS) worker_tasks_flush(w);
    pthread_mutex_unlock(&w->lock);
    current.taken = taken;
    current.n = n;
    for (size_t i = 0; i < current.n; i++) {
        tsr_status status;
        current.at = i;
        micros[i] = run_one(w, taken[i], &results[i], &status);
        learn(taken[i]->function, micros[i]);
        if (status == TSR_OK) continue;
        worker_tasks_failed(w, taken[i], status, &results[i]);
        buffer_unref(results[i].buf);
        taken[i] = NULL;
    }
    n = current.n;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < n; i++)
        if (taken[i]) worker_tasks_ran(w, taken[i], &results[i], micros[i]);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < n; i++) {
        mem_free(results[i].text);
        mem_free(results[i].details);
        if (taken[i]) work_task_free(taken[i]);
    }
    pthread_mutex_lock(&w->lock);
}

static void *run_thread(void *context)
{
    worker_tasks *w = context;
    work_task *taken[MAX_TAKEN];
    pthread_mutex_lock(&w->lock);
    w->n_waiting--;
    while (!w->ending) {
        if (w->at_once.n == 0 && (w->ready.n == 0 || w->n_busy >= w->n_threads)) {
            if (w->have.keys.n) worker_tasks_flush(w);
            w->n_waiting++;
            pthread_cond_wait(&w->work, &w->lock);
            w->n_waiting--;
            continue;
        }
        bool at_once;
        const size_t n = take(w, taken, &at_once);
        if (!at_once) w->n_busy++;
        run_taken(w, taken, n);
        if (!at_once) w->n_busy--;
        if (should_flush(w)) worker_tasks_flush(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- What functions of tasks call ---- */

bool tsr_task_cancelled(void) { return current.t && atomic_load(&current.t->cancelled); }

tsr_key tsr_task_current(void) { return current.t ? current.t->key : (tsr_key){0}; }

void tsr_task_secede(void)
{
    worker_tasks *w = current.w;
    if (!w || current.t->at_once || current.forks != forks_count()) return; /* what it forked has no other threads */
    if (current.seceded++ > 0) return;
    pthread_mutex_lock(&w->lock);
    if (!current.t->seceded) worker_tasks_seceded(w, current.t);
    current.t->seceded = true;
    w->n_busy--;
    for (size_t i = current.at + 1; i < current.n; i++) {
        current.taken[i]->running = false;
        worker_threads_add(w, current.taken[i]);
    }
    current.n = current.at + 1;
    wake(w);
    pthread_mutex_unlock(&w->lock);
}

void tsr_task_rejoin(void)
{
    worker_tasks *w = current.w;
    if (!w || current.seceded == 0 || current.forks != forks_count() || --current.seceded > 0) return;
    pthread_mutex_lock(&w->lock);
    w->n_busy++; /* for a while there may be one too many */
    pthread_mutex_unlock(&w->lock);
}

void *tsr_task_result_alloc(tsr_task_result *r, size_t size)
{
    buffer *b;
    if (tasks_buffer_new(r->w->net, size, &b) != TSR_OK) return NULL;
    buffer_unref(r->buf);
    r->buf = b;
    r->data = b->data;
    r->size = size;
    return b->data;
}

tsr_status tsr_task_result_set(tsr_task_result *r, const void *data, size_t size)
{
    void *to = tsr_task_result_alloc(r, size);
    if (!to) return TSR_ERR_MEMORY;
    if (size) memcpy(to, data, size);
    return TSR_OK;
}

tsr_status tsr_task_result_wrap(tsr_task_result *r, const void *data, size_t size, void (*release)(void *context), void *context)
{
    buffer *b;
    TRY(buffer_wrap((void *)(uintptr_t)data, size, release, context, &b));
    buffer_unref(r->buf);
    r->buf = b;
    r->data = data;
    r->size = size;
    return TSR_OK;
}

void tsr_task_result_error(tsr_task_result *r, const char *text, const void *details, size_t size)
{
    mem_free(r->text);
    mem_free(r->details);
    r->text = text ? mem_strdup(text) : NULL;
    r->details = size ? mem_alloc(size) : NULL;
    r->details_size = r->details ? size : 0;
    if (r->details) memcpy(r->details, details, size);
}

void tsr_bytes_retain(const tsr_bytes *bytes)
{
    if (bytes->owner) (void)buffer_ref(bytes->owner);
}

void tsr_bytes_release(tsr_bytes *bytes)
{
    buffer_unref(bytes->owner);
    *bytes = (tsr_bytes){0};
}
