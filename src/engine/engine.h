/* The engine: runs plans on threads, keeps blocks within the memory budget. One engine belongs to one session. */
#ifndef TESSERA_ENGINE_ENGINE_H
#define TESSERA_ENGINE_ENGINE_H

#include "array/session.h"
#include "plan/plan.h"
#include "store/store.h"

/* Computes arrays together into variables of a file being written: arrays[i] becomes variable vars[i] of w. Every region written
 * covers whole chunks of the writer. The writer stays the caller's, to finish or abort. */
tsr_status engine_store(int n, tsr_array *const *arrays, store_writer *w, const int *vars) MUST_CHECK;

#endif
