/* Products of matrices: OpenBLAS for floats and complex numbers, own exact loops for the rest. */
#ifndef TESSERA_KERNEL_CONTRACT_H
#define TESSERA_KERNEL_CONTRACT_H

#include "kernel/kernel.h"

/* c += a b for matrices of integers (which wrap) or of bool (or of and): c is (m, n), a (m, k), b (k, n). Rows are `c_row`,
 * `a_row`, `b_row` elements apart, the elements of a row adjacent. Exact, so the order does not matter. */
typedef void (*contract_kernel)(void *c, int64_t c_row, const void *a, int64_t a_row, const void *b, int64_t b_row, int64_t m,
                                int64_t n, int64_t k);

/* A matrix in memory: element (i, j) is at data + (i * row + j * column) elements; contract_fits says which strides may be. */
typedef struct matrix {
    const char *data;
    int64_t row, column;
} matrix;

/* Can a matrix of m rows and n columns with these strides be used where it lies? One stride must be 1 (or its axis have length
 * 1), the other at least the length of that axis; bool and integers need their rows dense. */
bool contract_fits(tsr_dtype dtype, int64_t m, int64_t n, int64_t row, int64_t column);

/* c += a b: a is (m, k), b (k, n), c (m, n) and dense. m, n, k > 0, below 2^31. One thread; the bits depend on the numbers, the
 * lengths and the processor's model (OpenBLAS chooses its kernels by that), not on strides, threads or memory. */
tsr_status contract_product(const kernels *k, tsr_dtype dtype, int64_t m, int64_t n, int64_t depth, const matrix *a,
                            const matrix *b, void *c) MUST_CHECK;
/* Around calls of OpenBLAS's functions; contract_product and factor_covariance do it. Builds of it without threads, as Debian's
 * "serial" one (0.3.21), hand out their work buffers without a lock, so that two threads may get the same one, and wrong
 * products: there one call runs at a time. */
tsr_status contract_enter_openblas(void) MUST_CHECK;
void contract_leave_openblas(void);

#endif
