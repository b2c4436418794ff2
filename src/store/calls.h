/* Libraries behind file formats are opened with the first file that needs them (base/library.h). Whoever calls one of their
 * functions has had TSR_OK from here before. Any thread. */
#ifndef TESSERA_STORE_CALLS_H
#define TESSERA_STORE_CALLS_H

#include "base/error.h"

/* Called by hdf5_lib_enter. */
tsr_status hdf5_calls_open(void) MUST_CHECK;
tsr_status png_calls_open(void) MUST_CHECK;
tsr_status jpeg_calls_open(void) MUST_CHECK;
tsr_status tiff_calls_open(void) MUST_CHECK;

#endif
