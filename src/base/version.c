/* The version, from the build. */
#include "tessera.h"

const char *tsr_version(void) { return TESSERA_VERSION; }
