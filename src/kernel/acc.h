/* Shared by the accumulators: the lists of types, the tables, and access to patches. Included only by sources compiled per
 * instruction set. */
#ifndef TESSERA_KERNEL_ACC_H
#define TESSERA_KERNEL_ACC_H

#include "kernel/isa.h"
#include "kernel/kernel.h"
#include "kernel/simd.h"

/* X(dtype, C type, result of sums): bool is stored as 0 and 1. */
#define ACC_INT_LIST(X)                                                                                                          \
    X(TSR_BOOL, uint8_t, TSR_I64)                                                                                                \
    X(TSR_I8, int8_t, TSR_I64)                                                                                                   \
    X(TSR_I16, int16_t, TSR_I64)                                                                                                 \
    X(TSR_I32, int32_t, TSR_I64)                                                                                                 \
    X(TSR_I64, int64_t, TSR_I64)                                                                                                 \
    X(TSR_U8, uint8_t, TSR_U64)                                                                                                  \
    X(TSR_U16, uint16_t, TSR_U64)                                                                                                \
    X(TSR_U32, uint32_t, TSR_U64)                                                                                                \
    X(TSR_U64, uint64_t, TSR_U64)

/* One table for each monoid, by dtype of the input. */
typedef const acc_ops acc_table[TSR_N_DTYPES];
extern acc_table ISA(acc_sum), ISA(acc_prod), ISA(acc_min), ISA(acc_max), ISA(acc_fmin), ISA(acc_fmax), ISA(acc_any),
    ISA(acc_all), ISA(acc_count_nonzero), ISA(acc_count_valid), ISA(acc_argmin), ISA(acc_argmax), ISA(acc_nanargmin),
    ISA(acc_nanargmax), ISA(acc_mean), ISA(acc_var), ISA(acc_std), ISA(acc_nansum), ISA(acc_nanprod), ISA(acc_nanmean),
    ISA(acc_nanvar), ISA(acc_nanstd), ISA(acc_bit_and), ISA(acc_bit_or), ISA(acc_bit_xor), ISA(acc_histogram);
/* ---- Reading floats and doubles as doubles ----------------------------------------------------------------------- */

/* Scalar i of an array of floats (narrow) or doubles. `narrow` is a constant wherever these are used. */
static ALWAYS_INLINE const void *scalar_at(const void *x, int64_t i, bool narrow)
{
    return (const char *)x + i * (narrow ? 4 : 8);
}

static ALWAYS_INLINE vf64 vector_at(const void *x, int64_t i, bool narrow)
{
    return narrow ? vf64_load_f32(scalar_at(x, i, true)) : vf64_load(scalar_at(x, i, false));
}

static ALWAYS_INLINE void copy_f64(double *out, const void *x, int64_t n, bool narrow)
{
    if (narrow) {
        const float *from = x;
        for (int64_t i = 0; i < n; i++) out[i] = (double)from[i];
    } else {
        memcpy(out, x, (size_t)n * sizeof *out);
    }
}

#endif
