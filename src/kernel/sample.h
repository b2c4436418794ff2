/* Numbers of distributions that have no formula: candidates are drawn until one is accepted. Each is an elementwise operation
 * whose first operand is the element's own random word (kernel/random.c: 64 bits, a function of the seed and the global index).
 * The word, and what random numbers the other operands hold, serve the first attempt; later ones draw from the sub-stream that
 * the word is the key of. Results thus depend on the seed, the index and the parameters, and on nothing else.
 *
 *   sample_gamma           word, a standard normal number, the shape >= 0; scale 1
 *   sample_log_gamma       likewise; the logarithm, which exists also where the number itself is too small for a float64
 *   sample_vonmises        word, mu, kappa >= 0; in [-pi, pi]
 *   sample_poisson         word, another word, lambda >= 0
 *   sample_zipf            word, another word, the exponent > 1
 *   sample_binomial        word, the number of trials >= 0, the probability
 *   sample_hypergeometric  word, good << 32 | bad (each below 2^31), the number of draws, at most good + bad
 *   sample_integer         word, low, high: low <= x < high
 *   sample_place           i, n, key: what stands at place i of a random order of 0 .. n - 1
 *   check_range            value, low, high: the value; a fault unless low <= value <= high (high NaN: unless value >= low or
 * NaN)
 *
 * Parameters out of range give NaN; distributions of counts give the smallest int64, and a fault. Compiled once for all
 * instruction sets, so the bits differ between machines by no more than the C library's exp, log and pow do. */
#ifndef TESSERA_KERNEL_SAMPLE_H
#define TESSERA_KERNEL_SAMPLE_H

#include "kernel/kernel.h"

#define X(name, kernel, ...) void kernel(void *out, const void *a_, const void *b_, const void *c_, size_t n, unsigned *faults);
SAMPLE_LIST(X)
#undef X

/* A sequence of numbers under a key, for attempts after the first, and for block functions. */
typedef struct draws {
    uint64_t key, block, words[2];
    int left; /* of the words */
} draws;
draws draws_of(uint64_t key);
uint64_t draw_word(draws *d);
/* Strictly between 0 and 1. */
double draw_uniform(draws *d);
double draw_normal(draws *d);
/* Below n; n 0: all 64 bits. Unbiased. */
uint64_t draw_below(draws *d, uint64_t n);
/* The element whose word this is. */
int64_t binomial_of(uint64_t word, int64_t n, double p);
int64_t hypergeometric_of(uint64_t word, int64_t good, int64_t bad, int64_t sample);

/* The word's upper bits as a number strictly between 0 and 1, exact. */
static inline double uniform_of(uint64_t word)
{
    uint64_t bits = word >> 12 | 0x3ff0000000000000u;
    double from_one;
    __builtin_memcpy(&from_one, &bits, sizeof from_one);
    return from_one - (1 - 0x1p-53);
}

#endif
