/* The metadata of an HDF5 file -> dimensions, variables and attributes, as netCDF-4 sees them (NetCDF-4 file format
 * specification; HDF5 Dimension Scales specification). Runs inside one library section; afterwards the file is closed, so
 * that thousands of stores hold no descriptors.
 *
 * First every object is visited and its scales noted by address; when all dimensions are known, axes are matched with
 * them: by the scales' REFERENCE_LIST, by DIMENSION_LIST where that is missing, by _Netcdf4Coordinates, or, for a dimension
 * scale, with itself. (DIMENSION_LIST lies in the global heap, and the library may never return from a damaged one.) An axis
 * without a scale gets a phony dimension, shared among axes of the same length, as netCDF does.
 *
 * Only hard links are followed: soft and external ones would list an array twice or leave the file. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/hdf5_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GROUP_DEPTH = 64, MAX_COUNTED_CHUNKS = 1 << 16 };

static const char not_a_variable[] = "This is a netCDF dimension but not a netCDF variable";
static const char renamed_prefix[] = "_nc4_non_coord_"; /* a variable that is called like a dimension it has nothing to do with */

/* A dimension scale. */
typedef struct scale {
    uint64_t address;
    int id;    /* _Netcdf4Dimid; INT_MAX when the file has none */
    int order; /* of discovery */
    int dim;   /* its place in the store's dimensions */
    char *name;
    int64_t length;
    bool is_unlimited;
} scale;

/* An entry of a scale's REFERENCE_LIST, as it is in memory and with the scale added. */
typedef struct back_reference {
    hobj_ref_t dataset;
    int axis;
} back_reference;

typedef struct attachment {
    back_reference user;
    uint64_t scale;
} attachment;

/* How the axes of a variable refer to dimensions; parallel to the variables. */
typedef struct axes {
    bool has_list;                 /* DIMENSION_LIST is there */
    bool is_ambiguous;             /* several scales of one axis: only DIMENSION_LIST tells their order */
    uint64_t scales[TSR_MAX_NDIM]; /* HDF5_NOWHERE: none */
    int ids[TSR_MAX_NDIM];         /* _Netcdf4Coordinates; -1: none */
} axes;

typedef struct reader {
    store *s;
    hid_t h5;
    VEC(store_dim) dims;
    VEC(store_var) vars;
    VEC(axes) axes;
    VEC(scale) scales;
    VEC(attachment) attachments;
    VEC(uint64_t) groups; /* addresses of those visited */
} reader;

static char *join_path(const char *group, const char *name)
{
    return *group ? mem_printf("%s/%s", group, name) : mem_strdup(name);
}

/* ---- One dataset -------------------------------------------------------------------------------------------------- */

/* What is open while a dataset is looked at; -1: not open. */
typedef struct opened {
    hid_t id, type, space, plist;
    int ndim;
    bool is_scale, is_only_dim;
} opened;

static void dataset_close(opened *d)
{
    if (d->plist >= 0) H5Pclose(d->plist);
    if (d->space >= 0) H5Sclose(d->space);
    if (d->type >= 0) H5Tclose(d->type);
}

static tsr_status dataset_begin(hid_t id, opened *d)
{
    *d = (opened){.id = id, .type = H5Dget_type(id), .space = H5Dget_space(id), .plist = H5Dget_create_plist(id)};
    if (d->type < 0 || d->space < 0 || d->plist < 0) return hdf5_lib_error(TSR_ERR_FORMAT, "cannot be described");
    d->ndim = H5Sget_simple_extent_ndims(d->space);
    if (H5Sget_simple_extent_type(d->space) == H5S_NULL) d->ndim = 1;
    if (d->ndim < 0) return hdf5_lib_error(TSR_ERR_FORMAT, "has no shape");
    if (d->ndim > TSR_MAX_NDIM)
        return error_set(TSR_ERR_UNSUPPORTED, "it has %d dimensions; at most %d are possible", d->ndim, TSR_MAX_NDIM);
    char text[sizeof not_a_variable];
    TRY(hdf5_attr_text(id, "CLASS", text, sizeof text));
    d->is_scale = strcmp(text, "DIMENSION_SCALE") == 0 && d->ndim > 0;
    if (!d->is_scale) return TSR_OK;
    TRY(hdf5_attr_text(id, "NAME", text, sizeof text));
    d->is_only_dim = strcmp(text, not_a_variable) == 0;
    return TSR_OK;
}

/* A null dataspace is an array of length 0. */
static tsr_status extent_read(const opened *d, int64_t *extent, int64_t *max_extent)
{
    hsize_t now[TSR_MAX_NDIM * 2] = {0}, most[TSR_MAX_NDIM * 2] = {0};
    if (H5Sget_simple_extent_type(d->space) != H5S_NULL && H5Sget_simple_extent_dims(d->space, now, most) < 0) {
        return hdf5_lib_error(TSR_ERR_FORMAT, "has no shape");
    }
    for (int i = 0; i < d->ndim; i++) {
        bool unlimited = most[i] == H5S_UNLIMITED;
        if (now[i] > INT64_MAX || (!unlimited && (most[i] > INT64_MAX || most[i] < now[i]))) {
            return error_set(TSR_ERR_FORMAT, "dimension %d has the length %llu: the file is damaged", i,
                             (unsigned long long)now[i]);
        }
        extent[i] = (int64_t)now[i];
        max_extent[i] = unlimited ? -1 : (int64_t)most[i];
    }
    if (shape_size(d->ndim, extent) > INT64_MAX / 32) {
        return error_set(TSR_ERR_FORMAT, "the array is larger than any file: the file is damaged");
    }
    return TSR_OK;
}

/* Integers of an attribute, n of them; false when it is missing or of another length. */
static bool ints_read(hid_t object, const char *name, int n, int *out)
{
    if (H5Aexists(object, name) <= 0) return false;
    hid_t attr = H5Aopen(object, name, H5P_DEFAULT), space = attr < 0 ? -1 : H5Aget_space(attr);
    bool ok = space >= 0 && H5Sget_simple_extent_npoints(space) == n && H5Aread(attr, H5T_NATIVE_INT, out) >= 0;
    if (space >= 0) H5Sclose(space);
    if (attr >= 0) H5Aclose(attr);
    return ok;
}

/* The address of the first scale of each axis, from DIMENSION_LIST. An object reference is the address of its header. */
static tsr_status dimension_list_read(hid_t dataset, int ndim, axes *a)
{
    hid_t attr = H5Aopen(dataset, "DIMENSION_LIST", H5P_DEFAULT), space = attr < 0 ? -1 : H5Aget_space(attr);
    hid_t type = H5Tvlen_create(H5T_STD_REF_OBJ), file_type = attr < 0 ? -1 : H5Aget_type(attr);
    hvl_t lists[TSR_MAX_NDIM];
    bool fits = space >= 0 && file_type >= 0 && H5Sget_simple_extent_npoints(space) == ndim && H5Tequal(type, file_type) > 0;
    bool ok = !fits || H5Aread(attr, type, lists) >= 0;
    if (fits && ok) {
        for (int i = 0; i < ndim; i++)
            if (lists[i].len > 0) memcpy(&a->scales[i], lists[i].p, sizeof(hobj_ref_t));
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, lists);
    }
    tsr_status status = ok ? TSR_OK : hdf5_lib_error(TSR_ERR_FORMAT, "its list of dimensions cannot be read");
    if (file_type >= 0) H5Tclose(file_type);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (attr >= 0) H5Aclose(attr);
    return status;
}

/* Who uses a scale, and as which axis. */
static tsr_status reference_list_read(reader *r, hid_t dataset, uint64_t scale_address)
{
    if (H5Aexists(dataset, "REFERENCE_LIST") <= 0) return TSR_OK;
    hid_t attr = H5Aopen(dataset, "REFERENCE_LIST", H5P_DEFAULT), space = attr < 0 ? -1 : H5Aget_space(attr);
    hid_t file_type = attr < 0 ? -1 : H5Aget_type(attr), type = H5Tcreate(H5T_COMPOUND, sizeof(back_reference));
    hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    back_reference *list = NULL;
    tsr_status status = TSR_OK;
    if (n < 0 || file_type < 0 || H5Tinsert(type, "dataset", HOFFSET(back_reference, dataset), H5T_STD_REF_OBJ) < 0 ||
        H5Tinsert(type, "dimension", HOFFSET(back_reference, axis), H5T_NATIVE_INT) < 0) {
        GUARD(hdf5_lib_error(TSR_ERR_FORMAT, "its list of users cannot be read"));
    }
    /* Lists of another make are left to DIMENSION_LIST. */
    if (n == 0 || n > INT32_MAX / (hssize_t)sizeof *list || H5Tget_class(file_type) != H5T_COMPOUND) goto done;
    if (!(list = mem_calloc((size_t)n, sizeof *list))) GUARD(TSR_ERR_MEMORY);
    if (H5Aread(attr, type, list) < 0) GUARD(hdf5_lib_error(TSR_ERR_FORMAT, "its list of users cannot be read"));
    for (hssize_t i = 0; i < n; i++) {
        attachment entry = {list[i], scale_address};
        if (!VEC_PUSH(&r->attachments, entry)) GUARD(TSR_ERR_MEMORY);
    }
done:
    mem_free(list);
    if (type >= 0) H5Tclose(type);
    if (file_type >= 0) H5Tclose(file_type);
    if (space >= 0) H5Sclose(space);
    if (attr >= 0) H5Aclose(attr);
    return status;
}

static void axes_init(const opened *d, uint64_t address, axes *a)
{
    *a = (axes){0};
    for (int i = 0; i < TSR_MAX_NDIM; i++) {
        a->scales[i] = HDF5_NOWHERE;
        a->ids[i] = -1;
    }
    if (d->ndim == 0) return;
    if (d->is_scale) {
        a->scales[0] = address;
    } else {
        a->has_list = H5Aexists(d->id, "DIMENSION_LIST") > 0;
    }
    if (!ints_read(d->id, "_Netcdf4Coordinates", d->ndim, a->ids)) a->ids[0] = -1;
}

/* ---- Filters ------------------------------------------------------------------------------------------------------ */

static const char *filter_name(int id)
{
    static const struct {
        int id;
        const char *name;
    } names[] = {{1, "deflate"},        {2, "shuffle"}, {3, "fletcher32"}, {4, "szip"},      {5, "nbit"},
                 {6, "scaleoffset"},    {307, "bzip2"}, {32000, "lzf"},    {32001, "blosc"}, {32004, "lz4"},
                 {32008, "bitshuffle"}, {32013, "zfp"}, {32015, "zstd"},   {32017, "sz"},    {32026, "blosc2"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].id == id) return names[i].name;
    return NULL;
}

static void describe_filter(strbuf *b, int id, unsigned parameter)
{
    if (b->n) strbuf_add(b, ", ");
    const char *name = filter_name(id);
    if (!name) strbuf_printf(b, "filter %d", id);
    if (name) strbuf_add(b, name);
    if (id == H5Z_FILTER_DEFLATE) strbuf_printf(b, " %u", parameter);
}

static void pipeline_add(hdf5_var *v, int id, size_t n_parameters, const unsigned *parameters)
{
    hdf5_pipeline *p = &v->pipeline;
    bool known = id >= HDF5_DEFLATE && id <= HDF5_FLETCHER32 && p->n < HDF5_MAX_FILTERS;
    if (id == H5Z_FILTER_SHUFFLE) {
        uint32_t bytes = n_parameters > 0 ? parameters[0] : 0;
        known = known && bytes > 0 && (p->element_bytes == 0 || p->element_bytes == bytes);
        p->element_bytes = bytes;
    }
    /* After a second deflate the length of what the first gave would be unknown. */
    for (int i = 0; i < p->n && id == H5Z_FILTER_DEFLATE; i++) known = known && p->filters[i] != HDF5_DEFLATE;
    if (known) {
        p->filters[p->n++] = (hdf5_filter)id;
    } else {
        v->needs_library = true;
        v->missing_filter = id;
    }
}

static tsr_status filters_read(const opened *d, store_var *var, hdf5_var *v)
{
    int n = H5Pget_nfilters(d->plist);
    if (n < 0) return hdf5_lib_error(TSR_ERR_FORMAT, "its filters cannot be read");
    strbuf compressors = {0}, others = {0};
    for (int i = 0; i < n; i++) {
        unsigned flags, config, parameters[8] = {0};
        size_t n_parameters = 8;
        int id = H5Pget_filter2(d->plist, (unsigned)i, &flags, &n_parameters, parameters, 0, NULL, &config);
        bool moves = id == H5Z_FILTER_SHUFFLE || id == H5Z_FILTER_FLETCHER32;
        describe_filter(moves ? &others : &compressors, id, parameters[0]);
        pipeline_add(v, id, n_parameters, parameters);
    }
    char *after = others.n ? strbuf_take(&others) : NULL;
    if (after && compressors.n) strbuf_add(&compressors, ", ");
    if (after) strbuf_add(&compressors, after);
    mem_free(after);
    bool failed = others.failed;
    strbuf_fini(&others);
    if (n > 0) var->compression = strbuf_take(&compressors);
    strbuf_fini(&compressors);
    return failed || (n > 0 && !var->compression) ? TSR_ERR_MEMORY : TSR_OK;
}

/* ---- Variables ---------------------------------------------------------------------------------------------------- */

static tsr_status layout_read(const opened *d, store_var *var, hdf5_var *v)
{
    H5D_layout_t layout = H5Pget_layout(d->plist);
    memcpy(v->chunk, v->extent, sizeof v->chunk);
    v->is_chunked = layout == H5D_CHUNKED;
    if (layout == H5D_VIRTUAL || (layout == H5D_CONTIGUOUS && H5Pget_external_count(d->plist) > 0)) v->needs_library = true;
    if (v->is_chunked) {
        hsize_t chunk[TSR_MAX_NDIM * 2];
        if (H5Pget_chunk(d->plist, TSR_MAX_NDIM, chunk) != d->ndim)
            return hdf5_lib_error(TSR_ERR_FORMAT, "its chunks cannot be read");
        for (int i = 0; i < d->ndim; i++) {
            v->chunk[i] = (int64_t)chunk[i];
            if (v->chunk[i] < 1) return error_set(TSR_ERR_FORMAT, "its chunks have no size: the file is damaged");
        }
        TRY(filters_read(d, var, v));
        var->is_chunked = H5Pget_nfilters(d->plist) > 0;
    }
    memcpy(var->chunk, v->chunk, sizeof var->chunk);
    /* The library adds up the sizes of all chunks for this. */
    double n_chunks = 1;
    for (int i = 0; i < d->ndim && v->is_chunked; i++) {
        int64_t n_along = v->extent[i] / v->chunk[i] + 1;
        n_chunks *= (double)n_along;
    }
    var->stored_bytes = n_chunks <= MAX_COUNTED_CHUNKS ? (int64_t)H5Dget_storage_size(d->id) : -1;
    return TSR_OK;
}

static tsr_status var_fill_in(const opened *d, const char *path, uint64_t address, store_var *var)
{
    hdf5_var *v = mem_calloc(1, sizeof *v);
    if (!(var->format_data = v)) return TSR_ERR_MEMORY;
    if (!(v->path = mem_strdup(path))) return TSR_ERR_MEMORY;
    v->header = address;
    v->type = hdf5_type_describe(d->type);
    v->item_bytes = (uint32_t)H5Tget_size(d->type);
    var->dtype = v->type.dtype;
    var->swapped = v->type.swapped;
    var->is_text = v->type.kind != HDF5_NUMERIC;
    var->ndim = d->ndim;
    if (!v->type.exact) v->needs_library = true;
    TRY(extent_read(d, v->extent, v->max_extent));
    TRY(layout_read(d, var, v));
    return hdf5_attrs_read(d->id, &var->attrs, &var->n_attrs);
}

/* Names as netCDF shows them: without the prefix that keeps a variable apart from a dimension of the same name. */
static tsr_status var_add(reader *r, const opened *d, const char *group, const char *name, uint64_t address)
{
    axes a;
    axes_init(d, address, &a);
    if (!VEC_PUSH(&r->axes, a) || !VEC_PUSH(&r->vars, (store_var){0})) return TSR_ERR_MEMORY;
    store_var *var = &r->vars.items[r->vars.n - 1];
    size_t prefix = sizeof renamed_prefix - 1;
    bool renamed = strncmp(name, renamed_prefix, prefix) == 0 && name[prefix];
    if (!(var->name = join_path(group, renamed ? name + prefix : name))) return TSR_ERR_MEMORY;
    char *path = join_path(group, name);
    if (!path) return TSR_ERR_MEMORY;
    tsr_status status = var_fill_in(d, path, address, var);
    mem_free(path);
    return status;
}

static tsr_status scale_add(reader *r, const opened *d, const char *group, const char *name, uint64_t address)
{
    int64_t extent[TSR_MAX_NDIM], max_extent[TSR_MAX_NDIM];
    TRY(extent_read(d, extent, max_extent));
    TRY(reference_list_read(r, d->id, address));
    scale s = {.address = address, .length = extent[0], .is_unlimited = max_extent[0] < 0, .order = (int)r->scales.n};
    if (!ints_read(d->id, "_Netcdf4Dimid", 1, &s.id)) s.id = INT32_MAX;
    if (!(s.name = join_path(group, name))) return TSR_ERR_MEMORY;
    if (!VEC_PUSH(&r->scales, s)) {
        mem_free(s.name);
        return TSR_ERR_MEMORY;
    }
    return TSR_OK;
}

static tsr_status dataset_read(reader *r, hid_t id, const char *group, const char *name, uint64_t address)
{
    opened d;
    tsr_status status;
    GUARD(dataset_begin(id, &d));
    if (d.is_scale) GUARD(scale_add(r, &d, group, name, address));
    if (!d.is_only_dim) GUARD(var_add(r, &d, group, name, address));
done:
    dataset_close(&d);
    return status == TSR_OK ? TSR_OK : error_prefix("'%s%s%s'", group, *group ? "/" : "", name);
}

/* ---- Groups ------------------------------------------------------------------------------------------------------- */

typedef struct link_list {
    VEC(char *) names;
    bool no_memory;
} link_list;

static herr_t collect_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    link_list *list = context;
    if (info->type != H5L_TYPE_HARD) return 0;
    char *copy = mem_strdup(name);
    if (copy && VEC_PUSH(&list->names, copy)) return 0;
    mem_free(copy);
    list->no_memory = true;
    return -1;
}

static void links_fini(link_list *list)
{
    for (size_t i = 0; i < list->names.n; i++) mem_free(list->names.items[i]);
    VEC_FINI(&list->names);
}

/* In the order of creation if the group tracks it, else by name. */
static tsr_status links_collect(hid_t group, link_list *list)
{
    hid_t plist = H5Gget_create_plist(group);
    unsigned flags = 0;
    if (plist >= 0) {
        H5Pget_link_creation_order(plist, &flags);
        H5Pclose(plist);
    }
    hsize_t at = 0;
    H5_index_t order = flags & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
    if (H5Literate(group, order, H5_ITER_INC, &at, collect_link, list) >= 0) return TSR_OK;
    return list->no_memory ? TSR_ERR_MEMORY : hdf5_lib_error(TSR_ERR_FORMAT, "cannot list a group");
}

static tsr_status group_read(reader *r, hid_t group, const char *path, int depth);

/* Reads a dataset at once; a group only if want_group, else it is left for later (*is_group). */
static tsr_status object_read(reader *r, hid_t group, const char *path, const char *name, int depth, bool want_group,
                              bool *is_group)
{
    hid_t id = H5Oopen(group, name, H5P_DEFAULT);
    if (id < 0) return hdf5_lib_error(TSR_ERR_FORMAT, "'%s%s%s' cannot be opened", path, *path ? "/" : "", name);
    H5O_info_t info;
    tsr_status status = TSR_OK;
    H5I_type_t type = H5Iget_type(id);
    if (H5Oget_info2(id, &info, H5O_INFO_BASIC) < 0) {
        status = hdf5_lib_error(TSR_ERR_FORMAT, "'%s' cannot be described", name);
    } else if (type == H5I_DATASET) {
        status = dataset_read(r, id, path, name, info.addr);
    } else if (type == H5I_GROUP && want_group) {
        char *inner = join_path(path, name);
        status = inner ? group_read(r, id, inner, depth + 1) : TSR_ERR_MEMORY;
        mem_free(inner);
    }
    *is_group = type == H5I_GROUP;
    H5Oclose(id);
    return status;
}

/* True when the group was visited before (hard links may form circles). */
static tsr_status group_enter(reader *r, hid_t group, bool *seen)
{
    H5O_info_t info;
    if (H5Oget_info2(group, &info, H5O_INFO_BASIC) < 0) return hdf5_lib_error(TSR_ERR_FORMAT, "a group cannot be described");
    *seen = false;
    for (size_t i = 0; i < r->groups.n && !*seen; i++) *seen = r->groups.items[i] == info.addr;
    if (!*seen && !VEC_PUSH(&r->groups, info.addr)) return TSR_ERR_MEMORY;
    return TSR_OK;
}

static tsr_status group_read(reader *r, hid_t group, const char *path, int depth)
{
    bool seen = false;
    TRY(group_enter(r, group, &seen));
    if (seen) return TSR_OK;
    if (depth > MAX_GROUP_DEPTH) return error_set(TSR_ERR_UNSUPPORTED, "groups are nested more than %d deep", MAX_GROUP_DEPTH);
    link_list links = {0};
    tsr_status status;
    GUARD(links_collect(group, &links));
    size_t n_groups = 0;
    for (size_t i = 0; i < links.names.n; i++) {
        bool is_group = false;
        GUARD(object_read(r, group, path, links.names.items[i], depth, false, &is_group));
        if (!is_group) continue;
        char *name = links.names.items[n_groups];
        links.names.items[n_groups++] = links.names.items[i];
        links.names.items[i] = name;
    }
    for (size_t i = 0; i < n_groups; i++) {
        bool is_group = false;
        GUARD(object_read(r, group, path, links.names.items[i], depth, true, &is_group));
    }
done:
    links_fini(&links);
    return status;
}

/* ---- Dimensions --------------------------------------------------------------------------------------------------- */

static int find_header(const reader *r, uint64_t address)
{
    for (size_t i = 0; i < r->vars.n; i++)
        if (((const hdf5_var *)r->vars.items[i].format_data)->header == address) return (int)i;
    return -1;
}

/* Scales to axes, from the scales' side; where that does not tell all, from the variable's. */
static tsr_status scales_attach(reader *r)
{
    for (size_t k = 0; k < r->attachments.n; k++) {
        const attachment *at = &r->attachments.items[k];
        int i = find_header(r, at->user.dataset), axis = at->user.axis;
        if (i < 0 || axis < 0 || axis >= r->vars.items[i].ndim || !r->axes.items[i].has_list) continue;
        axes *a = &r->axes.items[i];
        a->is_ambiguous |= a->scales[axis] != HDF5_NOWHERE;
        a->scales[axis] = at->scale;
    }
    for (size_t i = 0; i < r->vars.n; i++) {
        const store_var *var = &r->vars.items[i];
        axes *a = &r->axes.items[i];
        bool complete = !a->is_ambiguous;
        for (int d = 0; d < var->ndim; d++) complete &= a->scales[d] != HDF5_NOWHERE;
        if (complete || !a->has_list) continue;
        hid_t id = H5Dopen2(r->h5, ((const hdf5_var *)var->format_data)->path, H5P_DEFAULT);
        tsr_status status =
            id < 0 ? hdf5_lib_error(TSR_ERR_FORMAT, "cannot be opened again") : dimension_list_read(id, var->ndim, a);
        if (id >= 0) H5Dclose(id);
        if (status != TSR_OK) return error_prefix("'%s'", var->name);
    }
    return TSR_OK;
}

static int by_id(const void *a, const void *b)
{
    const scale *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->order - y->order;
}

static scale *scale_of_axis(reader *r, const axes *a, int axis)
{
    for (size_t i = 0; i < r->scales.n; i++) {
        scale *s = &r->scales.items[i];
        if (a->scales[axis] != HDF5_NOWHERE ? s->address == a->scales[axis] : a->ids[axis] >= 0 && s->id == a->ids[axis])
            return s;
    }
    return NULL;
}

static bool axis_fits(const scale *s, int64_t extent) { return s->is_unlimited || s->length == extent; }

/* An unlimited dimension is as long as the longest variable that has it. */
static tsr_status dims_make(reader *r)
{
    if (r->scales.n > 0) qsort(r->scales.items, r->scales.n, sizeof *r->scales.items, by_id);
    for (size_t i = 0; i < r->vars.n; i++) {
        const hdf5_var *v = r->vars.items[i].format_data;
        for (int d = 0; d < r->vars.items[i].ndim; d++) {
            scale *s = scale_of_axis(r, &r->axes.items[i], d);
            if (s && s->is_unlimited && v->extent[d] > s->length) s->length = v->extent[d];
        }
    }
    for (size_t i = 0; i < r->scales.n; i++) {
        scale *s = &r->scales.items[i];
        s->dim = (int)r->dims.n;
        if (!VEC_PUSH(&r->dims, (store_dim){s->name, s->length, s->is_unlimited})) return TSR_ERR_MEMORY;
        s->name = NULL;
    }
    return TSR_OK;
}

/* A dimension for an axis without a scale: one of the phony ones of that length which this variable has not used yet. */
static tsr_status phony_dim(reader *r, const store_var *var, int axis, int64_t length, bool is_unlimited, int *out)
{
    for (size_t i = r->scales.n; i < r->dims.n; i++) {
        bool used = false;
        for (int d = 0; d < axis; d++) used |= var->dims[d] == (int)i;
        if (used || r->dims.items[i].length != length || r->dims.items[i].is_unlimited != is_unlimited) continue;
        *out = (int)i;
        return TSR_OK;
    }
    char *name = mem_printf("phony_dim_%zu", r->dims.n);
    if (!name) return TSR_ERR_MEMORY;
    if (!VEC_PUSH(&r->dims, (store_dim){name, length, is_unlimited})) {
        mem_free(name);
        return TSR_ERR_MEMORY;
    }
    *out = (int)r->dims.n - 1;
    return TSR_OK;
}

static tsr_status axes_resolve(reader *r)
{
    for (size_t i = 0; i < r->vars.n; i++) {
        store_var *var = &r->vars.items[i];
        const hdf5_var *v = var->format_data;
        for (int d = 0; d < var->ndim; d++) {
            const scale *s = scale_of_axis(r, &r->axes.items[i], d);
            if (s && axis_fits(s, v->extent[d])) {
                var->dims[d] = s->dim;
            } else {
                TRY(phony_dim(r, var, d, v->extent[d], v->max_extent[d] < 0, &var->dims[d]));
            }
            var->shape[d] = r->dims.items[var->dims[d]].length;
            if (!v->is_chunked) var->chunk[d] = var->shape[d];
        }
        if (shape_size(var->ndim, var->shape) > INT64_MAX / 32) {
            return error_set(TSR_ERR_FORMAT, "'%s' is larger than any file: the file is damaged", var->name);
        }
    }
    return TSR_OK;
}

/* ---- The file ----------------------------------------------------------------------------------------------------- */

static tsr_status variant_read(reader *r, hid_t root)
{
    bool classic = H5Aexists(root, "_nc3_strict") > 0, netcdf = classic || H5Aexists(root, "_NCProperties") > 0;
    for (size_t i = 0; i < r->scales.n && !netcdf; i++) netcdf = r->scales.items[i].id != INT32_MAX;
    r->s->variant = mem_strdup(classic ? "netCDF-4 classic model" : netcdf ? "netCDF-4" : "HDF5");
    return r->s->variant ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status addressing_read(reader *r)
{
    hdf5_file *file = r->s->format_data;
    hid_t plist = H5Fget_create_plist(r->h5);
    size_t offset_bytes = 0, length_bytes = 0;
    hsize_t base = 0;
    bool ok = plist >= 0 && H5Pget_sizes(plist, &offset_bytes, &length_bytes) >= 0 && H5Pget_userblock(plist, &base) >= 0;
    if (plist >= 0) H5Pclose(plist);
    if (!ok) return hdf5_lib_error(TSR_ERR_FORMAT, "cannot read how the file addresses its parts");
    file->offset_bytes = (int)offset_bytes;
    file->length_bytes = (int)length_bytes;
    file->base = base;
    return TSR_OK;
}

static tsr_status root_read(reader *r, hid_t root)
{
    TRY(addressing_read(r));
    TRY(hdf5_attrs_read(root, &r->s->attrs, &r->s->n_attrs));
    TRY(group_read(r, root, "", 0));
    TRY(variant_read(r, root));
    TRY(scales_attach(r));
    TRY(dims_make(r));
    return axes_resolve(r);
}

tsr_status hdf5_metadata_read(store *s, hid_t h5)
{
    reader r = {.s = s, .h5 = h5};
    hid_t root = H5Gopen2(h5, "/", H5P_DEFAULT);
    tsr_status status = root < 0 ? hdf5_lib_error(TSR_ERR_FORMAT, "the root group cannot be opened") : root_read(&r, root);
    if (root >= 0) H5Gclose(root);
    /* Handed over also on failure: the caller frees them. */
    s->dims = r.dims.items;
    s->n_dims = (int)r.dims.n;
    s->vars = r.vars.items;
    s->n_vars = (int)r.vars.n;
    for (size_t i = 0; i < r.scales.n; i++) mem_free(r.scales.items[i].name);
    VEC_FINI(&r.scales);
    VEC_FINI(&r.axes);
    VEC_FINI(&r.groups);
    VEC_FINI(&r.attachments);
    return status;
}
