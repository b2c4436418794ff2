/* A worker's tasks and results, by their keys: the two tables, and what happens when a result is there. Keys are random, so their
 * bits are their hash. With the lock of the worker held, but for worker_tasks_failed and work_task_free. */
#include "cluster/worker_tasks.h"

static bool same_key(tsr_key a, tsr_key b) { return a.low == b.low && a.high == b.high; }
static size_t place_of(tsr_key key, size_t size) { return (size_t)(key.low ^ key.high >> 7) & (size - 1); }

/* A table of twice the size, whose items are found by their key and linked by `next`. */
#define GROW(table, size, type)                                                                                                  \
    do {                                                                                                                         \
        type **bigger_ = mem_calloc((size)*2, sizeof *bigger_);                                                                  \
        for (size_t i_ = 0; bigger_ && i_ < (size); i_++) {                                                                      \
            for (type *p_ = (table)[i_], *next_; p_; p_ = next_) {                                                               \
                next_ = p_->next;                                                                                                \
                type **at_ = &bigger_[place_of(p_->key, (size)*2)];                                                              \
                p_->next = *at_;                                                                                                 \
                *at_ = p_;                                                                                                       \
            }                                                                                                                    \
        }                                                                                                                        \
        if (bigger_) {                                                                                                           \
            mem_free(table);                                                                                                     \
            (table) = bigger_;                                                                                                   \
            (size) *= 2;                                                                                                         \
        }                                                                                                                        \
    } while (0)

stored *worker_result_find(const worker_tasks *w, tsr_key key)
{
    stored *s = w->results[place_of(key, w->results_size)];
    while (s && !same_key(s->key, key)) s = s->next;
    return s;
}

stored *worker_result_get(worker_tasks *w, tsr_key key)
{
    stored *s = worker_result_find(w, key);
    if (s) return s;
    if (w->n_results >= w->results_size) GROW(w->results, w->results_size, stored);
    s = mem_calloc(1, sizeof *s);
    if (!s) return NULL;
    stored **at = &w->results[place_of(key, w->results_size)];
    s->key = key;
    s->next = *at;
    *at = s;
    w->n_results++;
    return s;
}

void worker_result_let_go(worker_tasks *w, stored *s)
{
    if (!s->buf) return;
    w->stored_bytes -= s->size;
    buffer_disclaim(s->buf, w->memory_use);
    buffer_unref(s->buf);
    s->buf = NULL;
    s->data = NULL;
}

void worker_result_remove(worker_tasks *w, stored *s)
{
    stored **at = &w->results[place_of(s->key, w->results_size)];
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    w->n_results--;
    worker_spill_forget(w, s);
    worker_answer_gets(s);
    worker_result_let_go(w, s);
    VEC_FINI(&s->waiting);
    VEC_FINI(&s->gets);
    mem_free(s);
}

work_task *worker_task_find(const worker_tasks *w, tsr_key key)
{
    work_task *t = w->tasks[place_of(key, w->tasks_size)];
    while (t && !same_key(t->key, key)) t = t->next;
    return t;
}

void worker_task_add(worker_tasks *w, work_task *t)
{
    if (w->n_tasks >= w->tasks_size) GROW(w->tasks, w->tasks_size, work_task);
    work_task **at = &w->tasks[place_of(t->key, w->tasks_size)];
    t->next = *at;
    *at = t;
    w->n_tasks++;
}

void worker_task_unlist(worker_tasks *w, work_task *t)
{
    work_task **at = &w->tasks[place_of(t->key, w->tasks_size)];
    while (*at && *at != t) at = &(*at)->next;
    if (!*at) return;
    *at = t->next;
    w->n_tasks--;
}

void work_task_free(work_task *t)
{
    for (int i = 0; i < t->n_args; i++) buffer_unref(t->args[i].owner);
    buffer_unref(t->payload);
    work_function_unref(t->function);
    mem_free(t);
}

void worker_task_drop(worker_tasks *w, work_task *t)
{
    worker_task_unlist(w, t);
    if (t->n_missing == 0) (void)worker_threads_remove(w, t);
    for (int i = 0; i < t->n_args && t->n_missing; i++) {
        stored *s = work_task_reads(t, i) && !t->args[i].owner ? worker_result_find(w, t->keys[i]) : NULL;
        for (size_t k = s ? s->waiting.n : 0; k-- > 0;)
            if (s->waiting.items[k] == t) s->waiting.items[k] = s->waiting.items[--s->waiting.n];
        if (s && !s->waiting.n && !s->asked && !worker_result_is_here(s)) worker_result_remove(w, s);
    }
    work_task_free(t);
}

/* ---- Results ---- */

static void give_arguments(worker_tasks *w, stored *s)
{
    for (size_t k = 0; k < s->waiting.n; k++) {
        work_task *t = s->waiting.items[k];
        for (int i = 0; i < t->n_args; i++) {
            if (!work_task_reads(t, i) || t->args[i].owner || !same_key(t->keys[i], s->key)) continue;
            t->args[i] = (tsr_bytes){.data = s->data, .size = s->size, .owner = buffer_ref(s->buf)};
            if (--t->n_missing == 0) worker_threads_add(w, t);
        }
    }
    VEC_FINI(&s->waiting);
}

stored *worker_result_keep(worker_tasks *w, tsr_key key, buffer *b, const char *data, size_t size)
{
    stored *s = worker_result_get(w, key);
    if (!s) return NULL;
    if (worker_result_is_here(s)) return s; /* it is the same */
    s->buf = buffer_ref(b);
    s->data = data;
    s->size = size;
    w->stored_bytes += size;
    buffer_claim(b, w->memory_use);
    give_arguments(w, s);
    worker_spill_used(w, s);
    return s;
}

void worker_result_loaded(worker_tasks *w, stored *s, buffer *b)
{
    if (!b) {
        s->holder = w->id;
        worker_fetch_failed(w, s);
        return;
    }
    (void)worker_result_keep(w, s->key, b, b->data, s->size);
    worker_answer_gets(s);
}

void worker_tasks_ran(worker_tasks *w, work_task *t, tsr_task_result *r, uint32_t micros)
{
    worker_task_unlist(w, t);
    w->tasks_done++;
    if (!atomic_load(&t->cancelled)) {
        bool good = r->buf || tasks_buffer_new(w->net, 0, &r->buf) == TSR_OK;
        if (good && !r->data) r->data = r->buf->data;
        good = good && worker_result_keep(w, t->key, r->buf, r->data, r->size);
        good = good &&
               worker_news_add(&w->ran, t->key, r->size, micros, t->carry && r->size <= TASKS_CARRIED_BYTES ? r->data : NULL);
        if (!good) worker_news_fault(w, t->key, TSR_ERR_MEMORY, tsr_error_message(), NULL, 0);
        worker_news_soon(w);
    }
    buffer_unref(r->buf);
    r->buf = NULL;
}

void worker_tasks_failed(worker_tasks *w, work_task *t, tsr_status status, const tsr_task_result *r)
{
    pthread_mutex_lock(&w->lock);
    worker_task_unlist(w, t);
    w->tasks_done++;
    if (!atomic_load(&t->cancelled)) {
        const char *text = r->text ? r->text : tsr_error_message();
        worker_news_fault(w, t->key, status, text[0] ? text : "the function failed and did not say why", r->details,
                          r->details_size);
    }
    pthread_mutex_unlock(&w->lock);
    work_task_free(t);
}
