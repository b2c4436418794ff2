/* Einstein's summation convention. The subscripts are read into labels; two arrays at a time are contracted, the pair first whose
 * result is smallest for the work it takes, and labels that no other array and not the result has are summed over on the way. */
#include "array/build.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum { MOST_OPERANDS = 32, N_LABELS = 32, N_LETTERS = 52 };

/* An operand (or partial result) with the label of each of its axes. */
typedef struct term {
    tsr_array *array; /* a reference */
    int labels[TSR_MAX_NDIM];
} term;

typedef struct summation {
    int n;
    term terms[MOST_OPERANDS];
    int n_out;
    int out[TSR_MAX_NDIM];
    int label_of[N_LETTERS]; /* label of a letter, -1 unused */
    int n_labels;
    int first_dots, n_dots; /* labels of the broadcast axes, right-aligned */
    int times[N_LETTERS];   /* how often a letter is used by operands */
    int64_t length[N_LABELS];
} summation;

/* ---- Reading ------------------------------------------------------------------------------------------------------------- */

static int letter_index(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' : c - 'a' + 26; } /* NumPy's order of output labels */

static tsr_status label_of_letter(summation *e, char c, int *label)
{
    int *known = &e->label_of[letter_index(c)];
    if (*known < 0) {
        if (e->n_labels == N_LABELS) return error_set(TSR_ERR_VALUE, "einsum: more than %d different subscripts", N_LABELS);
        *known = e->n_labels++;
    }
    *label = *known;
    return TSR_OK;
}

/* Reads the letters of one term up to `end`; dots are the place of the ellipsis among the letters, -1 none. */
static tsr_status read_letters(const char *text, const char *end, char *letters, int *n, int *dots)
{
    *n = 0;
    *dots = -1;
    for (const char *c = text; c < end; c++) {
        if (*c == ' ') continue;
        if (*c == '.') {
            if (end - c < 3 || c[1] != '.' || c[2] != '.' || *dots >= 0)
                return error_set(TSR_ERR_VALUE, "einsum: a '.' in '%.*s' that is not part of one ellipsis '...'",
                                 (int)(end - text), text);
            *dots = *n;
            c += 2;
        } else if (!isalpha((unsigned char)*c)) {
            return error_set(TSR_ERR_VALUE, "einsum: '%c' in '%.*s' is no subscript; subscripts are letters", *c,
                             (int)(end - text), text);
        } else if (*n == TSR_MAX_NDIM) {
            return error_set(TSR_ERR_VALUE, "einsum: more than %d subscripts for one array", TSR_MAX_NDIM);
        } else {
            letters[(*n)++] = *c;
        }
    }
    return TSR_OK;
}

/* The labels of the ellipsis: as many as the array with most axes there needs. */
static tsr_status find_dots(summation *e, const char *text, const char *arrow)
{
    char letters[TSR_MAX_NDIM];
    for (int i = 0; i < e->n; i++) {
        const char *end = memchr(text, ',', (size_t)(arrow - text));
        int n, dots, ndim = e->terms[i].array->ndim;
        if ((end == NULL) != (i == e->n - 1))
            return error_set(TSR_ERR_VALUE, "einsum: the subscripts are for %s arrays than the %d given", end ? "more" : "fewer",
                             e->n);
        TRY(read_letters(text, end ? end : arrow, letters, &n, &dots));
        if (dots < 0 ? n != ndim : n > ndim)
            return error_set(TSR_ERR_VALUE, "einsum: '%.*s' has %d subscripts, array %d has %d dimensions",
                             (int)((end ? end : arrow) - text), text, n, i, ndim);
        if (dots >= 0 && ndim - n > e->n_dots) e->n_dots = ndim - n;
        text = end ? end + 1 : arrow;
    }
    e->first_dots = 0;
    e->n_labels = e->n_dots;
    return TSR_OK;
}

static tsr_status note_length(summation *e, int label, int operand, int64_t length)
{
    int64_t *known = &e->length[label];
    if (*known == length || length == 1) return TSR_OK;
    if (*known != 1)
        return error_set(TSR_ERR_VALUE, "einsum: array %d has %" PRId64 " elements along an axis where another has %" PRId64,
                         operand, length, *known);
    *known = length;
    return TSR_OK;
}

static tsr_status read_term(summation *e, int i, const char *text, const char *end)
{
    char letters[TSR_MAX_NDIM];
    int n, dots, at = 0;
    term *t = &e->terms[i];
    TRY(read_letters(text, end, letters, &n, &dots));
    for (int k = 0; k <= n; k++) {
        if (k == dots) {
            int n_here = t->array->ndim - n;
            for (int d = 0; d < n_here; d++) t->labels[at++] = e->first_dots + e->n_dots - n_here + d;
        }
        if (k == n) break;
        TRY(label_of_letter(e, letters[k], &t->labels[at++]));
        e->times[letter_index(letters[k])]++;
    }
    for (int d = 0; d < t->array->ndim; d++) TRY(note_length(e, t->labels[d], i, t->array->shape[d]));
    return TSR_OK;
}

static tsr_status add_output(summation *e, int label)
{
    if (e->n_out == TSR_MAX_NDIM) return error_set(TSR_ERR_VALUE, "einsum: the result has more than %d dimensions", TSR_MAX_NDIM);
    for (int k = 0; k < e->n_out; k++)
        if (e->out[k] == label) return error_set(TSR_ERR_VALUE, "einsum: the result has the same subscript twice");
    e->out[e->n_out++] = label;
    return TSR_OK;
}

/* Without "->": the ellipsis, then the letters used once, in the order of the alphabet. */
static tsr_status imply_output(summation *e)
{
    for (int d = 0; d < e->n_dots; d++) TRY(add_output(e, e->first_dots + d));
    for (int k = 0; k < N_LETTERS; k++)
        if (e->times[k] == 1) TRY(add_output(e, e->label_of[k]));
    return TSR_OK;
}

static tsr_status read_output(summation *e, const char *text)
{
    char letters[TSR_MAX_NDIM];
    int n, dots;
    TRY(read_letters(text, text + strlen(text), letters, &n, &dots));
    if (dots < 0 && e->n_dots > 0)
        return error_set(TSR_ERR_VALUE, "einsum: the result '%s' has no ellipsis for the %d broadcast dimensions", text,
                         e->n_dots);
    for (int k = 0; k <= n; k++) {
        for (int d = 0; k == dots && d < e->n_dots; d++) TRY(add_output(e, e->first_dots + d));
        if (k == n) break;
        int label = e->label_of[letter_index(letters[k])];
        if (label < 0)
            return error_set(TSR_ERR_VALUE, "einsum: the result has the subscript '%c', which no array has", letters[k]);
        TRY(add_output(e, label));
    }
    return TSR_OK;
}

static tsr_status read_subscripts(summation *e, const char *text)
{
    const char *arrow = strstr(text, "->"), *end = arrow ? arrow : text + strlen(text);
    for (int k = 0; k < N_LETTERS; k++) e->label_of[k] = -1;
    for (int k = 0; k < N_LABELS; k++) e->length[k] = 1;
    TRY(find_dots(e, text, end));
    for (int i = 0; i < e->n; i++) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        TRY(read_term(e, i, text, comma ? comma : end));
        text = comma ? comma + 1 : end;
    }
    return arrow ? read_output(e, arrow + 2) : imply_output(e);
}

/* ---- Contracting ----------------------------------------------------------------------------------------------------------- */

static uint32_t labels_in(const term *t)
{
    uint32_t mask = 0;
    for (int d = 0; d < t->array->ndim; d++) mask |= 1u << t->labels[d];
    return mask;
}

/* Labels that are needed besides terms i and j. */
static uint32_t needed_elsewhere(const summation *e, int i, int j)
{
    uint32_t mask = 0;
    for (int k = 0; k < e->n_out; k++) mask |= 1u << e->out[k];
    for (int k = 0; k < e->n; k++)
        if (k != i && k != j) mask |= labels_in(&e->terms[k]);
    return mask;
}

static double elements_of(const summation *e, uint32_t labels)
{
    double n = 1;
    for (int l = 0; l < N_LABELS; l++)
        if (labels >> l & 1) n *= (double)e->length[l];
    return n;
}

/* The pair that makes the expression smaller by most, or larger by least; of equal ones that with the least work. */
static void choose_pair(const summation *e, int *first, int *second)
{
    double best_growth = 0, best_work = 0;
    *first = -1;
    for (int i = 0; i < e->n; i++) {
        for (int j = i + 1; j < e->n; j++) {
            uint32_t both = labels_in(&e->terms[i]) | labels_in(&e->terms[j]);
            double work = elements_of(e, both);
            double growth = elements_of(e, both & needed_elsewhere(e, i, j)) - elements_of(e, labels_in(&e->terms[i])) -
                            elements_of(e, labels_in(&e->terms[j]));
            if (*first >= 0 && (growth > best_growth || (growth == best_growth && work >= best_work))) continue;
            *first = i;
            *second = j;
            best_growth = growth;
            best_work = work;
        }
    }
}

static tsr_status contract_pair(summation *e, int i, int j)
{
    term *a = &e->terms[i], *b = &e->terms[j], result = {NULL, {0}};
    uint32_t wanted = (labels_in(a) | labels_in(b)) & needed_elsewhere(e, i, j);
    int n = 0, out[N_LABELS];
    if (e->n == 2) { /* the last: in the order of the result */
        for (; n < e->n_out; n++) out[n] = e->out[n];
    } else {
        for (int l = 0; l < N_LABELS; l++)
            if (wanted >> l & 1) out[n++] = l;
    }
    if (n > TSR_MAX_NDIM)
        return error_set(TSR_ERR_VALUE, "einsum: a product of two arrays has %d dimensions, at most %d are possible", n,
                         TSR_MAX_NDIM);
    memcpy(result.labels, out, sizeof *out * (size_t)n);
    result.array = array_contract("einsum", a->array, a->labels, b->array, b->labels, n, out);
    if (!result.array) return tsr_error_code();
    node_unref(a->array);
    node_unref(b->array);
    *a = result;
    *b = e->terms[--e->n];
    e->terms[e->n].array = NULL;
    return TSR_OK;
}

/* One array: a product with 1, which only sums, takes diagonals and orders. */
static tsr_array *contract_one(summation *e)
{
    tsr_array *x = e->terms[0].array;
    tsr_array *one = tsr_full(x->session, scalar_int(1), x->dtype, 0, NULL, NULL), *result = NULL;
    if (one) result = array_contract("einsum", x, e->terms[0].labels, one, NULL, e->n_out, e->out);
    return array_using(result, one);
}

tsr_array *tsr_einsum(const char *subscripts, int n, tsr_array *const *arrays)
{
    summation e = {.n = n};
    tsr_array *result = NULL;
    tsr_status status = TSR_OK;
    if (n < 1 || n > MOST_OPERANDS) {
        (void)error_set(TSR_ERR_VALUE, "einsum: %d arrays given, 1 to %d are possible", n, MOST_OPERANDS);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (!array_ready(arrays[i])) return NULL;
    tsr_dtype dtype = arrays[0]->dtype;
    for (int i = 1; i < n; i++) dtype = tsr_dtype_promote(dtype, arrays[i]->dtype);
    for (int i = 0; i < n && status == TSR_OK; i++) {
        e.terms[i].array = array_cast(arrays[i], dtype);
        if (!e.terms[i].array) status = TSR_ERR_MEMORY;
    }
    if (status == TSR_OK) status = read_subscripts(&e, subscripts);
    while (status == TSR_OK && e.n > 1) {
        int i = 0, j = 1;
        choose_pair(&e, &i, &j);
        if (e.n == 2) i = 0, j = 1;
        bool last = e.n == 2;
        status = contract_pair(&e, i, j);
        if (last) break;
    }
    if (status == TSR_OK) result = n == 1 ? contract_one(&e) : node_ref(e.terms[0].array);
    for (int i = 0; i < MOST_OPERANDS; i++) node_unref(e.terms[i].array);
    return result;
}
