/* What the reader of HDF5 files keeps beside a store and its variables. */
#ifndef TESSERA_STORE_HDF5_FILE_H
#define TESSERA_STORE_HDF5_FILE_H

#include "store/hdf5_cache.h"
#include "store/hdf5_index.h"
#include "store/hdf5_lib.h"

#include <pthread.h>
#include <stdatomic.h>

/* store.format_data. Immutable after opening, but for what `loading` guards. */
typedef struct hdf5_file {
    int offset_bytes, length_bytes;
    uint64_t base; /* length of the user block */
    hdf5_cache *cache;
    pthread_mutex_t loading; /* held by a thread that reads a variable's index */
} hdf5_file;

/* store_var.format_data. */
typedef struct hdf5_var {
    char *path; /* in the file, as the library wants it */
    hdf5_type type;
    uint64_t header; /* address of the object header */
    uint32_t item_bytes;
    bool needs_library; /* our own code cannot decode it */
    int missing_filter; /* a filter that only the library may have; 0: none */
    bool is_chunked;
    hdf5_pipeline pipeline;
    int64_t extent[TSR_MAX_NDIM];     /* of the dataset: shorter than the variable where an unlimited dimension has grown since */
    int64_t max_extent[TSR_MAX_NDIM]; /* -1: unlimited */
    int64_t chunk[TSR_MAX_NDIM];      /* what a chunk's array is; the extent where the layout is contiguous */
    _Atomic(hdf5_index *) index;      /* NULL until first needed */
} hdf5_var;

/* Reads all metadata (hdf5_open.c). Inside a library section. */
tsr_status hdf5_metadata_read(store *s, hid_t h5) MUST_CHECK;
/* Attributes of an object as netCDF shows them (hdf5_attr.c). Counts and arrays are also set on failure. Inside a section. */
tsr_status hdf5_attrs_read(hid_t object, store_attr **attrs, int *n_attrs) MUST_CHECK;
/* The text of a string attribute; "" when there is none of that name and kind. */
tsr_status hdf5_attr_text(hid_t object, const char *name, char *text, size_t size) MUST_CHECK;
/* Names that netCDF keeps for itself. */
bool hdf5_attr_is_reserved(const char *name);
/* Reads a region, clipped to the extent already, through the library into a dense block (hdf5_library.c). Takes the lock. */
tsr_status hdf5_library_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out) MUST_CHECK;

#endif
