/* tessera plot: a picture of one variable or expression. Leading dimensions beyond two are taken at their first position, and
 * said so. */
#include "cli/commands.h"
#include "cli/figure.h"
#include "cli/output.h"
#include "cli/runner.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

/* The last argument is the expression. */
static tsr_status split_arguments(runner *r, const char **expression, int *n_files)
{
    size_t n = r->call->arguments.n;
    if (n < 2) return error_set(TSR_ERR_VALUE, "a file and a variable are needed: tessera plot FILE t2m");
    *expression = r->call->arguments.items[n - 1];
    *n_files = (int)n - 1;
    return TSR_OK;
}

static tsr_status reduce_dimensions(runner *r, tsr_variable **v)
{
    strbuf remark = {0};
    int left = 0;
    for (int d = 0; d < tsr_variable_ndim(*v); d++) left += tsr_variable_shape(*v)[d] != 1;
    for (int d = 0; left > 2 && d < tsr_variable_ndim(*v);) {
        char dim[16];
        const char *name = tsr_variable_dim(*v, d);
        snprintf(dim, sizeof dim, "%d", d);
        if (tsr_variable_shape(*v)[d] == 1) {
            d++;
            continue;
        }
        strbuf_printf(&remark, "%s%s 0 of %lld", remark.n ? ", " : "", name ? name : dim, (long long)tsr_variable_shape(*v)[d]);
        *v = tsr_variable_index(*v, dim, 0);
        left--;
    }
    if (remark.n && *v && !option_given(r->call, "quiet")) {
        fputs("tessera plot: drawing ", stderr);
        text_put(stderr, remark.text, false);
        fputs("; select others with x[...]\n", stderr);
    }
    strbuf_fini(&remark);
    return *v ? TSR_OK : tsr_error_code();
}

static tsr_status draw_histogram(runner *r, const char *path, const plot_style *style, tsr_variable *v, const char *name)
{
    int64_t n_bins = 100;
    double ends[2] = {0, 1};
    TRY(option_int(r->call, "bins", 1, 100000, &n_bins));
    tsr_array *a = tsr_variable_array(v);
    tsr_array *pair[2] = {tsr_astype(tsr_nanmin(a, 0, NULL, false), TSR_F64), tsr_astype(tsr_nanmax(a, 0, NULL, false), TSR_F64)};
    if (!pair[0] || !pair[1]) return tsr_error_code();
    TRY(tsr_compute(2, pair, (void *[]){&ends[0], &ends[1]}));
    if (!(ends[1] - ends[0] >= 0))
        return error_set(TSR_ERR_VALUE, "the values' range is not finite (%g to %g)", ends[0], ends[1]);
    if (ends[0] == ends[1]) ends[0] -= 0.5, ends[1] += 0.5;
    tsr_bins bins = {.n = n_bins, .low = ends[0], .high = ends[1]};
    int64_t n_edges = n_bins + 1;
    double *edges = ARENA_ARRAY(&r->e.memory, double, n_edges);
    if (!edges) return TSR_ERR_MEMORY;
    TRY(tsr_histogram_edges(&bins, edges));
    tsr_array *counts = tsr_histogram(a, &bins, false);
    tsr_array *borders = tsr_from_memory(r->e.session, edges, TSR_F64, 1, &n_edges, NULL, NULL, NULL, NULL);
    if (!counts || !borders) return tsr_error_code();
    const char *long_name = tsr_variable_text(v, "long_name"), *units = tsr_variable_text(v, "units");
    const char *what = long_name && long_name[0] ? long_name : name;
    char *label = arena_printf(&r->e.memory, units ? "%s (%s)" : "%s", what, units), *title;
    if (!label || !(title = arena_printf(&r->e.memory, "Histogram: %s", what))) return TSR_ERR_MEMORY;
    plot_style titled = *style;
    if (!titled.title) titled.title = title;
    return figure_histogram(path, &titled, tsr_variable_new(NULL, counts, NULL), tsr_variable_new(NULL, borders, NULL), label);
}

static tsr_status run(runner *r)
{
    const char *expression = NULL, *path = option_text(r->call, "output");
    int n_files = 0;
    plot_style style;
    value last = {0};
    tsr_variable *v;
    r->is_usage_error = true;
    TRY(split_arguments(r, &expression, &n_files));
    if (!path) path = "plot.png";
    TRY(plot_check_path(path));
    TRY(figure_options(r->call, &style));
    TRY(output_resolve(&r->e.memory, path, OUTPUT_REPLACED, n_files, r->call->arguments.items, &path));
    if (option_given(r->call, "bins") && !option_given(r->call, "histogram"))
        return error_set(TSR_ERR_VALUE, "--bins needs --histogram");
    r->is_usage_error = false;
    TRY(runner_evaluate(r, expression, n_files, r->call->arguments.items, &last));
    const ast_statement *s = &r->program.statements[r->program.n_statements - 1];
    TRY(fail_here(&r->e, s->value->at, value_to_variable(&r->e, &last, &v)));
    const char *name;
    TRY(runner_words(r, &name, &style.expression));
    if (option_given(r->call, "histogram")) {
        const char *own = tsr_variable_name(v);
        TRY(draw_histogram(r, path, &style, v, name ? name : own[0] ? own : "value"));
    } else {
        TRY(reduce_dimensions(r, &v));
        TRY(figure_variable(path, &style, name, v));
    }
    progress_clear(&r->bar);
    if (!option_given(r->call, "quiet") && !option_given(r->call, "output")) fprintf(stderr, "wrote %s\n", path);
    return TSR_OK;
}

int command_plot(const invocation *call) { return runner_command(call, run); }
