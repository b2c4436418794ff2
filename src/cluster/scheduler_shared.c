/* Things that clients share by name: variables, queues, semaphores, events. A question that has to wait (for a value, for room,
 * for a lease, for the event) is not answered, and asked again after something changed (scheduler_asks.c), oldest first. Futures
 * that a variable or a queue holds are wanted by the scheduler's own client `shared`. I/O thread. */
#include "cluster/scheduler_tasks.h"

enum { MAX_OBJECTS = 1 << 20 };

typedef enum object_kind { VARIABLE, QUEUE, SEMAPHORE, EVENT } object_kind;

typedef struct held_value {
    struct held_value *next;
    bool has_key;
    tsr_key key;
    buffer *value;
    const char *data;
    size_t size;
} held_value;

typedef struct lease {
    uint64_t number;
    const task_session *session;
} lease;

struct shared_object {
    shared_object *next;
    char *name;
    object_kind kind;
    held_value *first, *last;
    int64_t n_values, max;
    VEC(lease) leases;
    bool set;
};

static shared_object *find(const scheduler_tasks *s, object_kind kind, const char *name)
{
    shared_object *o = s->objects;
    while (o && (o->kind != kind || strcmp(o->name, name) != 0)) o = o->next;
    return o;
}

static shared_object *get(scheduler_tasks *s, object_kind kind, const char *name)
{
    shared_object *o = find(s, kind, name);
    if (o) return o;
    size_t n = 0;
    for (const shared_object *p = s->objects; p; p = p->next) n++;
    if (n >= MAX_OBJECTS) {
        (void)error_set(TSR_ERR_MEMORY, "there are %zu shared objects already", n);
        return NULL;
    }
    o = mem_calloc(1, sizeof *o);
    if (o) o->name = mem_strdup(name);
    if (!o || !o->name) {
        mem_free(o);
        return NULL;
    }
    o->kind = kind;
    o->next = s->objects;
    s->objects = o;
    return o;
}

/* Does any variable or queue hold this future? */
static bool is_held(const scheduler_tasks *s, tsr_key key)
{
    for (const shared_object *o = s->objects; o; o = o->next)
        for (const held_value *v = o->first; v; v = v->next)
            if (v->has_key && v->key.low == key.low && v->key.high == key.high) return true;
    return false;
}

static void take_first(scheduler_tasks *s, shared_object *o)
{
    held_value *v = o->first;
    o->first = v->next;
    if (!o->first) o->last = NULL;
    o->n_values--;
    if (v->has_key && !is_held(s, v->key)) tasks_unwant(&s->ts, &s->ts.shared, v->key);
    buffer_unref(v->value);
    mem_free(v);
}

static void drop(scheduler_tasks *s, shared_object *o)
{
    shared_object **at = &s->objects;
    while (*at != o) at = &(*at)->next;
    while (o->first) take_first(s, o);
    *at = o->next;
    VEC_FINI(&o->leases);
    mem_free(o->name);
    mem_free(o);
}

void shared_fini(scheduler_tasks *s)
{
    while (s->objects) drop(s, s->objects);
}

void shared_session_ends(scheduler_tasks *s, const task_session *p)
{
    for (shared_object *o = s->objects; o; o = o->next)
        for (size_t i = o->leases.n; i-- > 0;) {
            if (o->leases.items[i].session != p) continue;
            scheduler_note(s, "semaphore_release", o->name, o->leases.items[i].number);
            o->leases.items[i] = o->leases.items[--o->leases.n];
        }
}

static bool add_value(scheduler_tasks *s, shared_object *o, const pending *p)
{
    held_value *v = mem_calloc(1, sizeof *v);
    if (!v) return false;
    *v = (held_value){
        .has_key = p->ask->n_keys > 0, .value = p->value ? buffer_ref(p->value) : NULL, .data = p->data, .size = p->size};
    if (v->has_key) v->key = tasks_wire_key(p->ask->keys, 0);
    if (v->has_key && tasks_want(&s->ts, &s->ts.shared, v->key) != TSR_OK) {
        mem_free(v);
        return false;
    }
    if (v->has_key && p->m) scheduler_lineage_note(s, v->key); /* who submitted it may be gone tomorrow */
    *(o->last ? &o->last->next : &o->first) = v;
    o->last = v;
    o->n_values++;
    return true;
}

/* The oldest value into the reply; a future is the asker's, too, from now on. */
static void give_value(scheduler_tasks *s, const pending *p, const held_value *v, reply *r)
{
    r->has_key = v->has_key;
    r->key = v->key;
    r->value = v->value ? buffer_ref(v->value) : NULL;
    r->data = v->data;
    r->size = v->size;
    if (v->has_key && p->m && tasks_want(&s->ts, &p->m->client, v->key) != TSR_OK) r->status = TSR_ERR_MEMORY;
}

static bool ask_variable(scheduler_tasks *s, const pending *p, const char *what, reply *r)
{
    shared_object *o = find(s, VARIABLE, p->ask->name);
    if (strcmp(what, "get") == 0) {
        if (!o || !o->first) return false;
        give_value(s, p, o->first, r);
    } else if (strcmp(what, "set") == 0) {
        o = get(s, VARIABLE, p->ask->name);
        if (!o || !add_value(s, o, p)) r->status = TSR_ERR_MEMORY;
        while (r->status == TSR_OK && o->first != o->last) take_first(s, o);
    } else if (o) { /* delete */
        drop(s, o);
    }
    return true;
}

static bool ask_queue(scheduler_tasks *s, const pending *p, const char *what, reply *r)
{
    shared_object *o = find(s, QUEUE, p->ask->name);
    if (strcmp(what, "get") == 0) {
        if (!o || !o->first) return false;
        give_value(s, p, o->first, r);
        take_first(s, o);
    } else if (strcmp(what, "put") == 0) {
        o = get(s, QUEUE, p->ask->name);
        if (o && p->ask->number > o->max) o->max = p->ask->number;
        if (p->m && o && o->max > 0 && o->n_values >= o->max) return false; /* the journal's values were taken */
        if (!o || !add_value(s, o, p)) r->status = TSR_ERR_MEMORY;
    } else if (strcmp(what, "size") == 0) {
        r->number = o ? o->n_values : 0;
    } else if (o) { /* delete */
        drop(s, o);
    }
    return true;
}

static bool ask_semaphore(scheduler_tasks *s, const pending *p, const char *what, reply *r)
{
    shared_object *o = find(s, SEMAPHORE, p->ask->name);
    if (strcmp(what, "taken") == 0) {
        r->number = o ? (int64_t)o->leases.n : 0;
        return true;
    }
    if (strcmp(what, "acquire") == 0) {
        if (!o) {
            o = get(s, SEMAPHORE, p->ask->name);
            if (o) o->max = p->ask->number > 0 ? p->ask->number : 1;
        }
        if (o && (int64_t)o->leases.n >= o->max) return false;
        if (!p->m && p->ask->lease > s->next_lease) s->next_lease = p->ask->lease - 1; /* as it was */
        const lease l = {.number = ++s->next_lease, .session = p->session};
        if (!o || !VEC_PUSH(&o->leases, l)) r->status = TSR_ERR_MEMORY;
        r->number = (int64_t)l.number;
        return true;
    }
    for (size_t i = 0; o && i < o->leases.n; i++) { /* release */
        if (o->leases.items[i].number != (uint64_t)p->ask->number) continue;
        o->leases.items[i] = o->leases.items[--o->leases.n];
        if (o->leases.n == 0) drop(s, o);
        return true;
    }
    r->status = error_set(TSR_ERR_NOT_FOUND, "the semaphore '%.100s' has no such lease", p->ask->name);
    return true;
}

static bool ask_event(scheduler_tasks *s, const pending *p, const char *what, reply *r)
{
    shared_object *o = find(s, EVENT, p->ask->name);
    if (strcmp(what, "wait") == 0) return o && o->set;
    if (strcmp(what, "set") == 0) {
        if (p->ask->number && !o) o = get(s, EVENT, p->ask->name);
        if (p->ask->number && !o) r->status = TSR_ERR_MEMORY;
        if (o && p->ask->number) o->set = true;
        if (o && !p->ask->number) drop(s, o);
    } else { /* is_set */
        r->number = o && o->set;
    }
    return true;
}

bool shared_ask(scheduler_tasks *s, const pending *p, reply *r, bool *done)
{
    static const struct {
        const char *prefix;
        bool (*ask)(scheduler_tasks *, const pending *, const char *, reply *);
        const char *verbs;
    } kinds[] = {{"variable_", ask_variable, "get set delete"},
                 {"queue_", ask_queue, "get put size delete"},
                 {"semaphore_", ask_semaphore, "acquire release taken"},
                 {"event_", ask_event, "set is_set wait"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t n = strlen(kinds[i].prefix);
        if (strncmp(p->ask->what, kinds[i].prefix, n) != 0) continue;
        const char *what = p->ask->what + n;
        const size_t length = strlen(what);
        for (const char *verb = kinds[i].verbs; verb; verb = strchr(verb, ' ') ? strchr(verb, ' ') + 1 : NULL) {
            if (!length || strncmp(verb, what, length) != 0 || (verb[length] && verb[length] != ' ')) continue;
            *done = kinds[i].ask(s, p, what, r);
            return true;
        }
    }
    return false;
}

bool shared_changes(const char *what)
{
    static const char *const all[] = {"variable_set",      "variable_delete",   "queue_put", "queue_get", "queue_delete",
                                      "semaphore_acquire", "semaphore_release", "event_set", "topic_log"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(what, all[i]) == 0) return true;
    return false;
}

/* ---- The journal ---- */

static void write_value(scheduler_tasks *s, const shared_object *o, const held_value *v, lineage_writer *write, void *to)
{
    if (v->has_key) scheduler_lineage_write(s, v->key, write, to);
    Tessera__Futures__Ask a = TESSERA__FUTURES__ASK__INIT;
    uint64_t key[2] = {v->key.high, v->key.low};
    a.what = o->kind == VARIABLE ? "variable_set" : "queue_put";
    a.name = o->name;
    a.number = o->max;
    a.n_keys = v->has_key ? 2 : 0;
    a.keys = key;
    scheduler_write_shared(&a.base, JOURNAL_SHARED, v->data, v->value ? v->size : 0, write, to);
}

void shared_snapshot(scheduler_tasks *s, void (*write)(void *to, const journal_record *r), void *to)
{
    for (const shared_object *o = s->objects; o; o = o->next) {
        Tessera__Futures__Ask a = TESSERA__FUTURES__ASK__INIT;
        a.name = o->name;
        for (const held_value *v = o->first; v; v = v->next) write_value(s, o, v, write, to);
        a.what = "semaphore_acquire";
        a.number = o->max;
        for (size_t i = 0; i < o->leases.n; i++) {
            a.lease = o->leases.items[i].number;
            a.session = o->leases.items[i].session->id;
            scheduler_write_shared(&a.base, JOURNAL_SHARED, NULL, 0, write, to);
        }
        a.what = "event_set";
        a.lease = a.session = 0;
        a.number = 1;
        if (o->set) scheduler_write_shared(&a.base, JOURNAL_SHARED, NULL, 0, write, to);
    }
}
