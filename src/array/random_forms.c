/* The distributions as expressions of uniform and normal numbers, gamma variates and the like: they fuse with what is done to
 * them. Inversion where the inverse has a closed form. Devroye's "Non-uniform random variate generation" (1986) has the relations
 * between distributions; wald is Michael, Schucany and Haas, "Generating random variates using transformations with multiple
 * roots", The American Statistician 30 (1976); logseries Kemp, "Efficient generation of logarithmically distributed pseudo-random
 * variables", Applied Statistics 30 (1981).
 *
 * To add one: its function, and its line in the table at the end, with an id that was never used. */
#include "array/random.h"

#include <math.h>

/* ---- Spelling: operands are consumed ---------------------------------------------------------------------------------- */

static tsr_array *one(op_code op, tsr_array *a) { return array_using(array_map(op, 1, &a), a); }
static tsr_array *two(op_code op, tsr_array *a, tsr_array *b)
{
    return array_using(array_using(array_map(op, 2, (tsr_array *[2]){a, b}), a), b);
}
static tsr_array *three(op_code op, tsr_array *a, tsr_array *b, tsr_array *c)
{
    return array_using(array_using(array_using(array_map(op, 3, (tsr_array *[3]){a, b, c}), a), b), c);
}
static tsr_array *number(const random_request *r, double v) { return tsr_scalar_array(r->session, scalar_float(v)); }
static tsr_array *whole(const random_request *r, int64_t v) { return tsr_scalar_array(r->session, scalar_int(v)); }
static tsr_array *parameter(const random_request *r, int i) { return node_ref(r->p[i]); }
static tsr_array *again(tsr_array *a) { return tsr_retain(a); }

static tsr_array *plus(tsr_array *a, tsr_array *b) { return two(OP_ADD, a, b); }
static tsr_array *minus(tsr_array *a, tsr_array *b) { return two(OP_SUBTRACT, a, b); }
static tsr_array *times(tsr_array *a, tsr_array *b) { return two(OP_MULTIPLY, a, b); }
static tsr_array *over(tsr_array *a, tsr_array *b) { return two(OP_DIVIDE, a, b); }

/* location + scale * x, for parameters i and i + 1. */
static tsr_array *moved(const random_request *r, int i, tsr_array *x)
{
    return plus(parameter(r, i), times(parameter(r, i + 1), x));
}

/* Whole numbers as int64; what is beyond it becomes the largest. */
static tsr_array *counted(const random_request *r, tsr_array *x)
{
    tsr_array *whole_number = two(OP_MINIMUM, x, number(r, 9223372036854774784.0));
    return array_using(array_cast(whole_number, TSR_I64), whole_number);
}

/* ---- Building blocks -------------------------------------------------------------------------------------------------- */

/* -ln(u), u in (0, 1). */
static tsr_array *exponential_stream(const random_request *r, int k)
{
    return one(OP_NEGATIVE, one(OP_LOG, random_uniform(r, k)));
}

/* Of scale 1; the shape is consumed. */
static tsr_array *gamma_stream(const random_request *r, int k, op_code op, tsr_array *shape)
{
    return three(op, random_words(r, k), random_normal(r, k), shape);
}
static tsr_array *gammas(const random_request *r, int k, tsr_array *shape) { return gamma_stream(r, k, OP_SAMPLE_GAMMA, shape); }

static tsr_array *poissons(const random_request *r, int k, tsr_array *mean)
{
    return three(OP_SAMPLE_POISSON, random_words(r, k), random_words(r, k + 1), mean);
}

/* Chi-square over its degrees of freedom, which are consumed. */
static tsr_array *mean_square(const random_request *r, int k, tsr_array *degrees)
{
    tsr_array *half = times(number(r, 0.5), degrees);
    return over(gammas(r, k, again(half)), half);
}

/* A Poisson number of degrees more, two each. Streams k .. k + 2. */
static tsr_array *noncentral(const random_request *r, int k, int degrees, int excess)
{
    tsr_array *more = poissons(r, k + 1, times(number(r, 0.5), parameter(r, excess)));
    tsr_array *half = plus(times(number(r, 0.5), parameter(r, degrees)), array_using(array_cast(more, TSR_F64), more));
    return times(number(r, 2), gammas(r, k, half));
}

/* ---- By formula ------------------------------------------------------------------------------------------------------- */

static tsr_array *make_exponential(const random_request *r) { return times(parameter(r, 0), exponential_stream(r, 0)); }
static tsr_array *make_standard_exponential(const random_request *r) { return exponential_stream(r, 0); }

static tsr_array *make_gumbel(const random_request *r)
{
    return moved(r, 0, one(OP_NEGATIVE, one(OP_LOG, exponential_stream(r, 0))));
}

static tsr_array *make_laplace(const random_request *r)
{
    tsr_array *u = random_uniform(r, 0), *rest = minus(number(r, 1), again(u));
    tsr_array *tail = times(number(r, 2), two(OP_MINIMUM, again(u), rest));
    return moved(r, 0, two(OP_COPYSIGN, one(OP_LOG, tail), minus(u, number(r, 0.5))));
}

static tsr_array *make_logistic(const random_request *r)
{
    tsr_array *u = random_uniform(r, 0), *rest = minus(number(r, 1), again(u));
    return moved(r, 0, one(OP_LOG, over(u, rest)));
}

/* Numbers as parameters: the kernel has them. */
static tsr_array *make_normal(const random_request *r)
{
    tsr_scalar mean, deviation;
    if (random_constant(r->p[0], &mean) && random_constant(r->p[1], &deviation))
        return random_own(r, RANDOM_NORMAL, (random_params){.a = mean.f, .b = deviation.f}, r->dtype);
    return moved(r, 0, random_normal(r, 0));
}

static tsr_array *make_standard_normal(const random_request *r)
{
    return random_own(r, RANDOM_NORMAL, (random_params){.a = 0, .b = 1}, r->dtype);
}

static tsr_array *make_lognormal(const random_request *r) { return one(OP_EXP, make_normal(r)); }

static tsr_array *make_standard_cauchy(const random_request *r)
{
    return one(OP_TAN, times(number(r, M_PI), minus(random_uniform(r, 0), number(r, 0.5))));
}

static tsr_array *make_pareto(const random_request *r) { return one(OP_EXPM1, over(exponential_stream(r, 0), parameter(r, 0))); }

static tsr_array *make_power(const random_request *r)
{
    return two(OP_POWER, random_uniform(r, 0), over(number(r, 1), parameter(r, 0)));
}

static tsr_array *make_rayleigh(const random_request *r)
{
    return times(parameter(r, 0), one(OP_SQRT, times(number(r, 2), exponential_stream(r, 0))));
}

/* Shape 0 gives 0, as in NumPy. */
static tsr_array *make_weibull(const random_request *r)
{
    tsr_array *none = two(OP_EQUAL, parameter(r, 0), number(r, 0));
    tsr_array *power = two(OP_POWER, exponential_stream(r, 0), over(number(r, 1), parameter(r, 0)));
    return three(OP_WHERE, none, number(r, 0), power);
}

static tsr_array *make_random(const random_request *r)
{
    return random_own(r, RANDOM_UNIFORM, (random_params){.a = 0, .b = 1}, r->dtype);
}

static tsr_array *make_uniform(const random_request *r)
{
    tsr_scalar low, high;
    if (random_constant(r->p[0], &low) && random_constant(r->p[1], &high))
        return random_own(r, RANDOM_UNIFORM, (random_params){.a = low.f, .b = high.f}, r->dtype);
    return plus(parameter(r, 0), times(minus(parameter(r, 1), parameter(r, 0)), random_uniform(r, 0)));
}

static tsr_array *make_triangular(const random_request *r)
{
    tsr_array *u = random_uniform(r, 0), *base = minus(parameter(r, 2), parameter(r, 0));
    tsr_array *left = minus(parameter(r, 1), parameter(r, 0)), *right = minus(parameter(r, 2), parameter(r, 1));
    tsr_array *is_left = two(OP_LESS_EQUAL, again(u), over(again(left), again(base)));
    tsr_array *up = plus(parameter(r, 0), one(OP_SQRT, times(again(u), times(left, again(base)))));
    tsr_array *rest = minus(number(r, 1), u);
    tsr_array *down = minus(parameter(r, 2), one(OP_SQRT, times(rest, times(right, base))));
    return three(OP_WHERE, is_left, up, down);
}

/* The smaller root of the quadratic is mean / (1 + t + sqrt(t (t + 2))) with t = mean z^2 / (2 scale), which does not cancel. */
static tsr_array *make_wald(const random_request *r)
{
    tsr_array *half = over(parameter(r, 0), times(number(r, 2), parameter(r, 1)));
    tsr_array *t = times(half, one(OP_SQUARE, random_normal(r, 0)));
    tsr_array *root = times(one(OP_SQRT, again(t)), one(OP_SQRT, plus(again(t), number(r, 2))));
    tsr_array *ratio = plus(plus(number(r, 1), t), root);
    tsr_array *is_small =
        two(OP_LESS_EQUAL, times(random_uniform(r, 1), plus(number(r, 1), over(number(r, 1), again(ratio)))), number(r, 1));
    tsr_array *small = over(parameter(r, 0), again(ratio)), *large = times(parameter(r, 0), ratio);
    return three(OP_WHERE, is_small, small, large);
}

/* The smallest k with 1 - (1 - p)^k >= u. */
static tsr_array *make_geometric(const random_request *r)
{
    tsr_array *trials = over(exponential_stream(r, 0), one(OP_NEGATIVE, one(OP_LOG1P, one(OP_NEGATIVE, parameter(r, 0)))));
    return counted(r, two(OP_MAXIMUM, one(OP_CEIL, trials), number(r, 1)));
}

/* Geometric with a random probability: q = 1 - (1 - p)^u, floor(1 + ln v / ln q). ln q by the form that does not cancel. */
static tsr_array *make_logseries(const random_request *r)
{
    tsr_array *x = times(one(OP_LOG1P, one(OP_NEGATIVE, parameter(r, 0))), random_uniform(r, 0));
    tsr_array *near = one(OP_LOG, one(OP_NEGATIVE, one(OP_EXPM1, again(x))));
    tsr_array *far = one(OP_LOG1P, one(OP_NEGATIVE, one(OP_EXP, again(x))));
    tsr_array *log_q = three(OP_WHERE, two(OP_GREATER, x, number(r, -M_LN2)), near, far);
    tsr_array *k = plus(number(r, 1), over(one(OP_LOG, random_uniform(r, 1)), log_q));
    return counted(r, two(OP_MAXIMUM, one(OP_FLOOR, k), number(r, 1)));
}

/* ---- By gamma variates and by rejection ----------------------------------------------------------------------------------- */

static tsr_array *make_standard_gamma(const random_request *r) { return gammas(r, 0, parameter(r, 0)); }
static tsr_array *make_gamma(const random_request *r) { return times(parameter(r, 1), gammas(r, 0, parameter(r, 0))); }

static tsr_array *make_chisquare(const random_request *r)
{
    return times(number(r, 2), gammas(r, 0, times(number(r, 0.5), parameter(r, 0))));
}

static bool is_at_least(const tsr_array *parameter_, double least)
{
    tsr_scalar value;
    return random_constant(parameter_, &value) && value.f >= least;
}

/* a / (a + b) for gamma variates a and b. Those of small parameters, both of which may be too small for a float64, are taken by
 * their logarithms; a shape of 0.1 does not give less than 2^-540. */
static tsr_array *make_beta(const random_request *r)
{
    if (is_at_least(r->p[0], 0.1) && is_at_least(r->p[1], 0.1)) {
        tsr_array *x = gammas(r, 0, parameter(r, 0)), *y = gammas(r, 1, parameter(r, 1));
        return over(again(x), plus(x, y));
    }
    tsr_array *a = gamma_stream(r, 0, OP_SAMPLE_LOG_GAMMA, parameter(r, 0));
    tsr_array *b = gamma_stream(r, 1, OP_SAMPLE_LOG_GAMMA, parameter(r, 1));
    return over(number(r, 1), plus(number(r, 1), one(OP_EXP, minus(b, a))));
}

static tsr_array *make_f(const random_request *r)
{
    return over(mean_square(r, 0, parameter(r, 0)), mean_square(r, 1, parameter(r, 1)));
}

static tsr_array *make_standard_t(const random_request *r)
{
    return over(random_normal(r, 1), one(OP_SQRT, mean_square(r, 0, parameter(r, 0))));
}

static tsr_array *make_noncentral_chisquare(const random_request *r) { return noncentral(r, 0, 0, 1); }

static tsr_array *make_noncentral_f(const random_request *r)
{
    return over(over(noncentral(r, 0, 0, 2), parameter(r, 0)), mean_square(r, 3, parameter(r, 1)));
}

static tsr_array *make_poisson(const random_request *r) { return poissons(r, 0, parameter(r, 0)); }

/* Poisson with a gamma-distributed mean. */
static tsr_array *make_negative_binomial(const random_request *r)
{
    tsr_array *odds = over(minus(number(r, 1), parameter(r, 1)), parameter(r, 1));
    return poissons(r, 1, times(odds, gammas(r, 0, parameter(r, 0))));
}

static tsr_array *make_binomial(const random_request *r)
{
    return three(OP_SAMPLE_BINOMIAL, random_words(r, 0), parameter(r, 0), parameter(r, 1));
}

enum { MOST_OF_A_KIND = 999999999 };

static tsr_array *make_hypergeometric(const random_request *r)
{
    tsr_array *both = two(OP_BITWISE_OR, two(OP_LEFT_SHIFT, parameter(r, 0), whole(r, 32)), parameter(r, 1));
    tsr_array *too_many = two(OP_GREATER, two(OP_MAXIMUM, parameter(r, 0), parameter(r, 1)), whole(r, MOST_OF_A_KIND));
    both = three(OP_WHERE, too_many, whole(r, -1), both); /* which the kernel does not take */
    return three(OP_SAMPLE_HYPERGEOMETRIC, random_words(r, 0), both, parameter(r, 2));
}

static tsr_array *make_vonmises(const random_request *r)
{
    return three(OP_SAMPLE_VONMISES, random_words(r, 0), parameter(r, 0), parameter(r, 1));
}

static tsr_array *make_zipf(const random_request *r)
{
    return three(OP_SAMPLE_ZIPF, random_words(r, 0), random_words(r, 1), parameter(r, 0));
}

static tsr_array *make_integers(const random_request *r)
{
    tsr_scalar low, high;
    if (random_constant(r->p[0], &low) && random_constant(r->p[1], &high))
        return random_own(r, RANDOM_INTEGERS, (random_params){.low = low.i, .range = (uint64_t)high.i - (uint64_t)low.i},
                          TSR_I64);
    return three(OP_SAMPLE_INTEGER, random_words(r, 0), parameter(r, 0), parameter(r, 1));
}

/* ---- Checks of several parameters --------------------------------------------------------------------------------------- */

/* The difference of two parameters must be within low .. high; the first is exchanged for one that is checked. */
static tsr_status check_difference(random_request *r, int larger, int smaller, double low, double high, const char *text)
{
    tsr_array *difference = minus(again(r->p[larger]), again(r->p[smaller]));
    if (!difference) return tsr_error_code();
    const tsr_array *before = difference;
    tsr_status status = random_check(&difference, low, high, text);
    if (status == TSR_OK && difference != before) { /* known when it is computed: larger + 0 * difference */
        tsr_array *nothing = times(difference, number(r, 0));
        tsr_array *checked = plus(again(r->p[larger]), nothing);
        if (!checked) return tsr_error_code();
        node_unref(r->p[larger]);
        r->p[larger] = checked;
        return TSR_OK;
    }
    node_unref(difference);
    return status;
}

static tsr_status check_uniform(random_request *r)
{
    TRY(check_difference(r, 1, 0, -INFINITY, INFINITY, "uniform: high - low is not a number"));
    TRY(check_difference(r, 1, 0, 0, INFINITY, "uniform: high - low < 0"));
    return check_difference(r, 1, 0, 0, 1.7976931348623157e308, "uniform: high - low range exceeds valid bounds");
}

static tsr_status check_triangular(random_request *r)
{
    TRY(check_difference(r, 1, 0, 0, NAN, "triangular: left > mode"));
    TRY(check_difference(r, 2, 1, 0, NAN, "triangular: mode > right"));
    return check_difference(r, 2, 0, 0x1p-1074, NAN, "triangular: left == right");
}

/* Differences of int64 as real numbers: exact where it matters, near 0. */
static tsr_status check_known(tsr_array *difference, double low, const char *text)
{
    tsr_array *real = array_using(array_cast(difference, TSR_F64), difference);
    if (!real) return tsr_error_code();
    tsr_status status = random_check(&real, low, NAN, text);
    node_unref(real);
    return status;
}

static tsr_status check_hypergeometric(random_request *r)
{
    for (int i = 0; i < 2; i++)
        TRY(check_known(minus(whole(r, MOST_OF_A_KIND), parameter(r, i)), 0,
                        "hypergeometric: both ngood and nbad must be less than 1000000000"));
    return check_known(minus(plus(parameter(r, 0), parameter(r, 1)), parameter(r, 2)), 0,
                       "hypergeometric: ngood + nbad < nsample");
}

static tsr_status check_integers(random_request *r)
{
    tsr_array *is_less = two(OP_LESS, parameter(r, 0), parameter(r, 1));
    return check_known(is_less, 1, "integers: low >= high");
}

/* ---- The table ---------------------------------------------------------------------------------------------------------- */

static const distribution distributions[] = {
    {"beta", 1, 2, 2, {{"a", PARAM_POSITIVE, 0}, {"b", PARAM_POSITIVE, 0}}, false, make_beta, NULL},
    {"binomial", 2, 2, 2, {{"n", PARAM_COUNT, 0}, {"p", PARAM_UNIT, 0}}, true, make_binomial, NULL},
    {"chisquare", 3, 1, 1, {{"df", PARAM_POSITIVE, 0}}, false, make_chisquare, NULL},
    {"exponential", 4, 1, 0, {{"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_exponential, NULL},
    {"f", 5, 2, 2, {{"dfnum", PARAM_POSITIVE, 0}, {"dfden", PARAM_POSITIVE, 0}}, false, make_f, NULL},
    {"gamma", 6, 2, 1, {{"shape", PARAM_NOT_NEGATIVE, 0}, {"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_gamma, NULL},
    {"geometric", 7, 1, 1, {{"p", PARAM_UNIT_NOT_0, 0}}, true, make_geometric, NULL},
    {"gumbel", 8, 2, 0, {{"loc", PARAM_ANY, 0}, {"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_gumbel, NULL},
    {"hypergeometric",
     9,
     3,
     3,
     {{"ngood", PARAM_COUNT, 0}, {"nbad", PARAM_COUNT, 0}, {"nsample", PARAM_COUNT, 0}},
     true,
     make_hypergeometric,
     check_hypergeometric},
    {"integers", 10, 2, 2, {{"low", PARAM_INTEGER, 0}, {"high", PARAM_INTEGER, 0}}, true, make_integers, check_integers},
    {"laplace", 11, 2, 0, {{"loc", PARAM_ANY, 0}, {"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_laplace, NULL},
    {"logistic", 12, 2, 0, {{"loc", PARAM_ANY, 0}, {"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_logistic, NULL},
    {"lognormal", 13, 2, 0, {{"mean", PARAM_ANY, 0}, {"sigma", PARAM_NOT_NEGATIVE, 1}}, false, make_lognormal, NULL},
    {"logseries", 14, 1, 1, {{"p", PARAM_UNIT_NOT_1, 0}}, true, make_logseries, NULL},
    {"negative_binomial", 15, 2, 2, {{"n", PARAM_ABOVE_0, 0}, {"p", PARAM_UNIT_NOT_0, 0}}, true, make_negative_binomial, NULL},
    {"noncentral_chisquare",
     16,
     2,
     2,
     {{"df", PARAM_POSITIVE, 0}, {"nonc", PARAM_NOT_NEGATIVE, 0}},
     false,
     make_noncentral_chisquare,
     NULL},
    {"noncentral_f",
     17,
     3,
     3,
     {{"dfnum", PARAM_POSITIVE, 0}, {"dfden", PARAM_POSITIVE, 0}, {"nonc", PARAM_NOT_NEGATIVE, 0}},
     false,
     make_noncentral_f,
     NULL},
    {"normal", 18, 2, 0, {{"loc", PARAM_ANY, 0}, {"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_normal, NULL},
    {"pareto", 19, 1, 1, {{"a", PARAM_POSITIVE, 0}}, false, make_pareto, NULL},
    {"poisson", 20, 1, 0, {{"lam", PARAM_MEAN_COUNT, 1}}, true, make_poisson, NULL},
    {"power", 21, 1, 1, {{"a", PARAM_POSITIVE, 0}}, false, make_power, NULL},
    {"random", 22, 0, 0, {{NULL, PARAM_ANY, 0}}, false, make_random, NULL},
    {"rayleigh", 23, 1, 0, {{"scale", PARAM_NOT_NEGATIVE, 1}}, false, make_rayleigh, NULL},
    {"standard_cauchy", 24, 0, 0, {{NULL, PARAM_ANY, 0}}, false, make_standard_cauchy, NULL},
    {"standard_exponential", 25, 0, 0, {{NULL, PARAM_ANY, 0}}, false, make_standard_exponential, NULL},
    {"standard_gamma", 26, 1, 1, {{"shape", PARAM_NOT_NEGATIVE, 0}}, false, make_standard_gamma, NULL},
    {"standard_normal", 27, 0, 0, {{NULL, PARAM_ANY, 0}}, false, make_standard_normal, NULL},
    {"standard_t", 28, 1, 1, {{"df", PARAM_POSITIVE, 0}}, false, make_standard_t, NULL},
    {"triangular",
     29,
     3,
     3,
     {{"left", PARAM_ANY, 0}, {"mode", PARAM_ANY, 0}, {"right", PARAM_ANY, 0}},
     false,
     make_triangular,
     check_triangular},
    {"uniform", 30, 2, 0, {{"low", PARAM_ANY, 0}, {"high", PARAM_ANY, 1}}, false, make_uniform, check_uniform},
    {"vonmises", 31, 2, 2, {{"mu", PARAM_ANY, 0}, {"kappa", PARAM_NOT_NEGATIVE, 0}}, false, make_vonmises, NULL},
    {"wald", 32, 2, 2, {{"mean", PARAM_POSITIVE, 0}, {"scale", PARAM_POSITIVE, 0}}, false, make_wald, NULL},
    {"weibull", 33, 1, 1, {{"a", PARAM_NOT_NEGATIVE, 0}}, false, make_weibull, NULL},
    {"zipf", 34, 1, 1, {{"a", PARAM_ABOVE_1, 0}}, true, make_zipf, NULL},
};

const distribution *distribution_at(int index)
{
    const int n = sizeof distributions / sizeof *distributions;
    return index < n ? &distributions[index] : NULL;
}
