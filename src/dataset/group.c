/* Group-by: each label of a dimension belongs to a group, by a part of its date or by a coordinate's value; groups are reduced
 * one by one and joined along the new dimension. */
#include "dataset/variable.h"

#include "base/mem.h"
#include "dataset/names.h"

#include <stdlib.h>
#include <string.h>

static double season_of(const tsr_date *d) { return d->month % 12 / 3 + 1; }
static double year_of(const tsr_date *d) { return (double)d->year; }
static double quarter_of(const tsr_date *d) { return (d->month - 1) / 3 + 1; }
static double month_of(const tsr_date *d) { return d->month; }
static double day_of(const tsr_date *d) { return d->day; }
static double day_of_year_of(const tsr_date *d) { return d->day_of_year; }
static double hour_of(const tsr_date *d) { return d->hour; }
static double weekday_of(const tsr_date *d) { return d->weekday; }

static const struct date_part {
    const char *name;
    double (*of)(const tsr_date *);
    const char *meaning; /* attribute of the new coordinate */
} parts[] = {
    {"year", year_of, NULL},
    {"season", season_of, "1: December to February, 2: March to May, 3: June to August, 4: September to November"},
    {"quarter", quarter_of, NULL},
    {"month", month_of, NULL},
    {"day", day_of, NULL},
    {"dayofyear", day_of_year_of, NULL},
    {"hour", hour_of, NULL},
    {"weekday", weekday_of, "0: Monday"},
};
enum { N_PARTS = sizeof parts / sizeof *parts };

/* How a dimension is grouped. */
typedef struct grouping {
    char *dim, *name;
    const char *meaning;
    int64_t n, n_groups;
    int64_t *group; /* of each of n labels */
    double *keys;   /* of each group, increasing */
} grouping;

static void grouping_fini(grouping *g)
{
    mem_free(g->dim);
    mem_free(g->name);
    mem_free(g->group);
    mem_free(g->keys);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tsr_status number_groups(grouping *g, const double *key)
{
    g->group = mem_alloc(sizeof *g->group * (size_t)(g->n + 1));
    g->keys = mem_alloc(sizeof *g->keys * (size_t)(g->n + 1));
    if (!g->group || !g->keys) return TSR_ERR_MEMORY;
    memcpy(g->keys, key, sizeof *key * (size_t)g->n);
    qsort(g->keys, (size_t)g->n, sizeof *g->keys, compare_doubles);
    for (int64_t i = 0; i < g->n; i++) {
        if (g->keys[i] == g->keys[i] && (g->n_groups == 0 || g->keys[i] != g->keys[g->n_groups - 1]))
            g->keys[g->n_groups++] = g->keys[i];
    }
    for (int64_t i = 0; i < g->n; i++) {
        double *found = bsearch(&key[i], g->keys, (size_t)g->n_groups, sizeof *g->keys, compare_doubles);
        g->group[i] = found ? found - g->keys : -1; /* NaN belongs to no group */
    }
    return TSR_OK;
}

static tsr_status grouping_init(const tsr_variable *v, const char *by, grouping *g)
{
    char name[128], hint[256];
    const char *dot = strchr(by, '.'), *names[N_PARTS];
    *g = (grouping){.n = 0};
    if (strlen(by) >= sizeof name) return error_set(TSR_ERR_VALUE, "groupby: '%s' is too long", by);
    memcpy(name, by, strlen(by) + 1);
    if (dot) name[dot - by] = '\0';
    tsr_variable *coord = variable_find_coord(v, name);
    if (!coord || !coord->values || coord->ndim != 1 || !coord->dims[0]) {
        return error_set(TSR_ERR_NOT_FOUND, "groupby: '%s' has no coordinate '%s' along one dimension", v->name, name);
    }
    const struct date_part *part = NULL;
    for (int i = 0; i < N_PARTS; i++) {
        names[i] = parts[i].name;
        if (dot && strcmp(parts[i].name, dot + 1) == 0) part = &parts[i];
    }
    if (dot && !part)
        return error_set(TSR_ERR_NOT_FOUND, "groupby: no part '%s' of a date%s", dot + 1,
                         names_hint(dot + 1, N_PARTS, names, hint, sizeof hint));
    g->n = coord->values->n;
    g->dim = mem_strdup(coord->dims[0]);
    g->name = mem_strdup(part ? part->name : name);
    g->meaning = part ? part->meaning : NULL;
    double *key = mem_alloc(sizeof *key * (size_t)(g->n + 1));
    tsr_status status = g->dim && g->name && key ? TSR_OK : TSR_ERR_MEMORY;
    for (int64_t i = 0; i < g->n && status == TSR_OK; i++) {
        tsr_date date;
        key[i] = coord->values->values[i];
        if (!part) continue;
        status = tsr_variable_date(coord, i, &date);
        if (status == TSR_OK) key[i] = part->of(&date);
    }
    if (status == TSR_OK) status = number_groups(g, key);
    mem_free(key);
    return status;
}

/* The labels of one group, taken and reduced, with the dimension kept at length 1. */
static tsr_array *reduce_group(tsr_variable *v, const grouping *g, int64_t number, const char *reduction)
{
    int64_t *indices = mem_alloc(sizeof *indices * (size_t)(g->n + 1)), n = 0;
    if (!indices) return NULL;
    for (int64_t i = 0; i < g->n; i++)
        if (g->group[i] == number) indices[n++] = i;
    tsr_variable *members = tsr_variable_take(v, g->dim, n, indices);
    tsr_variable *reduced = tsr_variable_reduce(members, reduction, 1, (const char *const[]){g->dim}, 0, true);
    tsr_array *a = reduced ? node_ref(reduced->array) : NULL;
    tsr_variable_release(members);
    tsr_variable_release(reduced);
    mem_free(indices);
    return a;
}

/* All groups joined along the grouped axis. */
static tsr_array *reduce_groups(tsr_variable *v, const grouping *g, int axis, const char *reduction)
{
    tsr_array **pieces = mem_calloc((size_t)g->n_groups + 1, sizeof *pieces), *result = NULL;
    int64_t made = 0;
    if (!pieces) return NULL;
    for (; made < g->n_groups; made++) {
        pieces[made] = reduce_group(v, g, made, reduction);
        if (!pieces[made]) break;
    }
    if (made == g->n_groups && made > 0) result = tsr_concatenate((int)made, pieces, axis);
    if (g->n_groups == 0) (void)error_set(TSR_ERR_VALUE, "groupby: there are no labels to group");
    for (int64_t i = 0; i < made; i++) node_unref(pieces[i]);
    mem_free(pieces);
    return result;
}

static tsr_status add_group_coord(tsr_variable *v, const grouping *g)
{
    int64_t *keys = mem_alloc(sizeof *keys * (size_t)(g->n_groups + 1));
    labels *values = NULL;
    attrs *a = NULL;
    tsr_variable *coord = NULL;
    bool whole = true;
    tsr_status status = keys ? TSR_OK : TSR_ERR_MEMORY;
    for (int64_t i = 0; keys && i < g->n_groups; i++) {
        keys[i] = (int64_t)g->keys[i];
        whole = whole && (double)keys[i] == g->keys[i];
    }
    if (status == TSR_OK)
        status = whole ? labels_from_ints(g->n_groups, keys, &values) : labels_from_doubles(g->n_groups, g->keys, &values);
    if (status == TSR_OK) status = attrs_new(0, NULL, &a);
    if (status == TSR_OK && g->meaning) status = attrs_set_text(a, "comment", g->meaning);
    if (status == TSR_OK) coord = variable_of_labels(v->session, g->name, g->name, values, a);
    if (status == TSR_OK) status = coord ? variable_put_coord(v, coord) : tsr_error_code();
    tsr_variable_release(coord);
    attrs_unref(a);
    labels_unref(values);
    mem_free(keys);
    return status;
}

tsr_variable *tsr_variable_group(tsr_variable *v, const char *by, const char *reduction)
{
    grouping g;
    tsr_variable *result = NULL;
    if (!v) return NULL;
    if (grouping_init(v, by, &g) == TSR_OK) {
        int axis = tsr_variable_axis(v, g.dim);
        tsr_array *a = axis >= 0 ? reduce_groups(v, &g, axis, reduction) : NULL;
        const char *dims[TSR_MAX_NDIM];
        for (int d = 0; d < v->ndim; d++) dims[d] = d == axis ? g.name : v->dims[d];
        result = variable_make(v->session, v->name, a, dims, v->attributes, NULL, v);
        node_unref(a);
        if (result && add_group_coord(result, &g) != TSR_OK) {
            tsr_variable_release(result);
            result = NULL;
        }
    }
    grouping_fini(&g);
    return result;
}

tsr_variable *tsr_variable_anomaly(tsr_variable *v, const char *by, const char *reduction)
{
    grouping g;
    tsr_variable *result = NULL;
    if (!v) return NULL;
    if (grouping_init(v, by, &g) == TSR_OK) {
        int axis = tsr_variable_axis(v, g.dim);
        tsr_array *means = axis >= 0 ? reduce_groups(v, &g, axis, reduction) : NULL;
        tsr_array *spread = means ? tsr_take(means, g.n, g.group, axis) : NULL,
                  *a = tsr_subtract(spread ? v->array : NULL, spread);
        result = variable_make(v->session, v->name, a, (const char *const *)v->dims, v->attributes, NULL, v);
        tsr_array *used[] = {means, spread, a};
        for (int i = 0; i < 3; i++) node_unref(used[i]);
    }
    grouping_fini(&g);
    return result;
}
