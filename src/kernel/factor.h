/* Factors of small symmetric matrices, by LAPACK. */
#ifndef TESSERA_KERNEL_FACTOR_H
#define TESSERA_KERNEL_FACTOR_H

#include "base/error.h"

#include <stdint.h>

/* F with F^T F = cov, for an n x n matrix (C order). method: "svd", "eigh", "cholesky". *valid receives whether the matrix is
 * symmetric and positive semidefinite within the tolerance, as NumPy tests it for the method. TSR_ERR_VALUE if there is no such
 * method, or Cholesky's fails. Any thread. */
tsr_status factor_covariance(const char *method, int64_t n, const double *cov, double tolerance, double *factor,
                             bool *valid) MUST_CHECK;

#endif
