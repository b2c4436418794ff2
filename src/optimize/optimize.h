/* Rewrites on expressions, run before planning. Every rule keeps the values (bit for bit) and only makes the plan read, compute
 * or hold less. The rules are listed in rules.h; the README of this folder says what they may assume. */
#ifndef TESSERA_OPTIMIZE_OPTIMIZE_H
#define TESSERA_OPTIMIZE_OPTIMIZE_H

#include "array/node.h"
#include "base/strbuf.h"
#include "optimize/rules.h"

/* How often each rule was applied. */
typedef struct optimize_report {
    int64_t applied[N_RULES];
} optimize_report;

/* Rewrites the expressions together (they may share nodes). results[i] is a new reference, equal in value to roots[i]; on failure
 * nothing is returned. A session that was opened with TESSERA_OPTIMIZE=0 in the environment rewrites nothing. Time and memory are
 * linear in the number of nodes. Any thread. */
tsr_status optimize_graph(int n, tsr_array *const *roots, tsr_array **results, optimize_report *report) MUST_CHECK;
/* "rewrites: slice of concatenate 2, constant folding\n"; nothing when no rule was applied. */
void optimize_describe(const optimize_report *report, strbuf *out);

#endif
