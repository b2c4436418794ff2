/* What a session holds. Opened and closed by the engine layer (engine/session.c); everything of the library hangs from one. */
#ifndef TESSERA_ARRAY_SESSION_H
#define TESSERA_ARRAY_SESSION_H

#include "array/node.h"

#include <pthread.h>

typedef struct engine engine; /* engine/engine.h */

/* Something the public API gives handles to besides arrays (datasets, variables): the session drops the handles that the user
 * did not. The owner embeds it; each handle is one of the owner's own references. */
typedef struct session_object session_object;
struct session_object {
    session_object *next, *previous;
    long n_handles; /* the object is linked while there are any */
    /* Gives back n_handles references. */
    void (*drop)(session_object *object, long n_handles);
};

struct tsr_session {
    pool *buffers;
    const kernels *kernels;
    engine *engine;
    /* Computes arrays into variables of a file (engine/api.c: engine_store), for layers below the engine. Set when the session
     * opens. */
    tsr_status (*store)(int n, tsr_array *const *arrays, store_writer *w, const int *vars);
    /* tsr_compute, for constructors whose result has a length that is a value of an array. Set when the session opens. */
    tsr_status (*compute)(int n, tsr_array *const *arrays, void *const *outs);
    bool optimizes;          /* expressions are rewritten before they are planned; TESSERA_OPTIMIZE=0 switches it off */
    size_t auto_chunk_bytes; /* what chunks=NULL aims at for arrays that come from nowhere */

    pthread_mutex_t count_lock;  /* held while a mask is counted (array/mask.c); before the table's lock and the engine's */
    pthread_mutex_t serial_lock; /* held while a user's function runs that wants to be alone */
    pthread_mutex_t lock;        /* guards the table of nodes */
    tsr_array **table;           /* open hashing by node hash; every live node of the session is here */
    size_t n_nodes, table_size;
    session_object *objects; /* also guarded by the lock */
};

/* The table of nodes (array/node.c). fini frees every node that is left, whatever its references. */
tsr_status session_nodes_init(tsr_session *s) MUST_CHECK;
void session_nodes_fini(tsr_session *s);

/* Around a call of a user's function in this thread: the session that calls, and (after) what `enter` returned. The function
 * cannot compute in that session, which would wait for itself (array/call.c). */
const tsr_session *session_enter(const tsr_session *s);
void session_leave(const tsr_session *before);
bool session_is_inside(const tsr_session *s);

/* One handle more; one fewer (false: there was none, nothing happens). The references themselves are the owner's business. Any
 * thread (array/object.c). */
void session_object_keep(tsr_session *s, session_object *object);
bool session_object_release(tsr_session *s, session_object *object);
/* Drops every handle that is left. Called when the session closes, before session_nodes_fini: objects hold references to nodes.
 */
void session_objects_fini(tsr_session *s);

#endif
