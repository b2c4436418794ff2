/* Reading NetCDF classic files (netcdf3.h draws them). The header is read once, front to back, through a small window;
 * data is read by pread straight into the caller's block, in the file's byte order.
 *
 * Nothing in a file is trusted: a length is compared with the bytes that are left before anything is allocated or read for
 * it, lists grow as their entries are seen, and every variable must lie inside the file before the file counts as open.
 * An open file is immutable; reads run in any thread. */
#include "base/mem.h"
#include "block/dtype.h"
#include "store/fdcache.h"
#include "store/formats.h"
#include "store/netcdf3.h"

#include <limits.h>
#include <string.h>

enum { WINDOW_BYTES = 8 << 10, MAX_NAME_BYTES = 64 << 10, MAX_ATTR_BYTES = 64 << 20 };

typedef struct header {
    store *s;
    int version;
    int64_t size, at; /* of the file; of the next byte to be read */
    int64_t n_records;
    bool is_streaming; /* the number of records was not known when the header was written */
    int record_dim;    /* -1 when there is none */
    int64_t window_begin, window_end;
    unsigned char window[WINDOW_BYTES];
} header;

/* What the format knows of a variable. */
typedef struct nc3_var {
    file_layout layout;
    bool is_record;
    int64_t slab_bytes; /* of the variable, or of one record of it; not padded */
} nc3_var;

/* ---- Bytes ------------------------------------------------------------------------------------------------------- */

static tsr_status need(const header *h, int64_t n, const char *what)
{
    if (n <= h->size - h->at) return TSR_OK;
    return error_set(TSR_ERR_FORMAT, "truncated: %s at byte %lld of the header needs %lld bytes, the file has %lld more", what,
                     (long long)h->at, (long long)n, (long long)(h->size - h->at));
}

static tsr_status take_bytes(header *h, void *out, int64_t n, const char *what)
{
    unsigned char *to = out;
    TRY(need(h, n, what));
    while (n > 0) {
        if (h->at >= h->window_end) {
            int64_t bytes = h->size - h->at < WINDOW_BYTES ? h->size - h->at : WINDOW_BYTES;
            TRY(cached_file_read(h->s->file, h->window, (size_t)bytes, h->at));
            h->window_begin = h->at;
            h->window_end = h->at + bytes;
        }
        int64_t bytes = h->window_end - h->at < n ? h->window_end - h->at : n;
        memcpy(to, h->window + (h->at - h->window_begin), (size_t)bytes);
        to += bytes;
        h->at += bytes;
        n -= bytes;
    }
    return TSR_OK;
}

static tsr_status take_u32(header *h, uint32_t *out, const char *what)
{
    unsigned char b[4];
    TRY(take_bytes(h, b, 4, what));
    *out = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return TSR_OK;
}

static tsr_status take_u64(header *h, uint64_t *out, const char *what)
{
    uint32_t high = 0, low = 0;
    TRY(take_u32(h, &high, what));
    TRY(take_u32(h, &low, what));
    *out = (uint64_t)high << 32 | low;
    return TSR_OK;
}

static tsr_status take_number(header *h, bool wide, int64_t *out, const char *what)
{
    uint64_t v = 0;
    uint32_t narrow = 0;
    if (wide) {
        TRY(take_u64(h, &v, what));
    } else {
        TRY(take_u32(h, &narrow, what));
        v = narrow;
    }
    if (v > INT64_MAX) return error_set(TSR_ERR_FORMAT, "%s before byte %lld of the header is negative", what, (long long)h->at);
    *out = (int64_t)v;
    return TSR_OK;
}

static tsr_status take_count(header *h, int64_t *out, const char *what)
{
    return take_number(h, h->version == NC3_CDF5, out, what);
}

static tsr_status skip_padding(header *h, int64_t n_bytes)
{
    unsigned char zeros[4];
    return take_bytes(h, zeros, nc3_padded(n_bytes) - n_bytes, "padding");
}

static tsr_status take_name(header *h, char **out)
{
    int64_t n = 0;
    TRY(take_count(h, &n, "the length of a name"));
    TRY(need(h, n, "a name"));
    if (n == 0 || n > MAX_NAME_BYTES)
        return error_set(TSR_ERR_FORMAT, "a name of %lld bytes before byte %lld of the header is not plausible", (long long)n,
                         (long long)h->at);
    char *name = mem_alloc((size_t)n + 1);
    if (!name) return TSR_ERR_MEMORY;
    *out = name; /* the caller frees it also on failure */
    name[0] = name[n] = '\0';
    TRY(take_bytes(h, name, n, "a name"));
    if (memchr(name, 0, (size_t)n))
        return error_set(TSR_ERR_FORMAT, "the name before byte %lld of the header holds a zero byte", (long long)h->at);
    return skip_padding(h, n);
}

/* The tag and count of a list; an absent list is two zeros. Each entry takes at least least_bytes. */
static tsr_status take_list(header *h, uint32_t tag, int64_t least_bytes, const char *what, int64_t *n)
{
    uint32_t found = 0;
    TRY(take_u32(h, &found, what));
    TRY(take_count(h, n, what));
    if (found != tag && !(found == 0 && *n == 0))
        return error_set(TSR_ERR_FORMAT, "%s: the tag before byte %lld of the header is %u instead of %u", what, (long long)h->at,
                         found, tag);
    if (*n > (h->size - h->at) / least_bytes || *n > INT_MAX)
        return error_set(TSR_ERR_FORMAT, "truncated: %lld %s cannot be in the %lld bytes that the file has after byte %lld",
                         (long long)*n, what, (long long)(h->size - h->at), (long long)h->at);
    return TSR_OK;
}

/* Room for one more zeroed entry in a list of n that this function alone has grown: powers of two from 8. */
static tsr_status grow(void *list, int n, size_t item_bytes)
{
    void **items = list;
    if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
        void *grown = mem_realloc(*items, item_bytes * (n == 0 ? 8 : 2 * (size_t)n));
        if (!grown) return TSR_ERR_MEMORY;
        *items = grown;
    }
    memset((char *)*items + item_bytes * (size_t)n, 0, item_bytes);
    return TSR_OK;
}

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

static const struct {
    tsr_dtype dtype;
    bool cdf5_only;
} types[] = {
    [NC3_BYTE] = {TSR_I8},        [NC3_CHAR] = {TSR_U8},         [NC3_SHORT] = {TSR_I16},        [NC3_INT] = {TSR_I32},
    [NC3_FLOAT] = {TSR_F32},      [NC3_DOUBLE] = {TSR_F64},      [NC3_UBYTE] = {TSR_U8, true},   [NC3_USHORT] = {TSR_U16, true},
    [NC3_UINT] = {TSR_U32, true}, [NC3_INT64] = {TSR_I64, true}, [NC3_UINT64] = {TSR_U64, true},
};

static tsr_status take_type(header *h, uint32_t *type)
{
    TRY(take_u32(h, type, "a type"));
    if (*type < NC3_BYTE || *type > NC3_UINT64 || (types[*type].cdf5_only && h->version != NC3_CDF5))
        return error_set(TSR_ERR_FORMAT, "type %u before byte %lld of the header does not exist in this format", *type,
                         (long long)h->at);
    return TSR_OK;
}

static void values_to_host(void *values, int64_t n, size_t item_bytes)
{
    if (!HOST_IS_LITTLE_ENDIAN || item_bytes == 1) return;
    unsigned char *p = values;
    for (int64_t i = 0; i < n; i++, p += item_bytes) {
        for (size_t low = 0, high = item_bytes - 1; low < high; low++, high--) {
            unsigned char t = p[low];
            p[low] = p[high];
            p[high] = t;
        }
    }
}

static tsr_status take_attr(header *h, store_attr *attr)
{
    uint32_t type;
    int64_t n, n_bytes;
    TRY(take_name(h, &attr->name));
    TRY(take_type(h, &type));
    TRY(take_count(h, &n, "the length of an attribute"));
    attr->dtype = types[type].dtype;
    size_t item_bytes = tsr_dtype_size(attr->dtype);
    if (__builtin_mul_overflow(n, (int64_t)item_bytes, &n_bytes)) n_bytes = INT64_MAX;
    TRY(need(h, n_bytes, "an attribute's value"));
    if (n_bytes > MAX_ATTR_BYTES)
        return error_set(TSR_ERR_FORMAT, "attribute '%s' has %lld bytes, which is not plausible", attr->name, (long long)n_bytes);
    char *values = mem_calloc(1, (size_t)n_bytes + 1);
    if (!values) return TSR_ERR_MEMORY;
    if (type == NC3_CHAR) {
        attr->text = values;
    } else {
        attr->values = values;
    }
    attr->n_values = n;
    TRY(take_bytes(h, values, n_bytes, "an attribute's value"));
    if (type != NC3_CHAR) values_to_host(values, n, item_bytes);
    return skip_padding(h, n_bytes);
}

static tsr_status take_attrs(header *h, store_attr **attrs, int *n_attrs)
{
    int64_t n;
    TRY(take_list(h, NC3_TAG_ATTRIBUTE, 12, "attributes", &n));
    for (int64_t i = 0; i < n; i++) {
        TRY(grow(attrs, *n_attrs, sizeof **attrs));
        store_attr *attr = &(*attrs)[(*n_attrs)++];
        TRY(take_attr(h, attr));
    }
    return TSR_OK;
}

static tsr_status take_dims(header *h)
{
    store *s = h->s;
    int64_t n;
    TRY(take_list(h, NC3_TAG_DIMENSION, 8, "dimensions", &n));
    for (int64_t i = 0; i < n; i++) {
        TRY(grow(&s->dims, s->n_dims, sizeof *s->dims));
        store_dim *dim = &s->dims[s->n_dims++];
        TRY(take_name(h, &dim->name));
        TRY(take_count(h, &dim->length, "the length of a dimension"));
        if (dim->length > 0) continue;
        if (h->record_dim >= 0)
            return error_set(TSR_ERR_FORMAT, "'%s' and '%s' are both record dimensions", s->dims[h->record_dim].name, dim->name);
        h->record_dim = (int)i;
        dim->is_unlimited = true;
    }
    return TSR_OK;
}

static tsr_status take_var_dims(header *h, store_var *var)
{
    int64_t n, id;
    TRY(take_count(h, &n, "a number of dimensions"));
    if (n > (h->size - h->at) / 4)
        return error_set(TSR_ERR_FORMAT, "truncated: variable '%s' cannot have %lld dimensions", var->name, (long long)n);
    if (n > TSR_MAX_NDIM)
        return error_set(TSR_ERR_UNSUPPORTED, "variable '%s' has %lld dimensions; at most %d are possible", var->name,
                         (long long)n, TSR_MAX_NDIM);
    var->ndim = (int)n;
    for (int d = 0; d < var->ndim; d++) {
        TRY(take_count(h, &id, "a dimension's number"));
        if (id >= h->s->n_dims)
            return error_set(TSR_ERR_FORMAT, "variable '%s' uses dimension %lld of %d", var->name, (long long)id, h->s->n_dims);
        if (id == h->record_dim && d > 0)
            return error_set(TSR_ERR_FORMAT, "variable '%s' uses the record dimension '%s' not as its first", var->name,
                             h->s->dims[id].name);
        var->dims[d] = (int)id;
    }
    return TSR_OK;
}

static tsr_status take_var(header *h, store_var *var)
{
    uint32_t type;
    int64_t ignored;
    TRY(take_name(h, &var->name));
    nc3_var *v = var->format_data = mem_calloc(1, sizeof *v);
    if (!v) return TSR_ERR_MEMORY;
    TRY(take_var_dims(h, var));
    TRY(take_attrs(h, &var->attrs, &var->n_attrs));
    TRY(take_type(h, &type));
    /* The size follows from the shape; writers have put various things here when it does not fit into 4 bytes. */
    TRY(take_count(h, &ignored, "a variable's size"));
    TRY(take_number(h, h->version != NC3_CLASSIC, &v->layout.begin, "a variable's offset"));
    var->dtype = types[type].dtype;
    var->is_text = type == NC3_CHAR;
    var->swapped = HOST_IS_LITTLE_ENDIAN && tsr_dtype_size(var->dtype) > 1;
    return TSR_OK;
}

/* ---- Where the data is ------------------------------------------------------------------------------------------- */

static tsr_status too_large(const store_var *var)
{
    return error_set(TSR_ERR_FORMAT, "variable '%s' has a shape of more than 2^63 bytes", var->name);
}

/* Shape and size of a variable; of a record variable all but the number of records. */
static tsr_status measure(const header *h, store_var *var)
{
    nc3_var *v = var->format_data;
    file_layout *layout = &v->layout;
    layout->ndim = var->ndim;
    layout->item_bytes = tsr_dtype_size(var->dtype);
    v->is_record = var->ndim > 0 && var->dims[0] == h->record_dim;
    v->slab_bytes = (int64_t)layout->item_bytes;
    for (int d = var->ndim - 1; d >= v->is_record; d--) {
        var->shape[d] = var->chunk[d] = h->s->dims[var->dims[d]].length;
        layout->strides[d] = v->slab_bytes;
        if (__builtin_mul_overflow(v->slab_bytes, var->shape[d], &v->slab_bytes)) return too_large(var);
    }
    if (v->slab_bytes > INT64_MAX - 3) return too_large(var);
    if (v->layout.begin < h->at)
        return error_set(TSR_ERR_FORMAT, "variable '%s' begins at byte %lld, inside the header of %lld bytes", var->name,
                         (long long)v->layout.begin, (long long)h->at);
    return TSR_OK;
}

/* A record's length, with the exception for a single record variable. */
static tsr_status measure_records(const header *h, int64_t *record_bytes)
{
    const store *s = h->s;
    int n_record_vars = 0;
    int64_t padded = 0, bare = 0;
    for (int i = 0; i < s->n_vars; i++) {
        const nc3_var *v = s->vars[i].format_data;
        if (!v->is_record) continue;
        n_record_vars++;
        bare = v->slab_bytes;
        if (__builtin_add_overflow(padded, nc3_padded(v->slab_bytes), &padded)) return too_large(&s->vars[i]);
    }
    *record_bytes = n_record_vars == 1 ? bare : padded;
    return TSR_OK;
}

/* A file that was streamed holds as many records as there are bytes for. */
static int64_t count_streamed(const header *h, int64_t record_bytes)
{
    const store *s = h->s;
    int64_t n_records = -1;
    for (int i = 0; i < s->n_vars; i++) {
        const nc3_var *v = s->vars[i].format_data;
        if (!v->is_record) continue;
        int64_t room = h->size - v->layout.begin; /* both are positive: no overflow */
        int64_t n = room < v->slab_bytes ? 0 : (room - v->slab_bytes) / record_bytes + 1;
        if (n_records < 0 || n < n_records) n_records = n;
    }
    return n_records < 0 ? 0 : n_records;
}

static tsr_status check_inside(const header *h, const store_var *var, int64_t record_bytes)
{
    const nc3_var *v = var->format_data;
    int64_t end = v->slab_bytes;
    if (v->is_record) {
        if (h->n_records == 0) return TSR_OK;
        if (__builtin_mul_overflow(h->n_records - 1, record_bytes, &end) || __builtin_add_overflow(end, v->slab_bytes, &end))
            return too_large(var);
    }
    if (__builtin_add_overflow(end, v->layout.begin, &end)) return too_large(var);
    if (end <= h->size) return TSR_OK;
    return error_set(TSR_ERR_FORMAT, "truncated: variable '%s' needs the bytes up to %lld, the file has %lld", var->name,
                     (long long)end, (long long)h->size);
}

static tsr_status place_vars(header *h)
{
    store *s = h->s;
    int64_t record_bytes = 0;
    for (int i = 0; i < s->n_vars; i++) TRY(measure(h, &s->vars[i]));
    TRY(measure_records(h, &record_bytes));
    if (h->is_streaming) h->n_records = count_streamed(h, record_bytes);
    if (h->record_dim >= 0) s->dims[h->record_dim].length = h->n_records;
    for (int i = 0; i < s->n_vars; i++) {
        store_var *var = &s->vars[i];
        nc3_var *v = var->format_data;
        TRY(check_inside(h, var, record_bytes));
        if (v->is_record) {
            var->shape[0] = var->chunk[0] = h->n_records;
            v->layout.strides[0] = record_bytes;
        }
        var->stored_bytes = v->is_record ? h->n_records * v->slab_bytes : v->slab_bytes;
    }
    return TSR_OK;
}

/* ---- The format -------------------------------------------------------------------------------------------------- */

static bool nc3_probe(const unsigned char *head, size_t n, const char *path)
{
    return n >= 4 && memcmp(head, "CDF", 3) == 0 && (head[3] == NC3_CLASSIC || head[3] == NC3_OFFSET64 || head[3] == NC3_CDF5);
}

static tsr_status take_start(header *h)
{
    unsigned char start[4];
    uint64_t wide = 0;
    uint32_t narrow = 0;
    TRY(take_bytes(h, start, 4, "the format"));
    h->version = start[3];
    if (h->version == NC3_CDF5) {
        TRY(take_u64(h, &wide, "the number of records"));
        h->is_streaming = wide == UINT64_MAX;
        if (!h->is_streaming && wide > INT64_MAX) return error_set(TSR_ERR_FORMAT, "the number of records is negative");
        h->n_records = h->is_streaming ? 0 : (int64_t)wide;
    } else {
        TRY(take_u32(h, &narrow, "the number of records"));
        h->is_streaming = narrow == UINT32_MAX;
        h->n_records = h->is_streaming ? 0 : (int64_t)narrow;
    }
    return TSR_OK;
}

static tsr_status nc3_open(store *s)
{
    header h = {.s = s, .size = cached_file_size(s->file), .record_dim = -1};
    int64_t n;
    TRY(take_start(&h));
    s->variant = mem_strdup(h.version == NC3_CLASSIC ? "classic" : h.version == NC3_OFFSET64 ? "64-bit offset" : "CDF-5");
    if (!s->variant) return TSR_ERR_MEMORY;
    TRY(take_dims(&h));
    TRY(take_attrs(&h, &s->attrs, &s->n_attrs));
    TRY(take_list(&h, NC3_TAG_VARIABLE, 28, "variables", &n));
    for (int64_t i = 0; i < n; i++) {
        TRY(grow(&s->vars, s->n_vars, sizeof *s->vars));
        store_var *var = &s->vars[s->n_vars++];
        TRY(take_var(&h, var));
    }
    return place_vars(&h);
}

static tsr_status nc3_read(store *s, const store_var *var, const box *region, const int64_t *step, void *out, int64_t *bytes_read)
{
    const nc3_var *v = var->format_data;
    return file_layout_read(s->file, &v->layout, region, step, out, bytes_read);
}

static void nc3_close(store *s)
{
    for (int i = 0; i < s->n_vars; i++) mem_free(s->vars[i].format_data);
}

const store_ops netcdf3_store_ops = {
    .name = "NetCDF-3", .probe = nc3_probe, .open = nc3_open, .read = nc3_read, .close = nc3_close};
