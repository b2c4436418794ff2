/* Opening and closing sessions, and their settings. */
#include "base/forks.h"
#include "base/mem.h"
#include "base/os.h"
#include "engine/run.h"
#include "engine/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void engine_free(engine *e)
{
    if (!e) return;
    (void)trace_close(e->trace);
    keeper_free(e->keeper);
    pthread_mutex_destroy(&e->run_lock);
    pthread_mutex_destroy(&e->stats_lock);
    mem_free(e);
}

static const char *scratch_folder(const tsr_options *options)
{
    const char *folder = options->scratch_dir ? options->scratch_dir : getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

/* A folder that somebody names must do now, not when memory has become short hours later. */
static tsr_status check_scratch(const char *folder)
{
    scratch *file;
    if (!folder || !*folder) return TSR_OK;
    TRY(scratch_open(folder, &file));
    scratch_close(file);
    return TSR_OK;
}

static tsr_status engine_new(tsr_session *s, const tsr_options *options)
{
    engine *e = mem_calloc(1, sizeof *e);
    if (!e) return TSR_ERR_MEMORY;
    e->session = s;
    atomic_store(&e->forks, forks_count());
    e->n_threads = options->n_threads > 0 ? options->n_threads : os_n_cpus();
    if (e->n_threads > 1024) e->n_threads = 1024;
    pthread_mutex_init(&e->run_lock, NULL);
    pthread_mutex_init(&e->stats_lock, NULL);
    tsr_status status = check_scratch(options->scratch_dir);
    size_t budget = options->memory_bytes ? options->memory_bytes : os_memory_available_bytes() / 10 * 6;
    if (status == TSR_OK) status = keeper_new(s->buffers, budget, scratch_folder(options), &e->keeper);
    s->engine = e;
    s->store = engine_store;
    s->compute = tsr_compute;
    return status;
}

tsr_session *session_open_local(const tsr_options *options)
{
    tsr_session *s = mem_calloc(1, sizeof *s);
    if (!s) return NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->count_lock, NULL);
    pthread_mutex_init(&s->serial_lock, NULL);
    s->auto_chunk_bytes = (size_t)8 << 20;
    const char *isa = options->isa ? options->isa : getenv("TESSERA_ISA");
    if (kernels_select(isa, &s->kernels) != TSR_OK || pool_new(&s->buffers) != TSR_OK || session_nodes_init(s) != TSR_OK ||
        engine_new(s, options) != TSR_OK) {
        tsr_session_close(s);
        return NULL;
    }
    return s;
}

void tsr_session_close(tsr_session *s)
{
    if (!s || (s->engine && !session_is_here(s))) return; /* its memory is the other process's, too */
    if (s->engine) keeper_hurry(s->engine->keeper);
    session_objects_fini(s);
    session_nodes_fini(s);
    if (s->engine && s->engine->remote) s->engine->remote->close(s->engine->remote);
    engine_free(s->engine);
    pool_free(s->buffers);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->serial_lock);
    pthread_mutex_destroy(&s->count_lock);
    mem_free(s);
}

void tsr_free(void *text) { mem_free(text); }

/* ---- For whoever computes in the session's name -------------------------------------------------------------------- */

void engine_attach(engine *e, remote_engine *r) { e->remote = r; }
remote_engine *engine_remote(const engine *e) { return e->remote; }

bool session_is_here(const tsr_session *s)
{
    engine *e = s->engine;
    enum { TRIES = 20, TRY_NS = 1000000 };
    const unsigned now = forks_count();
    for (int i = 0; i < TRIES; i++) {
        if (atomic_load(&e->forks) == now) return true;
        if (e->remote) return false;
        if (pthread_mutex_trylock(&e->run_lock) == 0) {
            atomic_store(&e->forks, now);
            pthread_mutex_unlock(&e->run_lock);
            return true;
        }
        /* Held since the fork, for ever; or another thread is just here. */
        nanosleep(&(struct timespec){.tv_nsec = TRY_NS}, NULL);
    }
    return atomic_load(&e->forks) == now;
}

tsr_status session_check_here(const tsr_session *s)
{
    if (session_is_here(s)) return TSR_OK;
    if (s->engine->remote)
        return error_set(TSR_ERR_IO,
                         "this session was opened before this process was forked, and its connections to the cluster stayed "
                         "with the other process: open a session here");
    return error_set(TSR_ERR_UNSUPPORTED, "this session was computing when this process was forked: open a session here");
}

bool engine_is_cancelled(const engine *e)
{
    return atomic_load(&e->running) && atomic_load(&e->n_cancels) != atomic_load(&e->n_cancels_before);
}
int engine_progress_interval_ms(const engine *e) { return atomic_load(&e->progress_interval_ms); }
int engine_n_threads(const engine *e) { return e->n_threads; }
size_t engine_budget_bytes(const engine *e) { return keeper_budget_bytes(e->keeper); }
mem_account *engine_account(const engine *e) { return keeper_account(e->keeper); }

void engine_begin(engine *e, int n_cancels)
{
    pthread_mutex_lock(&e->run_lock);
    atomic_store(&e->n_cancels_before, n_cancels);
    atomic_store(&e->running, true);
}

void engine_end(engine *e, const tsr_stats *stats)
{
    atomic_store(&e->running, false);
    pthread_mutex_lock(&e->stats_lock);
    e->stats = *stats;
    pthread_mutex_unlock(&e->stats_lock);
    pthread_mutex_unlock(&e->run_lock);
}

void engine_report(engine *e, const tsr_progress *p, int n_stages, const stage_progress *stages)
{
    if (!e->progress) return;
    const tsr_session *before = session_enter(e->session);
    e->n_stages = n_stages;
    e->stages = stages;
    e->progress(e->progress_context, p);
    e->n_stages = 0;
    e->stages = NULL;
    session_leave(before);
}

int engine_stages(const tsr_session *session, const stage_progress **out)
{
    *out = session->engine->stages;
    return session->engine->n_stages;
}

int engine_n_cancels(const engine *e) { return atomic_load(&e->n_cancels); }

void engine_report_wait(engine *e, const tsr_progress *p)
{
    if (pthread_mutex_trylock(&e->run_lock) != 0) return;
    engine_report(e, p, 0, NULL);
    pthread_mutex_unlock(&e->run_lock);
}

/* ---- Settings ------------------------------------------------------------------------------------------------------ */

void tsr_cancel(tsr_session *session)
{
    if (session) atomic_fetch_add(&session->engine->n_cancels, 1);
}

/* Settings wait for the running computation; what that computation calls would wait for itself. */
static tsr_status lock_settings(engine *e)
{
    if (session_is_inside(e->session))
        return error_set(TSR_ERR_UNSUPPORTED, "a function cannot change the settings of the session that calls it");
    TRY(session_check_here(e->session));
    pthread_mutex_lock(&e->run_lock);
    return TSR_OK;
}

tsr_status tsr_session_configure(tsr_session *session, const tsr_options *options)
{
    engine *e = session->engine;
    if (options->n_threads < 0) return error_set(TSR_ERR_VALUE, "the number of threads is negative: %d", options->n_threads);
    TRY(lock_settings(e));
    if (options->n_threads) e->n_threads = options->n_threads < 1024 ? options->n_threads : 1024;
    if (options->memory_bytes) keeper_set_budget(e->keeper, options->memory_bytes);
    pthread_mutex_unlock(&e->run_lock);
    return TSR_OK;
}

tsr_status tsr_set_progress(tsr_session *session, void (*callback)(void *context, const tsr_progress *progress), void *context,
                            int interval_ms)
{
    engine *e = session->engine;
    TRY(lock_settings(e));
    e->progress = callback;
    e->progress_context = context;
    atomic_store(&e->progress_interval_ms, !callback ? 0 : interval_ms > 0 ? interval_ms : 100);
    pthread_mutex_unlock(&e->run_lock);
    return TSR_OK;
}

tsr_status tsr_run_stats(tsr_session *session, tsr_stats *out)
{
    engine *e = session->engine;
    TRY(session_check_here(e->session));
    pthread_mutex_lock(&e->stats_lock);
    *out = e->stats;
    pthread_mutex_unlock(&e->stats_lock);
    return TSR_OK;
}

tsr_status tsr_trace_to(tsr_session *session, const char *path)
{
    engine *e = session->engine;
    if (e->remote && path)
        return error_set(TSR_ERR_UNSUPPORTED,
                         "a trace shows the threads of this process; this session's arrays are computed by a cluster");
    TRY(lock_settings(e));
    tsr_status status = trace_close(e->trace);
    e->trace = NULL;
    if (status == TSR_OK && path) status = trace_open(path, &e->trace);
    pthread_mutex_unlock(&e->run_lock);
    return status;
}
