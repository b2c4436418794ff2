/* See future_blocks.h. A call brings its block's result, on a thread of the engine. It does not wait for the task that makes it,
 * since that may wait for the engine in turn: a worker calls once the result is there (future_blocks_watch). A worker's futures
 * belong to a session that it has for them, and are asked for together when the function is made: so results stay as long as
 * somebody may need the blocks again, whatever becomes of the client. */
#include "cluster/future_blocks.h"

#include "base/mem.h"
#include "cluster/client_tasks.h"

#include <stdlib.h>
#include <string.h>

static const char NAME[] = "from_futures";
#define LOOK_SECONDS 0.1 /* while a result is on its way: whether the call is to end */

/* As it travels. */
typedef struct row {
    uint64_t high, low, holder;
} row;

typedef struct future_blocks {
    int64_t n;
    tsr_future **futures;    /* NULL: a scheduler's */
    row *rows;               /* a scheduler's */
    const atomic_bool *ends; /* may be NULL */
    atomic_bool *gave_up;    /* a worker's, by block: a call did, since the result was lost */
    tsr_function decode;     /* without an address: results are the blocks */
} future_blocks;

static void free_blocks(void *context)
{
    future_blocks *b = context;
    if (!b) return;
    for (int64_t i = 0; b->futures && i < b->n; i++) {
        if (b->futures[i]) client_future_unwatch(b->futures[i], b);
        tsr_future_release(b->futures[i]);
    }
    if (b->decode.release) b->decode.release(b->decode.context);
    mem_free(b->futures);
    mem_free(b->rows);
    mem_free(b->gave_up);
    mem_free(b);
}

/* ---- Calls ---- */

static tsr_status wait_for_result(const future_blocks *b, int64_t at, tsr_bytes *out)
{
    tsr_future *f = b->futures[at];
    tsr_status status = TSR_ERR_TIMEOUT;
    if (!b->ends) return tsr_future_result(f, -1, out);
    while (status == TSR_ERR_TIMEOUT && !atomic_load(b->ends)) {
        status = tsr_future_result(f, LOOK_SECONDS, out);
        const tsr_future_status state = tsr_future_state(f);
        /* A task may fail with this status, too. */
        if (status != TSR_ERR_TIMEOUT || state == TSR_FUTURE_ERROR) break;
        if (state != TSR_FUTURE_PENDING) continue;
        atomic_store(&b->gave_up[at], true);
        return status;
    }
    return atomic_load(b->ends) && status != TSR_OK ? error_set(TSR_ERR_CANCELLED, "the worker ends") : status;
}

static tsr_status decode(const tsr_function *f, const tsr_bytes *result, const tsr_block *output)
{
    static const int64_t zero = 0, one = 1;
    const int64_t size = (int64_t)result->size;
    const tsr_block input = {.data = (void *)(uintptr_t)result->data,
                             .dtype = TSR_U8,
                             .ndim = 1,
                             .shape = &size,
                             .strides = &one,
                             .start = &zero,
                             .index = &zero,
                             .n_blocks = &one,
                             .array_shape = &size};
    return f->call(f->context, 1, &input, output);
}

static tsr_status copy(const tsr_bytes *result, const tsr_block *output)
{
    const size_t bytes = (size_t)shape_size(output->ndim, output->shape) * tsr_dtype_size(output->dtype);
    if (result->size != bytes) return error_set(TSR_ERR_VALUE, "the result has %zu bytes, the block %zu", result->size, bytes);
    if (bytes) memcpy(output->data, result->data, bytes);
    return TSR_OK;
}

static tsr_status call(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const future_blocks *b = context;
    int64_t at = 0;
    tsr_bytes result;
    for (int d = 0; d < output->ndim; d++) at = at * output->n_blocks[d] + output->index[d];
    if (!b->futures || at >= b->n) return error_set(TSR_ERR_INTERNAL, "there is no future of block %lld", (long long)at);
    TRY(wait_for_result(b, at, &result));
    const tsr_status status = b->decode.call ? decode(&b->decode, &result, output) : copy(&result, output);
    tsr_bytes_release(&result);
    return status;
}

/* ---- Making it ---- */

static tsr_status make_blocks(int64_t n, future_blocks **out)
{
    future_blocks *b = mem_calloc(1, sizeof *b);
    if (!b) return TSR_ERR_MEMORY;
    b->n = n;
    *out = b;
    return TSR_OK;
}

/* Blocks of the array; an error if there are too many to be counted, which tsr_from_blocks finds again. */
static int64_t count_blocks(int ndim, const tsr_chunks *chunks)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; d++)
        if (chunks[d].n < 1 || __builtin_mul_overflow(n, chunks[d].n, &n)) return -1;
    return n;
}

static tsr_status hold_futures(future_blocks *b, client_tasks *c, tsr_future *const *futures)
{
    b->futures = mem_calloc((size_t)b->n, sizeof(tsr_future *));
    if (!b->futures) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < b->n; i++) {
        if (!futures[i]) return error_set(TSR_ERR_VALUE, "from_futures: block %lld has no future", (long long)i);
        if (futures[i]->c != c)
            return error_set(TSR_ERR_VALUE, "from_futures: the future of block %lld belongs to another session", (long long)i);
        b->futures[i] = tsr_future_retain(futures[i]);
    }
    return TSR_OK;
}

static tsr_status hold_decode(future_blocks *b, const tsr_function *decode)
{
    if (!decode || !decode->call) return TSR_OK;
    b->decode = *decode;
    b->decode.name = NAME; /* the other is the caller's */
    b->decode.identity = NULL;
    b->decode.identity_bytes = 0;
    return TSR_OK;
}

/* What is computed follows from the keys, unless a function of the user's has a say in it. */
static tsr_status identify(const future_blocks *b, row **out)
{
    row *keys = mem_calloc((size_t)b->n, sizeof *keys);
    if (!keys) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < b->n; i++) keys[i] = (row){b->futures[i]->key.high, b->futures[i]->key.low, 0};
    *out = keys;
    return TSR_OK;
}

tsr_array *tsr_from_futures(tsr_session *session, tsr_future *const *futures, tsr_dtype dtype, int ndim, const tsr_chunks *chunks,
                            const tsr_function *decode)
{
    future_blocks *b = NULL;
    row *keys = NULL;
    client_tasks *c;
    tsr_array *result = NULL;
    tsr_function f = {.call = call, .release = free_blocks, .name = NAME, .serial = decode && decode->serial};
    if (client_tasks_get(session, &c) != TSR_OK) return NULL;
    const int64_t n = count_blocks(ndim, chunks);
    if (n < 0) {
        (void)error_set(TSR_ERR_VALUE, "from_futures: every axis has at least one chunk");
        return NULL;
    }
    tsr_status status = make_blocks(n, &b);
    if (status == TSR_OK) status = hold_futures(b, c, futures);
    if (status == TSR_OK && !(decode && decode->call)) {
        status = identify(b, &keys);
        f.identity = keys;
        f.identity_bytes = (size_t)n * sizeof *keys;
    }
    if (status == TSR_OK) status = hold_decode(b, decode);
    f.context = b;
    if (status == TSR_OK) result = tsr_from_blocks(session, &f, dtype, ndim, chunks);
    if (!result && b) {
        b->decode.release = NULL; /* it stays the caller's */
        free_blocks(b);
    }
    mem_free(keys);
    return result;
}

/* ---- How it travels ---- */

bool future_blocks_are(const char *name) { return strcmp(name, NAME) == 0; }

tsr_status future_blocks_save(void *context, const tsr_function *f, arena *memory, packed_function *out)
{
    if (f->call != call) return TSR_OK;
    const future_blocks *b = f->context;
    row *rows = ARENA_ARRAY(memory, row, b->n);
    if (!rows) return TSR_ERR_MEMORY;
    client_tasks *c = b->futures[0]->c;
    pthread_mutex_lock(&c->lock);
    client_tasks_flush(c); /* nobody is to wait for tasks that are not sent yet */
    for (int64_t i = 0; i < b->n; i++) {
        const tsr_future *future = b->futures[i];
        rows[i] = (row){future->key.high, future->key.low, future->status == TSR_FUTURE_FINISHED ? future->holder : 0};
    }
    pthread_mutex_unlock(&c->lock);
    *out = (packed_function){NAME, rows, (size_t)b->n * sizeof *rows, b->decode.call ? &b->decode : NULL};
    return TSR_OK;
}

tsr_status future_blocks_load(tsr_session *session, const atomic_bool *ends, const void *bytes, size_t size,
                              const tsr_function *inner, tsr_function *out)
{
    future_blocks *b;
    if (size == 0 || size % sizeof(row) != 0) return error_set(TSR_ERR_FORMAT, "unpack: these are no futures");
    TRY(make_blocks((int64_t)(size / sizeof(row)), &b));
    b->ends = ends;
    b->rows = mem_alloc(size);
    tsr_status status = b->rows ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK) memcpy(b->rows, bytes, size);
    if (status == TSR_OK && session) {
        b->futures = mem_calloc((size_t)b->n, sizeof(tsr_future *));
        b->gave_up = mem_calloc((size_t)b->n, sizeof *b->gave_up);
        status = b->futures && b->gave_up ? TSR_OK : TSR_ERR_MEMORY;
        for (int64_t i = 0; i < b->n && status == TSR_OK; i++) /* together: messages leave with one system call */
            status = tsr_future_of(session, (tsr_key){b->rows[i].high, b->rows[i].low}, &b->futures[i]);
    }
    if (status == TSR_OK) status = hold_decode(b, inner);
    if (status != TSR_OK) {
        free_blocks(b);
        return status;
    }
    *out = (tsr_function){.call = call, .context = b, .release = free_blocks, .name = NAME, .serial = inner->serial};
    return TSR_OK;
}

bool future_blocks_watch(const tsr_function *f, int64_t block, future_watch *w)
{
    if (f->call != call) return false;
    const future_blocks *b = f->context;
    if (!b->gave_up || block < 0 || block >= b->n) return false;
    const bool is_again = atomic_exchange(&b->gave_up[block], false);
    w->owner = b;
    if (client_future_watch(b->futures[block], w)) return true;
    if (is_again) w->told(w, true); /* it is there again */
    return is_again;
}

uint64_t future_blocks_holder(const tsr_function *f, int64_t block)
{
    if (f->call != call) return 0;
    const future_blocks *b = f->context;
    return b->rows && block >= 0 && block < b->n ? b->rows[block].holder : 0;
}
