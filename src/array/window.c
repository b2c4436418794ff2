/* Sliding windows, and what is made of them: coarsening. */
#include "array/build.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

tsr_array *tsr_sliding_window(tsr_array *a, int64_t n, int64_t step, int axis)
{
    if (!array_ready(a) || axis_check("sliding_window", a, axis, &axis) != TSR_OK) return NULL;
    int64_t length = a->shape[axis], *owned = NULL;
    if (n < 1 || n > length || step < 1) {
        (void)error_set(TSR_ERR_VALUE,
                        "sliding_window: windows of %" PRId64 " elements, %" PRId64 " apart, along axis %d of length %" PRId64, n,
                        step, axis, length);
        return NULL;
    }
    if (a->ndim == TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "sliding_window: %d dimensions, at most %d are possible", a->ndim + 1, TSR_MAX_NDIM);
        return NULL;
    }
    tsr_array proto = {.op = NODE_WINDOW, .dtype = a->dtype, .ndim = a->ndim + 1, .n_inputs = 1, .inputs = &a, .grid = a->grid};
    memcpy(proto.shape, a->shape, sizeof proto.shape);
    proto.shape[axis] = (length - n) / step + 1;
    proto.shape[a->ndim] = n;
    proto.grid.ndim = proto.ndim;
    proto.grid.axes[a->ndim] = axis_grid_regular(n, n);
    proto.p.window.axis = axis;
    proto.p.window.n = n;
    proto.p.window.step = step;
    if (shape_check("sliding_window", proto.ndim, proto.shape) != TSR_OK) return NULL;
    if (chunks_slice(&a->grid.axes[axis], 0, step, proto.shape[axis], &proto.grid.axes[axis], &owned) != TSR_OK) return NULL;
    tsr_array *result = node_make(a->session, &proto);
    mem_free(owned);
    return result;
}

/* ---- Coarsening ------------------------------------------------------------------------------------------------------ */

typedef tsr_array *reduction(tsr_array *a, int n_axes, const int *axes, bool keepdims);

static const struct {
    const char *name;
    reduction *apply;
} reductions[] = {
    {"sum", tsr_sum},
    {"prod", tsr_prod},
    {"min", tsr_min},
    {"max", tsr_max},
    {"ptp", tsr_ptp},
    {"any", tsr_any},
    {"all", tsr_all},
    {"mean", tsr_mean},
    {"count_nonzero", tsr_count_nonzero},
    {"median", tsr_median},
    {"nansum", tsr_nansum},
    {"nanprod", tsr_nanprod},
    {"nanmin", tsr_nanmin},
    {"nanmax", tsr_nanmax},
    {"nanmean", tsr_nanmean},
    {"nanmedian", tsr_nanmedian},
    {"count_valid", tsr_count_valid},
};
enum { N_REDUCTIONS = sizeof reductions / sizeof *reductions };

static reduction *find_reduction(const char *name)
{
    for (int i = 0; i < N_REDUCTIONS; i++)
        if (strcmp(reductions[i].name, name) == 0) return reductions[i].apply;
    (void)error_set(TSR_ERR_NOT_FOUND,
                    "coarsen: no reduction '%s'; sum, mean, min, max, median, nanmean and the like are possible", name);
    return NULL;
}

/* The axis cut to whole groups, which become a new last axis. */
static tsr_array *grouped(tsr_array *a, int axis, int64_t factor, bool trim_excess)
{
    int64_t length = a->shape[axis];
    if (factor < 1 || (length % factor != 0 && !trim_excess)) {
        (void)error_set(TSR_ERR_VALUE, "coarsen: axis %d of length %" PRId64 " is no multiple of %" PRId64 "; trim the excess",
                        axis, length, factor);
        return NULL;
    }
    if (length < factor) { /* nothing is left */
        int64_t shape[TSR_MAX_NDIM];
        memcpy(shape, a->shape, sizeof shape);
        shape[axis] = 0;
        shape[a->ndim] = factor;
        return tsr_zeros(a->session, a->dtype, a->ndim + 1, shape, NULL);
    }
    return tsr_sliding_window(a, factor, factor, axis);
}

tsr_array *tsr_coarsen(tsr_array *a, const char *name, const int64_t *factors, bool trim_excess)
{
    reduction *apply = array_ready(a) ? find_reduction(name) : NULL;
    int axes[TSR_MAX_NDIM], n_axes = 0;
    if (!apply) return NULL;
    tsr_array *groups = node_ref(a);
    for (int d = 0; groups && d < a->ndim; d++) {
        if (factors[d] == 1) continue;
        if (groups->ndim == TSR_MAX_NDIM) {
            (void)error_set(TSR_ERR_VALUE, "coarsen: %d dimensions are too many", a->ndim);
            return array_using(NULL, groups);
        }
        axes[n_axes++] = groups->ndim;
        groups = array_using(grouped(groups, d, factors[d], trim_excess), groups);
    }
    return array_using(groups ? apply(groups, n_axes, axes, false) : NULL, groups);
}
