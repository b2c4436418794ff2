/* Attribute lists. Order is kept, names are unique. */
#include "dataset/attrs.h"

#include "base/mem.h"
#include "block/dtype.h"

#include <stdlib.h>
#include <string.h>

static void clear(store_attr *attr)
{
    mem_free(attr->name);
    mem_free(attr->text);
    mem_free(attr->values);
    *attr = (store_attr){0};
}

static tsr_status copy(const store_attr *from, store_attr *to)
{
    *to = (store_attr){.dtype = from->dtype, .n_values = from->n_values};
    to->name = mem_strdup(from->name);
    bool ok = to->name != NULL;
    if (ok && from->text)
        ok = (to->text = mem_strdup(from->text)) != NULL;
    else if (ok) {
        size_t size_bytes = (size_t)from->n_values * tsr_dtype_size(from->dtype);
        ok = (to->values = mem_alloc(size_bytes)) != NULL;
        if (ok && size_bytes > 0) memcpy(to->values, from->values, size_bytes);
    }
    if (ok) return TSR_OK;
    clear(to);
    return TSR_ERR_MEMORY;
}

tsr_status attrs_add(attrs *a, const store_attr *attr)
{
    store_attr fresh;
    TRY(copy(attr, &fresh));
    attrs_remove(a, attr->name);
    if (a->n == a->capacity) {
        int capacity = a->capacity ? 2 * a->capacity : 8;
        store_attr *items = mem_realloc(a->items, (size_t)capacity * sizeof *items);
        if (!items) {
            clear(&fresh);
            return TSR_ERR_MEMORY;
        }
        a->items = items;
        a->capacity = capacity;
    }
    a->items[a->n++] = fresh;
    return TSR_OK;
}

tsr_status attrs_new(int n, const store_attr *items, attrs **out)
{
    attrs *a = mem_calloc(1, sizeof *a);
    if (!a) return TSR_ERR_MEMORY;
    atomic_init(&a->refs, 1);
    for (int i = 0; i < n; i++)
        if (attrs_add(a, &items[i]) != TSR_OK) {
            attrs_unref(a);
            return TSR_ERR_MEMORY;
        }
    *out = a;
    return TSR_OK;
}

attrs *attrs_ref(attrs *a)
{
    if (a) atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void attrs_unref(attrs *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) return;
    for (int i = 0; i < a->n; i++) clear(&a->items[i]);
    mem_free(a->items);
    mem_free(a);
}

const store_attr *attrs_find(const attrs *a, const char *name)
{
    for (int i = 0; a && i < a->n; i++)
        if (!strcmp(a->items[i].name, name)) return &a->items[i];
    return NULL;
}

const char *attrs_text(const attrs *a, const char *name)
{
    const store_attr *attr = attrs_find(a, name);
    return attr ? attr->text : NULL;
}

bool attr_number(const store_attr *attr, double *value)
{
    if (!attr) return false;
    if (attr->text) {
        char *end;
        *value = strtod(attr->text, &end);
        return end != attr->text && *end == '\0';
    }
    if (attr->n_values < 1) return false;
    element f64 = element_from_scalar(scalar_from_element(attr->values, attr->dtype), TSR_F64);
    *value = f64.f64;
    return true;
}

bool attrs_number(const attrs *a, const char *name, double *value)
{
    const store_attr *attr = attrs_find(a, name);
    return attr && !attr->text && attr_number(attr, value);
}

tsr_status attrs_set_text(attrs *a, const char *name, const char *text)
{
    store_attr attr = {.name = (char *)name, .text = (char *)text};
    for (int i = 0; i < a->n; i++)
        if (!strcmp(a->items[i].name, name)) { /* in its place */
            store_attr fresh;
            TRY(copy(&attr, &fresh));
            clear(&a->items[i]);
            a->items[i] = fresh;
            return TSR_OK;
        }
    return attrs_add(a, &attr);
}

void attrs_remove(attrs *a, const char *name)
{
    for (int i = 0; i < a->n; i++) {
        if (strcmp(a->items[i].name, name) != 0) continue;
        clear(&a->items[i]);
        memmove(&a->items[i], &a->items[i + 1], (size_t)(a->n - i - 1) * sizeof *a->items);
        a->n--;
        return;
    }
}

bool attr_equal(const store_attr *a, const store_attr *b)
{
    if (strcmp(a->name, b->name) != 0 || !a->text != !b->text) return false;
    if (a->text) return strcmp(a->text, b->text) == 0;
    return a->dtype == b->dtype && a->n_values == b->n_values &&
           !memcmp(a->values, b->values, (size_t)a->n_values * tsr_dtype_size(a->dtype));
}
