/* Rewrites on expressions, run before planning. Every rule keeps the values (bit for bit) and only makes the plan read, compute
 * or hold less. The rules are listed in the README of this folder. */
#ifndef TESSERA_OPTIMIZE_OPTIMIZE_H
#define TESSERA_OPTIMIZE_OPTIMIZE_H

#include "array/node.h"

/* Rewrites the expressions together (they may share nodes). results[i] is a new reference, equal in value to roots[i]; on failure
 * nothing is returned. Any thread. */
tsr_status optimize_graph(int n, tsr_array *const *roots, tsr_array **results) MUST_CHECK;

#endif
