/* Bits of integers and bool: and, or, exclusive or of all elements. Field 0 is the result. The sign makes no difference: each
 * width is one set of loops. Pure functions; any thread. */
#include "kernel/acc_plain.h"

#define ITSELF(x, i) ((x)[i])
#define BITS(name, T, all)                                                                                                       \
    PLAIN_FOLD(and_##name, T, T, 1, &, all, ITSELF)                                                                              \
    PLAIN_FOLD(or_##name, T, T, 1, |, 0, ITSELF)                                                                                 \
    PLAIN_FOLD(xor_##name, T, T, 1, ^, 0, ITSELF)                                                                                \
    PLAIN_STATE(and_##name, T, &, all)                                                                                           \
    PLAIN_STATE(or_##name, T, |, 0)                                                                                              \
    PLAIN_STATE(xor_##name, T, ^, 0)
BITS(bool, uint8_t, 1)
BITS(8, uint8_t, UINT8_MAX)
BITS(16, uint16_t, UINT16_MAX)
BITS(32, uint32_t, UINT32_MAX)
BITS(64, uint64_t, UINT64_MAX)

#define ENTRY(dtype, T, fold) PLAIN_ENTRY(dtype, T, dtype, fold, fold)
#define TABLE(kind)                                                                                                              \
    {                                                                                                                            \
        ENTRY(TSR_BOOL, uint8_t, kind##_bool), ENTRY(TSR_I8, uint8_t, kind##_8), ENTRY(TSR_I16, uint16_t, kind##_16),            \
            ENTRY(TSR_I32, uint32_t, kind##_32), ENTRY(TSR_I64, uint64_t, kind##_64), ENTRY(TSR_U8, uint8_t, kind##_8),          \
            ENTRY(TSR_U16, uint16_t, kind##_16), ENTRY(TSR_U32, uint32_t, kind##_32), ENTRY(TSR_U64, uint64_t, kind##_64),       \
    }
acc_table ISA(acc_bit_and) = TABLE(and);
acc_table ISA(acc_bit_or) = TABLE(or);
acc_table ISA(acc_bit_xor) = TABLE(xor);
