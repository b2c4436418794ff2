/* Arrays that are read through a callback: a store of one variable whose regions the user's function reads. So all that is done
 * for files (tiles along chunks, blocks kept for a second reader, counting) is done for these, too.
 *
 * Threads: reads run on many threads at once, or, for a serial source, while the session's serial lock is held. */
#include "array/session.h"
#include "array/source.h"
#include "base/mem.h"

#include <string.h>

typedef struct foreign {
    tsr_status (*read)(void *context, const int64_t *start, const int64_t *shape, void *out);
    void *context;
    void (*release)(void *context); /* set when the array exists */
    tsr_session *session;
    bool serial;
} foreign;

static tsr_status call_read(const foreign *f, const box *b, void *out)
{
    tsr_error_clear();
    if (f->serial) pthread_mutex_lock(&f->session->serial_lock);
    const tsr_session *before = session_enter(f->session);
    tsr_status status = f->read(f->context, b->start, b->count, out);
    session_leave(before);
    if (f->serial) pthread_mutex_unlock(&f->session->serial_lock);
    if (status == TSR_OK || tsr_error_code() != TSR_OK) return status == TSR_OK ? TSR_OK : tsr_error_code();
    return error_set(status > TSR_OK && status <= TSR_ERR_INTERNAL ? status : TSR_ERR_VALUE, "the function failed");
}

/* The elements of a strided region from the dense box around it, row by row. */
static void pick(const store_var *v, const box *region, const int64_t *step, const box *around, const char *in, char *out)
{
    int64_t size = (int64_t)tsr_dtype_size(v->dtype), strides[TSR_MAX_NDIM], at[TSR_MAX_NDIM] = {0};
    int last = v->ndim - 1;
    shape_strides(v->ndim, around->count, (size_t)size, strides);
    for (;;) {
        const char *row = in;
        for (int d = 0; d < last; d++) row += at[d] * step[d] * strides[d];
        for (int64_t i = 0; i < region->count[last]; i++, out += size) memcpy(out, row + i * step[last] * size, (size_t)size);
        int d = last - 1;
        for (; d >= 0; d--) {
            if (++at[d] < region->count[d]) break;
            at[d] = 0;
        }
        if (d < 0) return;
    }
}

static tsr_status read_region(store *s, const store_var *v, const box *region, const int64_t *step, void *out,
                              int64_t *bytes_read)
{
    const foreign *f = s->format_data;
    box around = *region;
    bool dense = true;
    for (int d = 0; d < v->ndim; d++) {
        around.count[d] = (region->count[d] - 1) * step[d] + 1;
        dense = dense && around.count[d] == region->count[d];
    }
    size_t bytes = (size_t)box_size(&around) * tsr_dtype_size(v->dtype);
    *bytes_read += (int64_t)bytes;
    if (dense) return call_read(f, region, out);
    char *room = mem_alloc(bytes);
    if (!room) return TSR_ERR_MEMORY;
    tsr_status status = call_read(f, &around, room);
    if (status == TSR_OK) pick(v, region, step, &around, room, out);
    mem_free(room);
    return status;
}

static void close_source(store *s)
{
    foreign *f = s->format_data;
    if (f && f->release) f->release(f->context);
    mem_free(f);
}

static const store_ops foreign_ops = {.name = "callback", .read = read_region, .close = close_source};

static tsr_status store_of_source(tsr_session *session, const tsr_source *source, store **out)
{
    store *s = mem_calloc(1, sizeof *s);
    if (!s) return TSR_ERR_MEMORY;
    atomic_init(&s->refs, 1);
    s->ops = &foreign_ops;
    foreign *f = mem_calloc(1, sizeof *f);
    s->format_data = f;
    s->path = mem_strdup(source->name ? source->name : "source");
    s->vars = mem_calloc(1, sizeof *s->vars);
    s->n_vars = s->vars != NULL;
    if (s->vars) s->vars->name = mem_strdup(source->name ? source->name : "source");
    if (!f || !s->path || !s->vars || !s->vars->name) {
        store_unref(s);
        return TSR_ERR_MEMORY;
    }
    *f = (foreign){.read = source->read, .context = source->context, .session = session, .serial = source->serial};
    store_var *v = s->vars;
    v->dtype = source->dtype;
    v->ndim = source->ndim;
    v->stored_bytes = -1;
    v->is_chunked = source->chunk != NULL && source->ndim > 0;
    for (int d = 0; d < v->ndim; d++) {
        v->shape[d] = v->chunk[d] = source->shape[d];
        if (source->chunk && source->chunk[d] > 0 && source->chunk[d] < source->shape[d]) v->chunk[d] = source->chunk[d];
        if (v->chunk[d] == 0) v->chunk[d] = 1;
    }
    *out = s;
    return TSR_OK;
}

tsr_array *tsr_from_source(tsr_session *session, const tsr_source *source, const int64_t *chunks)
{
    store *s;
    if (!source->read) {
        (void)error_set(TSR_ERR_VALUE, "from_source: no function given");
        return NULL;
    }
    if (!tsr_dtype_name(source->dtype)) {
        (void)error_set(TSR_ERR_TYPE, "from_source: %d is no dtype", (int)source->dtype);
        return NULL;
    }
    if (source->ndim < 0 || source->ndim > TSR_MAX_NDIM) {
        (void)error_set(TSR_ERR_VALUE, "from_source: %d dimensions, at most %d are possible", source->ndim, TSR_MAX_NDIM);
        return NULL;
    }
    if (store_of_source(session, source, &s) != TSR_OK) return NULL;
    tsr_array *a = array_from_store(session, s, 0, chunks);
    if (a) ((foreign *)s->format_data)->release = source->release;
    store_unref(s);
    return a;
}
