/* Integer and bool kernels. Arithmetic wraps: it is done in the unsigned type W, at least 32 bits wide. Division by zero gives 0
 * and the smallest integer divided by -1 wraps, as in NumPy. Included by map.c only. */
#ifndef TESSERA_KERNEL_MAP_INT_H
#define TESSERA_KERNEL_MAP_INT_H

#include "kernel/map_loops.h"

/* X(letter, type, wide unsigned type, bits, quotient) */
#define SIGNED_TYPES(X)                                                                                                          \
    X(i8, int8_t, uint32_t, 8, QUOTIENT_F32)                                                                                     \
    X(i16, int16_t, uint32_t, 16, QUOTIENT_F32)                                                                                  \
    X(i32, int32_t, uint32_t, 32, QUOTIENT_F64)                                                                                  \
    X(i64, int64_t, uint64_t, 64, quotient_i64)
#define UNSIGNED_TYPES(X)                                                                                                        \
    X(u8, uint8_t, uint32_t, 8, QUOTIENT_F32)                                                                                    \
    X(u16, uint16_t, uint32_t, 16, QUOTIENT_F32)                                                                                 \
    X(u32, uint32_t, uint32_t, 32, QUOTIENT_U32)                                                                                 \
    X(u64, uint64_t, uint64_t, 64, quotient_u64)
#define INTEGER_TYPES(X) SIGNED_TYPES(X) UNSIGNED_TYPES(X)

/* Quotients, cut off, of y other than 0 and -1. Processors have no vector division of integers, and their scalar one is slow;
 * floats have both. A quotient of integers below 2^k differs from the next whole number by more than one part in 2^k, so rounding
 * to a float of more than k digits cannot reach it, and cutting off gives the exact result. */
#define QUOTIENT_F32(x, y) (int32_t)((float)(x) / (float)(y))
#define QUOTIENT_F64(x, y) (int32_t)((double)(x) / (double)(y))
#define QUOTIENT_U32(x, y) (uint32_t)((double)(x) / (double)(y))
static inline int64_t quotient_i64(int64_t x, int64_t y)
{
    const int64_t limit = (int64_t)1 << 52;
    return x > -limit && x < limit ? (int64_t)((double)x / (double)y) : x / y;
}
static inline uint64_t quotient_u64(uint64_t x, uint64_t y)
{
    return x < (uint64_t)1 << 52 ? (uint64_t)(int64_t)((double)(int64_t)x / (double)y) : x / y;
}

/* How many bits are set, in steps that vectors can take: in pairs, fours, bytes; then the bytes are added up. */
static inline uint8_t bits_set_32(uint32_t x)
{
    x -= x >> 1 & 0x55555555u;
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    x += x >> 8;
    return (uint8_t)((x + (x >> 16)) & 0x3f);
}
static inline uint8_t bits_set_64(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    x += x >> 8;
    x += x >> 16;
    return (uint8_t)((x + (x >> 32)) & 0x7f);
}
#define BITS_SET(x) _Generic((x), uint64_t : bits_set_64, default : bits_set_32)(x)

#define SIGNED_HELPERS(s, T, W, bits, quotient)                                                                                  \
    /* x over y, cut off; the divisors 0 and -1 are put aside by the callers. */                                                 \
    static inline T cut_divide_of_##s(T x, T y) { return (T)quotient(x, (y == 0) | (y == -1) ? 1 : y); }                         \
    static inline T floor_divide_of_##s(T x, T y)                                                                                \
    {                                                                                                                            \
        T q = cut_divide_of_##s(x, y), r = (T)((W)x - (W)q * (W)y);                                                              \
        T floored = (T)((W)q - ((r != 0) & ((r < 0) != (y < 0))));                                                               \
        T negated = (T)(0 - (W)x);                                                                                               \
        floored = y == -1 ? negated : floored;                                                                                   \
        return y == 0 ? 0 : floored;                                                                                             \
    }                                                                                                                            \
    static inline T fmod_of_##s(T x, T y)                                                                                        \
    {                                                                                                                            \
        T r = (T)((W)x - (W)cut_divide_of_##s(x, y) * (W)y);                                                                     \
        return (y == 0) | (y == -1) ? 0 : r;                                                                                     \
    }                                                                                                                            \
    static inline T remainder_of_##s(T x, T y)                                                                                   \
    {                                                                                                                            \
        T r = fmod_of_##s(x, y), moved = (T)((W)r + (W)y);                                                                       \
        return (r != 0) & ((r < 0) != (y < 0)) ? moved : r;                                                                      \
    }                                                                                                                            \
    static inline T reciprocal_of_##s(T x)                                                                                       \
    {                                                                                                                            \
        /* One over zero is what NumPy's compiler makes of it. */                                                                \
        T of_zero = bits >= 32 ? (T)((W)1 << (bits - 1)) : 0;                                                                    \
        return x == 0 ? of_zero : (x == 1) | (x == -1) ? x : 0;                                                                  \
    }                                                                                                                            \
    static inline T power_of_##s(T x, T y, unsigned *faults)                                                                     \
    {                                                                                                                            \
        if (y < 0) {                                                                                                             \
            *faults |= FAULT_NEGATIVE_POWER;                                                                                     \
            return 0;                                                                                                            \
        }                                                                                                                        \
        W base = (W)x, result = 1;                                                                                               \
        for (T e = y; e > 0; e = (T)(e >> 1), base *= base)                                                                      \
            if (e & 1) result *= base;                                                                                           \
        return (T)result;                                                                                                        \
    }                                                                                                                            \
    static inline W magnitude_of_##s(T x) { return x < 0 ? 0 - (W)x : (W)x; }                                                    \
    static inline W gcd_of_##s(T x, T y)                                                                                         \
    {                                                                                                                            \
        W a = magnitude_of_##s(x), b = magnitude_of_##s(y);                                                                      \
        while (b) {                                                                                                              \
            W r = a % b;                                                                                                         \
            a = b;                                                                                                               \
            b = r;                                                                                                               \
        }                                                                                                                        \
        return a;                                                                                                                \
    }                                                                                                                            \
    static inline T lcm_of_##s(T x, T y)                                                                                         \
    {                                                                                                                            \
        W g = gcd_of_##s(x, y);                                                                                                  \
        return g == 0 ? 0 : (T)(magnitude_of_##s(x) / g * magnitude_of_##s(y));                                                  \
    }
SIGNED_TYPES(SIGNED_HELPERS)

#define UNSIGNED_HELPERS(s, T, W, bits, quotient)                                                                                \
    static inline T floor_divide_of_##s(T x, T y)                                                                                \
    {                                                                                                                            \
        T q = (T)quotient(x, y == 0 ? 1 : y);                                                                                    \
        return y == 0 ? 0 : q;                                                                                                   \
    }                                                                                                                            \
    static inline T fmod_of_##s(T x, T y)                                                                                        \
    {                                                                                                                            \
        T r = (T)((W)x - (W)quotient(x, y == 0 ? 1 : y) * (W)y);                                                                 \
        return y == 0 ? 0 : r;                                                                                                   \
    }                                                                                                                            \
    static inline T remainder_of_##s(T x, T y) { return fmod_of_##s(x, y); }                                                     \
    static inline T reciprocal_of_##s(T x) { return x == 1; }                                                                    \
    static inline T power_of_##s(T x, T y, unsigned *faults)                                                                     \
    {                                                                                                                            \
        W base = x, result = 1;                                                                                                  \
        for (T e = y; e > 0; e = (T)(e >> 1), base *= base)                                                                      \
            if (e & 1) result *= base;                                                                                           \
        return (T)result;                                                                                                        \
    }                                                                                                                            \
    static inline T gcd_of_##s(T x, T y)                                                                                         \
    {                                                                                                                            \
        while (y) {                                                                                                              \
            T r = (T)(x % y);                                                                                                    \
            x = y;                                                                                                               \
            y = r;                                                                                                               \
        }                                                                                                                        \
        return x;                                                                                                                \
    }                                                                                                                            \
    static inline T lcm_of_##s(T x, T y)                                                                                         \
    {                                                                                                                            \
        T g = gcd_of_##s(x, y);                                                                                                  \
        return g == 0 ? 0 : (T)((W)(x / g) * (W)y);                                                                              \
    }
UNSIGNED_TYPES(UNSIGNED_HELPERS)

#define INTEGER_KERNELS(s, T, W, bits, quotient)                                                                                 \
    BINARY(add_##s, T, T, (W)x + (W)y)                                                                                           \
    BINARY(subtract_##s, T, T, (W)x - (W)y)                                                                                      \
    BINARY(multiply_##s, T, T, (W)x *(W)y)                                                                                       \
    BINARY(floor_divide_##s, T, T, floor_divide_of_##s(x, y))                                                                    \
    BINARY(remainder_##s, T, T, remainder_of_##s(x, y))                                                                          \
    BINARY(fmod_##s, T, T, fmod_of_##s(x, y))                                                                                    \
    BINARY(power_##s, T, T, power_of_##s(x, y, faults))                                                                          \
    BINARY(maximum_##s, T, T, x > y ? x : y)                                                                                     \
    BINARY(minimum_##s, T, T, x < y ? x : y)                                                                                     \
    BINARY(gcd_##s, T, T, gcd_of_##s(x, y))                                                                                      \
    BINARY(lcm_##s, T, T, lcm_of_##s(x, y))                                                                                      \
    BINARY(and_##s, T, T, x &y)                                                                                                  \
    BINARY(or_##s, T, T, x | y)                                                                                                  \
    BINARY(xor_##s, T, T, x ^ y)                                                                                                 \
    BINARY(equal_##s, T, uint8_t, x == y)                                                                                        \
    BINARY(not_equal_##s, T, uint8_t, x != y)                                                                                    \
    BINARY(less_##s, T, uint8_t, x < y)                                                                                          \
    BINARY(less_equal_##s, T, uint8_t, x <= y)                                                                                   \
    BINARY(greater_##s, T, uint8_t, x > y)                                                                                       \
    BINARY(greater_equal_##s, T, uint8_t, x >= y)                                                                                \
    BINARY(logical_and_##s, T, uint8_t, x != 0 && y != 0)                                                                        \
    BINARY(logical_or_##s, T, uint8_t, x != 0 || y != 0)                                                                         \
    BINARY(logical_xor_##s, T, uint8_t, (x != 0) != (y != 0))                                                                    \
    UNARY(logical_not_##s, T, uint8_t, x == 0)                                                                                   \
    UNARY(invert_##s, T, T, ~x)                                                                                                  \
    UNARY(negative_##s, T, T, 0 - (W)x)                                                                                          \
    UNARY(same_##s, T, T, x)                                                                                                     \
    UNARY(square_##s, T, T, (W)x *(W)x)                                                                                          \
    UNARY(reciprocal_##s, T, T, reciprocal_of_##s(x))                                                                            \
    UNARY(zero_##s, T, T, ((void)x, 0))                                                                                          \
    UNARY(never_##s, T, uint8_t, ((void)x, 0))                                                                                   \
    UNARY(always_##s, T, uint8_t, ((void)x, 1))
INTEGER_TYPES(INTEGER_KERNELS)

#define SIGNED_KERNELS(s, T, W, bits, quotient)                                                                                  \
    BINARY(left_shift_##s, T, T, (uint64_t)y < bits ? (T)((W)x << y) : 0)                                                        \
    BINARY(right_shift_##s, T, T, (uint64_t)y < bits ? (T)(x >> y) : (T)(x < 0 ? -1 : 0))                                        \
    UNARY(absolute_##s, T, T, x < 0 ? 0 - (W)x : (W)x)                                                                           \
    UNARY(bitwise_count_##s, T, uint8_t, BITS_SET(magnitude_of_##s(x)))                                                          \
    UNARY(sign_##s, T, T, (x > 0) - (x < 0))
SIGNED_TYPES(SIGNED_KERNELS)

#define UNSIGNED_KERNELS(s, T, W, bits, quotient)                                                                                \
    BINARY(left_shift_##s, T, T, y < bits ? (T)((W)x << y) : 0)                                                                  \
    BINARY(right_shift_##s, T, T, y < bits ? (T)(x >> y) : 0)                                                                    \
    UNARY(absolute_##s, T, T, x)                                                                                                 \
    UNARY(bitwise_count_##s, T, uint8_t, BITS_SET((W)x))                                                                         \
    UNARY(sign_##s, T, T, x != 0)
UNSIGNED_TYPES(UNSIGNED_KERNELS)

/* bool: one byte, 0 or 1; add is or, multiply is and. */
BINARY(or_bool, uint8_t, uint8_t, (x | y) != 0)
BINARY(and_bool, uint8_t, uint8_t, (x != 0) & (y != 0))
BINARY(xor_bool, uint8_t, uint8_t, (x != 0) ^ (y != 0))
BINARY(equal_bool, uint8_t, uint8_t, (x != 0) == (y != 0))
BINARY(less_bool, uint8_t, uint8_t, (x == 0) & (y != 0))
BINARY(less_equal_bool, uint8_t, uint8_t, (x == 0) | (y != 0))
BINARY(greater_bool, uint8_t, uint8_t, (x != 0) & (y == 0))
BINARY(greater_equal_bool, uint8_t, uint8_t, (x != 0) | (y == 0))
UNARY(not_bool, uint8_t, uint8_t, x == 0)
UNARY(same_bool, uint8_t, uint8_t, x != 0)
UNARY(never_bool, uint8_t, uint8_t, ((void)x, 0))
UNARY(always_bool, uint8_t, uint8_t, ((void)x, 1))

#endif
