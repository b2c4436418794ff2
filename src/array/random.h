/* What the distributions are made of: requests for random arrays, and the sources that they draw from. */
#ifndef TESSERA_ARRAY_RANDOM_H
#define TESSERA_ARRAY_RANDOM_H

#include "array/build.h"

enum { RANDOM_MAX_PARAMETERS = 3 };

/* Which values of a parameter make sense. All others are an error, whose text is NumPy's. */
typedef enum parameter_rule {
    PARAM_ANY,
    PARAM_NOT_NEGATIVE, /* or NaN */
    PARAM_POSITIVE,     /* or NaN */
    PARAM_ABOVE_0,      /* not NaN */
    PARAM_ABOVE_1,
    PARAM_UNIT,       /* 0 .. 1 */
    PARAM_UNIT_NOT_0, /* > 0 */
    PARAM_UNIT_NOT_1, /* < 1 */
    PARAM_MEAN_COUNT, /* 0 .. the largest int64, nearly */
    PARAM_COUNT,      /* an integer >= 0 */
    PARAM_INTEGER
} parameter_rule;

/* One array that is asked for. Parameters are float64 (or int64, by their rule), checked, and broadcast to the shape. */
typedef struct random_request {
    tsr_session *session;
    uint64_t seed;
    int id; /* of the distribution: equal seeds give unrelated numbers for different ones */
    tsr_dtype dtype;
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    grid grid;
    tsr_array *p[RANDOM_MAX_PARAMETERS];
} random_request;

typedef struct distribution {
    const char *name;
    int id; /* never changes: it chooses the numbers */
    int n_parameters, n_required;
    struct {
        const char *name;
        parameter_rule rule;
        double fallback; /* of parameters that need not be given */
    } parameters[RANDOM_MAX_PARAMETERS];
    bool counts; /* int64, else float64 */
    tsr_array *(*make)(const random_request *r);
    /* Checks that concern several parameters; may be NULL. It may replace them. */
    tsr_status (*check)(random_request *r);
} distribution;

/* The list of all, index = 0, 1, ...; NULL past the last (array/random_forms.c). */
const distribution *distribution_at(int index);

/* Independent streams k = 0, 1, ... of a request: 64 random bits; uniform in (0, 1); standard normal. */
tsr_array *random_words(const random_request *r, int k);
tsr_array *random_uniform(const random_request *r, int k);
tsr_array *random_normal(const random_request *r, int k);
/* What tsr_random_uniform, _normal and _integers give. */
tsr_array *random_own(const random_request *r, random_kind kind, random_params params, tsr_dtype dtype);
/* The value of an array that holds one, as its constant. */
bool random_constant(const tsr_array *a, tsr_scalar *value);

/* Fails with `text` if the float64 array has values outside low .. high (high NaN: none below low; NaN is fine). An array that is
 * known already is looked through now; of others *value becomes one that fails when it is computed. */
tsr_status random_check(tsr_array **value, double low, double high, const char *text) MUST_CHECK;

#endif
