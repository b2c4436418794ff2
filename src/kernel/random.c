/* Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) on the
 * element's index, and the transforms to uniform, normal and integer values.
 *
 * A Philox block gives 128 bits: two elements of 64 bits or four of 32. Its counter is (block number, key[1] xor domain), its key
 * is key[0]; the domain holds the kind, the dtype and the number of the attempt (only integers ever need a second one), so that
 * equal seeds give unrelated numbers for different kinds. Element i is therefore a pure function of (key, kind, dtype, i).
 *
 * Work is done in batches of BATCH blocks, each step over the whole batch before the next, so that the processor overlaps the
 * long dependency chains of neighbouring vectors. Every floating-point operation is exact or rounds once, none is fused: all
 * instruction sets give the same bits.
 *
 * Normals are Box and Muller's (1958): with u1 in (0, 1], u2 in [0, 1) and r = sqrt(-2 ln u1), a pair of elements is
 * mean + (sd r) cos(2 pi u2), mean + (sd r) sin(2 pi u2). In f64 the pair comes from one block: u1 is (first | 1) / 2^64 rounded
 * to a double, u2 is (second mod 16 + (second >> 12) / 2^52 - 1/2) / 16; a standard normal is within 5e-16 (about 2 ULP of 1) of
 * the exact value for these u1 and u2. In f32 a block gives two pairs: u1 is (word | 1) / 2^32, u2 is word / 2^32; the error is
 * below 6e-7.
 *
 * Uniform values are low + (high - low) * u with u in [0, 1), a multiple of 2^-53 (f32: 2^-24); as in NumPy, the rounding of that
 * sum may give `high` itself. Integers are unbiased: Lemire's multiply-shift ("Fast random integer generation in an interval",
 * ACM TOMACS 2019); a rejected draw is repeated with the next attempt's counter. */
#include "kernel/isa.h"
#include "kernel/kernel.h"
#include "kernel/philox.h"
#include "kernel/random_math.h"
#include "kernel/simd.h"

enum { BATCH = 256 }; /* Philox blocks done together; the working set stays within the first-level cache */
enum { MAX_ATTEMPTS = 255 };
enum { VECTORS = 2, GROUP = VECTORS * LANES64 }; /* vectors of blocks in flight, and the blocks in them */
#define WORDS(name, n) uint64_t name[n] __attribute__((aligned(64)))

static stream stream_of(const random_params *params, random_kind kind, tsr_dtype dtype)
{
    uint64_t domain = ((uint64_t)kind << 4 | (uint64_t)dtype) + 1;
    return (stream){.key = params->key[0], .high = params->key[1] ^ domain << 56};
}

/* ---- Philox ------------------------------------------------------------------------------------------------------ */

/* GROUP blocks, one a lane, several vectors at a time to hide the latency of the ten rounds. Each 32-bit word sits in the low
 * half of a 64-bit lane; the upper halves hold rubbish, which the 32-bit multiply ignores. */
static ALWAYS_INLINE void philox_lanes(stream s, const uint64_t *blocks, vu64 first[VECTORS], vu64 second[VECTORS])
{
    uint32_t k0 = (uint32_t)s.key, k1 = (uint32_t)(s.key >> 32);
    const vu64 m0 = vu64_set(PHILOX_M0), m1 = vu64_set(PHILOX_M1);
    vu64 c0[VECTORS], c1[VECTORS], c2[VECTORS], c3[VECTORS];
    SIMD_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        c0[v] = vu64_load(blocks + v * LANES64);
        c1[v] = c0[v] >> 32;
        c2[v] = vu64_set(s.high);
        c3[v] = vu64_set(s.high >> 32);
    }
    SIMD_UNROLL
    for (int round = 0; round < PHILOX_ROUNDS; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        const vu64 key0 = vu64_set(k0), key1 = vu64_set(k1);
        SIMD_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            vu64 p0 = vu64_mul32(m0, c0[v]), p1 = vu64_mul32(m1, c2[v]);
            c0[v] = (p1 >> 32) ^ c1[v] ^ key0;
            c2[v] = (p0 >> 32) ^ c3[v] ^ key1;
            c1[v] = p1;
            c3[v] = p0;
        }
    }
    SIMD_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        first[v] = vu64_join32(c0[v], c1[v]);
        second[v] = vu64_join32(c2[v], c3[v]);
    }
}

/* The two halves of each block to two arrays. The arrays hold BATCH entries; whole groups are read and written. */
static void philox_split(stream s, const uint64_t *blocks, size_t n_blocks, uint64_t *first, uint64_t *second)
{
    for (size_t i = 0; i < n_blocks; i += GROUP) {
        vu64 a[VECTORS], b[VECTORS];
        philox_lanes(s, blocks + i, a, b);
        SIMD_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            vu64_store(first + i + v * LANES64, a[v]);
            vu64_store(second + i + v * LANES64, b[v]);
        }
    }
}

/* The same as one sequence: out[2 i], out[2 i + 1] are the halves of block i. */
static void philox_joined(stream s, const uint64_t *blocks, size_t n_blocks, uint64_t *out)
{
    for (size_t i = 0; i < n_blocks; i += GROUP) {
        vu64 a[VECTORS], b[VECTORS], low, high;
        philox_lanes(s, blocks + i, a, b);
        SIMD_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            SIMD_ZIP64(low, high, a[v], b[v]);
            vu64_store(out + 2 * i + 2 * v * LANES64, low);
            vu64_store(out + 2 * i + 2 * v * LANES64 + LANES64, high);
        }
    }
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

/* Unsigned 32-bit values, rounded to nearest once: both halves and their scaling are exact. */
static ALWAYS_INLINE vf32 vf32_from_u32(vu32 v)
{
    return __builtin_convertvector((vi32)(v >> 16), vf32) * 0x1p16f + __builtin_convertvector((vi32)(v & 0xffffu), vf32);
}

/* The elements of n_blocks <= BATCH blocks to `out`, which has room for whole vectors. */
typedef void (*batch_function)(void *out, const random_params *params, stream s, const uint64_t *blocks, size_t n_blocks);

static void uniform_batch_f64(void *out, const random_params *params, stream s, const uint64_t *blocks, size_t n_blocks)
{
    WORDS(words, 2 * BATCH);
    double *y = out;
    philox_joined(s, blocks, n_blocks, words);
    const vf64 low = vf64_set(params->a), scale = vf64_set((params->b - params->a) * 0x1p-53);
    for (size_t i = 0; i < 2 * n_blocks; i += LANES64) vf64_store(y + i, low + scale * vf64_from_u64(vu64_load(words + i) >> 11));
}

static void uniform_batch_f32(void *out, const random_params *params, stream s, const uint64_t *blocks, size_t n_blocks)
{
    WORDS(words, 2 * BATCH);
    float *y = out;
    philox_joined(s, blocks, n_blocks, words);
    const vf32 low = vf32_set((float)params->a), scale = vf32_set((float)(params->b - params->a) * 0x1p-24f);
    for (size_t i = 0; i < 2 * n_blocks; i += LANES64) {
        vi32 bits = (vi32)((vu32)vu64_load(words + i) >> 8);
        vf32_store(y + 2 * i, low + scale * __builtin_convertvector(bits, vf32));
    }
}

static void normal_batch_f64(void *out, const random_params *params, stream s, const uint64_t *blocks, size_t n_blocks)
{
    WORDS(first, BATCH);
    WORDS(second, BATCH);
    double square[BATCH] __attribute__((aligned(64))); /* of the radius */
    double *y = out;
    philox_split(s, blocks, n_blocks, first, second);
    const vf64 mean = vf64_set(params->a), deviation = vf64_set(params->b);
    for (size_t i = 0; i < n_blocks; i += LANES64)
        vf64_store(square + i, minus_2_log_f64(vf64_from_u64(vu64_load(first + i) | 1)));
    for (size_t i = 0; i < n_blocks; i += LANES64) {
        vf64 cosine, sine, low, high, r = deviation * vf64_sqrt(vf64_load(square + i));
        cos_sin_f64(vu64_load(second + i), &cosine, &sine);
        cosine = mean + r * cosine;
        sine = mean + r * sine;
        SIMD_ZIP64(low, high, cosine, sine);
        vf64_store(y + 2 * i, low);
        vf64_store(y + 2 * i + LANES64, high);
    }
}

/* Lanes of two vectors of (u1, u2) pairs: all u1, all u2; and back. Within 16 bytes each, which is cheap everywhere. */
#if SIMD_BYTES == 64
#define PAIRS_FIRST 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30
#define PAIRS_SECOND 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31
#define PAIRS_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define PAIRS_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#elif SIMD_BYTES == 32
#define PAIRS_FIRST 0, 2, 8, 10, 4, 6, 12, 14
#define PAIRS_SECOND 1, 3, 9, 11, 5, 7, 13, 15
#define PAIRS_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define PAIRS_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#else
#define PAIRS_FIRST 0, 2, 4, 6
#define PAIRS_SECOND 1, 3, 5, 7
#define PAIRS_LOW 0, 4, 1, 5
#define PAIRS_HIGH 2, 6, 3, 7
#endif

static void normal_batch_f32(void *out, const random_params *params, stream s, const uint64_t *blocks, size_t n_blocks)
{
    WORDS(words, 2 * BATCH);
    float *y = out;
    philox_joined(s, blocks, n_blocks, words);
    const vf32 mean = vf32_set((float)params->a), deviation = vf32_set((float)params->b);
    /* Whole vectors of blocks were written, which is two vectors of words each. */
    for (size_t i = 0; i < 2 * n_blocks; i += 2 * LANES64) {
        vu32 a = (vu32)vu64_load(words + i), b = (vu32)vu64_load(words + i + LANES64);
        vu32 w1 = __builtin_shufflevector(a, b, PAIRS_FIRST), w2 = __builtin_shufflevector(a, b, PAIRS_SECOND);
        vf32 cosine, sine, r = deviation * vf32_sqrt(minus_2_log_f32(vf32_from_u32(w1 | 1)));
        cos_sin_f32(w2, &cosine, &sine);
        cosine = mean + r * cosine;
        sine = mean + r * sine;
        vf32_store(y + 2 * i, __builtin_shufflevector(cosine, sine, PAIRS_LOW));
        vf32_store(y + 2 * i + LANES32, __builtin_shufflevector(cosine, sine, PAIRS_HIGH));
    }
}

/* One integer by the exact rule, from its first attempt on. */
static uint64_t integer_draw(stream s, uint64_t block, int half, uint64_t range)
{
    const uint64_t threshold = -range % range;
    for (uint64_t attempt = 0;; attempt++) {
        uint64_t words[2];
        philox_block((stream){s.key, s.high ^ attempt << 48}, block, words);
        unsigned __int128 product = (unsigned __int128)words[half] * range;
        if ((uint64_t)product >= threshold || attempt == MAX_ATTEMPTS) return (uint64_t)(product >> 64);
    }
}

/* Ranges below 2^32: the upper 64 bits of w * range from two 32-bit products. A draw can only be rejected if bits 32 to 63 of the
 * product are all zero; the odd batch where that happens is looked through again. */
static void integers_narrow(uint64_t *y, const uint64_t *words, stream s, const uint64_t *blocks, size_t n_blocks, uint64_t low,
                            uint64_t range)
{
    const vu64 factor = vu64_set(range);
    vi64 doubtful = {0};
    for (size_t i = 0; i < 2 * n_blocks; i += LANES64) {
        vu64 w = vu64_load(words + i);
        vu64 upper = vu64_mul32(w >> 32, factor) + (vu64_mul32(w, factor) >> 32);
        doubtful |= (vi64)((upper << 32) == 0);
        vu64_store(y + i, (upper >> 32) + low);
    }
    if (!vi64_any(doubtful)) return;
    for (size_t i = 0; i < 2 * n_blocks; i++) {
        uint64_t product = words[i] * range;
        if (product < range) y[i] = low + integer_draw(s, blocks[i / 2], (int)(i & 1), range);
    }
}

static void integers_batch(void *out, const random_params *params, stream s, const uint64_t *blocks, size_t n_blocks)
{
    WORDS(words, 2 * BATCH);
    uint64_t *y = out;
    const uint64_t low = (uint64_t)params->low, range = params->range;
    philox_joined(s, blocks, n_blocks, words);
    if (range == 0) {
        for (size_t i = 0; i < 2 * n_blocks; i++) y[i] = words[i] + low;
    } else if (range >> 32 == 0) {
        integers_narrow(y, words, s, blocks, n_blocks, low, range);
    } else {
        for (size_t i = 0; i < 2 * n_blocks; i++) {
            unsigned __int128 product = (unsigned __int128)words[i] * range;
            uint64_t drawn = (uint64_t)(product >> 64);
            if ((uint64_t)product < range) drawn = integer_draw(s, blocks[i / 2], (int)(i & 1), range);
            y[i] = drawn + low;
        }
    }
}

/* ---- Ranges of elements ------------------------------------------------------------------------------------------ */

/* A kind of number in a dtype: its batch, the logarithm of the number of elements in a block, and the size of an element. */
typedef struct form {
    batch_function batch;
    random_kind kind;
    tsr_dtype dtype;
    int shift, bytes;
} form;

enum { BATCH_BYTES = BATCH * 16 };

static ALWAYS_INLINE void fill_forward(char *out, const random_params *params, const form f, uint64_t index, size_t n)
{
    stream s = stream_of(params, f.kind, f.dtype);
    uint64_t blocks[BATCH];
    char spare[BATCH_BYTES] __attribute__((aligned(64)));
    while (n > 0) {
        size_t head = (size_t)(index & (((uint64_t)1 << f.shift) - 1));
        size_t n_blocks = (head + n + ((size_t)1 << f.shift) - 1) >> f.shift;
        if (n_blocks > BATCH) n_blocks = BATCH;
        size_t room = (n_blocks << f.shift) - head, count = n < room ? n : room;
        for (size_t i = 0; i < BATCH; i++) blocks[i] = (index >> f.shift) + i;
        if (head == 0 && count == room && n_blocks % GROUP == 0) {
            f.batch(out, params, s, blocks, n_blocks);
        } else {
            f.batch(spare, params, s, blocks, n_blocks);
            memcpy(out, spare + head * (size_t)f.bytes, count * (size_t)f.bytes);
        }
        out += count * (size_t)f.bytes;
        index += count;
        n -= count;
    }
}

/* out[i] = from[at[i]]. */
static ALWAYS_INLINE void pick(char *out, const char *from, int bytes, const uint16_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++) memcpy(out + i * (size_t)bytes, from + at[i] * (size_t)bytes, (size_t)bytes);
}

static ALWAYS_INLINE void fill_backward(char *out, const random_params *params, const form f, uint64_t index, size_t n)
{
    char spare[BATCH_BYTES] __attribute__((aligned(64)));
    const size_t capacity = (size_t)(BATCH_BYTES / f.bytes);
    while (n > 0) {
        size_t count = n < capacity ? n : capacity;
        fill_forward(spare, params, f, index - count + 1, count);
        const size_t bytes = (size_t)f.bytes;
        for (size_t i = 0; i < count; i++) memcpy(out + i * bytes, spare + (count - 1 - i) * bytes, bytes);
        out += count * (size_t)f.bytes;
        index -= count;
        n -= count;
    }
}

/* Any step: a block for each element, of which one value is used. */
static ALWAYS_INLINE void fill_strided(char *out, const random_params *params, const form f, uint64_t index, uint64_t step,
                                       size_t n)
{
    stream s = stream_of(params, f.kind, f.dtype);
    uint64_t blocks[BATCH] = {0};
    uint16_t at[BATCH];
    char spare[BATCH_BYTES] __attribute__((aligned(64)));
    while (n > 0) {
        size_t count = n < BATCH ? n : BATCH;
        for (size_t i = 0; i < count; i++) {
            uint64_t at_index = index + i * step;
            blocks[i] = at_index >> f.shift;
            at[i] = (uint16_t)((i << f.shift) + (at_index & (((uint64_t)1 << f.shift) - 1)));
        }
        f.batch(spare, params, s, blocks, count);
        pick(out, spare, f.bytes, at, count);
        out += count * (size_t)f.bytes;
        index += count * step;
        n -= count;
    }
}

static ALWAYS_INLINE void fill(void *out, const random_params *params, const form f, int64_t index, int64_t step, size_t n)
{
    if (step == 1)
        fill_forward(out, params, f, (uint64_t)index, n);
    else if (step == -1)
        fill_backward(out, params, f, (uint64_t)index, n);
    else
        fill_strided(out, params, f, (uint64_t)index, (uint64_t)step, n);
}

#define KERNEL(name, ...)                                                                                                        \
    static void name(void *out, const random_params *params, int64_t index, int64_t step, size_t n)                              \
    {                                                                                                                            \
        fill(out, params, (form){__VA_ARGS__}, index, step, n);                                                                  \
    }
KERNEL(uniform_f32, uniform_batch_f32, RANDOM_UNIFORM, TSR_F32, 2, 4)
KERNEL(uniform_f64, uniform_batch_f64, RANDOM_UNIFORM, TSR_F64, 1, 8)
KERNEL(normal_f32, normal_batch_f32, RANDOM_NORMAL, TSR_F32, 2, 4)
KERNEL(normal_f64, normal_batch_f64, RANDOM_NORMAL, TSR_F64, 1, 8)
KERNEL(integers_i64, integers_batch, RANDOM_INTEGERS, TSR_I64, 1, 8)
KERNEL(integers_u64, integers_batch, RANDOM_INTEGERS, TSR_U64, 1, 8)
#undef KERNEL

const random_kernel ISA(random_table)[N_RANDOM_KINDS][TSR_N_DTYPES] = {
    [RANDOM_UNIFORM] = {[TSR_F32] = uniform_f32, [TSR_F64] = uniform_f64},
    [RANDOM_NORMAL] = {[TSR_F32] = normal_f32, [TSR_F64] = normal_f64},
    [RANDOM_INTEGERS] = {[TSR_I64] = integers_i64, [TSR_U64] = integers_u64},
};
