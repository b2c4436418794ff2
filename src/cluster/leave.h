/* A worker that is to end in good order; for the programs that run one. */
#ifndef TESSERA_CLUSTER_LEAVE_H
#define TESSERA_CLUSTER_LEAVE_H

#include "base/error.h"

#include "tessera.h"

/* It gets nothing new to do, finishes the tasks that run, and others fetch what only it has (results of tasks, persisted blocks).
 * Returns at once; tsr_worker_wait returns true once that is done, however long it takes, and soon if there is no scheduler to
 * see to it. Any thread. */
tsr_status worker_leave(tsr_worker *w) MUST_CHECK;

#endif
