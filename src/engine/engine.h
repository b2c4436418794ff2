/* The engine: runs plans on threads, keeps blocks within the memory budget. One engine belongs to one session. */
#ifndef TESSERA_ENGINE_ENGINE_H
#define TESSERA_ENGINE_ENGINE_H

#include "array/session.h"
#include "base/account.h"
#include "engine/progress.h"
#include "plan/plan.h"
#include "store/store.h"

/* Where the blocks of a root go. SHARED: to whoever demands them (share.c). */
typedef enum sink_kind { SINK_MEMORY, SINK_WRITER, SINK_HELD, SINK_SHARED } sink_kind;
typedef struct sink {
    sink_kind kind;
    char *data; /* MEMORY: dense C order */
    store_writer *writer;
    int var;
    block_set *set;     /* HELD: made by the run, a reference; NULL if that failed before */
    const grid *stored; /* HELD: how the set's blocks lie; the set's own */
} sink;

/* Computes arrays together into variables of a file being written: arrays[i] becomes variable vars[i] of w. Every region written
 * covers whole chunks of the writer. The writer stays the caller's, to finish or abort. */
tsr_status engine_store(int n, tsr_array *const *arrays, store_writer *w, const int *vars) MUST_CHECK;

/* Copies count[0] x count[1] x ... elements. */
void copy_strided(const kernels *k, tsr_dtype dtype, int ndim, const int64_t *count, char *out, const int64_t *out_strides,
                  const char *in, const int64_t *in_strides);

/* ---- Sessions ---------------------------------------------------------------------------------------------------- */

/* A session that computes on threads of this process. NULL on failure. */
tsr_session *session_open_local(const tsr_options *options);

/* Somebody else who computes a session's arrays. Embedded by its owner, and attached to a session that was just opened. */
typedef struct remote_engine remote_engine;
struct remote_engine {
    /* Computes the arrays (shapes known, at least one) together; returns when the sinks have everything, or, where all are HELD,
     * at once with the sets. Called on any thread, several at once, with no lock held. hints may be NULL. */
    tsr_status (*run)(remote_engine *r, int n, tsr_array *const *arrays, const plan_hint *hints, sink *sinks);
    /* Returns when all blocks of these sets are made (tsr_wait). Called on any thread, several at once, with no lock held. */
    tsr_status (*wait)(remote_engine *r, size_t n, block_set *const *sets, double seconds);
    /* Frees it. Called when the session closes, after all arrays (and so all sets) are gone. */
    void (*close)(remote_engine *r);
};
void engine_attach(engine *e, remote_engine *r);
/* The session's remote, or NULL. */
remote_engine *engine_remote(const engine *e);

/* Does the session belong to this process? Not one on a cluster that a fork has brought here: its threads and connections stayed
 * with the other process. Nor one that computed when the process was forked, which would never end here. Others do from now on.
 */
bool session_is_here(const tsr_session *s);
/* An error if it does not. */
tsr_status session_check_here(const tsr_session *s) MUST_CHECK;

/* Around a computation: waits for its turn. n_cancels: what engine_n_cancels said when the computation was asked for; a
 * tsr_cancel while its plan was made, or since, ends it. end: what the computation did. */
void engine_begin(engine *e, int n_cancels);
void engine_end(engine *e, const tsr_stats *stats);
/* Was tsr_cancel called since the computation was asked for? It only leaves a mark (signal handlers may call it): look at least
 * every ENGINE_LOOK_NS. */
bool engine_is_cancelled(const engine *e);
enum { ENGINE_LOOK_NS = 10000000 };
/* 0: nobody wants to hear of progress. It stays so while a computation runs. */
int engine_progress_interval_ms(const engine *e);
/* The stages are borrowed; n_stages 0: they are not known. */
void engine_report(engine *e, const tsr_progress *p, int n_stages, const stage_progress *stages);
/* Who waits without computing: compares what this says with what it said at the beginning, which is another number after
 * tsr_cancel; and reports progress unless a computation does so itself. */
int engine_n_cancels(const engine *e);
void engine_report_wait(engine *e, const tsr_progress *p);
int engine_n_threads(const engine *e);
size_t engine_budget_bytes(const engine *e);
/* See keeper_account; as long as the session. */
mem_account *engine_account(const engine *e);

#endif
