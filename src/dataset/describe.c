/* A dataset as text to read. */
#include "dataset/dataset.h"

#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

static void add_size(strbuf *out, double bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    int u = 0;
    while (bytes >= 1000 && u < 4) {
        bytes /= 1000;
        u++;
    }
    strbuf_printf(out, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

static void describe_variable(strbuf *out, const tsr_dataset *d, const tsr_variable *v)
{
    char shape[256], chunk[256], first[64], last[64];
    int64_t sizes[TSR_MAX_NDIM];
    strbuf_printf(out, "  %-14s %-8s (", v->name, tsr_dtype_name(v->array->dtype));
    for (int a = 0; a < v->ndim; a++)
        strbuf_printf(out, "%s%s %lld", a ? ", " : "", v->dims[a] ? v->dims[a] : "?", (long long)v->array->shape[a]);
    strbuf_add(out, ")");
    const char *units = tsr_variable_text(v, "units"), *name = tsr_variable_text(v, "long_name");
    if (!name) name = tsr_variable_text(v, "standard_name");
    if (v->values && v->values->n > 0) {
        tsr_variable_label_text(v, 0, first, sizeof first);
        tsr_variable_label_text(v, v->values->n - 1, last, sizeof last);
        strbuf_printf(out, v->values->n > 1 ? "  %s .. %s" : "  %s", first, last);
    }
    if (units && !tsr_variable_is_time(v)) strbuf_printf(out, "  [%s]", units);
    if (name) strbuf_printf(out, "  %s", name);
    if (!v->values && d->n_files > 0) {
        const store_var *stored = store_find(d->files[0], v->name);
        for (int a = 0; a < v->ndim; a++) sizes[a] = v->array->grid.axes[a].chunk;
        strbuf_printf(out, "\n  %-14s stored as %s", "", stored ? tsr_dtype_name(stored->dtype) : "?");
        if (stored && stored->is_chunked)
            strbuf_printf(out, ", chunks %s", shape_format(stored->ndim, stored->chunk, chunk, sizeof chunk));
        if (stored && stored->compression) strbuf_printf(out, ", %s", stored->compression);
        strbuf_printf(out, "; blocks %s; ", shape_format(v->ndim, sizes, shape, sizeof shape));
        add_size(out, (double)tsr_nbytes(v->array));
    }
    strbuf_add(out, "\n");
}

char *tsr_dataset_describe(const tsr_dataset *d)
{
    strbuf out = {0};
    if (!d) return NULL;
    if (d->n_files > 0) {
        const store *f = d->files[0];
        strbuf_printf(&out, "%s: %s%s%s%s", f->path, f->ops->name, f->variant ? " (" : "", f->variant ? f->variant : "",
                      f->variant ? ")" : "");
        if (d->n_files > 1) strbuf_printf(&out, ", and %d more files", d->n_files - 1);
        strbuf_add(&out, "\n");
    }
    strbuf_add(&out, "dimensions:");
    for (int i = 0; i < tsr_dataset_n_dims(d); i++) {
        int64_t length = 0;
        const char *dim = tsr_dataset_dim(d, i, &length);
        strbuf_printf(&out, "%s %s = %lld", i ? "," : "", dim, (long long)length);
    }
    strbuf_add(&out, "\ncoordinates:\n");
    for (int i = d->n_data; i < d->n_vars; i++) describe_variable(&out, d, d->vars[i]);
    strbuf_add(&out, "variables:\n");
    for (int i = 0; i < d->n_data; i++) describe_variable(&out, d, d->vars[i]);
    if (d->attributes->n > 0) strbuf_add(&out, "attributes:\n");
    for (int i = 0; i < d->attributes->n; i++) {
        const store_attr *a = &d->attributes->items[i];
        if (a->text) {
            strbuf_printf(&out, "  %-14s %.200s\n", a->name, a->text);
        } else if (a->n_values > 0) {
            char text[160];
            strbuf_printf(&out, "  %-14s %s\n", a->name, element_format(a->values, a->dtype, text, sizeof text));
        }
    }
    return strbuf_take(&out);
}
