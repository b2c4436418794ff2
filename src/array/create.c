/* Arrays from nothing, from memory, and from files; and the facts about arrays. */
#include "array/build.h"
#include "array/source.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Facts --------------------------------------------------------------------------------------------------------- */

void tsr_release(tsr_array *a) { node_unref(a); }
tsr_array *tsr_retain(tsr_array *a) { return a ? node_ref(a) : NULL; }
tsr_session *tsr_session_of(const tsr_array *a) { return a ? a->session : NULL; }
tsr_dtype tsr_dtype_of(const tsr_array *a) { return a ? a->dtype : (tsr_dtype)-1; }
int tsr_ndim(const tsr_array *a) { return a ? a->ndim : -1; }
const int64_t *tsr_shape(const tsr_array *a) { return array_ready(a) ? a->shape : NULL; }
int64_t tsr_size(const tsr_array *a) { return array_ready(a) ? shape_size(a->ndim, a->shape) : -1; }
int64_t tsr_nbytes(const tsr_array *a)
{
    return array_ready(a) ? shape_size(a->ndim, a->shape) * (int64_t)tsr_dtype_size(a->dtype) : -1;
}
bool tsr_is_counted(const tsr_array *a) { return a && !(a->op == NODE_CALL && atomic_load(&a->p.call.spec->unknown)); }

int64_t tsr_n_chunks(const tsr_array *a, int axis)
{
    if (!a || axis_check("chunks", a, axis, &axis) != TSR_OK) return -1;
    return a->grid.axes[axis].n_blocks;
}

tsr_status tsr_chunk_sizes(const tsr_array *a, int axis, int64_t *out)
{
    if (!a) return tsr_error_code();
    TRY(axis_check("chunks", a, axis, &axis));
    for (int64_t i = 0; i < a->grid.axes[axis].n_blocks; i++) out[i] = axis_grid_count(&a->grid.axes[axis], i);
    return TSR_OK;
}

tsr_scalar tsr_bool(bool value) { return scalar_bool(value); }
tsr_scalar tsr_int(int64_t value) { return scalar_int(value); }
tsr_scalar tsr_uint(uint64_t value)
{
    return (tsr_scalar){.dtype = TSR_U64, .i = (int64_t)value, .u = value, .f = (double)value};
}
tsr_scalar tsr_float(double value) { return scalar_float(value); }
tsr_scalar tsr_complex(double real, double imag)
{
    tsr_scalar value = scalar_float(real);
    value.dtype = TSR_C128;
    value.imag = imag;
    return value;
}

/* ---- Constants ------------------------------------------------------------------------------------------------------ */

/* A node of these dimensions with its chunks; the caller fills in op and p. */
static tsr_status begin(tsr_session *s, const char *name, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks,
                        tsr_array *proto)
{
    *proto = (tsr_array){.dtype = dtype, .ndim = ndim};
    if (!dtype_valid((int)dtype)) return error_set(TSR_ERR_TYPE, "%s: %d is no dtype", name, (int)dtype);
    TRY(shape_check(name, ndim, shape));
    if (ndim) memcpy(proto->shape, shape, sizeof *shape * (size_t)ndim);
    return chunks_choose(s, dtype, ndim, shape, chunks, NULL, &proto->grid);
}

tsr_array *tsr_full(tsr_session *session, tsr_scalar value, tsr_dtype dtype, int ndim, const int64_t *shape,
                    const int64_t *chunks)
{
    tsr_array proto;
    if (begin(session, "full", dtype, ndim, shape, chunks, &proto) != TSR_OK) return NULL;
    proto.op = NODE_FULL;
    proto.p.full.value = element_from_scalar(value, dtype);
    return node_make(session, &proto);
}

tsr_array *tsr_zeros(tsr_session *session, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks)
{
    return tsr_full(session, scalar_int(0), dtype, ndim, shape, chunks);
}

tsr_array *tsr_ones(tsr_session *session, tsr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks)
{
    return tsr_full(session, scalar_int(1), dtype, ndim, shape, chunks);
}

tsr_array *tsr_scalar_array(tsr_session *session, tsr_scalar value)
{
    return tsr_full(session, value, value.dtype, 0, NULL, NULL);
}

static bool integer_fits(tsr_scalar v, tsr_dtype dtype)
{
    element e = element_from_scalar(v, dtype);
    tsr_scalar back = scalar_from_element(&e, dtype);
    bool negative = dtype_kind_of(v.dtype) == KIND_INT && v.i < 0;
    return back.i == v.i && !(negative && dtype_is_unsigned(dtype)) && !(!negative && v.i < 0 && dtype_is_signed(dtype));
}

tsr_array *tsr_scalar_like(const tsr_array *like, tsr_scalar value)
{
    if (!like) return NULL;
    dtype_kind mine = dtype_kind_of(value.dtype), theirs = dtype_kind_of(like->dtype);
    tsr_dtype dtype = like->dtype;
    if (mine == KIND_BOOL) {
        dtype = TSR_BOOL;
    } else if (mine == KIND_INT || mine == KIND_UINT) {
        if (theirs == KIND_BOOL) dtype = TSR_I64;
        if ((theirs == KIND_INT || theirs == KIND_UINT) && !integer_fits(value, dtype)) {
            (void)error_set(TSR_ERR_VALUE, "the integer %" PRId64 " is out of bounds for %s", value.i, tsr_dtype_name(dtype));
            return NULL;
        }
    } else if (mine == KIND_FLOAT) {
        if (theirs < KIND_FLOAT) dtype = TSR_F64;
    } else {
        dtype = dtype_complex(like->dtype);
    }
    return tsr_full(like->session, value, dtype, 0, NULL, NULL);
}

/* ---- Ranges ---------------------------------------------------------------------------------------------------------- */

static tsr_array *indices(tsr_session *s, const char *name, int64_t n, const int64_t *chunks)
{
    tsr_array proto;
    if (begin(s, name, TSR_I64, 1, &n, chunks, &proto) != TSR_OK) return NULL;
    proto.op = NODE_INDEX;
    proto.p.index.axis = 0;
    return node_make(s, &proto);
}

/* op(a, b), both consumed. */
static tsr_array *apply(op_code op, tsr_array *a, tsr_array *b)
{
    tsr_array *pair[2] = {a, b};
    return array_using(array_using(array_map(op, 2, pair), a), b);
}

static tsr_array *scalar(tsr_session *s, tsr_scalar value) { return tsr_scalar_array(s, value); }

tsr_array *tsr_arange_int(tsr_session *session, int64_t start, int64_t stop, int64_t step, tsr_dtype dtype, const int64_t *chunks)
{
    if (step == 0) {
        (void)error_set(TSR_ERR_VALUE, "arange: the step is zero");
        return NULL;
    }
    int64_t n =
        step > 0 ? (stop > start ? (stop - start - 1) / step + 1 : 0) : (start > stop ? (start - stop - 1) / -step + 1 : 0);
    tsr_array *a = indices(session, "arange", n, chunks);
    if (step != 1) a = apply(OP_MULTIPLY, a, scalar(session, scalar_int(step)));
    if (start != 0) a = apply(OP_ADD, a, scalar(session, scalar_int(start)));
    return array_using(array_cast(a, dtype), a);
}

tsr_array *tsr_arange(tsr_session *session, double start, double stop, double step, tsr_dtype dtype, const int64_t *chunks)
{
    double length = ceil((stop - start) / step);
    if (step == 0 || !(length < 1e18)) {
        (void)error_set(TSR_ERR_VALUE, "arange: from %g to %g by %g has no length", start, stop, step);
        return NULL;
    }
    tsr_array *a = indices(session, "arange", length > 0 ? (int64_t)length : 0, chunks);
    tsr_dtype loop = dtype_is_inexact(dtype) ? dtype : TSR_F64;
    a = array_using(array_cast(a, loop), a);
    if (!a) return NULL;
    double delta = dtype == TSR_F32 ? (double)((float)(start + step) - (float)start) : (start + step) - start; /* as NumPy */
    if (delta != 1) a = apply(OP_MULTIPLY, a, a ? tsr_scalar_like(a, scalar_float(delta)) : NULL);
    if (start != 0 || delta < 0) a = apply(OP_ADD, a, a ? tsr_scalar_like(a, scalar_float(start)) : NULL); /* -0 + 0 is 0 */
    return array_using(array_cast(a, dtype), a);
}

tsr_array *tsr_linspace(tsr_session *session, double start, double stop, int64_t n, bool endpoint, tsr_dtype dtype,
                        const int64_t *chunks)
{
    if (n < 0) {
        (void)error_set(TSR_ERR_VALUE, "linspace: the number of values, %" PRId64 ", is negative", n);
        return NULL;
    }
    int64_t parts = endpoint ? n - 1 : n;
    double step = parts > 0 ? (stop - start) / (double)parts : NAN;
    tsr_array *index = indices(session, "linspace", n, chunks);
    tsr_array *a = array_cast(index, TSR_F64);
    if (parts > 0 && step == 0) { /* NumPy divides first where the step underflows */
        a = apply(OP_DIVIDE, a, scalar(session, scalar_float((double)parts)));
        a = apply(OP_MULTIPLY, a, scalar(session, scalar_float(stop - start)));
    } else if (parts > 0) {
        a = apply(OP_MULTIPLY, a, scalar(session, scalar_float(step)));
    } else {
        a = apply(OP_MULTIPLY, a, scalar(session, scalar_float(stop - start)));
    }
    a = apply(OP_ADD, a, scalar(session, scalar_float(start)));
    if (endpoint && n > 1) {
        tsr_array *last = scalar(session, scalar_int(n - 1)), *end = scalar(session, scalar_float(stop));
        tsr_array *is_last = apply(OP_EQUAL, index ? node_ref(index) : NULL, last), *three[3] = {is_last, end, a};
        a = array_using(array_using(array_using(array_map(OP_WHERE, 3, three), is_last), end), a);
    }
    if (!dtype_is_inexact(dtype)) a = array_using(tsr_floor(a), a);
    return array_using(array_using(array_cast(a, dtype), a), index);
}

tsr_array *tsr_eye(tsr_session *session, int64_t n, int64_t m, int64_t k, tsr_dtype dtype, const int64_t *chunks)
{
    int64_t shape[2] = {n, m < 0 ? n : m};
    tsr_array proto;
    if (begin(session, "eye", TSR_I64, 2, shape, chunks, &proto) != TSR_OK) return NULL;
    proto.op = NODE_INDEX;
    proto.p.index.axis = 0;
    tsr_array *rows = node_make(session, &proto);
    proto.p.index.axis = 1;
    tsr_array *columns = node_make(session, &proto);
    rows = apply(OP_ADD, rows, scalar(session, scalar_int(k)));
    tsr_array *on = apply(OP_EQUAL, rows, columns);
    return array_using(array_cast(on, dtype), on);
}

/* ---- Memory and files --------------------------------------------------------------------------------------------------- */

tsr_array *tsr_from_memory(tsr_session *session, const void *data, tsr_dtype dtype, int ndim, const int64_t *shape,
                           const int64_t *strides_bytes, void (*release)(void *context), void *context, const int64_t *chunks)
{
    tsr_array proto;
    if (begin(session, "from_memory", dtype, ndim, shape, chunks, &proto) != TSR_OK) return NULL;
    proto.op = NODE_MEMORY;
    proto.p.memory.data = data;
    if (strides_bytes) {
        memcpy(proto.p.memory.strides, strides_bytes, sizeof *strides_bytes * (size_t)ndim);
    } else {
        shape_strides(ndim, shape, tsr_dtype_size(dtype), proto.p.memory.strides);
    }
    /* Until the node exists the buffer must not call release: a failure leaves the memory with the caller. */
    if (buffer_wrap((void *)(uintptr_t)data, 0, NULL, NULL, &proto.p.memory.buf) != TSR_OK) return NULL;
    tsr_array *a = node_make(session, &proto);
    if (a) {
        a->p.memory.buf->context = context;
        a->p.memory.buf->release = release;
    }
    return a;
}

tsr_array *array_from_store(tsr_session *session, store *file, int var, const int64_t *chunks)
{
    const store_var *v = &file->vars[var];
    if (v->is_text) {
        (void)error_set(TSR_ERR_TYPE, "%s: variable '%s' holds text, not numbers", file->path, v->name);
        return NULL;
    }
    tsr_array proto = {.op = NODE_STORE, .dtype = v->dtype, .ndim = v->ndim};
    memcpy(proto.shape, v->shape, sizeof proto.shape);
    if (shape_check(v->name, v->ndim, v->shape) != TSR_OK) return NULL;
    if (chunks_choose(session, v->dtype, v->ndim, v->shape, chunks, v->chunk, &proto.grid) != TSR_OK) return NULL;
    proto.p.store.file = store_ref(file);
    proto.p.store.var = var;
    return node_make(session, &proto);
}

static int only_variable(const store *file)
{
    int found = -1;
    for (int i = 0; i < file->n_vars; i++) {
        const store_var *v = &file->vars[i];
        bool coordinate = v->ndim == 1 && v->dims[0] < file->n_dims && strcmp(file->dims[v->dims[0]].name, v->name) == 0;
        if (v->is_text || (coordinate && file->n_vars > 1)) continue;
        if (found >= 0) return -1;
        found = i;
    }
    return found;
}

tsr_array *tsr_open(tsr_session *session, const char *path, const char *variable, const int64_t *chunks)
{
    store *file;
    tsr_array *a = NULL;
    if (store_open(path, &file) != TSR_OK) return NULL;
    const store_var *v = variable ? store_find(file, variable) : NULL;
    int var = v ? (int)(v - file->vars) : variable ? -1 : only_variable(file);
    if (var >= 0) {
        a = array_from_store(session, file, var, chunks);
    } else if (variable) {
        (void)error_set(TSR_ERR_NOT_FOUND, "%s: no variable '%s'", path, variable);
    } else {
        (void)error_set(TSR_ERR_VALUE, "%s: the file does not hold exactly one variable; name the one to open", path);
    }
    store_unref(file);
    return a;
}
