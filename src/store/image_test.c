/* Images of every kind, written here by the formats' own libraries and read back by regions; cut, damaged and lying files;
 * stacks. */
#include "store/calls.h"
#include "store/stack.h"
#include "store/store_testing.h"

#include <jpeglib.h>
#include <png.h>
#include <tiffio.h>

static const store_conformance spec = {.extension = ".img"};

/* ---- Writing ------------------------------------------------------------------------------------------------------ */

typedef struct kind {
    const char *name;
    int depth, channels;                        /* bits of a sample */
    bool interlaced;                            /* PNG */
    int compression, tile, rows, pages, planar; /* TIFF: COMPRESSION_*; side of tiles or 0; rows of strips */
    bool big_endian;
    bool is_jpeg, is_tiff;
} kind;

enum { HEIGHT = 37, WIDTH = 53, PAGES = 3 };

static const kind kinds[] = {
    {"grey", 8, 1},
    {"colour", 8, 3},
    {"alpha", 8, 4},
    {"grey alpha", 16, 2},
    {"deep", 16, 1},
    {"interlaced", 8, 3, true},
    {"deep interlaced", 16, 3, true},
    {"strips", 16, 1, .is_tiff = true, .compression = COMPRESSION_NONE, .rows = 5, .pages = 1},
    {"one strip", 8, 3, .is_tiff = true, .compression = COMPRESSION_NONE, .rows = HEIGHT, .pages = PAGES},
    {"big endian", 16, 3, .is_tiff = true, .compression = COMPRESSION_NONE, .rows = 7, .pages = PAGES, .big_endian = true},
    {"lzw", 16, 1, .is_tiff = true, .compression = COMPRESSION_LZW, .rows = 5, .pages = PAGES, .big_endian = true},
    {"deflate", 8, 4, .is_tiff = true, .compression = COMPRESSION_ADOBE_DEFLATE, .rows = 10, .pages = 1},
    {"tiles", 32, 1, .is_tiff = true, .compression = COMPRESSION_ADOBE_DEFLATE, .tile = 16, .pages = PAGES},
    {"colour tiles", 8, 3, .is_tiff = true, .compression = COMPRESSION_PACKBITS, .tile = 32, .pages = 1},
    {"planes", 8, 3, .is_tiff = true, .compression = COMPRESSION_LZW, .rows = 6, .pages = 1, .planar = PLANARCONFIG_SEPARATE},
    {"tiled planes", 16, 2, .is_tiff = true, .compression = COMPRESSION_NONE, .tile = 16, .pages = 2,
     .planar = PLANARCONFIG_SEPARATE},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static size_t page_bytes(const kind *k) { return (size_t)HEIGHT * WIDTH * (size_t)k->channels * (size_t)k->depth / 8; }

static void write_png(const char *path, const kind *k, const char *values)
{
    FILE *f = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    static const int colours[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGB_ALPHA};
    png_bytep rows[HEIGHT];
    for (int y = 0; y < HEIGHT; y++) rows[y] = (png_bytep)values + (size_t)y * page_bytes(k) / HEIGHT;
    png_init_io(png, f);
    png_set_IHDR(png, info, WIDTH, HEIGHT, k->depth, colours[k->channels],
                 k->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_set_swap(png);
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(f), 0);
}

static void write_jpeg(const char *path, int channels, bool progressive, const unsigned char *values)
{
    struct jpeg_compress_struct jpeg = {0};
    struct jpeg_error_mgr errors;
    FILE *f = fopen(path, "wb");
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, f);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < HEIGHT; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(values + (ptrdiff_t)y * WIDTH * channels);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    assert_int_equal(fclose(f), 0);
}

/* One strip or tile, with zeros where it sticks out. plane -1: all channels. */
static void write_tiff_block(TIFF *tiff, const kind *k, const char *page, int y0, int x0, int plane)
{
    int height = k->tile ? k->tile : k->rows, width = k->tile ? k->tile : WIDTH, samples = plane < 0 ? k->channels : 1;
    size_t item = (size_t)k->depth / 8;
    if (!k->tile && height > HEIGHT - y0) height = HEIGHT - y0;
    char *block = calloc((size_t)(height * width * samples), item), *to = block;
    for (int y = y0; y < y0 + height; y++)
        for (int x = x0; x < x0 + width; x++)
            for (int c = 0; c < samples; c++, to += item)
                if (y < HEIGHT && x < WIDTH)
                    memcpy(to, page + ((size_t)(y * WIDTH + x) * (size_t)k->channels + (size_t)(plane < 0 ? c : plane)) * item,
                           item);
    uint16_t s = plane < 0 ? 0 : (uint16_t)plane;
    tmsize_t n = to - block;
    if (k->tile)
        assert_true(TIFFWriteEncodedTile(tiff, TIFFComputeTile(tiff, (uint32_t)x0, (uint32_t)y0, 0, s), block, n) >= 0);
    else
        assert_true(TIFFWriteEncodedStrip(tiff, TIFFComputeStrip(tiff, (uint32_t)y0, s), block, n) >= 0);
    free(block);
}

static void write_tiff(const char *path, const kind *k, const char *values)
{
    TIFF *tiff = TIFFOpen(path, k->big_endian ? "wb" : "wl");
    for (int page = 0; page < k->pages; page++) {
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, k->depth);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, k->channels);
        TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, k->depth == 32 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, k->channels >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
        TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, k->planar ? k->planar : PLANARCONFIG_CONTIG);
        TIFFSetField(tiff, TIFFTAG_COMPRESSION, k->compression);
        if (k->tile) {
            TIFFSetField(tiff, TIFFTAG_TILEWIDTH, k->tile);
            TIFFSetField(tiff, TIFFTAG_TILELENGTH, k->tile);
        } else {
            TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, k->rows);
        }
        int planes = k->planar == PLANARCONFIG_SEPARATE ? k->channels : 1;
        for (int plane = 0; plane < planes; plane++)
            for (int y = 0; y < HEIGHT; y += k->tile ? k->tile : k->rows)
                for (int x = 0; x < WIDTH; x += k->tile ? k->tile : WIDTH)
                    write_tiff_block(tiff, k, values + (size_t)page * page_bytes(k), y, x, planes > 1 ? plane : -1);
        assert_true(TIFFWriteDirectory(tiff));
    }
    TIFFClose(tiff);
}

/* Values of an image of this kind, from malloc, and its file. */
static char *make_image(const char *path, const kind *k)
{
    size_t pages = k->is_tiff ? (size_t)k->pages : 1;
    char *values = test_values(TSR_U8, (int64_t)(pages * page_bytes(k)), (uint64_t)k->depth + (uint64_t)k->channels);
    if (k->is_tiff)
        write_tiff(path, k, values);
    else
        write_png(path, k, values);
    return values;
}

static unsigned char *smooth(int channels)
{
    unsigned char *values = malloc((size_t)HEIGHT * WIDTH * (size_t)channels);
    for (int i = 0; i < HEIGHT * WIDTH * channels; i++)
        values[i] = (unsigned char)(i / channels % WIDTH * 2 + i / channels / WIDTH + 40 * (i % channels));
    return values;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

static void test_regions(void **state)
{
    const char *path = scratch_path(&spec, "regions");
    uint64_t seed = 5;
    for (int i = 0; i < N_KINDS; i++) {
        const kind *k = &kinds[i];
        store *s;
        char *values = make_image(path, k);
        assert_ok(store_open(path, &s));
        const store_var *var = store_find(s, "image");
        bool has_pages = k->is_tiff && k->pages > 1;
        assert_int_equal(var->dtype, k->depth == 8 ? TSR_U8 : k->depth == 16 ? TSR_U16 : TSR_F32);
        assert_int_equal(var->ndim, 2 + has_pages + (k->channels > 1));
        assert_int_equal(var->shape[has_pages], HEIGHT);
        assert_int_equal(var->shape[has_pages + 1], WIDTH);
        assert_string_equal(s->dims[var->dims[has_pages]].name, "y");
        size_t n = (has_pages ? (size_t)k->pages : 1) * page_bytes(k);
        char *got = malloc(n), *expected = malloc(n);
        for (int try = 0; try < 60; try++) {
            box r = box_of_shape(var->ndim, var->shape);
            int64_t step[TSR_MAX_NDIM] = {1, 1, 1, 1};
            for (int d = 0; d < var->ndim && try > 0; d++) {
                if (test_random(&seed) % 3 == 0) continue;
                r.start[d] = (int64_t)(test_random(&seed) % (uint64_t)var->shape[d]);
                step[d] = 1 + (int64_t)(test_random(&seed) % 3);
                r.count[d] = 1 + (int64_t)(test_random(&seed) % (uint64_t)((var->shape[d] - r.start[d] - 1) / step[d] + 1));
            }
            read_native(s, var, &r, step, got);
            copy_region(values, var, &r, step, expected);
            if (memcmp(got, expected, (size_t)box_size(&r) * tsr_dtype_size(var->dtype)) != 0)
                fail_msg("%s, region %d", k->name, try);
        }
        free(got);
        free(expected);
        free(values);
        store_unref(s);
    }
}

static void test_jpeg(void **state)
{
    const char *path = scratch_path(&spec, "jpeg");
    for (int i = 0; i < 4; i++) {
        int channels = i % 2 ? 3 : 1;
        unsigned char *values = smooth(channels), *got = malloc(WIDTH * HEIGHT * 3);
        store *s;
        write_jpeg(path, channels, i >= 2, values);
        assert_ok(store_open(path, &s));
        const store_var *var = &s->vars[0];
        assert_int_equal(var->ndim, channels == 1 ? 2 : 3);
        box all = box_of_shape(var->ndim, var->shape), row = all;
        read_native(s, var, &all, NULL, got);
        double sum = 0;
        for (int j = 0; j < WIDTH * HEIGHT * channels; j++) sum += (got[j] - values[j]) * (got[j] - values[j]);
        assert_true(sum / (WIDTH * HEIGHT * channels) < 30);
        row.start[0] = 20;
        row.count[0] = 1;
        unsigned char part[WIDTH * 3];
        read_native(s, var, &row, NULL, part);
        assert_memory_equal(part, got + (ptrdiff_t)20 * WIDTH * channels, (size_t)(WIDTH * channels));
        free(values);
        free(got);
        store_unref(s);
    }
}

/* A palette becomes colours, one bit 0 or 255. */
static void test_expansion(void **state)
{
    const char *path = scratch_path(&spec, "expanded");
    uint16_t red[256] = {0}, green[256] = {0}, blue[256] = {0};
    red[1] = 0xffff, green[1] = 0x8080, blue[2] = 0x4040;
    for (int bits = 1; bits <= 8; bits += 7) {
        TIFF *tiff = TIFFOpen(path, "w");
        unsigned char rows[2][2] = {{0xa0, 0x40}, {0x02, 0x01}}, got[24];
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, bits == 1 ? 10 : 2);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 2);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, bits == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_PALETTE);
        if (bits == 8) TIFFSetField(tiff, TIFFTAG_COLORMAP, red, green, blue);
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 2);
        assert_true(TIFFWriteEncodedStrip(tiff, 0, rows, 4) == 4);
        TIFFClose(tiff);
        store *s;
        assert_ok(store_open(path, &s));
        box all = box_of_shape(s->vars[0].ndim, s->vars[0].shape);
        assert_int_equal(box_size(&all), bits == 1 ? 20 : 12);
        read_native(s, &s->vars[0], &all, NULL, got);
        if (bits == 1)
            assert_memory_equal(got, ((unsigned char[]){255, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0}), 20);
        else
            assert_memory_equal(got + 6, ((unsigned char[]){0, 0, 64, 255, 128, 0}), 6);
        store_unref(s);
    }
}

/* ---- Bad files ---------------------------------------------------------------------------------------------------- */

/* Opens and reads everything: the status of whichever failed. */
static tsr_status read_whole(const char *path)
{
    store *s;
    TRY(store_open(path, &s));
    box all = box_of_shape(s->vars[0].ndim, s->vars[0].shape);
    tsr_status status = TSR_ERR_MEMORY;
    int64_t n = box_size(&all) * (int64_t)tsr_dtype_size(s->vars[0].dtype);
    char *out = n < 1 << 24 ? malloc((size_t)n) : NULL;
    if (out) status = store_read(s, &s->vars[0], &all, NULL, out, NULL);
    free(out);
    store_unref(s);
    return status;
}

static void check_cuts(const char *path, const char *name, bool ends_with_data)
{
    size_t n;
    char *bytes = slurp(path, &n);
    for (size_t cut = 0; cut < n; cut += cut < 200 ? 1 : 61) {
        spill(path, bytes, cut);
        tsr_status status = read_whole(path);
        if (status == TSR_OK && ends_with_data) fail_msg("%s: cut to %zu of %zu bytes and read", name, cut, n);
        if (status == TSR_OK) continue;
        assert_true(status == TSR_ERR_FORMAT || status == TSR_ERR_UNSUPPORTED);
        assert_ptr_equal(strstr(tsr_error_message(), path), tsr_error_message());
    }
    spill(path, bytes, n);
    assert_ok(read_whole(path));
    free(bytes);
}

/* Flips bits all over the file: whatever happens is an error or a value. */
static void check_flips(const char *path)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xff, 0x10};
    size_t n;
    char *bytes = slurp(path, &n);
    for (size_t at = 0; at < n; at += at < 100 || at + 200 > n ? 1 : 101) {
        for (size_t m = 0; m < sizeof masks; m++) {
            bytes[at] = (char)((unsigned char)bytes[at] ^ masks[m]);
            spill(path, bytes, n);
            if (read_whole(path) != TSR_OK) assert_true(tsr_error_message()[0] != '\0');
            bytes[at] = (char)((unsigned char)bytes[at] ^ masks[m]);
        }
    }
    free(bytes);
}

static void test_cut_files(void **state)
{
    const char *path = scratch_path(&spec, "cut");
    for (int i = 0; i < N_KINDS; i++) {
        free(make_image(path, &kinds[i]));
        check_cuts(path, kinds[i].name, true);
    }
    for (int i = 0; i < 2; i++) {
        unsigned char *values = smooth(3);
        write_jpeg(path, 3, i == 1, values);
        check_cuts(path, "jpeg", true);
        free(values);
    }
}

static void test_damaged_files(void **state)
{
    const char *path = scratch_path(&spec, "damaged");
    static const int chosen[] = {1, 6, 7, 9, 10, 12, 14};
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        free(make_image(path, &kinds[chosen[i]]));
        check_flips(path);
    }
    for (int i = 0; i < 2; i++) {
        unsigned char *values = smooth(3);
        write_jpeg(path, 3, i == 1, values);
        check_flips(path);
        free(values);
    }
}

/* Headers that promise an image of 10^12 pixels of 8 bytes, 65500 squared, about 2^60: refused, and nothing is allocated. */
static void test_huge_headers(void **state)
{
    static const unsigned char png[] = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
                                        0x52, 0x00, 0x0f, 0x42, 0x40, 0x00, 0x0f, 0x42, 0x40, 0x10, 0x06, 0x00, 0x00, 0x00, 0x0c,
                                        0xfd, 0xe4, 0x3e, 0x00, 0x00, 0x00, 0x00, 0x49, 0x44, 0x41, 0x54, 0x35, 0xaf, 0x06, 0x1e};
    const char *path = scratch_path(&spec, "huge");
    store *s;
    unsigned char *values = smooth(3);
    size_t n;
    spill(path, png, sizeof png);
    assert_int_equal(store_open(path, &s), TSR_ERR_FORMAT);
    if (!strstr(tsr_error_message(), "cannot come out of")) fail_msg("%s", tsr_error_message());

    write_jpeg(path, 3, false, values);
    unsigned char *bytes = (unsigned char *)slurp(path, &n);
    for (size_t i = 0; i + 9 < n; i++) {
        if (bytes[i] != 0xff || bytes[i + 1] != 0xc0) continue;
        bytes[i + 5] = bytes[i + 7] = 0xff;
        bytes[i + 6] = bytes[i + 8] = 0xdc;
        break;
    }
    spill(path, bytes, n);
    assert_int_equal(store_open(path, &s), TSR_ERR_FORMAT);
    if (!strstr(tsr_error_message(), "cannot come out of")) fail_msg("%s", tsr_error_message());
    free(bytes);

    /* ImageWidth, ImageLength and RowsPerStrip are the longs of tags 256, 257 and 278. */
    free(make_image(path, &kinds[11]));
    bytes = (unsigned char *)slurp(path, &n);
    for (size_t i = 0; i + 12 <= n; i++) {
        int tag = bytes[i] | bytes[i + 1] << 8, type = bytes[i + 2] | bytes[i + 3] << 8;
        bool single = bytes[i + 4] == 1 && !bytes[i + 5] && !bytes[i + 6] && !bytes[i + 7];
        if ((tag != 256 && tag != 257 && tag != 278) || (type != 3 && type != 4) || !single) continue;
        bytes[i + 2] = 4;
        memset(bytes + i + 8, tag == 278 ? 0x7f : 0x3f, 4);
    }
    spill(path, bytes, n);
    assert_int_not_equal(read_whole(path), TSR_OK);
    free(bytes);
    free(values);
}

static void test_unequal_pages(void **state)
{
    const char *path = scratch_path(&spec, "unequal");
    store *s;
    for (int reduced = 0; reduced < 2; reduced++) {
        TIFF *tiff = TIFFOpen(path, "w");
        for (int page = 0; page < 2; page++) {
            TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 4 - page);
            TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 1);
            TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
            TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
            TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
            if (page && reduced) TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
            assert_true(TIFFWriteEncodedStrip(tiff, 0, "abcd", 4 - page) > 0);
            assert_true(TIFFWriteDirectory(tiff));
        }
        TIFFClose(tiff);
        if (reduced) {
            assert_ok(store_open(path, &s));
            assert_int_equal(s->vars[0].ndim, 2);
            store_unref(s);
        } else {
            assert_int_equal(store_open(path, &s), TSR_ERR_UNSUPPORTED);
            assert_non_null(strstr(tsr_error_message(), "page 1 has 1 x 3 pixels of 1 samples, the first 1 x 4 of 1"));
        }
    }
}

/* The n-th allocation of ours fails. */
static void test_out_of_memory(void **state)
{
    const char *path = scratch_path(&spec, "memory");
    for (int i = 0; i < N_KINDS; i++) {
        free(make_image(path, &kinds[i]));
        tsr_status status = TSR_ERR_MEMORY;
        for (long n = 1; status != TSR_OK && n < 1000; n++) {
            mem_fail_at(n);
            status = read_whole(path);
            mem_fail_at(0);
            if (status != TSR_OK) assert_int_equal(status, TSR_ERR_MEMORY);
        }
        assert_int_equal(status, TSR_OK);
    }
}

/* ---- Stacks and threads ------------------------------------------------------------------------------------------- */

enum { N_FILES = 5 };

static void make_stack(char paths[][128], const kind *k, char **values)
{
    for (int i = 0; i < N_FILES; i++) {
        snprintf(paths[i], 128, "%s/%d.img", scratch, i);
        values[i] = test_values(TSR_U8, (int64_t)page_bytes(k), (uint64_t)i);
        if (k->is_tiff)
            write_tiff(paths[i], k, values[i]);
        else
            write_png(paths[i], k, values[i]);
    }
}

static void test_stack(void **state)
{
    static const int chosen[] = {1, 7, 11, 15};
    for (size_t c = 0; c < sizeof chosen / sizeof *chosen; c++) {
        kind k = kinds[chosen[c]];
        if (k.is_tiff) k.pages = 1;
        char paths[N_FILES][128], *values[N_FILES], out[HEIGHT * WIDTH * 16];
        const char *names[N_FILES];
        make_stack(paths, &k, values);
        for (int i = 0; i < N_FILES; i++) names[i] = paths[i];
        store *s;
        assert_ok(store_open_stack(N_FILES, names, NULL, &s));
        const store_var *var = &s->vars[0];
        assert_int_equal(var->shape[0], N_FILES);
        assert_string_equal(s->dims[0].name, "frame");
        for (int whole = 0; whole < 2; whole++) {
            box r = box_of_shape(var->ndim, var->shape);
            r.count[0] = 2;
            r.start[0] = 1;
            int64_t step[TSR_MAX_NDIM] = {3, 1, 1, 1};
            if (!whole) r.start[1] = 5, r.count[1] = 4;
            read_native(s, var, &r, step, out);
            size_t row = page_bytes(&k) / HEIGHT, n = whole ? page_bytes(&k) : 4 * row;
            for (int i = 0; i < 2; i++) assert_memory_equal(out + (size_t)i * n, values[1 + 3 * i] + (whole ? 0 : 5 * row), n);
        }
        store_unref(s);
        for (int i = 0; i < N_FILES; i++) free(values[i]);
    }
}

static void test_stack_misfits(void **state)
{
    char paths[N_FILES][128], *values[N_FILES], out[N_FILES * HEIGHT * WIDTH * 3];
    const char *names[N_FILES];
    make_stack(paths, &kinds[1], values);
    for (int i = 0; i < N_FILES; i++) names[i] = paths[i];
    free(make_image(paths[3], &kinds[0]));
    unlink(paths[4]);
    store *s;
    assert_ok(store_open_stack(N_FILES, names, "t", &s));
    box r = box_of_shape(4, s->vars[0].shape);
    r.count[0] = 3;
    assert_ok(store_read(s, &s->vars[0], &r, NULL, out, NULL));
    r.count[0] = 4;
    assert_int_equal(store_read(s, &s->vars[0], &r, NULL, out, NULL), TSR_ERR_VALUE);
    assert_non_null(strstr(tsr_error_message(), "3.img has the shape (37, 53) and dtype uint8, the first file of the stack "
                                                "(37, 53, 3) and uint8"));
    r.start[0] = 4;
    r.count[0] = 1;
    assert_int_equal(store_read(s, &s->vars[0], &r, NULL, out, NULL), TSR_ERR_IO);
    store_unref(s);
    assert_int_equal(store_open_stack(1, &names[4], NULL, &s), TSR_ERR_IO);
    for (int i = 0; i < N_FILES; i++) free(values[i]);
}

typedef struct reading {
    store *s;
    const char *values;
    uint64_t seed;
    bool good;
} reading;

static void *read_many(void *argument)
{
    reading *r = argument;
    const store_var *var = &r->s->vars[0];
    char got[10 * 10 * 16], expected[10 * 10 * 16];
    for (int i = 0; i < 100; i++) {
        box b = {.ndim = 3,
                 .start = {(int64_t)(test_random(&r->seed) % PAGES), (int64_t)(test_random(&r->seed) % 27),
                           (int64_t)(test_random(&r->seed) % 43)},
                 .count = {1, 10, 10}};
        r->good = r->good && store_read(r->s, var, &b, NULL, got, NULL) == TSR_OK;
        copy_region(r->values, var, &b, NULL, expected);
        r->good = r->good && memcmp(got, expected, 100 * tsr_dtype_size(var->dtype)) == 0;
    }
    return NULL;
}

static void test_threads(void **state)
{
    enum { N_THREADS = 4 };
    const char *path = scratch_path(&spec, "threads");
    char *values = make_image(path, &kinds[12]);
    store *s;
    pthread_t threads[N_THREADS];
    reading readings[N_THREADS];
    assert_ok(store_open(path, &s));
    for (int i = 0; i < N_THREADS; i++) {
        readings[i] = (reading){s, values, (uint64_t)i, true};
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, &readings[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N_THREADS; i++) assert_true(readings[i].good);
    store_unref(s);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_regions),       SCRATCH_TEST(test_jpeg),          SCRATCH_TEST(test_expansion),
        SCRATCH_TEST(test_cut_files),     SCRATCH_TEST(test_damaged_files), SCRATCH_TEST(test_huge_headers),
        SCRATCH_TEST(test_unequal_pages), SCRATCH_TEST(test_out_of_memory), SCRATCH_TEST(test_stack),
        SCRATCH_TEST(test_stack_misfits), SCRATCH_TEST(test_threads),
    };
    /* The tests call these libraries themselves. */
    if (png_calls_open() != TSR_OK || jpeg_calls_open() != TSR_OK || tiff_calls_open() != TSR_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
