/* Where a dataset's bytes lie in an HDF5 file, read by our own code from the file's bytes: the library's calls for this
 * (H5Dget_chunk_info) walk the whole index for every chunk in version 1.10. */
#ifndef TESSERA_STORE_HDF5_INDEX_H
#define TESSERA_STORE_HDF5_INDEX_H

#include "base/error.h"
#include "base/vec.h"

#define HDF5_NOWHERE UINT64_MAX /* the address of what was never written */

typedef struct hdf5_source {
    /* Reads n bytes that lie inside size_bytes. */
    tsr_status (*read)(void *context, uint64_t offset, size_t n, void *out);
    void *context;
    uint64_t size_bytes;
} hdf5_source;

/* What the library told about the dataset. */
typedef struct hdf5_index_query {
    hdf5_source source;
    int offset_bytes, length_bytes; /* of addresses and lengths in the file */
    uint64_t base;                  /* the user block's size: what addresses are relative to */
    uint64_t header;                /* address of the dataset's object header */
    bool is_filtered;
    uint32_t item_bytes;
    int ndim;
    int64_t extent[TSR_MAX_NDIM], max_extent[TSR_MAX_NDIM]; /* -1: unlimited */
    int64_t chunk[TSR_MAX_NDIM];                            /* 0 when the dataset is not chunked */
} hdf5_index_query;

typedef struct hdf5_chunk {
    int64_t number; /* in C order on the grid of chunks that covers the extent */
    uint64_t offset;
    uint32_t size_bytes; /* in the file */
    uint32_t filter_mask;
} hdf5_chunk;

typedef struct hdf5_index {
    bool is_known; /* false: a version this code does not read; go through the library */
    bool is_chunked;
    bool raw_edges;         /* chunks that stick out of the extent are stored without filters */
    uint64_t offset;        /* not chunked: where the data begins, or HDF5_NOWHERE */
    uint64_t size_bytes;    /* not chunked */
    bool fill_is_known;     /* false: the message is shared with other objects */
    unsigned char fill[16]; /* one element, as in the file; zeros when none is defined */
    VEC(hdf5_chunk) chunks; /* sorted by number */
} hdf5_index;

/* TSR_ERR_FORMAT for what cannot be. On failure there is nothing to undo. */
tsr_status hdf5_index_load(const hdf5_index_query *q, hdf5_index *out) MUST_CHECK;
void hdf5_index_fini(hdf5_index *index);
/* The chunk of that number, or NULL when it was never written. */
const hdf5_chunk *hdf5_index_find(const hdf5_index *index, int64_t number);

#endif
