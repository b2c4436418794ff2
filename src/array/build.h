/* What the constructors share: checked arguments, and the primitives with their trivial simplifications. Functions that return an
 * array follow the public rules: NULL in gives NULL out, NULL is a failure with its text recorded, a result is a new reference.
 */
#ifndef TESSERA_ARRAY_BUILD_H
#define TESSERA_ARRAY_BUILD_H

#include "array/node.h"
#include "array/session.h"

/* Chunks for a new array: `chunks` as in the public header; align (may be NULL) is the source's own chunk. */
tsr_status chunks_choose(const tsr_session *s, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks,
                         const int64_t *align, grid *out) MUST_CHECK;
/* The borders of `in` seen through start + step * i, i < length. On success *owned must be mem_freed after the node is made. */
tsr_status chunks_slice(const axis_grid *in, int64_t start, int64_t step, int64_t length, axis_grid *out,
                        int64_t **owned) MUST_CHECK;

tsr_array *array_view(tsr_array *a, int ndim, const int64_t *shape, const view_axis *axes);
tsr_array *array_cast(tsr_array *a, tsr_dtype dtype);
/* Broadcasts, casts and applies. */
tsr_array *array_map(op_code op, int n, tsr_array *const *arrays);
tsr_array *array_reduce(const char *name, tsr_array *a, monoid op, int n_axes, const int *axes, bool keepdims, double ddof);
tsr_array *array_full_like(tsr_array *like, tsr_scalar value, tsr_dtype dtype);
/* A SCAN node; a has the dtype of the result. `op` and `mask` (or NULL; a's shape, bool) are for SCAN_MAP. */
tsr_array *array_scan(const char *name, tsr_array *a, tsr_array *mask, scan_kind kind, op_code op, int axis);
/* The operation that tsr_map knows by this name, also by another spelling; OP_COUNT if it is none. */
op_code array_op_find(const char *name);
/* The index along an axis, in a form that broadcasts with `a`. */
tsr_array *array_places(const tsr_array *a, int axis);

/* The sum of products of two arrays over the axes that `out` does not name: left[d], right[d] and out[d] are labels (0 .. 31) of
 * the axes of a, b and the result. Labels may repeat within a and b (the diagonal is taken) and not within out; each of out is in
 * a or b; lengths of equal labels agree, or are 1 and broadcast. Integers keep the promoted dtype, bool is "any". */
tsr_array *array_contract(const char *name, tsr_array *a, const int *left, tsr_array *b, const int *right, int n_out,
                          const int *out);

/* Makes sure that the lengths of an array are known (array/mask.c: counting what a mask selects). Called by everything public
 * that looks at shape or grid, before it does. array_ready: the array is there, and so are its lengths. */
tsr_status mask_count(tsr_array *a) MUST_CHECK;
static inline tsr_status array_resolve(const tsr_array *a)
{
    return a->op == NODE_CALL && atomic_load(&a->p.call.spec->unknown) ? mask_count((tsr_array *)(uintptr_t)a) : TSR_OK;
}
static inline bool array_ready(const tsr_array *a) { return a && array_resolve(a) == TSR_OK; }

/* The same array in these chunks; their edges stay the caller's. */
tsr_array *array_rechunk(tsr_array *a, const grid *chunks);

/* Drops the reference to `used` after it went into `result`; for nesting constructors. */
tsr_array *array_using(tsr_array *result, tsr_array *used);

/* a[..., start:stop, ...] along an axis. */
tsr_array *array_part(tsr_array *a, int axis, int64_t start, int64_t stop);
/* Joins and drops the pieces; those that are NULL are a failure. */
tsr_array *array_join(int n, tsr_array **pieces, int axis);

/* Normalises a possibly negative axis. The text names the function and the shape. */
tsr_status axis_check(const char *name, const tsr_array *a, int axis, int *out) MUST_CHECK;
/* A set of axes as bits; axes NULL: all. Repeated axes are an error. */
tsr_status axes_check(const char *name, const tsr_array *a, int n_axes, const int *axes, uint32_t *out) MUST_CHECK;
tsr_status shape_check(const char *name, int ndim, const int64_t *shape) MUST_CHECK;
/* A slice cut to an axis of this length: Python's rules. */
tsr_status index_resolve_slice(const tsr_index *item, int64_t length, int64_t *start, int64_t *step, int64_t *count) MUST_CHECK;
tsr_status broadcast_shapes(const char *name, int n, tsr_array *const *arrays, int *ndim, int64_t *shape) MUST_CHECK;

#endif
