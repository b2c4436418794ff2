/* Random arrays: requests, their parameters and sources. Every element is a function of the seed, the distribution, the dtype,
 * the parameters and its own flat index, so that chunks and threads make no difference (kernel/random.c, kernel/sample.c). The
 * distributions themselves are expressions: array/random_forms.c. */
#include "array/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Requests and sources ---------------------------------------------------------------------------------------------- */

static tsr_status request_init(random_request *r, const char *name, const int64_t *chunks)
{
    TRY(shape_check(name, r->ndim, r->shape));
    return chunks_choose(r->session, r->dtype, r->ndim, r->shape, chunks, NULL, &r->grid);
}

static tsr_array *source(const random_request *r, random_kind kind, random_params params, tsr_dtype dtype)
{
    tsr_array proto = {.op = NODE_RANDOM, .dtype = dtype, .ndim = r->ndim, .grid = r->grid};
    memcpy(proto.shape, r->shape, sizeof proto.shape);
    proto.p.random.kind = kind;
    proto.p.random.params = params;
    proto.p.random.params.key[0] = r->seed;
    return node_make(r->session, &proto);
}

tsr_array *random_own(const random_request *r, random_kind kind, random_params params, tsr_dtype dtype)
{
    return source(r, kind, params, dtype);
}

/* The upper 16 bits of the kernels' key are their own. */
static uint64_t stream_key(int id, int k) { return (uint64_t)id << 8 | (uint64_t)k; }

tsr_array *random_words(const random_request *r, int k)
{
    return source(r, RANDOM_INTEGERS, (random_params){.key = {0, stream_key(r->id, k)}}, TSR_U64);
}

/* A quarter of the distance of the numbers away from 0, which keeps 0 out and is too little to reach 1. */
tsr_array *random_uniform(const random_request *r, int k)
{
    return source(r, RANDOM_UNIFORM, (random_params){.key = {0, stream_key(r->id, k)}, .a = 0x1p-55, .b = 1}, TSR_F64);
}

tsr_array *random_normal(const random_request *r, int k)
{
    return source(r, RANDOM_NORMAL, (random_params){.key = {0, stream_key(r->id, k)}, .a = 0, .b = 1}, TSR_F64);
}

/* ---- The kernels' own distributions ------------------------------------------------------------------------------------- */

static tsr_array *primitive(tsr_session *s, uint64_t seed, const char *name, random_kind kind, random_params params,
                            tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks)
{
    random_request r = {.session = s, .seed = seed, .dtype = dtype, .ndim = ndim};
    if (!dtype_valid((int)dtype) || !s->kernels->random[kind][dtype]) {
        const char *text = dtype_valid((int)dtype) ? tsr_dtype_name(dtype) : "an unknown dtype";
        (void)error_set(TSR_ERR_TYPE, "%s: no random numbers of %s; float32 and float64 are possible", name, text);
        return NULL;
    }
    if (shape_check(name, ndim, shape) != TSR_OK) return NULL;
    if (ndim) memcpy(r.shape, shape, sizeof *shape * (size_t)ndim);
    if (request_init(&r, name, chunks) != TSR_OK) return NULL;
    return source(&r, kind, params, dtype);
}

tsr_array *tsr_random_uniform(tsr_session *session, uint64_t seed, double low, double high, tsr_dtype dtype, int ndim,
                              const int64_t *shape, const int64_t *chunks)
{
    return primitive(session, seed, "uniform", RANDOM_UNIFORM, (random_params){.a = low, .b = high}, dtype, ndim, shape, chunks);
}

tsr_array *tsr_random_normal(tsr_session *session, uint64_t seed, double mean, double deviation, tsr_dtype dtype, int ndim,
                             const int64_t *shape, const int64_t *chunks)
{
    if (deviation < 0) {
        (void)error_set(TSR_ERR_VALUE, "normal: scale < 0 (the standard deviation is %g)", deviation);
        return NULL;
    }
    random_params p = {.a = mean, .b = deviation};
    return primitive(session, seed, "normal", RANDOM_NORMAL, p, dtype, ndim, shape, chunks);
}

tsr_array *tsr_random_integers(tsr_session *session, uint64_t seed, int64_t low, int64_t high, tsr_dtype dtype, int ndim,
                               const int64_t *shape, const int64_t *chunks)
{
    if (high <= low) {
        (void)error_set(TSR_ERR_VALUE, "integers: low >= high (%" PRId64 " and %" PRId64 ")", low, high);
        return NULL;
    }
    if (!dtype_is_integer(dtype)) {
        (void)error_set(TSR_ERR_TYPE, "integers: %s is no integer dtype", tsr_dtype_name(dtype));
        return NULL;
    }
    random_params p = {.low = low, .range = (uint64_t)high - (uint64_t)low};
    tsr_array *a = primitive(session, seed, "integers", RANDOM_INTEGERS, p, TSR_I64, ndim, shape, chunks);
    return array_using(array_cast(a, dtype), a);
}

/* ---- Parameters --------------------------------------------------------------------------------------------------------- */

/* Values that are at hand: numbers, memory, and a little arithmetic on them. */
static bool is_known(const tsr_array *a, int depth)
{
    if (a->op == NODE_FULL || a->op == NODE_MEMORY) return true;
    if (depth == 0 || (a->op != NODE_VIEW && a->op != NODE_CAST && a->op != NODE_MAP)) return false;
    for (int i = 0; i < a->n_inputs; i++)
        if (!is_known(a->inputs[i], depth - 1)) return false;
    return true;
}

bool random_constant(const tsr_array *a, tsr_scalar *value)
{
    if (a->op != NODE_FULL) return false;
    *value = scalar_from_element(&a->p.full.value, a->dtype);
    return true;
}

static bool is_outside(double v, double low, double high) { return isnan(high) ? v < low : !(v >= low && v <= high); }

static tsr_array *outside(tsr_array *value, double low, double high)
{
    tsr_array *least = tsr_scalar_array(value->session, scalar_float(low));
    tsr_array *most = tsr_scalar_array(value->session, scalar_float(isnan(high) ? INFINITY : high));
    tsr_array *below = tsr_less(value, least), *above = tsr_greater(value, most);
    tsr_array *bad = array_using(array_using(tsr_logical_or(below, above), below), above);
    if (!isnan(high)) {
        tsr_array *nan = tsr_isnan(value);
        bad = array_using(array_using(tsr_logical_or(bad, nan), bad), nan);
    }
    return array_using(array_using(bad, least), most);
}

tsr_status random_check(tsr_array **value, double low, double high, const char *text)
{
    tsr_array *a = *value, *test[1];
    bool bad = false;
    void *out[1] = {&bad};
    enum { DEPTH = 8 };
    if (a->op == NODE_FULL) {
        bad = is_outside(scalar_from_element(&a->p.full.value, a->dtype).f, low, high);
    } else if (is_known(a, DEPTH) && !session_is_inside(a->session)) {
        tsr_array *each = outside(a, low, high);
        test[0] = array_using(tsr_any(each, 0, NULL, false), each);
        tsr_status status = test[0] ? a->session->compute(1, test, out) : tsr_error_code();
        node_unref(test[0]);
        TRY(status);
    } else {
        tsr_array *three[3] = {a, tsr_scalar_array(a->session, scalar_float(low)),
                               tsr_scalar_array(a->session, scalar_float(high))};
        tsr_array *checked = three[1] && three[2] ? array_map(OP_CHECK_RANGE, 3, three) : NULL;
        node_unref(three[1]);
        node_unref(three[2]);
        if (!checked) return tsr_error_code();
        node_unref(a);
        *value = checked;
    }
    return bad ? error_set(TSR_ERR_VALUE, "%s", text) : TSR_OK;
}

/* The check of one parameter alone. */
static tsr_status check_parameter(const distribution *d, int i, tsr_array **value)
{
    /* NumPy's texts differ for numbers and for arrays. */
    const char *nan = (*value)->ndim ? "contains NaNs" : "is NaN", *name = d->parameters[i].name;
    const double above_0 = 0x1p-1074, above_1 = 1 + 0x1p-52, below_1 = 1 - 0x1p-53;
    const double largest_mean = 9.223372006484771e18; /* ten deviations below the largest int64 */
    char text[256];
#define CHECK(low, high, ...) (snprintf(text, sizeof text, __VA_ARGS__), random_check(value, low, high, text))
    switch (d->parameters[i].rule) {
    case PARAM_NOT_NEGATIVE: return CHECK(0, NAN, "%s: %s < 0", d->name, name);
    case PARAM_POSITIVE: return CHECK(above_0, NAN, "%s: %s <= 0", d->name, name);
    case PARAM_ABOVE_0: return CHECK(above_0, INFINITY, "%s: %s <= 0 or %s %s", d->name, name, name, nan);
    case PARAM_ABOVE_1: return CHECK(above_1, INFINITY, "%s: %s <= 1 or %s %s", d->name, name, name, nan);
    case PARAM_UNIT: return CHECK(0, 1, "%s: %s < 0, %s > 1 or %s %s", d->name, name, name, name, nan);
    case PARAM_UNIT_NOT_0: return CHECK(above_0, 1, "%s: %s <= 0, %s > 1 or %s contains NaNs", d->name, name, name, name);
    case PARAM_UNIT_NOT_1: return CHECK(0, below_1, "%s: %s < 0, %s >= 1 or %s %s", d->name, name, name, name, nan);
    case PARAM_MEAN_COUNT:
        TRY(CHECK(0, INFINITY, "%s: %s < 0 or %s %s", d->name, name, name, nan));
        return CHECK(0, largest_mean, "%s: %s value too large", d->name, name);
    default: return TSR_OK;
    }
#undef CHECK
}

/* Counts are int64, and checked as such where they are known; kernels find the others. */
static tsr_status check_count(const distribution *d, int i, tsr_array *value)
{
    char text[256];
    tsr_array *real = array_cast(value, TSR_F64);
    if (!real) return tsr_error_code();
    snprintf(text, sizeof text, "%s: %s < 0", d->name, d->parameters[i].name);
    tsr_status status = random_check(&real, 0, INFINITY, text);
    node_unref(real);
    return status;
}

/* The parameter as the distribution wants it: a new reference in r->p[i]. */
static tsr_status take_parameter(random_request *r, const distribution *d, int i, int n, tsr_array *const *given)
{
    parameter_rule rule = d->parameters[i].rule;
    bool whole = rule == PARAM_COUNT || rule == PARAM_INTEGER;
    tsr_array *value = i < n ? tsr_retain(given[i]) : tsr_scalar_array(r->session, scalar_float(d->parameters[i].fallback));
    if (!value || array_resolve(value) != TSR_OK) {
        node_unref(value);
        return tsr_error_code();
    }
    if (value->session != r->session) {
        node_unref(value);
        return error_set(TSR_ERR_VALUE, "%s: %s belongs to another session", d->name, d->parameters[i].name);
    }
    if (dtype_is_complex(value->dtype)) {
        node_unref(value);
        return error_set(TSR_ERR_TYPE, "%s: %s is complex", d->name, d->parameters[i].name);
    }
    r->p[i] = array_using(array_cast(value, whole ? TSR_I64 : TSR_F64), value);
    if (!r->p[i]) return tsr_error_code();
    if (rule == PARAM_COUNT) return check_count(d, i, r->p[i]);
    return whole ? TSR_OK : check_parameter(d, i, &r->p[i]);
}

/* The shape that is asked for, or that of the parameters together; these must fit into it. */
static tsr_status take_shape(random_request *r, const distribution *d, int ndim, const int64_t *shape)
{
    char wanted[256], found[256];
    TRY(broadcast_shapes(d->name, d->n_parameters, r->p, &r->ndim, r->shape));
    if (ndim < 0) return TSR_OK;
    TRY(shape_check(d->name, ndim, shape));
    bool fits = r->ndim <= ndim;
    for (int k = 0; fits && k < r->ndim; k++) {
        int64_t mine = r->shape[r->ndim - 1 - k];
        fits = mine == 1 || mine == shape[ndim - 1 - k];
    }
    if (!fits)
        return error_set(TSR_ERR_VALUE, "%s: parameters of shape %s do not broadcast to the size %s: shape mismatch", d->name,
                         shape_format(r->ndim, r->shape, found, sizeof found), shape_format(ndim, shape, wanted, sizeof wanted));
    r->ndim = ndim;
    if (ndim) memcpy(r->shape, shape, sizeof *shape * (size_t)ndim);
    return TSR_OK;
}

/* ---- By name ------------------------------------------------------------------------------------------------------------ */

const char *tsr_random_name(int index, int *n_parameters)
{
    const distribution *d = index < 0 ? NULL : distribution_at(index);
    if (d && n_parameters) *n_parameters = d->n_parameters;
    return d ? d->name : NULL;
}

static const distribution *find(const char *name)
{
    const distribution *d;
    for (int i = 0; (d = distribution_at(i)); i++)
        if (strcmp(d->name, name) == 0) return d;
    (void)error_set(TSR_ERR_NOT_FOUND, "random: no distribution '%s'", name);
    return NULL;
}

static tsr_status check_call(const distribution *d, int n, tsr_dtype dtype)
{
    if (n < d->n_required || n > d->n_parameters)
        return error_set(TSR_ERR_VALUE, "%s takes %d parameter%s, %d given", d->name, d->n_parameters,
                         d->n_parameters == 1 ? "" : "s", n);
    if (!dtype_valid((int)dtype) || (d->counts ? !dtype_is_integer(dtype) : !dtype_is_float(dtype)))
        return error_set(TSR_ERR_TYPE, "%s: %s is not possible, it gives %s", d->name,
                         dtype_valid((int)dtype) ? tsr_dtype_name(dtype) : "an unknown dtype",
                         d->counts ? "integers" : "float32 or float64");
    return TSR_OK;
}

/* Parameters with chunks of their own do not change those of the result. */
static tsr_array *in_chunks_of(const random_request *r, tsr_array *a)
{
    int64_t chunks[TSR_MAX_NDIM];
    if (!a || grid_equal(&a->grid, &r->grid)) return a;
    for (int d = 0; d < r->ndim; d++) chunks[d] = r->grid.axes[d].chunk;
    return array_using(tsr_rechunk(a, chunks), a);
}

tsr_array *tsr_random(tsr_session *session, uint64_t seed, const char *name, int n_parameters, tsr_array *const *parameters,
                      tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks)
{
    tsr_array *result = NULL;
    const distribution *d = find(name);
    if (!d || check_call(d, n_parameters, dtype) != TSR_OK) return NULL;
    random_request r = {.session = session, .seed = seed, .id = d->id, .dtype = dtype};
    tsr_status status = TSR_OK;
    for (int i = 0; status == TSR_OK && i < d->n_parameters; i++) status = take_parameter(&r, d, i, n_parameters, parameters);
    if (status == TSR_OK) status = take_shape(&r, d, ndim, shape);
    if (status == TSR_OK && d->check) status = d->check(&r);
    if (status == TSR_OK) status = request_init(&r, d->name, chunks);
    if (status == TSR_OK) {
        tsr_array *made = d->make(&r);
        made = array_using(array_cast(made, dtype), made);
        result = in_chunks_of(&r, made);
    }
    for (int i = 0; i < d->n_parameters; i++) node_unref(r.p[i]);
    return result;
}
