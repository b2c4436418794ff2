/* Reductions by users' functions: a tree of calls, whose shape follows from the chunks alone. */
#include "array/build.h"
#include "array/calls.h"

/* One level of the tree: blocks of `a` along the reduced axes are handed to the function in groups, side by side. */
typedef struct level {
    const tsr_function *function;
    call_owner *owner;
    tsr_dtype dtype;
    uint32_t axes;
    int64_t group; /* blocks of each axis that one call gets; 0: all */
    bool keeps;    /* the axes stay, with one element for each call */
} level;

static tsr_status place(const tsr_array *a, const level *l, call_spec *spec)
{
    int to = 0;
    for (int d = 0; d < a->ndim; d++) {
        const axis_grid *g = &a->grid.axes[d];
        axis_grid whole = axis_grid_regular(a->shape[d], a->shape[d]), groups = *g, cells = *g;
        bool reduced = l->axes >> d & 1;
        if (reduced && l->group == 0) groups = whole;
        if (reduced && l->group > 1) groups = axis_grid_regular(a->shape[d], l->group); /* every block has one element */
        if (reduced) cells = axis_grid_regular(groups.n_blocks, 1);
        bool kept = !reduced || l->keeps;
        TRY(call_axis_set(&spec->inputs[0][d], kept ? to : -1, &groups));
        if (!kept) continue;
        TRY(call_axis_set(&spec->result[to], to, &cells));
        to++;
    }
    return TSR_OK;
}

static tsr_array *make_level(tsr_array *a, const level *l)
{
    call_spec *spec;
    int ndim = 0;
    if (!array_ready(a)) return NULL;
    for (int d = 0; d < a->ndim; d++) ndim += l->keeps || !(l->axes >> d & 1);
    if (call_new(l->function, l->owner, 1, &a->ndim, ndim, &spec) != TSR_OK) return NULL;
    if (place(a, l, spec) != TSR_OK) {
        call_unref(spec);
        return NULL;
    }
    return call_make(a->session, spec, l->dtype, &a);
}

static int64_t most_blocks(const tsr_array *a, uint32_t axes)
{
    int64_t most = 0;
    for (int d = 0; d < a->ndim; d++)
        if (axes >> d & 1 && a->grid.axes[d].n_blocks > most) most = a->grid.axes[d].n_blocks;
    return most;
}

static tsr_status check(const tsr_reduction_functions *f)
{
    const tsr_function *combine = f->combine ? f->combine : f->aggregate;
    if (!f->chunk || !f->chunk->call || !f->aggregate || !f->aggregate->call || !combine->call)
        return error_set(TSR_ERR_VALUE, "reduction: the functions chunk and aggregate are needed");
    if (!tsr_dtype_name(f->state) || !tsr_dtype_name(f->dtype))
        return error_set(TSR_ERR_TYPE, "reduction: %d or %d is no dtype", (int)f->state, (int)f->dtype);
    if (!f->combine && f->state != f->dtype) {
        return error_set(TSR_ERR_VALUE, "reduction: without combine, aggregate must give %s, the dtype of the state, not %s",
                         tsr_dtype_name(f->state), tsr_dtype_name(f->dtype));
    }
    if (f->split_every < 0 || f->split_every == 1)
        return error_set(TSR_ERR_VALUE, "reduction: split_every is %d; it must be at least 2, or 0", f->split_every);
    return TSR_OK;
}

enum { CHUNK, COMBINE, AGGREGATE, N_FUNCTIONS };

static tsr_array *make_tree(tsr_array *a, const tsr_reduction_functions *f, const tsr_function *const *functions,
                            call_owner *const *owners, uint32_t mask, bool keepdims)
{
    enum { SPLIT_EVERY = 8 };
    int64_t group = f->split_every ? f->split_every : SPLIT_EVERY;
    tsr_array *x = make_level(a, &(level){functions[CHUNK], owners[CHUNK], f->state, mask, 1, true});
    while (x && most_blocks(x, mask) > group)
        x = array_using(make_level(x, &(level){functions[COMBINE], owners[COMBINE], f->state, mask, group, true}), x);
    return array_using(make_level(x, &(level){functions[AGGREGATE], owners[AGGREGATE], f->dtype, mask, 0, keepdims}), x);
}

tsr_array *tsr_reduction(tsr_array *a, const tsr_reduction_functions *f, int n_axes, const int *axes, bool keepdims)
{
    uint32_t mask;
    if (!array_ready(a) || check(f) != TSR_OK || axes_check("reduction", a, n_axes, axes, &mask) != TSR_OK) return NULL;
    const tsr_function *functions[N_FUNCTIONS] = {f->chunk, f->combine ? f->combine : f->aggregate, f->aggregate};
    call_owner *owners[N_FUNCTIONS] = {NULL};
    bool ready = true;
    for (int i = 0; ready && i < N_FUNCTIONS; i++) { /* a function given twice has one context */
        if (i == COMBINE && !f->combine) continue;
        ready = call_owner_new(&owners[i]) == TSR_OK;
    }
    if (ready && !f->combine) owners[COMBINE] = owners[AGGREGATE];
    tsr_array *result = ready ? make_tree(a, f, functions, owners, mask, keepdims) : NULL;
    if (!f->combine) owners[COMBINE] = NULL;
    for (int i = 0; i < N_FUNCTIONS; i++) call_owner_end(owners[i], result ? functions[i] : NULL);
    return result;
}
