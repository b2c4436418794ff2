/* The driver of the rewrites. */
#include "optimize/optimize.h"

tsr_status optimize_graph(int n, tsr_array *const *roots, tsr_array **results)
{
    for (int i = 0; i < n; i++) results[i] = node_ref(roots[i]);
    return TSR_OK;
}
