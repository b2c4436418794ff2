/* A trace of every task in the Chrome trace format (Trace Event Format, Google 2016), which Perfetto reads. */
#ifndef TESSERA_ENGINE_TRACE_H
#define TESSERA_ENGINE_TRACE_H

#include "base/error.h"

typedef struct trace trace;
typedef struct trace_event {
    int32_t stage, thread;
    int64_t block, start_ns, end_ns, bytes;
} trace_event;

tsr_status trace_open(const char *path, trace **out) MUST_CHECK;
/* Appends the events of one run; stage_names[stage] is borrowed. */
tsr_status trace_add(trace *t, const trace_event *events, size_t n, const char *const *stage_names) MUST_CHECK;
/* Completes the file and makes it appear under its name. Frees the trace, also on failure. NULL is fine. */
tsr_status trace_close(trace *t);

#endif
