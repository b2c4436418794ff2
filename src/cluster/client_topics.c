/* Topics, asked of the scheduler (scheduler_topics.c). Any thread. */
#include "cluster/client_tasks.h"

#include <string.h>

/* What is lent: the message, and its events as the header has them. */
typedef struct lent_events {
    Tessera__Futures__Events *message;
    tsr_topic_event items[];
} lent_events;

tsr_status tsr_topic_log(tsr_session *session, const char *topic, const void *data, size_t size)
{
    return client_ask_about(session, "topic_log", topic, NULL, &(tsr_task_arg){.data = data, .size = size}, -1, NULL);
}

static tsr_status lend(const tsr_bytes *packed, tsr_topic_events *out)
{
    Tessera__Futures__Events *m = tessera__futures__events__unpack(NULL, packed->size, packed->data);
    lent_events *lent = m ? mem_calloc(1, sizeof *lent + m->n_events * sizeof lent->items[0]) : NULL;
    if (!lent) {
        if (m) tessera__futures__events__free_unpacked(m, NULL);
        return m ? TSR_ERR_MEMORY : error_set(TSR_ERR_FORMAT, "the scheduler's events do not read");
    }
    lent->message = m;
    for (size_t i = 0; i < m->n_events; i++) {
        const Tessera__Futures__Event *e = m->events[i];
        lent->items[i] = (tsr_topic_event){.number = e->number, .time = e->time, .data = e->data.data, .size = e->data.len};
    }
    *out = (tsr_topic_events){.next = m->next, .n = m->n_events, .items = lent->items, .owner = lent};
    return TSR_OK;
}

tsr_status tsr_topic_read(tsr_session *session, const char *topic, int64_t from, double seconds, tsr_topic_events *out)
{
    tsr_shared_value value;
    const char *what = seconds == 0 ? "topic_read" : "topic_wait";
    *out = (tsr_topic_events){0};
    TRY(client_ask_about(session, what, topic, &from, NULL, seconds == 0 ? -1 : seconds, &value));
    const tsr_status status = lend(&value.bytes, out);
    tsr_bytes_release(&value.bytes);
    tsr_future_release(value.future);
    return status;
}

void tsr_topic_events_release(tsr_topic_events *events)
{
    lent_events *lent = events->owner;
    if (lent) tessera__futures__events__free_unpacked(lent->message, NULL);
    mem_free(lent);
    *events = (tsr_topic_events){0};
}
