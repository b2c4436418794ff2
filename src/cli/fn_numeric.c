/* Products, norms, searches, integrals and what runs along a dimension. Results with the shape of the first array keep its names.
 */
#include "cli/eval.h"

#include "base/mem.h"

#include <string.h>

/* ---- Arguments ------------------------------------------------------------------------------------------------------ */

/* One dimension, by name or number; `otherwise` if none is given, which may count from the end. */
static tsr_status arg_axis(fn_call *c, int i, tsr_variable *x, int otherwise, int *axis)
{
    dim_list dims;
    TRY(arg_dims(c, i, x, &dims));
    if (dims.n > 1) return fail_here(c->e, arg_place(c, i), error_set(TSR_ERR_VALUE, "%s works along one dimension", c->name));
    *axis = dims.n == 1 ? dims.axes[0] : otherwise;
    return TSR_OK;
}

static tsr_status arg_optional_array(fn_call *c, int i, tsr_array **out)
{
    *out = NULL;
    return arg_given(c, i) ? arg_array(c, i, out) : TSR_OK;
}

/* The names of x, for a result of as many dimensions. */
static tsr_status take_named(tsr_variable *x, tsr_array *a, value *out)
{
    const char *dims[TSR_MAX_NDIM];
    for (int d = 0; d < tsr_variable_ndim(x); d++) dims[d] = tsr_variable_dim(x, d);
    return value_take_dims(x, a, dims, out);
}

/* ---- Products and norms --------------------------------------------------------------------------------------------- */

static tsr_status run_product(fn_call *c, value *out)
{
    static const struct {
        const char *name;
        tsr_array *(*call)(tsr_array *a, tsr_array *b);
    } products[] = {{"matmul", tsr_matmul}, {"matvec", tsr_matvec}, {"vecmat", tsr_vecmat}, {"dot", tsr_dot},
                    {"inner", tsr_inner},   {"outer", tsr_outer},   {"vdot", tsr_vdot},     {"kron", tsr_kron}};
    tsr_array *a, *b, *result = NULL;
    TRY(arg_array(c, 0, &a));
    TRY(arg_array(c, 1, &b));
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        if (strcmp(products[i].name, c->f->name) == 0) result = products[i].call(a, b);
    return value_take_array(result, out);
}

static tsr_status run_vecdot(fn_call *c, value *out)
{
    tsr_array *a, *b;
    int64_t axis = -1;
    TRY(arg_array(c, 0, &a));
    TRY(arg_array(c, 1, &b));
    TRY(arg_int(c, 2, &axis));
    return value_take_array(c->f->name[0] == 'v' ? tsr_vecdot(a, b, (int)axis) : tsr_cross(a, b, (int)axis, (int)axis, (int)axis),
                            out);
}

static tsr_status run_tensordot(fn_call *c, value *out)
{
    tsr_array *a, *b;
    int64_t n = 2;
    int axes_a[TSR_MAX_NDIM], axes_b[TSR_MAX_NDIM];
    TRY(arg_array(c, 0, &a));
    TRY(arg_array(c, 1, &b));
    TRY(arg_int(c, 2, &n));
    if (n < 0 || n > tsr_ndim(a) || n > tsr_ndim(b))
        return fail_here(c->e, arg_place(c, 2),
                         error_set(TSR_ERR_VALUE, "tensordot over %lld axes of arrays of %d and %d dimensions", (long long)n,
                                   tsr_ndim(a), tsr_ndim(b)));
    for (int i = 0; i < n; i++) {
        axes_a[i] = tsr_ndim(a) - (int)n + i;
        axes_b[i] = i;
    }
    return value_take_array(tsr_tensordot(a, b, (int)n, axes_a, axes_b), out);
}

static tsr_status run_einsum(fn_call *c, value *out)
{
    enum { MOST = 6 };
    const char *subscripts = NULL;
    tsr_array *arrays[MOST];
    int n = 0;
    TRY(arg_text(c, 0, &subscripts));
    while (n < MOST && arg_given(c, n + 1)) {
        TRY(arg_array(c, n + 1, &arrays[n]));
        n++;
    }
    return value_take_array(tsr_einsum(subscripts, n, arrays), out);
}

static tsr_status run_trace(fn_call *c, value *out)
{
    tsr_array *a;
    int64_t k = 0;
    TRY(arg_array(c, 0, &a));
    TRY(arg_int(c, 1, &k));
    return value_take_array(tsr_trace(a, k, 0, 1), out);
}

/* Of vectors along dimensions; "fro" is the root of the sum of squares too. */
static tsr_status run_norm(fn_call *c, value *out)
{
    tsr_variable *x;
    dim_list dims;
    double order = 2;
    bool keepdims = false;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_double(c, 1, &order));
    TRY(arg_dims(c, 2, x, &dims));
    TRY(arg_bool(c, 3, &keepdims));
    tsr_array *a = tsr_vector_norm(tsr_variable_array(x), order, dims.n, dims.n ? dims.axes : NULL, keepdims);
    tsr_variable *names = tsr_variable_reduce(x, "any", dims.n, dims.names, 0, keepdims);
    return names ? take_named(names, a, out) : tsr_error_code();
}

static tsr_status run_matrix_power(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t n = 1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &n));
    return value_take_like(x, tsr_matrix_power(tsr_variable_array(x), n), out);
}

/* ---- Along a dimension ---------------------------------------------------------------------------------------------- */

static tsr_status run_extreme(fn_call *c, value *out)
{
    tsr_variable *x;
    int axis = -1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_axis(c, 1, x, 0, &axis));
    tsr_array *a = tsr_variable_array(x);
    return value_take_like(x, strcmp(c->f->name, "cummax") == 0 ? tsr_cummax(a, axis) : tsr_cummin(a, axis), out);
}

static tsr_status run_push(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t limit = -1;
    int axis = -1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &limit));
    TRY(arg_axis(c, 2, x, -1, &axis));
    return value_take_like(x, tsr_push(tsr_variable_array(x), limit, axis), out);
}

static tsr_status run_topk(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t k = 1;
    int axis = -1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &k));
    TRY(arg_axis(c, 2, x, -1, &axis));
    tsr_array *a = tsr_variable_array(x);
    return take_named(x, c->f->name[0] == 'a' ? tsr_argtopk(a, k, axis) : tsr_topk(a, k, axis), out);
}

static tsr_status run_gradient(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_array *spacing = NULL;
    double step = 1;
    int64_t order = 1;
    int axis = -1;
    value v = {0};
    TRY(arg_variable(c, 0, &x));
    if (arg_given(c, 1)) TRY(arg_value(c, 1, &v));
    if (v.kind == VALUE_LIST || v.kind == VALUE_VARIABLE)
        TRY(arg_array(c, 1, &spacing));
    else
        TRY(arg_double(c, 1, &step));
    TRY(arg_axis(c, 2, x, -1, &axis));
    TRY(arg_int(c, 3, &order));
    return value_take_like(x, tsr_gradient(tsr_variable_array(x), axis, step, spacing, (int)order), out);
}

static tsr_status run_trapezoid(fn_call *c, value *out)
{
    tsr_variable *y;
    tsr_array *x;
    double dx = 1;
    int axis = -1;
    TRY(arg_variable(c, 0, &y));
    TRY(arg_optional_array(c, 1, &x));
    TRY(arg_double(c, 2, &dx));
    TRY(arg_axis(c, 3, y, -1, &axis));
    return value_take_array(tsr_trapezoid(tsr_variable_array(y), x, dx, axis), out);
}

static tsr_status run_unwrap(fn_call *c, value *out)
{
    tsr_variable *x;
    double period = 6.283185307179586, discont = -1;
    int axis = -1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_double(c, 1, &discont));
    TRY(arg_axis(c, 2, x, -1, &axis));
    TRY(arg_double(c, 3, &period));
    if (!arg_given(c, 1)) discont = period / 2;
    return value_take_like(x, tsr_unwrap(tsr_variable_array(x), discont, axis, period), out);
}

static tsr_status run_windows(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t n = 1;
    int axis = -1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &n));
    TRY(arg_axis(c, 2, x, -1, &axis));
    return value_take_array(tsr_sliding_window(tsr_variable_array(x), n, 1, axis), out);
}

static tsr_status run_bits(fn_call *c, value *out)
{
    tsr_variable *x;
    const char *order = "big";
    int axis = -1;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_axis(c, 1, x, -1, &axis));
    TRY(arg_text(c, 2, &order));
    tsr_array *a = tsr_variable_array(x);
    bool little = strcmp(order, "little") == 0;
    return take_named(x, c->f->name[0] == 'p' ? tsr_packbits(a, axis, little) : tsr_unpackbits(a, axis, NULL, little), out);
}

/* ---- Looking up, counting ------------------------------------------------------------------------------------------- */

static tsr_status run_searchsorted(fn_call *c, value *out)
{
    tsr_array *a;
    tsr_variable *v;
    const char *side = "left";
    TRY(arg_array(c, 0, &a));
    TRY(arg_variable(c, 1, &v));
    TRY(arg_text(c, 2, &side));
    if (strcmp(side, "left") != 0 && strcmp(side, "right") != 0)
        return fail_here(c->e, arg_place(c, 2),
                         error_set(TSR_ERR_VALUE, "the side is \"left\" or \"right\", found \"%s\"", side));
    return value_take_like(v, tsr_searchsorted(a, tsr_variable_array(v), side[0] == 'r', NULL), out);
}

/* digitize(x, bins, right=False) and isin(x, values, invert=False). */
static tsr_status run_table(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_array *table;
    bool flag = false;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_array(c, 1, &table));
    TRY(arg_bool(c, 2, &flag));
    tsr_array *a = tsr_variable_array(x);
    return value_take_like(x, c->f->name[0] == 'd' ? tsr_digitize(a, table, flag) : tsr_isin(a, table, flag), out);
}

static tsr_status run_interp(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_array *places, *values;
    double left = 0, right = 0, period = 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_array(c, 1, &places));
    TRY(arg_array(c, 2, &values));
    TRY(arg_double(c, 3, &left));
    TRY(arg_double(c, 4, &right));
    TRY(arg_double(c, 5, &period));
    return value_take_like(x,
                           tsr_interp(tsr_variable_array(x), places, values, arg_given(c, 3) ? &left : NULL,
                                      arg_given(c, 4) ? &right : NULL, period),
                           out);
}

static tsr_status run_bincount(fn_call *c, value *out)
{
    tsr_array *x, *weights;
    int64_t least = 0;
    TRY(arg_array(c, 0, &x));
    TRY(arg_optional_array(c, 1, &weights));
    TRY(arg_int(c, 2, &least));
    return value_take_array(tsr_bincount(x, weights, least), out);
}

static tsr_status run_convolve(fn_call *c, value *out)
{
    tsr_array *a, *v;
    bool is_convolve = strcmp(c->f->name, "convolve") == 0;
    const char *mode = is_convolve ? "full" : "valid";
    TRY(arg_array(c, 0, &a));
    TRY(arg_array(c, 1, &v));
    TRY(arg_text(c, 2, &mode));
    return value_take_array(is_convolve ? tsr_convolve(a, v, mode) : tsr_correlate(a, v, mode), out);
}

static tsr_status run_polyval(fn_call *c, value *out)
{
    tsr_array *p;
    tsr_variable *x;
    TRY(arg_array(c, 0, &p));
    TRY(arg_variable(c, 1, &x));
    return value_take_like(x, tsr_polyval(p, tsr_variable_array(x)), out);
}

static tsr_status run_matrix_statistic(fn_call *c, value *out)
{
    tsr_array *x, *y;
    TRY(arg_array(c, 0, &x));
    TRY(arg_optional_array(c, 1, &y));
    return value_take_array(tsr_corrcoef(x, y, true), out);
}

const function numeric_functions[] = {
    {"matmul", "a, b", "product of matrices, also a @ b", run_product},
    {"matvec", "a, b", "products of matrices a and vectors b; the dimensions before these broadcast", run_product},
    {"vecmat", "a, b", "products of vectors a, conjugated, and matrices b; the dimensions before these broadcast", run_product},
    {"dot", "a, b", "product over the last axis of a and the last but one of b", run_product},
    {"inner", "a, b", "product over the last axes", run_product},
    {"outer", "a, b", "every product of one element and another", run_product},
    {"vdot", "a, b", "sum of the products of all elements, the first conjugated", run_product},
    {"kron", "a, b", "Kronecker's product", run_product},
    {"vecdot", "a, b, axis=-1", "sum of products along an axis", run_vecdot},
    {"cross", "a, b, axis=-1", "product of vectors of three components", run_vecdot},
    {"tensordot", "a, b, axes=2", "product over the last axes of a and the first of b", run_tensordot},
    {"einsum", "subscripts, a, b=None, c=None, d=None, e=None, f=None", "Einstein's sum: einsum(\"ij,jk->ik\", a, b)",
     run_einsum},
    {"trace", "x, offset|k=0", "sum of the diagonal of the first two dimensions", run_trace},
    {"norm", "x, ord=2, axis|dim=None, keepdims=False", "(sum of abs(x) ** ord) ** (1 / ord); ord may be inf", run_norm},
    {"matrix_power", "x, n", "product of n times the same matrix", run_matrix_power},
    {"cummax", "x, axis|dim=0", "greatest value so far", run_extreme},
    {"cummin", "x, axis|dim=0", "least value so far", run_extreme},
    {"push", "x, limit|n=None, axis|dim=-1", "the last value that is not NaN in the place of NaN", run_push},
    {"topk", "x, k, axis|dim=-1", "the k greatest values in order; the -k least for a negative k", run_topk},
    {"argtopk", "x, k, axis|dim=-1", "their positions", run_topk},
    {"gradient", "x, spacing=1, axis|dim=-1, edge_order=1", "slope, by differences of neighbours", run_gradient},
    {"trapezoid", "y, x=None, dx=1, axis|dim=-1", "integral, by trapezoids", run_trapezoid},
    {"unwrap", "x, discont=None, axis|dim=-1, period=2*pi", "angles without their jumps", run_unwrap},
    {"sliding_window_view", "x, window_shape|n, axis|dim=-1", "windows of n along a dimension, as a new last one", run_windows},
    {"packbits", "x, axis|dim=-1, bitorder='big'", "eight elements as the bits of a byte", run_bits},
    {"unpackbits", "x, axis|dim=-1, bitorder='big'", "the bits of bytes", run_bits},
    {"searchsorted", "a, v, side='left'", "where v would go into the sorted a", run_searchsorted},
    {"digitize", "x, bins, right=False", "the number of the bin", run_table},
    {"isin", "x, values, invert=False", "is the element among the values?", run_table},
    {"interp", "x, xp, fp, left=None, right=None, period=None", "the values fp at places xp, interpolated at x", run_interp},
    {"bincount", "x, weights=None, minlength=0", "how often 0, 1, 2 ... occur", run_bincount},
    {"convolve", "a, v, mode='full'", "convolution: full, same or valid", run_convolve},
    {"correlate", "a, v, mode='valid'", "correlation: full, same or valid", run_convolve},
    {"polyval", "p, x", "the polynomial with coefficients p at x", run_polyval},
    {"corrcoef", "x, y=None", "matrix of correlations of the rows", run_matrix_statistic},
    {0},
};
