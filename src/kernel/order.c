/* What the methods of quantiles are called: the same on every instruction set. Pure functions; any thread. */
#include "kernel/kernel.h"

#include <string.h>

typedef struct method_info {
    const char *name;
    bool is_element;
} method_info;

static const method_info methods[N_QUANTILE_METHODS] = {
#define X(name, text, is_element) [QUANTILE_##name] = {text, is_element},
    QUANTILE_METHODS(X)
#undef X
};

const char *quantile_method_name(quantile_method m) { return (unsigned)m < N_QUANTILE_METHODS ? methods[m].name : "unknown"; }

quantile_method quantile_method_find(const char *name)
{
    quantile_method m = 0;
    while (m < N_QUANTILE_METHODS && strcmp(methods[m].name, name) != 0) m++;
    return m;
}

bool quantile_is_element(quantile_method m) { return (unsigned)m < N_QUANTILE_METHODS && methods[m].is_element; }
