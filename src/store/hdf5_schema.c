/* The header of a NetCDF-4 file, so that netCDF, CDO and xarray see named dimensions, coordinate variables and attributes
 * (NetCDF-4 file format specification; HDF5 Dimension Scales specification).
 *
 * A dimension is a dimension scale: its coordinate variable, if there is one, or else a dataset without data that netCDF
 * knows by its NAME. A variable refers to its scales in DIMENSION_LIST, a scale to the variables in REFERENCE_LIST. These
 * attributes are written here once each; the high-level library rewrites a list for every attachment.
 *
 * Runs inside one library section. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/hdf5_file.h"
#include "store/hdf5_write.h"

#include <stdio.h>
#include <string.h>

enum { AUTO_CHUNK_BYTES = 1 << 20, MAX_WHOLE_BYTES = 4 << 20, EMPTY_CHUNK = 1024 };

/* What the scales and variables are in the file. */
typedef struct scale_ref {
    char *path;
    int var; /* the coordinate variable; -1: a dimension without one */
    hobj_ref_t ref;
} scale_ref;

typedef struct maker {
    store_writer *w;
    const store_schema *schema;
    hid_t file, link_plist, attr_plist;
    scale_ref *scales; /* per dimension */
    char **paths;      /* per variable */
} maker;

/* ---- Chunks ------------------------------------------------------------------------------------------------------- */

/* About 1 MiB: planes of the last two dimensions, whole if they are small, else cut into strips of rows; several planes in a
 * chunk if they are very small. */
static void auto_chunk(int ndim, const int64_t *shape, size_t item_bytes, int64_t *chunk)
{
    int64_t left = AUTO_CHUNK_BYTES / (int64_t)item_bytes;
    for (int d = ndim - 1; d >= 0; d--) {
        int64_t length = shape[d] > 0 ? shape[d] : EMPTY_CHUNK;
        if (length <= left) {
            chunk[d] = length;
        } else {
            /* Pieces of nearly equal length; of a row longer than that, or of planes, as many as fit. */
            int64_t n_pieces = left > 0 ? (length - 1) / left + 1 : length;
            chunk[d] = (length - 1) / n_pieces + 1;
        }
        left /= chunk[d];
    }
}

static bool has_unlimited(const store_schema *schema, const store_var *var)
{
    for (int d = 0; d < var->ndim; d++)
        if (schema->dims[var->dims[d]].is_unlimited) return true;
    return false;
}

/* A chunk given as the whole of a large array is no wish but the grid of an array without chunks. */
static bool chunk_is_given(const store_var *var)
{
    bool whole = true;
    for (int d = 0; d < var->ndim; d++) {
        if (var->chunk[d] < 1) return false;
        whole &= var->chunk[d] >= var->shape[d];
    }
    return !whole || shape_size(var->ndim, var->shape) * (int64_t)tsr_dtype_size(var->dtype) <= MAX_WHOLE_BYTES;
}

static tsr_status decide_chunks(const store_schema *schema, const store_var *from, store_var *to, hdf5_write_var *v)
{
    size_t item_bytes = tsr_dtype_size(from->dtype);
    bool given = chunk_is_given(from), whole = true, empty = shape_size(from->ndim, from->shape) == 0;
    for (int d = 0; d < from->ndim; d++) whole &= from->chunk[d] < 1 || from->chunk[d] >= from->shape[d];
    bool unlimited = has_unlimited(schema, from);
    v->is_chunked = from->ndim > 0 && (unlimited || (!empty && (schema->deflate_level > 0 || (given && !whole))));
    memcpy(to->chunk, from->shape, sizeof to->chunk);
    if (!v->is_chunked) return TSR_OK;
    auto_chunk(from->ndim, from->shape, item_bytes, to->chunk);
    v->chunk_bytes = item_bytes;
    for (int d = 0; d < from->ndim; d++) {
        if (given) to->chunk[d] = from->chunk[d] < from->shape[d] || from->shape[d] == 0 ? from->chunk[d] : from->shape[d];
        if (__builtin_mul_overflow(v->chunk_bytes, (size_t)to->chunk[d], &v->chunk_bytes) || v->chunk_bytes > UINT32_MAX) {
            char text[200];
            return error_set(TSR_ERR_VALUE, "chunks of %s elements are larger than the 4 GiB that HDF5 allows",
                             shape_format(from->ndim, from->chunk, text, sizeof text));
        }
    }
    return TSR_OK;
}

/* ---- Attributes --------------------------------------------------------------------------------------------------- */

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 127) return false;
    return true;
}

/* Takes over `type` and `space`: closes them. data may be NULL (nothing is written). */
static tsr_status attr_make(const maker *m, hid_t object, const char *name, hid_t type, hid_t space, const void *data)
{
    hid_t attr = type < 0 || space < 0 ? -1 : H5Acreate2(object, name, type, space, m->attr_plist, H5P_DEFAULT);
    bool ok = attr >= 0 && (!data || H5Awrite(attr, type, data) >= 0);
    if (attr >= 0) H5Aclose(attr);
    tsr_status status = ok ? TSR_OK : hdf5_lib_error(TSR_ERR_IO, "cannot write attribute '%s'", name);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

static hid_t simple_space(int64_t n)
{
    hsize_t count = (hsize_t)n;
    return n > 0 ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_NULL);
}

/* As netCDF writes text: one string of fixed length, without an end mark. */
static tsr_status text_make(const maker *m, hid_t object, const char *name, const char *text)
{
    size_t n = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) {
        H5Tset_size(type, n > 0 ? n : 1);
        H5Tset_cset(type, is_ascii(text) ? H5T_CSET_ASCII : H5T_CSET_UTF8);
    }
    return attr_make(m, object, name, type, H5Screate(n > 0 ? H5S_SCALAR : H5S_NULL), n > 0 ? text : NULL);
}

/* The strings of the Dimension Scales specification end with a zero byte. */
static tsr_status marker_make(const maker *m, hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) H5Tset_size(type, strlen(text) + 1);
    return attr_make(m, object, name, type, H5Screate(H5S_SCALAR), text);
}

static tsr_status attrs_make(const maker *m, hid_t object, const store_attr *attrs, int n)
{
    for (int i = 0; i < n; i++) {
        const store_attr *a = &attrs[i];
        if (hdf5_attr_is_reserved(a->name)) {
            return error_set(TSR_ERR_VALUE, "the attribute name '%s' is reserved in NetCDF-4 files; rename or drop it", a->name);
        }
        if (a->text) {
            TRY(text_make(m, object, a->name, a->text));
        } else {
            TRY(attr_make(m, object, a->name, hdf5_type_make(a->dtype, false), simple_space(a->n_values),
                          a->n_values > 0 ? a->values : NULL));
        }
    }
    return TSR_OK;
}

/* ---- Names and groups --------------------------------------------------------------------------------------------- */

static int coordinate_var(const store_schema *schema, int dim)
{
    for (int i = 0; i < schema->n_vars; i++) {
        const store_var *var = &schema->vars[i];
        if (var->ndim > 0 && var->dims[0] == dim && strcmp(var->name, schema->dims[dim].name) == 0) return i;
    }
    return -1;
}

/* A variable that is called like a dimension, but is not its coordinate, is stored under another name, which netCDF knows. */
static char *var_path(const maker *m, int i)
{
    const char *name = m->schema->vars[i].name;
    for (int k = 0; k < m->schema->n_dims; k++) {
        if (m->scales[k].var == i || strcmp(m->schema->dims[k].name, name) != 0) continue;
        const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
        return mem_printf("%.*s_nc4_non_coord_%s", (int)(last - name), name, last);
    }
    return mem_strdup(name);
}

/* Makes the groups that a path names, with the order of creation recorded. */
static tsr_status groups_make(const maker *m, const char *path)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        char *group = mem_printf("%.*s", (int)(slash - path), path);
        if (!group) return TSR_ERR_MEMORY;
        hid_t plist = -1, id = -1;
        if (*group && H5Lexists(m->file, group, H5P_DEFAULT) <= 0) {
            plist = H5Pcreate(H5P_GROUP_CREATE);
            H5Pset_link_creation_order(plist, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
            id = H5Gcreate2(m->file, group, m->link_plist, plist, H5P_DEFAULT);
            if (plist >= 0) H5Pclose(plist);
        } else {
            id = 0;
        }
        tsr_status status = id < 0 ? hdf5_lib_error(TSR_ERR_IO, "cannot make group '%s'", group) : TSR_OK;
        if (id > 0) H5Gclose(id);
        mem_free(group);
        TRY(status);
    }
    return TSR_OK;
}

/* ---- Datasets ----------------------------------------------------------------------------------------------------- */

static tsr_status scale_mark(const maker *m, hid_t dataset, int dim, const char *name)
{
    TRY(marker_make(m, dataset, "CLASS", "DIMENSION_SCALE"));
    TRY(marker_make(m, dataset, "NAME", name));
    return attr_make(m, dataset, "_Netcdf4Dimid", H5Tcopy(H5T_NATIVE_INT), H5Screate(H5S_SCALAR), &dim);
}

/* A dimension without a coordinate variable: a dataset of its length that never gets data. */
static tsr_status dim_make(const maker *m, int k)
{
    const store_dim *dim = &m->schema->dims[k];
    hsize_t length = (hsize_t)dim->length, most = dim->is_unlimited ? H5S_UNLIMITED : length, chunk = EMPTY_CHUNK;
    TRY(groups_make(m, dim->name));
    hid_t space = H5Screate_simple(1, &length, &most), plist = H5Pcreate(H5P_DATASET_CREATE);
    if (plist >= 0) H5Pset_attr_creation_order(plist, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    if (plist >= 0 && dim->is_unlimited) H5Pset_chunk(plist, 1, &chunk);
    hid_t dataset =
        space < 0 || plist < 0 ? -1 : H5Dcreate2(m->file, dim->name, H5T_IEEE_F32BE, space, m->link_plist, plist, H5P_DEFAULT);
    tsr_status status;
    char name[96];
    snprintf(name, sizeof name, "This is a netCDF dimension but not a netCDF variable.%10lld", (long long)dim->length);
    if (dataset < 0) GUARD(hdf5_lib_error(TSR_ERR_IO, "cannot make dimension '%s'", dim->name));
    GUARD(scale_mark(m, dataset, k, name));
done:
    if (dataset >= 0) H5Dclose(dataset);
    if (plist >= 0) H5Pclose(plist);
    if (space >= 0) H5Sclose(space);
    return status;
}

/* netCDF's fill value is also the dataset's, if it has the variable's dtype. */
static void fill_set(hid_t plist, const store_var *from, hid_t type, hdf5_write_var *v)
{
    for (int i = 0; i < from->n_attrs; i++) {
        const store_attr *a = &from->attrs[i];
        bool same = a->dtype == from->dtype || (from->dtype == TSR_BOOL && a->dtype == TSR_I8);
        if (strcmp(a->name, "_FillValue") != 0 || a->text || a->n_values != 1 || !same) continue;
        H5Pset_fill_value(plist, type, a->values);
        memcpy(v->fill, a->values, tsr_dtype_size(from->dtype));
    }
}

static hid_t var_plist(const store_schema *schema, const store_var *from, const store_var *to, hid_t type, hdf5_write_var *v)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (plist < 0) return plist;
    H5Pset_attr_creation_order(plist, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    fill_set(plist, from, type, v);
    /* Every element will be written: the library need not. */
    H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
    if (!v->is_chunked) {
        H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
        return plist;
    }
    hsize_t chunk[TSR_MAX_NDIM];
    for (int d = 0; d < to->ndim; d++) chunk[d] = (hsize_t)to->chunk[d];
    H5Pset_chunk(plist, to->ndim, chunk);
    if (schema->deflate_level == 0) return plist;
    v->pipeline.level = schema->deflate_level > 9 ? 9 : schema->deflate_level;
    v->pipeline.element_bytes = (uint32_t)tsr_dtype_size(from->dtype);
    if (schema->shuffle && v->pipeline.element_bytes > 1) {
        H5Pset_shuffle(plist);
        v->pipeline.filters[v->pipeline.n++] = HDF5_SHUFFLE;
    }
    H5Pset_deflate(plist, (unsigned)v->pipeline.level);
    v->pipeline.filters[v->pipeline.n++] = HDF5_DEFLATE;
    return plist;
}

static tsr_status dataset_make(const maker *m, int i)
{
    const store_var *from = &m->schema->vars[i];
    store_var *to = &m->w->vars[i];
    hdf5_write_var *v = &((hdf5_writing *)m->w->format_data)->vars[i];
    if (from->is_text) return error_set(TSR_ERR_UNSUPPORTED, "text variables are not written");
    TRY(decide_chunks(m->schema, from, to, v));
    TRY(groups_make(m, m->paths[i]));
    hsize_t extent[TSR_MAX_NDIM], most[TSR_MAX_NDIM];
    for (int d = 0; d < from->ndim; d++) {
        extent[d] = (hsize_t)from->shape[d];
        most[d] = m->schema->dims[from->dims[d]].is_unlimited ? H5S_UNLIMITED : extent[d];
    }
    hid_t type = hdf5_type_make(from->dtype, false);
    hid_t space = from->ndim > 0 ? H5Screate_simple(from->ndim, extent, most) : H5Screate(H5S_SCALAR);
    hid_t plist = var_plist(m->schema, from, to, type, v);
    if (type >= 0 && space >= 0 && plist >= 0)
        v->dataset = H5Dcreate2(m->file, m->paths[i], type, space, m->link_plist, plist, H5P_DEFAULT);
    tsr_status status = v->dataset < 0 ? hdf5_lib_error(TSR_ERR_IO, "cannot be made") : TSR_OK;
    if (status == TSR_OK && !v->is_chunked && shape_size(from->ndim, from->shape) > 0) {
        v->offset = H5Dget_offset(v->dataset);
        if (v->offset == HADDR_UNDEF) status = hdf5_lib_error(TSR_ERR_IO, "no space was allocated");
    }
    if (plist >= 0) H5Pclose(plist);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

static bool has_attr(const store_var *var, const char *name)
{
    for (int i = 0; i < var->n_attrs; i++)
        if (strcmp(var->attrs[i].name, name) == 0) return true;
    return false;
}

static tsr_status var_make(const maker *m, int i)
{
    const store_var *from = &m->schema->vars[i];
    TRY(dataset_make(m, i));
    hid_t dataset = ((hdf5_writing *)m->w->format_data)->vars[i].dataset;
    for (int k = 0; k < m->schema->n_dims; k++) {
        if (m->scales[k].var != i) continue;
        const char *slash = strrchr(from->name, '/');
        TRY(scale_mark(m, dataset, k, slash ? slash + 1 : from->name));
        if (from->ndim > 1)
            TRY(attr_make(m, dataset, "_Netcdf4Coordinates", H5Tcopy(H5T_NATIVE_INT), simple_space(from->ndim), from->dims));
    }
    TRY(attrs_make(m, dataset, from->attrs, from->n_attrs));
    /* netCDF has no bool; xarray writes this beside the bytes, and reads it. */
    if (from->dtype == TSR_BOOL && !has_attr(from, "dtype")) TRY(text_make(m, dataset, "dtype", "bool"));
    return TSR_OK;
}

/* ---- References --------------------------------------------------------------------------------------------------- */

static bool is_scale(const maker *m, int i)
{
    for (int k = 0; k < m->schema->n_dims; k++)
        if (m->scales[k].var == i) return true;
    return false;
}

/* DIMENSION_LIST of a variable: per axis a list with its one scale. */
static tsr_status dimension_list_make(const maker *m, int i)
{
    const store_var *from = &m->schema->vars[i];
    if (from->ndim == 0 || is_scale(m, i)) return TSR_OK;
    hvl_t lists[TSR_MAX_NDIM];
    for (int d = 0; d < from->ndim; d++) lists[d] = (hvl_t){.len = 1, .p = &m->scales[from->dims[d]].ref};
    return attr_make(m, ((hdf5_writing *)m->w->format_data)->vars[i].dataset, "DIMENSION_LIST", H5Tvlen_create(H5T_STD_REF_OBJ),
                     simple_space(from->ndim), lists);
}

typedef struct back_reference {
    hobj_ref_t dataset;
    int axis;
} back_reference;

static hid_t back_reference_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(back_reference));
    if (type < 0) return type;
    H5Tinsert(type, "dataset", HOFFSET(back_reference, dataset), H5T_STD_REF_OBJ);
    H5Tinsert(type, "dimension", HOFFSET(back_reference, axis), H5T_NATIVE_INT);
    return type;
}

/* REFERENCE_LIST of a scale: who uses it, and as which axis. */
static tsr_status reference_list_make(const maker *m, int k, const hobj_ref_t *vars)
{
    VEC(back_reference) list = {0};
    tsr_status status = TSR_OK;
    hid_t scale = -1;
    for (int i = 0; i < m->schema->n_vars; i++) {
        const store_var *from = &m->schema->vars[i];
        for (int d = 0; d < from->ndim && !is_scale(m, i); d++) {
            if (from->dims[d] != k) continue;
            back_reference r;
            memset(&r, 0, sizeof r); /* the padding too goes into the file */
            r.dataset = vars[i];
            r.axis = d;
            if (!VEC_PUSH(&list, r)) GUARD(TSR_ERR_MEMORY);
        }
    }
    if (list.n == 0) goto done;
    if ((scale = H5Dopen2(m->file, m->scales[k].path, H5P_DEFAULT)) < 0)
        GUARD(hdf5_lib_error(TSR_ERR_IO, "cannot open a dimension again"));
    GUARD(attr_make(m, scale, "REFERENCE_LIST", back_reference_type(), simple_space((int64_t)list.n), list.items));
done:
    if (scale >= 0) H5Dclose(scale);
    VEC_FINI(&list);
    return status;
}

static tsr_status references_make(maker *m)
{
    const store_schema *schema = m->schema;
    hobj_ref_t *vars = mem_calloc((size_t)schema->n_vars + 1, sizeof *vars);
    if (!vars) return TSR_ERR_MEMORY;
    bool ok = true;
    for (int k = 0; k < schema->n_dims; k++) ok &= H5Rcreate(&m->scales[k].ref, m->file, m->scales[k].path, H5R_OBJECT, -1) >= 0;
    for (int i = 0; i < schema->n_vars; i++) ok &= H5Rcreate(&vars[i], m->file, m->paths[i], H5R_OBJECT, -1) >= 0;
    tsr_status status = ok ? TSR_OK : hdf5_lib_error(TSR_ERR_IO, "cannot refer to a dimension");
    for (int i = 0; i < schema->n_vars && status == TSR_OK; i++) status = dimension_list_make(m, i);
    for (int k = 0; k < schema->n_dims && status == TSR_OK; k++) status = reference_list_make(m, k, vars);
    mem_free(vars);
    return status;
}

/* ---- The file ----------------------------------------------------------------------------------------------------- */

static tsr_status paths_make(maker *m)
{
    const store_schema *schema = m->schema;
    m->scales = mem_calloc((size_t)schema->n_dims + 1, sizeof *m->scales);
    m->paths = mem_calloc((size_t)schema->n_vars + 1, sizeof *m->paths);
    if (!m->scales || !m->paths) return TSR_ERR_MEMORY;
    for (int k = 0; k < schema->n_dims; k++) {
        m->scales[k].var = coordinate_var(schema, k);
        if (!(m->scales[k].path = mem_strdup(schema->dims[k].name))) return TSR_ERR_MEMORY;
    }
    for (int i = 0; i < schema->n_vars; i++)
        if (!(m->paths[i] = var_path(m, i))) return TSR_ERR_MEMORY;
    return TSR_OK;
}

static tsr_status root_make(const maker *m)
{
    unsigned major, minor, release;
    char properties[128];
    H5get_libversion(&major, &minor, &release);
    snprintf(properties, sizeof properties, "version=2,tessera=%s,hdf5=%u.%u.%u", tsr_version(), major, minor, release);
    hid_t root = H5Gopen2(m->file, "/", H5P_DEFAULT);
    if (root < 0) return hdf5_lib_error(TSR_ERR_IO, "cannot open the root group");
    tsr_status status;
    GUARD(text_make(m, root, "_NCProperties", properties));
    GUARD(attrs_make(m, root, m->schema->attrs, m->schema->n_attrs));
done:
    H5Gclose(root);
    return status;
}

static tsr_status all_make(maker *m)
{
    const store_schema *schema = m->schema;
    TRY(paths_make(m));
    TRY(root_make(m));
    for (int k = 0; k < schema->n_dims; k++)
        if (m->scales[k].var < 0) TRY(dim_make(m, k));
    for (int i = 0; i < schema->n_vars; i++)
        if (var_make(m, i) != TSR_OK) return error_prefix("variable '%s'", schema->vars[i].name);
    return references_make(m);
}

tsr_status hdf5_schema_write(store_writer *w, const store_schema *schema)
{
    maker m = {.w = w, .schema = schema, .file = ((hdf5_writing *)w->format_data)->file};
    m.link_plist = H5Pcreate(H5P_LINK_CREATE);
    m.attr_plist = H5Pcreate(H5P_ATTRIBUTE_CREATE);
    tsr_status status = TSR_ERR_MEMORY;
    if (m.link_plist < 0 || m.attr_plist < 0) {
        status = hdf5_lib_error(TSR_ERR_MEMORY, "cannot prepare the header");
    } else {
        H5Pset_char_encoding(m.link_plist, H5T_CSET_UTF8);
        H5Pset_char_encoding(m.attr_plist, H5T_CSET_UTF8);
        status = all_make(&m);
    }
    if (m.attr_plist >= 0) H5Pclose(m.attr_plist);
    if (m.link_plist >= 0) H5Pclose(m.link_plist);
    for (int k = 0; k < schema->n_dims && m.scales; k++) mem_free(m.scales[k].path);
    for (int i = 0; i < schema->n_vars && m.paths; i++) mem_free(m.paths[i]);
    mem_free(m.scales);
    mem_free(m.paths);
    return status;
}
