/* Messages of futures.proto: unpacking with all checks, packing, payloads on their way in. What comes from the network is
 * believed in nothing: lists that belong together must have the same length, sizes must add up to the payload. Any thread; an
 * intake belongs to the I/O thread. */
#include "cluster/tasks_wire.h"

#include <stdlib.h>

enum { SHARED_BYTES = 64 << 10, RESULT_ALIGNMENT = 64 };

#define UNPACK(lower, m) tessera__futures__##lower##__unpack(NULL, (m)->head_bytes, (m)->head)

static tsr_status bad(const char *what) { return error_set(TSR_ERR_FORMAT, "a message about tasks makes no sense: %s", what); }

/* Keys, numbers of arguments, sizes of arguments, keys of arguments. NULL: good. */
static const char *check_tasks(size_t n_keys, size_t n_counts, const uint32_t *counts, size_t n_sizes, const uint64_t *sizes,
                               size_t n_arg_keys, const net_message *m)
{
    const size_t n = n_keys / 2;
    uint64_t n_args = 0, bytes = 0, results = 0;
    if (n_keys % 2 || n > TASKS_MAX_BATCH) return "the number of keys";
    if (n_counts != n && n_counts != 1) return "the number of tasks";
    for (size_t i = 0; i < n; i++) n_args += counts[n_counts == 1 ? 0 : i];
    if (n_args != n_sizes) return "the number of arguments";
    for (size_t i = 0; i < n_sizes; i++) {
        if (sizes[i] > (uint64_t)1 << 48) return "the size of an argument";
        bytes += sizes[i] ? sizes[i] - 1 : 0;
        results += sizes[i] == 0;
    }
    if (n_arg_keys != 2 * results) return "the number of keys of arguments";
    if (bytes != m->payload_bytes) return "the sizes of arguments";
    return NULL;
}

tsr_status tasks_wire_tasks(const net_message *m, Tessera__Futures__Tasks **out)
{
    Tessera__Futures__Tasks *t = *out = UNPACK(tasks, m);
    const char *why =
        t ? check_tasks(t->n_keys, t->n_n_args, t->n_args, t->n_arg_sizes, t->arg_sizes, t->n_arg_keys, m) : "it does not unpack";
    for (size_t i = 0; t && !why && i < t->n_resources; i++)
        if (!(t->resources[i]->amount >= 0 && t->resources[i]->amount <= 1e15)) why = "the amount of a resource";
    if (t && !why && (t->n_resources > 64 || t->n_workers > 65536)) why = "too many resources or workers";
    if (!why) return TSR_OK;
    if (t) tessera__futures__tasks__free_unpacked(t, NULL);
    return bad(why);
}

tsr_status tasks_wire_run(const net_message *m, Tessera__Futures__Run **out)
{
    Tessera__Futures__Run *t = *out = UNPACK(run, m);
    const char *why =
        t ? check_tasks(t->n_keys, t->n_n_args, t->n_args, t->n_arg_sizes, t->arg_sizes, t->n_arg_keys, m) : "it does not unpack";
    if (!why && 2 * t->n_arg_holders != t->n_arg_keys) why = "the number of holders";
    if (!why) return TSR_OK;
    if (t) tessera__futures__run__free_unpacked(t, NULL);
    return bad(why);
}

tsr_status tasks_wire_finished(const net_message *m, Tessera__Futures__Finished **out)
{
    Tessera__Futures__Finished *t = *out = UNPACK(finished, m);
    const char *why = t ? NULL : "it does not unpack";
    const size_t n = t ? t->n_keys / 2 : 0;
    if (!why && (t->n_keys % 2 || n > TASKS_MAX_BATCH || t->n_sizes != n)) why = "the number of results";
    if (!why && ((t->n_carried && t->n_carried != n) || (t->n_holders && t->n_holders != n) || (t->n_micros && t->n_micros != n)))
        why = "columns differ";
    uint64_t bytes = 0;
    for (size_t i = 0; !why && i < n; i++) {
        if (t->sizes[i] > (uint64_t)1 << 48) why = "the size of a result";
        if (t->n_carried && t->carried[i]) bytes += t->sizes[i];
    }
    if (!why && bytes != m->payload_bytes) why = "the sizes of results";
    if (!why) return TSR_OK;
    if (t) tessera__futures__finished__free_unpacked(t, NULL);
    return bad(why);
}

tsr_status tasks_wire_keys(const net_message *m, Tessera__Futures__Keys **out)
{
    Tessera__Futures__Keys *t = *out = UNPACK(keys, m);
    if (t && t->n_keys % 2 == 0) return TSR_OK;
    if (t) tessera__futures__keys__free_unpacked(t, NULL);
    return bad("keys");
}

tsr_status tasks_wire_copy(const net_message *m, Tessera__Futures__Copy **out)
{
    Tessera__Futures__Copy *t = *out = UNPACK(copy, m);
    if (t && t->n_keys == 2 * t->n_holders) return TSR_OK;
    if (t) tessera__futures__copy__free_unpacked(t, NULL);
    return bad("copies");
}

tsr_status tasks_wire_function(const net_message *m, Tessera__Futures__Function **out)
{
    Tessera__Futures__Function *t = *out = UNPACK(function, m);
    return t ? TSR_OK : bad("a function");
}

tsr_status tasks_wire_erred(const net_message *m, Tessera__Futures__Erred **out)
{
    Tessera__Futures__Erred *t = *out = UNPACK(erred, m);
    return t ? TSR_OK : bad("an error");
}

tsr_status tasks_wire_missing(const net_message *m, Tessera__Futures__Missing **out)
{
    Tessera__Futures__Missing *t = *out = UNPACK(missing, m);
    return t ? TSR_OK : bad("a missing argument");
}

tsr_status tasks_wire_peers(const net_message *m, Tessera__Futures__Peers **out)
{
    Tessera__Futures__Peers *t = *out = UNPACK(peers, m);
    return t ? TSR_OK : bad("peers");
}

tsr_status tasks_wire_get(const net_message *m, Tessera__Futures__Get **out)
{
    Tessera__Futures__Get *t = *out = UNPACK(get, m);
    return t ? TSR_OK : bad("a request");
}

tsr_status tasks_wire_data(const net_message *m, Tessera__Futures__Data **out)
{
    Tessera__Futures__Data *t = *out = UNPACK(data, m);
    return t ? TSR_OK : bad("data");
}

tsr_status tasks_wire_ask(const net_message *m, Tessera__Futures__Ask **out)
{
    Tessera__Futures__Ask *t = *out = UNPACK(ask, m);
    if (t && t->n_keys % 2 == 0) return TSR_OK;
    if (t) tessera__futures__ask__free_unpacked(t, NULL);
    return bad("a question");
}

tsr_status tasks_wire_session(const net_message *m, Tessera__Futures__Session **out)
{
    Tessera__Futures__Session *t = *out = UNPACK(session, m);
    return t ? TSR_OK : bad("a session");
}

tsr_status tasks_wire_answer(const net_message *m, Tessera__Futures__Answer **out)
{
    Tessera__Futures__Answer *t = *out = UNPACK(answer, m);
    if (t && t->n_keys % 2 == 0) return TSR_OK;
    if (t) tessera__futures__answer__free_unpacked(t, NULL);
    return bad("an answer");
}

/* ---- Sending ---- */

tsr_status tasks_wire_send(net_link *l, uint32_t type, const ProtobufCMessage *head, const net_payload *payload)
{
    uint8_t small[512];
    const size_t size = protobuf_c_message_get_packed_size(head);
    uint8_t *packed = size <= sizeof small ? small : mem_alloc(size);
    if (!packed) return TSR_ERR_MEMORY;
    protobuf_c_message_pack(head, packed);
    const tsr_status status = link_send(l, type, packed, size, payload && payload->bytes ? payload : NULL);
    if (packed != small) mem_free(packed);
    return status;
}

void tasks_wire_tell(net_link *l, uint32_t type, const ProtobufCMessage *head, const net_payload *payload)
{
    if (tasks_wire_send(l, type, head, payload) == TSR_ERR_MEMORY) link_close(l, "out of memory");
}

/* ---- Payloads on their way in ---- */

tsr_status tasks_buffer_new(net *n, size_t size_bytes, buffer **out)
{
    void *data = NULL;
    if (size_bytes >= SHARED_BYTES) return net_buffer_new(n, size_bytes, out);
    if (mem_fault_now() || posix_memalign(&data, RESULT_ALIGNMENT, size_bytes ? size_bytes : 1) != 0)
        return error_memory(size_bytes);
    const tsr_status status = buffer_wrap(data, size_bytes, free, data, out);
    if (status != TSR_OK) free(data);
    return status;
}

void tasks_intake_fini(tasks_intake *in)
{
    for (size_t i = 0; i < in->open.n; i++) buffer_unref(in->open.items[i]);
    VEC_FINI(&in->open);
}

char *tasks_intake_place(tasks_intake *in, const net_message *m, size_t max_bytes, void **token)
{
    buffer *b;
    *token = NULL;
    /* Shared memory is used where it lies, if it lies as results do. */
    if (m->payload_bytes > max_bytes || (m->shared && (uintptr_t)m->shared->data % RESULT_ALIGNMENT == 0)) return NULL;
    if (!VEC_RESERVE(&in->open, 1) || tasks_buffer_new(in->net, m->payload_bytes, &b) != TSR_OK) return NULL;
    in->open.items[in->open.n++] = b;
    *token = b;
    return b->data;
}

static bool leave(tasks_intake *in, const void *token)
{
    for (size_t i = 0; i < in->open.n; i++) {
        if (in->open.items[i] != token) continue;
        in->open.items[i] = in->open.items[--in->open.n];
        return true;
    }
    return false;
}

bool tasks_intake_abandoned(tasks_intake *in, void *token)
{
    if (!token || !leave(in, token)) return false;
    buffer_unref(token);
    return true;
}

buffer *tasks_intake_take(tasks_intake *in, const net_message *m)
{
    if (m->token && leave(in, m->token)) return m->token;
    if (!m->shared || !m->payload) return NULL;
    return buffer_ref(m->shared);
}
