/* Scattering: values to places along one axis, as a block function. The places are sorted, and the values brought into their
 * order, so that each block of x needs the values between two borders: nothing is looked at twice, and blocks without places are
 * copied. */
#include "array/scatter.h"

#include "array/build.h"
#include "array/builtin.h"
#include "array/calls.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Where values go: to the places, which rise, or (step > 0) to start + step * k. */
typedef struct scattering {
    int64_t axis, n, start, step;
    int64_t places[];
} scattering;

static int64_t place_at(const scattering *s, int64_t k) { return s->step > 0 ? s->start + s->step * k : s->places[k]; }

size_t scatter_context_size(const void *context)
{
    const scattering *s = context;
    return sizeof *s + (s->step > 0 ? 0 : sizeof *s->places * (size_t)s->n);
}

bool scatter_context_fits(const void *bytes, size_t n)
{
    const int64_t most = INT64_MAX / 4;
    scattering s;
    if (n < sizeof s) return false;
    memcpy(&s, bytes, sizeof s);
    size_t n_places = (n - sizeof s) / sizeof *s.places;
    if (s.axis < 0 || s.axis >= TSR_MAX_NDIM || s.n < 0 || s.start < 0 || s.start > most || s.step < 0) return false;
    return s.step > 0 ? n == sizeof s && s.n <= most / s.step
                      : n == sizeof s + n_places * sizeof *s.places && (uint64_t)s.n == n_places;
}

/* How many places are before an index. */
static int64_t places_before(const scattering *s, int64_t index)
{
    if (s->step > 0) {
        int64_t k = index <= s->start ? 0 : (index - s->start - 1) / s->step + 1;
        return k < s->n ? k : s->n;
    }
    int64_t low = 0, n = s->n;
    while (n > 0) {
        int64_t half = n / 2;
        bool before = s->places[low + half] < index;
        low = before ? low + half + 1 : low;
        n = before ? n - half - 1 : half;
    }
    return low;
}

static void scattering_free(void *context) { mem_free(context); }

/* inputs: x, the values of this block. */
tsr_status scatter_block(void *context, int n_inputs, const tsr_block *inputs, const tsr_block *output)
{
    const scattering *s = context;
    const tsr_block *values = &inputs[1];
    int axis = (int)s->axis;
    if (axis >= output->ndim || !builtin_same_rows(&inputs[0], output, -1) || !builtin_same_rows(values, output, axis))
        return builtin_misfit();
    int64_t before = shape_size(axis, output->shape), length = output->shape[axis], n = values->shape[axis];
    size_t bytes = (size_t)shape_size(output->ndim - axis - 1, output->shape + axis + 1) * tsr_dtype_size(output->dtype);
    int64_t first = places_before(s, output->start[axis]);
    if (n > s->n - first) return builtin_misfit();
    for (int64_t k = 0; k < n; k++) {
        int64_t place = place_at(s, first + k) - output->start[axis];
        if (place < 0 || place >= length) return builtin_misfit();
    }
    char *to = output->data;
    const char *from = values->data;
    memcpy(to, inputs[0].data, (size_t)(before * length) * bytes);
    for (int64_t i = 0; i < before; i++, to += (size_t)length * bytes) {
        for (int64_t k = 0; k < n; k++, from += bytes)
            memcpy(to + (size_t)(place_at(s, first + k) - output->start[axis]) * bytes, from, bytes);
    }
    return TSR_OK;
}

/* The borders of the values that x's blocks need; *edges is mem_freed. */
static tsr_status value_blocks(const scattering *s, const axis_grid *g, int64_t **edges, axis_grid *out)
{
    *out = (axis_grid){.length = s->n, .n_blocks = g->n_blocks};
    *edges = mem_alloc(sizeof **edges * (size_t)(g->n_blocks + 1));
    if (!*edges) return TSR_ERR_MEMORY;
    for (int64_t b = 0; b <= g->n_blocks; b++) {
        (*edges)[b] = b < g->n_blocks ? places_before(s, axis_grid_start(g, b)) : s->n;
        if (b > 0 && (*edges)[b] - (*edges)[b - 1] > out->chunk) out->chunk = (*edges)[b] - (*edges)[b - 1];
    }
    out->edges = *edges;
    return TSR_OK;
}

static tsr_status place_axes(const tsr_array *x, const scattering *s, call_spec *spec)
{
    int64_t *edges = NULL;
    axis_grid blocks;
    tsr_status status;
    GUARD(value_blocks(s, &x->grid.axes[s->axis], &edges, &blocks));
    for (int d = 0; d < x->ndim; d++) {
        const axis_grid *g = &x->grid.axes[d];
        GUARD(call_axis_set(&spec->result[d], d, g));
        GUARD(call_axis_set(&spec->inputs[0][d], d, g));
        GUARD(call_axis_set(&spec->inputs[1][d], d, d == s->axis ? &blocks : g));
    }
done:
    mem_free(edges);
    return status;
}

/* Takes s, also on failure. Equal places are equal functions. */
static tsr_array *make_scatter(tsr_array *x, scattering *s, tsr_array *values)
{
    tsr_array *inputs[2] = {x, values}, *result = NULL;
    int ndims[2] = {x->ndim, x->ndim};
    int64_t identity[6] = {s->axis, s->n, s->start, s->step};
    call_owner *owner = NULL;
    call_spec *spec = NULL;
    if (s->step == 0) {
        hash128 h = hash_bytes(s->places, sizeof *s->places * (size_t)s->n);
        memcpy(identity + 4, &h, sizeof h);
    }
    tsr_function f = {.call = scatter_block,
                      .context = s,
                      .release = scattering_free,
                      .name = "assign",
                      .identity = identity,
                      .identity_bytes = sizeof identity};
    if (call_owner_new(&owner) == TSR_OK && call_new(&f, owner, 2, ndims, x->ndim, &spec) == TSR_OK) {
        if (place_axes(x, s, spec) == TSR_OK) {
            result = call_make(x->session, spec, x->dtype, inputs);
        } else {
            call_unref(spec);
        }
    }
    call_owner_end(owner, result ? &f : NULL);
    if (!result) scattering_free(s);
    return result;
}

tsr_array *array_scatter_range(tsr_array *x, int axis, int64_t n, int64_t start, int64_t step, tsr_array *values)
{
    scattering *s = mem_calloc(1, sizeof *s);
    if (!s) return NULL;
    *s = (scattering){.axis = axis, .n = n, .start = start, .step = step};
    return make_scatter(x, s, values);
}

/* ---- Order ---------------------------------------------------------------------------------------------------------- */

typedef struct move {
    int64_t place, value;
} move;

static int compare_moves(const void *a, const void *b)
{
    const move *x = a, *y = b;
    return x->place != y->place ? (x->place > y->place) - (x->place < y->place) : (x->value > y->value) - (x->value < y->value);
}

/* Places in rising order, each once, and which value each gets: the last that names it. Returns how many. */
static int64_t sort_moves(int64_t n, const int64_t *places, move *moves, int64_t *rising, int64_t *order)
{
    int64_t n_kept = 0;
    for (int64_t k = 0; k < n; k++) moves[k] = (move){places[k], k};
    qsort(moves, (size_t)n, sizeof *moves, compare_moves);
    for (int64_t k = 0; k < n; k++) {
        if (k + 1 < n && moves[k + 1].place == moves[k].place) continue;
        rising[n_kept] = moves[k].place;
        order[n_kept++] = moves[k].value;
    }
    return n_kept;
}

tsr_array *array_scatter(tsr_array *x, int axis, int64_t n, const int64_t *places, tsr_array *values)
{
    bool sorted = true;
    for (int64_t k = 1; k < n && sorted; k++) sorted = places[k] > places[k - 1];
    scattering *s = mem_calloc(1, sizeof *s + sizeof *s->places * (size_t)n);
    int64_t *order = NULL;
    tsr_array *in_order = NULL;
    if (s && sorted) {
        if (n) memcpy(s->places, places, sizeof *places * (size_t)n);
        in_order = node_ref(values);
    } else if (s) {
        move *moves = mem_alloc(sizeof *moves * (size_t)n);
        order = mem_alloc(sizeof *order * (size_t)n);
        if (moves && order) {
            n = sort_moves(n, places, moves, s->places, order);
            in_order = tsr_take(values, n, order, axis);
        }
        mem_free(moves);
        mem_free(order);
    }
    if (!in_order) {
        mem_free(s);
        return NULL;
    }
    s->axis = axis;
    s->n = n;
    return array_using(make_scatter(x, s, in_order), in_order);
}
