/* Names of files, and patterns of them. */
#ifndef TESSERA_DATASET_PATHS_H
#define TESSERA_DATASET_PATHS_H

#include "base/error.h"
#include "base/vec.h"

typedef VEC(char *) path_list;

/* Each path, or the files that match it if it is a pattern and no file of that very name exists; matches in natural order: "t9"
 * before "t10". On failure nothing is left behind. */
tsr_status paths_find(path_list *list, int n, const char *const *paths) MUST_CHECK;
void paths_fini(path_list *list);
/* Below, equal to or above 0, as of strcmp, but that digits count as numbers. */
int path_compare(const char *a, const char *b);

#endif
