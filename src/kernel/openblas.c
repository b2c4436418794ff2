/* The functions of OpenBLAS that are called: opened with the first product or factors of floats (base/library.h). */
#include "kernel/contract.h"

#include "base/library.h"

#include <cblas.h>

/* clang-format off */
#define FUNCTIONS(X)                                                                                                             \
    X(cblas_cdotu_sub) X(cblas_cgemm) X(cblas_cgemv) X(cblas_ddot) X(cblas_dgemm) X(cblas_dgemv) X(cblas_sdot) X(cblas_sgemm)    \
    X(cblas_sgemv) X(cblas_zdotu_sub) X(cblas_zgemm) X(cblas_zgemv) X(dgesdd_) X(dpotrf_) X(dsyevd_) X(openblas_get_num_threads) \
    X(openblas_get_parallel) X(openblas_set_num_threads)
/* clang-format on */

tsr_status contract_open_openblas(void);
LIBRARY(contract_open_openblas, LIBRARY_OPENBLAS, FUNCTIONS)

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static bool is_without_threads(void) { return openblas_get_parallel() == 0; }

tsr_status contract_enter_openblas(void)
{
    TRY(contract_open_openblas());
    if (is_without_threads()) pthread_mutex_lock(&one_at_a_time);
    return TSR_OK;
}

void contract_leave_openblas(void)
{
    if (is_without_threads()) pthread_mutex_unlock(&one_at_a_time);
}
