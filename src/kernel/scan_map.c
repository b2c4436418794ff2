/* Running results of any operation of two operands, by its elementwise kernel: strictly one element after the other, with as many
 * columns side by side as there are. Where the axis is the innermost, or nearly, some columns at a time are turned first, so that
 * the kernel has strips to work on. Pure functions; any thread. */
#include "kernel/kernel.h"

#include <string.h>

enum { LANES = 64, STEPS = 16, WIDEST = 16, FEW = 4 };

/* One row folded into the one before it: row[i] = op(before[i], row[i]); where the mask is 0, before[i]. */
static void fold_strip(const kernels *k, const scan_map *s, char *row, const char *before, const uint8_t *mask, size_t n,
                       unsigned *faults)
{
    size_t size = tsr_dtype_size(s->dtype);
    int64_t exponents[LANES];
    const void *operand = row;
    if (mask) { /* what is passed over may not raise a fault */
        const element one = element_from_scalar(tsr_int(1), s->dtype);
        for (size_t i = 0; i < n; i++)
            if (!mask[i]) memcpy(row + i * size, &one, size);
    }
    if (s->op == OP_LDEXP) { /* beyond so much, any exponent gives 0 or infinity */
        const double most = 1 << 30;
        for (size_t i = 0; i < n; i++) {
            double x =
                s->dtype == TSR_F32 ? (double)((const float *)(const void *)row)[i] : ((const double *)(const void *)row)[i];
            exponents[i] = (int64_t)(x > most ? most : x < -most ? -most : x);
        }
        operand = exponents;
    }
    k->map[s->op][s->dtype][FORM_VV](row, before, operand, NULL, n, faults);
    for (size_t i = 0; mask && i < n; i++)
        if (!mask[i]) memcpy(row + i * size, before + i * size, size);
}

/* Rows as they lie: the columns are neighbours. */
static void fold_rows(const kernels *k, const scan_map *s, unsigned *faults)
{
    size_t size = tsr_dtype_size(s->dtype), row_bytes = (size_t)s->inner * size;
    for (int64_t o = 0; o < s->outer; o++) {
        char *row = s->data + (size_t)(o * s->length) * row_bytes, *carry = s->carry + (size_t)o * row_bytes;
        const uint8_t *mask = s->mask ? s->mask + o * s->length * s->inner : NULL;
        const char *before = s->has_carry ? carry : NULL;
        for (int64_t i = 0; i < s->length; i++, row += row_bytes) {
            if (before) fold_strip(k, s, row, before, mask ? mask + i * s->inner : NULL, (size_t)s->inner, faults);
            before = row;
        }
        memcpy(carry, before, row_bytes);
    }
}

/* Elements of some columns, of each its steps first .. first + n_steps, to or from rows. */
static void turn(const scan_map *s, int64_t lane, int n_lanes, int64_t first, int n_steps, char *rows, bool back)
{
    size_t size = tsr_dtype_size(s->dtype);
    for (int l = 0; l < n_lanes; l++) {
        int64_t column = (lane + l) / s->inner * s->length * s->inner + (lane + l) % s->inner;
        char *at = s->data + (size_t)(column + first * s->inner) * size, *row = rows + (size_t)l * size;
#define MOVE(T)                                                                                                                  \
    for (int i = 0; i < n_steps; i++, at += (size_t)s->inner * size, row += (size_t)n_lanes * size) {                            \
        if (back)                                                                                                                \
            memcpy(at, row, sizeof(T));                                                                                          \
        else                                                                                                                     \
            memcpy(row, at, sizeof(T));                                                                                          \
    }
        switch (size) {
        case 1: MOVE(uint8_t) break;
        case 2: MOVE(uint16_t) break;
        case 4: MOVE(uint32_t) break;
        case 8: MOVE(uint64_t) break;
        default: MOVE(char[WIDEST]) break;
        }
#undef MOVE
    }
}

static void fold_turned(const kernels *k, const scan_map *s, unsigned *faults)
{
    _Alignas(WIDEST) char rows[STEPS * LANES * WIDEST];
    uint8_t mask[LANES];
    size_t size = tsr_dtype_size(s->dtype);
    int64_t n_columns = s->outer * s->inner;
    for (int64_t lane = 0; lane < n_columns; lane += LANES) {
        int n_lanes = n_columns - lane < LANES ? (int)(n_columns - lane) : LANES;
        size_t row_bytes = (size_t)n_lanes * size;
        char *carry = s->carry + (size_t)lane * size;
        bool has_carry = s->has_carry;
        for (int64_t first = 0; first < s->length; first += STEPS) {
            int n_steps = s->length - first < STEPS ? (int)(s->length - first) : STEPS;
            const char *before = has_carry ? carry : NULL;
            turn(s, lane, n_lanes, first, n_steps, rows, false);
            for (int i = 0; i < n_steps; i++) {
                for (int l = 0; s->mask && l < n_lanes; l++)
                    mask[l] = s->mask[((lane + l) / s->inner * s->length + first + i) * s->inner + (lane + l) % s->inner];
                char *row = rows + (size_t)i * row_bytes;
                if (before) fold_strip(k, s, row, before, s->mask ? mask : NULL, (size_t)n_lanes, faults);
                before = row;
            }
            memcpy(carry, before, row_bytes);
            has_carry = true;
            turn(s, lane, n_lanes, first, n_steps, rows, true);
        }
    }
}

void scan_by_map(const kernels *k, const scan_map *s, unsigned *faults)
{
    if (s->length == 0 || s->outer * s->inner == 0) return;
    if (s->op != OP_LDEXP && (s->inner >= LANES || s->outer * s->inner < FEW)) {
        fold_rows(k, s, faults);
    } else {
        fold_turned(k, s, faults);
    }
}
