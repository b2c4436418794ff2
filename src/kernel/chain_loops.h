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
 * parts, high = 1 / y rounded and low = what it lacks, rounded: q = x high + (x low) is exact but for 2^-52 of q's last place
 * (with p = 53 bits; 2^(1-p) in general), before it is rounded. If the digits of y are an odd number Y < 2^(p-2) and zeros, x / y
 * lies at least 1 / 2Y of a place away from where rounding changes, since it is a fraction over Y: then q is x / y correctly
 * rounded. For other y one step more: q is within a place of x / y, so x - q y is exact, and q + (x - q y) high is correctly
 * rounded (Markstein, "Computation of elementary functions on the IBM RISC System/6000", 1990; for both Brisebarre, Muller,
 * Raina, IEEE Trans. Computers 53, 2004). That holds while nothing over- or underflows. */
typedef struct NAME(divisor) {
    T high, low;
    bool is_quick; /* it is not too large or too small */
    bool is_short; /* its last three digits are zeros */
} NAME(divisor);

static NAME(divisor) NAME(divisor_of)(T y)
{
    const T size = y < 0 ? -y : y, high = 1 / y;
    const bool is_quick = HAS_FMA && size >= 1 / DIVISOR_RANGE && size <= DIVISOR_RANGE;
    BITS bits;
    memcpy(&bits, &y, sizeof bits);
    return (NAME(divisor)){
        .high = high, .low = is_quick ? FMA_SCALAR(-high, y, 1) / y : 0, .is_quick = is_quick, .is_short = bits % 8 == 0};
}

/* Is the exponent in the middle half of all exponents, where its two highest bits differ? The highest bit of the exponent says
 * so: the carry from the next one has changed it unless both were clear or both set. */
static ALWAYS_INLINE VI NAME(middle)(V x) { return (VI)x + EXPONENT_SECOND; }

static ALWAYS_INLINE V NAME(quotient)(V x, V y, V high, V low)
{
    const V q = FMA(x, high, x * low);
    return FMA(FMA(-q, y, x), high, q);
}

/* acc / y for a block that is not divided as below: the quick way for zeros as well, and x / y. */
static __attribute__((noinline)) void NAME(divide_slowly)(V *acc, int n, T y_, const NAME(divisor) * d)
{
    const V y = SPLAT(y_), high = SPLAT(d->high), low = SPLAT(d->low);
    VI all = (VI){0} - 1;
    for (int v = 0; HAS_FMA && v < n; v++) all &= (acc[v] == 0) | ((NAME(middle)(acc[v]) & EXPONENT_TOP) != 0);
    const bool is_quick = HAS_FMA && d->is_quick && !vi64_any((vi64)~all);
    for (int v = 0; v < n; v++) {
        const V x = acc[v], sign = (V)((VI)NAME(sign)(x) ^ (VI)NAME(sign)(y)); /* of zeros too */
        acc[v] = is_quick ? (V)((VI)NAME(magnitude)(NAME(quotient)(x, y, high, low)) | (VI)sign) : x / y;
    }
}

/* acc / y, the quick way for elements of a middle size. */
static ALWAYS_INLINE void NAME(divide)(V *acc, const int n, T y_, const NAME(divisor) * d, bool is_short)
{
    VI all = (VI){0} - 1;
    SIMD_UNROLL
    for (int v = 0; v < n; v++) all &= NAME(middle)(acc[v]);
    if (vi64_any((vi64)((all & EXPONENT_TOP) == 0))) {
        V slow[LONG_BLOCK];
        SIMD_UNROLL
        for (int v = 0; v < n; v++) slow[v] = acc[v];
        NAME(divide_slowly)(slow, n, y_, d);
        SIMD_UNROLL
        for (int v = 0; v < n; v++) acc[v] = slow[v];
        return;
    }
    const V y = SPLAT(y_), high = SPLAT(d->high), low = SPLAT(d->low);
    SIMD_UNROLL
    for (int v = 0; v < n; v++) acc[v] = is_short ? FMA(acc[v], high, acc[v] * low) : NAME(quotient)(acc[v], y, high, low);
}

/* ---- Links ------------------------------------------------------------------------------------------------------- */

/* A link as the loops want it: what to do in one number, a single operand as a value. */
typedef struct NAME(bound_link) {
    int code;
    T one;
    const T *operand;
    NAME(divisor) divisor;
} NAME(bound_link);

#define CODE(op, from) (N_CHAIN_FROM * (int)(op) + (int)(from))
enum { NAME(DIVIDE_SHORT) = CODE(CHAIN_SQRT + 1, 0), NAME(DIVIDE_LONG) };

static NAME(bound_link) NAME(bind_link)(const chain_link *link)
{
    NAME(bound_link) b = {.code = CODE(link->op, link->from), .operand = link->operand};
    if (link->from == FROM_ONE) b.one = *b.operand;
    if (link->op == CHAIN_DIVIDE && link->from == FROM_ONE) {
        b.divisor = NAME(divisor_of)(b.one);
        if (b.divisor.is_quick) b.code = b.divisor.is_short ? NAME(DIVIDE_SHORT) : NAME(DIVIDE_LONG);
    }
    return b;
}

#define EACH(expression)                                                                                                         \
    SIMD_UNROLL                                                                                                                  \
    for (int v = 0; v < n; v++) {                                                                                                \
        const V x = acc[v];                                                                                                      \
        (void)x;                                                                                                                 \
        acc[v] = (expression);                                                                                                   \
    }
#define CASE(op, from) case CODE(op, from)
#define UP NAME(load)(y + at + v * LANES)
#define DOWN NAME(load_down)(y - at - v * LANES)
#define ONE(expression)                                                                                                          \
    {                                                                                                                            \
        const V one = SPLAT(link->one);                                                                                          \
        EACH(expression)                                                                                                         \
        break;                                                                                                                   \
    }
#define BINARY(op, with_strip, with_reversed, with_one, with_pushed)                                                             \
    CASE(op, FROM_STRIP) : EACH(with_strip) break;                                                                               \
    CASE(op, FROM_REVERSED) : EACH(with_reversed) break;                                                                         \
    CASE(op, FROM_ONE) : ONE(with_one);                                                                                          \
    CASE(op, FROM_PUSHED) : EACH(with_pushed) break;
#define PUSH                                                                                                                     \
    SIMD_UNROLL                                                                                                                  \
    for (int v = 0; v < n; v++) pushed[v] = acc[v];

/* One link on n vectors from element `at`. */
static ALWAYS_INLINE void NAME(step)(V *acc, V *pushed, const int n, const NAME(bound_link) * link, ptrdiff_t at)
{
    const T *y = link->operand;
    switch (link->code) {
        CASE(CHAIN_PUSH, FROM_STRIP) : PUSH EACH(UP) break;
        CASE(CHAIN_PUSH, FROM_REVERSED) : PUSH EACH(DOWN) break;
        CASE(CHAIN_PUSH, FROM_ONE) : PUSH ONE(one);
        CASE(CHAIN_LOAD, FROM_STRIP) : EACH(UP) break;
        CASE(CHAIN_LOAD, FROM_REVERSED) : EACH(DOWN) break;
        CASE(CHAIN_LOAD, FROM_ONE) : ONE(one);
        BINARY(CHAIN_ADD, x + UP, x + DOWN, x + one, x + pushed[v])
        BINARY(CHAIN_SUBTRACT, x - UP, x - DOWN, x - one, x - pushed[v])
        BINARY(CHAIN_SUBTRACT_FROM, UP - x, DOWN - x, one - x, pushed[v] - x)
        BINARY(CHAIN_MULTIPLY, x * UP, x * DOWN, x * one, x * pushed[v])
        CASE(CHAIN_DIVIDE, FROM_STRIP) : EACH(x / UP) break;
        CASE(CHAIN_DIVIDE, FROM_REVERSED) : EACH(x / DOWN) break;
        CASE(CHAIN_DIVIDE, FROM_ONE) : ONE(x / one);
        CASE(CHAIN_DIVIDE, FROM_PUSHED) : EACH(x / pushed[v]) break;
    case NAME(DIVIDE_SHORT): NAME(divide)(acc, n, link->one, &link->divisor, true); break;
    case NAME(DIVIDE_LONG):
        NAME(divide)(acc, n, link->one, &link->divisor, false);
        break;
        BINARY(CHAIN_DIVIDE_INTO, UP / x, DOWN / x, one / x, pushed[v] / x)
        CASE(CHAIN_NEGATIVE, 0) : EACH(-x) break;
        CASE(CHAIN_ABSOLUTE, 0) : EACH(NAME(magnitude)(x)) break;
        CASE(CHAIN_SQUARE, 0) : EACH(x * x) break;
        CASE(CHAIN_SQRT, 0) : EACH(SQRT(x)) break;
    default: __builtin_unreachable();
    }
}
#undef EACH
#undef CASE
#undef UP
#undef DOWN
#undef ONE
#undef BINARY
#undef PUSH

/* ---- Chains ------------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE void NAME(drain)(chain_sink sink, void *out, const V *acc, const int n, size_t at)
{
    /* Where a block is a whole number of rounds, its vectors always go to the same lanes. */
    const size_t first = (size_t)n * LANES % FOLD_LANES == 0 ? 0 : at;
    SIMD_UNROLL
    for (int v = 0; v < n; v++) {
        if (sink == SINK_SUM)
            NAME(sum)(out, first + (size_t)v * LANES, acc[v]);
        else if (sink == SINK_STREAM)
            stream((T *)out + at + v * LANES, &acc[v]);
        else
            memcpy((T *)out + at + v * LANES, &acc[v], sizeof acc[v]);
    }
}

/* The last elements, fewer than a vector: on copies of the operands, the lanes behind them filled with 1. */
static void NAME(run_rest)(chain_sink sink, void *out, const NAME(bound_link) * links, int n_links, size_t at, size_t n)
{
    V acc[1] = {{0}}, pushed[1] = {{0}};
    for (int k = 0; k < n_links; k++) {
        T rest[LANES];
        NAME(bound_link) link = links[k];
        const chain_from from = link.code % N_CHAIN_FROM;
        const T *y = link.operand;
        if (y && link.code < NAME(DIVIDE_SHORT) && from != FROM_ONE) {
            for (size_t l = 0; l < LANES; l++) rest[l] = l >= n ? 1 : from == FROM_STRIP ? y[at + l] : y[-(ptrdiff_t)(at + l)];
            link.operand = rest;
            link.code += (int)FROM_STRIP - (int)from;
        }
        NAME(step)(acc, pushed, 1, &link, 0);
    }
    if (sink == SINK_SUM) {
        for (size_t l = n; l < LANES; l++) acc[0][l] = -(T)0;
        NAME(sum)(out, at, acc[0]);
    } else {
        memcpy((T *)out + at, acc, n * sizeof(T));
    }
}

/* Runs the links on blocks of `size` vectors as long as there are so many. Returns the element that comes next. */
static ALWAYS_INLINE size_t NAME(run_blocks)(chain_sink sink, void *out, const NAME(bound_link) * links, int n_links,
                                             const memory_ahead *const *ahead, int n_ahead, const int size, size_t i, size_t n)
{
    const size_t n_block = (size_t)size * LANES;
    V acc[LONG_BLOCK] = {{0}}, pushed[LONG_BLOCK] = {{0}};
    for (; i + n_block <= n; i += n_block) {
        ptrdiff_t at = (ptrdiff_t)i;
        __asm__("" : "+r"(at)); /* else the compiler keeps an address for every vector, and has no registers for them */
        for (int k = 0; k < n_links; k++) NAME(step)(acc, pushed, size, &links[k], at);
        for (int k = 0; k < n_ahead; k++) ask(ahead[k], at * (ptrdiff_t)sizeof(T), size * SIMD_BYTES);
        NAME(drain)(sink, out, acc, size, (size_t)at);
    }
    return i;
}

static ALWAYS_INLINE void NAME(run)(chain_sink sink, void *out, const chain_link *links, int n_links, size_t n)
{
    NAME(bound_link) bound[CHAIN_MAX_LINKS];
    const memory_ahead *ahead[CHAIN_MAX_LINKS];
    int n_ahead = 0;
    for (int k = 0; k < n_links; k++) {
        bound[k] = NAME(bind_link)(&links[k]);
        if (links[k].ahead) ahead[n_ahead++] = links[k].ahead;
    }
    size_t i = NAME(run_blocks)(sink, out, bound, n_links, ahead, n_ahead, LONG_BLOCK, 0, n);
    i = NAME(run_blocks)(sink, out, bound, n_links, ahead, n_ahead, SMALL_BLOCK, i, n);
    i = NAME(run_blocks)(sink, out, bound, n_links, ahead, n_ahead, 1, i, n);
    if (i < n) NAME(run_rest)(sink, out, bound, n_links, i, n - i);
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
#undef CODE
