/* What `eval` and `plot` share: an evaluator with its files, options, progress and interruption. */
#ifndef TESSERA_CLI_RUNNER_H
#define TESSERA_CLI_RUNNER_H

#include "cli/eval.h"
#include "cli/progress.h"

typedef struct runner {
    evaluator e;
    progress bar;
    const invocation *call;
    const char *source; /* the expressions */
    ast_program program;
    const char *output, *plot, *picture, *trace; /* files to write, resolved (output.h); NULL where there is none */
    bool is_usage_error;                         /* the failure is the command line's fault */
} runner;

/* Reads the engine's options. The runner needs runner_fini whatever this returns. */
tsr_status runner_init(runner *r, const invocation *call) MUST_CHECK;
void runner_fini(runner *r);
/* Parses the expressions, opens the files (paths, patterns, or name=PATTERN:variable) and evaluates. */
tsr_status runner_evaluate(runner *r, const char *source, int n_files, const char *const *files, value *last) MUST_CHECK;
/* How the result is called in a picture: `name`, the name that it, or what it is a selection of, was assigned to (NULL: none),
 * and its definition (NULL where it is nothing but a variable of a file, whole or in part). */
tsr_status runner_words(runner *r, const char **name, const char **definition) MUST_CHECK;
/* Prints the error, with the place in the expression if there is one; returns the exit code. */
int runner_complain(runner *r, tsr_status status);
/* A command that is nothing but `run` on a runner; returns the exit code. */
int runner_command(const invocation *call, tsr_status (*run)(runner *r));

#endif
