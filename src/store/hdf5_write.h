/* What the writer of NetCDF-4 files keeps, and the making of its header. */
#ifndef TESSERA_STORE_HDF5_WRITE_H
#define TESSERA_STORE_HDF5_WRITE_H

#include "store/hdf5_cache.h"
#include "store/hdf5_driver.h"
#include "store/hdf5_lib.h"

typedef struct hdf5_write_var {
    hid_t dataset; /* -1 until made */
    bool is_chunked;
    uint64_t offset; /* contiguous: where the data begins in the file */
    size_t chunk_bytes;
    hdf5_pipeline pipeline;
    unsigned char fill[16]; /* for the parts of chunks that stick out of the array */
} hdf5_write_var;

/* store_writer.format_data. Immutable after creation; `file` and the datasets are used inside library sections only. */
typedef struct hdf5_writing {
    hid_t file;         /* -1: not open */
    hdf5_target target; /* its descriptor, -1: not open; contiguous arrays are written through it, without the library */
    hdf5_cache *cache;
    hdf5_write_var *vars;
} hdf5_writing;

/* Makes dimensions, variables and attributes in the open file, and decides chunks (hdf5_schema.c). Inside a section. */
tsr_status hdf5_schema_write(store_writer *w, const store_schema *schema) MUST_CHECK;

#endif
