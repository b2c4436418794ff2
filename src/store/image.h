/* What the readers of images share: an image file is a store with the one variable "image", of shape (height, width), with
 * channels (height, width, channels), with several pages (pages, height, width[, channels]). It is decoded block by block: a tile
 * or a strip of a TIFF file, the whole of a PNG or JPEG file. */
#ifndef TESSERA_STORE_IMAGE_H
#define TESSERA_STORE_IMAGE_H

#include "store/hdf5_cache.h"
#include "store/store.h"

/* The axes of an image inside; a variable has the first only if has_pages, the last only if has_channels. */
enum { IMAGE_PAGE, IMAGE_Y, IMAGE_X, IMAGE_CHANNEL, IMAGE_NDIM };

typedef struct image_file image_file;

typedef struct image_codec {
    /* Decodes the block whose first element is at `at` into `out`: dense, of the shape f->block. What sticks out of the image is
     * undefined, but for rows: a block at the lower end is only as high as the image. Any thread. */
    tsr_status (*decode)(store *s, const image_file *f, const int64_t *at, char *out, int64_t *bytes_read);
    /* Frees `data`; may be NULL. */
    void (*close)(image_file *f);
} image_codec;

/* store.format_data. Immutable after opening, but for what codecs keep in `data`. */
struct image_file {
    const image_codec *codec;
    tsr_dtype dtype;
    bool swapped; /* as store_var.swapped */
    bool has_pages, has_channels;
    int64_t shape[IMAGE_NDIM], block[IMAGE_NDIM]; /* all >= 1 */
    bool is_plain;                                /* any part costs only its own bytes: nothing is compressed */
    const char *compression;                      /* NULL: none */
    int64_t stored_bytes;
    hdf5_cache *cache; /* of decoded blocks, which neighbouring tiles share */
    void *data;
};

/* A new image_file as s->format_data, which image_close frees. */
tsr_status image_new(store *s, const image_codec *codec, image_file **out) MUST_CHECK;
/* Makes the variable of what a reader has found out. */
tsr_status image_finish(store *s, const image_file *f) MUST_CHECK;
/* store_ops.open of a format whose files are one compressed block: `describe` reads the header into dtype and shape; `ratio` as
 * below. */
tsr_status image_open_whole(store *s, const image_codec *codec, tsr_status (*describe)(store *s, image_file *f),
                            const char *compression, int64_t ratio) MUST_CHECK;
/* Fails where `size_bytes`, which a header promises, cannot come out of `stored_bytes` compressed at most by `ratio`. Small sizes
 * pass: what is lost by them is little, and decoding tells better what is wrong. Before anything of that size is allocated. */
tsr_status image_check_size(const char *what, int64_t size_bytes, int64_t stored_bytes, int64_t ratio) MUST_CHECK;
/* The product of all, or INT64_MAX. */
int64_t image_block_bytes(const image_file *f);

/* store_ops.read and close of all image formats. */
tsr_status image_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out, int64_t *bytes_read);
void image_close(store *s);

#endif
