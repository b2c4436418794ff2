/* Finds a dataset's data layout and fill value in its object header, and reads the index of its chunks.
 *
 * After the HDF5 File Format Specification 3.0: object headers (IV.A), the data layout message (IV.A.2.i), version 1
 * B-trees of node type 1 (III.A.1). The indexes of version 4 layouts are in hdf5_index4.c.
 *
 * The bytes are hostile: each structure is read into memory of its own size after that was checked against the file's,
 * `bytes_left` bounds what may be visited at all (no two structures share bytes in an honest file), and what this code
 * does not know is left to the library. Pure but for the source; any thread. */
#include "store/hdf5_index.h"

#include "store/hdf5_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_OLD_FILL = 0x04,
    MESSAGE_FILL = 0x05,
    MESSAGE_LAYOUT = 0x08,
    MESSAGE_CONTINUATION = 0x10,
    MAX_HEADER_BYTES = 16 << 20, /* of one block of an object header */
    MAX_HEADER_BLOCKS = 4096,
    MAX_BTREE_LEVEL = 32,
    BTREE_GUESS_BYTES = 4096 /* most nodes are shorter: one read gets them whole */
};

/* ---- Shared helpers ----------------------------------------------------------------------------------------------- */

tsr_status hdf5_corrupt(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(TSR_ERR_FORMAT, "%s: the file is damaged", text);
}

static tsr_status block_place(hdf5_builder *b, uint64_t address, uint64_t n, uint64_t *offset)
{
    const hdf5_source *s = &b->q->source;
    if (address == HDF5_NOWHERE || __builtin_add_overflow(address, b->q->base, offset) || *offset > s->size_bytes ||
        n > s->size_bytes - *offset) {
        return hdf5_corrupt("an index block of %llu bytes at byte %llu lies outside the file of %llu bytes",
                            (unsigned long long)n, (unsigned long long)address, (unsigned long long)s->size_bytes);
    }
    if (n > b->bytes_left) return hdf5_corrupt("the chunk index is larger than the file");
    b->bytes_left -= n;
    return TSR_OK;
}

tsr_status hdf5_block_read(hdf5_builder *b, uint64_t address, uint64_t n, uint8_t **out)
{
    uint64_t offset = 0;
    TRY(block_place(b, address, n, &offset));
    uint8_t *data = mem_alloc(n);
    if (!data) return TSR_ERR_MEMORY;
    tsr_status status = b->q->source.read(b->q->source.context, offset, n, data);
    if (status != TSR_OK) {
        mem_free(data);
        return status;
    }
    *out = data;
    return TSR_OK;
}

tsr_status hdf5_checksum_check(const uint8_t *data, uint64_t n, const char *what)
{
    hdf5_cursor c = {.at = data + n - 4, .end = data + n};
    uint32_t stored = (uint32_t)hdf5_take(&c, 4), sum = hdf5_lookup3(data, n - 4);
    if (stored != sum)
        return hdf5_corrupt("the checksum of an index block (%.4s) is %08x, the file says %08x", what, sum, stored);
    return TSR_OK;
}

tsr_status hdf5_block_read_checked(hdf5_builder *b, uint64_t address, uint64_t n, const char *signature, uint8_t **out)
{
    uint8_t *data;
    TRY(hdf5_block_read(b, address, n, &data));
    tsr_status status = TSR_OK;
    if (n < 8 || memcmp(data, signature, 4) != 0) {
        status = hdf5_corrupt("there is no index block '%s' at byte %llu", signature, (unsigned long long)address);
    } else {
        status = hdf5_checksum_check(data, n, signature);
    }
    if (status != TSR_OK) {
        mem_free(data);
        return status;
    }
    *out = data;
    return TSR_OK;
}

static uint32_t rotate(uint32_t x, int k) { return x << k | x >> (32 - k); }

/* Up to four bytes, little-endian. */
static uint32_t word_at(const uint8_t *p, size_t n)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n && i < 4; i++) v |= (uint32_t)p[i] << 8 * i;
    return v;
}

uint32_t hdf5_lookup3(const uint8_t *data, size_t n)
{
    uint32_t a = 0xdeadbeef + (uint32_t)n, b = a, c = a;
    for (; n > 12; n -= 12, data += 12) {
        a += word_at(data, 4);
        b += word_at(data + 4, 4);
        c += word_at(data + 8, 4);
        a = (a - c) ^ rotate(c, 4), c += b;
        b = (b - a) ^ rotate(a, 6), a += c;
        c = (c - b) ^ rotate(b, 8), b += a;
        a = (a - c) ^ rotate(c, 16), c += b;
        b = (b - a) ^ rotate(a, 19), a += c;
        c = (c - b) ^ rotate(b, 4), b += a;
    }
    if (n == 0) return c;
    a += word_at(data, n);
    if (n > 4) b += word_at(data + 4, n - 4);
    if (n > 8) c += word_at(data + 8, n - 8);
    c = (c ^ b) - rotate(b, 14);
    a = (a ^ c) - rotate(c, 11);
    b = (b ^ a) - rotate(a, 25);
    c = (c ^ b) - rotate(b, 16);
    a = (a ^ c) - rotate(c, 4);
    b = (b ^ a) - rotate(a, 14);
    return (c ^ b) - rotate(b, 24);
}

uint64_t hdf5_take_address(const hdf5_builder *b, hdf5_cursor *c)
{
    int n = b->q->offset_bytes;
    uint64_t v = hdf5_take(c, n);
    return v == UINT64_MAX >> (64 - 8 * n) ? HDF5_NOWHERE : v;
}

tsr_status hdf5_chunk_add(hdf5_builder *b, const int64_t *coords, uint64_t address, uint64_t size_bytes, uint32_t mask)
{
    const hdf5_index_query *q = b->q;
    if (address == HDF5_NOWHERE) return TSR_OK;
    hdf5_chunk chunk = {.filter_mask = mask};
    for (int d = 0; d < q->ndim; d++) {
        if (coords[d] < 0 || coords[d] >= b->grid[d]) return TSR_OK;
        chunk.number = chunk.number * b->grid[d] + coords[d];
    }
    uint64_t file_bytes = q->source.size_bytes;
    if (__builtin_add_overflow(address, q->base, &chunk.offset) || chunk.offset > file_bytes ||
        size_bytes > file_bytes - chunk.offset || size_bytes > UINT32_MAX) {
        return hdf5_corrupt("chunk %lld lies at byte %llu and is %llu bytes long, the file has %llu bytes",
                            (long long)chunk.number, (unsigned long long)address, (unsigned long long)size_bytes,
                            (unsigned long long)file_bytes);
    }
    chunk.size_bytes = (uint32_t)size_bytes;
    return VEC_PUSH(&b->index->chunks, chunk) ? TSR_OK : TSR_ERR_MEMORY;
}

/* ---- B-tree, version 1 -------------------------------------------------------------------------------------------- */

/* Reads a node whole: its length depends on the number of entries in it. */
static tsr_status btree_node_read(hdf5_builder *b, uint64_t address, int level, uint8_t **out, int *n_entries)
{
    const hdf5_index_query *q = b->q;
    uint64_t prefix = 8 + 2 * (uint64_t)q->offset_bytes, key = 8 + 8 * ((uint64_t)q->ndim + 1), offset = 0;
    TRY(block_place(b, address, prefix, &offset));
    uint64_t n = q->source.size_bytes - offset < BTREE_GUESS_BYTES ? q->source.size_bytes - offset : BTREE_GUESS_BYTES;
    uint8_t *data = mem_alloc(n);
    if (!data) return TSR_ERR_MEMORY;
    tsr_status status;
    GUARD(q->source.read(q->source.context, offset, n, data));
    if (memcmp(data, "TREE", 4) != 0 || data[4] != 1) {
        GUARD(hdf5_corrupt("there is no node of a chunk index at byte %llu", (unsigned long long)address));
    }
    if (level >= 0 && data[5] != level) {
        GUARD(hdf5_corrupt("the chunk index has a node of level %d where level %d belongs", data[5], level));
    }
    *n_entries = data[6] | data[7] << 8;
    uint64_t full = prefix + (uint64_t)*n_entries * (key + (uint64_t)q->offset_bytes);
    GUARD(block_place(b, address, full, &offset));
    if (full > n) {
        mem_free(data);
        if (!(data = mem_alloc(full))) return TSR_ERR_MEMORY;
        GUARD(q->source.read(q->source.context, offset, full, data));
    }
    *out = data;
    return TSR_OK;
done:
    mem_free(data);
    return status;
}

static tsr_status btree_chunk_add(hdf5_builder *b, const uint64_t *position, uint64_t address, uint64_t size, uint32_t mask)
{
    int64_t coords[TSR_MAX_NDIM];
    for (int d = 0; d < b->q->ndim; d++) {
        if (position[d] % (uint64_t)b->q->chunk[d] != 0) {
            return hdf5_corrupt("a chunk begins at index %llu of dimension %d, which chunks of %lld do not reach",
                                (unsigned long long)position[d], d, (long long)b->q->chunk[d]);
        }
        uint64_t at = position[d] / (uint64_t)b->q->chunk[d];
        coords[d] = at > INT64_MAX ? INT64_MAX : (int64_t)at;
    }
    return hdf5_chunk_add(b, coords, address, size, mask);
}

/* Level -1: any (the root). Recursion ends because each level is one less than its parent's. */
static tsr_status btree_walk(hdf5_builder *b, uint64_t address, int level)
{
    const hdf5_index_query *q = b->q;
    uint8_t *data;
    int n_entries;
    TRY(btree_node_read(b, address, level, &data, &n_entries));
    tsr_status status = TSR_OK;
    level = data[5];
    if (level > MAX_BTREE_LEVEL) GUARD(hdf5_corrupt("the chunk index is %d levels deep", level));
    uint64_t prefix = 8 + 2 * (uint64_t)q->offset_bytes, key = 8 + 8 * ((uint64_t)q->ndim + 1);
    hdf5_cursor c = {.at = data + prefix, .end = data + prefix + (uint64_t)n_entries * (key + (uint64_t)q->offset_bytes)};
    for (int i = 0; i < n_entries; i++) {
        uint32_t size = (uint32_t)hdf5_take(&c, 4), mask = (uint32_t)hdf5_take(&c, 4);
        uint64_t position[TSR_MAX_NDIM];
        for (int d = 0; d < q->ndim; d++) position[d] = hdf5_take(&c, 8);
        hdf5_skip(&c, 8); /* the position inside an element */
        uint64_t child = hdf5_take_address(b, &c);
        GUARD(level > 0 ? btree_walk(b, child, level - 1) : btree_chunk_add(b, position, child, size, mask));
    }
done:
    mem_free(data);
    return status;
}

/* ---- The layout message ------------------------------------------------------------------------------------------- */

static tsr_status shape_differs(uint64_t message, int64_t dataset)
{
    return hdf5_corrupt("the layout has chunks of %llu where the dataset has %lld", (unsigned long long)message,
                        (long long)dataset);
}

/* The chunk's lengths, the element's size last: must be those the library told. */
static tsr_status check_chunk_shape(hdf5_builder *b, hdf5_cursor *c, int n_dims, int n_bytes)
{
    const hdf5_index_query *q = b->q;
    if (n_dims != q->ndim + 1) return hdf5_corrupt("the layout has %d dimensions, the dataset %d", n_dims - 1, q->ndim);
    for (int d = 0; d < q->ndim; d++) {
        uint64_t length = hdf5_take(c, n_bytes);
        if (length != (uint64_t)q->chunk[d]) return shape_differs(length, q->chunk[d]);
    }
    uint64_t item_bytes = hdf5_take(c, n_bytes);
    if (item_bytes != q->item_bytes) return shape_differs(item_bytes, q->item_bytes);
    return TSR_OK;
}

static tsr_status chunked3_load(hdf5_builder *b, hdf5_cursor *c)
{
    int n_dims = (int)hdf5_take(c, 1);
    uint64_t address = hdf5_take_address(b, c);
    TRY(check_chunk_shape(b, c, n_dims, 4));
    if (c->failed) return hdf5_corrupt("the data layout message is cut short");
    b->index->is_known = true;
    return address == HDF5_NOWHERE ? TSR_OK : btree_walk(b, address, -1);
}

static tsr_status chunked4_load(hdf5_builder *b, hdf5_cursor *c)
{
    static const int parameter_bytes[] = {0, 0, 0, 1, 5, 6};
    int flags = (int)hdf5_take(c, 1), n_dims = (int)hdf5_take(c, 1), n_bytes = (int)hdf5_take(c, 1);
    TRY(check_chunk_shape(b, c, n_dims, n_bytes));
    hdf5_layout4 layout = {.kind = (int)hdf5_take(c, 1)};
    if (layout.kind < 1 || layout.kind > 5) return TSR_OK;
    b->index->raw_edges = flags & 1;
    layout.single_filtered = layout.kind == 1 && (flags & 2);
    if (layout.single_filtered) {
        layout.single_bytes = hdf5_take(c, b->q->length_bytes);
        layout.single_mask = (uint32_t)hdf5_take(c, 4);
    }
    hdf5_skip(c, (uint64_t)parameter_bytes[layout.kind]); /* repeated in the index's own header */
    layout.address = hdf5_take_address(b, c);
    if (c->failed) return hdf5_corrupt("the data layout message is cut short");
    b->index->is_known = true;
    return layout.address == HDF5_NOWHERE ? TSR_OK : hdf5_index4_load(b, &layout);
}

/* `data` was read from `address`. Layouts older than HDF5 1.6.3 (versions 1 and 2) and virtual ones stay unknown. */
static tsr_status layout_load(hdf5_builder *b, uint64_t address, const uint8_t *data, size_t n)
{
    hdf5_cursor c = {.at = data, .end = data + n};
    int version = (int)hdf5_take(&c, 1), class = (int)hdf5_take(&c, 1);
    if (c.failed || version < 3 || version > 4) return TSR_OK;
    hdf5_index *index = b->index;
    bool has_chunks = b->q->ndim > 0 && b->q->chunk[0] > 0;
    if ((class == 2) != has_chunks) return hdf5_corrupt("the layout message is of class %d", class);
    switch (class) {
    case 0:
        index->is_known = true;
        index->size_bytes = hdf5_take(&c, 2);
        index->offset = b->q->base + address + 4;
        if (c.failed || index->size_bytes > n - 4) return hdf5_corrupt("compact data is cut short");
        return TSR_OK;
    case 1:
        index->is_known = true;
        index->offset = hdf5_take_address(b, &c);
        index->size_bytes = hdf5_take(&c, b->q->length_bytes);
        if (c.failed) return hdf5_corrupt("the data layout message is cut short");
        if (index->offset != HDF5_NOWHERE && __builtin_add_overflow(index->offset, b->q->base, &index->offset)) {
            return hdf5_corrupt("contiguous data lies outside the file");
        }
        return TSR_OK;
    case 2: index->is_chunked = true; return version == 3 ? chunked3_load(b, &c) : chunked4_load(b, &c);
    default: return TSR_OK;
    }
}

/* The fill value message (IV.A.2.e and f). The library copies as many bytes as the type has, whatever the message holds. */
static tsr_status fill_load(hdf5_builder *b, int type, const uint8_t *data, size_t n)
{
    hdf5_cursor c = {.at = data, .end = data + n};
    bool defined = true;
    if (type == MESSAGE_FILL) {
        int version = (int)hdf5_take(&c, 1);
        if (version == 3) {
            defined = hdf5_take(&c, 1) & 0x20;
        } else {
            hdf5_skip(&c, 2);
            defined = hdf5_take(&c, 1) || version == 1;
        }
    }
    uint64_t size = defined ? hdf5_take(&c, 4) : 0;
    if (size == 0 || size > INT32_MAX) return c.failed ? hdf5_corrupt("a fill value is cut short") : TSR_OK;
    const uint8_t *value = c.at;
    hdf5_skip(&c, size);
    if (c.failed || size != b->q->item_bytes) {
        return hdf5_corrupt("the fill value has %llu bytes, the elements have %u", (unsigned long long)size, b->q->item_bytes);
    }
    if (size <= sizeof b->index->fill) memcpy(b->index->fill, value, size);
    return TSR_OK;
}

/* ---- The object header -------------------------------------------------------------------------------------------- */

typedef struct header_block {
    uint64_t address, size_bytes; /* of the messages alone */
} header_block;

typedef struct header_walk {
    int version, flags;
    int n_blocks, next;
    header_block blocks[MAX_HEADER_BLOCKS];
} header_walk;

static tsr_status header_push(header_walk *w, uint64_t address, uint64_t size_bytes)
{
    if (w->n_blocks == MAX_HEADER_BLOCKS || size_bytes > MAX_HEADER_BYTES) {
        return hdf5_corrupt("an object header is too large (%llu bytes)", (unsigned long long)size_bytes);
    }
    w->blocks[w->n_blocks++] = (header_block){address, size_bytes};
    return TSR_OK;
}

static tsr_status header_begin(hdf5_builder *b, header_walk *w)
{
    const hdf5_index_query *q = b->q;
    uint8_t *data;
    TRY(hdf5_block_read(b, q->header, 16, &data)); /* the shortest header of either version is longer */
    hdf5_cursor c = {.at = data, .end = data + 16};
    tsr_status status;
    if (data[0] == 1) {
        w->version = 1;
        hdf5_skip(&c, 8);
        status = header_push(w, q->header + 16, hdf5_take(&c, 4));
    } else if (memcmp(data, "OHDR\2", 5) == 0) {
        w->version = 2;
        w->flags = data[5];
        unsigned skip = 6 + (w->flags & 0x20 ? 16 : 0) + (w->flags & 0x10 ? 4 : 0);
        int n_bytes = 1 << (w->flags & 3);
        mem_free(data);
        data = NULL;
        TRY(hdf5_block_read(b, q->header + skip, 8, &data));
        c = (hdf5_cursor){.at = data, .end = data + 8};
        status = header_push(w, q->header + skip + (uint64_t)n_bytes, hdf5_take(&c, n_bytes));
    } else {
        status = hdf5_corrupt("there is no object header at byte %llu", (unsigned long long)q->header);
    }
    mem_free(data);
    return status;
}

static tsr_status continuation_push(hdf5_builder *b, header_walk *w, const uint8_t *data, size_t n)
{
    hdf5_cursor c = {.at = data, .end = data + n};
    uint64_t address = hdf5_take_address(b, &c), length = hdf5_take(&c, b->q->length_bytes);
    if (c.failed || (w->version == 2 && length < 8)) return hdf5_corrupt("a continuation of an object header is cut short");
    /* Version 2 blocks begin with "OCHK" and end with a checksum; the library has checked it on opening. */
    return w->version == 1 ? header_push(w, address, length) : header_push(w, address + 4, length - 8);
}

/* What a message tells of the dataset. Those shared among objects (flag 2) are kept elsewhere. */
static tsr_status message_load(hdf5_builder *b, int type, int flags, uint64_t address, const uint8_t *data, size_t n, bool *found)
{
    if (type == MESSAGE_FILL || type == MESSAGE_OLD_FILL) {
        if (!(flags & 2)) return fill_load(b, type, data, n);
        b->index->fill_is_known = false;
    }
    if (type != MESSAGE_LAYOUT || flags & 2) return TSR_OK;
    if (*found) return hdf5_corrupt("the dataset has two data layouts");
    *found = true;
    return layout_load(b, address, data, n);
}

/* Goes through the messages of one block; *found when the layout was among them. */
static tsr_status header_block_walk(hdf5_builder *b, header_walk *w, header_block block, bool *found)
{
    uint8_t *data;
    TRY(hdf5_block_read(b, block.address, block.size_bytes, &data));
    hdf5_cursor c = {.at = data, .end = data + block.size_bytes};
    ptrdiff_t prefix = w->version == 1 ? 8 : w->flags & 4 ? 6 : 4;
    tsr_status status = TSR_OK;
    while (c.end - c.at >= prefix) {
        int type = (int)hdf5_take(&c, w->version == 1 ? 2 : 1);
        size_t n = (size_t)hdf5_take(&c, 2);
        int flags = (int)hdf5_take(&c, 1);
        hdf5_skip(&c, w->version == 1 ? 3 : w->flags & 4 ? 2 : 0);
        const uint8_t *message = c.at;
        hdf5_skip(&c, n);
        if (c.failed) GUARD(hdf5_corrupt("a message of an object header is cut short"));
        if (type == MESSAGE_CONTINUATION) GUARD(continuation_push(b, w, message, n));
        GUARD(message_load(b, type, flags, block.address + (uint64_t)(message - data), message, n, found));
    }
done:
    mem_free(data);
    return status;
}

static tsr_status header_load(hdf5_builder *b)
{
    header_walk *w = mem_calloc(1, sizeof *w);
    if (!w) return TSR_ERR_MEMORY;
    bool found = false;
    tsr_status status;
    GUARD(header_begin(b, w));
    while (w->next < w->n_blocks) GUARD(header_block_walk(b, w, w->blocks[w->next++], &found));
    if (!found) status = hdf5_corrupt("the dataset has no data layout");
done:
    mem_free(w);
    return status;
}

/* ---- The index ---------------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const hdf5_chunk *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Indexes are nearly always in order already. */
static tsr_status sort_chunks(hdf5_index *index)
{
    bool sorted = true;
    for (size_t i = 1; i < index->chunks.n && sorted; i++)
        sorted = index->chunks.items[i - 1].number < index->chunks.items[i].number;
    if (sorted) return TSR_OK;
    qsort(index->chunks.items, index->chunks.n, sizeof *index->chunks.items, by_number);
    for (size_t i = 1; i < index->chunks.n; i++) {
        if (index->chunks.items[i - 1].number == index->chunks.items[i].number) {
            return hdf5_corrupt("the chunk index holds chunk %lld twice", (long long)index->chunks.items[i].number);
        }
    }
    return TSR_OK;
}

static tsr_status grid_init(hdf5_builder *b)
{
    const hdf5_index_query *q = b->q;
    if (q->offset_bytes < 2 || q->offset_bytes > 8 || q->length_bytes < 2 || q->length_bytes > 8) {
        return hdf5_corrupt("addresses have %d bytes and lengths %d", q->offset_bytes, q->length_bytes);
    }
    b->chunk_bytes = q->item_bytes;
    int64_t n_chunks = 1;
    for (int d = 0; d < q->ndim && q->chunk[0] > 0; d++) {
        if (q->chunk[d] < 1) return hdf5_corrupt("chunks have the length %lld", (long long)q->chunk[d]);
        b->grid[d] = q->extent[d] / q->chunk[d] + (q->extent[d] % q->chunk[d] != 0);
        /* The library limits a chunk to 4 GiB. */
        if (__builtin_mul_overflow(b->chunk_bytes, (uint64_t)q->chunk[d], &b->chunk_bytes) || b->chunk_bytes > UINT32_MAX) {
            return hdf5_corrupt("a chunk is larger than 4 GiB");
        }
        if (b->grid[d] > 0 && __builtin_mul_overflow(n_chunks, b->grid[d], &n_chunks)) {
            return error_set(TSR_ERR_UNSUPPORTED, "the array is cut into more than 2^63 chunks");
        }
    }
    return TSR_OK;
}

tsr_status hdf5_index_load(const hdf5_index_query *q, hdf5_index *out)
{
    *out = (hdf5_index){.offset = HDF5_NOWHERE, .fill_is_known = true};
    /* Twice: nodes are placed once with their prefix and once whole. */
    hdf5_builder b = {.q = q, .index = out, .bytes_left = 2 * q->source.size_bytes + 64};
    tsr_status status;
    GUARD(grid_init(&b));
    GUARD(header_load(&b));
    GUARD(sort_chunks(out));
done:
    if (status != TSR_OK) hdf5_index_fini(out);
    return status;
}

void hdf5_index_fini(hdf5_index *index) { VEC_FINI(&index->chunks); }

const hdf5_chunk *hdf5_index_find(const hdf5_index *index, int64_t number)
{
    size_t low = 0, high = index->chunks.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->chunks.items[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < index->chunks.n && index->chunks.items[low].number == number ? &index->chunks.items[low] : NULL;
}
