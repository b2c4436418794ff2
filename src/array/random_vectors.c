/* Normal vectors with given means and covariances. */
#include "array/random.h"
#include "base/mem.h"
#include "kernel/factor.h"

#include <inttypes.h>
#include <string.h>

static tsr_status check_parameters(const tsr_array *mean, const tsr_array *cov)
{
    if (mean->ndim != 1)
        return error_set(TSR_ERR_VALUE, "multivariate_normal: mean must be 1 dimensional, it has %d dimensions", mean->ndim);
    if (cov->ndim != 2 || cov->shape[0] != cov->shape[1])
        return error_set(TSR_ERR_VALUE, "multivariate_normal: cov must be 2 dimensional and square");
    if (mean->shape[0] != cov->shape[0])
        return error_set(TSR_ERR_VALUE, "multivariate_normal: mean and cov must have same length (%" PRId64 " and %" PRId64 ")",
                         mean->shape[0], cov->shape[0]);
    if (dtype_is_complex(mean->dtype) || dtype_is_complex(cov->dtype))
        return error_set(TSR_ERR_TYPE, "multivariate_normal: mean and cov must not be complex");
    return TSR_OK;
}

/* The factor of the covariances, which are computed, as an array. */
static tsr_array *factor_of(tsr_array *cov, const char *method, double tolerance, bool *valid)
{
    int64_t n = cov->shape[0];
    size_t bytes = sizeof(double) * (size_t)(n * n);
    double *values = mem_alloc(bytes ? bytes : sizeof *values), *factor = mem_alloc(bytes ? bytes : sizeof *factor);
    tsr_array *typed = array_cast(cov, TSR_F64), *result = NULL;
    tsr_status status = values && factor && typed ? TSR_OK : TSR_ERR_MEMORY;
    if (status == TSR_OK && bytes) status = cov->session->compute(1, &typed, (void *[1]){values});
    if (status == TSR_OK) status = factor_covariance(method, n, values, tolerance, factor, valid);
    if (status == TSR_OK)
        result = tsr_from_memory(cov->session, factor, TSR_F64, 2, cov->shape, NULL, mem_free, factor, (int64_t[]){-1, -1});
    if (!result) mem_free(factor);
    mem_free(values);
    return array_using(result, typed);
}

tsr_array *tsr_random_multivariate_normal(tsr_array *mean, tsr_array *cov, uint64_t seed, const char *method, double tolerance,
                                          bool *valid, int ndim, const int64_t *shape, const int64_t *chunks)
{
    int64_t full[TSR_MAX_NDIM], full_chunks[TSR_MAX_NDIM];
    bool is_valid;
    int summed = -2;
    if (!array_ready(mean) || !array_ready(cov) || shape_check("multivariate_normal", ndim, shape) != TSR_OK) return NULL;
    if (check_parameters(mean, cov) != TSR_OK) return NULL;
    if (ndim + 2 > TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "multivariate_normal: %d dimensions, at most %d are possible", ndim, TSR_MAX_NDIM - 2);
        return NULL;
    }
    tsr_array *factor = factor_of(cov, method, tolerance, valid ? valid : &is_valid), *result = NULL;
    if (!factor) return NULL;
    for (int d = 0; d < ndim; d++) {
        full[d] = shape[d];
        full_chunks[d] = chunks ? chunks[d] : 0;
    }
    full[ndim] = mean->shape[0];
    full_chunks[ndim] = -1;
    /* A sum along an axis instead of a product of matrices: its bits do not depend on the chunks. */
    tsr_array *normal = tsr_random(mean->session, seed, "standard_normal", 0, NULL, TSR_F64, ndim + 1, full, full_chunks);
    tsr_array *wide = normal ? tsr_expand_dims(normal, 1, (int[]){-1}) : NULL,
              *products = wide ? tsr_multiply(wide, factor) : NULL;
    tsr_array *sum = tsr_sum(products, 1, &summed, false), *typed = array_cast(mean, TSR_F64);
    if (sum && typed) result = tsr_add(sum, typed);
    tsr_array *used[] = {factor, normal, wide, products, sum, typed};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}
