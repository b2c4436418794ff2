/* Writing JSON; see json.h. Stateless. */
#include "cli/json.h"

#include "base/utf8.h"
#include "block/dtype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void json_string(strbuf *out, const char *text)
{
    strbuf_add(out, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int n = utf8_length(p);
        if (n == 0) /* Latin-1, as old files write it */
            strbuf_printf(out, "%c%c", 0xc0 | *p >> 6, 0x80 | (*p & 0x3f));
        else if (*p == '"' || *p == '\\')
            strbuf_printf(out, "\\%c", *p);
        else if (*p == '\n')
            strbuf_add(out, "\\n");
        else if (*p < 0x20 || *p == 0x7f)
            strbuf_printf(out, "\\u%04x", *p);
        else
            strbuf_addn(out, (const char *)p, (size_t)n);
        p += n ? n : 1;
    }
    strbuf_add(out, "\"");
}

static void add_double(strbuf *out, double value, int digits)
{
    if (!isfinite(value))
        strbuf_add(out, "null");
    else
        strbuf_printf(out, "%.*g", digits, value);
}

void json_element(strbuf *out, const void *data, tsr_dtype dtype)
{
    tsr_scalar s = scalar_from_element(data, dtype);
    int digits = dtype == TSR_F32 || dtype == TSR_C64 ? 9 : 17;
    if (dtype == TSR_BOOL) {
        strbuf_add(out, s.u ? "true" : "false");
    } else if (dtype_is_complex(dtype)) {
        strbuf_add(out, "[");
        add_double(out, s.f, digits);
        strbuf_add(out, ", ");
        add_double(out, s.imag, digits);
        strbuf_add(out, "]");
    } else if (dtype_is_float(dtype)) {
        char text[64];
        if (isfinite(s.f))
            strbuf_add(out, element_format(data, dtype, text, sizeof text));
        else
            strbuf_add(out, "null");
    } else if (dtype_is_unsigned(dtype)) {
        strbuf_printf(out, "%llu", (unsigned long long)s.u);
    } else {
        strbuf_printf(out, "%lld", (long long)s.i);
    }
}
