/* NetCDF-4 files: writing.
 *
 * The header is made through libhdf5 (hdf5_schema.c). Contiguous arrays get their space at once, and threads write into it
 * without the library. Chunks are shuffled and compressed in the calling threads, in parallel; only handing the result over
 * (H5Dwrite_chunk) takes the library's lock. */
#include "store/hdf5_write.h"

#include "base/mem.h"
#include "block/dtype.h"
#include "store/formats.h"
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- Creating ----------------------------------------------------------------------------------------------------- */

/* Compatible with HDF5 1.8, as netCDF's own files; with the order of creation recorded. */
static tsr_status file_make(const char *path, hdf5_target *target, hid_t *out)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    tsr_status status = access < 0 || create < 0 ? hdf5_lib_error(TSR_ERR_MEMORY, "cannot prepare the file") : TSR_OK;
    if (status == TSR_OK) status = hdf5_driver_set(access, target);
    *out = -1;
    if (status == TSR_OK) {
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
        H5Pset_cache(access, 0, 0, 0, 0);
        H5Pset_link_creation_order(create, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
        H5Pset_attr_creation_order(create, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
        *out = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
        if (*out < 0) status = hdf5_lib_error(TSR_ERR_IO, "cannot begin the file");
    }
    if (access >= 0) H5Pclose(access);
    if (create >= 0) H5Pclose(create);
    return status;
}

static tsr_status hdf5_create(store_writer *w, const store_schema *schema)
{
    hdf5_writing *writing = mem_calloc(1, sizeof *writing);
    if (!(w->format_data = writing)) return TSR_ERR_MEMORY;
    writing->file = writing->target.fd = -1;
    if (!(writing->vars = mem_calloc((size_t)schema->n_vars + 1, sizeof *writing->vars))) return TSR_ERR_MEMORY;
    for (int i = 0; i < schema->n_vars; i++) writing->vars[i].dataset = -1;
    if (!(writing->cache = hdf5_cache_ref())) return TSR_ERR_MEMORY;
    writing->target.fd = open(w->temporary, O_RDWR | O_CLOEXEC);
    if (writing->target.fd < 0) return error_errno(errno, "cannot open the new file");
    hdf5_section section;
    TRY(hdf5_lib_enter(&section));
    hid_t file;
    tsr_status status = file_make(w->temporary, &writing->target, &file);
    writing->file = file;
    if (status == TSR_OK) status = hdf5_schema_write(w, schema);
    hdf5_lib_leave(&section);
    return status;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------ */

/* Copies the box of a dense block of shape `from_count` that begins at `from` to the begin of a chunk. */
static void gather(int ndim, const int64_t *count, const char *from, const int64_t *from_strides, char *to,
                   const int64_t *to_strides, size_t item_bytes)
{
    if (ndim == 1) {
        memcpy(to, from, (size_t)count[0] * item_bytes);
        return;
    }
    for (int64_t i = 0; i < count[0]; i++)
        gather(ndim - 1, count + 1, from + i * from_strides[0], from_strides + 1, to + i * to_strides[0], to_strides + 1,
               item_bytes);
}

/* A block that is being written, and where in it the next chunk lies. */
typedef struct job {
    store_writer *w;
    const store_var *var;
    const hdf5_write_var *v;
    hdf5_coder *coder;
    const box *region;
    const char *data;
    size_t item_bytes;
    int64_t strides[TSR_MAX_NDIM]; /* of the block */
} job;

/* The chunk's elements: in place if the block has them one after the other, else gathered and, at the array's edge, filled
 * up in scratch memory. */
static tsr_status chunk_elements(job *j, const int64_t *start, const char **out)
{
    int ndim = j->var->ndim;
    int64_t count[TSR_MAX_NDIM], strides[TSR_MAX_NDIM];
    const char *from = j->data;
    bool complete = true, dense = true;
    int64_t expect = (int64_t)j->item_bytes;
    for (int d = ndim - 1; d >= 0; d--) {
        int64_t left = j->var->shape[d] - start[d];
        count[d] = left < j->var->chunk[d] ? left : j->var->chunk[d];
        complete &= count[d] == j->var->chunk[d];
        dense &= count[d] == 1 || j->strides[d] == expect;
        expect *= count[d];
        from += (start[d] - j->region->start[d]) * j->strides[d];
    }
    if (complete && dense) {
        *out = from;
        return TSR_OK;
    }
    char *to;
    TRY(hdf5_scratch_get(&j->coder->whole, j->v->chunk_bytes, &to));
    for (size_t i = 0; !complete && i < j->v->chunk_bytes; i += j->item_bytes) memcpy(to + i, j->v->fill, j->item_bytes);
    shape_strides(ndim, j->var->chunk, j->item_bytes, strides);
    gather(ndim, count, from, j->strides, to, strides, j->item_bytes);
    *out = to;
    return TSR_OK;
}

static tsr_status write_chunk(job *j, const int64_t *start)
{
    const char *elements = NULL;
    const void *stored = NULL;
    size_t n_stored = 0;
    uint32_t mask = 0;
    if (atomic_load(&j->w->given_up)) return error_set(TSR_ERR_CANCELLED, "given up"); /* compressing takes long */
    TRY(chunk_elements(j, start, &elements));
    TRY(hdf5_chunk_encode(j->coder, &j->v->pipeline, elements, j->v->chunk_bytes, &stored, &n_stored, &mask));
    /* It took long, and so may writing, to a disk that is behind. */
    if (atomic_load(&j->w->given_up)) return error_set(TSR_ERR_CANCELLED, "given up");
    hsize_t offset[TSR_MAX_NDIM];
    for (int d = 0; d < j->var->ndim; d++) offset[d] = (hsize_t)start[d];
    hdf5_section section;
    TRY(hdf5_lib_enter(&section));
    tsr_status status = TSR_OK;
    if (H5Dwrite_chunk(j->v->dataset, H5P_DEFAULT, mask, offset, n_stored, stored) < 0) {
        status = hdf5_lib_error(TSR_ERR_IO, "cannot write a chunk of %zu bytes", n_stored);
    }
    hdf5_lib_leave(&section);
    return status;
}

static tsr_status write_chunks(job *j)
{
    int ndim = j->var->ndim;
    int64_t start[TSR_MAX_NDIM];
    memcpy(start, j->region->start, sizeof start);
    for (;;) {
        TRY(write_chunk(j, start));
        int d = ndim - 1;
        for (; d >= 0; d--) {
            start[d] += j->var->chunk[d];
            if (start[d] < j->region->start[d] + j->region->count[d]) break;
            start[d] = j->region->start[d];
        }
        if (d < 0) return TSR_OK;
    }
}

static tsr_status check_whole_chunks(const store_var *var, const box *region)
{
    for (int d = 0; d < var->ndim; d++) {
        int64_t end = region->start[d] + region->count[d];
        if (region->start[d] % var->chunk[d] == 0 && (end % var->chunk[d] == 0 || end == var->shape[d])) continue;
        return error_set(TSR_ERR_VALUE, "dimension %d: the region from %lld to %lld cuts chunks of %lld", d,
                         (long long)region->start[d], (long long)end, (long long)var->chunk[d]);
    }
    return TSR_OK;
}

static bool hdf5_place(store_writer *w, int i, store_place *out)
{
    const store_var *var = &w->vars[i];
    const hdf5_write_var *v = &((hdf5_writing *)w->format_data)->vars[i];
    if (v->is_chunked) return false;
    *out = (store_place){.layout = file_layout_dense((int64_t)v->offset, var->ndim, var->shape, tsr_dtype_size(var->dtype))};
    return true;
}

static tsr_status hdf5_write(store_writer *w, int i, const box *region, const void *data)
{
    hdf5_writing *writing = w->format_data;
    const store_var *var = &w->vars[i];
    const hdf5_write_var *v = &writing->vars[i];
    job j = {.w = w, .var = var, .v = v, .region = region, .data = data, .item_bytes = tsr_dtype_size(var->dtype)};
    if (!v->is_chunked) {
        file_layout layout = file_layout_dense((int64_t)v->offset, var->ndim, var->shape, j.item_bytes);
        return file_layout_write(writing->target.fd, &layout, region, data, false);
    }
    TRY(check_whole_chunks(var, region));
    shape_strides(var->ndim, region->count, j.item_bytes, j.strides);
    TRY(hdf5_coder_take(writing->cache, &j.coder));
    tsr_status status = write_chunks(&j);
    hdf5_coder_give(writing->cache, j.coder);
    return status;
}

/* ---- Ending ------------------------------------------------------------------------------------------------------- */

/* The library keeps part of the metadata until here: a full disk may show only now. What is left to write after that is given up:
 * closing a file must not fail (hdf5_driver.c). */
static tsr_status hdf5_finish(store_writer *w)
{
    hdf5_writing *writing = w->format_data;
    hdf5_section section;
    TRY(hdf5_lib_enter(&section));
    tsr_status status = TSR_OK;
    if (H5Fflush(writing->file, H5F_SCOPE_LOCAL) < 0) status = hdf5_lib_error(TSR_ERR_IO, "cannot complete the file");
    if (status != TSR_OK) writing->target.given_up = true;
    for (int i = 0; i < w->n_vars; i++) {
        if (H5Dclose(writing->vars[i].dataset) < 0 && status == TSR_OK)
            status = hdf5_lib_error(TSR_ERR_IO, "cannot complete a variable");
        writing->vars[i].dataset = -1;
    }
    if (H5Fclose(writing->file) < 0 && status == TSR_OK) status = hdf5_lib_error(TSR_ERR_IO, "cannot complete the file");
    writing->file = -1;
    hdf5_lib_leave(&section);
    int fd = writing->target.fd;
    writing->target.fd = -1;
    if (close(fd) != 0 && status == TSR_OK) status = error_errno(errno, "cannot complete the file");
    return status;
}

static void hdf5_writer_close(store_writer *w)
{
    hdf5_writing *writing = w->format_data;
    if (!writing) return;
    hdf5_section section;
    writing->target.given_up = true;
    if (writing->file >= 0 && hdf5_lib_enter(&section) == TSR_OK) {
        for (int i = 0; i < w->n_vars && writing->vars; i++)
            if (writing->vars[i].dataset >= 0) H5Dclose(writing->vars[i].dataset);
        H5Fclose(writing->file);
        H5Eclear2(H5E_DEFAULT);
        hdf5_lib_leave(&section);
    }
    if (writing->target.fd >= 0) close(writing->target.fd);
    hdf5_cache_unref(writing->cache);
    mem_free(writing->vars);
    mem_free(writing);
    w->format_data = NULL;
}

const writer_ops hdf5_writer_ops = {.name = "nc4",
                                    .extensions = ".nc4 .h5 .hdf5",
                                    .deflates = true,
                                    .create = hdf5_create,
                                    .write = hdf5_write,
                                    .place = hdf5_place,
                                    .finish = hdf5_finish,
                                    .close = hdf5_writer_close};
