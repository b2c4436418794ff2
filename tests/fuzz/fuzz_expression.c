/* Fuzzes the expression language: whatever the bytes, parsing and evaluating (shapes and dtypes only, nothing is computed) end
 * with a value or with an error that has a place inside the text. */
#include "cli/eval.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const char *source, size_t n, span at)
{
    if (!tsr_error_message()[0] || at.start > n || at.end > n || at.start > at.end) abort();
    char *snippet = source_snippet(source, n, at);
    if (!snippet) abort();
    mem_free(snippet);
}

static tsr_variable *make_coord(tsr_session *session, const char *name, int64_t n, const char *units)
{
    static const double values[] = {0, 6, 12, 18, 24, 30, 36, 42};
    tsr_array *a = tsr_from_memory(session, values, TSR_F64, 1, &n, NULL, NULL, NULL, NULL);
    return tsr_variable_set_text(tsr_variable_new(name, a, &name), "units", units);
}

/* A variable as files have them, so that names, labels, dates and groups are reached. */
static tsr_variable *make_variable(tsr_session *session)
{
    static const char *const dims[] = {"time", "latitude", "longitude"};
    static const char *const units[] = {"hours since 2000-01-01", "degrees_north", "degrees_east"};
    const int64_t shape[] = {8, 3, 5};
    tsr_variable *v = tsr_variable_new("t2m", tsr_ones(session, TSR_F32, 3, shape, NULL), dims);
    for (int d = 0; d < 3; d++) v = tsr_variable_set_coord(v, dims[d], make_coord(session, dims[d], shape[d], units[d]));
    return tsr_variable_set_text(v, "units", "K");
}

static bool add_sources(evaluator *e, tsr_variable *v)
{
    static const char *const names[] = {"time", "latitude", "longitude"};
    bool ok = VEC_PUSH(&e->sources, (binding){"t2m", {.kind = VALUE_VARIABLE, .variable = v}});
    for (int d = 0; d < 3 && ok; d++)
        ok = VEC_PUSH(&e->sources, (binding){names[d], {.kind = VALUE_VARIABLE, .variable = tsr_variable_coord(v, names[d])}});
    return ok;
}

/* Everything an input allocates is freed before the next: libFuzzer looks for leaks, which takes a thousand times as long as an
 * input, only where that does not hold. With threads and memory given, opening a session asks the system nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *source = (const char *)data;
    evaluator e;
    ast_program program;
    value last;
    span at;
    evaluator_init(&e, &(tsr_options){.n_threads = 1, .memory_bytes = (size_t)64 << 20, .scratch_dir = "/tmp"});
    tsr_session *session = tsr_session_open(NULL, &e.options);
    tsr_variable *variable = session ? make_variable(session) : NULL;
    if (!variable || !add_sources(&e, variable)) abort();
    e.session = session;
    e.may_compute = false;
    tsr_error_clear();
    if (parse_program(&e.memory, source, size, &program, &at) != TSR_OK)
        check_error(source, size, at);
    else if (evaluate_program(&e, &program, &last) != TSR_OK)
        check_error(source, size, e.error_at);
    evaluator_fini(&e);
    return 0;
}
