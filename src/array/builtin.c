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

/* The dtypes of all inputs, and the result's; the shapes of blocks are compared when they are there. */
static bool have_dtypes(int n_inputs, tsr_array *const *inputs, int n, const tsr_dtype *dtypes)
{
    bool fits = n_inputs == n;
    for (int i = 0; fits && i < n; i++) fits = inputs[i]->dtype == dtypes[i];
    return fits;
}

static bool accepts_count(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 1, (tsr_dtype[]){TSR_BOOL}) && result == TSR_I64;
}

static bool accepts_mask(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){result, TSR_BOOL}) && inputs[1]->ndim == 1;
}

static bool accepts_mask_put(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 3, (tsr_dtype[]){result, TSR_BOOL, result}) && inputs[1]->ndim == 1;
}

static bool accepts_some(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){result, TSR_I64});
}

static bool accepts_scatter(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){result, result});
}

static bool accepts_multinomial(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 3, (tsr_dtype[]){TSR_U64, TSR_I64, TSR_F64}) && result == TSR_I64;
}

static bool accepts_colors(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 3, (tsr_dtype[]){TSR_U64, TSR_I64, TSR_I64}) && result == TSR_I64;
}

static bool accepts_order(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 1, (tsr_dtype[]){TSR_U64}) && result == TSR_I64;
}

static bool accepts_permuted(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){TSR_U64, result});
}

static bool accepts_weighted(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){TSR_U64, TSR_F64}) && result == TSR_I64;
}

static bool accepts_pick(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){TSR_I64, result});
}

static bool accepts_take_along(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 2, (tsr_dtype[]){result, TSR_I64});
}

static bool accepts_put_along(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 3, (tsr_dtype[]){result, TSR_I64, result});
}

static bool accepts_topk(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    bool has_indices = n_inputs == 2 && inputs[1]->dtype == TSR_I64;
    return (n_inputs == 1 || has_indices) && (result == inputs[0]->dtype || result == TSR_I64);
}

static bool accepts_weighted_quantile(int n_inputs, tsr_array *const *inputs, tsr_dtype result)
{
    return have_dtypes(n_inputs, inputs, 3, (tsr_dtype[]){result, TSR_F64, TSR_F64}) && !dtype_is_complex(result) &&
           inputs[2]->ndim == 1;
}

static bool accepts_any(int n_inputs, tsr_array *const *inputs, tsr_dtype result) { return n_inputs == 1; }

tsr_status builtin_misfit(void) { return tsr_fail(TSR_ERR_VALUE, "the blocks do not fit together"); }

bool builtin_same_rows(const tsr_block *a, const tsr_block *b, int but)
{
    bool same = a->ndim == b->ndim;
    for (int d = 0; same && d < a->ndim; d++) same = d == but || a->shape[d] == b->shape[d];
    return same;
}

static const builtin_function functions[] = {
    {.name = "searchsorted", .call = search_block, .accepts = accepts_table},
    {.name = "digitize", .call = digitize_block, .accepts = accepts_digitize},
    {.name = "isin", .call = isin_block, .accepts = accepts_isin},
    {.name = "interp", .call = interp_block, .context_bytes = sizeof(interp_options), .accepts = accepts_interp},
    {.name = "choose", .call = check_numbers_block, .accepts = accepts_numbers},
    {.name = "count", .call = count_block, .accepts = accepts_count},
    {.name = "mask", .call = compress_block, .accepts = accepts_mask, .fits = mask_fits},
    {.name = "assign by mask", .call = replace_block, .accepts = accepts_mask_put},
    {.name = "check some", .call = check_some_block, .accepts = accepts_some},
    {.name = "assign",
     .call = scatter_block,
     .context_size = scatter_context_size,
     .context_fits = scatter_context_fits,
     .accepts = accepts_scatter},
    {.name = "multinomial", .call = multinomial_block, .accepts = accepts_multinomial},
    {.name = "multivariate_hypergeometric", .call = colors_block, .accepts = accepts_colors},
    {.name = "permutation", .call = order_block, .accepts = accepts_order},
    {.name = "permuted", .call = permuted_block, .accepts = accepts_permuted},
    {.name = "choice", .call = weighted_block, .accepts = accepts_weighted},
    {.name = "pick", .call = pick_block, .accepts = accepts_pick},
    {.name = "take_along_axis", .call = take_along_block, .accepts = accepts_take_along},
    {.name = "put_along_axis", .call = put_along_block, .accepts = accepts_put_along},
    {.name = "topk", .call = topk_block, .context_bytes = sizeof(topk_options), .accepts = accepts_topk},
    {.name = "weighted quantile",
     .call = weighted_quantile_block,
     .context_bytes = sizeof(weighted_quantile_options),
     .accepts = accepts_weighted_quantile},
    {.name = "view", .call = view_block, .accepts = accepts_any},
    {.name = "check place", .call = check_place_block, .accepts = accepts_numbers},
    {.name = "check index", .call = check_index_block, .accepts = accepts_numbers},
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
