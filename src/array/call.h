/* Calls of block functions: what a CALL node holds. The function is called once for each block of the result, with the parts of
 * the inputs that the block needs; which these are follows from the block's number by arithmetic. */
#ifndef TESSERA_ARRAY_CALL_H
#define TESSERA_ARRAY_CALL_H

#include "block/shape.h"

#include <stdatomic.h>

struct tsr_array;

/* What parts do at the ends of an array, beyond which nothing lies. */
typedef enum call_ends {
    ENDS_CUT,    /* they end there */
    ENDS_PADDED, /* the array itself begins `before` and ends `after` beyond the blocks */
    ENDS_WHOLE   /* `before` and `after` count between blocks only */
} call_ends;

/* One axis of an input or of the result, as the function sees it. `blocks` cut the axis without its surroundings; the part for
 * block b reaches `before` further to the front and `after` further to the back (negative: less far). */
typedef struct call_axis {
    int axis;         /* of the result, whose block number chooses the block; -1: the whole axis for every block */
    axis_grid blocks; /* edges owned by the spec */
    int64_t before, after;
    call_ends ends;
    const int64_t *picks; /* block b of the result gets block picks[b]; NULL: block b. The spec's */
} call_axis;

/* The context of a function, shared by all specs that use it; releases it with the last reference. */
typedef struct call_owner {
    atomic_int refs;
    void *context;
    void (*release)(void *context); /* NULL until the arrays exist: a failure leaves the context with the caller */
} call_owner;

/* Immutable once a node has it, but for what is unknown. */
typedef struct call_spec {
    atomic_int refs;
    tsr_function function; /* name and identity owned. call NULL: the result is the part of the only input */
    call_owner *owner;     /* a reference */
    int n_inputs, ndim;    /* ndim: of the result */
    int *ndims;            /* of the inputs */
    call_axis **inputs;
    int64_t *picks; /* of the axes that have picks: n_picks rising numbers; owned */
    int64_t n_picks;
    atomic_int unknown;             /* not 0: the blocks of result axis unknown - 1 are yet to be counted (array/mask.c) */
    call_axis result[TSR_MAX_NDIM]; /* what the function fills; the block of the result is its middle */
} call_spec;

call_spec *call_ref(call_spec *spec);
/* NULL is fine. */
void call_unref(call_spec *spec);
/* Part of an axis of length `length` that belongs to the blocks first .. last (last >= first). */
void call_part(const call_axis *a, int64_t length, int64_t first, int64_t last, int64_t *start, int64_t *count);
/* The box of an input that the blocks of the result between two block coordinates (both included) need. */
box call_input_box(const struct tsr_array *node, int input, const int64_t *first, const int64_t *last);
/* What the function fills for a block of the result; `inner`: where in it the block lies. */
box call_result_box(const struct tsr_array *node, const int64_t *coords, int64_t *inner);
/* The most elements that a box of an input, or (input -1) of what the function fills, may have. */
box call_largest_box(const struct tsr_array *node, int input);

#endif
