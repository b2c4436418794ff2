/* A thread that does what it is given, in that order: for work that takes too long for the I/O thread. */
#ifndef TESSERA_CLUSTER_LANE_H
#define TESSERA_CLUSTER_LANE_H

#include "base/error.h"

/* Something to do; embedded in what it is about, so that giving it to somebody cannot fail. `run` may free it. */
typedef struct work work;
struct work {
    work *next;
    void (*run)(work *w);
};

/* In order, for one owner at a time (under its lock). */
typedef struct work_list {
    work *first, **last;
} work_list;
void work_list_init(work_list *l);
void work_list_add(work_list *l, work *w);
/* Empties the list; returns its first. */
work *work_list_take(work_list *l);
/* Does all that is linked from w on. */
void work_run_all(work *w);

typedef struct lane lane;
tsr_status lane_new(const char *thread_name, lane **out) MUST_CHECK;
/* Any thread; not once lane_free was called. */
void lane_push(lane *l, work *w);
/* Does what was pushed, then ends the thread. NULL is fine. */
void lane_free(lane *l);

#endif
