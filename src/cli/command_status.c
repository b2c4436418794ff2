/* tessera status: what a cluster looks like, as a table or as the library's JSON; once, or every second. One thread. */
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/service.h"
#include "cli/text.h"

#include "base/os.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_MS = 1000, MAX_COLUMNS = 10, CELL = 64 };
static const int64_t MS = 1000000;

/* ---- A table ----------------------------------------------------------------------------------------------------- */

typedef struct table {
    int n_columns;
    uint32_t right; /* columns (bits) whose cells end together */
    VEC(char *) cells;
    bool failed;
} table;

static void cell(table *t, const char *text)
{
    char *copy = mem_strdup(text);
    if (copy && VEC_PUSH(&t->cells, copy)) return;
    mem_free(copy);
    t->failed = true;
}

/* Characters, not bytes. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void table_print(const table *t, strbuf *out)
{
    int widths[MAX_COLUMNS] = {0};
    for (size_t i = 0; i < t->cells.n; i++) {
        int c = (int)i % t->n_columns, width = width_of(t->cells.items[i]);
        if (width > widths[c]) widths[c] = width;
    }
    for (size_t i = 0; i < t->cells.n; i++) {
        int c = (int)i % t->n_columns, blanks = widths[c] - width_of(t->cells.items[i]);
        bool is_last = c == t->n_columns - 1, is_right = t->right >> c & 1;
        strbuf_printf(out, "%*s%s%*s%s", is_right ? blanks : 0, "", t->cells.items[i], is_right || is_last ? 0 : blanks, "",
                      is_last ? "\n" : "  ");
    }
}

static void table_fini(table *t)
{
    for (size_t i = 0; i < t->cells.n; i++) mem_free(t->cells.items[i]);
    VEC_FINI(&t->cells);
}

/* ---- What the scheduler says ------------------------------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static double number_at(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

static void size_cell(table *t, double bytes)
{
    char text[CELL];
    cell(t, size_format(bytes, text, sizeof text));
}

static void count_cell(table *t, double count)
{
    char text[CELL];
    snprintf(text, sizeof text, "%.0f", count);
    cell(t, text);
}

/* The same worker in an earlier status, NULL if it was not there. Workers are told apart by their address: names may repeat. */
static const json_t *find_worker(const json_t *before, const char *address)
{
    size_t i;
    const json_t *workers = json_object_get(before, "workers"), *one;
    json_array_foreach(workers, i, one) if (strcmp(text_at(one, "address"), address) == 0) return one;
    return NULL;
}

/* Per second, since `before`. A worker that was started again counts from zero anew. */
static double rate_of(const json_t *now, const json_t *before, const char *key, double seconds)
{
    double change = before ? number_at(now, key) - number_at(before, key) : 0;
    return change > 0 && seconds > 0 ? change / seconds : 0;
}

static void add_workers(strbuf *out, const json_t *now, const json_t *before, double seconds, bool *failed)
{
    static const char *const heads[] = {"WORKER", "ADDRESS", "THREADS", "MEMORY", "SPILLED", "TASKS", "TASKS/S", "IN", "OUT"};
    table t = {.n_columns = 9, .right = 0x1fc};
    size_t i;
    const json_t *workers = json_object_get(now, "workers"), *one;
    for (int k = 0; k < t.n_columns; k++) cell(&t, heads[k]);
    json_array_foreach(workers, i, one)
    {
        char used[CELL], budget[CELL], both[2 * CELL + 4];
        const json_t *earlier = find_worker(before, text_at(one, "address"));
        cell(&t, text_at(one, "name"));
        cell(&t, text_at(one, "address"));
        count_cell(&t, number_at(one, "threads"));
        snprintf(both, sizeof both, "%s / %s", size_format(number_at(one, "memory_used_bytes"), used, sizeof used),
                 size_format(number_at(one, "memory_bytes"), budget, sizeof budget));
        cell(&t, both);
        size_cell(&t, number_at(one, "spilled_bytes"));
        count_cell(&t, number_at(one, "tasks_done"));
        count_cell(&t, rate_of(one, earlier, "tasks_done", seconds));
        size_cell(&t, number_at(one, "bytes_in"));
        size_cell(&t, number_at(one, "bytes_out"));
    }
    if (json_array_size(workers) > 0) table_print(&t, out);
    *failed |= t.failed;
    table_fini(&t);
}

static void add_jobs(strbuf *out, const json_t *now, bool *failed)
{
    static const char *const heads[] = {"JOB", "CLIENT", "NAME", "KEPT", "DONE", "TASKS", "SIZE"};
    table t = {.n_columns = 7, .right = 0x70};
    size_t i;
    const json_t *jobs = json_object_get(now, "jobs"), *one;
    for (int k = 0; k < t.n_columns; k++) cell(&t, heads[k]);
    json_array_foreach(jobs, i, one)
    {
        char text[CELL];
        const json_t *number = json_object_get(one, "job");
        double done = number_at(one, "tasks_done"), total = number_at(one, "tasks_total");
        if (json_is_string(number))
            snprintf(text, sizeof text, "%.60s", json_string_value(number));
        else
            snprintf(text, sizeof text, "%016llx", (unsigned long long)json_integer_value(number));
        cell(&t, text);
        cell(&t, text_at(one, "client"));
        cell(&t, text_at(one, "name")[0] ? text_at(one, "name") : "-");
        cell(&t, json_is_true(json_object_get(one, "persists")) ? "yes" : "no");
        snprintf(text, sizeof text, "%.0f %%", total > 0 ? 100 * done / total : 0);
        cell(&t, text);
        snprintf(text, sizeof text, "%.0f / %.0f", done, total);
        cell(&t, text);
        size_cell(&t, number_at(one, "bytes"));
    }
    if (json_array_size(jobs) > 0) {
        strbuf_add(out, "\n");
        table_print(&t, out);
    }
    *failed |= t.failed;
    table_fini(&t);
}

/* Of jobs that are not done: how far their stages are. */
static void add_stages(strbuf *out, const json_t *now, bool *failed)
{
    static const char *const heads[] = {"JOB", "STAGE", "DONE", "TASKS"};
    table t = {.n_columns = 4, .right = 0xc};
    size_t i, k;
    const json_t *jobs = json_object_get(now, "jobs"), *one, *stage;
    for (int c = 0; c < t.n_columns; c++) cell(&t, heads[c]);
    json_array_foreach(jobs, i, one)
    {
        if (number_at(one, "tasks_done") >= number_at(one, "tasks_total")) continue;
        const json_t *stages = json_object_get(one, "stages");
        json_array_foreach(stages, k, stage)
        {
            char text[CELL];
            double done = number_at(stage, "tasks_done"), total = number_at(stage, "tasks_total");
            cell(&t, k == 0 ? text_at(one, "job") : "");
            cell(&t, text_at(stage, "name"));
            snprintf(text, sizeof text, "%.0f %%", total > 0 ? 100 * done / total : 0);
            cell(&t, text);
            snprintf(text, sizeof text, "%.0f / %.0f", done, total);
            cell(&t, text);
        }
    }
    if (t.cells.n > (size_t)t.n_columns) {
        strbuf_add(out, "\n");
        table_print(&t, out);
    }
    *failed |= t.failed;
    table_fini(&t);
}

static tsr_status describe(const json_t *now, const json_t *before, double seconds, strbuf *out)
{
    char up[CELL];
    bool failed = false;
    size_t n_workers = json_array_size(json_object_get(now, "workers")), n_jobs = json_array_size(json_object_get(now, "jobs"));
    int n_clients = (int)number_at(now, "clients");
    strbuf_printf(out, "%s, tessera %s, up %s: %zu worker%s, %d client%s, %zu job%s\n", text_at(now, "address"),
                  text_at(now, "version"), seconds_format(number_at(now, "uptime_seconds"), up, sizeof up), n_workers,
                  n_workers == 1 ? "" : "s", n_clients, n_clients == 1 ? "" : "s", n_jobs, n_jobs == 1 ? "" : "s");
    if (n_workers) strbuf_add(out, "\n");
    add_workers(out, now, before, seconds, &failed);
    add_jobs(out, now, &failed);
    add_stages(out, now, &failed);
    return failed ? TSR_ERR_MEMORY : TSR_OK;
}

/* ---- Looking ----------------------------------------------------------------------------------------------------- */

static tsr_status ask(tsr_session *session, char **text, json_t **out)
{
    json_error_t error;
    if (!(*text = tsr_cluster_status(session))) return tsr_error_code();
    *out = json_loads(*text, JSON_REJECT_DUPLICATES, &error);
    if (*out) return TSR_OK;
    tsr_free(*text);
    *text = NULL;
    return error_set(TSR_ERR_INTERNAL, "the status does not read: %s (byte %d)", error.text, error.position);
}

static bool is_busy(const json_t *now)
{
    size_t i;
    const json_t *jobs = json_object_get(now, "jobs"), *one;
    json_array_foreach(jobs, i, one) if (number_at(one, "tasks_done") < number_at(one, "tasks_total")) return true;
    return false;
}

/* False: a signal came. */
static bool pause_for(int64_t until_ns)
{
    while (!interrupt_signal() && os_now_ns() < until_ns) nanosleep(&(struct timespec){.tv_nsec = 20 * MS}, NULL);
    return !interrupt_signal();
}

/* On a terminal, one picture takes the place of the other. */
static tsr_status show(const json_t *now, const json_t *before, double seconds, bool is_picture)
{
    strbuf out = {0};
    tsr_status status = describe(now, before, seconds, &out);
    char *text = strbuf_take(&out);
    if (status == TSR_OK && !text) status = TSR_ERR_MEMORY;
    if (status == TSR_OK) {
        if (is_picture) fputs("\x1b[H\x1b[2J", stdout);
        text_put(stdout, text, true);
        fflush(stdout);
    }
    mem_free(text);
    return status;
}

static tsr_status look(const invocation *call, tsr_session *session)
{
    bool watches = option_given(call, "watch"), is_json = option_given(call, "json"),
         is_picture = watches && isatty(STDOUT_FILENO);
    json_t *before = NULL, *now = NULL;
    char *text = NULL;
    int64_t before_ns = 0;
    tsr_status status = TSR_OK;
    for (bool again = true; again && status == TSR_OK;) {
        int64_t now_ns = os_now_ns();
        if ((status = ask(session, &text, &now)) != TSR_OK) break;
        again = watches || (!is_json && !before && is_busy(now));
        if (is_json)
            printf("%s\n", text);
        else if (watches || !again)
            status = show(now, before, (double)(now_ns - before_ns) * 1e-9, is_picture);
        fflush(stdout);
        tsr_free(text);
        json_decref(before);
        before = now;
        before_ns = now_ns;
        if (again && !pause_for(now_ns + PERIOD_MS * MS)) break;
        if (again && watches && !is_picture && !is_json) printf("\n");
    }
    json_decref(before);
    return status;
}

int command_status(const invocation *call)
{
    const char *address;
    tsr_session *session = NULL;
    tsr_status status = service_address(call, &address);
    if (status == TSR_OK) status = service_session(call, address, &session);
    if (status == TSR_OK) status = look(call, session);
    tsr_session_close(session);
    return status == TSR_OK ? EXIT_DONE : service_complain(call, status);
}
