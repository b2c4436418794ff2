/* The table of the library's own block functions. Constant; any thread. */
#include "array/builtin.h"

#include <string.h>

/* Values and a table of one dtype, and perhaps an order of the table. */
static bool accepts_table(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    if (n_inputs < 2 || n_inputs > 3 || inputs[0]->dtype != inputs[1]->dtype || inputs[1]->ndim != 1 || result != TSR_I64)
        return false;
    switch (inputs[0]->dtype) {
    case TSR_BOOL:
    case TSR_I64:
    case TSR_U64:
    case TSR_F32:
    case TSR_F64:
    case TSR_C128: break;
    default: return false;
    }
    return n_inputs == 2 || (inputs[2]->dtype == TSR_I64 && inputs[2]->ndim == 1);
}

static bool accepts_digitize(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return n_inputs == 2 && accepts_table(n_inputs, inputs, result);
}

static bool accepts_isin(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return n_inputs == 2 && accepts_table(n_inputs, inputs, TSR_I64) && result == TSR_BOOL;
}

static bool accepts_interp(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    bool fits = n_inputs == 3 && result == TSR_F64;
    for (int i = 0; fits && i < 3; i++) fits = inputs[i]->dtype == TSR_F64 && (i == 0 || inputs[i]->ndim == 1);
    return fits;
}

static bool accepts_numbers(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return n_inputs == 1 && inputs[0]->dtype == TSR_I64 && result == TSR_I64;
}

static const builtin_function functions[] = {
    {"searchsorted", search_block, 0, accepts_table},
    {"digitize", digitize_block, 0, accepts_digitize},
    {"isin", isin_block, 0, accepts_isin},
    {"interp", interp_block, sizeof(interp_options), accepts_interp},
    {"choose", check_numbers_block, 0, accepts_numbers},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

const builtin_function *builtin_of_call(tsr_block_function call)
{
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (functions[i].call == call) return &functions[i];
    return NULL;
}

const builtin_function *builtin_find(const char *name)
{
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    return NULL;
}
