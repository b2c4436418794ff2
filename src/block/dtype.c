/* One table describes every dtype; promotion follows NumPy 2 (NEP 50) for dtypes of arrays. */
#include "block/dtype.h"

#include "base/names.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dtype_info {
    const char *name, *code; /* NumPy's name, and its two-character code */
    const char *alias;
    size_t size_bytes;
    dtype_kind kind;
} dtypes[] = {
    [TSR_BOOL] = {"bool", "b1", "?", 1, KIND_BOOL},
    [TSR_I8] = {"int8", "i1", "byte", 1, KIND_INT},
    [TSR_I16] = {"int16", "i2", "short", 2, KIND_INT},
    [TSR_I32] = {"int32", "i4", "intc", 4, KIND_INT},
    [TSR_I64] = {"int64", "i8", "int", 8, KIND_INT},
    [TSR_U8] = {"uint8", "u1", "ubyte", 1, KIND_UINT},
    [TSR_U16] = {"uint16", "u2", "ushort", 2, KIND_UINT},
    [TSR_U32] = {"uint32", "u4", "uintc", 4, KIND_UINT},
    [TSR_U64] = {"uint64", "u8", "uint", 8, KIND_UINT},
    [TSR_F32] = {"float32", "f4", "single", 4, KIND_FLOAT},
    [TSR_F64] = {"float64", "f8", "float", 8, KIND_FLOAT},
    [TSR_C64] = {"complex64", "c8", "csingle", 8, KIND_COMPLEX},
    [TSR_C128] = {"complex128", "c16", "complex", 16, KIND_COMPLEX},
};
static_assert(sizeof dtypes / sizeof *dtypes == TSR_N_DTYPES, "every dtype is described");

/* Tessera's own short names; where one is also a NumPy code of another size ("i8", "u8") the meaning depends on the
 * caller's world, so only the names that cannot be confused are read: NumPy's codes win. */
static const struct {
    const char *name;
    tsr_dtype dtype;
} extra_names[] = {
    {"i16", TSR_I16}, {"i32", TSR_I32}, {"i64", TSR_I64}, {"u16", TSR_U16},   {"u32", TSR_U32},    {"u64", TSR_U64},
    {"f32", TSR_F32}, {"f64", TSR_F64}, {"c64", TSR_C64}, {"c128", TSR_C128}, {"double", TSR_F64}, {"bool_", TSR_BOOL},
};

size_t tsr_dtype_size(tsr_dtype dtype) { return dtype_valid((int)dtype) ? dtypes[dtype].size_bytes : 0; }

const char *tsr_dtype_name(tsr_dtype dtype) { return dtype_valid((int)dtype) ? dtypes[dtype].name : NULL; }

dtype_kind dtype_kind_of(tsr_dtype dtype) { return dtypes[dtype].kind; }

tsr_status tsr_dtype_parse(const char *name, tsr_dtype *dtype)
{
    if (!name) return error_set(TSR_ERR_TYPE, "no dtype given");
    const char *bare = name;
    if (*bare == '<' || *bare == '=' || *bare == '|') bare++;
    for (int i = 0; i < TSR_N_DTYPES; i++) {
        if (strcmp(bare, dtypes[i].name) == 0 || strcmp(bare, dtypes[i].code) == 0 || strcmp(bare, dtypes[i].alias) == 0) {
            *dtype = (tsr_dtype)i;
            return TSR_OK;
        }
    }
    for (size_t i = 0; i < sizeof extra_names / sizeof *extra_names; i++) {
        if (strcmp(bare, extra_names[i].name) == 0) {
            *dtype = extra_names[i].dtype;
            return TSR_OK;
        }
    }
    const char *names[TSR_N_DTYPES];
    char hint[300];
    for (int i = 0; i < TSR_N_DTYPES; i++) names[i] = dtypes[i].name;
    return error_set(TSR_ERR_TYPE, "unknown dtype '%s'%s", name, names_hint(bare, TSR_N_DTYPES, names, hint, sizeof hint));
}

tsr_dtype dtype_real(tsr_dtype d) { return d == TSR_C64 ? TSR_F32 : d == TSR_C128 ? TSR_F64 : d; }

tsr_dtype dtype_complex(tsr_dtype d) { return d == TSR_C64 || d == TSR_F32 ? TSR_C64 : TSR_C128; }

tsr_dtype dtype_inexact(tsr_dtype d)
{
    if (dtype_is_inexact(d)) return d;
    return dtypes[d].size_bytes <= 2 ? TSR_F32 : TSR_F64;
}

static tsr_dtype signed_of_size(size_t size_bytes)
{
    return size_bytes == 1 ? TSR_I8 : size_bytes == 2 ? TSR_I16 : size_bytes == 4 ? TSR_I32 : TSR_I64;
}

/* Float that holds an integer dtype when it meets a float of `float_size` bytes. */
static tsr_dtype float_meeting(tsr_dtype integer, size_t float_size)
{
    return float_size == 4 && dtypes[integer].size_bytes <= 2 ? TSR_F32 : TSR_F64;
}

tsr_dtype tsr_dtype_promote(tsr_dtype a, tsr_dtype b)
{
    if (a == b || !dtype_valid((int)a) || !dtype_valid((int)b)) return a;
    if (dtypes[a].kind > dtypes[b].kind) {
        tsr_dtype t = a;
        a = b;
        b = t;
    }
    dtype_kind low = dtypes[a].kind, high = dtypes[b].kind;
    size_t size_a = dtypes[a].size_bytes, size_b = dtypes[b].size_bytes;
    if (low == KIND_BOOL) return b;
    if (low == high) return size_a > size_b ? a : b;
    if (low == KIND_INT && high == KIND_UINT) {
        if (size_a > size_b) return a;
        return size_b == 8 ? TSR_F64 : signed_of_size(size_b * 2);
    }
    if (high == KIND_FLOAT) return float_meeting(a, size_b);
    tsr_dtype real = low == KIND_FLOAT ? a : float_meeting(a, size_b / 2);
    return tsr_dtype_size(real) * 2 > size_b ? TSR_C128 : b;
}

static int64_t to_int64(double v)
{
    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0)) return INT64_MIN;
    return (int64_t)v;
}

static uint64_t to_uint64(double v)
{
    if (v >= 9223372036854775808.0 && v < 18446744073709551616.0) return (uint64_t)v;
    return (uint64_t)to_int64(v);
}

element element_from_scalar(tsr_scalar s, tsr_dtype dtype)
{
    element e = {0};
    dtype_kind from = dtypes[s.dtype].kind;
    bool real = from == KIND_FLOAT || from == KIND_COMPLEX;
    bool is_unsigned = from == KIND_UINT || from == KIND_BOOL;
    int64_t i = real ? to_int64(s.f) : is_unsigned ? (int64_t)s.u : s.i;
    double f = real ? s.f : is_unsigned ? (double)s.u : (double)s.i;
    double imag = from == KIND_COMPLEX ? s.imag : 0.0;
    switch (dtype) {
    case TSR_BOOL: e.b = real ? s.f != 0 || imag != 0 : i != 0; break;
    case TSR_I8: e.i8 = (int8_t)i; break;
    case TSR_I16: e.i16 = (int16_t)i; break;
    case TSR_I32: e.i32 = (int32_t)i; break;
    case TSR_I64: e.i64 = i; break;
    case TSR_U8: e.u8 = (uint8_t)i; break;
    case TSR_U16: e.u16 = (uint16_t)i; break;
    case TSR_U32: e.u32 = (uint32_t)i; break;
    case TSR_U64: e.u64 = real ? to_uint64(s.f) : (uint64_t)i; break;
    case TSR_F32: e.f32 = (float)f; break;
    case TSR_F64: e.f64 = f; break;
    case TSR_C64: e.c64[0] = (float)f, e.c64[1] = (float)imag; break;
    case TSR_C128: e.c128[0] = f, e.c128[1] = imag; break;
    }
    return e;
}

static tsr_scalar scalar_of_int(tsr_dtype dtype, int64_t i)
{
    return (tsr_scalar){.dtype = dtype, .i = i, .u = (uint64_t)i, .f = (double)i};
}
static tsr_scalar scalar_of_uint(tsr_dtype dtype, uint64_t u)
{
    return (tsr_scalar){.dtype = dtype, .i = (int64_t)u, .u = u, .f = (double)u};
}
static tsr_scalar scalar_of_float(tsr_dtype dtype, double f, double imag)
{
    return (tsr_scalar){.dtype = dtype, .i = to_int64(f), .u = to_uint64(f), .f = f, .imag = imag};
}

tsr_scalar scalar_from_element(const void *data, tsr_dtype dtype)
{
    element e = {0};
    memcpy(&e, data, dtypes[dtype].size_bytes);
    switch (dtype) {
    case TSR_BOOL: return scalar_of_uint(dtype, e.u8 != 0);
    case TSR_I8: return scalar_of_int(dtype, e.i8);
    case TSR_I16: return scalar_of_int(dtype, e.i16);
    case TSR_I32: return scalar_of_int(dtype, e.i32);
    case TSR_I64: return scalar_of_int(dtype, e.i64);
    case TSR_U8: return scalar_of_uint(dtype, e.u8);
    case TSR_U16: return scalar_of_uint(dtype, e.u16);
    case TSR_U32: return scalar_of_uint(dtype, e.u32);
    case TSR_U64: return scalar_of_uint(dtype, e.u64);
    case TSR_F32: return scalar_of_float(dtype, (double)e.f32, 0);
    case TSR_F64: return scalar_of_float(dtype, e.f64, 0);
    case TSR_C64: return scalar_of_float(dtype, (double)e.c64[0], (double)e.c64[1]);
    case TSR_C128: return scalar_of_float(dtype, e.c128[0], e.c128[1]);
    }
    return (tsr_scalar){0};
}

tsr_scalar scalar_int(int64_t value) { return scalar_of_int(TSR_I64, value); }
tsr_scalar scalar_float(double value) { return scalar_of_float(TSR_F64, value, 0); }
tsr_scalar scalar_bool(bool value) { return scalar_of_uint(TSR_BOOL, value); }

/* Shortest decimal that reads back as the same value, with ".0" where it would look like an integer. */
static void format_real(double v, bool single, char *out, size_t size)
{
    if (isnan(v)) {
        snprintf(out, size, "nan");
        return;
    }
    if (isinf(v)) {
        snprintf(out, size, v < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 1;
    for (; digits <= (single ? 9 : 17); digits++) {
        snprintf(out, size, "%.*e", digits - 1, v);
        if (single ? strtof(out, NULL) == (float)v : strtod(out, NULL) == v) break;
    }
    char *exponent_at = strchr(out, 'e');
    long exponent = exponent_at ? strtol(exponent_at + 1, NULL, 10) : 0;
    if (exponent < -4 || exponent >= 16) return; /* as Python does */
    if (digits - 1 - exponent >= 1) {
        snprintf(out, size, "%.*f", (int)(digits - 1 - exponent), v);
        return;
    }
    /* A whole number: its digits, zeros up to the point, and ".0". */
    char mantissa[32];
    int n = 0;
    for (const char *p = out; p < exponent_at && n < 20; p++) {
        if (*p != '.') mantissa[n++] = *p;
    }
    for (int sign = v < 0 || (v == 0 && signbit(v)); n < sign + 1 + exponent;) mantissa[n++] = '0';
    snprintf(out, size, "%.*s.0", n, mantissa);
}

char *element_format(const void *data, tsr_dtype dtype, char *buffer, size_t size)
{
    tsr_scalar s = scalar_from_element(data, dtype);
    char re[64], im[64];
    switch (dtypes[dtype].kind) {
    case KIND_BOOL: snprintf(buffer, size, s.u ? "True" : "False"); break;
    case KIND_INT: snprintf(buffer, size, "%lld", (long long)s.i); break;
    case KIND_UINT: snprintf(buffer, size, "%llu", (unsigned long long)s.u); break;
    case KIND_FLOAT: format_real(s.f, dtype == TSR_F32, buffer, size); break;
    case KIND_COMPLEX:
        format_real(s.f, dtype == TSR_C64, re, sizeof re);
        format_real(fabs(s.imag), dtype == TSR_C64, im, sizeof im);
        snprintf(buffer, size, "(%s%c%sj)", re, signbit(s.imag) ? '-' : '+', im);
        break;
    }
    return buffer;
}
