/* The chunk indexes of version 4 layouts, which files written with "latest" compatibility have (HDF5 File Format
 * Specification 3.0): single chunk and implicit (IV.A.2.i), fixed array (VII.C), extensible array (VII.D) and
 * version 2 B-trees (III.A.2).
 *
 * Arrays are indexed by the chunk's number on the grid of the *largest* extent; an extensible array first moves the
 * unlimited dimension to the front. Each block is read whole and its checksum verified. */
#include "store/hdf5_parse.h"

#include <string.h>

/* How an array's elements and their numbers become chunks. */
typedef struct chunk_array {
    hdf5_builder *b;
    bool filtered;
    int element_bytes;
    int order[TSR_MAX_NDIM];     /* the dimensions, slowest first */
    uint64_t down[TSR_MAX_NDIM]; /* chunks per step of order[i] */
} chunk_array;

/* first: the dimension that varies slowest. */
static tsr_status array_init(chunk_array *a, hdf5_builder *b, int first)
{
    const hdf5_index_query *q = b->q;
    *a = (chunk_array){.b = b};
    a->order[0] = first;
    for (int d = 0, i = 1; d < q->ndim; d++)
        if (d != first) a->order[i++] = d;
    uint64_t n = 1;
    for (int i = q->ndim - 1; i >= 0; i--) {
        a->down[i] = n;
        if (i == 0) break;
        int d = a->order[i];
        int64_t length = q->max_extent[d] < 0 ? q->extent[d] : q->max_extent[d];
        uint64_t n_chunks = (uint64_t)(length / q->chunk[d] + (length % q->chunk[d] != 0));
        if (n_chunks == 0) n_chunks = 1;
        if (__builtin_mul_overflow(n, n_chunks, &n)) return hdf5_corrupt("the largest extent has more than 2^64 chunks");
    }
    return TSR_OK;
}

static void array_coords(const chunk_array *a, uint64_t number, int64_t *coords)
{
    for (int i = 0; i < a->b->q->ndim; i++) {
        uint64_t at = number / a->down[i];
        coords[a->order[i]] = at > INT64_MAX ? INT64_MAX : (int64_t)at;
        number %= a->down[i];
    }
}

/* Client 0 keeps addresses, client 1 addresses with sizes and filter masks. */
static tsr_status array_client(chunk_array *a, int client, int element_bytes)
{
    int offset_bytes = a->b->q->offset_bytes;
    a->filtered = client == 1;
    a->element_bytes = element_bytes;
    int size_bytes = element_bytes - offset_bytes - 4;
    if (client > 1 || (client == 0 && element_bytes != offset_bytes) || (client == 1 && (size_bytes < 1 || size_bytes > 8))) {
        return hdf5_corrupt("an array of chunks has elements of kind %d and %d bytes", client, element_bytes);
    }
    return TSR_OK;
}

static tsr_status array_elements(chunk_array *a, hdf5_cursor *c, uint64_t first, uint64_t n)
{
    for (uint64_t i = 0; i < n && !c->failed; i++) {
        uint64_t address = hdf5_take_address(a->b, c), size = a->b->chunk_bytes;
        uint32_t mask = 0;
        if (a->filtered) {
            size = hdf5_take(c, a->element_bytes - a->b->q->offset_bytes - 4);
            mask = (uint32_t)hdf5_take(c, 4);
        }
        if (address == HDF5_NOWHERE || c->failed) continue;
        int64_t coords[TSR_MAX_NDIM];
        array_coords(a, first + i, coords);
        TRY(hdf5_chunk_add(a->b, coords, address, size, mask));
    }
    return c->failed ? hdf5_corrupt("an array of chunks is cut short") : TSR_OK;
}

static bool bit_at(const uint8_t *bits, uint64_t i) { return bits[i / 8] & (0x80 >> (i % 8)); }

/* A page: elements and their checksum. */
static tsr_status array_page(chunk_array *a, uint64_t address, uint64_t first, uint64_t n)
{
    uint8_t *page;
    uint64_t n_bytes = n * (uint64_t)a->element_bytes + 4;
    TRY(hdf5_block_read(a->b, address, n_bytes, &page));
    hdf5_cursor c = {.at = page, .end = page + n_bytes - 4};
    tsr_status status;
    GUARD(hdf5_checksum_check(page, n_bytes, "page"));
    GUARD(array_elements(a, &c, first, n));
done:
    mem_free(page);
    return status;
}

/* ---- Single chunk and implicit ------------------------------------------------------------------------------------ */

static tsr_status single_load(hdf5_builder *b, const hdf5_layout4 *layout)
{
    const int64_t origin[TSR_MAX_NDIM] = {0};
    uint64_t size = layout->single_filtered ? layout->single_bytes : b->chunk_bytes;
    return hdf5_chunk_add(b, origin, layout->address, size, layout->single_mask);
}

/* All chunks one after the other: no index at all. */
static tsr_status implicit_load(hdf5_builder *b, const hdf5_layout4 *layout)
{
    chunk_array a;
    TRY(array_init(&a, b, 0));
    int64_t coords[TSR_MAX_NDIM] = {0};
    for (;;) {
        uint64_t number = 0, offset;
        for (int d = 0; d < b->q->ndim; d++) {
            if (b->grid[d] == 0) return TSR_OK;
            number += (uint64_t)coords[d] * a.down[d];
        }
        if (__builtin_mul_overflow(number, b->chunk_bytes, &offset) || __builtin_add_overflow(offset, layout->address, &offset)) {
            return hdf5_corrupt("a chunk lies outside the file");
        }
        TRY(hdf5_chunk_add(b, coords, offset, b->chunk_bytes, 0));
        int d = b->q->ndim - 1;
        while (d >= 0 && ++coords[d] == b->grid[d]) coords[d--] = 0;
        if (d < 0) return TSR_OK;
    }
}

/* ---- Fixed array -------------------------------------------------------------------------------------------------- */

/* The data block of n elements, in pages of page_n when it has more than that. */
static tsr_status fixed_block_load(chunk_array *a, uint64_t address, uint64_t n, uint64_t page_n)
{
    hdf5_builder *b = a->b;
    uint64_t prefix = 6 + (uint64_t)b->q->offset_bytes, n_pages = n > page_n ? (n + page_n - 1) / page_n : 0;
    uint64_t bitmap = (n_pages + 7) / 8, elements, n_bytes;
    if (__builtin_mul_overflow(n, (uint64_t)a->element_bytes, &elements))
        return hdf5_corrupt("a fixed array has %llu elements", (unsigned long long)n);
    n_bytes = prefix + (n_pages ? bitmap : elements) + 4;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, address, n_bytes, "FADB", &data));
    tsr_status status = TSR_OK;
    if (n_pages == 0) {
        hdf5_cursor c = {.at = data + prefix, .end = data + n_bytes - 4};
        GUARD(array_elements(a, &c, 0, n));
    }
    for (uint64_t i = 0; i < n_pages; i++) {
        if (!bit_at(data + prefix, i)) continue;
        uint64_t first = i * page_n, count = n - first < page_n ? n - first : page_n;
        GUARD(array_page(a, address + n_bytes + i * (page_n * (uint64_t)a->element_bytes + 4), first, count));
    }
done:
    mem_free(data);
    return status;
}

static tsr_status fixed_load(hdf5_builder *b, const hdf5_layout4 *layout)
{
    chunk_array a;
    TRY(array_init(&a, b, 0));
    uint64_t n_bytes = 8 + (uint64_t)b->q->length_bytes + (uint64_t)b->q->offset_bytes + 4;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, layout->address, n_bytes, "FAHD", &data));
    hdf5_cursor c = {.at = data + 5, .end = data + n_bytes};
    int client = (int)hdf5_take(&c, 1), element_bytes = (int)hdf5_take(&c, 1), page_bits = (int)hdf5_take(&c, 1);
    uint64_t n = hdf5_take(&c, b->q->length_bytes), address = hdf5_take_address(b, &c);
    bool known = data[4] == 0;
    mem_free(data);
    if (!known) {
        b->index->is_known = false;
        return TSR_OK;
    }
    TRY(array_client(&a, client, element_bytes));
    if (page_bits > 31) return hdf5_corrupt("a fixed array has pages of 2^%d elements", page_bits);
    return address == HDF5_NOWHERE ? TSR_OK : fixed_block_load(&a, address, n, (uint64_t)1 << page_bits);
}

/* ---- Extensible array --------------------------------------------------------------------------------------------- */

typedef struct extensible {
    chunk_array a;
    int block_offset_bytes;
    int n_super;        /* super blocks, those whose data blocks the index block addresses itself included */
    int n_direct_super; /* those */
    uint64_t in_index;  /* elements in the index block */
    uint64_t min_block; /* elements of the shortest data block */
    uint64_t min_pointers;
    uint64_t page_n;
} extensible;

static uint64_t super_blocks(int u) { return (uint64_t)1 << (u / 2); }
static uint64_t super_elements(const extensible *e, int u) { return e->min_block << ((u + 1) / 2); }

static int log2_exact(uint64_t v)
{
    int n = 0;
    while (v >> n > 1) n++;
    return (uint64_t)1 << n == v ? n : -1;
}

/* page_bits: which pages of the block exist, from bit `first_bit`; NULL when it is not paged. */
static tsr_status extensible_data_load(extensible *e, uint64_t address, uint64_t first, uint64_t n, const uint8_t *page_bits,
                                       uint64_t first_bit)
{
    if (address == HDF5_NOWHERE) return TSR_OK;
    hdf5_builder *b = e->a.b;
    uint64_t prefix = 6 + (uint64_t)b->q->offset_bytes + (uint64_t)e->block_offset_bytes;
    uint64_t n_bytes = prefix + (page_bits ? 0 : n * (uint64_t)e->a.element_bytes) + 4;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, address, n_bytes, "EADB", &data));
    tsr_status status = TSR_OK;
    if (!page_bits) {
        hdf5_cursor c = {.at = data + prefix, .end = data + n_bytes - 4};
        GUARD(array_elements(&e->a, &c, first, n));
    }
    for (uint64_t i = 0; page_bits && i < n / e->page_n; i++) {
        if (!bit_at(page_bits, first_bit + i)) continue;
        uint64_t at = address + n_bytes + i * (e->page_n * (uint64_t)e->a.element_bytes + 4);
        GUARD(array_page(&e->a, at, first + i * e->page_n, e->page_n));
    }
done:
    mem_free(data);
    return status;
}

static tsr_status extensible_super_load(extensible *e, uint64_t address, int u, uint64_t first)
{
    if (address == HDF5_NOWHERE) return TSR_OK;
    hdf5_builder *b = e->a.b;
    uint64_t n_blocks = super_blocks(u), n = super_elements(e, u), n_pages = n > e->page_n ? n / e->page_n : 0;
    uint64_t bits_bytes = n_blocks * ((n_pages + 7) / 8);
    uint64_t prefix = 6 + (uint64_t)b->q->offset_bytes + (uint64_t)e->block_offset_bytes;
    uint64_t n_bytes = prefix + bits_bytes + n_blocks * (uint64_t)b->q->offset_bytes + 4;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, address, n_bytes, "EASB", &data));
    const uint8_t *bits = n_pages ? data + prefix : NULL;
    hdf5_cursor c = {.at = data + prefix + bits_bytes, .end = data + n_bytes};
    tsr_status status = TSR_OK;
    for (uint64_t i = 0; i < n_blocks; i++) {
        GUARD(extensible_data_load(e, hdf5_take_address(b, &c), first + i * n, n, bits, i * n_pages));
    }
done:
    mem_free(data);
    return status;
}

static tsr_status extensible_index_load(extensible *e, uint64_t address)
{
    hdf5_builder *b = e->a.b;
    uint64_t offset_bytes = (uint64_t)b->q->offset_bytes, prefix = 6 + offset_bytes;
    uint64_t n_direct = 2 * (e->min_pointers - 1), n_super = (uint64_t)(e->n_super - e->n_direct_super);
    uint64_t n_bytes = prefix + e->in_index * (uint64_t)e->a.element_bytes + (n_direct + n_super) * offset_bytes + 4;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, address, n_bytes, "EAIB", &data));
    hdf5_cursor c = {.at = data + prefix, .end = data + n_bytes - 4};
    tsr_status status;
    GUARD(array_elements(&e->a, &c, 0, e->in_index));
    uint64_t first = e->in_index;
    for (int u = 0; u < e->n_super; u++) {
        if (u >= e->n_direct_super) {
            GUARD(extensible_super_load(e, hdf5_take_address(b, &c), u, first));
            first += super_blocks(u) * super_elements(e, u);
            continue;
        }
        for (uint64_t i = 0; i < super_blocks(u); i++, first += super_elements(e, u)) {
            GUARD(extensible_data_load(e, hdf5_take_address(b, &c), first, super_elements(e, u), NULL, 0));
        }
    }
done:
    mem_free(data);
    return status;
}

static int unlimited_dim(const hdf5_index_query *q)
{
    for (int d = 0; d < q->ndim; d++)
        if (q->max_extent[d] < 0) return d;
    return 0;
}

/* The header's parameters; false in *known when the structure is one that this code leaves to the library. */
static tsr_status extensible_init(extensible *e, const uint8_t *data, bool *known)
{
    int max_bits = data[7], super_log2 = log2_exact(data[10]), block_log2 = log2_exact(data[9]), page_bits = data[11];
    TRY(array_client(&e->a, data[5], data[6]));
    if (max_bits < 1 || max_bits > 48 || super_log2 < 1 || block_log2 < 0 || block_log2 > max_bits || page_bits > 31) {
        return hdf5_corrupt("an extensible array of 2^%d elements has blocks of %d", max_bits, data[9]);
    }
    e->in_index = data[8];
    e->min_block = data[9];
    e->min_pointers = data[10];
    e->page_n = (uint64_t)1 << page_bits;
    e->block_offset_bytes = (max_bits + 7) / 8;
    e->n_super = 1 + max_bits - block_log2;
    e->n_direct_super = 2 * super_log2;
    /* Paged blocks below the index block itself, or fewer super blocks than direct ones, do not occur in practice. */
    *known = data[4] == 0 && e->n_direct_super <= e->n_super && super_elements(e, e->n_direct_super - 1) <= e->page_n;
    return TSR_OK;
}

static tsr_status extensible_load(hdf5_builder *b, const hdf5_layout4 *layout)
{
    extensible e = {0};
    TRY(array_init(&e.a, b, unlimited_dim(b->q)));
    uint64_t n_bytes = 12 + 6 * (uint64_t)b->q->length_bytes + (uint64_t)b->q->offset_bytes + 4, address;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, layout->address, n_bytes, "EAHD", &data));
    hdf5_cursor c = {.at = data + 12 + 6 * b->q->length_bytes, .end = data + n_bytes};
    address = hdf5_take_address(b, &c);
    bool known = false;
    tsr_status status = extensible_init(&e, data, &known);
    mem_free(data);
    TRY(status);
    if (!known) b->index->is_known = false;
    return known && address != HDF5_NOWHERE ? extensible_index_load(&e, address) : TSR_OK;
}

/* ---- B-tree, version 2 -------------------------------------------------------------------------------------------- */

enum { MAX_DEPTH = 16, NODE_OVERHEAD = 10 /* signature, version, type, checksum */ };

typedef struct btree2 {
    hdf5_builder *b;
    int type; /* 10: chunks without filters; 11: with */
    uint64_t node_bytes, record_bytes;
    int count_bytes;                /* of a child's number of records */
    int total_bytes[MAX_DEPTH + 1]; /* of the number of records in a subtree of that depth */
} btree2;

/* Bytes that hold any number up to v. */
static int bytes_for(uint64_t v)
{
    int n = 1;
    while (n < 8 && v >> 8 * n) n++;
    return n;
}

/* The widths of the counts in inner nodes follow from how many records fit into nodes of each depth. */
static tsr_status btree2_widths(btree2 *t, int depth)
{
    if (t->node_bytes < NODE_OVERHEAD + t->record_bytes)
        return hdf5_corrupt("nodes of a chunk index have %llu bytes", (unsigned long long)t->node_bytes);
    uint64_t total = (t->node_bytes - NODE_OVERHEAD) / t->record_bytes;
    t->count_bytes = bytes_for(total);
    for (int u = 1; u <= depth; u++) {
        uint64_t pointer = (uint64_t)t->b->q->offset_bytes + (uint64_t)t->count_bytes + (uint64_t)t->total_bytes[u - 1];
        if (t->node_bytes < NODE_OVERHEAD + pointer + t->record_bytes)
            return hdf5_corrupt("nodes of a chunk index are too short");
        uint64_t n = (t->node_bytes - NODE_OVERHEAD - pointer) / (t->record_bytes + pointer);
        if (__builtin_mul_overflow(n + 1, total, &total) || __builtin_add_overflow(total, n, &total)) total = UINT64_MAX;
        t->total_bytes[u] = bytes_for(total);
    }
    return TSR_OK;
}

static tsr_status btree2_record(btree2 *t, hdf5_cursor *c)
{
    const hdf5_index_query *q = t->b->q;
    uint64_t address = hdf5_take_address(t->b, c), size = t->b->chunk_bytes;
    uint32_t mask = 0;
    if (t->type == 11) {
        size = hdf5_take(c, (int)(t->record_bytes - (uint64_t)q->offset_bytes - 4 - 8 * (uint64_t)q->ndim));
        mask = (uint32_t)hdf5_take(c, 4);
    }
    int64_t coords[TSR_MAX_NDIM];
    for (int d = 0; d < q->ndim; d++) {
        uint64_t at = hdf5_take(c, 8);
        coords[d] = at > INT64_MAX ? INT64_MAX : (int64_t)at;
    }
    if (c->failed) return hdf5_corrupt("a node of a chunk index is cut short");
    return hdf5_chunk_add(t->b, coords, address, size, mask);
}

static tsr_status btree2_walk(btree2 *t, uint64_t address, int depth, uint64_t n_records)
{
    uint64_t offset_bytes = (uint64_t)t->b->q->offset_bytes;
    uint64_t pointer = offset_bytes + (uint64_t)t->count_bytes + (depth > 0 ? (uint64_t)t->total_bytes[depth - 1] : 0);
    uint64_t n_bytes = NODE_OVERHEAD + n_records * t->record_bytes + (depth > 0 ? (n_records + 1) * pointer : 0);
    if (n_bytes > t->node_bytes) return hdf5_corrupt("a node of a chunk index holds %llu records", (unsigned long long)n_records);
    uint8_t *data;
    TRY(hdf5_block_read_checked(t->b, address, n_bytes, depth > 0 ? "BTIN" : "BTLF", &data));
    hdf5_cursor c = {.at = data + 6, .end = data + n_bytes - 4};
    tsr_status status = TSR_OK;
    for (uint64_t i = 0; i < n_records; i++) GUARD(btree2_record(t, &c));
    for (uint64_t i = 0; depth > 0 && i <= n_records; i++) {
        uint64_t child = hdf5_take_address(t->b, &c), n = hdf5_take(&c, t->count_bytes);
        hdf5_skip(&c, (uint64_t)t->total_bytes[depth - 1]);
        GUARD(btree2_walk(t, child, depth - 1, n));
    }
done:
    mem_free(data);
    return status;
}

static tsr_status btree2_load(hdf5_builder *b, const hdf5_layout4 *layout)
{
    uint64_t n_bytes = 22 + (uint64_t)b->q->length_bytes + (uint64_t)b->q->offset_bytes;
    uint8_t *data;
    TRY(hdf5_block_read_checked(b, layout->address, n_bytes, "BTHD", &data));
    hdf5_cursor c = {.at = data + 5, .end = data + n_bytes - 4};
    btree2 t = {.b = b, .type = (int)hdf5_take(&c, 1), .node_bytes = hdf5_take(&c, 4), .record_bytes = hdf5_take(&c, 2)};
    int depth = (int)hdf5_take(&c, 2);
    hdf5_skip(&c, 2);
    uint64_t root = hdf5_take_address(b, &c), n = hdf5_take(&c, 2);
    bool known = data[4] == 0;
    mem_free(data);
    if (!known) {
        b->index->is_known = false;
        return TSR_OK;
    }
    uint64_t fixed = (uint64_t)b->q->offset_bytes + 8 * (uint64_t)b->q->ndim;
    bool fits =
        t.type == 10 ? t.record_bytes == fixed : t.type == 11 && t.record_bytes > fixed + 4 && t.record_bytes <= fixed + 12;
    if (!fits || depth > MAX_DEPTH)
        return hdf5_corrupt("a chunk index has records of type %d and %llu bytes", t.type, (unsigned long long)t.record_bytes);
    TRY(btree2_widths(&t, depth));
    return root == HDF5_NOWHERE ? TSR_OK : btree2_walk(&t, root, depth, n);
}

tsr_status hdf5_index4_load(hdf5_builder *b, const hdf5_layout4 *layout)
{
    switch (layout->kind) {
    case 1: return single_load(b, layout);
    case 2: return implicit_load(b, layout);
    case 3: return fixed_load(b, layout);
    case 4: return extensible_load(b, layout);
    default: return btree2_load(b, layout);
    }
}
