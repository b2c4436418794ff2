/* Packed data by the CF conventions (1.11, section 8.1) and the attributes of the NetCDF users' guide: scale_factor, add_offset,
 * _FillValue, missing_value, _Unsigned. Decoding is expressed as array operations, so it is fused into whatever reads the data.
 *
 * Dtypes: values with a scale or offset are float64, unless both attributes are float32 and the packed integers have at most 16
 * bits (then float32 holds them); integers with fill values become float64 (float32 up to 16 bits); floats keep their dtype. */
#include "dataset/dataset.h"

#include <math.h>
#include <string.h>

typedef struct packing {
    double scale, offset, fill[2];
    bool has_scale, has_offset, is_unsigned;
    int n_fill;
    bool is_single; /* the attributes are float32 */
} packing;

static bool find_number(const store_var *var, const char *name, double *value)
{
    const store_attr *a = store_var_attr(var, name);
    return a && attr_number(a, value);
}

static packing packing_of(const store_var *var)
{
    packing p = {.scale = 1, .is_single = true};
    p.has_scale = find_number(var, "scale_factor", &p.scale);
    p.has_offset = find_number(var, "add_offset", &p.offset);
    if (find_number(var, "_FillValue", &p.fill[p.n_fill])) p.n_fill++;
    if (find_number(var, "missing_value", &p.fill[p.n_fill]) && (p.n_fill == 0 || p.fill[1] != p.fill[0])) p.n_fill++;
    const char *names[] = {"scale_factor", "add_offset"};
    for (int i = 0; i < 2; i++) {
        const store_attr *a = store_var_attr(var, names[i]);
        if (a && a->dtype != TSR_F32) p.is_single = false;
    }
    const store_attr *u = store_var_attr(var, "_Unsigned");
    p.is_unsigned = u && u->text && (strcmp(u->text, "true") == 0 || strcmp(u->text, "True") == 0);
    return p;
}

bool cf_same_packing(const store_var *a, const store_var *b)
{
    packing p = packing_of(a), q = packing_of(b);
    return p.scale == q.scale && p.offset == q.offset && p.has_scale == q.has_scale && p.has_offset == q.has_offset &&
           p.is_unsigned == q.is_unsigned && p.n_fill == q.n_fill &&
           memcmp(p.fill, q.fill, sizeof *p.fill * (size_t)p.n_fill) == 0 && p.is_single == q.is_single && a->dtype == b->dtype;
}

/* op(a, number); a is consumed. */
static tsr_array *with_number(op_code op, tsr_array *a, double number)
{
    tsr_array *b = a ? tsr_full(a->session, scalar_float(number), a->dtype, 0, NULL, NULL) : NULL, *pair[2] = {a, b};
    return array_using(array_using(array_map(op, 2, pair), a), b);
}

static tsr_dtype as_unsigned(tsr_dtype d)
{
    return d == TSR_I8 ? TSR_U8 : d == TSR_I16 ? TSR_U16 : d == TSR_I32 ? TSR_U32 : d == TSR_I64 ? TSR_U64 : d;
}

tsr_array *cf_decode(tsr_array *stored, const store_var *var, bool raw)
{
    packing p = packing_of(var);
    if (!stored) return NULL;
    if (raw || (!p.has_scale && !p.has_offset && p.n_fill == 0 && !p.is_unsigned) || dtype_is_complex(stored->dtype) ||
        stored->dtype == TSR_BOOL) {
        return node_ref(stored);
    }
    tsr_array *packed = p.is_unsigned ? array_cast(stored, as_unsigned(stored->dtype)) : node_ref(stored), *missing = NULL;
    for (int i = 0; packed && i < p.n_fill; i++) { /* compared before scaling, in the stored dtype */
        tsr_scalar fill = scalar_float(p.fill[i]);
        tsr_array *is = NULL;
        if (isnan(p.fill[i])) continue; /* NaN is missing as it is */
        tsr_array *value = tsr_full(packed->session, fill, packed->dtype, 0, NULL, NULL);
        is = tsr_equal(packed, value);
        node_unref(value);
        missing = missing ? array_using(array_using(tsr_logical_or(missing, is), missing), is) : is;
    }
    bool narrow = tsr_dtype_size(stored->dtype) <= 2, scaled = p.has_scale || p.has_offset;
    tsr_dtype dtype = dtype_is_float(stored->dtype) ? stored->dtype : TSR_F64;
    if (!dtype_is_float(stored->dtype) && narrow && p.is_single && (scaled || p.n_fill)) dtype = TSR_F32;
    if (dtype_is_float(stored->dtype) && scaled && !p.is_single) dtype = TSR_F64;
    if (!scaled && !missing) dtype = packed ? packed->dtype : dtype;
    tsr_array *x = packed ? array_cast(packed, dtype) : NULL;
    if (p.has_scale) x = with_number(OP_MULTIPLY, x, p.scale);
    if (p.has_offset) x = with_number(OP_ADD, x, p.offset);
    if (missing && x) {
        tsr_array *nan = tsr_full(x->session, scalar_float(NAN), dtype, 0, NULL, NULL);
        x = array_using(array_using(tsr_where(missing, nan, x), x), nan);
    }
    node_unref(missing);
    node_unref(packed);
    return x;
}

tsr_status cf_attributes(const store_var *var, bool raw, attrs **out)
{
    static const char *const gone[] = {"scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned",
                                       "valid_range",  "valid_min",  "valid_max",  "_ChunkSizes"};
    TRY(attrs_new(var->n_attrs, var->attrs, out));
    for (size_t i = 0; !raw && i < sizeof gone / sizeof *gone; i++) attrs_remove(*out, gone[i]);
    return TSR_OK;
}
