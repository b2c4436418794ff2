/* Blocks with their surroundings. What lies beyond the array is put around it by pad, lazily; the part of a block then simply
 * reaches further (array/call.h), so that no neighbour is computed further than the block needs. */
#include "array/overlap.h"

#include "array/build.h"
#include "array/calls.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* ---- Boundaries ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *boundary, *pad_mode; /* NULL: nothing */
} boundaries[] = {{"none", NULL}, {"periodic", "wrap"}, {"reflect", "symmetric"}, {"nearest", "edge"}, {"constant", "constant"}};
enum { N_BOUNDARIES = sizeof boundaries / sizeof *boundaries };

static int find_boundary(const tsr_overlap *o)
{
    int i = 0;
    while (o->boundary && i < N_BOUNDARIES && strcmp(boundaries[i].boundary, o->boundary) != 0) i++;
    return i;
}

tsr_status overlap_check(const char *name, int ndim, const tsr_overlap *overlap)
{
    for (int d = 0; d < ndim; d++) {
        const tsr_overlap *o = &overlap[d];
        if (o->before < 0 || o->after < 0) {
            return error_set(TSR_ERR_VALUE, "%s: the depth %" PRId64 " of axis %d is negative", name,
                             o->before < 0 ? o->before : o->after, d);
        }
        if (find_boundary(o) == N_BOUNDARIES) {
            return error_set(TSR_ERR_VALUE,
                             "%s: unknown boundary '%s'; the boundaries are none, periodic, reflect, nearest, constant", name,
                             o->boundary);
        }
    }
    return TSR_OK;
}

bool overlap_is_padded(const tsr_overlap *o) { return boundaries[find_boundary(o)].pad_mode && o->before + o->after > 0; }

tsr_array *overlap_pad(tsr_array *a, const tsr_overlap *overlap)
{
    tsr_array *result = node_ref(a);
    for (int d = 0; result && d < a->ndim; d++) {
        int64_t widths[2 * TSR_MAX_NDIM] = {0};
        if (!overlap_is_padded(&overlap[d])) continue;
        widths[2 * d] = overlap[d].before;
        widths[2 * d + 1] = overlap[d].after;
        const char *mode = boundaries[find_boundary(&overlap[d])].pad_mode;
        result = array_using(tsr_pad(result, widths, mode, overlap[d].value), result);
    }
    return result;
}

/* ---- Arrays of overlapped blocks ------------------------------------------------------------------------------------ */

/* The lengths of all parts, one after another, as the chunks of an axis. *owned must be mem_freed after use. */
static tsr_status parts_as_chunks(const char *name, const call_axis *a, int axis, axis_grid *out, int64_t **owned)
{
    int64_t n = a->blocks.n_blocks, start, count;
    int64_t *edges = mem_calloc((size_t)n + 1, sizeof *edges);
    *owned = edges;
    if (!edges) return TSR_ERR_MEMORY;
    for (int64_t k = 0; k < n; k++) {
        call_part(a, a->blocks.length, k, k, &start, &count);
        if (count == 0 && n > 1)
            return error_set(TSR_ERR_VALUE, "%s: nothing is left of chunk %" PRId64 " of axis %d", name, k, axis);
        edges[k + 1] = edges[k] + count;
    }
    *out = edges[n] == 0 ? axis_grid_regular(0, 1) : axis_grid_edges(n, edges);
    return TSR_OK;
}

/* An array whose blocks are parts of another's: `sign` 1 with surroundings, -1 without. input: what is read (padded, or `a`). */
static tsr_array *array_of_parts(const char *name, tsr_array *a, tsr_array *input, const tsr_overlap *overlap, int sign)
{
    call_spec *spec;
    tsr_status status = TSR_OK;
    if (!input || call_new(&(tsr_function){.name = name}, NULL, 1, &a->ndim, a->ndim, &spec) != TSR_OK) return NULL;
    for (int d = 0; status == TSR_OK && d < a->ndim; d++) {
        call_axis *x = &spec->inputs[0][d];
        axis_grid chunks;
        int64_t *owned = NULL;
        bool padded = overlap_is_padded(&overlap[d]);
        status = call_axis_set(x, d, &a->grid.axes[d]);
        x->before = sign * overlap[d].before;
        x->after = sign * overlap[d].after;
        x->ends = sign < 0 && !padded ? ENDS_WHOLE : sign > 0 && padded ? ENDS_PADDED : ENDS_CUT;
        if (status == TSR_OK) status = parts_as_chunks(name, x, d, &chunks, &owned);
        if (status == TSR_OK) status = call_axis_set(&spec->result[d], d, &chunks);
        mem_free(owned);
    }
    if (status == TSR_OK) return call_make(a->session, spec, a->dtype, &input);
    call_unref(spec);
    return NULL;
}

tsr_array *tsr_overlapped(tsr_array *a, const tsr_overlap *overlap)
{
    if (!array_ready(a) || overlap_check("overlap", a->ndim, overlap) != TSR_OK) return NULL;
    tsr_array *padded = overlap_pad(a, overlap);
    return array_using(array_of_parts("overlap", a, padded, overlap, 1), padded);
}

tsr_array *tsr_trim_overlap(tsr_array *a, const tsr_overlap *overlap)
{
    if (!array_ready(a) || overlap_check("trim_overlap", a->ndim, overlap) != TSR_OK) return NULL;
    return array_of_parts("trim_overlap", a, a, overlap, -1);
}
