/* Random numbers that depend on each other: counts that share a number of trials, proportions that add up to 1, random orders,
 * samples without replacement. What is drawn together is one block along the axis concerned; every row draws from a sub-stream
 * under a random word of its own, so that chunks along other axes make no difference.
 *
 * Orders of few elements are shuffled (Durstenfeld, "Algorithm 235: Random permutation", CACM 7 (1964)); of many, each place is
 * computed on its own (sample_place). Weighted samples without replacement take the least of exponential numbers divided by their
 * weights: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", Inf. Process. Lett. 97 (2006). Block functions
 * are pure and run on any thread. */
#include "array/builtin.h"
#include "array/random.h"
#include "base/mem.h"
#include "kernel/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Never to be changed, as distributions' ids: they choose the numbers. */
enum { ID_DIRICHLET = 64, ID_MULTINOMIAL, ID_MULTIVARIATE_HYPERGEOMETRIC, ID_PERMUTATION, ID_PERMUTED, ID_CHOICE };
/* Longer orders are computed place by place, and need no memory. */
static const int64_t longest_shuffled = (int64_t)1 << 20;

/* ---- Requests for rows -------------------------------------------------------------------------------------------------- */

/* One row for each element of `shape`, `length` numbers long: chunks are for the shape. */
static tsr_status request_init(random_request *r, const char *name, int64_t length, const int64_t *chunks)
{
    int64_t shape[TSR_MAX_NDIM], all[TSR_MAX_NDIM];
    if (r->ndim >= TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "%s: the size has too many dimensions", name);
    TRY(shape_check(name, r->ndim, r->shape));
    for (int d = 0; d < r->ndim; d++) {
        shape[d] = r->shape[d];
        all[d] = chunks ? chunks[d] : 0;
    }
    shape[r->ndim] = length;
    all[r->ndim] = -1;
    TRY(chunks_choose(r->session, r->dtype, r->ndim + 1, shape, all, NULL, &r->grid));
    r->grid.ndim = r->ndim;
    return TSR_OK;
}

/* `a` with the request's chunks along its first axes, and whole along the last if it is a row. */
static tsr_array *in_chunks(const random_request *r, tsr_array *a)
{
    int64_t chunks[TSR_MAX_NDIM];
    for (int d = 0; d < a->ndim; d++) chunks[d] = d < r->ndim && a->ndim >= r->ndim ? r->grid.axes[d].chunk : -1;
    return tsr_rechunk(a, chunks);
}

/* An input of `call` beside the words: it has the request's axes, the rows' axis, or both. */
typedef struct extra {
    tsr_array *array;
    bool is_row;
} extra;

/* call(words, extras...) makes rows as long as those of the extras. */
static tsr_array *rows(const random_request *r, const char *name, tsr_block_function call, tsr_dtype dtype, int n_extras,
                       const extra *extras)
{
    enum { MOST_EXTRAS = 2 };
    static const int labels[TSR_MAX_NDIM] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    tsr_array *words = random_words(r, 0), *inputs_made[MOST_EXTRAS] = {NULL, NULL}, *result = NULL;
    tsr_block_input inputs[1 + MOST_EXTRAS] = {{words, labels}};
    bool complete = words != NULL;
    for (int i = 0; i < n_extras && complete; i++) {
        inputs_made[i] = in_chunks(r, extras[i].array);
        inputs[1 + i] =
            (tsr_block_input){inputs_made[i], extras[i].is_row ? labels + r->ndim + 1 - extras[i].array->ndim : labels};
        complete = inputs_made[i] != NULL;
    }
    tsr_function f = {.call = call, .name = name, .identity = name, .identity_bytes = strlen(name)};
    tsr_block_output output = {.dtype = dtype, .ndim = r->ndim + 1, .labels = labels};
    if (complete) result = tsr_blockwise(r->session, &f, 1 + n_extras, inputs, &output);
    for (int i = 0; i < n_extras; i++) node_unref(inputs_made[i]);
    return array_using(result, words);
}

static int64_t row_length(const tsr_block *b) { return b->shape[b->ndim - 1]; }

/* Rows of an input, one after the other; a single row serves all. */
static const void *row_of(const tsr_block *b, int64_t i)
{
    return (const char *)b->data + (b->ndim > 1 ? (size_t)(i * row_length(b)) * tsr_dtype_size(b->dtype) : 0);
}

/* Is there a word for each row, and is everything else there for all rows? */
static bool rows_fit(int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (output->ndim < 1) return false;
    const int64_t k = row_length(output), n = k ? shape_size(output->ndim, output->shape) / k : 0;
    bool fits = k == 0 || shape_size(inputs[0].ndim, inputs[0].shape) >= n;
    const tsr_block *last = &inputs[n_inputs - 1];
    if (n_inputs == 3) fits = fits && (k == 0 || shape_size(inputs[1].ndim, inputs[1].shape) >= n);
    return fits && last->ndim >= 1 && row_length(last) == k &&
           (last->ndim == 1 || shape_size(last->ndim, last->shape) == shape_size(output->ndim, output->shape));
}

static tsr_status check_row(const char *name, const char *parameter, const tsr_array *a, bool one_dimension)
{
    if (a->ndim < 1 || (one_dimension && a->ndim > 1))
        return error_set(TSR_ERR_VALUE, "%s: %s must be a one-dimensional sequence, it has %d dimensions", name, parameter,
                         a->ndim);
    if (dtype_is_complex(a->dtype)) return error_set(TSR_ERR_TYPE, "%s: %s is complex", name, parameter);
    return TSR_OK;
}

static void set_shape(random_request *r, int ndim, const int64_t *shape)
{
    r->ndim = ndim;
    if (ndim > 0 && ndim <= TSR_MAX_NDIM) memcpy(r->shape, shape, sizeof *shape * (size_t)ndim);
}

/* ---- Dirichlet ---------------------------------------------------------------------------------------------------------- */

/* Gamma variates over their sum, by their logarithms: the largest of them always counts. */
static tsr_array *proportions(const random_request *r, tsr_array *alpha)
{
    static const int last[1] = {-1};
    tsr_array *words = random_words(r, 0), *normal = random_normal(r, 0), *three[3] = {words, normal, alpha};
    tsr_array *logs = array_map(OP_SAMPLE_LOG_GAMMA, 3, three);
    tsr_array *most = tsr_max(logs, 1, last, true), *difference = tsr_subtract(logs, most), *parts = tsr_exp(difference);
    tsr_array *sum = tsr_sum(parts, 1, last, true), *result = tsr_divide(parts, sum);
    tsr_array *used[] = {words, normal, logs, most, difference, parts, sum};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) node_unref(used[i]);
    return result;
}

tsr_array *tsr_random_dirichlet(tsr_array *alpha, uint64_t seed, int ndim, const int64_t *shape, const int64_t *chunks)
{
    if (!array_ready(alpha) || check_row("dirichlet", "alpha", alpha, true) != TSR_OK) return NULL;
    random_request r = {.session = alpha->session, .seed = seed, .id = ID_DIRICHLET, .dtype = TSR_F64};
    tsr_array *real = array_cast(alpha, TSR_F64), *result = NULL;
    set_shape(&r, ndim, shape);
    if (real && random_check(&real, 0, NAN, "dirichlet: alpha < 0") == TSR_OK &&
        request_init(&r, "dirichlet", alpha->shape[0], chunks) == TSR_OK) {
        r.grid.axes[ndim] = axis_grid_regular(alpha->shape[0], alpha->shape[0] > 0 ? alpha->shape[0] : 1);
        r.shape[ndim] = alpha->shape[0];
        r.grid.ndim = r.ndim = ndim + 1;
        result = alpha->shape[0] > 0 ? proportions(&r, real) : tsr_zeros(r.session, TSR_F64, r.ndim, r.shape, NULL);
    }
    return array_using(result, real);
}

/* ---- Counts that share their trials -------------------------------------------------------------------------------------- */

/* Each count is binomial given those before it. */
tsr_status multinomial_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (!rows_fit(n_inputs, inputs, output)) return builtin_misfit();
    const uint64_t *words = inputs[0].data;
    const int64_t *trials = inputs[1].data, k = row_length(output), n = k ? shape_size(output->ndim, output->shape) / k : 0;
    for (int64_t i = 0; i < n; i++) {
        const double *p = row_of(&inputs[2], i);
        int64_t *counts = (int64_t *)output->data + i * k, left = trials[i];
        double rest = 1;
        draws d = draws_of(words[i]);
        if (left < 0) return tsr_fail(TSR_ERR_VALUE, "n < 0");
        for (int64_t c = 0; c < k; c++) {
            if (!(p[c] >= 0 && p[c] <= 1)) return tsr_fail(TSR_ERR_VALUE, "pvals < 0, pvals > 1 or pvals contains NaNs");
            double given = c == k - 1 || p[c] >= rest ? 1 : p[c] / rest;
            counts[c] = left > 0 ? binomial_of(draw_word(&d), left, given) : 0;
            left -= counts[c];
            rest -= p[c];
        }
    }
    return TSR_OK;
}

/* The probabilities but the last one, which is what is left, add up to no more than 1. */
static tsr_status check_probabilities(tsr_array **pvals)
{
    static const int last[1] = {-1};
    const char *range = "multinomial: pvals < 0, pvals > 1 or pvals contains NaNs";
    TRY(random_check(pvals, 0, 1, range));
    tsr_index items[2] = {{.kind = TSR_INDEX_ELLIPSIS}, {.kind = TSR_INDEX_SLICE, .has_stop = true, .stop = -1}};
    tsr_array *first = tsr_slice(*pvals, 2, items), *sum = array_using(tsr_sum(first, 1, last, false), first);
    tsr_array *excess = array_using(tsr_max(sum, 0, NULL, false), sum);
    if (!excess) return tsr_error_code();
    tsr_status status = TSR_OK;
    if ((*pvals)->op == NODE_MEMORY) {
        double most = 0;
        status = excess->session->compute(1, (tsr_array *[1]){excess}, (void *[1]){&most});
        if (status == TSR_OK && most > 1 + 1e-12) status = error_set(TSR_ERR_VALUE, "multinomial: sum(pvals[:-1]) > 1.0");
    }
    node_unref(excess);
    return status;
}

static tsr_status multinomial_shape(random_request *r, const tsr_array *n, const tsr_array *pvals, int ndim, const int64_t *shape)
{
    tsr_array outer = *pvals, *both[2];
    outer.ndim--;
    both[0] = (tsr_array *)(uintptr_t)n;
    both[1] = &outer;
    TRY(broadcast_shapes("multinomial", 2, both, &r->ndim, r->shape));
    if (ndim >= 0) set_shape(r, ndim, shape);
    return TSR_OK;
}

tsr_array *tsr_random_multinomial(tsr_array *n, tsr_array *pvals, uint64_t seed, int ndim, const int64_t *shape,
                                  const int64_t *chunks)
{
    if (!array_ready(n) || !array_ready(pvals) || check_row("multinomial", "pvals", pvals, false) != TSR_OK) return NULL;
    random_request r = {.session = n->session, .seed = seed, .id = ID_MULTINOMIAL, .dtype = TSR_I64};
    tsr_array *trials = array_cast(n, TSR_I64), *real = array_cast(n, TSR_F64), *p = array_cast(pvals, TSR_F64), *result = NULL;
    int64_t k = pvals->shape[pvals->ndim - 1], full[TSR_MAX_NDIM];
    if (!trials || !real || !p || random_check(&real, 0, NAN, "multinomial: n < 0") != TSR_OK) goto done;
    if (k > 0 && p->shape[0] > 0 && check_probabilities(&p) != TSR_OK) goto done;
    if (multinomial_shape(&r, n, pvals, ndim, shape) != TSR_OK || request_init(&r, "multinomial", k, chunks) != TSR_OK) goto done;
    memcpy(full, r.shape, sizeof full);
    full[r.ndim] = k;
    if (k == 0) {
        result = tsr_zeros(r.session, TSR_I64, r.ndim + 1, full, NULL);
        goto done;
    }
    tsr_array *each = tsr_broadcast_to(trials, r.ndim, r.shape);
    tsr_array *rows_of_p = p->ndim > 1 ? tsr_broadcast_to(p, r.ndim + 1, full) : node_ref(p);
    extra extras[2] = {{each, false}, {rows_of_p, true}};
    if (each && rows_of_p) result = rows(&r, "multinomial", multinomial_block, TSR_I64, 2, extras);
    node_unref(each);
    node_unref(rows_of_p);
done:
    node_unref(trials);
    node_unref(real);
    return array_using(result, p);
}

static const char bad_colors[] = "colors must be nonnegative, and their sum less than 1000000000";

/* Each count is hypergeometric given those before it. */
tsr_status colors_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const int64_t most = 1000000000;
    if (!rows_fit(n_inputs, inputs, output)) return builtin_misfit();
    const uint64_t *words = inputs[0].data;
    const int64_t *samples = inputs[1].data, *colors = inputs[2].data, k = row_length(output);
    const int64_t n = k ? shape_size(output->ndim, output->shape) / k : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t *counts = (int64_t *)output->data + i * k, left = samples[i], rest = 0;
        draws d = draws_of(words[i]);
        for (int64_t c = 0; c < k; c++) {
            if (colors[c] < 0 || (rest += colors[c] < most ? colors[c] : most) >= most)
                return tsr_fail(TSR_ERR_VALUE, bad_colors);
        }
        if (left < 0 || left > rest) return tsr_fail(TSR_ERR_VALUE, "nsample < 0, or nsample > sum(colors)");
        for (int64_t c = 0; c < k; c++) {
            rest -= colors[c];
            counts[c] = left > 0 ? hypergeometric_of(draw_word(&d), colors[c], rest, left) : 0;
            left -= counts[c];
        }
    }
    return TSR_OK;
}

/* The colors are looked through: they are few. */
static tsr_status check_colors(tsr_array *colors, const int64_t *samples)
{
    const int64_t most = 1000000000;
    int64_t k = colors->shape[0], sum = 0, *values = mem_alloc(sizeof *values * (size_t)(k + 1));
    if (!values) return TSR_ERR_MEMORY;
    tsr_status status = k > 0 ? colors->session->compute(1, &colors, (void *[1]){values}) : TSR_OK;
    for (int64_t c = 0; status == TSR_OK && c < k; c++) {
        if (values[c] < 0) {
            status = error_set(TSR_ERR_VALUE,
                               "multivariate_hypergeometric: colors must be a one-dimensional sequence of "
                               "nonnegative integers, one is %" PRId64,
                               values[c]);
        } else if ((sum += values[c] < most ? values[c] : most) >= most) {
            status = error_set(TSR_ERR_VALUE, "multivariate_hypergeometric: sum(colors) must be less than %" PRId64, most);
        }
    }
    if (status == TSR_OK && *samples < 0) status = error_set(TSR_ERR_VALUE, "multivariate_hypergeometric: nsample < 0");
    if (status == TSR_OK && *samples > sum)
        status = error_set(TSR_ERR_VALUE, "multivariate_hypergeometric: nsample > sum(colors) (%" PRId64 " and %" PRId64 ")",
                           *samples, sum);
    mem_free(values);
    return status;
}

tsr_array *tsr_random_multivariate_hypergeometric(tsr_array *colors, int64_t nsample, uint64_t seed, int ndim,
                                                  const int64_t *shape, const int64_t *chunks)
{
    const char *name = "multivariate_hypergeometric";
    if (!array_ready(colors) || check_row(name, "colors", colors, true) != TSR_OK) return NULL;
    random_request r = {.session = colors->session, .seed = seed, .id = ID_MULTIVARIATE_HYPERGEOMETRIC, .dtype = TSR_I64};
    tsr_array *counts = array_cast(colors, TSR_I64),
              *samples = tsr_full(r.session, scalar_int(nsample), TSR_I64, ndim, shape, NULL);
    tsr_array *result = NULL;
    set_shape(&r, ndim, shape);
    if (counts && samples && check_colors(counts, &nsample) == TSR_OK &&
        request_init(&r, name, colors->shape[0], chunks) == TSR_OK) {
        extra extras[2] = {{samples, false}, {counts, true}};
        result = rows(&r, name, colors_block, TSR_I64, 2, extras);
    }
    return array_using(array_using(result, counts), samples);
}

/* ---- Orders ------------------------------------------------------------------------------------------------------------- */

tsr_status order_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (output->ndim != 1 || shape_size(inputs[0].ndim, inputs[0].shape) < 1) return builtin_misfit();
    draws d = draws_of(*(const uint64_t *)inputs[0].data);
    int64_t *order = output->data, n = output->shape[0];
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)draw_below(&d, (uint64_t)i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return TSR_OK;
}

/* A single word of a seed, as an array of length 1. */
static tsr_array *key_of(tsr_session *s, uint64_t seed, int id)
{
    random_request r = {.session = s, .seed = seed, .id = id, .dtype = TSR_U64, .ndim = 1, .shape = {1}};
    r.grid = (grid){.ndim = 1, .axes = {axis_grid_regular(1, 1)}};
    return random_words(&r, 0);
}

/* `call` makes all of the 1-d result at once, of the key and perhaps a table. */
static tsr_array *at_once(const char *name, tsr_block_function call, tsr_array *key, tsr_array *table, int64_t n)
{
    static const int labels[3] = {0, 1, 2};
    tsr_block_input inputs[2] = {{key, labels + 1}, {table, labels + 2}};
    tsr_chunks chunks = {1, &n};
    tsr_function f = {.call = call, .name = name, .identity = name, .identity_bytes = strlen(name)};
    tsr_block_output output = {.dtype = TSR_I64, .ndim = 1, .labels = labels, .chunks = &chunks};
    return key ? tsr_blockwise(key->session, &f, table ? 2 : 1, inputs, &output) : NULL;
}

tsr_array *tsr_random_permutation(tsr_session *session, uint64_t seed, int64_t n, const int64_t *chunks)
{
    if (n < 0) {
        (void)error_set(TSR_ERR_VALUE, "permutation: the length %" PRId64 " is negative", n);
        return NULL;
    }
    if (n <= 1) return tsr_zeros(session, TSR_I64, 1, &n, chunks);
    tsr_array *key = key_of(session, seed, ID_PERMUTATION), *order = NULL;
    if (n <= longest_shuffled) {
        tsr_array *all = at_once("permutation", order_block, key, NULL, n);
        order = chunks ? array_using(tsr_rechunk(all, chunks), all) : all;
    } else {
        tsr_array *places = tsr_arange_int(session, 0, n, 1, TSR_I64, chunks), *count = tsr_scalar_array(session, scalar_int(n));
        tsr_array *three[3] = {places, count, key};
        order = array_using(array_using(array_map(OP_SAMPLE_PLACE, 3, three), places), count);
    }
    return array_using(order, key);
}

/* Rows of the input, each in an order of its own. */
tsr_status permuted_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (!rows_fit(n_inputs, inputs, output)) return builtin_misfit();
    const uint64_t *words = inputs[0].data;
    const int64_t k = row_length(output), n = k ? shape_size(output->ndim, output->shape) / k : 0;
    const size_t size = tsr_dtype_size(output->dtype);
    for (int64_t i = 0; i < n; i++) {
        const char *from = row_of(&inputs[1], i);
        char *to = (char *)output->data + (size_t)(i * k) * size;
        draws d = draws_of(words[i]);
        for (int64_t c = 0; c < k; c++) { /* inside out: element c goes to place j, what was there to the end */
            size_t j = (size_t)draw_below(&d, (uint64_t)c + 1);
            memmove(to + (size_t)c * size, to + j * size, size);
            memcpy(to + j * size, from + (size_t)c * size, size);
        }
    }
    return TSR_OK;
}

tsr_array *tsr_random_permuted(tsr_array *a, uint64_t seed, int axis)
{
    if (!a || axis_check("permuted", a, axis, &axis) != TSR_OK) return NULL;
    const int last[1] = {-1}, at[1] = {axis};
    tsr_array *moved = tsr_moveaxis(a, 1, at, last), *result = NULL;
    random_request r = {.session = a->session, .seed = seed, .id = ID_PERMUTED, .dtype = a->dtype};
    if (!moved || tsr_size(a) == 0) return moved ? array_using(node_ref(a), moved) : NULL;
    set_shape(&r, moved->ndim - 1, moved->shape);
    r.grid.ndim = r.ndim;
    for (int d = 0; d < r.ndim; d++) r.grid.axes[d] = axis_grid_regular(r.shape[d], moved->grid.axes[d].chunk);
    extra rows_of_a = {moved, true};
    tsr_array *mixed = rows(&r, "permuted", permuted_block, a->dtype, 1, &rows_of_a);
    result = array_using(tsr_moveaxis(mixed, 1, last, at), mixed);
    return array_using(result, moved);
}

/* ---- Choices ------------------------------------------------------------------------------------------------------------ */

/* Probabilities must be in order: they are looked through now, as everything depends on them. */
static tsr_status check_choice_weights(tsr_array *p, int64_t n, bool replace, int64_t wanted)
{
    double sum = 0;
    int64_t n_positive = 0;
    TRY(array_resolve(p));
    if (p->ndim != 1) return error_set(TSR_ERR_VALUE, "choice: p must be 1-dimensional");
    if (p->shape[0] != n)
        return error_set(TSR_ERR_VALUE, "choice: a and p must have same size (%" PRId64 " and %" PRId64 ")", n, p->shape[0]);
    double *values = mem_alloc(sizeof *values * (size_t)(n + 1));
    if (!values) return TSR_ERR_MEMORY;
    tsr_status status = p->session->compute(1, &p, (void *[1]){values});
    for (int64_t i = 0; status == TSR_OK && i < n; i++) {
        if (isnan(values[i])) status = error_set(TSR_ERR_VALUE, "choice: Probabilities contain NaN");
        if (values[i] < 0) status = error_set(TSR_ERR_VALUE, "choice: Probabilities are not non-negative (%g)", values[i]);
        sum += values[i];
        n_positive += values[i] > 0;
    }
    if (status == TSR_OK && !(fabs(sum - 1) <= 0x1p-26))
        status = error_set(TSR_ERR_VALUE, "choice: Probabilities do not sum to 1 (but to %.17g)", sum);
    if (status == TSR_OK && !replace && n_positive < wanted)
        status = error_set(TSR_ERR_VALUE, "choice: Fewer non-zero entries in p than size (%" PRId64 " and %" PRId64 ")",
                           n_positive, wanted);
    mem_free(values);
    return status;
}

/* The places in the running sum of the probabilities. */
static tsr_array *choose_weighted(const random_request *r, tsr_array *p)
{
    tsr_index at = {.kind = TSR_INDEX_INTEGER, .start = -1};
    tsr_array *sums = tsr_cumsum(p, 0), *last = tsr_slice(sums, 1, &at), *table = tsr_divide(sums, last);
    tsr_array *u = random_uniform(r, 1), *found = tsr_searchsorted(table, u, true, NULL);
    return array_using(array_using(array_using(array_using(found, sums), last), table), u);
}

typedef struct candidate {
    double key;
    int64_t index;
} candidate;

static int compare_candidates(const void *a_, const void *b_)
{
    const candidate *a = a_, *b = b_;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

tsr_status weighted_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    if (output->ndim != 1 || inputs[1].ndim != 1 || output->shape[0] > inputs[1].shape[0] ||
        shape_size(inputs[0].ndim, inputs[0].shape) < 1)
        return builtin_misfit();
    const double *p = inputs[1].data;
    int64_t n = inputs[1].shape[0], *out = output->data;
    candidate *all = mem_alloc(sizeof *all * (size_t)n);
    if (!all) return TSR_ERR_MEMORY;
    draws d = draws_of(*(const uint64_t *)inputs[0].data);
    for (int64_t i = 0; i < n; i++) {
        double exponential = -log(draw_uniform(&d));
        all[i] = (candidate){p[i] > 0 ? exponential / p[i] : INFINITY, i};
    }
    qsort(all, (size_t)n, sizeof *all, compare_candidates);
    for (int64_t i = 0; i < output->shape[0]; i++) out[i] = all[i].index;
    mem_free(all);
    return TSR_OK;
}

/* The first `wanted` of a random order. */
static tsr_array *choose_once(const random_request *r, tsr_array *p, int64_t n, int64_t wanted)
{
    tsr_array *order = NULL;
    if (p) {
        tsr_array *key = key_of(r->session, r->seed, ID_CHOICE), *table = tsr_rechunk(p, (int64_t[1]){-1});
        if (table) order = at_once("choice", weighted_block, key, table, wanted);
        order = array_using(array_using(order, key), table);
    } else {
        tsr_index first = {.kind = TSR_INDEX_SLICE, .has_stop = true, .stop = wanted};
        tsr_array *all = tsr_random_permutation(r->session, r->seed, n, NULL);
        order = array_using(tsr_slice(all, 1, &first), all);
    }
    tsr_array *shaped = array_using(tsr_reshape(order, r->ndim, r->shape), order);
    int64_t chunks[TSR_MAX_NDIM];
    for (int d = 0; d < r->ndim; d++) chunks[d] = r->grid.axes[d].chunk;
    return array_using(tsr_rechunk(shaped, chunks), shaped);
}

tsr_array *tsr_random_choice(tsr_session *session, uint64_t seed, int64_t n, tsr_array *p, bool replace, int ndim,
                             const int64_t *shape, const int64_t *chunks)
{
    random_request r = {.session = session, .seed = seed, .id = ID_CHOICE, .dtype = TSR_I64, .ndim = ndim};
    if (shape_check("choice", ndim, shape) != TSR_OK) return NULL;
    set_shape(&r, ndim, shape);
    int64_t wanted = shape_size(ndim, shape);
    if (n < 0 || (n == 0 && wanted > 0)) {
        (void)error_set(TSR_ERR_VALUE, "choice: a must be a positive integer unless no samples are taken, it is %" PRId64, n);
        return NULL;
    }
    if (!replace && wanted > n) {
        (void)error_set(TSR_ERR_VALUE,
                        "choice: Cannot take a larger sample than population when replace is False (%" PRId64 " of %" PRId64 ")",
                        wanted, n);
        return NULL;
    }
    tsr_array *weights = p ? array_cast(p, TSR_F64) : NULL, *result = NULL;
    if ((p && !weights) || chunks_choose(session, TSR_I64, ndim, shape, chunks, NULL, &r.grid) != TSR_OK ||
        (weights && check_choice_weights(weights, n, replace, wanted) != TSR_OK)) {
        node_unref(weights);
        return NULL;
    }
    if (wanted == 0)
        result = tsr_zeros(session, TSR_I64, ndim, shape, chunks);
    else if (!replace)
        result = choose_once(&r, weights, n, wanted);
    else if (weights)
        result = choose_weighted(&r, weights);
    else
        result = random_own(&r, RANDOM_INTEGERS, (random_params){.key = {0, ID_CHOICE}, .range = (uint64_t)n}, TSR_I64);
    return array_using(result, weights);
}

/* ---- Elements of a table ----------------------------------------------------------------------------------------------------
 */

tsr_status pick_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const int64_t *places = inputs[0].data, n = shape_size(output->ndim, output->shape);
    const int64_t n_there = shape_size(inputs[1].ndim, inputs[1].shape);
    if (shape_size(inputs[0].ndim, inputs[0].shape) != n) return builtin_misfit();
    for (int64_t i = 0; i < n; i++)
        if (places[i] < 0 || places[i] >= n_there) return builtin_misfit();
    const size_t size = tsr_dtype_size(output->dtype);
    char *out = output->data;
    for (int64_t i = 0; i < n; i++) memcpy(out + (size_t)i * size, (const char *)inputs[1].data + (size_t)places[i] * size, size);
    return TSR_OK;
}

tsr_array *tsr_random_choice_of(tsr_array *a, uint64_t seed, tsr_array *p, bool replace, int ndim, const int64_t *shape,
                                const int64_t *chunks)
{
    static const int labels[TSR_MAX_NDIM + 1] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    if (!array_ready(a)) return NULL;
    if (a->ndim != 1) {
        (void)error_set(TSR_ERR_VALUE, "choice: a has %d dimensions, it must have 1", a->ndim);
        return NULL;
    }
    tsr_array *places = tsr_random_choice(a->session, seed, a->shape[0], p, replace, ndim, shape, chunks), *result = NULL;
    if (!places) return NULL;
    tsr_array *table = tsr_rechunk(a, (int64_t[1]){-1});
    tsr_block_input inputs[2] = {{places, labels}, {table, labels + TSR_MAX_NDIM}};
    tsr_function f = {.call = pick_block, .name = "choice", .identity = "pick", .identity_bytes = 4};
    tsr_block_output output = {.dtype = a->dtype, .ndim = ndim, .labels = labels};
    if (tsr_size(places) == 0)
        result = array_cast(places, a->dtype);
    else if (table)
        result = tsr_blockwise(a->session, &f, 2, inputs, &output);
    return array_using(array_using(result, table), places);
}
