/* What a worker tells its scheduler of its tasks: results in batches, failures at once. What was done goes out when the threads
 * find nothing more to run or the batch is large (worker_threads.c), or, at the latest, with the next tick; ticks end when there
 * was nothing to tell for a second. With the lock of the worker held. */
#include "base/os.h"
#include "cluster/worker_tasks.h"

enum { TICK_MS = 5, IDLE_TICKS = 200, FLUSH_NS = 1000000 };

static void tick(void *context)
{
    worker_tasks *w = context;
    net_timer *old = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->ran.keys.n) {
        if (os_now_ns() - w->ran.since_ns > FLUSH_NS) worker_tasks_flush(w);
        w->idle_ticks = 0;
    } else if (++w->idle_ticks > IDLE_TICKS) {
        old = w->timer;
        w->timer = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    if (old) net_timer_stop(old);
}

bool worker_news_add(news *n, tsr_key key, uint64_t size, uint32_t micros, const char *carried)
{
    if (!VEC_RESERVE(&n->keys, 2) || !VEC_RESERVE(&n->sizes, 1) || !VEC_RESERVE(&n->micros, 1) || !VEC_RESERVE(&n->carried, 1))
        return false;
    if (carried && !vec_reserve((void **)&n->payload, &n->payload_capacity, n->payload_bytes + size, 1)) carried = NULL;
    if (n->keys.n == 0) n->since_ns = os_now_ns();
    (void)tasks_column_key(&n->keys, key);
    n->sizes.items[n->sizes.n++] = size;
    n->micros.items[n->micros.n++] = micros;
    n->carried.items[n->carried.n++] = carried != NULL;
    if (carried && size) memcpy(n->payload + n->payload_bytes, carried, size);
    if (carried) n->payload_bytes += size;
    return true;
}

void worker_news_send(worker_tasks *w, news *n, uint32_t type)
{
    if (!n->keys.n) return;
    Tessera__Futures__Finished f = TESSERA__FUTURES__FINISHED__INIT;
    f.n_keys = n->keys.n;
    f.keys = n->keys.items;
    f.n_sizes = n->sizes.n;
    f.sizes = n->sizes.items;
    f.n_micros = n->micros.n;
    f.micros = n->micros.items;
    f.n_carried = n->carried.n;
    f.carried = n->carried.items;
    const net_payload p = {.data = n->payload, .bytes = n->payload_bytes};
    if (w->scheduler) tasks_wire_tell(w->scheduler, type, &f.base, &p);
    n->keys.n = n->sizes.n = n->micros.n = n->carried.n = 0;
    n->payload_bytes = 0;
}

void worker_tasks_flush(worker_tasks *w)
{
    worker_news_send(w, &w->ran, TESSERA__FUTURES__MESSAGE_TYPE__RAN);
    worker_news_send(w, &w->have, TESSERA__FUTURES__MESSAGE_TYPE__HAVE);
}

void worker_news_fini(news *n)
{
    VEC_FINI(&n->keys);
    VEC_FINI(&n->sizes);
    VEC_FINI(&n->micros);
    VEC_FINI(&n->carried);
    mem_free(n->payload);
}

void worker_news_fault(worker_tasks *w, tsr_key key, tsr_status status, const char *text, const void *details, size_t size)
{
    Tessera__Futures__Erred e = TESSERA__FUTURES__ERRED__INIT;
    e.key_high = key.high;
    e.key_low = key.low;
    e.status = status;
    e.text = (char *)(uintptr_t)text;
    worker_tasks_flush(w);
    if (w->scheduler)
        tasks_wire_tell(w->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__FAULT, &e.base,
                        &(net_payload){.data = details, .bytes = size});
}

void worker_tasks_seceded(worker_tasks *w, const work_task *t)
{
    Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
    uint64_t key[2] = {t->key.high, t->key.low};
    k.n_keys = 2;
    k.keys = key;
    worker_tasks_flush(w);
    if (w->scheduler) tasks_wire_tell(w->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__SECEDED, &k.base, NULL);
}

void worker_news_soon(worker_tasks *w)
{
    w->idle_ticks = 0;
    if (!w->timer && !w->ending && net_timer_start(w->net, TICK_MS, tick, w, &w->timer) != TSR_OK) w->timer = NULL;
}
