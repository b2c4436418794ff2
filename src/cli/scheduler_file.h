/* The file in which a scheduler says where it listens, for workers and clients that share a folder with it: a JSON object with
 * its "address", as Dask's have. */
#ifndef TESSERA_CLI_SCHEDULER_FILE_H
#define TESSERA_CLI_SCHEDULER_FILE_H

#include "base/error.h"

/* Writes it under a temporary name and renames it, so that nobody reads half of one. Of an address on all interfaces of this host
 * it says the one by which this host reaches others; of tls:// ones the host's name, which certificates are for. */
tsr_status scheduler_file_write(const char *path, const char *address) MUST_CHECK;
/* Removes it if it is still what this process has written. */
void scheduler_file_remove(const char *path);
/* The address, to be freed with mem_free; *out is NULL while there is no such file. */
tsr_status scheduler_file_read(const char *path, char **out) MUST_CHECK;
/* The same, but waits for the file until a signal comes (TSR_ERR_CANCELLED). */
tsr_status scheduler_file_wait(const char *path, char **out) MUST_CHECK;

#endif
