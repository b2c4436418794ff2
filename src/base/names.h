/* Names that people type: finding the one they meant. */
#ifndef TESSERA_BASE_NAMES_H
#define TESSERA_BASE_NAMES_H

#include <stddef.h>

/* Edits that lead from one name to the other: four for each that inserts, deletes, or swaps neighbours; five for one that
 * replaces, as "men" is rather "mean" than "min"; two for another case. Long names are compared in their first 63 characters. */
int names_distance(const char *a, const char *b);
/* Index of the candidate closest to `name` if it is close enough to be meant, otherwise -1. NULL candidates are skipped. */
int names_nearest(const char *name, int n, const char *const *candidates);
/* A hint to put behind an error: "; did you mean 'latitude'?", or the list of what there is. Returns `buffer`. */
char *names_hint(const char *name, int n, const char *const *candidates, char *buffer, size_t size);

#endif
