/* Coordinate values in memory. The native values are kept so that a file that is written again has the same bits. */
#include "dataset/labels.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

tsr_status labels_new(tsr_dtype dtype, int64_t n, labels **out)
{
    size_t item = tsr_dtype_size(dtype);
    if (n < 0 || (uint64_t)n > SIZE_MAX / 16) return error_memory(SIZE_MAX);
    labels *l = mem_calloc(1, sizeof *l);
    if (!l) return TSR_ERR_MEMORY;
    atomic_init(&l->refs, 1);
    l->n = n;
    l->dtype = dtype;
    l->data = mem_calloc((size_t)n + 1, item);
    if (!l->data) {
        labels_unref(l);
        return TSR_ERR_MEMORY;
    }
    *out = l;
    return TSR_OK;
}

tsr_status labels_finish(labels *l)
{
    if (l->dtype == TSR_F64) {
        l->values = l->data;
        return TSR_OK;
    }
    l->values = mem_alloc(((size_t)l->n + 1) * sizeof *l->values);
    if (!l->values) return TSR_ERR_MEMORY;
    size_t item = tsr_dtype_size(l->dtype);
    for (int64_t i = 0; i < l->n; i++)
        l->values[i] = element_from_scalar(scalar_from_element((const char *)l->data + (size_t)i * item, l->dtype), TSR_F64).f64;
    return TSR_OK;
}

/* Finishes labels that were filled; on failure they are gone. */
static tsr_status finished(labels *l, labels **out)
{
    tsr_status status = labels_finish(l);
    if (status == TSR_OK)
        *out = l;
    else
        labels_unref(l);
    return status;
}

tsr_status labels_from_doubles(int64_t n, const double *values, labels **out)
{
    labels *l = NULL;
    TRY(labels_new(TSR_F64, n, &l));
    if (n > 0) memcpy(l->data, values, (size_t)n * sizeof *values);
    return finished(l, out);
}

tsr_status labels_from_ints(int64_t n, const int64_t *values, labels **out)
{
    labels *l = NULL;
    TRY(labels_new(TSR_I64, n, &l));
    if (n > 0) memcpy(l->data, values, (size_t)n * sizeof *values);
    return finished(l, out);
}

labels *labels_ref(labels *l)
{
    if (l) atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void labels_unref(labels *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1) return;
    if (l->values != l->data) mem_free(l->values);
    mem_free(l->data);
    mem_free(l);
}

tsr_status labels_pick(const labels *l, int64_t start, int64_t step, int64_t n, const int64_t *indices, labels **out)
{
    labels *picked = NULL;
    TRY(labels_new(l->dtype, n, &picked));
    size_t item = tsr_dtype_size(l->dtype);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = indices ? indices[i] : start + i * step;
        memcpy((char *)picked->data + (size_t)i * item, (const char *)l->data + (size_t)from * item, item);
    }
    return finished(picked, out);
}

tsr_status labels_concat(int n, labels *const *parts, labels **out)
{
    int64_t total = 0;
    tsr_dtype dtype = parts[0]->dtype;
    for (int i = 0; i < n; i++) {
        total += parts[i]->n;
        if (parts[i]->dtype != dtype) dtype = TSR_F64;
    }
    labels *joined = NULL;
    TRY(labels_new(dtype, total, &joined));
    size_t item = tsr_dtype_size(dtype);
    char *to = joined->data;
    for (int i = 0; i < n; i++) {
        const void *from = parts[i]->dtype == dtype ? parts[i]->data : parts[i]->values;
        memcpy(to, from, (size_t)parts[i]->n * item);
        to += (size_t)parts[i]->n * item;
    }
    return finished(joined, out);
}

tsr_status labels_convert(const labels *l, double scale, double offset, labels **out)
{
    labels *converted = NULL;
    TRY(labels_new(TSR_F64, l->n, &converted));
    double *to = converted->data;
    for (int64_t i = 0; i < l->n; i++) to[i] = l->values[i] * scale + offset;
    return finished(converted, out);
}

int64_t labels_difference(const labels *a, const labels *b)
{
    for (int64_t i = 0; i < a->n; i++)
        if (a->values[i] != b->values[i] && !(isnan(a->values[i]) && isnan(b->values[i]))) return i;
    return -1;
}

int labels_direction(const labels *l)
{
    bool up = true, down = l->n > 1;
    for (int64_t i = 1; i < l->n; i++) {
        if (!(l->values[i] > l->values[i - 1])) up = false;
        if (!(l->values[i] < l->values[i - 1])) down = false;
    }
    return up ? 1 : down ? -1 : 0;
}
