/* TIFF and BigTIFF files (Adobe, TIFF Revision 6.0, 1992), through libtiff: tiles or strips, all its compressions, pages of equal
 * shape. Reduced copies and masks among the pages are passed over.
 *
 * Uncompressed pages that lie in one piece are read without libtiff, only the bytes of the region, in the file's byte order. All
 * others are decoded strip by strip or tile by tile; one bit becomes 0 or 255, a palette becomes colours.
 *
 * Threads: a libtiff handle serves one thread at a time, so that each call takes one from a list and gives it back. */
#include "base/mem.h"
#include "base/vec.h"
#include "block/dtype.h"
#include "store/calls.h"
#include "store/fdcache.h"
#include "store/formats.h"
#include "store/image.h"
#include "store/layout.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <tiffio.h>

/* How much longer data can become at most by one of libtiff's decompressors (zstd's); pages; libtiff's own allocations. */
enum { MAX_RATIO = 40000, MAX_PAGES = 1 << 22, MAX_IDLE = 8 };
#define MAX_LIBRARY_BYTES (INT64_C(512) << 20)

/* An open libtiff handle. */
typedef struct handle {
    struct handle *next;
    TIFF *tiff;
    cached_file *file;
    int64_t at, *bytes_read; /* the place in the file; where to count, or NULL */
    bool read_failed;        /* the operating system's reason is recorded */
    char text[300];          /* the first thing that libtiff complains of */
} handle;

/* What is equal in all pages. */
typedef struct page_form {
    uint32_t width, height, block_width, block_height;
    uint16_t samples, bits, format, planar, photometric, compression;
    bool is_tiled;
} page_form;

typedef struct page {
    uint64_t directory; /* where its directory is in the file */
    int64_t begin;      /* of its pixels, if they lie in one piece; else -1 */
} page;

typedef struct tiff_file {
    page_form form;
    VEC(page) pages;
    bool is_palette;
    pthread_mutex_t lock; /* guards the list */
    handle *idle;
    int n_idle;
} tiff_file;

/* ---- Handles ------------------------------------------------------------------------------------------------------ */

static tmsize_t client_read(thandle_t client, void *out, tmsize_t n)
{
    handle *h = client;
    int64_t left = cached_file_size(h->file) - h->at;
    if (n > left) n = left;
    if (n <= 0) return 0;
    if (cached_file_read(h->file, out, (size_t)n, h->at) != TSR_OK) {
        h->read_failed = true;
        return -1;
    }
    h->at += n;
    if (h->bytes_read) *h->bytes_read += n;
    return n;
}

static tmsize_t client_write(thandle_t client, void *data, tmsize_t n) { return -1; }

static toff_t client_seek(thandle_t client, toff_t offset, int whence)
{
    handle *h = client;
    int64_t base = whence == SEEK_CUR ? h->at : whence == SEEK_END ? cached_file_size(h->file) : 0;
    if (__builtin_add_overflow(base, (int64_t)offset, &h->at) || h->at < 0) h->at = INT64_MAX / 2;
    return (toff_t)h->at;
}

static int client_close(thandle_t client) { return 0; }

static toff_t client_size(thandle_t client) { return (toff_t)cached_file_size(((handle *)client)->file); }

static int on_error(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments)
{
    handle *h = context;
    if (h->text[0] == '\0') vsnprintf(h->text, sizeof h->text, format, arguments);
    return 1;
}

static int on_warning(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments) { return 1; }

/* What libtiff has said, as an error. */
static tsr_status handle_error(const handle *h, const char *what)
{
    const tsr_status status = h->read_failed ? tsr_error_code() : TSR_OK;
    if (status != TSR_OK) return status;
    return error_set(TSR_ERR_FORMAT, "damaged or truncated: %s%s%s", what, h->text[0] ? ": " : "", h->text);
}

static void handle_free(handle *h)
{
    if (h && h->tiff) TIFFClose(h->tiff);
    mem_free(h);
}

static tsr_status handle_new(cached_file *file, handle **out)
{
    handle *h = mem_calloc(1, sizeof *h);
    if (!h) return TSR_ERR_MEMORY;
    h->file = file;
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options) {
        TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_LIBRARY_BYTES);
        TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, h);
        TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, h);
        h->tiff = TIFFClientOpenExt("file", "rm", h, client_read, client_write, client_seek, client_close, client_size, NULL,
                                    NULL, options);
        TIFFOpenOptionsFree(options);
    }
    if (h->tiff) {
        *out = h;
        return TSR_OK;
    }
    tsr_status status = options ? handle_error(h, "the TIFF directory cannot be read") : error_memory(sizeof *h);
    handle_free(h);
    return status;
}

static tsr_status handle_take(const store *s, tiff_file *t, handle **out)
{
    pthread_mutex_lock(&t->lock);
    handle *h = t->idle;
    if (h) {
        t->idle = h->next;
        t->n_idle--;
    }
    pthread_mutex_unlock(&t->lock);
    if (!h) return handle_new(s->file, out);
    *out = h;
    return TSR_OK;
}

/* A handle that failed is not used again. */
static void handle_give(tiff_file *t, handle *h, bool is_good)
{
    h->bytes_read = NULL;
    pthread_mutex_lock(&t->lock);
    is_good = is_good && t->n_idle < MAX_IDLE;
    if (is_good) {
        h->next = t->idle;
        t->idle = h;
        t->n_idle++;
    }
    pthread_mutex_unlock(&t->lock);
    if (!is_good) handle_free(h);
}

/* Makes a page the handle's current one. */
static tsr_status handle_page(handle *h, const tiff_file *t, int64_t number)
{
    h->text[0] = '\0';
    uint64_t directory = t->pages.items[number].directory;
    if (TIFFCurrentDirOffset(h->tiff) != directory && !TIFFSetSubDirectory(h->tiff, directory))
        return handle_error(h, "the directory of a page cannot be read again");
    if (t->form.compression == COMPRESSION_JPEG && t->form.photometric == PHOTOMETRIC_YCBCR)
        (void)TIFFSetField(h->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    return TSR_OK;
}

/* ---- Opening ------------------------------------------------------------------------------------------------------ */

static tsr_status read_form(TIFF *tiff, page_form *p)
{
    *p = (page_form){0};
    uint32_t rows = 0;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &p->width) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &p->height) ||
        p->width == 0 || p->height == 0)
        return error_set(TSR_ERR_FORMAT, "damaged: a page has no width or no height");
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &p->bits);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &p->format);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &p->planar);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &p->compression);
    p->photometric = PHOTOMETRIC_MINISBLACK;
    (void)TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &p->photometric);
    if (p->samples == 0) return error_set(TSR_ERR_FORMAT, "damaged: a page has pixels of no samples");
    if (p->samples == 1) p->planar = PLANARCONFIG_CONTIG;
    p->is_tiled = TIFFIsTiled(tiff) != 0;
    if (p->is_tiled) {
        if (!TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &p->block_width) ||
            !TIFFGetField(tiff, TIFFTAG_TILELENGTH, &p->block_height) || p->block_width == 0 || p->block_height == 0)
            return error_set(TSR_ERR_FORMAT, "damaged: tiles have no width or no height");
        return TSR_OK;
    }
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    p->block_width = p->width;
    p->block_height = rows == 0 || rows > p->height ? p->height : rows;
    return TSR_OK;
}

static tsr_status choose_dtype(const page_form *p, tsr_dtype *out)
{
    static const struct {
        uint16_t format, bits;
        tsr_dtype dtype;
    } types[] = {{SAMPLEFORMAT_UINT, 1, TSR_U8},     {SAMPLEFORMAT_UINT, 8, TSR_U8},    {SAMPLEFORMAT_UINT, 16, TSR_U16},
                 {SAMPLEFORMAT_UINT, 32, TSR_U32},   {SAMPLEFORMAT_UINT, 64, TSR_U64},  {SAMPLEFORMAT_INT, 8, TSR_I8},
                 {SAMPLEFORMAT_INT, 16, TSR_I16},    {SAMPLEFORMAT_INT, 32, TSR_I32},   {SAMPLEFORMAT_INT, 64, TSR_I64},
                 {SAMPLEFORMAT_IEEEFP, 32, TSR_F32}, {SAMPLEFORMAT_IEEEFP, 64, TSR_F64}};
    uint16_t format = p->format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : p->format;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].format != format || types[i].bits != p->bits || (p->bits == 1 && p->samples != 1)) continue;
        *out = types[i].dtype;
        return TSR_OK;
    }
    return error_set(
        TSR_ERR_UNSUPPORTED,
        "pixels of %d samples of %d bits (sample format %d) cannot be read; integers of 8 to 64 bits, floats of 32 and "
        "64, and pixels of 1 bit can",
        p->samples, p->bits, p->format);
}

static tsr_status check_form(const page_form *p)
{
    bool is_jpeg = p->compression == COMPRESSION_JPEG;
    if (!TIFFIsCODECConfigured(p->compression))
        return error_set(TSR_ERR_UNSUPPORTED, "compression %d, which this libtiff cannot decode", p->compression);
    if (p->photometric == PHOTOMETRIC_YCBCR && !is_jpeg)
        return error_set(TSR_ERR_UNSUPPORTED, "YCbCr colours that are not compressed by JPEG cannot be read");
    if (p->photometric == PHOTOMETRIC_LOGL || p->photometric == PHOTOMETRIC_LOGLUV)
        return error_set(TSR_ERR_UNSUPPORTED, "LogLuv colours cannot be read");
    if (p->photometric == PHOTOMETRIC_PALETTE && (p->bits != 8 || p->samples != 1))
        return error_set(TSR_ERR_UNSUPPORTED, "a palette of %d bits and %d samples cannot be read; 8 bits and 1 sample can",
                         p->bits, p->samples);
    return TSR_OK;
}

/* Where the page's pixels lie in one piece, uncompressed and not tiled: their beginning. Else -1. Adds what is stored to *total.
 */
static tsr_status find_pixels(const handle *h, const page_form *p, int64_t *begin, int64_t *total)
{
    uint32_t n = p->is_tiled ? TIFFNumberOfTiles(h->tiff) : TIFFNumberOfStrips(h->tiff);
    int64_t size = cached_file_size(h->file), row_bytes = 0;
    uint16_t order = FILLORDER_MSB2LSB;
    (void)TIFFGetFieldDefaulted(h->tiff, TIFFTAG_FILLORDER, &order);
    bool is_plain = !p->is_tiled && p->compression == COMPRESSION_NONE && p->planar == PLANARCONFIG_CONTIG && p->bits >= 8 &&
                    p->photometric != PHOTOMETRIC_PALETTE && order == FILLORDER_MSB2LSB;
    if (__builtin_mul_overflow((int64_t)p->width, (int64_t)p->samples * (p->bits / 8), &row_bytes)) is_plain = false;
    uint64_t next = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t offset = TIFFGetStrileOffset(h->tiff, i), count = TIFFGetStrileByteCount(h->tiff, i);
        int64_t rows = p->height - (int64_t)i * p->block_height, expect;
        if (rows > p->block_height) rows = p->block_height;
        if (count <= (uint64_t)size) *total += (int64_t)count;
        if (!is_plain) continue;
        if (i == 0) *begin = (int64_t)offset;
        is_plain = offset != 0 && (i == 0 || offset == next) && !__builtin_mul_overflow(rows, row_bytes, &expect) &&
                   count >= (uint64_t)expect && expect <= size && offset <= (uint64_t)(size - expect);
        next = offset + (uint64_t)(is_plain ? expect : 0);
    }
    if (!is_plain || n == 0) *begin = -1;
    if (*total > size) *total = size;
    return h->read_failed ? tsr_error_code() : TSR_OK;
}

static bool is_side_page(TIFF *tiff)
{
    uint32_t type = 0;
    return TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &type) && (type & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) != 0;
}

static tsr_status check_equal(const page_form *a, const page_form *b, size_t number)
{
    if (a->width != b->width || a->height != b->height || a->samples != b->samples)
        return error_set(TSR_ERR_UNSUPPORTED,
                         "page %zu has %u x %u pixels of %d samples, the first %u x %u of %d; pages of one shape can be read",
                         number, b->height, b->width, b->samples, a->height, a->width, a->samples);
    if (a->block_width == b->block_width && a->block_height == b->block_height && a->bits == b->bits && a->format == b->format &&
        a->planar == b->planar && a->photometric == b->photometric && a->compression == b->compression &&
        a->is_tiled == b->is_tiled)
        return TSR_OK;
    return error_set(
        TSR_ERR_UNSUPPORTED,
        "page %zu is stored otherwise than the first (type of pixels, compression, strips or tiles); pages stored alike "
        "can be read",
        number);
}

static tsr_status read_pages(handle *h, image_file *f, tiff_file *t)
{
    f->is_plain = true;
    f->stored_bytes = 0;
    do {
        page_form form;
        page p = {.directory = TIFFCurrentDirOffset(h->tiff), .begin = -1};
        if (t->pages.n > 0 && is_side_page(h->tiff)) continue;
        tsr_status status = read_form(h->tiff, &form);
        if (status == TSR_OK && t->pages.n > 0) status = check_equal(&t->form, &form, t->pages.n);
        if (status == TSR_OK) status = find_pixels(h, &form, &p.begin, &f->stored_bytes);
        if (status != TSR_OK) return status;
        t->form = form;
        f->is_plain = f->is_plain && p.begin >= 0;
        if (t->pages.n == MAX_PAGES) return error_set(TSR_ERR_UNSUPPORTED, "more than %d pages", MAX_PAGES);
        if (!VEC_PUSH(&t->pages, p)) return TSR_ERR_MEMORY;
    } while (h->text[0] == '\0' && TIFFReadDirectory(h->tiff));
    if (h->text[0] != '\0' || h->read_failed) return handle_error(h, "the directory of a page cannot be read");
    return TSR_OK;
}

static const char *compression_name(const page_form *p)
{
    const TIFFCodec *c = p->compression == COMPRESSION_NONE ? NULL : TIFFFindCODEC(p->compression);
    if (c && strcmp(c->name, "AdobeDeflate") == 0) return "deflate";
    return c ? c->name : NULL;
}

static tsr_status describe(handle *h, image_file *f, tiff_file *t)
{
    TRY(read_pages(h, f, t));
    const page_form *p = &t->form;
    TRY(check_form(p));
    TRY(choose_dtype(p, &f->dtype));
    t->is_palette = p->photometric == PHOTOMETRIC_PALETTE;
    int64_t channels = t->is_palette ? 3 : p->samples;
    int64_t shape[IMAGE_NDIM] = {(int64_t)t->pages.n, p->height, p->width, channels};
    int64_t block[IMAGE_NDIM] = {1, p->block_height, p->block_width, p->planar == PLANARCONFIG_SEPARATE ? 1 : channels};
    memcpy(f->shape, shape, sizeof shape);
    memcpy(f->block, block, sizeof block);
    f->has_pages = t->pages.n > 1;
    f->has_channels = channels > 1;
    f->swapped = f->is_plain && p->bits > 8 && TIFFIsByteSwapped(h->tiff);
    f->compression = compression_name(p);
    int64_t bytes = image_block_bytes(f);
    if (f->is_plain) return bytes == INT64_MAX ? error_set(TSR_ERR_FORMAT, "damaged: a strip is too large") : TSR_OK;
    return image_check_size(p->is_tiled ? "a tile" : "a strip", bytes, f->stored_bytes, MAX_RATIO);
}

static void tiff_close(image_file *f)
{
    tiff_file *t = f->data;
    if (!t) return;
    for (handle *h = t->idle, *next; h; h = next) {
        next = h->next;
        handle_free(h);
    }
    pthread_mutex_destroy(&t->lock);
    VEC_FINI(&t->pages);
    mem_free(t);
}

/* ---- Decoding ----------------------------------------------------------------------------------------------------- */

/* One bit a pixel, the highest first, rows in whole bytes: 0 and 255. */
static void unpack_bits(const unsigned char *in, int64_t rows, int64_t width, unsigned char *out)
{
    int64_t row_bytes = (width + 7) / 8;
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < width; x++) out[y * width + x] = (in[y * row_bytes + x / 8] >> (7 - x % 8) & 1) ? 255 : 0;
}

static tsr_status unpack_palette(handle *h, const unsigned char *in, int64_t n, unsigned char *out)
{
    uint16_t *map[3] = {NULL, NULL, NULL};
    if (!TIFFGetField(h->tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2])) return handle_error(h, "the palette is missing");
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) out[3 * i + c] = (unsigned char)(map[c][in[i]] >> 8);
    return TSR_OK;
}

/* A strip or tile as libtiff gives it, n bytes of it. What was never written is zero, as elsewhere in the field (GDAL). */
static tsr_status read_block(handle *h, const page_form *p, uint32_t number, char *out, int64_t n)
{
    uint64_t stored = TIFFGetStrileByteCount(h->tiff, number);
    if (stored == 0 && TIFFGetStrileOffset(h->tiff, number) == 0 && h->text[0] == '\0') {
        memset(out, 0, (size_t)n);
        return TSR_OK;
    }
    const char *what = p->is_tiled ? "tile" : "strip";
    TRY(image_check_size(what, n, (int64_t)(stored < INT64_MAX ? stored : INT64_MAX), MAX_RATIO));
    tmsize_t got = p->is_tiled ? TIFFReadEncodedTile(h->tiff, number, out, n) : TIFFReadEncodedStrip(h->tiff, number, out, n);
    if (got == n && h->text[0] == '\0') return TSR_OK;
    char text[80];
    snprintf(text, sizeof text, "%s %u gives %lld bytes of %lld", what, number, got < 0 ? 0LL : (long long)got, (long long)n);
    return handle_error(h, text);
}

/* The bytes of a block in the file's form: rows of whole bytes. */
static tsr_status stored_block_bytes(const handle *h, const page_form *p, int64_t rows, int64_t *out)
{
    int64_t samples = p->planar == PLANARCONFIG_SEPARATE ? 1 : p->samples;
    *out = rows * (((int64_t)p->block_width * samples * p->bits + 7) / 8);
    int64_t library = p->is_tiled ? (int64_t)TIFFTileSize64(h->tiff) : (int64_t)TIFFVStripSize64(h->tiff, (uint32_t)rows);
    if (library == *out) return TSR_OK;
    return error_set(TSR_ERR_UNSUPPORTED, "blocks of %lld bytes where %lld are expected cannot be read", (long long)library,
                     (long long)*out);
}

static tsr_status decode_with(handle *h, const image_file *f, const int64_t *at, char *out)
{
    const tiff_file *t = f->data;
    const page_form *p = &t->form;
    TRY(handle_page(h, t, at[IMAGE_PAGE]));
    int64_t across = (f->shape[IMAGE_X] - 1) / f->block[IMAGE_X] + 1, down = (f->shape[IMAGE_Y] - 1) / f->block[IMAGE_Y] + 1;
    int64_t plane = p->planar == PLANARCONFIG_SEPARATE ? at[IMAGE_CHANNEL] : 0;
    int64_t number = (plane * down + at[IMAGE_Y] / f->block[IMAGE_Y]) * across + at[IMAGE_X] / f->block[IMAGE_X];
    int64_t rows = f->shape[IMAGE_Y] - at[IMAGE_Y], n;
    if (rows > f->block[IMAGE_Y] || p->is_tiled) rows = f->block[IMAGE_Y];
    TRY(stored_block_bytes(h, p, rows, &n));
    if (p->bits >= 8 && !t->is_palette) return read_block(h, p, (uint32_t)number, out, n);
    unsigned char *packed = mem_alloc((size_t)n);
    if (!packed) return TSR_ERR_MEMORY;
    tsr_status status = read_block(h, p, (uint32_t)number, (char *)packed, n);
    if (status == TSR_OK && t->is_palette)
        status = unpack_palette(h, packed, n, (unsigned char *)out);
    else if (status == TSR_OK)
        unpack_bits(packed, rows, p->block_width, (unsigned char *)out);
    mem_free(packed);
    return status;
}

static tsr_status decode(store *s, const image_file *f, const int64_t *at, char *out, int64_t *bytes_read)
{
    handle *h;
    TRY(handle_take(s, f->data, &h));
    h->bytes_read = bytes_read;
    tsr_status status = decode_with(h, f, at, out);
    handle_give(f->data, h, status == TSR_OK);
    return status;
}

static const image_codec codec = {.decode = decode, .close = tiff_close};

/* ---- The format --------------------------------------------------------------------------------------------------- */

static bool probe(const unsigned char *head, size_t n, const char *path)
{
    if (n < 4) return false;
    return memcmp(head, "II*", 4) == 0 || memcmp(head, "MM\0*", 4) == 0 || memcmp(head, "II+", 4) == 0 ||
           memcmp(head, "MM\0+", 4) == 0;
}

static tsr_status tiff_open(store *s)
{
    image_file *f;
    TRY(tiff_calls_open());
    TRY(image_new(s, &codec, &f));
    tiff_file *t = mem_calloc(1, sizeof *t);
    if (!t) return TSR_ERR_MEMORY;
    pthread_mutex_init(&t->lock, NULL);
    f->data = t;
    handle *h;
    TRY(handle_new(s->file, &h));
    tsr_status status = describe(h, f, t);
    handle_free(h);
    if (status != TSR_OK) return status;
    return image_finish(s, f);
}

/* Pages that lie in one piece each. */
static tsr_status read_plain(store *s, const image_file *f, const box *region, const int64_t *step, char *out,
                             int64_t *bytes_read)
{
    const tiff_file *t = f->data;
    int first = f->has_pages ? 1 : 0, n = region->ndim - first;
    box inside = {.ndim = n};
    for (int d = 0; d < n; d++) {
        inside.start[d] = region->start[first + d];
        inside.count[d] = region->count[first + d];
    }
    size_t item_bytes = tsr_dtype_size(f->dtype);
    int64_t page_bytes = box_size(&inside) * (int64_t)item_bytes;
    for (int64_t i = 0; i < (first ? region->count[0] : 1); i++) {
        int64_t number = first ? region->start[0] + i * step[0] : 0;
        file_layout layout = file_layout_dense(t->pages.items[number].begin, n, f->shape + IMAGE_Y, item_bytes);
        TRY(file_layout_read(s->file, &layout, &inside, step + first, out + i * page_bytes, bytes_read));
    }
    return TSR_OK;
}

static tsr_status tiff_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out,
                            int64_t *bytes_read)
{
    const image_file *f = s->format_data;
    if (f->is_plain) return read_plain(s, f, region, step, out, bytes_read);
    return image_read(s, var, region, step, out, bytes_read);
}

const store_ops tiff_store_ops = {
    .name = "TIFF", .stack_dim = "frame", .probe = probe, .open = tiff_open, .read = tiff_read, .close = image_close};
