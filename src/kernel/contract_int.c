/* Products of integer and bool matrices, exact: integers wrap as C's unsigned arithmetic does, bool is "or" of "and". Compiled
 * once per instruction set. Blocks of b stay in the second-level cache while all rows of a pass over them. */
#include "kernel/contract.h"
#include "kernel/isa.h"

enum { BLOCK_K = 64, BLOCK_N = 512 };

/* One block: four rows of b go into a row of c at a time, so that c is loaded and stored a quarter as often. */
#define CONTRACT(name, type, first, also)                                                                                        \
    static void name(void *c_data, int64_t c_row, const void *a_data, int64_t a_row, const void *b_data, int64_t b_row,          \
                     int64_t m, int64_t n, int64_t k)                                                                            \
    {                                                                                                                            \
        for (int64_t j0 = 0; j0 < n; j0 += BLOCK_N) {                                                                            \
            int64_t width = n - j0 < BLOCK_N ? n - j0 : BLOCK_N;                                                                 \
            for (int64_t k0 = 0; k0 < k; k0 += BLOCK_K) {                                                                        \
                int64_t depth = k - k0 < BLOCK_K ? k - k0 : BLOCK_K, whole = depth & ~(int64_t)3;                                \
                for (int64_t i = 0; i < m; i++) {                                                                                \
                    type *c = (type *)c_data + i * c_row + j0;                                                                   \
                    const type *a = (const type *)a_data + i * a_row + k0, *b = (const type *)b_data + k0 * b_row + j0;          \
                    for (int64_t p = 0; p < whole; p += 4) {                                                                     \
                        const type *b0 = b + p * b_row, *b1 = b0 + b_row, *b2 = b1 + b_row, *b3 = b2 + b_row;                    \
                        const type a0 = a[p], a1 = a[p + 1], a2 = a[p + 2], a3 = a[p + 3];                                       \
                        IVDEP for (int64_t j = 0; j < width; j++) c[j] =                                                         \
                            (type)(c[j] also(a0 first b0[j]) also(a1 first b1[j]) also(a2 first b2[j]) also(a3 first b3[j]));    \
                    }                                                                                                            \
                    for (int64_t p = whole; p < depth; p++) {                                                                    \
                        const type *b0 = b + p * b_row, a0 = a[p];                                                               \
                        IVDEP for (int64_t j = 0; j < width; j++) c[j] = (type)(c[j] also(a0 first b0[j]));                      \
                    }                                                                                                            \
                }                                                                                                                \
            }                                                                                                                    \
        }                                                                                                                        \
    }

CONTRACT(contract_bool, uint8_t, &, |)
CONTRACT(contract_8, uint8_t, *, +)
/* Two 16-bit numbers would be multiplied as int, and could overflow it. */
#define TIMES_16 *1u *
CONTRACT(contract_16, uint16_t, TIMES_16, +)
CONTRACT(contract_32, uint32_t, *, +)
CONTRACT(contract_64, uint64_t, *, +)

extern const contract_kernel ISA(contract_table)[TSR_N_DTYPES];

const contract_kernel ISA(contract_table)[TSR_N_DTYPES] = {
    [TSR_BOOL] = contract_bool, [TSR_I8] = contract_8,   [TSR_I16] = contract_16,
    [TSR_I32] = contract_32,    [TSR_I64] = contract_64, [TSR_U8] = contract_8,
    [TSR_U16] = contract_16,    [TSR_U32] = contract_32, [TSR_U64] = contract_64,
};
