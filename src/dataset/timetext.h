/* Dates as text. time.h declares what others need; this is what time.c needs besides. */
#ifndef TESSERA_DATASET_TIMETEXT_H
#define TESSERA_DATASET_TIMETEXT_H

#include "dataset/time.h"

/* Reads the date after "since": "1900-1-1", "1900-01-01 00:00:0.0 +01:00", "1970-01-01T00:00:00Z". The result is in UTC. */
tsr_status timetext_parse_base(calendar cal, const char *text, instant *out) MUST_CHECK;

#endif
