/* Running a program over a box.
 *
 * The box's dimensions are put in the order of the operands' strides, neighbours that are contiguous everywhere are merged, and
 * the last two become the rows and columns of a patch. Everything is decided by the program, the box and the strides - never by
 * the thread or the memory at hand - so a result has the same bits wherever it is computed.
 *
 * A value of a patch is dense, or "uniform" (one element for the whole patch: constants, and operands broadcast along both patch
 * dimensions), or lies in the operand itself with a pitch from row to row. Uniform values are computed once a patch. */
#include "kernel/program.h"

#include <assert.h>
#include <string.h>

typedef struct value {
    const char *data;
    int64_t pitch; /* elements from row to row; equal to the columns when dense */
    bool uniform;
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
static bool is_dense(const runner *r, const value *v) { return r->rows == 1 || v->pitch == r->cols; }

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
    gather_kernel gather = r->p->kernels->gather[in->dtype][in->swapped];
    char *out = reg_data(r, in);
    bool aligned = ((uintptr_t)data | (uintptr_t)row_stride) % (uintptr_t)(dtype_is_complex(in->dtype) ? size / 2 : size) == 0;
    bool uniform = (col_stride == 0 || r->cols == 1) && (row_stride == 0 || r->rows == 1);
    if (uniform) {
        gather(out, data, size, 1);
        *v = (value){.data = out, .pitch = r->cols, .uniform = true};
    } else if (!in->swapped && aligned && (col_stride == size || r->cols == 1) && (r->rows == 1 || row_stride % size == 0) &&
               row_stride >= 0) {
        *v = (value){.data = data, .pitch = r->rows == 1 ? r->cols : row_stride / size};
        if (r->cols == 1) { /* a column: rows are the elements */
            gather(out, data, row_stride, (size_t)r->rows);
            *v = (value){.data = out, .pitch = 1};
        }
    } else {
        if (r->cols == 1) {
            gather(out, data, row_stride, (size_t)r->rows);
        } else if (row_stride == col_stride * r->cols) {
            gather(out, data, col_stride, (size_t)patch_size(r));
        } else {
            for (int64_t i = 0; i < r->rows; i++)
                gather(out + i * r->cols * size, data + i * row_stride, col_stride, (size_t)r->cols);
        }
        *v = (value){.data = out, .pitch = r->cols};
    }
}

static void run_generator(runner *r, const instr *in, value *v)
{
    const generator_binding *g = &r->b->generators[in->slot];
    const program_generator *spec = &r->p->generators[in->slot];
    int64_t row_step = g->strides[r->b->ndim - 2], col_step = g->strides[r->b->ndim - 1];
    int64_t index = g->index + patch_offset(r, g->strides);
    int64_t size = (int64_t)tsr_dtype_size(in->dtype);
    int64_t rows = r->rows, cols = r->cols;
    char *out = reg_data(r, in);
    if (cols == 1 || row_step == col_step * cols) { /* one run */
        if (cols == 1) col_step = row_step;
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
    *v = (value){.data = out, .pitch = r->cols};
}

/* The value as a strip of its own, whatever form it has: into `room`, unless it is dense already. */
static const char *densify(const runner *r, const value *v, tsr_dtype dtype, char *room)
{
    int64_t size = (int64_t)tsr_dtype_size(dtype);
    if (!v->uniform && is_dense(r, v)) return v->data;
    gather_kernel gather = r->p->kernels->gather[dtype][0];
    if (v->uniform) {
        gather(room, v->data, 0, (size_t)patch_size(r));
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            memcpy(room + i * r->cols * size, v->data + i * v->pitch * size, (size_t)(r->cols * size));
    }
    return room;
}

static void run_cast(runner *r, const instr *in, value *v)
{
    const value *a = &r->values[in->inputs[0]];
    cast_kernel cast = r->p->kernels->cast[in->from][in->dtype];
    char *out = reg_data(r, in);
    int64_t from = (int64_t)tsr_dtype_size(in->from), to = (int64_t)tsr_dtype_size(in->dtype);
    if (a->uniform) {
        cast(out, a->data, 1);
    } else if (is_dense(r, a)) {
        cast(out, a->data, (size_t)patch_size(r));
    } else {
        for (int64_t i = 0; i < r->rows; i++) cast(out + i * r->cols * to, a->data + i * a->pitch * from, (size_t)r->cols);
    }
    *v = (value){.data = out, .pitch = r->cols, .uniform = a->uniform};
}

/* Unary and binary: every form has a kernel. Rows are done one by one only where an operand has a pitch. */
static void run_map2(runner *r, const instr *in, value *v)
{
    const value *a = &r->values[in->inputs[0]], *b = in->n_inputs > 1 ? &r->values[in->inputs[1]] : a;
    const map_kernel *forms = r->p->kernels->map[in->op][in->from];
    char *out = reg_data(r, in);
    if (a->uniform && b->uniform) {
        forms[FORM_VV](out, a->data, b->data, NULL, 1, r->faults);
        *v = (value){.data = out, .pitch = r->cols, .uniform = true};
        return;
    }
    int form = in->n_inputs == 1 ? FORM_VV : a->uniform ? FORM_SV : b->uniform ? FORM_VS : FORM_VV;
    map_kernel kernel = forms[form];
    if ((a->uniform || is_dense(r, a)) && (b->uniform || is_dense(r, b))) {
        kernel(out, a->data, b->data, NULL, (size_t)patch_size(r), r->faults);
    } else {
        int64_t size = (int64_t)tsr_dtype_size(in->dtype);
        int64_t step_a = a->uniform ? 0 : a->pitch * (int64_t)tsr_dtype_size(r->p->instrs[in->inputs[0]].dtype);
        int64_t step_b =
            b->uniform ? 0
                       : b->pitch * (int64_t)tsr_dtype_size(r->p->instrs[in->n_inputs > 1 ? in->inputs[1] : in->inputs[0]].dtype);
        for (int64_t i = 0; i < r->rows; i++)
            kernel(out + i * r->cols * size, a->data + i * step_a, b->data + i * step_b, NULL, (size_t)r->cols, r->faults);
    }
    *v = (value){.data = out, .pitch = r->cols};
}

static void run_map3(runner *r, const instr *in, value *v)
{
    const char *operands[3];
    bool uniform = true;
    for (int k = 0; k < 3; k++) uniform = uniform && r->values[in->inputs[k]].uniform;
    for (int k = 0; k < 3; k++) {
        const value *a = &r->values[in->inputs[k]];
        char *room = k < 2 ? r->scratch + (size_t)k * r->reg_bytes : reg_data(r, in);
        operands[k] = uniform ? a->data : densify(r, a, r->p->instrs[in->inputs[k]].dtype, room);
    }
    char *out = reg_data(r, in);
    r->p->kernels->map[in->op][in->from][FORM_VV](out, operands[0], operands[1], operands[2], uniform ? 1 : (size_t)patch_size(r),
                                                  r->faults);
    *v = (value){.data = out, .pitch = r->cols, .uniform = uniform};
}

static void run_store(runner *r, const instr *in)
{
    const value *a = &r->values[in->inputs[0]];
    const output_binding *o = &r->b->outputs[in->slot];
    char *data = o->data + patch_offset(r, o->strides);
    int64_t row_stride = o->strides[r->b->ndim - 2], col_stride = o->strides[r->b->ndim - 1];
    int64_t size = (int64_t)tsr_dtype_size(in->dtype);
    scatter_kernel scatter = r->p->kernels->scatter[in->dtype];
    const char *from = densify(r, a, in->dtype, r->scratch);
    if (r->cols == 1) {
        scatter(data, row_stride, from, (size_t)r->rows);
    } else if (row_stride == col_stride * r->cols) {
        scatter(data, col_stride, from, (size_t)patch_size(r));
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            scatter(data + i * row_stride, col_stride, from + i * r->cols * size, (size_t)r->cols);
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
    value *x = &r->values[in->inputs[0]];
    acc_patch patch = {.rows = r->rows,
                       .cols = r->cols,
                       .pitch = x->pitch,
                       .index = a->index + patch_offset(r, a->index_strides),
                       .index_row = a->index_strides[row_dim],
                       .index_col = a->index_strides[col_dim]};
    patch.x = x->data;
    if (x->uniform) {
        patch.x = densify(r, x, in->dtype, r->scratch);
        patch.pitch = r->cols;
    }
    if (in->n_inputs > 1) {
        patch.x = densify(r, x, in->dtype, r->scratch);
        patch.weight = densify(r, &r->values[in->inputs[1]], TSR_F64, r->scratch + r->reg_bytes);
        patch.pitch = r->cols;
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
        case INSTR_CONST: *v = (value){.data = (const char *)&in->value, .pitch = r->cols, .uniform = true}; break;
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

/* Rows and columns of a full patch. Where columns keep their own accumulator cells and rows are folded, several rows share one
 * pass over the cells. Where operands run in different directions (x + x.T), a squarer patch uses every cache line it touches. */
static void choose_patch(const program *p, const program_binding *b, int64_t *rows, int64_t *cols)
{
    int64_t room = p->patch_elements, n_rows = b->count[b->ndim - 2], n_cols = b->count[b->ndim - 1];
    bool folds_rows_into_columns = false, crossing = false;
    for (int i = 0; i < p->n_accumulators; i++) {
        const int64_t *cells = b->accumulators[i].cells;
        folds_rows_into_columns |= cells[b->ndim - 2] == 0 && cells[b->ndim - 1] != 0;
    }
    for (int i = 0; i < p->n_operands; i++) {
        const int64_t *s = b->operands[i].strides;
        crossing |= n_rows > 1 && n_cols > 1 && s[b->ndim - 2] != 0 && magnitude(s[b->ndim - 2]) < magnitude(s[b->ndim - 1]);
    }
    int64_t widest = crossing ? 64 : folds_rows_into_columns ? room / 4 : room;
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
    choose_patch(p, b, &rows, &cols);
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
