/* Running the instructions of a program on one patch.
 *
 * A value of a patch has a form: it varies along the rows, along the columns, along both, or not at all (constants, and operands
 * broadcast along a dimension). Only elements that differ are kept and computed: a map over one latitude and one longitude vector
 * costs the two vectors, and whole patches from where they meet. Such vectors are worked out once for all patches of a plane.
 *
 * Arithmetic is done in trees (chain.c): from the operands, where they lie, to the result in memory or to the sum of a row.
 *
 * While a patch is computed, the memory that the next one reads is asked for, a few cache lines after each instruction: otherwise
 * the first instruction of a patch waits for memory while the arithmetic idles, and then the other way round. */
#include "kernel/patch.h"

#include <string.h>

enum { CACHE_LINE = 64 };

/* The form of something that steps by these strides from row to row and from column to column. */
static int form_of_strides(const runner *r, int64_t row_stride, int64_t col_stride)
{
    return (row_stride != 0 && r->rows > 1 ? ALONG_ROWS : 0) | (col_stride != 0 && r->cols > 1 ? ALONG_COLS : 0);
}

/* ---- Memory ahead ------------------------------------------------------------------------------------------------ */

/* Notes what an operand's next patches will read. Of patches of one row, the last part of the next one is asked for, the part
 * before of the one after it, and so on: processors fetch from several pages at a time faster than from one. Columns far apart
 * are left to the processor. */
static void plan_ahead(runner *r, const step *s, const char *data)
{
    int64_t span = (r->cols - 1) * s->col_stride, line = (span < 0 ? -span : span) + s->size;
    if (r->n_next == 0 || r->n_ahead == MAX_AHEAD || line > (int64_t)PROGRAM_PATCH_BYTES) return;
    ahead *a = &r->ahead[r->n_ahead];
    int n_places = r->rows == 1 ? AHEAD_PLACES : 1;
    *a = (ahead){.memory = {.n_places = n_places},
                 .row_stride = s->row_stride,
                 .row_bytes = line / n_places,
                 .rows = s->row_stride ? r->rows : 1};
    int n = 0;
    for (int k = 0; k < r->n_next; k++) {
        const char *next = data + r->next[k].rows * s->row_stride + r->next[k].cols * s->col_stride;
        if (next != data) a->memory.place[n++] = next + (span < 0 ? span : 0) + (n_places - 1 - k) * (line / n_places);
    }
    if (n == 0) return;
    for (; n < n_places; n++) a->memory.place[n] = a->memory.place[n - 1]; /* fewer differ: one several times */
    r->n_ahead++;
}

/* Asks for that much of what is noted. */
static void ask_ahead(runner *r, int64_t n_lines)
{
    while (r->n_ahead > 0) {
        ahead *a = &r->ahead[r->n_ahead - 1];
        for (; a->rows > 0; a->rows--, a->memory.place[0] += a->row_stride, a->at = 0) {
            for (; a->at < a->row_bytes; a->at += CACHE_LINE) {
                if (n_lines <= 0) return;
                for (int k = 0; k < a->memory.n_places; k++, n_lines--) __builtin_prefetch(a->memory.place[k] + a->at, 0, 2);
            }
        }
        r->n_ahead--;
    }
}

static int64_t lines_ahead(const runner *r)
{
    int64_t n = 0;
    for (int i = 0; i < r->n_ahead; i++)
        n += r->ahead[i].rows * r->ahead[i].memory.n_places * (r->ahead[i].row_bytes / CACHE_LINE + 1);
    return n;
}

/* ---- Sources ----------------------------------------------------------------------------------------------------- */

static void run_load(runner *r, const step *s, value *v)
{
    const char *data = r->b->operands[s->in->slot].data + patch_offset(r, s->strides);
    int form = form_of_strides(r, s->row_stride, s->col_stride);
    int64_t stride = form == ALONG_ROWS ? s->row_stride : s->col_stride;
    bool backwards = stride == -s->size && s->in->only_chained;
    *v = (value){.data = s->out, .pitch = r->cols, .form = form};
    if (form && s->in_place && (stride == s->size || backwards)) {
        v->data = data;
        v->pitch = s->row_stride / s->size;
        v->is_reversed = backwards;
    } else if (form != FULL || s->row_stride == s->col_stride * r->cols) {
        s->kernel.gather(s->out, data, stride, (size_t)form_size(r, form));
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            s->kernel.gather(s->out + i * r->cols * s->size, data + i * s->row_stride, s->col_stride, (size_t)r->cols);
    }
    int n_ahead = r->n_ahead;
    if (form) plan_ahead(r, s, data);
    if (v->data == data && r->n_ahead > n_ahead) v->ahead = r->n_ahead;
}

static void run_generator(runner *r, const step *s, value *v)
{
    int64_t index = r->b->generators[s->in->slot].index + patch_offset(r, s->strides);
    int form = form_of_strides(r, s->row_stride, s->col_stride);
    int64_t rows = form == FULL ? r->rows : 1, cols = form == FULL ? r->cols : form_size(r, form);
    int64_t col_step = form == ALONG_ROWS ? s->row_stride : s->col_stride;
    if (s->row_stride == col_step * cols) { /* one run */
        cols *= rows;
        rows = 1;
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t first = index + i * s->row_stride;
        void *row = s->out + i * cols * s->size;
        if (s->in->kind == INSTR_INDEX) {
            r->p->kernels->index(row, first, col_step, (size_t)cols);
        } else {
            s->kernel.random(row, &r->p->generators[s->in->slot].random, first, col_step, (size_t)cols);
        }
    }
    *v = (value){.data = s->out, .pitch = r->cols, .form = form};
}

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */

/* The elements of a value in a form that varies at least as much, dense: in place where they are so already, else in `room`. */
static const char *spread(const runner *r, const value *v, int form, tsr_dtype dtype, char *room)
{
    if (v->form == form && value_is_dense(r, v)) return v->data;
    int64_t size = (int64_t)tsr_dtype_size(dtype);
    gather_kernel gather = r->p->kernels->gather[dtype][0];
    if (v->form == 0) {
        gather(room, v->data, 0, (size_t)form_size(r, form));
    } else if (v->form == ALONG_ROWS) {
        for (int64_t i = 0; i < r->rows; i++) gather(room + i * r->cols * size, v->data + i * size, 0, (size_t)r->cols);
    } else {
        int64_t pitch = v->form == FULL ? v->pitch : 0;
        for (int64_t i = 0; i < r->rows; i++)
            memcpy(room + i * r->cols * size, v->data + i * pitch * size, (size_t)(r->cols * size));
    }
    return room;
}

static void run_cast(runner *r, const step *s, value *v)
{
    const value *a = &r->values[s->in->inputs[0]];
    if (value_is_dense(r, a)) {
        s->kernel.cast(s->out, a->data, (size_t)form_size(r, a->form));
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            s->kernel.cast(s->out + i * r->cols * s->size, a->data + i * a->pitch * s->from_size[0], (size_t)r->cols);
    }
    *v = (value){.data = s->out, .pitch = r->cols, .form = a->form};
}

/* Unary and binary. One call does the whole patch where both operands are dense or one element; otherwise each row is a call, in
 * which an operand that varies along the rows only is one element. */
static void run_map2(runner *r, const step *s, value *v)
{
    const instr *in = s->in;
    const value *a = &r->values[in->inputs[0]], *b = in->n_inputs > 1 ? &r->values[in->inputs[1]] : a;
    int form = a->form | b->form;
    bool whole =
        (a->form == form || a->form == 0) && (b->form == form || b->form == 0) && value_is_dense(r, a) && value_is_dense(r, b);
    bool single_a = whole ? a->form == 0 : !(a->form & ALONG_COLS), single_b = whole ? b->form == 0 : !(b->form & ALONG_COLS);
    map_kernel kernel = s->kernel.forms[single_a == single_b || in->n_inputs == 1 ? FORM_VV : single_a ? FORM_SV : FORM_VS];
    *v = (value){.data = s->out, .pitch = r->cols, .form = form};
    if (whole) {
        kernel(s->out, a->data, b->data, NULL, (size_t)form_size(r, form), r->faults);
        return;
    }
    int64_t step_a = value_row_step(a, s->from_size[0]), step_b = value_row_step(b, s->from_size[in->n_inputs > 1]);
    for (int64_t i = 0; i < r->rows; i++)
        kernel(s->out + i * r->cols * s->size, a->data + i * step_a, b->data + i * step_b, NULL, (size_t)r->cols, r->faults);
}

static void run_map3(runner *r, const step *s, value *v)
{
    const instr *in = s->in;
    const char *operands[3];
    int form = 0;
    for (int k = 0; k < 3; k++) form |= r->values[in->inputs[k]].form;
    for (int k = 0; k < 3; k++) {
        char *room = k < 2 ? patch_strip(r, k) : s->out;
        operands[k] = spread(r, &r->values[in->inputs[k]], form, r->p->instrs[in->inputs[k]].dtype, room);
    }
    s->kernel.forms[FORM_VV](s->out, operands[0], operands[1], operands[2], (size_t)form_size(r, form), r->faults);
    *v = (value){.data = s->out, .pitch = r->cols, .form = form};
}

/* ---- Results ----------------------------------------------------------------------------------------------------- */

/* n elements of the result, from a dense strip. */
static void write_strip(const runner *r, const step *s, char *to, int64_t stride, const char *from, int64_t n)
{
    if (stride == s->size && r->b->outputs[s->in->slot].streamed) {
        r->p->kernels->stream(to, from, (size_t)(n * s->size));
    } else {
        s->kernel.scatter(to, stride, from, (size_t)n);
    }
}

static void run_store(runner *r, const step *s)
{
    const instr *in = s->in;
    const value *a = &r->values[in->inputs[0]];
    char *data = r->b->outputs[in->slot].data + patch_offset(r, s->strides);
    const char *from = a->data;
    int64_t from_step = a->form == FULL ? a->pitch * s->size : 0;
    if (!(a->form & ALONG_COLS) && r->cols > 1) {
        from = spread(r, a, a->form ? FULL : ALONG_COLS, in->dtype, patch_strip(r, 0));
        from_step = a->form ? r->cols * s->size : 0;
    } else if (r->cols == 1 && a->form == 0 && r->rows > 1) {
        from = spread(r, a, ALONG_ROWS, in->dtype, patch_strip(r, 0));
    }
    if (r->cols == 1) {
        write_strip(r, s, data, s->row_stride, from, r->rows);
    } else if (s->row_stride == s->col_stride * r->cols && from_step == r->cols * s->size) {
        write_strip(r, s, data, s->col_stride, from, patch_size(r));
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            write_strip(r, s, data + i * s->row_stride, s->col_stride, from + i * from_step, r->cols);
    }
}

static acc_state state_at(const accumulator_binding *a, const acc_ops *ops, int64_t cell)
{
    acc_state s = a->state;
    for (int f = 0; f < ops->n_fields; f++) s.field[f] += cell * ops->field_bytes[f];
    return s;
}

/* A strip full of one element. It is filled again only when the element has changed: constants are folded patch after patch. */
static const char *constant_strip(runner *r, const value *v, const step *s, int64_t n)
{
    char *room = patch_strip(r, 2);
    if (r->n_filled < n || memcmp(&r->filled, v->data, (size_t)s->from_size[0]) != 0) {
        r->p->kernels->gather[s->in->dtype][0](room, v->data, 0, (size_t)n);
        memcpy(&r->filled, v->data, (size_t)s->from_size[0]);
        r->n_filled = n;
    }
    return room;
}

/* The elements to be folded, and their weights. */
static void bind_patch(runner *r, const step *s, acc_patch *patch)
{
    const instr *in = s->in;
    const value *x = &r->values[in->inputs[0]];
    int full = (r->rows > 1 ? ALONG_ROWS : 0) | (r->cols > 1 ? ALONG_COLS : 0);
    if (in->n_inputs > 1) {
        patch->x = spread(r, x, full, in->dtype, patch_strip(r, 0));
        patch->weight = spread(r, &r->values[in->inputs[1]], full, TSR_F64, patch_strip(r, 1));
    } else if (x->form == FULL) {
        patch->x = x->data;
        patch->pitch = x->pitch;
    } else if (x->form == ALONG_COLS) {
        patch->x = x->data;
        patch->pitch = full == ALONG_COLS ? r->cols : 0;
    } else if (x->form == 0) {
        patch->x = constant_strip(r, x, s, patch_size(r));
    } else {
        patch->x = spread(r, x, full, in->dtype, patch_strip(r, 0));
    }
}

/* Cells are kept along both dimensions: row by row; cells that do not follow one another are taken as rows of one element. */
static void fold_each_row(const runner *r, const step *s, const acc_patch *patch, acc_state state, int64_t row_cells,
                          int64_t col_cells)
{
    const program_accumulator *spec = &r->p->accumulators[s->in->slot];
    acc_patch row = *patch;
    row.rows = 1;
    for (int64_t i = 0; i < r->rows; i++) {
        row.x = (const char *)patch->x + i * patch->pitch * s->from_size[0];
        row.index = patch->index + i * patch->index_row;
        acc_state cell = state;
        for (int f = 0; f < spec->ops->n_fields; f++) cell.field[f] += i * row_cells * spec->ops->field_bytes[f];
        if (col_cells == 1) {
            spec->ops->fold_cols(cell, &row, &spec->params);
        } else {
            acc_patch column = row;
            column.rows = r->cols;
            column.cols = column.pitch = 1;
            column.index_row = patch->index_col;
            spec->ops->fold_rows(cell, &column, col_cells, &spec->params);
        }
    }
}

static void run_fold(runner *r, const step *s)
{
    const program_accumulator *spec = &r->p->accumulators[s->in->slot];
    const accumulator_binding *a = &r->b->accumulators[s->in->slot];
    int row_dim = r->b->ndim - 2, col_dim = r->b->ndim - 1;
    int64_t row_cells = r->rows > 1 ? a->cells[row_dim] : 0, col_cells = r->cols > 1 ? a->cells[col_dim] : 0;
    acc_state state = state_at(a, spec->ops, patch_offset(r, a->cells));
    acc_patch patch = {.rows = r->rows,
                       .cols = r->cols,
                       .pitch = r->cols,
                       .index = a->index + patch_offset(r, a->index_strides),
                       .index_row = a->index_strides[row_dim],
                       .index_col = a->index_strides[col_dim]};
    bind_patch(r, s, &patch);
    if (patch.pitch == r->cols && patch_folds_as_one(r, a)) {
        patch.cols = patch_size(r); /* all into one cell: one long row */
        patch.rows = 1;
        patch.pitch = patch.cols;
        spec->ops->fold_rows(state, &patch, 0, &spec->params);
    } else if (col_cells == 0) {
        spec->ops->fold_rows(state, &patch, row_cells, &spec->params);
    } else if (col_cells == 1 && row_cells == 0) {
        spec->ops->fold_cols(state, &patch, &spec->params);
    } else {
        fold_each_row(r, s, &patch, state, row_cells, col_cells);
    }
}

/* ---- All --------------------------------------------------------------------------------------------------------- */

/* Runs a step; a value that goes into a store or a sum in registers is worked out there. */
static void run_step(runner *r, int i)
{
    const step *s = &r->steps[i];
    value *v = &r->values[i];
    switch (s->in->kind) {
    case INSTR_CONST: *v = (value){.data = (const char *)&s->in->value}; return;
    case INSTR_LOAD: run_load(r, s, v); return;
    case INSTR_INDEX:
    case INSTR_RANDOM: run_generator(r, s, v); return;
    case INSTR_CAST: run_cast(r, s, v); return;
    case INSTR_MAP: (s->n_parts > 0 ? patch_run_chain : s->in->n_inputs == 3 ? run_map3 : run_map2)(r, s, v); return;
    case INSTR_STORE:
    case INSTR_FOLD: break;
    }
    int from = s->in->inputs[0];
    bool is_store = s->in->kind == INSTR_STORE;
    if (r->steps[from].is_absorbed && r->p->instrs[from].feeds == i) {
        if (is_store ? patch_store_chain(r, s) : patch_sum_chain(r, s)) return;
        patch_run_chain(r, &r->steps[from], &r->values[from]);
    }
    (is_store ? run_store : run_fold)(r, s);
}

void patch_run(runner *r)
{
    int n_left = r->n_calls;
    r->n_ahead = 0;
    for (int i = 0; i < r->p->n_instrs; i++) {
        const step *s = &r->steps[i];
        if (s->is_hoisted) {
            if (!s->is_kept) continue;
            int dim = r->b->ndim - (s->form == ALONG_ROWS ? 2 : 1);
            int64_t at = s->form ? r->at[dim] : 0, n = s->form == ALONG_ROWS ? r->rows : r->cols;
            r->values[i] = (value){.data = s->out + at * s->size, .pitch = r->cols, .form = n > 1 ? s->form : 0};
            continue;
        }
        if (s->is_absorbed) continue;
        run_step(r, i);
        if (s->in->kind == INSTR_CONST || s->in->kind == INSTR_LOAD) continue;
        if (r->n_ahead > 0) ask_ahead(r, n_left > 1 ? lines_ahead(r) / n_left : INT64_MAX);
        n_left--;
    }
}

/* In the order of the program, for which it has its registers: what does not vary at all is worked out each time. */
void patch_hoist(runner *r)
{
    int row_dim = r->b->ndim - 2, col_dim = r->b->ndim - 1;
    if (!r->hoists) return;
    r->at[row_dim] = r->at[col_dim] = 0;
    r->n_next = 0;
    for (int form = 0; form <= ALONG_COLS; form++) {
        r->rows = form == ALONG_ROWS ? r->b->count[row_dim] : 1;
        r->cols = form == ALONG_COLS ? r->b->count[col_dim] : 1;
        if (patch_size(r) > r->p->patch_elements) continue;
        for (int i = 0; i < r->p->n_instrs; i++) {
            const step *s = &r->steps[i];
            bool has_value = s->in->kind != INSTR_STORE && s->in->kind != INSTR_FOLD;
            if (has_value && !s->is_absorbed && (s->form == form || s->form == 0)) run_step(r, i);
        }
    }
}
