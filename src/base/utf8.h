/* UTF-8 (RFC 3629). */
#ifndef TESSERA_BASE_UTF8_H
#define TESSERA_BASE_UTF8_H

/* Length of the character at p, 0 if it is not one. p ends with a NUL. */
int utf8_length(const unsigned char *p);

#endif
