/* Pieces of JSON (RFC 8259). */
#ifndef TESSERA_CLI_JSON_H
#define TESSERA_CLI_JSON_H

#include "base/strbuf.h"
#include "tessera.h"

/* A quoted string; bytes that are not UTF-8 become U+FFFD. */
void json_string(strbuf *out, const char *text);
/* One element: NaN and the infinities become null, complex numbers [real, imaginary]. */
void json_element(strbuf *out, const void *data, tsr_dtype dtype);

#endif
