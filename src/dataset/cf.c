/* CF decoding as lazy array operations, so that it fuses with whatever follows; and the same arithmetic on values in memory.
 * CF conventions 1.11, sections 2.5.1 (missing data) and 8.1 (packed data). Pure functions. */
#include "dataset/cf.h"

#include "dataset/attrs.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const used_attributes[] = {"scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned"};

bool cf_packing_uses(const char *attribute)
{
    for (size_t i = 0; i < sizeof used_attributes / sizeof *used_attributes; i++)
        if (!strcmp(attribute, used_attributes[i])) return true;
    return false;
}

static tsr_dtype other_sign(tsr_dtype d)
{
    if (dtype_is_signed(d)) return (tsr_dtype)(d - TSR_I8 + TSR_U8);
    return (tsr_dtype)(d - TSR_U8 + TSR_I8);
}

static tsr_dtype raw_dtype(const store_var *var)
{
    const store_attr *attr = store_var_attr(var, "_Unsigned");
    if (!attr || !attr->text || !dtype_is_integer(var->dtype)) return var->dtype;
    bool is_unsigned = !strcasecmp(attr->text, "true");
    bool is_signed = !strcasecmp(attr->text, "false");
    if ((is_unsigned && dtype_is_signed(var->dtype)) || (is_signed && dtype_is_unsigned(var->dtype)))
        return other_sign(var->dtype);
    return var->dtype;
}

static tsr_status number_of(const store_var *var, const char *name, bool *has, double *value, tsr_dtype *dtype)
{
    const store_attr *attr = store_var_attr(var, name);
    *has = attr != NULL;
    if (!attr) return TSR_OK;
    if (!attr_number(attr, value) || (!attr->text && dtype_is_complex(attr->dtype)))
        return error_set(TSR_ERR_FORMAT, "variable '%s': attribute %s is '%s', not a number", var->name, name,
                         attr->text ? attr->text : "");
    *dtype = attr->text ? TSR_F64 : attr->dtype;
    return TSR_OK;
}

/* The element of the raw dtype that a fill value means; false if no stored value can equal it (NaN, or out of an integer's
 * range). */
static bool fill_element(const store_attr *attr, int64_t i, tsr_dtype raw, element *out)
{
    tsr_scalar value;
    if (attr->text) {
        value = (tsr_scalar){.dtype = TSR_F64};
        if (!attr_number(attr, &value.f)) return false;
    } else
        value = scalar_from_element((const char *)attr->values + (size_t)i * tsr_dtype_size(attr->dtype), attr->dtype);
    memset(out, 0, sizeof *out);
    if (!dtype_is_float(raw) && dtype_is_float(value.dtype)) { /* a whole number within the integers' range, or none of them */
        if (!(value.f >= -0x1p63 && value.f < (dtype_is_unsigned(raw) ? 0x1p64 : 0x1p63))) return false;
        *out = element_from_scalar(value, raw);
        return element_from_scalar(scalar_from_element(out, raw), TSR_F64).f64 == value.f;
    }
    *out = element_from_scalar(value, raw);
    if (dtype_is_float(raw)) {
        double f = element_from_scalar(value, TSR_F64).f64;
        return !isnan(f);
    }
    /* Integers of one size are the same bits, whatever their sign: 255 means -1 to a signed byte. Others must be in range. */
    if (tsr_dtype_size(value.dtype) == tsr_dtype_size(raw)) return true;
    tsr_scalar back = scalar_from_element(out, raw);
    bool is_negative = dtype_is_signed(value.dtype) && value.i < 0, back_is_negative = dtype_is_signed(raw) && back.i < 0;
    uint64_t magnitude = dtype_is_signed(value.dtype) ? (uint64_t)value.i : value.u;
    return is_negative == back_is_negative && magnitude == (dtype_is_signed(raw) ? (uint64_t)back.i : back.u);
}

static tsr_status read_fills(const store_var *var, const char *name, cf_packing *p, bool *has)
{
    const store_attr *attr = store_var_attr(var, name);
    if (!attr || (attr->text && !*attr->text)) return TSR_OK;
    if (!attr->text && dtype_is_complex(attr->dtype)) return TSR_OK;
    *has = true;
    int64_t n = attr->text ? 1 : attr->n_values;
    for (int64_t i = 0; i < n; i++) {
        element fill;
        if (!fill_element(attr, i, p->raw, &fill)) continue;
        bool known = false;
        for (int k = 0; k < p->n_fills; k++) known |= memcmp(&p->fills[k], &fill, tsr_dtype_size(p->raw)) == 0;
        if (known) continue;
        if (p->n_fills == CF_MAX_FILLS)
            return error_set(TSR_ERR_UNSUPPORTED, "variable '%s': attribute %s has %lld values; at most %d are understood",
                             var->name, name, (long long)n, CF_MAX_FILLS);
        p->fills[p->n_fills++] = fill;
    }
    return TSR_OK;
}

static tsr_dtype decoded_dtype(const cf_packing *p, bool has_fill, tsr_dtype scale_type, tsr_dtype offset_type)
{
    size_t size = tsr_dtype_size(p->raw);
    if (p->has_scale && p->has_offset && scale_type == offset_type && dtype_is_float(scale_type))
        return dtype_is_integer(p->raw) && size == 4 ? TSR_F64 : scale_type;
    if (p->has_offset) return TSR_F64;
    if (p->has_scale) return scale_type == TSR_F32 ? TSR_F32 : TSR_F64;
    if (!has_fill) return p->raw;
    if (dtype_is_float(p->raw)) return p->raw;
    return size <= 2 ? TSR_F32 : TSR_F64;
}

tsr_status cf_packing_read(const store_var *var, bool as_stored, cf_packing *out)
{
    memset(out, 0, sizeof *out);
    out->stored = out->raw = out->dtype = var->dtype;
    out->scale = 1;
    if (as_stored || dtype_is_complex(var->dtype) || var->is_text) return TSR_OK;
    tsr_dtype scale_type = TSR_F64, offset_type = TSR_F64;
    bool has_fill = false;
    out->raw = raw_dtype(var);
    TRY(number_of(var, "scale_factor", &out->has_scale, &out->scale, &scale_type));
    TRY(number_of(var, "add_offset", &out->has_offset, &out->offset, &offset_type));
    TRY(read_fills(var, "_FillValue", out, &has_fill));
    TRY(read_fills(var, "missing_value", out, &has_fill));
    out->dtype = decoded_dtype(out, has_fill, scale_type, offset_type);
    return TSR_OK;
}

bool cf_packing_equal(const cf_packing *a, const cf_packing *b)
{
    return a->stored == b->stored && a->raw == b->raw && a->dtype == b->dtype && a->has_scale == b->has_scale &&
           a->has_offset == b->has_offset && a->scale == b->scale && a->offset == b->offset && a->n_fills == b->n_fills &&
           !memcmp(a->fills, b->fills, (size_t)a->n_fills * sizeof *a->fills);
}

bool cf_packing_is_plain(const cf_packing *p)
{
    return p->dtype == p->stored && !p->has_scale && !p->has_offset && p->n_fills == 0;
}

/* *x = next, where next was made from *x. */
static void replace(tsr_array **x, tsr_array *next)
{
    tsr_release(*x);
    *x = next;
}

static tsr_array *constant(const tsr_array *like, const void *value, tsr_dtype dtype)
{
    return like ? tsr_full(tsr_session_of(like), scalar_from_element(value, dtype), dtype, 0, NULL, NULL) : NULL;
}

static tsr_array *real_constant(const tsr_array *like, double value, tsr_dtype dtype)
{
    element e = element_from_scalar(scalar_float(value), dtype);
    return constant(like, &e, dtype);
}

/* True where the raw value is one of the fill values. */
static tsr_array *missing_mask(tsr_array *raw, const cf_packing *p)
{
    tsr_array *mask = NULL;
    for (int i = 0; i < p->n_fills; i++) {
        tsr_array *fill = constant(raw, &p->fills[i], p->raw);
        tsr_array *equal = tsr_equal(raw, fill);
        tsr_release(fill);
        if (!equal) {
            tsr_release(mask);
            return NULL;
        }
        if (!mask)
            mask = equal;
        else {
            replace(&mask, tsr_logical_or(mask, equal));
            tsr_release(equal);
            if (!mask) return NULL;
        }
    }
    return mask;
}

tsr_array *cf_decode_array(tsr_array *array, const cf_packing *p)
{
    if (!array) return NULL;
    tsr_array *raw = tsr_retain(array);
    if (p->raw != p->stored) replace(&raw, tsr_astype(raw, p->raw));
    tsr_array *x = tsr_astype(raw, p->dtype);
    if (p->has_scale) {
        tsr_array *scale = real_constant(x, p->scale, p->dtype);
        replace(&x, tsr_multiply(x, scale));
        tsr_release(scale);
    }
    if (p->has_offset) {
        tsr_array *offset = real_constant(x, p->offset, p->dtype);
        replace(&x, tsr_add(x, offset));
        tsr_release(offset);
    }
    if (p->n_fills > 0) {
        tsr_array *mask = missing_mask(raw, p), *nan = real_constant(x, NAN, p->dtype);
        replace(&x, tsr_where(mask, nan, x));
        tsr_release(nan);
        tsr_release(mask);
    }
    tsr_release(raw);
    return x;
}

tsr_status cf_decode_labels(const labels *stored, const cf_packing *p, labels **out)
{
    labels *l;
    TRY(labels_new(p->dtype, stored->n, &l));
    size_t item = tsr_dtype_size(p->dtype), stored_item = tsr_dtype_size(p->stored), raw_item = tsr_dtype_size(p->raw);
    for (int64_t i = 0; i < stored->n; i++) {
        element raw =
            element_from_scalar(scalar_from_element((const char *)stored->data + (size_t)i * stored_item, p->stored), p->raw);
        tsr_scalar value = scalar_from_element(&raw, p->raw);
        element x;
        if (p->dtype == TSR_F32 && (p->has_scale || p->has_offset)) {
            float f = element_from_scalar(value, TSR_F32).f32;
            if (p->has_scale) f *= (float)p->scale;
            if (p->has_offset) f += (float)p->offset;
            x.f32 = f;
        } else if (p->has_scale || p->has_offset) {
            double f = element_from_scalar(value, TSR_F64).f64;
            if (p->has_scale) f *= p->scale;
            if (p->has_offset) f += p->offset;
            x.f64 = f;
        } else
            x = element_from_scalar(value, p->dtype);
        for (int k = 0; k < p->n_fills; k++)
            if (!memcmp(&raw, &p->fills[k], raw_item)) x = element_from_scalar(scalar_float(NAN), p->dtype);
        memcpy((char *)l->data + (size_t)i * item, &x, item);
    }
    tsr_status status = labels_finish(l);
    if (status == TSR_OK)
        *out = l;
    else
        labels_unref(l);
    return status;
}
