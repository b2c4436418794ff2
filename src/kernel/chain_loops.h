/* The loops of chain.c for one type: T (a scalar), V (a vector of LANES), VI (its bits), NAME(x), and the ranges within which
 * the quotient is found without a division. Included by chain.c only, once for each type. */

static ALWAYS_INLINE V NAME(load)(const T *p)
{
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ALWAYS_INLINE V NAME(magnitude)(V x) { return (V)((VI)x & ~(VI)(SPLAT(-(T)0))); }

/* acc / y for vectors [0, n): by the reciprocal where that is exact, otherwise by division. */
static ALWAYS_INLINE void NAME(divide_by_one)(V *acc, const int n, const NAME(factor) * by)
{
    const V y = SPLAT(by->y), high = SPLAT(by->high), low = SPLAT(by->low);
    V q[GROUP];
    VI good = ~(VI){0};
    if (by->quick) {
        SIMD_UNROLL
        for (int v = 0; v < n; v++) {
            const V x = acc[v], size = NAME(magnitude)(x), near = FMA(x, high, x * low), zero = x * high;
            const V exact = FMA(FMA(-near, y, x), high, near);
            const VI is_zero = (VI)(x == 0);
            q[v] = (V)((is_zero & (VI)zero) | (~is_zero & (VI)exact));
            good &= is_zero | ((VI)(size >= SPLAT(1 / X_RANGE)) & (VI)(size <= SPLAT(X_RANGE)));
        }
    }
    const bool exact = by->quick && !vi64_any(~(vi64)good);
    SIMD_UNROLL
    for (int v = 0; v < n; v++) acc[v] = exact ? q[v] : acc[v] / y;
}

#define EACH(expression)                                                                                                         \
    SIMD_UNROLL                                                                                                                  \
    for (int v = 0; v < n; v++) {                                                                                                \
        const V x = acc[v];                                                                                                      \
        acc[v] = (expression);                                                                                                   \
    }
#define STRIP NAME(load)(b + v * LANES)
#define BINARY(name, with_strip, with_one)                                                                                       \
    case 2 * name: EACH(with_strip) break;                                                                                       \
    case 2 * name + 1: EACH(with_one) break;

/* One operation on n vectors at element `at`. */
static ALWAYS_INLINE void NAME(step)(V *acc, const int n, const chain_link *link, const NAME(factor) * by, size_t at)
{
    const T *b = (const T *)link->operand + at;
    const V y = SPLAT(by->y);
    switch (2 * (int)link->op + link->is_single) {
        BINARY(CHAIN_ADD, x + STRIP, x + y)
        BINARY(CHAIN_SUBTRACT, x - STRIP, x - y)
        BINARY(CHAIN_SUBTRACT_FROM, STRIP - x, y - x)
        BINARY(CHAIN_MULTIPLY, x * STRIP, x * y)
        BINARY(CHAIN_DIVIDE_INTO, STRIP / x, y / x)
    case 2 * CHAIN_DIVIDE: EACH(x / STRIP) break;
    case 2 * CHAIN_DIVIDE + 1:
        for (int v = 0; v < n; v += GROUP) NAME(divide_by_one)(acc + v, n < GROUP ? n : GROUP, by);
        break;
    case 2 * CHAIN_NEGATIVE: EACH(-x) break;
    case 2 * CHAIN_ABSOLUTE: EACH(NAME(magnitude)(x)) break;
    case 2 * CHAIN_SQUARE: EACH(x * x) break;
    case 2 * CHAIN_SQRT: EACH(SQRT(x)) break;
    default: break;
    }
}
#undef EACH
#undef STRIP
#undef BINARY

/* The elements behind the last whole vector. */
static T NAME(single)(T x, const chain_link *link, const NAME(factor) * by, size_t at)
{
    const T y = link->is_single || !link->operand ? by->y : ((const T *)link->operand)[at];
    switch (link->op) {
    case CHAIN_ADD: return x + y;
    case CHAIN_SUBTRACT: return x - y;
    case CHAIN_SUBTRACT_FROM: return y - x;
    case CHAIN_MULTIPLY: return x * y;
    case CHAIN_DIVIDE: return x / y;
    case CHAIN_DIVIDE_INTO: return y / x;
    case CHAIN_NEGATIVE: return -x;
    case CHAIN_ABSOLUTE: return x < 0 || x == 0 || x != x ? NAME(magnitude)(SPLAT(x))[0] : x;
    case CHAIN_SQUARE: return x * x;
    case CHAIN_SQRT: return SQRT(SPLAT(x))[0];
    }
    return x;
}

static void NAME(chain)(void *out_, const void *first_, const chain_link *links, int n_links, size_t n)
{
    T *out = out_;
    const T *first = first_;
    NAME(factor) factors[CHAIN_MAX_LINKS];
    for (int k = 0; k < n_links; k++) {
        const T y = links[k].is_single ? *(const T *)links[k].operand : 0, size = y < 0 ? -y : y;
        factors[k] = (NAME(factor)){.y = y};
        if (links[k].op != CHAIN_DIVIDE || !HAS_FMA || !(size >= 1 / Y_RANGE && size <= Y_RANGE)) continue;
        factors[k].quick = true;
        factors[k].high = 1 / y;
        factors[k].low = SCALAR_FMA(-factors[k].high, y, 1) / y;
    }
    size_t i = 0;
    for (; i + BLOCK * LANES <= n; i += BLOCK * LANES) {
        V acc[BLOCK];
        SIMD_UNROLL
        for (int v = 0; v < BLOCK; v++) acc[v] = NAME(load)(first + i + v * LANES);
        for (int k = 0; k < n_links; k++) NAME(step)(acc, BLOCK, &links[k], &factors[k], i);
        SIMD_UNROLL
        for (int v = 0; v < BLOCK; v++) memcpy(out + i + v * LANES, &acc[v], sizeof acc[v]);
    }
    for (; i + LANES <= n; i += LANES) {
        V acc[1] = {NAME(load)(first + i)};
        for (int k = 0; k < n_links; k++) NAME(step)(acc, 1, &links[k], &factors[k], i);
        memcpy(out + i, acc, sizeof acc);
    }
    for (; i < n; i++) {
        T x = first[i];
        for (int k = 0; k < n_links; k++) x = NAME(single)(x, &links[k], &factors[k], i);
        out[i] = x;
    }
}
