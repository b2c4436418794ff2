/* Joining files. The order is that of the coordinate's first value in each file; agreement is checked against the first file in
 * that order, and the error names the file that differs and how. */
#include "dataset/join.h"

#include "base/mem.h"
#include "base/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int file_dim(const store *s, const char *name)
{
    for (int d = 0; d < s->n_dims; d++)
        if (!strcmp(s->dims[d].name, name)) return d;
    return -1;
}

static int var_dim(const file_meta *m, int k, const char *name)
{
    const store_var *var = &m->file->vars[k];
    for (int d = 0; d < var->ndim; d++)
        if (!strcmp(m->file->dims[var->dims[d]].name, name)) return d;
    return -1;
}

bool join_spreads(const join *j, int k)
{
    if (!j->dim || j->n < 2) return false;
    return j->is_new_dim ? j->files[0]->roles[k] == ROLE_DATA && !j->files[0]->file->vars[k].is_text
                         : var_dim(j->files[0], k, j->dim) >= 0;
}

int64_t join_length(const join *j, int f)
{
    int d = j->dim && !j->is_new_dim ? file_dim(j->files[f]->file, j->dim) : -1;
    return d < 0 ? 1 : j->files[f]->file->dims[d].length;
}

/* Labels of the dimension d of the first file; NULL if it has no coordinate. */
static const labels *dim_labels(const file_meta *m, const char *name)
{
    int k = meta_find(m, name);
    return k >= 0 && m->file->vars[k].ndim == 1 && m->roles[k] == ROLE_COORD ? m->labels[k] : NULL;
}

static bool convert_by(const file_meta *first, int k, const file_meta *other, int ok, double *scale, double *offset)
{
    time_units to, from;
    if (!meta_time_units(first, k, &to) || !meta_time_units(other, ok, &from) || to.cal != from.cal) return false;
    if (to.num == from.num && to.den == from.den && instant_compare(to.base, from.base) == 0) return false;
    time_conversion(&from, &to, scale, offset);
    return true;
}

bool join_time_conversion(const join *j, int f, int k, double *scale, double *offset)
{
    int n_vars = j->files[0]->file->n_vars;
    return f > 0 && convert_by(j->files[0], k, j->files[f], j->index[f * n_vars + k], scale, offset);
}

/* ---- Which dimension ---- */

static bool labels_differ(const labels *a, const labels *b)
{
    if (!a || !b) return false;
    return a->n != b->n || labels_difference(a, b) >= 0;
}

/* Does the dimension's coordinate (or, without one, its length) change from file to file? */
static bool dim_differs(int n, const file_meta *metas, const char *name)
{
    for (int f = 1; f < n; f++) {
        int a = file_dim(metas[0].file, name), b = file_dim(metas[f].file, name);
        if (a < 0 || b < 0) continue;
        if (metas[0].file->dims[a].length != metas[f].file->dims[b].length) return true;
        int k = meta_find(&metas[0], name), ok = meta_find(&metas[f], name);
        double scale, offset;
        if (k >= 0 && ok >= 0 && convert_by(&metas[0], k, &metas[f], ok, &scale, &offset)) return true;
        if (labels_differ(dim_labels(&metas[0], name), dim_labels(&metas[f], name))) return true;
    }
    return false;
}

static bool is_time_dim(const file_meta *m, const char *name)
{
    time_units units;
    int k = meta_find(m, name);
    return k >= 0 && meta_time_units(m, k, &units);
}

static tsr_status several_differ(int n, const file_meta *metas, const char *names)
{
    return error_set(TSR_ERR_VALUE,
                     "'%s' and the other %d files differ along several dimensions (%s): name the one to join along",
                     metas[0].path, n - 1, names);
}

/* The unlimited dimension, unless its labels are the same in all files and another one's are not; without one that which differs.
 * If several differ it is the time: a file whose other dimensions are not as they should be is found, and named, afterwards. */
static tsr_status choose_dim(join *j, int n, const file_meta *metas)
{
    const store *s = metas[0].file;
    const char *unlimited = NULL, *differing = NULL, *time = NULL;
    int n_unlimited = 0, n_differing = 0, n_times = 0;
    bool unlimited_differs = false;
    char names[400] = "";
    for (int d = 0; d < s->n_dims; d++) {
        const char *name = s->dims[d].name;
        bool differs = dim_differs(n, metas, name);
        if (s->dims[d].is_unlimited) unlimited = name, n_unlimited++, unlimited_differs = differs || !dim_labels(&metas[0], name);
        if (!differs) continue;
        if (is_time_dim(&metas[0], name)) time = name, n_times++;
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%.100s", n_differing ? ", " : "", name);
        differing = name, n_differing++;
    }
    if (n_unlimited == 1 && (unlimited_differs || n_differing != 1))
        j->dim = unlimited;
    else if (n_differing == 1)
        j->dim = differing;
    else if (n_times == 1)
        j->dim = time;
    else if (n_differing > 1)
        return several_differ(n, metas, names);
    else
        return error_set(TSR_ERR_VALUE,
                         "'%s' and the other %d files do not differ in any coordinate: name the dimension to join them along",
                         metas[0].path, n - 1);
    return TSR_OK;
}

static tsr_status given_dim(join *j, int n, const file_meta *metas, const char *dim)
{
    int having = 0;
    for (int f = 0; f < n; f++) having += file_dim(metas[f].file, dim) >= 0;
    j->dim = dim;
    j->is_new_dim = having == 0;
    if (having == 0) { /* a mistyped name, rather than a new dimension? */
        const store *s = metas[0].file;
        const char **names = mem_alloc((size_t)s->n_dims * sizeof *names);
        if (!names) return TSR_ERR_MEMORY;
        for (int d = 0; d < s->n_dims; d++) names[d] = s->dims[d].name;
        int near = names_nearest(dim, s->n_dims, names);
        tsr_status status = TSR_OK;
        if (near >= 0)
            status =
                error_set(TSR_ERR_NOT_FOUND, "'%s' has no dimension '%s'; did you mean '%s'?", metas[0].path, dim, names[near]);
        mem_free(names);
        return status;
    }
    for (int f = 0; having < n && f < n; f++)
        if (file_dim(metas[f].file, dim) < 0)
            return error_set(TSR_ERR_VALUE, "'%s' has no dimension '%s' to join along, which other files have", metas[f].path,
                             dim);
    return TSR_OK;
}

/* ---- In which order ---- */

typedef struct sort_entry {
    file_meta *meta;
    double first, last;
    int given; /* place in the caller's list: files with equal keys keep their order */
} sort_entry;

static int compare_up(const void *a, const void *b)
{
    const sort_entry *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->given - y->given;
}

static int compare_down(const void *a, const void *b)
{
    const sort_entry *x = a, *y = b;
    if (x->first != y->first) return x->first > y->first ? -1 : 1;
    return x->given - y->given;
}

/* Sort keys from variable k of the first file; false if a file has no such labels or all files begin alike. */
static bool keys_from(int n, sort_entry *entries, int k)
{
    const file_meta *first = entries[0].meta;
    bool differ = false;
    for (int f = 0; f < n; f++) {
        file_meta *m = entries[f].meta;
        int at = f == 0 ? k : meta_find(m, first->file->vars[k].name);
        if (at < 0 || !m->labels[at] || m->labels[at]->n == 0) return false;
        double scale = 1, offset = 0;
        if (f > 0) convert_by(first, k, m, at, &scale, &offset);
        entries[f].first = m->labels[at]->values[0] * scale + offset;
        entries[f].last = m->labels[at]->values[m->labels[at]->n - 1] * scale + offset;
        if (isnan(entries[f].first) || isnan(entries[f].last)) return false;
        if (entries[f].first != entries[0].first) differ = true;
    }
    return differ;
}

/* The variable to sort by: the dimension's own coordinate, or a 1-D auxiliary one along it, times first. -1: none tells files
 * apart. */
static int sort_variable(const join *j, int n, sort_entry *entries)
{
    const file_meta *first = entries[0].meta;
    int own = meta_find(first, j->dim);
    if (own >= 0 && first->labels[own] && keys_from(n, entries, own)) return own;
    for (int want_time = 1; want_time >= 0; want_time--)
        for (int k = 0; k < first->file->n_vars; k++) {
            time_units units;
            if (!first->labels[k] || first->file->vars[k].ndim != 1 || var_dim(first, k, j->dim) != 0) continue;
            if (meta_time_units(first, k, &units) == (want_time == 1) && keys_from(n, entries, k)) return k;
        }
    return -1;
}

/* A value of variable k of the first file, as a date where it is one. */
static const char *key_text(const file_meta *first, int k, double value, char *text, size_t size)
{
    time_units units;
    instant t;
    if (meta_time_units(first, k, &units) && time_decode(&units, value, &t) == TSR_OK)
        return time_format(units.cal, t, text, size);
    snprintf(text, size, "%.10g", value);
    return text;
}

static tsr_status check_overlap(const join *j, int n, const sort_entry *entries, int k, bool down)
{
    const file_meta *first = entries[0].meta;
    char end[80], begin[80];
    for (int f = 1; f < n; f++) {
        const sort_entry *a = &entries[f - 1], *b = &entries[f];
        if (down ? b->first < a->last : b->first > a->last) continue;
        return error_set(TSR_ERR_VALUE, "'%s' and '%s' overlap along %s: the first ends at %s %s, the second begins at %s",
                         a->meta->path, b->meta->path, j->dim, first->file->vars[k].name,
                         key_text(first, k, a->last, end, sizeof end), key_text(first, k, b->first, begin, sizeof begin));
    }
    return TSR_OK;
}

static tsr_status sort_files(join *j, int n, file_meta *metas)
{
    tsr_status status = TSR_OK;
    sort_entry *entries = mem_calloc((size_t)n, sizeof *entries);
    j->files = mem_alloc((size_t)n * sizeof(file_meta *));
    if (!entries || !j->files) {
        mem_free(entries);
        return TSR_ERR_MEMORY;
    }
    int kept = 0;
    for (int f = 0; f < n; f++) {
        int d = j->dim && !j->is_new_dim ? file_dim(metas[f].file, j->dim) : -1;
        if (n > 1 && d >= 0 && metas[f].file->dims[d].length == 0) continue;
        entries[kept] = (sort_entry){.meta = &metas[f], .given = kept};
        kept++;
    }
    if (kept == 0) entries[kept++] = (sort_entry){.meta = &metas[0]};
    if (kept > 1 && !j->is_new_dim) {
        int k = sort_variable(j, kept, entries);
        if (k >= 0) {
            bool down = labels_direction(entries[0].meta->labels[k]) < 0;
            qsort(entries, (size_t)kept, sizeof *entries, down ? compare_down : compare_up);
            GUARD(check_overlap(j, kept, entries, k, down));
        }
    }
    for (int f = 0; f < kept; f++) j->files[f] = entries[f].meta;
    j->n = kept;
done:
    mem_free(entries);
    return status;
}

/* ---- Do they agree ---- */

static tsr_status differs(const join *j, int f, const char *how)
{
    return error_set(TSR_ERR_VALUE, "'%s' does not fit to '%s': %s", j->files[f]->path, j->files[0]->path, how);
}

static tsr_status check_variable(const join *j, int f, int k, int other)
{
    const file_meta *a = j->files[0], *b = j->files[f];
    const store_var *x = &a->file->vars[k], *y = &b->file->vars[other];
    char how[700];
    if (x->dtype != y->dtype || x->is_text != y->is_text) {
        snprintf(how, sizeof how, "variable %s is %s and not %s", x->name, y->is_text ? "text" : tsr_dtype_name(y->dtype),
                 x->is_text ? "text" : tsr_dtype_name(x->dtype));
        return differs(j, f, how);
    }
    if (x->ndim != y->ndim) {
        snprintf(how, sizeof how, "variable %s has %d dimensions and not %d", x->name, y->ndim, x->ndim);
        return differs(j, f, how);
    }
    for (int d = 0; d < x->ndim; d++) {
        const char *name = a->file->dims[x->dims[d]].name, *other_name = b->file->dims[y->dims[d]].name;
        if (strcmp(name, other_name) != 0) {
            snprintf(how, sizeof how, "dimension %d of variable %s is %.200s and not %.200s", d, x->name, other_name, name);
            return differs(j, f, how);
        }
        if (x->shape[d] != y->shape[d] && (j->is_new_dim || strcmp(name, j->dim) != 0)) {
            snprintf(how, sizeof how, "dimension %.200s has length %lld and not %lld", name, (long long)y->shape[d],
                     (long long)x->shape[d]);
            return differs(j, f, how);
        }
    }
    return TSR_OK;
}

static tsr_status check_units(const join *j, int f, int k, int other)
{
    const file_meta *a = j->files[0], *b = j->files[f];
    time_units to, from;
    bool is_time = meta_time_units(a, k, &to), other_is_time = meta_time_units(b, other, &from);
    char how[700];
    const char *name = a->file->vars[k].name;
    if (is_time && other_is_time) {
        if (to.cal == from.cal) return TSR_OK;
        snprintf(how, sizeof how, "the calendar of %s is %s and not %s", name, calendar_name(from.cal), calendar_name(to.cal));
        return differs(j, f, how);
    }
    const store_attr *x = store_var_attr(&a->file->vars[k], "units"), *y = store_var_attr(&b->file->vars[other], "units");
    const char *ux = x && x->text ? x->text : "", *uy = y && y->text ? y->text : "";
    if (!strcmp(ux, uy)) return TSR_OK;
    snprintf(how, sizeof how, "the units of %s are '%.200s' and not '%.200s'", name, uy, ux);
    return differs(j, f, how);
}

/* Coordinates that are not spread over the files must have the same values in all of them. */
static tsr_status check_labels(const join *j, int f, int k, int other)
{
    const labels *x = j->files[0]->labels[k], *y = j->files[f]->labels[other];
    const store_var *var = &j->files[0]->file->vars[k];
    if (!x || !y || join_spreads(j, k) || var->ndim != 1 || x->n != y->n) return TSR_OK;
    int64_t i = labels_difference(x, y);
    if (i < 0) return TSR_OK;
    char how[400];
    snprintf(how, sizeof how, "coordinate %.200s is %.10g and not %.10g at index %lld", var->name, y->values[i], x->values[i],
             (long long)i);
    return differs(j, f, how);
}

static tsr_status check_file(join *j, int f)
{
    const store *a = j->files[0]->file, *b = j->files[f]->file;
    int *index = &j->index[(size_t)f * (size_t)a->n_vars];
    char how[400];
    for (int k = 0; k < a->n_vars; k++) {
        /* Usually files list their variables in the same order. */
        index[k] = k < b->n_vars && !strcmp(a->vars[k].name, b->vars[k].name) ? k : meta_find(j->files[f], a->vars[k].name);
        if (index[k] < 0) {
            snprintf(how, sizeof how, "variable %.200s is missing", a->vars[k].name);
            return differs(j, f, how);
        }
        TRY(check_variable(j, f, k, index[k]));
        TRY(check_units(j, f, k, index[k]));
        TRY(check_labels(j, f, k, index[k]));
    }
    for (int k = 0; b->n_vars > a->n_vars && k < b->n_vars; k++)
        if (meta_find(j->files[0], b->vars[k].name) < 0) {
            snprintf(how, sizeof how, "it has a variable %.200s, which the first has not", b->vars[k].name);
            return differs(j, f, how);
        }
    return TSR_OK;
}

tsr_status join_init(join *j, int n, file_meta *metas, const char *dim)
{
    *j = (join){0};
    tsr_status status = TSR_OK;
    if (dim)
        GUARD(given_dim(j, n, metas, dim));
    else if (n > 1)
        GUARD(choose_dim(j, n, metas));
    GUARD(sort_files(j, n, metas));
    size_t n_vars = (size_t)j->files[0]->file->n_vars;
    j->index = mem_calloc(n_vars * (size_t)j->n, sizeof *j->index);
    if (!j->index) GUARD(TSR_ERR_MEMORY);
    for (size_t k = 0; k < n_vars; k++) j->index[k] = (int)k;
    bool any = j->n == 1;
    for (int k = 0; k < (int)n_vars; k++) any |= join_spreads(j, k);
    if (!any)
        GUARD(error_set(TSR_ERR_VALUE, "no variable of '%s' has the dimension '%s' to join along", j->files[0]->path, j->dim));
    for (int f = 1; f < j->n; f++) GUARD(check_file(j, f));
done:
    if (status != TSR_OK) join_fini(j);
    return status;
}

void join_fini(join *j)
{
    mem_free(j->files);
    mem_free(j->index);
    *j = (join){0};
}
