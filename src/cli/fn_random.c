/* Random numbers. */
#include "cli/eval.h"

#include <string.h>

typedef struct random_call {
    tsr_session *session;
    uint64_t seed;
    int ndim;
    int64_t shape[TSR_MAX_NDIM], storage[TSR_MAX_NDIM];
    const int64_t *chunks;
    tsr_dtype dtype;
} random_call;

/* Every array without a seed gets its own, counted from 0, so that a program gives the same numbers each time. */
static tsr_status read_seed(fn_call *c, int seed_at, random_call *r)
{
    int64_t seed = -1;
    TRY(arg_int(c, seed_at, &seed));
    if (arg_given(c, seed_at) && seed < 0)
        return fail_here(c->e, arg_place(c, seed_at),
                         error_set(TSR_ERR_VALUE, "a seed cannot be negative: %lld", (long long)seed));
    r->seed = arg_given(c, seed_at) ? (uint64_t)seed : c->e->n_random++;
    return evaluator_session(c->e, &r->session);
}

static tsr_status read_random(fn_call *c, int size_at, int seed_at, int dtype_at, int chunks_at, tsr_dtype dtype, random_call *r)
{
    r->dtype = dtype;
    TRY(arg_shape(c, size_at, &r->ndim, r->shape));
    TRY(arg_dtype(c, dtype_at, &r->dtype));
    TRY(arg_chunks(c, chunks_at, r->ndim, r->storage, &r->chunks));
    return read_seed(c, seed_at, r);
}

static tsr_status run_normal(fn_call *c, value *out)
{
    double mean = 0, deviation = 1;
    random_call r;
    TRY(arg_double(c, 0, &mean));
    TRY(arg_double(c, 1, &deviation));
    TRY(read_random(c, 2, 4, 5, 3, TSR_F64, &r));
    return value_take_array(tsr_random_normal(r.session, r.seed, mean, deviation, r.dtype, r.ndim, r.shape, r.chunks), out);
}

static tsr_status run_uniform(fn_call *c, value *out)
{
    double low = 0, high = 1;
    random_call r;
    TRY(arg_double(c, 0, &low));
    TRY(arg_double(c, 1, &high));
    TRY(read_random(c, 2, 4, 5, 3, TSR_F64, &r));
    return value_take_array(tsr_random_uniform(r.session, r.seed, low, high, r.dtype, r.ndim, r.shape, r.chunks), out);
}

/* random.random(size), random.standard_normal(size), and random_normal(size): the size comes first. */
static tsr_status run_standard(fn_call *c, value *out)
{
    random_call r;
    bool is_normal = strstr(c->f->name, "normal") != NULL;
    TRY(read_random(c, 0, 2, 3, 1, TSR_F64, &r));
    if (is_normal) return value_take_array(tsr_random_normal(r.session, r.seed, 0, 1, r.dtype, r.ndim, r.shape, r.chunks), out);
    return value_take_array(tsr_random_uniform(r.session, r.seed, 0, 1, r.dtype, r.ndim, r.shape, r.chunks), out);
}

/* random_normal(size, mean, deviation ...): as run_normal, with the size in front. */
static tsr_status run_sized(fn_call *c, value *out)
{
    double a = 0, b = 1;
    random_call r;
    TRY(arg_double(c, 1, &a));
    TRY(arg_double(c, 2, &b));
    TRY(read_random(c, 0, 4, 5, 3, TSR_F64, &r));
    if (strstr(c->f->name, "normal"))
        return value_take_array(tsr_random_normal(r.session, r.seed, a, b, r.dtype, r.ndim, r.shape, r.chunks), out);
    return value_take_array(tsr_random_uniform(r.session, r.seed, a, b, r.dtype, r.ndim, r.shape, r.chunks), out);
}

static tsr_status run_integers(fn_call *c, value *out)
{
    int64_t low = 0, high = 0;
    random_call r;
    TRY(arg_int(c, 0, &low));
    TRY(arg_int(c, 1, &high));
    if (!arg_given(c, 1)) { /* integers(high) */
        high = low;
        low = 0;
    }
    TRY(read_random(c, 2, 4, 5, 3, TSR_I64, &r));
    return value_take_array(tsr_random_integers(r.session, r.seed, low, high, r.dtype, r.ndim, r.shape, r.chunks), out);
}

/* ---- Distributions by name --------------------------------------------------------------------------------------- */

enum { MOST_PARAMETERS = 3 };

static int count_parameters(const char *distribution)
{
    const char *name;
    int n = 0;
    for (int i = 0; (name = tsr_random_name(i, &n)); i++)
        if (strcmp(name, distribution) == 0) break;
    return n;
}

/* The parameters, up to the last that is given. What is left out before it is a location, which is 0. */
static tsr_status read_parameters(fn_call *c, int most, int *n, tsr_array **parameters)
{
    tsr_session *session;
    TRY(evaluator_session(c->e, &session));
    *n = most;
    while (*n > 0 && !arg_given(c, *n - 1)) (*n)--;
    for (int i = 0; i < *n; i++) {
        value v = value_number(tsr_int(0));
        if (arg_given(c, i)) TRY(arg_value(c, i, &v));
        if (v.kind == VALUE_NUMBER) {
            parameters[i] = tsr_scalar_array(session, v.number);
        } else {
            TRY(arg_array(c, i, &parameters[i]));
        }
        if (!parameters[i]) return tsr_error_code();
    }
    return TSR_OK;
}

/* random.gamma(shape, scale ...): without a size the parameters have it. */
static tsr_status run_distribution(fn_call *c, value *out)
{
    random_call r;
    const char *name = strchr(c->f->name, '.') + 1;
    tsr_array *parameters[MOST_PARAMETERS];
    int n = count_parameters(name), given;
    bool counts = strstr(c->f->parameters, "dtype=int64") != NULL;
    TRY(read_random(c, n, n + 2, n + 3, n + 1, counts ? TSR_I64 : TSR_F64, &r));
    TRY(read_parameters(c, n, &given, parameters));
    int ndim = arg_given(c, n) ? r.ndim : -1;
    return value_take_array(tsr_random(r.session, r.seed, name, given, parameters, r.dtype, ndim, r.shape, r.chunks), out);
}

static tsr_status run_permutation(fn_call *c, value *out)
{
    random_call r;
    int64_t n = 0;
    TRY(arg_int(c, 0, &n));
    TRY(arg_chunks(c, 1, 1, r.storage, &r.chunks));
    TRY(read_seed(c, 2, &r));
    return value_take_array(tsr_random_permutation(r.session, r.seed, n, r.chunks), out);
}

const function random_functions[] = {
    {"random_normal", "size=(), loc=0, scale=1, chunks=auto, seed=None, dtype=float64", "normal random numbers", run_sized},
    {"random_uniform", "size=(), low=0, high=1, chunks=auto, seed=None, dtype=float64", "uniform random numbers, low <= x < high",
     run_sized},
    {"random_integers", "low, high=None, size=(), chunks=auto, seed=None, dtype=int64", "random whole numbers, low <= x < high",
     run_integers},
    {"random.normal", "loc=0, scale=1, size=(), chunks=auto, seed=None, dtype=float64", "normal random numbers", run_normal},
    {"random.uniform", "low=0, high=1, size=(), chunks=auto, seed=None, dtype=float64", "uniform random numbers, low <= x < high",
     run_uniform},
    {"random.integers", "low, high=None, size=(), chunks=auto, seed=None, dtype=int64", "random whole numbers, low <= x < high",
     run_integers},
    {"random.randint", "low, high=None, size=(), chunks=auto, seed=None, dtype=int64", "the same", run_integers},
    {"random.random", "size=(), chunks=auto, seed=None, dtype=float64", "uniform random numbers, 0 <= x < 1", run_standard},
    {"random.standard_normal", "size=(), chunks=auto, seed=None, dtype=float64",
     "normal random numbers of mean 0 and deviation 1", run_standard},
    {"random.beta", "a, b, size=None, chunks=auto, seed=None, dtype=float64", "beta: proportions", run_distribution},
    {"random.binomial", "n, p, size=None, chunks=auto, seed=None, dtype=int64", "how many of n trials succeed", run_distribution},
    {"random.chisquare", "df, size=None, chunks=auto, seed=None, dtype=float64", "sums of df squared normal numbers",
     run_distribution},
    {"random.exponential", "scale=1, size=None, chunks=auto, seed=None, dtype=float64", "exponential of this mean",
     run_distribution},
    {"random.f", "dfnum, dfden, size=None, chunks=auto, seed=None, dtype=float64", "Fisher's F", run_distribution},
    {"random.gamma", "shape, scale=1, size=None, chunks=auto, seed=None, dtype=float64", "gamma", run_distribution},
    {"random.geometric", "p, size=None, chunks=auto, seed=None, dtype=int64", "how many trials the first success takes",
     run_distribution},
    {"random.gumbel", "loc=0, scale=1, size=None, chunks=auto, seed=None, dtype=float64", "Gumbel: the largest of many",
     run_distribution},
    {"random.hypergeometric", "ngood, nbad, nsample, size=None, chunks=auto, seed=None, dtype=int64",
     "how many of a sample are good", run_distribution},
    {"random.laplace", "loc=0, scale=1, size=None, chunks=auto, seed=None, dtype=float64", "Laplace", run_distribution},
    {"random.logistic", "loc=0, scale=1, size=None, chunks=auto, seed=None, dtype=float64", "logistic", run_distribution},
    {"random.lognormal", "mean=0, sigma=1, size=None, chunks=auto, seed=None, dtype=float64",
     "numbers whose logarithms are normal", run_distribution},
    {"random.logseries", "p, size=None, chunks=auto, seed=None, dtype=int64", "logarithmic series", run_distribution},
    {"random.negative_binomial", "n, p, size=None, chunks=auto, seed=None, dtype=int64", "failures before n successes",
     run_distribution},
    {"random.noncentral_chisquare", "df, nonc, size=None, chunks=auto, seed=None, dtype=float64", "noncentral chi-square",
     run_distribution},
    {"random.noncentral_f", "dfnum, dfden, nonc, size=None, chunks=auto, seed=None, dtype=float64", "noncentral F",
     run_distribution},
    {"random.pareto", "a, size=None, chunks=auto, seed=None, dtype=float64", "Pareto II", run_distribution},
    {"random.poisson", "lam=1, size=None, chunks=auto, seed=None, dtype=int64", "Poisson of this mean", run_distribution},
    {"random.power", "a, size=None, chunks=auto, seed=None, dtype=float64", "density a power, from 0 to 1", run_distribution},
    {"random.rayleigh", "scale=1, size=None, chunks=auto, seed=None, dtype=float64", "Rayleigh", run_distribution},
    {"random.standard_cauchy", "size=None, chunks=auto, seed=None, dtype=float64", "Cauchy", run_distribution},
    {"random.standard_exponential", "size=None, chunks=auto, seed=None, dtype=float64", "exponential of mean 1",
     run_distribution},
    {"random.standard_gamma", "shape, size=None, chunks=auto, seed=None, dtype=float64", "gamma of scale 1", run_distribution},
    {"random.standard_t", "df, size=None, chunks=auto, seed=None, dtype=float64", "Student's t", run_distribution},
    {"random.triangular", "left, mode, right, size=None, chunks=auto, seed=None, dtype=float64", "triangular", run_distribution},
    {"random.vonmises", "mu, kappa, size=None, chunks=auto, seed=None, dtype=float64", "angles about mu", run_distribution},
    {"random.wald", "mean, scale, size=None, chunks=auto, seed=None, dtype=float64", "Wald (inverse Gaussian)", run_distribution},
    {"random.weibull", "a, size=None, chunks=auto, seed=None, dtype=float64", "Weibull", run_distribution},
    {"random.zipf", "a, size=None, chunks=auto, seed=None, dtype=int64", "Zipf", run_distribution},
    {"random.permutation", "n, chunks=auto, seed=None", "0 .. n - 1 in a random order", run_permutation},
    {0},
};
