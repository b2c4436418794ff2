/* Reading through libhdf5, under its lock: what our own code does not decode (other filters, virtual datasets, data in
 * external files, conversions of odd types, layouts older than HDF5 1.6.3). Opens the file for each call, so that stores
 * hold no descriptors; such reads are slow anyway. */
#include "block/dtype.h"
#include "store/hdf5_file.h"

/* The library finds plugins only when asked. */
static tsr_status check_filter(const hdf5_var *v, const char *compression)
{
    if (v->missing_filter == 0 || H5Zfilter_avail(v->missing_filter) > 0) return TSR_OK;
    H5Eclear2(H5E_DEFAULT);
    return error_set(TSR_ERR_UNSUPPORTED,
                     "it is compressed with filter %d (%s), which neither Tessera nor this HDF5 library decodes; h5repack can "
                     "rewrite the file with deflate",
                     v->missing_filter, compression ? compression : "unknown");
}

static tsr_status read_selected(hid_t dataset, hid_t type, const box *region, const int64_t *step, void *out)
{
    hsize_t start[TSR_MAX_NDIM], count[TSR_MAX_NDIM], stride[TSR_MAX_NDIM];
    for (int d = 0; d < region->ndim; d++) {
        start[d] = (hsize_t)region->start[d];
        count[d] = (hsize_t)region->count[d];
        stride[d] = (hsize_t)step[d];
    }
    hid_t file_space = H5Dget_space(dataset);
    hid_t memory_space = region->ndim > 0 ? H5Screate_simple(region->ndim, count, NULL) : H5Screate(H5S_SCALAR);
    bool ok = file_space >= 0 && memory_space >= 0;
    if (ok && region->ndim > 0) ok = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, stride, count, NULL) >= 0;
    if (ok) ok = H5Dread(dataset, type, memory_space, file_space, H5P_DEFAULT, out) >= 0;
    tsr_status status = ok ? TSR_OK : hdf5_lib_error(TSR_ERR_FORMAT, "cannot read the data");
    if (memory_space >= 0) H5Sclose(memory_space);
    if (file_space >= 0) H5Sclose(file_space);
    return status;
}

static tsr_status read_locked(store *s, const store_var *var, const box *region, const int64_t *step, void *out)
{
    const hdf5_var *v = var->format_data;
    TRY(check_filter(v, var->compression));
    hid_t file, dataset = -1, type = -1;
    TRY(hdf5_lib_open(s->path, &file));
    tsr_status status;
    if ((dataset = H5Dopen2(file, v->path, H5P_DEFAULT)) < 0)
        GUARD(hdf5_lib_error(TSR_ERR_FORMAT, "cannot open the array again"));
    /* Bits and enumerations convert to nothing else: the file's own type. */
    type = v->type.exact ? H5Dget_type(dataset) : hdf5_type_make(var->dtype, false);
    if (type < 0 || H5Tget_size(type) != tsr_dtype_size(var->dtype)) {
        GUARD(error_set(TSR_ERR_FORMAT, "the array has another type than when the file was opened"));
    }
    GUARD(read_selected(dataset, type, region, step, out));
done:
    if (type >= 0) H5Tclose(type);
    if (dataset >= 0) H5Dclose(dataset);
    H5Fclose(file);
    return status;
}

tsr_status hdf5_library_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out)
{
    hdf5_section section;
    TRY(hdf5_lib_enter(&section));
    tsr_status status = read_locked(s, var, region, step, out);
    hdf5_lib_leave(&section);
    return status;
}
