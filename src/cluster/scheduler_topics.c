/* Topics: events that members log, for whoever reads them. All events are in one order, and so are those of each topic: the
 * oldest of all is the first of its topic. What exceeds the bounds goes from there, and with its last event a topic. Numbers
 * begin with the time, so that they grow over restarts: who has read events of a scheduler before this one reads on. I/O thread.
 */
#include "base/strbuf.h"
#include "cluster/scheduler_tasks.h"

#include <time.h>

enum { MAX_TOPICS = 1024, MAX_EVENT_BYTES = 1 << 20, MAX_EVENTS_BYTES = 16 << 20 };

typedef struct topic topic;

typedef struct topic_event {
    struct topic_event *next, *next_of_topic;
    topic *of;
    int64_t number;
    double time;
    size_t size;
    char data[];
} topic_event;

struct topic {
    topic *next;
    topic_event *first, *last;
    char name[];
};

struct scheduler_topics {
    topic *topics;
    topic_event *oldest, *newest;
    size_t n_topics, n_bytes;
    int64_t next_number;
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static scheduler_topics *topics_of(scheduler_tasks *s)
{
    if (s->topics) return s->topics;
    s->topics = mem_calloc(1, sizeof *s->topics);
    if (s->topics) s->topics->next_number = (int64_t)(now_seconds() * 1e6);
    return s->topics;
}

static topic *find(const scheduler_topics *all, const char *name)
{
    topic *t = all->topics;
    while (t && strcmp(t->name, name) != 0) t = t->next;
    return t;
}

static void drop_topic(scheduler_topics *all, topic *t)
{
    topic **at = &all->topics;
    while (*at != t) at = &(*at)->next;
    *at = t->next;
    all->n_topics--;
    mem_free(t);
}

static void drop_oldest(scheduler_topics *all)
{
    topic_event *e = all->oldest;
    topic *t = e->of;
    all->oldest = e->next;
    if (!all->oldest) all->newest = NULL;
    t->first = e->next_of_topic;
    all->n_bytes -= sizeof *e + e->size;
    if (!t->first) drop_topic(all, t);
    mem_free(e);
}

void topics_fini(scheduler_tasks *s)
{
    while (s->topics && s->topics->oldest) drop_oldest(s->topics);
    mem_free(s->topics);
    s->topics = NULL;
}

static topic *add_topic(scheduler_topics *all, const char *name)
{
    const size_t n = strlen(name) + 1;
    topic *t = mem_calloc(1, sizeof *t + n);
    if (!t) return NULL;
    memcpy(t->name, name, n);
    t->next = all->topics;
    all->topics = t;
    all->n_topics++;
    return t;
}

static tsr_status log_event(scheduler_topics *all, const char *name, const char *data, size_t size)
{
    if (size > MAX_EVENT_BYTES)
        return error_set(TSR_ERR_VALUE, "an event has %zu bytes; at most %d are possible", size, MAX_EVENT_BYTES);
    topic_event *e = mem_alloc(sizeof *e + size);
    topic *t = e ? find(all, name) : NULL;
    if (e && !t) t = add_topic(all, name);
    if (!e || !t) {
        mem_free(e);
        return TSR_ERR_MEMORY;
    }
    *e = (topic_event){.of = t, .number = all->next_number++, .time = now_seconds(), .size = size};
    if (size) memcpy(e->data, data, size);
    *(all->newest ? &all->newest->next : &all->oldest) = e;
    all->newest = e;
    *(t->first ? &t->last->next_of_topic : &t->first) = e;
    t->last = e;
    all->n_bytes += sizeof *e + size;
    while (all->n_bytes > MAX_EVENTS_BYTES || all->n_topics > MAX_TOPICS) drop_oldest(all);
    return TSR_OK;
}

/* Events, packed, as the reply's value. */
static tsr_status give_events(const scheduler_topics *all, const topic_event *first, reply *r)
{
    Tessera__Futures__Events m = TESSERA__FUTURES__EVENTS__INIT;
    size_t n = 0;
    for (const topic_event *e = first; e; e = e->next_of_topic) n++;
    Tessera__Futures__Event *items = mem_calloc(n + 1, sizeof *items), **list = mem_calloc(n + 1, sizeof *list);
    uint8_t *packed = NULL;
    tsr_status status = items && list ? TSR_OK : TSR_ERR_MEMORY;
    for (const topic_event *e = status == TSR_OK ? first : NULL; e; e = e->next_of_topic) {
        Tessera__Futures__Event *one = list[m.n_events] = &items[m.n_events];
        *one = (Tessera__Futures__Event)TESSERA__FUTURES__EVENT__INIT;
        one->number = e->number;
        one->time = e->time;
        one->data = (ProtobufCBinaryData){.len = e->size, .data = (uint8_t *)(uintptr_t)e->data};
        m.n_events++;
    }
    m.events = list;
    m.next = all->next_number;
    r->size = tessera__futures__events__get_packed_size(&m);
    if (status == TSR_OK) status = (packed = mem_alloc(r->size)) ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) tessera__futures__events__pack(&m, packed);
    if (status == TSR_OK) status = buffer_wrap(packed, r->size, mem_free, packed, &r->value);
    if (status != TSR_OK) mem_free(packed);
    r->data = (const char *)packed;
    mem_free(items);
    mem_free(list);
    return status;
}

static bool read_events(const scheduler_topics *all, Tessera__Futures__Ask *a, bool waits, reply *r)
{
    const topic *t = find(all, a->name);
    const topic_event *e = t ? t->first : NULL;
    if (a->number > all->next_number) a->number = all->next_number; /* from now on */
    while (e && e->number < a->number) e = e->next_of_topic;
    if (!e && waits) return false;
    r->status = give_events(all, e, r);
    return true;
}

bool topics_ask(scheduler_tasks *s, const pending *p, reply *r, bool *done)
{
    const char *what = p->ask->what;
    const bool logs = strcmp(what, "topic_log") == 0, waits = strcmp(what, "topic_wait") == 0;
    if (!logs && !waits && strcmp(what, "topic_read") != 0) return false;
    scheduler_topics *all = topics_of(s);
    *done = true;
    if (!all)
        r->status = TSR_ERR_MEMORY;
    else if (logs)
        r->status = log_event(all, p->ask->name, p->data, p->value ? p->size : 0);
    else
        *done = read_events(all, p->ask, waits, r);
    return true;
}

void topics_names(const scheduler_tasks *s, void (*add)(void *to, const char *name), void *to)
{
    for (const topic *t = s->topics ? s->topics->topics : NULL; t; t = t->next) add(to, t->name);
}
