/* What a client asks the scheduler and waits for: where to scatter to, who has what, copies; variables, queues, semaphores,
 * events. A question is on the stack of who asks; one whose time has come is given up, and the scheduler's last word still waited
 * for: so nothing that it gave away at that moment is lost. After the connection was lost, questions are asked again under their
 * numbers; the scheduler knows which it has answered. Any thread. */
#include "base/os.h"
#include "cluster/client.h"
#include "cluster/client_tasks.h"

#include <string.h>

/* A scheduler that is not there may be started again within this time. */
enum { RECONNECT_SECONDS = 15 };

/* With the lock held. */
static void begin(client_tasks *c, asked *a)
{
    a->request = ++c->next_request;
    a->next = c->asks;
    c->asks = a;
}

static void end(client_tasks *c, asked *a)
{
    asked **at = &c->asks;
    while (*at && *at != a) at = &(*at)->next;
    if (*at) *at = a->next;
}

static void asked_fini(asked *a)
{
    mem_free(a->text);
    buffer_unref(a->value);
    VEC_FINI(&a->workers);
}

/* Of two moments; < 0: never. */
static int64_t sooner(int64_t a, int64_t b) { return a >= 0 && (b < 0 || a < b) ? a : b; }

/* ---- Over connections ---- */

void client_send_session(client_tasks *c, bool complete, bool leaves)
{
    Tessera__Futures__Session s = TESSERA__FUTURES__SESSION__INIT;
    s.session = c->key_base;
    s.again = c->was_open;
    s.complete = complete;
    s.leaves = leaves;
    if (c->scheduler) tasks_wire_tell(c->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__SESSION, &s.base, NULL);
}

/* The first request that somebody waits for. */
static uint64_t oldest_request(const client_tasks *c)
{
    uint64_t oldest = c->next_request;
    for (const asked *a = c->asks; a; a = a->next)
        if (!a->done && a->request < oldest) oldest = a->request;
    return oldest;
}

static tsr_status send_question(const client_tasks *c, const asked *a)
{
    Tessera__Futures__Ask q = *a->question;
    q.request = a->request;
    q.oldest = oldest_request(c);
    return tasks_wire_send(c->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__ASK, &q.base, &a->payload);
}

static void send_give_up(const client_tasks *c, const asked *a)
{
    Tessera__Futures__Ask g = TESSERA__FUTURES__ASK__INIT;
    g.request = a->request;
    tasks_wire_tell(c->scheduler, TESSERA__FUTURES__MESSAGE_TYPE__GIVE_UP, &g.base, NULL);
}

static void ask_again(const client_tasks *c, const asked *a)
{
    if (a->next) ask_again(c, a->next);
    if (a->done || !a->question) return;
    if (send_question(c, a) == TSR_ERR_MEMORY) link_close(c->scheduler, "out of memory");
    if (a->gave_up) send_give_up(c, a);
}

void client_asks_again(client_tasks *c)
{
    if (c->asks) ask_again(c, c->asks);
}

/* Waits for the answer. With the lock held. */
static tsr_status await(client_tasks *c, asked *a, int64_t until)
{
    while (!a->done && !c->ended) {
        const int64_t reachable = c->scheduler ? -1 : c->lost_ns + (int64_t)RECONNECT_SECONDS * 1000000000;
        if (client_wait(c, sooner(a->gave_up ? -1 : until, reachable)) || a->done || c->ended) continue;
        if (!c->scheduler && os_now_ns() >= reachable) return error_set(TSR_ERR_IO, "the scheduler cannot be reached now");
        if (a->gave_up || until < 0 || os_now_ns() < until) continue;
        a->gave_up = true;
        if (c->scheduler) send_give_up(c, a);
    }
    return TSR_OK;
}

/* Asks, and waits for the answer. *a is the caller's to end with asked_fini. */
static tsr_status ask(client_tasks *c, const Tessera__Futures__Ask *q, const tsr_task_arg *value, double seconds, asked *a)
{
    const int64_t until = client_until(seconds), reachable = client_until(RECONNECT_SECONDS);
    tsr_status status;
    *a = (asked){.question = q};
    if (value) a->payload = (net_payload){.data = value->data, .bytes = value->size};
    if (seconds != 0) tsr_task_secede();
    pthread_mutex_lock(&c->lock);
    while (!c->scheduler && client_wait(c, sooner(until, reachable))) {
    }
    client_tasks_flush(c);
    begin(c, a);
    status = c->ended       ? error_set(TSR_ERR_CANCELLED, "the session was closed")
             : c->scheduler ? send_question(c, a)
                            : error_set(TSR_ERR_IO, "the scheduler cannot be reached now");
    if (status == TSR_ERR_IO && c->scheduler) status = TSR_OK; /* the connection is about to end, and to be made again */
    if (status == TSR_OK) status = await(c, a, until);
    end(c, a);
    if (status == TSR_OK && a->status != TSR_OK) status = error_set(a->status, "%s", a->text ? a->text : "");
    pthread_mutex_unlock(&c->lock);
    if (seconds != 0) tsr_task_rejoin();
    return status;
}

/* Keys of futures; the caller frees the column. */
static tsr_status keys_of(const client_tasks *c, int n, tsr_future *const *futures, tasks_column *out)
{
    for (int i = 0; i < n; i++) {
        if (!futures[i]) continue;
        if (futures[i]->c != c) return error_set(TSR_ERR_VALUE, "future %d belongs to another session", i);
        if (!tasks_column_key(out, futures[i]->key)) return TSR_ERR_MEMORY;
    }
    return TSR_OK;
}

/* ---- Scattering ---- */

/* Sends bytes to the workers, and waits until they have them. With the lock held. */
static tsr_status put_all(client_tasks *c, int n, const tsr_bytes *data, tsr_future *const *futures, const asked *places,
                          asked *puts)
{
    tsr_status status = TSR_OK;
    for (int i = 0; i < n; i++) {
        Tessera__Futures__Data d = TESSERA__FUTURES__DATA__INIT;
        net_link *l = client_link_to(c, places->workers.items[i]);
        begin(c, &puts[i]);
        puts[i].link = l;
        d.request = puts[i].request;
        d.key_high = futures[i]->key.high;
        d.key_low = futures[i]->key.low;
        const net_payload p = {.data = data[i].data, .bytes = data[i].size};
        if (!l) status = error_set(TSR_ERR_IO, "a worker cannot be reached");
        if (l && status == TSR_OK) status = tasks_wire_send(l, TESSERA__FUTURES__MESSAGE_TYPE__PUT, &d.base, &p);
        if (status != TSR_OK) puts[i].done = true;
    }
    for (int i = 0; i < n; i++) {
        while (!puts[i].done && !c->ended) (void)client_wait(c, -1);
        end(c, &puts[i]);
        if (status == TSR_OK && puts[i].status != TSR_OK)
            status = error_set(puts[i].status, "%s", puts[i].text ? puts[i].text : "");
        asked_fini(&puts[i]);
    }
    return status;
}

static tsr_status scatter(client_tasks *c, int n, const tsr_bytes *data, const tsr_task_options *o, tsr_future **futures)
{
    Tessera__Futures__Ask q = TESSERA__FUTURES__ASK__INIT;
    tasks_column keys = {0};
    asked places, *puts = mem_calloc((size_t)n + 1, sizeof *puts);
    tsr_status status = puts ? keys_of(c, n, futures, &keys) : TSR_ERR_MEMORY;
    if (status != TSR_OK) goto done;
    q.what = "scatter";
    q.n_keys = keys.n;
    q.keys = keys.items;
    q.n_workers = o ? (size_t)o->n_workers : 0;
    q.workers = o ? (char **)(uintptr_t)o->workers : NULL;
    status = ask(c, &q, NULL, -1, &places);
    if (status == TSR_OK && places.workers.n != (size_t)n)
        status = error_set(TSR_ERR_INTERNAL, "the scheduler named %zu workers for %d results", places.workers.n, n);
    if (status == TSR_OK) {
        tsr_task_secede();
        pthread_mutex_lock(&c->lock);
        status = put_all(c, n, data, futures, &places, puts);
        pthread_mutex_unlock(&c->lock);
        tsr_task_rejoin();
    }
    asked_fini(&places);
done:
    VEC_FINI(&keys);
    mem_free(puts);
    return status;
}

tsr_status tsr_scatter(tsr_session *session, int n, const tsr_bytes *data, const tsr_key *keys, const tsr_task_options *options,
                       int n_copies, tsr_future **futures)
{
    client_tasks *c;
    TRY(client_tasks_get(session, &c));
    if (n < 0 || (options && options->n_workers < 0)) return error_set(TSR_ERR_VALUE, "%d results to scatter", n);
    int made = 0;
    pthread_mutex_lock(&c->lock);
    for (; made < n; made++) {
        const bool given = keys && (keys[made].high || keys[made].low);
        futures[made] = client_future_get(c, given ? keys[made] : client_key_new(c));
        if (!futures[made]) break;
        futures[made]->refs++;
    }
    pthread_mutex_unlock(&c->lock);
    tsr_status status = made == n ? scatter(c, n, data, options, futures) : TSR_ERR_MEMORY;
    if (status == TSR_OK && n_copies != 0 && n_copies != 1)
        status = tsr_futures_replicate(n, futures, n_copies, options ? options->n_workers : 0, options ? options->workers : NULL);
    for (int i = 0; status != TSR_OK && i < made; i++) tsr_future_release(futures[i]);
    return status;
}

/* ---- Copies, questions ---- */

static tsr_status move(client_tasks *c, const char *what, int n, tsr_future *const *futures, int number, int n_workers,
                       const char *const *workers)
{
    Tessera__Futures__Ask q = TESSERA__FUTURES__ASK__INIT;
    tasks_column keys = {0};
    asked a = {0};
    TRY(session_check_here(c->session));
    tsr_status status = n > 0 ? tsr_futures_wait(n, futures, TSR_WAIT_ALL, -1) : TSR_OK;
    if (status == TSR_OK) status = keys_of(c, n, futures, &keys);
    q.what = (char *)(uintptr_t)what;
    q.number = number;
    q.n_keys = keys.n;
    q.keys = keys.items;
    q.n_workers = (size_t)n_workers;
    q.workers = (char **)(uintptr_t)workers;
    if (status == TSR_OK) status = ask(c, &q, NULL, -1, &a);
    asked_fini(&a);
    VEC_FINI(&keys);
    return status;
}

tsr_status tsr_futures_replicate(int n, tsr_future *const *futures, int n_copies, int n_workers, const char *const *workers)
{
    client_tasks *c = NULL;
    for (int i = 0; i < n && !c; i++) c = futures[i] ? futures[i]->c : NULL;
    if (n_workers < 0) return error_set(TSR_ERR_VALUE, "%d workers", n_workers);
    return c ? move(c, "replicate", n, futures, n_copies, n_workers, workers) : TSR_OK;
}

tsr_status tsr_futures_rebalance(tsr_session *session, int n, tsr_future *const *futures)
{
    client_tasks *c;
    TRY(client_tasks_get(session, &c));
    return move(c, "rebalance", n, futures, 0, 0, NULL);
}

char *tsr_tasks_query(tsr_session *session, const char *what, int n, tsr_future *const *futures)
{
    static const char *const known[] = {"who_has", "has_what", "nbytes", "processing", "tasks", "workers", "topics"};
    Tessera__Futures__Ask q = TESSERA__FUTURES__ASK__INIT;
    tasks_column keys = {0};
    client_tasks *c;
    asked a = {0};
    char *text = NULL;
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) found |= strcmp(what, known[i]) == 0;
    if (client_tasks_get(session, &c) != TSR_OK) return NULL;
    if (strcmp(what, "logs") == 0) return client_logs(session);
    if (!found) {
        (void)error_set(TSR_ERR_VALUE,
                        "'%s' is nothing to ask; ask \"who_has\", \"has_what\", \"nbytes\", \"processing\", \"tasks\", "
                        "\"workers\", \"topics\" or \"logs\"",
                        what);
        return NULL;
    }
    tsr_status status = keys_of(c, n, futures, &keys);
    q.what = (char *)(uintptr_t)what;
    q.n_keys = keys.n;
    q.keys = keys.items;
    if (status == TSR_OK) status = ask(c, &q, NULL, -1, &a);
    if (status == TSR_OK) {
        text = a.text;
        a.text = NULL;
    }
    asked_fini(&a);
    VEC_FINI(&keys);
    return text;
}

/* ---- Shared objects ---- */

tsr_status client_ask_about(tsr_session *session, const char *what, const char *name, int64_t *number, const tsr_task_arg *value,
                            double seconds, tsr_shared_value *out)
{
    Tessera__Futures__Ask q = TESSERA__FUTURES__ASK__INIT;
    client_tasks *c;
    asked a = {0};
    uint64_t key[2];
    if (out) *out = (tsr_shared_value){0};
    TRY(client_tasks_get(session, &c));
    if (value && value->future && value->future->c != c) return error_set(TSR_ERR_VALUE, "the future belongs to another session");
    if (value && value->size > TASKS_MAX_ARGS_BYTES)
        return error_set(TSR_ERR_VALUE, "a value of %zu bytes is too large; scatter it, and share the future", value->size);
    q.what = (char *)(uintptr_t)what;
    q.name = (char *)(uintptr_t)name;
    if (number) q.number = *number;
    if (value && value->future) {
        key[0] = value->future->key.high;
        key[1] = value->future->key.low;
        q.n_keys = 2;
        q.keys = key;
    }
    tsr_status status = ask(c, &q, value, seconds, &a);
    if (number) *number = a.number;
    if (status == TSR_OK && out && a.has_key) status = tsr_future_of(session, a.key, &out->future);
    if (status == TSR_OK && out) {
        out->bytes = (tsr_bytes){.data = a.data, .size = a.size, .owner = a.value};
        a.value = NULL;
    }
    asked_fini(&a);
    return status;
}

tsr_status tsr_variable_set(tsr_session *session, const char *name, const tsr_task_arg *value)
{
    return client_ask_about(session, "variable_set", name, NULL, value, -1, NULL);
}

tsr_status tsr_variable_get(tsr_session *session, const char *name, double seconds, tsr_shared_value *out)
{
    return client_ask_about(session, "variable_get", name, NULL, NULL, seconds, out);
}

tsr_status tsr_variable_delete(tsr_session *session, const char *name)
{
    return client_ask_about(session, "variable_delete", name, NULL, NULL, -1, NULL);
}

tsr_status tsr_queue_put(tsr_session *session, const char *name, int64_t max_size, const tsr_task_arg *value, double seconds)
{
    return client_ask_about(session, "queue_put", name, &max_size, value, seconds, NULL);
}

tsr_status tsr_queue_get(tsr_session *session, const char *name, double seconds, tsr_shared_value *out)
{
    return client_ask_about(session, "queue_get", name, NULL, NULL, seconds, out);
}

tsr_status tsr_queue_size(tsr_session *session, const char *name, int64_t *out)
{
    *out = 0;
    return client_ask_about(session, "queue_size", name, out, NULL, -1, NULL);
}

tsr_status tsr_queue_delete(tsr_session *session, const char *name)
{
    return client_ask_about(session, "queue_delete", name, NULL, NULL, -1, NULL);
}

tsr_status tsr_semaphore_acquire(tsr_session *session, const char *name, int64_t max_leases, double seconds, uint64_t *lease)
{
    if (max_leases < 1) return error_set(TSR_ERR_VALUE, "a semaphore of %lld leases", (long long)max_leases);
    TRY(client_ask_about(session, "semaphore_acquire", name, &max_leases, NULL, seconds, NULL));
    *lease = (uint64_t)max_leases;
    return TSR_OK;
}

tsr_status tsr_semaphore_release(tsr_session *session, const char *name, uint64_t lease)
{
    int64_t number = (int64_t)lease;
    return client_ask_about(session, "semaphore_release", name, &number, NULL, -1, NULL);
}

tsr_status tsr_semaphore_taken(tsr_session *session, const char *name, int64_t *out)
{
    *out = 0;
    return client_ask_about(session, "semaphore_taken", name, out, NULL, -1, NULL);
}

tsr_status tsr_event_set(tsr_session *session, const char *name, bool value)
{
    int64_t number = value;
    return client_ask_about(session, "event_set", name, &number, NULL, -1, NULL);
}

tsr_status tsr_event_is_set(tsr_session *session, const char *name, bool *out)
{
    int64_t number = 0;
    TRY(client_ask_about(session, "event_is_set", name, &number, NULL, -1, NULL));
    *out = number != 0;
    return TSR_OK;
}

tsr_status tsr_event_wait(tsr_session *session, const char *name, double seconds)
{
    return client_ask_about(session, "event_wait", name, NULL, NULL, seconds, NULL);
}
