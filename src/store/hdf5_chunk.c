/* The filter pipeline of HDF5 chunks (HDF5 File Format Specification 3.0, IV.A.2.l, and the filters' own descriptions):
 * deflate (zlib streams, RFC 1950) through libdeflate, shuffle, and the Fletcher-32 checksum.
 *
 * Everything works on memory of known size: the size of each intermediate result follows from the chunk's own size, so a
 * hostile stream can neither overrun a buffer nor make one grow. Nothing here is shared between threads. */
#include "store/hdf5_chunk.h"

#include "base/mem.h"

#include <libdeflate.h>
#include <string.h>

/* No deflate stream expands by more than this (RFC 1951: at most 258 bytes from 2 bits). */
enum { MAX_EXPANSION = 1032, CHECKSUM_BYTES = 4 };

void hdf5_coder_fini(hdf5_coder *c)
{
    if (c->inflater) libdeflate_free_decompressor(c->inflater);
    if (c->deflater) libdeflate_free_compressor(c->deflater);
    mem_free(c->stored.data);
    mem_free(c->half.data);
    mem_free(c->whole.data);
    *c = (hdf5_coder){0};
}

tsr_status hdf5_scratch_get(hdf5_scratch *s, size_t size, char **out)
{
    if (size > s->capacity) {
        mem_free(s->data);
        s->capacity = 0;
        s->data = mem_alloc(size);
        if (!s->data) return TSR_ERR_MEMORY;
        s->capacity = size;
    }
    *out = s->data;
    return TSR_OK;
}

/* ---- Shuffle ------------------------------------------------------------------------------------------------------ */

/* One plain loop per common size: with the size a constant, the compiler turns them into byte interleaves. */
#define UNSHUFFLE(name, bytes)                                                                                                   \
    static void name(const uint8_t *restrict in, uint8_t *restrict out, size_t n)                                                \
    {                                                                                                                            \
        for (size_t i = 0; i < n; i++)                                                                                           \
            for (size_t j = 0; j < (bytes); j++) out[i * (bytes) + j] = in[j * n + i];                                           \
    }

UNSHUFFLE(unshuffle2, 2)
UNSHUFFLE(unshuffle4, 4)
UNSHUFFLE(unshuffle8, 8)

void hdf5_unshuffle(const uint8_t *in, uint8_t *out, size_t n, size_t element_bytes)
{
    size_t n_elements = n / element_bytes, whole = n_elements * element_bytes;
    switch (element_bytes) {
    case 2: unshuffle2(in, out, n_elements); break;
    case 4: unshuffle4(in, out, n_elements); break;
    case 8: unshuffle8(in, out, n_elements); break;
    default:
        for (size_t j = 0; j < element_bytes; j++)
            for (size_t i = 0; i < n_elements; i++) out[i * element_bytes + j] = in[j * n_elements + i];
    }
    memcpy(out + whole, in + whole, n - whole);
}

#define SHUFFLE(name, bytes)                                                                                                     \
    static void name(const uint8_t *restrict in, uint8_t *restrict out, size_t n)                                                \
    {                                                                                                                            \
        for (size_t i = 0; i < n; i++)                                                                                           \
            for (size_t j = 0; j < (bytes); j++) out[j * n + i] = in[i * (bytes) + j];                                           \
    }

SHUFFLE(shuffle2, 2)
SHUFFLE(shuffle4, 4)
SHUFFLE(shuffle8, 8)

void hdf5_shuffle(const uint8_t *in, uint8_t *out, size_t n, size_t element_bytes)
{
    size_t n_elements = n / element_bytes, whole = n_elements * element_bytes;
    switch (element_bytes) {
    case 2: shuffle2(in, out, n_elements); break;
    case 4: shuffle4(in, out, n_elements); break;
    case 8: shuffle8(in, out, n_elements); break;
    default:
        for (size_t j = 0; j < element_bytes; j++)
            for (size_t i = 0; i < n_elements; i++) out[j * n_elements + i] = in[i * element_bytes + j];
    }
    memcpy(out + whole, in + whole, n - whole);
}

/* ---- Fletcher-32 -------------------------------------------------------------------------------------------------- */

static uint32_t fold(uint32_t sum) { return (sum & 0xffff) + (sum >> 16); }

/* HDF5's variant: big-endian 16-bit words, sums folded every 360 words, which is as far as 32 bits carry. */
uint32_t hdf5_fletcher32(const uint8_t *data, size_t n)
{
    uint32_t sum1 = 0, sum2 = 0;
    size_t n_words = n / 2;
    while (n_words > 0) {
        size_t run = n_words > 360 ? 360 : n_words;
        n_words -= run;
        for (size_t i = 0; i < run; i++, data += 2) {
            sum1 += (uint32_t)data[0] << 8 | data[1];
            sum2 += sum1;
        }
        sum1 = fold(sum1);
        sum2 = fold(sum2);
    }
    if (n % 2) {
        sum1 = fold(sum1 + ((uint32_t)data[0] << 8));
        sum2 = fold(sum2 + sum1);
    }
    return fold(sum2) << 16 | fold(sum1);
}

/* Checks the four bytes after n bytes of data. HDF5 up to 1.6.2 wrote the bytes of each half in the wrong order, and the
 * library still accepts that. */
static tsr_status check_fletcher32(const uint8_t *data, size_t n)
{
    const uint8_t *tail = data + n;
    uint32_t sum = hdf5_fletcher32(data, n);
    uint32_t stored = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
    uint32_t old = (sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff);
    if (stored == sum || stored == old) return TSR_OK;
    return error_set(TSR_ERR_FORMAT, "the checksum of a chunk is %08x, the file says %08x: the file is damaged", sum, stored);
}

/* ---- Decoding ----------------------------------------------------------------------------------------------------- */

static bool skipped(uint32_t filter_mask, int i) { return filter_mask >> i & 1; }

/* The bytes of checksums that the filters first..last-1 append. */
static size_t checksum_bytes(const hdf5_pipeline *p, uint32_t mask, int first, int last)
{
    size_t n = 0;
    for (int i = first; i < last; i++)
        if (p->filters[i] == HDF5_FLETCHER32 && !skipped(mask, i)) n += CHECKSUM_BYTES;
    return n;
}

static int find_deflate(const hdf5_pipeline *p, uint32_t mask)
{
    for (int i = 0; i < p->n; i++)
        if (p->filters[i] == HDF5_DEFLATE && !skipped(mask, i)) return i;
    return -1;
}

bool hdf5_chunk_plausible(const hdf5_pipeline *p, uint32_t filter_mask, uint64_t n_stored, uint64_t n_out)
{
    int deflate = find_deflate(p, filter_mask);
    size_t sums = checksum_bytes(p, filter_mask, 0, p->n);
    if (deflate < 0) return n_stored == n_out + sums;
    return n_stored > sums && n_out / MAX_EXPANSION <= n_stored;
}

/* One filter backwards, from `in` to `out`, except the checksum, which moves nothing. */
static tsr_status undo(hdf5_coder *c, const hdf5_pipeline *p, int i, const uint8_t *in, size_t n_in, void *out, size_t n_out)
{
    if (p->filters[i] == HDF5_SHUFFLE) {
        hdf5_unshuffle(in, out, n_out, p->element_bytes);
        return TSR_OK;
    }
    if (!c->inflater && !(c->inflater = libdeflate_alloc_decompressor())) return error_memory(sizeof(void *));
    enum libdeflate_result result = libdeflate_zlib_decompress(c->inflater, in, n_in, out, n_out, NULL);
    switch (result) {
    case LIBDEFLATE_SUCCESS: return TSR_OK;
    case LIBDEFLATE_SHORT_OUTPUT:
    case LIBDEFLATE_INSUFFICIENT_SPACE:
        return error_set(TSR_ERR_FORMAT,
                         "a compressed chunk of %zu bytes does not give the %zu bytes of its shape: the file is damaged", n_in,
                         n_out);
    default:
        return error_set(TSR_ERR_FORMAT, "a compressed chunk of %zu bytes is not a valid zlib stream: the file is damaged", n_in);
    }
}

/* Which filters move data (everything but checksums and skipped ones). */
static bool moves(const hdf5_pipeline *p, uint32_t mask, int i) { return !skipped(mask, i) && p->filters[i] != HDF5_FLETCHER32; }

tsr_status hdf5_chunk_decode(hdf5_coder *c, const hdf5_pipeline *p, uint32_t filter_mask, const void *stored, size_t n_stored,
                             void *out, size_t n_out)
{
    if (!hdf5_chunk_plausible(p, filter_mask, n_stored, n_out)) {
        return error_set(TSR_ERR_FORMAT, "a chunk of %zu bytes is stored in %zu: the file is damaged", n_out, n_stored);
    }
    int n_moves = 0;
    for (int i = 0; i < p->n; i++) n_moves += moves(p, filter_mask, i);
    const uint8_t *at = stored;
    size_t n = n_stored;
    bool to_half = false;
    for (int i = p->n - 1; i >= 0; i--) {
        if (skipped(filter_mask, i)) continue;
        if (p->filters[i] == HDF5_FLETCHER32) {
            if (n < CHECKSUM_BYTES) return error_set(TSR_ERR_FORMAT, "a chunk of %zu bytes has no room for its checksum", n);
            n -= CHECKSUM_BYTES;
            TRY(check_fletcher32(at, n));
            continue;
        }
        /* An inflated stream is as long as what the filters before it made of the chunk. */
        size_t n_next = p->filters[i] == HDF5_DEFLATE ? n_out + checksum_bytes(p, filter_mask, 0, i) : n;
        char *to = out;
        if (--n_moves > 0 || n_next > n_out) {
            to_half = !to_half;
            TRY(hdf5_scratch_get(to_half ? &c->half : &c->whole, n_next, &to));
        }
        TRY(undo(c, p, i, at, n, to, n_next));
        at = (const uint8_t *)to;
        n = n_next;
    }
    if (n != n_out)
        return error_set(TSR_ERR_FORMAT, "a chunk decodes to %zu bytes, not the %zu of its shape: the file is damaged", n, n_out);
    if (at != out) memcpy(out, at, n_out);
    return TSR_OK;
}

/* ---- Encoding ----------------------------------------------------------------------------------------------------- */

static tsr_status deflate_chunk(hdf5_coder *c, int level, const void *in, size_t n, const void **out, size_t *n_out)
{
    if (c->deflater && c->deflater_level != level) {
        libdeflate_free_compressor(c->deflater);
        c->deflater = NULL;
    }
    if (!c->deflater && !(c->deflater = libdeflate_alloc_compressor(level))) return error_memory(sizeof(void *));
    c->deflater_level = level;
    char *to;
    TRY(hdf5_scratch_get(&c->stored, n, &to));
    *n_out = libdeflate_zlib_compress(c->deflater, in, n, to, n > 0 ? n - 1 : 0);
    *out = to;
    return TSR_OK;
}

tsr_status hdf5_chunk_encode(hdf5_coder *c, const hdf5_pipeline *p, const void *raw, size_t n_raw, const void **stored,
                             size_t *n_stored, uint32_t *filter_mask)
{
    const void *at = raw;
    *filter_mask = 0;
    *n_stored = n_raw;
    for (int i = 0; i < p->n; i++) {
        if (p->filters[i] == HDF5_SHUFFLE) {
            char *to = NULL;
            TRY(hdf5_scratch_get(&c->half, n_raw, &to));
            hdf5_shuffle(at, (uint8_t *)to, n_raw, p->element_bytes);
            at = to;
        } else if (p->filters[i] == HDF5_DEFLATE) {
            const void *smaller = NULL;
            size_t n_smaller = 0;
            TRY(deflate_chunk(c, p->level, at, n_raw, &smaller, &n_smaller));
            if (n_smaller == 0) {
                *filter_mask |= 1u << i;
            } else {
                at = smaller;
                *n_stored = n_smaller;
            }
        } else {
            return error_set(TSR_ERR_UNSUPPORTED, "checksums are not written");
        }
    }
    *stored = at;
    return TSR_OK;
}
