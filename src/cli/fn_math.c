/* Elementwise functions that take more than arrays. */
#include "cli/eval.h"

#include <math.h>
#include <string.h>

static tsr_status run_clip(fn_call *c, value *out)
{
    tsr_variable *x, *low = NULL, *high = NULL;
    TRY(arg_variable(c, 0, &x));
    if (arg_given(c, 1)) TRY(arg_variable(c, 1, &low));
    if (arg_given(c, 2)) TRY(arg_variable(c, 2, &high));
    if (low) x = tsr_variable_apply("maximum", 2, (tsr_variable *[]){x, low});
    if (high) x = tsr_variable_apply("minimum", 2, (tsr_variable *[]){x, high});
    return value_take(x, out);
}

static tsr_status run_round(fn_call *c, value *out)
{
    tsr_variable *x;
    int64_t decimals = 0;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_int(c, 1, &decimals));
    if (decimals < -400 || decimals > 400)
        return fail_here(c->e, arg_place(c, 1), error_set(TSR_ERR_VALUE, "cannot round to %lld places", (long long)decimals));
    return value_take_like(x, tsr_round(tsr_variable_array(x), (int)decimals), out);
}

static tsr_status run_astype(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_dtype dtype = TSR_F64;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_dtype(c, 1, &dtype));
    return value_take_like(x, tsr_astype(tsr_variable_array(x), dtype), out);
}

static tsr_status run_angle(fn_call *c, value *out)
{
    tsr_variable *x;
    bool degrees = false;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_bool(c, 1, &degrees));
    return value_take_like(x, tsr_angle(tsr_variable_array(x), degrees), out);
}

static tsr_status run_nan_to_num(fn_call *c, value *out)
{
    tsr_variable *x;
    double nan = 0, high = NAN, low = NAN;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_double(c, 1, &nan));
    TRY(arg_double(c, 2, &high));
    TRY(arg_double(c, 3, &low));
    tsr_array *a = tsr_variable_array(x);
    if (!arg_given(c, 1) && !arg_given(c, 2) && !arg_given(c, 3)) return value_take_like(x, tsr_nan_to_num(a), out);
    bool is_narrow = tsr_dtype_of(a) == TSR_F32 || tsr_dtype_of(a) == TSR_C64;
    double largest = is_narrow ? 3.4028234663852886e38 : 1.7976931348623157e308;
    return value_take_like(x, tsr_nan_to_num_with(a, nan, arg_given(c, 2) ? high : largest, arg_given(c, 3) ? low : -largest),
                           out);
}

static tsr_status run_isclose(fn_call *c, value *out)
{
    tsr_variable *x, *y;
    double rtol = 1e-5, atol = 1e-8;
    bool equal_nan = false;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_variable(c, 1, &y));
    TRY(arg_double(c, 2, &rtol));
    TRY(arg_double(c, 3, &atol));
    TRY(arg_bool(c, 4, &equal_nan));
    tsr_variable *template = tsr_variable_apply("equal", 2, (tsr_variable *[]){x, y});
    if (!template) return tsr_error_code();
    tsr_array *a = tsr_isclose(tsr_variable_array(x), tsr_variable_array(y), rtol, atol, equal_nan);
    return value_take_like(template, a, out);
}

static tsr_status take_pair(fn_call *c, tsr_variable *first, tsr_variable *second, value *out)
{
    *out = (value){.kind = VALUE_LIST, .is_tuple = true, .n_items = 2, .items = ARENA_ARRAY(&c->e->memory, value, 2)};
    if (!out->items) return TSR_ERR_MEMORY;
    TRY(value_take(first, &out->items[0]));
    return value_take(second, &out->items[1]);
}

static tsr_status run_divmod(fn_call *c, value *out)
{
    tsr_variable *pair[2];
    TRY(arg_variable(c, 0, &pair[0]));
    TRY(arg_variable(c, 1, &pair[1]));
    return take_pair(c, tsr_variable_apply("floor_divide", 2, pair), tsr_variable_apply("remainder", 2, pair), out);
}

static tsr_status run_two_results(fn_call *c, value *out)
{
    tsr_variable *x;
    bool is_modf = c->f->name[0] == 'm';
    TRY(arg_variable(c, 0, &x));
    return take_pair(c, tsr_variable_apply(is_modf ? "modf_fraction" : "frexp_mantissa", 1, &x),
                     tsr_variable_apply(is_modf ? "modf_integer" : "frexp_exponent", 1, &x), out);
}

/* where(condition, x, y), and xarray's x.where(condition, other). */
static tsr_status run_where(fn_call *c, value *out)
{
    tsr_variable *parts[3];
    if (c->has_receiver) {
        tsr_session *session;
        TRY(arg_variable(c, 1, &parts[0]));
        TRY(arg_variable(c, 0, &parts[1]));
        if (arg_given(c, 2)) {
            TRY(arg_variable(c, 2, &parts[2]));
        } else {
            TRY(evaluator_session(c->e, &session));
            parts[2] = tsr_variable_scalar(session, tsr_float(NAN));
        }
        /* The data comes first in the result's dimensions. */
        tsr_variable *x = tsr_variable_apply("where", 3, parts);
        int n = tsr_variable_ndim(parts[1]);
        if (x && tsr_variable_ndim(x) == n && tsr_variable_has_names(parts[1])) {
            const char *dims[TSR_MAX_NDIM];
            bool all_named = true;
            for (int d = 0; d < n; d++) all_named = (dims[d] = tsr_variable_dim(parts[1], d)) && all_named;
            if (all_named) x = tsr_variable_transpose(x, n, dims);
        }
        return value_take(x, out);
    }
    if (!c->given[1] && !c->given[2]) {
        tsr_array *condition;
        TRY(arg_array(c, 0, &condition));
        return value_take_nonzero(c->e, condition, out);
    }
    if (!c->given[1] || !c->given[2])
        return error_set(TSR_ERR_VALUE, "where takes a condition alone, or three arguments: where(condition, x, y); use "
                                        "where(condition, x, nan) to mask");
    for (int i = 0; i < 3; i++) TRY(arg_variable(c, i, &parts[i]));
    return value_take(tsr_variable_apply("where", 3, parts), out);
}

static tsr_status run_fillna(fn_call *c, value *out)
{
    tsr_variable *x, *fill;
    TRY(arg_variable(c, 0, &x));
    TRY(arg_variable(c, 1, &fill));
    tsr_variable *is_missing = tsr_variable_apply("isnan", 1, &x);
    return value_take(tsr_variable_apply("where", 3, (tsr_variable *[]){is_missing, fill, x}), out);
}

const function math_functions[] = {
    {"where", "condition, x=None, y=None",
     "x where the condition holds, else y; also x.where(condition, other=nan); where(condition): see nonzero", run_where},
    {"clip", "x, min|a_min=None, max|a_max=None", "values moved into the range", run_clip},
    {"round", "x, decimals=0", "to so many places, halves to even", run_round},
    {"around", "x, decimals=0", "the same", run_round},
    {"astype", "x, dtype", "another dtype", run_astype},
    {"angle", "z, deg=False", "the argument of a complex number", run_angle},
    {"nan_to_num", "x, nan=0, posinf=None, neginf=None", "NaN and the infinities replaced", run_nan_to_num},
    {"fillna", "x, value", "NaN replaced", run_fillna},
    {"isclose", "a, b, rtol=1e-5, atol=1e-8, equal_nan=False", "nearly equal", run_isclose},
    {"divmod", "x, y", "floor_divide and remainder", run_divmod},
    {"modf", "x", "fraction and whole part", run_two_results},
    {"frexp", "x", "mantissa and exponent", run_two_results},
    {0},
};
