/* See runner.h. One thread; the session's progress callback comes back on it. */
#include "cli/runner.h"

#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/service.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called also where no progress is shown: a signal that came before the computation began finds it here. */
static void on_progress(void *context, const tsr_progress *p)
{
    runner *r = context;
    progress *bar = &r->bar;
    if (interrupt_signal()) tsr_cancel(r->e.session);
    if (!bar->is_shown) return;
    if (r->e.address) bar->n_stages = engine_stages(r->e.session, &bar->stages);
    progress_show(bar, p->fraction, (double)(p->bytes_read + p->bytes_written), p->seconds, p->stage);
    bar->n_stages = 0;
    if (p->fraction >= 1) progress_clear(bar);
}

/* Who computes on a cluster without workers waits for one: with a word about it. */
static tsr_status say_if_alone(runner *r, tsr_session *session)
{
    const double begun_together = 0.15; /* seconds that workers may come later than this */
    tsr_status status = tsr_cluster_wait_for_workers(session, 1, begun_together);
    if (status != TSR_ERR_TIMEOUT) return status;
    tsr_error_clear();
    if (!option_given(r->call, "quiet"))
        fprintf(stderr, "tessera %s: there is no worker at %s yet; waiting for one\n", r->call->command->name, r->e.address);
    return TSR_OK;
}

static tsr_status on_session(void *context, tsr_session *session)
{
    runner *r = context;
    interrupt_attach(session);
    if (r->e.address) TRY(say_if_alone(r, session));
    TRY(tsr_set_progress(session, on_progress, r, 100));
    return r->trace ? tsr_trace_to(session, r->trace) : TSR_OK;
}

/* "1000,1000", "auto", "time=4,latitude=-1" */
static tsr_status read_chunks(evaluator *e, const char *text)
{
    for (const char *p = text; p && *p;) {
        size_t n = strcspn(p, ",");
        char *item = arena_printf(&e->memory, "%.*s", (int)n, p), *equals = item ? strchr(item, '=') : NULL, *end;
        if (!item) return TSR_ERR_MEMORY;
        chunk_wish wish = {0};
        if (equals) {
            *equals = '\0';
            wish.name = item;
            item = equals + 1;
        }
        wish.length = strtoll(item, &end, 10);
        if (strcmp(item, "auto") == 0)
            wish.length = 0;
        else if (end == item || *end || wish.length < -1 || wish.length == 0)
            return error_set(TSR_ERR_VALUE, "--chunks: '%s' is not a length; write 1000,1000 or time=4,latitude=-1 or auto",
                             item);
        if (!VEC_PUSH(&e->chunks, wish)) return TSR_ERR_MEMORY;
        p += n + (p[n] == ',');
    }
    return TSR_OK;
}

/* Where the session is opened, and what it takes from the machine. */
static tsr_status read_engine(runner *r)
{
    const invocation *call = r->call;
    tsr_options *o = &r->e.options;
    int64_t threads = 0;
    static const char *const engine[] = {"threads", "memory", "scratch"}, *const security[] = {"secret-file", "ca", "cert",
                                                                                               "key"};
    const char *address = r->e.address = option_text(call, "cluster");
    for (int i = 0; address && i < 3; i++)
        if (option_given(call, engine[i]))
            return error_set(TSR_ERR_VALUE, "--%s is for computing in this process; the workers behind --cluster have their own",
                             engine[i]);
    for (int i = 0; !address && i < 4; i++)
        if (option_given(call, security[i])) return error_set(TSR_ERR_VALUE, "--%s needs --cluster ADDR", security[i]);
    TRY(option_int(call, "threads", 1, 4096, &threads));
    TRY(option_memory(call, &o->memory_bytes));
    TRY(option_scratch(call, &o->scratch_dir));
    o->n_threads = (int)threads;
    if (!address) return TSR_OK;
    o->name = "tessera";
    tsr_cluster_security files;
    TRY(security_read(call, &files));
    o->secret_file = files.secret_file;
    o->ca_file = files.ca_file;
    o->cert_file = files.cert_file;
    o->key_file = files.key_file;
    return TSR_OK;
}

tsr_status runner_init(runner *r, const invocation *call)
{
    *r = (runner){.call = call, .is_usage_error = true};
    progress_init(&r->bar, call);
    evaluator_init(&r->e, NULL);
    r->e.opened = on_session;
    r->e.opened_context = r;
    TRY(read_engine(r));
    TRY(read_chunks(&r->e, option_text(call, "chunks")));
    r->is_usage_error = false;
    return TSR_OK;
}

void runner_fini(runner *r)
{
    interrupt_attach(NULL);
    progress_clear(&r->bar);
    evaluator_fini(&r->e);
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

/* The only data variable, where none is named. */
static tsr_status pick_variable(tsr_dataset *d, const char *path, const char *variable, tsr_variable **out)
{
    if (!variable && tsr_dataset_n_data(d) != 1)
        return error_set(TSR_ERR_VALUE, "'%s' holds %d data variables; name one: %s:%s", path, tsr_dataset_n_data(d), path,
                         tsr_dataset_n_data(d) ? tsr_dataset_name(d, 0) : "variable");
    *out = tsr_dataset_get(d, variable ? variable : tsr_dataset_name(d, 0));
    return *out ? TSR_OK : tsr_error_code(); /* which names the files */
}

static tsr_status open_source(evaluator *e, const char *text)
{
    const char *name, *pattern, *variable;
    tsr_session *session;
    TRY(source_split(&e->memory, text, &name, &pattern, &variable));
    TRY(evaluator_session(e, &session));
    tsr_dataset *d = tsr_open_files(session, 1, &pattern, NULL);
    if (!d) return tsr_error_code();
    binding b = {.name = name, .v.kind = VALUE_VARIABLE};
    TRY(pick_variable(d, pattern, variable, &b.v.variable));
    if (!(b.v.variable = tsr_variable_rename(b.v.variable, name))) return tsr_error_code();
    return VEC_PUSH(&e->sources, b) ? TSR_OK : TSR_ERR_MEMORY;
}

/* Words that cannot be files, told before the system says something less helpful. */
static tsr_status check_file_word(const char *word)
{
    if (!word[0]) return error_set(TSR_ERR_VALUE, "the name of a file is empty");
    if (strcmp(word, "-") == 0)
        return error_set(TSR_ERR_VALUE, "standard input cannot be read; files must be where any part of them can be reached");
    const char *equals = strchr(word, '=');
    if (source_is_named(word) && (!equals[1] || equals[1] == ':'))
        return error_set(TSR_ERR_VALUE, "'%s' names no file; write name=FILE:variable", word);
    return TSR_OK;
}

static tsr_status open_files(evaluator *e, int n, const char *const *files)
{
    VEC(const char *) paths = {0};
    tsr_session *session;
    tsr_status status = TSR_OK;
    for (int i = 0; i < n && status == TSR_OK; i++) {
        if ((status = check_file_word(files[i])) != TSR_OK) break;
        if (source_is_named(files[i]))
            status = open_source(e, files[i]);
        else if (!VEC_PUSH(&paths, files[i]))
            status = TSR_ERR_MEMORY;
    }
    if (status == TSR_OK && paths.n > 0) status = evaluator_session(e, &session);
    if (status == TSR_OK && paths.n > 0) {
        e->dataset = tsr_open_files(session, (int)paths.n, paths.items, NULL);
        if (!e->dataset) status = tsr_error_code();
    }
    VEC_FINI(&paths);
    return status;
}

/* Every name in --chunks must be a dimension of some file. */
static tsr_status check_chunks(const evaluator *e)
{
    for (size_t i = 0; i < e->chunks.n; i++) {
        const char *name = e->chunks.items[i].name;
        bool is_known = name == NULL;
        char hint[128];
        nearest best = nearest_start(name ? name : "");
        for (int d = 0; e->dataset && d < tsr_dataset_n_dims(e->dataset) && !is_known; d++) {
            const char *dim = tsr_dataset_dim(e->dataset, d, NULL);
            is_known = strcmp(dim, name) == 0;
            nearest_consider(&best, dim);
        }
        for (size_t k = 0; k < e->sources.n && !is_known; k++) {
            tsr_variable *v = e->sources.items[k].v.variable;
            for (int d = 0; d < tsr_variable_ndim(v) && !is_known; d++) {
                const char *dim = tsr_variable_dim(v, d);
                if (!dim) continue;
                is_known = strcmp(dim, name) == 0;
                nearest_consider(&best, dim);
            }
        }
        if (!is_known)
            return error_set(TSR_ERR_VALUE, "--chunks: no file has a dimension '%s'%s", name,
                             nearest_hint(&best, hint, sizeof hint));
    }
    return TSR_OK;
}

tsr_status runner_evaluate(runner *r, const char *source, int n_files, const char *const *files, value *last)
{
    r->source = source;
    tsr_status status = parse_program(&r->e.memory, source, strlen(source), &r->program, &r->e.error_at);
    if (status != TSR_OK) {
        r->e.has_error_at = true;
        return status;
    }
    const char *udf = option_text(r->call, "udf");
    if (udf) {
        tsr_session *session;
        TRY(evaluator_session(&r->e, &session));
        TRY(udf_library_compile(session, udf, NULL, &r->e.udf));
    }
    TRY(open_files(&r->e, n_files, files));
    if (n_files > 0 || !r->e.dataset) TRY(check_chunks(&r->e));
    return evaluate_program(&r->e, &r->program, last);
}

static bool is_selection(const ast *node) { return node->kind == AST_INDEX; }

/* The text of a node, blanks and newlines made one blank. */
static char *node_text(runner *r, const ast *node, const char *name)
{
    char *text = arena_printf(&r->e.memory, "%s%s%.*s", name ? name : "", name ? " = " : "", (int)(node->at.end - node->at.start),
                              r->source + node->at.start);
    char *to = text;
    for (char *p = text; p && *p; p++) {
        bool is_blank = *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r';
        if (!is_blank || (to > text && to[-1] != ' ')) *to++ = is_blank ? ' ' : *p;
    }
    if (to) *to = '\0';
    return text;
}

tsr_status runner_words(runner *r, const char **name, const char **definition)
{
    const ast_program *p = &r->program;
    const ast_statement *last = &p->statements[p->n_statements - 1];
    const ast *node = last->value;
    *name = *definition = NULL;
    if (last->n_targets) {
        *name = last->targets[last->n_targets - 1];
        if (last->n_targets == 1 && !last->update && !(*definition = node_text(r, node, *name))) return TSR_ERR_MEMORY;
        return TSR_OK;
    }
    while (is_selection(node)) node = node->items[0];
    if (node->kind != AST_NAME) return (*definition = node_text(r, last->value, NULL)) ? TSR_OK : TSR_ERR_MEMORY;
    for (int i = p->n_statements - 2; i >= 0; i--) {
        const ast_statement *s = &p->statements[i];
        for (int t = 0; t < s->n_targets; t++) {
            if (strcmp(s->targets[t], node->text) != 0) continue;
            *name = node->text;
            if (s->n_targets > 1 || s->update) return TSR_OK;
            return (*definition = node_text(r, s->value, *name)) ? TSR_OK : TSR_ERR_MEMORY;
        }
    }
    return TSR_OK;
}

int runner_complain(runner *r, tsr_status status)
{
    progress_clear(&r->bar);
    int code = complain_status(r->call->command, status);
    if (r->e.has_error_at && r->source && status != TSR_ERR_CANCELLED) {
        char *snippet = source_snippet(r->source, strlen(r->source), r->e.error_at);
        if (snippet) fputs(snippet, stderr);
        mem_free(snippet);
    }
    return r->is_usage_error ? EXIT_USAGE : code;
}

int runner_command(const invocation *call, tsr_status (*run)(runner *r))
{
    runner r;
    tsr_status status = runner_init(&r, call);
    if (status == TSR_OK) status = run(&r);
    int code = status == TSR_OK ? EXIT_DONE : runner_complain(&r, status);
    runner_fini(&r);
    return code;
}
