/* Worker processes of a cluster on this machine: started, started again when they die, ended together. */
#ifndef TESSERA_CLI_CHILDREN_H
#define TESSERA_CLI_CHILDREN_H

#include "base/arena.h"
#include "base/log.h"

#include <sys/types.h>

typedef struct child {
    pid_t pid; /* 0: it does not run */
    const char *name;
    const char *const *argv;
    bool is_done;    /* it ended because it was told to: it is not started again */
    int64_t from_ns; /* since when it runs, or when it is started again */
    int64_t delay_ms;
} child;

typedef struct children {
    arena memory; /* names and words */
    child *items;
    int n;
    log_file *log;
} children;

/* Starts one process. */
tsr_status children_start(children *c, int i) MUST_CHECK;
/* To be called often: takes note of those that ended and starts them again, the later the sooner they died. TSR_ERR_VALUE: one
 * does not understand its options, so that trying again is no use. */
tsr_status children_look(children *c) MUST_CHECK;
/* Ends them all. `patience_ms`: they may end by themselves for so long; then they are asked, and after some seconds killed.
 * Returns when none is left. */
void children_end(children *c, int patience_ms);

#endif
