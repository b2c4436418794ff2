/* Values with names: CF's flag_values and flag_meanings (conventions 1.11, section 3.5). */
#ifndef TESSERA_DATASET_FLAGS_H
#define TESSERA_DATASET_FLAGS_H

#include "dataset/attrs.h"

/* Do the attributes name values? (Bit fields, which have flag_masks, do not.) */
bool flags_exist(const attrs *a);
/* The name of a value, into `text`; false if it has none. */
bool flags_name(const attrs *a, double value, char *text, size_t size);
/* The value of a name. TSR_ERR_NOT_FOUND suggests the nearest. */
tsr_status flags_value(const attrs *a, const char *name, double *value) MUST_CHECK;

#endif
