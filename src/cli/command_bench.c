/* tessera bench: runs an expression several times in one process and prints the times as JSON. Made for bench/run.py, which
 * compares with other tools; --setup is evaluated once before the clock starts (x = persist(...): data in memory), the expression
 * in every round. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/runner.h"

#include "base/mem.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Computes what the expression gives, to a file (-o), to blocks (--hold) or to memory. */
static tsr_status compute_value(runner *r, const value *v, double *sum)
{
    const char *path = option_text(r->call, "output");
    tsr_array *a, *held;
    if (v->kind == VALUE_LIST && v->is_tuple && v->n_items > 0) return compute_value(r, &v->items[0], sum);
    TRY(value_to_array(&r->e, v, &a));
    if (path) return tsr_store(1, &a, NULL, path, NULL);
    if (option_given(r->call, "hold")) {
        TRY(tsr_persist(1, &a, &held));
        tsr_release(held);
        return TSR_OK;
    }
    char *out = mem_alloc((size_t)tsr_nbytes(a));
    if (!out) return TSR_ERR_MEMORY;
    tsr_status status = tsr_compute_into(a, out, (size_t)tsr_nbytes(a));
    if (status == TSR_OK && tsr_dtype_of(a) == TSR_F64 && tsr_size(a) > 0) memcpy(sum, out, sizeof *sum);
    mem_free(out);
    return status;
}

static tsr_status run(runner *r)
{
    int64_t rounds = 5;
    value last = {0};
    double first_value = 0, *times;
    r->is_usage_error = true;
    if (r->call->arguments.n < 1) return error_set(TSR_ERR_VALUE, "an expression is needed");
    TRY(option_int(r->call, "rounds", 1, 1000, &rounds));
    r->is_usage_error = false;
    if (!(times = ARENA_ARRAY(&r->e.memory, double, rounds))) return TSR_ERR_MEMORY;
    const char *setup = option_text(r->call, "setup");
    int n_files = (int)r->call->arguments.n - 1;
    const char *const *files = r->call->arguments.items + 1;
    if (setup) {
        TRY(runner_evaluate(r, setup, n_files, files, &last));
        n_files = 0;
    }
    for (int64_t i = 0; i < rounds; i++) {
        int64_t start = os_now_ns();
        TRY(runner_evaluate(r, r->call->arguments.items[0], i ? 0 : n_files, files, &last));
        TRY(compute_value(r, &last, &first_value));
        times[i] = (double)(os_now_ns() - start) * 1e-9;
    }
    tsr_stats stats = {0};
    if (r->e.session) TRY(tsr_run_stats(r->e.session, &stats));
    printf("{\"seconds\": [");
    for (int64_t i = 0; i < rounds; i++) printf("%s%.6f", i ? ", " : "", times[i]);
    qsort(times, (size_t)rounds, sizeof *times, compare_doubles);
    printf("], \"median\": %.6f, \"tasks\": %lld, \"bytes_read\": %lld, \"bytes_written\": %lld, \"peak_rss\": %zu, \"value\": ",
           times[rounds / 2], (long long)stats.tasks, (long long)stats.bytes_read, (long long)stats.bytes_written,
           os_rss_peak_bytes());
    strbuf b = {0};
    json_element(&b, &first_value, TSR_F64);
    printf("%s}\n", b.text ? b.text : "null");
    strbuf_fini(&b);
    return TSR_OK;
}

int command_bench(const invocation *call) { return runner_command(call, run); }
