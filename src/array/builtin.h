/* The block functions of the library itself, which have names so that expressions with them can be packed. */
#ifndef TESSERA_ARRAY_BUILTIN_H
#define TESSERA_ARRAY_BUILTIN_H

#include "array/node.h"

typedef struct builtin_function {
    const char *name;
    tsr_block_function call;
    size_t context_bytes; /* the context is memory of this size, without pointers, from mem_alloc; 0: it is a number itself */
    /* Are the inputs and the result what the function takes for granted? */
    bool (*accepts)(int n_inputs, tsr_array *const *inputs, tsr_dtype result);
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

#endif
