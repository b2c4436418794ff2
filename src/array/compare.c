/* Whether arrays agree as a whole, and which elements are no numbers. */
#include "array/build.h"

#include <string.h>

/* Do all elements hold? Consumes the array. */
static tsr_array *every(tsr_array *a) { return array_using(a ? tsr_all(a, 0, NULL, false) : NULL, a); }

static tsr_array *no(const tsr_array *a) { return tsr_scalar_array(a->session, scalar_bool(false)); }

tsr_array *tsr_isnull(tsr_array *a)
{
    if (!array_ready(a)) return NULL;
    return dtype_is_inexact(a->dtype) ? tsr_isnan(a) : tsr_not_equal(a, a);
}

tsr_array *tsr_notnull(tsr_array *a)
{
    tsr_array *is_null = tsr_isnull(a);
    return array_using(is_null ? tsr_logical_not(is_null) : NULL, is_null);
}

tsr_array *tsr_allclose(tsr_array *a, tsr_array *b, double rtol, double atol, bool equal_nan)
{
    return every(tsr_isclose(a, b, rtol, atol, equal_nan));
}

/* Are both NaN? */
static tsr_array *both_null(tsr_array *a, tsr_array *b)
{
    tsr_array *x = tsr_isnull(a), *y = tsr_isnull(b);
    return array_using(array_using(x && y ? tsr_logical_and(x, y) : NULL, x), y);
}

tsr_array *tsr_array_equal(tsr_array *a, tsr_array *b, bool equal_nan)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    if (a->ndim != b->ndim || memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->ndim) != 0) return no(a);
    tsr_array *same = tsr_equal(a, b);
    if (equal_nan && same) {
        tsr_array *null = both_null(a, b);
        same = array_using(array_using(null ? tsr_logical_or(same, null) : NULL, null), same);
    }
    return every(same);
}

static bool meet(const tsr_array *a, const tsr_array *b)
{
    for (int d = 1; d <= a->ndim && d <= b->ndim; d++) {
        int64_t m = a->shape[a->ndim - d], n = b->shape[b->ndim - d];
        if (m != n && m != 1 && n != 1) return false;
    }
    return true;
}

tsr_array *tsr_array_equiv(tsr_array *a, tsr_array *b)
{
    if (!array_ready(a) || !array_ready(b)) return NULL;
    return meet(a, b) ? every(tsr_equal(a, b)) : no(a);
}
