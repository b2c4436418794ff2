/* CF decoding: packed and missing values of a file's variable become plain numbers and NaN. */
#ifndef TESSERA_DATASET_CF_H
#define TESSERA_DATASET_CF_H

#include "block/dtype.h"
#include "dataset/labels.h"
#include "store/store.h"

enum { CF_MAX_FILLS = 16 };

/* How the values of a variable are packed. */
typedef struct cf_packing {
    tsr_dtype stored; /* in the file */
    tsr_dtype raw;    /* the same bits as the attribute _Unsigned wants them read */
    tsr_dtype dtype;  /* decoded */
    bool has_scale, has_offset;
    double scale, offset;
    int n_fills; /* values that mean "missing", in the raw dtype */
    element fills[CF_MAX_FILLS];
} cf_packing;

/* Reads the attributes scale_factor, add_offset, _FillValue, missing_value and _Unsigned. With `as_stored` nothing is decoded.
 *
 * The decoded dtype: with scale_factor and add_offset both of one float type that type, except that 32-bit integers give f64;
 * with an add_offset alone or of another type f64; with a scale_factor alone its float type. With only missing values: integers
 * of up to 16 bits and f32 give f32, the others f64. Without any of them: as stored. These are xarray's rules. */
tsr_status cf_packing_read(const store_var *var, bool as_stored, cf_packing *out) MUST_CHECK;
bool cf_packing_equal(const cf_packing *a, const cf_packing *b);
bool cf_packing_is_plain(const cf_packing *p);
/* Is this attribute used up by decoding, so that the decoded variable must not have it? */
bool cf_packing_uses(const char *attribute);

/* The decoded array: where(raw == fill, nan, raw * scale + offset), lazy. A new reference, NULL on failure; NULL gives NULL. */
tsr_array *cf_decode_array(tsr_array *raw, const cf_packing *p);
/* The same for values in memory. */
tsr_status cf_decode_labels(const labels *raw, const cf_packing *p, labels **out) MUST_CHECK;

#endif
