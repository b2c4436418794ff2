/* Opening files as a dataset: from what meta.c read and join.c ordered, lazy variables with their coordinates are built. */
#include "array/source.h"
#include "base/mem.h"
#include "dataset/dataset.h"
#include "dataset/join.h"
#include "dataset/paths.h"
#include "store/stack.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Values ---- */

static tsr_array *source_array(tsr_session *session, const file_meta *m, int k)
{
    return array_from_store(session, m->file, k, NULL);
}

/* x * scale + offset in f64: time units of one file to another's. A new reference; takes x. */
static tsr_array *take_converted(tsr_array *x, double scale, double offset)
{
    if (!x) return NULL;
    tsr_session *session = tsr_session_of(x);
    tsr_array *wide = tsr_astype(x, TSR_F64), *factor = tsr_full(session, tsr_float(scale), TSR_F64, 0, NULL, NULL);
    tsr_array *shift = tsr_full(session, tsr_float(offset), TSR_F64, 0, NULL, NULL);
    tsr_array *scaled = tsr_multiply(wide, factor), *out = tsr_add(scaled, shift);
    tsr_array *const temporary[] = {x, wide, factor, shift, scaled};
    for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++) tsr_release(temporary[i]);
    return out;
}

static int spread_axis(const join *j, int k)
{
    const store *s = j->files[0]->file;
    for (int d = 0; !j->is_new_dim && d < s->vars[k].ndim; d++)
        if (!strcmp(s->dims[s->vars[k].dims[d]].name, j->dim)) return d;
    return 0;
}

/* Is every file packed alike, in the same time units? Then one decoding after the concatenation does for all. */
static bool packed_alike(const join *j, int k)
{
    int n_vars = j->files[0]->file->n_vars;
    double scale, offset;
    for (int f = 1; f < j->n; f++) {
        if (!cf_packing_equal(&j->files[0]->packings[k], &j->files[f]->packings[j->index[f * n_vars + k]])) return false;
        if (join_time_conversion(j, f, k, &scale, &offset)) return false;
    }
    return true;
}

static tsr_array *part_array(tsr_session *session, const join *j, int f, int k, bool decode)
{
    int at = j->index[f * j->files[0]->file->n_vars + k];
    double scale, offset;
    tsr_array *x = source_array(session, j->files[f], at);
    if (decode) {
        tsr_array *decoded = cf_decode_array(x, &j->files[f]->packings[at]);
        tsr_release(x);
        x = join_time_conversion(j, f, k, &scale, &offset) ? take_converted(decoded, scale, offset) : decoded;
    }
    if (j->is_new_dim && x) {
        const int axis = 0;
        tsr_array *wider = tsr_expand_dims(x, 1, &axis);
        tsr_release(x);
        x = wider;
    }
    return x;
}

static tsr_status joined_array(tsr_session *session, const join *j, int k, tsr_array **out)
{
    bool alike = packed_alike(j, k);
    tsr_status status = TSR_OK;
    tsr_array **parts = mem_calloc((size_t)j->n, sizeof(tsr_array *)), *raw = NULL;
    if (!parts) return TSR_ERR_MEMORY;
    for (int f = 0; f < j->n; f++) {
        parts[f] = part_array(session, j, f, k, !alike);
        GUARD(array_status(parts[f]));
    }
    raw = tsr_concatenate(j->n, parts, spread_axis(j, k));
    *out = alike ? cf_decode_array(raw, &j->files[0]->packings[k]) : tsr_retain(raw);
    status = array_status(*out);
done:
    tsr_release(raw);
    for (int f = 0; f < j->n; f++) tsr_release(parts[f]);
    mem_free(parts);
    return status;
}

static tsr_status joined_labels(const join *j, int k, labels **out)
{
    int n_vars = j->files[0]->file->n_vars;
    tsr_status status = TSR_OK;
    labels **parts = mem_calloc((size_t)j->n, sizeof(labels *));
    if (!parts) return TSR_ERR_MEMORY;
    for (int f = 0; f < j->n; f++) {
        double scale, offset;
        labels *l = j->files[f]->labels[j->index[f * n_vars + k]];
        if (join_time_conversion(j, f, k, &scale, &offset))
            GUARD(labels_convert(l, scale, offset, &parts[f]));
        else
            parts[f] = labels_ref(l);
    }
    status = labels_concat(j->n, parts, out);
done:
    for (int f = 0; f < j->n; f++) labels_unref(parts[f]);
    mem_free(parts);
    return status;
}

/* Does every file have labels of variable k? (One that is longer than the limit has none.) */
static bool has_labels(const join *j, int k)
{
    int n_vars = j->files[0]->file->n_vars;
    for (int f = 0; f < (join_spreads(j, k) ? j->n : 1); f++)
        if (!j->files[f]->labels[j->index[f * n_vars + k]]) return false;
    return true;
}

static tsr_status set_values(tsr_variable *v, const join *j, int k)
{
    const file_meta *first = j->files[0];
    bool spreads = join_spreads(j, k);
    if (has_labels(j, k)) {
        labels *l;
        if (spreads)
            TRY(joined_labels(j, k, &l));
        else
            l = labels_ref(first->labels[k]);
        variable_take_labels(v, l);
        return TSR_OK;
    }
    tsr_array *a = NULL;
    if (spreads)
        TRY(joined_array(v->session, j, k, &a));
    else {
        tsr_array *raw = source_array(v->session, first, k);
        a = cf_decode_array(raw, &first->packings[k]);
        tsr_release(raw);
        TRY(array_status(a));
    }
    variable_take_array(v, a);
    return TSR_OK;
}

/* ---- Attributes ---- */

/* valid_min and the like are in packed units where the packed values are meant; decoded values need decoded limits. */
static tsr_status unpack_limits(attrs *a, const cf_packing *p)
{
    static const char *const limits[] = {"valid_min", "valid_max", "valid_range"};
    if (!p->has_scale && !p->has_offset) return TSR_OK;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const store_attr *attr = attrs_find(a, limits[i]);
        if (!attr || attr->text || attr->dtype != p->stored || attr->n_values < 1 || attr->n_values > 2) continue;
        double values[2] = {0, 0};
        for (int64_t n = 0; n < attr->n_values; n++)
            values[n] =
                element_from_scalar(
                    scalar_from_element((const char *)attr->values + (size_t)n * tsr_dtype_size(attr->dtype), attr->dtype),
                    TSR_F64)
                        .f64 *
                    p->scale +
                p->offset;
        store_attr decoded = {.name = (char *)limits[i], .dtype = TSR_F64, .n_values = attr->n_values, .values = values};
        TRY(attrs_add(a, &decoded));
    }
    return TSR_OK;
}

static tsr_status set_attributes(tsr_variable *v, const store_var *var, const cf_packing *p, bool as_stored)
{
    attrs *a;
    TRY(variable_own_attrs(v, &a));
    for (int i = 0; i < var->n_attrs; i++) {
        if (!as_stored && cf_packing_uses(var->attrs[i].name)) continue;
        if (!strcmp(var->attrs[i].name, "coordinates")) continue; /* written anew from the coordinates there are */
        TRY(attrs_add(a, &var->attrs[i]));
    }
    return as_stored ? TSR_OK : unpack_limits(a, p);
}

/* ---- Variables and the dataset ---- */

static tsr_status build_variable(tsr_dataset *ds, const join *j, int k, bool as_stored)
{
    const file_meta *first = j->files[0];
    const store_var *var = &first->file->vars[k];
    tsr_variable *v;
    tsr_status status;
    TRY(variable_new(ds->session, var->name, &v));
    v->role = first->roles[k];
    if (j->is_new_dim && join_spreads(j, k)) GUARD(variable_add_dim(v, j->dim, j->n));
    for (int d = 0; d < var->ndim; d++) GUARD(variable_add_dim(v, first->file->dims[var->dims[d]].name, var->shape[d]));
    GUARD(set_values(v, j, k));
    GUARD(set_attributes(v, var, &first->packings[k], as_stored));
    variable_find_time(v);
    v->file = store_ref(first->file);
    v->file_var = k;
    GUARD(dataset_add(ds, v));
done:
    variable_unref(v);
    return status;
}

static tsr_status note_text(tsr_dataset *ds, const store *s, const store_var *var)
{
    strbuf b = {0};
    strbuf_printf(&b, "%s(", var->name);
    for (int d = 0; d < var->ndim; d++) strbuf_printf(&b, "%s%s", d ? ", " : "", s->dims[var->dims[d]].name);
    strbuf_add(&b, ")");
    char **texts = mem_realloc(ds->texts, ((size_t)ds->n_texts + 1) * sizeof(char *)), *text = strbuf_take(&b);
    if (texts) ds->texts = texts;
    if (!texts || !text) {
        mem_free(text);
        return TSR_ERR_MEMORY;
    }
    texts[ds->n_texts++] = text;
    return TSR_OK;
}

/* Does the coordinate belong to the variable: all its dimensions are the variable's (for bounds: those of a coordinate that
 * does)? */
static bool belongs(const tsr_dataset *ds, const tsr_variable *coord, const tsr_variable *v)
{
    if (coord->role == ROLE_MAPPING) return dataset_word_in(coord->name, attrs_text(v->attrs, "grid_mapping"));
    if (coord->role == ROLE_BOUNDS) {
        for (int i = ds->n_data; i < ds->n_vars; i++) {
            const tsr_variable *c = ds->vars[i];
            if (c->role != ROLE_COORD) continue;
            const char *bounds = attrs_text(c->attrs, "bounds"), *climatology = attrs_text(c->attrs, "climatology");
            bool is_its = (bounds && !strcmp(bounds, coord->name)) || (climatology && !strcmp(climatology, coord->name));
            if (is_its && belongs(ds, c, v)) return true;
        }
        return false;
    }
    for (int d = 0; d < coord->ndim; d++)
        if (!coord->dims[d] || variable_find_dim(v, coord->dims[d]) < 0) return false;
    return true;
}

static tsr_status attach_coords(tsr_dataset *ds)
{
    for (int i = 0; i < ds->n_data; i++)
        for (int c = ds->n_data; c < ds->n_vars; c++)
            if (belongs(ds, ds->vars[c], ds->vars[i])) TRY(variable_add_coord(ds->vars[i], ds->vars[c]));
    return TSR_OK;
}

static tsr_status build_dims(tsr_dataset *ds, const join *j)
{
    const store *s = j->files[0]->file;
    int64_t total = 0;
    for (int f = 0; f < j->n; f++) total += join_length(j, f);
    if (j->is_new_dim) TRY(dataset_add_dim(ds, j->dim, total, false));
    for (int d = 0; d < s->n_dims; d++) {
        bool joined = j->dim && !strcmp(s->dims[d].name, j->dim);
        TRY(dataset_add_dim(ds, s->dims[d].name, joined ? total : s->dims[d].length, s->dims[d].is_unlimited));
    }
    return TSR_OK;
}

static tsr_status build_dataset(tsr_session *session, const join *j, bool as_stored, tsr_dataset **out)
{
    const store *s = j->files[0]->file;
    tsr_dataset *ds;
    tsr_status status;
    TRY(dataset_new(session, &ds));
    ds->first = store_ref(j->files[0]->file);
    ds->n_files = j->n;
    ds->title = j->n == 1 ? mem_strdup(j->files[0]->path)
                          : mem_printf("%s .. %s (%d files)", j->files[0]->path, j->files[j->n - 1]->path, j->n);
    if (!ds->title) GUARD(TSR_ERR_MEMORY);
    for (int f = 0; f < j->n; f++) {
        struct stat info;
        if (stat(j->files[f]->path, &info) == 0) ds->file_bytes += info.st_size;
    }
    GUARD(build_dims(ds, j));
    for (int i = 0; i < s->n_attrs; i++) GUARD(attrs_add(ds->attrs, &s->attrs[i]));
    for (int k = 0; k < s->n_vars; k++) {
        if (!s->vars[k].is_text || j->files[0]->labels[k])
            GUARD(build_variable(ds, j, k, as_stored));
        else
            GUARD(note_text(ds, s, &s->vars[k]));
    }
    GUARD(attach_coords(ds));
    *out = ds;
    ds = NULL;
done:
    if (status != TSR_OK && j->n == 1) status = error_prefix("%s", j->files[0]->path);
    dataset_unref(ds);
    return status;
}

/* Opens files that are stacked rather than joined, as images are, as one file. *out is NULL where files are of another kind, or
 * are to be joined along a dimension that they have. */
static tsr_status open_stack(int n, const char *const *paths, const char *dim, store **out)
{
    store *first;
    *out = NULL;
    TRY(store_open(paths[0], &first));
    bool wanted = first->ops->stack_dim != NULL;
    for (int d = 0; dim && d < first->n_dims; d++) wanted = wanted && strcmp(first->dims[d].name, dim) != 0;
    store_unref(first);
    return wanted ? store_open_stack(n, paths, dim, out) : TSR_OK;
}

static tsr_status open_stacked(tsr_session *session, store *stack, bool as_stored, int n, const char *const *paths,
                               tsr_dataset **out)
{
    join j = {0};
    file_meta meta = {0};
    tsr_status status;
    GUARD(meta_of_store(stack->path, store_ref(stack), as_stored, &meta));
    GUARD(join_init(&j, 1, &meta, NULL));
    GUARD(build_dataset(session, &j, as_stored, out));
    (*out)->n_files = n;
    for (int i = 0; i < n; i++) {
        struct stat info;
        if (stat(paths[i], &info) == 0) (*out)->file_bytes += info.st_size;
    }
done:
    join_fini(&j);
    meta_close(&meta);
    return status;
}

static tsr_status open_paths(tsr_session *session, int n, const char *const *paths, const tsr_open_options *options,
                             tsr_dataset **out)
{
    join j = {0};
    store *stack = NULL;
    if (n > 1) TRY(open_stack(n, paths, options ? options->concat_dim : NULL, &stack));
    if (stack) {
        tsr_status stacked = open_stacked(session, stack, options && options->raw, n, paths, out);
        store_unref(stack);
        return stacked;
    }
    tsr_status status;
    bool as_stored = options && options->raw, opened = false;
    file_meta *metas = mem_calloc((size_t)n, sizeof *metas);
    if (!metas) return TSR_ERR_MEMORY;
    GUARD(meta_open_many(n, paths, as_stored, options ? options->n_threads : 0, metas));
    opened = true;
    GUARD(join_init(&j, n, metas, options ? options->concat_dim : NULL));
    GUARD(build_dataset(session, &j, as_stored, out));
done:
    join_fini(&j);
    for (int i = 0; opened && i < n; i++) meta_close(&metas[i]);
    mem_free(metas);
    return status;
}

tsr_dataset *tsr_dataset_open(tsr_session *session, const char *path)
{
    tsr_dataset *ds = NULL;
    if (!session || !path || open_paths(session, 1, &path, NULL, &ds) != TSR_OK) return NULL;
    session_object_keep(session, &ds->object);
    return ds;
}

tsr_dataset *tsr_open_files(tsr_session *session, int n, const char *const *paths, const tsr_open_options *options)
{
    tsr_dataset *ds = NULL;
    path_list list = {0};
    tsr_status status;
    GUARD(paths_find(&list, n, paths));
    GUARD(open_paths(session, (int)list.n, (const char *const *)list.items, options, &ds));
    session_object_keep(session, &ds->object);
done:
    paths_fini(&list);
    return ds;
}

tsr_array *tsr_open_stack(tsr_session *session, int n, const char *const *paths, const int64_t *chunks)
{
    path_list list = {0};
    store *stack = NULL;
    tsr_array *a = NULL;
    tsr_status status;
    GUARD(paths_find(&list, n, paths));
    GUARD(store_open_stack((int)list.n, (const char *const *)list.items, NULL, &stack));
    a = array_from_store(session, stack, 0, chunks);
done:
    store_unref(stack);
    paths_fini(&list);
    return a;
}
