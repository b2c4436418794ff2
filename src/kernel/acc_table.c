/* The accumulators of this instruction set, by monoid; compiled once per set. */
#include "kernel/acc.h"

const acc_ops *const ISA(acc_tables)[N_MONOIDS] = {
    [MONOID_SUM] = ISA(acc_sum),
    [MONOID_PROD] = ISA(acc_prod),
    [MONOID_MIN] = ISA(acc_min),
    [MONOID_MAX] = ISA(acc_max),
    [MONOID_FMIN] = ISA(acc_fmin),
    [MONOID_FMAX] = ISA(acc_fmax),
    [MONOID_ANY] = ISA(acc_any),
    [MONOID_ALL] = ISA(acc_all),
    [MONOID_COUNT_NONZERO] = ISA(acc_count_nonzero),
    [MONOID_COUNT_VALID] = ISA(acc_count_valid),
    [MONOID_ARGMIN] = ISA(acc_argmin),
    [MONOID_ARGMAX] = ISA(acc_argmax),
    [MONOID_NANARGMIN] = ISA(acc_nanargmin),
    [MONOID_NANARGMAX] = ISA(acc_nanargmax),
    [MONOID_MEAN] = ISA(acc_mean),
    [MONOID_VAR] = ISA(acc_var),
    [MONOID_STD] = ISA(acc_std),
    [MONOID_NANSUM] = ISA(acc_nansum),
    [MONOID_NANPROD] = ISA(acc_nanprod),
    [MONOID_NANMEAN] = ISA(acc_nanmean),
    [MONOID_NANVAR] = ISA(acc_nanvar),
    [MONOID_NANSTD] = ISA(acc_nanstd),
    [MONOID_BIT_AND] = ISA(acc_bit_and),
    [MONOID_BIT_OR] = ISA(acc_bit_or),
    [MONOID_BIT_XOR] = ISA(acc_bit_xor),
    [MONOID_HISTOGRAM] = ISA(acc_histogram),
};
_Static_assert(N_MONOIDS == 26, "one line for each monoid");
