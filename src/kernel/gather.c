/* Moving elements between memory and strips: strided loads with or without byte reversal, strided stores, running indices. */
#include "kernel/isa.h"
#include "kernel/simd.h"

#include <string.h>

static uint8_t same8(uint8_t v) { return v; }
static uint16_t same16(uint16_t v) { return v; }
static uint32_t same32(uint32_t v) { return v; }
static uint64_t same64(uint64_t v) { return v; }
static uint16_t swap16(uint16_t v) { return __builtin_bswap16(v); }
static uint32_t swap32(uint32_t v) { return __builtin_bswap32(v); }
static uint64_t swap64(uint64_t v) { return __builtin_bswap64(v); }

/* Elements of `parts` units of type T; memcpy because operands in memory need not be aligned. */
#define GATHER(name, T, parts, fix)                                                                                              \
    static void name(void *out_, const void *in_, int64_t stride, size_t n)                                                      \
    {                                                                                                                            \
        T *restrict out = out_;                                                                                                  \
        const char *restrict in = in_;                                                                                           \
        T v;                                                                                                                     \
        if (stride == (int64_t)(parts * sizeof(T))) {                                                                            \
            for (size_t i = 0; i < n * parts; i++) {                                                                             \
                memcpy(&v, in + i * sizeof(T), sizeof v);                                                                        \
                out[i] = fix(v);                                                                                                 \
            }                                                                                                                    \
        } else if (stride == -(int64_t)(parts * sizeof(T))) {                                                                    \
            for (size_t i = 0; i < n; i++)                                                                                       \
                for (size_t k = 0; k < parts; k++) {                                                                             \
                    memcpy(&v, in - i * parts * sizeof(T) + k * sizeof(T), sizeof v);                                            \
                    out[i * parts + k] = fix(v);                                                                                 \
                }                                                                                                                \
        } else if (stride == 0) {                                                                                                \
            T first[parts];                                                                                                      \
            for (size_t k = 0; k < parts; k++) {                                                                                 \
                memcpy(&v, in + k * sizeof(T), sizeof v);                                                                        \
                first[k] = fix(v);                                                                                               \
            }                                                                                                                    \
            for (size_t i = 0; i < n; i++)                                                                                       \
                for (size_t k = 0; k < parts; k++) out[i * parts + k] = first[k];                                                \
        } else {                                                                                                                 \
            for (size_t i = 0; i < n; i++)                                                                                       \
                for (size_t k = 0; k < parts; k++) {                                                                             \
                    memcpy(&v, in + (int64_t)i * stride + (int64_t)(k * sizeof(T)), sizeof v);                                   \
                    out[i * parts + k] = fix(v);                                                                                 \
                }                                                                                                                \
        }                                                                                                                        \
    }

GATHER(gather8, uint8_t, 1, same8)
GATHER(gather16, uint16_t, 1, same16)
GATHER(gather32, uint32_t, 1, same32)
GATHER(gather64, uint64_t, 1, same64)
GATHER(gather128, uint64_t, 2, same64)
GATHER(gather16s, uint16_t, 1, swap16)
GATHER(gather32s, uint32_t, 1, swap32)
GATHER(gather64s, uint64_t, 1, swap64)
GATHER(gather2x32s, uint32_t, 2, swap32)
GATHER(gather2x64s, uint64_t, 2, swap64)

const gather_kernel ISA(gather_table)[TSR_N_DTYPES][2] = {
    [TSR_BOOL] = {gather8, gather8},       [TSR_I8] = {gather8, gather8},     [TSR_I16] = {gather16, gather16s},
    [TSR_I32] = {gather32, gather32s},     [TSR_I64] = {gather64, gather64s}, [TSR_U8] = {gather8, gather8},
    [TSR_U16] = {gather16, gather16s},     [TSR_U32] = {gather32, gather32s}, [TSR_U64] = {gather64, gather64s},
    [TSR_F32] = {gather32, gather32s},     [TSR_F64] = {gather64, gather64s}, [TSR_C64] = {gather64, gather2x32s},
    [TSR_C128] = {gather128, gather2x64s},
};

#define SCATTER(name, bytes)                                                                                                     \
    static void name(void *out_, int64_t stride, const void *in_, size_t n)                                                      \
    {                                                                                                                            \
        char *restrict out = out_;                                                                                               \
        const char *restrict in = in_;                                                                                           \
        if (stride == bytes) {                                                                                                   \
            memcpy(out, in, n *bytes);                                                                                           \
        } else {                                                                                                                 \
            for (size_t i = 0; i < n; i++) memcpy(out + (int64_t)i * stride, in + i * bytes, bytes);                             \
        }                                                                                                                        \
    }

SCATTER(scatter8, 1)
SCATTER(scatter16, 2)
SCATTER(scatter32, 4)
SCATTER(scatter64, 8)
SCATTER(scatter128, 16)

const scatter_kernel ISA(scatter_table)[TSR_N_DTYPES] = {
    [TSR_BOOL] = scatter8, [TSR_I8] = scatter8,   [TSR_I16] = scatter16,   [TSR_I32] = scatter32, [TSR_I64] = scatter64,
    [TSR_U8] = scatter8,   [TSR_U16] = scatter16, [TSR_U32] = scatter32,   [TSR_U64] = scatter64, [TSR_F32] = scatter32,
    [TSR_F64] = scatter64, [TSR_C64] = scatter64, [TSR_C128] = scatter128,
};

/* Copies around the caches, whole lines at a time: what is written is not read soon, and memory need not be read before. */
void ISA(stream_copy)(void *out_, const void *in_, size_t n_bytes)
{
    char *out = out_;
    const char *in = in_;
#if defined(__SSE2__)
    size_t head = -(uintptr_t)out % SIMD_BYTES;
    if (head > n_bytes) head = n_bytes;
    memcpy(out, in, head);
    for (out += head, in += head, n_bytes -= head; n_bytes >= SIMD_BYTES;
         out += SIMD_BYTES, in += SIMD_BYTES, n_bytes -= SIMD_BYTES) {
#if SIMD_BYTES == 64
        _mm512_stream_si512((__m512i *)(void *)out, _mm512_loadu_si512(in));
#elif SIMD_BYTES == 32
        _mm256_stream_si256((__m256i *)(void *)out, _mm256_loadu_si256((const __m256i *)(const void *)in));
#else
        _mm_stream_si128((__m128i *)(void *)out, _mm_loadu_si128((const __m128i *)(const void *)in));
#endif
    }
#endif
    memcpy(out, in, n_bytes);
}

void ISA(index_fill)(int64_t *out, int64_t index, int64_t step, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = index + (int64_t)i * step;
}
