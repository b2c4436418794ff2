/* Regions of images, block by block. A block that a region covers whole, in rows as long as its own, is decoded into its place;
 * any other is decoded into the cache of chunks that HDF5 files use too, because a neighbouring tile will want the rest of it.
 *
 * Threads: an open image is immutable; the cache lets one thread decode a block for all that wait for it. */
#include "store/image.h"

#include "base/mem.h"
#include "block/dtype.h"
#include "store/fdcache.h"

#include <string.h>

/* Sizes up to this are not checked against the bytes they come from. */
#define PLAUSIBLE_BYTES (INT64_C(64) << 20)

tsr_status image_check_size(const char *what, int64_t size_bytes, int64_t stored_bytes, int64_t ratio)
{
    if (size_bytes <= PLAUSIBLE_BYTES || size_bytes / ratio <= stored_bytes) return TSR_OK;
    return error_set(TSR_ERR_FORMAT, "damaged: %s of %lld bytes cannot come out of the %lld that are stored", what,
                     (long long)size_bytes, (long long)stored_bytes);
}

int64_t image_block_bytes(const image_file *f)
{
    int64_t n = shape_size(IMAGE_NDIM, f->block), size = (int64_t)tsr_dtype_size(f->dtype), bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? INT64_MAX : bytes;
}

/* ---- Opening and closing ------------------------------------------------------------------------------------------ */

tsr_status image_new(store *s, const image_codec *codec, image_file **out)
{
    image_file *f = mem_calloc(1, sizeof *f);
    if (!f) return TSR_ERR_MEMORY;
    f->codec = codec;
    f->stored_bytes = -1;
    for (int d = 0; d < IMAGE_NDIM; d++) f->shape[d] = f->block[d] = 1;
    s->format_data = f;
    if (!(f->cache = hdf5_cache_ref())) return TSR_ERR_MEMORY;
    *out = f;
    return TSR_OK;
}

/* Dimension `axis` of the variable. */
static tsr_status add_dim(store *s, store_var *var, const image_file *f, int axis)
{
    static const char *const names[IMAGE_NDIM] = {"page", "y", "x", "channel"};
    int d = s->n_dims;
    s->dims[d] = (store_dim){.name = mem_strdup(names[axis]), .length = f->shape[axis]};
    s->n_dims++;
    if (!s->dims[d].name) return TSR_ERR_MEMORY;
    var->dims[d] = d;
    var->shape[d] = f->shape[axis];
    var->chunk[d] = f->is_plain && axis != IMAGE_PAGE ? f->shape[axis] : f->block[axis];
    if (var->chunk[d] > var->shape[d]) var->chunk[d] = var->shape[d];
    var->ndim++;
    return TSR_OK;
}

tsr_status image_finish(store *s, const image_file *f)
{
    int64_t n = shape_size(IMAGE_NDIM, f->shape);
    if (n > INT64_MAX / 32) return error_set(TSR_ERR_FORMAT, "damaged: an image of so many pixels is not plausible");
    s->vars = mem_calloc(1, sizeof *s->vars);
    if (!s->vars) return TSR_ERR_MEMORY;
    s->n_vars = 1;
    store_var *var = &s->vars[0];
    var->name = mem_strdup("image");
    var->dtype = f->dtype;
    var->swapped = f->swapped;
    var->is_chunked = !f->is_plain;
    var->stored_bytes = f->stored_bytes;
    s->dims = mem_calloc(IMAGE_NDIM, sizeof *s->dims);
    if (!var->name || !s->dims) return TSR_ERR_MEMORY;
    if (f->compression && !(var->compression = mem_strdup(f->compression))) return TSR_ERR_MEMORY;
    if (f->has_pages) TRY(add_dim(s, var, f, IMAGE_PAGE));
    TRY(add_dim(s, var, f, IMAGE_Y));
    TRY(add_dim(s, var, f, IMAGE_X));
    if (f->has_channels) TRY(add_dim(s, var, f, IMAGE_CHANNEL));
    return TSR_OK;
}

tsr_status image_open_whole(store *s, const image_codec *codec, tsr_status (*describe)(store *s, image_file *f),
                            const char *compression, int64_t ratio)
{
    image_file *f;
    TRY(image_new(s, codec, &f));
    TRY(describe(s, f));
    memcpy(f->block, f->shape, sizeof f->block);
    f->compression = compression;
    f->stored_bytes = cached_file_size(s->file);
    TRY(image_check_size("an image", image_block_bytes(f), f->stored_bytes, ratio));
    return image_finish(s, f);
}

void image_close(store *s)
{
    image_file *f = s->format_data;
    if (!f) return;
    if (f->codec->close) f->codec->close(f);
    if (f->cache) hdf5_cache_drop(f->cache, s);
    hdf5_cache_unref(f->cache);
    mem_free(f);
    s->format_data = NULL;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

typedef struct request {
    store *s;
    const image_file *f;
    int64_t start[IMAGE_NDIM], count[IMAGE_NDIM], step[IMAGE_NDIM];
    size_t item_bytes;
    int64_t out_strides[IMAGE_NDIM], block_strides[IMAGE_NDIM];
    char *out;
    int64_t *bytes_read;
} request;

/* What a region wants of one block. */
typedef struct piece {
    int64_t at[IMAGE_NDIM];                   /* the block's first element */
    int64_t first[IMAGE_NDIM], n[IMAGE_NDIM]; /* of the region's indices */
} piece;

/* The region's indices along an axis that are in the block which index i of the region is in. Returns the next index. */
static int64_t piece_axis(const request *r, int d, int64_t i, piece *p)
{
    int64_t block = r->f->block[d], at = (r->start[d] + i * r->step[d]) / block * block;
    int64_t rest = r->count[d] - i, inside = (at + block - 1 - (r->start[d] + i * r->step[d])) / r->step[d] + 1;
    p->at[d] = at;
    p->first[d] = i;
    p->n[d] = inside < rest ? inside : rest;
    return i + p->n[d];
}

/* Does the piece hold every element of the block in the order of the block, and is the block inside the image? */
static bool fits_output(const request *r, const piece *p)
{
    int64_t expect = (int64_t)r->item_bytes;
    for (int d = IMAGE_NDIM - 1; d >= 0; d--) {
        int64_t block = r->f->block[d], high = r->f->shape[d] - p->at[d];
        if (d == IMAGE_Y && high < block) block = high;
        if (p->n[d] != block) return false;
        if (p->n[d] > 1 && (r->out_strides[d] != expect || r->step[d] != 1)) return false;
        expect *= block;
    }
    return true;
}

static void copy_row(char *to, const char *from, int64_t n, int64_t from_stride, size_t item_bytes)
{
    if (from_stride == (int64_t)item_bytes) {
        memcpy(to, from, (size_t)n * item_bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++, to += item_bytes, from += from_stride) memcpy(to, from, item_bytes);
}

/* Rows of pixels are dense on both sides where all channels are wanted. */
static void copy_piece(const request *r, const piece *p, const char *block)
{
    const int64_t *n = p->n, *out = r->out_strides, *in = r->block_strides;
    char *to = r->out;
    for (int d = 0; d < IMAGE_NDIM; d++) {
        to += p->first[d] * out[d];
        block += (r->start[d] + p->first[d] * r->step[d] - p->at[d]) * in[d];
    }
    bool whole_pixels = in[IMAGE_X] == n[IMAGE_CHANNEL] * (int64_t)r->item_bytes && out[IMAGE_X] == in[IMAGE_X];
    for (int64_t y = 0; y < n[IMAGE_Y]; y++) {
        char *row = to + y * out[IMAGE_Y];
        const char *from = block + y * r->step[IMAGE_Y] * in[IMAGE_Y];
        if (whole_pixels) {
            copy_row(row, from, n[IMAGE_X], r->step[IMAGE_X] * in[IMAGE_X], (size_t)in[IMAGE_X]);
            continue;
        }
        for (int64_t x = 0; x < n[IMAGE_X]; x++)
            copy_row(row + x * out[IMAGE_X], from + x * r->step[IMAGE_X] * in[IMAGE_X], n[IMAGE_CHANNEL],
                     r->step[IMAGE_CHANNEL] * in[IMAGE_CHANNEL], r->item_bytes);
    }
}

typedef struct decoding {
    const request *r;
    const piece *p;
} decoding;

static tsr_status decode_for_cache(void *context, char *data, size_t n)
{
    const decoding *d = context;
    return d->r->f->codec->decode(d->r->s, d->r->f, d->p->at, data, d->r->bytes_read);
}

static tsr_status read_piece(const request *r, const piece *p)
{
    const image_file *f = r->f;
    if (fits_output(r, p)) {
        char *to = r->out;
        for (int d = 0; d < IMAGE_NDIM; d++) to += p->first[d] * r->out_strides[d];
        return f->codec->decode(r->s, f, p->at, to, r->bytes_read);
    }
    int64_t number = 0;
    for (int d = 0; d < IMAGE_NDIM; d++) number = number * ((f->shape[d] - 1) / f->block[d] + 1) + p->at[d] / f->block[d];
    decoding context = {r, p};
    const hdf5_cached *cached;
    TRY(hdf5_cache_get(f->cache, r->s, r->s->vars, number, (size_t)image_block_bytes(f), decode_for_cache, &context, &cached));
    copy_piece(r, p, cached->data);
    hdf5_cache_give(f->cache, cached);
    return TSR_OK;
}

tsr_status image_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out, int64_t *bytes_read)
{
    const image_file *f = s->format_data;
    request r = {.s = s, .f = f, .item_bytes = tsr_dtype_size(f->dtype), .out = out, .bytes_read = bytes_read};
    for (int d = 0, k = 0; d < IMAGE_NDIM; d++) {
        bool is_there = (d != IMAGE_PAGE || f->has_pages) && (d != IMAGE_CHANNEL || f->has_channels);
        r.start[d] = is_there ? region->start[k] : 0;
        r.count[d] = is_there ? region->count[k] : 1;
        r.step[d] = is_there ? step[k] : 1;
        k += is_there;
    }
    shape_strides(IMAGE_NDIM, r.count, r.item_bytes, r.out_strides);
    shape_strides(IMAGE_NDIM, f->block, r.item_bytes, r.block_strides);
    piece p;
    for (int64_t page = 0; page < r.count[IMAGE_PAGE];) {
        page = piece_axis(&r, IMAGE_PAGE, page, &p);
        for (int64_t y = 0; y < r.count[IMAGE_Y];) {
            y = piece_axis(&r, IMAGE_Y, y, &p);
            for (int64_t x = 0; x < r.count[IMAGE_X];) {
                x = piece_axis(&r, IMAGE_X, x, &p);
                for (int64_t c = 0; c < r.count[IMAGE_CHANNEL];) {
                    c = piece_axis(&r, IMAGE_CHANNEL, c, &p);
                    TRY(read_piece(&r, &p));
                }
            }
        }
    }
    return TSR_OK;
}
