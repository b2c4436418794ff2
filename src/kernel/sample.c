/* Real distributions by rejection, integers below a bound, random orders; and the sub-streams that they draw from.
 *
 * Gamma: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000); shapes below 1 by their
 * G(a) = G(a + 1) U^(1/a). Von Mises: Best and Fisher, "Efficient simulation of the von Mises distribution", Applied Statistics
 * 28 (1979). Integers: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019). Orders: a Feistel network
 * with cycle walking, Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
 *
 * Pure functions, any thread. `out` may be any of the operands. */
#include "kernel/sample.h"

#include "kernel/draws.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* ---- Sub-streams ----------------------------------------------------------------------------------------------------- */

draws draws_of(uint64_t key) { return (draws){.key = key}; }

uint64_t draw_word(draws *d)
{
    if (d->left == 0) {
        draws_block(d->key, d->block++, d->words);
        d->left = 2;
    }
    return d->words[--d->left];
}

double draw_uniform(draws *d) { return uniform_of(draw_word(d)); }

/* Marsaglia and Bray's polar method, "A convenient method for generating normal variables", SIAM Review 6 (1964). */
double draw_normal(draws *d)
{
    double x, y, s;
    do {
        x = 2 * draw_uniform(d) - 1;
        y = 2 * draw_uniform(d) - 1;
        s = x * x + y * y;
    } while (s >= 1 || s == 0);
    return x * sqrt(-2 * log(s) / s);
}

static uint64_t below(draws *d, uint64_t word, uint64_t n)
{
    if (n == 0) return word;
    unsigned __int128 product = (unsigned __int128)word * n;
    if ((uint64_t)product < n) {
        const uint64_t threshold = -n % n;
        while ((uint64_t)product < threshold) product = (unsigned __int128)draw_word(d) * n;
    }
    return (uint64_t)(product >> 64);
}

uint64_t draw_below(draws *d, uint64_t n) { return below(d, draw_word(d), n); }

void sample_integer(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    int64_t *y = out;
    const uint64_t *words = a_;
    const int64_t *low = b_, *high = c_;
    for (size_t i = 0; i < n; i++) {
        if (low[i] >= high[i]) {
            y[i] = INT64_MIN;
            *faults |= FAULT_PARAMETER;
            continue;
        }
        draws d = draws_of(words[i]);
        y[i] = (int64_t)((uint64_t)low[i] + below(&d, words[i], (uint64_t)high[i] - (uint64_t)low[i]));
    }
}

/* ---- Gamma ----------------------------------------------------------------------------------------------------------- */

enum { PART = 64 };
/* From here on every candidate is as good as accepted, and the test could not be computed. */
static const double shape_of_normals = 1e15;

/* The logarithmic test is left to the few that the squeeze does not accept. */
static inline bool gamma_squeeze(double x, double u) { return u < 1 - 0.0331 * (x * x) * (x * x); }

/* G(shape) for shape >= 1. With w = v - 1, ln v^3 = 3 ln(1 + w), so that large shapes keep their digits. */
static double gamma_at_least_1(draws *d, double x, double u, double shape)
{
    const double scale = shape - 1.0 / 3, step = 1 / (3 * sqrt(scale));
    for (;; x = draw_normal(d), u = draw_uniform(d)) {
        double w = step * x, v = 1 + w;
        if (v <= 0) continue;
        bool accepted = gamma_squeeze(x, u) || shape > shape_of_normals ||
                        log(u) < 0.5 * x * x + scale * (3 * (log1p(w) - w) - w * w * (3 + w));
        if (accepted) return scale * v * v * v;
    }
}

/* One element: G(shape), or the two numbers of which it is the product, the second as its logarithm. */
static double gamma_of(uint64_t word, double x, double shape, double *log_factor)
{
    *log_factor = 0;
    if (!(shape > 0)) return shape == 0 ? 0 : NAN;
    draws d = draws_of(word);
    if (shape < 1) *log_factor = log(draw_uniform(&d)) / shape;
    return gamma_at_least_1(&d, x, uniform_of(word), shape < 1 ? shape + 1 : shape);
}

/* First attempts, side by side, of G(shape), or for shapes below 1 of G(shape + 1); -1 where more is to be done. n <= PART. */
static void gamma_first(double *y, const uint64_t *words, const double *normal, const double *shape, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double a = shape[i] < 1 ? shape[i] + 1 : shape[i];
        double scale = a - 1.0 / 3, x = normal[i], v = 1 + x * (1 / (3 * sqrt(scale)));
        bool accepted = (shape[i] > 0) & (v > 0) & gamma_squeeze(x, uniform_of(words[i]));
        double g = scale * v * v * v;
        y[i] = accepted ? g : -1;
    }
}

/* The uniform numbers of the second factors of shapes below 1: the first of each element's sub-stream, side by side. */
static void gamma_factors(double *u, const uint64_t *words, const double *shape, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t block[2];
        u[i] = 1;
        if (!(shape[i] < 1)) continue;
        draws_block(words[i], 0, block);
        u[i] = uniform_of(block[1]);
    }
}

void sample_gamma(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    const uint64_t *words = a_;
    const double *normal = b_, *shape = c_;
    double part[PART], second[PART], log_factor;
    for (size_t at = 0; at < n; at += PART) {
        const size_t count = n - at < PART ? n - at : PART;
        gamma_first(part, words + at, normal + at, shape + at, count);
        gamma_factors(second, words + at, shape + at, count);
        for (size_t i = 0; i < count; i++) {
            bool accepted = part[i] >= 0;
            if (accepted && !(shape[at + i] < 1)) continue;
            if (!accepted) part[i] = gamma_of(words[at + i], normal[at + i], shape[at + i], &log_factor);
            if (accepted && shape[at + i] == 0.5) { /* of squares of normal numbers: U^2 */
                part[i] *= second[i] * second[i];
                continue;
            }
            if (accepted) log_factor = log(second[i]) / shape[at + i];
            if (log_factor != 0) part[i] *= exp(log_factor);
        }
        __builtin_memcpy((double *)out + at, part, count * sizeof *part);
    }
}

void sample_log_gamma(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    const uint64_t *words = a_;
    const double *normal = b_, *shape = c_;
    double part[PART], log_factor;
    for (size_t at = 0; at < n; at += PART) {
        const size_t count = n - at < PART ? n - at : PART;
        gamma_first(part, words + at, normal + at, shape + at, count);
        for (size_t i = 0; i < count; i++) {
            log_factor = 0;
            if (!(part[i] >= 0) || shape[at + i] < 1)
                part[i] = gamma_of(words[at + i], normal[at + i], shape[at + i], &log_factor);
            part[i] = log(part[i]) + log_factor;
        }
        __builtin_memcpy((double *)out + at, part, count * sizeof *part);
    }
}

/* ---- Von Mises ------------------------------------------------------------------------------------------------------- */

/* kappa from which on the circle is not felt: the angle is normal to within 1 / kappa. */
static const double kappa_of_normals = 1e6;

/* r = (1 + rho^2) / (2 rho); for small kappa the formula cancels, and its series is 1 / kappa + kappa. */
static double vonmises_r(double kappa)
{
    if (kappa < 1e-5) return 1 / kappa + kappa;
    double tau = 1 + sqrt(1 + 4 * kappa * kappa), rho = (tau - sqrt(2 * tau)) / (2 * kappa);
    return (1 + rho * rho) / (2 * rho);
}

/* An angle about 0. */
static double vonmises_of(uint64_t word, double kappa, double r)
{
    draws d = draws_of(word);
    if (kappa < 1e-8) return pi * (2 * uniform_of(word) - 1);
    if (kappa > kappa_of_normals) {
        double angle = draw_normal(&d) / sqrt(kappa);
        return angle < -pi ? -pi : angle > pi ? pi : angle;
    }
    for (double u = uniform_of(word);; u = draw_uniform(&d)) {
        double z = cos(pi * u), f = (1 + r * z) / (r + z), c = kappa * (r - f), v = draw_uniform(&d);
        if (c * (2 - c) - v > 0 || log(c / v) + 1 - c >= 0) {
            double angle = acos(f < -1 ? -1 : f > 1 ? 1 : f);
            return draw_word(&d) >> 63 ? angle : -angle;
        }
    }
}

void sample_vonmises(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    double *y = out, last = NAN, r = 0;
    const uint64_t *words = a_;
    const double *mu = b_, *kappas = c_;
    for (size_t i = 0; i < n; i++) {
        double kappa = kappas[i], angle;
        if (!(kappa >= 0)) {
            y[i] = NAN;
            continue;
        }
        if (kappa != last) r = vonmises_r(kappa);
        last = kappa;
        angle = vonmises_of(words[i], kappa, r) + mu[i];
        if (fabs(angle) > pi) angle -= 2 * pi * floor((angle + pi) / (2 * pi));
        y[i] = angle > pi ? pi : angle;
    }
}

/* ---- Orders ---------------------------------------------------------------------------------------------------------- */

enum { FEISTEL_ROUNDS = 12 };
typedef struct feistel {
    uint64_t keys[FEISTEL_ROUNDS];
    int left, right; /* bits of the halves; 2^(left + right) is less than 4 n */
} feistel;

static feistel feistel_of(uint64_t key, uint64_t n)
{
    feistel f;
    draws d = draws_of(key);
    int bits = 2;
    while (bits < 63 && (uint64_t)1 << bits < n) bits++;
    f.left = bits / 2;
    f.right = bits - f.left;
    for (int i = 0; i < FEISTEL_ROUNDS; i++) f.keys[i] = draw_word(&d);
    return f;
}

/* The upper bits of a product twice mixed (the constants are those of Steele, Lea and Flood's SplitMix, OOPSLA 2014). */
static uint64_t mixed(uint64_t half, uint64_t key, int bits)
{
    uint64_t h = (half ^ key) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 29 ^ key >> 32) * 0x94d049bb133111ebu;
    return (h ^ h >> 31) * 0x9E3779B97F4A7C15u >> (64 - bits);
}

static uint64_t feistel_once(const feistel *f, uint64_t x)
{
    uint64_t left = x >> f->right, right = x & (((uint64_t)1 << f->right) - 1);
    for (int i = 0; i < FEISTEL_ROUNDS; i += 2) {
        left ^= mixed(right, f->keys[i], f->left);
        right ^= mixed(left, f->keys[i + 1], f->right);
    }
    return left << f->right | right;
}

void sample_place(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    int64_t *y = out;
    const uint64_t *places = a_, *counts = b_, *keys = c_;
    uint64_t key = 0, count = 0;
    feistel f;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || keys[i] != key || counts[i] != count) f = feistel_of(key = keys[i], count = counts[i]);
        uint64_t x = places[i];
        if (x >= count) { /* cannot be: walking would not end */
            y[i] = INT64_MIN;
            continue;
        }
        do {
            x = feistel_once(&f, x);
        } while (x >= count);
        y[i] = (int64_t)x;
    }
}

/* ---- Parameters that are known only when they are computed -------------------------------------------------------------- */

void check_range(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults)
{
    double *y = out;
    const double *value = a_, *low = b_, *high = c_;
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        double v = value[i], top = high[i];
        bad |= top != top ? v < low[i] : !(v >= low[i] && v <= top);
        y[i] = v;
    }
    if (bad) *faults |= FAULT_PARAMETER;
}
