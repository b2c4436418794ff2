/* The planner's own parts, shared by its files; nobody else includes this. */
#ifndef TESSERA_PLAN_BUILD_H
#define TESSERA_PLAN_BUILD_H

#include "plan/plan.h"

/* What the planner knows of each node reachable from the roots. */
typedef struct node_info {
    const tsr_array *node;
    int level;                   /* stages that must be complete before it can be computed */
    int depth;                   /* operations below it in the same stage */
    int64_t pieces;              /* bodies of gathers below it in the same stage, as often as they are reached */
    body *piece;                 /* its own body, once a gather has it as a piece */
    bool is_stage;               /* its values are made by a stage of its own */
    bool is_repeated;            /* would be evaluated again and again, so it is made a stage */
    bool is_read;                /* by another node */
    int stage, output;           /* where they are, once planned; -1 before */
    const int64_t *wanted_tiles; /* tiles that its reader would like; NULL for none */
    int reader;                  /* of a source: the last stage that was seen to read it; -1 before */
    bool read_by_several;
} node_info;

typedef struct builder {
    plan *plan;
    arena *memory;
    node_info *infos; /* in topological order: inputs first */
    int n_infos;
    int *table; /* open addressing from node to infos, -1 empty */
    size_t table_size;
    int capacity;                 /* of plan->stages */
    const tsr_array *const *held; /* sources that get stages of their own, so that others cut tiles from their blocks */
    int n_held;
} builder;

node_info *builder_info(const builder *b, const tsr_array *node);
/* Fills infos from the roots (plan/collect.c). */
tsr_status builder_collect(builder *b, int n, tsr_array *const *roots) MUST_CHECK;

/* A body that computes `node` over its own shape and stores it in output 0; one for each node (plan/lower.c). */
tsr_status body_of_node(builder *b, const tsr_array *node, body **out) MUST_CHECK;
/* An empty body over a domain; values are added with body_lower, then body_finish. */
tsr_status body_new(builder *b, int ndim, const int64_t *shape, body **out) MUST_CHECK;
tsr_status body_lower(builder *b, body *into, const tsr_array *node, int *value) MUST_CHECK;
tsr_status body_finish(body *into) MUST_CHECK;

/* Decides the tiles of a stage whose body is complete (plan/tiles.c). `domain` gives the chunks where no operand does. */
tsr_status stage_choose_tiles(builder *b, stage *s, const tsr_array *domain, const int64_t *output_chunk) MUST_CHECK;

/* The body of a contraction: two operands that are bodies of their own (plan/contract.c). */
tsr_status contract_body(builder *b, const tsr_array *node, body **out) MUST_CHECK;
void contract_tiles(stage *s);
/* What a contraction would evaluate for each of its tiles anew, and had better be a stage: marks these nodes. */
tsr_status contract_mark_repeated(builder *b, const tsr_array *node) MUST_CHECK;
/* How the folds of a stage are cut into runs, for `cell_bytes` of state for each cell of an output block (plan/tiles.c). */
void stage_choose_runs(stage *s, int64_t cell_bytes);

/* Is a part of the source only read by decoding whole chunks? Then their lengths (plan/materialise.c). */
bool operand_is_chunked(const operand *o, int64_t *chunk);
/* A source whose chunks the plan would decode again and again, or NULL. */
const tsr_array *plan_find_crossed(const plan *p);

/* Fills in what explain states before a run (plan/predict.c). */
void plan_predict(plan *p);

#endif
