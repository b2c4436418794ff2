/* NumPy's .npy files, versions 1 to 3 (NEP 1, "A Simple File Format for NumPy Arrays", and numpy.lib.format), both ways.
 *
 *   "\x93NUMPY"  major  minor  length (2 bytes; 4 from version 2 on)  header  data
 *
 * The header is a Python dictionary with 'descr', 'fortran_order' and 'shape'. A file is a store with the one variable
 * "data" and the dimensions dim_0, dim_1, ... Files in Fortran order are read along the file and transposed in pieces
 * that fit into the cache. An open file is immutable; reads run in any thread. Writing threads share a descriptor. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/fdcache.h"
#include "store/formats.h"
#include "store/layout.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* NumPy's codes, as they follow the byte order in 'descr'. */
static const char *const codes[] = {[TSR_BOOL] = "b1", [TSR_I8] = "i1",  [TSR_I16] = "i2",  [TSR_I32] = "i4", [TSR_I64] = "i8",
                                    [TSR_U8] = "u1",   [TSR_U16] = "u2", [TSR_U32] = "u4",  [TSR_U64] = "u8", [TSR_F32] = "f4",
                                    [TSR_F64] = "f8",  [TSR_C64] = "c8", [TSR_C128] = "c16"};
static_assert(sizeof codes / sizeof *codes == TSR_N_DTYPES, "every dtype has a code");

enum { MAX_HEADER_BYTES = 1 << 20, PIECE_BYTES = 512 << 10, TILE = 16, ALIGNMENT = 64, HEADER_ROOM = 1024 };

typedef struct npy_file {
    file_layout layout; /* of the dimensions as they lie in the file: reversed when is_fortran */
    bool is_fortran;
} npy_file;

/* ---- The header -------------------------------------------------------------------------------------------------- */

typedef struct header {
    char descr[32];
    bool is_structured;
    bool is_fortran;
    int ndim;
    int64_t shape[TSR_MAX_NDIM];
    bool has_descr, has_order, has_shape;
} header;

typedef struct text {
    const char *at, *end;
} text;

static void skip_blanks(text *t)
{
    while (t->at < t->end && isspace((unsigned char)*t->at)) t->at++;
}

static bool accept(text *t, char c)
{
    skip_blanks(t);
    if (t->at == t->end || *t->at != c) return false;
    t->at++;
    return true;
}

static bool accept_word(text *t, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(t);
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}

static tsr_status bad_header(const char *expected)
{
    return error_set(TSR_ERR_FORMAT, "the .npy header is damaged: %s", expected);
}

static tsr_status parse_string(text *t, char *out, size_t size)
{
    skip_blanks(t);
    char quote = t->at < t->end ? *t->at : 0;
    if (quote != '\'' && quote != '"') return bad_header("a quoted text is missing");
    const char *begin = ++t->at;
    while (t->at < t->end && *t->at != quote) t->at++;
    if (t->at == t->end) return bad_header("a quoted text does not end");
    size_t n = (size_t)(t->at - begin);
    if (n >= size) return bad_header("a quoted text is too long");
    memcpy(out, begin, n);
    out[n] = '\0';
    t->at++;
    return TSR_OK;
}

static tsr_status parse_length(text *t, int64_t *out)
{
    skip_blanks(t);
    if (t->at == t->end || !isdigit((unsigned char)*t->at)) return bad_header("the shape is not a tuple of lengths");
    int64_t v = 0;
    for (; t->at < t->end && isdigit((unsigned char)*t->at); t->at++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *t->at - '0', &v))
            return bad_header("a length is too large");
    }
    (void)accept(t, 'L'); /* Python 2 wrote long integers so */
    *out = v;
    return TSR_OK;
}

static tsr_status parse_shape(text *t, header *h)
{
    if (!accept(t, '(')) return bad_header("the shape is not a tuple");
    while (!accept(t, ')')) {
        if (h->ndim == TSR_MAX_NDIM) return error_set(TSR_ERR_UNSUPPORTED, "the array has more than %d dimensions", TSR_MAX_NDIM);
        TRY(parse_length(t, &h->shape[h->ndim]));
        h->ndim++;
        if (!accept(t, ',')) {
            if (!accept(t, ')')) return bad_header("the shape does not end");
            break;
        }
    }
    return TSR_OK;
}

static tsr_status parse_header(text t, header *h)
{
    if (!accept(&t, '{')) return bad_header("it is not a dictionary");
    while (!accept(&t, '}')) {
        char key[32];
        TRY(parse_string(&t, key, sizeof key));
        if (!accept(&t, ':')) return bad_header("a ':' is missing");
        if (strcmp(key, "descr") == 0 && !h->has_descr) {
            h->has_descr = true;
            if (accept(&t, '[')) {
                h->is_structured = true; /* not read further: such files are refused */
                return TSR_OK;
            }
            TRY(parse_string(&t, h->descr, sizeof h->descr));
        } else if (strcmp(key, "fortran_order") == 0 && !h->has_order) {
            h->has_order = true;
            h->is_fortran = accept_word(&t, "True");
            if (!h->is_fortran && !accept_word(&t, "False")) return bad_header("'fortran_order' is neither True nor False");
        } else if (strcmp(key, "shape") == 0 && !h->has_shape) {
            h->has_shape = true;
            TRY(parse_shape(&t, h));
        } else {
            return error_set(TSR_ERR_FORMAT, "the .npy header is damaged: unexpected key '%s'", key);
        }
        if (!accept(&t, ',')) {
            if (!accept(&t, '}')) return bad_header("the dictionary does not end");
            break;
        }
    }
    if (!h->has_descr || !h->has_order || !h->has_shape) return bad_header("'descr', 'fortran_order' and 'shape' are needed");
    return TSR_OK;
}

/* '<f4', '>i2', '|u1' ... Objects, text, dates and structures have no dtype here. */
static tsr_status parse_descr(const header *h, tsr_dtype *dtype, bool *swapped)
{
    const char *hint = "Tessera reads bool, integers, float32, float64 and complex numbers";
    if (h->is_structured) return error_set(TSR_ERR_UNSUPPORTED, "the array holds records of several fields; %s", hint);
    char order = h->descr[0];
    int i = 0;
    while (i < TSR_N_DTYPES && !(order && strchr("<>=|", order) && strcmp(h->descr + 1, codes[i]) == 0)) i++;
    if (i == TSR_N_DTYPES) return error_set(TSR_ERR_UNSUPPORTED, "values of dtype '%s' cannot be read; %s", h->descr, hint);
    *dtype = (tsr_dtype)i;
    *swapped = tsr_dtype_size(*dtype) > 1 && order == (HOST_IS_LITTLE_ENDIAN ? '>' : '<');
    return TSR_OK;
}

static tsr_status read_header(store *s, header *h, int64_t *data_begin)
{
    unsigned char start[12] = {0};
    int64_t size = cached_file_size(s->file);
    TRY(cached_file_read(s->file, start, size < 12 ? (size_t)size : 12, 0));
    int major = start[6];
    if (size < 10) return error_set(TSR_ERR_FORMAT, "truncated: the file has %lld bytes, a .npy header more", (long long)size);
    if (major < 1 || major > 3)
        return error_set(TSR_ERR_UNSUPPORTED, ".npy version %d.%d; known are 1.0 to 3.0", major, start[7]);
    int64_t length = start[8] | start[9] << 8, begin = 10;
    if (major > 1) {
        length |= (int64_t)start[10] << 16 | (int64_t)start[11] << 24;
        begin = 12;
    }
    if (begin + length > size)
        return error_set(TSR_ERR_FORMAT, "truncated: the header needs %lld bytes, the file has %lld", (long long)(begin + length),
                         (long long)size);
    if (length > MAX_HEADER_BYTES)
        return error_set(TSR_ERR_FORMAT, "a .npy header of %lld bytes is not plausible", (long long)length);
    char *bytes = mem_alloc((size_t)length);
    if (!bytes) return TSR_ERR_MEMORY;
    tsr_status status = cached_file_read(s->file, bytes, (size_t)length, begin);
    if (status == TSR_OK) status = parse_header((text){bytes, bytes + length}, h);
    mem_free(bytes);
    *data_begin = begin + length;
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static bool npy_probe(const unsigned char *head, size_t n, const char *path)
{
    return n >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

static tsr_status describe(store *s, const header *h, tsr_dtype dtype, bool swapped)
{
    s->vars = mem_calloc(1, sizeof *s->vars);
    if (!s->vars) return TSR_ERR_MEMORY;
    s->n_vars = 1;
    store_var *var = &s->vars[0];
    var->name = mem_strdup("data");
    var->dtype = dtype;
    var->swapped = swapped;
    var->ndim = h->ndim;
    s->dims = mem_calloc((size_t)h->ndim, sizeof *s->dims);
    if (!var->name || !s->dims) return TSR_ERR_MEMORY;
    for (int d = 0; d < h->ndim; d++) {
        s->dims[d] = (store_dim){.name = mem_printf("dim_%d", d), .length = h->shape[d]};
        s->n_dims++;
        if (!s->dims[d].name) return TSR_ERR_MEMORY;
        var->dims[d] = d;
        var->shape[d] = var->chunk[d] = h->shape[d];
    }
    return TSR_OK;
}

static tsr_status npy_open(store *s)
{
    header h = {0};
    int64_t begin = 0, size = cached_file_size(s->file), n_bytes;
    tsr_dtype dtype = TSR_F64;
    bool swapped = false;
    TRY(read_header(s, &h, &begin));
    TRY(parse_descr(&h, &dtype, &swapped));
    int64_t n = shape_size(h.ndim, h.shape);
    if (__builtin_mul_overflow(n, (int64_t)tsr_dtype_size(dtype), &n_bytes) || n_bytes > size - begin) {
        char shape[200];
        return error_set(TSR_ERR_FORMAT,
                         "truncated: an array of shape %s and dtype %s needs more than the %lld bytes after the header",
                         shape_format(h.ndim, h.shape, shape, sizeof shape), tsr_dtype_name(dtype), (long long)(size - begin));
    }
    TRY(describe(s, &h, dtype, swapped));
    s->vars[0].stored_bytes = n_bytes;
    s->variant = mem_strdup(h.is_fortran ? "Fortran order" : "C order");
    npy_file *file = mem_calloc(1, sizeof *file);
    s->format_data = file;
    if (!s->variant || !file) return TSR_ERR_MEMORY;
    int64_t shape[TSR_MAX_NDIM];
    for (int d = 0; d < h.ndim; d++) shape[d] = h.shape[h.is_fortran ? h.ndim - 1 - d : d];
    file->layout = file_layout_dense(begin, h.ndim, shape, tsr_dtype_size(dtype));
    file->is_fortran = h.is_fortran && h.ndim > 1;
    return TSR_OK;
}

static void npy_close(store *s) { mem_free(s->format_data); }

/* ---- Fortran order: a piece is read as it lies in the file and transposed into its place ------------------------- */

typedef struct transpose {
    cached_file *file;
    const file_layout *layout;
    const int64_t *step;              /* of the file's dimensions, like everything here */
    int64_t out_stride[TSR_MAX_NDIM]; /* bytes */
    char *piece;
    int64_t *bytes_read;
} transpose;

static void put_item(char *out, const char *from, size_t item_bytes)
{
    switch (item_bytes) {
    case 1: *out = *from; break;
    case 2: memcpy(out, from, 2); break;
    case 4: memcpy(out, from, 4); break;
    case 8: memcpy(out, from, 8); break;
    default: memcpy(out, from, 16);
    }
}

/* n0 rows of n1 items, tile by tile so that both sides stay in the first-level cache. */
static void transpose_2d(const char *from, int64_t row_bytes, int64_t n0, int64_t n1, char *out, int64_t stride0, int64_t stride1,
                         size_t item_bytes)
{
    for (int64_t i0 = 0; i0 < n0; i0 += TILE) {
        int64_t end0 = i0 + TILE < n0 ? i0 + TILE : n0;
        for (int64_t j0 = 0; j0 < n1; j0 += TILE) {
            int64_t end1 = j0 + TILE < n1 ? j0 + TILE : n1;
            for (int64_t j = j0; j < end1; j++) {
                for (int64_t i = i0; i < end0; i++)
                    put_item(out + i * stride0 + j * stride1, from + i * row_bytes + j * (int64_t)item_bytes, item_bytes);
            }
        }
    }
}

/* Dimensions between the first and the last are walked one index after the other. */
static void transpose_piece(const transpose *t, int d, const box *part, const char *from, char *out)
{
    int last = part->ndim - 1;
    int64_t strides[TSR_MAX_NDIM];
    shape_strides(part->ndim, part->count, t->layout->item_bytes, strides);
    if (d == last) {
        transpose_2d(from, strides[0], part->count[0], part->count[last], out, t->out_stride[0], t->out_stride[last],
                     t->layout->item_bytes);
        return;
    }
    for (int64_t i = 0; i < part->count[d]; i++)
        transpose_piece(t, d + 1, part, from + i * strides[d], out + i * t->out_stride[d]);
}

/* Halves the slowest dimension until the piece fits. */
static tsr_status read_part(const transpose *t, box part, char *out)
{
    int d = 0;
    if (box_size(&part) * (int64_t)t->layout->item_bytes <= PIECE_BYTES) {
        TRY(file_layout_read(t->file, t->layout, &part, t->step, t->piece, t->bytes_read));
        transpose_piece(t, 1, &part, t->piece, out);
        return TSR_OK;
    }
    while (part.count[d] == 1) d++;
    box low = part, high = part;
    low.count[d] = part.count[d] / 2;
    high.count[d] -= low.count[d];
    high.start[d] += low.count[d] * t->step[d];
    TRY(read_part(t, low, out));
    return read_part(t, high, out + low.count[d] * t->out_stride[d]);
}

static tsr_status read_fortran(store *s, const box *region, const int64_t *step, void *out, int64_t *bytes_read)
{
    const npy_file *file = s->format_data;
    int n = region->ndim;
    int64_t by[TSR_MAX_NDIM], strides[TSR_MAX_NDIM];
    transpose t = {.file = s->file, .layout = &file->layout, .step = by, .bytes_read = bytes_read};
    box reversed = {.ndim = n};
    shape_strides(n, region->count, file->layout.item_bytes, strides);
    for (int d = 0; d < n; d++) {
        reversed.start[d] = region->start[n - 1 - d];
        reversed.count[d] = region->count[n - 1 - d];
        by[d] = step[n - 1 - d];
        t.out_stride[d] = strides[n - 1 - d];
    }
    t.piece = mem_alloc(PIECE_BYTES);
    if (!t.piece) return TSR_ERR_MEMORY;
    tsr_status status = read_part(&t, reversed, out);
    mem_free(t.piece);
    return status;
}

static tsr_status npy_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out, int64_t *bytes_read)
{
    const npy_file *file = s->format_data;
    if (file->is_fortran) return read_fortran(s, region, step, out, bytes_read);
    return file_layout_read(s->file, &file->layout, region, step, out, bytes_read);
}

const store_ops npy_store_ops = {
    .name = "NumPy .npy", .probe = npy_probe, .open = npy_open, .read = npy_read, .close = npy_close};

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

typedef struct npy_out {
    int fd;
    file_layout layout;
} npy_out;

/* Writes magic, length and dictionary into `out` (HEADER_ROOM bytes, enough for 16 dimensions of 19 digits), padded with
 * blanks so that the data is aligned. Returns its length. */
static size_t format_header(const store_var *var, unsigned char *out)
{
    char shape[16 * 22 + 4], *dictionary = (char *)out + 10;
    char order = tsr_dtype_size(var->dtype) == 1 ? '|' : HOST_IS_LITTLE_ENDIAN ? '<' : '>';
    shape_format(var->ndim, var->shape, shape, sizeof shape);
    memcpy(out, magic, sizeof magic);
    out[6] = 1;
    out[7] = 0;
    size_t n = (size_t)snprintf(dictionary, HEADER_ROOM - 10, "{'descr': '%c%s', 'fortran_order': False, 'shape': %s, }", order,
                                codes[var->dtype], shape);
    size_t total = (10 + n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(dictionary + n, ' ', total - 10 - n - 1);
    out[total - 1] = '\n';
    out[8] = (unsigned char)((total - 10) & 0xff);
    out[9] = (unsigned char)((total - 10) >> 8);
    return total;
}

static tsr_status npy_create(store_writer *w, const store_schema *schema)
{
    unsigned char bytes[HEADER_ROOM];
    if (w->n_vars != 1)
        return error_set(TSR_ERR_UNSUPPORTED, "a .npy file holds one array, not %d; write .nc instead", w->n_vars);
    store_var *var = &w->vars[0];
    if (var->is_text) return error_set(TSR_ERR_UNSUPPORTED, "variable '%s' is text, which .npy files cannot hold", var->name);
    npy_out *out = w->format_data = mem_alloc(sizeof *out);
    if (!out) return TSR_ERR_MEMORY;
    out->fd = open(w->temporary, O_WRONLY | O_CLOEXEC);
    if (out->fd < 0) return error_errno(errno, "cannot open the new file");
    size_t item_bytes = tsr_dtype_size(var->dtype), n = format_header(var, bytes);
    out->layout = file_layout_dense((int64_t)n, var->ndim, var->shape, item_bytes);
    var->stored_bytes = shape_size(var->ndim, var->shape) * (int64_t)item_bytes;
    if (ftruncate(out->fd, (off_t)n + var->stored_bytes) != 0)
        return error_errno(errno, "cannot make the file %lld bytes long", (long long)n + (long long)var->stored_bytes);
    return fd_write_at(out->fd, bytes, n, 0);
}

static tsr_status npy_write(store_writer *w, int var, const box *region, const void *data)
{
    npy_out *out = w->format_data;
    return file_layout_write(out->fd, &out->layout, region, data, false);
}

static bool npy_place(store_writer *w, int var, store_place *out)
{
    *out = (store_place){.layout = ((npy_out *)w->format_data)->layout};
    return true;
}

static tsr_status npy_finish(store_writer *w)
{
    npy_out *out = w->format_data;
    int fd = out->fd;
    out->fd = -1;
    if (close(fd) != 0) return error_errno(errno, "cannot close the file");
    return TSR_OK;
}

static void npy_close_writer(store_writer *w)
{
    npy_out *out = w->format_data;
    if (out && out->fd >= 0) close(out->fd);
    mem_free(out);
    w->format_data = NULL;
}

const writer_ops npy_writer_ops = {
    .name = "npy",
    .extensions = ".npy",
    .create = npy_create,
    .write = npy_write,
    .place = npy_place,
    .finish = npy_finish,
    .close = npy_close_writer,
};
