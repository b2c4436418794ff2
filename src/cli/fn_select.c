/* Selecting by position and by label, names, groups. */
#include "cli/eval.h"

#include "block/dtype.h"

#include <string.h>

static bool has_coordinate(const tsr_variable *v, const char *dim)
{
    for (int i = 0; i < tsr_variable_n_coords(v); i++)
        if (strcmp(tsr_variable_coord_name(v, i), dim) == 0) return true;
    return false;
}

/* ---- Along one dimension ----------------------------------------------------------------------------------------- */

static tsr_status to_label(evaluator *e, const value *v, tsr_label *out)
{
    *out = (tsr_label){0};
    if (v->kind == VALUE_STRING) {
        out->text = v->text;
        return TSR_OK;
    }
    return value_to_double(e, v, &out->number);
}

static tsr_status slice_positions(evaluator *e, tsr_variable *v, const char *dim, const value *s, tsr_variable **out)
{
    int64_t bounds[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        if (s->items[i].kind == VALUE_STRING)
            return error_set(TSR_ERR_TYPE,
                             "positions are whole numbers, found \"%s\"; select labels by name: x[time=\"2014-01\"]",
                             s->items[i].text);
        if (s->items[i].kind != VALUE_NONE) TRY(value_to_int(e, &s->items[i], &bounds[i]));
    }
    if (bounds[2] == 0) return error_set(TSR_ERR_VALUE, "the step of a slice cannot be 0");
    *out = tsr_variable_slice(v, dim, s->items[0].kind != VALUE_NONE ? &bounds[0] : NULL,
                              s->items[1].kind != VALUE_NONE ? &bounds[1] : NULL, bounds[2]);
    return *out ? TSR_OK : tsr_error_code();
}

static tsr_status slice_labels(evaluator *e, tsr_variable *v, const char *dim, const value *s, tsr_variable **out)
{
    tsr_label labels[2];
    bool given[2];
    for (int i = 0; i < 2; i++)
        if ((given[i] = s->items[i].kind != VALUE_NONE)) TRY(to_label(e, &s->items[i], &labels[i]));
    *out = tsr_variable_select_range(v, dim, given[0] ? &labels[0] : NULL, given[1] ? &labels[1] : NULL);
    if (!*out) return tsr_error_code();
    if (s->items[2].kind == VALUE_NONE) return TSR_OK;
    int64_t step;
    TRY(value_to_int(e, &s->items[2], &step));
    if (step == 0) return error_set(TSR_ERR_VALUE, "the step of a slice cannot be 0");
    *out = tsr_variable_slice(*out, dim, NULL, NULL, step);
    return *out ? TSR_OK : tsr_error_code();
}

/* Arrays without names: the message gives the number of the axis. Others are told by name. */
static tsr_status check_position(const tsr_variable *v, const char *dim, int64_t index)
{
    int axis = tsr_variable_axis(v, dim);
    if (axis < 0 || tsr_variable_dim(v, axis)) return TSR_OK;
    int64_t n = tsr_variable_shape(v)[axis];
    if (index >= -n && index < n) return TSR_OK;
    return error_set(TSR_ERR_INDEX, "index %lld is out of range for axis %d, which has length %lld", (long long)index, axis,
                     (long long)n);
}

static bool is_bool(const value *v) { return v->kind == VALUE_NUMBER && v->number.dtype == TSR_BOOL; }
static const char *bool_words(const value *v) { return v->number.i ? "True" : "False"; }

/* [True, False, True] */
static bool is_mask_list(const value *v)
{
    bool all = v->kind == VALUE_LIST && !v->is_tuple && v->n_items > 0;
    for (int i = 0; all && i < v->n_items; i++) all = is_bool(&v->items[i]);
    return all;
}

static tsr_status take_positions(evaluator *e, tsr_variable *v, const char *dim, const value *list, tsr_variable **out)
{
    int64_t *indices = ARENA_ARRAY(&e->memory, int64_t, list->n_items ? list->n_items : 1);
    if (!indices) return TSR_ERR_MEMORY;
    for (int i = 0; i < list->n_items; i++) {
        if (is_bool(&list->items[i]))
            return error_set(TSR_ERR_TYPE, "a list of positions holds no %s", bool_words(&list->items[i]));
        TRY(value_to_int(e, &list->items[i], &indices[i]));
        TRY(check_position(v, dim, indices[i]));
    }
    *out = tsr_variable_take(v, dim, list->n_items, indices);
    return *out ? TSR_OK : tsr_error_code();
}

static tsr_status take_labels(evaluator *e, tsr_variable *v, const char *dim, const value *list, bool nearest_label,
                              tsr_variable **out)
{
    tsr_label *labels = ARENA_ARRAY(&e->memory, tsr_label, list->n_items ? list->n_items : 1);
    if (!labels) return TSR_ERR_MEMORY;
    for (int i = 0; i < list->n_items; i++) TRY(to_label(e, &list->items[i], &labels[i]));
    *out = tsr_variable_select_list(v, dim, list->n_items, labels, nearest_label);
    return *out ? TSR_OK : tsr_error_code();
}

/* An array of positions or labels becomes a list; its numbers are computed now. */
static tsr_status array_to_list(evaluator *e, const value *v, value *out)
{
    tsr_array *a = tsr_variable_array(v->variable);
    if (!a) return tsr_error_code();
    if (tsr_ndim(a) != 1)
        return error_set(TSR_ERR_TYPE, "an index must be a number or one-dimensional, found %d dimensions", tsr_ndim(a));
    if (!e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "an index must be plain numbers here");
    int64_t n = tsr_size(a);
    bool is_integer = tsr_dtype_of(a) < TSR_F32;
    element *numbers = arena_alloc(&e->memory, 8 * (size_t)(n ? n : 1));
    *out = (value){.kind = VALUE_LIST, .n_items = (int)n, .items = ARENA_ARRAY(&e->memory, value, n ? n : 1)};
    if (!numbers || !out->items) return TSR_ERR_MEMORY;
    a = tsr_astype(a, is_integer ? TSR_I64 : TSR_F64);
    if (!a) return tsr_error_code();
    TRY(tsr_compute_into(a, numbers, 8 * (size_t)n));
    for (int64_t i = 0; i < n; i++)
        out->items[i] =
            value_number(is_integer ? tsr_int(((int64_t *)(void *)numbers)[i]) : tsr_float(((double *)(void *)numbers)[i]));
    return TSR_OK;
}

static bool is_mask(const value *v) { return v->kind == VALUE_VARIABLE && tsr_variable_dtype(v->variable) == TSR_BOOL; }

/* The positions along a dimension where a mask of one dimension holds; they are found now. */
static tsr_status take_mask(evaluator *e, tsr_variable *v, const char *dim, const value *what, tsr_variable **out)
{
    int axis = tsr_variable_axis(v, dim);
    tsr_variable *mask = what->variable;
    if (axis < 0) return tsr_error_code();
    if (!e->may_compute) return error_set(TSR_ERR_UNSUPPORTED, "an index must be plain numbers here");
    if (tsr_variable_ndim(mask) != 1 || tsr_variable_shape(mask)[0] != tsr_variable_shape(v)[axis])
        return error_set(TSR_ERR_INDEX, "a mask for axis %d must have one dimension of length %lld", axis,
                         (long long)tsr_variable_shape(v)[axis]);
    tsr_array *found = tsr_flatnonzero(tsr_variable_array(mask));
    int64_t n = tsr_size(found);
    if (n < 0) return tsr_error_code();
    int64_t *indices = ARENA_ARRAY(&e->memory, int64_t, n ? n : 1);
    if (!indices) return TSR_ERR_MEMORY;
    TRY(tsr_compute_into(found, indices, sizeof *indices * (size_t)n));
    *out = tsr_variable_take(v, dim, n, indices);
    return *out ? TSR_OK : tsr_error_code();
}

tsr_status select_along(evaluator *e, tsr_variable *v, const char *dim, const value *what, bool by_label, bool nearest_label,
                        tsr_variable **out)
{
    value list;
    tsr_label label;
    int64_t index;
    if (what->kind == VALUE_SLICE) return by_label ? slice_labels(e, v, dim, what, out) : slice_positions(e, v, dim, what, out);
    if (is_mask(what)) return take_mask(e, v, dim, what, out);
    if (is_mask_list(what)) {
        list = (value){.kind = VALUE_VARIABLE};
        TRY(value_to_variable(e, what, &list.variable));
        return take_mask(e, v, dim, &list, out);
    }
    if (what->kind == VALUE_VARIABLE && tsr_variable_ndim(what->variable) > 0) {
        TRY(array_to_list(e, what, &list));
        what = &list;
    }
    if (what->kind == VALUE_LIST)
        return by_label ? take_labels(e, v, dim, what, nearest_label, out) : take_positions(e, v, dim, what, out);
    if (by_label) {
        TRY(to_label(e, what, &label));
        *out = tsr_variable_select(v, dim, label, nearest_label);
        if (!*out && !label.text && tsr_error_code() == TSR_ERR_NOT_FOUND) {
            char *reason = arena_strdup(&e->memory, tsr_error_message());
            return error_set(TSR_ERR_NOT_FOUND, "%s; x.sel(%s=%g, method=\"nearest\") takes the nearest", reason ? reason : "",
                             dim, label.number);
        }
    } else {
        if (what->kind == VALUE_STRING)
            return error_set(TSR_ERR_TYPE,
                             "positions are whole numbers, found \"%s\"; select labels by name: x[time=\"2014-01\"]", what->text);
        if (is_bool(what)) return error_set(TSR_ERR_TYPE, "%s is no position; use where(condition, x, nan)", bool_words(what));
        TRY(value_to_int(e, what, &index));
        TRY(check_position(v, dim, index));
        *out = tsr_variable_index(v, dim, index);
    }
    return *out ? TSR_OK : tsr_error_code();
}

/* dim=what in brackets, sel and isel. Labels where the dimension has a coordinate, positions where it has none. */
static tsr_status select_keyword(evaluator *e, tsr_variable *v, const ast *keyword, bool by_label, bool nearest_label,
                                 tsr_variable **out)
{
    value what;
    if (!tsr_variable_has_names(v))
        return fail_here(e, keyword->token_at,
                         error_set(TSR_ERR_NOT_FOUND, "an array without names has no dimension '%s'; select by position: x[0]",
                                   keyword->text));
    if (tsr_variable_axis(v, keyword->text) < 0) return fail_here(e, keyword->token_at, tsr_error_code());
    TRY(evaluate(e, keyword->items[0], &what));
    by_label = by_label && has_coordinate(v, keyword->text);
    return fail_here(e, keyword->at, select_along(e, v, keyword->text, &what, by_label, nearest_label, out));
}

/* ---- Brackets ---------------------------------------------------------------------------------------------------- */

static tsr_status index_list(evaluator *e, const value *list, const ast *node, value *out)
{
    value at;
    int64_t i;
    if (node->n_items != 2 || node->items[1]->kind == AST_KEYWORD)
        return fail_here(e, node->token_at, error_set(TSR_ERR_TYPE, "%s takes one index", value_words(list)));
    TRY(evaluate(e, node->items[1], &at));
    TRY(fail_here(e, node->items[1]->at, value_to_int(e, &at, &i)));
    if (i < -list->n_items || i >= list->n_items)
        return fail_here(
            e, node->items[1]->at,
            error_set(TSR_ERR_INDEX, "index %lld is out of range for %s of %d", (long long)i, value_words(list), list->n_items));
    *out = list->items[i < 0 ? i + list->n_items : i];
    return TSR_OK;
}

enum { MAX_INDICES = 2 * TSR_MAX_NDIM };

typedef struct index_plan {
    int n; /* positional items, without "..." and newaxis */
    const ast *nodes[MAX_INDICES];
    value values[MAX_INDICES];
    int axes[MAX_INDICES];          /* of the array before indexing */
    int n_new, new_at[MAX_INDICES]; /* newaxis: before which of the array's axes */
} index_plan;

static tsr_status plan_indices(evaluator *e, const ast *node, int ndim, index_plan *p)
{
    int n_items = 0, n_real = 0, ellipsis = -1;
    value items[MAX_INDICES];
    const ast *nodes[MAX_INDICES];
    for (int k = 1; k < node->n_items; k++) {
        const ast *item = node->items[k];
        if (item->kind == AST_KEYWORD) continue;
        if (n_items == MAX_INDICES) return fail_here(e, item->at, error_set(TSR_ERR_INDEX, "more than %d indices", MAX_INDICES));
        TRY(evaluate(e, item, &items[n_items]));
        if (items[n_items].kind == VALUE_ELLIPSIS) {
            if (ellipsis >= 0) return fail_here(e, item->at, error_set(TSR_ERR_INDEX, "'...' can stand only once in an index"));
            ellipsis = n_items;
        } else if (items[n_items].kind != VALUE_NONE) {
            n_real++;
        }
        nodes[n_items++] = item;
    }
    if (n_real > ndim)
        return fail_here(
            e, node->token_at,
            error_set(TSR_ERR_INDEX, "%d indices for an array of %d dimension%s", n_real, ndim, ndim == 1 ? "" : "s"));
    int axis = 0;
    for (int k = 0; k < n_items; k++) {
        if (k == ellipsis) {
            axis += ndim - n_real;
        } else if (items[k].kind == VALUE_NONE) {
            p->new_at[p->n_new++] = axis;
        } else {
            p->nodes[p->n] = nodes[k];
            p->values[p->n] = items[k];
            p->axes[p->n++] = axis++;
        }
    }
    return TSR_OK;
}

static tsr_status add_new_axes(tsr_variable *v, const index_plan *p, const bool *dropped, int ndim, value *out)
{
    const char *dims[MAX_INDICES] = {NULL};
    int axes[MAX_INDICES], n = 0, kept = 0, k = 0;
    for (int d = 0; d <= ndim; d++) {
        for (; k < p->n_new && p->new_at[k] == d; k++) axes[k] = n++;
        if (d < ndim && !dropped[d]) dims[n++] = tsr_variable_dim(v, kept++);
    }
    if (n > TSR_MAX_NDIM) return error_set(TSR_ERR_INDEX, "more than %d dimensions", TSR_MAX_NDIM);
    return value_take_dims(v, tsr_expand_dims(tsr_variable_array(v), p->n_new, axes), dims, out);
}

/* x[mask] with a mask of x's own dimensions, two or more: the elements for which it holds, in C order, without labels. */
static tsr_status index_by_mask(evaluator *e, const ast *node, tsr_variable *v, value *out, bool *done)
{
    value what;
    *done = false;
    if (tsr_variable_ndim(v) < 2 || node->n_items != 2 || node->items[1]->kind == AST_KEYWORD) return TSR_OK;
    TRY(evaluate(e, node->items[1], &what));
    if (!is_mask(&what) || tsr_variable_ndim(what.variable) != tsr_variable_ndim(v)) return TSR_OK;
    if (!e->may_compute)
        return fail_here(e, node->items[1]->at, error_set(TSR_ERR_UNSUPPORTED, "an index must be plain numbers here"));
    *done = true;
    tsr_array *selected = tsr_mask(tsr_variable_array(v), tsr_variable_array(what.variable));
    return fail_here(e, node->items[1]->at, value_take_array(selected, out));
}

static tsr_status index_variable(evaluator *e, const ast *node, tsr_variable *v, value *out)
{
    bool done;
    TRY(index_by_mask(e, node, v, out, &done));
    if (done) return TSR_OK;
    index_plan p = {0};
    int ndim = tsr_variable_ndim(v);
    bool dropped[TSR_MAX_NDIM] = {false};
    TRY(plan_indices(e, node, ndim, &p));
    /* From the last axis to the first, so that the numbers of those to come stay right. */
    for (int k = p.n - 1; k >= 0; k--) {
        const char *dim = tsr_variable_dim(v, p.axes[k]); /* messages give its name, where it has one of its own */
        if (!dim || tsr_variable_axis(v, dim) != p.axes[k]) dim = arena_printf(&e->memory, "%d", p.axes[k]);
        int before = tsr_variable_ndim(v);
        if (!dim) return TSR_ERR_MEMORY;
        TRY(fail_here(e, p.nodes[k]->at, select_along(e, v, dim, &p.values[k], false, false, &v)));
        dropped[p.axes[k]] = tsr_variable_ndim(v) < before;
    }
    *out = (value){.kind = VALUE_VARIABLE, .variable = v};
    if (p.n_new) TRY(fail_here(e, node->token_at, add_new_axes(v, &p, dropped, ndim, out)));
    for (int k = 1; k < node->n_items; k++)
        if (node->items[k]->kind == AST_KEYWORD)
            TRY(select_keyword(e, out->variable, node->items[k], true, false, &out->variable));
    return TSR_OK;
}

tsr_status evaluate_index(evaluator *e, const ast *node, value *out)
{
    value base;
    tsr_variable *v;
    TRY(evaluate(e, node->items[0], &base));
    if (base.kind == VALUE_LIST && base.is_tuple) return index_list(e, &base, node, out);
    if (base.kind == VALUE_MODULE && strcmp(base.text, "ds") == 0 && node->n_items == 2 && node->items[1]->kind == AST_STRING) {
        ast name = {.kind = AST_NAME,
                    .at = node->items[1]->at,
                    .token_at = node->items[1]->at,
                    .text = node->items[1]->text,
                    .height = 1};
        return evaluate(e, &name, out);
    }
    TRY(fail_here(e, node->items[0]->at, value_to_variable(e, &base, &v)));
    return index_variable(e, node, v, out);
}

/* ---- Functions --------------------------------------------------------------------------------------------------- */

static tsr_status run_sel(fn_call *c, value *out)
{
    tsr_variable *v;
    const char *method = NULL;
    TRY(arg_variable(c, 0, &v));
    TRY(arg_text(c, 1, &method));
    if (method && strcmp(method, "nearest") != 0)
        return fail_here(c->e, arg_place(c, 1), error_set(TSR_ERR_VALUE, "the only method is \"nearest\", found \"%s\"", method));
    if (c->n_rest == 0) return error_set(TSR_ERR_VALUE, "%s needs a dimension: x.%s(time=...)", c->name, c->name);
    for (int k = 0; k < c->n_rest; k++) TRY(select_keyword(c->e, v, c->rest[k], c->f->name[0] == 's', method != NULL, &v));
    return value_take(v, out);
}

static tsr_status run_slice(fn_call *c, value *out)
{
    *out = (value){.kind = VALUE_SLICE, .n_items = 3, .items = ARENA_ARRAY(&c->e->memory, value, 3)};
    if (!out->items) return TSR_ERR_MEMORY;
    for (int i = 0; i < 3; i++) TRY(arg_value(c, i, &out->items[i]));
    if (!c->given[1]) { /* slice(stop) */
        out->items[1] = out->items[0];
        out->items[0] = (value){0};
    }
    return TSR_OK;
}

/* "time.month" from time.month, "time.month" or a coordinate's name. */
static tsr_status read_by(fn_call *c, int i, tsr_variable *v, const char **out)
{
    const ast *node = c->given[i];
    value by;
    bool is_part = node->kind == AST_ATTRIBUTE && date_part_exists(node->text);
    const ast *owner = is_part ? node->items[0] : NULL;
    if (owner && owner->kind == AST_ATTRIBUTE && strcmp(owner->text, "dt") == 0) owner = owner->items[0];
    if (owner && owner->kind == AST_NAME && has_coordinate(v, owner->text)) {
        *out = arena_printf(&c->e->memory, "%s.%s", owner->text, node->text);
        return *out ? TSR_OK : TSR_ERR_MEMORY;
    }
    if (node->kind == AST_NAME && has_coordinate(v, node->text)) {
        *out = node->text;
        return TSR_OK;
    }
    TRY(arg_value(c, i, &by));
    if (by.kind == VALUE_DATE_PART) {
        const char *name = tsr_variable_name(by.variable);
        *out = arena_printf(&c->e->memory, "%s.%s", name, by.text);
        return *out ? TSR_OK : TSR_ERR_MEMORY;
    }
    if (by.kind == VALUE_STRING) {
        *out = by.text;
        return TSR_OK;
    }
    return fail_here(
        c->e, node->at,
        error_set(TSR_ERR_TYPE, "groups are named by part of a date or a coordinate, time.month, found %s", value_words(&by)));
}

static tsr_status run_groupby(fn_call *c, value *out)
{
    tsr_variable *v;
    const char *by = NULL, *reduction = NULL;
    TRY(arg_variable(c, 0, &v));
    TRY(read_by(c, 1, v, &by));
    TRY(arg_text(c, 2, &reduction));
    if (reduction) return value_take(tsr_variable_group(v, by, reduction), out);
    *out = (value){.kind = VALUE_GROUPED, .variable = v, .text = by};
    return TSR_OK;
}

/* The one keyword of time=..., to the left and to the right of "=". */
static tsr_status only_keyword(fn_call *c, tsr_variable *v, const char *example, const char **dim, value *what)
{
    for (int i = 0; c->n_rest > 1 && i < c->n_rest; i++)
        if (tsr_variable_axis(v, c->rest[i]->text) < 0)
            return fail_here(c->e, c->rest[i]->token_at,
                             error_set(TSR_ERR_VALUE, "'%s' is no argument of %s and no dimension: %s(x, %s)", c->rest[i]->text,
                                       c->name, c->name, example));
    if (c->n_rest != 1) return error_set(TSR_ERR_VALUE, "%s needs one dimension: %s(x, %s)", c->name, c->name, example);
    const ast *keyword = c->rest[0];
    *dim = keyword->text;
    if (tsr_variable_axis(v, *dim) < 0) return fail_here(c->e, keyword->token_at, tsr_error_code());
    return evaluate(c->e, keyword->items[0], what);
}

/* Groups that wait for what is to be done with each, or (reduction not NULL) that done. */
static tsr_status take_grouped(fn_call *c, tsr_variable *v, const char *dim, value how, bool center, const char *reduction,
                               value *out)
{
    value *items = ARENA_ARRAY(&c->e->memory, value, 2);
    if (!items) return TSR_ERR_MEMORY;
    items[0] = how;
    items[1] = value_number(tsr_bool(center));
    value grouped = {.kind = VALUE_GROUPED, .variable = v, .text = dim, .n_items = 2, .items = items};
    if (reduction) return value_reduce_groups(&grouped, reduction, out);
    *out = grouped;
    return TSR_OK;
}

/* resample(x, time="month").mean() */
static tsr_status run_resample(fn_call *c, value *out)
{
    tsr_variable *v;
    value period;
    const char *dim = NULL, *reduction = NULL;
    TRY(arg_variable(c, 0, &v));
    TRY(arg_text(c, 1, &reduction));
    TRY(only_keyword(c, v, "time=\"month\"", &dim, &period));
    if (period.kind != VALUE_STRING)
        return fail_here(
            c->e, c->rest[0]->items[0]->at,
            error_set(TSR_ERR_TYPE, "a period of time is text: \"month\" or \"5 days\", found %s", value_words(&period)));
    return take_grouped(c, v, dim, period, false, reduction, out);
}

/* rolling(x, time=5).mean() */
static tsr_status run_rolling(fn_call *c, value *out)
{
    tsr_variable *v;
    value n;
    int64_t window;
    const char *dim = NULL, *reduction = NULL;
    bool center = false;
    TRY(arg_variable(c, 0, &v));
    TRY(arg_bool(c, 1, &center));
    TRY(arg_text(c, 2, &reduction));
    TRY(only_keyword(c, v, "time=5", &dim, &n));
    TRY(fail_here(c->e, c->rest[0]->items[0]->at, value_to_int(c->e, &n, &window)));
    return take_grouped(c, v, dim, value_number(tsr_int(window)), center, reduction, out);
}

/* anomaly(x, time.month): from the group's mean; anomaly(x, time): from the mean over a dimension. */
static tsr_status run_anomaly(fn_call *c, value *out)
{
    tsr_variable *v;
    const char *by = "", *reduction = "mean";
    TRY(arg_variable(c, 0, &v));
    TRY(arg_text(c, 2, &reduction));
    TRY(read_by(c, 1, v, &by));
    int axis = !by || strchr(by, '.') ? -1 : tsr_variable_axis(v, by);
    if (axis < 0) return value_take(tsr_variable_anomaly(v, by, reduction), out);
    tsr_variable *mean = tsr_variable_reduce(v, reduction, 1, &by, 0, false);
    return value_take(tsr_variable_apply("subtract", 2, (tsr_variable *[]){v, mean}), out);
}

static tsr_status run_rename(fn_call *c, value *out)
{
    tsr_variable *v;
    const char *name = NULL;
    TRY(arg_variable(c, 0, &v));
    TRY(arg_name(c, 1, &name));
    if (name) v = tsr_variable_rename(v, name);
    for (int k = 0; k < c->n_rest && v; k++) {
        const ast *to = c->rest[k]->items[0];
        if (to->kind != AST_NAME && to->kind != AST_STRING)
            return fail_here(c->e, to->at, error_set(TSR_ERR_TYPE, "a dimension's new name is needed here"));
        v = tsr_variable_rename_dim(v, c->rest[k]->text, to->text);
    }
    return value_take(v, out);
}

static tsr_status run_attrs(fn_call *c, value *out)
{
    tsr_variable *v;
    TRY(arg_variable(c, 0, &v));
    for (int k = 0; k < c->n_rest; k++) {
        value text;
        TRY(evaluate(c->e, c->rest[k]->items[0], &text));
        if (text.kind != VALUE_STRING && text.kind != VALUE_NONE)
            return fail_here(c->e, c->rest[k]->items[0]->at,
                             error_set(TSR_ERR_TYPE, "an attribute is a string in quotes, found %s", value_words(&text)));
        TRY(value_take(tsr_variable_set_text(v, c->rest[k]->text, text.kind == VALUE_STRING ? text.text : NULL), out));
        v = out->variable;
    }
    return value_take(v, out);
}

const function select_functions[] = {
    {"sel", "x, method=None, ...",
     "by label: sel(x, time=\"2014-01\", latitude=30:60); also x[time=\"2014-01\"]; method=\"nearest\"", run_sel},
    {"isel", "x, method=None, ...", "by position: isel(x, time=0); also x[0] and, where a condition holds, x[x > 0]", run_sel},
    {"slice", "start, stop=None, step=None", "start:stop:step", run_slice},
    {"groupby", "x, by, reduction=None", "groups: groupby(x, time.month).mean(), groupby(x, \"time.season\", \"max\")",
     run_groupby},
    {"resample", "x, reduction=None, ...",
     "coarser time: resample(x, time=\"month\").mean(); year, season, quarter, month, day, hour, or several: \"5 days\"",
     run_resample},
    {"rolling", "x, center=False, reduction=None, ...",
     "n neighbours at a time: rolling(x, time=5).mean(); NaN where there are fewer", run_rolling},
    {"anomaly", "x, by, reduction=\"mean\"", "x minus the mean of its group: anomaly(x, time.month), anomaly(x, time)",
     run_anomaly},
    {"rename", "x, name=None, ...", "another name; rename(x, lat=latitude) for dimensions", run_rename},
    {"attrs", "x, ...", "attributes: attrs(z, long_name=\"z-score\", units=\"1\")", run_attrs},
    {0},
};
