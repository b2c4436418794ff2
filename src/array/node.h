/* Expression nodes: one for each array operation. A node is immutable once made, content-hashed and hash-consed within its
 * session (equal expressions are the same node), and reference-counted. tsr_array of the public header is a node.
 *
 * The primitives are few; everything else is composed from them by the constructors in this folder:
 *
 *   sources      FULL INDEX RANDOM MEMORY STORE BLOCKS
 *   elementwise  MAP CAST                      inputs have exactly the node's shape (broadcasting is a VIEW)
 *   VIEW         any affine re-indexing: slices with steps of either sign, transpose, broadcast, inserted and dropped axes
 *   WINDOW       sliding windows along an axis; the places in them are a new last axis
 *   structure    RESHAPE CONCAT TAKE RECHUNK
 *   REDUCE       a monoid over a set of axes, which are dropped
 *   SCAN         running sum or product along an axis, or of any operation of two operands
 *   QUANTILE     order statistics along an axis
 *   CALL         a user's function, called once for each block
 *   CONTRACT     sums of products of two arrays over common axes
 */
#ifndef TESSERA_ARRAY_NODE_H
#define TESSERA_ARRAY_NODE_H

#include "array/call.h"
#include "base/hash.h"
#include "block/pool.h"
#include "block/shape.h"
#include "kernel/kernel.h"
#include "store/store.h"

typedef enum node_op {
    NODE_FULL,
    NODE_INDEX,
    NODE_RANDOM,
    NODE_MEMORY,
    NODE_STORE,
    NODE_BLOCKS,
    NODE_MAP,
    NODE_CAST,
    NODE_VIEW,
    NODE_WINDOW,
    NODE_RESHAPE,
    NODE_CONCAT,
    NODE_TAKE,
    NODE_RECHUNK,
    NODE_REDUCE,
    NODE_SCAN,
    NODE_QUANTILE,
    NODE_CALL,
    NODE_CONTRACT,
    N_NODE_OPS
} node_op;

/* Blocks held by an engine (persisted arrays). The engine fills in the operations; array/ only counts references. */
typedef struct block_set block_set;
typedef struct block_set_ops {
    void (*unref)(block_set *set);
} block_set_ops;
struct block_set {
    const block_set_ops *ops;
    atomic_int refs;
    bool is_shared; /* blocks may be made by other processes: who reads them has to ask first */
};

/* How one dimension of a view's input is addressed: input index = start + step * (output index along `axis`);
 * axis -1: the fixed index `start`. An output axis that no input dimension names is a broadcast axis. */
typedef struct view_axis {
    int axis;
    int64_t start, step;
} view_axis;

typedef union node_params {
    struct {
        element value;
    } full;
    struct {
        int axis; /* the element is its index along this axis, i64 */
    } index;
    struct {
        random_kind kind;
        random_params params; /* the element index is the flat C-order index in the node's shape */
    } random;
    struct {
        buffer *buf;
        const char *data; /* element (0, ..., 0) */
        int64_t strides[TSR_MAX_NDIM];
        bool swapped;
    } memory;
    struct {
        store *file;
        int var; /* index into file->vars */
    } store;
    struct {
        block_set *set;
        const grid *stored; /* how the set's blocks lie, which is not how the array is cut; the set's */
    } blocks;
    struct {
        op_code op;
    } map;
    struct {
        view_axis axes[TSR_MAX_NDIM]; /* one for each dimension of the input */
    } view;
    struct {
        int axis;
        int64_t n, step; /* input index = step * (index along axis) + (index along the last axis); the last has length n */
    } window;
    struct {
        int axis;
    } concat;
    struct {
        int axis;
        int64_t n;
        int64_t *indices; /* in range, not negative; owned */
    } take;
    struct {
        monoid op;
        uint32_t axes;     /* bit d set: axis d of the input is reduced (and dropped). inputs: x, or x and weights (histogram) */
        acc_params params; /* edges, if any, owned. Histogram: all axes reduced, the shape is (n_bins,) */
    } reduce;
    struct {
        scan_kind kind;
        int axis;
        op_code op; /* MAP only (else 0): may have a second input, a mask; what it is 0 for is passed over */
    } scan;
    struct {
        int axis;
        int n_q;
        double *q; /* owned; the shape is (n_q, the input's other axes) */
        quantile_method method;
        bool skip_nan; /* the dtype is the input's, or f64: of floats as asked for, of integers where the method interpolates */
    } quantile;
    struct {
        call_spec *spec; /* a reference */
    } call;
    struct {
        int n_sum; /* the domain has the node's own axes, then n_sum that are summed over */
        int8_t left[TSR_MAX_NDIM],
            right[TSR_MAX_NDIM];    /* the axis of the domain that each dimension of an input is; all differ */
        int64_t tile[TSR_MAX_NDIM]; /* of the domain: part of the expression, as the bits depend on it */
    } contract;
} node_params;

struct tsr_array {
    node_op op;
    tsr_dtype dtype;
    int ndim;
    int n_inputs;
    int64_t shape[TSR_MAX_NDIM];
    grid grid; /* the array's chunks; edges owned by the node */
    tsr_array **inputs;
    node_params p;
    hash128 hash;
    tsr_session *session;
    atomic_int refs;
    tsr_array *next; /* chain in the session's table */
};

/* Makes (or finds) the node. `proto` gives op, dtype, ndim, shape, grid, n_inputs, inputs and p; it is copied.
 * Owned parts of p (indices, q, edges, buffer and store references) move into the node; on failure or when an equal node
 * exists they are released. Inputs are borrowed and get a new reference each. grid.axes[].edges are copied.
 * Returns a reference for the caller, or NULL with the error set. Any thread. */
tsr_array *node_make(tsr_session *session, const tsr_array *proto);
tsr_array *node_ref(tsr_array *node);
void node_unref(tsr_array *node);

/* Is a node what a constructor could have made? For nodes that come from outside, before node_make (array/check.c). */
tsr_status node_check(const tsr_array *node) MUST_CHECK;
/* Checks shapes, dtypes, grids and ranges of a node and all below it; the text names the first bad node. For tests and debug
 * builds. */
tsr_status graph_check(const tsr_array *root) MUST_CHECK;
/* "add", "slice", "mean" ...: the name shown to people. */
const char *node_name(const tsr_array *node);

/* What the axes of a contraction's domain are to its inputs: in both and kept, in one, in both and summed over. */
typedef enum contract_side { SIDE_BOTH, SIDE_LEFT, SIDE_RIGHT, SIDE_SUM, N_SIDES } contract_side;
typedef struct contract_domain {
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    contract_side side[TSR_MAX_NDIM];
} contract_domain;
contract_domain contract_domain_of(const tsr_array *node);
/* Product over the axes of one side. */
int64_t contract_extent(const contract_domain *d, contract_side side, const int64_t *lengths);

/* Affine maps composed: the view that reads `inner`'s input directly for an array that views `inner`'s output by `outer`.
 * inner has one entry for each of n_inner dimensions of the innermost input. */
void view_compose(const view_axis *outer, const view_axis *inner, int n_inner, view_axis *out);

#endif
