/* NetCDF-4 and HDF5 files: reading.
 *
 * Opening reads the metadata through libhdf5, under its lock, and closes the file there (hdf5_open.c). Where a variable's
 * bytes lie is found by our own code at its first read (hdf5_index.c); from then on threads read, decompress and copy
 * without any common lock but the short one of the chunk cache.
 *
 * A region is taken chunk by chunk; a contiguous array is one chunk without filters. A chunk without filters costs only the
 * bytes of the region. A filtered one that the region covers is decoded straight into the output where it is dense there,
 * else through scratch memory; one that is cut is decoded into the cache (hdf5_cache.c), because a neighbouring tile will
 * want the rest of it. What was never written is filled with the fill value, and so is what lies beyond the dataset's
 * extent when an unlimited dimension has grown without it. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/formats.h"
#include "store/hdf5_file.h"
#include "store/layout.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Opening and closing ------------------------------------------------------------------------------------------ */

static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* A user block of 512, 1024, 2048 ... bytes may come first. */
static bool probe(const unsigned char *head, size_t n, const char *path)
{
    if (n >= sizeof signature && memcmp(head, signature, sizeof signature) == 0) return true;
    if (n < 512) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool found = false;
    unsigned char bytes[sizeof signature];
    for (off_t at = 512; !found && pread(fd, bytes, sizeof bytes, at) == sizeof bytes; at *= 2)
        found = memcmp(bytes, signature, sizeof bytes) == 0;
    close(fd);
    return found;
}

static tsr_status hdf5_open(store *s)
{
    hdf5_file *file = mem_calloc(1, sizeof *file);
    if (!file) return TSR_ERR_MEMORY;
    pthread_mutex_init(&file->loading, NULL);
    s->format_data = file;
    if (!(file->cache = hdf5_cache_ref())) return TSR_ERR_MEMORY;
    hdf5_section section;
    TRY(hdf5_lib_enter(&section));
    hid_t h5;
    tsr_status status = hdf5_lib_open(s->path, &h5);
    if (status == TSR_OK) {
        status = hdf5_metadata_read(s, h5);
        if (H5Fclose(h5) < 0 && status == TSR_OK)
            status = hdf5_lib_error(TSR_ERR_FORMAT, "cannot close the file after reading its header");
    }
    hdf5_lib_leave(&section);
    return status;
}

static void var_free(hdf5_var *v)
{
    if (!v) return;
    hdf5_index *index = atomic_load(&v->index);
    if (index) hdf5_index_fini(index);
    mem_free(index);
    mem_free(v->path);
    mem_free(v);
}

static void hdf5_close(store *s)
{
    for (int i = 0; i < s->n_vars; i++) {
        var_free(s->vars[i].format_data);
        s->vars[i].format_data = NULL;
    }
    hdf5_file *file = s->format_data;
    if (!file) return;
    if (file->cache) hdf5_cache_drop(file->cache, s);
    hdf5_cache_unref(file->cache);
    pthread_mutex_destroy(&file->loading);
    mem_free(file);
    s->format_data = NULL;
}

/* ---- The index ---------------------------------------------------------------------------------------------------- */

static tsr_status source_read(void *context, uint64_t offset, size_t n, void *out)
{
    return cached_file_read(context, out, n, (int64_t)offset);
}

/* A contiguous array must have all its bytes, or none. */
static tsr_status check_contiguous(const store *s, const hdf5_var *v, const hdf5_index *index, int ndim)
{
    if (index->is_chunked || !index->is_known || index->offset == HDF5_NOWHERE) return TSR_OK;
    uint64_t n = (uint64_t)shape_size(ndim, v->extent) * v->item_bytes, file_bytes = (uint64_t)cached_file_size(s->file);
    if (n <= index->size_bytes && index->offset <= file_bytes && n <= file_bytes - index->offset) return TSR_OK;
    return error_set(TSR_ERR_FORMAT,
                     "its %llu bytes, %llu stored at byte %llu, do not fit into the file of %llu: the file is damaged",
                     (unsigned long long)n, (unsigned long long)index->size_bytes, (unsigned long long)index->offset,
                     (unsigned long long)file_bytes);
}

static tsr_status index_read(const store *s, const store_var *var, hdf5_index *index)
{
    const hdf5_file *file = s->format_data;
    const hdf5_var *v = var->format_data;
    hdf5_index_query q = {.source = {source_read, s->file, (uint64_t)cached_file_size(s->file)},
                          .offset_bytes = file->offset_bytes,
                          .length_bytes = file->length_bytes,
                          .base = file->base,
                          .header = v->header,
                          .is_filtered = v->pipeline.n > 0,
                          .item_bytes = v->item_bytes,
                          .ndim = var->ndim};
    memcpy(q.extent, v->extent, sizeof q.extent);
    memcpy(q.max_extent, v->max_extent, sizeof q.max_extent);
    if (v->is_chunked) memcpy(q.chunk, v->chunk, sizeof q.chunk);
    TRY(hdf5_index_load(&q, index));
    tsr_status status = check_contiguous(s, v, index, var->ndim);
    if (status != TSR_OK) hdf5_index_fini(index);
    return status;
}

/* Loads the index at the first use; later only an atomic load. */
static tsr_status index_get(store *s, const store_var *var, const hdf5_index **out)
{
    hdf5_file *file = s->format_data;
    hdf5_var *v = var->format_data;
    hdf5_index *index = atomic_load_explicit(&v->index, memory_order_acquire);
    if (!index) {
        tsr_status status = TSR_OK;
        pthread_mutex_lock(&file->loading);
        index = atomic_load_explicit(&v->index, memory_order_acquire);
        if (!index) {
            index = mem_calloc(1, sizeof *index);
            status = index ? index_read(s, var, index) : TSR_ERR_MEMORY;
            if (status == TSR_OK) {
                atomic_store_explicit(&v->index, index, memory_order_release);
            } else {
                mem_free(index);
            }
        }
        pthread_mutex_unlock(&file->loading);
        if (status != TSR_OK) return status;
    }
    *out = index;
    return TSR_OK;
}

/* ---- Moving elements ---------------------------------------------------------------------------------------------- */

#define COPY_ROW(bytes)                                                                                                          \
    case bytes:                                                                                                                  \
        for (int64_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, bytes);                                   \
        return

static void copy_row(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n, size_t item_bytes)
{
    if (to_step == (int64_t)item_bytes && from_step == to_step) {
        memcpy(to, from, (size_t)n * item_bytes);
        return;
    }
    switch (item_bytes) {
        COPY_ROW(1);
        COPY_ROW(2);
        COPY_ROW(4);
        COPY_ROW(8);
    default:
        for (int64_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, item_bytes);
    }
}

/* Copies a block of elements between two layouts. */
static void copy_block(int ndim, const int64_t *count, char *to, const int64_t *to_strides, const char *from,
                       const int64_t *from_strides, size_t item_bytes)
{
    if (ndim == 0) {
        memcpy(to, from, item_bytes);
        return;
    }
    if (ndim == 1) {
        copy_row(to, to_strides[0], from, from_strides[0], count[0], item_bytes);
        return;
    }
    /* Two dimensions that are dense in both layouts are one. */
    int last = ndim - 1;
    if (to_strides[last - 1] == to_strides[last] * count[last] && from_strides[last - 1] == from_strides[last] * count[last]) {
        int64_t joined[TSR_MAX_NDIM], to_joined[TSR_MAX_NDIM], from_joined[TSR_MAX_NDIM];
        memcpy(joined, count, (size_t)last * sizeof *joined);
        memcpy(to_joined, to_strides, (size_t)last * sizeof *joined);
        memcpy(from_joined, from_strides, (size_t)last * sizeof *joined);
        joined[last - 1] *= count[last];
        to_joined[last - 1] = to_strides[last];
        from_joined[last - 1] = from_strides[last];
        copy_block(last, joined, to, to_joined, from, from_joined, item_bytes);
        return;
    }
    for (int64_t i = 0; i < count[0]; i++)
        copy_block(ndim - 1, count + 1, to + i * to_strides[0], to_strides + 1, from + i * from_strides[0], from_strides + 1,
                   item_bytes);
}

static void fill_block(int ndim, const int64_t *count, char *to, const int64_t *strides, const void *value, size_t item_bytes)
{
    static const int64_t still[TSR_MAX_NDIM] = {0};
    copy_block(ndim, count, to, strides, value, still, item_bytes);
}

/* ---- One chunk ---------------------------------------------------------------------------------------------------- */

/* A read under way. */
typedef struct request {
    store *s;
    const store_var *var;
    const hdf5_var *v;
    const hdf5_index *index;
    hdf5_coder *coder;
    size_t item_bytes, chunk_bytes;
    int64_t chunk_strides[TSR_MAX_NDIM];
    int64_t out_strides[TSR_MAX_NDIM];
    int64_t *bytes_read;
} request;

/* The part of a region that lies in one chunk. */
typedef struct piece {
    const hdf5_chunk *chunk;
    box inside; /* start: of the first element within the chunk */
    const int64_t *step;
    bool is_whole;    /* all elements of the chunk that are inside the extent */
    bool is_complete; /* all elements of the chunk */
    bool is_edge;     /* the chunk sticks out of the extent */
    char *out;
} piece;

/* Filters that were left out for chunks at the edge count as skipped. */
static uint32_t filter_mask(const request *r, const hdf5_chunk *chunk, bool is_edge)
{
    return is_edge && r->index->raw_edges ? UINT32_MAX : chunk->filter_mask;
}

static tsr_status decode_chunk(request *r, const hdf5_chunk *chunk, bool is_edge, char *out)
{
    uint32_t mask = filter_mask(r, chunk, is_edge);
    char *stored;
    TRY(hdf5_scratch_get(&r->coder->stored, chunk->size_bytes, &stored));
    TRY(cached_file_read(r->s->file, stored, chunk->size_bytes, (int64_t)chunk->offset));
    *r->bytes_read += chunk->size_bytes;
    tsr_status status = hdf5_chunk_decode(r->coder, &r->v->pipeline, mask, stored, chunk->size_bytes, out, r->chunk_bytes);
    return status == TSR_OK
               ? TSR_OK
               : error_prefix("chunk %lld at byte %llu", (long long)chunk->number, (unsigned long long)chunk->offset);
}

static bool dense_in_output(const request *r, const piece *p)
{
    int64_t expect = (int64_t)r->item_bytes;
    for (int d = p->inside.ndim - 1; d >= 0; d--) {
        if (p->inside.count[d] > 1 && r->out_strides[d] != expect) return false;
        expect *= p->inside.count[d];
    }
    return true;
}

static void copy_out(const request *r, const piece *p, const char *chunk)
{
    int64_t strides[TSR_MAX_NDIM];
    for (int d = 0; d < p->inside.ndim; d++) {
        chunk += p->inside.start[d] * r->chunk_strides[d];
        strides[d] = p->step[d] * r->chunk_strides[d];
    }
    copy_block(p->inside.ndim, p->inside.count, p->out, r->out_strides, chunk, strides, r->item_bytes);
}

typedef struct decode_context {
    request *r;
    const piece *p;
} decode_context;

static tsr_status decode_for_cache(void *context, char *data, size_t n)
{
    decode_context *c = context;
    return decode_chunk(c->r, c->p->chunk, c->p->is_edge, data);
}

static tsr_status read_filtered(request *r, const piece *p)
{
    /* Before anything of the chunk's size is allocated. */
    if (!hdf5_chunk_plausible(&r->v->pipeline, filter_mask(r, p->chunk, p->is_edge), p->chunk->size_bytes, r->chunk_bytes)) {
        return error_set(TSR_ERR_FORMAT, "chunk %lld has %u bytes in the file, which cannot give its %zu: the file is damaged",
                         (long long)p->chunk->number, p->chunk->size_bytes, r->chunk_bytes);
    }
    if (p->is_complete && dense_in_output(r, p)) return decode_chunk(r, p->chunk, p->is_edge, p->out);
    if (p->is_whole) {
        /* Nobody else will want the rest: scratch memory, apart from that of the decoder's own stages. */
        hdf5_cache *cache = ((hdf5_file *)r->s->format_data)->cache;
        hdf5_coder *holder;
        TRY(hdf5_coder_take(cache, &holder));
        char *data;
        tsr_status status;
        GUARD(hdf5_scratch_get(&holder->whole, r->chunk_bytes, &data));
        GUARD(decode_chunk(r, p->chunk, p->is_edge, data));
        copy_out(r, p, data);
    done:
        hdf5_coder_give(cache, holder);
        return status;
    }
    const hdf5_file *file = r->s->format_data;
    const hdf5_cached *cached;
    decode_context context = {r, p};
    TRY(hdf5_cache_get(file->cache, r->s, r->v, p->chunk->number, r->chunk_bytes, decode_for_cache, &context, &cached));
    copy_out(r, p, cached->data);
    hdf5_cache_give(file->cache, cached);
    return TSR_OK;
}

/* Only the bytes needed, by their place in the file. */
static tsr_status read_plain(request *r, const piece *p, uint64_t offset)
{
    file_layout layout = file_layout_dense((int64_t)offset, p->inside.ndim, r->v->chunk, r->item_bytes);
    if (dense_in_output(r, p)) return file_layout_read(r->s->file, &layout, &p->inside, p->step, p->out, r->bytes_read);
    char *data;
    TRY(hdf5_scratch_get(&r->coder->whole, (size_t)box_size(&p->inside) * r->item_bytes, &data));
    TRY(file_layout_read(r->s->file, &layout, &p->inside, p->step, data, r->bytes_read));
    int64_t strides[TSR_MAX_NDIM];
    shape_strides(p->inside.ndim, p->inside.count, r->item_bytes, strides);
    copy_block(p->inside.ndim, p->inside.count, p->out, r->out_strides, data, strides, r->item_bytes);
    return TSR_OK;
}

static tsr_status read_piece(request *r, piece *p, int64_t number)
{
    p->chunk = hdf5_index_find(r->index, number);
    if (!p->chunk) {
        fill_block(p->inside.ndim, p->inside.count, p->out, r->out_strides, r->index->fill, r->item_bytes);
        return TSR_OK;
    }
    if (r->v->pipeline.n > 0) return read_filtered(r, p);
    if (p->chunk->size_bytes != r->chunk_bytes) {
        return error_set(TSR_ERR_FORMAT, "chunk %lld has %u bytes in the file, not the %zu of its shape: the file is damaged",
                         (long long)number, p->chunk->size_bytes, r->chunk_bytes);
    }
    return read_plain(r, p, p->chunk->offset);
}

/* ---- Regions ------------------------------------------------------------------------------------------------------ */

static int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a - 1) / b + 1; }

/* One dimension of the piece of a region in chunk `at`; false when the steps pass over it. */
static bool piece_axis(const request *r, piece *p, const box *region, int d, int64_t at)
{
    int64_t chunk = r->v->chunk[d], begin = at * chunk, step = p->step[d];
    int64_t first = ceil_div(begin - region->start[d], step);
    int64_t end = begin > INT64_MAX - chunk ? INT64_MAX : begin + chunk;
    int64_t last = ceil_div(end - region->start[d], step);
    if (last > region->count[d]) last = region->count[d];
    if (first >= last) return false;
    int64_t valid = r->v->extent[d] - begin < chunk ? r->v->extent[d] - begin : chunk;
    p->inside.start[d] = region->start[d] + first * step - begin;
    p->inside.count[d] = last - first;
    p->out += first * r->out_strides[d];
    p->is_edge |= valid < chunk;
    p->is_whole &= step == 1 && p->inside.count[d] == valid;
    p->is_complete &= step == 1 && p->inside.count[d] == chunk;
    return true;
}

static tsr_status read_chunk_at(request *r, const box *region, const int64_t *step, const int64_t *at, char *out)
{
    piece p = {.inside.ndim = region->ndim, .step = step, .is_whole = true, .is_complete = true, .out = out};
    int64_t number = 0;
    for (int d = 0; d < region->ndim; d++) {
        if (!piece_axis(r, &p, region, d, at[d])) return TSR_OK;
        number = number * ceil_div(r->v->extent[d], r->v->chunk[d]) + at[d];
    }
    return read_piece(r, &p, number);
}

/* Goes through the chunks that the region touches. */
static tsr_status read_chunks(request *r, const box *region, const int64_t *step, char *out)
{
    int64_t first[TSR_MAX_NDIM], last[TSR_MAX_NDIM], at[TSR_MAX_NDIM];
    for (int d = 0; d < region->ndim; d++) {
        first[d] = at[d] = region->start[d] / r->v->chunk[d];
        last[d] = (region->start[d] + (region->count[d] - 1) * step[d]) / r->v->chunk[d];
    }
    for (;;) {
        TRY(read_chunk_at(r, region, step, at, out));
        int d = region->ndim - 1;
        for (; d >= 0; d--) {
            if (++at[d] <= last[d]) break;
            at[d] = first[d];
        }
        if (d < 0) return TSR_OK;
    }
}

static tsr_status read_contiguous(request *r, const box *region, const int64_t *step, char *out)
{
    if (r->index->offset == HDF5_NOWHERE) {
        fill_block(region->ndim, region->count, out, r->out_strides, r->index->fill, r->item_bytes);
        return TSR_OK;
    }
    piece p = {.inside = *region, .step = step, .out = out};
    return read_plain(r, &p, r->index->offset);
}

/* Through the library into a dense block, and from there into the output. */
static tsr_status read_by_library(request *r, const box *region, const int64_t *step, char *out)
{
    piece p = {.inside = *region};
    size_t n = (size_t)box_size(region) * r->item_bytes;
    char *data = out;
    bool dense = dense_in_output(r, &p);
    if (!dense) TRY(hdf5_scratch_get(&r->coder->whole, n, &data));
    TRY(hdf5_library_read(r->s, r->var, region, step, data));
    *r->bytes_read += (int64_t)n; /* what it really read is not known */
    if (dense) return TSR_OK;
    int64_t strides[TSR_MAX_NDIM];
    shape_strides(region->ndim, region->count, r->item_bytes, strides);
    copy_block(region->ndim, region->count, out, r->out_strides, data, strides, r->item_bytes);
    return TSR_OK;
}

static tsr_status read_inside(request *r, const box *region, const int64_t *step, char *out)
{
    if (r->v->needs_library || !r->index->is_known || !r->index->fill_is_known) return read_by_library(r, region, step, out);
    return r->index->is_chunked ? read_chunks(r, region, step, out) : read_contiguous(r, region, step, out);
}

/* Cuts the region down to the dataset's extent. False when nothing is left of it. */
static bool clip(const hdf5_var *v, const int64_t *step, box *region, bool *clipped)
{
    for (int d = 0; d < region->ndim; d++) {
        int64_t n = ceil_div(v->extent[d] - region->start[d], step[d]);
        if (n >= region->count[d]) continue;
        *clipped = true;
        if (n <= 0) return false;
        region->count[d] = n;
    }
    return true;
}

/* Bytes other than 0 and 1 are no bool to C. */
static void normalise_bools(unsigned char *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++) data[i] = data[i] != 0;
}

static tsr_status hdf5_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out,
                            int64_t *bytes_read)
{
    const hdf5_file *file = s->format_data;
    const hdf5_var *v = var->format_data;
    request r = {.s = s, .var = var, .v = v, .item_bytes = tsr_dtype_size(var->dtype), .bytes_read = bytes_read};
    shape_strides(var->ndim, v->chunk, r.item_bytes, r.chunk_strides);
    shape_strides(var->ndim, region->count, r.item_bytes, r.out_strides);
    r.chunk_bytes = (size_t)shape_size(var->ndim, v->chunk) * r.item_bytes;
    TRY(index_get(s, var, &r.index));
    box inside = *region;
    bool clipped = false, some = clip(v, step, &inside, &clipped);
    if (clipped && (!v->type.exact || !r.index->fill_is_known)) {
        return error_set(TSR_ERR_UNSUPPORTED,
                         "it is shorter than its unlimited dimension, and its fill value is of a kind that is not read");
    }
    if (clipped) fill_block(region->ndim, region->count, out, r.out_strides, r.index->fill, r.item_bytes);
    if (!some) return TSR_OK;
    TRY(hdf5_coder_take(file->cache, &r.coder));
    tsr_status status = read_inside(&r, &inside, step, out);
    hdf5_coder_give(file->cache, r.coder);
    if (status == TSR_OK && var->dtype == TSR_BOOL) normalise_bools(out, box_size(region));
    return status;
}

const store_ops hdf5_store_ops = {
    .name = "NetCDF-4/HDF5", .probe = probe, .open = hdf5_open, .read = hdf5_read, .close = hdf5_close};
