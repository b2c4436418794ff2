/* What the tests of HDF5 share: our reading compared with the library's own, variable by variable. */
#ifndef TESSERA_STORE_HDF5_TESTING_H
#define TESSERA_STORE_HDF5_TESTING_H

#include "store/store_testing.h"

#include "store/hdf5_file.h"

/* All values of a variable as the library reads them, in native order; from malloc. Only what is inside the dataset's
 * extent. */
static inline char *library_values(const char *path, const store_var *var)
{
    const hdf5_var *v = var->format_data;
    size_t n = (size_t)shape_size(var->ndim, v->extent) * tsr_dtype_size(var->dtype);
    char *values = calloc(1, n + 1);
    hdf5_section section;
    assert_ok(hdf5_lib_enter(&section));
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, v->path, H5P_DEFAULT);
    hid_t file_type = H5Dget_type(dataset);
    H5T_class_t class = H5Tget_class(file_type);
    hid_t type = class == H5T_ENUM || class == H5T_BITFIELD ? H5Tcopy(file_type) : hdf5_type_make(var->dtype, false);
    herr_t read = n > 0 ? H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) : 0;
    if (read < 0) H5Eprint2(H5E_DEFAULT, stderr);
    H5Tclose(type);
    H5Tclose(file_type);
    H5Dclose(dataset);
    H5Fclose(file);
    hdf5_lib_leave(&section);
    assert_true(read >= 0);
    return values;
}

/* The whole and random regions of a variable. Its extent must be its shape. */
static inline void check_var(store *s, const char *path, const store_var *var, int n_tries)
{
    size_t item = tsr_dtype_size(var->dtype), n = (size_t)shape_size(var->ndim, var->shape) * item;
    char *expected = library_values(path, var), *got = malloc(n + 1), *part = malloc(n + 1);
    uint64_t seed = 7;
    box all = box_of_shape(var->ndim, var->shape);
    if (n > 0) {
        read_native(s, var, &all, NULL, got);
        if (memcmp(got, expected, n) != 0) fail_msg("%s: '%s' differs from what the library reads", path, var->name);
    }
    for (int i = 0; i < n_tries && n > 0; i++) {
        box r = {.ndim = var->ndim};
        int64_t step[TSR_MAX_NDIM];
        for (int d = 0; d < var->ndim; d++) {
            uint64_t kind = test_random(&seed) % 4;
            r.start[d] = kind == 0 ? 0 : (int64_t)(test_random(&seed) % (uint64_t)var->shape[d]);
            step[d] = kind <= 1 ? 1 : 1 + (int64_t)(test_random(&seed) % (uint64_t)(kind == 2 ? 3 : var->shape[d]));
            int64_t fit = (var->shape[d] - r.start[d] - 1) / step[d] + 1;
            r.count[d] = kind == 0 ? fit : 1 + (int64_t)(test_random(&seed) % (uint64_t)fit);
        }
        read_native(s, var, &r, step, got);
        copy_region(expected, var, &r, step, part);
        if (memcmp(got, part, (size_t)box_size(&r) * item) != 0) fail_msg("%s: a region of '%s' differs", path, var->name);
    }
    free(expected);
    free(got);
    free(part);
}

static inline void check_file(const char *path, int n_tries)
{
    store *s;
    assert_ok(store_open(path, &s));
    assert_true(s->n_vars > 0);
    for (int i = 0; i < s->n_vars; i++)
        if (!s->vars[i].is_text) check_var(s, path, &s->vars[i], n_tries);
    store_unref(s);
}

#endif
