/* The rewriter's own parts, shared by its files; nobody else includes this. */
#ifndef TESSERA_OPTIMIZE_REWRITE_H
#define TESSERA_OPTIMIZE_REWRITE_H

#include "array/build.h"
#include "base/vec.h"
#include "optimize/optimize.h"

/* What is known of a node. The facts hold for nodes of the expression as it was given; nodes that rules make begin with none. */
enum {
    FACT_GIVEN = 1,        /* part of the expression as it was given */
    FACT_PINNED = 2,       /* stays as it is: the bits of a reduction depend on how it is laid out */
    FACT_EXCLUSIVE = 4,    /* there is only one path to it from the roots, so rewriting it duplicates nothing */
    FACT_GAINS = 8,        /* a view of it is worth pushing down: something below can drop work */
    FACT_FREE_RESHAPE = 16 /* can be made in another shape at no cost */
};

typedef struct entry {
    tsr_array *node;   /* a reference */
    tsr_array *result; /* a reference; NULL until it is known */
    uint8_t facts;
    bool is_open; /* a frame is at work on it */
    bool several; /* more than one consumer, or a consumer that has several */
    int depth;    /* of given nodes: operations below it within a stage */
} entry;

/* The node that is worked on: its rules first, then its inputs, then (if they changed) the node made anew. */
typedef struct frame {
    int at;         /* entry */
    int alias;      /* entry whose result will be this one's; -1 none */
    int next_input; /* -1: rules have not been tried */
} frame;

typedef struct rewriter {
    tsr_session *session;
    VEC(entry) entries; /* given nodes first, inputs before what reads them */
    int *table;         /* open addressing from node to entry; -1 empty */
    size_t table_size;
    VEC(frame) stack;
    VEC(const tsr_array *) ordered; /* reductions whose bits depend on the order of folding */
    int64_t budget;                 /* work left; at 0 no more rules are applied, so that time stays linear */
    optimize_report *report;
} rewriter;

/* A rule: *out becomes a new reference to an equal array, or stays NULL where the rule does not apply. */
typedef tsr_status rule_function(rewriter *r, tsr_array *node, tsr_array **out);
#define X(name, text, op, function) rule_function function;
RULE_LIST(X)
#undef X

/* ---- Facts (optimize/facts.c) ---- */

/* Enters the given nodes and finds their facts. *leave_alone: nothing may be rewritten. */
tsr_status facts_collect(rewriter *r, int n, tsr_array *const *roots, bool *leave_alone) MUST_CHECK;
/* The entry of a node; made when `make`, otherwise -1. -1 also without memory (error recorded). */
int rewriter_entry(rewriter *r, tsr_array *node, bool make);
unsigned facts_of(rewriter *r, tsr_array *node);
/* Do the bits of a reduction depend on the order in which elements are folded? */
bool reduction_is_ordered(const tsr_array *node);
/* Could this reduction share its pass or its tiles with an ordered one? Then what it reads may not change. */
bool reduction_is_bound(const rewriter *r, int ndim, const int64_t *shape);
/* Would dropping the node change which ordered reductions are planned together? */
bool may_drop(const rewriter *r, const tsr_array *node);
bool is_worth_pushing(rewriter *r, tsr_array *input);

/* ---- Making nodes (optimize/make.c) ---- */

/* The constructors' convention (NULL is a failure with its text recorded) as a status. */
tsr_status made(tsr_array *node, tsr_array **out) MUST_CHECK;
/* The same operation on other inputs; shape and chunks are `like`'s. Inputs are borrowed. MAP, CAST, SCAN, ... any with inputs of
 * the same dtypes. */
tsr_array *remake(const tsr_array *node, const tsr_array *like, tsr_array *const *inputs);
/* The same node over rewritten inputs. */
tsr_array *rebuild(tsr_array *node, tsr_array *const *inputs);
tsr_array *make_full(const tsr_array *like, element value);
/* A node of the kind that `like` is, in another shape: chunks are `grid`'s. */
tsr_array *make_take(tsr_array *input, int axis, int64_t n, int64_t *indices_owned);
/* n >= 1 pieces along an axis. */
tsr_array *make_concat(int n, tsr_array *const *pieces, int axis);

/* ---- Slices (optimize/slice.c) ---- */

/* Part of an axis: start, start + step ...; step >= 1. */
typedef struct range {
    int64_t start, step, count;
} range;
typedef struct slice {
    range axes[TSR_MAX_NDIM];     /* one for each axis of the array that is sliced */
    view_axis rest[TSR_MAX_NDIM]; /* what the view does besides, in terms of the slice */
    bool shrinks;                 /* some axis is not taken whole */
} slice;
/* A view taken apart: the elements it needs of each axis, and how they are then arranged. */
slice slice_of_view(const tsr_array *view);
static inline bool range_is_whole(range g, int64_t length) { return g.count == length; }
/* The slice of an array. */
tsr_array *make_slice(tsr_array *a, const range *axes);
/* The view again, over the sliced array; consumes `sliced`. */
tsr_array *view_of_slice(const tsr_array *view, const slice *s, tsr_array *sliced);

#endif
