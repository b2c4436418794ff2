/* The loops of chain.c for one type: T (a scalar), V (a vector of LANES), VI (its bits) and NAME(x). Included by chain.c only,
 * once for each type. */

static ALWAYS_INLINE V NAME(load)(const T *p)
{
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ALWAYS_INLINE V NAME(magnitude)(V x) { return (V)((VI)x & ~(VI)(SPLAT(-(T)0))); }

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
static ALWAYS_INLINE void NAME(step)(V *acc, const int n, const chain_link *link, size_t at)
{
    const T *b = link->operand ? (const T *)link->operand + at : NULL;
    const V y = SPLAT(link->is_single ? *(const T *)link->operand : 0);
    switch (2 * (int)link->op + link->is_single) {
        BINARY(CHAIN_ADD, x + STRIP, x + y)
        BINARY(CHAIN_SUBTRACT, x - STRIP, x - y)
        BINARY(CHAIN_SUBTRACT_FROM, STRIP - x, y - x)
        BINARY(CHAIN_MULTIPLY, x * STRIP, x * y)
        BINARY(CHAIN_DIVIDE, x / STRIP, x / y)
        BINARY(CHAIN_DIVIDE_INTO, STRIP / x, y / x)
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
static T NAME(single)(T x, const chain_link *link, size_t at)
{
    const T y = link->operand ? ((const T *)link->operand)[link->is_single ? 0 : at] : 0;
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

static void NAME(chain)(void *out_, const void *first_, const char *ahead, const chain_link *links, int n_links, size_t n)
{
    T *out = out_;
    const T *first = first_;
    size_t i = 0;
    for (; i + BLOCK * LANES <= n; i += BLOCK * LANES) {
        V acc[BLOCK];
        ask(ahead, i * sizeof(T));
        SIMD_UNROLL
        for (int v = 0; v < BLOCK; v++) acc[v] = NAME(load)(first + i + v * LANES);
        for (int k = 0; k < n_links; k++) {
            NAME(step)(acc, BLOCK, &links[k], i);
            ask(links[k].ahead, i * sizeof(T));
        }
        SIMD_UNROLL
        for (int v = 0; v < BLOCK; v++) memcpy(out + i + v * LANES, &acc[v], sizeof acc[v]);
    }
    for (; i + LANES <= n; i += LANES) {
        V acc[1] = {NAME(load)(first + i)};
        for (int k = 0; k < n_links; k++) NAME(step)(acc, 1, &links[k], i);
        memcpy(out + i, acc, sizeof acc);
    }
    for (; i < n; i++) {
        T x = first[i];
        for (int k = 0; k < n_links; k++) x = NAME(single)(x, &links[k], i);
        out[i] = x;
    }
}
