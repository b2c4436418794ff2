/* Selecting by label. A label is looked up among the values in memory of the dimension's coordinate; what is found is a range or
 * a list of positions (pick.c). Dates are compared as moments, so that rounding of the numbers does not matter. */
#include "dataset/select.h"
#include "base/mem.h"
#include "base/names.h"
#include "dataset/flags.h"
#include "dataset/pick.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

tsr_status select_find_coord(const tsr_variable *v, const char *dim, bool for_date, int *axis, tsr_variable **out)
{
    tsr_variable *named = variable_find_coord(v, dim);
    if (variable_find_dim(v, dim) < 0 && named && named->ndim == 1 && named->labels) {
        *axis = named->dims[0] ? variable_find_dim(v, named->dims[0]) : -1;
        *out = named;
        if (*axis >= 0) return TSR_OK;
    }
    TRY(variable_axis(v, dim, axis));
    *out = variable_dim_coord(v, *axis);
    for (int i = 0; for_date && !(*out && (*out)->is_time) && i < v->n_coords; i++) {
        tsr_variable *c = v->coords[i];
        if (c->is_time && c->labels && c->ndim == 1 && c->dims[0] && v->dims[*axis] && !strcmp(c->dims[0], v->dims[*axis]))
            *out = c;
    }
    if (*out) return TSR_OK;
    return error_set(TSR_ERR_NOT_FOUND, "dimension %s of '%s' has no coordinate to select by; select by position", dim,
                     variable_title(v));
}

static tsr_status outside(const tsr_variable *v, const tsr_variable *c, const char *what)
{
    char low[64], high[64];
    if (c->labels->n == 0)
        return error_set(TSR_ERR_NOT_FOUND, "%s: the coordinate %s of '%s' is empty", what, c->name, variable_title(v));
    double min = INFINITY, max = -INFINITY;
    for (int64_t i = 0; i < c->labels->n; i++) {
        min = fmin(min, c->labels->values[i]);
        max = fmax(max, c->labels->values[i]);
    }
    return error_set(TSR_ERR_NOT_FOUND, "there is no %s in the coordinate %s of '%s', which goes from %s to %s", what, c->name,
                     variable_title(v), variable_label_format(c, min, low, sizeof low),
                     variable_label_format(c, max, high, sizeof high));
}

/* ---- Moments ---- */

/* A label as the half-open interval of moments it stands for. A number for a time coordinate is a number in its units. */
typedef struct interval {
    instant first, end;
    time_resolution resolution;
} interval;

static tsr_status label_interval(const tsr_variable *c, tsr_label label, interval *out)
{
    if (label.text) {
        if (time_parse(c->time.cal, label.text, &out->first, &out->end, &out->resolution) != TSR_OK)
            return error_prefix("coordinate %s", c->name);
        return TSR_OK;
    }
    TRY(time_decode(&c->time, label.number, &out->first));
    out->end = (instant){out->first.day, out->first.us + 1};
    out->resolution = RESOLUTION_SECOND;
    return TSR_OK;
}

/* A label that is NaN is no moment, and in no interval. */
#define NO_DAY INT64_MIN

static bool is_within(instant t, const instant *first, const instant *end)
{
    return t.day != NO_DAY && (!first || instant_compare(t, *first) >= 0) && (!end || instant_compare(t, *end) < 0);
}

static tsr_status all_instants(const tsr_variable *c, instant **out)
{
    const labels *l = c->labels;
    instant *t = mem_alloc((size_t)l->n * sizeof *t);
    if (!t) return TSR_ERR_MEMORY;
    for (int64_t i = 0; i < l->n; i++)
        if (isnan(l->values[i]))
            t[i] = (instant){NO_DAY, 0};
        else if (time_decode(&c->time, l->values[i], &t[i]) != TSR_OK) {
            mem_free(t);
            return error_prefix("coordinate %s, label %lld", c->name, (long long)i);
        }
    *out = t;
    return TSR_OK;
}

/* How fine the labels are: the finest that any of them needs. */
static time_resolution labels_resolution(calendar cal, const instant *t, int64_t n)
{
    time_resolution finest = RESOLUTION_DAY;
    for (int64_t i = 0; i < n && finest < RESOLUTION_SECOND; i++) {
        time_resolution r = t[i].day == NO_DAY ? RESOLUTION_DAY : time_resolution_of(cal, t[i]);
        if (r > finest) finest = r;
    }
    return finest;
}

/* ---- Finding ---- */

/* Text that does not stand for a date must be the name of a value, which it is replaced by. */
static tsr_status resolve(const tsr_variable *c, tsr_label *label)
{
    if (!label->text || c->is_time) return TSR_OK;
    if (!flags_exist(c->attrs))
        return error_set(TSR_ERR_NOT_FOUND, "'%.100s' cannot be looked up in the coordinate %s, whose values are numbers",
                         label->text, c->name);
    if (flags_value(c->attrs, label->text, &label->number) != TSR_OK) return error_prefix("coordinate %s", c->name);
    label->text = NULL;
    return TSR_OK;
}

static const char *label_title(tsr_label label, char *text, size_t size)
{
    if (label.text)
        snprintf(text, size, "'%.60s'", label.text);
    else
        snprintf(text, size, "%.10g", label.number);
    return text;
}

/* Does the value equal the label? A coordinate in f32 is compared in f32: 0.1 finds float32(0.1). */
static bool equals(const tsr_variable *c, double value, double label)
{
    return value == label || (c->labels->dtype == TSR_F32 && (float)value == (float)label);
}

static int64_t nearest_number(const labels *l, double number)
{
    int64_t best = -1;
    for (int64_t i = 0; i < l->n; i++)
        if (!isnan(l->values[i]) && (best < 0 || fabs(l->values[i] - number) < fabs(l->values[best] - number))) best = i;
    return best;
}

/* The position of one label; TSR_ERR_NOT_FOUND. For a date: the first label in the interval, or the nearest to its beginning. */
static tsr_status find_one(const tsr_variable *v, const tsr_variable *c, tsr_label label, bool nearest, int64_t *at)
{
    char what[80];
    TRY(resolve(c, &label));
    double number = label.number;
    if (label.text) {
        interval range;
        TRY(label_interval(c, label, &range));
        number = time_encode(&c->time, range.first);
        for (*at = 0; !nearest && *at < c->labels->n; ++*at) {
            instant t;
            if (isnan(c->labels->values[*at])) continue;
            TRY(time_decode(&c->time, c->labels->values[*at], &t));
            if (is_within(t, &range.first, &range.end)) return TSR_OK;
        }
    }
    for (*at = 0; !nearest && !label.text && *at < c->labels->n; ++*at)
        if (equals(c, c->labels->values[*at], number)) return TSR_OK;
    *at = nearest ? nearest_number(c->labels, number) : -1;
    if (*at >= 0) return TSR_OK;
    TRY(outside(v, c, label_title(label, what, sizeof what)));
    return TSR_OK;
}

/* The same with a hint at the nearest label, where there is no exact one. */
static tsr_status find_exact(const tsr_variable *v, const tsr_variable *c, tsr_label label, bool nearest, int64_t *at)
{
    tsr_status status = find_one(v, c, label, nearest, at);
    if (status != TSR_ERR_NOT_FOUND || label.text || c->labels->n == 0) return status;
    int64_t close = nearest_number(c->labels, label.number);
    if (close < 0) return status;
    char text[64], said[900];
    snprintf(said, sizeof said, "%s", tsr_error_message());
    return error_set(status, "%s; the nearest is %s", said,
                     variable_label_format(c, c->labels->values[close], text, sizeof text));
}

/* Positions whose flag is set, as a pick; the list (if needed) is the caller's to free. */
static tsr_status flagged(const bool *flags, int64_t n, int64_t **list, pick *p)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += flags[i];
    *list = mem_alloc((size_t)count * sizeof **list);
    if (!*list) return TSR_ERR_MEMORY;
    for (int64_t i = 0, k = 0; i < n; i++)
        if (flags[i]) (*list)[k++] = i;
    *p = pick_list(count, *list);
    return TSR_OK;
}

/* The same for dates: from the beginning of the first to the end of the last. */
static tsr_status flag_dates(const tsr_variable *c, const tsr_label *first, const tsr_label *last, bool *flags)
{
    interval a, b;
    instant *t = NULL;
    if (first) TRY(label_interval(c, *first, &a));
    if (last) TRY(label_interval(c, *last, &b));
    if (first && last && instant_compare(a.first, b.first) > 0) { /* a descending range */
        interval swap = a;
        a = b;
        b = swap;
    }
    TRY(all_instants(c, &t));
    for (int64_t i = 0; i < c->labels->n; i++) flags[i] = is_within(t[i], first ? &a.first : NULL, last ? &b.end : NULL);
    mem_free(t);
    return TSR_OK;
}

/* Flags the labels in [first, last]; either NULL: open. */
static tsr_status flag_range(const tsr_variable *c, const tsr_label *first, const tsr_label *last, bool *flags)
{
    tsr_label from = first ? *first : (tsr_label){0}, to = last ? *last : (tsr_label){0};
    TRY(resolve(c, &from));
    TRY(resolve(c, &to));
    if (from.text || to.text) return flag_dates(c, first, last, flags);
    double low = first ? from.number : -INFINITY, high = last ? to.number : INFINITY;
    bool down = labels_direction(c->labels) < 0;
    if (first && last && low > high) {
        double swap = low;
        low = high;
        high = swap;
    } else if (down && (!first || !last)) { /* `60:` on a descending axis goes down from 60 */
        low = last ? to.number : -INFINITY;
        high = first ? from.number : INFINITY;
    }
    for (int64_t i = 0; i < c->labels->n; i++) {
        double x = c->labels->values[i];
        flags[i] = (x >= low && x <= high) || equals(c, x, low) || equals(c, x, high);
    }
    return TSR_OK;
}

static tsr_status select_range(const tsr_variable *v, const char *dim, const tsr_label *first, const tsr_label *last,
                               tsr_variable **out)
{
    int axis;
    tsr_variable *c;
    int64_t *list = NULL;
    bool *flags = NULL;
    pick p;
    tsr_status status;
    bool for_date = (first && first->text) || (last && last->text);
    GUARD(select_find_coord(v, dim, for_date, &axis, &c));
    flags = mem_calloc((size_t)c->labels->n, sizeof *flags);
    if (!flags) GUARD(TSR_ERR_MEMORY);
    GUARD(flag_range(c, first, last, flags));
    GUARD(flagged(flags, c->labels->n, &list, &p));
    if (p.n == 0) {
        char a[80] = "", b[80] = "", what[200];
        if (first) label_title(*first, a, sizeof a);
        if (last) label_title(*last, b, sizeof b);
        snprintf(what, sizeof what, "label in %s:%s", a, b);
        GUARD(outside(v, c, what));
    }
    GUARD(pick_apply(v, axis, &p, out));
done:
    mem_free(flags);
    mem_free(list);
    return status;
}

/* Part of a date: everything in it, or, if the text is as fine as the labels, the one label that it means. */
static tsr_status select_date(const tsr_variable *v, int axis, const tsr_variable *c, tsr_label label, tsr_variable **out)
{
    interval range;
    instant *t = NULL;
    int64_t *list = NULL, n = c->labels->n;
    bool *flags = NULL;
    char what[80];
    pick p;
    tsr_status status;
    GUARD(label_interval(c, label, &range));
    GUARD(all_instants(c, &t));
    flags = mem_calloc((size_t)n, sizeof *flags);
    if (!flags) GUARD(TSR_ERR_MEMORY);
    for (int64_t i = 0; i < n; i++) flags[i] = is_within(t[i], &range.first, &range.end);
    GUARD(flagged(flags, n, &list, &p));
    if (p.n == 0) GUARD(outside(v, c, label_title(label, what, sizeof what)));
    p.drops = p.n == 1 && range.resolution >= labels_resolution(c->time.cal, t, n);
    GUARD(pick_apply(v, axis, &p, out));
done:
    mem_free(t);
    mem_free(flags);
    mem_free(list);
    return status;
}

tsr_variable *tsr_variable_select(tsr_variable *v, const char *dim, tsr_label label, bool nearest)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *c, *out = NULL;
    tsr_status status;
    pick p = {.drops = true, .step = 1, .n = 1};
    GUARD(select_find_coord(v, dim, label.text != NULL, &axis, &c));
    GUARD(resolve(c, &label));
    if (label.text && !nearest)
        GUARD(select_date(v, axis, c, label, &out));
    else {
        GUARD(find_exact(v, c, label, nearest, &p.start));
        GUARD(pick_apply(v, axis, &p, &out));
    }
done:
    return variable_result(status, &out);
}

tsr_variable *tsr_variable_select_range(tsr_variable *v, const char *dim, const tsr_label *first, const tsr_label *last)
{
    if (!v) return NULL;
    tsr_variable *out = NULL;
    return variable_result(select_range(v, dim, first, last, &out), &out);
}

tsr_variable *tsr_variable_select_list(tsr_variable *v, const char *dim, int64_t n, const tsr_label *list, bool nearest)
{
    if (!v) return NULL;
    int axis;
    tsr_variable *c, *out = NULL;
    int64_t *positions = NULL;
    tsr_status status;
    if (n < 0) GUARD(error_set(TSR_ERR_VALUE, "a list cannot have %lld labels", (long long)n));
    GUARD(select_find_coord(v, dim, n > 0 && list[0].text, &axis, &c));
    positions = mem_alloc((size_t)n * sizeof *positions);
    if (!positions) GUARD(TSR_ERR_MEMORY);
    for (int64_t i = 0; i < n; i++) GUARD(find_exact(v, c, list[i], nearest, &positions[i]));
    pick p = pick_list(n, positions);
    GUARD(pick_apply(v, axis, &p, &out));
done:
    mem_free(positions);
    return variable_result(status, &out);
}
