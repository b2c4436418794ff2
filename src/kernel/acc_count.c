/* Counting and testing: any, all, count_nonzero, and the count of values that are not NaN (which is truthy, as in NumPy).
 *
 * Field 0 is the result: one byte for any and all, an i64 for counts. Pure functions; any thread. */
#include "kernel/acc_plain.h"

/* X(dtype, C type, scalars a number) */
#define ALL_TYPES(X)                                                                                                             \
    X(TSR_BOOL, uint8_t, 1)                                                                                                      \
    X(TSR_I8, int8_t, 1)                                                                                                         \
    X(TSR_I16, int16_t, 1)                                                                                                       \
    X(TSR_I32, int32_t, 1)                                                                                                       \
    X(TSR_I64, int64_t, 1)                                                                                                       \
    X(TSR_U8, uint8_t, 1)                                                                                                        \
    X(TSR_U16, uint16_t, 1)                                                                                                      \
    X(TSR_U32, uint32_t, 1)                                                                                                      \
    X(TSR_U64, uint64_t, 1)                                                                                                      \
    X(TSR_F32, float, 1)                                                                                                         \
    X(TSR_F64, double, 1)                                                                                                        \
    X(TSR_C64, float, 2)                                                                                                         \
    X(TSR_C128, double, 2)

#define NONZERO_1(x, i) ((x)[i] != 0)
#define NONZERO_2(x, i) (((x)[2 * (i)] != 0) | ((x)[2 * (i) + 1] != 0))
#define VALID_1(x, i) ((x)[i] == (x)[i])
#define VALID_2(x, i) (((x)[2 * (i)] == (x)[2 * (i)]) & ((x)[2 * (i) + 1] == (x)[2 * (i) + 1]))

#define FOLD(dtype, T, width)                                                                                                    \
    PLAIN_FOLD(any_##dtype, T, uint8_t, width, |, 0, NONZERO_##width)                                                            \
    PLAIN_FOLD(all_##dtype, T, uint8_t, width, &, 1, NONZERO_##width)                                                            \
    PLAIN_FOLD(nonzero_##dtype, T, int64_t, width, +, 0, NONZERO_##width)                                                        \
    PLAIN_FOLD(valid_##dtype, T, int64_t, width, +, 0, VALID_##width)
ALL_TYPES(FOLD)
#undef FOLD
PLAIN_STATE(any, uint8_t, |, 0)
PLAIN_STATE(all, uint8_t, &, 1)
PLAIN_STATE(count, int64_t, +, 0)

#define ANY(dtype, T, width) PLAIN_ENTRY(dtype, uint8_t, TSR_BOOL, any_##dtype, any),
#define ALL(dtype, T, width) PLAIN_ENTRY(dtype, uint8_t, TSR_BOOL, all_##dtype, all),
#define COUNT(dtype, T, width) PLAIN_ENTRY(dtype, int64_t, TSR_I64, nonzero_##dtype, count),
#define VALID(dtype, T, width) PLAIN_ENTRY(dtype, int64_t, TSR_I64, valid_##dtype, count),
acc_table ISA(acc_any) = {ALL_TYPES(ANY)};
acc_table ISA(acc_all) = {ALL_TYPES(ALL)};
acc_table ISA(acc_count_nonzero) = {ALL_TYPES(COUNT)};
acc_table ISA(acc_count_valid) = {ALL_TYPES(VALID)};
