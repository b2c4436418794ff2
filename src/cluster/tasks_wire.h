/* Reading the messages of futures.proto: unpacked, and every number checked against the others, so that those who use them need
 * not. Each fails with TSR_ERR_FORMAT; on success *out is the caller's to free. And what the three parts share to receive
 * payloads. */
#ifndef TESSERA_CLUSTER_TASKS_WIRE_H
#define TESSERA_CLUSTER_TASKS_WIRE_H

#include "base/vec.h"
#include "block/pool.h"
#include "cluster/futures.pb-c.h"
#include "cluster/net.h"

enum {
    TASKS_MAX_BATCH = 1 << 20,     /* tasks in a message */
    TASKS_CARRIED_BYTES = 64 << 10 /* results up to this come along with the news of them */
};
#define TASKS_MAX_ARGS_BYTES ((size_t)256 << 20) /* of the arguments in a message */

tsr_status tasks_wire_tasks(const net_message *m, Tessera__Futures__Tasks **out) MUST_CHECK;
tsr_status tasks_wire_run(const net_message *m, Tessera__Futures__Run **out) MUST_CHECK;
tsr_status tasks_wire_finished(const net_message *m, Tessera__Futures__Finished **out) MUST_CHECK;
tsr_status tasks_wire_keys(const net_message *m, Tessera__Futures__Keys **out) MUST_CHECK;
tsr_status tasks_wire_copy(const net_message *m, Tessera__Futures__Copy **out) MUST_CHECK;
tsr_status tasks_wire_function(const net_message *m, Tessera__Futures__Function **out) MUST_CHECK;
tsr_status tasks_wire_erred(const net_message *m, Tessera__Futures__Erred **out) MUST_CHECK;
tsr_status tasks_wire_missing(const net_message *m, Tessera__Futures__Missing **out) MUST_CHECK;
tsr_status tasks_wire_peers(const net_message *m, Tessera__Futures__Peers **out) MUST_CHECK;
tsr_status tasks_wire_get(const net_message *m, Tessera__Futures__Get **out) MUST_CHECK;
tsr_status tasks_wire_data(const net_message *m, Tessera__Futures__Data **out) MUST_CHECK;
tsr_status tasks_wire_ask(const net_message *m, Tessera__Futures__Ask **out) MUST_CHECK;
tsr_status tasks_wire_session(const net_message *m, Tessera__Futures__Session **out) MUST_CHECK;
tsr_status tasks_wire_answer(const net_message *m, Tessera__Futures__Answer **out) MUST_CHECK;

static inline tsr_key tasks_wire_key(const uint64_t *keys, size_t i)
{
    return (tsr_key){.high = keys[2 * i], .low = keys[2 * i + 1]};
}

/* Packs a message and sends it; fails only if the link is closed or memory is short. */
tsr_status tasks_wire_send(net_link *l, uint32_t type, const ProtobufCMessage *head, const net_payload *payload) MUST_CHECK;
/* The same, when nothing can be done about it: a link that is closed is told of in another way. */
void tasks_wire_tell(net_link *l, uint32_t type, const ProtobufCMessage *head, const net_payload *payload);

/* Columns of 64-bit numbers that grow. */
typedef VEC(uint64_t) tasks_column;
static inline bool tasks_column_key(tasks_column *c, tsr_key key)
{
    if (!VEC_RESERVE(c, 2)) return false;
    c->items[c->n++] = key.high;
    c->items[c->n++] = key.low;
    return true;
}

/* Memory for a result, aligned to 64, with one reference; large ones lie where processes of this host see them. May outlive the
 * net. */
tsr_status tasks_buffer_new(net *n, size_t size_bytes, buffer **out) MUST_CHECK;

/* Payloads on their way in; all zero but the net to begin with. I/O thread. */
typedef struct tasks_intake {
    net *net;
    VEC(buffer *) open;
} tasks_intake;

void tasks_intake_fini(tasks_intake *in);
/* net_handlers' place and abandoned (false: not one of these). Payloads beyond max_bytes are refused. */
char *tasks_intake_place(tasks_intake *in, const net_message *m, size_t max_bytes, void **token);
bool tasks_intake_abandoned(tasks_intake *in, void *token);
/* The payload of a message, as a reference that is the caller's; NULL: there is none, or it was refused. */
buffer *tasks_intake_take(tasks_intake *in, const net_message *m);

#endif
