/* The filter pipeline of HDF5 chunks: bytes as stored <-> elements. Knows nothing of files or of libhdf5. */
#ifndef TESSERA_STORE_HDF5_CHUNK_H
#define TESSERA_STORE_HDF5_CHUNK_H

#include "base/error.h"

enum { HDF5_MAX_FILTERS = 8 };

/* The numbers are those of the HDF5 format. */
typedef enum hdf5_filter { HDF5_DEFLATE = 1, HDF5_SHUFFLE = 2, HDF5_FLETCHER32 = 3 } hdf5_filter;

typedef struct hdf5_pipeline {
    int n;
    hdf5_filter filters[HDF5_MAX_FILTERS]; /* in the order of writing; at most one deflate */
    uint32_t element_bytes;                /* the shuffle's */
    int level;                             /* the deflate's, 1..9, for writing */
} hdf5_pipeline;

struct libdeflate_decompressor;
struct libdeflate_compressor;

/* A growing piece of scratch memory. */
typedef struct hdf5_scratch {
    char *data;
    size_t capacity;
} hdf5_scratch;

/* What one thread needs to code chunks. All-zero is ready to use. One thread at a time. */
typedef struct hdf5_coder {
    struct libdeflate_decompressor *inflater;
    struct libdeflate_compressor *deflater;
    int deflater_level;
    hdf5_scratch stored, half, whole;
    struct hdf5_coder *next; /* in the list of idle coders */
} hdf5_coder;

void hdf5_coder_fini(hdf5_coder *c);
/* At least `size` bytes, contents undefined. */
tsr_status hdf5_scratch_get(hdf5_scratch *s, size_t size, char **out) MUST_CHECK;

/* Undoes the filters on n_stored bytes; the result must be exactly n_out bytes. Bit i of filter_mask: filter i was skipped
 * when the chunk was written. `out` overlaps nothing. TSR_ERR_FORMAT when sizes, checksums or streams do not fit. */
tsr_status hdf5_chunk_decode(hdf5_coder *c, const hdf5_pipeline *p, uint32_t filter_mask, const void *stored, size_t n_stored,
                             void *out, size_t n_out) MUST_CHECK;
/* Can n_stored bytes hold a chunk of n_out bytes at all? False before anything of a hostile size is allocated. */
bool hdf5_chunk_plausible(const hdf5_pipeline *p, uint32_t filter_mask, uint64_t n_stored, uint64_t n_out);

/* Applies the filters. *stored points into the coder (or at raw, if nothing is to be done) and lives until its next use;
 * *filter_mask tells of a deflate that did not make the chunk smaller and was skipped. */
tsr_status hdf5_chunk_encode(hdf5_coder *c, const hdf5_pipeline *p, const void *raw, size_t n_raw, const void **stored,
                             size_t *n_stored, uint32_t *filter_mask) MUST_CHECK;

/* n / element_bytes elements: byte j of all elements stored together <-> elements. The odd bytes at the end are copied. */
void hdf5_unshuffle(const uint8_t *in, uint8_t *out, size_t n, size_t element_bytes);
void hdf5_shuffle(const uint8_t *in, uint8_t *out, size_t n, size_t element_bytes);
uint32_t hdf5_fletcher32(const uint8_t *data, size_t n);

#endif
