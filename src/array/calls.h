/* Making calls: for the constructors of block functions. */
#ifndef TESSERA_ARRAY_CALLS_H
#define TESSERA_ARRAY_CALLS_H

#include "array/node.h"

/* The owner of a function's context, which knows no release yet. */
tsr_status call_owner_new(call_owner **out) MUST_CHECK;
/* Drops the maker's reference. From now on the function's context is released with the last reference, perhaps this one: an equal
 * array that exists already keeps its own context. function NULL: the arrays could not be made. NULL is fine. */
void call_owner_end(call_owner *owner, const tsr_function *function);
/* A specification with all axes still empty (result axis d is axis d). Without `call` the input is copied. */
tsr_status call_new(const tsr_function *function, call_owner *owner, int n_inputs, const int *ndims, int ndim,
                    call_spec **out) MUST_CHECK;
/* Sets an axis; its edges are copied. */
tsr_status call_axis_set(call_axis *a, int axis, const axis_grid *blocks) MUST_CHECK;
/* The node. Takes the spec, also on failure. */
tsr_array *call_make(tsr_session *session, call_spec *spec, tsr_dtype dtype, tsr_array *const *inputs);
/* The hash of what a call computes, without its inputs. */
hash128 call_hash(hash128 h, const call_spec *spec);
/* The borders of all: n >= 1 grids of one length. *owned must be mem_freed when `out` is no longer used. */
tsr_status chunks_refine(int n, const axis_grid *const *grids, axis_grid *out, int64_t **owned) MUST_CHECK;

#endif
