/* Elements chosen by conditions and by numbers: select, piecewise, choose. All are chains of `where`, which the planner makes one
 * pass. */
#include "array/build.h"
#include "array/builtin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static tsr_status check_arrays(const char *name, const char *what, int n, tsr_array *const *arrays)
{
    for (int i = 0; i < n; i++) {
        if (!array_ready(arrays[i]))
            return tsr_error_code() != TSR_OK ? tsr_error_code() : error_set(TSR_ERR_VALUE, "%s: %s %d is NULL", name, what, i);
    }
    return TSR_OK;
}

static tsr_status check_conditions(const char *name, int n, tsr_array *const *conditions)
{
    TRY(check_arrays(name, "condition", n, conditions));
    for (int i = 0; i < n; i++) {
        if (conditions[i]->dtype != TSR_BOOL) {
            return error_set(TSR_ERR_TYPE, "%s: condition %d is of dtype %s, it must be bool", name, i,
                             tsr_dtype_name(conditions[i]->dtype));
        }
    }
    return TSR_OK;
}

/* where(condition, x, y), y consumed. */
static tsr_array *choose_between(tsr_array *condition, tsr_array *x, tsr_array *y)
{
    return array_using(y ? tsr_where(condition, x, y) : NULL, y);
}

tsr_array *tsr_select(int n, tsr_array *const *conditions, tsr_array *const *choices, tsr_array *otherwise)
{
    if (!array_ready(otherwise) || check_conditions("select", n, conditions) != TSR_OK ||
        check_arrays("select", "choice", n, choices) != TSR_OK)
        return NULL;
    if (n < 1) {
        (void)error_set(TSR_ERR_VALUE, "select: select with an empty condition list is not possible");
        return NULL;
    }
    tsr_array *result = node_ref(otherwise);
    for (int i = n - 1; i >= 0; i--) result = choose_between(conditions[i], choices[i], result);
    return result;
}

tsr_array *tsr_piecewise(tsr_array *x, int n, tsr_array *const *conditions, int n_values, tsr_array *const *values)
{
    if (!array_ready(x) || check_conditions("piecewise", n, conditions) != TSR_OK ||
        check_arrays("piecewise", "value", n_values, values) != TSR_OK)
        return NULL;
    if (n_values != n && n_values != n + 1) {
        (void)error_set(TSR_ERR_VALUE, "piecewise: with %d condition(s), either %d or %d functions are expected, found %d", n, n,
                        n + 1, n_values);
        return NULL;
    }
    tsr_array *result = n_values > n ? array_cast(values[n], x->dtype) : array_full_like(x, scalar_int(0), x->dtype);
    for (int i = 0; result && i < n; i++) {
        tsr_array *value = array_cast(values[i], x->dtype);
        result = array_using(value ? choose_between(conditions[i], value, result) : NULL, value);
    }
    return array_using(result ? tsr_broadcast_to(result, x->ndim, x->shape) : NULL, result);
}

/* ---- By number ------------------------------------------------------------------------------------------------------- */

/* The numbers themselves, if all are in range; the context is how many choices there are. */
tsr_status check_numbers_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    int64_t n = (int64_t)(intptr_t)context, size = shape_size(output->ndim, output->shape), *to = output->data;
    const int64_t *from = inputs[0].data;
    if (shape_size(inputs[0].ndim, inputs[0].shape) != size) return tsr_fail(TSR_ERR_VALUE, "the blocks do not fit together");
    for (int64_t i = 0; i < size; i++) {
        if (from[i] < 0 || from[i] >= n) {
            char text[120];
            snprintf(text, sizeof text, "invalid entry in choice array: %" PRId64 ", there are %" PRId64 " choices", from[i], n);
            return tsr_fail(TSR_ERR_VALUE, text);
        }
        to[i] = from[i];
    }
    return TSR_OK;
}

/* The numbers brought into 0 .. n - 1, or checked when they are computed. */
static tsr_array *numbers_in_range(tsr_array *a, int n, const char *mode)
{
    tsr_array *result = NULL, *numbers = array_cast(a, TSR_I64);
    if (!numbers) return NULL;
    if (strcmp(mode, "raise") == 0) {
        tsr_function check = {.call = check_numbers_block,
                              .context = (void *)(intptr_t)n,
                              .name = "choose",
                              .identity = &n,
                              .identity_bytes = sizeof n};
        result = tsr_map_blocks(&check, 1, &numbers, TSR_I64, NULL);
    } else if (strcmp(mode, "wrap") == 0) {
        tsr_array *count = array_full_like(a, scalar_int(n), TSR_I64);
        result = array_using(count ? tsr_remainder(numbers, count) : NULL, count);
    } else if (strcmp(mode, "clip") == 0) {
        tsr_array *low = array_full_like(a, scalar_int(0), TSR_I64), *high = array_full_like(a, scalar_int(n - 1), TSR_I64);
        if (low && high) result = tsr_clip(numbers, low, high);
        node_unref(low);
        node_unref(high);
    } else {
        (void)error_set(TSR_ERR_VALUE, "choose: clipmode must be one of 'clip', 'raise', or 'wrap', not '%s'", mode);
    }
    return array_using(result, numbers);
}

tsr_array *tsr_choose(tsr_array *a, int n, tsr_array *const *choices, const char *mode)
{
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    if (!array_ready(a) || check_arrays("choose", "choice", n, choices) != TSR_OK) return NULL;
    if (n < 1 || dtype_is_inexact(a->dtype)) {
        (void)error_set(n < 1 ? TSR_ERR_VALUE : TSR_ERR_TYPE,
                        n < 1 ? "choose: no choices given" : "choose: the numbers must be integers");
        return NULL;
    }
    tsr_array *numbers = numbers_in_range(a, n, mode), *result = numbers ? node_ref(choices[n - 1]) : NULL;
    for (int i = n - 2; result && i >= 0; i--) {
        tsr_array *number = array_full_like(a, scalar_int(i), TSR_I64);
        tsr_array *here = number ? array_map(OP_EQUAL, 2, (tsr_array *[]){numbers, number}) : NULL;
        result = here ? choose_between(here, choices[i], result) : array_using(NULL, result);
        node_unref(number);
        node_unref(here);
    }
    if (n == 1 && result) { /* nothing was compared: the numbers are checked, which have to be 0, and the shapes meet */
        tsr_array *zero = array_full_like(a, scalar_int(0), TSR_I64),
                  *other = array_full_like(result, scalar_int(0), result->dtype);
        tsr_array *all = zero ? array_map(OP_EQUAL, 2, (tsr_array *[]){numbers, zero}) : NULL;
        node_unref(result);
        result = all && other ? choose_between(all, choices[0], other) : array_using(NULL, other);
        node_unref(zero);
        node_unref(all);
    }
    if (result && broadcast_shapes("choose", 2, (tsr_array *[]){result, a}, &ndim, shape) == TSR_OK)
        result = array_using(tsr_broadcast_to(result, ndim, shape), result);
    return array_using(result, numbers);
}
