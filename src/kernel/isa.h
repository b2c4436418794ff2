/* Names of things that are compiled once per instruction set. The build defines ISA_SUFFIX (v2, v3, v4, generic). */
#ifndef TESSERA_KERNEL_ISA_H
#define TESSERA_KERNEL_ISA_H

#include "kernel/kernel.h"

#include <string.h>

#define ISA_JOIN2(name, suffix) name##_##suffix
#define ISA_JOIN(name, suffix) ISA_JOIN2(name, suffix)
#define ISA(name) ISA_JOIN(name, ISA_SUFFIX)

/* Iterations are independent: an output may be exactly an input, never overlap it partly. */
#define IVDEP _Pragma("GCC ivdep")

/* -x, in a form that the compiler does not see through. For a * c - b * d beside a * d + b * c: GCC 12's vectoriser turns such a
 * pair of a difference and a sum of products into fused multiply-adds, whatever -ffp-contract says, and the bits would depend on
 * the instruction set. Written as a * c + negated(b) * d they are two sums. */
static inline double negated(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (uint64_t)1 << 63;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

static inline float negatedf(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (uint32_t)1 << 31;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* The sub-tables of one instruction set, each defined in one file. */
/* Fused multiply-add in one instruction. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
enum { HAS_FMA = 1 };
#else
enum { HAS_FMA = 0 };
#endif

extern const map_kernel ISA(map_table)[OP_COUNT][TSR_N_DTYPES][N_FORMS];
extern const chain_kernels ISA(chain_table)[TSR_N_DTYPES];
double ISA(sum_of_lanes)(const double *lanes);
extern const cast_kernel ISA(cast_table)[TSR_N_DTYPES][TSR_N_DTYPES];
extern const gather_kernel ISA(gather_table)[TSR_N_DTYPES][2];
extern const scatter_kernel ISA(scatter_table)[TSR_N_DTYPES];
extern const random_kernel ISA(random_table)[N_RANDOM_KINDS][TSR_N_DTYPES];
extern const acc_ops *const ISA(acc_tables)[N_MONOIDS];
extern const scan_kernel ISA(scan_table)[N_SCAN_KINDS][TSR_N_DTYPES];
extern const quantile_kernel ISA(quantile_table)[TSR_N_DTYPES][2];
void ISA(stream_copy)(void *out, const void *in, size_t n_bytes);
void ISA(index_fill)(int64_t *out, int64_t index, int64_t step, size_t n);

#endif
