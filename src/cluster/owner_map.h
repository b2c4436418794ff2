/* Maps of owners as they travel: every Map that comes from a connection or a journal is read and checked here, whoever takes it.
 */
#ifndef TESSERA_CLUSTER_OWNER_MAP_H
#define TESSERA_CLUSTER_OWNER_MAP_H

#include "cluster/assign.h"
#include "cluster/cluster.pb-c.h"

/* Stages, and workers, that a map may have. */
enum { OWNER_MAP_MOST = 1 << 20 };

/* TSR_ERR_FORMAT: it makes no sense. What is read may still be of another plan; `out` is the caller's to owner_map_free. */
tsr_status owner_map_read(const Tessera__Cluster__Map *m, owner_map *out) MUST_CHECK;
/* TSR_ERR_FORMAT: it is of another plan, as it has other stages, or names units that are not there. */
tsr_status owner_map_check(const owner_map *map, const plan *p) MUST_CHECK;
/* The same, of a plan that is gone. */
tsr_status owner_map_check_units(const owner_map *map, int n_stages, const assign_units *units) MUST_CHECK;

#endif
