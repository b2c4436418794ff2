/* Chains against one operation after the other, on every instruction set: the same bits. */
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TABLES = 8, MOST = 700, N_STRIPS = 4, N_CHAINS = 3000 };

static uint64_t state = 88172645463325252u;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Numbers of ordinary size, and now and then all that is special. */
static double number(void)
{
    static const double special[] = {0,       -0.0,   INFINITY, -INFINITY, NAN,    0x1p-1074, -0x1p-1022, 0x1p1023,
                                     0x1p900, 0x1p90, -0x1p-90, 0x1p-140,  0x1p63, 0x1p-63,   1,          -1};
    if (draw() % 40 == 0) return special[draw() % 16];
    return ((double)(draw() >> 11) * 0x1p-53 - 0.5) * (draw() % 3 == 0 ? 1000 : 1);
}

/* Strips of both types; `strips[i] + MOST` is where the elements of one that runs backwards begin. */
typedef struct strips {
    double f64[N_STRIPS][2 * MOST];
    float f32[N_STRIPS][2 * MOST];
} strips;

static const void *strip_at(const strips *s, tsr_dtype dtype, int strip, int64_t i)
{
    return dtype == TSR_F64 ? (const void *)&s->f64[strip][MOST + i] : (const void *)&s->f32[strip][MOST + i];
}

static double read(const void *p, tsr_dtype dtype) { return dtype == TSR_F64 ? *(const double *)p : (double)*(const float *)p; }

/* One operation, rounded to the type. Products, sums and quotients of floats in double are rounded once only, as are square
 * roots (Figueroa, "When is double rounding innocuous?", 1995). */
static double apply(chain_op op, double x, double y, tsr_dtype dtype)
{
    volatile double r = x;
    switch (op) {
    case CHAIN_LOAD:
    case CHAIN_PUSH: r = y; break;
    case CHAIN_ADD: r = x + y; break;
    case CHAIN_SUBTRACT: r = x - y; break;
    case CHAIN_SUBTRACT_FROM: r = y - x; break;
    case CHAIN_MULTIPLY: r = x * y; break;
    case CHAIN_DIVIDE: r = x / y; break;
    case CHAIN_DIVIDE_INTO: r = y / x; break;
    case CHAIN_NEGATIVE: r = -x; break;
    case CHAIN_ABSOLUTE: r = fabs(x); break;
    case CHAIN_SQUARE: r = x * x; break;
    case CHAIN_SQRT: r = sqrt(x); break;
    }
    volatile float narrow = (float)r;
    return dtype == TSR_F64 ? r : (double)narrow;
}

/* A random chain; at most one value is pushed at a time. */
static int make_chain(const strips *s, tsr_dtype dtype, chain_link *links)
{
    int n = 1 + (int)(draw() % 8);
    bool pushed = false;
    for (int k = 0; k < n; k++) {
        links[k] = (chain_link){.op = k == 0 ? CHAIN_LOAD : (chain_op)(CHAIN_PUSH + draw() % 11)};
        if (links[k].op == CHAIN_PUSH && pushed) links[k].op = CHAIN_DIVIDE;
        if (links[k].op >= CHAIN_NEGATIVE) continue;
        links[k].from = (chain_from)(draw() % (pushed && links[k].op != CHAIN_PUSH ? 4 : 3));
        pushed = links[k].op == CHAIN_PUSH || (pushed && links[k].from != FROM_PUSHED);
        if (links[k].from != FROM_PUSHED) links[k].operand = strip_at(s, dtype, (int)(draw() % N_STRIPS), 0);
    }
    return n;
}

static double expected(const chain_link *links, int n_links, tsr_dtype dtype, int64_t i)
{
    const int64_t size = (int64_t)tsr_dtype_size(dtype);
    double x = 0, pushed = 0;
    for (int k = 0; k < n_links; k++) {
        const char *at = links[k].operand;
        double y = pushed;
        if (at) y = read(links[k].from == FROM_ONE ? at : links[k].from == FROM_STRIP ? at + i * size : at - i * size, dtype);
        if (links[k].op == CHAIN_PUSH) pushed = x;
        x = apply(links[k].op, x, y, dtype);
    }
    return x;
}

static void assert_same(double got, double want)
{
    if (got != got && want != want) return;
    assert_memory_equal(&got, &want, sizeof got);
}

static void check_chain(const kernels *k, tsr_dtype dtype, const chain_link *links, int n_links, size_t n)
{
    static _Alignas(64) double stored[MOST + 8], streamed[MOST + 8];
    double lanes[SUM_LANES], sums[SUM_LANES];
    for (int l = 0; l < SUM_LANES; l++) lanes[l] = sums[l] = -0.0;
    memset(stored, 0x55, sizeof stored);
    memset(streamed, 0x55, sizeof streamed);
    k->chain[dtype].store(stored, links, n_links, n);
    k->chain[dtype].stream(streamed, links, n_links, n);
    k->chain[dtype].sum(lanes, links, n_links, n);
    const size_t size = tsr_dtype_size(dtype);
    for (size_t i = 0; i < n; i++) {
        const double want = expected(links, n_links, dtype, (int64_t)i);
        assert_same(read((char *)stored + i * size, dtype), want);
        assert_same(read((char *)streamed + i * size, dtype), want);
        sums[i % SUM_LANES] += want;
    }
    for (int l = 0; l < SUM_LANES; l++) assert_same(lanes[l], sums[l]);
    /* Nothing behind the end is written. */
    assert_int_equal(((unsigned char *)stored)[n * size], 0x55);
    assert_int_equal(((unsigned char *)streamed)[n * size], 0x55);
}

static void test_chains(void **unused)
{
    static strips s;
    const kernels *tables[MAX_TABLES];
    const int n_tables = kernels_available(tables, MAX_TABLES);
    for (int i = 0; i < N_STRIPS; i++)
        for (int j = 0; j < 2 * MOST; j++) s.f32[i][j] = (float)(s.f64[i][j] = number());
    for (int c = 0; c < N_CHAINS; c++) {
        chain_link links[8];
        const tsr_dtype dtype = c % 2 ? TSR_F64 : TSR_F32;
        const int n_links = make_chain(&s, dtype, links);
        const size_t n = (size_t)(draw() % (draw() % 4 == 0 ? MOST : 70));
        for (int t = 0; t < n_tables; t++) check_chain(tables[t], dtype, links, n_links, n);
    }
}

/* Division by one number is done by multiplications where that gives the same bits: divisors and elements of all sizes. */
static void test_divisions(void **unused)
{
    static double x[MOST];
    static float narrow[MOST];
    const kernels *tables[MAX_TABLES];
    const int n_tables = kernels_available(tables, MAX_TABLES);
    for (int c = 0; c < 2000; c++) {
        const int spread = c % 3 == 0 ? 2000 : c % 3 == 1 ? 100 : 2;
        double y = ldexp(1 + (double)(draw() >> 11) * 0x1p-53, (int)(draw() % 400) - 200);
        float narrow_y = (float)ldexp(1 + (double)(draw() >> 11) * 0x1p-53, (int)(draw() % 60) - 30);
        for (int i = 0; i < MOST; i++) {
            x[i] = ldexp((double)(int64_t)draw() * 0x1p-63, (int)(draw() % (uint64_t)spread) - spread / 2);
            if (draw() % 50 == 0) x[i] = c % 2 ? 0.0 : -0.0;
            narrow[i] = (float)x[i];
        }
        const chain_link wide_links[] = {{.op = CHAIN_LOAD, .operand = x}, {.op = CHAIN_DIVIDE, .from = FROM_ONE, .operand = &y}};
        const chain_link links[] = {{.op = CHAIN_LOAD, .operand = narrow},
                                    {.op = CHAIN_DIVIDE, .from = FROM_ONE, .operand = &narrow_y}};
        for (int t = 0; t < n_tables; t++) {
            check_chain(tables[t], TSR_F64, wide_links, 2, MOST);
            check_chain(tables[t], TSR_F32, links, 2, MOST);
        }
    }
}

/* 2^-k modulo an odd y. */
static uint64_t half_power(uint64_t y, int k)
{
    uint64_t r = 1;
    for (; k > 0; k--) r = r % 2 ? (r + y) / 2 : r / 2;
    return r;
}

/* Quotients as near to where rounding changes as there are: x 2^k = h y + 1 or - 1 with an odd h of one digit more than a double
 * has. `y` is odd, and short enough that its quotients are one multiplication. */
static void test_hard_divisions(void **unused)
{
    static double x[MOST];
    const kernels *tables[MAX_TABLES];
    const int n_tables = kernels_available(tables, MAX_TABLES);
    const double two52 = 0x1p52;
    int n_hard = 0;
    for (int c = 0; c < 300; c++) {
        const int digits = 2 + (int)(draw() % 49); /* up to 50 */
        const uint64_t y = (1ull << (digits - 1)) | (draw() % (1ull << (digits - 1))) | 1;
        int n = 0;
        for (int tries = 0; n < MOST && tries < 20 * MOST; tries++) {
            const int k = digits + (int)(draw() % 2), sign = draw() % 2 ? 1 : -1;
            const uint64_t root = half_power(y, k), first = sign > 0 ? root : y - root;
            const uint64_t room = (uint64_t)two52 / y, number = (uint64_t)two52 + first + y * (draw() % (room + 1));
            const uint64_t big = number - number % y + first; /* the same modulo y, about 2^52 .. 2^53 */
            if (big < (uint64_t)two52 || big >> 53) continue;
            const unsigned __int128 h = (((unsigned __int128)big << k) - (unsigned __int128)(__int128)sign) / y;
            if (h % 2 == 0 || h >> 53 != 1) continue;
            x[n++] = ldexp((double)big, (int)(draw() % 20) - 60);
        }
        const double divisor = (double)y;
        const chain_link links[] = {{.op = CHAIN_LOAD, .operand = x},
                                    {.op = CHAIN_DIVIDE, .from = FROM_ONE, .operand = &divisor}};
        for (int t = 0; t < n_tables; t++) check_chain(tables[t], TSR_F64, links, 2, (size_t)n);
        n_hard += n;
    }
    assert_true(n_hard > 10000);
}

static void test_sum_of_lanes(void **unused)
{
    const kernels *tables[MAX_TABLES];
    const int n_tables = kernels_available(tables, MAX_TABLES);
    double x[SUM_LANES], want = -0.0;
    for (int l = 0; l < SUM_LANES; l++) x[l] = ldexp((double)(int64_t)draw() * 0x1p-63, (int)(draw() % 30));
    kernels_acc(tables[0], MONOID_SUM, TSR_F64)
        ->fold_rows((acc_state){{(char *)&want}}, &(acc_patch){.x = x, .rows = 1, .cols = SUM_LANES, .pitch = SUM_LANES}, 0,
                    NULL);
    for (int t = 0; t < n_tables; t++) assert_same(tables[t]->sum_of_lanes(x), want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chains), cmocka_unit_test(test_divisions),
                                       cmocka_unit_test(test_hard_divisions), cmocka_unit_test(test_sum_of_lanes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
