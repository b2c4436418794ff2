/* Distributions of counts.
 *
 * Poisson: inversion for small means; PTRS, Hoermann, "The transformed rejection method for generating Poisson random variables",
 * Insurance: Mathematics and Economics 12 (1993), for others. Binomial: inversion, and BTRS, Hoermann, "The generation of
 * binomial random variates", J. Statist. Comput. Simul. 46 (1993). Hypergeometric: draws one by one, and HRUA, Stadlober, "The
 * ratio of uniforms approach for generating discrete random variates", J. Comput. Appl. Math. 31 (1990). Zipf: Devroye,
 * "Non-uniform random variate generation" (1986), section X.6.1. Probabilities are computed as Loader does, "Fast and accurate
 * computation of binomial probabilities" (2000): as Stirling errors and deviances, which do not cancel for large counts.
 *
 * Pure functions, any thread. `out` may be any of the operands. */
#include "kernel/sample.h"

#include "kernel/draws.h"

#include <math.h>

static const double two_pi = 6.28318530717958647692;
/* Means below this are inverted: one number, and about as many steps as the mean. */
static const double inverted_below = 10;
/* Counts do not reach further than this: the largest float64 below 2^63. */
static const double largest_count = 9223372036854774784.0;

/* ---- Probabilities ----------------------------------------------------------------------------------------------------- */

/* ln n! - ln(sqrt(2 pi n) (n / e)^n); n 0 is never asked for. */
static double stirling_error(double n)
{
    static const double small[16] = {0,
                                     0.08106146679532726107,
                                     0.041340695955409297035,
                                     0.027677925684998338357,
                                     0.020790672103765093365,
                                     0.016644691189821193139,
                                     0.013876128823070748436,
                                     0.011896709945891769528,
                                     0.010411265261972096202,
                                     0.0092554621827127328548,
                                     0.0083305634333628707927,
                                     0.0075736754879518405903,
                                     0.0069428401072095299179,
                                     0.0064089941880042071432,
                                     0.0059513701127588474957,
                                     0.0055547335519628010525};
    if (n < 16) return small[(int)n];
    double r = 1 / n, r2 = r * r;
    return r * (1.0 / 12 - r2 * (1.0 / 360 - r2 * (1.0 / 1260 - r2 * (1.0 / 1680))));
}

static double log_factorial(double n)
{
    static const double small[128] = {0,
                                      0,
                                      0.69314718055994529,
                                      1.791759469228055,
                                      3.1780538303479458,
                                      4.7874917427820458,
                                      6.5792512120101012,
                                      8.5251613610654147,
                                      10.604602902745251,
                                      12.801827480081469,
                                      15.104412573075516,
                                      17.502307845873887,
                                      19.987214495661885,
                                      22.552163853123425,
                                      25.19122118273868,
                                      27.89927138384089,
                                      30.671860106080672,
                                      33.505073450136891,
                                      36.395445208033053,
                                      39.339884187199495,
                                      42.335616460753485,
                                      45.380138898476908,
                                      48.471181351835227,
                                      51.606675567764377,
                                      54.784729398112319,
                                      58.003605222980518,
                                      61.261701761002001,
                                      64.557538627006338,
                                      67.88974313718154,
                                      71.257038967168015,
                                      74.658236348830158,
                                      78.092223553315307,
                                      81.557959456115043,
                                      85.054467017581516,
                                      88.580827542197682,
                                      92.136175603687093,
                                      95.719694542143202,
                                      99.330612454787428,
                                      102.96819861451381,
                                      106.63176026064346,
                                      110.32063971475739,
                                      114.03421178146171,
                                      117.77188139974507,
                                      121.53308151543864,
                                      125.3172711493569,
                                      129.12393363912722,
                                      132.95257503561632,
                                      136.80272263732635,
                                      140.67392364823425,
                                      144.5657439463449,
                                      148.47776695177302,
                                      152.40959258449735,
                                      156.3608363030788,
                                      160.3311282166309,
                                      164.32011226319517,
                                      168.32744544842765,
                                      172.35279713916279,
                                      176.39584840699735,
                                      180.45629141754378,
                                      184.53382886144948,
                                      188.6281734236716,
                                      192.7390472878449,
                                      196.86618167289001,
                                      201.00931639928152,
                                      205.1681994826412,
                                      209.34258675253685,
                                      213.53224149456327,
                                      217.73693411395422,
                                      221.95644181913033,
                                      226.1905483237276,
                                      230.43904356577696,
                                      234.70172344281826,
                                      238.97838956183432,
                                      243.26884900298271,
                                      247.57291409618688,
                                      251.89040220972319,
                                      256.22113555000954,
                                      260.56494097186322,
                                      264.92164979855278,
                                      269.29109765101981,
                                      273.67312428569369,
                                      278.06757344036612,
                                      282.4742926876304,
                                      286.89313329542699,
                                      291.32395009427029,
                                      295.76660135076065,
                                      300.22094864701415,
                                      304.68685676566872,
                                      309.1641935801469,
                                      313.65282994987905,
                                      318.1526396202093,
                                      322.66349912672615,
                                      327.1852877037752,
                                      331.71788719692847,
                                      336.26118197919845,
                                      340.81505887079902,
                                      345.37940706226686,
                                      349.95411804077025,
                                      354.53908551944079,
                                      359.1342053695754,
                                      363.73937555556347,
                                      368.35449607240474,
                                      372.97946888568902,
                                      377.61419787391867,
                                      382.25858877306001,
                                      386.91254912321756,
                                      391.57598821732961,
                                      396.24881705179155,
                                      400.93094827891576,
                                      405.6222961611449,
                                      410.32277652693733,
                                      415.03230672824964,
                                      419.75080559954472,
                                      424.47819341825709,
                                      429.21439186665157,
                                      433.95932399501481,
                                      438.71291418612117,
                                      443.47508812091894,
                                      448.24577274538461,
                                      453.02489623849613,
                                      457.81238798127816,
                                      462.60817852687489,
                                      467.4121995716082,
                                      472.22438392698058,
                                      477.04466549258564,
                                      481.87297922988796,
                                      486.70926113683942,
                                      491.55344822329801};
    return n < 128 ? small[(int)n] : stirling_error(n) + 0.5 * log(two_pi * n) + n * log(n) - n;
}

/* x ln(x / mean) + mean - x. */
static double deviance(double x, double mean)
{
    double e = (x - mean) / mean;
    return mean * ((1 + e) * log1p(e) - e);
}

static double log_poisson(double k, double mean)
{
    if (k == 0) return -mean;
    return -0.5 * log(two_pi * k) - stirling_error(k) - deviance(k, mean);
}

static double log_binomial(double k, double n, double p)
{
    if (k == 0) return n * log1p(-p);
    if (k == n) return n * log(p);
    double rest = n - k;
    return stirling_error(n) - stirling_error(k) - stirling_error(rest) - deviance(k, n * p) - deviance(rest, n * (1 - p)) +
           0.5 * log(n / (two_pi * k * rest));
}

/* ---- Poisson ----------------------------------------------------------------------------------------------------------- */

typedef struct poisson {
    double mean, none; /* probability of 0 */
    double a, b, v_sure, inverse_alpha;
} poisson;

static poisson poisson_of(double mean)
{
    poisson p = {.mean = mean};
    if (mean < inverted_below) {
        p.none = exp(-mean);
    } else {
        p.b = 0.931 + 2.53 * sqrt(mean);
        p.a = -0.059 + 0.02483 * p.b;
        p.v_sure = 0.9277 - 3.6224 / (p.b - 2);
        p.inverse_alpha = 1.1239 + 1.1328 / (p.b - 3.4);
    }
    return p;
}

static int64_t poisson_inverted(const poisson *p, double u)
{
    double probability = p->none, sum = probability;
    int64_t k = 0;
    while (u > sum && probability > 0) {
        probability *= p->mean / (double)++k;
        sum += probability;
    }
    return k;
}

static int64_t poisson_one(const poisson *p, uint64_t word, uint64_t second)
{
    if (p->mean < inverted_below) return p->mean >= 0 ? poisson_inverted(p, uniform_of(word)) : INT64_MIN;
    if (!(p->mean < largest_count)) return p->mean >= largest_count ? INT64_MAX : INT64_MIN;
    draws d = draws_of(word);
    for (double u = uniform_of(word) - 0.5, v = uniform_of(second);; u = draw_uniform(&d) - 0.5, v = draw_uniform(&d)) {
        double us = 0.5 - fabs(u), k = floor((2 * p->a / us + p->b) * u + p->mean + 0.43);
        if (us >= 0.07 && v <= p->v_sure) return (int64_t)k;
        if (k < 0 || k > largest_count || (us < 0.013 && v > us)) continue;
        if (log(v * p->inverse_alpha / (p->a / (us * us) + p->b)) <= log_poisson(k, p->mean)) return (int64_t)k;
    }
}

void sample_poisson(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    int64_t *y = out;
    const uint64_t *words = a_, *others = b_;
    const double *means = c_;
    poisson p = {.mean = NAN};
    for (size_t i = 0; i < n; i++) {
        if (means[i] != p.mean) p = poisson_of(means[i]);
        y[i] = poisson_one(&p, words[i], others[i]);
        if (y[i] < 0) *faults |= FAULT_PARAMETER;
    }
}

/* ---- Binomial ---------------------------------------------------------------------------------------------------------- */

typedef struct binomial {
    int64_t trials;
    double given; /* the probability asked for */
    double n, p;  /* p <= 1/2: of successes, or (turned) of failures */
    bool turned;
    double none, odds; /* inversion: the probability of 0, and p / (1 - p) */
    double a, b, center, v_sure, alpha, mode;
} binomial;

static binomial binomial_for(int64_t trials, double given)
{
    binomial s = {.trials = trials, .given = given, .n = (double)trials, .turned = given > 0.5};
    s.p = s.turned ? 1 - given : given;
    if (s.n * s.p < inverted_below) {
        s.none = exp(s.n * log1p(-s.p));
        s.odds = s.p / (1 - s.p);
    } else {
        double deviation = sqrt(s.n * s.p * (1 - s.p));
        s.b = 1.15 + 2.53 * deviation;
        s.a = -0.0873 + 0.0248 * s.b + 0.01 * s.p;
        s.center = s.n * s.p + 0.5;
        s.v_sure = 0.92 - 4.2 / s.b;
        s.alpha = (2.83 + 5.1 / s.b) * deviation;
        s.mode = log_binomial(floor((s.n + 1) * s.p), s.n, s.p);
    }
    return s;
}

static double binomial_inverted(const binomial *s, double u)
{
    double probability = s->none, sum = probability, k = 0;
    while (u > sum && probability > 0 && k < s->n) {
        probability *= s->odds * (s->n - k) / (k + 1);
        sum += probability;
        k++;
    }
    return k;
}

/* words: of the first attempt, block 0 under the key `word`. */
static double binomial_rejected(const binomial *s, uint64_t word, uint64_t words[2])
{
    for (uint64_t attempt = 1;; draws_block(word, attempt++, words)) {
        double u = uniform_of(words[1]) - 0.5, v = uniform_of(words[0]);
        double us = 0.5 - fabs(u), k = floor((2 * s->a / us + s->b) * u + s->center);
        if (us >= 0.07 && v <= s->v_sure) return k;
        if (k < 0 || k > s->n) continue;
        if (log(v * s->alpha / (s->a / (us * us) + s->b)) <= log_binomial(k, s->n, s->p) - s->mode) return k;
    }
}

static int64_t binomial_counted(const binomial *s, double k)
{
    int64_t count = k >= s->n ? s->trials : (int64_t)k;
    return s->turned ? s->trials - count : count;
}

static int64_t binomial_one(const binomial *s, uint64_t word)
{
    if (s->trials < 0 || !(s->given >= 0 && s->given <= 1)) return INT64_MIN;
    if (s->n * s->p < inverted_below) return binomial_counted(s, binomial_inverted(s, uniform_of(word)));
    uint64_t words[2];
    draws_block(word, 0, words);
    return binomial_counted(s, binomial_rejected(s, word, words));
}

/* Elements of the same trials and probability, enough of them to be drawn by rejection: the blocks of the first attempts are made
 * side by side, and most elements need no more than a comparison. */
static void binomial_run(const binomial *s, const uint64_t *words, int64_t *y, size_t n)
{
    enum { RUN = 64 };
    uint64_t blocks[RUN][2];
    double first[RUN];
    for (size_t at = 0; at < n; at += RUN) {
        const size_t count = n - at < RUN ? n - at : RUN;
        for (size_t i = 0; i < count; i++) draws_block(words[at + i], 0, blocks[i]);
        for (size_t i = 0; i < count; i++) {
            double u = uniform_of(blocks[i][1]) - 0.5, v = uniform_of(blocks[i][0]), us = 0.5 - fabs(u);
            double k = floor((2 * s->a / us + s->b) * u + s->center);
            first[i] = (us >= 0.07) & (v <= s->v_sure) ? k : -1;
        }
        for (size_t i = 0; i < count; i++) {
            double k = first[i] >= 0 ? first[i] : binomial_rejected(s, words[at + i], blocks[i]);
            y[at + i] = binomial_counted(s, k);
        }
    }
}

int64_t binomial_of(uint64_t word, int64_t n, double p)
{
    binomial s = binomial_for(n, p);
    return binomial_one(&s, word);
}

void sample_binomial(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    int64_t *y = out;
    const uint64_t *words = a_;
    const int64_t *trials = b_;
    const double *p = c_;
    binomial s = {.given = NAN};
    for (size_t i = 0; i < n;) {
        const int64_t many = trials[i];
        const double chance = p[i];
        if (many != s.trials || chance != s.given) s = binomial_for(many, chance);
        size_t end = i + 1;
        while (end < n && trials[end] == many && p[end] == chance) end++;
        const bool is_rejected = many >= 0 && chance >= 0 && chance <= 1 && !(s.n * s.p < inverted_below);
        if (is_rejected) binomial_run(&s, words + i, y + i, end - i);
        for (; i < end && !is_rejected; i++) {
            y[i] = binomial_one(&s, words[i]);
            if (y[i] < 0) *faults |= FAULT_PARAMETER;
        }
        i = end;
    }
}

/* ---- Hypergeometric ---------------------------------------------------------------------------------------------------- */

enum { DRAWN_ONE_BY_ONE = 10 }; /* samples up to here */

/* Of `sample` <= (few + many) / 2, how many are of the few. */
typedef struct hypergeometric {
    int64_t good, bad, drawn;
    int64_t few, many, sample;
    double center, width, end, mode;
} hypergeometric;

static double log_ways(const hypergeometric *h, double k)
{
    return log_factorial(k) + log_factorial((double)h->few - k) + log_factorial((double)h->sample - k) +
           log_factorial((double)(h->many - h->sample) + k);
}

static hypergeometric hypergeometric_for(int64_t good, int64_t bad, int64_t drawn)
{
    hypergeometric h = {.good = good, .bad = bad, .drawn = drawn};
    int64_t all = good + bad;
    h.few = good < bad ? good : bad;
    h.many = all - h.few;
    h.sample = drawn < all - drawn ? drawn : all - drawn;
    if (h.sample <= DRAWN_ONE_BY_ONE || h.few == 0) return h;
    double n = (double)all, m = (double)h.sample, p = (double)h.few / n;
    double deviation = sqrt((n - m) * m * p * (1 - p) / (n - 1) + 0.5);
    h.center = m * p + 0.5;
    h.width = 2 * sqrt(2 / M_E) * deviation + (3 - 2 * sqrt(3 / M_E));
    h.end = fmin(fmin(m, (double)h.few) + 1, floor(h.center + 16 * deviation));
    h.mode = log_ways(&h, floor((m + 1) * ((double)h.few + 1) / (n + 2)));
    return h;
}

static int64_t hypergeometric_counted(const hypergeometric *h, draws *d)
{
    int64_t few = h->few;
    for (int64_t i = 0; i < h->sample; i++) {
        uint64_t rest = (uint64_t)(h->few + h->many - i);
        if ((int64_t)draw_below(d, rest) < few) few--;
    }
    return h->few - few;
}

static int64_t hypergeometric_rejected(const hypergeometric *h, uint64_t word)
{
    for (uint64_t attempt = 0;; attempt++) {
        uint64_t words[2];
        draws_block(word, attempt, words);
        double x = uniform_of(words[1]), y = uniform_of(words[0]), w = h->center + h->width * (y - 0.5) / x;
        if (w < 0 || w >= h->end) continue;
        double k = floor(w), t = h->mode - log_ways(h, k);
        if (x * (4 - x) - 3 <= t || (x * (x - t) < 1 && 2 * log(x) <= t)) return (int64_t)k;
    }
}

static int64_t hypergeometric_one(const hypergeometric *h, uint64_t word)
{
    if (h->good < 0 || h->bad < 0 || h->drawn < 0 || h->drawn > h->good + h->bad) return INT64_MIN;
    draws d = draws_of(word);
    bool counted = h->sample <= DRAWN_ONE_BY_ONE || h->few == 0;
    int64_t k = h->few == 0 ? 0 : counted ? hypergeometric_counted(h, &d) : hypergeometric_rejected(h, word);
    if (h->good > h->bad) k = h->sample - k;        /* of the good ones, which are the many */
    return h->drawn == h->sample ? k : h->good - k; /* or of those left behind */
}

int64_t hypergeometric_of(uint64_t word, int64_t good, int64_t bad, int64_t sample)
{
    hypergeometric h = hypergeometric_for(good, bad, sample);
    return hypergeometric_one(&h, word);
}

void sample_hypergeometric(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    int64_t *y = out;
    const uint64_t *words = a_;
    const int64_t *both = b_, *drawn = c_;
    hypergeometric h = {.drawn = -1};
    for (size_t i = 0; i < n; i++) {
        int64_t good = both[i] >> 32, bad = (int64_t)((uint64_t)both[i] & 0xffffffffu);
        if (good != h.good || bad != h.bad || drawn[i] != h.drawn) h = hypergeometric_for(good, bad, drawn[i]);
        y[i] = hypergeometric_one(&h, words[i]);
        if (y[i] < 0) *faults |= FAULT_PARAMETER;
    }
}

/* ---- Zipf -------------------------------------------------------------------------------------------------------------- */

typedef struct zipf {
    double exponent, less_1; /* exponent - 1 */
    double lowest;           /* of the uniform number: candidates beyond int64 are not drawn */
    double scale;            /* 2^(a - 1) - 1, and 2^(a - 1) */
    double b;
} zipf;

static zipf zipf_of(double exponent)
{
    zipf z = {.exponent = exponent, .less_1 = exponent - 1};
    z.lowest = pow(largest_count, -z.less_1);
    z.scale = expm1(z.less_1 * M_LN2);
    z.b = z.scale + 1;
    return z;
}

static int64_t zipf_one(const zipf *z, uint64_t word, uint64_t second)
{
    if (!(z->exponent > 1)) return INT64_MIN;
    if (z->exponent >= 1025) return 1; /* 2 has the probability 2^-1025 */
    draws d = draws_of(word);
    for (double u = uniform_of(word), v = uniform_of(second);; u = draw_uniform(&d), v = draw_uniform(&d)) {
        double x = floor(pow(z->lowest + u * (1 - z->lowest), -1 / z->less_1));
        if (!(x >= 1 && x <= largest_count)) continue;
        double t_less_1 = expm1(z->less_1 * log1p(1 / x));
        if (v * x * t_less_1 / z->scale <= (t_less_1 + 1) / z->b) return (int64_t)x;
    }
}

void sample_zipf(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    int64_t *y = out;
    const uint64_t *words = a_, *others = b_;
    const double *exponents = c_;
    zipf z = {.exponent = NAN};
    for (size_t i = 0; i < n; i++) {
        if (exponents[i] != z.exponent) z = zipf_of(exponents[i]);
        y[i] = zipf_one(&z, words[i], others[i]);
        if (y[i] < 0) *faults |= FAULT_PARAMETER;
    }
}
