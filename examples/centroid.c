/* Functions for stacks of images, (frame, row, column), to be compiled and called by Tessera for each block of frames:
 *
 *     tessera sample /tmp/data --images 40 --days 1
 *     tessera eval --udf examples/centroid.c 'recentre(data, chunks=(-1, 256, 256))' /tmp/data/stack.npy -o recentred.npy
 *     tessera eval --udf examples/centroid.c 'centroid(data, drop_axis=(1, 2), new_axis=1, chunks=(-1, 2))' /tmp/data/stack.npy
 *
 * Nothing has to be included: see docs/udf.md. Frames must not be cut by chunks. */

/* The centre of mass of one frame of bytes, 16-bit numbers or floats; the middle of a frame that is all zero. */
#define DEFINE_CENTRE(name, type)                                                                                                \
    static void name(const void *data, int64_t rows, int64_t columns, double *y, double *x)                                      \
    {                                                                                                                            \
        const type *p = data;                                                                                                    \
        double sum = 0, sum_y = 0, sum_x = 0;                                                                                    \
        for (int64_t i = 0; i < rows; i++, p += columns) {                                                                       \
            double row = 0, row_x = 0;                                                                                           \
            for (int64_t j = 0; j < columns; j++) {                                                                              \
                row += p[j];                                                                                                     \
                row_x += (double)p[j] * (double)j;                                                                               \
            }                                                                                                                    \
            sum += row;                                                                                                          \
            sum_y += row * (double)i;                                                                                            \
            sum_x += row_x;                                                                                                      \
        }                                                                                                                        \
        *y = sum > 0 ? sum_y / sum : (double)rows / 2;                                                                           \
        *x = sum > 0 ? sum_x / sum : (double)columns / 2;                                                                        \
    }
DEFINE_CENTRE(centre_u16, uint16_t)
DEFINE_CENTRE(centre_f32, float)

/* Bytes are summed in whole numbers, which is faster: the sums of a row fit into 64 bits. */
static void centre_u8(const void *data, int64_t rows, int64_t columns, double *y, double *x)
{
    enum { PIECE = 4096 }; /* 255 * PIECE * PIECE / 2 fits into 32 bits */
    const uint8_t *p = data;
    uint64_t sum = 0, sum_y = 0, sum_x = 0;
    for (int64_t i = 0; i < rows; i++, p += columns) {
        uint64_t row = 0;
        for (int64_t j = 0; j < columns; j += PIECE) {
            uint32_t n = (uint32_t)(columns - j < PIECE ? columns - j : PIECE), part = 0, part_x = 0;
            for (uint32_t k = 0; k < n; k++) {
                part += p[j + k];
                part_x += p[j + k] * k;
            }
            row += part;
            sum_x += part_x + (uint64_t)part * (uint64_t)j;
        }
        sum += row;
        sum_y += row * (uint64_t)i;
    }
    *y = sum ? (double)sum_y / (double)sum : (double)rows / 2;
    *x = sum ? (double)sum_x / (double)sum : (double)columns / 2;
}

static tsr_status check(const tsr_block *in)
{
    if (in->ndim != 3) return tsr_fail(TSR_ERR_VALUE, "a stack of images has three dimensions: frame, row, column");
    if (in->shape[1] != in->array_shape[1] || in->shape[2] != in->array_shape[2])
        return tsr_fail(TSR_ERR_VALUE, "chunks cut the frames; rechunk to (.., -1, -1)");
    if (in->dtype != TSR_U8 && in->dtype != TSR_U16 && in->dtype != TSR_F32)
        return tsr_fail(TSR_ERR_TYPE, "pixels must be uint8, uint16 or float32");
    return TSR_OK;
}

static void centre(const tsr_block *in, int64_t frame, double *y, double *x)
{
    const char *data = (const char *)in->data + frame * in->strides[0];
    if (in->dtype == TSR_U8) centre_u8(data, in->shape[1], in->shape[2], y, x);
    if (in->dtype == TSR_U16) centre_u16(data, in->shape[1], in->shape[2], y, x);
    if (in->dtype == TSR_F32) centre_f32(data, in->shape[1], in->shape[2], y, x);
}

/* (frame, row, column) -> (frame, 2): where the centre of mass lies. */
TSR_RESULT(centroid, TSR_F64);
tsr_status centroid(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    tsr_status status = check(in);
    double *to = out->data;
    for (int64_t t = 0; status == TSR_OK && t < in->shape[0]; t++) centre(in, t, &to[2 * t], &to[2 * t + 1]);
    return status;
}

/* Where a window of n of `length` elements begins that has `middle` in its middle, as far as the edges allow. */
static int64_t window_start(double middle, int64_t n, int64_t length)
{
    int64_t start = (int64_t)middle - n / 2;
    return start < 0 ? 0 : start > length - n ? length - n : start;
}

/* (frame, row, column) -> (frame, fewer rows, fewer columns): each frame cut around its centre of mass. */
tsr_status recentre(void *context, int n_inputs, const tsr_block *in, const tsr_block *out)
{
    tsr_status status = check(in);
    int64_t rows = out->shape[1], columns = out->shape[2];
    if (status != TSR_OK) return status;
    if (rows > in->shape[1] || columns > in->shape[2]) return tsr_fail(TSR_ERR_VALUE, "the window is larger than the frames");
    if (out->dtype != in->dtype) return tsr_fail(TSR_ERR_TYPE, "the dtype stays as it is");
    for (int64_t t = 0; t < in->shape[0]; t++) {
        double y, x;
        centre(in, t, &y, &x);
        const char *from = (const char *)in->data + t * in->strides[0] + window_start(y, rows, in->shape[1]) * in->strides[1] +
                           window_start(x, columns, in->shape[2]) * in->strides[2];
        char *to = (char *)out->data + t * out->strides[0];
        for (int64_t i = 0; i < rows; i++, from += in->strides[1], to += out->strides[1])
            __builtin_memcpy(to, from, (size_t)out->strides[1]);
    }
    return TSR_OK;
}
