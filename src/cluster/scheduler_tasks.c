/* The scheduler's tasks on the network: messages of clients and workers become events of the state machine (tasks.h), and what
 * that wants done is gathered in a box for each member (scheduler_boxes.c), which is sent when the message is dealt with. So a
 * message of a thousand tasks leads to a few messages. All on the I/O thread. */
#include "cluster/scheduler_tasks.h"
#include "base/os.h"

enum { TICK_MS = 100, GRACE_TICKS = 600, MAX_FUNCTIONS = 1 << 20 };

static member *find_member(scheduler_tasks *s, const net_link *l)
{
    if (s->last && s->last->link == l) return s->last;
    for (member *m = s->members; m; m = m->next)
        if (m->link == l) return s->last = m;
    return NULL;
}

/* Tasks that a client of an earlier scheduler submits again may run, or have run, on workers that are not here yet. */
static void assign(scheduler_tasks *s)
{
    if (s->holds && s->ticks < SCHEDULER_HOLD_TICKS && !s->is_complete) return;
    s->holds = false;
    if (s->n_resubmitting > 0 && s->ticks < s->resubmit_until) return;
    tasks_assign(&s->ts);
}

/* ---- What clients send ---- */

tsr_status scheduler_took_function(scheduler_tasks *s, member *m, const net_message *msg, buffer *code)
{
    Tessera__Futures__Function *f;
    TRY(tasks_wire_function(msg, &f));
    const hash128 id = {.high = f->id_high, .low = f->id_low};
    tsr_status status = TSR_OK;
    task_function *known = tasks_function_find(&s->ts, id);
    if (m->functions.n >= MAX_FUNCTIONS || (msg->payload_bytes && !msg->payload)) {
        status = error_set(TSR_ERR_VALUE, "too many functions, or one of %zu bytes", msg->payload_bytes);
    } else if (known) {
        known->refs++;
    } else {
        known_function *k = mem_calloc(1, sizeof *k);
        if (k) k->head = mem_alloc(msg->head_bytes);
        status = k && k->head ? TSR_OK : TSR_ERR_MEMORY;
        if (status == TSR_OK) {
            memcpy(k->head, msg->head, msg->head_bytes);
            k->head_bytes = msg->head_bytes;
            k->code = code ? buffer_ref(code) : NULL;
            k->code_data = msg->payload;
            k->code_bytes = code ? msg->payload_bytes : 0;
            status = tasks_function_add(&s->ts, id, f->name[0] ? f->name : f->symbol,
                                        f->kind == TSR_TASK_FOREIGN ? f->runs : NULL, k, &known);
        }
        if (status != TSR_OK && k) {
            buffer_unref(k->code);
            mem_free(k->head);
            mem_free(k);
        }
    }
    tessera__futures__function__free_unpacked(f, NULL);
    if (status == TSR_OK && !VEC_PUSH(&m->functions, known)) {
        tasks_function_unref(&s->ts, known);
        status = TSR_ERR_MEMORY;
    }
    return status;
}

static tsr_status get_rule(scheduler_tasks *s, const Tessera__Futures__Tasks *t, const task_function *f, task_rule **out)
{
    task_resource list[64]; /* tasks_wire_tasks has checked that there are not more */
    for (size_t i = 0; i < t->n_resources; i++) list[i] = (task_resource){t->resources[i]->name, t->resources[i]->amount};
    return tasks_rule_get(&s->ts, f->runs, t->n_workers, t->workers, t->others_too, t->n_resources, list, out);
}

/* The tasks of a message, with the batch that they share. */
static void submit_tasks(scheduler_tasks *s, member *m, const Tessera__Futures__Tasks *t, task_batch *b, size_t skipped)
{
    VEC(task_input) inputs = {0};
    size_t arg = 0, next_key = 0;
    uint64_t offset = skipped;
    for (size_t i = 0; i < t->n_keys / 2; i++) {
        if (i + TASKS_EXPECTED < t->n_keys / 2) tasks_expect(&s->ts, tasks_wire_key(t->keys, i + TASKS_EXPECTED));
        const size_t n = t->n_args[t->n_n_args == 1 ? 0 : i];
        if (!VEC_RESERVE(&inputs, n - (n < inputs.n ? n : inputs.n))) break;
        for (size_t k = 0; k < n; k++) {
            const uint64_t size = t->arg_sizes[arg + k];
            inputs.items[k] = size == 0 ? (task_input){.is_key = true, .key = tasks_wire_key(t->arg_keys, next_key++)}
                                        : (task_input){.offset = offset, .size = size - 1};
            offset += size ? size - 1 : 0;
        }
        /* A failure is told by the state of the task. */
        const tsr_status status =
            tasks_submit(&s->ts, &m->client, b, tasks_wire_key(t->keys, i), n ? b->args + arg : NULL, n, inputs.items);
        if (status == TSR_ERR_MEMORY) scheduler_out_of_memory(m);
        arg += n;
    }
    VEC_FINI(&inputs);
}

tsr_status scheduler_took_tasks(scheduler_tasks *s, member *m, const net_message *msg, buffer *payload)
{
    Tessera__Futures__Tasks *t;
    task_rule *rule = NULL;
    task_batch *b = NULL;
    TRY(tasks_wire_tasks(msg, &t));
    task_function *f = tasks_function_find(&s->ts, (hash128){.high = t->function_high, .low = t->function_low});
    tsr_status status = f ? TSR_OK : error_set(TSR_ERR_FORMAT, "tasks of a function that is not known");
    if (msg->payload_bytes && !msg->payload)
        status = error_set(TSR_ERR_MEMORY, "no memory for arguments of %zu bytes", msg->payload_bytes);
    if (status == TSR_OK) status = get_rule(s, t, f, &rule);
    if (status == TSR_OK)
        status = tasks_batch_new(&s->ts, f, rule, t->priority, t->retries, t->at_once, payload, t->n_arg_sizes, &b);
    if (status == TSR_OK) {
        submit_tasks(s, m, t, b, payload ? (size_t)(msg->payload - payload->data) : 0);
        tasks_batch_unref(&s->ts, b);
    } else {
        char *text = mem_strdup(tsr_error_message());
        for (size_t i = 0; m->link && i < t->n_keys / 2; i++)
            scheduler_tell_erred(m->link, tasks_wire_key(t->keys, i), status, text ? text : "", NULL, 0);
        mem_free(text);
    }
    if (rule) tasks_rule_unref(&s->ts, rule);
    tessera__futures__tasks__free_unpacked(t, NULL);
    return m->link ? TSR_OK : status;
}

static tsr_status took_keys(scheduler_tasks *s, member *m, const net_message *msg)
{
    Tessera__Futures__Keys *k;
    TRY(tasks_wire_keys(msg, &k));
    for (size_t i = 0; i < k->n_keys / 2; i++) {
        const tsr_key key = tasks_wire_key(k->keys, i);
        if (i + TASKS_EXPECTED < k->n_keys / 2) tasks_expect(&s->ts, tasks_wire_key(k->keys, i + TASKS_EXPECTED));
        switch (msg->type) {
        case TESSERA__FUTURES__MESSAGE_TYPE__WANT:
            if (tasks_want(&s->ts, &m->client, key) != TSR_OK) scheduler_out_of_memory(m);
            break;
        case TESSERA__FUTURES__MESSAGE_TYPE__UNWANT: tasks_unwant(&s->ts, &m->client, key); break;
        case TESSERA__FUTURES__MESSAGE_TYPE__CANCEL: tasks_cancel(&s->ts, &m->client, key, k->force); break;
        default: tasks_retry(&s->ts, key); break;
        }
    }
    tessera__futures__keys__free_unpacked(k, NULL);
    return TSR_OK;
}

static tsr_status took_ask(scheduler_tasks *s, member *m, const net_message *msg, buffer *value)
{
    Tessera__Futures__Ask *a;
    if (!m->session) return error_set(TSR_ERR_FORMAT, "a session that goes on over another connection");
    TRY(tasks_wire_ask(msg, &a));
    if (msg->type == TESSERA__FUTURES__MESSAGE_TYPE__GIVE_UP) {
        scheduler_gave_up(s, m, a->request);
        tessera__futures__ask__free_unpacked(a, NULL);
    } else {
        scheduler_asked(s, m, a, value, msg->payload, msg->payload ? msg->payload_bytes : 0);
    }
    return TSR_OK;
}

static tsr_status from_client(scheduler_tasks *s, member *m, const net_message *msg, buffer *b)
{
    switch (msg->type) {
    case TESSERA__FUTURES__MESSAGE_TYPE__FUNCTION: return scheduler_took_function(s, m, msg, b);
    case TESSERA__FUTURES__MESSAGE_TYPE__TASKS: return scheduler_took_tasks(s, m, msg, b);
    case TESSERA__FUTURES__MESSAGE_TYPE__WANT:
    case TESSERA__FUTURES__MESSAGE_TYPE__UNWANT:
    case TESSERA__FUTURES__MESSAGE_TYPE__CANCEL:
    case TESSERA__FUTURES__MESSAGE_TYPE__RETRY: return took_keys(s, m, msg);
    case TESSERA__FUTURES__MESSAGE_TYPE__ASK:
    case TESSERA__FUTURES__MESSAGE_TYPE__GIVE_UP: return took_ask(s, m, msg, b);
    case TESSERA__FUTURES__MESSAGE_TYPE__SESSION: return scheduler_session_said(s, m, msg);
    default: return error_set(TSR_ERR_FORMAT, "a message of type %u about tasks from a client", msg->type);
    }
}

/* ---- What workers send ---- */

static tsr_status took_ran(scheduler_tasks *s, member *m, const net_message *msg)
{
    Tessera__Futures__Finished *f;
    size_t offset = 0;
    TRY(tasks_wire_finished(msg, &f));
    const bool ran = msg->type == TESSERA__FUTURES__MESSAGE_TYPE__RAN;
    const size_t n = f->n_keys / 2;
    for (size_t i = 0; i < n; i++) {
        const tsr_key key = tasks_wire_key(f->keys, i);
        if (i + TASKS_EXPECTED < n) tasks_expect(&s->ts, tasks_wire_key(f->keys, i + TASKS_EXPECTED));
        const bool carried = f->n_carried && f->carried[i] && (msg->payload || f->sizes[i] == 0);
        s->carried_key = key;
        s->carried = carried ? (msg->payload ? msg->payload + offset : "") : NULL;
        if (carried) offset += f->sizes[i];
        if (!ran && !tasks_find(&s->ts, key) && s->ticks < GRACE_TICKS) (void)!tasks_want(&s->ts, &s->ts.grace, key);
        if (!tasks_ran(&s->ts, m->worker, key, f->sizes[i], ran ? (f->n_micros ? f->micros[i] * 1e-6 : 0) : -1))
            scheduler_tasks_free_copy(s, m->worker, key);
        if (!ran) scheduler_moved(s, m->worker, key);
    }
    s->carried = NULL;
    tessera__futures__finished__free_unpacked(f, NULL);
    if (!ran) scheduler_asks_poll(s);
    return TSR_OK;
}

static tsr_status took_fault(scheduler_tasks *s, member *m, const net_message *msg)
{
    Tessera__Futures__Erred *e;
    TRY(tasks_wire_erred(msg, &e));
    const tsr_status status = e->status > TSR_OK && e->status <= TSR_ERR_TIMEOUT ? (tsr_status)e->status : TSR_ERR_INTERNAL;
    tasks_failed(&s->ts, m->worker, (tsr_key){.high = e->key_high, .low = e->key_low}, status, e->text, msg->payload,
                 msg->payload ? msg->payload_bytes : 0);
    tessera__futures__erred__free_unpacked(e, NULL);
    return TSR_OK;
}

static tsr_status took_missing(scheduler_tasks *s, member *m, const net_message *msg)
{
    Tessera__Futures__Missing *x;
    TRY(tasks_wire_missing(msg, &x));
    const tsr_key arg = {.high = x->arg_high, .low = x->arg_low};
    for (size_t i = 0; i < s->ts.workers.n; i++) {
        task_worker *w = s->ts.workers.items[i];
        const task *t = w && w->id == x->holder ? tasks_find(&s->ts, arg) : NULL;
        if (!t || !tasks_holds(&s->ts, t, w)) continue;
        scheduler_tasks_free_copy(s, w, arg);
        tasks_result_lost(&s->ts, w, arg);
    }
    tasks_returned(&s->ts, m->worker, (tsr_key){.high = x->key_high, .low = x->key_low});
    tessera__futures__missing__free_unpacked(x, NULL);
    return TSR_OK;
}

/* The clients that want it may not have come back yet. */
static void took_running(scheduler_tasks *s, const member *m, tsr_key key)
{
    if (s->ticks < GRACE_TICKS && !tasks_find(&s->ts, key)) (void)!tasks_want(&s->ts, &s->ts.grace, key);
    const task *t = tasks_find(&s->ts, key);
    if (!tasks_runs(&s->ts, m->worker, key) && !(t && tasks_holds(&s->ts, t, m->worker)))
        scheduler_tasks_free_copy(s, m->worker, key);
}

static tsr_status took_back(scheduler_tasks *s, member *m, const net_message *msg)
{
    Tessera__Futures__Keys *k;
    TRY(tasks_wire_keys(msg, &k));
    if (msg->type == TESSERA__FUTURES__MESSAGE_TYPE__RETURNED) m->worker->recalled = false;
    for (size_t i = 0; i < k->n_keys / 2; i++) {
        if (msg->type == TESSERA__FUTURES__MESSAGE_TYPE__RETURNED) {
            tasks_returned(&s->ts, m->worker, tasks_wire_key(k->keys, i));
        } else if (msg->type == TESSERA__FUTURES__MESSAGE_TYPE__RUNNING) {
            took_running(s, m, tasks_wire_key(k->keys, i));
        } else if (msg->type == TESSERA__FUTURES__MESSAGE_TYPE__SECEDED) {
            tasks_seceded(&s->ts, m->worker, tasks_wire_key(k->keys, i));
        } else {
            tasks_result_lost(&s->ts, m->worker, tasks_wire_key(k->keys, i));
        }
    }
    tessera__futures__keys__free_unpacked(k, NULL);
    return TSR_OK;
}

static tsr_status from_worker(scheduler_tasks *s, member *m, const net_message *msg)
{
    switch (msg->type) {
    case TESSERA__FUTURES__MESSAGE_TYPE__RAN:
    case TESSERA__FUTURES__MESSAGE_TYPE__HAVE: return took_ran(s, m, msg);
    case TESSERA__FUTURES__MESSAGE_TYPE__FAULT: return took_fault(s, m, msg);
    case TESSERA__FUTURES__MESSAGE_TYPE__MISSING: return took_missing(s, m, msg);
    case TESSERA__FUTURES__MESSAGE_TYPE__RETURNED:
    case TESSERA__FUTURES__MESSAGE_TYPE__SECEDED:
    case TESSERA__FUTURES__MESSAGE_TYPE__RUNNING:
    case TESSERA__FUTURES__MESSAGE_TYPE__LOST: return took_back(s, m, msg);
    default: return error_set(TSR_ERR_FORMAT, "a message of type %u about tasks from a worker", msg->type);
    }
}

char *scheduler_tasks_place(scheduler_tasks *s, net_link *l, const net_message *m, void **token)
{
    return tasks_intake_place(&s->intake, m, TASKS_MAX_ARGS_BYTES, token);
}

bool scheduler_tasks_abandoned(scheduler_tasks *s, net_link *l, void *token) { return tasks_intake_abandoned(&s->intake, token); }

void scheduler_tasks_message(scheduler_tasks *s, net_link *l, const net_message *msg)
{
    member *m = find_member(s, l);
    buffer *b = tasks_intake_take(&s->intake, msg);
    if (m) {
        const tsr_status status = m->worker ? from_worker(s, m, msg) : from_client(s, m, msg, b);
        if (status != TSR_OK) link_close(l, tsr_error_message());
        assign(s);
        scheduler_tasks_flush(s);
    }
    buffer_unref(b);
}

/* ---- Members ---- */

static void send_peers(net_link *l, const task_worker *const *workers, size_t n, bool gone)
{
    Tessera__Futures__Peers list = TESSERA__FUTURES__PEERS__INIT;
    Tessera__Futures__Peer *peers = mem_calloc(n + 1, sizeof *peers), **at = mem_calloc(n + 1, sizeof *at);
    for (size_t i = 0; peers && at && i < n; i++) {
        if (!workers[i]) continue;
        Tessera__Futures__Peer *p = &peers[list.n_peers];
        tessera__futures__peer__init(p);
        p->worker = workers[i]->id;
        p->name = workers[i]->name;
        p->address = workers[i]->address;
        p->gone = gone;
        at[list.n_peers++] = p;
    }
    list.peers = at;
    if (list.n_peers) tasks_wire_tell(l, TESSERA__FUTURES__MESSAGE_TYPE__PEERS, &list.base, NULL);
    mem_free(peers);
    mem_free(at);
}

static member *add_member(scheduler_tasks *s, net_link *l)
{
    member *m = mem_calloc(1, sizeof *m);
    if (!m) {
        link_close(l, "out of memory");
        return NULL;
    }
    m->link = link_ref(l);
    m->client.user = m;
    m->next = s->members;
    s->members = m;
    send_peers(l, (const task_worker *const *)s->ts.workers.items, s->ts.workers.n, false);
    return m;
}

/* From now on nobody finds it. */
static void unlist_member(scheduler_tasks *s, member *m)
{
    member **at = &s->members;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    for (at = &s->dirty; *at;) {
        if (*at == m) {
            *at = m->next_dirty;
        } else {
            at = &(*at)->next_dirty;
        }
    }
    m->dirty = false;
    if (s->last == m) s->last = NULL;
}

void scheduler_member_fini(scheduler_tasks *s, member *m)
{
    for (size_t i = 0; i < m->functions.n; i++) tasks_function_unref(&s->ts, m->functions.items[i]);
    VEC_FINI(&m->functions);
    VEC_FINI(&m->run.keys);
    VEC_FINI(&m->run.arg_sizes);
    VEC_FINI(&m->run.arg_keys);
    VEC_FINI(&m->run.holders);
    VEC_FINI(&m->run.n_args);
    VEC_FINI(&m->freed);
    VEC_FINI(&m->told.keys);
    VEC_FINI(&m->told.sizes);
    VEC_FINI(&m->told.holders);
    VEC_FINI(&m->told.carried);
    mem_free(m->run.payload);
    mem_free(m->told.payload);
    link_unref(m->link);
    mem_free(m);
}

static void free_member(scheduler_tasks *s, member *m)
{
    unlist_member(s, m);
    scheduler_member_fini(s, m);
}

void scheduler_tasks_worker_joined(scheduler_tasks *s, net_link *l, const scheduler_tasks_worker *w)
{
    if (find_member(s, l)) scheduler_tasks_worker_lost(s, l, NULL);
    task_resource *resources = mem_calloc((size_t)w->n_resources + 1, sizeof *resources);
    member *m = resources ? add_member(s, l) : NULL;
    for (int i = 0; m && i < w->n_resources; i++) resources[i] = (task_resource){w->resource_names[i], w->resource_amounts[i]};
    const task_worker_facts facts = {.id = w->id,
                                     .name = w->name,
                                     .address = w->address,
                                     .runs = w->runs,
                                     .n_threads = w->n_threads,
                                     .memory_bytes = w->memory_bytes,
                                     .n_resources = (size_t)w->n_resources,
                                     .resources = resources,
                                     .user = m};
    if (m && tasks_worker_add(&s->ts, &facts, &m->worker) != TSR_OK) {
        free_member(s, m);
        link_close(l, "out of memory");
        m = NULL;
    }
    mem_free(resources);
    if (!m) return;
    const task_worker *const one[] = {m->worker};
    for (const member *other = s->members; other; other = other->next) send_peers(other->link, one, 1, false);
    scheduler_asks_poll(s);
    assign(s);
    scheduler_tasks_flush(s);
}

void scheduler_tasks_worker_lost(scheduler_tasks *s, net_link *l, const char *last_words)
{
    member *m = find_member(s, l);
    if (!m || !m->worker) return;
    task_worker *w = m->worker;
    for (const member *other = s->members; other; other = other->next)
        if (other != m) send_peers(other->link, (const task_worker *const[]){w}, 1, true);
    for (size_t i = 0; i < s->ts.functions_size; i++) {
        for (const task_function *f = s->ts.functions[i]; f; f = f->next) {
            known_function *k = f->user;
            if (k && w->slot < k->told.n) k->told.items[w->slot] = 0;
        }
    }
    tasks_worker_lost(&s->ts, w, last_words);
    m->worker = NULL;
    free_member(s, m);
    scheduler_asks_poll(s);
    assign(s);
    scheduler_tasks_flush(s);
}

void scheduler_tasks_client_joined(scheduler_tasks *s, net_link *l)
{
    member *m = find_member(s, l) ? NULL : add_member(s, l);
    if (!m || scheduler_session_begin(s, m)) return;
    free_member(s, m);
    link_close(l, "out of memory");
}

void scheduler_tasks_client_lost(scheduler_tasks *s, net_link *l)
{
    member *m = find_member(s, l);
    if (!m || m->worker) return;
    scheduler_asks_lost(s, m);
    scheduler_held_lost(s, m);
    unlist_member(s, m);
    scheduler_session_lost(s, m);
    scheduler_asks_poll(s);
    assign(s);
    scheduler_tasks_flush(s);
}

/* ---- Retiring and restarting ---- */

static task_worker *least_holder(const scheduler_tasks *s)
{
    task_worker *least = NULL;
    for (size_t k = 0; k < s->ts.workers.n; k++) {
        task_worker *w = s->ts.workers.items[k];
        if (w && !w->retiring && (!least || w->stored_bytes < least->stored_bytes)) least = w;
    }
    return least;
}

/* Has it ended all that runs, and has every result of this worker another holder? Those that have none are copied to the worker
 * that holds least; where there is none, nothing can be done for them. */
static bool move_results(scheduler_tasks *s, task_worker *w, bool begin)
{
    bool done = w->n_assigned == 0;
    task_id at = 0;
    if (!least_holder(s)) return done;
    for (const task *t; (t = tasks_next(&s->ts, &at));) {
        if (!tasks_holds(&s->ts, t, w) || tasks_n_holders(&s->ts, t) > 1) continue;
        done = false;
        if (begin) scheduler_tasks_send_copy(s, least_holder(s), t);
    }
    return done;
}

void scheduler_tasks_retire(scheduler_tasks *s, net_link *l, void (*done)(void *context, net_link *l), void *context)
{
    member *m = find_member(s, l);
    if (!m || !m->worker) {
        done(context, l);
        return;
    }
    tasks_retire(&s->ts, m->worker);
    assign(s);
    scheduler_tasks_flush(s);
    m->retired = done;
    m->retired_context = context;
    if (move_results(s, m->worker, true)) {
        m->retired = NULL;
        done(context, l);
    }
}

void scheduler_tasks_restart(scheduler_tasks *s)
{
    for (member *m = s->members; m; m = m->next) {
        if (m->worker) continue;
        for (const task *t; (t = tasks_wanted(&s->ts, &m->client));) {
            const tsr_key key = t->key;
            tasks_cancel(&s->ts, &m->client, key, true);
            tasks_unwant(&s->ts, &m->client, key);
        }
    }
    shared_fini(s);
    scheduler_note(s, "restart", "", 0);
    for (member *m = s->ghosts; m; m = m->next) tasks_client_lost(&s->ts, &m->client);
    tasks_client_lost(&s->ts, &s->ts.shared);
    tasks_client_lost(&s->ts, &s->ts.grace);
    scheduler_tasks_flush(s);
}

/* ---- Beginning and end ---- */

static void tick(void *context)
{
    scheduler_tasks *s = context;
    if (++s->ticks == GRACE_TICKS) tasks_client_lost(&s->ts, &s->ts.grace);
    if (scheduler_sessions_tick(s)) scheduler_asks_poll(s);
    assign(s);
    for (size_t i = 0; i < s->ts.workers.n; i++) {
        task_worker *w = s->ts.workers.items[i];
        const size_t n = w ? tasks_recall(&s->ts, w) : 0;
        if (!n) continue;
        Tessera__Futures__Ask a = TESSERA__FUTURES__ASK__INIT;
        a.number = (int64_t)n;
        tasks_wire_tell(((member *)w->user)->link, TESSERA__FUTURES__MESSAGE_TYPE__RECALL, &a.base, NULL);
    }
    for (member *m = s->members, *next; m; m = next) {
        next = m->next;
        if (!m->retired || !m->worker || !move_results(s, m->worker, s->ticks % 10 == 0)) continue;
        void (*done)(void *, net_link *) = m->retired;
        m->retired = NULL;
        done(m->retired_context, m->link);
    }
    scheduler_tasks_flush(s);
}

tsr_status scheduler_tasks_new(net *n, tsr_log_callback log, void *log_context, scheduler_tasks **out)
{
    scheduler_tasks *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    s->net = n;
    s->log = log;
    s->log_context = log_context;
    s->intake.net = n;
    tasks_ops ops = scheduler_tasks_ops;
    ops.context = s;
    const tsr_status status = tasks_init(&s->ts, &ops);
    if (status != TSR_OK) {
        scheduler_tasks_free(s);
        return status;
    }
    *out = s;
    return TSR_OK;
}

tsr_status scheduler_tasks_begin(scheduler_tasks *s)
{
    scheduler_lineage_settle(s);
    return net_timer_start(s->net, TICK_MS, tick, s, &s->timer);
}

void scheduler_tasks_complete(scheduler_tasks *s)
{
    if (s->is_complete) return;
    s->is_complete = true;
    assign(s);
    scheduler_tasks_flush(s);
}

void scheduler_tasks_set_journal(scheduler_tasks *s, uint64_t (*record)(void *context, const journal_record *r, buffer *payload),
                                 void *context)
{
    s->record = record;
    s->record_context = context;
}

void scheduler_tasks_free(scheduler_tasks *s)
{
    if (!s) return;
    if (s->ts.table) {
        while (s->members) {
            net_link *l = s->members->link;
            if (s->members->worker) {
                scheduler_tasks_worker_lost(s, l, NULL);
            } else {
                scheduler_tasks_client_lost(s, l);
            }
        }
        shared_fini(s);
        scheduler_lineage_settle(s);
        scheduler_sessions_fini(s);
        tasks_client_lost(&s->ts, &s->ts.shared);
        tasks_client_lost(&s->ts, &s->ts.grace);
    }
    topics_fini(s);
    tasks_fini(&s->ts);
    tasks_intake_fini(&s->intake);
    VEC_FINI(&s->moves);
    VEC_FINI(&s->noted);
    mem_free(s);
}
