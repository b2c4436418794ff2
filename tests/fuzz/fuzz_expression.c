/* Fuzzes the expression language: whatever the bytes, parsing and evaluating (shapes and dtypes only, nothing is computed) end
 * with a value or with an error that has a place inside the text. */
#include "cli/eval.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS_PER_SESSION = 200 };

static void check_error(const char *source, size_t n, span at)
{
    if (!tsr_error_message()[0] || at.start > n || at.end > n || at.start > at.end) abort();
    char *snippet = source_snippet(source, n, at);
    if (!snippet) abort();
    mem_free(snippet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tsr_session *session; /* reused: opening one costs more than an expression */
    static int runs;
    const char *source = (const char *)data;
    evaluator e;
    ast_program program;
    value last;
    span at;
    evaluator_init(&e, &(tsr_options){.n_threads = 1});
    if (runs++ % RUNS_PER_SESSION == 0) {
        tsr_session_close(session);
        session = tsr_session_open(NULL, &e.options);
        if (!session) abort();
    }
    e.session = session;
    e.may_compute = false;
    tsr_error_clear();
    if (parse_program(&e.memory, source, size, &program, &at) != TSR_OK)
        check_error(source, size, at);
    else if (evaluate_program(&e, &program, &last) != TSR_OK)
        check_error(source, size, e.error_at);
    e.session = NULL;
    evaluator_fini(&e);
    return 0;
}
