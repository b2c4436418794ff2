/* Fuzzes what the scheduler makes of messages about tasks: two clients and two workers, all of whom may say anything.
 *
 * An input is a row of messages. Its first byte says who sends: 0 and 1 are clients, 2 and 3 workers; with 4 added, the bytes
 * that follow (a type, a length, the head, a length, the payload) are sent as they are; otherwise the next bytes choose the
 * message, and keys out of a few, so that messages have to do with each other. With 8 and 16 added, the sender is lost and comes
 * back; with 32 added to that, so much time goes by that those who are away are forgotten. What is recorded is read in the end by
 * another scheduler, to whom all of it must make sense. */
#include "cluster/scheduler_tasks.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_MEMBERS = 4, MAX_MESSAGES = 200, N_KEYS = 16 };

typedef struct input {
    const uint8_t *at, *end;
} input;

static uint8_t next(input *in) { return in->at < in->end ? *in->at++ : 0; }

static void closed(void *context, net_link *l, const char *reason) {}
static void message(void *context, net_link *l, const net_message *m) {}

static void join(scheduler_tasks *s, int who, net_link *l)
{
    static const char *const gpu = "GPU";
    static const double one = 1;
    static const char *const names[] = {"a", "b", "c", "d"};
    if (who < 2) {
        scheduler_tasks_client_joined(s, l);
    } else {
        scheduler_tasks_worker_joined(s, l,
                                      &(scheduler_tasks_worker){.id = (uint64_t)who,
                                                                .name = names[who],
                                                                .address = "tcp://127.0.0.1:1",
                                                                .runs = "x",
                                                                .n_threads = who - 1,
                                                                .n_resources = who == 3,
                                                                .resource_names = &gpu,
                                                                .resource_amounts = &one});
    }
}

static void deliver(scheduler_tasks *s, net_link *l, uint32_t type, const uint8_t *head, size_t head_bytes,
                    const uint8_t *payload, size_t n)
{
    net_message m = {.type = type, .head = head, .head_bytes = head_bytes, .payload_bytes = n};
    char *to = n ? scheduler_tasks_place(s, l, &m, &m.token) : NULL;
    if (to) memcpy(to, payload, n);
    m.payload = to;
    scheduler_tasks_message(s, l, &m);
}

static void raw(scheduler_tasks *s, net_link *l, input *in)
{
    const uint32_t type = 128 + (uint32_t)next(in) % 96;
    size_t n = next(in);
    if (n > (size_t)(in->end - in->at)) n = (size_t)(in->end - in->at);
    const uint8_t *head = in->at;
    in->at += n;
    size_t bytes = next(in);
    if (bytes > (size_t)(in->end - in->at)) bytes = (size_t)(in->end - in->at);
    const uint8_t *payload = in->at;
    in->at += bytes;
    deliver(s, l, type, head, n, payload, bytes);
}

static void pack(scheduler_tasks *s, net_link *l, uint32_t type, const ProtobufCMessage *m, size_t payload_bytes)
{
    static const uint8_t zeros[256];
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *head = malloc(n + 1);
    if (!head) return;
    protobuf_c_message_pack(m, head);
    deliver(s, l, type, head, n, zeros, payload_bytes);
    free(head);
}

static void from_client(scheduler_tasks *s, net_link *l, input *in)
{
    uint64_t keys[] = {0, next(in) % N_KEYS + 1U}, arg_keys[] = {0, next(in) % N_KEYS + 1U};
    const unsigned what = next(in);
    if (what < 100) {
        Tessera__Futures__Function f = TESSERA__FUTURES__FUNCTION__INIT;
        f.id_low = what % 3;
        f.kind = what % 3 + 1;
        f.runs = what % 3 == 0 ? "x" : "";
        pack(s, l, TESSERA__FUTURES__MESSAGE_TYPE__FUNCTION, &f.base, what % 7);
        Tessera__Futures__Tasks t = TESSERA__FUTURES__TASKS__INIT;
        Tessera__Futures__Resource r = TESSERA__FUTURES__RESOURCE__INIT, *resources = &r;
        char *workers[] = {what & 1 ? "c" : "nobody"};
        uint32_t n_args[] = {2};
        uint64_t sizes[] = {0, what % 5 + 1};
        r.name = "GPU";
        r.amount = 1;
        t.function_low = what % 4;
        t.n_keys = 2;
        t.keys = keys;
        t.n_n_args = 1;
        t.n_args = n_args;
        t.n_arg_sizes = 2;
        t.arg_sizes = sizes;
        t.n_arg_keys = 2;
        t.arg_keys = arg_keys;
        t.priority = (int32_t)(what % 3);
        t.retries = what % 2;
        t.n_resources = what % 11 == 0;
        t.resources = &resources;
        t.n_workers = what % 13 == 0;
        t.workers = workers;
        t.others_too = what & 2;
        t.at_once = what % 9 == 0;
        if (what & 64) t.n_arg_sizes = t.n_arg_keys = 0, n_args[0] = 0;
        pack(s, l, TESSERA__FUTURES__MESSAGE_TYPE__TASKS, &t.base, what & 64 ? 0 : what % 5);
    } else if (what < 112) {
        Tessera__Futures__Session m = TESSERA__FUTURES__SESSION__INIT;
        m.session = keys[1] % 3;
        m.again = what & 1;
        m.complete = what & 2;
        m.leaves = (what & 12) == 4;
        pack(s, l, TESSERA__FUTURES__MESSAGE_TYPE__SESSION, &m.base, 0);
    } else if (what < 180) {
        Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
        k.n_keys = 2;
        k.keys = keys;
        k.force = what & 1;
        pack(s, l, TESSERA__FUTURES__MESSAGE_TYPE__WANT + what % 4, &k.base, 0);
    } else {
        static const char *const all[] = {"who_has",
                                          "has_what",
                                          "nbytes",
                                          "processing",
                                          "tasks",
                                          "workers",
                                          "scatter",
                                          "replicate",
                                          "rebalance",
                                          "variable_set",
                                          "variable_get",
                                          "variable_delete",
                                          "queue_put",
                                          "queue_get",
                                          "queue_size",
                                          "queue_delete",
                                          "semaphore_acquire",
                                          "semaphore_release",
                                          "event_set",
                                          "event_wait",
                                          "event_is_set",
                                          "semaphore_taken",
                                          "queue_",
                                          "nothing",
                                          "topics",
                                          "topic_log",
                                          "topic_read",
                                          "topic_wait"};
        Tessera__Futures__Ask a = TESSERA__FUTURES__ASK__INIT;
        a.request = what;
        a.oldest = keys[1];
        a.what = (char *)(uintptr_t)all[next(in) % (sizeof all / sizeof *all)];
        a.name = "n";
        a.number = next(in) % 4;
        a.n_keys = what & 1 ? 2 : 0;
        a.keys = keys;
        pack(s, l, what & 2 ? TESSERA__FUTURES__MESSAGE_TYPE__ASK : TESSERA__FUTURES__MESSAGE_TYPE__GIVE_UP, &a.base, what % 3);
    }
}

static void from_worker(scheduler_tasks *s, net_link *l, input *in)
{
    uint64_t keys[] = {0, next(in) % N_KEYS + 1U};
    const unsigned what = next(in);
    if (what < 130) {
        Tessera__Futures__Finished f = TESSERA__FUTURES__FINISHED__INIT;
        uint64_t sizes[] = {what % 5};
        protobuf_c_boolean carried[] = {what & 1};
        f.n_keys = 2;
        f.keys = keys;
        f.n_sizes = 1;
        f.sizes = sizes;
        f.n_carried = 1;
        f.carried = carried;
        pack(s, l, what < 100 ? TESSERA__FUTURES__MESSAGE_TYPE__RAN : TESSERA__FUTURES__MESSAGE_TYPE__HAVE, &f.base,
             carried[0] ? sizes[0] : 0);
    } else if (what < 160) {
        Tessera__Futures__Erred e = TESSERA__FUTURES__ERRED__INIT;
        e.key_low = keys[1];
        e.status = (int32_t)what - 140;
        e.text = "no";
        pack(s, l, TESSERA__FUTURES__MESSAGE_TYPE__FAULT, &e.base, what % 3);
    } else if (what < 190) {
        Tessera__Futures__Missing m = TESSERA__FUTURES__MISSING__INIT;
        m.key_low = keys[1];
        m.arg_low = next(in) % N_KEYS + 1U;
        m.holder = what % 5;
        pack(s, l, TESSERA__FUTURES__MESSAGE_TYPE__MISSING, &m.base, 0);
    } else {
        static const uint32_t types[] = {TESSERA__FUTURES__MESSAGE_TYPE__RETURNED, TESSERA__FUTURES__MESSAGE_TYPE__LOST,
                                         TESSERA__FUTURES__MESSAGE_TYPE__SECEDED, TESSERA__FUTURES__MESSAGE_TYPE__RUNNING};
        Tessera__Futures__Keys k = TESSERA__FUTURES__KEYS__INIT;
        k.n_keys = 2;
        k.keys = keys;
        pack(s, l, types[what % 4], &k.base, 0);
    }
}

/* ---- The journal ---- */

typedef struct records {
    VEC(journal_record) all;
} records;

static void *copy_of(const void *from, size_t n)
{
    void *to = malloc(n + 1);
    if (!to) abort();
    if (n) memcpy(to, from, n);
    return to;
}

static void keep_record(void *to, const journal_record *r)
{
    journal_record copy = *r;
    copy.head = copy_of(r->head, r->head_bytes);
    copy.payload = copy_of(r->payload, r->payload_bytes);
    if (!VEC_PUSH(&((records *)to)->all, copy)) abort();
}

static uint64_t record(void *context, const journal_record *r, buffer *payload)
{
    keep_record(context, r);
    return ((records *)context)->all.n;
}

/* What a scheduler makes of them, it writes again as a snapshot, which makes sense, too. */
static void replay(net *n, records *from, bool again)
{
    scheduler_tasks *s;
    records snapshot = {0};
    if (scheduler_tasks_new(n, NULL, NULL, &s) != TSR_OK) abort();
    for (size_t i = 0; i < from->all.n; i++) {
        const journal_record *r = &from->all.items[i];
        if (scheduler_tasks_replay(s, r) != TSR_OK) abort();
        free((void *)(uintptr_t)r->head);
        free((void *)(uintptr_t)r->payload);
    }
    VEC_FINI(&from->all);
    if (again) scheduler_tasks_snapshot(s, keep_record, &snapshot);
    if (again) replay(n, &snapshot, false);
    scheduler_tasks_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static net *n;
    static net_link *links[N_MEMBERS];
    scheduler_tasks *s;
    records journal = {0};
    input in = {data, data + size};
    if (!n) {
        const net_options o = {.role = NET_ROLE_SCHEDULER, .handlers = {.closed = closed, .message = message}};
        if (net_open(&o, &n) != TSR_OK) abort();
        /* Links to nobody: what is sent on them goes nowhere. */
        for (int i = 0; i < N_MEMBERS; i++)
            if (net_connect(n, "unix:///nonexistent/tessera.sock", &links[i]) != TSR_OK) abort();
    }
    if (scheduler_tasks_new(n, NULL, NULL, &s) != TSR_OK) abort();
    scheduler_tasks_set_journal(s, record, &journal);
    for (int i = 0; i < N_MEMBERS; i++) join(s, i, links[i]);
    for (int i = 0; i < MAX_MESSAGES && in.at < in.end; i++) {
        const unsigned how = next(&in);
        const int who = how % N_MEMBERS;
        if (how & 8 && how & 16) {
            if (who < 2) scheduler_tasks_client_lost(s, links[who]);
            if (who >= 2) scheduler_tasks_worker_lost(s, links[who], "lost");
            if (how & 32) s->ticks += 100;
            if (how & 32 && scheduler_sessions_tick(s)) scheduler_asks_poll(s);
            join(s, who, links[who]);
        } else if (how & 4) {
            raw(s, links[who], &in);
        } else if (who < 2) {
            from_client(s, links[who], &in);
        } else {
            from_worker(s, links[who], &in);
        }
    }
    scheduler_tasks_recorded(s, journal.all.n);
    scheduler_tasks_free(s);
    replay(n, &journal, true);
    return 0;
}
