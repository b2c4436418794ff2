/* A thread with a queue. The lock guards the list and `ending`. */
#define _GNU_SOURCE
#include "cluster/lane.h"

#include "base/mem.h"
#include "base/os.h"

#include <pthread.h>
#include <stdbool.h>

struct lane {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    work_list list;
    bool ending;
};

void work_list_init(work_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

void work_list_add(work_list *l, work *w)
{
    w->next = NULL;
    *l->last = w;
    l->last = &w->next;
}

work *work_list_take(work_list *l)
{
    work *first = l->first;
    work_list_init(l);
    return first;
}

void work_run_all(work *w)
{
    while (w) {
        work *next = w->next;
        w->run(w);
        w = next;
    }
}

static void *run(void *context)
{
    lane *l = context;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->list.first && !l->ending) pthread_cond_wait(&l->more, &l->lock);
        work *w = work_list_take(&l->list);
        if (!w) break;
        pthread_mutex_unlock(&l->lock);
        work_run_all(w);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void lane_fini(lane *l)
{
    pthread_cond_destroy(&l->more);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

tsr_status lane_new(const char *thread_name, lane **out)
{
    lane *l = mem_calloc(1, sizeof *l);
    if (!l) return TSR_ERR_MEMORY;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->more, NULL);
    work_list_init(&l->list);
    int error = os_thread_start(&l->thread, run, l);
    if (error) {
        lane_fini(l);
        return error_errno(error, "cannot start a thread");
    }
    pthread_setname_np(l->thread, thread_name);
    *out = l;
    return TSR_OK;
}

void lane_push(lane *l, work *w)
{
    pthread_mutex_lock(&l->lock);
    work_list_add(&l->list, w);
    pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
}

void lane_free(lane *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    lane_fini(l);
}
