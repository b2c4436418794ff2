/* Quantiles along the middle axis of (outer, length, inner) blocks, by NumPy's method "linear": the neighbours of the virtual
 * index (n - 1) q in the sorted column, interpolated from the nearer end in the column's dtype. The results equal
 * numpy.quantile's for a Python float q to the last bit (also its NaN for the largest value of a column if that is infinite).
 *
 * Each column is gathered without its NaN into `scratch` and selected from: quickselect with a branch-free partition; a range
 * that does not shrink fast enough is sorted by heaps (introselect: Musser, Software: Practice and Experience 27, 1997), so that
 * the worst case stays O(n log n). Quantiles in rising order continue where the last one stopped. Pure functions; any thread. */
#include "kernel/isa.h"

#include <math.h>

enum { MANY_QUANTILES = 16 }; /* more than these: sort the column */

#define NAME(name) name##_f32
#define T float
#include "kernel/quantile_loops.h"
#undef NAME
#undef T

#define NAME(name) name##_f64
#define T double
#include "kernel/quantile_loops.h"
#undef NAME
#undef T

const quantile_kernel ISA(quantile_table)[TSR_N_DTYPES] = {[TSR_F32] = quantile_f32, [TSR_F64] = quantile_f64};
