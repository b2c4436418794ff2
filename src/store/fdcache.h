/* Open descriptors for files that are read again and again.
 *
 * Thousands of stores are open at once, and the operating system allows a process perhaps a thousand descriptors. A
 * cached_file keeps the path and identity of a file, and has a descriptor only while it is among the recently used. */
#ifndef TESSERA_STORE_FDCACHE_H
#define TESSERA_STORE_FDCACHE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cached_file cached_file;

/* Opens a regular file for reading. TSR_ERR_IO with the system's reason, without the path. */
tsr_status cached_file_open(const char *path, cached_file **out) MUST_CHECK;
/* Closes it. No thread may be reading. NULL is fine. */
void cached_file_close(cached_file *f);
/* The size when it was opened. A file that is replaced or changes its size while it is open fails at the next reopening. */
int64_t cached_file_size(const cached_file *f);

/* The descriptor, kept open until cached_file_unpin. Any thread; takes no lock while the file is among the recently used. */
tsr_status cached_file_pin(cached_file *f, int *fd) MUST_CHECK;
void cached_file_unpin(cached_file *f);

/* Reads exactly n bytes at an offset, through a pinned descriptor or by pinning for the call.
 * TSR_ERR_FORMAT if the file ends before. */
tsr_status fd_read_at(int fd, void *out, size_t n, int64_t offset) MUST_CHECK;
/* From now on reads of the calling thread fail with TSR_ERR_CANCELLED once `stopped` says so; NULL: they do not ask. A region of
 * a file can take long to read: a series of points of compressed maps wants all of the maps. */
void fd_reads_stop(bool (*stopped)(const void *context), const void *context);
tsr_status cached_file_read(cached_file *f, void *out, size_t n, int64_t offset) MUST_CHECK;
/* Writes exactly n bytes at an offset. */
tsr_status fd_write_at(int fd, const void *data, size_t n, int64_t offset) MUST_CHECK;

/* How many descriptors are open now and may be open, over all files of the process; 0 and 0 while no file is open. */
void fdcache_count(size_t *n_open, size_t *limit);

#endif
