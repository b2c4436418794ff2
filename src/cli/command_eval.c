/* tessera eval: evaluates expressions, then explains, draws, writes or prints what came out. */
#include "cli/commands.h"
#include "cli/figure.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/runner.h"
#include "cli/text.h"

#include "base/mem.h"
#include "base/os.h"
#include "block/dtype.h"
#include "block/shape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct result {
    const char *name; /* NULL for a bare expression */
    value v;          /* a number or a variable, or something that can only be printed */
    tsr_array *array; /* of a variable */
} result;

typedef VEC(result) result_list;

/* ---- Results ----------------------------------------------------------------------------------------------------- */

static bool is_plain_tuple(const value *v)
{
    for (int i = 0; i < v->n_items; i++)
        if (v->items[i].kind != VALUE_NUMBER && v->items[i].kind != VALUE_STRING) return false;
    return v->kind == VALUE_LIST && v->is_tuple;
}

static tsr_status add_result(evaluator *e, result_list *list, const char *name, value v)
{
    result r = {.name = name, .v = v};
    bool is_array = v.kind == VALUE_DATE_PART || (v.kind == VALUE_LIST && !v.is_tuple);
    if (v.kind == VALUE_LIST && v.is_tuple && !is_plain_tuple(&v)) {
        for (int i = 0; i < v.n_items; i++) {
            char *item = name ? arena_printf(&e->memory, "%s_%d", name, i) : NULL;
            TRY(add_result(e, list, item, v.items[i]));
        }
        return TSR_OK;
    }
    if (v.kind == VALUE_GROUPED || v.kind == VALUE_FUNCTION || v.kind == VALUE_DIM || v.kind == VALUE_MODULE || is_array) {
        tsr_variable *variable;
        TRY(value_to_variable(e, &v, &variable)); /* or the error that says what is missing */
        r.v = (value){.kind = VALUE_VARIABLE, .variable = variable};
    }
    if (r.v.kind == VALUE_VARIABLE && !(r.array = tsr_variable_array(r.v.variable))) return tsr_error_code();
    return VEC_PUSH(list, r) ? TSR_OK : TSR_ERR_MEMORY;
}

/* The results: of a bare expression at the end its value (names inside a tuple keep theirs); otherwise the last assignment, or
 * for a file all assigned names but those that begin with "_". */
static tsr_status collect(runner *r, const value *last, bool for_file, result_list *out)
{
    const ast_statement *s = &r->program.statements[r->program.n_statements - 1];
    if (s->n_targets == 0 && s->value->kind == AST_TUPLE && last->kind == VALUE_LIST) {
        for (int i = 0; i < last->n_items; i++) {
            const ast *item = s->value->items[i];
            TRY(fail_here(&r->e, item->at, add_result(&r->e, out, item->kind == AST_NAME ? item->text : NULL, last->items[i])));
        }
        return TSR_OK;
    }
    if (s->n_targets == 0)
        return fail_here(&r->e, s->value->at, add_result(&r->e, out, s->value->kind == AST_NAME ? s->value->text : NULL, *last));
    for (size_t i = 0; for_file && i < r->e.names.n; i++)
        if (r->e.names.items[i].name[0] != '_') TRY(add_result(&r->e, out, r->e.names.items[i].name, r->e.names.items[i].v));
    for (int t = 0; !for_file && t < s->n_targets; t++)
        TRY(fail_here(&r->e, s->at, add_result(&r->e, out, s->targets[t], s->n_targets > 1 ? last->items[t] : *last)));
    return TSR_OK;
}

static tsr_status arrays_of(evaluator *e, const result_list *results, int *n, tsr_array ***out)
{
    *n = 0;
    if (!(*out = ARENA_ARRAY(&e->memory, tsr_array *, results->n + 1))) return TSR_ERR_MEMORY;
    for (size_t i = 0; i < results->n; i++)
        if (results->items[i].array) (*out)[(*n)++] = results->items[i].array;
    return TSR_OK;
}

/* ---- Explaining -------------------------------------------------------------------------------------------------- */

static tsr_status explain(runner *r, const result_list *results)
{
    int n;
    tsr_array **arrays;
    const char *picture = r->picture, *what = option_text(r->call, "graph");
    TRY(arrays_of(&r->e, results, &n, &arrays));
    if (n == 0) return error_set(TSR_ERR_VALUE, "the result is a plain number; there is nothing to explain");
    if (option_given(r->call, "explain")) {
        char *text = tsr_explain(n, arrays);
        if (!text) return tsr_error_code();
        text_put(stdout, text, true);
        tsr_free(text);
    }
    if (!picture) return TSR_OK;
    const char *name = option_text(r->call, "visualize");
    bool is_dot = strcmp(name + strlen(name) - 4, ".dot") == 0;
    char *drawing = tsr_visualize(n, arrays, what ? what : "expression", is_dot ? "dot" : "svg");
    if (!drawing) return tsr_error_code();
    tsr_status status = output_write_text(picture, drawing);
    tsr_free(drawing);
    return status;
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static char *history_line(runner *r)
{
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    strbuf b = {0};
    strbuf_printf(&b, "%s tessera %s: %s", stamp, r->call->command->name, r->source);
    for (size_t i = 1; i < r->call->arguments.n && i <= 4; i++)
        strbuf_printf(&b, "%s%s", i == 1 ? "  from " : " ", r->call->arguments.items[i]);
    if (r->call->arguments.n > 5) strbuf_printf(&b, " ... (%zu files)", r->call->arguments.n - 1);
    return strbuf_take(&b);
}

/* "nc", "nc4" or "npy": --format, or what the name says; NULL where it says nothing. */
static const char *format_of(const invocation *call)
{
    static const char *const known[][2] = {{".nc", "nc"},  {".nc3", "nc"},   {".cdf", "nc"}, {".nc4", "nc4"},
                                           {".h5", "nc4"}, {".hdf5", "nc4"}, {".npy", "npy"}};
    const char *path = option_text(call, "output"), *dot = strrchr(path, '.');
    if (option_given(call, "format")) return option_text(call, "format");
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (strcmp(dot, known[i][0]) == 0) return known[i][1];
    return NULL;
}

/* A plain number becomes an array of no dimensions. */
static tsr_status variable_of(evaluator *e, const result *one, tsr_variable **out)
{
    tsr_session *session;
    if (one->v.kind == VALUE_VARIABLE) {
        *out = one->v.variable;
        return TSR_OK;
    }
    if (one->v.kind != VALUE_NUMBER) return error_set(TSR_ERR_TYPE, "%s cannot be written to a file", value_words(&one->v));
    TRY(evaluator_session(e, &session));
    tsr_array *a = tsr_scalar_array(session, one->v.number);
    *out = a ? tsr_variable_new(one->name, a, NULL) : NULL;
    return *out ? TSR_OK : tsr_error_code();
}

static tsr_status write_npy(runner *r, const result_list *results, const char *path)
{
    tsr_variable *v;
    if (results->n != 1)
        return error_set(TSR_ERR_VALUE, "a .npy file holds one array, there are %zu results; end with the one to keep",
                         results->n);
    TRY(variable_of(&r->e, &results->items[0], &v));
    tsr_array *a = tsr_variable_array(v);
    if (!a) return tsr_error_code();
    return tsr_store(1, &a, NULL, path, "npy");
}

/* What the files say of themselves as a whole stays true of what was computed from them (CF conventions, section 2.6.2). */
static tsr_status keep_descriptions(const tsr_dataset *from, tsr_dataset *to)
{
    static const char *const attributes[] = {"title", "institution", "source", "references", "comment", "history"};
    for (size_t i = 0; from && i < sizeof attributes / sizeof *attributes; i++) {
        const char *text = tsr_dataset_text(from, attributes[i]);
        if (text) TRY(tsr_dataset_set_text(to, attributes[i], text));
    }
    return TSR_OK;
}

static tsr_status write_dataset(runner *r, const result_list *results, const char *path, const char *format)
{
    int64_t deflate = 0;
    tsr_session *session;
    TRY(option_int(r->call, "deflate", 0, 9, &deflate));
    TRY(evaluator_session(&r->e, &session));
    tsr_dataset *d = tsr_dataset_new(session);
    if (!d) return tsr_error_code();
    TRY(keep_descriptions(r->e.dataset, d));
    for (size_t i = 0; i < results->n; i++) {
        tsr_variable *v;
        TRY(variable_of(&r->e, &results->items[i], &v));
        const char *own = tsr_variable_name(v), *name = results->items[i].name ? results->items[i].name : own;
        if (!name[0]) name = i == 0 ? "data" : arena_printf(&r->e.memory, "data_%zu", i);
        if (!name) return TSR_ERR_MEMORY;
        TRY(tsr_dataset_put(d, name, v));
    }
    char *history = history_line(r);
    if (!history) return TSR_ERR_MEMORY;
    tsr_status status =
        tsr_dataset_write(d, path, &(tsr_write_options){.format = format, .deflate_level = (int)deflate, .history = history});
    mem_free(history);
    return status;
}

/* "z.nc: z(time 120 ...) float32, 498 MB in 2.3 s (read 249 MB, peak 310 MB in blocks)" */
static void report_written(runner *r, const result_list *results, const char *path, double seconds)
{
    struct stat facts;
    tsr_stats stats = {0};
    char written[32], read[32], peak[32], time[32];
    strbuf b = {0};
    progress_clear(&r->bar);
    if (option_given(r->call, "quiet")) return;
    strbuf_printf(&b, "%s: ", path);
    for (size_t i = 0; i < results->n; i++) {
        const result *one = &results->items[i];
        if (i) strbuf_add(&b, "; ");
        if (one->v.kind == VALUE_VARIABLE)
            print_heading(&b, one->name ? one->name : tsr_variable_name(one->v.variable), one->v.variable);
        else
            strbuf_printf(&b, "%s() %s", one->name ? one->name : "", tsr_dtype_name(one->v.number.dtype));
    }
    double size = stat(path, &facts) == 0 ? (double)facts.st_size : 0;
    strbuf_printf(&b, ", %s in %s", size_format(size, written, sizeof written), seconds_format(seconds, time, sizeof time));
    if (r->e.session && tsr_run_stats(r->e.session, &stats) == TSR_OK)
        strbuf_printf(&b, " (read %s, peak memory %s)", size_format((double)stats.bytes_read, read, sizeof read),
                      size_format((double)os_rss_peak_bytes(), peak, sizeof peak));
    if (b.text) {
        text_put(stderr, b.text, false);
        fputs("\n", stderr);
    }
    strbuf_fini(&b);
}

static tsr_status write_results(runner *r, const result_list *results, const char *path)
{
    const char *format = format_of(r->call);
    int64_t start = os_now_ns();
    if (results->n == 0) return error_set(TSR_ERR_VALUE, "there is nothing to write: every name begins with '_'");
    TRY(strcmp(format, "npy") == 0 ? write_npy(r, results, path) : write_dataset(r, results, path, format));
    report_written(r, results, path, (double)(os_now_ns() - start) * 1e-9);
    return TSR_OK;
}

/* ---- Drawing ----------------------------------------------------------------------------------------------------- */

/* Counts and edges, as histogram() gives them. */
static bool is_histogram(const result_list *results)
{
    if (results->n != 2 || !results->items[0].array || !results->items[1].array) return false;
    const tsr_array *counts = results->items[0].array, *edges = results->items[1].array;
    return tsr_ndim(counts) == 1 && tsr_ndim(edges) == 1 && tsr_size(edges) == tsr_size(counts) + 1;
}

static tsr_status draw_results(runner *r, const result_list *results, const char *path)
{
    plot_style style;
    const result *last = &results->items[results->n - 1];
    const char *name;
    TRY(figure_options(r->call, &style));
    TRY(runner_words(r, &name, &style.expression));
    if (is_histogram(results))
        return figure_histogram(path, &style, results->items[0].v.variable, results->items[1].v.variable, NULL);
    if (last->v.kind != VALUE_VARIABLE) return error_set(TSR_ERR_VALUE, "%s cannot be drawn", value_words(&last->v));
    return figure_variable(path, &style, name, last->v.variable);
}

/* ---- Printing ---------------------------------------------------------------------------------------------------- */

/* Nobody waits for the summary of an array that was not asked for: it is computed if this is a matter of seconds. */
static const tsr_prediction summary_most = {.bytes_read = INT64_C(4) << 30, .elements = 1000000000};

/* min, mean and max of arrays that are too large to print, all computed in one run with the small ones. */
typedef struct printing {
    tsr_array *arrays[3];
    int n;
    char *data; /* of a small array */
    double facts[3];
    bool is_long; /* min, mean and max would take long: they are left out */
} printing;

static bool has_facts(const result *one)
{
    tsr_dtype dtype = tsr_dtype_of(one->array);
    return dtype != TSR_C64 && dtype != TSR_C128;
}

static tsr_status plan_printing(const result *one, printing *p)
{
    *p = (printing){0};
    if (!one->array) return TSR_OK;
    if (tsr_size(one->array) <= PRINT_MAX_ELEMENTS) {
        p->n = 1;
        p->arrays[0] = one->array;
        p->data = mem_alloc((size_t)tsr_nbytes(one->array));
        return p->data ? TSR_OK : TSR_ERR_MEMORY;
    }
    if (!has_facts(one)) return TSR_OK;
    tsr_array *a = tsr_dtype_of(one->array) == TSR_BOOL ? tsr_astype(one->array, TSR_U8) : one->array;
    p->n = 3;
    p->arrays[0] = tsr_astype(tsr_nanmin(a, 0, NULL, false), TSR_F64);
    p->arrays[1] = tsr_astype(tsr_nanmean(a, 0, NULL, false), TSR_F64);
    p->arrays[2] = tsr_astype(tsr_nanmax(a, 0, NULL, false), TSR_F64);
    tsr_prediction takes;
    TRY(tsr_predict(p->n, p->arrays, &takes)); /* or the error that an array failed with */
    p->is_long = takes.bytes_read > summary_most.bytes_read || takes.elements > summary_most.elements;
    if (p->is_long) p->n = 0;
    return TSR_OK;
}

/* The lengths of the (longest) chunks along each axis; false where there are so many that looking would take long. */
static bool longest_chunks(const tsr_array *a, int64_t *out)
{
    enum { MOST = 1 << 20 };
    for (int d = 0; d < tsr_ndim(a); d++) {
        int64_t n = tsr_n_chunks(a, d), *sizes = n > 0 && n <= MOST ? mem_alloc((size_t)n * sizeof *sizes) : NULL;
        out[d] = 0;
        bool known = sizes && tsr_chunk_sizes(a, d, sizes) == TSR_OK;
        for (int64_t i = 0; known && i < n; i++)
            if (sizes[i] > out[d]) out[d] = sizes[i];
        mem_free(sizes);
        if (!known) return false;
    }
    return true;
}

static void add_list(strbuf *out, int n, const int64_t *numbers)
{
    for (int d = 0; d < n; d++) strbuf_printf(out, "%s%lld", d ? ", " : "", (long long)numbers[d]);
}

static void add_summary(strbuf *out, const result *one, const printing *p, bool is_json)
{
    char size[32], shape[256];
    int64_t n_chunks = 1, chunks[TSR_MAX_NDIM];
    bool has_chunks = longest_chunks(one->array, chunks);
    const char *name = one->name ? one->name : tsr_variable_name(one->v.variable);
    if (is_json) {
        strbuf_add(out, "{\"name\": ");
        json_string(out, name);
        strbuf_printf(out, ", \"dtype\": \"%s\", \"shape\": [", tsr_dtype_name(tsr_dtype_of(one->array)));
        add_list(out, tsr_ndim(one->array), tsr_shape(one->array));
        strbuf_printf(out, "], \"nbytes\": %lld, \"chunks\": ", (long long)tsr_nbytes(one->array));
        strbuf_add(out, has_chunks ? "[" : "null");
        if (has_chunks) add_list(out, tsr_ndim(one->array), chunks);
        strbuf_printf(out, "%s, \"data\": null", has_chunks ? "]" : "");
        static const char *const keys[] = {"min", "mean", "max"};
        for (int i = 0; p->n == 3 && i < 3; i++) {
            if (p->facts[i] - p->facts[i] == 0)
                strbuf_printf(out, ", \"%s\": %.17g", keys[i], p->facts[i]);
            else
                strbuf_printf(out, ", \"%s\": null", keys[i]);
        }
        strbuf_add(out, "}");
        return;
    }
    print_heading(out, name, one->v.variable);
    for (int d = 0; d < tsr_ndim(one->array); d++) n_chunks *= tsr_n_chunks(one->array, d);
    strbuf_printf(out, ": %s in %lld chunk%s", size_format((double)tsr_nbytes(one->array), size, sizeof size),
                  (long long)n_chunks, n_chunks == 1 ? "" : "s");
    if (n_chunks > 1 && has_chunks) strbuf_printf(out, " of %s", shape_format(tsr_ndim(one->array), chunks, shape, sizeof shape));
    strbuf_add(out, "\n");
    if (p->n == 3) strbuf_printf(out, "  min %.8g, mean %.8g, max %.8g\n", p->facts[0], p->facts[1], p->facts[2]);
}

/* A shape, as Python prints it. */
static void add_tuple(strbuf *out, const value *v)
{
    strbuf_add(out, "(");
    for (int i = 0; i < v->n_items; i++) {
        if (i) strbuf_add(out, ", ");
        if (v->items[i].kind == VALUE_NUMBER)
            print_number(out, v->items[i].number);
        else
            strbuf_printf(out, "'%s'", v->items[i].text);
    }
    strbuf_add(out, v->n_items == 1 ? ",)" : ")");
}

static void add_plain(strbuf *out, const result *one)
{
    if (one->name) strbuf_printf(out, "%s = ", one->name);
    switch (one->v.kind) {
    case VALUE_NUMBER: print_number(out, one->v.number); break;
    case VALUE_DTYPE: strbuf_add(out, tsr_dtype_name(one->v.number.dtype)); break;
    case VALUE_STRING: strbuf_add(out, one->v.text); break;
    case VALUE_LIST: add_tuple(out, &one->v); break;
    case VALUE_NONE: strbuf_add(out, "None"); break;
    default: strbuf_add(out, value_words(&one->v)); break;
    }
    strbuf_add(out, "\n");
}

/* A string, a tuple, a dtype or None. */
static void json_plain(strbuf *out, const char *name, const value *v)
{
    strbuf_add(out, "{\"name\": ");
    if (name)
        json_string(out, name);
    else
        strbuf_add(out, "null");
    strbuf_add(out, ", \"data\": ");
    if (v->kind == VALUE_STRING)
        json_string(out, v->text);
    else if (v->kind == VALUE_DTYPE)
        json_string(out, tsr_dtype_name(v->number.dtype));
    else if (v->kind != VALUE_LIST)
        strbuf_add(out, "null");
    for (int i = 0; v->kind == VALUE_LIST && i < v->n_items; i++) {
        const value *item = &v->items[i];
        element bits = element_from_scalar(item->number, item->number.dtype);
        strbuf_add(out, i ? ", " : "[");
        if (item->kind == VALUE_NUMBER)
            json_element(out, &bits, item->number.dtype);
        else
            json_string(out, item->text);
    }
    if (v->kind == VALUE_LIST) strbuf_add(out, v->n_items ? "]" : "[]");
    strbuf_add(out, "}");
}

static void add_json(strbuf *out, const result *one, const printing *p)
{
    if (one->v.kind == VALUE_NUMBER)
        json_number(out, one->name, one->v.number);
    else if (p->data)
        json_variable(out, one->name ? one->name : tsr_variable_name(one->v.variable), one->v.variable, p->data);
    else if (one->array)
        add_summary(out, one, p, true);
    else
        json_plain(out, one->name, &one->v);
}

static tsr_status compute_printing(const result_list *results, printing *list)
{
    VEC(tsr_array *) arrays = {0};
    VEC(void *) outs = {0};
    tsr_status status = TSR_OK;
    for (size_t i = 0; i < results->n; i++) {
        GUARD(plan_printing(&results->items[i], &list[i]));
        for (int k = 0; k < list[i].n; k++)
            if (!VEC_PUSH(&arrays, list[i].arrays[k]) ||
                !VEC_PUSH(&outs, list[i].data ? (void *)list[i].data : &list[i].facts[k]))
                GUARD(TSR_ERR_MEMORY);
    }
    if (arrays.n) status = tsr_compute((int)arrays.n, arrays.items, outs.items);
done:
    VEC_FINI(&arrays);
    VEC_FINI(&outs);
    return status;
}

static void format_results(runner *r, const result_list *results, const printing *list, bool is_json, strbuf *out)
{
    if (is_json && results->n != 1) strbuf_add(out, "[");
    for (size_t i = 0; i < results->n; i++) {
        const result *one = &results->items[i];
        result shown = *one;
        if (results->n == 1 && r->program.statements[r->program.n_statements - 1].n_targets == 0) shown.name = NULL;
        if (is_json) {
            if (i) strbuf_add(out, ",\n ");
            add_json(out, one, &list[i]);
        } else if (!one->array) {
            if (results->n == 1) shown.name = NULL;
            add_plain(out, &shown);
        } else if (list[i].data) {
            bool has_name = shown.name || (tsr_variable_ndim(one->v.variable) > 0 && tsr_variable_has_names(one->v.variable));
            if (results->n == 1 && tsr_variable_ndim(one->v.variable) == 0) has_name = false;
            const char *name = shown.name ? shown.name : tsr_variable_name(one->v.variable);
            print_variable(out, has_name ? name : NULL, one->v.variable, list[i].data);
        } else {
            add_summary(out, one, &list[i], false);
        }
    }
    if (is_json) strbuf_add(out, results->n != 1 ? "]\n" : "\n");
}

/* What to do about results that are not to be seen. */
static void hint_results(const result_list *results, const printing *list)
{
    bool is_cut = false, is_long = false;
    for (size_t i = 0; i < results->n; i++) {
        is_cut = is_cut || (results->items[i].array && !list[i].data && !list[i].is_long);
        is_long = is_long || list[i].is_long;
    }
    fflush(stdout);
    if (is_cut) fputs("  (too large to print; -o FILE.nc keeps it, --plot FILE.png draws it, x[...] selects a part)\n", stderr);
    if (is_long)
        fputs(
            "  (not computed: too large to print, and it takes long; -o FILE.nc computes and keeps it, --plot FILE.png draws it, "
            "x[...] selects a part, mean(x) and its like make less of it)\n",
            stderr);
}

static tsr_status print_results(runner *r, const result_list *results)
{
    bool is_json = option_given(r->call, "json");
    strbuf out = {0};
    char *text = NULL;
    printing *list = mem_calloc(results->n + 1, sizeof *list);
    tsr_status status = TSR_OK;
    if (!list) return TSR_ERR_MEMORY;
    GUARD(compute_printing(results, list));
    progress_clear(&r->bar);
    format_results(r, results, list, is_json, &out);
    if (!(text = strbuf_take(&out))) GUARD(TSR_ERR_MEMORY);
    text_put(stdout, text, true);
    if (!is_json && !option_given(r->call, "quiet")) hint_results(results, list);
done:
    for (size_t i = 0; i < results->n; i++) mem_free(list[i].data);
    mem_free(list);
    mem_free(text);
    strbuf_fini(&out);
    return status;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static tsr_status check_format(const invocation *call)
{
    const char *out = option_text(call, "output");
    if (!out && (option_given(call, "deflate") || option_given(call, "format")))
        return error_set(TSR_ERR_VALUE, "--%s needs an output file: -o FILE",
                         option_given(call, "deflate") ? "deflate" : "format");
    if (!out || !out[0]) return TSR_OK; /* output_resolve has its say on an empty name */
    const char *format = format_of(call);
    if (!format) return error_set(TSR_ERR_VALUE, "the format of '%s' is not clear; use .nc, .nc4 or .npy, or --format", out);
    if (option_given(call, "deflate") && strcmp(format, "nc4") != 0)
        return error_set(TSR_ERR_VALUE, "--deflate compresses NetCDF-4 only; write to FILE.nc4, or add --format nc4");
    return TSR_OK;
}

/* Mistakes that can be seen before anything is read. */
static tsr_status check_options(runner *r)
{
    const char *out = option_text(r->call, "output"), *plot = option_text(r->call, "plot"),
               *picture = option_text(r->call, "visualize"), *trace = option_text(r->call, "trace");
    const char *const *files = r->call->arguments.items + 1;
    int n_files = (int)r->call->arguments.n - 1;
    plot_style style;
    int64_t deflate = 0;
    size_t n = picture ? strlen(picture) : 0;
    if (plot) TRY(plot_check_path(plot));
    TRY(figure_options(r->call, &style));
    TRY(option_int(r->call, "deflate", 0, 9, &deflate));
    TRY(check_format(r->call));
    if (picture && (n < 5 || (strcmp(picture + n - 4, ".svg") != 0 && strcmp(picture + n - 4, ".dot") != 0)))
        return error_set(TSR_ERR_VALUE, "--visualize writes .svg or .dot, found '%s'", picture);
    if (option_given(r->call, "graph") && !picture) return error_set(TSR_ERR_VALUE, "--graph needs --visualize FILE");
    if (out) TRY(output_resolve(&r->e.memory, out, OUTPUT_REPLACED, n_files, files, &r->output));
    if (plot) TRY(output_resolve(&r->e.memory, plot, OUTPUT_REPLACED, n_files, files, &r->plot));
    if (picture) TRY(output_resolve(&r->e.memory, picture, OUTPUT_STREAMED, n_files, files, &r->picture));
    if (trace) TRY(output_resolve(&r->e.memory, trace, OUTPUT_REPLACED, n_files, files, &r->trace));
    return TSR_OK;
}

static tsr_status run(runner *r, result_list *results)
{
    bool explains = option_given(r->call, "explain") || option_given(r->call, "visualize");
    value last = {0};
    r->is_usage_error = true;
    if (r->call->arguments.n == 0)
        return error_set(TSR_ERR_VALUE, "an expression is needed: tessera eval 'mean(t2m, time)' FILES");
    TRY(check_options(r));
    const char *out = r->output, *plot = r->plot;
    r->is_usage_error = false;
    TRY(runner_evaluate(r, r->call->arguments.items[0], (int)r->call->arguments.n - 1, r->call->arguments.items + 1, &last));
    TRY(collect(r, &last, out != NULL, results));
    if (explains) TRY(explain(r, results));
    if (out) TRY(write_results(r, results, out));
    if (plot) {
        result_list shown = {0};
        tsr_status status = collect(r, &last, false, &shown);
        if (status == TSR_OK)
            status = shown.n ? draw_results(r, &shown, plot) : error_set(TSR_ERR_VALUE, "there is nothing to draw");
        VEC_FINI(&shown);
        TRY(status);
    }
    if (!out && !plot && !explains) TRY(print_results(r, results));
    if (r->trace && !r->e.session && !option_given(r->call, "quiet"))
        fprintf(stderr, "tessera eval: nothing was computed, so there is no trace to write\n");
    /* The trace is complete with the last computation; a full disk shows here. */
    return r->trace && r->e.session ? tsr_trace_to(r->e.session, NULL) : TSR_OK;
}

int command_eval(const invocation *call)
{
    runner r;
    result_list results = {0};
    tsr_status status = runner_init(&r, call);
    if (status == TSR_OK) status = run(&r, &results);
    int code = status == TSR_OK ? EXIT_DONE : runner_complain(&r, status);
    VEC_FINI(&results);
    runner_fini(&r);
    return code;
}
