/* Results as text: arrays as NumPy prints them, variables with their dimensions and coordinates, JSON. */
#ifndef TESSERA_CLI_PRINT_H
#define TESSERA_CLI_PRINT_H

#include "base/strbuf.h"
#include "tessera.h"

enum { PRINT_MAX_ELEMENTS = 1000 }; /* larger arrays are summarised */

/* Dense C-order data, as NumPy's print() lays it out (precision 8, lines of 75). */
void print_array(strbuf *out, const void *data, tsr_dtype dtype, int ndim, const int64_t *shape);
/* A plain number as Python prints it. */
void print_number(strbuf *out, tsr_scalar number);
/* A variable whose values are in `data`: a bare number for no dimensions, else a heading, the values and the coordinates. */
void print_variable(strbuf *out, const char *name, tsr_variable *v, const void *data);
/* "t2m(time 4, latitude 721) float32, K" */
void print_heading(strbuf *out, const char *name, tsr_variable *v);

void json_number(strbuf *out, const char *name, tsr_scalar number);
void json_variable(strbuf *out, const char *name, tsr_variable *v, const void *data);

#endif
