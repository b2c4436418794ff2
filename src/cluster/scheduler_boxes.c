/* What the scheduler's tasks tell workers and clients. The state machine (tasks.h) says what it wants done through its
 * operations; each member has a box for it, which is sent when the message that led to it is dealt with. All on the I/O thread.
 */
#include "base/os.h"
#include "cluster/scheduler_tasks.h"

enum { BOX_TASKS = 1024, BOX_BYTES = 4 << 20 };

static void mark(scheduler_tasks *s, member *m)
{
    if (m->dirty) return;
    m->dirty = true;
    m->next_dirty = s->dirty;
    s->dirty = m;
}

static bool add_bytes(char **to, size_t *n, size_t *capacity, const char *data, size_t size)
{
    if (!vec_reserve((void **)to, capacity, *n + size, 1)) return false;
    if (size) memcpy(*to + *n, data, size);
    *n += size;
    return true;
}

void scheduler_out_of_memory(const member *m)
{
    if (m->link) link_close(m->link, "out of memory");
}

/* ---- To workers ---- */

/* The worker has heard of the function. */
static void tell_function(member *m, const task_function *f)
{
    known_function *k = f->user;
    const uint32_t slot = m->worker->slot;
    while (k->told.n <= slot)
        if (!VEC_PUSH(&k->told, 0)) return;
    if (k->told.items[slot]) return;
    k->told.items[slot] = 1;
    const net_payload p = {.buf = k->code, .data = k->code_data, .bytes = k->code_bytes};
    if (link_send(m->link, TESSERA__FUTURES__MESSAGE_TYPE__FUNCTION, k->head, k->head_bytes, k->code_bytes ? &p : NULL) ==
        TSR_ERR_MEMORY)
        scheduler_out_of_memory(m);
}

static void send_run(member *m)
{
    run_box *b = &m->run;
    if (!b->keys.n) return;
    Tessera__Futures__Run r = TESSERA__FUTURES__RUN__INIT;
    r.function_high = b->function->id.high;
    r.function_low = b->function->id.low;
    r.n_keys = b->keys.n;
    r.keys = b->keys.items;
    bool same = true;
    for (size_t i = 1; i < b->n_args.n && same; i++) same = b->n_args.items[i] == b->n_args.items[0];
    r.n_n_args = same ? 1 : b->n_args.n;
    r.n_args = b->n_args.items;
    r.n_arg_sizes = b->arg_sizes.n;
    r.arg_sizes = b->arg_sizes.items;
    r.n_arg_keys = b->arg_keys.n;
    r.arg_keys = b->arg_keys.items;
    r.n_arg_holders = b->holders.n;
    r.arg_holders = b->holders.items;
    r.priority = b->priority;
    r.at_once = b->at_once;
    r.carry = b->carry;
    tell_function(m, b->function);
    tasks_wire_tell(m->link, TESSERA__FUTURES__MESSAGE_TYPE__RUN, &r.base,
                    &(net_payload){.data = b->payload, .bytes = b->payload_bytes});
    b->keys.n = b->n_args.n = b->arg_sizes.n = b->arg_keys.n = b->holders.n = 0;
    b->payload_bytes = 0;
}

static void send_freed(member *m)
{
    if (!m->freed.n) return;
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    k.n_keys = m->freed.n;
    k.keys = m->freed.items;
    tasks_wire_tell(m->link, TESSERA__FUTURES__MESSAGE_TYPE__FREE, &k.base, NULL);
    m->freed.n = 0;
}

static void send_told(member *m)
{
    told_box *b = &m->told;
    if (!b->keys.n) return;
    Tessera__Futures__Finished f = TESSERA__FUTURES__FINISHED__INIT;
    f.n_keys = b->keys.n;
    f.keys = b->keys.items;
    f.n_sizes = b->sizes.n;
    f.sizes = b->sizes.items;
    f.n_holders = b->holders.n;
    f.holders = b->holders.items;
    f.n_carried = b->carried.n;
    f.carried = b->carried.items;
    tasks_wire_tell(m->link, TESSERA__FUTURES__MESSAGE_TYPE__FINISHED, &f.base,
                    &(net_payload){.data = b->payload, .bytes = b->payload_bytes});
    b->keys.n = b->sizes.n = b->holders.n = b->carried.n = 0;
    b->payload_bytes = 0;
}

void scheduler_tasks_flush(scheduler_tasks *s)
{
    while (s->dirty) {
        member *m = s->dirty;
        s->dirty = m->next_dirty;
        m->dirty = false;
        /* What is freed comes first: the same key may be run again. */
        send_freed(m);
        send_run(m);
        send_told(m);
    }
}

/* Adds a task to what the worker is to run. */
static bool add_run(const tasks *ts, run_box *b, const task *t)
{
    if (!tasks_column_key(&b->keys, t->key) || !VEC_PUSH(&b->n_args, t->n_args)) return false;
    for (uint32_t i = 0; i < t->n_args; i++) {
        const task_arg *a = &task_args(t)[i];
        if (!VEC_PUSH(&b->arg_sizes, a->dep ? 0 : a->size + 1)) return false;
        if (a->dep) {
            const task *d = task_at(ts, a->dep);
            const task_worker *h = tasks_n_holders(ts, d) ? tasks_holder(ts, d, 0) : NULL;
            if (!tasks_column_key(&b->arg_keys, d->key) || !VEC_PUSH(&b->holders, h ? h->id : 0)) return false;
        } else if (a->size && !add_bytes(&b->payload, &b->payload_bytes, &b->payload_capacity,
                                         t->batch->payload->data + a->offset, a->size)) {
            return false;
        }
    }
    return true;
}

static void on_run(void *context, task_worker *w, task *t)
{
    scheduler_tasks *s = context;
    member *m = w->user;
    run_box *b = &m->run;
    const task_batch *batch = t->batch;
    const bool carry = t->client != 0;
    if (b->keys.n && (b->function != batch->function || b->priority != batch->priority || b->at_once != batch->at_once ||
                      b->carry != carry || b->keys.n >= 2 * BOX_TASKS || b->payload_bytes >= BOX_BYTES)) {
        send_freed(m);
        send_run(m);
    }
    b->function = batch->function;
    b->priority = batch->priority;
    b->at_once = batch->at_once;
    b->carry = carry;
    if (!add_run(&s->ts, b, t)) scheduler_out_of_memory(m);
    mark(s, m);
}

void scheduler_tasks_free_copy(scheduler_tasks *s, task_worker *w, tsr_key key)
{
    member *m = w->user;
    if (!tasks_column_key(&m->freed, key)) scheduler_out_of_memory(m);
    mark(s, m);
}

static void on_free(void *context, task_worker *w, const task *t) { scheduler_tasks_free_copy(context, w, t->key); }

void scheduler_tasks_send_copy(scheduler_tasks *s, task_worker *to, const task *t)
{
    uint64_t key[2] = {t->key.high, t->key.low}, holder = tasks_holder(&s->ts, t, 0)->id;
    Tessera__Futures__Copy c = TESSERA__FUTURES__COPY__INIT;
    c.n_keys = 2;
    c.keys = key;
    c.n_holders = 1;
    c.holders = &holder;
    tasks_wire_tell(((member *)to->user)->link, TESSERA__FUTURES__MESSAGE_TYPE__COPY, &c.base, NULL);
}

/* ---- To clients ---- */

void scheduler_tell_erred(net_link *l, tsr_key key, tsr_status status, const char *text, const void *details, size_t size)
{
    Tessera__Futures__Erred e = TESSERA__FUTURES__ERRED__INIT;
    e.key_high = key.high;
    e.key_low = key.low;
    e.status = status;
    e.text = (char *)(uintptr_t)text;
    tasks_wire_tell(l, TESSERA__FUTURES__MESSAGE_TYPE__ERRED, &e.base, &(net_payload){.data = details, .bytes = size});
}

static void tell_state(net_link *l, const task *t)
{
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    uint64_t key[2] = {t->key.high, t->key.low};
    k.n_keys = 2;
    k.keys = key;
    k.state = t->state == TASK_CANCELLED ? TSR_FUTURE_CANCELLED : t->state == TASK_LOST ? TSR_FUTURE_LOST : TSR_FUTURE_PENDING;
    tasks_wire_tell(l, TESSERA__FUTURES__MESSAGE_TYPE__STATE, &k.base, NULL);
}

static void tell_finished(scheduler_tasks *s, member *m, const task *t)
{
    told_box *b = &m->told;
    const bool carried = s->carried && s->carried_key.low == t->key.low && s->carried_key.high == t->key.high;
    if (!tasks_column_key(&b->keys, t->key) || !VEC_PUSH(&b->sizes, t->size) ||
        !VEC_PUSH(&b->holders, tasks_holder(&s->ts, t, 0)->id) || !VEC_PUSH(&b->carried, carried) ||
        (carried && !add_bytes(&b->payload, &b->payload_bytes, &b->payload_capacity, s->carried, t->size))) {
        scheduler_out_of_memory(m);
    }
    if (b->payload_bytes >= BOX_BYTES || b->carried.n >= 8 * BOX_TASKS) send_told(m);
    mark(s, m);
}

static void on_tell(void *context, task_client *c, const task *t)
{
    scheduler_tasks *s = context;
    member *m = c->user;
    if (t->state == TASK_FINISHED) {
        tell_finished(s, m, t);
        return;
    }
    send_told(m);
    if (t->state == TASK_ERROR) {
        const task_error *e = tasks_error(&s->ts, t);
        scheduler_tell_erred(m->link, t->key, e ? e->status : TSR_ERR_MEMORY, e && e->text ? e->text : "out of memory",
                             e ? e->details : NULL, e ? e->details_size : 0);
    } else {
        tell_state(m->link, t);
    }
}

static void on_function_free(void *context, task_function *f)
{
    scheduler_tasks *s = context;
    known_function *k = f->user;
    Tessera__Futures__Function gone = TESSERA__FUTURES__FUNCTION__INIT;
    gone.id_high = f->id.high;
    gone.id_low = f->id.low;
    for (size_t i = 0; i < k->told.n; i++) {
        const task_worker *w = k->told.items[i] && i < s->ts.workers.n ? s->ts.workers.items[i] : NULL;
        if (w) tasks_wire_tell(((member *)w->user)->link, TESSERA__FUTURES__MESSAGE_TYPE__FORGET, &gone.base, NULL);
    }
    VEC_FINI(&k->told);
    buffer_unref(k->code);
    mem_free(k->head);
    mem_free(k);
}

static int64_t on_now(void *context) { return os_now_ns(); }

const tasks_ops scheduler_tasks_ops = {
    .run = on_run, .free = on_free, .tell = on_tell, .function_free = on_function_free, .now_ns = on_now};
