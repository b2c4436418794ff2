/* Products of matrices by OpenBLAS, one thread a call: the engine's own threads work on different tiles. Vectors take the calls
 * for vectors, which pack nothing.
 *
 * OpenBLAS comes in builds that have threads of their own; how many is a global of the process. A build without them is what
 * tools/packages.txt asks for; with another one the number is set to 1, here, whenever somebody else has changed it. */
#include "kernel/contract.h"

#include "kernel/isas.h" /* made by meson: the levels that this build has */

#include <cblas.h>
#include <limits.h>
#include <string.h>

bool contract_fits(tsr_dtype dtype, int64_t m, int64_t n, int64_t row, int64_t column)
{
    bool by_rows = (column == 1 || n == 1) && (row >= n || m == 1), by_columns = (row == 1 || m == 1) && (column >= m || n == 1);
    if (!dtype_is_inexact(dtype)) return by_rows;
    if (m == 1 || n == 1) return (m == 1 || row == 1) && (n == 1 || column == 1); /* vectors lie dense: steps change the bits */
    return (by_rows && row <= INT_MAX) || (by_columns && column <= INT_MAX);
}

/* The exact loops of the instruction set that a session uses. */
static contract_kernel exact_kernel(const kernels *k, tsr_dtype dtype)
{
#define LEVEL(suffix)                                                                                                            \
    extern const contract_kernel contract_table_##suffix[TSR_N_DTYPES];                                                          \
    if (strcmp(strrchr(k->isa, '-') ? strrchr(k->isa, '-') + 1 : k->isa, #suffix) == 0) return contract_table_##suffix[dtype];
#ifdef KERNELS_V4
    LEVEL(v4)
#endif
#ifdef KERNELS_V3
    LEVEL(v3)
#endif
#ifdef KERNELS_V2
    LEVEL(v2)
#endif
#ifdef KERNELS_GENERIC
    LEVEL(generic)
#endif
#undef LEVEL
    return NULL; /* not reached: a session's kernels are of this build */
}

/* How a matrix is told to BLAS, row by row. */
typedef struct operand_matrix {
    CBLAS_TRANSPOSE transposed;
    blasint leading; /* elements from one stored row to the next */
} operand_matrix;

static operand_matrix told(const matrix *x, int64_t m, int64_t n)
{
    bool by_rows = (x->column == 1 || n == 1) && (x->row >= n || m == 1);
    if (by_rows) return (operand_matrix){CblasNoTrans, (blasint)(m == 1 && x->row < n ? n : x->row)};
    return (operand_matrix){CblasTrans, (blasint)(n == 1 && x->column < m ? m : x->column)};
}

static void dot(tsr_dtype dtype, blasint n, const void *a, const void *b, void *c)
{
    switch (dtype) {
    case TSR_F32: *(float *)c += cblas_sdot(n, a, 1, b, 1); break;
    case TSR_F64: *(double *)c += cblas_ddot(n, a, 1, b, 1); break;
    case TSR_C64: {
        float sum[2];
        cblas_cdotu_sub(n, a, 1, b, 1, sum);
        ((float *)c)[0] += sum[0];
        ((float *)c)[1] += sum[1];
        break;
    }
    default: {
        double sum[2];
        cblas_zdotu_sub(n, a, 1, b, 1, sum);
        ((double *)c)[0] += sum[0];
        ((double *)c)[1] += sum[1];
        break;
    }
    }
}

static const float one_c64[2] = {1, 0};
static const double one_c128[2] = {1, 0};

/* c (m) += x (m, n) v (n). */
static void times_vector(tsr_dtype dtype, blasint m, blasint n, const matrix *x, const void *v, void *c)
{
    operand_matrix t = told(x, m, n);
    blasint rows = t.transposed == CblasTrans ? n : m, columns = t.transposed == CblasTrans ? m : n;
    switch (dtype) {
    case TSR_F32:
        cblas_sgemv(CblasRowMajor, t.transposed, rows, columns, 1, (const float *)(const void *)x->data, t.leading, v, 1, 1, c,
                    1);
        break;
    case TSR_F64:
        cblas_dgemv(CblasRowMajor, t.transposed, rows, columns, 1, (const double *)(const void *)x->data, t.leading, v, 1, 1, c,
                    1);
        break;
    case TSR_C64:
        cblas_cgemv(CblasRowMajor, t.transposed, rows, columns, one_c64, x->data, t.leading, v, 1, one_c64, c, 1);
        break;
    default: cblas_zgemv(CblasRowMajor, t.transposed, rows, columns, one_c128, x->data, t.leading, v, 1, one_c128, c, 1); break;
    }
}

static void times_matrix(tsr_dtype dtype, blasint m, blasint n, blasint k, const matrix *a, const matrix *b, void *c)
{
    operand_matrix x = told(a, m, k), y = told(b, k, n);
    switch (dtype) {
    case TSR_F32:
        cblas_sgemm(CblasRowMajor, x.transposed, y.transposed, m, n, k, 1, (const float *)(const void *)a->data, x.leading,
                    (const float *)(const void *)b->data, y.leading, 1, c, n);
        break;
    case TSR_F64:
        cblas_dgemm(CblasRowMajor, x.transposed, y.transposed, m, n, k, 1, (const double *)(const void *)a->data, x.leading,
                    (const double *)(const void *)b->data, y.leading, 1, c, n);
        break;
    case TSR_C64:
        cblas_cgemm(CblasRowMajor, x.transposed, y.transposed, m, n, k, one_c64, a->data, x.leading, b->data, y.leading, one_c64,
                    c, n);
        break;
    default:
        cblas_zgemm(CblasRowMajor, x.transposed, y.transposed, m, n, k, one_c128, a->data, x.leading, b->data, y.leading,
                    one_c128, c, n);
        break;
    }
}

tsr_status contract_product(const kernels *k, tsr_dtype dtype, int64_t m, int64_t n, int64_t depth, const matrix *a,
                            const matrix *b, void *c)
{
    if (!dtype_is_inexact(dtype)) {
        exact_kernel(k, dtype)(c, n, a->data, a->row, b->data, b->row, m, n, depth);
        return TSR_OK;
    }
    TRY(contract_enter_openblas());
    if (openblas_get_num_threads() != 1) openblas_set_num_threads(1);
    if (m == 1 && n == 1) {
        dot(dtype, (blasint)depth, a->data, b->data, c);
    } else if (n == 1) {
        times_vector(dtype, (blasint)m, (blasint)depth, a, b->data, c);
    } else if (m == 1) {
        matrix turned = {b->data, b->column, b->row};
        times_vector(dtype, (blasint)n, (blasint)depth, &turned, a->data, c);
    } else {
        times_matrix(dtype, (blasint)m, (blasint)n, (blasint)depth, a, b, c);
    }
    contract_leave_openblas();
    return TSR_OK;
}
