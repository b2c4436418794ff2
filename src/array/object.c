/* The list of objects that have handles with the user. The session's lock guards the links and the counts; `drop` is called
 * without it. */
#include "array/session.h"

static void unlink_object(tsr_session *s, session_object *object)
{
    if (object->previous)
        object->previous->next = object->next;
    else
        s->objects = object->next;
    if (object->next) object->next->previous = object->previous;
    object->next = object->previous = NULL;
}

void session_object_keep(tsr_session *s, session_object *object)
{
    pthread_mutex_lock(&s->lock);
    if (object->n_handles++ == 0) {
        object->previous = NULL;
        object->next = s->objects;
        if (s->objects) s->objects->previous = object;
        s->objects = object;
    }
    pthread_mutex_unlock(&s->lock);
}

bool session_object_release(tsr_session *s, session_object *object)
{
    pthread_mutex_lock(&s->lock);
    bool had_one = object->n_handles > 0;
    if (had_one && --object->n_handles == 0) unlink_object(s, object);
    pthread_mutex_unlock(&s->lock);
    return had_one;
}

void session_objects_fini(tsr_session *s)
{
    for (;;) {
        pthread_mutex_lock(&s->lock);
        session_object *object = s->objects;
        long n_handles = 0;
        if (object) {
            n_handles = object->n_handles;
            object->n_handles = 0;
            unlink_object(s, object);
        }
        pthread_mutex_unlock(&s->lock);
        if (!object) return;
        object->drop(object, n_handles);
    }
}
