/* The file is written under a temporary name while runs go on, and renamed when the trace is closed. */
#include "engine/trace.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct trace {
    FILE *file;
    char *path, *temporary;
    bool any;
};

static void free_trace(trace *t)
{
    mem_free(t->path);
    mem_free(t->temporary);
    mem_free(t);
}

tsr_status trace_open(const char *path, trace **out)
{
    trace *t = mem_calloc(1, sizeof *t);
    if (!t) return TSR_ERR_MEMORY;
    t->path = mem_strdup(path);
    t->temporary = mem_printf("%s.tmp-%ld", path, (long)getpid());
    tsr_status status = t->path && t->temporary ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK && !(t->file = fopen(t->temporary, "w")))
        status = error_errno(errno, "cannot write the trace '%s'", path);
    if (status != TSR_OK) {
        free_trace(t);
        return status;
    }
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", t->file);
    *out = t;
    return TSR_OK;
}

tsr_status trace_add(trace *t, const trace_event *events, size_t n, const char *const *stage_names)
{
    for (size_t i = 0; i < n; i++) {
        const trace_event *e = &events[i];
        fprintf(t->file,
                "%s{\"name\":\"%s\",\"cat\":\"stage %d\",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,"
                "\"args\":{\"stage\":%d,\"block\":%" PRId64 ",\"bytes\":%" PRId64 "}}",
                t->any ? ",\n" : "", stage_names[e->stage], e->stage, e->thread, (double)e->start_ns / 1e3,
                (double)(e->end_ns - e->start_ns) / 1e3, e->stage, e->block, e->bytes);
        t->any = true;
    }
    return ferror(t->file) ? error_errno(errno, "cannot write the trace '%s'", t->path) : TSR_OK;
}

tsr_status trace_close(trace *t)
{
    if (!t) return TSR_OK;
    tsr_status status = TSR_OK;
    fputs("\n]}\n", t->file);
    bool bad = ferror(t->file) != 0;
    if (fclose(t->file) != 0 || bad || rename(t->temporary, t->path) != 0) {
        status = error_errno(errno, "cannot write the trace '%s'", t->path);
        unlink(t->temporary);
    }
    free_trace(t);
    return status;
}
