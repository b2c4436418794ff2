/* The states of tasks. Each public function changes states, then makes what is on the list of work (RELEASED tasks whose results
 * are wanted again), then frees what is on the list of garbage (tasks that may not be needed any more): so no change happens
 * while another is being made. Lists run through the tasks; nothing here recurses, however deep tasks depend on each other.
 *
 * Invariants between public functions:
 * - n_waiting of a WAITING task is the number of its arguments that are not FINISHED, and more than 0;
 * - n_needed is the number of arguments through which tasks that are WAITING, READY or RUNNING refer to it;
 * - a FINISHED task has a holder; one that is RELEASED is neither wanted nor needed;
 * - no task is garbage, and what is garbage becomes needed at most, never wanted.
 *
 * One thread. */
#include "cluster/tasks.h"

static bool is_active(const task *t) { return t->state == TASK_WAITING || t->state == TASK_READY || t->state == TASK_RUNNING; }
static bool is_needed(const task *t) { return t->client || t->n_needed > 0; }

static void set_state(task *t, task_state s)
{
    if (t->batch) {
        t->batch->function->n_states[t->state]--;
        t->batch->function->n_states[s]++;
    }
    t->state = s;
}

static void tell(tasks *ts, const task *t)
{
    if (!t->client) return;
    task_client *c = ts->clients.items[t->client - 1];
    if (c->user) ts->ops.tell(ts->ops.context, c, t);
    if (!t->has_more_wants) return;
    for (const task_want *w = id_table_find(&ts->more_wants, task_number(t)); w; w = w->next)
        if (w->client->user) ts->ops.tell(ts->ops.context, w->client, t);
}

static void to_garbage(tasks *ts, task *t)
{
    if (t->garbage || is_needed(t)) return;
    t->garbage = true;
    t->next_garbage = ts->garbage;
    ts->garbage = task_number(t);
}

static void to_work(tasks *ts, task *t)
{
    if (t->listed) return;
    t->listed = true;
    t->next = ts->work;
    ts->work = task_number(t);
}

/* ---- Leaving states ---- */

static void leave_thread(tasks *ts, task_worker *w, const task *t)
{
    w->n_assigned--;
    w->queued_seconds -= t->estimate;
    if (w->n_assigned == 0) w->queued_seconds = 0;
    tasks_worker_changed(ts, w);
}

static void unassign(tasks *ts, task *t)
{
    task_worker *w = ts->workers.items[t->worker - 1];
    t->worker = 0;
    if (w && !t->seceded) leave_thread(ts, w, t);
    t->seceded = false;
    if (w && t->batch) tasks_rule_take(t->batch->rule, w, -1);
}

/* A worker that runs it since before it was known need not. */
static void drop_claim(tasks *ts, task *t, bool stop)
{
    task_worker *w = t->state != TASK_RUNNING ? tasks_runner(ts, t) : NULL;
    if (!w) return;
    t->worker = 0;
    t->seceded = false;
    if (stop) ts->ops.free(ts->ops.context, w, t);
}

/* Its arguments are not needed by it any more. */
static void drop_needs(tasks *ts, task *t)
{
    for (uint32_t i = 0; i < t->n_args; i++) {
        task *d = task_at(ts, task_args(t)[i].dep);
        if (!d) continue;
        d->n_needed--;
        to_garbage(ts, d);
    }
}

/* An active task becomes RELEASED; what runs it is told if `stop`. */
static void deactivate(tasks *ts, task *t, bool stop)
{
    if (t->queued) task_queue_remove(ts, t);
    if (t->state == TASK_READY) ts->n_ready--;
    if (t->state == TASK_RUNNING) {
        task_worker *w = ts->workers.items[t->worker - 1];
        unassign(ts, t);
        if (w && stop) ts->ops.free(ts->ops.context, w, t);
    }
    drop_claim(ts, t, stop);
    set_state(t, TASK_RELEASED);
    drop_needs(ts, t);
}

static void free_result(tasks *ts, task *t)
{
    for (size_t i = tasks_n_holders(ts, t); i-- > 0;) {
        task_worker *w = tasks_holder(ts, t, i);
        w->stored_bytes -= t->size < w->stored_bytes ? t->size : w->stored_bytes;
        ts->ops.free(ts->ops.context, w, t);
    }
    t->worker = 0;
    tasks_drop_copies(ts, t);
}

/* ---- Entering states ---- */

static void become_ready(tasks *ts, task *t)
{
    if (t->worker) {
        set_state(t, TASK_RUNNING);
        tasks_take_running(ts, t);
        return;
    }
    set_state(t, TASK_READY);
    ts->n_ready++;
    tasks_enqueue(ts, t, t->kills > 0);
}

/* An argument is no task's any more. */
static void unlink_arg(tasks *ts, const task_arg *a)
{
    *a->link = a->next;
    if (a->next) a->next->link = a->link;
    to_garbage(ts, task_at(ts, a->dep));
}

/* Its error, to be shared with others that fail of it. */
static task_error *error_of(const tasks *ts, const task *t)
{
    return t->has_error ? id_table_find(&ts->errors, task_number(t)) : NULL;
}

/* t and all that waits for it end in this state. */
static void fail(tasks *ts, task *t, task_state s, task_error *e)
{
    task_id list = 0;
    for (; t; t = task_at(ts, list)) {
        if (t->listed) list = t->next;
        t->listed = false;
        if (is_active(t)) deactivate(ts, t, true);
        drop_claim(ts, t, true);
        if (t->state == TASK_FINISHED) free_result(ts, t);
        set_state(t, s);
        if (e) e->refs++;
        tasks_set_error(ts, t, e);
        tell(ts, t);
        for (task_arg *a = t->dependents; a; a = a->next) {
            task *d = task_at(ts, a->owner);
            if (!is_active(d) || d->listed) continue;
            if (d->queued) task_queue_remove(ts, d); /* which uses `next`, too */
            d->listed = true;
            d->next = list;
            list = a->owner;
        }
        to_garbage(ts, t);
    }
}

void tasks_given(tasks *ts, task_worker *w, task *t)
{
    ts->n_ready--;
    t->worker = w->slot + 1;
    set_state(t, TASK_RUNNING);
    ts->ops.run(ts->ops.context, w, t);
}

static task_error *error_new(tsr_status status, const char *text, const void *details, size_t size)
{
    task_error *e = mem_calloc(1, sizeof *e);
    if (!e) return NULL;
    *e = (task_error){.refs = 1, .status = status, .text = text ? mem_strdup(text) : NULL};
    if (size) e->details = mem_alloc(size);
    if (e->details) {
        memcpy(e->details, details, size);
        e->details_size = size;
    }
    return e;
}

static void fail_with(tasks *ts, task *t, tsr_status status, const char *text, const void *details, size_t size)
{
    task_error *e = error_new(status, text, details, size);
    fail(ts, t, TASK_ERROR, e);
    task_error_unref(e);
}

static void finish(tasks *ts, task *t)
{
    tell(ts, t);
    for (task_arg *a = t->dependents; a; a = a->next) {
        task *d = task_at(ts, a->owner);
        if (d->state == TASK_WAITING && --d->n_waiting == 0) become_ready(ts, d);
    }
    to_garbage(ts, t);
}

/* ---- The lists ---- */

/* A RELEASED task is to be made: asks for its arguments. */
static void begin(tasks *ts, task *t)
{
    const task *bad = NULL;
    set_state(t, TASK_WAITING);
    t->n_waiting = 0;
    for (uint32_t i = 0; i < t->n_args; i++) {
        task *d = task_at(ts, task_args(t)[i].dep);
        if (!d) continue;
        d->n_needed++;
        if (d->state == TASK_FINISHED) continue;
        t->n_waiting++;
        if (d->state == TASK_RELEASED) to_work(ts, d);
        if (d->state == TASK_ERROR || d->state == TASK_CANCELLED || d->state == TASK_LOST) bad = d;
    }
    if (bad) {
        fail(ts, t, bad->state, error_of(ts, bad));
    } else if (t->n_waiting == 0) {
        become_ready(ts, t);
    }
}

static void do_work(tasks *ts)
{
    while (ts->work) {
        task *t = task_at(ts, ts->work);
        ts->work = t->next;
        t->listed = false;
        if (t->state != TASK_RELEASED || !is_needed(t)) continue;
        if (!t->batch) {
            fail(ts, t, TASK_LOST, NULL);
        } else if (t->kills >= TASKS_MAX_KILLS) {
            fail(ts, t, TASK_ERROR, error_of(ts, t));
        } else {
            begin(ts, t);
        }
    }
}

/* Nobody wants or needs it: its result goes, and it as well if no task was made from it. */
static void dispose(tasks *ts, task *t)
{
    if (is_active(t)) deactivate(ts, t, true);
    drop_claim(ts, t, true);
    if (t->state == TASK_FINISHED) {
        free_result(ts, t);
        set_state(t, t->batch ? TASK_RELEASED : TASK_LOST);
    }
    if (t->dependents) return;
    for (uint32_t i = 0; i < t->n_args; i++) {
        const task_arg *a = &task_args(t)[i];
        if (a->dep) unlink_arg(ts, a);
    }
    if (t->batch) {
        t->batch->function->n_states[t->state]--;
        tasks_batch_unref(ts, t->batch);
    }
    tasks_remove(ts, t);
}

static void settle(tasks *ts)
{
    do_work(ts);
    while (ts->garbage) {
        task *t = task_at(ts, ts->garbage);
        ts->garbage = t->next_garbage;
        if (ts->garbage) tasks_expect(ts, task_at(ts, ts->garbage)->key);
        t->next_garbage = 0;
        t->garbage = false;
        if (!is_needed(t)) dispose(ts, t);
    }
}

/* ---- Batches ---- */

tsr_status tasks_batch_new(tasks *ts, task_function *f, task_rule *rule, int32_t priority, unsigned retries, bool at_once,
                           buffer *payload, size_t n_args, task_batch **out)
{
    if (n_args > UINT32_MAX) return error_set(TSR_ERR_VALUE, "%zu arguments at once; at most %u", n_args, UINT32_MAX);
    task_batch *b = mem_alloc(sizeof *b);
    task_arg *args = b && n_args ? mem_alloc(n_args * sizeof *args) : NULL;
    if (!b || (n_args && !args)) {
        mem_free(b);
        return TSR_ERR_MEMORY;
    }
    *b = (task_batch){.refs = 1,
                      .number = ++ts->n_batches,
                      .function = f,
                      .rule = rule,
                      .priority = priority,
                      .retries = (uint8_t)(retries < 255 ? retries : 255),
                      .at_once = at_once,
                      .payload = payload ? buffer_ref(payload) : NULL,
                      .args = args};
    f->refs++;
    rule->refs++;
    *out = b;
    return TSR_OK;
}

static void share_unref(task_share *s)
{
    if (s && --s->refs == 0) mem_free(s);
}

/* The batch's tasks are the client's. */
static void set_share(task_client *c, task_batch *b)
{
    if (b->share) return;
    if (!c->share) c->share = mem_calloc(1, sizeof *c->share);
    if (!c->share) return;
    if (c->share->refs == 0) c->share->refs = 1;
    c->share->refs++;
    b->share = c->share;
}

void tasks_batch_unref(tasks *ts, task_batch *b)
{
    if (--b->refs > 0) return;
    tasks_function_unref(ts, b->function);
    tasks_rule_unref(ts, b->rule);
    share_unref(b->share);
    buffer_unref(b->payload);
    mem_free(b->args);
    mem_free(b);
}

/* ---- What clients ask for ---- */

/* Whether `goal` is among the tasks that `from` depends on. Only asked of tasks that others were made from before they were
 * submitted themselves. */
static tsr_status check_cycle(tasks *ts, const task *goal, size_t n, const task_input *inputs)
{
    VEC(const task *) stack = {0};
    tsr_status status = TSR_OK;
    size_t seen = 0;
    for (size_t i = 0; i < n && status == TSR_OK; i++) {
        const task *d = inputs[i].is_key ? tasks_find(ts, inputs[i].key) : NULL;
        if (d && !VEC_PUSH(&stack, d)) status = TSR_ERR_MEMORY;
    }
    while (status == TSR_OK && stack.n) {
        const task *t = stack.items[--stack.n];
        if (t == goal) status = error_set(TSR_ERR_VALUE, "a task would depend on its own result");
        if (++seen > 1000000)
            status = error_set(TSR_ERR_VALUE, "a task depends on too many others that were submitted before it");
        for (uint32_t i = 0; status == TSR_OK && i < t->n_args; i++) {
            const task *d = task_at(ts, task_args(t)[i].dep);
            if (d && !VEC_PUSH(&stack, d)) status = TSR_ERR_MEMORY;
        }
    }
    VEC_FINI(&stack);
    return status;
}

/* Says how t's result is made. */
static tsr_status define(tasks *ts, task *t, task_batch *b, task_arg *args, size_t n, const task_input *inputs)
{
    if (t->dependents) TRY(check_cycle(ts, t, n, inputs));
    for (size_t i = 0; i < n; i++) {
        if (inputs[i].is_key && inputs[i].key.low == t->key.low && inputs[i].key.high == t->key.high)
            return error_set(TSR_ERR_VALUE, "a task would depend on its own result");
    }
    for (size_t i = 0; i < n; i++) {
        args[i] = (task_arg){.offset = inputs[i].offset, .size = inputs[i].size};
        if (!inputs[i].is_key) continue;
        task *d = tasks_find(ts, inputs[i].key);
        if (!d) {
            d = tasks_get(ts, inputs[i].key);
            if (d) set_state(d, TASK_LOST); /* nobody wants it, so nobody will submit it */
        }
        if (!d) {
            while (i-- > 0)
                if (args[i].dep) unlink_arg(ts, &args[i]);
            return TSR_ERR_MEMORY;
        }
        args[i] = (task_arg){.dep = task_number(d), .owner = task_number(t), .next = d->dependents, .link = &d->dependents};
        if (d->dependents) d->dependents->link = &args[i].next;
        d->dependents = &args[i];
    }
    t->batch = b;
    b->refs++;
    b->function->n_states[t->state]++;
    t->args = n ? (uint32_t)(args - b->args) : 0;
    t->n_args = (uint32_t)n;
    t->retries = b->retries;
    return TSR_OK;
}

/* The client wants the task of this key, whatever that is. NULL: no memory. */
static task *wanted(tasks *ts, task_client *c, tsr_key key, bool *added)
{
    task *t = tasks_get(ts, key);
    if (!t || tasks_add_want(ts, c, t, added)) return t;
    to_garbage(ts, t);
    settle(ts);
    return NULL;
}

tsr_status tasks_submit(tasks *ts, task_client *c, task_batch *b, tsr_key key, task_arg *args, size_t n_inputs,
                        const task_input *inputs)
{
    bool added;
    tsr_status status = TSR_OK;
    task *t = wanted(ts, c, key, &added);
    if (!t) return TSR_ERR_MEMORY;
    set_share(c, b);
    if (!t->batch) status = define(ts, t, b, args, n_inputs, inputs);
    if (status != TSR_OK) {
        fail_with(ts, t, status, tsr_error_message(), NULL, 0);
        settle(ts);
        return status;
    }
    if (t->state == TASK_UNKNOWN || t->state == TASK_CANCELLED || t->state == TASK_LOST) set_state(t, TASK_RELEASED);
    if (t->state == TASK_RELEASED) {
        to_work(ts, t);
    } else if (added && (t->state == TASK_FINISHED || t->state == TASK_ERROR) && c->user) {
        ts->ops.tell(ts->ops.context, c, t);
    }
    settle(ts);
    return TSR_OK;
}

tsr_status tasks_want(tasks *ts, task_client *c, tsr_key key)
{
    bool added;
    task *t = wanted(ts, c, key, &added);
    if (!t) return TSR_ERR_MEMORY;
    if (t->state == TASK_RELEASED) {
        to_work(ts, t);
        do_work(ts);
    } else if (t->state >= TASK_FINISHED && c->user) {
        ts->ops.tell(ts->ops.context, c, t);
    }
    settle(ts);
    return TSR_OK;
}

void tasks_unwant(tasks *ts, task_client *c, tsr_key key)
{
    task *t = tasks_find(ts, key);
    if (!t || !tasks_wants(ts, c, t)) return;
    tasks_drop_want(ts, c, t);
    to_garbage(ts, t);
    settle(ts);
}

void tasks_client_lost(tasks *ts, task_client *c)
{
    for (task *t; (t = tasks_wanted(ts, c));) {
        tasks_drop_want(ts, c, t);
        to_garbage(ts, t);
    }
    tasks_client_forget(ts, c);
    share_unref(c->share);
    c->share = NULL;
    settle(ts);
}

void tasks_cancel(tasks *ts, task_client *c, tsr_key key, bool force)
{
    task *t = tasks_find(ts, key);
    if (!t || !tasks_wants(ts, c, t)) return;
    if (t->has_more_wants && !force) {
        tasks_drop_want(ts, c, t);
    } else if (t->state != TASK_ERROR && t->state != TASK_LOST) {
        fail(ts, t, TASK_CANCELLED, NULL);
    }
    settle(ts);
}

/* A task that failed is to be made again, if anybody wants it. */
static void revive(tasks *ts, task *t)
{
    tasks_set_error(ts, t, NULL);
    t->kills = 0;
    set_state(t, TASK_RELEASED);
    t->retries = t->batch->retries;
    tell(ts, t);
    if (is_needed(t)) to_work(ts, t);
}

static bool failed_of(const tasks *ts, const task *t, const task_error *e)
{
    return t->state == TASK_ERROR && tasks_error(ts, t) == e;
}

void tasks_retry(tasks *ts, tsr_key key)
{
    VEC(task *) found = {0};
    task *t = tasks_find(ts, key);
    if (!t || t->state != TASK_ERROR || !t->batch) return;
    task_error *e = error_of(ts, t);
    if (e) e->refs++;
    /* All that failed of the same: up and down the edges. */
    if (VEC_PUSH(&found, t)) revive(ts, t);
    while (e && found.n) {
        t = found.items[--found.n];
        for (uint32_t i = 0; i < t->n_args; i++) {
            task *d = task_at(ts, task_args(t)[i].dep);
            if (d && failed_of(ts, d, e) && d->batch && VEC_PUSH(&found, d)) revive(ts, d);
        }
        for (task_arg *a = t->dependents; a; a = a->next) {
            task *d = task_at(ts, a->owner);
            if (failed_of(ts, d, e) && VEC_PUSH(&found, d)) revive(ts, d);
        }
    }
    VEC_FINI(&found);
    task_error_unref(e);
    settle(ts);
}

/* ---- What workers report ---- */

static void learn(task_function *f, double seconds)
{
    if (!(seconds >= 0)) return;
    f->seconds = f->seconds < 0 ? (float)seconds : 0.8F * f->seconds + 0.2F * (float)seconds;
}

bool tasks_ran(tasks *ts, task_worker *w, tsr_key key, uint64_t size, double seconds)
{
    task *t = tasks_find(ts, key);
    if (seconds >= 0) {
        w->n_done++;
        w->last_done_ns = ts->ops.now_ns(ts->ops.context);
        w->recalled = w->blocked = false;
    }
    if (!t || t->state == TASK_RELEASED || t->state == TASK_ERROR || t->state == TASK_CANCELLED) return false;
    if (t->batch) learn(t->batch->function, seconds);
    if (tasks_holds(ts, t, w)) return true;
    if (t->state == TASK_FINISHED && !tasks_add_holder(ts, t, w)) return false;
    w->stored_bytes += size;
    if (t->state == TASK_FINISHED) return true;
    const task_worker *runner = tasks_runner(ts, t);
    const bool elsewhere = runner && runner != w;
    if (is_active(t)) deactivate(ts, t, elsewhere);
    drop_claim(ts, t, elsewhere);
    set_state(t, TASK_FINISHED);
    t->worker = w->slot + 1;
    t->size = size;
    finish(ts, t);
    settle(ts);
    return true;
}

void tasks_failed(tasks *ts, task_worker *w, tsr_key key, tsr_status status, const char *text, const void *details,
                  size_t details_size)
{
    task *t = tasks_find(ts, key);
    w->last_done_ns = ts->ops.now_ns(ts->ops.context);
    w->blocked = false;
    if (!t || tasks_runner(ts, t) != w) return;
    drop_claim(ts, t, false);
    if (t->state != TASK_RUNNING) return;
    if (t->retries > 0) {
        t->retries--;
        deactivate(ts, t, false);
        to_work(ts, t);
    } else {
        unassign(ts, t);
        set_state(t, TASK_WAITING); /* the worker has ended it by itself */
        fail_with(ts, t, status, text, details, details_size);
    }
    settle(ts);
}

void tasks_returned(tasks *ts, task_worker *w, tsr_key key)
{
    task *t = tasks_find(ts, key);
    w->recalled = false;
    w->last_done_ns = ts->ops.now_ns(ts->ops.context);
    if (!t || tasks_runner(ts, t) != w) return;
    drop_claim(ts, t, false);
    if (t->state != TASK_RUNNING) return;
    if (w->n_assigned <= (size_t)w->n_threads) {
        w->blocked = true;
        w->blocked_ns = w->last_done_ns;
    }
    deactivate(ts, t, false);
    to_work(ts, t);
    settle(ts);
}

void tasks_seceded(tasks *ts, task_worker *w, tsr_key key)
{
    task *t = tasks_find(ts, key);
    task_worker *runner = t ? tasks_runner(ts, t) : NULL;
    if (!runner || runner != w || t->seceded) return;
    if (t->state == TASK_RUNNING) leave_thread(ts, runner, t);
    t->seceded = true;
}

bool tasks_runs(tasks *ts, task_worker *w, tsr_key key)
{
    task *t = tasks_find(ts, key);
    if (!t || (t->state != TASK_UNKNOWN && !is_active(t))) return false;
    const task_worker *runner = tasks_runner(ts, t);
    if (runner) return runner == w;
    if (t->queued) task_queue_remove(ts, t);
    t->worker = w->slot + 1;
    if (t->state != TASK_READY) return true;
    ts->n_ready--;
    become_ready(ts, t);
    return true;
}

/* The last copy is gone. */
static void result_gone(tasks *ts, task *t)
{
    set_state(t, TASK_RELEASED);
    for (task_arg *a = t->dependents; a; a = a->next) {
        task *d = task_at(ts, a->owner);
        if (d->state == TASK_READY) {
            task_queue_remove(ts, d);
            ts->n_ready--;
            set_state(d, TASK_WAITING);
            d->n_waiting = 0;
        }
        if (d->state == TASK_WAITING) d->n_waiting++;
    }
    if (is_needed(t)) to_work(ts, t);
    to_garbage(ts, t);
}

void tasks_result_lost(tasks *ts, task_worker *w, tsr_key key)
{
    task *t = tasks_find(ts, key);
    if (!t || !tasks_holds(ts, t, w)) return;
    tasks_drop_holder(ts, t, w);
    w->stored_bytes -= t->size < w->stored_bytes ? t->size : w->stored_bytes;
    if (!t->worker) result_gone(ts, t);
    settle(ts);
}

/* "a, b" with one more behind; takes the first. */
static char *joined(char *before, const char *separator, const char *next)
{
    char *text = before ? mem_printf("%s%s%s", before, separator, next) : mem_strdup(next);
    mem_free(before);
    return text;
}

/* The error's text names the workers until there are enough of them to say so. */
static void say_deadly(const task *t, task_error *e)
{
    char *text =
        mem_printf("'%s' (key %016llx%016llx) was running on %d workers that were lost, one after the other: %s; it may be "
                   "what ended them%s%s",
                   task_name(t), (unsigned long long)t->key.high, (unsigned long long)t->key.low, TASKS_MAX_KILLS,
                   e->text ? e->text : "", e->logs ? "; " : "", e->logs ? e->logs : "");
    mem_free(e->text);
    e->text = text;
}

/* It was given to a worker that is gone. One that leaves is not its victim. */
static void killed(tasks *ts, task *t, const task_worker *w, const char *last_words)
{
    const task_error *before = tasks_error(ts, t);
    task_error *e = w->retiring ? NULL : error_new(TSR_ERR_IO, NULL, NULL, 0);
    if (!w->retiring) t->kills++;
    if (e) {
        if (before && before->text) e->text = mem_strdup(before->text);
        if (before && before->logs) e->logs = mem_strdup(before->logs);
        e->text = joined(e->text, ", ", w->name);
        if (last_words) e->logs = joined(e->logs, "; ", last_words);
        if (t->kills >= TASKS_MAX_KILLS) say_deadly(t, e);
        tasks_set_error(ts, t, e);
    }
    deactivate(ts, t, false);
    to_work(ts, t);
}

void tasks_worker_lost(tasks *ts, task_worker *w, const char *last_words)
{
    task_id at = 0;
    for (task *t; (t = tasks_next(ts, &at));) {
        const task_worker *runner = tasks_runner(ts, t);
        if (tasks_holds(ts, t, w)) {
            tasks_drop_holder(ts, t, w);
            if (!t->worker) result_gone(ts, t);
        } else if (runner && runner == w) {
            if (t->state == TASK_RUNNING) killed(ts, t, runner, last_words);
            drop_claim(ts, t, false);
        }
    }
    tasks_retire(ts, w);
    ts->workers.items[w->slot] = NULL;
    ts->n_workers--;
    tasks_worker_free(w);
    settle(ts);
}
