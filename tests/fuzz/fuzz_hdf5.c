/* Fuzzes our own reading of HDF5's chunk indexes and chunks: whatever the bytes, loading the index fails clearly, or every chunk
 * in it lies in the file, is found by its number, and decodes to its size or fails clearly. libhdf5 is not involved.
 *
 * An input is what the library would have told of a dataset (64 bytes, see below) and the file. Checksums guard every block of
 * newer files, and a fuzzer does not guess them: with REPAIR_CHECKSUMS set, blocks get the right one as they are read.
 *
 *   0 number of dimensions   1 flags            2 bytes of an address   3 bytes of a length
 *   4 bytes of an element    5 filters          6-8 their numbers       9 element bytes of the shuffle
 *   10-11 user block         12-15 address of the object header        16-63 four times: extent, largest extent, chunk (32 bits)
 */
#include "base/mem.h"
#include "store/hdf5_chunk.h"
#include "store/hdf5_index.h"
#include "store/hdf5_parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROLOGUE_BYTES = 64, MAX_DIMS = 4, MAX_CHUNK_BYTES = 1 << 18, MAX_CHUNKS = 32, CHUNKED = 1, REPAIR_CHECKSUMS = 2 };

typedef struct image {
    const uint8_t *bytes;
    size_t size;
    bool repairs, in_array; /* in_array: pages follow, which have no signature */
} image;

static void demand(bool promise)
{
    if (!promise) abort();
}

static bool is_guarded(const uint8_t *block)
{
    static const char signatures[][5] = {"FAHD", "FADB", "EAHD", "EAIB", "EASB", "EADB", "BTHD", "BTIN", "BTLF"};
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (memcmp(block, signatures[i], 4) == 0) return true;
    return false;
}

static tsr_status image_read(void *context, uint64_t offset, size_t n, void *out)
{
    image *file = context;
    demand(offset <= file->size && n <= file->size - offset);
    memcpy(out, file->bytes + offset, n);
    uint8_t *block = out;
    if (file->repairs && n >= 8 && (file->in_array || is_guarded(block))) {
        uint32_t sum = hdf5_lookup3(block, n - 4);
        for (size_t i = 0; i < 4; i++) block[n - 4 + i] = (uint8_t)(sum >> 8 * i);
        file->in_array = true;
    }
    return TSR_OK;
}

static int64_t number_at(const uint8_t *p, int n_bytes)
{
    int64_t v = 0;
    for (int i = 0; i < n_bytes; i++) v |= (int64_t)p[i] << 8 * i;
    return v;
}

static void read_query(const uint8_t *p, hdf5_index_query *q, hdf5_pipeline *pipeline)
{
    q->ndim = p[0] % (MAX_DIMS + 1);
    q->offset_bytes = p[2] % 10;
    q->length_bytes = p[3] % 10;
    q->item_bytes = 1 + p[4] % 16;
    q->base = (uint64_t)number_at(p + 10, 2);
    q->header = (uint64_t)number_at(p + 12, 4);
    for (int d = 0; d < q->ndim; d++) {
        q->extent[d] = number_at(p + 16 + 12 * d, 4);
        q->max_extent[d] = (int32_t)number_at(p + 20 + 12 * d, 4);
        if (q->max_extent[d] >= 0 && q->max_extent[d] < q->extent[d]) q->max_extent[d] = q->extent[d];
        if (q->max_extent[d] < 0) q->max_extent[d] = -1;
        if (p[1] & CHUNKED) q->chunk[d] = 1 + number_at(p + 24 + 12 * d, 4);
    }
    bool deflates = false;
    for (int i = 0; i < p[5] % 4; i++) {
        hdf5_filter filter = (hdf5_filter)(1 + p[6 + i] % 3);
        if (filter == HDF5_DEFLATE && deflates) continue; /* such a pipeline is left to the library */
        deflates = deflates || filter == HDF5_DEFLATE;
        pipeline->filters[pipeline->n++] = filter;
    }
    pipeline->element_bytes = 1 + p[9] % 16;
    pipeline->level = 1;
    q->is_filtered = pipeline->n > 0;
}

/* What can be decoded can be encoded and decoded again. */
static void check_round_trip(hdf5_coder *coder, const hdf5_pipeline *p, const char *values, size_t n)
{
    static char again[MAX_CHUNK_BYTES];
    const void *stored;
    size_t n_stored;
    uint32_t mask;
    for (int i = 0; i < p->n; i++)
        if (p->filters[i] == HDF5_FLETCHER32) return; /* checksums are not written */
    if (p->n > 2 || (p->n == 2 && p->filters[0] == p->filters[1])) return;
    demand(hdf5_chunk_encode(coder, p, values, n, &stored, &n_stored, &mask) == TSR_OK);
    char *copy = mem_alloc(n_stored);
    demand(copy != NULL);
    memcpy(copy, stored, n_stored);
    demand(hdf5_chunk_decode(coder, p, mask, copy, n_stored, again, n) == TSR_OK && memcmp(again, values, n) == 0);
    mem_free(copy);
}

static void check_chunk(const image *file, const hdf5_pipeline *p, const hdf5_index *index, const hdf5_chunk *c, size_t n)
{
    static char values[MAX_CHUNK_BYTES];
    hdf5_coder coder = {0};
    demand(hdf5_index_find(index, c->number) == c);
    demand(c->offset <= file->size && c->size_bytes <= file->size - c->offset);
    if (n > MAX_CHUNK_BYTES) return;
    tsr_status status = hdf5_chunk_decode(&coder, p, c->filter_mask, file->bytes + c->offset, c->size_bytes, values, n);
    demand(status == TSR_OK || tsr_error_message()[0]);
    if (status == TSR_OK) check_round_trip(&coder, p, values, n);
    hdf5_coder_fini(&coder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PROLOGUE_BYTES) return 0;
    image file = {data + PROLOGUE_BYTES, size - PROLOGUE_BYTES, data[1] & REPAIR_CHECKSUMS, false};
    hdf5_pipeline pipeline = {0};
    hdf5_index_query q = {.source = {image_read, &file, file.size}};
    hdf5_index index;
    read_query(data, &q, &pipeline);
    tsr_error_clear();
    if (hdf5_index_load(&q, &index) != TSR_OK) {
        demand(tsr_error_message()[0]);
        return 0;
    }
    size_t n = q.item_bytes;
    for (int d = 0; d < q.ndim; d++) n *= q.chunk[d] ? (size_t)q.chunk[d] : 1;
    for (size_t i = 0; i < index.chunks.n; i++) {
        demand(i == 0 || index.chunks.items[i - 1].number < index.chunks.items[i].number);
        if (i < MAX_CHUNKS) check_chunk(&file, &pipeline, &index, &index.chunks.items[i], n);
    }
    hdf5_index_fini(&index);
    return 0;
}
