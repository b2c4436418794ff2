/* The libraries behind file formats, opened with the first file that needs them: every function and constant that is called. */
#include "store/calls.h"

#include "base/library.h"

/* clang-format off */
#define PNG_FUNCTIONS(X)                                                                                                         \
    X(png_create_info_struct) X(png_create_read_struct_2) X(png_destroy_read_struct) X(png_error) X(png_get_bit_depth)           \
    X(png_get_channels) X(png_get_error_ptr) X(png_get_image_height) X(png_get_image_width) X(png_get_interlace_type)            \
    X(png_get_io_ptr) X(png_get_mem_ptr) X(png_get_rowbytes) X(png_read_end) X(png_read_info) X(png_read_row)                    \
    X(png_read_update_info) X(png_set_expand) X(png_set_interlace_handling) X(png_set_read_fn) X(png_set_swap)

#define JPEG_FUNCTIONS(X)                                                                                                        \
    X(jpeg_CreateDecompress) X(jpeg_calc_output_dimensions) X(jpeg_destroy_decompress) X(jpeg_finish_decompress)                 \
    X(jpeg_read_header) X(jpeg_read_scanlines) X(jpeg_resync_to_restart) X(jpeg_start_decompress) X(jpeg_std_error)

#define TIFF_FUNCTIONS(X)                                                                                                        \
    X(TIFFClientOpenExt) X(TIFFClose) X(TIFFCurrentDirOffset) X(TIFFFindCODEC) X(TIFFGetField) X(TIFFGetFieldDefaulted)          \
    X(TIFFGetStrileByteCount) X(TIFFGetStrileOffset) X(TIFFIsByteSwapped) X(TIFFIsCODECConfigured) X(TIFFIsTiled)                \
    X(TIFFNumberOfStrips) X(TIFFNumberOfTiles) X(TIFFOpenOptionsAlloc) X(TIFFOpenOptionsFree)                                    \
    X(TIFFOpenOptionsSetErrorHandlerExtR) X(TIFFOpenOptionsSetMaxSingleMemAlloc) X(TIFFOpenOptionsSetWarningHandlerExtR)         \
    X(TIFFReadDirectory) X(TIFFReadEncodedStrip) X(TIFFReadEncodedTile) X(TIFFSetField) X(TIFFSetSubDirectory) X(TIFFTileSize64) \
    X(TIFFVStripSize64)

#define HDF5_FUNCTIONS(X)                                                                                                        \
    X(H5Aclose) X(H5Acreate2) X(H5Aexists) X(H5Aget_space) X(H5Aget_type) X(H5Aiterate2) X(H5Aopen) X(H5Aread) X(H5Awrite)       \
    X(H5Dclose) X(H5Dcreate2) X(H5Dget_create_plist) X(H5Dget_offset) X(H5Dget_space) X(H5Dget_storage_size) X(H5Dget_type)      \
    X(H5Dopen2) X(H5Dread) X(H5Dvlen_reclaim) X(H5Dwrite_chunk) X(H5Eclear2) X(H5Eget_auto2) X(H5Epush2) X(H5Eset_auto2)         \
    X(H5Ewalk2) X(H5FDregister) X(H5FDunregister) X(H5Fclose) X(H5Fcreate) X(H5Fflush) X(H5Fget_create_plist) X(H5Fopen)         \
    X(H5Gclose) X(H5Gcreate2) X(H5Gget_create_plist) X(H5Gopen2) X(H5Iget_type) X(H5Lexists) X(H5Literate) X(H5Oclose)           \
    X(H5Oget_info2) X(H5Oopen) X(H5Pclose) X(H5Pcreate) X(H5Pget_chunk) X(H5Pget_driver_info) X(H5Pget_external_count)           \
    X(H5Pget_filter2) X(H5Pget_layout) X(H5Pget_link_creation_order) X(H5Pget_nfilters) X(H5Pget_sizes) X(H5Pget_userblock)      \
    X(H5Pset_alloc_time) X(H5Pset_attr_creation_order) X(H5Pset_cache) X(H5Pset_char_encoding) X(H5Pset_chunk) X(H5Pset_deflate) \
    X(H5Pset_driver) X(H5Pset_fclose_degree) X(H5Pset_fill_time) X(H5Pset_fill_value) X(H5Pset_libver_bounds)                    \
    X(H5Pset_link_creation_order) X(H5Pset_shuffle) X(H5Rcreate) X(H5Sclose) X(H5Screate) X(H5Screate_simple)                    \
    X(H5Sget_simple_extent_dims) X(H5Sget_simple_extent_ndims) X(H5Sget_simple_extent_npoints) X(H5Sget_simple_extent_type)      \
    X(H5Sselect_hyperslab) X(H5Tclose) X(H5Tcopy) X(H5Tcreate) X(H5Tenum_valueof) X(H5Tequal) X(H5Tget_class)                    \
    X(H5Tget_member_name) X(H5Tget_member_offset) X(H5Tget_member_type) X(H5Tget_nmembers) X(H5Tget_offset) X(H5Tget_order)      \
    X(H5Tget_precision) X(H5Tget_sign) X(H5Tget_size) X(H5Tget_strpad) X(H5Tget_super) X(H5Tinsert) X(H5Tis_variable_str)        \
    X(H5Tset_cset) X(H5Tset_size) X(H5Tvlen_create) X(H5Zfilter_avail) X(H5check_version) X(H5dont_atexit) X(H5free_memory)      \
    X(H5get_libversion)

/* The library makes these when it starts: identifiers of types, of classes of properties, of errors. */
#define HDF5_VALUES(X)                                                                                                           \
    X(H5E_ERR_CLS_g) X(H5E_IO_g) X(H5E_WRITEERROR_g) X(H5P_CLS_ATTRIBUTE_CREATE_ID_g) X(H5P_CLS_DATASET_CREATE_ID_g)             \
    X(H5P_CLS_FILE_ACCESS_ID_g) X(H5P_CLS_FILE_CREATE_ID_g) X(H5P_CLS_GROUP_CREATE_ID_g) X(H5P_CLS_LINK_CREATE_ID_g)             \
    X(H5T_C_S1_g) X(H5T_IEEE_F32BE_g) X(H5T_IEEE_F32LE_g) X(H5T_IEEE_F64BE_g) X(H5T_IEEE_F64LE_g) X(H5T_NATIVE_INT_g)            \
    X(H5T_STD_I16BE_g) X(H5T_STD_I16LE_g) X(H5T_STD_I32BE_g) X(H5T_STD_I32LE_g) X(H5T_STD_I64BE_g) X(H5T_STD_I64LE_g)            \
    X(H5T_STD_I8LE_g) X(H5T_STD_REF_OBJ_g) X(H5T_STD_U16BE_g) X(H5T_STD_U16LE_g) X(H5T_STD_U32BE_g) X(H5T_STD_U32LE_g)           \
    X(H5T_STD_U64BE_g) X(H5T_STD_U64LE_g) X(H5T_STD_U8LE_g)
/* clang-format on */

LIBRARY(png_calls_open, LIBRARY_PNG, PNG_FUNCTIONS)
LIBRARY(jpeg_calls_open, LIBRARY_JPEG, JPEG_FUNCTIONS)
LIBRARY(tiff_calls_open, LIBRARY_TIFF, TIFF_FUNCTIONS)

#ifdef LATE_LIBRARIES

/* Of the types that <hdf5.h> gives them, without its declarations, which make everything visible: hid_t is an int64_t, herr_t an
 * int. */
#define VALUE(name)                                                                                                              \
    int64_t name;                                                                                                                \
    static void *where_##name;
#define WHERE(name) {#name, &where_##name},
#define COPY(name) name = *(const int64_t *)where_##name;

HDF5_FUNCTIONS(LIBRARY_JUMP)
HDF5_VALUES(VALUE)
static void *library_H5open;

tsr_status hdf5_calls_open(void)
{
    static const library_symbol symbols[] = {HDF5_FUNCTIONS(LIBRARY_SYMBOL) HDF5_VALUES(WHERE){"H5open", &library_H5open}};
    static library l = {LIBRARY_HDF5, symbols, sizeof symbols / sizeof *symbols, false, PTHREAD_MUTEX_INITIALIZER};
    return library_open(&l);
}

/* The macros of <hdf5.h> call this before each of the values. Under the lock of hdf5_lib.c, as all that is HDF5's. */
int H5open(void);
int H5open(void)
{
    if (hdf5_calls_open() != TSR_OK) return -1;
    int result = ((int (*)(void))library_H5open)();
    HDF5_VALUES(COPY)
    return result;
}

#else

tsr_status hdf5_calls_open(void) { return TSR_OK; }

#endif
