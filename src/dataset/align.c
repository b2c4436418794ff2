/* Broadcasting by dimension name, and NumPy's by position for dimensions that have none. Pure functions of their operands. */
#include "dataset/align.h"

#include <string.h>

static int find_dim(const alignment *a, const char *name)
{
    for (int d = 0; d < a->ndim; d++)
        if (a->dims[d] && !strcmp(a->dims[d], name)) return d;
    return -1;
}

static tsr_status append_dim(alignment *a, const char *name, int *at)
{
    if (a->ndim == TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "the result would have more than %d dimensions", TSR_MAX_NDIM);
    *at = a->ndim;
    a->dims[a->ndim] = name;
    a->shape[a->ndim++] = 1;
    return TSR_OK;
}

/* The place in the result of axis d of v. */
static tsr_status place_dim(alignment *a, const tsr_variable *v, int d, int *at)
{
    const char *name = v->dims[d];
    int from_right = a->ndim - (v->ndim - d);
    if (name) {
        *at = find_dim(a, name);
        if (*at >= 0) return TSR_OK;
        if (from_right >= 0 && !a->dims[from_right]) {
            a->dims[from_right] = name;
            *at = from_right;
            return TSR_OK;
        }
        return append_dim(a, name, at);
    }
    *at = from_right;
    return from_right >= 0 ? TSR_OK : append_dim(a, NULL, at);
}

static tsr_status merge_length(alignment *a, int at, const tsr_variable *v, int d, const tsr_variable *const *givers)
{
    int64_t length = v->shape[d];
    bool stretches = length == 1 && !variable_dim_coord(v, d);
    if (length == a->shape[at] || stretches) return TSR_OK;
    const tsr_variable *giver = givers[at];
    if (!giver || a->shape[at] == 1) {
        int axis = giver && a->dims[at] ? variable_find_dim(giver, a->dims[at]) : -1;
        if (!giver || axis < 0 || !variable_dim_coord(giver, axis)) {
            a->shape[at] = length;
            return TSR_OK;
        }
    }
    return error_set(TSR_ERR_VALUE, "dimension %s has length %lld in '%s' and %lld in '%s'; select the same part of both",
                     a->dims[at] ? a->dims[at] : "(no name)", (long long)a->shape[at], variable_title(giver), (long long)length,
                     variable_title(v));
}

static tsr_status place_operand(alignment *a, const tsr_variable *v, const tsr_variable **givers, int *map)
{
    unsigned used = 0;
    for (int d = v->ndim - 1; d >= 0; d--) {
        TRY(place_dim(a, v, d, &map[d]));
        if (used & 1u << map[d])
            return error_set(TSR_ERR_VALUE,
                             "the dimensions of '%s' cannot be matched with the others: give names to those without",
                             variable_title(v));
        used |= 1u << map[d];
        TRY(merge_length(a, map[d], v, d, givers));
        if (!givers[map[d]] || v->shape[d] != 1) givers[map[d]] = v;
    }
    return TSR_OK;
}

tsr_status align_dims(int n, tsr_variable *const *operands, alignment *out, int (*map)[TSR_MAX_NDIM])
{
    *out = (alignment){0};
    const tsr_variable *givers[TSR_MAX_NDIM] = {0};
    int base = 0;
    for (int i = 1; i < n; i++)
        if (operands[i]->ndim > operands[base]->ndim) base = i;
    const tsr_variable *first = operands[base];
    out->ndim = first->ndim;
    for (int d = 0; d < first->ndim; d++) {
        out->dims[d] = first->dims[d];
        out->shape[d] = first->shape[d];
        givers[d] = first;
        map[base][d] = d;
    }
    for (int i = 0; i < n; i++)
        if (i != base) TRY(place_operand(out, operands[i], givers, map[i]));
    return TSR_OK;
}

tsr_array *align_array(tsr_array *array, const alignment *a, const int *map)
{
    if (!array) return NULL;
    int order[TSR_MAX_NDIM], missing[TSR_MAX_NDIM], n = 0, n_missing = 0;
    bool moved = false;
    for (int at = 0; at < a->ndim; at++) {
        int axis = -1;
        for (int d = 0; d < array->ndim; d++)
            if (map[d] == at) axis = d;
        if (axis < 0)
            missing[n_missing++] = at;
        else {
            moved |= axis != n;
            order[n++] = axis;
        }
    }
    tsr_array *x = moved ? tsr_transpose(array, order) : tsr_retain(array);
    if (n_missing == 0 || !x) return x;
    tsr_array *wide = tsr_expand_dims(x, n_missing, missing);
    tsr_release(x);
    return wide;
}

/* Has the coordinate the lengths that its dimensions have in the result? (One of a dimension of length 1 that was stretched has
 * not.) */
static bool fits(const tsr_variable *coord, const tsr_variable *result)
{
    for (int d = 0; d < coord->ndim; d++) {
        int at = coord->dims[d] ? variable_find_dim(result, coord->dims[d]) : -1;
        if (at < 0 ? coord->role != ROLE_BOUNDS : result->shape[at] != coord->shape[d]) return false;
    }
    return true;
}

/* Where two coordinates of one length first say something else: numbers, or dates, which may be counted from different moments.
 */
static int64_t first_difference(const tsr_variable *a, const tsr_variable *b)
{
    char x[64], y[64];
    for (int64_t i = 0; a->is_time && b->is_time && i < a->labels->n; i++) {
        variable_label_format(a, a->labels->values[i], x, sizeof x);
        variable_label_format(b, b->labels->values[i], y, sizeof y);
        if (strcmp(x, y) != 0) return i;
    }
    int64_t i = labels_difference(a->labels, b->labels);
    return i < 0 ? 0 : i;
}

static tsr_status labels_disagree(const tsr_variable *a, const tsr_variable *b, const char *in_a, const char *in_b)
{
    char x[64], y[64];
    if (!a->labels || !b->labels || a->labels->n != b->labels->n)
        return error_set(TSR_ERR_VALUE, "coordinate %s is not the same in '%s' and '%s'", a->name, in_a, in_b);
    if (a->is_time && b->is_time && a->time.cal != b->time.cal)
        return error_set(TSR_ERR_VALUE, "the calendar of %s is %s in '%s' and %s in '%s'", a->name, calendar_name(a->time.cal),
                         in_a, calendar_name(b->time.cal), in_b);
    int64_t i = first_difference(a, b);
    return error_set(TSR_ERR_VALUE,
                     "coordinate %s differs: at index %lld it is %s in '%s' and %s in '%s'; select the same part of both",
                     a->name, (long long)i, variable_label_format(a, a->labels->values[i], x, sizeof x), in_a,
                     variable_label_format(b, b->labels->values[i], y, sizeof y), in_b);
}

/* Do two time coordinates mean the same although their units differ? */
static bool same_times(const tsr_variable *a, const tsr_variable *b)
{
    if (!a->is_time || !b->is_time || a->time.cal != b->time.cal || !a->labels || !b->labels || a->labels->n != b->labels->n)
        return false;
    for (int64_t i = 0; i < a->labels->n; i++) {
        instant x, y;
        if (time_decode(&a->time, a->labels->values[i], &x) != TSR_OK ||
            time_decode(&b->time, b->labels->values[i], &y) != TSR_OK)
            return false;
        if (instant_compare(x, y) != 0) return false;
    }
    return true;
}

/* Are the numbers of both counted alike? Times may count from different moments. */
static bool same_reference(const tsr_variable *a, const tsr_variable *b)
{
    return a->is_time == b->is_time &&
           (!a->is_time || (a->time.cal == b->time.cal && a->time.num == b->time.num && a->time.den == b->time.den &&
                            instant_compare(a->time.base, b->time.base) == 0));
}

static bool gives_coord(const tsr_variable *v, const char *name)
{
    const tsr_variable *c = variable_find_coord(v, name);
    return c && c->ndim == 1;
}

tsr_status align_coords(tsr_variable *result, int n, tsr_variable *const *operands)
{
    const char *dropped[64]; /* names of coordinates that two operands disagree on */
    int n_dropped = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < operands[i]->n_coords; k++) {
            tsr_variable *c = operands[i]->coords[k], *known = variable_find_coord(result, c->name);
            bool is_dropped = false;
            for (int m = 0; m < n_dropped; m++) is_dropped |= !strcmp(dropped[m], c->name);
            if (is_dropped || !fits(c, result)) continue;
            /* The time that x[0] still knows is no time of x - x[0]: the dimension's own coordinate stands. */
            bool is_dim = variable_find_dim(result, c->name) >= 0;
            if (is_dim && !(c->ndim == 1 && c->dims[0] && !strcmp(c->dims[0], c->name))) continue;
            if (!known) {
                TRY(variable_add_coord(result, c));
                continue;
            }
            if ((variable_same(known, c) && same_reference(known, c)) || same_times(known, c)) continue;
            if (is_dim) {
                int giver = 0;
                while (giver < i && !gives_coord(operands[giver], c->name)) giver++;
                return labels_disagree(known, c, variable_title(operands[giver]), variable_title(operands[i]));
            }
            if (n_dropped < 64) dropped[n_dropped++] = c->name;
            variable_remove_coord(result, c->name);
        }
    return TSR_OK;
}
