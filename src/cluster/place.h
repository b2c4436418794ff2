/* Files that a client creates and workers write parts of: where a variable lies in one. */
#ifndef TESSERA_CLUSTER_PLACE_H
#define TESSERA_CLUSTER_PLACE_H

#include "cluster/cluster.pb-c.h"
#include "plan/plan.h"

typedef struct file_place file_place;

/* What a request says, if it makes sense for this output; else TSR_ERR_VALUE. */
tsr_status file_place_new(const Tessera__Cluster__FilePlace *said, const stage_output *o, file_place **out) MUST_CHECK;
/* Writes a block, dense. The file is opened with the first. False: it is not to be had here, or it cannot be written: the client
 * is to do that, and finds the same reason. Any thread. */
bool file_place_write(file_place *p, const box *part, const void *data);
/* Closes the file, so that others see what was written, also over a network's file system; another write would open it again. */
void file_place_close(file_place *p);
/* NULL is fine. */
void file_place_free(file_place *p);

#endif
