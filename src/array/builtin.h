/* The block functions of the library itself, which have names so that expressions with them can be packed. */
#ifndef TESSERA_ARRAY_BUILTIN_H
#define TESSERA_ARRAY_BUILTIN_H

#include "array/node.h"

typedef struct builtin_function {
    const char *name;
    tsr_block_function call;
    size_t context_bytes; /* the context is memory of this size, without pointers, from mem_alloc; 0: it is a number itself */
    /* Instead, for contexts that differ in size (mem_alloc, without pointers): how large one is; may these bytes be one? */
    size_t (*context_size)(const void *context);
    bool (*context_fits)(const void *bytes, size_t n);
    /* Are the inputs and the result what the function takes for granted? */
    bool (*accepts)(int n_inputs, tsr_array *const *inputs, tsr_dtype result);
    /* May be NULL: is a node that calls it what the library takes such nodes for? */
    bool (*fits)(const tsr_array *node);
} builtin_function;

/* NULL if the library has no such function. */
const builtin_function *builtin_of_call(tsr_block_function call);
const builtin_function *builtin_find(const char *name);

/* search.c; the contexts of the first three are bits: 1 is "right", and "invert" */
tsr_status search_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status digitize_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status isin_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
typedef struct interp_options {
    double left, right, period; /* period 0: none */
    int64_t has_left, has_right;
} interp_options;
tsr_status interp_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* select.c; the context is the number of choices */
tsr_status check_numbers_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* mask.c; the context of the last two is the axis */
tsr_status count_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status compress_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status replace_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
bool mask_fits(const tsr_array *node);
/* masked.c */
tsr_status check_some_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* scatter.c */
tsr_status scatter_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
size_t scatter_context_size(const void *context);
bool scatter_context_fits(const void *bytes, size_t n);
/* random_blocks.c */
tsr_status multinomial_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status colors_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status order_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status permuted_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status weighted_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status pick_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* along.c; the context of the first two is the axis */
tsr_status take_along_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status put_along_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
tsr_status view_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* topk.c */
typedef struct topk_options {
    int64_t k; /* so many, the greatest or the least; their indices instead */
    int32_t axis;
    uint8_t least, indices, unused[2];
} topk_options;
tsr_status topk_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* The places of n elements, `step` bytes apart, in rising order: NaN last, equal ones as they come. */
void topk_order(tsr_dtype dtype, const void *values, size_t step, int64_t n, int64_t *order);
/* reduce.c */
tsr_status check_place_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* quantile.c */
typedef struct weighted_quantile_options {
    int32_t axis;
    uint8_t skip_nan, unused[3];
} weighted_quantile_options;
tsr_status weighted_quantile_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* multi_index.c; the context is the length */
tsr_status check_index_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output);
/* What blocks say that do not go together, which only expressions from outside can have. */
tsr_status builtin_misfit(void);
/* Have two blocks the same lengths, but perhaps along one axis (-1: none)? */
bool builtin_same_rows(const tsr_block *a, const tsr_block *b, int but);

#endif
