/* Running a program over a box.
 *
 * The box's dimensions are put in the order of the operands' strides, neighbours that are contiguous everywhere are merged, and
 * the last two become the rows and columns of a patch. Everything is decided by the program, the box and the strides - never by
 * the thread or the memory at hand - so a result has the same bits wherever it is computed. */
#include "kernel/patch.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* ---- Order of dimensions ----------------------------------------------------------------------------------------- */

static int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

/* Cost of walking along dimension d: the sum of the strides of all that is in memory. */
static int64_t dimension_weight(const program *p, const program_binding *b, int d)
{
    int64_t weight = 0;
    for (int i = 0; i < p->n_operands; i++) weight += magnitude(b->operands[i].strides[d]);
    for (int i = 0; i < p->n_outputs; i++) weight += magnitude(b->outputs[i].strides[d]);
    for (int i = 0; i < p->n_generators; i++) weight += magnitude(b->generators[i].strides[d]);
    return weight;
}

static void swap_i64(int64_t *a, int64_t *b)
{
    int64_t t = *a;
    *a = *b;
    *b = t;
}

static void swap_dimensions(const program *p, program_binding *b, int d, int e)
{
    swap_i64(&b->count[d], &b->count[e]);
    for (int i = 0; i < p->n_operands; i++) swap_i64(&b->operands[i].strides[d], &b->operands[i].strides[e]);
    for (int i = 0; i < p->n_generators; i++) swap_i64(&b->generators[i].strides[d], &b->generators[i].strides[e]);
    for (int i = 0; i < p->n_outputs; i++) swap_i64(&b->outputs[i].strides[d], &b->outputs[i].strides[e]);
    for (int i = 0; i < p->n_accumulators; i++) {
        swap_i64(&b->accumulators[i].cells[d], &b->accumulators[i].cells[e]);
        swap_i64(&b->accumulators[i].index_strides[d], &b->accumulators[i].index_strides[e]);
    }
}

/* Can dimension d (outer) be merged with d + 1 (inner): is everything contiguous over both? */
static bool mergeable(const program *p, const program_binding *b, int d)
{
    int64_t n = b->count[d + 1];
    if (b->count[d] == 1 || n == 1) {
        return true;
    }
    for (int i = 0; i < p->n_operands; i++)
        if (b->operands[i].strides[d] != b->operands[i].strides[d + 1] * n) return false;
    for (int i = 0; i < p->n_generators; i++)
        if (b->generators[i].strides[d] != b->generators[i].strides[d + 1] * n) return false;
    for (int i = 0; i < p->n_outputs; i++)
        if (b->outputs[i].strides[d] != b->outputs[i].strides[d + 1] * n) return false;
    for (int i = 0; i < p->n_accumulators; i++) {
        const accumulator_binding *a = &b->accumulators[i];
        if (a->cells[d] != a->cells[d + 1] * n || a->index_strides[d] != a->index_strides[d + 1] * n) return false;
    }
    return true;
}

static void merge(const program *p, program_binding *b, int d)
{
    /* The merged dimension steps as the inner one, unless that has one element only. */
    if (b->count[d + 1] == 1) swap_dimensions(p, b, d, d + 1);
    b->count[d + 1] *= b->count[d];
    for (int e = d; e > 0; e--) swap_dimensions(p, b, e, e - 1);
    /* Now the merged-away dimension is first; move everything down by one. */
    b->count[0] = 1;
    for (int e = 0; e + 1 < b->ndim; e++) swap_dimensions(p, b, e, e + 1);
    b->ndim--;
}

static void normalise(const program *p, program_binding *b)
{
    for (int d = 1; d < b->ndim; d++) {
        for (int e = d; e > 0 && dimension_weight(p, b, e) > dimension_weight(p, b, e - 1); e--) swap_dimensions(p, b, e, e - 1);
    }
    for (int d = b->ndim - 2; d >= 0; d--) {
        if (mergeable(p, b, d)) merge(p, b, d);
    }
    while (b->ndim < 2) {
        int d = b->ndim++;
        b->count[d] = 1;
        for (int i = 0; i < p->n_operands; i++) b->operands[i].strides[d] = 0;
        for (int i = 0; i < p->n_generators; i++) b->generators[i].strides[d] = 0;
        for (int i = 0; i < p->n_outputs; i++) b->outputs[i].strides[d] = 0;
        for (int i = 0; i < p->n_accumulators; i++) b->accumulators[i].cells[d] = b->accumulators[i].index_strides[d] = 0;
        if (d > 0) swap_dimensions(p, b, 0, d); /* the padding is the outer dimension */
    }
}

/* ---- The box ----------------------------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Are there values that are computed again for every patch and vary along the columns only? */
static bool computes_columns(const runner *r)
{
    for (int i = 0; i < r->p->n_instrs; i++) {
        const step *s = &r->steps[i];
        bool is_computed =
            s->in->kind != INSTR_CONST && s->in->kind != INSTR_LOAD && s->in->kind != INSTR_FOLD && s->in->kind != INSTR_STORE;
        if (s->form == ALONG_COLS && is_computed && !s->is_hoisted) return r->b->count[r->b->ndim - 2] > 1;
    }
    return false;
}

/* Rows and columns of a full patch. Where columns keep their own accumulator cells and rows are folded, rows share one pass over
 * the cells: the more, the better. Rows also share values that vary along the columns only. Where operands run in different
 * directions (x + x.T), a squarer patch uses every cache line it touches. */
static void choose_patch(const runner *r, int64_t *rows, int64_t *cols)
{
    const program *p = r->p;
    const program_binding *b = r->b;
    int64_t room = p->patch_elements, n_rows = b->count[b->ndim - 2], n_cols = b->count[b->ndim - 1];
    bool folds_rows = false, crossing = false;
    for (int i = 0; i < p->n_accumulators; i++) {
        const int64_t *cells = b->accumulators[i].cells;
        folds_rows |= cells[b->ndim - 2] == 0 && cells[b->ndim - 1] != 0;
    }
    for (int i = 0; i < p->n_operands; i++) {
        const int64_t *s = b->operands[i].strides;
        crossing |= n_rows > 1 && n_cols > 1 && s[b->ndim - 2] != 0 && magnitude(s[b->ndim - 2]) < magnitude(s[b->ndim - 1]);
    }
    int64_t widest = crossing ? 64 : folds_rows ? room / 8 : computes_columns(r) ? room / 4 : room;
    *cols = least(n_cols, widest);
    *rows = least(n_rows, room / *cols);
}

/* The order of the patches of a plane: dimension 0 counts rows, 1 columns. */
typedef struct walk {
    int64_t count[2], size[2];
    int inner;
} walk;

/* From the patch at `at` to the next; false at the end of the plane. */
static bool advance(const walk *w, int64_t at[2])
{
    const int inner = w->inner, outer = !inner;
    at[inner] += w->size[inner];
    if (at[inner] < w->count[inner]) return true;
    at[inner] = 0;
    at[outer] += w->size[outer];
    return at[outer] < w->count[outer];
}

/* Down the columns, where rows share an operand, as maps of many times do the means that are subtracted from them: it is still in
 * the first-level cache, then. The order of what is folded is not changed for that. */
static bool goes_down(const program *p, const program_binding *b)
{
    for (int i = 0; i < p->n_operands && p->n_accumulators == 0; i++)
        if (b->operands[i].strides[b->ndim - 2] == 0 && b->operands[i].strides[b->ndim - 1] != 0) return true;
    return false;
}

void program_run(const program *p, program_binding *b, void *scratch, unsigned *faults)
{
    for (int d = 0; d < b->ndim; d++)
        if (b->count[d] == 0) return;
    normalise(p, b);
    runner r = {.p = p, .b = b, .scratch = scratch, .faults = faults};
    r.steps = (step *)(void *)(r.scratch + (size_t)(p->n_regs + PROGRAM_SPARE_STRIPS + p->n_hoisted) * PROGRAM_PATCH_BYTES);
    r.values = (value *)(void *)(r.steps + p->n_instrs);
    r.parts = (chain_part *)(void *)(r.values + p->n_instrs);
    patch_prepare(&r);
    int row_dim = b->ndim - 2, col_dim = b->ndim - 1;
    walk w = {.count = {b->count[row_dim], b->count[col_dim]}, .inner = !goes_down(p, b)};
    choose_patch(&r, &w.size[0], &w.size[1]);
    for (;;) {
        patch_hoist(&r);
        int64_t at[2] = {0, 0};
        do {
            r.at[row_dim] = at[0];
            r.at[col_dim] = at[1];
            r.rows = least(w.size[0], w.count[0] - at[0]);
            r.cols = least(w.size[1], w.count[1] - at[1]);
            r.n_next = 0;
            for (int64_t to[2] = {at[0], at[1]}; r.n_next < (r.rows == 1 ? AHEAD_PLACES : 1) && advance(&w, to); r.n_next++) {
                r.next[r.n_next].rows = to[0] - at[0];
                r.next[r.n_next].cols = to[1] - at[1];
            }
            patch_run(&r);
        } while (advance(&w, at));
        int d = row_dim - 1;
        for (; d >= 0; d--) {
            if (++r.at[d] < b->count[d]) break;
            r.at[d] = 0;
        }
        if (d < 0) break;
    }
#if defined(__SSE2__)
    _mm_sfence(); /* streamed results, before anybody is told of them */
#endif
}
