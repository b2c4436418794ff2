/* A region becomes a *walk*: runs of adjacent bytes, and the loops around them, with neighbouring dimensions joined where
 * they are dense. A run that is long is read by one pread straight into its place. Short runs that lie close together
 * are read as one window over the gaps between them, and picked out: the kernel copies a gap faster than it serves a
 * further call.
 *
 * No state, no allocation (one window on the stack), any thread. */
#include "store/layout.h"

#include "kernel/kernel.h"

#include <string.h>

enum {
    WINDOW_BYTES = 64 << 10, /* stays in the second-level cache between the kernel's copy and ours */
    LONG_RUN_BYTES = 8 << 10,
    SHORT_GAP_BYTES = 4 << 10 /* about as long to copy as one system call takes */
};

typedef struct walk {
    int64_t offset;
    int64_t run_bytes;
    int ndim;
    int64_t count[TSR_MAX_NDIM], stride[TSR_MAX_NDIM]; /* of the runs; strides in bytes of the file */
    int64_t span[TSR_MAX_NDIM + 1];                    /* bytes from the first to the last, of dimensions d and later */
    int n_loops; /* the dimensions before this one are looped over, the rest come by windows */
} walk;

file_layout file_layout_dense(int64_t begin, int ndim, const int64_t *shape, size_t item_bytes)
{
    file_layout layout = {.begin = begin, .item_bytes = item_bytes, .ndim = ndim};
    shape_strides(ndim, shape, item_bytes, layout.strides);
    return layout;
}

static walk walk_begin(const file_layout *layout, const box *region, const int64_t *step)
{
    walk w = {.offset = layout->begin, .run_bytes = (int64_t)layout->item_bytes};
    /* Join from the last dimension outwards; dimensions are collected in reverse. */
    int64_t count[TSR_MAX_NDIM], stride[TSR_MAX_NDIM];
    int n = 0;
    for (int d = layout->ndim - 1; d >= 0; d--) {
        w.offset += region->start[d] * layout->strides[d];
        if (region->count[d] == 1) continue;
        int64_t by = layout->strides[d] * (step ? step[d] : 1);
        if (n == 0 && by == w.run_bytes) {
            w.run_bytes *= region->count[d];
        } else if (n > 0 && by == stride[n - 1] * count[n - 1]) {
            count[n - 1] *= region->count[d];
        } else {
            count[n] = region->count[d];
            stride[n++] = by;
        }
    }
    w.ndim = n;
    for (int d = 0; d < n; d++) {
        w.count[d] = count[n - 1 - d];
        w.stride[d] = stride[n - 1 - d];
    }
    w.span[n] = w.run_bytes;
    for (int d = n - 1; d >= 0; d--) w.span[d] = (w.count[d] - 1) * w.stride[d] + w.span[d + 1];
    w.n_loops = n;
    if (w.run_bytes >= LONG_RUN_BYTES) return w;
    for (int d = n - 1; d >= 0; d--) {
        if (w.stride[d] - w.span[d + 1] > SHORT_GAP_BYTES || w.span[d + 1] > WINDOW_BYTES / 2) break;
        w.n_loops = d;
    }
    return w;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

#define PICK(bytes)                                                                                                              \
    case bytes:                                                                                                                  \
        for (int64_t i = 0; i < n; i++) memcpy(out + i * (bytes), from + i * stride, bytes);                                     \
        break

static void pick_row(char *out, const char *from, int64_t n, int64_t stride, int64_t run_bytes)
{
    switch (run_bytes) {
        PICK(1);
        PICK(2);
        PICK(4);
        PICK(8);
    default:
        for (int64_t i = 0; i < n; i++) memcpy(out + i * run_bytes, from + i * stride, (size_t)run_bytes);
    }
}

/* Copies the runs of dimensions d.. out of a window, n of them along d. Returns the end of the output. */
static char *pick(const walk *w, int d, int64_t n, const char *from, char *out)
{
    if (d == w->ndim - 1) {
        pick_row(out, from, n, w->stride[d], w->run_bytes);
        return out + n * w->run_bytes;
    }
    for (int64_t i = 0; i < n; i++) out = pick(w, d + 1, w->count[d + 1], from + i * w->stride[d], out);
    return out;
}

static tsr_status read_windows(int fd, const walk *w, int64_t offset, char **out, int64_t *bytes_read)
{
    char window[WINDOW_BYTES];
    int d = w->n_loops;
    int64_t fit = (WINDOW_BYTES - w->span[d + 1]) / w->stride[d] + 1;
    for (int64_t i = 0; i < w->count[d];) {
        int64_t n = w->count[d] - i < fit ? w->count[d] - i : fit;
        int64_t bytes = (n - 1) * w->stride[d] + w->span[d + 1];
        TRY(fd_read_at(fd, window, (size_t)bytes, offset + i * w->stride[d]));
        *out = pick(w, d, n, window, *out);
        *bytes_read += bytes;
        i += n;
    }
    return TSR_OK;
}

static tsr_status read_level(int fd, const walk *w, int d, int64_t offset, char **out, int64_t *bytes_read)
{
    if (d == w->ndim) {
        TRY(fd_read_at(fd, *out, (size_t)w->run_bytes, offset));
        *out += w->run_bytes;
        *bytes_read += w->run_bytes;
        return TSR_OK;
    }
    if (d == w->n_loops) return read_windows(fd, w, offset, out, bytes_read);
    for (int64_t i = 0; i < w->count[d]; i++) TRY(read_level(fd, w, d + 1, offset + i * w->stride[d], out, bytes_read));
    return TSR_OK;
}

tsr_status file_layout_read(cached_file *f, const file_layout *layout, const box *region, const int64_t *step, void *out,
                            int64_t *bytes_read)
{
    walk w = walk_begin(layout, region, step);
    char *to = out;
    int fd;
    TRY(cached_file_pin(f, &fd));
    tsr_status status = read_level(fd, &w, 0, w.offset, &to, bytes_read);
    cached_file_unpin(f);
    return status;
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

/* How elements are written whose bytes the file has in the other order. */
typedef struct swapping {
    gather_kernel kernel; /* NULL: as they are */
    size_t item_bytes;
} swapping;

static tsr_status swapping_of(size_t item_bytes, bool swap, swapping *out)
{
    const kernels *k;
    *out = (swapping){.item_bytes = item_bytes};
    if (!swap || item_bytes < 2) return TSR_OK;
    TRY(kernels_select(NULL, &k));
    out->kernel = k->gather[item_bytes == 2 ? TSR_U16 : item_bytes == 4 ? TSR_U32 : TSR_U64][1];
    return TSR_OK;
}

static tsr_status write_swapped(int fd, const char *data, int64_t n_bytes, int64_t offset, const swapping *s)
{
    char window[WINDOW_BYTES];
    for (int64_t done = 0; done < n_bytes; done += WINDOW_BYTES) {
        size_t n = n_bytes - done < WINDOW_BYTES ? (size_t)(n_bytes - done) : WINDOW_BYTES;
        s->kernel(window, data + done, (int64_t)s->item_bytes, n / s->item_bytes);
        TRY(fd_write_at(fd, window, n, offset + done));
    }
    return TSR_OK;
}

static tsr_status write_level(int fd, const walk *w, int d, int64_t offset, const char **data, const swapping *s)
{
    if (d == w->ndim) {
        const char *from = *data;
        *data += w->run_bytes;
        if (s->kernel) return write_swapped(fd, from, w->run_bytes, offset, s);
        return fd_write_at(fd, from, (size_t)w->run_bytes, offset);
    }
    for (int64_t i = 0; i < w->count[d]; i++) TRY(write_level(fd, w, d + 1, offset + i * w->stride[d], data, s));
    return TSR_OK;
}

tsr_status file_layout_write(int fd, const file_layout *layout, const box *region, const void *data, bool swap)
{
    walk w = walk_begin(layout, region, NULL);
    const char *from = data;
    swapping s;
    TRY(swapping_of(layout->item_bytes, swap, &s));
    return write_level(fd, &w, 0, w.offset, &from, &s);
}
