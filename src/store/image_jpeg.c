/* JPEG files (ITU-T T.81), through libjpeg-turbo's libjpeg interface: grey, colours (from YCbCr), CMYK. The file is one block.
 *
 * What the library only warns of and goes on with grey areas is an error here if pixels are lost by it. It reports errors by a
 * jump; everything that lives across it is in `reader`. Threads: each call has its own reader. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/calls.h"
#include "store/fdcache.h"
#include "store/formats.h"
#include "store/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* Each block of 8 x 8 values has a bit at least, but for arithmetic coding, which is rare; colours have a quarter as many blocks.
 * A file of thousands of scans, each over the whole image, would cost hours. */
enum { MAX_RATIO = 8 * 64 * 3, MAX_SCANS = 500, BUFFER_BYTES = 64 << 10 };

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    cached_file *file;
    int64_t at;
    bool failed; /* the reason is recorded already */
    jmp_buf jump;
    unsigned char *buffer;
} reader;

static void fail(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX] = "";
    bool no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    if (!r->failed && no_memory) (void)error_memory((size_t)BUFFER_BYTES);
    if (!r->failed && !no_memory) {
        jpeg->err->format_message(jpeg, text);
        (void)error_set(TSR_ERR_FORMAT, "the JPEG data is damaged before byte %lld: %s", (long long)r->at, text);
    }
    longjmp(r->jump, 1);
}

/* Warnings have the level -1. Those that cost no pixel pass. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level >= 0) return;
    switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_PROGRESSION: return;
    default: fail(jpeg);
    }
}

static void print_nothing(j_common_ptr jpeg) {}
static void source_start(j_decompress_ptr jpeg) {}

static boolean source_fill(j_decompress_ptr jpeg)
{
    reader *r = jpeg->client_data;
    int64_t left = cached_file_size(r->file) - r->at;
    size_t n = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
    tsr_status status;
    if (left <= 0)
        status = error_set(TSR_ERR_FORMAT, "truncated: the JPEG data goes on behind the file's %lld bytes", (long long)r->at);
    else
        status = cached_file_read(r->file, r->buffer, n, r->at);
    if (status != TSR_OK) {
        r->failed = true;
        fail((j_common_ptr)jpeg);
    }
    r->at += (int64_t)n;
    r->source.next_input_byte = r->buffer;
    r->source.bytes_in_buffer = n;
    return TRUE;
}

static void source_skip(j_decompress_ptr jpeg, long n)
{
    reader *r = jpeg->client_data;
    if (n <= 0) return;
    if ((size_t)n <= r->source.bytes_in_buffer) {
        r->source.next_input_byte += n;
        r->source.bytes_in_buffer -= (size_t)n;
        return;
    }
    r->at += n - (long)r->source.bytes_in_buffer; /* beyond the end: the next filling tells */
    r->source.bytes_in_buffer = 0;
}

static void source_end(j_decompress_ptr jpeg) {}

static void count_scans(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= MAX_SCANS) return;
    r->failed = true;
    (void)error_set(TSR_ERR_FORMAT, "a JPEG image of more than %d scans is not plausible", MAX_SCANS);
    fail(jpeg);
}

/* Inside a reader whose jump is set: everything up to the first row. */
static void read_header(reader *r)
{
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.client_data = r;
    r->source = (struct jpeg_source_mgr){.init_source = source_start,
                                         .fill_input_buffer = source_fill,
                                         .skip_input_data = source_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = source_end};
    r->jpeg.src = &r->source;
    r->progress.progress_monitor = count_scans;
    r->jpeg.progress = &r->progress;
    (void)jpeg_read_header(&r->jpeg, TRUE);
    jpeg_calc_output_dimensions(&r->jpeg);
}

static tsr_status start(reader *r, const store *s)
{
    r->file = s->file;
    r->buffer = mem_alloc(BUFFER_BYTES);
    if (!r->buffer) return TSR_ERR_MEMORY;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = fail;
    r->errors.emit_message = on_message;
    r->errors.output_message = print_nothing;
    return TSR_OK;
}

static void finish(reader *r)
{
    jpeg_destroy_decompress(&r->jpeg); /* fine also before its creation: everything is zero */
    mem_free(r->buffer);
}

static void describe_header(reader *r, image_file *f)
{
    read_header(r);
    f->dtype = TSR_U8;
    f->shape[IMAGE_Y] = r->jpeg.output_height;
    f->shape[IMAGE_X] = r->jpeg.output_width;
    f->shape[IMAGE_CHANNEL] = r->jpeg.output_components;
    f->has_channels = r->jpeg.output_components > 1;
}

static tsr_status describe(store *s, image_file *f)
{
    reader r = {0};
    TRY(start(&r, s));
    if (setjmp(r.jump)) {
        finish(&r);
        return tsr_error_code();
    }
    describe_header(&r, f);
    finish(&r);
    return TSR_OK;
}

static void decode_rows(reader *r, const image_file *f, char *out)
{
    read_header(r);
    int64_t row_bytes = (int64_t)r->jpeg.output_width * r->jpeg.output_components;
    if (row_bytes * r->jpeg.output_height != image_block_bytes(f)) {
        r->failed = true;
        (void)error_set(TSR_ERR_FORMAT, "it is another image than when it was opened");
        fail((j_common_ptr)&r->jpeg);
    }
    (void)jpeg_start_decompress(&r->jpeg);
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        JSAMPROW row = (JSAMPROW)out + (int64_t)r->jpeg.output_scanline * row_bytes;
        (void)jpeg_read_scanlines(&r->jpeg, &row, 1);
    }
    (void)jpeg_finish_decompress(&r->jpeg);
}

static tsr_status decode(store *s, const image_file *f, const int64_t *at, char *out, int64_t *bytes_read)
{
    reader r = {0};
    TRY(start(&r, s));
    if (setjmp(r.jump)) {
        finish(&r);
        return tsr_error_code();
    }
    decode_rows(&r, f, out);
    finish(&r);
    *bytes_read += cached_file_size(s->file);
    return TSR_OK;
}

static const image_codec codec = {.decode = decode};

static bool probe(const unsigned char *head, size_t n, const char *path)
{
    return n >= 3 && head[0] == 0xff && head[1] == 0xd8 && head[2] == 0xff;
}

static tsr_status jpeg_open(store *s)
{
    TRY(jpeg_calls_open());
    return image_open_whole(s, &codec, describe, "JPEG", MAX_RATIO);
}

const store_ops jpeg_store_ops = {
    .name = "JPEG", .stack_dim = "frame", .probe = probe, .open = jpeg_open, .read = image_read, .close = image_close};
