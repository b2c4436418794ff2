/* Results that are too much for memory: written to the scratch file, the longest unused first, and read again when somebody asks.
 * A thread of its own does both, begun when it is first needed, so that neither messages nor tasks wait for a disk. Results of
 * less than 256 KiB stay.
 *
 * The lock of the worker guards results and lists; it is given up while the thread reads or writes, and the result is looked up
 * again afterwards: it may be gone. */
#include "base/os.h"
#include "cluster/worker_tasks.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEAST_BYTES = 256 << 10, PAUSE_S = 10 };

static bool is_large(const stored *s) { return s->size >= LEAST_BYTES; }

/* ---- The list of large results in memory, the longest unused first ---- */

void worker_spill_leave(worker_tasks *w, stored *s)
{
    if (!s->listed) return;
    *(s->older ? &s->older->newer : &w->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &w->newest) = s->older;
    s->older = s->newer = NULL;
    s->listed = false;
}

static void enter(worker_tasks *w, stored *s)
{
    s->older = w->newest;
    s->newer = NULL;
    *(s->older ? &s->older->newer : &w->oldest) = s;
    w->newest = s;
    s->listed = true;
}

/* ---- The thread ---- */

static tsr_status open_scratch(worker_tasks *w)
{
    const char *folder = w->scratch_dir ? w->scratch_dir : getenv("TMPDIR");
    if (w->scratch) return TSR_OK;
    return scratch_open(folder && folder[0] ? folder : "/tmp", &w->scratch);
}

/* Writes the result that was not used for longest. */
static void spill_one(worker_tasks *w)
{
    stored *s = w->oldest;
    const tsr_key key = s->key;
    buffer *b = buffer_ref(s->buf);
    const char *data = s->data;
    const size_t size = s->size;
    int64_t at = 0;
    worker_spill_leave(w, s);
    pthread_mutex_unlock(&w->lock);
    tsr_status status = open_scratch(w);
    if (status == TSR_OK) status = scratch_write(w->scratch, data, size, &at);
    if (status != TSR_OK && w->log) w->log(w->log_context, NET_LOG_ERROR, tsr_error_message());
    pthread_mutex_lock(&w->lock);
    s = worker_result_find(w, key);
    if (s && s->buf != b) s = NULL;
    if (status != TSR_OK) {
        w->pause_until_ns = os_now_ns() + (int64_t)PAUSE_S * 1000000000;
        if (s && !s->listed) enter(w, s);
    } else if (s && !s->listed) { /* not used since */
        s->spilled_at = at + 1;
        w->spilled_bytes += size;
        worker_result_let_go(w, s);
    } else {
        scratch_release(w->scratch, at);
    }
    buffer_unref(b);
}

/* Reads a result for those who wait for it. */
static void load_one(worker_tasks *w)
{
    stored *s = worker_result_find(w, w->loads.items[--w->loads.n]);
    if (!s || !s->spilled_at || s->buf) return;
    const tsr_key key = s->key;
    const int64_t at = s->spilled_at - 1;
    const size_t size = s->size;
    buffer *b = NULL;
    s->loading = true; /* its place is kept as long */
    pthread_mutex_unlock(&w->lock);
    tsr_status status = tasks_buffer_new(w->net, size, &b);
    if (status == TSR_OK) status = scratch_read(w->scratch, at, size, 0, size, b->data);
    if (status != TSR_OK && w->log) w->log(w->log_context, NET_LOG_ERROR, tsr_error_message());
    pthread_mutex_lock(&w->lock);
    s = worker_result_find(w, key);
    if (!s || s->spilled_at != at + 1) { /* freed meanwhile; its place was left to us */
        scratch_release(w->scratch, at);
    } else {
        s->loading = false;
        scratch_release(w->scratch, at);
        s->spilled_at = 0;
        w->spilled_bytes -= size;
        worker_result_loaded(w, s, status == TSR_OK ? b : NULL);
    }
    buffer_unref(b);
}

bool worker_spill_step(worker_tasks *w)
{
    const bool spills = w->oldest && w->stored_bytes > w->memory_bytes / 2 && os_now_ns() >= w->pause_until_ns;
    if (w->loads.n) {
        load_one(w);
    } else if (spills) {
        spill_one(w);
    } else {
        return false;
    }
    return true;
}

static void *run_thread(void *context)
{
    worker_tasks *w = context;
    pthread_mutex_lock(&w->lock);
    while (!w->ending)
        if (!worker_spill_step(w)) pthread_cond_wait(&w->disk, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void wake(worker_tasks *w)
{
    if (!w->has_disk_thread && !w->ending) w->has_disk_thread = os_thread_start(&w->disk_thread, run_thread, w) == 0;
    pthread_cond_signal(&w->disk);
}

void worker_spill_stop(worker_tasks *w)
{
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->disk);
    const bool has = w->has_disk_thread;
    w->has_disk_thread = false;
    pthread_mutex_unlock(&w->lock);
    if (has) pthread_join(w->disk_thread, NULL);
}

/* ---- What the others call ---- */

void worker_spill_used(worker_tasks *w, stored *s)
{
    if (!s->buf || !is_large(s)) return;
    worker_spill_leave(w, s);
    enter(w, s);
    if (w->stored_bytes > w->memory_bytes / 2) wake(w);
}

bool worker_spill_load(worker_tasks *w, stored *s)
{
    if (s->loading) return true;
    for (size_t i = 0; i < w->loads.n; i++)
        if (w->loads.items[i].low == s->key.low && w->loads.items[i].high == s->key.high) return true;
    if (!VEC_PUSH(&w->loads, s->key)) return false;
    wake(w);
    return true;
}

void worker_spill_forget(worker_tasks *w, stored *s)
{
    worker_spill_leave(w, s);
    if (!s->spilled_at) return;
    w->spilled_bytes -= s->size;
    if (!s->loading) scratch_release(w->scratch, s->spilled_at - 1);
    s->spilled_at = 0;
}
