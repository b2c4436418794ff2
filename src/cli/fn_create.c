/* Functions that make arrays. */
#include "cli/eval.h"

#include <math.h>
#include <string.h>

tsr_status arg_shape(fn_call *c, int i, int *ndim, int64_t *shape)
{
    TRY(arg_ints(c, i, TSR_MAX_NDIM, ndim, shape));
    for (int d = 0; d < *ndim; d++)
        if (shape[d] < 0)
            return fail_here(c->e, arg_place(c, i),
                             error_set(TSR_ERR_VALUE, "a dimension cannot have the length %lld", (long long)shape[d]));
    return TSR_OK;
}

static tsr_status make_full(fn_call *c, int shape_at, tsr_scalar number, tsr_dtype dtype, int chunks_at, value *out)
{
    int ndim;
    int64_t shape[TSR_MAX_NDIM], storage[TSR_MAX_NDIM];
    const int64_t *chunks;
    tsr_session *session;
    TRY(arg_shape(c, shape_at, &ndim, shape));
    TRY(arg_chunks(c, chunks_at, ndim, storage, &chunks));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(tsr_full(session, number, dtype, ndim, shape, chunks), out);
}

static tsr_status run_filled(fn_call *c, value *out)
{
    tsr_dtype dtype = TSR_F64;
    TRY(arg_dtype(c, 1, &dtype));
    return make_full(c, 0, tsr_int(c->f->name[0] == 'o'), dtype, 2, out);
}

static tsr_status run_full(fn_call *c, value *out)
{
    value fill;
    TRY(arg_value(c, 1, &fill));
    if (fill.kind != VALUE_NUMBER)
        return fail_here(c->e, arg_place(c, 1),
                         error_set(TSR_ERR_TYPE, "the value must be a number, found %s", value_words(&fill)));
    tsr_dtype dtype = fill.number.dtype;
    TRY(arg_dtype(c, 2, &dtype));
    return make_full(c, 0, fill.number, dtype, 3, out);
}

static tsr_status run_like(fn_call *c, value *out)
{
    tsr_variable *x;
    value fill = value_number(tsr_int(c->f->name[0] == 'o'));
    TRY(arg_variable(c, 0, &x));
    tsr_dtype dtype = tsr_variable_dtype(x);
    bool is_full = c->f->name[0] == 'f';
    if (is_full) TRY(arg_value(c, 1, &fill));
    if (fill.kind != VALUE_NUMBER)
        return fail_here(c->e, arg_place(c, 1),
                         error_set(TSR_ERR_TYPE, "the value must be a number, found %s", value_words(&fill)));
    TRY(arg_dtype(c, is_full ? 2 : 1, &dtype));
    tsr_session *session;
    TRY(evaluator_session(c->e, &session));
    return value_take_like(x, tsr_full(session, fill.number, dtype, tsr_variable_ndim(x), tsr_variable_shape(x), NULL), out);
}

static tsr_status run_arange(fn_call *c, value *out)
{
    value parts[3] = {value_number(tsr_int(0)), {0}, value_number(tsr_int(1))};
    bool is_integer = true;
    for (int i = 0; i < 3; i++) {
        if (!arg_given(c, i)) continue;
        TRY(arg_value(c, i, &parts[i]));
        double ignored;
        TRY(fail_here(c->e, arg_place(c, i), value_to_double(c->e, &parts[i], &ignored)));
        if (parts[i].kind != VALUE_NUMBER || !number_is_integer(parts[i].number)) is_integer = false;
    }
    if (!arg_given(c, 1)) { /* arange(stop) */
        parts[1] = parts[0];
        parts[0] = value_number(tsr_int(0));
    }
    int64_t storage[1];
    const int64_t *chunks;
    tsr_session *session;
    tsr_dtype dtype = is_integer ? TSR_I64 : TSR_F64;
    TRY(arg_dtype(c, 3, &dtype));
    TRY(arg_chunks(c, 4, 1, storage, &chunks));
    TRY(evaluator_session(c->e, &session));
    if (is_integer)
        return value_take_array(tsr_arange_int(session, number_int(parts[0].number), number_int(parts[1].number),
                                               number_int(parts[2].number), dtype, chunks),
                                out);
    double at[3];
    for (int i = 0; i < 3; i++) TRY(value_to_double(c->e, &parts[i], &at[i]));
    return value_take_array(tsr_arange(session, at[0], at[1], at[2], dtype, chunks), out);
}

static tsr_status run_linspace(fn_call *c, value *out)
{
    double start = 0, stop = 1;
    int64_t n = 50, storage[1];
    bool endpoint = true;
    tsr_dtype dtype = TSR_F64;
    const int64_t *chunks;
    tsr_session *session;
    TRY(arg_double(c, 0, &start));
    TRY(arg_double(c, 1, &stop));
    TRY(arg_int(c, 2, &n));
    TRY(arg_bool(c, 3, &endpoint));
    TRY(arg_dtype(c, 4, &dtype));
    TRY(arg_chunks(c, 5, 1, storage, &chunks));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(tsr_linspace(session, start, stop, n, endpoint, dtype, chunks), out);
}

static tsr_status run_logspace(fn_call *c, value *out)
{
    double start = 0, stop = 1, base = 10;
    int64_t n = 50, storage[1];
    bool endpoint = true, is_log = c->f->name[0] == 'l';
    tsr_dtype dtype = TSR_F64;
    const int64_t *chunks;
    tsr_session *session;
    TRY(arg_double(c, 0, &start));
    TRY(arg_double(c, 1, &stop));
    TRY(arg_int(c, 2, &n));
    TRY(arg_bool(c, 3, &endpoint));
    if (is_log) TRY(arg_double(c, 4, &base));
    TRY(arg_dtype(c, 4 + is_log, &dtype));
    TRY(arg_chunks(c, 5 + is_log, 1, storage, &chunks));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(is_log ? tsr_logspace(session, start, stop, n, endpoint, base, dtype, chunks)
                                   : tsr_geomspace(session, start, stop, n, endpoint, dtype, chunks),
                            out);
}

static tsr_status run_taper(fn_call *c, value *out)
{
    static const struct {
        const char *name;
        tsr_array *(*call)(tsr_session *session, int64_t n, const int64_t *chunks);
    } tapers[] = {{"bartlett", tsr_bartlett}, {"blackman", tsr_blackman}, {"hamming", tsr_hamming}, {"hanning", tsr_hanning}};
    int64_t n = 0;
    double beta = 0;
    tsr_session *session;
    tsr_array *result = NULL;
    TRY(arg_int(c, 0, &n));
    TRY(arg_double(c, 1, &beta));
    TRY(evaluator_session(c->e, &session));
    if (strcmp(c->f->name, "kaiser") == 0) result = tsr_kaiser(session, n, beta, NULL);
    for (size_t i = 0; i < sizeof tapers / sizeof *tapers; i++)
        if (strcmp(tapers[i].name, c->f->name) == 0) result = tapers[i].call(session, n, NULL);
    return value_take_array(result, out);
}

static tsr_status run_diag(fn_call *c, value *out)
{
    tsr_array *a;
    int64_t k = 0;
    TRY(arg_array(c, 0, &a));
    TRY(arg_int(c, 1, &k));
    return value_take_array(tsr_diag(a, k), out);
}

static tsr_status run_indices(fn_call *c, value *out)
{
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    tsr_session *session;
    TRY(arg_shape(c, 0, &ndim, shape));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(tsr_indices(session, ndim, shape, TSR_I64, NULL), out);
}

static tsr_status run_eye(fn_call *c, value *out)
{
    int64_t n = 0, m = -1, k = 0, storage[2];
    tsr_dtype dtype = TSR_F64;
    const int64_t *chunks;
    tsr_session *session;
    TRY(arg_int(c, 0, &n));
    TRY(arg_int(c, 1, &m));
    TRY(arg_int(c, 2, &k));
    TRY(arg_dtype(c, 3, &dtype));
    TRY(arg_chunks(c, 4, 2, storage, &chunks));
    TRY(evaluator_session(c->e, &session));
    return value_take_array(tsr_eye(session, n, m, k, dtype, chunks), out);
}

static tsr_status run_array(fn_call *c, value *out)
{
    tsr_variable *x;
    tsr_dtype dtype;
    TRY(arg_variable(c, 0, &x));
    if (!arg_given(c, 1)) return value_take(x, out);
    TRY(arg_dtype(c, 1, &dtype));
    return value_take_like(x, tsr_astype(tsr_variable_array(x), dtype), out);
}

const function create_functions[] = {
    {"zeros", "shape, dtype=float64, chunks=auto", "zeros", run_filled},
    {"ones", "shape, dtype=float64, chunks=auto", "ones", run_filled},
    {"full", "shape, fill_value, dtype=None, chunks=auto", "one value everywhere", run_full},
    {"zeros_like", "x, dtype=None", "zeros in the shape of x", run_like},
    {"ones_like", "x, dtype=None", "ones in the shape of x", run_like},
    {"full_like", "x, fill_value, dtype=None", "one value in the shape of x", run_like},
    {"arange", "start, stop=None, step=1, dtype=None, chunks=auto",
     "start, start + step ... before stop; arange(n) counts from 0", run_arange},
    {"linspace", "start, stop, num=50, endpoint=True, dtype=float64, chunks=auto", "num evenly spaced values", run_linspace},
    {"eye", "N, M=None, k=0, dtype=float64, chunks=auto", "ones on the k-th diagonal", run_eye},
    {"logspace", "start, stop, num=50, endpoint=True, base=10, dtype=float64, chunks=auto",
     "num values from base**start to base**stop", run_logspace},
    {"geomspace", "start, stop, num=50, endpoint=True, dtype=float64, chunks=auto",
     "num values, each the same multiple of the one before", run_logspace},
    {"bartlett", "n", "a window of n numbers: a triangle", run_taper},
    {"blackman", "n", "Blackman's window", run_taper},
    {"hamming", "n", "Hamming's window", run_taper},
    {"hanning", "n", "Hann's window", run_taper},
    {"kaiser", "n, beta", "Kaiser's window", run_taper},
    {"diag", "x, k=0", "a matrix with this diagonal, or the diagonal of a matrix", run_diag},
    {"indices", "shape", "the index of each element along each dimension", run_indices},
    {"array", "list, dtype=None", "an array from a list of numbers, which may be nested", run_array},
    {"asarray", "list, dtype=None", "the same", run_array},
    {0},
};
