/* Choosing the kernels for the processor at hand. */
#include "kernel/isas.h" /* made by meson: the levels that this build has */
#include "kernel/kernel.h"

#include <string.h>

#if defined(__x86_64__)
extern const kernels kernels_table_v2, kernels_table_v3, kernels_table_v4;

#define HAS(feature) (__builtin_cpu_supports(feature) != 0)

/* The levels are asked for by their features, because clang 14 does not know the levels' names. Every processor with the features
 * tested here has the rest of its level. */
int kernels_available(const kernels **out, int capacity)
{
    int n = 0;
    __builtin_cpu_init();
    bool v2 = HAS("popcnt") && HAS("ssse3") && HAS("sse4.2");
    bool v3 = v2 && HAS("avx2") && HAS("bmi") && HAS("bmi2") && HAS("fma");
    bool v4 = v3 && HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl");
#ifdef KERNELS_V4
    if (v4 && n < capacity) out[n++] = &kernels_table_v4;
#endif
#ifdef KERNELS_V3
    if (v3 && n < capacity) out[n++] = &kernels_table_v3;
#endif
#ifdef KERNELS_V2
    if (v2 && n < capacity) out[n++] = &kernels_table_v2;
#endif
    (void)v4, (void)v3, (void)v2;
    return n;
}
#else
extern const kernels kernels_table_generic;

int kernels_available(const kernels **out, int capacity)
{
    if (capacity < 1) return 0;
    out[0] = &kernels_table_generic;
    return 1;
}
#endif

tsr_status kernels_select(const char *isa, const kernels **out)
{
    const kernels *found[8];
    int n = kernels_available(found, 8);
    if (n == 0)
        return error_set(TSR_ERR_UNSUPPORTED, "this processor lacks the x86-64-v2 instructions that Tessera needs at least");
    if (!isa || !*isa) {
        *out = found[0];
        return TSR_OK;
    }
    for (int i = 0; i < n; i++) {
        const char *name = found[i]->isa, *dash = strrchr(name, '-');
        if (strcmp(name, isa) == 0 || (dash && strcmp(dash + 1, isa) == 0)) {
            *out = found[i];
            return TSR_OK;
        }
    }
    char known[128] = "";
    for (int i = 0; i < n; i++) {
        if (i) strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, found[i]->isa, sizeof known - strlen(known) - 1);
    }
    return error_set(TSR_ERR_VALUE, "instruction set '%s' is unknown or not in this processor, which has: %s", isa, known);
}
