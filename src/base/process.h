/* Running another program and reading what it says. */
#ifndef TESSERA_BASE_PROCESS_H
#define TESSERA_BASE_PROCESS_H

#include "base/error.h"
#include "base/strbuf.h"

/* Runs argv (ended by NULL, argv[0] looked up in PATH) with `input` as its standard input, and appends what it writes to standard
 * output and standard error. Waits for its end. *exit_code: what it returned, or 128 + the signal that ended it. TSR_ERR_IO if it
 * cannot be started. Any thread. */
tsr_status process_run(const char *const *argv, const char *input, strbuf *output, int *exit_code) MUST_CHECK;

#endif
