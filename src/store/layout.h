/* Regions of arrays that lie in a file without chunks: each dimension has a stride in bytes. */
#ifndef TESSERA_STORE_LAYOUT_H
#define TESSERA_STORE_LAYOUT_H

#include "block/shape.h"
#include "store/fdcache.h"
#include "store/store.h"

#include <stdbool.h>

enum { HOST_IS_LITTLE_ENDIAN = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ };

/* The layout of a dense array in C order. The shape times item_bytes must fit into int64. */
file_layout file_layout_dense(int64_t begin, int ndim, const int64_t *shape, size_t item_bytes);
/* Reads a strided region into `out`, dense. The region must be inside the array, with counts and steps >= 1.
 * Neighbouring rows are read together, also over short gaps. Adds what was read to *bytes_read. */
tsr_status file_layout_read(cached_file *f, const file_layout *layout, const box *region, const int64_t *step, void *out,
                            int64_t *bytes_read) MUST_CHECK;
/* Writes a dense block to a region; `swap` reverses the bytes of each item of 2, 4 or 8 bytes on the way. */
tsr_status file_layout_write(int fd, const file_layout *layout, const box *region, const void *data, bool swap) MUST_CHECK;

#endif
