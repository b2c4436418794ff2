/* A dataset as text to read: what `tessera info` prints. */
#include "base/mem.h"
#include "dataset/dataset.h"

#include <stdio.h>
#include <string.h>

static const char *size_text(double bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    int u = 0;
    while (bytes >= 999.5 && u < 5) bytes /= 1000, u++;
    snprintf(text, size, u == 0 ? "%.0f %s" : bytes < 10 ? "%.2f %s" : bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return text;
}

static int widest(const tsr_dataset *ds, int from, int to)
{
    size_t width = 4;
    for (int i = from; i < to; i++)
        if (strlen(ds->vars[i]->name) > width) width = strlen(ds->vars[i]->name);
    return width > 28 ? 28 : (int)width;
}

static void add_dims(strbuf *b, const tsr_variable *v)
{
    strbuf_add(b, "(");
    for (int d = 0; d < v->ndim; d++)
        strbuf_printf(b, "%s%s %lld", d ? ", " : "", v->dims[d] ? v->dims[d] : "(no name)", (long long)v->shape[d]);
    strbuf_add(b, ")");
}

/* First and last label, and the step where it is the same throughout. */
static void add_range(strbuf *b, const tsr_variable *v)
{
    const labels *l = v->labels;
    char first[64], last[64];
    if (!l || l->n == 0 || v->role == ROLE_MAPPING) return;
    strbuf_printf(b, "  %s", variable_label_format(v, l->values[0], first, sizeof first));
    if (l->n > 1) strbuf_printf(b, " .. %s", variable_label_format(v, l->values[l->n - 1], last, sizeof last));
    if (l->n < 3 || v->is_time) return;
    double step = (l->values[l->n - 1] - l->values[0]) / (double)(l->n - 1), tolerance = (step < 0 ? -step : step) * 1e-3;
    for (int64_t i = 1; i < l->n; i++) {
        double off = l->values[i] - l->values[i - 1] - step;
        if (!(off <= tolerance && off >= -tolerance)) return;
    }
    strbuf_printf(b, " step %.6g", step);
}

static void add_meaning(strbuf *b, const tsr_variable *v)
{
    const char *units = attrs_text(v->attrs, "units"), *name = attrs_text(v->attrs, "long_name");
    if (!name) name = attrs_text(v->attrs, "standard_name");
    if (v->is_time)
        strbuf_printf(b, "  [%s, %s]", units, calendar_name(v->time.cal));
    else if (units && *units)
        strbuf_printf(b, "  [%s]", units);
    if (name && strcmp(name, v->name) != 0) strbuf_printf(b, "  %s", name);
}

/* How the file holds it: dtype where it is packed, chunks, compression, bytes. */
static void add_storage(strbuf *b, const tsr_dataset *ds, const tsr_variable *v, int indent)
{
    char bytes[32], stored[32], chunk[256];
    const store_var *var = v->file ? &v->file->vars[v->file_var] : NULL;
    if (!var || v->ndim == 0) return;
    strbuf_printf(b, "%*s  %s", indent, "",
                  size_text((double)shape_size(v->ndim, v->shape) * (double)tsr_dtype_size(v->dtype), bytes, sizeof bytes));
    if (var->dtype != v->dtype) strbuf_printf(b, ", packed as %s", tsr_dtype_name(var->dtype));
    if (var->is_chunked)
        strbuf_printf(b, ", chunks %s", shape_format(var->ndim, var->chunk, chunk, sizeof chunk));
    else
        strbuf_add(b, ", contiguous");
    if (var->compression) strbuf_printf(b, ", %s", var->compression);
    if (var->stored_bytes >= 0 && ds->n_files == 1)
        strbuf_printf(b, ", %s in the file", size_text((double)var->stored_bytes, stored, sizeof stored));
    strbuf_add(b, "\n");
}

static void add_variable(strbuf *b, const tsr_dataset *ds, const tsr_variable *v, int width)
{
    strbuf_printf(b, "  %-*s  %-7s ", width, v->name, tsr_dtype_name(v->dtype));
    add_dims(b, v);
    add_range(b, v);
    add_meaning(b, v);
    strbuf_add(b, "\n");
    if (v->role == ROLE_DATA) add_storage(b, ds, v, width + 2);
}

static void add_attributes(strbuf *b, const attrs *a)
{
    for (int i = 0; i < a->n; i++) {
        const store_attr *attr = &a->items[i];
        char text[64];
        strbuf_printf(b, "  %s: ", attr->name);
        if (attr->text) {
            size_t n = strcspn(attr->text, "\n");
            bool cut = n > 100 || attr->text[n] != '\0';
            strbuf_addn(b, attr->text, n > 100 ? 100 : n);
            if (cut) strbuf_add(b, " ...");
        }
        for (int64_t k = 0; !attr->text && k < attr->n_values && k < 8; k++)
            strbuf_printf(b, "%s%s", k ? ", " : "",
                          element_format((const char *)attr->values + (size_t)k * tsr_dtype_size(attr->dtype), attr->dtype, text,
                                         sizeof text));
        if (!attr->text && attr->n_values > 8) strbuf_add(b, ", ...");
        strbuf_add(b, "\n");
    }
}

static void add_title(strbuf *b, const tsr_dataset *ds)
{
    char bytes[32];
    if (!ds->title) return;
    strbuf_printf(b, "%s: %s", ds->title, ds->first->ops->name);
    if (ds->first->variant) strbuf_printf(b, " (%s)", ds->first->variant);
    if (ds->file_bytes > 0) strbuf_printf(b, ", %s", size_text((double)ds->file_bytes, bytes, sizeof bytes));
    strbuf_add(b, "\n");
}

char *tsr_dataset_describe(const tsr_dataset *ds)
{
    if (!ds) return NULL;
    strbuf b = {0};
    add_title(&b, ds);
    strbuf_add(&b, "dimensions:\n ");
    for (int i = 0; i < ds->n_dims; i++)
        strbuf_printf(&b, "%s %s = %lld%s", i ? "," : "", ds->dims[i].name, (long long)ds->dims[i].length,
                      ds->dims[i].is_unlimited ? " (unlimited)" : "");
    if (ds->n_dims == 0) strbuf_add(&b, " none");
    strbuf_add(&b, "\n");
    if (ds->n_vars > ds->n_data) strbuf_add(&b, "coordinates:\n");
    for (int i = ds->n_data, width = widest(ds, ds->n_data, ds->n_vars); i < ds->n_vars; i++)
        add_variable(&b, ds, ds->vars[i], width);
    strbuf_add(&b, "variables:\n");
    for (int i = 0, width = widest(ds, 0, ds->n_data); i < ds->n_data; i++) add_variable(&b, ds, ds->vars[i], width);
    if (ds->n_data == 0) strbuf_add(&b, "  none\n");
    if (ds->n_texts > 0) strbuf_add(&b, "text:\n");
    for (int i = 0; i < ds->n_texts; i++) strbuf_printf(&b, "  %s\n", ds->texts[i]);
    if (ds->attrs->n > 0) strbuf_add(&b, "attributes:\n");
    add_attributes(&b, ds->attrs);
    return strbuf_take(&b);
}
