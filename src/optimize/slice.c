/* Views taken apart into a slice, which says which elements are needed, and a view of that, which says how they are arranged. */
#include "optimize/rewrite.h"

slice slice_of_view(const tsr_array *view)
{
    slice s = {.shrinks = false};
    const tsr_array *x = view->inputs[0];
    for (int d = 0; d < x->ndim; d++) {
        view_axis v = view->p.view.axes[d];
        int64_t n = v.axis < 0 ? 1 : view->shape[v.axis];
        if (v.axis < 0 || v.step == 0) {
            s.axes[d] = (range){v.start, 1, 1};
            s.rest[d] = (view_axis){-1, 0, 0};
        } else if (n == 1) {
            s.axes[d] = (range){v.start, 1, 1};
            s.rest[d] = (view_axis){v.axis, 0, 1};
        } else if (v.step > 0) {
            s.axes[d] = (range){v.start, v.step, n};
            s.rest[d] = (view_axis){v.axis, 0, 1};
        } else {
            s.axes[d] = (range){v.start + v.step * (n - 1), -v.step, n};
            s.rest[d] = (view_axis){v.axis, n - 1, -1};
        }
        s.shrinks |= s.axes[d].count < x->shape[d];
    }
    return s;
}

tsr_array *make_slice(tsr_array *a, const range *axes)
{
    view_axis view[TSR_MAX_NDIM];
    int64_t shape[TSR_MAX_NDIM];
    if (!a) return NULL;
    for (int d = 0; d < a->ndim; d++) {
        view[d] = (view_axis){d, axes[d].start, axes[d].step};
        shape[d] = axes[d].count;
    }
    return array_view(a, a->ndim, shape, view);
}

tsr_array *view_of_slice(const tsr_array *view, const slice *s, tsr_array *sliced)
{
    return array_using(array_view(sliced, view->ndim, view->shape, s->rest), sliced);
}
