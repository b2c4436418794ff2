/* The list of objects that a session frees when it closes. The session's lock guards the links; `free` is called without it. */
#include "array/session.h"

void session_object_add(tsr_session *s, session_object *object)
{
    pthread_mutex_lock(&s->lock);
    object->previous = NULL;
    object->next = s->objects;
    if (s->objects) s->objects->previous = object;
    s->objects = object;
    pthread_mutex_unlock(&s->lock);
}

void session_object_remove(tsr_session *s, session_object *object)
{
    pthread_mutex_lock(&s->lock);
    if (object->previous)
        object->previous->next = object->next;
    else
        s->objects = object->next;
    if (object->next) object->next->previous = object->previous;
    object->next = object->previous = NULL;
    pthread_mutex_unlock(&s->lock);
}

void session_objects_fini(tsr_session *s)
{
    for (;;) {
        pthread_mutex_lock(&s->lock);
        session_object *object = s->objects;
        if (object) s->objects = object->next;
        if (s->objects) s->objects->previous = NULL;
        pthread_mutex_unlock(&s->lock);
        if (!object) return;
        object->next = object->previous = NULL;
        object->free(object);
    }
}
