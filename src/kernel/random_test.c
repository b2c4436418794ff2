/* Random numbers: the bits against Random123's Philox, the transforms against long double, the statistics against theory. */
#include "kernel/kernel.h"

#include <Random123/philox.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TABLES = 8, N = 4099 };
static const long double pi = 3.14159265358979323846264338327950288L;

typedef struct form {
    random_kind kind;
    tsr_dtype dtype;
} form;
static const form forms[] = {{RANDOM_UNIFORM, TSR_F32}, {RANDOM_UNIFORM, TSR_F64},  {RANDOM_NORMAL, TSR_F32},
                             {RANDOM_NORMAL, TSR_F64},  {RANDOM_INTEGERS, TSR_I64}, {RANDOM_INTEGERS, TSR_U64}};
enum { N_FORMS_TESTED = sizeof forms / sizeof *forms };

static const random_params some = {.key = {0x123456789abcdef0u, 0x0fedcba987654321u}, .a = 0, .b = 1, .low = -5, .range = 1000};

/* ---- Reference --------------------------------------------------------------------------------------------------- */

static void reference_block(const random_params *p, form f, uint64_t block, uint64_t attempt, uint64_t words[2])
{
    const uint64_t domain = ((uint64_t)f.kind << 4 | (uint64_t)f.dtype) + 1, high = p->key[1] ^ domain << 56 ^ attempt << 48;
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)high, (uint32_t)(high >> 32)}};
    philox4x32_key_t key = {{(uint32_t)p->key[0], (uint32_t)(p->key[0] >> 32)}};
    philox4x32_ctr_t r = philox4x32(counter, key);
    words[0] = r.v[0] | (uint64_t)r.v[1] << 32;
    words[1] = r.v[2] | (uint64_t)r.v[3] << 32;
}

static uint64_t reference_integer(const random_params *p, form f, int64_t index)
{
    for (uint64_t attempt = 0;; attempt++) {
        uint64_t words[2];
        reference_block(p, f, (uint64_t)index >> 1, attempt, words);
        const uint64_t w = words[index & 1];
        if (p->range == 0) return w + (uint64_t)p->low;
        const unsigned __int128 product = (unsigned __int128)w * p->range;
        if ((uint64_t)product >= -p->range % p->range) return (uint64_t)(product >> 64) + (uint64_t)p->low;
    }
}

/* Uniform or normal element as a long double; exact for uniforms in [0, 1), correct to long double for normals. */
static long double reference_real(const random_params *p, form f, int64_t index)
{
    uint64_t words[2];
    const int per_block = f.dtype == TSR_F64 ? 2 : 4;
    reference_block(p, f, (uint64_t)index / (uint64_t)per_block, 0, words);
    const int at = (int)(index % per_block);
    if (f.kind == RANDOM_UNIFORM) {
        if (f.dtype == TSR_F64) return (long double)(words[at] >> 11) * 0x1p-53L;
        return (long double)((uint32_t)(words[at / 2] >> (32 * (at % 2))) >> 8) * 0x1p-24L;
    }
    long double u1, u2;
    if (f.dtype == TSR_F64) {
        u1 = (long double)(double)(words[0] | 1) * 0x1p-64L;
        u2 = ((long double)(words[1] & 15) + (long double)(words[1] >> 12) * 0x1p-52L - 0.5L) / 16;
    } else {
        const uint64_t pair = words[at / 2];
        u1 = (long double)(float)((uint32_t)pair | 1) * 0x1p-32L;
        u2 = (long double)(uint32_t)(pair >> 32) * 0x1p-32L;
    }
    const long double r = sqrtl(-2 * logl(u1));
    return at % 2 ? r * sinl(2 * pi * u2) : r * cosl(2 * pi * u2);
}

static long double value(const void *x, tsr_dtype dtype, size_t i)
{
    return dtype == TSR_F32 ? (long double)((const float *)x)[i] : (long double)((const double *)x)[i];
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

/* Random123's own vectors (kat_vectors): guards the reference. */
static void test_known_answers(void **context)
{
    static const uint32_t known[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int k = 0; k < 3; k++) {
        const uint32_t *v = known[k];
        philox4x32_ctr_t r = philox4x32_R(10, (philox4x32_ctr_t){{v[0], v[1], v[2], v[3]}}, (philox4x32_key_t){{v[4], v[5]}});
        for (int i = 0; i < 4; i++) assert_int_equal(r.v[i], v[6 + i]);
    }
}

static void test_values(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    static char out[N * 8];
    static const int64_t starts[] = {0, 1, 2, 3, 1000003, ((int64_t)1 << 33) - 5, ((int64_t)1 << 40) + 7};
    for (int k = 0; k < n_tables; k++) {
        for (int f = 0; f < N_FORMS_TESTED; f++) {
            for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
                table[k]->random[forms[f].kind][forms[f].dtype](out, &some, starts[s], 1, N);
                for (size_t i = 0; i < N; i += 1 + i / 64) {
                    const int64_t index = starts[s] + (int64_t)i;
                    if (forms[f].kind == RANDOM_INTEGERS) {
                        assert_true(((uint64_t *)(void *)out)[i] == reference_integer(&some, forms[f], index));
                        continue;
                    }
                    const long double error = fabsl(value(out, forms[f].dtype, i) - reference_real(&some, forms[f], index));
                    const long double bound = forms[f].kind == RANDOM_UNIFORM ? 0 : forms[f].dtype == TSR_F64 ? 1.2e-15L : 1e-6L;
                    if (error > bound)
                        fail_msg("%s: form %d element %lld is off by %Lg", table[k]->isa, f, (long long)index, error);
                }
            }
        }
    }
}

/* All 64 bits of the blocks, through integers without a range. */
static void test_raw_bits(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    const form f = {RANDOM_INTEGERS, TSR_U64};
    random_params p = {.key = {0xa4093822299f31d0u, 0x243f6a8885a308d3u}};
    static uint64_t out[N];
    for (int k = 0; k < n_tables; k++) {
        table[k]->random[f.kind][f.dtype](out, &p, 12345, 1, N);
        for (int i = 0; i < N; i++) assert_true(out[i] == reference_integer(&p, f, 12345 + i));
    }
}

/* Equal on every instruction set, for any start, step and length. */
static void test_index_and_step(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    static char whole[8 * 40000], part[8 * 3000 + 8];
    static const int64_t steps[] = {1, -1, 0, 2, -2, 3, 7, -13};
    static const size_t lengths[] = {0, 1, 2, 3, 5, 8, 31, 511, 512, 513, 1024, 1027, 2999};
    for (int f = 0; f < N_FORMS_TESTED; f++) {
        const size_t bytes = tsr_dtype_size(forms[f].dtype);
        const int64_t origin = (int64_t)1 << 20;
        table[0]->random[forms[f].kind][forms[f].dtype](whole, &some, origin, 1, 40000);
        for (int k = 0; k < n_tables; k++) {
            for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
                for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
                    const int64_t n = (int64_t)lengths[l], from = steps[s] < 0 ? 39998 - (int64_t)l : (int64_t)l;
                    part[n * (int64_t)bytes] = 77;
                    table[k]->random[forms[f].kind][forms[f].dtype](part, &some, origin + from, steps[s], (size_t)n);
                    for (int64_t i = 0; i < n; i++)
                        assert_memory_equal(part + i * (int64_t)bytes, whole + (from + i * steps[s]) * (int64_t)bytes, bytes);
                    assert_int_equal(part[n * (int64_t)bytes], 77); /* nothing behind the end */
                }
            }
        }
    }
}

/* Rejection: a range just above 2^63 rejects half of the draws; and a narrow range at an element known to be rejected. */
static void test_rejection(void **context)
{
    const kernels *table[MAX_TABLES];
    const int n_tables = kernels_available(table, MAX_TABLES);
    const form f = {RANDOM_INTEGERS, TSR_I64};
    static int64_t out[N];
    static const uint64_t ranges[] = {
        1, 2, 10, 0xffffffffu, 0x100000000u, ((uint64_t)1 << 63) + 1, 3 * ((uint64_t)1 << 61), UINT64_MAX};
    for (int k = 0; k < n_tables; k++) {
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
            random_params p = {.key = {42, 43}, .low = -1, .range = ranges[r]};
            table[k]->random[f.kind][f.dtype](out, &p, 17, 1, N);
            for (int i = 0; i < N; i++) {
                assert_true((uint64_t)out[i] == reference_integer(&p, f, 17 + i));
                assert_true((uint64_t)out[i] - (uint64_t)p.low < p.range);
            }
        }
    }
}

/* Shifted and scaled values, and other keys, dtypes and kinds give other numbers. */
static void test_parameters(void **context)
{
    const kernels *table[MAX_TABLES];
    assert_true(kernels_available(table, MAX_TABLES) > 0);
    static double x[N], y[N];
    random_params p = some;
    table[0]->random[RANDOM_UNIFORM][TSR_F64](x, &p, 0, 1, N);
    p.a = -3, p.b = 5;
    table[0]->random[RANDOM_UNIFORM][TSR_F64](y, &p, 0, 1, N);
    for (int i = 0; i < N; i++) assert_true(y[i] == -3 + 8 * x[i] && x[i] >= 0 && x[i] < 1);
    p = some;
    table[0]->random[RANDOM_NORMAL][TSR_F64](x, &p, 0, 1, N);
    p.a = 10, p.b = 0.5;
    table[0]->random[RANDOM_NORMAL][TSR_F64](y, &p, 0, 1, N);
    for (int i = 0; i < N; i++) assert_true(fabs(y[i] - (10 + 0.5 * x[i])) < 1e-14);
    for (int word = 0; word < 2; word++) {
        p = some;
        p.key[word] ^= 1;
        int same = 0;
        table[0]->random[RANDOM_NORMAL][TSR_F64](y, &p, 0, 1, N);
        for (int i = 0; i < N; i++) same += x[i] == y[i];
        assert_int_equal(same, 0);
    }
}

/* ---- Statistics: fixed keys, so each either always passes or always fails; bounds are about 4.5 standard errors ---------------
 */

enum { M = 1 << 22, STRIP = 4096, BINS = 256 };

static double normal_cdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

static void moments_of(const kernels *k, form f, double moment[4], double *pair, double *lag, double bins[BINS], int tails[2])
{
    static char strip[STRIP * 8];
    double before = 0;
    memset(moment, 0, 4 * sizeof *moment);
    memset(bins, 0, BINS * sizeof *bins);
    *pair = *lag = tails[0] = tails[1] = 0;
    for (int64_t at = 0; at < M; at += STRIP) {
        k->random[f.kind][f.dtype](strip, &some, at, 1, STRIP);
        for (size_t i = 0; i < STRIP; i++) {
            const double x = (double)value(strip, f.dtype, i), d = f.kind == RANDOM_UNIFORM ? x - 0.5 : x;
            moment[0] += d, moment[1] += d * d, moment[2] += d * d * d, moment[3] += d * d * d * d;
            if (i % 2)
                *pair += d * before; /* the two of a Box-Muller pair */
            else
                *lag += d * before;
            before = d;
            const double u = f.kind == RANDOM_UNIFORM ? x : normal_cdf(x);
            int b = (int)(u * BINS);
            bins[b < 0 ? 0 : b >= BINS ? BINS - 1 : b]++;
            tails[0] += d<-4, tails[1] += d> 4;
        }
    }
    for (int i = 0; i < 4; i++) moment[i] /= M;
    *pair /= 0.5 * M, *lag /= 0.5 * M;
}

static void test_statistics(void **context)
{
    const kernels *table[MAX_TABLES];
    assert_true(kernels_available(table, MAX_TABLES) > 0);
    for (int f = 0; f < 4; f++) {
        double moment[4], pair, lag, bins[BINS], chi2 = 0, ks = 0, cumulative = 0;
        int tails[2];
        moments_of(table[0], forms[f], moment, &pair, &lag, bins, tails);
        const bool normal = forms[f].kind == RANDOM_NORMAL;
        const double var = normal ? 1 : 1.0 / 12, fourth = normal ? 3 : 1.0 / 80, sixth = normal ? 15 : 1.0 / 448,
                     eighth = normal ? 105 : 1.0 / 2304, z = 4.5 / sqrt(M);
        assert_true(fabs(moment[0]) < z * sqrt(var));
        assert_true(fabs(moment[1] - var) < z * sqrt(fourth - var * var));
        assert_true(fabs(moment[2]) < z * sqrt(sixth));
        assert_true(fabs(moment[3] - fourth) < z * sqrt(eighth - fourth * fourth));
        assert_true(fabs(pair) < z * sqrt(2.0) * var);
        assert_true(fabs(lag) < z * sqrt(2.0) * var);
        for (int b = 0; b < BINS; b++) {
            const double expected = (double)M / BINS;
            chi2 += (bins[b] - expected) * (bins[b] - expected) / expected;
            cumulative += bins[b] / M;
            ks = fmax(ks, fabs(cumulative - (b + 1.0) / BINS));
        }
        assert_true(chi2 > BINS - 1 - 4.5 * sqrt(2.0 * BINS) && chi2 < BINS - 1 + 4.5 * sqrt(2.0 * BINS));
        assert_true(ks * sqrt(M) < 2.3); /* Kolmogorov: P = 5e-5 */
        const double expected = normal ? M * normal_cdf(-4) : 0;
        for (int t = 0; t < 2; t++) assert_true(fabs(tails[t] - expected) <= 4.5 * sqrt(expected));
    }
}

static void test_integers_are_uniform(void **context)
{
    const kernels *table[MAX_TABLES];
    assert_true(kernels_available(table, MAX_TABLES) > 0);
    static int64_t x[STRIP];
    random_params p = {.key = {7, 8}, .low = 100, .range = 37};
    double count[37] = {0}, chi2 = 0;
    for (int64_t at = 0; at < M; at += STRIP) {
        table[0]->random[RANDOM_INTEGERS][TSR_I64](x, &p, at, 1, STRIP);
        for (int i = 0; i < STRIP; i++) count[x[i] - 100]++;
    }
    for (int b = 0; b < 37; b++) chi2 += (count[b] - M / 37.0) * (count[b] - M / 37.0) / (M / 37.0);
    assert_true(chi2 < 36 + 4.5 * sqrt(72.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_values),
        cmocka_unit_test(test_raw_bits),      cmocka_unit_test(test_index_and_step),
        cmocka_unit_test(test_rejection),     cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_statistics),    cmocka_unit_test(test_integers_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
