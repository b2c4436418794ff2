/* A worker's tasks: what the scheduler says, and what becomes of it; beginning and end.
 *
 * A task comes with RUN. Arguments that are results of other tasks are taken from the store or asked of the worker that has them;
 * when all are there, the task goes to the threads. Its result goes into the store, until the scheduler says FREE. Results that
 * were fetched stay as copies, of which the scheduler is told. What a peer does not give is reported as MISSING; the scheduler
 * knows what to do.
 *
 * Messages are handled on the I/O thread, which shares tasks and results with the threads under the lock of the worker; peers and
 * payloads on their way in are its own. Buffers are counted: a result that is freed stays as long as a task or a message uses it.
 */
#include "cluster/worker_tasks.h"
#include "base/os.h"

enum { FIRST_TABLE = 1024 };

/* ---- RUN ---- */

static work_function *find_function(const worker_tasks *w, uint64_t high, uint64_t low)
{
    for (work_function *f = w->functions; f; f = f->next)
        if (f->id.high == high && f->id.low == low) return f;
    return NULL;
}

static void took_function(worker_tasks *w, const net_message *m, buffer *code)
{
    Tessera__Futures__Function *f;
    if (tasks_wire_function(m, &f) != TSR_OK) return;
    if (!find_function(w, f->id_high, f->id_low)) {
        work_function *g;
        if (work_function_new(f, code, m->payload, m->payload ? m->payload_bytes : 0, &g) == TSR_OK) {
            g->next = w->functions;
            w->functions = g;
        }
    }
    tessera__futures__function__free_unpacked(f, NULL);
}

static void took_forget(worker_tasks *w, const net_message *m)
{
    Tessera__Futures__Function *f;
    if (tasks_wire_function(m, &f) != TSR_OK) return;
    for (work_function **at = &w->functions; *at; at = &(*at)->next) {
        work_function *g = *at;
        if (g->id.high != f->id_high || g->id.low != f->id_low) continue;
        *at = g->next;
        work_function_unref(g);
        break;
    }
    tessera__futures__function__free_unpacked(f, NULL);
}

/* Where the next task of a RUN begins in its columns. */
typedef struct cursor {
    size_t arg, key;
    uint64_t offset;
} cursor;

static work_task *new_task(const Tessera__Futures__Run *r, size_t i, work_function *f, buffer *payload, const char *data,
                           cursor *c)
{
    const size_t n = r->n_args[r->n_n_args == 1 ? 0 : i];
    bool results = false;
    for (size_t k = 0; k < n; k++) results |= r->arg_sizes[c->arg + k] == 0;
    work_task *t = mem_alloc(sizeof *t + n * (sizeof(tsr_bytes) + (results ? sizeof(tsr_key) : 0)));
    if (!t) return NULL;
    *t = (work_task){.key = tasks_wire_key(r->keys, i),
                     .function = f,
                     .priority = r->priority,
                     .n_args = (int)n,
                     .at_once = r->at_once,
                     .carry = r->carry,
                     .payload = payload ? buffer_ref(payload) : NULL,
                     .args = (tsr_bytes *)(t + 1)};
    atomic_fetch_add(&f->refs, 1);
    if (results) t->keys = (tsr_key *)(t->args + n);
    for (size_t k = 0; k < n; k++) {
        const uint64_t size = r->arg_sizes[c->arg++];
        if (results) t->keys[k] = size == 0 ? tasks_wire_key(r->arg_keys, c->key++) : (tsr_key){0};
        t->args[k] = (tsr_bytes){.data = size > 1 ? data + c->offset : NULL, .size = size ? size - 1 : 0};
        c->offset += size ? size - 1 : 0;
    }
    return t;
}

/* Gets its arguments, or asks for them. False: no memory. */
static bool gather_arguments(worker_tasks *w, work_task *t, const uint64_t *holders)
{
    size_t next = 0;
    bool good = true;
    for (int i = 0; i < t->n_args && good; i++) {
        if (!holders || !work_task_reads(t, i)) continue; /* a message without holders has no keys (tasks_wire.c) */
        const uint64_t holder = holders[next++];
        stored *s = worker_result_get(w, t->keys[i]);
        if (s && s->buf) {
            t->args[i] = (tsr_bytes){.data = s->data, .size = s->size, .owner = buffer_ref(s->buf)};
            worker_spill_used(w, s);
            continue;
        }
        good = s && VEC_PUSH(&s->waiting, t);
        if (good) t->n_missing++;
        if (good && s->spilled_at) good = worker_spill_load(w, s);
        if (good && !s->holder) s->holder = holder;
    }
    return good;
}

/* Asks for what nobody has asked for yet; a task whose argument cannot be asked for is gone afterwards. */
static void ask_for_arguments(worker_tasks *w, work_task *t)
{
    for (int i = 0; i < t->n_args; i++) {
        stored *s = work_task_reads(t, i) && !t->args[i].owner ? worker_result_find(w, t->keys[i]) : NULL;
        if (!s || s->asked || worker_result_is_here(s)) continue;
        s->asked = true;
        if (worker_fetch(w, s)) continue;
        worker_fetch_failed(w, s); /* t, too */
        return;
    }
}

static void took_run(worker_tasks *w, const net_message *m, buffer *payload)
{
    Tessera__Futures__Run *r;
    if (tasks_wire_run(m, &r) != TSR_OK) return;
    work_function *f = find_function(w, r->function_high, r->function_low);
    const size_t n = r->n_keys / 2;
    const bool room = VEC_RESERVE(&w->ready, w->n_tasks + n) && VEC_RESERVE(&w->at_once, w->n_tasks + n);
    cursor c = {0};
    for (size_t i = 0; i < n; i++) {
        const tsr_key key = tasks_wire_key(r->keys, i);
        const size_t first = c.key;
        if (!f || !room || (m->payload_bytes && !m->payload)) {
            worker_news_fault(w, key, f ? TSR_ERR_MEMORY : TSR_ERR_INTERNAL,
                              f ? "no memory for its arguments" : "its function is not known here", NULL, 0);
            continue;
        }
        work_task *t = new_task(r, i, f, payload, m->payload, &c);
        if (!t) {
            worker_news_fault(w, key, TSR_ERR_MEMORY, "no memory for its arguments", NULL, 0);
            break; /* the columns are out of step; the rest is given back below */
        }
        if (worker_task_find(w, key)) {
            work_task_free(t);
            continue;
        }
        t->order = w->order++;
        worker_task_add(w, t);
        if (!gather_arguments(w, t, r->arg_holders ? r->arg_holders + first : NULL)) {
            worker_news_fault(w, key, TSR_ERR_MEMORY, "no memory for its arguments", NULL, 0);
            worker_task_drop(w, t);
        } else if (t->n_missing) {
            ask_for_arguments(w, t);
        } else {
            worker_threads_add(w, t);
        }
    }
    tessera__futures__run__free_unpacked(r, NULL);
}

/* ---- Other messages of the scheduler's ---- */

static void took_free(worker_tasks *w, const net_message *m)
{
    Tessera__Futures__Keys *k;
    if (tasks_wire_keys(m, &k) != TSR_OK) return;
    for (size_t i = 0; i < k->n_keys / 2; i++) {
        const tsr_key key = tasks_wire_key(k->keys, i);
        work_task *t = worker_task_find(w, key);
        stored *s = worker_result_find(w, key);
        if (t && t->running) {
            atomic_store(&t->cancelled, true);
            worker_task_unlist(w, t);
        } else if (t) {
            worker_task_drop(w, t);
        }
        if (s && worker_result_is_here(s) && s->waiting.n)
            worker_fetch_failed(w, s);
        else if (s && worker_result_is_here(s))
            worker_result_remove(w, s);
    }
    tessera__futures__keys__free_unpacked(k, NULL);
}

/* Some tasks that were not begun go back. */
static void took_recall(worker_tasks *w, const net_message *m)
{
    Tessera__Futures__Ask *a;
    Tessera__Futures__Keys back = TESSERA__FUTURES__KEYS__INIT;
    tasks_column keys = {0};
    if (tasks_wire_ask(m, &a) != TSR_OK) return;
    for (int64_t i = 0; i < a->number; i++) {
        work_task *t = VEC_RESERVE(&keys, 2) ? worker_threads_take_last(w) : NULL;
        if (!t) break;
        (void)tasks_column_key(&keys, t->key);
        worker_task_unlist(w, t);
        work_task_free(t);
    }
    back.n_keys = keys.n;
    back.keys = keys.items;
    if (w->scheduler) tasks_wire_tell(w->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__RETURNED, &back.base, NULL);
    VEC_FINI(&keys);
    tessera__futures__ask__free_unpacked(a, NULL);
}

/* Takes the column. */
static void tell_keys(worker_tasks *w, uint32_t type, tasks_column *keys)
{
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    k.n_keys = keys->n;
    k.keys = keys->items;
    if (keys->n) tasks_wire_tell(w->scheduler, type, &k.base, NULL);
    VEC_FINI(keys);
}

void worker_tasks_scheduler_opened(worker_tasks *w, net_link *scheduler)
{
    pthread_mutex_lock(&w->lock);
    link_unref(w->scheduler);
    w->scheduler = link_ref(scheduler);
    w->ran.keys.n = w->ran.sizes.n = w->ran.micros.n = w->ran.carried.n = 0;
    w->ran.payload_bytes = 0;
    /* What runs goes on. What was not begun, others run now, or it is told again. */
    tasks_column running = {0}, seceded = {0};
    for (size_t i = 0; i < w->tasks_size; i++) {
        for (work_task *t = w->tasks[i], *next; t; t = next) {
            next = t->next;
            if (!t->running) {
                worker_task_drop(w, t);
            } else if (!tasks_column_key(&running, t->key) || (t->seceded && !tasks_column_key(&seceded, t->key))) {
                link_close(scheduler, "out of memory");
            }
        }
    }
    for (size_t i = 0; i < w->results_size; i++)
        for (const stored *s = w->results[i]; s; s = s->next)
            if (worker_result_is_here(s)) (void)worker_news_add(&w->have, s->key, s->size, 0, NULL);
    worker_news_send(w, &w->have, TESSERA__FUTURES__MESSAGE_TYPE__HAVE);
    tell_keys(w, TESSERA__FUTURES__MESSAGE_TYPE__RUNNING, &running);
    tell_keys(w, TESSERA__FUTURES__MESSAGE_TYPE__SECEDED, &seceded);
    pthread_mutex_unlock(&w->lock);
}

/* ---- All messages ---- */

char *worker_tasks_place(worker_tasks *w, net_link *l, const net_message *m, void **token)
{
    return tasks_intake_place(&w->intake, m, m->type >= TESSERA__FUTURES__MESSAGE_TYPE__GET ? SIZE_MAX : TASKS_MAX_ARGS_BYTES,
                              token);
}

bool worker_tasks_abandoned(worker_tasks *w, net_link *l, void *token) { return tasks_intake_abandoned(&w->intake, token); }

static void from_scheduler(worker_tasks *w, const net_message *m, buffer *b)
{
    switch (m->type) {
    case TESSERA__FUTURES__MESSAGE_TYPE__FUNCTION: took_function(w, m, b); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__FORGET: took_forget(w, m); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__RUN: took_run(w, m, b); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__FREE: took_free(w, m); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__RECALL: took_recall(w, m); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__COPY: worker_took_copy(w, m); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__PEERS: worker_took_peers(w, m); break;
    default: break; /* of a later version */
    }
}

void worker_tasks_message(worker_tasks *w, net_link *l, const net_message *m)
{
    buffer *b = tasks_intake_take(&w->intake, m);
    pthread_mutex_lock(&w->lock);
    switch (m->type) {
    case TESSERA__FUTURES__MESSAGE_TYPE__GET: worker_took_get(w, l, m); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__PUT: worker_took_put(w, l, m, b); break;
    case TESSERA__FUTURES__MESSAGE_TYPE__DATA:
    case TESSERA__FUTURES__MESSAGE_TYPE__NO_DATA: worker_took_data(w, l, m, b); break;
    default:
        if (l == w->scheduler) from_scheduler(w, m, b);
        break;
    }
    pthread_mutex_unlock(&w->lock);
    buffer_unref(b);
}

/* ---- Beginning and end ---- */

static tsr_status copy_texts(worker_tasks *w, const worker_tasks_options *o)
{
    if (o->scratch_dir) w->scratch_dir = mem_strdup(o->scratch_dir);
    if (o->task_folders) w->task_folders = mem_strdup(o->task_folders);
    const bool good = (!o->scratch_dir || w->scratch_dir) && (!o->task_folders || w->task_folders);
    return good ? TSR_OK : TSR_ERR_MEMORY;
}

tsr_status worker_tasks_make(const worker_tasks_options *o, worker_tasks **out)
{
    worker_tasks *w = mem_calloc(1, sizeof *w);
    if (!w) return TSR_ERR_MEMORY;
    pthread_cond_init(&w->disk, NULL);
    w->net = o->net;
    w->id = o->worker;
    w->n_threads = o->n_threads > 0 ? o->n_threads : os_n_cpus();
    w->memory_bytes = o->memory_bytes;
    w->memory_use = o->memory_use;
    if (o->runner) w->runner = *o->runner;
    w->log = o->log;
    w->log_context = o->log_context;
    w->intake.net = o->net;
    w->results_size = w->tasks_size = FIRST_TABLE;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    w->results = mem_calloc(FIRST_TABLE, sizeof *w->results);
    w->tasks = mem_calloc(FIRST_TABLE, sizeof *w->tasks);
    tsr_status status = w->results && w->tasks ? copy_texts(w, o) : TSR_ERR_MEMORY;
    if (status != TSR_OK) {
        worker_tasks_free(w);
        return status;
    }
    *out = w;
    return TSR_OK;
}

tsr_status worker_tasks_new(const worker_tasks_options *o, worker_tasks **out)
{
    TRY(worker_tasks_make(o, out));
    const tsr_status status = worker_threads_start(*out);
    if (status != TSR_OK) {
        worker_tasks_free(*out);
        *out = NULL;
    }
    return status;
}

void worker_tasks_end(worker_tasks *w)
{
    if (!w) return;
    worker_spill_stop(w);
    worker_threads_stop(w);
}

void worker_tasks_free(worker_tasks *w)
{
    if (!w) return;
    for (size_t i = 0; w->tasks && i < w->tasks_size; i++) {
        while (w->tasks[i]) {
            work_task *t = w->tasks[i];
            w->tasks[i] = t->next;
            work_task_free(t);
        }
    }
    for (size_t i = 0; w->results && i < w->results_size; i++)
        while (w->results[i]) worker_result_remove(w, w->results[i]);
    while (w->functions) {
        work_function *f = w->functions;
        w->functions = f->next;
        work_function_unref(f);
    }
    for (size_t i = 0; i < w->peers.n; i++) {
        link_unref(w->peers.items[i].link);
        mem_free(w->peers.items[i].address);
    }
    link_unref(w->scheduler);
    VEC_FINI(&w->peers);
    VEC_FINI(&w->ready);
    VEC_FINI(&w->at_once);
    worker_news_fini(&w->ran);
    worker_news_fini(&w->have);
    tasks_intake_fini(&w->intake);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->disk);
    scratch_close(w->scratch);
    VEC_FINI(&w->loads);
    mem_free(w->results);
    mem_free(w->tasks);
    mem_free(w->scratch_dir);
    mem_free(w->task_folders);
    mem_free(w);
}

worker_tasks_counts worker_tasks_count(worker_tasks *w)
{
    pthread_mutex_lock(&w->lock);
    const worker_tasks_counts c = {.spilled_bytes = w->spilled_bytes, .tasks_done = w->tasks_done};
    pthread_mutex_unlock(&w->lock);
    return c;
}
