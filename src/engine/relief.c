/* One thread more than the engine has been given, for the time in which all others are stuck: so that a worker whose files lie on
 * slow storage goes on answering. While every thread waits in a read, it does the tasks of runs that read no files; while every
 * thread is busy with something else that takes long, it hands over blocks that are there. It never reads files itself, so it is
 * not stuck with the others, and does nothing at all while they get on.
 *
 * It sleeps until somebody has a reason to think that the others may be stuck (a read that leaves no thread, a demand that finds
 * none), then looks at short intervals, for a while. `n_steps` moves with everything that the others have begun or done. */
#include "engine/server.h"

#include "base/mem.h"
#include "base/os.h"

static const int64_t LOOK_NS = 2000000;    /* who has not got on for so long is stuck */
static const int64_t WATCH_NS = 200000000; /* after the last reason */

static bool all_read(server *v) { return atomic_load(&v->n_reading) >= v->n_threads; }

/* With the lock held. */
static void watch(server *v)
{
    v->relief.until_ns = os_now_ns() + WATCH_NS;
    if (v->relief.is_watching) return;
    v->relief.is_watching = true;
    pthread_cond_signal(&v->relief.wanted);
}

void relief_note_demand(server *v)
{
    if (v->crew.n_idle == 0) watch(v);
}

void relief_read_begins(run *r)
{
    if (!r->share) return;
    server *v = share_of(r)->server;
    atomic_fetch_add(&v->n_steps, 1);
    if (atomic_fetch_add(&v->n_reading, 1) + 1 < v->n_threads || atomic_load(&v->relief.is_watching)) return;
    pthread_mutex_lock(&v->crew.lock);
    watch(v);
    pthread_mutex_unlock(&v->crew.lock);
}

void relief_read_ended(run *r)
{
    if (!r->share) return;
    server *v = share_of(r)->server;
    atomic_fetch_sub(&v->n_reading, 1);
    atomic_fetch_add(&v->n_steps, 1);
}

static bool has_something(server *v, share *s) { return atomic_load(&s->n_ready) > 0 || (all_read(v) && !s->run.reads_files); }

/* Does a little of the first run that has something it may do. The lock is given up for that. False: none has. */
static bool help(server *v)
{
    for (share *s = v->active; s && s->is_active; s = s->next_active) {
        if (!has_something(v, s)) continue;
        worker *w = &s->run.workers[v->n_threads];
        s->n_inside++;
        pthread_mutex_unlock(&v->crew.lock);
        const bool did = share_serve_ready(&s->run) || (!s->run.reads_files && server_serve_once(w));
        pthread_mutex_lock(&v->crew.lock);
        if (--s->n_inside == 0) pthread_cond_broadcast(&v->left);
        /* Out of the ring meanwhile, it does not know who is behind it. */
        if (did || !s->is_active) return did;
    }
    return false;
}

static void *relieve(void *argument)
{
    server *v = argument;
    int64_t seen = -1;
    pthread_mutex_lock(&v->crew.lock);
    while (!v->is_ending) {
        const int64_t steps = atomic_load(&v->n_steps);
        const bool is_stuck = steps == seen && v->crew.n_idle == 0;
        seen = steps;
        if (is_stuck && help(v)) continue;
        if (os_now_ns() < v->relief.until_ns || all_read(v)) {
            os_cond_wait_ns(&v->relief.wanted, &v->crew.lock, LOOK_NS);
            continue;
        }
        v->relief.is_watching = false;
        /* A read may have seen that it was watched a moment ago. */
        if (all_read(v)) {
            watch(v);
        } else {
            pthread_cond_wait(&v->relief.wanted, &v->crew.lock);
        }
    }
    pthread_mutex_unlock(&v->crew.lock);
    return NULL;
}

void relief_init(server *v) { os_cond_init(&v->relief.wanted); }

tsr_status relief_start(server *v)
{
    const int error = mem_fault_now() ? 11 : pthread_create(&v->relief.thread, NULL, relieve, v);
    if (error) return error_errno(error, "cannot start a thread");
    v->relief.is_started = true;
    return TSR_OK;
}

void relief_end(server *v)
{
    if (v->relief.is_started) pthread_join(v->relief.thread, NULL);
    pthread_cond_destroy(&v->relief.wanted);
}
