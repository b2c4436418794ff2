/* Running a program over a box.
 *
 * The box's dimensions are put in the order of the operands' strides, neighbours that are contiguous everywhere are merged, and
 * the last two become the rows and columns of a patch. Everything is decided by the program, the box and the strides - never by
 * the thread or the memory at hand - so a result has the same bits wherever it is computed.
 *
 * A value of a patch has a form: it varies along the rows, along the columns, along both, or not at all (constants, and operands
 * broadcast along a dimension). Only elements that differ are kept and computed: a map over one latitude and one longitude vector
 * costs the two vectors, and whole patches from where they meet. */
#include "kernel/program.h"

#include <assert.h>
#include <string.h>

/* Bits of a form. A patch of one row has no value that varies along the rows, and likewise for columns. */
enum { ALONG_ROWS = 1, ALONG_COLS = 2, FULL = ALONG_ROWS | ALONG_COLS };

/* One element; an element for each row; an element for each column; or rows of elements, which may lie in the operand itself with
 * a pitch from row to row. */
typedef struct value {
    const char *data;
    int64_t pitch; /* FULL only: elements from row to row; equal to the columns when dense */
    int form;
} value;

static_assert(sizeof(value) <= PROGRAM_VALUE_BYTES, "program_finish leaves room for the values");

typedef struct runner {
    const program *p;
    program_binding *b;
    char *scratch;
    value *values;
    size_t reg_bytes;
    int64_t rows, cols;       /* of the current patch */
    int64_t at[TSR_MAX_NDIM]; /* first index of the patch in the box */
    unsigned *faults;
} runner;

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

/* ---- One patch --------------------------------------------------------------------------------------------------- */

static char *reg_data(const runner *r, const instr *in) { return r->scratch + (size_t)(in->reg + 2) * r->reg_bytes; }
static int64_t patch_size(const runner *r) { return r->rows * r->cols; }
static bool is_dense(const runner *r, const value *v) { return v->form != FULL || v->pitch == r->cols; }

/* The number of elements that a dense value of a form has. */
static int64_t form_size(const runner *r, int form)
{
    return (form & ALONG_ROWS ? r->rows : 1) * (form & ALONG_COLS ? r->cols : 1);
}

/* The form of something that steps by these strides from row to row and from column to column. */
static int form_of_strides(const runner *r, int64_t row_stride, int64_t col_stride)
{
    return (row_stride != 0 && r->rows > 1 ? ALONG_ROWS : 0) | (col_stride != 0 && r->cols > 1 ? ALONG_COLS : 0);
}

static int64_t patch_offset(const runner *r, const int64_t *strides)
{
    int64_t offset = 0;
    for (int d = 0; d < r->b->ndim; d++) offset += r->at[d] * strides[d];
    return offset;
}

static void run_load(runner *r, const instr *in, value *v)
{
    const operand_binding *o = &r->b->operands[in->slot];
    const char *data = o->data + patch_offset(r, o->strides);
    int64_t row_stride = o->strides[r->b->ndim - 2], col_stride = o->strides[r->b->ndim - 1];
    int64_t size = (int64_t)tsr_dtype_size(in->dtype);
    uintptr_t alignment = (uintptr_t)(dtype_is_complex(in->dtype) ? size / 2 : size);
    gather_kernel gather = r->p->kernels->gather[in->dtype][in->swapped];
    int form = form_of_strides(r, row_stride, col_stride);
    bool in_place = !in->swapped && ((uintptr_t)data | (uintptr_t)row_stride) % alignment == 0;
    char *out = reg_data(r, in);
    *v = (value){.data = out, .pitch = r->cols, .form = form};
    if (form != FULL) {
        int64_t stride = form == ALONG_ROWS ? row_stride : col_stride;
        if (in_place && stride == size && form) {
            v->data = data;
        } else {
            gather(out, data, stride, (size_t)form_size(r, form));
        }
    } else if (in_place && col_stride == size && row_stride % size == 0 && row_stride > 0) {
        *v = (value){.data = data, .pitch = row_stride / size, .form = FULL};
    } else if (row_stride == col_stride * r->cols) {
        gather(out, data, col_stride, (size_t)patch_size(r));
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            gather(out + i * r->cols * size, data + i * row_stride, col_stride, (size_t)r->cols);
    }
}

static void run_generator(runner *r, const instr *in, value *v)
{
    const generator_binding *g = &r->b->generators[in->slot];
    const program_generator *spec = &r->p->generators[in->slot];
    int64_t row_step = g->strides[r->b->ndim - 2], col_step = g->strides[r->b->ndim - 1];
    int64_t index = g->index + patch_offset(r, g->strides);
    int64_t size = (int64_t)tsr_dtype_size(in->dtype);
    int form = form_of_strides(r, row_step, col_step);
    int64_t rows = form == FULL ? r->rows : 1, cols = form == FULL ? r->cols : form_size(r, form);
    char *out = reg_data(r, in);
    if (form == ALONG_ROWS) col_step = row_step;
    if (row_step == col_step * cols) { /* one run */
        cols *= rows;
        rows = 1;
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t first = index + i * row_step;
        void *row = out + i * cols * size;
        if (in->kind == INSTR_INDEX) {
            r->p->kernels->index(row, first, col_step, (size_t)cols);
        } else {
            r->p->kernels->random[spec->kind][in->dtype](row, &spec->random, first, col_step, (size_t)cols);
        }
    }
    *v = (value){.data = out, .pitch = r->cols, .form = form};
}

/* The elements of a value in a form that varies at least as much, dense: in place where they are so already, else in `room`. */
static const char *spread(const runner *r, const value *v, int form, tsr_dtype dtype, char *room)
{
    int64_t size = (int64_t)tsr_dtype_size(dtype);
    if (v->form == form && is_dense(r, v)) return v->data;
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

static void run_cast(runner *r, const instr *in, value *v)
{
    const value *a = &r->values[in->inputs[0]];
    cast_kernel cast = r->p->kernels->cast[in->from][in->dtype];
    char *out = reg_data(r, in);
    int64_t from = (int64_t)tsr_dtype_size(in->from), to = (int64_t)tsr_dtype_size(in->dtype);
    if (is_dense(r, a)) {
        cast(out, a->data, (size_t)form_size(r, a->form));
    } else {
        for (int64_t i = 0; i < r->rows; i++) cast(out + i * r->cols * to, a->data + i * a->pitch * from, (size_t)r->cols);
    }
    *v = (value){.data = out, .pitch = r->cols, .form = a->form};
}

/* Bytes from row to row of an operand of a map that is done row by row. */
static int64_t row_step_of(const value *v, tsr_dtype dtype)
{
    int64_t size = (int64_t)tsr_dtype_size(dtype);
    return v->form == FULL ? v->pitch * size : v->form == ALONG_ROWS ? size : 0;
}

/* Unary and binary. One call does the whole patch where both operands are dense or one element; otherwise each row is a call, in
 * which an operand that varies along the rows only is one element. */
static void run_map2(runner *r, const instr *in, value *v)
{
    const value *a = &r->values[in->inputs[0]], *b = in->n_inputs > 1 ? &r->values[in->inputs[1]] : a;
    const map_kernel *forms = r->p->kernels->map[in->op][in->from];
    char *out = reg_data(r, in);
    int form = a->form | b->form;
    bool whole = (a->form == form || a->form == 0) && (b->form == form || b->form == 0) && is_dense(r, a) && is_dense(r, b);
    bool single_a = whole ? a->form == 0 : !(a->form & ALONG_COLS), single_b = whole ? b->form == 0 : !(b->form & ALONG_COLS);
    map_kernel kernel = forms[single_a == single_b || in->n_inputs == 1 ? FORM_VV : single_a ? FORM_SV : FORM_VS];
    *v = (value){.data = out, .pitch = r->cols, .form = form};
    if (whole) {
        kernel(out, a->data, b->data, NULL, (size_t)form_size(r, form), r->faults);
        return;
    }
    const instr *first = &r->p->instrs[in->inputs[0]], *second = &r->p->instrs[in->inputs[in->n_inputs > 1 ? 1 : 0]];
    int64_t size = (int64_t)tsr_dtype_size(in->dtype);
    int64_t step_a = row_step_of(a, first->dtype), step_b = row_step_of(b, second->dtype);
    for (int64_t i = 0; i < r->rows; i++)
        kernel(out + i * r->cols * size, a->data + i * step_a, b->data + i * step_b, NULL, (size_t)r->cols, r->faults);
}

static void run_map3(runner *r, const instr *in, value *v)
{
    const char *operands[3];
    int form = 0;
    for (int k = 0; k < 3; k++) form |= r->values[in->inputs[k]].form;
    for (int k = 0; k < 3; k++) {
        char *room = k < 2 ? r->scratch + (size_t)k * r->reg_bytes : reg_data(r, in);
        operands[k] = spread(r, &r->values[in->inputs[k]], form, r->p->instrs[in->inputs[k]].dtype, room);
    }
    char *out = reg_data(r, in);
    r->p->kernels->map[in->op][in->from][FORM_VV](out, operands[0], operands[1], operands[2], (size_t)form_size(r, form),
                                                  r->faults);
    *v = (value){.data = out, .pitch = r->cols, .form = form};
}

static void run_store(runner *r, const instr *in)
{
    const value *a = &r->values[in->inputs[0]];
    const output_binding *o = &r->b->outputs[in->slot];
    char *data = o->data + patch_offset(r, o->strides);
    int64_t row_stride = o->strides[r->b->ndim - 2], col_stride = o->strides[r->b->ndim - 1];
    int64_t size = (int64_t)tsr_dtype_size(in->dtype);
    scatter_kernel scatter = r->p->kernels->scatter[in->dtype];
    const char *from = a->data;
    int64_t from_step = a->form == FULL ? a->pitch * size : 0;
    if (!(a->form & ALONG_COLS) && r->cols > 1) {
        from = spread(r, a, a->form ? FULL : ALONG_COLS, in->dtype, r->scratch);
        from_step = a->form ? r->cols * size : 0;
    } else if (r->cols == 1 && a->form == 0 && r->rows > 1) {
        from = spread(r, a, ALONG_ROWS, in->dtype, r->scratch);
    }
    if (r->cols == 1) {
        scatter(data, row_stride, from, (size_t)r->rows);
    } else if (row_stride == col_stride * r->cols && from_step == r->cols * size) {
        scatter(data, col_stride, from, (size_t)patch_size(r));
    } else {
        for (int64_t i = 0; i < r->rows; i++) scatter(data + i * row_stride, col_stride, from + i * from_step, (size_t)r->cols);
    }
}

static acc_state state_at(const accumulator_binding *a, const acc_ops *ops, int64_t cell)
{
    acc_state s = a->state;
    for (int f = 0; f < ops->n_fields; f++) s.field[f] += cell * ops->field_bytes[f];
    return s;
}

static void run_fold(runner *r, const instr *in)
{
    const program_accumulator *spec = &r->p->accumulators[in->slot];
    const accumulator_binding *a = &r->b->accumulators[in->slot];
    int row_dim = r->b->ndim - 2, col_dim = r->b->ndim - 1;
    int64_t row_cells = r->rows > 1 ? a->cells[row_dim] : 0, col_cells = r->cols > 1 ? a->cells[col_dim] : 0;
    acc_state s = state_at(a, spec->ops, patch_offset(r, a->cells));
    const value *x = &r->values[in->inputs[0]];
    int full = (r->rows > 1 ? ALONG_ROWS : 0) | (r->cols > 1 ? ALONG_COLS : 0);
    acc_patch patch = {.rows = r->rows,
                       .cols = r->cols,
                       .pitch = r->cols,
                       .index = a->index + patch_offset(r, a->index_strides),
                       .index_row = a->index_strides[row_dim],
                       .index_col = a->index_strides[col_dim]};
    if (in->n_inputs > 1) {
        patch.x = spread(r, x, full, in->dtype, r->scratch);
        patch.weight = spread(r, &r->values[in->inputs[1]], full, TSR_F64, r->scratch + r->reg_bytes);
    } else if (x->form == FULL) {
        patch.x = x->data;
        patch.pitch = x->pitch;
    } else if (x->form == ALONG_COLS) {
        patch.x = x->data;
        patch.pitch = full == ALONG_COLS ? r->cols : 0;
    } else {
        patch.x = spread(r, x, full, in->dtype, r->scratch);
    }
    if (col_cells == 0 && row_cells == 0 && patch.pitch == r->cols && patch.index_row == patch.index_col * r->cols) {
        patch.cols = patch_size(r); /* all into one cell: one long row */
        patch.rows = 1;
        patch.pitch = patch.cols;
        spec->ops->fold_rows(s, &patch, 0, &spec->params);
    } else if (col_cells == 0) {
        spec->ops->fold_rows(s, &patch, row_cells, &spec->params);
    } else if (col_cells == 1 && row_cells == 0) {
        spec->ops->fold_cols(s, &patch, &spec->params);
    } else { /* kept along both dimensions: row by row; cells that do not follow one another are taken as rows of one element */
        int64_t size = (int64_t)tsr_dtype_size(in->dtype);
        acc_patch row = patch;
        row.rows = 1;
        for (int64_t i = 0; i < r->rows; i++) {
            row.x = (const char *)patch.x + i * patch.pitch * size;
            row.index = patch.index + i * patch.index_row;
            acc_state cell = s;
            for (int f = 0; f < spec->ops->n_fields; f++) cell.field[f] += i * row_cells * spec->ops->field_bytes[f];
            if (col_cells == 1) {
                spec->ops->fold_cols(cell, &row, &spec->params);
            } else {
                acc_patch column = row;
                column.rows = r->cols;
                column.cols = column.pitch = 1;
                column.index_row = patch.index_col;
                spec->ops->fold_rows(cell, &column, col_cells, &spec->params);
            }
        }
    }
}

static void run_patch(runner *r)
{
    const program *p = r->p;
    for (int i = 0; i < p->n_instrs; i++) {
        const instr *in = &p->instrs[i];
        value *v = &r->values[i];
        switch (in->kind) {
        case INSTR_CONST: *v = (value){.data = (const char *)&in->value}; break;
        case INSTR_LOAD: run_load(r, in, v); break;
        case INSTR_INDEX:
        case INSTR_RANDOM: run_generator(r, in, v); break;
        case INSTR_CAST: run_cast(r, in, v); break;
        case INSTR_MAP: in->n_inputs == 3 ? run_map3(r, in, v) : run_map2(r, in, v); break;
        case INSTR_STORE: run_store(r, in); break;
        case INSTR_FOLD: run_fold(r, in); break;
        }
    }
}

/* ---- The box ----------------------------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Does the program compute values that vary along the columns only? */
static bool computes_columns(const program *p, const program_binding *b, value *values)
{
    if (b->count[b->ndim - 2] == 1) return false;
    bool found = false;
    for (int i = 0; i < p->n_instrs; i++) {
        const instr *in = &p->instrs[i];
        const int64_t *s = in->kind == INSTR_LOAD                                ? b->operands[in->slot].strides
                           : in->kind == INSTR_INDEX || in->kind == INSTR_RANDOM ? b->generators[in->slot].strides
                                                                                 : NULL;
        int form = s ? (s[b->ndim - 2] ? ALONG_ROWS : 0) | (s[b->ndim - 1] ? ALONG_COLS : 0) : 0;
        for (int k = 0; k < in->n_inputs && in->kind != INSTR_FOLD && in->kind != INSTR_STORE; k++)
            form |= values[in->inputs[k]].form;
        values[i].form = form;
        found |= form == ALONG_COLS && in->kind != INSTR_LOAD && in->kind != INSTR_FOLD && in->kind != INSTR_STORE;
    }
    return found;
}

/* Rows and columns of a full patch. Where columns keep their own accumulator cells and rows are folded, several rows share one
 * pass over the cells; the same where rows share values that vary along the columns only. Where operands run in different
 * directions (x + x.T), a squarer patch uses every cache line it touches. */
static void choose_patch(const program *p, const program_binding *b, value *values, int64_t *rows, int64_t *cols)
{
    int64_t room = p->patch_elements, n_rows = b->count[b->ndim - 2], n_cols = b->count[b->ndim - 1];
    bool shares_columns = computes_columns(p, b, values), crossing = false;
    for (int i = 0; i < p->n_accumulators; i++) {
        const int64_t *cells = b->accumulators[i].cells;
        shares_columns |= cells[b->ndim - 2] == 0 && cells[b->ndim - 1] != 0;
    }
    for (int i = 0; i < p->n_operands; i++) {
        const int64_t *s = b->operands[i].strides;
        crossing |= n_rows > 1 && n_cols > 1 && s[b->ndim - 2] != 0 && magnitude(s[b->ndim - 2]) < magnitude(s[b->ndim - 1]);
    }
    int64_t widest = crossing ? 64 : shares_columns ? room / 4 : room;
    *cols = least(n_cols, widest);
    *rows = least(n_rows, room / *cols);
}

void program_run(const program *p, program_binding *b, void *scratch, unsigned *faults)
{
    for (int d = 0; d < b->ndim; d++)
        if (b->count[d] == 0) return;
    normalise(p, b);
    runner r = {.p = p, .b = b, .scratch = scratch, .faults = faults};
    r.reg_bytes = PROGRAM_PATCH_BYTES;
    r.values = (value *)(void *)(r.scratch + (size_t)(p->n_regs + 2) * r.reg_bytes);
    int row_dim = b->ndim - 2, col_dim = b->ndim - 1;
    int64_t rows, cols;
    choose_patch(p, b, r.values, &rows, &cols);
    for (;;) {
        for (int64_t i = 0; i < b->count[row_dim]; i += rows) {
            for (int64_t j = 0; j < b->count[col_dim]; j += cols) {
                r.at[row_dim] = i;
                r.at[col_dim] = j;
                r.rows = least(rows, b->count[row_dim] - i);
                r.cols = least(cols, b->count[col_dim] - j);
                run_patch(&r);
            }
        }
        int d = row_dim - 1;
        for (; d >= 0; d--) {
            if (++r.at[d] < b->count[d]) break;
            r.at[d] = 0;
        }
        if (d < 0) return;
    }
}
