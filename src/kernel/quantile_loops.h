/* Quantiles of one type T; functions are NAME(...). Included by quantile.c once a type, which undefines both afterwards. */

/* Puts the elements of a[0 .. n) below the pivot (with `equal`: not above it) first, without branches. Returns their number. */
static int64_t NAME(partition)(T *a, int64_t n, T pivot, bool equal)
{
    int64_t below = 0;
    for (int64_t i = 0; i < n; i++) {
        const T x = a[i];
        a[i] = a[below];
        a[below] = x;
        below += equal ? x <= pivot : x < pivot;
    }
    return below;
}

static void NAME(sift)(T *a, int64_t root, int64_t n)
{
    const T x = a[root];
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && a[child + 1] > a[child]) child++;
        if (!(a[child] > x)) break;
        a[root] = a[child];
    }
    a[root] = x;
}

static void NAME(heap_sort)(T *a, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--) NAME(sift)(a, i, n);
    for (int64_t end = n - 1; end > 0; end--) {
        const T x = a[0];
        a[0] = a[end];
        a[end] = x;
        NAME(sift)(a, 0, end);
    }
}

static void NAME(insertion_sort)(T *a, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const T x = a[i];
        int64_t k = i;
        for (; k > 0 && a[k - 1] > x; k--) a[k] = a[k - 1];
        a[k] = x;
    }
}

static T NAME(median)(T a, T b, T c)
{
    const T low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* The median of three elements, of nine in long ranges. */
static T NAME(pivot)(const T *a, int64_t n)
{
    const int64_t m = n / 2, e = n / 8;
    if (n < 64) return NAME(median)(a[0], a[m], a[n - 1]);
    return NAME(median)(NAME(median)(a[0], a[e], a[2 * e]), NAME(median)(a[m - e], a[m], a[m + e]),
                        NAME(median)(a[n - 1 - 2 * e], a[n - 1 - e], a[n - 1]));
}

/* Rearranges a[0 .. n), free of NaN, so that a[k] is what sorting would put there, nothing before it is greater and nothing after
 * it less. */
static void NAME(select)(T *a, int64_t n, int64_t k)
{
    int budget = 4; /* partitions before giving up on pivots */
    for (int64_t m = n; m > 0; m >>= 1) budget += 2;
    while (n > 16) {
        if (budget-- == 0) {
            NAME(heap_sort)(a, n);
            return;
        }
        const T pivot = NAME(pivot)(a, n);
        const int64_t below = NAME(partition)(a, n, pivot, false);
        if (below > k) {
            n = below;
            continue;
        }
        a += below, n -= below, k -= below; /* the rest is not below the pivot: take away what equals it */
        const int64_t same = NAME(partition)(a, n, pivot, true);
        if (same > k) return;
        a += same, n -= same, k -= same;
    }
    NAME(insertion_sort)(a, n);
}

/* The element of rank k of a[0 .. n), free of NaN. Elements before *done are not greater than those from it on; *done < 0: all
 * sorted. */
static T NAME(rank)(T *a, int64_t n, int64_t k, int64_t *done)
{
    if (*done >= 0) {
        const int64_t from = k >= *done ? *done : 0;
        NAME(select)(a + from, n - from, k - from);
        *done = k;
    }
    return a[k];
}

/* The element of the next rank after NAME(rank). */
static T NAME(next)(const T *a, int64_t n, int64_t k, int64_t done)
{
    T next = a[k + 1];
    if (done < 0) return next;
    for (int64_t i = k + 2; i < n; i++) next = a[i] < next ? a[i] : next;
    return next;
}

/* A column's values to `to`, without NaN. Returns their number. */
static int64_t NAME(gather_valid)(T *to, const T *from, int64_t length, int64_t step)
{
    int64_t n = 0;
    for (int64_t i = 0; i < length; i++) {
        const T x = from[i * step];
        to[n] = x;
        n += to[n] == x; /* not NaN */
    }
    return n;
}
