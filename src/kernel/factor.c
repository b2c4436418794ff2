/* Factors of covariances by LAPACK's routines, which OpenBLAS has. LAPACK stores by columns: what it sees of a matrix in C order
 * is the transpose, so its upper triangle is our lower one, and a column of its result a row of ours. */
#include "kernel/factor.h"

#include "base/mem.h"
#include "kernel/contract.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
                    const int *lwork, int *iwork, const int *liwork, int *info);
extern void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu,
                    double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info);

static tsr_status failed(const char *method, int info)
{
    return error_set(TSR_ERR_VALUE,
                     "multivariate_normal: the method '%s' did not converge for these covariances (LAPACK says %d)", method,
                     info);
}

static tsr_status by_cholesky(int n, double *factor)
{
    int info;
    dpotrf_("U", &n, factor, &n, &info);
    if (info != 0) return error_set(TSR_ERR_VALUE, "multivariate_normal: the covariances are not positive definite");
    for (int i = 0; i < n; i++) { /* the lower triangle is there: turned over, with zeros below */
        for (int j = 0; j < i; j++) {
            factor[(size_t)j * (size_t)n + (size_t)i] = factor[(size_t)i * (size_t)n + (size_t)j];
            factor[(size_t)i * (size_t)n + (size_t)j] = 0;
        }
    }
    return TSR_OK;
}

/* Row k of the factor times the root of a number for each row. */
static void scale_rows(int n, const double *squares, double *factor)
{
    for (size_t k = 0; k < (size_t)n; k++)
        for (size_t j = 0; j < (size_t)n; j++) factor[k * (size_t)n + j] *= sqrt(fabs(squares[k]));
}

static tsr_status by_eigenvalues(int n, double tolerance, double *factor, bool *valid)
{
    int info, few = -1, n_work, n_iwork;
    double *values = mem_alloc(sizeof *values * (size_t)n), *work = NULL, best;
    int *iwork = NULL;
    tsr_status status = TSR_ERR_MEMORY;
    dsyevd_("V", "U", &n, factor, &n, values, &best, &few, &n_iwork, &few, &info);
    n_work = (int)best;
    work = mem_alloc(sizeof *work * (size_t)n_work);
    iwork = mem_alloc(sizeof *iwork * (size_t)n_iwork);
    if (values && work && iwork) {
        dsyevd_("V", "U", &n, factor, &n, values, work, &n_work, iwork, &n_iwork, &info);
        status = info == 0 ? TSR_OK : failed("eigh", info);
        for (int k = 0; status == TSR_OK && k < n; k++) *valid = *valid && !(values[k] < -tolerance);
        if (status == TSR_OK) scale_rows(n, values, factor);
    }
    mem_free(values);
    mem_free(work);
    mem_free(iwork);
    return status;
}

/* Is V S V^T the matrix again? rows: those of V^T. */
static bool gives_back(int n, const double *cov, const double *s, const double *rows, double tolerance)
{
    size_t m = (size_t)n;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < m; j++) {
            double sum = 0, want = cov[i * m + j];
            for (size_t k = 0; k < m; k++) sum += rows[k * m + i] * s[k] * rows[k * m + j];
            if (!(fabs(sum - want) <= tolerance + tolerance * fabs(want))) return false;
        }
    }
    return true;
}

static tsr_status by_singular_values(int n, const double *cov, double tolerance, double *factor, bool *valid)
{
    int info, few = -1, n_work;
    size_t m = (size_t)n;
    double best, *s = mem_alloc(sizeof *s * m), *a = mem_alloc(sizeof *a * m * m), *other = mem_alloc(sizeof *other * m * m),
                 *work = NULL;
    int *iwork = mem_alloc(sizeof *iwork * 8 * m);
    tsr_status status = TSR_ERR_MEMORY;
    if (!s || !a || !other || !iwork) goto done;
    memcpy(a, cov, sizeof *a * m * m);
    dgesdd_("A", &n, &n, a, &n, s, factor, &n, other, &n, &best, &few, iwork, &info);
    n_work = (int)best;
    work = mem_alloc(sizeof *work * (size_t)n_work);
    if (!work) goto done;
    /* The left vectors of the transpose are the right ones of the matrix. */
    dgesdd_("A", &n, &n, a, &n, s, factor, &n, other, &n, work, &n_work, iwork, &info);
    status = info == 0 ? TSR_OK : failed("svd", info);
    if (status == TSR_OK) {
        *valid = gives_back(n, cov, s, factor, tolerance);
        scale_rows(n, s, factor);
    }
done:
    mem_free(s);
    mem_free(a);
    mem_free(other);
    mem_free(work);
    mem_free(iwork);
    return status;
}

tsr_status factor_covariance(const char *method, int64_t n, const double *cov, double tolerance, double *factor, bool *valid)
{
    enum { MOST = 1 << 14 };
    bool svd = strcmp(method, "svd") == 0, eigh = strcmp(method, "eigh") == 0;
    *valid = true;
    if (!svd && !eigh && strcmp(method, "cholesky") != 0)
        return error_set(TSR_ERR_VALUE, "method must be one of {'eigh', 'svd', 'cholesky'}, not '%s'", method);
    if (n > MOST) return error_set(TSR_ERR_VALUE, "multivariate_normal: %" PRId64 " variables, at most %d are possible", n, MOST);
    for (int64_t i = 0; i < n * n; i++)
        if (!isfinite(cov[i])) return error_set(TSR_ERR_VALUE, "multivariate_normal: the covariances hold infs or NaNs");
    if (n == 0) return TSR_OK;
    TRY(contract_enter_openblas());
    memcpy(factor, cov, sizeof *factor * (size_t)(n * n));
    tsr_status status = svd    ? by_singular_values((int)n, cov, tolerance, factor, valid)
                        : eigh ? by_eigenvalues((int)n, tolerance, factor, valid)
                               : by_cholesky((int)n, factor);
    contract_leave_openblas();
    return status;
}
