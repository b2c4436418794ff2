/* The scratch file: compressed blocks on disk. The file has no name from the moment it is made, so the system frees it when the
 * process ends, however it ends. */
#ifndef TESSERA_ENGINE_SCRATCH_H
#define TESSERA_ENGINE_SCRATCH_H

#include "base/error.h"

typedef struct scratch scratch;

tsr_status scratch_open(const char *folder, scratch **out) MUST_CHECK;
void scratch_close(scratch *s);
/* Compresses and writes; *at names the block. Any thread. TSR_ERR_IO names the folder and says when the disk is full. */
tsr_status scratch_write(scratch *s, const void *data, size_t size_bytes, int64_t *at) MUST_CHECK;
/* Reads n_bytes from byte `first` on of a block of size_bytes: of its pages those that hold them. */
tsr_status scratch_read(scratch *s, int64_t at, size_t size_bytes, size_t first, size_t n_bytes, void *out) MUST_CHECK;
/* Gives the block's disk space back. Any thread. */
void scratch_release(scratch *s, int64_t at);
/* From now on what is released is only noted, as nobody wants to wait for the disk: the file is about to be closed, or somebody
 * gave a computation up. */
void scratch_hurry(scratch *s);
/* Ends that: a process of its own gives back what was noted. */
void scratch_settle(scratch *s);

#endif
