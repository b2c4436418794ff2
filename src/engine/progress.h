/* How far the stages of a computation are, for whoever shows it. */
#ifndef TESSERA_ENGINE_PROGRESS_H
#define TESSERA_ENGINE_PROGRESS_H

#include "tessera.h"

typedef struct stage_progress {
    const char *name;
    int64_t tasks_done, tasks_total; /* 0 in all: nobody needs it */
} stage_progress;

/* In a callback of tsr_set_progress: the stages of the computation, borrowed. Their number; 0: they are not known. */
int engine_stages(const tsr_session *session, const stage_progress **out);

#endif
