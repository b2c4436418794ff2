/* What tasks have in common: functions, rules of who may run them, and the queues in which they wait. One thread. */
#include "base/strbuf.h"
#include "cluster/tasks.h"

/* ---- Functions: a table by their hash ---- */

enum { FIRST_FUNCTIONS = 64 };

task_function *tasks_function_find(const tasks *ts, hash128 id)
{
    if (!ts->functions_size) return NULL;
    for (task_function *f = ts->functions[id.low & (ts->functions_size - 1)]; f; f = f->next)
        if (hash_equal(f->id, id)) return f;
    return NULL;
}

static bool grow_functions(tasks *ts)
{
    const size_t size = ts->functions_size ? ts->functions_size * 2 : FIRST_FUNCTIONS;
    task_function **table = mem_calloc(size, sizeof *table);
    if (!table) return ts->functions_size > 0;
    for (size_t i = 0; i < ts->functions_size; i++) {
        for (task_function *f = ts->functions[i], *next; f; f = next) {
            next = f->next;
            f->next = table[f->id.low & (size - 1)];
            table[f->id.low & (size - 1)] = f;
        }
    }
    mem_free(ts->functions);
    ts->functions = table;
    ts->functions_size = size;
    return true;
}

tsr_status tasks_function_add(tasks *ts, hash128 id, const char *name, const char *runs, void *user, task_function **out)
{
    if (ts->n_functions >= ts->functions_size && !grow_functions(ts)) return TSR_ERR_MEMORY;
    task_function *f = mem_calloc(1, sizeof *f);
    if (f) *f = (task_function){.id = id, .seconds = -1, .refs = 1, .user = user};
    if (f) f->name = mem_strdup(name);
    if (f && runs) f->runs = mem_strdup(runs);
    if (!f || !f->name || (runs && !f->runs)) {
        if (f) mem_free(f->name);
        mem_free(f);
        return TSR_ERR_MEMORY;
    }
    task_function **at = &ts->functions[id.low & (ts->functions_size - 1)];
    f->next = *at;
    *at = f;
    ts->n_functions++;
    *out = f;
    return TSR_OK;
}

void tasks_function_unref(tasks *ts, task_function *f)
{
    if (--f->refs > 0) return;
    task_function **at = &ts->functions[f->id.low & (ts->functions_size - 1)];
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    ts->n_functions--;
    if (ts->ops.function_free) ts->ops.function_free(ts->ops.context, f);
    mem_free(f->name);
    mem_free(f->runs);
    mem_free(f);
}

/* ---- Rules ---- */

static bool resource_number(tasks *ts, const char *name, size_t *out)
{
    for (*out = 0; *out < ts->resource_names.n; ++*out)
        if (strcmp(ts->resource_names.items[*out], name) == 0) return true;
    char *copy = mem_strdup(name);
    if (copy && VEC_PUSH(&ts->resource_names, copy)) return true;
    mem_free(copy);
    return false;
}

/* Adds the amounts to a vector by number of the resource. */
static bool add_amounts(tasks *ts, size_t n, const task_resource *resources, void *vector)
{
    VEC(double) *amounts = vector;
    for (size_t i = 0; i < n; i++) {
        size_t number;
        if (!resource_number(ts, resources[i].name, &number)) return false;
        while (amounts->n <= number)
            if (!VEC_PUSH(amounts, 0.0)) return false;
        amounts->items[number] += resources[i].amount;
    }
    return true;
}

static void rule_free(task_rule *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->workers.n; i++) mem_free(r->workers.items[i]);
    VEC_FINI(&r->workers);
    VEC_FINI(&r->amounts);
    task_queue_fini(&r->queue);
    mem_free(r->runs);
    mem_free(r->text);
    mem_free(r);
}

static char *rule_text(const char *runs, size_t n_workers, char *const *workers, bool others_too, size_t n_resources,
                       const task_resource *resources)
{
    strbuf b = {0};
    strbuf_printf(&b, "%zu:%s", runs ? strlen(runs) : 0, runs ? runs : "");
    for (size_t i = 0; i < n_workers; i++) strbuf_printf(&b, "\n%zu:%s", strlen(workers[i]), workers[i]);
    if (others_too) strbuf_add(&b, "\n+");
    for (size_t i = 0; i < n_resources; i++)
        strbuf_printf(&b, "\n=%zu:%s=%.17g", strlen(resources[i].name), resources[i].name, resources[i].amount);
    return strbuf_take(&b);
}

tsr_status tasks_rule_get(tasks *ts, const char *runs, size_t n_workers, char *const *workers, bool others_too,
                          size_t n_resources, const task_resource *resources, task_rule **out)
{
    char *text = rule_text(runs, n_workers, workers, others_too, n_resources, resources);
    if (!text) return TSR_ERR_MEMORY;
    for (task_rule *r = ts->rules; r; r = r->next) {
        if (strcmp(r->text, text) != 0) continue;
        mem_free(text);
        r->refs++;
        *out = r;
        return TSR_OK;
    }
    task_rule *r = mem_calloc(1, sizeof *r);
    if (!r) {
        mem_free(text);
        return TSR_ERR_MEMORY;
    }
    *r = (task_rule){.text = text, .refs = 1, .others_too = others_too};
    bool good = task_queue_init(&r->queue) == TSR_OK && (!runs || (r->runs = mem_strdup(runs)));
    for (size_t i = 0; good && i < n_workers; i++) {
        char *copy = mem_strdup(workers[i]);
        good = copy && VEC_PUSH(&r->workers, copy);
        if (!good) mem_free(copy);
    }
    if (!good || !add_amounts(ts, n_resources, resources, &r->amounts)) {
        rule_free(r);
        return TSR_ERR_MEMORY;
    }
    r->next = ts->rules;
    ts->rules = r;
    *out = r;
    return TSR_OK;
}

void tasks_rule_unref(tasks *ts, task_rule *r)
{
    if (--r->refs > 0) return;
    task_rule **at = &ts->rules;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    rule_free(r);
}

/* Is this the host of the address? "node1" of "tcp://node1:4000", "[::1]" and "::1" of "tcp://[::1]:4000". */
static bool is_host_of(const char *host, const char *address)
{
    const char *begin = strstr(address, "://"), *end = strrchr(address, ':');
    if (!begin || end <= begin || strncmp(address, "unix", 4) == 0) return false;
    begin += 3;
    const size_t n = strlen(host);
    if (n == (size_t)(end - begin) && memcmp(host, begin, n) == 0) return true;
    return *begin == '[' && n + 2 == (size_t)(end - begin) && memcmp(host, begin + 1, n) == 0;
}

static bool is_named(const task_rule *r, const task_worker *w)
{
    for (size_t i = 0; i < r->workers.n; i++) {
        const char *name = r->workers.items[i];
        if (strcmp(name, w->address) == 0 || strcmp(name, w->name) == 0 || is_host_of(name, w->address)) return true;
    }
    return false;
}

bool tasks_rule_allows(const tasks *ts, const task_rule *r, const task_worker *w)
{
    if (w->retiring) return false;
    if (r->runs && (!w->runs || (r->runs[0] && strcmp(r->runs, w->runs) != 0))) return false;
    for (size_t i = 0; i < r->amounts.n; i++)
        if (r->amounts.items[i] > (i < w->resources.n ? w->resources.items[i] : 0)) return false;
    if (r->workers.n == 0 || is_named(r, w)) return true;
    if (!r->others_too) return false;
    for (size_t i = 0; i < ts->workers.n; i++)
        if (ts->workers.items[i] && is_named(r, ts->workers.items[i])) return false;
    return true;
}

bool tasks_rule_fits(const task_rule *r, const task_worker *w)
{
    for (size_t i = 0; i < r->amounts.n; i++)
        if (r->amounts.items[i] > 0 && (i >= w->free_resources.n || r->amounts.items[i] > w->free_resources.items[i] + 1e-9))
            return false;
    return true;
}

void tasks_rule_take(const task_rule *r, task_worker *w, double sign)
{
    for (size_t i = 0; i < r->amounts.n && i < w->free_resources.n; i++) w->free_resources.items[i] -= sign * r->amounts.items[i];
}

/* ---- Workers ---- */

void tasks_worker_free(task_worker *w)
{
    if (!w) return;
    task_queue_fini(&w->near);
    VEC_FINI(&w->resources);
    VEC_FINI(&w->free_resources);
    mem_free(w->name);
    mem_free(w->address);
    mem_free(w->runs);
    mem_free(w);
}

tsr_status tasks_worker_add(tasks *ts, const task_worker_facts *facts, task_worker **out)
{
    task_worker *w = mem_calloc(1, sizeof *w);
    if (!w) return TSR_ERR_MEMORY;
    const bool runs = facts->runs && facts->runs[0];
    *w = (task_worker){.id = facts->id,
                       .user = facts->user,
                       .n_threads = facts->n_threads > 0 ? facts->n_threads : 1,
                       .memory_bytes = facts->memory_bytes,
                       .last_done_ns = ts->ops.now_ns(ts->ops.context)};
    w->name = mem_strdup(facts->name);
    w->address = mem_strdup(facts->address);
    if (runs) w->runs = mem_strdup(facts->runs);
    size_t slot = 0;
    while (slot < ts->workers.n && ts->workers.items[slot]) slot++;
    if (!w->name || !w->address || (runs && !w->runs) || task_queue_init(&w->near) != TSR_OK ||
        !add_amounts(ts, facts->n_resources, facts->resources, &w->resources) ||
        !add_amounts(ts, facts->n_resources, facts->resources, &w->free_resources) ||
        !VEC_RESERVE(&ts->hungry, ts->n_workers + 1 - ts->hungry.n) || (slot == ts->workers.n && !VEC_PUSH(&ts->workers, NULL))) {
        tasks_worker_free(w);
        return TSR_ERR_MEMORY;
    }
    w->slot = (uint32_t)slot;
    ts->workers.items[slot] = w;
    ts->n_workers++;
    tasks_worker_changed(ts, w);
    *out = w;
    return TSR_OK;
}

/* ---- Queues ---- */

tsr_status task_queue_init(task_queue *q)
{
    *q = (task_queue){0};
    return VEC_RESERVE(&q->buckets, 1) ? TSR_OK : TSR_ERR_MEMORY;
}

void task_queue_fini(task_queue *q) { VEC_FINI(&q->buckets); }

/* The bucket of a priority and a client, made if there is none. When memory is short, another has to do. */
static task_bucket *bucket_of(task_queue *q, int32_t priority, const task_share *share)
{
    size_t i = 0;
    while (i < q->buckets.n && q->buckets.items[i].priority > priority) i++;
    for (; i < q->buckets.n && q->buckets.items[i].priority == priority; i++)
        if (q->buckets.items[i].share == share) return &q->buckets.items[i];
    if (!VEC_RESERVE(&q->buckets, 1)) return &q->buckets.items[q->buckets.n - 1];
    memmove(&q->buckets.items[i + 1], &q->buckets.items[i], (q->buckets.n - i) * sizeof *q->buckets.items);
    q->buckets.n++;
    q->buckets.items[i] = (task_bucket){.priority = priority, .share = share};
    return &q->buckets.items[i];
}

void task_queue_push(tasks *ts, task *t, task_worker *near, bool first)
{
    const task_id id = task_number(t);
    task_queue *q = near ? &near->near : &t->batch->rule->queue;
    task_bucket *b = bucket_of(q, t->batch->priority, t->batch->share);
    if (t->batch->share) t->batch->share->n_queued++;
    t->worker = near ? near->slot + 1 : 0;
    t->queued = true;
    t->next = first ? b->first : 0;
    t->previous = first ? 0 : b->last;
    *(t->previous ? &task_at(ts, t->previous)->next : &b->first) = id;
    *(t->next ? &task_at(ts, t->next)->previous : &b->last) = id;
    q->n++;
    ts->n_near += near != NULL;
}

void task_queue_remove(tasks *ts, task *t)
{
    const task_id id = task_number(t);
    task_queue *q = t->worker ? &ts->workers.items[t->worker - 1]->near : &t->batch->rule->queue;
    size_t i = 0;
    /* At an end, it is its bucket's end: the bucket is found by that. */
    if (!t->previous || !t->next)
        while (q->buckets.items[i].first != id && q->buckets.items[i].last != id) i++;
    task_bucket *b = &q->buckets.items[i];
    *(t->previous ? &task_at(ts, t->previous)->next : &b->first) = t->next;
    *(t->next ? &task_at(ts, t->next)->previous : &b->last) = t->previous;
    if (!t->previous && !t->next) {
        memmove(b, b + 1, (q->buckets.n - i - 1) * sizeof *b);
        q->buckets.n--;
    }
    ts->n_near -= t->worker != 0;
    t->worker = 0;
    t->queued = false;
    t->next = t->previous = 0;
    q->n--;
    if (t->batch->share) t->batch->share->n_queued--;
}

task *task_queue_head(const tasks *ts, const task_queue *q)
{
    if (!q->n) return NULL;
    const task_bucket *best = &q->buckets.items[0];
    for (size_t i = 1; i < q->buckets.n && q->buckets.items[i].priority == best->priority; i++) {
        const task_share *s = q->buckets.items[i].share;
        if ((s ? s->seconds : 0) < (best->share ? best->share->seconds : 0)) best = &q->buckets.items[i];
    }
    return task_at(ts, best->first);
}
