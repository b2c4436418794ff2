/* Attributes of HDF5 objects -> store_attr. Called inside a library section (see hdf5_lib.c), at opening only.
 *
 * What has no place in store_attr (compounds other than complex numbers, references, opaque bytes, arrays of variable
 * length) is left out. Several strings become one text, separated by ", ". */
#include "base/mem.h"
#include "base/strbuf.h"
#include "block/dtype.h"
#include "store/hdf5_file.h"

#include <stdio.h>
#include <string.h>

enum { MAX_ATTR_BYTES = 64 << 20 };

bool hdf5_attr_is_reserved(const char *name)
{
    static const char *const reserved[] = {"CLASS",         "NAME",        "DIMENSION_LIST",      "REFERENCE_LIST",
                                           "_Netcdf4Dimid", "_nc3_strict", "_Netcdf4Coordinates", "_NCProperties"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(name, reserved[i]) == 0) return true;
    return false;
}

/* A fixed-length string of `size` bytes without its padding. */
static size_t trimmed_length(const char *text, size_t size, H5T_str_t padding)
{
    size_t n = strnlen(text, size);
    while (padding == H5T_STR_SPACEPAD && n > 0 && text[n - 1] == ' ') n--;
    return n;
}

static tsr_status fixed_text_read(hid_t attr, hid_t type, int64_t n, strbuf *out)
{
    size_t size = H5Tget_size(type);
    char *data = mem_alloc((size_t)n * size);
    if (!data) return TSR_ERR_MEMORY;
    if (H5Aread(attr, type, data) < 0) {
        mem_free(data);
        return hdf5_lib_error(TSR_ERR_FORMAT, "cannot read a text attribute");
    }
    H5T_str_t padding = H5Tget_strpad(type);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && size > 1) strbuf_add(out, ", "); /* an array of single characters is one text */
        const char *text = data + (size_t)i * size;
        strbuf_addn(out, text, trimmed_length(text, size, padding));
    }
    mem_free(data);
    return TSR_OK;
}

static tsr_status variable_text_read(hid_t attr, hid_t type, hid_t space, int64_t n, strbuf *out)
{
    char **texts = mem_calloc((size_t)n, sizeof *texts);
    if (!texts) return TSR_ERR_MEMORY;
    tsr_status status = TSR_OK;
    if (H5Aread(attr, type, texts) < 0) {
        status = hdf5_lib_error(TSR_ERR_FORMAT, "cannot read a text attribute");
    } else {
        for (int64_t i = 0; i < n; i++) {
            if (i > 0) strbuf_add(out, ", ");
            if (texts[i]) strbuf_add(out, texts[i]);
        }
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
    }
    mem_free(texts);
    return status;
}

static tsr_status text_read(hid_t attr, hid_t type, hid_t space, int64_t n, char **out)
{
    strbuf b = {0};
    tsr_status status = TSR_OK;
    if (n > 0) {
        status = H5Tis_variable_str(type) > 0 ? variable_text_read(attr, type, space, n, &b) : fixed_text_read(attr, type, n, &b);
    }
    if (status == TSR_OK && !(*out = strbuf_take(&b))) status = TSR_ERR_MEMORY;
    strbuf_fini(&b);
    return status;
}

static tsr_status numbers_read(hid_t attr, hid_t file_type, const hdf5_type *described, int64_t n, store_attr *out)
{
    /* The library converts to native order, but for enumerations and bit fields, which are read as what they are. */
    out->dtype = described->dtype;
    out->n_values = n;
    out->values = mem_calloc((size_t)n + (n == 0), tsr_dtype_size(out->dtype));
    if (!out->values) return TSR_ERR_MEMORY;
    if (n == 0) return TSR_OK;
    H5T_class_t class = H5Tget_class(file_type);
    hid_t type = class == H5T_ENUM || class == H5T_BITFIELD ? H5Tcopy(file_type) : hdf5_type_make(out->dtype, false);
    herr_t read = type < 0 ? -1 : H5Aread(attr, type, out->values);
    if (type >= 0) H5Tclose(type);
    if (read < 0) return hdf5_lib_error(TSR_ERR_FORMAT, "cannot read a numeric attribute");
    return TSR_OK;
}

static int64_t n_points(hid_t space)
{
    if (H5Sget_simple_extent_type(space) == H5S_NULL) return 0;
    return H5Sget_simple_extent_npoints(space);
}

/* *keep: false for an attribute that store_attr cannot hold. */
static tsr_status value_read(hid_t attr, hid_t type, hid_t space, store_attr *out, bool *keep)
{
    int64_t n = n_points(space);
    hdf5_type described = hdf5_type_describe(type);
    H5T_class_t class = H5Tget_class(type);
    *keep = described.kind != HDF5_OTHER && !((class == H5T_ENUM || class == H5T_BITFIELD) && described.swapped);
    if (!*keep) return TSR_OK;
    size_t size = H5Tget_size(type);
    if (n < 0 || size == 0 || (uint64_t)n > MAX_ATTR_BYTES / size) {
        return error_set(TSR_ERR_FORMAT, "it has %lld values of %zu bytes", (long long)n, size);
    }
    return described.kind == HDF5_TEXT ? text_read(attr, type, space, n, &out->text)
                                       : numbers_read(attr, type, &described, n, out);
}

static tsr_status attr_read(hid_t object, const char *name, store_attr *out, bool *keep)
{
    hid_t attr = H5Aopen(object, name, H5P_DEFAULT), type = -1, space = -1;
    tsr_status status;
    if (attr < 0 || (type = H5Aget_type(attr)) < 0 || (space = H5Aget_space(attr)) < 0) {
        GUARD(hdf5_lib_error(TSR_ERR_FORMAT, "cannot be opened"));
    }
    GUARD(value_read(attr, type, space, out, keep));
    if (*keep && !(out->name = mem_strdup(name))) status = TSR_ERR_MEMORY;
done:
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attr >= 0) H5Aclose(attr);
    if (status != TSR_OK || !*keep) {
        mem_free(out->text);
        mem_free(out->values);
        *out = (store_attr){0};
    }
    return status;
}

typedef struct name_list {
    VEC(char *) names;
    bool no_memory;
} name_list;

static herr_t collect_name(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    name_list *list = context;
    if (hdf5_attr_is_reserved(name)) return 0;
    char *copy = mem_strdup(name);
    if (copy && VEC_PUSH(&list->names, copy)) return 0;
    mem_free(copy);
    list->no_memory = true;
    return -1;
}

static void names_fini(name_list *list)
{
    for (size_t i = 0; i < list->names.n; i++) mem_free(list->names.items[i]);
    VEC_FINI(&list->names);
}

/* In the order of creation, or by name where the file does not know that. */
static tsr_status names_collect(hid_t object, name_list *list)
{
    static const H5_index_t orders[] = {H5_INDEX_CRT_ORDER, H5_INDEX_NAME};
    for (int i = 0; i < 2; i++) {
        hsize_t at = 0;
        if (H5Aiterate2(object, orders[i], H5_ITER_INC, &at, collect_name, list) >= 0) return TSR_OK;
        H5Eclear2(H5E_DEFAULT);
        if (list->no_memory) return TSR_ERR_MEMORY;
        names_fini(list);
    }
    return hdf5_lib_error(TSR_ERR_FORMAT, "cannot list the attributes");
}

tsr_status hdf5_attrs_read(hid_t object, store_attr **attrs, int *n_attrs)
{
    name_list list = {0};
    tsr_status status;
    GUARD(names_collect(object, &list));
    *attrs = mem_calloc(list.names.n + 1, sizeof **attrs);
    if (!*attrs) GUARD(TSR_ERR_MEMORY);
    for (size_t i = 0; i < list.names.n; i++) {
        bool keep = false;
        if ((status = attr_read(object, list.names.items[i], &(*attrs)[*n_attrs], &keep)) != TSR_OK) {
            status = error_prefix("attribute '%s'", list.names.items[i]);
            goto done;
        }
        *n_attrs += keep;
    }
done:
    names_fini(&list);
    return status;
}

tsr_status hdf5_attr_text(hid_t object, const char *name, char *text, size_t size)
{
    text[0] = '\0';
    if (H5Aexists(object, name) <= 0) return TSR_OK;
    hid_t attr = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attr < 0 ? -1 : H5Aget_type(attr), space = attr < 0 ? -1 : H5Aget_space(attr);
    tsr_status status = TSR_OK;
    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && n_points(space) == 1 && H5Tget_size(type) <= 4096) {
        char *value = NULL;
        status = text_read(attr, type, space, 1, &value);
        if (status == TSR_OK) snprintf(text, size, "%s", value);
        mem_free(value);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attr >= 0) H5Aclose(attr);
    return status;
}
