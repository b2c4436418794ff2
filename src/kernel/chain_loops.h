/* The loops of chain.c for one type: T (a scalar), V (a vector of LANES), VI (its bits) and NAME(x). Included by chain.c only,
 * once for each type. */

static ALWAYS_INLINE V NAME(load)(const T *p)
{
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* LANES elements downwards from *p. */
static ALWAYS_INLINE V NAME(load_down)(const T *p)
{
    V v = NAME(load)(p - (LANES - 1));
    return __builtin_shufflevector(v, v, REVERSED_LANES);
}

static ALWAYS_INLINE V NAME(sign)(V x) { return (V)((VI)x & (VI)(SPLAT(-(T)0))); }
static ALWAYS_INLINE V NAME(magnitude)(V x) { return (V)((VI)x & ~(VI)(SPLAT(-(T)0))); }

/* ---- Division by one number -------------------------------------------------------------------------------------- */

/* A division takes ten times as long as a multiplication, so with a fused multiply-add x / y is found from the reciprocal in two
 * parts, high = 1 / y rounded and low = what it lacks: q = x high + x low is within an ULP of x / y, then x - q y is exact, and
 * q + (x - q y) high is x / y correctly rounded (Markstein, "Computation of elementary functions on the IBM RISC System/6000",
 * 1990; Brisebarre, Muller, Raina, IEEE Trans. Computers 53, 2004). That holds while nothing over- or underflows. */
typedef struct NAME(divisor) {
    T high, low;
    bool is_quick; /* it is not too large or too small */
} NAME(divisor);

static NAME(divisor) NAME(divisor_of)(T y)
{
    const T size = y < 0 ? -y : y, high = 1 / y;
    const bool is_quick = HAS_FMA && size >= 1 / DIVISOR_RANGE && size <= DIVISOR_RANGE;
    return (NAME(divisor)){.high = high, .low = is_quick ? FMA_SCALAR(-high, y, 1) / y : 0, .is_quick = is_quick};
}

/* Is the exponent in the middle half of all exponents, where its two highest bits differ? The highest bit of the exponent says
 * so. */
static ALWAYS_INLINE VI NAME(middle)(V x) { return (VI)x ^ ((VI)x << 1); }

static ALWAYS_INLINE V NAME(quotient)(V x, V y, V high, V low)
{
    const V q = FMA(x, high, x * low);
    return FMA(FMA(-q, y, x), high, q);
}

/* acc / y, the quick way for elements of a middle size and zeros; a block with others is divided as usual. */
static ALWAYS_INLINE void NAME(divide)(V *acc, const int n, T y_, const NAME(divisor) * d)
{
    const V y = SPLAT(y_), high = SPLAT(d->high), low = SPLAT(d->low);
    VI all = (VI){0} - 1, all_or_zero = (VI){0} - 1;
    SIMD_UNROLL
    for (int v = 0; HAS_FMA && v < n; v++) all &= NAME(middle)(acc[v]);
    if (HAS_FMA && d->is_quick && !vi64_any((vi64)((all & EXPONENT_TOP) == 0))) {
        SIMD_UNROLL
        for (int v = 0; v < n; v++) acc[v] = NAME(quotient)(acc[v], y, high, low);
        return;
    }
    for (int v = 0; HAS_FMA && v < n; v++) all_or_zero &= (acc[v] == 0) | ((NAME(middle)(acc[v]) & EXPONENT_TOP) != 0);
    const bool is_quick = HAS_FMA && d->is_quick && !vi64_any((vi64)~all_or_zero);
    SIMD_UNROLL
    for (int v = 0; v < n; v++) {
        const V x = acc[v], sign = (V)((VI)NAME(sign)(x) ^ (VI)NAME(sign)(y)); /* of zeros too */
        acc[v] = is_quick ? (V)((VI)NAME(magnitude)(NAME(quotient)(x, y, high, low)) | (VI)sign) : x / y;
    }
}

/* ---- Links ------------------------------------------------------------------------------------------------------- */

#define EACH(expression)                                                                                                         \
    SIMD_UNROLL                                                                                                                  \
    for (int v = 0; v < n; v++) {                                                                                                \
        const V x = acc[v];                                                                                                      \
        (void)x;                                                                                                                 \
        acc[v] = (expression);                                                                                                   \
    }
#define CASE(op, from) case N_CHAIN_FROM *(int)(op) + (int)(from)
#define UP NAME(load)(y + at + v * LANES)
#define DOWN NAME(load_down)(y - at - v * LANES)
#define BINARY(op, with_strip, with_reversed, with_one, with_pushed)                                                             \
    CASE(op, FROM_STRIP) : EACH(with_strip) break;                                                                               \
    CASE(op, FROM_REVERSED) : EACH(with_reversed) break;                                                                         \
    CASE(op, FROM_ONE) : EACH(with_one) break;                                                                                   \
    CASE(op, FROM_PUSHED) : EACH(with_pushed) break;

/* One link on n vectors from element `at`. */
static ALWAYS_INLINE void NAME(step)(V *acc, V *pushed, const int n, const chain_link *link, const NAME(divisor) * divisor,
                                     size_t at_)
{
    const ptrdiff_t at = (ptrdiff_t)at_;
    const T *y = link->operand;
    const V one = SPLAT(link->from == FROM_ONE ? *y : 0);
    chain_op op = link->op;
    if (op == CHAIN_PUSH) {
        SIMD_UNROLL
        for (int v = 0; v < n; v++) pushed[v] = acc[v];
        op = CHAIN_LOAD;
    }
    switch (N_CHAIN_FROM * (int)op + (int)link->from) {
        CASE(CHAIN_LOAD, FROM_STRIP) : EACH(UP) break;
        CASE(CHAIN_LOAD, FROM_REVERSED) : EACH(DOWN) break;
        CASE(CHAIN_LOAD, FROM_ONE) : EACH(one) break;
        BINARY(CHAIN_ADD, x + UP, x + DOWN, x + one, x + pushed[v])
        BINARY(CHAIN_SUBTRACT, x - UP, x - DOWN, x - one, x - pushed[v])
        BINARY(CHAIN_SUBTRACT_FROM, UP - x, DOWN - x, one - x, pushed[v] - x)
        BINARY(CHAIN_MULTIPLY, x * UP, x * DOWN, x * one, x * pushed[v])
        CASE(CHAIN_DIVIDE, FROM_STRIP) : EACH(x / UP) break;
        CASE(CHAIN_DIVIDE, FROM_REVERSED) : EACH(x / DOWN) break;
        CASE(CHAIN_DIVIDE, FROM_ONE) : NAME(divide)(acc, n, *y, divisor);
        break;
        CASE(CHAIN_DIVIDE, FROM_PUSHED) : EACH(x / pushed[v]) break;
        BINARY(CHAIN_DIVIDE_INTO, UP / x, DOWN / x, one / x, pushed[v] / x)
        CASE(CHAIN_NEGATIVE, 0) : EACH(-x) break;
        CASE(CHAIN_ABSOLUTE, 0) : EACH(NAME(magnitude)(x)) break;
        CASE(CHAIN_SQUARE, 0) : EACH(x * x) break;
        CASE(CHAIN_SQRT, 0) : EACH(SQRT(x)) break;
    default: break;
    }
}
#undef EACH
#undef CASE
#undef UP
#undef DOWN
#undef BINARY

/* ---- Chains ------------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE void NAME(drain)(chain_sink sink, void *out, const V *acc, const int n, size_t at)
{
    SIMD_UNROLL
    for (int v = 0; v < n; v++) {
        if (sink == SINK_SUM)
            NAME(sum)(out, at + (size_t)v * LANES, acc[v]);
        else if (sink == SINK_STREAM)
            stream((T *)out + at + v * LANES, &acc[v]);
        else
            memcpy((T *)out + at + v * LANES, &acc[v], sizeof acc[v]);
    }
}

/* The last elements, fewer than a vector: on copies of the operands, the lanes behind them filled with 1. */
static void NAME(run_rest)(chain_sink sink, void *out, const chain_link *links, int n_links, const NAME(divisor) * divisors,
                           size_t at, size_t n)
{
    V acc[1] = {{0}}, pushed[1] = {{0}};
    for (int k = 0; k < n_links; k++) {
        T rest[LANES];
        chain_link link = links[k];
        const T *y = link.operand;
        if (y && link.from != FROM_ONE) {
            for (size_t l = 0; l < LANES; l++)
                rest[l] = l >= n ? 1 : link.from == FROM_STRIP ? y[at + l] : y[-(ptrdiff_t)(at + l)];
            link.operand = rest;
            link.from = FROM_STRIP;
        }
        NAME(step)(acc, pushed, 1, &link, &divisors[k], 0);
    }
    if (sink == SINK_SUM) {
        for (size_t l = n; l < LANES; l++) acc[0][l] = -(T)0;
        NAME(sum)(out, at, acc[0]);
    } else {
        memcpy((T *)out + at, acc, n * sizeof(T));
    }
}

static ALWAYS_INLINE void NAME(run)(chain_sink sink, void *out, const chain_link *links, int n_links, size_t n)
{
    NAME(divisor) divisors[CHAIN_MAX_LINKS];
    V acc[BLOCK] = {{0}}, pushed[BLOCK] = {{0}};
    size_t i = 0;
    for (int k = 0; k < n_links; k++)
        if (links[k].op == CHAIN_DIVIDE && links[k].from == FROM_ONE)
            divisors[k] = NAME(divisor_of)(*(const T *)links[k].operand);
#define RUN_BLOCKS(size)                                                                                                         \
    for (; i + size * LANES <= n; i += size * LANES) {                                                                           \
        for (int k = 0; k < n_links; k++) {                                                                                      \
            NAME(step)(acc, pushed, size, &links[k], &divisors[k], i);                                                           \
            ask(links[k].ahead, i * sizeof(T), size * SIMD_BYTES);                                                               \
        }                                                                                                                        \
        NAME(drain)(sink, out, acc, size, i);                                                                                    \
    }
    RUN_BLOCKS(BLOCK)
    RUN_BLOCKS(SMALL_BLOCK)
    RUN_BLOCKS(1)
#undef RUN_BLOCKS
    if (i < n) NAME(run_rest)(sink, out, links, n_links, divisors, i, n - i);
}

static void NAME(store)(void *out, const chain_link *links, int n_links, size_t n)
{
    NAME(run)(SINK_STORE, out, links, n_links, n);
}
static void NAME(stream)(void *out, const chain_link *links, int n_links, size_t n)
{
    NAME(run)(SINK_STREAM, out, links, n_links, n);
}
static void NAME(sum_rows)(void *out, const chain_link *links, int n_links, size_t n)
{
    NAME(run)(SINK_SUM, out, links, n_links, n);
}
