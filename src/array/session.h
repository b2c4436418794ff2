/* What a session holds. Opened and closed by the engine layer (engine/session.c); everything of the library hangs from one. */
#ifndef TESSERA_ARRAY_SESSION_H
#define TESSERA_ARRAY_SESSION_H

#include "array/node.h"

#include <pthread.h>

typedef struct engine engine; /* engine/engine.h */

/* Something that lives as long as its session unless it is released earlier (datasets, variables). The owner embeds it and
 * `free` gives the whole thing back. */
typedef struct session_object session_object;
struct session_object {
    session_object *next, *previous;
    void (*free)(session_object *object);
};

struct tsr_session {
    pool *buffers;
    const kernels *kernels;
    engine *engine;
    size_t auto_chunk_bytes; /* what chunks=NULL aims at for arrays that come from nowhere */

    pthread_mutex_t lock; /* guards the table of nodes */
    tsr_array **table;    /* open hashing by node hash; every live node of the session is here */
    size_t n_nodes, table_size;
    session_object *objects; /* also guarded by the lock */
};

/* The table of nodes (array/node.c). fini frees every node that is left, whatever its references. */
tsr_status session_nodes_init(tsr_session *s) MUST_CHECK;
void session_nodes_fini(tsr_session *s);

/* Links an object into the session, and out of it (array/object.c). */
void session_object_add(tsr_session *s, session_object *object);
void session_object_remove(tsr_session *s, session_object *object);
/* Frees every object that is left. Called when the session closes, before session_nodes_fini: objects hold references to nodes.
 */
void session_objects_fini(tsr_session *s);

#endif
