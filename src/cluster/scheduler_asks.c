/* Questions of clients: about tasks and workers, for copies, about shared objects. One that cannot be answered yet waits in a
 * list, and is tried again whenever something changed that may answer it. I/O thread. */
#include "base/strbuf.h"
#include "cluster/scheduler_tasks.h"

enum { MAX_WAITING = 100000 };

static void pending_free(pending *p)
{
    buffer_unref(p->value);
    tessera__futures__ask__free_unpacked(p->ask, NULL);
    mem_free(p);
}

void scheduler_send_reply(net_link *l, uint64_t request, const reply *r)
{
    Tessera__Futures__Answer a = TESSERA__FUTURES__ANSWER__INIT;
    uint64_t key[2] = {r->key.high, r->key.low};
    a.request = request;
    a.status = r->status;
    a.number = r->number;
    if (r->text) a.text = r->text;
    if (r->status != TSR_OK && !r->text) a.text = (char *)(uintptr_t)tsr_error_message();
    if (r->has_key) {
        a.n_keys = 2;
        a.keys = key;
    }
    a.n_workers = r->workers.n;
    a.workers = r->workers.items;
    tasks_wire_tell(l, TESSERA__FUTURES__MESSAGE_TYPE__ANSWER, &a.base,
                    &(net_payload){.buf = r->value, .data = r->data, .bytes = r->size});
}

static void reply_fini(reply *r)
{
    buffer_unref(r->value);
    VEC_FINI(&r->workers);
    mem_free(r->text);
}

/* ---- JSON ---- */

static void add_text(strbuf *b, const char *text)
{
    strbuf_add(b, "\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            strbuf_printf(b, "\\%c", *p);
        else if ((unsigned char)*p < 32)
            strbuf_printf(b, "\\u%04x", (unsigned char)*p);
        else
            strbuf_addn(b, p, 1);
    }
    strbuf_add(b, "\"");
}

static void add_key(strbuf *b, tsr_key k)
{
    strbuf_printf(b, "\"%016llx%016llx\"", (unsigned long long)k.high, (unsigned long long)k.low);
}

/* One entry of an answer about a task. */
static void add_task(const scheduler_tasks *s, strbuf *b, const task *t, tsr_key key, bool bytes)
{
    strbuf_add(b, b->n > 1 ? ", " : "");
    add_key(b, key);
    if (bytes) {
        strbuf_printf(b, ": %llu", t ? (unsigned long long)task_size(t) : 0ULL);
        return;
    }
    strbuf_add(b, ": [");
    for (size_t i = 0; t && i < tasks_n_holders(&s->ts, t); i++) {
        strbuf_add(b, i ? ", " : "");
        add_text(b, tasks_holder(&s->ts, t, i)->address);
    }
    strbuf_add(b, "]");
}

static char *about_results(const scheduler_tasks *s, const Tessera__Futures__Ask *a, bool bytes)
{
    strbuf b = {0};
    strbuf_add(&b, "{");
    for (size_t i = 0; i < a->n_keys / 2; i++) {
        const tsr_key key = tasks_wire_key(a->keys, i);
        add_task(s, &b, tasks_find(&s->ts, key), key, bytes);
    }
    task_id at = 0;
    for (const task *t; !a->n_keys && (t = tasks_next(&s->ts, &at));)
        if (t->state == TASK_FINISHED) add_task(s, &b, t, t->key, bytes);
    strbuf_add(&b, "}");
    return strbuf_take(&b);
}

static char *about_holders(const scheduler_tasks *s, bool running)
{
    strbuf b = {0};
    strbuf_add(&b, "{");
    for (size_t k = 0; k < s->ts.workers.n; k++) {
        const task_worker *w = s->ts.workers.items[k];
        bool first = true;
        if (!w) continue;
        strbuf_add(&b, b.n > 1 ? ", " : "");
        add_text(&b, w->address);
        strbuf_add(&b, ": [");
        task_id at = 0;
        for (const task *t; (t = tasks_next(&s->ts, &at));) {
            if (running ? !(t->state == TASK_RUNNING && tasks_runner(&s->ts, t) == w) : !tasks_holds(&s->ts, t, w)) continue;
            strbuf_add(&b, first ? "" : ", ");
            add_key(&b, t->key);
            first = false;
        }
        strbuf_add(&b, "]");
    }
    strbuf_add(&b, "}");
    return strbuf_take(&b);
}

static void add_counts(strbuf *b, const size_t *n)
{
    strbuf_printf(b, "\"waiting\": %zu, \"ready\": %zu, \"running\": %zu, \"finished\": %zu, \"error\": %zu", n[TASK_WAITING],
                  n[TASK_READY], n[TASK_RUNNING], n[TASK_FINISHED] + n[TASK_RELEASED], n[TASK_ERROR]);
}

static char *about_tasks(const scheduler_tasks *s)
{
    size_t all[TASK_N_STATES] = {0};
    strbuf b = {0}, each = {0};
    for (size_t i = 0; i < s->ts.functions_size; i++) {
        for (const task_function *f = s->ts.functions[i]; f; f = f->next) {
            for (int k = 0; k < TASK_N_STATES; k++) all[k] += f->n_states[k];
            strbuf_add(&each, each.n ? ", " : "");
            add_text(&each, f->name);
            strbuf_add(&each, ": {");
            add_counts(&each, f->n_states);
            strbuf_add(&each, "}");
        }
    }
    strbuf_add(&b, "{");
    add_counts(&b, all);
    strbuf_add(&b, ", \"functions\": {");
    strbuf_addn(&b, each.text ? each.text : "", each.n);
    strbuf_add(&b, "}}");
    strbuf_fini(&each);
    return strbuf_take(&b);
}

static char *about_workers(const scheduler_tasks *s)
{
    strbuf b = {0};
    strbuf_add(&b, "{");
    for (size_t k = 0; k < s->ts.workers.n; k++) {
        const task_worker *w = s->ts.workers.items[k];
        if (!w) continue;
        strbuf_add(&b, b.n > 1 ? ", " : "");
        add_text(&b, w->address);
        strbuf_printf(&b, ": {\"id\": \"%016llx\", \"name\": ", (unsigned long long)w->id);
        add_text(&b, w->name);
        strbuf_printf(&b, ", \"threads\": %d, \"runs\": ", w->n_threads);
        add_text(&b, w->runs ? w->runs : "");
        strbuf_add(&b, ", \"resources\": {");
        for (size_t i = 0; i < w->resources.n; i++) {
            strbuf_add(&b, i ? ", " : "");
            add_text(&b, s->ts.resource_names.items[i]);
            strbuf_printf(&b, ": %g", w->resources.items[i]);
        }
        strbuf_printf(&b, "}, \"stored_bytes\": %llu}", (unsigned long long)w->stored_bytes);
    }
    strbuf_add(&b, "}");
    return strbuf_take(&b);
}

static void add_name(void *to, const char *name)
{
    strbuf *b = to;
    strbuf_add(b, b->n > 1 ? ", " : "");
    add_text(b, name);
}

static char *about_topics(const scheduler_tasks *s)
{
    strbuf b = {0};
    strbuf_add(&b, "[");
    topics_names(s, add_name, &b);
    strbuf_add(&b, "]");
    return strbuf_take(&b);
}

static bool query(const scheduler_tasks *s, const Tessera__Futures__Ask *a, reply *r)
{
    if (strcmp(a->what, "who_has") == 0)
        r->text = about_results(s, a, false);
    else if (strcmp(a->what, "nbytes") == 0)
        r->text = about_results(s, a, true);
    else if (strcmp(a->what, "has_what") == 0)
        r->text = about_holders(s, false);
    else if (strcmp(a->what, "processing") == 0)
        r->text = about_holders(s, true);
    else if (strcmp(a->what, "tasks") == 0)
        r->text = about_tasks(s);
    else if (strcmp(a->what, "workers") == 0)
        r->text = about_workers(s);
    else if (strcmp(a->what, "topics") == 0)
        r->text = about_topics(s);
    else
        return false;
    if (!r->text) r->status = TSR_ERR_MEMORY;
    return true;
}

/* ---- Placing and copying ---- */

/* Places of workers that were lost are empty. */
static bool is_candidate(const Tessera__Futures__Ask *a, const task_worker *w)
{
    if (!w || w->retiring) return false;
    for (size_t i = 0; i < a->n_workers; i++)
        if (strcmp(a->workers[i], w->address) == 0 || strcmp(a->workers[i], w->name) == 0) return true;
    return a->n_workers == 0;
}

/* A worker for each key, one after the other; false: there is none yet. */
static bool place(scheduler_tasks *s, const pending *p, reply *r)
{
    const Tessera__Futures__Ask *a = p->ask;
    size_t at = s->ts.turn;
    bool any = false;
    for (size_t i = 0; i < s->ts.workers.n && !any; i++) any = is_candidate(a, s->ts.workers.items[i]);
    if (!any) return false;
    for (size_t i = 0; i < a->n_keys / 2; i++) {
        const task_worker *w;
        do {
            w = s->ts.workers.items[at++ % s->ts.workers.n];
        } while (!is_candidate(a, w));
        if (!VEC_PUSH(&r->workers, w->id) || tasks_want(&s->ts, &p->m->client, tasks_wire_key(a->keys, i)) != TSR_OK) {
            r->status = TSR_ERR_MEMORY;
            return true;
        }
    }
    s->ts.turn = at % s->ts.workers.n;
    return true;
}

/* Have all results enough copies? Sends those that are missing, the first time. */
static bool replicate(scheduler_tasks *s, const pending *p, reply *r, bool first)
{
    const Tessera__Futures__Ask *a = p->ask;
    size_t n_candidates = 0;
    bool done = true;
    for (size_t i = 0; i < s->ts.workers.n; i++) n_candidates += is_candidate(a, s->ts.workers.items[i]);
    for (size_t i = 0; i < a->n_keys / 2; i++) {
        const task *t = tasks_find(&s->ts, tasks_wire_key(a->keys, i));
        if (!t || t->state != TASK_FINISHED) {
            r->status = error_set(TSR_ERR_NOT_FOUND, "a result that was to be copied is not there");
            return true;
        }
        size_t have = 0, want = a->number < 0 || (uint64_t)a->number > n_candidates ? n_candidates : (size_t)a->number;
        for (size_t k = 0; k < s->ts.workers.n; k++)
            have += is_candidate(a, s->ts.workers.items[k]) && tasks_holds(&s->ts, t, s->ts.workers.items[k]);
        done &= have >= want;
        for (size_t k = 0; first && have < want && k < s->ts.workers.n; k++) {
            task_worker *w = s->ts.workers.items[(k + i) % s->ts.workers.n];
            if (!is_candidate(a, w) || tasks_holds(&s->ts, t, w)) continue;
            scheduler_tasks_send_copy(s, w, t);
            have++;
        }
    }
    return done;
}

static bool is_asked(const Tessera__Futures__Ask *a, tsr_key key)
{
    for (size_t i = 0; i < a->n_keys / 2; i++)
        if (a->keys[2 * i] == key.high && a->keys[2 * i + 1] == key.low) return true;
    return a->n_keys == 0;
}

/* Sends results from the fullest worker to the emptiest, as long as that makes them more equal. */
static void begin_rebalance(scheduler_tasks *s, const Tessera__Futures__Ask *a)
{
    VEC(uint64_t) bytes = {0};
    for (size_t i = 0; i < s->ts.workers.n; i++)
        if (!VEC_PUSH(&bytes, s->ts.workers.items[i] ? s->ts.workers.items[i]->stored_bytes : 0)) return;
    task_id at = 0;
    for (const task *t; (t = tasks_next(&s->ts, &at));) {
        if (tasks_n_holders(&s->ts, t) != 1 || !is_asked(a, t->key)) continue;
        const task_worker *from = tasks_holder(&s->ts, t, 0);
        task_worker *to = NULL;
        for (size_t k = 0; k < s->ts.workers.n; k++) {
            task_worker *w = s->ts.workers.items[k];
            if (w && !w->retiring && (!to || bytes.items[k] < bytes.items[to->slot])) to = w;
        }
        if (!to || to == from || bytes.items[from->slot] < bytes.items[to->slot] + 2 * t->size || !t->size) continue;
        if (!VEC_PUSH(&s->moves, (result_move){.key = t->key, .from = from->id, .to = to->id})) break;
        bytes.items[from->slot] -= t->size;
        bytes.items[to->slot] += t->size;
        scheduler_tasks_send_copy(s, to, t);
    }
    VEC_FINI(&bytes);
}

static task_worker *worker_by_id(const scheduler_tasks *s, uint64_t id)
{
    for (size_t i = 0; i < s->ts.workers.n; i++)
        if (s->ts.workers.items[i] && s->ts.workers.items[i]->id == id) return s->ts.workers.items[i];
    return NULL;
}

void scheduler_moved(scheduler_tasks *s, const task_worker *w, tsr_key key)
{
    for (size_t i = s->moves.n; i-- > 0;) {
        const result_move m = s->moves.items[i];
        if (m.to != w->id || m.key.low != key.low || m.key.high != key.high) continue;
        task_worker *from = worker_by_id(s, m.from);
        const task *t = tasks_find(&s->ts, key);
        s->moves.items[i] = s->moves.items[--s->moves.n];
        if (!from || !t || tasks_n_holders(&s->ts, t) < 2 || t->n_needed) continue;
        scheduler_tasks_free_copy(s, from, key);
        tasks_result_lost(&s->ts, from, key);
    }
}

/* Moves whose result or worker is gone do not come to an end. */
static bool rebalanced(scheduler_tasks *s)
{
    for (size_t i = s->moves.n; i-- > 0;) {
        const result_move m = s->moves.items[i];
        const task *t = tasks_find(&s->ts, m.key);
        if (!worker_by_id(s, m.to) || !t || t->state != TASK_FINISHED) s->moves.items[i] = s->moves.items[--s->moves.n];
    }
    return s->moves.n == 0;
}

/* ---- Asking ---- */

/* True: it is answered by *r. */
static bool try_answer(scheduler_tasks *s, const pending *p, reply *r, bool first)
{
    bool done = false;
    const char *what = p->ask->what;
    if (query(s, p->ask, r)) return true;
    if (strcmp(what, "scatter") == 0) return place(s, p, r);
    if (strcmp(what, "replicate") == 0) return replicate(s, p, r, first);
    if (strcmp(what, "rebalance") == 0) {
        if (first) begin_rebalance(s, p->ask);
        return rebalanced(s);
    }
    if (shared_ask(s, p, r, &done) || topics_ask(s, p, r, &done)) return done;
    r->status = error_set(TSR_ERR_UNSUPPORTED, "this scheduler does not know how to '%.60s'", what);
    return true;
}

static bool answer(scheduler_tasks *s, const pending *p, bool first)
{
    reply r = {0};
    const bool done = try_answer(s, p, &r, first);
    if (done) {
        scheduler_tasks_flush(s); /* what it is about is told before */
        const bool held = shared_changes(p->ask->what) && scheduler_record_answer(s, p, &r);
        if (!held) scheduler_send_reply(p->m->link, p->ask->request, &r);
    }
    reply_fini(&r);
    return done;
}

/* It was asked over a connection of before, or is under way to the journal. */
static bool answered_before(scheduler_tasks *s, member *m, const Tessera__Futures__Ask *ask)
{
    const reply *r = scheduler_answered(m->session, ask->request, ask->oldest);
    if (!r || !shared_changes(ask->what)) return false;
    if (r->has_key && tasks_want(&s->ts, &m->client, r->key) != TSR_OK) link_close(m->link, "out of memory");
    scheduler_tasks_flush(s);
    scheduler_send_reply(m->link, ask->request, r);
    return true;
}

void scheduler_asked(scheduler_tasks *s, member *m, Tessera__Futures__Ask *ask, buffer *value, const char *data, size_t size)
{
    pending *p = mem_calloc(1, sizeof *p), **at = &s->waiting;
    size_t n = 0;
    if (!p) {
        tessera__futures__ask__free_unpacked(ask, NULL);
        link_close(m->link, "out of memory");
        return;
    }
    if (answered_before(s, m, ask)) {
        tessera__futures__ask__free_unpacked(ask, NULL);
        mem_free(p);
        return;
    }
    *p = (pending){
        .m = m, .session = m->session, .ask = ask, .value = value ? buffer_ref(value) : NULL, .data = data, .size = size};
    if (answer(s, p, true)) {
        pending_free(p);
        scheduler_asks_poll(s);
        return;
    }
    for (; *at; at = &(*at)->next) n++;
    if (n >= MAX_WAITING) {
        link_close(m->link, "too many questions wait for their answer");
        pending_free(p);
        return;
    }
    *at = p; /* the oldest is first */
}

void scheduler_asks_poll(scheduler_tasks *s)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (pending **at = &s->waiting; *at;) {
            pending *p = *at;
            if (!answer(s, p, false)) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            pending_free(p);
            changed = true;
        }
    }
}

void scheduler_gave_up(scheduler_tasks *s, member *m, uint64_t request)
{
    for (pending **at = &s->waiting; *at; at = &(*at)->next) {
        pending *p = *at;
        if (p->m != m || p->ask->request != request) continue;
        const reply r = {.status = error_set(TSR_ERR_TIMEOUT, "it did not come in time")};
        scheduler_send_reply(m->link, request, &r);
        *at = p->next;
        pending_free(p);
        return;
    }
}

void scheduler_asks_lost(scheduler_tasks *s, const member *m)
{
    for (pending **at = &s->waiting; *at;) {
        pending *p = *at;
        if (p->m != m) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        pending_free(p);
    }
}
