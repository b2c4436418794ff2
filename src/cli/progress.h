/* What is shown while something runs: a bar on a terminal, a line every few seconds elsewhere, nothing when quiet. Everything
 * goes to standard error. One thread. */
#ifndef TESSERA_CLI_PROGRESS_H
#define TESSERA_CLI_PROGRESS_H

#include "cli/command.h"

#include "engine/progress.h"

typedef struct progress {
    bool is_shown, is_terminal, is_bar_drawn;
    bool has_ended;      /* the last report was the end of a run */
    bool is_asked;       /* --progress: the end is shown too where there is no terminal */
    double last_seconds; /* of the last line or bar */
    double smooth_rate;  /* bytes a second */
    double rate_seconds, rate_bytes;
    int n_stages; /* on a terminal, each has a bar of its own below; borrowed, and set before progress_show */
    const stage_progress *stages;
    int n_lines; /* drawn below the bar */
} progress;

/* From --progress and --quiet and whether standard error is a terminal. */
void progress_init(progress *p, const invocation *call);
/* fraction 0 .. 1, the bytes read and written so far, seconds since the start, what is being done. */
void progress_show(progress *p, double fraction, double bytes, double seconds, const char *what);
/* Removes the bar; to be called before anything else is printed. */
void progress_clear(progress *p);

#endif
