/* PNG files (ISO/IEC 15948), through libpng. Palettes become colours, transparent colours an alpha channel, fewer than eight bits
 * eight; 16 bits stay. The file is one block: its rows depend on each other.
 *
 * libpng reports errors by a jump; everything that lives across it is in `reader`. Threads: each call has its own reader. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/calls.h"
#include "store/fdcache.h"
#include "store/formats.h"
#include "store/image.h"
#include "store/layout.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

/* Deflate's best, and a little for the bytes around it. */
enum { MAX_RATIO = 1040 };

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

typedef struct reader {
    cached_file *file;
    int64_t at;
    bool failed; /* the reason is recorded already */
    png_structp png;
    png_infop info;
    jmp_buf jump;
} reader;

static void on_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    if (!r->failed) (void)error_set(TSR_ERR_FORMAT, "the PNG data is damaged at byte %lld: %s", (long long)r->at, message);
    longjmp(r->jump, 1);
}

static void on_warning(png_structp png, png_const_charp message) {}

static void *allocate(png_structp png, png_alloc_size_t size_bytes)
{
    reader *r = png_get_mem_ptr(png);
    void *p = mem_alloc(size_bytes);
    if (!p) r->failed = true;
    return p;
}

static void release(png_structp png, void *p) { mem_free(p); }

static void read_bytes(png_structp png, png_bytep out, size_t n)
{
    reader *r = png_get_io_ptr(png);
    int64_t size = cached_file_size(r->file);
    tsr_status status = TSR_OK;
    if ((int64_t)n > size - r->at)
        status = error_set(TSR_ERR_FORMAT, "truncated: the PNG data goes on behind the file's %lld bytes", (long long)size);
    else
        status = cached_file_read(r->file, out, n, r->at);
    r->at += (int64_t)n;
    if (status == TSR_OK) return;
    r->failed = true;
    png_error(png, "");
}

/* Reads up to the first row and asks for the transformations. */
static void read_header(reader *r)
{
    png_set_read_fn(r->png, r, read_bytes);
    png_read_info(r->png, r->info);
    png_set_expand(r->png);
    if (HOST_IS_LITTLE_ENDIAN) png_set_swap(r->png);
    (void)png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static bool start(reader *r)
{
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, allocate, release);
    if (r->png) r->info = png_create_info_struct(r->png);
    if (r->info) return true;
    if (!r->failed) (void)error_memory(sizeof *r);
    return false;
}

static void finish(reader *r) { png_destroy_read_struct(&r->png, &r->info, NULL); }

/* Inside a reader whose jump is set. */
static void describe_header(reader *r, image_file *f)
{
    read_header(r);
    int channels = png_get_channels(r->png, r->info);
    f->dtype = png_get_bit_depth(r->png, r->info) == 16 ? TSR_U16 : TSR_U8;
    f->shape[IMAGE_Y] = png_get_image_height(r->png, r->info);
    f->shape[IMAGE_X] = png_get_image_width(r->png, r->info);
    f->shape[IMAGE_CHANNEL] = channels;
    f->has_channels = channels > 1;
}

static tsr_status describe(store *s, image_file *f)
{
    reader r = {.file = s->file};
    if (setjmp(r.jump)) {
        finish(&r);
        return tsr_error_code();
    }
    if (!start(&r)) {
        finish(&r);
        return tsr_error_code();
    }
    describe_header(&r, f);
    finish(&r);
    return TSR_OK;
}

/* Inside a reader whose jump is set. Interlaced images come in several passes over all rows. */
static void decode_rows(reader *r, const image_file *f, char *out)
{
    read_header(r);
    size_t row_bytes = png_get_rowbytes(r->png, r->info);
    if ((int64_t)row_bytes * f->shape[IMAGE_Y] != image_block_bytes(f)) png_error(r->png, "it is another image than when opened");
    int n_passes = png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    for (int pass = 0; pass < n_passes; pass++) {
        for (int64_t y = 0; y < f->shape[IMAGE_Y]; y++) png_read_row(r->png, (png_bytep)out + (size_t)y * row_bytes, NULL);
    }
    png_read_end(r->png, NULL);
}

static tsr_status decode(store *s, const image_file *f, const int64_t *at, char *out, int64_t *bytes_read)
{
    reader r = {.file = s->file};
    if (setjmp(r.jump)) {
        finish(&r);
        return tsr_error_code();
    }
    if (!start(&r)) {
        finish(&r);
        return tsr_error_code();
    }
    decode_rows(&r, f, out);
    finish(&r);
    *bytes_read += r.at;
    return TSR_OK;
}

static const image_codec codec = {.decode = decode};

static bool probe(const unsigned char *head, size_t n, const char *path)
{
    return n >= sizeof signature && memcmp(head, signature, sizeof signature) == 0;
}

static tsr_status png_open(store *s)
{
    TRY(png_calls_open());
    return image_open_whole(s, &codec, describe, "deflate", MAX_RATIO);
}

const store_ops png_store_ops = {
    .name = "PNG", .stack_dim = "frame", .probe = probe, .open = png_open, .read = image_read, .close = image_close};
