/* tessera info: what is in files, as they are stored. Reads headers and the few values of dimension coordinates only. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"

#include "base/mem.h"
#include "block/dtype.h"
#include "dataset/time.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int64_t raw_bytes(const store_var *v)
{
    return v->is_text ? 0 : shape_size(v->ndim, v->shape) * (int64_t)tsr_dtype_size(v->dtype);
}

static int64_t file_bytes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (int64_t)facts.st_size : -1;
}

static const char *dtype_words(const store_var *v) { return v->is_text ? "text" : tsr_dtype_name(v->dtype); }

/* "time 4, latitude 721" */
static void add_dims(strbuf *out, const store *s, const store_var *v)
{
    for (int d = 0; d < v->ndim; d++)
        strbuf_printf(out, "%s%s %lld", d ? ", " : "", s->dims[v->dims[d]].name, (long long)v->shape[d]);
}

static void add_number(strbuf *out, const void *data, tsr_dtype dtype)
{
    char text[64];
    strbuf_add(out, element_format(data, dtype, text, sizeof text));
}

static void add_attr(strbuf *out, const store_attr *a)
{
    strbuf_printf(out, "      %-18s ", a->name);
    if (a->text) {
        const char *newline = strchr(a->text, '\n');
        int n = newline ? (int)(newline - a->text) : (int)strlen(a->text);
        strbuf_printf(out, "%.*s%s\n", n > 90 ? 90 : n, a->text, n > 90 || newline ? " ..." : "");
        return;
    }
    size_t item = tsr_dtype_size(a->dtype);
    for (int64_t i = 0; i < a->n_values && i < 8; i++) {
        if (i) strbuf_add(out, ", ");
        add_number(out, (const char *)a->values + (size_t)i * item, a->dtype);
    }
    strbuf_add(out, a->n_values > 8 ? ", ...\n" : "\n");
}

static void add_chunks(strbuf *out, const store_var *v)
{
    char stored[32], raw[32];
    if (v->is_chunked) {
        strbuf_add(out, "      chunks             ");
        char shape[256];
        strbuf_printf(out, "%s\n", shape_format(v->ndim, v->chunk, shape, sizeof shape));
    }
    if (v->is_text || v->ndim == 0) return;
    size_format((double)raw_bytes(v), raw, sizeof raw);
    strbuf_printf(out, "      size               %s", raw);
    if (v->compression && v->stored_bytes > 0)
        strbuf_printf(out, ", %s stored (%s, ratio %.1f)", size_format((double)v->stored_bytes, stored, sizeof stored),
                      v->compression, (double)raw_bytes(v) / (double)v->stored_bytes);
    else
        strbuf_printf(out, ", %s", v->compression ? v->compression : "not compressed");
    strbuf_add(out, "\n");
}

/* First and last value of a one-dimensional coordinate. */
static tsr_status read_ends(store *s, const store_var *v, element *first, element *last)
{
    int64_t read = 0, step = 1;
    for (int k = 0; k < 2; k++) {
        box region = {.ndim = 1, .start = {k ? v->shape[0] - 1 : 0}, .count = {1}};
        element *out = k ? last : first;
        TRY(store_read(s, v, &region, &step, out, &read));
        size_t item = tsr_dtype_size(v->dtype), part = dtype_is_complex(v->dtype) ? item / 2 : item;
        for (size_t at = 0; v->swapped && at < item; at += part)
            for (size_t i = 0; i < part / 2; i++) {
                unsigned char swap = out->bytes[at + i];
                out->bytes[at + i] = out->bytes[at + part - 1 - i];
                out->bytes[at + part - 1 - i] = swap;
            }
    }
    return TSR_OK;
}

static bool is_coordinate(const store *s, const store_var *v)
{
    return v->ndim == 1 && !v->is_text && v->shape[0] > 0 && strcmp(v->name, s->dims[v->dims[0]].name) == 0;
}

static const char *text_attr(const store_var *v, const char *name)
{
    for (int i = 0; i < v->n_attrs; i++)
        if (strcmp(v->attrs[i].name, name) == 0) return v->attrs[i].text;
    return NULL;
}

/* A number, or the date it stands for. */
static void add_end(strbuf *out, const store_var *v, const element *bits)
{
    time_units units;
    instant at;
    char text[64];
    tsr_scalar number = scalar_from_element(bits, v->dtype);
    const char *words = text_attr(v, "units");
    double x = dtype_is_float(v->dtype) ? number.f : dtype_is_unsigned(v->dtype) ? (double)number.u : (double)number.i;
    bool is_time = time_units_likely(words) && !dtype_is_complex(v->dtype) &&
                   time_units_parse(words, text_attr(v, "calendar"), &units) == TSR_OK && time_decode(&units, x, &at) == TSR_OK;
    if (is_time)
        strbuf_add(out, time_format(units.cal, at, text, sizeof text));
    else
        add_number(out, bits, v->dtype);
}

static tsr_status add_var(strbuf *out, store *s, const store_var *v)
{
    strbuf_printf(out, "  %s(", v->name);
    add_dims(out, s, v);
    strbuf_printf(out, ") %s\n", dtype_words(v));
    if (is_coordinate(s, v)) {
        element first, last;
        TRY(read_ends(s, v, &first, &last));
        strbuf_add(out, "      values             ");
        add_end(out, v, &first);
        if (v->shape[0] > 1) {
            strbuf_add(out, " ... ");
            add_end(out, v, &last);
        }
        strbuf_add(out, "\n");
    }
    for (int i = 0; i < v->n_attrs; i++) add_attr(out, &v->attrs[i]);
    add_chunks(out, v);
    return TSR_OK;
}

static tsr_status describe(store *s, strbuf *out)
{
    char size[32];
    strbuf_printf(out, "%s: %s%s%s%s, %s\n", s->path, s->ops->name, s->variant ? " (" : "", s->variant ? s->variant : "",
                  s->variant ? ")" : "", size_format((double)file_bytes(s->path), size, sizeof size));
    if (s->n_dims) strbuf_add(out, "dimensions\n");
    for (int i = 0; i < s->n_dims; i++)
        strbuf_printf(out, "  %-22s %lld%s\n", s->dims[i].name, (long long)s->dims[i].length,
                      s->dims[i].is_unlimited ? " (unlimited)" : "");
    if (s->n_vars) strbuf_add(out, "variables\n");
    for (int i = 0; i < s->n_vars; i++) TRY(add_var(out, s, &s->vars[i]));
    if (s->n_attrs) strbuf_add(out, "attributes\n");
    for (int i = 0; i < s->n_attrs; i++) add_attr(out, &s->attrs[i]);
    return TSR_OK;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void json_attrs(strbuf *out, int n, const store_attr *attrs)
{
    strbuf_add(out, "{");
    for (int i = 0; i < n; i++) {
        const store_attr *a = &attrs[i];
        if (i) strbuf_add(out, ", ");
        json_string(out, a->name);
        strbuf_add(out, ": ");
        if (a->text) {
            json_string(out, a->text);
            continue;
        }
        size_t item = tsr_dtype_size(a->dtype);
        if (a->n_values != 1) strbuf_add(out, "[");
        for (int64_t k = 0; k < a->n_values; k++) {
            if (k) strbuf_add(out, ", ");
            json_element(out, (const char *)a->values + (size_t)k * item, a->dtype);
        }
        if (a->n_values != 1) strbuf_add(out, "]");
    }
    strbuf_add(out, "}");
}

static void json_numbers(strbuf *out, int n, const int64_t *values)
{
    strbuf_add(out, "[");
    for (int i = 0; i < n; i++) strbuf_printf(out, "%s%lld", i ? ", " : "", (long long)values[i]);
    strbuf_add(out, "]");
}

static void json_var(strbuf *out, const store *s, const store_var *v)
{
    strbuf_add(out, "{\"name\": ");
    json_string(out, v->name);
    strbuf_printf(out, ", \"dtype\": \"%s\", \"dims\": [", dtype_words(v));
    for (int d = 0; d < v->ndim; d++) {
        if (d) strbuf_add(out, ", ");
        json_string(out, s->dims[v->dims[d]].name);
    }
    strbuf_add(out, "], \"shape\": ");
    json_numbers(out, v->ndim, v->shape);
    strbuf_add(out, ", \"chunks\": ");
    if (v->is_chunked)
        json_numbers(out, v->ndim, v->chunk);
    else
        strbuf_add(out, "null");
    strbuf_add(out, ", \"compression\": ");
    if (v->compression)
        json_string(out, v->compression);
    else
        strbuf_add(out, "null");
    strbuf_printf(out, ", \"bytes\": %lld, \"stored_bytes\": %lld, \"attributes\": ", (long long)raw_bytes(v),
                  (long long)v->stored_bytes);
    json_attrs(out, v->n_attrs, v->attrs);
    strbuf_add(out, "}");
}

static tsr_status describe_json(store *s, strbuf *out)
{
    strbuf_add(out, "{\"path\": ");
    json_string(out, s->path);
    strbuf_printf(out, ", \"format\": \"%s\", \"variant\": ", s->ops->name);
    if (s->variant)
        json_string(out, s->variant);
    else
        strbuf_add(out, "null");
    strbuf_printf(out, ", \"bytes\": %lld, \"dimensions\": {", (long long)file_bytes(s->path));
    for (int i = 0; i < s->n_dims; i++) {
        if (i) strbuf_add(out, ", ");
        json_string(out, s->dims[i].name);
        strbuf_printf(out, ": {\"length\": %lld, \"unlimited\": %s}", (long long)s->dims[i].length,
                      s->dims[i].is_unlimited ? "true" : "false");
    }
    strbuf_add(out, "}, \"variables\": [");
    for (int i = 0; i < s->n_vars; i++) {
        strbuf_add(out, i ? ",\n  " : "\n  ");
        json_var(out, s, &s->vars[i]);
    }
    strbuf_add(out, "], \"attributes\": ");
    json_attrs(out, s->n_attrs, s->attrs);
    strbuf_add(out, "}");
    return TSR_OK;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

typedef struct listing {
    const command *command;
    bool is_json, is_first;
    int result;
} listing;

static tsr_status describe_file(const char *path, const listing *l)
{
    store *s = NULL;
    strbuf out = {0};
    char *text = NULL;
    tsr_status status = TSR_OK;
    GUARD(store_open(path, &s));
    strbuf_add(&out, l->is_first ? "" : l->is_json ? ",\n" : "\n");
    GUARD(l->is_json ? describe_json(s, &out) : describe(s, &out));
    if (!(text = strbuf_take(&out))) GUARD(TSR_ERR_MEMORY);
    text_put(stdout, text, true);
done:
    mem_free(text);
    strbuf_fini(&out);
    store_unref(s);
    return status;
}

/* A file that cannot be read does not keep the others from being shown. */
static tsr_status visit_file(void *context, const char *path)
{
    listing *l = context;
    tsr_status status = describe_file(path, l);
    if (status != TSR_OK)
        l->result = complain_status(l->command, status);
    else
        l->is_first = false;
    return TSR_OK;
}

int command_info(const invocation *call)
{
    listing l = {.command = call->command, .is_json = option_given(call, "json"), .is_first = true, .result = EXIT_DONE};
    if (call->arguments.n == 0) {
        complain(call->command, "at least one file is needed: tessera info FILE");
        return EXIT_USAGE;
    }
    if (l.is_json) fputs("[", stdout);
    for (size_t i = 0; i < call->arguments.n; i++) {
        tsr_status status = paths_expand(call->arguments.items[i], visit_file, &l);
        if (status != TSR_OK) l.result = complain_status(call->command, status);
    }
    if (l.is_json) fputs("]\n", stdout);
    return l.result;
}
