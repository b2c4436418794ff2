/* A client's tasks: submitting, and what the scheduler and the workers say.
 *
 * Tasks are gathered in batches: those that call the same function with the same options are sent together, when the I/O thread
 * gets to it, somebody waits, or there are many. Futures that nobody holds leave with the next flush, after the batches: a task
 * that was submitted with them is known by then. After the connection was lost and made again, all batches are sent once more in
 * their order: what the cluster still knows is not made again.
 *
 * The lock guards everything but the intake; it is not held while callbacks run or a thread waits. */
#include "cluster/client_tasks.h"
#include "base/os.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_TABLE = 256, BATCH_TASKS = 1024, BATCH_BYTES = 4 << 20, MANY_BATCHES = 100000, MANY_BYTES = 1 << 30 };

tsr_key tsr_key_of(const void *data, size_t size)
{
    const hash128 h = hash_bytes(data, size);
    return (tsr_key){.high = h.high, .low = h.low | !(h.high | h.low)};
}

tsr_status client_tasks_get(tsr_session *session, client_tasks **out)
{
    *out = session ? client_tasks_of(session) : NULL;
    return *out ? session_check_here(session) : error_set(TSR_ERR_UNSUPPORTED, "futures need a session on a cluster");
}

/* ---- Futures by key ---- */

static tsr_future **place_of(client_tasks *c, tsr_key key)
{
    return &c->futures[(key.low ^ key.high >> 7) & (c->futures_size - 1)];
}

static tsr_future *find(client_tasks *c, tsr_key key)
{
    tsr_future *f = *place_of(c, key);
    while (f && (f->key.low != key.low || f->key.high != key.high)) f = f->next;
    return f;
}

static void grow(client_tasks *c)
{
    const size_t old = c->futures_size;
    tsr_future **smaller = c->futures, **bigger = mem_calloc(old * 2, sizeof *bigger);
    if (!bigger) return;
    c->futures = bigger;
    c->futures_size = old * 2;
    for (size_t i = 0; i < old; i++) {
        for (tsr_future *f = smaller[i], *next; f; f = next) {
            next = f->next;
            tsr_future **at = place_of(c, f->key);
            f->next = *at;
            *at = f;
        }
    }
    mem_free(smaller);
}

tsr_future *client_future_get(client_tasks *c, tsr_key key)
{
    tsr_future *f = find(c, key);
    if (f) return f;
    if (c->n_futures >= c->futures_size) grow(c);
    f = mem_calloc(1, sizeof *f);
    if (!f) return NULL;
    tsr_future **at = place_of(c, key);
    f->c = c;
    f->key = key;
    f->next = *at;
    *at = f;
    c->n_futures++;
    return f;
}

static void batch_free(client_tasks *c, sent_batch *b)
{
    c->n_batches--;
    c->batch_bytes -= b->payload_bytes;
    *(b->previous ? &b->previous->next : &c->batches) = b->next;
    *(b->next ? &b->next->previous : &c->last_batch) = b->previous;
    for (size_t i = 0; i < b->n_workers; i++) mem_free(b->workers[i]);
    mem_free(b->workers);
    mem_free(b->resources);
    VEC_FINI(&b->keys);
    VEC_FINI(&b->arg_sizes);
    VEC_FINI(&b->arg_keys);
    VEC_FINI(&b->n_args);
    VEC_FINI(&b->needs);
    mem_free(b->payload);
    mem_free(b);
}

/* Batches may need each other in chains of any length, so this does not recurse. */
static void batch_unref(client_tasks *c, sent_batch *b)
{
    if (!b || --b->refs > 0) return;
    b->next_free = NULL;
    while (b) {
        sent_batch *first = b->next_free;
        for (size_t i = 0; i < b->needs.n; i++) {
            sent_batch *d = b->needs.items[i];
            if (--d->refs > 0) continue;
            d->next_free = first;
            first = d;
        }
        batch_free(c, b);
        b = first;
    }
}

/* The batch's tasks take results of the other's. Of too much no more is kept: what is lost with the scheduler and a worker, one
 * after the other, cannot be made again then. */
static bool add_need(const client_tasks *c, sent_batch *b, sent_batch *needed)
{
    if (!needed || needed == b || c->n_batches > MANY_BATCHES || c->batch_bytes > MANY_BYTES) return true;
    for (size_t i = b->needs.n, n = 0; i-- > 0 && n < 16; n++)
        if (b->needs.items[i] == needed) return true;
    if (!VEC_PUSH(&b->needs, needed)) return false;
    needed->refs++;
    return true;
}

void client_future_drop(client_tasks *c, tsr_future *f)
{
    tsr_future **at = place_of(c, f->key);
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    c->n_futures--;
    batch_unref(c, f->batch);
    buffer_unref(f->buf);
    buffer_unref(f->details);
    VEC_FINI(&f->calls);
    mem_free(f->text);
    mem_free(f);
}

tsr_key client_key_new(client_tasks *c) { return (tsr_key){.high = c->key_base, .low = ++c->next_key * 0x9e3779b97f4a7c15ULL}; }

/* ---- Functions ---- */

static hash128 mix_text(hash128 h, const char *text)
{
    const size_t n = text ? strlen(text) + 1 : 0;
    h = hash_mix(h, &n, sizeof n);
    return n ? hash_mix(h, text, n) : h;
}

static tsr_status check_function(const tsr_task_function *f)
{
    const bool symbol = f->symbol && f->symbol[0];
    if (f->kind == TSR_TASK_FOREIGN) return TSR_OK;
    if (f->kind == TSR_TASK_LIBRARY && symbol && f->library && f->library[0]) return TSR_OK;
    if (f->kind == TSR_TASK_SOURCE && symbol && f->code) return TSR_OK;
    return error_set(TSR_ERR_VALUE, "a task's function needs a library or source, and a symbol (kind %d)", (int)f->kind);
}

static tsr_status pack_function(const tsr_task_function *f, hash128 id, sent_function *g)
{
    Tessera__Futures__Function m = TESSERA__FUTURES__FUNCTION__INIT;
    m.id_high = id.high;
    m.id_low = id.low;
    m.kind = f->kind;
    const char *name = f->name ? f->name : f->symbol ? f->symbol : "a function";
    m.name = (char *)(uintptr_t)name;
    if (f->runs) m.runs = (char *)(uintptr_t)f->runs;
    if (f->library) m.library = (char *)(uintptr_t)f->library;
    if (f->symbol) m.symbol = (char *)(uintptr_t)f->symbol;
    if (f->flags) m.flags = (char *)(uintptr_t)f->flags;
    *g = (sent_function){
        .id = id, .head_bytes = tessera__futures__function__get_packed_size(&m), .code_bytes = f->code ? f->code_size : 0};
    g->head = mem_alloc(g->head_bytes);
    g->code = mem_alloc(g->code_bytes);
    if (!g->head || !g->code) {
        mem_free(g->head);
        mem_free(g->code);
        return TSR_ERR_MEMORY;
    }
    tessera__futures__function__pack(&m, g->head);
    if (g->code_bytes) memcpy(g->code, f->code, g->code_bytes);
    return TSR_OK;
}

static hash128 function_id(const tsr_task_function *f)
{
    hash128 h = hash_bytes(&f->kind, sizeof f->kind);
    h = mix_text(mix_text(mix_text(mix_text(mix_text(h, f->name), f->runs), f->library), f->symbol), f->flags);
    return f->code ? hash_mix(h, f->code, f->code_size) : h;
}

static tsr_status get_function(client_tasks *c, const tsr_task_function *f, hash128 id, sent_function **out)
{
    for (sent_function *g = c->functions; g; g = g->next) {
        if (!hash_equal(g->id, id)) continue;
        *out = g;
        return TSR_OK;
    }
    sent_function *g = mem_alloc(sizeof *g);
    tsr_status status = g ? pack_function(f, id, g) : TSR_ERR_MEMORY;
    if (status != TSR_OK) {
        mem_free(g);
        return status;
    }
    g->next = c->functions;
    c->functions = g;
    *out = g;
    return TSR_OK;
}

/* ---- Sending ---- */

/* "GPU=1 license=0.5"; the texts are cut out of `text`. n: how many there are, at most `most`. */
static tsr_status read_resources(char *text, Tessera__Futures__Resource *out, size_t most, size_t *n)
{
    char *rest = NULL;
    *n = 0;
    for (char *word = strtok_r(text, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
        char *equals = strchr(word, '='), *end = NULL;
        const double amount = equals ? strtod(equals + 1, &end) : 1;
        if (*n == most || equals == word || (equals && (end == equals + 1 || *end)) || !(amount >= 0) || amount > 1e15)
            return error_set(TSR_ERR_VALUE, "'%.80s' is no resource; write \"GPU=1 license=0.5\", at most %zu", word, most);
        if (equals) *equals = '\0';
        tessera__futures__resource__init(&out[*n]);
        out[*n].name = word;
        out[(*n)++].amount = amount;
    }
    return TSR_OK;
}

enum { MAX_RESOURCES = 64 };

static void send_batch(client_tasks *c, sent_batch *b)
{
    Tessera__Futures__Tasks t = TESSERA__FUTURES__TASKS__INIT;
    Tessera__Futures__Resource resources[MAX_RESOURCES], *list[MAX_RESOURCES];
    char *text = mem_strdup(b->resources ? b->resources : "");
    size_t n = 0;
    if (!text || read_resources(text, resources, MAX_RESOURCES, &n) != TSR_OK) n = 0; /* they were read before */
    for (size_t i = 0; i < n; i++) list[i] = &resources[i];
    t.function_high = b->function->id.high;
    t.function_low = b->function->id.low;
    t.n_keys = b->keys.n;
    t.keys = b->keys.items;
    bool same = true;
    for (size_t i = 1; i < b->n_args.n && same; i++) same = b->n_args.items[i] == b->n_args.items[0];
    t.n_n_args = same ? 1 : b->n_args.n;
    t.n_args = b->n_args.items;
    t.n_arg_sizes = b->arg_sizes.n;
    t.arg_sizes = b->arg_sizes.items;
    t.n_arg_keys = b->arg_keys.n;
    t.arg_keys = b->arg_keys.items;
    t.priority = b->priority;
    t.retries = (uint32_t)b->retries;
    t.n_resources = n;
    t.resources = list;
    t.n_workers = b->n_workers;
    t.workers = b->workers;
    t.others_too = b->others_too;
    t.at_once = b->at_once;
    if (!b->function->told) {
        const net_payload code = {.data = b->function->code, .bytes = b->function->code_bytes};
        b->function->told = link_send(c->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__FUNCTION, b->function->head,
                                      b->function->head_bytes, code.bytes ? &code : NULL) == TSR_OK;
    }
    tasks_wire_tell(c->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__TASKS, &t.base,
                    &(net_payload){.data = b->payload, .bytes = b->payload_bytes});
    mem_free(text);
}

void client_send_keys(client_tasks *c, uint32_t type, size_t n, const uint64_t *keys, bool force)
{
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    k.n_keys = 2 * n;
    k.keys = (uint64_t *)(uintptr_t)keys;
    k.force = force;
    if (c->scheduler && n) tasks_wire_tell(c->scheduler, type, &k.base, NULL);
}

static void send_leaving(client_tasks *c)
{
    tasks_column keys = {0};
    for (size_t i = 0; i < c->leaving.n; i++) {
        tsr_future *f = c->leaving.items[i];
        f->leaving = false;
        if (f->refs > 0) continue; /* somebody wanted it after all */
        if (!tasks_column_key(&keys, f->key))
            client_send_keys(c, TESSERA__FUTURES__MESSAGE_TYPE__UNWANT, 1, (uint64_t[]){f->key.high, f->key.low}, false);
        client_future_drop(c, f);
    }
    c->leaving.n = 0;
    client_send_keys(c, TESSERA__FUTURES__MESSAGE_TYPE__UNWANT, keys.n / 2, keys.items, false);
    VEC_FINI(&keys);
}

void client_tasks_flush(client_tasks *c)
{
    if (!c->scheduler) return;
    c->open = NULL;
    /* Those that were not sent are the last ones. */
    sent_batch *b = c->last_batch;
    while (b && !b->sent && b->previous && !b->previous->sent) b = b->previous;
    for (sent_batch *next; b && !b->sent; b = next) {
        next = b->next;
        send_batch(c, b);
        b->sent = true;
        batch_unref(c, b);
    }
    send_leaving(c);
}

static void flush_now(void *context)
{
    client_tasks *c = context;
    pthread_mutex_lock(&c->lock);
    c->posted = false;
    if (!c->ended) client_tasks_flush(c);
    pthread_mutex_unlock(&c->lock);
}

void client_tasks_flush_soon(client_tasks *c)
{
    if (c->posted || c->ended) return;
    c->posted = net_post(c->net, flush_now, c) == TSR_OK;
}

/* ---- Submitting ---- */

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static bool fits(const sent_batch *b, const sent_function *f, const tsr_task_options *o)
{
    if (b->function != f || b->priority != o->priority || b->retries != o->retries || b->others_too != o->others_too ||
        b->at_once != o->at_once || b->n_workers != (size_t)o->n_workers || !same_text(b->resources, o->resources))
        return false;
    for (size_t i = 0; i < b->n_workers; i++)
        if (strcmp(b->workers[i], o->workers[i]) != 0) return false;
    return b->n_args.n < BATCH_TASKS && b->payload_bytes < BATCH_BYTES;
}

/* The batch that tasks are added to now. It holds a reference until it is sent. */
static tsr_status open_batch(client_tasks *c, sent_function *f, const tsr_task_options *o)
{
    if (c->open && fits(c->open, f, o)) return TSR_OK;
    sent_batch *b = mem_calloc(1, sizeof *b);
    if (!b) return TSR_ERR_MEMORY;
    *b = (sent_batch){.refs = 1,
                      .previous = c->last_batch,
                      .function = f,
                      .priority = o->priority,
                      .retries = o->retries,
                      .others_too = o->others_too,
                      .at_once = o->at_once};
    *(b->previous ? &b->previous->next : &c->batches) = b;
    c->last_batch = b;
    c->n_batches++;
    bool good = !o->resources || (b->resources = mem_strdup(o->resources));
    if (o->n_workers) b->workers = mem_calloc((size_t)o->n_workers, sizeof *b->workers);
    for (int i = 0; good && i < o->n_workers; i++) good = b->workers && (b->workers[b->n_workers++] = mem_strdup(o->workers[i]));
    if (!good) {
        batch_unref(c, b);
        return TSR_ERR_MEMORY;
    }
    c->open = b;
    return TSR_OK;
}

static bool add_argument(client_tasks *c, sent_batch *b, const tsr_task_arg *a)
{
    if (a->future)
        return VEC_PUSH(&b->arg_sizes, 0) && tasks_column_key(&b->arg_keys, a->future->key) && add_need(c, b, a->future->batch);
    if (!VEC_PUSH(&b->arg_sizes, a->size + 1) ||
        !vec_reserve((void **)&b->payload, &b->payload_capacity, b->payload_bytes + a->size, 1))
        return false;
    if (a->size) memcpy(b->payload + b->payload_bytes, a->data, a->size);
    b->payload_bytes += a->size;
    c->batch_bytes += a->size;
    return true;
}

/* Adds a task to the open batch; on failure the batch is as it was. */
static tsr_status add_task(client_tasks *c, tsr_key key, const tsr_task *t)
{
    sent_batch *b = c->open;
    const size_t n_sizes = b->arg_sizes.n, n_keys = b->arg_keys.n, bytes = b->payload_bytes;
    bool good = VEC_RESERVE(&b->keys, 2) && VEC_RESERVE(&b->n_args, 1);
    for (int i = 0; good && i < t->n_args; i++) good = add_argument(c, b, &t->args[i]);
    if (!good) {
        b->arg_sizes.n = n_sizes;
        b->arg_keys.n = n_keys;
        c->batch_bytes -= b->payload_bytes - bytes;
        b->payload_bytes = bytes;
        return TSR_ERR_MEMORY;
    }
    (void)tasks_column_key(&b->keys, key);
    b->n_args.items[b->n_args.n++] = (uint32_t)t->n_args;
    return TSR_OK;
}

static tsr_status submit_one(client_tasks *c, sent_function *g, const tsr_task *t, const tsr_task_options *o, tsr_future **out)
{
    tsr_key key = t->key;
    if (!key.high && !key.low) key = client_key_new(c);
    tsr_future *f = client_future_get(c, key);
    if (!f) return TSR_ERR_MEMORY;
    const bool is_new = f->refs == 0 && !f->batch && !f->leaving;
    if ((!f->batch && f->status == TSR_FUTURE_PENDING) || f->status == TSR_FUTURE_CANCELLED || f->status == TSR_FUTURE_LOST) {
        tsr_status status = open_batch(c, g, o);
        if (status == TSR_OK) status = add_task(c, key, t);
        if (status != TSR_OK) {
            if (is_new) client_future_drop(c, f);
            return status;
        }
        batch_unref(c, f->batch);
        f->batch = c->open;
        f->batch->refs++;
        f->status = TSR_FUTURE_PENDING;
    }
    f->refs++;
    *out = f;
    return TSR_OK;
}

static tsr_status check_tasks(const client_tasks *c, int n, const tsr_task *tasks, const tsr_task_options *o)
{
    Tessera__Futures__Resource resources[MAX_RESOURCES];
    char *text = mem_strdup(o->resources ? o->resources : "");
    size_t n_resources;
    if (!text) return TSR_ERR_MEMORY;
    tsr_status status = read_resources(text, resources, MAX_RESOURCES, &n_resources);
    mem_free(text);
    if (status != TSR_OK) return status;
    if (n < 0 || o->retries < 0 || o->n_workers < 0 || o->n_workers > 65536)
        return error_set(TSR_ERR_VALUE, "%d tasks, %d retries, %d workers", n, o->retries, o->n_workers);
    for (int i = 0; i < n; i++) {
        size_t bytes = 0;
        if (tasks[i].n_args < 0) return error_set(TSR_ERR_VALUE, "task %d has %d arguments", i, tasks[i].n_args);
        for (int k = 0; k < tasks[i].n_args; k++) {
            const tsr_task_arg *a = &tasks[i].args[k];
            if (a->future && a->future->c != c)
                return error_set(TSR_ERR_VALUE, "argument %d of task %d is a future of another session", k, i);
            bytes += a->future ? 0 : a->size;
        }
        if (bytes > TASKS_MAX_ARGS_BYTES - BATCH_BYTES)
            return error_set(TSR_ERR_VALUE, "the arguments of task %d have %zu bytes; scatter them first", i, bytes);
    }
    return TSR_OK;
}

tsr_status tsr_submit(tsr_session *session, const tsr_task_function *function, int n, const tsr_task *tasks,
                      const tsr_task_options *options, tsr_future **futures)
{
    static const tsr_task_options defaults;
    client_tasks *c;
    sent_function *g = NULL;
    const tsr_task_options *o = options ? options : &defaults;
    TRY(client_tasks_get(session, &c));
    TRY(check_function(function));
    TRY(check_tasks(c, n, tasks, o));
    const hash128 id = function_id(function);
    pthread_mutex_lock(&c->lock);
    tsr_status status = c->ended ? error_set(TSR_ERR_CANCELLED, "the session was closed") : get_function(c, function, id, &g);
    int done = 0;
    for (; status == TSR_OK && done < n; done++) {
        status = submit_one(c, g, &tasks[done], o, &futures[done]);
        if (status != TSR_OK) break;
    }
    client_tasks_flush_soon(c);
    pthread_mutex_unlock(&c->lock);
    if (status == TSR_OK) return TSR_OK;
    for (int i = 0; i < done; i++) tsr_future_release(futures[i]);
    return status;
}

/* ---- What the scheduler says ---- */

static void took_finished(client_tasks *c, const net_message *m)
{
    Tessera__Futures__Finished *r;
    size_t offset = 0;
    if (tasks_wire_finished(m, &r) != TSR_OK) {
        link_close(c->scheduler, tsr_error_message());
        return;
    }
    for (size_t i = 0; i < r->n_keys / 2; i++) {
        const bool carried = r->n_carried && r->carried[i];
        const size_t at = offset;
        tsr_future *f = find(c, tasks_wire_key(r->keys, i));
        if (carried) offset += r->sizes[i];
        if (!f || f->status == TSR_FUTURE_CANCELLED) continue;
        if (!f->buf) f->size = r->sizes[i];
        f->holder = r->n_holders ? r->holders[i] : 0;
        buffer *b;
        if (carried && !f->buf && (m->payload || f->size == 0) && tasks_buffer_new(c->net, f->size, &b) == TSR_OK) {
            if (f->size) memcpy(b->data, m->payload + at, f->size);
            f->buf = b;
            f->data = b->data;
        }
        client_future_changed(c, f, TSR_FUTURE_FINISHED);
        if (f->n_readers && !f->buf) client_future_ask(c, f);
    }
    tessera__futures__finished__free_unpacked(r, NULL);
}

static void took_erred(client_tasks *c, const net_message *m, buffer *b)
{
    Tessera__Futures__Erred *e;
    if (tasks_wire_erred(m, &e) != TSR_OK) return;
    tsr_future *f = find(c, (tsr_key){.high = e->key_high, .low = e->key_low});
    if (f && f->status != TSR_FUTURE_CANCELLED) {
        mem_free(f->text);
        buffer_unref(f->details);
        f->error = e->status > TSR_OK && e->status <= TSR_ERR_TIMEOUT ? (tsr_status)e->status : TSR_ERR_INTERNAL;
        f->text = mem_strdup(e->text);
        f->details = b ? buffer_ref(b) : NULL;
        f->details_data = b ? m->payload : NULL;
        f->details_bytes = b ? m->payload_bytes : 0;
        client_future_changed(c, f, TSR_FUTURE_ERROR);
    }
    tessera__futures__erred__free_unpacked(e, NULL);
}

static void took_state(client_tasks *c, const net_message *m)
{
    Tessera__Futures__Keys *k;
    if (tasks_wire_keys(m, &k) != TSR_OK) return;
    for (size_t i = 0; i < k->n_keys / 2; i++) {
        tsr_future *f = find(c, tasks_wire_key(k->keys, i));
        if (f && f->status != TSR_FUTURE_CANCELLED &&
            (k->state == TSR_FUTURE_CANCELLED || k->state == TSR_FUTURE_LOST || k->state == TSR_FUTURE_PENDING))
            client_future_changed(c, f, (tsr_future_status)k->state);
    }
    tessera__futures__keys__free_unpacked(k, NULL);
}

static void took_answer(client_tasks *c, const net_message *m, buffer *b)
{
    Tessera__Futures__Answer *r;
    if (tasks_wire_answer(m, &r) != TSR_OK) return;
    for (asked *a = c->asks; a; a = a->next) {
        if (a->request != r->request || a->link || a->done) continue;
        a->done = true;
        a->status = r->status >= TSR_OK && r->status <= TSR_ERR_TIMEOUT ? (tsr_status)r->status : TSR_ERR_INTERNAL;
        a->text = mem_strdup(r->text);
        a->number = r->number;
        a->has_key = r->n_keys >= 2;
        if (a->has_key) a->key = tasks_wire_key(r->keys, 0);
        for (size_t i = 0; i < r->n_workers; i++)
            if (!VEC_PUSH(&a->workers, r->workers[i])) a->status = TSR_ERR_MEMORY;
        a->value = b ? buffer_ref(b) : NULL;
        a->data = b ? m->payload : NULL;
        a->size = b ? m->payload_bytes : 0;
    }
    tessera__futures__answer__free_unpacked(r, NULL);
}

static void took_peers(client_tasks *c, const net_message *m)
{
    Tessera__Futures__Peers *p;
    if (tasks_wire_peers(m, &p) != TSR_OK) return;
    for (size_t i = 0; i < p->n_peers; i++) {
        const Tessera__Futures__Peer *one = p->peers[i];
        size_t k = 0;
        while (k < c->peers.n && c->peers.items[k].worker != one->worker) k++;
        char *address = mem_strdup(one->address);
        if (k == c->peers.n && address && VEC_PUSH(&c->peers, (worker_peer){.worker = one->worker, .address = address})) continue;
        if (k < c->peers.n && address) {
            mem_free(c->peers.items[k].address);
            c->peers.items[k].address = address;
            continue;
        }
        mem_free(address);
    }
    tessera__futures__peers__free_unpacked(p, NULL);
}

/* ---- What workers say ---- */

static void took_data(client_tasks *c, net_link *l, const net_message *m, buffer *b)
{
    Tessera__Futures__Data *d;
    if (tasks_wire_data(m, &d) != TSR_OK) {
        link_close(l, tsr_error_message());
        return;
    }
    tsr_future *f = find(c, (tsr_key){.high = d->key_high, .low = d->key_low});
    if (f && f->asked && client_link_to(c, f->asked_of) == l) {
        buffer *empty = NULL;
        f->asked = false;
        if (!b && m->payload_bytes == 0 && m->type == TESSERA__FUTURES__MESSAGE_TYPE__DATA)
            (void)!tasks_buffer_new(c->net, 0, &empty);
        if (m->type == TESSERA__FUTURES__MESSAGE_TYPE__DATA && (b || empty)) {
            buffer_unref(f->buf);
            f->buf = b ? buffer_ref(b) : empty;
            f->data = b ? m->payload : empty->data;
            f->size = m->payload_bytes;
        } else {
            f->n_failed++;
        }
    }
    tessera__futures__data__free_unpacked(d, NULL);
}

static void took_stored(client_tasks *c, net_link *l, const net_message *m)
{
    Tessera__Futures__Data *d;
    if (tasks_wire_data(m, &d) != TSR_OK) return;
    for (asked *a = c->asks; a; a = a->next) {
        if (a->request != d->request || a->link != l || a->done) continue;
        a->done = true;
        a->status = d->status >= TSR_OK && d->status <= TSR_ERR_TIMEOUT ? (tsr_status)d->status : TSR_ERR_INTERNAL;
        a->text = mem_strdup(d->text);
    }
    tessera__futures__data__free_unpacked(d, NULL);
}

net_link *client_link_to(client_tasks *c, uint64_t worker)
{
    for (size_t i = 0; i < c->peers.n; i++) {
        worker_peer *p = &c->peers.items[i];
        if (p->worker != worker) continue;
        if (!p->link && net_connect(c->net, p->address, &p->link) != TSR_OK) p->link = NULL;
        return p->link;
    }
    return NULL;
}

void client_tasks_message(client_tasks *c, net_link *l, const net_message *m)
{
    buffer *b = tasks_intake_take(&c->intake, m);
    pthread_mutex_lock(&c->lock);
    if (l == c->scheduler) {
        switch (m->type) {
        case TESSERA__FUTURES__MESSAGE_TYPE__FINISHED: took_finished(c, m); break;
        case TESSERA__FUTURES__MESSAGE_TYPE__ERRED: took_erred(c, m, b); break;
        case TESSERA__FUTURES__MESSAGE_TYPE__STATE: took_state(c, m); break;
        case TESSERA__FUTURES__MESSAGE_TYPE__ANSWER: took_answer(c, m, b); break;
        case TESSERA__FUTURES__MESSAGE_TYPE__PEERS: took_peers(c, m); break;
        default: break; /* of a later version */
        }
    } else if (m->type == TESSERA__FUTURES__MESSAGE_TYPE__STORED) {
        took_stored(c, l, m);
    } else if (m->type == TESSERA__FUTURES__MESSAGE_TYPE__DATA || m->type == TESSERA__FUTURES__MESSAGE_TYPE__NO_DATA) {
        took_data(c, l, m, b);
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    buffer_unref(b);
}

char *client_tasks_place(client_tasks *c, net_link *l, const net_message *m, void **token)
{
    return tasks_intake_place(&c->intake, m, SIZE_MAX, token);
}

bool client_tasks_abandoned(client_tasks *c, net_link *l, void *token) { return tasks_intake_abandoned(&c->intake, token); }

/* ---- Connections ---- */

/* A new connection, perhaps to a scheduler that knows nothing: everything is said again. */
void client_tasks_scheduler_opened(client_tasks *c, net_link *scheduler)
{
    tasks_column gone = {0};
    pthread_mutex_lock(&c->lock);
    link_unref(c->scheduler);
    c->scheduler = link_ref(scheduler);
    c->open = NULL;
    client_send_session(c, false, false);
    for (sent_function *f = c->functions; f; f = f->next) f->told = false;
    for (sent_batch *b = c->batches; b && b->sent; b = b->next) {
        send_batch(c, b);
        for (size_t i = 0; i < b->keys.n / 2; i++)
            if (!find(c, tasks_wire_key(b->keys.items, i))) (void)tasks_column_key(&gone, tasks_wire_key(b->keys.items, i));
    }
    for (size_t i = 0; i < c->futures_size; i++) {
        for (const tsr_future *f = c->futures[i]; f; f = f->next)
            if (!f->batch)
                client_send_keys(c, TESSERA__FUTURES__MESSAGE_TYPE__WANT, 1, (uint64_t[]){f->key.high, f->key.low}, false);
    }
    client_send_keys(c, TESSERA__FUTURES__MESSAGE_TYPE__UNWANT, gone.n / 2, gone.items, false);
    client_tasks_flush(c);
    client_send_session(c, true, false);
    client_asks_again(c);
    c->was_open = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    VEC_FINI(&gone);
}

void client_tasks_stopped(client_tasks *c, const char *text)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->futures_size && !c->scheduler; i++) {
        for (tsr_future *f = c->futures[i], *next; f; f = next) {
            next = f->next;
            if (f->status != TSR_FUTURE_PENDING) continue;
            mem_free(f->text);
            f->error = TSR_ERR_IO;
            f->text = mem_strdup(text);
            client_future_changed(c, f, TSR_FUTURE_ERROR);
        }
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool client_tasks_opened(client_tasks *c, net_link *l)
{
    bool mine = false;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->peers.n; i++) mine |= c->peers.items[i].link == l;
    pthread_mutex_unlock(&c->lock);
    return mine;
}

static void fail_asks(client_tasks *c, const net_link *l, const char *reason)
{
    for (asked *a = c->asks; a; a = a->next) {
        if (a->done || a->link != l) continue;
        a->done = true;
        a->status = TSR_ERR_IO;
        a->text = mem_printf("the connection was lost: %s", reason);
    }
}

bool client_tasks_closed(client_tasks *c, net_link *l, const char *reason)
{
    bool mine = false;
    pthread_mutex_lock(&c->lock);
    if (l == c->scheduler) {
        c->scheduler = NULL;
        c->lost_ns = os_now_ns();
        link_unref(l);
    }
    for (size_t i = 0; i < c->peers.n; i++) {
        worker_peer *p = &c->peers.items[i];
        if (p->link != l) continue;
        mine = true;
        fail_asks(c, l, reason);
        for (size_t k = 0; k < c->futures_size; k++) {
            for (tsr_future *f = c->futures[k]; f; f = f->next) {
                if (!f->asked || f->asked_of != p->worker) continue;
                f->asked = false;
                f->n_failed++;
            }
        }
        p->link = NULL;
        link_unref(l);
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return mine;
}

void client_tasks_free(client_tasks *c)
{
    if (!c) return;
    for (size_t i = 0; c->futures && i < c->futures_size; i++)
        while (c->futures[i]) client_future_drop(c, c->futures[i]);
    while (c->last_batch) { /* those that need others are behind these */
        c->last_batch->refs = 1;
        batch_unref(c, c->last_batch);
    }
    while (c->functions) {
        sent_function *f = c->functions;
        c->functions = f->next;
        mem_free(f->head);
        mem_free(f->code);
        mem_free(f);
    }
    for (size_t i = 0; i < c->peers.n; i++) {
        link_unref(c->peers.items[i].link);
        mem_free(c->peers.items[i].address);
    }
    link_unref(c->scheduler);
    VEC_FINI(&c->peers);
    VEC_FINI(&c->leaving);
    VEC_FINI(&c->due);
    tasks_intake_fini(&c->intake);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    pthread_cond_destroy(&c->work);
    mem_free(c->futures);
    mem_free(c);
}
