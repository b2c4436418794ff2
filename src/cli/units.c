/* Units as they stand in pictures. Stateless. */
#include "cli/figure.h"

#include "base/strbuf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};

/* At a power ("**-1", "^2", "-2" behind a word, "2" behind a short one): its digits, and whether it is negative. NULL elsewhere.
 */
static const char *power_at(const char *p, size_t letters, bool *is_negative)
{
    size_t sign = strncmp(p, "**", 2) == 0 ? 2 : *p == '^' ? 1 : 0;
    *is_negative = p[sign] == '-';
    const char *digits = p + sign + *is_negative;
    if (!isdigit((unsigned char)*digits)) return NULL;
    if (!sign && (letters == 0 || (!*is_negative && letters > 2))) return NULL; /* PM10 and 1e-3 are no powers */
    return digits;
}

const char *units_pretty(const char *units, char *text, size_t size)
{
    static const char *const celsius[] = {"degree_C", "degrees_C", "degree_Celsius", "degC", "deg_C", "celsius", "Celsius"};
    strbuf b = {0};
    size_t letters = 0; /* of the word so far */
    for (size_t i = 0; i < sizeof celsius / sizeof *celsius; i++)
        if (strcmp(units, celsius[i]) == 0) units = "°C";
    for (const char *p = units; *p;) {
        bool is_negative;
        const char *digits = power_at(p, letters, &is_negative);
        if (!digits) {
            bool follows_digit = p > units && isdigit((unsigned char)p[-1]);
            letters = isalpha((unsigned char)*p) && !follows_digit ? letters + 1 : 0;
            strbuf_addn(&b, p++, 1);
            continue;
        }
        if (is_negative) strbuf_add(&b, "⁻");
        for (p = digits; isdigit((unsigned char)*p); p++) strbuf_add(&b, raised[*p - '0']);
        letters = 0;
    }
    snprintf(text, size, "%s", b.text ? b.text : units);
    strbuf_fini(&b);
    return text;
}
