/* Arrays of futures: the block function that tsr_from_futures makes, which blocks of results are made by, and how it travels.
 * Clients and workers have futures of the results; a scheduler has their keys only, and calls nothing. */
#ifndef TESSERA_CLUSTER_FUTURE_BLOCKS_H
#define TESSERA_CLUSTER_FUTURE_BLOCKS_H

#include "array/pack.h"
#include "tessera.h"

#include <stdatomic.h>

/* set_codec.save_function; the context is not used. */
tsr_status future_blocks_save(void *context, const tsr_function *f, arena *memory, packed_function *out) MUST_CHECK;
/* The same again: futures belong to `session`, NULL: there are none. Calls end with TSR_ERR_CANCELLED when *ends is set (which
 * may be NULL); both live as long as the function. Takes `inner` on success. */
tsr_status future_blocks_load(tsr_session *session, const atomic_bool *ends, const void *bytes, size_t size,
                              const tsr_function *inner, tsr_function *out) MUST_CHECK;
/* Of a function that was loaded for a session. True: the block's result is not there yet; the watcher is told when it is, by any
 * thread. False: it may be called for this block, or is another function. */
struct future_watch;
bool future_blocks_watch(const tsr_function *f, int64_t block, struct future_watch *w);
/* Is it this name? */
bool future_blocks_are(const char *name);
/* The worker that had the result of this block when the function was packed; 0: none, or it is another function. */
uint64_t future_blocks_holder(const tsr_function *f, int64_t block);

#endif
