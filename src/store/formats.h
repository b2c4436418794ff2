/* Every format of stores, for the tables in store.c. */
#ifndef TESSERA_STORE_FORMATS_H
#define TESSERA_STORE_FORMATS_H

#include "store/store.h"

extern const store_ops hdf5_store_ops, jpeg_store_ops, netcdf3_store_ops, npy_store_ops, png_store_ops, tiff_store_ops;

/* netcdf3_writer_ops chooses among the other three by what the schema needs. */
extern const writer_ops netcdf3_writer_ops, netcdf3_classic_writer_ops, netcdf3_offset64_writer_ops, netcdf3_cdf5_writer_ops;
extern const writer_ops hdf5_writer_ops, npy_writer_ops;

#endif
