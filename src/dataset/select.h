/* Looking labels up, inside. */
#ifndef TESSERA_DATASET_SELECT_H
#define TESSERA_DATASET_SELECT_H

#include "dataset/variable.h"

/* The coordinate that labels are looked up in (borrowed), and the axis it belongs to: `dim` names a dimension, or a 1-D
 * coordinate along one. For a date it is a time coordinate along the dimension, where the dimension's own is none. */
tsr_status select_find_coord(const tsr_variable *v, const char *dim, bool for_date, int *axis, tsr_variable **out) MUST_CHECK;

#endif
