/* NumPy's ufunc.reduce and ufunc.accumulate of the operations of two operands. Where the order does not matter and there is an
 * accumulator, it is a reduction, block by block; everything else is a SCAN, strictly in the order of the elements, of which a
 * reduction is the last. */
#include "array/build.h"

#include <math.h>
#include <string.h>

/* An operation, and the dtype in which it goes on. */
typedef struct folding {
    const char *name;
    op_code op;
    tsr_dtype dtype;
    bool is_asked; /* the dtype */
} folding;

static tsr_status find(const char *name, tsr_dtype dtype, const tsr_dtype *asked, const char *what, folding *f)
{
    const bool is_wide = name && strcmp(name, "float_power") == 0;
    op_code op = is_wide ? OP_POWER : name ? array_op_find(name) : OP_COUNT;
    if (op == OP_COUNT) return error_set(TSR_ERR_NOT_FOUND, "no elementwise function '%s'", name ? name : "");
    if (op_info_of(op)->arity != 2) return error_set(TSR_ERR_VALUE, "%s: %s only supported for binary functions", name, what);
    if (asked && !dtype_valid((int)*asked)) return error_set(TSR_ERR_TYPE, "%s: %d is no dtype", name, (int)*asked);
    *f = (folding){.name = is_wide ? name : op_info_of(op)->name, .op = op, .is_asked = asked != NULL};
    TRY(op_fold_dtype(op, dtype, asked, &f->dtype));
    const tsr_dtype wide = dtype_is_complex(f->dtype) ? TSR_C128 : TSR_F64;
    if (is_wide && asked && f->dtype != wide)
        return error_set(TSR_ERR_TYPE, "%s: no loop gives %s", name, tsr_dtype_name(f->dtype));
    if (is_wide) f->dtype = wide;
    return TSR_OK;
}

/* What leaves every element as it is; false: nothing does. */
static bool identity_of(op_code op, tsr_scalar *out)
{
    switch (op) {
    case OP_ADD:
    case OP_BITWISE_OR:
    case OP_BITWISE_XOR:
    case OP_GCD:
    case OP_HYPOT:
    case OP_LOGICAL_OR:
    case OP_LOGICAL_XOR: *out = tsr_int(0); return true;
    case OP_MULTIPLY:
    case OP_LOGICAL_AND: *out = tsr_int(1); return true;
    case OP_BITWISE_AND: *out = tsr_int(-1); return true;
    case OP_LOGADDEXP:
    case OP_LOGADDEXP2: *out = tsr_float(-INFINITY); return true;
    default: return false;
    }
}

/* N_MONOIDS: none. */
static monoid monoid_of(op_code op)
{
    switch (op) {
    case OP_ADD: return MONOID_SUM;
    case OP_MULTIPLY: return MONOID_PROD;
    case OP_MAXIMUM: return MONOID_MAX;
    case OP_MINIMUM: return MONOID_MIN;
    case OP_FMAX: return MONOID_FMAX;
    case OP_FMIN: return MONOID_FMIN;
    case OP_LOGICAL_AND: return MONOID_ALL;
    case OP_LOGICAL_OR: return MONOID_ANY;
    case OP_LOGICAL_XOR:
    case OP_BITWISE_XOR: return MONOID_BIT_XOR;
    case OP_BITWISE_AND: return MONOID_BIT_AND;
    case OP_BITWISE_OR: return MONOID_BIT_OR;
    default: return N_MONOIDS;
    }
}

static tsr_array *without_axis(tsr_array *a, int axis) { return array_using(a ? tsr_squeeze(a, 1, &axis) : NULL, a); }

static int64_t length_of(const tsr_array *a, uint32_t axes)
{
    int64_t n = 1;
    for (int d = 0; d < a->ndim; d++) n *= axes >> d & 1 ? a->shape[d] : 1;
    return n;
}

static tsr_array *nothing_neutral(const folding *f)
{
    (void)error_set(TSR_ERR_VALUE, "zero-size array to reduction operation %s which has no identity", f->name);
    return NULL;
}

/* One value in the shape that is left of x without these axes, or with length 1 there. */
static tsr_array *value_for(const tsr_array *x, uint32_t axes, bool keepdims, tsr_array *value)
{
    int64_t shape[TSR_MAX_NDIM];
    int ndim = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (!(axes >> d & 1))
            shape[ndim++] = x->shape[d];
        else if (keepdims)
            shape[ndim++] = 1;
    }
    return tsr_broadcast_to(value, ndim, shape);
}

/* ---- In their order --------------------------------------------------------------------------------------------------- */

/* `first` in front of x along the axis. */
static tsr_array *after_first(tsr_array *x, tsr_array *first, int axis)
{
    int64_t shape[TSR_MAX_NDIM];
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = 1;
    tsr_array *row = tsr_broadcast_to(first, x->ndim, shape);
    return array_using(row ? tsr_concatenate(2, (tsr_array *[]){row, x}, axis) : NULL, row);
}

/* The last of the running results; the axis stays, with length 1. initial and mask (x's shape; only with initial) may be NULL. */
static tsr_array *fold_axis(const folding *f, tsr_array *x, int axis, tsr_array *initial, tsr_array *mask)
{
    tsr_array *all = initial ? after_first(x, initial, axis) : node_ref(x), *chosen = NULL, *scan = NULL;
    if (mask) {
        tsr_array *yes = tsr_scalar_array(x->session, scalar_bool(true));
        chosen = array_using(yes ? after_first(mask, yes, axis) : NULL, yes);
    }
    if (all && (chosen || !mask)) scan = array_scan(f->name, all, chosen, SCAN_MAP, f->op, axis);
    node_unref(all);
    node_unref(chosen);
    return array_using(scan ? array_part(scan, axis, scan->shape[axis] - 1, scan->shape[axis]) : NULL, scan);
}

static tsr_array *fold_in_order(const folding *f, tsr_array *x, uint32_t axes, bool keepdims, tsr_array *initial, tsr_array *mask)
{
    int axis = 0;
    while (!(axes >> axis & 1)) axis++;
    if (axes != 1u << axis) {
        (void)error_set(TSR_ERR_VALUE, "reduction operation '%s' is not reorderable, so at most one axis may be specified",
                        f->name);
        return NULL;
    }
    if (x->shape[axis] == 0 && !initial) return nothing_neutral(f);
    tsr_array *last = fold_axis(f, x, axis, initial, mask);
    return keepdims ? last : without_axis(last, axis);
}

/* ---- In any order ----------------------------------------------------------------------------------------------------- */

/* Along one axis after the other, each from what is neutral: gcd(0, -4) is 4. */
static tsr_array *fold_axes(const folding *f, tsr_array *x, uint32_t axes, bool keepdims, tsr_array *identity)
{
    tsr_array *r = node_ref(x);
    for (int d = x->ndim - 1; r && d >= 0; d--) {
        if (!(axes >> d & 1)) continue;
        r = array_using(fold_axis(f, r, d, identity, NULL), r);
        if (r && !keepdims) r = without_axis(r, d);
    }
    return r;
}

static tsr_array *fold_in_any_order(const folding *f, tsr_array *x, uint32_t axes, bool keepdims, tsr_array *initial,
                                    tsr_array *identity)
{
    const monoid m = monoid_of(f->op);
    int list[TSR_MAX_NDIM], n_axes = 0;
    if (length_of(x, axes) == 0 && !identity) return initial ? value_for(x, axes, keepdims, initial) : nothing_neutral(f);
    for (int d = 0; d < x->ndim; d++)
        if (axes >> d & 1) list[n_axes++] = d;
    tsr_array *r =
        m == N_MONOIDS ? fold_axes(f, x, axes, keepdims, identity) : array_reduce(f->name, x, m, n_axes, list, keepdims, 0);
    r = array_using(array_cast(r, f->dtype), r);
    return initial && r ? array_using(array_map(f->op, 2, (tsr_array *[]){initial, r}), r) : r;
}

/* ---- Public ----------------------------------------------------------------------------------------------------------- */

/* What it starts from, as one number of the fold's dtype. */
static tsr_status read_initial(const folding *f, tsr_array *given, tsr_array **out)
{
    *out = NULL;
    if (!given) return TSR_OK;
    if (!array_ready(given)) return tsr_error_code();
    if (given->ndim != 0)
        return error_set(TSR_ERR_VALUE, "%s: initial must be one number, found %d dimensions", f->name, given->ndim);
    *out = array_cast(given, f->dtype);
    return *out ? TSR_OK : tsr_error_code();
}

static tsr_array *fold(const folding *f, tsr_array *a, uint32_t axes, bool keepdims, tsr_array *initial, bool no_identity,
                       tsr_array *where)
{
    tsr_scalar neutral;
    const bool has_identity = identity_of(f->op, &neutral) && !no_identity,
               any_order = identity_of(f->op, &neutral) || monoid_of(f->op) != N_MONOIDS;
    const bool as_it_is = !f->is_asked && !where && f->op != OP_LOGICAL_XOR && monoid_of(f->op) != N_MONOIDS;
    if (where && !has_identity && !initial) {
        (void)error_set(TSR_ERR_VALUE,
                        "reduction operation '%s' does not have an identity, so to use a where mask one has to specify 'initial'",
                        f->name);
        return NULL;
    }
    tsr_array *x = as_it_is ? node_ref(a) : array_cast(a, f->dtype), *truth = NULL, *mask = NULL, *identity = NULL, *r = NULL;
    if (where) {
        truth = array_cast(where, TSR_BOOL);
        mask = truth ? tsr_broadcast_to(truth, a->ndim, a->shape) : NULL;
    }
    if (has_identity) identity = tsr_full(a->session, neutral, f->dtype, 0, NULL, NULL);
    if (!x || (where && !mask) || (has_identity && !identity)) goto done;
    if (!any_order) {
        r = fold_in_order(f, x, axes, keepdims, initial, mask);
        goto done;
    }
    if (mask) x = array_using(tsr_where(mask, x, identity ? identity : initial), x);
    if (x) r = fold_in_any_order(f, x, axes, keepdims, initial, identity);
done:;
    tsr_array *used[] = {x, truth, mask, identity};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return r;
}

tsr_array *tsr_fold(const char *name, tsr_array *a, int n_axes, const int *axes, bool keepdims, const tsr_fold_options *options)
{
    const tsr_fold_options none = {0}, *o = options ? options : &none;
    folding f;
    uint32_t mask;
    tsr_array *initial, *each = NULL;
    if (!array_ready(a) || (o->where && !array_ready(o->where)) || find(name, a->dtype, o->dtype, "reduce", &f) != TSR_OK ||
        axes_check(f.name, a, n_axes, axes, &mask) != TSR_OK || read_initial(&f, o->initial, &initial) != TSR_OK)
        return NULL;
    if (mask != 0) {
        each = fold(&f, a, mask, keepdims, initial, o->no_identity, o->where);
        return array_using(each, initial);
    }
    /* Each element by itself: along an axis more, of length 1. */
    tsr_array *longer = tsr_expand_dims(a, 1, (int[]){a->ndim}), *where = o->where, *longer_where = NULL;
    if (where) longer_where = tsr_expand_dims(where, 1, (int[]){where->ndim});
    if (longer && (longer_where || !where)) each = fold(&f, longer, 1u << a->ndim, false, initial, o->no_identity, longer_where);
    return array_using(array_using(array_using(each, longer), longer_where), initial);
}

tsr_array *tsr_accumulate(const char *name, tsr_array *a, int axis, const tsr_dtype *dtype)
{
    folding f;
    scan_kind kind = SCAN_MAP;
    if (!array_ready(a) || find(name, a->dtype, dtype, "accumulate", &f) != TSR_OK ||
        axis_check(f.name, a, axis, &axis) != TSR_OK)
        return NULL;
    if (f.op == OP_LDEXP) {
        (void)error_set(TSR_ERR_TYPE, "ldexp: accumulate would need numbers and exponents of one dtype");
        return NULL;
    }
    if (f.op == OP_ADD) kind = SCAN_SUM;
    if (f.op == OP_MULTIPLY) kind = SCAN_PROD;
    if (f.op == OP_MAXIMUM) kind = SCAN_MAX;
    if (f.op == OP_MINIMUM) kind = SCAN_MIN;
    if (kind != SCAN_MAP && !a->session->kernels->scan[kind][f.dtype]) kind = SCAN_MAP; /* extremes of complex numbers */
    tsr_array *x = array_cast(a, f.dtype);
    return array_using(x ? array_scan(f.name, x, NULL, kind, f.op, axis) : NULL, x);
}
