/* Writing NetCDF classic files (netcdf3.h draws them).
 *
 * A schema is planned for a version: types, the record dimension, sizes. The plan either fits or says why not; the format "nc"
 * takes the first version that fits, because the oldest one is read by the most programs. The header is then encoded twice:
 * once to learn its length, and again with the variables' places. The file has its full length from the start, so
 * threads write their regions in any order by pwrite, through a window in which the bytes are reversed.
 *
 * The classic formats know one unlimited dimension, which must be a variable's first. An unlimited dimension of the schema
 * that is used otherwise, and any second one, is written with its present length: the data is the same. */
#include "base/mem.h"
#include "base/vec.h"
#include "block/dtype.h"
#include "store/formats.h"
#include "store/netcdf3.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The limits of "NetCDF Classic Format Specification", "Limitations". */
static const int64_t MAX_DIM_BEFORE_CDF5 = INT32_MAX - 3, MAX_SIZE_CLASSIC = INT32_MAX - 3, MAX_SIZE_OFFSET64 = UINT32_MAX - 3ll;

typedef VEC(unsigned char) bytes;

typedef struct out_var {
    file_layout layout;
    nc3_type type;
    bool is_record;
    int64_t bare_bytes, padded_bytes; /* of the variable, or of one record of it */
} out_var;

typedef struct plan {
    const store_schema *schema;
    int version;
    int record_dim; /* -1 when there is none */
    int64_t n_records, record_bytes;
    int64_t file_bytes;
    out_var *vars;
    bytes header;
} plan;

typedef struct nc3_out {
    int fd;
    out_var *vars;
} nc3_out;

/* ---- Types ------------------------------------------------------------------------------------------------------- */

static const struct {
    nc3_type type; /* 0: the format has none */
    bool cdf5_only;
} types[] = {
    [TSR_BOOL] = {NC3_BYTE},
    [TSR_I8] = {NC3_BYTE},
    [TSR_I16] = {NC3_SHORT},
    [TSR_I32] = {NC3_INT},
    [TSR_I64] = {NC3_INT64, true},
    [TSR_U8] = {NC3_UBYTE, true},
    [TSR_U16] = {NC3_USHORT, true},
    [TSR_U32] = {NC3_UINT, true},
    [TSR_U64] = {NC3_UINT64, true},
    [TSR_F32] = {NC3_FLOAT},
    [TSR_F64] = {NC3_DOUBLE},
    [TSR_C64] = {0},
    [TSR_C128] = {0},
};
static_assert(sizeof types / sizeof *types == TSR_N_DTYPES, "every dtype has an entry");

static tsr_status choose_var_type(const store_var *var, int version, nc3_type *type)
{
    *type = var->is_text ? NC3_CHAR : types[var->dtype].type;
    if (var->is_text) return TSR_OK;
    if (*type == 0)
        return error_set(TSR_ERR_UNSUPPORTED, "variable '%s': NetCDF-3 has no type for %s; write its real and imag, or .npy",
                         var->name, tsr_dtype_name(var->dtype));
    if (types[var->dtype].cdf5_only && version != NC3_CDF5)
        return error_set(TSR_ERR_UNSUPPORTED, "variable '%s': %s exists only in CDF-5 files; use the format nc5 or nc4",
                         var->name, tsr_dtype_name(var->dtype));
    return TSR_OK;
}

/* Before CDF-5 an attribute of an unsigned or 64-bit type becomes the next wider signed one that holds its values: a
 * number in an attribute is no reason to choose a format that fewer programs read. */
static tsr_status choose_attr_dtype(const store_attr *attr, int version, tsr_dtype *dtype)
{
    *dtype = attr->dtype;
    if (attr->text) return TSR_OK;
    if (!dtype_valid((int)attr->dtype) || types[attr->dtype].type == 0)
        return error_set(TSR_ERR_UNSUPPORTED, "attribute '%s': NetCDF-3 has no type for %s", attr->name,
                         tsr_dtype_name(attr->dtype) ? tsr_dtype_name(attr->dtype) : "it");
    if (!types[attr->dtype].cdf5_only || version == NC3_CDF5) return TSR_OK;
    *dtype = attr->dtype == TSR_U8 ? TSR_I16 : TSR_I32;
    size_t item_bytes = tsr_dtype_size(attr->dtype);
    for (int64_t i = 0; i < attr->n_values; i++) {
        tsr_scalar v = scalar_from_element((const char *)attr->values + (size_t)i * item_bytes, attr->dtype);
        bool fits = dtype_is_unsigned(attr->dtype) ? v.u <= INT32_MAX : v.i >= INT32_MIN && v.i <= INT32_MAX;
        if (!fits)
            return error_set(TSR_ERR_UNSUPPORTED,
                             "attribute '%s': its %s values do not fit into int32; use the format nc5 or nc4", attr->name,
                             tsr_dtype_name(attr->dtype));
    }
    return TSR_OK;
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------- */

static tsr_status put_bytes(plan *p, const void *data, size_t n)
{
    if (!VEC_RESERVE(&p->header, n)) return TSR_ERR_MEMORY;
    if (n > 0) memcpy(p->header.items + p->header.n, data, n);
    p->header.n += n;
    return TSR_OK;
}

static tsr_status put_number(plan *p, int64_t value, size_t n_bytes)
{
    unsigned char b[8];
    for (size_t i = 0; i < n_bytes; i++) b[i] = (unsigned char)((uint64_t)value >> (8 * (n_bytes - 1 - i)));
    return put_bytes(p, b, n_bytes);
}

static tsr_status put_count(plan *p, int64_t value) { return put_number(p, value, p->version == NC3_CDF5 ? 8 : 4); }

static tsr_status put_padding(plan *p)
{
    static const unsigned char zeros[4];
    return put_bytes(p, zeros, (size_t)nc3_padded((int64_t)p->header.n) - p->header.n);
}

static tsr_status put_name(plan *p, const char *name)
{
    if (strchr(name, '/')) return error_set(TSR_ERR_VALUE, "the name '%s' holds a '/', which NetCDF does not allow", name);
    TRY(put_count(p, (int64_t)strlen(name)));
    TRY(put_bytes(p, name, strlen(name)));
    return put_padding(p);
}

static tsr_status put_list(plan *p, int tag, int64_t n)
{
    TRY(put_number(p, n ? tag : 0, 4));
    return put_count(p, n);
}

static tsr_status put_values(plan *p, const store_attr *attr, tsr_dtype dtype)
{
    size_t from_bytes = tsr_dtype_size(attr->dtype), item_bytes = tsr_dtype_size(dtype);
    for (int64_t i = 0; i < attr->n_values; i++) {
        element e = {0};
        const char *from = (const char *)attr->values + (size_t)i * from_bytes;
        if (dtype == attr->dtype) {
            memcpy(&e, from, item_bytes);
        } else {
            e = element_from_scalar(scalar_from_element(from, attr->dtype), dtype);
        }
        int64_t bits = item_bytes == 1 ? e.i8 : item_bytes == 2 ? e.i16 : item_bytes == 4 ? e.i32 : e.i64;
        TRY(put_number(p, bits, item_bytes));
    }
    return TSR_OK;
}

static tsr_status put_attr(plan *p, const store_attr *attr)
{
    tsr_dtype dtype;
    TRY(choose_attr_dtype(attr, p->version, &dtype));
    TRY(put_name(p, attr->name));
    TRY(put_number(p, attr->text ? NC3_CHAR : types[dtype].type, 4));
    TRY(put_count(p, attr->text ? (int64_t)strlen(attr->text) : attr->n_values));
    TRY(attr->text ? put_bytes(p, attr->text, strlen(attr->text)) : put_values(p, attr, dtype));
    return put_padding(p);
}

static tsr_status put_attrs(plan *p, const store_attr *attrs, int n)
{
    TRY(put_list(p, NC3_TAG_ATTRIBUTE, n));
    for (int i = 0; i < n; i++) TRY(put_attr(p, &attrs[i]));
    return TSR_OK;
}

static tsr_status put_var(plan *p, const store_var *var, const out_var *out)
{
    TRY(put_name(p, var->name));
    TRY(put_count(p, var->ndim));
    for (int d = 0; d < var->ndim; d++) TRY(put_count(p, var->dims[d]));
    tsr_status status = put_attrs(p, var->attrs, var->n_attrs);
    if (status != TSR_OK) return error_prefix("variable '%s'", var->name);
    TRY(put_number(p, out->type, 4));
    TRY(put_count(p, out->padded_bytes));
    return put_number(p, out->layout.begin, p->version == NC3_CLASSIC ? 4 : 8);
}

static tsr_status encode_header(plan *p)
{
    const store_schema *schema = p->schema;
    const unsigned char start[4] = {'C', 'D', 'F', (unsigned char)p->version};
    p->header.n = 0;
    TRY(put_bytes(p, start, 4));
    TRY(put_count(p, p->n_records));
    TRY(put_list(p, NC3_TAG_DIMENSION, schema->n_dims));
    for (int i = 0; i < schema->n_dims; i++) {
        TRY(put_name(p, schema->dims[i].name));
        TRY(put_count(p, i == p->record_dim ? 0 : schema->dims[i].length));
    }
    TRY(put_attrs(p, schema->attrs, schema->n_attrs));
    TRY(put_list(p, NC3_TAG_VARIABLE, schema->n_vars));
    for (int i = 0; i < schema->n_vars; i++) TRY(put_var(p, &schema->vars[i], &p->vars[i]));
    return TSR_OK;
}

/* ---- Planning ---------------------------------------------------------------------------------------------------- */

/* Can dimension k be the record dimension: is it the first one wherever it is used? */
static bool leads_everywhere(const store_schema *schema, int k)
{
    for (int i = 0; i < schema->n_vars; i++) {
        for (int d = 1; d < schema->vars[i].ndim; d++) {
            if (schema->vars[i].dims[d] == k) return false;
        }
    }
    return true;
}

/* A length of 0 in the file means "record dimension", so an empty dimension has to be it. */
static tsr_status choose_record_dim(plan *p)
{
    const store_schema *schema = p->schema;
    p->record_dim = -1;
    for (int i = 0; i < schema->n_dims; i++) {
        if (schema->dims[i].length != 0) continue;
        if (p->record_dim >= 0 || !leads_everywhere(schema, i))
            return error_set(TSR_ERR_UNSUPPORTED,
                             "dimension '%s' has the length 0, which NetCDF-3 allows only for one dimension, "
                             "the first of its variables; use the format nc4",
                             schema->dims[i].name);
        p->record_dim = i;
    }
    for (int i = 0; i < schema->n_dims && p->record_dim < 0; i++) {
        if (schema->dims[i].is_unlimited && leads_everywhere(schema, i)) p->record_dim = i;
    }
    p->n_records = p->record_dim >= 0 ? schema->dims[p->record_dim].length : 0;
    return TSR_OK;
}

static tsr_status check_dims(const plan *p)
{
    for (int i = 0; i < p->schema->n_dims; i++) {
        const store_dim *dim = &p->schema->dims[i];
        if (p->version != NC3_CDF5 && dim->length > MAX_DIM_BEFORE_CDF5)
            return error_set(TSR_ERR_UNSUPPORTED,
                             "dimension '%s' of length %lld exists only in CDF-5 files; use the format nc5 or nc4", dim->name,
                             (long long)dim->length);
    }
    return TSR_OK;
}

static tsr_status too_large(const plan *p, const char *name)
{
    return error_set(TSR_ERR_UNSUPPORTED, "variable '%s' lies beyond the size that the format %s can hold; use nc5 or nc4", name,
                     p->version == NC3_CLASSIC    ? "nc3"
                     : p->version == NC3_OFFSET64 ? "nc64"
                                                  : "nc5");
}

static tsr_status measure_var(const plan *p, const store_var *var, out_var *out)
{
    TRY(choose_var_type(var, p->version, &out->type));
    size_t item_bytes = var->is_text ? 1 : tsr_dtype_size(var->dtype);
    out->layout = file_layout_dense(0, var->ndim, var->shape, item_bytes);
    out->is_record = var->ndim > 0 && var->dims[0] == p->record_dim;
    int64_t n = shape_size(var->ndim - out->is_record, var->shape + out->is_record);
    if (n > (INT64_MAX - 3) / 16) return too_large(p, var->name);
    out->bare_bytes = n * (int64_t)item_bytes;
    out->padded_bytes = nc3_padded(out->bare_bytes);
    int64_t limit = p->version == NC3_CLASSIC ? MAX_SIZE_CLASSIC : p->version == NC3_OFFSET64 ? MAX_SIZE_OFFSET64 : INT64_MAX;
    return out->padded_bytes <= limit ? TSR_OK : too_large(p, var->name);
}

/* Fixed variables first, then the first record of each record variable. */
static tsr_status place_vars(plan *p)
{
    const store_schema *schema = p->schema;
    int64_t at = (int64_t)p->header.n, begin_limit = p->version == NC3_CLASSIC ? INT32_MAX : INT64_MAX, records_begin = at,
            n_bytes;
    const out_var *only = NULL;
    int n_record_vars = 0;
    for (int pass = 0; pass < 2; pass++) {
        records_begin = at;
        for (int i = 0; i < schema->n_vars; i++) {
            out_var *out = &p->vars[i];
            if (out->is_record != (pass == 1)) continue;
            out->layout.begin = at;
            if (at > begin_limit || __builtin_add_overflow(at, out->padded_bytes, &at)) return too_large(p, schema->vars[i].name);
            if (pass == 1 && n_record_vars++ == 0) only = out;
        }
    }
    p->record_bytes = n_record_vars == 1 ? only->bare_bytes : at - records_begin;
    if (__builtin_mul_overflow(p->record_bytes, p->n_records, &n_bytes) ||
        __builtin_add_overflow(records_begin, n_bytes, &p->file_bytes))
        return error_set(TSR_ERR_UNSUPPORTED, "the file would be longer than 2^63 bytes");
    for (int i = 0; i < schema->n_vars; i++) {
        if (p->vars[i].is_record) p->vars[i].layout.strides[0] = p->record_bytes;
    }
    return TSR_OK;
}

static tsr_status plan_version(plan *p, int version)
{
    p->version = version;
    TRY(choose_record_dim(p));
    TRY(check_dims(p));
    for (int i = 0; i < p->schema->n_vars; i++) TRY(measure_var(p, &p->schema->vars[i], &p->vars[i]));
    TRY(encode_header(p));
    TRY(place_vars(p));
    return encode_header(p);
}

/* ---- The formats ------------------------------------------------------------------------------------------------- */

static tsr_status create_file(store_writer *w, plan *p)
{
    nc3_out *out = w->format_data = mem_alloc(sizeof *out);
    if (!out) return TSR_ERR_MEMORY;
    out->vars = p->vars;
    p->vars = NULL; /* moved */
    out->fd = open(w->temporary, O_WRONLY | O_CLOEXEC);
    if (out->fd < 0) return error_errno(errno, "cannot open the new file");
    if (ftruncate(out->fd, (off_t)p->file_bytes) != 0)
        return error_errno(errno, "cannot make the file %lld bytes long", (long long)p->file_bytes);
    return fd_write_at(out->fd, p->header.items, p->header.n, 0);
}

/* Tries the versions in turn; the last one's reason is the caller's if none fits. */
static tsr_status create_first(store_writer *w, const store_schema *schema, const int *versions, int n_versions)
{
    plan p = {.schema = schema};
    tsr_status status = TSR_ERR_MEMORY;
    p.vars = mem_calloc((size_t)schema->n_vars, sizeof *p.vars);
    if (!p.vars) goto done;
    for (int i = 0; i < n_versions; i++) {
        status = plan_version(&p, versions[i]);
        if (status != TSR_ERR_UNSUPPORTED) break;
    }
    if (status != TSR_OK) goto done;
    for (int i = 0; i < w->n_vars; i++)
        w->vars[i].stored_bytes = shape_size(w->vars[i].ndim, w->vars[i].shape) * (int64_t)p.vars[i].layout.item_bytes;
    status = create_file(w, &p);
done:
    mem_free(p.vars);
    VEC_FINI(&p.header);
    return status;
}

static tsr_status create_any(store_writer *w, const store_schema *schema)
{
    return create_first(w, schema, (const int[]){NC3_CLASSIC, NC3_OFFSET64, NC3_CDF5}, 3);
}
static tsr_status create_classic(store_writer *w, const store_schema *schema)
{
    return create_first(w, schema, (const int[]){NC3_CLASSIC}, 1);
}
static tsr_status create_offset64(store_writer *w, const store_schema *schema)
{
    return create_first(w, schema, (const int[]){NC3_OFFSET64}, 1);
}
static tsr_status create_cdf5(store_writer *w, const store_schema *schema)
{
    return create_first(w, schema, (const int[]){NC3_CDF5}, 1);
}

static tsr_status nc3_write(store_writer *w, int var, const box *region, const void *data)
{
    nc3_out *out = w->format_data;
    return file_layout_write(out->fd, &out->vars[var].layout, region, data, HOST_IS_LITTLE_ENDIAN);
}

static bool nc3_place(store_writer *w, int var, store_place *out)
{
    *out = (store_place){.layout = ((nc3_out *)w->format_data)->vars[var].layout, .swap = HOST_IS_LITTLE_ENDIAN};
    return true;
}

static tsr_status nc3_finish(store_writer *w)
{
    nc3_out *out = w->format_data;
    int fd = out->fd;
    out->fd = -1;
    if (close(fd) != 0) return error_errno(errno, "cannot close the file");
    return TSR_OK;
}

static void nc3_close_writer(store_writer *w)
{
    nc3_out *out = w->format_data;
    if (!out) return;
    if (out->fd >= 0) close(out->fd);
    mem_free(out->vars);
    mem_free(out);
    w->format_data = NULL;
}

#define NC3_WRITER(identifier, format, endings, creator)                                                                         \
    const writer_ops identifier = {.name = format,                                                                               \
                                   .extensions = endings,                                                                        \
                                   .create = creator,                                                                            \
                                   .write = nc3_write,                                                                           \
                                   .place = nc3_place,                                                                           \
                                   .finish = nc3_finish,                                                                         \
                                   .close = nc3_close_writer}

NC3_WRITER(netcdf3_writer_ops, "nc", ".nc .cdf .nc3", create_any);
NC3_WRITER(netcdf3_classic_writer_ops, "nc3", "", create_classic);
NC3_WRITER(netcdf3_offset64_writer_ops, "nc64", "", create_offset64);
NC3_WRITER(netcdf3_cdf5_writer_ops, "nc5", "", create_cdf5);
