/* Calling a user's function for one block: what it sees of the block's inputs and of the result, and what is made of its failure.
 *
 * Runs on any worker. Functions that want to be alone hold the session's serial lock while they run; nothing else of the engine
 * is locked then. */
#include "base/forks.h"
#include "engine/run.h"

#include "array/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FACTS = 6 /* shape, strides, start, index, n_blocks, array_shape */ };

/* Fills in a block that lies at `data`; `room` has FACTS * ndim numbers. */
static void describe(tsr_block *b, char *data, tsr_dtype dtype, const box *part, const call_axis *axes, const int64_t *shape,
                     const int64_t *coords, int64_t *room)
{
    int n = part->ndim;
    int64_t *lengths = room, *strides = room + n, *start = room + 2 * n, *index = room + 3 * n, *n_blocks = room + 4 * n,
            *whole = room + 5 * n;
    *b = (tsr_block){data, dtype, n, lengths, strides, start, index, n_blocks, whole};
    shape_strides(n, part->count, tsr_dtype_size(dtype), strides);
    for (int d = 0; d < n; d++) {
        const call_axis *a = &axes[d];
        lengths[d] = part->count[d];
        start[d] = part->start[d] - (a->ends == ENDS_PADDED ? a->before : 0);
        index[d] = a->axis >= 0 ? coords[a->axis] : 0;
        n_blocks[d] = a->axis >= 0 ? a->blocks.n_blocks : 1;
        whole[d] = a->ends == ENDS_PADDED ? a->blocks.length : shape[d];
    }
}

static tsr_status failure(const tsr_array *node, tsr_status status, const tsr_block *out)
{
    char block[256], part[640] = "";
    if (tsr_error_code() == TSR_OK) (void)tsr_fail(status, "the function failed without giving a reason");
    for (int d = 0; d < out->ndim; d++) {
        size_t used = strlen(part);
        snprintf(part + used, sizeof part - used, "%s%" PRId64 ":%" PRId64, d ? ", " : "", out->start[d],
                 out->start[d] + out->shape[d]);
    }
    shape_format(out->ndim, out->index, block, sizeof block);
    return error_prefix("%s: block %s, elements [%s]", node_name(node), block, part);
}

tsr_status call_function(worker *w, const tsr_array *node, const int64_t *coords, char *const *inputs, const box *parts,
                         char *out, const box *filled)
{
    const call_spec *spec = node->p.call.spec;
    pthread_mutex_t *alone = spec->function.serial ? &node->session->serial_lock : NULL;
    buffer *room;
    size_t n_numbers = (size_t)FACTS * (size_t)node->ndim;
    for (int i = 0; i < spec->n_inputs; i++) n_numbers += (size_t)FACTS * (size_t)spec->ndims[i];
    TRY(worker_buffer(w, sizeof(tsr_block) * (size_t)(spec->n_inputs + 1) + n_numbers * sizeof(int64_t), &room));
    tsr_block *blocks = (tsr_block *)(void *)room->data, *result = blocks + spec->n_inputs;
    int64_t *numbers = (int64_t *)(void *)(result + 1);
    for (int i = 0; i < spec->n_inputs; i++) {
        const tsr_array *x = node->inputs[i];
        describe(&blocks[i], inputs[i], x->dtype, &parts[i], spec->inputs[i], x->shape, coords, numbers);
        numbers += FACTS * spec->ndims[i];
    }
    describe(result, out, node->dtype, filled, spec->result, node->shape, coords, numbers);
    if (alone) pthread_mutex_lock(alone);
    tsr_error_clear();
    const unsigned forks = forks_count();
    const tsr_session *before = session_enter(node->session);
    tsr_status status = engine_is_cancelled(w->run->engine)
                            ? TSR_ERR_CANCELLED
                            : spec->function.call(spec->function.context, spec->n_inputs, blocks, result);
    forks_end_child(forks);
    session_leave(before);
    if (alone) pthread_mutex_unlock(alone);
    if (status == TSR_OK) return TSR_OK;
    if (engine_is_cancelled(w->run->engine)) return error_set(TSR_ERR_CANCELLED, "cancelled");
    return failure(node, status, result);
}
