/* What the accumulators are called and what they give: the same on every instruction set. Pure functions; any thread. */
#include "kernel/kernel.h"

const char *monoid_name(monoid m)
{
    static const char *const names[N_MONOIDS] = {
#define X(name, text) [MONOID_##name] = text,
        MONOID_LIST(X)
#undef X
    };
    return (unsigned)m < N_MONOIDS ? names[m] : "unknown";
}

const acc_ops *kernels_acc(const kernels *k, monoid m, tsr_dtype dtype)
{
    const acc_ops *ops = &k->acc[m][dtype];
    return ops->n_fields > 0 ? ops : NULL;
}

static tsr_dtype widened(tsr_dtype dtype)
{
    if (dtype_is_inexact(dtype)) return dtype;
    return dtype_is_unsigned(dtype) ? TSR_U64 : TSR_I64;
}

tsr_status monoid_result(monoid m, tsr_dtype dtype, tsr_dtype *result)
{
    switch (m) {
    case MONOID_SUM:
    case MONOID_PROD:
    case MONOID_NANSUM:
    case MONOID_NANPROD: *result = widened(dtype); return TSR_OK;
    case MONOID_MIN:
    case MONOID_MAX:
    case MONOID_FMIN:
    case MONOID_FMAX: *result = dtype; return TSR_OK;
    case MONOID_BIT_AND:
    case MONOID_BIT_OR:
    case MONOID_BIT_XOR:
        if (dtype_is_inexact(dtype)) break;
        *result = dtype;
        return TSR_OK;
    case MONOID_ANY:
    case MONOID_ALL: *result = TSR_BOOL; return TSR_OK;
    case MONOID_COUNT_NONZERO:
    case MONOID_COUNT_VALID:
    case MONOID_ARGMIN:
    case MONOID_ARGMAX:
    case MONOID_NANARGMIN:
    case MONOID_NANARGMAX: *result = TSR_I64; return TSR_OK;
    case MONOID_MEAN:
    case MONOID_NANMEAN: *result = dtype_is_inexact(dtype) ? dtype : TSR_F64; return TSR_OK;
    case MONOID_VAR:
    case MONOID_STD:
    case MONOID_NANVAR:
    case MONOID_NANSTD: *result = dtype_is_inexact(dtype) ? dtype_real(dtype) : TSR_F64; return TSR_OK;
    case MONOID_HISTOGRAM:
        if (dtype_is_complex(dtype)) break;
        *result = TSR_I64;
        return TSR_OK;
    case N_MONOIDS: break;
    }
    return error_set(TSR_ERR_TYPE, "%s does not exist for %s", monoid_name(m), tsr_dtype_name(dtype));
}
