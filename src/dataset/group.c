/* Group-by: the positions along one dimension are sorted into groups by part of a date, by the period of time they fall into, or
 * by a coordinate's value; each group is taken, reduced, and the results are put together along a new dimension. Everything stays
 * lazy: a position belongs to one group, so the data are read once. */
#include "base/mem.h"
#include "base/names.h"
#include "dataset/pick.h"
#include "dataset/reduce.h"
#include "dataset/select.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* X(name in "time.name", key of a date d, units of the key). A season goes by the month in its middle, so that its number is a
 * month for every reader; its name comes from flag_meanings. Units in the singular: CDO takes them for a time axis, xarray for
 * nothing. */
#define PART_LIST(X)                                                                                                             \
    X("year", d->year, "year")                                                                                                   \
    X("season", d->month % 12 / 3 * 3 + 1, "month")                                                                              \
    X("quarter", (d->month - 1) / 3 + 1, NULL)                                                                                   \
    X("month", d->month, "month")                                                                                                \
    X("day", d->day, "day")                                                                                                      \
    X("dayofyear", d->day_of_year, "day")                                                                                        \
    X("weekday", d->weekday, NULL)                                                                                               \
    X("dayofweek", d->weekday, NULL)                                                                                             \
    X("hour", d->hour, "hour")                                                                                                   \
    X("minute", d->minute, "minute")                                                                                             \
    X("second", (int64_t)d->second, "second")

static const char *const part_names[] = {
#define X(name, key, units) name,
    PART_LIST(X)
#undef X
};
static const char *const part_units[] = {
#define X(name, key, units) units,
    PART_LIST(X)
#undef X
};
enum { N_PARTS = sizeof part_names / sizeof *part_names };

static double part_key(int part, const tsr_date *d)
{
    const int64_t keys[] = {
#define X(name, key, units) key,
        PART_LIST(X)
#undef X
    };
    return (double)keys[part];
}

/* The groups of the positions along an axis. */
typedef struct grouping {
    int axis;
    char name[128];    /* of the new dimension */
    const char *units; /* of the keys, where they are part of a date; may be NULL */
    bool is_season, is_integer;
    int64_t n_positions, n_groups;
    const tsr_variable *source; /* the coordinate that the keys are labels of; NULL: they are parts of dates */
    double *keys;               /* of the groups, increasing */
    int64_t *members;           /* group of each position, -1 for none (NaN) */
} grouping;

static void grouping_fini(grouping *g)
{
    mem_free(g->keys);
    mem_free(g->members);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* From a key of each position: the distinct ones in order, and who is where. */
static tsr_status sort_keys(grouping *g, const double *keys, int64_t n, const char *by)
{
    g->n_positions = n;
    g->keys = mem_alloc((size_t)n * sizeof *g->keys);
    g->members = mem_alloc((size_t)n * sizeof *g->members);
    if (!g->keys || !g->members) return TSR_ERR_MEMORY;
    int64_t valid = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(keys[i])) g->keys[valid++] = keys[i];
    qsort(g->keys, (size_t)valid, sizeof *g->keys, compare_doubles);
    g->n_groups = 0;
    for (int64_t i = 0; i < valid; i++)
        if (g->n_groups == 0 || g->keys[i] != g->keys[g->n_groups - 1]) g->keys[g->n_groups++] = g->keys[i];
    if (g->n_groups == 0) return error_set(TSR_ERR_VALUE, "'%s' gives no groups: there are no labels", by);
    for (int64_t i = 0; i < n; i++) {
        const double *at =
            isnan(keys[i]) ? NULL : bsearch(&keys[i], g->keys, (size_t)g->n_groups, sizeof *g->keys, compare_doubles);
        g->members[i] = at ? at - g->keys : -1;
    }
    return TSR_OK;
}

/* The time coordinate along a dimension, and the axis. */
static tsr_status find_time(const tsr_variable *v, const char *dim, int *axis, tsr_variable **out)
{
    TRY(select_find_coord(v, dim, true, axis, out));
    const tsr_variable *c = *out;
    if (!c->is_time)
        return error_set(TSR_ERR_TYPE, "'%s' is not a time coordinate: its units are '%s', not '... since ...'", c->name,
                         attrs_text(c->attrs, "units") ? attrs_text(c->attrs, "units") : "");
    return TSR_OK;
}

static tsr_status group_by_date(const tsr_variable *v, const char *by, const char *dot, grouping *g)
{
    char dim[128], hint[400];
    int part = 0;
    tsr_variable *c;
    snprintf(dim, sizeof dim, "%.*s", (int)(dot - by), by);
    while (part < N_PARTS && strcmp(part_names[part], dot + 1) != 0) part++;
    if (part == N_PARTS)
        return error_set(TSR_ERR_NOT_FOUND, "'%s' is no part of a date%s", dot + 1,
                         names_hint(dot + 1, N_PARTS, part_names, hint, sizeof hint));
    TRY(find_time(v, dim, &g->axis, &c));
    snprintf(g->name, sizeof g->name, "%s", part_names[part]);
    g->units = part_units[part];
    g->is_season = !strcmp(g->name, "season");
    g->is_integer = true;
    int64_t n = c->labels->n;
    double *keys = mem_alloc((size_t)n * sizeof *keys);
    if (!keys) return TSR_ERR_MEMORY;
    tsr_status status = TSR_OK;
    for (int64_t i = 0; i < n; i++) {
        instant t;
        keys[i] = NAN;
        if (isnan(c->labels->values[i])) continue; /* no date: in no group */
        GUARD(time_decode(&c->time, c->labels->values[i], &t));
        tsr_date d = time_date(c->time.cal, t);
        keys[i] = part_key(part, &d);
    }
    GUARD(sort_keys(g, keys, n, by));
done:
    mem_free(keys);
    return status;
}

static tsr_status find_groups(const tsr_variable *v, const char *by, grouping *g)
{
    *g = (grouping){0};
    const char *dot = strrchr(by, '.');
    if (dot && !variable_find_coord(v, by)) return group_by_date(v, by, dot, g);
    tsr_variable *c;
    for (int part = 0, axis = 0; part < N_PARTS && !variable_find_coord(v, by); part++)
        for (int d = 0; d < v->ndim && strcmp(part_names[part], by) == 0; d++)
            if (v->dims[d] && find_time(v, v->dims[d], &axis, &c) == TSR_OK)
                return error_set(TSR_ERR_NOT_FOUND, "'%s' has no dimension '%s'; did you mean '%s.%s'?", variable_title(v), by,
                                 v->dims[d], by);
    TRY(select_find_coord(v, by, false, &g->axis, &c));
    snprintf(g->name, sizeof g->name, "%s", c->name);
    g->is_integer = !dtype_is_inexact(c->dtype);
    g->source = c;
    return sort_keys(g, c->labels->values, c->labels->n, by);
}

/* ---- Periods of time ---- */

typedef enum period_unit { YEAR, SEASON, QUARTER, MONTH, DAY, HOUR, N_UNITS } period_unit;
static const char *const unit_names[] = {"year", "season", "quarter", "month", "day", "hour"};
static_assert(sizeof unit_names / sizeof *unit_names == N_UNITS, "every unit has a name");

/* "month", "5 days", "6hour" */
static tsr_status read_period(const char *text, int64_t *count, period_unit *unit)
{
    char *rest, name[32], hint[400];
    errno = 0;
    *count = strtoll(text, &rest, 10);
    if (rest == text) *count = 1;
    if (errno || *count < 1 || *count > INT32_MAX)
        return error_set(TSR_ERR_VALUE, "'%s' is no period of time: its number must lie between 1 and %d", text, INT32_MAX);
    while (*rest == ' ') rest++;
    snprintf(name, sizeof name, "%s", rest);
    size_t length = strlen(name);
    if (length > 1 && name[length - 1] == 's') name[length - 1] = 0;
    for (int u = 0; u < N_UNITS; u++)
        if (!strcmp(name, unit_names[u])) {
            *unit = (period_unit)u;
            return TSR_OK;
        }
    return error_set(TSR_ERR_VALUE, "'%s' is no period of time%s (of several: '5 days')", text,
                     names_hint(name, N_UNITS, unit_names, hint, sizeof hint));
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* Units that are whole months are numbered from the year 0 on, those that are hours from 1970. A season begins with December. */
static const int months_of[] = {[YEAR] = 12, [SEASON] = 3, [QUARTER] = 3, [MONTH] = 1, [DAY] = 0, [HOUR] = 0};

static int64_t period_number(calendar cal, period_unit unit, instant t)
{
    if (!months_of[unit]) return unit == DAY ? t.day : t.day * 24 + t.us / (US_PER_DAY / 24);
    tsr_date d = time_date(cal, t);
    return floor_div(d.year * 12 + d.month - 1 + (unit == SEASON), months_of[unit]);
}

static instant period_begin(calendar cal, period_unit unit, int64_t number)
{
    if (unit == DAY) return (instant){.day = number};
    if (unit == HOUR)
        return (instant){.day = floor_div(number, 24), .us = (number - floor_div(number, 24) * 24) * (US_PER_DAY / 24)};
    int64_t month = number * months_of[unit] - (unit == SEASON), year = floor_div(month, 12);
    return (instant){.day = calendar_day(cal, year, (int)(month - year * 12) + 1, 1)};
}

/* Several units together are counted from the one that the earliest label lies in, hours from its midnight. */
static int64_t first_period(const int64_t *numbers, int64_t n, period_unit unit)
{
    int64_t first = INT64_MAX;
    for (int64_t i = 0; i < n; i++)
        if (numbers[i] < first) first = numbers[i];
    return unit == HOUR ? floor_div(first, 24) * 24 : first;
}

/* The keys are the beginnings of the periods, as labels of the time coordinate. */
static tsr_status find_periods(const tsr_variable *v, const char *dim, const char *period, grouping *g)
{
    *g = (grouping){0};
    int64_t count = 1, *numbers = NULL;
    period_unit unit = YEAR;
    tsr_variable *c;
    double *keys = NULL;
    tsr_status status = TSR_OK;
    TRY(read_period(period, &count, &unit));
    TRY(find_time(v, dim, &g->axis, &c));
    int64_t n = c->labels->n;
    snprintf(g->name, sizeof g->name, "%s", v->dims[g->axis]);
    g->source = c;
    numbers = mem_alloc((size_t)n * sizeof *numbers);
    keys = mem_alloc((size_t)n * sizeof *keys);
    if (!numbers || !keys) GUARD(TSR_ERR_MEMORY);
    for (int64_t i = 0; i < n; i++) {
        instant t;
        numbers[i] = INT64_MAX; /* no date: in no period */
        if (isnan(c->labels->values[i])) continue;
        GUARD(time_decode(&c->time, c->labels->values[i], &t));
        numbers[i] = period_number(c->time.cal, unit, t);
    }
    int64_t first = first_period(numbers, n, unit);
    for (int64_t i = 0; i < n; i++) {
        keys[i] = NAN;
        if (numbers[i] == INT64_MAX) continue;
        int64_t number = first + floor_div(numbers[i] - first, count) * count;
        keys[i] = time_encode(&c->time, period_begin(c->time.cal, unit, number));
    }
    GUARD(sort_keys(g, keys, n, dim));
done:
    mem_free(numbers);
    mem_free(keys);
    return status;
}

/* ---- The reduced groups ---- */

static tsr_status group_coord(tsr_session *session, const grouping *g, tsr_variable **out)
{
    tsr_variable *c;
    const tsr_variable *source = g->source;
    labels *l = NULL;
    attrs *a;
    tsr_status status;
    TRY(variable_new(session, g->name, &c));
    GUARD(variable_add_dim(c, g->name, g->n_groups));
    GUARD(labels_new(g->is_integer ? TSR_I32 : TSR_F64, g->n_groups, &l));
    for (int64_t i = 0; i < g->n_groups; i++) {
        if (g->is_integer)
            ((int32_t *)l->data)[i] = (int32_t)g->keys[i];
        else
            ((double *)l->data)[i] = g->keys[i];
    }
    GUARD(labels_finish(l));
    variable_take_labels(c, labels_ref(l));
    c->role = ROLE_COORD;
    if (source) { /* a coordinate's own values: its attributes stay true */
        attrs_unref(c->attrs);
        c->attrs = attrs_ref(source->attrs);
        variable_find_time(c);
    }
    GUARD(variable_own_attrs(c, &a));
    attrs_remove(a, "bounds"); /* those were the bounds of single labels */
    if (g->units) GUARD(attrs_set_text(a, "units", g->units));
    if (g->is_season) {
        const int32_t values[] = {1, 4, 7, 10};
        store_attr flags = {.name = "flag_values", .dtype = TSR_I32, .n_values = 4, .values = (void *)values};
        GUARD(attrs_add(a, &flags));
        GUARD(attrs_set_text(a, "flag_meanings", "DJF MAM JJA SON"));
    }
    *out = c;
    c = NULL;
done:
    labels_unref(l);
    variable_unref(c);
    return status;
}

/* The positions, group by group: those of group k are positions[begin[k]] up to positions[begin[k + 1]], in order. */
static void list_members(const grouping *g, int64_t *begin, int64_t *positions)
{
    for (int64_t i = 0; i < g->n_positions; i++)
        if (g->members[i] >= 0) begin[g->members[i] + 1]++;
    for (int64_t k = 0; k < g->n_groups; k++) begin[k + 1] += begin[k];
    for (int64_t i = 0; i < g->n_positions; i++)
        if (g->members[i] >= 0) positions[begin[g->members[i]]++] = i;
    memmove(begin + 1, begin, (size_t)g->n_groups * sizeof *begin); /* each has moved on to its end */
    begin[0] = 0;
}

/* How many groups from this one on are neighbours of the same length: 24 hours and 24 hours and ... */
static int64_t equal_groups(const grouping *g, const int64_t *begin, const int64_t *positions, int64_t group)
{
    int64_t length = begin[group + 1] - begin[group], i = begin[group], n = 0;
    for (; group + n < g->n_groups && begin[group + n + 1] - begin[group + n] == length; n++)
        for (; i < begin[group + n + 1]; i++)
            if (positions[i] - positions[begin[group]] != i - begin[group]) return n;
    return n;
}

/* The reductions of groups that are neighbours of the same length, in one go. A new reference, NULL on failure. */
static tsr_array *reduce_equal(tsr_array *a, int axis, int64_t n, int64_t length, int64_t first, const char *reduction)
{
    pick p = {.start = first, .step = 1, .n = n * length};
    tsr_array *part = pick_array(a, axis, &p), *windows = tsr_sliding_window(part, length, length, axis);
    tsr_array *reduced = reduce_array(windows, reduction, 1, &(int){a->ndim}, false, 0);
    tsr_release(part);
    tsr_release(windows);
    return reduced;
}

/* The reduction of one group, with its axis as a new one of length 1. A new reference, NULL on failure. */
static tsr_array *reduce_group(tsr_array *a, int axis, int64_t n, const int64_t *positions, const char *reduction)
{
    pick p = pick_list(n, positions);
    tsr_array *part = pick_array(a, axis, &p), *reduced = reduce_array(part, reduction, 1, &axis, true, 0);
    tsr_release(part);
    return reduced;
}

static tsr_status group_array(tsr_array *a, const grouping *g, const char *reduction, tsr_array **out)
{
    tsr_status status = TSR_OK;
    size_t n_parts = 0;
    tsr_array **parts = mem_calloc((size_t)g->n_groups, sizeof(tsr_array *));
    int64_t *begin = mem_calloc((size_t)g->n_groups + 1, sizeof *begin);
    int64_t *positions = mem_alloc((size_t)g->n_positions * sizeof *positions);
    if (!parts || !begin || !positions) GUARD(TSR_ERR_MEMORY);
    list_members(g, begin, positions);
    for (int64_t k = 0; k < g->n_groups; n_parts++) {
        int64_t length = begin[k + 1] - begin[k], n = a->ndim < TSR_MAX_NDIM ? equal_groups(g, begin, positions, k) : 1;
        const int64_t *list = positions + begin[k];
        parts[n_parts] =
            n > 1 ? reduce_equal(a, g->axis, n, length, list[0], reduction) : reduce_group(a, g->axis, length, list, reduction);
        GUARD(array_status(parts[n_parts]));
        k += n > 1 ? n : 1;
    }
    *out = tsr_concatenate((int)n_parts, parts, g->axis);
    status = array_status(*out);
done:
    for (size_t i = 0; parts && i < n_parts; i++) tsr_release(parts[i]);
    mem_free(parts);
    mem_free(begin);
    mem_free(positions);
    return status;
}

static tsr_status grouped(const tsr_variable *v, const grouping *g, const char *reduction, tsr_variable **out)
{
    tsr_variable *r = NULL, *coord = NULL;
    tsr_array *a = variable_array(v), *value = NULL;
    const char *dim = v->dims[g->axis];
    tsr_status status;
    GUARD(array_status(a));
    GUARD(group_array(a, g, reduction, &value));
    GUARD(group_coord(v->session, g, &coord));
    GUARD(variable_clone(v, &r));
    for (int c = r->n_coords - 1; c >= 0; c--)
        if (dim && variable_find_dim(r->coords[c], dim) >= 0) variable_remove_coord(r, r->coords[c]->name);
    int other = variable_find_dim(r, g->name);
    if (other >= 0 && other != g->axis)
        GUARD(error_set(TSR_ERR_VALUE, "'%s' has a dimension '%s' already", variable_title(v), g->name));
    GUARD(reduce_attributes(r, reduction, 1, &dim));
    GUARD(variable_set_dim(r, g->axis, g->name));
    variable_take_array(r, node_ref(value));
    r->role = ROLE_DATA;
    GUARD(variable_add_coord(r, coord));
    *out = r;
    r = NULL;
done:
    variable_unref(coord);
    variable_unref(r);
    tsr_release(a);
    tsr_release(value);
    return status;
}

/* v minus the value of its group; positions in no group become NaN. */
static tsr_status anomaly(const tsr_variable *v, const grouping *g, const char *reduction, tsr_variable **out)
{
    tsr_array *a = variable_array(v), *groups = NULL, *spread = NULL;
    tsr_status status;
    GUARD(array_status(a));
    for (int64_t i = 0; i < g->n_positions; i++)
        if (g->members[i] < 0)
            GUARD(error_set(TSR_ERR_VALUE, "label %lld along %s is NaN and belongs to no group", (long long)i, v->dims[g->axis]));
    GUARD(group_array(a, g, reduction, &groups));
    spread = tsr_take(groups, g->n_positions, g->members, g->axis);
    GUARD(variable_with_array(v, tsr_subtract(a, spread), out));
    (*out)->role = ROLE_DATA;
done:
    tsr_release(a);
    tsr_release(groups);
    tsr_release(spread);
    return status;
}

typedef tsr_status make_of_groups(const tsr_variable *v, const grouping *g, const char *reduction, tsr_variable **out);

/* Finds the groups - by `by`, or (period not NULL) the periods along that dimension - and makes something of them. */
static tsr_variable *with_groups(tsr_variable *v, const char *by, const char *period, const char *reduction, make_of_groups *make)
{
    if (!v) return NULL;
    grouping g = {0};
    tsr_variable *out = NULL;
    tsr_status status;
    GUARD(reduce_check(reduction));
    GUARD(period ? find_periods(v, by, period, &g) : find_groups(v, by, &g));
    GUARD(make(v, &g, reduction, &out));
done:
    grouping_fini(&g);
    return variable_result(status, &out);
}

tsr_variable *tsr_variable_group(tsr_variable *v, const char *by, const char *reduction)
{
    return with_groups(v, by, NULL, reduction, grouped);
}

tsr_variable *tsr_variable_anomaly(tsr_variable *v, const char *by, const char *reduction)
{
    return with_groups(v, by, NULL, reduction, anomaly);
}

tsr_variable *tsr_variable_resample(tsr_variable *v, const char *dim, const char *period, const char *reduction)
{
    return with_groups(v, dim, period, reduction, grouped);
}
